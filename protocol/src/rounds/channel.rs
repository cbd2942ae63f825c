//! Channel keys: announce, encapsulate to each other, confirm. Made at process start, in memory only.
//!
//! [`Channels`] is the node's half, [`Switchboard`] the coordinator's, which only relays: everything is
//! signed by the nodes and names both announces.

use crate::codec::{Blob, Bytes, decode};
use crate::crypto::channel::{
    CIPHERTEXT_LEN, End, IncarnationSecret, channel_key, confirmation, encapsulate, is_confirmed,
};
use crate::crypto::keys::{Identity, Signed};
use crate::crypto::transcript::{Label, Transcript};
use crate::error::{Check, Fault};
use crate::ids::{AnnounceHash, NodeId};
use crate::io::{Output, Peer};
use crate::message::{Announce, ChannelConfirm, Encapsulation, Message, Sealed};
use crate::roster::Roster;
use crate::secret::Key;
use crate::time::Time;
use rand_core::CryptoRng;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// An incarnation lives 24 hours at most.
pub const LIFETIME_MS: u64 = 24 * 3_600_000;
/// It is renewed between sessions when it is older than this.
pub const RENEW_AFTER_MS: u64 = 20 * 3_600_000;
/// How far two clocks may be apart: each may be off by a minute, to either side.
const APART_MS: u64 = 120_000;

/// Hash by which headers and ciphertexts name an incarnation.
#[must_use]
pub fn announce_hash(announce: &Sealed<2048>) -> AnnounceHash {
    AnnounceHash(Transcript::new(Label::Announce).bytes(&announce.body).finish())
}

fn read(announce: &Sealed<2048>, roster: &Roster, now: Time) -> Result<Announce, Fault> {
    let body: Announce = decode(&announce.body)?;
    let member = roster.member(body.node).ok_or(Fault::new(Check::A01, "an announce by no active member"))?;
    let signed = announce.open::<Announce>(&member.key, Signed::Announce).is_some();
    Fault::unless(signed, Check::A01, "an announce without its member's signature")?;
    Fault::unless(body.roster == roster.hash(), Check::A01, "an announce under another roster")?;
    let alive = body.not_after > now && body.not_after.since_ms(now) <= LIFETIME_MS.saturating_add(APART_MS);
    Fault::unless(alive, Check::A01, "an announce that is over, or lives too long")?;
    Ok(body)
}

/// The channel to one peer's incarnation.
#[derive(Debug)]
struct Channel {
    announce: AnnounceHash,
    sent: Sealed<2048>,
    mine: (Bytes<CIPHERTEXT_LEN>, Key),
    key: Option<Arc<Key>>,
    confirmed: bool,
}

/// A node's incarnation and its channels.
#[derive(Debug)]
pub struct Channels {
    me: NodeId,
    secret: IncarnationSecret,
    announce: Sealed<2048>,
    own: AnnounceHash,
    born: Time,
    peers: BTreeMap<NodeId, Channel>,
}

