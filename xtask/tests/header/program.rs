//! The programs of the tests, which are in `include/tests`: how they are built, and what they fire.
//!
//! Expected values are those in their sources; the tools that read them are readelf, gdb, bpftrace and `stapes`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::toolchain::{output, root};

/// A file of `include/tests`.
pub(super) fn source(name: &str) -> PathBuf {
    root().join("include/tests").join(name)
}

/// A way of compiling: the compiler, whether it is told that files are C++, and what else it is told.
#[derive(Clone, Debug)]
pub(super) struct Build {
    pub(super) name: &'static str,
    pub(super) compiler: &'static str,
    pub(super) plus: bool,
    pub(super) flags: Vec<&'static str>,
}

impl Build {
    /// C, or C++ where the flags name a standard of that.
    pub(super) fn new(name: &'static str, compiler: &'static str, flags: &str) -> Build {
        // The tests keep the few texts as long as they run.
        let flags: Vec<&'static str> = flags.to_owned().leak().split(' ').filter(|f| !f.is_empty()).collect();
        let plus = flags.iter().any(|flag| flag.starts_with("-std=") && flag.contains("++"));
        Build { name, compiler, plus, flags }
    }

    /// The command that compiles files of `include/tests` into one.
    pub(super) fn command(&self, sources: &[&str], result: &Path) -> Command {
        let mut command = Command::new(self.compiler);
        // nanosleep is not part of standard C.
        command.args(["-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Werror", "-D_POSIX_C_SOURCE=200809L"]);
        command.arg("-ffunction-sections");
        if !self.flags.contains(&"-c") {
            command.arg("-Wl,--gc-sections");
        }
        if self.plus {
            command.args(["-x", "c++"]);
        }
        command.args(sources.iter().map(|name| source(name))).args(["-x", "none"]);
        command.args(&self.flags).arg("-o").arg(result);
        if self.plus && !self.flags.contains(&"-c") {
            command.arg("-lstdc++");
        }
        command
    }

    /// Compiles without a warning.
    pub(super) fn compile(&self, sources: &[&str], result: &Path) {
        let mut command = self.command(sources, result);
        let output = output(&mut command);
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && text.is_empty(), "{command:?}\n{text}");
    }

    /// Compiles the program of all values into a folder, under the name of this build.
    pub(super) fn values(&self, folder: &Path) -> PathBuf {
        let program = folder.join(self.name);
        let all = ["values.c", "other.c", "cplusplus.cpp", "second.cpp"];
        self.compile(if self.plus { &all } else { &all[..2] }, &program);
        program
    }
}

/// The sites of the program of all values: how many each probe has, and the sizes and signs of its arguments.
pub(super) fn expected_sites(plus: bool) -> BTreeMap<&'static str, Vec<&'static str>> {
    let mut sites = BTreeMap::from([
        ("nothing", vec![""]),
        ("constants", vec!["-1 1 -2 2 -4 8"]),
        ("integers", vec!["-1 1 -2 2 -4 8"]),
        // A bit-field has the size of its declared type, an enum without negative values is unsigned.
        ("fields", vec!["4 -4 8 1 1 4"]),
        ("addresses", vec!["8 8 8 8 8 -1"]),
        ("floats", vec!["4 8 4 8"]),
        ("many", vec!["-4 -2 8 1 8 4 -4 -4 -4 4 -4 -1"]),
        ("shared", vec!["-4", "-4", "-4"]),
        ("lazy", vec!["-4", "-4"]),
        ("names", vec!["-4 -4 -4 -4"]),
    ]);
    if plus {
        sites.extend([
            ("kinds", vec!["-2 4 2 1 8 -4"]),
            ("lambda", vec!["-4 -4"]),
            // Once, although two files have it.
            ("inlined", vec!["-4 8"]),
            ("templated", vec!["-4", "8"]),
        ]);
    }
    sites
}

/// What the program of all values fires, as the scripts print it.
pub(super) fn expected_lines(plus: bool) -> Vec<String> {
    let bits = |x: f64| x.to_bits() as i64;
    let small_bits = |x: f32| i64::from(x.to_bits());
    let mut lines = vec![
        "nothing".to_owned(),
        format!("constants -5 200 -300 65535 -70000 {}", 1_u64 << 40),
        format!("integers -5 200 -300 65535 -70000 {}", 1_u64 << 40),
        format!("fields 5 -3 {} 1 1 3", 1_u64 << 39),
        "addresses aRray pointer literal 0 99".to_owned(),
        format!("floats {} {} {} {}", small_bits(0.5), bits(-0.25), small_bits(1.5), bits(2.5)),
        format!("many 1 -2 array 4 5 {}", small_bits(0.5)),
        "shared 1".to_owned(),
        "shared 2".to_owned(),
        "shared 3".to_owned(),
        "lazy 1".to_owned(),
        "lazy 2".to_owned(),
        "names 10 11 20 30".to_owned(),
    ];
    if plus {
        lines.extend([
            format!("kinds -4 {} {} 1 0 6", 'ß' as u32, 'y' as u32),
            "lambda 2 3".to_owned(),
            "inlined 4 inlined".to_owned(),
            "inlined 5 inlined".to_owned(),
            "templated 7".to_owned(),
            // As 4 bytes of an int, and 8 of a double.
            "templated 8".to_owned(),
            format!("templated {}", bits(-0.5)),
        ]);
    }
    lines
}
