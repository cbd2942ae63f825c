//! The link against a QUIC listener on loopback, which other tests use as the coordinator.

use super::*;
use crate::tls;
use crate::tls::tests::identity;
use quinn::crypto::rustls::QuicServerConfig;
use quinn::{Endpoint, RecvStream, SendStream, ServerConfig};
use std::sync::Arc;

/// A listener on loopback with the coordinator's key, and its address.
pub(crate) fn listen(key: u8) -> (Endpoint, String) {
    let config = QuicServerConfig::try_from(tls::tests::server(&identity(key))).unwrap();
    let config = ServerConfig::with_crypto(Arc::new(config));
    let endpoint = Endpoint::server(config, "127.0.0.1:0".parse().unwrap()).unwrap();
    let address = endpoint.local_addr().unwrap().to_string();
    (endpoint, address)
}

/// The next node's stream, once it has sent something, and its key.
pub(crate) async fn accept(endpoint: &Endpoint) -> (quinn::Connection, SendStream, RecvStream, PublicKey) {
    let connection = endpoint.accept().await.unwrap().await.unwrap();
    let certs = connection.peer_identity().unwrap();
    let certs = certs.downcast::<Vec<rustls::pki_types::CertificateDer<'_>>>().unwrap();
    let key = tls::key_of(&certs[0]).unwrap();
    let (send, recv) = connection.accept_bi().await.unwrap();
    (connection, send, recv, key)
}

pub(crate) async fn write(send: &mut SendStream, frame: &[u8]) {
    let length = u32::try_from(frame.len()).unwrap();
    send.write_all(&length.to_be_bytes()).await.unwrap();
    send.write_all(frame).await.unwrap();
}

pub(crate) async fn read(recv: &mut RecvStream) -> Option<Vec<u8>> {
    let mut length = [0; 4];
    recv.read_exact(&mut length).await.ok()?;
    let mut frame = vec![0; u32::from_be_bytes(length).try_into().unwrap()];
    recv.read_exact(&mut frame).await.ok()?;
    Some(frame)
}

async fn link(address: &str, pinned: u8) -> Result<Link, LinkError> {
    dial(address, &identity(pinned).public(), &identity(1), Timing::default()).await
}

#[tokio::test]
async fn frames_go_both_ways_and_the_longest_fits() {
    let (endpoint, address) = listen(2);
    let server = tokio::spawn(async move {
        let (_connection, mut send, mut recv, key) = accept(&endpoint).await;
        while let Some(frame) = read(&mut recv).await {
            write(&mut send, &frame).await;
        }
        key
    });
    let mut link = link(&address, 2).await.unwrap();
    for length in [0, 1, CHUNK_EDGE, MAX_FRAME] {
        let frame: Vec<u8> = (0..length).map(|i| (i % 251).try_into().unwrap()).collect();
        link.sender().send(frame.clone()).await.unwrap();
        assert_eq!(link.recv().await.unwrap(), frame, "{length} bytes");
    }
    assert!(link.sender().send(vec![0; MAX_FRAME + 1]).await.is_err());
    link.close("done").await;
    assert_eq!(server.await.unwrap(), identity(1).public());
}

const CHUNK_EDGE: usize = 16 * 1024 + 1;

#[tokio::test]
async fn what_was_handed_over_arrives_before_a_link_closes() {
    let (endpoint, address) = listen(2);
    let server = tokio::spawn(async move {
        let (_connection, _send, mut recv, _) = accept(&endpoint).await;
        read(&mut recv).await
    });
    let link = link(&address, 2).await.unwrap();
    let frame = vec![7; MAX_FRAME];
    link.sender().send(frame.clone()).await.unwrap();
    link.close("done").await;
    assert_eq!(server.await.unwrap(), Some(frame));
}

#[tokio::test]
async fn another_key_is_refused_in_words() {
    let (endpoint, address) = listen(3);
    tokio::spawn(async move {
        let _ = endpoint.accept().await.unwrap().await;
        endpoint.wait_idle().await;
    });
    let refused = link(&address, 2).await.unwrap_err();
    let LinkError::WrongKey { found, .. } = &refused else { panic!("{refused}") };
    assert_eq!(*found, Some(identity(3).public()));
    let text = refused.to_string();
    assert!(text.contains(&words(&identity(2).public().0)), "{text}");
    assert!(text.contains(&words(&identity(3).public().0)), "{text}");
}

