//! Attacks on the survivor set of one attempt: two sets, forged certificates, late reports, small sets,
//! ghosts and disjoint cohorts.

use crate::*;
use samensom_protocol::codec::{Bytes, List};
use samensom_protocol::crypto::keys::Signed;
use samensom_protocol::message::{Certificate, Confirmation, FreezeBody};
use samensom_tests::forge::message::sign;

/// Half is told that hospital 1 dropped out, the other half that it did not; then both are told both.
fn two_sets() -> Scene {
    let mut scene = seven();
    let go = gone(&mut scene);
    let everyone = scene.everyone.clone();
    let fewer = scene.freeze(go, &without(&scene, &[1]), &set(&[2, 3])).unwrap();
    let all = scene.freeze(go, &everyone, &set(&[1, 4, 5])).unwrap();
    for node in [2, 3] {
        scene.hand.send_freeze(&mut scene.world, (go.0, all), NodeId(node));
    }
    scene.close((go.0, fewer), false, &set(&[2, 3]));
    scene.close((go.0, all), false, &set(&[1, 4, 5]));
    scene
}

#[test]
fn attack_01_two_survivor_sets_a13_a16() {
    let scene = two_sets();
    holds(&scene);
    end_by(&scene, &[2, 3], Check::A16);
    assert!(refuses(&scene.world, 2).contains(&Check::A13), "{:?}", scene.world.refused);
}

/// Wins: r and b of one hospital.
#[cfg(samensom_ablation)]
#[test]
fn control_01_half_of_the_survivors_certify() {
    leaks(&off(Some("a16-quorum"), None, two_sets));
}

type Forgery = fn(&Scene, &FreezeBody, &mut Vec<Confirmation>);

fn confirmed(scene: &Scene, node: u16, what: Signed, body: &FreezeBody) -> Confirmation {
    let identity = &scene.world.town.identities[&NodeId(node)];
    Confirmation { node: NodeId(node), signature: sign::<_, 128>(identity, what, body).signature }
}

/// Ways to make a quorum of four signatures.
const FORGERIES: [Forgery; 8] = [
    |_, _, _| {},
    |_, _, all| all.clear(),
    |_, _, all| all.push(all[3]),
    |_, _, all| all.push(Confirmation { node: NodeId(5), signature: Bytes([1; 64]) }),
    |scene, body, all| {
        all.push(Confirmation { node: NodeId(9), ..confirmed(scene, 6, Signed::Confirm, body) })
    },
    |scene, body, all| all.push(confirmed(scene, 6, Signed::Certificate, body)),
    |scene, body, all| {
        let mut other = *body;
        other.sid.0[0] ^= 1;
        all.insert(2, Confirmation { node: NodeId(5), ..confirmed(scene, 6, Signed::Confirm, &other) });
    },
    // Those who confirmed the other set.
    |scene, _, all| {
        all.extend(scene.hand.tries[0].freezes[0].confirmations.values().copied());
        all.sort_by_key(|one| one.node);
        all.dedup_by_key(|one| one.node);
    },
];

/// A genuine set without hospital 1, and a certificate made up for one with it.
fn forged_certificate(forgery: Forgery) -> Scene {
    let mut scene = seven();
    let go = gone(&mut scene);
    let everyone = scene.everyone.clone();
    let fewer = scene.freeze(go, &without(&scene, &[1]), &set(&[3, 4, 5])).unwrap();
    let all = scene.freeze(go, &everyone, &set(&[1, 2])).unwrap();
    scene.close((go.0, fewer), false, &set(&[3, 4, 5]));
    let made = &scene.hand.tries[go.0].freezes[all];
    let body = FreezeBody { sid: scene.hand.tries[go.0].facts.sid, freeze: made.hash };
    let mut confirmations = made.confirmations.values().copied().collect();
    forgery(&scene, &body, &mut confirmations);
    let confirmations = List::new(confirmations).unwrap();
    let body = sign(&scene.world.town.coordinator, Signed::Certificate, &body);
    let forged = Message::Certificate(Certificate { body, confirmations });
    for node in [1, 2] {
        tell(&mut scene, node, &forged);
        scene.hand.send_ask(&mut scene.world, (go.0, all), NodeId(node));
    }
    scene
}

#[test]
fn attack_02_a_forged_certificate_a16() {
    for forgery in FORGERIES {
        let scene = forged_certificate(forgery);
        holds(&scene);
        end_by(&scene, &[1, 2], Check::A16);
    }
}

/// Wins: r of hospital 1 under the genuine certificate, b under the forged one.
#[cfg(samensom_ablation)]
#[test]
fn control_02_any_certificate_counts() {
    for forgery in FORGERIES {
        leaks(&off(None, Some(Check::A16), || forged_certificate(forgery)));
    }
}

