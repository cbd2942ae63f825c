//! A query in plain Dutch: what is computed here, what leaves, the floor.
//!
//! For the people of a hospital who decide on it. It must say all that the query does, and nothing else.

use super::Query;
use super::expr::{Aggregate, Compare, Expr, Term};
use super::measure::{Derive, Measure, MeasureKind};

pub(super) fn in_dutch(query: &Query) -> String {
    let mut lines = vec![
        format!(
            "{} ({} versie {}, doel: {})",
            query.title_nl(),
            query.id(),
            query.version,
            query.purpose.dutch()
        ),
        String::new(),
        format!("Wat hier wordt berekend, uit het extract `{}`:", query.dataset.name()),
    ];
    if query.population.is_always() {
        lines.push("- Alle regels tellen mee.".to_owned());
    } else {
        lines.push(format!("- Alleen regels tellen mee waarvoor geldt: {}.", condition(&query.population)));
    }
    for dimension in query.dimensions() {
        let codes = dimension.codes();
        let shown: Vec<&str> = codes.iter().take(5).map(|code| &**code).collect();
        let more = if codes.len() > shown.len() { ", ..." } else { "" };
        let column = dimension.column().name();
        lines.push(format!("- Per {column}: {} waarden ({}{more}).", codes.len(), shown.join(", ")));
    }
    lines.extend(query.measures().iter().map(measure));
    lines.extend(query.derives().iter().map(|derive| ratio(query, derive)));
    lines.push(String::new());
    lines.push("Wat het ziekenhuis verlaat:".to_owned());
    lines.push(format!(
        "- {} getallen, elk versleuteld zodat alleen de som over alle ziekenhuizen leesbaar wordt. \
         Geen regels, geen namen, geen eigen totalen.",
        query.layout().cells()
    ));
    lines.push(match query.floor_hospitals() {
        0 => "- Geen ondergrens: ook een cel van een enkel ziekenhuis wordt getoond.".to_owned(),
        floor => format!(
            "- Ondergrens: een cel waar minder dan {floor} ziekenhuizen achter staan wordt niet getoond."
        ),
    });
    lines.join("\n")
}

fn measure(measure: &Measure) -> String {
    let what = match measure.kind() {
        MeasureKind::Sum { unit, scale, low, high } => format!(
            "de som van quantity in {}, op {scale} decimalen; buiten {low} tot {high} weigert de node",
            unit.name()
        ),
        MeasureKind::Rows { max } => format!("het aantal regels; boven {max} weigert de node"),
        MeasureKind::Hospitals { condition: over, unit } => {
            let unit = unit.map(|unit| format!(", quantity in {}", unit.name())).unwrap_or_default();
            format!("1 als voor dit ziekenhuis geldt: {}{unit}; anders 0", condition(over))
        }
    };
    let only = if measure.filter().is_always() {
        String::new()
    } else {
        format!(", alleen over regels waarvoor geldt: {}", condition(measure.filter()))
    };
    format!("- `{}`: {what}{only}.", measure.name())
}

fn ratio(query: &Query, derive: &Derive) -> String {
    let side = |positions: &mut dyn Iterator<Item = usize>| {
        let names: Vec<&str> =
            positions.filter_map(|position| query.measures().get(position)).map(Measure::name).collect();
        names.join(" + ")
    };
    format!(
        "- `{}` (pas na het optellen, landelijk): ({}) gedeeld door ({}), op {} decimalen.",
        derive.name(),
        side(&mut derive.numerator()),
        side(&mut derive.denominator()),
        derive.scale()
    )
}

/// The condition in words; every operator has its own brackets, so that nothing depends on precedence.
pub(super) fn condition(expr: &Expr) -> String {
    let mut stack: Vec<String> = Vec::new();
    for term in expr.terms() {
        let mut take = |count: usize| stack.split_off(stack.len().saturating_sub(count));
        let text = match term {
            Term::Column(column) => column.name().to_owned(),
            Term::Aggregate(aggregate) => aggregate_text(*aggregate),
            Term::Text(text) => format!("'{}'", &**text),
            Term::Number(number) => number.to_string(),
            Term::Date(date) => date.to_string(),
            Term::Compare(compare) => take(2).join(&format!(" {} ", compare_text(*compare))),
            Term::Between => match take(3).as_slice() {
                [value, low, high] => format!("{value} van {low} tot en met {high}"),
                _ => String::new(),
            },
            Term::In(count) => {
                let parts = take(usize::from(*count).saturating_add(1));
                match parts.split_first() {
                    Some((value, list)) => format!("{value} een van {}", list.join(", ")),
                    None => String::new(),
                }
            }
            Term::Not => format!("niet ({})", take(1).join("")),
            Term::And => format!("({})", take(2).join(" en ")),
            Term::Or => format!("({})", take(2).join(" of ")),
        };
        stack.push(text);
    }
    stack.join(" ")
}

fn compare_text(compare: Compare) -> &'static str {
    match compare {
        Compare::Equal => "is",
        Compare::NotEqual => "is niet",
        Compare::Less => "kleiner dan",
        Compare::LessOrEqual => "hoogstens",
        Compare::Greater => "groter dan",
        Compare::GreaterOrEqual => "ten minste",
    }
}

fn aggregate_text(aggregate: Aggregate) -> String {
    match aggregate {
        Aggregate::Count => "het aantal regels".to_owned(),
        Aggregate::Sum(column) => format!("de som van {}", column.name()),
        Aggregate::Min(column) => format!("de kleinste {}", column.name()),
        Aggregate::Max(column) => format!("de grootste {}", column.name()),
    }
}
