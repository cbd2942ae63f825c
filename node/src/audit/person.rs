//! `audit patient`: was this person in the population of a session's query, asked anew of the frozen extract.
//!
//! Owns the answer to the person's right to know. The extract must be the one that the log names; nothing of
//! the person is kept, and the record that it was asked does not say of whom.

use super::file;
use super::show::open;
use super::{Event, Told, folder, query_path};
use crate::config::Config;
use crate::error::Error;
use crate::extract::{Snapshots, rows_of_person};
use crate::status::utc;
use samensom_protocol::audit::{Kept, Record};
use samensom_protocol::crypto::transcript::{Label, Transcript};
use samensom_protocol::ids::{ExtractHash, QueryHash, SessionId};
use samensom_protocol::query::Query;
use serde::Serialize;
use std::fmt;

/// What can be said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// The session.
    pub session: String,
    /// The query and its version.
    pub query: String,
    /// When it was answered here, in UTC; none if this hospital did not take part.
    pub at: Option<String>,
    /// Whether the person's rows were in the query's population; none where it cannot be told any more.
    pub in_population: Option<bool>,
    /// Why it cannot be told, or what it rests on.
    pub because: String,
    /// Whether a report left, with or without the person.
    pub report_left: bool,
    /// The records of the log that tell of the session.
    pub records: Vec<u64>,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let answer = match self.in_population {
            Some(true) => "yes",
            Some(false) => "no",
            None => "cannot be told",
        };
        let records: Vec<String> = self.records.iter().map(ToString::to_string).collect();
        let left = if self.report_left {
            "a masked report of this hospital left"
        } else {
            "no report left this hospital"
        };
        write!(
            f,
            "{answer}: {}\nsession {}: {}\n{left}; records of the log: {}",
            self.because,
            self.session,
            self.query,
            records.join(", ")
        )
    }
}

/// What the log says of one session.
#[derive(Default)]
struct Found {
    session: Option<SessionId>,
    query: Option<(String, QueryHash)>,
    answered: Option<(String, String, u64, ExtractHash)>,
    attempts: Vec<String>,
    records: Vec<u64>,
    spent: bool,
    /// Another session has this beginning too.
    several: bool,
}

impl Found {
    fn take(&mut self, wanted: &str, record: &Record<'_>) {
        let Ok(Told { event, .. }) = serde_json::from_str(record.body) else { return };
        let session = event.session().filter(|session| session.to_hex().starts_with(wanted));
        let attempt = event.attempt();
        let known = attempt.as_ref().is_some_and(|attempt| self.attempts.contains(attempt));
        if let Some(session) = session {
            self.several |= self.session.replace(session).is_some_and(|other| other != session);
        } else if !known {
            return;
        }
        self.records.push(record.number);
        self.attempts.extend(attempt);
        match event {
            Event::Offered { query, .. } => {
                self.query = Some((format!("{} version {}", query.id, query.version), query.hash));
            }
            Event::Answered { lock, slot, extract, .. } => {
                self.answered = Some((utc(record.at), lock, slot, extract));
            }
            Event::Spent { .. } => self.spent = true,
            _ => {}
        }
    }
}

/// Answers whether the query of a session, named by its id or its beginning, read this person's rows.
///
/// # Errors
/// When there is no such session in the log, or the log, the query or the extract cannot be read.
pub fn ask(config: &Config, session: &str, person: &str) -> Result<Answer, Error> {
    let (identity, audit) = open(config)?;
    let mut found = Found::default();
    let mut show = |record: &Record<'_>| found.take(session, record);
    file::read(&folder(&config.state), identity.public(), &mut Kept::default(), &mut show)?;
    let (Some(id), false) = (found.session, found.several || session.len() < 4) else {
        let what =
            if found.several { "several sessions begin with" } else { "no session of the log begins with" };
        return Err(Error::Asked(format!(
            "{what} `{session}`\n  expected: the id of one session, or at least its first 4 letters\n  do: see `samensom-node audit show`"
        )));
    };
    audit.tell(Event::PersonAsked { session: id })?;
    let (query, hash) = found
        .query
        .clone()
        .ok_or_else(|| Error::Asked("the log does not name the session's query".to_owned()))?;
    let (in_population, because) = match &found.answered {
        None => (Some(false), "this hospital read nothing for it".to_owned()),
        Some((_, lock, slot, extract)) => {
            again(config, &read_query(config, &hash)?, (lock.as_str(), *slot, extract), person)?
        }
    };
    Ok(Answer {
        session: id.to_hex(),
        query,
        at: found.answered.map(|(at, ..)| at),
        in_population,
        because,
        report_left: found.spent,
        records: found.records,
    })
}

/// The same query over the same rows, for this person alone.
fn again(
    config: &Config,
    query: &Query,
    (lock, slot, extract): (&str, u64, &ExtractHash),
    person: &str,
) -> Result<(Option<bool>, String), Error> {
    if !query.dataset().has_patients() {
        return Ok((Some(false), format!("the data set `{}` holds no patients", query.dataset().name())));
    }
    let kept =
        Snapshots::of_state(&config.state).kept(lock, slot)?.filter(|frozen| frozen.content == *extract);
    let Some(frozen) = kept else {
        let because =
            "the extract of that session is no longer kept; the log has its hash and how many rows it had";
        return Ok((None, because.to_owned()));
    };
    let rows = rows_of_person(query, &frozen, person)?;
    let because = match rows {
        Some(_) => "asked anew of the extract that the log names, by the same query",
        None => "the rows of that extract stay in the hospital's own database, which must be asked itself",
    };
    Ok((rows.map(|rows| rows > 0), because.to_owned()))
}

fn read_query(config: &Config, hash: &QueryHash) -> Result<Query, Error> {
    let path = query_path(&folder(&config.state), hash);
    let wrong = |what: &str| {
        Error::Asked(format!("{}: {what}\n  expected: the query that the log names", path.display()))
    };
    let bytes = std::fs::read(&path).map_err(|error| wrong(&format!("cannot be read: {error}")))?;
    if Transcript::new(Label::Query).bytes(&bytes).finish() != hash.0 {
        return Err(wrong("it was changed"));
    }
    Query::from_canonical(&bytes).map_err(|_| wrong("this program cannot read it"))
}

#[cfg(test)]
mod tests;
