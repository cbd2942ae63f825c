//! How many bytes may be on their way at once.
//!
//! Owns a floor under quinn's own controller: on a network that loses at random that one ends at two packets,
//! and a round that takes a second takes ten. Above the floor its word counts. It must not pace or count.

use quinn::congestion::{Controller, ControllerFactory, CubicConfig};
use quinn_proto::RttEstimator;
use std::any::Any;
use std::sync::Arc;
use std::time::Instant;

/// Fewest bytes; those of all 69 hospitals together are a third of a second on a line of 100 Mbit/s.
pub(super) const FLOOR: u64 = 64 * 1024;

/// Makes the controllers of links.
#[derive(Debug, Default)]
pub(super) struct Floor(Arc<CubicConfig>);

impl ControllerFactory for Floor {
    fn build(self: Arc<Self>, now: Instant, mtu: u16) -> Box<dyn Controller> {
        Box::new(Floored(Arc::clone(&self.0).build(now, mtu)))
    }
}

struct Floored(Box<dyn Controller>);

impl Controller for Floored {
    fn on_sent(&mut self, now: Instant, bytes: u64, last: u64) {
        self.0.on_sent(now, bytes, last);
    }
    fn on_ack(&mut self, now: Instant, sent: Instant, bytes: u64, limited: bool, rtt: &RttEstimator) {
        self.0.on_ack(now, sent, bytes, limited, rtt);
    }
    fn on_end_acks(&mut self, now: Instant, in_flight: u64, limited: bool, largest: Option<u64>) {
        self.0.on_end_acks(now, in_flight, limited, largest);
    }
    fn on_congestion_event(&mut self, now: Instant, sent: Instant, persistent: bool, lost: u64) {
        self.0.on_congestion_event(now, sent, persistent, lost);
    }
    fn on_mtu_update(&mut self, mtu: u16) {
        self.0.on_mtu_update(mtu);
    }
    fn window(&self) -> u64 {
        self.0.window().max(FLOOR)
    }
    fn clone_box(&self) -> Box<dyn Controller> {
        Box::new(Floored(self.0.clone_box()))
    }
    fn initial_window(&self) -> u64 {
        self.0.initial_window().max(FLOOR)
    }
    fn into_any(self: Box<Self>) -> Box<dyn Any> {
        self.0.into_any()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_loss_brings_the_window_below_the_floor() {
        let now = Instant::now();
        let mut bare = Arc::new(CubicConfig::default()).build(now, 1200);
        let mut floored = Arc::new(Floor::default()).build(now, 1200);
        for at in 1..100 {
            let at = now + std::time::Duration::from_secs(at);
            bare.on_congestion_event(at, at, true, 1200);
            floored.on_congestion_event(at, at, true, 1200);
        }
        assert!(bare.window() < 4 * 1200, "without it: {}", bare.window());
        assert_eq!(floored.window(), FLOOR);
        assert_eq!(floored.clone_box().window(), FLOOR);
        assert_eq!(floored.initial_window(), FLOOR);
    }
}
