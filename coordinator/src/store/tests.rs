//! The store: what it keeps over a restart, and what only one of many can have.

use super::*;
use samensom_protocol::admission::{EnrolRefusal, TokenSecret};
use samensom_protocol::codec::{Blob, Bytes, List, Text};
use samensom_protocol::crypto::keys::{Identity, Signed};
use samensom_protocol::ids::{
    AttemptId, FreezeHash, NodeId, PublicKey, ReportHash, RosterHash, SessionId, WarrantHash,
};
use samensom_protocol::io::{Failure, FailureCode, Record};
use samensom_protocol::message::{Bound, Counted, Freeze, FreezeBody, Message, Pass, Round, Sealed, Voids};
use samensom_protocol::roster::{
    Limits, Lock, Member, PurposeRule, RosterBody, RosterSignature, SignedRoster, Signer, Status,
};
use samensom_protocol::secret::Secret;
use samensom_protocol::warrant::{Approval, SignedWarrant};
use tempfile::TempDir;

pub(crate) fn identity(number: u16) -> Identity {
    let mut seed = [9u8; 32];
    seed[..2].copy_from_slice(&number.to_be_bytes());
    Identity::from_seed(&Secret::new(seed))
}

fn text<const MAX: usize>(s: &str) -> Text<MAX> {
    Text::new(s).unwrap()
}

/// Signers 900 to 902, two of whom must sign; one rule, one lock.
pub(crate) fn founding_body() -> RosterBody {
    let signer = |i| Signer { key: identity(i).public(), person: text("s"), organisation: text("h") };
    let mut signers: Vec<_> = (900..903).map(signer).collect();
    signers.sort_by_key(|s| s.key);
    let rule = PurposeRule {
        purpose: text("stock"),
        roles: List::new(vec![text("pharmacist")]).unwrap(),
        floor_hospitals: 0,
        colluding_holders: false,
        floor_dominance: 0,
        family_sessions: 0,
    };
    let datasets = List::new(vec![text("stock"), text("use")]).unwrap();
    RosterBody {
        epoch: 0,
        previous: RosterHash([0; 32]),
        members: List::default(),
        approvers: List::default(),
        signers: List::new(signers).unwrap(),
        threshold: 2,
        rules: List::new(vec![rule]).unwrap(),
        locks: List::new(vec![Lock {
            name: text("goods"),
            datasets,
            spacing_s: 72_000,
            floor_hospitals: 0,
            floor_patients: 0,
        }])
        .unwrap(),
        limits: Limits::default(),
        honest_min: 0,
        policy: Bytes([0; 32]),
    }
}

/// The roster after `head`, with the hospitals 1 to `n`, whose keys are those of `identity`.
pub(crate) fn next_body(head: &Roster, n: u16) -> RosterBody {
    let member = |id: u16| Member {
        id: NodeId(id),
        institution: text(&format!("h{id}")),
        name: text("Hospital"),
        group: text("north"),
        kind: text("general"),
        key: identity(id).public(),
        status: Status::Active,
        floor_hospitals: 0,
    };
    RosterBody {
        epoch: head.body().epoch + 1,
        previous: head.hash(),
        members: List::new((1..=n).map(member).collect()).unwrap(),
        ..head.body().clone()
    }
}

pub(crate) fn founding() -> SignedRoster {
    founding_body().to_signed(vec![]).unwrap()
}

/// A store whose head lists the hospitals 1 to `n`; with none, the founding roster alone.
pub(crate) fn store(folder: &TempDir, n: u16) -> Store {
    let store = Store::create(&folder.path().join("samensom.db"), &founding()).unwrap();
    if n > 0 {
        advance(&store, n);
    }
    store
}

/// Lets two signers sign a roster of the hospitals 1 to `n`.
pub(crate) fn advance(store: &Store, n: u16) {
    let proposal = store.propose_roster(&next_body(&store.head_roster(), n)).unwrap();
    for signer in [900, 901] {
        let signature = RosterSignature::new(&identity(signer), &proposal.roster.body);
        store.sign_roster(proposal.hash, &signature).unwrap();
    }
}

pub(crate) fn reopen(folder: &TempDir) -> Store {
    Store::open(&folder.path().join("samensom.db")).unwrap()
}

