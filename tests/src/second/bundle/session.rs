//! One session of a bundle: every signature, every hash, every commitment and every proof, and what they come to.

use super::opening::Lanes;
use super::{Checked, Under, Warrant, id};
use crate::second::codec::{decode, encode};
use crate::second::fields::{array, bytes, hex, number, same};
use crate::second::primitives::*;
use crate::second::session::bounds;
use crate::second::{commitments, ranges, wire};
use serde_json::{Value, json};

/// What a verified session says.
pub struct Verified {
    pub header: Value,
    pub at: u64,
    pub cohort: Vec<u16>,
    pub survivors: Vec<u16>,
    pub freeze: Hash,
    pub result: Hash,
    bounds: Bounds,
    lanes: Vec<u64>,
    /// Which cells open.
    open: Vec<bool>,
    /// Which figures the pass after may open; none of a value pass.
    lets: Option<Vec<bool>>,
}

/// What roster, warrant and header give.
struct Frame<'a> {
    under: &'a Under<'a>,
    warrant: Warrant,
    coordinator: Hash,
    sid: Hash,
    invited: Vec<u16>,
    quorum: usize,
    width: u32,
    caps: Caps,
}

/// Least and largest value of each cell.
type Bounds = Vec<(i64, i64)>;

/// The greatest value of each cell that is checked.
type Caps = Vec<Option<u64>>;

/// A body, signed by this key, and of this attempt.
fn open(key: &Hash, what: &str, sealed: &Value, sid: Option<&Hash>) -> Checked<Value> {
    let raw = bytes(&sealed["body"])?;
    verify(key, what, &raw, &array(&sealed["signature"])?)?;
    let body = decode(&wire::signed_body(what).ok_or("no body")?, &raw)?;
    sid.map_or(Ok(()), |sid| same("sid", &body["sid"], &hex(sid)))?;
    Ok(body)
}

fn list<'a>(of: &'a Value, name: &str) -> Checked<&'a Vec<Value>> {
    of[name].as_array().ok_or_else(|| format!("no {name}"))
}

fn nodes(all: &[Value]) -> Checked<Vec<u16>> {
    let ids = all.iter().map(|one| id(&one["node"])).collect::<Checked<Vec<_>>>()?;
    if ids.is_sorted_by(|a, b| a < b) { Ok(ids) } else { Err("ids do not ascend".to_owned()) }
}

fn hashes(all: &Value) -> Checked<Vec<Hash>> {
    all.as_array().ok_or("no list")?.iter().map(array).collect()
}

pub fn verify_session(under: &Under, session: &Value, count: Option<&Verified>) -> Checked<Verified> {
    let raw = bytes(&session["header"]["body"])?;
    let coordinator: Hash = array(&decode(&wire::header(), &raw)?["coordinator"])?;
    let header = open(&coordinator, "header", &session["header"], None)?;
    let sid = H::new("sid").bytes(&raw).end();
    let said = open(&coordinator, "result", &session["result"], Some(&sid))?;
    let warrant = under.warrant(number(&said["at"])?)?;
    let counts = header["pass"] == "Count";
    let lanes = Lanes::of(&warrant)?;
    let (bounds, caps) = cells(&warrant, counts.then_some(&lanes))?;
    let invited = nodes(list(&header, "invited")?)?;
    let n = under.members()?.len() as u64;
    let (x, _, quorum, _) = thresholds(n, number(&under.body["honest_min"])?);
    let widest = bounds.iter().map(|(lo, hi)| hi.abs_diff(*lo)).max().unwrap_or(0);
    let (quorum, width) = (usize::try_from(quorum).map_err(|_| "no quorum")?, width(n, widest));
    let frame = Frame { under, warrant, coordinator, sid, invited, quorum, width, caps };
    let least = least(&frame, x)?;
    let open_of = stands_on(&frame, &header, count, bounds.len())?;
    header_is(&frame, &header, n)?;
    let (cohort, start) = cohort(&frame, session)?;
    let go = went(&frame, session, &cohort, &start)?;
    let reports = reports(&frame, session, &cohort, &go)?;
    let survivors: Vec<u16> = reports.iter().map(|(node, ..)| *node).collect();
    let (freeze, certificate) = certified(&frame, session, &reports, &go)?;
    let total = total(session, bounds.len(), width)?;
    let blindings = hashes(&session["blindings"])?;
    let result = H::new("res").fixed(&certificate).fixed(&total_root(&total));
    let result = result.fixed(&sha(blindings.as_flattened())).fixed(&array(&session["opened"])?).end();
    let told = json!({
        "sid": hex(sid), "freeze": hex(freeze), "total": hex(total_root(&total)), "result": hex(result),
        "at": said["at"],
    });
    same("result", &said, &told)?;
    let all: Vec<Vec<Hash>> = reports.into_iter().map(|(_, _, commitments)| commitments).collect();
    let blindings = blindings.iter().map(scalar).collect::<Checked<Vec<_>>>()?;
    if !commitments::opens(&frame.caps, &all, &total, &blindings)? {
        return Err("the total is not what was committed to".to_owned());
    }
    if open_of.iter().zip(&total).any(|(open, lane)| !open && *lane != 0) {
        return Err("a figure that stays closed is not 0".to_owned());
    }
    if let Some(count) = count {
        let missing =
            |nodes: &[u16]| count.survivors.iter().filter(|node| !nodes.contains(node)).count() as u64;
        let most = number(&frame.warrant.body["may_miss"])?;
        let within = frame.invited.iter().all(|node| count.survivors.contains(node));
        if !within || [&frame.invited, &cohort, &survivors].iter().any(|nodes| missing(nodes) > most) {
            return Err("others than were counted".to_owned());
        }
    }
    let lets = counts.then(|| lanes.may_open(&total, least));
    let at = number(&said["at"])?;
    Ok(Verified { header, at, cohort, survivors, freeze, result, bounds, lanes: total, open: open_of, lets })
}

