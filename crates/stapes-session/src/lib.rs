//! Targets, catalogue, plan and events of a tracing session.

#![forbid(unsafe_code)]

pub mod catalog;
pub mod clock;
pub mod discovery;
pub mod doctor;
pub mod events;
pub mod go;
pub mod plan;
pub mod process;
pub mod run;
pub mod symbols;
pub mod users;
pub mod validate;
pub mod words;

pub use stapes_binary as binary;
pub use stapes_bpf as bpf;
pub use stapes_kernel as kernel;
pub use stapes_process::{SpawnError, Until};
pub use stapes_script as script;
