//! The Debian packages that tests and benches use, and how they come onto the machine.

use std::process::Command;

use crate::command::{exists, is_root, run};

/// A package, how its presence is known, and what for.
struct Package {
    name: &'static str,
    /// A file that the package brings: a program's name, or an absolute path.
    brings: &'static str,
    why: &'static str,
}

const PACKAGES: &[Package] = &[
    Package { name: "gcc", brings: "gcc", why: "compiles the C targets of the tests" },
    Package { name: "g++", brings: "g++", why: "builds the fuzzer's run time" },
    Package { name: "clang", brings: "clang", why: "the other C compiler, for the C header" },
    Package { name: "lld", brings: "ld.lld", why: "a linker of the probes' test matrix" },
    Package { name: "mold", brings: "mold", why: "a linker of the probes' test matrix" },
    Package {
        name: "systemtap-sdt-dev",
        brings: "/usr/include/x86_64-linux-gnu/sys/sdt.h",
        why: "sys/sdt.h for the C targets, and the peer `dtrace`",
    },
    Package { name: "binutils", brings: "readelf", why: "the peer readelf" },
    Package { name: "gdb", brings: "gdb", why: "the peer gdb" },
    Package { name: "bpftrace", brings: "bpftrace", why: "the peer bpftrace" },
    Package { name: "bpfcc-tools", brings: "tplist-bpfcc", why: "the peer tplist" },
    Package {
        name: "gcc-aarch64-linux-gnu",
        brings: "aarch64-linux-gnu-gcc",
        why: "compiles the C header's programs for aarch64",
    },
    Package {
        name: "libc6-dev-arm64-cross",
        brings: "/usr/aarch64-linux-gnu/lib/libc.a",
        why: "links the C header's programs for aarch64",
    },
    Package { name: "qemu-user-static", brings: "qemu-aarch64-static", why: "runs the aarch64 tests" },
    Package {
        name: "openjdk-17-jdk-headless",
        brings: "/usr/lib/jvm/java-17-openjdk-amd64/lib/server/libjvm.so",
        why: "a real target with 531 notes",
    },
    Package { name: "postgresql-15", brings: "/usr/lib/postgresql/15/bin/postgres", why: "a real target" },
    Package { name: "ruby", brings: "ruby", why: "a real target" },
    Package { name: "nodejs", brings: "node", why: "runs an example with probes" },
    Package {
        name: "libnode-dev",
        brings: "/usr/include/node/node_api.h",
        why: "compiles the addon of an example with probes",
    },
    Package { name: "python3-pip", brings: "pip3", why: "installs Python's wrapper of libstapsdt" },
    Package { name: "golang", brings: "go", why: "calls libstapsdt as Go's wrapper does" },
    Package {
        name: "pkg-config",
        brings: "pkg-config",
        why: "builds against the libraries as they are laid out",
    },
    Package { name: "util-linux", brings: "setpriv", why: "runs tests without privileges" },
    Package { name: "strace", brings: "strace", why: "shows system calls in tests" },
];

impl Package {
    fn present(&self) -> bool {
        if self.brings.starts_with('/') {
            std::path::Path::new(self.brings).exists()
        } else {
            exists(self.brings) || std::path::Path::new("/usr/sbin").join(self.brings).exists()
        }
    }
}

/// Installs what is missing when that is possible; returns the names of what is still missing.
pub(crate) fn provide() -> anyhow::Result<Vec<&'static str>> {
    let missing = || PACKAGES.iter().filter(|p| !p.present());
    if missing().next().is_none() {
        return Ok(Vec::new());
    }
    for package in missing() {
        println!("missing: {} ({})", package.name, package.why);
    }
    if !is_root() || !exists("apt-get") {
        println!("not installed: that needs root and apt-get; tests that use them are skipped by name");
        return Ok(missing().map(|p| p.name).collect());
    }
    let apt = || {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive").arg("-qq").arg("-y");
        command
    };
    run(apt().arg("update"))?;
    let names: Vec<_> = missing().map(|p| p.name).collect();
    if run(apt().args(["install", "--no-install-recommends"]).args(&names)).is_err() {
        // One name that this release does not have must not keep the others away.
        for name in &names {
            if let Err(error) = run(apt().args(["install", "--no-install-recommends", name])) {
                println!("not installed: {error:#}");
            }
        }
    }
    Ok(missing().map(|p| p.name).collect())
}

/// Mounts tracefs where it is missing, as the peers expect it.
pub(crate) fn mount_tracefs() {
    if is_root() && !std::path::Path::new("/sys/kernel/tracing/events").exists() {
        let mount = ["-t", "tracefs", "tracefs", "/sys/kernel/tracing"];
        if let Err(error) = run(Command::new("mount").args(mount)) {
            println!("tracefs is not mounted: {error:#}");
        }
    }
}
