//! A result made by hand, for the tests of what is shown of one.

use super::figures::{Approved, Figures};
use samensom_protocol::ids::{NodeId, ResultHash, SessionId};
use samensom_protocol::params::Thresholds;
use samensom_protocol::query::{Row, Value};

/// A figure with so many decimals.
pub(super) fn number(mantissa: i128, scale: u8) -> Value {
    Value::Number { mantissa, scale }
}

/// One line of a measure and its part.
pub(super) fn row(labels: &[(&str, &str)], measure: (&str, &str), unit: &str, value: Value) -> Row {
    let labels = labels.iter().map(|(column, code)| ((*column).to_owned(), (*code).to_owned())).collect();
    let (measure, part) = (measure.0.to_owned(), measure.1.to_owned());
    Row { labels, measure, part, value, unit: unit.to_owned(), hospitals: Some(60), compared: None }
}

/// A result of these lines; `text` stands in its every other text.
pub(super) fn figures(text: &str, rows: Vec<Row>) -> Figures {
    let approved = Approved { person: text.to_owned(), role: text.to_owned(), organisation: text.to_owned() };
    Figures {
        session: SessionId([0xab; 32]),
        result: ResultHash([0xcd; 32]),
        query: "ccv-stock".to_owned(),
        title: text.to_owned(),
        at: "2026-11-22 08:55:45Z".to_owned(),
        attempt: 0,
        of: 69,
        survivors: (1..=66).map(NodeId).collect(),
        dropped: vec![NodeId(67)],
        thresholds: Thresholds { n: 69, x: 22, k: 2, shares: 35, quorum: 46 },
        cells: 4,
        width: 33,
        floor: 5,
        least: Some(5),
        dominance: 0,
        approvers: vec![approved],
        rows,
        series: samensom_protocol::warrant::Series::Free,
        before: None,
    }
}

/// Two kinds by two codes, with every sort of figure, a ratio, and a histogram with its classes.
pub(super) fn every_sort() -> Figures {
    let of = |kind, code| [("kind", kind), ("code", code)];
    let mut rows = Vec::new();
    for (kind, code, stock, cover) in [
        ("regular", "90000013", number(4_120_000, 1), number(275, 2)),
        ("regular", "90000021", number(-125, 1), Value::NoUse),
        ("ccv", "90000013", Value::Suppressed, Value::Suppressed),
        ("ccv", "90000021", number(0, 1), number(0, 2)),
    ] {
        rows.push(row(&of(kind, code), ("stock", ""), "piece", stock));
        let hidden = stock == Value::Suppressed;
        for (name, count) in [("0 to 10", 3), ("10 to 100", 12), ("100 or more", 51)] {
            let count = if hidden { Value::Suppressed } else { number(count, 0) };
            rows.push(row(&of(kind, code), ("holders", name), "hospitals", count));
        }
        rows.push(row(&of(kind, code), ("cover", ""), "months", cover));
    }
    figures("CCV-voorraad en maanden dekking", rows)
}

/// One line with `text` wherever a text can stand.
pub(super) fn hostile(text: &str) -> Figures {
    let labels = [(text, text), ("code", text)];
    figures(
        text,
        vec![
            row(&labels, (text, text), text, number(-15, 1)),
            row(&labels, ("cover", ""), text, Value::Suppressed),
        ],
    )
}
