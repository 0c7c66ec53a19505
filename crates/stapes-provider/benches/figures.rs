//! What run-time probes cost, one figure per line: a name, a number, a unit. `cargo xtask bench provider` shows them
//! beside what is promised.
//!
//! usage: cargo bench -p stapes-provider --bench figures [-- ROUNDS]

#![allow(clippy::expect_used, reason = "a measurement that cannot be made is not worth going on from")]

use std::hint::black_box;
use std::time::Instant;

use stapes_provider::{Error, Provider, TypedProbe};

fn main() -> Result<(), Error> {
    let rounds = std::env::args().skip(1).find_map(|a| a.parse().ok()).unwrap_or(200);
    loading(rounds)?;
    firing(rounds)?;
    memory(1000.min(rounds * 5))
}

fn show(name: &str, figure: f64, unit: &str) {
    println!("{name}\t{figure:.2}\t{unit}");
}

/// The median of so many runs of `act`, which says how long it took in nanoseconds.
fn median(rounds: usize, mut act: impl FnMut() -> Result<f64, Error>) -> Result<f64, Error> {
    let mut times = (0..rounds).map(|_| act()).collect::<Result<Vec<_>, _>>()?;
    times.sort_by(f64::total_cmp);
    Ok(times[times.len() / 2])
}

fn nanoseconds(act: impl FnOnce() -> Result<(), Error>) -> Result<f64, Error> {
    let start = Instant::now();
    act()?;
    Ok(start.elapsed().as_nanos() as f64)
}

fn loading(rounds: usize) -> Result<(), Error> {
    for count in [1, 10, 100, 1000] {
        let provider = Provider::builder("bench").build()?;
        for n in 0..count {
            provider.probe::<(u64, &str)>(&format!("probe{n}"))?;
        }
        let mut unload = Vec::new();
        let load = median(rounds, || {
            let time = nanoseconds(|| provider.load())?;
            unload.push(nanoseconds(|| {
                provider.unload();
                Ok(())
            })?);
            Ok(time)
        })?;
        unload.sort_by(f64::total_cmp);
        show(&format!("load {count}"), load / 1e3, "µs");
        show(&format!("unload {count}"), unload[unload.len() / 2] / 1e3, "µs");
    }
    // Whole lives: nothing is there to be used again but addresses.
    let whole = median(rounds, || {
        nanoseconds(|| {
            let provider = Provider::builder("bench").build()?;
            provider.probe::<(u64, &str)>("probe")?;
            provider.load()
        })
    })?;
    show("build, add 1, load, drop", whole / 1e3, "µs");
    Ok(())
}

#[inline(never)]
fn empty(number: u64, text: &str) {
    black_box((number, text.as_ptr()));
}

fn firing(rounds: usize) -> Result<(), Error> {
    const CALLS: u64 = 1_000_000;
    let rounds = rounds.div_ceil(8);
    let provider = Provider::builder("bench").build()?;
    let probe: TypedProbe<(u64, &str)> = provider.probe("probe")?;
    let dynamic = provider.add("dynamic", &[stapes_provider::Arg::U64, stapes_provider::Arg::Str])?;
    provider.load()?;
    let per_call = |act: &dyn Fn()| {
        median(rounds, || {
            nanoseconds(|| {
                act();
                Ok(())
            })
        })
        .map(|time| time / CALLS as f64)
    };
    let text = black_box("text");
    show("empty loop", per_call(&|| (0..CALLS).for_each(|n| _ = black_box(n)))?, "ns");
    show("empty call", per_call(&|| (0..CALLS).for_each(|n| empty(n, text)))?, "ns");
    show("fire, disabled", per_call(&|| (0..CALLS).for_each(|n| black_box(&probe).fire((n, text))))?, "ns");
    show(
        "fire by value, disabled",
        per_call(&|| (0..CALLS).for_each(|n| drop(black_box(&dynamic).fire((n, text)))))?,
        "ns",
    );
    show("enabled", per_call(&|| (0..CALLS).for_each(|_| _ = black_box(black_box(&probe).enabled())))?, "ns");
    Ok(())
}

/// Resident memory of many providers, each with a probe that was asked for.
fn memory(count: usize) -> Result<(), Error> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the limit is a place of ours, and is only read by the second call.
    unsafe {
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
        limit.rlim_cur = limit.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
    }
    let mut all = Vec::with_capacity(count);
    let before = resident();
    for n in 0..count {
        let provider = Provider::builder(format!("bench{n}")).build()?;
        let probe = provider.probe::<(u64, &str)>("probe")?;
        provider.load()?;
        assert!(!probe.enabled());
        all.push((provider, probe));
    }
    show("resident memory of a provider", (resident() - before) / count as f64, "kB");
    Ok(())
}

/// VmRSS in kilobytes.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("/proc is there");
    let line = status.lines().find_map(|l| l.strip_prefix("VmRSS:")).expect("the kernel says VmRSS");
    line.trim().trim_end_matches(" kB").parse().expect("a number of kB")
}
