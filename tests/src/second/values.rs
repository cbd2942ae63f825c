//! `transcripts.json`, `keys.json`, `masks.json`, `sharing.json`: one derivation at a time.

use super::codec::{decode, encode};
use super::commitments::commitments_root;
use super::fields::{Fields, array, bytes, hex, number};
use super::primitives::*;
use super::{Checked, wire};
use serde_json::{Value, json};

const LABELS: [&str; 39] = [
    "roster",
    "query",
    "warrant",
    "session",
    "sid",
    "tie",
    "announce",
    "chan",
    "chan confirm",
    "sigma",
    "c",
    "pair",
    "self",
    "cells",
    "rho",
    "gen",
    "share",
    "list",
    "leaf r",
    "leaf b",
    "leaf g r",
    "leaf g b",
    "key commit",
    "d",
    "start",
    "go",
    "readies",
    "con",
    "frz",
    "cert",
    "res",
    "opened",
    "words",
    "token",
    "chain",
    "extract",
    "log",
    "range",
    "family",
];
const TYPES: [&str; 23] = [
    "roster",
    "approval",
    "announce",
    "encapsulation",
    "header",
    "deposit",
    "start",
    "ready",
    "go",
    "contribute",
    "freeze",
    "confirm",
    "cert",
    "ask-b",
    "result",
    "alarm",
    "end",
    "void-ask",
    "void",
    "enrolment",
    "log",
    "log-head",
    "tree-head",
];

pub fn transcripts(file: &Value) -> Checked<()> {
    let mut file = Fields::of("transcripts", file)?;
    let labels: Vec<Value> = LABELS
        .iter()
        .map(|label| json!({ "text": format!("fa/1 {label}"), "hash": hex(H::new(label).end()) }))
        .collect();
    file.is("labels", labels)?;
    let mut parts = file.object("parts")?;
    parts.is("label", "fa/1 go")?;
    let all = H::new("go").fixed(&parts.array("fixed")?).u16(parts.u16("u16")?);
    let all = all.u32(narrow(parts.number("u32")?)?).u64(parts.number("u64")?);
    let all = all.u32(narrow(parts.number("count")?)?).bytes(&parts.bytes("bytes")?);
    parts.is_bytes("hash", all.end())?;
    parts.done()?;

    let mut signatures = file.object("signatures")?;
    let (seed, raw) = (signatures.array("seed")?, signatures.bytes("raw")?);
    signatures.is_bytes("public", public(&seed))?;
    let types: Vec<Value> =
        TYPES.iter().map(|what| json!({ "type": what, "signature": hex(sign(&seed, what, &raw)) })).collect();
    signatures.is("types", types)?;
    signatures.done()?;

    ids(file.object("ids")?)?;
    chain(file.object("chain")?)?;
    for mut tree in file.objects("merkle")? {
        let data = tree.list("leaves")?;
        let leaves: Vec<Hash> = data.iter().map(|one| Ok(leaf(&bytes(one)?))).collect::<Checked<_>>()?;
        let paths: Vec<Vec<Value>> =
            (0..leaves.len()).map(|i| path(&leaves, i).iter().map(hex).collect()).collect();
        tree.is("paths", json!(paths))?;
        tree.is_bytes("root", root(&leaves))?;
        let proofs: Vec<Vec<Value>> =
            (1..leaves.len()).map(|old| consistency(&leaves, old, true).iter().map(hex).collect()).collect();
        tree.is("consistency", json!(proofs))?;
        tree.done()?;
    }
    let mut log = file.object("transparency")?;
    let entries: Vec<Vec<u8>> = log.list("entries")?.iter().map(bytes).collect::<Checked<_>>()?;
    for entry in &entries {
        decode(&wire::entry(), entry)?;
    }
    let leaves: Vec<Hash> = entries.iter().map(|entry| leaf(entry)).collect();
    let roots: Vec<Value> = (0..=leaves.len()).map(|size| hex(root(&leaves[..size]))).collect();
    log.is("roots", roots)?;
    log.done()?;
    numbers(&mut file)?;
    file.done()
}

