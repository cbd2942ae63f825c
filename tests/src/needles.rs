//! Looking for planted figures in bytes, files and the memory of processes.
//!
//! Owns every form in which a figure could lie somewhere: digits, machine words in both byte orders, packed
//! bytes, and the hexadecimal text of those. It must not decide whether a find is a leak.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

const CHUNK: usize = 1 << 20;

/// So many digits in a row, of base 16, are no figure: a digest, a key, or a time in milliseconds.
const NO_FIGURE: usize = 13;

/// Forms of planted figures, by what they are called.
#[derive(Debug, Clone, Default)]
pub struct Needles {
    named: Vec<(String, Vec<u8>)>,
    /// Which of them are short enough to stand in a digest by chance.
    short: Vec<bool>,
    by_start: BTreeMap<[u8; 2], Vec<usize>>,
    longest: usize,
}

impl Needles {
    /// Adds a text.
    pub fn text(&mut self, name: &str, text: &str) {
        self.add(format!("{name} as text"), text.as_bytes().to_vec());
    }

    /// Adds the digits of a figure that is short enough to stand in a digest or a time by chance: in
    /// thirteen digits of base 16 in a row it does not count.
    pub fn short(&mut self, name: &str, figure: u64) {
        self.text(name, &figure.to_string());
        *self.short.last_mut().expect("just added") = true;
    }

    /// Adds a machine word in both byte orders, raw and as hexadecimal text.
    pub fn word(&mut self, name: &str, word: u64) {
        for (order, bytes) in [("little-endian", word.to_le_bytes()), ("big-endian", word.to_be_bytes())] {
            self.bytes(&format!("{name}, {order}"), &bytes);
        }
    }

    /// Adds bytes, raw and as hexadecimal text.
    pub fn bytes(&mut self, name: &str, bytes: &[u8]) {
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        self.add(name.to_owned(), bytes.to_vec());
        self.add(format!("{name}, hexadecimal"), hex.into_bytes());
    }

    fn add(&mut self, name: String, bytes: Vec<u8>) {
        let [first, second, ..] = bytes[..] else { panic!("{name} is too short to look for") };
        self.longest = self.longest.max(bytes.len());
        self.by_start.entry([first, second]).or_default().push(self.named.len());
        self.named.push((name, bytes));
        self.short.push(false);
    }

    /// Every form, one after the other with bytes between.
    #[must_use]
    pub fn all_forms(&self) -> Vec<u8> {
        self.named.iter().flat_map(|(_, bytes)| bytes.iter().copied().chain([b'|'; 3])).collect()
    }

    /// Names of all forms.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        self.named.iter().map(|(name, _)| name.as_str()).collect()
    }

    /// The forms that occur in these bytes.
    #[must_use]
    pub fn in_bytes(&self, bytes: &[u8]) -> Vec<&str> {
        let mut starts = vec![false; 1 << 16];
        for start in self.by_start.keys() {
            starts[usize::from(u16::from_be_bytes(*start))] = true;
        }
        let mut found = vec![false; self.named.len()];
        for (at, pair) in bytes.windows(2).enumerate() {
            let start = [pair[0], pair[1]];
            if starts[usize::from(u16::from_be_bytes(start))] {
                for index in &self.by_start[&start] {
                    found[*index] |= bytes[at..].starts_with(&self.named[*index].1)
                        && !(self.short[*index] && digits_around(bytes, at) >= NO_FIGURE);
                }
            }
        }
        let hits = self.named.iter().zip(found).filter(|(_, found)| *found);
        hits.map(|((name, _), _)| name.as_str()).collect()
    }

    /// The forms that occur in a file.
    ///
    /// # Panics
    /// When it cannot be read.
    #[must_use]
    pub fn in_file(&self, path: &Path) -> Vec<&str> {
        self.in_bytes(&std::fs::read(path).unwrap_or_else(|why| panic!("{}: {why}", path.display())))
    }

    /// The forms that occur in the memory of a process, and how many bytes of it were read.
    ///
    /// # Panics
    /// When its memory may not be read.
    #[must_use]
    pub fn in_process(&self, process: u32) -> (Vec<&str>, usize) {
        let maps = std::fs::read_to_string(format!("/proc/{process}/maps")).expect("its maps");
        let mut memory = File::open(format!("/proc/{process}/mem")).expect("its memory");
        let (mut found, mut read) = (Vec::new(), 0);
        for (from, to) in maps.lines().filter_map(readable) {
            let mut at = from;
            while at < to {
                // Chunks overlap, so that no form hides on their border.
                let length = usize::try_from(to - at).unwrap_or(CHUNK).min(CHUNK);
                let mut bytes = vec![0; length];
                if memory.seek(SeekFrom::Start(at)).is_err() || memory.read_exact(&mut bytes).is_err() {
                    // A region of the kernel's own, such as vvar, cannot be read at all.
                    break;
                }
                read += length;
                found.extend(self.in_bytes(&bytes));
                if length < CHUNK {
                    break;
                }
                at += u64::try_from(length - self.longest).expect("a chunk is longer than a form");
            }
        }
        found.sort_unstable();
        found.dedup();
        (found, read)
    }
}

/// How many digits of base 16 stand in a row around a place.
fn digits_around(bytes: &[u8], at: usize) -> usize {
    let before = bytes[..at].iter().rev().take_while(|byte| byte.is_ascii_hexdigit()).count();
    before + bytes[at..].iter().take_while(|byte| byte.is_ascii_hexdigit()).count()
}

fn readable(line: &str) -> Option<(u64, u64)> {
    let mut words = line.split_whitespace();
    let (from, to) = words.next()?.split_once('-')?;
    words.next()?.starts_with('r').then_some(())?;
    Some((u64::from_str_radix(from, 16).ok()?, u64::from_str_radix(to, 16).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A log of a real session was said to hold the figure 697050: it held a digest with these digits.
    #[test]
    fn repro_a_digest_is_no_figure() {
        let mut needles = Needles::default();
        needles.short("it", 697_050);
        for none in ["\"6f2c697050ae81\"", "at 1763852697050 it", "697051", "69705"] {
            assert_eq!(needles.in_bytes(none.as_bytes()), Vec::<&str>::new(), "{none}");
        }
        for one in ["697050", "sum=697050", "697050.000000", "697050pcs", "x,697050", "697050000000"] {
            assert_eq!(needles.in_bytes(one.as_bytes()), ["it as text"], "{one}");
        }
    }
}
