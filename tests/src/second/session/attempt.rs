//! One attempt: its header, its deposits, and every later message made again.

use super::*;
use crate::second::commitments::{commit, commitments_root, mask_blindings};
use crate::second::values::result_hash;

/// What one dealer drew and deposited.
pub struct Dealt {
    pub f_r: Vec<Scalar>,
    pub f_b: Vec<Scalar>,
    pub blindings: Vec<Scalar>,
    pub commitments: Vec<Hash>,
    pub lanes: Vec<u64>,
    pub leaves: Hash,
    pub deposit: Value,
    pub root: Hash,
    /// Of the deposit's tree, and of the tree over its commitments.
    pub tree: Vec<Hash>,
    pub leaf_tree: Vec<Hash>,
}

pub struct Attempt {
    pub sid: Hash,
    pub session: Hash,
    pub header: Value,
    pub offer: Value,
    pub invited: Vec<(u16, Hash)>,
    /// sigma of every confirmed pair, lower id first.
    pub pairs: BTreeMap<(u16, u16), Hash>,
    pub bounds: Vec<(i64, i64)>,
    pub width: u32,
    /// In the order in which they came.
    pub dealt: Vec<(u16, Dealt)>,
    pub cohort: Vec<u16>,
    pub start: Option<Hash>,
    pub readies: BTreeMap<u16, Value>,
    pub go: Option<Hash>,
    pub reports: BTreeMap<u16, Value>,
    pub packed: BTreeMap<u16, Vec<u8>>,
    /// Masked.
    pub blindings: BTreeMap<u16, Vec<Scalar>>,
    pub survivors: Vec<u16>,
    pub freeze: Option<Hash>,
    pub confirms: BTreeMap<u16, Value>,
    pub certificate: Option<Hash>,
    /// Shares that were revealed, by dealer.
    pub r: BTreeMap<u16, BTreeMap<u16, Scalar>>,
    pub b: BTreeMap<u16, BTreeMap<u16, Scalar>>,
    /// T, R, the root of T, and the result.
    pub outcome: Option<(Vec<u64>, Vec<Scalar>, Hash, Hash)>,
}

fn ids(value: &Value, field: &str) -> Checked<Vec<u16>> {
    let all = value.as_array().ok_or("no list")?;
    all.iter().map(|one| u16::try_from(number(&one[field])?).map_err(|_| "no id".to_owned())).collect()
}

/// The bounds of every cell of a query.
pub fn bounds(query: &Value) -> Checked<Vec<(i64, i64)>> {
    let mut one = Vec::new();
    for measure in query["measures"].as_array().ok_or("no measures")? {
        let (kind, of) = measure["kind"].as_object().and_then(|map| map.iter().next()).ok_or("no kind")?;
        one.extend(of_measure(kind, of)?);
    }
    let dimensions = query["dimensions"].as_array().ok_or("no dimensions")?;
    let size = |dimension: &Value| {
        let classes = dimension["classes"].as_object().and_then(|map| map.iter().next());
        let listed = classes
            .map_or(0, |(kind, ends)| ends.as_array().map_or(0, Vec::len) + usize::from(kind != "Codes"));
        let more = |key: &str| usize::from(dimension[key].as_bool() == Some(true));
        listed + more("other") + more("missing")
    };
    let places: usize = dimensions.iter().map(size).product();
    Ok(one.iter().copied().cycle().take(places * one.len()).collect())
}

