//! eBPF as data: instructions, and the [`Object`] that joins the compiler and the engines.

#![forbid(unsafe_code)]

pub mod insn;
pub mod object;
pub mod types;

pub use insn::Insn;
pub use object::{
    Attachment, Event, EventKind, Image, LossCause, Map, MapKind, MapRole, Object, Point, Program,
    ProgramKind,
};
pub use types::{Aggregate, StackMode, Type, Value};
