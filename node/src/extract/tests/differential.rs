//! The reader of numbers and dates against another one, over every short string and many long ones.
//!
//! The other one is written from the manual's grammar (below) with another method and shares no code: an
//! automaton over characters for numbers, counting day by day for dates.
//!
//! ```text
//! cell     blanks [+ or -] number blanks
//! number   whole [mark digit+]
//! whole    digit+   or, where a mark between thousands is declared, digit{1,3} (that mark digit{3})+
//! limits   12 digits of the whole without leading zeros, 6 decimals without trailing zeros
//! date     every part with its full width; day, month and hour with one digit where signs stand on both sides
//! serial   digits without a leading zero [mark digit+], day 1 is 1900-01-01 and there is no day 60, or day 0 is
//!          1904-01-01
//! ```

mod other;

use super::*;
use crate::extract::cell::quantity;
use std::sync::atomic::{AtomicU64, Ordering};

/// 20 signs of which numbers, dates and their mistakes are made; `e` and `E` are two of them.
const SIGNS: [char; 20] = [
    '0', '1', '9', ',', '.', '-', '+', '\'', ' ', '\u{a0}', '\u{2212}', '(', ')', 'E', 'e', '#', '/', ':',
    'm', 'N',
];
/// What groups of three are made of.
const GROUPS: [char; 6] = ['0', '1', ',', '.', ' ', '-'];

/// Calls `each` for every string of up to `most` signs.
fn strings(signs: &[char], most: u32, each: &mut dyn FnMut(&str)) {
    let mut text = String::new();
    for length in 0..=most {
        for number in 0..signs.len().pow(length) {
            text.clear();
            let mut rest = number;
            for _ in 0..length {
                text.push(signs[rest % signs.len()]);
                rest /= signs.len();
            }
            each(&text);
        }
    }
}

fn all_marks() -> Vec<Marks> {
    let mut all = Vec::new();
    for decimal in [',', '.'] {
        for thousands in [None, Some('.'), Some(','), Some(' '), Some('\'')] {
            if thousands != Some(decimal) {
                all.push(Marks { decimal, thousands });
            }
        }
    }
    all
}

#[derive(Default)]
struct Counts {
    read: AtomicU64,
    taken: AtomicU64,
}

impl Counts {
    fn number(&self, text: &str, marks: Marks) {
        let ours = quantity(text, marks).ok();
        let theirs = other::number(text, marks.decimal, marks.thousands);
        assert_eq!(ours, theirs, "`{text}` with {marks:?}");
        self.read.fetch_add(1, Ordering::Relaxed);
        self.taken.fetch_add(u64::from(ours.is_some()), Ordering::Relaxed);
    }

    fn date(&self, format: &DateFormat, how: &str, text: &str, decimal: char) {
        let ours = format.read(text, decimal).ok().map(|day| day.to_string());
        let theirs = other::date(text, how, decimal);
        assert_eq!(ours, theirs, "`{text}` as {how}");
        self.read.fetch_add(1, Ordering::Relaxed);
        self.taken.fetch_add(u64::from(ours.is_some()), Ordering::Relaxed);
    }

    fn show(&self, what: &str) -> (u64, u64) {
        let (read, taken) = (self.read.load(Ordering::Relaxed), self.taken.load(Ordering::Relaxed));
        println!("{what}: {read} strings read alike by two parsers, {taken} of them taken");
        (read, taken)
    }
}

#[test]
fn every_short_string_is_the_same_number_to_another_parser() {
    let counts = Counts::default();
    std::thread::scope(|scope| {
        for marks in all_marks() {
            let counts = &counts;
            scope.spawn(move || strings(&SIGNS, 4, &mut |text| counts.number(text, marks)));
        }
    });
    let (read, taken) = counts.show("numbers, up to 4 of 20 signs");
    assert_eq!(read, 8 * (1 + 20 + 400 + 8_000 + 160_000));
    assert!(taken > 8 * 100, "{taken}");
}

#[test]
fn every_group_of_thousands_is_the_same_number_to_another_parser() {
    let counts = Counts::default();
    std::thread::scope(|scope| {
        for marks in all_marks() {
            let counts = &counts;
            scope.spawn(move || strings(&GROUPS, 6, &mut |text| counts.number(text, marks)));
        }
    });
    let (read, taken) = counts.show("numbers, up to 6 of 6 signs");
    assert_eq!(read, 8 * (0..=6).map(|length| 6_u64.pow(length)).sum::<u64>());
    assert!(taken > 8 * 100, "{taken}");
}

/// Long numbers at their limits, and each with one sign changed, put in or taken out.
#[test]
fn long_numbers_and_their_neighbours_are_the_same_to_another_parser() {
    let counts = Counts::default();
    let good = [
        "999999999999,999999",
        "-999.999.999.999,999999",
        "1.000.000,0000010",
        "000.000.000.000.001",
        "1\u{a0}234\u{202f}567,5",
        "+12 345.678",
        "1'000'000.25",
        " 0000000000000000,00 ",
        "1,234,567,890.123456000",
        "\u{a0}-12\u{202f}",
    ];
    for marks in all_marks() {
        for text in good {
            neighbours(text, &mut |text| counts.number(text, marks));
        }
    }
    let (_, taken) = counts.show("long numbers and their neighbours");
    assert!(taken > 500, "{taken}");
}

