//! `status`: what this agent is, whom it follows and how its last sessions ended, from its own state.
//!
//! Reads beside an agent that may run; changes nothing and asks nobody. No figure stands in it.

use crate::chain::{Chain, Change, plain_text};
use crate::config::Config;
use crate::error::Error;
use crate::health::LinkSeen;
use crate::identity;
use crate::ledger::{Entry, Ledger, Pins, is_running};
use crate::pause::{self, Paused};
use crate::session::LastSession;
use samensom_protocol::admission::words;
use samensom_protocol::ids::AttemptId;
use samensom_protocol::io::Record;
use samensom_protocol::roster::Roster;
use samensom_protocol::time::Time;
use serde::Serialize;
use std::fmt;

/// Sessions shown.
const SHOWN: usize = 10;

/// The state in words. The JSON form has these names and is stable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Short name of the hospital.
    pub hospital: String,
    /// Its number in all rosters.
    pub node: u16,
    /// Words of its key.
    pub key: String,
    /// HOST:PORT of the coordinator.
    pub coordinator: String,
    /// Words of the coordinator's key.
    pub coordinator_key: String,
    /// Whether an agent runs over this state.
    pub running: bool,
    /// Whether this hospital takes part in nothing now.
    pub paused: Option<Paused>,
    /// The link as the agent saw it last.
    pub link: Option<LinkSeen>,
    /// The roster that is followed.
    pub roster: Option<RosterShown>,
    /// A newer one that waits for the operator.
    pub held: Option<HeldShown>,
    /// Whether the followed roster lists this key.
    pub admitted: bool,
    /// How the last session went, also one that this hospital did not contribute to.
    pub last_session: Option<LastSession>,
    /// The last sessions that this hospital contributed to, newest first.
    pub sessions: Vec<SessionShown>,
    /// Records in the ledger.
    pub ledger_records: u64,
    /// Bytes of the state database.
    pub ledger_bytes: u64,
}

/// A roster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RosterShown {
    /// Its number.
    pub epoch: u32,
    /// Its words.
    pub words: String,
    /// How many hospitals take part.
    pub hospitals: u16,
}

/// A roster that waits for the operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HeldShown {
    /// Its number.
    pub epoch: u32,
    /// Its words.
    pub words: String,
    /// How many hospitals take part.
    pub hospitals: u16,
    /// What it changes, in words; hospitals that merely come are counted only.
    pub changes: Vec<String>,
}

/// One attempt that this hospital contributed to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SessionShown {
    /// Its id.
    pub attempt: String,
    /// When the contribution left, in UTC.
    pub at: String,
    /// Lock.
    pub lock: String,
    /// Slot.
    pub slot: u64,
    /// How far it came: `contributed`, `confirmed`, `certified`, `released`, `verified`.
    pub ended: &'static str,
}

/// Reads the state.
///
/// # Errors
/// When there is none, or it cannot be read.
pub fn read(config: &Config) -> Result<Status, Error> {
    let absent = || Error::NotEnrolled { state: config.state.display().to_string() };
    let pins = Pins::open_to_read(&config.state)?;
    let enrolment = pins.enrolment()?.ok_or_else(absent)?;
    let key = identity::load(&config.state)?.ok_or_else(absent)?.public();
    let chain = Chain::load(&pins, enrolment.founding_roster)?;
    let ledger = Ledger::open_to_read(&config.state)?;
    Ok(Status {
        hospital: enrolment.institution,
        node: enrolment.hospital.0,
        key: words(&key.0),
        coordinator: config.coordinator.clone().unwrap_or(enrolment.coordinator),
        coordinator_key: words(&enrolment.coordinator_key.0),
        running: is_running(&config.state),
        paused: pause::read(&config.state),
        link: LinkSeen::read(&config.state),
        roster: chain.current().map(shown),
        held: chain.held().last().map(|roster| held(&chain, roster)),
        admitted: chain.current().is_some_and(|roster| roster.member_by_key(&key).is_some()),
        last_session: LastSession::read(&config.state),
        sessions: sessions(&ledger.entries()?),
        ledger_records: ledger.seq(),
        ledger_bytes: ledger.size(),
    })
}

fn shown(roster: &Roster) -> RosterShown {
    RosterShown { epoch: roster.body().epoch, words: words(&roster.hash().0), hospitals: roster.size() }
}

fn held(chain: &Chain, roster: &Roster) -> HeldShown {
    let change = Change::between(chain.current().map(Roster::body), roster.body());
    let RosterShown { epoch, words, hospitals } = shown(roster);
    HeldShown { epoch, words, hospitals, changes: change.lines().to_vec() }
}

/// A time as people read it, in UTC.
#[must_use]
pub fn utc(at: Time) -> String {
    let at = i64::try_from(at.0).ok().and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    at.map_or_else(String::new, |at| at.strftime("%Y-%m-%d %H:%M:%SZ").to_string())
}

