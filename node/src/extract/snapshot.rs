//! The snapshots of a node: made whole or not at all, one per lock and slot.
//!
//! Owns their names, the moment at which a draft becomes a snapshot, and when an older one goes: not before
//! the new one is durable, so that a bad new extract leaves the last good one where it is. A slot has its own
//! snapshot or none (A03); an older one is never used in its place. It must not know what is asked of it.

use super::child::{self, Reader, Stop, What};
use super::config::ExtractConfig;
use super::error::ExtractError;
use super::one_file_per_dataset;
use super::store::Frozen;
use super::{database, draft};
use samensom_protocol::time::Time;
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// How often an extract that changes while it is read is read again.
const MOST_READINGS: usize = 3;

/// Reads the extracts and makes their snapshot at `db`, a file that is not there yet. What is too old is
/// judged at `now`.
pub(super) fn make(
    reader: &Reader,
    configs: &[ExtractConfig],
    base_dir: &Path,
    (db, now): (&Path, Time),
    stop: &Stop,
) -> Result<Frozen, ExtractError> {
    one_file_per_dataset(configs)?;
    if db.exists() {
        return Err(ExtractError::AlreadyFrozen { path: db.to_owned() });
    }
    let mut folder = db.as_os_str().to_owned();
    folder.push(".part");
    let folder = PathBuf::from(folder);
    let made = read(reader, configs, base_dir, (&folder, now), stop).and_then(|()| accept(&folder, db));
    // What cannot be removed now is removed by the next freeze.
    let _ = draft::remove_folder(&folder);
    made
}

/// Until it did not change meanwhile.
fn read(
    reader: &Reader,
    configs: &[ExtractConfig],
    base_dir: &Path,
    (folder, now): (&Path, Time),
    stop: &Stop,
) -> Result<(), ExtractError> {
    unchanged(|| {
        draft::make_folder(folder)?;
        database::fetch_all(configs, base_dir, folder, stop)?;
        match reader {
            Reader::Here => draft::write(configs, base_dir, folder, now),
            Reader::Child(program) => {
                child::ask(program, What::Draft, configs, base_dir, (folder, now), stop).map(drop)
            }
        }
    })
}

/// Does it again while what is read changes, a few times.
pub(super) fn unchanged<T>(mut read: impl FnMut() -> Result<T, ExtractError>) -> Result<T, ExtractError> {
    for _ in 1..MOST_READINGS {
        match read() {
            Err(error) if error.is_changed() => {}
            done => return done,
        }
    }
    read()
}

/// Looks at the draft, makes it durable and gives it its name.
fn accept(folder: &Path, db: &Path) -> Result<Frozen, ExtractError> {
    let draft = folder.join(draft::NAME);
    let frozen = Frozen::open_unread(&draft)?;
    let durable = || -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(&draft)?;
        if !file.metadata()?.is_file() || fs::symlink_metadata(&draft)?.is_symlink() {
            return Err(io::Error::other("not a file"));
        }
        file.sync_all()?;
        fs::rename(&draft, db)?;
        let folder = db.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
    };
    durable().map_err(|source| ExtractError::Io {
        path: db.to_owned(),
        doing: "making the snapshot durable",
        source,
    })?;
    Ok(frozen.at(db))
}

/// The snapshots in one folder.
#[derive(Debug)]
pub struct Snapshots {
    folder: PathBuf,
    /// Those whose rows this process has written or read through, by what the file was then.
    known: Mutex<BTreeMap<PathBuf, (FileId, Frozen)>>,
}

/// Which file it is, and when it last changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FileId {
    device: u64,
    inode: u64,
    bytes: u64,
    changed: [(i64, i64); 2],
}

impl FileId {
    fn of(path: &Path) -> Option<FileId> {
        let metadata = fs::symlink_metadata(path).ok()?;
        Some(FileId {
            device: metadata.dev(),
            inode: metadata.ino(),
            bytes: metadata.len(),
            changed: [(metadata.mtime(), metadata.mtime_nsec()), (metadata.ctime(), metadata.ctime_nsec())],
        })
    }
}

