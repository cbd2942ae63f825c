//! Codes: lost zeros, wrong check digits, and codes that a spreadsheet took for numbers.

use super::{Fixture, lines, rejected, taken, with};

const ROUNDED: (&str, &str) = (
    "a spreadsheet has turned the code into a number and cut off its digits",
    "format the column as text where the file is made, and export the codes again",
);
const CHECK: &str = "correct the code: a digit is wrong, or it is of another kind";
const TEXT: &str = "format the column as text where the file is made, and export the codes again";
const KIND: &str = "correct the code, or code_kind";

const GOOD: &[(&str, &str)] = &[
    ("own", "midazolam"),
    ("own", "12E4"),
    ("own", "1e5"),
    ("own", "é"),
    ("own", "00012"),
    ("zi", "01613081"),
    ("zi", "90000001"),
    ("zi", "12900000"),
    ("hpk", "01613081"),
    ("hpk", "01112058"),
    ("prk", "01112058"),
    ("gpk", "01613081"),
    ("gtin", "4006381333931"),
    ("gtin", "04006381333931"),
    ("gtin", "96385074"),
    ("gtin", "036000291452"),
    ("atc", "B01AC06"),
    ("snomed", "16101911000001101"),
    ("snomed", "326874007"),
];

const BAD: &[(&str, &str, &str, &str)] = &[
    ("own", "8,71E+12", ROUNDED.0, ROUNDED.1),
    ("own", "8.71E+12", ROUNDED.0, ROUNDED.1),
    ("zi", "1,61E+06", ROUNDED.0, ROUNDED.1),
    ("gtin", "8,71E+12", ROUNDED.0, ROUNDED.1),
    ("gtin", "4E+12", ROUNDED.0, ROUNDED.1),
    ("snomed", "1,61019E+16", ROUNDED.0, ROUNDED.1),
    ("zi", "1613081", "7 digits where zi has 8: leading zeros are lost", TEXT),
    ("hpk", "1112058", "7 digits where hpk has 8: leading zeros are lost", TEXT),
    ("prk", "12058", "5 digits where prk has 8: leading zeros are lost", TEXT),
    ("gpk", "1", "1 digits where gpk has 8: leading zeros are lost", TEXT),
    ("gtin", "6381333931", "10 digits where gtin has 8 to 14: leading zeros are lost", TEXT),
    ("snomed", "12345", "5 digits where snomed has 6 to 18: leading zeros are lost", TEXT),
    ("zi", "001613081", "9 digits where zi has 8", KIND),
    ("hpk", "0161308100", "10 digits where hpk has 8", KIND),
    ("gtin", "400638133393100", "15 digits where gtin has 8 to 14", KIND),
    ("snomed", "1234567890123456789", "19 digits where snomed has 6 to 18", KIND),
    ("zi", "01613082", "the check digit of zi is wrong", CHECK),
    ("hpk", "01613082", "the check digit of hpk is wrong", CHECK),
    ("hpk", "90000000", "the check digit of hpk is wrong", CHECK),
    ("prk", "10613081", "the check digit of prk is wrong", CHECK),
    ("gpk", "01112059", "the check digit of gpk is wrong", CHECK),
    ("gtin", "4006381333932", "the check digit of gtin is wrong", CHECK),
    ("gtin", "0400638133393", "the check digit of gtin is wrong", CHECK),
    ("snomed", "326874008", "the check digit of snomed is wrong", CHECK),
    ("snomed", "326875007", "the check digit of snomed is wrong", CHECK),
    ("snomed", "0326874007", "the check digit of snomed is wrong", CHECK),
    ("zi", "ZI161308", "a code of kind zi has digits only", KIND),
    ("hpk", "0161.308", "a code of kind hpk has digits only", KIND),
    ("gtin", "4 006381 333931", "a code of kind gtin has digits only", KIND),
    (
        "atc",
        "b01ac06",
        "not an ATC code of level 5",
        "expected such as B01AC06: a letter, two digits, two letters, two digits, in capitals",
    ),
    (
        "atc",
        "B01AC",
        "not an ATC code of level 5",
        "expected such as B01AC06: a letter, two digits, two letters, two digits, in capitals",
    ),
    (
        "atc",
        "BO1AC06",
        "not an ATC code of level 5",
        "expected such as B01AC06: a letter, two digits, two letters, two digits, in capitals",
    ),
    ("own", "", "the code is empty", "fill it in or leave the row out"),
    ("zi", "", "the code is empty", "fill it in or leave the row out"),
    (
        "own",
        "12345678901234567890123456789012345678901234567890123456789012345",
        "longer than 64 bytes, or with control characters",
        "check that this is the right column",
    ),
    (
        "own",
        "a\u{7}b",
        "longer than 64 bytes, or with control characters",
        "check that this is the right column",
    ),
];

pub(super) fn fixtures() -> Vec<Fixture> {
    let kind = |kind: &str| with(&format!("code_kind = \"{kind}\""));
    let mut all = Vec::new();
    for (name, code) in GOOD {
        let row = format!("2: 2026-11-01 {code} 5 piece regular");
        let bytes = lines(&[&format!("{code};5;01-11-2026")]);
        all.push(taken(&format!("code {name} `{code}`"), kind(name), bytes, &[&row]));
    }
    for (name, code, reason, remedy) in BAD {
        let bytes = lines(&[&format!("{code};5;01-11-2026")]);
        let shown: String = code.chars().take(60).collect::<String>().replace('\u{7}', "\\u{7}");
        let reject = (2, 1, "Artikel", &*shown, *reason, *remedy);
        all.push(rejected(&format!("bad code {name} `{code}`"), kind(name), bytes, 0, &[reject]));
    }
    all
}
