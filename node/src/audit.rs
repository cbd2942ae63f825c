//! The hospital's audit log: what the agent was asked, decided and did, written before it is done.
//!
//! Owns the log's handle, which every part of the program shares, the queries that records name, and what is
//! said of the heads that the coordinator keeps. A record that cannot be written ends the process: no record,
//! no act. What the events are stands in `audit/event.rs`, the file in `audit/file.rs`.

mod event;
mod file;
mod person;
mod show;
mod words;

pub use event::{Asked, Event, Told, rows};
pub use file::LogError;
pub use person::{Answer, ask};
pub use show::{ExportFormat, Shown, Since, Verdict, export, show, verify};

use crate::clock::now;
use crate::config::Config;
use crate::consent::QueryRule;
use crate::error::Error;
use crate::identity;
use file::LogFile;
use samensom_protocol::admission::Admission;
use samensom_protocol::audit::{Head, Kept, SignedHead};
use samensom_protocol::codec::to_hex;
use samensom_protocol::crypto::keys::Identity;
use samensom_protocol::crypto::transcript::sha256;
use samensom_protocol::ids::{PublicKey, QueryHash};
use samensom_protocol::query::{Purpose, Query};
use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The same refusal of a message is told once in so long: its sender must not fill this disk.
const AGAIN: Duration = Duration::from_secs(60);

/// Heads that are remembered, so that the log need not be read again for them.
const TOLD: usize = 64;

/// Tells of a reading of the hospital's own data at its terminal. Before there is a key there is no log.
///
/// # Errors
/// When the key cannot be read or the record not be written; the reading is then not done.
pub fn tell_if_enrolled(config: &Config, event: Event) -> Result<(), Error> {
    match identity::load(&config.state)? {
        Some(identity) => Ok(Audit::open(&config.state, &Arc::new(identity))?.tell(event)?),
        None => Ok(()),
    }
}

/// Hash of the configuration's file as it stands; empty where there is none.
#[must_use]
pub fn config_hash(config: &Config) -> String {
    let text = config.file.as_ref().and_then(|file| std::fs::read(file).ok());
    text.map_or_else(String::new, |text| to_hex(&sha256(&text)))
}

/// The hospital's own rules in words.
#[must_use]
pub fn policy(config: &Config) -> String {
    let policy = &config.policy;
    let of = |purpose: Purpose| format!("{} {}", purpose.name(), policy.purposes.of(purpose));
    let one = |rule: &QueryRule| format!("query {} {}", rule.id, rule.rule);
    let all: Vec<String> = Purpose::ALL.into_iter().map(of).chain(policy.query.iter().map(one)).collect();
    let persons = u8::from(policy.persons.unwrap_or_default());
    let floor = policy.floor_hospitals;
    format!("{}; own floor {floor} hospitals; {persons} to approve what is asked", all.join(", "))
}

/// The folder of the log in the state folder.
#[must_use]
pub fn folder(state: &Path) -> PathBuf {
    state.join("audit")
}

/// The log; a handle that may be cloned. One of throw-away keys keeps nothing.
#[derive(Debug, Clone, Default)]
pub struct Audit(Option<Arc<Mutex<Keeper>>>);

#[derive(Debug)]
struct Keeper {
    log: LogFile,
    folder: PathBuf,
    identity: Arc<Identity>,
    refused: BTreeMap<String, Instant>,
    /// Heads that the coordinator was told by this process, the last at the end.
    told: VecDeque<Head>,
    /// The coordinator's that was kept last.
    heard: Option<Head>,
    last_start: Option<Event>,
    /// What failed first; nothing may be done after it.
    failed: Option<LogError>,
}

impl Audit {
    /// Opens the log of this state folder and reads it through.
    ///
    /// # Errors
    /// `Broken` when it is not as it was written, `Disk` when it cannot be used.
    pub fn open(state: &Path, identity: &Arc<Identity>) -> Result<Audit, LogError> {
        let folder = folder(state);
        refuse_other_account(state, &folder)?;
        let mut last_start = None;
        let log = LogFile::open(&folder, identity.public(), &mut |record| {
            if record.body.contains("\"event\":\"started\"") {
                last_start = serde_json::from_str::<Told>(record.body).ok().map(|told| told.event);
            }
        })?;
        let identity = Arc::clone(identity);
        let refused = BTreeMap::new();
        let keeper = Keeper {
            log,
            folder,
            identity,
            refused,
            told: VecDeque::new(),
            heard: None,
            last_start,
            failed: None,
        };
        Ok(Audit(Some(Arc::new(Mutex::new(keeper)))))
    }

    /// Adds one record. It is on the disk when this returns, and only then may what it tells of be done.
    ///
    /// # Errors
    /// When it could not be written; the process must end.
    pub fn tell(&self, event: Event) -> Result<(), LogError> {
        self.tell_all([event])
    }

    /// Adds records, synced together.
    ///
    /// # Errors
    /// As [`Audit::tell`].
    pub fn tell_all(&self, events: impl IntoIterator<Item = Event>) -> Result<(), LogError> {
        let Some(mut keeper) = self.keeper() else { return Ok(()) };
        let events: Vec<Event> = events.into_iter().filter(|event| keeper.is_news(event)).collect();
        if events.is_empty() {
            return Ok(());
        }
        let written = keeper.write(events);
        written.inspect_err(|why| keeper.fail(why))
    }

    /// Whether every record so far was written: what follows may be done.
    ///
    /// # Errors
    /// Why one was not.
    pub fn whole(&self) -> Result<(), LogError> {
        match self.keeper() {
            Some(keeper) => keeper.failed.clone().map_or(Ok(()), Err),
            None => Ok(()),
        }
    }

