//! Extracts whose rows stay in the database: taken and refused as their rows would be if they were read, and asked in
//! the same figures. The random queries over random rows are in `tests/oracle`.

mod running;

use super::*;
use samensom_node::extract::{ExtractError, Home, answer, evaluate};
use samensom_protocol::query::{Date, Query};

/// One SELECT, declared twice: its rows are read, or they stay where they are.
pub(super) struct Both {
    pub(super) hospital: Hospital,
    pub(super) declared: String,
}

/// Counted before and behind.
type Counts = (u64, u64, u64);

impl Both {
    pub(super) fn new(name: &str, declared: &str) -> Option<Both> {
        let hospital = Hospital::new(
            name,
            "CREATE COLLATION same_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false)",
        )?;
        Some(Both { hospital, declared: declared.to_owned() })
    }

    fn config(&self, keys: &str) -> ExtractConfig {
        let head = "select = \"v.sql\"\ndatabase = \"database.toml\"\n";
        toml(&self.declared.replacen("select\n", &format!("{head}{keys}\n"), 1))
    }

    pub(super) fn large(&self) -> ExtractConfig {
        self.config("large = true")
    }

    fn frozen(&self, config: &ExtractConfig, name: &str) -> Result<Frozen, ExtractError> {
        let db = self.hospital.path(name);
        let _ = std::fs::remove_file(&db);
        freeze(std::slice::from_ref(config), self.hospital.folder.path(), &db, now())
    }

    /// Of rows that are read: used, rejected, objected.
    fn read(&self) -> (Frozen, Counts) {
        let frozen = self.frozen(&self.config("max_rejected = 1000"), "small.db");
        let frozen = frozen.unwrap_or_else(|why| panic!("{why}"));
        let accounting = &frozen.accounting[0];
        let counts = (accounting.used, accounting.rejected, accounting.objected);
        (frozen, counts)
    }

    pub(super) fn survey(&self) -> Result<Frozen, ExtractError> {
        self.frozen(&self.large(), "large.db")
    }

    pub(super) fn pushed(&self, query: &Query, frozen: &Frozen) -> Result<Vec<i64>, ExtractError> {
        let configs = [self.large()];
        let home = Home { configs: &configs, base_dir: self.hospital.folder.path(), stop: &Stop::default() };
        answer(query, frozen, now(), &home)
    }

    /// The rows are taken by both, and give the same figures.
    fn same(&self, sql: &str, query: &Query) -> Vec<i64> {
        self.hospital.select(sql);
        let (read, (used, rejected, objected)) = self.read();
        let large = self.survey().unwrap_or_else(|why| panic!("{sql}\n{why}"));
        let accounting = &large.accounting[0];
        assert_eq!((accounting.used, rejected, accounting.objected), (used, 0, objected), "{sql}");
        assert_eq!(accounting.newest, read.accounting[0].newest, "{sql}");
        let (stored, pushed) = (evaluate(query, &read).unwrap(), self.pushed(query, &large).unwrap());
        assert_eq!(pushed, stored, "{sql}");
        pushed
    }

    fn refused(&self, sql: &str) -> String {
        self.hospital.select(sql);
        self.survey().expect_err(sql).to_string()
    }
}

pub(super) fn query(dataset: &str, body: &str) -> Query {
    let floors = if dataset == "stock" { "" } else { "floors = { hospitals = 1, patients = 10 }\n" };
    let text = format!(
        "query = {{ id = \"q\", version = 1, title = {{ nl = \"t\", en = \"t\" }}, purpose = \"quality\", dataset = \"{dataset}\" }}\n\
         {floors}{body}"
    );
    let query = Query::from_toml(&text, &mut |_| Err(String::new())).unwrap_or_else(|why| panic!("{why}"));
    query.bound(&[], Date::EARLIEST).unwrap()
}

const GIVEN: &str = r#"dataset = "administration"
select
unit_column = "Een""heid"
objection = { column = "bezwaar", yes = ["ja", "t"], no = ["nee", "f", ""] }
values.route = { po = "oral", "?" = "", "it's" = "o'r\\al", "E\\" = "iv" }
values.ward = { "een heel lange naam van een afdeling die niemand ooit helemaal uitschrijft, echt niet" = "IC" }
values.unit = { milligram = "mg", "" = "ml" }
[columns]
person = "Nummer"
code = "code"
at = "dag"
quantity = "aantal"
route = "route"
ward = "afd -- x"
stay = "opname"
age = "leeftijd"
"#;

fn given() -> String {
    GIVEN.replace("\"Een\"\"heid\"", "'Een\"heid'")
}