/// The bounds of a measure's figures (section 3, cells).
fn of_measure(kind: &str, of: &Value) -> Checked<Vec<(i64, i64)>> {
    let number = |from: &Value, field: &str| from[field].as_i64().ok_or("no bound");
    let classes = || of["bins"].as_array().map_or(0, |ends| ends.len() + 1);
    let counted = |max: i64| (0, max);
    if ["Rows", "Patients", "Histogram", "Survival"].contains(&kind) {
        let figures = match kind {
            "Histogram" => classes() + 1,
            "Survival" => 3 * classes() + 1,
            _ => 1,
        };
        return Ok(vec![counted(number(of, "max")?); figures]);
    }
    if kind == "Hospitals" {
        return Ok(vec![counted(1)]);
    }
    let limits = &of["limits"];
    let factor = 10i64.pow(u32::try_from(number(limits, "scale")?).map_err(|_| "no scale")?);
    let (low, high, max) = (number(limits, "low")?, number(limits, "high")?, number(limits, "max")?);
    let sum = (low * factor * max, high * factor * max);
    let most = (-low).max(high);
    let square = most * most * factor * max;
    let (squares, products, count) = ((0, square), (-square, square), counted(max));
    Ok(match kind {
        "Sum" => vec![sum],
        "Moments" => vec![count, sum, squares, count],
        _ => {
            let predictors = of["predictors"].as_array().map_or(0, Vec::len);
            let mut all = vec![count];
            all.extend(vec![sum; predictors]);
            for row in 1..=predictors {
                all.push(squares);
                all.extend(vec![products; predictors - row]);
            }
            all.push(sum);
            all.extend(vec![products; predictors]);
            all.extend([squares, count]);
            all
        }
    })
}

/// Least and largest value of each cell.
type Bounds = Vec<(i64, i64)>;

/// A warrant's hash, the bounds of its cells and w.
fn warranted(session: &Session, signed: &Value) -> Checked<(Hash, Bounds, u32)> {
    let body = bytes(&signed["body"])?;
    let warrant = decode(&wire::warrant(), &body)?;
    let approvals = signed["approvals"].as_array().ok_or("no approvals")?;
    let keys: Vec<Value> = [800, 801].map(|id| hex(public(&session.identities[&id]))).to_vec();
    if !approvals.iter().map(|one| &one["key"]).eq(&keys) {
        return Err("approved by others".to_owned());
    }
    for one in approvals {
        verify(&array(&one["key"])?, "approval", &body, &array(&one["signature"])?)?;
    }
    let hash = H::new("warrant").bytes(&body).end();
    let asked = encode(&wire::word(), &json!({ "Asked": hex(hash) }))?;
    verify(&array(&warrant["requester"]["key"])?, "approval", &asked, &array(&signed["request"])?)?;
    same("roster", &warrant["roster"], &hex(session.facts.roster))?;
    let bounds = bounds(&decode(&wire::query(), &bytes(&warrant["query"])?)?)?;
    let widest = bounds.iter().map(|(lo, hi)| hi.abs_diff(*lo)).max().unwrap_or(0);
    Ok((hash, bounds, width(session.facts.n, widest)))
}

pub fn offer(session: &mut Session, node: u16, offer: &Value) -> Checked<()> {
    let raw = bytes(&offer["header"]["body"])?;
    let header = session.open(COORDINATOR, "header", &offer["header"])?;
    let sid = H::new("sid").bytes(&raw).end();
    let invited = ids(&header["invited"], "node")?;
    if !invited.contains(&node) {
        return Err("an offer to somebody who is not invited".to_owned());
    }
    if let Some(known) = session.attempts.iter().find(|one| one.sid == sid) {
        return same("offer", offer, &known.offer);
    }
    let (warrant, bounds, width) = warranted(session, &offer["warrant"])?;
    let limit = |name: &str| number(&session.facts.limits[name]);
    let report = (bounds.len() as u64 * u64::from(width)).div_ceil(8);
    let growing = limit("contribute_ms_per_mb")? * report.div_ceil(1_000_000);
    let slot = session.facts.slot;
    let listed: Vec<(u16, Hash)> =
        invited.iter().filter_map(|id| Some((*id, *session.current.get(id)?))).collect();
    let invited: Vec<Value> =
        listed.iter().map(|(node, announce)| json!({ "node": node, "announce": hex(announce) })).collect();
    let made = json!({
        "wire": 1, "suite": 1, "coordinator": hex(public(session.seed(COORDINATOR)?)), "warrant": hex(warrant),
        "roster": hex(session.facts.roster), "lock": "goods", "slot": slot, "pass": "Value",
        "attempt": session.attempts.len(),
        "deadlines": {
            "deposit_ms": limit("deposit_ms")?, "ready_ms": limit("ready_ms")?,
            "contribute_ms": limit("contribute_ms")? + growing, "confirm_ms": limit("confirm_ms")?,
            "reveal_ms": limit("reveal_ms")?,
        },
        "invited": invited, "bound": null, "opening": null, "nonce": hex(session.draw::<32>(None)?),
    });
    same("header", &header, &made)?;
    same("header", &offer["header"], &session.seal(COORDINATOR, "header", &made)?)?;
    if listed.len() < session.facts.quorum {
        return Err("fewer than q are invited".to_owned());
    }
    let mut pairs = BTreeMap::new();
    for (u, a) in &listed {
        for (v, b) in listed.iter().filter(|(v, _)| u < v) {
            if let Some(key) = session.pair(a, b)? {
                pairs.insert((*u, *v), expand(&key, "sigma", &sid));
            }
        }
    }
    session.attempts.push(Attempt {
        sid,
        session: H::new("session").fixed(&warrant).u64(slot).u16(1).end(),
        header,
        offer: offer.clone(),
        invited: listed,
        pairs,
        bounds,
        width,
        dealt: Vec::new(),
        cohort: Vec::new(),
        start: None,
        readies: BTreeMap::new(),
        go: None,
        reports: BTreeMap::new(),
        packed: BTreeMap::new(),
        blindings: BTreeMap::new(),
        survivors: Vec::new(),
        freeze: None,
        confirms: BTreeMap::new(),
        certificate: None,
        r: BTreeMap::new(),
        b: BTreeMap::new(),
        outcome: None,
    });
    Ok(())
}

