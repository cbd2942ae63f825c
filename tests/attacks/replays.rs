//! Attacks with what was there before: old messages, old disks, snapshots of a living machine, false echoes.

use crate::*;
use samensom_protocol::ring::Unpacker;
use samensom_tests::adversary::schemes::plain_ask;
use samensom_tests::adversary::town::SPACING_S;
use samensom_tests::forge::hand::Ask;
use samensom_tests::forge::message::{deposit, edit};

/// Whatever hospital 1 was told in an attempt that came as far as READY, to its restarted program; what it
/// deposited then and now.
fn replayed() -> (Scene, Vec<Message>) {
    let mut scene = seven();
    scene.world.told = Some(Vec::new());
    let everyone = scene.everyone.clone();
    let ask = plain_ask(&scene);
    let t = scene.open(ask).unwrap();
    scene.start(t, &everyone, &everyone).unwrap();
    scene.world.restart(NodeId(1));
    let told = scene.world.told.take().unwrap();
    for (_, bytes) in told.into_iter().filter(|(node, _)| node.0 == 1) {
        scene.world.deliver(NodeId(1), bytes);
    }
    let said = scene.world.inbox.drain(..).map(|(_, message)| message).collect();
    (scene, said)
}

#[test]
fn attack_10_replayed_messages_a03_a06_a08() {
    let (scene, said) = replayed();
    assert!(said.iter().all(|message| matches!(message, Message::Refusal(_))), "{said:?}");
    end_by(&scene, &[1], Check::A06);
    assert_eq!(refuses(&scene.world, 1), [Check::A08]);
    holds(&scene);
    // A whole session to a program that ran it, restarted, and in the next slot.
    let mut scene = seven();
    scene.world.told = Some(Vec::new());
    let everyone = scene.everyone.clone();
    summed(&mut scene, &everyone);
    let told = scene.world.told.take().unwrap();
    scene.end_all();
    scene.world.inbox.clear();
    let records = scene.world.ledger(NodeId(1)).len();
    for when in 0..3 {
        match when {
            0 => {}
            1 => scene.world.restart(NodeId(1)),
            _ => scene.world.pass(u64::from(SPACING_S) * 1000),
        }
        // Everything that anybody was told.
        for (_, bytes) in &told {
            scene.world.deliver(NodeId(1), bytes.clone());
        }
        let said: Vec<Message> = scene.world.inbox.drain(..).map(|(_, message)| message).collect();
        assert!(said.iter().all(|message| matches!(message, Message::Refusal(_))), "{said:?}");
    }
    assert_eq!(scene.world.ledger(NodeId(1)).len(), records, "nothing is promised again");
    holds(&scene);
}

/// Wins: two dealings of one hospital under one sid.
#[cfg(samensom_ablation)]
#[test]
fn control_10_an_offer_to_a_former_incarnation() {
    let (scene, said) = off(None, Some(Check::A06), replayed);
    let again = said.iter().find_map(|message| match message {
        Message::Deposit(deposit) => Some(deposit),
        _ => None,
    });
    let first = &scene.hand.tries[0].deposits[&NodeId(1)];
    let again = again.unwrap();
    assert_eq!(first.head.sid, again.head.sid);
    assert_ne!(first.head.leaves, again.head.leaves);
}

/// A sum without hospital 7's report; the disk of hospital 1 is restored to what it was before, and its rows
/// did not change; in the next slot all are asked.
fn rolled_back(records: usize) -> Scene {
    let mut scene = seven();
    let rest = without(&scene, &[5]);
    summed(&mut scene, &rest);
    scene.end_all();
    scene.world.restore(NodeId(1), records);
    scene.world.pass(u64::from(SPACING_S) * 1000);
    (2..=5).for_each(|node| scene.world.change_rows(NodeId(node)));
    let (everyone, ask) = (scene.everyone.clone(), plain_ask(&scene));
    let t = scene.open(ask).unwrap();
    let s = scene.start(t, &everyone, &everyone).unwrap();
    let go = scene.go((t, s), (false, false), &everyone).unwrap();
    if let Some(f) = scene.freeze((t, s, go), &everyone, &everyone) {
        scene.close((t, f), false, &everyone);
    }
    scene
}

