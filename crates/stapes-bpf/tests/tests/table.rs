//! The table against RFC 9669, and every row through encode, decode, print and parse.

use stapes_bpf::table::{Effect, Group, ROWS, Select, lookup};
use stapes_bpf::{Insn, insn_text};

use super::random::Random;

/// An instruction of the row with random values in the fields that its text shows.
fn instance(row: &stapes_bpf::table::Row, random: &mut Random) -> Insn {
    let mut insn = Insn { code: row.code, ..Insn::default() };
    if row.text.contains("{d}") || row.text.contains("{wd}") {
        insn.dst = random.below(11) as u8;
    }
    if row.reads_src() {
        insn.src = random.below(11) as u8;
    }
    if row.text.contains("{o}") || row.text.contains("{j}") {
        insn.off = [i16::MIN, -8, 0, 8, i16::MAX, random.next() as i16][random.below(6) as usize];
    }
    if ["{i}", "{J}", "{wide}"].iter().any(|hole| row.text.contains(hole)) {
        insn.imm = [i32::MIN, -1, 0, 1, i32::MAX, random.next() as i32][random.below(6) as usize];
    }
    match row.select {
        Select::None => {}
        Select::Src(src) => insn.src = src,
        Select::Off(off) => insn.off = off,
        Select::Imm(imm) => insn.imm = imm,
    }
    insn
}

#[test]
fn every_row_survives_encode_decode_print_parse() {
    let mut random = Random(1);
    for row in ROWS {
        for _ in 0..40 {
            let insn = instance(row, &mut random);
            assert_eq!(Insn::decode(insn.encode()), insn);
            assert_eq!(lookup(&insn).map(|r| r.text), Some(row.text));
            let second = insn.is_wide().then(|| Insn {
                imm: if row.text.contains("{wide}") || row.text.contains("{high}") {
                    random.next() as i32
                } else {
                    0
                },
                ..Insn::default()
            });
            let mut text = String::new();
            let slots = insn_text::print(&mut text, &insn, second.as_ref()).unwrap();
            assert_eq!(slots, 1 + usize::from(second.is_some()), "{text}");
            assert!(!text.starts_with(".insn"), "{text}");
            assert_eq!(insn_text::parse(&text), Some((insn, second)), "{text}");
        }
    }
}

#[test]
fn any_bytes_survive_print_parse() {
    let mut random = Random(2);
    for _ in 0..20_000 {
        let mut insn = Insn::decode(random.next().to_ne_bytes());
        if random.below(2) == 0 {
            // Nearly a row of the table: one field that should be 0 may not be.
            insn = instance(&ROWS[random.below(ROWS.len() as u64) as usize], &mut random);
            match random.below(4) {
                0 => insn.src = 11,
                1 => insn.off = 3,
                2 => insn.imm = 77,
                _ => insn.dst = 15,
            }
        }
        let mut text = String::new();
        insn_text::print(&mut text, &insn, None).unwrap();
        assert_eq!(insn_text::parse(&text), Some((insn, None)), "{text}");
    }
}

#[test]
fn broken_text_is_refused() {
    let mut random = Random(3);
    let alphabet = b"rw0123456789+-=*(u648) <>&^|!sgoto.insnxfecallk";
    for _ in 0..20_000 {
        let row = &ROWS[random.below(ROWS.len() as u64) as usize];
        let mut text = String::new();
        insn_text::print(&mut text, &instance(row, &mut random), None).unwrap();
        let mut bytes = text.into_bytes();
        for _ in 0..=random.below(3) {
            let at = random.below(bytes.len() as u64) as usize;
            bytes[at] = alphabet[random.below(alphabet.len() as u64) as usize];
        }
        bytes.truncate(1 + random.below(bytes.len() as u64) as usize);
        let text = String::from_utf8(bytes).unwrap();
        // Whatever parses prints as something that parses to the same.
        if let Some((insn, second)) = insn_text::parse(&text) {
            let mut again = String::new();
            insn_text::print(&mut again, &insn, second.as_ref()).unwrap();
            assert_eq!(insn_text::parse(&again), Some((insn, second)), "{text} | {again}");
        }
    }
    assert_eq!(insn_text::parse("r11 = 1"), None);
    assert_eq!(insn_text::parse("r1 = -r2"), None);
    assert_eq!(insn_text::parse("r1 = 2147483648"), None);
    assert_eq!(insn_text::parse("*(u64 *)(r1 + 32768) = 0"), None);
    assert_eq!(insn_text::parse("é"), None);
}

