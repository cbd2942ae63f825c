//! The true totals, in the clear: read from the extracts of the survivors and added with plain integers.
//!
//! Owns its own reading of files and queries and shares nothing with the agent's, so that the same mistake
//! would have to be made twice. It must not know how a session ran.

mod condition;
mod rows;

pub use rows::{Dialect, Row, Val};

use crate::error::Error;
use condition::holds;
use samensom_protocol::query::{Derive, DeriveKind, Measure, MeasureKind, Query};
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::path::Path;

/// Quantities are whole numbers of 10^-6.
pub const MICRO: u32 = 6;

/// One figure per cell, in the order of the query's layout, at the scale of each measure.
pub type Figures = Vec<i128>;

/// The figures of one hospital.
///
/// # Errors
/// When a row of its extracts cannot be read or counts in a foreign unit.
pub fn figures(query: &Query, tables: &[toml::Table], home: &Path) -> Result<Figures, Error> {
    let groups = query.dimensions().iter().map(|dimension| dimension.codes().len()).product::<usize>();
    let mut cells: Vec<Vec<Row>> = vec![Vec::new(); groups];
    for table in tables.iter().filter(|table| text(table, "dataset") == query.dataset().name()) {
        let dialect = Dialect::of(query.dataset(), table)?;
        for row in dialect.read(&home.join(text(table, "file")))? {
            if holds(query.population(), std::slice::from_ref(&row)) != Some(true) {
                continue;
            }
            if let Some(cell) = place(query, &row).and_then(|place| cells.get_mut(place)) {
                cell.push(row);
            }
        }
    }
    let mut figures = Vec::new();
    for cell in &cells {
        for measure in query.measures() {
            figures.push(figure(measure, cell)?);
        }
    }
    Ok(figures)
}

fn text<'a>(table: &'a toml::Table, key: &str) -> &'a str {
    table.get(key).and_then(toml::Value::as_str).unwrap_or("")
}

/// The cell of a row, counted without the measures; none when one of its values is not listed.
fn place(query: &Query, row: &Row) -> Option<usize> {
    query.dimensions().iter().try_fold(0, |place, dimension| {
        let value = match row.get(&dimension.column())? {
            Val::Text(text) | Val::Date(text) => text,
            Val::Micro(_) => return None,
        };
        let code = dimension.codes().iter().position(|code| **code == **value)?;
        Some(place * dimension.codes().len() + code)
    })
}

fn figure(measure: &Measure, cell: &[Row]) -> Result<i128, Error> {
    let counted: Vec<Row> = cell
        .iter()
        .filter(|row| holds(measure.filter(), std::slice::from_ref(*row)) == Some(true))
        .cloned()
        .collect();
    if let Some(unit) = measure.unit() {
        let foreign = counted.iter().filter_map(rows::unit_of).find(|found| *found != unit.name());
        if let Some(foreign) = foreign {
            return Err(Error::asked(format!("the oracle met {foreign} where {} is summed", unit.name())));
        }
    }
    Ok(match measure.kind() {
        MeasureKind::Sum { limits, .. } => {
            let exact = counted.iter().filter_map(rows::quantity_of).sum();
            divide(exact, ten(MICRO.saturating_sub(u32::from(limits.scale))))
        }
        MeasureKind::Rows { .. } => i128::try_from(counted.len()).unwrap_or(i128::MAX),
        MeasureKind::Hospitals { condition } => i128::from(holds(condition, &counted) == Some(true)),
        _ => return Err(Error::asked("the oracle does not know this measure")),
    })
}

/// A figure as people write it.
#[must_use]
pub fn written(figure: i128, scale: u8) -> String {
    let unit = ten(u32::from(scale));
    let (sign, size) = (if figure < 0 { "-" } else { "" }, figure.abs());
    let width = usize::from(scale);
    if scale == 0 {
        format!("{sign}{size}")
    } else {
        format!("{sign}{}.{:0width$}", size / unit, size % unit)
    }
}

/// The codes of a cell.
#[must_use]
pub fn label(query: &Query, place: usize) -> String {
    labels(query, place).into_iter().map(|(_, code)| code).collect::<Vec<_>>().join(" ")
}

/// Adds the figures of a hospital to those of others.
pub fn add(sum: &mut Figures, figures: &[i128]) {
    sum.resize(figures.len(), 0);
    sum.iter_mut().zip(figures).for_each(|(sum, figure)| *sum += figure);
}

