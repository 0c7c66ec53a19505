//! Tells the program for which architecture it is built, so that it can name the host's target.

fn main() {
    let arch = std::env::var("CARGO_CFG_TARGET_ARCH").unwrap_or_default();
    println!("cargo::rustc-env=XTASK_ARCH={arch}");
    println!("cargo::rerun-if-changed=build.rs");
}
