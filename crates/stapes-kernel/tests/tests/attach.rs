//! Attaching and detaching.

use std::process::Command;
use std::time::Instant;

use stapes_bpf::Point;
use stapes_kernel::Method;

use super::support::{attach, compile, counter, load, skip, sum, target, wait_until};

const METHODS: [Method; 2] = [Method::UprobeMulti, Method::PerfEvent];

#[test]
fn counts_per_site_and_cookie() {
    let Some(binary) = target("counts_per_site_and_cookie") else { return };
    let hits = binary.probe("hit");
    let mut sites = hits.clone();
    sites.extend(binary.probe("other"));
    assert_eq!(sites.len(), 3);
    for method in METHODS {
        let mut running = binary.spawn();
        let loaded = attach(counter(binary.image(), &sites), method);
        running.tell("hit 10");
        running.tell("elsewhere 200");
        running.tell("other 3000");
        let mut counts: Vec<u64> = (0..3).map(|i| sum(&loaded, 0, i)).collect();
        // Which of the two sites of t:hit comes first in the notes is up to the compiler.
        counts.sort_unstable();
        assert_eq!(counts, [10, 200, 3000], "{method:?}");
        assert_eq!(sum(&loaded, 0, 2), 3000, "{method:?}");
        assert_eq!(loaded.losses().unwrap().total(), 0);
    }
}

#[test]
fn semaphores_go_up_and_down() {
    let Some(binary) = target("semaphores_go_up_and_down") else { return };
    let site = binary.probe("other").remove(0);
    for method in METHODS {
        let running = binary.spawn();
        assert_eq!(running.semaphore(&site), 0);
        let mut loaded = attach(counter(binary.image(), std::slice::from_ref(&site)), method);
        assert_eq!(running.semaphore(&site), 1, "{method:?}");
        let later = binary.spawn();
        assert_eq!(later.semaphore(&site), 1, "{method:?}, started later");
        loaded.detach().unwrap();
        assert_eq!(running.semaphore(&site), 0, "{method:?}");
        assert_eq!(later.semaphore(&site), 0, "{method:?}, started later");
    }
}

#[test]
fn detach_restores_the_code() {
    let Some(binary) = target("detach_restores_the_code") else { return };
    let site = binary.probe("hit").remove(0);
    for method in METHODS {
        let mut running = binary.spawn();
        let before = running.code(&site);
        assert_eq!(before[0], 0x90, "sys/sdt.h makes a one-byte nop");
        let mut loaded = attach(counter(binary.image(), std::slice::from_ref(&site)), method);
        assert_eq!(running.code(&site)[0], 0xcc, "{method:?}");
        assert_eq!(running.code(&site)[1..], before[1..], "{method:?}");
        running.tell("hit 5");
        loaded.detach().unwrap();
        assert_eq!(running.code(&site), before, "{method:?}");
        let counted = sum(&loaded, 0, 0);
        running.tell("hit 5");
        assert_eq!(sum(&loaded, 0, 0), counted, "{method:?}");
    }
}

#[test]
fn pid_filter_counts_one_of_two() {
    let Some(binary) = target("pid_filter_counts_one_of_two") else { return };
    let site = binary.probe("other").remove(0);
    for method in METHODS {
        let (mut one, mut two, mut three) = (binary.spawn(), binary.spawn(), binary.spawn());
        let mut image = binary.image();
        image.pids = vec![one.pid(), three.pid()];
        let loaded = attach(counter(image, std::slice::from_ref(&site)), method);
        assert_eq!(one.semaphore(&site), 1);
        assert_eq!(two.semaphore(&site), 0);
        one.tell("other 7");
        two.tell("other 11");
        three.tell("other 100");
        assert_eq!(sum(&loaded, 0, 0), 107, "{method:?}");
    }
}

#[test]
fn pid_filter_covers_all_threads() {
    let Some(binary) = target("pid_filter_covers_all_threads") else { return };
    for method in METHODS {
        let mut running = binary.spawn();
        let mut image = binary.image();
        image.pids = vec![running.pid()];
        let sites = binary.probe("hit");
        let loaded = attach(counter(image, &sites), method);
        running.tell("threads 8 100");
        assert_eq!(sum(&loaded, 0, 0) + sum(&loaded, 0, 1), 800, "{method:?}");
    }
}

/// The kernel compares the address space of the main thread, which is gone with it.
#[test]
fn a_process_without_its_main_thread_gets_a_warning() {
    let Some(binary) = target("a_process_without_its_main_thread_gets_a_warning") else { return };
    let mut running = binary.spawn();
    running.tell("end main thread");
    let stat = format!("/proc/{}/stat", running.pid());
    wait_until("the main thread ends", || std::fs::read_to_string(&stat).unwrap().contains(") Z "));
    let mut image = binary.image();
    image.pids = vec![running.pid()];
    let mut loaded = load(counter(image, &binary.probe("other")), Method::Auto);
    let report = loaded.attach().unwrap();
    assert!(report.warnings[0].contains("has ended"), "{report:?}");
}

