//! Labels, hashes, signatures, Merkle trees and the numbers every party computes.

use super::hex;
use crate::admission::{TokenSecret, words};
use crate::codec::{Blob, Bytes, List, encode};
use crate::crypto::commit;
use crate::crypto::keys::Signed;
use crate::crypto::sharing::scalar_bytes;
use crate::crypto::transcript::tests::ALL;
use crate::crypto::transcript::{Label, Transcript};
use crate::crypto::tree::Tree;
use crate::ids::{
    AttemptId, DepositHash, GoHash, NodeId, QueryHash, ReportHash, ResultHash, RosterHash, SessionId,
    WarrantHash,
};
use crate::message::{Committed, Confirmation, Counted, Dealt, Opened, Pass, PerBlock, ReadyOf, Sealed};
use crate::params::Thresholds;
use crate::ring;
use crate::roster::Roster;
use crate::roster::tests::identity;
use crate::rounds::channel::announce_hash;
use crate::rounds::committed::{commitments_root, hash_of};
use crate::rounds::offer::{attempt_id, session_id};
use crate::rounds::{
    certificate_hash, freeze_hash, go_hash, opened_hash, report_hash, result_hash, start_hash, total_root,
};
use crate::transparency::{Ending, Entry, bundle_hash};
use crate::warrant::WarrantBody;
use curve25519_dalek::Scalar;
use serde_json::{Value, json};

const U: NodeId = NodeId(3);
const V: NodeId = NodeId(69);
const SID: AttemptId = AttemptId([1; 32]);
const GO: GoHash = GoHash([3; 32]);

pub(super) fn all() -> Value {
    json!({
        "labels": labels(),
        "parts": parts(),
        "signatures": signatures(),
        "ids": ids(),
        "chain": chain(),
        "merkle": merkle(),
        "transparency": transparency(),
        "thresholds": thresholds(),
        "widths": widths(),
    })
}

fn labels() -> Vec<Value> {
    let one = |(label, text): &(Label, &str)| json!({ "text": format!("fa/1 {text}"), "hash": hex(Transcript::new(*label).finish()) });
    ALL.iter().map(one).collect()
}

/// One of each kind of part, in this order, under the label of GO.
fn parts() -> Value {
    let all = Transcript::new(Label::Go).fixed(&[7; 32]).u16(258).u32(16_909_060).u64(72_623_859_790_382_856);
    json!({
        "label": "fa/1 go", "fixed": hex([7; 32]), "u16": 258, "u32": 16_909_060,
        "u64": 72_623_859_790_382_856u64, "count": 5, "bytes": hex(b"ab"),
        "hash": hex(all.count(5).bytes(b"ab").finish()),
    })
}

pub(super) const SIGNED: [(Signed, &str); 23] = [
    (Signed::Roster, "roster"),
    (Signed::Approval, "approval"),
    (Signed::Announce, "announce"),
    (Signed::Encapsulation, "encapsulation"),
    (Signed::Header, "header"),
    (Signed::Deposit, "deposit"),
    (Signed::Start, "start"),
    (Signed::Ready, "ready"),
    (Signed::Go, "go"),
    (Signed::Report, "contribute"),
    (Signed::Freeze, "freeze"),
    (Signed::Confirm, "confirm"),
    (Signed::Certificate, "cert"),
    (Signed::AskB, "ask-b"),
    (Signed::Result, "result"),
    (Signed::Alarm, "alarm"),
    (Signed::End, "end"),
    (Signed::VoidAsk, "void-ask"),
    (Signed::Void, "void"),
    (Signed::Enrolment, "enrolment"),
    (Signed::Log, "log"),
    (Signed::LogHead, "log-head"),
    (Signed::TreeHead, "tree-head"),
];

fn signatures() -> Value {
    let signer = identity(3);
    let raw = b"what was sent";
    let one =
        |(what, text): &(Signed, &str)| json!({ "type": text, "signature": hex(signer.sign(*what, raw).0) });
    json!({
        "seed": hex(signer.seed().expose()), "public": hex(signer.public().0), "raw": hex(raw),
        "types": SIGNED.iter().map(one).collect::<Vec<_>>(),
    })
}

