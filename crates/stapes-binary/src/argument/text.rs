//! What the grammars share: a position in the text, numbers, symbols, and sums of both.

use std::fmt;

use super::{ArgError, NumberStyle, Register, Spelling, SymbolRef, UNKNOWN_REGISTER, registers};

/// The text of one argument and how far it was read.
pub(super) struct Text<'t> {
    text: &'t str,
    at: usize,
}

/// A displacement: a number, a symbol, or their sum.
pub(super) struct Displacement {
    pub(super) number: i64,
    pub(super) symbol: Option<SymbolRef>,
}

impl<'t> Text<'t> {
    pub(super) fn new(text: &'t str) -> Text<'t> {
        Text { text, at: 0 }
    }

    pub(super) fn at(&self) -> usize {
        self.at
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest().is_empty()
    }

    pub(super) fn peek(&self) -> Option<u8> {
        self.rest().as_bytes().first().copied()
    }

    pub(super) fn eat(&mut self, token: &str) -> bool {
        let found = self.rest().starts_with(token);
        if found {
            self.at += token.len();
        }
        found
    }

    pub(super) fn expect(&mut self, token: &str, reason: &'static str) -> Result<(), ArgError> {
        if self.eat(token) { Ok(()) } else { Err(self.error(reason)) }
    }

    pub(super) fn error(&self, reason: &'static str) -> ArgError {
        ArgError { at: self.at, reason }
    }

    /// Takes the ASCII bytes that `wanted` accepts.
    pub(super) fn take_while(&mut self, wanted: impl Fn(u8) -> bool) -> &'t str {
        let rest = self.rest();
        let end = rest.bytes().position(|b| !b.is_ascii() || !wanted(b)).unwrap_or(rest.len());
        self.at += end;
        &rest[..end]
    }

    /// Spaces, counted.
    pub(super) fn gap(&mut self) -> Result<u8, ArgError> {
        let spaces = self.take_while(|b| b == b' ').len();
        u8::try_from(spaces).map_err(|_| self.error("too many spaces"))
    }

    /// A register's name, without any `%`.
    pub(super) fn register(&mut self, spelling: &Spelling) -> Result<Register, ArgError> {
        let start = self.at;
        let name = self.take_while(|b| b.is_ascii_alphanumeric());
        registers::find(spelling.arch, name).ok_or(ArgError { at: start, reason: UNKNOWN_REGISTER })
    }

    pub(super) fn starts_number(&self) -> bool {
        let rest = self.rest().as_bytes();
        rest.strip_prefix(b"-").unwrap_or(rest).first().is_some_and(u8::is_ascii_digit)
    }

    /// A decimal or hexadecimal number. Leading zeros are refused: assemblers read them as octal, tracers do not.
    pub(super) fn number(&mut self) -> Result<(i64, NumberStyle), ArgError> {
        let start = self.at;
        let wrong = |reason| Err(ArgError { at: start, reason });
        let negative = self.eat("-");
        let (magnitude, hex) = if self.eat("0x") {
            let digits = self.take_while(|b| b.is_ascii_hexdigit());
            let upper = digits.bytes().any(|b| b.is_ascii_uppercase());
            if upper && digits.bytes().any(|b| b.is_ascii_lowercase()) {
                return wrong("a hexadecimal number in mixed case");
            }
            let Ok(count) = u8::try_from(digits.len()) else { return wrong("the number is too long") };
            let hex = NumberStyle::Hex { digits: count, upper, negative };
            (u64::from_str_radix(digits, 16), Some(hex))
        } else {
            let digits = self.take_while(|b| b.is_ascii_digit());
            if digits.len() > 1 && digits.starts_with('0') {
                return wrong("a number with leading zeros is octal or decimal, depending on who reads it");
            }
            (digits.parse(), None)
        };
        let Ok(magnitude) = magnitude else { return wrong("expected a number of at most 64 bits") };
        if negative {
            if magnitude == 0 || magnitude > 1 << 63 {
                return wrong("expected a number of at most 64 bits");
            }
            let value = (magnitude as i64).wrapping_neg();
            return Ok((value, hex.unwrap_or(NumberStyle::Decimal)));
        }
        let decimal = if magnitude > i64::MAX as u64 { NumberStyle::Unsigned } else { NumberStyle::Decimal };
        Ok((magnitude as i64, hex.unwrap_or(decimal)))
    }

