//! The text of a query -> a query.
//!
//! Owns the keys: which there are, which come later, on which line each stands. What the parts mean
//! together is checked by `check`, for text and canonical form alike.

mod derives;
mod dimensions;
mod keys;
mod measures;
mod parameters;
mod strings;

use self::keys::{Keys, Lines};
use super::dataset::Dataset;
use super::error::{Code, QueryError};
use super::expr::{Expr, Scope};
use super::{LANGUAGE, Parameter, Purpose, Query, check, malformed, parse};
use crate::codec::List;

const MAX_SOURCE: usize = 1 << 20;

type Codes<'a> = &'a mut dyn FnMut(&str) -> Result<String, String>;

pub(super) fn read(source: &str, codes: Codes<'_>) -> Result<Query, QueryError> {
    if source.len() > MAX_SOURCE {
        let problem = format!("a query of {} bytes", source.len());
        return Err(QueryError::new(Code::Limit, problem, format!("at most {MAX_SOURCE}")));
    }
    let mut lines = Lines::new(source);
    let read = keys::parse(source, &mut lines).and_then(|document| {
        let query = document_to_query(&document, codes, &mut lines)?;
        // The rules of a whole query know places, not lines.
        check::query(&query).map_err(|error| lines.told(error))?;
        Ok(query)
    });
    let query = read.map_err(|error| lines.located(source, error))?;
    let bytes = query.canonical().map_err(|error| malformed(&error));
    bytes.map(|_| query)
}

fn document_to_query(document: &Keys<'_>, codes: Codes<'_>, lines: &mut Lines) -> Result<Query, QueryError> {
    document.only(
        &["query", "parameter", "population", "dimension", "measure", "derive", "floors"],
        &["noise"],
        lines,
    )?;
    let head = document.need("query", lines)?.table(lines)?;
    head.only(&["id", "version", "title", "purpose", "dataset", "max_age"], &[], lines)?;
    let title = head.need("title", lines)?.table(lines)?;
    title.only(&["nl", "en"], &[], lines)?;
    let dataset = head.need("dataset", lines)?;
    let dataset = dataset.read(|item| Dataset::parse(item.text()?))?;
    let purpose = head.need("purpose", lines)?.read(|item| {
        let name = item.text()?;
        let found = Purpose::ALL.into_iter().find(|purpose| purpose.name() == name);
        found.ok_or_else(|| QueryError::unknown("purpose", name, Purpose::ALL.map(Purpose::name)))
    })?;
    let mut parameters = Vec::new();
    for table in document.tables("parameter", lines)? {
        parameters.push(parameters::read(&table, lines)?);
    }
    let mut dimensions = Vec::new();
    for table in document.tables("dimension", lines)? {
        dimensions.push(dimensions::read(&table, dataset, codes, lines)?);
    }
    let measures = measures::read(document, dataset, &parameters, lines)?;
    let mut derives = Vec::new();
    for table in document.tables("derive", lines)? {
        derives.push(derives::read(&table, &measures, &dimensions, lines)?);
    }
    let max_age =
        head.get("max_age", lines).map(|item| item.read(|item| minutes(item.text()?))).transpose()?;
    let (floor_hospitals, floor_patients, floor_dominance) = floors(document, lines)?;
    Ok(Query {
        language: LANGUAGE,
        id: head.need("id", lines)?.short()?,
        version: head.need("version", lines)?.number()?,
        title_nl: title.need("nl", lines)?.short()?,
        title_en: title.need("en", lines)?.short()?,
        purpose,
        dataset,
        max_age: max_age.unwrap_or(0),
        population: population(document, dataset, &parameters, lines)?,
        parameters: list(parameters, "parameter", lines)?,
        dimensions: list(dimensions, "dimension", lines)?,
        measures: list(measures, "measure", lines)?,
        derives: list(derives, "derive", lines)?,
        floor_hospitals,
        floor_patients,
        floor_dominance,
    })
}

fn list<T, const MAX: usize>(items: Vec<T>, table: &str, lines: &Lines) -> Result<List<T, MAX>, QueryError> {
    let count = items.len();
    List::new(items).map_err(|_| {
        let problem = format!("{count} tables [[{table}]]");
        let place = format!("{table} {}", MAX.saturating_add(1));
        QueryError::new(Code::Limit, problem, format!("at most {MAX}")).on(lines.of_place(&place)).at(table)
    })
}

fn population(
    document: &Keys<'_>,
    dataset: Dataset,
    parameters: &[Parameter],
    lines: &mut Lines,
) -> Result<Expr, QueryError> {
    let Some(table) = document.get("population", lines) else { return Ok(Expr::always()) };
    let table = table.table(lines)?;
    table.only(&["where"], &[], lines)?;
    let scope = Scope::Rows(dataset);
    table.need("where", lines)?.read(|item| parse::condition(item.text()?, scope, parameters))
}

fn floors(document: &Keys<'_>, lines: &mut Lines) -> Result<(u16, u32, u8), QueryError> {
    let Some(table) = document.get("floors", lines) else { return Ok((0, 0, 0)) };
    let table = table.table(lines)?;
    table.only(&["hospitals", "patients", "dominance"], &[], lines)?;
    let item = table.need("hospitals", lines)?;
    let hospitals = match item.number::<u16>()? {
        0 => item.read(|_| Err(QueryError::new(Code::Limit, "a floor of 0", "1 or more, or no [floors]"))),
        floor => Ok(floor),
    }?;
    let patients = table.get("patients", lines).map(|item| item.number::<u32>()).transpose()?;
    let dominance = table.get("dominance", lines).map(|item| match item.number::<u8>()? {
        0 => item.read(|_| {
            Err(QueryError::new(Code::Limit, "a share of 0 percent", "1 to 100, or no `dominance`"))
        }),
        percent => Ok(percent),
    });
    Ok((hospitals, patients.unwrap_or(0), dominance.transpose()?.unwrap_or(0)))
}

/// A length of time such as `90m`, `36h` or `45d`, in minutes.
fn minutes(text: &str) -> Result<u32, QueryError> {
    let read = [("m", 1_u32), ("h", 60), ("d", 1_440)].into_iter().find_map(|(unit, minutes)| {
        let number = text.strip_suffix(unit)?;
        let plain =
            !number.is_empty() && number.len() <= 6 && number.bytes().all(|byte| byte.is_ascii_digit());
        plain.then(|| number.parse::<u32>().ok()).flatten()?.checked_mul(minutes)
    });
    read.filter(|minutes| *minutes > 0).ok_or_else(|| {
        QueryError::new(Code::Type, format!("`{text}` is no length of time"), "such as 90m, 36h or 45d")
    })
}
