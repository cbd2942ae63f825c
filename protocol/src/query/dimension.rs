//! The axes of the cells, and classes of numbers and days.
//!
//! Owns which place along an axis a value has and what the places are called. A value that is not listed has
//! no place unless the query asks for `other`, an absent one none unless it asks for `missing`.

use super::dataset::Column;
use super::decimal::{Date, Decimal};
use super::expr::MAX_TEXT;
use crate::codec::{List, Text};
use serde::{Deserialize, Serialize};

/// Most codes of all dimensions of a query together, so that its canonical form fits one message.
pub const MAX_CODES: usize = 20_000;
/// Most ends of classes.
pub const MAX_BINS: usize = 128;

/// Where classes of numbers end: each holds its lower end and not its upper one, the first and the last are
/// open.
pub type Bins = List<Decimal, MAX_BINS>;

/// One axis of the cells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dimension {
    pub(super) column: Column,
    pub(super) classes: Classes,
    pub(super) other: bool,
    pub(super) missing: bool,
}

/// How the values of a column are told apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Classes {
    /// By a closed list of its values; days as `YYYY-MM-DD`.
    Codes(List<Text<MAX_TEXT>, MAX_CODES>),
    /// Numbers by where classes end.
    Numbers(Bins),
    /// Days by the days on which classes end.
    Days(List<Date, MAX_BINS>),
}

impl Dimension {
    /// The column.
    #[must_use]
    pub fn column(&self) -> Column {
        self.column
    }

    /// Whether its places are classes of hospitals, by the roster; else of rows.
    #[must_use]
    pub fn is_of_hospitals(&self) -> bool {
        self.column.is_of_hospitals()
    }

    /// Whether its values are those that the roster has when the warrant is made, and are not filled in yet.
    #[must_use]
    pub fn awaits_roster(&self) -> bool {
        self.is_of_hospitals() && self.codes().is_empty()
    }

    /// How its values are told apart.
    #[must_use]
    pub fn classes(&self) -> &Classes {
        &self.classes
    }

    /// Whether values that are not listed have a place of their own, behind the listed ones.
    #[must_use]
    pub fn has_other(&self) -> bool {
        self.other
    }

    /// Whether absent values have a place of their own, the last.
    #[must_use]
    pub fn has_missing(&self) -> bool {
        self.missing
    }

    /// The listed values; empty for classes.
    #[must_use]
    pub fn codes(&self) -> &[Text<MAX_TEXT>] {
        match &self.classes {
            Classes::Codes(codes) => codes,
            Classes::Numbers(_) | Classes::Days(_) => &[],
        }
    }

    /// The number of places of listed values or classes.
    #[must_use]
    pub fn listed(&self) -> usize {
        match &self.classes {
            Classes::Codes(codes) => codes.len(),
            Classes::Numbers(bins) => bins.len().saturating_add(1),
            Classes::Days(bins) => bins.len().saturating_add(1),
        }
    }

    /// The number of places.
    #[must_use]
    pub fn size(&self) -> usize {
        self.listed().saturating_add(usize::from(self.other)).saturating_add(usize::from(self.missing))
    }

    /// The place of values that are not listed.
    #[must_use]
    pub fn place_of_other(&self) -> Option<usize> {
        self.other.then(|| self.listed())
    }

    /// The place of absent values.
    #[must_use]
    pub fn place_of_missing(&self) -> Option<usize> {
        self.missing.then(|| self.listed().saturating_add(usize::from(self.other)))
    }

    /// What a place is called.
    #[must_use]
    pub fn label(&self, place: usize) -> Option<String> {
        if self.place_of_other() == Some(place) {
            return Some("other".to_owned());
        }
        if self.place_of_missing() == Some(place) {
            return Some("missing".to_owned());
        }
        match &self.classes {
            Classes::Codes(codes) => codes.get(place).map(|code| code.to_string()),
            Classes::Numbers(bins) => bin_names(bins, &Decimal::to_string).get(place).cloned(),
            Classes::Days(bins) => bin_names(bins, &Date::to_string).get(place).cloned(),
        }
    }
}

/// What the classes are called.
pub(super) fn bin_names<T>(bins: &[T], shown: &dyn Fn(&T) -> String) -> Vec<String> {
    let (Some(first), Some(last)) = (bins.first(), bins.last()) else { return Vec::new() };
    let between = bins.windows(2).filter_map(|pair| match pair {
        [low, high] => Some(format!("{} to <{}", shown(low), shown(high))),
        _ => None,
    });
    let open = [format!("<{}", shown(first))].into_iter();
    open.chain(between).chain([format!(">={}", shown(last))]).collect()
}
