//! One of every message, as a frame and field by field, with every signature in it.

use super::hex;
use super::transcripts::SIGNED;
use super::transcripts::entries;
use crate::admission::{Admission, EnrolRefusal, RosterAt, TokenSecret};
use crate::audit::{Head, SignedHead};
use crate::codec::{Blob, Bytes, List, Text, encode};
use crate::crypto::keys::{SignatureBytes, Signed};
use crate::ids::{AnnounceHash, AttemptId, DepositHash, FreezeHash, GoHash, LogHash, NodeId, TreeRoot};
use crate::ids::{ReportHash, ResultHash, RosterHash, StartHash, WarrantHash};
use crate::message::*;
use crate::params::Deadlines;
use crate::roster::tests::{chain, identity};
use crate::testing::COORDINATOR;
use crate::time::Time;
use crate::transparency::{SignedTreeHead, TreeHead};
use crate::warrant::Word;
use crate::warrant::tests::{ANALYST, QUERY, approved, body};
use curve25519_dalek::Scalar;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::Serialize;
use serde_json::{Value, json};

const SID: AttemptId = AttemptId([1; 32]);
const FREEZE: FreezeHash = FreezeHash([4; 32]);

/// Draws what has no meaning here, and collects what is signed.
struct Maker {
    rng: ChaCha20Rng,
    signed: Vec<Value>,
    all: Vec<Value>,
}

pub(super) fn all() -> Value {
    let mut maker = Maker { rng: ChaCha20Rng::seed_from_u64(9), signed: Vec::new(), all: Vec::new() };
    maker.channel();
    maker.before();
    maker.between();
    maker.after();
    maker.endings();
    maker.admission();
    maker.documents();
    json!({ "messages": maker.all })
}

impl Maker {
    fn bytes<const N: usize>(&mut self) -> Bytes<N> {
        let mut bytes = [0; N];
        self.rng.fill_bytes(&mut bytes);
        Bytes(bytes)
    }
    fn id(&mut self) -> [u8; 32] {
        self.bytes().0
    }
    fn scalar(&mut self) -> Bytes<32> {
        Bytes(Scalar::from_bytes_mod_order(self.id()).to_bytes())
    }
    fn blob<const MAX: usize>(&mut self, len: usize) -> Blob<MAX> {
        let mut bytes = vec![0; len];
        self.rng.fill_bytes(&mut bytes);
        Blob::new(bytes).unwrap()
    }
    fn list<T, const MAX: usize>(&mut self, len: usize, one: impl Fn(&mut Self, u16) -> T) -> List<T, MAX> {
        let len = u16::try_from(len).unwrap();
        List::new((1..=len).map(|i| one(self, i)).collect()).unwrap()
    }

    /// A signature by `who`, noted.
    fn sign(&mut self, who: u16, what: Signed, raw: &[u8]) -> SignatureBytes {
        let (_, text) = SIGNED.iter().find(|(one, _)| *one == what).unwrap();
        let signature = identity(who).sign(what, raw);
        self.signed.push(json!({
            "seed": hex(identity(who).seed().expose()), "type": text, "raw": hex(raw), "signature": hex(signature.0),
        }));
        signature
    }
    fn seal<T: Serialize, const MAX: usize>(&mut self, who: u16, what: Signed, value: &T) -> Sealed<MAX> {
        let body = encode(value).unwrap();
        let signature = self.sign(who, what, &body);
        let last = self.signed.last_mut().unwrap().as_object_mut().unwrap();
        last.insert("fields".to_owned(), serde_json::to_value(value).unwrap());
        Sealed { body: Blob::new(body).unwrap(), signature }
    }
    fn done<T: Serialize>(&mut self, name: &str, value: &T, frame: &[u8]) {
        let signed = std::mem::take(&mut self.signed);
        let fields = serde_json::to_value(value).unwrap();
        self.all.push(json!({ "name": name, "frame": hex(frame), "fields": fields, "signed": signed }));
    }
    fn message(&mut self, name: &str, message: &Message) {
        let frame = message.to_frame().unwrap();
        assert_eq!(&Message::from_frame(&frame).unwrap(), message);
        self.done(name, message, &frame);
    }
    fn admit(&mut self, name: &str, message: &Admission) {
        let frame = message.to_frame().unwrap();
        assert_eq!(&Admission::from_frame(&frame).unwrap(), message);
        self.done(name, message, &frame);
    }

