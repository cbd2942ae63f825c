//! The invented patients of a hospital: stays, what was given in them, and what was measured.
//!
//! Owns their headers and dialect. All three files come from one walk over the patients, so that a stay of one is a stay
//! of the others. Nobody of them exists.

use super::{below, date, stream};
use rand_chacha::ChaCha20Rng;

const ADMINISTRATION_HEADER: &str = "Patiëntnummer;ATC;Datum;Dosis;Eenheid;Weg;Afdeling;Opname;Leeftijd";
const ADMISSION_HEADER: &str = "Patiëntnummer;Opname;Van;Tot;Specialisme;Afdeling;Leeftijd";
const RESULT_HEADER: &str = "Patiëntnummer;Bepaling;Datum;Uitslag;Eenheid";

/// The `[[extract]]` of `administration.csv`, without its file.
pub(super) const ADMINISTRATION: &str = r#"dataset = "administration"
encoding = "utf-8"
separator = ";"
decimal = ","
date = "%d-%m-%Y"
unit_column = "Eenheid"
code_kind = "atc"

[columns]
person = "Patiëntnummer"
code = "ATC"
at = "Datum"
quantity = "Dosis"
route = "Weg"
ward = "Afdeling"
stay = "Opname"
age = "Leeftijd"

[values.route]
"IV" = "iv"
"PO" = "oral"
"#;

/// The `[[extract]]` of `admission.csv`, without its file.
pub(super) const ADMISSION: &str = r#"dataset = "admission"
encoding = "utf-8"
separator = ";"
decimal = ","
date = "%d-%m-%Y"

[columns]
person = "Patiëntnummer"
stay = "Opname"
from = "Van"
to = "Tot"
specialty = "Specialisme"
ward = "Afdeling"
age = "Leeftijd"

[values.specialty]
"interne" = "internal"
"chirurgie" = "surgery"
"cardiologie" = "cardiology"
"MDL" = "gastroenterology"
"nefrologie" = "nephrology"
"#;

/// The `[[extract]]` of `result.csv`, without its file.
pub(super) const RESULT: &str = r#"dataset = "result"
encoding = "utf-8"
separator = ";"
decimal = ","
date = "%d-%m-%Y"
unit_column = "Eenheid"

[columns]
person = "Patiëntnummer"
code = "Bepaling"
at = "Datum"
value = "Uitslag"

[values.unit]
"mg/l" = "mg"
"mmol/l" = "mmol"
"#;

/// ATC code, unit, usual dose, usual days, and the routes it has. Restricted antibiotics are recorded in DDD.
const DRUGS: [(&str, &str, u32, u32, Routes); 21] = [
    ("J01MA02", "DDD", 1, 7, Routes::Both),
    ("J01FF01", "mg", 600, 7, Routes::Both),
    ("J01XD01", "mg", 500, 6, Routes::Iv),
    ("P01AB01", "mg", 500, 6, Routes::Oral),
    ("J01XX08", "DDD", 1, 9, Routes::Both),
    ("J02AC01", "mg", 400, 10, Routes::Both),
    ("J01CR02", "mg", 1_200, 6, Routes::Both),
    ("J01EE01", "mg", 960, 7, Routes::Both),
    ("J01XA01", "DDD", 1, 8, Routes::Iv),
    ("J01DH02", "DDD", 1, 8, Routes::Iv),
    ("B05AA01", "g", 20, 3, Routes::Iv),
    ("A02BC01", "mg", 40, 10, Routes::Both),
    ("A02BC02", "mg", 40, 10, Routes::Both),
    ("M01AE01", "mg", 400, 5, Routes::Oral),
    ("B01AC06", "mg", 80, 10, Routes::Oral),
    ("H02AB06", "mg", 30, 6, Routes::Oral),
    ("N02BE01", "mg", 1_000, 5, Routes::Both),
    ("N01AH03", "mg", 1, 4, Routes::Iv),
    ("N01AH06", "mg", 4, 3, Routes::Iv),
    ("M03AC09", "mg", 50, 2, Routes::Iv),
    ("M03AC11", "mg", 10, 2, Routes::Iv),
];

#[derive(Clone, Copy, PartialEq)]
enum Routes {
    Iv,
    Oral,
    Both,
}

