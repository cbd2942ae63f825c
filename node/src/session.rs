//! The driver: carries frames to the core and the core's outputs out, in order.
//!
//! Owns the incarnation and the open session across links, the timers, and the order in which a record is
//! durable before the frame after it leaves. It must not hold SQL or parse configuration, and it must not
//! log a figure: of an extract that cannot be used only that it cannot. Whether the hospital consents stands in
//! `session/asking.rs`.

mod answered;
mod asking;
mod figures;
mod slots;

use crate::audit::{self, Audit};
use crate::clock::Clock;
use crate::config::Config;
use crate::desk::Desk;
use crate::error::Error;
use crate::extract::{ExtractError, Snapshots, Stop};
use crate::identity::randomness;
use crate::ledger::Ledger;
use crate::link::{Link, LinkSender};
use crate::pause;
use crate::transparency::{Heard, Watch};
use asking::{Job, Pending};
use figures::{What, figures, of_lock};
use samensom_protocol::admission::ADMISSION_VERSION;
use samensom_protocol::crypto::keys::Identity;
use samensom_protocol::error::Fault;
use samensom_protocol::ids::{AttemptId, NodeId, PublicKey, SessionId};
use samensom_protocol::io::{Event, Input, Output, Peer, Refusal};
use samensom_protocol::ledger::LedgerView;
use samensom_protocol::message::{Round, is_channel};
use samensom_protocol::node::Node;
use samensom_protocol::ring::Contribution;
use samensom_protocol::roster::Roster;
use samensom_protocol::rounds::offer::least_ms;
use samensom_protocol::time::Time;
use serde::{Deserialize, Serialize};
use slots::Slots;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How often it is looked whether the incarnation must be renewed.
const RENEWAL: Duration = Duration::from_secs(3600);
/// How often it is looked what the hospital's people have decided.
const LOOK: Duration = Duration::from_millis(500);
/// Bytes that the link adds to a frame: its length.
const FRAME_HEAD: u64 = 4;

/// How the last session went, for `status`; no figure stands in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastSession {
    /// The last attempt.
    pub attempt: String,
    /// `open`, `waiting for the hospital's consent`, `verified`, `ended`, `given up`.
    pub state: String,
    /// The check that ended it, and what it found.
    pub reason: Option<String>,
    /// Bytes of the session's frames that this agent sent, without channel set-up.
    pub up_bytes: u64,
}

impl LastSession {
    fn path(state: &Path) -> PathBuf {
        state.join("last-session.json")
    }
    /// Reads what the agent over this folder wrote; `None` before the first session.
    #[must_use]
    pub fn read(state: &Path) -> Option<LastSession> {
        serde_json::from_slice(&std::fs::read(Self::path(state)).ok()?).ok()
    }
}

/// One node's part in all sessions.
pub struct Driver {
    me: NodeId,
    identity: Arc<Identity>,
    coordinator: PublicKey,
    config: Arc<Config>,
    ledger: Ledger,
    node: Option<Node>,
    head: Option<samensom_protocol::ids::RosterHash>,
    timers: Vec<(AttemptId, Round, Time)>,
    last: LastSession,
    session: Option<SessionId>,
    slots: Slots,
    snapshots: Arc<Snapshots>,
    stop: Stop,
    clock: Clock,
    roster: Option<Roster>,
    refused: Option<Fault>,
    audit: Audit,
    /// A session ended in this step.
    over: bool,
    /// Other hospitals were told another story, as was found in this step.
    disputed: bool,
    desk: Desk,
    /// What the hospital's people are asked now.
    pending: Option<Pending>,
    /// Whether the coordinator tells everybody one story.
    watch: Watch,
}

impl Driver {
    /// The reason of a session's end where no check of the core says more.
    pub const REFUSED: &'static str = "refused, or past a deadline";

    /// A driver that holds the ledger as long as it lives.
    #[must_use]
    pub fn new(
        me: NodeId,
        identity: Arc<Identity>,
        coordinator: PublicKey,
        config: Arc<Config>,
        ledger: Ledger,
    ) -> Driver {
        let snapshots = Arc::new(Snapshots::of_state(&config.state));
        let config_state = config.state.clone();
        let last = LastSession { attempt: String::new(), state: "none".into(), reason: None, up_bytes: 0 };
        Driver {
            me,
            identity,
            coordinator,
            config,
            ledger,
            node: None,
            head: None,
            timers: Vec::new(),
            last,
            session: None,
            slots: Slots::default(),
            snapshots,
            stop: Stop::default(),
            clock: Clock::default(),
            roster: None,
            refused: None,
            audit: Audit::default(),
            over: false,
            disputed: false,
            desk: Desk::of_state(&config_state),
            pending: None,
            watch: Watch::default(),
        }
    }

