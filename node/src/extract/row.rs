//! A record of a file -> a normalised row, or why not.
//!
//! Owns the order of the judgements and what every column may hold. A row that cannot be read in
//! full is rejected with its place and reason; it is never guessed, skipped in silence or half used.

use super::accounting::Accounting;
use super::cell::{self, BadCell, bad};
use super::config::{ExtractConfig, LevelSource, UnitSource, is_required, usual_kind};
use super::date;
use super::error::ExtractError;
use super::records::Record;
use super::shape::{BadRow, bare_name, characters, header_names, is_total, place, shape, whole};
use super::source::{Field, NormalRow};
use super::units::{Level, UnitTable};
use samensom_protocol::query::{Column, ColumnType, Date, Unit};
use std::path::Path;

pub(super) const MAX_TEXT: usize = 64;

/// Where a canonical column comes from.
enum Origin {
    /// The file's column of this place.
    File(usize),
    /// The same in every row; the unit when it is one.
    Fixed(&'static str, Option<Unit>),
    /// From the unit table.
    Table(UnitTable, Result<Level, usize>),
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
    objection: Option<usize>,
    code: usize,
}

/// What a row gives when it can be used.
struct Made {
    fields: Vec<Field>,
    unit: Unit,
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
        let place = |column: &str| place(path, &names, column);
        let mut table = table;
        let mut origins = Vec::new();
        for column in config.dataset.columns() {
            let origin = match (column, config.columns.get(column), &config.unit) {
                (Column::Unit, _, UnitSource::Every(unit)) => Origin::Fixed(unit.name(), Some(*unit)),
                (Column::Unit, _, UnitSource::Column(theirs)) => Origin::File(place(theirs)?),
                (Column::Unit, _, UnitSource::Table { level, .. }) => {
                    let level = match level {
                        LevelSource::Every(level) => Ok(*level),
                        LevelSource::Column(theirs) => Err(place(theirs)?),
                    };
                    table.take().map_or(Origin::Nowhere, |table| Origin::Table(table, level))
                }
                (_, Some(theirs), _) => Origin::File(place(theirs)?),
                (Column::Kind, None, _) => Origin::Fixed(usual_kind(), None),
                (_, None, _) => Origin::Nowhere,
            };
            origins.push((*column, origin));
        }
        let objection = config.objection.as_ref().map(|objection| place(&objection.column)).transpose()?;
        let code = config.columns.get(&Column::Code).map_or(Ok(0), |theirs| place(theirs))?;
        let accounting = Accounting::new(config.dataset, path.display().to_string());
        Ok(Reading { accounting, rules: Rules { config, header: names, origins, objection, code } })
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
        let mut fields = Vec::with_capacity(self.origins.len());
        let (mut unit, mut day, mut quantity) = (None, None, None);
        for (column, origin) in &self.origins {
            let (text, name) = match origin {
                Origin::Nowhere => {
                    fields.push(Field::Absent);
                    continue;
                }
                Origin::Fixed(text, of_unit) => {
                    unit = of_unit.or(unit);
                    fields.push(Field::Text((*text).to_owned()));
                    continue;
                }
                Origin::File(place) => (record.cell(*place).trim(), self.name(*place)),
                Origin::Table(table, level) => {
                    let (of_table, converted) = self.by_table(record, table, *level, day, quantity)?;
                    if let Some((place, size)) = converted
                        && let Some(field) = fields.get_mut(place)
                    {
                        *field = Field::Quantity(size);
                    }
                    unit = Some(of_table);
                    fields.push(Field::Text(of_table.name().to_owned()));
                    continue;
                }
            };
            let field = self.field(*column, text, &mut unit, &mut day);
            let field = field.map_err(|bad| BadRow::new(name, text, bad))?;
            if let Field::Quantity(size) = field {
                quantity = Some((fields.len(), size));
            }
            fields.push(field);
        }
        // Every data set has a unit column, and an unknown unit was refused above.
        let none = || {
            let bad = BadCell { reason: "no unit".into(), remedy: "declare `unit`".into() };
            BadRow::new("unit", "", bad)
        };
        Ok(Made { fields, unit: unit.ok_or_else(none)?, day })
    }

    /// Unit and converted quantity, with the quantity's place among the fields.
    fn by_table<'r>(
        &'r self,
        record: &'r Record,
        table: &UnitTable,
        level: Result<Level, usize>,
        day: Option<Date>,
        quantity: Option<(usize, i64)>,
    ) -> Result<(Unit, Option<(usize, i64)>), BadRow<'r>> {
        let level = level.or_else(|place| {
            let text = record.cell(place).trim();
            let fault = |why: String| BadRow::new(self.name(place), text, problem(&why));
            self.config.values.level(text).map_err(fault)
        })?;
        let code = record.cell(self.code).trim();
        let (unit, factor) =
            table.find(code, level, day).map_err(|bad| BadRow::new(self.name(self.code), code, bad))?;
        let Some((place, size)) = quantity else { return Ok((unit, None)) };
        let theirs = self.config.columns.get(&Column::Quantity).map_or("", String::as_str);
        let size = cell::product(size, factor)
            .map_err(|bad| BadRow::new(theirs, format!("{} x factor {}", shown(size), shown(factor)), bad))?;
        Ok((unit, Some((place, size))))
    }

    fn field(
        &self,
        column: Column,
        text: &str,
        unit: &mut Option<Unit>,
        day: &mut Option<Date>,
    ) -> Result<Field, BadCell> {
        let optional =
            !is_required(column) && matches!(column, Column::Expiry | Column::Location | Column::Owner);
        if text.is_empty() && optional {
            return Ok(Field::Absent);
        }
        match column.column_type() {
            ColumnType::Number => cell::quantity(text, self.config.marks()).map(Field::Quantity),
            ColumnType::Date => {
                let date = self.config.date.read(text, self.config.decimal)?;
                if column == Column::Period && !date.is_first_of_month() {
                    return bad(
                        "not the first day of a month",
                        "export use per month, dated on its first day",
                    );
                }
                if column != Column::Expiry {
                    *day = Some(date);
                }
                Ok(Field::Text(date::iso(date)))
            }
            ColumnType::Text => {
                let values = &self.config.values;
                let closed = match column {
                    Column::Kind => values.kind(text),
                    Column::Unit => values.unit(text).map(|known| {
                        *unit = Some(known);
                        known.name()
                    }),
                    _ => return self.free_text(column, text),
                };
                match closed {
                    Ok(word) => Ok(Field::Text(word.to_owned())),
                    Err(_) if text.is_empty() => Err(empty(column)),
                    Err(why) => Err(problem(&why)),
                }
            }
        }
    }

    fn free_text(&self, column: Column, text: &str) -> Result<Field, BadCell> {
        if text.is_empty() {
            return Err(empty(column));
        }
        if text.len() > MAX_TEXT || has_controls(text) {
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
