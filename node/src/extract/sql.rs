//! Checked expressions -> SQL with numbered parameters.
//!
//! Owns the text of every statement over a snapshot, and of the same over the hospital's own PostgreSQL server
//! where the rows stayed there. Names come from closed enums, texts are bound, days and numbers of the server's
//! statements are written out of their closed types: no text of a query is ever part of a statement.

use super::cell::SCALE;
use super::schema;
use rusqlite::ToSql;
use rusqlite::types::{Null, ToSqlOutput};
use samensom_protocol::query::{Aggregate, Classes, Column, Dataset, Date, Dimension, Expr, Term};

/// A statement in the making: text with `?1 ?2 ..`, the values for them, and what it calls.
#[derive(Debug)]
pub(super) struct Sql {
    dataset: Dataset,
    over: Over,
    pub(super) values: Vec<Bound>,
    /// Conditions that SQLite calls as `meets0`, `meets1` ..: those that compute, for its own arithmetic is
    /// not exact. A server cannot call them; whoever asked it judges its groups by them.
    pub(super) meets: Vec<Expr>,
    /// How many tallies SQLite calls, as `tally0`, `tally1` ..
    tallies: usize,
}

/// Where the rows are.
#[derive(Debug)]
enum Over {
    /// In the snapshot, all or those of one code at a time.
    Store { per_code: bool },
    /// In the hospital's database: what this SELECT gives has the columns of the data set, texts of which are
    /// compared byte by byte.
    #[cfg(feature = "postgres")]
    Server { rows: String },
}

/// A value that a statement is given.
#[derive(Debug, Clone)]
pub(super) enum Bound {
    /// None yet.
    Later,
    Text(String),
    Date(Date),
    /// In the form in which numbers are kept.
    Number(i64),
    #[cfg(feature = "postgres")]
    List(Vec<String>),
}

impl ToSql for Bound {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Bound::Text(text) => ToSqlOutput::from(text.as_str()),
            Bound::Date(date) => ToSqlOutput::from(date.to_string()),
            Bound::Number(number) => ToSqlOutput::from(*number),
            _ => ToSqlOutput::from(Null),
        })
    }
}

/// The first and last row of a code, and the code: the parameters of a statement that is run per code.
pub(super) const PER_CODE: usize = 3;

impl Sql {
    /// A statement over all rows, or one that is run once per code over that code's rows.
    pub(super) fn of_store(dataset: Dataset, per_code: bool) -> Sql {
        let values = if per_code { vec![Bound::Later; PER_CODE] } else { Vec::new() };
        Sql { dataset, over: Over::Store { per_code }, values, meets: Vec::new(), tallies: 0 }
    }

    /// A statement over what this SELECT gives.
    #[cfg(feature = "postgres")]
    pub(super) fn of_server(dataset: Dataset, rows: String) -> Sql {
        Sql { dataset, over: Over::Server { rows }, values: Vec::new(), meets: Vec::new(), tallies: 0 }
    }

    /// A column of a row. In the store the code stands beside the rows, once.
    pub(super) fn column(&self, column: Column) -> String {
        match (column, &self.over) {
            (Column::Code, Over::Store { per_code: true }) => format!("?{PER_CODE}"),
            (Column::Code, Over::Store { per_code: false }) => "c.code".to_owned(),
            (other, _) => format!("t.\"{}\"", other.name()),
        }
    }

