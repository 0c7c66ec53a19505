//! What this kernel can do, found out on first asking.
//!
//! Where a version tells it is believed; below that version the kernel is asked, as distributions port
//! things back.

use std::ffi::CString;
use std::fs;
use std::os::fd::AsFd;
use std::sync::OnceLock;

use crate::sys::bpf::{self, ProgramLoad, ProgramType, Sites};
use crate::sys::process;
use crate::{Error, btf};

/// What this kernel can do. Each answer is worked out when it is first asked for, and kept.
#[derive(Clone, Debug)]
pub struct Features {
    version: (u32, u32),
    uprobe_multi: OnceLock<bool>,
    multi_pid_filter: OnceLock<bool>,
    optimised: OnceLock<Optimised>,
    possible_cpus: OnceLock<u32>,
    uprobe_event: OnceLock<Option<UprobeEvent>>,
}

/// Which nops the kernel turns into calls of its trampoline, so that a probe costs a system call instead of
/// a trap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Optimised {
    /// None: every probe is a breakpoint.
    No,
    /// 5-byte nops (Linux 6.18 on x86-64); the call overwrites the red zone.
    Nop5,
    /// 10-byte nops, which leave room to step over the red zone first.
    Nop10,
}

/// How to open an uprobe through perf_event_open(2), from `/sys/bus/event_source/devices/uprobe`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct UprobeEvent {
    /// The PMU's number.
    pub(crate) kind: u32,
    /// The bit of `config` that asks for the function's return.
    pub(crate) ret_bit: u32,
    /// The lowest bit of `config` that holds the semaphore's file offset, where the kernel knows semaphores.
    pub(crate) semaphore_bit: Option<u32>,
}

impl Features {
    /// Asks nothing yet but the kernel's version.
    pub fn detect() -> Features {
        Features {
            version: process::kernel_version(),
            uprobe_multi: OnceLock::new(),
            multi_pid_filter: OnceLock::new(),
            optimised: OnceLock::new(),
            possible_cpus: OnceLock::new(),
            uprobe_event: OnceLock::new(),
        }
    }

    /// The kernel's version: major, minor.
    pub fn version(&self) -> (u32, u32) {
        self.version
    }

    /// Whether one link can probe many places (`BPF_TRACE_UPROBE_MULTI`, Linux 6.6).
    pub fn uprobe_multi(&self) -> bool {
        *self.uprobe_multi.get_or_init(|| self.version >= (6, 6) || probe_multi(0) == Some(libc::EBADF))
    }

    /// Whether such a link's pid means a process; the first kernels that had it filtered by thread.
    pub fn uprobe_multi_pid(&self) -> bool {
        *self.multi_pid_filter.get_or_init(|| {
            self.version >= (6, 11) || (self.uprobe_multi() && probe_multi(-1) == Some(libc::EINVAL))
        })
    }

    /// Whether programs can read a user string from a page that is not in memory yet
    /// (the kernel function `bpf_copy_from_user_str`, Linux 6.12).
    pub fn copy_from_user_str(&self) -> bool {
        self.version >= (5, 18) && matches!(btf::function_id("bpf_copy_from_user_str"), Ok(Some(_)))
    }

    /// Whether programs can ask which site they were called for (`bpf_get_attach_cookie`, Linux 5.15).
    pub fn attach_cookie(&self) -> bool {
        self.version >= (5, 15)
    }

    /// Whether there are ring buffers (Linux 5.8).
    pub fn ringbuf(&self) -> bool {
        self.version >= (5, 8)
    }

    /// Whether uprobes raise semaphores (Linux 4.20).
    pub fn semaphores(&self) -> bool {
        self.version >= (4, 20)
    }

    /// Whether the kernel shows its types.
    pub fn btf(&self) -> bool {
        fs::exists("/sys/kernel/btf/vmlinux").unwrap_or(false)
    }

    /// Which nops become calls.
    pub fn optimised(&self) -> Optimised {
        *self.optimised.get_or_init(|| match process::uprobe_call() {
            Some(libc::ENXIO) => Optimised::Nop5,
            Some(libc::EPROTO) => Optimised::Nop10,
            _ => Optimised::No,
        })
    }

    /// The number of CPUs there can ever be: how many values a key of a map per CPU has.
    pub fn possible_cpus(&self) -> u32 {
        *self.possible_cpus.get_or_init(|| {
            let list = fs::read_to_string("/sys/devices/system/cpu/possible").unwrap_or_default();
            cpus_in_list(&list).unwrap_or(1)
        })
    }

    /// How to open uprobes through perf.
    pub(crate) fn uprobe_event(&self) -> Result<UprobeEvent, Error> {
        const FOLDER: &str = "/sys/bus/event_source/devices/uprobe";
        self.uprobe_event
            .get_or_init(|| {
                let read = |name: &str| fs::read_to_string(format!("{FOLDER}/{name}")).ok();
                Some(UprobeEvent {
                    kind: read("type")?.trim().parse().ok()?,
                    ret_bit: config_bit(&read("format/retprobe")?)?,
                    semaphore_bit: read("format/ref_ctr_offset").and_then(|f| config_bit(&f)),
                })
            })
            .ok_or_else(|| {
                Error::other("read", FOLDER, "this kernel has no uprobe events")
                    .with_hint("needs a kernel built with CONFIG_UPROBE_EVENTS")
            })
    }
}

/// How the kernel answers a link to a folder: whether it knows the link type, and how it takes `pid`.
fn probe_multi(pid: i32) -> Option<i32> {
    // mov r0, 0; exit
    let insns = [[0xb7, 0, 0, 0, 0, 0, 0, 0], [0x95, 0, 0, 0, 0, 0, 0, 0]];
    let load = ProgramLoad {
        program_type: ProgramType::Kprobe,
        name: "stapes_feature",
        insns: &insns,
        sleepable: false,
        uprobe_multi: true,
    };
    let program = bpf::program_load(&load, None).ok()?;
    let sites = Sites { offsets: vec![0], semaphores: vec![0], cookies: vec![0] };
    let folder = CString::from(c"/");
    bpf::link_uprobe_multi(program.as_fd(), &folder, &sites, pid, false).err()?.raw_os_error()
}

/// The number of CPUs that a list like `0-3,8` reaches: the highest one and those below it.
fn cpus_in_list(list: &str) -> Option<u32> {
    let last = list.trim().rsplit([',', '-']).next()?;
    last.parse::<u32>().ok()?.checked_add(1)
}

/// The lowest bit in a PMU format like `config:32-63`.
fn config_bit(format: &str) -> Option<u32> {
    let bits = format.trim().strip_prefix("config:")?;
    bits.split('-').next()?.parse().ok().filter(|bit| *bit < 64)
}

#[cfg(test)]
mod tests {
    use super::{config_bit, cpus_in_list};

    #[test]
    fn cpu_lists() {
        assert_eq!(cpus_in_list("0\n"), Some(1));
        assert_eq!(cpus_in_list("0-1\n"), Some(2));
        assert_eq!(cpus_in_list("0-3,8-15\n"), Some(16));
        assert_eq!(cpus_in_list(""), None);
        assert_eq!(cpus_in_list("0-4294967295"), None);
    }

    #[test]
    fn perf_formats() {
        assert_eq!(config_bit("config:0\n"), Some(0));
        assert_eq!(config_bit("config:32-63\n"), Some(32));
        assert_eq!(config_bit("config1:0"), None);
        assert_eq!(config_bit("config:64"), None);
    }
}
