//! x86_64 and i386, in AT&T syntax: `%rdi`, `$5`, `-4(%rbp)`, `8(%r12,%rax,4)`, `40+NAME@GOTOFF(%ebx)`.
//!
//! Registers have `%` and constants `$`, so a number or name without either is an address in memory.

use std::fmt;

use super::text::{Displacement, Number, Text, print_displacement, with_modifier};
use super::{ArgError, Operand, Register, RegisterClass, Spelling};

pub(super) fn parse(text: &mut Text<'_>, spelling: &mut Spelling) -> Result<Operand, ArgError> {
    if text.eat("$") {
        if !text.starts_number() {
            return Err(
                text.error("expected a number: the address of a symbol is not a constant of the note")
            );
        }
        let (value, style) = text.number()?;
        spelling.number = style;
        return Ok(Operand::Constant(value));
    }
    if text.rest().starts_with("%fs:") || text.rest().starts_with("%gs:") {
        return Err(text.error("memory relative to a segment register (thread-local) cannot be read"));
    }
    if text.peek() == Some(b'%') {
        return register(text, spelling).map(Operand::Register);
    }
    memory(text, spelling)
}

fn memory(text: &mut Text<'_>, spelling: &mut Spelling) -> Result<Operand, ArgError> {
    let Displacement { number, symbol } = match text.peek() {
        Some(b'(') => Displacement { number: 0, symbol: None },
        _ => text.displacement(spelling)?,
    };
    let (mut base, mut index) = (None, None);
    if text.eat("(") {
        if text.peek() == Some(b'%') {
            base = Some(address_register(text, spelling)?);
        }
        if text.eat(",") {
            let register = address_register(text, spelling)?;
            let mut scale = 1;
            if text.eat(",") {
                scale = match text.take_while(|b| b.is_ascii_digit()) {
                    "1" => 1,
                    "2" => 2,
                    "4" => 4,
                    "8" => 8,
                    _ => return Err(text.error("expected a scale of 1, 2, 4 or 8")),
                };
                spelling.scale_written = true;
            }
            index = Some((register, scale));
        }
        if base.is_none() && index.is_none() {
            return Err(text.error("expected a register"));
        }
        text.expect(")", "expected `)`")?;
    }
    Ok(Operand::Memory { base, index, displacement: number, symbol })
}

fn register(text: &mut Text<'_>, spelling: &Spelling) -> Result<Register, ArgError> {
    text.expect("%", "expected a register")?;
    let at = text.at();
    let mut register = text.register(spelling)?;
    if register.name == "st" && text.eat("(") {
        let number = text.take_while(|b| b.is_ascii_digit());
        text.expect(")", "expected `)`")?;
        register = Register::named(spelling.arch, &format!("st({number})"))
            .ok_or(ArgError { at, reason: super::UNKNOWN_REGISTER })?;
    }
    Ok(register)
}

/// A register that may be part of an address.
fn address_register(text: &mut Text<'_>, spelling: &Spelling) -> Result<Register, ArgError> {
    let at = text.at();
    let register = register(text, spelling)?;
    if register.class == RegisterClass::Float || register.bits < 32 {
        return Err(ArgError { at, reason: "the register cannot be part of an address" });
    }
    Ok(register)
}

pub(super) fn print(f: &mut fmt::Formatter<'_>, operand: &Operand, spelling: &Spelling) -> fmt::Result {
    match operand {
        Operand::Register(register) | Operand::RegisterPair(register, _) => write!(f, "%{}", register.name),
        Operand::Constant(value) => write!(f, "${}", Number(*value, spelling.number)),
        Operand::Memory { base, index, displacement, symbol } => {
            let bare = base.is_none() && index.is_none() && symbol.is_none();
            let spelling = Spelling { zero_written: spelling.zero_written || bare, ..*spelling };
            print_displacement(f, *displacement, with_modifier(symbol), &spelling)?;
            if base.is_none() && index.is_none() {
                return Ok(());
            }
            f.write_str("(")?;
            if let Some(base) = base {
                write!(f, "%{}", base.name)?;
            }
            if let Some((index, scale)) = index {
                write!(f, ",%{}", index.name)?;
                if *scale != 1 || spelling.scale_written {
                    write!(f, ",{scale}")?;
                }
            }
            f.write_str(")")
        }
    }
}
