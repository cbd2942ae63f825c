//! `[[measure]]` -> a measure.

use super::dimensions::ends;
use super::keys::{Item, Keys, Lines};
use super::parameters;
use crate::codec::{List, Text};
use crate::query::check::judges_quantity;
use crate::query::dataset::Dataset;
use crate::query::error::{Code, QueryError};
use crate::query::expr::{Expr, Scope};
use crate::query::gauge::Gauge;
use crate::query::measure::{Limits, MAX_NAME, MAX_PREDICTORS, Measure, MeasureKind, Per};
use crate::query::parameter::Parameter;
use crate::query::parse;
use crate::query::units::Unit;

const DEFAULT_MAX_ROWS: i64 = 1_000_000;
/// Kinds of measure, and the keys that belong to each.
const KINDS: [(&str, &[&str]); 8] = [
    ("sum", &["unit", "scale", "range"]),
    ("rows", &["max"]),
    ("patients", &["max"]),
    ("hospitals", &["unit"]),
    ("histogram", &["bins", "per", "unit", "max"]),
    ("moments", &["per", "unit", "scale", "range", "max"]),
    ("regression", &["on", "per", "unit", "scale", "range", "max"]),
    ("survival", &["event", "bins", "unit", "max"]),
];
const OPTIONS: [&str; 8] = ["unit", "scale", "range", "max", "bins", "per", "on", "event"];

pub(super) fn read(
    document: &Keys<'_>,
    dataset: Dataset,
    parameters: &[Parameter],
    lines: &mut Lines,
) -> Result<Vec<Measure>, QueryError> {
    let tables = document.tables("measure", lines)?;
    let mut measures = Vec::new();
    for table in &tables {
        measures.push(Reading { table, dataset, parameters }.measure(lines)?);
    }
    // A quantity is judged in the unit of the sums beside it, when they have one.
    let sums = measures.iter().filter(|measure| matches!(measure.kind, MeasureKind::Sum { .. }));
    let mut units: Vec<Unit> = sums.filter_map(Measure::unit).collect();
    units.dedup();
    for (measure, table) in measures.iter_mut().zip(&tables) {
        if measure.unit.is_some() || !judges_quantity(&measure.kind) {
            continue;
        }
        measure.unit = match (units.as_slice(), &measure.kind) {
            ([only], kind) if !matches!(kind, MeasureKind::Sum { .. }) => Some(*only),
            _ => return Err(without_unit(table, lines)),
        };
    }
    Ok(measures)
}

fn without_unit(table: &Keys<'_>, lines: &mut Lines) -> QueryError {
    let error = QueryError::new(
        Code::Missing,
        "the measure speaks of a quantity, and its unit is not known",
        format!("a key `unit`, one of {}", Unit::ALL.map(Unit::name).join(", ")),
    );
    let kind = KINDS.iter().find_map(|(key, _)| table.get(key, lines));
    match kind.map(|kind| kind.read(|_| Err::<(), _>(error.clone()))) {
        Some(Err(placed)) => placed,
        _ => error.at(&table.place).on(Some(table.line)),
    }
}

/// One table.
struct Reading<'a> {
    table: &'a Keys<'a>,
    dataset: Dataset,
    parameters: &'a [Parameter],
}

