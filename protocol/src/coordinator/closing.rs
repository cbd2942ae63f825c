//! What closes each of the coordinator's rounds, and opens the next.

use super::stages::{
    Cohort, Confirming, Contributing, Depositing, Done, Open, Readying, Revealing, Stage, sent, to_all,
};
use super::{Close, Setup, small_class, too_few};
use crate::ablation::{ablated, unchecked};
use crate::codec::{Blob, Bytes, List, decode};
use crate::crypto::keys::Signed;
use crate::crypto::sharing::scalar_bytes;
use crate::error::{Check, Fault};
use crate::ids::NodeId;
use crate::io::{Event, Failure, FailureCode, Output, Peer, Record, Sum};
use crate::message::{
    Certificate, Counted, Dealt, Deposit, Freeze, FreezeBody, Go, GoBody, Message, Opened, Outcome,
    OutcomeBlock, OutcomeReport, PerBlock, ResultBody, Round, Sealed, Start, StartBody,
};
use crate::params::BLOCK;
use crate::ring;
use crate::rounds::committed::{Carried, Contributed, sums};
use crate::rounds::contribute::Adder;
use crate::rounds::offer::Facts;
use crate::rounds::pairs::{self, History, Pair};
use crate::rounds::result::{Secrets, polynomial, unmask};
use crate::rounds::reveal::{Opening, Which, committed, is_garbage, recover};
use crate::rounds::{
    certificate_hash, confirm, freeze_hash, go_hash, opened_hash, ready::Sections, result_hash, start_hash,
    total_root,
};
use crate::time::Time;
use curve25519_dalek::Scalar;
use rand_core::CryptoRng;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Closes the open round.
pub(crate) fn close(stage: Stage, setup: &Setup, at: Time, rng: &mut impl CryptoRng) -> Close {
    let closed = match stage {
        Stage::Depositing(stage) => close_deposit(*stage, setup, at),
        Stage::Readying(stage) => close_ready(*stage, setup, at),
        Stage::Contributing(stage) => close_contribute(*stage, setup, at),
        Stage::Confirming(stage) => close_confirm(*stage, setup, at),
        Stage::RevealingR(stage) => close_reveal_r(*stage, setup, at),
        Stage::RevealingB(stage) => close_reveal_b(*stage, setup, at, rng),
        stage => Ok(Close::Next(stage, Vec::new())),
    };
    // Only values of ours that no message can hold, or a proven fault, come here.
    closed.unwrap_or_else(|(round, fault)| {
        let culprits = fault.culprits().to_vec();
        let code = FailureCode::Fault;
        Close::Fail(Failure { code, round, needed: 0, present: 0, culprits, block: None }, Vec::new())
    })
}

type Closed = Result<Close, (Round, Fault)>;

trait In<T> {
    fn during(self, round: Round) -> Result<T, (Round, Fault)>;
}

impl<T, E: Into<Fault>> In<T> for Result<T, E> {
    fn during(self, round: Round) -> Result<T, (Round, Fault)> {
        self.map_err(|error| (round, error.into()))
    }
}

fn close_deposit(stage: Depositing, setup: &Setup, at: Time) -> Closed {
    let round = Round::Deposit;
    let Depositing { open, mut deposits, mut roots } = stage;
    let needed = open.facts.least();
    let bound = open.facts.is_whole();
    if deposits.len() < usize::from(needed) {
        // Nodes whose extract did not change since an earlier slot answer only for its survivors.
        return Ok(match setup.earlier.clone().filter(|_| open.facts.header.bound.is_none()) {
            Some(earlier) => Close::Again(Vec::new(), Some(earlier), Vec::new()),
            None => Close::Fail(too_few(round, needed, deposits.len()), Vec::new()),
        });
    }
    let everyone: BTreeSet<NodeId> = deposits.keys().copied().collect();
    let (cohort, noted) = parted(everyone, pairs::bad(&deposits), &open.facts, &setup.history);
    deposits.retain(|node, _| cohort.contains(node));
    if deposits.len() < usize::from(needed) || (bound && deposits.len() != open.facts.header.invited.len()) {
        let needed = if bound { open.expected() } else { needed };
        return Ok(Close::Fail(too_few(round, needed, deposits.len()), noted));
    }
    let present: Vec<NodeId> = cohort.iter().copied().collect();
    if let Some(small) = open.facts.small_class(&present) {
        return Ok(Close::Fail(small_class(round, &small), noted));
    }
    roots.retain(|node, _| cohort.contains(node));
    let dealt = roots.into_iter().map(|(node, deposit)| Dealt { node, deposit }).collect();
    let body = StartBody { sid: open.facts.sid, cohort: List::new(dealt).during(round)? };
    let body = Sealed::new(&setup.identity, Signed::Start, &body).during(round)?;
    let (stage, outputs) = enter_ready(open, deposits, body, at).during(round)?;
    Ok(Close::Next(stage, noted.into_iter().chain(outputs).collect()))
}

