//! aarch64 and arm: `x5`, `fp`, `[x0]`, `[x0, 60]`, `[r3, #44]`, `[x1, x2, lsl 3]`, `[x0, #:lo12:.LANCHOR0]`, `#1`.
//!
//! Brackets contain spaces. Registers have no mark, so a name that stands alone is a register.

use std::fmt;

use super::text::{Number, Text, print_displacement};
use super::{ArgError, Operand, Register, RegisterClass, Spelling};
use crate::Arch;

pub(super) fn parse(text: &mut Text<'_>, spelling: &mut Spelling) -> Result<Operand, ArgError> {
    if text.eat("[") {
        return memory(text, spelling);
    }
    spelling.hash = text.eat("#");
    if spelling.hash || text.starts_number() {
        let (value, style) = text.number()?;
        spelling.number = style;
        return Ok(Operand::Constant(value));
    }
    text.register(spelling).map(Operand::Register)
}

/// What follows `[`.
fn memory(text: &mut Text<'_>, spelling: &mut Spelling) -> Result<Operand, ArgError> {
    let base = Some(address_register(text, spelling)?);
    let (mut index, mut displacement, mut symbol) = (None, 0, None);
    if text.eat(",") {
        spelling.gaps[0] = text.gap()?;
        spelling.hash = text.eat("#");
        if text.eat(":") {
            let modifier = text.take_while(|b| b.is_ascii_alphanumeric() || b == b'_').to_owned();
            text.expect(":", "expected `:` behind the relocation operator")?;
            let sum = text.displacement(spelling)?;
            displacement = sum.number;
            symbol = sum.symbol;
            match &mut symbol {
                Some(symbol) if symbol.modifier.is_none() => symbol.modifier = Some(modifier),
                _ => return Err(text.error("expected a symbol behind the relocation operator")),
            }
        } else if spelling.hash || text.starts_number() {
            (displacement, spelling.number) = text.number()?;
            spelling.zero_written = true;
        } else {
            let register = address_register(text, spelling)?;
            index = Some((register, scale(text, spelling)?));
        }
    }
    text.expect("]", "expected `]`")?;
    Ok(Operand::Memory { base, index, displacement, symbol })
}

/// `, lsl 3` behind an index register, as the factor that it means.
fn scale(text: &mut Text<'_>, spelling: &mut Spelling) -> Result<u8, ArgError> {
    if !text.eat(",") {
        return Ok(1);
    }
    spelling.scale_written = true;
    spelling.gaps[1] = text.gap()?;
    text.expect("lsl", "expected `lsl`: other shifts and extensions of an index are not known in notes")?;
    spelling.gaps[2] = text.gap()?;
    spelling.hash = text.eat("#");
    match text.take_while(|b| b.is_ascii_digit()) {
        "0" => Ok(1),
        "1" => Ok(2),
        "2" => Ok(4),
        "3" => Ok(8),
        _ => Err(text.error("expected a shift of 0 to 3")),
    }
}

fn address_register(text: &mut Text<'_>, spelling: &Spelling) -> Result<Register, ArgError> {
    let at = text.at();
    let register = text.register(spelling)?;
    let whole = if spelling.arch == Arch::Arm { 32 } else { 64 };
    if register.class == RegisterClass::Float || register.bits != whole {
        return Err(ArgError { at, reason: "the register cannot be part of an address" });
    }
    Ok(register)
}

pub(super) fn print(f: &mut fmt::Formatter<'_>, operand: &Operand, spelling: &Spelling) -> fmt::Result {
    let hash = if spelling.hash { "#" } else { "" };
    let gap = |f: &mut fmt::Formatter<'_>, i: usize| write!(f, "{:1$}", "", usize::from(spelling.gaps[i]));
    match operand {
        Operand::Register(register) | Operand::RegisterPair(register, _) => f.write_str(register.name),
        Operand::Constant(value) => write!(f, "{hash}{}", Number(*value, spelling.number)),
        Operand::Memory { base, index, displacement, symbol } => {
            write!(f, "[{}", base.map_or("", |b| b.name))?;
            if let Some((index, scale)) = index {
                f.write_str(",")?;
                gap(f, 0)?;
                f.write_str(index.name)?;
                if *scale != 1 || spelling.scale_written {
                    f.write_str(",")?;
                    gap(f, 1)?;
                    f.write_str("lsl")?;
                    gap(f, 2)?;
                    write!(f, "{hash}{}", scale.trailing_zeros())?;
                }
            } else if let Some(symbol) = symbol {
                f.write_str(",")?;
                gap(f, 0)?;
                write!(f, "{hash}:{}:", symbol.modifier.as_deref().unwrap_or("lo12"))?;
                print_displacement(f, *displacement, Some((&symbol.name, None)), spelling)?;
            } else if *displacement != 0 || spelling.zero_written {
                f.write_str(",")?;
                gap(f, 0)?;
                write!(f, "{hash}{}", Number(*displacement, spelling.number))?;
            }
            f.write_str("]")
        }
    }
}
