//! The attack catalogue (protocol.md, section 2): each attack by its number, against real state machines.
//!
//! `attack_NN_what_checks` plays it with every check on: the liar gains nothing, the session ends or goes on
//! without him, and who refuses says by which check. `control_NN_what`, compiled under the cfg alone,
//! plays the same attack with its defence off: the liar must win. The manual's table is made of these names.

mod between;
mod classes;
mod commitments;
mod dealers;
mod floors;
mod headers;
mod keys;
mod overlaps;
mod ranges;
mod rates;
mod replays;
mod results;
mod rosters;
mod saboteurs;
mod stories;
mod survivors;
#[cfg(feature = "programs")]
mod wire;

use samensom_protocol::error::Check;
use samensom_protocol::ids::NodeId;
use samensom_protocol::message::Message;
use samensom_tests::adversary::scene::{Scene, Set};
use samensom_tests::adversary::world::World;
use samensom_tests::adversary::{Outcome, judged};
use samensom_tests::forge::message::frame;
use std::collections::BTreeSet;

/// These nodes.
fn set(nodes: &[u16]) -> Set {
    nodes.iter().copied().map(NodeId).collect()
}

/// n hospitals, these of them colluders, channels between all.
fn scene(n: u16, colluders: &[u16]) -> Scene {
    samensom_tests::adversary::scene(n, 7, set(colluders), BTreeSet::new()).unwrap()
}

/// Seven hospitals, the last two colluders: X = 2, q = 5, t_s = 4.
fn seven() -> Scene {
    scene(7, &[6, 7])
}

fn without(scene: &Scene, nodes: &[u16]) -> Set {
    scene.everyone.difference(&set(nodes)).copied().collect()
}

/// An offer of the first warrant to everyone, a START over all deposits, and a GO to all.
fn gone(scene: &mut Scene) -> (usize, usize, usize) {
    let everyone = scene.everyone.clone();
    let ask = scene.honest_ask(0);
    let t = scene.open(ask).unwrap();
    let s = scene.start(t, &everyone, &everyone).unwrap();
    let g = scene.go((t, s), (false, false), &everyone).unwrap();
    assert_eq!(scene.reported((t, s, g)), everyone);
    (t, s, g)
}

/// A whole session over these survivors; all others' reports come too late.
fn summed(scene: &mut Scene, survivors: &Set) -> (usize, usize) {
    let (t, s, g) = gone(scene);
    let f = scene.freeze((t, s, g), survivors, survivors).unwrap();
    scene.close((t, f), false, survivors);
    (t, f)
}

/// Gives a node any message, as from the coordinator.
fn tell(scene: &mut Scene, node: u16, message: &Message) {
    scene.world.deliver(NodeId(node), frame(message));
    scene.hand.collect(&mut scene.world);
}

/// What oracle and referee say.
fn verdict(scene: &Scene) -> Outcome {
    judged(scene, Vec::new())
}

/// Nothing leaked, and every claim holds.
#[track_caller]
fn holds(scene: &Scene) {
    let outcome = verdict(scene);
    assert!(!outcome.violates() && !outcome.strays(), "{outcome:?}");
}

/// A figure leaked.
#[cfg(samensom_ablation)]
#[track_caller]
fn leaks(scene: &Scene) {
    let outcome = verdict(scene);
    assert!(!outcome.leaks.is_empty(), "{outcome:?}");
}

/// Checks by which a node ended its part, in order; a deadline or refusal has none.
fn ends(world: &World, node: u16) -> Vec<Option<Check>> {
    let of = world.ended.iter().filter(|(id, _)| id.0 == node);
    of.map(|(_, fault)| fault.as_ref().map(|fault| fault.check)).collect()
}

/// Checks by which a node refused frames without ending anything.
fn refuses(world: &World, node: u16) -> Vec<Check> {
    world.refused.iter().filter(|(id, _)| id.0 == node).map(|(_, fault)| fault.check).collect()
}

/// Each of these nodes ended its part once, by this check, and names no hospital: it is the coordinator.
#[track_caller]
fn end_by(scene: &Scene, nodes: &[u16], check: Check) {
    for node in nodes {
        assert_eq!(ends(&scene.world, *node), [Some(check)], "node {node}: {:?}", scene.world.ended);
    }
    let named = scene.world.ended.iter().flat_map(|(_, fault)| fault.iter().flat_map(|f| f.culprits()));
    assert_eq!(named.count(), 0, "an honest hospital is named: {:?}", scene.world.ended);
}

/// Plays with one defence off: a named point, a whole check, or both.
#[cfg(samensom_ablation)]
fn off<T>(name: Option<&'static str>, check: Option<Check>, play: impl FnOnce() -> T) -> T {
    use samensom_protocol::ablation;
    /// Every check is on again, also after a panic.
    struct On;
    impl Drop for On {
        fn drop(&mut self) {
            ablation::only(None);
            ablation::without(None);
        }
    }
    let _on = On;
    ablation::only(name);
    ablation::without(check);
    play()
}
