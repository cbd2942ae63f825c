//! A coordinator that deviates at will, with up to X colluders, against real node machines: one run from a
//! seed, and what it broke.
//!
//! A run draws its size, its colluders and a few schemes; the leakage oracle and the referee then judge
//! everything that honest nodes sent.

pub mod drops;
pub mod floors;
pub mod liar;
pub mod office;
pub mod referee;
pub mod scene;
pub mod schemes;
pub mod town;
pub mod world;

use crate::forge::hand::Hand;
use crate::leak::{Leak, judge};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use referee::Breach;
use samensom_protocol::ids::NodeId;
use samensom_protocol::params::Thresholds;
use scene::{Scene, Set};
use schemes::Scheme;
use std::collections::BTreeSet;
use std::sync::Arc;
use town::Town;
use world::World;

/// What came of a run.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// Hospitals.
    pub n: u16,
    /// Schemes played, in order.
    pub schemes: Vec<Scheme>,
    /// Slots in which a sum was opened.
    pub opened: usize,
    /// Reports of honest nodes.
    pub reports: usize,
    /// What the oracle found.
    pub leaks: Vec<Leak>,
    /// What the referee found.
    pub breaches: BTreeSet<Breach>,
    /// Nodes whose reports or dealings the oracle cannot explain.
    pub unexplained: Vec<NodeId>,
}

impl Outcome {
    /// True if a figure leaks, or C3 does not hold.
    #[must_use]
    pub fn violates(&self) -> bool {
        let step = |breach: &Breach| matches!(breach, Breach::Unreported(_) | Breach::Unfollowed(_));
        !self.leaks.is_empty() || self.breaches.iter().any(|breach| !step(breach))
    }
    /// True if a step of the proof of C1 does not hold, whether or not that leaks anything.
    #[must_use]
    pub fn strays(&self) -> bool {
        !self.breaches.is_empty() || !self.unexplained.is_empty()
    }
}

/// A scene of `n` hospitals, these of them colluders.
#[must_use]
pub fn scene(n: u16, seed: u64, colluders: Set, apart: BTreeSet<(NodeId, NodeId)>) -> Option<Scene> {
    scene_of(town::town(n), seed, colluders, apart)
}

/// A scene of a town's hospitals, these of them colluders.
#[must_use]
pub fn scene_of(
    town: Arc<Town>,
    seed: u64,
    colluders: Set,
    apart: BTreeSet<(NodeId, NodeId)>,
) -> Option<Scene> {
    let n = town.roster.size();
    let thresholds = Thresholds::for_size(n, 0).ok()?;
    let everyone: Set = (1..=n).map(NodeId).collect();
    let honest: Set = everyone.difference(&colluders).copied().collect();
    let machines: Vec<NodeId> = honest.iter().copied().collect();
    Some(Scene {
        world: World::new(town, seed, &machines, apart),
        hand: Hand::new(colluders),
        rng: ChaCha20Rng::seed_from_u64(seed ^ 0x5ca1_ab1e),
        loss: 0,
        everyone,
        honest,
        thresholds,
    })
}

/// Plays one run; `sizes` are the numbers of hospitals to draw from.
#[must_use]
pub fn run(seed: u64, sizes: &[u16]) -> Outcome {
    let mut dice = ChaCha20Rng::seed_from_u64(seed);
    let mut below = |n: usize| usize::try_from(dice.next_u32()).unwrap_or(0) % n.max(1);
    let n = sizes[below(sizes.len())];
    let x = usize::from(n - 1) / 3;
    let first = Scheme::ALL[below(Scheme::ALL.len())];
    let count = if below(5) == 0 { below(x + 1) } else { x };
    let mut colluders = Set::new();
    while colluders.len() < count {
        colluders.insert(NodeId(u16::try_from(below(usize::from(n))).unwrap_or(0) + 1));
    }
    // Two halves without channels between them, or some pairs without one.
    let (halves, some): (Vec<bool>, bool) = ((0..=n).map(|_| below(2) == 0).collect(), below(4) == 0);
    let mut parted = BTreeSet::new();
    for (a, b) in (1..=n).flat_map(|a| (a + 1..=n).map(move |b| (a, b))) {
        let between = if some { below(5) == 0 } else { halves[usize::from(a)] != halves[usize::from(b)] };
        let honest = !colluders.contains(&NodeId(a)) && !colluders.contains(&NodeId(b));
        if first == Scheme::Halves && honest && between {
            parted.insert((NodeId(a), NodeId(b)));
        }
    }
    let loss = [0, 0, 0, 4, 15][below(5)];
    let more = below(3);
    let mut schemes = vec![first];
    schemes.extend((0..more).map(|_| Scheme::ALL[below(Scheme::ALL.len())]));
    let Some(mut scene) = scene(n, seed, colluders, parted) else { unreachable!("a size of a roster") };
    scene.loss = loss;
    for scheme in &schemes {
        scheme.play(&mut scene);
        scene.end_all();
        if scene.chance(50) {
            scene.world.pass(u64::from(town::SPACING_S) * 1000);
        }
    }
    judged(&scene, schemes)
}

/// What oracle and referee say of a scene.
#[must_use]
pub fn judged(scene: &Scene, schemes: Vec<Scheme>) -> Outcome {
    let colluders = &scene.hand.colluders;
    let thresholds = scene.thresholds;
    let verdict =
        judge(&scene.world.observer.forms(colluders), usize::from(thresholds.quorum - thresholds.x));
    Outcome {
        n: thresholds.n,
        schemes,
        opened: verdict.opened,
        reports: scene.world.observer.reports.len(),
        leaks: verdict.leaks,
        breaches: scene.world.referee.breaches(thresholds.quorum, colluders),
        unexplained: scene.world.observer.unexplained.clone(),
    }
}
