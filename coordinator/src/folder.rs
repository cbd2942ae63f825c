//! The data folder: which file lies where, who may read it, and that one server at a time uses it.
//!
//! Owns the paths, the coordinator's key file and the lock. Secret files are made new, for the owner alone,
//! and never overwritten.

use crate::error::Error;
use crate::store::Store;
use crate::toml_file;
use samensom_protocol::codec::{from_hex, to_hex};
use samensom_protocol::crypto::keys::Identity;
use samensom_protocol::secret::Secret;
use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use zeroize::{Zeroize as _, Zeroizing};

/// A data folder; nothing is opened yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folder(PathBuf);

impl Folder {
    /// The folder at this path.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Folder(path.into())
    }
    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
    /// The coordinator's key.
    #[must_use]
    pub fn key(&self) -> PathBuf {
        self.0.join("coordinator.key")
    }
    /// The store.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.0.join("samensom.db")
    }
    /// The configuration.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.0.join("coordinator.toml")
    }
    /// The socket by which commands reach the server.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.0.join("control.sock")
    }
    /// Where result bundles lie.
    #[must_use]
    pub fn results(&self) -> PathBuf {
        self.0.join("results")
    }

    /// Where the audit log lies.
    #[must_use]
    pub fn audit(&self) -> PathBuf {
        self.0.join("audit")
    }

    /// Makes the folder and its subfolder, for the owner alone.
    ///
    /// # Errors
    /// When it holds a store already or cannot be made.
    pub fn make(&self) -> Result<(), Error> {
        if self.database().exists() || self.key().exists() {
            return Err(Error::asked("the data folder is in use already")
                .place(self.0.display().to_string())
                .expected("a folder that does not exist yet")
                .remedy("name another with --data"));
        }
        let results = self.results();
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&results);
        made.map_err(|why| Error::file(&results, "make the data folder", &why))
    }

    /// The coordinator's identity.
    ///
    /// # Errors
    /// When the key file is missing or damaged.
    pub fn identity(&self) -> Result<Identity, Error> {
        read_key(&self.key())
    }

    /// The store, for reading beside a running server.
    ///
    /// # Errors
    /// When there is none.
    pub fn read_store(&self) -> Result<Store, Error> {
        Store::open_read_only(&self.database())
    }

    /// Holds the folder for one server, until the file is dropped.
    ///
    /// # Errors
    /// When another server holds it.
    pub fn lock(&self) -> Result<File, Error> {
        let path = self.0.join("samensom.lock");
        let opened = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
        let file = opened.map_err(|why| Error::file(&path, "open the lock of the data folder", &why))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(Error::asked("a server runs on this data folder already")
                .place(self.0.display().to_string())
                .remedy("use it, or stop it first")),
            Err(TryLockError::Error(why)) => Err(Error::file(&path, "lock the data folder", &why)),
        }
    }
}

/// Writes a file that nobody had, for the owner alone, and syncs it.
///
/// # Errors
/// When it exists or cannot be written.
pub fn write_new(path: &Path, mode: u32, contents: &[u8]) -> Result<(), Error> {
    let written = || {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
        file.write_all(contents)?;
        file.sync_all()
    };
    written().map_err(|why| Error::file(path, "write the file", &why))
}

/// Makes a new identity from the operating system's randomness.
///
/// # Errors
/// When there is no randomness.
pub fn new_identity() -> Result<Identity, Error> {
    let mut seed = [0u8; 32];
    getrandom::fill(&mut seed).map_err(|why| Error::machine(format!("no randomness: {why}")))?;
    let secret = Secret::new(seed);
    seed.zeroize();
    Ok(Identity::from_seed(&secret))
}

/// Writes an identity's seed as hexadecimal text to a new file of mode 0600.
///
/// # Errors
/// When the file exists or cannot be written.
pub fn write_key(path: &Path, identity: &Identity) -> Result<(), Error> {
    let mut hex = Zeroizing::new(to_hex(identity.seed().expose()));
    hex.push('\n');
    write_new(path, 0o600, hex.as_bytes())
}

/// Reads an identity that `write_key` wrote.
///
/// # Errors
/// When the file is missing, others may read it, or it holds something else.
pub fn read_key(path: &Path) -> Result<Identity, Error> {
    of_plain(path, &private_text(path)?)
}

/// The text of a file that only its owner may read.
///
/// # Errors
/// When it is missing or others may read it.
pub(crate) fn private_text(path: &Path) -> Result<Zeroizing<String>, Error> {
    use std::os::unix::fs::PermissionsExt as _;
    let found = std::fs::metadata(path).map_err(|why| Error::file(path, "read the key", &why))?;
    if found.permissions().mode() & 0o077 != 0 {
        return Err(Error::asked("others than its owner may read the key")
            .place(path.display().to_string())
            .expected("mode 0600")
            .remedy(format!("chmod 600 {}; if others could reach it, replace the key", path.display())));
    }
    toml_file::text(path).map(Zeroizing::new)
}

/// The identity whose seed is this text.
///
/// # Errors
/// When it is none; the text is not shown.
pub(crate) fn of_plain(path: &Path, text: &str) -> Result<Identity, Error> {
    let bytes = from_hex(text.trim()).map(Zeroizing::new);
    let seed: Option<Zeroizing<[u8; 32]>> =
        bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes.as_slice()).ok()).map(Zeroizing::new);
    let seed = seed.ok_or_else(|| {
        Error::asked("the file is not a key")
            .place(path.display().to_string())
            .expected("64 hexadecimal digits on one line, as `samensom keygen` and `samensom init` write it")
    })?;
    Ok(Identity::from_seed(&Secret::new(*seed)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;
    use tempfile::TempDir;

    #[test]
    fn a_key_is_for_its_owner_and_never_overwritten() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("a.key");
        let identity = new_identity().unwrap();
        write_key(&path, &identity).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(read_key(&path).unwrap().public(), identity.public());
        assert!(write_key(&path, &new_identity().unwrap()).is_err());
        assert_eq!(read_key(&path).unwrap().public(), identity.public());
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
        assert!(read_key(&path).unwrap_err().to_string().contains("chmod 600"));
    }

    #[test]
    fn what_is_not_a_key_is_refused_without_being_shown() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("a.key");
        write_new(&path, 0o600, b"secretsecret").unwrap();
        let error = read_key(&path).unwrap_err().to_string();
        assert!(error.contains("not a key") && !error.contains("secretsecret"), "{error}");
    }

    #[test]
    fn one_server_at_a_time() {
        let place = TempDir::new().unwrap();
        let folder = Folder::new(place.path().join("data"));
        folder.make().unwrap();
        assert_eq!(std::fs::metadata(folder.path()).unwrap().permissions().mode() & 0o777, 0o700);
        let held = folder.lock().unwrap();
        assert!(folder.lock().unwrap_err().to_string().contains("runs on this data folder already"));
        drop(held);
        folder.lock().unwrap();
    }
}
