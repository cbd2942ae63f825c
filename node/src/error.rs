//! What can end a command or the service, and the exit code that says by whose fault.
//!
//! Owns [`Error`] and the table of exit codes. Each text says what, where, what was expected and what to
//! do. Figures of the hospital and secrets never stand in it.

use crate::audit::LogError;
use crate::chain::Change;
use crate::config::ConfigError;
use crate::ledger::LedgerError;
use crate::link::LinkError;
use samensom_protocol::admission::EnrolRefusal;
use samensom_protocol::roster::RosterFault;

/// Shown at the end of `--help`.
pub const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed
  2  bad command line
  3  bad configuration or token file
  4  not enrolled, or refused
  5  coordinator unreachable
  6  refused by local policy
  7  check found problems
  8  verification failed";

/// What ends a command or the service.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A query cannot be read, or has no values.
    #[error("{0}")]
    Query(String),
    /// The state cannot be used.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The audit log cannot be used.
    #[error(transparent)]
    Audit(#[from] LogError),
    /// No session of this id stands in the audit log, or an option is wrong.
    #[error("{0}")]
    Asked(String),
    /// This hospital has left.
    #[error(
        "this hospital has left, since {since}\n  do: to take part again, ask LCG for a new token and enrol in a new \
         state folder"
    )]
    Left {
        /// When.
        since: String,
    },
    /// The link failed.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The protocol's core broke off.
    #[error(
        "a step of the protocol did not end; the figures of this session are wiped\n  do: start the service again, and \
         report this to LCG with the version of this program"
    )]
    Stepped,
    /// The self-test could not be made.
    #[error(
        "the self-test could not be made: {what}\n  do: report this to LCG with the version of this program"
    )]
    SelfTest {
        /// Which part of it.
        what: &'static str,
    },
    /// The identity key cannot be used.
    #[error("{path}: {problem}\n  expected: {expected}\n  do: {todo}")]
    Identity {
        /// The key's file.
        path: String,
        /// What is wrong.
        problem: String,
        /// What should be.
        expected: &'static str,
        /// What to do.
        todo: &'static str,
    },
    /// The token file cannot be read.
    #[error("{path}: {problem}\n  expected: the token file that LCG gave, unchanged\n  do: {todo}")]
    Token {
        /// The file.
        path: String,
        /// What is wrong.
        problem: String,
        /// What to do.
        todo: &'static str,
    },
    /// The command needs an enrolled agent.
    #[error(
        "{state}: this agent is not enrolled\n  expected: a hospital's agent that LCG knows\n  do: run \
             `samensom-node enroll --token-file FILE` with the token of LCG"
    )]
    NotEnrolled {
        /// The state folder.
        state: String,
    },
    /// A second enrolment differs from the first.
    #[error(
        "{state}: already enrolled as {have}\n  expected: a token for the same hospital, coordinator key and first roster; found {found}\n  \
         do: use another state folder (node.state) for another hospital; to move, ask LCG"
    )]
    OtherEnrolment {
        /// The state folder.
        state: String,
        /// As whom.
        have: String,
        /// What the token says.
        found: String,
    },
    /// The coordinator does not take the token.
    #[error("enrolment refused ({}): {}\n  do: ask LCG for a new token (`samensom hospital token`)", .0.code(), refusal(.0))]
    EnrolRefused(EnrolRefusal),
    /// The words do not fit.
    #[error(
        "the roster's words do not fit\n  expected: {given} (as given)\n  found: {found} (roster {epoch})\n  do: read the words \
         again with LCG over the telephone; if they still differ, do not accept, somebody shows this hospital \
         another roster"
    )]
    Words {
        /// By the operator.
        given: String,
        /// Of the newest roster.
        found: String,
        /// Its number.
        epoch: u32,
    },
    /// There is no roster to accept.
    #[error(
        "no roster lists this hospital's key yet\n  do: confirm the key's words to LCG by telephone and wait until a roster \
             with this hospital is signed"
    )]
    NotListed,
    /// A roster waits for the operator.
    #[error(
        "roster {epoch} waits for confirmation: {change}\n  its words: {words}\n  do: compare the words with LCG by telephone, then \
             run `samensom-node enroll --accept-roster \"{words}\"`"
    )]
    Held {
        /// Its number.
        epoch: u32,
        /// What it changes.
        change: Box<Change>,
        /// Its fingerprint.
        words: String,
    },
    /// A roster does not follow those before it.
    #[error(
        "the coordinator sent a roster that is not valid: {0}\n  expected: the first roster of the token, or one signed by the signers \
             of the roster before\n  do: tell LCG; this agent stays with the roster it has"
    )]
    Roster(#[from] RosterFault),
    /// Two rosters with one number.
    #[error(
        "the coordinator shows another roster {epoch} than this agent has\n  expected: {ours}\n  found: {theirs}\n  do: tell LCG and \
             compare these words by telephone; this agent takes part in nothing until they fit"
    )]
    Fork {
        /// The number.
        epoch: u32,
        /// Words of the one here.
        ours: String,
        /// Words of the other.
        theirs: String,
    },
    /// The roster gives our key another number than the token did.
    #[error(
        "the roster lists this key as {found}, the token was for {expected}\n  do: tell LCG; one of the two is wrong"
    )]
    OtherNumber {
        /// In the token.
        expected: samensom_protocol::ids::NodeId,
        /// In the roster.
        found: samensom_protocol::ids::NodeId,
    },
    /// The extracts could not be read at all.
    #[error(transparent)]
    Extracts(#[from] crate::extract::ExtractError),
    /// `check` or `data check` found problems; they were shown.
    #[error("problems were found; each line above says what to do")]
    Problems,
    /// Something that the consent desk does not do, and why.
    #[error("{0}\n  do: see `samensom-node queries list`")]
    Desk(String),
    /// A rule of this hospital decides, not a person.
    #[error(
        "{by}: no person's approval changes that\n  do: change it in node.toml first, then restart the agent"
    )]
    Ruled {
        /// The rule.
        by: String,
    },
    /// The program's own input and output.
    #[error("{doing}: {source}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
}

impl Error {
    /// The program's exit code.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Ledger(LedgerError::Absent { .. }) => 4,
            Error::Ledger(_)
            | Error::Identity { .. }
            | Error::Roster(_)
            | Error::Fork { .. }
            | Error::SelfTest { .. }
            | Error::Stepped
            | Error::Extracts(_)
            | Error::Io { .. } => 1,
            Error::Config(_) | Error::Query(_) | Error::Token { .. } => 3,
            Error::NotEnrolled { .. }
            | Error::OtherEnrolment { .. }
            | Error::EnrolRefused(_)
            | Error::Words { .. }
            | Error::NotListed
            | Error::Held { .. }
            | Error::OtherNumber { .. } => 4,
            Error::Audit(LogError::Broken { .. }) => 8,
            Error::Audit(_) | Error::Asked(_) | Error::Desk(_) => 1,
            Error::Left { .. } | Error::Ruled { .. } => 6,
            Error::Link(_) => 5,
            Error::Problems => 7,
        }
    }

    /// True if a later attempt over a new link may succeed without anybody doing anything here.
    #[must_use]
    pub fn passes(&self) -> bool {
        matches!(self, Error::Link(_) | Error::Roster(_) | Error::Fork { .. })
    }
}

fn refusal(why: &EnrolRefusal) -> &'static str {
    match why {
        EnrolRefusal::UnknownToken => {
            "the coordinator does not know this token, or it is for another hospital"
        }
        EnrolRefusal::UsedToken => "this token was used before, with another key",
        EnrolRefusal::ExpiredToken => "this token's time is over",
    }
}
