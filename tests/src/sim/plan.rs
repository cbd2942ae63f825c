//! What a seed decides: the list of everything that is asked for and goes wrong in one run.
//!
//! The list is explicit, so that a failing seed can be told again with parts of it left out. Owns the
//! ranges from which faults are drawn. It must not know how a fault is carried out.

use super::world::{SLOT_MS, mix};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// What happens to one frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mishap {
    /// It never arrives.
    Drop,
    /// It arrives so many milliseconds later, past others.
    Delay(u64),
    /// It arrives once more, so many milliseconds later.
    Twice(u64),
}

/// Which way frames go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "self-evident")]
pub enum Way {
    Up,
    Down,
    Both,
}

/// One thing that is asked for, or goes wrong. Times are milliseconds since the run began.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(missing_docs, reason = "named by the variants' own text")]
pub enum Act {
    /// The coordinator is asked to run a warrant.
    Session { at: u64, warrant: usize },
    /// A hospital's rows are in this slot (from 0) what they were in the slot before.
    SameRows { node: u16, slot: u64 },
    /// A hospital's rows change inside a slot.
    NewRows { node: u16, at: u64 },
    /// The n-th frame of a link, in one direction.
    Frame { node: u16, up: bool, nth: u32, what: Mishap },
    /// Frames between some nodes and the coordinator are held, or lost, for a while.
    Partition { nodes: Vec<u16>, way: Way, at: u64, for_ms: u64, lose: bool },
    /// A link ends, and comes back.
    LinkLoss { node: u16, at: u64, for_ms: u64, notice_ms: u64 },
    /// A node takes so much longer over everything.
    Slow { node: u16, at: u64, for_ms: u64, by_ms: u64 },
    /// A node crashes as it carries out its n-th output; a record under its hand may be there or not.
    Crash { node: u16, output: u32, torn: bool, for_ms: u64 },
    /// A node is not there before this time.
    Away { node: u16, until: u64 },
    /// A node's clock is off.
    Skew { node: u16, ms: i64 },
    /// A crashed node's disk comes back as it was so many records ago.
    Rollback { node: u16, records: usize },
    /// The coordinator crashes as it carries out its n-th output; so many parts of what it was writing
    /// are there.
    Stop { output: u32, parts: usize, for_ms: u64 },
    /// The coordinator's n-th frame to a node comes again much later.
    Replay { node: u16, nth: u32, at: u64 },
    /// The coordinator lies: a copy of it goes on by itself with some of the nodes.
    Fork { at: u64, nodes: Vec<u16>, shared: Vec<u16>, for_ms: u64 },
    /// A lying coordinator offers its n-th session for another slot than the one that is.
    WrongSlot { session: u32, ahead: bool },
    /// A lying coordinator changes its n-th frame of a kind to one node, and signs it.
    Forge { node: u16, nth: u32, how: u8 },
}

/// Everything that one seed decides.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The seed.
    pub seed: u64,
    /// Hospitals.
    pub n: u16,
    /// Channels by the real channel round.
    pub real_channels: bool,
    /// The coordinator deviates.
    pub liar: bool,
    /// When the faults end.
    pub heal_at: u64,
    /// The list.
    pub acts: Vec<Act>,
}

/// How many of the hospitals take part, and how much goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// 3 to 9.
    Small,
    /// 69.
    Large,
}

struct Dice(ChaCha8Rng);

impl Dice {
    fn below(&mut self, n: u64) -> u64 {
        self.0.next_u64() % n.max(1)
    }
    fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }
    fn in_100(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }
    fn node(&mut self, n: u16) -> u16 {
        1 + u16::try_from(self.below(u64::from(n))).unwrap_or(0)
    }
    fn nodes(&mut self, n: u16, most: u64) -> Vec<u16> {
        let count = self.between(1, most.max(1));
        let mut nodes: Vec<u16> = (0..count).map(|_| self.node(n)).collect();
        nodes.sort_unstable();
        nodes.dedup();
        nodes
    }
    fn small(&mut self, high: u64) -> u32 {
        u32::try_from(self.below(high)).unwrap_or(0)
    }
}

