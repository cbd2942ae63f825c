//! A hospital that lies to an honest coordinator in any round, by hand: for blame, and for who is left out.
//!
//! It holds its own keys and channels and follows the protocol but for its [`Lies`]. It must not read
//! anything of another hospital.

use super::world::{World, channel_key};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use samensom_protocol::codec::{Blob, Bytes, List, decode, encode};
use samensom_protocol::crypto::keys::Signed;
use samensom_protocol::crypto::sharing::{Polynomial, Statement, combine, commit, scalar, scalar_bytes};
use samensom_protocol::crypto::transcript::sha256;
use samensom_protocol::ids::{AttemptId, ExtractHash, NodeId, PublicKey};
use samensom_protocol::ledger::LedgerView;
use samensom_protocol::message::{
    Deposit, FreezeBody, Message, Offer, Public, PublicAt, Ready, Reveal, Sealed, Section, ShareOf,
};
use samensom_protocol::ring::Contribution;
use samensom_protocol::rounds::deposit::{Dealer, Kept, PairKeys, SeenSeq, deal};
use samensom_protocol::rounds::offer::Facts;
use samensom_protocol::rounds::ready::{Cohort, Holder};
use samensom_protocol::rounds::reveal::{Which, reveal};
use samensom_protocol::rounds::{contribute, deposit_hash, leaves_root, ready};
use samensom_protocol::secret::Secret;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What a liar does wrong in a session; nothing where it is empty or false.
#[derive(Debug, Clone, Default)]
pub struct Lies {
    /// It commits to another seed with these.
    pub differs: BTreeSet<NodeId>,
    /// What it seals to these is garbage.
    pub spoils: BTreeSet<NodeId>,
    /// Its leaves of these are off its polynomials, and they give the share that it committed to.
    pub crooked: BTreeSet<NodeId>,
    /// Dealers whose leaf for it is off their polynomials.
    pub helps: BTreeSet<NodeId>,
    /// It says that it cannot use these dealers' shares.
    pub lists: BTreeSet<NodeId>,
    /// One coefficient too many.
    pub wrong_degree: bool,
    /// Public polynomials as for another attempt.
    pub foreign: bool,
    /// It says that everyone's ledger was at 2^63.
    pub echo: bool,
    /// It gives no READY.
    pub no_ready: bool,
    /// It gives no report.
    pub no_report: bool,
    /// Its recovery list is garbage.
    pub garbage: bool,
    /// It gives other shares than those it was dealt.
    pub wrong_shares: bool,
}

/// One liar and what it holds of the open attempt.
#[derive(Debug)]
pub struct Liar {
    me: NodeId,
    /// What it does wrong.
    pub lies: Lies,
    facts: Option<Facts>,
    kept: Option<Kept>,
    cohort: Option<Cohort>,
    survivors: BTreeSet<NodeId>,
}

/// Remembers the same of everyone.
#[derive(Debug)]
struct Echo(u64);

impl SeenSeq for Echo {
    fn seen(&self, _: NodeId) -> u64 {
        self.0
    }
}

/// The share that crooked leaves are commitments to: 7, canonical and on nobody's polynomial.
fn bogus() -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[0] = 7;
    bytes
}

impl Liar {
    /// An honest node until it is given lies.
    #[must_use]
    pub fn new(me: NodeId) -> Self {
        let (facts, kept, cohort) = Default::default();
        Liar { me, lies: Lies::default(), facts, kept, cohort, survivors: BTreeSet::new() }
    }

    fn channels(&self, world: &World, facts: &Facts) -> PairKeys {
        let own = world.announces[&self.me];
        let others = facts.header.invited.iter().filter(|one| one.node != self.me);
        others.map(|one| (one.node, Arc::new(Secret::new(channel_key(&own, &one.announce))))).collect()
    }

    fn figure(&self, world: &World) -> Option<Contribution> {
        let most = i64::try_from(super::town::LARGEST).ok()?;
        let value = i64::try_from(world.value(self.me, world.slot(world.now))).ok()?;
        Contribution::new(1, |_| (0, most), &[value], ExtractHash([0; 32])).ok()
    }