#[test]
fn a_roster_becomes_head_with_its_last_signature_and_stays_it() {
    let folder = TempDir::new().unwrap();
    let store = store(&folder, 0);
    let proposal = store.propose_roster(&next_body(&store.head_roster(), 3)).unwrap();
    let sign = |number| {
        let signature = RosterSignature::new(&identity(number), &proposal.roster.body);
        store.sign_roster(proposal.hash, &signature)
    };
    assert!(matches!(sign(1), Err(Error::Refused(_))), "not a signer");
    let mut forged = RosterSignature::new(&identity(900), &proposal.roster.body);
    forged.signature.0[5] ^= 1;
    assert!(matches!(store.sign_roster(proposal.hash, &forged), Err(Error::Mismatch(_))));
    assert_eq!(sign(900).unwrap(), Signing::Waiting { have: 1, needed: 2 });
    assert_eq!(sign(900).unwrap(), Signing::Waiting { have: 1, needed: 2 }, "the same signer counts once");
    assert_eq!(store.head_roster().body().epoch, 0);
    assert_eq!(sign(901).unwrap(), Signing::Head);
    assert!(sign(902).is_err(), "nothing waits any more");
    drop(store);
    let store = reopen(&folder);
    assert_eq!(store.head_roster().hash(), proposal.hash);
    assert_eq!(store.roster_chain().unwrap().len(), 2);
    assert_eq!(store.rosters_after(Some(0)).unwrap()[0].signatures.len(), 2);
    assert_eq!(store.roster_proposal().unwrap(), None);
}

#[test]
fn a_new_proposal_voids_the_signatures_of_the_old_one() {
    let folder = TempDir::new().unwrap();
    let store = store(&folder, 0);
    let old = store.propose_roster(&next_body(&store.head_roster(), 3)).unwrap();
    let signature = RosterSignature::new(&identity(900), &old.roster.body);
    store.sign_roster(old.hash, &signature).unwrap();
    let new = store.propose_roster(&next_body(&store.head_roster(), 4)).unwrap();
    assert!(store.sign_roster(old.hash, &signature).is_err());
    assert!(store.sign_roster(new.hash, &signature).is_err(), "signed the other body");
    assert!(store.roster_proposal().unwrap().unwrap().roster.signatures.is_empty());
}

#[test]
fn a_changed_roster_is_found_when_the_store_is_opened() {
    let folder = TempDir::new().unwrap();
    drop(store(&folder, 3));
    let path = folder.path().join("samensom.db");
    let db = Connection::open(&path).unwrap();
    let mut body: Vec<u8> =
        db.query_row("SELECT body FROM roster WHERE epoch = 1", [], |row| row.get(0)).unwrap();
    *body.last_mut().unwrap() ^= 1;
    db.execute("UPDATE roster SET body = ?1 WHERE epoch = 1", [body]).unwrap();
    drop(db);
    assert!(Store::open(&path).unwrap_err().to_string().contains("roster"));
}

