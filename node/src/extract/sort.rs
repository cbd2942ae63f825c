//! Rows in any order in, the same rows in canonical order out, in bounded memory.
//!
//! Owns the chunks, their spilling into files of the draft's folder and the merge. Reading goes on while a
//! chunk is sorted and written by a second thread. It must not know what a row means: a row is a key (see
//! `key.rs`) and its line in the file, which only orders rows that are equal.

use super::error::ExtractError;
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

/// Bytes of keys in a chunk; three chunks are alive at most.
const CHUNK: usize = 24 << 20;
/// Files that are merged at once; more are brought to one first.
const MOST_RUNS: usize = 250;
const READ_BUFFER: usize = 64 << 10;
const WRITE_BUFFER: usize = 256 << 10;

/// Takes rows.
pub(super) struct Sorter {
    filling: Chunk,
    full: usize,
    folder: PathBuf,
    /// Absent once the rows are in or the worker failed.
    worker: Option<Worker>,
}

/// Where full chunks go, and the thread that sorts them.
type Worker = (SyncSender<Chunk>, JoinHandle<Result<Sorted, ExtractError>>);

/// Takes a key and its line.
pub(super) type Sink<'a> = &'a mut dyn FnMut(&[u8], u64) -> Result<(), ExtractError>;

impl Sorter {
    /// Spills into `folder`, which is the caller's to remove.
    pub(super) fn new(folder: &Path) -> Sorter {
        Sorter::with_chunks_of(folder, CHUNK)
    }

    fn with_chunks_of(folder: &Path, full: usize) -> Sorter {
        let (sender, receiver) = sync_channel(0);
        let place = folder.to_owned();
        let worker = std::thread::spawn(move || sort_chunks(&receiver, place));
        Sorter { filling: Chunk::default(), full, folder: folder.to_owned(), worker: Some((sender, worker)) }
    }

    /// Takes a row: `put` writes its key.
    pub(super) fn push(&mut self, line: u64, put: impl FnOnce(&mut Vec<u8>)) -> Result<(), ExtractError> {
        self.filling.push(line, put);
        if self.filling.bytes.len() >= self.full {
            let chunk = std::mem::take(&mut self.filling);
            let sent = self.worker.as_ref().is_some_and(|(sender, _)| sender.send(chunk).is_ok());
            if !sent {
                // The worker ended early: it says why.
                return self.end().map(drop);
            }
        }
        Ok(())
    }

    /// All rows are in.
    pub(super) fn finish(mut self) -> Result<Sorted, ExtractError> {
        let last = std::mem::take(&mut self.filling);
        if let Some((sender, _)) = &self.worker {
            let _ = sender.send(last);
        }
        self.end()
    }

    fn end(&mut self) -> Result<Sorted, ExtractError> {
        let stopped = || failed(&self.folder, "sorting the rows", io::Error::other("the thread ended"));
        let (sender, worker) = self.worker.take().ok_or_else(stopped)?;
        drop(sender);
        worker.join().map_err(|_| stopped())?
    }
}

impl Drop for Sorter {
    /// Its files are not written any more once this is gone.
    fn drop(&mut self) {
        let _ = self.end();
    }
}

fn failed(path: &Path, doing: &'static str, source: io::Error) -> ExtractError {
    ExtractError::Io { path: path.to_owned(), doing, source }
}

/// Rows in memory: their bytes, and where each starts.
#[derive(Default)]
struct Chunk {
    bytes: Vec<u8>,
    rows: Vec<Place>,
}

/// The first bytes of a key, to be compared without looking further, and where the whole row lies.
#[derive(Clone, Copy)]
struct Place {
    head: u64,
    start: u32,
    end: u32,
}

