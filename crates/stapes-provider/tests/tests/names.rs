//! What callers may get wrong, and how many of each thing there may be.

use std::fs::File;

use stapes_provider::{Arg, Error, MAX_NAME, Provider};

use crate::subject::{Subject, say};

#[test]
fn bad_names_are_refused_and_said_so() {
    let long = "x".repeat(MAX_NAME + 1);
    let huge = "x".repeat(10_000);
    let bad = [
        ("", "it is empty"),
        (long.as_str(), "it is too long"),
        (huge.as_str(), "it is too long"),
        ("a b", "it has a space or a control character"),
        ("a\tb", "it has a space or a control character"),
        ("a\0b", "it has a space or a control character"),
        ("a\u{a0}b", "it has a space or a control character"),
        ("a:b", "it has a character that means something else in a tracer's command"),
        ("a/b", "it has a character that means something else in a tracer's command"),
        ("a*", "it has a character that means something else in a tracer's command"),
    ];
    let provider = Provider::builder("fine").build().unwrap();
    for (name, why) in bad {
        for error in [
            Provider::builder(name).build().unwrap_err(),
            provider.add(name, &[]).unwrap_err(),
            provider.probe::<()>(name).unwrap_err(),
            provider.json_probe(name).unwrap_err(),
        ] {
            match &error {
                Error::BadName { name, reason } => {
                    assert_eq!(*reason, why);
                    // It can be shown on a terminal.
                    assert!(name.len() < 500 && !name.contains(char::is_control), "{name}");
                }
                other => panic!("{name:?}: {other}"),
            }
        }
    }
    // Nothing of it is left behind.
    provider.load().unwrap();
    assert!(provider.paths().is_empty());
}

#[test]
fn names_of_all_other_kinds_are_fine() {
    let longest = "x".repeat(MAX_NAME);
    for name in ["a", "a-b", "a.b", "a__b", "größe", "名前", &longest] {
        let provider = Provider::builder(name).build().unwrap();
        provider.probe::<()>(name).unwrap();
        provider.load().unwrap();
    }
}

#[test]
fn a_second_probe_of_a_name_is_an_error_even_when_loaded() {
    let provider = Provider::builder("twice").build().unwrap();
    provider.probe::<()>("probe").unwrap();
    for _ in 0..2 {
        let error = provider.add("probe", &[Arg::U8]).unwrap_err();
        assert!(matches!(&error, Error::Duplicate { name } if name == "probe"), "{error}");
        provider.load().unwrap();
    }
    assert_eq!(provider.paths().len(), 1);
}

#[test]
fn two_providers_may_have_one_name() {
    let folder = tempfile::tempdir().unwrap();
    let providers = [0, 1].map(|_| Provider::builder("same").file(folder.path()).build().unwrap());
    for provider in &providers {
        provider.probe::<()>("probe").unwrap();
        provider.load().unwrap();
    }
    let [one, other] = providers.each_ref().map(|p| p.paths()[0].clone().unwrap());
    assert_ne!(one, other);
    providers[0].unload();
    assert!(!one.exists() && other.exists());
}

#[test]
fn more_places_than_notes_have_are_refused() {
    let provider = Provider::builder("full").build().unwrap();
    assert!(provider.add("twelve", &[Arg::I64; 12]).is_ok());
    let error = provider.add("thirteen", &[Arg::I64; 13]).unwrap_err();
    assert_eq!(error.to_string(), "the arguments take 13 places, and there are 12");
    // A string takes two.
    let error = provider.probe::<(&str, &str, &str, &str, &str, &str, u8)>("strings").unwrap_err();
    assert_eq!(error.to_string(), "the arguments take 13 places, and there are 12");
}

#[test]
fn probes_without_an_image_do_nothing() {
    let provider = Provider::builder("absent").build().unwrap();
    let typed = provider.probe::<(u32, &str)>("typed").unwrap();
    let dynamic = provider.add("dynamic", &[Arg::U32]).unwrap();
    let all = || {
        assert!(!typed.enabled() && !dynamic.enabled());
        typed.fire((1, "text"));
        typed.fire_with(|| unreachable!("nobody traces"));
        // Not even looked at.
        assert!(dynamic.fire(("wrong",)).result().is_ok());
        dynamic.fire_with(|| -> (u32,) { unreachable!("nobody traces") }).result().unwrap();
    };
    all();
    provider.load().unwrap();
    all();
    provider.unload();
    all();
    provider.unload();
    drop(provider);
    all();
    assert_eq!((typed.name(), dynamic.name()), ("typed", "dynamic"));
}

