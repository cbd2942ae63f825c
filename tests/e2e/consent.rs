//! The consent desk over real programs: a session waits for a hospital's people, who approve, refuse or let the time
//! pass; who asks approves nothing; and the log tells of each before it takes effect.

use samensom_tests::deployment::{Deployment, Outcome, Pace, Template};
use samensom_tests::harness::{programs, samensom};
use serde_json::{Value, json};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const HOSPITALS: usize = 4;
/// The hospital whose people are asked, and its number in the roster.
const ASKS: usize = 3;
const NODE: u64 = 4;
/// A process sees what another wrote within this time.
const PATIENCE: Duration = Duration::from_secs(20);

/// Slots in which a wait of 12 s fits, before both passes.
fn pace() -> Pace {
    Pace { spacing_s: 45, ..Pace::of_two_passes() }
}

/// Four hospitals, one of which asks its people about everything.
fn deployed(persons: u8) -> Deployment {
    let mut deployment = Template::make(HOSPITALS, 1, pace()).deploy();
    let file = deployment.home(ASKS).join("node.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let asks = text.replace("stock = \"auto\" }", &format!("stock = \"ask\" }}\npersons = {persons}"));
    assert_ne!(asks, text);
    std::fs::write(file, asks).unwrap();
    deployment.start_all();
    deployment
}

fn path(deployment: &Deployment, name: &str) -> String {
    deployment.folder.path().join(name).to_str().unwrap().to_owned()
}

fn lcg(deployment: &Deployment, args: &[&str]) -> Value {
    deployment.asked(args).unwrap_or_else(|| panic!("{args:?}: {}", refused(deployment, args)))
}

/// What a command that must fail says.
fn refused(deployment: &Deployment, args: &[&str]) -> String {
    let mut command = Command::new(samensom());
    command.arg("--data").arg(deployment.lcg()).arg("--no-input").args(args).env_remove("SAMENSOM_DATA");
    let ended = command.output().unwrap();
    assert!(!ended.status.success(), "{args:?} was done");
    String::from_utf8_lossy(&ended.stderr).into_owned()
}

/// A standing warrant that waits for consent, asked by the analyst and approved.
fn warrant(deployment: &Deployment, wait: &str) -> String {
    let (query, key) = (path(deployment, "query-0.toml"), path(deployment, "persons/analyst.key"));
    let terms = ["--sessions", "50", "--every", "10s", "--wait", wait];
    let facts = lcg(deployment, &[&["query", "submit", &query, "--key", &key], &terms[..]].concat());
    let warrant = facts["warrant"].as_str().unwrap().to_owned();
    for approver in 0..2 {
        let key = path(deployment, &format!("persons/approver-{approver}.key"));
        lcg(deployment, &["query", "approve", &warrant, "--key", &key]);
    }
    warrant
}

/// A command of the hospital that asks; its exit code and what it printed.
fn agent(deployment: &Deployment, args: &[&str]) -> (i32, Value, String) {
    let mut command = Command::new(programs().join("samensom-node"));
    command.arg("--config").arg(deployment.home(ASKS).join("node.toml"));
    let ended = command.args(["--no-input", "--format", "json"]).args(args).output().unwrap();
    let facts = serde_json::from_slice(&ended.stdout).unwrap_or(Value::Null);
    (ended.status.code().unwrap(), facts, String::from_utf8_lossy(&ended.stderr).into_owned())
}

fn told(deployment: &Deployment, args: &[&str]) -> Value {
    let (code, facts, words) = agent(deployment, args);
    assert_eq!(code, 0, "{args:?}: {words}");
    facts
}

/// How a warrant stands at the hospital that asks; empty before it was offered there.
fn state(deployment: &Deployment, warrant: &str) -> String {
    let listed = told(deployment, &["queries", "list"]);
    let line = listed.as_array().unwrap().iter().find(|line| line["warrant"] == warrant);
    line.map_or_else(String::new, |line| line["state"].as_str().unwrap().to_owned())
}

