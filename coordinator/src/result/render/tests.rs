//! What is written of a result, plain and hostile.

use super::super::sample::{every_sort, figures, hostile, number, row};
use super::*;
use crate::shown::hostile::{stays_text, texts};

fn records(text: &str) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new();
    let reader = reader.has_headers(false).from_reader(text.as_bytes());
    reader.into_records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect()
}

#[test]
fn each_class_of_a_histogram_is_a_column() {
    let table = csv(&every_sort()).unwrap();
    let expected = "kind,code,stock (piece),holders 0 to 10 (hospitals),holders 10 to 100 (hospitals),\
                    holders 100 or more (hospitals),cover (months),behind (hospitals)\n\
                    regular,90000013,412000,3,12,51,2.75,60\n\
                    regular,90000021,-12.5,3,12,51,no use,60\n\
                    ccv,90000013,suppressed,suppressed,suppressed,suppressed,suppressed,60\n\
                    ccv,90000021,0,3,12,51,0,60\n";
    assert_eq!(table, expected);
    // In the terminal the same lines, figures to the right.
    let shown = text(&every_sort());
    let lines = shown.lines().filter(|line| line.contains("90000013") || line.contains("90000021"));
    assert_eq!(lines.count(), 4, "{shown}");
    assert!(shown.contains("66 of 69 hospitals, opened 2026-11-22 08:55:45Z"), "{shown}");
}

#[test]
fn a_result_says_how_far_shares_were_compared() {
    let shown = |compared: &[u64]| {
        let of = |count: &u64| Row { compared: Some(*count), ..row(&[], ("a", ""), "piece", number(5, 0)) };
        let result = Figures { dominance: 80, ..figures("t", compared.iter().map(of).collect()) };
        assert_eq!(json(&result)["totals"][0]["compared"], json!(compared[0]));
        floor(&result)
    };
    assert!(shown(&[0, 0]).contains("No check of dominance was possible"), "{}", shown(&[0, 0]));
    let some = shown(&[61, 0, 58]);
    assert!(
        some.contains("more than 80%") && some.contains("at least 58 hospitals compared theirs"),
        "{some}"
    );
    assert!(some.contains("1 of 3 figures were compared by nobody"), "{some}");
    let none = figures("t", vec![row(&[], ("a", ""), "piece", number(5, 0))]);
    assert!(!floor(&none).contains("ominance") && json(&none)["totals"][0].get("compared").is_none());
}

#[test]
fn a_query_without_dimensions_is_one_line() {
    let rows = vec![row(&[], ("a", ""), "piece", number(5, 0)), row(&[], ("b", ""), "piece", number(-7, 0))];
    assert_eq!(csv(&figures("t", rows)).unwrap(), "a (piece),b (piece),behind (hospitals)\n5,-7,60\n");
}

#[test]
fn repro_a_label_named_as_a_key_of_its_figure_is_kept_in_json() {
    let rows = vec![row(&[("value", "0 to 10"), ("unit", "x")], ("measure", ""), "piece", number(5, 0))];
    let total = json(&figures("t", rows))["totals"][0].clone();
    assert_eq!(total["labels"], json!({ "value": "0 to 10", "unit": "x" }));
    assert_eq!((&total["value"], &total["unit"]), (&json!("5"), &json!("piece")));
}

#[test]
fn five_hundred_hostile_texts_stay_text_in_the_table() {
    let plain = text(&hostile("plain")).lines().count();
    for hostile_text in texts() {
        let shown = text(&hostile(&hostile_text));
        assert!(stays_text(&shown), "{hostile_text:?}: {shown:?}");
        assert_eq!(shown.lines().count(), plain, "{hostile_text:?}:\n{shown}");
        let seen = shown::text(&hostile_text);
        assert!(shown.matches(seen.trim()).count() >= 7, "{hostile_text:?}:\n{shown}");
    }
}

#[test]
fn five_hundred_hostile_texts_read_back_equal_from_csv() {
    let back = |cell: &str| -> String {
        let parts = cell.split_inclusive([',', ';', '\t', '\r', '\n']);
        parts.map(|part| part.strip_prefix('\'').unwrap_or(part)).collect()
    };
    for text in texts() {
        let read = records(&csv(&hostile(&text)).unwrap());
        assert_eq!(read.len(), 2, "{text:?}: {read:?}");
        let header: Vec<String> = read[0].iter().map(|cell| back(cell)).collect();
        assert_eq!(
            header,
            [
                text.clone(),
                "code".into(),
                format!("{text} {text} ({text})"),
                format!("cover ({text})"),
                "behind (hospitals)".into()
            ]
        );
        let line: Vec<String> = read[1][..2].iter().map(|cell| back(cell)).collect();
        assert_eq!(line, [text.clone(), text]);
        assert_eq!(read[1][2..], ["-1.5", "suppressed", "60"]);
    }
}

#[test]
fn five_hundred_hostile_texts_read_back_equal_from_json() {
    for text in texts() {
        let facts = json(&hostile(&text));
        let written = shown::json(&format!("{facts:#}\n"));
        assert!(stays_text(&written), "{written:?}");
        let read: Value = serde_json::from_str(&written).unwrap();
        assert_eq!(read, facts);
        assert_eq!(read["title"], *text);
        for key in ["person", "role", "organisation"] {
            assert_eq!(read["approved_by"][0][key], *text);
        }
        let total = &read["totals"][0];
        let each = [&total["measure"], &total["part"], &total["unit"], &total["labels"]["code"]];
        assert_eq!(each, [&*text; 4]);
        assert_eq!((&total["labels"][&text], &total["value"]), (&json!(text), &json!("-1.5")));
    }
}

#[test]
fn it_is_said_whether_others_stood_behind_the_slot_before() {
    use super::super::figures::Before;
    use samensom_protocol::ids::SessionId;
    let shown = |gone: &[u16], new: &[u16]| {
        let nodes = |ids: &[u16]| ids.iter().copied().map(NodeId).collect();
        let before = Before { session: SessionId([0x5e; 32]), gone: nodes(gone), new: nodes(new) };
        let of = Figures { before: Some(before), ..every_sort() };
        assert_eq!(json(&of)["before"]["gone"], json!(gone));
        text(&of)
    };
    assert!(shown(&[], &[]).contains("\nthe same hospitals as in the slot before (session 5e5e5e5e5e5e).\n"));
    assert!(
        shown(&[7, 9], &[])
            .contains("differ from the slot before (session 5e5e5e5e5e5e): without node 7, node 9.")
    );
    assert!(shown(&[], &[3]).contains(": with node 3.\n"));
    assert!(shown(&[7], &[3]).contains(": without node 7, with node 3.\n"));
    assert!(!text(&every_sort()).contains("slot before") && json(&every_sort()).get("before").is_none());
}