fn next((stage, outputs): (Stage, Vec<Output>)) -> Close {
    Close::Next(stage, outputs)
}

type Entered = Result<(Stage, Vec<Output>), Fault>;

fn unknown() -> Fault {
    Fault::new(Check::A01, "a message of this coordinator cannot be read back")
}

/// Row 2, once START is signed.
pub(crate) fn enter_ready(
    open: Open,
    mut deposits: BTreeMap<NodeId, Deposit>,
    body: Sealed<65536>,
    at: Time,
) -> Entered {
    let dealt = decode::<StartBody>(&body.body)?.cohort.into_vec();
    let nodes: Vec<NodeId> = dealt.iter().map(|dealt| dealt.node).collect();
    deposits.retain(|node, _| nodes.contains(node));
    let sections = Sections::new(deposits.values())?;
    let start = start_hash(&open.facts.sid, &dealt);
    let bare = Message::Start(Start { body: body.clone(), dealers: List::default() }).to_frame()?;
    let cohort = Cohort { deposits, sections, dealt, body, start, unusable: BTreeMap::new() };
    let mut send = Vec::new();
    for node in &nodes {
        let bytes = cohort.start_for(*node, &open.facts).ok_or_else(unknown)?;
        send.push(Output::Send { to: Peer::Node(*node), bytes });
    }
    let ms = open.facts.header.deadlines.ready_ms;
    let (open, outputs) = open.next((Round::Ready, bare), &nodes, (at, ms), send);
    Ok((Stage::Readying(Box::new(Readying { open, cohort, readies: BTreeMap::new() })), outputs))
}

fn close_ready(stage: Readying, setup: &Setup, at: Time) -> Closed {
    let round = Round::Ready;
    let Readying { open, cohort, readies } = stage;
    let (stay, noted) = staying(&open, &cohort, readies.keys().copied().collect(), &setup.history);
    let gone = |node: &NodeId| !stay.contains(node);
    let without: Vec<NodeId> = cohort.dealt.iter().map(|dealt| dealt.node).filter(gone).collect();
    if !without.is_empty() {
        return Ok(Close::Again(without, None, noted));
    }
    let readies: Vec<_> = readies.into_values().collect();
    let body = GoBody { sid: open.facts.sid, go: go_hash(&cohort.start, &readies).during(round)? };
    let body = Sealed::new(&setup.identity, Signed::Go, &body).during(round)?;
    let go = Go { body, readies: List::new(readies).during(round)? };
    enter_contribute(open, cohort, go, at).during(round).map(next)
}

/// Row 4, once GO is signed.
pub(crate) fn enter_contribute(open: Open, cohort: Cohort, go: Go, at: Time) -> Entered {
    let hash = decode::<GoBody>(&go.body.body)?.go;
    let bytes = Message::Go(go).to_frame()?;
    let nodes: Vec<NodeId> = cohort.dealt.iter().map(|dealt| dealt.node).collect();
    let params = *open.facts.params();
    let send = to_all(&nodes, &bytes);
    let deadline = (at, params.deadlines.contribute_ms);
    let (open, outputs) = open.next((Round::Contribute, bytes), &nodes, deadline, send);
    let next = Contributing {
        open,
        cohort,
        go: hash,
        uploads: BTreeMap::new(),
        checked: BTreeMap::new(),
        counted: BTreeMap::new(),
        carried: BTreeMap::new(),
        adder: Adder::new(params.cells, params.width),
    };
    Ok((Stage::Contributing(Box::new(next)), outputs))
}

