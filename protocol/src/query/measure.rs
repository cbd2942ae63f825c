//! What is computed per cell at every hospital.
//!
//! Owns the wire form of a measure, the figures it consists of and their bounds. A measure has one figure or
//! several (the classes of a histogram, the sums of a regression), which lie side by side in every cell.
//! Checks that need the whole query are in `check`.

use super::decimal::{Decimal, pow10};
use super::dimension::{Bins, bin_names};
use super::error::QueryError;
use super::expr::Expr;
use super::gauge::Gauge;
use super::units::Unit;
use crate::codec::{List, Text};
use serde::{Deserialize, Serialize};

/// Longest name in bytes.
pub const MAX_NAME: usize = 64;
/// Most measures of one query.
pub const MAX_MEASURES: usize = 32;
/// Most predictors of a regression, without the intercept.
pub const MAX_PREDICTORS: usize = 8;

/// What every hospital contributes to every cell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measure {
    pub(super) name: Text<MAX_NAME>,
    pub(super) kind: MeasureKind,
    pub(super) filter: Expr,
    pub(super) unit: Option<Unit>,
    pub(super) gauge: Gauge,
    /// Every figure comes with a proof that it lies in its range (profile V3).
    pub(super) checked: bool,
}

/// What a value is taken of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Per {
    /// One value of the hospital's own figures over the rows of the cell; none without rows.
    Hospital,
    /// One value of every row.
    Row,
}

/// Limits of every value of a measure, and how many there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Decimals kept.
    pub scale: u8,
    /// Least value, in units.
    pub low: i64,
    /// Greatest value, in units.
    pub high: i64,
    /// Most values per hospital and cell.
    pub max: i64,
}

/// What a measure computes of the rows of one cell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum MeasureKind {
    /// The sum of a number over the rows; a row without a value adds nothing. The limits are those of the
    /// whole sum, of which there is one.
    Sum {
        /// The number, of one row.
        of: Expr,
        /// Of the sum.
        limits: Limits,
    },
    /// The number of rows.
    Rows {
        /// Most per hospital and cell.
        max: i64,
    },
    /// 1 when the hospital's own figures meet the condition, else 0.
    Hospitals {
        /// Over the figures of the cell.
        condition: Expr,
    },
    /// The number of different persons. Summed over hospitals it counts a person once at each of them.
    Patients {
        /// Most per hospital and cell.
        max: i64,
    },
    /// Values counted in classes, the last for those that are absent.
    Histogram {
        /// The value.
        of: Expr,
        /// Of what.
        per: Per,
        /// Where classes end.
        bins: Bins,
        /// Most values per hospital and cell.
        max: i64,
    },
    /// Number, sum and sum of squares of values, and how many were absent.
    Moments {
        /// The value.
        of: Expr,
        /// Of what.
        per: Per,
        /// Of every value.
        limits: Limits,
    },
    /// The sufficient statistics of a linear model with an intercept, and how many lacked a value.
    Regression {
        /// The outcome.
        outcome: Expr,
        /// What explains it.
        predictors: List<Expr, MAX_PREDICTORS>,
        /// One of what.
        per: Per,
        /// Of every value.
        limits: Limits,
    },
    /// Per interval of time: how many were at risk at its beginning, had the event in it, were censored in
    /// it; and how many rows had no time.
    Survival {
        /// From the start to the event or the end of observation.
        time: Expr,
        /// Whether it was the event.
        event: Expr,
        /// Where intervals end; the last one has no end.
        bins: Bins,
        /// Most rows per hospital and cell.
        max: i64,
    },
}

/// One figure of a measure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// What it is within its measure; empty for the only figure of one.
    pub name: String,
    /// Its unit, as text.
    pub unit: String,
    /// Its decimals.
    pub scale: u8,
    /// Least per hospital and cell, in base units.
    pub low: i64,
    /// Most per hospital and cell, in base units.
    pub high: i64,
}

impl Measure {
    /// Its name, which is a column of the output.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it computes.
    #[must_use]
    pub fn kind(&self) -> &MeasureKind {
        &self.kind
    }

    /// Rows that do not meet this do not count for this measure.
    #[must_use]
    pub fn filter(&self) -> &Expr {
        &self.filter
    }

    /// Whether every figure comes with a proof that it lies in its range.
    #[must_use]
    pub fn is_checked(&self) -> bool {
        self.checked
    }

    /// The unit every counted row must have; another is refused, never converted. `None` when no quantity is
    /// looked at.
    #[must_use]
    pub fn unit(&self) -> Option<Unit> {
        self.unit
    }

    /// The figures, in their order; `None` when a bound does not fit 64 bits.
    #[must_use]
    pub fn parts(&self) -> Option<Vec<Part>> {
        let unit = self.gauge.text(self.unit);
        match &self.kind {
            MeasureKind::Sum { limits, .. } => {
                let (low, high) = limits.ends()?;
                Some(vec![Part { name: String::new(), unit, scale: limits.scale, low, high }])
            }
            MeasureKind::Rows { max } => Some(vec![count("", "rows", *max)]),
            MeasureKind::Hospitals { .. } => Some(vec![count("", "hospitals", 1)]),
            MeasureKind::Patients { max } => Some(vec![count("", "patients", *max)]),
            MeasureKind::Histogram { per, bins, max, .. } => {
                let named = |name: String| count(&name, per.counted(), *max);
                let names = bin_names(bins, &Decimal::to_string);
                Some(names.into_iter().chain(["none".to_owned()]).map(named).collect())
            }
            MeasureKind::Moments { per, limits, .. } => {
                let square = self.gauge.times(self.gauge).text(self.unit);
                Some(vec![
                    count("n", per.counted(), limits.max),
                    limits.sum_of("sum", unit)?,
                    limits.products_of("squares", square, true)?,
                    count("none", per.counted(), limits.max),
                ])
            }
            MeasureKind::Regression { predictors, per, limits, .. } => {
                regression_parts(predictors.len(), *per, limits)
            }
            MeasureKind::Survival { bins, max, .. } => {
                let names = bin_names(bins, &Decimal::to_string);
                let of = |name: &String| {
                    ["at risk", "event", "censored"]
                        .map(|what| count(&format!("{name} {what}"), "rows", *max))
                };
                Some(names.iter().flat_map(of).chain([count("none", "rows", *max)]).collect())
            }
        }
    }