impl Channels {
    /// A new incarnation under `roster`.
    ///
    /// # Errors
    /// Never for a roster and identity that exist.
    pub fn new(
        me: NodeId,
        identity: &Identity,
        roster: &Roster,
        now: Time,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, Fault> {
        let secret = IncarnationSecret::generate(rng);
        let mut nonce = [0; 32];
        rng.fill_bytes(&mut nonce);
        let body = Announce {
            node: me,
            roster: roster.hash(),
            nonce: Bytes(nonce),
            public: secret.public(),
            not_after: now.plus_ms(LIFETIME_MS),
        };
        let announce = Sealed::new(identity, Signed::Announce, &body)?;
        let own = announce_hash(&announce);
        Ok(Channels { me, secret, announce, own, born: now, peers: BTreeMap::new() })
    }
    /// Hash of the own announce.
    #[must_use]
    pub fn own(&self) -> AnnounceHash {
        self.own
    }
    /// True when it should be renewed before the next session.
    #[must_use]
    pub fn is_old(&self, now: Time) -> bool {
        now.since_ms(self.born) > RENEW_AFTER_MS
    }
    /// What to send when a link comes up.
    #[must_use]
    pub fn hello(&self) -> Message {
        Message::Announce(self.announce.clone())
    }
    /// The confirmed key shared with exactly this incarnation of a peer.
    #[must_use]
    pub fn key(&self, peer: NodeId, announce: &AnnounceHash) -> Option<Arc<Key>> {
        let channel = self.peers.get(&peer).filter(|channel| channel.announce == *announce)?;
        channel.key.as_ref().filter(|_| channel.confirmed).map(Arc::clone)
    }
    /// Peers with a confirmed key.
    #[must_use]
    pub fn confirmed(&self) -> usize {
        self.peers.values().filter(|channel| channel.confirmed).count()
    }

    /// Takes a key for one incarnation of a peer as confirmed. Only simulations deal keys: whoever deals them
    /// can read everything (`tidy.rs` refuses the name in the programs).
    pub fn deal(&mut self, peer: NodeId, announce: AnnounceHash, key: Key) {
        let sent = Sealed { body: Blob::default(), signature: Bytes([0; 64]) };
        let mine = (Bytes([0; CIPHERTEXT_LEN]), crate::secret::Secret::new([0; 32]));
        let channel = Channel { announce, sent, mine, key: Some(Arc::new(key)), confirmed: true };
        self.peers.insert(peer, channel);
    }

    /// A peer's announce: encapsulates to it, or repeats what was sent before.
    ///
    /// # Errors
    /// When the announce is not its member's, not of this roster or over.
    pub fn on_announce(
        &mut self,
        announce: &Sealed<2048>,
        identity: &Identity,
        roster: &Roster,
        now: Time,
        rng: &mut impl CryptoRng,
    ) -> Result<Vec<Message>, Fault> {
        let body = read(announce, roster, now)?;
        let hash = announce_hash(announce);
        if body.node == self.me {
            return Ok(Vec::new());
        }
        if let Some(known) = self.peers.get(&body.node).filter(|known| known.announce == hash) {
            let mut again = vec![Message::Encapsulation(known.sent.clone())];
            if let Some(key) = &known.key {
                again.extend(self.confirm(&hash, key));
            }
            return Ok(again);
        }
        let (ciphertext, shared) = encapsulate(&body.public, rng)
            .ok_or(Fault::new(Check::A01, "an announced key is no X-Wing key"))?;
        let sent = Sealed::new(
            identity,
            Signed::Encapsulation,
            &Encapsulation { from: self.own, to: hash, ciphertext },
        )?;
        let channel = Channel {
            announce: hash,
            sent: sent.clone(),
            mine: (ciphertext, shared),
            key: None,
            confirmed: false,
        };
        self.peers.insert(body.node, channel);
        Ok(vec![Message::Encapsulation(sent)])
    }

    /// A peer's ciphertext: the channel key is there.
    ///
    /// # Errors
    /// When it is not signed by the peer it names, or not for this incarnation.
    pub fn on_encapsulation(
        &mut self,
        sealed: &Sealed<2048>,
        roster: &Roster,
    ) -> Result<Vec<Message>, Fault> {
        let body: Encapsulation = decode(&sealed.body)?;
        Fault::unless(body.to == self.own, Check::A01, "a ciphertext for another incarnation")?;
        let me = self.me;
        let found = self.peers.iter_mut().find(|(_, channel)| channel.announce == body.from);
        let (peer, channel) =
            found.ok_or(Fault::new(Check::A01, "a ciphertext of an unknown incarnation"))?;
        let signed = roster
            .member(*peer)
            .is_some_and(|member| sealed.open::<Encapsulation>(&member.key, Signed::Encapsulation).is_some());
        Fault::unless(signed, Check::A01, "a ciphertext without its member's signature")?;
        if channel.key.is_none() {
            let shared = self.secret.decapsulate(&body.ciphertext);
            let mine = End { announce: self.own, ciphertext: &channel.mine.0, shared: &channel.mine.1 };
            let theirs = End { announce: body.from, ciphertext: &body.ciphertext, shared: &shared };
            let key = if me < *peer { channel_key(&mine, &theirs) } else { channel_key(&theirs, &mine) };
            channel.key = Some(Arc::new(key));
        }
        let key = channel.key.as_ref().map(Arc::clone);
        Ok(key.and_then(|key| self.confirm(&body.from, &key)).into_iter().collect())
    }

    fn confirm(&self, to: &AnnounceHash, key: &Key) -> Option<Message> {
        let tag = confirmation(key, &self.own)?;
        Some(Message::ChannelConfirm(ChannelConfirm { from: self.own, to: *to, tag }))
    }

    /// A peer's confirmation.
    ///
    /// # Errors
    /// When it is for another incarnation, or the peer holds another key.
    pub fn on_confirm(&mut self, confirm: &ChannelConfirm) -> Result<(), Fault> {
        let found = self.peers.values_mut().find(|channel| channel.announce == confirm.from);
        let channel = found.filter(|_| confirm.to == self.own);
        let channel = channel.ok_or(Fault::new(Check::A01, "a confirmation of an unknown incarnation"))?;
        let held = channel.key.as_ref().is_some_and(|key| is_confirmed(key, &confirm.from, &confirm.tag));
        Fault::unless(held, Check::A01, "a confirmation by another channel key")?;
        channel.confirmed = true;
        Ok(())
    }
}

/// The coordinator's half: who announced what, and which pairs confirmed.
#[derive(Debug, Default)]
pub struct Switchboard {
    announces: BTreeMap<NodeId, (AnnounceHash, Sealed<2048>)>,
    confirmed: BTreeSet<(AnnounceHash, AnnounceHash)>,
}

impl Switchboard {
    /// The announce of a node that is there.
    #[must_use]
    pub fn announced(&self, node: NodeId) -> Option<AnnounceHash> {
        self.announces.get(&node).map(|(hash, _)| *hash)
    }
    /// Nodes that announced.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> {
        self.announces.keys().copied()
    }
    /// Confirmations still missing among these nodes, both directions of a pair counted.
    #[must_use]
    pub fn missing(&self, nodes: &[NodeId]) -> usize {
        let hashes: Vec<AnnounceHash> = nodes.iter().filter_map(|node| self.announced(*node)).collect();
        let pairs = hashes.iter().flat_map(|a| hashes.iter().filter(move |b| a != *b).map(move |b| (*a, *b)));
        pairs.filter(|pair| !self.confirmed.contains(pair)).count()
    }
    /// A node's link is gone.
    pub fn lost(&mut self, node: NodeId) {
        if let Some((hash, _)) = self.announces.remove(&node) {
            self.confirmed.retain(|(a, b)| *a != hash && *b != hash);
        }
    }

