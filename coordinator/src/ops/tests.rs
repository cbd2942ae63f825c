//! The verbs: what they do, and whom they refuse.

mod membership;

use super::*;
use crate::listener::{Listener, Options};
use crate::person::text;
use crate::rules::{DEFAULT, Rules};
use crate::session;
use crate::store::tests::identity;
use samensom_protocol::admission::words;
use samensom_protocol::codec::Blob;
use samensom_protocol::ids::{NodeId, WarrantHash};
use samensom_protocol::query::Query;
use samensom_protocol::roster::{Approver, RosterSignature, Signer};
use samensom_protocol::warrant::Approval;
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
    Approver { key: identity(i).public(), person: text("", "a").unwrap(), role, organisation }
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
    let canonical = Blob::new(query.canonical().unwrap()).unwrap();
    match ops.query_submit(canonical, 1000, 1).unwrap() {
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
    assert!(lines.iter().any(|line| line.starts_with("+ approver a (pharmacist, h1)")), "{lines:?}");
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
    assert!(matches!(ops.query_approve(&warrant, &forged), Err(Error::Mismatch(_))));
    for (who, runnable, approvals) in [(800, false, 1), (800, false, 1), (801, true, 2)] {
        let Response::Approved(approved) = approve(who).unwrap() else { panic!() };
        assert_eq!((approved.runnable, approved.approvals), (runnable, approvals));
    }
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
    assert!(ops.query_submit(Blob::new(vec![1, 2, 3]).unwrap(), 1000, 1).is_err(), "not a query");
    let empty = TempDir::new().unwrap();
    let canonical = Query::from_toml(QUERY, &mut |_| Err(String::new())).unwrap().canonical().unwrap();
    let error = super::tests::ops(&empty).query_submit(Blob::new(canonical).unwrap(), 1000, 1).unwrap_err();
    assert!(error.to_string().contains("0 hospitals cannot"), "{error}");
}
