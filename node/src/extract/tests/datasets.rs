//! Orders, administration, admission and result: every column as it is stored, and every fault it can have.
//! What stands in a patient's row is in no message.

use super::*;

/// A number of a patient, by which a message that repeats a row is known.
const SENTINEL: &str = "P7712345";

struct Case {
    dataset: &'static str,
    /// Keys, and the columns.
    config: &'static str,
    header: &'static str,
    /// A row that is good, in the columns' order.
    good: &'static str,
}

const CASES: [Case; 4] = [
    Case {
        dataset: "orders",
        config: "unit = \"piece\"\n[columns]\nordered = \"Besteld\"\ncode = \"Artikel\"\nquantity = \"Aantal\"\neta = \"Verwacht\"\n\
                 delivered = \"Geleverd\"\ndelivered_quantity = \"Aantal geleverd\"\nsupplier = \"Leverancier\"\n\
                 [values.supplier]\nGrossier = \"wholesaler\"\ngeen = \"\"\n",
        header: "Besteld;Artikel;Aantal;Verwacht;Geleverd;Aantal geleverd;Leverancier",
        good: "02-11-2026;a;10,5;03-11-2026;04-11-2026;8;Grossier",
    },
    Case {
        dataset: "administration",
        config: "unit_column = \"Eenheid\"\n[columns]\nperson = \"Patiëntnummer\"\ncode = \"ATC\"\nat = \"Datum\"\nquantity = \"Dosis\"\n\
                 route = \"Weg\"\nward = \"Afdeling\"\nstay = \"Opname\"\nage = \"Leeftijd\"\n\
                 [values.route]\nPO = \"oral\"\n[values.ward]\nIC1 = \"IC\"\n[values.unit]\nmilligram = \"mg\"\n",
        header: "Patiëntnummer;ATC;Datum;Dosis;Weg;Afdeling;Opname;Leeftijd;Eenheid",
        good: "P7712345;J01XA01;02-11-2026;1000;PO;IC1;O1;71;milligram",
    },
    Case {
        dataset: "admission",
        config: "[columns]\nperson = \"Patiëntnummer\"\nstay = \"Opname\"\nfrom = \"Van\"\nto = \"Tot\"\nspecialty = \"Specialisme\"\n\
                 ward = \"Afdeling\"\nage = \"Leeftijd\"\n[values.specialty]\n0303 = \"surgery\"\n",
        header: "Patiëntnummer;Opname;Van;Tot;Specialisme;Afdeling;Leeftijd",
        good: "P7712345;O1;01-11-2026;02-11-2026;0303;C2;0",
    },
    Case {
        dataset: "result",
        config: "unit_column = \"Eenheid\"\n[columns]\nperson = \"Patiëntnummer\"\ncode = \"Bepaling\"\nat = \"Datum\"\nvalue = \"Uitslag\"\n\
                 [values.unit]\n\"mg/l\" = \"mg\"\n",
        header: "Patiëntnummer;Bepaling;Datum;Uitslag;Eenheid",
        good: "P7712345;vanco;02-11-2026;-12,25;mg/l",
    },
];

impl Case {
    fn of(dataset: &str) -> &'static Case {
        CASES.iter().find(|case| case.dataset == dataset).unwrap()
    }

    fn config(&self, more: &str) -> String {
        let Case { dataset, config, .. } = self;
        format!(
            "dataset = \"{dataset}\"\nfile = \"x.csv\"\nencoding = \"utf-8\"\nseparator = \";\"\ndecimal = \",\"\n\
             date = \"%d-%m-%Y\"\n{more}\n{config}"
        )
    }

    fn folder(&self, more: &str, rows: &[&str]) -> Folder {
        Folder::of(&self.config(more), &format!("{}\n{}\n", self.header, rows.join("\n")))
    }
}

