//! The oracle against figures added by hand.

use super::*;
use samensom_protocol::query::Column;
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
    figures_of(&[TABLE.parse().unwrap()], folder.path())
}

fn figures_of(tables: &[toml::Table], home: &Path) -> Result<Figures, Error> {
    figures(&query(), &rows(&query(), tables, home, &Own::new())?, &Own::new())
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
    let second = [vec![false; 4], vec![true; 4]];
    let compare = |clear: &[i128], totals: &Json| compare(&query(), &second, clear, totals);
    assert_eq!(compare(&CLEAR, &totals()), Ok(()));
    for cell in 0..4 {
        let mut clear = CLEAR;
        clear[cell] += 1;
        assert!(compare(&clear, &totals()).is_err(), "cell {cell}");
    }
    for line in 0..10 {
        let mut wrong = totals();
        wrong[line]["value"] = json!("1.9");
        assert!(compare(&CLEAR, &wrong).is_err(), "line {line}");
        let mut fewer = totals();
        fewer.as_array_mut().unwrap().remove(line);
        assert!(compare(&CLEAR, &fewer).is_err(), "without line {line}");
    }
    assert!(compare(&CLEAR, &json!(null)).is_err());
    // What opens may not be suppressed, and what stays closed must be.
    for closed in [[vec![false; 4], vec![false, true, true, true]], [vec![true; 4], vec![true; 4]]] {
        assert!(super::compare(&query(), &closed, &CLEAR, &totals()).is_err());
    }
}

#[test]
fn nothing_below_the_line_is_no_use() {
    let mut none = totals();
    none[0]["value"] = json!("0");
    none[4]["value"] = json!("no use");
    let mut clear = CLEAR;
    clear[0] = 0;
    let second = [vec![false; 4], vec![true; 4]];
    assert_eq!(compare(&query(), &second, &clear, &none), Ok(()));
    assert!(compare(&query(), &second, &CLEAR, &none).is_err());
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
        figures_of(&[table.parse().unwrap()], folder.path())
    };
    let units = "a;pack;piece;0,2;;31-10-2026\na;pack;piece;0,5;01-11-2026;01-11-2026\na;base;piece;1;;\n";
    let row = |size: &str, day: &str| format!("a;{size};regular;01-01-2030;{day}\n");
    assert_eq!(of(units, &row("1.000,5", "31-10-2026")).unwrap()[0], 2_001);
    assert_eq!(of(units, &row("3", "01-11-2026")).unwrap()[0], 15);
    for (units, day) in
        [(units, "02-11-2026"), ("a;base;piece;1;;\n", "01-11-2026"), ("a;pack;ml;1;;\n", "01-11-2026")]
    {
        assert!(of(units, &row("3", day)).is_err(), "{units} {day}");
    }
}

