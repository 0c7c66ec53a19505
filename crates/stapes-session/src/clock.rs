//! From the kernel's time since boot, which events carry, to the time of day.

use rustix::time::{ClockId, Timespec, clock_gettime};

/// The moment of boot on the clock of the day, as seen at one moment.
///
/// The day's clock can be set and the two can drift; within a session that moves printed times by microseconds only,
/// and times of one session must not jump, so it is measured once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BootTime {
    boot: i128,
}

impl BootTime {
    /// Reads both clocks.
    pub fn measure() -> Self {
        // The second reading lies between the two others, so half their distance bounds the error.
        let before = nanoseconds(clock_gettime(ClockId::Boottime));
        let day = nanoseconds(clock_gettime(ClockId::Realtime));
        let after = nanoseconds(clock_gettime(ClockId::Boottime));
        BootTime { boot: day - (before + after) / 2 }
    }

    /// Nanoseconds since 1970 of a CLOCK_BOOTTIME reading.
    pub fn wall_clock(self, boot_nanoseconds: u64) -> i128 {
        self.boot + i128::from(boot_nanoseconds)
    }
}

fn nanoseconds(time: Timespec) -> i128 {
    i128::from(time.tv_sec) * 1_000_000_000 + i128::from(time.tv_nsec)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn now_is_now() {
        let boot = nanoseconds(clock_gettime(ClockId::Boottime)) as u64;
        let day = nanoseconds(clock_gettime(ClockId::Realtime));
        let seen = BootTime::measure().wall_clock(boot);
        assert!((seen - day).abs() < 1_000_000_000, "{seen} against {day}");
    }
}
