//! `[[parameter]]` -> a parameter.

use super::keys::{Item, Keys, Lines};
use crate::codec::{List, Text};
use crate::query::decimal::{Date, Decimal};
use crate::query::error::{Code, QueryError};
use crate::query::parameter::{Bounds, Parameter, rule};

const TYPES: [&str; 3] = ["date", "number", "text"];

pub(super) fn read(table: &Keys<'_>, lines: &mut Lines) -> Result<Parameter, QueryError> {
    table.only(&["name", "type", "range", "one_of", "default"], &[], lines)?;
    let name = table.need("name", lines)?.short()?;
    let kind = table.need("type", lines)?;
    let bounds = match kind.text()? {
        "date" => {
            let (low, high) = ends(table, lines)?.ok_or_else(|| missing(table, "range"))?;
            Bounds::Date(low.read(day)?, high.read(day)?)
        }
        "number" => {
            let (low, high) = ends(table, lines)?.ok_or_else(|| missing(table, "range"))?;
            Bounds::Number(low.decimal()?, high.decimal()?)
        }
        "text" => {
            let choices = table.need("one_of", lines)?;
            let texts: Result<Vec<Text<64>>, QueryError> = choices.list()?.iter().map(Item::short).collect();
            let texts = texts?;
            let count = texts.len();
            choices.read(|_| {
                let few = |_| QueryError::new(Code::Limit, format!("{count} values"), "at most 64");
                List::new(texts).map(Bounds::Text).map_err(few)
            })?
        }
        other => return kind.read(|_| Err(QueryError::unknown("type", other, TYPES))),
    };
    let unfit = if matches!(bounds, Bounds::Text(_)) { "range" } else { "one_of" };
    if let Some(item) = table.get(unfit, lines) {
        let problem = format!("`{unfit}` beside this type");
        return item.read(|_| {
            Err(QueryError::new(Code::Conflict, problem, "`range` for dates and numbers, `one_of` for texts"))
        });
    }
    let mut parameter = Parameter { name, bounds, usual: None, value: None };
    if let Some(item) = table.get("default", lines) {
        let usual = item.read(|item| {
            if item.is_text() {
                rule(&parameter, item.text()?)
            } else {
                rule(&parameter, &item.decimal()?.to_string())
            }
        })?;
        parameter.usual = Some(usual);
    }
    Ok(parameter)
}

fn missing(table: &Keys<'_>, key: &str) -> QueryError {
    let error = QueryError::new(Code::Missing, format!("`{key}` is missing"), "[LOWEST, HIGHEST]");
    error.at(&table.place).on(Some(table.line))
}

fn ends<'a>(table: &'a Keys<'_>, lines: &mut Lines) -> Result<Option<(Item<'a>, Item<'a>)>, QueryError> {
    let Some(item) = table.get("range", lines) else { return Ok(None) };
    let ends = item.list()?;
    match <[Item<'a>; 2]>::try_from(ends) {
        Ok([low, high]) => Ok(Some((low, high))),
        Err(_) => item.read(|_| Err(QueryError::new(Code::Type, "not two ends", "[LOWEST, HIGHEST]"))),
    }
}

pub(super) fn day(item: &Item<'_>) -> Result<Date, QueryError> {
    let text = item.text()?;
    Date::parse(text).ok_or_else(|| crate::query::parse::not_a_date(text))
}

pub(super) fn number(item: &Item<'_>) -> Result<Decimal, QueryError> {
    item.decimal()
}
