//! Checked expressions -> SQL with numbered parameters.
//!
//! Owns the text of every statement over a snapshot. Names come from closed enums and values are bound,
//! so nothing that a query holds is ever part of a statement's text.

use super::cell::SCALE;
use rusqlite::types::Value;
use samensom_protocol::query::{Aggregate, Column, Dataset, Expr, Term};

/// A statement in the making: text with `?1 ?2 ..` and the values for them.
#[derive(Debug, Default)]
pub(super) struct Sql {
    pub(super) values: Vec<Value>,
}

/// Whole numbers of 10^-6 in one unit; quantities are stored so, counts are brought to it to be compared.
const ONE: i64 = 1_000_000;

impl Sql {
    /// Binds a value and gives the text that stands for it.
    pub(super) fn bind(&mut self, value: Value) -> String {
        self.values.push(value);
        format!("?{}", self.values.len())
    }

    /// The condition as SQL. `None` for a number that is not exact in 64 bits, which a checked query has not.
    pub(super) fn condition(&mut self, expr: &Expr) -> Option<String> {
        if expr.is_always() {
            return Some("TRUE".to_owned());
        }
        let mut stack: Vec<String> = Vec::new();
        for term in expr.terms() {
            let text = match term {
                Term::Column(column) => format!("t.{}", column_name(*column)),
                Term::Aggregate(aggregate) => aggregate_sql(*aggregate),
                Term::Text(text) => self.bind(Value::Text(text.to_string())),
                Term::Date(date) => self.bind(Value::Text(date.to_string())),
                Term::Number(number) => {
                    self.bind(Value::Integer(i64::try_from(number.at_scale(SCALE)?).ok()?))
                }
                Term::Compare(compare) => {
                    let [left, right] = take(&mut stack)?;
                    format!("({left} {} {right})", compare.name())
                }
                Term::Between => {
                    let [value, low, high] = take(&mut stack)?;
                    format!("({value} BETWEEN {low} AND {high})")
                }
                Term::In(count) => {
                    let list = stack.split_off(stack.len().checked_sub(usize::from(*count))?);
                    let [value] = take(&mut stack)?;
                    format!("({value} IN ({}))", list.join(", "))
                }
                Term::Not => {
                    let [condition] = take(&mut stack)?;
                    format!("(NOT {condition})")
                }
                Term::And | Term::Or => {
                    let [left, right] = take(&mut stack)?;
                    let word = if *term == Term::And { "AND" } else { "OR" };
                    format!("({left} {word} {right})")
                }
            };
            stack.push(text);
        }
        let [condition] = take(&mut stack)?;
        Some(condition)
    }
}

fn take<const N: usize>(stack: &mut Vec<String>) -> Option<[String; N]> {
    stack.split_off(stack.len().checked_sub(N)?).try_into().ok()
}

fn aggregate_sql(aggregate: Aggregate) -> String {
    match aggregate {
        Aggregate::Count => format!("(COUNT(*) * {ONE})"),
        Aggregate::Sum(column) => format!("SUM(t.{})", column_name(column)),
        Aggregate::Min(column) => format!("MIN(t.{})", column_name(column)),
        Aggregate::Max(column) => format!("MAX(t.{})", column_name(column)),
    }
}

/// The table of a data set; the canonical names are the store's names.
pub(super) fn table_name(dataset: Dataset) -> &'static str {
    dataset.name()
}

/// The column of a table.
pub(super) fn column_name(column: Column) -> &'static str {
    column.name()
}

/// `FROM` over the rows that lie in some cell: one joined table of codes per dimension.
pub(super) fn from_cells(dataset: Dataset, dimensions: &[Column]) -> String {
    let mut text = format!("FROM {} AS t", table_name(dataset));
    for (place, column) in dimensions.iter().enumerate() {
        let join =
            format!(" JOIN temp.dimension{place} AS d{place} ON d{place}.code = t.{}", column_name(*column));
        text.push_str(&join);
    }
    text
}

/// The places of a row's cell in every dimension, as a list that ends in a comma.
pub(super) fn places(dimensions: usize) -> String {
    (0..dimensions).map(|place| format!("d{place}.place, ")).collect()
}

/// Groups rows by cell. Without rows there is no group, also where there are no dimensions.
pub(super) fn group_by_cell(dimensions: usize) -> String {
    let places: Vec<String> = (0..dimensions).map(|place| format!("d{place}.place")).collect();
    let group = if places.is_empty() { String::new() } else { format!("GROUP BY {} ", places.join(", ")) };
    format!("{group}HAVING COUNT(*) > 0")
}

/// Makes the table of codes of one dimension.
pub(super) fn create_dimension(place: usize) -> String {
    format!(
        "CREATE TEMP TABLE dimension{place} (place INTEGER PRIMARY KEY, code TEXT NOT NULL UNIQUE) STRICT"
    )
}

/// Fills it.
pub(super) fn insert_dimension(place: usize) -> String {
    format!("INSERT INTO temp.dimension{place} VALUES (?1, ?2)")
}
