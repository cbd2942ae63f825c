//! How the plan's faults are carried out: crashes by output, cuts, old disks, rows that change.
//!
//! What happens to single frames is in `net.rs`. It must not decide what is a fault: the plan does.

use super::plan::Act;
use super::run::{Event, Run};
use super::world::SLOT_MS;

impl Run {
    pub(super) fn act(&mut self, index: usize) {
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

    pub(super) fn act_end(&mut self, index: usize) {
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
                && !self.healed
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
}