#[test]
fn returns_are_probed() {
    let Some(binary) = target("returns_are_probed") else { return };
    let output = Command::new("nm").arg(&binary.path).output().unwrap();
    let symbols = String::from_utf8(output.stdout).unwrap();
    let line = symbols.lines().find(|l| l.ends_with(" plain")).unwrap();
    let address = u64::from_str_radix(line.split(' ').next().unwrap(), 16).unwrap();
    // The code's segment lies in the file as it does in memory, relative to any site in it.
    let site = binary.probe("other").remove(0);
    for method in METHODS {
        let mut object = counter(binary.image(), std::slice::from_ref(&site));
        let Point::Uprobe { offset, semaphore, ret, .. } = &mut object.attachments[0].point else { panic!() };
        *offset = address - site.address + site.offset;
        *semaphore = 0;
        *ret = true;
        let loaded = attach(object, method);
        binary.spawn().tell("plain 42");
        assert_eq!(sum(&loaded, 0, 0), 42, "{method:?}");
    }
}

#[test]
fn many_files_attach_and_detach_together() {
    const FILES: u32 = 24;
    let Some(binary) = target("many_files_attach_and_detach_together") else { return };
    let site = binary.probe("other").remove(0);
    let mut object = counter(binary.image(), &vec![site.clone(); FILES as usize]);
    object.images.clear();
    let folder = tempfile::tempdir().unwrap();
    for (index, attachment) in (0..FILES).zip(&mut object.attachments) {
        let path = folder.path().join(format!("target{index}"));
        std::fs::copy(&binary.path, &path).unwrap();
        let Point::Uprobe { image, .. } = &mut attachment.point else { panic!() };
        *image = index;
        let path = path.to_str().unwrap().to_owned();
        object.images.push(stapes_bpf::Image { name: path.clone(), path, pids: Vec::new() });
    }
    let start = Instant::now();
    let mut loaded = attach(object, Method::UprobeMulti);
    let attached = start.elapsed();
    let path = folder.path().join("target7");
    assert_eq!(super::support::spawn(&path).tell("other 5"), "done");
    let counts: Vec<_> = (0..FILES).map(|i| sum(&loaded, 0, i)).collect();
    assert_eq!((counts[7], counts.iter().sum::<u64>()), (5, 5));
    let start = Instant::now();
    loaded.detach().unwrap();
    println!("{FILES} files attached in {attached:?}, detached in {:?}", start.elapsed());
}

#[test]
fn an_uprobe_at_a_site_shares_its_semaphore() {
    let Some(binary) = target("an_uprobe_at_a_site_shares_its_semaphore") else { return };
    let site = binary.probe("other").remove(0);
    for method in METHODS {
        let mut object = counter(binary.image(), &[site.clone(), site.clone()]);
        object.programs.push(object.programs[0].clone());
        object.attachments[1].program = 1;
        let Point::Uprobe { semaphore, .. } = &mut object.attachments[1].point else { panic!() };
        *semaphore = 0;
        let loaded = attach(object, method);
        let mut running = binary.spawn();
        assert_eq!(running.semaphore(&site), 1);
        running.tell("other 6");
        assert_eq!((sum(&loaded, 0, 0), sum(&loaded, 0, 1)), (6, 6), "{method:?}");
    }
}

#[test]
fn later_attachments_join() {
    let Some(binary) = target("later_attachments_join") else { return };
    let (hit, other) = (binary.probe("hit"), binary.probe("other"));
    let mut loaded = attach(counter(binary.image(), &hit), Method::Auto);
    let more = counter(binary.image(), &other);
    let report = loaded.attach_more(&more.images, &more.attachments).unwrap();
    assert_eq!((report.attached, report.failures.len()), (1, 0));
    let mut running = binary.spawn();
    running.tell("other 5");
    assert_eq!(sum(&loaded, 0, 0), 5);
    loaded.detach().unwrap();
    assert_eq!(running.semaphore(&other[0]), 0);
}

#[test]
fn target_may_exit_while_attached() {
    let Some(binary) = target("target_may_exit_while_attached") else { return };
    let site = binary.probe("other").remove(0);
    for method in METHODS {
        let mut running = binary.spawn();
        let mut image = binary.image();
        image.pids = vec![running.pid()];
        let mut loaded = attach(counter(image, std::slice::from_ref(&site)), method);
        running.tell("other 9");
        running.child.kill().unwrap();
        running.child.wait().unwrap();
        assert_eq!(sum(&loaded, 0, 0), 9, "{method:?}");
        loaded.detach().unwrap();
    }
}

#[test]
fn proc_paths_are_images() {
    let Some(binary) = target("proc_paths_are_images") else { return };
    let site = binary.probe("other").remove(0);
    let mut running = binary.spawn();
    std::fs::remove_file(&binary.path).unwrap();
    let mut image = binary.image();
    image.path = format!("/proc/{}/exe", running.pid());
    image.pids = vec![running.pid()];
    let loaded = attach(counter(image, std::slice::from_ref(&site)), Method::Auto);
    running.tell("other 4");
    assert_eq!(sum(&loaded, 0, 0), 4);
}

/// In the variable's presence the test binary is the tracer that will be killed.
const VICTIM: &str = "STAPES_TEST_VICTIM";

