//! The hospital's identity: one Ed25519 key, made here, which never leaves this machine.
//!
//! Owns the key's file in the state folder: 64 hexadecimal letters, readable by its owner alone. It must
//! not send or print the key, and never makes a second one over a first.

use crate::error::Error;
use rand_core::UnwrapErr;
use samensom_protocol::codec::{from_hex, to_hex};
use samensom_protocol::crypto::keys::Identity;
use samensom_protocol::secret::Secret;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use zeroize::Zeroizing;

/// The key's file in the state folder.
pub const KEY_FILE: &str = "identity.key";
/// Letters of the key, and one end of line.
const LENGTH: usize = 65;

/// Randomness of the operating system; when it fails the program must not go on, so it stops.
#[must_use]
pub fn randomness() -> UnwrapErr<getrandom::SysRng> {
    UnwrapErr(getrandom::SysRng)
}

/// The key, if there is one.
///
/// # Errors
/// When the file is readable by others, damaged, or cannot be read.
pub fn load(state: &Path) -> Result<Option<Identity>, Error> {
    let path = state.join(KEY_FILE);
    let file = match File::open(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(|error| unusable(&path, error.to_string()))?,
    };
    let mode = file.metadata().map_err(|error| unusable(&path, error.to_string()))?.mode();
    if mode & 0o077 != 0 {
        return Err(Error::Identity {
            path: path.display().to_string(),
            problem: format!("others may read or write the identity key (rights {:03o})", mode & 0o777),
            expected: "rights 600",
            todo: "run `chmod 600` on it; if others may have read it, ask LCG for a new token and a new key",
        });
    }
    let mut text = Zeroizing::new(String::with_capacity(LENGTH + 1));
    let limit = u64::try_from(LENGTH + 1).unwrap_or(u64::MAX);
    file.take(limit).read_to_string(&mut text).map_err(|error| unusable(&path, error.to_string()))?;
    let hex = text.strip_suffix('\n').unwrap_or(&text);
    let bytes = Zeroizing::new(from_hex(hex).unwrap_or_default());
    let seed = <[u8; 32]>::try_from(bytes.as_slice()).map_err(|_| damaged(&path))?;
    Ok(Some(Identity::from_seed(&Secret::new(seed))))
}

/// The key; made, and on the disk, if there was none.
///
/// # Errors
/// As [`load`], and when it cannot be written.
pub fn load_or_make(state: &Path) -> Result<Identity, Error> {
    if let Some(identity) = load(state)? {
        return Ok(identity);
    }
    crate::ledger::make_state_dir(state)?;
    let path = state.join(KEY_FILE);
    let identity = Identity::generate(&mut randomness());
    let mut text = Zeroizing::new(to_hex(identity.seed().expose()));
    text.push('\n');
    let write = || -> std::io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        File::open(state)?.sync_all()
    };
    write().map_err(|error| unusable(&path, error.to_string()))?;
    Ok(identity)
}

fn unusable(path: &Path, problem: String) -> Error {
    Error::Identity {
        path: path.display().to_string(),
        problem,
        expected: "a key file that this user, and nobody else, may read",
        todo: "check owner and rights of the state folder (node.state)",
    }
}

fn damaged(path: &Path) -> Error {
    Error::Identity {
        path: path.display().to_string(),
        problem: "damaged".to_owned(),
        expected: "64 hexadecimal letters",
        todo: "put back the file from where it was kept, or ask LCG for a new token and enrol in a new state folder",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{Permissions, read_to_string, set_permissions, write};
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_key_is_made_once_and_stays() {
        let dir = tempfile::tempdir().unwrap();
        assert!(load(dir.path()).unwrap().is_none());
        let made = load_or_make(dir.path()).unwrap().public();
        assert_eq!(load_or_make(dir.path()).unwrap().public(), made);
        assert_eq!(load(dir.path()).unwrap().unwrap().public(), made);
        let path = dir.path().join(KEY_FILE);
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        let other = tempfile::tempdir().unwrap();
        assert_ne!(load_or_make(other.path()).unwrap().public(), made);
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        load_or_make(dir.path()).unwrap();
        let path = dir.path().join(KEY_FILE);
        for mode in [0o640, 0o604, 0o620, 0o666] {
            set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let refused = load(dir.path()).unwrap_err().to_string();
            assert!(refused.contains(&format!("rights {mode:03o}")), "{refused}");
        }
    }

    #[test]
    fn a_damaged_key_is_refused_without_showing_it() {
        let dir = tempfile::tempdir().unwrap();
        load_or_make(dir.path()).unwrap();
        let path = dir.path().join(KEY_FILE);
        let good = read_to_string(&path).unwrap();
        for bad in [&good[..62], &good.to_uppercase(), &format!("{good}00"), &format!("{}{good}", "0"), ""] {
            write(&path, bad).unwrap();
            let refused = load(dir.path()).unwrap_err();
            assert!(refused.to_string().contains("damaged"), "{refused}");
            assert!(bad.is_empty() || !format!("{refused:?}").contains(bad.trim()), "{refused:?}");
        }
    }
}
