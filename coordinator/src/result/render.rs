//! What people and programs see of a verified result as text, CSV and JSON.
//!
//! Owns the keys of the JSON form, which are stable, and the words of the text form. Figures below the floor
//! are never written; texts of others pass through `shown.rs`.

use super::figures::{Figures, Line, Sheet};
use crate::error::Error;
use crate::shown;
use comfy_table::{CellAlignment, Table};
use samensom_protocol::ids::NodeId;
use samensom_protocol::query::{Row, Value as Figure};
use samensom_protocol::warrant::Series;
use serde_json::{Map, Value, json};

/// Said wherever figures are shown.
pub const SUPPRESSED: &str = "`suppressed`: too few hospitals or patients stand behind the figure, or behind what would follow \
from it and other figures, or one hospital is most of it; it never left a hospital.";
/// The column that says how many hospitals have rows behind the figures of a line.
const BEHIND: &str = "behind (hospitals)";

/// Facts of a result as JSON; stable.
#[must_use]
pub fn json(figures: &Figures) -> Value {
    let thresholds = figures.thresholds;
    let coverage = json!({ "hospitals": figures.survivors.len(), "of": figures.of });
    let totals: Vec<Value> = figures.rows.iter().map(|row| total(row, &coverage)).collect();
    let approvers: Vec<Value> = figures
        .approvers
        .iter()
        .map(|one| json!({ "person": one.person, "role": one.role, "organisation": one.organisation }))
        .collect();
    let before = figures
        .before
        .as_ref()
        .map(|before| json!({ "session": before.session, "gone": before.gone, "new": before.new }));
    let mut facts = json!({
        "session": figures.session,
        "result": figures.result,
        "query": figures.query,
        "title": figures.title,
        "at": figures.at,
        "attempt": figures.attempt,
        "hospitals": figures.of,
        "survivors": figures.survivors,
        "dropped": figures.dropped,
        "colluders_tolerated": thresholds.x,
        "honest_min": thresholds.k,
        "quorum": thresholds.quorum,
        "share_threshold": thresholds.shares,
        "cells": figures.cells,
        "bits_per_cell": figures.width,
        "floor": figures.floor,
        "least": figures.least,
        "dominance": figures.dominance,
        "series": figures.series,
        "approved_by": approvers,
        "totals": totals,
    });
    facts.as_object_mut().into_iter().zip(before).for_each(|(facts, before)| {
        facts.insert("before".into(), before);
    });
    facts
}

/// A label stands beside the figure as a key of its own, and among `labels`, where no name is taken.
fn total(row: &Row, coverage: &Value) -> Value {
    let code = |(column, code): &(String, String)| (column.clone(), Value::from(code.clone()));
    let labels: Map<String, Value> = row.labels.iter().map(code).collect();
    let mut object = labels.clone();
    object.insert("labels".into(), Value::Object(labels));
    object.insert("measure".into(), Value::from(row.measure.clone()));
    if !row.part.is_empty() {
        object.insert("part".into(), Value::from(row.part.clone()));
    }
    object.insert("value".into(), Value::from(row.value.to_string()));
    object.insert("unit".into(), Value::from(row.unit.clone()));
    object.insert("hospitals".into(), Value::from(row.hospitals));
    row.compared.into_iter().for_each(|count| {
        object.insert("compared".into(), Value::from(count));
    });
    object.insert("coverage".into(), coverage.clone());
    Value::Object(object)
}

