//! The parts of the core, one by one: masking, sharing, hashing, signatures, packing, encoding.
//!
//! Each beside what its primitives alone cost in the same run. `SAMENSOM_BENCH=quick` is a smoke test.

#[path = "measure/limit.rs"]
mod limit;
#[path = "measure/stage.rs"]
mod stage;
#[path = "measure/table.rs"]
mod table;

use limit::Limit;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use samensom_protocol::codec::{Blob, Bytes, List, encode};
use samensom_protocol::crypto::blocks::Blocks;
use samensom_protocol::crypto::commit;
use samensom_protocol::crypto::keys::{Signed, verify};
use samensom_protocol::crypto::mask::{Mask, Sign, apply};
use samensom_protocol::crypto::pedersen::{self, Sums};
use samensom_protocol::crypto::ranges::{self, Given, Statement as RangesOf};
use samensom_protocol::crypto::sharing::{Inverses, Polynomial, interpolate};
use samensom_protocol::crypto::transcript::sha256;
use samensom_protocol::ids::{AttemptId, NodeId};
use samensom_protocol::ledger::LedgerView;
use samensom_protocol::message::{Dealt, Deposit, Message, ReportBlock, Sealed, Start, StartBody};
use samensom_protocol::params::BLOCK;
use samensom_protocol::ring::{Unpacker, pack};
use samensom_protocol::rounds::deposit::{self, Kept, PairKeys};
use samensom_protocol::rounds::offer::Facts;
use samensom_protocol::rounds::{ready, total_root};
use samensom_protocol::secret::Secret;
use stage::Stage;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;
use table::{Goal, Line, heading, quick, sample};

const N: u16 = 69;

fn line(what: &str, cells: u32, median: Duration, limit: Duration, goal: Goal) {
    Line { what, n: N, cells, dropped: 0, median, limit, goal }.print();
}

fn vectors(cells: u32, limit: &Limit) {
    let runs = if cells > 100_000 { 5 } else { 15 };
    let count = usize::try_from(cells).expect("few cells");
    let words = limit.words(u64::from(N) * u64::from(cells));
    let goal = if cells == 100_000 { Goal::Ratio(130) } else { Goal::None };
    let masks = || -> Vec<Mask> {
        (0..N).map(|i| Mask::new(&[u8::try_from(i).unwrap_or(0); 32], Sign::Plus)).collect()
    };
    let mut lanes = vec![1u64; count];
    line(
        "masking, 69 seeds to a masked vector",
        cells,
        sample(runs, || (), |()| apply(&mut lanes, &mut masks())),
        words,
        goal,
    );

    let width = 27;
    let figures: Vec<u64> = (0..u64::from(cells)).map(|i| i.wrapping_mul(0x9e37_79b9_7f4a_7c15)).collect();
    let packed = pack(&figures, width);
    let hashed = limit.bytes(u64::try_from(packed.len()).unwrap_or(0));
    let none = Duration::ZERO;
    line(
        "packing to 27 bits",
        cells,
        sample(runs, || (), |()| drop(black_box(pack(&figures, width)))),
        none,
        Goal::None,
    );
    let mut sum = vec![0u64; count];
    let adding = |()| {
        let mut unpacker = Unpacker::new(width);
        packed.chunks(BLOCK).for_each(|block| unpacker.add(block, &mut sum));
        assert!(unpacker.is_whole(&sum));
    };
    line("unpacking and adding one report", cells, sample(runs, || (), adding), none, Goal::None);
    let hashing = |()| {
        let leaves: Vec<_> = packed.chunks(BLOCK).map(commit::leaf).collect();
        black_box(commit::root(&leaves));
    };
    line("hashing one report (Merkle)", cells, sample(runs, || (), hashing), hashed, Goal::None);
    let hashed = limit.bytes(8 * u64::from(cells));
    line(
        "hashing the total (Merkle)",
        cells,
        sample(
            runs,
            || (),
            |()| {
                black_box(total_root(&figures));
            },
        ),
        hashed,
        Goal::None,
    );
}

