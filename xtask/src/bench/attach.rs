//! From exec to attached, the memory for it, and the sites of libjvm.so.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::bail;

use super::tracer::Tracer;
use super::{Row, Setting, compare, target};

/// A file with 531 notes.
const LIBJVM: &str = "/usr/lib/jvm/java-17-openjdk-amd64/lib/server/libjvm.so";

pub(crate) fn run(setting: &Setting, rows: &mut Vec<Row>) -> anyhow::Result<()> {
    one_probe(setting, rows)?;
    if Path::new(LIBJVM).exists() {
        libjvm(setting, rows)?;
    } else {
        println!("skip attach libjvm: openjdk-17 is missing");
    }
    Ok(())
}

/// The target itself says when its semaphore was raised, so that each tracer is measured by the same clock.
fn one_probe(setting: &Setting, rows: &mut Vec<Row>) -> anyhow::Result<()> {
    let program = target::build()?;
    let script = format!("usdt:{}:bench:tick {{ @ = count() }}", program.display());
    let tracers: Vec<_> = setting.tracers().collect();
    let mut times: Vec<Vec<f64>> = vec![Vec::new(); tracers.len()];
    let mut memory: Vec<Vec<f64>> = vec![Vec::new(); tracers.len()];
    for _ in 0..setting.runs {
        for (i, tracer) in tracers.iter().enumerate() {
            let mut waiting = target::Waiting::start(&program, 0, 0)?;
            let start = monotonic();
            let running = tracer.start(&script)?;
            let attached = waiting.attached()?;
            times[i].push((attached - start) as f64 / 1e6);
            // Attaching may still be going on where the semaphore is raised.
            waiting.finished()?;
            memory[i].push(running.peak_memory()? as f64 / 1024.0);
            running.interrupt()?;
        }
    }
    let names = || tracers.iter().map(|t| t.name.clone());
    compare(rows, "exec to attached, one usdt probe", names().zip(times).collect(), |t| format!("{t:.1} ms"));
    compare(rows, "peak resident memory of that", names().zip(memory).collect(), |m| format!("{m:.1} MiB"));
    Ok(())
}

fn libjvm(setting: &Setting, rows: &mut Vec<Row>) -> anyhow::Result<()> {
    let script = format!("usdt:{LIBJVM}:*:* {{ @ = count() }}");
    let (mut attach, mut detach) = (Vec::new(), Vec::new());
    for tracer in setting.tracers() {
        if tracer.name != "stapes" && !setting.patient {
            continue;
        }
        let runs = if tracer.name == "stapes" { setting.runs } else { 1 };
        let (mut up, mut down) = (Vec::new(), Vec::new());
        for _ in 0..runs {
            let (whole, ended) = attach_and_detach(&tracer, &script)?;
            up.push(whole.as_secs_f64() * 1e3);
            down.push(ended.as_secs_f64() * 1e3);
        }
        attach.push((tracer.name.clone(), up));
        detach.push((tracer.name, down));
    }
    compare(rows, "libjvm.so, every site: exec to attached", attach, |t| format!("{t:.0} ms"));
    compare(rows, "libjvm.so, every site: interrupt to exit", detach, |t| format!("{t:.0} ms"));
    Ok(())
}

fn attach_and_detach(tracer: &Tracer, script: &str) -> anyhow::Result<(Duration, Duration)> {
    // An interval that fires says that everything is attached, in each version of each tracer.
    let script = format!("{script} interval:ms:1 {{ printf(\"attached\\n\"); clear(@); }}");
    let start = Instant::now();
    let running = tracer.start(&script)?;
    let attached = running.first_output(Duration::from_secs(120))?;
    let ended = running.interrupt()?;
    if !ended.out.starts_with("Attaching") && !ended.out.starts_with("attached") {
        bail!("{}: {}{}", tracer.name, ended.out, ended.errors);
    }
    Ok((attached - start, ended.took))
}

/// CLOCK_MONOTONIC in nanoseconds, the clock that the target prints.
fn monotonic() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}
