//! The lies, in the order of a session. Numbers are those of the specification's catalogue of attacks.
//!
//! Owns what each attack is and which check must stop it. It must not judge what came of it.

use super::country::Scene;
use super::hand::{Frames, Hand, frame, only, turned};
use super::town::{REFUSED, VICTIM, Wish};
use samensom_protocol::codec::{Blob, Bytes, List, decode};
use samensom_protocol::crypto::keys::Signed;
use samensom_protocol::error::Check;
use samensom_protocol::ids::{AttemptId, DepositHash, FreezeHash, NodeId, PublicKey, RosterHash};
use samensom_protocol::message::{
    Bound, Certificate, FreezeBody, Header, Invited, Message, OutcomeBlock, ResultBody, StartBody, VoidAsk,
    VoidOf, Voids,
};
use samensom_protocol::params::BLOCK;
use samensom_protocol::ring::{Unpacker, pack};
use samensom_protocol::rounds::{certificate_hash, opened_hash, result_hash, total_root};
use samensom_protocol::time::Time;
use samensom_protocol::warrant::Approval;

/// When the liar lies: in place of which message of an honest coordinator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Moment {
    Offer,
    Start,
    Go,
    Freeze,
    Certificate,
    AskB,
    Outcome,
    Commitments,
    Block,
    /// After an honest session with its sum.
    Over,
}

impl Moment {
    pub(super) fn is(self, message: &Message) -> bool {
        match message {
            Message::Offer(_) => self == Moment::Offer,
            // Where a pair has no channel an honest coordinator would leave one end out.
            Message::Start(_) | Message::End(_) => self == Moment::Start,
            Message::Go(_) => self == Moment::Go,
            Message::Freeze(_) => self == Moment::Freeze,
            Message::Certificate(_) => self == Moment::Certificate,
            Message::AskB(_) => self == Moment::AskB,
            Message::Outcome(_) => self == Moment::Outcome,
            Message::OutcomeReport(_) => self == Moment::Commitments,
            Message::OutcomeBlock(_) => self == Moment::Block,
            _ => false,
        }
    }
}

/// What must stop it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stops {
    Check(Check),
    /// The hospital's own rules or extract, before anything of it is used.
    Own,
}

/// One lie.
pub(super) struct Attack {
    pub number: u8,
    pub what: &'static str,
    pub stops: Stops,
    pub scene: Scene,
    pub wish: Wish,
    pub at: Moment,
    pub forge: fn(&Hand) -> Frames,
    /// Frames that the hospital rightly sends before it refuses, not yet read when the lie is told.
    pub answers: usize,
}

impl Attack {
    fn asking(self, wish: Wish) -> Attack {
        Attack { wish, ..self }
    }
    fn with(self, scene: Scene) -> Attack {
        Attack { scene, ..self }
    }
    fn after(self, answers: usize) -> Attack {
        Attack { answers, ..self }
    }
    fn own(self) -> Attack {
        Attack { stops: Stops::Own, ..self }
    }
}

fn lie(number: u8, check: Check, at: Moment, what: &'static str, forge: fn(&Hand) -> Frames) -> Attack {
    let (scene, wish) = (Scene::Plain, Wish::default());
    Attack { number, what, stops: Stops::Check(check), scene, wish, at, forge, answers: 0 }
}

/// Every lie.
pub(super) fn all() -> Vec<Attack> {
    let parts =
        [signatures(), approvals(), headers(), cohorts(), reports(), certificates(), results(), later()];
    parts.into_iter().flatten().collect()
}

