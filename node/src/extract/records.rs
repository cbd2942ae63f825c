//! Text -> records of cells, with the lines they stand on.
//!
//! Owns what a separator, a quote and a line end (LF, CRLF or CR) are, and the limits that bound the memory
//! of a reading. It knows no columns. Nothing is repaired: what a quote does wrong is told with the record.

use super::cell::BadCell;
use super::dialect::{Encoding, Text};
use std::borrow::Cow;
use std::io::{self, Read};

/// Most bytes of one record; a quote that is never closed ends here.
const MAX_RECORD: u64 = 1024 * 1024;
const PIECE: usize = 16 * 1024;

/// Why a file cannot be read on.
pub(super) enum Stop {
    Io(io::Error),
    /// What is wrong with the file, and in which row.
    Unfit {
        row: Option<u64>,
        bad: Box<BadCell>,
    },
}

impl Stop {
    pub(super) fn unfit(
        row: Option<u64>,
        reason: impl Into<Cow<'static, str>>,
        remedy: impl Into<Cow<'static, str>>,
    ) -> Stop {
        Stop::Unfit { row, bad: Box::new(BadCell { reason: reason.into(), remedy: remedy.into() }) }
    }
}

/// One record: a row of cells, on one line or, by quotes, on several.
#[derive(Default)]
pub(super) struct Record {
    /// Its first line in the file.
    pub(super) row: u64,
    /// How many lines it covers.
    pub(super) lines: u64,
    /// Whether something stands between a closing quote and the next separator.
    pub(super) stray: bool,
    /// Whether the file ended inside a quote.
    pub(super) open: bool,
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Record {
    pub(super) fn width(&self) -> usize {
        self.ends.len()
    }

    /// The cell at a place; empty where there is none.
    pub(super) fn cell(&self, place: usize) -> &str {
        let start = place.checked_sub(1).map_or(Some(0), |before| self.ends.get(before).copied());
        let bytes = start.zip(self.ends.get(place)).and_then(|(start, end)| self.bytes.get(start..*end));
        // The decoder gives whole characters, and cells end at ASCII ones.
        std::str::from_utf8(bytes.unwrap_or_default()).unwrap_or("\u{fffd}")
    }

    pub(super) fn cells(&self) -> impl Iterator<Item = &str> {
        (0..self.width()).map(|place| self.cell(place))
    }

    /// Whether a byte stands anywhere in its cells.
    pub(super) fn holds(&self, byte: u8) -> bool {
        self.bytes.contains(&byte)
    }

    fn clear(&mut self, row: u64) {
        self.bytes.clear();
        self.ends.clear();
        (self.row, self.lines, self.stray, self.open) = (row, 1, false, false);
    }

    fn end_cell(&mut self) {
        self.ends.push(self.bytes.len());
    }
}

/// The records of a file, one after the other.
pub(super) struct Records<'a> {
    text: Text<'a>,
    separator: u8,
    piece: Vec<u8>,
    at: usize,
    end: usize,
    /// Bytes of text before the piece.
    before: u64,
    /// The line that comes next.
    line: u64,
    /// The last byte was a CR: an LF behind it ends no other line.
    after_cr: bool,
    /// The last record ended with the file and not with its line.
    cut: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Start,
    Bare,
    Quoted,
    /// Behind a quote inside quotes: closed, or the first of two.
    Closing,
}