/// Every row of a view, its cells as text and none as `-`.
fn stored(frozen: &Frozen, dataset: &str) -> Vec<String> {
    let connection = rusqlite::Connection::open(frozen.path()).unwrap();
    let mut statement = connection.prepare(&format!("SELECT * FROM \"{dataset}\" ORDER BY seq")).unwrap();
    let width = statement.column_count();
    let rows = statement.query_map([], |row| {
        let cell = |place| {
            let value: rusqlite::types::Value = row.get(place)?;
            Ok(match value {
                rusqlite::types::Value::Null => "-".to_owned(),
                rusqlite::types::Value::Integer(number) => number.to_string(),
                rusqlite::types::Value::Text(text) => text,
                other => panic!("{other:?}"),
            })
        };
        Ok((0..width).map(cell).collect::<rusqlite::Result<Vec<_>>>()?.join(" "))
    });
    rows.unwrap().map(Result::unwrap).collect()
}

#[test]
fn every_column_is_stored_as_it_was_declared() {
    for (dataset, rows, wanted) in [
        (
            "orders",
            vec![
                "02-11-2026;b;-1,000001;;;;",
                "02-11-2026;a;10,5;03-11-2026;04-11-2026;8;Grossier",
                "01-11-2026;a;1;;;;geen",
            ],
            // code, seq, ordered, quantity, unit, eta, delivered, delivered_quantity, supplier, line
            vec![
                "a 1 2026-11-01 1000000 piece - - - - 4",
                "a 2 2026-11-02 10500000 piece 2026-11-03 2026-11-04 8000000 wholesaler 3",
                "b 3 2026-11-02 -1000001 piece - - - - 2",
            ],
        ),
        (
            "administration",
            vec![
                "p2;x;02-11-2026;0;;;;;ml",
                "p1;x;02-11-2026;1;iv;C3;O2;130;milligram",
                "p1;x;01-11-2026;2;PO;IC1;;0;mg",
            ],
            // code, seq, person, at, quantity, unit, route, ward, stay, age, line
            vec![
                "x 1 p1 2026-11-01 2000000 mg oral IC - 0 4",
                "x 2 p1 2026-11-02 1000000 mg iv C3 O2 130000000 3",
                "x 3 p2 2026-11-02 0 ml - - - - 2",
            ],
        ),
        (
            "admission",
            vec!["p2;O3;01-11-2026;;;;", "p1;O1;01-11-2026;02-11-2026;0303;C2;18"],
            // seq, person, stay, from, to, specialty, ward, age, line: no code
            vec!["1 p1 O1 2026-11-01 2026-11-02 surgery C2 18000000 3", "2 p2 O3 2026-11-01 - - - - 2"],
        ),
        (
            "result",
            vec!["p1;k;02-11-2026;4,1;mmol", "p1;a;02-11-2026;-12,25;mg/l"],
            // code, seq, person, at, value, unit, line
            vec!["a 1 p1 2026-11-02 -12250000 mg 3", "k 2 p1 2026-11-02 4100000 mmol 2"],
        ),
    ] {
        let folder = Case::of(dataset).folder("", &rows);
        let frozen = folder.freeze().unwrap_or_else(|error| panic!("{dataset}: {error}"));
        assert_eq!(stored(&frozen, dataset), wanted, "{dataset}");
        assert_eq!(Frozen::open(frozen.path()).unwrap().hash, frozen.hash, "{dataset}");
        let accounting = &frozen.accounting[0];
        assert_eq!(accounting.used, wanted.len() as u64, "{dataset}");
        let newest = if dataset == "admission" { "2026-11-01" } else { "2026-11-02" };
        assert_eq!(accounting.newest.unwrap().to_string(), newest, "{dataset}");
        assert_eq!(folder.report().accounting.as_ref(), Some(accounting), "check and freeze say the same");
    }
}

/// Of a data set: a text of the good row, what takes its place, the column, reason and remedy.
type Fault = (&'static str, &'static str, &'static str, &'static str, &'static str, &'static str);

const NUMBER: (&str, &str) =
    ("not a number", "expected such as -12,5: digits, at most one `,`, no other signs");
