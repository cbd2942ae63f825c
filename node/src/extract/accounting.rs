//! Row accounting: every row of a file is used or rejected, and both are counted.
//!
//! For the hospital's own eyes; nothing of it leaves.

use samensom_protocol::query::{Dataset, Date, Unit};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// Most rejected rows that are kept to be shown.
pub(super) const SHOWN: usize = 20;

/// Counts of one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accounting {
    /// The data set.
    #[serde(serialize_with = "dataset_name", deserialize_with = "dataset_of")]
    pub dataset: Dataset,
    /// The file.
    pub file: String,
    /// Rows below the header.
    pub total: u64,
    /// Rows that count.
    pub used: u64,
    /// Rows that cannot be used.
    pub rejected: u64,
    /// The units found, in the order of their first rows.
    pub units: Vec<UnitSeen>,
    /// The newest date of the data: the reference date of a stock, the last month of use.
    #[serde(serialize_with = "date_text", deserialize_with = "date_of")]
    pub newest: Option<Date>,
    /// The first rejected rows, at most 20.
    pub first_rejected: Vec<Rejected>,
}

/// A unit and where it was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitSeen {
    /// The unit.
    #[serde(serialize_with = "unit_name", deserialize_with = "unit_of")]
    pub unit: Unit,
    /// Used rows with it.
    pub rows: u64,
    /// The first of them.
    pub first_row: u64,
}

/// A row that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejected {
    /// Line in the file, the header being 1.
    pub row: u64,
    /// The file's column.
    pub column: String,
    /// What stands there, shortened.
    pub value: String,
    /// What is wrong with it.
    pub reason: String,
    /// What to do.
    pub remedy: String,
}

impl fmt::Display for Accounting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: rows total {} = used {} + rejected {}",
            self.file, self.total, self.used, self.rejected
        )
    }
}

fn dataset_name<S: Serializer>(dataset: &Dataset, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(dataset.name())
}

fn unit_name<S: Serializer>(unit: &Unit, s: S) -> Result<S::Ok, S::Error> {
    s.serialize_str(unit.name())
}

fn date_text<S: Serializer>(date: &Option<Date>, s: S) -> Result<S::Ok, S::Error> {
    match date {
        Some(date) => s.collect_str(date),
        None => s.serialize_none(),
    }
}

fn dataset_of<'de, D: Deserializer<'de>>(d: D) -> Result<Dataset, D::Error> {
    Dataset::parse(&String::deserialize(d)?).map_err(D::Error::custom)
}

fn unit_of<'de, D: Deserializer<'de>>(d: D) -> Result<Unit, D::Error> {
    Unit::parse(&String::deserialize(d)?).ok_or_else(|| D::Error::custom("no unit"))
}

fn date_of<'de, D: Deserializer<'de>>(d: D) -> Result<Option<Date>, D::Error> {
    let text = Option::<String>::deserialize(d)?;
    text.map(|text| Date::parse(&text).ok_or_else(|| D::Error::custom("no date"))).transpose()
}
