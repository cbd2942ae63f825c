//! Rows: quotes, widths, totals, headers again, duplicates, objections, words for ours.

use super::{BASE, Fixture, HEAD, changed, lines, refused, rejected, taken, with};

const GOOD: &str = "a;1;01-11-2026";
const BREAK: &str = "close the quote, and export without line breaks inside cells";
const QUOTES: &str = "correct the quotes: one at each end of a cell, two for one inside";
const WIDTH: &str = "check quotes, and separators inside texts";

fn broken(lines: u64) -> String {
    format!("a line break inside a cell, over {lines} lines: a quote that is not closed?")
}

fn shapes() -> Vec<Fixture> {
    let mut all = Vec::new();
    for (name, row, count, shown, reason, remedy) in [
        ("a cell too few", "b;1", 1, "b", "2 cells where the header has 3".to_owned(), WIDTH),
        ("a cell too many", "b;1;01-11-2026;x", 1, "b", "4 cells where the header has 3".to_owned(), WIDTH),
        (
            "a decimal comma cut in two",
            "b;1;5;01-11-2026",
            1,
            "b",
            "4 cells where the header has 3".to_owned(),
            WIDTH,
        ),
        (
            "one cell",
            "(2 rows affected)",
            1,
            "(2 rows affected)",
            "1 cells where the header has 3".to_owned(),
            WIDTH,
        ),
        ("only space", "   ", 1, "   ", "1 cells where the header has 3".to_owned(), WIDTH),
        ("a break in a cell", "\"b\nb\";1;01-11-2026", 2, "b\\nb", broken(2), BREAK),
        ("two breaks in a cell", "\"b\r\nc\r\nb\";1;01-11-2026", 3, "b\\r\\nc\\r\\nb", broken(3), BREAK),
        ("breaks in two cells", "\"b\nb\";1;\"01\n\"", 3, "b\\nb", broken(3), BREAK),
        (
            "text behind a quote",
            "\"b\"x;1;01-11-2026",
            1,
            "bx",
            "text behind a closing quote".to_owned(),
            QUOTES,
        ),
        (
            "a quote inside",
            "\"b\"\"\"c;1;01-11-2026",
            1,
            "b\"c",
            "text behind a closing quote".to_owned(),
            QUOTES,
        ),
    ] {
        let reject = (3, count, "(whole row)", shown, &*reason, remedy);
        let bytes = lines(&[GOOD, row, GOOD]);
        let fixture = rejected(name, BASE.to_owned(), bytes, 2, &[reject]);
        all.push(fixture);
    }
    all
}

fn quotes() -> Vec<Fixture> {
    let mut all = Vec::new();
    // The row numbers of what follows stay right.
    let x = "not a number";
    let expected = "expected such as -12,5: digits, at most one `,`, no other signs";
    all.push(rejected(
        "rows behind a broken one",
        BASE.to_owned(),
        lines(&["\"b\nc\nb\";1;01-11-2026", GOOD, "c;?;01-11-2026"]),
        1,
        &[(2, 3, "(whole row)", "b\\nc\\nb", &broken(3), BREAK), (6, 1, "Voorraad", "?", x, expected)],
    ));
    all.push(rejected(
        "a quote never closed",
        BASE.to_owned(),
        lines(&[GOOD, "\"b;1;01-11-2026", GOOD, GOOD]),
        1,
        &[(3, 3, "(whole row)", "b;1;01-11-2026\\na;1;01-11-2026\\na;1;01-11-2026\\n", &broken(3), BREAK)],
    ));
    all.push(rejected(
        "a quote never closed in the last row",
        BASE.to_owned(),
        lines(&[GOOD, "b;1;\"01-11-2026"]),
        1,
        &[(3, 1, "(whole row)", "b", "a quote that is not closed", QUOTES)],
    ));
    let quoted = [
        ("a doubled quote", "\"b\"\"c\"", "b\"c"),
        ("a separator in quotes", "\"b;c\"", "b;c"),
        ("a quote in a bare cell", "b\"c", "b\"c"),
        ("inches", "naald 5\"", "naald 5\""),
    ];
    for (name, cell, code) in quoted {
        let row = format!("2: 2026-11-01 {code} 1 piece regular");
        let bytes = lines(&[&format!("{cell};1;01-11-2026")]);
        all.push(taken(name, BASE.to_owned(), bytes, &[&row]));
    }
    all
}

fn totals() -> Vec<Fixture> {
    let mut all = Vec::new();
    let remedy = "export without totals, or it counts twice";
    for cell in [
        "Totaal",
        "TOTAAL",
        "totaal:",
        "Totaal apotheek",
        "Subtotaal",
        "Eindtotaal",
        "Total",
        "SUBTOTAL",
        "Grand total",
        " Totaal",
    ] {
        let reject = (3, 1, "Artikel", cell.trim(), "a total row", remedy);
        let bytes = lines(&[GOOD, &format!("{cell};1;01-11-2026")]);
        all.push(rejected(&format!("total `{cell}`"), BASE.to_owned(), bytes, 1, &[reject]));
    }
    for code in ["Totaalin", "totalis", "Grandtotal", "subtotalen"] {
        let row = format!("2: 2026-11-01 {code} 1 piece regular");
        let bytes = lines(&[&format!("{code};1;01-11-2026")]);
        all.push(taken(&format!("no total `{code}`"), BASE.to_owned(), bytes, &[&row]));
    }
    let first = "Groep;Artikel;Voorraad;Peildatum\nx;a;1;01-11-2026\nTotaal;a;1;01-11-2026\n";
    let reject = (3, 1, "Groep", "Totaal", "a total row", remedy);
    all.push(rejected("total in the first cell", BASE.to_owned(), first, 1, &[reject]));
    let again = (
        3,
        1,
        "(whole row)",
        "Artikel",
        "the header again",
        "export one table, or join files without their headers",
    );
    all.push(rejected("the header again", BASE.to_owned(), lines(&[GOOD, HEAD, GOOD]), 2, &[again]));
    let marked = format!("{HEAD}\n{GOOD}\n\u{feff}{HEAD}\n{GOOD}\n");
    let shown = (3, 1, "(whole row)", "\u{feff}Artikel", again.4, again.5);
    all.push(rejected("a joined file", BASE.to_owned(), marked, 2, &[shown]));
    all
}

