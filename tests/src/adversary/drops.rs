//! An honest coordinator and nodes that vanish: every pattern of drop-outs, and random series of sessions.
//!
//! Colluders follow the protocol here and only listen, so every set of them is judged over the same run.

use super::Outcome;
use super::office::{Office, Stop};
use super::town::{SPACING_S, town};
use super::world::World;
use crate::leak::judge;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use samensom_protocol::ids::NodeId;
use samensom_protocol::io::{Failure, Sum};
use samensom_protocol::params::Thresholds;
use std::collections::{BTreeMap, BTreeSet};

/// What nodes do that do nothing else.
pub type Stops = BTreeMap<NodeId, Stop>;

/// A world of real machines only.
#[must_use]
pub fn world(n: u16, seed: u64) -> World {
    let nodes: Vec<NodeId> = (1..=n).map(NodeId).collect();
    World::new(town(n), seed, &nodes, BTreeSet::new())
}

/// True if the session must end with a sum: the promise of C4 for an honest coordinator.
#[must_use]
pub fn must_finish(thresholds: &Thresholds, stops: &Stops) -> bool {
    let beyond = |stop: Stop| stops.values().filter(|other| **other > stop).count();
    let quorum = usize::from(thresholds.quorum);
    beyond(Stop::Report) >= quorum
        && beyond(Stop::Confirm) >= quorum
        && beyond(Stop::Reveal) >= usize::from(thresholds.shares)
}

/// The clear sum of the survivors' figures equals the opened one.
#[must_use]
pub fn is_right(world: &World, sum: &Sum) -> bool {
    let slot = world.slot(world.now);
    let clear = sum.survivors.iter().map(|node| world.value(*node, slot)).fold(0, u64::wrapping_add);
    sum.lanes == [clear]
}

/// Every set of X colluders.
fn colluders(n: u16, x: u16) -> Vec<BTreeSet<NodeId>> {
    let sets = (0u32..1 << n).filter(|set| set.count_ones() == u32::from(x));
    sets.map(|set| (1..=n).filter(|i| set >> (i - 1) & 1 == 1).map(NodeId).collect()).collect()
}

/// What any X listeners learn.
#[must_use]
pub fn judged(world: &World, thresholds: &Thresholds) -> Outcome {
    let mut outcome = Outcome {
        n: thresholds.n,
        schemes: Vec::new(),
        opened: 0,
        reports: world.observer.reports.len(),
        leaks: Vec::new(),
        breaches: BTreeSet::new(),
        unexplained: world.observer.unexplained.clone(),
    };
    let least = usize::from(thresholds.quorum - thresholds.x);
    for set in colluders(thresholds.n, thresholds.x) {
        let verdict = judge(&world.observer.forms(&set), least);
        outcome.opened = outcome.opened.max(verdict.opened);
        outcome.leaks.extend(verdict.leaks);
        outcome.breaches.extend(world.referee.breaches(thresholds.quorum, &set));
    }
    outcome
}

/// One session of a pattern, from a fresh world.
pub fn pattern(stops: &Stops, seed: u64) -> Option<(Outcome, Result<Sum, Failure>, bool)> {
    let n = u16::try_from(stops.len()).ok()?;
    let thresholds = Thresholds::for_size(n, 0).ok()?;
    let mut world = world(n, seed);
    let ended = Office::default().session(&mut world, stops, &mut |_, _, message| Some(message));
    let right = ended.as_ref().is_ok_and(|sum| is_right(&world, sum));
    Some((judged(&world, &thresholds), ended, right))
}

/// A random series of sessions, with losses, returns, VOIDs and changing rows.
#[must_use]
pub fn run(seed: u64, sizes: &[u16]) -> Outcome {
    let mut dice = ChaCha20Rng::seed_from_u64(seed);
    let mut below = |n: usize| usize::try_from(dice.next_u32()).unwrap_or(0) % n.max(1);
    let n = sizes[below(sizes.len())];
    let Ok(thresholds) = Thresholds::for_size(n, 0) else { unreachable!("a size of a roster") };
    let (mut world, mut office) = (world(n, seed), Office::default());
    let calm = [60, 75, 90][below(3)];
    for _ in 0..=below(3) {
        let stop = |below: &mut dyn FnMut(usize) -> usize| match below(100) < calm {
            true => Stop::Never,
            false => Stop::ALL[below(5)],
        };
        let stops: Stops = (1..=n).map(|i| (NodeId(i), stop(&mut below))).collect();
        let ended = office.session(&mut world, &stops, &mut |_, _, message| Some(message));
        if let Ok(sum) = &ended {
            assert!(is_right(&world, sum), "a wrong sum, seed {seed}");
        }
        // Whoever vanished comes back with its ledger and nothing else.
        for (node, _) in stops.iter().filter(|(_, stop)| **stop != Stop::Never) {
            world.restart(*node);
        }
        if below(3) == 0 {
            (1..=n).filter(|_| below(2) == 0).collect::<Vec<_>>().into_iter().for_each(|i| {
                world.change_rows(NodeId(i));
            });
            world.pass(u64::from(SPACING_S) * 1000);
        }
    }
    judged(&world, &thresholds)
}