fn signatures() -> Vec<Attack> {
    use {Check::A01, Moment::Offer};
    vec![
        lie(28, A01, Offer, "a session header with one bit of its signature turned", |hand| {
            let mut offer = hand.offer()?;
            offer.header.signature = turned(offer.header.signature);
            only(&Message::Offer(offer))
        }),
        lie(28, A01, Offer, "a session header that another key signed", |hand| {
            let mut offer = hand.offer()?;
            offer.header.signature = hand.country.town.stranger.sign(Signed::Header, &offer.header.body);
            only(&Message::Offer(offer))
        }),
        lie(28, A01, Offer, "a session header with a signature made for another kind of message", |hand| {
            let mut offer = hand.offer()?;
            offer.header.signature = hand.country.town.coordinator.sign(Signed::End, &offer.header.body);
            only(&Message::Offer(offer))
        }),
        lie(28, A01, Offer, "a message with a byte too many", |hand| {
            let mut bytes = frame(hand.honest)?;
            bytes.push(0);
            Ok(vec![bytes])
        }),
        lie(33, A01, Offer, "a message that ends in its middle", |hand| {
            let mut bytes = frame(hand.honest)?;
            bytes.truncate(bytes.len() / 2);
            Ok(vec![bytes])
        }),
        lie(33, A01, Offer, "a message of another wire version, all ones", |_| Ok(vec![vec![0xff; 4096]])),
        lie(10, A01, Offer, "a message that only a hospital sends", |hand| {
            let deposit = Message::Refusal(hand.facts()?.sid);
            only(&deposit)
        }),
    ]
}

fn approvals() -> Vec<Attack> {
    use {Check::A02, Moment::Offer};
    vec![
        lie(9, A02, Offer, "a query that nobody approved", |hand| {
            let mut warrant = hand.offer()?.warrant;
            warrant.approvals = List::default();
            hand.warrant(warrant)
        }),
        lie(9, A02, Offer, "a query that the coordinator approved itself", |hand| {
            let mut warrant = hand.offer()?.warrant;
            let own = Approval::new(&hand.country.town.coordinator, &warrant.body);
            warrant.approvals = List::new(vec![own])?;
            hand.warrant(warrant)
        }),
        lie(9, A02, Offer, "a query with one approval counted twice", |hand| {
            let mut warrant = hand.offer()?.warrant;
            let twice: Vec<Approval> =
                warrant.approvals.iter().chain(warrant.approvals.iter()).cloned().collect();
            warrant.approvals = List::new(twice)?;
            hand.warrant(warrant)
        }),
        lie(9, A02, Offer, "an approval moved to another query", |hand| {
            let approved = hand.offer()?.warrant;
            let mut other = hand.country.town.warrant(Wish { largest: 2_000_000, ..Wish::default() })?;
            other.approvals = approved.approvals;
            hand.warrant(other)
        }),
        lie(9, A02, Offer, "a query whose time is over", |hand| {
            hand.warrant(hand.country.town.warrant(Wish { valid_until: Time(1), ..Wish::default() })?)
        }),
        lie(9, A02, Offer, "an approved query for a purpose that the hospital's own rules refuse", |hand| {
            hand.through()
        })
        .asking(Wish { purpose: REFUSED, ..Wish::default() })
        .own(),
        lie(20, A02, Offer, "a query whose range the hospital's own figures exceed", |hand| hand.through())
            .asking(Wish { largest: 10, ..Wish::default() })
            .own(),
    ]
}

