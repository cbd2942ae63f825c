//! The driver: carries frames to the core and the core's outputs out, in order.
//!
//! Owns the incarnation and the open session across links. It must not hold SQL or parse configuration.

use crate::config::Config;
use crate::error::Error;
use crate::ledger::Ledger;
use crate::link::Link;
use samensom_protocol::admission::ADMISSION_VERSION;
use samensom_protocol::crypto::keys::Identity;
use samensom_protocol::ids::{NodeId, PublicKey};
use samensom_protocol::roster::Roster;
use std::sync::Arc;

/// One node's part in all sessions.
#[derive(Debug)]
pub struct Driver {
    me: NodeId,
    _identity: Arc<Identity>,
    _coordinator: PublicKey,
    _config: Arc<Config>,
    _ledger: Ledger,
}

impl Driver {
    /// A driver that holds the ledger as long as it lives.
    #[must_use]
    pub fn new(
        me: NodeId,
        identity: Arc<Identity>,
        coordinator: PublicKey,
        config: Arc<Config>,
        ledger: Ledger,
    ) -> Driver {
        Driver { me, _identity: identity, _coordinator: coordinator, _config: config, _ledger: ledger }
    }

    /// Serves one link until an admission frame comes, which it gives back (the caller reads it, then calls
    /// again over the same link), or until the link ends. The incarnation and an open session outlive it.
    ///
    /// # Errors
    /// `Error::Link` when the link ended; anything else ends the process.
    pub async fn serve(
        &mut self,
        link: &mut Link,
        _roster: &Roster,
        _rosters: &[Roster],
    ) -> Result<Vec<u8>, Error> {
        loop {
            let frame = link.recv().await?;
            if frame.first() == Some(&ADMISSION_VERSION) {
                return Ok(frame);
            }
            tracing::debug!(node = %self.me, bytes = frame.len(), "a frame of a session");
        }
    }
}