/// Compares what was opened with the clear sum, line by line: every cell shown with its true figure, and
/// suppressed exactly where fewer hospitals than the floor stand behind it.
///
/// # Errors
/// The first line that differs, in words.
pub fn compare(query: &Query, floor: u16, clear: &[i128], totals: &Json) -> Result<(), String> {
    let shown = index(totals)?;
    let measures = query.measures().len();
    let lines = clear.len() / measures.max(1) * (measures + query.derives().len());
    if shown.len() != lines {
        return Err(format!("{} lines are shown, {lines} expected", shown.len()));
    }
    for (place, cell) in clear.chunks(measures.max(1)).enumerate() {
        let labels = labels(query, place);
        let hidden = query.measures().iter().zip(cell).any(|(measure, count)| {
            matches!(measure.kind(), MeasureKind::Hospitals { .. }) && *count < i128::from(floor)
        });
        let line = |name: &str, expected: Option<(i128, u8)>| {
            let found = shown.get(&(labels.clone(), name.to_owned())).copied().unwrap_or("missing");
            let right = match (hidden, expected) {
                (true, _) => found == "suppressed",
                (false, Some((figure, scale))) => decimal(found, scale) == Some(figure),
                (false, None) => found == "no use",
            };
            let expected = expected.map_or("no use".to_owned(), |(figure, scale)| written(figure, scale));
            if right { Ok(()) } else { Err(format!("{labels:?} {name}: {found}, in the clear {expected}")) }
        };
        for (measure, figure) in query.measures().iter().zip(cell) {
            line(measure.name(), Some((*figure, measure.scale())))?;
        }
        for derive in query.derives() {
            line(derive.name(), ratio(query, derive, cell))?;
        }
    }
    Ok(())
}

type Labels = Vec<(String, String)>;

/// The shown values by labels and measure.
fn index(totals: &Json) -> Result<BTreeMap<(Labels, String), &str>, String> {
    let lines = totals.as_array().ok_or("there are no totals")?;
    let mut shown = BTreeMap::new();
    for line in lines {
        let object = line.as_object().ok_or("a total is no object")?;
        let text = |key: &str| object.get(key).and_then(Json::as_str).unwrap_or("");
        let own = object.get("labels").and_then(Json::as_object).ok_or("a total has no labels")?;
        let mut labels: Labels =
            own.iter().map(|(key, value)| (key.clone(), value.as_str().unwrap_or("").to_owned())).collect();
        labels.sort();
        if shown.insert((labels, text("measure").to_owned()), text("value")).is_some() {
            return Err(format!("a total is shown twice: {line}"));
        }
    }
    Ok(shown)
}

fn labels(query: &Query, mut place: usize) -> Labels {
    let mut labels = Labels::new();
    for dimension in query.dimensions().iter().rev() {
        let codes = dimension.codes();
        let code = codes.get(place % codes.len().max(1)).map_or("", |code| &**code);
        labels.push((dimension.column().name().to_owned(), code.to_owned()));
        place /= codes.len().max(1);
    }
    labels.sort();
    labels
}

/// The quotient at the ratio's scale; none when nothing stands below the line.
fn ratio(query: &Query, derive: &Derive, cell: &[i128]) -> Option<(i128, u8)> {
    let DeriveKind::Ratio { numerator, denominator } = derive.kind() else { return None };
    let side = |positions: &[u8]| -> i128 {
        positions
            .iter()
            .map(|at| usize::from(*at))
            .filter_map(|at| Some((query.measures().get(at)?, cell.get(at)?)))
            .map(|(measure, figure)| figure * ten(MICRO.saturating_sub(u32::from(measure.scale()))))
            .sum()
    };
    let (top, bottom) = (side(numerator), side(denominator));
    if bottom == 0 {
        return None;
    }
    let top = top * ten(u32::from(derive.scale()));
    Some((if bottom < 0 { divide(-top, -bottom) } else { divide(top, bottom) }, derive.scale()))
}

/// The text of a decimal number as a whole number of `10^-scale`.
fn decimal(text: &str, scale: u8) -> Option<i128> {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let missing = u32::from(scale).checked_sub(u32::try_from(fraction.len()).ok()?)?;
    let all = format!("{whole}{fraction}");
    if !all.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let size = all.parse::<i128>().ok()? * ten(missing);
    Some(if negative { -size } else { size })
}

fn ten(exponent: u32) -> i128 {
    10_i128.pow(exponent)
}

/// Divides by a positive number; a half goes to the even neighbour.
fn divide(top: i128, bottom: i128) -> i128 {
    let (whole, rest) = (top.div_euclid(bottom), top.rem_euclid(bottom));
    let up = (2 * rest > bottom) || (2 * rest == bottom && whole.rem_euclid(2) == 1);
    whole + i128::from(up)
}

#[cfg(test)]
mod tests;
