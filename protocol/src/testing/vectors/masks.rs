//! Mask streams, packing, and a small masked sum with one dropout.

use super::hex;
use crate::crypto::mask::{Mask, Sign, apply};
use crate::crypto::transcript::{Label, derive};
use crate::ring::{lane_mask, pack, reduce};
use serde_json::{Value, json};

pub(super) fn all() -> Value {
    json!({ "streams": [stream(&[1; 32]), stream(&[0xfe; 32])], "packing": packing(), "sum": sum() })
}

fn bytes(lanes: &[u64]) -> Vec<u8> {
    lanes.iter().flat_map(|lane| lane.to_le_bytes()).collect()
}

/// The beginning of a stream, and lanes further on: around pieces and blocks, and far away.
fn stream(seed: &[u8; 32]) -> Value {
    let mut lanes = vec![0u64; 100_008];
    apply(&mut lanes, &mut [Mask::new(seed, Sign::Plus)]);
    let mut minus = vec![0u64; 2];
    apply(&mut minus, &mut [Mask::new(seed, Sign::Minus)]);
    let at = |lane: usize| json!({ "lane": lane, "bytes": hex(bytes(&lanes[lane..lane + 4])) });
    json!({
        "seed": hex(seed), "key": hex(derive(seed, Label::Cells, &[]).expose()),
        "first": hex(bytes(&lanes[..16])), "later": [at(4094), at(8191), at(65_535), at(100_001)],
        "taken_from_zero": minus,
    })
}

fn packing() -> Vec<Value> {
    let of = |width: u8| {
        let lanes: Vec<u64> =
            (1..=5u64).map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15) & lane_mask(width)).collect();
        json!({ "width": width, "lanes": lanes, "packed": hex(pack(&lanes, width)) })
    };
    [1, 7, 8, 13, 31, 32, 33, 63, 64].into_iter().map(of).collect()
}

/// Nodes 1, 4 and 9 mask; 4 drops out; what opens the rest.
fn sum() -> Value {
    let width = 13;
    let own = |node: u8| [node; 32];
    let pair = |u: u8, v: u8| [u.min(v) * 16 + u.max(v); 32];
    let mask = |me: u8, x: [u64; 5]| {
        let mut lanes = x.to_vec();
        let mut masks = vec![Mask::new(&own(me), Sign::Plus)];
        for other in [1, 4, 9].into_iter().filter(|other| *other != me) {
            let sign = if me < other { Sign::Plus } else { Sign::Minus };
            masks.push(Mask::new(&pair(me, other), sign));
        }
        apply(&mut lanes, &mut masks);
        reduce(&mut lanes, width);
        lanes
    };
    let (x1, x9) = ([0, 1, 2, 1000, 1638], [1638, 0, 5, 7, 638]);
    let (y1, y9) = (mask(1, x1), mask(9, x9));
    let total: Vec<u64> = x1.iter().zip(x9).map(|(a, b)| a + b).collect();
    json!({
        "width": width,
        "own_seeds": { "1": hex(own(1)), "9": hex(own(9)) },
        "pair_seeds": { "1-4": hex(pair(1, 4)), "1-9": hex(pair(1, 9)), "4-9": hex(pair(4, 9)) },
        "reports": {
            "1": { "lanes": x1, "masked": y1, "packed": hex(pack(&y1, width)) },
            "9": { "lanes": x9, "masked": y9, "packed": hex(pack(&y9, width)) },
        },
        "total": total,
    })
}
