//! The consent desk: the warrants that were offered here, and what people of this hospital decided on each.
//!
//! Owns a folder in the state folder: the warrants, under their hash, and one file for each decision. All are of this
//! account alone (0600) and on the disk before anything follows from them. A decision is bound to the exact
//! warrant: whatever differs by a byte has another hash and no decision. A file that cannot be read is no
//! approval. It must not know sessions: they look here.

use crate::error::Error;
use samensom_protocol::codec::{Blob, decode, encode};
use samensom_protocol::ids::WarrantHash;
use samensom_protocol::query::Query;
use samensom_protocol::time::Time;
use samensom_protocol::warrant::{MAX_BODY, Warrant, WarrantBody, same_person};
use serde::{Deserialize, Serialize};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

const FOLDER: &str = "consent";
/// Most decisions on one warrant.
const MOST: u32 = 1000;

/// A warrant as it was offered here first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    body: Blob<MAX_BODY>,
    approved_by: Vec<[String; 3]>,
    since: Time,
}

/// A warrant that was offered here.
#[derive(Debug, Clone)]
pub struct Offered {
    /// Its hash, by which it is named.
    pub hash: WarrantHash,
    /// What was signed.
    pub body: WarrantBody,
    /// The query.
    pub query: Query,
    /// Who approved it: person, role, organisation.
    pub approved_by: Vec<[String; 3]>,
    /// When it was offered first.
    pub since: Time,
}

/// What somebody decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Whether this hospital is to take part.
    pub approve: bool,
    /// The name that was given.
    pub person: String,
    /// The account of this machine, and who became it.
    pub os_user: String,
    /// When.
    pub at: Time,
}

/// What the people's decisions on a warrant come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// These people approved it; nobody may have.
    Approved(Vec<String>),
    /// This person refused it, after whatever was approved before.
    Refused(String),
}

/// Whose decisions these are, in their order: a refusal takes back what was approved before it, one person approves
/// once.
#[must_use]
pub fn outcome(decisions: &[Decision]) -> Outcome {
    let mut outcome = Outcome::Approved(Vec::new());
    for Decision { approve, person, .. } in decisions {
        outcome = match (outcome, approve) {
            (_, false) => Outcome::Refused(person.clone()),
            (Outcome::Refused(_), true) => Outcome::Approved(vec![person.clone()]),
            (Outcome::Approved(mut by), true) => {
                if by.iter().all(|other| !same_person(other, person)) {
                    by.push(person.clone());
                }
                Outcome::Approved(by)
            }
        };
    }
    outcome
}

/// The desk of a state folder.
#[derive(Debug, Clone)]
pub struct Desk {
    folder: PathBuf,
}

impl Desk {
    /// That of this state folder.
    #[must_use]
    pub fn of_state(state: &Path) -> Desk {
        Desk { folder: state.join(FOLDER) }
    }

