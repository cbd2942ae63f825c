//! The verbs: what they do, and whom they refuse.

mod membership;

use super::*;
use crate::listener::{Listener, Options};
use crate::person::text;
use crate::rules::{DEFAULT, Rules};
use crate::session;
use crate::store::tests::identity;
use samensom_protocol::admission::words;
use samensom_protocol::codec::{Blob, decode, encode};
use samensom_protocol::ids::{NodeId, WarrantHash};
use samensom_protocol::query::Query;
use samensom_protocol::roster::{Approver, RosterSignature, Signer};
use samensom_protocol::warrant::{Approval, Requester, SignedWarrant};
use std::time::Duration;
use tempfile::TempDir;

pub(crate) const QUERY: &str = r#"
[query]
id = "methotrexate-use"
version = 1
title = { nl = "Verbruik", en = "Use" }
purpose = "stock"
dataset = "use"
[[dimension]]
column = "code"
codes = ["326874007", "326875008"]
[[measure]]
name = "issued"
sum = "quantity"
unit = "tablet"
scale = 3
range = [-1000000, 1000000]
[[measure]]
name = "hospitals_issuing"
hospitals = "sum(quantity) > 0"
[floors]
hospitals = 5
"#;

/// Verbs over a new store with the shipped rules and three signers (900 to 902, two must sign).
pub(crate) fn ops(folder: &TempDir) -> Arc<Ops> {
    let signer = |i| Signer {
        key: identity(i).public(),
        person: text("", "s").unwrap(),
        organisation: text("", "h").unwrap(),
    };
    let rules = Rules::parse("rules.toml", DEFAULT).unwrap();
    let founding = rules.founding((900..903).map(signer).collect(), 2).unwrap().to_signed(vec![]).unwrap();
    let store = Arc::new(Store::create(&folder.path().join("samensom.db"), &founding).unwrap());
    let options = Options {
        listen: "127.0.0.1:0".parse().unwrap(),
        idle: Duration::from_secs(5),
        keep_alive: Duration::from_secs(1),
    };
    let key = Arc::new(identity(1000));
    let (listener, events) = Listener::open(options, &key, &store).unwrap();
    let (links, address) = (listener.links.clone(), listener.address);
    let sessions = session::Sessions::spawn(
        Arc::clone(&store),
        links.clone(),
        events,
        Arc::clone(&key),
        session::Options::default(),
    );
    Arc::new(Ops { store, links, sessions, key: key.public(), address, config: Config::default() })
}

fn enrol(ops: &Ops, slug: &str, key: u16) {
    let Response::Token(token) = ops.hospital_token(slug, 1000).unwrap() else { panic!() };
    assert_eq!((token.coordinator_key, &*token.institution), (ops.key, slug));
    let key = identity(key).public();
    ops.store.take_token(token.hospital, &token.secret, &key, crate::clock::now()).unwrap().unwrap();
}

/// Adds, enrols and confirms hospitals h1, h2, ... with the keys 1, 2, ...
fn admit(ops: &Ops, n: u16) {
    for i in 1..=n {
        let slug = format!("h{i}");
        ops.hospital_add(&slug, "north", "general", 0, None).unwrap();
        enrol(ops, &slug, i);
        ops.hospital_confirm(&slug, &words(&identity(i).public().0)).unwrap();
    }
}

fn approver(i: u16, role: &str, organisation: &str) -> Approver {
    let (role, organisation) = (text("", role).unwrap(), text("", organisation).unwrap());
    let person = text("", &format!("The {role}", role = &*role)).unwrap();
    Approver { key: identity(i).public(), person, role, organisation }
}

fn propose_and_sign(ops: &Ops, approvers: Vec<Approver>) {
    sign_wanted(ops, Wanted { approvers, ..Wanted::default() });
}

fn sign_wanted(ops: &Ops, wanted: Wanted) {
    let Response::Proposed(hash) = ops.roster_propose(wanted).unwrap() else { panic!() };
    let body = ops.store.roster_proposal().unwrap().unwrap().roster.body;
    for signer in [900, 901] {
        ops.roster_sign(hash, &RosterSignature::new(&identity(signer), &body)).unwrap();
    }
}

fn submit(ops: &Ops) -> WarrantHash {
    let query = Query::from_toml(QUERY, &mut |_| Err(String::new())).unwrap();
    submit_by(ops, &query, (850, "B. Smit"), 60_000)
}

