//! The parser of an object's text. Untrusted input gives an error with its line, never a panic.

use std::fmt;
use std::str::FromStr;

use super::{MAP_KINDS, STACK_MODES};
use crate::{
    Aggregate, Attachment, Event, EventKind, Image, LossCause, Map, MapRole, Object, Point, Program,
    ProgramKind, StackMode, Type, Value, insn_text,
};

/// How deep types may nest: far beyond any script, and far below what the parser's own stack bears.
const MAX_DEPTH: u32 = 64;

/// Why a text is no object.
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

impl FromStr for Object {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Object, ParseError> {
        let mut object = Object::default();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if !line.is_empty() && !line.starts_with('#') {
                parse_line(&mut object, line).map_err(|reason| ParseError { line: index + 1, reason })?;
            }
        }
        Ok(object)
    }
}

fn parse_line(object: &mut Object, line: &str) -> Result<(), String> {
    if let Some(place) = line.strip_prefix("; source ") {
        let place = place.parse().map_err(|_| format!("`{place}` is no offset in a source"))?;
        let program = object.programs.last_mut().ok_or("code before any program")?;
        program.lines.push((program.insns.len() as u32, place));
        return Ok(());
    }
    if line.starts_with(|c: char| c.is_ascii_digit()) {
        let (index, code) = line.split_once(": ").ok_or("an instruction without `: `")?;
        let program = object.programs.last_mut().ok_or("code before any program")?;
        if index.parse() != Ok(program.insns.len()) {
            return Err(format!("instruction {index} where {} is due", program.insns.len()));
        }
        let (first, second) =
            insn_text::parse(code).ok_or_else(|| format!("unknown instruction `{code}`"))?;
        program.insns.extend([first].into_iter().chain(second));
        return Ok(());
    }
    let mut cursor = Cursor { rest: line };
    let item = cursor.word()?;
    let index: usize = cursor.number()?;
    let due = match item {
        "map" => object.maps.len(),
        "kfunc" => object.kfuncs.len(),
        "probe" => object.probes.len(),
        "loss" => object.losses.len(),
        "event" => object.events.len(),
        "image" => object.images.len(),
        "attachment" => object.attachments.len(),
        "program" => object.programs.len(),
        _ => return Err(format!("`{item}` is no part of an object")),
    };
    if index != due {
        return Err(format!("{item} {index} where {due} is due"));
    }
    let name = if matches!(item, "map" | "image" | "program") { cursor.string()? } else { String::new() };
    cursor.expect(":")?;
    match item {
        "map" => object.maps.push(cursor.map(name)?),
        "kfunc" => object.kfuncs.push(cursor.string()?),
        "probe" => object.probes.push(cursor.string()?),
        "loss" => object.losses.push(cursor.loss()?),
        "event" => object.events.push(cursor.event()?),
        "image" => object.images.push(cursor.image(name)?),
        "attachment" => object.attachments.push(cursor.attachment()?),
        _ => object.programs.push(cursor.program(name)?),
    }
    cursor.end()
}

/// What is left of a line.
struct Cursor<'a> {
    rest: &'a str,
}

impl<'a> Cursor<'a> {
    fn map(&mut self, name: String) -> Result<Map, String> {
        let kind = self.word()?;
        let kind =
            MAP_KINDS.iter().find(|(_, n)| *n == kind).ok_or_else(|| format!("no map is a `{kind}`"))?.0;
        let key_size = self.named("key")?;
        let value_size = self.named("value")?;
        let max_entries = self.named("entries")?;
        let role = match self.word()? {
            "script" => {
                let key = self.types(0)?;
                let value = match self.word()? {
                    "plain" => Value::Plain(self.value_type(0)?),
                    aggregate => Value::Aggregate(self.aggregate(aggregate)?),
                };
                MapRole::Script { key, value }
            }
            "events" => MapRole::Events,
            "lost" => MapRole::Lost,
            "stacks" => MapRole::Stacks { kernel: self.either("kernel", "user")?, frames: self.number()? },
            "scratch" => MapRole::Scratch,
            "private" => MapRole::Private,
            "constants" => MapRole::Constants { data: self.bytes()? },
            other => return Err(format!("`{other}` is no role of a map")),
        };
        Ok(Map { name, kind, key_size, value_size, max_entries, role })
    }

    fn aggregate(&mut self, name: &str) -> Result<Aggregate, String> {
        Ok(match name {
            "count" => Aggregate::Count,
            "hist" => Aggregate::Hist { bits: self.number()? },
            "lhist" => Aggregate::Lhist { min: self.number()?, max: self.number()?, step: self.number()? },
            "sum" => Aggregate::Sum { signed: self.either("signed", "unsigned")? },
            "avg" => Aggregate::Avg { signed: self.either("signed", "unsigned")? },
            "min" => Aggregate::Min { signed: self.either("signed", "unsigned")? },
            "max" => Aggregate::Max { signed: self.either("signed", "unsigned")? },
            "stats" => Aggregate::Stats { signed: self.either("signed", "unsigned")? },
            other => return Err(format!("`{other}` is no aggregation")),
        })
    }

