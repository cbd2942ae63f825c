//! The hospital's agent: keeps the extracts, joins secure sum sessions, dials out only.
//!
//! `run` is the service: link, hello, sessions, and again. Each module says what it owns. The protocol
//! itself is in `samensom-protocol`; nothing here decides what may be opened.
#![deny(missing_docs)]

pub mod adversary;
pub mod audit;
pub mod chain;
pub mod check;
pub mod cli;
pub mod clock;
mod commit;
pub mod config;
pub mod consent;
pub mod desk;
pub mod enroll;
pub mod error;
pub mod extract;
pub mod health;
pub mod hello;
pub mod identity;
pub mod ledger;
pub mod link;
pub mod pause;
pub mod queries;
pub mod session;
pub mod status;
pub mod tls;
pub mod transparency;

#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use crate::audit::{Audit, Event};
use crate::chain::Chain;
use crate::config::Config;
use crate::error::Error;
use crate::health::Health;
use crate::ledger::{Enrolment, Ledger, Pins};
use crate::link::{Backoff, Link, dial};
use crate::session::Driver;
use crate::transparency::Watch;
use samensom_protocol::crypto::keys::Identity;
use samensom_protocol::ids::NodeId;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// How often it is looked whether the operator accepted a roster.
const LOOK: Duration = Duration::from_secs(2);
/// How long a session may take to stop.
const STOP: Duration = Duration::from_secs(2);

/// Runs the agent until `shutdown`, or until something that no later attempt can mend.
///
/// # Errors
/// When the state cannot be used or a record could not be written. A lost link is dialled again.
pub async fn run(config: Config, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
    // The lock first: a second agent over this folder stops here, before it dials.
    let ledger = Ledger::open(&config.state)?;
    let mut agent = Agent::open(config, ledger)?;
    agent.say_started()?;
    // After that record: on a full disk the log is what cannot be written, and says so.
    agent.watch = Watch::open(&agent.config.state, agent.audit.clone())?;
    let ended = agent.serve_until(shutdown).await;
    let why = ended.as_ref().err().map_or_else(|| "asked to".to_owned(), one_line);
    // Where the log itself failed there is nothing to add to it.
    let told = agent.audit.tell(Event::Stopped { why });
    ended.and(told.map_err(Error::from))
}

/// How a link ended when nothing went wrong.
enum End {
    /// The program is to stop.
    Shutdown,
    /// The operator accepted a roster.
    Again,
}

/// What came of serving a link.
enum Served {
    /// An admission frame.
    Frame(Vec<u8>),
    /// The link is over.
    Ended(End),
}

/// Where the driver is: with the ledger alone until a roster lists us.
enum Part {
    Waiting(Ledger),
    Driving(Box<Driver>),
    /// Only while one becomes the other.
    Between,
}

struct Agent {
    config: Arc<Config>,
    enrolment: Enrolment,
    identity: Arc<Identity>,
    pins: Pins,
    audit: Audit,
    watch: Watch,
    part: Part,
}

impl Agent {
    fn open(config: Config, ledger: Ledger) -> Result<Agent, Error> {
        let absent = || Error::NotEnrolled { state: config.state.display().to_string() };
        let pins = Pins::open(&config.state)?;
        let enrolment = pins.enrolment()?.ok_or_else(absent)?;
        let identity = Arc::new(identity::load(&config.state)?.ok_or_else(absent)?);
        let audit = Audit::open(&config.state, &identity)?;
        let pins = pins.audited(audit.clone());
        enroll::same_name(&config, &enrolment.institution)?;
        let (watch, part) = (Watch::default(), Part::Waiting(ledger));
        Ok(Agent { config: Arc::new(config), enrolment, identity, pins, audit, watch, part })
    }

