//! `stapes gen` and `stapes dtrace`, against SystemTap's `dtrace`, compilers and linkers.

use std::collections::BTreeSet;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use super::support::{folder, have, output_of, stapes, stapes_ok};

/// What both programs understand of the language.
const PROVIDER: &str = "\
/* The probes of a program. */
#define Number unsigned int
provider my_app {
    /* A request came. */
    probe request__start(int id, char *path, Number x, unsigned char);
    probe request__done(int id);
    probe plain();
};
";

/// The names that a header defines for the provider: those that begin with its name.
fn macros(header: &str) -> BTreeSet<String> {
    let defines = header.lines().filter_map(|line| line.strip_prefix("#define MY_APP_"));
    let name =
        |line: &str| line.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap().to_owned();
    defines.map(name).filter(|name| name != "PROBES_H").collect()
}

/// The symbols of an object that end in `_semaphore`, as readelf lists them: size, type, binding, visibility, name.
fn semaphores(object: &Path) -> BTreeSet<String> {
    let text = output_of(Command::new("readelf").arg("-sW").arg(object));
    let symbols = text.lines().filter(|line| line.trim_end().ends_with("_semaphore"));
    symbols
        .map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            [words[2], words[3], words[4], words[5], words[7]].join(" ")
        })
        .collect()
}

#[test]
fn headers_and_objects_have_what_systemtap_s_have() {
    let test = "headers_and_objects_have_what_systemtap_s_have";
    if !have(test, &["dtrace", "readelf", "gcc"]) {
        return;
    }
    let folder = folder();
    let script = folder.path().join("my_app.d");
    std::fs::write(&script, PROVIDER).unwrap();
    // Under its own name, as a project's build calls it.
    let ours = folder.path().join("dtrace");
    symlink(env!("CARGO_BIN_EXE_stapes"), &ours).unwrap();
    for (option, ending) in [("-h", "h"), ("-G", "o")] {
        for (program, name) in [(Path::new("dtrace"), "theirs"), (&ours, "ours")] {
            let output = folder.path().join(format!("{name}.{ending}"));
            let mut command = Command::new(program);
            command.current_dir(folder.path()).args(["-C", option, "-s", "my_app.d", "-o"]).arg(&output);
            let text = output_of(&mut command);
            assert!(output.exists(), "{command:?}: {text}");
        }
    }
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    assert_eq!(macros(&read("ours.h")), macros(&read("theirs.h")));
    let (ours, theirs) = (folder.path().join("ours.o"), folder.path().join("theirs.o"));
    assert_eq!(semaphores(&ours), semaphores(&theirs));

    // A program that was compiled with SystemTap's header links with our object.
    let source = folder.path().join("main.c");
    let program = folder.path().join("main");
    std::fs::write(
        &source,
        "#include \"theirs.h\"\nint main(void) { if (MY_APP_PLAIN_ENABLED()) MY_APP_PLAIN(); return 0; }",
    )
    .unwrap();
    let output = Command::new("gcc").arg(&source).arg(&ours).arg("-o").arg(&program).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(Command::new(&program).status().unwrap().success());
}

#[test]
fn a_project_that_calls_dtrace_builds_and_has_its_probes() {
    let test = "a_project_that_calls_dtrace_builds_and_has_its_probes";
    if !have(test, &["make", "gcc", "cpp"]) {
        return;
    }
    let folder = folder();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("my_app.d", PROVIDER);
    // The rules are those of projects with --with-dtrace: a header that is edited, an object from all objects.
    write(
        "Makefile",
        "server: server.o probes.o\n\
         \t$(CC) -o $@ $^\n\
         server.o: probes.h\n\
         probes.h: my_app.d\n\
         \t$(DTRACE) -C -h -s $< -o $@.tmp\n\
         \tsed -e 's/MY_APP_/TRACE_MY_APP_/g' $@.tmp > $@\n\
         probes.o: my_app.d server.o\n\
         \t$(DTRACE) -C -G -s $< server.o -o $@\n",
    );
    write(
        "server.c",
        "#include \"probes.h\"\n\
         int main(int argc, char **argv) {\n\
         if (TRACE_MY_APP_REQUEST_START_ENABLED()) TRACE_MY_APP_REQUEST_START(argc, argv[0], 7u, 'x');\n\
         TRACE_MY_APP_REQUEST_DONE(argc);\n\
         return 0; }\n",
    );
    let dtrace = format!("DTRACE={} dtrace", env!("CARGO_BIN_EXE_stapes"));
    let output =
        Command::new("make").current_dir(folder.path()).args([&dtrace, "CFLAGS=-O2 -Wall -Werror"]).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let server = folder.path().join("server");
    let listed = stapes_ok(&["list".as_ref(), server.as_os_str()]);
    let names: BTreeSet<&str> = listed.lines().filter_map(|line| line.rsplit(':').next()).collect();
    assert_eq!(names, BTreeSet::from(["request__done", "request__start"]));
    assert!(Command::new(&server).status().unwrap().success());
}

#[test]
fn rust_from_a_provider_file_and_back() {
    let folder = folder();
    let script = folder.path().join("my_app.d");
    std::fs::write(&script, PROVIDER).unwrap();
    let rust = stapes_ok(&["gen".as_ref(), script.as_os_str(), "--rust".as_ref()]);
    assert!(
        rust.contains("pub fn request__start(id: i32, path: *const ::core::ffi::c_char, x: u32, arg3: u8);"),
        "{rust}"
    );
    // The Rust module declares what the provider file does.
    let module = folder.path().join("my_app.rs");
    std::fs::write(&module, &rust).unwrap();
    let of = |file: &Path| -> Vec<String> {
        let header = stapes_ok(&["gen".as_ref(), file.as_os_str(), "--header".as_ref()]);
        macros(&header).into_iter().collect()
    };
    assert_eq!(of(&module), of(&script));
}

#[test]
fn a_table_for_the_users() {
    let folder = folder();
    let script = folder.path().join("my_app.d");
    std::fs::write(&script, PROVIDER).unwrap();
    let table = stapes_ok(&["gen".as_ref(), script.as_os_str(), "--table".as_ref()]);
    assert!(
        table.contains("| `my_app:request__done` | `arg0` id: `int` |  |")
            && table.contains("| A request came. |"),
        "{table}"
    );
}

#[test]
fn what_is_wrong_is_said_with_its_place() {
    let folder = folder();
    let script = folder.path().join("bad.d");
    let complaint = |text: &str, option: &str| {
        std::fs::write(&script, text).unwrap();
        let output = stapes(&["gen".as_ref(), script.as_os_str(), option.as_ref()]);
        assert_eq!(output.status.code(), Some(1), "{text}");
        String::from_utf8(output.stderr).unwrap().replace(script.to_str().unwrap(), "bad.d")
    };
    assert_eq!(
        complaint("provider x {\n  prob y();\n};", "--header"),
        "error: bad.d:2:3: expected `probe` or `}`, found `prob`\n"
    );
    assert_eq!(complaint("", "--header"), "error: bad.d declares no provider\n");
    assert_eq!(
        complaint("provider x { probe y(strange_t s); };", "--rust"),
        "error: bad.d: Rust has no type for `strange_t`, argument 0 of `x:y`; declare it with `typedef`\n"
    );
    let usage = stapes(&["dtrace", "-s", "x.d"]);
    assert_eq!(usage.status.code(), Some(2));
}
