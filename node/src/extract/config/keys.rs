//! The keys of an `[[extract]]` table, one by one: their names and their words.
//!
//! Errors come at the key's own line, with the nearest known name. What keys mean together is the parent's.

use super::{DatabaseKeys, Objection, Values, canonical, their_column, their_patients};
use crate::extract::codes::CodeKind;
use crate::extract::date::DateFormat;
use crate::extract::dialect::Encoding;
use crate::extract::units::Level;
use samensom_protocol::query::{Column, Dataset, KINDS, Unit, nearest};
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde::{Deserialize, Serialize, Serializer, de};
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

pub(in crate::extract) const KEYS: [&str; 26] = [
    "dataset",
    "file",
    "select",
    "database",
    "timeout",
    "max_rows",
    "large",
    "encoding",
    "separator",
    "decimal",
    "thousands",
    "date",
    "unit",
    "unit_column",
    "unit_table",
    "level",
    "level_column",
    "code_kind",
    "max_rejected",
    "open_end",
    "may_be_empty",
    "max_age",
    "unique",
    "objection",
    "columns",
    "values",
];
const DEMO_ONLY: [&str; 2] = ["hospital", "split"];
// Anywhere in a name, and as a word of its own: `Kostenplaats` and `Neurologie` are no prices.
const PRICE: [&str; 5] = ["price", "prijs", "bedrag", "tarief", "omzet"];
const PRICE_WORDS: [&str; 6] = ["eur", "euro", "euros", "cost", "costs", "kosten"];
const PATIENT: [&str; 6] = ["patient", "patiënt", "persoonsn", "burgerservice", "geboorte", "birth"];
const PATIENT_WORDS: [&str; 3] = ["bsn", "person", "persoon"];

/// The keys that were there.
#[derive(Default)]
pub(super) struct Parts {
    pub(super) dataset: Option<Dataset>,
    pub(super) file: Option<PathBuf>,
    pub(super) database: DatabaseKeys,
    pub(super) encoding: Option<Encoding>,
    pub(super) separator: Option<u8>,
    pub(super) decimal: Option<char>,
    pub(super) thousands: Option<char>,
    pub(super) date: Option<DateFormat>,
    pub(super) unit: Option<Unit>,
    pub(super) unit_column: Option<String>,
    pub(super) unit_table: Option<PathBuf>,
    pub(super) level: Option<Level>,
    pub(super) level_column: Option<String>,
    pub(super) code_kind: CodeKind,
    pub(super) max_rejected: u64,
    pub(super) open_end: bool,
    pub(super) may_be_empty: bool,
    pub(super) max_age: Option<Duration>,
    pub(super) unique: Vec<String>,
    pub(super) objection: Option<Objection>,
    pub(super) columns: Option<BTreeMap<Column, String>>,
    pub(super) values: Values,
}

impl<'de> Deserialize<'de> for Parts {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Table;
        impl<'de> Visitor<'de> for Table {
            type Value = Parts;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table [[extract]]")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Parts, A::Error> {
                let mut parts = Parts::default();
                while let Some(Key(key)) = map.next_key()? {
                    parts.take(key, &mut map)?;
                }
                Ok(parts)
            }
        }
        d.deserialize_map(Table)
    }
}

impl Parts {
    fn take<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        match key {
            "dataset" => self.dataset = Some(text(map, dataset)?),
            "file" => self.file = Some(map.next_value()?),
            "select" | "database" | "timeout" | "max_rows" | "large" => self.database.take(key, map)?,
            "encoding" => self.encoding = Some(text(map, Encoding::parse)?),
            "separator" => self.separator = Some(text(map, separator)?),
            "decimal" => self.decimal = Some(text(map, decimal_mark)?),
            "thousands" => self.thousands = Some(text(map, thousands_mark)?),
            "date" => self.date = Some(text(map, DateFormat::parse)?),
            "unit" => self.unit = Some(text(map, unit)?),
            "unit_column" => self.unit_column = Some(text(map, their_column)?),
            "unit_table" => self.unit_table = Some(map.next_value()?),
            "level" => self.level = Some(text(map, Level::parse)?),
            "level_column" => self.level_column = Some(text(map, their_column)?),
            "code_kind" => self.code_kind = text(map, CodeKind::parse)?,
            "max_rejected" => self.max_rejected = map.next_value()?,
            "open_end" => self.open_end = map.next_value()?,
            "may_be_empty" => self.may_be_empty = map.next_value()?,
            "max_age" => self.max_age = Some(text(map, age)?),
            "unique" => self.unique = map.next_value()?,
            "objection" => self.objection = Some(map.next_value()?),
            "values" => self.values = map.next_value()?,
            _ => self.columns = Some(map.next_value::<Columns>()?.0),
        }
        Ok(())
    }
}