fn encoding(facts: &Facts, limit: &Limit) {
    let block = ReportBlock { sid: facts.sid, index: 0, bytes: Blob::new(vec![7; BLOCK]).expect("a block") };
    let frame = Message::ReportBlock(block).to_frame().expect("a frame");
    let reading = |()| drop(black_box(Message::from_frame(&frame)));
    let hashed = limit.bytes(1 << 16);
    line(
        "reading a frame of one block (limit: hashing it)",
        1,
        sample(99, || (), reading),
        hashed,
        Goal::None,
    );
}

/// All hospitals' deposits, with what each dealer keeps.
struct Dealt69 {
    deposits: Vec<Deposit>,
    kept: Vec<Kept>,
    channels: Vec<PairKeys>,
}

fn channels(me: u16) -> PairKeys {
    let key = |other: u16| {
        let (low, high) = (me.min(other).to_be_bytes(), me.max(other).to_be_bytes());
        (NodeId(other), Arc::new(Secret::new(sha256(&[low, high].concat()))))
    };
    (1..=N).filter(|other| *other != me).map(key).collect()
}

fn deal(stage: &Stage, facts: &Facts, me: u16, channels: &PairKeys) -> (Deposit, Kept) {
    let ledger = LedgerView::default();
    let identity = stage.identity(me - 1);
    let dealer =
        deposit::Dealer { me: NodeId(me), identity, channels, ledger_seq: 0, seen: &ledger, head: None };
    let mut rng = ChaCha20Rng::seed_from_u64(u64::from(me));
    deposit::deal(facts, &dealer, &stage.contribution(NodeId(me)), &mut rng).expect("a deposit")
}

fn dealing(stage: &Stage, facts: &Facts, limit: &Limit) -> Dealt69 {
    let cells = stage.warrant.params().cells;
    let mut all = Dealt69 { deposits: Vec::new(), kept: Vec::new(), channels: Vec::new() };
    for me in 1..=N {
        let channels = channels(me);
        let (deposit, kept) = deal(stage, facts, me, &channels);
        all.deposits.push(deposit);
        all.kept.push(kept);
        all.channels.push(channels);
    }
    let bytes: u64 = u64::try_from(encode(&all.deposits[0]).map_or(0, |raw| raw.len())).unwrap_or(0);
    let least = limit.bytes(bytes) + limit.signed(1);
    let median = sample(15, || (), |()| drop(black_box(deal(stage, facts, 1, &all.channels[0]))));
    line("deal: a deposit for 69 holders", cells, median, least, Goal::None);
    let least = limit.bytes(bytes) + limit.verified(1);
    let reading = |()| assert!(deposit::read(&all.deposits[0], facts, NodeId(1)).is_ok());
    line("coordinator: check of one deposit", cells, sample(15, || (), reading), least, Goal::None);
    all
}

/// A holder's check of everything that 69 dealers dealt it.
fn checking(stage: &Stage, facts: &Facts, all: &Dealt69, limit: &Limit) {
    let dealt = (1..).zip(&all.kept).map(|(node, kept)| Dealt { node: NodeId(node), deposit: kept.deposit });
    let body = StartBody { sid: facts.sid, cohort: List::new(dealt.collect()).expect("few") };
    let sealed = Sealed::new(stage.coordinator_key(), Signed::Start, &body).expect("START");
    let least = limit.bytes(0);
    let sections = || ready::Sections::new(all.deposits.iter()).expect("sections");
    let median = sample(9, || (), |()| drop(black_box(sections())));
    line("coordinator: 69 deposits to their sections", 1, median, least, Goal::None);
    let dealers = List::new(sections().for_holder(1).expect("the first holder")).expect("few");
    let start = Start { body: sealed, dealers };
    let key = stage.coordinator_key().public();
    let holder = ready::Holder {
        me: NodeId(1),
        coordinator: &key,
        channels: &all.channels[0],
        ledger: &LedgerView::default(),
        head: None,
    };
    let check = |()| {
        let cohort = ready::check(&start, &body, facts, &holder, &all.kept[0]).expect("an honest START");
        assert!(cohort.unusable().is_empty());
    };
    let median = sample(15, || (), check);
    line("check of the shares of 69 dealers", 1, median, limit.verified(u32::from(N)), Goal::None);
    let frame = Message::Start(start.clone()).to_frame().expect("START");
    let hashed = limit.bytes(u64::try_from(frame.len()).unwrap_or(0));
    let writing = |()| drop(black_box(Message::Start(start.clone()).to_frame()));
    line("writing START (limit: hashing it)", 1, sample(15, || (), writing), hashed, Goal::None);
    let reading = |()| drop(black_box(Message::from_frame(&frame)));
    line("reading START (limit: hashing it)", 1, sample(15, || (), reading), hashed, Goal::None);
}

