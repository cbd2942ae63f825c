//! What a value of the database becomes, and which values are refused.

use super::*;

/// Rows written out.
fn select(rows: &[&str]) -> String {
    format!("SELECT * FROM (VALUES {}) AS v (code, aantal, plek, peildatum)", rows.join(", "))
}

/// The same as this file of cells and semicolons.
fn same(hospital: &Hospital, sql: &str, csv: &[&str]) {
    let text = format!("code;aantal;plek;peildatum\n{}\n", csv.join("\n"));
    std::fs::write(hospital.path("twin.csv"), text).unwrap();
    let twin = "dataset = \"stock\"\nfile = \"twin.csv\"\nencoding = \"utf-8\"\nseparator = \";\"\ndecimal = \",\"\n";
    let twin = [toml(&format!("{twin}{}{COLUMNS}", hospital.keys))];
    let db = hospital.path("twin.db");
    let _ = std::fs::remove_file(&db);
    let twin = freeze(&twin, hospital.folder.path(), &db, now()).unwrap_or_else(|error| panic!("{error}"));
    let frozen = hospital.freeze(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    assert_eq!(frozen.content, twin.content, "{sql}");
}

#[test]
fn values_are_exact_in_every_type() {
    let Some(hospital) = Hospital::new("values_are_exact_in_every_type", STOCK) else { return };
    let day = "DATE '2026-11-21'";
    for (value, same_as) in [
        ("12", "12"),
        ("0.1::numeric(30, 20)", "0,1"),
        ("-999999999999.999999", "-999999999999,999999"),
        ("0.1::float8", "0,1"),
        ("0.30000001::real", "0,3"),
        ("7::bigint", "7"),
        ("' 7.50 '", "7,5"),
        ("'1e3'::numeric", "1000"),
    ] {
        same(
            &hospital,
            &select(&[&format!("('a', {value}, 'ok', {day})")]),
            &[&format!("a;{same_as};ok;2026-11-21")],
        );
    }
    // Whatever the role's own settings are.
    let role = "ALTER ROLE samensom SET DateStyle = 'SQL, DMY'; ALTER ROLE samensom SET extra_float_digits = -10;
                ALTER ROLE samensom SET statement_timeout = 1; ALTER ROLE samensom SET standard_conforming_strings = off";
    hospital.server.sql("postgres", role);
    let text = select(&["('a', 0.123456::float8, 'x\\', DATE '2026-02-01')"]);
    same(&hospital, &text, &["a;0,123456;x\\;2026-02-01"]);
    hospital.server.sql("postgres", "ALTER ROLE samensom RESET ALL");
    // The result's own names, a day that is made of a time, and an absent place.
    let made = "SELECT c AS code, n AS aantal, NULL AS plek, (t AT TIME ZONE 'Europe/Amsterdam')::date AS peildatum \
                FROM (VALUES ('b', 2, TIMESTAMPTZ '2026-11-20 23:30:00Z')) AS v (c, n, t)";
    same(&hospital, made, &["b;2;;2026-11-21"]);
    // An empty text is absent as a NULL is.
    same(&hospital, &select(&[&format!("('b', 2, '', {day})")]), &["b;2;;2026-11-21"]);
}

#[test]
fn rows_that_cannot_be_used_are_told_by_their_number_in_the_result() {
    let Some(mut hospital) = Hospital::new("rows_by_number", STOCK) else { return };
    hospital.keys = "unit = \"piece\"\nmax_rejected = 20\nobjection = { column = \"b\", yes = [\"t\"], no = [\"f\", \"\"] }\n".into();
    let rows = [
        "('a', 1, E'two\\nlines\\n', '2026-11-21', false, 'x')", // 1: a line break in a text that is read
        "('a', 1, 'ok', '2026-11-21', false, E'three\\n\\nlines')", // 2: used, for nobody reads that text
        "('a', 'NaN', 'ok', '2026-11-21', NULL, 'x')",           // 3
        "('a', 'Infinity', 'ok', '2026-11-21', false, 'x')",     // 4
        "('a', 0.1234567, 'ok', '2026-11-21', false, 'x')",      // 5
        "('a', NULL, 'ok', '2026-11-21', false, 'x')",           // 6
        "(NULL, 1, 'ok', '2026-11-21', false, 'x')",             // 7
        "('a', 1, 'ok', NULL, false, 'x')",                      // 8
        "('a', 1, 'ok', 'infinity', false, 'x')",                // 9
        "('a', 1, 'ok', '2026-11-21', true, 'x')",               // 10: objected to
        "('a', 4, '\"', '2026-11-21', false, '\"')",             // 11: used
        "('Totaal', 1e30, 'ok', '2026-11-21', false, 'x')",      // 12
    ];
    let sql = format!(
        "SELECT code, aantal, plek, peildatum::date AS peildatum, b, rest \
         FROM (VALUES {}) AS v (code, aantal, plek, peildatum, b, rest)",
        rows.join(", ").replacen("'a', 1,", "'a', 1::numeric,", 1)
    );
    let report = hospital.report(&sql);
    assert!(report.complete, "{report}");
    let accounting = report.accounting.unwrap();
    assert_eq!((accounting.used, accounting.rejected, accounting.objected), (2, 9, 1));
    let told: Vec<(u64, &str)> =
        accounting.first_rejected.iter().map(|rejected| (rejected.row, rejected.column.as_str())).collect();
    let quantity = |row| (row, "aantal");
    let day = |row| (row, "peildatum");
    let wanted = [
        (1, "plek"),
        quantity(3),
        quantity(4),
        quantity(5),
        quantity(6),
        (7, "code"),
        day(8),
        day(9),
        (12, "code"),
    ];
    assert_eq!(told, wanted);
    assert_eq!(accounting.units[0].first_row, 2);
    hospital.keys = hospital.keys.replace("20", "8");
    let refused = hospital.refused(&sql);
    for part in [
        "v.sql: rows total 12 = used 2 + rejected 9",
        "v.sql, row 5, column `aantal`, value `0.1234567`: more than 6",
    ] {
        assert!(refused.contains(part), "{refused}");
    }
}

/// More than a record may be, behind rows of several lines.
#[test]
fn a_value_that_is_too_long_is_told_by_its_row() {
    let Some(hospital) = Hospital::new("a_value_that_is_too_long", STOCK) else { return };
    let sql = "SELECT 'a' AS code, 1 AS aantal, '' AS plek, DATE '2026-11-21' AS peildatum, \
               CASE WHEN n = 4 THEN repeat('x', 2000000) ELSE E'\\n\\n' END FROM generate_series(1, 9) AS n";
    let refused = hospital.refused(sql);
    assert!(refused.contains("v.sql, row 4: longer than 1048576 bytes"), "{refused}");
}

#[test]
fn columns_that_are_not_what_they_should_be_are_told_before_a_row_is_read() {
    let Some(hospital) = Hospital::new("columns_before_rows", STOCK) else { return };
    for (columns, wanted) in [
        (
            "code, aantal, plek, now() AS peildatum",
            "column `peildatum` is timestamptz, where a day is expected",
        ),
        ("code, aantal, plek, now()::timestamp AS peildatum", "`x::date` where it has no time zone"),
        ("code, 1::money AS aantal, plek, peildatum", "column `aantal` is money, and a price never enters"),
        (
            "code, aantal AS \"Aantal\", plek, peildatum",
            "no column `aantal` (nearest is `Aantal`), found `code`, `Aantal`",
        ),
        ("code, aantal, plek, peildatum, 2 AS aantal", "column `aantal` is in the result 2 times"),
        ("code", "a result of 1 columns"),
    ] {
        let refused = hospital.refused(&format!("SELECT {columns} FROM voorraad"));
        assert!(refused.contains(wanted), "{columns}\n{refused}");
    }
    let empty = hospital.refused(SELECT);
    assert!(empty.contains("a header and no rows"), "{empty}");
    // The rules over the whole are those of a file.
    let mut hospital = hospital;
    let insert = "INSERT INTO voorraad VALUES ('a', 1, '', '2020-01-01')";
    hospital.server.sql(&hospital.database, insert);
    hospital.keys = "unit = \"piece\"\nmax_age = \"36h\"\n".into();
    let stale = hospital.refused(SELECT);
    assert!(stale.contains("v.sql: its newest date is 2020-01-01"), "{stale}");
    hospital.keys = "unit_column = \"e\"\n".into();
    let both = "SELECT code, aantal, plek, peildatum, e FROM voorraad, (VALUES ('ml'), ('mg')) AS u (e)";
    let mixed = hospital.refused(both);
    assert!(mixed.contains("several units in one file: `ml` first in row 1"), "{mixed}");
}