    fn channel(&mut self) {
        let announce = Announce {
            node: NodeId(3),
            roster: RosterHash(self.id()),
            nonce: self.bytes(),
            public: self.bytes(),
            not_after: Time(1_800_086_400_000),
        };
        let sealed = self.seal(3, Signed::Announce, &announce);
        self.message("ANNOUNCE", &Message::Announce(sealed));
        let (from, to) = (AnnounceHash(self.id()), AnnounceHash(self.id()));
        let body = Encapsulation { from, to, ciphertext: self.bytes() };
        let sealed = self.seal(3, Signed::Encapsulation, &body);
        self.message("ENCAPSULATION", &Message::Encapsulation(sealed));
        let confirm = ChannelConfirm { from, to, tag: self.bytes() };
        self.message("CHANNEL-CONFIRM", &Message::ChannelConfirm(confirm));
    }

    fn header(&mut self, bound: Option<Bound>) -> Header {
        Header {
            wire: WIRE_VERSION,
            suite: SUITE,
            coordinator: identity(COORDINATOR).public(),
            warrant: WarrantHash(self.id()),
            roster: RosterHash(self.id()),
            lock: Text::new("goods").unwrap(),
            slot: 25_000,
            pass: Pass::Value,
            attempt: 1,
            nonce: self.bytes(),
            deadlines: Deadlines {
                deposit_ms: 10_000,
                ready_ms: 10_001,
                contribute_ms: 21_000,
                confirm_ms: 10_002,
                reveal_ms: 10_003,
            },
            invited: self.list(3, |m, i| Invited { node: NodeId(i), announce: AnnounceHash(m.id()) }),
            bound,
            opening: None,
        }
    }

    fn before(&mut self) {
        let (_, roster) = chain(3);
        let warrant = approved(&body(&roster, QUERY), &[800, 801]);
        let raw = warrant.body.to_vec();
        for (name, bound) in
            [("OFFER", false), ("OFFER with bound", true), ("OFFER after a count pass", false)]
        {
            let bound = bound.then(|| {
                let (sid, freeze) = (AttemptId(self.id()), FreezeHash(self.id()));
                let raw = encode(&FreezeBody { sid, freeze }).unwrap();
                let certificate = self.list(3, |m, i| Confirmation {
                    node: NodeId(i),
                    signature: m.sign(i, Signed::Confirm, &raw),
                });
                let survivors = self.list(3, |_, i| NodeId(i));
                Bound { roster: RosterHash(self.id()), sid, freeze, survivors, certificate }
            });
            let mut header = self.header(bound);
            if name == "OFFER after a count pass" {
                let (freeze, result) = (FreezeHash(self.id()), ResultHash(self.id()));
                let open = Blob::new(vec![0b101, 1]).unwrap();
                header.opening = Some(Opening { freeze, result, open });
            }
            let header = self.seal(COORDINATOR, Signed::Header, &header);
            for approver in [800, 801] {
                self.sign(approver, Signed::Approval, &raw);
            }
            let asked = encode(&Word::Asked(warrant.hash())).unwrap();
            self.sign(ANALYST, Signed::Approval, &asked);
            self.message(name, &Message::Offer(Offer { header, warrant: warrant.clone() }));
        }
        self.message("REFUSAL", &Message::Refusal(SID));
        for (name, answer) in [
            ("ANSWER waiting", Answer::Waiting),
            ("ANSWER refused", Answer::Refused),
            ("ANSWER undecided", Answer::Undecided),
        ] {
            let sealed = self.seal(3, Signed::Approval, &Word::Answered { sid: SID, answer });
            self.message(name, &Message::Answer(sealed));
        }
        let deposit = self.deposit();
        self.message("DEPOSIT", &Message::Deposit(deposit));
    }

