//! The unit table: product, level and day -> unit and factor.
//!
//! Owns its file, which is written as the extract is, and what it must not say: two things about one product
//! at one time. A quantity is multiplied exactly or its row is rejected; nothing is rounded here.

use super::cell::{self, BadCell, bad};
use super::config::{self, ExtractConfig};
use super::error::ExtractError;
use super::records::Record;
use super::row::{self, MAX_TEXT};
use super::shape::{self, BadRow};
use super::source;
use samensom_protocol::query::{Column, Date, Unit};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

const COLUMNS: [&str; 6] = ["code", "level", "unit", "factor", "from", "until"];
const NEEDED: usize = 4;
/// A table is kept in memory: the G-Standaard's packs fit twice, in about 50 MB.
const MOST: usize = 250_000;

/// What one of a quantity is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// A pack as it is bought.
    Pack,
    /// A pack inside a pack.
    SubPack,
    /// The smallest thing that is counted: an ampoule, a tablet, a ml.
    Base,
}

impl Level {
    const ALL: [Level; 3] = [Level::Pack, Level::SubPack, Level::Base];

    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Level::Pack => "pack",
            Level::SubPack => "sub-pack",
            Level::Base => "base",
        }
    }

    /// The level of this name.
    ///
    /// # Errors
    /// The names there are, and the nearest.
    pub(super) fn parse(name: &str) -> Result<Level, String> {
        let found = Level::ALL.into_iter().find(|level| level.name() == name);
        found.ok_or_else(|| config::unknown("level", name, &Level::ALL.map(Level::name)))
    }
}

/// What a table says of a product at one level in a stretch of time.
struct Entry {
    level: Level,
    from: Option<Date>,
    until: Option<Date>,
    unit: Unit,
    factor: i64,
    row: u64,
}

impl Entry {
    fn overlaps(&self, other: &Entry) -> bool {
        let before = |until: Option<Date>, from: Option<Date>| {
            until.zip(from).is_some_and(|(until, from)| until < from)
        };
        self.level == other.level && !before(self.until, other.from) && !before(other.until, self.from)
    }

    fn covers(&self, level: Level, day: Option<Date>) -> bool {
        let after = self.from.is_none_or(|from| day.is_some_and(|day| from <= day));
        let before = self.until.is_none_or(|until| day.is_some_and(|day| day <= until));
        self.level == level && after && before
    }
}

/// The table's header, and where its columns are.
struct Places {
    header: Vec<String>,
    places: Vec<Option<usize>>,
}

/// A unit table that contradicts itself nowhere.
pub(super) struct UnitTable {
    path: PathBuf,
    entries: HashMap<String, Vec<Entry>>,
    rows: usize,
}

impl UnitTable {
    /// Reads and judges the whole table.
    pub(super) fn read(
        config: &ExtractConfig,
        file: &Path,
        base_dir: &Path,
    ) -> Result<UnitTable, ExtractError> {
        let path = base_dir.join(file);
        let mut table = UnitTable { path: path.clone(), entries: HashMap::new(), rows: 0 };
        let mut places = None;
        source::each_record(config, &path, &mut |record| match &places {
            None => {
                places = Some(table.places(record)?);
                Ok(())
            }
            Some(places) => table.add(config, places, record),
        })?;
        Ok(table)
    }

    fn places(&self, header: &Record) -> Result<Places, ExtractError> {
        let found: Vec<String> = header.cells().map(shape::header_name).collect();
        let mut places = Vec::new();
        for (number, column) in COLUMNS.into_iter().enumerate() {
            let absent = number >= NEEDED && !found.iter().any(|name| name == column);
            places.push(if absent { None } else { Some(shape::place(&self.path, &found, column)?) });
        }
        Ok(Places { header: found, places })
    }

