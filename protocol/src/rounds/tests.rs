//! The rounds in memory: honest sessions, drop-outs, slots.

use crate::ids::NodeId;
use crate::io::{FailureCode, Record};
use crate::message::Round;
use crate::roster::tests::identity;
use crate::rounds::void::{self, Voiding};
use crate::testing::{Silence, World};

/// Frames a node sends in a session: deposit, ready, report, block, confirm, (R), B.
const BEFORE_READY: usize = 1;
const BEFORE_REPORT: usize = 2;
const BEFORE_CONFIRM: usize = 4;

fn silent(nodes: impl IntoIterator<Item = u16>, after: usize) -> Silence {
    nodes.into_iter().map(|node| (node, after)).collect()
}

#[test]
fn everyone_there_gives_the_exact_sum() {
    for n in (3..=9).chain([69]) {
        let mut world = World::new(n, u64::from(n));
        let sum = world.run(&Silence::new()).unwrap();
        assert_eq!(sum.survivors.len(), usize::from(n));
        let totals = world.totals(&sum);
        println!("n = {n}: {totals:?}");
        assert_eq!(totals, world.clear(&sum.survivors));
        assert_eq!(world.verified.len(), usize::from(n), "{:?}", world.faults);
        assert!(world.faults.is_empty(), "{:?}", world.faults);
    }
}

#[test]
fn up_to_23_of_69_may_vanish_before_the_certificate() {
    let mut world = World::new(69, 1);
    let sum = world.run(&silent(10..33, BEFORE_REPORT)).unwrap();
    assert_eq!((sum.survivors.len(), sum.dropped.len(), sum.attempt), (46, 23, 0));
    assert_eq!(world.totals(&sum), world.clear(&sum.survivors));
    assert_eq!(world.verified.len(), 46, "{:?}", world.faults);

    let mut world = World::new(69, 2);
    let failure = world.run(&silent(10..34, BEFORE_REPORT)).unwrap_err();
    assert_eq!((failure.code, failure.round), (FailureCode::TooFew, Round::Contribute));
    assert_eq!((failure.needed, failure.present), (46, 45));
}

/// The time in a round after a lost link counts from the loss, however late that was noticed.
#[test]
fn a_link_lost_late_leaves_the_next_round_its_whole_time() {
    let mut world = World::new(9, 3);
    world.lost_after_ms = Some(15_000);
    let sum = world.run(&silent([2], BEFORE_REPORT)).unwrap();
    assert_eq!((sum.survivors.len(), sum.dropped.len()), (8, 1));
    let begun = world.armed[0].1;
    let (_, opened, until) =
        world.armed.iter().copied().find(|(round, ..)| *round == Round::Confirm).unwrap();
    assert_eq!(opened, begun.plus_ms(15_000));
    let confirm_ms = u64::from(world.roster.body().limits.confirm_ms);
    assert_eq!(until, opened.plus_ms(confirm_ms));
}

#[test]
fn after_the_certificate_a_threshold_of_shares_is_enough() {
    // n = 9: q = 6, t_s = 5; after CONFIRM four may vanish.
    let mut world = World::new(9, 1);
    let sum = world.run(&silent(1..5, BEFORE_CONFIRM + 1)).unwrap();
    assert_eq!(sum.survivors.len(), 9);
    assert_eq!(world.totals(&sum), world.clear(&sum.survivors));

    let mut world = World::new(9, 2);
    let failure = world.run(&silent(1..6, BEFORE_CONFIRM + 1)).unwrap_err();
    assert_eq!((failure.round, failure.needed, failure.present), (Round::Result, 5, 4));
}

#[test]
fn whoever_vanishes_before_ready_costs_an_attempt() {
    let mut world = World::new(9, 1);
    let sum = world.run(&silent([2, 3], BEFORE_READY)).unwrap();
    assert_eq!((sum.attempt, sum.survivors.len()), (1, 7));
    assert_eq!(world.totals(&sum), world.clear(&sum.survivors));
}

#[test]
fn spent_confirmed_and_released_are_recorded_in_order() {
    let mut world = World::new(5, 1);
    world.run(&Silence::new()).unwrap();
    let kinds: Vec<&str> = world.records[&NodeId(1)]
        .iter()
        .map(|record| match record {
            Record::Frozen { .. } => "frozen",
            Record::Spent { .. } => "spent",
            Record::Confirmed { .. } => "confirmed",
            Record::Certified { .. } => "certified",
            Record::Released { .. } => "released",
            Record::Filed { .. } => "filed",
            _ => "the coordinator's",
        })
        .collect();
    assert_eq!(kinds, ["frozen", "spent", "confirmed", "certified", "released", "filed"]);
}