#[test]
fn killed_tracer_leaves_no_trace() {
    let Some(binary) = target("killed_tracer_leaves_no_trace") else { return };
    let site = binary.probe("other").remove(0);
    for method in ["multi", "perf"] {
        let mut running = binary.spawn();
        let before = running.code(&site);
        let mut tracer = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "tests::attach::tracer_to_be_killed"])
            .env(VICTIM, format!("{method} {}", binary.path.display()))
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        wait_until("the tracer attaches", || running.semaphore(&site) == 1);
        tracer.kill().unwrap();
        tracer.wait().unwrap();
        wait_until("the kernel detaches", || running.code(&site) == before && running.semaphore(&site) == 0);
        assert_eq!(running.tell("other 3"), "done");
    }
}

/// Not a test by itself: the part of [`killed_tracer_leaves_no_trace`] that attaches and waits.
#[test]
fn tracer_to_be_killed() {
    let Ok(what) = std::env::var(VICTIM) else { return };
    let (method, path) = what.split_once(' ').unwrap();
    let sites = super::support::sites(std::path::Path::new(path));
    let sites: Vec<_> = sites.into_iter().filter(|s| s.name == "other").collect();
    let image = stapes_bpf::Image { name: "target".to_owned(), path: path.to_owned(), pids: Vec::new() };
    let method = if method == "perf" { Method::PerfEvent } else { Method::UprobeMulti };
    let mut loaded = load(counter(image, &sites), method);
    loaded.attach().unwrap();
    std::thread::sleep(std::time::Duration::from_secs(60));
}

/// On Linux 6.18 a probe on a 5-byte nop would become a call that overwrites the red zone.
#[test]
fn red_zones_are_safe() {
    const TEST: &str = "red_zones_are_safe";
    if !cfg!(target_arch = "x86_64") {
        return skip(TEST, "only x86-64 has such nops");
    }
    let Some(binary) = compile(TEST, "nop5.c", &[]) else { return };
    let site = binary.probe("leaf").remove(0);
    for method in METHODS {
        for limited in [false, true] {
            let mut running = binary.spawn();
            let before = running.code(&site);
            assert_eq!(before[..5], [0x0f, 0x1f, 0x44, 0, 0]);
            let mut image = binary.image();
            image.pids = if limited { vec![running.pid()] } else { Vec::new() };
            let mut loaded = attach(counter(image, std::slice::from_ref(&site)), method);
            assert_eq!(running.tell("leaf 10000"), "0 wrong", "{method:?}");
            assert_eq!(running.code(&site)[0], 0xcc, "still a breakpoint, not a call");
            assert_eq!(sum(&loaded, 0, 0), 10_000, "{method:?}");
            loaded.detach().unwrap();
            assert_eq!(running.code(&site), before);
            assert_eq!(running.tell("leaf 10000"), "0 wrong");
        }
    }
}

/// Where lld lays `.probes` beside RELRO, the kernel raises the wrong page of a process that starts after
/// attaching.
#[test]
fn semaphores_beside_relro_are_raised() {
    const TEST: &str = "semaphores_beside_relro_are_raised";
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let Ok(output) = Command::new(rustc).args(["--print", "target-libdir"]).output() else {
        return skip(TEST, "no rustc to ask for its linker");
    };
    let folder = String::from_utf8(output.stdout).unwrap().trim().to_owned();
    let folder = folder.trim_end_matches("/lib").to_owned() + "/bin/gcc-ld";
    let flags = ["-B", folder.as_str(), "-fuse-ld=lld"];
    let Some(binary) = compile(TEST, "target.c", &flags) else { return };
    let site = binary.probe("other").remove(0);
    for method in METHODS {
        let mut loaded = attach(counter(binary.image(), std::slice::from_ref(&site)), method);
        let mut running = binary.spawn();
        let before = running.semaphore(&site);
        if before != 0 {
            skip(TEST, "this linker's layout does not have the defect");
        }
        assert_eq!(loaded.check_semaphores(running.pid()), Vec::<String>::new());
        // More than one, if the file's page is mapped more than once.
        let raised = running.semaphore(&site);
        assert!(raised > 0, "{method:?}");
        assert_eq!(loaded.check_semaphores(running.pid()), Vec::<String>::new());
        assert_eq!(running.semaphore(&site), raised, "{method:?}");
        running.tell("other 3");
        assert_eq!(sum(&loaded, 0, 0), 3);
        loaded.detach().unwrap();
        assert_eq!(running.semaphore(&site), 0, "{method:?}");
        assert_eq!(running.code(&site)[0], 0x90, "{method:?}");
        assert_eq!(running.tell("other 3"), "done");
        // Nobody checks this one before it is detached; its code must be restored nevertheless.
        let mut loaded = attach(counter(binary.image(), std::slice::from_ref(&site)), method);
        let running = binary.spawn();
        assert_eq!(running.code(&site)[0], 0xcc, "{method:?}");
        loaded.detach().unwrap();
        assert_eq!((running.code(&site)[0], running.semaphore(&site)), (0x90, 0), "{method:?}");
    }
}
