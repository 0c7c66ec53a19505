//! What was lost, by cause, so that what fired is what was delivered plus what is reported here.
//!
//! Two kinds of loss exist. A program that ran but could not keep its result counts that itself, in the
//! per-CPU map of role [`MapRole::Lost`](stapes_bpf::MapRole::Lost), one counter per cause. A program that
//! the kernel did not run at all is counted by the kernel, per program (`recursion_misses` of
//! `bpf_prog_info`, Linux 5.12): uprobes attached through perf run under a per-CPU guard on kernels before
//! 6.0, so that a probe which fires in the middle of another BPF program's run is skipped. `uprobe_multi`
//! has no such guard and skips nothing.
//!
//! One loss nobody counts: at more than 64 nested probed calls in a thread the kernel does not hook further
//! returns (`MAX_URETPROBE_DEPTH`), and says so only in its log.

use stapes_bpf::{LossCause, Object};

use crate::Error;
use crate::maps::MapHandle;

/// What was lost since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// What programs could not keep, for each of [`Object::losses`] (zeroes included), summed over the CPUs.
    pub causes: Vec<(LossCause, u64)>,
    /// How often the kernel skipped each program, by its index in [`Object::programs`].
    pub missed: Vec<u64>,
}

impl Losses {
    /// Everything that was lost.
    pub fn total(&self) -> u64 {
        self.causes.iter().map(|(_, n)| n).sum::<u64>().wrapping_add(self.missed.iter().sum())
    }
}

/// The counters of the object's loss map, summed.
pub(crate) fn causes(object: &Object, lost: Option<MapHandle<'_>>) -> Result<Vec<(LossCause, u64)>, Error> {
    let Some(lost) = lost else {
        return Ok(object.losses.iter().map(|cause| (cause.clone(), 0)).collect());
    };
    let mut out = Vec::with_capacity(object.losses.len());
    for (cause, index) in object.losses.iter().zip(0u32..) {
        let values = lost.get(&index.to_ne_bytes())?.unwrap_or_default();
        let sum = values.as_chunks::<8>().0.iter().map(|v| u64::from_ne_bytes(*v)).fold(0, u64::wrapping_add);
        out.push((cause.clone(), sum));
    }
    Ok(out)
}
