//! What a Go program says about itself: its build, and its functions with the places to probe.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::fs::File;
use std::io;
use std::path::Path;

use stapes_binary::go::{Arguments, BuildInfo, Code, Go, GoError, Goid, Inlined, InlinedInto, Tables};
use stapes_binary::{Arch, Elf, FileOff, Glob, ReadError, Vaddr};

/// Why nothing can be said about a file.
#[derive(Debug)]
pub enum Error {
    /// It cannot be opened.
    Open(io::Error),
    /// It is no ELF file.
    NotElf,
    /// Its headers are broken.
    Elf(ReadError),
    /// It is no Go program that can be read.
    Go(GoError),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Open(error) => write!(f, "{error}"),
            Error::NotElf => f.write_str("not an ELF file"),
            Error::Elf(error) => write!(f, "{error}"),
            Error::Go(error) => write!(f, "{error}"),
        }
    }
}

impl std::error::Error for Error {}

/// The facts of a whole program.
#[derive(Debug)]
pub struct Info {
    /// The architecture.
    pub arch: Arch,
    /// What the linker says about the build.
    pub build: Option<BuildInfo>,
    /// The runtime's tables.
    pub tables: Tables,
    /// Where a goroutine has its number.
    pub goid: Goid,
}

/// The functions of a program whose names are of a pattern.
#[derive(Debug)]
pub struct Functions {
    /// The architecture.
    pub arch: Arch,
    /// Those that have code, in the order of addresses.
    pub functions: Vec<FunctionFacts>,
    /// Those that have none, because every call was inlined; by name.
    pub inlined: Vec<Inlined>,
    /// What could not be read of them.
    pub warnings: Vec<String>,
}

/// A function.
#[derive(Debug)]
pub struct FunctionFacts {
    /// Its name as Go prints it.
    pub name: String,
    /// Its first instruction.
    pub address: Vaddr,
    /// Bytes up to the next function.
    pub size: u64,
    /// Where it is in the file.
    pub file_offset: Option<FileOff>,
    /// Whether it is assembly.
    pub assembly: bool,
    /// The first line of its source.
    pub line: Option<u32>,
    /// Where to probe it, if that was asked for.
    pub code: Option<Code>,
    /// Its arguments, if they were asked for and the program says something of them.
    pub arguments: Option<Arguments>,
    /// Where it was inlined besides, if details were asked for.
    pub inlined: Vec<InlinedInto>,
}

/// Reads the facts of a program.
///
/// # Errors
/// It cannot be opened, or is no Go program that can be read.
pub fn info(path: &Path) -> Result<Info, Error> {
    with(path, |go| {
        Ok(Info {
            arch: go.arch(),
            build: go.build_info().cloned(),
            tables: go.tables().clone(),
            goid: go.goid(),
        })
    })
}

/// Reads the functions of a program; with `details` also their code and arguments.
///
/// # Errors
/// As for [`info`], or the code is not in the file.
pub fn functions(path: &Path, pattern: Option<&Glob>, details: bool) -> Result<Functions, Error> {
    let wanted = |name: &str| pattern.is_none_or(|p| p.matches(name));
    with(path, |go| {
        let mut warnings = Vec::new();
        // Without details, what was inlined counts only where there is nothing else.
        let with_code: HashSet<_> = match details {
            true => HashSet::new(),
            false => go.functions().map(|f| f.name).filter(|name| wanted(name)).collect(),
        };
        let wanted_inlined = |name: &str| wanted(name) && !with_code.contains(name);
        let inlined = go.inlined(&wanted_inlined).unwrap_or_else(|error| {
            warnings.push(error.to_string());
            Vec::new()
        });
        let mut inlined: HashMap<String, Vec<InlinedInto>> =
            inlined.into_iter().map(|i| (i.name, i.into)).collect();
        let mut functions: Vec<FunctionFacts> = Vec::new();
        for function in go.functions().filter(|f| wanted(&f.name)) {
            let code = details.then(|| go.code(&function)).transpose()?;
            // Unknown arguments come with unknown inlining, which has been said.
            let arguments = code.as_ref().and_then(|code| go.arguments(&function, code).ok().flatten());
            functions.push(FunctionFacts {
                address: function.entry,
                size: function.end.0 - function.entry.0,
                file_offset: function.file_offset,
                assembly: function.assembly,
                line: function.line,
                code,
                arguments,
                inlined: inlined.get(function.name.as_ref()).cloned().unwrap_or_default(),
                name: function.name.into_owned(),
            });
        }
        for function in &functions {
            inlined.remove(&function.name);
        }
        let mut inlined: Vec<Inlined> =
            inlined.into_iter().map(|(name, into)| Inlined { name, into }).collect();
        inlined.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Functions { arch: go.arch(), functions, inlined, warnings })
    })
}

fn with<T>(path: &Path, f: impl FnOnce(&Go<'_>) -> Result<T, GoError>) -> Result<T, Error> {
    let file = File::open(path).map_err(Error::Open)?;
    let elf = Elf::open(&file).map_err(Error::Elf)?.ok_or(Error::NotElf)?;
    let go = Go::open(&elf).map_err(Error::Go)?;
    f(&go).map_err(Error::Go)
}
