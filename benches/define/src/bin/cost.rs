//! What a probe costs that nobody listens to: nanoseconds per probe, sixteen probes in a loop, less the loop's own time.
//!
//! Prints a line per way of defining probes: what, who, figure, ratio to ours, separated by tabs.
//! `--small` measures for a moment only, to see that it runs.
//!
//! All take turns in many short rounds, and the fastest round of each counts: what disturbs it only makes it slower.

use std::hint::black_box;
use std::time::Instant;

/// One way: a name, whether it is one of the guarded ones, and what runs.
struct Way {
    what: &'static str,
    who: &'static str,
    run: fn(u64, u64, u32, i64, u64),
}

/// Sixteen times in a loop.
macro_rules! way {
    ($name:ident, |$a:ident, $b:ident, $c:ident, $d:ident| $probe:expr) => {
        #[inline(never)]
        #[allow(unused_variables, reason = "not every way passes all")]
        fn $name(rounds: u64, $a: u64, $b: u32, $c: i64, $d: u64) {
            for _ in 0..rounds {
                $probe;
                $probe;
                $probe;
                $probe;
                $probe;
                $probe;
                $probe;
                $probe;
                $probe;
                $probe;
                $probe;
                $probe;
                $probe;
                $probe;
                $probe;
                $probe;
            }
        }
    };
}

#[usdt::provider]
mod bench_usdt {
    fn none() {}
    fn four(a: u64, b: u32, c: i64, d: u64) {}
}

way!(empty, |a, b, c, d| black_box(()));
way!(stapes_eager_0, |a, b, c, d| stapes::probe!(bench, eager_0));
way!(stapes_eager_1, |a, b, c, d| stapes::probe!(bench, eager_1, a));
way!(stapes_eager_4, |a, b, c, d| stapes::probe!(bench, eager_4, a, b, c, d));
way!(stapes_guarded_0, |a, b, c, d| stapes::probe_lazy!(bench, guarded_0));
way!(stapes_guarded_4, |a, b, c, d| stapes::probe_lazy!(bench, guarded_4, a, b, c, d));
way!(probe_eager_0, |a, b, c, d| probe::probe!(bench_probe, eager_0));
way!(probe_eager_1, |a, b, c, d| probe::probe!(bench_probe, eager_1, a));
way!(probe_eager_4, |a, b, c, d| probe::probe!(bench_probe, eager_4, a, b, c, d));
way!(probe_guarded_0, |a, b, c, d| probe::probe_lazy!(bench_probe, guarded_0));
way!(probe_guarded_4, |a, b, c, d| probe::probe_lazy!(bench_probe, guarded_4, a, b, c, d));
way!(usdt_guarded_0, |a, b, c, d| bench_usdt::none!(|| ()));
way!(usdt_guarded_4, |a, b, c, d| bench_usdt::four!(|| (a, b, c, d)));

#[cfg(has_sdt)]
mod c {
    unsafe extern "C" {
        pub fn c_eager_4(rounds: u64, a: u64, b: u32, c: i64, d: u64);
        pub fn c_guarded_4(rounds: u64, a: u64, b: u32, c: i64, d: u64);
    }

    pub fn eager_4(rounds: u64, a: u64, b: u32, c: i64, d: u64) {
        // SAFETY: a loop over probes, which only passes its arguments on.
        unsafe { c_eager_4(rounds, a, b, c, d) }
    }

    pub fn guarded_4(rounds: u64, a: u64, b: u32, c: i64, d: u64) {
        // SAFETY: as above.
        unsafe { c_guarded_4(rounds, a, b, c, d) }
    }
}

fn main() {
    let small = std::env::args().any(|word| word == "--small");
    let mut ways = vec![
        Way { what: "eager, no arguments", who: "stapes", run: stapes_eager_0 },
        Way { what: "eager, no arguments", who: "probe", run: probe_eager_0 },
        Way { what: "eager, 1 argument", who: "stapes", run: stapes_eager_1 },
        Way { what: "eager, 1 argument", who: "probe", run: probe_eager_1 },
        Way { what: "eager, 4 arguments", who: "stapes", run: stapes_eager_4 },
        Way { what: "eager, 4 arguments", who: "probe", run: probe_eager_4 },
        Way { what: "guarded, no arguments", who: "stapes", run: stapes_guarded_0 },
        Way { what: "guarded, no arguments", who: "probe", run: probe_guarded_0 },
        Way { what: "guarded, no arguments", who: "usdt", run: usdt_guarded_0 },
        Way { what: "guarded, 4 arguments", who: "stapes", run: stapes_guarded_4 },
        Way { what: "guarded, 4 arguments", who: "probe", run: probe_guarded_4 },
        Way { what: "guarded, 4 arguments", who: "usdt", run: usdt_guarded_4 },
    ];
    #[cfg(has_sdt)]
    {
        ways.insert(6, Way { what: "eager, 4 arguments", who: "sys/sdt.h", run: c::eager_4 });
        ways.push(Way { what: "guarded, 4 arguments", who: "sys/sdt.h", run: c::guarded_4 });
    }
    ways.push(Way { what: "loop", who: "", run: empty });

    let (rounds, turns) = if small { (1_000, 3) } else { (100_000, 200) };
    let mut fastest = vec![f64::INFINITY; ways.len()];
    for _ in 0..turns {
        for (way, fastest) in ways.iter().zip(&mut fastest) {
            let start = Instant::now();
            (way.run)(rounds, black_box(1), black_box(2), black_box(3), black_box(4));
            let nanoseconds = start.elapsed().as_nanos() as f64 / (rounds * 16) as f64;
            *fastest = fastest.min(nanoseconds);
        }
    }
    let own = fastest.pop().unwrap_or(0.0);
    let mut ours = 0.0;
    for (way, fastest) in ways.iter().zip(fastest) {
        let cost = fastest - own;
        if way.who == "stapes" {
            ours = cost;
            println!("{}\t{}\t{cost:.3} ns\t", way.what, way.who);
        } else {
            println!("{}\t{}\t{cost:.3} ns\t{:.2}", way.what, way.who, ours / cost);
        }
    }
}
