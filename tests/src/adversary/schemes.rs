//! The known attack schemes (numbers of the attack catalogue), and random mixtures of their moves.
//!
//! Each scheme draws its numbers at random; none of them may open anything but the one sum of a slot.

mod between;
mod mixture;
mod within;

use super::scene::Scene;
use crate::forge::hand::Ask;
use between::{bound, clock, restart, series, voids};
use mixture::mixture;
use within::{disjoint, ghost, one_fewer, split, superseded, two_gos, two_starts};

/// What the adversary tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scheme {
    /// An honest coordinator, with losses.
    Plain,
    /// Attack 7: two STARTs, the target a ghost in the second.
    TwoStarts,
    /// Attack 36: the target alone under a START, its report listed under another.
    Ghost,
    /// Attack 46: halves without channels.
    Halves,
    /// Attack 1: two survivor sets.
    Split,
    /// Attack 50: superseded attempts and an old GO.
    Superseded,
    /// Attacks 4 and 39: again with another set.
    Restart,
    /// Attack 25: other warrants and later slots over one extract.
    Series,
    /// Attack 41: clock edges, slots off by one.
    Clock,
    /// Attack 58: forged and swapped `bound`.
    Bound,
    /// Attack 47: disjoint cohorts.
    Disjoint,
    /// A retry before contribution, with a node fewer.
    OneFewer,
    /// Two GOs over one START.
    TwoGos,
    /// A24: attempts voided truly, too early, by too few, or with forged VOIDs.
    Voids,
    /// Any of these moves in any order.
    Mixture,
}

impl Scheme {
    /// All of them.
    pub const ALL: [Scheme; 15] = [
        Scheme::Plain,
        Scheme::TwoStarts,
        Scheme::Ghost,
        Scheme::Halves,
        Scheme::Split,
        Scheme::Superseded,
        Scheme::Restart,
        Scheme::Series,
        Scheme::Clock,
        Scheme::Bound,
        Scheme::Disjoint,
        Scheme::OneFewer,
        Scheme::TwoGos,
        Scheme::Voids,
        Scheme::Mixture,
    ];

    /// Plays it.
    pub fn play(self, scene: &mut Scene) {
        match self {
            Scheme::Plain | Scheme::Halves => plain(scene),
            Scheme::TwoStarts => drop(two_starts(scene)),
            Scheme::Ghost => drop(ghost(scene)),
            Scheme::Split => drop(split(scene)),
            Scheme::Superseded => drop(superseded(scene)),
            Scheme::Restart => restart(scene),
            Scheme::Series => series(scene),
            Scheme::Clock => clock(scene),
            Scheme::Bound => bound(scene),
            Scheme::Disjoint => drop(disjoint(scene)),
            Scheme::OneFewer => drop(one_fewer(scene)),
            Scheme::TwoGos => drop(two_gos(scene)),
            Scheme::Voids => drop(voids(scene)),
            Scheme::Mixture => mixture(scene),
        }
    }
}

fn plain(scene: &mut Scene) {
    let warrant = scene.below(2);
    let ask = scene.honest_ask(warrant);
    scene.run(ask);
}

/// Offers as an honest coordinator, or over a random set without `bound`.
fn opened(scene: &mut Scene) -> Option<usize> {
    let warrant = scene.below(2);
    let mut ask = scene.honest_ask(warrant);
    if scene.chance(20) {
        ask.bound = None;
        ask.invited = scene.quorum_of(&scene.everyone.clone());
    }
    scene.open(ask)
}

/// A question that nobody invited can answer twice: used by tests that plant leaks.
#[must_use]
pub fn plain_ask(scene: &Scene) -> Ask {
    Ask { warrant: 0, slot: scene.slot(), attempt: 0, invited: scene.everyone.clone(), bound: None }
}