impl Verified {
    /// Each total, T + |U2| lo; none where it stayed closed.
    pub fn totals(&self) -> Checked<Vec<Option<i64>>> {
        let survivors = i64::try_from(self.survivors.len()).map_err(|_| "too many")?;
        let one = |((lane, (lo, _)), open): ((&u64, &(i64, i64)), &bool)| -> Checked<Option<i64>> {
            let lane = i64::try_from(*lane).map_err(|_| "a large total")?;
            Ok(open.then_some(lane + survivors * lo))
        };
        self.lanes.iter().zip(&self.bounds).zip(&self.open).map(one).collect()
    }
}

/// Bounds and greatest checked values of each cell, of the value pass or of a count pass.
fn cells(warrant: &Warrant, counts: Option<&Lanes>) -> Checked<(Bounds, Caps)> {
    let all = bounds(&warrant.query)?;
    let checked = |measure: &Value| measure["checked"] == json!(true);
    let measures = list(&warrant.query, "measures")?;
    let hospitals = ["PurchasingGroup", "HospitalKind"];
    let dimensions = list(&warrant.query, "dimensions")?;
    if dimensions.iter().any(|one| hospitals.contains(&one["column"].as_str().unwrap_or_default())) {
        return Err("classes of hospitals are not read here".to_owned());
    }
    // Every kind that is read here has one figure.
    let places = all.len() / measures.len().max(1);
    if let Some(lanes) = counts {
        let cap = measures.iter().any(checked).then_some(1);
        let many = places * lanes.count();
        return Ok((vec![(0, 1); many], vec![cap; many]));
    }
    let cap = |(at, (lo, hi)): (usize, &(i64, i64))| {
        checked(&measures[at % measures.len()]).then(|| hi.abs_diff(*lo))
    };
    let caps = all.iter().enumerate().map(cap).collect();
    Ok((all, caps))
}

/// How many must stand behind a figure.
fn least(frame: &Frame, x: u64) -> Checked<u64> {
    let mut floor = number(&frame.warrant.body["floor_hospitals"])?.max(3);
    for (node, _, own) in frame.under.members()? {
        floor = floor.max(if frame.invited.contains(&node) { own } else { 0 });
    }
    let colluding = if frame.warrant.rule["colluding_holders"] == json!(true) { x } else { 0 };
    Ok(floor + colluding + number(&frame.warrant.body["may_miss"])?)
}

