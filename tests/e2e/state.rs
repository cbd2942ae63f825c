//! State folders that were rolled back, cloned, or lie on a disk that is full or fails (R15, R16).
//!
//! Real programs; the disk's faults come from tests/src/shim.c. A program that cannot write ends with a
//! message that says which file and what to do, nothing that rested on the write has left, and once there is
//! room it takes part again.

use samensom_node::ledger::Ledger;
use samensom_protocol::io::Record;
use samensom_tests::deployment::{Deployment, Outcome, Pace, Template, copy};
use samensom_tests::shim;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

const HOSPITALS: usize = 4;
const SOON: Duration = Duration::from_secs(5);

fn deployed(queries: usize) -> Deployment {
    let mut deployment = Template::make(HOSPITALS, queries, Pace::quick()).deploy();
    deployment.start_all();
    deployment
}

/// Contributions in the ledger of a state folder, by slot.
fn contributions(state: &Path) -> BTreeMap<u64, usize> {
    let mut slots = BTreeMap::new();
    for record in Ledger::open_to_read(state).unwrap().records().unwrap() {
        if let Record::Spent { slot, .. } = record {
            *slots.entry(slot).or_default() += 1;
        }
    }
    slots
}

#[test]
fn a_rolled_back_state_is_found_by_the_peers_and_contributes_nothing() {
    let mut deployment = deployed(1);
    deployment.stop(0);
    let (state, kept) = (deployment.state(0), deployment.folder.path().join("kept"));
    std::fs::create_dir(&kept).unwrap();
    copy(&state, &kept);
    deployment.start(0, &[]);
    deployment.linked(HOSPITALS, SOON);
    deployment.next_slot();
    assert_eq!(deployment.run(0).sum().survivors.len(), HOSPITALS);
    deployment.stop(0);
    assert_eq!(contributions(&state).len(), 1);
    std::fs::remove_dir_all(&state).unwrap();
    std::fs::create_dir(&state).unwrap();
    copy(&kept, &state);
    assert_eq!(contributions(&state).len(), 0, "as it was before the session");
    deployment.start(0, &[]);
    deployment.linked(HOSPITALS, SOON);
    deployment.next_slot();
    assert_eq!(deployment.run(0).sum().survivors, [1, 2, 3], "the others go on without it");
    assert_eq!(contributions(&state).len(), 0, "it contributed nothing");
    let reason = deployment.status(0)["last_session"]["reason"].to_string();
    assert!(reason.contains("A10"), "{reason}\n{}", deployment.told(0));
    assert!(deployment.told(0).contains("A10"), "{}", deployment.told(0));
}

#[test]
fn two_agents_over_copies_of_one_state_contribute_once_at_most() {
    let mut deployment = deployed(1);
    deployment.stop(0);
    let (home, twin) = (deployment.home(0), deployment.folder.path().join("twin"));
    std::fs::create_dir(&twin).unwrap();
    copy(&home, &twin);
    deployment.start(0, &[]);
    let mut second = deployment.spawn_agent(&twin, &[]);
    let (mut sums, mut both) = (0, BTreeMap::new());
    for _ in 0..3 {
        deployment.next_slot();
        std::fs::copy(home.join("stock.csv"), twin.join("stock.csv")).unwrap();
        sums += u64::from(deployment.run(0).is_sum());
        for folder in [&home, &twin] {
            let spent = contributions(&folder.join("state"));
            both.insert(folder.clone(), spent);
        }
    }
    second.kill().unwrap();
    second.wait().unwrap();
    println!("{sums} sums of 3; contributions by slot: {both:?}");
    let mut slots: BTreeMap<u64, usize> = BTreeMap::new();
    for (slot, count) in both.values().flatten() {
        *slots.entry(*slot).or_default() += count;
    }
    assert!(slots.values().all(|count| *count <= 1), "twice in a slot: {both:?}");
    assert!(sums > 0, "the others are not stopped by it");
}

/// Ends with a message that names the file and what to do; nothing it rests on left; then takes part again.
fn ends_and_comes_back(mut deployment: Deployment, file: &str) {
    deployment.linked(HOSPITALS, Duration::from_secs(20));
    deployment.next_slot();
    std::fs::write(deployment.folder.path().join("full"), b"").unwrap();
    let outcome = deployment.run(0);
    assert_eq!(outcome.sum().survivors, [1, 2, 3], "the others have their sum");
    let code = deployment.ended(0, SOON);
    let told = deployment.told(0);
    assert_eq!(code, Some(1), "{told}");
    let last: Vec<&str> = told.lines().rev().take(3).collect();
    for word in [file, "do: ", "disk"] {
        assert!(last.iter().any(|line| line.contains(word)), "`{word}` is not said: {told}");
    }
    let before = deployment.promises();
    // There is room again.
    let _ = std::fs::remove_file(deployment.folder.path().join("full"));
    deployment.start(0, &[]);
    deployment.linked(HOSPITALS, SOON);
    deployment.next_slot();
    assert_eq!(deployment.run(0).sum().survivors.len(), HOSPITALS, "it takes part again");
    assert!(deployment.promises().contributions > before.contributions);
}