fn sharing() {
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    let secret = Polynomial::random(35, &mut rng);
    let f = secret.expose();
    let none = Duration::ZERO;
    let shares = || -> Vec<_> { (1..=35).map(|position| (position, f.at(position))).collect() };
    let evaluating = |()| drop(black_box((1..=N).map(|position| f.at(position)).collect::<Vec<_>>()));
    line(
        "one polynomial of 35 coefficients at 69 places",
        1,
        sample(15, || (), evaluating),
        none,
        Goal::None,
    );
    let (inverses, points) = (Inverses::up_to(N), shares());
    let opening = |()| assert!(interpolate(&points, &inverses).is_some());
    line("one polynomial of 35 shares", 1, sample(15, || (), opening), none, Goal::None);
}

fn signatures(stage: &Stage, limit: &Limit) {
    let identity = stage.identity(0);
    let (key, signature) = (identity.public(), identity.sign(Signed::Ready, b"a short message"));
    let making = |()| {
        black_box(identity.sign(Signed::Ready, b"a short message"));
    };
    line("a signature", 1, sample(99, || (), making), limit.signed(1), Goal::None);
    let checking = |()| assert!(verify(&key, Signed::Ready, b"a short message", &signature));
    line("a signature verified", 1, sample(99, || (), checking), limit.verified(1), Goal::None);
}

/// Committing to a contribution, and checking a total against what 69 hospitals committed to.
fn commitments() {
    let mut rng = ChaCha20Rng::seed_from_u64(5);
    let all: &[u32] = if quick() { &[14, 1_000] } else { &[14, 1_000, 1_000_000] };
    for cells in all {
        let count = usize::try_from(*cells).expect("few cells");
        let values: Vec<u64> = (0..u64::from(*cells)).map(|i| (i * 2_654_435_761) & 0x7ff_ffff).collect();
        let blocks = Blocks::plain(*cells);
        let blindings = pedersen::blindings(blocks.len(), &mut rng);
        let commit = |()| -> Vec<[u8; 32]> {
            let each = values.chunks(pedersen::CELLS).zip(blindings.expose());
            each.map(|(values, blinding)| pedersen::commit(values, blinding)).collect()
        };
        let runs = if count > 100_000 { 1 } else { 15 };
        let goal = Duration::from_micros(12) * *cells;
        let median = sample(runs, || (), |()| drop(black_box(commit(()))));
        line("committing to a contribution (limit: 12 us a cell)", *cells, median, goal, Goal::None);

        // The others contribute nothing, under blindings of their own.
        let (mut sums, mut lists) = (blindings.expose().clone(), vec![commit(())]);
        for _ in 1..N {
            let own = pedersen::blindings(blocks.len(), &mut rng);
            lists.push(own.expose().iter().map(|blinding| pedersen::commit(&[], blinding)).collect());
            pedersen::add_blindings(&mut sums, own.expose());
        }
        let verify = |()| {
            let mut contributed = Sums::new(sums.len());
            assert!(lists.iter().all(|list| contributed.add(list.iter())));
            assert!(
                contributed
                    .first_false(&blocks, (&values, &sums), &mut ChaCha20Rng::seed_from_u64(6))
                    .is_none()
            );
        };
        let goal = if *cells > 1_000 { Duration::from_millis(2_500) } else { Duration::from_millis(30) };
        let median = sample(runs.max(3), || (), verify);
        line("checking a total of 69 (limit: 30 ms, 2.5 s)", *cells, median, goal, Goal::None);
    }
}

