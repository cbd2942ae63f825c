//! The sessions: one task each, driving the protocol's core.
//!
//! Owns what a command may ask of them and what it hears. It must not hold SQL or read configuration.

use crate::error::Error;
use crate::links::Links;
use crate::listener::LinkEvent;
use crate::store::Store;
use samensom_protocol::crypto::keys::Identity;
use samensom_protocol::ids::{SessionId, WarrantHash};
use samensom_protocol::io::Failure;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Why a session could not begin.
pub type RunError = Error;

/// What the sessions need besides store and links.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Where bundles are written.
    pub results: PathBuf,
    /// While this file exists, GO is held back; for rehearsals of drop-outs.
    pub hold_go: Option<PathBuf>,
}

/// What a command hears of a session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Progress {
    /// So many answered in a round.
    Line {
        /// The round.
        round: String,
        /// How many answered.
        present: u16,
        /// Of how many.
        expected: u16,
        /// In which attempt, from 0.
        attempt: u16,
    },
    /// There is a result.
    Done {
        /// The session.
        session: SessionId,
        /// Facts about it.
        summary: serde_json::Value,
    },
    /// There is none.
    Failed {
        /// The session.
        session: SessionId,
        /// Why.
        failure: Failure,
    },
}

/// The sessions; a handle that may be cloned.
#[derive(Debug, Clone)]
pub struct Sessions {}

impl Sessions {
    /// Starts the task that hears the links.
    #[must_use]
    pub fn spawn(
        store: Arc<Store>,
        links: Links,
        mut events: mpsc::Receiver<LinkEvent>,
        identity: Arc<Identity>,
        options: Options,
    ) -> Sessions {
        tokio::spawn(async move {
            let _held = (store, links, identity, options);
            while events.recv().await.is_some() {}
        });
        Sessions {}
    }

    /// Runs a warrant.
    ///
    /// # Errors
    /// When it cannot begin.
    pub async fn run(&self, warrant: WarrantHash) -> Result<(SessionId, mpsc::Receiver<Progress>), RunError> {
        Err(Error::session("this version cannot run a session yet").place(format!("warrant {warrant}")))
    }
}
