//! Units: wrong words, several in a file, and tables of products.

use super::{BASE, Fixture, HEAD, changed, lines, refused, rejected, taken};

const COLUMNS: &str = "code;level;unit;factor;from;until";

fn by_table(keys: &str) -> String {
    changed(&[("unit = \"piece\"", &format!("unit_table = \"units.csv\"\n{keys}"))])
}

fn packs() -> String {
    by_table("level = \"pack\"")
}

fn columns() -> Vec<Fixture> {
    let config = changed(&[("unit = \"piece\"", "unit_column = \"Eenheid\"")]);
    let words = changed(&[
        ("unit = \"piece\"", "unit_column = \"Eenheid\""),
        ("as_of = \"Peildatum\"", "as_of = \"Peildatum\"\n[values.unit]\nstuks = \"piece\"\nSTK = \"piece\""),
    ]);
    let file = |units: &[&str]| {
        let rows: String = units.iter().map(|unit| format!("a;1;01-11-2026;{unit}\n")).collect();
        format!("{HEAD};Eenheid\n{rows}")
    };
    let known = "expected one of piece, tablet, vial, ml, mg, g, IU, mmol, DDD";
    let mut all = Vec::new();
    for unit in ["piece", "tablet", "vial", "ml", "mg", "g", "IU", "mmol", "DDD"] {
        let row = format!("2: 2026-11-01 a 1 {unit} regular");
        all.push(taken(&format!("unit {unit}"), config.clone(), file(&[unit]), &[&row]));
    }
    let row = |line: u64| format!("{line}: 2026-11-01 a 1 piece regular");
    all.push(taken(
        "their units",
        words.clone(),
        file(&["stuks", "STK", "piece"]),
        &[&row(2), &row(3), &row(4)],
    ));
    for (unit, config, near) in [
        ("stuks", &config, ""),
        ("doos", &words, ""),
        ("STUKS", &words, ""),
        ("mL", &config, "; did you mean `ml`?"),
        ("iu", &config, ""),
    ] {
        let (reason, remedy) = (format!("unknown unit `{unit}`"), format!("{known}{near}"));
        let reject = (2, 1, "Eenheid", unit, &*reason, &*remedy);
        all.push(rejected(&format!("bad unit `{unit}`"), config.clone(), file(&[unit]), 0, &[reject]));
    }
    let reject = (2, 1, "Eenheid", "", "the unit is empty", "fill it in or leave the row out");
    all.push(rejected("no unit", config.clone(), file(&[""]), 0, &[reject]));
    for (name, units, text) in [
        ("two units", &["ml", "ml", "vial"][..], "`ml` first in row 2, `vial` first in row 4,"),
        ("three units", &["mg", "g", "IU"], "`mg` first in row 2, `g` first in row 3, `IU` first in row 4,"),
    ] {
        let text = format!(
            "FILE: several units in one file: {text} expected one unit per file; units are never added; export one \
             unit, or declare a `unit_table`"
        );
        all.push(refused(name, config.clone(), file(units), &text));
    }
    all
}

fn tables() -> Vec<Fixture> {
    let row = |size: &str, unit: &str| format!("2: 2026-11-01 a {size} {unit} regular");
    let file = |size: &str| lines(&[&format!("a;{size};01-11-2026")]);
    let levels = || by_table("level_column = \"Niveau\"");
    let of_levels =
        format!("{HEAD};Niveau\na;2;01-11-2026;pack\na;3;01-11-2026;sub-pack\na;4,5;01-11-2026;base\n");
    let words = by_table("level_column = \"Niveau\"").replace(
        "as_of = \"Peildatum\"",
        "as_of = \"Peildatum\"\n[values.level]\nDOOS = \"pack\"\n[values.unit]\nampul = \"piece\"",
    );
    let three = "code;level;unit;factor\na;pack;ml;100\na;sub-pack;ml;10\na;base;ml;1\n";
    let dated = format!(
        "{COLUMNS}\na;pack;ml;10;;31-10-2026\na;pack;ml;12;01-11-2026;01-11-2026\na;pack;ml;15;02-11-2026;\n"
    );
    vec![
        taken("table", packs(), file("3"), &[&row("30", "ml")])
            .table("code;level;unit;factor\na;pack;ml;10\n"),
        taken("table, a fraction", packs(), file("1,5"), &[&row("0.0375", "mg")])
            .table("code;level;unit;factor\na;pack;mg;0,025\n"),
        taken("table, a return", packs(), file("-2"), &[&row("-20", "ml")])
            .table("code;level;unit;factor\na;pack;ml;10\n"),
        taken("table, other order and columns", packs(), file("3"), &[&row("30", "ml")])
            .table("naam;factor;unit;level;code\nx;10;ml;pack;a\n"),
        taken("table, the smallest", packs(), file("0,001"), &[&row("0.000001", "g")])
            .table("code;level;unit;factor\na;pack;g;0,001\n"),
        taken(
            "table, levels",
            levels(),
            of_levels.as_str(),
            &[
                "2: 2026-11-01 a 200 ml regular",
                "3: 2026-11-01 a 30 ml regular",
                "4: 2026-11-01 a 4.5 ml regular",
            ],
        )
        .table(three),
        taken(
            "table, their words",
            words,
            format!("{HEAD};Niveau\na;2;01-11-2026;DOOS\n"),
            &["2: 2026-11-01 a 20 piece regular"],
        )
        .table("code;level;unit;factor\na;DOOS;ampul;10\n"),
        taken("table, dated", packs(), file("1"), &[&row("12", "ml")]).table(&dated),
        taken(
            "table, several units",
            packs(),
            lines(&["a;1;01-11-2026", "b;1;01-11-2026"]),
            &["2: 2026-11-01 a 10 ml regular", "3: 2026-11-01 b 5 mg regular"],
        )
        .table("code;level;unit;factor\na;pack;ml;10\nb;pack;mg;5\n"),
        taken(
            "table without a date",
            packs().replace("as_of = \"Peildatum\"\n", ""),
            file("3"),
            &["2: a 30 ml regular"],
        )
        .table("code;level;unit;factor;from;until\na;pack;ml;10;;\n"),
    ]
}

