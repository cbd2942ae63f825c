//! How the service is: ready, alive, linked or not, stopping; told to systemd and kept for `status`.
//!
//! Owns the words to systemd (`Type=notify`, `WatchdogSec=`) and the file from which `status` reads the link.
//! Nothing depends on either. What is told holds an address and a state, never a figure.

use jiff::Timestamp;
use sd_notify::NotifyState;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::task::JoinHandle;

/// The link as it was last seen, for `status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkSeen {
    /// Whether there is one.
    pub linked: bool,
    /// Since when, in UTC.
    pub since: String,
    /// To whom, or why not.
    pub line: String,
}

impl LinkSeen {
    /// Reads what the agent over this folder wrote last; `None` before it ever ran.
    #[must_use]
    pub fn read(state: &Path) -> Option<LinkSeen> {
        serde_json::from_slice(&std::fs::read(file(state)).ok()?).ok()
    }
}

fn file(state: &Path) -> PathBuf {
    state.join("link.json")
}

/// Tells the service manager how the agent is, and until it is dropped that it is alive.
#[derive(Debug)]
pub struct Health {
    alive: Option<JoinHandle<()>>,
    state: PathBuf,
    seen: Option<LinkSeen>,
}

impl Health {
    /// Ready to serve: configuration and state are in use, whether or not the coordinator can be reached.
    /// From now on a sign of life is given twice as often as the service manager asks, by a task of the loop
    /// that serves the link: one that hangs gives none.
    #[must_use]
    pub fn ready(state: &Path) -> Health {
        tell(&[NotifyState::Ready]);
        let alive = sd_notify::watchdog_enabled().map(|limit| tokio::spawn(live(limit / 2)));
        let mut health = Health { alive, state: state.to_owned(), seen: None };
        health.link(false, "dialling");
        health
    }

    /// How the link is, in one line, which `systemctl status` and `samensom-node status` show.
    pub fn link(&mut self, linked: bool, line: &str) {
        let same = self.seen.as_ref().filter(|seen| seen.linked == linked).map(|seen| seen.since.clone());
        let since = same.unwrap_or_else(|| Timestamp::now().strftime("%Y-%m-%d %H:%M:%SZ").to_string());
        let seen = LinkSeen { linked, since, line: line.to_owned() };
        if let Err(error) = write(&file(&self.state), &seen) {
            tracing::warn!(%error, "what `status` shows of the link is old");
        }
        self.seen = Some(seen);
        let status = if linked { format!("linked to {line}") } else { format!("not linked: {line}") };
        tell(&[NotifyState::Status(&status)]);
    }
}

impl Drop for Health {
    fn drop(&mut self) {
        if let Some(alive) = &self.alive {
            alive.abort();
        }
        tell(&[NotifyState::Stopping]);
    }
}

fn write(path: &Path, seen: &LinkSeen) -> io::Result<()> {
    let draft = path.with_extension("new");
    std::fs::write(&draft, serde_json::to_vec(seen)?)?;
    std::fs::rename(&draft, path)
}

async fn live(every: Duration) {
    loop {
        tell(&[NotifyState::Watchdog]);
        tokio::time::sleep(every).await;
    }
}

/// A service manager that cannot be told ends the service by itself, by the watchdog.
fn tell(state: &[NotifyState<'_>]) {
    let unheard: io::Result<()> = sd_notify::notify(state);
    if let Err(error) = unheard {
        tracing::debug!(%error, "the service manager does not listen");
    }
}