/// Submits it, asked with this key under this name.
fn submit_by(ops: &Ops, query: &Query, (key, person): (u16, &str), valid_ms: u64) -> WarrantHash {
    let person = text("", person).unwrap();
    let requester = Requester { key: identity(key).public(), person, organisation: text("", "lcg").unwrap() };
    let terms = Terms { valid_ms, sessions: 1, every_s: 0, wait_s: 0, series: None };
    let body = asked(&ops.store.head_roster(), query, terms, requester).unwrap();
    match ops.query_submit(&SignedWarrant::asked(&body, &identity(key)).unwrap()).unwrap() {
        Response::Submitted(warrant) => warrant,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn names_become_short_names() {
    for (name, short) in [
        ("Erasmus MC", "erasmus-mc"),
        ("Sint Antonius  Ziekenhuis", "sint-antonius-ziekenhuis"),
        ("'s-Gravenzande (Oost)", "s-gravenzande-oost"),
        ("Daniël den Hoed", "daniel-den-hoed"),
        ("日本", ""),
    ] {
        assert_eq!(slug(name), short);
    }
    let folder = TempDir::new().unwrap();
    let ops = ops(&folder);
    assert!(ops.hospital_add("日本", "north", "general", 0, None).unwrap_err().to_string().contains("--id"));
    for wrong in ["A", "a b", "-a", "a--b", ""] {
        assert!(ops.hospital_add("X", "north", "general", 0, Some(wrong)).is_err(), "{wrong}");
    }
    assert!(ops.hospital_add("X", "north", "general", 0, Some("x-1")).is_ok());
}

#[tokio::test]
async fn only_the_words_of_the_key_that_enrolled_confirm_it() {
    let folder = TempDir::new().unwrap();
    let ops = ops(&folder);
    ops.hospital_add("h1", "north", "general", 0, None).unwrap();
    let right = words(&identity(1).public().0);
    assert!(matches!(ops.hospital_confirm("h1", &right), Err(Error::Asked(_))), "not enrolled");
    enrol(&ops, "h1", 1);
    for wrong in ["", &words(&identity(2).public().0), right.rsplit_once(' ').unwrap().0] {
        let error = ops.hospital_confirm("h1", wrong).unwrap_err();
        assert_eq!(error.exit_code(), 8, "{wrong}");
        assert!(!error.to_string().contains(&right), "the right words are not told");
    }
    let typed = format!("  {} ", right.to_uppercase().replacen(' ', "  ", 2).replacen("  ", "-", 1));
    assert!(ops.hospital_confirm("h1", &typed).is_ok());
}

#[tokio::test]
async fn a_proposal_lists_who_is_confirmed_and_says_what_changes() {
    let folder = TempDir::new().unwrap();
    let ops = ops(&folder);
    assert!(ops.roster_propose(Wanted::default()).unwrap_err().to_string().contains("nothing would change"));
    admit(&ops, 3);
    ops.hospital_add("h4", "north", "general", 0, None).unwrap();
    enrol(&ops, "h4", 4);
    let founding = ops.store.head_roster();
    propose_and_sign(&ops, vec![approver(800, "pharmacist", "h1")]);
    let head = ops.store.head_roster();
    assert_eq!((head.size(), head.body().approvers.len()), (3, 1), "h4 is not confirmed");
    let lines = changes(founding.body(), head.body());
    assert_eq!(lines.iter().filter(|line| line.starts_with("+ hospital")).count(), 3);
    assert!(
        lines.iter().any(|line| line.starts_with("+ approver The pharmacist (pharmacist, h1)")),
        "{lines:?}"
    );
    // Enrolled anew with another key, h1 changes in the next roster and keeps its number.
    enrol(&ops, "h1", 11);
    ops.hospital_confirm("h1", &words(&identity(11).public().0)).unwrap();
    propose_and_sign(&ops, vec![]);
    let next = ops.store.head_roster();
    assert_eq!(next.member(NodeId(1)).unwrap().key, identity(11).public());
    let lines = changes(head.body(), next.body());
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].starts_with("~ hospital 1 h1") && lines[0].contains("the old key counts no more"));
}

#[tokio::test]
async fn a_warrant_runs_when_every_role_has_signed_it() {
    let folder = TempDir::new().unwrap();
    let ops = ops(&folder);
    admit(&ops, 5);
    propose_and_sign(&ops, vec![approver(800, "pharmacist", "h1"), approver(801, "duty-pharmacist", "lcg")]);
    let warrant = submit(&ops);
    let signed = ops.store.warrant(&warrant.to_hex()).unwrap();
    let read = signed.read(&ops.store.head_roster()).unwrap();
    assert_eq!(read.body().floor_hospitals, 5, "the query's floor is above the rule's");
    let approve = |i| ops.query_approve(&warrant, &Approval::new(&identity(i), &signed.body));
    assert!(matches!(approve(802), Err(Error::Refused(_))), "not an approver");
    let forged = Approval { key: identity(800).public(), ..Approval::new(&identity(801), &signed.body) };
    let error = ops.query_approve(&warrant, &forged).unwrap_err().to_string();
    assert!(error.contains("an approval's signature is not valid"), "{error}");
    for (who, runnable, approvals) in [(800, false, 1), (800, false, 1), (801, true, 2)] {
        let Response::Approved(approved) = approve(who).unwrap() else { panic!() };
        assert_eq!((approved.runnable, approved.approvals), (runnable, approvals));
    }
}