    fn head(&mut self) -> DepositHead {
        DepositHead {
            sid: SID,
            node: NodeId(2),
            nonce: self.bytes(),
            leaves: self.bytes(),
            z: self.bytes(),
            contribution: self.bytes(),
            ranges: self.bytes(),
            ledger_seq: 7,
        }
    }
    fn section(&mut self, holder: u16) -> Section {
        let own = holder == 2;
        Section {
            holder: NodeId(holder),
            sealed: self.blob(if own { 0 } else { 80 }),
            leaf: Leaf {
                r: self.bytes(),
                b: self.bytes(),
                g_r: self.bytes(),
                g_b: self.bytes(),
                key: if own { Bytes([0; 32]) } else { self.bytes() },
            },
            z: PublicAt { r: self.scalar(), b: self.scalar() },
            pair: if own { Bytes([0; 32]) } else { self.bytes() },
            seen_seq: u64::from(holder) + 40,
        }
    }
    /// The form alone: what its parts mean is in sharing.json and the sessions.
    fn deposit(&mut self) -> Deposit {
        let mut deposit = Deposit {
            head: self.head(),
            z: Public { r: self.list(2, |m, _| m.scalar()), b: self.list(2, |m, _| m.scalar()) },
            sections: self.list(3, Maker::section),
            recovery: self.blob(3 * 32 + 16),
            commitments: self.list(2, |m, _| m.bytes()),
            ranges: self.list(2, |m, _| m.blob(33)),
            signature: Bytes([0; 64]),
        };
        let root = crate::rounds::deposit_hash(&deposit).unwrap();
        deposit.signature = self.sign(2, Signed::Deposit, &root.0);
        deposit
    }

    fn between(&mut self) {
        let cohort: Vec<Dealt> =
            (1..=2).map(|i| Dealt { node: NodeId(i), deposit: DepositHash(self.id()) }).collect();
        let start = StartBody { sid: SID, cohort: List::new(cohort).unwrap() };
        let body = self.seal(COORDINATOR, Signed::Start, &start);
        let dealers = self.list(2, |m, _| Dealer {
            head: m.head(),
            head_path: m.list(3, |m, _| m.bytes()),
            section: m.section(3),
            section_path: m.list(2, |m, _| m.bytes()),
            leaf_path: m.list(1, |m, _| m.bytes()),
            signature: m.sign(2, Signed::Deposit, &[7; 32]),
        });
        self.message("START", &Message::Start(Start { body, dealers }));

        let ready = Ready { sid: SID, start: StartHash([2; 32]), unusable: self.list(2, |_, i| NodeId(i)) };
        let sealed = self.seal(3, Signed::Ready, &ready);
        self.message("READY", &Message::Ready(sealed));

        let go = GoBody { sid: SID, go: GoHash([3; 32]) };
        let body = self.seal(COORDINATOR, Signed::Go, &go);
        let readies = self.list(2, |m, i| {
            let ready = Ready { sid: SID, start: StartHash([2; 32]), unusable: List::default() };
            ReadyOf { node: NodeId(i), ready: m.seal(i, Signed::Ready, &ready) }
        });
        self.message("GO", &Message::Go(Go { body, readies }));

        let report =
            ReportBody { sid: SID, go: GoHash([3; 32]), report: ReportHash(self.id()), ledger_seq: 2 };
        let body = self.seal(3, Signed::Report, &report);
        let (root, blindings) = (self.bytes(), self.list(2, |m, _| m.scalar()));
        let commitments = self.list(2, |m, _| m.bytes());
        self.message("CONTRIBUTE", &Message::Report(Report { body, root, blindings, commitments }));
        let block = ReportBlock { sid: SID, index: 0, bytes: self.blob(5) };
        self.message("CONTRIBUTE block", &Message::ReportBlock(block));

        let body = self.seal(COORDINATOR, Signed::Freeze, &FreezeBody { sid: SID, freeze: FREEZE });
        let survivors = self.list(2, |m, i| {
            let (report, ledger_seq) = (ReportHash(m.id()), u64::from(i) + 1);
            let signed = ReportBody { sid: SID, go: GoHash([3; 32]), report, ledger_seq };
            let signature = m.sign(i, Signed::Report, &encode(&signed).unwrap());
            Counted { node: NodeId(i), report, ledger_seq, signature }
        });
        self.message("FREEZE", &Message::Freeze(Freeze { body, survivors }));
    }