    /// What runs, and what of it was changed since the last start.
    fn say_started(&self) -> Result<(), Error> {
        let config = audit::config_hash(&self.config);
        let policy = audit::policy(&self.config);
        let changed = match self.audit.last_start() {
            Some(Event::Started { config: before, policy: rules, .. }) => {
                let differs = [("configuration", before != config), ("policy", rules != policy)];
                differs.iter().filter(|(_, differs)| *differs).map(|(what, _)| (*what).to_owned()).collect()
            }
            _ => Vec::new(),
        };
        let (hospital, node) = (self.enrolment.institution.clone(), self.enrolment.hospital.0);
        let key = self.identity.public();
        Ok(self.audit.tell(Event::Started { hospital, node, key, config, policy, changed })?)
    }

    /// Dials and serves, again and again, until it is to stop or nothing later can mend it.
    async fn serve_until(&mut self, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
        let mut backoff = Backoff::default();
        let mut health = Health::ready(&self.config.state);
        tokio::pin!(shutdown);
        loop {
            let since = Instant::now();
            let wait = match self.link(&mut health, &mut shutdown).await {
                Ok(End::Shutdown) => return Ok(()),
                Ok(End::Again) => continue,
                Err(error) if error.passes() => {
                    backoff.lasted(since.elapsed());
                    if let Error::Roster(_) | Error::Fork { .. } = &error {
                        self.audit.tell(Event::RosterRefused { why: one_line(&error) })?;
                    }
                    let wait = backoff.next(&mut identity::randomness());
                    tracing::warn!(again_in_ms = wait.as_millis(), "{}", one_line(&error));
                    health.link(false, &one_line(&error));
                    wait
                }
                Err(error) => return Err(error),
            };
            tokio::select! {
                () = sleep(wait) => {}
                () = &mut shutdown => return Ok(()),
            }
        }
    }

    /// One link, from dialling to its end.
    async fn link(
        &mut self,
        health: &mut Health,
        shutdown: &mut (impl Future<Output = ()> + Unpin),
    ) -> Result<End, Error> {
        let address = self.config.coordinator.clone().unwrap_or_else(|| self.enrolment.coordinator.clone());
        let dialling = dial(&address, &self.enrolment.coordinator_key, &self.identity, self.config.timing);
        let mut link = tokio::select! {
            link = dialling => link?,
            () = &mut *shutdown => return Ok(End::Shutdown),
        };
        let mut chain = Chain::load(&self.pins, self.enrolment.founding_roster)?;
        let welcome = tokio::select! {
            welcome = hello::greet(&mut link, &mut chain, &mut self.pins) => welcome?,
            () = &mut *shutdown => return Ok(End::Shutdown),
        };
        tracing::info!(%address, coordinator = welcome.software, "linked");
        health.link(true, &address);
        warn_of_skew(&welcome);
        let (mut welcome, mut told) = (welcome, false);
        loop {
            let listed = self.listed(&chain)?;
            report(&chain, listed);
            self.become_driver(listed);
            // The coordinator answers a hospital that its newest roster lists.
            if listed.is_some() && welcome.node.is_some() && !told {
                self.watch.linked();
                tell_head(&self.audit, &self.watch, &link).await?;
                told = true;
            }
            let frame = match self.serve(listed, &mut link, &chain, shutdown).await? {
                Served::Frame(frame) => frame,
                Served::Ended(end) => return Ok(end),
            };
            welcome = hello::on_frame(&mut link, &mut chain, &mut self.pins, &frame).await?;
            warn_of_skew(&welcome);
        }
    }

    /// Serves the link until an admission frame comes, a roster is accepted or the program is to stop.
    async fn serve(
        &mut self,
        listed: Option<NodeId>,
        link: &mut Link,
        chain: &Chain,
        shutdown: &mut (impl Future<Output = ()> + Unpin),
    ) -> Result<Served, Error> {
        let closer = link.closer();
        let reading = match &self.part {
            Part::Driving(driver) => Some(driver.stop()),
            _ => None,
        };
        let accepted = accepted_after(&mut self.pins, chain.current().map(|roster| roster.body().epoch));
        let serving = serve(&mut self.part, listed, link, chain);
        tokio::pin!(serving, accepted);
        let end = tokio::select! {
            frame = &mut serving => return frame.map(Served::Frame),
            () = &mut *shutdown => End::Shutdown,
            done = &mut accepted => done.map(|()| End::Again)?,
        };
        if let (End::Shutdown, Some(reading)) = (&end, reading) {
            reading.now();
        }
        // The link is closed under the session, which then ends in its own order.
        closer.close("the agent ends this link");
        match timeout(STOP, serving).await {
            Ok(Err(error)) if !error.passes() => Err(error),
            _ => Ok(Served::Ended(end)),
        }
    }

