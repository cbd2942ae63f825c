//! Attacks on classes of hospitals: one made alone in a cell, by the cohort, by the survivors, by how it is cut.

use crate::*;
use samensom_protocol::codec::Blob;
use samensom_protocol::ids::{FreezeHash, ResultHash};
use samensom_protocol::io::Record;
use samensom_protocol::message::Opening;
use samensom_tests::adversary::town::{Of, town_of_classes};

const GROUP: &str = "[[dimension]]\ngroup = \"purchasing_group\"\n";
const CROSSED: &str =
    "[[dimension]]\ngroup = \"purchasing_group\"\n[[dimension]]\ngroup = \"hospital_kind\"\n";
const WITHOUT: &str =
    "[[dimension]]\ngroup = \"purchasing_group\"\ncodes = [\"north\", \"south\"]\nmissing = true\n";

/// Twenty hospitals, q = 14: the first seven are of the north. The one warrant has a floor of 3.
fn twenty(of: Of<'_>, dimensions: &str) -> Scene {
    let mut scene = scene(20, &[]);
    let machines: Vec<NodeId> = scene.everyone.iter().copied().collect();
    scene.world = World::new(town_of_classes(20, of, dimensions), 7, &machines, BTreeSet::new());
    // Observer and referee know one figure of each hospital; here each has a cell for each class.
    scene.world.watched = false;
    scene
}

fn north(node: u16) -> &'static str {
    if node <= 7 { "north" } else { "south" }
}

/// Six of the seven of the north "drop out": before the cohort is named, or after all reported.
fn alone(before: bool) -> Scene {
    let mut scene = twenty(&|node| (north(node), "general"), GROUP);
    let everyone = scene.everyone.clone();
    let rest = without(&scene, &[2, 3, 4, 5, 6, 7]);
    assert_eq!(rest.len(), 14, "as many as q asks for");
    let cohort = if before { rest.clone() } else { everyone };
    certified(&mut scene, &cohort, &rest);
    scene
}

/// An attempt over this cohort, frozen over these survivors, as far as it goes.
fn certified(scene: &mut Scene, cohort: &Set, survivors: &Set) {
    let ask = scene.honest_ask(0);
    let t = scene.open(ask).unwrap();
    let s = scene.start(t, cohort, cohort).unwrap();
    let Some(g) = scene.go((t, s), (false, false), cohort) else { return };
    if scene.reported((t, s, g)) != *cohort {
        return;
    }
    let f = scene.freeze((t, s, g), survivors, survivors).unwrap();
    scene.close((t, f), false, survivors);
}

/// How many confirmed the survivors.
fn confirmed(scene: &Scene) -> usize {
    scene.hand.tries[0].freezes.first().map_or(0, |freeze| freeze.confirmations.len())
}

/// Each of these ended by A21 and nobody confirmed anything.
#[track_caller]
fn end_unopened(scene: &Scene, nodes: &Set) {
    let nodes: Vec<u16> = nodes.iter().map(|node| node.0).collect();
    end_by(scene, &nodes, Check::A21);
    assert_eq!(confirmed(scene), 0);
}

/// Every survivor confirmed a sum, and a quorum is enough to open it, in which one class has this one member.
#[cfg(samensom_ablation)]
#[track_caller]
fn opens_one(scene: &Scene, of: &[usize]) {
    assert!(confirmed(scene) >= usize::from(scene.thresholds.quorum), "{:?}", scene.world.ended);
    let (one, town) = (&scene.hand.tries[0], &scene.world.town);
    let survivors = one.freezes[0].confirmations.keys();
    let places = |node: &NodeId| town.warrants[0].1.class_of(&town.roster, *node).places();
    assert_eq!(survivors.filter(|node| places(node).as_deref() == Some(of)).count(), 1);
}

#[test]
fn attack_38_a_group_reduced_to_one_by_dropouts_a21() {
    for before in [true, false] {
        let scene = alone(before);
        end_unopened(&scene, &without(&scene, &[2, 3, 4, 5, 6, 7]));
    }
}

/// Wins: the sum of the north is hospital 1's own figure.
#[cfg(samensom_ablation)]
#[test]
fn control_38_a_group_of_any_size() {
    for before in [true, false] {
        opens_one(&off(None, Some(Check::A21), || alone(before)), &[0]);
    }
}

/// Groups and kinds are large; hospital 1 is alone where they cross. Or: it is the only one without a group.
fn crossed(dimensions: &str) -> Scene {
    let kind = |node| if node == 1 || node > 7 { "umc" } else { "general" };
    let group = |node| if dimensions == WITHOUT && node == 1 { "" } else { north(node) };
    let mut scene = twenty(&|node| (group(node), kind(node)), dimensions);
    let everyone = scene.everyone.clone();
    certified(&mut scene, &everyone, &everyone);
    scene
}

