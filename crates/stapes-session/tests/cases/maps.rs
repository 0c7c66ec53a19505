//! `/proc/PID/maps`: lines from the manual page and lines that a process chose.

use stapes_session::process::maps::{Mapping, parse};

fn one(line: &str) -> Mapping {
    Mapping::parse(line.as_bytes()).expect(line)
}

#[test]
fn reads_every_field() {
    // proc_pid_maps(5) has this line.
    let m = one("00400000-00452000 r-xp 00001000 08:02 173521      /usr/bin/dbus-daemon");
    assert_eq!((m.start, m.end, m.offset), (0x0040_0000, 0x0045_2000, 0x1000));
    assert_eq!((m.read, m.write, m.execute, m.private), (true, false, true, true));
    assert_eq!((m.device, m.inode), ((8, 2), 173_521));
    assert_eq!(m.name, b"/usr/bin/dbus-daemon");
    assert_eq!(m.range_name(), "400000-452000");
    assert_eq!(m.address_of(0x1000), Some(0x0040_0000));
    assert_eq!(m.address_of(0x52fff), Some(0x0045_1fff));
    assert_eq!((m.address_of(0xfff), m.address_of(0x53000)), (None, None));
}

#[test]
fn names_are_bytes_and_may_hold_anything() {
    assert_eq!(one("1000-2000 r--p 0 fe:00 7   /tmp/a  b ").name, b"/tmp/a  b ");
    assert_eq!(one("1000-2000 r--p 0 fe:00 7   /tmp/new\\012line").name, b"/tmp/new\nline");
    assert_eq!(one("1000-2000 r--p 0 fe:00 7   /tmp/x (deleted)").name, b"/tmp/x (deleted)");
    let latin = Mapping::parse(b"1000-2000 r-xp 0 fe:00 7   /tmp/caf\xe9").unwrap();
    assert_eq!(latin.name, b"/tmp/caf\xe9");
}

#[test]
fn anonymous_memory_has_no_file() {
    assert!(
        one("7ffc5a5f2000-7ffc5a613000 rw-p 00000000 00:00 0                          [stack]")
            .is_anonymous()
    );
    let nameless = one("7f0000000000-7f0000001000 rw-p 00000000 00:00 0 ");
    assert!(nameless.is_anonymous() && nameless.name.is_empty());
    assert!(one("200000-400000 r-xp 00000000 00:0f 77        /anon_hugepage (deleted)").is_hugetlb());
}

#[test]
fn other_text_is_left_out() {
    for line in [
        "",
        "1000",
        "1000-2000",
        "2000-1000 r--p 0 0:0 0",
        "x-y r--p 0 0:0 0",
        "1000-2000 r--p 0 0:0",
        "1-2 r- 0 0:0 0",
    ] {
        assert_eq!(Mapping::parse(line.as_bytes()), None, "{line}");
    }
    let text = b"1000-2000 r--p 0 0:0 0\nnonsense\n\n2000-3000 r--p 0 0:0 0\n";
    assert_eq!(parse(text).len(), 2);
}

#[test]
fn every_line_of_our_own_maps_is_read() {
    let text = std::fs::read("/proc/self/maps").unwrap();
    assert_eq!(parse(&text).len(), text.iter().filter(|&&b| b == b'\n').count());
}
