//! The C libraries for probes made at run time, as programs look for them: headers, libraries under their SONAMEs,
//! archives, and what pkg-config says of them.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use anyhow::Context;

use crate::command::{cargo, root, run};

/// A library of C's.
struct Library {
    /// The crate that it is made from.
    package: &'static str,
    /// Its name without `lib`.
    name: &'static str,
    /// Its header, in the crate's folder `include`.
    header: &'static str,
    description: &'static str,
}

const LIBRARIES: [Library; 2] = [
    Library {
        package: "stapes-stapsdt",
        name: "stapsdt",
        header: "libstapsdt.h",
        description: "USDT probes made at run time: the interface of libstapsdt, on stapes",
    },
    Library {
        package: "stapes-usdt",
        name: "usdt",
        header: "usdt.h",
        description: "USDT probes made at run time: the interface of libusdt, on stapes",
    },
];

/// Builds the libraries as they are given away, and lays them out below `folder`.
pub(crate) fn add_to(folder: &Path) -> anyhow::Result<()> {
    let mut build = cargo(&["build", "--quiet", "--release"]);
    // Cargo's own variable for these crates only: what is given away carries no symbols but the interface's.
    build.env("CARGO_PROFILE_RELEASE_STRIP", "symbols");
    // A folder of their own, so that other release builds keep their symbols.
    build.args(["--target-dir", "target/libraries"]);
    for library in &LIBRARIES {
        build.args(["--package", library.package]);
    }
    run(&mut build)?;
    lay_out(folder, &root().join("target/libraries/release"))
}

/// Lays out below `folder` what Cargo has put into `built`.
fn lay_out(folder: &Path, built: &Path) -> anyhow::Result<()> {
    let (include, lib) = (folder.join("include"), folder.join("lib"));
    for sub in [&include, &lib.join("pkgconfig")] {
        fs::create_dir_all(sub).with_context(|| format!("cannot create {}", sub.display()))?;
    }
    let copy = |from: &Path, to: &Path| {
        fs::copy(from, to).with_context(|| format!("cannot copy {}", from.display())).map(|_| ())
    };
    for library in &LIBRARIES {
        let shared = format!("lib{}.so", library.name);
        let soname = format!("{shared}.0");
        let archive = format!("lib{}.a", library.name);
        copy(&built.join(&shared), &lib.join(&soname))?;
        copy(&built.join(&archive), &lib.join(&archive))?;
        let link = lib.join(&shared);
        if fs::symlink_metadata(&link).is_ok() {
            fs::remove_file(&link)?;
        }
        symlink(&soname, &link).with_context(|| format!("cannot link {}", link.display()))?;
        let headers = root().join("crates").join(library.package).join("include");
        copy(&headers.join(library.header), &include.join(library.header))?;
        let description = lib.join("pkgconfig").join(format!("lib{}.pc", library.name));
        fs::write(description, pkg_config(library))?;
    }
    Ok(())
}

/// What pkg-config reads. The paths are relative to the file, so that the whole may be moved.
fn pkg_config(library: &Library) -> String {
    let Library { name, description, .. } = library;
    format!(
        "prefix=${{pcfiledir}}/../..\n\
         includedir=${{prefix}}/include\n\
         libdir=${{prefix}}/lib\n\
         \n\
         Name: lib{name}\n\
         Description: {description}\n\
         Version: {version}\n\
         Cflags: -I${{includedir}}\n\
         Libs: -L${{libdir}} -l{name}\n\
         Libs.private: -lpthread -ldl -lm -lgcc_eh\n",
        version = env!("CARGO_PKG_VERSION"),
    )
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::command::exists;

    /// The words that pkg-config has for a library of the layout.
    fn words(folder: &Path, arguments: &[&str]) -> Vec<String> {
        let output = Command::new("pkg-config")
            .env("PKG_CONFIG_PATH", folder.join("lib/pkgconfig"))
            .args(arguments)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn programs_build_and_run_against_the_layout() {
        const TEST: &str = "programs_build_and_run_against_the_layout";
        if let Some(missing) = ["gcc", "pkg-config", "readelf"].iter().find(|need| !exists(need)) {
            let _ = std::io::Write::write_fmt(
                &mut std::io::stderr(),
                format_args!("skip {TEST}: {missing} is not here\n"),
            );
            return;
        }
        let mut build = cargo(&["build", "--quiet"]);
        for library in &LIBRARIES {
            build.args(["--package", library.package]);
        }
        run(&mut build).unwrap();
        let own = std::env::current_exe().unwrap();
        let built = own.ancestors().nth(2).unwrap();
        let folder = std::env::temp_dir().join(format!("stapes-layout-{}", std::process::id()));
        lay_out(&folder, built).unwrap();
        // A second time over the first.
        lay_out(&folder, built).unwrap();

        for (source, library) in [
            ("examples/providers/first_probe.c", "libstapsdt"),
            ("crates/stapes-usdt/tests/c/fields.c", "libusdt"),
        ] {
            for linking in [&[][..], &["--static"]] {
                let flags = words(&folder, &[&["--cflags", "--libs"], linking, &[library]].concat());
                let program = folder.join("program");
                let output = Command::new("gcc")
                    .arg(root().join(source))
                    .arg("-I")
                    .arg(root().join("crates/stapes-stapsdt/tests/c"))
                    .arg("-o")
                    .arg(&program)
                    .args(flags)
                    .args(if linking.is_empty() { None } else { Some("-static") })
                    .output()
                    .unwrap();
                let said = String::from_utf8_lossy(&output.stderr);
                assert!(output.status.success(), "{source} {linking:?}: {said}");
                let needed = Command::new("readelf").arg("-d").arg(&program).output().unwrap();
                let needed = String::from_utf8_lossy(&needed.stdout).into_owned();
                assert_eq!(needed.contains(&format!("[{library}.so.0]")), linking.is_empty(), "{needed}");
                let status = Command::new(&program)
                    .args(["2", "1"])
                    .env("LD_LIBRARY_PATH", folder.join("lib"))
                    .status()
                    .unwrap();
                assert!(status.success(), "{source} {linking:?}: {status}");
            }
        }
        assert_eq!(words(&folder, &["--modversion", "libstapsdt"]), [env!("CARGO_PKG_VERSION")]);
        fs::remove_dir_all(folder).unwrap();
    }
}
