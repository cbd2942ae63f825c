//! Section 10 of the manual: whoever has a bundle and nothing else verifies it.
//!
//! Owns rosters, the warrant and what the bundle says in the end; one session of it is in `session.rs`, what may open in
//! `opening.rs`. Dimensions by classes of hospitals and filters are refused, not guessed: no vector has any.

mod opening;
mod session;

use super::codec::{decode, encode, text};
use super::fields::{Fields, array, bytes, hex, number, same};
use super::primitives::*;
use super::session::next_roster;
use super::values::words;
use super::{Checked, wire};
use serde_json::{Value, json};
use session::Verified;
use std::collections::BTreeSet;

pub fn check(file: &Value) -> Checked<()> {
    let mut file = Fields::of("bundle", file)?;
    for mut one in file.objects("bundles")? {
        let (about, bundle) = (one.text("about")?, one.take("bundle")?);
        told(&mut one, &bundle).map_err(|why| format!("{about}: {why}"))?;
        one.done()?;
    }
    file.done()
}

/// Verifies a bundle as it stands in its file: its survivors, and the total of each figure, in base units; none where
/// it stayed closed.
///
/// # Errors
/// What is wrong with it.
pub fn read(file: &str) -> Checked<(Vec<u16>, Vec<Option<i64>>)> {
    let bundle: Value = serde_json::from_str(file).map_err(|why| why.to_string())?;
    if text(&wire::bundle(), &bundle)? != file {
        return Err("not in the one form".to_owned());
    }
    let (_, verified) = whole(&bundle)?;
    Ok((verified.survivors.clone(), verified.totals()?))
}

fn told(one: &mut Fields, bundle: &Value) -> Checked<()> {
    let (founding, verified) = whole(bundle)?;
    one.is_bytes("file_sha256", sha(text(&wire::bundle(), bundle)?.as_bytes()))?;
    one.is_bytes("founding", founding)?;
    one.is("words", words(&founding))?;
    one.is("at", verified.at)?;
    one.is("survivors", json!(verified.survivors))?;
    let dropped = verified.cohort.iter().filter(|node| !verified.survivors.contains(node));
    one.is("dropped", json!(dropped.collect::<Vec<_>>()))?;
    one.is("totals", json!(verified.totals()?))?;
    one.is_bytes("result", verified.result)?;
    Ok(())
}

/// The first roster's hash, and what the figures are.
fn whole(bundle: &Value) -> Checked<(Hash, Verified)> {
    // Every field, in its form and length.
    encode(&wire::bundle(), bundle)?;
    same("format", &bundle["format"], &json!("samensom bundle 4"))?;
    let mut rosters = bundle["rosters"].as_array().ok_or("no rosters")?.iter();
    let mut last = next_roster(None, rosters.next().ok_or("no roster")?)?;
    let founding = last.0;
    for signed in rosters {
        last = next_roster(Some(&last), signed)?;
    }
    let under = Under { roster: last.0, body: last.1, warrant: &bundle["warrant"] };
    let count = match &bundle["count"] {
        Value::Null => None,
        session => Some(session::verify_session(&under, session, None)?),
    };
    let verified = session::verify_session(&under, &bundle["value"], count.as_ref())?;
    if verified.header["pass"] != "Value" {
        return Err("a count pass stands where the figures should".to_owned());
    }
    Ok((founding, verified))
}

/// What every session of a bundle is under.
pub struct Under<'a> {
    roster: Hash,
    body: Value,
    warrant: &'a Value,
}

/// A warrant that holds at a time.
pub struct Warrant {
    hash: Hash,
    body: Value,
    query: Value,
    lock: Value,
    rule: Value,
}

impl Under<'_> {
    /// Active members and their keys, ascending.
    fn members(&self) -> Checked<Vec<(u16, Hash, u64)>> {
        let all = self.body["members"].as_array().ok_or("no members")?;
        let active = all.iter().filter(|one| one["status"] == "Active");
        let one = |one: &Value| Ok((id(&one["id"])?, array(&one["key"])?, number(&one["floor_hospitals"])?));
        active.map(one).collect()
    }

    fn key(&self, node: u16) -> Checked<Hash> {
        let found = self.members()?.into_iter().find(|(id, ..)| *id == node);
        found.map(|(_, key, _)| key).ok_or_else(|| format!("node {node} is no active member"))
    }

    /// Approved as the rules say (section 3), at this time.
    fn warrant(&self, at: u64) -> Checked<Warrant> {
        let raw = bytes(&self.warrant["body"])?;
        let (body, hash) = (decode(&wire::warrant(), &raw)?, H::new("warrant").bytes(&raw).end());
        same("roster", &body["roster"], &hex(self.roster))?;
        same("profile", &body["profile"], &json!(1))?;
        if !(number(&body["valid_from"])?..=number(&body["valid_until"])?).contains(&at) {
            return Err("a warrant outside its time".to_owned());
        }
        let requester = &body["requester"];
        let asked = encode(&wire::word(), &json!({ "Asked": hex(hash) }))?;
        verify(&array(&requester["key"])?, "approval", &asked, &array(&self.warrant["request"])?)?;
        let query = decode(&wire::query(), &bytes(&body["query"])?)?;
        let named = |list: &str, is: &dyn Fn(&Value) -> bool| {
            self.body[list].as_array().and_then(|all| all.iter().find(|one| is(one))).cloned()
        };
        let purpose = query["purpose"].as_str().ok_or("no purpose")?.to_lowercase();
        let rule = named("rules", &|one| one["purpose"] == *purpose).ok_or("no rule for the purpose")?;
        let data = query["dataset"].as_str().ok_or("no data set")?.to_lowercase();
        let has = |one: &Value| one["datasets"].as_array().is_some_and(|all| all.contains(&json!(data)));
        let lock = named("locks", &has).ok_or("no lock for the data set")?;
        self.approved(&raw, requester, &rule)?;
        Ok(Warrant { hash, body, query, lock, rule })
    }

    fn approved(&self, raw: &[u8], requester: &Value, rule: &Value) -> Checked<()> {
        let letters = |name: &Value| -> String {
            let name = name.as_str().unwrap_or_default();
            name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
        };
        let (mut roles, mut organisations) = (Vec::new(), Vec::new());
        let (mut keys, mut people) =
            (BTreeSet::from([requester["key"].to_string()]), BTreeSet::from([letters(&requester["person"])]));
        for one in self.warrant["approvals"].as_array().ok_or("no approvals")? {
            let known = self.body["approvers"]
                .as_array()
                .and_then(|all| all.iter().find(|approver| approver["key"] == one["key"]));
            let known = known.ok_or("an approval by nobody the roster names")?;
            verify(&array(&one["key"])?, "approval", raw, &array(&one["signature"])?)?;
            if !keys.insert(one["key"].to_string()) || !people.insert(letters(&known["person"])) {
                return Err("one person twice, or who asks".to_owned());
            }
            roles.push(known["role"].clone());
            organisations.push(known["organisation"].clone());
        }
        for role in rule["roles"].as_array().ok_or("no roles")? {
            let at = roles.iter().position(|given| given == role);
            roles.swap_remove(at.ok_or("a role is missing")?);
        }
        let members = self.body["members"].as_array().ok_or("no members")?;
        let of_hospital =
            |one: &&Value| one["status"] == "Active" && organisations.contains(&one["institution"]);
        members.iter().find(of_hospital).map(|_| ()).ok_or_else(|| "no approver of a hospital".to_owned())
    }
}

fn id(value: &Value) -> Checked<u16> {
    u16::try_from(number(value)?).map_err(|_| "no id".to_owned())
}
