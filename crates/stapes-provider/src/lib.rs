//! USDT probes that a program makes while it runs: for interpreters, JITs and whoever learns late what to probe.
//!
//! ```no_run
//! use stapes_provider::{Arg, Provider};
//!
//! # fn main() -> Result<(), stapes_provider::Error> {
//! let provider = Provider::builder("myapp").build()?;
//! let hit = provider.add("cache_hit", &[Arg::Str, Arg::I32, Arg::F64])?;
//! let miss = provider.probe::<(&str, i32)>("cache_miss")?;
//! provider.load()?;
//!
//! hit.fire(("key", 42, 0.5)); // nothing but a test while nobody traces
//! miss.fire(("key", 42));
//! # Ok(())
//! # }
//! ```
//!
//! # How it works
//! [`image`] writes a small ELF file: a function for each probe, which is a nop and a return,
//! the USDT notes that describe them, and a semaphore for each.
//! [`backing`] puts it into a memfd or a file and maps it, so that it stands in `/proc/PID/maps` like any library,
//! and any USDT tracer that looks at the process finds it.
//! A tracer raises the semaphore; firing tests it and, where it is raised, calls the function.
//!
//! Threads may fire, add, load and unload at the same time: see [`epoch`] for why that is safe, and [`fork`] for forks.

pub mod args;
pub mod backing;
pub mod epoch;
mod error;
pub mod fork;
pub mod image;
#[cfg(feature = "json")]
mod json;
mod provider;
pub mod raw;
mod site;
mod sys;

pub use args::{Arg, Arguments, Value};
pub use backing::Backing;
pub use error::Error;
#[cfg(feature = "json")]
pub use json::JsonProbe;
pub use provider::{Builder, Fired, MAX_NAME, Probe, Provider, TypedProbe};
