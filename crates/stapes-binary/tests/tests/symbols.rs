//! Functions by name and address, against a table made for it and against readelf.

use stapes_binary::elf::Elf;
use stapes_binary::{Arch, FileOff, Glob, Operand, Symbols, Vaddr, notes, symbols};

use crate::build::{ARCHES, Image, SEMAPHORES, TEXT};
use crate::support::{files_with_probes, open, output, skip};

const FUNCTION: u8 = 0x12;
const LOCAL_FUNCTION: u8 = 0x02;
const WEAK_FUNCTION: u8 = 0x22;
const INDIRECT: u8 = 0x1a;
const OBJECT: u8 = 0x11;
const LOCAL_OBJECT: u8 = 0x01;

#[test]
fn functions_by_name_and_address() {
    for arch in ARCHES {
        let mut image = Image::sample(arch);
        image.symbols(&[
            ("alias", TEXT, 8, WEAK_FUNCTION),
            ("main", TEXT, 8, FUNCTION),
            ("helper", TEXT + 8, 4, LOCAL_FUNCTION),
            ("helper", TEXT + 16, 4, LOCAL_FUNCTION),
            ("open@@VERSION_2.1", TEXT + 24, 8, FUNCTION),
            ("memcpy", TEXT + 32, 8, INDIRECT),
            ("counter", SEMAPHORES, 8, OBJECT),
        ]);
        let bytes = image.write();
        let elf = Elf::open(&bytes).unwrap().unwrap();
        let symbols = Symbols::read(&elf).unwrap();
        let addresses = |name| symbols.named(name).iter().map(|s| s.address.0).collect::<Vec<_>>();
        assert_eq!(addresses("main"), [TEXT], "{arch}");
        assert_eq!(addresses("helper"), [TEXT + 8, TEXT + 16]);
        assert_eq!(addresses("open"), [TEXT + 24]);
        assert_eq!(addresses("counter"), [] as [u64; 0]);
        assert_eq!(addresses("absent"), [] as [u64; 0]);
        assert!(symbols.named("memcpy")[0].indirect);
        assert_eq!(symbols.named("main")[0].entry_offset, Some(FileOff(0x1000)));
        let matching: Vec<_> =
            symbols.matching(&Glob::new("*e*")).iter().map(|s| s.name.to_string()).collect();
        assert_eq!(matching, ["helper", "helper", "open", "memcpy"]);

        let at = |address| symbols.at(Vaddr(address)).map(|(s, offset)| (s.name.to_string(), offset));
        assert_eq!(at(TEXT), Some(("main".to_owned(), 0)), "the global name before the weak one");
        assert_eq!(at(TEXT + 7), Some(("main".to_owned(), 7)));
        assert_eq!(at(TEXT + 11), Some(("helper".to_owned(), 3)));
        assert_eq!(at(TEXT + 12), None, "between functions");
        assert_eq!(at(TEXT - 1), None);
        assert_eq!(at(u64::MAX), None);
    }
}

#[test]
fn thumb_functions_have_even_addresses() {
    let mut image = Image::sample(Arch::Arm);
    image.symbols(&[("thumb", TEXT + 5, 4, FUNCTION), ("arm", TEXT + 12, 4, FUNCTION)]);
    let bytes = image.write();
    let elf = Elf::open(&bytes).unwrap().unwrap();
    let symbols = Symbols::read(&elf).unwrap();
    let thumb = &symbols.named("thumb")[0];
    assert_eq!((thumb.address, thumb.thumb), (Vaddr(TEXT + 4), true));
    assert_eq!(thumb.entry_offset, Some(FileOff(0x1004)));
    assert!(!symbols.named("arm")[0].thumb);
}

#[test]
fn local_entries_of_ppc64le() {
    let mut image = Image::sample(Arch::Ppc64le);
    image.symbols(&[("function", TEXT, 64, FUNCTION)]);
    // st_other of the only symbol but the null one: 3 << 5 is 8 bytes (Power ELF V2 ABI, 3.4.1).
    image.section(".symtab").data[24 + 5] = 3 << 5;
    let bytes = image.write();
    let elf = Elf::open(&bytes).unwrap().unwrap();
    let symbols = Symbols::read(&elf).unwrap();
    let function = &symbols.named("function")[0];
    assert_eq!((function.address, function.entry), (Vaddr(TEXT), Vaddr(TEXT + 8)));
    assert_eq!(function.entry_offset, Some(FileOff(0x1008)));
}

#[test]
fn symbols_of_arguments_are_looked_up() {
    let mut image = Image::sample(Arch::X86_64);
    image.notes[0].arguments = "8@8+counter(%rip) 8@absent(%rip) 8@twice(%rip) 8@both(%rip)".to_owned();
    image.symbols(&[
        ("twice", SEMAPHORES, 2, LOCAL_OBJECT),
        ("twice", SEMAPHORES + 2, 2, LOCAL_OBJECT),
        ("both", SEMAPHORES + 2, 2, LOCAL_OBJECT),
        ("both", SEMAPHORES + 4, 2, OBJECT),
        ("counter", SEMAPHORES + 4, 8, OBJECT),
    ]);
    let bytes = image.write();
    let elf = Elf::open(&bytes).unwrap().unwrap();
    let mut notes = notes::of_elf(&elf).unwrap();
    symbols::resolve(&elf, &mut notes.probes).unwrap();
    let addresses: Vec<_> = notes.probes[0].sites[0]
        .args
        .iter()
        .map(|arg| match &arg.spec.as_ref().unwrap().operand {
            Operand::Memory { symbol: Some(symbol), .. } => symbol.address.map(|a| a.0),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(addresses, [Some(SEMAPHORES + 4), None, None, Some(SEMAPHORES + 4)]);
}

#[test]
fn readelf_knows_the_same_functions() {
    let Some(path) = files_with_probes().into_iter().find(|p| p.ends_with("libjvm.so")) else {
        return skip("readelf_knows_the_same_functions", "no libjvm.so is installed");
    };
    let Some(text) = output("readelf", &["-sW", path.to_str().unwrap()]) else {
        return skip("readelf_knows_the_same_functions", "readelf is not installed");
    };
    let mut theirs = Vec::new();
    for line in text.lines() {
        // Num: Value Size Type Bind Vis Ndx Name
        let fields: Vec<_> = line.split_whitespace().collect();
        if let [_, value, _, "FUNC" | "IFUNC", _, _, section, name, ..] = fields.as_slice()
            && *section != "UND"
        {
            let name = name.split('@').next().unwrap().to_owned();
            theirs.push((u64::from_str_radix(value, 16).unwrap(), name));
        }
    }
    theirs.sort();
    theirs.dedup();
    let file = open(&path);
    let elf = Elf::open(&file).unwrap().unwrap();
    let symbols = Symbols::read(&elf).unwrap();
    let mut ours: Vec<_> = symbols.functions().map(|s| (s.address.0, s.name.to_string())).collect();
    ours.sort();
    ours.dedup();
    assert!(theirs.len() > 1000, "{}", theirs.len());
    assert_eq!(ours, theirs);
}
