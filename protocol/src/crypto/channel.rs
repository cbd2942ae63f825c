//! Channel keys between two nodes: X-Wing (draft-connolly-cfrg-xwing-kem, X25519 and ML-KEM-768).
//!
//! For ids u < v: ss1 = Encap(pk_v) by u, ss2 = Encap(pk_u) by v, and
//! `K_uv = HKDF-Extract(SHA256("fa/1 chan" || annhash_u || annhash_v || ct1 || ct2), ss1 || ss2)`
//! (protocol.md 1.4). Both sides show that they hold it by an HMAC over their role before it is used.

#[cfg(samensom_ablation)]
use super::transcript::sha256;
use super::transcript::{Label, Transcript, extract};
#[cfg(samensom_ablation)]
use crate::ablation::ablated;
use crate::codec::Bytes;
use crate::ids::AnnounceHash;
use crate::secret::{Key, Secret};
use hmac::{Hmac, KeyInit, Mac};
use rand_core::CryptoRng;
use sha2::Sha256;
use x_wing::{
    Ciphertext, Decapsulate, DecapsulationKey, Decapsulator, Encapsulate, EncapsulationKey, KeyExport,
};

/// Bytes of an X-Wing public key.
pub const PUBLIC_LEN: usize = 1216;
/// Bytes of an X-Wing ciphertext.
pub const CIPHERTEXT_LEN: usize = 1120;

/// The secret of one incarnation; lives in memory only.
pub struct IncarnationSecret(DecapsulationKey);

impl core::fmt::Debug for IncarnationSecret {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("IncarnationSecret(<redacted>)")
    }
}

impl IncarnationSecret {
    /// A new incarnation.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut seed = Secret::new([0u8; 32]);
        rng.fill_bytes(&mut seed.0);
        IncarnationSecret(DecapsulationKey::from(*seed.expose()))
    }
    /// The incarnation of a drawn seed.
    #[cfg(test)]
    pub(crate) fn from_seed(seed: [u8; 32]) -> Self {
        IncarnationSecret(DecapsulationKey::from(seed))
    }
    /// Its public key.
    #[must_use]
    pub fn public(&self) -> Bytes<PUBLIC_LEN> {
        Bytes(self.0.encapsulation_key().to_bytes().into())
    }
    /// The shared secret of a ciphertext made for this key; ML-KEM rejects implicitly, so a false one
    /// gives a key that nobody else has.
    #[must_use]
    pub fn decapsulate(&self, ciphertext: &Bytes<CIPHERTEXT_LEN>) -> Key {
        #[cfg(samensom_ablation)]
        if ablated!("classic-only") {
            return classic(&self.public(), ciphertext);
        }
        Secret::new(self.0.decapsulate(&Ciphertext::from(ciphertext.0)).into())
    }
}

/// A fresh shared secret and its ciphertext for `public`; `None` if that is no valid key.
pub fn encapsulate(
    public: &Bytes<PUBLIC_LEN>,
    rng: &mut impl CryptoRng,
) -> Option<(Bytes<CIPHERTEXT_LEN>, Key)> {
    let key = EncapsulationKey::try_from(public.0.as_slice()).ok()?;
    let (ciphertext, shared) = key.encapsulate_with_rng(rng);
    #[cfg(samensom_ablation)]
    if ablated!("classic-only") {
        let ciphertext = Bytes(ciphertext.into());
        return Some((ciphertext, classic(public, &ciphertext)));
    }
    Some((Bytes(ciphertext.into()), Secret::new(shared.into())))
}

/// What whoever broke X25519 computes from the recorded ends, which follow ML-KEM's.
#[cfg(samensom_ablation)]
fn classic(public: &Bytes<PUBLIC_LEN>, ciphertext: &Bytes<CIPHERTEXT_LEN>) -> Key {
    let last = |bytes: &[u8]| bytes.last_chunk::<32>().copied().unwrap_or([0; 32]);
    Secret::new(sha256(&[last(&public.0), last(&ciphertext.0)].concat()))
}

