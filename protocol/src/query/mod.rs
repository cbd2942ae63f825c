//! What may be asked: a query is a closed document, parsed once and then trusted.
//!
//! Owns the query as it is read from TOML, its canonical form (whose hash is its identity), the layout of
//! its cells and the figures made of opened cells. Pure: files come in as text through a closure. It must
//! not know hospitals, sessions or SQL.

mod check;
mod codes;
mod dataset;
mod decimal;
mod describe;
mod error;
mod expr;
mod layout;
mod logic;
mod measure;
mod parse;
mod table;
mod toml;
mod units;

#[cfg(test)]
mod tests;

pub use dataset::{Column, ColumnType, Counts, Dataset, KINDS};
pub use decimal::{Date, Decimal, FINEST, divide_half_even, pow10};
pub use error::{Code, QueryError, nearest};
pub use expr::{Aggregate, Compare, Expr, MAX_DEPTH, MAX_TERMS, MAX_TEXT, Scope, Term};
pub use layout::{Layout, MAX_CELLS};
pub use logic::{Operand, Scalar};
pub use measure::{Derive, MAX_MEASURES, MAX_NAME, Measure, MeasureKind};
pub use table::{Row, Value, table, table_with_floor};
pub use units::Unit;

use crate::codec::{List, Malformed, Text, decode, encode};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Version of the language that this program writes and reads.
const LANGUAGE: u16 = 1;
const MAX_DIMENSIONS: usize = 4;
const MAX_TITLE: usize = 200;

/// Why a query is asked; selects approvals and floors from the roster's rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Purpose {
    /// Stock and shortages.
    Stock,
    /// Quality of care.
    Quality,
    /// Research.
    Research,
    /// A crisis.
    Crisis,
}

impl Purpose {
    /// Every purpose.
    pub const ALL: [Purpose; 4] = [Purpose::Stock, Purpose::Quality, Purpose::Research, Purpose::Crisis];

    /// The text form.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Purpose::Stock => "stock",
            Purpose::Quality => "quality",
            Purpose::Research => "research",
            Purpose::Crisis => "crisis",
        }
    }

    fn dutch(self) -> &'static str {
        match self {
            Purpose::Stock => "voorraad",
            Purpose::Quality => "kwaliteit",
            Purpose::Research => "onderzoek",
            Purpose::Crisis => "crisis",
        }
    }
}

/// One axis of the cells: a column and the closed list of its values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dimension {
    column: Column,
    codes: List<Text<MAX_TEXT>, { check::MAX_CODES }>,
}

impl Dimension {
    /// The column.
    #[must_use]
    pub fn column(&self) -> Column {
        self.column
    }

    /// Its values; days as `YYYY-MM-DD`. Rows with another value are in no cell.
    #[must_use]
    pub fn codes(&self) -> &[Text<MAX_TEXT>] {
        &self.codes
    }
}

/// A definition of what may be summed. Decoding it, also inside another message, checks all of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct Query {
    language: u16,
    id: Text<64>,
    version: u32,
    title_nl: Text<MAX_TITLE>,
    title_en: Text<MAX_TITLE>,
    purpose: Purpose,
    dataset: Dataset,
    population: Expr,
    dimensions: List<Dimension, MAX_DIMENSIONS>,
    measures: List<Measure, MAX_MEASURES>,
    derives: List<Derive, MAX_MEASURES>,
    floor_hospitals: u16,
}

impl Query {
    /// Reads a query. `codes` gives the text of a code list, by the path that stands in the query and is
    /// relative to its file.
    ///
    /// # Errors
    /// The first thing that is wrong: line, key, problem, what was expected, what to do.
    pub fn from_toml(
        text: &str,
        codes: &mut dyn FnMut(&str) -> Result<String, String>,
    ) -> Result<Query, QueryError> {
        toml::read(text, codes)
    }

    /// Reads the canonical form and checks it as if it were text, for it may come from a liar.
    ///
    /// # Errors
    /// `Malformed` for bytes that are not the canonical form, else as [`Query::from_toml`] without a line.
    pub fn from_canonical(bytes: &[u8]) -> Result<Query, QueryError> {
        let Unchecked(query) = decode(bytes).map_err(|error| malformed(&error))?;
        check::query(&query)?;
        Ok(query)
    }

    /// The canonical form. Its hash is the query's identity: texts that differ in layout, comments, order
    /// of keys, white space in expressions or ways of quoting give equal bytes.
    ///
    /// # Errors
    /// `TooLong`, which a checked query never is.
    pub fn canonical(&self) -> Result<Vec<u8>, Malformed> {
        encode(self)
    }

    /// Stable id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Version under that id.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Title in Dutch.
    #[must_use]
    pub fn title_nl(&self) -> &str {
        &self.title_nl
    }

    /// Title in English.
    #[must_use]
    pub fn title_en(&self) -> &str {
        &self.title_en
    }

    /// Why it is asked.
    #[must_use]
    pub fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// The data set it reads.
    #[must_use]
    pub fn dataset(&self) -> Dataset {
        self.dataset
    }

    /// The rows that count.
    #[must_use]
    pub fn population(&self) -> &Expr {
        &self.population
    }

    /// The axes of the cells, in order.
    #[must_use]
    pub fn dimensions(&self) -> &[Dimension] {
        &self.dimensions
    }

    /// The measures of every cell, in order.
    #[must_use]
    pub fn measures(&self) -> &[Measure] {
        &self.measures
    }

    /// The figures computed after opening, in order.
    #[must_use]
    pub fn derives(&self) -> &[Derive] {
        &self.derives
    }

    /// Fewest hospitals behind a shown cell; 0 when the query sets no floor of its own.
    #[must_use]
    pub fn floor_hospitals(&self) -> u16 {
        self.floor_hospitals
    }

    /// The cells.
    #[must_use]
    pub fn layout(&self) -> Layout {
        // A checked query always has a layout.
        Layout::of(self).unwrap_or_else(Layout::empty)
    }

    /// The query in plain Dutch: what is computed here, what leaves, the floor.
    #[must_use]
    pub fn describe_nl(&self) -> String {
        describe::in_dutch(self)
    }
}

impl Serialize for Query {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        // The derived function of the same name, which serde's `remote` makes an inherent one.
        Query::serialize(self, s)
    }
}

impl<'de> Deserialize<'de> for Query {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let query = Query::deserialize(d)?;
        check::query(&query).map_err(D::Error::custom)?;
        Ok(query)
    }
}

/// A query as decoded, so that [`Query::from_canonical`] can say what is wrong with it.
struct Unchecked(Query);

impl Serialize for Unchecked {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        Query::serialize(&self.0, s)
    }
}

impl<'de> Deserialize<'de> for Unchecked {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Query::deserialize(d).map(Unchecked)
    }
}

fn malformed(error: &Malformed) -> QueryError {
    QueryError::new(Code::Malformed, error.to_string(), "the canonical form of a query")
}
