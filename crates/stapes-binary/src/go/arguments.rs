//! The arguments of a function: `FUNCDATA_ArgInfo`, from which the runtime prints them in stack traces.
//!
//! The data is a sequence of parts, each with its offset in the area of arguments and its size, in brackets for what
//! has several (a string is `{0:8 8:8}`), and it survives stripping. It says nothing of types, and of registers only
//! what follows from the calling convention if no part is a floating-point number and none an array (those of several
//! elements are on the stack). Where the function checks the stack, the code that grows it says the rest (see
//! [`super::code`]): it saves every register that holds a part, so what it does not save is on the stack.
//! Where there is no such code, or it saves nothing because the function uses none of its arguments, all that is left
//! is the guess, and it is marked as one.
//! The dictionary of a generic function is not among the parts; it takes the first register.
//!
//! At most ten parts are there; the rest is an ellipsis.

use std::fmt;

use super::code::{ArgumentRegister, Code, Saved};
use super::functions::Function;
use crate::Arch;

/// The arguments of a function, the receiver first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arguments {
    /// One for each argument.
    pub list: Vec<Argument>,
    /// Whether there are more than the program says.
    pub more: bool,
}

/// An argument, or a part of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Argument {
    /// A number or a pointer.
    Part(Part),
    /// What has several parts: a string, a slice, an interface, a struct, an array, a complex number.
    /// Empty if it has none.
    Several {
        /// The parts.
        parts: Vec<Argument>,
        /// Whether there are more than the program says.
        more: bool,
    },
    /// A number or a pointer whose offset is not said because it is above 239.
    Far,
}

/// A part of an argument that fits a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its offset in the area of arguments, in bytes.
    pub offset: u32,
    /// Its size in bytes.
    pub size: u32,
    /// Where it is when the function starts.
    pub place: ArgumentPlace,
}

/// Where an argument is when its function starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArgumentPlace {
    /// In a register, as the function's own code says.
    Register(ArgumentRegister),
    /// In this register, if no argument up to here is a floating-point number or an array.
    Probably(ArgumentRegister),
    /// On the stack, so many bytes above the stack pointer at the function's entry.
    Stack(u32),
    /// Not known.
    Unknown,
}

/// The most bytes of the data (`TraceArgsMaxLen`).
pub(super) const MOST_BYTES: u64 = (5 * 3 + 2) * 10 + 1;
const END: u8 = 0xff;
const OPEN: u8 = 0xfe;
const CLOSE: u8 = 0xfd;
const MORE: u8 = 0xfc;
const FAR: u8 = 0xfb;
/// Values from here on are no offsets.
const SPECIAL: u8 = 0xf0;
/// Levels of brackets that Go writes, and one more.
const DEPTH: usize = 6;

/// The area of arguments begins above the return address, or the slot for it.
const ABOVE: u32 = 8;

impl Arguments {
    /// Decodes the data; `None` if it is of no form that Go writes.
    pub(super) fn read(bytes: &[u8], arch: Arch, function: &Function<'_>, code: &Code) -> Option<Arguments> {
        let mut rest = bytes.iter();
        let (list, more) = several(&mut rest, END, 0)?;
        let mut arguments = Arguments { list, more };
        arguments.place(arch, function, code);
        Some(arguments)
    }

    /// Every part of every argument.
    pub fn parts(&self) -> Vec<Part> {
        let mut parts = Vec::new();
        for argument in &self.list {
            argument.collect(&mut parts);
        }
        parts
    }

    fn place(&mut self, arch: Arch, function: &Function<'_>, code: &Code) {
        let saved = |offset: u32| code.saved.iter().find(|s: &&Saved| s.offset == offset).map(|s| s.register);
        let mut by_convention = Convention::new(arch, function.name.contains('['));
        for argument in &mut self.list {
            let registers = by_convention.take(argument);
            let mut next = registers.map(Range::new);
            argument.each(&mut |part| {
                let guess = next.as_mut().and_then(Range::take);
                part.place = match saved(part.offset) {
                    _ if function.assembly => ArgumentPlace::Stack(part.offset + ABOVE),
                    Some(register) => ArgumentPlace::Register(register),
                    None if !code.saved.is_empty() => ArgumentPlace::Stack(part.offset + ABOVE),
                    None => guess.map_or(ArgumentPlace::Unknown, ArgumentPlace::Probably),
                };
            });
        }
    }
}

/// The calling convention for integers: an argument is in registers if all its parts fit, else on the stack.
struct Convention {
    next: u8,
    last: u8,
    /// Where the next argument's slot should be if all so far were in registers; `None` after one that was not.
    offset: Option<u32>,
}

