//! The text of a query -> a query.
//!
//! Owns the keys: which there are, which come later, on which line each stands. What the parts mean
//! together is checked by `check.rs`, for text and canonical form alike.

mod keys;

use self::keys::{Item, Keys, Lines};
use super::dataset::Dataset;
use super::error::{Code, QueryError};
use super::expr::{Expr, MAX_TEXT, Scope};
use super::measure::{Derive, MAX_MEASURES, MAX_NAME, Measure, MeasureKind};
use super::units::Unit;
use super::{Dimension, LANGUAGE, Purpose, Query, check, codes, malformed, parse};
use crate::codec::{List, Text};

const MAX_SOURCE: usize = 1 << 20;
const DEFAULT_MAX_ROWS: i64 = 1_000_000;
const MEASURES: [&str; 3] = ["sum", "rows", "hospitals"];
const MEASURES_LATER: [&str; 7] =
    ["histogram", "bins", "moments", "regression", "survival", "patients", "per"];

type Codes<'a> = &'a mut dyn FnMut(&str) -> Result<String, String>;

pub(super) fn read(source: &str, codes: Codes<'_>) -> Result<Query, QueryError> {
    if source.len() > MAX_SOURCE {
        let problem = format!("a query of {} bytes", source.len());
        return Err(QueryError::new(Code::Limit, problem, format!("at most {MAX_SOURCE}")));
    }
    let mut lines = Lines::new(source);
    let document = keys::parse(source, &mut lines)?;
    let query = document_to_query(&document, codes, &mut lines)?;
    // The rules of a whole query know places, not lines.
    check::query(&query).map_err(|error| {
        let line = lines.of_place(&error.place);
        error.on(line)
    })?;
    let bytes = query.canonical().map_err(|error| malformed(&error));
    bytes.map(|_| query)
}

