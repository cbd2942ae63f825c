//! TLS 1.3 with raw public keys (RFC 7250): the key is the identity, there is no certificate.
//!
//! Owns the provider (X25519MLKEM768 only), the server's configuration and the reading of the peer's key
//! from a finished handshake. Any usable Ed25519 key passes: whose key it is the listener decides
//! afterwards from the roster. Nothing here depends on the process-wide provider. No claim of the protocol
//! depends on this layer either.

use crate::error::Error;
use quinn::crypto::rustls::QuicServerConfig;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls13_signature_with_raw_key,
};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::server::{AlwaysResolvesServerRawPublicKeys, NoServerSessionStorage};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, SignatureScheme};
use samensom_protocol::admission::ALPN;
use samensom_protocol::crypto::keys::{Identity, is_usable};
use samensom_protocol::ids::PublicKey;
use std::sync::Arc;
use zeroize::Zeroizing;

/// DER of an Ed25519 SubjectPublicKeyInfo (RFC 8410) before the 32 bytes of the key.
const SPKI: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// DER of an Ed25519 PKCS#8 v1 key (RFC 8410) before the 32 bytes of the seed.
const PKCS8: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// The provider: one key exchange, post-quantum hybrid.
fn provider() -> CryptoProvider {
    CryptoProvider { kx_groups: vec![aws_lc_rs::kx_group::X25519MLKEM768], ..aws_lc_rs::default_provider() }
}

/// Our key pair in the form rustls signs with.
fn own_key(identity: &Identity) -> Result<Arc<CertifiedKey>, rustls::Error> {
    let mut der = Zeroizing::new(PKCS8.to_vec());
    der.reserve_exact(32);
    der.extend_from_slice(identity.seed().expose());
    let signer = aws_lc_rs::sign::any_eddsa_type(&PrivatePkcs8KeyDer::from(der.as_slice()))?;
    Ok(Arc::new(CertifiedKey::new(vec![spki(&identity.public())], signer)))
}

fn spki(key: &PublicKey) -> CertificateDer<'static> {
    CertificateDer::from([SPKI.as_slice(), &key.0].concat())
}

/// The key in a SubjectPublicKeyInfo, if it is a usable Ed25519 key.
fn key_of(spki: &[u8]) -> Option<PublicKey> {
    let key = PublicKey(spki.strip_prefix(&SPKI)?.try_into().ok()?);
    is_usable(&key).then_some(key)
}

/// What the endpoint needs to accept links as this identity.
///
/// # Errors
/// Only when the libraries do not offer what this program is built for.
pub fn server(identity: &Identity) -> Result<QuicServerConfig, Error> {
    let broken = |why: &dyn core::fmt::Display| Error::machine(format!("TLS cannot be set up: {why}"));
    let provider = Arc::new(provider());
    let verifier = AnyKey { algorithms: provider.signature_verification_algorithms };
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|why| broken(&why))?
        .with_client_cert_verifier(Arc::new(verifier))
        .with_cert_resolver(Arc::new(AlwaysResolvesServerRawPublicKeys::new(
            own_key(identity).map_err(|why| broken(&why))?,
        )));
    config.alpn_protocols = vec![ALPN.to_vec()];
    // Every link proves its key anew.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    QuicServerConfig::try_from(config).map_err(|why| broken(&why))
}

/// The key that the other end of a link proved.
#[must_use]
pub fn peer_key(connection: &quinn::Connection) -> Option<PublicKey> {
    let identity = connection.peer_identity()?.downcast::<Vec<CertificateDer<'static>>>().ok()?;
    match identity.as_slice() {
        [spki] => key_of(spki),
        _ => None,
    }
}

/// Accepts any usable Ed25519 key and the proof that the peer holds it.
#[derive(Debug)]
struct AnyKey {
    algorithms: WebPkiSupportedAlgorithms,
}

impl ClientCertVerifier for AnyKey {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }
    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        if !intermediates.is_empty() || key_of(end_entity).is_none() {
            return Err(CertificateError::BadEncoding.into());
        }
        Ok(ClientCertVerified::assertion())
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
        if dss.scheme != SignatureScheme::ED25519 {
            return Err(rustls::PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme.into());
        }
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

#[cfg(test)]
pub(crate) mod testing;
