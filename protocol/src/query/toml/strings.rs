//! Where a letter of a TOML string stands in the document.
//!
//! Owns the counting past quotes and escapes. It must not judge what the string says, nor whether it is well formed.

/// The offset in `value`, which begins with the opening quote, of letter `letter` (from 1) of the string; one behind the
/// last letter is the closing quote. `None` where `value` is no string or is not that long.
pub(super) fn offset(value: &str, letter: usize) -> Option<usize> {
    let basic = value.starts_with('"');
    let mut rest = match value.strip_prefix("\"\"\"").or_else(|| value.strip_prefix("'''")) {
        Some(long) => long.strip_prefix("\r\n").or_else(|| long.strip_prefix('\n')).unwrap_or(long),
        None => value.strip_prefix(['"', '\''])?,
    };
    for _ in 1..letter {
        let mut letters = rest.chars();
        let first = letters.next()?;
        rest = match letters.as_str() {
            escaped if basic && first == '\\' => behind(escaped)?,
            plain => plain,
        };
    }
    value.len().checked_sub(rest.len())
}

/// What is behind the escape that begins here.
fn behind(escaped: &str) -> Option<&str> {
    let mut letters = escaped.chars();
    let digits = match letters.next()? {
        'x' => 2,
        'u' => 4,
        'U' => 8,
        // The line goes on at the next letter, which is the one that counts.
        space if space.is_whitespace() => {
            let mut rest = escaped.trim_start().chars();
            rest.next()?;
            return Some(rest.as_str());
        }
        _ => 0,
    };
    for _ in 0..digits {
        letters.next()?;
    }
    Some(letters.as_str())
}

#[cfg(test)]
mod tests {
    use super::offset;

    #[test]
    fn letters_are_found_behind_quotes_and_escapes() {
        for (value, letter, found) in [
            (r#""abc""#, 1, "abc"),
            (r#""abc""#, 3, "c"),
            (r#""abc""#, 4, "\""),
            (r"'a\bc'", 3, "bc"),
            (r#""a\"c""#, 3, "c"),
            (r#""\u00e9c""#, 2, "c"),
            (r#""\U000000e9c""#, 2, "c"),
            (r#""éc""#, 2, "c"),
            ("\"\"\"\nab\"\"\"", 2, "b"),
            ("'''ab'''", 2, "b"),
            ("\"\"\"a\\\n   bc\"\"\"", 3, "c"),
        ] {
            let at = offset(value, letter).unwrap();
            assert!(value[at..].starts_with(found), "letter {letter} of {value}: {}", &value[at..]);
        }
        assert_eq!(offset("12", 1), None);
        assert_eq!(offset("\"a", 9), None);
    }
}
