//! What an expression of the query means for some rows: an evaluation of its own, in the clear.
//!
//! Owns values, the three answers yes, no and unknown, and rounding. A number is an exact fraction of any
//! length. An expression over one row is given that row alone.

use super::rows::{Row, Val};
use num_bigint::BigInt;
use num_rational::BigRational;
use num_traits::{Signed as _, ToPrimitive as _, Zero as _};
use samensom_protocol::query::{Aggregate, Column, Compare, Decimal, Expr, Term};
use std::cmp::Ordering;

/// An exact fraction.
pub type Number = BigRational;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Item {
    Text(String),
    /// Days since 1970.
    Day(i64),
    Number(Number),
    Absent,
    Truth(Option<bool>),
}

/// Whether the condition holds: none when a value that decides it is absent.
pub(super) fn holds(condition: &Expr, rows: &[&Row]) -> Option<bool> {
    if condition.terms().is_empty() {
        return Some(true);
    }
    truth(&reckoned(condition, rows))
}

/// The number, where it is there.
pub(super) fn number(expr: &Expr, rows: &[&Row]) -> Option<Number> {
    if let Item::Number(number) = reckoned(expr, rows) { Some(number) } else { None }
}

fn reckoned(expr: &Expr, rows: &[&Row]) -> Item {
    let mut stack: Vec<Item> = Vec::new();
    for term in expr.terms() {
        let item = match term {
            Term::Column(column) => value(rows.first().and_then(|row| row.get(column))),
            Term::Aggregate(aggregate) => over(*aggregate, rows),
            Term::Text(text) => Item::Text(text.to_string()),
            Term::Date(date) => day(&date.to_string()),
            Term::Number(number) => Item::Number(decimal(*number)),
            // A query is evaluated with its parameters replaced.
            Term::Parameter(..) => Item::Absent,
            Term::Compare(compare) => {
                let (right, left) = (pop(&mut stack), pop(&mut stack));
                Item::Truth(order(&left, &right).map(|order| accepts(*compare, order)))
            }
            Term::Between => {
                let (high, low, one) = (pop(&mut stack), pop(&mut stack), pop(&mut stack));
                let above = order(&one, &low).map(|order| order != Ordering::Less);
                let below = order(&one, &high).map(|order| order != Ordering::Greater);
                Item::Truth(both(above, below))
            }
            Term::In(count) => {
                let listed: Vec<Item> = (0..*count).map(|_| pop(&mut stack)).collect();
                let one = pop(&mut stack);
                within(&one, &listed)
            }
            Term::Not => Item::Truth(truth(&pop(&mut stack)).map(|truth| !truth)),
            Term::And => Item::Truth(both(truth(&pop(&mut stack)), truth(&pop(&mut stack)))),
            Term::Or => {
                let not = |item: Item| truth(&item).map(|truth| !truth);
                Item::Truth(both(not(pop(&mut stack)), not(pop(&mut stack))).map(|neither| !neither))
            }
            Term::Add | Term::Subtract | Term::Multiply | Term::Divide => {
                let (right, left) = (pop(&mut stack), pop(&mut stack));
                arithmetic(term, left, right)
            }
            Term::IsNull => Item::Truth(Some(pop(&mut stack) == Item::Absent)),
            Term::Like(begin) => match pop(&mut stack) {
                Item::Text(text) => Item::Truth(Some(text.starts_with(&**begin))),
                _ => Item::Truth(None),
            },
        };
        stack.push(item);
    }
    pop(&mut stack)
}

fn pop(stack: &mut Vec<Item>) -> Item {
    stack.pop().unwrap_or(Item::Absent)
}

/// Absent with an absent operand, and where nothing stands below the line.
fn arithmetic(term: &Term, left: Item, right: Item) -> Item {
    let made = match (left, right) {
        (Item::Day(left), Item::Day(right)) => Some(Number::from_integer((left - right).into())),
        (Item::Number(left), Item::Number(right)) => match term {
            Term::Add => Some(left + right),
            Term::Subtract => Some(left - right),
            Term::Multiply => Some(left * right),
            _ => (!right.is_zero()).then(|| left / right),
        },
        _ => None,
    };
    made.map_or(Item::Absent, Item::Number)
}

/// As a chain of `or`: yes if any is equal, else unknown if any is not known.
fn within(one: &Item, listed: &[Item]) -> Item {
    let each: Vec<Option<bool>> = listed.iter().map(|item| order(one, item).map(Ordering::is_eq)).collect();
    let any = if each.contains(&Some(true)) {
        Some(true)
    } else if each.contains(&None) {
        None
    } else {
        Some(false)
    };
    Item::Truth(any)
}