/// Rows that a good table cannot help.
fn unmapped() -> Vec<Fixture> {
    let file = |row: &str| lines(&[row]);
    let add = "add a row to TABLE";
    let exact = "more than 6 decimals after the unit table's factor";
    let few = "correct the factor, or export fewer decimals; nothing is rounded here";
    let table =
        "code;level;unit;factor;from;until\na;base;ml;0,5;01-01-2026;31-10-2026\nb;pack;ml;1000000;;\n";
    let mut all = Vec::new();
    for (name, row, column, value, reason, remedy) in [
        ("no such code", "c;1;01-11-2026", "Artikel", "c", "the unit table says nothing of this code", add),
        (
            "no such level",
            "a;1;01-10-2026",
            "Artikel",
            "a",
            "the unit table says nothing of this code at level pack on 2026-10-01",
            add,
        ),
        (
            "too large",
            "b;1000000;01-11-2026",
            "Voorraad",
            "1000000 x factor 1000000",
            "more than 12 digits",
            "check the row; is it another column?",
        ),
    ] {
        let reject = (2, 1, column, value, reason, remedy);
        all.push(rejected(&format!("table, {name}"), packs(), file(row), 0, &[reject]).table(table));
    }
    for (name, row, column, value, reason, remedy) in [
        (
            "a day too late",
            "a;1;01-11-2026",
            "Artikel",
            "a",
            "the unit table says nothing of this code at level base on 2026-11-01",
            add,
        ),
        (
            "a day too early",
            "a;1;31-12-2025",
            "Artikel",
            "a",
            "the unit table says nothing of this code at level base on 2025-12-31",
            add,
        ),
        ("too fine", "a;0,000001;31-10-2026", "Voorraad", "0.000001 x factor 0.5", exact, few),
    ] {
        let reject = (2, 1, column, value, reason, remedy);
        let config = by_table("level = \"base\"");
        all.push(rejected(&format!("table, {name}"), config, file(row), 0, &[reject]).table(table));
    }
    let reason = "unknown level `doos`";
    let remedy = "expected one of pack, sub-pack, base";
    let reject = (2, 1, "Niveau", "doos", reason, remedy);
    let bytes = format!("{HEAD};Niveau\nb;1;01-11-2026;doos\n");
    all.push(
        rejected("table, no such word", by_table("level_column = \"Niveau\""), bytes, 0, &[reject])
            .table(table),
    );
    all
}

