//! What arguments are called and mean, read back from `.note.stapes`.

use std::fs::File;
use std::path::Path;

use stapes_binary::{Described, Meaning, Notes, notes};

use crate::toolchain::{Build, GNU, folder, source};

fn compile(name: &str, file: &str, flags: &[&'static str]) -> Notes {
    let folder = folder(name);
    let library = folder.join("libmatrix_library.rlib");
    let build = Build::new(GNU, flags);
    build.compile(&source("matrix_library.rs"), &[], &library, &["--crate-type", "rlib"]);
    let program = folder.join("program");
    build.compile(&source(file), &[&library], &program, &[]);
    read(&program)
}

fn read(file: &Path) -> Notes {
    let notes = notes::read(&File::open(file).unwrap()).unwrap().unwrap();
    assert_eq!(notes.problems, []);
    notes
}

/// The arguments of the first site of a probe.
fn described<'a>(notes: &'a Notes, name: &str) -> &'a [Described] {
    &notes.probes.iter().find(|probe| probe.name == name).unwrap().sites[0].described
}

#[test]
fn names_and_meanings_are_those_of_the_source() {
    for flags in [&[][..], &["-O"], &["-O", "-C", "lto=fat"]] {
        let notes = compile("described", "matrix.rs", flags);
        let told = |name: &str| -> Vec<_> {
            described(&notes, name)
                .iter()
                .map(|d| (d.name.clone(), d.meaning, d.size, d.optional, d.first))
                .collect()
        };
        let s = str::to_owned;
        assert_eq!(
            told("integers"),
            [
                (s("a"), Meaning::Signed, 1, false, 0),
                (s("b"), Meaning::Unsigned, 2, false, 1),
                (s("c"), Meaning::Signed, 4, false, 2),
                (s("d"), Meaning::Unsigned, 8, false, 3),
            ]
        );
        assert_eq!(
            told("floats"),
            [
                (s("a"), Meaning::Float, 4, false, 0),
                (s("b"), Meaning::Float, 8, false, 1),
                (s("c"), Meaning::Bool, 1, false, 2),
                (s("d"), Meaning::Char, 4, false, 3),
            ]
        );
        assert_eq!(
            told("texts"),
            [
                (s("text"), Meaning::String, 8, false, 0),
                (s("bytes"), Meaning::Bytes, 8, false, 2),
                (s("c_text"), Meaning::CStringWithLength, 8, false, 4),
            ]
        );
        assert_eq!(
            told("options"),
            [
                (s("there"), Meaning::Unsigned, 4, true, 0),
                (s("gone"), Meaning::Signed, 8, true, 2),
                (s("text"), Meaning::String, 8, true, 4),
            ]
        );
        // Expressions have no names; of twelve arguments the first is a variable.
        let many: Vec<_> = told("many").into_iter().map(|(name, ..)| name).collect();
        assert_eq!(many[0], "n");
        assert_eq!(many.len(), 12);
        assert!(many[1..].iter().all(String::is_empty), "{many:?}");
        // Two sites of one probe, each with its own meaning.
        let generic = &notes.probes.iter().find(|probe| probe.name == "generic").unwrap().sites;
        let mut sizes: Vec<_> =
            generic.iter().map(|site| (site.described[0].meaning, site.described[0].size)).collect();
        sizes.sort_by_key(|(_, size)| *size);
        assert_eq!(sizes, [(Meaning::Unsigned, 1), (Meaning::Signed, 8)]);
    }
}

#[test]
fn a_name_can_be_given_and_a_field_has_its_own() {
    let notes = compile("described-names", "names.rs", &["-O"]);
    let names: Vec<_> = described(&notes, "names").iter().map(|d| d.name.as_str()).collect();
    assert_eq!(names, ["given", "field", "field", "plain", "type", ""]);
}
