//! Real issues of medicines at 69 hospitals; the files are not part of this repository.
//! `SAMENSOM_TEST_DATA` names the folder they are in.

use super::*;
use samensom_protocol::query::table;
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;

fn data() -> Option<PathBuf> {
    let folder = std::env::var_os("SAMENSOM_TEST_DATA").map(PathBuf::from);
    if folder.is_none() {
        // Straight to the stream: what a passing test prints is not shown.
        let _ = writeln!(
            std::io::stderr(),
            "NOT RUN: the totals of real extracts; set SAMENSOM_TEST_DATA to their folder"
        );
    }
    folder
}

const METHOTREXATE: &str = r#"
dataset = "use"
file = "use.csv"
encoding = "utf-8"
separator = ","
decimal = "."
unit = "tablet"
[columns]
code = "vmp_snomed_code"
period = "year_month"
quantity = "total_quantity"
"#;

/// Rows of the file per hospital, of the hospitals of the list alone, as CSV texts with the header.
fn per_hospital(data: &std::path::Path, file: &str) -> BTreeMap<String, String> {
    let column = |reader: &mut csv::Reader<std::fs::File>, name: &str| {
        reader.headers().unwrap().iter().position(|header| header == name).unwrap()
    };
    let mut trusts = csv::Reader::from_path(data.join("nhs_scmd/derived_69_trusts.csv")).unwrap();
    let id = column(&mut trusts, "ods_code");
    let members: BTreeSet<String> = trusts.records().map(|row| row.unwrap()[id].to_owned()).collect();
    assert_eq!(members.len(), 69);
    let mut rows = csv::Reader::from_path(data.join("nhs_scmd").join(file)).unwrap();
    let id = column(&mut rows, "ods_code");
    let header = rows.headers().unwrap().clone();
    let mut writers = BTreeMap::new();
    for row in rows.records() {
        let row = row.unwrap();
        if members.contains(&row[id]) {
            let writer = writers.entry(row[id].to_owned()).or_insert_with(|| {
                let mut writer = csv::Writer::from_writer(Vec::new());
                writer.write_record(&header).unwrap();
                writer
            });
            writer.write_record(&row).unwrap();
        }
    }
    writers
        .into_iter()
        .map(|(id, writer)| (id, String::from_utf8(writer.into_inner().unwrap()).unwrap()))
        .collect()
}

#[test]
fn methotrexate_of_69_hospitals_adds_up() {
    let Some(data) = data() else { return };
    let text = std::fs::read_to_string(data.join("methotrexate.query.toml")).unwrap();
    let query = Query::from_toml(&text, &mut |path| Err(format!("no {path}"))).unwrap();
    let hospitals = per_hospital(&data, "scmd_methotrexate_tablets_2019-01_2020-07.csv");
    assert_eq!(hospitals.len(), 69);
    let mut sums = vec![0_i128; usize::try_from(query.layout().cells()).unwrap()];
    let mut rows = 0;
    for csv in hospitals.values() {
        let folder = Folder::of(METHOTREXATE, csv);
        let frozen = folder.freeze().unwrap_or_else(|error| panic!("{error}"));
        rows += frozen.accounting[0].used;
        let figures = evaluate(&query, &frozen).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(figures.len(), sums.len());
        sums.iter_mut().zip(figures).for_each(|(sum, figure)| *sum += i128::from(figure));
    }
    assert_eq!(rows, 1_251 + 364);
    let mut totals: BTreeMap<String, i128> = BTreeMap::new();
    for (index, sum) in sums.iter().enumerate().step_by(2) {
        let (places, measure) = query.layout().place(u32::try_from(index).unwrap()).unwrap();
        assert_eq!(measure, 0);
        *totals.entry(query.dimensions()[0].codes()[places[0]].to_string()).or_default() += sum;
    }
    let expected = [("326874007", 6_009_133_000), ("326875008", 29_535_000)];
    assert_eq!(totals, expected.map(|(code, total)| (code.to_owned(), total)).into());
    let shown = table(&query, &sums);
    assert_eq!(shown.len(), 2 * 19 * 2);
    assert!(shown.iter().all(|row| row.unit == "tablet" || row.unit == "hospitals"));
}

/// Fractions of millilitres, and two products whose units must never be added.
#[test]
fn tocilizumab_keeps_its_hundredths() {
    let Some(data) = data() else { return };
    let config = METHOTREXATE.replace("\"tablet\"", "\"ml\"");
    let query = Query::from_toml(
        "query = { id = \"q\", version = 1, title = { nl = \"t\", en = \"t\" }, purpose = \"stock\", dataset = \"use\" }\n\
         [[dimension]]\ncolumn = \"code\"\ncodes = [\"16101911000001101\"]\n\
         [[measure]]\nname = \"issued\"\nsum = \"quantity\"\nunit = \"ml\"\nscale = 2\nrange = [-1000000, 1000000]\n\
         [[measure]]\nname = \"lines\"\nrows = true\n",
        &mut |_| Err(String::new()),
    )
    .unwrap();
    let mut sums = [0_i128; 2];
    for csv in per_hospital(&data, "scmd_covid_meds_2019-01_2020-11.csv").values() {
        let figures = Folder::of(&config, csv).evaluate(&query).unwrap_or_else(|error| panic!("{error}"));
        sums.iter_mut().zip(figures).for_each(|(sum, figure)| *sum += i128::from(figure));
    }
    let shown = table(&query, &sums);
    assert_eq!(shown[0].value.to_string(), "160396.05");
    assert_eq!(shown[1].value.to_string(), "1128");
}