#[tokio::test]
async fn a_frame_that_is_too_long_is_refused_before_it_comes() {
    let (endpoint, address) = listen(2);
    let server = tokio::spawn(async move {
        let (connection, mut send, mut recv, _) = accept(&endpoint).await;
        read(&mut recv).await;
        let claim = u32::try_from(MAX_FRAME).unwrap() + 1;
        send.write_all(&claim.to_be_bytes()).await.unwrap();
        connection.closed().await;
    });
    let mut link = link(&address, 2).await.unwrap();
    link.sender().send(vec![1]).await.unwrap();
    let refused = tokio::time::timeout(Duration::from_secs(1), link.recv()).await.unwrap().unwrap_err();
    assert!(matches!(refused, LinkError::TooLong(2_097_154)), "{refused}");
    assert!(matches!(link.recv().await, Err(LinkError::Lost(_))));
    drop(link);
    server.await.unwrap();
}

#[tokio::test]
async fn a_frame_cut_short_and_a_closed_link_are_told() {
    let (endpoint, address) = listen(2);
    tokio::spawn(async move {
        let (connection, mut send, mut recv, _) = accept(&endpoint).await;
        read(&mut recv).await;
        write(&mut send, &[5; 3]).await;
        send.write_all(&100u32.to_be_bytes()).await.unwrap();
        send.write_all(&[1; 99]).await.unwrap();
        send.finish().unwrap();
        connection.closed().await;
        let (connection, _send, mut recv, _) = accept(&endpoint).await;
        read(&mut recv).await;
        connection.close(quinn::VarInt::from_u32(1), b"main\x07tenance");
        endpoint.wait_idle().await;
    });
    let mut first = link(&address, 2).await.unwrap();
    first.sender().send(vec![1]).await.unwrap();
    assert_eq!(first.recv().await.unwrap(), [5; 3]);
    assert!(matches!(first.recv().await, Err(LinkError::Lost(why)) if why.contains("in a frame")));
    drop(first);
    let mut second = link(&address, 2).await.unwrap();
    second.sender().send(vec![1]).await.unwrap();
    let lost = second.recv().await.unwrap_err().to_string();
    assert!(lost.contains("`maintenance`"), "{lost}");
}

#[tokio::test]
async fn giving_up_waiting_loses_no_frame() {
    let (endpoint, address) = listen(2);
    tokio::spawn(async move {
        let (connection, mut send, mut recv, _) = accept(&endpoint).await;
        read(&mut recv).await;
        for byte in 0..50 {
            write(&mut send, &[byte; 3_000]).await;
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        connection.closed().await;
    });
    let mut link = link(&address, 2).await.unwrap();
    link.sender().send(vec![1]).await.unwrap();
    let mut next = 0;
    while next < 50 {
        if let Ok(frame) = tokio::time::timeout(Duration::from_micros(300), link.recv()).await {
            assert_eq!(frame.unwrap(), [next; 3_000]);
            next += 1;
        }
    }
}

#[tokio::test]
async fn a_link_closed_from_outside_ends_recv() {
    let (endpoint, address) = listen(2);
    tokio::spawn(async move {
        let (connection, ..) = accept(&endpoint).await;
        connection.closed().await;
    });
    let mut link = link(&address, 2).await.unwrap();
    let closer = link.closer();
    tokio::spawn(async move { closer.close("stop") });
    assert!(matches!(link.recv().await, Err(LinkError::Lost(why)) if why.contains("closed here")));
}

#[tokio::test]
async fn a_dropped_link_is_closed_at_once() {
    let (endpoint, address) = listen(2);
    let server = tokio::spawn(async move {
        let (connection, _send, mut recv, _) = accept(&endpoint).await;
        read(&mut recv).await;
        connection.closed().await
    });
    let link = link(&address, 2).await.unwrap();
    link.sender().send(vec![1]).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    drop(link);
    let closed = tokio::time::timeout(Duration::from_secs(1), server).await.unwrap().unwrap();
    assert!(matches!(closed, quinn::ConnectionError::ApplicationClosed(_)), "{closed}");
}

#[tokio::test]
async fn nobody_at_home_is_told_with_what_to_do() {
    let taken = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let me = identity(1);
    let brief = Timing { idle: Duration::from_millis(300), keep_alive: Duration::from_millis(100) };
    let refused = dial(&address, &me.public(), &me, brief).await.unwrap_err();
    let text = refused.to_string();
    assert!(matches!(refused, LinkError::Unreachable { .. }), "{text}");
    assert!(text.contains(&address) && text.contains("do: let UDP out"), "{text}");
    let refused = dial("no.such.host.invalid:1", &me.public(), &me, brief).await.unwrap_err();
    assert!(matches!(refused, LinkError::Resolve { .. }), "{refused}");
}
