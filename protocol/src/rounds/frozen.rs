//! Frozen values: every derivation and hash that two parties must agree on, for fixed inputs.
//!
//! They were computed from the specification's text with nothing but SHA-256, HMAC and AES of another
//! implementation. A change here is another wire version.

use super::offer::{attempt_id, session_id};
use super::ready::{mask_seed, self_seed};
use super::{
    certificate_hash, deposit, freeze_hash, go_hash, report_hash, result_hash, start_hash, total_root,
};
use crate::codec::{Blob, Bytes, List, to_hex};
use crate::crypto::channel::{End, channel_key, confirmation};
use crate::crypto::commit;
use crate::crypto::mask::{Mask, Sign, apply};
use crate::crypto::sharing::{Statement, Which, commit, scalar_bytes};
use crate::ids::{
    AnnounceHash, AttemptId, DepositHash, ExtractHash, GoHash, NodeId, ReportHash, WarrantHash,
};
use crate::message::{Confirmation, Counted, Dealt, Opened, Pass, ReadyOf, Sealed};
use crate::ring::Contribution;
use crate::secret::Secret;
use curve25519_dalek::Scalar;

const U: NodeId = NodeId(3);
const V: NodeId = NodeId(69);
const SID: AttemptId = AttemptId([1; 32]);
const GO: GoHash = GoHash([3; 32]);

#[track_caller]
fn is(bytes: &[u8], hex: &str) {
    assert_eq!(to_hex(bytes), hex);
}

#[test]
fn keys_and_seeds() {
    let key = Secret::new([2; 32]);
    let sigma = deposit::pair_seed(&key, &SID);
    is(sigma.expose(), "ce15bf1d1cb0a64921ef0ebe23441ebd1b0c1d2b45b831f1e5f79d78dc65d7df");
    for (a, b) in [(U, V), (V, U)] {
        is(
            &deposit::pair_commitment(sigma.expose(), a, b, &SID),
            "269221c00635eea36d2f42c8eef1d97ba9f5624178b110b477f9aa5f7b536141",
        );
    }
    let (share, commitment) = deposit::share_key(&key, &SID, U, V, &Bytes([4; 32]));
    is(share.expose(), "c41fac7a0538c2ed40bd20e69118822a74d86595534f109bcd7a2f03a98bf489");
    is(&commitment, "50db2460beedf1726cd5aaa1b09a82ecbc1b7f8bac2897773af7b59a24a2cc46");
    is(
        deposit::recovery_key(&Scalar::from(7u64), &SID).expose(),
        "5291283af7cc61d801ad91aca8971a64e83b332deec7dbe511dfe5cc1fd584c6",
    );
    let seed = mask_seed(sigma.expose(), &GO);
    is(seed.expose(), "6767b52dd0c6df4d9ba0c3a8e21c187fae370092028be25e89f7f9dc29517aa7");
    is(
        self_seed(&Scalar::from(7u64), &GO, U).expose(),
        "f05c96bcf8211a809ba379b5e8a07d0e917d7fb294b6ca9dcf107ed174079aac",
    );
    let mut lanes = [0u64; 8];
    apply(&mut lanes, &mut [Mask::new(seed.expose(), Sign::Plus)]);
    let stream: Vec<u8> = lanes.iter().flat_map(|lane| lane.to_le_bytes()).collect();
    is(
        &stream,
        "22e4af91e6d470c3f7cce82781481011ea3be5963ba523d254de93ea8b1691d16b020318c363b0cc051ab4045ec0deb8c816688a8644c2d018fb134e98af91e0",
    );
}

#[test]
fn channel_keys() {
    let (low, high) = (Secret::new([12; 32]), Secret::new([13; 32]));
    let key = channel_key(
        &End { announce: AnnounceHash([5; 32]), ciphertext: &Bytes([10; 1120]), shared: &low },
        &End { announce: AnnounceHash([6; 32]), ciphertext: &Bytes([11; 1120]), shared: &high },
    );
    is(key.expose(), "c0dd8042e307b8bfe66673e6a664e1c8258b2b9b30965d79833b75f8537f15a1");
    is(
        &confirmation(&key, &AnnounceHash([5; 32])).unwrap().0,
        "d70eacbfe5ce006655854974427765ab30a04bb6dd4f781aeb11be76b96bd4b8",
    );
}