const COUNTED: &str = r#"
[[dimension]]
column = "route"
codes = ["oral", "iv", "o'r\\al"]
other = true
missing = true
[[dimension]]
column = "ward"
codes = ["IC"]
other = true
missing = true
[[measure]]
name = "given"
sum = "quantity"
unit = "mg"
scale = 6
range = [-9000000, 9000000]
where = "unit = 'mg'"
[[measure]]
name = "persons"
patients = true
[[measure]]
name = "holders"
hospitals = "count(*) > 0"
[[measure]]
name = "ages"
histogram = "age / 2"
per = "row"
bins = [9, 20.25, 65]
"#;

/// A row that can be used, and one in which a column has this value.
fn beside(column: &str, value: &str) -> String {
    let good = [
        ("Nummer", "'p1'", "text"),
        ("code", "'a'", "text"),
        ("dag", "'2026-01-02'", "date"),
        ("aantal", "1.5", "numeric"),
        ("Een\"heid", "'mg'", "text"),
        ("route", "'oral'", "text"),
        ("afd -- x", "'IC'", "text"),
        ("opname", "'s1'", "text"),
        ("leeftijd", "40", "numeric"),
        ("bezwaar", "'nee'", "text"),
    ];
    let row = |replaced: bool| {
        let cells = good.map(|(name, usual, kind)| {
            let mut values = column.split(" and ").zip(value.split(" and "));
            let value =
                values.find(|(column, _)| replaced && *column == name).map_or(usual, |(_, value)| value);
            format!("({value})::{kind} AS \"{}\"", name.replace('"', "\"\""))
        });
        format!("SELECT {}", cells.join(", "))
    };
    format!("{} UNION ALL {}", row(false), row(true))
}

/// What is in a cell, and of which column; the large extract is refused exactly where a reading rejects the row.
const CELLS: &[(&str, &[&str])] = &[
    (
        "Nummer",
        &[
            "NULL",
            "''",
            "'   '",
            "E'geheim\\tx'",
            "E'geheim\\nx'",
            "E'\\n\\t p7 \\r\\n'",
            "E'\\u00a0\\u2003p7\\u3000\\u0085'",
            "E'\\u200bp7'",
            "E'\\ufeffp7'",
            "E'geheim\\u0085x'",
            "E'geheim\\u007fx'",
            "E'geheim\\u0001'",
            "E'geheim\\ufffd'",
            "repeat('x', 64)",
            "repeat('x', 65)",
            "repeat('é', 32)",
            "repeat('é', 33)",
            "E'geheim\\\\''\"; DROP TABLE x; --'",
        ],
    ),
    (
        "code",
        &[
            "NULL",
            "'Totaal'",
            "'totaal geheim'",
            "'totaalx'",
            "'totaalé'",
            "'TOTAL:'",
            "' Subtotaal '",
            "'Eindtotaal'",
            "'grand total.'",
            "'grand totals'",
            "'8.71E+12'",
            "'8.71E12'",
            "'12E4'",
            "'Totale'",
        ],
    ),
    (
        "dag",
        &[
            "NULL",
            "'infinity'",
            "'-infinity'",
            "'1899-12-31'",
            "'1900-01-01'",
            "'2199-12-31'",
            "'2200-01-01'",
            "'0044-03-15 BC'",
        ],
    ),
    (
        "aantal",
        &[
            "NULL",
            "'NaN'",
            "'Infinity'",
            "'-Infinity'",
            "1000000000000",
            "999999.999999",
            "-999999.999999",
            "0.1234567",
            "0.1234560000",
            "1e-7",
            "-0.000001",
            "1e3",
            "1e30",
            "0",
        ],
    ),
    ("Een\"heid", &["NULL", "''", "'milligram'", "' mg '", "'MG'", "'kg geheim'", "'ml'"]),
    ("route", &["NULL", "'po'", "'?'", "''", "'it''s'", "'E\\'", "'Oral'", "repeat('x', 65)", "'nasaal'"]),
    (
        "afd -- x",
        &[
            "NULL",
            "'een heel lange naam van een afdeling die niemand ooit helemaal uitschrijft, echt niet'",
            "'een heel lange naam van een afdeling die niemand ooit helemaal uitschrijft, echt geheim'",
            "'ic'",
        ],
    ),
    ("opname", &["NULL", "repeat('x', 65)", "E'\\u0002geheim'"]),
    ("leeftijd", &["NULL", "0", "130", "131", "-1", "40.5", "40.0", "'NaN'", "1e30"]),
    ("bezwaar", &["NULL", "''", "' ja '", "'JA'", "'misschien geheim'", "'t'", "'f'"]),
    // Whoever objects is left out, whatever else stands there.
    ("bezwaar and aantal", &["'ja' and 'NaN'", "'ja' and 1e30"]),
    ("bezwaar and code", &["'ja' and 'Totaal'", "'ja' and NULL"]),
    ("bezwaar and Nummer", &["'ja' and NULL"]),
];

