//! A CSV file in its declared dialect -> normalised rows, one at a time.
//!
//! Owns the header, the reading of rows and their accounting. A row that cannot be read in full is
//! rejected with its place and reason; it is never guessed, skipped in silence or half used.

use super::accounting::{Accounting, Rejected, SHOWN, UnitSeen};
use super::cell::{self, BadCell, bad};
use super::config::{ExtractConfig, UnitSource, is_required};
use super::error::ExtractError;
use csv::ByteRecord;
use samensom_protocol::query::{Column, ColumnType, Date, KINDS, Unit, nearest};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

const MAX_TEXT: usize = 64;
const SHOWN_VALUE: usize = 60;

/// One row as it is frozen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NormalRow {
    /// Line in the file.
    pub(super) row: u64,
    /// Values in the order of the data set's columns.
    pub(super) fields: Vec<Field>,
}

/// One normalised value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Field {
    Absent,
    Text(String),
    /// Whole numbers of 10^-6.
    Quantity(i64),
}

/// Where a canonical column comes from.
enum Origin {
    /// The file's column of this place and name.
    File(usize, String),
    /// The same in every row.
    Fixed(&'static str),
    /// Not there.
    Nowhere,
}

struct Reading {
    accounting: Accounting,
    origins: Vec<(Column, Origin)>,
    width: usize,
    decimal: char,
    date: String,
}

/// Reads the whole file once and gives every usable row to `sink`.
pub(super) fn read(
    config: &ExtractConfig,
    base_dir: &Path,
    sink: &mut dyn FnMut(NormalRow) -> Result<(), ExtractError>,
) -> Result<Accounting, ExtractError> {
    let path = base_dir.join(&config.file);
    let io_error = |doing, source| ExtractError::Io { path: path.clone(), doing, source };
    let file = File::open(&path).map_err(|source| io_error("opening the extract", source))?;
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(config.separator)
        .flexible(true)
        .has_headers(true)
        .from_reader(file);
    let csv_error = |error: csv::Error| io_error("reading the extract", io::Error::other(error));
    let header = reader.byte_headers().map_err(csv_error)?.clone();
    let mut reading = Reading::new(config, &path, &header)?;
    let mut record = ByteRecord::new();
    let mut number = 1_u64;
    while reader.read_byte_record(&mut record).map_err(csv_error)? {
        number += 1;
        // csv counts line feeds; in a file with bare carriage returns the records are the lines.
        let row = record.position().map_or(number, |position| position.line().max(number));
        if let Some(normal) = reading.take(&record, row) {
            sink(normal)?;
        }
    }
    Ok(reading.accounting)
}

impl Reading {
    fn new(config: &ExtractConfig, path: &Path, header: &ByteRecord) -> Result<Reading, ExtractError> {
        let names: Vec<String> = header
            .iter()
            .map(|name| String::from_utf8_lossy(name).trim_start_matches('\u{feff}').to_owned())
            .collect();
        let place = |column: &str| {
            let mut places = names.iter().enumerate().filter(|(_, name)| *name == column);
            match (places.next(), places.count()) {
                (Some((place, _)), 0) => Ok(Origin::File(place, column.to_owned())),
                (first, more) => Err(ExtractError::Header {
                    file: PathBuf::from(path),
                    column: column.to_owned(),
                    times: more + usize::from(first.is_some()),
                    found: names.clone(),
                }),
            }
        };
        let mut origins = Vec::new();
        for column in config.dataset.columns() {
            let origin = match (column, config.columns.get(column), &config.unit) {
                (Column::Unit, _, UnitSource::Every(unit)) => Origin::Fixed(unit.name()),
                (Column::Unit, _, UnitSource::Column(theirs)) => place(theirs)?,
                (_, Some(theirs), _) => place(theirs)?,
                (Column::Kind, None, _) => Origin::Fixed(KINDS[0]),
                (_, None, _) => Origin::Nowhere,
            };
            origins.push((*column, origin));
        }
        let accounting = Accounting {
            dataset: config.dataset,
            file: path.display().to_string(),
            total: 0,
            used: 0,
            rejected: 0,
            units: Vec::new(),
            newest: None,
            first_rejected: Vec::new(),
        };
        Ok(Reading {
            accounting,
            origins,
            width: names.len(),
            decimal: config.decimal,
            date: config.date.clone(),
        })
    }

    /// Counts the record, and makes a row of it when all of it can be read.
    fn take(&mut self, record: &ByteRecord, row: u64) -> Option<NormalRow> {
        self.accounting.total += 1;
        match self.normalise(record) {
            Ok((fields, unit, date)) => {
                self.accounting.used += 1;
                self.accounting.newest = self.accounting.newest.max(date);
                self.count_unit(unit, row);
                Some(NormalRow { row, fields })
            }
            Err((column, value, BadCell { reason, remedy })) => {
                self.accounting.rejected += 1;
                if self.accounting.first_rejected.len() < SHOWN {
                    let value = value.chars().take(SHOWN_VALUE).collect();
                    self.accounting.first_rejected.push(Rejected { row, column, value, reason, remedy });
                }
                None
            }
        }
    }