const DAY: (&str, &str) = (
    "not a day between 1900 and 2199 as %d-%m-%Y",
    "export dates as %d-%m-%Y, or declare the format with date = \"...\"",
);
const FILL: &str = "fill it in or leave the row out";
const AGE: (&str, &str) =
    ("not an age of 0 to 130 whole years", "export the age in whole years on the day of the row");
const LONG: (&str, &str) =
    ("longer than 64 bytes, or with control characters", "check that this is the right column");

const FAULTS: [Fault; 30] = [
    ("orders", "02-11-2026;a", "2-11-26;a", "Besteld", DAY.0, DAY.1),
    ("orders", "02-11-2026;a", ";a", "Besteld", "the date is empty", FILL),
    ("orders", ";a;", ";;", "Artikel", "the code is empty", FILL),
    ("orders", "10,5", "tien", "Aantal", NUMBER.0, NUMBER.1),
    (
        "orders",
        "10,5",
        "",
        "Aantal",
        "the quantity is empty",
        "fill it in (0 for nothing) or leave the row out",
    ),
    ("orders", "03-11-2026", "week 45", "Verwacht", DAY.0, DAY.1),
    ("orders", "04-11-2026", "04-11-2026 12:00", "Geleverd", DAY.0, DAY.1),
    ("orders", ";8;", ";acht;", "Aantal geleverd", NUMBER.0, NUMBER.1),
    ("orders", "Grossier", "Gr\u{7}", "Leverancier", LONG.0, LONG.1),
    ("administration", "P7712345", "", "Patiëntnummer", "the person is empty", FILL),
    ("administration", "J01XA01", "", "ATC", "the code is empty", FILL),
    ("administration", "02-11-2026", "2026-11-02", "Datum", DAY.0, DAY.1),
    (
        "administration",
        "1000",
        "1000 mg",
        "Dosis",
        "letters beside the number: a unit?",
        "export the number alone; the unit is declared with `unit`, `unit_column` or `unit_table`",
    ),
    ("administration", "PO", "P\u{1b}", "Weg", LONG.0, LONG.1),
    ("administration", "IC1", "I\u{1b}", "Afdeling", LONG.0, LONG.1),
    ("administration", ";O1;", ";O\u{1b};", "Opname", LONG.0, LONG.1),
    ("administration", ";71;", ";71,5;", "Leeftijd", AGE.0, AGE.1),
    (
        "administration",
        "milligram",
        "mgr",
        "Eenheid",
        "a word for the unit that is in no list",
        "add it to [extract.values.unit], or correct the row",
    ),
    ("administration", "milligram", "", "Eenheid", "the unit is empty", FILL),
    ("admission", "P7712345", "", "Patiëntnummer", "the person is empty", FILL),
    ("admission", ";O1;", ";;", "Opname", "the stay is empty", FILL),
    ("admission", "01-11-2026", "", "Van", "the date is empty", FILL),
    ("admission", "02-11-2026", "2", "Tot", DAY.0, DAY.1),
    ("admission", "0303", "0\u{1b}", "Specialisme", LONG.0, LONG.1),
    ("admission", "C2;0", "C2;131", "Leeftijd", AGE.0, AGE.1),
    ("result", "P7712345", "", "Patiëntnummer", "the person is empty", FILL),
    ("result", "vanco", "", "Bepaling", "the code is empty", FILL),
    ("result", "02-11-2026", "", "Datum", "the date is empty", FILL),
    ("result", "-12,25", "", "Uitslag", "the value is empty", FILL),
    ("result", "-12,25", "<5", "Uitslag", NUMBER.0, NUMBER.1),
];

