//! A second implementation of the wire, written from `protocol/src/manual/wire.md` and nothing else.
//!
//! It recomputes every field of the frozen vectors and shares no code with the core: it must not name that
//! crate (`tidy.rs`). Where it and the core differ, the manual decides.

mod bundle;
mod codec;
mod commitments;
mod fields;
mod messages;
mod primitives;
mod ranges;
mod session;
mod values;
mod wire;

pub use bundle::read as read_bundle;
use serde_json::Value;

/// What is wrong with a vector.
pub type Checked<T> = Result<T, String>;

/// The files of wire version 1.
pub const FILES: [&str; 9] = [
    "bundle",
    "transcripts",
    "keys",
    "masks",
    "commitments",
    "sharing",
    "messages",
    "session-dropout",
    "session-restart",
];

/// Recomputes every field of the file of this name.
///
/// # Errors
/// The first field that differs, is missing or is unknown.
pub fn check(name: &str, file: &Value) -> Checked<()> {
    match name {
        "bundle" => bundle::check(file),
        "transcripts" => values::transcripts(file),
        "keys" => values::keys(file),
        "masks" => values::masks(file),
        "commitments" => commitments::check(file),
        "sharing" => values::sharing(file),
        "messages" => messages::check(file),
        "session-dropout" | "session-restart" => session::check(file),
        _ => Err(format!("{name}: no such file")),
    }
}