pub(super) fn text<'de, A: MapAccess<'de>, T>(
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
        let problem = if DEMO_ONLY.contains(&name.as_str()) {
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
                    let read = |name: &str| match column {
                        Column::Person | Column::Stay | Column::Age => their_patients(name),
                        _ => their_column(name),
                    };
                    columns.insert(column, text(&mut map, read)?);
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
        let read = Dataset::ALL.into_iter().filter(|dataset| dataset.made_of().is_empty());
        let known: Vec<Column> = read.flat_map(canonical).collect();
        if let Some(column) = known.iter().find(|column| column.name() == name) {
            return Ok(CanonicalColumn(*column));
        }
        let problem = if name == "unit" {
            "the unit has its own keys; expected `unit_column = \"...\"` under [[extract]]".to_owned()
        } else if let Some(reason) = price(&name).or_else(|| patient(&name)) {
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

/// One of our words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Word<T>(pub(super) T);

/// A type that has a closed list of words.
trait Worded: Sized {
    fn of(word: &str) -> Result<Self, String>;
    fn word(&self) -> &'static str;
}

impl Worded for &'static str {
    fn of(word: &str) -> Result<Self, String> {
        kind(word)
    }
    fn word(&self) -> &'static str {
        self
    }
}

impl Worded for Unit {
    fn of(word: &str) -> Result<Self, String> {
        unit(word)
    }
    fn word(&self) -> &'static str {
        self.name()
    }
}

impl Worded for Level {
    fn of(word: &str) -> Result<Self, String> {
        Level::parse(word)
    }
    fn word(&self) -> &'static str {
        self.name()
    }
}

impl<'de, T: Worded> Deserialize<'de> for Word<T> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        T::of(&String::deserialize(d)?).map(Word).map_err(D::Error::custom)
    }
}

impl<T: Worded> Serialize for Word<T> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(self.0.word())
    }
}

/// The text about a name that is not known.
pub(in crate::extract) fn unknown(what: &str, name: &str, known: &[&str]) -> String {
    let near = nearest(name, known.iter().copied()).map(|near| format!("; did you mean `{near}`?"));
    format!("unknown {what} `{name}`; expected one of {}{}", known.join(", "), near.unwrap_or_default())
}

/// Why a column may not be read at all: prices are nobody's business here.
pub(super) fn price(name: &str) -> Option<String> {
    looks_like(name, &PRICE, &PRICE_WORDS).then(|| never(name, "a price"))
}

/// The same for patients, but for the columns that are theirs.
pub(super) fn patient(name: &str) -> Option<String> {
    looks_like(name, &PATIENT, &PATIENT_WORDS).then(|| never(name, "a patient's column"))
}

fn looks_like(name: &str, parts: &[&str], words: &[&str]) -> bool {
    let lower = name.to_lowercase();
    let mut whole = lower.split(|c: char| !c.is_alphanumeric());
    parts.iter().any(|part| lower.contains(part)) || whole.any(|word| words.contains(&word))
}

fn never(name: &str, what: &str) -> String {
    format!(
        "`{name}` looks like {what}, which never enters an extract; leave it unmapped, unmapped columns are not read"
    )
}

/// A data set that is read from a file.
fn dataset(name: &str) -> Result<Dataset, String> {
    let found = Dataset::parse(name).map_err(|error| error.to_string())?;
    let sources: Vec<&str> = found.made_of().iter().map(|source| source.name()).collect();
    if sources.is_empty() {
        return Ok(found);
    }
    Err(format!("the agent makes data set `{name}` itself; declare an [[extract]] of {}", sources.join(", ")))
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

fn thousands_mark(text: &str) -> Result<char, String> {
    match text {
        "." => Ok('.'),
        "," => Ok(','),
        " " => Ok(' '),
        "'" => Ok('\''),
        _ => Err(format!("mark between thousands `{text}`; expected `.`, `,`, ` ` or `'`")),
    }
}

fn age(text: &str) -> Result<Duration, String> {
    let seconds = [("m", 60), ("h", 3_600), ("d", 86_400)];
    let read = seconds.into_iter().find_map(|(unit, seconds)| {
        let number = text.strip_suffix(unit)?;
        let plain =
            !number.is_empty() && number.len() <= 6 && number.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| number.parse::<u64>().ok()).flatten().map(|number| number * seconds)
    });
    match read {
        Some(seconds) if seconds > 0 => Ok(Duration::from_secs(seconds)),
        _ => Err(format!("max_age `{text}`; expected such as 90m, 36h or 45d")),
    }
}

/// One of our units.
pub(super) fn unit(name: &str) -> Result<Unit, String> {
    Unit::parse(name).ok_or_else(|| unknown("unit", name, &Unit::ALL.map(Unit::name)))
}

/// One of our kinds of stock.
pub(super) fn kind(name: &str) -> Result<&'static str, String> {
    KINDS.into_iter().find(|kind| *kind == name).ok_or_else(|| unknown("kind", name, &KINDS))
}
