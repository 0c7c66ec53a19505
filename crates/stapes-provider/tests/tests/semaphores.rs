//! Semaphores: counted by several tracers, and untouched by what is loaded later.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use stapes_provider::Provider;

use crate::subject::{Subject, listen, say};
use crate::support::wait_for;
use crate::tracer::{Kind, Tracer};

/// The subject: has one probe, and a second when it is told to.
pub(crate) fn fire_and_add() {
    let provider = Provider::builder("counted").build().unwrap();
    let first = provider.probe::<(u32,)>("first").unwrap();
    provider.load().unwrap();
    say("ready");
    let mut second = None;
    while let Some(command) = listen() {
        match command.as_str() {
            "fire" => {
                first.fire((1,));
                if let Some(second) = &second {
                    stapes_provider::TypedProbe::fire(second, (2,));
                }
            }
            "add" => {
                second = Some(provider.probe::<(u32,)>("second").unwrap());
                provider.load().unwrap();
            }
            "enabled" => {}
            other => panic!("unknown command {other}"),
        }
        let enabled = second.as_ref().is_some_and(stapes_provider::TypedProbe::enabled);
        say(&format!("{} {enabled}", first.enabled()));
    }
}

/// The writable parts of a process's images of this provider, in the order of their addresses.
pub(crate) fn semaphores(pid: u32, provider: &str) -> Vec<u64> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    maps.lines()
        .filter(|line| line.contains(&format!("/memfd:stapes:{provider} ")) && line.contains(" rw-p "))
        .map(|line| u64::from_str_radix(line.split('-').next().unwrap(), 16).unwrap())
        .collect()
}

/// What a process has at an address.
fn half_word(pid: u32, address: u64) -> u16 {
    let mut bytes = [0; 2];
    File::open(format!("/proc/{pid}/mem")).unwrap().read_exact_at(&mut bytes, address).unwrap();
    u16::from_le_bytes(bytes)
}

fn ask(subject: &mut Subject, command: &str) -> String {
    subject.tell(command);
    subject.hear()
}

const FIRST: &str = "usdt:*:counted:first { printf(\"first %d\\n\", arg0); }";
const SECOND: &str = "usdt:*:counted:second { printf(\"second %d\\n\", arg0); }";

/// The kernel raises a semaphore once for all who trace through it; bcc, gdb and SystemTap write to the process's
/// memory, once each. A probe must not care.
#[test]
fn several_tracers_count_up_and_down() {
    const TEST: &str = "several_tracers_count_up_and_down";
    let kinds: Vec<Kind> = Kind::ALL.into_iter().filter(|kind| kind.usable(TEST)).collect();
    let (Some(one), Some(other)) = (kinds.first(), kinds.last()) else { return };
    let mut subject = Subject::start("semaphores");
    assert_eq!(subject.hear(), "ready");
    let pid = subject.pid();
    let address = semaphores(pid, "counted")[0];
    let mut counts = |expected: u16| {
        wait_for(&format!("{expected} on the semaphore"), || {
            (half_word(pid, address) == expected).then_some(())
        });
        assert_eq!(ask(&mut subject, "enabled"), format!("{} false", expected > 0));
    };
    let by_hand = |change: i16| {
        let memory = File::options().read(true).write(true).open(format!("/proc/{pid}/mem")).unwrap();
        let count = half_word(pid, address).wrapping_add_signed(change);
        memory.write_all_at(&count.to_le_bytes(), address).unwrap();
    };
    counts(0);
    let a = Tracer::attach(*one, pid, FIRST);
    counts(1);
    by_hand(1);
    counts(2);
    let b = Tracer::attach(*other, pid, FIRST);
    b.expect_while(&["first 1"], || drop(ask(&mut subject, "fire")));
    let mut counts = |expected: u16| {
        wait_for(&format!("{expected} on the semaphore"), || {
            (half_word(pid, address) == expected).then_some(())
        });
        assert_eq!(ask(&mut subject, "enabled"), format!("{} false", expected > 0));
    };
    counts(2);
    a.stop();
    counts(2);
    b.stop();
    counts(1);
    by_hand(-1);
    counts(0);
    subject.end();
}

#[test]
fn what_is_added_later_leaves_tracers_attached() {
    const TEST: &str = "what_is_added_later_leaves_tracers_attached";
    for kind in Kind::ALL.into_iter().filter(|kind| kind.usable(TEST)) {
        let mut subject = Subject::start("semaphores");
        assert_eq!(subject.hear(), "ready");
        let pid = subject.pid();
        let first = Tracer::attach(kind, pid, FIRST);
        fire_until(&mut subject, "true false");
        assert_eq!(ask(&mut subject, "add"), "true false");
        let second = Tracer::attach(kind, pid, SECOND);
        fire_until(&mut subject, "true true");
        // What was raised says nothing of the program that is to hear, so that some more events may be needed.
        first.expect_while(&["first 1"], || drop(ask(&mut subject, "fire")));
        second.expect_while(&["second 2"], || drop(ask(&mut subject, "fire")));
        assert_eq!(semaphores(pid, "counted").len(), 2);
        first.stop();
        second.stop();
        assert_eq!(ask(&mut subject, "enabled"), "false false");
        subject.end();
    }
}

fn fire_until(subject: &mut Subject, enabled: &str) {
    wait_for(enabled, || (ask(subject, "fire") == enabled).then_some(()));
}
