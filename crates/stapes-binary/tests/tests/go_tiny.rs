//! The smallest Go program that has one of everything, made byte by byte as the linker of Go 1.27 lays it out:
//! so what must be read of it is arithmetic, and every byte of it can be broken in turn.
//! It is also what the fuzz target `go` starts from (`fuzz/seeds/go/tiny`; `UPDATE_EXPECT=1` writes that file).

use std::path::Path;

use stapes_binary::go::{ArgumentPlace, ArgumentRegister, Cost, Found, Go, GoError};
use stapes_binary::{Elf, FileOff, Vaddr};

const BASE: u64 = 0x40_0000;
const TEXT: u64 = 0x100;
const PCLNTAB: u64 = 0x200;
const GOFUNC: u64 = 0x400;
const TYPES: u64 = 0x500;
const MODULEDATA: u64 = 0x700;
const BUILD_INFO: u64 = 0x900;
const SIZE: usize = 0xa00;

/// `main.main(a float64, b int)`: a stack check, a body, a return, and code that grows the stack.
const MAIN: &[u8] = &[
    0x49, 0x3b, 0x66, 0x10, // cmp 0x10(%r14),%rsp
    0x76, 0x06, // jbe grow
    0x55, // push %rbp
    0x48, 0x89, 0xe5, // mov %rsp,%rbp
    0x5d, // pop %rbp
    0xc3, // ret
    0xf2, 0x0f, 0x11, 0x44, 0x24, 0x08, // grow: movsd %xmm0,8(%rsp)
    0x48, 0x89, 0x44, 0x24, 0x10, // mov %rax,0x10(%rsp)
    0xe8, 0x00, 0x00, 0x00, 0x00, // call
    0xf2, 0x0f, 0x10, 0x44, 0x24, 0x08, // movsd 8(%rsp),%xmm0
    0x48, 0x8b, 0x44, 0x24, 0x10, // mov 0x10(%rsp),%rax
    0xeb, 0xd7, // jmp entry
];
/// `main.leaf(a, b int)`: add %rbx,%rax; ret.
const LEAF: &[u8] = &[0x48, 0x01, 0xd8, 0xc3];
/// Where `main.leaf` is, from the start of the code, and where the code ends.
const LEAF_AT: u32 = 0x30;
const TEXT_SIZE: u32 = 0x34;

struct Image(Vec<u8>);

impl Image {
    fn put(&mut self, at: u64, bytes: &[u8]) -> u64 {
        let at = at as usize;
        assert!(self.0[at..at + bytes.len()].iter().all(|b| *b == 0), "two things at {at:#x}");
        self.0[at..at + bytes.len()].copy_from_slice(bytes);
        (at + bytes.len()) as u64
    }

    fn words(&mut self, at: u64, words: &[u64]) -> u64 {
        self.put(at, &words.iter().flat_map(|w| w.to_le_bytes()).collect::<Vec<_>>())
    }

    fn halves(&mut self, at: u64, words: &[u32]) -> u64 {
        self.put(at, &words.iter().flat_map(|w| w.to_le_bytes()).collect::<Vec<_>>())
    }
}