/// A text, and all that differ from it by one sign.
fn neighbours(text: &str, each: &mut dyn FnMut(&str)) {
    let signs: Vec<char> = text.chars().collect();
    each(text);
    for place in 0..=signs.len() {
        let (before, after) = signs.split_at(place);
        let join = |middle: Option<char>, after: &[char]| -> String {
            before.iter().copied().chain(middle).chain(after.iter().copied()).collect()
        };
        for sign in SIGNS.into_iter().chain(['2', '4', '6', '\u{202f}', '\t']) {
            each(&join(Some(sign), after));
            if !after.is_empty() {
                each(&join(Some(sign), &after[1..]));
            }
        }
        if !after.is_empty() {
            each(&join(None, &after[1..]));
        }
        if after.len() > 1 {
            let swapped: String = before.iter().chain([&after[1], &after[0]]).chain(&after[2..]).collect();
            each(&swapped);
        }
    }
}

#[test]
fn every_short_string_is_the_same_day_number_to_another_parser() {
    let counts = Counts::default();
    std::thread::scope(|scope| {
        for how in ["excel-1900", "excel-1904"] {
            for decimal in [',', '.'] {
                let counts = &counts;
                scope.spawn(move || {
                    let format = DateFormat::parse(how).unwrap();
                    strings(&SIGNS, 4, &mut |text| counts.date(&format, how, text, decimal));
                });
            }
            let format = DateFormat::parse(how).unwrap();
            for number in 0..120_000 {
                counts.date(&format, how, &number.to_string(), ',');
            }
            for number in (0..120_000).step_by(997) {
                for text in
                    [format!("{number},5"), format!("{number}.5"), format!("0{number}"), format!("-{number}")]
                {
                    counts.date(&format, how, &text, ',');
                }
            }
        }
    });
    let (read, _) = counts.show("day numbers");
    assert!(read > 900_000);
}

#[test]
fn dates_and_their_neighbours_are_the_same_to_another_parser() {
    let counts = Counts::default();
    for how in [
        "%d-%m-%Y",
        "%Y-%m-%d",
        "%Y%m%d",
        "%d/%m/%Y %H:%M",
        "%Y-%m-%dT%H:%M:%S",
        "%d.%m.%Y",
        "%d%m%Y",
        "%m %d %Y",
    ] {
        let format = DateFormat::parse(how).unwrap();
        let step = if how == "%d-%m-%Y" { 1 } else { 11 };
        for (number, (year, month, day)) in other::days(1890, 2210).into_iter().step_by(step).enumerate() {
            let text = other::written(how, year, month, day, 2);
            counts.date(&format, how, &text, ',');
            counts.date(&format, how, &other::written(how, year, month, day, 1), ',');
            // Day 31 of every month, whether it exists or not.
            counts.date(&format, how, &other::written(how, year, month, 31, 2), ',');
            if number % (1_501 / step) == 0 {
                neighbours(&text, &mut |text| counts.date(&format, how, text, ','));
            }
        }
    }
    let (read, taken) = counts.show("dates and their neighbours");
    assert!(taken * 4 > read && taken < read);
}

/// The calendar library reads what we read, to the same day; it takes more: a sign before the year, space
/// before a part, and short parts that stand side by side, where one cannot know which part is short.
#[test]
fn the_calendar_library_agrees_where_we_read_a_date() {
    let (mut alike, mut more) = (0_u64, 0_u64);
    for how in ["%d-%m-%Y", "%Y%m%d", "%Y-%m-%d %H:%M:%S"] {
        let format = DateFormat::parse(how).unwrap();
        for (year, month, day) in other::days(1899, 2200).into_iter().step_by(401) {
            neighbours(&other::written(how, year, month, day, 2), &mut |text| {
                let ours = format.read(text, ',').ok().map(|day| day.to_string());
                let text = text.trim();
                let theirs = jiff::civil::Date::strptime(how, text).ok().map(|day| day.to_string());
                let theirs = theirs.filter(|day| ("1900".."2200").contains(&day.as_str()));
                match (ours, theirs) {
                    (Some(ours), theirs) => {
                        assert_eq!(Some(ours), theirs, "`{text}` as {how}");
                        alike += 1;
                    }
                    (None, Some(_)) => {
                        let short = text.len() < other::written(how, year, month, day, 2).len();
                        let lax = text.contains(['+', ' ', '\t']) || short || how.contains('S');
                        assert!(lax, "`{text}` as {how}");
                        more += 1;
                    }
                    (None, None) => {}
                }
            });
        }
    }
    println!("calendar library: {alike} dates alike, {more} that it alone takes");
    assert!(alike > 5_000);
}
