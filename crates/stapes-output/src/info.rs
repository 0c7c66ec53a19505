//! `stapes info`: everything about a probe, site by site.

use std::io::{self, Write};
use std::rc::Rc;

use serde_json::{Value, json};
use stapes_binary::Site;
use stapes_binary::site::{Instruction, disassemble};
use stapes_session::discovery::Found;
use stapes_session::discovery::facts::{Facts, ProbeFacts, SiteFacts};

use crate::listing::live::{self, LiveFile};
use crate::listing::{self, argument, full_name, plain};

/// Instructions that are shown of a site: the nop and what the code goes on with.
const SHOWN: usize = 3;

/// Every probe with its sites, for people.
///
/// # Errors
/// `out` cannot be written.
pub fn text(out: &mut dyn Write, found: &[Found]) -> io::Result<()> {
    let mut first = true;
    for (file, probe, live) in probes(found) {
        if !std::mem::take(&mut first) {
            writeln!(out)?;
        }
        writeln!(out, "{}", full_name(file, probe))?;
        if file.name != file.path {
            writeln!(out, "  name       {}", plain(&file.name.display().to_string()))?;
        }
        let arch =
            file.facts.arch.map_or_else(|| format!("machine {}", file.facts.machine), |a| a.to_string());
        match &file.facts.build_id {
            Some(id) => writeln!(out, "  file       {arch}, build id {id}")?,
            None => writeln!(out, "  file       {arch}, no build id")?,
        }
        let sites = probe.probe.sites.len();
        for (index, site) in probe.probe.sites.iter().enumerate() {
            writeln!(out, "  site {} of {sites}", index + 1)?;
            self::site(out, &file.facts, site, probe.sites.get(index), &live)?;
        }
    }
    Ok(())
}

/// As [`listing::json`], with the `code` of each location: `{"address","bytes","text"}` for some instructions.
///
/// # Errors
/// `out` cannot be written.
pub fn json(out: &mut dyn Write, found: &[Found]) -> io::Result<()> {
    for (file, probe, live) in probes(found) {
        let mut value = listing::json::probe(file, probe, &live);
        if let Some(locations) = value["locations"].as_array_mut() {
            for (location, (site, facts)) in
                locations.iter_mut().zip(probe.probe.sites.iter().zip(&probe.sites))
            {
                location["code"] = code(&file.facts, site, facts).iter().map(instruction).collect();
            }
        }
        serde_json::to_writer(&mut *out, &value)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

/// Every probe, with its file and what the processes say of that.
fn probes(found: &[Found]) -> impl Iterator<Item = (&Found, &ProbeFacts, Rc<LiveFile>)> {
    found.iter().flat_map(|file| {
        let live = Rc::new(LiveFile::read(file));
        file.facts.probes.iter().map(move |probe| (file, probe, Rc::clone(&live)))
    })
}

fn site(
    out: &mut dyn Write,
    file: &Facts,
    site: &Site,
    facts: Option<&SiteFacts>,
    live: &LiveFile,
) -> io::Result<()> {
    write!(out, "    address    {}", site.pc)?;
    if let Some(symbol) = facts.and_then(SiteFacts::symbol) {
        write!(out, " <{}>", plain(&symbol))?;
    }
    match site.file_offset {
        Some(offset) => writeln!(out, ", file offset {offset}")?,
        None => writeln!(out, ", not in the file")?,
    }
    match site.semaphore {
        Some(semaphore) => {
            write!(out, "    semaphore  {semaphore}")?;
            match site.semaphore_offset {
                Some(offset) => writeln!(out, ", file offset {offset}")?,
                None => writeln!(out, ", not in the file")?,
            }
        }
        None => writeln!(out, "    semaphore  none")?,
    }
    if let (Some(facts), Some(arch)) = (facts, file.arch) {
        match facts.nop() {
            Some(nop) => writeln!(out, "    nop        {nop}")?,
            None => writeln!(out, "    nop        none: {}", facts.kind.name(arch))?,
        }
        for (number, line) in code(file, site, facts).iter().enumerate() {
            let label = if number == 0 { "code" } else { "" };
            let bytes: Vec<String> = line.bytes.iter().map(|b| format!("{b:02x}")).collect();
            let text = format!("    {label:<10} {:x}: {:<24} {}", line.address, bytes.join(" "), line.text);
            writeln!(out, "{}", text.trim_end())?;
        }
    }
    for (number, arg) in site.args.iter().enumerate() {
        let name = format!("arg{number}");
        writeln!(out, "    {name:<10} {}", argument(arg))?;
    }
    for (process, state) in live.sites(file, site, facts) {
        writeln!(out, "    {process}: {}", live::words(&state))?;
    }
    Ok(())
}

fn code(file: &Facts, site: &Site, facts: &SiteFacts) -> Vec<Instruction> {
    file.arch.map(|arch| disassemble(arch, site.pc.0, &facts.code, SHOWN)).unwrap_or_default()
}

fn instruction(line: &Instruction) -> Value {
    let bytes: String = line.bytes.iter().map(|b| format!("{b:02x}")).collect();
    json!({ "address": line.address, "bytes": bytes, "text": line.text })
}
