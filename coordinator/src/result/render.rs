//! What people see of a verified result: text, CSV, JSON. Figures below the floor are never written.

use crate::clock;
use crate::error::Error;
use comfy_table::{CellAlignment, Table};
use samensom_protocol::bundle::Verified;
use samensom_protocol::ids::SessionId;
use samensom_protocol::query::Row;
use serde_json::{Map, Value, json};

/// Said wherever figures are shown, as long as there is no count pass before the value pass.
const SUPPRESSED: &str = "`suppressed`: fewer hospitals than the floor stand behind the cell. At this stage the \
coordinator's memory held these figures, and whoever holds the bundle can recompute them.";

/// Facts of a result as JSON; stable.
#[must_use]
pub fn summary(session: &SessionId, verified: &Verified) -> Value {
    let facts = &verified.facts;
    let thresholds = facts.params().thresholds;
    let query = facts.warrant.query();
    let coverage = json!({ "hospitals": verified.survivors.len(), "of": facts.roster.size() });
    let totals: Vec<Value> = verified.table().iter().map(|row| total(row, &coverage)).collect();
    let approvers: Vec<Value> = facts
        .warrant
        .approvers()
        .iter()
        .map(|one| json!({ "person": *one.person, "role": *one.role, "organisation": *one.organisation }))
        .collect();
    json!({
        "session": session,
        "result": verified.result,
        "query": query.id(),
        "title": query.title_nl(),
        "at": clock::text(verified.at),
        "attempt": facts.header.attempt,
        "hospitals": facts.roster.size(),
        "survivors": verified.survivors,
        "dropped": verified.dropped,
        "colluders_tolerated": thresholds.x,
        "honest_min": thresholds.k,
        "quorum": thresholds.quorum,
        "share_threshold": thresholds.shares,
        "cells": facts.params().cells,
        "bits_per_cell": facts.params().width,
        "floor": facts.warrant.floor(&facts.roster, &verified.survivors),
        "approved_by": approvers,
        "totals": totals,
    })
}

/// A label stands beside the figure as a key of its own, and among `labels`, where no name is taken.
fn total(row: &Row, coverage: &Value) -> Value {
    let labels: Map<String, Value> =
        row.labels.iter().map(|(column, code)| (column.clone(), Value::from(code.clone()))).collect();
    let mut object = labels.clone();
    object.insert("labels".into(), Value::Object(labels));
    object.insert("measure".into(), Value::from(row.measure.clone()));
    if !row.part.is_empty() {
        object.insert("part".into(), Value::from(row.part.clone()));
    }
    object.insert("value".into(), Value::from(row.value.to_string()));
    object.insert("unit".into(), Value::from(row.unit.clone()));
    object.insert("coverage".into(), coverage.clone());
    Value::Object(object)
}

/// Columns of the table: a line for each cell, a column for each measure.
fn columns(rows: &[Row]) -> (Vec<String>, Vec<String>) {
    let labels = rows.first().map(|row| row.labels.iter().map(|(column, _)| column.clone()).collect());
    let mut measures: Vec<String> = Vec::new();
    for row in rows {
        let name = format!("{} {}", row.measure, row.part);
        let head = format!("{} ({})", name.trim_end(), row.unit);
        if !measures.contains(&head) {
            measures.push(head);
        }
    }
    (labels.unwrap_or_default(), measures)
}

/// The lines of the table as texts: labels, then one value for each measure.
fn lines(rows: &[Row], measures: usize) -> Vec<Vec<String>> {
    let line = |cell: &[Row]| {
        let labels = cell.first().map(|row| row.labels.iter().map(|(_, code)| code.clone()).collect());
        let mut line: Vec<String> = labels.unwrap_or_default();
        line.extend(cell.iter().map(|row| row.value.to_string()));
        line
    };
    rows.chunks(measures.max(1)).map(line).collect()
}

/// The result for a person.
#[must_use]
pub fn text_table(verified: &Verified) -> String {
    let facts = &verified.facts;
    let query = facts.warrant.query();
    let rows = verified.table();
    let (labels, measures) = columns(&rows);
    let mut table = Table::new();
    table.load_style(comfy_table::presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(labels.iter().chain(&measures));
    for line in lines(&rows, measures.len()) {
        table.add_row(line);
    }
    for (place, column) in table.column_iter_mut().enumerate() {
        if place >= labels.len() {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let approvers: Vec<String> =
        facts.warrant.approvers().iter().map(|one| format!("{} ({})", one.person, one.role)).collect();
    let floor = facts.warrant.floor(&facts.roster, &verified.survivors);
    format!(
        "{}\n{} of {} hospitals, opened {}\n\n{table}\n\n\
         Each hospital's cell is summed exactly and rounded once, half to even, to the scale of its measure.\n\
         floor {floor} hospitals. {SUPPRESSED}\n\
         approved by {}\nsession {}\nresult  {}",
        query.title_nl(),
        verified.survivors.len(),
        facts.roster.size(),
        clock::text(verified.at),
        approvers.join(", "),
        facts.session,
        verified.result,
    )
}

/// The table as CSV, comma-separated, decimal point.
///
/// # Errors
/// When the writer fails, which memory does not.
pub fn csv_text(verified: &Verified) -> Result<String, Error> {
    let rows = verified.table();
    let (labels, measures) = columns(&rows);
    let mut writer = csv::Writer::from_writer(Vec::new());
    let failed = |why: String| Error::machine(format!("the table cannot be written: {why}"));
    writer.write_record(labels.iter().chain(&measures)).map_err(|why| failed(why.to_string()))?;
    for line in lines(&rows, measures.len()) {
        // A code that a spreadsheet would take for a formula is shown as text.
        let line = line.into_iter().map(|text| match text.chars().next() {
            Some('=' | '+' | '@' | '\t' | '\r') => format!("'{text}"),
            _ => text,
        });
        writer.write_record(line).map_err(|why| failed(why.to_string()))?;
    }
    let bytes = writer.into_inner().map_err(|why| failed(why.to_string()))?;
    String::from_utf8(bytes).map_err(|why| failed(why.to_string()))
}