#[test]
fn attack_11_a_disk_rolled_back_a10() {
    // Yesterday's disk: empty, or with the freeze alone.
    for records in [0, 1] {
        let scene = rolled_back(records);
        holds(&scene);
        assert_eq!(ends(&scene.world, 1), [Some(Check::A10)], "{:?}", scene.world.ended);
        let reports = scene.world.observer.reports.iter().filter(|seen| seen.node == NodeId(1));
        assert_eq!(reports.count(), 1, "it halts before it contributes");
        // It stays out.
        let mut scene = scene;
        scene.end_all();
        scene.world.restart(NodeId(1));
        let ask = Ask { attempt: 1, ..plain_ask(&scene) };
        let t = scene.open(ask).unwrap();
        assert!(!scene.deposited(t).contains(&NodeId(1)));
        assert_eq!(ends(&scene.world, 1).last(), Some(&Some(Check::A10)));
    }
    // The state between two records: SPENT is there, the survivors are unknown.
    let scene = rolled_back(2);
    holds(&scene);
    assert_eq!(ends(&scene.world, 1), [Some(Check::A03)], "{:?}", scene.world.ended);
}

/// Wins: one extract in sums over two sets.
#[cfg(samensom_ablation)]
#[test]
fn control_11_what_peers_remember_does_not_count() {
    leaks(&off(None, Some(Check::A10), || rolled_back(1)));
}

/// Hospital 1's masked lane under a GO, from a snapshot taken before its figures were read.
fn snapshot(rows: bool, variant: bool) -> (u64, u64, u64) {
    let mut scene = seven();
    if rows {
        scene.world.change_rows(NodeId(1));
    }
    let (everyone, slot) = (scene.everyone.clone(), scene.slot());
    let ask = plain_ask(&scene);
    let t = scene.open(ask).unwrap();
    let s = scene.start(t, &everyone, &everyone).unwrap();
    let g = scene.hand.go(&mut scene.world, (t, s), false, variant).unwrap();
    scene.world.inbox.clear();
    scene.world.deliver(NodeId(1), scene.hand.tries[t].starts[s].gos[g].frame.clone());
    let block = scene.world.inbox.iter().find_map(|(_, message)| match message {
        Message::ReportBlock(block) => Some(block.bytes.to_vec()),
        _ => None,
    });
    let width = scene.hand.tries[t].facts.params().width;
    let mut lane = [0];
    Unpacker::new(width).add(&block.unwrap(), &mut lane);
    (lane[0], scene.world.value(NodeId(1), slot), samensom_protocol::ring::lane_mask(width))
}

#[test]
fn attack_12_a_snapshot_that_contributes_twice_kdf() {
    let (first, figure, mask) = snapshot(false, false);
    assert_eq!(snapshot(false, false).0, first, "the same inputs, the same report");
    assert_ne!(snapshot(false, true).0, first, "another GO, another mask");
    let (second, other, _) = snapshot(true, false);
    assert_ne!(figure, other);
    assert_ne!(first.wrapping_sub(second) & mask, figure.wrapping_sub(other) & mask);
}

/// Wins: the difference of two reports is the difference of the figures.
#[cfg(samensom_ablation)]
#[test]
fn control_12_masks_that_no_go_is_in() {
    off(Some("kdf-without-attempt"), None, || {
        let ((first, figure, mask), (second, other, _)) = (snapshot(false, false), snapshot(true, false));
        assert_eq!(first.wrapping_sub(second) & mask, figure.wrapping_sub(other) & mask);
    });
}

/// Some colluders say that every ledger is behind; then more than X would have to.
fn echoes(liars: &[u16]) -> Scene {
    let mut scene = seven();
    let (everyone, ask) = (scene.everyone.clone(), plain_ask(&scene));
    let t = scene.open(ask).unwrap();
    for node in liars {
        let by = scene.world.town.identities[&NodeId(*node)].clone();
        let dealt = scene.hand.tries[t].deposits.get_mut(&NodeId(*node)).unwrap();
        deposit(dealt, &by, |dealt| {
            edit(&mut dealt.sections, |all| all.iter_mut().for_each(|section| section.seen_seq = 1 << 63));
        });
    }
    let s = scene.start(t, &everyone, &everyone).unwrap();
    scene.finish(t, s);
    scene
}

#[test]
fn attack_42_false_echoes_of_a_ledger_a10() {
    let scene = echoes(&[6, 7]);
    holds(&scene);
    assert!(scene.world.ended.is_empty(), "{:?}", scene.world.ended);
    assert_eq!(verdict(&scene).opened, 1);
    // Each honest hospital's log says who it was.
    let liars = vec![NodeId(6), NodeId(7)];
    let mut echoed = scene.world.echoed.clone();
    echoed.sort();
    assert_eq!(echoed, (1..=5).map(|node| (NodeId(node), liars.clone())).collect::<Vec<_>>());
}

/// Wins: one hospital keeps every other out of this slot and all that follow.
#[cfg(samensom_ablation)]
#[test]
fn control_42_the_word_of_one() {
    let scene = off(Some("echo-of-one"), None, || echoes(&[7]));
    end_by(&scene, &[1, 2, 3, 4, 5], Check::A10);
}
