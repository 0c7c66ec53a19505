//! The parser of a function's text.

use std::fmt;
use std::str::FromStr;

use stapes_bpf::ProgramKind;

use super::super::{
    Address, Argument, Base, Block, BlockId, Callee, Function, Inst, MapId, Reg, Slot, SlotId, Terminator,
    Value, Width,
};
use super::{BINARY_OPS, COMPARE_OPS, HELPERS, KFUNCS};
use crate::ast::Span;

/// Why a text is no function.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ParseError {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong.
    pub reason: String,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.reason)
    }
}

impl std::error::Error for ParseError {}

impl FromStr for Function {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Function, ParseError> {
        let mut parser = Parser { function: None, open: false };
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if !line.is_empty() {
                parser.line(line).map_err(|reason| ParseError { line: index + 1, reason })?;
            }
        }
        let end = |reason: &str| ParseError { line: text.lines().count(), reason: reason.to_owned() };
        let function = parser.function.ok_or_else(|| end("no function"))?;
        if parser.open { Err(end("a block without an end")) } else { Ok(function) }
    }
}

struct Parser {
    function: Option<Function>,
    /// Whether the last block has no terminator yet.
    open: bool,
}

impl Parser {
    fn line(&mut self, line: &str) -> Result<(), String> {
        if let Some(rest) = line.strip_prefix("function ") {
            return self.header(rest);
        }
        let function = self.function.as_mut().ok_or("a line before the function")?;
        if let Some(rest) = line.strip_prefix("slot ") {
            let mut cursor = Cursor { rest };
            let SlotId(index) = cursor.slot()?;
            if index as usize != function.slots.len() {
                return Err(format!("slot s{index} where s{} is due", function.slots.len()));
            }
            function.slots.push(Slot { size: cursor.number()? });
            return cursor.end();
        }
        if let Some(label) = line.strip_suffix(':') {
            let mut cursor = Cursor { rest: label };
            let BlockId(index) = cursor.block()?;
            if self.open || index as usize != function.blocks.len() {
                return Err(format!("block b{index} where it is not due"));
            }
            function.blocks.push(Block { insts: Vec::new(), end: Terminator::Return(Value::Imm(0)) });
            self.open = true;
            return cursor.end();
        }
        let block =
            function.blocks.last_mut().filter(|_| self.open).ok_or("an instruction outside of a block")?;
        let mut cursor = Cursor { rest: line };
        if let Some(end) = cursor.terminator()? {
            block.end = end;
            self.open = false;
            return cursor.end();
        }
        let inst = cursor.inst()?;
        let span = if cursor.accept("#") {
            let start = cursor.number()?;
            cursor.expect("..")?;
            Span { start, end: cursor.number()? }
        } else {
            Span::default()
        };
        block.insts.push((inst, span));
        cursor.end()
    }

    fn header(&mut self, rest: &str) -> Result<(), String> {
        if self.function.is_some() {
            return Err("a second function".to_owned());
        }
        let mut cursor = Cursor { rest };
        let name = cursor.word()?.to_owned();
        let kind = match cursor.word()? {
            "uprobe" => ProgramKind::Uprobe,
            "run" => ProgramKind::Run,
            other => return Err(format!("`{other}` is no kind of program")),
        };
        let sleepable = cursor.accept("sleepable");
        cursor.expect("registers")?;
        let registers = cursor.number()?;
        let (blocks, slots) = (Vec::new(), Vec::new());
        self.function = Some(Function { name, kind, sleepable, blocks, slots, registers });
        cursor.end()
    }
}

