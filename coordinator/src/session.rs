//! The sessions: one task each, driving the protocol's core.
//!
//! The hub hears the links: it relays channel messages between nodes and hands every other frame to the
//! session that runs. A session's task carries the core's outputs out in order; records are durable before
//! the frame after them leaves. It must not hold SQL or read configuration, and it never sees a figure that
//! is not an opened sum.

mod beside;
mod outputs;
mod passes;
mod publish;
mod rate;
mod series;
mod start;

use crate::clock::now;
use crate::error::Error;
use crate::links::Links;
use crate::listener::LinkEvent;
use crate::store::Store;
use outputs::Task;
use passes::Between;
use samensom_protocol::crypto::keys::Identity;
use samensom_protocol::ids::{NodeId, SessionId, WarrantHash};
use samensom_protocol::io::{Failure, Input, Output, Peer};
use samensom_protocol::message::{Answer, Message, Pass, is_channel};
use samensom_protocol::rounds::channel::Switchboard;
use samensom_protocol::rounds::offer::session_id;
use serde::{Deserialize, Serialize};
use start::Resumed;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

/// How long a session waits for channel keys that are being set up.
const CHANNELS: Duration = Duration::from_secs(10);
/// Frames that may wait for a session.
const QUEUE: usize = 4096;

/// Why a session could not begin.
pub type RunError = Error;

/// What the sessions need besides store and links.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Where bundles are written.
    pub results: PathBuf,
    /// Hold the first GO until this file exists; for rehearsals of drop-outs.
    pub hold_go: Option<PathBuf>,
}

/// What a command hears of a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Progress {
    /// So many answered in a round.
    Line {
        /// The round.
        round: String,
        /// How many answered.
        present: u16,
        /// Of how many.
        expected: u16,
        /// In which attempt, from 0.
        attempt: u16,
    },
    /// How it stands with hospitals that have not deposited.
    Consent(Consent),
    /// There is a result.
    Done {
        /// The session.
        session: SessionId,
        /// Facts about it.
        summary: serde_json::Value,
    },
    /// There is none.
    Failed {
        /// The session.
        session: SessionId,
        /// Why.
        failure: Failure,
    },
}

/// Hospitals that were asked, are linked, and have said why they do not deposit, or not yet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    /// They ask their people first.
    pub waiting: BTreeSet<NodeId>,
    /// They refuse, or cannot.
    pub refused: BTreeSet<NodeId>,
    /// Their people have not decided in time.
    pub undecided: BTreeSet<NodeId>,
}

impl Consent {
    /// Takes what one of them said; a later word of it counts.
    pub fn hear(&mut self, node: NodeId, answer: Answer) {
        self.forget(node);
        match answer {
            Answer::Waiting => self.waiting.insert(node),
            Answer::Refused => self.refused.insert(node),
            Answer::Undecided => self.undecided.insert(node),
        };
    }

    /// It deposited after all; false if nothing was known of it. It is in one list at most.
    pub fn forget(&mut self, node: NodeId) -> bool {
        let Consent { waiting, refused, undecided } = self;
        [waiting, refused, undecided].into_iter().any(|set| set.remove(&node))
    }
}

type Started = Result<(SessionId, mpsc::Receiver<Progress>), RunError>;

struct Run {
    warrant: WarrantHash,
    reply: oneshot::Sender<Started>,
    since: Instant,
}

/// The sessions; a handle that may be cloned.
#[derive(Debug, Clone)]
pub struct Sessions {
    runs: mpsc::Sender<Run>,
    missing: Arc<AtomicUsize>,
}

impl Sessions {
    /// Starts the task that hears the links.
    #[must_use]
    pub fn spawn(
        store: Arc<Store>,
        links: Links,
        events: mpsc::Receiver<LinkEvent>,
        identity: Arc<Identity>,
        options: Options,
    ) -> Sessions {
        let (runs, asked) = mpsc::channel(16);
        let missing = Arc::new(AtomicUsize::new(0));
        let hub = Hub {
            store,
            links,
            identity,
            options,
            switchboard: Switchboard::default(),
            session: None,
            between: None,
            waiting: None,
            missing: Arc::clone(&missing),
        };
        tokio::spawn(hub.serve(events, asked));
        Sessions { runs, missing }
    }