#[test]
fn a_row_is_refused_where_a_reading_rejects_it_and_counts_the_same_where_not() {
    let Some(both) = Both::new("a_row_is_refused_where_a_reading", &given()) else { return };
    let query = query("administration", COUNTED);
    let (mut refused, mut same) = (0, 0);
    for (column, cells) in CELLS {
        for cell in *cells {
            let sql = beside(column, cell);
            both.hospital.select(&sql);
            let (_, (_, rejected, _)) = both.read();
            if rejected == 0 {
                both.same(&sql, &query);
                same += 1;
                continue;
            }
            let told = both.refused(&sql);
            let named = format!("column `{column}`: ");
            assert!(
                told.contains("of a large extract none is left out") && told.contains(&named),
                "{cell}\n{told}"
            );
            assert!(told.contains("(1 row)") && !told.contains("(2 rows)"), "{cell}\n{told}");
            for value in ["geheim", "xxx", "1234567", "1e30", "1899", "8.71", "é"] {
                assert!(!told.contains(value), "{told}");
            }
            refused += 1;
        }
    }
    assert!(refused > 40 && same > 40, "{refused} refused, {same} the same");
}

/// What is space at the end of a text, and which characters no text may have: one by one, where most of either are.
#[test]
fn every_character_is_taken_trimmed_or_refused_as_where_it_is_read() {
    let Some(both) = Both::new("large_characters", &given()) else { return };
    let select = |person: &str, ward: &str, filter: &str| {
        format!(
            "SELECT {person} AS \"Nummer\", 'a' AS code, DATE '2026-01-02' AS dag, 1 AS aantal, 'mg' AS \"Een\"\"heid\", \
             'oral' AS route, {ward} AS \"afd -- x\", NULL AS opname, 7 AS leeftijd, 'nee' AS bezwaar \
             FROM generate_series(1, 12400) AS n WHERE {filter}"
        )
    };
    let ends = select("chr(n) || 'p' || chr(n)", "'IC'", "TRUE");
    let inside = select("'p'", "'a' || chr(n) || 'b'", "TRUE");
    for (sql, column, controls) in [(&ends, "Nummer", 64 - 6), (&inside, "afd -- x", 64)] {
        both.hospital.select(sql);
        let (_, (_, rejected, _)) = both.read();
        assert_eq!(rejected, controls, "{column}: what a reading refuses");
        let told = both.refused(sql);
        assert!(
            told.contains(&format!(
                "column `{column}`: longer than 64 bytes, or with control characters ({controls} rows)"
            )),
            "{told}"
        );
    }
    // The others are so many persons; those of space alone are one, p.
    let good = "NOT (n < 9 OR n BETWEEN 14 AND 31 OR n BETWEEN 127 AND 132 OR n BETWEEN 134 AND 159)";
    let figures =
        both.same(&select("chr(n) || 'p' || chr(n)", "'IC'", good), &query("administration", COUNTED));
    assert_eq!(figures.get(1), Some(&(12_400 - 58 - 25 + 1)), "{:?}", figures.get(1));
}

const STOCKED: &str = "dataset = \"stock\"\nselect\nunit = \"piece\"\n[columns]\ncode = \"code\"\nquantity = \"aantal\"\n\
                       kind = \"soort\"\nas_of = \"dag\"\n";

fn stocked(rows: &str) -> String {
    format!("SELECT * FROM (VALUES {rows}) AS v (code, aantal, soort, dag)")
}

