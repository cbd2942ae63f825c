//! The oracle against figures added by hand.

use super::*;
use serde_json::json;

const QUERY: &str = r#"
[query]
id = "q"
version = 1
title = { nl = "t", en = "t" }
purpose = "stock"
dataset = "stock"
[population]
where = "kind in ('regular', 'ccv') and not (expiry < '2026-01-01')"
[[dimension]]
column = "code"
codes = ["a", "b"]
[[measure]]
name = "all"
sum = "quantity"
unit = "piece"
scale = 1
range = [-1000, 1000]
[[measure]]
name = "ccv"
sum = "quantity"
where = "kind = 'ccv'"
unit = "piece"
scale = 0
range = [-1000, 1000]
[[measure]]
name = "rows"
rows = true
[[measure]]
name = "holders"
hospitals = "sum(quantity) > 1.5 and count(*) between 1 and 2"
[[derive]]
name = "share"
ratio = ["ccv", "all"]
scale = 2
[floors]
hospitals = 2
"#;

const TABLE: &str = r#"
dataset = "stock"
file = "s.csv"
separator = ";"
decimal = ","
date = "%d-%m-%Y"
unit = "piece"
[columns]
code = "c"
quantity = "q"
kind = "k"
expiry = "e"
"#;

const HEADER: &str = "c;q;k;e\n";

fn query() -> Query {
    Query::from_toml(&QUERY.replace("\"rows\"", "\"lines\""), &mut |_| Err(String::new())).unwrap()
}

fn of(rows: &str) -> Result<Figures, Error> {
    let folder = tempfile::TempDir::new().unwrap();
    std::fs::write(folder.path().join("s.csv"), format!("{HEADER}{rows}")).unwrap();
    figures(&query(), &[TABLE.parse().unwrap()], folder.path())
}

#[test]
fn figures_follow_population_filter_and_condition() {
    // 1.25 + 0.5 = 1.75, which is 1.8 at one decimal; without an expiry the row's condition is unknown.
    let rows = "a;1,25;regular;01-02-2027\na;0,5;ccv;01-01-2026\na;9;ccv;31-12-2025\na;7;study;01-01-2030\n\
                a;8;ccv;\nb;-2;ccv;01-01-2030\nz;5;ccv;01-01-2030\n";
    assert_eq!(of(rows).unwrap(), [18, 0, 2, 1, -20, -2, 1, 0]);
    assert_eq!(of("").unwrap(), [0; 8]);
    for wrong in ["a;1.5;ccv;01-01-2030\n", "a;1;ccv;2030-01-01\n", "a;1;ccv\n", "a;;ccv;01-01-2030\n"] {
        assert!(of(wrong).is_err(), "{wrong}");
    }
}

#[test]
fn a_half_goes_to_the_even_neighbour_once_per_hospital_and_cell() {
    for (quantity, expected) in [("0,25", 2), ("0,35", 4), ("-0,25", -2), ("-0,35", -4), ("0,250001", 3)] {
        let figures = of(&format!("a;{quantity};regular;01-01-2030\n")).unwrap();
        assert_eq!(figures[0], expected, "{quantity}");
    }
    // Summed exactly first: 0.05 twice is 0.1, not 0.0.
    assert_eq!(of("a;0,05;ccv;01-01-2030\na;0,05;ccv;01-01-2030\n").unwrap()[0], 1);
}

fn totals() -> Json {
    json!([
        { "labels": { "code": "a" }, "measure": "all", "value": "1.8", "unit": "piece", "coverage": {} },
        { "labels": { "code": "a" }, "measure": "ccv", "value": "-1", "unit": "piece", "coverage": {} },
        { "labels": { "code": "a" }, "measure": "lines", "value": "2", "unit": "rows", "coverage": {} },
        { "labels": { "code": "a" }, "measure": "holders", "value": "2", "unit": "hospitals", "coverage": {} },
        { "labels": { "code": "a" }, "measure": "share", "value": "-0.56", "unit": "1", "coverage": {} },
        { "labels": { "code": "b" }, "measure": "all", "value": "suppressed", "unit": "piece", "coverage": {} },
        { "labels": { "code": "b" }, "measure": "ccv", "value": "suppressed", "unit": "piece", "coverage": {} },
        { "labels": { "code": "b" }, "measure": "lines", "value": "suppressed", "unit": "rows", "coverage": {} },
        { "labels": { "code": "b" }, "measure": "holders", "value": "suppressed", "unit": "hospitals", "coverage": {} },
        { "labels": { "code": "b" }, "measure": "share", "value": "suppressed", "unit": "1", "coverage": {} },
    ])
}

const CLEAR: [i128; 8] = [18, -1, 2, 2, 5, 5, 5, 1];