/// What is left of a line.
struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    fn terminator(&mut self) -> Result<Option<Terminator>, String> {
        if self.accept("jump ") {
            return Ok(Some(Terminator::Jump(self.block()?)));
        }
        if self.accept("return ") {
            return Ok(Some(Terminator::Return(self.value()?)));
        }
        if !self.accept("if ") {
            return Ok(None);
        }
        let a = self.value()?;
        let name = self.word()?;
        let op = find(&COMPARE_OPS, name).ok_or_else(|| format!("`{name}` is no comparison"))?;
        let b = self.value()?;
        self.expect("then")?;
        let then = self.block()?;
        self.expect("else")?;
        Ok(Some(Terminator::Branch { op, a, b, then, otherwise: self.block()? }))
    }

    fn inst(&mut self) -> Result<Inst, String> {
        let is_register =
            self.rest.starts_with('v') && self.rest[1..].starts_with(|c: char| c.is_ascii_digit());
        if is_register {
            let dst = self.register()?;
            self.expect("=")?;
            return self.assignment(dst);
        }
        match self.word()? {
            "store" => {
                let width = self.width()?.0;
                let to = self.address()?;
                self.expect(",")?;
                Ok(Inst::Store { to, src: self.value()?, width })
            }
            "atomic_add" => {
                let width = self.width()?.0;
                let to = self.address()?;
                self.expect(",")?;
                Ok(Inst::AtomicAdd { to, src: self.value()?, width })
            }
            "zero" => {
                let to = self.address()?;
                self.expect(",")?;
                Ok(Inst::Zero { to, length: self.number()? })
            }
            "copy" => {
                let to = self.address()?;
                self.expect(",")?;
                let from = self.address()?;
                self.expect(",")?;
                Ok(Inst::Copy { to, from, length: self.number()? })
            }
            "bytes" => {
                let to = self.address()?;
                self.expect(",")?;
                Ok(Inst::StoreBytes { to, bytes: self.bytes()? })
            }
            "call" => self.call(None),
            other => Err(format!("unknown instruction `{other}`")),
        }
    }

    fn assignment(&mut self, dst: Reg) -> Result<Inst, String> {
        if self.rest.starts_with(|c: char| c.is_ascii_digit() || c == '-')
            || self.rest.starts_with('v') && self.rest[1..].starts_with(|c: char| c.is_ascii_digit())
        {
            return Ok(Inst::Mov { dst, src: self.value()? });
        }
        let name = self.word()?;
        if let Some(op) = find(&BINARY_OPS, name) {
            let a = self.value()?;
            self.expect(",")?;
            return Ok(Inst::Binary { op, dst, a, b: self.value()? });
        }
        if let Some(op) = find(&COMPARE_OPS, name) {
            let a = self.value()?;
            self.expect(",")?;
            return Ok(Inst::Compare { op, dst, a, b: self.value()? });
        }
        match name {
            "extend" => {
                let (width, signed) = self.width()?;
                Ok(Inst::Extend { dst, src: self.value()?, width, signed })
            }
            "swap" => {
                let width = self.width()?.0;
                Ok(Inst::Swap { dst, src: self.value()?, width })
            }
            "bound" => {
                let src = self.value()?;
                self.expect(",")?;
                Ok(Inst::Bound { dst, src, limit: self.number()? })
            }
            "load" => {
                let (width, signed) = self.width()?;
                Ok(Inst::Load { dst, from: self.address()?, width, signed })
            }
            "compare_exchange" => {
                let to = self.address()?;
                self.expect(",")?;
                let expected = self.value()?;
                self.expect(",")?;
                Ok(Inst::CompareExchange { dst, to, expected, new: self.value()? })
            }
            "address" => Ok(Inst::AddressOf { dst, address: self.address()? }),
            "map_value" => {
                let map = MapId(self.number()?);
                self.expect(",")?;
                Ok(Inst::MapValue { dst, map, offset: self.number()? })
            }
            "call" => self.call(Some(dst)),
            other => Err(format!("unknown instruction `{other}`")),
        }
    }

    fn call(&mut self, dst: Option<Reg>) -> Result<Inst, String> {
        let name = self.word()?;
        let callee = if name == "kfunc" {
            let name = self.word()?;
            let known = KFUNCS.iter().find(|known| **known == name);
            Callee::Kfunc(known.ok_or_else(|| format!("`{name}` is no kernel function that scripts use"))?)
        } else {
            Callee::Helper(
                find(&HELPERS, name).ok_or_else(|| format!("`{name}` is no helper that scripts use"))?,
            )
        };
        self.expect("(")?;
        let mut arguments = Vec::new();
        while !self.accept(")") {
            if !arguments.is_empty() {
                self.expect(",")?;
            }
            arguments.push(if self.rest.starts_with('[') {
                Argument::Address(self.address()?)
            } else if self.accept("map ") {
                Argument::Map(MapId(self.number()?))
            } else {
                Argument::Value(self.value()?)
            });
        }
        Ok(Inst::Call { dst, callee, arguments })
    }

    fn address(&mut self) -> Result<Address, String> {
        self.expect("[")?;
        let base = if self.accept("context") {
            Base::Context
        } else if self.rest.starts_with('s') {
            Base::Slot(self.slot()?)
        } else {
            Base::Reg(self.register()?)
        };
        let negative = self.accept("-");
        if !negative {
            self.expect("+")?;
        }
        let bytes: i64 = self.number()?;
        let offset =
            i32::try_from(if negative { -bytes } else { bytes }).map_err(|_| "an offset too large")?;
        let index = if self.accept("+") { Some(self.register()?) } else { None };
        self.expect("]")?;
        Ok(Address { base, offset, index })
    }

    /// `u32`, `i8`: the width, and whether it is signed.
    fn width(&mut self) -> Result<(Width, bool), String> {
        let word = self.word()?;
        let width = match word.get(1..) {
            Some("8") => Width::B1,
            Some("16") => Width::B2,
            Some("32") => Width::B4,
            Some("64") => Width::B8,
            _ => return Err(format!("`{word}` is no width")),
        };
        match word.get(..1) {
            Some("u") => Ok((width, false)),
            Some("i") => Ok((width, true)),
            _ => Err(format!("`{word}` is no width")),
        }
    }

    fn value(&mut self) -> Result<Value, String> {
        if self.rest.starts_with('v') {
            Ok(Value::Reg(self.register()?))
        } else {
            Ok(Value::Imm(self.number()?))
        }
    }

    fn register(&mut self) -> Result<Reg, String> {
        self.numbered('v').map(Reg)
    }

    fn block(&mut self) -> Result<BlockId, String> {
        self.numbered('b').map(BlockId)
    }

    fn slot(&mut self) -> Result<SlotId, String> {
        self.numbered('s').map(SlotId)
    }

    fn numbered(&mut self, letter: char) -> Result<u32, String> {
        let word = self.word()?;
        let number = word.strip_prefix(letter).and_then(|digits| digits.parse().ok());
        number.ok_or_else(|| format!("`{word}` where `{letter}` and a number are due"))
    }

    fn number<T: TryFrom<i64>>(&mut self) -> Result<T, String> {
        let digits = self.rest.strip_prefix('-').unwrap_or(self.rest);
        let length = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
        let (number, rest) = self.rest.split_at(self.rest.len() - digits.len() + length);
        let value: i64 = number.parse().map_err(|_| format!("a number is due at `{}`", self.rest))?;
        self.rest = rest.trim_start();
        T::try_from(value).map_err(|_| format!("{number} is out of range"))
    }

    /// A byte string in quotes, with the escapes of [`u8::escape_ascii`].
    fn bytes(&mut self) -> Result<Vec<u8>, String> {
        let mut chars = self.rest.strip_prefix('"').ok_or("a string is due")?.bytes();
        let mut bytes = Vec::new();
        loop {
            let byte = chars.next().ok_or("a string without its closing quote")?;
            bytes.push(match byte {
                b'"' => break,
                b'\\' => match chars.next() {
                    Some(b't') => b'\t',
                    Some(b'r') => b'\r',
                    Some(b'n') => b'\n',
                    Some(b'x') => {
                        let mut digit = || chars.next().and_then(|d| char::from(d).to_digit(16));
                        let (high, low) = (digit(), digit());
                        high.zip(low).map(|(h, l)| (h * 16 + l) as u8).ok_or("`\\x` without two digits")?
                    }
                    Some(other) => other,
                    None => return Err("a string ends in `\\`".to_owned()),
                },
                other => other,
            });
        }
        let left = chars.len();
        self.rest = self.rest.get(self.rest.len() - left..).unwrap_or("").trim_start();
        Ok(bytes)
    }

    fn word(&mut self) -> Result<&'a str, String> {
        let end = self.rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        if word.is_empty() {
            return Err(format!("a word is due at `{rest}`"));
        }
        self.rest = rest.trim_start();
        Ok(word)
    }

    fn accept(&mut self, text: &str) -> bool {
        let rest = self.rest.strip_prefix(text);
        self.rest = rest.map_or(self.rest, str::trim_start);
        rest.is_some()
    }

    fn expect(&mut self, text: &str) -> Result<(), String> {
        if self.accept(text) { Ok(()) } else { Err(format!("`{text}` is due at `{}`", self.rest)) }
    }

    fn end(&self) -> Result<(), String> {
        if self.rest.is_empty() { Ok(()) } else { Err(format!("`{}` at the end of the line", self.rest)) }
    }
}

fn find<T: Copy>(names: &[(T, &str)], name: &str) -> Option<T> {
    names.iter().find(|(_, known)| *known == name).map(|(item, _)| *item)
}
