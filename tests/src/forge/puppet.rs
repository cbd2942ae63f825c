//! A hospital without a single rule: it deals, masks, confirms and reveals whenever it is asked, and what it
//! deals is what its liar wants.
//!
//! It uses the core's own public functions, so that everything it does not lie about is right. It keeps no
//! ledger and refuses nothing. It must not hold a key of anybody else.

use super::message::sign;
use crate::adversary::world::{World, channel_key};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use samensom_protocol::codec::decode;
use samensom_protocol::crypto::keys::Signed;
use samensom_protocol::crypto::sharing::Polynomial;
use samensom_protocol::ids::{ExtractHash, FreezeHash, GoHash, NodeId};
use samensom_protocol::ledger::LedgerView;
use samensom_protocol::message::{Deposit, FreezeBody, GoBody, Invited, Message, Offer, StartBody};
use samensom_protocol::ring::Contribution;
use samensom_protocol::rounds::deposit::{self, Dealer, Kept, PairKeys};
use samensom_protocol::rounds::offer::Facts;
use samensom_protocol::rounds::ready::{self, Cohort, Holder};
use samensom_protocol::rounds::reveal::{Which, reveal};
use samensom_protocol::rounds::{contribute, deposit_hash};
use samensom_protocol::secret::Secret;
use std::sync::Arc;

/// What a dealer holds that deals rightly.
#[derive(Debug)]
pub struct Cards {
    /// What it deals under.
    pub facts: Facts,
    /// What it sends.
    pub deposit: Deposit,
    /// What it keeps.
    pub kept: Kept,
    /// The polynomial of r.
    pub r: Secret<Polynomial>,
    /// Its channel keys.
    pub channels: PairKeys,
    /// What it contributes.
    pub contribution: Contribution,
}

/// Deals for a node that has no machine; a figure of zero unless one is given.
pub fn deal(
    world: &mut World,
    facts: &Facts,
    me: NodeId,
    contribution: Option<Contribution>,
) -> Option<Cards> {
    let invited: Vec<Invited> = facts.header.invited.to_vec();
    let own = *invited.iter().find(|one| one.node == me)?;
    let key = |other: &Invited| {
        let linked = other.node != me && world.are_linked(me, other.node);
        linked.then(|| Arc::new(Secret::new(channel_key(&own.announce, &other.announce))))
    };
    let channels: PairKeys = invited.iter().filter_map(|other| Some((other.node, key(other)?))).collect();
    let identity = Arc::clone(world.town.identities.get(&me)?);
    let seen = LedgerView::default();
    let dealer =
        Dealer { me, identity: &identity, channels: &channels, ledger_seq: 0, seen: &seen, head: None };
    let zero = || Contribution::new(1, |_| (0, 1), &[0], ExtractHash([0; 32])).ok();
    let contribution = contribution.or_else(zero)?;
    let mut rng = ChaCha20Rng::seed_from_u64(world.rng.next_u64());
    let mut fork = rng.clone();
    let (deposit, kept) = deposit::deal(facts, &dealer, &contribution, &mut rng).ok()?;
    let r = Polynomial::random(facts.params().thresholds.shares, &mut fork);
    Some(Cards { facts: facts.clone(), deposit, kept, r, channels, contribution })
}

/// What a liar does to its own deposit; a second, honest dealing of the same attempt is there to be mixed in.
pub type Spoil = Box<dyn FnMut(&World, &mut Cards, &Deposit)>;

/// The hospital.
pub struct Puppet {
    me: NodeId,
    spoil: Spoil,
    cards: Option<Cards>,
    cohort: Option<Cohort>,
    go: Option<GoHash>,
    survivors: Vec<NodeId>,
}

impl core::fmt::Debug for Puppet {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Puppet({})", self.me)
    }
}

impl Puppet {
    /// A hospital whose deposits are spoilt like this.
    #[must_use]
    pub fn new(me: NodeId, spoil: Spoil) -> Self {
        Puppet { me, spoil, cards: None, cohort: None, go: None, survivors: Vec::new() }
    }

