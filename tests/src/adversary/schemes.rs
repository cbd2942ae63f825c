//! The known attack schemes (numbers of the attack catalogue), and random mixtures of their moves.
//!
//! Each scheme draws its numbers at random; none of them may open anything but the one sum of a slot.

use super::forge::Ask;
use super::scene::{Scene, Set};
use samensom_protocol::codec::{Bytes, List};
use samensom_protocol::ids::{FreezeHash, NodeId};
use samensom_protocol::message::Bound;

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

fn two_starts(scene: &mut Scene) -> Option<()> {
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

fn ghost(scene: &mut Scene) -> Option<()> {
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

fn split(scene: &mut Scene) -> Option<()> {
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

fn superseded(scene: &mut Scene) -> Option<()> {
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

fn restart(scene: &mut Scene) {
    plain(scene);
    scene.end_all();
    for _ in 0..=scene.below(2) {
        let warrant = scene.below(2);
        let mut ask = scene.honest_ask(warrant);
        if scene.chance(80) {
            ask.bound = None;
            ask.invited = scene.quorum_of(&scene.everyone.clone());
        }
        if scene.chance(30) {
            restart_some(scene);
        }
        scene.run(ask);
        scene.end_all();
    }
}

fn restart_some(scene: &mut Scene) {
    let honest = scene.honest.clone();
    for node in scene.each(&honest, 40) {
        scene.world.restart(node);
    }
}

fn series(scene: &mut Scene) {
    plain(scene);
    scene.end_all();
    for _ in 0..=scene.below(3) {
        if scene.chance(35) {
            next_slot(scene, 40);
        }
        let warrant = scene.below(2);
        let mut ask = scene.honest_ask(warrant);
        if scene.chance(40) {
            ask.bound = scene.standing();
        }
        if scene.chance(25) {
            ask.invited = scene.quorum_of(&scene.everyone.clone());
        } else if let Some(bound) = &ask.bound {
            ask.invited = bound.survivors.iter().copied().collect();
        }
        let fewer = scene.chance(50);
        let Some(t) = scene.open(ask) else { continue };
        let all = scene.deposited(t);
        let cohort = if fewer && scene.chance(30) { scene.quorum_of(&all) } else { all };
        let Some(s) = scene.start(t, &cohort, &cohort) else { continue };
        let Some(g) = scene.go((t, s), (false, false), &cohort) else { continue };
        let reported = scene.reported((t, s, g));
        let survivors = if fewer { scene.quorum_of(&reported) } else { reported };
        let everyone = scene.everyone.clone();
        if let Some(f) = scene.freeze((t, s, g), &survivors, &everyone) {
            scene.close((t, f), false, &everyone);
        }
        scene.end_all();
    }
}

/// The next slot; some hospitals' rows change before it.
fn next_slot(scene: &mut Scene, changed: u32) {
    change_rows(scene, changed);
    scene.world.pass(u64::from(super::town::SPACING_S) * 1000);
}

fn change_rows(scene: &mut Scene, percent: u32) {
    let honest = scene.honest.clone();
    for node in scene.each(&honest, percent) {
        scene.world.change_rows(node);
    }
}

fn clock(scene: &mut Scene) {
    let spacing = u64::from(super::town::SPACING_S) * 1000;
    let honest = scene.honest.clone();
    for node in scene.each(&honest, 30) {
        let ahead = u64::try_from(scene.below(20_000)).unwrap_or(0);
        scene.world.set_ahead(node, ahead);
    }
    if scene.chance(40) {
        // To the edge of the slot: ten seconds before its end.
        let left = spacing - scene.world.now.0 % spacing;
        scene.world.pass(left.saturating_sub(10_000));
    }
    plain(scene);
    scene.end_all();
    for _ in 0..=scene.below(2) {
        if scene.chance(70) {
            change_rows(scene, 80);
        }
        let skip = [0, 5_000, 11_000, 30_000, spacing / 2, spacing - 100_000][scene.below(6)];
        scene.world.pass(skip);
        let warrant = scene.below(2);
        let mut ask = scene.honest_ask(warrant);
        if scene.chance(70) {
            ask.bound = None;
            ask.invited = scene.quorum_of(&scene.everyone.clone());
        }
        ask.slot = (ask.slot + u64::try_from(scene.below(4)).unwrap_or(0)).saturating_sub(1);
        scene.run(ask);
        scene.end_all();
    }
}

fn bound(scene: &mut Scene) {
    plain(scene);
    scene.end_all();
    if scene.chance(40) {
        next_slot(scene, 50);
    }
    for _ in 0..=scene.below(2) {
        let warrant = scene.below(2);
        let mut ask = scene.honest_ask(warrant);
        let Some(genuine) = scene.standing() else { return };
        let forged = forge(scene, genuine);
        ask.invited = forged.survivors.iter().copied().collect();
        ask.bound = Some(forged);
        if scene.chance(10) {
            ask.bound = None;
        }
        scene.run(ask);
        scene.end_all();
    }
}

/// A genuine `bound` with a field or two swapped.
fn forge(scene: &mut Scene, mut bound: Bound) -> Bound {
    let everyone = scene.everyone.clone();
    for _ in 0..=scene.below(2) {
        match scene.below(6) {
            0 | 1 => {
                let survivors: Vec<NodeId> = scene.quorum_of(&everyone).into_iter().collect();
                bound.survivors = List::new(survivors).unwrap_or_default();
            }
            2 => bound.freeze = FreezeHash([3; 32]),
            3 => {
                let at = scene.below(scene.hand.tries.len());
                bound.sid = scene.hand.tries[at].facts.sid;
            }
            4 => {
                let mut signed = bound.certificate.to_vec();
                signed.pop();
                bound.certificate = List::new(signed).unwrap_or_default();
            }
            _ => {
                let mut signed = bound.certificate.to_vec();
                signed.iter_mut().take(1).for_each(|one| one.signature = Bytes([2; 64]));
                bound.certificate = List::new(signed).unwrap_or_default();
            }
        }
    }
    bound
}

fn disjoint(scene: &mut Scene) -> Option<()> {
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

fn one_fewer(scene: &mut Scene) -> Option<()> {
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

fn two_gos(scene: &mut Scene) -> Option<()> {
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

/// An attempt that is lost, or made to look so; its VOIDs; another with others in the same slot.
fn voids(scene: &mut Scene) -> Option<()> {
    let (all, everyone) = (scene.everyone.clone(), scene.everyone.clone());
    let t = opened(scene)?;
    let cohort = scene.deposited(t);
    let s = scene.start(t, &cohort, &cohort)?;
    if scene.chance(15) {
        scene.ask_voids(t, &all);
    }
    let to = if scene.chance(50) { cohort.clone() } else { scene.each(&cohort, 80) };
    let g = scene.go((t, s), (false, false), &to)?;
    let survivors = scene.quorum_of(&scene.reported((t, s, g)));
    // From nobody who confirms to everybody; from nobody who sees the certificate to everybody.
    let percent = [0, 30, 60, 100, 100][scene.below(5)];
    let mut confirming = scene.each(&survivors, percent);
    let mut seeing = scene.each(&survivors, 50);
    let targeted = scene.chance(50);
    if targeted {
        // Everybody confirms; just enough see the certificate, so that the others may be asked again.
        confirming = survivors.clone();
        let lent = survivors.difference(&scene.honest).count();
        let honest: Set = survivors.intersection(&scene.honest).copied().collect();
        seeing = scene.some(&honest, usize::from(scene.thresholds.shares).saturating_sub(lent));
    }
    let f = scene.freeze((t, s, g), &survivors, &confirming)?;
    scene.close((t, f), false, &seeing);
    let asked = if scene.chance(80) { everyone.clone() } else { scene.each(&everyone, 60) };
    scene.ask_voids(t, &asked);
    if scene.chance(20) {
        restart_some(scene);
    }
    let (pad, told) = (scene.chance(25), scene.chance(80));
    let to = if told { everyone.clone() } else { scene.each(&everyone, 60) };
    scene.show_voids(t, pad, &to);
    if scene.chance(40) {
        // What was voided goes on as if nothing had happened.
        scene.freeze((t, s, g), &survivors, &everyone);
        scene.close((t, f), false, &everyone);
    }
    if scene.chance(70) {
        scene.end_all();
    }
    let warrant = scene.below(2);
    let mut ask = scene.honest_ask(warrant);
    if ask.bound.is_none() || scene.chance(60) {
        let unseen: Set =
            everyone.difference(&seeing.intersection(&scene.honest).copied().collect()).copied().collect();
        let from = if targeted || scene.chance(50) { unseen } else { everyone };
        ask.bound = None;
        ask.invited = scene.quorum_of(&from);
    }
    scene.run(ask);
    if scene.chance(30) {
        scene.ask_voids(t, &all);
        scene.show_voids(t, false, &all);
    }
    Some(())
}

/// Any move on any attempt, thirty times.
fn mixture(scene: &mut Scene) {
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
fn any_step(scene: &mut Scene) -> Option<()> {
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

/// A question that nobody invited can answer twice: used by tests that plant leaks.
#[must_use]
pub fn plain_ask(scene: &Scene) -> Ask {
    Ask { warrant: 0, slot: scene.slot(), attempt: 0, invited: scene.everyone.clone(), bound: None }
}