fn until(what: &str, held: impl Fn() -> bool) {
    let begun = Instant::now();
    while !held() {
        assert!(begun.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Begins a session in the next slot.
fn begin(deployment: &Deployment, warrant: &str) -> Child {
    deployment.next_slot();
    let mut command = Command::new(samensom());
    command.arg("--data").arg(deployment.lcg()).args(["--no-input", "--format", "json", "query", "run"]);
    command.args([warrant, "--wait"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits for it: its facts, and what it said on the way.
fn end(mut session: Child) -> (Value, String) {
    let (mut out, mut said) = (String::new(), String::new());
    session.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    session.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    session.wait().unwrap();
    let facts = serde_json::from_str(&out).unwrap_or_else(|why| panic!("{why}: {out}\n{said}"));
    (facts, said)
}

fn survivors(facts: &Value) -> Vec<u64> {
    let all = facts["summary"]["survivors"].as_array().unwrap_or_else(|| panic!("no sum: {facts}"));
    all.iter().map(|node| node.as_u64().unwrap()).collect()
}

fn events(deployment: &Deployment) -> Vec<Value> {
    let file = deployment.state(ASKS).join("audit");
    let mut command = Command::new(programs().join("samensom-node"));
    command.arg("--config").arg(deployment.home(ASKS).join("node.toml"));
    let ended = command.args(["audit", "export", "--as", "jsonl"]).output().unwrap();
    assert!(ended.status.success(), "{}: {}", file.display(), String::from_utf8_lossy(&ended.stderr));
    let lines = String::from_utf8(ended.stdout).unwrap();
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

const WAITING: &str = "waiting for the hospital's consent";

#[test]
fn a_session_waits_for_the_hospitals_people_and_a_refusal_is_no_silence() {
    let deployment = deployed(1);
    let warrant = warrant(&deployment, "12s");

    // It waits, somebody approves, and the hospital is in the sum.
    let session = begin(&deployment, &warrant);
    until("the hospital waits", || state(&deployment, &warrant) == WAITING);
    assert_eq!(told(&deployment, &["status"])["last_session"]["state"], WAITING);
    let shown = told(&deployment, &["queries", "show", &warrant[..12]]);
    assert_eq!(shown["asked"]["requested_by"], json!(["Analyst", "lcg"]));
    assert_eq!(shown["asked"]["approved_by"].as_array().unwrap().len(), 2);
    let approved =
        told(&deployment, &["queries", "approve", &warrant[..12], "--name", "A. Bos", "--reason", "ok"]);
    assert_eq!(approved["state"], "approved");
    let (facts, said) = end(session);
    assert_eq!(survivors(&facts), [1, 2, 3, NODE], "{said}");
    assert!(said.contains(&format!("{WAITING}: 1 ({NODE})")), "{said}");
    assert_eq!(facts["consent"], json!({ "waiting": [], "refused": [], "undecided": [] }));

    // A person refuses: it is counted as that, and the others have their sum.
    assert_eq!(told(&deployment, &["queries", "refuse", &warrant, "--name", "C. Vos"])["state"], "refused");
    let (facts, said) = end(begin(&deployment, &warrant));
    assert_eq!(survivors(&facts), [1, 2, 3], "{said}");
    assert_eq!(facts["consent"]["refused"], json!([NODE]), "{said}");
    assert!(said.contains(&format!("refused: 1 ({NODE})")), "{said}");
    let log = lcg(&deployment, &["audit", "show"]).to_string();
    assert!(log.contains(&format!("{NODE} refuses, signed")) && log.contains("asks its people"), "{log}");

    // An edited one asks anew, and without a decision in time the hospital takes no part.
    let other = self::warrant(&deployment, "3s");
    let (facts, said) = end(begin(&deployment, &other));
    assert_eq!(survivors(&facts), [1, 2, 3], "{said}");
    assert_eq!(facts["consent"]["undecided"], json!([NODE]), "{said}");
    assert_eq!(state(&deployment, &other), "undecided");

    let decided: Vec<Value> =
        events(&deployment).into_iter().filter(|one| one.to_string().contains("\"decided\"")).collect();
    assert_eq!(decided.len(), 2, "{decided:?}");
    for (event, person) in decided.iter().zip(["A. Bos", "C. Vos"]) {
        assert!(event.to_string().contains(person), "{event}");
    }
    for entry in std::fs::read_dir(deployment.state(ASKS).join("consent")).unwrap() {
        let entry = entry.unwrap();
        assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{:?}", entry.path());
    }
}

#[test]
fn two_people_where_two_are_asked_and_a_later_approval_counts_from_the_next_session() {
    let deployment = deployed(2);
    let warrant = deployment.warrants[0].clone();
    // The template's warrant waits for nobody.
    let (facts, said) = end(begin(&deployment, &warrant));
    assert_eq!(survivors(&facts), [1, 2, 3], "{said}");
    assert_eq!(facts["consent"]["undecided"], json!([NODE]), "{said}");
    assert!(!said.contains(WAITING), "{said}");
    let approve = |name: &str| told(&deployment, &["queries", "approve", &warrant[..9], "--name", name]);
    for name in ["A. Bos", "a bos"] {
        assert_eq!(approve(name)["state"], "undecided", "one person is one");
    }
    assert_eq!(approve("D. Mol")["state"], "approved");
    deployment.next_slot();
    let Outcome::Sum(sum) = deployment.run(0) else { panic!("{}", deployment.tails()) };
    assert_eq!(sum.survivors.len(), HOSPITALS);
}

#[test]
fn who_asks_approves_nothing_and_a_rule_is_no_persons() {
    let deployment = deployed(1);
    let (query, key) = (path(&deployment, "query-0.toml"), path(&deployment, "persons/approver-1.key"));
    let facts = lcg(&deployment, &["query", "submit", &query, "--key", &key]);
    let own = facts["warrant"].as_str().unwrap();
    let why = refused(&deployment, &["query", "approve", own, "--key", &key]);
    assert!(why.contains("an approval is by the person who asks"), "{why}");
    let signer = path(&deployment, "persons/signer-0.key");
    let why = refused(&deployment, &["query", "submit", &query, "--key", &signer]);
    assert!(why.contains("a signer's key asks nothing"), "{why}");
    let (code, _, words) = agent(&deployment, &["queries", "approve", "abcdef", "--name", "A. Bos"]);
    assert!(code == 1 && words.contains("no query that was offered here"), "{words}");
    let (code, _, words) = agent(&deployment, &["queries", "approve", "abcdef", "--name", " "]);
    assert!(code == 1 && words.contains("--name"), "{words}");
}