    /// Relays one of a node's channel messages.
    ///
    /// # Errors
    /// When an announce is not the sender's, or a message is for nobody who is there.
    pub fn relay(
        &mut self,
        from: NodeId,
        message: Message,
        roster: &Roster,
        now: Time,
    ) -> Result<Vec<Output>, Fault> {
        let nobody = Fault::new(Check::A01, "a channel message for an unknown incarnation");
        let (own, to) = match &message {
            Message::Announce(announce) => return self.announce(from, announce.clone(), roster, now),
            Message::Encapsulation(sealed) => {
                let body: Encapsulation = decode(&sealed.body)?;
                (body.from, body.to)
            }
            Message::ChannelConfirm(confirm) => (confirm.from, confirm.to),
            _ => return Err(Fault::new(Check::A01, "no channel message")),
        };
        let sent = self.announced(from) == Some(own);
        Fault::unless(sent, Check::A01, "a channel message of another incarnation than the sender's")?;
        let (node, _) = self.announces.iter().find(|(_, (hash, _))| *hash == to).ok_or(nobody)?;
        // Both ends are announced, so this set is bounded by the pairs that are there.
        if matches!(message, Message::ChannelConfirm(_)) {
            self.confirmed.insert((own, to));
        }
        Ok(vec![Output::Send { to: Peer::Node(*node), bytes: message.to_frame()? }])
    }

    fn announce(
        &mut self,
        from: NodeId,
        announce: Sealed<2048>,
        roster: &Roster,
        now: Time,
    ) -> Result<Vec<Output>, Fault> {
        let body = read(&announce, roster, now)?;
        Fault::unless(body.node == from, Check::A01, "an announce of another node")?;
        let hash = announce_hash(&announce);
        if self.announced(from) != Some(hash) {
            self.lost(from);
        }
        let frame = Message::Announce(announce.clone()).to_frame()?;
        let mut outputs = Vec::new();
        for (other, (_, theirs)) in self.announces.iter().filter(|(other, _)| **other != from) {
            let theirs = Message::Announce(theirs.clone()).to_frame()?;
            outputs.push(Output::Send { to: Peer::Node(from), bytes: theirs });
            outputs.push(Output::Send { to: Peer::Node(*other), bytes: frame.clone() });
        }
        self.announces.insert(from, (hash, announce));
        Ok(outputs)
    }
}