    /// Its frames in answer to the coordinator's message.
    pub fn answer(&mut self, world: &mut World, message: &Message) -> Vec<Vec<u8>> {
        let said = match message {
            Message::Offer(offer) => self.deposit(world, offer).map(Message::Deposit),
            Message::Start(start) if !self.lies.no_ready => self.ready(world, start),
            Message::Go(go) if !self.lies.no_report => return self.report(world, go).unwrap_or_default(),
            Message::Freeze(freeze) => {
                self.survivors = freeze.survivors.iter().map(|one| one.node).collect();
                let body = decode::<FreezeBody>(&freeze.body.body).ok();
                let own = &world.town.identities[&self.me];
                body.and_then(|body| Sealed::new(own, Signed::Confirm, &body).ok()).map(Message::Confirm)
            }
            Message::Certificate(certificate) => self
                .shares(Which::R, &certificate.body.body)
                .filter(|given| !given.shares.is_empty())
                .map(Message::RevealR),
            Message::AskB(ask) => self.shares(Which::B, &ask.body).map(Message::RevealB),
            _ => None,
        };
        said.and_then(|message| message.to_frame().ok()).into_iter().collect()
    }

    fn deposit(&mut self, world: &mut World, offer: &Offer) -> Option<Deposit> {
        let (roster, warrant) = (Arc::clone(&world.town.roster), Arc::clone(&world.town.warrants[0].1));
        let facts = Facts::new(&offer.header.body, roster, warrant).ok()?;
        let (me, identity) = (self.me, Arc::clone(&world.town.identities[&self.me]));
        let (channels, seen) = (self.channels(world, &facts), Echo(if self.lies.echo { 1 << 63 } else { 0 }));
        let dealer =
            Dealer { me, identity: &identity, channels: &channels, ledger_seq: 0, seen: &seen, head: None };
        let mut rng = ChaCha20Rng::seed_from_u64(world.rng.next_u64());
        let mut fork = rng.clone();
        let (mut dealt, mut kept) = deal(&facts, &dealer, &self.figure(world)?, &mut rng).ok()?;
        let threshold = facts.params().thresholds.shares;
        let drawn: [_; 4] = [0; 4].map(|_| Polynomial::random(threshold, &mut fork));
        self.spoil(&mut dealt, &facts, &drawn)?;
        kept.deposit = deposit_hash(&dealt).ok()?;
        dealt.signature = identity.sign(Signed::Deposit, &kept.deposit.0);
        (self.facts, self.kept, self.cohort) = (Some(facts), Some(kept), None);
        Some(dealt)
    }

    /// What it lies about when it deals; r, b and what hides them are `drawn`.
    fn spoil(&self, dealt: &mut Deposit, facts: &Facts, drawn: &[Secret<Polynomial>; 4]) -> Option<()> {
        let (lies, sid, me) = (&self.lies, &facts.sid, self.me);
        let mut sections: Vec<Section> = dealt.sections.to_vec();
        let seven = scalar(&Bytes(bogus()))?;
        for (position, section) in (1u16..).zip(sections.iter_mut()) {
            if lies.differs.contains(&section.holder) {
                section.pair.0[0] ^= 1;
            }
            if lies.spoils.contains(&section.holder) {
                section.sealed = Blob::new(vec![1; section.sealed.len()]).ok()?;
            }
            if lies.crooked.contains(&section.holder) {
                let of = |which| Bytes(commit(which, sid, me, position, (&seven, &seven)).0);
                (section.leaf.r, section.leaf.b) = (of(Which::R), of(Which::B));
            }
        }
        let root = leaves_root(sections.iter().map(|section| &section.leaf)).ok()?;
        let foreign = AttemptId([9; 32]);
        let sid = if lies.foreign { &foreign } else { sid };
        let threshold = facts.params().thresholds.shares;
        let statement = Statement { sid, dealer: me, threshold, root: &root };
        let [r, b, g_r, g_b] = drawn;
        let z = [(Which::R, r, g_r), (Which::B, b, g_b)]
            .map(|(which, f, g)| combine(f.expose(), g.expose(), &statement.challenge(which)));
        for (position, section) in (1u16..).zip(sections.iter_mut()) {
            let [r, b] = z.each_ref().map(|z| scalar_bytes(&z.at(position)));
            section.z = PublicAt { r, b };
        }
        let lists = z.map(|z| {
            let mut z: Vec<_> = z.coefficients().iter().map(scalar_bytes).collect();
            z.extend(lies.wrong_degree.then_some(Bytes(bogus())));
            List::new(z).ok()
        });
        let [z_r, z_b] = lists;
        dealt.z = Public { r: z_r?, b: z_b? };
        if lies.garbage {
            dealt.recovery = Blob::new(vec![3; dealt.recovery.len()]).ok()?;
        }
        dealt.head.leaves = Bytes(root);
        dealt.head.z = Bytes(sha256(&encode(&dealt.z).ok()?));
        dealt.sections = List::new(sections).ok()?;
        Some(())
    }

