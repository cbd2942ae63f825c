//! One dealer's sharing in full: polynomials, shares, commitments, challenges, z, interpolation.

use super::hex;
use crate::codec::{Bytes, List, encode};
use crate::crypto::sharing::{
    Inverses, Polynomial, Statement, Which, combine, commit, interpolate, scalar_bytes,
};
use crate::crypto::transcript::sha256;
use crate::ids::{AttemptId, GoHash, NodeId};
use crate::message::{Leaf, Public};
use crate::rounds::{leaf_of, leaves_root};
use crate::testing::tape::Tape;
use curve25519_dalek::Scalar;
use serde_json::{Value, json};

const SID: AttemptId = AttemptId([1; 32]);
const DEALER: NodeId = NodeId(3);
const THRESHOLD: u16 = 4;
const HOLDERS: u16 = 7;

fn coefficients(f: &Polynomial) -> Vec<Value> {
    f.coefficients().iter().map(|c| hex(c.to_bytes())).collect()
}

pub(super) fn all() -> Value {
    json!({ "dealer": dealt(), "single": single() })
}

fn dealt() -> Value {
    let mut tape = Tape::new(5);
    let [r, b, g_r, g_b] = [0; 4].map(|_| Polynomial::random(THRESHOLD, &mut tape));
    let drawn: Vec<Value> = tape.drawn.iter().map(|(_, bytes)| hex(bytes)).collect();
    let key = |position: u16| [u8::try_from(position).unwrap() | 0xe0; 32];
    let leaf = |position: u16| {
        let of = |which, f: &Polynomial, g: &Polynomial| {
            commit(which, &SID, DEALER, position, (&f.at(position), &g.at(position)))
        };
        let (of_r, of_g_r) = of(Which::R, r.expose(), g_r.expose());
        let (of_b, of_g_b) = of(Which::B, b.expose(), g_b.expose());
        Leaf {
            r: Bytes(of_r),
            b: Bytes(of_b),
            g_r: Bytes(of_g_r),
            g_b: Bytes(of_g_b),
            key: Bytes(key(position)),
        }
    };
    let leaves: Vec<Leaf> = (1..=HOLDERS).map(leaf).collect();
    let root = leaves_root(leaves.iter()).unwrap();
    let statement = Statement { sid: &SID, dealer: DEALER, threshold: THRESHOLD, root: &root };
    let (d_r, d_b) = (statement.challenge(Which::R), statement.challenge(Which::B));
    let z_r = combine(r.expose(), g_r.expose(), &d_r);
    let z_b = combine(b.expose(), g_b.expose(), &d_b);
    let holders = (1..=HOLDERS).zip(&leaves).map(|(position, leaf)| {
        json!({
            "position": position,
            "r": hex(r.expose().at(position).to_bytes()), "b": hex(b.expose().at(position).to_bytes()),
            "g_r": hex(g_r.expose().at(position).to_bytes()), "g_b": hex(g_b.expose().at(position).to_bytes()),
            "z_r": hex(z_r.at(position).to_bytes()), "z_b": hex(z_b.at(position).to_bytes()),
            "leaf": leaf, "leaf_hash": hex(leaf_of(leaf).unwrap()),
        })
    });
    let taken = [2u16, 7, 4, 5];
    let points: Vec<(u16, Scalar)> = taken.iter().map(|i| (*i, r.expose().at(*i))).collect();
    let again = interpolate(&points, &Inverses::up_to(HOLDERS)).unwrap();
    let list = |z: &Polynomial| List::new(z.coefficients().iter().map(scalar_bytes).collect()).unwrap();
    let z = encode(&Public { r: list(&z_r), b: list(&z_b) }).unwrap();
    json!({
        "sid": hex(SID.0), "dealer": DEALER.0, "threshold": THRESHOLD, "drawn": drawn,
        "f_r": coefficients(r.expose()), "f_b": coefficients(b.expose()),
        "g_r": coefficients(g_r.expose()), "g_b": coefficients(g_b.expose()),
        "holders": holders.collect::<Vec<_>>(), "leaves_root": hex(root),
        "d_r": hex(d_r.to_bytes()), "d_b": hex(d_b.to_bytes()),
        "z_r": coefficients(&z_r), "z_b": coefficients(&z_b), "z": hex(&z), "z_hash": hex(sha256(&z)),
        "opened_from": taken, "opened": coefficients(&again),
    })
}

/// Commitments and challenges of fixed values.
fn single() -> Value {
    let (dealer, position, root) = (DEALER, 69, GoHash([3; 32]));
    let share = Scalar::from(7u64);
    let (f_r, g_r) = commit(Which::R, &SID, dealer, position, (&share, &share));
    let (f_b, g_b) = commit(Which::B, &SID, dealer, position, (&share, &share));
    let statement = Statement { sid: &SID, dealer, threshold: 35, root: &root.0 };
    json!({
        "sid": hex(SID.0), "dealer": dealer.0, "position": position, "threshold": 35,
        "value": hex(share.to_bytes()), "leaf_r": hex(f_r), "leaf_b": hex(f_b), "leaf_g_r": hex(g_r),
        "leaf_g_b": hex(g_b), "leaves_root": hex(root.0),
        "d_r": hex(statement.challenge(Which::R).to_bytes()), "d_b": hex(statement.challenge(Which::B).to_bytes()),
    })
}
