//! One sequence: a coordinator that chooses whom it invites, whom it loses, which roster and which binding it shows,
//! against the rules of every hospital's ledger.
//!
//! Each hospital answers by the core's own functions over its own records; what follows from its answer (a report, a
//! confirmation, a certificate) is written down as the core would.

use super::combined::combined;
use super::country::{Country, Epoch, HOSPITALS};
use super::queries::{Asked, Row, rows};
use super::{Released, Told, below, isolated, one_in};
use rand_chacha::ChaCha12Rng;
use samensom_protocol::codec::{Blob, Bytes, List, encode};
use samensom_protocol::crypto::transcript::sha256;
use samensom_protocol::ids::{AnnounceHash, AttemptId, ExtractHash, FreezeHash, NodeId, ResultHash};
use samensom_protocol::io::Record;
use samensom_protocol::ledger::LedgerView;
use samensom_protocol::message::{Bound, Header, Invited, Opening, Pass, SUITE, WIRE_VERSION};
use samensom_protocol::query::{Counting, Open};
use samensom_protocol::rounds::beside::closing;
use samensom_protocol::rounds::confirm::check_survivors;
use samensom_protocol::rounds::contribute::spent;
use samensom_protocol::rounds::offer::{Asked as Offered, Facts, check_promises, check_rules};
use samensom_protocol::rounds::ready::check_cohort;
use samensom_protocol::time::Time;
use samensom_protocol::warrant::Warrant;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A hospital's ledger, and the version of its rows, now and as frozen for a slot.
struct Hospital {
    view: LedgerView,
    live: u32,
    frozen: (u64, u32),
}

/// A session that was certified.
struct Certified {
    pass: Pass,
    bound: Bound,
}

/// What a count pass gave.
struct Counted {
    opening: Opening,
    survivors: Vec<NodeId>,
}

/// A sequence under way.
pub struct Play<'a> {
    pool: &'a [Asked],
    year: &'a [Epoch],
    country: &'a Country,
    rng: ChaCha12Rng,
    /// False: no ledger holds to what it promised.
    rules: bool,
    epoch: usize,
    slot: u64,
    hospitals: BTreeMap<NodeId, Hospital>,
    /// Rows of a hospital's version.
    rows: BTreeMap<(NodeId, u32), Vec<Row>>,
    attempts: u64,
    certified: Vec<Certified>,
    released: Vec<Released>,
    summed: BTreeSet<usize>,
    /// A nation and its groups were summed.
    both: bool,
    pub told: Told,
}

/// Rows of a time that is over have one version.
const OVER: u32 = u32::MAX;

fn extract(node: NodeId, version: u32) -> ExtractHash {
    ExtractHash(sha256(&[node.0.to_be_bytes().as_slice(), &version.to_be_bytes()].concat()))
}