/// Proving the ranges of one hospital's checked cells, and verifying those of one hospital in batch.
fn ranges() {
    let (sid, root) = (AttemptId([1; 32]), [2; 32]);
    let of = RangesOf { sid: &sid, node: NodeId(1), root: &root };
    let all: &[(u32, u64, &str)] = &[
        (1_024, 1, "1 bit"),
        (256, 255, "8 bit"),
        (256, 65_535, "16 bit"),
        (256, 65_534, "16 bit, cap 65,534: twice"),
        (128, u64::MAX >> 32, "32 bit"),
    ];
    for (cells, cap, what) in all {
        let count = usize::try_from(*cells).expect("few cells");
        let blocks = Blocks::new(*cells, &[Some(*cap)]);
        let lanes: Vec<u64> =
            (0..u64::from(*cells)).map(|i| (i * 2_654_435_761) & cap.min(&65_000)).collect();
        let blindings = pedersen::blindings(count, &mut ChaCha20Rng::seed_from_u64(5));
        let rho = blindings.expose();
        let commit = |at| pedersen::commit_block(&blocks, at, &lanes, &rho[at]);
        let points: Vec<[u8; 32]> = (0..count).map(commit).collect();
        let opening = |at: usize| Some((*lanes.get(at)?, rho.get(at)?));
        let pieces = ranges::pieces(&blocks);
        let prove = |()| -> Vec<Vec<u8>> {
            let mut rng = ChaCha20Rng::seed_from_u64(6);
            pieces
                .iter()
                .map(|one| ranges::prove(one, &of, &opening, &mut rng).expect("in its range"))
                .collect()
        };
        let proofs = prove(());
        let (per_cell, runs) = (Duration::from_micros(1_800), if quick() { 1 } else { 5 });
        let name = format!("proving ranges of {what} (limit: 16 bit 1.8 ms a cell)");
        line(
            &name,
            *cells,
            sample(runs, || (), |()| drop(black_box(prove(())))),
            per_cell * *cells,
            Goal::None,
        );
        let proofs: Vec<_> = proofs.into_iter().map(|one| Blob::new(one).expect("short")).collect();
        let points: Vec<_> = points.into_iter().map(Bytes).collect();
        // The same proofs 69 times cost what 69 hospitals' do.
        let given = [Given { of, commitments: &points, proofs: &proofs }; N as usize];
        for hospitals in [1, N] {
            let verify = |()| assert!(ranges::verify(&blocks, &given[..usize::from(hospitals)]));
            let name =
                format!("verifying ranges of {what}, {hospitals} hospitals (limit: 16 bit 0.05 ms each)");
            let limit = Duration::from_micros(50) * *cells * u32::from(hospitals);
            line(&name, *cells, sample(1, || (), verify), limit, Goal::None);
        }
    }
}

fn main() {
    heading("core");
    let limit = Limit::measure();
    limit.print();
    let all: &[u32] = if quick() { &[14, 1_000] } else { &[14, 1_000, 100_000, 1_000_000] };
    all.iter().for_each(|cells| vectors(*cells, &limit));
    commitments();
    ranges();
    let stage = Stage::new(N, 1_000);
    let facts = stage.facts();
    signatures(&stage, &limit);
    sharing();
    let dealt = dealing(&stage, &facts, &limit);
    checking(&stage, &facts, &dealt, &limit);
    encoding(&facts, &limit);
}
