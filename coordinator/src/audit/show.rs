//! `samensom audit`: the log in words, held against its chain, and as other programs read it.
//!
//! Each reading of the log is a record of it. It must not change anything else.

use super::file::{self, LogError};
use super::{Audit, Event, Told};
use crate::clock::text;
use crate::error::Error;
use crate::folder::Folder;
use samensom_protocol::audit::export::{Named, cef, syslog};
use samensom_protocol::audit::{Kept, Record, SignedHead};
use samensom_protocol::crypto::keys::Identity;
use samensom_protocol::ids::PublicKey;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
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
    /// The log itself: a line of JSON a record.
    #[default]
    Jsonl,
    /// Common Event Format.
    Cef,
    /// Syslog, RFC 5424.
    Syslog,
    /// The hospitals' heads that were kept, for their `audit verify --against`.
    Heads,
}

/// A head in a file of heads, one JSON object a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct HeadLine {
    key: PublicKey,
    head: SignedHead,
}

fn open(folder: &Folder) -> Result<(Arc<Identity>, Audit), Error> {
    let identity = Arc::new(folder.identity()?);
    let audit = Audit::open(folder, &identity)?;
    Ok((identity, audit))
}

fn read(
    folder: &Folder,
    key: PublicKey,
    kept: &mut Kept,
    show: &mut dyn FnMut(&Record<'_>),
) -> Result<file::Whole, LogError> {
    file::read(&folder.audit(), key, kept, show)
}

fn tell_reading(
    audit: &Audit,
    what: &str,
    since: Option<&Since>,
    session: Option<&str>,
) -> Result<(), Error> {
    let from = since.map(|since| since.text.clone());
    audit.tell(Event::Read { what: what.to_owned(), from, session: session.map(str::to_owned) })
}

fn wanted(record: &Record<'_>, told: Option<&Told>, since: Option<&Since>, session: Option<&str>) -> bool {
    let of = told.and_then(|told| told.event.session()).map(|session| session.to_hex());
    session.is_none_or(|wanted| of.is_some_and(|of| of.starts_with(wanted)))
        && since.is_none_or(|since| record.at.0 >= since.ms)
}

fn name_of(told: Option<&Told>) -> String {
    let value = told.and_then(|told| serde_json::to_value(&told.event).ok()).unwrap_or_default();
    value.get("event").and_then(Value::as_str).unwrap_or("unknown").to_owned()
}

/// The records, as facts and in words.
///
/// # Errors
/// When the log is not as it was written, or cannot be read.
pub fn show(folder: &Folder, since: Option<&Since>, session: Option<&str>) -> Result<(Value, String), Error> {
    let (identity, audit) = open(folder)?;
    tell_reading(&audit, "shown", since, session)?;
    let (mut facts, mut lines) = (Vec::new(), Vec::new());
    read(folder, identity.public(), &mut Kept::default(), &mut |record| {
        let told: Option<Told> = serde_json::from_str(record.body).ok();
        if !wanted(record, told.as_ref(), since, session) {
            return;
        }
        let (event, at) = (name_of(told.as_ref()), text(record.at));
        // A record of a later version of this program is shown as it stands.
        let words = told.as_ref().map_or_else(|| record.body.to_owned(), |told| told.event.to_string());
        let outcome = told.as_ref().map_or("done", |told| told.outcome.as_str());
        let mark = if outcome == "refused" { '!' } else { ' ' };
        lines.push(format!("{:>7}  {at} {mark}{event:<16} {words}", record.number));
        let session = told.as_ref().and_then(|told| told.event.session());
        facts.push(json!({
            "number": record.number, "at": at, "outcome": outcome, "event": event, "words": words, "session": session,
        }));
    })?;
    Ok((Value::Array(facts), lines.join("\n")))
}

/// Holds the log against its chain, and against the heads in a file that a hospital exported.
///
/// # Errors
/// Which record is not as it was written; when the file holds no head of this log.
pub fn verify(folder: &Folder, against: Option<&Path>) -> Result<(Value, String), Error> {
    let (identity, audit) = open(folder)?;
    let mut kept = against.map(|path| read_heads(path, &identity.public())).transpose()?.unwrap_or_default();
    let whole = read(folder, identity.public(), &mut kept, &mut |_| {})?;
    tell_reading(&audit, "verified", None, None)?;
    let (records, head, compared) = (whole.head.number, whole.head.hash, whole.compared);
    let mut words = format!("{records} records, each as it was written; head {head}");
    if compared > 0 {
        words.push_str(&format!("\n{compared} heads that the other side kept fit"));
    }
    Ok((json!({ "verified": true, "records": records, "head": head, "compared": compared }), words))
}

fn read_heads(path: &Path, key: &PublicKey) -> Result<Kept, Error> {
    let text = std::fs::read_to_string(path).map_err(|why| Error::file(path, "read the heads", &why))?;
    let (mut kept, mut found) = (Kept::default(), 0u64);
    for (line, number) in text.lines().filter(|line| !line.trim().is_empty()).zip(1u64..) {
        let wrong = |what: &str| Error::asked(what).place(format!("{}, line {number}", path.display()));
        let one: HeadLine = serde_json::from_str(line)
            .map_err(|_| wrong("no head").expected("what `samensom-node audit export --as heads` wrote"))?;
        if one.key != *key {
            continue;
        }
        if !one.head.is_of(key) {
            return Err(wrong("a head that this log's key did not sign: the other side made it up"));
        }
        kept.add(one.head.head)
            .map_err(|why| Error::mismatch(why.to_string()).place(path.display().to_string()))?;
        found = found.saturating_add(1);
    }
    if found == 0 {
        return Err(Error::asked("no head of this log's key")
            .place(path.display().to_string())
            .remedy("ask the hospital for the heads that it kept of this log"));
    }
    Ok(kept)
}

/// Writes the log for another program.
///
/// # Errors
/// As [`show`], and when it cannot be written.
pub fn export(
    folder: &Folder,
    format: ExportFormat,
    (since, session): (Option<&Since>, Option<&str>),
    out: &mut dyn Write,
) -> Result<(), Error> {
    let (identity, audit) = open(folder)?;
    tell_reading(&audit, &format!("exported as {format:?}").to_lowercase(), since, session)?;
    let path = folder.audit().join(file::LOG);
    let log = std::fs::File::open(&path).map_err(|why| Error::file(&path, "read the audit log", &why))?;
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(log));
    let mut written = Ok(());
    read(folder, identity.public(), &mut Kept::default(), &mut |record| {
        // The lines as they stand, in step with the records that were verified.
        let line = lines.next().and_then(Result::ok).unwrap_or_default();
        let told: Option<Told> = serde_json::from_str(record.body).ok();
        if written.is_err() || !wanted(record, told.as_ref(), since, session) {
            return;
        }
        let text = match format {
            ExportFormat::Jsonl => Some(line),
            ExportFormat::Heads => head_line(told.as_ref()),
            ExportFormat::Cef | ExportFormat::Syslog => Some(named(format, record, told.as_ref())),
        };
        if let Some(text) = text {
            written = writeln!(out, "{text}");
        }
    })?;
    match written.and_then(|()| out.flush()) {
        Err(why) if why.kind() == std::io::ErrorKind::BrokenPipe => Err(Error::Unread),
        done => done.map_err(|why| Error::machine(format!("the export cannot be written: {why}"))),
    }
}

fn head_line(told: Option<&Told>) -> Option<String> {
    match told.map(|told| &told.event) {
        Some(Event::Head { key, head, .. }) => {
            serde_json::to_string(&HeadLine { key: *key, head: *head }).ok()
        }
        _ => None,
    }
}

fn named(format: ExportFormat, record: &Record<'_>, told: Option<&Told>) -> String {
    let (event, at) = (name_of(told), text(record.at));
    let version = told.map_or("", |told| told.software.as_str());
    let is_alarm = told.is_some_and(|told| told.event.is_alarm());
    let named = Named { program: "samensom", host: "coordinator", version, event: &event, at: &at, is_alarm };
    if format == ExportFormat::Cef { cef(&named, record) } else { syslog(&named, record) }
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
