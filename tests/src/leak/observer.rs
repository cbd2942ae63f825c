//! Turns what nodes really sent into the oracle's forms, and counts which masks an adversary holds.
//!
//! It sees every frame and deals every channel key, so it knows each mask's true seed; each report is
//! checked against the sum of its terms as numbers, so that the forms are those that were really sent. Which
//! masks are *held* follows only from shares that were revealed and from what colluders were sent.

use super::{Figure, Form};
use rand_chacha::ChaCha20Rng;
use samensom_protocol::codec::decode;
use samensom_protocol::crypto::mask::{Mask, Sign, apply};
use samensom_protocol::crypto::sharing::{Polynomial, scalar_bytes, share_hash};
use samensom_protocol::crypto::transcript::Label;
use samensom_protocol::ids::{AnnounceHash, AttemptId, GoHash, NodeId, StartHash};
use samensom_protocol::message::{Deposit, Message, ReportBody, Reveal};
use samensom_protocol::ring::{Unpacker, lane_mask};
use samensom_protocol::rounds::contribute::pair_sign;
use samensom_protocol::rounds::deposit::pair_seed;
use samensom_protocol::rounds::offer::Facts;
use samensom_protocol::rounds::ready::{mask_seed, self_seed};
use samensom_protocol::secret::Secret;
use std::collections::{BTreeMap, BTreeSet};

/// Which of a dealer's two secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Which {
    /// Recovers pair seeds.
    R,
    /// Seed of the own mask.
    B,
}

/// What a node dealt in an attempt.
#[derive(Debug)]
struct Dealing {
    r: Secret<Polynomial>,
    b: Secret<Polynomial>,
    figure: Figure,
    lane: u64,
    slot: u64,
    /// Holders that were sent a sealed share.
    sealed: BTreeSet<NodeId>,
}

/// One mask of a report.
#[derive(Debug, Clone, Copy)]
pub struct Term {
    /// The other end and the pair's seed in the attempt; none for the own mask.
    pub pair: Option<(NodeId, [u8; 32])>,
    /// The mask's seed.
    pub seed: [u8; 32],
    /// Added (1) or taken away (-1).
    pub sign: i8,
}

/// A report, and the masks that are really on it.
#[derive(Debug, Clone)]
pub struct Seen {
    /// Who sent it.
    pub node: NodeId,
    /// In which attempt.
    pub sid: AttemptId,
    /// Over which figure.
    pub figure: Figure,
    /// In which slot, by the sender's clock.
    pub slot: u64,
    /// Its masks.
    pub terms: Vec<Term>,
}

/// Sees all, and answers what a given set of colluders with the coordinator can compute.
#[derive(Debug, Default)]
pub struct Observer {
    keys: BTreeMap<(AnnounceHash, AnnounceHash), [u8; 32]>,
    attempts: BTreeMap<AttemptId, Facts>,
    dealings: BTreeMap<(NodeId, AttemptId), Dealing>,
    starts: BTreeMap<StartHash, Vec<NodeId>>,
    gos: BTreeMap<GoHash, StartHash>,
    heads: BTreeMap<(NodeId, AttemptId), GoHash>,
    /// Every report, as it is; tests plant leaks here.
    pub reports: Vec<Seen>,
    /// Positions at which a share was revealed, by dealer, attempt and secret; tests plant shares here.
    pub revealed: BTreeMap<(NodeId, AttemptId, Which), BTreeSet<u16>>,
    /// Tests plant another threshold here.
    pub threshold: Option<u16>,
    /// Reports that are no sum of figure and known masks, and dealings that are not as committed.
    pub unexplained: Vec<NodeId>,
}

/// The one cell of a mask.
fn stream(seed: &[u8; 32], sign: i8) -> u64 {
    let mut lane = [0u64];
    let sign = if sign > 0 { Sign::Plus } else { Sign::Minus };
    apply(&mut lane, &mut [Mask::new(seed, sign)]);
    lane[0]
}