impl<'a> Records<'a> {
    pub(super) fn open(
        source: &'a mut dyn Read,
        encoding: Encoding,
        separator: u8,
    ) -> Result<Records<'a>, Stop> {
        let text = Text::open(source, encoding)?;
        let piece = vec![0; PIECE];
        Ok(Records { text, separator, piece, at: 0, end: 0, before: 0, line: 1, after_cr: false, cut: false })
    }

    /// Whether the file ended without a line end behind its last record.
    pub(super) fn cut(&self) -> bool {
        self.cut
    }

    /// Reads the next record that is no blank line; false at the end of the file.
    pub(super) fn read(&mut self, record: &mut Record) -> Result<bool, Stop> {
        let Some(start) = self.skip_blank_lines(record)? else { return Ok(false) };
        let mut place = Place::Start;
        loop {
            if self.rest().is_empty() && !self.refill(start, record.row)? {
                record.open = place == Place::Quoted;
                // Inside an open quote the file's last line end looks like a part of the cell.
                let ended = record.open && matches!(record.bytes.last(), Some(b'\n' | b'\r'));
                record.lines -= u64::from(ended);
                record.end_cell();
                self.cut = !ended;
                return Ok(true);
            }
            let separator = self.separator;
            let rest = self.piece.get(self.at..self.end).unwrap_or_default();
            let run = match place {
                Place::Quoted => rest.iter().position(|byte| matches!(byte, b'"' | b'\n' | b'\r' | 0)),
                Place::Closing => Some(0),
                _ if place == Place::Start && rest.first() == Some(&b'"') => {
                    self.at += 1;
                    place = Place::Quoted;
                    continue;
                }
                _ => rest.iter().position(|byte| *byte == separator || matches!(byte, b'\n' | b'\r' | 0)),
            };
            let plain = rest.get(..run.unwrap_or(rest.len())).unwrap_or_default();
            record.bytes.extend_from_slice(plain);
            if !plain.is_empty() {
                self.after_cr = false;
                place = if place == Place::Quoted { place } else { Place::Bare };
            }
            self.at += plain.len();
            let Some(byte) = run.and_then(|_| self.piece.get(self.at).copied()) else { continue };
            if byte == 0 {
                return Err(nul(self.line));
            }
            if self.special(record, &mut place, byte) {
                self.refuse_too_long(start, record.row)?;
                return Ok(true);
            }
        }
    }

    /// Takes a byte that means something where it stands; true when the record ends with it.
    fn special(&mut self, record: &mut Record, place: &mut Place, byte: u8) -> bool {
        match (*place, byte) {
            (Place::Quoted, b'"') => *place = Place::Closing,
            (Place::Quoted, _) => {
                record.lines += u64::from(self.line_end(byte));
                record.bytes.push(byte);
                self.at += 1;
                return false;
            }
            (Place::Closing, b'"') => {
                record.bytes.push(byte);
                *place = Place::Quoted;
            }
            (_, byte) if byte == self.separator => {
                record.end_cell();
                *place = Place::Start;
            }
            (_, b'\n' | b'\r') => {
                self.line_end(byte);
                self.at += 1;
                record.end_cell();
                return true;
            }
            // Only behind a closing quote: a bare cell's own bytes were taken before.
            _ => {
                record.stray = true;
                *place = Place::Bare;
                return false;
            }
        }
        self.after_cr = false;
        self.at += 1;
        false
    }

    /// Counts a line end; an LF behind a CR is a part of it.
    fn line_end(&mut self, byte: u8) -> bool {
        let counts = !(byte == b'\n' && self.after_cr);
        self.line += u64::from(counts);
        self.after_cr = byte == b'\r';
        counts
    }

    /// Where the next record starts, in bytes of text; none at the end of the file.
    fn skip_blank_lines(&mut self, record: &mut Record) -> Result<Option<u64>, Stop> {
        loop {
            match self.rest().first() {
                Some(byte @ (b'\n' | b'\r')) => {
                    let byte = *byte;
                    self.line_end(byte);
                    self.at += 1;
                }
                Some(_) => {
                    self.after_cr = false;
                    record.clear(self.line);
                    return Ok(Some(self.position()));
                }
                None => {
                    let here = self.position();
                    if !self.refill(here, self.line)? {
                        return Ok(None);
                    }
                }
            }
        }
    }

    fn rest(&self) -> &[u8] {
        self.piece.get(self.at..self.end).unwrap_or_default()
    }

    fn position(&self) -> u64 {
        self.before + u64::try_from(self.at).unwrap_or(u64::MAX)
    }

    /// The next piece of text; false at the end.
    fn refill(&mut self, start: u64, row: u64) -> Result<bool, Stop> {
        self.refuse_too_long(start, row)?;
        self.before = self.position();
        self.at = 0;
        self.end = self.text.fill(&mut self.piece).map_err(Stop::Io)?;
        Ok(self.end > 0)
    }

    fn refuse_too_long(&self, start: u64, row: u64) -> Result<(), Stop> {
        if self.position() - start <= MAX_RECORD {
            return Ok(());
        }
        Err(Stop::unfit(
            Some(row),
            format!("longer than {MAX_RECORD} bytes: a quote that is not closed?"),
            "close the quote; see whether this file is the extract",
        ))
    }
}

fn nul(row: u64) -> Stop {
    Stop::unfit(
        Some(row),
        "a NUL byte, which no text holds",
        "declare encoding = \"utf-16le\" or \"utf-16be\" if the file is UTF-16; else export it again, it is damaged",
    )
}
