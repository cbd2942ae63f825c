//! Key files of approvers, signers and analysts: `NAME.key` stays with the person, `NAME.pub` goes into the roster.
//!
//! Owns the form of the `.pub` file; that of the `.key` file is `sealed`'s. The secret never comes near the
//! server.

use crate::error::Error;
use crate::folder::{new_identity, write_key, write_new};
use crate::passphrase::Phrase;
use crate::sealed::write_sealed;
use crate::toml_file;
use samensom_protocol::codec::Text;
use samensom_protocol::crypto::keys::is_usable;
use samensom_protocol::ids::PublicKey;
use samensom_protocol::roster::{Approver, Signer};
use samensom_protocol::warrant::Requester;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// What a person's key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Approves warrants.
    Approver,
    /// Signs rosters.
    Signer,
    /// Asks queries and reads results.
    Analyst,
}

impl Kind {
    fn expected(self) -> &'static str {
        match self {
            Kind::Approver => "kind = \"approver\", made by `samensom keygen approver`",
            Kind::Signer => "kind = \"signer\", made by `samensom keygen signer`",
            Kind::Analyst => "kind = \"analyst\", made by `samensom keygen analyst`",
        }
    }
}

/// The public half of a person's key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Person {
    /// What the key is for.
    pub kind: Kind,
    /// The person's name.
    pub person: Text<160>,
    /// Role that the rules ask for; approvers only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Text<64>>,
    /// Short name of the hospital or body the person belongs to.
    pub organisation: Text<64>,
    /// The key.
    pub key: PublicKey,
}

impl Person {
    /// Makes a key pair and writes `BASENAME.key` (mode 0600) and `BASENAME.pub`; returns both paths. The key
    /// is sealed by the pass phrase, or plain without one.
    ///
    /// # Errors
    /// When one of the files exists or cannot be written.
    pub fn generate(
        kind: Kind,
        person: &str,
        role: Option<&str>,
        organisation: &str,
        base: &Path,
        phrase: Option<&Phrase>,
    ) -> Result<(Person, PathBuf, PathBuf), Error> {
        let with = |extension: &str| {
            let mut path = base.as_os_str().to_owned();
            path.push(extension);
            PathBuf::from(path)
        };
        let (secret, public) = (with(".key"), with(".pub"));
        if public.exists() {
            return Err(Error::asked("the file exists")
                .place(public.display().to_string())
                .remedy("choose another --out"));
        }
        let identity = new_identity()?;
        let person = Person {
            kind,
            person: text("--name", person)?,
            role: role.map(|role| text("--role", role)).transpose()?,
            organisation: text("--organisation", organisation)?,
            key: identity.public(),
        };
        let body = toml::to_string(&person)
            .map_err(|why| Error::machine(format!("the public key cannot be written: {why}")))?;
        match phrase {
            Some(phrase) => write_sealed(&secret, &identity, phrase)?,
            None => write_key(&secret, &identity)?,
        }
        write_new(&public, 0o644, body.as_bytes())?;
        Ok((person, secret, public))
    }

    /// The person of this kind whose `.pub` file this is.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(path: &Path, kind: Kind) -> Result<Person, Error> {
        let file = path.display().to_string();
        let person: Person = toml_file::parse(&file, &toml_file::text(path)?)?;
        if person.kind != kind {
            return Err(Error::asked("the key is of another kind").place(file).expected(kind.expected()));
        }
        if !is_usable(&person.key) {
            return Err(Error::asked("`key` is not a usable Ed25519 key").place(file));
        }
        Ok(person)
    }

    /// Who asks with the key of this `.key` file: the analyst or approver of the `.pub` file beside it.
    ///
    /// # Errors
    /// When there is none, or it is of another key.
    pub fn asks(secret: &Path, key: &PublicKey) -> Result<Requester, Error> {
        let path = secret.with_extension("pub");
        let file = path.display().to_string();
        let person: Person = toml_file::parse(&file, &toml_file::text(&path)?)?;
        if person.key != *key {
            return Err(Error::asked("the two files are of different keys").place(file));
        }
        if person.kind == Kind::Signer {
            return Err(Error::asked("a signer's key asks nothing")
                .place(file)
                .expected(Kind::Analyst.expected()));
        }
        Ok(Requester { key: person.key, person: person.person, organisation: person.organisation })
    }

    /// The approver whose `.pub` file this is.
    ///
    /// # Errors
    /// When it is none.
    pub fn approver(path: &Path) -> Result<Approver, Error> {
        let person = Person::read(path, Kind::Approver)?;
        let role = person.role.ok_or_else(|| {
            Error::asked("the approver has no role")
                .place(path.display().to_string())
                .expected("role = \"...\", as the rules of the roster name it")
        })?;
        Ok(Approver { key: person.key, person: person.person, role, organisation: person.organisation })
    }

    /// The signer whose `.pub` file this is.
    ///
    /// # Errors
    /// When it is none.
    pub fn signer(path: &Path) -> Result<Signer, Error> {
        let person = Person::read(path, Kind::Signer)?;
        Ok(Signer { key: person.key, person: person.person, organisation: person.organisation })
    }
}

/// A text of a person's, within its limit and not empty.
///
/// # Errors
/// When it is empty or too long.
pub fn text<const MAX: usize>(option: &str, given: &str) -> Result<Text<MAX>, Error> {
    let given = given.trim();
    if given.is_empty() || given.chars().any(char::is_control) {
        return Err(Error::asked("empty, or not one line of text").place(option));
    }
    Text::new(given)
        .map_err(|_| Error::asked("too long").place(option).expected(format!("at most {MAX} bytes")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::folder::read_key;
    use tempfile::TempDir;

    #[test]
    fn a_pair_is_made_once_and_read_as_what_it_is() {
        let folder = TempDir::new().unwrap();
        let base = folder.path().join("jansen.v2");
        let (_, secret, public) =
            Person::generate(Kind::Approver, "J. Jansen", Some("pharmacist"), "h1", &base, None).unwrap();
        assert!(secret.ends_with("jansen.v2.key"));
        let approver = Person::approver(&public).unwrap();
        assert_eq!(approver.key, read_key(&secret).unwrap().public());
        assert_eq!((&*approver.role, &*approver.organisation), ("pharmacist", "h1"));
        assert!(Person::signer(&public).unwrap_err().to_string().contains("keygen signer"));
        assert!(Person::generate(Kind::Signer, "x", None, "h1", &base, None).is_err(), "never overwritten");
        assert!(
            !std::fs::read_to_string(&public)
                .unwrap()
                .contains(&std::fs::read_to_string(&secret).unwrap().trim()[..16])
        );
    }

    #[test]
    fn a_weak_or_damaged_key_is_refused() {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("a.pub");
        let write = |key: &str| {
            let text = format!("kind = \"signer\"\nperson = \"a\"\norganisation = \"b\"\nkey = \"{key}\"\n");
            std::fs::write(&path, text).unwrap();
            Person::signer(&path).unwrap_err().to_string()
        };
        assert!(write(&"0".repeat(64)).contains("usable"));
        assert!(write("00").contains("line 4"));
    }
}