pub fn deposit(session: &mut Session, node: u16, given: &Value) -> Checked<()> {
    let sid: Hash = array(&given["head"]["sid"])?;
    let index = session.attempts.iter().position(|one| one.sid == sid).ok_or("of no attempt")?;
    if let Some((_, known)) = session.attempts[index].dealt.iter().find(|(id, _)| *id == node) {
        return same("deposit", given, &known.deposit);
    }
    let threshold = session.facts.shares;
    let mut all = Vec::new();
    for _ in 0..4 * threshold {
        all.push(wide(&session.draw::<64>(Some(node))?));
    }
    let nonce: Hash = session.draw(Some(node))?;
    let blocks = session.attempts[index].bounds.len().div_ceil(1024);
    let mut blindings = Vec::new();
    for _ in 0..blocks {
        blindings.push(wide(&session.draw::<64>(Some(node))?));
    }
    let dealt = deal(session, &session.attempts[index], (node, &all, nonce, blindings), given)?;
    same("deposit", given, &dealt.deposit)?;
    session.attempts[index].dealt.push((node, dealt));
    Ok(())
}

/// A deposit made of what was drawn; the ledger's numbers are taken as given, the signature covers them.
fn deal(
    session: &Session,
    attempt: &Attempt,
    (node, drawn, nonce, blindings): (u16, &[Scalar], Hash, Vec<Scalar>),
    given: &Value,
) -> Checked<Dealt> {
    let threshold = session.facts.shares;
    let [f_r, f_b, g_r, g_b] = drawn.chunks(usize::from(threshold)).collect::<Vec<_>>()[..] else {
        return Err("not four polynomials".to_owned());
    };
    let sid = &attempt.sid;
    let own = attempt.invited.iter().find(|(id, _)| *id == node).ok_or("not invited")?.1;
    let (mut sections, mut list, mut leaf_tree) = (Vec::new(), Vec::new(), Vec::new());
    for ((position, (holder, announce)), given) in
        (1u16..).zip(&attempt.invited).zip(given["sections"].as_array().ok_or("no sections")?)
    {
        let key = if *holder == node { None } else { session.pair(&own, announce)? };
        let (mut sealed, mut commit, mut pair, mut sigma) = (Vec::new(), [0; 32], [0; 32], [0; 32]);
        if let Some(key) = &key {
            let (share, of) = share_key(key, sid, node, *holder, &nonce);
            let mut plain = [at(f_r, position).to_bytes(), at(f_b, position).to_bytes()].concat();
            // No node of these sessions keeps a head of a transparency log.
            plain.extend([0; 104]);
            (sealed, commit, sigma) = (seal(&share, &plain), of, expand(key, "sigma", sid));
            pair = pair_commitment(&sigma, node, *holder, sid);
        }
        list.extend(sigma);
        let of = |label: &str, f: &[Scalar]| hex(share_hash(label, sid, node, position, &at(f, position)));
        let leaf_of = json!({
            "r": of("leaf r", f_r), "b": of("leaf b", f_b), "g_r": of("leaf g r", g_r),
            "g_b": of("leaf g b", g_b), "key": hex(commit),
        });
        leaf_tree.push(leaf(&encode(&wire::leaf(), &leaf_of)?));
        sections.push(json!({
            "holder": holder, "sealed": hex(sealed), "leaf": leaf_of, "pair": hex(pair),
            "seen_seq": given["seen_seq"],
        }));
    }
    let leaves = root(&leaf_tree);
    let z_r = combine(f_r, g_r, &challenge(sid, node, threshold, &leaves, false));
    let z_b = combine(f_b, g_b, &challenge(sid, node, threshold, &leaves, true));
    for (position, section) in (1u16..).zip(&mut sections) {
        section["z"] =
            json!({ "r": hex(at(&z_r, position).to_bytes()), "b": hex(at(&z_b, position).to_bytes()) });
    }
    let coefficients = |z: &[Scalar]| z.iter().map(|c| hex(c.to_bytes())).collect::<Vec<_>>();
    let z = json!({ "r": coefficients(&z_r), "b": coefficients(&z_b) });
    let z_raw = encode(&wire::public_z(), &z)?;
    let values = session.figures.get(&node).ok_or("no figures")?;
    if values.len() != attempt.bounds.len()
        || values.iter().zip(&attempt.bounds).any(|(v, (lo, hi))| v < lo || v > hi)
    {
        return Err("figures out of range".to_owned());
    }
    let lanes: Vec<u64> = values.iter().zip(&attempt.bounds).map(|(v, (lo, _))| v.abs_diff(*lo)).collect();
    let commitments = commit(&lanes, &blindings);
    let head = json!({
        "sid": hex(sid), "node": node, "nonce": hex(nonce), "leaves": hex(leaves), "z": hex(sha(&z_raw)),
        "contribution": hex(commitments_root(&commitments)),
        "ranges": hex(sha(&encode(&wire::proofs(), &json!([]))?)), "ledger_seq": given["head"]["ledger_seq"],
    });
    let recovery = hex(seal(&derive(&f_r[0].to_bytes(), "list", sid), &list));
    let mut tree = vec![leaf(&encode(&wire::head(), &head)?), leaf(&z_raw)];
    for section in &sections {
        tree.push(leaf(&encode(&wire::section(), section)?));
    }
    tree.push(leaf(&encode(&wire::recovery(), &recovery)?));
    let root = root(&tree);
    let signature = hex(sign(session.seed(node)?, "deposit", &root));
    // Nothing is checked in these sessions.
    let deposit = json!({
        "head": head, "z": z, "sections": sections, "recovery": recovery, "commitments": [], "ranges": [],
        "signature": signature,
    });
    let (f_r, f_b) = (f_r.to_vec(), f_b.to_vec());
    Ok(Dealt { f_r, f_b, blindings, commitments, lanes, leaves, deposit, root, tree, leaf_tree })
}

