//! `stapes list -p` and `--all`: processes whose files have no name, another name, or the name of another file.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::support::*;
use super::tracer::Tracer;

/// The probes of the target's provider, in a process.
fn probes_of(running: &Running) -> Vec<Value> {
    let [p, pid] = running.p();
    let text = stapes_ok(&["list".to_owned(), "--json".to_owned(), p, pid, "cases:*".to_owned()]);
    json_lines(&text)
}

fn names(probes: &[Value]) -> Vec<&str> {
    probes.iter().map(|p| p["name"].as_str().unwrap()).collect()
}

fn path_of(probe: &Value) -> &Path {
    Path::new(probe["path"].as_str().unwrap())
}

/// Whether the path leads to a file that has the target's probes.
fn leads_to_probes(probe: &Value) -> bool {
    let path = probe["path"].as_str().unwrap();
    stapes_ok(&["list", path]).lines().count() == 2
}

#[test]
fn a_plain_program_is_listed_by_its_name() {
    let test = "a_plain_program_is_listed_by_its_name";
    if !can_compile(test) {
        return;
    }
    let dir = folder();
    let program = compile(dir.path(), "target", TARGET, &[]);
    let running = Running::start(&mut Command::new(&program));
    let probes = probes_of(&running);
    assert_eq!(names(&probes), ["counted", "plain"]);
    assert_eq!(path_of(&probes[0]), program);
    let live = &probes[0]["locations"][0]["processes"][0];
    assert_eq!(live["pid"].as_u64(), Some(running.pid.into()));
    assert_eq!((live["semaphore"].as_u64(), live["code"].as_str()), (Some(0), Some("original")));
    // The address is where the file's site is mapped.
    let maps = fs::read_to_string(format!("/proc/{}/maps", running.pid)).unwrap();
    let text = maps.lines().find(|l| l.contains(" r-xp ") && l.ends_with("/target")).unwrap();
    let field =
        |i: usize| text.split([' ', '-']).nth(i).map(|f| u64::from_str_radix(f, 16).unwrap()).unwrap();
    let offset = u64::from_str_radix(text.split_whitespace().nth(2).unwrap(), 16).unwrap();
    let site = probes[0]["locations"][0]["file_offset"].as_u64().unwrap();
    assert_eq!(live["address"].as_u64(), Some(field(0) + site - offset));
    // A folder means what the process has mapped from there.
    let pid = running.pid.to_string();
    let args = ["list".as_ref(), "-p".as_ref(), OsStr::new(&pid), dir.path().as_os_str()];
    assert_eq!(stapes_ok(&args).lines().count(), 2);
    // The same file in two processes is listed once, with both.
    let other = Running::start(&mut Command::new(&program));
    let text = stapes_ok(&[
        "list",
        "--json",
        "-p",
        &running.pid.to_string(),
        "-p",
        &other.pid.to_string(),
        "cases:plain",
    ]);
    let both = json_lines(&text);
    assert_eq!(both.len(), 1);
    assert_eq!(both[0]["locations"][0]["processes"].as_array().unwrap().len(), 2);
}

#[test]
fn a_deleted_or_replaced_program_is_still_read() {
    let test = "a_deleted_or_replaced_program_is_still_read";
    if !can_compile(test) {
        return;
    }
    let dir = folder();
    let program = compile(dir.path(), "target", TARGET, &[]);
    let running = Running::start(&mut Command::new(&program));
    fs::remove_file(&program).unwrap();
    let probes = probes_of(&running);
    assert_eq!(names(&probes), ["counted", "plain"]);
    assert!(path_of(&probes[0]).starts_with("/proc") && leads_to_probes(&probes[0]));
    // An upgrade: another file of the same name.
    fs::copy("/bin/true", &program).unwrap();
    let probes = probes_of(&running);
    assert_eq!(names(&probes), ["counted", "plain"]);
    assert!(path_of(&probes[0]).starts_with("/proc") && leads_to_probes(&probes[0]));
}

#[test]
fn a_file_that_is_called_deleted_is_not_deleted() {
    let test = "a_file_that_is_called_deleted_is_not_deleted";
    if !can_compile(test) {
        return;
    }
    let dir = folder();
    let program = compile(dir.path(), "target", TARGET, &[]);
    let odd = dir.path().join("x (deleted)");
    fs::rename(&program, &odd).unwrap();
    let running = Running::start(&mut Command::new(&odd));
    assert_eq!(path_of(&probes_of(&running)[0]), odd);
    // Nor do line feeds in a name make two lines of it.
    let odd = dir.path().join("new\nline");
    fs::rename(dir.path().join("x (deleted)"), &odd).unwrap();
    let running = Running::start(&mut Command::new(&odd));
    assert_eq!(path_of(&probes_of(&running)[0]), odd);
}

