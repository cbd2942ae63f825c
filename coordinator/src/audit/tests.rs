//! The heads of the hospitals, what is told once, and what never stands in a record.

use super::*;
use crate::control::Request;
use crate::store::tests::identity;
use samensom_protocol::ids::{LogHash, SessionId};
use tempfile::TempDir;

fn open(place: &TempDir) -> (Folder, Audit) {
    let folder = Folder::new(place.path());
    if !folder.key().exists() {
        crate::folder::write_key(&folder.key(), &identity(700)).unwrap();
    }
    let audit = Audit::open(&folder, &Arc::new(identity(700))).unwrap();
    (folder, audit)
}

fn head(of: u16, number: u64, hash: u8) -> SignedHead {
    SignedHead::new(&identity(of), Head { number, hash: LogHash([hash; 32]) }).unwrap()
}

fn words(folder: &Folder) -> String {
    show(folder, None, None).unwrap().1
}

#[test]
fn a_hospitals_head_is_kept_and_one_that_goes_back_is_told() {
    let place = TempDir::new().unwrap();
    let (folder, audit) = open(&place);
    let key = identity(3).public();
    let note = |audit: &Audit, head: SignedHead| audit.note(NodeId(3), key, head).unwrap();
    let before = |answer: Option<Admission>| match answer {
        Some(Admission::LogNoted { before, own }) => {
            assert!(own.is_of(&identity(700).public()));
            (before.map(|head| head.number), own.head.number)
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(before(note(&audit, head(3, 7, 1))), (None, 1));
    assert_eq!(before(note(&audit, head(3, 7, 1))), (Some(7), 1), "the same, kept once");
    assert_eq!(before(note(&audit, head(3, 9, 2))), (Some(7), 2));
    assert_eq!(note(&audit, head(4, 11, 1)), None, "another's signature");
    drop(audit);
    // Also after a restart.
    let (_, audit) = open(&place);
    assert_eq!(before(note(&audit, head(3, 8, 3))), (Some(9), 4));
    assert_eq!(before(note(&audit, head(3, 8, 4))), (Some(8), 6), "another record of the same number");
    let told = words(&folder);
    assert_eq!(told.matches("is not the one that was kept").count(), 2, "{told}");
    let (facts, _) = show(&folder, None, None).unwrap();
    assert_eq!(facts.as_array().unwrap().iter().filter(|one| one["event"] == "head").count(), 4);
    // The hospital that flushes heads without end fills no disk.
    let answers = (10..1_000).filter(|number| note(&audit, head(3, *number, 5)).is_some()).count();
    assert!((200..=256).contains(&answers), "{answers}");
}

#[test]
fn the_heads_that_a_hospital_kept_find_a_log_signed_anew_with_the_stolen_key() {
    let place = TempDir::new().unwrap();
    let (folder, audit) = open(&place);
    let told =
        |session: u8| Event::ResultRead { session: SessionId([session; 32]), what: "shown".to_owned() };
    audit.tell_all((1..=3).map(told).collect()).unwrap();
    let own = audit.keeper().unwrap().log.head();
    let kept = SignedHead::new(&identity(700), own).unwrap();
    let file = place.path().join("heads.jsonl");
    let line = serde_json::json!({ "key": identity(700).public(), "head": kept });
    std::fs::write(&file, format!("{line}\n")).unwrap();
    assert_eq!(verify(&folder, Some(&file)).unwrap().0["compared"], 1);
    std::fs::remove_dir_all(folder.audit()).unwrap();
    let (_, audit) = open(&place);
    audit.tell_all((4..=9).map(told).collect()).unwrap();
    assert!(verify(&folder, None).is_ok(), "by itself it is whole");
    let error = verify(&folder, Some(&file)).unwrap_err();
    assert!(error.to_string().contains("record 3: the other side kept another record"), "{error}");
    assert_eq!(error.exit_code(), 8);
    std::fs::write(&file, "{}\n").unwrap();
    assert!(verify(&folder, Some(&file)).unwrap_err().to_string().contains("line 1"));
    std::fs::write(&file, "\n").unwrap();
    assert!(verify(&folder, Some(&file)).unwrap_err().to_string().contains("no head of this log's key"));
}

#[test]
fn refusals_are_told_once_a_minute_and_questions_not_at_all() {
    let place = TempDir::new().unwrap();
    let (folder, audit) = open(&place);
    let refused = |node: u16| Event::TokenRefused { hospital: NodeId(node), why: "UnknownToken".to_owned() };
    for number in 0..5_000u16 {
        audit.tell(refused(number % 3)).unwrap();
    }
    assert_eq!(audit.keeper().unwrap().log.head().number, 3);
    assert_eq!(Event::asked(&Request::Status), None);
    let asked = Event::asked(&Request::HospitalToken { hospital: "x".repeat(500), valid_ms: 1 }).unwrap();
    audit.tell(asked).unwrap();
    let told = words(&folder);
    assert!(told.contains("hospital token: hospital xxx") && !told.contains(&"x".repeat(201)), "{told}");
    let mut out = Vec::new();
    export(&folder, ExportFormat::Cef, (None, None), &mut out).unwrap();
    assert!(String::from_utf8(out).unwrap().lines().all(|line| line.starts_with("CEF:0|Samensom|samensom|")));
}

/// An agent that was sent old offers again refused each of them, and the server wrote and synced a record for each: 16,725
/// in one session, which ended for want of time.
#[test]
fn repro_a_refusal_is_told_once_and_of_the_open_attempt_alone() {
    use samensom_protocol::ids::AttemptId;
    use samensom_protocol::io::{Input, Peer};
    use samensom_protocol::message::Message;
    use samensom_protocol::time::Time;
    let (session, open_attempt) = (SessionId([1; 32]), AttemptId([2; 32]));
    let refusal = |attempt: AttemptId| {
        let bytes = Message::Refusal(attempt).to_frame().unwrap();
        Event::heard(
            (session, Some(open_attempt)),
            &Input::Frame { from: Peer::Node(NodeId(3)), bytes, at: Time(1) },
        )
    };
    assert_eq!(refusal(AttemptId([9; 32])), None);
    let place = TempDir::new().unwrap();
    let (folder, audit) = open(&place);
    for _ in 0..100 {
        audit.tell(refusal(open_attempt).unwrap()).unwrap();
    }
    let (facts, _) = show(&folder, None, None).unwrap();
    assert_eq!(facts.as_array().unwrap().iter().filter(|one| one["event"] == "refused").count(), 1);
}