/// The attempt that a later message is of.
pub fn sid_of(kind: &str, inner: &Value) -> Checked<Value> {
    let sealed = match kind {
        "ReportBlock" | "OutcomeReport" | "OutcomeBlock" | "RevealR" | "RevealB" => {
            return Ok(inner["sid"].clone());
        }
        "Ready" | "Confirm" | "AskB" | "End" => inner,
        _ => &inner["body"],
    };
    // Every signed body begins with the attempt's id.
    Ok(hex(bytes(&sealed["body"])?.get(..32).ok_or("too short a body")?))
}

fn paths(tree: &[Hash], index: usize) -> Vec<Value> {
    path(tree, index).iter().map(hex).collect()
}

impl Attempt {
    pub fn of(&self, dealer: u16) -> Checked<&Dealt> {
        let found = self.dealt.iter().find(|(id, _)| *id == dealer);
        found.map(|(_, dealt)| dealt).ok_or_else(|| format!("node {dealer} dealt nothing"))
    }
    pub fn position(&self, node: u16) -> Checked<u16> {
        let index = self.invited.iter().position(|(id, _)| *id == node).ok_or("not invited")?;
        u16::try_from(index + 1).map_err(|_| "too many".to_owned())
    }
    fn dropouts(&self) -> Vec<u16> {
        self.cohort.iter().copied().filter(|id| !self.survivors.contains(id)).collect()
    }
    fn known<T: Copy>(value: Option<T>, what: &str) -> Checked<T> {
        value.ok_or_else(|| format!("before {what}"))
    }

