//! What a query leaves open until its warrant is made: typed, bounded, with a rule for its usual value.
//!
//! Owns the rules and their binding. A query whose parameters have values is another canonical form than
//! its definition: approvers sign the values.

use super::decimal::{Date, Decimal};
use super::error::{Code, QueryError};
use super::expr::{MAX_TEXT, Term};
use super::measure::MAX_NAME;
use crate::codec::{List, Text};
use serde::{Deserialize, Serialize};

/// Most parameters of one query.
pub const MAX_PARAMETERS: usize = 16;
/// Most values that a text may be chosen from.
const MAX_CHOICES: usize = 64;
/// Most days before or after today.
const MAX_DAYS: i32 = 36_600;

/// Something that a query leaves open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameter {
    pub(super) name: Text<MAX_NAME>,
    pub(super) bounds: Bounds,
    pub(super) usual: Option<Rule>,
    pub(super) value: Option<Literal>,
}

/// Which values it may have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Bounds {
    /// A day, from the first to the last.
    Date(Date, Date),
    /// A number, from the least to the greatest.
    Number(Decimal, Decimal),
    /// One of these texts.
    Text(List<Text<MAX_TEXT>, MAX_CHOICES>),
}

/// Type of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ParameterType {
    /// A day.
    Date,
    /// A number.
    Number,
    /// A text.
    Text,
}

/// A value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Literal {
    /// A day.
    Date(Date),
    /// A number.
    Number(Decimal),
    /// A text.
    Text(Text<MAX_TEXT>),
}

/// How the usual value is found on the day on which the warrant is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rule {
    /// Always this.
    Fixed(Literal),
    /// That day and so many days, which may be below 0.
    Today(i32),
    /// The first day of that month and so many months.
    Month(i32),
}

impl Parameter {
    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Which values it may have.
    #[must_use]
    pub fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// Its value, when it has one.
    #[must_use]
    pub fn value(&self) -> Option<&Literal> {
        self.value.as_ref()
    }

    /// Its usual value on `today`; `None` without a rule or outside the calendar.
    #[must_use]
    pub fn usual(&self, today: Date) -> Option<Literal> {
        match self.usual.as_ref()? {
            Rule::Fixed(literal) => Some(literal.clone()),
            Rule::Today(days) => today.plus_days(*days).map(Literal::Date),
            Rule::Month(months) => today.plus_months(*months).map(Literal::Date),
        }
    }

    /// Its type.
    #[must_use]
    pub fn kind(&self) -> ParameterType {
        match self.bounds {
            Bounds::Date(..) => ParameterType::Date,
            Bounds::Number(..) => ParameterType::Number,
            Bounds::Text(_) => ParameterType::Text,
        }
    }

    /// The value that people write.
    ///
    /// # Errors
    /// When it is of another type, or out of bounds.
    pub fn read(&self, text: &str) -> Result<Literal, QueryError> {
        let wrong =
            |expected: &str| QueryError::new(Code::Type, format!("`{text}` for `{}`", &*self.name), expected);
        let literal = match self.kind() {
            ParameterType::Date => {
                Literal::Date(Date::parse(text).ok_or_else(|| wrong("a day as YYYY-MM-DD"))?)
            }
            ParameterType::Number => {
                Literal::Number(Decimal::parse(text).ok_or_else(|| wrong("a number such as 12.5"))?)
            }
            ParameterType::Text => {
                Literal::Text(Text::new(text).map_err(|_| wrong("a text of at most 64 bytes"))?)
            }
        };
        self.accept(&literal)?;
        Ok(literal)
    }

    /// Refuses a value of another type or out of bounds.
    pub(super) fn accept(&self, literal: &Literal) -> Result<(), QueryError> {
        let inside = match (&self.bounds, literal) {
            (Bounds::Date(low, high), Literal::Date(value)) => (low..=high).contains(&value),
            (Bounds::Number(low, high), Literal::Number(value)) => (low..=high).contains(&value),
            (Bounds::Text(choices), Literal::Text(value)) => choices.contains(value),
            _ => false,
        };
        if inside {
            return Ok(());
        }
        let problem = format!("{literal} for `{}`", &*self.name);
        Err(QueryError::new(Code::Limit, problem, self.bounds.to_string()))
    }

    /// Refuses bounds the wrong way round and rules that can never give a value.
    pub(super) fn check(&self) -> Result<(), QueryError> {
        let turned = match &self.bounds {
            Bounds::Date(low, high) => low > high,
            Bounds::Number(low, high) => low > high,
            Bounds::Text(choices) => choices.is_empty(),
        };
        if turned {
            return Err(QueryError::new(Code::Conflict, "bounds without a value between", "[LOW, HIGH]"));
        }
        match &self.usual {
            Some(Rule::Fixed(literal)) => self.accept(literal)?,
            Some(Rule::Today(days) | Rule::Month(days))
                if self.kind() != ParameterType::Date || !(-MAX_DAYS..=MAX_DAYS).contains(days) =>
            {
                return Err(QueryError::new(Code::Type, "a rule for a day", "a parameter that is a date"));
            }
            Some(Rule::Today(_) | Rule::Month(_)) | None => {}
        }
        self.value.as_ref().map_or(Ok(()), |value| self.accept(value))
    }
}

impl Literal {
    /// The value as people write it for [`Parameter::read`].
    #[must_use]
    pub fn written(&self) -> String {
        match self {
            Literal::Text(text) => text.to_string(),
            literal => literal.to_string(),
        }
    }

    pub(super) fn term(&self) -> Term {
        match self {
            Literal::Date(date) => Term::Date(*date),
            Literal::Number(number) => Term::Number(*number),
            Literal::Text(text) => Term::Text(text.clone()),
        }
    }
}

impl core::fmt::Display for Literal {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Literal::Date(date) => date.fmt(f),
            Literal::Number(number) => number.fmt(f),
            Literal::Text(text) => write!(f, "'{}'", &**text),
        }
    }
}

impl core::fmt::Display for Bounds {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Bounds::Date(low, high) => write!(f, "a day from {low} to {high}"),
            Bounds::Number(low, high) => write!(f, "a number from {low} to {high}"),
            Bounds::Text(choices) => {
                let shown: Vec<&str> = choices.iter().map(|choice| &**choice).collect();
                write!(f, "one of {}", shown.join(", "))
            }
        }
    }
}

/// Reads a rule such as `today + 30d` or `month - 12m`, or a value of the parameter's own type.
pub(super) fn rule(parameter: &Parameter, text: &str) -> Result<Rule, QueryError> {
    let compact: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let offset = |rest: &str, unit: char| -> Option<i32> {
        if rest.is_empty() {
            return Some(0);
        }
        let (sign, digits) = rest.split_at_checked(1)?;
        let number = digits.strip_suffix(unit)?;
        let plain =
            !number.is_empty() && number.len() <= 5 && number.bytes().all(|byte| byte.is_ascii_digit());
        let number = plain.then(|| number.parse::<i32>().ok())??;
        match sign {
            "+" => Some(number),
            "-" => number.checked_neg(),
            _ => None,
        }
    };
    let wrong = || {
        QueryError::new(
            Code::Syntax,
            format!("the rule `{text}`"),
            "such as \"today + 30d\" or \"month - 12m\"",
        )
    };
    if let Some(rest) = compact.strip_prefix("today") {
        return offset(rest, 'd').map(Rule::Today).ok_or_else(wrong);
    }
    if let Some(rest) = compact.strip_prefix("month") {
        return offset(rest, 'm').map(Rule::Month).ok_or_else(wrong);
    }
    parameter.read(text).map(Rule::Fixed)
}