impl Plan {
    /// The plan of a seed.
    #[must_use]
    pub fn of(seed: u64, size: Size) -> Plan {
        let mut dice = Dice(ChaCha8Rng::seed_from_u64(mix(&[seed, 0x91a7])));
        let n = match size {
            // Sessions cost the square of n.
            Size::Small => [3, 3, 3, 3, 3, 4, 4, 4, 4, 4, 4, 5, 5, 5, 5, 6, 6, 7, 8, 9]
                [usize::try_from(dice.below(20)).unwrap_or(0)],
            Size::Large => 69,
        };
        let mut plan = Plan {
            seed,
            n,
            real_channels: size == Size::Small && dice.in_100(10),
            liar: dice.in_100(15),
            heal_at: 0,
            acts: Vec::new(),
        };
        let starts = plan.script(&mut dice, size);
        plan.rows(&mut dice);
        if !dice.in_100(8) {
            plan.network(&mut dice, &starts);
            plan.machines(&mut dice, &starts);
        }
        if plan.liar {
            plan.lies(&mut dice, &starts);
        }
        plan
    }

    /// The sessions: one to three slots, one or two sessions in each. Gives back when they begin.
    fn script(&mut self, dice: &mut Dice, size: Size) -> Vec<u64> {
        let mut starts = Vec::new();
        let slots = if size == Size::Large {
            1
        } else {
            [1, 1, 1, 1, 2, 2, 3][usize::try_from(dice.below(7)).unwrap_or(0)]
        };
        for slot in 0..slots {
            let mut at = slot * SLOT_MS + dice.between(61_000, 200_000);
            for _ in 0..1 + dice.below(5) / 3 {
                let warrant = usize::from(dice.in_100(50));
                self.acts.push(Act::Session { at, warrant });
                starts.push(at);
                at += dice.between(500, 90_000);
            }
        }
        self.heal_at = slots * SLOT_MS;
        starts
    }

    fn rows(&mut self, dice: &mut Dice) {
        let unchanged = [0, 0, 30, 60, 100][usize::try_from(dice.below(5)).unwrap_or(0)];
        for slot in 1..self.heal_at / SLOT_MS {
            for node in 1..=self.n {
                if dice.in_100(unchanged) {
                    self.acts.push(Act::SameRows { node, slot });
                }
            }
        }
        for _ in 0..dice.below(4) {
            let (node, at) = (dice.node(self.n), dice.below(self.heal_at));
            self.acts.push(Act::NewRows { node, at });
        }
    }

    /// A moment that is probably inside a session.
    fn moment(&self, dice: &mut Dice, starts: &[u64]) -> u64 {
        let start =
            starts[usize::try_from(dice.below(u64::try_from(starts.len()).unwrap_or(1))).unwrap_or(0)];
        match dice.below(10) {
            0 => dice.below(self.heal_at),
            1..=2 => start + dice.below(20_000),
            _ => start + dice.below(500),
        }
    }

