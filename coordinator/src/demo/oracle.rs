//! The true totals, in the clear: read from the extracts of the survivors and added with plain loops.
//!
//! Owns its own reading of files and queries and shares nothing with the agent's, so that the same mistake
//! would have to be made twice. It must not know how a session ran.

mod derive;
mod derived;
mod measure;
mod opened;
mod rows;
mod value;

pub use derive::{Line, Shown, table};
pub use measure::Refusal;
pub use rows::{Dialect, Row, Val};

use crate::error::Error;
use samensom_protocol::query::{Classes, Column, Dataset, Decimal, Dimension, Query};
use serde_json::Value as Json;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use value::{decimal, holds, of_micro, ten};

pub use value::Number;

/// One figure per cell, in the order of the query's layout, at the scale of each.
pub type Figures = Vec<i128>;

/// What must stand behind a figure that opens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Floors {
    /// Hospitals.
    pub hospitals: usize,
    /// Whether patients are counted too.
    pub patients: bool,
    /// So many of them make a hospital one that has enough.
    pub patients_each: usize,
    /// Whether figures are judged by their largest share; here in a first session, where nobody has a total yet.
    pub dominance: bool,
}

/// Whether each measure of each cell stays closed over the rows of these hospitals; nothing does without floors.
/// The query's parameters have been replaced by their values.
#[must_use]
pub fn closed(query: &Query, hospitals: &[Vec<Row>], floors: Option<&Floors>) -> Vec<Vec<bool>> {
    match floors {
        Some(floors) => opened::closed(query, hospitals, floors),
        None => {
            let cells = query.dimensions().iter().map(Dimension::size).product::<usize>();
            vec![vec![false; query.measures().len()]; cells]
        }
    }
}

/// What the roster says of one hospital: its value of each property.
pub type Own = BTreeMap<Column, String>;

/// The rows of one hospital for a query, each with the hospital's properties as if they were columns.
///
/// # Errors
/// When a row of its extracts cannot be read.
pub fn rows(query: &Query, tables: &[toml::Table], home: &Path, own: &Own) -> Result<Vec<Row>, Error> {
    let mut rows = derived::rows(query.dataset(), tables, home)?;
    for row in &mut rows {
        row.extend(own.iter().map(|(column, value)| (*column, Val::Text(value.clone()))));
    }
    Ok(rows)
}

/// The figures of one hospital with these rows: nothing in the cells of other classes of hospitals.
///
/// # Errors
/// When it must refuse.
pub fn figures(query: &Query, rows: &[Row], own: &Own) -> Result<Figures, Error> {
    let query = query.resolved().map_err(|why| Error::asked(why.to_string()))?;
    let figures =
        of_rows(&query, rows).map_err(|refused| Error::asked(format!("the oracle refuses: {refused:?}")))?;
    Ok(in_own_class(&query, figures, own))
}

/// The same figures, and nothing in the cells of other classes of hospitals.
#[must_use]
pub fn in_own_class(query: &Query, mut figures: Figures, own: &Own) -> Figures {
    let cells = query.dimensions().iter().map(Dimension::size).product::<usize>();
    let width = figures.len() / cells.max(1);
    for (place, cell) in figures.chunks_mut(width.max(1)).enumerate() {
        let mut rest = place;
        for dimension in query.dimensions().iter().rev() {
            let size = dimension.size().max(1);
            let here = rest % size;
            rest /= size;
            if Column::OF_HOSPITALS.contains(&dimension.column()) && class(dimension, own) != Some(here) {
                cell.fill(0);
            }
        }
    }
    figures
}

/// The place of a hospital along a dimension over one of its properties.
fn class(dimension: &Dimension, own: &Own) -> Option<usize> {
    match own.get(&dimension.column()) {
        Some(value) => along(dimension, &Val::Text(value.clone())),
        None => dimension.has_missing().then(|| dimension.size() - 1),
    }
}

/// The rows of a data set that is made of others, given in the order in which it names them.
#[must_use]
pub fn made_rows(dataset: Dataset, sources: &[Vec<Row>]) -> Vec<Row> {
    match (dataset, sources) {
        (Dataset::Position, [stock, used, orders]) => {
            derived::position(stock, used, orders).unwrap_or_default()
        }
        (Dataset::Course, [given, stays, results]) => derived::courses(given, stays, results),
        _ => Vec::new(),
    }
}

fn text<'a>(table: &'a toml::Table, key: &str) -> &'a str {
    table.get(key).and_then(toml::Value::as_str).unwrap_or("")
}

/// The figures of one hospital with these rows; the query's parameters have been replaced by their values.
///
/// # Errors
/// Every reason for which it must not answer.
pub fn of_rows(query: &Query, rows: &[Row]) -> Result<Figures, BTreeSet<Refusal>> {
    let cells = cells(query, rows);
    let (mut figures, mut refused) = (Vec::new(), BTreeSet::new());
    for cell in &cells {
        for measure in query.measures() {
            figures.extend(measure::figures(measure, cell, &mut refused));
        }
    }
    if refused.is_empty() { Ok(figures) } else { Err(refused) }
}

/// The rows that count, by cell.
fn cells<'a>(query: &Query, rows: &'a [Row]) -> Vec<Vec<&'a Row>> {
    let count = query.dimensions().iter().map(Dimension::size).product::<usize>();
    let mut cells: Vec<Vec<&Row>> = vec![Vec::new(); count];
    for row in rows.iter().filter(|row| holds(query.population(), &[row]) == Some(true)) {
        if let Some(cell) = place(query, row).and_then(|place| cells.get_mut(place)) {
            cell.push(row);
        }
    }
    cells
}

