//! Losses and what a slot allows after them: the edges of 69 hospitals, VOID, a second query in a slot.
//!
//! Real programs. What is lost before the quorum costs nothing; one more and there is a named failure and no
//! figure; what was lost after contribution is voided once enough are back; a slot keeps its hospitals.

use crate::demo::{failed, summed};
use samensom_tests::deployment::{Deployment, Outcome, Pace, Template};
use samensom_tests::harness::demo;
use samensom_tests::shim;
use serde_json::json;
use std::time::Duration;

const HOSPITALS: usize = 4;
const QUORUM: usize = 3;
/// The file that takes the records of an agent's ledger first.
const LEDGER: &str = "node.db-wal";

#[test]
fn the_edges_of_69_hospitals() {
    summed(&demo(&["--absent", "23"]), 69, 46);
    summed(&demo(&["--absent", "10", "--drop-out", "13"]), 69, 46);
    let few = |round: &str| json!({ "code": "too-few", "round": round, "needed": 46, "present": 45 });
    failed(&demo(&["--drop-out", "24"]), &few("contribute"));
    failed(&demo(&["--absent", "24"]), &few("channel"));
}

/// The number of the sync that makes SPENT durable; the report leaves after it.
fn spent(template: &Template) -> usize {
    let mut counted = template.deploy();
    let log = counted.folder.path().join("steps");
    counted.serve();
    for hospital in 1..HOSPITALS {
        counted.start(hospital, &[]);
    }
    counted.start(0, &shim::counting(&counted.state(0), &log));
    counted.linked(HOSPITALS, Duration::from_secs(20));
    counted.next_slot();
    assert_eq!(counted.run(0).sum().survivors.len(), HOSPITALS);
    // The first packet after a sync of the ledger holds the deposit, that after the second the report. Packets
    // such as acknowledgements leave when they like; syncs come in the same order in every run.
    let steps = shim::steps(&log);
    let syncs = steps.iter().filter(|step| step.kind == "sync");
    let ledger = syncs.enumerate().filter(|(_, step)| step.file == LEDGER).map(|(place, _)| place + 1);
    let [_opened, _frozen, spent, ..] = ledger.collect::<Vec<_>>()[..] else { panic!("{steps:?}") };
    spent
}

fn contributions(deployment: &Deployment) -> usize {
    deployment.promises().contributions
}

#[test]
fn what_was_lost_after_contribution_is_voided_and_the_slot_has_its_sum() {
    let template = Template::make(HOSPITALS, 2, Pace::quick());
    let sync = spent(&template);
    let mut deployment = template.deploy();
    deployment.serve();
    for hospital in 0..HOSPITALS {
        // Two end once SPENT is durable, before their report leaves: one too many for a sum.
        let lost = hospital < HOSPITALS + 1 - QUORUM;
        let env = lost.then(|| shim::killing_after_sync(&deployment.state(hospital), sync));
        deployment.start(hospital, &env.unwrap_or_default());
    }
    deployment.linked(HOSPITALS, Duration::from_secs(20));
    deployment.next_slot();
    let outcome = deployment.run(0);
    let Outcome::Failed { code, present, .. } = &outcome else { panic!("no sum can be: {outcome:?}") };
    assert_eq!((code.as_str(), *present), ("too-few", 2), "{outcome:?}");
    let spent = contributions(&deployment);
    assert_eq!(spent, HOSPITALS, "all had spent the slot");
    let killed: Vec<usize> = (0..HOSPITALS).filter(|hospital| !deployment.runs(*hospital)).collect();
    for hospital in &killed {
        assert_eq!(deployment.ended(*hospital, Duration::from_secs(1)), None, "it was killed");
    }
    deployment.restart(&killed, Duration::from_secs(5));
    let slot = deployment.slot();
    let sum = deployment.run(1).sum();
    assert_eq!((sum.slot, sum.survivors.len()), (slot, HOSPITALS), "voided, and all of them");
    assert_eq!(contributions(&deployment), spent + HOSPITALS);
}

#[test]
fn a_second_query_in_a_slot_has_the_same_hospitals_or_none() {
    let mut deployment = Template::make(HOSPITALS, 3, Pace::quick()).deploy();
    deployment.serve();
    for hospital in 0..QUORUM {
        deployment.start(hospital, &[]);
    }
    deployment.linked(QUORUM, Duration::from_secs(20));
    let slot = deployment.next_slot();
    assert_eq!(deployment.run(0).sum().survivors, [0, 1, 2]);
    deployment.start(QUORUM, &[]);
    deployment.linked(HOSPITALS, Duration::from_secs(5));
    let second = deployment.run(1).sum();
    assert_eq!((second.survivors, second.slot), (vec![0, 1, 2], slot), "the one that came is not in it");
    let before = contributions(&deployment);
    deployment.stop(1);
    std::thread::sleep(Duration::from_millis(300));
    let third = deployment.run(2);
    let Outcome::Refused(why) = &third else { panic!("refused before contribution: {third:?}") };
    assert!(why.contains("bound to this slot are not there") && why.contains("node 2"), "{why}");
    assert_eq!((deployment.slot(), contributions(&deployment)), (slot, before), "nobody contributed");
}

#[test]
fn a_result_says_who_is_not_behind_it_but_was_behind_the_one_before() {
    let mut deployment = Template::make(HOSPITALS, 1, Pace::quick()).deploy();
    deployment.start_all();
    deployment.next_slot();
    let first = deployment.run(0).sum();
    deployment.kill(3);
    deployment.next_slot();
    let second = deployment.run(0).sum();
    let before =
        |session: &str| deployment.asked(&["result", "show", session]).unwrap().get("before").cloned();
    assert_eq!(before(&first.session), None);
    assert_eq!(before(&second.session), Some(json!({ "session": first.session, "gone": [4], "new": [] })));
}
