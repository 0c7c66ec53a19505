//! `stapes list --format`: what it writes is given to the tool that it is for, and must be taken.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::support::*;

const TRACEFS: &str = "/sys/kernel/tracing";

/// The kernel has one list of such definitions; perf stumbles over what another writer changes meanwhile.
static DEFINING: Mutex<()> = Mutex::new(());

fn alone() -> MutexGuard<'static, ()> {
    DEFINING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The target with a provider that no other test, here or elsewhere, uses.
fn target(dir: &Path, tool: &str) -> (PathBuf, String) {
    let provider = format!("{tool}{}", std::process::id());
    let source = TARGET.replace("cases", &provider);
    (compile(dir, "target", &source, &[]), provider)
}

fn definitions(format: &str, program: &Path) -> String {
    stapes_ok(&["list".as_ref(), "--format".as_ref(), format.as_ref(), program.as_os_str()])
}

/// Runs the target to its end.
fn run(program: &Path) {
    assert!(Command::new(program).stdin(Stdio::null()).stdout(Stdio::null()).status().unwrap().success());
}

#[test]
fn bpftrace_runs_its_definitions() {
    let test = "bpftrace_runs_its_definitions";
    if !can_compile(test) || !root(test) || !have(test, &["bpftrace"]) {
        return;
    }
    let dir = folder();
    let (program, provider) = target(dir.path(), "bpftrace");
    let script = dir.path().join("script.bt");
    fs::write(&script, definitions("bpftrace", &program)).unwrap();
    let command = format!("ulimit -l unlimited; bpftrace -c {} {}", program.display(), script.display());
    let output = output_of(Command::new("sh").args(["-c", &command]).stdin(Stdio::null()));
    // first(1, 1 << 40, …) and second(-1).
    assert!(output.contains(&format!("{provider}:plain 1 {} ", 1u64 << 40)), "{output}");
    assert!(output.contains(&format!("{provider}:counted -1\n")), "{output}");
}

#[test]
fn the_kernel_takes_its_definitions_and_fetches_the_arguments() {
    let test = "the_kernel_takes_its_definitions_and_fetches_the_arguments";
    if !can_compile(test) || !root(test) || !have(test, &[&format!("{TRACEFS}/uprobe_events")]) {
        return;
    }
    let dir = folder();
    let (program, provider) = target(dir.path(), "kernel");
    let _alone = alone();
    let lines = definitions("uprobe_events", &program);
    let instance = PathBuf::from(format!("{TRACEFS}/instances/{provider}"));
    let write = |file: &str, text: &str| {
        let path = Path::new(TRACEFS).join(file);
        fs::OpenOptions::new().append(true).open(path).and_then(|mut f| f.write_all(text.as_bytes()))
    };
    let mut names = Vec::new();
    for line in lines.lines() {
        write("uprobe_events", line).unwrap_or_else(|e| panic!("{line}: {e}"));
        names.push(line.split([':', ' ']).nth(1).unwrap());
    }
    assert!(names.len() >= 3, "{lines}");
    let _ = fs::create_dir(&instance);
    let enable = instance.join("events").join(&provider).join("enable");
    let traced = fs::write(&enable, "1").map(|()| run(&program));
    let trace = fs::read_to_string(instance.join("trace")).unwrap_or_default();
    let _ = fs::write(&enable, "0");
    let _ = fs::remove_dir(&instance);
    for name in names {
        let _ = write("uprobe_events", &format!("-:{name}"));
    }
    traced.unwrap();
    assert!(trace.contains(&format!("arg0=1 arg1={} arg2=", 1u64 << 40)), "{lines}{trace}");
    // The event with a semaphore fired: the kernel was told where it is.
    assert!(trace.contains("arg0=-1"), "{lines}{trace}");
    assert!(trace.matches("counted_").count() >= 2, "{lines}{trace}");
}

