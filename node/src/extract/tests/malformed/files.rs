//! Files as a whole: empty, cut off, too wide, of two days, too old.

use super::{BASE, Fixture, HEAD, lines, refused, rejected, taken, with};

const EMPTY: &str = "FILE: a header and no rows, which is no stock of 0; export it again, or declare may_be_empty \
                     = true if there can be nothing";
const CUT: &str = "the last row has no line end: the file was perhaps cut off; export it again; declare open_end = true \
                   if the program that makes it never ends the last row";
const ROW: &str = "2: 2026-11-01 a 1 piece regular";

fn ends() -> Vec<Fixture> {
    let plain = || BASE.to_owned();
    let whole = format!("{HEAD}\na;1;01-11-2026\n");
    let cut = whole.trim_end().to_owned();
    let text = |row: u64| format!("FILE, row {row}: {CUT}");
    let mut all = vec![
        refused(
            "0 bytes",
            plain(),
            "",
            "FILE: the file is empty (0 bytes); export it again; a stock of nothing still has its header",
        ),
        refused(
            "0 bytes that may be empty",
            with("may_be_empty = true"),
            "",
            "FILE: the file is empty (0 bytes); export it again; a stock of nothing still has its header",
        ),
        refused("only a header", plain(), format!("{HEAD}\n"), EMPTY),
        refused("only a header and blank lines", plain(), format!("{HEAD}\r\n\r\n\r\n"), EMPTY),
        refused("only a header, cut off", plain(), HEAD, &text(1)),
        taken("only a header, declared", with("may_be_empty = true"), format!("{HEAD}\n"), &[]),
        refused(
            "only blank lines",
            plain(),
            "\n\n",
            "FILE, row 1: no header; export it again, with the names of its columns",
        ),
        refused(
            "only a mark",
            plain(),
            "\u{feff}",
            "FILE, row 1: no header; export it again, with the names of its columns",
        ),
        taken("a stock of 0", plain(), lines(&["a;0;01-11-2026"]), &["2: 2026-11-01 a 0 piece regular"]),
        refused("cut off", plain(), cut.clone(), &text(2)),
        refused("cut off in a date", plain(), &cut.as_bytes()[..cut.len() - 3], &text(2)),
        refused("cut off in a cell", plain(), format!("{whole}b;12"), &text(3)),
        refused("cut off behind a separator", plain(), format!("{whole}b;"), &text(3)),
        refused("cut off in a character", plain(), [whole.as_bytes(), b"b\xc3"].concat(), &text(3)),
        refused("cut off in a quote", plain(), format!("{whole}\"b"), &text(3)),
        refused("ctrl-z at the end", plain(), format!("{whole}\u{1a}"), &text(3)),
        taken("no line end, declared", with("open_end = true"), cut.clone(), &[ROW]),
        taken("a line end, none needed", with("open_end = true"), whole.clone(), &[ROW]),
    ];
    let width =
        ("(whole row)", "b", "2 cells where the header has 3", "check quotes, and separators inside texts");
    let reject = (3, 1, width.0, width.1, width.2, width.3);
    all.push(rejected(
        "no line end, declared, and cut off",
        with("open_end = true"),
        format!("{whole}b;12"),
        1,
        &[reject],
    ));
    all
}

fn limits() -> Vec<Fixture> {
    let long = |size: usize| format!("{HEAD}\na;1;01-11-2026\n{};1;01-11-2026\n", "b".repeat(size));
    let shown = "b".repeat(60);
    let too_long = "longer than 64 bytes, or with control characters";
    let check = "check that this is the right column";
    let over = "longer than 1048576 bytes: a quote that is not closed?; close the quote; see whether this file is the \
                extract";
    // The record's separators, date and line end take 14 bytes.
    let most = 1_048_576 - 14;
    let wide = |columns: usize| {
        let names: String = (0..columns - 3).map(|name| format!(";k{name}")).collect();
        format!("{HEAD}{names}\na;1;01-11-2026{}\n", ";".repeat(columns - 3))
    };
    let quote = format!("{HEAD}\na;1;\"01-11-2026\n{}", "b;1;01-11-2026\n".repeat(80_000));
    vec![
        rejected(
            "a cell of 65 bytes",
            BASE.to_owned(),
            long(65),
            1,
            &[(3, 1, "Artikel", &shown, too_long, check)],
        ),
        rejected(
            "a record of 1 MiB",
            BASE.to_owned(),
            long(most),
            1,
            &[(3, 1, "Artikel", &shown, too_long, check)],
        ),
        refused(
            "a record of 1 MiB and a byte",
            BASE.to_owned(),
            long(most + 1),
            &format!("FILE, row 3: {over}"),
        ),
        refused("a cell of 3 MB", BASE.to_owned(), long(3_000_000), &format!("FILE, row 3: {over}")),
        refused("an open quote before 1 MB", BASE.to_owned(), quote, &format!("FILE, row 2: {over}")),
        taken("2,000 columns", BASE.to_owned(), wide(2_000), &[ROW]),
        refused(
            "2,001 columns",
            BASE.to_owned(),
            wide(2_001),
            "FILE, row 1: a header of 2001 columns; expected at most 2000; see whether this file is the extract, and \
             whether the separator is right",
        ),
        refused(
            "10,000 columns",
            BASE.to_owned(),
            wide(10_000),
            "FILE, row 1: a header of 10000 columns; expected at most 2000; see whether this file is the extract, and \
             whether the separator is right",
        ),
    ]
}