    fn after(&mut self) {
        let frozen = FreezeBody { sid: SID, freeze: FREEZE };
        let raw = encode(&frozen).unwrap();
        let confirm = self.seal(3, Signed::Confirm, &frozen);
        self.message("CONFIRM", &Message::Confirm(confirm));
        let body = self.seal(COORDINATOR, Signed::Certificate, &frozen);
        let confirmations = self
            .list(2, |m, i| Confirmation { node: NodeId(i), signature: m.sign(i, Signed::Confirm, &raw) });
        self.message("CERT", &Message::Certificate(Certificate { body, confirmations }));

        let reveal = |m: &mut Self, n| Reveal {
            sid: SID,
            freeze: FREEZE,
            shares: m.list(n, |m, i| ShareOf { dealer: NodeId(i), share: m.scalar() }),
        };
        let shares = reveal(self, 1);
        self.message("REVEAL-R", &Message::RevealR(shares));
        let ask = self.seal(COORDINATOR, Signed::AskB, &frozen);
        self.message("ASK-B", &Message::AskB(ask));
        let shares = reveal(self, 2);
        self.message("REVEAL-B", &Message::RevealB(shares));

        let result = ResultBody {
            sid: SID,
            freeze: FREEZE,
            total: self.bytes(),
            result: ResultHash(self.id()),
            at: Time(1_800_000_000_123),
        };
        let body = self.seal(COORDINATOR, Signed::Result, &result);
        let opened = self.list(2, |m, i| Opened {
            dealer: NodeId(i),
            polynomial: m.list(2, |m, _| m.scalar()),
            recovery: m.blob(if i == 2 { 3 * 32 + 16 } else { 0 }),
            recovery_path: m.list(if i == 2 { 3 } else { 0 }, |m, _| m.bytes()),
        });
        let blindings = self.list(2, |m, _| m.scalar());
        self.message("RESULT", &Message::Outcome(Outcome { body, blindings, opened }));
        let (root, blindings) = (self.bytes(), self.bytes());
        let committed = Committed { root, blindings, commitments: self.list(2, |m, _| m.bytes()) };
        let ranges = self.list(2, |m, _| m.blob(33));
        let report = OutcomeReport { sid: SID, of: NodeId(2), committed, ranges };
        self.message("RESULT report", &Message::OutcomeReport(report));
        let block = OutcomeBlock { sid: SID, index: 0, bytes: self.blob(5) };
        self.message("RESULT block", &Message::OutcomeBlock(block));
    }

    fn endings(&mut self) {
        let result = ResultHash(self.id());
        let alarm = self.seal(3, Signed::Alarm, &AlarmBody { sid: SID, result });
        self.message("ALARM", &Message::Alarm(alarm));
        for (name, reason) in [
            ("END too few", EndReason::TooFew),
            ("END fault", EndReason::Fault),
            ("END left out", EndReason::LeftOut),
            ("END uncommitted", EndReason::Uncommitted(1)),
        ] {
            let end = self.seal(COORDINATOR, Signed::End, &EndBody { sid: SID, reason });
            self.message(name, &Message::End(end));
        }
        let ask = self.seal(COORDINATOR, Signed::VoidAsk, &VoidAsk { sid: SID });
        self.message("VOID-ASK", &Message::VoidAsk(ask));
        let void = self.seal(3, Signed::Void, &VoidBody { sid: SID, ledger_seq: 2 });
        self.message("VOID", &Message::Void(void));
        let voids = self.list(2, |m, i| {
            let raw = encode(&VoidBody { sid: SID, ledger_seq: u64::from(i) }).unwrap();
            VoidOf { node: NodeId(i), ledger_seq: u64::from(i), signature: m.sign(i, Signed::Void, &raw) }
        });
        self.message("VOIDS", &Message::Voids(Voids { sid: SID, voids }));
    }

