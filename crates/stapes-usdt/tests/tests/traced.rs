//! A C program on libusdt's interface that is traced.

use std::process::{Command, Stdio};

use crate::compiled::{How, Library, can_compile, compile};
use crate::tracer::{Kind, Tracer};

const FEW: &str = r#"usdt:*:libusdt_test:few { printf("few %s %d %d %d\n", str(arg0), arg1, arg2, arg3); }"#;
/// The sixth argument is the last in a register.
const MANY: &str = r#"usdt:*:libusdt_test:many { printf("many %d %d %d\n", arg0, arg1, arg5); }"#;
/// Behind it they are on the stack.
const ALL: &str = r#"usdt:*:libusdt_test:many { printf("many %d %d %d %d\n", arg5, arg6, arg11, arg31); }"#;

#[test]
fn a_program_on_libusdt_is_traced() {
    const TEST: &str = "a_program_on_libusdt_is_traced";
    if !can_compile(TEST) {
        return;
    }
    let library = Library::lay_out();
    let program = compile(&library, "fire", How::Shared);
    let mut child =
        Command::new(program).env("LD_LIBRARY_PATH", library.path()).stdin(Stdio::piped()).spawn().unwrap();
    let maps = format!("/proc/{}/maps", child.id());
    crate::support::wait_for("the image", || {
        std::fs::read_to_string(&maps).unwrap().contains("memfd:libusdt:libusdt_test").then_some(())
    });
    for kind in Kind::ALL.into_iter().filter(|kind| kind.usable(TEST)) {
        // bpftrace 0.17 knows no arguments on the stack.
        let (script, line) = match kind {
            Kind::Bpftrace => (MANY, "many 1 -2 -6"),
            Kind::Stapes => (ALL, "many -6 7 -12 -32"),
        };
        let tracer = Tracer::attach(kind, child.id(), &format!("{FEW} {script}"));
        tracer.expect(&["few text -70000 200 -300", line]);
        tracer.stop();
    }
    drop(child.stdin.take());
    let status = crate::support::wait_for("the program's end", || child.try_wait().unwrap());
    assert!(status.success());
}