#[test]
fn a_fault_in_any_column_is_told_with_its_exact_text() {
    for (dataset, from, to, column, reason, remedy) in FAULTS {
        let case = Case::of(dataset);
        assert!(case.good.contains(from), "{dataset}: {from}");
        let row = case.good.replacen(from, to, 1);
        let report = case.folder("max_rejected = 1", &[case.good, &row]).report();
        assert!(report.complete, "{report}");
        let accounting = report.accounting.unwrap();
        assert_eq!((accounting.used, accounting.rejected), (1, 1), "{dataset}: {row}");
        let value = if dataset == "orders" {
            let place = case.header.split(';').position(|name| name == column).unwrap();
            crate::extract::error::on_one_line(row.split(';').nth(place).unwrap())
        } else {
            "(not shown)".to_owned()
        };
        let wanted = Rejected {
            row: 3,
            column: column.to_owned(),
            value,
            reason: reason.to_owned(),
            remedy: remedy.to_owned(),
        };
        assert_eq!(accounting.first_rejected, [wanted], "{dataset}: {row}");
    }
}

#[test]
fn rows_that_contradict_each_other_are_rejected_by_number_in_every_data_set() {
    for (dataset, key, other, lone) in [
        ("orders", "[\"ordered\", \"code\"]", "02-11-2026;a;9;;;;", "02-11-2026;b;9;;;;"),
        (
            "administration",
            "[\"person\", \"code\", \"at\"]",
            "P7712345;J01XA01;02-11-2026;1;;;;;ml",
            "P1;J01XA01;02-11-2026;1;;;;;ml",
        ),
        ("admission", "[\"person\", \"stay\"]", "P7712345;O1;01-11-2026;;;;", "P7712345;O2;01-11-2026;;;;"),
        ("admission", "[\"from\"]", "P1;O8;01-11-2026;;;;", "P7712345;O2;02-11-2026;;;;"),
        (
            "result",
            "[\"person\", \"code\", \"at\"]",
            "P7712345;vanco;02-11-2026;1;mmol",
            "P7712345;vanco;03-11-2026;1;mmol",
        ),
    ] {
        let case = Case::of(dataset);
        let folder = case.folder(&format!("unique = {key}\nmax_rejected = 2"), &[case.good, lone, other]);
        let (report, frozen) = (folder.report(), folder.freeze().unwrap_or_else(|error| panic!("{error}")));
        let accounting = report.accounting.as_ref().unwrap();
        assert_eq!((accounting.used, accounting.rejected), (1, 2), "{dataset} {key}");
        assert_eq!(accounting, &frozen.accounting[0]);
        let told: Vec<(u64, &str)> =
            accounting.first_rejected.iter().map(|one| (one.row, one.reason.as_str())).collect();
        let same = [
            "the same as in row 4, where `unique` is declared",
            "the same as in row 2, where `unique` is declared",
        ];
        assert_eq!(told, [(2, same[0]), (4, same[1])], "{dataset} {key}");
        let shown = accounting.first_rejected.iter().all(|one| one.value == "(not shown)");
        assert_eq!(shown, dataset != "orders", "{report}");
        assert_eq!(stored(&frozen, dataset).len(), 1, "{dataset} {key}");
        assert_eq!(Frozen::open(frozen.path()).unwrap().hash, frozen.hash, "{dataset} {key}");
    }
}