    /// With every expression as `expr` makes it.
    pub(super) fn resolved(
        &self,
        expr: &impl Fn(&Expr) -> Result<Expr, QueryError>,
    ) -> Result<Measure, QueryError> {
        let mut measure = self.clone();
        measure.filter = expr(&self.filter)?;
        match &mut measure.kind {
            MeasureKind::Rows { .. } | MeasureKind::Patients { .. } => {}
            MeasureKind::Sum { of, .. }
            | MeasureKind::Histogram { of, .. }
            | MeasureKind::Moments { of, .. }
            | MeasureKind::Hospitals { condition: of } => *of = expr(of)?,
            MeasureKind::Regression { outcome, predictors, .. } => {
                *outcome = expr(outcome)?;
                let made: Result<Vec<Expr>, QueryError> = predictors.iter().map(expr).collect();
                *predictors = List::new(made?).map_err(|error| super::malformed(&error))?;
            }
            MeasureKind::Survival { time, event, .. } => {
                *time = expr(time)?;
                *event = expr(event)?;
            }
        }
        Ok(measure)
    }

    /// The only figure's decimals, or those of the values.
    #[must_use]
    pub fn scale(&self) -> u8 {
        match &self.kind {
            MeasureKind::Sum { limits, .. }
            | MeasureKind::Moments { limits, .. }
            | MeasureKind::Regression { limits, .. } => limits.scale,
            _ => 0,
        }
    }

    /// The unit of the only figure, as text.
    #[must_use]
    pub fn unit_text(&self) -> String {
        let first = self.parts().and_then(|parts| parts.into_iter().next());
        first.map_or_else(String::new, |part| part.unit)
    }

    /// Whether its figures say of each hospital whether it is one of those counted.
    #[must_use]
    pub fn counts_hospitals(&self) -> bool {
        matches!(self.kind, MeasureKind::Hospitals { .. } | MeasureKind::Histogram { per: Per::Hospital, .. })
    }

    /// Whether it is one figure, of which ratios and shares can be made.
    #[must_use]
    pub fn is_single(&self) -> bool {
        matches!(
            self.kind,
            MeasureKind::Sum { .. }
                | MeasureKind::Rows { .. }
                | MeasureKind::Hospitals { .. }
                | MeasureKind::Patients { .. }
        )
    }
}

impl Per {
    /// What is counted, as text.
    #[must_use]
    pub fn counted(self) -> &'static str {
        match self {
            Per::Hospital => "hospitals",
            Per::Row => "rows",
        }
    }
}

impl Limits {
    /// Least and greatest value in base units.
    #[must_use]
    pub fn ends(&self) -> Option<(i64, i64)> {
        let factor = i64::try_from(pow10(self.scale)?).ok()?;
        Some((self.low.checked_mul(factor)?, self.high.checked_mul(factor)?))
    }

    fn sum_of(&self, name: &str, unit: String) -> Option<Part> {
        let (low, high) = self.ends()?;
        let (low, high) = (low.checked_mul(self.max)?, high.checked_mul(self.max)?);
        Some(Part { name: name.to_owned(), unit, scale: self.scale, low, high })
    }

    /// Of products of two values, which are not below 0 where both are the same.
    fn products_of(&self, name: &str, unit: String, squares: bool) -> Option<Part> {
        let most = i64::try_from(self.low.unsigned_abs().max(self.high.unsigned_abs())).ok()?;
        let factor = i64::try_from(pow10(self.scale)?).ok()?;
        let high = most.checked_mul(most)?.checked_mul(factor)?.checked_mul(self.max)?;
        let low = if squares { 0 } else { high.checked_neg()? };
        Some(Part { name: name.to_owned(), unit, scale: self.scale, low, high })
    }
}

fn count(name: &str, unit: &str, max: i64) -> Part {
    Part { name: name.to_owned(), unit: unit.to_owned(), scale: 0, low: 0, high: max }
}

/// X'X above and on its diagonal row by row, X'y, y'y, and those without a value; the first column of X is
/// 1. Values of several gauges meet here, so no unit stands beside them.
fn regression_parts(predictors: usize, per: Per, limits: &Limits) -> Option<Vec<Part>> {
    let name = |at: usize| if at == 0 { String::new() } else { format!("x{at}") };
    let mut parts = Vec::new();
    for row in 0..=predictors {
        for column in row..=predictors {
            let both = format!("{} {}", name(row), name(column)).trim().to_owned();
            parts.push(match (row, column) {
                (0, 0) => count("n", per.counted(), limits.max),
                (0, _) => limits.sum_of(&both, "1".to_owned())?,
                _ => limits.products_of(&both, "1".to_owned(), row == column)?,
            });
        }
    }
    parts.push(limits.sum_of("y", "1".to_owned())?);
    for row in 1..=predictors {
        parts.push(limits.products_of(&format!("{} y", name(row)), "1".to_owned(), false)?);
    }
    parts.push(limits.products_of("y y", "1".to_owned(), true)?);
    parts.push(count("none", per.counted(), limits.max));
    Some(parts)
}
