//! Real issues of medicines at 69 hospitals; the files are not part of this repository.
//! `SAMENSOM_TEST_DATA` names the folder they are in.

use super::*;
use samensom_protocol::query::{Shown, table};
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
    let shown = table(&query, &sums, &Shown::All);
    assert_eq!(shown.len(), 2 * 19 * 2);
    assert!(shown.iter().all(|row| row.unit == "tablet" || row.unit == "hospitals"));
}

const COVID: &str = "scmd_covid_meds_2019-01_2020-11.csv";

const TOCILIZUMAB_IV: [(&str, &str); 3] = [
    ("16101911000001101", "160396.05"),
    ("16102011000001108", "518569.9"),
    ("16102111000001109", "90566.65"),
];
const TOCILIZUMAB_SC: [&str; 2] = ["24856911000001102", "35431611000001103"];
const REMDESIVIR_POWDER: &str = "38377211000001108";
const REMDESIVIR_SOLUTION: &str = "38377311000001100";

/// A query over use: sums in a unit of these codes, one cell for each or for all of them.
fn of_use(codes: &[&str], unit: &str, each: bool) -> Query {
    let dimension = format!("[[dimension]]\ncolumn = \"code\"\ncodes = {codes:?}\n");
    let any: Vec<String> = codes.iter().map(|code| format!("code = '{code}'")).collect();
    let population = format!("population.where = \"{}\"\n", any.join(" or "));
    let (before, after) = if each { (String::new(), dimension) } else { (population, String::new()) };
    Query::from_toml(
        &format!(
            "{before}query = {{ id = \"q\", version = 1, title = {{ nl = \"t\", en = \"t\" }}, purpose = \"stock\", \
             dataset = \"use\" }}\n{after}[[measure]]\nname = \"issued\"\nsum = \"quantity\"\nunit = \"{unit}\"\n\
             scale = 2\nrange = [-100000000, 100000000]\n[[measure]]\nname = \"lines\"\nrows = true\n"
        ),
        &mut |_| Err(String::new()),
    )
    .unwrap()
}

/// The national sums over the 69 hospitals, as they are shown.
fn national(data: &std::path::Path, config: &str, units: &str, query: &Query) -> Vec<String> {
    let mut sums = vec![0_i128; usize::try_from(query.layout().cells()).unwrap()];
    let hospitals = per_hospital(data, COVID);
    assert_eq!(hospitals.len(), 59, "so many of the 69 have rows in this file");
    for csv in hospitals.values() {
        let folder = Folder::of(config, csv);
        std::fs::write(folder.dir.path().join("units.csv"), units).unwrap();
        let figures = folder.evaluate(query).unwrap_or_else(|error| panic!("{error}"));
        sums.iter_mut().zip(figures).for_each(|(sum, figure)| *sum += i128::from(figure));
    }
    table(query, &sums, &Shown::All).into_iter().map(|row| row.value.to_string()).collect()
}

/// Fractions of millilitres: nothing is lost and nothing is made.
#[test]
fn tocilizumab_keeps_its_hundredths() {
    let Some(data) = data() else { return };
    let config = METHOTREXATE.replace("\"tablet\"", "\"ml\"");
    let codes = TOCILIZUMAB_IV.map(|(code, _)| code);
    let shown = national(&data, &config, "", &of_use(&codes, "ml", true));
    let expected: Vec<&str> = TOCILIZUMAB_IV
        .into_iter()
        .zip(["1128", "1142", "1093"])
        .flat_map(|((_, sum), lines)| [sum, lines])
        .collect();
    assert_eq!(shown, expected);
}

