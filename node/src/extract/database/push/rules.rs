//! What makes a row of a large extract one that cannot be used: the rules of a reading, as conditions.
//!
//! Owns their texts. Each is counted by the server; nobody sees the row. They must refuse what a reading refuses
//! (`row`, `cell`, `date`): a test puts the same rows through both. Codes are judged here by `CodeKind` itself, each
//! different one once.

use super::normal::{Normal, TOO_LARGE, literal, ours, raw_name, texts};
use crate::extract::config::ExtractConfig;
use crate::extract::row::{MAX_AGE, MAX_TEXT};
use crate::extract::shape::TOTALS;
use samensom_protocol::query::{Column, ColumnType, Counts};

/// Any control character but NUL, which no text has. By the collation "C" a range is one of code points.
const CONTROL: &str = "'[\\u0001-\\u001f\\u007f-\\u009f]'";

/// A way in which a row cannot be used.
pub(super) struct Rule {
    /// Their column.
    pub(super) column: String,
    pub(super) reason: String,
    /// True of such a row, as `t`.
    pub(super) holds: String,
}

/// All of them, over the rows of `Normal::all` as `t`.
pub(super) fn all(config: &ExtractConfig, normal: &Normal<'_>) -> Vec<Rule> {
    let mut rules = Vec::new();
    if let Some(objection) = &config.objection {
        let known: Vec<String> = objection.yes.iter().chain(&objection.no).cloned().collect();
        let holds = format!("NOT (COALESCE(t.\"raw_objection\", '') = ANY ({}))", texts(&known));
        rules.push(Rule {
            column: objection.column.clone(),
            reason: "neither an objection nor none".into(),
            holds,
        });
    }
    for column in config.dataset.columns() {
        let Some(theirs) = normal.theirs(*column) else { continue };
        let required = !config.dataset.may_be_absent(*column) || config.dataset.day() == Some(*column);
        for (reason, holds) in of_column(*column, required) {
            // Whoever objects is left out, whatever else stands in the row.
            let holds = format!("NOT t.\"objected\" AND ({holds})");
            rules.push(Rule { column: theirs.to_owned(), reason, holds });
        }
    }
    rules
}

fn of_column(column: Column, required: bool) -> Vec<(String, String)> {
    let (name, raw) = (format!("t.{}", ours(column)), format!("t.{}", raw_name(column)));
    let mut rules: Vec<(String, String)> = Vec::new();
    let mut rule = |reason: String, holds: String| rules.push((reason, holds));
    match column.column_type() {
        ColumnType::Text => {
            rule("a character that was lost before".into(), format!("strpos({raw}, E'\\uFFFD') > 0"));
            if column.closed_values().is_some() {
                let reason = format!("a word for the {} that is in no list", column.name());
                rule(reason, format!("{name} IS NULL"));
            } else {
                rule(
                    format!("longer than {MAX_TEXT} bytes, or with control characters"),
                    format!("octet_length({name}) > {MAX_TEXT} OR {name} ~ {CONTROL}"),
                );
                if required {
                    rule(format!("the {} is empty", column.name()), format!("{raw} IS NULL"));
                }
            }
        }
        ColumnType::Number => {
            if required {
                rule(format!("the {} is empty", column.name()), format!("{raw} IS NULL"));
            }
            // NaN and infinity are not below it either.
            rule("more than 12 digits, or no finite number".into(), format!("NOT abs({raw}) < {TOO_LARGE}"));
            rule("more than 6 decimals".into(), format!("{raw} <> round({raw}, 6)"));
            if column.counts() == Some(Counts::Years) {
                rule(
                    format!("not an age of 0 to {MAX_AGE} whole years"),
                    format!("NOT ({raw} BETWEEN 0 AND {MAX_AGE} AND {raw} = trunc({raw}))"),
                );
            }
        }
        ColumnType::Date => {
            if required {
                rule("the date is empty".into(), format!("{raw} IS NULL"));
            }
            let years = "DATE '1900-01-01' AND DATE '2199-12-31'";
            rule("not a day between 1900 and 2199".into(), format!("NOT ({raw} BETWEEN {years})"));
            if column == Column::Period {
                rule("not the first day of a month".into(), format!("EXTRACT(day FROM {raw}) <> 1"));
            }
        }
    }
    rules
}

/// Of a text that may begin with a word for a total: whether it begins with the letters of one.
pub(super) fn may_be_total(text: &str) -> String {
    let starts: Vec<String> = TOTALS.iter().map(|word| literal(&format!("{word}%"))).collect();
    format!("lower({text}) LIKE ANY (ARRAY[{}])", starts.join(", "))
}
