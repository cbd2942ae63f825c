//! One session's task: inputs into the core, its outputs carried out in order.

use super::passes::Between;
use super::{Consent, Options, Progress};
use crate::audit;
use crate::clock::now;
use crate::error::Error;
use crate::links::Links;
use crate::session::publish;
use crate::store::{Attempt, Batch, Finished, Store};
use samensom_protocol::codec::decode;
use samensom_protocol::coordinator::{Coordinator, Setup};
use samensom_protocol::ids::{AttemptId, NodeId, SessionId};
use samensom_protocol::io::{Event, Failure, FailureCode, Input, Output, Peer, Record, Sum};
use samensom_protocol::message::{Answer, Header, Message, Pass, Round};
use samensom_protocol::params::Thresholds;
use samensom_protocol::rounds::offer::session_id;
use samensom_protocol::time::Time;
use samensom_protocol::transparency::{Entry, bundle_hash};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Inputs taken together, so that their records are synced once.
const TOGETHER: usize = 128;
/// An ended session still hears alarms for so long.
const ALARMS: Duration = Duration::from_secs(120);
/// GO is held no longer than the cohort waits for it.
const HOLD: Duration = Duration::from_secs(9);

/// One session.
pub(super) struct Task {
    store: Arc<Store>,
    links: Links,
    options: Options,
    core: Option<Coordinator>,
    session: SessionId,
    pass: Pass,
    thresholds: Thresholds,
    progress: mpsc::Sender<Progress>,
    over: Arc<AtomicBool>,
    counted: Arc<Mutex<Option<Between>>>,
    /// The count that this pass sums, unless the command began it.
    between: Option<Between>,
    /// Reports on their way to the survivors.
    publishing: Vec<JoinHandle<()>>,
    timers: Vec<(AttemptId, Round, Time)>,
    attempt: u16,
    /// What hospitals said of their consent, and the round that is open.
    consent: Consent,
    round: Round,
    /// What is not on disk yet; it is before the next frame leaves.
    batch: Batch,
    /// What a session that was interrupted begins with.
    resumed: Option<Vec<Output>>,
    /// Hospitals that refused, by attempt, as far as this process heard them.
    refusals: BTreeMap<AttemptId, BTreeSet<NodeId>>,
}

fn randomness() -> rand_core::UnwrapErr<getrandom::SysRng> {
    rand_core::UnwrapErr(getrandom::SysRng)
}

/// The core's step, beside the links: to verify proofs of ranges or open a large sum takes seconds, in which the
/// other links are heard.
async fn stepped(core: Coordinator, input: Input) -> Result<(Coordinator, Vec<Output>), Error> {
    let step = move || core.step(input, &mut randomness());
    let broken =
        |_| Error::machine("a step of the protocol did not end").remedy("report this with the version");
    tokio::task::spawn_blocking(step).await.map_err(broken)
}

impl Task {
    pub(super) fn new(
        store: Arc<Store>,
        links: Links,
        options: Options,
        (setup, between): (Setup, Option<Between>),
        progress: mpsc::Sender<Progress>,
    ) -> Self {
        let thresholds = setup.warrant.params().thresholds;
        let core = (Coordinator::new(setup), None, thresholds);
        Task { between, ..Self::of(store, links, options, core, progress) }
    }

    /// A session that goes on after a restart: the core and its first outputs.
    pub(super) fn of(
        store: Arc<Store>,
        links: Links,
        options: Options,
        (core, resumed, thresholds): (Coordinator, Option<Vec<Output>>, Thresholds),
        progress: mpsc::Sender<Progress>,
    ) -> Self {
        Task {
            store,
            links,
            options,
            session: core.session(),
            pass: core.pass(),
            core: Some(core),
            thresholds,
            progress,
            over: Arc::default(),
            counted: Arc::default(),
            between: None,
            publishing: Vec::new(),
            timers: Vec::new(),
            attempt: 0,
            consent: Consent::default(),
            round: Round::Deposit,
            batch: Batch::default(),
            resumed,
            refusals: BTreeMap::new(),
        }
    }

    pub(super) fn session(&self) -> SessionId {
        self.session
    }