#[test]
fn codes_are_those_of_the_rfc() {
    // From RFC 9669, appendix A: opcode, the field that selects, and its description.
    let rfc: &[(Insn, &str)] = &[
        (Insn { code: 0x05, ..Insn::default() }, "goto +0"),
        (Insn { code: 0x06, ..Insn::default() }, "gotol +0"),
        (Insn { code: 0x0f, src: 2, dst: 1, ..Insn::default() }, "r1 += r2"),
        (Insn { code: 0x1d, src: 2, dst: 1, ..Insn::default() }, "if r1 == r2 goto +0"),
        (Insn { code: 0x34, off: 1, imm: 3, ..Insn::default() }, "w0 s/= 3"),
        (Insn { code: 0x3f, off: 1, src: 3, ..Insn::default() }, "r0 s/= r3"),
        (Insn { code: 0x47, imm: 1, ..Insn::default() }, "r0 |= 1"),
        (Insn { code: 0x61, dst: 1, src: 2, off: 4, ..Insn::default() }, "r1 = *(u32 *)(r2 + 4)"),
        (Insn { code: 0x69, dst: 1, src: 2, off: 4, ..Insn::default() }, "r1 = *(u16 *)(r2 + 4)"),
        (Insn { code: 0x71, dst: 1, src: 2, off: 4, ..Insn::default() }, "r1 = *(u8 *)(r2 + 4)"),
        (Insn { code: 0x79, dst: 1, src: 2, off: -4, ..Insn::default() }, "r1 = *(u64 *)(r2 - 4)"),
        (Insn { code: 0x81, dst: 1, src: 2, ..Insn::default() }, "r1 = *(s32 *)(r2 + 0)"),
        (Insn { code: 0x89, dst: 1, src: 2, ..Insn::default() }, "r1 = *(s16 *)(r2 + 0)"),
        (Insn { code: 0x91, dst: 1, src: 2, ..Insn::default() }, "r1 = *(s8 *)(r2 + 0)"),
        (Insn { code: 0x84, dst: 1, ..Insn::default() }, "w1 = -w1"),
        (Insn { code: 0x9f, off: 1, src: 3, ..Insn::default() }, "r0 s%= r3"),
        (Insn { code: 0xa5, dst: 1, imm: 9, off: 2, ..Insn::default() }, "if r1 < 9 goto +2"),
        (Insn { code: 0xbf, off: 8, dst: 1, src: 2, ..Insn::default() }, "r1 = (s8)r2"),
        (Insn { code: 0xbc, off: 16, dst: 1, src: 2, ..Insn::default() }, "w1 = (s16)w2"),
        (
            Insn { code: 0xc3, imm: 1, dst: 1, src: 2, ..Insn::default() },
            "w2 = atomic_fetch_add((u32 *)(r1 + 0), w2)",
        ),
        (Insn { code: 0xdb, imm: 0, dst: 1, src: 2, ..Insn::default() }, "lock *(u64 *)(r1 + 0) += r2"),
        (Insn { code: 0xdb, imm: 0xe1, dst: 1, src: 2, ..Insn::default() }, "r2 = xchg_64(r1 + 0, r2)"),
        (
            Insn { code: 0xdb, imm: 0xf1, dst: 1, src: 2, ..Insn::default() },
            "r0 = cmpxchg_64(r1 + 0, r0, r2)",
        ),
        (Insn { code: 0xd4, imm: 16, ..Insn::default() }, "r0 = le16 r0"),
        (Insn { code: 0xdc, imm: 32, ..Insn::default() }, "r0 = be32 r0"),
        (Insn { code: 0xd7, imm: 64, ..Insn::default() }, "r0 = bswap64 r0"),
        (Insn { code: 0xdd, dst: 1, src: 2, off: 3, ..Insn::default() }, "if r1 s<= r2 goto +3"),
        (Insn { code: 0xd6, dst: 1, imm: -1, off: 3, ..Insn::default() }, "if w1 s<= -1 goto +3"),
        (Insn { code: 0x85, imm: 5, ..Insn::default() }, "call 5"),
        (Insn { code: 0x85, src: 1, imm: 5, ..Insn::default() }, "call pc+5"),
        (Insn { code: 0x85, src: 2, imm: 5, ..Insn::default() }, "call kfunc 5"),
        (Insn { code: 0x95, ..Insn::default() }, "exit"),
    ];
    for (insn, text) in rfc {
        let mut printed = String::new();
        insn_text::print(&mut printed, insn, None).unwrap();
        assert_eq!(printed, *text);
    }
}

#[test]
fn bytes_are_those_of_the_rfc() {
    // RFC 9669, section 3.1: code, registers, offset, immediate, in the machine's byte order.
    if cfg!(target_endian = "little") {
        let insn = Insn { code: 0x7b, dst: 10, src: 1, off: -8, imm: 0x0102_0304 };
        assert_eq!(insn.encode(), [0x7b, 0x1a, 0xf8, 0xff, 0x04, 0x03, 0x02, 0x01]);
    }
    assert_eq!(Insn::load_imm64(1, 0x1122_3344_5566_7788)[0].imm, 0x5566_7788);
    assert_eq!(Insn::load_imm64(1, 0x1122_3344_5566_7788)[1].imm, 0x1122_3344);
}

#[test]
fn rows_with_one_code_stand_together_and_differ() {
    for (index, row) in ROWS.iter().enumerate() {
        for (other_index, other) in ROWS.iter().enumerate().skip(index + 1) {
            assert_ne!(row.text, other.text);
            if row.code == other.code {
                assert_eq!(ROWS[other_index - 1].code, row.code, "{}", other.text);
                assert_ne!(row.select, other.select, "{}", row.text);
                assert_ne!(row.select, Select::None, "{}", row.text);
            }
        }
    }
}

#[test]
fn groups_follow_the_operations() {
    for row in ROWS {
        let class = row.code & 7;
        let atomic = class == 3 && row.code >> 5 == 6;
        let divmul = matches!(class, 4 | 7) && matches!(row.code >> 4, 2 | 3 | 9);
        assert_eq!(matches!(row.group, Group::Atomic32 | Group::Atomic64), atomic, "{}", row.text);
        assert_eq!(matches!(row.group, Group::Divmul32 | Group::Divmul64), divmul, "{}", row.text);
        assert_eq!(
            matches!(row.effect, Effect::Branch),
            matches!(class, 5 | 6) && row.text.starts_with("if")
        );
        assert!(!row.doc.is_empty());
    }
}
