//! Schemes between sessions: other sets, warrants, slots, clocks, forged `bound`, VOIDs.

use super::super::scene::{Scene, Set};
use super::super::town::SPACING_S;
use super::{opened, plain};
use samensom_protocol::codec::{Bytes, List};
use samensom_protocol::ids::{FreezeHash, NodeId};
use samensom_protocol::message::Bound;

pub(super) fn restart(scene: &mut Scene) {
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

pub(super) fn restart_some(scene: &mut Scene) {
    let honest = scene.honest.clone();
    for node in scene.each(&honest, 40) {
        scene.world.restart(node);
    }
}

pub(super) fn series(scene: &mut Scene) {
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
pub(super) fn next_slot(scene: &mut Scene, changed: u32) {
    change_rows(scene, changed);
    scene.world.pass(u64::from(SPACING_S) * 1000);
}

pub(super) fn change_rows(scene: &mut Scene, percent: u32) {
    let honest = scene.honest.clone();
    for node in scene.each(&honest, percent) {
        scene.world.change_rows(node);
    }
}

pub(super) fn clock(scene: &mut Scene) {
    let spacing = u64::from(SPACING_S) * 1000;
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

pub(super) fn bound(scene: &mut Scene) {
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
pub(super) fn forge(scene: &mut Scene, mut bound: Bound) -> Bound {
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

/// An attempt that is lost, or made to look so; its VOIDs; another with others in the same slot.
pub(super) fn voids(scene: &mut Scene) -> Option<()> {
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