    /// The same, which tells of everything before it does it.
    #[must_use]
    pub fn audited(self, audit: Audit) -> Driver {
        Driver { audit, ..self }
    }

    /// The same, which holds the coordinator to one transparency log.
    #[must_use]
    pub fn watching(self, watch: Watch) -> Driver {
        Driver { watch, ..self }
    }

    /// How the last session went.
    #[must_use]
    pub fn last(&self) -> &LastSession {
        &self.last
    }
    /// Ends a reading of the extracts that is under way, when the program is to stop.
    #[must_use]
    pub fn stop(&self) -> Stop {
        self.stop.clone()
    }
    /// The check that refused a frame last.
    #[must_use]
    pub fn refused(&self) -> Option<&Fault> {
        self.refused.as_ref()
    }

    /// Serves one link until an admission frame comes, which it gives back (the caller reads it, then calls
    /// again over the same link), or until the link ends. The incarnation and an open session outlive it.
    ///
    /// # Errors
    /// `Error::Link` when the link ended; anything else ends the process.
    pub async fn serve(
        &mut self,
        link: &mut Link,
        roster: &Roster,
        rosters: &[Roster],
    ) -> Result<Vec<u8>, Error> {
        let sender = link.sender();
        self.follow(roster, rosters)?;
        let at = self.now();
        self.step(Input::Start(at), &sender).await?;
        loop {
            let at = self.now();
            let timer = self.timers.iter().min_by_key(|(_, _, at)| *at).copied();
            let wait = timer.map_or(RENEWAL, |(_, _, due)| Duration::from_millis(due.since_ms(at)));
            let wait = if self.pending.is_some() { wait.min(LOOK) } else { wait };
            tokio::select! {
                frame = link.recv() => {
                    let bytes = frame?;
                    if bytes.first() == Some(&ADMISSION_VERSION) {
                        if self.audit.heard(&self.coordinator, &bytes)? {
                            continue;
                        }
                        match self.watch.heard(&self.coordinator, &bytes)? {
                            Heard::Other => return Ok(bytes),
                            Heard::Noted => continue,
                            Heard::Disputed => {}
                        }
                        self.begin_anew(roster, rosters, &sender).await?;
                        continue;
                    }
                    let at = self.now();
                    self.step(Input::Frame { from: Peer::Coordinator, bytes, at }, &sender).await?;
                }
                () = tokio::time::sleep(wait.min(RENEWAL)) => {
                    let at = self.now();
                    match timer {
                        Some((sid, round, due)) if at >= due => {
                            self.timers.retain(|timer| *timer != (sid, round, due));
                            self.step(Input::Deadline { sid, round, at }, &sender).await?;
                        }
                        _ if self.pending.is_some() => {
                            if let Some(input) = self.look(at).await? {
                                self.step(input, &sender).await?;
                            }
                        }
                        Some(_) => {}
                        // Between sessions an old incarnation is renewed.
                        None => self.step(Input::Start(at), &sender).await?,
                    }
                }
            }
            if std::mem::take(&mut self.disputed) {
                self.begin_anew(roster, rosters, &sender).await?;
            }
            self.follow(roster, rosters)?;
        }
    }

    /// Ends an open attempt as a restart would: its secrets are wiped, and nothing of it leaves any more.
    async fn begin_anew(
        &mut self,
        roster: &Roster,
        rosters: &[Roster],
        sender: &LinkSender,
    ) -> Result<(), Error> {
        self.drop_out();
        self.follow(roster, rosters)?;
        let at = self.now();
        self.step(Input::Start(at), sender).await
    }

    fn drop_out(&mut self) {
        (self.node, self.head, self.pending) = (None, None, None);
        self.timers.clear();
    }

    /// By the machine's clock between attempts; inside one by the time that passes.
    fn now(&mut self) -> Time {
        let free = self.node.as_ref().is_none_or(Node::is_idle);
        self.clock.now(free)
    }

    /// Starts the core, or gives it a newer accepted roster once no attempt is open.
    fn follow(&mut self, roster: &Roster, rosters: &[Roster]) -> Result<(), Error> {
        if self.head == Some(roster.hash()) {
            return Ok(());
        }
        let node = match self.node.take() {
            None => {
                let view = LedgerView::of(self.ledger.records()?.iter());
                let rosters = rosters.iter().cloned().map(Arc::new).collect();
                Ok(Node::new(self.me, Arc::clone(&self.identity), self.coordinator, rosters, view))
            }
            Some(node) => node.adopt(Arc::new(roster.clone())),
        };
        match node {
            Ok(node) => {
                self.head = Some(roster.hash());
                self.roster = Some(roster.clone());
                self.node = Some(node);
            }
            Err(busy) => self.node = Some(busy),
        }
        Ok(())
    }

