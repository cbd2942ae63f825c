//! The `[[extract]]` tables of node.toml: one declared description per data set.
//!
//! Owns what the keys mean together. Everything about a file is declared and nothing is guessed: encoding,
//! separator, marks of numbers, date format, unit. It must not open the file.

mod database;
mod keys;

#[cfg(test)]
pub(super) use keys::KEYS;
pub(super) use keys::unknown;

use super::cell::Marks;
use super::codes::CodeKind;
use super::database::Database;
use super::date::DateFormat;
use super::dialect::Encoding;
use super::error::on_one_line;
use super::row;
use super::units::Level;
use database::DatabaseKeys;
use keys::{Parts, Word};
use samensom_protocol::query::{Column, Dataset, KINDS, Unit};
use serde::de::{Deserializer, Error};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// How one data set is read from one file, or from the result of one SELECT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtractConfig {
    /// The data set.
    pub dataset: Dataset,
    /// The file, or the file of the SELECT, relative to the configuration's folder.
    pub file: PathBuf,
    /// Whose rows they are, where they are no file's.
    pub database: Option<Database>,
    /// How its text is written as bytes.
    pub encoding: Encoding,
    /// Between two cells.
    pub separator: u8,
    /// Between whole and decimals.
    pub decimal: char,
    /// Between groups of three digits, where there is such a mark.
    pub thousands: Option<char>,
    /// Format of every date.
    pub date: DateFormat,
    /// The unit of the quantities.
    pub unit: UnitSource,
    /// What the codes are.
    pub code_kind: CodeKind,
    /// Most rejected rows with which the extract still counts as complete.
    pub max_rejected: u64,
    /// Whether the last row may lack its line end.
    pub open_end: bool,
    /// Whether a file without a row says that there is nothing.
    pub may_be_empty: bool,
    /// How old its newest reference date may be.
    pub max_age: Option<Duration>,
    /// Columns that no two rows share.
    pub unique: Vec<Column>,
    /// Rows of people who object.
    pub objection: Option<Objection>,
    /// Canonical column -> column of the file.
    pub columns: BTreeMap<Column, String>,
    /// Their words for ours.
    pub values: Values,
}

/// Where the unit of a row comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnitSource {
    /// The data set has no unit.
    Nothing,
    /// One unit for every row.
    Every(Unit),
    /// A column of the file.
    Column(String),
    /// A table of products, relative to the configuration's folder.
    Table {
        /// The table.
        file: PathBuf,
        /// What one of a quantity is.
        level: LevelSource,
    },
}

/// Where the level of a row comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LevelSource {
    /// One level for every row.
    Every(Level),
    /// A column of the file.
    Column(String),
}

/// The column that says whether somebody objects to the use of a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Objection {
    /// The file's column.
    pub column: String,
    /// Texts that say so.
    pub yes: Vec<String>,
    /// Texts that say not so.
    pub no: Vec<String>,
}

/// Their words for our words: in columns that hold a closed list, and in those of which queries know words.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Values {
    kind: BTreeMap<String, Word<&'static str>>,
    unit: BTreeMap<String, Word<Unit>>,
    level: BTreeMap<String, Word<Level>>,
    supplier: BTreeMap<String, String>,
    route: BTreeMap<String, String>,
    ward: BTreeMap<String, String>,
    specialty: BTreeMap<String, String>,
}

impl Values {
    /// Our kind for a word of the file.
    pub(super) fn kind(&self, word: &str) -> Result<&'static str, String> {
        self.kind.get(word).map_or_else(|| keys::kind(word), |ours| Ok(ours.0))
    }

    /// Our unit for a word of the file.
    pub(super) fn unit(&self, word: &str) -> Result<Unit, String> {
        self.unit.get(word).map_or_else(|| keys::unit(word), |ours| Ok(ours.0))
    }

    /// Our word for one of the file; none where nothing is said of it. An empty word is an absent value.
    pub(super) fn word(&self, column: Column, word: &str) -> Option<&str> {
        self.words(column)?.get(word).map(String::as_str)
    }

    fn words(&self, column: Column) -> Option<&BTreeMap<String, String>> {
        match column {
            Column::Supplier => Some(&self.supplier),
            Column::Route => Some(&self.route),
            Column::Ward => Some(&self.ward),
            Column::Specialty => Some(&self.specialty),
            _ => None,
        }
    }

    /// Every word of the file that stands for one of ours, and that one.
    #[cfg(feature = "postgres")]
    pub(super) fn pairs(&self, column: Column) -> Vec<(String, String)> {
        let own = |words: &[&str]| -> Vec<(String, String)> {
            words.iter().map(|word| ((*word).to_owned(), (*word).to_owned())).collect()
        };
        let pair = |theirs: &String, ours: &str| (theirs.clone(), ours.to_owned());
        let (theirs, own): (Vec<(String, String)>, _) = match column {
            Column::Kind => (self.kind.iter().map(|(word, ours)| pair(word, ours.0)).collect(), own(&KINDS)),
            Column::Unit => {
                let theirs = self.unit.iter().map(|(word, ours)| pair(word, ours.0.name()));
                (theirs.collect(), own(&Unit::ALL.map(Unit::name)))
            }
            column => {
                let words = self.words(column).into_iter().flatten();
                (words.map(|(word, ours)| pair(word, ours)).collect(), Vec::new())
            }
        };
        theirs.into_iter().chain(own).collect()
    }

    /// Our level for a word of the file.
    pub(super) fn level(&self, word: &str) -> Result<Level, String> {
        self.level.get(word).map_or_else(|| Level::parse(word), |ours| Ok(ours.0))
    }
}

