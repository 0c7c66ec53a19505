//! Targets, catalogue, plan and events of a tracing session.

#![forbid(unsafe_code)]

pub mod discovery;
pub mod events;
pub mod process;
