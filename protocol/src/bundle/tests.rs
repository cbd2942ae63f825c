//! A small bundle (n = 5, L = 3): accepted as it is, refused after any change.

use super::*;
use crate::codec::{Bytes, decode, encode};
use crate::io::{Record, Sum};
use crate::message::{
    Counted, Dealt, DepositHead, FreezeBody, GoBody, Header, Message, Ready, ResultBody, Round, StartBody,
};
use crate::roster::RosterBody;
use crate::rounds::committed::commitments_root;
use crate::rounds::{certificate_hash, freeze_hash, go_hash, result_hash, start_hash};
use crate::testing::{Silence, World};
use crate::warrant::WarrantBody;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The bundle of a session, from what the coordinator wrote down.
pub(crate) fn bundle_of(world: &World, sum: &Sum) -> Bundle {
    let (warrant, value) = session_of(world, sum);
    Bundle::new(&world.chain, warrant, None, value).unwrap()
}

pub(crate) fn session_of(world: &World, sum: &Sum) -> (SignedWarrant, BundledSession) {
    let sent = |round: Round| {
        let of = |record: &Record| match record {
            Record::Sent { sid, round: of, bytes, .. } if *sid == sum.sid && *of == round => {
                Some(bytes.to_vec())
            }
            _ => None,
        };
        world.written.iter().filter_map(of).collect()
    };
    let received = |round: Round| {
        world.written.iter().filter_map(move |record| match record {
            Record::Received { sid, node, round: of, bytes } if *sid == sum.sid && *of == round => {
                Some((*node, Message::from_frame(bytes).unwrap()))
            }
            _ => None,
        })
    };
    crate::bundle::assemble(&sent, &mut |round| received(round).collect()).unwrap()
}

/// What a verifier draws weights from.
pub(crate) fn rng() -> rand_chacha::ChaCha20Rng {
    rand_chacha::rand_core::SeedableRng::seed_from_u64(3)
}

fn small(dropout: bool) -> (World, Sum, Bundle) {
    let mut world = World::new(5, 7);
    let silence = if dropout { Silence::from([(2, 2)]) } else { Silence::new() };
    let sum = world.run(&silence).unwrap();
    let bundle = bundle_of(&world, &sum);
    (world, sum, bundle)
}

#[test]
fn a_bundle_gives_the_total_and_who_is_in_it() {
    for dropout in [false, true] {
        let (world, sum, bundle) = small(dropout);
        let verified = bundle.verify(&mut rng()).unwrap();
        assert_eq!(verified.survivors, sum.survivors);
        assert_eq!(verified.dropped.len(), usize::from(dropout));
        assert_eq!(verified.totals(), world.clear(&sum.survivors));
        let text = serde_json::to_string(&bundle).unwrap();
        assert!(serde_json::from_str::<Bundle>(&text).unwrap() == bundle);
    }
}

/// 69 hospitals, 1,000 figures, a count pass and a value pass: at most 600 KB.
#[test]
fn a_bundle_of_69_is_small() {
    let mut world = World::new(69, 7);
    let sum = world.run(&Silence::new()).unwrap();
    let bundle = bundle_of(&world, &sum);
    let whole = serde_json::to_string(&bundle).unwrap().len();
    let session = serde_json::to_string(&bundle.value).unwrap().len();
    // 1,000 figures are one block of commitments, as 3 are; the total is longer, by 64 bits a figure at most.
    let more = 2 * 8 * 1_000;
    println!("{whole} bytes for 3 figures in one pass, {} for 1,000 in two", whole + session + 2 * more);
    assert!(whole + session + 2 * more <= 600_000);
}

#[test]
fn every_single_byte_flip_is_refused() {
    let (_, _, bundle) = small(true);
    let text = serde_json::to_string(&bundle).unwrap().into_bytes();
    let accepted = |bytes: &[u8]| {
        let read: Option<Bundle> = serde_json::from_slice(bytes).ok();
        let canonical = read.filter(|read| serde_json::to_vec(read).unwrap() == bytes);
        canonical.is_some_and(|read| read.verify(&mut rng()).is_ok())
    };
    assert!(accepted(&text));
    let half = text.len() / 2;
    std::thread::scope(|scope| {
        for range in [0..half, half..text.len()] {
            let mut bytes = text.clone();
            scope.spawn(move || {
                for i in range {
                    bytes[i] ^= 1;
                    assert!(!accepted(&bytes), "byte {i} flipped");
                    bytes[i] ^= 1;
                }
            });
        }
    });
    println!("{} flips refused", text.len());
}

