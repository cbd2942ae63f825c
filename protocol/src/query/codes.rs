//! The text of a code list file -> its codes.
//!
//! A code list is a CSV file whose first column is headed `code`; other columns are for people.

use super::error::{Code, QueryError};

/// Reads the codes of a list, in their order.
///
/// # Errors
/// What is wrong on which line of the list.
pub(super) fn read(text: &str) -> Result<Vec<String>, QueryError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut codes = Vec::new();
    let mut header = true;
    for (line, number) in text.lines().zip(1_u32..) {
        if line.trim().is_empty() {
            continue;
        }
        let Some(first) = first_field(line) else {
            let problem = format!("line {number} of the code list cannot be read");
            return Err(QueryError::new(Code::Syntax, problem, "one code per line, in the first column")
                .advice("close quotes on their own line, end lines with a line feed"));
        };
        if header {
            if first != "code" {
                let problem = format!("line {number} of the code list begins with `{first}`");
                return Err(QueryError::new(
                    Code::Syntax,
                    problem,
                    "a header line whose first column is `code`",
                ));
            }
            header = false;
        } else {
            codes.push(first);
        }
    }
    Ok(codes)
}

/// The first field of a line; `None` when a quote stays open or a bare carriage return is in it.
fn first_field(line: &str) -> Option<String> {
    if line.contains('\r') || line.matches('"').count().checked_rem(2) != Some(0) {
        return None;
    }
    match line.strip_prefix('"') {
        None => line.split([',', ';', '\t']).next().map(|field| field.trim().to_owned()),
        Some(rest) => {
            let (field, after) = rest.split_once('"')?;
            let ends = after.is_empty() || after.starts_with([',', ';', '\t']);
            ends.then(|| field.to_owned())
        }
    }
}
