//! LCG's audit log: what the server was asked, offered, opened and to whom, written before it is done.
//!
//! Owns the log's handle, which store, sessions and commands share, and the heads of the hospitals' logs, each
//! kept as a record of this one. A record that cannot be written ends the program. What the events are stands
//! in `audit/event.rs`, the file in `audit/file.rs`.

mod event;
mod file;
mod show;

pub use event::{Event, Told};
pub use file::LogError;
pub use show::{ExportFormat, Since, export, show, verify};

use crate::clock::now;
use crate::error::Error;
use crate::folder::Folder;
use file::LogFile;
use samensom_protocol::admission::Admission;
use samensom_protocol::audit::{Head, SignedHead};
use samensom_protocol::crypto::keys::Identity;
use samensom_protocol::ids::{NodeId, PublicKey};
use samensom_protocol::transparency::{SignedTreeHead, TreeHead};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// The same refusal is told once in so long: its sender must not fill this disk.
const AGAIN: Duration = Duration::from_secs(60);
/// Refusals that are remembered for that; beyond it none is told until some are old.
const REMEMBERED: usize = 1024;
/// Heads of one hospital that are kept in an hour.
const HEADS: u32 = 256;
const HOUR: Duration = Duration::from_secs(3600);

/// The log; a handle that may be cloned. One that was never opened keeps nothing.
#[derive(Debug, Clone, Default)]
pub struct Audit(Option<Arc<Mutex<Keeper>>>);

#[derive(Debug)]
struct Keeper {
    log: LogFile,
    identity: Arc<Identity>,
    refused: BTreeMap<String, Instant>,
    /// The last head of each hospital's key.
    heads: BTreeMap<PublicKey, Head>,
    /// How many were kept of each since when.
    pace: BTreeMap<PublicKey, (Instant, u32)>,
}

impl Audit {
    /// Opens the log of a data folder and reads it through.
    ///
    /// # Errors
    /// When it is not as it was written, or cannot be used.
    pub fn open(folder: &Folder, identity: &Arc<Identity>) -> Result<Audit, Error> {
        let mut heads = BTreeMap::new();
        let log = LogFile::open(&folder.audit(), identity.public(), &mut |record| {
            let told =
                record.body.contains("\"event\":\"head\"").then(|| serde_json::from_str::<Told>(record.body));
            if let Some(Ok(Told { event: Event::Head { key, head, .. }, .. })) = told {
                heads.insert(key, head.head);
            }
        })?;
        let (identity, refused, pace) = (Arc::clone(identity), BTreeMap::new(), BTreeMap::new());
        Ok(Audit(Some(Arc::new(Mutex::new(Keeper { log, identity, refused, heads, pace })))))
    }

    /// Adds one record. It is on the disk when this returns, and only then may what it tells of be done.
    ///
    /// # Errors
    /// When it could not be written; the program must end.
    pub fn tell(&self, event: Event) -> Result<(), Error> {
        self.tell_all(vec![event])
    }

    /// Adds records, synced together.
    ///
    /// # Errors
    /// As [`Audit::tell`].
    pub fn tell_all(&self, events: Vec<Event>) -> Result<(), Error> {
        let Some(mut keeper) = self.keeper() else { return Ok(()) };
        let events: Vec<Event> = events.into_iter().filter(|event| keeper.is_news(event)).collect();
        if events.is_empty() { Ok(()) } else { keeper.write(events) }
    }

    /// Keeps how far a hospital's log has come; the answer says what was kept before and how far this one has
    /// come. None when the hospital's key did not sign it, or it sends too many.
    ///
    /// # Errors
    /// When it could not be written.
    pub fn note(&self, node: NodeId, key: PublicKey, head: SignedHead) -> Result<Option<Admission>, Error> {
        let Some(mut keeper) = self.keeper().filter(|_| head.is_of(&key)) else { return Ok(None) };
        let before = keeper.heads.get(&key).copied();
        if before != Some(head.head) {
            if !keeper.is_in_time(key) {
                return Ok(None);
            }
            let back = before.filter(|kept| kept.number >= head.head.number);
            let mut events = Vec::new();
            if let Some(kept) = back {
                tracing::error!(%node, kept = kept.number, now = head.head.number, "a hospital's audit log went back");
                events.push(Event::HeadWentBack { node, kept, head });
            }
            events.push(Event::Head { node, key, head });
            keeper.write(events)?;
            keeper.heads.insert(key, head.head);
        }
        let own = SignedHead::new(&keeper.identity, keeper.log.head()).ok();
        Ok(own.map(|own| Admission::LogNoted { before, own: Box::new(own) }))
    }

    /// A head of the transparency log under the key of this log; none where none was opened.
    ///
    /// # Errors
    /// When it cannot be encoded.
    pub fn sign(&self, head: TreeHead) -> Result<Option<SignedTreeHead>, Error> {
        let Some(keeper) = self.keeper() else { return Ok(None) };
        let signed = SignedTreeHead::new(&keeper.identity, head);
        signed.map(Some).map_err(|why| Error::machine(format!("a head cannot be signed: {why}")))
    }

    fn keeper(&self) -> Option<MutexGuard<'_, Keeper>> {
        self.0.as_ref().map(|keeper| keeper.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Keeper {
    /// False for a refusal of which the same was told a moment ago.
    fn is_news(&mut self, event: &Event) -> bool {
        let what = match event {
            Event::FrameRefused { node, rule, .. } => format!("{node}: {rule}"),
            Event::Stands { node, attempt, answer, .. } => format!("{node}: {answer:?} {attempt}"),
            Event::Refused { node, attempt, .. } => format!("{node}: refuses {attempt}"),
            Event::TokenRefused { hospital, why } => format!("{hospital}: {why}"),
            _ => return true,
        };
        let now = Instant::now();
        self.refused.retain(|_, since| now.saturating_duration_since(*since) < AGAIN);
        self.refused.len() < REMEMBERED && self.refused.insert(what, now).is_none()
    }

    /// Whether this hospital's head is kept, so often as it may send one.
    fn is_in_time(&mut self, key: PublicKey) -> bool {
        let now = Instant::now();
        let (since, count) = self.pace.entry(key).or_insert((now, 0));
        if now.saturating_duration_since(*since) >= HOUR {
            (*since, *count) = (now, 0);
        }
        *count = count.saturating_add(1);
        *count <= HEADS
    }

    fn write(&mut self, events: Vec<Event>) -> Result<(), Error> {
        let body = |event: Event| serde_json::to_string(&event.told());
        let unwritable = |why| Error::machine(format!("a record of the audit log cannot be written: {why}"));
        let bodies = events.into_iter().map(body).collect::<Result<Vec<_>, _>>().map_err(unwritable)?;
        let cut = |bytes| body(Event::Cut { bytes }).unwrap_or_default();
        Ok(self.log.append(now(), &bodies, &self.identity, &cut)?)
    }
}

impl From<LogError> for Error {
    fn from(why: LogError) -> Error {
        let text = why.to_string();
        match why {
            LogError::Broken { .. } => Error::mismatch(text),
            LogError::Disk { .. } | LogError::Unknown => {
                Error::Disk(crate::error::Report { what: text, ..crate::error::Report::default() })
            }
        }
    }
}

#[cfg(test)]
mod tests;