/// Hospital 1 is dropped though its report is there; b is asked under every set that names it.
fn late_report() -> Scene {
    let mut scene = seven();
    let go = gone(&mut scene);
    let everyone = scene.everyone.clone();
    let rest = without(&scene, &[1]);
    let fewer = scene.freeze(go, &rest, &rest).unwrap();
    let all = scene.freeze(go, &everyone, &set(&[1])).unwrap();
    for node in &rest {
        scene.hand.send_certificate(&mut scene.world, (go.0, fewer), false, *node);
    }
    for node in [2, 3] {
        scene.hand.send_ask(&mut scene.world, (go.0, fewer), NodeId(node));
    }
    for node in &rest {
        scene.hand.send_ask(&mut scene.world, (go.0, all), *node);
    }
    scene
}

#[test]
fn attack_03_a_late_report_and_its_pair_seeds_a18() {
    let scene = late_report();
    holds(&scene);
    end_by(&scene, &[4, 5], Check::A18);
    assert!(refuses(&scene.world, 2).contains(&Check::A18), "it gave its shares and gives none again");
    // What is left of the report without its pairs' masks is uniform: 6 bits of 256 reports, chi-square.
    let mut counts = [0f64; 64];
    for seed in 0..256u64 {
        let mut scene = samensom_tests::adversary::scene(4, seed, set(&[4]), BTreeSet::new()).unwrap();
        scene.world.planted.insert(NodeId(1), 5);
        let survivors = without(&scene, &[1]);
        summed(&mut scene, &survivors);
        let seen = &scene.world.observer;
        let own = seen.reports.iter().find(|seen| seen.node == NodeId(1)).unwrap();
        let own = own.terms.iter().find(|term| term.pair.is_none()).unwrap();
        let (mut lane, plus) = ([5u64], samensom_protocol::crypto::mask::Sign::Plus);
        samensom_protocol::crypto::mask::apply(
            &mut lane,
            &mut [samensom_protocol::crypto::mask::Mask::new(&own.seed, plus)],
        );
        counts[usize::try_from(lane[0] % 64).unwrap()] += 1.0;
    }
    let chi: f64 = counts.iter().map(|count| (count - 4.0).powi(2) / 4.0).sum();
    assert!(chi < 120.0, "63 degrees of freedom: {chi}");
}

/// Wins: b of a hospital whose r is open.
#[cfg(samensom_ablation)]
#[test]
fn control_03_both_secrets_of_a_dropout() {
    leaks(&off(Some("leak-b-of-dropouts"), None, late_report));
}

/// Each hospital is asked to confirm a set of itself, the target and the colluders.
fn shrinking() -> Scene {
    let mut scene = seven();
    let go = gone(&mut scene);
    for node in [2, 3, 4, 5] {
        let few = set(&[node, 1, 6, 7]);
        let f = scene.freeze(go, &few, &set(&[node])).unwrap();
        scene.close((go.0, f), false, &set(&[node]));
    }
    scene
}

#[test]
fn attack_05_survivors_shrunk_to_the_target_a12() {
    let scene = shrinking();
    holds(&scene);
    end_by(&scene, &[2, 3, 4, 5], Check::A12);
    // At the bound it proceeds.
    let mut scene = seven();
    let five = set(&[1, 2, 3, 6, 7]);
    let (t, f) = summed(&mut scene, &five);
    assert_eq!(scene.hand.tries[t].freezes[f].confirmations.len(), 5);
    assert!(scene.world.ended.is_empty(), "{:?}", scene.world.ended);
    holds(&scene);
}

/// Wins: a sum over one hospital and the colluders. The certificate's quorum (A16) backs A12 up, so it is
/// off too.
#[cfg(samensom_ablation)]
#[test]
fn control_05_a_sum_of_any_size() {
    leaks(&off(Some("a16-quorum"), Some(Check::A12), shrinking));
}

/// Two STARTs under one sid: all for the others, and for hospital 1 one of its own.
fn two_starts(own: &[u16], swap: bool) -> Scene {
    let mut scene = seven();
    let (everyone, others) = (scene.everyone.clone(), set(&[2, 3, 4, 5]));
    let ask = scene.honest_ask(0);
    let t = scene.open(ask).unwrap();
    let all = scene.start(t, &everyone, &others).unwrap();
    let alone = scene.start(t, &set(own), &set(&[1])).unwrap();
    let go = scene.go((t, all), (swap, false), &others).unwrap();
    scene.go((t, alone), (swap, false), &set(&[1])).unwrap();
    if let Some(f) = scene.freeze((t, all, go), &everyone, &others) {
        scene.close((t, f), false, &others);
    }
    scene
}

#[test]
fn attack_07_two_starts_with_a_ghost_a08_a19() {
    let scene = two_starts(&[1, 6, 7], true);
    holds(&scene);
    end_by(&scene, &[1], Check::A08);
    end_by(&scene, &[2, 3, 4, 5], Check::A19);
    let scene = two_starts(&[1, 2, 3, 6, 7], true);
    holds(&scene);
    end_by(&scene, &[1, 2, 3, 4, 5], Check::A19);
}