#[test]
fn attack_48_crossed_classes_and_members_without_one_a21() {
    for dimensions in [CROSSED, WITHOUT] {
        let scene = crossed(dimensions);
        end_unopened(&scene, &scene.everyone);
    }
}

/// Wins: the sum of one cell is hospital 1's own figure.
#[cfg(samensom_ablation)]
#[test]
fn control_48_classes_of_any_size() {
    let own: [(&str, &[usize]); 2] = [(CROSSED, &[0, 1]), (WITHOUT, &[2])];
    for (dimensions, own) in own {
        opens_one(&off(None, Some(Check::A21), || crossed(dimensions)), own);
    }
}

/// All were counted; both cells opened by what they verified, but for hospital 1, who holds its own closed.
fn verified() -> Scene {
    let mut scene = twenty(&|node| (north(node), "general"), GROUP);
    let (freeze, result) = (FreezeHash([1; 32]), ResultHash([2; 32]));
    let (warrant, slot) = (scene.world.town.warrants[0].1.hash(), scene.slot());
    let survivors: Vec<NodeId> = scene.everyone.iter().copied().collect();
    for node in &survivors {
        let open = if node.0 == 1 { vec![0b10] } else { vec![0b11] };
        let survivors = survivors.clone();
        let totals = Vec::new();
        scene.world.record(*node, Record::Counted { warrant, slot, freeze, result, survivors, open, totals });
    }
    scene.hand.opening = Some(Opening { freeze, result, open: Blob::new(vec![0b11]).unwrap() });
    scene
}

/// Everybody is offered what all but one verified.
fn opened_to_all() -> Scene {
    let mut scene = verified();
    let everyone = scene.everyone.clone();
    let ask = scene.honest_ask(0);
    let t = scene.open(ask).unwrap();
    let cohort = scene.deposited(t);
    let s = scene.start(t, &cohort, &cohort).unwrap();
    if let Some(g) = scene.go((t, s), (false, false), &cohort).filter(|_| cohort == everyone) {
        let f = scene.freeze((t, s, g), &cohort, &cohort).unwrap();
        scene.close((t, f), false, &cohort);
    }
    scene
}

/// It refuses and sends no 0 in its place; without it nobody goes on, for none of those counted may be missing.
#[test]
fn attack_45_a_cell_that_one_hospital_holds_closed_a22_a23() {
    let scene = opened_to_all();
    end_by(&scene, &[1], Check::A23);
    let others: Vec<u16> = (2..=20).collect();
    end_by(&scene, &others, Check::A22);
    assert_eq!((scene.deposited(0).len(), confirmed(&scene)), (19, 0));
}

/// Wins: the figure of hospital 1 is in a sum that it holds closed.
#[cfg(samensom_ablation)]
#[test]
fn control_45_a_hospitals_own_closures_do_not_count() {
    let scene = off(None, Some(Check::A23), opened_to_all);
    assert_eq!(confirmed(&scene), 20, "{:?}", scene.world.ended);
}

/// Hospital 1 alone is told that its cell opens, the others that it does not; the two are made one START.
#[test]
fn attack_45_closures_sent_one_by_one_a09() {
    let mut scene = verified();
    let survivors: Vec<NodeId> = scene.everyone.iter().copied().collect();
    let (warrant, slot) = (scene.world.town.warrants[0].1.hash(), scene.slot());
    let opening = scene.hand.opening.clone().unwrap();
    let (freeze, result) = (opening.freeze, opening.result);
    let (open, totals) = (vec![0b11], Vec::new());
    scene.world.record(NodeId(1), Record::Counted { warrant, slot, freeze, result, survivors, open, totals });
    let ask = scene.honest_ask(0);
    let alone = scene.hand.ask(&mut scene.world, ask).unwrap();
    scene.offer(alone, &set(&[1]));
    let closed = Opening { open: Blob::new(vec![0b10]).unwrap(), ..opening };
    scene.hand.opening = Some(closed);
    let ask = scene.honest_ask(0);
    let rest = scene.hand.ask(&mut scene.world, ask).unwrap();
    scene.offer(rest, &without(&scene, &[1]));
    assert_eq!((scene.deposited(alone).len(), scene.deposited(rest).len()), (1, 19));
    let deposits = scene.hand.tries[rest].deposits.clone();
    scene.hand.tries[alone].deposits.extend(deposits);
    let everyone = scene.everyone.clone();
    let _ = scene.start(alone, &everyone, &everyone);
    end_by(&scene, &[1], Check::A09);
    assert_eq!(confirmed(&scene), 0);
}
