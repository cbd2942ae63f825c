//! Whole sessions: every frame is made again from what was drawn, and must be the frame that was sent.
//!
//! Owns identities, rosters, channels and the order of draws; an attempt is in `attempt.rs`.

mod attempt;
mod sums;

use super::codec::{decode, encode};
use super::fields::{Fields, array, bytes, hex, number, same};
use super::primitives::*;
use super::{Checked, wire};
use attempt::Attempt;
pub use attempt::bounds;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

const COORDINATOR: u16 = 700;

/// One incarnation, as drawn.
struct Incarnation {
    node: u16,
    seed: Hash,
    public: Vec<u8>,
}

/// What roster and warrant say to everyone.
struct Facts {
    roster: Hash,
    n: u64,
    shares: u16,
    quorum: usize,
    limits: Value,
    slot: u64,
    began: u64,
}

struct Session {
    identities: BTreeMap<u16, Hash>,
    facts: Facts,
    figures: BTreeMap<u16, Vec<i64>>,
    tape: BTreeMap<String, Vec<u8>>,
    incarnations: BTreeMap<Hash, Incarnation>,
    /// The present incarnation of each node.
    current: BTreeMap<u16, Hash>,
    /// Ciphertext and secret that one incarnation made for another.
    made: BTreeMap<(Hash, Hash), (Vec<u8>, Hash)>,
    sent: BTreeSet<(Hash, Hash)>,
    confirmed: BTreeSet<(Hash, Hash)>,
    /// Channel frames that nodes sent: all that may be relayed.
    relayable: BTreeSet<Vec<u8>>,
    attempts: Vec<Attempt>,
}

/// The number in `node 3`; none for the coordinator.
fn node(name: &str) -> Checked<Option<u16>> {
    if name == "coordinator" {
        return Ok(None);
    }
    let id = name.strip_prefix("node ").and_then(|id| id.parse().ok());
    Ok(Some(id.ok_or_else(|| format!("{name} is nobody"))?))
}

pub fn check(file: &Value) -> Checked<()> {
    let mut file = Fields::of("session", file)?;
    file.text("about")?;
    let identities = identities(&mut file)?;
    let began = file.number("began")?;
    let facts = rosters(&mut file, &identities, began)?;
    let mut figures = BTreeMap::new();
    for mut one in file.objects("figures")? {
        let values = one.list("values")?;
        let values = values.iter().map(|v| v.as_i64().ok_or("no figure")).collect::<Result<_, _>>()?;
        figures.insert(one.u16("node")?, values);
        one.done()?;
    }
    let mut tape: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for mut one in file.objects("drawn")? {
        tape.entry(one.text("by")?).or_default().extend(one.bytes("bytes")?);
        one.done()?;
    }
    let mut session = Session {
        identities,
        facts,
        figures,
        tape,
        incarnations: BTreeMap::new(),
        current: BTreeMap::new(),
        made: BTreeMap::new(),
        sent: BTreeSet::new(),
        confirmed: BTreeSet::new(),
        relayable: BTreeSet::new(),
        attempts: Vec::new(),
    };
    for (i, mut one) in file.objects("frames")?.into_iter().enumerate() {
        let (from, to, frame) = (node(&one.text("from")?)?, node(&one.text("to")?)?, one.bytes("frame")?);
        one.done()?;
        session.frame(from, to, &frame).map_err(|why| format!("frame {i}: {why}"))?;
    }
    if let Some((by, _)) = session.tape.iter().find(|(_, rest)| !rest.is_empty()) {
        return Err(format!("{by} drew more than was used"));
    }
    let mut keys = file.list("channels")?;
    for (low, high, key) in session.channels()? {
        let computed = json!({ "low": hex(low), "high": hex(high), "key": hex(key) });
        let at = keys.iter().position(|one| *one == computed);
        keys.remove(at.ok_or("a channel has another key")?);
    }
    if !keys.is_empty() {
        return Err("a channel of nobody".to_owned());
    }
    let told = session.attempts.iter().map(|one| sums::told(one, &session)).collect::<Checked<Vec<_>>>()?;
    let given = file.list("attempts")?;
    if given.len() != told.len() {
        return Err("another number of attempts".to_owned());
    }
    for (given, told) in given.iter().zip(&told) {
        let (mut fields, told) = (Fields::of("attempt", given)?, told.as_object().ok_or("no object")?);
        told.iter().try_for_each(|(name, value)| fields.is(name, value.clone()))?;
        fields.done()?;
    }
    file.done()
}