fn narrow(value: u64) -> Checked<u32> {
    u32::try_from(value).map_err(|_| format!("{value} is too large"))
}

fn numbers(file: &mut Fields) -> Checked<()> {
    for mut one in file.objects("thresholds")? {
        let (x, k, quorum, shares) = thresholds(one.number("n")?, one.number("honest_min")?);
        for (field, computed) in [("x", x), ("k", k), ("quorum", quorum), ("shares", shares)] {
            one.is(field, computed)?;
        }
        one.done()?;
    }
    for mut one in file.objects("widths")? {
        let (n, widest, cells) = (one.number("n")?, one.number("widest")?, one.number("cells")?);
        let width = width(n, widest);
        one.is("width", width)?;
        one.is("report_bytes", (cells * u64::from(width)).div_ceil(8))?;
        one.done()?;
    }
    Ok(())
}

fn ids(mut ids: Fields) -> Checked<()> {
    let mut sid = ids.object("sid")?;
    let header = sid.bytes("header")?;
    sid.is_bytes("hash", H::new("sid").bytes(&header).end())?;
    sid.done()?;
    for label in ["roster", "query", "warrant", "announce"] {
        let mut one = ids.object(label)?;
        let body = one.bytes("body")?;
        one.is_bytes("hash", H::new(label).bytes(&body).end())?;
        one.done()?;
    }
    let mut session = ids.object("session")?;
    session.is("pass", "Value")?;
    let hash = H::new("session").fixed(&session.array("warrant")?).u64(session.number("slot")?).u16(1);
    session.is_bytes("hash", hash.end())?;
    session.done()?;
    let mut token = ids.object("token")?;
    let hash = H::new("token").fixed(&token.array("secret")?).end();
    token.is_bytes("hash", hash)?;
    token.done()?;
    let mut said = ids.object("words")?;
    let of = said.array("of")?;
    said.is("words", words(&of))?;
    said.done()?;
    let mut tie = ids.object("tie")?;
    let hash = H::new("tie").fixed(&tie.array("sid")?).u16(tie.u16("node")?).end();
    tie.is_bytes("hash", hash)?;
    tie.done()?;
    ids.done()
}

/// Six words to compare a value by.
pub fn words(of: &Hash) -> String {
    let hash = H::new("words").fixed(of).end();
    let word = |pair: &[u8]| {
        let bits = u32::from(pair[0]) << 8 | u32::from(pair[1]);
        let consonant = |shift: u32| char::from(b"bdfghjklmnprstvz"[(bits >> shift & 15) as usize]);
        let vowel = |shift: u32| char::from(b"aiou"[(bits >> shift & 3) as usize]);
        [consonant(12), vowel(10), consonant(6), vowel(4), consonant(0)].iter().collect::<String>()
    };
    hash.chunks(2).take(6).map(word).collect::<Vec<_>>().join(" ")
}

/// A hash over a list of nodes with one value each.
fn each(all: H, mut nodes: Vec<Fields>, part: impl Fn(H, &mut Fields) -> Checked<H>) -> Checked<Hash> {
    let mut all = all.count(nodes.len());
    for one in &mut nodes {
        all = all.u16(one.u16("node")?);
        all = part(all, one)?;
    }
    nodes.into_iter().try_for_each(Fields::done)?;
    Ok(all.end())
}

