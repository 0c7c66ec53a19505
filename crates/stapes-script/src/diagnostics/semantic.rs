//! Diagnostics of the meaning of scripts: names, types, contexts, limits.

use stapes_bpf::Type;

use super::Diagnostic;
use crate::ast::Span;

fn error(slug: &'static str, span: Span, message: impl Into<String>) -> Diagnostic {
    Diagnostic::error(slug, span, message)
}

fn warning(slug: &'static str, span: Span, message: impl Into<String>) -> Diagnostic {
    Diagnostic::warning(slug, span, message)
}

/// A part of the language that this version does not have.
pub fn not_supported(span: Span, what: &str) -> Diagnostic {
    error("not-supported-yet", span, format!("not supported yet: {what}"))
}

/// A probe of the kernel's own functions, which stapes is not for.
pub fn kernel_probe(span: Span, kind: &str) -> Diagnostic {
    error(
        "kernel-probe",
        span,
        format!("`{kind}` probes kernel functions; stapes traces user-space programs"),
    )
    .help("bpftrace traces the kernel with the same language")
}

/// The files or processes that an attach point names could not be searched.
pub fn search_failed(span: Span, spec: &str, reason: &str) -> Diagnostic {
    error("probe-search-failed", span, format!("cannot search for `{spec}`: {reason}"))
}

/// A site that no loaded part of the file holds.
pub fn unmapped_site(span: Span, probe: &str, pc: u64) -> Diagnostic {
    warning(
        "unmapped-site",
        span,
        format!("`{probe}` has a site at {pc:#x} that no segment of the file holds; it is left out"),
    )
    .help("`stapes validate` says more about the file")
}

/// More places to attach to than the limit.
pub fn too_many_probes(span: Span, count: usize, limit: u32) -> Diagnostic {
    error("too-many-probes", span, format!("the script attaches to {count} places, the limit is {limit}"))
        .help("narrow the wildcard, or raise `max_probes`")
}

/// A block that uses more maps than the kernel lets one program use.
pub fn too_many_maps(span: Span, count: usize, limit: usize) -> Diagnostic {
    error("too-many-maps", span, format!("this block uses {count} maps, the kernel's limit is {limit}"))
        .help("use one map with keys for several, or split the block into several for the same probe")
}

/// Something that the kernel in use does not offer.
pub fn kernel_too_old(span: Span, what: &str, version: &str) -> Diagnostic {
    error("kernel-too-old", span, format!("{what} needs Linux {version} or newer"))
}

/// A script without probes.
pub fn no_probes(span: Span) -> Diagnostic {
    error("no-probes", span, "the script has no probes").help("for example: BEGIN { printf(\"hello\\n\"); }")
}

/// A variable that was not assigned in a block around.
pub fn undefined_variable<'a>(span: Span, name: &str, known: impl Iterator<Item = &'a str>) -> Diagnostic {
    let d = error("undefined-variable", span, format!("`${name}` is not defined here"));
    d.did_you_mean(&format!("${name}"), known).help(format!(
        "a variable lives in the block that first assigns it; `let ${name};` before makes it live longer"
    ))
}

/// A map that is read and never assigned.
pub fn undefined_map<'a>(span: Span, name: &str, known: impl Iterator<Item = &'a str>) -> Diagnostic {
    error("undefined-map", span, format!("`{name}` is never assigned")).did_you_mean(name, known)
}

/// A bare name that is no builtin.
pub fn unknown_builtin<'a>(span: Span, name: &str, known: impl Iterator<Item = &'a str>) -> Diagnostic {
    error("unknown-builtin", span, format!("unknown builtin `{name}`")).did_you_mean(name, known)
}

/// A function that does not exist.
pub fn unknown_function<'a>(span: Span, name: &str, known: impl Iterator<Item = &'a str>) -> Diagnostic {
    error("unknown-function", span, format!("unknown function `{name}`")).did_you_mean(name, known)
}

/// A function's name without parentheses.
pub fn not_called(span: Span, name: &str) -> Diagnostic {
    error("unknown-builtin", span, format!("unknown builtin `{name}`"))
        .help(format!("`{name}` is a function, which is called with parentheses: `{name}(…)`"))
}

/// Too few or too many arguments of a function.
pub fn argument_count(span: Span, function: &str, given: usize, least: usize, most: usize) -> Diagnostic {
    let wanted = match (least, most) {
        (l, m) if l == m => format!("{l}"),
        (l, usize::MAX) => format!("at least {l}"),
        (l, m) => format!("{l} to {m}"),
    };
    let noun = if wanted == "1" || wanted == "at least 1" { "argument" } else { "arguments" };
    error("argument-count", span, format!("{function}() takes {wanted} {noun}, {given} given"))
}

