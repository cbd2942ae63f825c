//! The verbs that change something: authorise, act, answer.
//!
//! Owns what a request may do; commands and, later, the console come through here. Rendering is the
//! commands' business, SQL the store's.

mod hospital;
mod query;
mod roster;

pub use hospital::slug;
pub use query::{Terms, asked};
pub use roster::{Wanted, changes};

use crate::audit::Event;
use crate::config::Config;
use crate::control::{Request, Response, SignedAs, Status};
use crate::error::Error;
use crate::links::Links;
use crate::session::{Progress, Sessions};
use crate::store::Store;
use samensom_protocol::ids::{PublicKey, SessionId};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::sync::mpsc;

/// What the verbs work on.
#[derive(Debug)]
pub struct Ops {
    /// The store.
    pub store: Arc<Store>,
    /// Who is linked.
    pub links: Links,
    /// The sessions.
    pub sessions: Sessions,
    /// The coordinator's key.
    pub key: PublicKey,
    /// Where it listens.
    pub address: SocketAddr,
    /// The configuration.
    pub config: Config,
}

/// The answer to a request.
#[derive(Debug)]
pub enum Answer {
    /// All there is to say.
    One(Response),
    /// A session began; more follows.
    Run(SessionId, mpsc::Receiver<Progress>),
}

impl Answer {
    /// One answer, or the error that stands for it.
    #[must_use]
    pub fn one(result: Result<Response, Error>) -> Answer {
        Answer::One(result.unwrap_or_else(Response::Failed))
    }
}

impl Ops {
    /// Does what is asked.
    pub async fn answer(self: &Arc<Self>, request: Request) -> Answer {
        if let Request::QueryRun { warrant } = request {
            let told = Event::asked(&Request::QueryRun { warrant: warrant.clone() });
            if let Err(why) = self.store.run(move |store| store.tell(told.into_iter().collect())).await {
                return Answer::one(Err(why));
            }
            return match self.run(warrant).await {
                Ok((session, progress)) => Answer::Run(session, progress),
                Err(why) => Answer::one(Err(why)),
            };
        }
        let ops = Arc::clone(self);
        let done = tokio::task::spawn_blocking(move || ops.act(request)).await;
        Answer::one(done.unwrap_or_else(|why| Err(Error::machine(format!("the command did not end: {why}")))))
    }

    /// What is asked, told before it is done; and what it came to, where that is not plain.
    fn act(&self, request: Request) -> Result<Response, Error> {
        let asked = Event::asked(&request);
        let verb = match &asked {
            Some(Event::Asked { verb, .. }) => verb.clone(),
            _ => String::new(),
        };
        self.store.tell(asked.into_iter().collect())?;
        let done = self.do_it(request);
        match &done {
            Ok(Response::Signed(SignedAs { head: true, .. })) => {
                let head = self.store.head_roster();
                self.store.tell(vec![Event::RosterHead { epoch: head.body().epoch, roster: head.hash() }])?;
            }
            Err(why) if !verb.is_empty() => {
                let why = why.to_string().replace('\n', ";");
                self.store.tell(vec![Event::NotDone { verb, why }])?;
            }
            _ => {}
        }
        done
    }

    fn do_it(&self, request: Request) -> Result<Response, Error> {
        match request {
            Request::Status => Ok(Response::Status(self.status())),
            Request::HospitalAdd { name, group, kind, floor, id } => {
                self.hospital_add(&name, &group, &kind, floor, id.as_deref())
            }
            Request::HospitalToken { hospital, valid_ms } => self.hospital_token(&hospital, valid_ms),
            Request::HospitalConfirm { hospital, fingerprint } => {
                self.hospital_confirm(&hospital, &fingerprint)
            }
            Request::HospitalMark { hospital, mark } => self.hospital_mark(&hospital, mark),
            Request::RosterPropose(wanted) => self.roster_propose(wanted),
            Request::RosterSign { roster, signature } => self.roster_sign(roster, &signature),
            Request::QuerySubmit { warrant } => self.query_submit(&warrant),
            Request::QueryApprove { warrant, approval } => self.query_approve(&warrant, &approval),
            Request::QueryRun { .. } => Err(Error::machine("a run is answered elsewhere")),
        }
    }

    fn status(&self) -> Status {
        let head = self.store.head_roster();
        Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            listening: self.address.to_string(),
            key: self.key,
            epoch: head.body().epoch,
            members: head.size(),
            linked: self.links.up(),
            channels_missing: self.sessions.channels_missing(),
        }
    }

    async fn run(&self, warrant: String) -> Result<(SessionId, mpsc::Receiver<Progress>), Error> {
        let found = self.store.run(move |store| store.warrant(&warrant)).await?;
        self.sessions.run(found.hash()).await
    }
}

#[cfg(test)]
pub(crate) mod tests;