impl Chunk {
    fn push(&mut self, line: u64, put: impl FnOnce(&mut Vec<u8>)) {
        let start = self.bytes.len();
        put(&mut self.bytes);
        let key = self.bytes.get(start..).unwrap_or_default();
        // The first byte says that the code is a text, in every row.
        let head = key.iter().skip(1).chain(std::iter::repeat(&0)).take(8);
        let head = head.fold(0_u64, |head, byte| head << 8 | u64::from(*byte));
        // Big-endian, so that rows with equal keys are ordered by their line.
        self.bytes.extend_from_slice(&line.to_be_bytes());
        // A chunk is far below 4 GB.
        let place = |at: usize| u32::try_from(at).unwrap_or(u32::MAX);
        self.rows.push(Place { head, start: place(start), end: place(self.bytes.len()) });
    }

    fn row(&self, place: Place) -> &[u8] {
        let range = usize::try_from(place.start).unwrap_or(0)..usize::try_from(place.end).unwrap_or(0);
        self.bytes.get(range).unwrap_or_default()
    }

    fn sort(&mut self) {
        let mut rows = std::mem::take(&mut self.rows);
        rows.sort_unstable_by(|a, b| a.head.cmp(&b.head).then_with(|| self.row(*a).cmp(self.row(*b))));
        self.rows = rows;
    }
}

fn sort_chunks(chunks: &Receiver<Chunk>, folder: PathBuf) -> Result<Sorted, ExtractError> {
    let mut sorted = Sorted { folder, runs: Vec::new(), held: Chunk::default(), made: 0 };
    for mut chunk in chunks {
        let before = std::mem::take(&mut sorted.held);
        if !before.rows.is_empty() {
            sorted.spill(&before)?;
        }
        drop(before);
        chunk.sort();
        sorted.held = chunk;
    }
    Ok(sorted)
}

/// Sorted runs: files, and the last one in memory.
pub(super) struct Sorted {
    folder: PathBuf,
    runs: Vec<PathBuf>,
    held: Chunk,
    made: usize,
}

impl Sorted {
    fn spill(&mut self, chunk: &Chunk) -> Result<(), ExtractError> {
        if self.runs.len() >= MOST_RUNS {
            let runs = std::mem::take(&mut self.runs);
            self.write_run(|out| {
                merge(&runs, &Chunk::default(), &mut |row| write_row(out, row).map_err(Stop::Io))
                    .map_err(Stop::into_io)
            })?;
            for run in runs {
                std::fs::remove_file(&run)
                    .map_err(|source| failed(&run, "removing a sorted part", source))?;
            }
        }
        self.write_run(|out| chunk.rows.iter().try_for_each(|place| write_row(out, chunk.row(*place))))
    }

    fn write_run(
        &mut self,
        write: impl FnOnce(&mut BufWriter<File>) -> io::Result<()>,
    ) -> Result<(), ExtractError> {
        let path = self.folder.join(format!("run-{}", self.made));
        let written = File::create_new(&path).and_then(|file| {
            let mut out = BufWriter::with_capacity(WRITE_BUFFER, file);
            write(&mut out)?;
            out.flush()
        });
        written.map_err(|source| failed(&path, "writing a sorted part", source))?;
        self.made += 1;
        self.runs.push(path);
        Ok(())
    }

    /// Gives every row in order: its key and its line.
    pub(super) fn each(self, sink: Sink<'_>) -> Result<(), ExtractError> {
        let done = merge(&self.runs, &self.held, &mut |row| {
            let (key, line) = row.split_last_chunk::<8>().unwrap_or((row, &[0; 8]));
            sink(key, u64::from_be_bytes(*line)).map_err(Stop::Told)
        });
        done.map_err(|stop| match stop {
            Stop::Io(source) => failed(&self.folder, "reading a sorted part", source),
            Stop::Told(error) => error,
        })?;
        for run in &self.runs {
            std::fs::remove_file(run).map_err(|source| failed(run, "removing a sorted part", source))?;
        }
        Ok(())
    }
}

fn write_row(out: &mut impl Write, row: &[u8]) -> io::Result<()> {
    let length = u32::try_from(row.len()).map_err(|_| io::ErrorKind::InvalidData)?;
    out.write_all(&length.to_le_bytes())?;
    out.write_all(row)
}

/// Why a merge ended early.
enum Stop {
    Io(io::Error),
    Told(ExtractError),
}