fn ids() -> Value {
    let announce = Sealed { body: Blob::new(b"announce".to_vec()).unwrap(), signature: Bytes([0; 64]) };
    let query = Transcript::new(Label::Query).bytes(b"query").finish();
    let tie = Transcript::new(Label::Tie).fixed(&SID.0).u16(U.0).finish();
    json!({
        "sid": { "header": hex(b"header"), "hash": hex(attempt_id(b"header").0) },
        "session": {
            "warrant": hex([5; 32]), "slot": 25_000, "pass": "Value",
            "hash": hex(session_id(&WarrantHash([5; 32]), 25_000, Pass::Value).0),
        },
        "roster": { "body": hex(b"roster"), "hash": hex(Roster::hash_of(b"roster").0) },
        "query": { "body": hex(b"query"), "hash": hex(QueryHash(query).0) },
        "warrant": { "body": hex(b"warrant"), "hash": hex(WarrantBody::hash_of(b"warrant").0) },
        "announce": { "body": hex(b"announce"), "hash": hex(announce_hash(&announce).0) },
        "token": { "secret": hex([4; 32]), "hash": hex(TokenSecret(Bytes([4; 32])).hash()) },
        "words": { "of": hex([4; 32]), "words": words(&[4; 32]) },
        "tie": { "sid": hex(SID.0), "node": U.0, "hash": hex(tie) },
    })
}

/// Each hash goes into the next: START, GO, report, FREEZE, certificate, result.
fn chain() -> Value {
    let dealt = |node, byte| Dealt { node, deposit: DepositHash([byte; 32]) };
    let start = start_hash(&SID, &[dealt(U, 5), dealt(V, 6)]);
    let ready = |node, body: &[u8], byte| ReadyOf {
        node,
        ready: Sealed { body: Blob::new(body.to_vec()).unwrap(), signature: Bytes([byte; 64]) },
    };
    let readies = [ready(U, b"one", 8), ready(V, b"second", 9)];
    let blocks = [&b"block 0"[..], b"block 1", b"block 2"];
    let blindings = PerBlock::new(vec![Bytes([11; 32]), Bytes([12; 32])]).unwrap();
    let commitments = PerBlock::new(vec![Bytes([13; 32]), Bytes([14; 32])]).unwrap();
    let given = Committed {
        root: Bytes(commit::root(&blocks.map(commit::leaf))),
        blindings: Bytes(hash_of(&blindings)),
        commitments: commitments.clone(),
    };
    let report = report_hash(&GO, U, 27, 19_000, &given);
    let counted = |node, report| Counted { node, report, ledger_seq: 9, signature: Bytes([0; 64]) };
    let freeze = freeze_hash(&GO, &[counted(U, report), counted(V, ReportHash([6; 32]))]);
    let confirmed = |node, byte| Confirmation { node, signature: Bytes([byte; 64]) };
    let certificate = certificate_hash(&freeze, &[confirmed(U, 8), confirmed(V, 9)]);
    let lanes: Vec<u64> = (0..8193).collect();
    let total = total_root(&lanes);
    let opened = Opened {
        dealer: U,
        polynomial: List::new(vec![scalar_bytes(&Scalar::from(7u64))]).unwrap(),
        recovery: Blob::new(vec![10, 11]).unwrap(),
        recovery_path: List::new(vec![Bytes([6; 32])]).unwrap(),
    };
    let raw = encode(&opened).unwrap();
    let opened = opened_hash(&List::new(vec![opened]).unwrap()).unwrap();
    let result = result_hash(&certificate, &total, &blindings, &opened);
    let each = |all: &PerBlock| all.iter().map(|one| hex(one.0)).collect::<Vec<_>>();
    let node = |node: NodeId, name: &str, value: Value| json!({ "node": node.0, name: value });
    json!({
        "start": {
            "sid": hex(SID.0), "hash": hex(start.0),
            "cohort": [node(U, "deposit", hex([5; 32])), node(V, "deposit", hex([6; 32]))],
        },
        "go": {
            "start": hex(start.0), "hash": hex(go_hash(&start, &readies).unwrap().0),
            "readies": readies.map(|one| json!({
                "node": one.node.0, "body": hex(&*one.ready.body), "signature": hex(one.ready.signature.0),
            })),
        },
        "report": {
            "go": hex(GO.0), "node": U.0, "width": 27, "cells": 19_000, "blocks": blocks.map(hex),
            "blindings": each(&blindings), "commitments": each(&commitments), "hash": hex(report.0),
            "commitments_root": hex(commitments_root(commitments.iter())),
        },
        "freeze": {
            "go": hex(GO.0), "hash": hex(freeze.0),
            "survivors": [node(U, "report", hex(report.0)), node(V, "report", hex([6; 32]))],
        },
        "certificate": {
            "freeze": hex(freeze.0), "hash": hex(certificate),
            "confirmations": [node(U, "signature", hex([8; 64])), node(V, "signature", hex([9; 64]))],
        },
        "total": { "lanes_from_0_to": 8192, "root": hex(total) },
        "result": {
            "certificate": hex(certificate), "total": hex(total), "blindings": each(&blindings),
            "opened": [hex(raw)], "hash": hex(result.0),
        },
    })
}

