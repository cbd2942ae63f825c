//! `audit show|verify|export`: the log in words, held against its chain, and as other programs read it.
//!
//! Each reading of the log is a record of it, written first. It must not change anything else.

use super::file::{self, LogError};
use super::{Audit, Event, Told, folder};
use crate::config::Config;
use crate::error::Error;
use crate::identity;
use crate::ledger::Pins;
use crate::status::utc;
use samensom_protocol::audit::export::{Named, cef, syslog};
use samensom_protocol::audit::{Head, Kept, Record, SignedHead};
use samensom_protocol::crypto::keys::Identity;
use samensom_protocol::ids::PublicKey;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

/// From when on, in milliseconds since the epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Since {
    /// As it was asked.
    pub text: String,
    ms: u64,
}

impl std::str::FromStr for Since {
    type Err = String;
    fn from_str(text: &str) -> Result<Since, String> {
        // A moment without its zone is one of UTC, and not the beginning of its day.
        let utc = || {
            let at: jiff::civil::DateTime = text.parse().ok()?;
            Some(at.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
        };
        let at = text.parse().ok().or_else(utc);
        let ms = at.and_then(|at: jiff::Timestamp| u64::try_from(at.as_millisecond()).ok());
        let ms = ms.ok_or("expected a day such as 2026-11-22 or a time such as 2026-11-22T08:55:45Z")?;
        Ok(Since { text: text.to_owned(), ms })
    }
}

/// How the log leaves for another program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum ExportFormat {
    /// The log itself: a line of JSON a record, which anyone with this hospital's key can verify.
    #[default]
    Jsonl,
    /// Common Event Format.
    Cef,
    /// Syslog, RFC 5424.
    Syslog,
    /// The coordinator's heads that this hospital kept, for the coordinator's `audit verify --against`.
    Heads,
}

impl ExportFormat {
    fn name(self) -> &'static str {
        match self {
            ExportFormat::Jsonl => "jsonl",
            ExportFormat::Cef => "cef",
            ExportFormat::Syslog => "syslog",
            ExportFormat::Heads => "heads",
        }
    }
}

/// A record in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// From 1.
    pub number: u64,
    /// When it was written, in UTC.
    pub at: String,
    /// `done` or `refused`.
    pub outcome: String,
    /// What happened.
    pub event: String,
    /// The same in words.
    pub words: String,
    /// The session, where there is one.
    pub session: Option<String>,
    /// The attempt, where there is one.
    pub attempt: Option<String>,
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shown { number, at, outcome, event, words, .. } = self;
        let mark = if outcome == "refused" { '!' } else { ' ' };
        write!(f, "{number:>7}  {at} {mark}{event:<16} {words}")
    }
}

/// That a log is as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Always true: a log that is not ends the command with exit code 8.
    pub verified: bool,
    /// How many records.
    pub records: u64,
    /// The hash that stands for all of them.
    pub head: String,
    /// Heads of the other side that fit.
    pub compared: u64,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} records, each as it was written; head {}", self.records, self.head)?;
        match self.compared {
            0 => Ok(()),
            compared => write!(f, "\n{compared} heads that the other side kept fit"),
        }
    }
}

/// A head in a file of heads, one JSON object a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct HeadLine {
    key: PublicKey,
    head: SignedHead,
}

/// The identity whose log this is, and the log, opened.
pub(super) fn open(config: &Config) -> Result<(Arc<Identity>, Audit), Error> {
    let absent = || Error::NotEnrolled { state: config.state.display().to_string() };
    let identity = Arc::new(identity::load(&config.state)?.ok_or_else(absent)?);
    let audit = Audit::open(&config.state, &identity)?;
    Ok((identity, audit))
}

/// The records in words.
///
/// # Errors
/// When the log is not as it was written, or cannot be read.
pub fn show(config: &Config, since: Option<&Since>, session: Option<&str>) -> Result<Vec<Shown>, Error> {
    let (identity, audit) = open(config)?;
    tell_reading(&audit, "shown", since, session)?;
    let mut attempts = Vec::new();
    let mut shown = Vec::new();
    let mut show = |record: &Record<'_>| {
        let told: Option<Told> = serde_json::from_str(record.body).ok();
        if wanted(record, told.as_ref(), since, session, &mut attempts) {
            shown.push(in_words(record, told));
        }
    };
    file::read(&folder(&config.state), identity.public(), &mut Kept::default(), &mut show)?;
    Ok(shown)
}

/// Whether a record was asked for; those of a session's attempts belong to it.
fn wanted(
    record: &Record<'_>,
    told: Option<&Told>,
    since: Option<&Since>,
    session: Option<&str>,
    attempts: &mut Vec<String>,
) -> bool {
    let of_session = session.is_none_or(|wanted| {
        let Some(event) = told.map(|told| &told.event) else { return false };
        let named = event.session().is_some_and(|session| session.to_hex().starts_with(wanted));
        let attempt = event.attempt();
        if named {
            attempts.extend(attempt);
            return true;
        }
        attempt.is_some_and(|attempt| attempts.contains(&attempt))
    });
    of_session && since.is_none_or(|since| record.at.0 >= since.ms)
}

fn name_of(told: &Told) -> String {
    let value = serde_json::to_value(&told.event).unwrap_or_default();
    value.get("event").and_then(|name| name.as_str()).unwrap_or("unknown").to_owned()
}

fn in_words(record: &Record<'_>, told: Option<Told>) -> Shown {
    let (number, at) = (record.number, utc(record.at));
    match told {
        Some(told) => Shown {
            number,
            at,
            event: name_of(&told),
            words: told.event.to_string(),
            session: told.event.session().map(|session| session.to_hex()),
            attempt: told.event.attempt(),
            outcome: told.outcome,
        },
        // Of a later version of this program.
        None => Shown {
            number,
            at,
            event: "unknown".to_owned(),
            words: record.body.to_owned(),
            session: None,
            attempt: None,
            outcome: "done".to_owned(),
        },
    }
}

