//! How many events per second a `printf` of two integers delivers without losing one.

use super::tracer::Tracer;
use super::{Row, Setting, compare, target};

/// Rates that are tried, in events per second; the last stands for "as fast as it goes".
const RATES: &[u64] = &[50_000, 100_000, 200_000, 400_000, 600_000, 800_000, 1_000_000, 0];

pub(crate) fn run(setting: &Setting, rows: &mut Vec<Row>) -> anyhow::Result<()> {
    let program = target::build()?;
    let script = format!("usdt:{}:bench:tick {{ printf(\"%d %d\\n\", arg0, arg1) }}", program.display());
    let mut measured = Vec::new();
    for tracer in setting.tracers() {
        let mut best = Vec::new();
        for _ in 0..setting.runs.min(3) {
            let mut without_loss: f64 = 0.0;
            for &rate in RATES {
                let (delivered, per_second) = deliver(setting, &tracer, &program, &script, rate)?;
                if delivered < setting.events {
                    println!("{}: {delivered} of {} at {per_second:.0}/s", tracer.name, setting.events);
                    break;
                }
                without_loss = without_loss.max(per_second);
            }
            best.push(without_loss);
        }
        measured.push((tracer.name, best));
    }
    compare(rows, "printf of two integers, events/s without loss", measured, |r| {
        format!("{:.0} k/s", r / 1e3)
    });
    Ok(())
}

/// How many lines came, and how many events per second the target really fired.
fn deliver(
    setting: &Setting,
    tracer: &Tracer,
    program: &std::path::PathBuf,
    script: &str,
    rate: u64,
) -> anyhow::Result<(u64, f64)> {
    let mut waiting = target::Waiting::start(program, setting.events, rate)?;
    let running = tracer.start(script)?;
    waiting.attached()?;
    let nanoseconds = waiting.finished()?;
    let ended = running.interrupt()?;
    let lines = ended.out.lines().filter(|l| l.starts_with(|c: char| c.is_ascii_digit())).count();
    Ok((lines as u64, setting.events as f64 * 1e9 / nanoseconds as f64))
}
