//! The coordinator's program in a [`Play`]: its disk, its deadlines, its sessions.
//!
//! It plays `coordinator/src/session.rs` and `session/start.rs`: what binds a slot, which lost attempts are
//! voided first, from what an interrupted session is resumed.

use super::play::{Flying, Play, frame_len, refused};
use super::taking;
use samensom_protocol::codec::Text;
use samensom_protocol::coordinator::{Coordinator, Setup};
use samensom_protocol::ids::{AttemptId, NodeId};
use samensom_protocol::io::{Event, Input, Output, Peer, Record, Sum};
use samensom_protocol::message::{Bound, Invited, Message, Round, Voids};
use samensom_protocol::rounds::pairs::History;
use samensom_protocol::rounds::void::Unsettled;
use samensom_protocol::time::Time;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a session was begun with.
#[derive(Debug, Clone)]
struct Open {
    slot: u64,
    invited: Vec<Invited>,
    bound: Option<Bound>,
    earlier: Option<Bound>,
    /// Attempts on the disk before it.
    before: usize,
    resumed: bool,
}

/// The coordinator.
#[derive(Debug, Default)]
pub struct Centre {
    machine: Option<Coordinator>,
    open: Option<Open>,
    due: Vec<(AttemptId, Round, Time)>,
    /// Attempts, oldest first, with their slot and records.
    pub attempts: Vec<(AttemptId, u64, Vec<Record>)>,
    spool: BTreeMap<(NodeId, u32), Vec<u8>>,
    bounds: BTreeMap<u64, Bound>,
    /// The last sum.
    pub sum: Option<Sum>,
}

impl Centre {
    /// No session is open.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.open.is_none() || self.machine.as_ref().is_some_and(Coordinator::is_over)
    }

    /// A node's spooled report.
    #[must_use]
    pub fn spooled(&self, node: NodeId) -> Vec<Vec<u8>> {
        self.spool.range((node, 0)..=(node, u32::MAX)).map(|(_, block)| block.clone()).collect()
    }

    fn keep(&mut self, record: Record) {
        let slot = self.open.as_ref().map_or(0, |open| open.slot);
        let sid = match &record {
            Record::Sent { sid, .. } | Record::Received { sid, .. } => *sid,
            Record::Bound { slot, bound, .. } => {
                self.bounds.insert(*slot, bound.clone());
                bound.sid
            }
            _ => return,
        };
        match self.attempts.iter_mut().find(|(of, _, _)| *of == sid) {
            Some((_, _, records)) => records.push(record),
            None => self.attempts.push((sid, slot, vec![record])),
        }
    }

    /// VOIDs that were collected, and attempts that have neither those nor a certificate.
    fn voids(&self, slot: u64) -> (Vec<Voids>, Vec<(AttemptId, bool)>) {
        let (mut voided, mut unsettled) = (Vec::new(), Vec::new());
        for (sid, of, records) in &self.attempts {
            let (mut gone, mut certified, mut voids) = (false, false, None);
            for record in records {
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
                unsettled.push((*sid, *of == slot));
            }
        }
        (voided, unsettled)
    }
}

impl Play {
    /// Begins a session, if none is open and enough are there.
    pub fn begin(&mut self) {
        if !self.centre.is_over() {
            return;
        }
        let slot = self.slot();
        let bound = self.centre.bounds.get(&slot).cloned();
        let all = self.announces.iter().map(|(node, announce)| Invited { node: *node, announce: *announce });
        let invited =
            all.filter(|one| bound.as_ref().is_none_or(|b| b.survivors.contains(&one.node))).collect();
        let earlier = self.centre.bounds.range(..slot).next_back().map(|(_, bound)| bound.clone());
        let before = self.centre.attempts.len();
        let open = Open { slot, invited, bound, earlier, before, resumed: false };
        let setup = self.setup(&open);
        self.centre.open = Some(open);
        self.centre.machine = Some(Coordinator::new(setup));
        self.centre.due.clear();
        self.centre.spool.clear();
        self.step_centre(Input::Start(self.now));
    }

    fn setup(&self, open: &Open) -> Setup {
        // A session that goes on has its VOIDs behind it.
        let (voided, unsettled) =
            if open.resumed { Default::default() } else { self.centre.voids(open.slot) };
        let (signed, warrant) = &self.town.warrants[0];
        let lost = |(sid, required)| {
            let roster = Arc::clone(&self.town.roster);
            Unsettled { sid, roster, required, voids: Vec::new() }
        };
        Setup {
            pass: samensom_protocol::message::Pass::Value,
            opening: None,
            identity: Arc::clone(&self.town.coordinator),
            roster: Arc::clone(&self.town.roster),
            warrant: Arc::clone(warrant),
            signed: signed.clone(),
            lock: Text::clone(&self.town.lock.name),
            slot: open.slot,
            invited: open.invited.clone(),
            bound: open.bound.clone(),
            whole: false,
            earlier: open.earlier.clone(),
            history: History::default(),
            unsettled: unsettled.into_iter().map(lost).collect(),
            voided,
        }
    }