impl ExtractConfig {
    /// Whether its rows stay in the database, and queries go to them.
    pub(super) fn is_large(&self) -> bool {
        self.database.as_ref().is_some_and(|database| database.large)
    }

    /// How its numbers are written.
    pub(super) fn marks(&self) -> Marks {
        Marks { decimal: self.decimal, thousands: self.thousands }
    }

    /// The column of the rows' reference date or month, where the file has one.
    pub(super) fn day_column(&self) -> Option<Column> {
        self.dataset.day().filter(|column| self.columns.contains_key(column))
    }
}

impl<'de> Deserialize<'de> for ExtractConfig {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Parts::deserialize(d)?.finish().map_err(D::Error::custom)
    }
}

impl Parts {
    fn finish(mut self) -> Result<ExtractConfig, String> {
        let missing = |key: &str| format!("[[extract]] has no key `{key}`; it is declared, never guessed");
        let dataset = self.dataset.ok_or_else(|| missing("dataset"))?;
        let unit = self.unit_source(dataset)?;
        let database = self.of_database()?;
        let columns = self.columns.ok_or_else(|| missing("columns"))?;
        judge_columns(dataset, &columns)?;
        let decimal = self.decimal.ok_or_else(|| missing("decimal"))?;
        if self.thousands == Some(decimal) {
            return Err(format!(
                "`{decimal}` is declared as decimal mark and between thousands; expected two marks"
            ));
        }
        let config = ExtractConfig {
            dataset,
            file: self.file.ok_or_else(|| missing("file"))?,
            database,
            encoding: self.encoding.ok_or_else(|| missing("encoding"))?,
            separator: self.separator.ok_or_else(|| missing("separator"))?,
            decimal,
            thousands: self.thousands,
            date: self.date.unwrap_or_default(),
            unit,
            code_kind: self.code_kind,
            max_rejected: self.max_rejected,
            open_end: self.open_end,
            may_be_empty: self.may_be_empty,
            max_age: self.max_age,
            unique: unique(dataset, &self.unique, &columns)?,
            objection: self.objection.map(objection).transpose()?,
            columns,
            values: self.values,
        };
        if config.max_age.is_some() && config.day_column().is_none() {
            let day = dataset.day().map_or("as_of", Column::name);
            return Err(format!("`max_age` needs {day} = \"the file's column\" in [extract.columns]"));
        }
        config.judge_values()?;
        Ok(config)
    }

    fn unit_source(&self, dataset: Dataset) -> Result<UnitSource, String> {
        if dataset.quantity().is_none() {
            let words = [&self.unit_column, &self.level_column];
            let none = self.unit.is_none() && self.unit_table.is_none() && self.level.is_none();
            return if none && words.into_iter().all(Option::is_none) {
                Ok(UnitSource::Nothing)
            } else {
                Err(format!(
                    "data set {} has no unit; leave out `unit`, `unit_column` and `unit_table`",
                    dataset.name()
                ))
            };
        }
        let level = match (self.level, &self.level_column) {
            (Some(level), None) => Some(LevelSource::Every(level)),
            (None, Some(column)) => Some(LevelSource::Column(column.clone())),
            (None, None) => None,
            _ => return Err("expected one of `level` (for every row) and `level_column`".to_owned()),
        };
        match (self.unit, &self.unit_column, &self.unit_table, level) {
            (Some(unit), None, None, None) => Ok(UnitSource::Every(unit)),
            (None, Some(column), None, None) => Ok(UnitSource::Column(column.clone())),
            (None, None, Some(file), Some(level)) => Ok(UnitSource::Table { file: file.clone(), level }),
            (None, None, Some(_), None) => Err(
                "`unit_table` needs to know what one of a quantity is: expected `level` (for every row) or \
                 `level_column`"
                    .to_owned(),
            ),
            (_, _, None, Some(_)) => Err("`level` and `level_column` belong to a `unit_table`".to_owned()),
            _ => {
                Err("expected exactly one of `unit` (for every row), `unit_column` and `unit_table`"
                    .to_owned())
            }
        }
    }
}

