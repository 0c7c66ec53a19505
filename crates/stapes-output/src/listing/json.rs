//! Probes as JSON, one object a line.
//!
//! ```json
//! {"path":"/usr/bin/x","build_id":"3f2a…","arch":"x86_64","provider":"p","name":"n","locations":[
//!   {"pc":4502,"file_offset":4502,"semaphore":16424,"semaphore_offset":12328,"arguments":"-4@%esi 8@%rdi",
//!    "args":[{"size":4,"signed":true,"float":false,"operand":"%esi"}],"nop":"1","symbol":"main+0x1c"}]}
//! ```
//! Addresses are numbers; what is not known is `null`.
//! An argument that could not be decoded keeps its place, with `null` for what is not known and an `error`.
//! Where processes were looked at, a location also has `processes`, with what was read from each.

use std::io::{self, Write};

use serde_json::{Value, json};
use stapes_binary::{Arg, FileOff, Site, Vaddr};
use stapes_session::discovery::Found;
use stapes_session::discovery::facts::{ProbeFacts, SiteFacts};
use stapes_session::process::live::LiveCode;

use super::live::LiveFile;
use super::operand_text;

/// One object a probe.
///
/// # Errors
/// `out` cannot be written.
pub fn probes(out: &mut dyn Write, found: &[Found]) -> io::Result<()> {
    for file in found {
        let live = LiveFile::read(file);
        for probe in &file.facts.probes {
            serde_json::to_writer(&mut *out, &self::probe(file, probe, &live))?;
            out.write_all(b"\n")?;
        }
    }
    Ok(())
}

/// A probe with all its locations.
pub fn probe(found: &Found, probe: &ProbeFacts, live: &LiveFile) -> Value {
    let sites = probe.probe.sites.iter().enumerate();
    let locations: Vec<Value> =
        sites.map(|(i, site)| location(found, site, probe.sites.get(i), live)).collect();
    json!({
        "path": found.path.to_string_lossy(),
        "build_id": found.facts.build_id.as_ref().map(ToString::to_string),
        "arch": found.facts.arch.map(|a| a.name()),
        "provider": probe.probe.provider,
        "name": probe.probe.name,
        "locations": locations,
    })
}

fn location(found: &Found, site: &Site, facts: Option<&SiteFacts>, live: &LiveFile) -> Value {
    let mut value = json!({
        "pc": site.pc.0,
        "file_offset": site.file_offset.map(|FileOff(o)| o),
        "semaphore": site.semaphore.map(|Vaddr(a)| a),
        "semaphore_offset": site.semaphore_offset.map(|FileOff(o)| o),
        "arguments": site.arguments,
        "args": site.args.iter().map(argument).collect::<Vec<_>>(),
        "nop": facts.and_then(SiteFacts::nop),
        "symbol": facts.and_then(SiteFacts::symbol),
    });
    if !found.instances.is_empty() {
        let processes = live.sites(&found.facts, site, facts).map(|(owner, live)| {
            json!({
                "pid": owner.pid,
                "address": live.address,
                "armed": live.code.map(|c| c != LiveCode::Original),
                "code": live.code.map(code_name),
                "semaphore": live.semaphore,
            })
        });
        value["processes"] = processes.collect();
    }
    value
}

fn argument(arg: &Arg) -> Value {
    match &arg.spec {
        Ok(spec) => json!({
            "size": spec.size,
            "signed": spec.signed,
            "float": spec.float,
            "operand": operand_text(arg),
        }),
        Err(e) => json!({
            "size": null,
            "signed": null,
            "float": null,
            "operand": arg.text,
            "error": e.reason,
        }),
    }
}

fn code_name(code: LiveCode) -> &'static str {
    match code {
        LiveCode::Original => "original",
        LiveCode::Breakpoint => "breakpoint",
        LiveCode::Call => "call",
        LiveCode::Other => "other",
    }
}