/// The terms that really are on a report: all of them, or all but the fewest possible.
fn explain(terms: &[Term], rest: u64, mask: u64) -> Option<Vec<Term>> {
    let values: Vec<u64> = terms.iter().map(|term| stream(&term.seed, term.sign)).collect();
    let all = values.iter().fold(rest, |left, value| left.wrapping_sub(*value));
    if all & mask == 0 {
        return Some(terms.to_vec());
    }
    // Only in small worlds are bugs planted, and looked for among all sets.
    let count = u32::try_from(terms.len()).ok().filter(|count| *count <= 16)?;
    let chosen = |set: u32| (0..terms.len()).filter(move |i| set >> i & 1 == 0);
    let fits = |set: &u32| chosen(*set).fold(rest, |left, i| left.wrapping_sub(values[i])) & mask == 0;
    let missing = (1..1 << count).filter(fits).min_by_key(|set: &u32| set.count_ones())?;
    Some(chosen(missing).map(|i| terms[i]).collect())
}

impl Observer {
    /// Two incarnations share a channel key.
    pub fn linked(&mut self, a: AnnounceHash, b: AnnounceHash, key: [u8; 32]) {
        self.keys.insert((a.min(b), a.max(b)), key);
    }
    /// An attempt exists.
    pub fn offered(&mut self, facts: Facts) {
        self.attempts.entry(facts.sid).or_insert(facts);
    }
    /// True once the attempt is known.
    #[must_use]
    pub fn knows(&self, sid: &AttemptId) -> bool {
        self.attempts.contains_key(sid)
    }
    /// What an attempt stands on.
    #[must_use]
    pub fn facts(&self, sid: &AttemptId) -> Option<&Facts> {
        self.attempts.get(sid)
    }
    /// A START of some cohort.
    pub fn started(&mut self, start: StartHash, cohort: Vec<NodeId>) {
        self.starts.insert(start, cohort);
    }
    /// A GO over a START.
    pub fn gone(&mut self, go: GoHash, start: StartHash) {
        self.gos.insert(go, start);
    }

    /// A node is about to deal with this randomness.
    pub fn dealing(
        &mut self,
        (node, sid): (NodeId, AttemptId),
        mut rng: ChaCha20Rng,
        (figure, lane, slot): (Figure, u64, u64),
    ) {
        let Some(facts) = self.attempts.get(&sid) else { return };
        let threshold = facts.params().thresholds.shares;
        let [r, b] = [0; 2].map(|_| Polynomial::random(threshold, &mut rng));
        let dealing = Dealing { r, b, figure, lane, slot, sealed: BTreeSet::new() };
        self.dealings.entry((node, sid)).or_insert(dealing);
    }

    /// A node sent a message.
    pub fn sent(&mut self, node: NodeId, message: &Message) {
        match message {
            Message::Deposit(deposit) => self.deposit(node, deposit),
            Message::Report(report) => {
                let body: Option<ReportBody> = decode(&report.body.body).ok();
                self.heads.extend(body.map(|body| ((node, body.sid), body.go)));
            }
            Message::ReportBlock(block) => self.block(node, block.sid, &block.bytes),
            Message::RevealR(reveal) | Message::RevealB(reveal) => self.reveal(node, reveal),
            _ => {}
        }
    }

    fn deposit(&mut self, node: NodeId, deposit: &Deposit) {
        let sid = deposit.head.sid;
        let Some(dealing) = self.dealings.get_mut(&(node, sid)) else { return self.unexplained.push(node) };
        for (position, section) in (1u16..).zip(deposit.sections.iter()) {
            let hash = |label, f: &Polynomial| share_hash(label, &sid, node, position, &f.at(position));
            let same = section.leaf.r.0 == hash(Label::LeafR, dealing.r.expose())
                && section.leaf.b.0 == hash(Label::LeafB, dealing.b.expose());
            if !same {
                self.unexplained.push(node);
            }
            if !section.sealed.is_empty() {
                dealing.sealed.insert(section.holder);
            }
        }
    }

    fn block(&mut self, node: NodeId, sid: AttemptId, bytes: &[u8]) {
        let seen = self.heads.get(&(node, sid)).copied().and_then(|go| self.explained(node, sid, go, bytes));
        match seen {
            Some(seen) => self.reports.push(seen),
            None => self.unexplained.push(node),
        }
    }

