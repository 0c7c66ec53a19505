//! One instruction as text and back, by the patterns of [`crate::table`].
//!
//! `r1 = *(u64 *)(r10 - 8)`, `if r0 == 0 goto +5`, `call 1`. Every pair of slots has a text that parses back to it:
//! what no row describes exactly prints field by field, `.insn 0xff 1 2 -3 4`.

use std::fmt::{self, Write};

use crate::Insn;
use crate::table::{ROWS, Row, Select, lookup};

/// Prints the instruction that starts with `first`; `second` is the slot after it, of which a 64-bit load is made.
///
/// Gives the number of slots that the text stands for, 1 or 2.
pub fn print(out: &mut dyn Write, first: &Insn, second: Option<&Insn>) -> Result<usize, fmt::Error> {
    let wide = first.is_wide();
    let high = second.filter(|s| wide && **s == Insn { imm: s.imm, ..Insn::default() }).map(|s| s.imm);
    match lookup(first).filter(|row| is_exact(row, first) && wide == high.is_some()) {
        Some(row) => {
            print_row(out, row, first, high.unwrap_or(0))?;
            Ok(if wide { 2 } else { 1 })
        }
        None => {
            let Insn { code, dst, src, off, imm } = first;
            write!(out, ".insn {code:#04x} {dst} {src} {off} {imm}")?;
            Ok(1)
        }
    }
}

/// The slots, one or two, that a text stands for.
pub fn parse(text: &str) -> Option<(Insn, Option<Insn>)> {
    if let Some(fields) = text.strip_prefix(".insn ") {
        let mut fields = fields.split(' ');
        let code = fields.next()?.strip_prefix("0x")?;
        let insn = Insn {
            code: u8::from_str_radix(code, 16).ok()?,
            dst: fields.next()?.parse().ok()?,
            src: fields.next()?.parse().ok()?,
            off: fields.next()?.parse().ok()?,
            imm: fields.next()?.parse().ok()?,
        };
        return fields.next().is_none().then_some((insn, None));
    }
    ROWS.iter().find_map(|row| parse_row(row, text))
}

/// The disassembly of a whole program: each line's first slot, and its text.
pub fn disassemble(insns: &[Insn]) -> Vec<(usize, String)> {
    let (mut lines, mut at) = (Vec::new(), 0);
    while let Some(insn) = insns.get(at) {
        let mut text = String::new();
        // Writing to a String does not fail.
        let slots = print(&mut text, insn, insns.get(at + 1)).unwrap_or(1);
        lines.push((at, text));
        at += slots;
    }
    lines
}

/// Whether the row's text says everything about the instruction: registers that exist, nothing in unused fields.
fn is_exact(row: &Row, insn: &Insn) -> bool {
    let (mut dst, mut src, mut off, mut imm) = (insn.dst == 0, insn.src == 0, insn.off == 0, insn.imm == 0);
    match row.select {
        Select::None => {}
        Select::Src(_) => src = true,
        Select::Off(_) => off = true,
        Select::Imm(_) => imm = true,
    }
    for piece in pieces(row.text) {
        match piece {
            Piece::Hole("d" | "wd") => dst = insn.dst <= 10,
            Piece::Hole("s" | "ws") => src = insn.src <= 10,
            Piece::Hole("o" | "j") => off = true,
            Piece::Hole(_) => imm = true,
            Piece::Text(_) => {}
        }
    }
    dst && src && off && imm
}

fn print_row(out: &mut dyn Write, row: &Row, insn: &Insn, high: i32) -> fmt::Result {
    for piece in pieces(row.text) {
        match piece {
            Piece::Text(text) => out.write_str(text)?,
            Piece::Hole("d") => write!(out, "r{}", insn.dst)?,
            Piece::Hole("wd") => write!(out, "w{}", insn.dst)?,
            Piece::Hole("s") => write!(out, "r{}", insn.src)?,
            Piece::Hole("ws") => write!(out, "w{}", insn.src)?,
            Piece::Hole("o") if insn.off < 0 => write!(out, "- {}", insn.off.unsigned_abs())?,
            Piece::Hole("o") => write!(out, "+ {}", insn.off)?,
            Piece::Hole("j") => write!(out, "{:+}", insn.off)?,
            Piece::Hole("J") => write!(out, "{:+}", insn.imm)?,
            Piece::Hole("high") => write!(out, "{high}")?,
            Piece::Hole("wide") => {
                write!(out, "{:#x}", u64::from(high as u32) << 32 | u64::from(insn.imm as u32))?
            }
            Piece::Hole(_) => write!(out, "{}", insn.imm)?,
        }
    }
    Ok(())
}

