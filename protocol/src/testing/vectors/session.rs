//! Whole sessions of five nodes: every frame, everything drawn, and what follows from them.
//!
//! What follows is computed here from the frames and the tape with the core's own functions, and held
//! against the clear sum; `wire.md` says in which order values are drawn.

use super::hex;
use crate::codec::{Bytes, decode};
use crate::crypto::channel::{End, IncarnationSecret, channel_key};
use crate::crypto::pedersen;
use crate::crypto::sharing::{Statement, Which, scalar};
use crate::ids::{AnnounceHash, AttemptId, GoHash, NodeId};
use crate::io::Peer;
use crate::message::*;
use crate::ring::{Unpacker, reduce};
use crate::roster::tests::identity;
use crate::rounds::channel::announce_hash;
use crate::rounds::deposit::{pair_commitment, pair_seed};
use crate::rounds::offer::{attempt_id, session_id};
use crate::rounds::ready::{mask_seed, self_seed};
use crate::rounds::{certificate_hash, deposit_hash, start_hash};
use crate::secret::Key;
use crate::testing::{COORDINATOR, Silence, World};
use curve25519_dalek::Scalar;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Node 2 vanishes after READY: its pair masks are taken off by its recovery list.
pub(super) fn with_a_dropout() -> Value {
    let mut world = World::new(5, 41);
    let sum = world.run(&Silence::from([(2, 2)])).unwrap();
    assert_eq!((sum.attempt, sum.survivors.len(), sum.dropped.len()), (0, 4, 1));
    assert_eq!(world.totals(&sum), world.clear(&sum.survivors));
    let mut told = Told::new(&world);
    told.figures(&sum.survivors);
    told.json("five nodes; node 2 vanishes after its READY")
}

/// Node 3 was restarted before and has another incarnation; node 5 vanishes before READY and costs an
/// attempt; the coordinator is killed while reports come in, and goes on from its store.
pub(super) fn with_restarts() -> Value {
    let mut world = World::new(5, 42);
    world.start_node(NodeId(3));
    world.crash_after = Some(24);
    let sum = world.run(&Silence::from([(5, 1)])).unwrap();
    assert_eq!(world.crash_after, None, "it was killed");
    assert_eq!((sum.attempt, sum.survivors.len(), sum.dropped.len()), (1, 4, 0));
    assert_eq!(world.totals(&sum), world.clear(&sum.survivors));
    let mut told = Told::new(&world);
    told.figures(&sum.survivors);
    let again = world.wire.iter().enumerate().filter(|(i, one)| world.wire[..*i].contains(one)).count();
    assert!(again > 3, "what was said before the restart is said again: {again}");
    told.json("five nodes; node 3 restarted before, node 5 lost before READY, the coordinator restarted in round contribute")
}

/// One incarnation as it was drawn.
struct Incarnation {
    node: NodeId,
    secret: IncarnationSecret,
    announce: AnnounceHash,
}

#[derive(Default)]
struct Attempt {
    fields: serde_json::Map<String, Value>,
    invited: Vec<Invited>,
    deposits: BTreeMap<NodeId, Deposit>,
    cohort: Vec<Dealt>,
    go: Option<GoHash>,
    packed: BTreeMap<NodeId, Vec<u8>>,
    blindings: BTreeMap<NodeId, PerBlock>,
}

struct Told<'a> {
    world: &'a World,
    tape: BTreeMap<Peer, Vec<u8>>,
    incarnations: Vec<Incarnation>,
    ciphertexts: BTreeMap<(AnnounceHash, AnnounceHash), Encapsulation>,
    attempts: Vec<(AttemptId, Attempt)>,
    /// Incarnations that each node's present incarnation has encapsulated to.
    met: BTreeSet<(NodeId, AnnounceHash)>,
}

impl<'a> Told<'a> {
    fn new(world: &'a World) -> Self {
        let mut tape: BTreeMap<Peer, Vec<u8>> = BTreeMap::new();
        for (by, bytes) in &world.rng.drawn {
            tape.entry(*by).or_default().extend(bytes);
        }
        let (incarnations, ciphertexts, attempts, met) = Default::default();
        let mut told = Told { world, tape, incarnations, ciphertexts, attempts, met };
        for (from, to, frame) in &world.wire {
            told.take(*from, *to, Message::from_frame(frame).unwrap());
        }
        assert!(told.tape.values().all(Vec::is_empty), "all that was drawn is told");
        told
    }