#[test]
fn a_mismatch_is_an_error_when_somebody_listens() {
    let provider = Provider::builder("mismatch").build().unwrap();
    let probe = provider.add("probe", &[Arg::Str, Arg::I32]).unwrap();
    provider.load().unwrap();
    crate::storm::raise("mismatch");
    assert!(probe.enabled());
    assert!(probe.fire(("text", -1i32)).result().is_ok());
    let said = |result: Result<(), Error>| result.unwrap_err().to_string();
    assert_eq!(said(probe.fire(("text", 1u32)).result()), "argument 1 is declared as I32, and U32 was given");
    assert_eq!(said(probe.fire(("text",)).result()), "argument 1 is declared as I32, and nothing was given");
    assert_eq!(
        said(probe.fire(("text", 1i32, 2i32)).result()),
        "argument 2 is declared as nothing, and I32 was given"
    );
    assert_eq!(said(probe.fire(()).result()), "argument 0 is declared as Str, and nothing was given");
    // Nothing is made that cannot be fired.
    let made = probe.fire_with(|| -> (u8,) { unreachable!("the types do not fit") });
    assert!(made.result().is_err());
}

#[test]
fn what_is_no_json_is_an_error_when_somebody_listens() {
    let provider = Provider::builder("json").build().unwrap();
    let probe = provider.json_probe("probe").unwrap();
    provider.load().unwrap();
    // JSON's keys are strings.
    let no_json = std::collections::BTreeMap::from([((1, 2), 3)]);
    probe.fire(&no_json).unwrap();
    crate::storm::raise("json");
    assert!(probe.enabled() && probe.fire(&no_json).is_err());
    probe.fire(&[1, 2, 3]).unwrap();
}

#[test]
fn a_hundred_thousand_probes_are_fine() {
    const COUNT: usize = if cfg!(target_arch = "x86_64") { 100_000 } else { 2_000 };
    let folder = tempfile::tempdir().unwrap();
    let provider = Provider::builder("many").file(folder.path()).build().unwrap();
    let probes: Vec<_> =
        (0..COUNT).map(|n| provider.probe::<(u32,)>(&format!("probe{n}")).unwrap()).collect();
    provider.load().unwrap();
    let file = File::open(provider.paths()[0].as_ref().unwrap()).unwrap();
    let notes = stapes_binary::notes::read(&file).unwrap().unwrap();
    assert!(notes.problems.is_empty());
    assert_eq!(notes.probes.len(), COUNT);
    let addresses: std::collections::HashSet<_> =
        notes.probes.iter().map(|p| (p.sites[0].pc, p.sites[0].semaphore.unwrap())).collect();
    assert_eq!(addresses.len(), COUNT);
    probes.iter().for_each(|p| p.fire((1,)));
    provider.unload();
    provider.load().unwrap();
}

/// Some hundred images, each loaded by itself.
#[test]
fn images_add_up() {
    let mut subject = Subject::start("images");
    assert_eq!(subject.hear(), "done");
    subject.end();
}

pub(crate) fn load_image_after_image() {
    const COUNT: usize = 400;
    let provider = Provider::builder("images").build().unwrap();
    let probes: Vec<_> = (0..COUNT)
        .map(|n| {
            let probe = provider.probe::<(u32,)>(&format!("probe{n}")).unwrap();
            provider.load().unwrap();
            probe
        })
        .collect();
    crate::storm::raise("images");
    for probe in &probes {
        assert!(probe.enabled());
        probe.fire((1,));
    }
    assert_eq!(provider.paths().len(), COUNT);
    provider.unload();
    provider.load().unwrap();
    // All of them together this time.
    assert_eq!(provider.paths().len(), 1);
    say("done");
}
