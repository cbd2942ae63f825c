//! A node's end of a link, for tests: pins the server's key, offers its own.

use super::{ALPN, aws_lc_rs, key_of, own_key, provider};
use quinn::crypto::rustls::QuicClientConfig;
use rustls::client::AlwaysResolvesClientRawPublicKeys;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::{DigitallySignedStruct, SignatureScheme};
use samensom_protocol::crypto::keys::Identity;
use samensom_protocol::ids::PublicKey;
use std::sync::Arc;

/// How a test client departs from what a node does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Twist {
    /// As a node does.
    None,
    /// Proves no key.
    NoKey,
    /// Offers only the classical key exchange.
    Classical,
    /// Asks for another protocol.
    OtherAlpn,
}

/// A client configuration that expects `server` and proves `identity`.
pub(crate) fn client(identity: &Identity, server: PublicKey, twist: Twist) -> quinn::ClientConfig {
    let mut provider = provider();
    if twist == Twist::Classical {
        provider.kx_groups = vec![aws_lc_rs::kx_group::X25519];
    }
    let algorithms = provider.signature_verification_algorithms;
    let builder = rustls::ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Pinned { server, algorithms }));
    let mut config = if twist == Twist::NoKey {
        builder.with_no_client_auth()
    } else {
        builder.with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(
            own_key(identity).unwrap(),
        )))
    };
    config.alpn_protocols = vec![if twist == Twist::OtherAlpn { b"h3".to_vec() } else { ALPN.to_vec() }];
    quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(config).unwrap()))
}

#[derive(Debug)]
struct Pinned {
    server: PublicKey,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if key_of(end_entity) == Some(self.server) {
            return Ok(ServerCertVerified::assertion());
        }
        Err(rustls::CertificateError::ApplicationVerificationFailure.into())
    }
    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::PeerIncompatible::Tls13RequiredForQuic.into())
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let spki = SubjectPublicKeyInfoDer::from(cert.as_ref());
        verify_tls13_signature_with_raw_key(message, &spki, dss, &self.algorithms)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}
