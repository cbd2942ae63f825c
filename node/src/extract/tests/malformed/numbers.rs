//! Quantities: what people and spreadsheets write in a column of numbers.

use super::{Fixture, lines, rejected, taken, with};

const SPREADSHEET: (&str, &str) =
    ("an error or overflow of a spreadsheet", "mend the formula or widen the column there, and export again");
const TRUTH: (&str, &str) = ("a truth value", "check that this is the column of the quantities");
const INFINITE: (&str, &str) = ("no finite number", "mend the calculation that made it, and export again");
const DASH: (&str, &str) =
    ("a minus sign that is no `-`, such as U+2212 or a dash", "export negative numbers with `-`");
const MONEY: (&str, &str) =
    ("a currency sign: prices are never read", "check that this is the column of the quantities");
const PERCENT: (&str, &str) = ("a percentage", "check that this is the column of the quantities");
const BRACKETS: (&str, &str) =
    ("brackets for a negative number", "export negative numbers with `-` in front");
const BEHIND: (&str, &str) = ("a sign behind the number", "export negative numbers with `-` in front");
const EXPONENT: (&str, &str) = (
    "a number with an exponent: a spreadsheet may have cut off digits",
    "format the column as a plain number, and export again",
);
const LETTERS: (&str, &str) = (
    "letters beside the number: a unit?",
    "export the number alone; the unit is declared with `unit`, `unit_column` or `unit_table`",
);
const NONE: (&str, &str) =
    ("not a number", "expected such as -12,5: digits, at most one `,`, no other signs");
const EMPTY: (&str, &str) = ("the quantity is empty", "fill it in (0 for nothing) or leave the row out");
const DECIMALS: (&str, &str) = ("more than 6 decimals", "export at most 6 decimals");
const DIGITS: (&str, &str) = ("more than 12 digits", "check the row; is it another column?");
const POINT: (&str, &str) = (
    "`.` where the declared decimal mark is `,`",
    "export with `,`, or declare decimal = \".\" if that is the decimal mark",
);
const POINT_OR_THOUSANDS: (&str, &str) = (
    "`.` where the declared decimal mark is `,`",
    "export with `,`, or declare decimal = \".\" if that is the decimal mark; thousands = \".\" if it separates \
     thousands",
);
const GROUPS: (&str, &str) =
    ("groups of other than three digits", "export whole groups of three digits, or none, between `.`");

/// With a decimal comma, and thousands as declared: text, and the number or reason and remedy.
type Table = &'static [(&'static str, Result<&'static str, (&'static str, &'static str)>)];

const PLAIN: Table = &[
    ("0", Ok("0")),
    ("-0", Ok("0")),
    ("-0,0", Ok("0")),
    ("+0", Ok("0")),
    ("000", Ok("0")),
    ("007", Ok("7")),
    ("12,5", Ok("12.5")),
    ("12,50", Ok("12.5")),
    ("-12,5", Ok("-12.5")),
    ("+12,5", Ok("12.5")),
    ("-3", Ok("-3")),
    ("0,000001", Ok("0.000001")),
    ("-0,000001", Ok("-0.000001")),
    ("1,1000000000", Ok("1.1")),
    ("999999999999,999999", Ok("999999999999.999999")),
    ("-999999999999,999999", Ok("-999999999999.999999")),
    ("000000000000000000001", Ok("1")),
    (" 12 ", Ok("12")),
    ("\u{a0}12\u{a0}", Ok("12")),
    ("\"12,5\"", Ok("12.5")),
    ("", Err(EMPTY)),
    ("   ", Err(EMPTY)),
    ("\"\"", Err(EMPTY)),
    ("0,0000001", Err(DECIMALS)),
    ("1,2345678", Err(DECIMALS)),
    ("1000000000000", Err(DIGITS)),
    ("99999999999999999999999999999999999999999999", Err(DIGITS)),
    ("-1000000000000", Err(DIGITS)),
    ("8715554008712", Err(DIGITS)),
    ("1.5", Err(POINT)),
    ("12.50", Err(POINT)),
    ("1.2345", Err(POINT)),
    ("-0.5", Err(POINT)),
    ("1.234", Err(POINT_OR_THOUSANDS)),
    ("12.000", Err(POINT_OR_THOUSANDS)),
    ("\u{2212}12", Err(DASH)),
    ("\u{2013}12", Err(DASH)),
    ("\u{2014}", Err(DASH)),
    ("12\u{2212}", Err(DASH)),
    ("12-", Err(BEHIND)),
    ("12,5-", Err(BEHIND)),
    ("12+", Err(BEHIND)),
    ("(12)", Err(BRACKETS)),
    ("(12,50)", Err(BRACKETS)),
    ("8,71E+12", Err(EXPONENT)),
    ("8.71E+12", Err(EXPONENT)),
    ("1e3", Err(EXPONENT)),
    ("1E-3", Err(EXPONENT)),
    ("1e309", Err(EXPONENT)),
    ("-1e309", Err(EXPONENT)),
    ("#N/B", Err(SPREADSHEET)),
    ("#N/A", Err(SPREADSHEET)),
    ("#WAARDE!", Err(SPREADSHEET)),
    ("#VALUE!", Err(SPREADSHEET)),
    ("#DEEL/0!", Err(SPREADSHEET)),
    ("#DIV/0!", Err(SPREADSHEET)),
    ("#VERW!", Err(SPREADSHEET)),
    ("#REF!", Err(SPREADSHEET)),
    ("#NAAM?", Err(SPREADSHEET)),
    ("#GETAL!", Err(SPREADSHEET)),
    ("#LEEG!", Err(SPREADSHEET)),
    ("########", Err(SPREADSHEET)),
    ("WAAR", Err(TRUTH)),
    ("ONWAAR", Err(TRUTH)),
    ("TRUE", Err(TRUTH)),
    ("false", Err(TRUTH)),
    ("NaN", Err(INFINITE)),
    ("Inf", Err(INFINITE)),
    ("-inf", Err(INFINITE)),
    ("Infinity", Err(INFINITE)),
    ("\u{221e}", Err(INFINITE)),
    ("€ 12,50", Err(MONEY)),
    ("12,50 EUR", Err(MONEY)),
    ("$12", Err(MONEY)),
    ("£12", Err(MONEY)),
    ("12 %", Err(PERCENT)),
    ("12,5%", Err(PERCENT)),
    ("12 st", Err(LETTERS)),
    ("12st", Err(LETTERS)),
    ("5 mg", Err(LETTERS)),
    ("ca. 12", Err(LETTERS)),
    ("2 dozen", Err(LETTERS)),
    ("0x10", Err(LETTERS)),
    ("veel", Err(NONE)),
    ("-", Err(NONE)),
    ("--5", Err(NONE)),
    ("+-5", Err(NONE)),
    ("- 5", Err(NONE)),
    ("5,", Err(NONE)),
    (",5", Err(NONE)),
    ("1,2,3", Err(NONE)),
    ("1/2", Err(NONE)),
    ("=12", Err(NONE)),
    ("'12", Err(NONE)),
    ("10:30", Err(NONE)),
    ("n.v.t.", Err(NONE)),
    ("?", Err(NONE)),
    ("NULL", Err(NONE)),
    ("\u{663}", Err(NONE)),
    ("\u{ff11}", Err(NONE)),
];

