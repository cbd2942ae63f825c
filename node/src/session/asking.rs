//! Whether the hospital consents to a session: its rules, then what its people decided, or a wait for them.
//!
//! Owns the step between an offer and its figures, and what is kept and told before anything follows. A wait ends
//! when the warrant's time for it is over; then this hospital takes no part. It must not read an extract.

use super::{Driver, What};
use crate::audit::{self, Asked};
use crate::consent::{self, Named, Why};
use crate::error::Error;
use crate::status::utc;
use samensom_protocol::ids::{AttemptId, SessionId};
use samensom_protocol::io::{Input, Refusal};
use samensom_protocol::message::Pass;
use samensom_protocol::rounds::offer::session_id;
use samensom_protocol::time::Time;
use samensom_protocol::warrant::Warrant;

/// What an attempt asks this hospital for.
pub(super) struct Job {
    pub sid: AttemptId,
    pub warrant: Warrant,
    pub lock: String,
    pub slot: u64,
    pub what: What,
}

impl Job {
    /// Both passes are one session to people.
    pub(super) fn session(&self) -> SessionId {
        session_id(&self.warrant.hash(), self.slot, Pass::Value)
    }

    /// How long consent may be waited for: in the first pass as long as the warrant says.
    fn wait_ms(&self) -> u64 {
        let first = self.what.pass == Pass::Count || self.warrant.count().is_none();
        if first { u64::from(self.warrant.body().wait_s).saturating_mul(1000) } else { 0 }
    }
}

/// A job that waits for the hospital's people.
pub(super) struct Pending {
    job: Job,
    until: Time,
}

impl Driver {
    /// `status` and LCG show this word.
    pub const WAITING: &'static str = "waiting for the hospital's consent";

    /// What an offer comes to here: figures, a refusal, or a wait.
    pub(super) async fn asked(&mut self, job: Job) -> Result<Input, Error> {
        let (session, sid, at) = (job.session(), job.sid, self.now());
        if self.session.replace(session) != Some(session) {
            self.last.up_bytes = 0;
        }
        (self.last.state, self.last.reason) = ("open".to_owned(), None);
        self.pending = None;
        self.tell_offer(&job)?;
        let kept = self.desk.keep(&job.warrant, at);
        kept.map_err(|source| Error::Io { doing: "keeping a query that is offered", source })?;
        match self.consents(&job) {
            Ok(()) => self.measured(job).await,
            Err(why @ Why::Undecided { .. }) if job.wait_ms() > 0 => {
                let until = at.plus_ms(job.wait_ms());
                self.audit.tell(audit::Event::Waiting {
                    attempt: sid.to_hex(),
                    session,
                    warrant: job.warrant.hash(),
                    rule: why.to_string(),
                    until: utc(until),
                })?;
                let id = job.warrant.query().id().to_owned();
                tracing::info!(query = id, %why, "waiting for the hospital's consent");
                (self.last.state, self.last.reason) = (Self::WAITING.to_owned(), Some(why.to_string()));
                self.write_last();
                self.pending = Some(Pending { job, until });
                Ok(Input::Waiting { sid })
            }
            Err(why) => self.declines(&job, &why),
        }
    }

    /// Looks what the people have decided since; nothing while they have not and there is time.
    pub(super) async fn look(&mut self, at: Time) -> Result<Option<Input>, Error> {
        let Some(pending) = self.pending.take() else { return Ok(None) };
        match self.consents(&pending.job) {
            Ok(()) => self.measured(pending.job).await.map(Some),
            Err(Why::Undecided { .. }) if at < pending.until => {
                self.pending = Some(pending);
                Ok(None)
            }
            Err(why) => self.declines(&pending.job, &why).map(Some),
        }
    }

    fn consents(&self, job: &Job) -> Result<(), Why> {
        let rule = consent::rule(&self.config.policy, &Named::of(job.warrant.query(), job.warrant.body()));
        let decided = self.desk.outcome(&job.warrant.hash());
        consent::decide(&rule, &self.config.policy, job.warrant.body().floor_hospitals, &decided)
    }

    async fn measured(&mut self, job: Job) -> Result<Input, Error> {
        let sid = job.sid;
        (self.last.state, self.last.reason) = ("open".to_owned(), None);
        let measured = self.measure(job).await;
        // A refusal or an answer that is not in the log is not given.
        self.audit.whole()?;
        let at = self.now();
        Ok(match measured {
            Ok(contribution) => Input::Measured { sid, contribution, at },
            Err(why) => Input::Refused { sid, why },
        })
    }

    /// Why stays in the log here; the coordinator is told one code.
    fn declines(&self, job: &Job, why: &Why) -> Result<Input, Error> {
        tracing::warn!(query = job.warrant.query().id(), %why, "this hospital takes no part");
        let (attempt, session) = (self.last.attempt.clone(), Some(job.session()));
        self.audit.tell(audit::Event::Refused { attempt, session, rule: why.to_string() })?;
        let undecided = matches!(why, Why::Undecided { .. });
        let why = if undecided { Refusal::Undecided } else { Refusal::Policy };
        Ok(Input::Refused { sid: job.sid, why })
    }

    /// The offer's query is kept and its record written, before anything is read for it.
    fn tell_offer(&self, job: &Job) -> Result<(), audit::LogError> {
        let warrant = &job.warrant;
        self.audit.keep_query(&warrant.query_hash(), warrant.query())?;
        self.audit.tell(audit::Event::Offered {
            attempt: self.last.attempt.clone(),
            session: job.session(),
            warrant: warrant.hash(),
            lock: job.lock.clone(),
            slot: job.slot,
            query: Asked::of(warrant),
        })
    }
}