    /// `FROM .. WHERE ..` the rows that lie in some cell: one joined table of codes per dimension that has
    /// any, the rows of a code as a range of their numbers. The order of the tables is that of the text.
    pub(super) fn cells(&mut self, dimensions: &[(usize, &Dimension)]) -> Option<String> {
        let (rows, codes) = (schema::rows(self.dataset), schema::codes(self.dataset));
        let (mut from, range) = match &self.over {
            Over::Store { per_code: true } => {
                (format!("FROM {rows} AS t"), "t.seq BETWEEN ?1 AND ?2".to_owned())
            }
            Over::Store { per_code: false } => {
                let text = format!("FROM {codes} AS c CROSS JOIN {rows} AS t");
                (text, "t.seq BETWEEN c.first AND c.last".to_owned())
            }
            #[cfg(feature = "postgres")]
            Over::Server { rows } => (format!("FROM (\n{rows}\n) AS t"), "TRUE".to_owned()),
        };
        let mut within = String::new();
        for (place, dimension) in dimensions {
            if matches!(dimension.classes(), Classes::Codes(_)) {
                from.push_str(&self.join(*place, dimension));
            }
            if !is_listed_alone(dimension) {
                within.push_str(&format!(" AND {} IS NOT NULL", self.place(*place, dimension)?));
            }
        }
        Some(format!("{from} WHERE {range}{within}"))
    }

    /// Joins the list of a dimension's codes, as `d0`, `d1` ..
    fn join(&mut self, place: usize, dimension: &Dimension) -> String {
        let column = self.column(dimension.column());
        let alone = is_listed_alone(dimension);
        #[cfg(feature = "postgres")]
        if matches!(self.over, Over::Server { .. }) {
            let list =
                self.bind(Bound::List(dimension.codes().iter().map(|code| code.to_string()).collect()));
            let is_day = dimension.column().column_type() == samensom_protocol::query::ColumnType::Date;
            let code = if is_day { "u.code::date" } else { "u.code COLLATE \"C\"" };
            let join = if alone { "JOIN" } else { "LEFT JOIN" };
            return format!(
                " {join} (SELECT {code} AS code, u.place - 1 AS place FROM unnest({list}) WITH ORDINALITY \
                 AS u (code, place)) AS d{place} ON d{place}.code = {column}"
            );
        }
        let join = if alone { "CROSS JOIN" } else { "LEFT JOIN" };
        format!(" {join} temp.dimension{place} AS d{place} ON d{place}.code = {column}")
    }

    /// A row's place along a dimension; NULL where it has none.
    pub(super) fn place(&mut self, place: usize, dimension: &Dimension) -> Option<String> {
        if is_listed_alone(dimension) {
            return Some(format!("d{place}.place"));
        }
        let column = self.column(dimension.column());
        let or_null = |place: Option<usize>| place.map_or("NULL".to_owned(), |place| place.to_string());
        let missing = or_null(dimension.place_of_missing());
        let ends: Vec<Bound> = match dimension.classes() {
            Classes::Codes(_) => {
                let other = or_null(dimension.place_of_other());
                return Some(format!(
                    "CASE WHEN {column} IS NULL THEN {missing} ELSE COALESCE(d{place}.place, {other}) END"
                ));
            }
            Classes::Days(days) => days.iter().map(|day| Bound::Date(*day)).collect(),
            Classes::Numbers(numbers) => {
                let fine = |number: &samensom_protocol::query::Decimal| {
                    i64::try_from(number.at_scale(SCALE)?).ok().map(Bound::Number)
                };
                numbers.iter().map(fine).collect::<Option<_>>()?
            }
        };
        let last = ends.len();
        let mut text = format!("CASE WHEN {column} IS NULL THEN {missing}");
        for (class, end) in ends.into_iter().enumerate() {
            let end = self.bind(end);
            text.push_str(&format!(" WHEN {column} < {end} THEN {class}"));
        }
        Some(format!("{text} ELSE {last} END"))
    }

    /// The next tally, over these columns.
    pub(super) fn tally(&mut self, columns: &[Column]) -> String {
        let columns: Vec<String> = columns.iter().map(|column| self.column(*column)).collect();
        self.tallies += 1;
        format!("tally{}({})", self.tallies - 1, columns.join(", "))
    }