    /// The message that must stand in the frame; `given` shows what only its sender decided.
    pub fn answer(
        &mut self,
        session: &Session,
        kind: &str,
        given: &Value,
        peer: u16,
        by_node: bool,
    ) -> Checked<Value> {
        let freeze = |attempt: &Self| -> Checked<Value> {
            Ok(json!({ "sid": hex(attempt.sid), "freeze": hex(Self::known(attempt.freeze, "FREEZE")?) }))
        };
        match (kind, by_node) {
            ("Start", false) => self.start(session, given, peer),
            ("Ready", true) => {
                let start = hex(Self::known(self.start, "START")?);
                let body = json!({ "sid": hex(self.sid), "start": start, "unusable": [] });
                let ready = session.seal(peer, "ready", &body)?;
                self.readies.insert(peer, ready.clone());
                Ok(ready)
            }
            ("Go", false) => self.go(session),
            ("Report", true) => self.report(session, given, peer),
            ("ReportBlock", true) => {
                let packed = self.packed.get(&peer).ok_or("before its report")?;
                Ok(json!({ "sid": hex(self.sid), "index": 0, "bytes": hex(packed) }))
            }
            ("Freeze", false) => self.freeze(session, given),
            ("Confirm", true) => {
                let confirm = session.seal(peer, "confirm", &freeze(self)?)?;
                self.confirms.insert(peer, confirm["signature"].clone());
                Ok(confirm)
            }
            ("Certificate", false) => self.certify(session, given, &freeze(self)?),
            ("RevealR", true) => self.reveal(given, peer, false),
            ("AskB", false) => session.seal(COORDINATOR, "ask-b", &freeze(self)?),
            ("RevealB", true) => self.reveal(given, peer, true),
            ("Outcome", false) => self.outcome(session, given),
            ("OutcomeReport", false) => {
                let of = u16::try_from(number(&given["of"])?).map_err(|_| "no id")?;
                if !self.survivors.contains(&of) {
                    return Err("of nobody".to_owned());
                }
                let (root, blindings, commitments) = self.committed(of)?;
                let commitments: Vec<Value> = commitments.iter().map(hex).collect();
                let committed =
                    json!({ "root": hex(root), "blindings": hex(blindings), "commitments": commitments });
                Ok(json!({ "sid": hex(self.sid), "of": of, "committed": committed, "ranges": [] }))
            }
            ("OutcomeBlock", false) => {
                let (lanes, ..) = self.outcome.as_ref().ok_or("before RESULT")?;
                Ok(json!({ "sid": hex(self.sid), "index": 0, "bytes": hex(pack(lanes, self.width)) }))
            }
            ("End", false) => {
                session.seal(COORDINATOR, "end", &json!({ "sid": hex(self.sid), "reason": "LeftOut" }))
            }
            _ => Err(format!("{kind} does not belong here")),
        }
    }

    fn start(&mut self, session: &Session, given: &Value, holder: u16) -> Checked<Value> {
        let body = session.open(COORDINATOR, "start", &given["body"])?;
        self.cohort = ids(&body["cohort"], "node")?;
        if self.cohort.len() < session.facts.quorum || !self.cohort.is_sorted_by(|a, b| a < b) {
            return Err("no cohort".to_owned());
        }
        let position = usize::from(self.position(holder)?);
        let (mut cohort, mut dealers) = (Vec::new(), Vec::new());
        let mut all = H::new("start").fixed(&self.sid).count(self.cohort.len());
        for id in &self.cohort {
            let dealt = self.of(*id)?;
            all = all.u16(*id).fixed(&dealt.root);
            cohort.push(json!({ "node": id, "deposit": hex(dealt.root) }));
            dealers.push(json!({
                "head": dealt.deposit["head"], "head_path": paths(&dealt.tree, 0),
                "section": dealt.deposit["sections"][position - 1],
                "section_path": paths(&dealt.tree, position + 1),
                "leaf_path": paths(&dealt.leaf_tree, position - 1), "signature": dealt.deposit["signature"],
            }));
        }
        self.start = Some(all.end());
        let body = json!({ "sid": hex(self.sid), "cohort": cohort });
        Ok(json!({ "body": session.seal(COORDINATOR, "start", &body)?, "dealers": dealers }))
    }

