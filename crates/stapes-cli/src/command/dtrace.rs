//! `stapes dtrace`, or `stapes` under the name `dtrace`: the command line by which projects make probes.
//!
//! ```text
//! dtrace -h -s probes.d -o probes.h         the header
//! dtrace -G -s probes.d *.o -o probes.o     the object with the semaphores
//! ```
//!
//! `-C` runs the preprocessor, `-I` and `-D` go to it.
//! What other systems need is taken and has no effect: the program's objects, `-32`, `-64`, `-x option`, `-q`, `-k`, `-f…`.
//! It is not DTrace: it does not trace.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use stapes_declaration::object::Machine;

use super::generate;

const USAGE: &str = "\
Makes probes for C and C++ as DTrace and SystemTap do.

Usage: stapes dtrace (-h | -G) [-C [-I DIR] [-D NAME]] -s FILE.d [-o FILE]

  -h       a header with a macro for each probe
  -G       an object that defines the probes' semaphores
  -s FILE  the provider file
  -o FILE  what to write; otherwise the provider file's name with .h or .o
  -C       run the C preprocessor on the provider file first";

/// What the command line says.
#[derive(Debug, Default, PartialEq)]
struct Request {
    header: bool,
    object: bool,
    script: Option<PathBuf>,
    output: Option<PathBuf>,
    preprocess: bool,
    preprocessor: Vec<OsString>,
    help: bool,
}

pub(crate) fn dtrace(words: impl IntoIterator<Item = OsString>) -> anyhow::Result<ExitCode> {
    let request = match parse(words) {
        Ok(request) => request,
        Err(message) => {
            eprintln!("error: {message}\n\n{USAGE}");
            return Ok(ExitCode::from(2));
        }
    };
    if request.help {
        println!("{USAGE}");
        return Ok(ExitCode::SUCCESS);
    }
    // `parse` sees to it that there is one.
    let script = request.script.unwrap_or_default();
    let providers = generate::read(&script, request.preprocess.then_some(&request.preprocessor[..]))?;
    let (bytes, ending) = match request.header {
        true => (generate::header_of(&providers, &script), "h"),
        false => (generate::object_of(&providers, Machine::host())?, "o"),
    };
    let output = request.output.unwrap_or_else(|| beside(&script, ending));
    generate::write(Some(&output), &bytes)?;
    Ok(ExitCode::SUCCESS)
}

/// The provider file's name with another ending, in the folder where the command runs.
fn beside(script: &Path, ending: &str) -> PathBuf {
    PathBuf::from(script.file_name().unwrap_or(script.as_os_str())).with_extension(ending)
}

fn parse(words: impl IntoIterator<Item = OsString>) -> Result<Request, String> {
    let mut request = Request::default();
    let mut words = words.into_iter();
    while let Some(word) = words.next() {
        let text = word.to_string_lossy().into_owned();
        // Options may stand together with their values: `-sprobes.d`.
        let mut value = |option: &str| -> Result<OsString, String> {
            match &text[2..] {
                "" => words.next().ok_or_else(|| format!("{option} needs a value")),
                value => Ok(OsString::from(value)),
            }
        };
        match text.get(..2) {
            _ if text == "--help" => request.help = true,
            _ if text.starts_with("--") => {}
            Some("-h") => request.header = true,
            Some("-G") => request.object = true,
            Some("-C") => request.preprocess = true,
            Some("-s") => request.script = Some(value("-s")?.into()),
            Some("-o") => request.output = Some(value("-o")?.into()),
            Some(option @ ("-I" | "-D" | "-U")) => {
                let value = value(option)?;
                request.preprocessor.extend([OsString::from(option), value]);
            }
            Some("-x" | "-b") => {
                value("-x")?;
            }
            Some("-3" | "-6" | "-q" | "-k" | "-f" | "-m" | "-v" | "-Z" | "-S" | "-w") => {}
            Some(option) if option.starts_with('-') => return Err(format!("no such option: {text}")),
            // An object of the program, which DTrace changes and we need not.
            _ => {}
        }
    }
    if request.help {
        return Ok(request);
    }
    if request.header == request.object {
        return Err("say what to make: -h or -G".to_owned());
    }
    if request.script.is_none() {
        return Err("say which provider file to read: -s FILE.d".to_owned());
    }
    Ok(request)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Request, String> {
        parse(line.split(' ').filter(|word| !word.is_empty()).map(OsString::from))
    }

    #[test]
    fn as_postgresql_and_others_call_it() {
        let header = parsed("-C -h -s probes.d -o probes.h.tmp").unwrap();
        assert!(header.header && header.preprocess);
        assert_eq!(header.output, Some("probes.h.tmp".into()));
        let object = parsed("-G -64 -C -I../include -DX=1 -s probes.d a.o b.o -o probes.o").unwrap();
        assert!(object.object);
        assert_eq!(object.script, Some("probes.d".into()));
        assert_eq!(object.preprocessor, ["-I", "../include", "-D", "X=1"]);
        assert_eq!(parsed("-hsprobes.d"), Err("say which provider file to read: -s FILE.d".to_owned()));
        assert_eq!(parsed("-sprobes.d -h").unwrap().script, Some("probes.d".into()));
    }

    #[test]
    fn what_is_wrong_is_named() {
        assert_eq!(parsed("-s probes.d"), Err("say what to make: -h or -G".to_owned()));
        assert_eq!(parsed("-h -s"), Err("-s needs a value".to_owned()));
        assert_eq!(parsed("-h -n x"), Err("no such option: -n".to_owned()));
    }
}
