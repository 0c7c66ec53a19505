//! Emission: from IR to eBPF that computes the same and that the kernel takes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by a panic, in its helpers too")]

mod generate;
mod golden;
mod ir;
pub(crate) mod kernel;
mod machine;
mod memory;
mod random_functions;
mod reference;
mod scratch;

use stapes_binary::Arch;
use stapes_script::catalog::Target;

/// A machine, with or without version 4 of the instruction set.
fn target(bpf_v4: bool) -> Target {
    Target {
        arch: Arch::X86_64,
        uprobe_multi: bpf_v4,
        copy_from_user_str: bpf_v4,
        attach_cookie: true,
        bpf_v4,
        cpus: 2,
        page_size: 4096,
    }
}