    /// Binds a value and gives the text that stands for it.
    pub(super) fn bind(&mut self, value: Bound) -> String {
        #[cfg(feature = "postgres")]
        if matches!(self.over, Over::Server { .. }) {
            return self.bind_for_server(value);
        }
        self.values.push(value);
        format!("?{}", self.values.len())
    }

    /// Written out of its type the server's planner knows a day or a number; a text is never written out.
    #[cfg(feature = "postgres")]
    fn bind_for_server(&mut self, value: Bound) -> String {
        // No text there has a NUL or another control character, so that one stands for the other.
        let sent = |text: String| text.replace('\0', "\u{1}");
        let (value, kind) = match value {
            Bound::Date(date) => return format!("DATE '{date}'"),
            Bound::Number(number) => return format!("'{number}'::bigint"),
            Bound::Later => return "NULL".to_owned(),
            Bound::Text(text) => (Bound::Text(sent(text)), "text"),
            Bound::List(texts) => (Bound::List(texts.into_iter().map(sent).collect()), "text[]"),
        };
        self.values.push(value);
        format!("${}::{kind}", self.values.len())
    }

    /// The condition over a row as SQL. `None` for a number that is not exact in 64 bits, which a checked
    /// query has not.
    pub(super) fn condition(&mut self, expr: &Expr) -> Option<String> {
        if expr.is_always() {
            return Some("TRUE".to_owned());
        }
        if expr.has_arithmetic() {
            self.meets.push(expr.clone());
            #[cfg(feature = "postgres")]
            if matches!(self.over, Over::Server { .. }) {
                return Some("TRUE".to_owned());
            }
            let columns: Vec<String> = expr.columns().into_iter().map(|column| self.column(column)).collect();
            return Some(format!("meets{}({})", self.meets.len() - 1, columns.join(", ")));
        }
        let mut stack: Vec<String> = Vec::new();
        for term in expr.terms() {
            let text = match term {
                Term::Column(column) => self.column(*column),
                Term::Text(text) => self.bind(Bound::Text(text.to_string())),
                Term::Date(date) => self.bind(Bound::Date(*date)),
                Term::Number(number) => {
                    self.bind(Bound::Number(i64::try_from(number.at_scale(SCALE)?).ok()?))
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
                Term::IsNull => {
                    let [value] = take(&mut stack)?;
                    format!("({value} IS NULL)")
                }
                Term::Like(start) => {
                    let [value] = take(&mut stack)?;
                    let length = start.chars().count();
                    let start = self.bind(Bound::Text(start.to_string()));
                    format!("(substr({value}, 1, {length}) = {start})")
                }
                // Those over cells and those that compute are evaluated outside, parameters have values.
                Term::Aggregate(_)
                | Term::Parameter(..)
                | Term::Add
                | Term::Subtract
                | Term::Multiply
                | Term::Divide => return None,
            };
            stack.push(text);
        }
        let [condition] = take(&mut stack)?;
        Some(condition)
    }

    /// A figure over the rows of a cell, as it is stored.
    pub(super) fn aggregate(&self, aggregate: Aggregate) -> String {
        match aggregate {
            Aggregate::Count => "COUNT(*)".to_owned(),
            Aggregate::Sum(column) => format!("SUM({})", self.column(column)),
            Aggregate::Min(column) => format!("MIN({})", self.column(column)),
            Aggregate::Max(column) => format!("MAX({})", self.column(column)),
        }
    }
}

/// Whether every row of its cells has a listed value, so that a join alone finds them.
fn is_listed_alone(dimension: &Dimension) -> bool {
    let codes = matches!(dimension.classes(), Classes::Codes(_));
    codes && !dimension.has_other() && !dimension.has_missing()
}

fn take<const N: usize>(stack: &mut Vec<String>) -> Option<[String; N]> {
    stack.split_off(stack.len().checked_sub(N)?).try_into().ok()
}

/// Groups rows by cell. Without rows there is no group, also where there are no dimensions.
pub(super) fn group_by_cell(places: &[String]) -> String {
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