    fn value_type(&mut self, depth: u32) -> Result<Type, String> {
        if depth > MAX_DEPTH {
            return Err(format!("types nested deeper than {MAX_DEPTH}"));
        }
        if self.rest.starts_with('(') {
            return Ok(Type::Tuple(self.types(depth)?));
        }
        if self.accept("{") {
            let fields = self.list("}", |cursor| {
                let name = cursor.string()?;
                cursor.expect(":")?;
                Ok((name, cursor.value_type(depth + 1)?))
            })?;
            return Ok(Type::Record(fields));
        }
        if self.accept("[") {
            let element = Box::new(self.value_type(depth + 1)?);
            self.expect(";")?;
            let count = self.number()?;
            self.expect("]")?;
            return Ok(Type::Array { element, count });
        }
        Ok(match self.word()? {
            "bool" => Type::Bool,
            "pointer" => Type::Pointer,
            "str" => Type::Str { size: self.number()? },
            "buf" => Type::Buf { size: self.number()? },
            "kstack" => Type::KernelStack { map: self.number()?, mode: self.mode()? },
            "ustack" => Type::UserStack { map: self.number()?, mode: self.mode()? },
            "ksym" => Type::KernelSymbol,
            "usym" => Type::UserSymbol,
            "time" => Type::Time { format: self.string()? },
            "probe" => Type::Probe,
            "username" => Type::Username,
            word => {
                let unknown = || format!("`{word}` is no type");
                let signed = word.starts_with('i');
                let bits = word.strip_prefix(['i', 'u']).ok_or_else(unknown)?;
                let bits: u32 = bits.parse().map_err(|_| unknown())?;
                let size =
                    u8::try_from(bits / 8).ok().filter(|_| bits.is_multiple_of(8)).ok_or_else(unknown)?;
                Type::Int { size, signed }
            }
        })
    }

    /// `(a, b)`.
    fn types(&mut self, depth: u32) -> Result<Vec<Type>, String> {
        self.expect("(")?;
        self.list(")", |cursor| cursor.value_type(depth + 1))
    }

    fn mode(&mut self) -> Result<StackMode, String> {
        let word = self.word()?;
        let mode = STACK_MODES.iter().find(|(_, name)| *name == word);
        mode.map(|(mode, _)| *mode).ok_or_else(|| format!("no stack is printed as `{word}`"))
    }

    fn loss(&mut self) -> Result<LossCause, String> {
        Ok(match self.word()? {
            "ring_full" => LossCause::RingFull,
            "map_full" => LossCause::MapFull { map: self.number()? },
            "contended" => LossCause::Contended { map: self.number()? },
            "stacks_full" => LossCause::StacksFull { map: self.number()? },
            "scratch_busy" => LossCause::ScratchBusy,
            other => return Err(format!("`{other}` is no cause of a loss")),
        })
    }

    fn event(&mut self) -> Result<Event, String> {
        let kind = match self.word()? {
            "printf" => EventKind::Printf { format: self.string()? },
            "print" => EventKind::PrintValue,
            "print_map" => EventKind::PrintMap {
                map: self.number()?,
                top: self.named("top")?,
                divisor: self.named("divisor")?,
            },
            "clear" => EventKind::Clear { map: self.number()? },
            "zero" => EventKind::Zero { map: self.number()? },
            "time" => EventKind::Time { format: self.string()? },
            "exit" => EventKind::Exit,
            "join" => EventKind::Join { separator: self.string()? },
            "cat" => EventKind::Cat { format: self.string()? },
            "system" => EventKind::System { format: self.string()? },
            other => return Err(format!("`{other}` is no event")),
        };
        Ok(Event { kind, fields: self.types(0)? })
    }

    fn image(&mut self, name: String) -> Result<Image, String> {
        let path = self.string()?;
        let mut pids = Vec::new();
        if !self.rest.is_empty() {
            pids.push(self.named("pids")?);
            while !self.rest.is_empty() {
                pids.push(self.number()?);
            }
        }
        Ok(Image { name, path, pids })
    }

    fn attachment(&mut self) -> Result<Attachment, String> {
        let program = self.named("program")?;
        let point = match self.word()? {
            "start" => Point::Start,
            "begin" => Point::Begin,
            "end" => Point::End,
            "interval" => Point::Interval { nanoseconds: self.number()? },
            kind @ ("uprobe" | "uretprobe") => Point::Uprobe {
                image: self.named("image")?,
                offset: self.named("offset")?,
                semaphore: self.named("semaphore")?,
                cookie: self.named("cookie")?,
                ret: kind == "uretprobe",
            },
            other => return Err(format!("`{other}` is no place to attach to")),
        };
        Ok(Attachment { program, point })
    }

