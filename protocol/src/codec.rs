//! The one place that knows the encoding (bincode, fixed-width little-endian integers).
//!
//! Owns the caps: every list, text and blob on the wire carries its maximum in its type, nothing is
//! allocated for a length that was only claimed, leftover bytes and a second encoding of the same value
//! are errors. bincode 2.0.1 is frozen upstream (RUSTSEC-2025-0141); swapping it means this file.
//! In JSON (state on disk, the bundle) the same types appear as lower-case hexadecimal text.
//! It must not know any message.

use crate::ablation::ablated;
use bincode::enc::write::Writer;
use bincode::error::EncodeError;
use core::fmt;
use core::marker::PhantomData;
use serde::de::{DeserializeOwned, Error, SeqAccess, Visitor};
use serde::ser::SerializeTuple;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Longest encoded value in bytes. Reports travel in blocks of 64 KiB, so no message needs more.
pub const MAX_MESSAGE: usize = 1 << 21;

/// Bytes that cannot be a value of the expected type; the sender is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// More bytes than any message has.
    #[error("{0} bytes, at most {MAX_MESSAGE} expected")]
    TooLong(usize),
    /// The bytes end early or hold a value outside its type.
    #[error("bytes are not a value of the expected shape")]
    Shape,
    /// Bytes are left after the value.
    #[error("{0} bytes left over after the value")]
    Trailing(usize),
    /// The value has another, canonical encoding.
    #[error("not the canonical encoding")]
    NotCanonical,
    /// A wire version or kind of message this program does not know.
    #[error("unknown wire version or kind {0:#06x}")]
    Unknown(u16),
}

fn config() -> impl bincode::config::Config {
    bincode::config::standard().with_little_endian().with_fixed_int_encoding().with_limit::<MAX_MESSAGE>()
}

/// Encodes `value`.
///
/// # Errors
/// `TooLong` when the encoding exceeds [`MAX_MESSAGE`]; values built from wire types never fail otherwise.
pub fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, Malformed> {
    let bytes = bincode::serde::encode_to_vec(value, config()).map_err(|_| Malformed::Shape)?;
    if bytes.len() > MAX_MESSAGE {
        return Err(Malformed::TooLong(bytes.len()));
    }
    Ok(bytes)
}

/// Decodes exactly one value from `bytes`.
///
/// # Errors
/// `Malformed` when the bytes are too long, too short, left over or not canonical.
pub fn decode<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<T, Malformed> {
    if bytes.len() > MAX_MESSAGE {
        return Err(Malformed::TooLong(bytes.len()));
    }
    let (value, used) =
        bincode::serde::borrow_decode_from_slice::<T, _>(bytes, config()).map_err(|_| Malformed::Shape)?;
    if used != bytes.len() {
        return Err(Malformed::Trailing(bytes.len().saturating_sub(used)));
    }
    let mut rest = Rest(bytes);
    let same = bincode::serde::encode_into_writer(&value, &mut rest, config());
    if same.is_err() || !rest.0.is_empty() {
        return Err(Malformed::NotCanonical);
    }
    Ok(value)
}

/// Takes an encoding only as far as it is what these bytes say, so that none has to be kept to compare it.
struct Rest<'a>(&'a [u8]);

impl Writer for Rest<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.0 = self.0.strip_prefix(bytes).ok_or(EncodeError::UnexpectedEnd)?;
        Ok(())
    }
}

/// Exactly `N` bytes: keys, hashes, signatures, scalars.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bytes<const N: usize>(pub [u8; N]);

impl<const N: usize> fmt::Debug for Bytes<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_hex(f, &self.0)
    }
}

impl<const N: usize> Serialize for Bytes<N> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if s.is_human_readable() {
            return s.serialize_str(&to_hex(&self.0));
        }
        // Bytes as they are; sixteen at a time because each element costs a call.
        let (words, rest) = self.0.as_chunks::<16>();
        let mut tuple = s.serialize_tuple(words.len().saturating_add(rest.len()))?;
        for word in words {
            tuple.serialize_element(&u128::from_le_bytes(*word))?;
        }
        for byte in rest {
            tuple.serialize_element(byte)?;
        }
        tuple.end()
    }
}