    pub(super) fn over(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.over)
    }

    /// Set once a count pass has its sum and every survivor was sent all it rests on.
    pub(super) fn counted(&self) -> Arc<Mutex<Option<Between>>> {
        Arc::clone(&self.counted)
    }

    /// Runs until the session is over and its alarms were heard. A store that fails ends the session.
    pub(super) async fn serve(mut self, mut queue: mpsc::Receiver<Input>) {
        if let Err(error) = self.run(&mut queue).await {
            tracing::error!(session = %self.session, %error, "the session is interrupted: the store failed");
            let failure = self.failure(FailureCode::Interrupted, Round::Result);
            self.tell(Progress::Failed { session: self.session, failure }).await;
            self.store.give_up(error);
        }
        self.over.store(true, Ordering::Relaxed);
    }

    fn failure(&self, code: FailureCode, round: Round) -> Failure {
        Failure { code, round, needed: self.thresholds.quorum, present: 0, culprits: Vec::new(), block: None }
    }

    async fn run(&mut self, queue: &mut mpsc::Receiver<Input>) -> Result<(), Error> {
        match self.resumed.take() {
            None => self.take(vec![Input::Start(now())]).await?,
            Some(outputs) => {
                self.log(None, &outputs).await?;
                for output in outputs {
                    self.carry_out(None, output).await?;
                }
                self.flush().await?;
            }
        }
        loop {
            let over = self.core.as_ref().is_none_or(Coordinator::is_over);
            self.over.store(over, Ordering::Relaxed);
            let timer = self.timers.iter().min_by_key(|(_, _, at)| *at).copied().filter(|_| !over);
            let wait = timer.map_or(ALARMS, |(_, _, at)| Duration::from_millis(at.since_ms(now())));
            let mut inputs = Vec::new();
            tokio::select! {
                count = queue.recv_many(&mut inputs, TOGETHER) => {
                    if count == 0 {
                        return Ok(());
                    }
                }
                () = tokio::time::sleep(wait) => match timer {
                    Some((sid, round, at)) if now() >= at => {
                        self.timers.retain(|timer| *timer != (sid, round, at));
                        inputs.push(Input::Deadline { sid, round, at: now() });
                    }
                    Some(_) => {}
                    None => return Ok(()),
                },
            }
            self.take(inputs).await?;
        }
    }

    async fn take(&mut self, inputs: Vec<Input>) -> Result<(), Error> {
        let mut inputs = VecDeque::from(inputs);
        while let Some(input) = inputs.pop_front() {
            let Some(core) = self.core.take() else { return Ok(()) };
            let sid = core.sid();
            let heard = audit::Event::heard((self.session, sid), &input);
            self.hear(heard.as_ref(), &input).await;
            let (core, outputs) = stepped(core, input).await?;
            self.core = Some(core);
            self.log(heard, &outputs).await?;
            for output in outputs {
                if let Output::Recall { node } = output {
                    let recalled = self.recall(node).await?;
                    recalled.into_iter().rev().for_each(|input| inputs.push_front(input));
                } else {
                    self.carry_out(sid, output).await?;
                }
            }
        }
        self.flush().await
    }

    /// What was heard and is about to be done, told before it is.
    async fn log(&self, heard: Option<audit::Event>, outputs: &[Output]) -> Result<(), Error> {
        let said = outputs.iter().filter_map(|output| audit::Event::of(self.session, output));
        let events: Vec<audit::Event> = heard.into_iter().chain(said).collect();
        if events.is_empty() {
            return Ok(());
        }
        self.store.run(move |store| store.tell(events)).await
    }

    /// Carries out what an input of attempt `sid` gave.
    async fn carry_out(&mut self, sid: Option<AttemptId>, output: Output) -> Result<(), Error> {
        match output {
            Output::Persist(record) => {
                self.left_out(&record);
                if matches!(record, Record::Sent { round: Round::Contribute, .. }) {
                    self.hold().await;
                }
                self.batch.attempts.extend(begun(&record));
                self.batch.records.extend(sid_of(&record).map(|sid| (sid, record)));
            }
            Output::Spool { node, block, bytes } => {
                self.batch.blocks.extend(sid.map(|sid| (sid, node, block, bytes)));
            }
            Output::Send { to: Peer::Node(to), bytes } => {
                self.flush().await?;
                // A node that is gone is noticed by its link.
                let _ = self.links.send(to, bytes);
            }
            Output::Arm { sid, round, at } => {
                self.timers.clear();
                self.timers.push((sid, round, at));
            }
            Output::Publish { frames, to } => {
                self.flush().await?;
                self.publishing.push(tokio::spawn(publish::frames(self.links.clone(), frames, to)));
            }
            Output::Reject { from: Peer::Node(node), fault } => {
                tracing::warn!(session = %self.session, node = node.0, %fault, "refused a frame");
            }
            Output::Notify(event) => self.note(event).await?,
            // Outputs of a node, and what `take` does.
            Output::Measure { .. }
            | Output::Heads(_)
            | Output::Recall { .. }
            | Output::Send { .. }
            | Output::Reject { .. } => {}
        }
        Ok(())
    }

    /// Makes everything so far durable, in one transaction for each kind.
    async fn flush(&mut self) -> Result<(), Error> {
        if self.batch.records.is_empty() && self.batch.blocks.is_empty() {
            return Ok(());
        }
        let batch = std::mem::take(&mut self.batch);
        self.store.run(move |store| store.keep(&batch)).await
    }

    async fn recall(&mut self, node: NodeId) -> Result<Vec<Input>, Error> {
        let Some(sid) = self.core.as_ref().and_then(Coordinator::sid) else { return Ok(Vec::new()) };
        let mut inputs = Vec::new();
        for block in 0u32.. {
            let waits = self.batch.blocks.iter().rev().find(|one| (one.1, one.2) == (node, block));
            let bytes = match waits {
                Some((_, _, _, bytes)) => Some(bytes.clone()),
                None => self.store.run(move |store| store.spooled(&sid, node, block)).await?,
            };
            let Some(bytes) = bytes else { break };
            inputs.push(Input::Recalled { node, block, bytes, at: now() });
        }
        Ok(inputs)
    }

    /// A rehearsal of drop-outs: GO waits until the file is there.
    async fn hold(&mut self) {
        let Some(path) = self.options.hold_go.take() else { return };
        let waiting = PathBuf::from(format!("{}.waiting", path.display()));
        if let Err(error) = std::fs::write(&waiting, b"") {
            tracing::warn!(%error, "GO is not held: the file that says so cannot be written");
            return;
        }
        let until = tokio::time::Instant::now() + HOLD;
        while !path.exists() && tokio::time::Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Only the two ends of a bad pair know who lied, so this names nobody.
    fn left_out(&self, record: &Record) {
        if let Record::BadPairs { pairs, left_out, .. } = record {
            let left_out: Vec<u16> = left_out.iter().map(|node| node.0).collect();
            tracing::warn!(session = %self.session, pairs = pairs.len(), ?left_out,
                "hospitals that do not agree cannot be in one cohort");
        }
    }

    async fn tell(&self, progress: Progress) {
        // The command that asked may be gone; the session goes on.
        let _ = self.progress.try_send(progress);
    }

    async fn note(&mut self, event: Event) -> Result<(), Error> {
        match event {
            Event::Stands { node, answer, .. } => {
                self.consent.hear(node, answer);
                self.tell(Progress::Consent(self.consent.clone())).await;
            }
            Event::Opened { round, expected, attempt, .. } => {
                (self.attempt, self.round) = (attempt, round);
                self.line(round, 0, expected).await;
            }
            Event::Answered { round, present, expected } if present == expected || present % 10 == 0 => {
                self.line(round, present, expected).await;
            }
            Event::Alarmed { node, sid } => {
                tracing::error!(session = %self.session, attempt = %sid, node = node.0, "a hospital says that the result is wrong");
            }
            Event::Named { sid, fault } => {
                tracing::error!(session = %self.session, attempt = %sid, %fault, "hospitals are at fault");
            }
            Event::Failed(failure) => self.failed(failure).await?,
            Event::Finished(sum) => self.finished(*sum).await?,
            _ => {}
        }
        Ok(())
    }

    /// An offer that a hospital refuses by a check is a refusal too; one that deposits has consented.
    async fn hear(&mut self, heard: Option<&audit::Event>, input: &Input) {
        if let Some(audit::Event::Refused { attempt, node, .. }) = heard {
            self.refusals.entry(*attempt).or_default().insert(*node);
        }
        if self.round != Round::Deposit {
            return;
        }
        let told = match (heard, input) {
            (Some(audit::Event::Refused { node, .. }), _) => {
                self.consent.hear(*node, Answer::Refused);
                true
            }
            (_, Input::Frame { from: Peer::Node(node), bytes, .. })
                if matches!(Message::from_frame(bytes), Ok(Message::Deposit(_))) =>
            {
                self.consent.forget(*node)
            }
            _ => false,
        };
        if told {
            self.tell(Progress::Consent(self.consent.clone())).await;
        }
    }

    async fn line(&self, round: Round, present: u16, expected: u16) {
        let round = format!("{round:?}").to_lowercase();
        let round = if self.pass == Pass::Count { format!("count {round}") } else { round };
        self.tell(Progress::Line { round, present, expected, attempt: self.attempt }).await;
    }

    /// Enters into the transparency log how many hospitals refused each attempt, before the session's end is seen.
    async fn enter_refusals(&mut self) -> Result<(), Error> {
        for (attempt, hospitals) in std::mem::take(&mut self.refusals) {
            let hospitals = u16::try_from(hospitals.len()).unwrap_or(u16::MAX);
            let entry = Entry::Refusals { attempt, hospitals };
            self.store.run(move |store| store.add_entry(&entry)).await?;
        }
        Ok(())
    }

    async fn failed(&mut self, failure: Failure) -> Result<(), Error> {
        self.flush().await?;
        self.enter_refusals().await?;
        if let Some(again) = self.between.take().and_then(|between| between.again(&failure)) {
            tracing::warn!(session = %self.session, present = failure.present, "hospitals were lost after the count; the sum is tried again");
            self.hand_over(again);
            return Ok(());
        }
        let (session, kept) = (self.session, failure.clone());
        self.store.run(move |store| store.end_session(&session, Some(&kept))).await?;
        tracing::warn!(%session, code = ?failure.code, round = ?failure.round, needed = failure.needed,
            present = failure.present, at_fault = ?ids(&failure.culprits), block = failure.block,
            "the session ended without a sum");
        self.tell(Progress::Failed { session, failure }).await;
        Ok(())
    }

    /// A count pass was opened: verified, and its session is done. The hub begins the value pass.
    async fn opened(&mut self, sid: AttemptId) -> Result<(), Error> {
        self.flush().await?;
        self.enter_refusals().await?;
        let session = self.session;
        let verified = match self.store.run(move |store| crate::result::verified_pass(store, &sid)).await {
            Ok(verified) => verified,
            Err(error) => {
                tracing::error!(%session, %error, "the count does not verify");
                return self.failed(self.failure(FailureCode::Unverified, Round::Result)).await;
            }
        };
        let next = Between::after(&verified);
        let (value, warrant, slot) = (next.session, next.warrant, next.slot);
        self.store.run(move |store| store.end_count((&session, &value), (&warrant, slot), now())).await?;
        // A hospital that has not seen the count take its end would refuse the value pass.
        for publishing in self.publishing.drain(..) {
            let _ = publishing.await;
        }
        tracing::info!(%session, "it is known how many hospitals stand behind each figure");
        self.hand_over(next);
        Ok(())
    }

    /// To the hub, which begins the value pass.
    fn hand_over(&self, between: Between) {
        *self.counted.lock().unwrap_or_else(PoisonError::into_inner) = Some(between);
    }

    /// Writes the bundle, verifies what was written, and only then says that there is a result.
    async fn finished(&mut self, sum: Sum) -> Result<(), Error> {
        if self.pass == Pass::Count {
            return self.opened(sum.sid).await;
        }
        self.flush().await?;
        let (session, results, sid) = (self.session, self.options.results.clone(), sum.sid);
        let recipients = sum.survivors.clone();
        let name = format!("{}.json", session.to_hex());
        let file = name.clone();
        let judged = self
            .store
            .run(move |store| {
                let text = crate::result::bundle_text(store, &sid)?;
                let verified = crate::result::read_bundle(text.as_bytes())?;
                let entry = Entry::Bundle {
                    attempt: sid,
                    result: verified.result,
                    bundle: bundle_hash(text.as_bytes()),
                };
                Ok((crate::result::summary(&session, &verified), text, entry))
            })
            .await;
        let (summary, text, entry) = match judged {
            Ok(judged) => judged,
            Err(error) => {
                tracing::error!(%session, %error, "the result does not verify");
                return self.failed(self.failure(FailureCode::Unverified, Round::Result)).await;
            }
        };
        let (cells, suppressed) = crate::result::cells(&summary);
        let bundle = format!("results/{name}");
        let opened = audit::Event::Opened { session, attempt: sid, bundle, cells, suppressed, recipients };
        self.store.run(move |store| store.tell(vec![opened])).await?;
        self.enter_refusals().await?;
        // The log names the bundle before anybody can read it.
        self.store.run(move |store| store.add_entry(&entry)).await?;
        // A disk that is full loses nothing: the next start writes the bundle again.
        self.store.run(move |_| crate::result::write_bundle(&results, &file, &text)).await?;
        let finished = Finished { session, sid, bundle: format!("results/{name}"), finished_at: now() };
        self.store.run(move |store| store.put_result(&finished)).await?;
        self.store.run(move |store| store.end_session(&session, None)).await?;
        tracing::info!(%session, "there is a result");
        self.tell(Progress::Done { session, summary }).await;
        Ok(())
    }
}

/// The attempt that a header opens.
fn begun(record: &Record) -> Option<Attempt> {
    let Record::Sent { sid, round: Round::Deposit, at, bytes } = record else { return None };
    let Ok(Message::Offer(offer)) = Message::from_frame(bytes) else { return None };
    let header: Header = decode(&offer.header.body).ok()?;
    let session = session_id(&header.warrant, header.slot, header.pass);
    let lock = header.lock.to_string();
    Some(Attempt { sid: *sid, session, lock, slot: header.slot, roster: header.roster, opened_at: *at })
}

fn ids(nodes: &[NodeId]) -> Vec<u16> {
    nodes.iter().map(|node| node.0).collect()
}

fn sid_of(record: &Record) -> Option<AttemptId> {
    match record {
        Record::Sent { sid, .. }
        | Record::Received { sid, .. }
        | Record::BadPairs { sid, .. }
        | Record::Garbage { sid, .. } => Some(*sid),
        Record::Bound { bound, .. } => Some(bound.sid),
        _ => None,
    }
}
