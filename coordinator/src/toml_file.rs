//! Reading our TOML files: what is wrong, on which line, and the key that was meant.
//!
//! Owns the words of such errors, the same for configuration, rules and public key files. It must not
//! know what a file is for.

use crate::error::Error;
use samensom_protocol::query::nearest;
use serde::de::DeserializeOwned;
use std::path::Path;

/// Larger files are none of ours.
const LARGEST: u64 = 1 << 20;

/// Reads a file as text of at most 1 MiB.
///
/// # Errors
/// When it cannot be read, is longer, or is not UTF-8.
pub fn text(path: &Path) -> Result<String, Error> {
    use std::io::Read as _;
    let file = std::fs::File::open(path).map_err(|why| Error::file(path, "read the file", &why))?;
    let mut text = String::new();
    let mut limited = file.take(LARGEST + 1);
    limited.read_to_string(&mut text).map_err(|why| Error::file(path, "read the file", &why))?;
    if u64::try_from(text.len()).is_ok_and(|len| len > LARGEST) {
        return Err(Error::asked("the file is too long")
            .place(path.display().to_string())
            .expected("at most 1 MiB"));
    }
    Ok(text)
}

/// The value that `text`, the contents of `file`, describes.
///
/// # Errors
/// The first thing that is wrong, with its line; for an unknown key the nearest known one.
pub fn parse<T: DeserializeOwned>(file: &str, text: &str) -> Result<T, Error> {
    toml::from_str(text).map_err(|why| {
        let line =
            why.span().and_then(|span| text.get(..span.start)).map(|before| before.matches('\n').count() + 1);
        let place = line.map_or_else(|| file.to_owned(), |line| format!("{file}, line {line}"));
        explain(why.message()).place(place)
    })
}

/// Turns serde's words for an unknown key into ours.
fn explain(message: &str) -> Error {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let unknown = message.starts_with("unknown field") || message.starts_with("unknown variant");
    let Some(name) = quoted.next().filter(|_| unknown) else {
        return Error::config(message.trim_end());
    };
    let known: Vec<&str> = quoted.collect();
    let what = if message.starts_with("unknown field") { "key" } else { "word" };
    let error =
        Error::config(format!("unknown {what} `{name}`")).expected(format!("one of {}", known.join(", ")));
    match nearest(name, known) {
        Some(near) => error.remedy(format!("did you mean `{near}`?")),
        None => error.remedy("correct or remove it"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only its shape is used")]
    struct Sample {
        listen: String,
        idle: Option<u16>,
    }

    #[test]
    fn errors_name_the_line_and_the_nearest_key() {
        let told = |text: &str| parse::<Sample>("x.toml", text).unwrap_err().to_string();
        let error = told("listen = \"a\"\nidel = 3\n");
        assert!(error.contains("unknown key `idel`") && error.contains("x.toml, line 2"), "{error}");
        assert!(error.contains("did you mean `idle`?") && error.contains("listen, idle"), "{error}");
        let error = told("listen = \"a\"\n\nidle = \"x\"\n");
        assert!(error.contains("line 3") && error.contains("u16"), "{error}");
        let error = told("listen = \n");
        assert!(error.contains("line 1"), "{error}");
        let error = told("idle = 3\n");
        assert!(error.contains("missing field `listen`"), "{error}");
    }
}
