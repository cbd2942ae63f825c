//! The `[[extract]]` tables of node.toml: one declared description per data set.
//!
//! Owns the keys and their limits. Everything about a file is declared and nothing is guessed: encoding,
//! separator, decimal mark, date format, unit. It must not open the file.

use jiff::civil;
use samensom_protocol::query::{Column, Dataset, Unit, nearest};
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde::{Deserialize, de};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

const KEYS: [&str; 11] = [
    "dataset",
    "file",
    "encoding",
    "separator",
    "decimal",
    "date",
    "unit",
    "unit_column",
    "unique",
    "max_rejected",
    "columns",
];
const LATER: [&str; 2] = ["unit_table", "max_age"];
const DEMO_ONLY: [&str; 2] = ["hospital", "split"];
// Anywhere in a name, and as a word of its own: `Kostenplaats` and `Neurologie` are no prices.
const PRICE: [&str; 5] = ["price", "prijs", "bedrag", "tarief", "omzet"];
const PRICE_WORDS: [&str; 6] = ["eur", "euro", "euros", "cost", "costs", "kosten"];
const PATIENT: [&str; 6] = ["patient", "patiënt", "persoonsn", "burgerservice", "geboorte", "birth"];
const PATIENT_WORDS: [&str; 3] = ["bsn", "person", "persoon"];

/// How one data set is read from one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtractConfig {
    /// The data set.
    pub dataset: Dataset,
    /// The file, relative to the configuration's folder.
    pub file: PathBuf,
    /// Between two cells.
    pub separator: u8,
    /// Between whole and decimals.
    pub decimal: char,
    /// Format of every date, as in strftime.
    pub date: String,
    /// The unit of the quantities.
    pub unit: UnitSource,
    /// Columns whose values no two rows share; none where nothing is declared.
    pub unique: Vec<Column>,
    /// Most rejected rows with which the extract still counts as complete.
    pub max_rejected: u64,
    /// Canonical column -> column of the file.
    pub columns: BTreeMap<Column, String>,
}

/// Where the unit of a row comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnitSource {
    /// One unit for every row.
    Every(Unit),
    /// A column of the file.
    Column(String),
}

impl<'de> Deserialize<'de> for ExtractConfig {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Table;
        impl<'de> Visitor<'de> for Table {
            type Value = ExtractConfig;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table [[extract]]")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut parts = Parts::default();
                while let Some(Key(key)) = map.next_key()? {
                    parts.take(key, &mut map)?;
                }
                parts.finish()
            }
        }
        d.deserialize_map(Table)
    }
}

#[derive(Default)]
struct Parts {
    dataset: Option<Dataset>,
    file: Option<PathBuf>,
    utf8: bool,
    separator: Option<u8>,
    decimal: Option<char>,
    date: Option<String>,
    unit: Option<Unit>,
    unit_column: Option<String>,
    unique: Vec<Column>,
    max_rejected: u64,
    columns: Option<BTreeMap<Column, String>>,
}

impl Parts {
    fn take<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "dataset" => {
                self.dataset = Some(text(map, |name| Dataset::parse(name).map_err(|e| e.to_string()))?)
            }
            "file" => self.file = Some(map.next_value()?),
            "encoding" => self.utf8 = text(map, encoding)?,
            "separator" => self.separator = Some(text(map, separator)?),
            "decimal" => self.decimal = Some(text(map, decimal_mark)?),
            "date" => self.date = Some(text(map, date_format)?),
            "unit" => self.unit = Some(text(map, unit)?),
            "unit_column" => self.unit_column = Some(text(map, their_column)?),
            "unique" => {
                self.unique = map.next_value::<Vec<CanonicalColumn>>()?.into_iter().map(|c| c.0).collect()
            }
            "max_rejected" => self.max_rejected = map.next_value()?,
            _ => self.columns = Some(map.next_value::<Columns>()?.0),
        }
        Ok(())
    }

    fn finish<E: de::Error>(self) -> Result<ExtractConfig, E> {
        let missing =
            |key: &str| E::custom(format!("[[extract]] has no key `{key}`; it is declared, never guessed"));
        let dataset = self.dataset.ok_or_else(|| missing("dataset"))?;
        let columns = self.columns.ok_or_else(|| missing("columns"))?;
        let known: Vec<&str> = canonical(dataset).map(Column::name).collect();
        for column in columns.keys() {
            if !known.contains(&column.name()) {
                let (name, dataset) = (column.name(), dataset.name());
                return Err(E::custom(format!(
                    "`{name}` is no column of data set {dataset}; expected {}",
                    known.join(", ")
                )));
            }
        }
        for column in canonical(dataset).filter(|column| is_required(*column)) {
            if !columns.contains_key(&column) {
                let name = column.name();
                return Err(E::custom(format!(
                    "[extract.columns] has no `{name}`; add {name} = \"the file's column\""
                )));
            }
        }
        let unit = match (self.unit, self.unit_column) {
            (Some(unit), None) => UnitSource::Every(unit),
            (None, Some(column)) => UnitSource::Column(column),
            _ => return Err(E::custom("expected exactly one of `unit` (for every row) and `unit_column`")),
        };
        let separator = self.separator.ok_or_else(|| missing("separator"))?;
        let decimal = self.decimal.ok_or_else(|| missing("decimal"))?;
        if !self.utf8 {
            return Err(missing("encoding"));
        }
        Ok(ExtractConfig {
            dataset,
            file: self.file.ok_or_else(|| missing("file"))?,
            separator,
            decimal,
            date: self.date.unwrap_or_else(|| "%Y-%m-%d".to_owned()),
            unit,
            unique: self.unique,
            max_rejected: self.max_rejected,
            columns,
        })
    }
}