#[test]
fn equal_means_every_line() {
    assert_eq!(compare(&query(), 2, &CLEAR, &totals()), Ok(()));
    for cell in 0..4 {
        let mut clear = CLEAR;
        clear[cell] += 1;
        assert!(compare(&query(), 2, &clear, &totals()).is_err(), "cell {cell}");
    }
    for line in 0..10 {
        let mut wrong = totals();
        wrong[line]["value"] = json!("1.9");
        assert!(compare(&query(), 2, &CLEAR, &wrong).is_err(), "line {line}");
        let mut fewer = totals();
        fewer.as_array_mut().unwrap().remove(line);
        assert!(compare(&query(), 2, &CLEAR, &fewer).is_err(), "without line {line}");
    }
    // One hospital more behind a suppressed cell, and it may not stay suppressed; a floor more, and it must.
    let mut clear = CLEAR;
    clear[7] = 2;
    assert!(compare(&query(), 2, &clear, &totals()).is_err());
    assert!(compare(&query(), 3, &CLEAR, &totals()).is_err());
    assert!(compare(&query(), 2, &CLEAR, &json!(null)).is_err());
}

#[test]
fn nothing_below_the_line_is_no_use() {
    let mut none = totals();
    none[0]["value"] = json!("0");
    none[4]["value"] = json!("no use");
    let mut clear = CLEAR;
    clear[0] = 0;
    assert_eq!(compare(&query(), 2, &clear, &none), Ok(()));
    assert!(compare(&query(), 2, &CLEAR, &none).is_err());
}

#[test]
fn hospitals_are_added() {
    let mut sum = Figures::new();
    add(&mut sum, &[1, -2]);
    add(&mut sum, &[10, 20]);
    assert_eq!(sum, [11, 18]);
}

#[test]
fn a_unit_table_gives_factor_and_unit_of_the_day() {
    let folder = tempfile::TempDir::new().unwrap();
    let table = TABLE
        .replace("unit = \"piece\"", "unit_table = \"u.csv\"\nlevel = \"pack\"\nthousands = \".\"")
        .replace("expiry = \"e\"", "expiry = \"e\"\nas_of = \"d\"");
    let of = |units: &str, rows: &str| {
        std::fs::write(folder.path().join("u.csv"), format!("code;level;unit;factor;from;until\n{units}"))
            .unwrap();
        std::fs::write(folder.path().join("s.csv"), format!("c;q;k;e;d\n{rows}")).unwrap();
        figures(&query(), &[table.parse().unwrap()], folder.path())
    };
    let units = "a;pack;piece;10;;31-10-2026\na;pack;piece;0,5;01-11-2026;01-11-2026\na;base;piece;1;;\n";
    let row = |size: &str, day: &str| format!("a;{size};regular;01-01-2030;{day}\n");
    assert_eq!(of(units, &row("1.000,5", "31-10-2026")).unwrap()[0], 100_050);
    assert_eq!(of(units, &row("3", "01-11-2026")).unwrap()[0], 15);
    for (units, day) in
        [(units, "02-11-2026"), ("a;base;piece;1;;\n", "01-11-2026"), ("a;pack;ml;1;;\n", "01-11-2026")]
    {
        assert!(of(units, &row("3", day)).is_err(), "{units} {day}");
    }
}

#[test]
fn rows_about_patients_are_read_by_the_hospitals_words() {
    use samensom_protocol::query::{Column, Dataset};
    let table: toml::Table = r#"
        separator = ","
        decimal = "."
        unit_column = "u"
        max_rejected = 4
        columns = { person = "p", code = "c", at = "d", quantity = "q", route = "r", age = "a" }
        values = { route = { PO = "oral", "0" = "" }, unit = { milligram = "mg" } }
    "#
    .parse()
    .unwrap();
    let folder = tempfile::TempDir::new().unwrap();
    let good = ["p1,x,2026-11-01,1.5,PO,71,milligram", "p2,y,2026-11-02,0,0,,ml", "p2,y,2026-11-02,0,iv,,ml"];
    let bad =
        [",x,2026-11-01,1,PO,,ml", "p,x,,1,PO,,ml", "p,x,2026-11-01,1,PO,7.5,ml", "p,x,2026-11-01,1,PO,,mgr"];
    let path = folder.path().join("s.csv");
    std::fs::write(&path, format!("p,c,d,q,r,a,u\n{}\n{}\n", good.join("\n"), bad.join("\n"))).unwrap();
    let rows = Dialect::of(Dataset::Administration, &table).unwrap().read(&path).unwrap();
    let text = |text: &str| Val::Text(text.to_owned());
    let of = |column| rows.iter().map(|row| row.get(&column).cloned()).collect::<Vec<_>>();
    assert_eq!(of(Column::Route), [Some(text("oral")), None, Some(text("iv"))]);
    assert_eq!(of(Column::Unit), ["mg", "ml", "ml"].map(|unit| Some(text(unit))));
    assert_eq!(of(Column::Age), [Some(Val::Micro(71_000_000)), None, None]);
    assert_eq!(of(Column::Kind), [None, None, None], "a stock alone has kinds");
    let strict: toml::Table =
        table.iter().filter(|(key, _)| *key != "max_rejected").map(|(k, v)| (k.clone(), v.clone())).collect();
    assert!(Dialect::of(Dataset::Administration, &strict).unwrap().read(&path).is_err());
}
