//! A small bundle (n = 5, L = 3): accepted as it is, refused after any change.

use super::*;
use crate::codec::{decode, encode};
use crate::io::{Record, Sum};
use crate::message::{Dealt, DepositHead, Header, Message, Ready, Round};
use crate::roster::RosterBody;
use crate::testing::{Silence, World};
use crate::warrant::WarrantBody;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The bundle of a session, from what the coordinator wrote down.
pub(crate) fn bundle_of(world: &World, sum: &Sum) -> Bundle {
    let sent = |round: Round| {
        let found = world.written.iter().rev().find_map(|record| match record {
            Record::Sent { sid, round: of, bytes, .. } if *sid == sum.sid && *of == round => {
                Some(bytes.to_vec())
            }
            _ => None,
        });
        found.unwrap()
    };
    let received = |round: Round| {
        world.written.iter().filter_map(move |record| match record {
            Record::Received { sid, node, round: of, bytes } if *sid == sum.sid && *of == round => {
                Some((*node, Message::from_frame(bytes).unwrap()))
            }
            _ => None,
        })
    };
    crate::bundle::assemble(
        &world.chain,
        &sent,
        &mut |round| received(round).collect(),
        &mut |node| world.spool.range((node, 0)..=(node, u32::MAX)).map(|(_, block)| block.clone()).collect(),
        sum,
    )
    .unwrap()
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
        let verified = bundle.verify().unwrap();
        assert_eq!(verified.survivors, sum.survivors);
        assert_eq!(verified.dropped.len(), usize::from(dropout));
        assert_eq!(verified.totals(), world.clear(&sum.survivors));
        let text = serde_json::to_string(&bundle).unwrap();
        assert!(serde_json::from_str::<Bundle>(&text).unwrap() == bundle);
    }
}

#[test]
fn every_single_byte_flip_is_refused() {
    let (_, _, bundle) = small(true);
    let text = serde_json::to_string(&bundle).unwrap().into_bytes();
    let accepted = |bytes: &[u8]| {
        let read: Option<Bundle> = serde_json::from_slice(bytes).ok();
        let canonical = read.filter(|read| serde_json::to_vec(read).unwrap() == bytes);
        canonical.is_some_and(|read| read.verify().is_ok())
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
    let mut header: Header = decode(&bundle.header.body).ok()?;
    (header.roster, header.warrant) = (roster, bundle.warrant.hash());
    bundle.header.body = Blob::new(encode(&header).unwrap()).unwrap();
    let sid = crate::rounds::offer::attempt_id(&bundle.header.body);
    let mut dealt = Vec::new();
    let mut deposits = bundle.deposits.to_vec();
    for deposit in &mut deposits {
        let leaves = crate::rounds::leaves_root(deposit.sections.iter().map(|s| &s.leaf)).unwrap();
        let z = crate::crypto::transcript::sha256(&encode(&deposit.z).unwrap());
        deposit.head = DepositHead { sid, leaves: Bytes(leaves), z: Bytes(z), ..deposit.head.clone() };
        dealt.push(Dealt { node: deposit.head.node, deposit: crate::rounds::deposit_hash(deposit).unwrap() });
    }
    bundle.deposits = List::new(deposits).unwrap();
    bundle.start.body =
        Blob::new(encode(&StartBody { sid, cohort: List::new(dealt.clone()).unwrap() }).unwrap()).unwrap();
    let start = start_hash(&sid, &dealt);
    let mut readies = bundle.readies.to_vec();
    for one in &mut readies {
        let ready: Ready = decode(&one.ready.body).ok()?;
        one.ready.body = Blob::new(encode(&Ready { sid, start, ..ready }).unwrap()).unwrap();
    }
    bundle.readies = List::new(readies).unwrap();
    let go = go_hash(&start, &bundle.readies).unwrap();
    with::<GoBody>(&mut bundle.go.body, |body| *body = GoBody { sid, go })?;
    let mut reports = bundle.reports.to_vec();
    let mut survivors = Vec::new();
    for one in &mut reports {
        let blocks: Vec<_> = one.blocks.iter().map(|block| crate::crypto::commit::leaf(block)).collect();
        let (width, cells) = (16, 3);
        let report = crate::rounds::report_hash(&go, one.node, width, cells, &blocks);
        with::<crate::message::ReportBody>(&mut one.head.body.body, |body| {
            (body.sid, body.go, body.report) = (sid, go, report);
            let signature = one.head.body.signature;
            survivors.push(Counted { node: one.node, report, ledger_seq: body.ledger_seq, signature });
        })?;
    }
    bundle.reports = List::new(reports).unwrap();
    let freeze = freeze_hash(&go, &survivors);
    with::<FreezeBody>(&mut bundle.freeze.body, |body| *body = FreezeBody { sid, freeze })?;
    with::<FreezeBody>(&mut bundle.certificate.body.body, |body| *body = FreezeBody { sid, freeze })?;
    let certificate = certificate_hash(&freeze, &bundle.certificate.confirmations);
    let mut result: ResultBody = decode(&bundle.outcome.body.body).ok()?;
    let hash = result_hash(&certificate, &result.total.0, &bundle.outcome.opened).unwrap();
    (result.sid, result.freeze, result.result) = (sid, freeze, hash);
    bundle.outcome.body.body = Blob::new(encode(&result).unwrap()).unwrap();
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
        sealed::<Header, _>(&bundle.header).into_iter().map(|header| Bundle { header, ..bundle.clone() }),
    );
    for body in bodies::<ResultBody>(&bundle.outcome.body.body) {
        let mut liar = bundle.clone();
        liar.outcome.body.body = Blob::new(body).unwrap();
        liars.push(liar);
    }
    // Fields outside signed bodies: deposits, READY lists, reports, confirmations, opened secrets.
    let whole = serde_json::to_value(&bundle).unwrap();
    for field in ["deposits", "readies", "reports", "certificate", "outcome", "rosters", "warrant", "header"]
    {
        for changed in changes(&whole[field]) {
            let mut value = whole.clone();
            value[field] = changed;
            liars.extend(serde_json::from_value::<Bundle>(value).ok());
        }
    }
    let mut refused = 0;
    for mut liar in liars {
        if liar == bundle {
            continue;
        }
        assert!(liar.verify().is_err(), "a changed bundle is refused as it is");
        let recomputed = rehash(&mut liar);
        assert!(
            recomputed.is_none() || liar == bundle || liar.verify().is_err(),
            "and with its hashes recomputed"
        );
        refused += 1;
    }
    println!("{refused} changed bundles refused");
    assert!(refused > 600);
}
