//! `stapes go`: what is known of Go programs.
//!
//! [`functions`] prints one line a function, [`verbose`] everything about each, [`json()`] the same as one object a line:
//! ```json
//! {"name":"main.work","address":4800000,"size":212,"file_offset":605696,"assembly":false,"line":12,
//!  "start":{"address":4800006,"file_offset":605702,"cost":"emulated","behind_stack_check":true,"repeats":false},
//!  "returns":[{"address":4800100,"file_offset":605796,"cost":"single-stepped"}],"tail_calls":[],
//!  "arguments":[{"offset":0,"size":8,"register":"ax"},{"parts":[…]}],"more_arguments":false,
//!  "inlined_into":[{"function":"main.main","through":null,"address":4800200}]}
//! ```
//! A part of an argument has one of `register` (as the code says), `probably` (a register, if nothing up to this part is
//! a floating-point number or an array) and `stack` (bytes above the stack pointer at the entry), or none if its place
//! is not known.
//! A function without code of its own has `null` for its address.

use std::io::{self, Write};

use serde_json::{Value, json};
use stapes_binary::go::{Argument, ArgumentPlace, Arguments, Cost, Found, Inlined, InlinedInto, Part, Place};
use stapes_binary::{Arch, FileOff};
use stapes_session::go::{FunctionFacts, Functions, Info};

use crate::listing::plain;

/// Callers that one line shows.
const SHOWN: usize = 3;

/// One line a function; those that were inlined away, after the others.
///
/// # Errors
/// `out` cannot be written.
pub fn functions(out: &mut dyn Write, found: &Functions) -> io::Result<()> {
    for function in &found.functions {
        writeln!(out, "{:#018x} {}", function.address.0, plain(&function.name))?;
    }
    for inlined in &found.inlined {
        let mut callers: Vec<&str> = inlined.into.iter().map(|i| i.function.as_str()).collect();
        callers.sort_unstable();
        callers.dedup();
        let shown: Vec<_> = callers.iter().take(SHOWN).map(|c| plain(c)).collect();
        write!(out, "{:18} {}, inlined into {}", "-", plain(&inlined.name), shown.join(", "))?;
        match callers.len().saturating_sub(SHOWN) {
            0 => writeln!(out)?,
            more => writeln!(out, " and {more} more")?,
        }
    }
    Ok(())
}

/// Everything about each function.
///
/// # Errors
/// `out` cannot be written.
pub fn verbose(out: &mut dyn Write, found: &Functions) -> io::Result<()> {
    let mut first = true;
    let mut next = |out: &mut dyn Write, name: &str| -> io::Result<()> {
        if !std::mem::take(&mut first) {
            writeln!(out)?;
        }
        writeln!(out, "{}", plain(name))
    };
    for function in &found.functions {
        next(out, &function.name)?;
        self::function(out, found.arch, function)?;
    }
    for Inlined { name, into } in &found.inlined {
        next(out, name)?;
        writeln!(out, "  address    none: every call was inlined")?;
        inlined(out, into)?;
    }
    Ok(())
}

