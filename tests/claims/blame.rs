//! Hospitals that spoil or blame, over 30 slots each: an honest one is never named, and nobody keeps the
//! same one out of more than half of them.

use super::runs::{all, asked, replay};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use samensom_protocol::ids::NodeId;
use samensom_protocol::params::Thresholds;
use samensom_protocol::rounds::pairs::SLOTS;
use samensom_tests::adversary::drops::{Stops, is_right};
use samensom_tests::adversary::liar::{Liar, Lies};
use samensom_tests::adversary::office::{Office, Stop};
use samensom_tests::adversary::town::{SPACING_S, town};
use samensom_tests::adversary::world::World;
use std::collections::{BTreeMap, BTreeSet};

type Nodes = BTreeSet<NodeId>;

/// What the liars of a series are after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Plan {
    /// All make a bad pair with the victim, every slot.
    Star,
    /// One after the other.
    Turns,
    /// All say that the victim's shares are of no use.
    Lists,
    /// They deal the victim, and others, shares of no use.
    Spoils,
    /// Crooked leaves among themselves, and other shares than those dealt.
    Shares,
    /// Each what it likes, every slot.
    Mixed,
    /// One after the other vanishes and leaves a garbage recovery list.
    Garbage,
}

const PLANS: [Plan; 7] =
    [Plan::Star, Plan::Turns, Plan::Lists, Plan::Spoils, Plan::Shares, Plan::Mixed, Plan::Garbage];

/// What came of a series.
#[derive(Debug, Default)]
struct Series {
    sessions: u64,
    sums: u64,
    attempts: u64,
    /// Slots that the hospital that was out most was in.
    least_present: usize,
    named: u64,
    proven: u64,
    liars: u16,
}

struct Dice(ChaCha20Rng);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.0.next_u32()).unwrap_or(0) % n.max(1)
    }
    fn some(&mut self, of: &Nodes) -> Nodes {
        let most = self.below(of.len() + 1);
        of.iter().copied().filter(|_| self.below(of.len()) < most).collect()
    }
}

/// The lies of every liar in one slot.
fn lies(
    plan: Plan,
    slot: usize,
    liars: &[NodeId],
    honest: &Nodes,
    dice: &mut Dice,
) -> BTreeMap<NodeId, Lies> {
    let victim = *honest.first().unwrap();
    let turn = |i: usize| slot % liars.len() == i;
    let all: Nodes = liars.iter().copied().collect();
    let mut told: BTreeMap<NodeId, Lies> = BTreeMap::new();
    for (i, liar) in liars.iter().enumerate() {
        let of = |nodes: &[NodeId]| nodes.iter().copied().collect::<Nodes>();
        let lie = match plan {
            Plan::Star => Lies { differs: of(&[victim]), ..Lies::default() },
            Plan::Turns if turn(i) => Lies { differs: of(&[victim]), ..Lies::default() },
            Plan::Lists => Lies { lists: of(&[victim]), ..Lies::default() },
            Plan::Spoils => {
                let mut spoils = dice.some(honest);
                spoils.insert(victim);
                Lies { spoils, ..Lies::default() }
            }
            Plan::Shares => {
                let (crooked, helps) = (all.clone(), all.iter().copied().filter(|one| one != liar).collect());
                Lies { crooked, helps, wrong_shares: dice.below(2) == 0, ..Lies::default() }
            }
            Plan::Garbage if turn(i) => Lies { garbage: true, no_report: true, ..Lies::default() },
            Plan::Mixed => match dice.below(9) {
                0 => Lies { differs: dice.some(honest), ..Lies::default() },
                1 => Lies { spoils: dice.some(honest), ..Lies::default() },
                2 => Lies { lists: dice.some(honest), ..Lies::default() },
                3 => Lies { wrong_degree: true, ..Lies::default() },
                4 => Lies { foreign: true, ..Lies::default() },
                5 => Lies { echo: true, ..Lies::default() },
                6 => Lies { no_ready: true, ..Lies::default() },
                7 => Lies { no_report: true, ..Lies::default() },
                _ => Lies { wrong_shares: true, ..Lies::default() },
            },
            Plan::Turns | Plan::Garbage => Lies::default(),
        };
        told.insert(*liar, lie);
    }
    told
}