fn merkle() -> Vec<Value> {
    let tree = |count: u8| {
        let data: Vec<Vec<u8>> = (0..count).map(|i| (0..i).map(|j| i * 16 + j).collect()).collect();
        let leaves: Vec<[u8; 32]> = data.iter().map(|data| commit::leaf(data)).collect();
        let paths = commit::paths(&leaves);
        json!({
            "leaves": data.iter().map(hex).collect::<Vec<_>>(),
            "paths": paths.iter().map(|path| path.iter().map(hex).collect()).collect::<Vec<Vec<_>>>(),
            "root": hex(commit::root(&leaves)),
            "consistency": (1..leaves.len()).map(|old| texts(tree_of(&leaves).consistency(old, leaves.len()))).collect::<Vec<_>>(),
        })
    };
    [0, 1, 2, 3, 5, 8, 13].into_iter().map(tree).collect()
}

fn tree_of(leaves: &[[u8; 32]]) -> Tree {
    let mut tree = Tree::default();
    leaves.iter().for_each(|leaf| tree.push(*leaf));
    tree
}

fn texts(proof: Option<Vec<[u8; 32]>>) -> Vec<Value> {
    proof.unwrap().iter().map(hex).collect()
}

/// One entry of each kind.
pub(super) fn entries() -> [(&'static str, Entry); 5] {
    let (session, attempt) = (SessionId([2; 32]), SID);
    let (result, bundle) = (ResultHash([7; 32]), bundle_hash(b"bundle"));
    [
        ("roster", Entry::Roster { epoch: 4, roster: RosterHash([5; 32]) }),
        ("warrant", Entry::Warrant { warrant: WarrantHash([6; 32]) }),
        ("ended", Entry::Ended { session, attempt: Some(attempt), ending: Ending::Sum }),
        ("refusals", Entry::Refusals { attempt, hospitals: 2 }),
        ("bundle", Entry::Bundle { attempt, result, bundle }),
    ]
}

/// The entries' encodings, and the root over each number of them.
fn transparency() -> Value {
    let encodings: Vec<Vec<u8>> = entries().iter().map(|(_, entry)| entry.to_bytes().unwrap()).collect();
    let leaves: Vec<[u8; 32]> = entries().iter().map(|(_, entry)| entry.leaf().unwrap()).collect();
    let roots = (0..=leaves.len()).map(|size| hex(commit::root(&leaves[..size])));
    json!({ "entries": encodings.iter().map(hex).collect::<Vec<_>>(), "roots": roots.collect::<Vec<_>>() })
}

fn thresholds() -> Vec<Value> {
    let of = |(n, honest_min): (u16, u16)| {
        let t = Thresholds::for_size(n, honest_min).unwrap();
        json!({
            "n": n, "honest_min": honest_min, "x": t.x, "k": t.k, "shares": t.shares, "quorum": t.quorum,
        })
    };
    let sizes =
        [(3, 0), (4, 0), (5, 0), (9, 0), (12, 0), (39, 0), (40, 0), (69, 0), (69, 12), (200, 0), (1024, 0)];
    sizes.into_iter().map(of).collect()
}

fn widths() -> Vec<Value> {
    let of = |(n, widest, cells): (u16, u64, u32)| {
        let width = ring::width(n, widest).unwrap();
        json!({
            "n": n, "widest": widest, "cells": cells, "width": width,
            "report_bytes": ring::packed_len(cells, width),
        })
    };
    [(69, 1, 8), (69, 0, 9), (5, 1100, 3), (69, 2_000_000_000, 19_000), (1024, u64::MAX >> 10, 2_000_000)]
        .into_iter()
        .map(of)
        .collect()
}
