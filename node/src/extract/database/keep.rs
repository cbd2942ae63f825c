//! The file in which a result is kept, row by row, while it comes.
//!
//! Owns the limits on a result (rows, time, a program that stops) and the file: new, readable by this account
//! alone, in the draft's folder. A row is passed on as it comes: none is looked at, or kept in memory.

use super::{Fault, Wanted};
use crate::extract::child::Stop;
use crate::extract::draft::private_file;
use crate::extract::error::ExtractError;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::pin::pin;
use std::time::Duration;
use tokio::time::{Instant, interval};

/// How often it is looked whether the rows are still wanted.
const LOOK: Duration = Duration::from_millis(50);
/// How much longer than its own time-out a server may be silent.
const GRACE: Duration = Duration::from_secs(15);
const BUFFER: usize = 1 << 20;

/// An open file, and the rows that may still come.
pub(super) struct Keeping<'a> {
    wanted: &'a Wanted<'a>,
    kept: &'a Path,
    file: BufWriter<File>,
    left: u64,
}

impl<'a> Keeping<'a> {
    /// For a header and the rows behind it.
    pub(super) fn open(wanted: &'a Wanted<'a>, kept: &'a Path) -> Result<Keeping<'a>, ExtractError> {
        let file = private_file(kept).map_err(|source| failed(kept, source))?;
        let left = wanted.database.max_rows.saturating_add(1);
        Ok(Keeping { wanted, kept, file: BufWriter::with_capacity(BUFFER, file), left })
    }

    /// One whole row, with its line end.
    pub(super) fn row(&mut self, row: &[u8]) -> Result<(), ExtractError> {
        self.left = self.left.checked_sub(1).ok_or_else(|| too_many(self.wanted))?;
        self.file.write_all(row).map_err(|source| failed(self.kept, source))
    }

    pub(super) fn end(mut self) -> Result<(), ExtractError> {
        self.file.flush().map_err(|source| failed(self.kept, source))
    }
}

/// Of a result that has more rows than it may.
pub(super) fn too_many(wanted: &Wanted<'_>) -> Fault {
    let most = wanted.database.max_rows;
    let what = format!("more than {most} rows, the most that max_rows allows");
    let todo = "see whether the SELECT is right, or declare a higher max_rows";
    Fault::new(wanted.select.path(), what, todo)
}

/// Keeping what the server gave failed.
pub(super) fn failed(kept: &Path, source: io::Error) -> ExtractError {
    ExtractError::Io { path: kept.to_owned(), doing: "keeping the result of the SELECT", source }
}

/// When even a server that says nothing is given up.
pub(super) fn until(wanted: &Wanted<'_>) -> Instant {
    Instant::now() + wanted.database.timeout + GRACE
}

/// Ends with the work, with the program or with the time, whichever comes first.
pub(super) async fn guarded<T>(
    stop: &Stop,
    until: Instant,
    wanted: &Wanted<'_>,
    work: impl Future<Output = Result<T, ExtractError>>,
) -> Result<T, ExtractError> {
    let mut work = pin!(work);
    let mut look = interval(LOOK);
    loop {
        tokio::select! {
            done = &mut work => return done,
            _ = look.tick() => {
                if stop.is_set() {
                    let what = "the SELECT was stopped, with the program";
                    return Err(Fault::new(wanted.select.path(), what, "nothing is to be done").into());
                }
                if Instant::now() >= until {
                    let seconds = wanted.database.timeout.as_secs();
                    let what = format!("the server gave no end within {seconds} s, and none by itself");
                    return Err(Fault::new(wanted.select.path(), what, "see whether the server hangs").into());
                }
            }
        }
    }
}
