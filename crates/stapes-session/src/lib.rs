//! Targets, catalogue, plan and events of a tracing session.

#![forbid(unsafe_code)]

pub mod events;
