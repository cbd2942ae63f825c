//! What a lying coordinator has in hand: its key, what it saw, and any message it likes to sign.
//!
//! Owns the making of false messages from true ones. It must not decide which one is told.

use super::SetUp;
use super::country::Country;
use samensom_protocol::codec::{Bytes, List, decode};
use samensom_protocol::crypto::keys::Signed;
use samensom_protocol::message::{
    Certificate, Counted, Deposit, Freeze, FreezeBody, Go, GoBody, Header, Message, Offer, ReadyOf, Sealed,
    Start, StartBody,
};
use samensom_protocol::rounds::offer::Facts;
use samensom_protocol::rounds::ready::Sections;
use samensom_protocol::rounds::{freeze_hash, go_hash};
use samensom_protocol::warrant::SignedWarrant;
use serde::Serialize;
use std::sync::Arc;

/// The liar at the moment it lies.
pub(super) struct Hand<'a> {
    pub country: &'a Country<'a>,
    /// What an honest coordinator would say now.
    pub honest: &'a Message,
}

/// Frames for the victim.
pub(super) type Frames = Result<Vec<Vec<u8>>, SetUp>;

/// One message as a frame.
pub(super) fn frame(message: &Message) -> Result<Vec<u8>, SetUp> {
    Ok(message.to_frame()?)
}

/// One message alone.
pub(super) fn only(message: &Message) -> Frames {
    Ok(vec![frame(message)?])
}

impl Hand<'_> {
    /// The honest message.
    pub(super) fn through(&self) -> Frames {
        only(self.honest)
    }

    /// Signed by the coordinator as a message of this kind.
    pub(super) fn seal<const MAX: usize>(
        &self,
        what: Signed,
        body: &impl Serialize,
    ) -> Result<Sealed<MAX>, SetUp> {
        Ok(Sealed::new(&self.country.town.coordinator, what, body)?)
    }

    /// The newest true message to the victim of this kind, the one at hand included.
    fn sent<T>(&self, kind: impl Fn(&Message) -> Option<T>) -> Result<T, SetUp> {
        let all = self.country.sent.iter().chain([self.honest]);
        all.rev().find_map(kind).ok_or(SetUp("a message that the liar alters"))
    }

    pub(super) fn offer(&self) -> Result<Offer, SetUp> {
        self.sent(|message| if let Message::Offer(offer) = message { Some(offer.clone()) } else { None })
    }

    pub(super) fn start(&self) -> Result<Start, SetUp> {
        self.sent(|message| if let Message::Start(start) = message { Some(start.clone()) } else { None })
    }

    pub(super) fn go(&self) -> Result<Go, SetUp> {
        self.sent(|message| if let Message::Go(go) = message { Some(go.clone()) } else { None })
    }

    pub(super) fn freeze(&self) -> Result<Freeze, SetUp> {
        self.sent(|message| if let Message::Freeze(freeze) = message { Some(freeze.clone()) } else { None })
    }

    pub(super) fn certificate(&self) -> Result<Certificate, SetUp> {
        self.sent(|message| match message {
            Message::Certificate(certificate) => Some(certificate.clone()),
            _ => None,
        })
    }

    /// The facts of the attempt that was offered last.
    pub(super) fn facts(&self) -> Result<Facts, SetUp> {
        let offer = self.offer()?;
        let warrant = Arc::new(offer.warrant.read(&self.country.roster)?);
        Ok(Facts::new(&offer.header.body, Arc::clone(&self.country.roster), warrant)?)
    }

    /// The last offer with another header.
    pub(super) fn header(&self, change: impl FnOnce(&mut Header)) -> Frames {
        let mut offer = self.offer()?;
        let mut header: Header = decode(&offer.header.body)?;
        change(&mut header);
        offer.header = self.seal(Signed::Header, &header)?;
        only(&Message::Offer(offer))
    }

    /// The last offer with another warrant, which its header names.
    pub(super) fn warrant(&self, warrant: SignedWarrant) -> Frames {
        let mut offer = self.offer()?;
        let mut header: Header = decode(&offer.header.body)?;
        header.warrant = warrant.hash();
        offer.header = self.seal(Signed::Header, &header)?;
        offer.warrant = warrant;
        only(&Message::Offer(offer))
    }

    /// Every deposit that came, by ascending node.
    pub(super) fn deposits(&self) -> Vec<Deposit> {
        let of = |(_, message): &(_, Message)| match message {
            Message::Deposit(deposit) => Some(deposit.clone()),
            _ => None,
        };
        let mut deposits: Vec<Deposit> = self.country.heard.iter().filter_map(of).collect();
        deposits.sort_by_key(|deposit| deposit.head.node);
        deposits
    }

    /// START with another cohort and, for the victim, the sections of exactly these deposits.
    pub(super) fn start_of(&self, deposits: &[Deposit], change: impl FnOnce(&mut StartBody)) -> Frames {
        let dealt = |deposit: &Deposit| -> Result<_, SetUp> {
            let hash = samensom_protocol::rounds::deposit_hash(deposit)?;
            Ok(samensom_protocol::message::Dealt { node: deposit.head.node, deposit: hash })
        };
        let facts = self.facts()?;
        let cohort = deposits.iter().map(dealt).collect::<Result<Vec<_>, _>>()?;
        let mut body = StartBody { sid: facts.sid, cohort: List::new(cohort)? };
        change(&mut body);
        let position = facts.position(super::town::VICTIM).unwrap_or_default();
        let dealers = Sections::new(deposits.iter())?.for_holder(position).unwrap_or_default();
        only(&Message::Start(Start { body: self.seal(Signed::Start, &body)?, dealers: List::new(dealers)? }))
    }

    /// GO over these READY messages, with the hash that belongs to them.
    pub(super) fn go_of(&self, readies: Vec<ReadyOf>) -> Frames {
        let start: StartBody = decode(&self.start()?.body.body)?;
        let hash = go_hash(&samensom_protocol::rounds::start_hash(&start.sid, &start.cohort), &readies)?;
        let body = self.seal(Signed::Go, &GoBody { sid: start.sid, go: hash })?;
        only(&Message::Go(Go { body, readies: List::new(readies)? }))
    }

    /// FREEZE over these survivors, with the hash that belongs to them.
    pub(super) fn freeze_of(&self, survivors: Vec<Counted>) -> Frames {
        let go: GoBody = decode(&self.go()?.body.body)?;
        let body = FreezeBody { sid: go.sid, freeze: freeze_hash(&go.go, &survivors) };
        let body = self.seal(Signed::Freeze, &body)?;
        only(&Message::Freeze(Freeze { body, survivors: List::new(survivors)? }))
    }
}

/// The same bytes with one bit of the first turned.
pub(super) fn turned<const N: usize>(bytes: Bytes<N>) -> Bytes<N> {
    let mut bytes = bytes;
    if let Some(first) = bytes.0.first_mut() {
        *first ^= 1;
    }
    bytes
}