/// One end of a pair: its announce, the ciphertext it made for the other, and the secret in that.
#[derive(Debug)]
pub struct End<'a> {
    /// Hash of this end's ANNOUNCE.
    pub announce: AnnounceHash,
    /// What this end encapsulated to the other.
    pub ciphertext: &'a Bytes<CIPHERTEXT_LEN>,
    /// The secret inside it.
    pub shared: &'a Key,
}

/// `K_uv`; `low` is the end with the lower id.
#[must_use]
pub fn channel_key(low: &End, high: &End) -> Key {
    let salt = Transcript::new(Label::Channel)
        .fixed(&low.announce.0)
        .fixed(&high.announce.0)
        .bytes(&low.ciphertext.0)
        .bytes(&high.ciphertext.0)
        .finish();
    extract(&salt, &[low.shared.expose(), high.shared.expose()])
}

/// The confirmation that the end announced as `from` sends; `None` never, HMAC takes any key.
#[must_use]
pub fn confirmation(key: &Key, from: &AnnounceHash) -> Option<Bytes<32>> {
    Some(Bytes(mac(key, from)?.finalize().into_bytes().into()))
}

/// True if `tag` is the confirmation of the end announced as `from`; compared in constant time.
#[must_use]
pub fn is_confirmed(key: &Key, from: &AnnounceHash, tag: &Bytes<32>) -> bool {
    mac(key, from).is_some_and(|mac| mac.verify_slice(&tag.0).is_ok())
}

fn mac(key: &Key, from: &AnnounceHash) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.expose()).ok()?;
    mac.update(&Transcript::new(Label::ChannelConfirm).fixed(&from.0).finish());
    Some(mac)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand_chacha::ChaCha20Rng;
    use rand_chacha::rand_core::SeedableRng;

    #[test]
    fn both_ends_get_one_key_and_a_tampered_ciphertext_gives_another() {
        let mut rng = ChaCha20Rng::seed_from_u64(1);
        let (u, v) = (IncarnationSecret::generate(&mut rng), IncarnationSecret::generate(&mut rng));
        let (ct1, ss1) = encapsulate(&v.public(), &mut rng).unwrap();
        let (ct2, ss2) = encapsulate(&u.public(), &mut rng).unwrap();
        let (au, av) = (AnnounceHash([1; 32]), AnnounceHash([2; 32]));
        let key = |ct1: &Bytes<CIPHERTEXT_LEN>, ss1: &Key, ss2: &Key| {
            channel_key(
                &End { announce: au, ciphertext: ct1, shared: ss1 },
                &End { announce: av, ciphertext: &ct2, shared: ss2 },
            )
        };
        let at_u = key(&ct1, &ss1, &u.decapsulate(&ct2));
        let at_v = key(&ct1, &v.decapsulate(&ct1), &ss2);
        assert_eq!(at_u.expose(), at_v.expose());
        assert!(is_confirmed(&at_v, &au, &confirmation(&at_u, &au).unwrap()));
        assert!(!is_confirmed(&at_v, &av, &confirmation(&at_u, &au).unwrap()), "no reflection");

        let mut bad = ct1;
        bad.0[0] ^= 1;
        let at_v = key(&bad, &v.decapsulate(&bad), &ss2);
        assert_ne!(at_u.expose(), at_v.expose());
    }

    /// First vector of the X-Wing draft's appendix (vectors/public/x-wing.json).
    #[test]
    fn xwing_draft_vector() {
        let vector: serde_json::Value =
            serde_json::from_str(include_str!("../../vectors/public/x-wing.json")).unwrap();
        let field = |name: &str| crate::codec::from_hex(vector[name].as_str().unwrap()).unwrap();
        let seed: [u8; 32] = field("seed").try_into().unwrap();
        let secret = IncarnationSecret::from_seed(seed);
        assert_eq!(secret.public().0.as_slice(), field("pk"));
        let ct: [u8; CIPHERTEXT_LEN] = field("ct").try_into().unwrap();
        assert_eq!(secret.decapsulate(&Bytes(ct)).expose().as_slice(), field("ss"));
    }
}
