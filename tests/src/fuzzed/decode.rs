//! Targets of the protocol's own decoders: whatever is read is written back as the same bytes.
//!
//! Signed documents are signed here, with the keys of the tests' town, so that the fuzzer gets behind the
//! signature. Of a document that was accepted everything is asked that a program would ask.

use super::taking;
use crate::adversary::town::{ANALYST, identity, town};
use samensom_protocol::admission::Admission;
use samensom_protocol::codec::{Blob, Bytes, List, decode, encode};
use samensom_protocol::crypto::channel::{IncarnationSecret, encapsulate};
use samensom_protocol::crypto::seal;
use samensom_protocol::crypto::sharing::{scalar, scalar_bytes};
use samensom_protocol::ids::{AttemptId, NodeId};
use samensom_protocol::io::{Failure, Record};
use samensom_protocol::ledger::LedgerView;
use samensom_protocol::message::{
    AlarmBody, Announce, Bound, Encapsulation, EndBody, FreezeBody, GoBody, Header, Message, Ready,
    ReportBody, ResultBody, StartBody, VoidAsk, VoidBody, is_channel,
};
use samensom_protocol::query::{Language, Query, Shown, table};
use samensom_protocol::roster::{Roster, RosterBody, RosterSignature, SignedRoster};
use samensom_protocol::secret::Secret;
use samensom_protocol::time::Time;
use samensom_protocol::warrant::{Approval, SignedWarrant, Warrant, WarrantBody, Word};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Cells of a query whose table is made; a larger one has the same rows, only more.
const CELLS: usize = 2_000;

/// Reads a value, which must be written back as it came.
fn canonical<T: Serialize + DeserializeOwned>(data: &[u8]) -> Option<T> {
    let value = taking(data.len(), || decode::<T>(data)).ok()?;
    assert_eq!(encode(&value).as_deref(), Ok(data), "a second encoding of one value was accepted");
    Some(value)
}

/// A frame of a session.
pub fn message(data: &[u8]) {
    let Ok(message) = taking(data.len(), || Message::from_frame(data)) else { return };
    assert_eq!(message.to_frame().as_deref(), Ok(data), "a second encoding of one message was accepted");
    let _ = (is_channel(data), format!("{message:?}"));
}

/// What stands under a signature; the first byte says what.
pub fn body(data: &[u8]) {
    let Some((which, data)) = data.split_first() else { return };
    match which % 18 {
        0 => drop(canonical::<Header>(data)),
        1 => drop(canonical::<WarrantBody>(data)),
        2 => drop(canonical::<RosterBody>(data)),
        3 => drop(canonical::<StartBody>(data)),
        4 => drop(canonical::<Ready>(data)),
        5 => drop(canonical::<GoBody>(data)),
        6 => drop(canonical::<ReportBody>(data)),
        7 => drop(canonical::<FreezeBody>(data)),
        8 => drop(canonical::<ResultBody>(data)),
        9 => drop(canonical::<EndBody>(data)),
        10 => drop(canonical::<VoidAsk>(data)),
        11 => drop(canonical::<VoidBody>(data)),
        12 => drop(canonical::<AlarmBody>(data)),
        13 => drop(canonical::<Announce>(data)),
        14 => drop(canonical::<Encapsulation>(data)),
        15 => drop(canonical::<Bound>(data)),
        16 => drop(canonical::<Word>(data)),
        _ => drop(canonical::<SignedWarrant>(data)),
    }
}

/// A frame of admission: hello, enrolment, rosters.
pub fn admission(data: &[u8]) {
    let Ok(admission) = taking(data.len(), || Admission::from_frame(data)) else { return };
    assert_eq!(admission.to_frame().as_deref(), Ok(data), "a second encoding of one frame was accepted");
    if let Admission::Rosters(rosters) = &admission {
        let head = town(3).roster.clone();
        for roster in rosters.iter() {
            let _ = (Roster::founding(roster).is_ok(), head.next(roster).is_ok());
        }
    }
}

/// Lines of JSON as ledger and store keep them: records, and why a session failed.
pub fn record(data: &[u8]) {
    let mut view = LedgerView::default();
    for line in data.split(|byte| *byte == b'\n') {
        if let Ok(failure) = taking(line.len(), || serde_json::from_slice::<Failure>(line)) {
            let again = serde_json::to_vec(&failure).expect("a failure is written");
            assert_eq!(serde_json::from_slice::<Failure>(&again).ok(), Some(failure));
        }
        let Ok(record) = taking(line.len(), || serde_json::from_slice::<Record>(line)) else { continue };
        let again = serde_json::to_vec(&record).expect("a record is written");
        let read = serde_json::from_slice::<Record>(&again).ok();
        assert_eq!(read.as_ref(), Some(&record), "a record comes back as another");
        let seq = view.seq();
        view.apply(&record);
        assert_eq!(view.seq(), seq + 1, "a record has a number of its own");
        if let Record::Voided { sid } = record {
            let _ = format!("{sid} {:?}", AttemptId::from_hex(&sid.to_hex()));
        }
    }
}