/// Every leaf of a JSON value changed, one at a time.
fn changes(value: &Value) -> Vec<Value> {
    match value {
        Value::Null => vec![],
        Value::Bool(b) => vec![Value::Bool(!b)],
        Value::Number(n) => vec![Value::from(n.as_u64().map_or(1, |n| n ^ 1))],
        Value::String(s) if s.is_empty() => vec![Value::from("00")],
        Value::String(s) => {
            let last = s.chars().last().unwrap();
            let other = if last == '0' { '1' } else { '0' };
            vec![Value::from(format!("{}{other}", &s[..s.len() - last.len_utf8()]))]
        }
        Value::Array(items) => {
            let mut all = Vec::new();
            for (i, item) in items.iter().enumerate() {
                all.extend(changes(item).into_iter().map(|changed| {
                    let mut items = items.clone();
                    items[i] = changed;
                    Value::Array(items)
                }));
                let mut fewer = items.clone();
                fewer.remove(i);
                all.push(Value::Array(fewer));
            }
            all
        }
        Value::Object(fields) => {
            let mut all = Vec::new();
            for (name, field) in fields {
                all.extend(changes(field).into_iter().map(|changed| {
                    let mut fields = fields.clone();
                    fields[name] = changed;
                    Value::Object(fields)
                }));
            }
            all
        }
    }
}

/// The encodings of `body` with one field changed.
fn bodies<T: Serialize + DeserializeOwned>(body: &[u8]) -> Vec<Vec<u8>> {
    let value: T = decode(body).unwrap();
    let changed = changes(&serde_json::to_value(&value).unwrap());
    let read = changed.into_iter().filter_map(|value| serde_json::from_value::<T>(value).ok());
    read.map(|value| encode(&value).unwrap()).filter(|bytes| bytes != body).collect()
}

fn sealed<T: Serialize + DeserializeOwned, const MAX: usize>(of: &Sealed<MAX>) -> Vec<Sealed<MAX>> {
    let with = |body| Sealed { body: Blob::new(body).unwrap(), signature: of.signature };
    bodies::<T>(&of.body).into_iter().map(with).collect()
}

fn with<T: Serialize + DeserializeOwned + PartialEq>(
    sealed_body: &mut Blob<128>,
    change: impl FnOnce(&mut T),
) -> Option<()> {
    let mut value: T = decode(sealed_body).ok()?;
    change(&mut value);
    *sealed_body = Blob::new(encode(&value).unwrap()).unwrap();
    Some(())
}

/// Recomputes every hash that needs no key, from the first to the last, so that only signatures are left to
/// find a change; `None` when the change left a body that is none.
fn rehash(bundle: &mut Bundle) -> Option<()> {
    let mut rosters = bundle.rosters.to_vec();
    for i in 1..rosters.len() {
        let previous = Roster::hash_of(&rosters[i - 1].body);
        let mut body: RosterBody = decode(&rosters[i].body).ok()?;
        body.previous = previous;
        rosters[i].body = Blob::new(encode(&body).unwrap()).unwrap();
    }
    let roster = Roster::hash_of(&rosters.last().unwrap().body);
    bundle.rosters = List::new(rosters).unwrap();
    let mut warrant: WarrantBody = decode(&bundle.warrant.body).ok()?;
    warrant.roster = roster;
    bundle.warrant.body = Blob::new(encode(&warrant).unwrap()).unwrap();
    let mut header: Header = decode(&bundle.value.header.body).ok()?;
    (header.roster, header.warrant) = (roster, bundle.warrant.hash());
    bundle.value.header.body = Blob::new(encode(&header).unwrap()).unwrap();
    let sid = crate::rounds::offer::attempt_id(&bundle.value.header.body);
    let mut dealt = Vec::new();
    let mut deposits = bundle.value.deposits.to_vec();
    for deposit in &mut deposits {
        let own = bundle.value.reports.iter().find(|one| one.node == deposit.head.node);
        let root = own.map(|one| Bytes(commitments_root(one.committed.commitments.iter())));
        let contribution = root.unwrap_or(deposit.head.contribution);
        deposit.head = DepositHead { sid, contribution, ..deposit.head.clone() };
        let (leaf, path) = (crate::rounds::leaf_of(&deposit.head).unwrap(), deposit.path.iter());
        let path: Vec<[u8; 32]> = path.map(|hash| hash.0).collect();
        let count = header.invited.len() + 3;
        let root = crate::crypto::commit::root_from_path(leaf, 0, count, &path);
        dealt.push(Dealt { node: deposit.head.node, deposit: crate::ids::DepositHash(root?) });
    }
    bundle.value.deposits = List::new(deposits).unwrap();
    bundle.value.start.body =
        Blob::new(encode(&StartBody { sid, cohort: List::new(dealt.clone()).unwrap() }).unwrap()).unwrap();
    let start = start_hash(&sid, &dealt);
    let mut readies = bundle.value.readies.to_vec();
    for one in &mut readies {
        let ready: Ready = decode(&one.ready.body).ok()?;
        one.ready.body = Blob::new(encode(&Ready { sid, start, ..ready }).unwrap()).unwrap();
    }
    bundle.value.readies = List::new(readies).unwrap();
    let go = go_hash(&start, &bundle.value.readies).unwrap();
    with::<GoBody>(&mut bundle.value.go.body, |body| *body = GoBody { sid, go })?;
    let mut reports = bundle.value.reports.to_vec();
    let mut survivors = Vec::new();
    for one in &mut reports {
        let (width, cells) = (16, 3);
        let report = crate::rounds::report_hash(&go, one.node, width, cells, &one.committed);
        let signature = one.body.signature;
        with::<crate::message::ReportBody>(&mut one.body.body, |body| {
            (body.sid, body.go, body.report) = (sid, go, report);
            survivors.push(Counted { node: one.node, report, ledger_seq: body.ledger_seq, signature });
        })?;
    }
    bundle.value.reports = List::new(reports).unwrap();
    let freeze = freeze_hash(&go, &survivors);
    with::<FreezeBody>(&mut bundle.value.freeze.body, |body| *body = FreezeBody { sid, freeze })?;
    with::<FreezeBody>(&mut bundle.value.certificate.body.body, |body| *body = FreezeBody { sid, freeze })?;
    let certificate = certificate_hash(&freeze, &bundle.value.certificate.confirmations);
    let mut result: ResultBody = decode(&bundle.value.result.body).ok()?;
    let value = &bundle.value;
    let mut lanes = vec![0; 3];
    let mut unpacker = crate::ring::Unpacker::new(16);
    value.total.iter().for_each(|block| unpacker.add(block, &mut lanes));
    result.total = Bytes(crate::rounds::total_root(&lanes));
    let hash = result_hash(&certificate, &result.total.0, &value.blindings, &value.opened.0);
    (result.sid, result.freeze, result.result) = (sid, freeze, hash);
    bundle.value.result.body = Blob::new(encode(&result).unwrap()).unwrap();
    Some(())
}

