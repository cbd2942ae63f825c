//! What went wrong between the file of a SELECT and its result.
//!
//! Owns the shape of the text: file, line and column, what, what to do. No value of a row, no password and
//! nothing of a password's file stands in it; what the server said may, where that holds no row (`said`).

use crate::extract::error::{ExtractError, on_one_line};
use std::fmt;
use std::path::{Path, PathBuf};

/// Why a database's rows cannot be had.
pub struct Fault {
    file: PathBuf,
    place: Option<(u64, u64)>,
    what: String,
    todo: String,
    by_server: bool,
}

impl Fault {
    pub(super) fn new(file: &Path, what: impl Into<String>, todo: impl Into<String>) -> Fault {
        Fault { file: file.to_owned(), place: None, what: what.into(), todo: todo.into(), by_server: false }
    }

    /// In this line and column of the file, where they are known.
    pub(super) fn at(self, place: impl Into<Option<(u64, u64)>>) -> Fault {
        Fault { place: place.into(), ..self }
    }

    /// Holds words of the server.
    #[cfg(any(feature = "postgres", feature = "mssql"))]
    pub(super) fn by_server(self) -> Fault {
        Fault { by_server: true, ..self }
    }

    /// True where every word of it is ours or the system's, so that a log may have it.
    pub(in crate::extract) fn is_ours(&self) -> bool {
        !self.by_server
    }
}

impl From<Fault> for ExtractError {
    fn from(fault: Fault) -> ExtractError {
        ExtractError::Database(Box::new(fault))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.display())?;
        if let Some((line, column)) = self.place {
            write!(f, ":{line}:{column}")?;
        }
        write!(f, ": {}; {}", on_one_line(&self.what), on_one_line(&self.todo))
    }
}
