//! What can go wrong, by whose fault it is, and the exit code that says so.
//!
//! Owns the one error type of this program. Every error answers four questions: what, where, what was
//! expected, what to do. It travels over the control socket as JSON. It must not hold a secret or a figure.

use core::fmt;
use serde::{Deserialize, Serialize};

/// The four answers of an error; an empty one is not shown.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Report {
    /// What is wrong.
    pub what: String,
    /// File and line, row, key, session.
    pub place: String,
    /// What was expected there.
    pub expected: String,
    /// What to do now.
    pub remedy: String,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        for (label, text) in [("where", &self.place), ("expected", &self.expected), ("do", &self.remedy)] {
            if !text.is_empty() {
                write!(f, "\n  {label}: {text}")?;
            }
        }
        Ok(())
    }
}

/// Why this program did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Error {
    /// What was asked cannot be done as it stands.
    #[error("{0}")]
    Asked(Report),
    /// A configuration file is wrong.
    #[error("{0}")]
    Config(Report),
    /// The roster or its rules do not allow it.
    #[error("{0}")]
    Refused(Report),
    /// The server of this data folder does not answer.
    #[error("{0}")]
    NotRunning(Report),
    /// A fingerprint, a signature or a result is not what it should be.
    #[error("{0}")]
    Mismatch(Report),
    /// Disk, database or network of this machine failed, or this program is defective.
    #[error("{0}")]
    Machine(Report),
    /// The store's disk failed: what it holds is unknown, and the program must end.
    #[error("{0}")]
    Disk(Report),
    /// A session ended without a sum, or could not begin.
    #[error("{0}")]
    Session(Report),
    /// Whoever read our output has stopped reading; not a failure.
    #[error("nobody reads the output any more")]
    Unread,
}

impl Error {
    /// The request cannot be done.
    pub fn asked(what: impl Into<String>) -> Self {
        Error::Asked(Report::new(what))
    }
    /// A configuration file is wrong.
    pub fn config(what: impl Into<String>) -> Self {
        Error::Config(Report::new(what))
    }
    /// Roster or rules do not allow it.
    pub fn refused(what: impl Into<String>) -> Self {
        Error::Refused(Report::new(what))
    }
    /// Something is not what it should be.
    pub fn mismatch(what: impl Into<String>) -> Self {
        Error::Mismatch(Report::new(what))
    }
    /// This machine or this program failed.
    pub fn machine(what: impl Into<String>) -> Self {
        Error::Machine(Report::new(what))
    }
    /// A session ended without a sum.
    pub fn session(what: impl Into<String>) -> Self {
        Error::Session(Report::new(what))
    }
    /// A file or folder could not be used.
    pub fn file(path: &std::path::Path, doing: &str, why: &std::io::Error) -> Self {
        let remedy = match why.kind() {
            std::io::ErrorKind::NotFound => "check the path",
            std::io::ErrorKind::PermissionDenied => {
                "run as the user that owns it, or correct its permissions"
            }
            std::io::ErrorKind::AlreadyExists => "choose another name; nothing is ever overwritten",
            _ => "",
        };
        Error::asked(format!("cannot {doing}: {why}")).place(path.display().to_string()).remedy(remedy)
    }

    /// The same error at this place.
    #[must_use]
    pub fn place(mut self, place: impl Into<String>) -> Self {
        self.edit(|report| report.place = place.into());
        self
    }
    /// The same error, saying what was expected.
    #[must_use]
    pub fn expected(mut self, expected: impl Into<String>) -> Self {
        self.edit(|report| report.expected = expected.into());
        self
    }
    /// The same error, saying what to do.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.edit(|report| report.remedy = remedy.into());
        self
    }

    fn edit(&mut self, change: impl FnOnce(&mut Report)) {
        match self {
            Error::Asked(report)
            | Error::Config(report)
            | Error::Refused(report)
            | Error::NotRunning(report)
            | Error::Mismatch(report)
            | Error::Machine(report)
            | Error::Disk(report)
            | Error::Session(report) => change(report),
            Error::Unread => {}
        }
    }

    /// Exit code of a command that ends with this error; the list stands at the end of `--help`.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Unread => 0,
            Error::Asked(_) | Error::Machine(_) | Error::Disk(_) | Error::Session(_) => 1,
            Error::Config(_) => 3,
            Error::Refused(_) => 4,
            Error::NotRunning(_) => 5,
            Error::Mismatch(_) => 8,
        }
    }
}

impl Report {
    fn new(what: impl Into<String>) -> Self {
        Report { what: what.into(), ..Report::default() }
    }
}

impl From<rusqlite::Error> for Error {
    fn from(why: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode::{DatabaseCorrupt, DiskFull, NotADatabase, SystemIoFailure};
        let disk = [DatabaseCorrupt, DiskFull, NotADatabase, SystemIoFailure];
        let disk = why.sqlite_error_code().is_some_and(|code| disk.contains(&code));
        let report = Report::new(format!("the database failed: {why}"));
        let error = if disk { Error::Disk(report) } else { Error::Machine(report) };
        error.place("samensom.db").remedy(
            "check that the disk is not full and that the file is not damaged; restore a backup if it is",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_answers_in_order_and_leaves_out_what_is_empty() {
        let error =
            Error::config("unknown key `lisen`").place("coordinator.toml, line 1").remedy("`listen`?");
        assert_eq!(
            error.to_string(),
            "unknown key `lisen`\n  where: coordinator.toml, line 1\n  do: `listen`?"
        );
        assert_eq!(error.exit_code(), 3);
    }

    #[test]
    fn an_error_survives_the_control_socket() {
        let error = Error::mismatch("words differ").expected("the same six words");
        let json = serde_json::to_string(&error).unwrap();
        assert_eq!(serde_json::from_str::<Error>(&json).unwrap(), error);
    }
}
