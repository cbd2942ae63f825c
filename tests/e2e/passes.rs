//! Sessions of two passes over real programs, and what a loss between the passes costs.
//!
//! Holders are counted first and figures summed after it, in one slot and over the same hospitals. Between the two
//! a hospital or the server may be away for a moment; a hospital that stays away is missed by no figure, for
//! then there is none.

use samensom_node::ledger::Ledger;
use samensom_protocol::io::Record;
use samensom_tests::deployment::{Deployment, Outcome, Pace, Template};
use samensom_tests::shim;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

const HOSPITALS: usize = 4;
/// The file that takes the records of an agent's ledger first.
const LEDGER: &str = "node.db-wal";

fn template() -> &'static Template {
    static TEMPLATE: OnceLock<Template> = OnceLock::new();
    TEMPLATE.get_or_init(|| Template::make(HOSPITALS, 1, Pace::of_two_passes()))
}

fn records(deployment: &Deployment) -> Vec<Record> {
    Ledger::open_to_read(&deployment.state(0)).unwrap().records().unwrap()
}

/// The number of the sync in agent 0's folder after which it knows the count, and has spent nothing on the sum.
fn counted() -> usize {
    static NUMBER: OnceLock<usize> = OnceLock::new();
    *NUMBER.get_or_init(|| {
        let mut deployment = template().deploy();
        let log = deployment.folder.path().join("steps");
        deployment.serve();
        for hospital in 1..HOSPITALS {
            deployment.start(hospital, &[]);
        }
        deployment.start(0, &shim::counting(&deployment.state(0), &log));
        deployment.linked(HOSPITALS, Duration::from_secs(20));
        deployment.next_slot();
        assert_eq!(deployment.run(0).sum().survivors.len(), HOSPITALS);
        let records = records(&deployment);
        let place = records.iter().position(|record| matches!(record, Record::Counted { .. })).unwrap();
        let steps = shim::steps(&log);
        let syncs = steps.iter().filter(|step| step.kind == "sync").enumerate();
        let ledger: Vec<usize> =
            syncs.filter(|(_, step)| step.file == LEDGER).map(|(at, _)| at + 1).collect();
        // The ledger is opened by a sync of its own.
        ledger[place + 1]
    })
}

/// All are there, and agent 0 is killed between the passes.
fn killed_between() -> (Deployment, samensom_tests::deployment::Session) {
    let number = counted();
    let mut deployment = template().deploy();
    deployment.serve();
    deployment.start(0, &shim::killing_after_sync(&deployment.state(0), number));
    for hospital in 1..HOSPITALS {
        deployment.start(hospital, &[]);
    }
    deployment.linked(HOSPITALS, Duration::from_secs(20));
    deployment.next_slot();
    let session = deployment.begin(0);
    let begun = Instant::now();
    while deployment.runs(0) {
        assert!(begun.elapsed() < Duration::from_secs(10), "it is killed: {}", deployment.tails());
        std::thread::sleep(Duration::from_millis(5));
    }
    deployment.kill(0);
    let records = records(&deployment);
    assert!(matches!(records.last(), Some(Record::Counted { .. })), "{records:?}");
    (deployment, session)
}

#[test]
fn a_hospital_that_is_back_between_the_passes_is_in_the_sum() {
    let (mut deployment, session) = killed_between();
    std::thread::sleep(Duration::from_secs(2));
    deployment.start(0, &[]);
    assert_eq!(deployment.outcome(session).sum().survivors.len(), HOSPITALS);
}

#[test]
fn one_that_stays_away_is_a_named_failure_and_no_figure() {
    let (mut deployment, session) = killed_between();
    let outcome = deployment.outcome(session);
    let Outcome::Failed { code, round, present } = &outcome else { panic!("no sum can be: {outcome:?}") };
    assert_eq!((code.as_str(), round.as_str(), *present), ("too-few", "deposit", 3));
    let spent = |record: &&Record| matches!(record, Record::Spent { .. });
    assert_eq!(records(&deployment).iter().filter(spent).count(), 1, "it spent the count alone");
    deployment.start(0, &[]);
    deployment.next_slot();
    deployment.linked(HOSPITALS, Duration::from_secs(10));
    assert_eq!(deployment.run(0).sum().survivors.len(), HOSPITALS, "the next slot has all");
}

