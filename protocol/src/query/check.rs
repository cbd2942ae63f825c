//! The rules a whole query must keep, whether it came as text or in canonical form.
//!
//! Owns limits, uniqueness and agreement between the parts. It must not change the query.

use super::dataset::{Column, ColumnType};
use super::decimal::{Date, FINEST};
use super::error::{Code, QueryError};
use super::expr::Scope;
use super::layout::{Layout, MAX_CELLS};
use super::measure::{Derive, Measure, MeasureKind};
use super::parse::not_a_date;
use super::{Dimension, LANGUAGE, Query};
use std::collections::BTreeSet;

/// Most codes of all dimensions of a query together, so that its canonical form fits one message.
pub(super) const MAX_CODES: usize = 20_000;
/// Most rows a `rows` measure may allow.
const MAX_ROWS: i64 = 1_000_000_000_000;
const MAX_FLOOR: u16 = 1_000;

pub(super) fn query(query: &Query) -> Result<(), QueryError> {
    if query.language != LANGUAGE {
        let problem = format!("query language {}", query.language);
        return Err(QueryError::new(Code::NotYet, problem, format!("language {LANGUAGE}")));
    }
    identity(query)?;
    query.population.check(Scope::Rows(query.dataset)).map_err(|error| error.at("population.where"))?;
    dimensions(query)?;
    measures(query)?;
    derives(query)?;
    floors(query)?;
    if Layout::of(query).is_none() {
        return Err(QueryError::new(
            Code::Limit,
            "the dimensions and measures make too many cells",
            format!("at most {MAX_CELLS} cells"),
        )
        .advice("ask for fewer codes, or split the query"));
    }
    Ok(())
}

fn identity(query: &Query) -> Result<(), QueryError> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
    if query.id.is_empty() || !query.id.chars().all(plain) {
        let problem = format!("`{}` cannot be an id", &*query.id);
        return Err(QueryError::new(Code::Limit, problem, "1 to 64 of a-z, 0-9, - _ .").at("query.id"));
    }
    if query.version == 0 {
        return Err(QueryError::new(Code::Limit, "version 0", "1 or more").at("query.version"));
    }
    for (language, title) in [("nl", query.title_nl()), ("en", query.title_en())] {
        shown_text(title).map_err(|error| error.at(format!("query.title.{language}")))?;
    }
    Ok(())
}

/// Text that people read and compare: not empty, no control characters, no space at its ends.
fn shown_text(text: &str) -> Result<(), QueryError> {
    if text.is_empty() || text.trim() != text || text.chars().any(char::is_control) {
        return Err(QueryError::new(
            Code::Limit,
            format!("{text:?} is empty, has space at an end, or a control character"),
            "plain text",
        ));
    }
    Ok(())
}

fn dimensions(query: &Query) -> Result<(), QueryError> {
    let mut columns = BTreeSet::new();
    let mut codes = 0_usize;
    for (index, dimension) in query.dimensions.iter().enumerate() {
        let place = format!("dimension {}", index.saturating_add(1));
        query
            .dataset
            .column(dimension.column().name())
            .and_then(|column| as_dimension(column, &mut columns))
            .map_err(|error| error.at(format!("{place}.column")))?;
        each_code(dimension).map_err(|error| error.at(format!("{place}.codes")))?;
        codes = codes.saturating_add(dimension.codes.len());
        if codes > MAX_CODES {
            let problem = format!("{codes} codes so far");
            let expected = format!("at most {MAX_CODES} in all dimensions together");
            return Err(QueryError::new(Code::Limit, problem, expected).at(format!("{place}.codes")));
        }
    }
    Ok(())
}

fn as_dimension(column: Column, seen: &mut BTreeSet<Column>) -> Result<(), QueryError> {
    if column.column_type() == ColumnType::Number {
        let problem = format!("`{}` is a number and cannot make cells", column.name());
        return Err(QueryError::new(Code::Type, problem, "a text or a date column"));
    }
    if column == Column::Unit {
        return Err(QueryError::new(Code::Type, "`unit` cannot make cells", "one unit per measure")
            .advice("give each measure its unit and, where needed, its own `where`"));
    }
    if !seen.insert(column) {
        let problem = format!("a second dimension over `{}`", column.name());
        return Err(QueryError::new(Code::Duplicate, problem, "each column once"));
    }
    Ok(())
}

fn each_code(dimension: &Dimension) -> Result<(), QueryError> {
    if dimension.codes.is_empty() {
        return Err(QueryError::new(Code::Limit, "no codes", "one code or more"));
    }
    let mut seen = BTreeSet::new();
    for code in dimension.codes.iter() {
        shown_text(code)?;
        dimension.column.accept_text(code)?;
        if dimension.column.column_type() == ColumnType::Date {
            let date = Date::parse(code).ok_or_else(|| not_a_date(code))?;
            if dimension.column == Column::Period && !date.is_first_of_month() {
                let problem = format!("`{}` is not the first of a month", &**code);
                return Err(QueryError::new(Code::Limit, problem, "months of use as their first day"));
            }
        }
        if !seen.insert(&**code) {
            let problem = format!("code `{}` stands there twice", &**code);
            return Err(QueryError::new(Code::Duplicate, problem, "each code once"));
        }
    }
    Ok(())
}

fn measures(query: &Query) -> Result<(), QueryError> {
    if query.measures.is_empty() {
        return Err(QueryError::new(Code::Missing, "no [[measure]]", "one measure or more"));
    }
    let mut names = BTreeSet::new();
    let measures = query.measures.iter().map(|measure| ("measure", measure.name()));
    let derives = query.derives.iter().map(|derive| ("derive", derive.name()));
    for (index, (table, name)) in measures.clone().enumerate() {
        one_name(name, &mut names).map_err(|error| error.at(place(table, index, "name")))?;
    }
    for (index, (table, name)) in derives.enumerate() {
        one_name(name, &mut names).map_err(|error| error.at(place(table, index, "name")))?;
    }
    for (index, measure) in query.measures.iter().enumerate() {
        let filter = measure.filter.check(Scope::Rows(query.dataset));
        filter.map_err(|error| error.at(place("measure", index, "where")))?;
        one_measure(query, measure, index)?;
    }
    Ok(())
}

