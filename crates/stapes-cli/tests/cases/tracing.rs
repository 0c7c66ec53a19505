//! Tracing with scripts: what is heard, against bpftrace, and that nothing is lost in silence.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::support::*;
use super::tracer::*;

/// Fires `bench:tick` as often as it is told, with the number, twice the number and a text.
/// With a second argument it says `ready` first and waits for its standard input to end.
const LOOP: &str = r#"
#include <sys/sdt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
__attribute__((noinline)) void tick(long i, const char *text) {
    STAP_PROBE3(bench, tick, i, i * 2, text);
}
int main(int argc, char **argv) {
    long n = argc > 1 ? atol(argv[1]) : 1;
    if (argc > 2) {
        char byte;
        puts("ready"); fflush(stdout);
        while (read(0, &byte, 1) > 0) {}
    }
    /* Not a constant: bpftrace cannot read what nobody has touched. */
    char text[] = "hello world";
    for (long i = 0; i < n; i++) tick(i, text);
    return 0;
}
"#;

/// The folder and the program, or nothing where it cannot be traced.
fn target(test: &str) -> Option<(tempfile::TempDir, PathBuf)> {
    if !root(test) || !can_compile(test) {
        return None;
    }
    let folder = folder();
    let program = compile(folder.path(), "loop", LOOP, &[]);
    Some((folder, program))
}

/// A target that waits; it fires when it is let go.
struct Waiting(Child);