    fn admission(&mut self) {
        let head = RosterAt { epoch: 1, hash: RosterHash(self.id()) };
        let software: Text<64> = Text::new("0.1.0").unwrap();
        self.admit("HELLO", &Admission::Hello { software: software.clone(), roster: Some(head) });
        self.admit("HELLO of a stranger", &Admission::Hello { software: software.clone(), roster: None });
        let at = Time(1_800_000_000_000);
        self.admit("WELCOME", &Admission::Welcome { software, node: Some(NodeId(3)), head, at });
        let secret = TokenSecret(self.bytes());
        self.admit("ENROL", &Admission::Enrol { hospital: NodeId(3), secret });
        self.admit("ENROLLED", &Admission::Enrolled);
        for (name, why) in [
            ("ENROL-REFUSED unknown", EnrolRefusal::UnknownToken),
            ("ENROL-REFUSED used", EnrolRefusal::UsedToken),
            ("ENROL-REFUSED expired", EnrolRefusal::ExpiredToken),
        ] {
            self.admit(name, &Admission::EnrolRefused(why));
        }
        self.admit("ROSTERS-AFTER", &Admission::RostersAfter(Some(0)));
        let (rosters, _) = chain(3);
        for signer in [900, 901, 902] {
            self.sign(signer, Signed::Roster, &rosters[1].body);
        }
        self.admit("ROSTERS", &Admission::Rosters(List::new(rosters).unwrap()));
        let head = self.log_head(3, 7);
        self.admit("LOG", &Admission::Log(head));
        let own = self.log_head(COORDINATOR, 9);
        let before = Head { number: 6, hash: LogHash(self.id()) };
        self.admit("LOG-NOTED", &Admission::LogNoted { before: Some(before), own: Box::new(own) });
        let own = self.log_head(COORDINATOR, 10);
        self.admit("LOG-NOTED for the first time", &Admission::LogNoted { before: None, own: Box::new(own) });
        self.admit("TREE-SINCE", &Admission::TreeSince(List::new(vec![3, 7]).unwrap()));
        let head = TreeHead { size: 9, root: TreeRoot(self.id()) };
        let signature = self.sign(COORDINATOR, Signed::TreeHead, &encode(&head).unwrap());
        let proof = |m: &mut Self, i| m.list(usize::from(i), |m, _| m.bytes());
        let proofs = self.list(2, proof);
        self.admit("TREE", &Admission::Tree { head: Box::new(SignedTreeHead { head, signature }), proofs });
        for (name, entry) in entries() {
            self.done(&format!("entry {name}"), &entry, &entry.to_bytes().unwrap());
        }
    }

    fn log_head(&mut self, who: u16, number: u64) -> SignedHead {
        let head = Head { number, hash: LogHash(self.id()) };
        let signature = self.sign(who, Signed::LogHead, &encode(&head).unwrap());
        SignedHead { head, signature }
    }

    /// Bodies that travel inside others: a roster, a warrant, a query.
    fn documents(&mut self) {
        let (_, roster) = chain(3);
        let warrant = body(&roster, QUERY);
        let raw = encode(roster.body()).unwrap();
        self.done("roster", roster.body(), &raw);
        self.done("warrant", &warrant, &encode(&warrant).unwrap());
        let query = crate::query::Query::from_canonical(&warrant.query).unwrap();
        self.done("query", &query, &warrant.query);
    }
}
