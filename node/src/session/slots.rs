//! When slots may be frozen, by a clock that nobody can set. Knows nothing of a query or a figure.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// When this process first saw each lock's last slot, by a clock that nobody can set.
#[derive(Debug, Default)]
pub(super) struct Slots(BTreeMap<String, (u64, Instant)>);

impl Slots {
    /// True for the slot that is open, and for a new one only after the least time between two.
    pub(super) fn allows(&mut self, lock: &str, slot: u64, least: Duration, now: Instant) -> bool {
        match self.0.get(lock) {
            Some((open, _)) if *open == slot => true,
            Some((_, since)) if now.saturating_duration_since(*since) < least => false,
            _ => {
                self.0.insert(lock.to_owned(), (slot, now));
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_was_set_forward_opens_no_slot_early() {
        let (mut slots, start, least) = (Slots::default(), Instant::now(), Duration::from_secs(48));
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!(slots.allows("goods", 7, least, at(0)), "the first slot of a process");
        assert!(slots.allows("goods", 7, least, at(1)), "the same slot again");
        assert!(!slots.allows("goods", 8, least, at(47)), "too soon");
        assert!(slots.allows("care", 8, least, at(47)), "another lock has its own");
        assert!(slots.allows("goods", 8, least, at(48)));
        assert!(!slots.allows("goods", 9, least, at(49)));
    }
}