    fn program(&mut self, name: String) -> Result<Program, String> {
        let kind = if self.either("uprobe", "run")? { ProgramKind::Uprobe } else { ProgramKind::Run };
        let sleepable = self.accept("sleepable");
        Ok(Program { name, kind, sleepable, insns: Vec::new(), lines: Vec::new() })
    }

    /// Items with commas between them up to `close`.
    fn list<T>(
        &mut self,
        close: &str,
        mut item: impl FnMut(&mut Self) -> Result<T, String>,
    ) -> Result<Vec<T>, String> {
        let mut items = Vec::new();
        if self.accept(close) {
            return Ok(items);
        }
        loop {
            items.push(item(self)?);
            if self.accept(close) {
                return Ok(items);
            }
            self.expect(",")?;
        }
    }

    /// A word and the number behind it.
    fn named<T: TryFrom<i128>>(&mut self, name: &str) -> Result<T, String> {
        let word = self.word()?;
        if word != name {
            return Err(format!("`{word}` where `{name}` is due"));
        }
        self.number()
    }

    /// Whether the next word is the first of two.
    fn either(&mut self, yes: &str, no: &str) -> Result<bool, String> {
        let word = self.word()?;
        if word == yes || word == no {
            Ok(word == yes)
        } else {
            Err(format!("`{word}` where `{yes}` or `{no}` is due"))
        }
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

    /// Decimal with an optional `-`, or hexadecimal.
    fn number<T: TryFrom<i128>>(&mut self) -> Result<T, String> {
        let negative = self.accept("-");
        let word = self.word()?;
        let value = match word.strip_prefix("0x") {
            Some(digits) => i128::from_str_radix(digits, 16),
            None => word.parse(),
        };
        let value: i128 = value.map_err(|_| format!("`{word}` is no number"))?;
        T::try_from(if negative { -value } else { value }).map_err(|_| format!("{word} is out of range"))
    }

    fn string(&mut self) -> Result<String, String> {
        String::from_utf8(self.bytes()?).map_err(|_| "a string that is not UTF-8".to_owned())
    }

    /// A string in quotes with the escapes of Rust's string and byte string literals.
    fn bytes(&mut self) -> Result<Vec<u8>, String> {
        self.expect_joined("\"")?;
        let mut bytes = Vec::new();
        let mut chars = self.rest.char_indices();
        let hex = |digits: &str| {
            u32::from_str_radix(digits, 16).map_err(|_| format!("`{digits}` is not hexadecimal"))
        };
        while let Some((at, c)) = chars.next() {
            let escaped = match c {
                '"' => {
                    self.rest = self.rest.get(at + 1..).unwrap_or("").trim_start();
                    return Ok(bytes);
                }
                '\\' => chars.next().map(|(_, c)| c).ok_or("a string ends in `\\`")?,
                _ => {
                    bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                    continue;
                }
            };
            match escaped {
                'n' => bytes.push(b'\n'),
                'r' => bytes.push(b'\r'),
                't' => bytes.push(b'\t'),
                '0' => bytes.push(0),
                '\\' | '"' | '\'' => bytes.push(escaped as u8),
                'x' => {
                    let digits: String = chars.by_ref().take(2).map(|(_, c)| c).collect();
                    bytes.push(hex(&digits)? as u8);
                }
                'u' => {
                    let digits: String =
                        chars.by_ref().map(|(_, c)| c).skip(1).take_while(|c| *c != '}').collect();
                    let c =
                        char::from_u32(hex(&digits)?).ok_or_else(|| format!("`{digits}` is no character"))?;
                    bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
                }
                other => return Err(format!("`\\{other}` is no escape")),
            }
        }
        Err("a string without its closing quote".to_owned())
    }

    fn accept(&mut self, text: &str) -> bool {
        match self.rest.strip_prefix(text) {
            Some(rest) => {
                self.rest = rest.trim_start();
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, text: &str) -> Result<(), String> {
        if self.accept(text) { Ok(()) } else { Err(format!("`{text}` is due at `{}`", self.rest)) }
    }

    /// As [`Cursor::expect`], but keeps blanks that follow.
    fn expect_joined(&mut self, text: &str) -> Result<(), String> {
        let rest =
            self.rest.strip_prefix(text).ok_or_else(|| format!("`{text}` is due at `{}`", self.rest))?;
        self.rest = rest;
        Ok(())
    }

    fn end(&self) -> Result<(), String> {
        if self.rest.is_empty() { Ok(()) } else { Err(format!("`{}` at the end of the line", self.rest)) }
    }
}
