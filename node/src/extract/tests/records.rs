//! Our reader of records beside the csv crate's: of every well-formed file they read the same cells.
//!
//! Ours exists because csv accepts what must be refused here (a quote that is never closed, text behind a
//! closing quote) and does not say on which lines of the file a record stands.

use crate::extract::dialect::Encoding;
use crate::extract::records::{Record, Records};

const FILES: u32 = 20_000;
const CELLS: [&str; 12] =
    ["", "a", "12,5", "a;b", "say \"so\"", "\"", "é€", "x y ", " ", "line\nbreak", "line\r\nbreak", ",\";"];

/// A walk over all 64-bit numbers, the same at every run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % most
    }
}

/// A file of up to six rows, quoted where it must be and sometimes where it need not.
fn file(dice: &mut Dice, separator: u8) -> (Vec<Vec<&'static str>>, String) {
    let width = 1 + dice.below(4);
    let (mut rows, mut text) = (Vec::new(), String::new());
    for _ in 0..=dice.below(6) {
        let row: Vec<&str> = (0..width).map(|_| CELLS[dice.below(CELLS.len())]).collect();
        let cells = row.iter().map(|cell| {
            let special = |byte: u8| byte == separator || b"\"\r\n".contains(&byte);
            // A row of one empty cell would be a blank line.
            let must = cell.bytes().any(special) || width == 1 && cell.is_empty();
            let quoted = must || dice.below(3) == 0;
            if quoted { format!("\"{}\"", cell.replace('"', "\"\"")) } else { (*cell).to_owned() }
        });
        text.push_str(&cells.collect::<Vec<_>>().join(&char::from(separator).to_string()));
        text.push_str(["\n", "\r\n", "\r", "\n\n"][dice.below(4)]);
        rows.push(row);
    }
    if dice.below(4) == 0 && text.ends_with('\n') {
        text.pop();
    }
    (rows, text)
}

fn ours(text: &str, separator: u8) -> Vec<Vec<String>> {
    let mut source = text.as_bytes();
    let mut records = Records::open(&mut source, Encoding::Utf8, separator).ok().expect("a file");
    let (mut record, mut rows) = (Record::default(), Vec::new());
    while records.read(&mut record).ok().expect("a record") {
        assert!(!record.open && !record.stray, "{text:?}");
        rows.push(record.cells().map(str::to_owned).collect());
    }
    rows
}

fn theirs(text: &str, separator: u8) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new();
    let reader = reader.delimiter(separator).has_headers(false).flexible(true);
    let records = reader.from_reader(text.as_bytes()).into_records();
    records.map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect()
}

#[test]
fn every_well_formed_file_is_the_same_to_the_csv_crate() {
    let mut dice = Dice(20_261_122);
    let mut cells = 0;
    for number in 0..FILES {
        let separator = [b';', b',', b'\t'][dice.below(3)];
        let (rows, text) = file(&mut dice, separator);
        let read = ours(&text, separator);
        assert_eq!(read, theirs(&text, separator), "file {number}: {text:?}");
        assert_eq!(read, rows, "file {number}: {text:?}");
        cells += rows.iter().map(Vec::len).sum::<usize>();
    }
    println!("{FILES} files, {cells} cells: the same");
}
