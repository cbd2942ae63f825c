//! The network of a simulation: links, frames under way, and what goes wrong with them.
//!
//! A link carries frames in order unless a fault says otherwise. Owns who hears what while the coordinator
//! is doubled. It must not look into frames but to forge them.

use super::forge;
use super::plan::{Act, Mishap, Way};
use super::run::{Event, Run};
use super::world::mix;
use samensom_protocol::ids::NodeId;
use samensom_protocol::io::Input;
use samensom_protocol::message::{Message, is_channel};
use std::rc::Rc;

impl Run {
    /// Which of the two coordinators a node talks with.
    fn audience(&self, i: usize) -> [bool; 2] {
        let id = self.hospitals[i].id.0;
        match &self.forked {
            Some((_, shared)) if shared.contains(&id) => [true, true],
            Some((nodes, _)) if nodes.contains(&id) => [false, true],
            _ => [true, false],
        }
    }

    /// A node's link comes up, if both ends are there.
    pub fn link_up(&mut self, i: usize, process: u32) {
        let now = self.now;
        let hospital = &mut self.hospitals[i];
        if hospital.process != process || hospital.node.is_none() || hospital.link.is_some() {
            return;
        }
        if !self.centres[0].up {
            return self.at(now + 400, Event::LinkUp { i, process });
        }
        hospital.links += 1;
        let (link, id) = (hospital.links, hospital.id);
        hospital.link = Some(link);
        for c in 0..self.centres.len() {
            if let Some(old) = self.centres[c].links.get(&id).copied() {
                self.centre_lost(c, i, old);
            }
            self.centres[c].links.insert(id, link);
        }
        self.arrivals.retain(|(other, _), _| *other != i);
        for c in 0..self.centres.len() {
            self.centre_linked(c, i);
        }
        self.tally.count("link up");
        self.tell(|run| format!("{} is linked", run.name(i)));
        let at = self.hospitals[i].clock(now);
        self.node_step(i, Input::Start(at));
        if !self.plan.real_channels {
            self.deal(i);
        }
    }

    /// A link ends; its node tries again by itself, the coordinator notices later.
    pub fn cut_link(&mut self, i: usize, notice_ms: u64) {
        let hospital = &mut self.hospitals[i];
        let Some(link) = hospital.link.take() else { return };
        let (process, back) = (hospital.process, 200 + mix(&[self.plan.seed, u64::from(link)]) % 700);
        for c in 0..self.centres.len() {
            self.at(self.now + notice_ms, Event::LinkNoticed { c, i, link });
        }
        self.at(self.now + back, Event::LinkUp { i, process });
    }

    /// A link that is lost for a while.
    pub fn lose_link(&mut self, i: usize, for_ms: u64, notice_ms: u64) {
        let hospital = &mut self.hospitals[i];
        let Some(link) = hospital.link.take() else { return };
        let process = hospital.process;
        for c in 0..self.centres.len() {
            self.at(self.now + notice_ms, Event::LinkNoticed { c, i, link });
        }
        self.at(self.now + for_ms, Event::LinkUp { i, process });
    }

    /// A frame of a node.
    pub fn send_up(&mut self, i: usize, bytes: Vec<u8>) {
        self.check_node_send(i, &bytes);
        if self.spoil > 0 && matches!(Message::from_frame(&bytes), Ok(Message::Report(_))) {
            self.spoil -= 1;
            return self.kill_node(i);
        }
        let Some(link) = self.hospitals[i].link else { return };
        let bytes = Rc::new(bytes);
        for (c, hears) in self.audience(i).into_iter().enumerate() {
            if hears && c < self.centres.len() {
                let event = |bytes: &Rc<Vec<u8>>| Event::ToCentre { c, i, link, bytes: Rc::clone(bytes) };
                self.carry(i, true, &bytes, &event);
            }
        }
    }

    /// A frame of the coordinator, or of its copy.
    pub fn send_down(&mut self, c: usize, to: NodeId, bytes: Vec<u8>) {
        let i = usize::from(to.0.saturating_sub(1));
        if !self.audience(i)[c] {
            return;
        }
        let Some(link) = self.centres[c].links.get(&to).copied() else { return };
        let bytes = if self.plan.liar && !self.healed { forge::frame(self, to, bytes) } else { bytes };
        let bytes = Rc::new(bytes);
        let event = |bytes: &Rc<Vec<u8>>| Event::ToNode { i, link, ghost: false, bytes: Rc::clone(bytes) };
        self.carry(i, false, &bytes, &event);
    }

