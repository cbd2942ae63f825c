//! `[[derive]]` -> a figure computed after opening.

use super::keys::{Item, Keys, Lines};
use crate::codec::List;
use crate::query::derive::{Derive, DeriveKind, Positions};
use crate::query::dimension::Dimension;
use crate::query::error::{Code, QueryError};
use crate::query::measure::{MAX_MEASURES, Measure};

/// Kinds of derived figure, and the keys that belong to each.
const KINDS: [(&str, &[&str]); 8] = [
    ("ratio", &[]),
    ("cover", &["months"]),
    ("share", &["over"]),
    ("mean", &[]),
    ("variance", &[]),
    ("quantile", &["at"]),
    ("coefficients", &[]),
    ("curve", &[]),
];
const OPTIONS: [&str; 3] = ["months", "over", "at"];

pub(super) fn read(
    table: &Keys<'_>,
    measures: &[Measure],
    dimensions: &[Dimension],
    lines: &mut Lines,
) -> Result<Derive, QueryError> {
    let known: Vec<&str> =
        ["name", "scale"].into_iter().chain(KINDS.map(|(key, _)| key)).chain(OPTIONS).collect();
    table.only(&known, &[], lines)?;
    let mut kinds = KINDS.iter().filter_map(|(key, fits)| Some((table.get(key, lines)?, *fits)));
    let (kind, fits) = match (kinds.next(), kinds.next()) {
        (Some(only), None) => only,
        (first, _) => {
            let problem = if first.is_none() { "no kind of figure" } else { "several kinds of figure" };
            let expected = format!("exactly one of {}", KINDS.map(|(key, _)| key).join(", "));
            return Err(QueryError::new(Code::Conflict, problem, expected)
                .at(&table.place)
                .on(Some(table.line)));
        }
    };
    drop(kinds);
    for key in OPTIONS.into_iter().filter(|key| !fits.contains(key)) {
        if let Some(item) = table.get(key, lines) {
            let problem = format!("`{key}` does not belong to a `{}`", kind.key());
            return item
                .read(|_| Err(QueryError::new(Code::Conflict, problem, "name, scale and its own keys")));
        }
    }
    let of = |item: &Item<'_>| item.read(|item| position(item.text()?, measures));
    let made = match kind.key() {
        "ratio" => {
            let (above, below) = two(&kind, "[\"above the line\", \"below the line\"]")?;
            let side = |item: &Item<'_>| item.read(|item| side(item, measures));
            DeriveKind::Ratio { numerator: side(&above)?, denominator: side(&below)? }
        }
        "cover" => {
            let (stock, used) = two(&kind, "[\"stock\", \"use\"]")?;
            let months = table.need("months", lines)?.number()?;
            DeriveKind::Cover { stock: of(&stock)?, used: of(&used)?, months }
        }
        "share" => {
            let over =
                table.get("over", lines).map(|item| item.read(|item| dimension(item.text()?, dimensions)));
            DeriveKind::Share { of: of(&kind)?, over: over.transpose()? }
        }
        "mean" => DeriveKind::Mean(of(&kind)?),
        "variance" => DeriveKind::Variance(of(&kind)?),
        "quantile" => DeriveKind::Quantile { of: of(&kind)?, share: table.need("at", lines)?.decimal()? },
        "coefficients" => DeriveKind::Coefficients(of(&kind)?),
        _ => DeriveKind::Curve(of(&kind)?),
    };
    Ok(Derive {
        name: table.need("name", lines)?.short()?,
        kind: made,
        scale: table.need("scale", lines)?.number()?,
    })
}

fn two<'a>(item: &Item<'a>, expected: &str) -> Result<(Item<'a>, Item<'a>), QueryError> {
    match <[Item<'a>; 2]>::try_from(item.list()?) {
        Ok([first, second]) => Ok((first, second)),
        Err(_) => item.read(|_| Err(QueryError::new(Code::Type, "not two sides", expected))),
    }
}

/// The position of a measure.
pub(super) fn position(name: &str, measures: &[Measure]) -> Result<u8, QueryError> {
    let found = measures.iter().position(|measure| measure.name() == name);
    let found = found.and_then(|position| u8::try_from(position).ok());
    found.ok_or_else(|| QueryError::unknown("measure", name, measures.iter().map(Measure::name)))
}

fn dimension(name: &str, dimensions: &[Dimension]) -> Result<u8, QueryError> {
    let found = dimensions.iter().position(|dimension| dimension.column().name() == name);
    let found = found.and_then(|position| u8::try_from(position).ok());
    let names = dimensions.iter().map(|dimension| dimension.column().name());
    found.ok_or_else(|| QueryError::unknown("dimension", name, names))
}

/// Names of measures joined by `+` -> their positions.
fn side(item: &Item<'_>, measures: &[Measure]) -> Result<Positions, QueryError> {
    let mut positions = Vec::new();
    for name in item.text()?.split('+').map(str::trim) {
        if let Some(sign) = name.chars().find(|c| "-*/()".contains(*c)) {
            let problem = format!("`{sign}` in a ratio");
            return Err(QueryError::new(Code::Syntax, problem, "names of measures joined by +"));
        }
        positions.push(position(name, measures)?);
    }
    let count = positions.len();
    List::new(positions).map_err(|_| {
        let problem = format!("{count} measures on one side");
        QueryError::new(Code::Limit, problem, format!("at most {MAX_MEASURES}"))
    })
}
