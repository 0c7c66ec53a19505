//! The kernel engine.
