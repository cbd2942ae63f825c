//! The end of a run: all heals, and sessions that must succeed do.
//!
//! Safety is claimed at every moment (`oracle.rs`), liveness only here. One session in some runs is lost on
//! purpose, past contribution, so that the next one in the slot stands on VOIDs.

use super::run::{Event, Run, Violation};
use super::world::{SLOT_MS, mix};
use samensom_protocol::ids::NodeId;

impl Run {
    pub(super) fn heal(&mut self) {
        if self.busy(0) || self.centres.len() > 1 {
            return self.at(self.now + 1_000, Event::Heal);
        }
        self.healed = true;
        self.tell(|_| "all heals".to_owned());
        self.cuts.clear();
        self.start_centre();
        for i in 0..self.hospitals.len() {
            self.hospitals[i].slow = (0, 0);
            self.hospitals[i].away = false;
            self.start_node(i);
            // Frames that were lost are noticed as a dead link.
            self.cut_link(i, 10);
        }
        self.heal_slot = self.now / SLOT_MS;
        let next = |slots: u64| (self.now / SLOT_MS + slots) * SLOT_MS + 300_000;
        let (first, unchanged) = (next(1), next(2));
        let dice = mix(&[self.plan.seed, 0xa11]) % 6;
        if dice == 4 {
            self.at(first - 60_000, Event::Must(3));
        }
        self.at(first, Event::Must(0));
        if self.plan.n < 69 && dice == 0 {
            if mix(&[self.plan.seed, 0xa12]).is_multiple_of(2) {
                self.at(first + 50_000, Event::Must(3));
            }
            self.at(first + 100_000, Event::Must(1));
        }
        if self.plan.n < 69 && dice == 1 {
            self.at(unchanged, Event::Must(2));
        }
    }

    /// A session that must succeed: the first in a new slot over new rows, a second one in the same slot,
    /// one in the next slot over the same rows.
    pub(super) fn must(&mut self, which: u8) {
        if which == 3 {
            let quorum = self.world.warrants[0].1.params().thresholds.quorum;
            self.spoil = self.world.n - quorum + 1;
            self.tell(|_| "a session that is lost past contribution".to_owned());
            self.tally.count("session spoiled");
            self.begin(0, 0, 0);
            return;
        }
        self.spoil = 0;
        self.must += 1;
        self.tell(|_| "a session that must succeed".to_owned());
        let begun = self.begin(0, usize::from(which == 1), 0);
        if !begun || !self.busy(0) {
            self.lively("it could not begin".to_owned());
        }
        self.tally.count("session that must succeed");
    }

    fn lively(&mut self, what: String) {
        if self.violation.is_none() {
            let claim = "once all is healed, a session succeeds with every node that is up";
            self.violation = Some(Violation { claim, what });
        }
    }

    pub(super) fn check_end(&mut self) {
        let honest = |i: &u16| !self.hospitals[usize::from(*i) - 1].rolled_back;
        let all: Vec<NodeId> = (1..=self.world.n).filter(honest).map(NodeId).collect();
        let due: Vec<_> = self.sums.iter().filter(|(at, _, _)| *at > self.plan.heal_at).cloned().collect();
        if due.len() != usize::try_from(self.must).unwrap_or(0) {
            let what = format!("{} of {} sessions gave a sum", due.len(), self.must);
            return self.lively(what);
        }
        for (_, sid, survivors) in due {
            if !all.iter().all(|node| survivors.contains(node)) {
                return self.lively(format!("a sum without all nodes: {survivors:?}"));
            }
            if let Some(node) = survivors.iter().find(|node| !self.verified(sid, **node)) {
                return self.lively(format!("{node} has not verified the sum that it is in"));
            }
        }
    }
}
