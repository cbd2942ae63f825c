//! The rules a whole query must keep, whether it came as text or in canonical form.
//!
//! Owns limits, uniqueness and agreement between the parts. It must not change the query.

mod derives;
mod measures;

pub(super) use measures::judges_quantity;

use super::dataset::{Column, ColumnType};
use super::decimal::Date;
use super::dimension::{Classes, MAX_CODES};
use super::error::{Code, QueryError};
use super::expr::{Expr, Scope, Term};
use super::gauge::{Gauge, Holds};
use super::layout::{Layout, MAX_CELLS};
use super::measure::{Measure, MeasureKind};
use super::parse::not_a_date;
use super::{Dimension, LANGUAGE, Query};
use crate::crypto::blocks::{MAX_CHECKED, MAX_CHECKED_BITS};
use std::collections::BTreeSet;

const MAX_FLOOR: u16 = 1_000;
/// Where cells are of classes of hospitals: one of two would read the other's figures.
const LEAST_OF_A_CLASS: u16 = 3;
/// Fewest patients behind a shown cell, where a data set has patients.
const LEAST_PATIENTS: u32 = 10;
const MAX_PATIENTS: u32 = 1_000_000;
/// Ten years.
const MAX_AGE: u32 = 5_270_400;

pub(super) fn query(query: &Query) -> Result<(), QueryError> {
    if query.language != LANGUAGE {
        let problem = format!("query language {}", query.language);
        return Err(QueryError::new(Code::NotYet, problem, format!("language {LANGUAGE}")));
    }
    identity(query)?;
    parameters(query)?;
    query.population.check(Scope::Rows(query.dataset)).map_err(|error| error.at("population.where"))?;
    dimensions(query)?;
    measures(query)?;
    for (index, derive) in query.derives.iter().enumerate() {
        derives::one(query, derive, index)?;
    }
    floors(query)?;
    size(query)
}

/// Refuses too many cells: how many, and which dimension makes them.
fn size(query: &Query) -> Result<(), QueryError> {
    if Layout::of(query).is_some() {
        return affordable(query);
    }
    let figures: usize = query.measures.iter().filter_map(Measure::parts).map(|parts| parts.len()).sum();
    let sizes = || query.dimensions.iter().map(|one| (one.column().name(), one.size()));
    let cells = sizes().fold(figures, |cells, (_, size)| cells.saturating_mul(size));
    let made: Vec<String> = sizes().map(|(column, size)| format!("{column} {size}")).collect();
    let largest = sizes().max_by_key(|(_, size)| *size).map_or("", |(column, _)| column);
    let problem = format!("{cells} cells: {} x {figures} figures", made.join(" x "));
    Err(QueryError::new(Code::Limit, problem, format!("at most {MAX_CELLS}"))
        .advice(format!("ask for less of `{largest}`, which makes most of them, or split the query")))
}

/// Refuses more proofs of ranges than a hospital makes in time.
fn affordable(query: &Query) -> Result<(), QueryError> {
    let blocks = query.blocks();
    if blocks.is_affordable() {
        return Ok(());
    }
    let problem = format!("{} cells with {} bits to prove", blocks.checked_cells(), blocks.bits());
    let expected = format!("at most {MAX_CHECKED} checked cells and {MAX_CHECKED_BITS} bits");
    Err(QueryError::new(Code::Limit, problem, expected)
        .advice("leave `checked` out of a measure, narrow its range, or ask for fewer cells"))
}