#[test]
fn shares_and_contributions() {
    let share = Scalar::from(7u64);
    let (_, hiding) = commit(Which::R, &SID, U, 69, (&share, &share));
    is(&hiding, "8e76b8dad0e38ed4b67668fae73a37110cf4f0aa02ed9919fe454efa316d393d");
    let (share, hiding) = commit(Which::B, &SID, U, 69, (&share, &share));
    is(&share, "b38b00d12ae024f31ac9b748d8f16c45f3adf70b2e952184fb8ff23e9bf92812");
    is(&hiding, "cbc3fadfd449075893294bb83398a17a6fad24acaadf3e3e8ddb1d6c0767203c");
    let statement = Statement { sid: &SID, dealer: U, threshold: 35, root: &GO.0 };
    let (d_r, d_b) = (statement.challenge(Which::R), statement.challenge(Which::B));
    is(&scalar_bytes(&d_r).0, "6e2d378cf389eddccb6de5883f49d2921aa61e5f42eb0d8c1503b0d3f2b39e03");
    is(&scalar_bytes(&d_b).0, "a6cbd674825b48ffc0fb3d8c6177212244198677eab19f69c8d81cd9d6501e0a");
    let lanes = [i64::MIN + 1, i64::MIN + 2, i64::MAX];
    let all = Contribution::new(3, |_| (i64::MIN, i64::MAX), &lanes, ExtractHash([0; 32])).unwrap();
    is(&all.commitment(&[2; 32]), "54baac7db113e83df684ab490241811eba8a0a70ab82301f901c9d3aee61c921");
}

#[test]
fn ids_of_attempt_and_session() {
    is(&attempt_id(b"header").0, "6487cf64db9955b512b0f76377d9c66b6725ddd0f35ad7a0b304fc5939a890fa");
    is(
        &session_id(&WarrantHash([5; 32]), 25_000, Pass::Value).0,
        "cb58b81238c4589e71a33a3d19d1244496c436a8a8245b045105e89fe8ce0fd6",
    );
}

/// Each hash goes into the next: START, GO, report, FREEZE, certificate, result.
#[test]
fn the_chain_of_an_attempt() {
    let dealt = |node, byte| Dealt { node, deposit: DepositHash([byte; 32]) };
    let start = start_hash(&SID, &[dealt(U, 5), dealt(V, 6)]);
    is(&start.0, "e29b53c9f56272d9418c9a5eac0d74ffaaa3d68b40731eee66c1a35573f6b307");

    let ready = |node, body: &[u8], byte| ReadyOf {
        node,
        ready: Sealed { body: Blob::new(body.to_vec()).unwrap(), signature: Bytes([byte; 64]) },
    };
    let go = go_hash(&start, &[ready(U, b"one", 8), ready(V, b"second", 9)]).unwrap();
    is(&go.0, "eff70fa8aa0acd192b12405f28ef8c0931a4920fa8bc4e27409b05b7719430da");

    let blocks = [&b"block 0"[..], b"block 1", b"block 2"].map(commit::leaf);
    let report = report_hash(&GO, U, 27, 19_000, &blocks);
    is(&report.0, "93c6eb3131d2d7ad617e9e21fbb8e4a394de40c7afd3ba0f08f134e172d6cc65");

    let counted = |node, report| Counted { node, report, ledger_seq: 9, signature: Bytes([0; 64]) };
    let freeze = freeze_hash(&GO, &[counted(U, report), counted(V, ReportHash([6; 32]))]);
    is(&freeze.0, "f442f98d892f6db402d0eb5a78d0733ceb838d74f58637b907e50a514e8ab0c2");

    let confirmed = |node, byte| Confirmation { node, signature: Bytes([byte; 64]) };
    let certificate = certificate_hash(&freeze, &[confirmed(U, 8), confirmed(V, 9)]);
    is(&certificate, "4b3ce8e1fe0d6fac36eea1ae3df68ce4c4f1b0bb42d2e98699080e40f0b65c45");

    let lanes: Vec<u64> = (0..8193).collect();
    let total = total_root(&lanes);
    is(&total, "924e8d1fd4d88d2df08878992d8af22722801c7e5b463429673893448f3cf6c6");

    let opened = Opened {
        dealer: U,
        polynomial: List::new(vec![scalar_bytes(&Scalar::from(7u64))]).unwrap(),
        recovery: Blob::new(vec![10, 11]).unwrap(),
        recovery_path: List::new(vec![Bytes([6; 32])]).unwrap(),
    };
    let result = result_hash(&certificate, &total, &List::new(vec![opened]).unwrap()).unwrap();
    is(&result.0, "0c44301f7745950228bff8746874aaf8a30a7ffd6f27fd548fd4eaf393754dba");
}