    /// Steps the core and carries out what it asks. A link that is lost on the way takes nothing with it:
    /// the records, timers and measurements after it are carried out all the same.
    async fn step(&mut self, input: Input, sender: &LinkSender) -> Result<(), Error> {
        let mut inputs = VecDeque::from([input]);
        let mut lost = None;
        while let Some(input) = inputs.pop_front() {
            let Some(mut node) = self.node.take() else { break };
            if let (Input::Measured { .. }, Some(head)) = (&input, self.watch.head()?) {
                (node, _) = node.step(Input::TreeHead(head), &mut randomness());
            }
            // Why the hospital's own rules refused is in the log before the core hears of it.
            let told = matches!(input, Input::Refused { .. });
            // Whoever stops waiting here loses the attempt, as by a restart: `follow` begins anew.
            let head = self.head.take();
            let (node, outputs) = stepped(node, input).await?;
            (self.node, self.head) = (Some(node), head);
            self.audit.tell_all(outputs.iter().filter(|_| !told).filter_map(audit::Event::of))?;
            for output in outputs {
                if self.disputed {
                    break;
                }
                match self.carry_out(output, sender).await {
                    Ok(input) => inputs.extend(input),
                    Err(Error::Link(error)) => lost = Some(error),
                    Err(error) => return Err(error),
                }
            }
        }
        // After each session the coordinator keeps how far this log has come.
        if std::mem::take(&mut self.over) {
            for frame in self.audit.head_frame().into_iter().chain(self.watch.question()?) {
                if let Err(error) = sender.send(frame).await {
                    lost = Some(error);
                }
            }
        }
        lost.map_or(Ok(()), |error| Err(Error::Link(error)))
    }

    async fn carry_out(&mut self, output: Output, sender: &LinkSender) -> Result<Option<Input>, Error> {
        match output {
            // A record that could not be written ends the process before anything after it is sent.
            Output::Persist(record) => {
                self.ledger.append(&record)?;
            }
            Output::Send { bytes, .. } => {
                if !is_channel(&bytes) {
                    let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
                    self.last.up_bytes = self.last.up_bytes.saturating_add(length).saturating_add(FRAME_HEAD);
                }
                sender.send(bytes).await?;
            }
            Output::Measure { sid, warrant, lock, slot, pass, open, patients_each, dominance, class } => {
                let what = What { sid, me: self.me, pass, open, patients_each, dominance, class };
                let lock = lock.to_string();
                return self.asked(Job { sid, warrant: *warrant, lock, slot, what }).await.map(Some);
            }
            Output::Heads(heads) => {
                if self.watch.told(&heads)? == Heard::Disputed {
                    self.disputed = true;
                }
            }
            Output::Arm { sid, round, at } => {
                self.timers.retain(|(other, _, _)| *other == sid);
                self.timers.retain(|(_, other, _)| *other != round);
                self.timers.push((sid, round, at));
                self.last.attempt = sid.to_hex();
            }
            Output::Reject { fault, .. } => {
                tracing::warn!(%fault, "refused a frame");
                self.refused = Some(fault);
            }
            Output::Notify(event) => self.note(event),
            // A coordinator's outputs.
            Output::Spool { .. } | Output::Recall { .. } | Output::Publish { .. } => {}
        }
        Ok(None)
    }

    fn note(&mut self, event: Event) {
        let (state, reason) = match event {
            Event::Verified { sid, result } => {
                tracing::info!(attempt = %sid, %result, "the result is verified");
                ("verified", None)
            }
            Event::Ended { sid, fault } => {
                let reason = fault.map_or_else(|| Self::REFUSED.to_owned(), |fault| fault.to_string());
                tracing::warn!(attempt = %sid, reason, "this hospital's part ended");
                ("ended", Some(reason))
            }
            Event::GivenUp { sid, reason } => {
                tracing::info!(attempt = %sid, ?reason, "the coordinator gave the attempt up");
                ("given up", Some(format!("{reason:?}")))
            }
            _ => return,
        };
        self.over = true;
        self.timers.clear();
        self.pending = None;
        (self.last.state, self.last.reason) = (state.to_owned(), reason);
        self.write_last();
    }