    /// What it says to a message of the coordinator.
    pub fn answer(&mut self, world: &mut World, message: &Message) -> Vec<Message> {
        let answer = match message {
            Message::Offer(offer) => self.deposit(world, offer),
            Message::Start(start) => self.ready(world, start),
            Message::Go(go) => return self.report(world, go).unwrap_or_default(),
            Message::Freeze(freeze) => {
                self.survivors = freeze.survivors.iter().map(|one| one.node).collect();
                let body: Option<FreezeBody> = decode(&freeze.body.body).ok();
                let identity = &world.town.identities[&self.me];
                body.map(|body| Message::Confirm(sign(identity, Signed::Confirm, &body)))
            }
            Message::Certificate(certificate) => {
                self.reveal(&certificate.body.body, Which::R).map(Message::RevealR)
            }
            Message::AskB(ask) => self.reveal(&ask.body, Which::B).map(Message::RevealB),
            _ => None,
        };
        answer.into_iter().collect()
    }

    fn deposit(&mut self, world: &mut World, offer: &Offer) -> Option<Message> {
        let (roster, warrant) = (Arc::clone(&world.town.roster), Arc::clone(&world.town.warrants[0].1));
        let facts = Facts::new(&offer.header.body, roster, warrant).ok()?;
        let figure = world.contribution(self.me, facts.header.slot);
        let second = deal(world, &facts, self.me, figure)?.deposit;
        let figure = world.contribution(self.me, facts.header.slot);
        let mut cards = deal(world, &facts, self.me, figure)?;
        (self.spoil)(world, &mut cards, &second);
        let hash = deposit_hash(&cards.deposit).ok()?;
        cards.deposit.signature = world.town.identities[&self.me].sign(Signed::Deposit, &hash.0);
        cards.kept.deposit = hash;
        let deposit = cards.deposit.clone();
        self.cards = Some(cards);
        Some(Message::Deposit(deposit))
    }

    fn ready(&mut self, world: &World, start: &samensom_protocol::message::Start) -> Option<Message> {
        let cards = self.cards.as_ref()?;
        let body: StartBody = decode(&start.body.body).ok()?;
        let (coordinator, ledger) = (world.town.coordinator.public(), LedgerView::default());
        let holder = Holder {
            me: self.me,
            coordinator: &coordinator,
            channels: &cards.channels,
            ledger: &ledger,
            head: None,
        };
        let cohort = ready::check(start, &body, &cards.facts, &holder, &cards.kept).ok()?;
        let ready = ready::ready(&cohort, &cards.facts, &world.town.identities[&self.me]).ok()?;
        self.cohort = Some(cohort);
        Some(Message::Ready(ready))
    }

    fn report(&mut self, world: &World, go: &samensom_protocol::message::Go) -> Option<Vec<Message>> {
        let (cards, cohort) = (self.cards.as_ref()?, self.cohort.as_ref()?);
        let body: GoBody = decode(&go.body.body).ok()?;
        self.go = Some(body.go);
        let identity = &world.town.identities[&self.me];
        let own = (self.me, &**identity, 1);
        let masked =
            contribute::mask(&cards.facts, &body.go, &cards.contribution, cohort, &cards.kept, own).ok()?;
        masked.frames.iter().map(|frame| Message::from_frame(frame).ok()).collect()
    }

    fn reveal(&self, body: &[u8], which: Which) -> Option<samensom_protocol::message::Reveal> {
        let (cards, cohort) = (self.cards.as_ref()?, self.cohort.as_ref()?);
        let freeze: FreezeHash = decode::<FreezeBody>(body).ok()?.freeze;
        let dropped = |node: &NodeId| !self.survivors.contains(node);
        let dealers: Vec<NodeId> = match which {
            Which::R => cohort.members().filter(dropped).collect(),
            Which::B => self.survivors.clone(),
        };
        let given = reveal(which, dealers.into_iter(), &cards.facts, &freeze, cohort).ok()?;
        (!given.shares.is_empty()).then_some(given)
    }
}
