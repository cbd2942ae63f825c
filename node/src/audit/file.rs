//! The audit log as a file that only grows: written and synced before the act it tells of.
//!
//! Owns `log.jsonl` and `head.json` beside it, the lock that lets several programs of one machine write in turn,
//! and what a kill leaves: a last record without its end was never relied on, is written over, and that is
//! said. A write that failed ends the process. It knows no event.

use rustix::fs::{FlockOperation, flock};
use samensom_protocol::audit::{Broken, Head, Kept, LONGEST, Reader, Record, line};
use samensom_protocol::crypto::keys::Identity;
use samensom_protocol::ids::PublicKey;
use samensom_protocol::time::Time;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The log in its folder.
pub const LOG: &str = "log.jsonl";
/// The head as this machine last wrote it.
const HEAD: &str = "head.json";

/// Why the log cannot be read or written.
#[derive(Debug, Clone, thiserror::Error)]
pub enum LogError {
    /// A record is not as it was written.
    #[error(
        "{path}: {broken}\n  expected: every record as this program wrote it\n  do: keep a copy of the folder, \
         compare it with the heads that the other side kept (`audit verify --against FILE`), and find out who \
         changed it. Only then move the folder away: a new log begins with record 1, which the other side sees"
    )]
    Broken {
        /// The log.
        path: String,
        /// Which record, and how.
        broken: Broken,
    },
    /// Reading or writing failed.
    #[error(
        "{path}: {doing} the audit log failed: {reason}\n  do: check disk space, disk health and rights, then start again; what \
         could not be logged was not done"
    )]
    Disk {
        /// Which file.
        path: String,
        /// `reading` or `writing`.
        doing: &'static str,
        /// What the system said.
        reason: String,
    },
    /// An earlier write failed, so what the disk holds is unknown.
    #[error("an earlier write to the audit log failed; this process must end")]
    Unknown,
}

impl LogError {
    pub(super) fn disk(path: &Path, doing: &'static str, reason: &dyn std::fmt::Display) -> LogError {
        LogError::Disk { path: path.display().to_string(), doing, reason: reason.to_string() }
    }
}

/// The open log of one key.
#[derive(Debug)]
pub struct LogFile {
    file: File,
    folder: PathBuf,
    head: Head,
    /// Bytes of the whole records that were read or written here.
    len: u64,
    failed: bool,
}

