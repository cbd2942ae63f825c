//! One run of one seed: a virtual clock, a queue of events, and the faults of the plan.
//!
//! Owns the order of events; everything is a function of the plan, so a run can be told again. First the
//! faults happen and nothing wrong may come of them; then all heals and sessions must succeed.

use super::bugs::Bug;
use super::centre::Centre;
use super::hospital::Hospital;
use super::oracle::Oracle;
use super::plan::{Act, Plan};
use super::tally::Tally;
use super::world::{SLOT_MS, World, mix};
use samensom_protocol::ids::{AttemptId, NodeId};
use samensom_protocol::io::Input;
use samensom_protocol::message::Round;
use samensom_protocol::time::Time;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::rc::Rc;

/// Events of one run before it counts as never ending.
const MOST_STEPS: u64 = 400_000;

/// What happens at a moment.
pub enum Event {
    /// A frame reaches a node; one that outlived its link is given all the same if it is a ghost.
    ToNode {
        i: usize,
        link: u32,
        ghost: bool,
        bytes: Rc<Vec<u8>>,
    },
    /// A frame reaches the coordinator.
    ToCentre {
        c: usize,
        i: usize,
        link: u32,
        bytes: Rc<Vec<u8>>,
    },
    NodeTimer {
        i: usize,
        process: u32,
        timer: (AttemptId, Round, Time),
    },
    CentreTimer {
        c: usize,
        process: u32,
        timer: (AttemptId, Round, Time),
    },
    LinkUp {
        i: usize,
        process: u32,
    },
    LinkNoticed {
        c: usize,
        i: usize,
        link: u32,
    },
    StartNode(usize),
    StartCentre,
    Session {
        warrant: usize,
        since: u64,
    },
    SessionLimit {
        c: usize,
        process: u32,
        number: u32,
    },
    Act(usize),
    ActEnd(usize),
    Heal,
    Must(u8),
}

/// A claim that did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub claim: &'static str,
    /// What was seen.
    pub what: String,
}

struct Timed {
    at: u64,
    seq: u64,
    event: Event,
}

impl PartialEq for Timed {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.seq) == (other.at, other.seq)
    }
}
impl Eq for Timed {}
impl PartialOrd for Timed {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Timed {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.seq).cmp(&(other.at, other.seq))
    }
}

/// A run.
pub struct Run {
    /// The plan.
    pub plan: Plan,
    /// The stage.
    pub world: Rc<World>,
    /// Milliseconds since the run began.
    pub now: u64,
    /// Hospitals, by index.
    pub hospitals: Vec<Hospital>,
    /// The coordinator, and a copy while it lies.
    pub centres: Vec<Centre>,
    /// What was seen so far.
    pub oracle: Oracle,
    /// Counts.
    pub tally: Tally,
    /// The claim that did not hold.
    pub violation: Option<Violation>,
    /// Sessions begun.
    pub sessions: u32,
    /// True when the faults are over.
    pub healed: bool,
    /// Frames sent on each link, up and down.
    pub frames: BTreeMap<(usize, bool), u32>,
    /// When the last frame of each link arrives, up and down.
    pub arrivals: BTreeMap<(usize, bool), u64>,
    /// Parts of the network that are cut: the act's index.
    pub cuts: BTreeSet<usize>,
    /// Frames kept for a replay.
    pub kept: BTreeMap<usize, Rc<Vec<u8>>>,
    /// Nodes of the copy, and nodes of both.
    pub forked: Option<(Vec<u16>, Vec<u16>)>,
    /// Frames of each kind that were sent to each node by a liar.
    pub forged: BTreeMap<(u16, u8), u32>,
    /// How many sums there were when the faults ended, and later.
    pub sums: Vec<(u64, Vec<NodeId>)>,
    bug: Option<Bug>,
    on: Vec<bool>,
    fired: BTreeSet<usize>,
    queue: BinaryHeap<Reverse<Timed>>,
    seq: u64,
    steps: u64,
    hash: u64,
    story: Option<Vec<String>>,
    must: Vec<usize>,
    /// Nodes that crash before their next report leaves.
    pub spoil: u16,
    heal_slot: u64,
}

/// What came of a run.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The claim that did not hold.
    pub violation: Option<Violation>,
    /// Hash over every event.
    pub hash: u64,
    /// Counts.
    pub tally: Tally,
    /// What happened, if it was asked for.
    pub story: Vec<String>,
}