fn parameters(query: &Query) -> Result<(), QueryError> {
    let mut names = BTreeSet::new();
    for (index, parameter) in query.parameters.iter().enumerate() {
        let at = |key: &'static str| move |error: QueryError| error.at(place("parameter", index, key));
        one_name(parameter.name(), &mut names).map_err(at("name"))?;
        if query.dataset.columns().iter().any(|column| column.name() == parameter.name()) {
            let problem = format!("`{}` is a column too", parameter.name());
            return Err(at("name")(QueryError::new(Code::Duplicate, problem, "another name")));
        }
        parameter.check().map_err(at("default"))?;
    }
    let mut used = BTreeSet::new();
    for expr in expressions(query) {
        for term in expr.terms() {
            let Term::Parameter(place, kind) = term else { continue };
            let there = query.parameters.get(usize::from(*place)).map(super::Parameter::kind);
            if there != Some(*kind) {
                return Err(QueryError::new(
                    Code::Unknown,
                    "a parameter that is not there",
                    "a declared one",
                ));
            }
            used.insert(usize::from(*place));
        }
    }
    if let Some(unused) = (0..query.parameters.len()).find(|place| !used.contains(place)) {
        let error = QueryError::new(Code::Conflict, "a parameter that nothing uses", "none, or its use");
        return Err(error.at(place("parameter", unused, "name")));
    }
    bound_well(query)
}

/// With the values of its parameters every expression must still be one: a text may be no kind of stock.
fn bound_well(query: &Query) -> Result<(), QueryError> {
    if query.parameters.is_empty() || query.parameters.iter().any(|one| one.value.is_none()) {
        return Ok(());
    }
    let resolved = query.with_values()?;
    resolved.population.check(Scope::Rows(query.dataset)).map_err(|error| error.at("population.where"))?;
    for (index, measure) in resolved.measures.iter().enumerate() {
        measures::one(&resolved, measure, index)?;
    }
    Ok(())
}

/// Every expression of a query.
pub(super) fn expressions(query: &Query) -> Vec<&Expr> {
    let mut all = vec![&query.population];
    for measure in query.measures.iter() {
        all.push(&measure.filter);
        match &measure.kind {
            MeasureKind::Rows { .. } | MeasureKind::Patients { .. } => {}
            MeasureKind::Sum { of, .. }
            | MeasureKind::Histogram { of, .. }
            | MeasureKind::Moments { of, .. }
            | MeasureKind::Hospitals { condition: of } => all.push(of),
            MeasureKind::Regression { outcome, predictors, .. } => {
                all.push(outcome);
                all.extend(predictors.iter());
            }
            MeasureKind::Survival { time, event, .. } => all.extend([time, event]),
        }
    }
    all
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
    if query.max_age > MAX_AGE {
        let problem = format!("{} minutes", query.max_age);
        return Err(QueryError::new(Code::Limit, problem, "at most ten years").at("query.max_age"));
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
        let column = if dimension.is_of_hospitals() {
            Ok(dimension.column())
        } else {
            query.dataset.column(dimension.column().name())
        };
        column.and_then(|column| as_dimension(column, &dimension.classes, &mut columns)).map_err(
            |error| {
                let key = if dimension.is_of_hospitals() { "group" } else { "column" };
                error.at(format!("{place}.{key}"))
            },
        )?;
        match &dimension.classes {
            Classes::Codes(_) => each_code(dimension).map_err(|error| error.at(format!("{place}.codes")))?,
            Classes::Numbers(bins) => rising(bins).map_err(|error| error.at(format!("{place}.bins")))?,
            Classes::Days(bins) => rising(bins).map_err(|error| error.at(format!("{place}.bins")))?,
        }
        if dimension.other && !matches!(dimension.classes, Classes::Codes(_)) {
            let error = QueryError::new(
                Code::Conflict,
                "`other` beside classes, which hold all values",
                "no `other`",
            );
            return Err(error.at(format!("{place}.other")));
        }
        codes = codes.saturating_add(dimension.codes().len());
        if codes > MAX_CODES {
            let problem = format!("{codes} codes so far");
            let expected = format!("at most {MAX_CODES} in all dimensions together");
            return Err(QueryError::new(Code::Limit, problem, expected).at(format!("{place}.codes")));
        }
    }
    Ok(())
}