fn identities(file: &mut Fields) -> Checked<BTreeMap<u16, Hash>> {
    let mut identities = BTreeMap::new();
    for mut one in file.objects("identities")? {
        let (number, seed) = (one.u16("number")?, one.array("seed")?);
        one.is_bytes("public", public(&seed))?;
        identities.insert(number, seed);
        one.done()?;
    }
    let expected: Vec<u16> = (1..=5).chain([COORDINATOR, 800, 801]).chain(900..=904).collect();
    if !identities.keys().eq(&expected) {
        return Err("identities of other numbers".to_owned());
    }
    Ok(identities)
}

/// A roster that follows the one before; its hash and body.
pub fn next_roster(before: Option<&(Hash, Value)>, signed: &Value) -> Checked<(Hash, Value)> {
    encode(&wire::signed_roster(), signed)?;
    let raw = bytes(&signed["body"])?;
    let (body, hash) = (decode(&wire::roster(), &raw)?, H::new("roster").bytes(&raw).end());
    let mut signers = BTreeSet::new();
    for given in signed["signatures"].as_array().ok_or("no signatures")? {
        let key = array(&given["key"])?;
        verify(&key, "roster", &raw, &array(&given["signature"])?)?;
        let (_, last) = before.ok_or("the first roster is not signed")?;
        let known =
            last["signers"].as_array().is_some_and(|all| all.iter().any(|s| s["key"] == given["key"]));
        if !known || !signers.insert(key) {
            return Err("a roster is signed by somebody else".to_owned());
        }
    }
    let (epoch, previous, threshold) = before.map_or((0, [0; 32], Some(0)), |(hash, last)| {
        (last["epoch"].as_u64().unwrap_or(0) + 1, *hash, last["threshold"].as_u64())
    });
    same("epoch", &body["epoch"], &json!(epoch))?;
    same("previous", &body["previous"], &hex(previous))?;
    if (signers.len() as u64) < threshold.unwrap_or(u64::MAX) {
        return Err("too few signed a roster".to_owned());
    }
    Ok((hash, body))
}

/// The chain of two rosters, and the numbers that the second gives.
fn rosters(file: &mut Fields, identities: &BTreeMap<u16, Hash>, began: u64) -> Checked<Facts> {
    let mut before: Option<(Hash, Value)> = None;
    for mut one in file.objects("rosters")? {
        let next = next_roster(before.as_ref(), &one.take("signed")?)?;
        one.is_bytes("hash", next.0)?;
        one.done()?;
        before = Some(next);
    }
    let (roster, body) = before.ok_or("no roster")?;
    let members = body["members"].as_array().ok_or("no members")?;
    for member in members {
        let id = u16::try_from(number(&member["id"])?).map_err(|_| "no id")?;
        let seed = identities.get(&id).ok_or("a member without identity")?;
        same("key", &member["key"], &hex(public(seed)))?;
    }
    let n = members.iter().filter(|one| one["status"] == "Active").count() as u64;
    let (_, _, quorum, shares) = thresholds(n, number(&body["honest_min"])?);
    same("lock", &body["locks"][0]["name"], &json!("goods"))?;
    let spacing = number(&body["locks"][0]["spacing_s"])?.max(1);
    let (shares, quorum) = (shares as u16, quorum as usize);
    let (limits, slot) = (body["limits"].clone(), began / 1000 / spacing);
    Ok(Facts { roster, n, shares, quorum, limits, slot, began })
}

