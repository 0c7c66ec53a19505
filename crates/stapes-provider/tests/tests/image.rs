//! Images as bytes, for both architectures, against readelf, gdb and this project's own reader.

use std::fs;
use std::process::Command;

use stapes_binary::{Arch, Nop, SiteCode, site};
use stapes_provider::args::Place;
use stapes_provider::image::{Image, Machine, ProbeImage, STRIDE};

use crate::support::have;

const fn unsigned(size: u8) -> Place {
    Place { size, signed: false }
}

const fn signed(size: u8) -> Place {
    Place { size, signed: true }
}

/// One probe with every width in registers and on the stack, and one without arguments.
const PLACES: [Place; 12] = [
    unsigned(1),
    signed(1),
    unsigned(2),
    signed(2),
    unsigned(4),
    signed(4),
    unsigned(8),
    signed(8),
    unsigned(1),
    signed(2),
    unsigned(4),
    signed(8),
];

/// Psabi for x86-64: six registers, then the stack behind the return address.
const ON_X86_64: &str = "1@%dil -1@%sil 2@%dx -2@%cx 4@%r8d -4@%r9d 8@8(%rsp) -8@16(%rsp) 1@24(%rsp) \
                         -2@32(%rsp) 4@40(%rsp) -8@48(%rsp)";
/// AAPCS64: eight registers, then the stack.
const ON_AARCH64: &str =
    "1@x0 -1@x1 2@x2 -2@x3 4@x4 -4@x5 8@x6 -8@x7 1@[sp] -2@[sp, 8] 4@[sp, 16] -8@[sp, 24]";

fn probes() -> [ProbeImage<'static>; 2] {
    [ProbeImage { name: "all", places: &PLACES }, ProbeImage { name: "none", places: &[] }]
}

fn image(machine: Machine, semaphores: bool) -> Image {
    Image::new(machine, 4096, "made", &probes(), semaphores)
}

fn in_file(image: &Image) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), &image.bytes).unwrap();
    file
}