impl<'de, const N: usize> Deserialize<'de> for Bytes<N> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Exactly<const N: usize>;
        impl<'de, const N: usize> Visitor<'de> for Exactly<N> {
            type Value = Bytes<N>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{N} bytes")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let few = || A::Error::custom("too few bytes");
                let mut bytes = [0u8; N];
                let (words, rest) = bytes.as_chunks_mut::<16>();
                for word in words {
                    *word = seq.next_element::<u128>()?.ok_or_else(few)?.to_le_bytes();
                }
                for byte in rest {
                    *byte = seq.next_element()?.ok_or_else(few)?;
                }
                Ok(Bytes(bytes))
            }
        }
        if d.is_human_readable() {
            return d.deserialize_str(Hex(|text: &str| {
                let mut bytes = [0; N];
                read_hex(text, &mut bytes).then_some(Bytes(bytes))
            }));
        }
        let (words, rest) = const { (N / 16, N % 16) };
        d.deserialize_tuple(words.saturating_add(rest), Exactly::<N>)
    }
}

/// At most `MAX` values, in the order given.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct List<T, const MAX: usize>(Vec<T>);

impl<T, const MAX: usize> List<T, MAX> {
    /// The list of `items`.
    ///
    /// # Errors
    /// `TooLong` with the count when there are more than `MAX`.
    pub fn new(items: Vec<T>) -> Result<Self, Malformed> {
        if items.len() > MAX && !ablated!("caps-off") {
            Err(Malformed::TooLong(items.len()))
        } else {
            Ok(List(items))
        }
    }
    /// The items by value.
    #[must_use]
    pub fn into_vec(self) -> Vec<T> {
        self.0
    }
}

impl<T, const MAX: usize> Default for List<T, MAX> {
    fn default() -> Self {
        List(Vec::new())
    }
}

impl<T, const MAX: usize> core::ops::Deref for List<T, MAX> {
    type Target = [T];
    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T: fmt::Debug, const MAX: usize> fmt::Debug for List<T, MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl<T: Serialize, const MAX: usize> Serialize for List<T, MAX> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(&self.0)
    }
}

impl<'de, T: Deserialize<'de>, const MAX: usize> Deserialize<'de> for List<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct AtMost<T, const MAX: usize>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for AtMost<T, MAX> {
            type Value = List<T, MAX>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "at most {MAX} items")
            }
            // The claimed length is ignored: the list grows with what was received.
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    if items.len() >= MAX && !ablated!("caps-off") {
                        return Err(A::Error::custom("too many items"));
                    }
                    items.push(item);
                }
                Ok(List(items))
            }
        }
        d.deserialize_seq(AtMost::<T, MAX>(PhantomData))
    }
}

/// At most `MAX` raw bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Blob<const MAX: usize>(Vec<u8>);

impl<const MAX: usize> Blob<MAX> {
    /// The blob of `bytes`.
    ///
    /// # Errors
    /// `TooLong` with the length when there are more than `MAX`.
    pub fn new(bytes: Vec<u8>) -> Result<Self, Malformed> {
        if bytes.len() > MAX { Err(Malformed::TooLong(bytes.len())) } else { Ok(Blob(bytes)) }
    }
    /// The bytes by value.
    #[must_use]
    pub fn into_vec(self) -> Vec<u8> {
        self.0
    }
}

impl<const MAX: usize> core::ops::Deref for Blob<MAX> {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl<const MAX: usize> fmt::Debug for Blob<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<{} bytes>", self.0.len())
    }
}

impl<const MAX: usize> Serialize for Blob<MAX> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if s.is_human_readable() { s.serialize_str(&to_hex(&self.0)) } else { s.serialize_bytes(&self.0) }
    }
}