impl Snapshots {
    /// Those of the state folder; nothing is made yet.
    #[must_use]
    pub fn of_state(state: &Path) -> Snapshots {
        Snapshots { folder: state.join("frozen"), known: Mutex::new(BTreeMap::new()) }
    }

    /// The snapshot of a slot: what is frozen, or else what is frozen now. Rows that were frozen before are
    /// read through once per process, and again if the file is another.
    ///
    /// # Errors
    /// What is wrong with the extracts or with the snapshot; older snapshots stay as they are.
    pub fn of_slot(
        &self,
        reader: &Reader,
        configs: &[ExtractConfig],
        base_dir: &Path,
        (lock, slot): (&str, u64),
        now: Time,
        stop: &Stop,
    ) -> Result<Frozen, ExtractError> {
        let db = self.folder.join(format!("{lock}-{slot}.db"));
        let before = FileId::of(&db);
        if let Some(known) = self.known(&db, before) {
            return Ok(known);
        }
        let frozen = match before {
            Some(_) => Frozen::open(&db)?,
            None => {
                fs::create_dir_all(&self.folder).map_err(|source| ExtractError::Io {
                    path: self.folder.clone(),
                    doing: "making the folder for frozen extracts",
                    source,
                })?;
                self.forget_unfinished(lock);
                let frozen = make(reader, configs, base_dir, (&db, now), stop)?;
                self.forget_older(lock, slot);
                frozen
            }
        };
        // A file that changed while it was read through is not known.
        let after = FileId::of(&db).filter(|after| before.is_none_or(|before| before == *after));
        if let Some(id) = after {
            let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.retain(|path, _| path.exists());
            known.insert(db, (id, frozen.clone()));
        }
        Ok(frozen)
    }

    /// The snapshot of a slot, if it is still kept, with its rows looked at.
    ///
    /// # Errors
    /// `Damaged` when its rows are others, `Store` when it cannot be read.
    pub fn kept(&self, lock: &str, slot: u64) -> Result<Option<Frozen>, ExtractError> {
        let db = self.folder.join(format!("{lock}-{slot}.db"));
        if db.exists() { Frozen::open(&db).map(Some) } else { Ok(None) }
    }

    /// The newest snapshot of a lock from before a slot, which stays until that slot has its own.
    #[must_use]
    pub fn last_good(&self, lock: &str, slot: u64) -> Option<PathBuf> {
        self.of_lock(lock, ".db").filter(|(of, _)| *of < slot).max_by_key(|(of, _)| *of).map(|(_, path)| path)
    }

    fn known(&self, db: &Path, now: Option<FileId>) -> Option<Frozen> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let (id, frozen) = known.get(db)?;
        (Some(*id) == now).then(|| frozen.clone())
    }

    /// Files of a lock with this ending, and their slots.
    fn of_lock(&self, lock: &str, ending: &'static str) -> impl Iterator<Item = (u64, PathBuf)> {
        let prefix = format!("{lock}-");
        fs::read_dir(&self.folder).into_iter().flatten().flatten().filter_map(move |entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            let slot = name.strip_prefix(&prefix)?.strip_suffix(ending)?.parse().ok()?;
            Some((slot, entry.path()))
        })
    }

    /// A snapshot is kept until a later slot of its lock has one.
    fn forget_older(&self, lock: &str, slot: u64) {
        for (_, path) in self.of_lock(lock, ".db").filter(|(of, _)| *of < slot) {
            // One that stays behind is refused by its slot; nothing depends on its absence.
            let _ = fs::remove_file(path);
        }
    }
    /// Drafts that an agent left when it was killed; this one makes one at a time.
    fn forget_unfinished(&self, lock: &str) {
        for (_, path) in self.of_lock(lock, ".db.part") {
            // One that cannot be removed takes room and nothing else.
            let _ = draft::remove_folder(&path);
        }
    }
}