    /// A number, a symbol, `8+symbol`, `symbol+8` or `symbol-8`; a symbol may have a `@MODIFIER`.
    pub(super) fn displacement(&mut self, spelling: &mut Spelling) -> Result<Displacement, ArgError> {
        if self.starts_number() {
            let (number, style) = self.number()?;
            spelling.number = style;
            spelling.zero_written = true;
            let symbol = if self.eat("+") { Some(self.symbol()?) } else { None };
            return Ok(Displacement { number, symbol });
        }
        let symbol = self.symbol()?;
        spelling.symbol_first = true;
        let mut number = 0;
        let sign = self.peek();
        if sign == Some(b'+') || sign == Some(b'-') {
            if sign == Some(b'+') {
                self.at += 1;
                if !self.peek().is_some_and(|b| b.is_ascii_digit()) {
                    return Err(self.error("expected a number"));
                }
            }
            (number, spelling.number) = self.number()?;
            spelling.zero_written = true;
        }
        Ok(Displacement { number, symbol: Some(symbol) })
    }

    fn symbol(&mut self) -> Result<SymbolRef, ArgError> {
        let in_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'$');
        if self.peek().is_some_and(|b| b.is_ascii_digit()) {
            return Err(self.error("expected a symbol"));
        }
        let name = self.take_while(in_name).to_owned();
        if name.is_empty() {
            return Err(self.error("expected a register, a number or a symbol"));
        }
        let modifier = if self.eat("@") {
            let modifier = self.take_while(|b| in_name(b) || b == b'@').to_owned();
            if modifier.is_empty() {
                return Err(self.error("expected a relocation operator"));
            }
            Some(modifier)
        } else {
            None
        };
        Ok(SymbolRef { name, modifier, address: None })
    }

    pub(super) fn rest(&self) -> &'t str {
        &self.text[self.at..]
    }
}

/// A number in its spelling.
pub(super) struct Number(pub(super) i64, pub(super) NumberStyle);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Number(value, style) = *self;
        match style {
            NumberStyle::Decimal => write!(f, "{value}"),
            NumberStyle::Unsigned => write!(f, "{}", value as u64),
            NumberStyle::Hex { digits, upper, negative } => {
                let (sign, magnitude) =
                    if negative { ("-", value.wrapping_neg() as u64) } else { ("", value as u64) };
                let width = usize::from(digits);
                if upper {
                    write!(f, "{sign}0x{magnitude:0width$X}")
                } else {
                    write!(f, "{sign}0x{magnitude:0width$x}")
                }
            }
        }
    }
}

/// A displacement in its spelling; nothing where it is zero and was not written.
///
/// A symbol's modifier is printed behind `@`; grammars that put it elsewhere pass a symbol without one.
pub(super) fn print_displacement(
    f: &mut fmt::Formatter<'_>,
    number: i64,
    symbol: Option<(&str, Option<&str>)>,
    spelling: &Spelling,
) -> fmt::Result {
    let written = number != 0 || spelling.zero_written;
    let number_text = Number(number, spelling.number);
    let Some((name, modifier)) = symbol else {
        return if written { write!(f, "{number_text}") } else { Ok(()) };
    };
    if written && !spelling.symbol_first {
        write!(f, "{number_text}+")?;
    }
    f.write_str(name)?;
    if let Some(modifier) = modifier {
        write!(f, "@{modifier}")?;
    }
    if written && spelling.symbol_first {
        let text = number_text.to_string();
        write!(f, "{}{text}", if text.starts_with('-') { "" } else { "+" })?;
    }
    Ok(())
}

/// A symbol as [`print_displacement`] takes it, modifier included.
pub(super) fn with_modifier(symbol: &Option<SymbolRef>) -> Option<(&str, Option<&str>)> {
    symbol.as_ref().map(|s| (s.name.as_str(), s.modifier.as_deref()))
}
