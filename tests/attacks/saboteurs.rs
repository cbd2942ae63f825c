//! Saboteurs against one hospital, slot after slot: whom a bad pair costs its place.
//!
//! The long campaign over many plans is in `tests/claims/blame.rs`; here the plainest plan stands for it.

use crate::*;
use samensom_tests::adversary::drops::{Stops, is_right};
use samensom_tests::adversary::liar::{Liar, Lies};
use samensom_tests::adversary::office::Office;
use samensom_tests::adversary::town::{SPACING_S, town};

/// Seven hospitals: X = 2.
const N: u16 = 7;
const VICTIM: NodeId = NodeId(1);
const SLOTS: usize = 30;

/// In how many of thirty slots the victim is, when all X saboteurs commit to another seed with it each time.
fn slots_of_the_victim() -> usize {
    let liars = set(&[6, 7]);
    let machines: Vec<NodeId> = (1..=5).map(NodeId).collect();
    let (mut world, mut office) = (World::new(town(N), 49, &machines, BTreeSet::new()), Office::default());
    world.watched = false;
    let mut present = 0;
    for _ in 0..SLOTS {
        office.liars = liars.iter().map(|node| (*node, Liar::new(*node))).collect();
        for liar in office.liars.values_mut() {
            liar.lies = Lies { differs: [VICTIM].into(), ..Lies::default() };
        }
        let sum = office.session(&mut world, &Stops::new(), &mut |_, _, message| Some(message)).unwrap();
        assert!(is_right(&world, &sum));
        assert!(office.named.is_empty(), "only the two ends know who lied: {:?}", office.named);
        present += usize::from(sum.survivors.contains(&VICTIM));
        machines.iter().for_each(|node| world.change_rows(*node));
        world.pass(u64::from(SPACING_S) * 1000);
    }
    present
}

#[test]
fn attack_49_a_saboteur_keeps_nobody_out_a09() {
    assert_eq!(slots_of_the_victim(), SLOTS / 2);
}

/// Wins: the victim is in no sum, in no slot.
#[cfg(samensom_ablation)]
#[test]
fn control_49_slots_before_do_not_count() {
    assert_eq!(off(Some("history-off"), None, slots_of_the_victim), 0);
}
