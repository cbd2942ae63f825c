//! What may be asked: a query is a closed document, parsed once and then trusted.
//!
//! Owns the query as it is read from TOML, its canonical form (whose hash is its identity), the layout of
//! its cells and the figures made of opened cells. Pure: files come in as text through a closure. It must
//! not know hospitals, sessions or SQL.

mod check;
mod classes;
mod codes;
mod count;
mod dataset;
mod decimal;
mod derive;
mod derived;
mod describe;
mod dimension;
mod error;
mod expr;
mod family;
mod gauge;
mod layout;
mod lex;
mod logic;
mod measure;
pub mod overlap;
mod parameter;
mod parse;
mod period;
mod ratio;
pub mod shape;
mod table;
mod toml;
mod units;

#[cfg(test)]
mod tests;

pub use classes::Class;
pub use count::tree;
pub use count::{Counting, Dominance, Lane, MAX_FILTERS, Matter, Open, Placed, stricter};
pub use dataset::{Column, ColumnType, Counts, Dataset, KINDS};
pub use decimal::{Date, Decimal, FINEST, divide_half_even, pow10};
pub use derive::{Derive, DeriveKind};
pub use describe::Language;
pub use dimension::{Bins, Classes, Dimension, MAX_CODES};
pub use error::{Code, QueryError, nearest};
pub use expr::{Aggregate, Compare, Expr, MAX_DEPTH, MAX_TERMS, MAX_TEXT, Scope, Term};
pub use gauge::Gauge;
pub use layout::{Layout, MAX_CELLS};
pub use logic::{Operand, Scalar};
pub use measure::{Limits, MAX_MEASURES, MAX_NAME, Measure, MeasureKind, Part, Per};
pub use overlap::{Answered, Predicate, is_too_close};
pub use parameter::{Bounds, Literal, MAX_PARAMETERS, Parameter, ParameterType, Rule};
pub use ratio::{Overflow, Ratio};
pub use shape::{Floors, Shape};
pub use table::{Row, Shown, Value, table};
pub use units::Unit;

use crate::codec::{List, Malformed, Text, decode, encode};
use crate::crypto::blocks::Blocks;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Version of the language that this program writes and reads.
const LANGUAGE: u16 = 2;
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
    /// Of the extract's reference date, in minutes; 0 for any.
    max_age: u32,
    parameters: List<Parameter, MAX_PARAMETERS>,
    population: Expr,
    dimensions: List<Dimension, MAX_DIMENSIONS>,
    measures: List<Measure, MAX_MEASURES>,
    derives: List<Derive, MAX_MEASURES>,
    floor_hospitals: u16,
    floor_patients: u32,
    floor_dominance: u8,
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

    /// Fewest patients behind a shown cell; 0 for data sets without patients.
    #[must_use]
    pub fn floor_patients(&self) -> u32 {
        self.floor_patients
    }

    /// The share of a figure's total, in percent, above which no hospital may be; 0 when the query sets none.
    #[must_use]
    pub fn floor_dominance(&self) -> u8 {
        self.floor_dominance
    }

    /// Greatest age of the extract's reference date in minutes; `None` when the query sets none.
    #[must_use]
    pub fn max_age_minutes(&self) -> Option<u32> {
        (self.max_age > 0).then_some(self.max_age)
    }

    /// What it leaves open until its warrant is made.
    #[must_use]
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// The query with these values of its parameters, and usual values on `today` for the others.
    ///
    /// # Errors
    /// A name that is no parameter's, a value of another type or out of bounds, a parameter without a value.
    pub fn bound(mut self, given: &[(String, String)], today: Date) -> Result<Query, QueryError> {
        for (name, _) in given {
            if !self.parameters.iter().any(|parameter| parameter.name() == name) {
                let known: Vec<&str> = self.parameters.iter().map(Parameter::name).collect();
                return Err(QueryError::unknown("parameter", name, known));
            }
        }
        let mut parameters = Vec::new();
        for parameter in self.parameters.iter() {
            let text = given.iter().rev().find(|(name, _)| name == parameter.name()).map(|(_, text)| text);
            let value = match text {
                Some(text) => Some(parameter.read(text)?),
                None => parameter.usual(today),
            };
            if value.is_none() {
                let problem = format!("the parameter `{}` has no value", parameter.name());
                return Err(QueryError::new(Code::Missing, problem, parameter.bounds().to_string()));
            }
            parameters.push(Parameter { value, ..parameter.clone() });
        }
        self.parameters = List::new(parameters).map_err(|error| malformed(&error))?;
        check::query(&self)?;
        Ok(self)
    }

    /// The query as it is computed: every parameter replaced by its value.
    ///
    /// # Errors
    /// `Missing` when a parameter has none, or when classes of hospitals are not filled in.
    pub fn resolved(&self) -> Result<Query, QueryError> {
        if self.dimensions.iter().any(Dimension::awaits_roster) {
            let expected = "the classes of hospitals, filled in from the roster when the warrant is made";
            return Err(QueryError::new(Code::Missing, "classes of hospitals without values", expected));
        }
        self.with_values()
    }

    /// The query with the values of its parameters in their places.
    fn with_values(&self) -> Result<Query, QueryError> {
        let missing = || {
            let expected = "values for all parameters, given when the warrant is made";
            QueryError::new(Code::Missing, "a parameter has no value", expected)
        };
        let expr = |expr: &Expr| expr.resolved(&self.parameters).ok_or_else(missing);
        let mut query = self.clone();
        query.population = expr(&self.population)?;
        let mut measures = Vec::new();
        for measure in self.measures.iter() {
            measures.push(measure.resolved(&expr)?);
        }
        query.measures = List::new(measures).map_err(|error| malformed(&error))?;
        query.parameters = List::default();
        Ok(query)
    }

    /// The cells.
    #[must_use]
    pub fn layout(&self) -> Layout {
        // A checked query always has a layout.
        Layout::of(self).unwrap_or_else(Layout::empty)
    }

    /// Which cells are committed to together, and which are checked.
    #[must_use]
    pub fn blocks(&self) -> Blocks {
        let caps = |measure: &Measure| {
            let parts = measure.parts().unwrap_or_default().into_iter();
            let cap = |part: Part| measure.is_checked().then(|| part.high.abs_diff(part.low));
            parts.map(cap).collect::<Vec<Option<u64>>>()
        };
        let caps: Vec<Option<u64>> = self.measures.iter().flat_map(caps).collect();
        Blocks::new(self.layout().cells(), &caps)
    }

    /// Which lanes of a count pass of so many are committed to together: all are checked where any figure is.
    #[must_use]
    pub fn count_blocks(&self, lanes: u32) -> Blocks {
        let any = self.measures.iter().any(Measure::is_checked);
        Blocks::new(lanes, &[any.then_some(1)])
    }

    /// The query in plain words: what is read, who counts, what is computed, which floors hold, what leaves.
    #[must_use]
    pub fn describe(&self, language: Language) -> String {
        describe::describe(self, language)
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
