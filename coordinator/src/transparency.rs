//! The transparency log for others to read: written to a file at LCG, held to its signed head anywhere.
//!
//! Owns the file's form (JSON lines: the signed head, then every entry) and the three questions an auditor has: is the
//! log what its head signs, does it begin with each head that a hospital kept, is this bundle in it once. What makes a
//! head or a leaf stands in `samensom_protocol::transparency`. It holds no figure.

use crate::error::Error;
use crate::folder::Folder;
use crate::result::read_bundle;
use samensom_protocol::crypto::tree::Tree;
use samensom_protocol::ids::{BundleHash, PublicKey};
use samensom_protocol::transparency::{Ending, Entry, SignedTreeHead, bundle_hash, head_of};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;
use std::io::Write;
use std::path::Path;

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeadLine {
    coordinator: PublicKey,
    head: SignedTreeHead,
}

/// A line of an entry.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryLine {
    number: u64,
    entry: Entry,
}

/// What a log was found to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Always true: a log that is not ends the command with exit code 8.
    pub verified: bool,
    /// The key that signed its head.
    pub coordinator: PublicKey,
    /// How many entries.
    pub entries: u64,
    /// Rosters among them.
    pub rosters: u64,
    /// Warrants.
    pub warrants: u64,
    /// Sessions that ended with a sum.
    pub sums: u64,
    /// Sessions that ended without one.
    pub failures: u64,
    /// Refusals of hospitals, added up.
    pub refusals: u64,
    /// Result bundles.
    pub bundles: u64,
    /// The number of the bundle's entry; null when none was held against it.
    pub bundle: Option<u64>,
    /// Heads of `--against` that this log begins with.
    pub compared: u64,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} entries, signed by {}: {} rosters, {} warrants, {} sessions with a sum and {} without, {} refusals, \
             {} bundles",
            self.entries,
            self.coordinator,
            self.rosters,
            self.warrants,
            self.sums,
            self.failures,
            self.refusals,
            self.bundles
        )?;
        if let Some(number) = self.bundle {
            write!(f, "\nthe bundle is entry {number}, and no other")?;
        }
        match self.compared {
            0 => Ok(()),
            compared => write!(f, "\nit begins with each of {compared} heads that a hospital kept"),
        }
    }
}

/// Writes the log with its head, as it is now.
///
/// # Errors
/// When there is no store or key, or nobody takes what is written.
pub fn export(folder: &Folder, out: &mut impl Write) -> Result<(), Error> {
    let (store, identity) = (folder.read_store()?, folder.identity()?);
    let entries = store.entries()?;
    let tree = tree_of(&entries)?;
    let unmade = || Error::machine("the head of the transparency log cannot be made");
    let head = head_of(&tree, tree.size()).ok_or_else(unmade)?;
    let head = SignedTreeHead::new(&identity, head).map_err(|_| unmade())?;
    line(out, &HeadLine { coordinator: identity.public(), head })?;
    for (number, entry) in (0u64..).zip(entries) {
        line(out, &EntryLine { number, entry })?;
    }
    out.flush().map_err(unwritten)
}

fn line(out: &mut impl Write, what: &impl Serialize) -> Result<(), Error> {
    let text = serde_json::to_string(what)
        .map_err(|why| Error::machine(format!("an entry cannot be written: {why}")))?;
    writeln!(out, "{text}").map_err(unwritten)
}

fn unwritten(why: std::io::Error) -> Error {
    if why.kind() == std::io::ErrorKind::BrokenPipe {
        return Error::Unread;
    }
    Error::machine(format!("the transparency log cannot be written: {why}"))
}

fn tree_of(entries: &[Entry]) -> Result<Tree, Error> {
    let mut tree = Tree::default();
    for entry in entries {
        tree.push(entry.leaf().map_err(|why| Error::machine(format!("an entry has no leaf: {why}")))?);
    }
    Ok(tree)
}

/// Holds a log to its head, to the heads that a hospital kept, and looks for a bundle in it.
///
/// # Errors
/// When a file cannot be read, or is not what it says it is: exit code 8, with the line.
pub fn verify(file: &Path, bundle: Option<&Path>, against: Option<&Path>) -> Result<Verdict, Error> {
    let (HeadLine { coordinator, head }, entries) = read(file)?;
    let tree = tree_of(&entries)?;
    let place = || file.display().to_string();
    if !head.is_of(&coordinator) {
        return Err(Error::mismatch("the head is not signed by the key beside it").place(place()));
    }
    if head_of(&tree, tree.size()) != Some(head.head) {
        return Err(Error::mismatch("the entries are not those that the head signs")
            .place(place())
            .expected(format!("{} entries with the root {}", head.head.size, head.head.root)));
    }
    let count = |what: fn(&Entry) -> u64| entries.iter().map(what).fold(0, u64::saturating_add);
    let found = bundle.map(|bundle| entry_of(bundle, &coordinator, &entries)).transpose()?;
    let compared = against.map(|path| begins_with(&tree, &coordinator, path)).transpose()?;
    Ok(Verdict {
        verified: true,
        coordinator,
        entries: head.head.size,
        rosters: count(|one| u64::from(matches!(one, Entry::Roster { .. }))),
        warrants: count(|one| u64::from(matches!(one, Entry::Warrant { .. }))),
        sums: count(|one| u64::from(matches!(one, Entry::Ended { ending: Ending::Sum, .. }))),
        failures: count(|one| u64::from(matches!(one, Entry::Ended { ending: Ending::NoSum, .. }))),
        refusals: count(|one| match one {
            Entry::Refusals { hospitals, .. } => u64::from(*hospitals),
            _ => 0,
        }),
        bundles: count(|one| u64::from(matches!(one, Entry::Bundle { .. }))),
        bundle: found,
        compared: compared.unwrap_or(0),
    })
}