    /// `status` shows this; a session does not depend on it.
    fn write_last(&self) {
        let path = LastSession::path(&self.config.state);
        let written = serde_json::to_vec(&self.last).map_err(std::io::Error::other).and_then(|text| {
            let draft = path.with_extension("new");
            std::fs::write(&draft, text)?;
            std::fs::rename(&draft, &path)
        });
        if let Err(error) = written {
            tracing::warn!(%error, path = %path.display(), "what `status` shows of the last session is old");
        }
    }

    /// The figures from the slot's frozen extract, unless the hospital has paused or it is too early.
    async fn measure(&mut self, job: Job) -> Result<Contribution, Refusal> {
        let (session, Job { warrant, lock, slot, what, .. }) = (job.session(), job);
        let refused = |rule: String| audit::Event::Refused {
            attempt: self.last.attempt.clone(),
            session: Some(session),
            rule,
        };
        if pause::read(&self.config.state).is_some() {
            // `whole` ends the process when this was not written.
            let _ = self.audit.tell(refused("this hospital has paused".to_owned()));
            return Err(Refusal::Policy);
        }
        if self.watch.is_overdue() {
            tracing::warn!("the coordinator does not say how far its transparency log has come");
            let _ = self.audit.tell(refused("the coordinator does not show its transparency log".to_owned()));
            return Err(Refusal::Policy);
        }
        let locks = self.roster.as_ref().map(|roster| roster.body().locks.iter());
        let lock_rule = locks.and_then(|mut locks| locks.find(|rule| *rule.name == *lock));
        let least = Duration::from_millis(lock_rule.map_or(0, least_ms));
        if !self.slots.allows(&lock, slot, least, Instant::now()) {
            tracing::warn!(lock, slot, "too soon after the last freeze by the monotonic clock (A03)");
            let _ = self.audit.tell(refused("A03: too soon after the last freeze".to_owned()));
            return Err(Refusal::Policy);
        }
        let (config, snapshots, stop) =
            (Arc::clone(&self.config), Arc::clone(&self.snapshots), self.stop.clone());
        let (place, before) = (lock.clone(), self.answered(&lock));
        let extracts = of_lock(&self.config.extracts, lock_rule);
        let computed = tokio::task::spawn_blocking(move || {
            figures((&config, &extracts, &before), &snapshots, (&place, slot), (&warrant, &what), &stop)
        })
        .await;
        match computed {
            Ok(Ok((contribution, frozen))) => {
                let answered = audit::Event::Answered {
                    session,
                    lock,
                    slot,
                    extract: frozen.content,
                    declared: frozen.hash,
                    rows: audit::rows(&frozen),
                };
                self.audit.tell(answered).map_err(|_| Refusal::Extract)?;
                Ok(contribution)
            }
            Ok(Err(error)) if error.is_of_the_ledger() => {
                let _ = self.audit.tell(refused(error.to_string()));
                tracing::warn!(%error, "this hospital takes no part");
                Err(Refusal::Policy)
            }
            Ok(Err(error)) => {
                let code = error.code();
                let _ = self.audit.tell(refused(format!("the extract does not give the figures ({code})")));
                self.warn_of(&error, &lock, slot);
                Err(Refusal::Extract)
            }
            Err(_) => {
                let _ = self.audit.tell(refused("the reading of the extract did not end".to_owned()));
                Err(Refusal::Extract)
            }
        }
    }

    /// Says in the journal that an extract cannot be used, without a value of it.
    fn warn_of(&self, error: &ExtractError, lock: &str, slot: u64) {
        // Values of the extract stay out of the log; `data check` shows them to the hospital.
        let code = error.code();
        if error.is_of_the_disk() {
            // A path and the system's word: no value.
            tracing::warn!(code, %error, "the extract cannot be read or kept for this slot");
        } else {
            tracing::warn!(code, "the extract does not give the figures; run `samensom-node data check`");
        }
        if let Some(path) = self.snapshots.last_good(lock, slot) {
            let path = path.display();
            tracing::warn!(%path, "the last good snapshot stays; this slot does not use it (A03)");
        }
    }
}

/// The core's step, beside the link: verifying a large total, or proofs of everyone's ranges, takes seconds, and a
/// link that hears nothing for so long is lost.
async fn stepped(node: Node, input: Input) -> Result<(Node, Vec<Output>), Error> {
    let step = move || node.step(input, &mut randomness());
    // What a unit test switches is switched on its own thread; whole programs are tested beside their links.
    if cfg!(test) {
        return Ok(step());
    }
    tokio::task::spawn_blocking(step).await.map_err(|_| Error::Stepped)
}

impl core::fmt::Debug for Driver {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Driver").field("me", &self.me).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
