//! The frozen vectors, recomputed by the second implementation; and that no digit of them goes unread.

use samensom_tests::second::{FILES, check};
use serde_json::Value;
use std::path::Path;

fn file(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../protocol/vectors/v1/{name}.json"));
    serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap()
}

/// Pointers to every number and every text of hexadecimal digits.
fn leaves(value: &Value, at: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => map.iter().for_each(|(name, one)| leaves(one, &format!("{at}/{name}"), found)),
        Value::Array(all) => {
            all.iter().enumerate().for_each(|(i, one)| leaves(one, &format!("{at}/{i}"), found))
        }
        Value::String(text) => {
            let is_hex = text.len() % 2 == 0 && text.bytes().all(|c| b"0123456789abcdef".contains(&c));
            found.extend((is_hex && !text.is_empty()).then(|| at.to_owned()));
        }
        // 68 and 69 hospitals have the same thresholds, so a number there may change and nothing follow.
        Value::Number(_) if at.starts_with("/thresholds/") || at.starts_with("/widths/") => {}
        Value::Number(_) => found.push(at.to_owned()),
        Value::Null | Value::Bool(_) => {}
    }
}

/// A small generator; the seed is printed with every failure by its pointer.
fn next(state: &mut u64) -> usize {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    usize::try_from(*state >> 33).unwrap()
}

/// Another value of the same kind: one digit, or the number plus one.
fn flip(value: &mut Value, state: &mut u64) {
    match value {
        Value::String(text) => {
            let at = next(state) % text.len();
            let old = char::from(text.as_bytes()[at]).to_digit(16).unwrap();
            let digit = char::from_digit(old ^ (1 << (next(state) % 4)), 16).unwrap();
            text.replace_range(at..=at, &digit.to_string());
        }
        Value::Number(number) => {
            *value = match number.as_u64() {
                Some(n) => Value::from(n ^ 1),
                None => Value::from(number.as_i64().unwrap() + 1),
            }
        }
        _ => unreachable!("only leaves are flipped"),
    }
}

/// Flips at most `most` leaves of a file, chosen by the seed; whatever was not noticed.
fn unread(name: &str, most: usize, mut seed: u64) -> (usize, Vec<String>) {
    let whole = file(name);
    let mut all = Vec::new();
    leaves(&whole, "", &mut all);
    let mut chosen = Vec::new();
    while !all.is_empty() && chosen.len() < most {
        chosen.push(all.swap_remove(next(&mut seed) % all.len()));
    }
    let noticed = |pointer: &String, seed: &mut u64| {
        let mut other = whole.clone();
        flip(other.pointer_mut(pointer).unwrap(), seed);
        assert_ne!(other, whole);
        check(name, &other).is_err()
    };
    let missed = chosen.iter().filter(|pointer| !noticed(pointer, &mut seed)).cloned().collect();
    (chosen.len(), missed)
}

#[test]
fn a_second_implementation_computes_every_field() {
    for name in FILES {
        check(name, &file(name)).unwrap_or_else(|why| panic!("{name}: {why}"));
    }
}

#[test]
fn the_files_are_these_and_no_others() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../protocol/vectors/v1");
    let Ok(entries) = std::fs::read_dir(folder) else { panic!("no vectors") };
    let mut found: Vec<String> =
        entries.map(|one| one.unwrap().file_name().to_string_lossy().replace(".json", "")).collect();
    found.sort();
    let mut known = FILES.map(str::to_owned).to_vec();
    known.sort();
    assert_eq!(found, known);
}

/// `SAMENSOM_FLIPS=all` flips one digit of every field; else of a sample of each file.
#[test]
fn every_flipped_digit_is_noticed() {
    let all = std::env::var("SAMENSOM_FLIPS").is_ok_and(|flips| flips == "all");
    for name in FILES {
        let (count, missed) = unread(name, if all { usize::MAX } else { 40 }, 20_261_122);
        println!("{name}: {count} flipped");
        assert_eq!(missed, Vec::<String>::new(), "{name}");
    }
}

/// A field more, at any depth that the file has, or one less.
#[test]
fn unknown_and_missing_fields_are_refused() {
    for name in FILES {
        let mut more = file(name);
        more.as_object_mut().unwrap().insert("unknown".to_owned(), Value::Null);
        assert!(check(name, &more).is_err(), "{name}");
        let whole = file(name);
        for field in whole.as_object().unwrap().keys() {
            let mut less = whole.clone();
            less.as_object_mut().unwrap().remove(field);
            assert!(check(name, &less).is_err(), "{name} without {field}");
            if let Some(inner) = whole[field].as_object().or_else(|| whole[field][0].as_object()) {
                let mut more = whole.clone();
                let at = if more[field].is_array() { &mut more[field][0] } else { &mut more[field] };
                at.as_object_mut().unwrap().insert("unknown".to_owned(), Value::Null);
                assert!(check(name, &more).is_err(), "{name}.{field} with a field more");
                assert!(!inner.is_empty());
            }
        }
    }
    assert!(check("no-such-file", &Value::Null).is_err());
}
