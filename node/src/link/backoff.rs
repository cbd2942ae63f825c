//! How long to wait before the next attempt to reach the coordinator.
//!
//! Owns the schedule: half a second to twenty seconds, doubling, at random within the upper half, so that the
//! hospitals do not return all at once after LCG restarts. It must not sleep nor know what failed.

use rand_core::Rng;
use std::time::Duration;

const FIRST_MS: u64 = 1_000;
const SHORTEST_MS: u64 = 500;
/// With a start of the server and a handshake within the half minute in which all are to be back.
const LONGEST_MS: u64 = 20_000;
/// A link that lasted this long was a good one.
const GOOD: Duration = Duration::from_secs(10);

/// The schedule.
#[derive(Debug, Clone, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Tells how long the last link lasted; a good one starts the schedule anew.
    pub fn lasted(&mut self, link: Duration) {
        if link >= GOOD {
            self.failures = 0;
        }
    }

    /// How long to wait now.
    pub fn next(&mut self, rng: &mut impl Rng) -> Duration {
        let ceiling = FIRST_MS.saturating_mul(1 << self.failures.min(16)).min(LONGEST_MS);
        self.failures = self.failures.saturating_add(1);
        let floor = (ceiling / 2).max(SHORTEST_MS);
        let spread = ceiling.saturating_sub(floor).saturating_add(1);
        Duration::from_millis(floor.saturating_add(rng.next_u64() % spread))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_core::UnwrapErr;

    #[test]
    fn waits_grow_to_twenty_seconds_and_start_anew_after_a_good_link() {
        let mut rng = UnwrapErr(getrandom::SysRng);
        let mut backoff = Backoff::default();
        let waits: Vec<_> = (0..40).map(|_| backoff.next(&mut rng).as_millis()).collect();
        assert!((500..=1_000).contains(&waits[0]), "{waits:?}");
        assert!((1_000..=2_000).contains(&waits[1]), "{waits:?}");
        assert!(waits[8..].iter().all(|wait| (10_000..=20_000).contains(wait)), "{waits:?}");
        assert!(waits[8..].iter().any(|wait| *wait != waits[8]), "no jitter: {waits:?}");
        backoff.lasted(Duration::from_secs(9));
        assert!(backoff.next(&mut rng).as_millis() >= 10_000);
        backoff.lasted(Duration::from_secs(10));
        assert!(backoff.next(&mut rng).as_millis() <= 1_000);
    }
}