impl Session {
    fn draw<const N: usize>(&mut self, by: Option<u16>) -> Checked<[u8; N]> {
        let name = by.map_or("coordinator".to_owned(), |id| format!("node {id}"));
        let rest = self.tape.get_mut(&name).filter(|rest| rest.len() >= N);
        let drawn: Vec<u8> = rest.ok_or_else(|| format!("{name} drew too little"))?.drain(..N).collect();
        drawn.try_into().map_err(|_| "another length".to_owned())
    }

    fn seed(&self, number: u16) -> Checked<&Hash> {
        self.identities.get(&number).ok_or_else(|| format!("no identity {number}"))
    }

    /// A body with its author's signature.
    fn seal(&self, author: u16, what: &str, body: &Value) -> Checked<Value> {
        let shape = wire::signed_body(what).ok_or("no body")?;
        let raw = encode(&shape, body)?;
        Ok(json!({ "body": hex(&raw), "signature": hex(sign(self.seed(author)?, what, &raw)) }))
    }

    /// A sealed body, decoded; the signature must be the author's.
    fn open(&self, author: u16, what: &str, sealed: &Value) -> Checked<Value> {
        let raw = bytes(&sealed["body"])?;
        verify(&public(self.seed(author)?), what, &raw, &array(&sealed["signature"])?)?;
        decode(&wire::signed_body(what).ok_or("no body")?, &raw)
    }

    fn frame(&mut self, from: Option<u16>, to: Option<u16>, frame: &[u8]) -> Checked<()> {
        let Some((1, raw)) = frame.split_first() else { return Err("another wire version".to_owned()) };
        let message = decode(&wire::message(), raw)?;
        let (kind, inner) = message.as_object().and_then(|map| map.iter().next()).ok_or("no message")?;
        let at = |sid: &Value| -> Checked<Hash> { array(sid) };
        let channel = ["Announce", "Encapsulation", "ChannelConfirm"].contains(&kind.as_str());
        if channel && from.is_none() && !self.relayable.contains(frame) {
            return Err("a channel message that no node sent".to_owned());
        }
        match (kind.as_str(), from, to) {
            ("Announce", Some(node), None) => self.announce(node, inner)?,
            ("Announce", None, Some(node)) => self.meet(node, inner)?,
            ("Encapsulation", Some(node), None) => self.encapsulation(node, inner)?,
            ("ChannelConfirm", Some(node), None) => self.confirm(node, inner)?,
            ("Encapsulation", None, Some(node)) => {
                let raw = bytes(&inner["body"])?;
                self.is_for(node, &decode(&wire::encapsulation(), &raw)?["to"])?;
            }
            ("ChannelConfirm", None, Some(node)) => self.is_for(node, &inner["to"])?,
            ("Offer", None, Some(node)) => return attempt::offer(self, node, inner),
            ("Deposit", Some(node), None) => return attempt::deposit(self, node, inner),
            _ => {
                let peer = from.or(to).ok_or("from nobody to nobody")?;
                let sid = attempt::sid_of(kind, inner)?;
                let sid = at(&sid)?;
                let index = self.attempts.iter().position(|one| one.sid == sid).ok_or("of no attempt")?;
                let mut attempt = self.attempts.swap_remove(index);
                let made = attempt.answer(self, kind, inner, peer, from.is_some());
                self.attempts.push(attempt);
                let last = self.attempts.len() - 1;
                self.attempts.swap(index, last);
                same(kind, inner, &made?)?;
            }
        }
        if channel && from.is_some() {
            self.relayable.insert(frame.to_vec());
        }
        Ok(())
    }

    fn is_for(&self, node: u16, announce: &Value) -> Checked<()> {
        let found = self.incarnations.get(&array::<32>(announce)?).ok_or("of no incarnation")?;
        if found.node == node { Ok(()) } else { Err("relayed to somebody else".to_owned()) }
    }

