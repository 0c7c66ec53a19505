//! Commands that are held before they begin.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use stapes_process::{SpawnError, SpawnOptions, Spawned, Until};

fn skip(test: &str, reason: &str) {
    let _ = writeln!(std::io::stderr(), "skip {test}: {reason}");
}

fn start(argv: &[&str], until: Until) -> Spawned {
    Spawned::start(argv, &SpawnOptions { until }).unwrap()
}

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Whether a process exists and is no zombie.
fn alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with(['Z', 'X']))
}

fn maps(pid: u32) -> String {
    std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap()
}

#[test]
fn nothing_runs_before_it_is_let_go() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("made");
    let path = file.to_str().unwrap();
    for until in [Until::Exec, Until::Entry] {
        let mut spawned = start(&["touch", path], until);
        assert_eq!(spawned.try_wait().unwrap(), None);
        let exe = std::fs::read_link(format!("/proc/{}/exe", spawned.pid())).unwrap();
        assert!(
            exe.to_str().unwrap().ends_with("touch") || exe.to_str().unwrap().contains("coreutils"),
            "{exe:?}"
        );
        assert!(!file.exists());
        spawned.resume().unwrap();
        assert!(spawned.wait().unwrap().success());
        assert!(spawned.try_wait().unwrap().unwrap().success());
        assert!(file.exists());
        std::fs::remove_file(&file).unwrap();
    }
}

#[test]
fn exit_codes_and_signals_are_told() {
    let mut spawned = start(&["sh", "-c", "exit 7"], Until::Exec);
    spawned.resume().unwrap();
    assert_eq!(spawned.wait().unwrap().code(), Some(7));
    let mut spawned = start(&["sh", "-c", "kill -9 $$"], Until::Exec);
    spawned.resume().unwrap();
    assert_eq!(spawned.wait().unwrap().signal(), Some(9));
    // A signal that comes while it is held arrives when it is let go.
    let mut spawned = start(&["sleep", "60"], Until::Entry);
    spawned.signal(15).unwrap();
    assert_eq!(spawned.try_wait().unwrap(), None);
    spawned.resume().unwrap();
    assert_eq!(spawned.wait().unwrap().signal(), Some(15));
    // And after it ended there is nobody to signal.
    spawned.signal(15).unwrap();
}