fn headers() -> Vec<Attack> {
    use {Check::A03, Check::A05, Check::A06, Moment::Offer};
    vec![
        lie(6, A03, Offer, "a roster that only the coordinator knows", |hand| {
            hand.header(|header| header.roster = RosterHash([3; 32]))
        }),
        lie(43, A03, Offer, "longer deadlines than the roster's rules", |hand| {
            hand.header(|header| header.deadlines.reveal_ms = header.deadlines.reveal_ms.saturating_mul(2))
        }),
        lie(43, Check::A01, Offer, "another cipher suite", |hand| {
            hand.header(|header| header.suite = header.suite.wrapping_add(1))
        }),
        lie(43, Check::A01, Offer, "a header that names another coordinator", |hand| {
            hand.header(|header| header.coordinator = PublicKey([3; 32]))
        }),
        lie(41, A03, Offer, "the slot after this one", |hand| {
            hand.header(|header| header.slot = header.slot.saturating_add(1))
        }),
        lie(41, A03, Offer, "the slot before this one", |hand| {
            hand.header(|header| header.slot = header.slot.saturating_sub(1))
        }),
        lie(8, A03, Offer, "the header of another query over this one's approvals", |hand| {
            let mut offer = hand.offer()?;
            let mut header: Header = decode(&offer.header.body)?;
            header.warrant =
                hand.country.town.warrant(Wish { largest: 2_000_000, ..Wish::default() })?.hash();
            offer.header = hand.seal(Signed::Header, &header)?;
            only(&Message::Offer(offer))
        }),
        lie(47, A05, Offer, "fewer hospitals than the quorum", |hand| {
            let first: Vec<Invited> = hand.facts()?.header.invited.iter().take(3).copied().collect();
            let first = List::new(first)?;
            hand.header(|header| header.invited = first)
        }),
        lie(6, A03, Offer, "a hospital that no roster names among those invited", |hand| {
            let mut all = hand.facts()?.header.invited.to_vec();
            let ghost = all.last().copied().map(|last| Invited { node: NodeId(99), ..last });
            all.extend(ghost);
            let all = List::new(all)?;
            hand.header(|header| header.invited = all)
        }),
        lie(13, A06, Offer, "this hospital with the channel key of another", |hand| {
            let mut all = hand.facts()?.header.invited.to_vec();
            if let [first, second, ..] = all.as_mut_slice() {
                first.announce = second.announce;
            }
            let all = List::new(all)?;
            hand.header(|header| header.invited = all)
        }),
        lie(58, A03, Offer, "survivors of an earlier session that nobody certified", |hand| {
            let facts = hand.facts()?;
            let survivors = facts.header.invited.iter().map(|one| one.node).collect();
            let bound = Bound {
                roster: facts.header.roster,
                sid: AttemptId([4; 32]),
                freeze: FreezeHash([4; 32]),
                survivors: List::new(survivors)?,
                certificate: List::default(),
            };
            hand.header(|header| header.bound = Some(bound))
        }),
    ]
}

fn cohorts() -> Vec<Attack> {
    use {Check::A07, Check::A08, Check::A09, Check::A10, Check::A19, Moment::Go, Moment::Start};
    vec![
        lie(37, A07, Start, "START with this hospital's deposit altered", |hand| {
            hand.start_of(&hand.deposits(), altered)
        }),
        lie(5, A08, Start, "START over fewer hospitals than the quorum", |hand| {
            let few: Vec<_> = hand.deposits().into_iter().take(3).collect();
            hand.start_of(&few, |_| ())
        }),
        lie(37, A09, Start, "START with a sealed share altered", |hand| {
            let mut start = hand.start()?;
            let mut dealers = start.dealers.to_vec();
            if let Some(dealer) = dealers.last_mut() {
                dealer.section.leaf.key = turned(dealer.section.leaf.key);
            }
            start.dealers = List::new(dealers)?;
            only(&Message::Start(start))
        }),
        lie(15, A09, Start, "START with a deposit that its hospital did not sign", |hand| {
            let mut start = hand.start()?;
            let mut dealers = start.dealers.to_vec();
            if let Some(dealer) = dealers.last_mut() {
                dealer.signature = turned(dealer.signature);
            }
            start.dealers = List::new(dealers)?;
            only(&Message::Start(start))
        }),
        lie(46, A09, Start, "START with a hospital whose channel was withheld", |hand| {
            hand.start_of(&hand.deposits(), |_| ())
        })
        .with(Scene::Withheld),
        lie(11, A10, Start, "two hospitals that remember a later ledger of this one", |hand| hand.through())
            .with(Scene::FalseEcho),
        lie(7, A08, Start, "a second START of the attempt, without the last hospital", |hand| {
            let mut frames = hand.through()?;
            let fewer: Vec<_> = hand.deposits().into_iter().take(4).collect();
            frames.extend(hand.start_of(&fewer, |_| ())?);
            Ok(frames)
        })
        .after(1),
        lie(36, A19, Go, "GO without one hospital's READY", |hand| {
            let fewer = hand.go()?.readies.iter().take(4).cloned().collect();
            hand.go_of(fewer)
        }),
        lie(36, A19, Go, "GO with a READY that its hospital did not sign", |hand| {
            let mut readies = hand.go()?.readies.to_vec();
            if let Some(last) = readies.last_mut() {
                last.ready.signature = turned(last.ready.signature);
            }
            hand.go_of(readies)
        }),
        lie(50, A19, Go, "the old attempt's GO after a new attempt was offered", |hand| {
            let mut frames = hand.header(|header| header.attempt = header.attempt.saturating_add(1))?;
            frames.extend(hand.through()?);
            Ok(frames)
        })
        .after(1),
    ]
}