/// An argument of a function of the wrong type.
pub fn argument_type(span: Span, function: &str, wanted: &str, found: &str) -> Diagnostic {
    error("argument-type", span, format!("{function}() wants {wanted} here"))
        .label(format!("this is {found}"))
}

/// An argument that must be known when the script is compiled.
pub fn not_constant(span: Span, what: &str) -> Diagnostic {
    error("not-constant", span, format!("{what} must be a constant"))
}

/// A constant outside its range.
pub fn out_of_range(span: Span, what: &str, value: i64, range: &str) -> Diagnostic {
    error("out-of-range", span, format!("{what} is {value}, it must be {range}"))
}

/// A function that gives no value where one is needed.
pub fn no_value(span: Span, function: &str) -> Diagnostic {
    error("no-value", span, format!("{function}() gives no value"))
}

/// `count()` and its kin elsewhere than right of a map.
pub fn aggregation_misplaced(span: Span, function: &str) -> Diagnostic {
    error("aggregation-misplaced", span, format!("{function}() can only be assigned to a map"))
        .help(format!("write `@name = {function}(…)`"))
}

/// An unsafe function without `--unsafe`.
pub fn unsafe_function(span: Span, function: &str) -> Diagnostic {
    error("unsafe-function", span, format!("{function}() is unsafe and not allowed"))
        .help("allow it with --unsafe")
}

/// An operator whose operand has the wrong type.
pub fn operand_type(span: Span, operator: &str, found: &Type) -> Diagnostic {
    error("operand-type", span, format!("`{operator}` does not work on {}", name_of(found)))
        .label(format!("this is {}", name_of(found)))
}

/// Two operands that do not go together.
pub fn type_mismatch(span: Span, what: &str, left: &str, right: &str) -> Diagnostic {
    error("type-mismatch", span, format!("{what}: {left} and {right} do not go together"))
}

/// A condition that is not a number.
pub fn condition_type(span: Span, found: &Type) -> Diagnostic {
    error("condition-type", span, format!("a condition must be a number, this is {}", name_of(found)))
}

/// A signed and an unsigned operand where the sign matters.
pub fn mixed_signs(span: Span, operator: &str) -> Diagnostic {
    warning("mixed-signs", span, format!("`{operator}` of a signed and an unsigned integer is done unsigned"))
        .help("say which is meant by a cast, such as `(int64)x`")
}

/// A division or modulo by the constant 0.
pub fn division_by_zero(span: Span) -> Diagnostic {
    error("division-by-zero", span, "division by zero")
}

/// Two uses of a map with keys that do not go together.
pub fn key_mismatch(span: Span, map: &str, found: &[Type], wanted: &[Type]) -> Diagnostic {
    let list = |types: &[Type]| match types {
        [] => "no key".to_string(),
        _ => format!("[{}]", types.iter().map(name_of).collect::<Vec<_>>().join(", ")),
    };
    error("key-mismatch", span, format!("`{map}` is used with {} and with {}", list(wanted), list(found)))
        .label(format!("{} here", list(found)))
}

/// Two values of a map or variable that do not go together.
pub fn value_mismatch(span: Span, name: &str, found: &str, wanted: &str) -> Diagnostic {
    error("value-mismatch", span, format!("`{name}` holds {wanted} and cannot hold {found}"))
        .label(format!("this is {found}"))
}

/// A map whose value cannot be used in an expression.
pub fn map_not_readable(span: Span, map: &str, holds: &str) -> Diagnostic {
    error("map-not-readable", span, format!("`{map}` holds {holds}, which is no value to compute with"))
        .help(format!("`print({map})` prints it"))
}

/// A map without keys where one with keys is needed, or the reverse.
pub fn map_shape(span: Span, message: impl Into<String>) -> Diagnostic {
    error("map-shape", span, message)
}

/// Something that only a map can be.
pub fn not_a_map(span: Span, function: &str) -> Diagnostic {
    error("not-a-map", span, format!("{function}() wants a map here"))
}

/// A builtin where its probe does not have it.
pub fn wrong_context(span: Span, builtin: &str, probe: &str, where_it_works: &str) -> Diagnostic {
    error("wrong-context", span, format!("`{builtin}` does not exist at `{probe}`"))
        .help(format!("it works at {where_it_works}"))
}

/// An argument beyond those that a probe has.
pub fn no_such_argument(span: Span, index: u32, probe: &str, count: usize) -> Diagnostic {
    let has = match count {
        0 => "no arguments".to_string(),
        1 => "1 argument, arg0".to_string(),
        2 => "2 arguments, arg0 and arg1".to_string(),
        n => format!("{n} arguments, arg0 to arg{}", n - 1),
    };
    error("no-such-argument", span, format!("arg{index} does not exist: `{probe}` has {has}"))
}