fn text(file: &Path) -> Result<String, Error> {
    std::fs::read_to_string(file).map_err(|why| Error::file(file, "read", &why))
}

fn read(file: &Path) -> Result<(HeadLine, Vec<Entry>), Error> {
    let text = text(file)?;
    let wrong = |number: usize, what: String| {
        Error::mismatch(what)
            .place(format!("{}, line {number}", file.display()))
            .expected("what `samensom transparency export` writes")
    };
    let mut lines = (1usize..).zip(text.lines());
    let (_, first) = lines.next().ok_or_else(|| wrong(1, "the file is empty".to_owned()))?;
    let head = serde_json::from_str(first).map_err(|why| wrong(1, format!("no head: {why}")))?;
    let mut entries = Vec::new();
    for (number, line) in lines {
        let entry: EntryLine =
            serde_json::from_str(line).map_err(|why| wrong(number, format!("no entry: {why}")))?;
        if usize::try_from(entry.number) != Ok(entries.len()) {
            let what = format!("entry {} stands where entry {} is due", entry.number, entries.len());
            return Err(wrong(number, what));
        }
        entries.push(entry.entry);
    }
    Ok((head, entries))
}

/// The number of the entry that names this bundle, the only one.
fn entry_of(bundle: &Path, coordinator: &PublicKey, entries: &[Entry]) -> Result<u64, Error> {
    let bytes = std::fs::read(bundle).map_err(|why| Error::file(bundle, "read the bundle", &why))?;
    let place = bundle.display().to_string();
    let verified = read_bundle(&bytes).map_err(|why| why.place(place.clone()))?;
    if verified.facts.header.coordinator != *coordinator {
        return Err(Error::mismatch("the bundle is another coordinator's than the log").place(place));
    }
    let (hash, sid): (BundleHash, _) = (bundle_hash(&bytes), verified.facts.sid);
    let of_it: Vec<(u64, &Entry)> = (0u64..)
        .zip(entries)
        .filter(|(_, entry)| matches!(entry, Entry::Bundle { attempt, .. } if *attempt == sid))
        .collect();
    let own = Entry::Bundle { attempt: sid, result: verified.result, bundle: hash };
    match of_it.as_slice() {
        [(number, entry)] if **entry == own => Ok(*number),
        [] => Err(Error::mismatch("the bundle is not in the log").place(place)),
        _ => Err(Error::mismatch("the log names another bundle of this session").place(place)),
    }
}

/// How many heads of a hospital's audit log this log begins with.
fn begins_with(tree: &Tree, coordinator: &PublicKey, against: &Path) -> Result<u64, Error> {
    let (mut compared, text) = (0u64, text(against)?);
    for (number, line) in (1usize..).zip(text.lines()) {
        let place = || format!("{}, line {number}", against.display());
        let record: Value = serde_json::from_str(line).map_err(|why| {
            Error::mismatch(format!("no record: {why}"))
                .place(place())
                .expected("what `samensom-node audit export` writes")
        })?;
        let Some(told) = record.get("record").filter(|told| told["event"] == "tree-head") else { continue };
        let head = serde_json::from_value::<SignedTreeHead>(told["head"].clone());
        let head = head.ok().filter(|head| head.is_of(coordinator));
        let head = head.ok_or_else(|| {
            Error::mismatch("a head that is not signed by the coordinator of this log").place(place())
        })?;
        let size = usize::try_from(head.head.size).ok().filter(|size| *size <= tree.size());
        if size.and_then(|size| head_of(tree, size)) != Some(head.head) {
            return Err(Error::mismatch("the log does not begin with a head that the hospital kept")
                .place(place())
                .expected(format!("{} entries with the root {}", head.head.size, head.head.root))
                .remedy("keep both files: the head is signed by the coordinator, and shows two stories"));
        }
        compared = compared.saturating_add(1);
    }
    if compared == 0 {
        return Err(Error::mismatch("no head of a transparency log is in the file")
            .place(against.display().to_string())
            .expected("what `samensom-node audit export` writes after a contact with the server"));
    }
    Ok(compared)
}

#[cfg(test)]
mod tests;
