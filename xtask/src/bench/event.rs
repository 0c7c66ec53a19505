//! What one event costs the target, above the loop that fires it.

use super::{Row, Setting, compare, target};

/// What is measured, and the action that each tracer runs.
const ACTIONS: &[(&str, &str)] = &[
    ("count()", "{ @ = count() }"),
    ("hist(arg0)", "{ @ = hist(arg0) }"),
    ("@[pid, comm] = count()", "{ @[pid, comm] = count() }"),
    ("a false predicate", "/ arg1 == 5000 / { @ = count() }"),
];

pub(crate) fn run(setting: &Setting, rows: &mut Vec<Row>) -> anyhow::Result<()> {
    let program = target::build()?;
    for (what, action) in ACTIONS {
        let script = format!("usdt:{}:bench:tick {action}", program.display());
        let mut measured: Vec<_> = setting.tracers().map(|t| (t, Vec::new())).collect();
        for _ in 0..setting.runs {
            for (tracer, nanoseconds) in &mut measured {
                let free = target::untraced(&program, setting.events)?;
                let mut waiting = target::Waiting::start(&program, setting.events, 0)?;
                let running = tracer.start(&script)?;
                waiting.attached()?;
                let traced = waiting.finished()?;
                let ended = running.interrupt()?;
                if *what == "count()" && !ended.out.contains(&format!(": {}", setting.events)) {
                    anyhow::bail!("{} did not count {} events: {}", tracer.name, setting.events, ended.out);
                }
                nanoseconds.push(traced.saturating_sub(free) as f64 / setting.events as f64);
            }
        }
        let measured = measured.into_iter().map(|(tracer, ns)| (tracer.name, ns)).collect();
        compare(rows, &format!("an event with {what}"), measured, |ns| format!("{ns:.0} ns"));
    }
    Ok(())
}
