//! The tree's own rules, checked: what ARCHITECTURE.md says of crates and of `unsafe`, and how files are kept.

mod licences;
mod tidy;