    fn draw<const N: usize>(&mut self, by: Peer) -> [u8; N] {
        let rest = self.tape.get_mut(&by).unwrap();
        let drawn: Vec<u8> = rest.drain(..N).collect();
        drawn.try_into().unwrap()
    }

    fn attempt(&mut self, sid: &AttemptId) -> &mut Attempt {
        &mut self.attempts.iter_mut().find(|(known, _)| known == sid).unwrap().1
    }

    fn take(&mut self, from: Peer, to: Peer, message: Message) {
        match message {
            Message::Announce(sealed) if to == Peer::Coordinator => self.announce(from, &sealed),
            Message::Announce(sealed) => {
                let Peer::Node(node) = to else { return };
                if self.met.insert((node, announce_hash(&sealed))) {
                    self.draw::<64>(to);
                }
            }
            Message::Encapsulation(sealed) if to == Peer::Coordinator => {
                let body: Encapsulation = decode(&sealed.body).unwrap();
                self.ciphertexts.insert((body.from, body.to), body);
            }
            Message::Offer(offer) => self.offer(&offer),
            Message::Deposit(deposit) => self.deposit(from, deposit),
            Message::Start(start) => {
                let body: StartBody = decode(&start.body.body).unwrap();
                let hash = start_hash(&body.sid, &body.cohort);
                let attempt = self.attempt(&body.sid);
                attempt.cohort = body.cohort.to_vec();
                let ids: Vec<u16> = body.cohort.iter().map(|one| one.node.0).collect();
                attempt.fields.insert("cohort".to_owned(), json!(ids));
                attempt.fields.insert("start".to_owned(), hex(hash.0));
            }
            Message::Go(go) => {
                let body: GoBody = decode(&go.body.body).unwrap();
                let attempt = self.attempt(&body.sid);
                attempt.go = Some(body.go);
                attempt.fields.insert("go".to_owned(), hex(body.go.0));
            }
            Message::Report(report) => {
                let Peer::Node(node) = from else { panic!("a report of the coordinator") };
                let body: ReportBody = decode(&report.body.body).unwrap();
                self.attempt(&body.sid).blindings.insert(node, report.blindings);
            }
            Message::ReportBlock(block) => {
                let Peer::Node(node) = from else { panic!("a block of the coordinator") };
                self.attempt(&block.sid).packed.insert(node, block.bytes.to_vec());
            }
            Message::Freeze(freeze) => {
                let body: FreezeBody = decode(&freeze.body.body).unwrap();
                let ids: Vec<u16> = freeze.survivors.iter().map(|one| one.node.0).collect();
                let attempt = self.attempt(&body.sid);
                attempt.fields.insert("survivors".to_owned(), json!(ids));
                attempt.fields.insert("freeze".to_owned(), hex(body.freeze.0));
            }
            Message::Certificate(certificate) => {
                let body: FreezeBody = decode(&certificate.body.body).unwrap();
                let hash = certificate_hash(&body.freeze, &certificate.confirmations);
                self.attempt(&body.sid).fields.insert("certificate".to_owned(), hex(hash));
            }
            Message::Outcome(outcome) => {
                let body: ResultBody = decode(&outcome.body.body).unwrap();
                let fields = &mut self.attempt(&body.sid).fields;
                let sums: Vec<Value> = outcome.blindings.iter().map(|one| hex(one.0)).collect();
                fields.insert("blindings".to_owned(), json!(sums));
                fields.insert("total_root".to_owned(), hex(body.total.0));
                fields.insert("result".to_owned(), hex(body.result.0));
            }
            _ => {}
        }
    }

    /// The incarnation's secret, then the nonce.
    fn announce(&mut self, from: Peer, sealed: &Sealed<2048>) {
        let body: Announce = decode(&sealed.body).unwrap();
        self.met.retain(|(node, _)| *node != body.node);
        let seed: [u8; 32] = self.draw(from);
        assert_eq!(self.draw::<32>(from), body.nonce.0);
        let secret = IncarnationSecret::from_seed(seed);
        assert_eq!(secret.public(), body.public);
        self.incarnations.push(Incarnation { node: body.node, secret, announce: announce_hash(sealed) });
    }