/// Starts all, the first agent with this environment.
fn started(
    template: &Template,
    env: impl FnOnce(&Deployment) -> Vec<(&'static str, std::ffi::OsString)>,
) -> Deployment {
    let mut deployment = template.deploy();
    deployment.serve();
    let env = env(&deployment);
    deployment.start(0, &env);
    for hospital in 1..HOSPITALS {
        deployment.start(hospital, &[]);
    }
    deployment
}

#[test]
fn a_full_disk_ends_an_agent_in_words_and_it_comes_back() {
    let template = Template::make(HOSPITALS, 1, Pace::quick());
    // From a session on: its start and its first contact find room.
    let full = |deployment: &Deployment| {
        shim::filling(&deployment.state(0), 1, &deployment.folder.path().join("full"))
    };
    ends_and_comes_back(started(&template, full), "audit");
}

#[test]
fn a_failed_sync_ends_an_agent_in_words_and_it_comes_back() {
    let template = Template::make(HOSPITALS, 1, Pace::quick());
    // Of the log its start and the heads of both logs of the coordinator come before a session; of the ledger its
    // opening.
    for (file, before, told) in [("log.jsonl", 3, "audit"), ("node.db-wal", 1, "node.db")] {
        let number = *syncs(&template, file).get(before).expect("a session syncs it");
        let failing = |deployment: &Deployment| shim::failing_sync(&deployment.state(0), number);
        ends_and_comes_back(started(&template, failing), told);
    }
}

/// The numbers of an agent's syncs of a file, from its start to the end of a session.
fn syncs(template: &Template, file: &str) -> Vec<usize> {
    let log = tempfile::NamedTempFile::new().unwrap();
    let deployment = started(template, |deployment| shim::counting(&deployment.state(0), log.path()));
    deployment.linked(HOSPITALS, Duration::from_secs(20));
    deployment.next_slot();
    assert_eq!(deployment.run(0).sum().survivors.len(), HOSPITALS);
    let steps = shim::steps(log.path());
    let syncs = steps.iter().filter(|step| step.kind == "sync").enumerate();
    syncs.filter(|(_, step)| step.file == file).map(|(place, _)| place + 1).collect()
}

/// Without room for the record that it started an agent does not even dial; with room it takes part.
#[test]
fn an_agent_on_a_full_disk_does_nothing_that_it_cannot_log() {
    let template = Template::make(HOSPITALS, 1, Pace::quick());
    let mut deployment = started(&template, |deployment| {
        let full = deployment.folder.path().join("full");
        std::fs::write(&full, b"").unwrap();
        shim::filling(&deployment.state(0), 1, &full)
    });
    assert_eq!(deployment.ended(0, SOON), Some(1), "{}", deployment.told(0));
    deployment.linked(HOSPITALS - 1, Duration::from_secs(20));
    deployment.next_slot();
    assert_eq!(deployment.run(0).sum().survivors, [1, 2, 3]);
    let told = deployment.told(0);
    assert!(told.contains("log.jsonl") && told.contains("check disk space"), "{told}");
    assert!(!told.contains("linked"), "{told}");
    std::fs::remove_file(deployment.folder.path().join("full")).unwrap();
    deployment.next_slot();
    deployment.start(0, &[]);
    deployment.linked(HOSPITALS, SOON);
    assert_eq!(deployment.run(0).sum().survivors.len(), HOSPITALS, "{}", deployment.told(0));
}

/// The server cannot write: it ends, in words, and after a start there is a sum again.
fn server_ends_and_comes_back(
    file: &str,
    env: impl FnOnce(&Deployment) -> Vec<(&'static str, std::ffi::OsString)>,
) {
    let mut deployment = Template::make(HOSPITALS, 2, Pace::quick()).deploy();
    let gate = deployment.folder.path().join("full");
    let env = env(&deployment);
    deployment.try_serve(&env).unwrap();
    for hospital in 0..HOSPITALS {
        deployment.start(hospital, &[]);
    }
    deployment.linked(HOSPITALS, Duration::from_secs(20));
    deployment.next_slot();
    std::fs::write(&gate, b"").unwrap();
    let outcome = deployment.run(0);
    println!("{outcome:?}");
    assert!(!outcome.is_sum(), "the store failed: {outcome:?}");
    let code = deployment.server_ended(SOON);
    let log = std::fs::read_to_string(deployment.folder.path().join("serve.log")).unwrap();
    assert_eq!(code, Some(1), "{log}");
    assert!(log.contains("error: ") && log.contains(file) && log.contains("do: "), "{log}");
    let _ = std::fs::remove_file(&gate);
    deployment.serve();
    let begun = Instant::now();
    deployment.linked(HOSPITALS, Duration::from_secs(10));
    println!("all are back {:.1} s after the start", begun.elapsed().as_secs_f64());
    deployment.next_slot();
    let next = deployment.run(1);
    assert!(matches!(&next, Outcome::Sum(sum) if sum.survivors.len() == HOSPITALS), "{next:?}");
    let _ = deployment.promises();
}

#[test]
fn a_full_disk_ends_the_server_in_words_and_it_comes_back() {
    server_ends_and_comes_back("log.jsonl", |deployment| {
        shim::filling(&deployment.lcg(), 1, &deployment.folder.path().join("full"))
    });
}

#[test]
fn a_failed_sync_ends_the_server_in_words_and_it_comes_back() {
    // Of its start, of each hospital's head and of the command; then those of the session.
    let number = 8 + HOSPITALS;
    server_ends_and_comes_back("disk", |deployment| shim::failing_sync(&deployment.lcg(), number));
}
