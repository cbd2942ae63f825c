//! A record of a file -> a normalised row, or why not.
//!
//! Owns the order of the judgements and what every column may hold. A row that cannot be read in
//! full is rejected with its place and reason; it is never guessed, skipped in silence or half used.

use super::accounting::Accounting;
use super::cell::{self, BadCell, bad};
use super::config::{ExtractConfig, LevelSource, UnitSource, usual_kind};
use super::date;
use super::error::ExtractError;
use super::records::Record;
use super::shape::{BadRow, bare_name, characters, header_names, is_total, place, shape, whole};
use super::source::{Field, NormalRow};
use super::units::{Level, UnitTable};
use samensom_protocol::query::{Column, ColumnType, Counts, Date, Unit};
use std::path::Path;

pub(super) const MAX_TEXT: usize = 64;
/// Nobody is older, in whole years.
pub(super) const MAX_AGE: i64 = 130;
const ONE: i64 = 1_000_000;

/// Where a canonical column comes from.
enum Origin {
    /// The file's column of this place.
    File(usize),
    /// The same in every row; the unit when it is one.
    Fixed(&'static str, Option<Unit>),
    /// From the unit table, once the row is read.
    Table,
    /// Not there.
    Nowhere,
}

/// The reading of one file.
pub(super) struct Reading<'a> {
    accounting: Accounting,
    rules: Rules<'a>,
}

/// How its rows are judged.
struct Rules<'a> {
    config: &'a ExtractConfig,
    header: Vec<String>,
    origins: Vec<(Column, Origin)>,
    table: Option<(UnitTable, Result<Level, usize>)>,
    objection: Option<usize>,
    code: usize,
}

/// What a row gives when it can be used.
struct Made {
    fields: Vec<Field>,
    unit: Option<Unit>,
    day: Option<Date>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(
        config: &'a ExtractConfig,
        path: &Path,
        header: &Record,
        table: Option<UnitTable>,
    ) -> Result<Reading<'a>, ExtractError> {
        let names = header_names(path, header)?;
        let place = |column: &str| place(path, &names, column).map_err(|why| unnamed(config, why));
        let table = match (table, &config.unit) {
            (Some(table), UnitSource::Table { level: LevelSource::Every(level), .. }) => {
                Some((table, Ok(*level)))
            }
            (Some(table), UnitSource::Table { level: LevelSource::Column(theirs), .. }) => {
                Some((table, Err(place(theirs)?)))
            }
            _ => None,
        };
        let mut origins = Vec::new();
        for column in config.dataset.columns() {
            let origin = match (column, config.columns.get(column), &config.unit) {
                (Column::Unit, _, UnitSource::Every(unit)) => Origin::Fixed(unit.name(), Some(*unit)),
                (Column::Unit, _, UnitSource::Column(theirs)) => Origin::File(place(theirs)?),
                (Column::Unit, _, UnitSource::Table { .. }) => Origin::Table,
                (_, Some(theirs), _) => Origin::File(place(theirs)?),
                (Column::Kind, None, _) => Origin::Fixed(usual_kind(), None),
                (_, None, _) => Origin::Nowhere,
            };
            origins.push((*column, origin));
        }
        let objection = config.objection.as_ref().map(|objection| place(&objection.column)).transpose()?;
        let code = config.columns.get(&Column::Code).map_or(Ok(0), |theirs| place(theirs))?;
        let accounting = Accounting::new(config.dataset, path.display().to_string());
        Ok(Reading { accounting, rules: Rules { config, header: names, origins, table, objection, code } })
    }

    pub(super) fn finish(self) -> Accounting {
        self.accounting
    }

    /// Counts the record, and makes a row of it when all of it can be read.
    pub(super) fn take(&mut self, record: &Record) -> Option<NormalRow> {
        let row = record.row;
        match self.rules.judge(record) {
            Ok(Some(Made { fields, unit, day })) => {
                self.accounting.count_used(row, unit, day);
                Some(NormalRow { row, fields })
            }
            Ok(None) => {
                self.accounting.count_objected();
                None
            }
            Err(bad) => {
                let patients = self.rules.config.dataset.has_patients();
                let bad = if patients { bad.unshown() } else { bad };
                self.accounting.count_rejected(record.lines, || bad.at(row));
                None
            }
        }
    }
}