fn document_to_query(document: &Keys<'_>, codes: Codes<'_>, lines: &mut Lines) -> Result<Query, QueryError> {
    document.only(
        &["query", "population", "dimension", "measure", "derive", "floors"],
        &["parameter", "noise", "group"],
        lines,
    )?;
    let head = document.need("query", lines)?.table(lines)?;
    head.only(&["id", "version", "title", "purpose", "dataset"], &["max_age"], lines)?;
    let title = head.need("title", lines)?.table(lines)?;
    title.only(&["nl", "en"], &[], lines)?;
    let dataset = head.need("dataset", lines)?;
    let dataset = dataset.read(|item| Dataset::parse(item.text()?))?;
    let purpose = head.need("purpose", lines)?.read(|item| {
        let name = item.text()?;
        let found = Purpose::ALL.into_iter().find(|purpose| purpose.name() == name);
        found.ok_or_else(|| QueryError::unknown("purpose", name, Purpose::ALL.map(Purpose::name)))
    })?;
    let mut dimensions = Vec::new();
    for table in document.tables("dimension", lines)? {
        dimensions.push(dimension(&table, dataset, codes, lines)?);
    }
    let measures = measures(document, dataset, lines)?;
    let mut derives = Vec::new();
    for table in document.tables("derive", lines)? {
        derives.push(derive(&table, &measures, lines)?);
    }
    Ok(Query {
        language: LANGUAGE,
        id: head.need("id", lines)?.short()?,
        version: head.need("version", lines)?.number()?,
        title_nl: title.need("nl", lines)?.short()?,
        title_en: title.need("en", lines)?.short()?,
        purpose,
        dataset,
        population: population(document, dataset, lines)?,
        dimensions: list(dimensions, "dimension", lines)?,
        measures: list(measures, "measure", lines)?,
        derives: list(derives, "derive", lines)?,
        floor_hospitals: floor(document, lines)?,
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

fn population(document: &Keys<'_>, dataset: Dataset, lines: &mut Lines) -> Result<Expr, QueryError> {
    let Some(table) = document.get("population", lines) else { return Ok(Expr::always()) };
    let table = table.table(lines)?;
    table.only(&["where"], &[], lines)?;
    table.need("where", lines)?.read(|item| parse::condition(item.text()?, Scope::Rows(dataset)))
}

fn floor(document: &Keys<'_>, lines: &mut Lines) -> Result<u16, QueryError> {
    let Some(table) = document.get("floors", lines) else { return Ok(0) };
    let table = table.table(lines)?;
    table.only(&["hospitals"], &["patients"], lines)?;
    let item = table.need("hospitals", lines)?;
    match item.number::<u16>()? {
        0 => item.read(|_| Err(QueryError::new(Code::Limit, "a floor of 0", "1 or more, or no [floors]"))),
        floor => Ok(floor),
    }
}

fn dimension(
    table: &Keys<'_>,
    dataset: Dataset,
    codes: Codes<'_>,
    lines: &mut Lines,
) -> Result<Dimension, QueryError> {
    table.only(&["column", "codes"], &["group", "other", "missing", "bins"], lines)?;
    let column = table.need("column", lines)?.read(|item| dataset.column(item.text()?))?;
    let item = table.need("codes", lines)?;
    let read: Vec<String> = if item.is_text() {
        item.read(|item| {
            let path = item.text()?;
            let text = codes(path).map_err(|reason| {
                QueryError::new(
                    Code::Missing,
                    format!("the code list `{path}` cannot be read: {reason}"),
                    "a CSV file, by its path relative to the query's file",
                )
            })?;
            codes::read(&text)
        })?
    } else {
        let items = item.list()?;
        items.iter().map(|item| item.read(|item| Ok(item.text()?.to_owned()))).collect::<Result<_, _>>()?
    };
    item.read(|_| {
        let count = read.len();
        let short = read.iter().map(|code| {
            Text::<MAX_TEXT>::new(code.as_str()).map_err(|_| {
                QueryError::new(
                    Code::Limit,
                    format!("code `{code}` is too long"),
                    format!("at most {MAX_TEXT} bytes"),
                )
            })
        });
        let short = short.collect::<Result<Vec<_>, _>>()?;
        let codes = List::new(short).map_err(|_| {
            QueryError::new(Code::Limit, format!("{count} codes"), format!("at most {}", check::MAX_CODES))
        })?;
        Ok(Dimension { column, codes })
    })
}

fn measures(document: &Keys<'_>, dataset: Dataset, lines: &mut Lines) -> Result<Vec<Measure>, QueryError> {
    let tables = document.tables("measure", lines)?;
    let mut measures = Vec::new();
    for table in &tables {
        measures.push(measure(table, dataset, lines)?);
    }
    // A count of hospitals judges the quantity in the unit of the sums beside it, when they have one.
    let mut units: Vec<Unit> = measures
        .iter()
        .filter(|measure| matches!(measure.kind, MeasureKind::Sum { .. }))
        .filter_map(Measure::unit)
        .collect();
    units.dedup();
    for (measure, table) in measures.iter_mut().zip(&tables) {
        let MeasureKind::Hospitals { condition, unit: unit @ None } = &mut measure.kind else { continue };
        if !condition.uses_quantity() {
            continue;
        }
        let [only] = units.as_slice() else {
            return table.need("hospitals", lines)?.read(|_| {
                Err(QueryError::new(
                    Code::Missing,
                    "the condition speaks of the quantity, and its unit is not known",
                    format!("a key `unit`, one of {}", Unit::ALL.map(Unit::name).join(", ")),
                ))
            });
        };
        *unit = Some(*only);
    }
    Ok(measures)
}

fn measure(table: &Keys<'_>, dataset: Dataset, lines: &mut Lines) -> Result<Measure, QueryError> {
    let known = ["name", "sum", "rows", "hospitals", "where", "unit", "scale", "range", "max"];
    table.only(&known, &MEASURES_LATER, lines)?;
    let name: Text<MAX_NAME> = table.need("name", lines)?.short()?;
    let filter = match table.get("where", lines) {
        Some(item) => item.read(|item| parse::condition(item.text()?, Scope::Rows(dataset)))?,
        None => Expr::always(),
    };
    let present: Vec<Item<'_>> = MEASURES.iter().filter_map(|key| table.get(key, lines)).collect();
    let [kind] = present.as_slice() else {
        let problem = if present.is_empty() { "no kind of measure" } else { "several kinds of measure" };
        let error = QueryError::new(Code::Conflict, problem, "exactly one of sum, rows, hospitals");
        return Err(error.at(&table.place).on(Some(table.line)));
    };
    let fits: &[&str] = match kind.key() {
        "sum" => &["unit", "scale", "range"],
        "rows" => &["max"],
        _ => &["unit"],
    };
    for key in ["unit", "scale", "range", "max"] {
        if let Some(item) = table.get(key, lines).filter(|_| !fits.contains(&key)) {
            let problem = format!("`{key}` does not belong to a `{}` measure", kind.key());
            return item.read(|_| {
                Err(QueryError::new(Code::Conflict, problem, format!("only {}", fits.join(", "))))
            });
        }
    }
    let kind = match kind.key() {
        "sum" => sum(table, kind, dataset, lines)?,
        "rows" => rows(table, kind, lines)?,
        _ => MeasureKind::Hospitals {
            condition: kind.read(|item| parse::condition(item.text()?, Scope::Cell(dataset)))?,
            unit: table.get("unit", lines).map(|item| item.read(unit)).transpose()?,
        },
    };
    Ok(Measure { name, kind, filter })
}

fn unit(item: &Item<'_>) -> Result<Unit, QueryError> {
    let name = item.text()?;
    Unit::parse(name).ok_or_else(|| QueryError::unknown("unit", name, Unit::ALL.map(Unit::name)))
}

fn sum(
    table: &Keys<'_>,
    kind: &Item<'_>,
    dataset: Dataset,
    lines: &mut Lines,
) -> Result<MeasureKind, QueryError> {
    kind.read(|item| match item.text()? {
        "quantity" => Ok(()),
        other => {
            dataset.column(other)?;
            Err(QueryError::new(Code::Type, format!("`{other}` cannot be summed"), "sum = \"quantity\""))
        }
    })?;
    let range = table.need("range", lines)?;
    let ends = range.list()?;
    let [low, high] = ends.as_slice() else {
        return range.read(|_| Err(QueryError::new(Code::Type, "not two numbers", "[LOW, HIGH], in units")));
    };
    Ok(MeasureKind::Sum {
        unit: table.need("unit", lines)?.read(unit)?,
        scale: table.need("scale", lines)?.number()?,
        low: low.number()?,
        high: high.number()?,
    })
}

fn rows(table: &Keys<'_>, kind: &Item<'_>, lines: &mut Lines) -> Result<MeasureKind, QueryError> {
    if !kind.flag()? {
        return kind.read(|_| Err(QueryError::new(Code::Type, "rows = false", "rows = true")));
    }
    let max = table.get("max", lines).map(|item| item.number()).transpose()?;
    Ok(MeasureKind::Rows { max: max.unwrap_or(DEFAULT_MAX_ROWS) })
}

fn derive(table: &Keys<'_>, measures: &[Measure], lines: &mut Lines) -> Result<Derive, QueryError> {
    let later = ["mean", "variance", "quantile", "quantiles", "coefficients", "curve"];
    table.only(&["name", "ratio", "scale"], &later, lines)?;
    let item = table.need("ratio", lines)?;
    let sides = item.list()?;
    let [numerator, denominator] = sides.as_slice() else {
        return item.read(|_| {
            Err(QueryError::new(Code::Type, "not two sides", "[\"above the line\", \"below the line\"]"))
        });
    };
    Ok(Derive {
        name: table.need("name", lines)?.short()?,
        numerator: numerator.read(|item| side(item, measures))?,
        denominator: denominator.read(|item| side(item, measures))?,
        scale: table.need("scale", lines)?.number()?,
    })
}

/// Names of measures joined by `+` -> their positions.
fn side(item: &Item<'_>, measures: &[Measure]) -> Result<List<u8, MAX_MEASURES>, QueryError> {
    let mut positions = Vec::new();
    for name in item.text()?.split('+').map(str::trim) {
        if let Some(sign) = name.chars().find(|c| "-*/()".contains(*c)) {
            return Err(QueryError::not_yet(format!("`{sign}` in a ratio"), "names of measures joined by +"));
        }
        let position = measures.iter().position(|measure| measure.name() == name);
        let position = position.and_then(|position| u8::try_from(position).ok());
        positions.push(
            position
                .ok_or_else(|| QueryError::unknown("measure", name, measures.iter().map(Measure::name)))?,
        );
    }
    let count = positions.len();
    List::new(positions).map_err(|_| {
        QueryError::new(
            Code::Limit,
            format!("{count} measures on one side"),
            format!("at most {MAX_MEASURES}"),
        )
    })
}
