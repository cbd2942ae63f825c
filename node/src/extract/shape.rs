//! A record as a row: its header, its form, and whether it is a row of data at all.
//!
//! Owns the names of the columns, and the judgements that hold for every row whatever its columns mean. What
//! the cells mean is `row`'s.

use super::accounting::Rejected;
use super::cell::BadCell;
use super::dialect::Encoding;
use super::error::{ExtractError, on_one_line};
use super::records::Record;
use std::borrow::Cow;
use std::path::{Path, PathBuf};

const MAX_COLUMNS: usize = 2_000;
const SHOWN_VALUE: usize = 60;
/// In the place of a value of a patient's row.
pub(super) const NOT_SHOWN: &str = "(not shown)";
pub(super) const TOTALS: [&str; 6] =
    ["totaal", "subtotaal", "eindtotaal", "total", "subtotal", "grand total"];

/// A row that cannot be used, and its first cell that shows it.
pub(super) struct BadRow<'a> {
    column: Cow<'a, str>,
    value: Cow<'a, str>,
    bad: BadCell,
}

impl<'a> BadRow<'a> {
    pub(super) fn new(
        column: impl Into<Cow<'a, str>>,
        value: impl Into<Cow<'a, str>>,
        bad: BadCell,
    ) -> BadRow<'a> {
        BadRow { column: column.into(), value: value.into(), bad }
    }

    /// Without what stands in the row, which is about a patient.
    pub(super) fn unshown(self) -> BadRow<'a> {
        BadRow { value: NOT_SHOWN.into(), ..self }
    }

    pub(super) fn at(self, row: u64) -> Rejected {
        let BadRow { column, value, bad: BadCell { reason, remedy } } = self;
        let value: String = value.chars().take(SHOWN_VALUE).collect();
        Rejected {
            row,
            column: on_one_line(&column),
            value: on_one_line(&value),
            reason: reason.into(),
            remedy: remedy.into(),
        }
    }
}

pub(super) fn header_names(path: &Path, header: &Record) -> Result<Vec<String>, ExtractError> {
    let unfit = |reason: String, remedy: &str| ExtractError::Unfit {
        file: PathBuf::from(path),
        row: Some(header.row),
        reason,
        remedy: remedy.to_owned(),
    };
    if header.width() > MAX_COLUMNS {
        return Err(unfit(
            format!("a header of {} columns; expected at most {MAX_COLUMNS}", header.width()),
            "see whether this file is the extract, and whether the separator is right",
        ));
    }
    if header.open || header.stray {
        return Err(unfit(
            "a header with a quote that is not closed where its cell ends".to_owned(),
            "correct the quotes of the header",
        ));
    }
    Ok(header.cells().map(header_name).collect())
}

/// A name in a header; files that were joined have byte order marks inside.
pub(super) fn header_name(cell: &str) -> String {
    bare_name(cell).to_owned()
}

pub(super) fn bare_name(cell: &str) -> &str {
    cell.trim_start_matches('\u{feff}')
}

/// The place of the one column of this name.
pub(super) fn place(path: &Path, names: &[String], column: &str) -> Result<usize, ExtractError> {
    let mut places = names.iter().enumerate().filter(|(_, name)| *name == column);
    match (places.next(), places.count()) {
        (Some((place, _)), 0) => Ok(place),
        (first, more) => Err(ExtractError::Header {
            file: PathBuf::from(path),
            column: column.to_owned(),
            times: more + usize::from(first.is_some()),
            found: names.to_vec(),
        }),
    }
}

pub(super) fn whole<'a, T>(
    record: &'a Record,
    reason: impl Into<Cow<'static, str>>,
    remedy: &'static str,
) -> Result<T, BadRow<'a>> {
    let bad = BadCell { reason: reason.into(), remedy: remedy.into() };
    Err(BadRow::new("(whole row)", record.cell(0), bad))
}

/// Refuses a row of another width or with a line break in a cell. Either is what an unclosed quote looks
/// like, and behind it other rows would vanish.
pub(super) fn shape(record: &Record, width: usize) -> Result<(), BadRow<'_>> {
    if record.lines > 1 {
        let lines = record.lines;
        return whole(
            record,
            format!("a line break inside a cell, over {lines} lines: a quote that is not closed?"),
            "close the quote, and export without line breaks inside cells",
        );
    }
    if record.open || record.stray {
        let reason = if record.open { "a quote that is not closed" } else { "text behind a closing quote" };
        return whole(record, reason, "correct the quotes: one at each end of a cell, two for one inside");
    }
    if record.width() != width {
        let reason = format!("{} cells where the header has {width}", record.width());
        return whole(record, reason, "check quotes, and separators inside texts");
    }
    Ok(())
}

/// Refuses a row with a character that the encoding does not have, or that was lost before.
pub(super) fn characters<'a>(
    record: &'a Record,
    header: &'a [String],
    encoding: Encoding,
) -> Result<(), BadRow<'a>> {
    let one_byte = encoding == Encoding::Windows1252;
    // The first bytes of U+FFFD and of the controls that stand for the gaps of windows-1252.
    if !(record.holds(0xef) || one_byte && record.holds(0xc2)) {
        return Ok(());
    }
    let lost = |c: char| c == '\u{fffd}' || one_byte && ('\u{80}'..='\u{9f}').contains(&c);
    for (cell, name) in record.cells().zip(header) {
        if cell.contains(lost) {
            let bad = BadCell {
                reason: format!(
                    "a character that {} does not have, or that was lost before",
                    encoding.name()
                )
                .into(),
                remedy: "declare the encoding in which the file is written, or correct the cell".into(),
            };
            return Err(BadRow::new(name, cell.trim(), bad));
        }
    }
    Ok(())
}

/// Whether a text begins with a word for a total.
pub(super) fn is_total(text: &str) -> bool {
    let text = text.trim_start();
    // Every row comes here, and few begin so.
    if !text.starts_with(['t', 'T', 's', 'S', 'e', 'E', 'g', 'G']) {
        return false;
    }
    TOTALS.iter().any(|word| {
        let (start, rest) = match text.split_at_checked(word.len()) {
            Some(parts) => parts,
            None => return false,
        };
        start.eq_ignore_ascii_case(word) && !rest.starts_with(char::is_alphanumeric)
    })
}