/// One JSON object a function.
///
/// # Errors
/// `out` cannot be written.
pub fn json(out: &mut dyn Write, found: &Functions) -> io::Result<()> {
    let with_code = found.functions.iter().map(|f| function_json(found.arch, f));
    let without = found.inlined.iter().map(|i| {
        json!({ "name": i.name, "address": null, "inlined_into": i.into.iter().map(into_json).collect::<Vec<_>>() })
    });
    for value in with_code.chain(without) {
        serde_json::to_writer(&mut *out, &value)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

/// The facts of a program, and where each came from.
///
/// # Errors
/// `out` cannot be written.
pub fn info(out: &mut dyn Write, info: &Info) -> io::Result<()> {
    let tables = &info.tables;
    match &info.build {
        Some(build) => {
            writeln!(out, "version     {} (build information at {})", plain(&build.version), build.address)?;
        }
        None => writeln!(out, "version     unknown: no build information")?,
    }
    writeln!(out, "machine     {}", info.arch)?;
    let how = match tables.found {
        Found::Section => "by its section",
        Found::Search => "by its magic number",
    };
    writeln!(out, "pclntab     {}, magic {:#x}, found {how}", tables.pclntab, tables.magic)?;
    let how = if tables.relocated { "relocations" } else { "data" };
    writeln!(
        out,
        "moduledata  {}, found by its pointers to pclntab and names in the {how}",
        tables.moduledata
    )?;
    match tables.layout {
        Some(layout) => writeln!(out, "layout      {layout}, as the list of code sections is at its place")?,
        None => writeln!(out, "layout      unknown: only functions can be read")?,
    }
    write!(out, "text        {} to {}, as moduledata says", tables.text, tables.end_text)?;
    match tables.header_text.0 {
        0 => writeln!(out, "; pclntab leaves it zero")?,
        _ if tables.header_text == tables.text => writeln!(out, " and pclntab")?,
        _ => writeln!(out, "; pclntab says {}", tables.header_text)?,
    }
    if let Some((from, to)) = tables.types {
        writeln!(out, "types       {from} to {to}")?;
    }
    writeln!(out, "functions   {}", tables.functions)?;
    goid(out, info)?;
    if let Some(build) = &info.build {
        for line in &build.lines {
            writeln!(out, "build       {}", plain(&line.replace('\t', " ")))?;
        }
    }
    Ok(())
}

/// The facts of a program as one JSON object.
///
/// # Errors
/// `out` cannot be written.
pub fn info_json(out: &mut dyn Write, info: &Info) -> io::Result<()> {
    let (tables, goid) = (&info.tables, &info.goid);
    let value = json!({
        "version": info.build.as_ref().map(|b| &b.version),
        "machine": info.arch.name(),
        "pclntab": {
            "address": tables.pclntab.0,
            "magic": tables.magic,
            "found_by": match tables.found { Found::Section => "section", Found::Search => "magic number" },
            "text": tables.header_text.0,
        },
        "moduledata": {
            "address": tables.moduledata.0,
            "relocated": tables.relocated,
            "layout": tables.layout,
        },
        "text": tables.text.0,
        "end_text": tables.end_text.0,
        "types": tables.types.map(|(from, to)| [from.0, to.0]),
        "functions": tables.functions,
        "goid": {
            "offset": goid.offset,
            "by_type": goid.by_type,
            "by_code": goid.by_code,
            "by_version": goid.by_version,
            "g.m": goid.thread,
            "m.curg": goid.current,
        },
        "build": info.build.as_ref().map(|b| b.lines.iter().map(|l| l.split('\t').collect()).collect::<Vec<Vec<_>>>()),
    });
    serde_json::to_writer(&mut *out, &value)?;
    out.write_all(b"\n")
}

fn goid(out: &mut dyn Write, info: &Info) -> io::Result<()> {
    let goid = &info.goid;
    let sources: Vec<String> = [
        ("the type runtime.g", goid.by_type),
        ("the code of runtime.newproc1", goid.by_code),
        ("the table of versions", goid.by_version),
    ]
    .iter()
    .filter_map(|(source, offset)| offset.map(|o| (source, o)))
    .map(|(source, offset)| match goid.offset {
        Some(_) => (*source).to_owned(),
        None => format!("{offset} by {source}"),
    })
    .collect();
    match goid.offset {
        Some(offset) => writeln!(out, "goid        at {offset} of runtime.g, by {}", sources.join(", "))?,
        None if goid.disagrees() => {
            writeln!(out, "goid        not used, as sources disagree: {}", sources.join(", "))?
        }
        None => writeln!(out, "goid        unknown: neither type nor code says it")?,
    }
    if let (Some(m), Some(curg)) = (goid.thread, goid.current) {
        writeln!(out, "goroutine   of a system stack: g.m at {m}, m.curg at {curg}, by the types")?;
    }
    Ok(())
}

fn function(out: &mut dyn Write, arch: Arch, function: &FunctionFacts) -> io::Result<()> {
    write!(out, "  address    {}", function.address)?;
    write_offset(out, function.file_offset)?;
    write!(out, ", {} bytes", function.size)?;
    if let Some(line) = function.line {
        write!(out, ", line {line}")?;
    }
    writeln!(out, "{}", if function.assembly { ", assembly" } else { "" })?;
    if let Some(code) = &function.code {
        if let Some(start) = code.start {
            let behind = if code.grow.is_some() { "behind the stack check" } else { "no stack check" };
            let repeats =
                if code.start_repeats { "; jumped to, so it may fire more than once a call" } else { "" };
            place(out, "start", start, &format!(", {behind}{repeats}"))?;
        }
        for at in &code.returns {
            place(out, "return", *at, "")?;
        }
        for at in &code.tail_calls {
            place(out, "tail call", *at, "")?;
        }
        if code.returns.is_empty() && code.tail_calls.is_empty() {
            writeln!(out, "  return     none")?;
        }
    }
    if let Some(arguments) = &function.arguments {
        for (number, argument) in arguments.list.iter().enumerate() {
            let name = format!("arg{number}");
            writeln!(out, "  {name:<10} {}", argument_words(arch, argument))?;
        }
        if arguments.more {
            writeln!(out, "  …          more arguments, of which the program says nothing")?;
        }
    }
    inlined(out, &function.inlined)
}

fn place(out: &mut dyn Write, label: &str, place: Place, more: &str) -> io::Result<()> {
    write!(out, "  {label:<10} {}", place.address)?;
    write_offset(out, place.file_offset)?;
    writeln!(out, ", {}{more}", cost(place.cost))
}

fn inlined(out: &mut dyn Write, into: &[InlinedInto]) -> io::Result<()> {
    for one in into {
        write!(out, "  inlined    into {} at {}", plain(&one.function), one.address)?;
        match &one.through {
            Some(through) => writeln!(out, ", through {}", plain(through))?,
            None => writeln!(out)?,
        }
    }
    Ok(())
}

fn write_offset(out: &mut dyn Write, offset: Option<FileOff>) -> io::Result<()> {
    match offset {
        Some(offset) => write!(out, ", file offset {offset}"),
        None => write!(out, ", not in the file"),
    }
}

fn cost(cost: Cost) -> &'static str {
    match cost {
        Cost::Emulated => "emulated",
        Cost::SingleStepped => "single-stepped",
    }
}

fn argument_words(arch: Arch, argument: &Argument) -> String {
    match argument {
        Argument::Part(part) => {
            let unit = if part.size == 1 { "byte" } else { "bytes" };
            let place = match part.place {
                ArgumentPlace::Register(register) => format!("in {}", register.name(arch)),
                ArgumentPlace::Probably(register) => {
                    format!("probably in {}", register.name(arch))
                }
                ArgumentPlace::Stack(offset) => format!("on the stack at {offset}"),
                ArgumentPlace::Unknown => "at a place that is not known".to_owned(),
            };
            format!("{} {unit} {place}", part.size)
        }
        Argument::Several { parts, more } => {
            let mut words: Vec<String> = parts.iter().map(|p| argument_words(arch, p)).collect();
            words.extend(more.then(|| "…".to_owned()));
            format!("{{{}}}", words.join("; "))
        }
        Argument::Far => "at a place that is too far to be said".to_owned(),
    }
}

fn function_json(arch: Arch, function: &FunctionFacts) -> Value {
    let code = function.code.as_ref();
    let places = |places: &[Place]| places.iter().map(place_json).collect::<Vec<_>>();
    json!({
        "name": function.name,
        "address": function.address.0,
        "size": function.size,
        "file_offset": function.file_offset.map(|o| o.0),
        "assembly": function.assembly,
        "line": function.line,
        "start": code.and_then(|code| {
            let mut start = place_json(&code.start?);
            start["behind_stack_check"] = code.grow.is_some().into();
            start["repeats"] = code.start_repeats.into();
            Some(start)
        }),
        "returns": code.map(|c| places(&c.returns)),
        "tail_calls": code.map(|c| places(&c.tail_calls)),
        "arguments": function.arguments.as_ref().map(|a| arguments_json(arch, a)),
        "more_arguments": function.arguments.as_ref().map(|a| a.more),
        "inlined_into": function.inlined.iter().map(into_json).collect::<Vec<_>>(),
    })
}

fn place_json(place: &Place) -> Value {
    json!({
        "address": place.address.0,
        "file_offset": place.file_offset.map(|o| o.0),
        "cost": cost(place.cost),
    })
}

fn into_json(into: &InlinedInto) -> Value {
    json!({ "function": into.function, "through": into.through, "address": into.address.0 })
}

fn arguments_json(arch: Arch, arguments: &Arguments) -> Vec<Value> {
    arguments.list.iter().map(|a| argument_json(arch, a)).collect()
}

fn argument_json(arch: Arch, argument: &Argument) -> Value {
    match argument {
        Argument::Part(Part { offset, size, place }) => {
            let mut value = json!({ "offset": offset, "size": size });
            match place {
                ArgumentPlace::Register(register) => value["register"] = register.name(arch).into(),
                ArgumentPlace::Probably(register) => value["probably"] = register.name(arch).into(),
                ArgumentPlace::Stack(offset) => value["stack"] = (*offset).into(),
                ArgumentPlace::Unknown => {}
            }
            value
        }
        Argument::Several { parts, more } => {
            json!({ "parts": parts.iter().map(|p| argument_json(arch, p)).collect::<Vec<_>>(), "more": more })
        }
        Argument::Far => json!({}),
    }
}