/// The sentinel stands in every cell that a reader may repeat: in the first, in one that is wrong, in a header.
#[test]
fn nothing_of_a_patients_row_is_in_any_message() {
    for case in CASES.iter().filter(|case| case.dataset != "orders") {
        let cells = case.header.split(';').count();
        let filled = vec![SENTINEL; cells].join(";");
        let rows = [
            filled.clone(),
            format!("{filled};{SENTINEL}"),
            SENTINEL.to_owned(),
            case.good.replacen(';', &format!(";{SENTINEL}\u{fffd}"), 1),
            format!("Totaal {SENTINEL}{}", ";".repeat(cells - 1)),
            case.good.replace("-11-", SENTINEL),
            format!("\"{SENTINEL}\nx\"{}", ";".repeat(cells - 1)),
            format!("\"{SENTINEL}\"x{}", ";".repeat(cells - 1)),
            case.good.replace("milligram", SENTINEL).replace("mg/l", SENTINEL),
            case.good.replace("1000", SENTINEL).replace("-12,25", SENTINEL),
            format!("\"{filled}"),
        ];
        let code = case.header.split(';').nth(1).unwrap();
        let objection = format!("objection = {{ column = \"{code}\", yes = [\"J\"], no = [\"N\"] }}");
        let table = format!("unit_table = \"units.csv\"\nlevel_column = \"{code}\"");
        let by_table = case.config(&table).replacen("unit_column = \"Eenheid\"\n", "", 1);
        let header = case.header;
        let mut seen = 0;
        for row in &rows {
            for (text, config) in [
                (format!("{header}\n{row}\n"), case.config("")),
                (format!("{header}\n{}\n{row}\n", case.good), case.config(&objection)),
                (format!("{row}\n{}\n", case.good), case.config("")),
                (format!("{header}\n{row}\n"), by_table.clone()),
            ] {
                if case.dataset == "admission" && config.contains("unit_table") {
                    continue;
                }
                let folder = Folder::of(&config, &text);
                std::fs::write(folder.dir.path().join("units.csv"), "code;level;unit;factor\n").unwrap();
                let report = folder.report();
                let told = match folder.freeze() {
                    Ok(_) => String::new(),
                    Err(error) => format!("{error} {error:?}"),
                };
                let all = format!("{report} {} {told}", serde_json::to_string(&report).unwrap());
                seen += usize::from(!report.complete);
                assert!(!all.contains(SENTINEL), "{}: {text}\n{all}", case.dataset);
            }
        }
        assert!(seen >= 20, "{} of {}", seen, case.dataset);
    }
}

#[test]
fn a_time_of_day_is_read_where_the_format_has_one_and_refused_elsewhere() {
    let case = Case::of("result");
    let with_time = "p1;k;2026-11-02T23:59:59;1;mmol";
    for (format, reads) in [("%Y-%m-%dT%H:%M:%S", true), ("%Y-%m-%d", false), ("%Y-%m-%d %H:%M:%S", false)] {
        let config = case.config("").replace("%d-%m-%Y", format);
        let folder = Folder::of(&config, &format!("{}\n{with_time}\n", case.header));
        assert_eq!(folder.report().complete, reads, "{format}");
        if reads {
            assert_eq!(stored(&folder.freeze().unwrap(), "result"), ["k 1 p1 2026-11-02 1000000 mmol 2"]);
        }
    }
}

#[test]
fn a_unit_table_converts_every_amount_of_an_order() {
    let case = Case::of("orders");
    let config =
        case.config("unit_table = \"units.csv\"\nlevel = \"pack\"").replacen("unit = \"piece\"\n", "", 1);
    let folder = Folder::of(&config, &format!("{}\n{}\n", case.header, case.good));
    std::fs::write(folder.dir.path().join("units.csv"), "code;level;unit;factor\na;pack;ml;2,5\n").unwrap();
    let wanted = "a 1 2026-11-02 26250000 ml 2026-11-03 2026-11-04 20000000 wholesaler 2";
    assert_eq!(stored(&folder.freeze().unwrap(), "orders"), [wanted]);
}