    fn go(&mut self, session: &Session) -> Checked<Value> {
        let mut all = H::new("readies").count(self.cohort.len());
        let mut readies = Vec::new();
        for id in &self.cohort {
            let ready = self.readies.get(id).ok_or("GO before every READY")?;
            all = all.u16(*id).bytes(&encode(&wire::sealed(4096), ready)?);
            readies.push(json!({ "node": id, "ready": ready }));
        }
        let go = H::new("go").fixed(&Self::known(self.start, "START")?).fixed(&all.end()).end();
        self.go = Some(go);
        let body = session.seal(COORDINATOR, "go", &json!({ "sid": hex(self.sid), "go": hex(go) }))?;
        Ok(json!({ "body": body, "readies": readies }))
    }

    /// sigma of two members of the cohort.
    fn sigma(&self, a: u16, b: u16) -> Checked<&Hash> {
        self.pairs.get(&(a.min(b), a.max(b))).ok_or_else(|| "a pair of the cohort has no seed".to_owned())
    }

    fn report(&mut self, session: &Session, given: &Value, node: u16) -> Checked<Value> {
        let go = Self::known(self.go, "GO")?;
        let dealt = self.of(node)?;
        let mut lanes = dealt.lanes.clone();
        let mut blindings = dealt.blindings.clone();
        let mut masked = |seed: &Hash, plus: bool| {
            mask(&mut lanes, seed, plus);
            mask_blindings(&mut blindings, seed, plus);
        };
        masked(&own_seed(&dealt.f_b[0], &go, node), true);
        for other in self.cohort.iter().filter(|other| **other != node) {
            masked(&derive(self.sigma(node, *other)?, "pair", &go), node < *other);
        }
        reduce(&mut lanes, self.width);
        let packed = pack(&lanes, self.width);
        let cells = u32::try_from(lanes.len()).map_err(|_| "too many cells")?;
        self.packed.insert(node, packed);
        self.blindings.insert(node, blindings);
        let (root, hashed, commitments) = self.committed(node)?;
        let report = report_hash(&go, node, (self.width, cells), &root, &hashed, &commitments);
        // Its own ledger's number is the contributor's word.
        let said = session.open(node, "contribute", &given["body"])?;
        let body = json!({
            "sid": hex(self.sid), "go": hex(go), "report": hex(report), "ledger_seq": said["ledger_seq"],
        });
        let sealed = session.seal(node, "contribute", &body)?;
        let counted = json!({
            "node": node, "report": hex(report), "ledger_seq": said["ledger_seq"], "signature": sealed["signature"],
        });
        self.reports.insert(node, counted);
        let blindings: Vec<Value> = self.blindings[&node].iter().map(|one| hex(one.to_bytes())).collect();
        let commitments: Vec<Value> = commitments.iter().map(hex).collect();
        Ok(json!({
            "body": sealed, "root": hex(root), "blindings": blindings, "commitments": commitments,
        }))
    }

    /// What is published of a report: the root of its blocks, the hash of its masked blindings, its commitments.
    fn committed(&self, node: u16) -> Checked<(Hash, Hash, Vec<Hash>)> {
        let packed = self.packed.get(&node).ok_or("before its report")?;
        let blindings = self.blindings.get(&node).ok_or("before its report")?;
        let blocks: Vec<Hash> = packed.chunks(65_536).map(leaf).collect();
        let bytes: Vec<Hash> = blindings.iter().map(Scalar::to_bytes).collect();
        Ok((root(&blocks), sha(bytes.as_flattened()), self.of(node)?.commitments.clone()))
    }