impl Reading<'_> {
    fn measure(&self, lines: &mut Lines) -> Result<Measure, QueryError> {
        let known: Vec<&str> = ["name", "where", "checked"]
            .into_iter()
            .chain(KINDS.map(|(key, _)| key))
            .chain(OPTIONS)
            .collect();
        self.table.only(&known, &[], lines)?;
        let name: Text<MAX_NAME> = self.table.need("name", lines)?.short()?;
        let rows = Scope::Rows(self.dataset);
        let filter = match self.table.get("where", lines) {
            Some(item) => self.condition(&item, rows)?,
            None => Expr::always(),
        };
        let mut kinds = KINDS.iter().filter_map(|(key, fits)| Some((self.table.get(key, lines)?, *fits)));
        let (kind, fits) = match (kinds.next(), kinds.next()) {
            (Some(only), None) => only,
            (first, _) => {
                let problem = if first.is_none() { "no kind of measure" } else { "several kinds of measure" };
                let expected = format!("exactly one of {}", KINDS.map(|(key, _)| key).join(", "));
                let error = QueryError::new(Code::Conflict, problem, expected);
                return Err(error.at(&self.table.place).on(Some(self.table.line)));
            }
        };
        drop(kinds);
        self.only(&kind, fits, lines)?;
        let unit = self.table.get("unit", lines).map(|item| item.read(unit)).transpose()?;
        let (kind, gauge) = self.kind(&kind, lines)?;
        let checked = self.table.get("checked", lines).map(|item| item.flag()).transpose()?.unwrap_or(false);
        Ok(Measure { name, kind, filter, unit, gauge, checked })
    }

    fn only(&self, kind: &Item<'_>, fits: &[&str], lines: &mut Lines) -> Result<(), QueryError> {
        for key in OPTIONS.into_iter().filter(|key| !fits.contains(key)) {
            if let Some(item) = self.table.get(key, lines) {
                let problem = format!("`{key}` does not belong to a `{}` measure", kind.key());
                return item.read(|_| {
                    Err(QueryError::new(Code::Conflict, problem, format!("only {}", fits.join(", "))))
                });
            }
        }
        Ok(())
    }

    fn kind(&self, kind: &Item<'_>, lines: &mut Lines) -> Result<(MeasureKind, Gauge), QueryError> {
        let plain = |kind| Ok((kind, Gauge::PLAIN));
        match kind.key() {
            "sum" => {
                let (of, gauge) = self.number(kind, Per::Row)?;
                Ok((MeasureKind::Sum { of, limits: self.limits(1, lines)? }, gauge))
            }
            "rows" => plain(MeasureKind::Rows { max: self.counted(kind, lines)? }),
            "patients" => plain(MeasureKind::Patients { max: self.counted(kind, lines)? }),
            "hospitals" => {
                plain(MeasureKind::Hospitals { condition: self.condition(kind, Scope::Cell(self.dataset))? })
            }
            "histogram" => {
                let per = self.per(lines)?;
                let (of, gauge) = self.number(kind, per)?;
                let bins = ends(&self.table.need("bins", lines)?, &parameters::number)?;
                Ok((MeasureKind::Histogram { of, per, bins, max: self.max(per, lines)? }, gauge))
            }
            "moments" => {
                let per = self.per(lines)?;
                let (of, gauge) = self.number(kind, per)?;
                let limits = self.limits(self.max(per, lines)?, lines)?;
                Ok((MeasureKind::Moments { of, per, limits }, gauge))
            }
            "regression" => {
                let per = self.per(lines)?;
                let (outcome, _) = self.number(kind, per)?;
                let predictors = self.predictors(per, lines)?;
                let limits = self.limits(self.max(per, lines)?, lines)?;
                plain(MeasureKind::Regression { outcome, predictors, per, limits })
            }
            _ => {
                let (time, _) = self.number(kind, Per::Row)?;
                let event = self.table.need("event", lines)?;
                let event = self.condition(&event, Scope::Rows(self.dataset))?;
                let bins = ends(&self.table.need("bins", lines)?, &parameters::number)?;
                plain(MeasureKind::Survival { time, event, bins, max: self.max(Per::Row, lines)? })
            }
        }
    }

    fn predictors(&self, per: Per, lines: &mut Lines) -> Result<List<Expr, MAX_PREDICTORS>, QueryError> {
        let item = self.table.need("on", lines)?;
        let read: Result<Vec<Expr>, QueryError> =
            item.list()?.iter().map(|item| self.number(item, per).map(|(expr, _)| expr)).collect();
        let read = read?;
        let count = read.len();
        item.read(|_| {
            let many = |_| {
                QueryError::new(
                    Code::Limit,
                    format!("{count} predictors"),
                    format!("at most {MAX_PREDICTORS}"),
                )
            };
            List::new(read).map_err(many)
        })
    }

    fn condition(&self, item: &Item<'_>, scope: Scope) -> Result<Expr, QueryError> {
        item.read(|item| parse::condition(item.text()?, scope, self.parameters))
    }

    fn number(&self, item: &Item<'_>, per: Per) -> Result<(Expr, Gauge), QueryError> {
        let scope = match per {
            Per::Hospital => Scope::Cell(self.dataset),
            Per::Row => Scope::Rows(self.dataset),
        };
        item.read(|item| parse::number(item.text()?, scope, self.parameters))
    }

    fn per(&self, lines: &mut Lines) -> Result<Per, QueryError> {
        let Some(item) = self.table.get("per", lines) else { return Ok(Per::Hospital) };
        item.read(|item| match item.text()? {
            "hospital" => Ok(Per::Hospital),
            "row" => Ok(Per::Row),
            other => Err(QueryError::unknown("word", other, ["hospital", "row"])),
        })
    }

    fn max(&self, per: Per, lines: &mut Lines) -> Result<i64, QueryError> {
        let given = self.table.get("max", lines).map(|item| item.number()).transpose()?;
        Ok(given.unwrap_or(match per {
            Per::Hospital => 1,
            Per::Row => DEFAULT_MAX_ROWS,
        }))
    }

    fn counted(&self, kind: &Item<'_>, lines: &mut Lines) -> Result<i64, QueryError> {
        if !kind.flag()? {
            let problem = format!("{} = false", kind.key());
            return kind.read(|_| Err(QueryError::new(Code::Type, problem, "true")));
        }
        self.max(Per::Row, lines)
    }

    fn limits(&self, max: i64, lines: &mut Lines) -> Result<Limits, QueryError> {
        let range = self.table.need("range", lines)?;
        let ends = range.list()?;
        let [low, high] = ends.as_slice() else {
            return range
                .read(|_| Err(QueryError::new(Code::Type, "not two numbers", "[LOW, HIGH], in units")));
        };
        let (low, high) = (low.number()?, high.number()?);
        Ok(Limits { scale: self.table.need("scale", lines)?.number()?, low, high, max })
    }
}

fn unit(item: &Item<'_>) -> Result<Unit, QueryError> {
    let name = item.text()?;
    Unit::parse(name).ok_or_else(|| QueryError::unknown("unit", name, Unit::ALL.map(Unit::name)))
}
