//! The time an attempt runs by: this machine's clock between attempts, a clock that nobody can set inside one.
//!
//! Owns the choice between the two. It must not decide anything by itself: slots and deadlines are the
//! protocol's.

use samensom_protocol::time::Time;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// This machine's clock.
#[must_use]
pub fn now() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// A clock that follows the machine's while it is asked to, and else only the time that passes.
#[derive(Debug)]
pub struct Clock {
    set: Time,
    since: Instant,
}

impl Default for Clock {
    fn default() -> Self {
        Clock { set: now(), since: Instant::now() }
    }
}

impl Clock {
    /// The time now; `free` while no attempt is open.
    pub fn now(&mut self, free: bool) -> Time {
        self.read(free.then(now), Instant::now())
    }

    fn read(&mut self, wall: Option<Time>, at: Instant) -> Time {
        if let Some(wall) = wall {
            (self.set, self.since) = (wall, at);
        }
        let passed = at.saturating_duration_since(self.since).as_millis();
        self.set.plus_ms(u64::try_from(passed).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn inside_an_attempt_only_the_time_that_passes_counts() {
        let start = Instant::now();
        let mut clock = Clock { set: Time(0), since: start };
        let at = |ms| start + Duration::from_millis(ms);
        assert_eq!(clock.read(Some(Time(50_000)), at(10)), Time(50_000), "set by the machine's clock");
        assert_eq!(clock.read(None, at(1_010)), Time(51_000), "whatever the machine's clock says now");
        assert_eq!(clock.read(None, at(2_010)), Time(52_000));
        assert_eq!(
            clock.read(Some(Time(40_000)), at(2_020)),
            Time(40_000),
            "between attempts it is followed"
        );
    }
}