    /// Channel confirmations still missing among the nodes that are linked; 0 when all pairs have keys.
    #[must_use]
    pub fn channels_missing(&self) -> usize {
        self.missing.load(Ordering::Relaxed)
    }

    /// Runs a warrant.
    ///
    /// # Errors
    /// When it cannot begin.
    pub async fn run(&self, warrant: WarrantHash) -> Result<(SessionId, mpsc::Receiver<Progress>), RunError> {
        let (reply, answer) = oneshot::channel();
        let gone = || Error::machine("the sessions' task has ended").remedy("restart `samensom serve`");
        self.runs.send(Run { warrant, reply, since: Instant::now() }).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

/// The session that runs, or that ended last and may still hear an alarm.
struct Running {
    session: SessionId,
    inputs: mpsc::Sender<Input>,
    progress: mpsc::Sender<Progress>,
    over: Arc<AtomicBool>,
    /// Its figures may be summed now.
    counted: Arc<Mutex<Option<Between>>>,
}

impl Running {
    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }
}

struct Hub {
    store: Arc<Store>,
    links: Links,
    identity: Arc<Identity>,
    options: Options,
    switchboard: Switchboard,
    session: Option<Running>,
    /// What is counted and not yet summed.
    between: Option<(Between, mpsc::Sender<Progress>)>,
    waiting: Option<Run>,
    missing: Arc<AtomicUsize>,
}

impl Hub {
    async fn serve(mut self, mut events: mpsc::Receiver<LinkEvent>, mut runs: mpsc::Receiver<Run>) {
        if let Err(error) = self.resume().await {
            tracing::error!(%error, "a session that was interrupted cannot go on");
        }
        let mut tick = tokio::time::interval(Duration::from_millis(50));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                event = events.recv() => match event {
                    Some(event) => self.heard(event).await,
                    None => return,
                },
                Some(run) = runs.recv() => self.asked(run),
                _ = tick.tick() => self.look().await,
            }
        }
    }

    async fn heard(&mut self, event: LinkEvent) {
        match event {
            LinkEvent::Up(node) => self.pass_on(Input::Linked { node, at: now() }).await,
            LinkEvent::Down(node) => {
                self.switchboard.lost(node);
                self.pass_on(Input::Lost { node, at: now() }).await;
            }
            LinkEvent::Frame { from, bytes } if is_channel(&bytes) => self.relay(from, &bytes),
            LinkEvent::Frame { from, bytes } => {
                self.pass_on(Input::Frame { from: Peer::Node(from), bytes, at: now() }).await;
            }
        }
    }

    async fn pass_on(&mut self, input: Input) {
        if let Some(running) = &self.session
            && running.inputs.send(input).await.is_err()
        {
            self.session = None;
        }
    }

    fn relay(&mut self, from: NodeId, bytes: &[u8]) {
        let roster = self.store.head_roster();
        let relayed = Message::from_frame(bytes)
            .map_err(Into::into)
            .and_then(|message| self.switchboard.relay(from, message, &roster, now()));
        match relayed {
            Ok(outputs) => {
                for output in outputs {
                    if let Output::Send { to: Peer::Node(to), bytes } = output {
                        // A node that is gone is announced again when it comes back.
                        let _ = self.links.send(to, bytes);
                    }
                }
            }
            Err(fault) => tracing::warn!(node = from.0, %fault, "refused a frame"),
        }
    }

    fn asked(&mut self, run: Run) {
        let refusal = match (self.busy(), &self.waiting) {
            (Some(session), _) => Some(format!("session {session} is running")),
            (None, Some(_)) => Some("another session is about to begin".to_owned()),
            (None, None) => None,
        };
        match refusal {
            Some(what) => {
                let error = Error::session(what).remedy("wait until it has ended, and run this one again");
                // The command that asked may be gone.
                let _ = run.reply.send(Err(error));
            }
            None => self.waiting = Some(run),
        }
    }

    /// The session that is not over; between its passes it is none the less.
    fn busy(&self) -> Option<SessionId> {
        let running = self.session.as_ref().filter(|running| !running.is_over()).map(|one| one.session);
        running.or_else(|| self.between.as_ref().map(|(between, _)| between.session))
    }

    /// Begins what waits once the channels of all who are there are set up, or after [`CHANNELS`].
    async fn look(&mut self) {
        let there: Vec<NodeId> = self.switchboard.nodes().collect();
        let missing = self.switchboard.missing(&there);
        self.missing.store(missing, Ordering::Relaxed);
        self.go_on(missing == 0).await;
        if self.busy().is_some() {
            return;
        }
        let ready = |run: &Run| missing == 0 || run.since.elapsed() >= CHANNELS;
        let Some(run) = self.waiting.take_if(|run| ready(run)) else { return };
        let begun = self.begin(&run.warrant).await;
        let _ = run.reply.send(begun);
    }

    /// Begins the value pass of what was counted: at once if all who were counted are there, else when they are
    /// again, or after [`CHANNELS`] with those who are.
    async fn go_on(&mut self, channels: bool) {
        if let Some(running) = self.session.as_ref().filter(|running| running.is_over())
            && let Some(between) = running.counted.lock().unwrap_or_else(PoisonError::into_inner).take()
        {
            self.between = Some((between, running.progress.clone()));
        }
        let there = |node: &NodeId| self.switchboard.announced(*node).is_some();
        let ready = |between: &Between| {
            let all = channels && between.counted.iter().all(there);
            all || between.since.elapsed() >= CHANNELS
        };
        let Some((between, progress)) = self.between.take_if(|(between, _)| ready(between)) else { return };
        let present = between.counted.iter().filter(|node| there(node)).count();
        if let Err(error) = self.start(&between.warrant, Some(between.clone()), progress.clone()).await {
            let session = between.session;
            tracing::warn!(%session, %error, "what was counted is not summed");
            let failure = between.failure(present);
            let kept = failure.clone();
            let noted = self.store.run(move |store| store.end_session(&session, Some(&kept))).await;
            if let Err(error) = noted {
                tracing::error!(%session, %error, "the store failed");
            }
            // The command that asked may be gone.
            let _ = progress.try_send(Progress::Failed { session, failure });
        }
    }

    /// Goes on with the session that had not ended when the program did.
    async fn resume(&mut self) -> Result<(), Error> {
        let found = start::interrupted(&self.store, &self.identity).await?;
        let (core, outputs, thresholds) = match found {
            None => return Ok(()),
            Some(Resumed::Between(between)) => {
                tracing::info!(session = %between.session, "what is counted is summed once all are there again");
                self.between = Some((between, mpsc::channel(1).0));
                return Ok(());
            }
            Some(Resumed::Pass(pass)) => *pass,
        };
        tracing::info!(session = %core.session(), "a session that was interrupted goes on");
        // Nobody is there to hear how it goes; its result is in the store.
        let (progress, _) = mpsc::channel(1);
        let core = (core, Some(outputs), thresholds);
        let (store, links, options) = (Arc::clone(&self.store), self.links.clone(), self.options.clone());
        let task = Task::of(store, links, options, core, progress.clone());
        self.run_task(task, progress);
        Ok(())
    }

    fn run_task(&mut self, task: Task, progress: mpsc::Sender<Progress>) {
        let (inputs, queue) = mpsc::channel(QUEUE);
        let (session, over, counted) = (task.session(), task.over(), task.counted());
        tokio::spawn(task.serve(queue));
        self.session = Some(Running { session, inputs, progress, over, counted });
    }

    async fn begin(&mut self, warrant: &WarrantHash) -> Started {
        let (progress, heard) = mpsc::channel(1024);
        Ok((self.start(warrant, None, progress).await?, heard))
    }

    /// Starts the pass of a warrant that is due; the id of the session that sums its figures.
    async fn start(
        &mut self,
        warrant: &WarrantHash,
        between: Option<Between>,
        progress: mpsc::Sender<Progress>,
    ) -> Result<SessionId, RunError> {
        let in_slot = between.as_ref().map(|between| between.slot);
        let setup = start::setup(&self.store, &self.identity, &self.switchboard, warrant, in_slot).await?;
        let session = session_id(warrant, setup.slot, Pass::Value);
        let (store, links, options) = (Arc::clone(&self.store), self.links.clone(), self.options.clone());
        let task = Task::new(store, links, options, (setup, between), progress.clone());
        // Only one session rehearses drop-outs.
        self.options.hold_go = None;
        self.run_task(task, progress);
        Ok(session)
    }
}
