//! What closes each of the coordinator's rounds, and opens the next.

use super::stages::{Cohort, Confirming, Contributing, Depositing, Open, Readying, Revealing, Stage, sent};
use super::{Close, Setup, too_few};
use crate::codec::{Blob, Bytes, List};
use crate::crypto::keys::Signed;
use crate::crypto::sharing::{Polynomial, scalar_bytes};
use crate::error::Fault;
use crate::ids::NodeId;
use crate::io::{Event, Failure, FailureCode, Output, Peer, Record, Sum};
use crate::message::{
    Certificate, Dealt, Deposit, Freeze, FreezeBody, Go, GoBody, Message, Opened, Outcome, ResultBody, Round,
    Sealed, Start, StartBody,
};
use crate::rounds::contribute::Adder;
use crate::rounds::result::{Secrets, unmask};
use crate::rounds::reveal::{Opening, Which, is_dealt, recover};
use crate::rounds::{
    certificate_hash, confirm, deposit, deposit_hash, freeze_hash, go_hash, ready::Sections, result_hash,
    start_hash, total_root,
};
use crate::time::Time;
use std::collections::{BTreeMap, BTreeSet};

/// Closes the open round.
pub(crate) fn close(stage: Stage, setup: &Setup, at: Time) -> Close {
    let closed = match stage {
        Stage::Depositing(stage) => close_deposit(*stage, setup, at),
        Stage::Readying(stage) => close_ready(*stage, setup, at),
        Stage::Contributing(stage) => close_contribute(*stage, setup, at),
        Stage::Confirming(stage) => close_confirm(*stage, setup, at),
        Stage::RevealingR(stage) => close_reveal_r(*stage, setup, at),
        Stage::RevealingB(stage) => close_reveal_b(*stage, setup, at),
        stage => Ok(Close::Next(stage, Vec::new())),
    };
    // Only values of ours that no message can hold, or a proven fault, come here.
    closed.unwrap_or_else(|(round, fault)| {
        Close::Fail(Failure {
            code: FailureCode::Fault,
            round,
            needed: 0,
            present: 0,
            culprits: fault.culprits().to_vec(),
        })
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

fn to_all(nodes: &[NodeId], bytes: &[u8]) -> Vec<Output> {
    nodes.iter().map(|node| Output::Send { to: Peer::Node(*node), bytes: bytes.to_vec() }).collect()
}

fn close_deposit(stage: Depositing, setup: &Setup, at: Time) -> Closed {
    let round = Round::Deposit;
    let Depositing { open, mut deposits } = stage;
    let needed = open.facts.least();
    let bound = open.facts.header.bound.is_some();
    if deposits.len() < usize::from(needed) {
        // Nodes whose extract did not change since an earlier slot answer only for its survivors.
        return Ok(match setup.earlier.clone().filter(|_| !bound) {
            Some(earlier) => Close::Again(Vec::new(), Some(earlier)),
            None => Close::Fail(too_few(round, needed, deposits.len())),
        });
    }
    let cohort = deposit::choose(&deposits, &open.facts, &setup.history);
    deposits.retain(|node, _| cohort.contains(node));
    if deposits.len() < usize::from(needed) || (bound && deposits.len() != open.facts.header.invited.len()) {
        let needed = if bound { open.expected } else { needed };
        return Ok(Close::Fail(too_few(round, needed, deposits.len())));
    }
    let mut dealt = Vec::new();
    for (node, deposit) in &deposits {
        dealt.push(Dealt { node: *node, deposit: deposit_hash(deposit).during(round)? });
    }
    let sections = Sections::new(deposits.values()).during(round)?;
    let start = start_hash(&open.facts.sid, &dealt);
    let body = StartBody { sid: open.facts.sid, cohort: List::new(dealt.clone()).during(round)? };
    let body = Sealed::new(&setup.identity, Signed::Start, &body).during(round)?;
    let bare = Message::Start(Start { body: body.clone(), dealers: List::default() });
    let mut outputs = vec![sent(open.facts.sid, Round::Ready, &bare.to_frame().during(round)?)];
    let nodes: Vec<NodeId> = deposits.keys().copied().collect();
    for node in &nodes {
        let position = open.facts.position(*node).unwrap_or(0);
        let dealers = List::new(sections.for_holder(position).unwrap_or_default()).during(round)?;
        let bytes = Message::Start(Start { body: body.clone(), dealers }).to_frame().during(round)?;
        outputs.push(Output::Send { to: Peer::Node(*node), bytes });
    }
    let (attempt, ready_ms) = (open.facts.header.attempt, open.facts.header.deadlines.ready_ms);
    let (open, opening) = Open::next(open.facts, Round::Ready, attempt, &nodes, (at, ready_ms));
    outputs.extend(opening);
    let cohort = Cohort { deposits, sections, dealt, start, unusable: BTreeMap::new() };
    let next = Readying { open, cohort, readies: BTreeMap::new() };
    Ok(Close::Next(Stage::Readying(Box::new(next)), outputs))
}

fn close_ready(stage: Readying, setup: &Setup, at: Time) -> Closed {
    let round = Round::Ready;
    let Readying { open, cohort, readies } = stage;
    let stay = staying(&open, &cohort, readies.keys().copied().collect(), &setup.history);
    let gone = |node: &NodeId| !stay.contains(node);
    let without: Vec<NodeId> = cohort.dealt.iter().map(|dealt| dealt.node).filter(gone).collect();
    if !without.is_empty() {
        return Ok(Close::Again(without, None));
    }
    let readies: Vec<_> = readies.into_values().collect();
    let hash = go_hash(&cohort.start, &readies).during(round)?;
    let body = GoBody { sid: open.facts.sid, go: hash };
    let body = Sealed::new(&setup.identity, Signed::Go, &body).during(round)?;
    let go = Go { body, readies: List::new(readies).during(round)? };
    let bytes = Message::Go(go).to_frame().during(round)?;
    let nodes: Vec<NodeId> = cohort.dealt.iter().map(|dealt| dealt.node).collect();
    let mut outputs = vec![sent(open.facts.sid, Round::Contribute, &bytes)];
    outputs.extend(to_all(&nodes, &bytes));
    let params = *open.facts.params();
    let (attempt, ms) = (open.facts.header.attempt, params.deadlines.contribute_ms);
    let (open, opening) = Open::next(open.facts, Round::Contribute, attempt, &nodes, (at, ms));
    outputs.extend(opening);
    let next = Contributing {
        open,
        cohort,
        go: hash,
        uploads: BTreeMap::new(),
        checked: BTreeMap::new(),
        counted: BTreeMap::new(),
        adder: Adder::new(params.cells, params.width),
    };
    Ok(Close::Next(Stage::Contributing(Box::new(next)), outputs))
}

/// Who of those that said READY stays. A dealer that more than X cannot use is at fault. One that so many
/// cannot use that it could not be opened if it dropped out makes a bad pair with each of them, so that a
/// few who list everyone leave themselves.
fn staying(
    open: &Open,
    cohort: &Cohort,
    mut ready: BTreeSet<NodeId>,
    history: &BTreeMap<NodeId, u32>,
) -> BTreeSet<NodeId> {
    let thresholds = open.facts.params().thresholds;
    let spare = usize::from(thresholds.quorum.saturating_sub(thresholds.shares));
    let listed = |dealer: &NodeId| cohort.unusable.get(dealer).map_or(0, BTreeSet::len);
    ready.retain(|dealer| listed(dealer) <= usize::from(thresholds.x));
    let mut bad = BTreeSet::new();
    for (dealer, holders) in cohort.unusable.iter().filter(|(dealer, _)| listed(dealer) > spare) {
        for holder in holders.iter().filter(|holder| ready.contains(dealer) && ready.contains(holder)) {
            bad.insert((*dealer.min(holder), *dealer.max(holder)));
        }
    }
    deposit::part(ready, bad, &open.facts.sid, history)
}

fn close_contribute(stage: Contributing, setup: &Setup, at: Time) -> Closed {
    let round = Round::Contribute;
    let Contributing { open, cohort, go, counted, adder, .. } = stage;
    let needed = open.facts.least();
    let survivors: Vec<_> = counted.into_values().collect();
    let short = open.facts.header.bound.is_some() && survivors.len() != open.facts.header.invited.len();
    if survivors.len() < usize::from(needed) || short {
        let needed = if short { u16::try_from(cohort.dealt.len()).unwrap_or(u16::MAX) } else { needed };
        return Ok(Close::Fail(too_few(round, needed, survivors.len())));
    }
    let freeze = freeze_hash(&go, &survivors);
    let body = FreezeBody { sid: open.facts.sid, freeze };
    let body = Sealed::new(&setup.identity, Signed::Freeze, &body).during(round)?;
    let message = Freeze { body, survivors: List::new(survivors.clone()).during(round)? };
    let bytes = Message::Freeze(message).to_frame().during(round)?;
    let nodes: Vec<NodeId> = survivors.iter().map(|one| one.node).collect();
    let mut outputs = vec![sent(open.facts.sid, Round::Confirm, &bytes)];
    outputs.extend(to_all(&nodes, &bytes));
    let (attempt, ms) = (open.facts.header.attempt, open.facts.header.deadlines.confirm_ms);
    let (open, opening) = Open::next(open.facts, Round::Confirm, attempt, &nodes, (at, ms));
    outputs.extend(opening);
    let lanes = adder.into_lanes();
    let next = Confirming { open, cohort, go, survivors, freeze, lanes, confirmations: BTreeMap::new() };
    Ok(Close::Next(Stage::Confirming(Box::new(next)), outputs))
}

fn close_confirm(stage: Confirming, setup: &Setup, at: Time) -> Closed {
    let round = Round::Confirm;
    let Confirming { open, cohort, go, survivors, freeze, lanes, confirmations } = stage;
    let needed = open.facts.params().thresholds.quorum;
    let confirmations: Vec<_> = confirmations.into_values().collect();
    if confirmations.len() < usize::from(needed) {
        return Ok(Close::Fail(too_few(round, needed, confirmations.len())));
    }
    let nodes: Vec<NodeId> = survivors.iter().map(|one| one.node).collect();
    let list = List::new(confirmations.clone()).during(round)?;
    let bound = confirm::bound(&open.facts, &freeze, &nodes, &list).during(round)?;
    let body = FreezeBody { sid: open.facts.sid, freeze };
    let body = Sealed::new(&setup.identity, Signed::Certificate, &body).during(round)?;
    let bytes = Message::Certificate(Certificate { body, confirmations: list }).to_frame().during(round)?;
    let header = &open.facts.header;
    let fixed = Record::Bound { lock: header.lock.clone(), slot: header.slot, pass: header.pass, bound };
    let mut outputs = vec![Output::Persist(fixed), sent(open.facts.sid, Round::Reveal, &bytes)];
    outputs.extend(to_all(&nodes, &bytes));
    let dropouts: Vec<NodeId> =
        cohort.dealt.iter().map(|dealt| dealt.node).filter(|node| !nodes.contains(node)).collect();
    let (attempt, ms) = (header.attempt, header.deadlines.reveal_ms);
    let (open, opening) = Open::next(open.facts, Round::Reveal, attempt, &nodes, (at, ms));
    outputs.extend(opening);
    let opening = Opening::new(Which::R, dropouts.iter().copied());
    let next =
        Revealing { open, cohort, go, survivors, freeze, lanes, confirmations, dropouts, opening, r: None };
    Ok(Close::Next(Stage::RevealingR(Box::new(next)), outputs))
}

fn close_reveal_r(stage: Revealing, setup: &Setup, at: Time) -> Closed {
    let round = Round::Reveal;
    let Revealing { open, opening, .. } = stage;
    let needed = open.facts.params().thresholds.shares;
    if !opening.is_complete(needed) {
        return Ok(Close::Fail(too_few(round, needed, usize::from(opening.fewest()))));
    }
    let nodes: Vec<NodeId> = stage.survivors.iter().map(|one| one.node).collect();
    // A garbage list is named before any b is asked for.
    pair_seeds(&opening, &stage.cohort, &open, &stage.dropouts).during(round)?;
    let body = FreezeBody { sid: open.facts.sid, freeze: stage.freeze };
    let body = Sealed::new(&setup.identity, Signed::AskB, &body).during(round)?;
    let bytes = Message::AskB(body).to_frame().during(round)?;
    let mut outputs = vec![sent(open.facts.sid, Round::Result, &bytes)];
    outputs.extend(to_all(&nodes, &bytes));
    let (attempt, ms) = (open.facts.header.attempt, open.facts.header.deadlines.reveal_ms);
    let (open, opened) = Open::next(open.facts, Round::Result, attempt, &nodes, (at, ms));
    outputs.extend(opened);
    let b = Opening::new(Which::B, nodes.into_iter());
    let next = Revealing { open, opening: b, r: Some(opening), ..stage };
    Ok(Close::Next(Stage::RevealingB(Box::new(next)), outputs))
}

type Recovered = (Vec<Opened>, Secrets);

fn lost() -> Fault {
    Fault::new(crate::error::Check::A18, "a secret that opens the sum is missing")
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
        dealt(Which::R, f, deposit, cohort, open)?;
        let expected = |holder| {
            deposit.sections.iter().find(|section| section.holder == holder).map(|section| section.pair)
        };
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

/// The dealer is at fault where a share it committed to, and its holder did not refuse, is not on the
/// polynomial that the given shares open.
fn dealt(which: Which, f: &Polynomial, deposit: &Deposit, cohort: &Cohort, open: &Open) -> Result<(), Fault> {
    let dealer = deposit.head.node;
    if is_dealt(which, f, deposit, cohort.holders(dealer), &open.facts) {
        return Ok(());
    }
    let what = "a dealer committed to shares that are not on one polynomial";
    Err(Fault::of(crate::error::Check::A18, what, vec![dealer]))
}

fn close_reveal_b(stage: Revealing, setup: &Setup, at: Time) -> Closed {
    let round = Round::Result;
    let Revealing { open, cohort, go, survivors, freeze, mut lanes, confirmations, dropouts, opening, r } =
        stage;
    let thresholds = open.facts.params().thresholds;
    if !opening.is_complete(thresholds.shares) {
        return Ok(Close::Fail(too_few(round, thresholds.shares, usize::from(opening.fewest()))));
    }
    let r = r.unwrap_or(Opening::new(Which::R, std::iter::empty()));
    let (mut opened, mut secrets) = pair_seeds(&r, &cohort, &open, &dropouts).during(round)?;
    let invited = u16::try_from(open.facts.header.invited.len()).unwrap_or(u16::MAX);
    for (node, f) in opening.open(thresholds.shares, invited).unwrap_or_default() {
        let deposit = cohort.deposits.get(&node).ok_or(lost()).during(round)?;
        dealt(Which::B, &f, deposit, &cohort, &open).during(round)?;
        secrets.b.insert(node, f.at_zero());
        opened.push(Opened {
            dealer: node,
            polynomial: List::new(f.coefficients().iter().map(scalar_bytes).collect()).during(round)?,
            recovery: Blob::default(),
            recovery_path: List::default(),
        });
    }
    opened.sort_by_key(|one| one.dealer);
    let nodes: Vec<NodeId> = survivors.iter().map(|one| one.node).collect();
    unmask(&mut lanes, &open.facts, &go, &nodes, &secrets).during(round)?;
    let list = List::new(confirmations).during(round)?;
    let bound = confirm::bound(&open.facts, &freeze, &nodes, &list).during(round)?;
    let (total, opened) = (total_root(&lanes), List::new(opened).during(round)?);
    let result = result_hash(&certificate_hash(&freeze, &list), &total, &opened).during(round)?;
    let sid = open.facts.sid;
    let body = ResultBody { sid, freeze, total: Bytes(total), result, at };
    let outcome =
        Outcome { body: Sealed::new(&setup.identity, Signed::Result, &body).during(round)?, opened };
    let bytes = Message::Outcome(outcome.clone()).to_frame().during(round)?;
    let mut outputs = vec![sent(sid, Round::Result, &bytes)];
    outputs.extend(to_all(&nodes, &bytes));
    outputs.push(Output::Publish { sid, survivors: nodes.clone() });
    let attempt = open.facts.header.attempt;
    let sum = Sum { sid, attempt, survivors: nodes, dropped: dropouts, lanes, outcome, bound };
    outputs.push(Output::Notify(Event::Finished(Box::new(sum))));
    Ok(Close::Next(Stage::Done(sid), outputs))
}
