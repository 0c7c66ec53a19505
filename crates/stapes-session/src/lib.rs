//! Targets, catalogue, plan and events of a tracing session.

#![forbid(unsafe_code)]

pub mod catalog;
pub mod clock;
pub mod discovery;
pub mod doctor;
pub mod events;
pub mod process;
pub mod run;
pub mod symbols;
pub mod users;
pub mod validate;
