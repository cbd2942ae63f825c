//! What a value of an expression counts: powers of the row's unit and of days.
//!
//! Owns which values may be compared, added, multiplied. A bare number takes the gauge of what it stands
//! beside; two quantities of different powers never meet.

use super::dataset::{Column, ColumnType, Counts};
use super::error::{Code, QueryError};
use super::parameter::ParameterType;
use super::units::Unit;
use serde::{Deserialize, Serialize};

/// Highest power of a gauge.
const MOST: i8 = 3;

/// Powers of the row's unit and of days; both 0 for a plain number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Gauge {
    /// Power of the row's unit.
    pub unit: i8,
    /// Power of days.
    pub days: i8,
}

impl Gauge {
    /// A plain number.
    pub const PLAIN: Gauge = Gauge { unit: 0, days: 0 };
    /// A quantity in the row's unit.
    pub const QUANTITY: Gauge = Gauge { unit: 1, days: 0 };
    /// A length of time in days.
    pub const DAYS: Gauge = Gauge { unit: 0, days: 1 };

    /// The gauge of a product; used for units of figures alone, whose powers are small.
    #[must_use]
    pub(super) fn times(self, other: Gauge) -> Gauge {
        Gauge { unit: self.unit.saturating_add(other.unit), days: self.days.saturating_add(other.days) }
    }

    /// The unit of a figure, such as `mg`, `mg x days` or `1`.
    #[must_use]
    pub fn text(self, unit: Option<Unit>) -> String {
        let part = |name: &str, power: i8| match power {
            1 => name.to_owned(),
            power => format!("{name}^{power}"),
        };
        let parts = [(unit.map_or("quantity", Unit::name), self.unit), ("days", self.days)];
        let named: Vec<String> =
            parts.iter().filter(|(_, power)| *power != 0).map(|(name, power)| part(name, *power)).collect();
        if named.is_empty() { "1".to_owned() } else { named.join(" x ") }
    }

    /// In words, such as `quantity x days^-1`.
    #[must_use]
    pub fn name(self) -> String {
        if self == Gauge::PLAIN { "a plain number".to_owned() } else { self.text(None) }
    }
}

/// Type of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Holds {
    Text,
    Date,
    Number(Gauge),
    /// A number made of bare numbers.
    Literal,
}

impl Holds {
    pub(super) fn of(column: Column) -> Holds {
        match column.column_type() {
            ColumnType::Text => Holds::Text,
            ColumnType::Date => Holds::Date,
            ColumnType::Number => Holds::Number(match column.counts() {
                Some(Counts::Unit) => Gauge::QUANTITY,
                Some(Counts::Days) => Gauge::DAYS,
                Some(Counts::Years | Counts::Plain) | None => Gauge::PLAIN,
            }),
        }
    }

    pub(super) fn of_parameter(kind: ParameterType) -> Holds {
        match kind {
            ParameterType::Date => Holds::Date,
            ParameterType::Number => Holds::Literal,
            ParameterType::Text => Holds::Text,
        }
    }

    pub(super) fn name(self) -> String {
        match self {
            Holds::Text => "text".to_owned(),
            Holds::Date => "a date".to_owned(),
            Holds::Number(Gauge::PLAIN) | Holds::Literal => "a number".to_owned(),
            Holds::Number(gauge) => gauge.name(),
        }
    }

    /// The type of two values that are compared.
    pub(super) fn beside(self, other: Holds) -> Result<Holds, QueryError> {
        match (self, other) {
            (one, two) if one == two => Ok(one),
            (gauged @ Holds::Number(_), Holds::Literal) | (Holds::Literal, gauged @ Holds::Number(_)) => {
                Ok(gauged)
            }
            (one, two) => {
                let problem = format!("{} is compared with {}", one.name(), two.name());
                Err(QueryError::new(Code::Type, problem, "both sides of one type")
                    .advice("write a number bare, a text or a date in single quotes"))
            }
        }
    }

    /// The type of a sum or a difference of numbers.
    pub(super) fn plus(self, other: Holds) -> Result<Holds, QueryError> {
        match (self, other) {
            (Holds::Number(_) | Holds::Literal, Holds::Number(_) | Holds::Literal) => {
                self.beside(other).map_err(|_| {
                    let problem = format!("{} and {} are added or subtracted", self.name(), other.name());
                    QueryError::new(Code::Type, problem, "both sides of one unit")
                })
            }
            _ => Err(no_number(self, other)),
        }
    }

    /// The type of a product, or with `sign` -1 of a quotient.
    pub(super) fn times(self, other: Holds, sign: i8) -> Result<Holds, QueryError> {
        let gauge = |holds| match holds {
            Holds::Number(gauge) => Some(gauge),
            Holds::Literal => Some(Gauge::PLAIN),
            Holds::Text | Holds::Date => None,
        };
        let (Some(left), Some(right)) = (gauge(self), gauge(other)) else {
            return Err(no_number(self, other));
        };
        if (self, other) == (Holds::Literal, Holds::Literal) {
            return Ok(Holds::Literal);
        }
        let power = |left: i8, right: i8| {
            let power = left.checked_add(right.checked_mul(sign)?)?;
            (-MOST..=MOST).contains(&power).then_some(power)
        };
        let made = power(left.unit, right.unit).zip(power(left.days, right.days));
        let (unit, days) =
            made.ok_or_else(|| QueryError::new(Code::Limit, "a unit to a power above 3", "fewer factors"))?;
        Ok(Holds::Number(Gauge { unit, days }))
    }
}

fn no_number(left: Holds, right: Holds) -> QueryError {
    let problem = format!("arithmetic with {} and {}", left.name(), right.name());
    QueryError::new(Code::Type, problem, "numbers; of two dates the difference alone, in days")
}