/// Who stays for all bad pairs, and what is to be kept of them.
fn parted(
    cohort: BTreeSet<NodeId>,
    pairs: BTreeSet<Pair>,
    facts: &Facts,
    history: &History,
) -> (BTreeSet<NodeId>, Vec<Output>) {
    if pairs.is_empty() {
        return (cohort, Vec::new());
    }
    let limits = (&facts.params().thresholds, facts.least());
    let stay = pairs::part(cohort.clone(), &pairs, &facts.sid, history, limits);
    let (lock, slot, sid) = (facts.header.lock.clone(), facts.header.slot, facts.sid);
    let left_out = cohort.difference(&stay).copied().collect();
    (stay, vec![Output::Persist(Record::BadPairs { lock, slot, sid, pairs, left_out })])
}

/// Who of those that said READY stays. A dealer that more than X cannot use is at fault. One that so many
/// cannot use that it could not be opened if it dropped out makes a bad pair with each of them, so that a
/// few who list everyone leave themselves.
fn staying(
    open: &Open,
    cohort: &Cohort,
    mut ready: BTreeSet<NodeId>,
    history: &History,
) -> (BTreeSet<NodeId>, Vec<Output>) {
    if ablated!("unusable-stay") {
        return (ready, Vec::new());
    }
    let thresholds = open.facts.params().thresholds;
    let spare = usize::from(thresholds.quorum.saturating_sub(thresholds.shares));
    let listed = |dealer: &NodeId| cohort.unusable.get(dealer).map_or(0, BTreeSet::len);
    let at_fault = |dealer: &NodeId| listed(dealer) > usize::from(thresholds.x);
    let culprits: Vec<NodeId> = cohort.unusable.keys().copied().filter(at_fault).collect();
    ready.retain(|dealer| !at_fault(dealer));
    let mut bad = BTreeSet::new();
    for (dealer, holders) in cohort.unusable.iter().filter(|(dealer, _)| listed(dealer) > spare) {
        for holder in holders.iter().filter(|holder| ready.contains(dealer) && ready.contains(holder)) {
            bad.insert(pairs::pair(*dealer, *holder));
        }
    }
    let (stay, mut noted) = parted(ready, bad, &open.facts, history);
    if !culprits.is_empty() {
        let what = "more hospitals than may lie cannot use a dealer's shares";
        let fault = Fault::of(Check::A09, what, culprits);
        noted.push(Output::Notify(Event::Named { sid: open.facts.sid, fault }));
    }
    (stay, noted)
}

fn close_contribute(stage: Contributing, setup: &Setup, at: Time) -> Closed {
    let round = Round::Contribute;
    let survivors: Vec<Counted> = stage.counted.values().copied().collect();
    let facts = &stage.open.facts;
    let needed = facts.least();
    let short = facts.is_whole() && survivors.len() != facts.header.invited.len();
    if survivors.len() < usize::from(needed) || short {
        let needed = if short { stage.open.expected() } else { needed };
        return Ok(Close::Fail(too_few(round, needed, survivors.len()), Vec::new()));
    }
    let present: Vec<NodeId> = survivors.iter().map(|one| one.node).collect();
    if let Some(small) = facts.small_class(&present) {
        return Ok(Close::Fail(small_class(round, &small), Vec::new()));
    }
    let body = FreezeBody { sid: facts.sid, freeze: freeze_hash(&stage.go, &survivors) };
    let body = Sealed::new(&setup.identity, Signed::Freeze, &body).during(round)?;
    let message = Freeze { body, survivors: List::new(survivors).during(round)? };
    enter_confirm(stage, message, at).during(round).map(next)
}

/// Row 6, once FREEZE is signed; exactly its survivors' reports are in the sum.
pub(crate) fn enter_confirm(stage: Contributing, message: Freeze, at: Time) -> Entered {
    let Contributing { open, cohort, go, adder, mut carried, .. } = stage;
    let freeze = decode::<FreezeBody>(&message.body.body)?.freeze;
    let survivors = message.survivors.to_vec();
    let bytes = Message::Freeze(message).to_frame()?;
    let nodes: Vec<NodeId> = survivors.iter().map(|one| one.node).collect();
    carried.retain(|node, _| nodes.contains(node));
    let ms = open.facts.header.deadlines.confirm_ms;
    let send = to_all(&nodes, &bytes);
    let (open, outputs) = open.next((Round::Confirm, bytes), &nodes, (at, ms), send);
    let lanes = adder.into_lanes();
    let confirmations = BTreeMap::new();
    let next = Confirming { open, cohort, go, survivors, freeze, lanes, carried, confirmations };
    Ok((Stage::Confirming(Box::new(next)), outputs))
}

