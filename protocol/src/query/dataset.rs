//! The canonical data sets: their columns, types and closed values.
//!
//! Owns what a query may name. It must not know files or databases; the node maps a hospital's own
//! columns onto these.

use super::error::{Code, QueryError};
use serde::{Deserialize, Serialize};

/// A canonical data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Dataset {
    /// What lies on the shelf at one moment.
    Stock,
    /// Issues minus returns per month.
    Use,
}

/// A column of a canonical data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Column {
    /// Reference date of a stock.
    AsOf,
    /// First day of the month of use.
    Period,
    /// Product code.
    Code,
    /// Amount, in the row's unit.
    Quantity,
    /// Unit of the amount.
    Unit,
    /// Kind of stock: regular, ccv, import, own, study.
    Kind,
    /// Expiry date.
    Expiry,
    /// Where it lies.
    Location,
    /// Whose it is.
    Owner,
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    /// Text, compared as it stands.
    Text,
    /// A day.
    Date,
    /// An exact decimal.
    Number,
}

/// The kinds of stock.
pub const KINDS: [&str; 5] = ["regular", "ccv", "import", "own", "study"];

const LATER: [&str; 6] = ["orders", "administration", "admission", "result", "position", "course"];

impl Dataset {
    /// Every data set this version can evaluate.
    pub const ALL: [Dataset; 2] = [Dataset::Stock, Dataset::Use];

    /// The text form.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Dataset::Stock => "stock",
            Dataset::Use => "use",
        }
    }

    /// The data set with this name.
    ///
    /// # Errors
    /// `NotYet` for one that comes later, `Unknown` with the nearest name for anything else.
    pub fn parse(name: &str) -> Result<Dataset, QueryError> {
        if let Some(found) = Dataset::ALL.into_iter().find(|dataset| dataset.name() == name) {
            return Ok(found);
        }
        if LATER.contains(&name) {
            return Err(QueryError::new(
                Code::NotYet,
                format!("data set `{name}` comes later"),
                "stock or use",
            )
            .advice("wait for the version that has it"));
        }
        Err(QueryError::unknown("data set", name, Dataset::ALL.map(Dataset::name)))
    }

    /// Its columns, in the order of the documentation.
    #[must_use]
    pub fn columns(self) -> &'static [Column] {
        match self {
            Dataset::Stock => &[
                Column::AsOf,
                Column::Code,
                Column::Quantity,
                Column::Unit,
                Column::Kind,
                Column::Expiry,
                Column::Location,
                Column::Owner,
            ],
            Dataset::Use => &[Column::Period, Column::Code, Column::Quantity, Column::Unit],
        }
    }

    /// Its column of this name.
    ///
    /// # Errors
    /// `Unknown` with the nearest name.
    pub fn column(self, name: &str) -> Result<Column, QueryError> {
        self.columns().iter().copied().find(|column| column.name() == name).ok_or_else(|| {
            let what = format!("column of data set {}", self.name());
            QueryError::unknown(&what, name, self.columns().iter().map(|column| column.name()))
        })
    }
}

impl Column {
    /// The text form.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Column::AsOf => "as_of",
            Column::Period => "period",
            Column::Code => "code",
            Column::Quantity => "quantity",
            Column::Unit => "unit",
            Column::Kind => "kind",
            Column::Expiry => "expiry",
            Column::Location => "location",
            Column::Owner => "owner",
        }
    }

    /// What it holds.
    #[must_use]
    pub fn column_type(self) -> ColumnType {
        match self {
            Column::AsOf | Column::Period | Column::Expiry => ColumnType::Date,
            Column::Quantity => ColumnType::Number,
            Column::Code | Column::Unit | Column::Kind | Column::Location | Column::Owner => ColumnType::Text,
        }
    }

    /// The only values it can have; `None` when any text will do.
    #[must_use]
    pub fn closed_values(self) -> Option<&'static [&'static str]> {
        const UNITS: [&str; 9] = ["piece", "tablet", "vial", "ml", "mg", "g", "IU", "mmol", "DDD"];
        match self {
            Column::Kind => Some(&KINDS),
            Column::Unit => Some(&UNITS),
            _ => None,
        }
    }

    /// Refuses a text that this column can never hold.
    pub(super) fn accept_text(self, value: &str) -> Result<(), QueryError> {
        let Some(values) = self.closed_values().filter(|values| !values.contains(&value)) else {
            return Ok(());
        };
        Err(QueryError::unknown(self.name(), value, values.iter().copied()))
    }
}

impl ColumnType {
    /// The word for it in messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            ColumnType::Text => "text",
            ColumnType::Date => "a date",
            ColumnType::Number => "a number",
        }
    }
}