#[test]
fn a_second_session_in_the_slot_is_over_the_same_survivors_or_not_at_all() {
    let mut world = World::new(9, 1);
    let first = world.run(&silent([9], BEFORE_REPORT)).unwrap();
    world.start_node(NodeId(9));
    let second = world.run(&Silence::new()).unwrap();
    assert_eq!(first.survivors, second.survivors);
    assert_ne!(first.sid, second.sid);

    // A coordinator that forgets the binding set finds nobody.
    let bound = world.bound.take();
    let failure = world.run(&Silence::new()).unwrap_err();
    assert_eq!((failure.round, failure.present), (Round::Deposit, 0), "{:?}", world.faults);
    assert!(world.faults.iter().filter(|fault| fault.contains("A03")).count() >= 7, "{:?}", world.faults);

    // One of the bound ones is away: no sum.
    world.bound = bound;
    let failure = world.run(&silent([1], BEFORE_REPORT)).unwrap_err();
    assert_eq!((failure.needed, failure.present), (8, 7));
}

#[test]
fn a_new_slot_is_free_where_extracts_changed_and_bound_where_they_did_not() {
    let mut world = World::new(9, 1);
    let first = world.run(&silent([9], BEFORE_REPORT)).unwrap();
    world.start_node(NodeId(9));
    world.now = world.now.plus_ms(72_000_000);
    let unchanged = world.run(&Silence::new()).unwrap();
    assert_eq!(unchanged.survivors, first.survivors, "unchanged rows are bound");

    world.now = world.now.plus_ms(72_000_000);
    world.extract.values_mut().for_each(|version| *version += 1);
    let changed = world.run(&Silence::new()).unwrap();
    assert_eq!(changed.survivors.len(), 9);
}

#[test]
fn who_confirmed_voids_nothing_and_the_slot_is_over() {
    let mut world = World::new(9, 1);
    let failure = world.run(&silent(1..=4, BEFORE_CONFIRM)).unwrap_err();
    assert_eq!(failure.round, Round::Confirm);
    for id in 1..=9 {
        world.start_node(NodeId(id));
    }
    let failure = world.run(&Silence::new()).unwrap_err();
    assert_eq!((failure.round, failure.needed, failure.present), (Round::Void, 6, 0), "{:?}", world.faults);
}

#[test]
fn voids_let_others_follow_in_the_slot() {
    let mut world = World::new(9, 1);
    // n = 9: q = 6; with five reports there is no sum.
    let failure = world.run(&silent(1..=4, BEFORE_REPORT)).unwrap_err();
    assert_eq!((failure.round, failure.present), (Round::Contribute, 5));
    for id in 1..=4 {
        world.start_node(NodeId(id));
    }
    // One that contributed is away while the others void, and is told later.
    world.start_node(NodeId(9));
    let away = world.nodes.insert(NodeId(9), None).flatten();
    let sum = world.run(&Silence::new()).unwrap();
    assert_eq!(world.totals(&sum), world.clear(&sum.survivors));
    assert_eq!(sum.survivors.len(), 8, "{:?}", world.faults);
    drop(away);
}

/// The coordinator is killed after each of its records in turn, and goes on from its store.
#[test]
fn a_restart_of_the_coordinator_after_any_record_changes_nothing() {
    for absent in [vec![], vec![2u16, 5]] {
        let silence = silent(absent.iter().copied(), BEFORE_REPORT);
        let mut world = World::new(6, 1);
        let whole = world.run(&silence).unwrap();
        let records = world.written.len();
        assert!(records > 20, "{records}");
        for at in 1..=records {
            let mut world = World::new(6, 1);
            world.crash_after = Some(at);
            let sum = world.run(&silence).unwrap_or_else(|why| panic!("{at}: {why:?} {:?}", world.faults));
            assert_eq!(sum.survivors, whole.survivors, "{at}");
            assert_eq!(world.totals(&sum), world.clear(&sum.survivors), "{at}");
            assert_eq!(world.verified.len(), sum.survivors.len(), "{at}: {:?}", world.faults);
            // What vanishing nodes said may be lost in the restart: then the next attempt is without them.
            assert!(sum.attempt == 0 || !absent.is_empty(), "{at}");
            if sum.attempt == 0 {
                let two = world.seen_two();
                assert!(two.is_empty(), "{at}: two messages of one kind: {two:?}");
            }
        }
    }
}

/// A link that was replaced while VOIDs were collected: the promise that came over the new one counts.
#[test]
fn repro_a_void_counts_though_its_node_is_no_longer_waited_for() {
    let mut world = World::new(9, 1);
    world.run(&silent(1..=4, BEFORE_REPORT)).unwrap_err();
    let unsettled = world.setup().unsettled;
    let mut voiding = Voiding::new(&unsettled, &[NodeId(1)]);
    voiding.forget(NodeId(1), None);
    let promise = void::void(unsettled[0].sid, 1, &identity(1)).unwrap();
    assert_eq!(voiding.take(&promise, NodeId(1)), Ok(()));
    assert_eq!(voiding.again(NodeId(1)), vec![], "it is not asked twice");
}