impl<'de, const MAX: usize> Deserialize<'de> for Blob<MAX> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        if d.is_human_readable() {
            return d.deserialize_str(Hex(|text: &str| Blob::new(from_hex(text)?).ok()));
        }
        // Borrowed from the input, so its length is one that was received.
        let bytes = <&[u8]>::deserialize(d)?;
        if bytes.len() > MAX { Err(D::Error::custom("too many bytes")) } else { Ok(Blob(bytes.to_vec())) }
    }
}

/// UTF-8 text of at most `MAX` bytes.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Text<const MAX: usize>(String);

impl<const MAX: usize> Text<MAX> {
    /// The text.
    ///
    /// # Errors
    /// `TooLong` with the length in bytes when it is longer than `MAX`.
    pub fn new(text: impl Into<String>) -> Result<Self, Malformed> {
        let text = text.into();
        if text.len() > MAX { Err(Malformed::TooLong(text.len())) } else { Ok(Text(text)) }
    }
}

impl<const MAX: usize> core::ops::Deref for Text<MAX> {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl<const MAX: usize> fmt::Debug for Text<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl<const MAX: usize> fmt::Display for Text<MAX> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<const MAX: usize> Serialize for Text<MAX> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&self.0)
    }
}

impl<'de, const MAX: usize> Deserialize<'de> for Text<MAX> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        if d.is_human_readable() {
            return Text::new(String::deserialize(d)?).map_err(|_| D::Error::custom("too long a text"));
        }
        let text = <&str>::deserialize(d)?;
        if text.len() > MAX { Err(D::Error::custom("too long a text")) } else { Ok(Text(text.to_owned())) }
    }
}

pub(crate) fn write_hex(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    f.write_str(&to_hex(bytes))
}

/// Lower-case hexadecimal text of `bytes`.
#[must_use]
pub fn to_hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().saturating_mul(2));
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 0xf]);
    text.extend(digits.filter_map(|digit| char::from_digit(u32::from(digit), 16)));
    text
}

/// The bytes of lower-case hexadecimal text; `None` for anything else, so that one value has one text.
#[must_use]
pub fn from_hex(text: &str) -> Option<Vec<u8>> {
    let mut bytes = vec![0; text.len() / 2];
    read_hex(text, &mut bytes).then_some(bytes)
}