#[test]
fn rows_about_patients_are_read_by_the_hospitals_words() {
    use samensom_protocol::query::Dataset;
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

const WHOLE: &str = r#"
[query]
id = "q"
version = 1
title = { nl = "t", en = "t" }
purpose = "research"
dataset = "administration"
[[measure]]
name = "persons"
patients = true
[[measure]]
name = "sizes"
histogram = "quantity"
per = "row"
bins = [0.5, 2]
unit = "piece"
[[measure]]
name = "spread"
moments = "quantity"
per = "row"
unit = "piece"
scale = 1
range = [-10, 10]
[[measure]]
name = "ages"
moments = "age"
per = "row"
scale = 0
range = [0, 130]
[[measure]]
name = "line"
regression = "quantity"
on = ["at - '2026-01-01'"]
per = "row"
unit = "piece"
scale = 2
range = [-1000, 1000]
[[measure]]
name = "stay"
survival = "at - '2026-01-01'"
event = "ward = 'x'"
bins = [2, 5]
[[measure]]
name = "holders"
hospitals = "count(*) > 0"
[[derive]]
name = "mean"
mean = "spread"
scale = 2
[[derive]]
name = "variance"
variance = "spread"
scale = 3
[[derive]]
name = "median"
quantile = "sizes"
at = 0.5
scale = 3
[[derive]]
name = "low"
quantile = "sizes"
at = 0.1
scale = 3
[[derive]]
name = "high"
quantile = "sizes"
at = 0.99
scale = 3
[[derive]]
name = "slope"
coefficients = "line"
scale = 6
[[derive]]
name = "curve"
curve = "stay"
scale = 3
[floors]
hospitals = 1
patients = 10
"#;

fn whole() -> Query {
    Query::from_toml(WHOLE, &mut |_| Err(String::new())).unwrap()
}

/// Persons, quantities, days, wards and ages; one has no ward, one no age.
fn given() -> Vec<Row> {
    let text = |text: &str| Val::Text(text.to_owned());
    let row = |person, micro, day: &str, ward: Option<&str>, age: Option<i128>| {
        let mut row = Row::from([
            (Column::Person, text(person)),
            (Column::Code, text("c")),
            (Column::Unit, text("piece")),
            (Column::Quantity, Val::Micro(micro)),
            (Column::At, Val::Date(day.to_owned())),
        ]);
        row.extend(ward.map(|ward| (Column::Ward, text(ward))));
        row.extend(age.map(|age| (Column::Age, Val::Micro(age * 1_000_000))));
        row
    };
    vec![
        row("1", 1_000_000, "2026-01-01", Some("x"), Some(20)),
        row("1", 3_000_000, "2026-01-03", Some("y"), Some(20)),
        row("2", 250_000, "2026-01-07", Some("x"), Some(30)),
        row("3", 2_000_000, "2025-12-31", Some("x"), None),
        row("4", 500_000, "2026-01-03", None, Some(40)),
    ]
}

/// 6.75 is 6.8 at one decimal, 14.3125 is 14.3, and 14.31 at two.
const ADDED: [i128; 31] = [
    4, 1, 2, 2, 0, 5, 68, 143, 0, 4, 110, 3300, 1, 5, 900, 4500, 675, 650, 1431, 0, 3, 1, 0, 2, 0, 1, 1, 1,
    0, 2, 1,
];

#[test]
fn every_measure_is_as_added_by_hand() {
    assert_eq!(of_rows(&whole(), &given()), Ok(ADDED.into()));
    assert_eq!(of_rows(&whole(), &[]), Ok(vec![0; 31]));
    let refused = |change: fn(&mut Row)| {
        let mut rows = given();
        change(&mut rows[0]);
        of_rows(&whole(), &rows).unwrap_err().into_iter().collect::<Vec<_>>()
    };
    let foreign = refused(|row| drop(row.insert(Column::Unit, Val::Text("ml".into()))));
    assert_eq!(foreign, [Refusal::ForeignUnit]);
    let at_the_limit = |row: &mut Row| drop(row.insert(Column::Quantity, Val::Micro(10_000_000)));
    let mut rows = given();
    at_the_limit(&mut rows[0]);
    assert!(of_rows(&whole(), &rows).is_ok());
    let beyond = refused(|row| drop(row.insert(Column::Quantity, Val::Micro(10_000_001))));
    assert_eq!(beyond, [Refusal::ValueOutOfRange]);
}

#[test]
fn every_derived_figure_is_as_reckoned_by_hand() {
    let mut clear = ADDED;
    let lines_of = |closed: &[Vec<bool>], clear: &[i128]| -> Vec<(String, Shown)> {
        let derived = table(&whole(), closed, clear).into_iter().skip(31);
        derived
            .map(|line| (format!("{} {}", line.measure, line.part).trim().to_owned(), line.shown))
            .collect()
    };
    let closed = lines_of(&[vec![true; whole().measures().len()]], &clear);
    assert!(closed.iter().all(|(_, shown)| *shown == Shown::Suppressed));
    let lines = |clear: &[i128]| lines_of(&[], clear);
    // Twelve rows on y = 2 + 3x, and 10 of squares beside it.
    clear[0] = 10;
    clear[13..19].copy_from_slice(&[12, 6600, 50_600, 22_200, 165_000, 540_400]);
    let end = |tenths: i64| Number::new(tenths.into(), 10.into());
    let shown = [
        ("mean", Shown::Figure(136, 2)),
        ("variance", Shown::Figure(1263, 3)),
        ("median", Shown::Figure(1625, 3)),
        ("low", Shown::Below(end(5))),
        ("high", Shown::AtLeast(end(20))),
        ("slope intercept", Shown::Figure(2_000_000, 6)),
        ("slope standard error intercept", Shown::Figure(543_021, 6)),
        ("slope x1", Shown::Figure(3_000_000, 6)),
        ("slope standard error x1", Shown::Figure(83_624, 6)),
        ("slope degrees of freedom", Shown::Figure(10, 0)),
        ("curve until 2", Shown::Figure(667, 3)),
        ("curve until 5", Shown::Figure(667, 3)),
    ];
    assert_eq!(lines(&clear), shown.map(|(name, shown)| (name.to_owned(), shown)));
    // All at one x: no line goes through them.
    clear[13..19].copy_from_slice(&[12, 1200, 1200, 22_200, 22_200, 540_400]);
    assert_eq!(lines(&clear)[5], ("slope intercept".to_owned(), Shown::NoUse));
    clear[13] = 11;
    assert_eq!(lines(&clear)[5], ("slope intercept".to_owned(), Shown::Suppressed));
}

/// A row of texts, days and numbers, told apart by how they look.
fn row_of(cells: &[(Column, &str)]) -> Row {
    let value = |text: &str| match (read(text, 6), text.len()) {
        (Some(micro), _) => Val::Micro(micro),
        (None, 10) => Val::Date(text.to_owned()),
        _ => Val::Text(text.to_owned()),
    };
    cells.iter().map(|(column, text)| (*column, value(text))).collect()
}

#[test]
fn a_position_is_as_added_by_hand() {
    let product = [(Column::Code, "x"), (Column::Unit, "ml")];
    let row = |cells: &[(Column, &str)]| row_of(&[&product, cells].concat());
    let stock =
        |kind, size| row(&[(Column::AsOf, "2026-01-15"), (Column::Kind, kind), (Column::Quantity, size)]);
    let used = |month, size| row(&[(Column::Period, month), (Column::Quantity, size)]);
    let ordered = |size, more: &[(Column, &str)]| {
        row(&[&[(Column::Ordered, "2026-01-15"), (Column::Quantity, size)], more].concat())
    };
    let sources = [
        vec![stock("regular", "2"), stock("ccv", "1"), stock("import", "9")],
        vec![
            used("2025-12-01", "3"),
            used("2025-09-01", "4"),
            used("2026-01-01", "50"),
            used("2024-12-01", "50"),
        ],
        vec![
            ordered("10", &[(Column::Eta, "2026-01-22"), (Column::DeliveredQuantity, "4")]),
            ordered("7", &[(Column::Eta, "2026-01-21"), (Column::Delivered, "2026-01-16")]),
            ordered("7", &[(Column::Eta, "2026-01-21"), (Column::Delivered, "2026-01-15")]),
            ordered("5", &[(Column::Eta, "2026-04-16")]),
            ordered("1", &[(Column::DeliveredQuantity, "2")]),
        ],
    ];
    let made = made_rows(Dataset::Position, &sources);
    let [made] = made.as_slice() else { panic!("{made:?}") };
    let there: Vec<(&str, &Val)> = made
        .iter()
        .filter(|(_, value)| **value != Val::Micro(0))
        .map(|(column, value)| (column.name(), value))
        .collect();
    let number = |whole: i128| Val::Micro(whole * 1_000_000);
    let expected = [
        ("code", &Val::Text("x".into())),
        ("unit", &Val::Text("ml".into())),
        ("stock", &number(2)),
        ("ccv_stock", &number(1)),
        ("use_3m", &number(3)),
        ("use_12m", &number(7)),
        ("due_0", &number(7)),
        ("due_1", &number(6)),
        ("due_later", &number(5)),
    ];
    assert_eq!(there, expected);
}

#[test]
fn a_course_is_as_told_by_hand() {
    let given = |person, code, day, route| {
        let cells =
            [(Column::Person, person), (Column::Code, code), (Column::At, day), (Column::Route, route)];
        row_of(&[&cells[..], &[(Column::Stay, "s"), (Column::Quantity, "1")]].concat())
    };
    let sources = [
        vec![
            given("p", "J01", "2026-01-01", "iv"),
            given("p", "J01", "2026-01-04", "oral"),
            given("p", "J01", "2026-01-08", "iv"),
            given("p", "B01A", "2026-01-04", "iv"),
            given("q", "M01A", "2026-01-04", "iv"),
        ],
        vec![row_of(&[
            (Column::Person, "p"),
            (Column::Stay, "s"),
            (Column::From, "2025-12-31"),
            (Column::To, "2026-01-09"),
        ])],
        Vec::new(),
    ];
    let made = made_rows(Dataset::Course, &sources);
    assert_eq!(made.len(), 3);
    let of = |columns: &[Column]| -> Vec<Option<&Val>> {
        columns.iter().map(|column| made[1].get(column)).collect()
    };
    let days = [Column::Days, Column::SwitchedOnDay, Column::Event, Column::EventDay, Column::BedDays];
    let expected = [4, 3, 1, 7, 10].map(|days| Val::Micro(days * 1_000_000));
    assert_eq!(of(&days), expected.iter().map(Some).collect::<Vec<_>>());
    let texts = [Val::Text("J01".into()), Val::Text("iv".into()), Val::Text("B01".into())];
    let named = [Column::Code, Column::Route, Column::Indication];
    assert_eq!(of(&named), texts.iter().map(Some).collect::<Vec<_>>());
}

/// One row of each of so many hospitals; the ccv of some is another's rest.
#[test]
fn a_figure_of_few_stays_closed_and_what_would_tell_it() {
    let row = |kind: &str, micro: i128| {
        let text = |text: &str| Val::Text(text.to_owned());
        Row::from([
            (Column::Code, text("a")),
            (Column::Kind, text(kind)),
            (Column::Quantity, Val::Micro(micro)),
            (Column::Unit, text("piece")),
        ])
    };
    let one = 1_000_000;
    let floors = Floors { hospitals: 3, patients: false, patients_each: 1, dominance: false };
    let closed = |regular: usize, ccv: usize, empty: usize| {
        let of = |kind, micro, count| std::iter::repeat_n(vec![row(kind, micro)], count);
        let hospitals: Vec<Vec<Row>> =
            of("regular", one, regular).chain(of("ccv", one, ccv)).chain(of("regular", 0, empty)).collect();
        let text = QUERY.replace("\"rows\"", "\"lines\"").replace(" and not (expiry < '2026-01-01')", "");
        let open = Query::from_toml(&text, &mut |_| Err(String::new())).unwrap();
        super::closed(&open, &hospitals, Some(&floors))[0].clone()
    };
    // all, ccv, lines, holders.
    assert_eq!(closed(3, 3, 0), [false; 4]);
    assert_eq!(closed(3, 2, 0), [false, true, false, false], "two have ccv");
    assert_eq!(closed(2, 3, 0), [false, true, false, false], "two have the rest");
    assert_eq!(closed(2, 0, 0), [true, false, true, true], "ccv is empty, which says nothing");
    assert_eq!(closed(2, 0, 1), [true, false, false, false], "one of three has a row and adds nothing");
    assert_eq!(closed(0, 0, 3), [false; 4], "three with nothing");
}