fn chain(mut chain: Fields) -> Checked<()> {
    let mut start = chain.object("start")?;
    let all = H::new("start").fixed(&start.array("sid")?);
    let hash = each(all, start.objects("cohort")?, |all, one| Ok(all.fixed(&one.array("deposit")?)))?;
    start.is_bytes("hash", hash)?;
    start.done()?;

    let mut go = chain.object("go")?;
    let readies = each(H::new("readies"), go.objects("readies")?, |all, one| {
        let ready = json!({ "body": one.take("body")?, "signature": one.take("signature")? });
        Ok(all.bytes(&encode(&wire::sealed(4096), &ready)?))
    })?;
    let start = go.array("start")?;
    go.is_bytes("hash", H::new("go").fixed(&start).fixed(&readies).end())?;
    go.done()?;

    let mut report = chain.object("report")?;
    let blocks = report.list("blocks")?;
    let blocks: Vec<Hash> = blocks.iter().map(|one| Ok(leaf(&bytes(one)?))).collect::<Checked<_>>()?;
    let (go, node) = (report.array("go")?, report.u16("node")?);
    let (width, cells) = (narrow(report.number("width")?)?, narrow(report.number("cells")?)?);
    let hashes = |all: &[Value]| all.iter().map(array).collect::<Checked<Vec<Hash>>>();
    let blindings = sha(hashes(&report.list("blindings")?)?.as_flattened());
    let commitments = hashes(&report.list("commitments")?)?;
    report.is_bytes("commitments_root", commitments_root(&commitments))?;
    let hash = report_hash(&go, node, (width, cells), &root(&blocks), &blindings, &commitments);
    report.is_bytes("hash", hash)?;
    report.done()?;

    let mut freeze = chain.object("freeze")?;
    let all = H::new("frz").fixed(&freeze.array("go")?);
    let hash = each(all, freeze.objects("survivors")?, |all, one| Ok(all.fixed(&one.array("report")?)))?;
    freeze.is_bytes("hash", hash)?;
    freeze.done()?;

    let mut certificate = chain.object("certificate")?;
    let all = H::new("cert").fixed(&certificate.array("freeze")?);
    let hash = each(all, certificate.objects("confirmations")?, |all, one| {
        Ok(all.bytes(&one.array::<64>("signature")?))
    })?;
    certificate.is_bytes("hash", hash)?;
    certificate.done()?;

    let mut total = chain.object("total")?;
    let lanes: Vec<u64> = (0..=total.number("lanes_from_0_to")?.min(1 << 20)).collect();
    total.is_bytes("root", total_root(&lanes))?;
    total.done()?;

    let mut result = chain.object("result")?;
    let opened: Vec<Vec<u8>> = result.list("opened")?.iter().map(bytes).collect::<Checked<_>>()?;
    let blindings = hashes(&result.list("blindings")?)?;
    let hash = result_hash(&result.array("certificate")?, &result.array("total")?, &blindings, &opened);
    result.is_bytes("hash", hash)?;
    result.done()?;
    chain.done()
}

/// res_hash over R and the encodings of what was opened.
pub fn result_hash(certificate: &Hash, total: &Hash, blindings: &[Hash], opened: &[Vec<u8>]) -> Hash {
    let all = opened.iter().fold(H::new("opened").count(opened.len()), |all, one| all.bytes(one)).end();
    let head = H::new("res").fixed(certificate).fixed(total);
    head.fixed(&sha(blindings.as_flattened())).fixed(&all).end()
}