    /// How many records there are.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.keeper().map_or(0, |keeper| keeper.log.head().number)
    }

    /// What the last start of the agent told of itself.
    #[must_use]
    pub fn last_start(&self) -> Option<Event> {
        self.keeper().and_then(|keeper| keeper.last_start.clone())
    }

    /// Keeps a query that a record is about to name, so that it can be asked again here.
    ///
    /// # Errors
    /// When it could not be written.
    pub fn keep_query(&self, hash: &QueryHash, query: &Query) -> Result<(), LogError> {
        let Some(keeper) = self.keeper() else { return Ok(()) };
        let folder = keeper.folder.join("queries");
        let path = query_path(&keeper.folder, hash);
        if path.exists() {
            return Ok(());
        }
        let write = || -> std::io::Result<()> {
            std::fs::create_dir_all(&folder)?;
            let canonical = query.canonical().map_err(std::io::Error::other)?;
            let draft = path.with_extension("new");
            let mut file = File::create(&draft)?;
            file.write_all(&canonical)?;
            file.sync_all()?;
            std::fs::rename(&draft, &path)?;
            File::open(&folder)?.sync_all()
        };
        let written = write().map_err(|error| LogError::disk(&path, "writing", &error));
        drop(keeper);
        written.inspect_err(|why| {
            if let Some(mut keeper) = self.keeper() {
                keeper.fail(why);
            }
        })
    }

    /// The frame that tells the coordinator how far this log has come.
    #[must_use]
    pub fn head_frame(&self) -> Option<Vec<u8>> {
        let mut keeper = self.keeper()?;
        let head = keeper.log.head();
        keeper.told.push_back(head);
        if keeper.told.len() > TOLD {
            keeper.told.pop_front();
        }
        Admission::Log(SignedHead::new(&keeper.identity, head).ok()?).to_frame().ok()
    }

    /// Takes the coordinator's answer to that, if the frame is one: its own head is kept, and what it kept of
    /// this log before is compared with it.
    ///
    /// # Errors
    /// When a record could not be written or the log not be read.
    pub fn heard(&self, coordinator: &PublicKey, frame: &[u8]) -> Result<bool, LogError> {
        let Ok(Admission::LogNoted { before, own }) = Admission::from_frame(frame) else { return Ok(false) };
        let mut events = Vec::new();
        if let Some(kept) = before.filter(|_| self.0.is_some())
            && !self.has(&kept)?
        {
            tracing::error!(
                record = kept.number,
                "the coordinator kept another record of the audit log than it holds"
            );
            events.push(Event::HeadDiffers { kept });
        }
        if !own.is_of(coordinator) {
            events.push(Event::FrameRefused {
                rule: "the coordinator's head is not signed by its key".to_owned(),
            });
        } else if let Some(mut keeper) = self.keeper()
            && keeper.heard.replace(own.head) != Some(own.head)
        {
            events.push(Event::Head { key: *coordinator, head: *own });
        }
        self.tell_all(events)?;
        Ok(true)
    }

    /// Whether this log had that head.
    fn has(&self, head: &Head) -> Result<bool, LogError> {
        let (folder, key) = match self.keeper() {
            Some(keeper) if keeper.told.contains(head) => return Ok(true),
            Some(keeper) => (keeper.folder.clone(), keeper.identity.public()),
            None => return Ok(true),
        };
        let mut kept = Kept::default();
        if kept.add(*head).is_err() {
            return Ok(false);
        }
        match file::read(&folder, key, &mut kept, &mut |_| {}) {
            Ok(_) => Ok(true),
            Err(LogError::Broken { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn keeper(&self) -> Option<MutexGuard<'_, Keeper>> {
        self.0.as_ref().map(|keeper| keeper.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Keeper {
    fn fail(&mut self, why: &LogError) {
        self.log.fail();
        self.failed.get_or_insert_with(|| why.clone());
    }

    /// False for a refused message of which the same was told a moment ago. The texts are the program's own,
    /// so that there are only so many.
    fn is_news(&mut self, event: &Event) -> bool {
        let (Event::FrameRefused { rule } | Event::RosterRefused { why: rule }) = event else { return true };
        let now = Instant::now();
        self.refused.retain(|_, since| now.saturating_duration_since(*since) < AGAIN);
        match self.refused.contains_key(rule) {
            true => false,
            false => self.refused.insert(rule.clone(), now).is_none(),
        }
    }

    fn write(&mut self, events: Vec<Event>) -> Result<(), LogError> {
        let body = |event: Event| serde_json::to_string(&event.told());
        let unwritable = |error| LogError::disk(&self.folder, "writing", &error);
        let bodies = events.into_iter().map(body).collect::<Result<Vec<_>, _>>().map_err(unwritable)?;
        let cut = |bytes| body(Event::Cut { bytes }).unwrap_or_default();
        self.log.append(now(), &bodies, &self.identity, &cut)
    }
}

/// A log that root made is one that the agent cannot write.
fn refuse_other_account(state: &Path, folder: &Path) -> Result<(), LogError> {
    use std::os::unix::fs::MetadataExt;
    let owner = std::fs::metadata(state).map(|state| state.uid());
    if folder.exists() || owner.is_ok_and(|owner| owner == rustix::process::geteuid().as_raw()) {
        return Ok(());
    }
    let reason =
        "there is none yet, and the state folder belongs to another account; run this as that account";
    Err(LogError::disk(folder, "opening", &reason))
}

fn query_path(folder: &Path, hash: &QueryHash) -> PathBuf {
    folder.join("queries").join(format!("{}.query", hash.to_hex()))
}

#[cfg(test)]
mod tests;
