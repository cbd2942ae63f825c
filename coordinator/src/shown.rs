//! Text of others, shown as text: on a terminal, in JSON, in a cell of a spreadsheet, in a drawing.
//!
//! Owns which characters may act instead of being read, and how each output shows them. Codes, titles and
//! names were written by people we do not know. It must not decide what is shown, nor change a figure.

#[cfg(test)]
pub(crate) mod hostile;
#[cfg(test)]
mod tests;

/// Whether a character is not seen as itself: it steers a terminal, turns the order of what stands beside
/// it, has no width, or is none that XML may hold.
fn acts(c: char) -> bool {
    let invisible = matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}'
        | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}');
    let no_character = u32::from(c) & 0xfffe == 0xfffe || matches!(c, '\u{fdd0}'..='\u{fdef}');
    c.is_control() || invisible || no_character
}

fn escaped(text: &str, stays: fn(char) -> bool) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if acts(c) && !stays(c) { shown.extend(c.escape_default()) } else { shown.push(c) }
    }
    shown
}

/// A text of others within a line: what acts stands as its number, `\u{202e}`.
#[must_use]
pub fn text(text: &str) -> String {
    escaped(text, |_| false)
}

/// Our own lines with texts of others in them: the line ends are ours.
#[must_use]
pub fn lines(text: &str) -> String {
    escaped(text, |c| c == '\n')
}

/// JSON as it was written, with what acts as an escape of JSON: it reads back as the same value.
#[must_use]
pub fn json(written: &str) -> String {
    let mut shown = String::with_capacity(written.len());
    for c in written.chars() {
        // A line end outside a text is layout; inside one the writer has escaped it.
        if acts(c) && c != '\n' {
            let units =
                c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect::<String>();
            shown.push_str(&units);
        } else {
            shown.push(c);
        }
    }
    shown
}

/// A text as a cell of CSV that no spreadsheet takes for a formula: `'` stands before whatever would begin
/// one. A Dutch spreadsheet ends a cell at `;` too, so this holds after each separator within the text; a
/// `'` that stands there already is doubled, so that the text can be had back.
#[must_use]
pub fn csv_cell(text: &str) -> String {
    let mut cell = String::with_capacity(text.len());
    for part in text.split_inclusive(SEPARATORS) {
        if begins_a_formula(part) || part.starts_with('\'') {
            cell.push('\'');
        }
        cell.push_str(part);
    }
    cell
}

const SEPARATORS: [char; 5] = [',', ';', '\t', '\r', '\n'];

/// What begins a formula: the plain signs, those in full width, small ones, and the minus of a typesetter.
const SIGNS: [char; 13] = [
    '=', '+', '-', '@', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}', '\u{fe66}', '\u{fe62}', '\u{fe63}',
    '\u{fe6b}', '\u{2212}',
];

fn begins_a_formula(part: &str) -> bool {
    let passed_over = |c: char| c.is_whitespace() || acts(c) || c == '"';
    let sign = part.trim_start_matches(passed_over).starts_with(SIGNS);
    // A mark at the start of a file is taken for its encoding and goes.
    sign || part.starts_with(['\t', '\r', '\n', '\u{feff}'])
}