fn altered(body: &mut StartBody) {
    let mut cohort = body.cohort.to_vec();
    if let Some(own) = cohort.iter_mut().find(|dealt| dealt.node == VICTIM) {
        own.deposit = DepositHash(turned(Bytes(own.deposit.0)).0);
    }
    body.cohort = List::new(cohort).unwrap_or_default();
}

fn reports() -> Vec<Attack> {
    use {Check::A11, Check::A12, Check::A13, Check::A20, Moment::Freeze};
    vec![
        lie(5, A12, Freeze, "FREEZE over fewer survivors than the quorum", |hand| {
            let few = hand.freeze()?.survivors.iter().take(3).copied().collect();
            hand.freeze_of(few)
        }),
        lie(3, A11, Freeze, "FREEZE without this hospital's report", |hand| {
            let others = hand.freeze()?.survivors.iter().filter(|one| one.node != VICTIM).copied().collect();
            hand.freeze_of(others)
        }),
        lie(3, A11, Freeze, "FREEZE with another report in this hospital's place", |hand| {
            let mut survivors = hand.freeze()?.survivors.to_vec();
            let other = survivors.last().map(|one| one.report);
            if let (Some(own), Some(other)) = (survivors.first_mut(), other) {
                own.report = other;
            }
            hand.freeze_of(survivors)
        }),
        lie(36, A20, Freeze, "FREEZE with a report that its hospital did not sign", |hand| {
            let mut survivors = hand.freeze()?.survivors.to_vec();
            if let Some(last) = survivors.last_mut() {
                last.signature = turned(last.signature);
            }
            hand.freeze_of(survivors)
        }),
        lie(1, A13, Freeze, "a second FREEZE of the attempt, over other survivors", |hand| {
            let mut frames = hand.through()?;
            let fewer = hand.freeze()?.survivors.iter().take(4).copied().collect();
            frames.extend(hand.freeze_of(fewer)?);
            Ok(frames)
        })
        .after(1),
    ]
}

/// CERT as it is, with other confirmations.
fn confirmed(hand: &Hand, change: fn(Certificate) -> Option<Certificate>) -> Frames {
    let certificate = change(hand.certificate()?).ok_or(super::SetUp("a false certificate"))?;
    only(&Message::Certificate(certificate))
}