/// The columns of a data set that a file can be mapped to; the unit has keys of its own.
pub(super) fn canonical(dataset: Dataset) -> impl Iterator<Item = Column> {
    dataset.columns().iter().copied().filter(|column| *column != Column::Unit)
}

/// Columns without which a row means nothing.
pub(super) fn is_required(column: Column) -> bool {
    matches!(column, Column::Period | Column::Code | Column::Quantity)
}

fn text<'de, A: MapAccess<'de>, T>(
    map: &mut A,
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<T, A::Error> {
    struct Seed<F>(F);
    impl<'de, T, F: Fn(&str) -> Result<T, String>> de::DeserializeSeed<'de> for Seed<F> {
        type Value = T;
        fn deserialize<D: Deserializer<'de>>(self, d: D) -> Result<T, D::Error> {
            (self.0)(&String::deserialize(d)?).map_err(D::Error::custom)
        }
    }
    map.next_value_seed(Seed(read))
}

struct Key(&'static str);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let name = String::deserialize(d)?;
        if let Some(key) = KEYS.into_iter().find(|key| *key == name) {
            return Ok(Key(key));
        }
        let problem = if LATER.contains(&name.as_str()) {
            format!("`{name}` comes with a later version; leave it out")
        } else if DEMO_ONLY.contains(&name.as_str()) {
            format!(
                "`{name}` belongs to the demo's file alone, where many hospitals share a file; a node's file holds its own rows only"
            )
        } else {
            unknown("key", &name, &KEYS)
        };
        Err(D::Error::custom(problem))
    }
}

struct Columns(BTreeMap<Column, String>);

impl<'de> Deserialize<'de> for Columns {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Table;
        impl<'de> Visitor<'de> for Table {
            type Value = Columns;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table [extract.columns]: canonical = \"the file's column\"")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Columns, A::Error> {
                let mut columns = BTreeMap::new();
                while let Some(CanonicalColumn(column)) = map.next_key()? {
                    columns.insert(column, text(&mut map, their_column)?);
                }
                Ok(Columns(columns))
            }
        }
        d.deserialize_map(Table)
    }
}

struct CanonicalColumn(Column);

impl<'de> Deserialize<'de> for CanonicalColumn {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let name = String::deserialize(d)?;
        let known: Vec<Column> = Dataset::ALL.into_iter().flat_map(canonical).collect();
        if let Some(column) = known.iter().find(|column| column.name() == name) {
            return Ok(CanonicalColumn(*column));
        }
        let problem = if name == "unit" {
            "the unit has its own keys; expected `unit_column = \"...\"` under [[extract]]".to_owned()
        } else if let Some(reason) = forbidden(&name) {
            reason
        } else {
            let mut names: Vec<&str> = known.into_iter().map(Column::name).collect();
            names.sort_unstable();
            names.dedup();
            unknown("column", &name, &names)
        };
        Err(D::Error::custom(problem))
    }
}

fn unknown(what: &str, name: &str, known: &[&str]) -> String {
    let near = nearest(name, known.iter().copied()).map(|near| format!("; did you mean `{near}`?"));
    format!("unknown {what} `{name}`; expected one of {}{}", known.join(", "), near.unwrap_or_default())
}

/// Why a column may not be read at all: no prices and no patients in an extract of stock or use.
fn forbidden(name: &str) -> Option<String> {
    let lower = name.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    let word = |words: &[&str]| lower.split(|c: char| !c.is_alphanumeric()).any(|word| words.contains(&word));
    let kind = if has(&PRICE) || word(&PRICE_WORDS) {
        "a price"
    } else if has(&PATIENT) || word(&PATIENT_WORDS) {
        "a patient's column"
    } else {
        return None;
    };
    Some(format!(
        "`{name}` looks like {kind}, which never enters an extract; leave it unmapped, unmapped columns are not read"
    ))
}

fn their_column(name: &str) -> Result<String, String> {
    if name.is_empty() {
        return Err("an empty column name; expected the name in the file's header".to_owned());
    }
    forbidden(name).map_or_else(|| Ok(name.to_owned()), Err)
}

fn encoding(name: &str) -> Result<bool, String> {
    match name {
        "utf-8" => Ok(true),
        _ => Err(format!(
            "encoding `{name}` comes with a later version; expected `utf-8` (with or without a byte order mark): export the file so"
        )),
    }
}

fn separator(text: &str) -> Result<u8, String> {
    match text {
        "," => Ok(b','),
        ";" => Ok(b';'),
        "tab" | "\t" => Ok(b'\t'),
        _ => Err(format!("separator `{text}`; expected `,`, `;` or `tab`")),
    }
}

fn decimal_mark(text: &str) -> Result<char, String> {
    match text {
        "," => Ok(','),
        "." => Ok('.'),
        _ => Err(format!("decimal mark `{text}`; expected `,` or `.`")),
    }
}

fn unit(name: &str) -> Result<Unit, String> {
    Unit::parse(name).ok_or_else(|| unknown("unit", name, &Unit::ALL.map(Unit::name)))
}

/// A format is good when it writes and reads back days a century apart: `%y` does not.
fn date_format(format: &str) -> Result<String, String> {
    let days = [civil::date(1999, 12, 31), civil::date(2099, 12, 31), civil::date(2026, 1, 2)];
    let good = days.into_iter().all(|day| {
        let written = jiff::fmt::strtime::format(format, day.at(0, 0, 0, 0));
        written.is_ok_and(|text| civil::Date::strptime(format, text).is_ok_and(|read| read == day))
    });
    if good {
        Ok(format.to_owned())
    } else {
        Err(format!(
            "date format `{format}` does not name one day; expected such as %Y-%m-%d or %d-%m-%Y, with the whole year"
        ))
    }
}
