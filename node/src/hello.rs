//! How a link begins: hello, welcome, and the rosters that this agent has missed.
//!
//! Owns the exchange of admission frames of a node that is enrolled. What a roster may change is decided in
//! `chain.rs`. It must not know sessions; frames of theirs that come meanwhile wait in the link.

use crate::chain::Chain;
use crate::clock::now;
use crate::error::Error;
use crate::ledger::Pins;
use crate::link::{Link, LinkError};
use samensom_protocol::admission::{Admission, RosterAt};
use samensom_protocol::codec::Text;
use samensom_protocol::ids::NodeId;
use std::time::Duration;
use tokio::time::timeout;

/// How long the coordinator may take to answer.
pub const ANSWER: Duration = Duration::from_secs(10);
/// Largest difference between the two clocks that raises no warning, in milliseconds.
pub const SKEW_MS: u64 = 60_000;

/// What the coordinator said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Welcome {
    /// Version of its program.
    pub software: String,
    /// Who it says we are in the newest roster. Shown, never trusted: the accepted roster decides.
    pub node: Option<NodeId>,
    /// The newest roster.
    pub head: RosterAt,
    /// How far its clock is from ours, in milliseconds.
    pub skew_ms: u64,
}

/// Says hello, waits for the welcome, fetches the rosters that are missing here.
///
/// # Errors
/// When the link fails, the coordinator says something else, or a roster is not valid.
pub async fn greet(link: &mut Link, chain: &mut Chain, pins: &mut Pins) -> Result<Welcome, Error> {
    say(link, &hello(chain)).await?;
    let welcome = expect(link, "a welcome", |frame| match frame {
        Admission::Welcome { .. } => Ok(frame),
        other => Err(other),
    });
    let welcome = welcome.await?;
    on_welcome(link, chain, pins, welcome).await
}

/// Reads an admission frame that came by itself: a new welcome, when there is a new roster.
///
/// # Errors
/// As [`greet`].
pub async fn on_frame(
    link: &mut Link,
    chain: &mut Chain,
    pins: &mut Pins,
    frame: &[u8],
) -> Result<Welcome, Error> {
    let frame = Admission::from_frame(frame).map_err(LinkError::Malformed)?;
    on_welcome(link, chain, pins, frame).await
}

/// Our first frame.
#[must_use]
pub fn hello(chain: &Chain) -> Admission {
    let at = |roster: &samensom_protocol::roster::Roster| RosterAt {
        epoch: roster.body().epoch,
        hash: roster.hash(),
    };
    Admission::Hello {
        software: Text::new(env!("CARGO_PKG_VERSION")).unwrap_or_default(),
        roster: chain.current().map(at),
    }
}

/// Sends an admission frame.
///
/// # Errors
/// When the link is gone.
pub async fn say(link: &Link, what: &Admission) -> Result<(), LinkError> {
    link.sender().send(what.to_frame()?).await
}

/// Waits for one kind of admission frame. Welcomes and heads that come by themselves meanwhile are passed
/// over, for the next hello brings newer ones.
///
/// # Errors
/// When the link fails, another frame comes, or nothing does.
pub async fn expect<T>(
    link: &mut Link,
    waiting_for: &'static str,
    wanted: impl Fn(Admission) -> Result<T, Admission>,
) -> Result<T, LinkError> {
    let wait = async {
        loop {
            let frame = Admission::from_frame(&link.recv_admission().await?)?;
            match wanted(frame) {
                Ok(found) => return Ok(found),
                Err(Admission::Welcome { .. } | Admission::LogNoted { .. } | Admission::Tree { .. }) => {}
                Err(_) => return Err(LinkError::Unexpected { expected: waiting_for }),
            }
        }
    };
    let silent = |_| LinkError::Silent { waiting_for, limit: ANSWER };
    timeout(ANSWER, wait).await.map_err(silent)?
}

async fn on_welcome(
    link: &mut Link,
    chain: &mut Chain,
    pins: &mut Pins,
    frame: Admission,
) -> Result<Welcome, Error> {
    let Admission::Welcome { software, node, head, at } = frame else {
        return Err(LinkError::Unexpected { expected: "a welcome" }.into());
    };
    let here = now();
    let skew_ms = at.since_ms(here).max(here.since_ms(at));
    while chain.lacks(&head)? {
        let after = chain.newest().map(|roster| roster.body().epoch);
        say(link, &Admission::RostersAfter(after)).await?;
        let rosters = expect(link, "rosters", |frame| match frame {
            Admission::Rosters(rosters) => Ok(rosters.into_vec()),
            other => Err(other),
        });
        let rosters = rosters.await?;
        if rosters.is_empty() {
            return Err(LinkError::Unexpected { expected: "the rosters up to the one it named" }.into());
        }
        chain.extend(pins, rosters)?;
    }
    if let Some(newest) = chain.newest().map(|roster| roster.body().epoch).filter(|ours| *ours > head.epoch) {
        // A restored backup, or somebody who wants members back that left: this agent never goes back.
        tracing::warn!(
            newest,
            shown = head.epoch,
            "the coordinator shows an older roster than this agent follows"
        );
    }
    Ok(Welcome { software: software.to_string(), node, head, skew_ms })
}
