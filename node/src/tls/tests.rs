//! The handshake in memory: the right key, another key, a stolen key, another key exchange.

use super::*;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{AlwaysResolvesServerRawPublicKeys, ServerConfig};
use rustls::{ClientConnection, DistinguishedName, ServerConnection};

pub(crate) fn identity(byte: u8) -> Identity {
    Identity::from_seed(&Secret::new([byte; 32]))
}

/// Takes any Ed25519 key, as the coordinator does before it looks the key up.
#[derive(Debug)]
struct AnyKey(WebPkiSupportedAlgorithms);

impl ClientCertVerifier for AnyKey {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }
    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        let known = key_of(end_entity).is_some();
        known
            .then(ClientCertVerified::assertion)
            .ok_or(CertificateError::ApplicationVerificationFailure.into())
    }
    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme.into())
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let key = SubjectPublicKeyInfoDer::from(cert.as_ref());
        verify_tls13_signature_with_raw_key(message, &key, signed, &self.0)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

/// A server with this key, as the coordinator's.
pub(crate) fn server(me: &Identity) -> ServerConfig {
    let provider = Arc::new(provider());
    let verifier = AnyKey(provider.signature_verification_algorithms);
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_client_cert_verifier(Arc::new(verifier))
        .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(Arc::new(
            certified(me).unwrap(),
        ))));
    config.alpn_protocols = vec![ALPN.to_vec()];
    config
}

/// Shakes hands in memory; gives the key the server saw.
fn shake(client: ClientConfig, server: ServerConfig) -> Result<Option<PublicKey>, rustls::Error> {
    let name = ServerName::try_from("samensom").unwrap();
    let mut client = ClientConnection::new(Arc::new(client), name).unwrap();
    let mut server = ServerConnection::new(Arc::new(server)).unwrap();
    while client.is_handshaking() || server.is_handshaking() {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        server.read_tls(&mut &wire[..]).unwrap();
        server.process_new_packets()?;
        let mut wire = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        client.read_tls(&mut &wire[..]).unwrap();
        client.process_new_packets()?;
    }
    let group = client.negotiated_key_exchange_group().map(|group| group.name());
    assert_eq!(group, Some(rustls::NamedGroup::X25519MLKEM768));
    assert_eq!(client.alpn_protocol(), Some(ALPN));
    Ok(server.peer_certificates().and_then(|certs| key_of(&certs[0])))
}

#[test]
fn the_pinned_key_connects_and_shows_ours() {
    let (config, stranger) = client(&identity(1), &identity(2).public()).unwrap();
    assert_eq!(shake(config, server(&identity(2))).unwrap(), Some(identity(1).public()));
    assert_eq!(stranger.seen(), None);
}

#[test]
fn another_key_is_refused_and_named() {
    let (config, stranger) = client(&identity(1), &identity(2).public()).unwrap();
    let refused = shake(config, server(&identity(3))).unwrap_err();
    assert!(matches!(refused, rustls::Error::InvalidCertificate(_)), "{refused}");
    assert_eq!(stranger.seen(), Some(Some(identity(3).public())));
}

/// Shows the pinned key and signs with another.
#[test]
fn a_key_without_its_secret_is_refused() {
    let (config, _) = client(&identity(1), &identity(2).public()).unwrap();
    let mut bad = server(&identity(3));
    let thief = certified(&identity(3)).unwrap();
    let shown = vec![CertificateDer::from(spki(&identity(2).public()))];
    let key = Arc::new(CertifiedKey::new(shown, thief.key));
    bad.cert_resolver = Arc::new(AlwaysResolvesServerRawPublicKeys::new(key));
    let refused = shake(config, bad).unwrap_err();
    assert!(
        matches!(refused, rustls::Error::InvalidCertificate(CertificateError::BadSignature)),
        "{refused}"
    );
}

#[test]
fn key_exchange_that_quantum_computers_break_is_not_spoken() {
    let weak = CryptoProvider { kx_groups: vec![aws_lc_rs::kx_group::X25519], ..provider() };
    let (config, _) = client_with(weak, &identity(1), &identity(2).public()).unwrap();
    let refused = shake(config, server(&identity(2))).unwrap_err();
    let expected = rustls::PeerIncompatible::NoKxGroupsInCommon;
    assert_eq!(refused, rustls::Error::PeerIncompatible(expected));
}

#[test]
fn only_an_ed25519_key_is_a_key() {
    assert_eq!(key_of(&spki(&identity(4).public())), Some(identity(4).public()));
    assert_eq!(key_of(&spki(&identity(4).public())[..43]), None);
    assert_eq!(key_of(&[0; 44]), None);
}