#[test]
fn signals_while_held_keep_their_meaning() {
    // USR1 is ignored by who starts the command and so by the command: it must survive it, held or not.
    let script = "trap '' USR1; exec \"$@\"";
    let mut shell = Command::new("sh")
        .args(["-c", script, "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "tests::spawn::under_fire", "--nocapture"])
        .env("STAPES_TEST_UNDER_FIRE", "1")
        .spawn()
        .unwrap();
    assert!(shell.wait().unwrap().success());
}

/// Not a test by itself: the part of [`signals_while_held_keep_their_meaning`] that is shot at.
#[test]
fn under_fire() {
    if std::env::var_os("STAPES_TEST_UNDER_FIRE").is_none() {
        return;
    }
    for _ in 0..20 {
        let mut spawned = start(&["true"], Until::Entry);
        for signal in [10, 10, 18] {
            spawned.signal(signal).unwrap();
        }
        spawned.resume().unwrap();
        assert!(spawned.wait().unwrap().success());
    }
}

#[test]
fn what_cannot_be_executed_is_named() {
    let error = |command: &str| Spawned::start(&[command], &SpawnOptions::default()).unwrap_err();
    assert_eq!(error("no-such-command-anywhere").to_string(), "command `no-such-command-anywhere` not found");
    assert_eq!(error("/no/such/file").to_string(), "command `/no/such/file` not found");
    let Err(SpawnError::Execute(name, e)) = Spawned::start(&["/etc/passwd", "x"], &SpawnOptions::default())
    else {
        panic!()
    };
    assert_eq!((name.as_str(), e.raw_os_error()), ("/etc/passwd", Some(13)));
    let none: [&str; 0] = [];
    assert!(matches!(Spawned::start(&none, &SpawnOptions::default()), Err(SpawnError::Empty)));
    assert!(matches!(error("with\0nul"), SpawnError::Execute(..)));
}

#[test]
fn dropping_a_held_command_ends_it() {
    let spawned = start(&["sleep", "60"], Until::Exec);
    let pid = spawned.pid();
    assert!(alive(pid));
    drop(spawned);
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
}

#[test]
fn the_end_makes_the_descriptor_readable() {
    let mut spawned = start(&["cat", "/dev/null"], Until::Exec);
    spawned.resume().unwrap();
    // A pidfd can be waited for through /proc without any unsafe call here: its fdinfo says Pid: -1 once it
    // was reaped.
    let fd = std::os::fd::AsRawFd::as_raw_fd(&spawned.exit_fd().as_fd());
    let info = || std::fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).unwrap();
    assert!(info().contains(&format!("Pid:\t{}", spawned.pid())));
    spawned.wait().unwrap();
    assert!(info().contains("Pid:\t-1"));
}

/// Compiles a program that exits with 7, with these flags.
fn compile(test: &str, folder: &Path, flags: &[&str]) -> Option<PathBuf> {
    let (source, path) = (folder.join("program.c"), folder.join("program"));
    std::fs::write(&source, "int main(void) { return 7; }\n").unwrap();
    let output = Command::new("cc").arg("-o").arg(&path).arg(&source).args(flags).output();
    match output {
        Ok(output) if output.status.success() => Some(path),
        Ok(output) => {
            skip(test, &String::from_utf8_lossy(&output.stderr).replace('\n', "; "));
            None
        }
        Err(e) => {
            skip(test, &format!("cc: {e}"));
            None
        }
    }
}

/// The entry point of a running program: readelf's, moved by where the file is mapped.
fn entry(path: &Path, pid: u32) -> (u64, Vec<u8>) {
    let header = Command::new("readelf").args(["-hW"]).arg(path).env("LC_ALL", "C").output().unwrap();
    let header = String::from_utf8(header.stdout).unwrap();
    let line = header.lines().find(|l| l.contains("Entry point")).unwrap();
    let entry = u64::from_str_radix(line.rsplit("0x").next().unwrap().trim(), 16).unwrap();
    let name = path.to_str().unwrap();
    let maps = maps(pid);
    let lines: Vec<&str> = maps.lines().filter(|l| l.ends_with(name)).collect();
    let hex = |text: &str| u64::from_str_radix(text, 16).unwrap();
    let start = hex(lines[0].split('-').next().unwrap());
    let address = if header.contains("DYN") { start + entry } else { entry };
    let line = lines.iter().find(|l| {
        let (start, end) = l.split(' ').next().unwrap().split_once('-').unwrap();
        (hex(start)..hex(end)).contains(&address)
    });
    let mut fields = line.unwrap().split_ascii_whitespace();
    let start = hex(fields.next().unwrap().split('-').next().unwrap());
    let offset = address - start + hex(fields.nth(1).unwrap());
    let mut bytes = vec![0; 16];
    std::fs::File::open(path).unwrap().read_exact_at(&mut bytes, offset).unwrap();
    (address, bytes)
}

#[test]
fn all_kinds_of_programs_reach_their_entry_point() {
    const TEST: &str = "all_kinds_of_programs_reach_their_entry_point";
    let kinds: [(&[&str], bool); 4] =
        [(&["-pie"], true), (&["-no-pie"], true), (&["-static"], false), (&["-static-pie"], false)];
    for (flags, dynamic) in kinds {
        let folder = tempfile::tempdir().unwrap();
        let Some(path) = compile(TEST, folder.path(), flags) else { continue };
        let name = path.to_str().unwrap();

        let mut spawned = start(&[name], Until::Exec);
        assert!(!maps(spawned.pid()).contains("/libc.so"), "{flags:?}");
        assert_eq!(spawned.wait().unwrap().code(), Some(7), "{flags:?}");

        let mut spawned = start(&[name], Until::Entry);
        assert_eq!(maps(spawned.pid()).contains("/libc.so"), dynamic, "{flags:?}");
        let (address, original) = entry(&path, spawned.pid());
        let memory = std::fs::File::open(format!("/proc/{}/mem", spawned.pid())).unwrap();
        let mut bytes = vec![0; original.len()];
        memory.read_exact_at(&mut bytes, address).unwrap();
        assert_eq!(bytes, original, "the breakpoint is gone: {flags:?}");
        // The instruction pointer, as the kernel shows it of a stopped process.
        let call = std::fs::read_to_string(format!("/proc/{}/syscall", spawned.pid())).unwrap();
        assert!(call.trim_end().ends_with(&format!("{address:#x}")), "{call} {address:#x} {flags:?}");
        assert_eq!(spawned.wait().unwrap().code(), Some(7), "{flags:?}");
    }
}

#[test]
fn a_program_that_cannot_be_linked_ends_before_it_begins() {
    const TEST: &str = "a_program_that_cannot_be_linked_ends_before_it_begins";
    let folder = tempfile::tempdir().unwrap();
    let library = folder.path().join("libgone.so");
    let made = Command::new("cc").args(["-shared", "-x", "c", "/dev/null", "-o"]).arg(&library).status();
    if !made.is_ok_and(|status| status.success()) {
        return skip(TEST, "cc makes no shared library");
    }
    let Some(path) = compile(TEST, folder.path(), &["-Wl,--no-as-needed", library.to_str().unwrap()]) else {
        return;
    };
    std::fs::remove_file(&library).unwrap();
    let error = Spawned::start(&[path], &SpawnOptions { until: Until::Entry }).unwrap_err();
    assert!(matches!(error, SpawnError::Ended(_, status) if status.code() == Some(127)), "{error}");
}

const TRACER: &str = "STAPES_TEST_TRACER";

/// Runs [`tracer`], gives the id of the process that it started, and kills it.
fn kill_a_tracer(how: &str) -> u32 {
    let mut tracer = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "tests::spawn::tracer", "--nocapture"])
        .env(TRACER, how)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(tracer.stdout.take().unwrap()).lines();
    let pid = lines
        .map_while(Result::ok)
        .find_map(|line| line.rsplit_once("started ").map(|(_, pid)| pid.parse().unwrap()))
        .unwrap();
    assert!(alive(pid));
    tracer.kill().unwrap();
    tracer.wait().unwrap();
    pid
}

#[test]
fn a_held_command_dies_with_the_tracer() {
    let pid = kill_a_tracer("held");
    wait_until("the command dies", || !alive(pid));
}

#[test]
fn a_running_command_outlives_the_tracer() {
    let pid = kill_a_tracer("running");
    assert!(alive(pid));
    let status = Command::new("kill").arg("-9").arg(pid.to_string()).status().unwrap();
    assert!(status.success());
}

/// Not a test by itself: the tracer of the two tests above.
#[test]
fn tracer() {
    let Some(how) = std::env::var_os(TRACER) else { return };
    let mut spawned = start(&["sleep", "60"], Until::Exec);
    if how == "running" {
        spawned.resume().unwrap();
    }
    println!("started {}", spawned.pid());
    let _ = std::io::stdin().read(&mut [0]);
    std::thread::sleep(Duration::from_secs(60));
}
