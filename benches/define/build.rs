//! Compiles the peer in C, where SystemTap's header and a compiler are.

use std::path::PathBuf;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=src/peer.c");
    println!("cargo::rustc-check-cfg=cfg(has_sdt)");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").unwrap());
    let object = out.join("peer.o");
    let compiled = Command::new("cc").args(["-O2", "-c", "src/peer.c", "-o"]).arg(&object).status();
    if compiled.is_ok_and(|status| status.success()) {
        println!("cargo::rustc-link-arg-bin=cost={}", object.display());
        println!("cargo::rustc-cfg=has_sdt");
    }
}