#[test]
fn a_library_in_a_memfd_is_read_when_the_fd_is_closed() {
    let test = "a_library_in_a_memfd_is_read_when_the_fd_is_closed";
    if !can_compile(test) || !root(test) {
        return;
    }
    let loader = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>
int main(int argc, char **argv) {
    struct stat s; char path[64], byte;
    int in = open(argv[1], O_RDONLY), fd = memfd_create("agent", 0);
    fstat(in, &s);
    sendfile(fd, in, 0, s.st_size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    if (!dlopen(path, RTLD_NOW)) { puts(dlerror()); return 1; }
    close(fd); close(in); unlink(argv[1]);
    puts("ready"); fflush(stdout);
    read(0, &byte, 1);
    return 0;
}
"#;
    let dir = folder();
    let library = compile(dir.path(), "library.so", TARGET, &["-shared", "-fPIC"]);
    let loader = compile(dir.path(), "loader", loader, &["-ldl"]);
    let running = Running::start(Command::new(loader).arg(library));
    let probes = probes_of(&running);
    assert_eq!(names(&probes), ["counted", "plain"]);
    assert!(
        path_of(&probes[0]).starts_with(format!("/proc/{}/map_files", running.pid))
            && leads_to_probes(&probes[0])
    );
}

/// A static program can run where there is nothing else. `None` where it cannot be linked.
fn static_target(test: &str, dir: &Path) -> Option<std::path::PathBuf> {
    let works = Command::new("sh")
        .args(["-c", "echo 'int main(){}' | gcc -static -x c - -o /dev/null"])
        .output()
        .unwrap();
    if !works.status.success() {
        skip(test, "no static C library");
        return None;
    }
    Some(compile(dir, "target", TARGET, &["-static"]))
}

/// A shell in its own mount namespace. Says so for the test where there is none to be had.
fn unshare(test: &str, script: &str) -> Option<Command> {
    let works = Command::new("unshare").args(["-m", "true"]).output().is_ok_and(|o| o.status.success());
    if !works {
        skip(test, "no mount namespaces");
        return None;
    }
    let mut command = Command::new("unshare");
    command.args(["-m", "--propagation", "private", "sh", "-e", "-c", script, "sh"]);
    Some(command)
}

#[test]
fn another_mount_namespace_has_another_file_of_that_name() {
    let test = "another_mount_namespace_has_another_file_of_that_name";
    if !can_compile(test) || !root(test) {
        return;
    }
    let dir = folder();
    let program = compile(dir.path(), "target", TARGET, &[]);
    let name = dir.path().join("service");
    fs::copy("/bin/true", &name).unwrap();
    let Some(mut command) = unshare(test, r#"mount --bind "$1" "$2"; exec "$2""#) else { return };
    let running = Running::start(command.arg(&program).arg(&name));
    let probes = probes_of(&running);
    assert_eq!(names(&probes), ["counted", "plain"]);
    assert_eq!(path_of(&probes[0]), Path::new(&format!("/proc/{}/exe", running.pid)));
    // By the name that the process knows, and by that of the file in ours.
    let pid = running.pid.to_string();
    for path in [&name, &program] {
        let args = [OsStr::new("list"), OsStr::new("-p"), OsStr::new(&pid), path.as_os_str()];
        assert_eq!(stapes_ok(&args).lines().count(), 2, "{}", path.display());
    }
}

#[test]
fn a_chroot_in_another_mount_namespace_is_looked_into() {
    let test = "a_chroot_in_another_mount_namespace_is_looked_into";
    if !can_compile(test) || !root(test) {
        return;
    }
    let dir = folder();
    let Some(program) = static_target(test, dir.path()) else { return };
    let script = r#"mount -t tmpfs none "$2"; cp "$1" "$2/target"; exec chroot "$2" /target"#;
    let Some(mut command) = unshare(test, script) else { return };
    let jail = dir.path().join("jail");
    fs::create_dir(&jail).unwrap();
    let running = Running::start(command.arg(&program).arg(&jail));
    let probes = probes_of(&running);
    assert_eq!(names(&probes), ["counted", "plain"]);
    assert!(leads_to_probes(&probes[0]));
    // It is also found by the name that the process itself knows it by.
    let [p, pid] = running.p();
    assert_eq!(stapes_ok(&["list", &p, &pid, "/target"]).lines().count(), 2);
    let script = "usdt:/target:cases:plain { @ = count(); }";
    Tracer::attached(&[&p, &pid, "-e", script]).interrupt().ok();
}

#[test]
fn an_overlay_is_looked_into() {
    let test = "an_overlay_is_looked_into";
    if !can_compile(test) || !root(test) {
        return;
    }
    let dir = folder();
    for name in ["lower", "upper", "work", "merged"] {
        fs::create_dir(dir.path().join(name)).unwrap();
    }
    compile(&dir.path().join("lower"), "target", TARGET, &[]);
    let mount = r#"cd "$1"; mount -t tmpfs none work; mkdir work/w work/u;
        mount -t overlay overlay -o lowerdir=lower,upperdir=work/u,workdir=work/w merged"#;
    let Some(mut command) = unshare(test, mount) else { return };
    if !command.arg(dir.path()).output().unwrap().status.success() {
        skip(test, "no overlay file system");
        return;
    }
    let Some(mut command) = unshare(test, &format!("{mount}; exec merged/target")) else { return };
    let running = Running::start(command.arg(dir.path()));
    let probes = probes_of(&running);
    assert_eq!(names(&probes), ["counted", "plain"]);
    assert!(leads_to_probes(&probes[0]));
    assert_eq!(probes[0]["locations"][0]["processes"][0]["semaphore"].as_u64(), Some(0));
}

#[test]
fn a_process_whose_first_thread_is_gone_is_read_by_another() {
    let test = "a_process_whose_first_thread_is_gone_is_read_by_another";
    if !can_compile(test) {
        return;
    }
    let source =
        TARGET.replace("int main(", "int target_main(").replace(r#"puts("ready"); fflush(stdout);"#, "")
            + r#"
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>
static void *other(void *unused) {
    char path[64], state[256]; FILE *f;
    // Ready once the first thread is a zombie.
    snprintf(path, sizeof path, "/proc/self/task/%d/stat", getpid());
    for (;;) {
        if ((f = fopen(path, "r"))) {
            int zombie = fgets(state, sizeof state, f) && __builtin_strstr(state, ") Z ");
            fclose(f);
            if (zombie) break;
        }
        usleep(1000);
    }
    puts("ready"); fflush(stdout);
    char *argv[] = {"target", 0};
    target_main(1, argv);
    _exit(0);
}
int main(void) { pthread_t t; pthread_create(&t, 0, other, 0); pthread_exit(0); }
"#;
    let dir = folder();
    let program = compile(dir.path(), "target", &source, &["-pthread"]);
    let running = Running::start(&mut Command::new(program));
    let probes = probes_of(&running);
    assert_eq!(names(&probes), ["counted", "plain"]);
    assert!(!probes[0]["locations"][0]["processes"].as_array().unwrap().is_empty());
}

#[test]
fn processes_that_come_and_go_do_not_end_a_search_of_all() {
    let test = "processes_that_come_and_go_do_not_end_a_search_of_all";
    if !can_compile(test) {
        return;
    }
    let dir = folder();
    let program = compile(dir.path(), "target", TARGET, &[]);
    let running = Running::start(&mut Command::new(&program));
    // A zombie: it has exited, and nobody has waited for it.
    let mut zombie = Command::new("true").spawn().unwrap();
    let stat = format!("/proc/{}/stat", zombie.id());
    while !fs::read_to_string(&stat).unwrap().contains(") Z ") {
        std::thread::yield_now();
    }
    let mut searches: Vec<_> = (0..3)
        .map(|_| {
            Command::new(env!("CARGO_BIN_EXE_stapes"))
                .args(["list", "--all", "cases:*"])
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        })
        .collect();
    while searches.iter_mut().any(|s| s.try_wait().unwrap().is_none()) {
        Command::new("true").status().unwrap();
    }
    for search in searches {
        let output = search.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0));
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains(&format!("usdt:{}:cases:plain\n", program.display())), "{text}");
    }
    let output = stapes(&["list", "-p", &zombie.id().to_string()]);
    assert_eq!(output.status.code(), Some(1));
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains(&format!("process {} (true): it has exited", zombie.id())), "{message}");
    drop(running);
    zombie.wait().unwrap();
}

#[test]
fn what_is_not_permitted_is_named_and_what_is_is_listed() {
    let test = "what_is_not_permitted_is_named_and_what_is_is_listed";
    if !can_compile(test) || !root(test) || !have(test, &["setpriv"]) {
        return;
    }
    let dir = folder();
    let program = compile(dir.path(), "target", TARGET, &[]);
    let stapes = dir.path().join("stapes");
    fs::copy(env!("CARGO_BIN_EXE_stapes"), &stapes).unwrap();
    let nobody = |command: &Path| {
        let mut setpriv = Command::new("setpriv");
        setpriv.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]).arg(command);
        setpriv
    };
    let foreign = Running::start(&mut Command::new(&program));
    let own = Running::start(&mut nobody(&program));
    let output = nobody(&stapes).args(["list", "-p", &foreign.pid.to_string()]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains(&format!("process {} (target): permission denied", foreign.pid)), "{message}");
    let output = nobody(&stapes).args(["list", "-p", &own.pid.to_string(), "cases:*"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 2);
    let output = nobody(&stapes).args(["list", "--all", "-v", "cases:*"]).output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(message.contains(&format!("process {} (target)", foreign.pid)), "{message}");
}
