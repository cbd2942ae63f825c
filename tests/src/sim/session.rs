//! How a session begins, goes on after a crash, and is doubled by a lying coordinator.
//!
//! Plays `coordinator/src/session/start.rs`: who is invited, which survivors bind the slot, which lost
//! attempts are to be voided first, and what an interrupted session is resumed from.

use super::centre::{Centre, Open};
use super::plan::Act;
use super::run::{Event, Run, Violation};
use super::world::{EPOCH, SLOT_MS, mix};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use samensom_protocol::coordinator::{Coordinator, Setup};
use samensom_protocol::ids::NodeId;
use samensom_protocol::io::{Input, Record};
use samensom_protocol::message::{Invited, Message, Round, Voids};
use samensom_protocol::rounds::pairs::History;
use samensom_protocol::rounds::void::Unsettled;
use std::sync::Arc;

impl Run {
    /// Is there a session that is not over?
    #[must_use]
    pub fn busy(&self, c: usize) -> bool {
        self.centres[c].open.is_some()
    }

    /// Begins a session if all that the real program asks for is given; false when it must wait.
    pub fn begin(&mut self, c: usize, warrant: usize, since: u64) -> bool {
        let mut slot = self.world.slot_at(self.clock());
        let ends = (slot + 1) * SLOT_MS;
        let total = self.world.warrants[warrant].1.params().deadlines.total_ms();
        if self.centres[c].open.is_some() || !self.centres[c].up {
            return false;
        }
        if ends.saturating_sub(self.clock().0) < total {
            self.tally.count("no session: the slot ends");
            return true;
        }
        if self.plan.real_channels {
            let there: Vec<NodeId> = self.centres[c].switchboard.nodes().collect();
            if self.centres[c].switchboard.missing(&there) > 0 && self.now < since + 10_000 {
                return false;
            }
        }
        let wrong = self.acts().find_map(|(_, act)| match act {
            Act::WrongSlot { session, ahead } if *session == self.sessions + 1 => Some(*ahead),
            _ => None,
        });
        if let Some(ahead) = wrong.filter(|_| !self.healed) {
            slot = if ahead { slot + 1 } else { slot - 1 };
            self.tally.count("fault: session for another slot");
        }
        let centre = &self.centres[c];
        let bound = centre.store.bounds.get(&slot).cloned();
        let earlier = centre.store.bounds.range(..slot).next_back().map(|(_, bound)| bound.clone());
        let mut invited: Vec<Invited> = centre
            .announced
            .iter()
            .map(|(node, announce)| Invited { node: *node, announce: *announce })
            .collect();
        if let Some(bound) = &bound {
            invited.retain(|one| bound.survivors.contains(&one.node));
            if invited.len() < bound.survivors.len() {
                self.tally.count("no session: survivors of the slot are away");
                return true;
            }
        }
        let params = self.world.warrants[warrant].1.params();
        if invited.len() < usize::from(params.thresholds.quorum) {
            self.tally.count("no session: too few are there");
            return true;
        }
        self.sessions += 1;
        let number = self.sessions;
        let (voids, log) = (self.voids(c, slot), Vec::new());
        let open = Open { number, slot, warrant, invited, bound, earlier, voids, log, resumed: false };
        self.tell(|run| {
            let who: Vec<u16> = open.invited.iter().map(|one| one.node.0).collect();
            let bound = open.bound.is_some();
            format!(
                "{} begins session {number} in slot {slot} with {who:?}, bound: {bound}",
                run.centre_name(c)
            )
        });
        self.tally.count("session begun");
        let core = Coordinator::new(self.setup(&open));
        let centre = &mut self.centres[c];
        centre.store.session = Some((open.clone(), centre.store.attempts.len()));
        centre.rng = Some(ChaCha8Rng::seed_from_u64(mix(&[self.plan.seed, u64::from(number), 0xc0])));
        centre.core = Some(core);
        centre.over_at = None;
        centre.open = Some(open);
        let limit = self.centres[c].open.as_ref().map_or(0, |open| self.longest(open));
        let process = self.centres[c].process;
        self.at(self.now + limit, Event::SessionLimit { c, process, number });
        let at = self.clock();
        self.centre_take(c, Input::Start(at));
        true
    }

    /// VOIDs that were collected, and attempts that have neither those nor a certificate.
    fn voids(&self, c: usize, slot: u64) -> (Vec<Voids>, Vec<Unsettled>) {
        let store = &self.centres[c].store;
        let (mut voided, mut unsettled) = (Vec::new(), Vec::new());
        for (sid, of) in &store.attempts {
            let (mut gone, mut certified, mut voids) = (false, false, None);
            for record in store.records.get(sid).into_iter().flatten() {
                match record {
                    Record::Sent { round: Round::Contribute, .. } => gone = true,
                    Record::Bound { .. } => certified = true,
                    Record::Sent { round: Round::Void, bytes, .. } => voids = Message::from_frame(bytes).ok(),
                    _ => {}
                }
            }
            if let Some(Message::Voids(voids)) = voids {
                voided.extend(Some(voids).filter(|_| of + 1 >= slot));
            } else if gone && !certified {
                let roster = Arc::clone(&self.world.roster);
                unsettled.push(Unsettled { sid: *sid, roster, required: *of == slot, voids: Vec::new() });
            }
        }
        (voided, unsettled)
    }

