//! The hospital's own SELECT as rows of a data set: normalised by the server as a reading normalises a file.
//!
//! Owns the text of the normalised rows, level upon level: the cells as texts without the space around them, numbers and
//! days (`raw_..`), then our words, units and millionths. Whatever a hospital declared is a quoted literal or a quoted
//! name. Texts have the collation "C", so that whoever compares, groups or orders them does it byte by byte. What
//! cannot be used is found by `rules`, not here.

use crate::extract::config::{ExtractConfig, UnitSource, usual_kind};
use crate::extract::database::select::Select;
use samensom_protocol::query::{Column, ColumnType};
use tokio_postgres::Statement;
use tokio_postgres::types::Type;

/// What counts as space: Unicode's White_Space, as where a file's cell is trimmed.
const SPACE: &str = "E'\\u0009\\u000A\\u000B\\u000C\\u000D\\u0020\\u0085\\u00A0\\u1680\\u2000\\u2001\\u2002\\u2003\\u2004\
                     \\u2005\\u2006\\u2007\\u2008\\u2009\\u200A\\u2028\\u2029\\u202F\\u205F\\u3000'";

/// A data set's rows as the server makes them.
pub(super) struct Normal<'a> {
    config: &'a ExtractConfig,
    select: &'a Select,
    types: Vec<(&'a str, &'a Type)>,
}

impl<'a> Normal<'a> {
    pub(super) fn new(config: &'a ExtractConfig, select: &'a Select, statement: &'a Statement) -> Normal<'a> {
        let columns = statement.columns().iter();
        Normal { config, select, types: columns.map(|column| (column.name(), column.type_())).collect() }
    }

    /// Their name of a column, where one is read.
    pub(super) fn theirs(&self, column: Column) -> Option<&'a str> {
        match (column, &self.config.unit) {
            (Column::Unit, UnitSource::Column(theirs)) => Some(theirs),
            (Column::Unit, _) => None,
            _ => self.config.columns.get(&column).map(String::as_str),
        }
    }

