//! An attack by patience: the same question again and again, under other names, whenever a little has changed.

use crate::*;
use samensom_tests::adversary::schemes::plain_ask;
use samensom_tests::adversary::town::{SPACING_S, town_of_rate};
use samensom_tests::forge::hand::Ask;

/// Sessions of one family that the rules allow in 7 days.
const LIMIT: u16 = 2;

/// A session over all in a slot of its own, with other rows; whether it came to a sum.
fn asked(scene: &mut Scene, warrant: usize) -> bool {
    let (everyone, before) = (scene.everyone.clone(), scene.hand.bounds.len());
    scene.world.pass(u64::from(SPACING_S) * 1000);
    (1..=5).for_each(|node| scene.world.change_rows(NodeId(node)));
    let ask = Ask { warrant, ..plain_ask(scene) };
    if let Some(t) = scene.open(ask)
        && scene.deposited(t).len() == everyone.len()
        && let Some(s) = scene.start(t, &everyone, &everyone)
        && let Some(g) = scene.go((t, s), (false, false), &everyone)
        && let Some(f) = scene.freeze((t, s, g), &everyone, &everyone)
    {
        scene.close((t, f), false, &everyone);
    }
    scene.end_all();
    scene.hand.bounds.len() > before
}

/// Two warrants of one family by turns, until the rules' rate is reached and once more.
fn again_and_again() -> (Scene, Vec<bool>) {
    let town = town_of_rate(7, LIMIT);
    let mut scene = samensom_tests::adversary::scene_of(town, 7, set(&[6, 7]), BTreeSet::new()).unwrap();
    let sums = [0, 1, 0].map(|warrant| asked(&mut scene, warrant)).to_vec();
    (scene, sums)
}

#[test]
fn attack_25_one_question_again_and_again_under_other_names_a02() {
    let (mut scene, sums) = again_and_again();
    assert_eq!(sums, [true, true, false]);
    holds(&scene);
    end_by(&scene, &[1, 2, 3, 4, 5], Check::A02);
    // Restarted, each knows it from its disk.
    for node in 1..=5 {
        scene.world.restart(NodeId(node));
    }
    assert!(!asked(&mut scene, 1));
    // 20 h a slot: after 7 more the first two are more than 7 days ago.
    scene.world.pass(7 * u64::from(SPACING_S) * 1000);
    assert!(asked(&mut scene, 1), "{:?}", scene.world.ended);
    holds(&scene);
}

/// Wins: one sum more than the rules allow.
#[cfg(samensom_ablation)]
#[test]
fn control_25_one_question_again_and_again() {
    let (_, sums) = off(Some("rate-off"), None, again_and_again);
    assert_eq!(sums, [true; 3]);
}
