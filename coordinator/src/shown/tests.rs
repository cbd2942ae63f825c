//! Every hostile text in each form.

use super::*;

/// A cell's text as it was before [`csv_cell`].
fn read_back(cell: &str) -> String {
    let parts = cell.split_inclusive([',', ';', '\t', '\r', '\n']);
    parts.map(|part| part.strip_prefix('\'').unwrap_or(part)).collect()
}

#[test]
fn five_hundred_hostile_texts_stay_text_in_a_line() {
    let texts = hostile::texts();
    assert_eq!(texts.len(), 500);
    for hostile in &texts {
        let shown = text(hostile);
        assert!(hostile::stays_text(&shown) && !shown.contains('\n'), "{hostile:?}: {shown:?}");
        assert!(hostile::stays_text(&lines(hostile)), "{hostile:?}");
        assert_eq!(lines(hostile).matches('\n').count(), hostile.matches('\n').count(), "{hostile:?}");
    }
    assert_eq!(text("a\u{202e}\u{1b}[2J\r\n"), "a\\u{202e}\\u{1b}[2J\\r\\n");
    assert_eq!(text("Ziekenhuis Één, 10 µg/ml – 't IJ"), "Ziekenhuis Één, 10 µg/ml – 't IJ");
}

#[test]
fn hostile_json_reads_back_equal_and_steers_nothing() {
    for hostile in hostile::texts() {
        let mut object = serde_json::Map::new();
        object.insert(hostile.clone(), hostile.clone().into());
        let value = serde_json::Value::Object(object);
        for written in [value.to_string(), format!("{value:#}")] {
            let shown = json(&written);
            assert!(hostile::stays_text(&shown), "{hostile:?}: {shown:?}");
            assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value, "{shown}");
        }
    }
}

#[test]
fn no_hostile_cell_is_a_formula_and_each_reads_back_equal() {
    let signs = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];
    for hostile in hostile::texts() {
        let cell = csv_cell(&hostile);
        assert_eq!(read_back(&cell), hostile, "{cell:?}");
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.write_record(["code", &cell, &cell, "-1.5"]).unwrap();
        let file = writer.into_inner().unwrap();
        // As it is meant, and as spreadsheets of other countries, or without quotes, take it.
        for (separator, quoting) in [(b',', true), (b';', true), (b'\t', true), (b';', false), (b',', false)]
        {
            let mut reader = csv::ReaderBuilder::new();
            let reader = reader.has_headers(false).flexible(true).delimiter(separator).quoting(quoting);
            for record in reader.from_reader(&file[..]).records() {
                for found in record.unwrap().iter().filter(|found| *found != "-1.5") {
                    let bare =
                        found.trim_start_matches(|c: char| c.is_whitespace() || "\"\u{feff}\0".contains(c));
                    assert!(!bare.starts_with(signs), "{hostile:?}: {found:?}");
                    assert!(
                        !found.starts_with(['\t', '\r', '\n']) || bare.is_empty(),
                        "{hostile:?}: {found:?}"
                    );
                }
            }
        }
    }
    assert_eq!(csv_cell("90000013"), "90000013");
    assert_eq!(csv_cell("piece, vial; 0 to 10"), "piece, vial; 0 to 10");
    assert_eq!(csv_cell("-5 to 0"), "'-5 to 0");
}
