//! A session that goes on after a restart: the stage is built again from the records of its last attempt.
//!
//! Every message of this coordinator is read back, none is made anew, so that a node never sees two of one
//! kind. Shares are not kept: nodes repeat their answers when they are asked again.

use super::stages::{self, Contributing, Stage};
use super::{Coordinator, Setup, closing, frame};
use crate::ablation::ablated;
use crate::error::{Check, Fault};
use crate::ids::NodeId;
use crate::io::{Output, Record};
use crate::message::{Message, Round};
use crate::time::Time;
use rand_core::CryptoRng;

/// The spooled blocks of one node's report, in order.
pub type Blocks<'a> = &'a mut dyn FnMut(NodeId) -> Vec<Vec<u8>>;

fn damaged() -> Fault {
    Fault::new(Check::A01, "the records of the attempt do not fit each other")
}

impl Coordinator {
    /// Goes on with the attempt whose records these are, in order. What the attempt's header says of those
    /// invited, the binding survivors and the attempt's number replaces what `setup` says. The driver tells
    /// with [`Input::Linked`](crate::io::Input::Linked) who is there; they are asked again.
    ///
    /// # Errors
    /// When the records are not those of one attempt of this session.
    pub fn resume(
        mut setup: Setup,
        records: &[Record],
        blocks: Blocks,
        now: Time,
        rng: &mut impl CryptoRng,
    ) -> Result<(Coordinator, Vec<Output>), Fault> {
        let (mut stage, mut last) = (Stage::Created, Vec::new());
        for record in records {
            stage = match record {
                Record::Sent { round, at, bytes, .. } => {
                    let entered = enter(stage, &mut setup, (*round, bytes), blocks, *at)?;
                    last = entered.1;
                    entered.0
                }
                Record::Received { node, bytes, .. } => {
                    // Over a new link a node begins its report anew: the spool holds the last one's blocks.
                    if let Stage::Contributing(open) = &mut stage {
                        open.uploads.remove(node);
                    }
                    frame(stage, &setup, *node, bytes).0
                }
                _ => stage,
            };
        }
        if let Stage::Contributing(contributing) = &mut stage {
            recall(contributing, blocks);
        }
        let attempt = stage.sid().and(stage.attempt()).unwrap_or(0);
        // The deadline is the one that was armed before; of RESULT all is said again.
        let over = matches!(stage, Stage::Done(_));
        last.retain(|output| matches!(output, Output::Arm { .. }) || (over && is_result(output)));
        let mut coordinator = Coordinator { setup, attempt, stage };
        coordinator.advance(&mut last, false, now, rng);
        Ok((coordinator, last))
    }
}

fn is_result(output: &Output) -> bool {
    matches!(output, Output::Notify(crate::io::Event::Finished(_)))
}

/// One of the coordinator's own messages, read back.
fn enter(
    stage: Stage,
    setup: &mut Setup,
    (round, bytes): (Round, &[u8]),
    blocks: Blocks,
    at: Time,
) -> Result<(Stage, Vec<Output>), Fault> {
    match (Message::from_frame(bytes)?, stage) {
        (Message::Offer(offer), Stage::Created) => {
            let facts = setup.facts(&offer.header.body)?;
            setup.invited = facts.header.invited.to_vec();
            setup.bound = facts.header.bound.clone();
            if setup.bound.is_some() {
                setup.earlier = None;
            }
            Ok(stages::enter_deposit(facts, bytes.to_vec(), at))
        }
        (Message::Start(_), stage @ Stage::Depositing(_)) if ablated!("resume-start") => {
            Ok((stage, Vec::new()))
        }
        (Message::Start(start), Stage::Depositing(stage)) => {
            closing::enter_ready(stage.open, stage.deposits, start.body, at)
        }
        (Message::Go(go), Stage::Readying(stage)) => {
            closing::enter_contribute(stage.open, stage.cohort, go, at)
        }
        (Message::Freeze(freeze), Stage::Contributing(mut stage)) => {
            // Exactly the survivors' reports are added.
            let survivors: Vec<NodeId> = freeze.survivors.iter().map(|one| one.node).collect();
            stage.uploads.retain(|node, _| survivors.contains(node));
            recall(&mut stage, blocks);
            Fault::unless(stage.counted.keys().eq(survivors.iter()), Check::A01, damaged().what)?;
            closing::enter_confirm(*stage, freeze, at)
        }
        (Message::Certificate(certificate), Stage::Confirming(stage)) => {
            closing::enter_reveal(*stage, certificate, at)
        }
        // Shares of r come again; then ASK-B is the same, byte for byte.
        (Message::AskB(_), Stage::RevealingR(mut stage)) => {
            stage.open.requests.push(bytes.to_vec());
            let arm = stage.open.facts.header.deadlines.reveal_ms;
            let (sid, round) = (stage.open.facts.sid, stage.open.round);
            let arm = Output::Arm { sid, round, at: at.plus_ms(u64::from(arm)) };
            Ok((Stage::RevealingR(stage), vec![arm]))
        }
        (Message::Outcome(outcome), Stage::RevealingR(stage)) => {
            closing::enter_done_again(*stage, outcome, at)
        }
        // The total is opened again; RESULT, which comes last, says whether it is the same.
        (Message::OutcomeBlock(_), stage @ Stage::RevealingR(_)) => Ok((stage, Vec::new())),
        (Message::Voids(_), stage) if round == Round::Void => Ok((stage, Vec::new())),
        _ => Err(damaged()),
    }
}

/// Reports that are whole in the spool are checked and added; others are asked for again.
fn recall(stage: &mut Contributing, blocks: Blocks) {
    for (node, mut upload) in std::mem::take(&mut stage.uploads) {
        let spooled = blocks(node);
        let mut whole = false;
        for (index, block) in (0u32..).zip(&spooled) {
            match upload.block(index, block, &stage.open.facts, node) {
                Ok(last) => whole = last,
                Err(_) => break,
            }
        }
        if !whole || ablated!("resume-reports") {
            continue;
        }
        for (index, block) in (0u32..).zip(&spooled) {
            stage.adder.add(index, block);
        }
        let counted = stage.check(node, upload);
        stage.counted.insert(node, counted);
        stage.open.waiting.remove(&node);
        stage.open.done.insert(node);
    }
}
