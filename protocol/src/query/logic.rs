//! What a checked expression means.
//!
//! Owns SQL's three-valued logic: what is absent makes a comparison unknown, and unknown does not count as
//! true. The node's database follows the same rules, and a test compares the two.

use super::dataset::Column;
use super::decimal::{Date, Decimal};
use super::expr::{Aggregate, Compare, Expr, Term};
use core::cmp::Ordering;

/// A value that is looked up while an expression is evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operand {
    /// Of the row.
    Column(Column),
    /// Of the cell.
    Aggregate(Aggregate),
}

/// A present value; an absent one is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scalar {
    /// Text.
    Text(String),
    /// Number.
    Number(Decimal),
    /// Day.
    Date(Date),
}

impl Expr {
    /// Whether the condition holds: `None` when that is unknown because a value is absent.
    pub fn holds(&self, lookup: &mut dyn FnMut(Operand) -> Option<Scalar>) -> Option<bool> {
        let mut values: Vec<Option<Scalar>> = Vec::new();
        let mut conditions: Vec<Option<bool>> = Vec::new();
        for term in self.terms() {
            match term {
                Term::Column(column) => values.push(lookup(Operand::Column(*column))),
                Term::Aggregate(aggregate) => values.push(lookup(Operand::Aggregate(*aggregate))),
                Term::Text(text) => values.push(Some(Scalar::Text(text.to_string()))),
                Term::Number(number) => values.push(Some(Scalar::Number(*number))),
                Term::Date(date) => values.push(Some(Scalar::Date(*date))),
                Term::Compare(compare) => {
                    let (right, left) = (values.pop()?, values.pop()?);
                    conditions.push(compared(&left, &right).map(|order| compare.accepts(order)));
                }
                Term::Between => {
                    let (high, low, value) = (values.pop()?, values.pop()?, values.pop()?);
                    conditions.push(and(
                        compared(&value, &low).map(Ordering::is_ge),
                        compared(&value, &high).map(Ordering::is_le),
                    ));
                }
                Term::In(count) => {
                    let from = values.len().checked_sub(usize::from(*count))?;
                    let list = values.split_off(from);
                    let value = values.pop()?;
                    let equal = |item| compared(&value, item).map(Ordering::is_eq);
                    conditions.push(list.iter().map(equal).fold(Some(false), or));
                }
                Term::Not => {
                    let condition = conditions.pop()?;
                    conditions.push(condition.map(|holds| !holds));
                }
                Term::And | Term::Or => {
                    let (right, left) = (conditions.pop()?, conditions.pop()?);
                    conditions.push(if *term == Term::And { and(left, right) } else { or(left, right) });
                }
            }
        }
        if self.is_always() { Some(true) } else { conditions.pop()? }
    }
}

impl Compare {
    fn accepts(self, order: Ordering) -> bool {
        match self {
            Compare::Equal => order.is_eq(),
            Compare::NotEqual => order.is_ne(),
            Compare::Less => order.is_lt(),
            Compare::LessOrEqual => order.is_le(),
            Compare::Greater => order.is_gt(),
            Compare::GreaterOrEqual => order.is_ge(),
        }
    }
}

fn compared(left: &Option<Scalar>, right: &Option<Scalar>) -> Option<Ordering> {
    match (left.as_ref()?, right.as_ref()?) {
        (Scalar::Text(left), Scalar::Text(right)) => Some(left.cmp(right)),
        (Scalar::Number(left), Scalar::Number(right)) => Some(left.cmp(right)),
        (Scalar::Date(left), Scalar::Date(right)) => Some(left.cmp(right)),
        _ => None,
    }
}

fn and(left: Option<bool>, right: Option<bool>) -> Option<bool> {
    match (left, right) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}

fn or(left: Option<bool>, right: Option<bool>) -> Option<bool> {
    and(left.map(|holds| !holds), right.map(|holds| !holds)).map(|holds| !holds)
}