impl Rules<'_> {
    /// The row; none where somebody objects to its use.
    fn judge<'r>(&'r self, record: &'r Record) -> Result<Option<Made>, BadRow<'r>> {
        shape(record, self.header.len())?;
        if record.cells().zip(&self.header).all(|(cell, name)| bare_name(cell) == name) {
            return whole(
                record,
                "the header again",
                "export one table, or join files without their headers",
            );
        }
        if self.is_objected(record)? {
            return Ok(None);
        }
        characters(record, &self.header, self.config.encoding)?;
        for place in [self.code, 0] {
            if is_total(record.cell(place)) {
                let (reason, remedy) = ("a total row", "export without totals, or it counts twice");
                let bad = BadCell { reason: reason.into(), remedy: remedy.into() };
                return Err(BadRow::new(self.name(place), record.cell(place).trim(), bad));
            }
        }
        self.make(record).map(Some)
    }

    fn name(&self, place: usize) -> &str {
        self.header.get(place).map_or("", String::as_str)
    }

    fn is_objected<'r>(&'r self, record: &'r Record) -> Result<bool, BadRow<'r>> {
        let (Some(place), Some(objection)) = (self.objection, &self.config.objection) else {
            return Ok(false);
        };
        let text = record.cell(place).trim();
        let says = |texts: &[String]| texts.iter().any(|one| one == text);
        if says(&objection.yes) || says(&objection.no) {
            return Ok(says(&objection.yes));
        }
        let bad = BadCell {
            reason: "neither an objection nor none".into(),
            remedy: "add the text to `yes` or `no` of `objection`, or correct the row".into(),
        };
        Err(BadRow::new(&objection.column, text, bad))
    }

    fn make<'r>(&'r self, record: &'r Record) -> Result<Made, BadRow<'r>> {
        let mut made = Made { fields: Vec::with_capacity(self.origins.len()), unit: None, day: None };
        for (column, origin) in &self.origins {
            let field = match origin {
                // The unit table's comes once the row's day and quantities are known.
                Origin::Nowhere | Origin::Table => Field::Absent,
                Origin::Fixed(text, of_unit) => {
                    made.unit = of_unit.or(made.unit);
                    Field::Text((*text).to_owned())
                }
                Origin::File(place) => {
                    let (text, name) = (record.cell(*place).trim(), self.name(*place));
                    let field = self.field(*column, text, &mut made);
                    field.map_err(|bad| BadRow::new(name, text, bad))?
                }
            };
            made.fields.push(field);
        }
        if let Some((table, level)) = &self.table {
            self.convert(record, table, *level, &mut made)?;
        }
        Ok(made)
    }

    /// Unit and converted quantities, by the unit table.
    fn convert<'r>(
        &'r self,
        record: &'r Record,
        table: &UnitTable,
        level: Result<Level, usize>,
        made: &mut Made,
    ) -> Result<(), BadRow<'r>> {
        let level = level.or_else(|place| {
            let text = record.cell(place).trim();
            let told = |why: String| BadRow::new(self.name(place), text, self.problem("level", &why));
            self.config.values.level(text).map_err(told)
        })?;
        let code = record.cell(self.code).trim();
        let (unit, factor) =
            table.find(code, level, made.day).map_err(|bad| BadRow::new(self.name(self.code), code, bad))?;
        made.unit = Some(unit);
        for ((column, _), field) in self.origins.iter().zip(&mut made.fields) {
            match field {
                Field::Quantity(size) if column.counts() == Some(Counts::Unit) => {
                    let theirs = self.config.columns.get(column).map_or("", String::as_str);
                    let value = || format!("{} x factor {}", shown(*size), shown(factor));
                    let product = cell::product(*size, factor);
                    *size = product.map_err(|bad| BadRow::new(theirs, value(), bad))?;
                }
                field if *column == Column::Unit => *field = Field::Text(unit.name().to_owned()),
                _ => {}
            }
        }
        Ok(())
    }

    fn field(&self, column: Column, text: &str, made: &mut Made) -> Result<Field, BadCell> {
        let dataset = self.config.dataset;
        if text.is_empty() && dataset.may_be_absent(column) && dataset.day() != Some(column) {
            return Ok(Field::Absent);
        }
        match column.column_type() {
            ColumnType::Number => self.number(column, text).map(Field::Quantity),
            ColumnType::Date => {
                let date = self.config.date.read(text, self.config.decimal)?;
                if column == Column::Period && !date.is_first_of_month() {
                    return bad(
                        "not the first day of a month",
                        "export use per month, dated on its first day",
                    );
                }
                if dataset.day() == Some(column) {
                    made.day = Some(date);
                }
                Ok(Field::Text(date::iso(date)))
            }
            ColumnType::Text => {
                let values = &self.config.values;
                let closed = match column {
                    Column::Kind => values.kind(text),
                    Column::Unit => values.unit(text).map(|known| {
                        made.unit = Some(known);
                        known.name()
                    }),
                    _ => return self.free_text(column, text),
                };
                match closed {
                    Ok(word) => Ok(Field::Text(word.to_owned())),
                    Err(_) if text.is_empty() => Err(empty(column)),
                    Err(why) => Err(self.problem(column.name(), &why)),
                }
            }
        }
    }

    fn number(&self, column: Column, text: &str) -> Result<i64, BadCell> {
        if text.is_empty() && column != Column::Quantity {
            return Err(empty(column));
        }
        let size = cell::quantity(text, self.config.marks())?;
        if column.counts() == Some(Counts::Years) && !(size % ONE == 0 && (0..=MAX_AGE * ONE).contains(&size))
        {
            return bad(
                format!("not an age of 0 to {MAX_AGE} whole years"),
                "export the age in whole years on the day of the row",
            );
        }
        Ok(size)
    }

    /// What is wrong with a word of a closed list. In a row about a patient no cell is repeated.
    fn problem(&self, what: &str, why: &str) -> BadCell {
        if !self.config.dataset.has_patients() {
            return problem(why);
        }
        BadCell {
            reason: format!("a word for the {what} that is in no list").into(),
            remedy: format!("add it to [extract.values.{what}], or correct the row").into(),
        }
    }

    fn free_text(&self, column: Column, text: &str) -> Result<Field, BadCell> {
        if text.is_empty() {
            return Err(empty(column));
        }
        match self.config.values.word(column, text) {
            Some("") => return Ok(Field::Absent),
            Some(ours) => return Ok(Field::Text(ours.to_owned())),
            None => {}
        }
        if !is_plain(text) {
            return bad(
                format!("longer than {MAX_TEXT} bytes, or with control characters"),
                "check that this is the right column",
            );
        }
        if column == Column::Code {
            self.config.code_kind.accept(text)?;
        }
        Ok(Field::Text(text.to_owned()))
    }
}