/// Two queries over the same rows in other cells: LCG is told before any hospital is asked.
#[test]
fn a_part_of_what_was_asked_waits_for_the_next_slot() {
    let mut deployment = template().deploy();
    deployment.start_all();
    let text = std::fs::read_to_string(deployment.folder.path().join("query-0.toml")).unwrap();
    let part =
        text.replace("code = 'c0'", "code = 'c0' and quantity > 10").replace("planted-0", "planted-part");
    let part = deployment.approved(&part);
    deployment.next_slot();
    assert!(deployment.run(0).is_sum());
    let records = records(&deployment).len();
    let refused = deployment.refused(&["query", "run", &part, "--wait"]);
    for told in
        ["`planted-0` asked for figures of the same rows in other cells", "do: run it in the next slot"]
    {
        assert!(refused.contains(told), "{refused}");
    }
    assert_eq!(self::records(&deployment).len(), records, "no hospital was asked");
    deployment.next_slot();
    let asked = deployment.asked(&["query", "run", &part, "--wait"]).unwrap();
    assert!(asked["summary"]["totals"].is_array(), "{asked}");
}

/// The rules allow two sessions of a family in 7 days: a third is for another week, whatever its query is called.
#[test]
fn one_question_again_and_again_waits_for_another_week() {
    let pace = Pace { family_sessions: 2, ..Pace::quick() };
    let mut deployment = Template::make(HOSPITALS, 2, pace).deploy();
    deployment.start_all();
    for warrant in [0, 1] {
        deployment.next_slot();
        assert!(deployment.run(warrant).is_sum());
    }
    let before = records(&deployment).len();
    deployment.next_slot();
    let refused = deployment.refused(&["query", "run", &deployment.warrants[0], "--wait"]);
    for told in [
        "had 2 sessions in the last 7 days",
        "fewer than 2: the roster's rules allow no more",
        "family_sessions",
    ] {
        assert!(refused.contains(told), "{refused}");
    }
    assert_eq!(records(&deployment).len(), before, "no hospital was asked");
}

#[test]
fn a_server_that_was_killed_between_the_passes_goes_on() {
    let (mut deployment, session) = killed_between();
    deployment.kill_server();
    let Outcome::Gone(Some(named)) = deployment.outcome(session) else {
        panic!("the command lost its server")
    };
    deployment.serve();
    deployment.start(0, &[]);
    let begun = Instant::now();
    let shown = loop {
        if let Some(shown) = deployment.asked(&["result", "show", &named]) {
            break shown;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "no result: {}", deployment.tails());
        std::thread::sleep(Duration::from_millis(200));
    };
    let sum = deployment.compared(&named, deployment.slot(), &shown);
    assert_eq!(sum.survivors.len(), HOSPITALS);
}

/// Hospital 0 has nearly all of one product: it opens once, for nobody knows a total before, and then no more.
#[test]
fn a_figure_that_is_mostly_one_hospitals_opens_once() {
    let mut deployment = template().deploy();
    deployment.start_all();
    let query = "[query]\nid = \"share\"\nversion = 1\ntitle = { nl = \"Aandeel\", en = \"Share\" }\npurpose = \"stock\"\n\
                 dataset = \"stock\"\n[[dimension]]\ncolumn = \"code\"\ncodes = [\"c0\", \"c1\"]\n[[measure]]\n\
                 name = \"stock\"\nsum = \"quantity\"\nunit = \"piece\"\nscale = 0\nrange = [0, 1000000]\n[floors]\n\
                 hospitals = 3\ndominance = 80\n";
    let warrant = deployment.approved(query);
    let mut shown = Vec::new();
    for slot in 0..2 {
        deployment.next_slot();
        for hospital in 0..HOSPITALS {
            let most = if hospital == 0 { 9000 } else { 100 };
            let rows = format!("code;quantity\nc0;{}\nc1;{most}\n", 100 + slot);
            std::fs::write(deployment.home(hospital).join("stock.csv"), rows).unwrap();
        }
        let asked = deployment.asked(&["query", "run", &warrant, "--wait"]).unwrap();
        let summary = &asked["summary"];
        assert_eq!(summary["dominance"], 80, "{asked}");
        let totals =
            summary["totals"].as_array().unwrap_or_else(|| panic!("{asked}: {}", deployment.tails()));
        let told = |total: &serde_json::Value| {
            (total["value"].as_str().unwrap().to_owned(), total["compared"].as_u64().unwrap())
        };
        shown.push(totals.iter().map(told).collect::<Vec<_>>());
    }
    let all = u64::try_from(HOSPITALS).unwrap();
    assert_eq!(shown[0], [("400".to_owned(), 0), ("9300".to_owned(), 0)], "nothing to compare with");
    assert_eq!(shown[1], [("404".to_owned(), all), ("suppressed".to_owned(), all)]);
}
