//! How things look: what a session says, in bpftrace's text and bpftrace's JSON, and what discovery finds.
//!
//! [`Text`] and [`Json`] are [`Listener`](stapes_session::events::Listener)s: the session hands them messages, they
//! write bytes. Below them [`format`](mod@format) is the engine of `printf`, [`value`] prints single values,
//! [`histogram`] draws buckets, [`map`] prints maps and [`time`] formats moments.
//! The layouts are those of bpftrace's newest release; where they differ from release to release, the newest counts.
//!
//! [`listing`] prints probes, [`info`] everything about one, [`definitions`] the words of other tools for them, and
//! [`findings`] what is wrong with them; [`go`] prints what is known of Go programs.

#![forbid(unsafe_code)]

mod command;
pub mod definitions;
pub mod findings;
pub mod format;
pub mod go;
pub mod histogram;
pub mod info;
mod json;
pub mod listing;
mod losses;
pub mod map;
mod sink;
mod text;
pub mod time;
pub mod value;

#[cfg(test)]
mod testing;

pub use json::Json;
pub use sink::Buffering;
pub use text::{Talk, Text};
