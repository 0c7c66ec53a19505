//! What was lost, in words.

use stapes_bpf::LossCause;
use stapes_session::events::{Cause, Loss};

/// `lost 12 events: the ring buffer was full (…)`.
pub(crate) fn sentence(loss: &Loss) -> String {
    format!("lost {} {}: {}", loss.count, what(loss), cause(&loss.cause))
}

/// Only the cause, with what helps against it.
pub(crate) fn cause(cause: &Cause) -> String {
    let Cause::Program { cause, map } = cause else {
        return match cause {
            Cause::Missed { program } => {
                format!("probes fired while program {program} was already running on their CPU")
            }
            _ => "records were malformed; this is a defect of stapes".into(),
        };
    };
    let map = map.as_deref().unwrap_or("?");
    match cause {
        LossCause::RingFull => "the ring buffer was full (a faster reader or fewer events help)".into(),
        LossCause::MapFull { .. } => format!("map {map} was full (config max_map_keys makes it greater)"),
        LossCause::StacksFull { .. } => "too many different stacks to keep them all".into(),
        LossCause::Contended { .. } => format!("several CPUs changed map {map} too fast"),
        LossCause::ScratchBusy => "too many programs slept on one CPU at the same time".into(),
    }
}

fn what(loss: &Loss) -> &'static str {
    let program = match &loss.cause {
        Cause::Program { cause, .. } => Some(cause),
        _ => None,
    };
    match (program, loss.count) {
        (Some(LossCause::MapFull { .. } | LossCause::Contended { .. }), 1) => "update of a map",
        (Some(LossCause::MapFull { .. } | LossCause::Contended { .. }), _) => "updates of a map",
        (Some(LossCause::StacksFull { .. }), 1) => "stack",
        (Some(LossCause::StacksFull { .. }), _) => "stacks",
        (_, 1) => "event",
        _ => "events",
    }
}