#[test]
fn one_of_fifty_takes_the_token() {
    let folder = TempDir::new().unwrap();
    let store = store(&folder, 0);
    let hospital = store.add_hospital("h1", "One", "north", "general", 0).unwrap();
    let secret = TokenSecret(Bytes([7; 32]));
    store.put_token(hospital.id, &secret, Time(1000)).unwrap();
    let path = folder.path().join("samensom.db");
    let take = |number: u16| {
        let store = Store::open(&path).unwrap();
        store.take_token(NodeId(1), &secret, &identity(number).public(), Time(999)).unwrap()
    };
    let answers: Vec<_> = std::thread::scope(|scope| {
        let all: Vec<_> = (1..=50).map(|number| scope.spawn(move || (number, take(number)))).collect();
        all.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let winners: Vec<_> = answers.iter().filter(|(_, answer)| answer.is_ok()).collect();
    assert_eq!(winners.len(), 1, "{answers:?}");
    assert_eq!(answers.iter().filter(|(_, a)| *a == Err(EnrolRefusal::UsedToken)).count(), 49);
    let key = identity(winners[0].0).public();
    let noted = store.hospital("h1").unwrap();
    assert_eq!((noted.key, noted.state), (Some(key), State::Keyed));
    assert_eq!(take(winners[0].0), Ok(()), "its answer may have been lost");
}

#[test]
fn a_token_is_for_one_hospital_one_time_and_one_key() {
    let folder = TempDir::new().unwrap();
    let store = store(&folder, 0);
    for slug in ["h1", "h2"] {
        store.add_hospital(slug, slug, "north", "general", 0).unwrap();
    }
    let (secret, other) = (TokenSecret(Bytes([7; 32])), TokenSecret(Bytes([8; 32])));
    let (key, second) = (identity(1).public(), identity(2).public());
    let take = |hospital, secret, key, at| store.take_token(NodeId(hospital), secret, key, Time(at)).unwrap();
    store.put_token(NodeId(1), &secret, Time(1000)).unwrap();
    assert_eq!(take(2, &secret, &key, 1), Err(EnrolRefusal::UnknownToken));
    assert_eq!(take(1, &other, &key, 1), Err(EnrolRefusal::UnknownToken));
    assert_eq!(take(1, &secret, &key, 1000), Err(EnrolRefusal::ExpiredToken));
    assert_eq!(take(1, &secret, &key, 999), Ok(()));
    assert_eq!(take(1, &secret, &second, 999), Err(EnrolRefusal::UsedToken));
    store.put_token(NodeId(2), &other, Time(1000)).unwrap();
    assert_eq!(take(2, &other, &key, 999), Err(EnrolRefusal::UnknownToken), "one key, one hospital");
    assert_eq!(store.hospital("h2").unwrap().state, State::Added);
    let newer = TokenSecret(Bytes([9; 32]));
    store.put_token(NodeId(2), &newer, Time(1000)).unwrap();
    assert_eq!(take(2, &other, &second, 999), Err(EnrolRefusal::UnknownToken), "void since the newer one");
    assert_eq!(take(2, &newer, &second, 999), Ok(()));
}

#[test]
fn a_confirmation_is_of_the_key_that_was_compared() {
    let folder = TempDir::new().unwrap();
    let store = store(&folder, 0);
    store.add_hospital("h1", "One", "north", "general", 4).unwrap();
    assert!(store.add_hospital("h1", "One", "north", "general", 0).is_err());
    let secret = TokenSecret(Bytes([7; 32]));
    store.put_token(NodeId(1), &secret, Time(1000)).unwrap();
    store.take_token(NodeId(1), &secret, &identity(1).public(), Time(1)).unwrap().unwrap();
    assert!(!store.confirm_hospital(NodeId(1), &identity(2).public()).unwrap());
    assert!(store.confirm_hospital(NodeId(1), &identity(1).public()).unwrap());
    let noted = &store.hospitals().unwrap()[0];
    assert_eq!((noted.state, noted.floor), (State::Confirmed, 4));
}

#[test]
fn records_and_blocks_survive_a_restart_in_order() {
    let folder = TempDir::new().unwrap();
    let (sid, other) = (AttemptId([1; 32]), AttemptId([2; 32]));
    let sent = |n: u8| Record::Sent {
        sid,
        round: Round::Deposit,
        at: Time(5),
        bytes: Blob::new(vec![n; 3]).unwrap(),
    };
    {
        let store = store(&folder, 0);
        let keep = |records, blocks| store.keep(&Batch { attempts: vec![], records, blocks }).unwrap();
        keep(vec![(sid, sent(0))], vec![(sid, NodeId(3), 0, b"first".to_vec())]);
        keep(vec![(sid, sent(1)), (other, sent(9)), (sid, sent(2))], vec![]);
        keep(vec![], vec![(sid, NodeId(3), 0, b"again".to_vec())]);
    }
    let store = reopen(&folder);
    assert_eq!(store.records(&sid).unwrap(), [sent(0), sent(1), sent(2)]);
    assert_eq!(store.spooled(&sid, NodeId(3), 0).unwrap().unwrap(), b"again");
    assert_eq!(store.spooled(&sid, NodeId(3), 1).unwrap(), None);
    assert_eq!(store.spooled(&other, NodeId(3), 0).unwrap(), None);
}

#[test]
fn an_attempts_state_follows_its_records() {
    let folder = TempDir::new().unwrap();
    let store = store(&folder, 0);
    let warrant = SignedWarrant {
        body: Blob::new(vec![1]).unwrap(),
        approvals: List::default(),
        request: Bytes([5; 64]),
    };
    let hash = store.put_warrant(&warrant, "q", "Titel", Time(5)).unwrap();
    let session = SessionId([1; 32]);
    assert!(store.interrupted().unwrap().is_none());
    store.start_session(&session, &hash, 3, Time(10)).unwrap();
    assert_eq!(store.interrupted().unwrap().unwrap().attempt, None);
    let attempt = |n: u8, slot| Attempt {
        sid: AttemptId([n; 32]),
        session,
        lock: "goods".to_owned(),
        slot,
        roster: RosterHash([1; 32]),
        opened_at: Time(11),
    };
    let sid = |n: u8| AttemptId([n; 32]);
    let sent = |n: u8, round| {
        let voids = Message::Voids(Voids { sid: sid(n), voids: List::default() }).to_frame().unwrap();
        (sid(n), Record::Sent { sid: sid(n), round, at: Time(12), bytes: Blob::new(voids).unwrap() })
    };
    let lost = || -> Vec<AttemptId> {
        store.unsettled("goods", 3).unwrap().iter().map(|(one, _)| one.sid).collect()
    };
    let keep = |attempts, records| {
        let blocks = vec![(sid(1), NodeId(1), 0, vec![1])];
        store.keep(&Batch { attempts, records, blocks }).unwrap();
    };
    keep(vec![attempt(1, 3), attempt(2, 4)], vec![sent(1, Round::Deposit)]);
    assert!(lost().is_empty(), "nobody was told to contribute");
    keep(vec![], vec![sent(1, Round::Contribute), sent(2, Round::Contribute)]);
    assert_eq!(lost(), [sid(2), sid(1)], "the newest first");
    assert_eq!(store.interrupted().unwrap().unwrap().attempt, Some(attempt(2, 4)));
    keep(vec![], vec![sent(1, Round::Void)]);
    assert_eq!(lost(), [sid(1), sid(2)], "of this slot it may be voided by more");
    assert_eq!(store.unsettled("goods", 4).unwrap().len(), 1);
    let of = |since| store.voided("goods", since).unwrap().iter().map(|one| one.sid).collect::<Vec<_>>();
    assert_eq!((of(3), of(4)), (vec![sid(1)], vec![]));
    let bound = Bound {
        roster: RosterHash([1; 32]),
        sid: sid(2),
        freeze: FreezeHash([2; 32]),
        survivors: List::new(vec![NodeId(1)]).unwrap(),
        certificate: List::default(),
    };
    keep(vec![], vec![(sid(2), Record::Bound { lock: text("goods"), slot: 4, pass: Pass::Value, bound })]);
    assert_eq!(lost(), [sid(1)], "the other has a certificate");
    assert!(store.spooled(&sid(1), NodeId(1), 0).unwrap().is_some());
    let failure = Failure {
        code: FailureCode::TooFew,
        round: Round::Confirm,
        needed: 3,
        present: 2,
        culprits: vec![],
        block: None,
    };
    store.end_session(&session, Some(&failure)).unwrap();
    assert!(store.spooled(&sid(1), NodeId(1), 0).unwrap().is_none(), "nobody will ever open them");
    assert!(store.interrupted().unwrap().is_none());
}

/// Survivors count from FREEZE on: whoever confirmed them answers for no others, certificate or not.
#[test]
fn a_series_is_what_its_newest_freeze_named() {
    let folder = TempDir::new().unwrap();
    let store = store(&folder, 0);
    let warrant = SignedWarrant {
        body: Blob::new(vec![1]).unwrap(),
        approvals: List::default(),
        request: Bytes([5; 64]),
    };
    let hash = store.put_warrant(&warrant, "q", "Titel", Time(5)).unwrap();
    let session = SessionId([1; 32]);
    store.start_session(&session, &hash, 3, Time(10)).unwrap();
    let sid = |n: u8| AttemptId([n; 32]);
    let sent = |n: u8, round, message: Message| {
        let bytes = Blob::new(message.to_frame().unwrap()).unwrap();
        (sid(n), Record::Sent { sid: sid(n), round, at: Time(12), bytes })
    };
    let voids = |n| Message::Voids(Voids { sid: sid(n), voids: List::default() });
    let freeze = |n: u8, node| {
        let body = FreezeBody { sid: sid(n), freeze: FreezeHash([2; 32]) };
        let body = Sealed::new(&identity(700), Signed::Freeze, &body).unwrap();
        let (report, signature) = (ReportHash([1; 32]), Bytes([1; 64]));
        let survivor = Counted { node: NodeId(node), report, ledger_seq: 1, signature };
        Message::Freeze(Freeze { body, survivors: List::new(vec![survivor]).unwrap() })
    };
    let keep = |n: u8, records| {
        let (lock, roster) = ("goods".to_owned(), RosterHash([1; 32]));
        let attempt = Attempt { sid: sid(n), session, lock, slot: 3, roster, opened_at: Time(11) };
        store.keep(&Batch { attempts: vec![attempt], records, blocks: vec![] }).unwrap();
    };
    let series = |of: &WarrantHash| store.series(of).unwrap().map(|(_, survivors)| survivors);
    keep(1, vec![sent(1, Round::Contribute, voids(1))]);
    assert_eq!(store.contributed_under("goods").unwrap(), [hash]);
    assert_eq!(store.contributed_under("beds").unwrap(), []);
    assert_eq!(series(&hash), None, "no survivors were named");
    keep(1, vec![sent(1, Round::Confirm, freeze(1, 9))]);
    assert_eq!(series(&hash), Some(vec![NodeId(9)]));
    keep(1, vec![sent(1, Round::Void, voids(1))]);
    assert_eq!(series(&hash), None, "its VOIDs took it back");
    keep(2, vec![sent(2, Round::Contribute, voids(2)), sent(2, Round::Confirm, freeze(2, 1))]);
    assert_eq!(series(&hash), Some(vec![NodeId(1)]));
    assert_eq!(series(&WarrantHash([7; 32])), None, "of another warrant");
}

/// Killed before its second run made an offer, a session has nothing to go on with.
#[test]
fn repro_an_attempt_of_an_earlier_run_is_not_gone_on_with() {
    let folder = TempDir::new().unwrap();
    let store = store(&folder, 0);
    let warrant = SignedWarrant {
        body: Blob::new(vec![1]).unwrap(),
        approvals: List::default(),
        request: Bytes([5; 64]),
    };
    let hash = store.put_warrant(&warrant, "q", "Titel", Time(5)).unwrap();
    let (session, sid) = (SessionId([1; 32]), AttemptId([1; 32]));
    store.start_session(&session, &hash, 3, Time(10)).unwrap();
    let (lock, roster) = ("goods".to_owned(), RosterHash([1; 32]));
    let attempt = Attempt { sid, session, lock, slot: 3, roster, opened_at: Time(11) };
    store.keep(&Batch { attempts: vec![attempt.clone()], ..Batch::default() }).unwrap();
    assert_eq!(store.interrupted().unwrap().unwrap().attempt, Some(attempt));
    let failure = Failure {
        code: FailureCode::TooFew,
        round: Round::Confirm,
        needed: 3,
        present: 2,
        culprits: vec![],
        block: None,
    };
    store.end_session(&session, Some(&failure)).unwrap();
    store.start_session(&session, &hash, 3, Time(20)).unwrap();
    assert_eq!(store.interrupted().unwrap().unwrap().attempt, None);
}

#[test]
fn bounds_come_latest_first_and_the_first_of_a_slot_stays() {
    let folder = TempDir::new().unwrap();
    let store = store(&folder, 0);
    let bound = |n: u8| Bound {
        roster: RosterHash([n; 32]),
        sid: AttemptId([n; 32]),
        freeze: FreezeHash([n; 32]),
        survivors: List::new(vec![NodeId(1)]).unwrap(),
        certificate: List::default(),
    };
    for (lock, slot, n) in [("goods", 7, 1), ("goods", 9, 2), ("goods", 9, 3), ("care", 9, 4)] {
        let record = Record::Bound { lock: text(lock), slot, pass: Pass::Value, bound: bound(n) };
        store.keep(&Batch { records: vec![(AttemptId([n; 32]), record)], ..Batch::default() }).unwrap();
    }
    drop(store);
    let found = reopen(&folder).bounds("goods").unwrap();
    assert_eq!(found, [(9, Pass::Value, bound(2)), (7, Pass::Value, bound(1))]);
}

#[test]
fn warrants_and_results_are_found_by_the_start_of_their_id() {
    let folder = TempDir::new().unwrap();
    let store = store(&folder, 0);
    let warrant = |n: u8| SignedWarrant {
        body: Blob::new(vec![n]).unwrap(),
        approvals: List::default(),
        request: Bytes([5; 64]),
    };
    let hash = store.put_warrant(&warrant(1), "q", "Titel", Time(5)).unwrap();
    assert_eq!(store.put_warrant(&warrant(1), "q", "Titel", Time(6)).unwrap(), hash);
    let approval = Approval::new(&identity(800), &[1]);
    store.put_approval(&hash, &approval, Time(7)).unwrap();
    store.put_approval(&hash, &approval, Time(8)).unwrap();
    let found = store.warrant(&hash.to_hex()[..9].to_uppercase()).unwrap();
    assert_eq!((found.body, found.approvals.len()), (warrant(1).body, 1));
    assert_eq!(store.warrants().unwrap()[0].approvals, 1);
    for wrong in ["", "zz", "%", "_", &"0".repeat(65)] {
        assert!(store.warrant(wrong).is_err(), "{wrong}");
    }
    let session = SessionId([0xab; 32]);
    store.start_session(&session, &hash, 3, Time(10)).unwrap();
    let finished = |session| Finished {
        session,
        sid: AttemptId([4; 32]),
        bundle: "results/a.bundle".to_owned(),
        finished_at: Time(11),
    };
    store.put_result(&finished(session)).unwrap();
    assert_eq!(store.result("abab").unwrap(), finished(session));
    assert!(store.put_result(&finished(session)).is_err(), "one result a session");
    assert!(store.put_result(&finished(SessionId([1; 32]))).is_err(), "never started");
    store.start_session(&SessionId([0xac; 32]), &hash, 4, Time(12)).unwrap();
    store.put_result(&finished(SessionId([0xac; 32]))).unwrap();
    assert!(store.result("a").unwrap_err().to_string().contains("more than one"));
    assert_eq!(store.results().unwrap().len(), 2);
}

/// Of the same query, by whatever warrant, in an earlier slot.
#[test]
fn the_result_before_is_found() {
    let folder = TempDir::new().unwrap();
    let store = store(&folder, 0);
    let [first, second, other] = [(1u8, "q"), (2, "q"), (3, "another")].map(|(n, query)| {
        let warrant = SignedWarrant {
            body: Blob::new(vec![n]).unwrap(),
            approvals: List::default(),
            request: Bytes([5; 64]),
        };
        store.put_warrant(&warrant, query, "Titel", Time(5)).unwrap()
    });
    for (n, hash, slot) in [(1u8, &first, 3), (2, &first, 4), (3, &other, 5), (4, &second, 6), (5, &first, 6)]
    {
        let session = SessionId([n; 32]);
        store.start_session(&session, hash, slot, Time(10)).unwrap();
        let bundle = "results/a.bundle".to_owned();
        let finished = Finished { session, sid: AttemptId([n; 32]), bundle, finished_at: Time(11) };
        store.put_result(&finished).unwrap();
    }
    let before = |n: u8| store.result_before(&SessionId([n; 32])).unwrap().map(|one| one.session.0[0]);
    assert_eq!([1, 2, 3, 4, 5, 6].map(before), [None, Some(1), None, Some(2), Some(2), None]);
}

#[test]
fn a_session_may_start_again_after_a_failure_but_not_after_a_result() {
    let folder = TempDir::new().unwrap();
    let store = store(&folder, 0);
    let warrant = SignedWarrant {
        body: Blob::new(vec![1]).unwrap(),
        approvals: List::default(),
        request: Bytes([5; 64]),
    };
    let hash = store.put_warrant(&warrant, "q", "Titel", Time(5)).unwrap();
    let session = SessionId([1; 32]);
    store.start_session(&session, &hash, 3, Time(10)).unwrap();
    let failure = Failure {
        code: FailureCode::TooFew,
        round: Round::Ready,
        needed: 3,
        present: 2,
        culprits: vec![NodeId(2)],
        block: None,
    };
    store.end_session(&session, Some(&failure)).unwrap();
    assert_eq!(store.session(&session).unwrap().unwrap().state, SessionState::Failed(failure));
    store.start_session(&session, &hash, 3, Time(20)).unwrap();
    let row = store.session(&session).unwrap().unwrap();
    assert_eq!((row.state, row.started_at, row.slot), (SessionState::Running, Time(20), 3));
    store.end_session(&session, None).unwrap();
    assert!(matches!(store.start_session(&session, &hash, 3, Time(30)), Err(Error::Session(_))));
    assert_eq!(store.session(&SessionId([2; 32])).unwrap(), None);
    assert!(store.start_session(&session, &WarrantHash([0; 32]), 3, Time(1)).is_err());
}

#[test]
fn reading_is_possible_beside_a_writer_and_writing_is_then_refused() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("samensom.db");
    assert!(Store::open_read_only(&path).is_err(), "there is none");
    let writer = store(&folder, 3);
    let reader = Store::open_read_only(&path).unwrap();
    assert_eq!(reader.head_roster().size(), 3);
    writer.add_hospital("h9", "Nine", "north", "general", 0).unwrap();
    assert_eq!(reader.hospitals().unwrap().len(), 1);
    assert!(reader.add_hospital("h8", "Eight", "north", "general", 0).is_err());
    drop(writer);
    assert_eq!(Store::open_read_only(&path).unwrap().hospitals().unwrap().len(), 1);
}

#[test]
fn a_store_of_a_newer_program_is_left_alone() {
    let folder = TempDir::new().unwrap();
    drop(store(&folder, 0));
    let path = folder.path().join("samensom.db");
    let db = Connection::open(&path).unwrap();
    db.pragma_update(None, "user_version", 99).unwrap();
    drop(db);
    assert!(Store::open(&path).unwrap_err().to_string().contains("version 99"));
    assert!(Store::open_read_only(&path).is_err());
}

#[test]
fn every_column_says_what_it_means() {
    for sql in MIGRATIONS {
        let columns = sql.lines().filter(|line| line.starts_with("  ") && !line.contains("PRIMARY KEY ("));
        for line in
            columns.filter(|line| line.split_whitespace().nth(1).is_some_and(|t| t == t.to_uppercase()))
        {
            let commented = line.contains("--")
                || sql.split_once(line).is_some_and(|(_, rest)| {
                    rest.trim_start_matches('\n').lines().next().is_some_and(|next| next.starts_with("   "))
                });
            assert!(commented, "no comment: {line}");
        }
    }
}

#[test]
fn keys_of_members_are_found_in_the_head() {
    let folder = TempDir::new().unwrap();
    let store = store(&folder, 3);
    let head = store.head_roster();
    assert_eq!(head.member_by_key(&identity(2).public()).map(|member| member.id), Some(NodeId(2)));
    assert_eq!(head.member_by_key(&PublicKey([3; 32])), None);
}

/// Lets two signers sign a roster that suspends a hospital.
pub(crate) fn suspend(store: &Store, id: u16) {
    let head = store.head_roster();
    let mut members = head.body().members.to_vec();
    members.iter_mut().filter(|m| m.id == NodeId(id)).for_each(|m| m.status = Status::Suspended);
    let mut body = next_body(&head, 0);
    body.members = List::new(members).unwrap();
    let proposal = store.propose_roster(&body).unwrap();
    for signer in [900, 901] {
        let signature = RosterSignature::new(&identity(signer), &proposal.roster.body);
        store.sign_roster(proposal.hash, &signature).unwrap();
    }
}

/// What somebody writes into the database to have a hospital of their own.
pub(crate) fn ghost(db: &Connection, key: &PublicKey) {
    let sql = "INSERT INTO hospital (institution, name, purchasing, kind, floor, state, key)
               VALUES ('ghost', 'Spookziekenhuis', 'north', 'general', 0, 'confirmed', ?1)";
    db.execute(sql, [key.0]).unwrap();
}