    /// The coordinator's program is killed, and resumes its session from its disk.
    pub fn restart_centre(&mut self) {
        let Some(mut open) = self.centre.open.clone().filter(|_| !self.centre.is_over()) else { return };
        let attempt = self.centre.attempts.get(open.before..).and_then(<[_]>::last);
        let total = self.town.warrants[0].1.params().deadlines.total_ms();
        let opened = attempt.and_then(|(_, _, records)| {
            records.iter().find_map(|record| match record {
                Record::Sent { at, .. } => Some(*at),
                _ => None,
            })
        });
        self.centre.due.clear();
        self.flying.retain(|frame| frame.to != Peer::Coordinator);
        let Some((_, _, records)) =
            attempt.filter(|_| opened.is_some_and(|at| self.now.since_ms(at) <= total))
        else {
            // Interrupted: a session of its own follows, if somebody begins one.
            (self.centre.open, self.centre.machine) = (None, None);
            return;
        };
        let records = records.clone();
        open.resumed = true;
        let setup = self.setup(&open);
        self.centre.open = Some(open);
        let (centre, rng) = (&self.centre, &mut self.rng);
        let resumed = Coordinator::resume(setup, &records, &mut |node| centre.spooled(node), self.now, rng);
        let (machine, outputs) = resumed.unwrap_or_else(|fault| panic!("a session does not go on: {fault}"));
        self.centre.machine = Some(machine);
        self.carry_out(outputs);
        for node in self.hospitals.keys().copied().collect::<Vec<_>>() {
            self.step_centre(Input::Linked { node, at: self.now });
        }
    }

    /// Steps the coordinator, and carries its outputs out.
    pub fn step_centre(&mut self, input: Input) {
        let Some(machine) = self.centre.machine.take() else { return };
        let rng = &mut self.rng;
        let own = frame_len(&input);
        let before = self.taken.entry(Peer::Coordinator).or_default();
        let (machine, outputs) = match own {
            Some(own) => taking(own + *before, || machine.step(input, rng)),
            None => machine.step(input, rng),
        };
        *before += own.filter(|_| !refused(&outputs)).unwrap_or(0);
        self.centre.machine = Some(machine);
        self.carry_out(outputs);
    }

    fn carry_out(&mut self, outputs: Vec<Output>) {
        let at = self.now;
        let mut recalled = Vec::new();
        for output in outputs {
            match output {
                Output::Persist(record) => self.centre.keep(record),
                Output::Send { to, bytes } => {
                    self.promises.ordered(&bytes);
                    self.send(Flying { from: Peer::Coordinator, to, bytes });
                }
                Output::Spool { node, block, bytes } => drop(self.centre.spool.insert((node, block), bytes)),
                Output::Recall { node } => recalled.push(node),
                Output::Arm { sid, round, at } => self.centre.due.push((sid, round, at)),
                Output::Publish { frames, to } => {
                    for (to, bytes) in to.iter().flat_map(|to| frames.iter().map(move |bytes| (*to, bytes))) {
                        let to = Peer::Node(to);
                        self.send(Flying { from: Peer::Coordinator, to, bytes: bytes.clone() });
                    }
                }
                Output::Notify(Event::Finished(sum)) => {
                    let slot = self.centre.open.as_ref().map_or(0, |open| open.slot);
                    self.promises.finished(&sum, slot);
                    self.centre.sum = Some(*sum);
                }
                Output::Notify(Event::Failed(failure)) => self.promises.failed(&failure),
                _ => {}
            }
        }
        for node in recalled {
            for (block, bytes) in (0..).zip(self.centre.spooled(node)) {
                self.step_centre(Input::Recalled { node, block, bytes, at });
            }
        }
    }

    /// The coordinator's next deadline passes; false if it waits for none.
    pub fn due_at_centre(&mut self) -> bool {
        if self.centre.is_over() {
            return false;
        }
        let next = self.centre.due.iter().enumerate().min_by_key(|(_, (_, _, at))| *at).map(|(i, _)| i);
        let Some((sid, round, at)) = next.map(|i| self.centre.due.remove(i)) else { return false };
        self.pass(at.since_ms(self.now));
        self.step_centre(Input::Deadline { sid, round, at: self.now });
        true
    }
}
