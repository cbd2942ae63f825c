//! What a condition of the query means for some rows: an evaluation of its own, in the clear.
//!
//! Owns the three answers yes, no and unknown. A condition over one row is given that row alone.

use super::rows::{Row, Val};
use samensom_protocol::query::{Aggregate, Column, Compare, Expr, Term};
use std::cmp::Ordering;

/// Numbers are compared as whole numbers of 10^-12.
const FINE: u8 = 12;
const FROM_MICRO: i128 = 1_000_000;
const ONE: i128 = 1_000_000_000_000;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Item {
    Text(String),
    Date(String),
    Fine(i128),
    Absent,
    Truth(Option<bool>),
}

/// Whether the condition holds: none when a value that decides it is absent.
pub(super) fn holds(condition: &Expr, rows: &[Row]) -> Option<bool> {
    let mut stack: Vec<Item> = vec![Item::Truth(Some(true))];
    for term in condition.terms() {
        let item = match term {
            Term::Column(column) => value(rows.first().and_then(|row| row.get(column))),
            Term::Aggregate(aggregate) => over(*aggregate, rows),
            Term::Text(text) => Item::Text(text.to_string()),
            Term::Date(date) => Item::Date(date.to_string()),
            Term::Number(number) => number.at_scale(FINE).map_or(Item::Absent, Item::Fine),
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
                // What is listed is never absent, so one absent value makes all comparisons unknown.
                let any = listed.iter().any(|item| order(&one, item) == Some(Ordering::Equal));
                Item::Truth((one != Item::Absent).then_some(any))
            }
            Term::Add
            | Term::Subtract
            | Term::Multiply
            | Term::Divide
            | Term::IsNull
            | Term::Like(_)
            | Term::Parameter(..) => return None,
            Term::Not => Item::Truth(truth(&pop(&mut stack)).map(|truth| !truth)),
            Term::And => Item::Truth(both(truth(&pop(&mut stack)), truth(&pop(&mut stack)))),
            Term::Or => {
                let not = |item: Item| truth(&item).map(|truth| !truth);
                Item::Truth(both(not(pop(&mut stack)), not(pop(&mut stack))).map(|neither| !neither))
            }
        };
        stack.push(item);
    }
    truth(&pop(&mut stack))
}

fn pop(stack: &mut Vec<Item>) -> Item {
    stack.pop().unwrap_or(Item::Absent)
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
        Some(Val::Date(date)) => Item::Date(date.clone()),
        Some(Val::Micro(micro)) => Item::Fine(micro * FROM_MICRO),
        None => Item::Absent,
    }
}

fn over(aggregate: Aggregate, rows: &[Row]) -> Item {
    let values = |column: Column| rows.iter().filter_map(move |row| row.get(&column));
    match aggregate {
        Aggregate::Count => Item::Fine(i128::try_from(rows.len()).unwrap_or(0) * ONE),
        Aggregate::Sum(column) => {
            let micro: Vec<i128> = values(column)
                .filter_map(|value| if let Val::Micro(m) = value { Some(*m) } else { None })
                .collect();
            if micro.is_empty() { Item::Absent } else { Item::Fine(micro.iter().sum::<i128>() * FROM_MICRO) }
        }
        Aggregate::Min(column) => value(values(column).min()),
        Aggregate::Max(column) => value(values(column).max()),
    }
}

/// Days are written so that they compare as texts.
fn order(left: &Item, right: &Item) -> Option<Ordering> {
    match (left, right) {
        (Item::Text(left), Item::Text(right)) | (Item::Date(left), Item::Date(right)) => {
            Some(left.cmp(right))
        }
        (Item::Fine(left), Item::Fine(right)) => Some(left.cmp(right)),
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
