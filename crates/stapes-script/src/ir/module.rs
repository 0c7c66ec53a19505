//! A lowered script: its functions, and the tables of the object that their indices refer to.

use stapes_bpf::{Attachment, Event, Image, LossCause, Map};

use super::Function;

/// What lowering makes and emission turns into a [`stapes_bpf::Object`].
///
/// Programs of the object have the order of the functions.
/// Emission adds what only it can know: the object's list of kernel functions, from the calls;
/// a map with the role `Scratch` and the loss cause `ScratchBusy`, where slots do not fit the stack;
/// and the map with the role `Lost` where that is not there yet. Its size is set from the number of causes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Module {
    /// The programs.
    pub functions: Vec<Function>,
    /// Maps, in the order of [`MapId`](super::MapId).
    pub maps: Vec<Map>,
    /// Files to attach to.
    pub images: Vec<Image>,
    /// Where the programs attach; `program` is an index into [`Module::functions`].
    pub attachments: Vec<Attachment>,
    /// What the records in the ring buffer mean.
    pub events: Vec<Event>,
    /// What each counter of the `Lost` map counts.
    pub losses: Vec<LossCause>,
    /// Full names of probes, for [`stapes_bpf::Type::Probe`].
    pub probes: Vec<String>,
}
