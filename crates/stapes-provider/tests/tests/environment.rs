//! Machines and sandboxes that refuse something: memfds, executable mappings, /proc, descriptors, membarrier.

use std::path::Path;

use stapes_provider::{Error, Provider};

use crate::storm::raise;
use crate::subject::{Subject, listen, say, until_told_to_end};
use crate::support::{have, root, skip};
use crate::tracer::{Kind, Tracer};

const FOLDER: &str = "STAPES_PROVIDER_FOLDER";

/// The subject: says where its image is or why nowhere, and fires.
pub(crate) fn report() {
    let builder = Provider::builder("reported");
    let builder = match std::env::var_os(FOLDER) {
        Some(folder) => builder.file(folder),
        None => builder,
    };
    let provider = builder.build().unwrap();
    let probe = provider.probe::<(u32, &str)>("probe").unwrap();
    match provider.load() {
        Ok(()) => match &provider.paths()[0] {
            Some(path) => say(&format!("file {}", path.display())),
            None => say("memfd"),
        },
        Err(error) => say(&format!("error {error}")),
    }
    until_told_to_end(|| probe.fire((42, "heard")));
}

pub(crate) fn report_without_memfd() {
    refuse(libc::SYS_memfd_create);
    report();
}

/// Makes a system call fail with EPERM from now on, in this thread: seccomp(2).
fn refuse(call: libc::c_long) {
    let instruction = |code: u32, k: u32| libc::sock_filter { code: code as u16, jt: 0, jf: 0, k };
    let mut filter = [
        // The number is the first field of what filters see.
        instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0),
        libc::sock_filter {
            code: (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16,
            jt: 0,
            jf: 1,
            k: call as u32,
        },
        instruction(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32),
        instruction(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    // SAFETY: the program's filter outlives the call, which copies it.
    unsafe {
        assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
        assert_eq!(libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program), 0);
    }
}

pub(crate) fn fire_without_membarrier() {
    let late = listen().unwrap() == "late";
    if !late {
        refuse(libc::SYS_membarrier);
    }
    let provider = Provider::builder("fenced").build().unwrap();
    let probe = provider.probe::<(u32,)>("probe").unwrap();
    let images = || crate::semaphores::semaphores(std::process::id(), "fenced").len();
    provider.load().unwrap();
    raise("fenced");
    probe.fire((1,));
    if late {
        refuse(libc::SYS_membarrier);
    }
    provider.unload();
    assert!(!probe.enabled());
    // Without a barrier nobody knows whether a thread is inside, so that the image has to stay.
    assert_eq!(images(), usize::from(late));
    provider.load().unwrap();
    assert_eq!(images(), 1 + usize::from(late));
    raise("fenced");
    probe.fire((2,));
    say("done");
}

pub(crate) fn run_out_of_descriptors() {
    let provider = Provider::builder("starved").build().unwrap();
    let early = provider.probe::<(u32,)>("early").unwrap();
    provider.load().unwrap();
    raise("starved");
    let late = provider.probe::<(u32,)>("late").unwrap();
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    let set = |limit: &libc::rlimit| {
        // SAFETY: the limit is only read.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, limit) }, 0);
    };
    // SAFETY: the limit is a place of ours.
    assert_eq!(unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) }, 0);
    set(&libc::rlimit { rlim_cur: 3, ..limit });
    for _ in 0..3 {
        match provider.load() {
            Err(Error::System { call, source, .. }) => {
                assert_eq!((call, source.raw_os_error()), ("memfd_create", Some(libc::EMFILE)));
            }
            other => panic!("loading without descriptors: {other:?}"),
        }
    }
    assert!(early.enabled() && !late.enabled());
    early.fire((1,));
    late.fire((2,));
    set(&limit);
    provider.load().unwrap();
    assert_eq!(provider.paths().len(), 2);
    say("done");
}

/// Ends without unloading.
pub(crate) fn leave_a_file() {
    let folder = std::env::var_os(FOLDER).unwrap();
    let provider = Provider::builder("left").file(folder).build().unwrap();
    provider.probe::<()>("probe").unwrap();
    provider.load().unwrap();
    say(&provider.paths()[0].as_ref().unwrap().display().to_string());
    std::mem::forget(provider);
}

/// Whether namespaces can be made here, where an emulator runs nothing of the kind; else says so for the test.
fn can_unshare(test: &str) -> bool {
    if cfg!(not(target_arch = "x86_64")) {
        skip(test, "sandboxes do not reach through the emulator");
        return false;
    }
    root(test) && have(test, &["unshare", "mount", "umount"])
}

/// What a subject says first that is started behind some preparations in namespaces of its own.
fn start_in(namespaces: &[&str], preparation: &str, role: &str) -> Subject {
    let prepare = format!("{preparation} && exec \"$@\"");
    let by: Vec<&str> = [&["unshare"], namespaces, &["sh", "-c", &prepare, "sh"]].concat();
    Subject::start_by(&by, role)
}

fn said_in(namespaces: &[&str], preparation: &str, role: &str) -> String {
    let mut subject = start_in(namespaces, preparation, role);
    let said = subject.hear();
    subject.end();
    said
}