/// Holds the log against its chain, and against the heads in a file that the other side exported.
///
/// # Errors
/// `Broken` with the record; when the file holds no head of this log.
pub fn verify(config: &Config, against: Option<&Path>) -> Result<Verdict, Error> {
    let (identity, audit) = open(config)?;
    let mut kept = against.map(|path| read_heads(path, &identity.public())).transpose()?.unwrap_or_default();
    let whole = file::read(&folder(&config.state), identity.public(), &mut kept, &mut |_| {})?;
    let Head { number, hash } = whole.head;
    // Last, so that a log that is broken is told as it is.
    tell_reading(&audit, "verified", None, None)?;
    Ok(Verdict { verified: true, records: number, head: hash.to_hex(), compared: whole.compared })
}

fn read_heads(path: &Path, key: &PublicKey) -> Result<Kept, Error> {
    let text =
        std::fs::read_to_string(path).map_err(|source| Error::Io { doing: "reading the heads", source })?;
    let mut kept = Kept::default();
    let mut found = 0u64;
    for (line, number) in text.lines().filter(|line| !line.trim().is_empty()).zip(1u64..) {
        let wrong = |what: &str| Error::Asked(format!("{}, line {number}: {what}", path.display()));
        let one: HeadLine = serde_json::from_str(line)
            .map_err(|_| wrong("no head; expected what `audit export --as heads` of the other side wrote"))?;
        if one.key != *key {
            continue;
        }
        if !one.head.is_of(key) {
            return Err(wrong("a head that this log's key did not sign: the other side made it up"));
        }
        kept.add(one.head.head)
            .map_err(|broken| Error::Audit(LogError::Broken { path: path.display().to_string(), broken }))?;
        found = found.saturating_add(1);
    }
    if found == 0 {
        let path = path.display();
        return Err(Error::Asked(format!(
            "{path}: no head of this log's key\n  do: ask the other side for the heads that it kept of this log"
        )));
    }
    Ok(kept)
}

/// Writes the log for another program.
///
/// # Errors
/// As [`show`], and when it cannot be written.
pub fn export(
    config: &Config,
    format: ExportFormat,
    (since, session): (Option<&Since>, Option<&str>),
    out: &mut dyn Write,
) -> Result<(), Error> {
    let (identity, audit) = open(config)?;
    tell_reading(&audit, &format!("exported as {}", format.name()), since, session)?;
    // Before it is enrolled an agent has no hospital's name.
    let enrolment = Pins::open_to_read(&config.state).and_then(|pins| pins.enrolment()).ok().flatten();
    let host = enrolment.map_or_else(|| "samensom-node".to_owned(), |enrolment| enrolment.institution);
    let mut attempts = Vec::new();
    let mut written = Ok(());
    let path = folder(&config.state).join(file::LOG);
    let log = std::fs::File::open(path).map_err(|source| Error::Io { doing: "reading the log", source })?;
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(log));
    let mut show = |record: &Record<'_>| {
        // The lines as they stand, in step with the records that were verified.
        let line = lines.next().and_then(Result::ok).unwrap_or_default();
        let told: Option<Told> = serde_json::from_str(record.body).ok();
        if written.is_err() || !wanted(record, told.as_ref(), since, session, &mut attempts) {
            return;
        }
        let text = match format {
            ExportFormat::Jsonl => Some(line),
            ExportFormat::Heads => head_line(told.as_ref()),
            ExportFormat::Cef | ExportFormat::Syslog => Some(named(format, &host, record, told.as_ref())),
        };
        if let Some(text) = text {
            written = writeln!(out, "{text}");
        }
    };
    file::read(&folder(&config.state), identity.public(), &mut Kept::default(), &mut show)?;
    match written {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        done => done.map_err(|source| Error::Io { doing: "writing the export", source }),
    }
}

fn head_line(told: Option<&Told>) -> Option<String> {
    match told.map(|told| &told.event) {
        Some(Event::Head { key, head }) => serde_json::to_string(&HeadLine { key: *key, head: *head }).ok(),
        _ => None,
    }
}

fn named(format: ExportFormat, host: &str, record: &Record<'_>, told: Option<&Told>) -> String {
    let event = told.map_or_else(|| "unknown".to_owned(), name_of);
    let at = utc(record.at).replacen(' ', "T", 1);
    let version = told.map_or("", |told| told.software.as_str());
    let is_alarm = told.is_some_and(|told| told.event.is_alarm());
    let named = Named { program: "samensom-node", host, version, event: &event, at: &at, is_alarm };
    if format == ExportFormat::Cef { cef(&named, record) } else { syslog(&named, record) }
}

fn tell_reading(
    audit: &Audit,
    what: &str,
    since: Option<&Since>,
    session: Option<&str>,
) -> Result<(), LogError> {
    let from = since.map(|since| since.text.clone());
    audit.tell(Event::Read { what: what.to_owned(), from, session: session.map(str::to_owned) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `--since 2026-11-22T20:30` gave the whole day.
    #[test]
    fn repro_a_moment_without_its_zone_is_not_the_whole_day() {
        let ms = |text: &str| text.parse::<Since>().unwrap().ms;
        assert_eq!(ms("2026-11-22T20:30"), ms("2026-11-22T20:30:00Z"));
        assert_eq!(ms("2026-11-22"), ms("2026-11-22T00:00:00Z"));
        assert_ne!(ms("2026-11-22T20:30"), ms("2026-11-22"));
    }
}