    fn offer(&mut self, offer: &Offer) {
        let sid = attempt_id(&offer.header.body);
        if self.attempts.iter().any(|(known, _)| *known == sid) {
            return;
        }
        let header: Header = decode(&offer.header.body).unwrap();
        assert_eq!(self.draw::<32>(Peer::Coordinator), header.nonce.0);
        let invited: Vec<u16> = header.invited.iter().map(|one| one.node.0).collect();
        let session = session_id(&header.warrant, header.slot, header.pass);
        let fields = json!({
            "sid": hex(sid.0), "session": hex(session.0), "attempt": header.attempt, "invited": invited,
        });
        let Value::Object(fields) = fields else { unreachable!() };
        self.attempts.push((sid, Attempt { fields, invited: header.invited.to_vec(), ..Attempt::default() }));
    }

    /// f_r, f_b, g_r, g_b by their coefficients, then the nonce and a blinding for each block.
    fn deposit(&mut self, from: Peer, deposit: Deposit) {
        let sid = deposit.head.sid;
        let node = deposit.head.node;
        if self.attempt(&sid).deposits.contains_key(&node) {
            return;
        }
        let threshold = self.world.warrant.params().thresholds.shares;
        let mut polynomials: Vec<Vec<Scalar>> = Vec::new();
        for _ in 0..4 {
            let draw = |_| Scalar::from_bytes_mod_order_wide(&self.draw::<64>(from));
            polynomials.push((0..threshold).map(draw).collect());
        }
        assert_eq!(self.draw::<32>(from), deposit.head.nonce.0);
        let blinding = Scalar::from_bytes_mod_order_wide(&self.draw::<64>(from));
        let root = &deposit.head.leaves.0;
        let statement = Statement { sid: &sid, dealer: node, threshold, root };
        let [r, b, ..] = &polynomials[..] else { panic!("four polynomials") };
        let values = &self.world.values[&node];
        let layout = self.world.warrant.query().layout();
        let lanes: Vec<u64> =
            (0..).zip(values).map(|(c, value)| value.abs_diff(layout.bounds(c).0)).collect();
        let told = json!({
            "node": node.0, "deposit": hex(deposit_hash(&deposit).unwrap().0), "r": hex(r[0].to_bytes()),
            "b": hex(b[0].to_bytes()), "leaves": hex(root), "blinding": hex(blinding.to_bytes()), "lanes": lanes,
            "commitment": hex(pedersen::commit(&lanes, &blinding)),
            "contribution": hex(deposit.head.contribution.0),
            "d_r": hex(statement.challenge(Which::R).to_bytes()),
            "d_b": hex(statement.challenge(Which::B).to_bytes()),
        });
        let attempt = self.attempt(&sid);
        attempt.deposits.insert(node, deposit);
        attempt.fields.entry("deposits").or_insert(json!([])).as_array_mut().unwrap().push(told);
    }

    /// The key of two incarnations, if both encapsulated.
    fn key(&self, low: &Incarnation, high: &Incarnation) -> Option<Key> {
        let ct1 = &self.ciphertexts.get(&(low.announce, high.announce))?.ciphertext;
        let ct2 = &self.ciphertexts.get(&(high.announce, low.announce))?.ciphertext;
        let (ss1, ss2) = (high.secret.decapsulate(ct1), low.secret.decapsulate(ct2));
        Some(channel_key(
            &End { announce: low.announce, ciphertext: ct1, shared: &ss1 },
            &End { announce: high.announce, ciphertext: ct2, shared: &ss2 },
        ))
    }

    fn pairs(&self) -> impl Iterator<Item = (&Incarnation, &Incarnation, Key)> {
        let ordered = |u: &Incarnation, v: &Incarnation| u.node < v.node;
        let pairs = self.incarnations.iter().flat_map(move |u| self.incarnations.iter().map(move |v| (u, v)));
        pairs.filter(move |(u, v)| ordered(u, v)).filter_map(|(u, v)| Some((u, v, self.key(u, v)?)))
    }