    fn count_unit(&mut self, unit: Unit, row: u64) {
        match self.accounting.units.iter_mut().find(|seen| seen.unit == unit) {
            Some(seen) => seen.rows += 1,
            None => self.accounting.units.push(UnitSeen { unit, rows: 1, first_row: row }),
        }
    }

    #[expect(clippy::type_complexity, reason = "column and value of the first bad cell")]
    fn normalise(
        &self,
        record: &ByteRecord,
    ) -> Result<(Vec<Field>, Unit, Option<Date>), (String, String, BadCell)> {
        whole_row(record, self.width)?;
        let (mut fields, mut unit, mut newest) = (Vec::new(), None, None);
        for (column, origin) in &self.origins {
            let (bytes, name) = match origin {
                Origin::Nowhere => {
                    fields.push(Field::Absent);
                    continue;
                }
                Origin::Fixed(text) => (text.as_bytes(), column.name()),
                Origin::File(place, name) => (record.get(*place).unwrap_or(b""), name.as_str()),
            };
            let fault = |text: &str, bad| (name.to_owned(), text.to_owned(), bad);
            let text = std::str::from_utf8(bytes).map_err(|_| {
                let (reason, remedy) = ("not UTF-8".to_owned(), "export the file as UTF-8".to_owned());
                fault(&String::from_utf8_lossy(bytes), BadCell { reason, remedy })
            })?;
            let text = text.trim();
            let field = self.field(*column, text).map_err(|bad| fault(text, bad))?;
            if *column == Column::Unit {
                unit = Unit::parse(text);
            }
            if matches!(column, Column::AsOf | Column::Period) {
                newest = cell::date(text, &self.date).ok();
            }
            fields.push(field);
        }
        match unit {
            Some(unit) => Ok((fields, unit, newest)),
            // Every data set has a unit column, and `field` refuses an unknown one.
            None => Err((
                "unit".to_owned(),
                String::new(),
                BadCell {
                    reason: "no unit".to_owned(),
                    remedy: "declare `unit` or `unit_column`".to_owned(),
                },
            )),
        }
    }

    fn field(&self, column: Column, text: &str) -> Result<Field, BadCell> {
        let optional =
            !is_required(column) && matches!(column, Column::Expiry | Column::Location | Column::Owner);
        if text.is_empty() && optional {
            return Ok(Field::Absent);
        }
        match column.column_type() {
            ColumnType::Number => cell::quantity(text, self.decimal).map(Field::Quantity),
            ColumnType::Date => {
                let date = cell::date(text, &self.date)?;
                if column == Column::Period && !date.is_first_of_month() {
                    return bad(
                        "not the first day of a month",
                        "export use per month, dated on its first day",
                    );
                }
                Ok(Field::Text(date.to_string()))
            }
            ColumnType::Text => {
                if text.is_empty() {
                    return bad(format!("the {} is empty", column.name()), "fill it in or leave the row out");
                }
                if text.len() > MAX_TEXT || text.chars().any(char::is_control) {
                    return bad(
                        format!("longer than {MAX_TEXT} bytes, or with control characters"),
                        "check that this is the right column",
                    );
                }
                if let Some(values) = column.closed_values().filter(|values| !values.contains(&text)) {
                    let near = nearest(text, values.iter().copied());
                    let near = near.map(|near| format!("; did you mean `{near}`?")).unwrap_or_default();
                    return bad(
                        format!("unknown {}", column.name()),
                        format!("expected one of {}{near}", values.join(", ")),
                    );
                }
                Ok(Field::Text(text.to_owned()))
            }
        }
    }
}

/// Refuses a row of another width or with a line break in a cell. Either is what an unclosed quote looks
/// like, and behind it other rows would vanish.
fn whole_row(record: &ByteRecord, width: usize) -> Result<(), (String, String, BadCell)> {
    let (reason, remedy) = if record.iter().any(|cell| cell.contains(&b'\n') || cell.contains(&b'\r')) {
        (
            "a line break inside a cell: a quote that is not closed?".to_owned(),
            "close the quote, and export without line breaks inside cells",
        )
    } else if record.len() != width {
        (
            format!("{} cells where the header has {width}", record.len()),
            "check quotes, and separators inside texts",
        )
    } else {
        return Ok(());
    };
    let shown = String::from_utf8_lossy(record.get(0).unwrap_or(b"")).into_owned();
    Err(("(whole row)".to_owned(), shown, BadCell { reason, remedy: remedy.to_owned() }))
}
