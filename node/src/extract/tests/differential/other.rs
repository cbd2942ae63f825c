//! Another reader of numbers and dates, written plainly from the grammar of the parent's head.
//!
//! It must not use anything of the reader it is compared with, nor the calendar library.

/// Where the automaton stands in a number.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Begin,
    Signed,
    /// In the first digits: so many.
    First(u32),
    /// Behind a mark between thousands, or so many digits behind it.
    Group(u32),
    /// Behind the decimal mark, no digit yet.
    Point,
    Decimals,
    Wrong,
}

fn is_blank(sign: char) -> bool {
    matches!(sign, ' ' | '\t' | '\u{a0}' | '\u{202f}')
}

/// The number in millionths.
pub(super) fn number(text: &str, decimal: char, thousands: Option<char>) -> Option<i64> {
    let mut signs: Vec<char> = text.chars().collect();
    while signs.first().is_some_and(|sign| is_blank(*sign)) {
        signs.remove(0);
    }
    while signs.last().is_some_and(|sign| is_blank(*sign)) {
        signs.pop();
    }
    let between = |sign: char| match thousands {
        Some(' ') => [' ', '\u{a0}', '\u{202f}'].contains(&sign),
        mark => mark == Some(sign),
    };
    let (mut state, mut negative) = (State::Begin, false);
    let (mut whole, mut decimals) = (Vec::new(), Vec::new());
    for sign in signs {
        let digit = "0123456789".find(sign);
        state = match (state, digit) {
            (State::Begin, None) if sign == '+' || sign == '-' => {
                negative = sign == '-';
                State::Signed
            }
            (State::Begin | State::Signed, Some(digit)) => {
                whole.push(digit);
                State::First(1)
            }
            (State::First(count), Some(digit)) => {
                whole.push(digit);
                State::First(count + 1)
            }
            (State::Group(count), Some(digit)) if count < 3 => {
                whole.push(digit);
                State::Group(count + 1)
            }
            (State::First(1..=3) | State::Group(3), None) if between(sign) => State::Group(0),
            (State::First(_) | State::Group(3), None) if sign == decimal => State::Point,
            (State::Point | State::Decimals, Some(digit)) => {
                decimals.push(digit);
                State::Decimals
            }
            _ => State::Wrong,
        };
    }
    if !matches!(state, State::First(_) | State::Group(3) | State::Decimals) {
        return None;
    }
    while decimals.last() == Some(&0) {
        decimals.pop();
    }
    while whole.first() == Some(&0) {
        whole.remove(0);
    }
    if whole.len() > 12 || decimals.len() > 6 {
        return None;
    }
    let mut size: i64 = 0;
    for place in 0..whole.len() + 6 {
        let digit =
            if place < whole.len() { whole[place] } else { *decimals.get(place - whole.len()).unwrap_or(&0) };
        size = size * 10 + i64::try_from(digit).unwrap();
    }
    Some(if negative { -size } else { size })
}

fn length(year: u32, month: u32) -> u32 {
    let by = |number: u32| year.is_multiple_of(number);
    let leap = if by(100) { by(400) } else { by(4) };
    [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month as usize - 1]
}

/// Every day of these years, one after the other.
pub(super) fn days(first: u32, last: u32) -> Vec<(u32, u32, u32)> {
    let mut all = Vec::new();
    for year in first..=last {
        for month in 1..=12 {
            all.extend((1..=length(year, month)).map(|day| (year, month, day)));
        }
    }
    all
}

/// A day as a format has it, a minute before its end; day and month with at least so many digits.
pub(super) fn written(how: &str, year: u32, month: u32, day: u32, width: usize) -> String {
    how.replace("%Y", &format!("{year:04}"))
        .replace("%m", &format!("{month:0width$}"))
        .replace("%d", &format!("{day:0width$}"))
        .replace("%H", "23")
        .replace("%M", "59")
        .replace("%S", "59")
}

thread_local! {
    /// The days of 1900 to 2199 in order, counted once.
    static CALENDAR: Vec<(u32, u32, u32)> = days(1900, 2199);
}

/// The day as `YYYY-MM-DD`.
pub(super) fn date(text: &str, how: &str, decimal: char) -> Option<String> {
    let text = text.trim_matches(is_blank);
    let (year, month, day) = match how {
        "excel-1900" | "excel-1904" => serial(text, how == "excel-1904", decimal)?,
        _ => by_format(text, how)?,
    };
    let exists = (1900..2200).contains(&year) && (1..=12).contains(&month);
    (exists && day >= 1 && day <= length(year, month)).then(|| format!("{year}-{month:02}-{day:02}"))
}

fn serial(text: &str, from_1904: bool, decimal: char) -> Option<(u32, u32, u32)> {
    let mut signs = text.chars().peekable();
    let mut count = String::new();
    while let Some(sign) = signs.next_if(char::is_ascii_digit) {
        count.push(sign);
    }
    if let Some(sign) = signs.next() {
        let rest: Vec<char> = signs.collect();
        let time = !rest.is_empty() && rest.iter().all(char::is_ascii_digit);
        if sign != decimal || !time {
            return None;
        }
    }
    // Written back it is the same: no leading zero, nothing too long.
    let number = count.parse::<usize>().ok().filter(|number| number.to_string() == count)?;
    let place = if from_1904 {
        // 1900 to 1903 have 4 x 365 days: 1900 was no leap year.
        number + 4 * 365
    } else {
        match number {
            0 | 60 => return None,
            1..60 => number - 1,
            _ => number - 2,
        }
    };
    CALENDAR.with(|days| days.get(place).copied())
}

/// Reads part after part; the format says how wide each may be.
fn by_format(text: &str, how: &str) -> Option<(u32, u32, u32)> {
    let format: Vec<char> = how.chars().collect();
    let signs: Vec<char> = text.chars().collect();
    let (mut at, mut place) = (0, 0);
    let (mut year, mut month, mut day) = (0, 0, 0);
    while place < format.len() {
        if format[place] != '%' {
            if signs.get(at) != Some(&format[place]) {
                return None;
            }
            (at, place) = (at + 1, place + 1);
            continue;
        }
        let part = format[place + 1];
        let alone = (place == 0 || !format[place - 1].is_alphabetic() || format[place - 1] == 'T')
            && format.get(place + 2).is_none_or(|next| *next != '%');
        let widest = if part == 'Y' { 4 } else { 2 };
        let mut digits = String::new();
        while digits.len() < widest && signs.get(at).is_some_and(char::is_ascii_digit) {
            digits.push(signs[at]);
            at += 1;
        }
        let may_be_short = alone && "dmH".contains(part);
        if digits.len() < widest && !(may_be_short && digits.len() == 1) {
            return None;
        }
        let number: u32 = digits.parse().ok()?;
        match part {
            'Y' => year = number,
            'm' => month = number,
            'd' => day = number,
            'H' if number > 23 => return None,
            'M' | 'S' if number > 59 => return None,
            _ => {}
        }
        place += 2;
    }
    (at == signs.len()).then_some((year, month, day))
}