fn truth(item: &Item) -> Option<bool> {
    if let Item::Truth(truth) = item { *truth } else { None }
}

fn both(left: Option<bool>, right: Option<bool>) -> Option<bool> {
    match (left, right) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}

fn value(value: Option<&Val>) -> Item {
    match value {
        Some(Val::Text(text)) => Item::Text(text.clone()),
        Some(Val::Date(date)) => day(date),
        Some(Val::Micro(micro)) => Item::Number(of_micro(*micro)),
        None => Item::Absent,
    }
}

fn day(text: &str) -> Item {
    let first = jiff::civil::Date::constant(1970, 1, 1);
    let day = text.parse::<jiff::civil::Date>().ok();
    day.map_or(Item::Absent, |day| Item::Day((day - first).get_days().into()))
}

/// A whole number of 10^-6 as a number.
pub(super) fn of_micro(micro: i128) -> Number {
    Number::new(micro.into(), 1_000_000.into())
}

/// A number as it stands in a query.
pub(super) fn decimal(decimal: Decimal) -> Number {
    let scale = decimal.scale();
    Number::new(decimal.at_scale(scale).unwrap_or_default().into(), ten(scale))
}

/// `10^exponent`.
pub(super) fn ten(exponent: u8) -> BigInt {
    BigInt::from(10).pow(u32::from(exponent))
}

fn over(aggregate: Aggregate, rows: &[&Row]) -> Item {
    let values = |column: Column| rows.iter().filter_map(move |row| row.get(&column));
    match aggregate {
        Aggregate::Count => Item::Number(Number::from_integer(rows.len().into())),
        Aggregate::Sum(column) => {
            let number =
                |value: &Val| if let Val::Micro(micro) = value { Some(of_micro(*micro)) } else { None };
            let numbers: Vec<Number> = values(column).filter_map(number).collect();
            if numbers.is_empty() { Item::Absent } else { Item::Number(numbers.into_iter().sum()) }
        }
        // Days are written so that they compare as texts.
        Aggregate::Min(column) => value(values(column).min()),
        Aggregate::Max(column) => value(values(column).max()),
    }
}

fn order(left: &Item, right: &Item) -> Option<Ordering> {
    match (left, right) {
        (Item::Text(left), Item::Text(right)) => Some(left.cmp(right)),
        (Item::Day(left), Item::Day(right)) => Some(left.cmp(right)),
        (Item::Number(left), Item::Number(right)) => Some(left.cmp(right)),
        _ => None,
    }
}

fn accepts(compare: Compare, order: Ordering) -> bool {
    match compare {
        Compare::Equal => order.is_eq(),
        Compare::NotEqual => order.is_ne(),
        Compare::Less => order.is_lt(),
        Compare::LessOrEqual => order.is_le(),
        Compare::Greater => order.is_gt(),
        Compare::GreaterOrEqual => order.is_ge(),
    }
}

/// The whole number of `10^-scale` that is nearest; a half goes to the even neighbour. None for one that no
/// figure can be.
pub(super) fn rounded(number: &Number, scale: u8) -> Option<i128> {
    let exact = number * Number::from_integer(ten(scale));
    let below = exact.floor();
    let rest = (&exact - &below) * Number::from_integer(2.into());
    let odd = below.numer() % BigInt::from(2) != BigInt::zero();
    let up = match rest.cmp(&Number::from_integer(1.into())) {
        Ordering::Less => false,
        Ordering::Equal => odd,
        Ordering::Greater => true,
    };
    (below.to_integer() + BigInt::from(u8::from(up))).to_i128()
}

/// The square root, rounded as [`rounded`]; none below 0.
pub(super) fn rounded_root(number: &Number, scale: u8) -> Option<i128> {
    if number.is_negative() {
        return None;
    }
    // In units of 10^-scale the root lies between two whole numbers; their middle, squared, decides.
    let square = number * Number::from_integer(ten(scale).pow(2));
    let below = square.to_integer().sqrt();
    let middle = Number::new(BigInt::from(2) * &below + 1, 2.into());
    let odd = &below % BigInt::from(2) != BigInt::zero();
    let up = match square.cmp(&(&middle * &middle)) {
        Ordering::Less => false,
        Ordering::Equal => odd,
        Ordering::Greater => true,
    };
    (below + BigInt::from(u8::from(up))).to_i128()
}
