//! Claims on what a node says: nothing rests on a record that a crash can lose, and never two things.

use super::oracle::word_of;
use super::run::Run;
use samensom_protocol::codec::decode;
use samensom_protocol::ids::{AttemptId, NodeId};
use samensom_protocol::io::Record;
use samensom_protocol::message::{Confirm, Message, Report, ReportBody, Reveal, VoidBody};
use samensom_protocol::time::Time;
use std::collections::BTreeSet;

/// What a frame of a node promises.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// A report.
    Spent,
    /// A signature over the survivors.
    Confirmed,
    /// Shares of dropouts.
    Certified,
    /// Shares of survivors.
    Released,
    /// A promise never to confirm.
    Voided,
}

impl Run {
    /// A node's frame: nothing it says rests on a record that a crash can lose, and it never says two things.
    pub fn check_node_send(&mut self, i: usize, bytes: &[u8]) {
        let Ok(message) = Message::from_frame(bytes) else {
            return self.hold(false, "a node's frame is a message", || "it is not".to_owned());
        };
        let id = self.hospitals[i].id;
        // Refusals are said once: the attempt is over here.
        if !matches!(message, Message::Refusal(_) | Message::Answer(_)) {
            self.hospitals[i].said.push(word_of(bytes));
        }
        match message {
            Message::Deposit(deposit) => {
                let (r, b, shares) =
                    (deposit.z.r.len(), deposit.z.b.len(), usize::from(shares_of(self.world.n)));
                let exact = r == shares && b == shares;
                self.hold(exact, "t_s shares open a secret", || format!("{r} and {b}, not {shares}"));
                self.check_late(i, deposit.head.sid, bytes);
            }
            Message::Report(report) => self.check_report(i, &report, bytes),
            Message::ReportBlock(block) => {
                self.check_report_bytes(i, block.sid, block.index + 1, bytes);
                self.promise(i, Said::Spent, block.sid);
            }
            Message::Confirm(sealed) => {
                if let Ok(body) = decode::<Confirm>(&sealed.body) {
                    let first = *self.oracle.confirmed.entry((body.sid, id)).or_insert(body.freeze);
                    self.hold(first == body.freeze, "one CONFIRM for an attempt", || {
                        format!("{id} signs two")
                    });
                    self.promise(i, Said::Confirmed, body.sid);
                    self.check_void(i, body.sid);
                    self.check_late(i, body.sid, bytes);
                }
            }
            Message::Void(sealed) => {
                if let Ok(body) = decode::<VoidBody>(&sealed.body) {
                    self.promise(i, Said::Voided, body.sid);
                    self.check_void(i, body.sid);
                }
            }
            Message::RevealR(reveal) => self.check_reveal(i, &reveal, false, bytes),
            Message::RevealB(reveal) => self.check_reveal(i, &reveal, true, bytes),
            _ => {}
        }
    }

    fn check_report(&mut self, i: usize, report: &Report, bytes: &[u8]) {
        let id = self.hospitals[i].id;
        let Ok(head) = decode::<ReportBody>(&report.body.body) else { return };
        self.tally.count("report sent");
        self.check_report_bytes(i, head.sid, 0, bytes);
        self.promise(i, Said::Spent, head.sid);
        self.check_late(i, head.sid, bytes);
        let at = usize::try_from(head.ledger_seq).unwrap_or(0).checked_sub(1);
        let records = self.hospitals[i].durable();
        let named = at.and_then(|at| records.get(at));
        let own = matches!(named, Some(Record::Spent { sid, .. }) if *sid == head.sid);
        let spent: BTreeSet<u64> = (1..)
            .zip(records)
            .filter(|(_, r)| matches!(r, Record::Spent { .. }))
            .map(|(seq, _)| seq)
            .collect();
        self.hold(own, "a report names its own SPENT", || format!("{id}: {}", head.ledger_seq));
        let x = usize::from(self.world.warrants[0].1.params().thresholds.x);
        let cohort = self.oracle.cohorts.get(&head.sid).cloned().unwrap_or_default();
        let remember = |dealer: &&NodeId| {
            let seen = self.seen_by(**dealer, id, head.sid);
            seen > 0 && !spent.contains(&seen)
        };
        let behind = cohort.iter().filter(remember).count();
        self.hold(behind <= x, "a ledger that more than X remember otherwise contributes nothing", || {
            format!("{behind} remember another ledger of {id}")
        });
    }

    /// What a dealer knew of a node's ledger when it deposited: the highest number in what it confirmed before.
    fn seen_by(&self, dealer: NodeId, node: NodeId, sid: AttemptId) -> u64 {
        let records = self.hospitals[usize::from(dealer.0) - 1].durable();
        let before = records
            .iter()
            .take_while(|record| !matches!(record, Record::Spent { sid: own, .. } if *own == sid));
        let seen = before.filter_map(|record| match record {
            Record::Confirmed { seen, .. } => seen.iter().find(|(of, _)| *of == node).map(|(_, seq)| *seq),
            _ => None,
        });
        seen.max().unwrap_or(0)
    }