fn duplicates() -> Vec<Fixture> {
    let row = |line: u64, size: &str| format!("{line}: 2026-11-01 a {size} piece regular");
    vec![
        // Two batches of one product are two rows; `unique` refuses them where they cannot be.
        taken("a row twice", BASE.to_owned(), lines(&[GOOD, GOOD]), &[&row(2, "1"), &row(3, "1")]),
        taken(
            "contradicting rows",
            BASE.to_owned(),
            lines(&["a;1;01-11-2026", "a;2;01-11-2026"]),
            &[&row(2, "1"), &row(3, "2")],
        ),
        taken(
            "a return larger than the stock",
            BASE.to_owned(),
            lines(&["a;1;01-11-2026", "a;-5,25;01-11-2026"]),
            &[&row(2, "1"), &row(3, "-5.25")],
        ),
    ]
}

const OBJECTION: &str = "objection = { column = \"Bezwaar\", yes = [\"J\", \"ja\"], no = [\"N\", \"\"] }";

fn objections() -> Vec<Fixture> {
    let file = |rows: &str| format!("{HEAD};Bezwaar\n{rows}\n");
    let row = |line: u64| format!("{line}: 2026-11-01 a 1 piece regular");
    let why =
        ("neither an objection nor none", "add the text to `yes` or `no` of `objection`, or correct the row");
    let mut all = vec![
        taken(
            "objection",
            with(OBJECTION),
            file("a;1;01-11-2026;N\na;2;01-11-2026;J\na;1;01-11-2026;"),
            &[&row(2), &row(4)],
        ),
        // A row that is objected to is not looked at any further.
        taken("objection to a bad row", with(OBJECTION), file("a;1;01-11-2026;N\n;?;x;ja"), &[&row(2)]),
        taken(
            "objection to a total",
            with(OBJECTION),
            file("a;1;01-11-2026;N\nTotaal;1;01-11-2026; J "),
            &[&row(2)],
        ),
    ];
    for text in ["j", "X", "n.v.t.", "JA"] {
        let bytes = file(&format!("a;1;01-11-2026;N\na;9;01-11-2026;J\na;1;01-11-2026;{text}"));
        let reject = (4, 1, "Bezwaar", text, why.0, why.1);
        all.push(rejected(&format!("objection `{text}`"), with(OBJECTION), bytes, 1, &[reject]).objected(1));
    }
    let bytes = file("a;1;01-11-2026;J\na;1;01-11-2026;N;x");
    let reject = (3, 1, "(whole row)", "a", "5 cells where the header has 4", WIDTH);
    all.push(rejected("objection and width", with(OBJECTION), bytes, 0, &[reject]).objected(1));
    let text = "FILE, row 1: no column `Bezwaar`; found `Artikel`, `Voorraad`, `Peildatum`; correct [extract.columns], \
                or the separator if all stand in one name";
    all.push(refused("objection without its column", with(OBJECTION), lines(&[GOOD]), text));
    all
}

fn words() -> Vec<Fixture> {
    let config = |words: &str| {
        changed(&[("as_of = \"Peildatum\"", &format!("as_of = \"Peildatum\"\nkind = \"Soort\"\n{words}"))])
    };
    let kinds =
        "[values.kind]\n\"regulier\" = \"regular\"\n\"ijzeren voorraad\" = \"ccv\"\n\"\" = \"regular\"\n";
    let file = |kind: &str| format!("{HEAD};Soort\na;1;01-11-2026;{kind}\n");
    let mut all = Vec::new();
    for (kind, ours) in
        [("regulier", "regular"), ("ijzeren voorraad", "ccv"), ("", "regular"), ("import", "import")]
    {
        let row = format!("2: 2026-11-01 a 1 piece {ours}");
        all.push(taken(&format!("kind `{kind}`"), config(kinds), file(kind), &[&row]));
    }
    let known = "expected one of regular, ccv, import, own, study";
    for (kind, words, reason, remedy) in [
        ("Regulier", kinds, "unknown kind `Regulier`", known.to_owned() + "; did you mean `regular`?"),
        ("ccvv", "", "unknown kind `ccvv`", known.to_owned() + "; did you mean `ccv`?"),
        ("xyzzy", kinds, "unknown kind `xyzzy`", known.to_owned()),
        ("", "", "the kind is empty", "fill it in or leave the row out".to_owned()),
    ] {
        let reject = (2, 1, "Soort", kind, reason, &*remedy);
        all.push(rejected(&format!("bad kind `{kind}`"), config(words), file(kind), 0, &[reject]));
    }
    all
}

pub(super) fn fixtures() -> Vec<Fixture> {
    [shapes(), quotes(), totals(), duplicates(), objections(), words()].into_iter().flatten().collect()
}