fn parse_row(row: &Row, text: &str) -> Option<(Insn, Option<Insn>)> {
    let mut insn = Insn { code: row.code, ..Insn::default() };
    match row.select {
        Select::None => {}
        Select::Src(src) => insn.src = src,
        Select::Off(off) => insn.off = off,
        Select::Imm(imm) => insn.imm = imm,
    }
    let (mut rest, mut high, mut dst_seen, mut src_seen) = (text, 0, None, None);
    for piece in pieces(row.text) {
        let hole = match piece {
            Piece::Text(text) => {
                rest = rest.strip_prefix(text)?;
                continue;
            }
            Piece::Hole(hole) => hole,
        };
        match hole {
            "d" | "wd" | "s" | "ws" => {
                let prefix = if hole.starts_with('w') { 'w' } else { 'r' };
                let number: u8 = number(&mut rest, prefix, 2)?.parse().ok().filter(|n| *n <= 10)?;
                let (seen, field) = if hole.ends_with('d') {
                    (&mut dst_seen, &mut insn.dst)
                } else {
                    (&mut src_seen, &mut insn.src)
                };
                if seen.replace(number).is_some_and(|before| before != number) {
                    return None;
                }
                *field = number;
            }
            "o" => {
                let negative = rest.starts_with('-');
                rest = rest.strip_prefix("+ ").or_else(|| rest.strip_prefix("- "))?;
                let (digits, after) = split_digits(rest);
                rest = after;
                let value: i32 = digits.parse().ok()?;
                insn.off = i16::try_from(if negative { -value } else { value }).ok()?;
            }
            "j" => insn.off = jump(&mut rest)?.try_into().ok()?,
            "J" => insn.imm = jump(&mut rest)?.try_into().ok()?,
            "wide" => {
                rest = rest.strip_prefix("0x")?;
                let end = rest.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(rest.len());
                let value = u64::from_str_radix(rest.get(..end)?, 16).ok()?;
                rest = rest.get(end..)?;
                insn.imm = value as i32;
                high = (value >> 32) as i32;
            }
            _ => {
                let negative = rest.starts_with('-');
                let (digits, after) = split_digits(rest.strip_prefix('-').unwrap_or(rest));
                rest = after;
                let value: i64 = digits.parse().ok()?;
                let value = i32::try_from(if negative { -value } else { value }).ok()?;
                if hole == "high" { high = value } else { insn.imm = value }
            }
        }
    }
    let second = insn.is_wide().then(|| Insn { imm: high, ..Insn::default() });
    rest.is_empty().then_some((insn, second))
}

/// A letter and at most `most` digits; the digits.
fn number<'a>(rest: &mut &'a str, prefix: char, most: usize) -> Option<&'a str> {
    let (digits, after) = split_digits(rest.strip_prefix(prefix)?);
    *rest = after;
    (digits.len() <= most).then_some(digits)
}

/// `+5`, `-5`.
fn jump(rest: &mut &str) -> Option<i64> {
    let negative = rest.starts_with('-');
    let (digits, after) = split_digits(rest.strip_prefix(['+', '-'])?);
    *rest = after;
    let value: i64 = digits.parse().ok()?;
    Some(if negative { -value } else { value })
}

fn split_digits(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(end)
}

/// A part of a row's text.
enum Piece {
    Text(&'static str),
    Hole(&'static str),
}

/// The literal parts and holes of a pattern, in order.
fn pieces(mut pattern: &'static str) -> impl Iterator<Item = Piece> {
    std::iter::from_fn(move || {
        if pattern.is_empty() {
            return None;
        }
        if let Some((hole, rest)) = pattern.strip_prefix('{').and_then(|p| p.split_once('}')) {
            pattern = rest;
            return Some(Piece::Hole(hole));
        }
        let (text, rest) = pattern.split_at(pattern.find('{').unwrap_or(pattern.len()));
        pattern = rest;
        Some(Piece::Text(text))
    })
}
