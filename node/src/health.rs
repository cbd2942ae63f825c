//! How the service is, told to the service manager: ready, alive, linked or not, stopping.
//!
//! Owns the words to systemd (`Type=notify`, `WatchdogSec=`). Without a service manager nothing is told and
//! nothing changes. What is told holds an address and a state, never a figure.

use sd_notify::NotifyState;
use std::io;
use std::time::Duration;
use tokio::task::JoinHandle;

/// Tells the service manager how the agent is, and until it is dropped that it is alive.
#[derive(Debug)]
pub struct Health {
    alive: Option<JoinHandle<()>>,
}

impl Health {
    /// Ready to serve: configuration and state are in use, whether or not the coordinator can be reached.
    /// From now on a sign of life is given twice as often as the service manager asks, by a task of the loop
    /// that serves the link: one that hangs gives none.
    #[must_use]
    pub fn ready() -> Health {
        tell(&[NotifyState::Ready, NotifyState::Status("not linked yet")]);
        Health { alive: sd_notify::watchdog_enabled().map(|limit| tokio::spawn(live(limit / 2))) }
    }

    /// One line about the link, which `systemctl status` shows.
    pub fn say(&self, line: &str) {
        tell(&[NotifyState::Status(line)]);
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
