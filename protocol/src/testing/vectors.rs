//! Frozen vectors of wire version 1 (`protocol/vectors/v1`): what two implementations must agree on.
//!
//! An ordinary test compares what this core computes with the files, field by field and then as text;
//! `SAMENSOM_WRITE=1 cargo test -p samensom-protocol vectors` writes them. A difference is another wire
//! version: files are never edited after a release. `manual/wire.md` is the text to them. All secrets in
//! them are drawn from seeded randomness and stand nowhere else.

pub(crate) mod bundle;
mod commitments;
mod keys;
mod masks;
mod messages;
mod session;
mod sharing;
mod transcripts;

use crate::codec::to_hex;
use serde_json::{Value, json};
use std::path::Path;

/// Bytes as they stand in a vector.
fn hex(bytes: impl AsRef<[u8]>) -> Value {
    Value::String(to_hex(bytes.as_ref()))
}

/// The first place where two values differ.
fn difference(frozen: &Value, now: &Value, place: &str) -> Option<String> {
    match (frozen, now) {
        (Value::Object(a), Value::Object(b)) => {
            let names: std::collections::BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            names.into_iter().find_map(|name| {
                let at = |map: &serde_json::Map<String, Value>| map.get(name).cloned().unwrap_or_default();
                difference(&at(a), &at(b), &format!("{place}.{name}"))
            })
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let pairs = a.iter().zip(b).enumerate();
            pairs.into_iter().find_map(|(i, (a, b))| difference(a, b, &format!("{place}[{i}]")))
        }
        _ if frozen == now => None,
        _ => Some(format!("{place}: frozen {frozen:.80}, now {now:.80}")),
    }
}

/// Compares with the file, or writes it.
fn stands(name: &str, now: &Value) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("vectors/v1/{name}.json"));
    let text = serde_json::to_string_pretty(now).unwrap() + "\n";
    if std::env::var_os("SAMENSOM_WRITE").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        return std::fs::write(&path, text).unwrap();
    }
    let file = std::fs::read_to_string(&path).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
    let frozen: Value = serde_json::from_str(&file).unwrap();
    if let Some(place) = difference(&frozen, now, &format!("{name}.json")) {
        panic!("{place}");
    }
    assert_eq!(file, text, "{name}.json: another layout");
}

#[test]
fn transcripts_stand() {
    stands("transcripts", &transcripts::all());
}

#[test]
fn keys_stand() {
    stands("keys", &keys::all());
}

#[test]
fn masks_stand() {
    stands("masks", &masks::all());
}

#[test]
fn commitments_stand() {
    stands("commitments", &commitments::all());
}

#[test]
fn sharing_stands() {
    stands("sharing", &sharing::all());
}

#[test]
fn messages_stand() {
    stands("messages", &messages::all());
}

#[test]
fn bundles_stand() {
    stands("bundle", &bundle::all());
}

#[test]
fn a_session_with_a_dropout_stands() {
    stands("session-dropout", &session::with_a_dropout());
}

#[test]
fn a_session_with_restarts_stands() {
    stands("session-restart", &session::with_restarts());
}

#[test]
fn a_difference_is_found_and_named() {
    let one = json!({ "a": [{ "b": "00" }, { "b": "01" }], "c": 1 });
    let other = |path: &str, value: Value| {
        let mut other = one.clone();
        *other.pointer_mut(path).unwrap() = value;
        difference(&one, &other, "x.json")
    };
    assert_eq!(difference(&one, &one, "x.json"), None);
    assert_eq!(other("/a/1/b", json!("02")).unwrap(), "x.json.a[1].b: frozen \"01\", now \"02\"");
    assert!(other("/c", json!({})).unwrap().starts_with("x.json.c: "));
    assert!(other("/a", json!([])).unwrap().starts_with("x.json.a: "));
}