const SPECIALTIES: [(&str, &str); 5] =
    [("interne", "B2"), ("chirurgie", "C3"), ("cardiologie", "D1"), ("MDL", "B4"), ("nefrologie", "B5")];
/// What was recorded ends with October 2026, counted in days from 1 June.
const END: u32 = 152;

/// The three files of one hospital.
pub(super) struct Care {
    pub(super) administration: String,
    pub(super) admission: String,
    pub(super) result: String,
}

/// One stay of one patient.
struct Stay {
    /// Number of the patient.
    person: String,
    /// Number of the stay.
    number: String,
    from: u32,
    /// The day of discharge, or the last day that was recorded.
    until: u32,
    ward: &'static str,
    age: u32,
}

/// About 200 patients, their stays from June to October 2026 and all that belongs to them.
pub(super) fn care(seed: u64, hospital: usize) -> Care {
    let mut random = stream(seed, hospital, 4);
    let [mut given, mut stays, mut results] =
        [ADMINISTRATION_HEADER, ADMISSION_HEADER, RESULT_HEADER].map(|header| vec![header.to_owned()]);
    for person in 0..180 + below(&mut random, 41) {
        let age = 18 + below(&mut random, 76);
        let mut from = below(&mut random, 146);
        for number in 0..1 + u32::from(below(&mut random, 4) == 0) {
            let to = from + below(&mut random, 15);
            let (specialty, ward) =
                SPECIALTIES.get(below(&mut random, 5) as usize).unwrap_or(&("interne", "B2"));
            let ward = if below(&mut random, 8) == 0 { "IC" } else { ward };
            let until = to.min(END);
            let stay = Stay {
                person: format!("{:05}", 10_000 + person),
                number: format!("O{person}-{number}"),
                from,
                until,
                ward,
                age,
            };
            // Who is still there has no day of discharge.
            let end = if to > END { String::new() } else { date(to) };
            let Stay { person, number, .. } = &stay;
            stays.push(format!("{person};{number};{};{end};{specialty};{ward};{age}", date(from)));
            medication(&mut random, &stay, &mut given, &mut results);
            from = until + 5 + below(&mut random, 20);
            if from > END {
                break;
            }
        }
    }
    let file = |mut lines: Vec<String>| {
        lines.push(String::new());
        lines.join("\n")
    };
    Care { administration: file(given), admission: file(stays), result: file(results) }
}

/// One to four drugs in a stay, a row for each day; some are given again after a gap.
fn medication(random: &mut ChaCha20Rng, stay: &Stay, given: &mut Vec<String>, results: &mut Vec<String>) {
    let Stay { person, number, from, until, ward, age } = stay;
    if below(random, 2) == 0 {
        let micromoles = 45 + below(random, 60) + below(random, 3) * below(random, 120);
        results.push(format!("{person};kreatinine;{};0,{micromoles:03};mmol/l", date(*from)));
    }
    for _ in 0..1 + below(random, 4) {
        let drug = DRUGS.get(below(random, 21) as usize).unwrap_or(&DRUGS[0]);
        let (code, unit, dose, usual, routes) = *drug;
        let start = from + below(random, 3);
        let days = 1 + below(random, usual);
        let switch = match routes {
            Routes::Oral => 0,
            Routes::Both if below(random, 3) > 0 => 1 + below(random, 5),
            _ => u32::MAX,
        };
        let gap = if below(random, 6) == 0 { 4 + below(random, 5) } else { 0 };
        for day in 0..days {
            // Who is given it again is so for the second half of the days.
            let at = start + day + if day * 2 >= days { gap } else { 0 };
            let (half, skipped) = (below(random, 3) == 0, below(random, 10) == 0);
            if at > *until || skipped {
                continue;
            }
            let dose = if half { format!("{},5", dose / 2) } else { dose.to_string() };
            let route = if day >= switch { "PO" } else { "IV" };
            given.push(format!("{person};{code};{};{dose};{unit};{route};{ward};{number};{age}", date(at)));
            if code == "J01XA01" && day == 2 {
                let level = 50 + below(random, 200);
                results.push(format!("{person};vancomycine;{};{},{};mg/l", date(at), level / 10, level % 10));
            }
        }
    }
}
