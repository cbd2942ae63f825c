//! `pause`, `resume`, `leave`: this hospital takes part in nothing until it says otherwise; nobody is asked.
//!
//! Owns the file that says so in the state folder, durable before the command ends and after its record in the
//! audit log. A file that cannot be read means paused. It must not know sessions: they look here.

use crate::audit::{Audit, Event};
use crate::clock::now;
use crate::config::Config;
use crate::error::Error;
use crate::identity;
use crate::ledger::KeptHead;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::sync::Arc;

const FILE: &str = "paused.json";

/// That this hospital takes part in nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paused {
    /// Since when, in UTC.
    pub since: String,
    /// Whether for good.
    pub left: bool,
    /// What stopped it, where the agent did so itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// Whether this hospital has paused; asked before every session.
#[must_use]
pub fn read(state: &Path) -> Option<Paused> {
    match std::fs::read(state.join(FILE)) {
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        read => {
            let paused = read.ok().and_then(|text| serde_json::from_slice(&text).ok());
            Some(paused.unwrap_or(Paused { since: String::new(), left: false, why: None }))
        }
    }
}

/// What a command made of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Said {
    /// Whether this hospital is paused now.
    pub paused: bool,
    /// Whether for good.
    pub left: bool,
    /// Records in the audit log, which stays.
    pub audit_records: u64,
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.left, self.paused) {
            (true, _) => write!(
                f,
                "left: every session is refused from now on, also after a restart\n\
                 tell LCG, so that a roster marks this hospital as left: \"we have left; please propose a roster \
                 without us\"\nkeep the state folder: the audit log ({} records) and the ledger stay as they are\n\
                 then stop the service: systemctl disable --now samensom-node",
                self.audit_records
            ),
            (false, true) => write!(
                f,
                "paused: every session is refused until `samensom-node resume`, also after a restart"
            ),
            (false, false) => write!(f, "resumed: takes part again as policy.purposes says"),
        }
    }
}

/// Refuses every session from now on.
///
/// # Errors
/// When it is not enrolled, has left, or the disk fails.
pub fn pause(config: &Config) -> Result<Said, Error> {
    refuse_left(&config.state)?;
    say(config, Event::Paused {}, Some(false))
}

/// Takes part again. `anew` forgets the head of the coordinator's transparency log that was believed: the next one
/// that it shows is the first.
///
/// # Errors
/// As [`pause`].
pub fn resume(config: &Config, anew: bool) -> Result<Said, Error> {
    refuse_left(&config.state)?;
    let absent = || Error::NotEnrolled { state: config.state.display().to_string() };
    if anew {
        let key = identity::load(&config.state)?.ok_or_else(absent)?;
        Audit::open(&config.state, &Arc::new(key))?.tell(Event::TreeHeadForgotten {})?;
        KeptHead::open(&config.state)?.forget()?;
    }
    say(config, Event::Resumed {}, None)
}

/// Refuses every session for good.
///
/// # Errors
/// When it is not enrolled, or the disk fails.
pub fn leave(config: &Config) -> Result<Said, Error> {
    say(config, Event::Left {}, Some(true))
}

fn refuse_left(state: &Path) -> Result<(), Error> {
    match read(state) {
        Some(Paused { left: true, since, .. }) => Err(Error::Left { since }),
        _ => Ok(()),
    }
}

fn say(config: &Config, event: Event, left: Option<bool>) -> Result<Said, Error> {
    let absent = || Error::NotEnrolled { state: config.state.display().to_string() };
    let key = identity::load(&config.state)?.ok_or_else(absent)?;
    let audit = Audit::open(&config.state, &Arc::new(key))?;
    audit.tell(event)?;
    let paused = left.map(|left| Paused { since: crate::status::utc(now()), left, why: None });
    write(&config.state, paused.as_ref())?;
    Ok(Said { paused: left.is_some(), left: left == Some(true), audit_records: audit.records() })
}

/// The agent itself takes part in nothing more, until its operator decides; a hospital that left stays so.
///
/// # Errors
/// When the disk fails.
pub fn stop(state: &Path, why: &str) -> Result<(), Error> {
    if read(state).is_some_and(|paused| paused.left) {
        return Ok(());
    }
    let paused = Paused { since: crate::status::utc(now()), left: false, why: Some(why.to_owned()) };
    write(state, Some(&paused))
}

/// Durable when this returns.
fn write(state: &Path, paused: Option<&Paused>) -> Result<(), Error> {
    let path = state.join(FILE);
    let write = || -> std::io::Result<()> {
        match paused {
            Some(paused) => {
                let draft = path.with_extension("new");
                let mut file = File::create(&draft)?;
                file.write_all(&serde_json::to_vec(paused)?)?;
                file.sync_all()?;
                std::fs::rename(&draft, &path)?;
            }
            None => match std::fs::remove_file(&path) {
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                done => done?,
            },
        }
        File::open(state)?.sync_all()
    };
    write().map_err(|source| Error::Io { doing: "writing whether this hospital takes part", source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_survives_until_it_is_ended_and_leaving_is_for_good() {
        let dir = tempfile::tempdir().unwrap();
        let config = Config::bare(dir.path());
        assert!(matches!(pause(&config), Err(Error::NotEnrolled { .. })));
        identity::load_or_make(&config.state).unwrap();
        assert_eq!(read(&config.state), None);
        assert!(pause(&config).unwrap().paused && !read(&config.state).unwrap().left);
        assert!(!resume(&config, false).unwrap().paused && !resume(&config, false).unwrap().paused);
        assert_eq!(read(&config.state), None);
        let said = leave(&config).unwrap();
        assert_eq!((said.left, said.audit_records), (true, 4));
        assert!(said.to_string().contains("tell LCG"));
        assert!(
            matches!(resume(&config, false), Err(Error::Left { .. }))
                && matches!(pause(&config), Err(Error::Left { .. }))
        );
        assert_eq!(Error::Left { since: String::new() }.exit_code(), 6);
        // What cannot be read is no leave to take part.
        std::fs::write(config.state.join(FILE), "{").unwrap();
        assert!(read(&config.state).is_some());
    }
}