#[test]
fn the_rules_over_the_whole_are_those_of_a_reading() {
    let Some(mut both) = Both::new("large_rules_over_the_whole", STOCKED) else { return };
    let day = "DATE '2026-11-21'";
    let good = stocked(&format!("('a', 1, 'regular', {day})"));
    let two = both.refused(&stocked(&format!("('a', 1, 'ccv', {day}), ('b', 1, 'ccv', DATE '2026-11-20')")));
    assert!(
        two.contains("several reference dates in one stock: 2026-11-20, 2026-11-21, expected one"),
        "{two}"
    );
    let empty = both.refused(&format!("{good} WHERE FALSE"));
    assert!(empty.contains("a header and no rows"), "{empty}");
    let kind = both.refused(&stocked(&format!("('a', 1, 'geheim', {day}), ('b', 1, NULL, {day})")));
    assert!(kind.contains("column `soort`: a word for the kind that is in no list (2 rows)"), "{kind}");
    // A total may stand in the first column, whether it is read or not.
    let total = both.refused(&format!("SELECT 'Totaal: geheim' AS plek, v.* FROM ({good}) AS v"));
    assert!(total.contains("column `plek`: a total row") && !total.contains("geheim"), "{total}");
    both.declared =
        STOCKED.replace("unit = \"piece\"", "unit_column = \"soort\"").replace("kind = \"soort\"\n", "");
    let mixed = both.refused(&stocked(&format!("('a', 1, 'ml', {day}), ('b', 1, 'mg', {day})")));
    assert!(mixed.contains("several units in one file: `ml`, `mg`, expected one"), "{mixed}");
    for (keys, sql, wanted) in [
        (
            "code_kind = \"zi\"",
            stocked(&format!("('123', 1, 'ccv', {day}), ('12345', 1, 'ccv', {day})")),
            "(2 rows)",
        ),
        (
            "max_rows = 1",
            stocked(&format!("('a', 1, 'ccv', {day}), ('b', 1, 'ccv', {day})")),
            "more than 1 rows",
        ),
        ("max_age = \"36h\"", stocked("('a', 1, 'ccv', DATE '2020-01-01')"), "its newest date is 2020-01-01"),
        ("timeout = \"1s\"", format!("{good} WHERE pg_sleep(20) IS NOT NULL"), "not done within 1 s"),
    ] {
        both.declared = STOCKED.replace("unit =", &format!("{keys}\nunit ="));
        let told = both.refused(&sql);
        // The rule of code kinds is told by what is wrong, once for each; both codes have too few digits.
        let found =
            told.contains(wanted) || keys.contains("code_kind") && told.matches("(1 row)").count() == 2;
        assert!(found, "{keys}\n{told}");
    }
}

#[test]
fn a_month_of_use_is_told_by_its_first_day() {
    let declared = "dataset = \"use\"\nselect\nunit = \"ml\"\n[columns]\ncode = \"code\"\nquantity = \"aantal\"\nperiod = \"maand\"\n";
    let Some(both) = Both::new("large_months", declared) else { return };
    let of = |day: &str| format!("SELECT 'a' AS code, 2 AS aantal, DATE '{day}' AS maand");
    both.hospital.select(&of("2026-10-01"));
    assert_eq!(both.survey().unwrap().accounting[0].newest, Date::parse("2026-10-01"));
    let told = both.refused(&of("2026-10-02"));
    assert!(told.contains("column `maand`: not the first day of a month (1 row)"), "{told}");
}

/// As over a snapshot: what leaves 64 bits is refused, by the measure that it is of.
#[test]
fn a_sum_that_is_too_large_is_refused_as_over_a_snapshot() {
    let Some(both) = Both::new("large_sums", STOCKED) else { return };
    both.hospital.select(
        "SELECT 'a' AS code, 999999999999 + n * 0 AS aantal, 'ccv' AS soort, DATE '2026-11-21' AS dag FROM generate_series(1, 10) AS n",
    );
    let (read, large) = (both.read().0, both.survey().unwrap());
    let lines = "[[measure]]\nname = \"lines\"\nrows = true\n";
    for of in [
        "sum = \"quantity\"\nunit = \"piece\"\nscale = 0\nrange = [0, 9000000000000000000]",
        "hospitals = \"sum(quantity) > 5\"",
    ] {
        let unit = if of.starts_with("sum") { "" } else { "unit = \"piece\"\n" };
        let query = query("stock", &format!("{lines}[[measure]]\nname = \"much\"\n{of}\n{unit}"));
        let (stored, pushed) =
            (evaluate(&query, &read).unwrap_err(), both.pushed(&query, &large).unwrap_err());
        assert!(pushed.to_string().contains("measure `much`: the sum is too large"), "{pushed}");
        assert_eq!(pushed.to_string(), stored.to_string());
    }
}