fn certificates() -> Vec<Attack> {
    use {Check::A16, Check::A18, Moment::AskB, Moment::Certificate};
    vec![
        lie(2, A16, Certificate, "a certificate with fewer signatures than the quorum", |hand| {
            confirmed(hand, |mut certificate| {
                certificate.confirmations =
                    List::new(certificate.confirmations.iter().take(3).copied().collect()).ok()?;
                Some(certificate)
            })
        }),
        lie(2, A16, Certificate, "a certificate with one signature many times", |hand| {
            confirmed(hand, |mut certificate| {
                let first = certificate.confirmations.first().copied()?;
                certificate.confirmations = List::new(vec![first; certificate.confirmations.len()]).ok()?;
                Some(certificate)
            })
        }),
        lie(2, A16, Certificate, "a certificate with a signature that does not hold", |hand| {
            confirmed(hand, |mut certificate| {
                let mut all = certificate.confirmations.to_vec();
                let last = all.last_mut()?;
                last.signature = turned(last.signature);
                certificate.confirmations = List::new(all).ok()?;
                Some(certificate)
            })
        }),
        lie(2, A16, Certificate, "a certificate over other survivors than those confirmed", |hand| {
            let mut certificate = hand.certificate()?;
            let sid = hand.facts()?.sid;
            certificate.body =
                hand.seal(Signed::Certificate, &FreezeBody { sid, freeze: FreezeHash([5; 32]) })?;
            only(&Message::Certificate(certificate))
        }),
        lie(18, A18, Certificate, "ASK-B before there is a certificate", |hand| {
            let body: FreezeBody = decode(&hand.certificate()?.body.body)?;
            only(&Message::AskB(hand.seal(Signed::AskB, &body)?))
        }),
        lie(18, A18, AskB, "ASK-B for other survivors", |hand| {
            let sid = hand.facts()?.sid;
            only(&Message::AskB(hand.seal(Signed::AskB, &FreezeBody { sid, freeze: FreezeHash([5; 32]) })?))
        }),
        lie(18, Check::A24, AskB, "VOID-ASK for an attempt that this hospital confirmed", |hand| {
            let sid = hand.facts()?.sid;
            only(&Message::VoidAsk(hand.seal(Signed::VoidAsk, &VoidAsk { sid })?))
        }),
    ]
}

fn results() -> Vec<Attack> {
    use Moment::{Block, Commitments, Freeze, Outcome};
    use {Check::A18, Check::A24};
    vec![
        lie(4, A24, Freeze, "VOIDS that nobody signed, to have the slot again", |hand| {
            let forged = |node: NodeId| VoidOf { node, ledger_seq: 9, signature: Bytes([1; 64]) };
            let voids = List::new((1..=5).map(NodeId).map(forged).collect())?;
            only(&Message::Voids(Voids { sid: hand.facts()?.sid, voids }))
        }),
        lie(22, A18, Outcome, "a result with another total", |hand| {
            let Message::Outcome(outcome) = hand.honest else { return hand.through() };
            let mut outcome = outcome.clone();
            let mut body: ResultBody = decode(&outcome.body.body)?;
            body.total = turned(body.total);
            outcome.body = hand.seal(Signed::Result, &body)?;
            let mut frames = only(&Message::Outcome(outcome))?;
            frames.extend(hand.country.published.iter().cloned());
            Ok(frames)
        })
        .after(1),
        lie(22, A18, Outcome, "a result that opens other secrets than were dealt", |hand| {
            let Message::Outcome(outcome) = hand.honest else { return hand.through() };
            let mut outcome = outcome.clone();
            let mut opened = outcome.opened.to_vec();
            if let [first, second, ..] = opened.as_mut_slice() {
                first.polynomial = second.polynomial.clone();
            }
            outcome.opened = List::new(opened)?;
            only(&Message::Outcome(outcome))
        })
        .after(1),
        lie(22, A18, Commitments, "a hospital's commitments altered after the fact", |hand| {
            let Message::OutcomeReport(report) = hand.honest else { return hand.through() };
            let mut report = report.clone();
            let mut points = report.committed.commitments.to_vec();
            points.iter_mut().for_each(|point| *point = turned(*point));
            report.committed.commitments = List::new(points)?;
            only(&Message::OutcomeReport(report))
        })
        .after(1),
        lie(22, Check::A26, Outcome, "a total that was not committed to, signed as if it were", uncommitted)
            .after(1),
        lie(22, A18, Block, "the total altered after the fact", |hand| {
            let Message::OutcomeBlock(block) = hand.honest else { return hand.through() };
            let mut block = block.clone();
            let mut bytes = block.bytes.to_vec();
            if let Some(first) = bytes.first_mut() {
                *first ^= 1;
            }
            block.bytes = samensom_protocol::codec::Blob::new(bytes)?;
            only(&Message::OutcomeBlock(block))
        })
        .after(1),
    ]
}