    /// Our number in the roster we follow.
    fn listed(&self, chain: &Chain) -> Result<Option<NodeId>, Error> {
        let expected = self.enrolment.hospital;
        match chain.current().and_then(|roster| roster.member_by_key(&self.identity.public())) {
            None => Ok(None),
            Some(member) if member.id == expected => Ok(Some(expected)),
            Some(member) => Err(Error::OtherNumber { expected, found: member.id }),
        }
    }

    fn become_driver(&mut self, listed: Option<NodeId>) {
        self.part = match (std::mem::replace(&mut self.part, Part::Between), listed) {
            (Part::Waiting(ledger), Some(me)) => {
                let (identity, config) = (Arc::clone(&self.identity), Arc::clone(&self.config));
                let driver = Driver::new(me, identity, self.enrolment.coordinator_key, config, ledger);
                Part::Driving(Box::new(driver.audited(self.audit.clone()).watching(self.watch.clone())))
            }
            (part, _) => part,
        };
    }
}

/// Tells the coordinator how far the audit log has come, and asks how far its transparency log has; the answers
/// come among the frames.
async fn tell_head(audit: &Audit, watch: &Watch, link: &Link) -> Result<(), Error> {
    for frame in audit.head_frame().into_iter().chain(watch.question()?) {
        link.sender().send(frame).await?;
    }
    Ok(())
}

/// Serves until an admission frame comes; without a roster that lists us there is nothing else to do.
async fn serve(
    part: &mut Part,
    listed: Option<NodeId>,
    link: &mut Link,
    chain: &Chain,
) -> Result<Vec<u8>, Error> {
    match (part, chain.current()) {
        (Part::Driving(driver), Some(roster)) if listed.is_some() => {
            driver.serve(link, roster, chain.accepted()).await
        }
        _ => Ok(link.recv_admission().await?),
    }
}

/// Resolves when a roster after this one was accepted, by `enroll` in another process. Alone on the pins,
/// so that the service may move between threads.
async fn accepted_after(pins: &mut Pins, epoch: Option<u32>) -> Result<(), Error> {
    loop {
        sleep(LOOK).await;
        if pins.accepted_epoch()? > epoch {
            return Ok(());
        }
    }
}

fn report(chain: &Chain, listed: Option<NodeId>) {
    if let Some(held) = chain.why_held() {
        tracing::warn!("{}", one_line(&held));
    }
    match (chain.current(), listed) {
        (Some(roster), Some(node)) => {
            tracing::info!(%node, roster = roster.body().epoch, hospitals = roster.size(), "ready");
        }
        _ => tracing::warn!("no accepted roster lists this hospital's key; waiting"),
    }
}

/// An error's text for the log, where a line is an event.
fn one_line(error: &Error) -> String {
    error.to_string().split('\n').map(str::trim).collect::<Vec<_>>().join("; ")
}

fn warn_of_skew(welcome: &hello::Welcome) {
    if welcome.skew_ms >= hello::SKEW_MS {
        let skew_ms = welcome.skew_ms;
        tracing::warn!(
            skew_ms,
            "this clock and the coordinator's differ by a minute or more; set this one by NTP"
        );
    }
}

/// Waits until the operating system asks the program to stop.
pub async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut term), Ok(mut int)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        // Without handlers the system's own action, to end the process, stays in place.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = term.recv() => {}
        _ = int.recv() => {}
    }
}