/// Wins: b of hospital 1 opens its report, made under a START without anyone honest. A08 and A20 back A19
/// up, so all three are off.
#[cfg(samensom_ablation)]
#[test]
fn control_07_go_without_ready_of_all() {
    leaks(&off(Some("a19-ready-of-all"), None, || two_starts(&[1, 6, 7], false)));
}

/// Hospital 1 follows a START with the colluders and one that will be dropped; under the others' START it is
/// named a survivor, with the report it made under its own.
fn second_ghost(own: &[u16]) -> Scene {
    let mut scene = seven();
    let (everyone, others) = (scene.everyone.clone(), set(&[2, 3, 4, 5]));
    let ask = scene.honest_ask(0);
    let t = scene.open(ask).unwrap();
    let all = scene.start(t, &everyone, &others).unwrap();
    let alone = scene.start(t, &set(own), &set(&[1])).unwrap();
    let go = scene.go((t, all), (true, false), &others).unwrap();
    scene.go((t, alone), (true, false), &set(&[1])).unwrap();
    if let Some(f) = scene.freeze((t, all, go), &without(&scene, &[5]), &others) {
        scene.close((t, f), false, &others);
    }
    scene
}

#[test]
fn attack_36_a_second_ghost_among_the_survivors_a08_a19_a20() {
    let scene = second_ghost(&[1, 5, 6, 7]);
    holds(&scene);
    end_by(&scene, &[1], Check::A08);
    let scene = second_ghost(&[1, 4, 5, 6, 7]);
    holds(&scene);
    end_by(&scene, &[2, 3, 4, 5], Check::A19);
    // Past A19: two GOs over one START, the report of hospital 1 under the other one.
    let mut scene = seven();
    let everyone = scene.everyone.clone();
    let ask = scene.honest_ask(0);
    let t = scene.open(ask).unwrap();
    let s = scene.start(t, &everyone, &everyone).unwrap();
    scene.go((t, s), (false, true), &set(&[1])).unwrap();
    let go = scene.go((t, s), (false, false), &set(&[2, 3, 4, 5])).unwrap();
    scene.freeze((t, s, go), &everyone, &everyone).unwrap();
    holds(&scene);
    end_by(&scene, &[2, 3, 4, 5], Check::A20);
}

/// Wins: b of hospital 1, and r of the one neighbour whose mask is on its report. A08 and A19 back A20 up,
/// so all three are off.
#[cfg(samensom_ablation)]
#[test]
fn control_36_survivors_without_their_signed_reports() {
    leaks(&off(Some("a20-con-sigs"), None, || second_ghost(&[1, 5, 6, 7])));
}

/// Two halves whose channels the coordinator never let be confirmed, in one cohort.
fn halves() -> Scene {
    let apart = [1, 2, 3].iter().flat_map(|a| [4, 5].map(|b| (NodeId(*a), NodeId(b)))).collect();
    let mut scene = samensom_tests::adversary::scene(7, 7, set(&[6, 7]), apart).unwrap();
    let everyone = scene.everyone.clone();
    let ask = scene.honest_ask(0);
    let t = scene.open(ask).unwrap();
    let s = scene.start(t, &everyone, &everyone).unwrap();
    let go = scene.go((t, s), (false, false), &everyone).unwrap();
    let f = scene.freeze((t, s, go), &everyone, &everyone).unwrap();
    scene.close((t, f), false, &everyone);
    scene
}

#[test]
fn attack_46_halves_without_channels_a09() {
    let scene = halves();
    holds(&scene);
    end_by(&scene, &[1, 2, 3, 4, 5], Check::A09);
}

/// Wins: the sum of each half.
#[cfg(samensom_ablation)]
#[test]
fn control_46_zero_equals_zero() {
    leaks(&off(Some("a09-non-zero"), None, halves));
}

/// Two disjoint cohorts of honest hospitals, the colluders in both.
fn disjoint() -> Scene {
    let mut scene = seven();
    let ask = scene.honest_ask(0);
    let t = scene.open(ask).unwrap();
    for half in [set(&[1, 2, 3, 6, 7]), set(&[4, 5, 6, 7])] {
        let s = scene.start(t, &half, &half).unwrap();
        let go = scene.go((t, s), (false, false), &half).unwrap();
        let f = scene.freeze((t, s, go), &half, &half).unwrap();
        scene.close((t, f), false, &half);
    }
    scene
}

#[test]
fn attack_47_disjoint_sums_in_one_slot_a08() {
    let scene = disjoint();
    holds(&scene);
    end_by(&scene, &[4, 5], Check::A08);
    assert!(scene.hand.tries[0].freezes[0].confirmations.len() >= 5, "one sum there is");
}

/// Wins: two sums over disjoint sets. q of the roster stands in A08, A12 and A16; it is off in all three.
#[cfg(samensom_ablation)]
#[test]
fn control_47_a_quorum_of_those_started() {
    leaks(&off(Some("q-of-started"), None, disjoint));
}
