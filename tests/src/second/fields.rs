//! Reading a vector so that no field is left over: each is taken once, and what stays is an error.

use super::Checked;
use super::primitives::{Scalar, scalar};
use serde_json::{Map, Value};

pub fn hex(bytes: impl AsRef<[u8]>) -> Value {
    Value::String(bytes.as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
}

pub fn bytes(value: &Value) -> Checked<Vec<u8>> {
    let text = value.as_str().ok_or_else(|| format!("{value:.40} is no text"))?;
    let lower = text.bytes().all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(&c));
    if !lower || text.len() % 2 != 0 {
        return Err(format!("{text:.40} is not lower-case hexadecimal"));
    }
    let pair = |i: usize| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).map_err(|why| why.to_string());
    (0..text.len() / 2).map(pair).collect()
}

pub fn array<const N: usize>(value: &Value) -> Checked<[u8; N]> {
    bytes(value)?.try_into().map_err(|_| format!("{value:.40} has not {N} bytes"))
}

pub fn number(value: &Value) -> Checked<u64> {
    value.as_u64().ok_or_else(|| format!("{value:.40} is no number"))
}

/// An error unless both are equal.
pub fn same(what: &str, found: &Value, computed: &Value) -> Checked<()> {
    if found == computed { Ok(()) } else { Err(format!("{what}: {found:.90}, computed {computed:.90}")) }
}

/// An object whose fields are taken one by one.
pub struct Fields {
    name: String,
    map: Map<String, Value>,
}

impl Fields {
    pub fn of(name: &str, value: &Value) -> Checked<Self> {
        let map = value.as_object().ok_or_else(|| format!("{name} is no object"))?.clone();
        Ok(Fields { name: name.to_owned(), map })
    }
    pub fn take(&mut self, field: &str) -> Checked<Value> {
        self.map.remove(field).ok_or_else(|| format!("{}.{field} is missing", self.name))
    }
    pub fn object(&mut self, field: &str) -> Checked<Fields> {
        let value = self.take(field)?;
        Fields::of(&format!("{}.{field}", self.name), &value)
    }
    pub fn list(&mut self, field: &str) -> Checked<Vec<Value>> {
        let value = self.take(field)?;
        value.as_array().cloned().ok_or_else(|| format!("{}.{field} is no list", self.name))
    }
    pub fn objects(&mut self, field: &str) -> Checked<Vec<Fields>> {
        let name = format!("{}.{field}", self.name);
        let all = self.list(field)?;
        all.iter().enumerate().map(|(i, one)| Fields::of(&format!("{name}[{i}]"), one)).collect()
    }
    pub fn bytes(&mut self, field: &str) -> Checked<Vec<u8>> {
        bytes(&self.take(field)?).map_err(|why| format!("{}.{field}: {why}", self.name))
    }
    pub fn array<const N: usize>(&mut self, field: &str) -> Checked<[u8; N]> {
        array(&self.take(field)?).map_err(|why| format!("{}.{field}: {why}", self.name))
    }
    pub fn scalar(&mut self, field: &str) -> Checked<Scalar> {
        scalar(&self.array(field)?)
    }
    pub fn number(&mut self, field: &str) -> Checked<u64> {
        number(&self.take(field)?).map_err(|why| format!("{}.{field}: {why}", self.name))
    }
    pub fn u16(&mut self, field: &str) -> Checked<u16> {
        u16::try_from(self.number(field)?).map_err(|_| format!("{}.{field} is too large", self.name))
    }
    pub fn text(&mut self, field: &str) -> Checked<String> {
        let value = self.take(field)?;
        value.as_str().map(str::to_owned).ok_or_else(|| format!("{}.{field} is no text", self.name))
    }
    /// The field, which must be what was computed.
    pub fn is(&mut self, field: &str, computed: impl Into<Value>) -> Checked<()> {
        let found = self.take(field)?;
        same(&format!("{}.{field}", self.name), &found, &computed.into())
    }
    pub fn is_bytes(&mut self, field: &str, computed: impl AsRef<[u8]>) -> Checked<()> {
        self.is(field, hex(computed))
    }
    /// Nothing may be left.
    pub fn done(self) -> Checked<()> {
        match self.map.keys().next() {
            None => Ok(()),
            Some(field) => Err(format!("{}.{field} is unknown", self.name)),
        }
    }
}