    fn check_report_bytes(&mut self, i: usize, sid: AttemptId, part: u32, bytes: &[u8]) {
        let id = self.hospitals[i].id;
        let first = self.oracle.reports.entry((sid, id, part)).or_insert_with(|| bytes.to_vec());
        let same = first == bytes;
        self.hold(same, "one report for an attempt", || format!("{id} sends two"));
    }

    fn check_reveal(&mut self, i: usize, reveal: &Reveal, b: bool, bytes: &[u8]) {
        let id = self.hospitals[i].id;
        let mut both = None;
        for share in reveal.shares.iter() {
            let first = *self.oracle.given.entry((reveal.sid, id, share.dealer)).or_insert(b);
            if first != b {
                both = Some(share.dealer);
            }
        }
        self.hold(both.is_none(), "never both secrets of one dealer", || {
            format!("{id} gives both of {both:?}")
        });
        self.promise(i, if b { Said::Released } else { Said::Certified }, reveal.sid);
        self.check_late(i, reveal.sid, bytes);
    }

    /// An answer leaves before its round's deadline, unless it is the repeat of one.
    fn check_late(&mut self, i: usize, sid: AttemptId, bytes: &[u8]) {
        let id = self.hospitals[i].id;
        let first = self.oracle.sent.insert((id, word_of(bytes)));
        let deadline = self.hospitals[i].deadline(sid);
        let clock: Time = self.hospitals[i].clock(self.now);
        let held = !first || deadline.is_none_or(|deadline| clock <= deadline);
        self.hold(held, "no answer after the deadline", || format!("{id} answers late"));
    }

    /// A node confirms an attempt or voids it, never both.
    fn check_void(&mut self, i: usize, sid: AttemptId) {
        let id = self.hospitals[i].id;
        let said = |what| self.oracle.said.get(&id).is_some_and(|all| all.contains(&(what, sid)));
        let both = said(Said::Confirmed) && said(Said::Voided);
        let rolled = self.hospitals[i].rolled_back;
        self.hold(!both || rolled, "a node confirms or voids, never both", || format!("{id} did both"));
    }

    /// A frame that rests on a record.
    fn promise(&mut self, i: usize, said: Said, sid: AttemptId) {
        let id = self.hospitals[i].id;
        let held = self.hospitals[i].durable().iter().any(|record| rests(record, said, sid));
        self.oracle.said.entry(id).or_default().push((said, sid));
        self.hold(held, "what a frame rests on is durable before it leaves", || format!("{id}: {said:?}"));
    }

    /// An equal repeat of a request, with nothing between, gets the same answer.
    pub fn check_repeat(&mut self, i: usize, request: u64, answer: Vec<u64>) {
        let hospital = &mut self.hospitals[i];
        let id = hospital.id;
        match &hospital.answered {
            Some((last, before)) if *last == request => {
                let same = *before == answer;
                self.tally.count("request repeated");
                self.hold(same, "an equal repeat of a request gets the same answer", || format!("{id}"));
            }
            _ => hospital.answered = (!answer.is_empty()).then_some((request, answer)),
        }
    }

    /// A node comes back: its ledger holds all that it ever said.
    pub fn check_reloaded(&mut self, i: usize) {
        let hospital = &self.hospitals[i];
        let said = self.oracle.said.get(&hospital.id);
        let records = &hospital.disk.records;
        let missing = said
            .into_iter()
            .flatten()
            .find(|(said, sid)| !records.iter().any(|record| rests(record, *said, *sid)));
        let (missing, rolled, id) = (missing.map(|(said, _)| *said), hospital.rolled_back, hospital.id);
        self.hold(missing.is_none() || rolled, "a restarted node knows what it said", || {
            format!("{id} has forgotten {missing:?}")
        });
    }
}

/// t_s of the specification, 1.3, for the default k.
fn shares_of(n: u16) -> u16 {
    let k = if n >= 40 { 10 } else { (n / 5).max(2) };
    (n / 2 + 1).max((n - 1) / 3 + k)
}

fn rests(record: &Record, said: Said, sid: AttemptId) -> bool {
    match (record, said) {
        (Record::Spent { sid: own, .. }, Said::Spent)
        | (Record::Confirmed { sid: own, .. }, Said::Confirmed)
        | (Record::Released { sid: own }, Said::Released)
        | (Record::Voided { sid: own }, Said::Voided) => *own == sid,
        (Record::Certified { bound, .. }, Said::Certified) => bound.sid == sid,
        _ => false,
    }
}