    fn network(&mut self, dice: &mut Dice, starts: &[u64]) {
        let n = self.n;
        let frames = dice.below(3) * dice.below(4);
        for _ in 0..frames {
            let what = match dice.below(5) {
                0 => Mishap::Drop,
                1 => Mishap::Delay(dice.between(20, 6_000)),
                2 => Mishap::Delay(dice.between(20, 300)),
                // Around the deadlines of a node.
                3 => Mishap::Delay(dice.between(8_500, 11_000)),
                _ => Mishap::Twice(dice.between(1, 9_000)),
            };
            let (node, up, nth) = (dice.node(n), dice.in_100(50), dice.small(30));
            self.acts.push(Act::Frame { node, up, nth, what });
        }
        for _ in 0..dice.below(5) / 2 {
            let way = [Way::Up, Way::Down, Way::Both][usize::try_from(dice.below(3)).unwrap_or(0)];
            let nodes = dice.nodes(n, u64::from(n / 2));
            let (at, for_ms) = (self.moment(dice, starts), dice.between(10, 9_000));
            let lose = dice.in_100(30);
            self.acts.push(Act::Partition { nodes, way, at, for_ms, lose });
        }
        for _ in 0..dice.below(4) {
            let (node, at) = (dice.node(n), self.moment(dice, starts));
            let for_ms = if dice.in_100(60) { dice.between(5, 400) } else { dice.between(400, 9_000) };
            self.acts.push(Act::LinkLoss { node, at, for_ms, notice_ms: dice.between(1, 300) });
        }
        if dice.in_100(30) {
            let (node, at) = (dice.node(n), self.moment(dice, starts));
            let (for_ms, by_ms) = (dice.between(100, 60_000), dice.between(50, 4_500));
            self.acts.push(Act::Slow { node, at, for_ms, by_ms });
        }
        if dice.in_100(15) {
            for _ in 0..dice.between(1, 6) {
                let (node, nth, at) = (dice.node(n), dice.small(12), dice.between(1_000, self.heal_at));
                self.acts.push(Act::Replay { node, nth, at });
            }
        }
    }

    fn machines(&mut self, dice: &mut Dice, starts: &[u64]) {
        let n = self.n;
        for _ in 0..dice.below(4) {
            let node = dice.node(n);
            let (output, torn) = (1 + dice.small(45), dice.in_100(50));
            let for_ms = if dice.in_100(50) { dice.between(50, 2_000) } else { dice.between(2_000, 60_000) };
            self.acts.push(Act::Crash { node, output, torn, for_ms });
        }
        if dice.in_100(30) {
            let spare = u64::from(n - n.midpoint((n - 1) / 3));
            for node in dice.nodes(n, spare.div_ceil(2)) {
                let until = if dice.in_100(50) { u64::MAX } else { self.moment(dice, starts) };
                self.acts.push(Act::Away { node, until });
            }
        }
        for node in 1..=n {
            if dice.in_100(20) {
                let ms = i64::try_from(dice.below(110_000)).unwrap_or(0) - 55_000;
                self.acts.push(Act::Skew { node, ms });
            }
        }
        if dice.in_100(35) {
            let (output, parts) = (1 + dice.small(60 * u64::from(n)), usize::from(dice.in_100(50)));
            let for_ms = dice.between(50, 4_000);
            self.acts.push(Act::Stop { output, parts, for_ms });
        }
        if n >= 4 && dice.in_100(6) {
            let (node, records) = (dice.node(n), 1 + usize::try_from(dice.below(8)).unwrap_or(0));
            let output = 14 + dice.small(40);
            self.acts.push(Act::Crash { node, output, torn: false, for_ms: dice.between(50, 3_000) });
            self.acts.push(Act::Rollback { node, records });
        }
    }

    fn lies(&mut self, dice: &mut Dice, starts: &[u64]) {
        let n = self.n;
        if dice.in_100(60) {
            let half = u64::from(n);
            let (nodes, shared) = (dice.nodes(n, half), dice.nodes(n, half));
            let at = self.moment(dice, starts);
            self.acts.push(Act::Fork { at, nodes, shared, for_ms: dice.between(2_000, 120_000) });
        }
        if dice.in_100(25) {
            self.acts.push(Act::WrongSlot { session: 1 + dice.small(3), ahead: dice.in_100(50) });
        }
        for _ in 0..dice.below(1 + u64::from(n)) {
            let (node, nth) = (dice.node(n), dice.small(2));
            let how = u8::try_from(dice.below(8)).unwrap_or(0);
            self.acts.push(Act::Forge { node, nth, how });
        }
    }
}