/// Thousands are not declared.
const FOREIGN: &[(&str, &str)] = &[
    ("1.234,56", "."),
    ("1.234.567", "."),
    ("1 234", " "),
    ("1 234,5", " "),
    ("1'234", "'"),
    ("-1'234'567,8", "'"),
];

/// Thousands are a point.
const GROUPED: Table = &[
    ("1.234,56", Ok("1234.56")),
    ("1.234", Ok("1234")),
    ("-12.345.678", Ok("-12345678")),
    ("1234,5", Ok("1234.5")),
    ("001.234", Ok("1234")),
    ("12.34", Err(POINT)),
    ("1.23.456", Err(GROUPS)),
    ("1234.567", Err(POINT)),
    ("1.234.56,7", Err(GROUPS)),
    (".234.567", Err(GROUPS)),
    ("1..234", Err(GROUPS)),
    ("1.234.", Err(GROUPS)),
    ("1.234,567.890", Err(GROUPS)),
];

/// Thousands are a space.
const SPACED: &[(&str, &str)] = &[
    ("1 234", "1234"),
    ("1\u{a0}234,5", "1234.5"),
    ("1\u{202f}234\u{202f}567", "1234567"),
    ("-12 345", "-12345"),
    ("1 234\u{a0}567", "1234567"),
];

fn one(name: &str, config: &str, cell: &str, expected: Result<&str, (&str, &str)>) -> Fixture {
    let good = "a;1;01-11-2026";
    let bytes = lines(&[good, &format!("b;{cell};01-11-2026"), good]);
    match expected {
        Ok(number) => {
            let row = format!("3: 2026-11-01 b {number} piece regular");
            let [first, last] = [2, 4].map(|line| format!("{line}: 2026-11-01 a 1 piece regular"));
            taken(name, config.to_owned(), bytes, &[&first, &row, &last])
        }
        Err((reason, remedy)) => {
            let value = cell.trim().trim_matches('"');
            rejected(name, config.to_owned(), bytes, 2, &[(3, 1, "Voorraad", value, reason, remedy)])
        }
    }
}

pub(super) fn fixtures() -> Vec<Fixture> {
    let mut all = Vec::new();
    for (cell, expected) in PLAIN {
        all.push(one(&format!("number `{cell}`"), super::BASE, cell, *expected));
    }
    for (cell, mark) in FOREIGN {
        let reason = format!("`{mark}` between thousands where none is declared");
        let remedy = format!("declare thousands = \"{mark}\", or export without");
        all.push(one(&format!("undeclared `{cell}`"), super::BASE, cell, Err((&reason, &remedy))));
    }
    for (cell, expected) in GROUPED {
        all.push(one(&format!("grouped `{cell}`"), &with("thousands = \".\""), cell, *expected));
    }
    for (cell, number) in SPACED {
        all.push(one(&format!("spaced `{cell}`"), &with("thousands = \" \""), cell, Ok(number)));
    }
    let reason = "`.` between thousands where ` ` is declared";
    let remedy = "declare thousands = \".\", or export without";
    all.push(one("another mark", &with("thousands = \" \""), "1.234,5", Err((reason, remedy))));
    let english = super::changed(&[("decimal = \",\"", "decimal = \".\"\nthousands = \",\"")]);
    all.push(one("english grouped", &english, "\"1,234.5\"", Ok("1234.5")));
    let swiss = super::changed(&[("decimal = \",\"", "decimal = \".\"\nthousands = \"'\"")]);
    all.push(one("swiss grouped", &swiss, "1'234.5", Ok("1234.5")));
    let reason = "`,` where the declared decimal mark is `.`";
    let remedy = "export with `.`, or declare decimal = \",\" if that is the decimal mark";
    let point = super::changed(&[("decimal = \",\"", "decimal = \".\"")]);
    all.push(one("a comma for a point", &point, "1,5", Err((reason, remedy))));
    all
}
