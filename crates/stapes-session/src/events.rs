//! What a running script says, from bytes to meaning.
//!
//! An engine delivers *records* (bytes from the ring buffer) and *maps* (keys and values as bytes).
//! [`record`] cuts a record into its fields, [`value`] reads one value by its type, [`maps`] merges what the CPUs
//! counted apart and puts the entries in order, and [`Message`] is what whoever prints gets to see.
//!
//! The bytes come from programs that the kernel verified, but this code does not rely on that:
//! a record that is too short is refused with a reason, and never read beyond its end.

pub mod maps;
pub mod record;
pub mod value;

use std::io;

use stapes_bpf::{LossCause, StackMode};

pub use maps::{Cell, Entry, MapContent};
pub use record::{Malformed, Record};
pub use value::{Items, Value};

/// Something to show to the user.
#[derive(Debug)]
pub enum Message<'a> {
    /// All probes are attached.
    Attached {
        /// How many probes of the script found something to attach to.
        probes: usize,
        /// At how many places; one limited to several processes counts once for each.
        sites: usize,
    },
    /// What test drivers wait for: everything is attached, on a line of its own, at once.
    Notify,
    /// `printf`.
    Printf {
        /// Index of the event in the object: the same index has the same format.
        event: u32,
        /// The format.
        format: &'a str,
        /// The values.
        fields: &'a Record<'a>,
    },
    /// `print(VALUE)`.
    Value(Value<'a>),
    /// `print(@map)`, and each map at the end.
    Map {
        /// The map with the entries that are to be shown.
        map: &'a MapContent<'a>,
        /// What numbers are divided by, at least 1.
        divisor: u64,
    },
    /// `time(FORMAT)`.
    Time {
        /// A `strftime` format.
        format: &'a str,
    },
    /// `join(…)`.
    Join {
        /// An array of strings; the first empty one ends it.
        strings: Value<'a>,
        /// What to put between them.
        separator: &'a str,
    },
    /// `cat(FORMAT, …)`.
    Cat {
        /// The format of the path.
        format: &'a str,
        /// Its values.
        fields: &'a Record<'a>,
    },
    /// `system(FORMAT, …)`.
    System {
        /// The format of the command.
        format: &'a str,
        /// Its values.
        fields: &'a Record<'a>,
    },
    /// Things were lost.
    Lost(&'a Loss),
    /// Something that the user should know, one line: a probe that could not be attached later, a malformed record.
    Warning(&'a str),
    /// The run is over; what follows is the maps.
    End,
}

/// A number of things that were lost, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loss {
    /// How many.
    pub count: u64,
    /// Why.
    pub cause: Cause,
}

/// Why things were lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The program could not deliver or keep something.
    Program {
        /// The reason that the program counted.
        cause: LossCause,
        /// The map that the reason is about.
        map: Option<String>,
    },
    /// The kernel did not run a program, because the same program was already running on that CPU
    /// or the probe fired inside another program.
    Missed {
        /// The program.
        program: String,
    },
    /// A record could not be understood; a defect of ours.
    Malformed,
}

/// Whoever shows messages.
pub trait Listener {
    /// Shows one message, perhaps into a buffer.
    fn message(&mut self, message: Message<'_>, facts: &mut dyn Facts) -> io::Result<()>;

    /// Called when all the records that were waiting have been shown, so that they can be seen.
    fn batch_done(&mut self) -> io::Result<()>;

    /// Hands on all that is in the buffer.
    fn flush(&mut self) -> io::Result<()>;
}

/// What has to be looked up, beside the bytes of a value, to print it.
pub trait Facts {
    /// The frames of the stack with the given key in the given map, innermost first; none where it was not kept.
    fn stack(&mut self, map: u32, key: u64, pid: Option<u32>, mode: StackMode) -> Vec<Frame>;

    /// The symbol at an address of a process, or of the kernel.
    fn symbol(&mut self, address: u64, pid: Option<u32>) -> Frame;

    /// The name of the probe with that index.
    fn probe(&mut self, index: u32) -> &str;

    /// The name of a user, or the number where there is none.
    fn username(&mut self, uid: u32) -> String;

    /// Nanoseconds since 1970 of a CLOCK_BOOTTIME reading in nanoseconds.
    fn wall_clock(&mut self, boot_nanoseconds: u64) -> i128;
}

/// One frame of a stack, or one address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frame {
    /// The address.
    pub address: u64,
    /// The function, demangled, where one is known.
    pub function: Option<String>,
    /// Bytes from the start of the function.
    pub offset: u64,
    /// The file that holds the code, where it is known.
    pub object: Option<String>,
}