#[test]
fn every_field_change_is_refused_even_with_all_unkeyed_hashes_recomputed() {
    let (_, _, bundle) = small(true);
    let mut same = bundle.clone();
    rehash(&mut same).unwrap();
    assert!(same == bundle, "recomputing changes nothing in a true bundle");

    let mut liars: Vec<Bundle> = Vec::new();
    for (i, roster) in bundle.rosters.iter().enumerate() {
        for body in bodies::<RosterBody>(&roster.body) {
            let mut liar = bundle.clone();
            let mut rosters = liar.rosters.to_vec();
            rosters[i].body = Blob::new(body).unwrap();
            liar.rosters = List::new(rosters).unwrap();
            liars.push(liar);
        }
    }
    for body in bodies::<WarrantBody>(&bundle.warrant.body) {
        let mut liar = bundle.clone();
        liar.warrant.body = Blob::new(body).unwrap();
        liars.push(liar);
    }
    liars.extend(
        sealed::<Header, _>(&bundle.value.header).into_iter().map(|header| Bundle {
            value: BundledSession { header, ..bundle.value.clone() },
            ..bundle.clone()
        }),
    );
    for body in bodies::<ResultBody>(&bundle.value.result.body) {
        let mut liar = bundle.clone();
        liar.value.result.body = Blob::new(body).unwrap();
        liars.push(liar);
    }
    // Fields outside signed bodies: heads of deposits, READY lists, commitments, confirmations, total, R.
    let whole = serde_json::to_value(&bundle).unwrap();
    for field in ["rosters", "warrant"] {
        for changed in changes(&whole[field]) {
            let mut value = whole.clone();
            value[field] = changed;
            liars.extend(serde_json::from_value::<Bundle>(value).ok());
        }
    }
    for field in
        ["deposits", "readies", "reports", "certificate", "result", "opened", "blindings", "total", "header"]
    {
        for changed in changes(&whole["value"][field]) {
            let mut value = whole.clone();
            value["value"][field] = changed;
            liars.extend(serde_json::from_value::<Bundle>(value).ok());
        }
    }
    let mut refused = 0;
    for mut liar in liars {
        if liar == bundle {
            continue;
        }
        assert!(liar.verify(&mut rng()).is_err(), "a changed bundle is refused as it is");
        let recomputed = rehash(&mut liar);
        assert!(
            recomputed.is_none() || liar == bundle || liar.verify(&mut rng()).is_err(),
            "and with its hashes recomputed"
        );
        refused += 1;
    }
    println!("{refused} changed bundles refused");
    assert!(refused > 350);
}