fn output(program: &str, arguments: &[&str], file: &tempfile::NamedTempFile) -> String {
    let output = Command::new(program).args(arguments).arg(file.path()).output().unwrap();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    // A broken file is said to be so on the error stream.
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{program}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn our_own_reader_finds_every_probe_and_place() {
    for (machine, arch, expected) in
        [(Machine::X86_64, Arch::X86_64, ON_X86_64), (Machine::Aarch64, Arch::Aarch64, ON_AARCH64)]
    {
        for semaphores in [true, false] {
            let image = image(machine, semaphores);
            let notes = stapes_binary::notes::read(&image.bytes.as_slice()).unwrap().unwrap();
            assert_eq!(notes.arch, Some(arch));
            assert_eq!(notes.problems, []);
            let names: Vec<_> = notes.probes.iter().map(stapes_binary::Probe::full_name).collect();
            assert_eq!(names, ["made:all", "made:none"]);
            for (i, (probe, arguments)) in notes.probes.iter().zip([expected, ""]).enumerate() {
                let [found] = &probe.sites[..] else { panic!("{} sites", probe.sites.len()) };
                assert_eq!(found.arguments, arguments);
                assert!(found.args.iter().all(|a| a.spec.is_ok()), "{:?}", found.args);
                // Addresses are offsets, so that no tool can confuse them.
                assert_eq!(found.pc.0, (image.text + i * STRIDE) as u64);
                assert_eq!(found.file_offset.map(|o| o.0), Some(found.pc.0));
                let semaphore = semaphores.then_some((image.data + 2 * i) as u64);
                assert_eq!(found.semaphore.map(|s| s.0), semaphore);
                assert_eq!(found.semaphore_offset.map(|s| s.0), semaphore);
                let code = &image.bytes[found.pc.0 as usize..];
                let nop = site::classify(arch, &code[..STRIDE]);
                let expected = if arch == Arch::X86_64 { Nop::Five } else { Nop::One };
                assert_eq!(nop, SiteCode::Nop(expected));
            }
            assert_eq!(stapes_binary::validate(&image.bytes.as_slice()).unwrap(), Some(vec![]));
        }
    }
}

#[test]
fn no_function_crosses_a_page() {
    for count in [1, 3, 100, 1000] {
        let names: Vec<String> = (0..count).map(|n| format!("p{n}")).collect();
        let probes: Vec<_> = names.iter().map(|name| ProbeImage { name, places: &[] }).collect();
        let image = Image::new(Machine::X86_64, 4096, "made", &probes, true);
        for n in 0..count {
            let start = image.text + n * STRIDE;
            assert_eq!(start / 4096, (start + STRIDE - 1) / 4096);
        }
        assert_eq!(image.data % 4096, 0);
    }
}

/// Lines of `readelf` with single spaces.
fn squeezed(text: &str) -> Vec<String> {
    text.lines().map(|l| l.split_whitespace().collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn readelf_agrees() {
    if !have("readelf_agrees", &["readelf"]) {
        return;
    }
    for (machine, name, arguments) in [
        (Machine::X86_64, "Advanced Micro Devices X86-64", ON_X86_64),
        (Machine::Aarch64, "AArch64", ON_AARCH64),
    ] {
        let image = image(machine, true);
        let file = in_file(&image);
        let header = squeezed(&output("readelf", &["-h"], &file));
        assert!(header.contains(&format!("Machine: {name}")), "{header:?}");
        assert!(header.contains(&"Type: DYN (Shared object file)".to_owned()), "{header:?}");

        let notes = squeezed(&output("readelf", &["-n"], &file));
        for expected in [
            "Provider: made".to_owned(),
            "Name: all".to_owned(),
            format!("Arguments: {arguments}"),
            format!(
                "Location: {:#018x}, Base: {:#018x}, Semaphore: {:#018x}",
                image.text,
                section(&file, ".stapsdt.base"),
                image.data
            ),
        ] {
            assert!(notes.contains(&expected), "{expected:?} is not in {notes:#?}");
        }

        // The order that bcc needs, and none executable below the probes.
        let sections = output("readelf", &["-SW"], &file);
        let place = |name: &str| sections.find(&format!(" {name} ")).expect(name);
        assert!(place(".text") < place(".probes") && place(".probes") < place(".note.stapsdt"));

        let segments = squeezed(&output("readelf", &["-lW"], &file));
        let flags: Vec<&str> = segments
            .iter()
            .filter(|l| l.starts_with("LOAD"))
            .map(|l| if l.contains("R E") { "R E" } else { "RW" })
            .collect();
        assert_eq!(flags, ["R E", "RW"]);
        assert!(segments.iter().any(|l| l.starts_with("GNU_STACK") && l.contains("RW")));

        let symbols = squeezed(&output("readelf", &["-W", "--dyn-syms"], &file));
        let symbol = format!("1: {:016x} {STRIDE} FUNC GLOBAL DEFAULT 1 all", image.text);
        assert!(symbols.contains(&symbol), "{symbols:#?}");
    }
}

/// A section's address by readelf.
fn section(file: &tempfile::NamedTempFile, name: &str) -> u64 {
    let sections = squeezed(&output("readelf", &["-SW"], file));
    let line = sections.iter().find(|l| l.contains(&format!(" {name} "))).unwrap();
    let mut words = line.split(' ').skip_while(|w| *w != name);
    u64::from_str_radix(words.nth(2).unwrap(), 16).unwrap()
}

#[test]
fn gdb_lists_the_probes() {
    if !have("gdb_lists_the_probes", &["gdb"]) {
        return;
    }
    let image = image(Machine::X86_64, true);
    let file = in_file(&image);
    let shown = output("gdb", &["-nx", "-batch", "-ex", "info probes stap"], &file);
    let lines = squeezed(&shown);
    for (i, name) in ["all", "none"].iter().enumerate() {
        let line = format!(
            "stap made {name} {:#018x} {:#018x} {}",
            image.text + i * STRIDE,
            image.data + 2 * i,
            file.path().display()
        );
        assert!(lines.contains(&line), "{line:?} is not in {shown}");
    }
}

#[test]
fn tplist_lists_the_probes() {
    if !have("tplist_lists_the_probes", &["tplist-bpfcc"]) {
        return;
    }
    let file = in_file(&image(Machine::X86_64, true));
    let shown = output("tplist-bpfcc", &["-l"], &file);
    let found: Vec<_> = shown.lines().filter_map(|l| l.split(' ').next_back()).collect();
    assert_eq!(found, ["made:all", "made:none"], "{shown}");
}