impl Stop {
    fn into_io(self) -> io::Error {
        match self {
            Stop::Io(error) => error,
            Stop::Told(error) => io::Error::other(error.to_string()),
        }
    }
}

/// The next row of a run that is merged.
struct Head {
    row: Vec<u8>,
    rest: BufReader<File>,
}

impl Head {
    fn open(path: &Path) -> io::Result<Option<Head>> {
        let rest = BufReader::with_capacity(READ_BUFFER, File::open(path)?);
        let mut head = Head { row: Vec::new(), rest };
        Ok(head.advance()?.then_some(head))
    }

    /// False at the end.
    fn advance(&mut self) -> io::Result<bool> {
        let mut length = [0; 4];
        match self.rest.read_exact(&mut length) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            read => read?,
        }
        self.row.resize(usize::try_from(u32::from_le_bytes(length)).unwrap_or(0), 0);
        self.rest.read_exact(&mut self.row)?;
        Ok(true)
    }
}

impl Ord for Head {
    /// The heap gives its greatest: the least row.
    fn cmp(&self, other: &Head) -> Ordering {
        other.row.cmp(&self.row)
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Head) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Head) -> bool {
        self.row == other.row
    }
}

impl Eq for Head {}

/// Merges the files and the chunk, all sorted.
fn merge(
    runs: &[PathBuf],
    held: &Chunk,
    sink: &mut dyn FnMut(&[u8]) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let mut heads = BinaryHeap::new();
    for run in runs {
        heads.extend(Head::open(run).map_err(Stop::Io)?);
    }
    let mut held = held.rows.iter().map(|place| held.row(*place)).peekable();
    while let Some(mut least) = heads.peek_mut() {
        while let Some(row) = held.next_if(|row| *row < least.row.as_slice()) {
            sink(row)?;
        }
        sink(&least.row)?;
        if !least.advance().map_err(Stop::Io)? {
            PeekMut::pop(least);
        }
    }
    held.try_for_each(sink)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(folder: &Path, rows: &[(&str, u64)], chunk: usize) -> Vec<(String, u64)> {
        let mut sorter = Sorter::with_chunks_of(folder, chunk);
        for (key, line) in rows {
            sorter.push(*line, |bytes| bytes.extend_from_slice(key.as_bytes())).unwrap();
        }
        let mut seen = Vec::new();
        let finished = sorter.finish().unwrap();
        finished
            .each(&mut |key, line| {
                seen.push((String::from_utf8(key.to_vec()).unwrap(), line));
                Ok(())
            })
            .unwrap();
        seen
    }

    #[test]
    fn rows_come_out_in_order_however_many_parts_they_were_sorted_in() {
        let folder = tempfile::tempdir().unwrap();
        let mut state = 11_u64;
        let rows: Vec<(String, u64)> = (0..3_000)
            .map(|line| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                (format!("1{:0>12}", (state >> 40) % 500), line)
            })
            .collect();
        let given: Vec<(&str, u64)> = rows.iter().map(|(key, line)| (key.as_str(), *line)).collect();
        let mut expected = rows.clone();
        expected.sort();
        // In memory alone, in a few parts, and in more parts than are merged at once.
        for chunk in [1 << 20, 9_000, 180] {
            assert!(sorted(folder.path(), &given, chunk) == expected, "chunks of {chunk}");
            assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing stays behind");
        }
        assert!(rows.len() * 21 / 180 > MOST_RUNS, "the last chunks are too few to be merged twice");
        assert!(sorted(folder.path(), &[], 9).is_empty());
    }

    #[test]
    fn a_part_that_cannot_be_written_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let mut sorter = Sorter::with_chunks_of(&folder.path().join("not there"), 10);
        let mut push = || sorter.push(1, |bytes| bytes.extend_from_slice(b"1abcdefghijkl"));
        let told = (0..5).find_map(|_| push().err()).expect("the second part cannot be written");
        assert!(told.to_string().contains("writing a sorted part"), "{told}");
    }
}