    fn freeze(&mut self, session: &Session, given: &Value) -> Checked<Value> {
        self.survivors = ids(&given["survivors"], "node")?;
        if self.survivors.len() < session.facts.quorum || !self.survivors.is_sorted_by(|a, b| a < b) {
            return Err("no survivors".to_owned());
        }
        let mut all = H::new("frz").fixed(&Self::known(self.go, "GO")?).count(self.survivors.len());
        let mut counted = Vec::new();
        for id in &self.survivors {
            let report = self.reports.get(id).ok_or("a survivor without report")?;
            all = all.u16(*id).fixed(&array(&report["report"])?);
            counted.push(report.clone());
        }
        let freeze = all.end();
        self.freeze = Some(freeze);
        let body =
            session.seal(COORDINATOR, "freeze", &json!({ "sid": hex(self.sid), "freeze": hex(freeze) }))?;
        Ok(json!({ "body": body, "survivors": counted }))
    }

    fn certify(&mut self, session: &Session, given: &Value, body: &Value) -> Checked<Value> {
        let who = ids(&given["confirmations"], "node")?;
        if who.len() < session.facts.quorum || !who.is_sorted_by(|a, b| a < b) {
            return Err("no quorum".to_owned());
        }
        let mut all = H::new("cert").fixed(&Self::known(self.freeze, "FREEZE")?).count(who.len());
        let mut confirmations = Vec::new();
        for id in who {
            let signature = self.confirms.get(&id).ok_or("a confirmation of nobody")?;
            verify(
                &public(session.seed(id)?),
                "confirm",
                &encode(&wire::freeze(), body)?,
                &array(signature)?,
            )?;
            all = all.u16(id).bytes(&array::<64>(signature)?);
            confirmations.push(json!({ "node": id, "signature": signature }));
        }
        self.certificate = Some(all.end());
        let body = session.seal(COORDINATOR, "cert", body)?;
        Ok(json!({ "body": body, "confirmations": confirmations }))
    }

    /// A holder's shares of r of the dropouts, or of b of the survivors; its envelopes were made of the same.
    fn reveal(&mut self, given: &Value, holder: u16, of_b: bool) -> Checked<Value> {
        let position = self.position(holder)?;
        let dealers = if of_b { self.survivors.clone() } else { self.dropouts() };
        let mut shares = Vec::new();
        for dealer in dealers {
            let dealt = self.of(dealer)?;
            let share = at(if of_b { &dealt.f_b } else { &dealt.f_r }, position);
            shares.push(json!({ "dealer": dealer, "share": hex(share.to_bytes()) }));
        }
        for one in given["shares"].as_array().ok_or("no shares")? {
            let dealer = u16::try_from(number(&one["dealer"])?).map_err(|_| "no id")?;
            let all = if of_b { &mut self.b } else { &mut self.r };
            all.entry(dealer).or_default().insert(position, scalar(&array(&one["share"])?)?);
        }
        let freeze = hex(Self::known(self.freeze, "FREEZE")?);
        Ok(json!({ "sid": hex(self.sid), "freeze": freeze, "shares": shares }))
    }

    fn outcome(&mut self, session: &Session, given: &Value) -> Checked<Value> {
        let said = session.open(COORDINATOR, "result", &given["body"])?;
        let opened = sums::opened(self, session)?;
        let (lanes, blindings) = sums::total(self, session)?;
        let raw = opened.iter().map(|one| encode(&wire::opened(), one)).collect::<Checked<Vec<_>>>()?;
        let root = total_root(&lanes);
        let sums: Vec<Hash> = blindings.iter().map(Scalar::to_bytes).collect();
        let result = result_hash(&Self::known(self.certificate, "CERT")?, &root, &sums, &raw);
        self.outcome = Some((lanes, blindings, root, result));
        let body = json!({
            "sid": hex(self.sid), "freeze": hex(Self::known(self.freeze, "FREEZE")?), "total": hex(root),
            "result": hex(result), "at": said["at"],
        });
        let blindings: Vec<Value> = sums.iter().map(hex).collect();
        let body = session.seal(COORDINATOR, "result", &body)?;
        Ok(json!({ "body": body, "blindings": blindings, "opened": opened }))
    }
}
