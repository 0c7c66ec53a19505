//! How what a session says looks: text and JSON.

#![forbid(unsafe_code)]

pub mod definitions;
pub mod listing;
