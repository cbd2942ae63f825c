//! Frames on a link: a length of four bytes, big-endian, and as many bytes.
//!
//! Owns the limits of what is read. Nothing is allocated for a length that was only claimed. It must not
//! know what a frame holds.

use samensom_protocol::codec::MAX_MESSAGE;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Longest frame: the version byte and the longest message.
pub const MAX_FRAME: usize = MAX_MESSAGE + 1;
/// Memory grows by this much at a time while a frame comes in.
const STEP: usize = 16 * 1024;
/// A frame that has begun must end within this time.
const READ_LIMIT: Duration = Duration::from_secs(60);
/// A peer that takes no bytes for this long has stopped reading.
const WRITE_LIMIT: Duration = Duration::from_secs(30);

/// Why a link ends at a frame.
#[derive(Debug, thiserror::Error)]
pub enum FrameFault {
    /// The stream ended or broke.
    #[error("the link broke: {0}")]
    Broken(#[from] std::io::Error),
    /// A length nobody may claim.
    #[error("a frame of {claimed} bytes, 1 to {most} expected")]
    Length {
        /// What the peer claims.
        claimed: usize,
        /// The most it may.
        most: usize,
    },
    /// The rest of a frame did not come, or ours was not taken.
    #[error("a frame took too long")]
    Slow,
}

/// The next frame, of at most as many bytes as `most` says when it begins; `None` when the peer closed the
/// stream between two frames.
///
/// # Errors
/// When the length is 0 or too much, the frame does not end in time, or the stream breaks.
pub async fn read(
    from: &mut (impl AsyncRead + Unpin),
    most: impl Fn() -> usize,
) -> Result<Option<Vec<u8>>, FrameFault> {
    read_within(from, most, READ_LIMIT).await
}

async fn read_within(
    from: &mut (impl AsyncRead + Unpin),
    most: impl Fn() -> usize,
    limit: Duration,
) -> Result<Option<Vec<u8>>, FrameFault> {
    let mut first = [0u8; 1];
    if from.read(&mut first).await? == 0 {
        return Ok(None);
    }
    let rest = read_rest(from, first, most());
    tokio::time::timeout(limit, rest).await.map_err(|_| FrameFault::Slow)?.map(Some)
}

async fn read_rest(
    from: &mut (impl AsyncRead + Unpin),
    [first]: [u8; 1],
    most: usize,
) -> Result<Vec<u8>, FrameFault> {
    let mut others = [0u8; 3];
    from.read_exact(&mut others).await?;
    let [second, third, fourth] = others;
    let claimed = u32::from_be_bytes([first, second, third, fourth]);
    let claimed = usize::try_from(claimed).unwrap_or(usize::MAX);
    if claimed == 0 || claimed > most {
        return Err(FrameFault::Length { claimed, most });
    }
    let mut bytes = Vec::new();
    while bytes.len() < claimed {
        let have = bytes.len();
        bytes.resize(have + STEP.min(claimed - have), 0);
        if let Some(new) = bytes.get_mut(have..) {
            from.read_exact(new).await?;
        }
    }
    Ok(bytes)
}

/// Writes one frame.
///
/// # Errors
/// When it is empty or too long, the peer does not take it in time, or the stream breaks.
pub async fn write(to: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> Result<(), FrameFault> {
    let length = FrameFault::Length { claimed: bytes.len(), most: MAX_FRAME };
    let claimed = match u32::try_from(bytes.len()) {
        Ok(claimed) if claimed > 0 && bytes.len() <= MAX_FRAME => claimed,
        _ => return Err(length),
    };
    let both = async {
        to.write_all(&claimed.to_be_bytes()).await?;
        to.write_all(bytes).await
    };
    Ok(tokio::time::timeout(WRITE_LIMIT, both).await.map_err(|_| FrameFault::Slow)??)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(claimed: u32, bytes: &[u8]) -> Vec<u8> {
        [&claimed.to_be_bytes(), bytes].concat()
    }

    #[tokio::test]
    async fn what_is_written_is_read() {
        for len in [1, STEP - 1, STEP, STEP + 1, MAX_FRAME] {
            let sent = vec![7u8; len];
            let mut line = Vec::new();
            write(&mut line, &sent).await.unwrap();
            let mut line = line.as_slice();
            assert_eq!(read(&mut line, || MAX_FRAME).await.unwrap().unwrap(), sent);
            assert!(read(&mut line, || MAX_FRAME).await.unwrap().is_none(), "a clean end");
        }
    }

    #[tokio::test]
    async fn lengths_beyond_the_limit_and_zero_end_the_link() {
        let limit = u32::try_from(MAX_FRAME).unwrap();
        for claimed in [0, limit + 1, u32::MAX] {
            let line = wire(claimed, &[1, 2, 3]);
            assert!(matches!(read(&mut line.as_slice(), || MAX_FRAME).await, Err(FrameFault::Length { .. })));
        }
        let line = wire(11, &[0; 11]);
        assert!(matches!(read(&mut line.as_slice(), || 10).await, Err(FrameFault::Length { most: 10, .. })));
        let long = vec![0; MAX_FRAME + 1];
        assert!(matches!(write(&mut Vec::new(), &long).await, Err(FrameFault::Length { .. })));
        assert!(matches!(write(&mut Vec::new(), &[]).await, Err(FrameFault::Length { .. })));
    }

    #[tokio::test]
    async fn a_cut_frame_is_an_error_and_not_an_end() {
        let line = wire(5, &[1, 2]);
        for cut in 1..line.len() {
            let mut part = line.get(..cut).unwrap();
            assert!(
                matches!(read(&mut part, || MAX_FRAME).await, Err(FrameFault::Broken(_))),
                "cut at {cut}"
            );
        }
    }

    #[tokio::test]
    async fn a_frame_that_never_ends_ends_the_link() {
        let (mut near, mut far) = tokio::io::duplex(64);
        near.write_all(&wire(10, &[1])).await.unwrap();
        assert!(matches!(
            read_within(&mut far, || MAX_FRAME, Duration::from_millis(20)).await,
            Err(FrameFault::Slow)
        ));
    }
}
