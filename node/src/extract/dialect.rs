//! The bytes of a file -> UTF-8 text, in the declared encoding, a piece at a time.
//!
//! Owns what an encoding and a byte order mark mean. A mark that contradicts the declaration is refused;
//! bytes that are no text in the declared encoding become U+FFFD, by which their row is rejected later.

use super::cell::BadCell;
use super::records::Stop;
use encoding_rs::{CoderResult, Decoder, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};
use std::io::Read;

const PIECE: usize = 16 * 1024;

/// How a file's text is written as bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8, with or without a byte order mark.
    Utf8,
    /// UTF-16, whose byte order mark says in which order.
    Utf16,
    /// UTF-16, low byte first.
    Utf16Le,
    /// UTF-16, high byte first.
    Utf16Be,
    /// Windows' code page for western Europe.
    Windows1252,
}

impl Encoding {
    const ALL: [Encoding; 5] =
        [Encoding::Utf8, Encoding::Utf16, Encoding::Utf16Le, Encoding::Utf16Be, Encoding::Windows1252];

    /// The word for it in node.toml.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Encoding::Utf8 => "utf-8",
            Encoding::Utf16 => "utf-16",
            Encoding::Utf16Le => "utf-16le",
            Encoding::Utf16Be => "utf-16be",
            Encoding::Windows1252 => "windows-1252",
        }
    }

    /// The encoding of this name.
    ///
    /// # Errors
    /// The names there are, and the nearest.
    pub(super) fn parse(name: &str) -> Result<Encoding, String> {
        let all = Encoding::ALL.map(Encoding::name);
        let found = Encoding::ALL.into_iter().find(|encoding| encoding.name() == name);
        found.ok_or_else(|| super::config::unknown("encoding", name, &all))
    }

    /// The decoder for a file that begins so, and how long its byte order mark is.
    fn decoder(self, start: &[u8]) -> Result<(Decoder, usize), BadCell> {
        let marked = [
            (&b"\xff\xfe\x00\x00"[..], None),
            (b"\x00\x00\xfe\xff", None),
            (b"\xef\xbb\xbf", Some(Encoding::Utf8)),
            (b"\xff\xfe", Some(Encoding::Utf16Le)),
            (b"\xfe\xff", Some(Encoding::Utf16Be)),
        ];
        let mark = marked.into_iter().find(|(mark, _)| start.starts_with(mark));
        let (length, real) = match (mark, self) {
            (None, Encoding::Utf16) => return Err(no_mark()),
            (None, declared) => (0, declared),
            (Some((_, None)), _) => return Err(utf_32()),
            (Some((mark, Some(found))), declared) => {
                let either = declared == Encoding::Utf16 && found != Encoding::Utf8;
                if found != declared && !either {
                    return Err(contradiction(declared, found));
                }
                (mark.len(), found)
            }
        };
        let decoder = match real {
            Encoding::Utf8 => UTF_8,
            Encoding::Utf16 | Encoding::Utf16Le => UTF_16LE,
            Encoding::Utf16Be => UTF_16BE,
            Encoding::Windows1252 => WINDOWS_1252,
        };
        Ok((decoder.new_decoder_without_bom_handling(), length))
    }
}

fn no_mark() -> BadCell {
    BadCell {
        reason: "no byte order mark, by which `utf-16` knows its order".into(),
        remedy:
            "declare encoding = \"utf-16le\" or \"utf-16be\", or \"utf-8\" or \"windows-1252\" if it is no \
                 UTF-16 at all"
                .into(),
    }
}

fn utf_32() -> BadCell {
    BadCell {
        reason: "a byte order mark of UTF-32".into(),
        remedy: "export the file as UTF-8 and declare encoding = \"utf-8\"".into(),
    }
}

fn contradiction(declared: Encoding, found: Encoding) -> BadCell {
    let (declared, found) = (declared.name(), found.name());
    BadCell {
        reason: format!("a byte order mark of {found} where {declared} is declared").into(),
        remedy: format!("declare encoding = \"{found}\"").into(),
    }
}

/// A file's text, read as it is needed.
pub(super) struct Text<'a> {
    source: &'a mut dyn Read,
    decoder: Decoder,
    raw: Vec<u8>,
    start: usize,
    end: usize,
    source_ended: bool,
    ended: bool,
}

impl<'a> Text<'a> {
    /// Looks at the byte order mark.
    pub(super) fn open(source: &'a mut dyn Read, declared: Encoding) -> Result<Text<'a>, Stop> {
        let mut raw = vec![0; PIECE];
        let mut end = 0;
        while end < 4 {
            match source.read(raw.get_mut(end..).unwrap_or_default()).map_err(Stop::Io)? {
                0 => break,
                more => end += more,
            }
        }
        let start = raw.get(..end.min(4)).unwrap_or_default();
        if start.is_empty() {
            return Err(Stop::unfit(
                None,
                "the file is empty (0 bytes)",
                "export it again; a stock of nothing still has its header",
            ));
        }
        let (decoder, mark) =
            declared.decoder(start).map_err(|bad| Stop::Unfit { row: Some(1), bad: Box::new(bad) })?;
        Ok(Text { source, decoder, raw, start: mark, end, source_ended: false, ended: false })
    }

    /// Puts the next piece of text into `out`, whole characters only; nothing at the end.
    pub(super) fn fill(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        loop {
            if self.ended {
                return Ok(0);
            }
            if self.start == self.end && !self.source_ended {
                self.start = 0;
                self.end = self.source.read(&mut self.raw)?;
                self.source_ended = self.end == 0;
            }
            let piece = self.raw.get(self.start..self.end).unwrap_or_default();
            let (result, read, written, _) = self.decoder.decode_to_utf8(piece, out, self.source_ended);
            self.start += read;
            // Called again after it has said that all is done, a decoder would fail.
            self.ended = self.source_ended && result == CoderResult::InputEmpty;
            if written > 0 {
                return Ok(written);
            }
        }
    }
}