/// Which cells open; a value pass after a count pass says so in its header.
fn stands_on(frame: &Frame, header: &Value, count: Option<&Verified>, cells: usize) -> Checked<Vec<bool>> {
    let opening = &header["opening"];
    let Some(count) = count else {
        let own = frame.under.members()?.iter().any(|(.., own)| *own > 0);
        let body = &frame.warrant.body;
        let floor = own || number(&body["floor_hospitals"])? > 0 || number(&body["floor_patients"])? > 0;
        // A count pass itself stands on nothing.
        return match opening.is_null() && (header["pass"] == "Count") == floor {
            true => Ok(vec![true; cells]),
            false => Err("a floor without a count pass, or one without the other".to_owned()),
        };
    };
    let lets = count.lets.as_ref().ok_or("a value pass stands where the counts should")?;
    same("the count pass's freeze", &opening["freeze"], &hex(count.freeze))?;
    same("the count pass's result", &opening["result"], &hex(count.result))?;
    for field in ["slot", "lock", "coordinator", "warrant", "roster"] {
        same(field, &header[field], &count.header[field])?;
    }
    let bits = bytes(&opening["open"])?;
    let bit = |at: usize| bits.get(at / 8).is_some_and(|byte| byte >> (at % 8) & 1 == 1);
    let open: Vec<bool> = (0..cells).map(bit).collect();
    if bits.len() != cells.div_ceil(8) || (cells..bits.len() * 8).any(bit) || lets.len() != cells {
        return Err("another number of bits".to_owned());
    }
    if open.iter().zip(lets).any(|(open, lets)| *open && !lets) {
        return Err("a figure opens behind which too few were counted".to_owned());
    }
    Ok(open)
}

/// A03: what follows from roster and warrant.
fn header_is(frame: &Frame, header: &Value, n: u64) -> Checked<()> {
    for (field, value) in [
        ("wire", json!(1)),
        ("suite", json!(1)),
        ("warrant", hex(frame.warrant.hash)),
        ("roster", hex(frame.under.roster)),
        ("lock", frame.warrant.lock["name"].clone()),
        ("bound", Value::Null),
    ] {
        same(field, &header[field], &value)?;
    }
    let limit = |name: &str| number(&frame.under.body["limits"][name]);
    let report = (frame.caps.len() as u64 * u64::from(frame.width)).div_ceil(8);
    let proven = ranges::proven_bits(&frame.caps);
    // Consent is waited for in the first of two passes.
    let waits = if header["opening"].is_null() { number(&frame.warrant.body["wait_s"])? * 1000 } else { 0 };
    let deadlines = json!({
        "deposit_ms": limit("deposit_ms")? + (proven * (400 + 14 * n)).div_ceil(1000) + waits,
        "ready_ms": limit("ready_ms")?,
        "contribute_ms": limit("contribute_ms")? + limit("contribute_ms_per_mb")? * report.div_ceil(1_000_000),
        "confirm_ms": limit("confirm_ms")?,
        "reveal_ms": limit("reveal_ms")? + (proven * 8 * n).div_ceil(1000),
    });
    same("deadlines", &header["deadlines"], &deadlines)?;
    frame.invited.iter().try_for_each(|node| frame.under.key(*node).map(|_| ()))
}

/// START and the heads of the deposits that it names; each member with its deposit, and START's hash.
fn cohort(frame: &Frame, session: &Value) -> Checked<(Vec<u16>, Hash)> {
    let start = open(&frame.coordinator, "start", &session["start"], Some(&frame.sid))?;
    let dealt = list(&start, "cohort")?;
    let (cohort, deposits) = (nodes(dealt)?, list(session, "deposits")?);
    if cohort.len() < frame.quorum || cohort.len() != deposits.len() {
        return Err("a cohort below q, or not its deposits".to_owned());
    }
    let mut all = H::new("start").fixed(&frame.sid).count(cohort.len());
    for ((node, dealt), deposit) in cohort.iter().zip(dealt).zip(deposits) {
        let named: Hash = array(&dealt["deposit"])?;
        all = all.u16(*node).fixed(&named);
        let head = &deposit["head"];
        same("sid", &head["sid"], &hex(frame.sid))?;
        same("node", &head["node"], &json!(node))?;
        // The head is the first leaf, always on the left; as many steps as the tree over n0 + 3 leaves is deep.
        let path = hashes(&deposit["path"])?;
        let depth = (frame.invited.len() + 3).next_power_of_two().trailing_zeros();
        let first = leaf(&encode(&wire::head(), head)?);
        let reached = path.iter().fold(first, |left, right| sha(&[&[1], &left[..], right].concat()));
        if path.len() != depth as usize || reached != named || !frame.invited.contains(node) {
            return Err("a head does not lead to its deposit".to_owned());
        }
        verify(&frame.under.key(*node)?, "deposit", &named, &array(&deposit["signature"])?)?;
    }
    Ok((cohort, all.end()))
}

