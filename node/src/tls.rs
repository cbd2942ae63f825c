//! TLS 1.3 towards the coordinator, both ends known by key and by nothing else.
//!
//! Owns the one TLS configuration: raw public keys (RFC 7250) over the Ed25519 identities, key exchange
//! X25519MLKEM768 alone, no resumption. There is no certificate, so no name and no date is ever read. It
//! must not use the process-wide provider of rustls, nor know frames. No claim of the protocol rests on
//! this layer, for the coordinator ends it; it keeps strangers and recorders of traffic out.

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{AlwaysResolvesClientRawPublicKeys, Resumption};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls13_signature_with_raw_key,
};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, PeerMisbehaved, SignatureScheme};
use samensom_protocol::admission::ALPN;
use samensom_protocol::crypto::keys::Identity;
use samensom_protocol::ids::PublicKey;
use samensom_protocol::secret::Secret;
use std::sync::{Arc, OnceLock};
use subtle::ConstantTimeEq;

/// SubjectPublicKeyInfo of an Ed25519 key (RFC 8410, section 4) up to the key.
const SPKI_PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
/// PKCS#8 version 1 of an Ed25519 seed (RFC 8410, section 7) up to the seed.
const PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// The key that the other end showed when it was not the pinned one.
#[derive(Debug, Clone, Default)]
pub struct Stranger(Arc<OnceLock<Option<PublicKey>>>);

impl Stranger {
    /// `None`: the right key, or no key was seen. `Some(None)`: not an Ed25519 key at all.
    #[must_use]
    pub fn seen(&self) -> Option<Option<PublicKey>> {
        self.0.get().copied()
    }
}

/// The configuration of a node that talks to the coordinator with this key, and where to read which other
/// key was met.
///
/// # Errors
/// When the TLS library refuses our own key or provider; a defect of this program.
pub fn client(me: &Identity, coordinator: &PublicKey) -> Result<(ClientConfig, Stranger), rustls::Error> {
    client_with(provider(), me, coordinator)
}

fn client_with(
    provider: CryptoProvider,
    me: &Identity,
    coordinator: &PublicKey,
) -> Result<(ClientConfig, Stranger), rustls::Error> {
    let provider = Arc::new(provider);
    let stranger = Stranger::default();
    let verifier = Pinned {
        spki: spki(coordinator),
        algorithms: provider.signature_verification_algorithms,
        stranger: stranger.clone(),
    };
    let key = Arc::new(certified(me)?);
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_cert_resolver(Arc::new(AlwaysResolvesClientRawPublicKeys::new(key)));
    config.alpn_protocols = vec![ALPN.to_vec()];
    config.resumption = Resumption::disabled();
    config.enable_sni = false;
    Ok((config, stranger))
}

/// The Ed25519 key in a raw public key as TLS carries it.
#[must_use]
pub fn key_of(spki: &[u8]) -> Option<PublicKey> {
    spki.strip_prefix(&SPKI_PREFIX).and_then(|key| key.try_into().ok()).map(PublicKey)
}

/// AES-128 stays in, for QUIC protects its first packets with it.
fn provider() -> CryptoProvider {
    CryptoProvider {
        cipher_suites: vec![
            aws_lc_rs::cipher_suite::TLS13_AES_256_GCM_SHA384,
            aws_lc_rs::cipher_suite::TLS13_CHACHA20_POLY1305_SHA256,
            aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256,
        ],
        kx_groups: vec![aws_lc_rs::kx_group::X25519MLKEM768],
        ..aws_lc_rs::default_provider()
    }
}

fn spki(key: &PublicKey) -> Vec<u8> {
    [&SPKI_PREFIX[..], &key.0].concat()
}

fn certified(me: &Identity) -> Result<CertifiedKey, rustls::Error> {
    let seed = me.seed();
    let mut der = [0u8; PKCS8_PREFIX.len() + 32];
    let (prefix, rest) = der.split_at_mut(PKCS8_PREFIX.len());
    prefix.copy_from_slice(&PKCS8_PREFIX);
    rest.copy_from_slice(seed.expose());
    let der = Secret::new(der);
    let key = aws_lc_rs::sign::any_eddsa_type(&PrivatePkcs8KeyDer::from(&der.expose()[..]))?;
    Ok(CertifiedKey::new(vec![CertificateDer::from(spki(&me.public()))], key))
}

/// Accepts one key.
#[derive(Debug)]
struct Pinned {
    spki: Vec<u8>,
    algorithms: WebPkiSupportedAlgorithms,
    stranger: Stranger,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let same = bool::from(end_entity.as_ref().ct_eq(&self.spki));
        if same && intermediates.is_empty() {
            return Ok(ServerCertVerified::assertion());
        }
        // One connection has one verifier, so the first stranger is the only one.
        let _ = self.stranger.0.set(key_of(end_entity));
        Err(CertificateError::ApplicationVerificationFailure.into())
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
        if signed.scheme != SignatureScheme::ED25519 {
            return Err(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme.into());
        }
        let key = SubjectPublicKeyInfoDer::from(cert.as_ref());
        verify_tls13_signature_with_raw_key(message, &key, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }

    fn requires_raw_public_keys(&self) -> bool {
        true
    }
}

#[cfg(test)]
pub(crate) mod tests;