fn sessions(entries: &[Entry]) -> Vec<SessionShown> {
    let mut sessions: Vec<(AttemptId, SessionShown)> = Vec::new();
    for entry in entries {
        let (sid, ended) = match &entry.record {
            Record::Spent { sid, lock, slot, .. } => {
                let shown = SessionShown {
                    attempt: sid.to_hex(),
                    at: utc(entry.at),
                    lock: lock.to_string(),
                    slot: *slot,
                    ended: "contributed",
                };
                sessions.push((*sid, shown));
                continue;
            }
            Record::Confirmed { sid, .. } => (sid, "confirmed"),
            Record::Certified { bound, .. } => (&bound.sid, "certified"),
            Record::Released { sid } => (sid, "released"),
            Record::Filed { sid, .. } => (sid, "verified"),
            _ => continue,
        };
        if let Some((_, shown)) = sessions.iter_mut().rev().find(|(other, _)| other == sid) {
            shown.ended = ended;
        }
    }
    sessions.into_iter().rev().take(SHOWN).map(|(_, shown)| shown).collect()
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "hospital:    {} (node {})", self.hospital, self.node)?;
        writeln!(f, "key:         {}", self.key)?;
        writeln!(f, "coordinator: {}, key {}", self.coordinator, self.coordinator_key)?;
        writeln!(f, "agent:       {}", if self.running { "runs" } else { "does not run" })?;
        match &self.paused {
            Some(Paused { since, left: true, .. }) => writeln!(f, "left:        since {since}")?,
            Some(Paused { since, why: Some(why), .. }) => {
                writeln!(f, "stopped:     since {since}: {why}; see `samensom-node resume --help`")?
            }
            Some(Paused { since, .. }) => {
                writeln!(f, "paused:      since {since}; `samensom-node resume` ends it")?
            }
            None => {}
        }
        match &self.link {
            Some(LinkSeen { linked: true, since, line }) if self.running => {
                writeln!(f, "link:        to {line}, since {since}")?;
            }
            Some(LinkSeen { linked: false, since, line }) if self.running => {
                writeln!(f, "link:        none since {since}: {line}")?;
            }
            _ => writeln!(f, "link:        none")?,
        }
        match &self.roster {
            Some(RosterShown { epoch, words, hospitals }) => {
                let lists = if self.admitted { "with this hospital" } else { "without this hospital" };
                writeln!(f, "roster:      number {epoch}, {hospitals} hospitals, {lists}: {words}")?;
            }
            None => writeln!(f, "roster:      none yet")?,
        }
        if let Some(HeldShown { epoch, words, hospitals, changes }) = &self.held {
            writeln!(f, "held:        number {epoch}, {hospitals} hospitals: {words}")?;
            for line in changes {
                writeln!(f, "             {}", plain_text(line))?;
            }
            writeln!(f, "  do: compare the words with LCG by telephone, then")?;
            writeln!(f, "      samensom-node enroll --accept-roster \"{words}\"")?;
        }
        writeln!(f, "ledger:      {} records, {} bytes", self.ledger_records, self.ledger_bytes)?;
        if let Some(LastSession { attempt, state, reason, up_bytes }) = &self.last_session {
            let short: String = attempt.chars().take(12).collect();
            let reason = reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
            writeln!(f, "last:        {short} {state}{reason}; {up_bytes} bytes sent")?;
        }
        if self.sessions.is_empty() {
            return write!(f, "sessions:    none yet");
        }
        write!(f, "sessions:")?;
        for SessionShown { attempt, at, lock, slot, ended } in &self.sessions {
            let short: String = attempt.chars().take(12).collect();
            write!(f, "\n  {at}  {short}  {lock} slot {slot}  {ended}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use samensom_protocol::codec::Text;
    use samensom_protocol::ids::{ExtractHash, FreezeHash, ResultHash, RosterHash, SessionId, WarrantHash};
    use samensom_protocol::message::Pass;

    fn spent(sid: u8) -> Record {
        Record::Spent {
            lock: Text::new("goods").unwrap(),
            slot: 7,
            extract: ExtractHash([1; 32]),
            pass: Pass::Value,
            sid: AttemptId([sid; 32]),
            session: SessionId([2; 32]),
            warrant: WarrantHash([3; 32]),
            roster: RosterHash([4; 32]),
            shape: None,
            open: None,
            family: None,
        }
    }

    #[test]
    fn sessions_show_how_far_each_came() {
        let confirmed = Record::Confirmed {
            lock: Text::new("goods").unwrap(),
            extract: ExtractHash([1; 32]),
            pass: Pass::Value,
            sid: AttemptId([1; 32]),
            freeze: FreezeHash([5; 32]),
            survivors: vec![],
            seen: vec![],
        };
        let filed = Record::Filed { sid: AttemptId([1; 32]), result: ResultHash([6; 32]) };
        let records = [spent(1), confirmed, spent(2), filed, Record::Released { sid: AttemptId([9; 32]) }];
        let entries: Vec<Entry> =
            (1..).zip(records).map(|(seq, record)| Entry { seq, at: Time(0), record }).collect();
        let shown = sessions(&entries);
        assert_eq!(shown.iter().map(|s| s.ended).collect::<Vec<_>>(), ["contributed", "verified"]);
        assert_eq!(shown[0].at, "1970-01-01 00:00:00Z");
    }
}