/// Tables that are refused: rows, and the row, column, value, reason and remedy.
const BAD: &[(&str, &str, &str)] = &[
    (
        "factor 0",
        "a;pack;ml;0;;",
        "row 2, column `factor`, value `0`: a factor that is not above 0; correct the cell",
    ),
    (
        "factor below 0",
        "a;pack;ml;-1;;",
        "row 2, column `factor`, value `-1`: a factor that is not above 0; correct the cell",
    ),
    (
        "factor empty",
        "a;pack;ml;;;",
        "row 2, column `factor`, value ``: the quantity is empty; fill it in (0 for nothing) or leave the row out",
    ),
    (
        "factor with a point",
        "a;pack;ml;1.5;;",
        "row 2, column `factor`, value `1.5`: `.` where the declared decimal mark is `,`; export with `,`, or declare decimal = \".\" if that is the decimal mark",
    ),
    (
        "unknown unit",
        "a;pack;liter;1;;",
        "row 2, column `unit`, value `liter`: unknown unit `liter`; expected one of piece, tablet, vial, ml, mg, g, IU, mmol, DDD",
    ),
    (
        "unknown level",
        "a;box;ml;1;;",
        "row 2, column `level`, value `box`: unknown level `box`; expected one of pack, sub-pack, base",
    ),
    ("no code", ";pack;ml;1;;", "row 2, column `code`, value ``: no code of 1 to 64 bytes; correct the cell"),
    (
        "no day",
        "a;pack;ml;1;2026-01-01;",
        "row 2, column `from`, value `2026-01-01`: not a day between 1900 and 2199 as %d-%m-%Y; export dates as %d-%m-%Y, or declare the format with date = \"...\"",
    ),
    (
        "ends before it begins",
        "a;pack;ml;1;02-01-2026;01-01-2026",
        "row 2, column `until`, value `01-01-2026`: before `from`; `until` is the last day",
    ),
    (
        "a row twice",
        "a;pack;ml;1;;\na;pack;ml;1;;",
        "row 3, column `code`, value `a`: row 2 says what holds for the same code, level and time; leave one of the rows out, or end the older by `until`",
    ),
    (
        "an overlap",
        "a;pack;ml;1;;01-06-2026\na;pack;ml;2;01-06-2026;",
        "row 3, column `code`, value `a`: row 2 says what holds for the same code, level and time; leave one of the rows out, or end the older by `until`",
    ),
    (
        "an overlap inside",
        "a;pack;ml;1;01-01-2026;31-12-2026\nb;pack;g;1;;\na;pack;ml;2;01-05-2026;02-05-2026",
        "row 4, column `code`, value `a`: row 2 says what holds for the same code, level and time; leave one of the rows out, or end the older by `until`",
    ),
    (
        "two units for a code",
        "a;pack;ml;1;;\na;base;vial;1;;",
        "row 3, column `unit`, value `a`: `vial` where row 2 has `ml` for the same code; give each code one unit; quantities of two units are never added",
    ),
    (
        "a cell too few",
        "a;pack;ml;1;",
        "row 2, column `(whole row)`, value `a`: 5 cells where the header has 6; check quotes, and separators inside texts",
    ),
    (
        "a break",
        "\"a\na\";pack;ml;1;;",
        "row 2, column `(whole row)`, value `a\\na`: a line break inside a cell, over 2 lines: a quote that is not closed?; close the quote, and export without line breaks inside cells",
    ),
];

fn bad_tables() -> Vec<Fixture> {
    let good = || lines(&["a;1;01-11-2026"]);
    let mut all = Vec::new();
    for (name, rows, text) in BAD {
        let fixture =
            refused(&format!("bad table: {name}"), packs(), good(), &format!("unit table TABLE, {text}"));
        all.push(fixture.table(&format!("{COLUMNS}\n{rows}\n")));
    }
    let dateless = packs().replace("as_of = \"Peildatum\"\n", "");
    let text = "unit table TABLE, row 2, column `from`, value `01-01-2026`: a row that holds for a time needs `as_of`, \
                which is not mapped; add as_of = \"the file's column\" to [extract.columns]";
    all.push(
        refused("a dated table without as_of", dateless, good(), text)
            .table(&format!("{COLUMNS}\na;pack;ml;1;01-01-2026;\n")),
    );
    let text = "TABLE, row 1: no column `factor` (nearest is `Factor`); found `code`, `level`, `unit`, `Factor`; correct \
                [extract.columns], or the separator if all stand in one name";
    all.push(
        refused("a table without factors", packs(), good(), text)
            .table("code;level;unit;Factor\na;pack;ml;1\n"),
    );
    let text = "TABLE, row 2: the last row has no line end: the file was perhaps cut off; export it again; declare \
                open_end = true if the program that makes it never ends the last row";
    all.push(
        refused("a table that is cut off", packs(), good(), text)
            .table("code;level;unit;factor\na;pack;ml;1"),
    );
    let text = "TABLE: the file is empty (0 bytes); export it again; a stock of nothing still has its header";
    all.push(refused("a table of 0 bytes", packs(), good(), text).table(""));
    let zi = packs().replace("decimal", "code_kind = \"zi\"\ndecimal");
    let text = "unit table TABLE, row 2, column `code`, value `1613081`: 7 digits where zi has 8: leading zeros are lost; \
                format the column as text where the file is made, and export the codes again";
    all.push(
        refused("a table with lost zeros", zi, good(), text)
            .table("code;level;unit;factor\n1613081;pack;ml;1\n"),
    );
    let text = "TABLE: opening the extract: No such file or directory (os error 2); check the path in \
                node.toml, and whether the file was made";
    all.push(refused("no table", packs(), good(), text));
    all
}

pub(super) fn fixtures() -> Vec<Fixture> {
    let use_of_one = BASE.replace("dataset = \"stock\"", "dataset = \"use\"").replace("as_of", "period");
    let mut all = vec![
        taken("a month", use_of_one.clone(), lines(&["a;-1;01-11-2026"]), &["2: 2026-11-01 a -1 piece"]),
        rejected(
            "no first of a month",
            use_of_one,
            lines(&["a;1;02-11-2026"]),
            0,
            &[(
                2,
                1,
                "Peildatum",
                "02-11-2026",
                "not the first day of a month",
                "export use per month, dated on its first day",
            )],
        ),
    ];
    all.extend([columns(), tables(), unmapped(), bad_tables()].into_iter().flatten());
    all
}