fn close_confirm(stage: Confirming, setup: &Setup, at: Time) -> Closed {
    let round = Round::Confirm;
    let needed = stage.open.facts.params().thresholds.quorum;
    let confirmations: Vec<_> = stage.confirmations.values().copied().collect();
    if confirmations.len() < usize::from(needed) {
        return Ok(Close::Fail(too_few(round, needed, confirmations.len()), Vec::new()));
    }
    let body = FreezeBody { sid: stage.open.facts.sid, freeze: stage.freeze };
    let body = Sealed::new(&setup.identity, Signed::Certificate, &body).during(round)?;
    let certificate = Certificate { body, confirmations: List::new(confirmations).during(round)? };
    enter_reveal(stage, certificate, at).during(round).map(next)
}

/// Row 8, once CERT is signed: the survivors are fixed for ever.
pub(crate) fn enter_reveal(stage: Confirming, certificate: Certificate, at: Time) -> Entered {
    let Confirming { open, cohort, go, survivors, freeze, lanes, carried, .. } = stage;
    let nodes: Vec<NodeId> = survivors.iter().map(|one| one.node).collect();
    let bound = confirm::bound(&open.facts, &freeze, &nodes, &certificate.confirmations)?;
    let bytes = Message::Certificate(certificate).to_frame()?;
    let header = &open.facts.header;
    let (lock, slot, pass) = (header.lock.clone(), header.slot, header.pass);
    let fixed = Record::Bound { lock, slot, pass, bound: bound.clone() };
    let mut outputs = vec![Output::Persist(fixed)];
    let dropouts: Vec<NodeId> =
        cohort.dealt.iter().map(|dealt| dealt.node).filter(|node| !nodes.contains(node)).collect();
    let ms = header.deadlines.reveal_ms;
    let send = to_all(&nodes, &bytes);
    let (open, opening) = open.next((Round::Reveal, bytes), &nodes, (at, ms), send);
    outputs.extend(opening);
    let opening = Opening::new(Which::R, dropouts.iter().copied());
    let r = None;
    let next = Revealing { open, cohort, go, survivors, freeze, lanes, carried, bound, dropouts, opening, r };
    Ok((Stage::RevealingR(Box::new(next)), outputs))
}

fn close_reveal_r(stage: Revealing, setup: &Setup, at: Time) -> Closed {
    let round = Round::Reveal;
    let Revealing { open, opening, .. } = stage;
    let needed = open.facts.params().thresholds.shares;
    if !opening.is_complete(needed) {
        return Ok(Close::Fail(unopened(&opening, round, needed), Vec::new()));
    }
    let nodes: Vec<NodeId> = stage.survivors.iter().map(|one| one.node).collect();
    // Garbage lists are named, and kept with their proof, before any b is asked for.
    let proofs = garbage(&opening, &stage.cohort, &open).during(round)?;
    if !proofs.is_empty() {
        let culprits = proofs.iter().map(|(node, _)| *node).collect();
        let code = FailureCode::Fault;
        let failure = Failure { code, round, needed: 0, present: 0, culprits, block: None };
        return Ok(Close::Fail(
            failure,
            proofs.into_iter().map(|(_, proof)| Output::Persist(proof)).collect(),
        ));
    }
    let body = FreezeBody { sid: open.facts.sid, freeze: stage.freeze };
    let body = Sealed::new(&setup.identity, Signed::AskB, &body).during(round)?;
    let bytes = Message::AskB(body).to_frame().during(round)?;
    let ms = open.facts.header.deadlines.reveal_ms;
    let send = to_all(&nodes, &bytes);
    let (open, outputs) = open.next((Round::Result, bytes), &nodes, (at, ms), send);
    let b = Opening::new(Which::B, nodes.into_iter());
    let next = Revealing { open, opening: b, r: Some(opening), ..stage };
    Ok(Close::Next(Stage::RevealingB(Box::new(next)), outputs))
}

type Recovered = (Vec<Opened>, Secrets);

fn lost() -> Fault {
    Fault::new(Check::A18, "a secret that opens the sum is missing")
}