    /// The result's first column, where it is a text, in which a word for a total may stand.
    pub(super) fn first(&self) -> Option<&'a str> {
        self.types.first().filter(|(_, kind)| is_text(kind)).map(|(name, _)| *name)
    }

    /// `SELECT ..`: the rows that count, with the columns of the data set.
    pub(super) fn rows(&self) -> String {
        let columns: Vec<String> =
            self.config.dataset.columns().iter().map(|column| format!("t.{}", ours(*column))).collect();
        format!("SELECT {} FROM (\n{}\n) AS t WHERE NOT t.\"objected\"", columns.join(", "), self.all())
    }

    /// `SELECT ..`: every row with what it was, what it becomes and whether somebody objects to its use.
    pub(super) fn all(&self) -> String {
        let columns = self.config.dataset.columns().iter();
        let made: Vec<String> =
            columns.map(|column| format!("{} AS {}", self.made(*column), ours(*column))).collect();
        let objected = self.config.objection.as_ref().map_or("FALSE".to_owned(), |objection| {
            format!("COALESCE(r.\"raw_objection\", '') = ANY ({})", texts(&objection.yes))
        });
        format!(
            "SELECT {}, r.*, ({objected}) AS \"objected\" FROM (\n{}\n) AS r",
            made.join(", "),
            self.raw_rows()
        )
    }

    fn raw_rows(&self) -> String {
        let mut raw = Vec::new();
        for column in self.config.dataset.columns() {
            if let Some(theirs) = self.theirs(*column) {
                let text = self.raw_cell(theirs, column.column_type());
                raw.push(format!("{text} AS {}", raw_name(*column)));
            }
        }
        let beside = [
            ("raw_first", self.first()),
            ("raw_objection", self.config.objection.as_ref().map(|objection| objection.column.as_str())),
        ];
        for (name, theirs) in beside {
            if let Some(theirs) = theirs {
                raw.push(format!("{} AS \"{name}\"", self.raw_cell(theirs, ColumnType::Text)));
            }
        }
        // On a line of its own the bracket is in no comment.
        format!("SELECT {} FROM (\n{}\n) AS h", raw.join(", "), self.select.text())
    }

    fn raw_cell(&self, theirs: &str, kind: ColumnType) -> String {
        let column = format!("h.\"{}\"", theirs.replace('"', "\"\""));
        match kind {
            ColumnType::Number => format!("{column}::numeric"),
            ColumnType::Date => column,
            ColumnType::Text => {
                let is_truth = self.types.iter().any(|(name, kind)| *name == theirs && **kind == Type::BOOL);
                // As a result is kept as a file, in which a truth value is one letter.
                let text = if is_truth {
                    format!("CASE WHEN {column} THEN 't' WHEN NOT {column} THEN 'f' END")
                } else {
                    format!("{column}::text")
                };
                format!("NULLIF(btrim({text}, {SPACE}) COLLATE \"C\", '')")
            }
        }
    }

    /// What a column becomes: ours in the place of theirs, numbers in millionths.
    fn made(&self, column: Column) -> String {
        let raw = format!("r.{}", raw_name(column));
        let there = self.theirs(column).is_some();
        match (column, column.column_type()) {
            (Column::Unit, _) if !there => match &self.config.unit {
                UnitSource::Every(unit) => word(&literal(unit.name())),
                _ => word("NULL::text"),
            },
            (Column::Kind, _) if !there => word(&literal(usual_kind())),
            (_, ColumnType::Text) if !there => word("NULL::text"),
            (_, ColumnType::Date) if !there => "NULL::date".to_owned(),
            (_, ColumnType::Number) if !there => "NULL::bigint".to_owned(),
            (Column::Unit | Column::Kind, _) => self.mapped(column, &format!("COALESCE({raw}, '')"), ""),
            (_, ColumnType::Text) => self.mapped(column, &raw, &format!(" ELSE {raw}")),
            (_, ColumnType::Date) => raw,
            // Of a number that does not fit nothing is made: it is told by the rules.
            (_, ColumnType::Number) => {
                format!("CASE WHEN abs({raw}) < {TOO_LARGE} THEN ({raw} * 1000000)::bigint END")
            }
        }
    }

    fn mapped(&self, column: Column, value: &str, otherwise: &str) -> String {
        let pairs = self.config.values.pairs(column).into_iter().filter(|(theirs, _)| can_be_there(theirs));
        let whens: String = pairs
            .map(|(theirs, ours)| {
                let ours = if ours.is_empty() { "NULL".to_owned() } else { literal(&ours) };
                format!(" WHEN {} THEN {ours}", literal(&theirs))
            })
            .collect();
        if whens.is_empty() {
            return value.to_owned();
        }
        word(&format!("CASE {value}{whens}{otherwise} END"))
    }
}

/// Numbers that are not below it have more digits than are read.
pub(super) const TOO_LARGE: &str = "1000000000000";

/// Whether its values have a text that is what a reading would see.
pub(super) fn is_text(kind: &Type) -> bool {
    let known = [
        Type::TEXT,
        Type::VARCHAR,
        Type::BPCHAR,
        Type::NAME,
        Type::BOOL,
        Type::INT2,
        Type::INT4,
        Type::INT8,
        Type::NUMERIC,
        Type::UUID,
    ];
    known.contains(kind) || matches!(kind.kind(), tokio_postgres::types::Kind::Enum(_))
}

pub(super) fn ours(column: Column) -> String {
    format!("\"{}\"", column.name())
}

pub(super) fn raw_name(column: Column) -> String {
    format!("\"raw_{}\"", column.name())
}

/// A text of ours that is compared byte by byte.
fn word(text: &str) -> String {
    format!("({text} COLLATE \"C\")")
}

/// No text of the server's has a NUL.
fn can_be_there(text: &str) -> bool {
    !text.contains('\0')
}

/// Under standard_conforming_strings nothing but a quote has a meaning inside quotes.
pub(super) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Texts as an array.
pub(super) fn texts(all: &[String]) -> String {
    let all: Vec<String> = all.iter().filter(|text| can_be_there(text)).map(|text| literal(text)).collect();
    format!("ARRAY[{}]::text[]", all.join(", "))
}
