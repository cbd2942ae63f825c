//! Days: declared formats, day numbers of spreadsheets, and what is none.

use super::{Fixture, changed, lines, rejected, taken};

fn why(format: &str) -> (String, String) {
    (
        format!("not a day between 1900 and 2199 as {format}"),
        format!("export dates as {format}, or declare the format with date = \"...\""),
    )
}

/// Format, text, and the day; or none, for the usual reason.
const DATES: &[(&str, &str, Option<&str>)] = &[
    ("%d-%m-%Y", "01-11-2026", Some("2026-11-01")),
    ("%d-%m-%Y", "1-11-2026", Some("2026-11-01")),
    ("%d-%m-%Y", " 01-11-2026 ", Some("2026-11-01")),
    ("%d-%m-%Y", "29-02-2028", Some("2028-02-29")),
    ("%d-%m-%Y", "31-12-2199", Some("2199-12-31")),
    ("%d-%m-%Y", "01-01-1900", Some("1900-01-01")),
    ("%d-%m-%Y", "29-02-2026", None),
    ("%d-%m-%Y", "31-04-2026", None),
    ("%d-%m-%Y", "00-11-2026", None),
    ("%d-%m-%Y", "01-13-2026", None),
    ("%d-%m-%Y", "13/11/2026", None),
    ("%d-%m-%Y", "2026-11-01", None),
    ("%d-%m-%Y", "01-11-26", None),
    ("%d-%m-%Y", "01-11-2026 00:00", None),
    ("%d-%m-%Y", "01-11-1899", None),
    ("%d-%m-%Y", "01-01-2200", None),
    ("%d-%m-%Y", "00-00-0000", None),
    ("%d-%m-%Y", "1 nov 2026", None),
    ("%d-%m-%Y", "onbekend", None),
    ("%d-%m-%Y", "#WAARDE!", None),
    ("%d-%m-%Y", "01-11-+2026", None),
    ("%d-%m-%Y", "01- 11-2026", None),
    ("%d-%m-%Y", "01-11-02026", None),
    ("%Y%m%d", "2026111", None),
    ("%d%m%Y", "01112026", Some("2026-11-01")),
    ("%d%m%Y", "1112026", None),
    ("%d %B %Y", "01 November 2026", Some("2026-11-01")),
    ("%d %B %Y", "01 november 2026", Some("2026-11-01")),
    ("%d %B %Y", "01 maart 2026", None),
    ("%Y-%m-%d", "2026-11-01", Some("2026-11-01")),
    ("%Y-%m-%d", "01-11-2026", None),
    ("%Y%m%d", "20261101", Some("2026-11-01")),
    ("%Y%m%d", "20261301", None),
    ("%d/%m/%Y", "01/11/2026", Some("2026-11-01")),
    ("%m/%d/%Y", "11/01/2026", Some("2026-11-01")),
    ("%m/%d/%Y", "13/11/2026", None),
    ("%d-%m-%Y %H:%M", "01-11-2026 23:59", Some("2026-11-01")),
    ("%d-%m-%Y %H:%M", "01-11-2026 24:00", None),
    ("%d-%m-%Y %H:%M", "01-11-2026", None),
    ("%Y-%m-%dT%H:%M:%S", "2026-11-01T12:30:00", Some("2026-11-01")),
    ("excel-1900", "46327", Some("2026-11-01")),
    ("excel-1900", "46327,5", Some("2026-11-01")),
    ("excel-1900", "1", Some("1900-01-01")),
    ("excel-1900", "59", Some("1900-02-28")),
    ("excel-1900", "61", Some("1900-03-01")),
    ("excel-1900", "109574", Some("2199-12-31")),
    ("excel-1900", "109575", None),
    ("excel-1900", "0", None),
    ("excel-1900", "-1", None),
    ("excel-1900", "46327.5", None),
    ("excel-1900", "46327,", None),
    ("excel-1900", "046327", None),
    ("excel-1900", "4,6E+04", None),
    ("excel-1900", "46.327", None),
    ("excel-1900", "01-11-2026", None),
    ("excel-1904", "44865", Some("2026-11-01")),
    ("excel-1904", "0", Some("1904-01-01")),
    ("excel-1904", "60", Some("1904-03-01")),
    ("excel-1904", "108112", Some("2199-12-31")),
    ("excel-1904", "108113", None),
];

pub(super) fn fixtures() -> Vec<Fixture> {
    let mut all = Vec::new();
    for (format, text, expected) in DATES {
        let config = changed(&[("%d-%m-%Y", format)]);
        let name = format!("date `{text}` as {format}");
        all.push(one(&name, config, format, text, expected.ok_or_else(|| why(format))));
    }
    let plain = || changed(&[]);
    let empty = ("the date is empty".to_owned(), "fill it in or leave the row out".to_owned());
    all.push(one("no date", plain(), "%d-%m-%Y", "", Err(empty)));
    let number = (
        "a spreadsheet's day number, not a day as %d-%m-%Y".to_owned(),
        "format the column as a date, or declare date = \"excel-1900\" (or \"excel-1904\")".to_owned(),
    );
    all.push(one("a day number for a date", plain(), "%d-%m-%Y", "46327", Err(number)));
    let never = (
        "day 60 of excel-1900 is a 29 February 1900, which never was".to_owned(),
        "correct the date".to_owned(),
    );
    let excel = changed(&[("%d-%m-%Y", "excel-1900")]);
    all.push(one("the day that never was", excel, "excel-1900", "60", Err(never)));
    all
}

fn one(
    name: &str,
    config: String,
    format: &str,
    text: &str,
    expected: Result<&str, (String, String)>,
) -> Fixture {
    match expected {
        Ok(day) => taken(
            name,
            config,
            lines(&[&format!("a;1;{text}"), &format!("b;2;{text}")]),
            &[&format!("2: {day} a 1 piece regular"), &format!("3: {day} b 2 piece regular")],
        ),
        Err((reason, remedy)) => {
            let good =
                DATES.iter().find_map(|(of, good, day)| (*of == format).then(|| day.map(|_| *good))?);
            let good = format!("a;1;{}", good.unwrap());
            let bytes = lines(&[&good, &format!("b;2;{text}"), &good]);
            rejected(name, config, bytes, 2, &[(3, 1, "Peildatum", text.trim(), &reason, &remedy)])
        }
    }
}
