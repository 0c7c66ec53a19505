//! Wildcards, specifications of probes, and names without a slash.

use std::fs;
use std::path::{Path, PathBuf};

use stapes_session::discovery::glob::expand_path;
use stapes_session::discovery::search;
use stapes_session::discovery::spec::{Spec, SpecError, quoted};

#[test]
fn paths_expand_part_by_part() {
    let dir = tempfile::tempdir().unwrap();
    for file in ["a/lib.so", "b/lib.so", "b/c/lib.so", "b/.hidden", "b/other"] {
        let path = dir.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "").unwrap();
    }
    let expand = |pattern: &str| -> Vec<PathBuf> {
        let found = expand_path(&dir.path().join(pattern));
        found.into_iter().map(|p| p.strip_prefix(dir.path()).unwrap().to_owned()).collect()
    };
    let paths = |list: &[&str]| list.iter().map(PathBuf::from).collect::<Vec<_>>();
    assert_eq!(expand("*/lib.so"), paths(&["a/lib.so", "b/lib.so"]));
    assert_eq!(expand("b/*"), paths(&["b/c", "b/lib.so", "b/other"]));
    assert_eq!(expand("b/.*"), paths(&["b/.hidden"]));
    assert_eq!(expand("*/*/lib.so"), paths(&["b/c/lib.so"]));
    assert_eq!(expand("none*"), paths(&[]));
    assert_eq!(expand("a/lib.so"), paths(&["a/lib.so"]));
    assert_eq!(expand("a/none"), paths(&[]));
}

fn spec(path: &str, provider: &str, name: &str) -> Option<Result<Spec, SpecError>> {
    Some(Ok(Spec { path: path.into(), provider: provider.into(), name: name.into() }))
}

#[test]
fn specifications_are_bpftraces() {
    assert_eq!(Spec::parse("usdt:/bin/x:p:n"), spec("/bin/x", "p", "n"));
    assert_eq!(Spec::parse("U:/bin/x:p:n"), spec("/bin/x", "p", "n"));
    assert_eq!(Spec::parse("usdt:/bin/x:n"), spec("/bin/x", "*", "n"));
    assert_eq!(Spec::parse("usdt:/bin/x::n"), spec("/bin/x", "*", "n"));
    assert_eq!(Spec::parse("usdt:/bin/x"), spec("/bin/x", "*", "*"));
    assert_eq!(Spec::parse("usdt::p:n"), spec("", "p", "n"));
    assert_eq!(Spec::parse("usdt:*:p:n"), spec("*", "p", "n"));
    assert_eq!(Spec::parse("usdt:\"/a:b\":p:\"n\""), spec("/a:b", "p", "n"));
    assert_eq!(Spec::parse("/bin/x"), None);
    assert_eq!(Spec::parse("usdt:\"/a:p:n"), Some(Err(SpecError::OpenQuote)));
    assert_eq!(Spec::parse("usdt:a:b:c:d"), Some(Err(SpecError::TooManyParts)));
}

#[test]
fn a_quoted_part_reads_back() {
    for part in [
        "/usr/bin/x",
        "/tmp/a:b",
        "/tmp/sp ace",
        "/tmp/libstdc++.so.6",
        "/tmp/quo\"te",
        "/tmp/back\\slash",
        "/tmp/two\nlines\u{1b}[31m\u{9b}",
    ] {
        assert_eq!(Spec::parse(&format!("usdt:{}:p:n", quoted(part))), spec(part, "p", "n"));
    }
    assert!(!quoted("/tmp/two\nlines\u{1b}[31m\u{9b}").chars().any(char::is_control));
    // As bpftrace needs it: only where something is special.
    assert_eq!(quoted("/usr/lib/libruby-3.1.so.3.1"), "/usr/lib/libruby-3.1.so.3.1");
    assert_eq!(quoted("/usr/lib/libstdc++.so.6"), "\"/usr/lib/libstdc++.so.6\"");
}

#[test]
fn names_are_sought_where_the_shell_and_the_linker_look() {
    assert!(search::program("sh").is_some_and(|p| p.ends_with("sh") && p.is_absolute()));
    assert_eq!(search::program("no-such-program-at-all"), None);
    if !Path::new("/etc/ld.so.cache").exists() {
        super::support::skip("names_are_sought_where_the_shell_and_the_linker_look", "no /etc/ld.so.cache");
        return;
    }
    for name in ["libc.so.6", "libc", "c"] {
        let found = search::library(name);
        assert!(
            found.as_deref().is_some_and(|p| p.ends_with("libc.so.6") && p.exists()),
            "{name}: {found:?}"
        );
    }
    assert_eq!(search::library("libno-such-library.so.1"), None);
}