impl<'a> Play<'a> {
    pub fn new(pool: &'a [Asked], country: &'a Country, mut rng: ChaCha12Rng, rules: bool) -> Play<'a> {
        let hospital = || Hospital { view: LedgerView::default(), live: 0, frozen: (0, 0) };
        let year = &country.years[below(&mut rng, country.years.len())];
        Play {
            pool,
            year,
            country,
            rng,
            rules,
            epoch: 0,
            slot: 25_000,
            hospitals: (1..=HOSPITALS).map(|node| (NodeId(node), hospital())).collect(),
            rows: BTreeMap::new(),
            attempts: 0,
            certified: Vec::new(),
            released: Vec::new(),
            summed: BTreeSet::new(),
            both: false,
            told: Told::default(),
        }
    }

    /// Some queries, over some slots and rosters.
    pub fn all(&mut self) {
        let mut query = below(&mut self.rng, self.pool.len());
        for _ in 0..2 + below(&mut self.rng, 5) {
            // A time that is over is asked about again when all else has changed.
            let over = self.pool[query].over;
            if one_in(&mut self.rng, if over { 2 } else { 4 }) {
                self.next_slot();
            }
            if one_in(&mut self.rng, if over { 3 } else { 6 }) && self.epoch + 1 < self.year.len() {
                self.epoch += 1;
            }
            // Asked again, or another one.
            query = match self.pool[query].relative {
                Some(relative) if one_in(&mut self.rng, 2) => relative,
                _ if one_in(&mut self.rng, if over { 1 } else { 3 }) => query,
                _ => below(&mut self.rng, self.pool.len()),
            };
            let Some(counted) = self.count(query) else { continue };
            self.value(query, &counted);
        }
        self.told.figures = self.released.len();
        if self.told.isolated.is_none() && (self.both || one_in(&mut self.rng, 16)) {
            self.told.isolated = combined(&self.released);
        }
    }

    /// Rows change nowhere, at some hospitals, or at all.
    fn next_slot(&mut self) {
        self.slot += 1;
        let change = below(&mut self.rng, 3);
        for hospital in self.hospitals.values_mut() {
            if change == 2 || change == 1 && one_in(&mut self.rng, 2) {
                hospital.live += 1;
            }
        }
    }

    /// The survivors that an earlier session of this pass had, or none: the last, or any.
    fn binding(&mut self, pass: Pass) -> Option<Bound> {
        let known: Vec<&Certified> = self.certified.iter().filter(|one| one.pass == pass).collect();
        if known.is_empty() || one_in(&mut self.rng, 4) {
            return None;
        }
        let place =
            if one_in(&mut self.rng, 4) { below(&mut self.rng, known.len()) } else { known.len() - 1 };
        Some(known[place].bound.clone())
    }

    /// These without one or two, or all of them.
    fn some_of(&mut self, mut nodes: Vec<NodeId>) -> Vec<NodeId> {
        for _ in 0..[0, 0, 1, 2][below(&mut self.rng, 4)] {
            let place = below(&mut self.rng, nodes.len());
            nodes.remove(place);
        }
        nodes
    }

    fn warrant(&self, query: usize) -> Arc<Warrant> {
        Arc::clone(&self.year[self.epoch].warrants[query])
    }

    fn count(&mut self, query: usize) -> Option<Counted> {
        let bound = self.binding(Pass::Count);
        let invited = match &bound {
            Some(bound) => bound.survivors.to_vec(),
            None => {
                let active = self.year[self.epoch].active();
                self.some_of(active)
            }
        };
        let (facts, survivors) = self.pass((query, Pass::Count), invited, bound, None)?;
        let warrant = self.warrant(query);
        let counting = &warrant.count().expect("a floor is held").counting;
        let totals = self.with_rows(query, &survivors, |own| self.pool[query].totals(counting, own));
        let open = facts.opened(&totals)?;
        let (freeze, result) = (FreezeHash(facts.sid.0), ResultHash(facts.sid.0));
        for node in &survivors {
            let record = Record::Counted {
                warrant: warrant.hash(),
                slot: self.slot,
                freeze,
                result,
                survivors: survivors.clone(),
                open: open.to_bytes(),
                totals: totals.iter().map(|total| u16::try_from(*total).unwrap()).collect(),
            };
            self.hospitals.get_mut(node)?.view.apply(&record);
        }
        let open = match below(&mut self.rng, 8) {
            0 => everything(counting, open),
            // As if nothing had opened before.
            1 => open,
            _ => self.closing(&warrant, survivors[0], &open).unwrap_or(open),
        };
        Some(Counted {
            opening: Opening { freeze, result, open: Blob::new(open.to_bytes()).ok()? },
            survivors,
        })
    }

    /// What an honest coordinator offers beside what opened over a hospital's extract.
    fn closing(&self, warrant: &Warrant, node: NodeId, open: &Open) -> Option<Open> {
        let Hospital { view, frozen, .. } = self.hospitals.get(&node)?;
        let own = extract(node, frozen.1);
        let before: Vec<_> = view.values(&self.country.town.lock.name, &own).collect();
        closing(view, (&warrant.hash(), self.slot), &before, open)
    }

    fn value(&mut self, query: usize, counted: &Counted) {
        let bound = self.binding(Pass::Value);
        let invited = match &bound {
            Some(bound) => bound.survivors.to_vec(),
            None if one_in(&mut self.rng, 4) => self.some_of(counted.survivors.clone()),
            None => counted.survivors.clone(),
        };
        let opening = Some(counted.opening.clone());
        let Some((_, survivors)) = self.pass((query, Pass::Value), invited, bound, opening) else { return };
        let warrant = self.warrant(query);
        let counting = &warrant.count().expect("a floor is held").counting;
        let open = Open::from_bytes(counting, &counted.opening.open).expect("made here");
        let relative = self.pool[query].relative;
        self.both |= relative.is_some_and(|other| self.summed.contains(&other));
        self.summed.insert(query);
        self.release(query, &survivors, &open);
    }

    fn release(&mut self, query: usize, survivors: &[NodeId], open: &Open) {
        let asked = &self.pool[query];
        let versions = survivors.iter().map(|node| (usize::from(node.0), self.hospitals[node].frozen.1));
        let versions: BTreeMap<usize, u32> = versions.collect();
        for cell in 0..asked.places {
            for (place, (of, _)) in asked.measures.iter().enumerate() {
                if !open.is_open(u32::try_from(cell).unwrap(), place) {
                    continue;
                }
                let rows = self.with_rows(query, survivors, |own| asked.behind(cell, place, own));
                let by = format!(
                    "m{place} in {cell}, slot {}, roster {}, of {survivors:?}, of\n{}",
                    self.slot, self.epoch, asked.text
                );
                let filled = self.with_rows(query, survivors, |own| asked.filled(cell, place, own));
                let (of, over) = (*of, asked.over);
                let figure = asked.figure(cell, place);
                let figure = Released { of, over, figure, versions: versions.clone(), rows, filled, by };
                if let Some(what) = isolated(&figure, &self.released) {
                    self.told.isolated.get_or_insert(what);
                }
                self.released.push(figure);
            }
        }
    }

    /// The frozen rows of these hospitals, with the groups that the roster gives them.
    fn with_rows<T>(
        &self,
        query: usize,
        nodes: &[NodeId],
        work: impl FnOnce(&[super::queries::Own]) -> T,
    ) -> T {
        let own = nodes.iter().map(|node| {
            let group = self.year[self.epoch].group_of(*node).unwrap_or(usize::MAX);
            let version = if self.pool[query].over { OVER } else { self.hospitals[node].frozen.1 };
            let rows = self.rows.get(&(*node, version));
            (usize::from(node.0), group, rows.map_or(&[][..], Vec::as_slice))
        });
        work(&own.collect::<Vec<_>>())
    }

    /// One pass: who agrees, who reports, who is certified. None where there is no sum.
    fn pass(
        &mut self,
        (query, pass): (usize, Pass),
        invited: Vec<NodeId>,
        bound: Option<Bound>,
        opening: Option<Opening>,
    ) -> Option<(Facts, Vec<NodeId>)> {
        self.told.refused += 1;
        let facts = self.offered((query, pass), &invited, bound, opening)?;
        let (facts, cohort) = self.agreed(facts)?;
        check_cohort(&cohort, &facts).ok()?;
        self.told.refused -= 1;
        self.told.lost += 1;
        for node in &cohort {
            let hospital = self.hospitals.get_mut(node)?;
            let record = spent(&facts, extract(*node, hospital.frozen.1), &hospital.view);
            hospital.view.apply(&record);
        }
        let lost = one_in(&mut self.rng, 10);
        let survivors = if one_in(&mut self.rng, 6) { self.some_of(cohort.clone()) } else { cohort.clone() };
        if lost || check_survivors(&survivors, &facts).is_err() {
            self.void(&facts, &cohort);
            return None;
        }
        self.certify(&facts, &survivors)?;
        self.told.lost -= 1;
        self.told.ran += 1;
        Some((facts, survivors))
    }

    /// The header, if it is one.
    fn offered(
        &mut self,
        (query, pass): (usize, Pass),
        invited: &[NodeId],
        bound: Option<Bound>,
        opening: Option<Opening>,
    ) -> Option<Facts> {
        self.attempts += 1;
        let (warrant, roster) = (self.warrant(query), Arc::clone(&self.year[self.epoch].roster));
        let params =
            warrant.count().filter(|_| pass == Pass::Count).map_or(warrant.params(), |count| &count.params);
        let invited = invited.iter().map(|node| Invited { node: *node, announce: AnnounceHash([0; 32]) });
        let header = Header {
            wire: WIRE_VERSION,
            suite: SUITE,
            coordinator: self.country.town.coordinator.public(),
            warrant: warrant.hash(),
            roster: roster.hash(),
            lock: self.country.town.lock.name.clone(),
            slot: self.slot,
            pass,
            attempt: 0,
            nonce: Bytes(sha256(&self.attempts.to_be_bytes())),
            deadlines: params.deadlines,
            invited: List::new(invited.collect()).ok()?,
            bound,
            opening,
        };
        Facts::new(&encode(&header).ok()?, roster, warrant).ok()
    }

    /// Who takes part, each by its own rules; what is frozen then stays frozen for the slot.
    fn agreed(&mut self, facts: Facts) -> Option<(Facts, Vec<NodeId>)> {
        let now = Time((self.slot * u64::from(self.country.town.lock.spacing_s) + 36_000) * 1000);
        let coordinator = self.country.town.coordinator.public();
        let (mut known, mut cohort) = (None, Vec::new());
        for invited in facts.header.invited.iter() {
            let hospital = self.hospitals.get_mut(&invited.node)?;
            let lock = &facts.header.lock;
            let frozen = hospital.view.frozen(lock).is_some_and(|frozen| frozen.slot == self.slot);
            let version = if frozen { hospital.frozen.1 } else { hospital.live };
            let own = extract(invited.node, version);
            if self.rules {
                let asked =
                    Offered { coordinator: &coordinator, roster: &facts.roster, view: &hospital.view, now };
                let Ok(read) = check_rules(facts.clone(), &asked) else { continue };
                if check_promises(&read, &hospital.view, &own).is_err() {
                    continue;
                }
                known.get_or_insert(read);
            }
            if !frozen {
                hospital.frozen = (self.slot, version);
                let roster = facts.roster.hash();
                let record =
                    Record::Frozen { lock: lock.clone(), slot: self.slot, extract: own, roster, at: now };
                hospital.view.apply(&record);
            }
            let rng = &mut self.rng;
            for version in [version, OVER] {
                self.rows.entry((invited.node, version)).or_insert_with(|| rows(rng));
            }
            cohort.push(invited.node);
        }
        Some((known.unwrap_or(facts), cohort))
    }

    /// Nobody confirmed: where a quorum says so, the pass is as it was.
    fn void(&mut self, facts: &Facts, cohort: &[NodeId]) {
        if cohort.len() < usize::from(facts.params().thresholds.quorum) || one_in(&mut self.rng, 2) {
            return;
        }
        for node in cohort {
            let Some(hospital) = self.hospitals.get_mut(node) else { continue };
            hospital.view.apply(&Record::Voided { sid: facts.sid });
            hospital.view.apply(&Record::Returned {
                lock: facts.header.lock.clone(),
                extract: extract(*node, hospital.frozen.1),
                pass: facts.header.pass,
                sid: facts.sid,
            });
        }
    }

    /// All survivors confirm; now and then one does not get the certificate.
    fn certify(&mut self, facts: &Facts, survivors: &[NodeId]) -> Option<()> {
        let (lock, pass, freeze) = (facts.header.lock.clone(), facts.header.pass, FreezeHash(facts.sid.0));
        let bound = Bound {
            roster: facts.roster.hash(),
            sid: AttemptId(facts.sid.0),
            freeze,
            survivors: List::new(survivors.to_vec()).ok()?,
            certificate: List::default(),
        };
        let without = one_in(&mut self.rng, 5).then(|| survivors[below(&mut self.rng, survivors.len())]);
        for node in survivors {
            let hospital = self.hospitals.get_mut(node)?;
            let extract = extract(*node, hospital.frozen.1);
            hospital.view.apply(&Record::Confirmed {
                lock: lock.clone(),
                extract,
                pass,
                sid: facts.sid,
                freeze,
                survivors: survivors.to_vec(),
                seen: Vec::new(),
            });
            if without != Some(*node) {
                let record = Record::Certified { lock: lock.clone(), extract, pass, bound: bound.clone() };
                hospital.view.apply(&record);
            }
        }
        self.certified.push(Certified { pass, bound });
        Some(())
    }
}

/// The set in which every figure opens.
fn everything(counting: &Counting, open: Open) -> Open {
    let bytes = open.to_bytes();
    let last = bytes.len().saturating_sub(1);
    // The bits beyond the last figure are padding: as many as fit.
    let all = (0..=8u32).rev().find_map(|bits| {
        let mut bytes = vec![0xff; bytes.len()];
        if let Some(byte) = bytes.get_mut(last) {
            *byte = u8::try_from((1u16 << bits) - 1).unwrap_or(u8::MAX);
        }
        Open::from_bytes(counting, &bytes)
    });
    all.unwrap_or(open)
}
