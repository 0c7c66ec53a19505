//! Holds and starts target processes by ptrace.