pub fn keys(file: &Value) -> Checked<()> {
    let mut file = Fields::of("keys", file)?;
    let mut hkdf = file.object("hkdf")?;
    let parts = hkdf.list("parts")?.iter().map(bytes).collect::<Checked<Vec<_>>>()?;
    let key = extract(&hkdf.array("salt")?, &parts.concat());
    hkdf.is_bytes("extracted", key)?;
    let context = |hkdf: &mut Fields, field: &str| -> Checked<Vec<u8>> {
        Ok(hkdf.list(field)?.iter().map(bytes).collect::<Checked<Vec<_>>>()?.concat())
    };
    hkdf.is("label", "fa/1 share")?;
    let info = context(&mut hkdf, "context")?;
    hkdf.is_bytes("expanded", expand::<64>(&key, "share", &info))?;
    hkdf.is("derive_label", "fa/1 cells")?;
    let info = context(&mut hkdf, "derive_context")?;
    let seed: Hash = parts.first().and_then(|part| part.clone().try_into().ok()).ok_or("no part")?;
    hkdf.is_bytes("derived", derive(&seed, "cells", &info))?;
    hkdf.done()?;

    channel(file.object("channel")?)?;
    let mut plain = file.object("plain")?;
    let mut end = |field: &str| -> Checked<(Hash, Vec<u8>, Hash)> {
        let mut end = plain.object(field)?;
        let byte = u8::try_from(end.number("ciphertext_is_1120_times")?).map_err(|_| "no byte")?;
        let read = (end.array("announce")?, vec![byte; 1120], end.array("shared")?);
        end.done()?;
        Ok(read)
    };
    let (low, high) = (end("low")?, end("high")?);
    let key = channel_key((&low.0, &low.1, &low.2), (&high.0, &high.1, &high.2));
    plain.is_bytes("key", key)?;
    plain.is_bytes("confirmation_of_low", confirmation(&key, &low.0))?;
    plain.done()?;
    attempt(file.object("attempt")?)?;

    let mut masks = file.object("masks")?;
    let (go, sigma): (Hash, Hash) = (masks.array("go")?, masks.array("sigma")?);
    let pair = derive(&sigma, "pair", &go);
    masks.is_bytes("pair_seed", pair)?;
    masks.is_bytes("pair_stream_key", derive(&pair, "cells", &[]))?;
    masks.is_bytes("pair_stream", lane_bytes(&stream(&pair, 0, 8)))?;
    let own = own_seed(&masks.scalar("b")?, &go, masks.u16("node")?);
    masks.is_bytes("own_seed", own)?;
    masks.is_bytes("own_stream_key", derive(&own, "cells", &[]))?;
    masks.done()?;
    file.done()
}

fn channel(mut channel: Fields) -> Checked<()> {
    let (mut low, mut high) = (channel.object("low")?, channel.object("high")?);
    let (seed_low, seed_high): (Hash, Hash) = (low.array("seed")?, high.array("seed")?);
    let half = |end: &mut Fields, own: &Hash, other: &Hash| -> Checked<(Hash, Vec<u8>, Hash)> {
        end.is_bytes("public", xwing_public(own))?;
        let random = end.array("encapsulated_with")?;
        let (ciphertext, shared) = encapsulate(&xwing_public(other), &random)?;
        end.is_bytes("ciphertext", &ciphertext)?;
        end.is_bytes("shared", shared)?;
        if decapsulate(other, &ciphertext)? != shared {
            return Err("the other end gets another secret".to_owned());
        }
        Ok((end.array("announce")?, ciphertext, shared))
    };
    let of_low = half(&mut low, &seed_low, &seed_high)?;
    let of_high = half(&mut high, &seed_high, &seed_low)?;
    let key = channel_key((&of_low.0, &of_low.1, &of_low.2), (&of_high.0, &of_high.1, &of_high.2));
    channel.is_bytes("key", key)?;
    low.is_bytes("confirmation", confirmation(&key, &of_low.0))?;
    high.is_bytes("confirmation", confirmation(&key, &of_high.0))?;
    low.done()?;
    high.done()?;
    channel.done()
}

fn attempt(mut one: Fields) -> Checked<()> {
    let (channel, sid): (Hash, Hash) = (one.array("channel_key")?, one.array("sid")?);
    let (dealer, holder) = (one.u16("dealer")?, one.u16("holder")?);
    let sigma: Hash = expand(&channel, "sigma", &sid);
    one.is_bytes("sigma", sigma)?;
    one.is_bytes("commitment", pair_commitment(&sigma, dealer, holder, &sid))?;
    let mut share = one.object("share")?;
    let (key, commitment) = share_key(&channel, &sid, dealer, holder, &share.array("nonce")?);
    share.is_bytes("key", key)?;
    share.is_bytes("key_commitment", commitment)?;
    let mut plain = [share.scalar("r")?.to_bytes(), share.scalar("b")?.to_bytes()].concat();
    let mut head = share.object("head")?;
    let mut log = head.object("head")?;
    plain.extend(log.number("size")?.to_be_bytes());
    plain.extend(log.array::<32>("root")?);
    plain.extend(head.array::<64>("signature")?);
    log.done()?;
    head.done()?;
    share.is_bytes("sealed", seal(&key, &plain))?;
    share.done()?;
    let mut recovery = one.object("recovery")?;
    let key = derive(&recovery.scalar("r")?.to_bytes(), "list", &sid);
    recovery.is_bytes("key", key)?;
    let list = recovery.bytes("list")?;
    recovery.is_bytes("sealed", seal(&key, &list))?;
    recovery.done()?;
    one.done()
}