/// True if `text` is the lower-case hexadecimal text of as many bytes as `into` has; they are written there.
fn read_hex(text: &str, into: &mut [u8]) -> bool {
    let digit = |c: u8| match c {
        b'0'..=b'9' => Some(c.wrapping_sub(b'0')),
        b'a'..=b'f' => Some(c.wrapping_sub(b'a').wrapping_add(10)),
        _ => None,
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let mut one = |(byte, [high, low]): (&mut u8, &[u8; 2])| {
        let read = digit(*high).zip(digit(*low));
        read.map(|(high, low)| *byte = (high << 4) | low).is_some()
    };
    rest.is_empty() && pairs.len() == into.len() && into.iter_mut().zip(pairs).all(&mut one)
}

/// What hexadecimal text in JSON says.
struct Hex<F>(F);

impl<T, F: FnOnce(&str) -> Option<T>> Visitor<'_> for Hex<F> {
    type Value = T;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("lower-case hexadecimal text of the right length")
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        (self.0)(text).ok_or_else(|| E::custom("not hexadecimal text of the right length"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Sample {
        id: u16,
        names: List<Text<8>, 3>,
        raw: Blob<16>,
        key: Bytes<4>,
    }

    fn sample() -> Sample {
        Sample {
            id: 7,
            names: List::new(vec![Text::new("ab").unwrap()]).unwrap(),
            raw: Blob::new(vec![9, 8]).unwrap(),
            key: Bytes([1, 2, 3, 4]),
        }
    }

    #[test]
    fn encoding_is_frozen() {
        let hex = concat!(
            "0700",             // id
            "0100000000000000", // one name
            "0200000000000000", // of two bytes
            "6162",
            "0200000000000000", // two raw bytes
            "0908",
            "01020304" // key, no length
        );
        assert_eq!(to_hex(&encode(&sample()).unwrap()), hex);
        assert_eq!(decode::<Sample>(&from_hex(hex).unwrap()).unwrap(), sample());
    }

    /// Hashes, signatures and keys are their bytes, whatever is left over by sixteens.
    #[test]
    fn fixed_bytes_are_encoded_as_they_are() {
        fn as_they_are<const N: usize>() {
            let bytes: [u8; N] = core::array::from_fn(|i| u8::try_from(i % 251).unwrap());
            assert_eq!(encode(&Bytes(bytes)).unwrap(), bytes);
            assert_eq!(decode::<Bytes<N>>(&bytes).unwrap().0, bytes);
            assert_eq!(decode::<Bytes<N>>(&bytes[1..]).unwrap_err(), Malformed::Shape);
        }
        as_they_are::<1>();
        as_they_are::<15>();
        as_they_are::<16>();
        as_they_are::<33>();
        as_they_are::<64>();
        as_they_are::<1216>();
    }

    /// What is read from other bytes than it is written as: refused, whether these are fewer, more or others.
    #[test]
    fn a_second_encoding_is_refused() {
        #[derive(Debug, PartialEq)]
        struct Lenient<const READ: usize, const WRITTEN: usize, const OFF: u8>(u8);
        impl<const R: usize, const W: usize, const OFF: u8> Serialize for Lenient<R, W, OFF> {
            fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
                Bytes([self.0 + OFF; W]).serialize(s)
            }
        }
        impl<'de, const R: usize, const W: usize, const OFF: u8> Deserialize<'de> for Lenient<R, W, OFF> {
            fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
                Bytes::<R>::deserialize(d).map(|read| Lenient(read.0[0]))
            }
        }
        assert_eq!(decode::<Lenient<2, 2, 0>>(&[5, 5]), Ok(Lenient(5)));
        assert_eq!(decode::<Lenient<2, 1, 0>>(&[5, 5]), Err(Malformed::NotCanonical));
        assert_eq!(decode::<Lenient<1, 2, 0>>(&[5]), Err(Malformed::NotCanonical));
        assert_eq!(decode::<Lenient<16, 32, 0>>(&[5; 16]), Err(Malformed::NotCanonical));
        assert_eq!(decode::<Lenient<1, 1, 1>>(&[5]), Err(Malformed::NotCanonical));
        assert_eq!(decode::<Lenient<2, 2, 0>>(&[5, 6]), Err(Malformed::NotCanonical));
    }

    #[test]
    fn refuses_what_is_not_exactly_one_value() {
        let good = encode(&sample()).unwrap();
        for end in 0..good.len() {
            assert_eq!(decode::<Sample>(&good[..end]), Err(Malformed::Shape), "cut at {end}");
        }
        let mut longer = good.clone();
        longer.push(0);
        assert_eq!(decode::<Sample>(&longer), Err(Malformed::Trailing(1)));
        assert_eq!(decode::<Sample>(&vec![0; MAX_MESSAGE + 1]), Err(Malformed::TooLong(MAX_MESSAGE + 1)));
    }

    #[test]
    fn claimed_lengths_are_refused_without_allocating_them() {
        for claim in [4u64, 1 << 20, 1 << 40, u64::MAX] {
            let bytes = claim.to_le_bytes();
            assert_eq!(decode::<List<u8, 3>>(&bytes), Err(Malformed::Shape), "list of {claim}");
            assert_eq!(decode::<Blob<3>>(&bytes), Err(Malformed::Shape), "blob of {claim}");
            assert_eq!(decode::<Text<3>>(&bytes), Err(Malformed::Shape), "text of {claim}");
        }
        let four = encode(&vec![1u8, 2, 3, 4]).unwrap();
        assert_eq!(decode::<List<u8, 3>>(&four), Err(Malformed::Shape));
        assert!(decode::<List<u8, 4>>(&four).is_ok());
    }

    #[test]
    fn hex_has_one_text_per_value() {
        assert_eq!(from_hex("0aff"), Some(vec![10, 255]));
        assert_eq!(from_hex("0AFF"), None);
        assert_eq!(from_hex("0af"), None);
    }
}