fn place(table: &str, index: usize, key: &str) -> String {
    format!("{table} {}.{key}", index.saturating_add(1))
}

fn one_name<'a>(name: &'a str, seen: &mut BTreeSet<&'a str>) -> Result<(), QueryError> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.chars().all(plain) {
        let problem = format!("`{name}` cannot be a name");
        return Err(QueryError::new(Code::Limit, problem, "a letter a-z, then a-z, 0-9 or _"));
    }
    // These are keys of the output, beside the names of the dimensions.
    if ["measure", "value", "unit", "coverage"].contains(&name) {
        return Err(QueryError::new(
            Code::Limit,
            format!("`{name}` is a word of the output"),
            "another name",
        ));
    }
    if !seen.insert(name) {
        return Err(QueryError::new(Code::Duplicate, format!("a second `{name}`"), "each name once"));
    }
    Ok(())
}

fn one_measure(query: &Query, measure: &Measure, index: usize) -> Result<(), QueryError> {
    match &measure.kind {
        MeasureKind::Sum { scale, low, high, .. } => {
            if *scale > FINEST {
                let error = QueryError::new(Code::Limit, format!("scale {scale}"), format!("0 to {FINEST}"));
                return Err(error.at(place("measure", index, "scale")));
            }
            if *low > 0 || *high < 0 || low == high {
                let problem = format!("[{low}, {high}] leaves out 0 or everything else");
                return Err(QueryError::new(Code::Limit, problem, "[LOW, HIGH] with LOW <= 0 <= HIGH")
                    .advice("a hospital without rows contributes 0")
                    .at(place("measure", index, "range")));
            }
            if measure.bounds().is_none() {
                let problem = format!("[{low}, {high}] at scale {scale} does not fit 64 bits");
                return Err(QueryError::new(Code::Limit, problem, "a narrower range or a lower scale")
                    .at(place("measure", index, "range")));
            }
            Ok(())
        }
        MeasureKind::Rows { max } => {
            if (1..=MAX_ROWS).contains(max) {
                return Ok(());
            }
            let error = QueryError::new(Code::Limit, format!("max = {max}"), format!("1 to {MAX_ROWS}"));
            Err(error.at(place("measure", index, "max")))
        }
        MeasureKind::Hospitals { condition, unit } => {
            if condition.is_always() {
                let error = QueryError::new(Code::Missing, "no condition", "such as sum(quantity) > 0");
                return Err(error.at(place("measure", index, "hospitals")));
            }
            condition
                .check(Scope::Cell(query.dataset))
                .map_err(|error| error.at(place("measure", index, "hospitals")))?;
            if condition.uses_quantity() == unit.is_some() {
                return Ok(());
            }
            let problem = if unit.is_none() {
                "the condition speaks of the quantity, and its unit is not known"
            } else {
                "a unit, but the condition does not speak of the quantity"
            };
            Err(QueryError::new(Code::Conflict, problem, "a unit exactly where the quantity is judged")
                .at(place("measure", index, "unit")))
        }
    }
}

fn derives(query: &Query) -> Result<(), QueryError> {
    for (index, derive) in query.derives.iter().enumerate() {
        if derive.scale > FINEST {
            let error =
                QueryError::new(Code::Limit, format!("scale {}", derive.scale), format!("0 to {FINEST}"));
            return Err(error.at(place("derive", index, "scale")));
        }
        sides(query, derive).map_err(|error| error.at(place("derive", index, "ratio")))?;
    }
    Ok(())
}

fn sides(query: &Query, derive: &Derive) -> Result<(), QueryError> {
    for positions in [&derive.numerator, &derive.denominator] {
        let mut seen = BTreeSet::new();
        let mut unit = None;
        for position in positions.iter() {
            let Some(measure) = query.measures.get(usize::from(*position)) else {
                return Err(QueryError::new(
                    Code::Unknown,
                    "a measure that is not there",
                    "a measure's name",
                ));
            };
            if !seen.insert(*position) {
                let problem = format!("`{}` is added to itself", measure.name());
                return Err(QueryError::new(Code::Duplicate, problem, "each measure once per side"));
            }
            let first = *unit.get_or_insert(measure.unit_text());
            if first != measure.unit_text() {
                let problem = format!("{first} and {} are added", measure.unit_text());
                return Err(QueryError::new(Code::Conflict, problem, "one unit per side"));
            }
        }
        if unit.is_none() {
            return Err(QueryError::new(Code::Missing, "an empty side", "one measure or more per side"));
        }
    }
    Ok(())
}

fn floors(query: &Query) -> Result<(), QueryError> {
    let floor = query.floor_hospitals;
    if floor > MAX_FLOOR {
        let error = QueryError::new(Code::Limit, format!("a floor of {floor}"), format!("1 to {MAX_FLOOR}"));
        return Err(error.at("floors.hospitals"));
    }
    let counts = |measure: &Measure| matches!(measure.kind, MeasureKind::Hospitals { .. });
    if floor > 0 && !query.measures.iter().any(counts) {
        return Err(QueryError::new(
            Code::Conflict,
            "a floor, but no measure that counts hospitals",
            "a measure with `hospitals = \"...\"`",
        )
        .advice("add one, such as hospitals = \"sum(quantity) > 0\"")
        .at("floors.hospitals"));
    }
    Ok(())
}