fn damaged() -> Vec<Fixture> {
    let nul = "a NUL byte, which no text holds; declare encoding = \"utf-16le\" or \"utf-16be\" if the file is UTF-16; \
               else export it again, it is damaged";
    vec![
        refused(
            "a NUL",
            BASE.to_owned(),
            format!("{HEAD}\na;1;01-11-2026\nb\0;1;01-11-2026\n"),
            &format!("FILE, row 3: {nul}"),
        ),
        refused(
            "a NUL in quotes",
            BASE.to_owned(),
            format!("{HEAD}\n\"a\n\0\";1;01-11-2026\n"),
            &format!("FILE, row 3: {nul}"),
        ),
        refused(
            "a block of NUL",
            BASE.to_owned(),
            format!("{HEAD}\na;1;01-11-2026\n{}", "\0".repeat(4096)),
            &format!("FILE, row 3: {nul}"),
        ),
        refused(
            "an open quote in the header",
            BASE.to_owned(),
            "Artikel;Voorraad;\"Peildatum\na;1;01-11-2026\n",
            "FILE, row 1: a header with a quote that is not closed where its cell ends; correct the quotes of the header",
        ),
        taken(
            "a break in the header",
            BASE.to_owned(),
            format!("{HEAD};\"Prijs\nper stuk\"\na;1;01-11-2026;9\n"),
            &["3: 2026-11-01 a 1 piece regular"],
        ),
    ]
}

fn aged(age: &str) -> String {
    with(&format!("max_age = \"{age}\""))
}

fn stale(newest: &str, limit: &str) -> String {
    format!(
        "FILE: its newest date is {newest}, good {limit}, and now it is 2026-11-02T12:00:00Z (UTC); export the data \
         again, or see why the nightly export stopped"
    )
}

fn ages() -> Vec<Fixture> {
    let of = |day: &str| lines(&[&format!("a;1;{day}")]);
    let row = |day: &str| format!("2: {day} a 1 piece regular");
    vec![
        taken("36 h old at most", aged("36h"), of("01-11-2026"), &[&row("2026-11-01")]),
        taken("12 h old at most", aged("12h"), of("01-11-2026"), &[&row("2026-11-01")]),
        taken("720 minutes old at most", aged("720m"), of("01-11-2026"), &[&row("2026-11-01")]),
        taken("of today", aged("1m"), of("02-11-2026"), &[&row("2026-11-02")]),
        taken("of tomorrow", aged("1m"), of("03-11-2026"), &[&row("2026-11-03")]),
        refused(
            "11 h old at most",
            aged("11h"),
            of("01-11-2026"),
            &stale("2026-11-01", "until 2026-11-02T11:00:00Z"),
        ),
        refused(
            "719 minutes old at most",
            aged("719m"),
            of("01-11-2026"),
            &stale("2026-11-01", "until 2026-11-02T11:59:00Z"),
        ),
        refused(
            "last week's file",
            aged("36h"),
            of("25-10-2026"),
            &stale("2026-10-25", "until 2026-10-27T12:00:00Z"),
        ),
        refused(
            "last year's file",
            aged("2d"),
            of("01-11-2025"),
            &stale("2025-11-01", "until 2025-11-04T00:00:00Z"),
        ),
        refused(
            "a day that has not come",
            aged("2d"),
            of("04-11-2026"),
            &stale("2026-11-04", "from 2026-11-03T00:00:00Z"),
        ),
        refused(
            "day and month changed places",
            aged("2d"),
            of("11-12-2026"),
            &stale("2026-12-11", "from 2026-12-10T00:00:00Z"),
        ),
        refused(
            "two reference dates",
            BASE.to_owned(),
            lines(&["a;1;01-11-2026", "a;1;01-11-2026", "a;1;31-10-2026", "a;1;30-10-2026"]),
            "FILE: several reference dates in one stock: 2026-11-01 first in row 2, 2026-10-31 first in row 4, expected one; \
             what lay there on two days is never added; export the stock of one day",
        ),
    ]
}

fn months() -> Vec<Fixture> {
    let of = |day: &str| lines(&[&format!("a;1;{day}")]);
    let of_use =
        |age: &str| aged(age).replace("dataset = \"stock\"", "dataset = \"use\"").replace("as_of", "period");
    vec![
        taken("use of last month", of_use("36h"), of("01-10-2026"), &["2: 2026-10-01 a 1 piece"]),
        taken("use of this month", of_use("36h"), of("01-11-2026"), &["2: 2026-11-01 a 1 piece"]),
        refused(
            "use of the month before",
            of_use("32d"),
            of("01-09-2026"),
            &stale("2026-09-01", "until 2026-11-02T00:00:00Z"),
        ),
        refused(
            "no row, so no age",
            with("max_age = \"36h\"\nmay_be_empty = true"),
            format!("{HEAD}\n"),
            "FILE: no row, so no reference date, at 2026-11-02T12:00:00Z (UTC); expected one, for max_age is declared; \
             export the data again, or leave max_age out",
        ),
    ]
}

pub(super) fn fixtures() -> Vec<Fixture> {
    [ends(), limits(), damaged(), ages(), months()].into_iter().flatten().collect()
}
