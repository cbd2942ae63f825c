//! Row 12: every survivor gets what all survivors committed to and the total, so that each checks it.

use crate::links::Links;
use samensom_protocol::ids::NodeId;
use std::sync::Arc;
use std::time::Duration;

/// A reader that takes nothing for so long is left behind.
const PATIENCE: Duration = Duration::from_secs(10);

/// Sends the frames to all at once, in order, to each as fast as it takes them. A reader that is too slow or gone
/// misses the rest; its part ends at its own deadline.
pub(super) async fn frames(links: Links, frames: Arc<Vec<Vec<u8>>>, to: Vec<NodeId>) {
    let mut sending = Vec::new();
    for to in to {
        let (links, frames) = (links.clone(), Arc::clone(&frames));
        sending.push(tokio::spawn(async move {
            for frame in frames.iter() {
                let sent = tokio::time::timeout(PATIENCE, links.send_when_free(to, frame.clone())).await;
                if !matches!(sent, Ok(true)) {
                    return;
                }
            }
        }));
    }
    for reader in sending {
        let _ = reader.await;
    }
}