    fn ready(&mut self, world: &World, start: &samensom_protocol::message::Start) -> Option<Message> {
        let (facts, kept) = (self.facts.as_ref()?, self.kept.as_ref()?);
        let coordinator: PublicKey = world.town.coordinator.public();
        let (channels, ledger) = (self.channels(world, facts), LedgerView::default());
        let holder = Holder {
            me: self.me,
            coordinator: &coordinator,
            channels: &channels,
            ledger: &ledger,
            head: None,
        };
        let body = ready::open_start(start, facts, &coordinator).ok()?;
        let cohort = ready::check(start, &body, facts, &holder, kept).ok()?;
        let lists = |dealer: &NodeId| {
            self.lies.lists.contains(dealer)
                || cohort.held[dealer].shares.is_none() && !self.lies.helps.contains(dealer)
        };
        let unusable = List::new(cohort.members().filter(lists).collect()).ok()?;
        let body = Ready { sid: facts.sid, start: cohort.start, unusable };
        let sealed = Sealed::new(&world.town.identities[&self.me], Signed::Ready, &body).ok()?;
        self.cohort = Some(cohort);
        Some(Message::Ready(sealed))
    }

    fn report(&self, world: &World, go: &samensom_protocol::message::Go) -> Option<Vec<Vec<u8>>> {
        let (facts, kept, cohort) = (self.facts.as_ref()?, self.kept.as_ref()?, self.cohort.as_ref()?);
        let body = contribute::open_go(go, facts, &world.town.coordinator.public()).ok()?;
        let hash = contribute::check(go, &body, facts, cohort).ok()?;
        let by = (self.me, &*world.town.identities[&self.me], 0);
        Some(contribute::mask(facts, &hash, &self.figure(world)?, cohort, kept, by).ok()?.frames)
    }

    fn shares(&self, which: Which, body: &[u8]) -> Option<Reveal> {
        let FreezeBody { freeze, .. } = decode(body).ok()?;
        let (facts, cohort) = (self.facts.as_ref()?, self.cohort.as_ref()?);
        let wanted = |node: &NodeId| self.survivors.contains(node) == (which == Which::B);
        let given = reveal(which, cohort.members().filter(wanted), facts, &freeze, cohort).ok()?;
        let crooked = |dealer: &NodeId| {
            self.lies.helps.contains(dealer) || *dealer == self.me && self.lies.crooked.contains(&self.me)
        };
        let mut shares: Vec<ShareOf> = given.shares.to_vec();
        shares.retain(|share| !crooked(&share.dealer));
        if self.lies.wrong_shares {
            shares.iter_mut().for_each(|share| share.share = Bytes(bogus()));
        }
        let committed = |dealer| ShareOf { dealer, share: Bytes(bogus()) };
        shares.extend(cohort.members().filter(wanted).filter(crooked).map(committed));
        shares.sort_by_key(|share| share.dealer);
        Some(Reveal { shares: List::new(shares).ok()?, ..given })
    }
}