/// A file about patients that has no header would show a patient as one.
fn unnamed(config: &ExtractConfig, error: ExtractError) -> ExtractError {
    match error {
        ExtractError::Header { file, column, times, .. } if config.dataset.has_patients() => {
            ExtractError::Header { file, column, times, found: Vec::new() }
        }
        other => other,
    }
}

/// Whether a text may stand in a column of texts.
pub(super) fn is_plain(text: &str) -> bool {
    text.len() <= MAX_TEXT && !has_controls(text)
}

fn has_controls(text: &str) -> bool {
    if text.is_ascii() {
        text.bytes().any(|byte| byte.is_ascii_control())
    } else {
        text.chars().any(char::is_control)
    }
}

fn empty(column: Column) -> BadCell {
    BadCell {
        reason: format!("the {} is empty", column.name()).into(),
        remedy: "fill it in or leave the row out".into(),
    }
}

/// `what; what was expected` as reason and remedy.
pub(super) fn problem(text: &str) -> BadCell {
    let (reason, remedy) = text.split_once("; ").unwrap_or((text, "correct the cell"));
    BadCell { reason: reason.to_owned().into(), remedy: remedy.to_owned().into() }
}

/// A number of 10^-6 as people write it.
fn shown(size: i64) -> String {
    let decimal = samensom_protocol::query::Decimal::new(i128::from(size), cell::SCALE);
    decimal.map(|decimal| decimal.to_string()).unwrap_or_default()
}