/// Whether a number of a query is this fraction.
#[must_use]
pub fn equals(number: Decimal, fraction: &Number) -> bool {
    decimal(number) == *fraction
}

/// The cell of a row, counted without the figures; none when one of its values has no place.
fn place(query: &Query, row: &Row) -> Option<usize> {
    query.dimensions().iter().try_fold(0, |place, dimension| {
        let along = match row.get(&dimension.column()) {
            Some(value) => along(dimension, value)?,
            None if dimension.has_missing() => dimension.size() - 1,
            None => return None,
        };
        Some(place * dimension.size() + along)
    })
}

/// The place of a value along a dimension.
fn along(dimension: &Dimension, value: &Val) -> Option<usize> {
    match (dimension.classes(), value) {
        (Classes::Codes(codes), Val::Text(text) | Val::Date(text)) => {
            let listed = codes.iter().position(|code| **code == **text);
            listed.or(dimension.has_other().then_some(codes.len()))
        }
        (Classes::Numbers(ends), Val::Micro(micro)) => {
            let value = of_micro(*micro);
            Some(ends.iter().filter(|end| decimal(**end) <= value).count())
        }
        // Days are written so that they compare as texts.
        (Classes::Days(ends), Val::Date(day)) => {
            Some(ends.iter().filter(|end| end.to_string() <= *day).count())
        }
        _ => None,
    }
}

/// A figure as people write it.
#[must_use]
pub fn written(figure: i128, scale: u8) -> String {
    let unit = 10_i128.pow(u32::from(scale));
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

/// Compares what was opened with the clear sum, line by line: every figure shown as it is in the clear, and
/// suppressed exactly where it stays closed.
///
/// # Errors
/// The first line that differs, in words.
pub fn compare(query: &Query, closed: &[Vec<bool>], clear: &[i128], totals: &Json) -> Result<(), String> {
    let query = &query.resolved().map_err(|why| why.to_string())?;
    let found = index(totals)?;
    let lines = table(query, closed, clear);
    if found.len() != lines.len() {
        return Err(format!("{} lines are shown, {} expected", found.len(), lines.len()));
    }
    for line in lines {
        let mut labels = labels(query, line.place);
        labels.sort();
        let name = (labels.clone(), line.measure.clone(), line.part.clone());
        let text = found.get(&name).copied().unwrap_or("missing");
        if !is_shown(text, &line.shown) {
            let (measure, part, shown) = (line.measure, line.part, line.shown);
            return Err(format!("{labels:?} {measure} {part}: {text}, in the clear {shown:?}"));
        }
    }
    Ok(())
}

fn is_shown(text: &str, shown: &Shown) -> bool {
    let end = |text: &str, end: &Number| {
        read(text, FINE).map(|fine| Number::new(fine.into(), ten(FINE))) == Some(end.clone())
    };
    match shown {
        Shown::Figure(figure, scale) => read(text, *scale) == Some(*figure),
        Shown::Suppressed => text == "suppressed",
        Shown::NoUse => text == "no use",
        Shown::Below(upper) => text.strip_prefix('<').is_some_and(|text| end(text, upper)),
        Shown::AtLeast(lower) => text.strip_prefix(">=").is_some_and(|text| end(text, lower)),
    }
}

/// Ends of classes have no more decimals.
const FINE: u8 = 12;

type Labels = Vec<(String, String)>;
type Name = (Labels, String, String);

/// The shown values by labels, measure and part.
fn index(totals: &Json) -> Result<BTreeMap<Name, &str>, String> {
    let lines = totals.as_array().ok_or("there are no totals")?;
    let mut shown = BTreeMap::new();
    for line in lines {
        let object = line.as_object().ok_or("a total is no object")?;
        let text = |key: &str| object.get(key).and_then(Json::as_str).unwrap_or("");
        let own = object.get("labels").and_then(Json::as_object).ok_or("a total has no labels")?;
        let mut labels: Labels =
            own.iter().map(|(key, value)| (key.clone(), value.as_str().unwrap_or("").to_owned())).collect();
        labels.sort();
        let name = (labels, text("measure").to_owned(), text("part").to_owned());
        if shown.insert(name, text("value")).is_some() {
            return Err(format!("a total is shown twice: {line}"));
        }
    }
    Ok(shown)
}

/// In the order of the dimensions.
fn labels(query: &Query, mut place: usize) -> Labels {
    let mut labels = Labels::new();
    for dimension in query.dimensions().iter().rev() {
        let size = dimension.size().max(1);
        let label = dimension.label(place % size).unwrap_or_default();
        labels.push((dimension.column().name().to_owned(), label));
        place /= size;
    }
    labels.reverse();
    labels
}

/// The text of a decimal number as a whole number of `10^-scale`.
fn read(text: &str, scale: u8) -> Option<i128> {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let missing = u32::from(scale).checked_sub(u32::try_from(fraction.len()).ok()?)?;
    let all = format!("{whole}{fraction}");
    if !all.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let size = all.parse::<i128>().ok()? * 10_i128.checked_pow(missing)?;
    Some(if negative { -size } else { size })
}

#[cfg(test)]
mod tests;