impl Convention {
    fn new(arch: Arch, generic: bool) -> Convention {
        let first = u8::from(generic);
        Convention { next: first, last: ArgumentRegister::integers(arch), offset: Some(8 * u32::from(first)) }
    }

    /// The first register of an argument, if it is in registers.
    fn take(&mut self, argument: &Argument) -> Option<u8> {
        let mut parts = Vec::new();
        argument.collect(&mut parts);
        let complete = argument.is_complete();
        let expected = self.offset.take()?;
        let last = match parts.as_slice() {
            [] => {
                self.offset = complete.then_some(expected);
                return None;
            }
            [first, .., last] | [first @ last] => {
                // Slots follow one another, each aligned; an argument on the stack breaks the order.
                if !complete || first.offset < expected || first.offset - expected >= 8 {
                    return None;
                }
                last
            }
        };
        let count = u8::try_from(parts.len()).ok()?;
        let from = self.next;
        if from + count > self.last {
            return None;
        }
        self.next += count;
        self.offset = Some(last.offset + last.size);
        Some(from)
    }
}

struct Range {
    next: u8,
}

impl Range {
    fn new(next: u8) -> Range {
        Range { next }
    }

    fn take(&mut self) -> Option<ArgumentRegister> {
        self.next += 1;
        Some(ArgumentRegister::Integer(self.next - 1))
    }
}

impl Argument {
    fn each(&mut self, f: &mut dyn FnMut(&mut Part)) {
        match self {
            Argument::Part(part) => f(part),
            Argument::Several { parts, .. } => parts.iter_mut().for_each(|p| p.each(f)),
            Argument::Far => {}
        }
    }

    fn collect(&self, into: &mut Vec<Part>) {
        match self {
            Argument::Part(part) => into.push(*part),
            Argument::Several { parts, .. } => parts.iter().for_each(|p| p.collect(into)),
            Argument::Far => {}
        }
    }

    fn is_complete(&self) -> bool {
        match self {
            Argument::Part(_) => true,
            Argument::Several { parts, more } => !more && parts.iter().all(Argument::is_complete),
            Argument::Far => false,
        }
    }
}

/// Reads up to the byte that ends the sequence.
fn several(rest: &mut std::slice::Iter<'_, u8>, end: u8, depth: usize) -> Option<(Vec<Argument>, bool)> {
    let mut list = Vec::new();
    let mut more = false;
    if depth > DEPTH {
        return None;
    }
    loop {
        list.push(match *rest.next()? {
            byte if byte == end => return Some((list, more)),
            OPEN => {
                let (parts, more) = several(rest, CLOSE, depth + 1)?;
                Argument::Several { parts, more }
            }
            MORE => {
                more = true;
                continue;
            }
            FAR => Argument::Far,
            offset if offset < SPECIAL => Argument::Part(Part {
                offset: offset.into(),
                size: u32::from(*rest.next()?),
                place: ArgumentPlace::Unknown,
            }),
            _ => return None,
        });
    }
}

impl fmt::Display for Arguments {
    /// `0:8{8:8 16:8}…`: offset and size of each part.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_all(f, &self.list, self.more)
    }
}

fn write_all(f: &mut fmt::Formatter<'_>, list: &[Argument], more: bool) -> fmt::Result {
    for (i, argument) in list.iter().enumerate() {
        if i > 0 {
            f.write_str(" ")?;
        }
        match argument {
            Argument::Part(part) => write!(f, "{}:{}", part.offset, part.size)?,
            Argument::Several { parts, more } => {
                f.write_str("{")?;
                write_all(f, parts, *more)?;
                f.write_str("}")?;
            }
            Argument::Far => f.write_str("_")?,
        }
    }
    match (more, list.is_empty()) {
        (true, false) => f.write_str(" ..."),
        (true, true) => f.write_str("..."),
        (false, _) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Option<String> {
        let mut rest = bytes.iter();
        several(&mut rest, END, 0).map(|(list, more)| Arguments { list, more }.to_string())
    }

    #[test]
    fn the_sequence_is_that_of_the_runtime() {
        // As `printArgs` of runtime/traceback.go reads them.
        assert_eq!(read(&[0, 8, OPEN, 8, 8, 16, 8, CLOSE, END]).as_deref(), Some("0:8 {8:8 16:8}"));
        assert_eq!(read(&[OPEN, CLOSE, FAR, MORE, END]).as_deref(), Some("{} _ ..."));
        assert_eq!(read(&[OPEN, MORE, CLOSE, END]).as_deref(), Some("{...}"));
        assert_eq!(read(&[END]).as_deref(), Some(""));
        for broken in [&[0u8, 8][..], &[0], &[OPEN, END], &[0xf5, 8, END], &[OPEN; 64], &[]] {
            assert_eq!(read(broken), None, "{broken:x?}");
        }
    }
}