/// What a query says is bound, or written out of a closed type; a NUL, which the server takes in no text, is in no row.
#[test]
fn texts_of_a_query_are_texts_at_the_server() {
    let Some(both) = Both::new("large_texts_of_a_query", STOCKED) else { return };
    let day = "DATE '2026-11-21'";
    let hostile = ["it's", "a'); DROP TABLE voorraad; --", "$1", "\\", "%", "_", "a%"];
    let rows: Vec<String> =
        hostile.iter().map(|code| format!("('{}', 1, 'ccv', {day})", code.replace('\'', "''"))).collect();
    let sql = stocked(&rows.join(", "));
    let quoted = |text: &str| text.replace('\\', "\\\\").replace('\'', "''");
    for code in hostile {
        for (condition, rows) in [
            ("code = 'X'", 1),
            ("code <> 'X'", 6),
            ("code in ('X', 'none')", 1),
            ("code like 'X%'", 1),
            ("code = 'X\\u0000'", 0),
            ("code <> 'X\\u0000'", 7),
        ] {
            // A pattern has no wildcard but the last.
            if condition.contains("like") && code.contains(['%', '_']) {
                continue;
            }
            let condition = condition.replace('X', &quoted(code));
            let body = format!(
                "population.where = \"{condition}\"\n[[dimension]]\ncolumn = \"code\"\ncodes = [\"{}\"]\nother = true\n\
                 [[measure]]\nname = \"lines\"\nrows = true\n",
                code.replace('\\', "\\\\")
            );
            let figures = both.same(&sql, &query("stock", &body));
            assert_eq!(figures.iter().sum::<i64>(), rows, "{condition}");
        }
    }
}

#[test]
fn types_and_encodings_that_are_not_pushed_down_to_are_named_before_a_row_is_read() {
    let Some(both) = Both::new("large_types", STOCKED) else { return };
    let day = "DATE '2026-11-21'";
    for (code, quantity, kind, of_day, wanted) in [
        ("'a'", "1.5::float8", "'ccv'", day, "column `aantal` is float8, of which"),
        ("'a'", "'1'", "'ccv'", day, "column `aantal` is text"),
        ("'a'", "1::money", "'ccv'", day, "column `aantal` is money, and a price never enters"),
        ("'a'", "1", "'ccv'", "'2026-11-21'", "column `dag` is text"),
        ("'a'", "1", "'ccv'", "now()", "column `dag` is timestamptz, where a day is expected"),
        ("'{\"a\": 1}'::json", "1", "'ccv'", day, "column `code` is json"),
        ("now()", "1", "'ccv'", day, "column `code` is timestamptz"),
    ] {
        let told = both.refused(&stocked(&format!("({code}, {quantity}, {kind}, {of_day})")));
        assert!(
            told.contains(wanted) && (told.contains("cast it") || !wanted.contains("of which")),
            "{wanted}\n{told}"
        );
    }
    let made = "CREATE DATABASE large_ascii TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'";
    both.hospital.server.sql("postgres", made);
    let way = both.hospital.path("database.toml");
    let text = std::fs::read_to_string(&way).unwrap().replace(&both.hospital.database, "large_ascii");
    std::fs::write(&way, text).unwrap();
    let told = both.refused(&stocked(&format!("('a', 1, 'ccv', {day})")));
    assert!(told.contains("the database's encoding is not UTF8"), "{told}");
}

/// Every type that is taken, texts that PostgreSQL would hold to be the same, and a comment at the end.
#[test]
fn values_of_every_type_that_is_taken_count_as_they_are_read() {
    let Some(mut both) = Both::new("large_values", &given()) else { return };
    let select = |person: &str, quantity: &str, ward: &str, objects: &str| {
        format!(
            "SELECT {person} AS \"Nummer\", 'a'::varchar(9) AS code, DATE '2026-01-02' AS dag, {quantity} AS aantal, \
             'mg'::name AS \"Een\"\"heid\", 'oral' AS route, {ward} AS \"afd -- x\", NULL AS opname, 7::smallint AS leeftijd, \
             {objects} AS bezwaar"
        )
    };
    let query = query("administration", COUNTED);
    let persons = |figures: &[i64]| figures.iter().skip(1).step_by(8).sum::<i64>();
    let all = [
        select("'p' COLLATE same_case", "7::smallint", "('IC' COLLATE same_case)::char(9)", "false"),
        select("'P' COLLATE same_case", "8::bigint", "('ic' COLLATE same_case)::char(9)", "NULL::boolean"),
        select("'P'", "0.5", "'IC'", "false"),
        select("'q'", "9", "'IC'", "true"),
    ];
    let figures = both.same(&format!("{} /* a */ -- the end", all.join(" UNION ALL ")), &query);
    assert_eq!(persons(&figures), 3, "p and P in one ward, P in another: {figures:?}");
    let number = select("12", "1", "12.50::numeric(6, 3)", "false");
    both.same(&format!("{number}\n-- the end"), &query);
    // A hospital's words may be anything.
    both.declared =
        given().replace("po = \"oral\"", "\"\\u0000\" = \"x\", \"'); DROP TABLE x; --\" = \"oral\"");
    let row = all[0].replace("'oral'", "'''); DROP TABLE x; --'");
    let figures = both.same(&row, &query);
    assert_eq!(figures.get(1), Some(&1), "one person, by mouth: {figures:?}");
}