    fn announce(&mut self, node: u16, sealed: &Value) -> Checked<()> {
        let (seed, nonce): (Hash, Hash) = (self.draw(Some(node))?, self.draw(Some(node))?);
        let public = xwing_public(&seed);
        let body = json!({
            "node": node, "roster": hex(self.facts.roster), "nonce": hex(nonce), "public": hex(&public),
            "not_after": self.facts.began + 24 * 3_600_000,
        });
        same("announce", sealed, &self.seal(node, "announce", &body)?)?;
        let hash = H::new("announce").bytes(&bytes(&sealed["body"])?).end();
        self.incarnations.insert(hash, Incarnation { node, seed, public });
        self.current.insert(node, hash);
        Ok(())
    }

    /// A node gets an announce: at the first time it encapsulates.
    fn meet(&mut self, node: u16, sealed: &Value) -> Checked<()> {
        let other = H::new("announce").bytes(&bytes(&sealed["body"])?).end();
        let own = *self.current.get(&node).ok_or("an announce to nobody")?;
        if !self.made.contains_key(&(own, other)) {
            let random = self.draw(Some(node))?;
            let public = &self.incarnations.get(&other).ok_or("of no incarnation")?.public;
            let made = encapsulate(public, &random)?;
            self.made.insert((own, other), made);
        }
        Ok(())
    }

    fn encapsulation(&mut self, node: u16, sealed: &Value) -> Checked<()> {
        let body = self.open(node, "encapsulation", sealed)?;
        let pair = (array(&body["from"])?, array(&body["to"])?);
        let (ciphertext, _) = self.made.get(&pair).ok_or("a ciphertext for nobody")?;
        same("ciphertext", &body["ciphertext"], &hex(ciphertext))?;
        same("encapsulation", sealed, &self.seal(node, "encapsulation", &body)?)?;
        self.sent.insert(pair);
        Ok(())
    }

    fn confirm(&mut self, node: u16, confirm: &Value) -> Checked<()> {
        let (from, to) = (array(&confirm["from"])?, array(&confirm["to"])?);
        self.is_for(node, &confirm["from"])?;
        let key = self.key(&from, &to)?;
        same("tag", &confirm["tag"], &hex(confirmation(&key, &from)))?;
        self.confirmed.insert((from, to));
        Ok(())
    }

    /// The key of two incarnations, by decapsulation at both ends.
    fn key(&self, a: &Hash, b: &Hash) -> Checked<Hash> {
        let of = |hash: &Hash| self.incarnations.get(hash).ok_or("of no incarnation");
        let (low, high) = if of(a)?.node < of(b)?.node { (a, b) } else { (b, a) };
        let half = |from: &Hash, to: &Hash| -> Checked<(&Vec<u8>, Hash)> {
            let (ciphertext, shared) = self.made.get(&(*from, *to)).ok_or("nothing was encapsulated")?;
            let opened = decapsulate(&of(to)?.seed, ciphertext)?;
            if opened == *shared { Ok((ciphertext, opened)) } else { Err("two secrets".to_owned()) }
        };
        let ((ct1, ss1), (ct2, ss2)) = (half(low, high)?, half(high, low)?);
        Ok(channel_key((low, ct1, &ss1), (high, ct2, &ss2)))
    }

    fn channels(&self) -> Checked<Vec<(Hash, Hash, Hash)>> {
        let mut all = Vec::new();
        for (from, to) in &self.sent {
            let low = self.incarnations[from].node < self.incarnations[to].node;
            if low && self.sent.contains(&(*to, *from)) {
                all.push((*from, *to, self.key(from, to)?));
            }
        }
        Ok(all)
    }

    /// The pair's key, if both ends confirmed it.
    fn pair(&self, a: &Hash, b: &Hash) -> Checked<Option<Hash>> {
        let both = self.confirmed.contains(&(*a, *b)) && self.confirmed.contains(&(*b, *a));
        if both { self.key(a, b).map(Some) } else { Ok(None) }
    }
}