fn lane_bytes(lanes: &[u64]) -> Vec<u8> {
    lanes.iter().flat_map(|lane| lane.to_le_bytes()).collect()
}

fn lanes(value: &[Value]) -> Checked<Vec<u64>> {
    value.iter().map(number).collect()
}

pub fn masks(file: &Value) -> Checked<()> {
    let mut file = Fields::of("masks", file)?;
    for mut one in file.objects("streams")? {
        let seed = one.array("seed")?;
        one.is_bytes("key", derive(&seed, "cells", &[]))?;
        one.is_bytes("first", lane_bytes(&stream(&seed, 0, 16)))?;
        for mut later in one.objects("later")? {
            let from = usize::try_from(later.number("lane")?.min(1 << 20)).map_err(|_| "too far")?;
            later.is_bytes("bytes", lane_bytes(&stream(&seed, from, 4)))?;
            later.done()?;
        }
        let mut minus = [0; 2];
        mask(&mut minus, &seed, false);
        one.is("taken_from_zero", minus.to_vec())?;
        one.done()?;
    }
    for mut one in file.objects("packing")? {
        let width = narrow(one.number("width")?)?;
        let lanes = lanes(&one.list("lanes")?)?;
        if !(1..=64).contains(&width) || lanes.iter().any(|lane| u128::from(*lane) >> width != 0) {
            return Err("a lane is wider than its width".to_owned());
        }
        let packed = pack(&lanes, width);
        if unpack(&packed, lanes.len(), width) != lanes {
            return Err("packing is not undone".to_owned());
        }
        one.is_bytes("packed", packed)?;
        one.done()?;
    }
    sum(file.object("sum")?)?;
    file.done()
}

/// Nodes 1 and 9 contributed, 4 dropped out.
fn sum(mut sum: Fields) -> Checked<()> {
    let width = narrow(sum.number("width")?)?;
    let (mut own, mut pairs) = (sum.object("own_seeds")?, sum.object("pair_seeds")?);
    let (own_1, own_9) = (own.array("1")?, own.array("9")?);
    let (p14, p19, p49) = (pairs.array("1-4")?, pairs.array("1-9")?, pairs.array("4-9")?);
    let mut reports = sum.object("reports")?;
    let mut total = vec![0u64; 5];
    for (node, masks) in [
        ("1", [(&own_1, true), (&p14, true), (&p19, true)]),
        ("9", [(&own_9, true), (&p49, false), (&p19, false)]),
    ] {
        let mut report = reports.object(node)?;
        let mut masked = lanes(&report.list("lanes")?)?;
        masks.iter().for_each(|(seed, plus)| mask(&mut masked, seed, *plus));
        reduce(&mut masked, width);
        report.is("masked", masked.clone())?;
        report.is_bytes("packed", pack(&masked, width))?;
        report.done()?;
        total.iter_mut().zip(&masked).for_each(|(sum, lane)| *sum = sum.wrapping_add(*lane));
    }
    for (seed, plus) in [(&own_1, false), (&own_9, false), (&p14, false), (&p49, true)] {
        mask(&mut total, seed, plus);
    }
    reduce(&mut total, width);
    sum.is("total", total)?;
    own.done()?;
    pairs.done()?;
    reports.done()?;
    sum.done()
}

fn polynomial(f: &[Scalar]) -> Vec<Value> {
    f.iter().map(|c| hex(c.to_bytes())).collect()
}