impl Run {
    /// A run of a plan; acts that are masked out do not happen.
    #[must_use]
    pub fn new(plan: Plan, masked: &BTreeSet<usize>, bug: Option<Bug>, tell: bool) -> Run {
        let world = World::of(plan.n);
        let on = (0..plan.acts.len()).map(|index| !masked.contains(&index)).collect();
        Run {
            now: 0,
            hospitals: (1..=plan.n).map(|i| Hospital::new(NodeId(i))).collect(),
            centres: vec![Centre::default()],
            oracle: Oracle::default(),
            tally: Tally::default(),
            violation: None,
            sessions: 0,
            healed: false,
            frames: BTreeMap::new(),
            arrivals: BTreeMap::new(),
            cuts: BTreeSet::new(),
            kept: BTreeMap::new(),
            forked: None,
            forged: BTreeMap::new(),
            sums: Vec::new(),
            bug,
            on,
            fired: BTreeSet::new(),
            queue: BinaryHeap::new(),
            seq: 0,
            steps: 0,
            hash: 0,
            story: tell.then(Vec::new),
            must: Vec::new(),
            spoil: 0,
            heal_slot: plan.heal_at / SLOT_MS,
            plan,
            world,
        }
    }

    /// Is this bug planted?
    #[must_use]
    pub fn bug(&self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    /// Adds a line to the story, if there is one.
    pub fn tell(&mut self, line: impl FnOnce(&Run) -> String) {
        if self.story.is_some() {
            let line = line(self);
            let at = format!("{:>7}.{:03} s  ", self.now / 1000, self.now % 1000);
            if let Some(story) = &mut self.story {
                story.push(at + &line);
            }
        }
    }

    /// How a node is called in the story.
    #[must_use]
    pub fn name(&self, i: usize) -> String {
        format!("node {}", self.hospitals[i].id.0)
    }

    /// How a coordinator is called in the story.
    #[must_use]
    pub fn centre_name(&self, c: usize) -> &'static str {
        if c == 0 { "the coordinator" } else { "its copy" }
    }

    /// Puts an event into the queue.
    pub fn at(&mut self, at: u64, event: Event) {
        self.seq += 1;
        self.queue.push(Reverse(Timed { at: at.max(self.now), seq: self.seq, event }));
    }

    /// Notes what happened for the hash over all events.
    pub fn note(&mut self, words: &[u64]) {
        self.hash = mix(&[self.hash, mix(words)]);
    }

    /// The acts that are not masked out.
    pub fn acts(&self) -> impl Iterator<Item = (usize, &Act)> {
        self.plan.acts.iter().enumerate().filter(|(index, _)| self.on[*index])
    }

    /// Runs to the end.
    #[must_use]
    pub fn run(mut self) -> Outcome {
        self.prepare();
        while let Some(Reverse(timed)) = self.queue.pop() {
            self.now = timed.at;
            self.steps += 1;
            if self.steps > MOST_STEPS {
                let what = format!("more than {MOST_STEPS} events");
                self.violation = Some(Violation { claim: "a run ends", what });
            }
            self.event(timed.event);
            if self.violation.is_some() {
                break;
            }
        }
        if self.violation.is_none() {
            self.check_end();
        }
        let mut story = self.story.unwrap_or_default();
        if let Some(violation) = &self.violation {
            story.push(format!("VIOLATED: {}: {}", violation.claim, violation.what));
        }
        Outcome { violation: self.violation, hash: self.hash, tally: self.tally, story }
    }