    fn add(&mut self, config: &ExtractConfig, places: &Places, record: &Record) -> Result<(), ExtractError> {
        let (code, entry) = self.entry(config, places, record)?;
        let refuse = |column: &str, reason: String, remedy: &'static str| {
            let bad = BadCell { reason: reason.into(), remedy: remedy.into() };
            Err(self.refused(record.row, BadRow::new(column, &code, bad)))
        };
        if self.rows >= MOST {
            return refuse("code", format!("more than {MOST} rows"), "leave out what is not in the extract");
        }
        for other in self.entries.get(&code).into_iter().flatten() {
            let row = other.row;
            if other.unit != entry.unit {
                let (one, two) = (other.unit.name(), entry.unit.name());
                let reason = format!("`{two}` where row {row} has `{one}` for the same code");
                return refuse(
                    "unit",
                    reason,
                    "give each code one unit; quantities of two units are never added",
                );
            }
            if other.overlaps(&entry) {
                let reason = format!("row {row} says what holds for the same code, level and time");
                return refuse("code", reason, "leave one of the rows out, or end the older by `until`");
            }
        }
        self.rows += 1;
        self.entries.entry(code).or_default().push(entry);
        Ok(())
    }

    fn entry(
        &self,
        config: &ExtractConfig,
        places: &Places,
        record: &Record,
    ) -> Result<(String, Entry), ExtractError> {
        let row = record.row;
        let sound = shape::shape(record, places.header.len())
            .and_then(|()| shape::characters(record, &places.header, config.encoding));
        sound.map_err(|bad| self.refused(row, bad))?;
        let cell = |column: &str| {
            let number = COLUMNS.iter().position(|name| *name == column);
            let place = number.and_then(|number| places.places.get(number).copied().flatten());
            place.map_or("", |place| record.cell(place).trim())
        };
        let fault = |column: &'static str| {
            move |bad: BadCell| self.refused(row, BadRow::new(column, cell(column), bad))
        };
        let word = |text: String| row::problem(&text);
        let code = cell("code");
        if code.is_empty() || code.len() > MAX_TEXT {
            let bad = word(format!("no code of 1 to {MAX_TEXT} bytes"));
            return Err(fault("code")(bad));
        }
        config.code_kind.accept(code).map_err(fault("code"))?;
        let level = config.values.level(cell("level")).map_err(|why| fault("level")(word(why)))?;
        let unit = config.values.unit(cell("unit")).map_err(|why| fault("unit")(word(why)))?;
        let factor = cell::quantity(cell("factor"), config.marks()).map_err(fault("factor"))?;
        if factor <= 0 {
            let bad = word("a factor that is not above 0".to_owned());
            return Err(fault("factor")(bad));
        }
        let day = |column: &'static str| match cell(column) {
            "" => Ok(None),
            text => config.date.read(text, config.decimal).map(Some).map_err(fault(column)),
        };
        let (from, until) = (day("from")?, day("until")?);
        if from.zip(until).is_some_and(|(from, until)| from > until) {
            return Err(fault("until")(word("before `from`; `until` is the last day".to_owned())));
        }
        if config.day_column().is_none() && (from.is_some() || until.is_some()) {
            let day = config.dataset.day().map_or("as_of", Column::name);
            return Err(fault(if from.is_some() { "from" } else { "until" })(BadCell {
                reason: format!("a row that holds for a time needs `{day}`, which is not mapped").into(),
                remedy: format!("add {day} = \"the file's column\" to [extract.columns]").into(),
            }));
        }
        Ok((code.to_owned(), Entry { level, from, until, unit, factor, row }))
    }

    fn refused(&self, row: u64, bad: BadRow) -> ExtractError {
        let rejected = Box::new(bad.at(row));
        ExtractError::UnitTable { file: self.path.display().to_string(), rejected }
    }

    /// The unit of a product, and the factor to it in whole numbers of 10^-6.
    pub(super) fn find(&self, code: &str, level: Level, day: Option<Date>) -> Result<(Unit, i64), BadCell> {
        let of_code = self.entries.get(code).map(Vec::as_slice).unwrap_or_default();
        if let Some(entry) = of_code.iter().find(|entry| entry.covers(level, day)) {
            return Ok((entry.unit, entry.factor));
        }
        let missing = match day {
            _ if of_code.is_empty() => "this code".to_owned(),
            Some(day) => format!("this code at level {} on {day}", level.name()),
            None => format!("this code at level {}", level.name()),
        };
        bad(
            format!("the unit table says nothing of {missing}"),
            format!("add a row to {}", self.path.display()),
        )
    }
}
