//! The moves an adversary's schemes are made of: offer, cohorts, survivors, and who is told what.
//!
//! Every move reaches each node only with some luck, so that every scheme also runs with losses.

use super::world::World;
use crate::forge::hand::{Ask, Hand};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::Rng;
use samensom_protocol::ids::NodeId;
use samensom_protocol::message::Bound;
use samensom_protocol::params::Thresholds;
use std::collections::BTreeSet;

/// A set of nodes.
pub type Set = BTreeSet<NodeId>;

/// A run in progress: the world, the adversary's hand, and its dice.
#[derive(Debug)]
pub struct Scene {
    /// Hospitals.
    pub world: World,
    /// The adversary.
    pub hand: Hand,
    /// Dice.
    pub rng: ChaCha20Rng,
    /// Chance in a hundred that a frame does not reach its node.
    pub loss: u32,
    /// Everybody.
    pub everyone: Set,
    /// Those with real machines.
    pub honest: Set,
    /// Thresholds of the roster.
    pub thresholds: Thresholds,
}

impl Scene {
    /// True so often in a hundred.
    pub fn chance(&mut self, percent: u32) -> bool {
        self.rng.next_u32() % 100 < percent
    }
    /// A number below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.rng.next_u32()).unwrap_or(0) % n.max(1)
    }
    /// `count` of these, at random.
    pub fn some(&mut self, of: &Set, count: usize) -> Set {
        let mut left: Vec<NodeId> = of.iter().copied().collect();
        let mut chosen = Set::new();
        while chosen.len() < count && !left.is_empty() {
            let at = self.below(left.len());
            chosen.insert(left.swap_remove(at));
        }
        chosen
    }
    /// One of these.
    pub fn one(&mut self, of: &Set) -> Option<NodeId> {
        self.some(of, 1).into_iter().next()
    }
    /// Each of these with a chance.
    pub fn each(&mut self, of: &Set, percent: u32) -> Set {
        of.iter().copied().filter(|_| self.chance(percent)).collect()
    }
    /// A set of at least q of these, if there are so many: mostly all, or all but one, or just q.
    pub fn quorum_of(&mut self, of: &Set) -> Set {
        let least = usize::from(self.thresholds.quorum).min(of.len());
        let room = of.len() - least;
        let less = match self.below(4) {
            0 => 0,
            1 => room.min(1),
            2 => room,
            _ => self.below(room + 1),
        };
        self.some(of, of.len() - less)
    }
    /// In another order each time, without those that the frame does not reach.
    fn reached(&mut self, to: &Set) -> Vec<NodeId> {
        let mut left: Vec<NodeId> = to.intersection(&self.honest).copied().collect();
        let mut order = Vec::new();
        while !left.is_empty() {
            let at = self.below(left.len());
            let node = left.swap_remove(at);
            if !self.chance(self.loss) {
                order.push(node);
            }
        }
        order
    }

    /// The slot by the world's clock.
    #[must_use]
    pub fn slot(&self) -> u64 {
        self.world.slot(self.world.now)
    }
    /// The number of the next attempt of a session.
    #[must_use]
    pub fn next_attempt(&self, warrant: usize, slot: u64) -> u16 {
        let same = |ask: &Ask| ask.warrant == warrant && ask.slot == slot;
        let numbers = self.hand.tries.iter().filter(|one| same(&one.ask)).map(|one| one.ask.attempt + 1);
        numbers.max().unwrap_or(0)
    }
    /// The certificate that binds this slot, or the newest of an earlier one.
    #[must_use]
    pub fn standing(&self) -> Option<Bound> {
        let now = self.slot();
        let here = self.hand.bounds.iter().find(|(slot, _)| *slot == now);
        here.or(self.hand.bounds.last()).map(|(_, bound)| bound.clone())
    }
    /// An honest coordinator's question: everyone, or those that bind the slot.
    pub fn honest_ask(&mut self, warrant: usize) -> Ask {
        let slot = self.slot();
        let bound = self.standing().filter(|_| self.hand.bounds.iter().any(|(at, _)| *at == slot));
        let invited =
            bound.as_ref().map_or(self.everyone.clone(), |bound| bound.survivors.iter().copied().collect());
        Ask { warrant, slot, attempt: self.next_attempt(warrant, slot), invited, bound }
    }

    /// Offers an attempt to everyone invited.
    pub fn open(&mut self, ask: Ask) -> Option<usize> {
        let t = self.hand.ask(&mut self.world, ask)?;
        let invited = self.hand.tries[t].ask.invited.clone();
        self.offer(t, &invited);
        Some(t)
    }
    /// Offers an attempt to some.
    pub fn offer(&mut self, t: usize, to: &Set) {
        for node in self.reached(to) {
            self.hand.send_offer(&mut self.world, t, node);
        }
    }
    /// Everybody whose deposit is there.
    #[must_use]
    pub fn deposited(&self, t: usize) -> Set {
        self.hand.tries[t].deposits.keys().copied().collect()
    }
    /// START over a cohort, to some of it.
    pub fn start(&mut self, t: usize, cohort: &Set, to: &Set) -> Option<usize> {
        let s = self.hand.start(&mut self.world, t, cohort)?;
        let members: Set = self.hand.tries[t].starts[s].cohort.iter().copied().collect();
        for node in self.reached(&members.intersection(to).copied().collect()) {
            self.hand.send_start(&mut self.world, (t, s), node);
        }
        Some(s)
    }
    /// Those who are READY for a START.
    #[must_use]
    pub fn ready(&self, t: usize, s: usize) -> Set {
        self.hand.tries[t].starts[s].readies.keys().copied().collect()
    }
    /// GO over a START, to those who follow it and are in `to`.
    pub fn go(&mut self, (t, s): (usize, usize), (swap, variant): (bool, bool), to: &Set) -> Option<usize> {
        let g = self.hand.go(&mut self.world, (t, s), swap, variant)?;
        for node in self.reached(to) {
            self.hand.send_go(&mut self.world, (t, s, g), node);
        }
        Some(g)
    }
    /// Those who reported under a GO.
    #[must_use]
    pub fn reported(&self, (t, s, g): (usize, usize, usize)) -> Set {
        self.hand.tries[t].starts[s].gos[g].reports.keys().copied().collect()
    }
    /// FREEZE over survivors, to some of them.
    pub fn freeze(&mut self, go: (usize, usize, usize), survivors: &Set, to: &Set) -> Option<usize> {
        let f = self.hand.freeze(&mut self.world, go, survivors)?;
        let own: Set = self.hand.tries[go.0].freezes[f].survivors.iter().copied().collect();
        for node in self.reached(&own.intersection(to).copied().collect()) {
            self.hand.send_freeze(&mut self.world, (go.0, f), node);
        }
        self.hand.keep((go.0, f));
        Some(f)
    }
    /// The certificate and ASK-B of a FREEZE, to those of its survivors in `to`.
    pub fn close(&mut self, (t, f): (usize, usize), pad: bool, to: &Set) {
        let own: Set = self.hand.tries[t].freezes[f].survivors.iter().copied().collect();
        let to: Set = own.intersection(to).copied().collect();
        for node in self.reached(&to) {
            self.hand.send_certificate(&mut self.world, (t, f), pad, node);
        }
        for node in self.reached(&to) {
            self.hand.send_ask(&mut self.world, (t, f), node);
        }
    }
    /// Asks some for their VOID of an attempt.
    pub fn ask_voids(&mut self, t: usize, of: &Set) {
        for node in self.reached(of) {
            self.hand.send_void_ask(&mut self.world, t, node);
        }
    }
    /// Shows some the VOIDs of an attempt.
    pub fn show_voids(&mut self, t: usize, pad: bool, to: &Set) {
        for node in self.reached(to) {
            self.hand.send_voids(&mut self.world, t, pad, node);
        }
    }
    /// Ends every open attempt, to almost everyone.
    pub fn end_all(&mut self) {
        for node in self.reached(&self.honest.clone()) {
            let open = self.world.open(node);
            if let Some(t) = self.hand.tries.iter().position(|one| Some(one.facts.sid) == open) {
                self.hand.send_end(&mut self.world, t, node);
            }
        }
    }
    /// From GO to the shares, over survivors chosen at random among those who reported.
    pub fn finish(&mut self, t: usize, s: usize) {
        let to = self.ready(t, s);
        let Some(g) = self.go((t, s), (false, false), &to) else { return };
        let reported = self.reported((t, s, g));
        let survivors = match self.hand.tries[t].ask.bound {
            Some(_) => reported,
            None => self.quorum_of(&reported),
        };
        let everyone = self.everyone.clone();
        if let Some(f) = self.freeze((t, s, g), &survivors, &everyone) {
            self.close((t, f), false, &everyone);
        }
    }
    /// A whole attempt as an honest coordinator runs it; true if it came to the shares.
    pub fn run(&mut self, ask: Ask) -> Option<usize> {
        let t = self.open(ask)?;
        let cohort = self.deposited(t);
        let s = self.start(t, &cohort, &cohort)?;
        if self.ready(t, s) == cohort {
            self.finish(t, s);
        }
        Some(t)
    }
}