impl LogFile {
    /// Opens the log of this folder, makes it if there is none, and reads it through.
    ///
    /// # Errors
    /// `Broken` when it is not as it was written, `Disk` when it cannot be used.
    pub fn open(
        folder: &Path,
        key: PublicKey,
        show: &mut dyn FnMut(&Record<'_>),
    ) -> Result<LogFile, LogError> {
        let path = folder.join(LOG);
        let opened = || -> io::Result<File> {
            DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            let new = !path.exists();
            let file = OpenOptions::new()
                .create(true)
                .read(true)
                .write(true)
                .mode(0o600)
                .truncate(false)
                .open(&path)?;
            if new {
                // The file's own name must outlive a crash, as its records do.
                File::open(folder)?.sync_all()?;
            }
            Ok(file)
        };
        let file = opened().map_err(|error| LogError::disk(&path, "opening", &error))?;
        let read = read(folder, key, &mut Kept::default(), show)?;
        Ok(LogFile { file, folder: folder.to_owned(), head: read.head, len: read.len, failed: false })
    }

    /// The head.
    #[must_use]
    pub fn head(&self) -> Head {
        self.head
    }

    /// Refuses all further use.
    pub(super) fn fail(&mut self) {
        self.failed = true;
    }

    /// Adds records. They are on the disk when this returns. `cut` makes the one that says how many bytes a
    /// killed program left.
    ///
    /// # Errors
    /// `Disk` when they could not be written; the process must end, and this log refuses all further use.
    pub fn append(
        &mut self,
        at: Time,
        bodies: &[String],
        identity: &Identity,
        cut: &dyn Fn(u64) -> String,
    ) -> Result<(), LogError> {
        if self.failed {
            return Err(LogError::Unknown);
        }
        self.failed = true;
        let path = self.folder.join(LOG);
        let writing = |error: io::Error| LogError::disk(&path, "writing", &error);
        flock(&self.file, FlockOperation::LockExclusive).map_err(|error| writing(error.into()))?;
        let torn = self.catch_up(identity.public())?;
        let cut = (torn > 0).then(|| cut(torn));
        let mut text = String::new();
        for body in cut.iter().chain(bodies) {
            let unwritable = |error| LogError::disk(&path, "writing", &error);
            let (line, after) = line(&self.head, at, body, identity).map_err(unwritable)?;
            text.push_str(&line);
            self.head = after;
        }
        let mut write = || -> io::Result<u64> {
            self.file.seek(SeekFrom::Start(self.len))?;
            self.file.write_all(text.as_bytes())?;
            let end = self.file.stream_position()?;
            if torn > 0 {
                self.file.set_len(end)?;
            }
            self.file.sync_all()?;
            Ok(end)
        };
        self.len = write().map_err(writing)?;
        keep_head(&self.folder, &self.head).map_err(writing)?;
        flock(&self.file, FlockOperation::Unlock).map_err(|error| writing(error.into()))?;
        self.failed = false;
        Ok(())
    }

    /// Reads what other programs of this machine added meanwhile; the bytes behind the last whole record.
    fn catch_up(&mut self, key: PublicKey) -> Result<u64, LogError> {
        let path = self.folder.join(LOG);
        let reading = |error: io::Error| LogError::disk(&path, "reading", &error);
        let there = self.file.metadata().map_err(reading)?.len();
        if there == self.len {
            return Ok(0);
        }
        let broken = |broken| LogError::Broken { path: path.display().to_string(), broken };
        if there < self.len {
            let number = self.head.number;
            return Err(broken(Broken { number, what: "it is missing: the log became shorter" }));
        }
        self.file.seek(SeekFrom::Start(self.len)).map_err(reading)?;
        let mut lines = Lines::new(BufReader::new(&self.file));
        let mut reader = Reader::after(key, self.head);
        while let Some(line) = lines.next().map_err(reading)? {
            reader.take(line).map_err(broken)?;
        }
        self.head = reader.finish().map_err(broken)?;
        self.len = self.len.saturating_add(lines.whole);
        Ok(there.saturating_sub(self.len))
    }
}

/// What reading a log through gave.
#[derive(Debug, Clone, Copy)]
pub struct Whole {
    /// Its head.
    pub head: Head,
    /// How many heads of the other side were compared.
    pub compared: u64,
    /// Bytes of its whole records.
    len: u64,
}

/// Reads a log through, holds it against its chain, the head that this machine kept and those of `kept`, and
/// shows every record. A last record without its end is passed over: it is being written, or was when the
/// program was killed.
///
/// # Errors
/// `Broken` with the first record that is not as it was written; `Disk`.
pub fn read(
    folder: &Path,
    key: PublicKey,
    kept: &mut Kept,
    show: &mut dyn FnMut(&Record<'_>),
) -> Result<Whole, LogError> {
    let path = folder.join(LOG);
    let broken = |broken| LogError::Broken { path: path.display().to_string(), broken };
    // A head that cannot be read says nothing; the other side's heads do.
    let own: Option<Head> =
        std::fs::read(folder.join(HEAD)).ok().and_then(|text| serde_json::from_slice(&text).ok());
    let mut own_kept = Kept::default();
    own.into_iter().try_for_each(|head| own_kept.add(head)).map_err(broken)?;
    let whole = pass(&path, Reader::new(key), &mut [kept, &mut own_kept], show);
    match whole {
        // The last signature stands for all; when it is wrong the first wrong one is looked for.
        Err(LogError::Broken { broken: found, .. }) => {
            let thorough = pass(&path, Reader::new(key).thorough(), &mut [], &mut |_| {});
            match thorough {
                Err(LogError::Broken { broken: first, .. }) if first.number < found.number => {
                    Err(broken(first))
                }
                _ => Err(broken(found)),
            }
        }
        whole => whole,
    }
}

fn pass(
    path: &Path,
    mut reader: Reader,
    kept: &mut [&mut Kept],
    show: &mut dyn FnMut(&Record<'_>),
) -> Result<Whole, LogError> {
    let broken = |broken| LogError::Broken { path: path.display().to_string(), broken };
    let reading = |error: io::Error| LogError::disk(path, "reading", &error);
    let file = File::open(path).map_err(reading)?;
    let mut lines = Lines::new(BufReader::with_capacity(LONGEST, file));
    kept.iter_mut().try_for_each(|kept| kept.pass(&reader.head())).map_err(broken)?;
    while let Some(line) = lines.next().map_err(reading)? {
        let record = reader.take(line).map_err(broken)?;
        kept.iter_mut().try_for_each(|kept| kept.pass(&reader.head())).map_err(broken)?;
        show(&record);
    }
    let head = reader.finish().map_err(broken)?;
    let compared =
        kept.iter().map(|kept| kept.finish(&head)).collect::<Result<Vec<u64>, _>>().map_err(broken)?;
    Ok(Whole { head, compared: compared.first().copied().unwrap_or(0), len: lines.whole })
}

/// The head as it is now, so that a log that loses its end is found out here too. Not synced: an older head
/// only says less.
fn keep_head(folder: &Path, head: &Head) -> io::Result<()> {
    let draft = folder.join("head.new");
    std::fs::write(&draft, serde_json::to_vec(head)?)?;
    std::fs::rename(&draft, folder.join(HEAD))
}

/// Whole lines of a file, none longer than a record may be.
struct Lines<R> {
    from: R,
    line: Vec<u8>,
    whole: u64,
}

impl<R: BufRead> Lines<R> {
    fn new(from: R) -> Self {
        Lines { from, line: Vec::new(), whole: 0 }
    }

    /// The next line without its end; none at the end of the file or before a line that has no end.
    fn next(&mut self) -> io::Result<Option<&[u8]>> {
        self.line.clear();
        let most = u64::try_from(LONGEST).unwrap_or(u64::MAX);
        let read = self.from.by_ref().take(most).read_until(b'\n', &mut self.line)?;
        if self.line.pop() != Some(b'\n') {
            // Too long for a record, it is one that was changed; the reader says which.
            let changed = u64::try_from(read).is_ok_and(|read| read == most);
            return Ok(changed.then_some(&self.line));
        }
        self.whole = self.whole.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        Ok(Some(&self.line))
    }
}

#[cfg(test)]
mod tests;
