//! Row 12: every survivor gets every survivor's report, so that each recomputes the total.

use crate::links::Links;
use crate::store::Store;
use samensom_protocol::codec::Blob;
use samensom_protocol::ids::{AttemptId, NodeId};
use samensom_protocol::message::{Message, OutcomeBlock};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// Frames that may wait for one slow reader.
const AHEAD: usize = 64;
/// A reader that takes nothing for so long is left behind.
const PATIENCE: Duration = Duration::from_secs(10);

/// Sends the spooled reports, one hospital's after the other's, to all at once. A reader that is too slow
/// or gone misses them; its part ends at its own deadline.
pub(super) async fn reports(
    store: Arc<Store>,
    links: Links,
    sid: AttemptId,
    survivors: Vec<NodeId>,
    to: Vec<NodeId>,
) {
    let mut readers: Vec<mpsc::Sender<Arc<Vec<u8>>>> = Vec::new();
    for to in to {
        let (sender, mut frames) = mpsc::channel::<Arc<Vec<u8>>>(AHEAD);
        let links = links.clone();
        tokio::spawn(async move {
            while let Some(frame) = frames.recv().await {
                if !links.send_when_free(to, frame.to_vec()).await {
                    return;
                }
            }
        });
        readers.push(sender);
    }
    for of in survivors {
        for index in 0u32.. {
            let block = store.run(move |store| store.spooled(&sid, of, index)).await;
            let bytes = match block {
                Ok(Some(bytes)) => bytes,
                Ok(None) => break,
                Err(error) => {
                    tracing::error!(attempt = %sid, %error, "a spooled report cannot be read back");
                    return;
                }
            };
            let Ok(bytes) = Blob::new(bytes) else { return };
            let Ok(frame) = Message::OutcomeBlock(OutcomeBlock { sid, of, index, bytes }).to_frame() else {
                return;
            };
            let frame = Arc::new(frame);
            let mut keeping = Vec::with_capacity(readers.len());
            for reader in readers {
                let sent = tokio::time::timeout(PATIENCE, reader.send(Arc::clone(&frame))).await;
                if matches!(sent, Ok(Ok(()))) {
                    keeping.push(reader);
                }
            }
            readers = keeping;
        }
    }
}