/// An argument that some of the matching probes do not have.
pub fn missing_argument(span: Span, index: u32, probe: &str, missing: usize, all: usize) -> Diagnostic {
    let who = if missing == 1 { "it".to_string() } else { format!("it and {} others", missing - 1) };
    warning(
        "missing-argument",
        span,
        format!("`{probe}` has no arg{index}: at {missing} of {all} sites it reads as 0"),
    )
    .help(format!("exclude {who} with a narrower name, or test `probe` first"))
}

/// An argument whose specification cannot be used.
pub fn unreadable_argument(
    span: Span,
    index: u32,
    probe: &str,
    pc: u64,
    text: &str,
    reason: &str,
) -> Diagnostic {
    error(
        "unreadable-argument",
        span,
        format!("arg{index} of `{probe}` at {pc:#x} is `{text}`, which cannot be read: {reason}"),
    )
}

/// A variable that a file does not have.
pub fn unknown_variable(span: Span, name: &str, probe: &str) -> Diagnostic {
    error("unknown-variable", span, format!("the file of `{probe}` has no variable `{name}`")).help(
        "the name is the one in the file's symbol tables; a stripped file has only those that it exports",
    )
}

/// A register that the architecture does not have.
pub fn unknown_register<'a>(
    span: Span,
    name: &str,
    arch: &str,
    known: impl Iterator<Item = &'a str>,
) -> Diagnostic {
    error("unknown-register", span, format!("{arch} has no register `{name}`")).did_you_mean(name, known)
}

/// A type name that is not known.
pub fn unknown_type<'a>(span: Span, name: &str, known: impl Iterator<Item = &'a str>) -> Diagnostic {
    error("unknown-type", span, format!("unknown type `{name}`")).did_you_mean(name, known)
}

/// A malformed conversion of a format.
pub fn bad_format(span: Span, conversion: &str, reason: &str) -> Diagnostic {
    error("bad-format", span, format!("`{conversion}` is no conversion: {reason}"))
}

/// A format with fewer or more conversions than arguments.
pub fn format_count(span: Span, function: &str, conversions: usize, arguments: usize) -> Diagnostic {
    let plural = |n: usize, noun: &str| format!("{n} {noun}{}", if n == 1 { "" } else { "s" });
    error(
        "format-count",
        span,
        format!(
            "{function}(): the format has {}, {} given",
            plural(conversions, "conversion"),
            plural(arguments, "argument")
        ),
    )
}

/// An argument that does not fit its conversion.
pub fn format_type(span: Span, conversion: &str, wanted: &str, found: &Type) -> Diagnostic {
    error("format-type", span, format!("`{conversion}` prints {wanted}, this is {}", name_of(found)))
        .label(format!("this is {}", name_of(found)))
}

/// A positional parameter that is not what its place wants.
pub fn parameter_type(span: Span, number: u32, text: &str) -> Diagnostic {
    error("parameter-type", span, format!("${number} is `{text}`, which is no number"))
        .help(format!("`str(${number})` takes it as a string"))
}

/// `break` or `continue` outside a loop.
pub fn outside_loop(span: Span, word: &str) -> Diagnostic {
    error("outside-loop", span, format!("`{word}` outside a loop"))
}

/// A record that the ring buffer could never hold.
pub fn record_too_large(span: Span, bytes: u32, limit: u32) -> Diagnostic {
    error("record-too-large", span, format!("this record may take {bytes} bytes, the limit is {limit}"))
        .help("shorten its strings: `str(pointer, length)`, or lower `max_strlen`")
}

/// A variable that nothing reads.
pub fn unused_variable(span: Span, name: &str) -> Diagnostic {
    warning("unused-variable", span, format!("`${name}` is never read"))
}

/// An expression whose value nobody uses.
pub fn unused_value(span: Span) -> Diagnostic {
    warning("unused-value", span, "this value is not used")
}

/// A variable declared twice in one block.
pub fn redeclared(span: Span, name: &str) -> Diagnostic {
    error("redeclared-variable", span, format!("`${name}` is declared already"))
}

/// What a type is called in messages.
pub fn name_of(ty: &Type) -> String {
    match ty {
        Type::Int { size, signed } => {
            format!("{}int{}", if *signed { "" } else { "u" }, u32::from(*size) * 8)
        }
        Type::Bool => "bool".into(),
        Type::Pointer => "pointer".into(),
        Type::Str { .. } => "string".into(),
        Type::Buf { .. } => "buffer".into(),
        Type::Tuple(parts) => format!("({})", parts.iter().map(name_of).collect::<Vec<_>>().join(", ")),
        Type::Record(_) => "record".into(),
        Type::Array { .. } => "array".into(),
        Type::KernelStack { .. } => "kernel stack".into(),
        Type::UserStack { .. } => "user stack".into(),
        Type::KernelSymbol => "kernel symbol".into(),
        Type::UserSymbol => "user symbol".into(),
        Type::Time { .. } => "time".into(),
        Type::Probe => "name of a probe".into(),
        Type::Username => "user name".into(),
    }
}