    /// Keeps a warrant that is offered; one that is kept already stays as it is.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn keep(&self, warrant: &Warrant, since: Time) -> io::Result<()> {
        let path = self.folder.join(format!("{}.offered", warrant.hash().to_hex()));
        if path.exists() {
            return Ok(());
        }
        DirBuilder::new().recursive(true).mode(0o700).create(&self.folder)?;
        let person = |one: &samensom_protocol::roster::Approver| {
            [one.person.to_string(), one.role.to_string(), one.organisation.to_string()]
        };
        let kept = Kept {
            body: encode(warrant.body()).and_then(Blob::new).map_err(io::Error::other)?,
            approved_by: warrant.approvers().iter().map(person).collect(),
            since,
        };
        let draft = self.draft(&serde_json::to_vec(&kept)?)?;
        std::fs::rename(draft, path)?;
        self.sync()
    }

    /// Every warrant that was offered, the newest first; files that are no warrants are left out.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn all(&self) -> Result<Vec<Offered>, Error> {
        let mut all: Vec<Offered> = self.names()?.iter().filter_map(|name| self.read(name)).collect();
        all.sort_by_key(|offered| (std::cmp::Reverse(offered.since), offered.hash));
        Ok(all)
    }

    /// The warrant with this hash, if it is kept as it was offered.
    #[must_use]
    pub fn of(&self, hash: &WarrantHash) -> Option<Offered> {
        self.read(&format!("{}.offered", hash.to_hex()))
    }

    /// The warrant whose hash begins so.
    ///
    /// # Errors
    /// When none does, or more than one.
    pub fn find(&self, typed: &str) -> Result<Offered, Error> {
        let typed = typed.trim().to_lowercase();
        let mut found: Vec<Offered> =
            self.all()?.into_iter().filter(|offered| offered.hash.to_hex().starts_with(&typed)).collect();
        match (found.pop(), found.is_empty(), typed.is_empty()) {
            (Some(offered), true, false) => Ok(offered),
            (None, ..) => Err(Error::Desk(format!("no query that was offered here begins with `{typed}`"))),
            _ => Err(Error::Desk(format!("more than one query that was offered here begins with `{typed}`"))),
        }
    }

    /// What was decided on a warrant, in order.
    ///
    /// # Errors
    /// When a decision cannot be read.
    pub fn decisions(&self, hash: &WarrantHash) -> io::Result<Vec<Decision>> {
        let mut decisions = Vec::new();
        for number in 0..MOST {
            match std::fs::read(self.place(hash, number)) {
                Err(error) if error.kind() == ErrorKind::NotFound => break,
                read => decisions.push(serde_json::from_slice(&read?)?),
            }
        }
        Ok(decisions)
    }

    /// What they come to. Where one cannot be read nothing is approved.
    #[must_use]
    pub fn outcome(&self, hash: &WarrantHash) -> Outcome {
        match self.decisions(hash) {
            Ok(decisions) => outcome(&decisions),
            Err(_) => Outcome::Refused("a decision that cannot be read".to_owned()),
        }
    }

    /// Adds a decision; it is on the disk when this returns. Two at the same moment are both kept.
    ///
    /// # Errors
    /// When the disk fails, or there are too many.
    pub fn decide(&self, hash: &WarrantHash, decision: &Decision) -> io::Result<()> {
        let draft = self.draft(&serde_json::to_vec(decision)?)?;
        let placed =
            (0..MOST).find_map(|number| match std::fs::hard_link(&draft, self.place(hash, number)) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => None,
                placed => Some(placed),
            });
        std::fs::remove_file(&draft)?;
        placed.unwrap_or_else(|| Err(io::Error::other("too many decisions on one query")))?;
        self.sync()
    }

    fn place(&self, hash: &WarrantHash, number: u32) -> PathBuf {
        self.folder.join(format!("{}.{number:04}", hash.to_hex()))
    }

    /// A file of this account alone, on the disk, under a name that nothing reads.
    fn draft(&self, text: &[u8]) -> io::Result<PathBuf> {
        let path = self.folder.join(format!("draft-{}", std::process::id()));
        // One that a killed program left.
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        file.write_all(text)?;
        file.sync_all()?;
        Ok(path)
    }

    fn sync(&self) -> io::Result<()> {
        File::open(&self.folder)?.sync_all()
    }

    fn names(&self) -> Result<Vec<String>, Error> {
        let failed = |source| Error::Io { doing: "reading the queries that were offered", source };
        let entries = match std::fs::read_dir(&self.folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(failed)?,
        };
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        Ok(names.filter(|name| name.ends_with(".offered")).collect())
    }

    /// A warrant, if its hash is the one that names the file.
    fn read(&self, name: &str) -> Option<Offered> {
        let kept: Kept = serde_json::from_slice(&std::fs::read(self.folder.join(name)).ok()?).ok()?;
        let hash = WarrantBody::hash_of(&kept.body);
        let body: WarrantBody = decode(&kept.body).ok()?;
        let query = Query::from_canonical(&body.query).ok()?;
        let named = name.strip_suffix(".offered") == Some(hash.to_hex().as_str());
        named.then_some(Offered { hash, body, query, approved_by: kept.approved_by, since: kept.since })
    }
}

