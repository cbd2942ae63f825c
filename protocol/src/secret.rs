//! Secrets: never copied, never encoded, never printed, wiped when dropped.
//!
//! Owns [`Secret`]. A secret leaves it only through [`Secret::expose`], which is the word to search for.

use core::fmt;
use zeroize::Zeroize;

/// A value that must not be printed, cloned or encoded; wiped when it is dropped.
pub struct Secret<T: Zeroize>(pub(crate) T);

impl<T: Zeroize> Secret<T> {
    /// Takes the value in.
    pub fn new(value: T) -> Self {
        Secret(value)
    }
    /// The value, for the one computation that needs it.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T: Zeroize> Drop for Secret<T> {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl<T: Zeroize> fmt::Debug for Secret<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

/// A 32-byte key or seed.
pub type Key = Secret<[u8; 32]>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_nothing() {
        let text = format!("{:?} {:#?}", Secret::new([0xabu8; 32]), Secret::new(vec![171u8; 3]));
        assert_eq!(text, "<redacted> <redacted>");
    }
}
