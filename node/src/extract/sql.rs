//! Checked expressions -> SQL with numbered parameters.
//!
//! Owns the text of every statement over a snapshot. Names come from closed enums and values are bound,
//! so nothing that a query holds is ever part of a statement's text.

use super::cell::SCALE;
use super::schema;
use rusqlite::types::Value;
use samensom_protocol::query::{Aggregate, Column, Dataset, Expr, Term};

/// A statement in the making: text with `?1 ?2 ..` and the values for them.
#[derive(Debug)]
pub(super) struct Sql {
    dataset: Dataset,
    per_code: bool,
    pub(super) values: Vec<Value>,
}

/// The first and last row of a code, and the code: the parameters of a statement that is run per code.
pub(super) const PER_CODE: usize = 3;

/// Whole numbers of 10^-6 in one unit; quantities are stored so, counts are brought to it to be compared.
const ONE: i64 = 1_000_000;

impl Sql {
    /// A statement over all rows, or one that is run once per code over that code's rows.
    pub(super) fn new(dataset: Dataset, per_code: bool) -> Sql {
        let values = if per_code { vec![Value::Null; PER_CODE] } else { Vec::new() };
        Sql { dataset, per_code, values }
    }

    /// A column of a row. The code stands beside the rows, once.
    pub(super) fn column(&self, column: Column) -> String {
        match column {
            Column::Code if self.per_code => format!("?{PER_CODE}"),
            Column::Code => "c.code".to_owned(),
            other => format!("t.{}", other.name()),
        }
    }

    /// `FROM .. WHERE ..` the rows that lie in some cell: one joined table of codes per dimension, the rows
    /// of a code as a range of their numbers. The order of the tables is that of the text.
    pub(super) fn cells(&self, dimensions: &[(usize, Column)]) -> String {
        let (rows, codes) = (schema::rows(self.dataset), schema::codes(self.dataset));
        let (mut from, range) = if self.per_code {
            (format!("FROM {rows} AS t"), "t.seq BETWEEN ?1 AND ?2".to_owned())
        } else {
            let text = format!("FROM {codes} AS c CROSS JOIN {rows} AS t");
            (text, "t.seq BETWEEN c.first AND c.last".to_owned())
        };
        for (place, column) in dimensions {
            let column = self.column(*column);
            from.push_str(&format!(
                " CROSS JOIN temp.dimension{place} AS d{place} ON d{place}.code = {column}"
            ));
        }
        format!("{from} WHERE {range}")
    }

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
                Term::Column(column) => self.column(*column),
                Term::Aggregate(aggregate) => self.aggregate(*aggregate),
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

    fn aggregate(&self, aggregate: Aggregate) -> String {
        match aggregate {
            Aggregate::Count => format!("(COUNT(*) * {ONE})"),
            Aggregate::Sum(column) => format!("SUM({})", self.column(column)),
            Aggregate::Min(column) => format!("MIN({})", self.column(column)),
            Aggregate::Max(column) => format!("MAX({})", self.column(column)),
        }
    }
}

fn take<const N: usize>(stack: &mut Vec<String>) -> Option<[String; N]> {
    stack.split_off(stack.len().checked_sub(N)?).try_into().ok()
}

/// The places of a row's cell in these dimensions, as a list that ends in a comma.
pub(super) fn places(dimensions: &[(usize, Column)]) -> String {
    dimensions.iter().map(|(place, _)| format!("d{place}.place, ")).collect()
}

/// Groups rows by cell. Without rows there is no group, also where there are no dimensions.
pub(super) fn group_by_cell(dimensions: &[(usize, Column)]) -> String {
    let places: Vec<String> = dimensions.iter().map(|(place, _)| format!("d{place}.place")).collect();
    let group = if places.is_empty() { String::new() } else { format!("GROUP BY {} ", places.join(", ")) };
    format!("{group}HAVING COUNT(*) > 0")
}

/// A code's first and last row.
pub(super) fn range_of_code(dataset: Dataset) -> String {
    format!("SELECT first, last FROM {} WHERE code = ?1", schema::codes(dataset))
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