/// One sum over vials and pens, in mg: IV 20 mg a ml, SC 180 mg a ml.
#[test]
fn a_unit_table_adds_all_tocilizumab_in_mg() {
    let Some(data) = data() else { return };
    let by_table = METHOTREXATE
        .replace("unit = \"tablet\"", "unit_table = \"units.csv\"\nlevel = \"base\"\ncode_kind = \"snomed\"");
    let mut units = "code,level,unit,factor,from,until\n".to_owned();
    for (code, _) in TOCILIZUMAB_IV {
        units += &format!("{code},base,mg,20,2019-01-01,\n");
    }
    for code in TOCILIZUMAB_SC {
        // The strength is the same on both sides of a day on which the table changed.
        units += &format!("{code},base,mg,180,,2020-03-31\n{code},base,mg,180,2020-04-01,\n");
    }
    let mut codes: Vec<&str> = TOCILIZUMAB_IV.iter().map(|(code, _)| *code).collect();
    codes.extend(TOCILIZUMAB_SC);
    let query = of_use(&codes, "mg", false);
    // Products that are not in the table are rejected rows: with all of them declared the file is complete.
    let hospitals = per_hospital(&data, COVID);
    let csv = hospitals.values().next().unwrap();
    let folder = Folder::of(&by_table, csv);
    std::fs::write(folder.dir.path().join("units.csv"), &units).unwrap();
    assert!(text(folder.freeze()).contains("the unit table says nothing of this code"));
    for code in [
        "34742511000001107",
        "34742611000001106",
        "34742711000001102",
        "34742811000001105",
        REMDESIVIR_SOLUTION,
    ] {
        units += &format!("{code},base,ml,1,,\n");
    }
    for code in [REMDESIVIR_POWDER, "38377411000001107"] {
        units += &format!("{code},base,vial,1,,\n");
    }
    let shown = national(&data, &by_table, &units, &query);
    assert_eq!(shown, ["43776130", "5360"]);

    // Remdesivir as powder and as solution are never one sum of ml or of vials ...
    let both = [REMDESIVIR_POWDER, REMDESIVIR_SOLUTION];
    let mut refused = 0;
    for csv in hospitals.values() {
        let folder = Folder::of(&by_table, csv);
        std::fs::write(folder.dir.path().join("units.csv"), &units).unwrap();
        let frozen = folder.freeze().unwrap();
        let has = |code: &str| csv.contains(code);
        let error = evaluate(&of_use(&both, "ml", false), &frozen).err();
        assert_eq!(error.is_some(), has(REMDESIVIR_POWDER));
        if let Some(error) = error {
            assert!(error.to_string().contains("unit `vial` where measure `issued` adds `ml`"), "{error}");
            refused += 1;
        }
    }
    assert!(refused > 10);
    // ... and each alone is.
    assert_eq!(national(&data, &by_table, &units, &of_use(&both[..1], "vial", true))[0], "28362");
    assert_eq!(national(&data, &by_table, &units, &of_use(&both[1..], "ml", true))[0], "143020");
    // In mg of the substance they are one sum.
    let strengths = units
        .replace(&format!("{REMDESIVIR_POWDER},base,vial,1,"), &format!("{REMDESIVIR_POWDER},base,mg,100,"))
        .replace(&format!("{REMDESIVIR_SOLUTION},base,ml,1,"), &format!("{REMDESIVIR_SOLUTION},base,mg,5,"));
    assert_eq!(national(&data, &by_table, &strengths, &of_use(&both, "mg", false))[0], "3551300");
}

/// Without a table the file itself is refused, with the first row of each unit.
#[test]
fn remdesivir_in_two_units_is_refused_without_a_table() {
    let Some(data) = data() else { return };
    let config = METHOTREXATE.replace("unit = \"tablet\"", "unit_column = \"unit\"");
    let mut refused = 0;
    for csv in per_hospital(&data, COVID).values() {
        let mut rows = csv.lines();
        let mut text_of_both = format!("{},unit\n", rows.next().unwrap());
        for row in rows {
            let unit = if row.contains(REMDESIVIR_POWDER) {
                Some("vial")
            } else {
                row.contains(REMDESIVIR_SOLUTION).then_some("ml")
            };
            if let Some(unit) = unit {
                text_of_both += &format!("{row},{unit}\n");
            }
        }
        let both = text_of_both.contains(",vial\n") && text_of_both.contains(",ml\n");
        let folder = Folder::of(&config, &text_of_both);
        if both {
            let error = text(folder.freeze());
            assert!(
                error.contains("several units in one file: `") && error.contains("first in row 2"),
                "{error}"
            );
            refused += 1;
        }
    }
    assert!(refused > 10, "{refused}");
}
