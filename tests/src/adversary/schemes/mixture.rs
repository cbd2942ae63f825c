//! Any move of any scheme, in any order.

use super::super::scene::Scene;
use super::between::{next_slot, restart_some};
use super::opened;

/// Any move on any attempt, thirty times.
pub(super) fn mixture(scene: &mut Scene) {
    for _ in 0..30 {
        match scene.below(12) {
            0 => drop(opened(scene)),
            1 => {
                let warrant = scene.below(2);
                let ask = scene.honest_ask(warrant);
                scene.open(ask);
            }
            2 if scene.chance(20) => scene.end_all(),
            3 if scene.chance(20) => scene.world.pass(7_000),
            4 if scene.chance(10) => restart_some(scene),
            5 if scene.chance(10) => next_slot(scene, 40),
            6 if scene.chance(30) && !scene.hand.tries.is_empty() => {
                let t = scene.below(scene.hand.tries.len());
                let (some, pad) = (scene.each(&scene.everyone.clone(), 70), scene.chance(20));
                scene.ask_voids(t, &some);
                scene.show_voids(t, pad, &some);
            }
            _ => drop(any_step(scene)),
        }
    }
}

/// The next step of an attempt, mostly the newest, with a set drawn anew.
pub(super) fn any_step(scene: &mut Scene) -> Option<()> {
    let count = scene.hand.tries.len();
    let t = if scene.chance(75) { count.checked_sub(1)? } else { scene.below(count) };
    scene.hand.tries.get(t)?;
    let all = scene.deposited(t);
    let to = if scene.chance(70) { scene.everyone.clone() } else { scene.each(&all, 60) };
    let (starts, freezes) = (scene.hand.tries[t].starts.len(), scene.hand.tries[t].freezes.len());
    if scene.chance(5) {
        scene.offer(t, &to);
    }
    let s = scene.below(starts);
    let gos = scene.hand.tries[t].starts.get(s).map_or(0, |start| start.gos.len());
    let g = scene.below(gos);
    if freezes > 0 && scene.chance(60) {
        let f = scene.below(freezes);
        let pad = scene.chance(20);
        scene.close((t, f), pad, &to);
    } else if gos > 0 && scene.chance(70) {
        let reported = scene.reported((t, s, g));
        let survivors = if scene.chance(70) { reported } else { scene.quorum_of(&all) };
        scene.freeze((t, s, g), &survivors, &to)?;
    } else if starts > 0 && scene.chance(70) {
        let (swap, variant) = (scene.chance(30), scene.chance(20));
        scene.go((t, s), (swap, variant), &to)?;
    } else {
        let cohort = if scene.chance(60) { all } else { scene.quorum_of(&all) };
        scene.start(t, &cohort, &to)?;
    }
    Some(())
}
