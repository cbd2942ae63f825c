//! Section 1 of the manual: the encoding, driven by shapes.

use super::Checked;
use super::fields::{bytes, hex, number};
use serde_json::{Map, Value, json};

/// The form of a value.
#[derive(Clone)]
pub enum Shape {
    /// An unsigned integer of so many bytes.
    U(usize),
    /// A signed one.
    I(usize),
    /// One byte, 0 or 1.
    Bool,
    /// Bytes without a length.
    Fixed(usize),
    Blob(usize),
    Text(usize),
    List(Box<Shape>, usize),
    Opt(Box<Shape>),
    Struct(Vec<(&'static str, Shape)>),
    /// Fields without names.
    Tuple(Vec<Shape>),
    Choice(Vec<(&'static str, Option<Shape>)>),
}

const LONGEST: usize = 1 << 21;

/// Decodes exactly one value.
pub fn decode(shape: &Shape, input: &[u8]) -> Checked<Value> {
    let mut rest = input;
    if input.len() > LONGEST {
        return Err("longer than any value".to_owned());
    }
    let value = read(shape, &mut rest)?;
    if rest.is_empty() { Ok(value) } else { Err(format!("{} bytes left over", rest.len())) }
}

fn take<'a>(rest: &mut &'a [u8], count: usize) -> Checked<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(count).ok_or("bytes end early")?;
    *rest = left;
    Ok(taken)
}

fn unsigned(rest: &mut &[u8], bytes: usize) -> Checked<u64> {
    Ok(take(rest, bytes)?.iter().rev().fold(0, |n, byte| n << 8 | u64::from(*byte)))
}

fn length(rest: &mut &[u8], max: usize) -> Checked<usize> {
    let length = unsigned(rest, 8)?;
    usize::try_from(length).ok().filter(|n| *n <= max).ok_or_else(|| format!("{length} above {max}"))
}

fn read(shape: &Shape, rest: &mut &[u8]) -> Checked<Value> {
    Ok(match shape {
        Shape::U(bytes) => json!(unsigned(rest, *bytes)?),
        Shape::I(bytes) => {
            let mut wide = if take(&mut &**rest, *bytes)?.last().is_some_and(|top| *top > 127) {
                [0xff; 16]
            } else {
                [0; 16]
            };
            wide[..*bytes].copy_from_slice(take(rest, *bytes)?);
            json!(i64::try_from(i128::from_le_bytes(wide)).map_err(|_| "a number too large for JSON")?)
        }
        Shape::Fixed(bytes) => hex(take(rest, *bytes)?),
        Shape::Blob(max) => {
            let length = length(rest, *max)?;
            hex(take(rest, length)?)
        }
        Shape::Text(max) => {
            let length = length(rest, *max)?;
            json!(core::str::from_utf8(take(rest, length)?).map_err(|_| "text is not UTF-8")?)
        }
        Shape::List(item, max) => {
            let count = length(rest, *max)?;
            Value::Array((0..count).map(|_| read(item, rest)).collect::<Checked<_>>()?)
        }
        Shape::Bool => match unsigned(rest, 1)? {
            0 => Value::Bool(false),
            1 => Value::Bool(true),
            _ => return Err("a truth above 1".to_owned()),
        },
        Shape::Opt(inner) => match unsigned(rest, 1)? {
            0 => Value::Null,
            1 => read(inner, rest)?,
            _ => return Err("an option byte above 1".to_owned()),
        },
        Shape::Struct(fields) => {
            let one = |(name, shape): &(&str, Shape)| Ok(((*name).to_owned(), read(shape, rest)?));
            Value::Object(fields.iter().map(one).collect::<Checked<Map<_, _>>>()?)
        }
        Shape::Tuple(fields) => {
            Value::Array(fields.iter().map(|shape| read(shape, rest)).collect::<Checked<_>>()?)
        }
        Shape::Choice(variants) => {
            let index = usize::try_from(unsigned(rest, 4)?).map_err(|_| "no variant")?;
            match variants.get(index).ok_or("an unknown variant")? {
                (name, None) => json!(name),
                (name, Some(shape)) => json!({ *name: read(shape, rest)? }),
            }
        }
    })
}

/// Encodes a value that has this shape.
pub fn encode(shape: &Shape, value: &Value) -> Checked<Vec<u8>> {
    let mut out = Vec::new();
    write(shape, value, &mut out)?;
    Ok(out)
}

fn write_length(length: usize, max: usize, out: &mut Vec<u8>) -> Checked<()> {
    if length > max {
        return Err(format!("{length} above {max}"));
    }
    out.extend((length as u64).to_le_bytes());
    Ok(())
}

fn write(shape: &Shape, value: &Value, out: &mut Vec<u8>) -> Checked<()> {
    let wrong = || format!("{value:.60} has another shape");
    match shape {
        Shape::U(bytes) => {
            let raw = number(value)?.to_le_bytes();
            if raw[*bytes..].iter().any(|byte| *byte != 0) {
                return Err(wrong());
            }
            out.extend(&raw[..*bytes]);
        }
        Shape::I(bytes) => out.extend(&i128::from(value.as_i64().ok_or_else(wrong)?).to_le_bytes()[..*bytes]),
        Shape::Fixed(length) => {
            let raw = bytes(value)?;
            if raw.len() != *length {
                return Err(wrong());
            }
            out.extend(raw);
        }
        Shape::Blob(max) => {
            let raw = bytes(value)?;
            write_length(raw.len(), *max, out)?;
            out.extend(raw);
        }
        Shape::Text(max) => {
            let text = value.as_str().ok_or_else(wrong)?;
            write_length(text.len(), *max, out)?;
            out.extend(text.as_bytes());
        }
        Shape::List(item, max) => {
            let items = value.as_array().ok_or_else(wrong)?;
            write_length(items.len(), *max, out)?;
            items.iter().try_for_each(|one| write(item, one, out))?;
        }
        Shape::Opt(_) if value.is_null() => out.push(0),
        Shape::Bool => out.push(u8::from(value.as_bool().ok_or_else(wrong)?)),
        Shape::Opt(inner) => {
            out.push(1);
            write(inner, value, out)?;
        }
        Shape::Struct(fields) => {
            let map = value.as_object().filter(|map| map.len() == fields.len()).ok_or_else(wrong)?;
            for (name, shape) in fields {
                write(shape, map.get(*name).ok_or_else(wrong)?, out)?;
            }
        }
        Shape::Tuple(fields) => {
            let items = value.as_array().filter(|items| items.len() == fields.len()).ok_or_else(wrong)?;
            fields.iter().zip(items).try_for_each(|(shape, one)| write(shape, one, out))?;
        }
        Shape::Choice(variants) => write_choice(variants, value, out)?,
    }
    Ok(())
}

fn write_choice(variants: &[(&str, Option<Shape>)], value: &Value, out: &mut Vec<u8>) -> Checked<()> {
    let object = value.as_object().filter(|map| map.len() == 1).and_then(|map| map.iter().next());
    for (index, (name, shape)) in (0u32..).zip(variants) {
        match (shape, object) {
            (None, None) if value.as_str() == Some(name) => {
                out.extend(index.to_le_bytes());
                return Ok(());
            }
            (Some(shape), Some((given, inner))) if given == name => {
                out.extend(index.to_le_bytes());
                return write(shape, inner, out);
            }
            _ => {}
        }
    }
    Err(format!("{value:.60} is no variant"))
}

/// The one JSON text of a value: no blank, fields in the order of their shape.
pub fn text(shape: &Shape, value: &Value) -> Checked<String> {
    let wrong = || format!("{value:.60} has another shape");
    let all = |parts: Checked<Vec<String>>| parts.map(|parts| parts.join(","));
    let field = |(name, shape): &(&str, Shape)| Ok(format!("\"{name}\":{}", text(shape, &value[*name])?));
    Ok(match shape {
        Shape::Opt(_) if value.is_null() => "null".to_owned(),
        Shape::Opt(inner) => text(inner, value)?,
        Shape::List(item, _) => {
            let items = value.as_array().ok_or_else(wrong)?;
            format!("[{}]", all(items.iter().map(|one| text(item, one)).collect())?)
        }
        Shape::Struct(fields) => format!("{{{}}}", all(fields.iter().map(field).collect())?),
        Shape::Tuple(_) | Shape::Choice(_) => return Err("in no bundle".to_owned()),
        _ => value.to_string(),
    })
}