#[tokio::test]
async fn who_asks_does_not_approve() {
    let folder = TempDir::new().unwrap();
    let ops = ops(&folder);
    admit(&ops, 5);
    propose_and_sign(&ops, vec![approver(800, "pharmacist", "h1"), approver(801, "duty-pharmacist", "lcg")]);
    let query = Query::from_toml(QUERY, &mut |_| Err(String::new())).unwrap();
    let name = "The duty-pharmacist";
    for (key, person, by) in [(801, name, 801), (850, "the DUTY pharmacist", 801)] {
        let warrant = submit_by(&ops, &query, (key, person), 60_000);
        let signed = ops.store.warrant(&warrant.to_hex()).unwrap();
        let approve = |i| ops.query_approve(&warrant, &Approval::new(&identity(i), &signed.body));
        let error = approve(by).unwrap_err().to_string();
        assert!(error.contains("an approval is by the person who asks") && error.contains(person), "{error}");
        let Response::Approved(approved) = approve(800).unwrap() else { panic!() };
        assert!(!approved.runnable && approved.approvals == 1, "the refused one is not kept");
    }
}

#[tokio::test]
async fn a_warrant_whose_time_is_over_is_not_approved() {
    let folder = TempDir::new().unwrap();
    let ops = ops(&folder);
    admit(&ops, 5);
    propose_and_sign(&ops, vec![approver(800, "pharmacist", "h1")]);
    let query = Query::from_toml(QUERY, &mut |_| Err(String::new())).unwrap();
    let warrant = submit_by(&ops, &query, (850, "B. Smit"), 0);
    let signed = ops.store.warrant(&warrant.to_hex()).unwrap();
    let error = ops.query_approve(&warrant, &Approval::new(&identity(800), &signed.body)).unwrap_err();
    assert!(error.to_string().contains("the warrant ran until"), "{error}");
}

/// Whoever owns the store edits a byte of a query that waits for approvals, or of one that has them.
#[tokio::test]
async fn an_edited_stored_warrant_has_no_approvals() {
    let folder = TempDir::new().unwrap();
    let ops = ops(&folder);
    admit(&ops, 5);
    propose_and_sign(&ops, vec![approver(800, "pharmacist", "h1"), approver(801, "duty-pharmacist", "lcg")]);
    let warrant = submit(&ops);
    let signed = ops.store.warrant(&warrant.to_hex()).unwrap();
    for who in [800, 801] {
        ops.query_approve(&warrant, &Approval::new(&identity(who), &signed.body)).unwrap();
    }
    let head = ops.store.head_roster();
    let stored = ops.store.warrant(&warrant.to_hex()).unwrap();
    assert!(stored.verify(&head, crate::clock::now()).is_ok());
    let mut body: samensom_protocol::warrant::WarrantBody = decode(&stored.body).unwrap();
    body.sessions += 1;
    let edited = Blob::new(encode(&body).unwrap()).unwrap();
    let db = rusqlite::Connection::open(folder.path().join("samensom.db")).unwrap();
    db.execute("UPDATE warrant SET body = ?1 WHERE hash = ?2", (&*edited, warrant.0)).unwrap();
    let stored = ops.store.warrant(&warrant.to_hex()).unwrap();
    assert_eq!((stored.approvals.len(), stored.body == edited), (2, true));
    let error = stored.verify(&head, crate::clock::now()).unwrap_err().to_string();
    assert!(error.contains("A02: the request is not signed by who asks"), "{error}");
    assert!(ops.query_approve(&warrant, &Approval::new(&identity(800), &stored.body)).is_err());
}

#[tokio::test]
async fn a_warrant_of_an_older_roster_is_not_approved() {
    let folder = TempDir::new().unwrap();
    let ops = ops(&folder);
    admit(&ops, 5);
    propose_and_sign(&ops, vec![approver(800, "pharmacist", "h1")]);
    let warrant = submit(&ops);
    let signed = ops.store.warrant(&warrant.to_hex()).unwrap();
    propose_and_sign(&ops, vec![approver(801, "duty-pharmacist", "lcg")]);
    let error = ops.query_approve(&warrant, &Approval::new(&identity(800), &signed.body)).unwrap_err();
    assert!(error.to_string().contains("submit the query again"), "{error}");
    assert!(ops.query_submit(&signed).is_err(), "made for an older roster");
    let garbage = SignedWarrant { body: Blob::new(vec![1, 2, 3]).unwrap(), ..signed.clone() };
    assert!(ops.query_submit(&garbage).is_err(), "not a warrant");
    let empty = TempDir::new().unwrap();
    let query = Query::from_toml(QUERY, &mut |_| Err(String::new())).unwrap();
    let requester = {
        let body: samensom_protocol::warrant::WarrantBody = decode(&signed.body).unwrap();
        body.requester
    };
    let terms = Terms { valid_ms: 1000, sessions: 1, every_s: 0, wait_s: 0, series: None };
    let head = super::tests::ops(&empty).store.head_roster();
    let error = asked(&head, &query, terms, requester).unwrap_err();
    assert!(error.to_string().contains("0 hospitals cannot"), "{error}");
}