/// Thirty slots with one plan; panics where an honest hospital is named, a sum is wrong or a slot is lost
/// that need not be.
fn series(n: u16, slots: usize, plan: Plan, seed: u64) -> Series {
    let mut dice = Dice(ChaCha20Rng::seed_from_u64(seed));
    let x = Thresholds::for_size(n, 0).unwrap().x;
    let count = 1 + u16::try_from(dice.below(usize::from(x))).unwrap();
    let count = if dice.below(2) == 0 { x } else { count };
    let mut liars: Vec<NodeId> = Vec::new();
    while liars.len() < usize::from(count) {
        let one = NodeId(1 + u16::try_from(dice.below(usize::from(n))).unwrap());
        if !liars.contains(&one) {
            liars.push(one);
        }
    }
    let honest: Nodes = (1..=n).map(NodeId).filter(|node| !liars.contains(node)).collect();
    let machines: Vec<NodeId> = honest.iter().copied().collect();
    let (mut world, mut office) = (World::new(town(n), seed, &machines, BTreeSet::new()), Office::default());
    world.watched = false;
    office.liars = liars.iter().map(|node| (*node, Liar::new(*node))).collect();
    let (mut done, mut out, mut expelled) =
        (Series::default(), BTreeMap::<NodeId, usize>::new(), Nodes::new());
    for slot in 0..slots {
        for (node, lies) in lies(plan, slot, &liars, &honest, &mut dice) {
            office.liars.get_mut(&node).unwrap().lies = lies;
        }
        // Whoever is proven to have dealt a garbage list takes no further part.
        let stops: Stops = expelled.iter().map(|node| (*node, Stop::Absent)).collect();
        let ended = office.session(&mut world, &stops, &mut |_, _, message| Some(message));
        let at = format!("n = {n}, seed {seed}, {plan:?}, {count} liars, slot {slot}");
        let framed: Vec<_> = office.named.intersection(&honest).collect();
        assert!(framed.is_empty(), "{at}: {framed:?} are named");
        match ended {
            Ok(sum) => {
                assert!(is_right(&world, &sum), "{at}: a wrong sum");
                done.sums += 1;
                for node in honest.iter().filter(|node| !sum.survivors.contains(node)) {
                    *out.entry(*node).or_default() += 1;
                }
            }
            Err(failure) => {
                let lost = !failure.culprits.is_empty();
                assert!(lost && plan == Plan::Garbage, "{at}: {failure:?}");
                assert_eq!(office.proven, failure.culprits.iter().copied().collect(), "{at}: no proof");
                expelled.extend(failure.culprits);
            }
        }
        done.sessions += 1;
        done.attempts += u64::from(office.attempts);
        done.named += u64::try_from(office.named.len()).unwrap();
        done.proven += u64::try_from(office.proven.len()).unwrap();
        honest.iter().for_each(|node| world.change_rows(*node));
        world.pass(u64::from(SPACING_S) * 1000);
    }
    done.liars = count;
    done.least_present = slots - out.values().copied().max().unwrap_or(0);
    done
}

fn campaign(name: &str, runs: u64, sizes: &[u16]) {
    let totals = std::sync::Mutex::new((Series::default(), BTreeMap::<(Plan, u16), usize>::new()));
    let run = |seed: u64| {
        let at = usize::try_from(seed).unwrap();
        let (n, plan) = (sizes[at / PLANS.len() % sizes.len()], PLANS[at % PLANS.len()]);
        (n, plan, series(n, SLOTS, plan, seed))
    };
    all(
        asked(runs),
        || (),
        run,
        |seed, (n, plan, one)| {
            assert!(2 * one.least_present >= SLOTS, "n = {n}, {plan:?}: {one:?}; {}", replay(name, seed));
            let mut totals = totals.lock().unwrap();
            let (total, present) = &mut *totals;
            total.sessions += one.sessions;
            total.sums += one.sums;
            total.attempts += one.attempts;
            total.named += one.named;
            total.proven += one.proven;
            total.liars = total.liars.max(one.liars);
            let least = present.entry((plan, n)).or_insert(SLOTS);
            *least = one.least_present.min(*least);
            true
        },
    );
    let (mut total, present) = totals.into_inner().unwrap();
    total.least_present = present.values().copied().min().unwrap_or(SLOTS);
    println!("{total:?}; least presence in {SLOTS} slots: {present:?}; seeds {:?}", asked(runs));
    let some = total.named > 0 && present.values().any(|least| *least < SLOTS);
    assert!(some || asked(runs).1 < 50, "nobody lied");
}

/// 334 series of 30 slots: 10,020 sessions.
#[test]
fn no_honest_hospital_is_named_or_kept_out() {
    campaign("blame::no_honest_hospital_is_named_or_kept_out", 334, &[5, 5, 5, 5, 5, 7, 5, 5, 5, 5, 5, 10]);
}

/// 69 hospitals, 22 liars at once: every plan, a few slots each.
#[test]
fn liars_among_69_name_nobody_honest() {
    let mut sessions = 0;
    for (plan, seed) in PLANS.into_iter().zip(1..) {
        sessions += series(69, 2, plan, seed).sessions;
    }
    println!("{sessions} sessions of 69");
}