/// Dropouts whose recovery list is garbage, each with what proves it.
fn garbage(r: &Opening, cohort: &Cohort, open: &Open) -> Result<Vec<(NodeId, Record)>, Fault> {
    let thresholds = open.facts.params().thresholds;
    let invited = u16::try_from(open.facts.header.invited.len()).unwrap_or(u16::MAX);
    let mut proofs = Vec::new();
    for (node, f) in r.open(thresholds.shares, invited).ok_or_else(lost)? {
        let deposit = cohort.deposits.get(&node).ok_or_else(lost)?;
        if is_garbage(&f, deposit, &open.facts) {
            let polynomial = List::new(f.coefficients().iter().map(scalar_bytes).collect())?;
            proofs.push((node, Record::Garbage { sid: open.facts.sid, node, polynomial }));
        }
    }
    Ok(proofs)
}

/// Opens the dropouts' secrets and recovery lists; each seed must hash to the commitment it signed.
fn pair_seeds(r: &Opening, cohort: &Cohort, open: &Open, dropouts: &[NodeId]) -> Result<Recovered, Fault> {
    let thresholds = open.facts.params().thresholds;
    let invited = u16::try_from(open.facts.header.invited.len()).unwrap_or(u16::MAX);
    let polynomials = r.open(thresholds.shares, invited).ok_or_else(lost)?;
    let (mut opened, mut secrets) = (Vec::new(), Secrets::default());
    for dropout in dropouts {
        let f = polynomials.get(dropout).ok_or_else(lost)?;
        let deposit = cohort.deposits.get(dropout).ok_or_else(lost)?;
        let expected = |holder| committed(deposit, holder);
        let seeds = recover(&f.at_zero(), &deposit.recovery, &open.facts, *dropout, expected)?;
        secrets.pairs.insert(*dropout, seeds);
        opened.push(Opened {
            dealer: *dropout,
            polynomial: List::new(f.coefficients().iter().map(scalar_bytes).collect())?,
            recovery: deposit.recovery.clone(),
            recovery_path: cohort.sections.recovery_path(*dropout).ok_or_else(lost)?,
        });
    }
    Ok((opened, secrets))
}

/// Secrets that stay closed: too few good shares, and by whose fault, if that is proven.
fn unopened(opening: &Opening, round: Round, needed: u16) -> Failure {
    let (failure, culprits) =
        (too_few(round, needed, usize::from(opening.fewest())), opening.culprits(needed));
    let code = if culprits.is_empty() { failure.code } else { FailureCode::Fault };
    Failure { code, culprits, ..failure }
}

fn close_reveal_b(mut stage: Revealing, setup: &Setup, at: Time, rng: &mut impl CryptoRng) -> Closed {
    let round = Round::Result;
    let thresholds = stage.open.facts.params().thresholds;
    if !stage.opening.is_complete(thresholds.shares) {
        return Ok(Close::Fail(unopened(&stage.opening, round, thresholds.shares), Vec::new()));
    }
    let r = stage.r.take().unwrap_or(Opening::new(Which::R, std::iter::empty()));
    let (open, cohort) = (&stage.open, &stage.cohort);
    let (mut opened, mut secrets) = pair_seeds(&r, cohort, open, &stage.dropouts).during(round)?;
    let invited = u16::try_from(open.facts.header.invited.len()).unwrap_or(u16::MAX);
    for (node, f) in stage.opening.open(thresholds.shares, invited).unwrap_or_default() {
        secrets.b.insert(node, f.at_zero());
        opened.push(Opened {
            dealer: node,
            polynomial: List::new(f.coefficients().iter().map(scalar_bytes).collect()).during(round)?,
            recovery: Blob::default(),
            recovery_path: List::default(),
        });
    }
    opened.sort_by_key(|one| one.dealer);
    let sum = unmasked(&mut stage, &secrets).during(round)?;
    // Nothing is published that is not what was committed to.
    if let Some(block) = sum.first_false(rng).filter(|_| !unchecked!(Check::A26)) {
        let (code, block) = (FailureCode::Uncommitted, Some(block));
        let failure = Failure { code, round, needed: 0, present: 0, culprits: Vec::new(), block };
        return Ok(Close::Fail(failure, Vec::new()));
    }
    let (total, opened) = (total_root(&sum.lanes), List::new(opened).during(round)?);
    let certificate = certificate_hash(&stage.freeze, &stage.bound.certificate);
    let blindings = PerBlock::new(sum.blindings.iter().map(scalar_bytes).collect()).during(round)?;
    let hash = opened_hash(&opened).during(round)?;
    let result = result_hash(&certificate, &total, &blindings, &hash);
    let (sid, freeze) = (stage.open.facts.sid, stage.freeze);
    let body = ResultBody { sid, freeze, total: Bytes(total), result, at };
    let body = Sealed::new(&setup.identity, Signed::Result, &body).during(round)?;
    enter_done(stage, Outcome { body, blindings, opened }, sum.lanes, at).during(round).map(next)
}

