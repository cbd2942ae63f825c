//! Schemes inside one attempt and its retries: who follows which START, GO and FREEZE.

use super::super::scene::{Scene, Set};
use super::opened;

pub(super) fn two_starts(scene: &mut Scene) -> Option<()> {
    let t = opened(scene)?;
    let all = scene.deposited(t);
    let honest: Set = all.intersection(&scene.honest).copied().collect();
    let target = scene.one(&honest)?;
    let mut alone = scene.each(&honest, 15);
    alone.insert(target);
    let rest: Set = honest.difference(&alone).copied().collect();
    let first = scene.quorum_of(&all);
    let second = if scene.chance(50) { all.clone() } else { scene.quorum_of(&all) };
    let one = scene.start(t, &first, &rest)?;
    let two = scene.start(t, &second, &alone)?;
    if scene.chance(30) {
        // Those who follow one are asked to follow the other too.
        scene.start(t, &first, &alone);
    }
    let swap = scene.chance(50);
    let everyone = scene.everyone.clone();
    let g1 = scene.go((t, one), (swap, false), &rest)?;
    let g2 = scene.go((t, two), (swap, false), &alone)?;
    for (s, g) in [(one, g1), (two, g2)] {
        let reported = scene.reported((t, s, g));
        let survivors = if scene.chance(50) { reported } else { scene.quorum_of(&all) };
        let f = scene.freeze((t, s, g), &survivors, &everyone)?;
        let pad = scene.chance(30);
        scene.close((t, f), pad, &everyone);
    }
    Some(())
}

pub(super) fn ghost(scene: &mut Scene) -> Option<()> {
    let t = opened(scene)?;
    let all = scene.deposited(t);
    let honest: Set = all.intersection(&scene.honest).copied().collect();
    let target = scene.one(&honest)?;
    let others: Set = honest.iter().copied().filter(|node| *node != target).collect();
    let room = all.len().saturating_sub(usize::from(scene.thresholds.quorum));
    let count = scene.below(room + 1);
    let dropped = scene.some(&others, count);
    // The target's own START: itself, the colluders, those who will be dropped.
    let mut small: Set = all.difference(&others).copied().collect();
    small.extend(&dropped);
    let alone: Set = [target].into();
    let one = scene.start(t, &all, &others)?;
    let two = scene.start(t, &small, &alone)?;
    let swap = scene.chance(60);
    let g1 = scene.go((t, one), (swap, false), &others)?;
    scene.go((t, two), (swap, false), &alone)?;
    let survivors: Set = all.difference(&dropped).copied().collect();
    let f = scene.freeze((t, one, g1), &survivors, &others)?;
    scene.close((t, f), false, &others);
    Some(())
}

pub(super) fn split(scene: &mut Scene) -> Option<()> {
    let t = opened(scene)?;
    let all = scene.deposited(t);
    let s = scene.start(t, &all, &all)?;
    let g = scene.go((t, s), (false, false), &all)?;
    let reported = scene.reported((t, s, g));
    let honest: Set = reported.intersection(&scene.honest).copied().collect();
    let target = scene.one(&honest)?;
    let mut others = honest.clone();
    others.remove(&target);
    let mut with = scene.each(&others, 50);
    with.insert(target);
    let without: Set = others.difference(&with).copied().collect();
    let mut fewer = reported.clone();
    fewer.remove(&target);
    let more = if scene.chance(60) { reported } else { scene.quorum_of(&reported) };
    let a = scene.freeze((t, s, g), &fewer, &without)?;
    let b = scene.freeze((t, s, g), &more, &with)?;
    if scene.chance(30) {
        // Whoever confirmed one set is asked to confirm the other.
        scene.freeze((t, s, g), &more, &without);
    }
    let pad = scene.chance(30);
    scene.close((t, a), pad, &without);
    scene.close((t, b), pad, &with);
    Some(())
}

pub(super) fn superseded(scene: &mut Scene) -> Option<()> {
    let warrant = scene.below(2);
    let ask = scene.honest_ask(warrant);
    let old = scene.open(ask.clone())?;
    let cohort = scene.deposited(old);
    let s = if scene.chance(70) { scene.start(old, &cohort, &cohort) } else { None };
    let mut next = ask;
    next.attempt += 1;
    if scene.chance(50) && next.bound.is_none() {
        next.invited = scene.quorum_of(&next.invited.clone());
    }
    let new = scene.hand.ask(&mut scene.world, next)?;
    let invited = scene.hand.tries[new].ask.invited.clone();
    let told = scene.each(&invited, 60);
    scene.offer(new, &told);
    // The old attempt goes on as if nothing had happened.
    let s = s.or_else(|| scene.start(old, &cohort, &cohort))?;
    scene.finish(old, s);
    scene.offer(new, &invited);
    let cohort = scene.deposited(new);
    let s = scene.start(new, &cohort, &cohort)?;
    scene.finish(new, s);
    Some(())
}

pub(super) fn disjoint(scene: &mut Scene) -> Option<()> {
    let t = opened(scene)?;
    let all = scene.deposited(t);
    let honest: Set = all.intersection(&scene.honest).copied().collect();
    let left = scene.each(&honest, 50);
    let right: Set = honest.difference(&left).copied().collect();
    let colluders: Set = all.difference(&honest).copied().collect();
    let everyone = scene.everyone.clone();
    for half in [left, right] {
        let cohort: Set = half.union(&colluders).copied().collect();
        let s = scene.start(t, &cohort, &half)?;
        let g = scene.go((t, s), (false, false), &half)?;
        let reported = scene.reported((t, s, g));
        let f = scene.freeze((t, s, g), &reported, &everyone)?;
        let pad = scene.chance(50);
        scene.close((t, f), pad, &half);
    }
    Some(())
}

pub(super) fn one_fewer(scene: &mut Scene) -> Option<()> {
    let warrant = scene.below(2);
    let mut ask = scene.honest_ask(warrant);
    for _ in 0..=scene.below(3) {
        let t = scene.open(ask.clone())?;
        let cohort = scene.deposited(t);
        let s = scene.start(t, &cohort, &cohort)?;
        if scene.chance(25) {
            // The GO reaches some after all.
            let to = scene.each(&cohort, 50);
            scene.go((t, s), (false, false), &to);
        }
        let gone = scene.one(&ask.invited.clone())?;
        if ask.invited.len() > usize::from(scene.thresholds.quorum) && ask.bound.is_none() {
            ask.invited.remove(&gone);
        }
        ask.attempt += 1;
    }
    scene.run(ask);
    Some(())
}

pub(super) fn two_gos(scene: &mut Scene) -> Option<()> {
    let t = opened(scene)?;
    let all = scene.deposited(t);
    let s = scene.start(t, &all, &all)?;
    let first = scene.each(&all, 50);
    let second: Set = all.difference(&first).copied().collect();
    let g1 = scene.go((t, s), (false, false), &first)?;
    let g2 = scene.go((t, s), (false, true), &second)?;
    let everyone = scene.everyone.clone();
    for g in [g1, g2] {
        let survivors = if scene.chance(50) { scene.reported((t, s, g)) } else { scene.quorum_of(&all) };
        let f = scene.freeze((t, s, g), &survivors, &everyone)?;
        scene.close((t, f), false, &everyone);
    }
    Some(())
}