#[test]
fn what_may_not_be_declared_is_refused_by_name() {
    let (care, goods) = (Case::of("administration"), Case::of("orders"));
    for (case, from, to, wanted) in [
        (goods, "supplier = \"Leverancier\"", "supplier = \"Patiënt\"", "looks like a patient's column"),
        (goods, "supplier = \"Leverancier\"", "supplier = \"Prijs\"", "looks like a price"),
        (goods, "supplier = \"Leverancier\"", "person = \"x\"", "`person` is no column of data set orders"),
        (
            goods,
            "dataset = \"orders\"",
            "dataset = \"position\"",
            "the agent makes data set `position` itself; declare an [[extract]] of stock, use, orders",
        ),
        (goods, "supplier = \"Leverancier\"", "stock = \"x\"", "unknown column `stock`"),
        (goods, "geen = \"\"", "geen = \" \"", "[extract.values.supplier]: ` ` is no word"),
        (care, "person = \"Patiëntnummer\"\n", "", "[extract.columns] has no `person`"),
        (care, "quantity = \"Dosis\"", "quantity = \"person_id\"", "looks like a patient's column"),
        (care, "age = \"Leeftijd\"", "age = \"Kosten\"", "looks like a price"),
        (
            care,
            "ward = \"Afdeling\"\n",
            "",
            "[extract.values.ward] has words for a column that is not read; declare `ward`",
        ),
        (Case::of("admission"), "[columns]", "unit = \"ml\"\n[columns]", "data set admission has no unit"),
        (Case::of("admission"), "from = \"Van\"\n", "", "[extract.columns] has no `from`"),
        (Case::of("result"), "[columns]", "max_age = \"0d\"\n[columns]", "max_age `0d`"),
    ] {
        let config = case.config("");
        assert!(config.contains(from), "{from}");
        let told = toml::from_str::<ExtractConfig>(&config.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(told.contains(wanted), "{from} -> {to}\n{told}");
    }
    let aged = |day: &str| {
        let row = Case::of("admission").good.replace("01-11-2026", day);
        Case::of("admission").folder("max_age = \"1d\"", &[&row]).report()
    };
    assert!(aged("01-11-2026").complete && aged("02-11-2026").complete);
    assert!(aged("31-10-2026").problem.unwrap().contains("its newest date is 2026-10-31"));
}

/// What a query over patients must have, before and behind its own measures.
pub(super) const FLOORS: &str = "floors = { hospitals = 1, patients = 10 }\n";
pub(super) const COUNTS: &str = "[[measure]]\nname = \"patients\"\npatients = true\n[[measure]]\nname = \"hospitals\"\nhospitals = \"count(*) > 0\"\n";

#[test]
fn queries_read_every_data_set() {
    let of = |dataset: &str, body: &str| {
        let head = format!(
            "query = {{ id = \"q\", version = 1, title = {{ nl = \"t\", en = \"t\" }}, purpose = \"quality\", dataset = \"{dataset}\" }}"
        );
        Query::from_toml(&format!("{head}\n{FLOORS}{body}{COUNTS}"), &mut |path| Err(format!("no {path}")))
            .unwrap_or_else(|error| panic!("{error}"))
    };
    // The first figure of every cell; those that count stand behind it.
    let first = |figures: Vec<i64>| figures.into_iter().step_by(3).collect::<Vec<_>>();
    let rows = "[[measure]]\nname = \"n\"\nrows = true\n";
    let per =
        |column: &str, codes: &str| format!("[[dimension]]\ncolumn = \"{column}\"\ncodes = {codes}\n{rows}");
    let case = Case::of("admission");
    let folder = case.folder("", &[case.good, "p2;O3;01-11-2026;;;C2;", "p3;O4;01-11-2026;;0303;;"]);
    let query = of("admission", &per("ward", "[\"C2\", \"C3\"]"));
    assert_eq!(first(folder.evaluate(&query).unwrap()), [2, 0]);
    let case = Case::of("administration");
    let ml = "p2;J01XA01;02-11-2026;3;iv;;;;ml";
    let folder = case.folder("", &[case.good, ml, "p3;x;02-11-2026;3;iv;;;;ml"]);
    let frozen = folder.freeze().unwrap();
    assert_eq!(first(evaluate(&of("administration", &per("code", "[\"J01XA01\"]")), &frozen).unwrap()), [2]);
    // Units of one file differ by row here; a measure still never adds two.
    let sum = "[[measure]]\nname = \"s\"\nsum = \"quantity\"\nunit = \"mg\"\nscale = 0\nrange = [0, 9000]\n";
    let error = text(evaluate(&of("administration", sum), &frozen));
    assert!(error.contains("row 3: unit `ml` where measure `s` adds `mg`"), "{error}");
    let oral = format!("{sum}where = \"route = 'oral'\"\n");
    assert_eq!(first(evaluate(&of("administration", &oral), &frozen).unwrap()), [1000]);
}