/// The program.
fn tiny() -> Vec<u8> {
    let mut image = Image(vec![0; SIZE]);
    // ELF: one segment, and no sections.
    image.put(0, b"\x7fELF\x02\x01\x01");
    image.put(16, &[2, 0, 62, 0, 1, 0, 0, 0]);
    image.words(24, &[BASE + TEXT, 64, 0]);
    image.put(52, &[64, 0, 56, 0, 1, 0, 64, 0]);
    image.halves(64, &[1, 7]);
    image.words(72, &[0, BASE, BASE, SIZE as u64, SIZE as u64, 0x1000]);

    image.put(TEXT, MAIN);
    image.put(TEXT + u64::from(LEAF_AT), LEAF);

    // pclntab: names, no units or files to speak of, one table by program counter, two functions.
    let names = b"\0main.main\0main.leaf\0main.inner\0";
    let (names_at, units) = (72, 112);
    let (pc_tables, functions) = (120, 136);
    image.put(PCLNTAB, &[0xf1, 0xff, 0xff, 0xff, 0, 0, 1, 8]);
    image.words(PCLNTAB + 8, &[2, 0, 0, names_at, units, pc_tables, pc_tables, functions]);
    image.put(PCLNTAB + names_at, names);
    // No call for 6 bytes, the first for 4, none for the rest.
    image.put(PCLNTAB + pc_tables, &[0, 0, 6, 2, 4, 1, 0x26, 0]);
    let main = 20;
    let leaf = main + 44 + 4 * (3 + 6);
    let table = PCLNTAB + functions;
    image.halves(table, &[0, main, LEAF_AT, leaf, TEXT_SIZE]);
    // entry, name, arguments, deferreturn, three tables, their number, unit, line, then kind, flags, number of data.
    let at = image.halves(table + u64::from(main), &[0, 1, 16, 0, 0, 0, 0, 3, 0, 7, 6 << 24]);
    let none = u32::MAX;
    image.halves(at, &[0, 0, 1, none, none, none, 16, none, 0]);
    let at = image.halves(table + u64::from(leaf), &[LEAF_AT, 11, 16, 0, 0, 0, 0, 0, 0, 9, 6 << 24]);
    let end = image.halves(at, &[none, none, none, none, none, 0]);

    // Both take two numbers; `main.inner` is inlined once, its call is at byte 1.
    image.put(GOFUNC, &[0, 8, 8, 8, 0xff]);
    image.halves(GOFUNC + 16, &[0, 21, 1, 3]);

    // Types: `int`, and `runtime.g` with two of them.
    let (int, g, fields, texts) = (8, 56, 152, 200);
    let types = BASE + TYPES;
    let name = |i: u32| texts as u32 + 16 * i;
    for (i, text) in [&b"int"[..], b"runtime.g", b"runtime", b"m", b"goid"].iter().enumerate() {
        let named = [&[1, text.len() as u8], *text].concat();
        image.put(TYPES + u64::from(name(i as u32)), &named);
    }
    let described = |image: &mut Image, at: u64, size: u64, flags: u8, kind: u8, text: u32| {
        image.words(TYPES + at, &[size, 0]);
        image.put(TYPES + at + 20, &[flags, 8, 8, kind]);
        image.halves(TYPES + at + 40, &[text]);
    };
    described(&mut image, int, 8, 4, 2, name(0));
    described(&mut image, g, 16, 4 | 1, 25, name(1));
    image.words(TYPES + g + 56, &[types + fields, 2, 2]);
    image.halves(TYPES + g + 80, &[name(2)]);
    image.words(TYPES + fields, &[types + u64::from(name(3)), types + int, 0]);
    image.words(TYPES + fields + 24, &[types + u64::from(name(4)), types + int, 8]);

    // moduledata of Go 1.27.
    let text = BASE + TEXT;
    let end_text = text + u64::from(TEXT_SIZE);
    let pclntab = BASE + PCLNTAB;
    let slice = |from: u64, count: u64| [pclntab + from, count, count];
    let mut words = vec![pclntab];
    words.extend(slice(names_at, names.len() as u64));
    words.extend(slice(units, 1));
    words.extend(slice(pc_tables, 0));
    words.extend(slice(pc_tables, 8));
    words.extend(slice(functions, end - table));
    words.extend(slice(functions, 3));
    words.extend([0, text, end_text, text, end_text]);
    words.resize(37, 0);
    words.extend([types, 0x200, types + 0x200]);
    words.resize(43, 0);
    words.extend([BASE + GOFUNC, 0]);
    let sections = BASE + MODULEDATA + 0x180;
    words.extend([sections, 1, 1]);
    image.words(MODULEDATA, &words);
    image.words(MODULEDATA + 0x180, &[0, TEXT_SIZE.into(), text]);

    let modules = [&[b'<'; 16][..], b"path\tmain\n", &[b'>'; 16]].concat();
    let strings = [&[8][..], b"go1.27.3", &[modules.len() as u8], &modules].concat();
    image.put(BUILD_INFO, b"\xff Go buildinf:\x08\x02");
    image.put(BUILD_INFO + 32, &strings);
    image.0
}

/// Reads everything; the error that keeps it from being read.
fn read_all(bytes: &[u8]) -> Option<GoError> {
    let elf = Elf::open(&bytes).ok()??;
    let go = match Go::open(&elf) {
        Ok(go) => go,
        Err(error) => return Some(error),
    };
    for function in go.functions() {
        if let Ok(code) = go.code(&function) {
            let _ = go.arguments(&function, &code);
        }
    }
    let _ = go.inlined(&|_| true);
    let _ = go.goid();
    None
}

