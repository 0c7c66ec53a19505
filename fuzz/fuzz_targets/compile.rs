//! Bytes as a script that parses: compiling it ends, with an object or with complaints that can be shown.

#![no_main]

use libfuzzer_sys::fuzz_target;
use stapes_binary::{Arch, FileOff, Probe, Site, Vaddr, argument};
use stapes_bpf::Image;
use stapes_script::ast::AttachKind;
use stapes_script::catalog::{Answer, Catalog, Match, Options, Place, Target};
use stapes_script::{compile, decode, parse_with, render};

const ARGUMENTS: &str = "-4@%esi 8@%rdi 4@8(%rax,%rcx,4) 1@%ah 8@$-1 8@what";

/// Whatever is asked for exists, with two sites that differ.
fn answer(kind: &AttachKind) -> Answer {
    let place = match kind {
        AttachKind::Usdt { name, .. } => {
            let site = |pc, arguments: &str| Site {
                pc: Vaddr(pc),
                file_offset: Some(FileOff(pc)),
                semaphore: None,
                semaphore_offset: None,
                arguments: arguments.into(),
                args: argument::parse_all(Some(Arch::X86_64), arguments).collect(),
                base: Vaddr(0),
                note_offset: 0,
            };
            let sites = vec![site(16, ARGUMENTS), site(32, "8@%rdi 8@%rsi")];
            let probe = Probe { provider: "p".into(), name: name.clone(), sites };
            Place::Usdt { probe, functions: vec![Some("f".into()), None] }
        }
        AttachKind::Uprobe { function, .. } => Place::Function { function: function.clone(), file_offset: 16 },
        _ => return Answer::default(),
    };
    let found = Match { image: 0, arch: Arch::X86_64, name: "usdt:/a:p:n".into(), place };
    Answer { matches: vec![found], ..Answer::default() }
}

fuzz_target!(|data: &[u8]| {
    let Ok(source) = decode(data) else { return };
    let parameters = vec!["/a b:c".to_owned(), "7".to_owned()];
    let (script, complaints) = parse_with(source, &parameters);
    if !complaints.is_empty() {
        return;
    }
    let answers = script.attach_points().map(|point| answer(&point.kind)).collect();
    let images = vec![Image { name: "/a".into(), path: "/a".into(), pids: Vec::new() }];
    let target = Target {
        arch: Arch::X86_64,
        uprobe_multi: source.len() % 2 == 0,
        copy_from_user_str: source.len() % 2 == 0,
        attach_cookie: true,
        bpf_v4: source.len() % 3 == 0,
        cpus: 2,
        page_size: 4096,
    };
    let options = Options { parameters, max_strlen: 64, ..Options::default() };
    if let Err(complaints) = compile(&script, &Catalog { images, answers }, &target, &options) {
        assert!(!complaints.is_empty());
        for complaint in complaints.iter().take(10) {
            assert_ne!(complaint.slug, "internal-error", "{}", complaint.message);
            let text = render::render("script", source, complaint, render::Style::Plain);
            assert!(text.contains(complaint.slug));
        }
    }
});
