//! eBPF as data: instructions, and the [`Object`] that joins the compiler and the engines.

#![forbid(unsafe_code)]

pub mod assembler;
pub mod check;
pub mod insn;
pub mod insn_text;
pub mod object;
pub mod table;
pub mod text;
pub mod types;

pub use insn::Insn;
pub use object::{
    Attachment, Event, EventKind, Image, LossCause, Map, MapKind, MapRole, Object, Point, Program,
    ProgramKind,
};
pub use types::{Aggregate, StackMode, Type, Value};
