//! Targets, catalogue, plan and events of a tracing session.