/// The result for a person.
#[must_use]
pub fn text(figures: &Figures) -> String {
    let sheet = figures.sheet();
    let mut table = Table::new();
    table.load_style(comfy_table::presets::UTF8_HORIZONTAL_ONLY);
    let behind = figures.least.map(|_| BEHIND.to_owned());
    let head = sheet.labels.iter().chain(&sheet.measures).map(|name| shown::text(name));
    table.set_header(head.chain(behind));
    for Line { labels, values, hospitals } in &sheet.lines {
        let labels = labels.iter().map(|label| label.as_deref().map(shown::text).unwrap_or_default());
        let behind = figures.least.map(|_| counted(*hospitals));
        table.add_row(labels.chain(values.iter().map(written)).chain(behind));
    }
    for (place, column) in table.column_iter_mut().enumerate() {
        if place >= sheet.labels.len() {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    format!(
        "{}\n{}{}{}\n\n{table}\n\n\
         Each hospital's cell is summed exactly and rounded once, half to even, to the scale of its measure.\n\
         {} {SUPPRESSED}\n\
         approved by {}\nsession {}\nresult  {}",
        shown::text(&figures.title),
        coverage(figures),
        before(figures),
        series(figures),
        floor(figures),
        shown::text(&approvers(figures)),
        figures.session,
        figures.result,
    )
}

/// What stands behind each figure.
pub fn floor(figures: &Figures) -> String {
    match figures.least {
        Some(least) => {
            format!(
                "at least {least} hospitals stand behind each figure (floor {}).{}",
                figures.floor,
                dominance(figures)
            )
        }
        None => "no floor was held.".to_owned(),
    }
}

/// Of how many figures it is known that no hospital has most of them.
fn dominance(figures: &Figures) -> String {
    let compared: Vec<u64> = figures.rows.iter().filter_map(|row| row.compared).collect();
    let none = compared.iter().filter(|count| **count == 0).count();
    let (percent, of) = (figures.dominance, compared.len());
    match compared.iter().filter(|count| **count > 0).min() {
        _ if percent == 0 || of == 0 => String::new(),
        None => format!(
            " No check of dominance was possible: no hospital knows a total from before of which it could be {percent}%."
        ),
        Some(fewest) => format!(
            " Of no figure has a hospital more than {percent}%, as far as it shows from the total before: at least \
             {fewest} hospitals compared theirs; {none} of {of} figures were compared by nobody."
        ),
    }
}

fn counted(hospitals: Option<u64>) -> String {
    hospitals.map(|count| count.to_string()).unwrap_or_default()
}

/// How many hospitals stand behind the figures, and when they were opened.
pub fn coverage(figures: &Figures) -> String {
    format!("{} of {} hospitals, opened {}", figures.survivors.len(), figures.of, figures.at)
}

/// Whether others stand behind the result before: a line of its own, or nothing where there is none.
pub fn before(figures: &Figures) -> String {
    let Some(before) = &figures.before else { return String::new() };
    let named = |nodes: &[NodeId]| nodes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let session = before.session.to_hex();
    let session = session.get(..12).unwrap_or_default();
    match (before.gone.as_slice(), before.new.as_slice()) {
        ([], []) => format!("\nthe same hospitals as in the slot before (session {session})."),
        (gone, []) => format!(
            "\nparticipants differ from the slot before (session {session}): without {}.",
            named(gone)
        ),
        ([], new) => {
            format!("\nparticipants differ from the slot before (session {session}): with {}.", named(new))
        }
        (gone, new) => format!(
            "\nparticipants differ from the slot before (session {session}): without {}, with {}.",
            named(gone),
            named(new)
        ),
    }
}

/// That the warrant keeps its hospitals: a line of its own, or nothing.
pub fn series(figures: &Figures) -> &'static str {
    match figures.series {
        Series::Free => "",
        Series::Equal => "\nthis warrant is for the same hospitals in each session.",
    }
}

/// The approvers and their roles.
pub fn approvers(figures: &Figures) -> String {
    let each = figures.approvers.iter().map(|one| format!("{} ({})", one.person, one.role));
    each.collect::<Vec<_>>().join(", ")
}

fn written(value: &Option<Figure>) -> String {
    value.map(|value| value.to_string()).unwrap_or_default()
}

/// The table as CSV, comma-separated, decimal point. Every text is safe in a spreadsheet; a figure stands as
/// it is, its sign too.
///
/// # Errors
/// When the writer fails, which memory does not.
pub fn csv(figures: &Figures) -> Result<String, Error> {
    let Sheet { labels, measures, lines } = figures.sheet();
    let mut writer = csv::Writer::from_writer(Vec::new());
    let failed = |why: String| Error::machine(format!("the table cannot be written: {why}"));
    let behind = figures.least.map(|_| BEHIND.to_owned());
    let header = labels.iter().chain(&measures).map(|name| shown::csv_cell(name)).chain(behind);
    writer.write_record(header).map_err(|why| failed(why.to_string()))?;
    for Line { labels, values, hospitals } in &lines {
        let labels = labels.iter().map(|label| label.as_deref().map(shown::csv_cell).unwrap_or_default());
        let behind = figures.least.map(|_| counted(*hospitals));
        let line = labels.chain(values.iter().map(written)).chain(behind);
        writer.write_record(line).map_err(|why| failed(why.to_string()))?;
    }
    let bytes = writer.into_inner().map_err(|why| failed(why.to_string()))?;
    String::from_utf8(bytes).map_err(|why| failed(why.to_string()))
}

#[cfg(test)]
mod tests;
