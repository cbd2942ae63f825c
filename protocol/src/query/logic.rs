//! What a checked expression means.
//!
//! Owns SQL's three-valued logic: what is absent makes a comparison unknown, and unknown does not count as
//! true; a division by zero is absent. Arithmetic is exact. The node's database follows the same rules, and
//! a test compares the two.

use super::dataset::Column;
use super::decimal::{Date, Decimal};
use super::expr::{Aggregate, Compare, Expr, Term};
use super::ratio::{Overflow, Ratio};
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

#[derive(Debug, Clone, PartialEq)]
enum Found {
    Text(String),
    Number(Ratio),
    Date(Date),
}

type Lookup<'a> = &'a mut dyn FnMut(Operand) -> Option<Scalar>;

/// What is on the way: values and conditions, each with its own stack.
#[derive(Default)]
struct Machine {
    values: Vec<Option<Found>>,
    conditions: Vec<Option<bool>>,
}

impl Expr {
    /// Whether the condition holds: `None` when that is unknown because a value is absent.
    ///
    /// # Errors
    /// When arithmetic leaves 128 bits.
    pub fn holds(&self, lookup: Lookup<'_>) -> Result<Option<bool>, Overflow> {
        if self.is_always() {
            return Ok(Some(true));
        }
        let mut machine = self.run(lookup)?;
        Ok(machine.conditions.pop().flatten())
    }

    /// The number that a number expression computes; `None` when a value is absent or a divisor 0.
    ///
    /// # Errors
    /// When arithmetic leaves 128 bits.
    pub fn value(&self, lookup: Lookup<'_>) -> Result<Option<Ratio>, Overflow> {
        match self.run(lookup)?.values.pop().flatten() {
            Some(Found::Number(number)) => Ok(Some(number)),
            _ => Ok(None),
        }
    }

    fn run(&self, lookup: Lookup<'_>) -> Result<Machine, Overflow> {
        let mut machine = Machine::default();
        for term in self.terms() {
            machine.step(term, lookup)?;
        }
        Ok(machine)
    }
}

impl Machine {
    fn step(&mut self, term: &Term, lookup: Lookup<'_>) -> Result<(), Overflow> {
        match term {
            Term::Column(column) => self.values.push(lookup(Operand::Column(*column)).map(Found::from)),
            Term::Aggregate(figure) => self.values.push(lookup(Operand::Aggregate(*figure)).map(Found::from)),
            Term::Text(text) => self.values.push(Some(Found::Text(text.to_string()))),
            Term::Number(number) => self.values.push(Some(Found::Number(Ratio::from(*number)))),
            Term::Date(date) => self.values.push(Some(Found::Date(*date))),
            // Every evaluation is of a resolved query; without a value the parameter is absent.
            Term::Parameter(..) => self.values.push(None),
            Term::Add | Term::Subtract | Term::Multiply | Term::Divide => {
                let [left, right] = self.take();
                self.values.push(computed(term, left, right)?);
            }
            _ => {
                let condition = self.judged(term);
                self.conditions.push(condition);
            }
        }
        Ok(())
    }

    fn judged(&mut self, term: &Term) -> Option<bool> {
        match term {
            Term::Compare(compare) => {
                let [left, right] = self.take();
                compared(&left, &right).map(|order| compare.accepts(order))
            }
            Term::Between => {
                let [value, low, high] = self.take();
                and(compared(&value, &low).map(Ordering::is_ge), compared(&value, &high).map(Ordering::is_le))
            }
            Term::In(count) => {
                let from = self.values.len().saturating_sub(usize::from(*count));
                let list = self.values.split_off(from);
                let [value] = self.take();
                list.iter().map(|item| compared(&value, item).map(Ordering::is_eq)).fold(Some(false), or)
            }
            Term::IsNull => {
                let [value] = self.take();
                Some(value.is_none())
            }
            Term::Like(start) => match self.take() {
                [Some(Found::Text(text))] => Some(text.starts_with(&**start)),
                _ => None,
            },
            Term::Not => self.conditions.pop().flatten().map(|holds| !holds),
            Term::And | Term::Or => {
                let (right, left) = (self.conditions.pop().flatten(), self.conditions.pop().flatten());
                if *term == Term::And { and(left, right) } else { or(left, right) }
            }
            _ => None,
        }
    }

    /// The topmost values, the lowest first; a checked expression has them.
    fn take<const COUNT: usize>(&mut self) -> [Option<Found>; COUNT] {
        let mut taken: [Option<Found>; COUNT] = core::array::from_fn(|_| self.values.pop().flatten());
        taken.reverse();
        taken
    }
}

impl From<Scalar> for Found {
    fn from(scalar: Scalar) -> Found {
        match scalar {
            Scalar::Text(text) => Found::Text(text),
            Scalar::Number(number) => Found::Number(Ratio::from(number)),
            Scalar::Date(date) => Found::Date(date),
        }
    }
}

fn computed(term: &Term, left: Option<Found>, right: Option<Found>) -> Result<Option<Found>, Overflow> {
    let (left, right) = match (left, right) {
        (Some(Found::Number(left)), Some(Found::Number(right))) => (left, right),
        (Some(Found::Date(left)), Some(Found::Date(right))) => {
            let day = |date: Date| Ratio::whole(i128::from(date.number()));
            (day(left), day(right))
        }
        _ => return Ok(None),
    };
    let number = match term {
        Term::Add => Some(left.plus(right)?),
        Term::Subtract => Some(left.minus(right)?),
        Term::Multiply => Some(left.times(right)?),
        _ => left.over(right)?,
    };
    Ok(number.map(Found::Number))
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

fn compared(left: &Option<Found>, right: &Option<Found>) -> Option<Ordering> {
    match (left.as_ref()?, right.as_ref()?) {
        (Found::Text(left), Found::Text(right)) => Some(left.cmp(right)),
        (Found::Number(left), Found::Number(right)) => Some(left.cmp(right)),
        (Found::Date(left), Found::Date(right)) => Some(left.cmp(right)),
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
