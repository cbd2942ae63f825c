//! Bundles of five nodes as they are published, and what whoever verifies them reads in them.

use super::hex;
use crate::bundle::Bundle;
use crate::bundle::tests::{bundle_of, rng, session_of};
use crate::codec::{Blob, decode};
use crate::crypto::transcript::sha256;
use crate::ids::NodeId;
use crate::message::{Opening, Pass, ResultBody};
use crate::query::Lane;
use crate::testing::{Silence, World};
use crate::warrant::WarrantBody;
use crate::warrant::tests::{QUERY, approved, body};
use serde_json::{Value, json};

pub(super) fn all() -> Value {
    json!({ "bundles": [
        told("node 2 vanishes after its READY; no floor, no proofs", &plain()),
        told("stock of two codes, the second at two hospitals; a floor of three, and every sum proven", &counted()),
    ] })
}

fn plain() -> Bundle {
    let mut world = World::new(5, 43);
    let sum = world.run(&Silence::from([(2, 2)])).unwrap();
    bundle_of(&world, &sum)
}

/// Both passes of one slot.
pub(crate) fn counted() -> Bundle {
    let mut world = World::new(5, 44);
    let query = QUERY
        .replace("codes = [\"A\"]", "codes = [\"A\", \"B\"]")
        .replace("range = [-100, 1000]", "range = [-100, 1000]\nchecked = true");
    let terms = WarrantBody { floor_hospitals: 3, ..body(&world.roster, &query) };
    world.signed = approved(&terms, &[800, 801]);
    world.warrant = std::sync::Arc::new(world.signed.verify(&world.roster, world.now).unwrap());
    let second = |node: NodeId| if node.0 <= 2 { [i64::from(node.0) * 9, 4, 1] } else { [0; 3] };
    world.values.iter_mut().for_each(|(node, values)| values.extend(second(*node)));
    let lanes = world.warrant.count().unwrap().counting.lanes().to_vec();
    assert!(matches!(lanes[..], [Lane::Rows(_), Lane::Matter(..)]));
    let said = |node: &NodeId| [1, 1, i64::from(node.0 <= 2), i64::from(node.0 <= 2)].to_vec();
    world.counts = world.values.keys().map(|node| (*node, said(node))).collect();

    world.pass = Pass::Count;
    let counts = world.run(&Silence::new()).unwrap();
    let count = session_of(&world, &counts).1;
    let result: ResultBody = decode(&counts.outcome.body.body).unwrap();
    let least = world.warrant.least(&world.roster, &counts.survivors);
    let open = world.warrant.count().unwrap().counting.open(&counts.lanes, least);
    let open = Blob::new(open.to_bytes()).unwrap();
    assert_eq!(*open, [0b000_111]);
    let opening = Opening { freeze: counts.bound.freeze, result: result.result, open };
    world.pass = Pass::Value;
    world.opening = Some((opening, counts.survivors));
    world.frames.clear();
    world.spool.clear();
    let sum = world.run(&Silence::new()).unwrap();
    let (warrant, value) = session_of(&world, &sum);
    Bundle::new(&world.chain, warrant, Some(count), value).unwrap()
}

fn told(about: &str, bundle: &Bundle) -> Value {
    let verified = bundle.verify(&mut rng()).unwrap();
    let opened = |(cell, total): (u32, i128)| verified.facts.may_hold(cell).then_some(total);
    let totals: Vec<Option<i128>> = (0u32..).zip(verified.totals()).map(opened).collect();
    let totals: Vec<Option<i64>> =
        totals.into_iter().map(|total| total.map(|total| i64::try_from(total).unwrap())).collect();
    json!({
        "about": about,
        "founding": hex(verified.founding.0),
        "words": crate::admission::words(&verified.founding.0),
        "at": verified.at.0,
        "survivors": verified.survivors.iter().map(|node| node.0).collect::<Vec<_>>(),
        "dropped": verified.dropped.iter().map(|node| node.0).collect::<Vec<_>>(),
        "totals": totals,
        "result": hex(verified.result.0),
        "file_sha256": hex(sha256(&serde_json::to_vec(bundle).unwrap())),
        "bundle": serde_json::to_value(bundle).unwrap(),
    })
}