/// The account of this machine that runs the program, and who became it.
#[must_use]
pub fn os_user() -> String {
    let uid = rustix::process::getuid().as_raw();
    let accounts = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = accounts.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
    });
    let name = name.unwrap_or_else(|| uid.to_string());
    match std::env::var("SUDO_USER") {
        Ok(by) if !by.is_empty() => format!("{name}, by sudo of {by}"),
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    const QUERY: &str = "[query]\nid = \"q\"\nversion = 1\ntitle = { nl = \"q\", en = \"q\" }\n\
                         purpose = \"stock\"\ndataset = \"stock\"\n[[measure]]\nname = \"lines\"\nrows = true\n";

    fn warrant(version: u32) -> Warrant {
        let text = QUERY.replace("version = 1", &format!("version = {version}"));
        crate::testing::warrant(&Query::from_toml(&text, &mut |_| Err(String::new())).unwrap())
    }

    fn said(approve: bool, person: &str) -> Decision {
        Decision { approve, person: person.to_owned(), os_user: "root".to_owned(), at: Time(1) }
    }

    #[test]
    fn a_refusal_takes_back_what_was_approved_and_one_person_counts_once() {
        let of = |all: &[(bool, &str)]| {
            outcome(&all.iter().map(|(approve, person)| said(*approve, person)).collect::<Vec<_>>())
        };
        let approved = |by: &[&str]| Outcome::Approved(by.iter().map(|one| (*one).to_owned()).collect());
        assert_eq!(of(&[]), approved(&[]));
        assert_eq!(of(&[(true, "A. Bos"), (true, "a bos")]), approved(&["A. Bos"]));
        assert_eq!(of(&[(true, "a"), (true, "b")]), approved(&["a", "b"]));
        assert_eq!(of(&[(true, "a"), (false, "c")]), Outcome::Refused("c".to_owned()));
        assert_eq!(of(&[(true, "a"), (false, "c"), (true, "b")]), approved(&["b"]));
    }

    #[test]
    fn decisions_are_durable_private_and_of_one_warrant() {
        let dir = tempfile::tempdir().unwrap();
        let desk = Desk::of_state(dir.path());
        assert!(desk.all().unwrap().is_empty());
        let (one, other) = (warrant(1), warrant(2));
        desk.keep(&one, Time(5)).unwrap();
        desk.keep(&one, Time(9)).unwrap();
        desk.keep(&other, Time(7)).unwrap();
        let all: Vec<(u64, u32)> =
            desk.all().unwrap().iter().map(|one| (one.since.0, one.query.version())).collect();
        assert_eq!(all, [(7, 2), (5, 1)]);
        desk.decide(&one.hash(), &said(true, "a")).unwrap();
        desk.decide(&one.hash(), &said(true, "b")).unwrap();
        assert_eq!(desk.outcome(&one.hash()), Outcome::Approved(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(desk.outcome(&other.hash()), Outcome::Approved(vec![]), "another warrant");
        for entry in std::fs::read_dir(&desk.folder).unwrap() {
            let entry = entry.unwrap();
            assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{entry:?}");
        }
        assert_eq!(desk.find(&one.hash().to_hex()[..9]).unwrap().hash, one.hash());
        assert!(desk.find("").is_err() && desk.find("zz").is_err());
    }

    #[test]
    fn what_was_tampered_with_approves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let desk = Desk::of_state(dir.path());
        let warrant = warrant(1);
        desk.keep(&warrant, Time(5)).unwrap();
        desk.decide(&warrant.hash(), &said(true, "a")).unwrap();
        let decision = desk.place(&warrant.hash(), 0);
        let text = std::fs::read_to_string(&decision).unwrap();
        std::fs::write(&decision, &text[..text.len() - 3]).unwrap();
        assert!(matches!(desk.outcome(&warrant.hash()), Outcome::Refused(_)));
        let kept = desk.folder.join(format!("{}.offered", warrant.hash().to_hex()));
        let text = std::fs::read_to_string(&kept).unwrap();
        let place = text.find("\"body\":\"").unwrap() + 100;
        let mut bytes = text.into_bytes();
        bytes[place] = if bytes[place] == b'0' { b'1' } else { b'0' };
        std::fs::write(&kept, bytes).unwrap();
        assert!(desk.all().unwrap().is_empty(), "its hash is not its name");
    }
}