#[test]
fn the_tiny_program_is_read_as_it_was_made() {
    let bytes = tiny();
    let slice = bytes.as_slice();
    let elf = Elf::open(&slice).unwrap().unwrap();
    let go = Go::open(&elf).unwrap();
    let tables = go.tables();
    assert_eq!((tables.pclntab, tables.moduledata), (Vaddr(BASE + PCLNTAB), Vaddr(BASE + MODULEDATA)));
    assert_eq!((tables.found, tables.layout), (Found::Search, Some("Go 1.27")));
    let build = go.build_info().unwrap();
    assert_eq!(
        (build.version.as_str(), build.lines.as_slice()),
        ("go1.27.3", &["path\tmain".to_owned()][..])
    );

    let functions: Vec<_> = go.functions().collect();
    let names: Vec<_> = functions.iter().map(|f| (f.name.as_ref(), f.entry.0, f.end.0, f.line)).collect();
    let text = BASE + TEXT;
    let leaf = text + u64::from(LEAF_AT);
    let end = text + u64::from(TEXT_SIZE);
    assert_eq!(names, [("main.main", text, leaf, Some(7)), ("main.leaf", leaf, end, Some(9))]);
    assert_eq!(functions[0].file_offset, Some(FileOff(TEXT)));

    let code = go.code(&functions[0]).unwrap();
    let start = code.start.unwrap();
    assert_eq!((start.address.0, start.cost), (text + 6, Cost::Emulated));
    assert_eq!(code.returns.iter().map(|p| p.address.0).collect::<Vec<_>>(), [text + 11]);
    let places = |index: usize| -> Vec<ArgumentPlace> {
        let code = go.code(&functions[index]).unwrap();
        let arguments = go.arguments(&functions[index], &code).unwrap().unwrap();
        arguments.parts().iter().map(|p| p.place).collect()
    };
    let register = ArgumentPlace::Register;
    assert_eq!(places(0), [register(ArgumentRegister::Float(0)), register(ArgumentRegister::Integer(0))]);
    let guesses = [0, 1].map(|n| ArgumentPlace::Probably(ArgumentRegister::Integer(n)));
    assert_eq!(places(1), guesses);

    let inlined = go.inlined(&|_| true).unwrap();
    assert_eq!(inlined.len(), 1);
    assert_eq!(inlined[0].name, "main.inner");
    let into = &inlined[0].into[0];
    assert_eq!((into.function.as_str(), into.through.as_deref()), ("main.main", None));
    assert_eq!(into.address, Vaddr(text + 6));

    let g = go.structs(&["runtime.g", "main.None"]).unwrap();
    let fields: Vec<_> = g[0].as_ref().unwrap().fields.iter().map(|f| (f.name.as_str(), f.offset)).collect();
    assert_eq!(fields, [("m", 0), ("goid", 8)]);
    assert_eq!(g[1], None);
    // 8 by the type, but Go 1.27.3 was measured with 152: neither is believed.
    let goid = go.goid();
    assert_eq!((goid.offset, goid.by_type, goid.by_version), (None, Some(8), Some(152)));
    assert!(goid.disagrees());
}

#[test]
fn types_of_go_1_18_are_not_read() {
    let mut bytes = tiny();
    let version = BUILD_INFO as usize + 33;
    bytes[version..version + 8].copy_from_slice(b"go1.18.3");
    let slice = bytes.as_slice();
    let elf = Elf::open(&slice).unwrap().unwrap();
    let go = Go::open(&elf).unwrap();
    let error = go.structs(&["runtime.g"]).unwrap_err().to_string();
    assert!(error.starts_with("types cannot be read"), "{error}");
    assert_eq!(go.goid().offset, None);
}

#[test]
fn no_broken_byte_of_the_tiny_program_makes_the_reader_panic() {
    let mut bytes = tiny();
    for at in 0..bytes.len() {
        let before = bytes[at];
        for value in [0, 0xff, before ^ 1, before.wrapping_add(8)] {
            bytes[at] = value;
            read_all(&bytes);
        }
        bytes[at] = before;
    }
    for size in 0..bytes.len() {
        read_all(&bytes[..size]);
    }
    assert!(read_all(&bytes).is_none());
}

#[test]
fn the_fuzz_target_starts_from_the_tiny_program() {
    let seed = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/go/tiny");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::create_dir_all(seed.parent().unwrap()).unwrap();
        std::fs::write(&seed, tiny()).unwrap();
    }
    assert!(std::fs::read(&seed).unwrap() == tiny(), "run this test with UPDATE_EXPECT=1");
}