fn as_dimension(column: Column, classes: &Classes, seen: &mut BTreeSet<Column>) -> Result<(), QueryError> {
    let expected = match classes {
        Classes::Codes(_) => column.column_type() != ColumnType::Number,
        Classes::Numbers(_) => column.column_type() == ColumnType::Number,
        Classes::Days(_) => column.column_type() == ColumnType::Date,
    };
    if !expected {
        let problem =
            format!("`{}` is {} and cannot make these cells", column.name(), column.column_type().name());
        return Err(QueryError::new(
            Code::Type,
            problem,
            "`codes` for a text or a date, `bins` for a number or a date",
        ));
    }
    if Holds::of(column) == Holds::Number(Gauge::QUANTITY) {
        let problem = format!("`{}` has a unit and cannot make cells", column.name());
        return Err(QueryError::new(Code::Type, problem, "a measure `histogram`, which has a unit"));
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

fn rising<T: PartialOrd + core::fmt::Display>(bins: &[T]) -> Result<(), QueryError> {
    if bins.is_empty() {
        return Err(QueryError::new(Code::Limit, "no ends of classes", "one or more"));
    }
    match bins.array_windows().find(|[low, high]| low >= high) {
        None => Ok(()),
        Some([low, high]) => {
            let problem = format!("{high} behind {low}");
            Err(QueryError::new(Code::Conflict, problem, "ends of classes in rising order, each once"))
        }
    }
}

fn each_code(dimension: &Dimension) -> Result<(), QueryError> {
    // Of hospitals: which there are, the roster says when the warrant is made.
    if dimension.codes().is_empty() && !dimension.is_of_hospitals() {
        return Err(QueryError::new(Code::Limit, "no codes", "one code or more"));
    }
    let mut seen = BTreeSet::new();
    for code in dimension.codes() {
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
        measures::one(query, measure, index)?;
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
    if ["measure", "part", "value", "unit", "coverage"].contains(&name) {
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

fn floors(query: &Query) -> Result<(), QueryError> {
    let floor = query.floor_hospitals;
    if floor > MAX_FLOOR {
        let error = QueryError::new(Code::Limit, format!("a floor of {floor}"), format!("1 to {MAX_FLOOR}"));
        return Err(error.at("floors.hospitals"));
    }
    if query.is_by_class() && floor < LEAST_OF_A_CLASS {
        let problem = format!("cells per class of hospitals under a floor of {floor}");
        let error = QueryError::new(Code::Missing, problem, format!("{LEAST_OF_A_CLASS} to {MAX_FLOOR}"));
        let advice = format!("write `hospitals = {LEAST_OF_A_CLASS}` or more under [floors]");
        return Err(error.at("floors.hospitals").advice(advice));
    }
    if query.floor_dominance > 100 {
        let problem = format!("a share of {} percent", query.floor_dominance);
        return Err(QueryError::new(Code::Limit, problem, "1 to 100").at("floors.dominance"));
    }
    if query.floor_dominance > 0 && floor == 0 {
        let problem = "a rule of dominance without a floor of hospitals";
        let error = QueryError::new(Code::Missing, problem, format!("1 to {MAX_FLOOR}"));
        return Err(error.at("floors.hospitals"));
    }
    patients(query).map_err(|error| error.at("floors.patients"))
}

/// Where there are patients, they are counted and few are not shown; elsewhere there is nothing to count.
fn patients(query: &Query) -> Result<(), QueryError> {
    let (floor, name) = (query.floor_patients, query.dataset.name());
    if !query.dataset.has_patients() {
        if floor == 0 {
            return Ok(());
        }
        let problem = format!("a floor of patients, and data set {name} has none");
        return Err(QueryError::new(Code::Conflict, problem, "no `patients` under [floors]"));
    }
    if !(LEAST_PATIENTS..=MAX_PATIENTS).contains(&floor) {
        let problem = format!("a floor of {floor} patients over data set {name}");
        return Err(QueryError::new(Code::Limit, problem, format!("{LEAST_PATIENTS} to {MAX_PATIENTS}"))
            .advice(format!("write `patients = {LEAST_PATIENTS}` under [floors]")));
    }
    Ok(())
}
