//! What was lost since the last look.

use stapes_bpf::LossCause;
use stapes_kernel::{Error, Loaded, Losses};

use crate::events::{Cause, Loss};

/// Remembers what has been reported.
#[derive(Default)]
pub(super) struct Reporter {
    reported: Losses,
    malformed: u64,
}

impl Reporter {
    /// What was lost since the last call, each cause with its number; `malformed` counts from the start.
    pub(super) fn new_losses(&mut self, loaded: &Loaded, malformed: u64) -> Result<Vec<Loss>, Error> {
        let now = loaded.losses()?;
        let object = loaded.object();
        let mut losses = Vec::new();
        let before = self.reported.causes.iter().map(|(_, n)| *n).chain(std::iter::repeat(0));
        for ((cause, count), before) in now.causes.iter().zip(before) {
            let map = match cause {
                LossCause::MapFull { map } | LossCause::StacksFull { map } | LossCause::Contended { map } => {
                    object.maps.get(*map as usize).map(|m| m.name.clone())
                }
                LossCause::RingFull | LossCause::ScratchBusy => None,
            };
            let cause = Cause::Program { cause: cause.clone(), map };
            losses.push(Loss { count: count.saturating_sub(before), cause });
        }
        let before = self.reported.missed.iter().copied().chain(std::iter::repeat(0));
        for ((program, count), before) in object.programs.iter().zip(&now.missed).zip(before) {
            let cause = Cause::Missed { program: program.name.clone() };
            losses.push(Loss { count: count.saturating_sub(before), cause });
        }
        losses.push(Loss { count: malformed - self.malformed, cause: Cause::Malformed });
        losses.retain(|loss| loss.count > 0);
        self.reported = now;
        self.malformed = malformed;
        Ok(losses)
    }
}
