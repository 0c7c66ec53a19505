//! What fails is said with its name, and the rest works.

use std::process::Command;

use stapes_bpf::{Image, Object, Point};
use stapes_kernel::{LoadOptions, Loaded, Method};

use super::support::{can_load, counter, exit_code, load, program, skip, sum, target};

#[test]
fn a_missing_image_is_named_and_others_attach() {
    let Some(binary) = target("a_missing_image_is_named_and_others_attach") else { return };
    let sites = binary.probe("other");
    for method in [Method::UprobeMulti, Method::PerfEvent] {
        let mut object = counter(binary.image(), &sites);
        let folder = tempfile::tempdir().unwrap();
        for (name, path) in [("gone", "/no/such/file"), ("folder", folder.path().to_str().unwrap())] {
            let mut attachment = object.attachments[0].clone();
            let Point::Uprobe { image, .. } = &mut attachment.point else { panic!() };
            *image = object.images.len() as u32;
            object.images.push(Image { name: name.to_owned(), path: path.to_owned(), pids: Vec::new() });
            object.attachments.push(attachment);
        }
        let mut loaded = load(object, method);
        let report = loaded.attach().unwrap();
        assert_eq!((report.attached, report.failures.len()), (1, 2), "{report:?}");
        let mut shown: Vec<_> = report.failures.iter().map(|f| f.error.to_string()).collect();
        shown.sort();
        assert!(shown[1].ends_with(" of `gone`: no such file or directory (ENOENT)"), "{shown:?}");
        assert!(shown[0].contains(" of `folder`: "), "{shown:?}");
        binary.spawn().tell("other 2");
        assert_eq!(sum(&loaded, 0, 0), 2);
    }
}

#[test]
fn a_bad_site_does_not_keep_others_from_attaching() {
    let Some(binary) = target("a_bad_site_does_not_keep_others_from_attaching") else { return };
    let mut sites = binary.probe("hit");
    let mut bad = sites[0].clone();
    bad.offset = 1 << 40;
    sites.insert(1, bad);
    for method in [Method::UprobeMulti, Method::PerfEvent] {
        let mut loaded = load(counter(binary.image(), &sites), method);
        let report = loaded.attach().unwrap();
        let failed: Vec<_> = report.failures.iter().map(|f| f.offsets.clone()).collect();
        assert_eq!((report.attached, failed), (2, vec![vec![1 << 40]]), "{method:?}");
        let mut running = binary.spawn();
        running.tell("hit 3");
        running.tell("elsewhere 4");
        assert_eq!(sum(&loaded, 0, 0) + sum(&loaded, 0, 2), 7, "{method:?}");
    }
}

#[test]
fn a_process_that_is_gone_is_an_error() {
    let Some(binary) = target("a_process_that_is_gone_is_an_error") else { return };
    let pid = {
        let mut running = binary.spawn();
        running.child.kill().unwrap();
        running.child.wait().unwrap();
        running.pid()
    };
    let sites = binary.probe("other");
    for method in [Method::UprobeMulti, Method::PerfEvent] {
        let mut image = binary.image();
        image.pids = vec![pid];
        let mut loaded = load(counter(image, &sites), method);
        let report = loaded.attach().unwrap();
        let failure = &report.failures[0];
        assert_eq!((failure.pid, failure.error.errno), (Some(pid), 3), "ESRCH: {failure:?}");
        assert!(failure.error.hint.is_some());
    }
}

/// In the variable's presence the test binary is the tracer without privileges.
const UNPRIVILEGED: &str = "STAPES_TEST_UNPRIVILEGED";

#[test]
fn missing_privileges_are_told() {
    const TEST: &str = "missing_privileges_are_told";
    let Some(_alone) = can_load(TEST) else { return };
    // This binary may lie where nobody else can reach it, so a copy runs.
    let exe = std::env::current_exe().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let copy = folder.path().join("tests");
    std::fs::copy(exe, &copy).unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder.path(), open).unwrap();
    let output = Command::new("setpriv")
        .args(["--reuid", "65534", "--clear-groups"])
        .arg(&copy)
        .args(["--exact", "tests::errors::without_privileges", "--nocapture"])
        .env(UNPRIVILEGED, "1")
        .output();
    match output {
        Err(e) => skip(TEST, &format!("setpriv: {e}")),
        Ok(output) => assert!(output.status.success(), "{output:?}"),
    }
}

/// Not a test by itself: the part of [`missing_privileges_are_told`] that has no privileges.
#[test]
fn without_privileges() {
    if std::env::var_os(UNPRIVILEGED).is_none() {
        return;
    }
    let object = Object { programs: vec![program("p", exit_code())], ..Object::default() };
    let error = Loaded::load(object, &LoadOptions::default()).unwrap_err();
    assert_eq!(error.to_string(), "BPF_PROG_LOAD of `p`: operation not permitted (EPERM)");
    assert_eq!(error.hint.as_deref(), Some("needs CAP_BPF and CAP_PERFMON; try sudo"));
}