/// A roster: the second, signed by whom the first names; or, by the first byte, as it came.
pub fn roster(data: &[u8]) {
    let Some((signed, data)) = data.split_first() else { return };
    let first = Roster::founding(&crate::adversary::town::first()).expect("the town's first roster");
    let document = if signed % 2 == 0 {
        canonical::<SignedRoster>(data)
    } else {
        let Ok(body) = Blob::new(data.to_vec()) else { return };
        let signatures = (900..902).map(|i| RosterSignature::new(&identity(i), data)).collect();
        Some(SignedRoster { body, signatures: List::new(signatures).expect("two signatures") })
    };
    let Some(document) = document else { return };
    let _ = Roster::founding(&document).is_ok();
    let Ok(roster) = taking(document.body.len(), || first.next(&document)) else { return };
    assert_eq!(encode(roster.body()).as_deref(), Ok(&*document.body), "a second encoding of one roster");
    for member in roster.active() {
        assert_eq!(roster.member(member.id), Some(member), "an id is one hospital's");
        assert_eq!(roster.member_by_key(&member.key), Some(member), "a key is one hospital's");
    }
    assert!(usize::from(roster.size()) == roster.active().count() && roster.size() != 1);
}

/// A warrant: a body that the town's approver signed; or, by the first byte, as it came.
pub fn warrant(data: &[u8]) {
    let Some((signed, data)) = data.split_first() else { return };
    let roster = &town(4).roster;
    let document = if signed % 2 == 0 {
        canonical::<SignedWarrant>(data)
    } else {
        let Ok(body) = Blob::new(data.to_vec()) else { return };
        let approvals = List::new(vec![Approval::new(&identity(800), data)]).expect("one approval");
        let request = Word::Asked(WarrantBody::hash_of(data)).sign(&identity(ANALYST));
        Some(SignedWarrant { body, approvals, request: request.expect("a few bytes") })
    };
    let Some(document) = document else { return };
    let Ok(warrant) = taking(document.body.len(), || document.verify(roster, Time(1))) else { return };
    assert_eq!(encode(warrant.body()).as_deref(), Ok(&*document.body), "a second encoding of one warrant");
    fits(&warrant, roster);
    asked(warrant.query());
}

/// What holds of every warrant that may run: no sum of it can wrap.
fn fits(warrant: &Warrant, roster: &Roster) {
    let (layout, params) = (warrant.query().layout(), warrant.params());
    let largest = u128::from(roster.size()) * u128::from(layout.widest());
    assert!(largest < 1u128 << params.width, "a total of {largest} wraps at {} bits", params.width);
    assert_eq!(params.cells, layout.cells());
    let _ = warrant.floor(roster, &[NodeId(1), NodeId(60_000)]);
}

/// All that is asked of a query that was read.
fn asked(query: &Query) {
    let bytes = query.canonical().expect("a checked query has a canonical form");
    let again = Query::from_canonical(&bytes).expect("the canonical form of a query is read");
    assert_eq!(again, *query, "a query's canonical form is another query's");
    let (layout, _) = (query.layout(), query.describe(Language::Dutch));
    let cells = usize::try_from(layout.cells()).unwrap_or(usize::MAX);
    for cell in 0..layout.cells().min(64) {
        let (lo, hi) = layout.bounds(cell);
        assert!(lo <= hi && lo.abs_diff(hi) <= layout.widest());
    }
    if cells <= CELLS {
        for total in [0, 1, -1, i128::from(i64::MAX), i128::from(i64::MIN)] {
            let _ = table(query, &vec![total; cells], &Shown::All);
        }
    }
}

/// The text of a query; what comes after a line `%%` is the text of its code lists.
pub fn query_text(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else { return };
    let (text, codes) = text.split_once("\n%%\n").unwrap_or((text, "a\nb\n"));
    let read = taking(data.len(), || Query::from_toml(text, &mut |_| Ok(codes.to_owned())));
    match read {
        Ok(query) => asked(&query),
        Err(error) => drop(error.to_string()),
    }
}

/// The canonical form of a query.
pub fn query_canonical(data: &[u8]) {
    match taking(data.len(), || Query::from_canonical(data)) {
        Ok(query) => {
            assert_eq!(query.canonical().as_deref(), Ok(data), "a second encoding of one query");
            asked(&query);
        }
        Err(error) => drop(error.to_string()),
    }
}

/// Secrets and keys of other nodes: scalars, sealed shares, channel keys, ciphertexts.
pub fn secrets(data: &[u8]) {
    for bytes in data.chunks_exact(32).take(8) {
        let bytes = Bytes(<[u8; 32]>::try_from(bytes).expect("32 bytes"));
        if let Some(value) = scalar(&bytes) {
            assert_eq!(scalar_bytes(&value), bytes, "a second encoding of one scalar");
        }
    }
    let key = Secret::new([7; 32]);
    assert!(taking(data.len(), || seal::open(&key, data)).is_none(), "opened what nobody sealed");
    let mut rng = super::play::seeded(1);
    if let Ok(public) = data.get(..1216).unwrap_or_default().try_into() {
        let _ = taking(data.len(), || encapsulate(&Bytes(public), &mut rng));
    }
    if let Ok(ciphertext) = data.get(..1120).unwrap_or_default().try_into() {
        let _ = IncarnationSecret::generate(&mut rng).decapsulate(&Bytes(ciphertext));
    }
}
