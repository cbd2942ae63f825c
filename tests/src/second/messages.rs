//! `messages.json`: frames against their fields, both ways, and every signature.

use super::codec::{decode, encode};
use super::fields::{Fields, hex, same};
use super::primitives::{public, sign, verify};
use super::{Checked, wire};
use serde_json::Value;

pub fn check(file: &Value) -> Checked<()> {
    let mut file = Fields::of("messages", file)?;
    for mut one in file.objects("messages")? {
        let name = one.text("name")?;
        message(&name, &mut one).map_err(|why| format!("{name}: {why}"))?;
        one.done()?;
    }
    file.done()
}

fn message(name: &str, one: &mut Fields) -> Checked<()> {
    let (frame, fields) = (one.bytes("frame")?, one.take("fields")?);
    let (version, rest) = frame.split_first().ok_or("an empty frame")?;
    let (shape, raw) = match name {
        "roster" => (wire::roster(), &frame[..]),
        "warrant" => (wire::warrant(), &frame[..]),
        "query" => (wire::query(), &frame[..]),
        _ if name.starts_with("entry ") => (wire::entry(), &frame[..]),
        _ if *version == 1 => (wire::message(), rest),
        _ if *version == 0xa1 => (wire::admission(), rest),
        _ => return Err(format!("wire version {version}")),
    };
    same("fields", &fields, &decode(&shape, raw)?)?;
    if encode(&shape, &fields)? != raw {
        return Err("the fields have another encoding".to_owned());
    }
    let inside = fields.to_string();
    for mut signed in one.objects("signed")? {
        let (seed, what, raw) = (signed.array("seed")?, signed.text("type")?, signed.bytes("raw")?);
        let signature = sign(&seed, &what, &raw);
        verify(&public(&seed), &what, &raw, &signature)?;
        signed.is_bytes("signature", signature)?;
        // Every signature stands in the message it is of; bodies that are sealed are shown field by field.
        let Value::String(text) = hex(signature) else { return Err("no text".to_owned()) };
        if !inside.contains(&text) {
            return Err(format!("the signature {what} is of another message"));
        }
        if let Ok(fields) = signed.take("fields") {
            let shape = wire::signed_body(&what).ok_or_else(|| format!("{what} has no body"))?;
            same("body", &fields, &decode(&shape, &raw)?)?;
        } else if !["deposit", "approval", "roster"].contains(&&*what) {
            decode(&wire::signed_body(&what).ok_or("no body")?, &raw)?;
        }
        signed.done()?;
    }
    Ok(())
}
