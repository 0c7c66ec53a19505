//! Bytes as a script: parsing ends, complaints can be shown, what has none prints and parses to the same text, and
//! compiling it in a world where every probe exists ends too.

#![no_main]

use libfuzzer_sys::fuzz_target;
use stapes_binary::{Arch, FileOff, Probe, Site, Vaddr, argument};
use stapes_bpf::Image;
use stapes_script::ast::{AttachKind, Script};
use stapes_script::catalog::{Answer, Catalog, Match, Options, Place, Target, Variable};
use stapes_script::diagnostics::Diagnostic;
use stapes_script::{compile, decode, parse_with, print, render};

fuzz_target!(|data: &[u8]| {
    let Ok(source) = decode(data) else { return };
    let parameters = vec!["/a b:c".to_owned(), "7".to_owned()];
    let (script, complaints) = parse_with(source, &parameters);
    show(source, &complaints);
    if !complaints.is_empty() {
        return;
    }
    let printed = print::script(&script);
    let (again, complaints) = parse_with(&printed, &parameters);
    assert_eq!(complaints, [], "{printed}");
    assert_eq!(print::script(&again), printed);

    let target = Target {
        arch: Arch::X86_64,
        uprobe_multi: true,
        copy_from_user_str: true,
        attach_cookie: true,
        bpf_v4: true,
        cpus: 4,
        page_size: 4096,
    };
    let options = Options { max_strlen: 64, parameters, ..Options::default() };
    match compile(&script, &catalog(&script), &target, &options) {
        Ok((_, warnings)) => show(source, &warnings),
        Err(errors) => {
            assert!(errors.iter().all(|d| d.slug != "internal-error"), "{errors:?}");
            show(source, &errors);
        }
    }
});

/// Renders the first complaints, which may not panic.
fn show(source: &str, complaints: &[Diagnostic]) {
    for complaint in complaints.iter().take(10) {
        let text = render::render("script", source, complaint, render::Style::Plain);
        assert!(text.contains(complaint.slug));
    }
}

/// Everything exists: each USDT probe with two sites, each function.
fn catalog(script: &Script) -> Catalog {
    let answers = script.attach_points().map(|point| answer(&point.kind)).collect();
    Catalog { images: vec![Image { name: "/x".into(), path: "/x".into(), pids: Vec::new() }], answers }
}

fn answer(kind: &AttachKind) -> Answer {
    let (name, place) = match kind {
        AttachKind::Usdt { provider, name, .. } => {
            let sites =
                vec![site(0x1000, "-4@%edi 8@%rsi 1@8(%rbp)"), site(0x2000, "-4@$7 8@-16(%rsp) 1@%cl")];
            let probe = Probe { provider: provider.clone(), name: name.clone(), sites };
            (name.clone(), Place::Usdt { probe, functions: vec![Some("f".into()), None] })
        }
        AttachKind::Uprobe { function, .. } => {
            let (address, file_offset) = (Vaddr(0x3000), 0x3000);
            (function.clone(), Place::Function { function: function.clone(), address, file_offset })
        }
        _ => return Answer::default(),
    };
    let variables = vec![Variable { name: "v".into(), address: Vaddr(0x4000), size: 4 }];
    let matches = vec![Match { image: 0, arch: Arch::X86_64, name, place, variables }];
    Answer { matches, ..Answer::default() }
}

fn site(offset: u64, arguments: &str) -> Site {
    Site {
        pc: Vaddr(offset),
        file_offset: Some(FileOff(offset)),
        semaphore: None,
        semaphore_offset: None,
        arguments: arguments.into(),
        args: argument::parse_all(Some(Arch::X86_64), arguments).collect(),
        described: Vec::new(),
        base: Vaddr(0),
        note_offset: 0,
    }
}