    /// Pair seeds, mask seeds, reports and the total of every attempt, as far as it came.
    fn figures(&mut self, survivors: &[NodeId]) {
        let mut attempts = std::mem::take(&mut self.attempts);
        for (sid, attempt) in &mut attempts {
            let is_invited = |one: &Incarnation| attempt.invited.iter().any(|i| i.announce == one.announce);
            let mut pairs = Vec::new();
            for (u, v, key) in self.pairs().filter(|(u, v, _)| is_invited(u) && is_invited(v)) {
                let sigma = pair_seed(&key, sid);
                let commitment = pair_commitment(sigma.expose(), u.node, v.node, sid);
                let seed = attempt.go.map(|go| hex(mask_seed(sigma.expose(), &go).expose()));
                pairs.push(json!({
                    "low": u.node.0, "high": v.node.0, "sigma": hex(sigma.expose()),
                    "commitment": hex(commitment), "mask_seed": seed,
                }));
            }
            pairs.sort_by_key(|pair| (pair["low"].as_u64(), pair["high"].as_u64()));
            attempt.fields.insert("pairs".to_owned(), json!(pairs));
            let Some(go) = attempt.go else { continue };
            let own = own_seeds(attempt, &go);
            attempt.fields.insert("own_mask_seeds".to_owned(), own);
            let width = self.world.warrant.params().width;
            let unpack = |packed: &Vec<u8>| {
                let mut lanes = vec![0u64; 3];
                Unpacker::new(width).add(packed, &mut lanes);
                lanes
            };
            let reports: Vec<Value> = attempt
                .packed
                .iter()
                .map(|(node, packed)| {
                    let blindings = attempt.blindings[node].iter().map(|one| hex(one.0));
                    json!({
                        "node": node.0, "packed": hex(packed), "masked": unpack(packed),
                        "blindings": blindings.collect::<Vec<_>>(),
                    })
                })
                .collect();
            attempt.fields.insert("reports".to_owned(), json!(reports));
            let clear = self.world.clear(survivors);
            let layout = self.world.warrant.query().layout();
            let n = i128::try_from(survivors.len()).unwrap();
            let off = |(cell, total): (u32, &i128)| total - n * i128::from(layout.bounds(cell).0);
            let mut lanes: Vec<u64> = (0..).zip(&clear).map(|one| u64::try_from(off(one)).unwrap()).collect();
            reduce(&mut lanes, width);
            attempt.fields.insert("total_lanes".to_owned(), json!(lanes));
            let totals: Vec<i64> = clear.iter().map(|total| i64::try_from(*total).unwrap()).collect();
            attempt.fields.insert("totals".to_owned(), json!(totals));
        }
        self.attempts = attempts;
    }

    fn json(&self, about: &str) -> Value {
        let world = self.world;
        let name = |peer: &Peer| match peer {
            Peer::Coordinator => "coordinator".to_owned(),
            Peer::Node(node) => node.to_string(),
        };
        let numbers = (1..=5).chain([COORDINATOR, 800, 801, 900, 901, 902, 903, 904]);
        let identities = numbers.map(|i| {
            let identity = identity(i);
            json!({ "number": i, "seed": hex(identity.seed().expose()), "public": hex(identity.public().0) })
        });
        let rosters: Vec<Value> = world
            .chain
            .iter()
            .map(|signed| json!({ "signed": signed, "hash": hex(crate::roster::Roster::hash_of(&signed.body).0) }))
            .collect();
        let figures = world.values.iter().map(|(node, values)| json!({ "node": node.0, "values": values }));
        let drawn = world.rng.drawn.iter().map(|(by, bytes)| json!({ "by": name(by), "bytes": hex(bytes) }));
        let frames = world
            .wire
            .iter()
            .map(|(from, to, frame)| json!({ "from": name(from), "to": name(to), "frame": hex(frame) }));
        let channels = self.pairs().map(|(u, v, key)| {
            json!({
                "low": hex(u.announce.0), "high": hex(v.announce.0), "key": hex(key.expose()),
            })
        });
        json!({
            "about": about,
            "identities": identities.collect::<Vec<_>>(),
            "rosters": rosters,
            "began": 1_800_000_000_000u64,
            "figures": figures.collect::<Vec<_>>(),
            "drawn": drawn.collect::<Vec<_>>(),
            "frames": frames.collect::<Vec<_>>(),
            "channels": channels.collect::<Vec<_>>(),
            "attempts": self.attempts.iter().map(|(_, one)| one.fields.clone()).collect::<Vec<_>>(),
        })
    }
}

/// beta of every member of the cohort.
fn own_seeds(attempt: &Attempt, go: &GoHash) -> Value {
    let told = attempt.fields["deposits"].as_array().unwrap();
    let members =
        told.iter().filter(|one| attempt.cohort.iter().any(|dealt| json!(dealt.node.0) == one["node"]));
    let seed = |one: &Value| {
        let bytes = crate::codec::from_hex(one["b"].as_str().unwrap()).unwrap();
        let b = scalar(&Bytes(bytes.try_into().unwrap())).unwrap();
        let node = NodeId(u16::try_from(one["node"].as_u64().unwrap()).unwrap());
        json!({ "node": node.0, "seed": hex(self_seed(&b, go, node).expose()) })
    };
    members.map(seed).collect::<Vec<_>>().into()
}