impl Waiting {
    fn start(program: &Path, times: u64) -> Waiting {
        use std::io::{BufRead, BufReader};
        let mut child = Command::new(program)
            .args([&times.to_string(), "wait"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n");
        Waiting(child)
    }

    fn pid(&self) -> String {
        self.0.id().to_string()
    }

    /// Lets it fire, and waits for its end.
    fn go(&mut self) {
        drop(self.0.stdin.take());
        assert!(wait_until(|| self.0.try_wait().unwrap().is_some()), "the target never ends");
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn hears_what_bpftrace_hears() {
    let test = "hears_what_bpftrace_hears";
    let Some((_folder, program)) = target(test) else { return };
    if !have(test, &["bpftrace"]) {
        return;
    }
    let path = program.display();
    let script = format!(
        "usdt:{path}:bench:tick {{ printf(\"%d %d %s\\n\", arg0, arg1, str(arg2)); \
         @n = count(); @sum = sum(arg1); @last[comm] = max(arg0); @by[arg0 % 3] = count(); }}"
    );
    let command = format!("{path} 20");
    let ours = run(&["-c", &command, "-e", &script]).ok();
    let theirs = Command::new("bpftrace").args(["-c", &command, "-e", &script]).output().unwrap();
    let theirs = String::from_utf8(theirs.stdout).unwrap();
    let mut theirs: Vec<&str> =
        theirs.lines().filter(|l| !l.is_empty() && !l.starts_with("Attach")).collect();
    let mut ours = ours.lines();
    assert_eq!(ours.len(), 20 + 3 + 3, "{ours:?}");
    // Entries of equal value stand in no certain order there.
    theirs.sort_unstable();
    ours.sort_unstable();
    assert_eq!(ours, theirs);
}

#[test]
fn the_old_way_to_attach_hears_the_same() {
    let Some((_folder, program)) = target("the_old_way_to_attach_hears_the_same") else { return };
    let path = program.display();
    let script = format!("usdt:{path}:bench:tick {{ printf(\"%d %s\\n\", arg0, str(arg2)); }}");
    let command = format!("{path} 20");
    let run_by = |method| run(&["--attach", method, "-c", &command, "-e", &script]).ok().stdout;
    assert_eq!(run_by("perf-event"), run_by("uprobe-multi"));
}

/// How many events a run says that it lost.
fn lost(stderr: &str) -> u64 {
    stderr
        .lines()
        .filter_map(|line| line.strip_prefix("warning: lost ")?.split(' ').next()?.parse::<u64>().ok())
        .sum()
}

#[test]
fn what_fired_was_delivered_or_is_reported_lost() {
    let Some((_folder, program)) = target("what_fired_was_delivered_or_is_reported_lost") else { return };
    const FIRED: u64 = 200_000;
    let mut waiting = Waiting::start(&program, FIRED);
    let script = format!(
        "usdt:{}:bench:tick {{ @n = count(); printf(\"%d %s\\n\", arg0, str(arg2)); }}",
        program.display()
    );
    let tracer = Tracer::attached(&["-p", &waiting.pid(), "-e", &script]);
    // Nobody reads the output, and the target ends all the same.
    waiting.go();
    let traced = tracer.collect().ok();
    let delivered = traced.lines().iter().filter(|line| line.ends_with("hello world")).count() as u64;
    let lost = lost(&traced.stderr);
    assert_eq!(delivered + lost, FIRED, "{}", traced.stderr);
    assert!(lost > 0, "the pipe took everything, so this test proves nothing");
    assert!(traced.stdout.contains(&format!("@n: {FIRED}")), "counting loses nothing");
    assert!(traced.stderr.contains("the ring buffer was full"), "{}", traced.stderr);
}

#[test]
fn a_full_map_says_so() {
    let Some((_folder, program)) = target("a_full_map_says_so") else { return };
    let script = format!("usdt:{}:bench:tick {{ @[arg0] = count(); }}", program.display());
    let traced = run(&["-c", &format!("{} 5000", program.display()), "-e", &script]).ok();
    let kept = traced.lines().iter().filter(|l| l.starts_with("@[")).count() as u64;
    assert_eq!(kept, 4096);
    assert_eq!(lost(&traced.stderr), 5000 - kept, "{}", traced.stderr);
    assert!(traced.stderr.contains("map @ was full"), "{}", traced.stderr);
}

#[test]
fn several_processes_and_no_other() {
    let Some((_folder, program)) = target("several_processes_and_no_other") else { return };
    let mut targets: Vec<Waiting> = (1..=3).map(|n| Waiting::start(&program, n * 10)).collect();
    let script = format!("usdt:{}:bench:tick {{ @[pid] = count(); }}", program.display());
    let pids: Vec<String> = targets.iter().map(Waiting::pid).collect();
    let tracer = Tracer::attached(&["-p", &pids[0], "-p", &pids[1], "-e", &script]);
    targets[2].go();
    targets[0].go();
    targets[1].go();
    // It ends by itself when both are gone.
    let traced = tracer.collect().ok();
    assert_eq!(traced.lines(), [format!("@[{}]: 10", pids[0]), format!("@[{}]: 20", pids[1])]);
}

#[test]
fn processes_that_start_later() {
    let Some((_folder, program)) = target("processes_that_start_later") else { return };
    let script = format!("usdt:{}:bench:tick {{ @ = count(); }}", program.display());
    let tracer = Tracer::attached(&["-e", &script]);
    for _ in 0..3 {
        assert!(Command::new(&program).arg("7").status().unwrap().success());
    }
    assert_eq!(tracer.interrupt().ok().lines(), ["@: 21"]);
}

#[test]
fn libraries_that_are_loaded_later() {
    let test = "libraries_that_are_loaded_later";
    if !root(test) || !can_compile(test) {
        return;
    }
    let folder = folder();
    let library = compile(
        folder.path(),
        "libnoise.so",
        "#define _SDT_HAS_SEMAPHORES 1\n#include <sys/sdt.h>\n\
         __attribute__((section(\".probes\"), used)) unsigned short noise_made_semaphore;\n\
         void make(int n) { if (noise_made_semaphore) STAP_PROBE1(noise, made, n); }",
        &["-shared", "-fPIC"],
    );
    let program = compile(
        folder.path(),
        "loader",
        "#include <dlfcn.h>\n#include <stdio.h>\n#include <unistd.h>\n\
         int main(int argc, char **argv) { char byte; puts(\"ready\"); fflush(stdout); while (read(0, &byte, 1) > 0);\n\
         void (*make)(int) = (void (*)(int))dlsym(dlopen(argv[1], RTLD_NOW), \"make\"); make(1); make(2); return 0; }",
        &["-ldl"],
    );
    let mut child =
        Command::new(&program).arg(&library).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    {
        use std::io::{BufRead, BufReader};
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
    }
    let script = format!("usdt:{}:noise:made {{ @[arg0] = count(); }}", library.display());
    let pid = child.id().to_string();
    let tracer = Tracer::attached(&["-p", &pid, "-e", &script]);
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    let traced = tracer.collect().ok();
    assert_eq!(traced.lines(), ["@[1]: 1", "@[2]: 1"]);
    // The same with a command, from its first instruction.
    let command = format!("{} {}", program.display(), library.display());
    assert_eq!(run(&["-c", &command, "-e", &script]).ok().lines(), ["ready", "@[1]: 1", "@[2]: 1"]);
}

#[test]
fn an_interrupt_prints_the_maps_and_detaches() {
    let Some((_folder, program)) = target("an_interrupt_prints_the_maps_and_detaches") else { return };
    let mut waiting = Waiting::start(&program, 5);
    let script =
        format!("usdt:{}:bench:tick {{ @ = count(); }} END {{ printf(\"over\\n\"); }}", program.display());
    for signal in ["-INT", "-TERM", "-HUP"] {
        let tracer = Tracer::attached(&["-p", &waiting.pid(), "-e", &script]);
        tracer.signal(signal);
        let traced = tracer.collect().ok();
        // As bpftrace has it: two line ends before the maps.
        assert_eq!(traced.stdout, "over\n\n\n");
    }
    let tracer = Tracer::attached(&["-e", &script]);
    waiting.go();
    assert_eq!(tracer.interrupt().ok().stdout, "over\n\n\n@: 5\n");
}

#[test]
fn a_second_interrupt_ends_it_at_once() {
    let Some((_folder, program)) = target("a_second_interrupt_ends_it_at_once") else { return };
    let mut waiting = Waiting::start(&program, 200_000);
    let script = format!("usdt:{}:bench:tick {{ printf(\"%d\\n\", arg0); }}", program.display());
    let mut tracer = Tracer::attached(&["-p", &waiting.pid(), "-e", &script]);
    waiting.go();
    // It hangs on the pipe that nobody reads; the first signal cannot get through.
    tracer.signal("-INT");
    tracer.signal("-INT");
    assert!(wait_until(|| {
        tracer.signal_if_alive("-INT");
        tracer.has_ended()
    }));
    assert_eq!(tracer.status().code(), Some(130));
}

#[test]
fn exit_codes() {
    let Some((_folder, program)) = target("exit_codes") else { return };
    let path = program.display().to_string();
    let code = |args: &[&str]| run(args).status.code();
    assert_eq!(code(&["-e", "BEGIN { exit(); }"]), Some(0));
    assert_eq!(code(&["-e", "BEGIN { exit(7); }"]), Some(7));
    assert_eq!(code(&["-e", "BEGIN { no_such(); }"]), Some(1));
    assert_eq!(code(&["-e", &format!("usdt:{path}:bench:tock {{ }}")]), Some(1));
    assert_eq!(code(&["-c", "no-such-command-anywhere", "-e", "BEGIN { }"]), Some(1));
    assert_eq!(code(&["--no-such-option"]), Some(2));
    assert_eq!(code(&["run"]), Some(2));
    // A command's own failure is not the tracer's.
    assert_eq!(code(&["-c", "sh -c 'exit 5'", "-e", "BEGIN { }"]), Some(0));
}

#[test]
fn a_reader_that_leaves_is_no_failure() {
    let Some((_folder, program)) = target("a_reader_that_leaves_is_no_failure") else { return };
    let script = format!("usdt:{}:bench:tick {{ printf(\"%d\\n\", arg0); }}", program.display());
    let mut tracer = Tracer::attached(&["-c", &format!("{} 100000", program.display()), "-e", &script]);
    assert_eq!(tracer.line(), "0");
    tracer.close_output();
    let traced = tracer.collect().ok();
    assert!(!traced.stderr.contains("error"), "{}", traced.stderr);
}

#[test]
fn a_command_ends_with_the_run() {
    let test = "a_command_ends_with_the_run";
    if !root(test) {
        return;
    }
    let script = "BEGIN { printf(\"begun\\n\"); } interval:ms:20 { printf(\"%d\\n\", 1); }";
    for interrupted in [true, false] {
        let (mut tracer, _) = Tracer::start(&["-c", "sleep 1000", "-e", script]);
        assert_eq!(tracer.line(), "begun");
        let children = format!("/proc/{0}/task/{0}/children", tracer.pid());
        let child = fs::read_to_string(children).unwrap().trim().to_owned();
        assert!(!child.is_empty(), "no command runs");
        match interrupted {
            true => tracer.signal("-INT"),
            false => tracer.close_output(),
        }
        tracer.collect().ok();
        assert!(!Path::new(&format!("/proc/{child}")).exists(), "the command outlives the run");
    }
}

#[test]
fn json_is_json() {
    let Some((_folder, program)) = target("json_is_json") else { return };
    let script = format!(
        "usdt:{}:bench:tick {{ printf(\"%d \\\"%s\\\"\\n\", arg0, str(arg2)); print((arg0, str(arg2))); \
         @h = hist(arg0); @k[arg0 % 2, comm] = count(); @s = stats(arg0); @u[ustack(3)] = count(); }}",
        program.display()
    );
    let command = format!("{} 6", program.display());
    let traced = run(&["-f", "json", "-c", &command, "-e", &script]).ok();
    let values = json_lines(&traced.stdout);
    let kinds: Vec<&str> = values.iter().map(|v| v["type"].as_str().unwrap()).collect();
    assert_eq!(kinds[0], "attached_probes");
    assert_eq!(values[0]["data"]["probes"], 1);
    assert_eq!(kinds.iter().filter(|k| **k == "printf").count(), 6);
    assert_eq!(values[1]["data"], "0 \"hello world\"\n");
    assert_eq!(values[2]["data"], serde_json::json!([0, "hello world"]));
    assert_eq!(kinds[13..], ["hist", "map", "stats", "map"]);
    assert_eq!(values[14]["data"]["@k"], serde_json::json!({"0,loop": 3, "1,loop": 3}));
    assert_eq!(values[15]["data"]["@s"], serde_json::json!({"count": 6, "average": 2, "total": 15}));
}

#[test]
fn losses_in_json() {
    let Some((_folder, program)) = target("losses_in_json") else { return };
    let script = format!("usdt:{}:bench:tick {{ @[arg0] = count(); }}", program.display());
    let command = format!("{} 5000", program.display());
    let traced = run(&["-f", "json", "-c", &command, "-e", &script]).ok();
    let lost: u64 = json_lines(&traced.stdout)
        .iter()
        .filter(|v| v["type"] == "lost_events")
        .map(|v| {
            assert_eq!(v["count"], v["data"]["events"]);
            assert!(v["cause"].as_str().unwrap().contains("map @ was full"));
            v["count"].as_u64().unwrap()
        })
        .sum();
    assert_eq!(lost, 5000 - 4096);
}

#[test]
fn where_output_goes() {
    let Some((folder, program)) = target("where_output_goes") else { return };
    let file = folder.path().join("out");
    let script = "BEGIN { printf(\"hello\\n\"); @ = 1; exit(); }";
    let traced = run(&["-o", file.to_str().unwrap(), "-e", script]).ok();
    assert_eq!(traced.stdout, "");
    assert_eq!(traced.stderr, "Attached 1 probe\n");
    assert_eq!(fs::read_to_string(&file).unwrap(), "hello\n\n\n@: 1\n");
    assert_eq!(run(&["-q", "-e", script]).ok().stderr, "");
    assert_eq!(run(&["-v", "-e", script]).ok().stderr, "Attached 1 probe at 0 places\n");
    // From a file, and from standard input.
    let script_file = folder.path().join("hello.bt");
    fs::write(&script_file, "#!/usr/bin/env stapes\nBEGIN { printf(\"%d %s\\n\", $1, str($2)); exit(); }")
        .unwrap();
    let traced = run(&["run", script_file.to_str().unwrap(), "5", "five"]).ok();
    assert_eq!(traced.lines(), ["5 five"]);
    drop(program);
}

#[test]
fn test_drivers_are_told_when_it_is_attached() {
    let Some((_folder, program)) = target("test_drivers_are_told_when_it_is_attached") else { return };
    let script =
        format!("BEGIN {{ printf(\"begin\\n\"); }} usdt:{}:bench:tick {{ exit(); }}", program.display());
    let output = Command::new(env!("CARGO_BIN_EXE_stapes"))
        .args(["-c", &format!("{} 1", program.display()), "-e", &script])
        .env("__BPFTRACE_NOTIFY_PROBES_ATTACHED", "1")
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "__BPFTRACE_NOTIFY_PROBES_ATTACHED\nbegin\n\n\n");
}

#[test]
fn stacks_have_names_although_the_process_is_gone() {
    let Some((_folder, program)) = target("stacks_have_names_although_the_process_is_gone") else { return };
    let mut waiting = Waiting::start(&program, 3);
    let script =
        format!("usdt:{}:bench:tick {{ @[ustack(1), usym(reg(\"ip\"))] = count(); }}", program.display());
    let tracer = Tracer::attached(&["-p", &waiting.pid(), "-e", &script]);
    waiting.go();
    let traced = tracer.collect().ok();
    assert!(
        traced.stdout.contains("        tick+") && traced.stdout.contains(", tick]: 3"),
        "{}",
        traced.stdout
    );
}

#[test]
fn without_privileges_it_says_what_is_missing() {
    let Some((_folder, program)) = target("without_privileges_it_says_what_is_missing") else { return };
    if !have("without_privileges_it_says_what_is_missing", &["setpriv"]) {
        return;
    }
    // The command may lie where only root can go.
    let folder = folder();
    let stapes = folder.path().join("stapes");
    fs::copy(env!("CARGO_BIN_EXE_stapes"), &stapes).unwrap();
    let nobody = |args: &[&str]| {
        let output = Command::new("setpriv")
            .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
            .arg(&stapes)
            .args(args)
            .output()
            .unwrap();
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
            String::from_utf8_lossy(&output.stdout).into_owned(),
        )
    };
    let script = format!("usdt:{}:bench:tick {{ @ = count(); }}", program.display());
    let (code, stderr, _) = nobody(&["-e", &script]);
    assert_eq!(code, Some(1));
    assert!(stderr.contains("operation not permitted (EPERM)"), "{stderr}");
    assert!(stderr.contains("needs CAP_BPF and CAP_PERFMON"), "{stderr}");
    let (code, _, stdout) = nobody(&["doctor"]);
    assert_eq!(code, Some(0));
    assert!(stdout.contains("no CAP_BPF"), "{stdout}");
    let (code, _, stdout) = nobody(&["explain", "-e", &script]);
    assert_eq!(code, Some(0));
    assert!(stdout.contains("program 0"), "{stdout}");
    let (code, stderr, stdout) = nobody(&["demo", "--seconds", "1"]);
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stdout.contains(":demo:request_end") && stdout.contains("needs more privileges"), "{stdout}");
}

#[test]
fn mistakes_are_shown_where_they_are() {
    let Some((_folder, program)) = target("mistakes_are_shown_where_they_are") else { return };
    let script = format!("usdt:{}:bench:tock {{ @ = count(); }}", program.display());
    let traced = run(&["-e", &script]);
    assert_eq!(traced.status.code(), Some(1));
    assert!(traced.stderr.contains("error[unknown-probe]"), "{}", traced.stderr);
    assert!(traced.stderr.contains("bench:tick"), "no near match: {}", traced.stderr);
    assert!(traced.stderr.contains("^^^"), "no caret: {}", traced.stderr);
    let traced = run(&["-e", "BEGIN { @ = cuont(); }"]);
    assert!(traced.stderr.contains("did you mean `count`?"), "{}", traced.stderr);
}

#[test]
fn the_demo_shows_requests() {
    let test = "the_demo_shows_requests";
    if !root(test) {
        return;
    }
    let traced = run(&["demo", "--seconds", "1"]).ok();
    for wanted in [":demo:request_start", "Requests by path", "Microseconds per request", "Slowest requests"]
    {
        assert!(traced.stdout.contains(wanted), "no `{wanted}`:\n{}", traced.stdout);
    }
    assert!(traced.stdout.lines().skip(4).all(|line| line.len() <= 80), "{}", traced.stdout);
}