/// READY of the whole cohort, and GO.
fn went(frame: &Frame, session: &Value, cohort: &[u16], start: &Hash) -> Checked<Hash> {
    let readies = list(session, "readies")?;
    if nodes(readies)? != cohort {
        return Err("not READY of the whole cohort".to_owned());
    }
    let mut all = H::new("readies").count(readies.len());
    for (node, one) in cohort.iter().zip(readies) {
        let ready = open(&frame.under.key(*node)?, "ready", &one["ready"], Some(&frame.sid))?;
        same("start", &ready["start"], &hex(start))?;
        all = all.u16(*node).bytes(&encode(&wire::sealed(4096), &one["ready"])?);
    }
    let go = H::new("go").fixed(start).fixed(&all.end()).end();
    let body = open(&frame.coordinator, "go", &session["go"], Some(&frame.sid))?;
    same("go", &body["go"], &hex(go))?;
    Ok(go)
}

/// Who survived, its report and its commitments, which are those it deposited.
type Reported = (u16, Hash, Vec<Hash>);

fn reports(frame: &Frame, session: &Value, cohort: &[u16], go: &Hash) -> Checked<Vec<Reported>> {
    let all = list(session, "reports")?;
    let survivors = nodes(all)?;
    if survivors.len() < frame.quorum {
        return Err("survivors below q".to_owned());
    }
    let cells = u32::try_from(frame.caps.len()).map_err(|_| "too many cells")?;
    let one = |(node, one): (u16, &Value)| {
        let at = cohort.iter().position(|member| *member == node).ok_or("a survivor is not in the cohort")?;
        let head = &list(session, "deposits")?[at]["head"];
        let body = open(&frame.under.key(node)?, "contribute", &one["body"], Some(&frame.sid))?;
        let given = &one["committed"];
        let points = hashes(&given["commitments"])?;
        let (root, masked) = (array(&given["root"])?, array(&given["blindings"])?);
        let report = report_hash(go, node, (frame.width, cells), &root, &masked, &points);
        same("go", &body["go"], &hex(go))?;
        same("report", &body["report"], &hex(report))?;
        let rooted = commitments::commitments_root(&points);
        same("commitments", &head["contribution"], &hex(rooted))?;
        same("proofs", &head["ranges"], &hex(sha(&encode(&wire::proofs(), &one["ranges"])?)))?;
        let proofs = list(one, "ranges")?.iter().map(bytes).collect::<Checked<Vec<_>>>()?;
        if !ranges::hold(&frame.caps, (&frame.sid, node, &rooted), &points, &proofs)? {
            return Err(format!("node {node} does not prove its ranges"));
        }
        Ok((node, report, points))
    };
    survivors.iter().copied().zip(all).map(one).collect()
}

/// FREEZE and the certificate: their hashes.
fn certified(frame: &Frame, session: &Value, reports: &[Reported], go: &Hash) -> Checked<(Hash, Hash)> {
    let all = H::new("frz").fixed(go).count(reports.len());
    let freeze = reports.iter().fold(all, |all, (node, report, _)| all.u16(*node).fixed(report)).end();
    let body = json!({ "sid": hex(frame.sid), "freeze": hex(freeze) });
    same("freeze", &open(&frame.coordinator, "freeze", &session["freeze"], None)?, &body)?;
    let certificate = &session["certificate"];
    same("certificate", &open(&frame.coordinator, "cert", &certificate["body"], None)?, &body)?;
    let confirmations = list(certificate, "confirmations")?;
    let who = nodes(confirmations)?;
    let survived = |node: &u16| reports.iter().any(|(survivor, ..)| survivor == node);
    if who.len() < frame.quorum || !who.iter().all(survived) {
        return Err("no quorum of survivors confirmed".to_owned());
    }
    let mut all = H::new("cert").fixed(&freeze).count(who.len());
    for (node, one) in who.iter().zip(confirmations) {
        let signature = array::<64>(&one["signature"])?;
        verify(&frame.under.key(*node)?, "confirm", &encode(&wire::freeze(), &body)?, &signature)?;
        all = all.u16(*node).bytes(&signature);
    }
    Ok((freeze, all.end()))
}

/// T, lane by lane, as no other bytes would give it.
fn total(session: &Value, cells: usize, width: u32) -> Checked<Vec<u64>> {
    let blocks = list(session, "total")?.iter().map(bytes).collect::<Checked<Vec<_>>>()?;
    let packed = blocks.concat();
    let lanes = unpack(&packed, cells, width);
    if !blocks.iter().map(Vec::as_slice).eq(packed.chunks(65_536)) || pack(&lanes, width) != packed {
        return Err("the total is not whole".to_owned());
    }
    Ok(lanes)
}