    fn setup(&self, open: &Open) -> Setup {
        // A session that goes on has its VOIDs behind it.
        let (voided, unsettled) = if open.resumed { Default::default() } else { open.voids.clone() };
        let (signed, warrant) = &self.world.warrants[open.warrant];
        Setup {
            pass: samensom_protocol::message::Pass::Value,
            opening: None,
            identity: Arc::clone(&self.world.coordinator),
            roster: Arc::clone(&self.world.roster),
            warrant: Arc::clone(warrant),
            signed: signed.clone(),
            lock: self.world.lock.name.clone(),
            slot: open.slot,
            invited: open.invited.clone(),
            bound: open.bound.clone(),
            whole: false,
            earlier: open.earlier.clone(),
            history: History::default(),
            unsettled,
            voided,
        }
    }

    /// After a restart: the session that was open goes on from its records.
    pub(super) fn resume(&mut self, c: usize) {
        let Some((mut open, before)) = self.centres[c].store.session.clone() else { return };
        let (number, at) = (open.number, self.clock());
        let sid = self.centres[c].store.attempts.get(before..).and_then(<[_]>::last).map(|(sid, _)| *sid);
        open.resumed = true;
        open.log.clear();
        let setup = self.setup(&open);
        self.centres[c].rng =
            Some(ChaCha8Rng::seed_from_u64(mix(&[self.plan.seed, u64::from(number), at.0])));
        let records =
            sid.and_then(|sid| self.centres[c].store.records.get(&sid)).cloned().unwrap_or_default();
        let total = self.world.warrants[open.warrant].1.params().deadlines.total_ms();
        let opened = records.iter().find_map(|record| match record {
            Record::Sent { at, .. } => Some(*at),
            _ => None,
        });
        let late = opened.is_none_or(|opened| at.since_ms(opened) > total) && !records.iter().any(is_result);
        let Some(sid) = sid.filter(|_| !late) else {
            self.tally.count("session failed: interrupted");
            self.tell(|_| format!("session {number} was interrupted and cannot go on"));
            self.centres[c].store.session = None;
            return;
        };
        self.centres[c].open = Some(open.clone());
        let limit = self.now + self.longest(&open);
        let process = self.centres[c].process;
        self.at(limit, Event::SessionLimit { c, process, number });
        self.tally.count("session resumed");
        let store = self.centres[c].store.clone();
        let mut blocks = |node| {
            store.spool.range((sid, node, 0)..=(sid, node, u32::MAX)).map(|(_, b)| b.clone()).collect()
        };
        let mut rng = self.centres[c].rng.take().unwrap_or_else(|| ChaCha8Rng::seed_from_u64(0));
        let resumed = Coordinator::resume(setup, &records, &mut blocks, at, &mut rng);
        self.centres[c].rng = Some(rng);
        self.tell(|run| {
            format!("{} resumes session {number} from {} records", run.centre_name(c), records.len())
        });
        match resumed {
            Ok((core, outputs)) => {
                self.centres[c].core = Some(core);
                self.carry_out(c, outputs);
            }
            Err(fault) => {
                let what = format!("session {number}: {fault}");
                self.violation = Some(Violation { claim: "a session goes on from its records", what });
            }
        }
    }

    fn longest(&self, open: &Open) -> u64 {
        let total = self.world.warrants[open.warrant].1.params().deadlines.total_ms();
        (u64::from(self.world.n) + 3) * total
    }

    /// A copy of the coordinator, in the state that it is in now.
    pub fn fork(&mut self) {
        let open = self.centres[0].open.clone();
        let mut copy = Centre {
            up: self.centres[0].up,
            process: self.centres[0].process + 1000,
            store: self.centres[0].store.clone(),
            links: self.centres[0].links.clone(),
            announced: self.centres[0].announced.clone(),
            timer: self.centres[0].timer,
            ..Centre::default()
        };
        if let Some(open) = open.filter(|open| !open.resumed) {
            let mut rng = ChaCha8Rng::seed_from_u64(mix(&[self.plan.seed, u64::from(open.number), 0xc0]));
            let mut core = Coordinator::new(self.setup(&open));
            for logged in open.log.clone() {
                core = core.step(logged.input(), &mut rng).0;
            }
            (copy.core, copy.rng, copy.open) = (Some(core), Some(rng), Some(open));
        }
        if let Some((sid, round, at)) = copy.timer {
            let due = at.0.saturating_sub(EPOCH.0).max(self.now);
            let process = copy.process;
            self.at(due, Event::CentreTimer { c: 1, process, timer: (sid, round, at) });
        }
        self.centres.truncate(1);
        self.centres.push(copy);
    }

    /// A session must be over by now.
    pub fn check_over(&mut self, c: usize, process: u32, number: u32) {
        let Some(centre) = self.centres.get(c).filter(|centre| centre.process == process) else { return };
        if centre.open.as_ref().is_some_and(|open| open.number == number) {
            self.violation = Some(Violation {
                claim: "a session ends, by itself, with a sum or a failure that has a name",
                what: format!("session {number} is open beyond all its deadlines"),
            });
        }
    }
}

fn is_result(record: &Record) -> bool {
    match record {
        Record::Sent { bytes, .. } => matches!(Message::from_frame(bytes), Ok(Message::Outcome(_))),
        _ => false,
    }
}