    /// Puts a frame on its way, with what the plan has for it.
    fn carry(&mut self, i: usize, up: bool, bytes: &Rc<Vec<u8>>, event: &dyn Fn(&Rc<Vec<u8>>) -> Event) {
        let count = self.frames.entry((i, up)).or_default();
        let nth = *count;
        *count += 1;
        let id = self.hospitals[i].id.0;
        let words = [self.plan.seed, u64::from(id), u64::from(up), u64::from(nth)];
        let mut arrival = self.now + 2 + mix(&words) % 30;
        let (slow_until, by_ms) = self.hospitals[i].slow;
        if self.now < slow_until {
            arrival += by_ms;
        }
        let fate = if self.healed { None } else { self.fate(id, up, nth, arrival, bytes) };
        let Some((at, in_order, again)) = fate.unwrap_or(Some((arrival, true, None))) else { return };
        let last = self.arrivals.entry((i, up)).or_default();
        let at = if in_order { at.max(*last) } else { at };
        if in_order {
            *last = at;
        }
        let length = u64::try_from(bytes.len()).unwrap_or(0);
        self.note(&[at, u64::from(id), u64::from(up), length, sum_of(bytes)]);
        self.at(at, event(bytes));
        if let Some(later) = again {
            self.at(at + later, event(bytes));
        }
    }

    /// What the plan has for one frame: nothing, never to arrive, or when, in order or not, and again.
    fn fate(
        &mut self,
        id: u16,
        up: bool,
        nth: u32,
        arrival: u64,
        bytes: &Rc<Vec<u8>>,
    ) -> Option<Option<(u64, bool, Option<u64>)>> {
        let (mut fate, mut counted, mut kept) = (None, None, Vec::new());
        for (index, act) in self.acts() {
            match act {
                // Channel messages travel in order; an old ANNOUNCE after a new one undoes a pair.
                Act::Frame { node, up: way, nth: which, what }
                    if (*node, *way, *which) == (id, up, nth)
                        && (*what == Mishap::Drop || !is_channel(bytes)) =>
                {
                    fate = Some(match what {
                        Mishap::Drop => None,
                        Mishap::Delay(ms) => Some((arrival + ms, false, None)),
                        Mishap::Twice(ms) => Some((arrival, true, Some(*ms))),
                    });
                    counted = Some(match what {
                        Mishap::Drop => "fault: frame dropped",
                        Mishap::Delay(_) => "fault: frame delayed past others",
                        Mishap::Twice(_) => "fault: frame twice",
                    });
                }
                Act::Partition { nodes, way, for_ms, at, lose } if self.cuts.contains(&index) => {
                    let cut = *way == Way::Both || (*way == Way::Up) == up;
                    if cut && nodes.contains(&id) {
                        let held = arrival.max(at + for_ms);
                        fate = Some(if *lose { None } else { Some((held, true, None)) });
                        counted = Some(if *lose {
                            "fault: frame lost in a cut"
                        } else {
                            "fault: frame held by a cut"
                        });
                    }
                }
                Act::Replay { node, nth: which, .. }
                    if !up && (*node, *which) == (id, nth) && !is_channel(bytes) =>
                {
                    kept.push(index);
                }
                _ => {}
            }
        }
        if let Some(what) = counted {
            self.tally.count(what);
            self.tell(|_| format!("{what}: the {nth}th {} node {id}", if up { "from" } else { "to" }));
        }
        self.kept.extend(kept.into_iter().map(|index| (index, Rc::clone(bytes))));
        fate
    }

    /// Counts a fault by its kind.
    pub fn count_act(&mut self, act: &Act) {
        self.tally.count(match act {
            Act::NewRows { .. } => "fault: rows change inside a slot",
            Act::Partition { lose: true, .. } => "fault: partition that loses",
            Act::Partition { .. } => "fault: partition that holds",
            Act::LinkLoss { .. } => "fault: link lost",
            Act::Slow { .. } => "fault: slow node",
            Act::Crash { torn: true, .. } => "fault: node crashed, record there",
            Act::Crash { .. } => "fault: node crashed",
            Act::Fork { .. } => "fault: coordinator forked",
            Act::Forge { .. } => "fault: frame forged",
            _ => return,
        });
    }
}

fn sum_of(bytes: &[u8]) -> u64 {
    bytes.chunks(8).fold(bytes.len() as u64, |sum, chunk| {
        let word = chunk.iter().fold(0u64, |word, byte| (word << 8) | u64::from(*byte));
        (sum ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
    })
}