#[test]
fn gdb_takes_its_definitions() {
    let test = "gdb_takes_its_definitions";
    if !can_compile(test) || !have(test, &["gdb"]) {
        return;
    }
    let dir = folder();
    let (program, _) = target(dir.path(), "gdb");
    let script = dir.path().join("script.gdb");
    let text = definitions("gdb", &program);
    fs::write(&script, &text).unwrap();
    let output =
        output_of(Command::new("gdb").args(["-nx", "-q", "-batch", "-x"]).arg(&script).arg(&program));
    assert_eq!(text.lines().count(), 2);
    assert_eq!(output.lines().filter(|l| l.starts_with("Breakpoint ")).count(), 2, "{text}{output}");
}

#[test]
fn perf_takes_its_definitions() {
    let test = "perf_takes_its_definitions";
    if !can_compile(test) || !root(test) || !have(test, &["perf"]) {
        return;
    }
    if !output_of(Command::new("perf").arg("--version")).contains("perf version") {
        return skip(test, "perf does not run here");
    }
    let _alone = alone();
    let dir = folder();
    let (program, provider) = target(dir.path(), "perf");
    let script = definitions("perf", &program);
    let perf =
        |script: &str| output_of(Command::new("sh").args(["-e", "-c", script]).env("HOME", dir.path()));
    let output = perf(&script);
    let probes = perf("perf probe -l");
    perf(&format!("perf probe -d 'sdt_{provider}:*'"));
    assert!(probes.contains(&format!("sdt_{provider}:plain")), "{script}{output}{probes}");
    // The sites of `counted` have arguments of different sizes, which perf refuses.
    assert!(script.contains(&format!("# sdt_{provider}:counted: ")), "{script}");
    assert!(!output.contains("Failed"), "{script}{output}");
}

#[test]
fn what_the_kernel_cannot_say_is_a_comment() {
    let test = "what_the_kernel_cannot_say_is_a_comment";
    if !can_compile(test) {
        return;
    }
    let dir = folder();
    // Written out as notes: sdt.h would choose the operands itself.
    let note = |name: &str, args: &str| {
        format!(
            "__asm__ volatile(\"990: nop\\n.pushsection .note.stapsdt,\\\"?\\\",\\\"note\\\"\\n.balign 4\\n\
             .4byte 992f-991f, 994f-993f, 3\\n991: .asciz \\\"stapsdt\\\"\\n992: .balign 4\\n\
             993: .8byte 990b, _.stapsdt.base, 0\\n.asciz \\\"odd\\\"\\n.asciz \\\"{name}\\\"\\n\
             .asciz \\\"{args}\\\"\\n994: .balign 4\\n.popsection\\n\");"
        )
    };
    let body =
        [note("indexed", "-4@8(%rax,%rcx,4) 8@$5"), note("symbol", "8@table+8(%rip)"), note("part", "1@%ah")];
    let source = format!(
        "#include <sys/sdt.h>\nlong table[4] = {{1, 2, 3, 4}};\nint main(void) {{ STAP_PROBE(odd, plain); {} return 0; }}",
        body.join(" ")
    );
    let program = compile(dir.path(), "target", &source, &["-no-pie"]);
    let _alone = alone();
    let lines = definitions("uprobe_events", &program);
    let line = |name: &str| lines.lines().find(|l| l.contains(&format!("/{name} "))).unwrap().to_owned();
    assert!(line("indexed").ends_with(" arg1=\\5:u64 # without arg0 (-4@8(%rax,%rcx,4))"), "{lines}");
    assert!(line("part").ends_with(" arg0=%ax:b8@8/64"), "{lines}");
    assert!(line("symbol").contains(" arg0=@+0x"), "{lines}");
    if !root("what_the_kernel_cannot_say_is_a_comment") {
        return;
    }
    for line in lines.lines() {
        let name = line.split([':', ' ']).nth(1).unwrap();
        let events = Path::new(TRACEFS).join("uprobe_events");
        let write = |text: &str| {
            fs::OpenOptions::new().append(true).open(&events).and_then(|mut f| f.write_all(text.as_bytes()))
        };
        if !events.exists() {
            return skip(test, "no tracefs");
        }
        write(line).unwrap_or_else(|e| panic!("{line}: {e}"));
        let _ = write(&format!("-:{name}"));
    }
}
