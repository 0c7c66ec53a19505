//! The kernel engine: runs an [`Object`](stapes_bpf::Object) as eBPF programs attached to uprobes.
//!
//! [`Loaded::load`] brings maps and programs into the kernel, [`Loaded::attach`] puts them at their sites,
//! [`Loaded::consume`] and [`Loaded::map`] read what they say, [`Loaded::losses`] what they could not say,
//! [`Loaded::detach`] takes them off. [`Features`] tells what the kernel can do.

#![deny(unsafe_code)]

mod attach;
pub mod btf;
mod error;
mod features;
mod load;
mod losses;
mod maps;
mod nops;
mod parallel;
mod ring;
mod semaphores;
mod sys;

pub use attach::{AttachFailure, AttachReport, Method};
pub use error::Error;
pub use features::{Features, Optimised};
pub use load::{LoadOptions, Loaded};
pub use losses::Losses;
pub use maps::{Entries, MapHandle};
pub use ring::REST;