#[test]
fn memfds_work_whatever_the_system_says_of_their_execution() {
    const TEST: &str = "memfds_work_whatever_the_system_says_of_their_execution";
    if !can_unshare(TEST) {
        return;
    }
    if !Path::new("/proc/sys/vm/memfd_noexec").exists() {
        skip(TEST, "this kernel has no vm.memfd_noexec");
        return;
    }
    // The setting belongs to a PID namespace, and can only grow there.
    for level in 0..3 {
        let set = format!("echo {level} > /proc/sys/vm/memfd_noexec");
        let namespaces = ["--pid", "--fork", "--kill-child", "--mount-proc"];
        assert_eq!(said_in(&namespaces, &set, "report"), "memfd", "vm.memfd_noexec={level}");
    }
}

#[test]
fn without_memfds_a_file_does() {
    const TEST: &str = "without_memfds_a_file_does";
    if !can_unshare(TEST) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().display();
    let run = |preparation: &str| said_in(&["--mount"], preparation, "without-memfd");

    let said = run(&format!("export XDG_RUNTIME_DIR={folder}"));
    assert!(said.starts_with(&format!("file {folder}/stapes_reported-")), "{said}");
    // A folder that does not exist, one that does not allow execution.
    let said = run(&format!("export XDG_RUNTIME_DIR={folder}/none"));
    assert!(said.starts_with("file /dev/shm/stapes_reported-"), "{said}");
    let noexec = |folder: &dyn std::fmt::Display| format!("mount -t tmpfs -o noexec none {folder}");
    let said = run(&format!("{} && export XDG_RUNTIME_DIR={folder}", noexec(&folder)));
    assert!(said.starts_with("file /dev/shm/stapes_reported-"), "{said}");
    let said = run(&format!("unset XDG_RUNTIME_DIR; {}", noexec(&"/dev/shm")));
    assert!(said.starts_with("file /tmp/stapes_reported-"), "{said}");
    let said = run(&format!("unset XDG_RUNTIME_DIR; {} && {}", noexec(&"/dev/shm"), noexec(&"/tmp")));
    assert!(said.starts_with("error memfd_create of `stapes:reported`"), "{said}");
    // All of them deleted again.
    let left = |folder: &str| {
        let entries = std::fs::read_dir(folder).unwrap().flatten();
        entries.filter(|e| e.file_name().to_string_lossy().starts_with("stapes_reported")).count()
    };
    assert_eq!(["/dev/shm", "/tmp"].map(left), [0, 0]);
}

#[test]
fn a_folder_that_does_not_allow_execution_is_an_error() {
    const TEST: &str = "a_folder_that_does_not_allow_execution_is_an_error";
    if !can_unshare(TEST) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().display();
    let prepare = format!("mount -t tmpfs -o noexec none {path} && export {FOLDER}={path}");
    let said = said_in(&["--mount"], &prepare, "report");
    assert!(said.starts_with("error mmap of `stapes:reported`: Operation not permitted"), "{said}");
}

#[test]
fn nothing_is_missed_without_proc() {
    const TEST: &str = "nothing_is_missed_without_proc";
    if !can_unshare(TEST) {
        return;
    }
    let mut subject = start_in(&["--mount"], "umount -l /proc", "report");
    assert_eq!(subject.hear(), "memfd");
    if Kind::Stapes.usable(TEST) {
        let script = "usdt:*:reported:probe { printf(\"%d %s\\n\", arg0, str(arg1)); }";
        let tracer = Tracer::attach(Kind::Stapes, subject.pid(), script);
        tracer.expect(&["42 heard"]);
        tracer.stop();
    }
    subject.end();
}

#[test]
fn files_with_names_are_traced_and_deleted() {
    const TEST: &str = "files_with_names_are_traced_and_deleted";
    let folder = tempfile::tempdir().unwrap();
    let set = format!("{FOLDER}={}", folder.path().display());
    let mut subject = Subject::start_by(&["env", &set], "report");
    let said = subject.hear();
    let path = Path::new(said.strip_prefix("file ").unwrap()).to_path_buf();
    assert_eq!(path.parent(), Some(folder.path()));
    for kind in Kind::ALL.into_iter().filter(|kind| kind.usable(TEST)) {
        // By the file's name, as tools want it that know no memfds.
        let script =
            format!("usdt:{}:reported:probe {{ printf(\"%d %s\\n\", arg0, str(arg1)); }}", path.display());
        let tracer = Tracer::attach(kind, subject.pid(), &script);
        tracer.expect(&["42 heard"]);
        tracer.stop();
    }
    subject.end();
    assert!(!path.exists(), "the file outlived its provider");

    let mut subject = Subject::start_by(&["env", &set], "named");
    let path = subject.hear();
    subject.end();
    assert!(!Path::new(&path).exists(), "the file outlived its process");
}

#[test]
fn running_out_of_descriptors_is_an_error_and_passes() {
    let mut subject = Subject::start("without-descriptors");
    assert_eq!(subject.hear(), "done");
    subject.end();
}

#[test]
fn without_membarrier_fences_do() {
    const TEST: &str = "without_membarrier_fences_do";
    if cfg!(not(target_arch = "x86_64")) {
        return skip(TEST, "sandboxes do not reach through the emulator");
    }
    for when in ["early", "late"] {
        let mut subject = Subject::start("without-membarrier");
        subject.tell(when);
        assert_eq!(subject.hear(), "done");
        subject.end();
    }
}