pub fn sharing(file: &Value) -> Checked<()> {
    let mut file = Fields::of("sharing", file)?;
    let mut one = file.object("dealer")?;
    let (sid, dealer, threshold): (Hash, _, _) =
        (one.array("sid")?, one.u16("dealer")?, one.u16("threshold")?);
    let drawn: Vec<[u8; 64]> = one.list("drawn")?.iter().map(array).collect::<Checked<_>>()?;
    let all: Vec<Scalar> = drawn.iter().map(|one| wide(one)).collect();
    let [f_r, f_b, g_r, g_b] = all.chunks(usize::from(threshold).max(1)).collect::<Vec<_>>()[..] else {
        return Err("not four polynomials".to_owned());
    };
    for (field, f) in [("f_r", f_r), ("f_b", f_b), ("g_r", g_r), ("g_b", g_b)] {
        one.is(field, polynomial(f))?;
    }
    let mut holders = one.objects("holders")?;
    let mut leaves = Vec::new();
    for (position, holder) in (1u16..).zip(&mut holders) {
        holder.is("position", position)?;
        for (field, f) in [("r", f_r), ("b", f_b), ("g_r", g_r), ("g_b", g_b)] {
            holder.is_bytes(field, at(f, position).to_bytes())?;
        }
        let given = holder.take("leaf")?;
        let key = given.get("key").cloned().unwrap_or_default();
        if array(&key)? != [u8::try_from(position).map_err(|_| "too many")? | 0xe0; 32] {
            return Err("another key commitment".to_owned());
        }
        let of = |label: &str, f: &[Scalar]| hex(share_hash(label, &sid, dealer, position, &at(f, position)));
        let computed = json!({
            "r": of("leaf r", f_r), "b": of("leaf b", f_b), "g_r": of("leaf g r", g_r),
            "g_b": of("leaf g b", g_b), "key": key,
        });
        super::fields::same("leaf", &given, &computed)?;
        let hash = leaf(&encode(&wire::leaf(), &computed)?);
        holder.is_bytes("leaf_hash", hash)?;
        leaves.push(hash);
    }
    let leaves = root(&leaves);
    one.is_bytes("leaves_root", leaves)?;
    let [d_r, d_b] = [false, true].map(|second| challenge(&sid, dealer, threshold, &leaves, second));
    one.is_bytes("d_r", d_r.to_bytes())?;
    one.is_bytes("d_b", d_b.to_bytes())?;
    let (z_r, z_b) = (combine(f_r, g_r, &d_r), combine(f_b, g_b, &d_b));
    one.is("z_r", polynomial(&z_r))?;
    one.is("z_b", polynomial(&z_b))?;
    for (position, mut holder) in (1u16..).zip(holders) {
        holder.is_bytes("z_r", at(&z_r, position).to_bytes())?;
        holder.is_bytes("z_b", at(&z_b, position).to_bytes())?;
        holder.done()?;
    }
    let z = encode(&wire::public_z(), &json!({ "r": polynomial(&z_r), "b": polynomial(&z_b) }))?;
    one.is_bytes("z", &z)?;
    one.is_bytes("z_hash", sha(&z))?;
    let from = lanes(&one.list("opened_from")?)?;
    if from != [2, 7, 4, 5] {
        return Err("opened from other positions".to_owned());
    }
    let points: Vec<(u16, Scalar)> = [2, 7, 4, 5].map(|x| (x, at(f_r, x))).to_vec();
    one.is("opened", polynomial(&interpolate(&points)))?;
    one.done()?;

    let mut one = file.object("single")?;
    let (sid, dealer, position) = (one.array("sid")?, one.u16("dealer")?, one.u16("position")?);
    let (threshold, value, leaves) = (one.u16("threshold")?, one.scalar("value")?, one.array("leaves_root")?);
    for (field, label) in
        [("leaf_r", "leaf r"), ("leaf_b", "leaf b"), ("leaf_g_r", "leaf g r"), ("leaf_g_b", "leaf g b")]
    {
        one.is_bytes(field, share_hash(label, &sid, dealer, position, &value))?;
    }
    one.is_bytes("d_r", challenge(&sid, dealer, threshold, &leaves, false).to_bytes())?;
    one.is_bytes("d_b", challenge(&sid, dealer, threshold, &leaves, true).to_bytes())?;
    one.done()?;
    file.done()
}