fn judge_columns(dataset: Dataset, columns: &BTreeMap<Column, String>) -> Result<(), String> {
    let known: Vec<&str> = canonical(dataset).map(Column::name).collect();
    for column in columns.keys() {
        if !known.contains(&column.name()) {
            let (name, dataset) = (column.name(), dataset.name());
            return Err(format!(
                "`{name}` is no column of data set {dataset}; expected {}",
                known.join(", ")
            ));
        }
    }
    for column in canonical(dataset).filter(|column| is_required(dataset, *column)) {
        if !columns.contains_key(&column) {
            let name = column.name();
            return Err(format!("[extract.columns] has no `{name}`; add {name} = \"the file's column\""));
        }
    }
    Ok(())
}

fn unique(
    dataset: Dataset,
    names: &[String],
    columns: &BTreeMap<Column, String>,
) -> Result<Vec<Column>, String> {
    let mut unique = Vec::new();
    for name in names {
        let column = dataset.column(name).map_err(|why| format!("unique: {why}"))?;
        if !columns.contains_key(&column) {
            return Err(format!("`unique` names `{name}`, which [extract.columns] does not map"));
        }
        if unique.contains(&column) {
            return Err(format!("`unique` names `{name}` twice"));
        }
        unique.push(column);
    }
    Ok(unique)
}

fn objection(objection: Objection) -> Result<Objection, String> {
    let Objection { column, yes, no } = &objection;
    if column.is_empty() || yes.is_empty() {
        return Err("objection: expected the file's column, and at least one text in `yes`".to_owned());
    }
    if let Some(both) = yes.iter().find(|text| no.contains(text)) {
        return Err(format!("objection: `{both}` stands in `yes` and in `no`"));
    }
    if let Some(text) = yes.iter().chain(no).find(|text| text.trim() != text.as_str()) {
        return Err(format!("objection: `{text}` has space at an end; cells are compared without"));
    }
    Ok(objection)
}

impl ExtractConfig {
    /// Words for a column that is not read would be words for nothing.
    fn judge_values(&self) -> Result<(), String> {
        let Values { kind, unit, level, supplier: _, route: _, ward: _, specialty: _ } = &self.values;
        let table = matches!(self.unit, UnitSource::Table { .. });
        let needs = [
            (
                "kind",
                kind.is_empty(),
                self.columns.contains_key(&Column::Kind),
                "`kind` in [extract.columns]",
            ),
            ("unit", unit.is_empty(), table || matches!(self.unit, UnitSource::Column(_)), "`unit_column`"),
            ("level", level.is_empty(), table, "`unit_table`"),
        ];
        for (name, none, read, key) in needs {
            if !none && !read {
                return Err(format!(
                    "[extract.values.{name}] has words for a column that is not read; declare {key}"
                ));
            }
        }
        for column in [Column::Supplier, Column::Route, Column::Ward, Column::Specialty] {
            let (name, words) = (column.name(), self.values.words(column));
            let Some(words) = words.filter(|words| !words.is_empty()) else { continue };
            if !self.columns.contains_key(&column) {
                return Err(format!(
                    "[extract.values.{name}] has words for a column that is not read; declare `{name}` in \
                     [extract.columns]"
                ));
            }
            let plain = |word: &&String| word.trim() == word.as_str() && row::is_plain(word);
            if let Some(word) = words.values().find(|word| !plain(word)) {
                return Err(format!("[extract.values.{name}]: `{}` is no word", on_one_line(word)));
            }
        }
        Ok(())
    }
}

/// The columns of a data set that a file can be mapped to; the unit has keys of its own.
pub(super) fn canonical(dataset: Dataset) -> impl Iterator<Item = Column> {
    dataset.columns().iter().copied().filter(|column| *column != Column::Unit)
}

/// Columns without which a row means nothing; a stock without kinds is regular.
fn is_required(dataset: Dataset, column: Column) -> bool {
    !dataset.may_be_absent(column) && column != Column::Kind
}

/// The kind of a row whose file has no such column.
pub(super) const fn usual_kind() -> &'static str {
    KINDS[0]
}

/// A name in the file's header that may be read.
pub(super) fn their_column(name: &str) -> Result<String, String> {
    keys::patient(name).map_or_else(|| their_patients(name), Err)
}

/// One that may name patients: of data sets about them, `person`, `stay` and `age` alone.
pub(super) fn their_patients(name: &str) -> Result<String, String> {
    if name.is_empty() {
        return Err("an empty column name; expected the name in the file's header".to_owned());
    }
    keys::price(name).map_or_else(|| Ok(name.to_owned()), Err)
}
