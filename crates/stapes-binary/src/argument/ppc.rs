//! ppc64le: `3` is a *register*, `i1` a constant, `0(9)` memory, `9,10` memory at the sum of two registers.
//!
//! Registers may also be written `r3` or `%r3`.

use std::fmt;

use super::text::{Displacement, Number, Text, print_displacement, with_modifier};
use super::{ArgError, Operand, Register, RegisterClass, Spelling};

pub(super) fn parse(text: &mut Text<'_>, spelling: &mut Spelling) -> Result<Operand, ArgError> {
    if text.eat("i") {
        let (value, style) = text.number()?;
        spelling.number = style;
        return Ok(Operand::Constant(value));
    }
    // A name or number is a register unless something in parentheses follows it.
    let rest = text.rest();
    if rest.contains('(') {
        return with_displacement(text, spelling);
    }
    spelling.percent = text.peek() == Some(b'%');
    let first = register(text, spelling)?;
    if !text.eat(",") {
        return Ok(Operand::Register(first));
    }
    let second = register(text, spelling)?;
    for register in [&first, &second] {
        if register.class != RegisterClass::General {
            return Err(text.error("the register cannot be part of an address"));
        }
    }
    if first.number == 0 {
        return Err(text.error("register 0 as a base reads as zero"));
    }
    Ok(Operand::Memory { base: Some(first), index: Some((second, 1)), displacement: 0, symbol: None })
}

fn with_displacement(text: &mut Text<'_>, spelling: &mut Spelling) -> Result<Operand, ArgError> {
    let Displacement { number, symbol } = match text.peek() {
        Some(b'(') => Displacement { number: 0, symbol: None },
        _ => text.displacement(spelling)?,
    };
    text.expect("(", "expected `(`")?;
    spelling.percent = text.peek() == Some(b'%');
    let base = register(text, spelling)?;
    if base.class != RegisterClass::General {
        return Err(text.error("the register cannot be part of an address"));
    }
    if base.number == 0 {
        return Err(text.error("register 0 as a base reads as zero"));
    }
    text.expect(")", "expected `)`")?;
    Ok(Operand::Memory { base: Some(base), index: None, displacement: number, symbol })
}

fn register(text: &mut Text<'_>, spelling: &Spelling) -> Result<Register, ArgError> {
    if spelling.percent {
        text.expect("%", "expected `%` as at the first register")?;
    }
    text.register(spelling)
}

pub(super) fn print(f: &mut fmt::Formatter<'_>, operand: &Operand, spelling: &Spelling) -> fmt::Result {
    let percent = if spelling.percent { "%" } else { "" };
    match operand {
        Operand::Register(register) | Operand::RegisterPair(register, _) => {
            write!(f, "{percent}{}", register.name)
        }
        Operand::Constant(value) => write!(f, "i{}", Number(*value, spelling.number)),
        Operand::Memory { base, index: Some((index, _)), .. } => {
            write!(f, "{percent}{},{percent}{}", base.map_or("0", |b| b.name), index.name)
        }
        Operand::Memory { base, displacement, symbol, .. } => {
            print_displacement(f, *displacement, with_modifier(symbol), spelling)?;
            write!(f, "({percent}{})", base.map_or("0", |b| b.name))
        }
    }
}