/// A sum without its masks, and what it must be the opening of.
struct Unmasked {
    lanes: Vec<u64>,
    blindings: Vec<Scalar>,
    contributed: Contributed,
}

impl Unmasked {
    fn first_false(&self, rng: &mut impl CryptoRng) -> Option<u32> {
        self.contributed.first_false(&self.lanes, &self.blindings, rng)
    }
}

fn unmasked(stage: &mut Revealing, secrets: &Secrets) -> Result<Unmasked, Fault> {
    let (facts, mut lanes) = (&stage.open.facts, std::mem::take(&mut stage.lanes));
    let nodes: Vec<NodeId> = stage.survivors.iter().map(|one| one.node).collect();
    let (contributed, mut blindings) = sums(facts, stage.carried.values());
    unmask((&mut lanes, &mut blindings), facts, &stage.go, &nodes, secrets)?;
    Ok(Unmasked { lanes, blindings, contributed })
}

/// Row 12 again, from the RESULT that was signed before a restart.
pub(crate) fn enter_done_again(mut stage: Revealing, outcome: Outcome, at: Time) -> Entered {
    let facts = &stage.open.facts;
    let threshold = facts.params().thresholds.shares;
    let mut secrets = Secrets::default();
    for one in outcome.opened.iter() {
        let secret = polynomial(one, threshold)?.at_zero();
        if stage.dropouts.contains(&one.dealer) {
            let seeds = recover(&secret, &one.recovery, facts, one.dealer, |_| None)?;
            secrets.pairs.insert(one.dealer, seeds);
        } else {
            secrets.b.insert(one.dealer, secret);
        }
    }
    let sum = unmasked(&mut stage, &secrets)?;
    enter_done(stage, outcome, sum.lanes, at)
}

/// Row 12, once RESULT is signed.
fn enter_done(stage: Revealing, outcome: Outcome, lanes: Vec<u64>, at: Time) -> Entered {
    let Revealing { open, cohort, survivors, bound, dropouts, carried, .. } = stage;
    let nodes: Vec<NodeId> = survivors.iter().map(|one| one.node).collect();
    let sid = open.facts.sid;
    let bytes = Message::Outcome(outcome.clone()).to_frame()?;
    let total = total_frames(&open.facts, &lanes)?;
    // RESULT is written down last: with it all of the total is.
    let mut outputs: Vec<Output> =
        total.iter().chain([&bytes]).map(|bytes| sent(sid, Round::Result, at, bytes)).collect();
    outputs.extend(to_all(&nodes, &bytes));
    let mut published = Vec::new();
    for (of, Carried { committed, .. }) in carried {
        let ranges = cohort.deposits.get(&of).map(|deposit| deposit.ranges.clone()).unwrap_or_default();
        published.push(Message::OutcomeReport(OutcomeReport { sid, of, committed, ranges }).to_frame()?);
    }
    published.extend(total);
    let published = Arc::new(published);
    outputs.push(Output::Publish { frames: Arc::clone(&published), to: nodes.clone() });
    let mut requests = open.requests;
    requests.push(bytes);
    let done = Done { sid, survivors: nodes.clone(), requests, published, alarmed: BTreeSet::new() };
    let attempt = open.facts.header.attempt;
    let sum = Sum { sid, attempt, survivors: nodes, dropped: dropouts, lanes, outcome, bound };
    outputs.push(Output::Notify(Event::Finished(Box::new(sum))));
    Ok((Stage::Done(Box::new(done)), outputs))
}

/// The total, packed as a report is, as frames.
fn total_frames(facts: &Facts, lanes: &[u64]) -> Result<Vec<Vec<u8>>, Fault> {
    let packed = ring::pack(lanes, facts.params().width);
    let frame = |(index, bytes): (u32, &[u8])| {
        let block = OutcomeBlock { sid: facts.sid, index, bytes: Blob::new(bytes.to_vec())? };
        Ok(Message::OutcomeBlock(block).to_frame()?)
    };
    (0u32..).zip(packed.chunks(BLOCK)).map(frame).collect()
}
