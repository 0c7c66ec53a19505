//! What can go wrong, as values: nothing here ends the program that hosts the probes.

use std::fmt;
use std::io;

use crate::Arg;

/// Why a provider or probe could not be made, or an event not be fired.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The name cannot stand in a note or in a tracer's command.
    BadName {
        /// The name, made printable and cut to a sensible length.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The provider has a probe of that name.
    Duplicate {
        /// The probe's name.
        name: String,
    },
    /// More arguments than notes can carry.
    TooManyArguments {
        /// How many places in a note the arguments take; a string takes two.
        places: usize,
        /// How many there may be.
        limit: usize,
    },
    /// An event's values are not what the probe was declared with.
    Mismatch {
        /// The position of the first value that does not fit, from 0.
        at: usize,
        /// What was declared there, if anything.
        declared: Option<Arg>,
        /// What was given there, if anything.
        given: Option<Arg>,
    },
    /// The system refused something.
    System {
        /// The call.
        call: &'static str,
        /// What it was about.
        object: String,
        /// Why it was refused.
        source: io::Error,
    },
    /// The dynamic linker refused the image.
    Linker {
        /// What it said.
        message: String,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |arg: &Option<Arg>| arg.map_or("nothing".to_owned(), |a| format!("{a:?}"));
        match self {
            Error::BadName { name, reason } => write!(f, "bad name `{name}`: {reason}"),
            Error::Duplicate { name } => write!(f, "the provider has a probe `{name}` already"),
            Error::TooManyArguments { places, limit } => {
                write!(f, "the arguments take {places} places, and there are {limit}")
            }
            Error::Mismatch { at, declared, given } => {
                write!(f, "argument {at} is declared as {}, and {} was given", name(declared), name(given))
            }
            Error::System { call, object, source } => write!(f, "{call} of `{object}`: {source}"),
            Error::Linker { message } => write!(f, "dlopen: {message}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::System { source, .. } => Some(source),
            _ => None,
        }
    }
}
