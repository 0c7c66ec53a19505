//! C's types, as far as probes pass them: what a declaration such as `const char *name` says.
//!
//! Sizes are those of the LP64 model, which Linux has on every 64-bit architecture.

use crate::Kind;

/// What the words of a type without its stars say; `None` for a type that is not C's own nor one of POSIX's.
///
/// `words` are without `const`, `volatile` and `restrict`.
pub fn base(words: &[&str]) -> Option<Kind> {
    if let [word] = words {
        if let Some(kind) = named(word) {
            return Some(kind);
        }
    }
    let has = |word: &str| words.contains(&word);
    let known = ["signed", "unsigned", "char", "short", "int", "long"];
    if words.is_empty() || !words.iter().all(|word| known.contains(word)) {
        return (words == ["long", "double"]).then_some(Kind::Unknown);
    }
    let size = match () {
        () if has("char") => 1,
        () if has("short") => 2,
        () if has("long") => 8,
        () => 4,
    };
    Some(match (has("unsigned"), has("signed"), size) {
        (false, false, 1) => Kind::CChar,
        (true, ..) => Kind::Unsigned(size),
        (false, ..) => Kind::Signed(size),
    })
}

/// Types of one word, of C, `stdint.h`, `sys/types.h` and D.
fn named(word: &str) -> Option<Kind> {
    Some(match word {
        "_Bool" | "bool" | "boolean_t" => Kind::Bool,
        "float" => Kind::Float(4),
        "double" => Kind::Float(8),
        "string" => Kind::CString,
        "int8_t" => Kind::Signed(1),
        "int16_t" => Kind::Signed(2),
        "int32_t" | "pid_t" | "wchar_t" | "clockid_t" => Kind::Signed(4),
        "int64_t" | "intptr_t" | "intmax_t" | "ssize_t" | "ptrdiff_t" | "off_t" | "time_t" | "clock_t" => {
            Kind::Signed(8)
        }
        "uint8_t" | "u_int8_t" | "uchar_t" | "u_char" => Kind::Unsigned(1),
        "uint16_t" | "u_int16_t" | "ushort_t" | "u_short" | "ushort" => Kind::Unsigned(2),
        "uint32_t" | "u_int32_t" | "uint_t" | "u_int" | "uint" | "uid_t" | "gid_t" | "id_t" | "mode_t" => {
            Kind::Unsigned(4)
        }
        "uint64_t" | "u_int64_t" | "uintptr_t" | "uintmax_t" | "size_t" | "ulong_t" | "u_long" | "ulong"
        | "ino_t" | "dev_t" | "hrtime_t" => Kind::Unsigned(8),
        _ => return None,
    })
}

/// What a pointer to something is, with so many stars.
pub fn pointer(to: Option<&Kind>, stars: usize) -> Kind {
    match (to, stars) {
        (Some(Kind::CChar), 1) => Kind::CString,
        _ => Kind::Pointer,
    }
}