/// Every hash that needs no hospital's key fits the other total.
fn uncommitted(hand: &Hand) -> Frames {
    let Message::Outcome(outcome) = hand.honest else { return hand.through() };
    let certificate = hand.country.sent.iter().find_map(|message| match message {
        Message::Certificate(certificate) => Some(certificate),
        _ => None,
    });
    let certificate = certificate.ok_or(super::SetUp("the certificate"))?;
    let freeze: FreezeBody = decode(&certificate.body.body)?;
    let certificate = certificate_hash(&freeze.freeze, &certificate.confirmations);
    let params = *hand.facts()?.params();
    let mut lanes = vec![0; usize::try_from(params.cells).unwrap_or_default()];
    let mut outcome = outcome.clone();
    let mut body: ResultBody = decode(&outcome.body.body)?;
    let (mut unpacker, mut frames) = (Unpacker::new(params.width), Vec::new());
    for frame in hand.country.published.iter() {
        match Message::from_frame(frame)? {
            Message::OutcomeBlock(block) => unpacker.add(&block.bytes, &mut lanes),
            _ => frames.push(frame.clone()),
        }
    }
    lanes.iter_mut().take(1).for_each(|lane| *lane ^= 1);
    body.total = Bytes(total_root(&lanes));
    let opened = opened_hash(&outcome.opened)?;
    body.result = result_hash(&certificate, &body.total.0, &outcome.blindings, &opened);
    outcome.body = hand.seal(Signed::Result, &body)?;
    frames.insert(0, Message::Outcome(outcome).to_frame()?);
    for (index, bytes) in (0u32..).zip(pack(&lanes, params.width).chunks(BLOCK)) {
        let block = OutcomeBlock { sid: body.sid, index, bytes: Blob::new(bytes.to_vec())? };
        frames.push(Message::OutcomeBlock(block).to_frame()?);
    }
    Ok(frames)
}

fn later() -> Vec<Attack> {
    use {Check::A03, Check::A08, Moment::Over};
    let all = vec![
        lie(10, A03, Over, "the old session offered again", |hand| only(&Message::Offer(hand.offer()?))),
        lie(10, A08, Over, "the old session's START again", |hand| only(&Message::Start(hand.start()?))),
        lie(4, A03, Over, "a new attempt of the session that has its sum", |hand| {
            hand.header(|header| header.attempt = header.attempt.saturating_add(1))
        }),
        lie(25, A03, Over, "a second query in the slot, over whoever the coordinator likes", |hand| {
            hand.warrant(hand.country.town.warrant(Wish { largest: 2_000_000, ..Wish::default() })?)
        }),
        lie(39, A03, Over, "a second query in the slot, over all survivors but one", |hand| {
            let fewer: Vec<Invited> = hand.facts()?.header.invited.iter().take(4).copied().collect();
            let (fewer, bound) = (List::new(fewer)?, hand.country.bound.clone());
            hand.header(|header| {
                (header.invited, header.bound) = (fewer, bound);
                header.attempt = header.attempt.saturating_add(1);
            })
        }),
        lie(58, A03, Over, "the true certificate with other survivors", |hand| {
            let fewer: Vec<Invited> = hand.facts()?.header.invited.iter().take(4).copied().collect();
            let mut bound = hand.country.bound.clone().ok_or(super::SetUp("a certificate"))?;
            bound.survivors = List::new(fewer.iter().map(|one| one.node).collect())?;
            let fewer = List::new(fewer)?;
            hand.header(|header| {
                (header.invited, header.bound) = (fewer, Some(bound));
                header.attempt = header.attempt.saturating_add(1);
            })
        }),
    ];
    // The shares of the honest session, before the lie.
    all.into_iter().map(|attack| attack.after(1)).collect()
}
