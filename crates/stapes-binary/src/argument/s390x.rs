//! s390x: `%r3`, `188(%r15)`, `0(%r1,%r2)` (index, then base), `sym`, and `1` for a constant.

use std::fmt;

use super::text::{Displacement, Number, Text, print_displacement, with_modifier};
use super::{ArgError, Operand, Register, RegisterClass, Spelling};

pub(super) fn parse(text: &mut Text<'_>, spelling: &mut Spelling) -> Result<Operand, ArgError> {
    if text.eat("%") {
        return text.register(spelling).map(Operand::Register);
    }
    let Displacement { number, symbol } = match text.peek() {
        Some(b'(') => Displacement { number: 0, symbol: None },
        _ => text.displacement(spelling)?,
    };
    if !text.eat("(") {
        return Ok(match symbol {
            None => Operand::Constant(number),
            symbol => Operand::Memory { base: None, index: None, displacement: number, symbol },
        });
    }
    let first = address_register(text, spelling)?;
    let (base, index) =
        if text.eat(",") { (address_register(text, spelling)?, Some((first, 1))) } else { (first, None) };
    text.expect(")", "expected `)`")?;
    Ok(Operand::Memory { base: Some(base), index, displacement: number, symbol })
}

fn address_register(text: &mut Text<'_>, spelling: &Spelling) -> Result<Register, ArgError> {
    text.expect("%", "expected a register")?;
    let at = text.at();
    let register = text.register(spelling)?;
    if register.class != RegisterClass::General {
        return Err(ArgError { at, reason: "the register cannot be part of an address" });
    }
    if register.number == 0 {
        return Err(ArgError { at, reason: "register 0 as a base or index reads as zero" });
    }
    Ok(register)
}

pub(super) fn print(f: &mut fmt::Formatter<'_>, operand: &Operand, spelling: &Spelling) -> fmt::Result {
    match operand {
        Operand::Register(register) | Operand::RegisterPair(register, _) => write!(f, "%{}", register.name),
        Operand::Constant(value) => write!(f, "{}", Number(*value, spelling.number)),
        Operand::Memory { base, index, displacement, symbol } => {
            print_displacement(f, *displacement, with_modifier(symbol), spelling)?;
            match (base, index) {
                (None, None) => Ok(()),
                (Some(base), Some((index, _))) => write!(f, "(%{},%{})", index.name, base.name),
                (Some(register), None) | (None, Some((register, _))) => write!(f, "(%{})", register.name),
            }
        }
    }
}
