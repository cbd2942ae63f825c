//! A person's key file: sealed by a pass phrase, or plain where somebody asked for that.
//!
//! Owns the form of the sealed file: the parameters of argon2id and the seed under ChaCha20-Poly1305. The key
//! of the cipher follows from pass phrase, salt and every parameter, and seals this one seed. Neither phrase
//! nor seed ever stands in a message. The identities of the coordinator and of agents are not its business.

use crate::error::Error;
use crate::folder::{of_plain, private_text, write_new};
use crate::passphrase::Phrase;
use argon2::{Algorithm, Argon2, AssociatedData, ParamsBuilder, Version};
use samensom_protocol::codec::{from_hex, to_hex};
use samensom_protocol::crypto::keys::Identity;
use samensom_protocol::crypto::seal::{open, seal};
use samensom_protocol::ids::PublicKey;
use samensom_protocol::secret::{Key, Secret};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::path::Path;
use zeroize::{Zeroize as _, Zeroizing};

/// First line of a sealed file.
const HEAD: &str = "# A key of Samensom, sealed by a pass phrase. Keep the two apart.\n";
/// What the file is; also goes into the key derivation.
const FORM: &str = "samensom sealed key 1";
/// RFC 9106, section 4, second choice; OWASP's least is 19 MiB and two passes.
const COST: Cost = Cost { memory_kib: 64 * 1024, passes: 3, lanes: 1 };
const CHECK: &str = "check = \"";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    form: String,
    /// Whose key it is.
    public: PublicKey,
    memory_kib: u32,
    passes: u32,
    lanes: u32,
    salt: String,
    sealed: String,
}

/// Writes an identity's seed to a new file of mode 0600, sealed.
///
/// # Errors
/// When the file exists or cannot be written, or there is no randomness.
pub fn write_sealed(path: &Path, identity: &Identity, phrase: &Phrase) -> Result<(), Error> {
    let mut salt = [0u8; 16];
    getrandom::fill(&mut salt).map_err(|why| Error::machine(format!("no randomness: {why}")))?;
    let sealed = seal(&derive(phrase, &salt, COST)?, identity.seed().expose())
        .ok_or_else(|| Error::machine("the key cannot be sealed"))?;
    let file = File {
        form: FORM.to_owned(),
        public: identity.public(),
        memory_kib: COST.memory_kib,
        passes: COST.passes,
        lanes: COST.lanes,
        salt: to_hex(&salt),
        sealed: to_hex(&sealed),
    };
    let body =
        toml::to_string(&file).map_err(|why| Error::machine(format!("the key cannot be written: {why}")))?;
    let body = format!("{HEAD}{body}");
    write_new(path, 0o600, format!("{body}{CHECK}{}\"\n", check(&body)).as_bytes())
}

/// Reads the key of a person; the pass phrase is asked for only if the file is sealed.
///
/// # Errors
/// When the file is missing, others may read it, it is damaged, or the pass phrase is another.
pub fn read_person_key(path: &Path, tell: impl FnOnce() -> Result<Phrase, Error>) -> Result<Identity, Error> {
    let text = private_text(path)?;
    // The least of it that tells it apart: a damaged file must not be taken for another kind of file.
    if !text.starts_with('#') && !text.contains("sealed") {
        return of_plain(path, &text);
    }
    let file = whole(&text).ok_or_else(|| {
        Error::asked("the sealed key is damaged, or the file is not whole")
            .place(path.display().to_string())
            .expected("the file as `samensom keygen` wrote it")
            .remedy("take the copy that was kept apart")
    })?;
    let beyond = || {
        Error::asked("the sealed key is of a form that this program does not know")
            .place(path.display().to_string())
            .expected(format!("`{FORM}`, memory from 19 MiB to 1 GiB, 2 to 16 passes, 1 to 16 lanes"))
            .remedy("use the program that wrote it, or a newer one")
    };
    let cost = Cost { memory_kib: file.memory_kib, passes: file.passes, lanes: file.lanes };
    let (salt, sealed) =
        (from_hex(&file.salt).ok_or_else(beyond)?, from_hex(&file.sealed).ok_or_else(beyond)?);
    let known = file.form == FORM
        && (19 * 1024..=1 << 20).contains(&cost.memory_kib)
        && (2..=16).contains(&cost.passes)
        && (1..=16).contains(&cost.lanes);
    if !known {
        return Err(beyond());
    }
    let seed = open(&derive(&tell()?, &salt, cost)?, &sealed);
    let identity = seed.and_then(|seed| {
        let seed: Zeroizing<[u8; 32]> = Zeroizing::new(seed.expose().as_slice().try_into().ok()?);
        Some(Identity::from_seed(&Secret::new(*seed)))
    });
    identity.filter(|identity| identity.public() == file.public).ok_or_else(|| {
        Error::mismatch("the pass phrase does not open this key")
            .place(path.display().to_string())
            .remedy("try again; nobody can open it without the pass phrase: a lost one means a new key")
    })
}

/// The file, if not one byte of it differs from what was written.
fn whole(text: &str) -> Option<File> {
    let (body, told) = text.strip_suffix("\"\n")?.rsplit_once(CHECK)?;
    (told == check(body)).then(|| toml::from_str(body).ok()).flatten()
}

/// Finds damage, not malice: that is what the seal is for.
fn check(body: &str) -> String {
    let hash = Sha256::digest(body.as_bytes());
    to_hex(hash.first_chunk::<8>().map_or(&[][..], |first| first))
}

fn derive(phrase: &Phrase, salt: &[u8], cost: Cost) -> Result<Key, Error> {
    let fail = |why: argon2::Error| Error::machine(format!("the key of the seal cannot be derived: {why}"));
    let params = ParamsBuilder::new()
        .m_cost(cost.memory_kib)
        .t_cost(cost.passes)
        .p_cost(cost.lanes)
        .output_len(32)
        .data(AssociatedData::new(FORM.as_bytes()).map_err(fail)?)
        .build()
        .map_err(fail)?;
    let mut key = [0u8; 32];
    let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    argon.hash_password_into(phrase.expose(), salt, &mut key).map_err(fail)?;
    let derived = Secret::new(key);
    key.zeroize();
    Ok(derived)
}

#[cfg(test)]
mod tests;