    fn explained(&self, node: NodeId, sid: AttemptId, go: GoHash, bytes: &[u8]) -> Option<Seen> {
        let facts = self.attempts.get(&sid)?;
        let dealing = self.dealings.get(&(node, sid))?;
        let cohort = self.starts.get(self.gos.get(&go)?)?;
        let own = *self_seed(&dealing.b.expose().at_zero(), &go, node).expose();
        let mut terms = vec![Term { pair: None, seed: own, sign: 1 }];
        for other in cohort.iter().filter(|other| **other != node) {
            let Some(sigma) = self.sigma(facts, node, *other) else { continue };
            let seed = *mask_seed(&sigma, &go).expose();
            let sign = if pair_sign(node, *other) == Sign::Plus { 1 } else { -1 };
            terms.push(Term { pair: Some((*other, sigma)), seed, sign });
        }
        let (width, mut lanes) = (facts.params().width, [0u64]);
        Unpacker::new(width).add(bytes, &mut lanes);
        let terms = explain(&terms, lanes[0].wrapping_sub(dealing.lane), lane_mask(width))?;
        Some(Seen { node, sid, figure: dealing.figure, slot: dealing.slot, terms })
    }

    /// The seed of a pair in an attempt; none where the two have no channel.
    fn sigma(&self, facts: &Facts, a: NodeId, b: NodeId) -> Option<[u8; 32]> {
        let announce =
            |node| facts.header.invited.iter().find(|one| one.node == node).map(|one| one.announce);
        let (a, b) = (announce(a)?, announce(b)?);
        let key = self.keys.get(&(a.min(b), a.max(b)))?;
        Some(*pair_seed(&Secret::new(*key), &facts.sid).expose())
    }

    fn reveal(&mut self, node: NodeId, reveal: &Reveal) {
        let Some(position) = self.attempts.get(&reveal.sid).and_then(|facts| facts.position(node)) else {
            return;
        };
        for given in reveal.shares.iter() {
            // Colluders' dealings hold nothing that they do not know.
            let Some(dealing) = self.dealings.get(&(given.dealer, reveal.sid)) else { continue };
            for (which, f) in [(Which::R, dealing.r.expose()), (Which::B, dealing.b.expose())] {
                if scalar_bytes(&f.at(position)) == given.share {
                    self.revealed.entry((given.dealer, reveal.sid, which)).or_default().insert(position);
                }
            }
        }
    }

    /// True if the coordinator and these colluders hold enough shares of one secret.
    #[must_use]
    pub fn holds(
        &self,
        (dealer, sid, which): (NodeId, AttemptId, Which),
        colluders: &BTreeSet<NodeId>,
    ) -> bool {
        let (Some(facts), Some(dealing)) = (self.attempts.get(&sid), self.dealings.get(&(dealer, sid)))
        else {
            return false;
        };
        let mut positions = self.revealed.get(&(dealer, sid, which)).cloned().unwrap_or_default();
        positions.extend(dealing.sealed.intersection(colluders).filter_map(|node| facts.position(*node)));
        positions.len() >= usize::from(self.threshold.unwrap_or(facts.params().thresholds.shares))
    }

    /// Seeds of pairs that the adversary holds: a colluder's, and those of every node whose r it holds.
    fn seeds(&self, colluders: &BTreeSet<NodeId>) -> BTreeSet<[u8; 32]> {
        let mut seeds = BTreeSet::new();
        for facts in self.attempts.values() {
            let invited = || facts.header.invited.iter().map(|one| one.node);
            let open = |node: &NodeId| {
                colluders.contains(node) || self.holds((*node, facts.sid, Which::R), colluders)
            };
            for node in invited().filter(open) {
                seeds.extend(
                    invited()
                        .filter(|other| *other != node)
                        .filter_map(|other| self.sigma(facts, node, other)),
                );
            }
        }
        seeds
    }

    /// The reports of everybody else, as forms over the masks that these colluders do not hold.
    #[must_use]
    pub fn forms(&self, colluders: &BTreeSet<NodeId>) -> Vec<Form> {
        let seeds = self.seeds(colluders);
        let held = |seen: &Seen, term: &Term| match term.pair {
            Some((_, sigma)) => seeds.contains(&sigma),
            None => self.holds((seen.node, seen.sid, Which::B), colluders),
        };
        let form = |seen: &Seen| Form {
            slot: seen.slot,
            figure: seen.figure,
            masks: seen
                .terms
                .iter()
                .filter(|term| !held(seen, term))
                .map(|term| (term.seed, term.sign))
                .collect(),
        };
        self.reports.iter().filter(|seen| !colluders.contains(&seen.node)).map(form).collect()
    }
}
