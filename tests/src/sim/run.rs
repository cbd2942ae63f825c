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
    /// Every sum: when, of which attempt, over whom.
    pub sums: Vec<(u64, AttemptId, Vec<NodeId>)>,
    bug: Option<Bug>,
    on: Vec<bool>,
    /// Acts that happen once and did.
    pub fired: BTreeSet<usize>,
    queue: BinaryHeap<Reverse<Timed>>,
    seq: u64,
    steps: u64,
    hash: u64,
    story: Option<Vec<String>>,
    /// Sessions that must succeed.
    pub must: u32,
    /// Nodes that crash before their next report leaves.
    pub spoil: u16,
    /// The slot in which all heals.
    pub heal_slot: u64,
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
            must: 0,
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
            Event::Must(which) => self.must(which),
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
}

fn skew(act: &Act) -> Option<(usize, i64)> {
    match act {
        Act::Skew { node, ms } => Some((usize::from(*node) - 1, *ms)),
        _ => None,
    }
}