    fn prepare(&mut self) {
        let mut events = Vec::new();
        let mut away = BTreeMap::new();
        for (index, act) in self.acts() {
            match act {
                Act::Session { at, warrant } => {
                    events.push((*at, Event::Session { warrant: *warrant, since: *at }));
                }
                Act::Away { node, until } => {
                    away.insert(usize::from(*node) - 1, *until);
                }
                Act::NewRows { at, .. }
                | Act::Partition { at, .. }
                | Act::LinkLoss { at, .. }
                | Act::Slow { at, .. }
                | Act::Replay { at, .. }
                | Act::Fork { at, .. } => events.push((*at, Event::Act(index))),
                _ => {}
            }
        }
        let skews: Vec<_> = self.acts().filter_map(|(_, act)| skew(act)).collect();
        for (i, ms) in skews {
            self.hospitals[i].skew = ms;
        }
        self.centres[0].up = true;
        for i in 0..self.hospitals.len() {
            let begin = mix(&[self.plan.seed, u64::try_from(i).unwrap_or(0), 7]) % 500;
            let until = away.get(&i).copied().unwrap_or(0);
            self.hospitals[i].away = until > 0;
            if until < self.plan.heal_at {
                self.at(until.max(begin), Event::StartNode(i));
            }
        }
        for (at, event) in events {
            self.at(at, event);
        }
        self.at(self.plan.heal_at, Event::Heal);
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::ToNode { i, link, ghost, bytes } => {
                if ghost || self.hospitals[i].link == Some(link) {
                    self.node_frame(i, &bytes);
                }
            }
            Event::ToCentre { c, i, link, bytes } => {
                let id = self.hospitals[i].id;
                if self.centres.get(c).is_some_and(|centre| centre.links.get(&id) == Some(&link)) {
                    self.centre_frame(c, i, &bytes);
                }
            }
            Event::NodeTimer { i, process, timer } => {
                let hospital = &mut self.hospitals[i];
                if hospital.process == process && hospital.node.is_some() && hospital.take_timer(timer) {
                    let at = hospital.clock(self.now);
                    self.tally.count("node's deadline passed");
                    self.tell(|run| format!("{}: the deadline of {:?} passes", run.name(i), timer.1));
                    self.node_step(i, Input::Deadline { sid: timer.0, round: timer.1, at });
                }
            }
            Event::CentreTimer { c, process, timer } => self.centre_timer(c, process, timer),
            Event::LinkUp { i, process } => self.link_up(i, process),
            Event::LinkNoticed { c, i, link } => self.centre_lost(c, i, link),
            Event::StartNode(i) => {
                self.hospitals[i].away = false;
                self.start_node(i);
            }
            Event::StartCentre => self.start_centre(),
            Event::Session { warrant, since } => self.session_due(warrant, since),
            Event::SessionLimit { c, process, number } => self.check_over(c, process, number),
            Event::Act(index) => self.act(index),
            Event::ActEnd(index) => self.act_end(index),
            Event::Heal => self.heal(),
            Event::Must(phase) => self.must(phase),
        }
    }

    fn session_due(&mut self, warrant: usize, since: u64) {
        if !self.begin(0, warrant, since) {
            self.at(self.now + 1_000, Event::Session { warrant, since });
        }
        if self.centres.len() > 1 && self.violation.is_none() {
            self.begin(1, warrant, 0);
        }
    }

    fn act(&mut self, index: usize) {
        let act = self.plan.acts[index].clone();
        let now = self.now;
        match &act {
            Act::NewRows { node, .. } => self.hospitals[usize::from(*node) - 1].new_rows += 1,
            Act::Partition { for_ms, .. } => {
                self.cuts.insert(index);
                self.at(now + for_ms, Event::ActEnd(index));
            }
            Act::LinkLoss { node, for_ms, notice_ms, .. } => {
                self.lose_link(usize::from(*node) - 1, *for_ms, *notice_ms);
            }
            Act::Slow { node, for_ms, by_ms, .. } => {
                self.hospitals[usize::from(*node) - 1].slow = (now + for_ms, *by_ms);
            }
            Act::Replay { node, .. } => {
                if let Some(bytes) = self.kept.get(&index).cloned() {
                    self.tally.count("fault: replayed frame");
                    let i = usize::from(*node) - 1;
                    self.at(now, Event::ToNode { i, link: 0, ghost: true, bytes });
                }
            }
            Act::Fork { nodes, shared, for_ms, .. } => {
                self.fork();
                self.forked = Some((nodes.clone(), shared.clone()));
                self.at(now + for_ms, Event::ActEnd(index));
            }
            _ => {}
        }
        self.count_act(&act);
        self.tell(|_| format!("fault {index}: {act:?}"));
    }

    fn act_end(&mut self, index: usize) {
        match self.plan.acts[index] {
            Act::Partition { .. } => {
                self.cuts.remove(&index);
                self.tell(|_| format!("fault {index} ends"));
            }
            Act::Fork { .. } => {
                self.forked = None;
                self.centres.truncate(1);
                self.tell(|_| "the copy ends".to_owned());
            }
            _ => {}
        }
    }

    /// The node's crash that is due with this output: is the record under its hand there?
    pub fn crash_due(&mut self, i: usize) -> Option<bool> {
        if self.healed {
            return None;
        }
        let (id, outputs) = (self.hospitals[i].id.0, self.hospitals[i].outputs);
        let due = self.acts().find_map(|(index, act)| match act {
            Act::Crash { node, output, torn, .. } if (*node, *output) == (id, outputs) => {
                Some((index, *torn))
            }
            _ => None,
        });
        let (index, torn) = due?;
        self.fired.insert(index);
        Some(torn)
    }

    /// When a crashed node comes back, and with which disk.
    pub fn plan_restart(&mut self, i: usize) {
        let (id, outputs) = (self.hospitals[i].id.0, self.hospitals[i].outputs);
        let mut back = 1_000;
        let mut act_of = None;
        for (_, act) in self.acts() {
            if let Act::Crash { node, output, for_ms, .. } = act
                && (*node, *output) == (id, outputs)
            {
                (back, act_of) = (*for_ms, Some(act.clone()));
            }
        }
        if let Some(act) = act_of {
            self.count_act(&act);
            self.tell(|_| format!("fault: {act:?}"));
        }
        let rollback = self.acts().find_map(|(index, act)| match act {
            Act::Rollback { node, records } if *node == id && !self.fired.contains(&index) => {
                Some((index, *records))
            }
            _ => None,
        });
        if let Some((index, records)) = rollback.filter(|_| outputs >= 14 && !self.healed) {
            self.fired.insert(index);
            let disk = &mut self.hospitals[i].disk;
            let left = disk.records.len().saturating_sub(records);
            disk.records.truncate(left);
            disk.synced = left;
            self.hospitals[i].rolled_back = true;
            self.tally.count("fault: disk rolled back");
            self.tell(|run| format!("{}'s disk is rolled back to {left} records", run.name(i)));
        }
        self.at(self.now + back, Event::StartNode(i));
    }

    /// The coordinator's crash that is due with this output.
    #[must_use]
    pub fn stop_due(&self, c: usize) -> Option<usize> {
        if self.healed || c > 0 {
            return None;
        }
        let outputs = self.centres[c].outputs;
        self.acts().find_map(|(_, act)| match act {
            Act::Stop { output, parts, .. } if *output == outputs => Some(*parts),
            _ => None,
        })
    }

    /// When the crashed coordinator comes back.
    pub fn plan_return(&mut self) {
        let outputs = self.centres[0].outputs;
        let due = self.acts().find_map(|(_, act)| match act {
            Act::Stop { output, for_ms, .. } if *output == outputs => Some(*for_ms),
            _ => None,
        });
        self.centres[0].outputs += 1;
        self.tally.count("fault: coordinator crashed");
        self.at(self.now + due.unwrap_or(500), Event::StartCentre);
    }

    /// The version of a hospital's rows at this moment.
    #[must_use]
    pub fn rows_now(&self, i: usize) -> u64 {
        let slot = self.now / SLOT_MS;
        let same = |slot: u64| {
            let id = self.hospitals[i].id.0;
            self.acts().any(|(_, act)| *act == Act::SameRows { node: id, slot }) || slot == self.heal_slot + 2
        };
        let changes = (1..=slot).filter(|slot| !same(*slot)).count();
        u64::try_from(changes).unwrap_or(0) * 1_000 + self.hospitals[i].new_rows
    }

    fn heal(&mut self) {
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
            self.at(first + 100_000, Event::Must(1));
        }
        if self.plan.n < 69 && dice == 1 {
            self.at(unchanged, Event::Must(2));
        }
    }

    /// A session that must succeed: the first in a new slot over new rows, a second one in the same slot,
    /// one in the next slot over the same rows.
    fn must(&mut self, phase: u8) {
        if phase == 3 {
            let quorum = self.world.warrants[0].1.params().thresholds.quorum;
            self.spoil = self.world.n - quorum + 1;
            self.tell(|_| "a session that is lost past contribution".to_owned());
            self.tally.count("session spoiled");
            self.begin(0, 0, 0);
            return;
        }
        self.spoil = 0;
        let before = self.sums.len();
        self.must.push(before);
        self.tell(|_| "a session that must succeed".to_owned());
        let begun = self.begin(0, usize::from(phase == 1), 0);
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

    fn check_end(&mut self) {
        let honest = |i: &u16| !self.hospitals[usize::from(*i) - 1].rolled_back;
        let all: Vec<NodeId> = (1..=self.world.n).filter(honest).map(NodeId).collect();
        let due: Vec<(u64, Vec<NodeId>)> =
            self.sums.iter().filter(|(at, _)| *at > self.plan.heal_at).cloned().collect();
        if due.len() != self.must.len() {
            let what = format!("{} of {} sessions gave a sum", due.len(), self.must.len());
            return self.lively(what);
        }
        for (_, survivors) in due {
            if !all.iter().all(|node| survivors.contains(node)) {
                return self.lively(format!("a sum without all nodes: {survivors:?}"));
            }
        }
    }
}

fn skew(act: &Act) -> Option<(usize, i64)> {
    match act {
        Act::Skew { node, ms } => Some((usize::from(*node) - 1, *ms)),
        _ => None,
    }
}
