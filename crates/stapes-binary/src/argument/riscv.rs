//! riscv64: `a5`, `x15`, `fp`, `32(s0)`, `%lo(sym)(a5)`, and `1` for a constant.

use std::fmt;

use super::text::{Displacement, Number, Text, print_displacement};
use super::{ArgError, Operand, RegisterClass, Spelling};

pub(super) fn parse(text: &mut Text<'_>, spelling: &mut Spelling) -> Result<Operand, ArgError> {
    let Displacement { number, symbol } = if text.eat("%") {
        let modifier = text.take_while(|b| b.is_ascii_alphanumeric() || b == b'_').to_owned();
        text.expect("(", "expected `(` behind the relocation operator")?;
        let mut sum = text.displacement(spelling)?;
        match &mut sum.symbol {
            Some(symbol) if symbol.modifier.is_none() => symbol.modifier = Some(modifier),
            _ => return Err(text.error("expected a symbol in the relocation operator")),
        }
        text.expect(")", "expected `)`")?;
        sum
    } else if text.starts_number() {
        let (number, style) = text.number()?;
        spelling.number = style;
        if text.is_empty() {
            return Ok(Operand::Constant(number));
        }
        spelling.zero_written = true;
        Displacement { number, symbol: None }
    } else if text.peek() == Some(b'(') {
        Displacement { number: 0, symbol: None }
    } else {
        return text.register(spelling).map(Operand::Register);
    };
    text.expect("(", "expected `(`")?;
    let at = text.at();
    let base = text.register(spelling)?;
    if base.class != RegisterClass::General {
        return Err(ArgError { at, reason: "the register cannot be part of an address" });
    }
    text.expect(")", "expected `)`")?;
    Ok(Operand::Memory { base: Some(base), index: None, displacement: number, symbol })
}

pub(super) fn print(f: &mut fmt::Formatter<'_>, operand: &Operand, spelling: &Spelling) -> fmt::Result {
    match operand {
        Operand::Register(register) | Operand::RegisterPair(register, _) => f.write_str(register.name),
        Operand::Constant(value) => write!(f, "{}", Number(*value, spelling.number)),
        Operand::Memory { base, displacement, symbol, .. } => {
            match symbol {
                Some(symbol) => {
                    write!(f, "%{}(", symbol.modifier.as_deref().unwrap_or("lo"))?;
                    print_displacement(f, *displacement, Some((&symbol.name, None)), spelling)?;
                    f.write_str(")")?;
                }
                None => print_displacement(f, *displacement, None, spelling)?,
            }
            write!(f, "({})", base.map_or("zero", |b| b.name))
        }
    }
}
