//! Figures computed after opening, of opened figures alone.
//!
//! Owns their wire form. The reckoning is `derived.rs`.

use super::decimal::Decimal;
use super::measure::{MAX_MEASURES, MAX_NAME};
use crate::codec::{List, Text};
use serde::{Deserialize, Serialize};

/// A figure, or several, made of opened ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Derive {
    pub(super) name: Text<MAX_NAME>,
    pub(super) kind: DeriveKind,
    pub(super) scale: u8,
}

/// Positions of measures in a query.
pub type Positions = List<u8, MAX_MEASURES>;

/// What is computed. Numbers are positions of measures in the query.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum DeriveKind {
    /// The sum of some measures over the sum of others.
    Ratio {
        /// Above the line.
        numerator: Positions,
        /// Below it.
        denominator: Positions,
    },
    /// Months of cover: stock over the use of so many months divided by their number.
    Cover {
        /// The stock.
        stock: u8,
        /// The use.
        used: u8,
        /// In so many months.
        months: u16,
    },
    /// This cell's part of the sum over all cells, or over those that differ in one dimension alone.
    Share {
        /// The measure.
        of: u8,
        /// Position of the dimension.
        over: Option<u8>,
    },
    /// Mean of a measure of moments.
    Mean(u8),
    /// Variance of a measure of moments, with n - 1 below the line.
    Variance(u8),
    /// The value below which this share of a histogram's values lies, on a straight line within its class.
    Quantile {
        /// The histogram.
        of: u8,
        /// Between 0 and 1.
        share: Decimal,
    },
    /// Coefficients of a regression by least squares, their standard errors and the degrees of freedom.
    Coefficients(u8),
    /// The share that has had no event at the end of each interval: the life table of Cutler and Ederer
    /// (1958), in which those censored in an interval count for half of it.
    Curve(u8),
}

impl Derive {
    /// Its name, which is a column of the output.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What is computed.
    #[must_use]
    pub fn kind(&self) -> &DeriveKind {
        &self.kind
    }

    /// Positions of the measures it is made of.
    #[must_use]
    pub fn made_of(&self) -> Vec<usize> {
        let places: Vec<u8> = match &self.kind {
            DeriveKind::Ratio { numerator, denominator } => {
                numerator.iter().chain(denominator.iter()).copied().collect()
            }
            DeriveKind::Cover { stock, used, .. } => vec![*stock, *used],
            DeriveKind::Share { of, .. }
            | DeriveKind::Mean(of)
            | DeriveKind::Variance(of)
            | DeriveKind::Quantile { of, .. }
            | DeriveKind::Coefficients(of)
            | DeriveKind::Curve(of) => vec![*of],
        };
        places.into_iter().map(usize::from).collect()
    }

    /// Decimals kept, rounded half to even.
    #[must_use]
    pub fn scale(&self) -> u8 {
        self.scale
    }
}
