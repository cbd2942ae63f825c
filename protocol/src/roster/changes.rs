//! What a roster changes against the one before, in words, a line each.
//!
//! Owns the words that signers read before they sign and operators before they accept, so that both read
//! the same. Every struct of a roster is taken apart here by the names of its fields: a new field does not
//! compile until it has words. It must not decide which change is acceptable.

use super::{Approver, Limits, Lock, Member, PurposeRule, RosterBody, Signer, Status};
use crate::admission::words;
use core::fmt::Display;

/// Which part of a roster differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// A hospital.
    Member,
    /// An approver.
    Approver,
    /// A signer.
    Signer,
    /// How many signers must sign.
    Threshold,
    /// Rules of purposes, locks, deadlines, honest contributors, the policy document.
    Rule,
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Where it is.
    pub part: Part,
    /// It in words; begins with `+` (comes), `-` (goes) or `~` (is altered).
    pub text: String,
}

/// What `after` changes against `before`; its place in the chain aside.
#[must_use]
pub fn changes(before: &RosterBody, after: &RosterBody) -> Vec<Change> {
    let RosterBody {
        epoch: _,
        previous: _,
        members,
        approvers,
        signers,
        threshold,
        rules,
        locks,
        limits,
        honest_min,
        policy,
    } = after;
    let mut found = Found(Vec::new());
    found.list(Part::Member, (&before.members, members), |m| m.id, member, member_altered);
    found.list(Part::Approver, (&before.approvers, approvers), |a| a.key, approver, approver_altered);
    found.list(Part::Signer, (&before.signers, signers), |s| s.key, signer, signer_altered);
    found.one(Part::Threshold, "signers who must sign", &before.threshold, threshold);
    found.list(Part::Rule, (&before.rules, rules), |r| r.purpose.clone(), rule, rule_altered);
    found.list(Part::Rule, (&before.locks, locks), |l| l.name.clone(), lock, lock_altered);
    found.limits(&before.limits, limits);
    found.one(Part::Rule, "fewest honest contributors", &honest(before.honest_min), &honest(*honest_min));
    found.one(Part::Rule, "policy document", &document(&before.policy.0), &document(&policy.0));
    found.0
}

struct Found(Vec<Change>);

impl Found {
    fn add(&mut self, part: Part, text: String) {
        self.0.push(Change { part, text });
    }

    fn one<T: PartialEq + Display>(&mut self, part: Part, what: &str, old: &T, new: &T) {
        if old != new {
            self.add(part, format!("~ {what}: {old} -> {new}"));
        }
    }

    /// Items by their key: what goes, what comes, what is altered.
    fn list<T: PartialEq, K: PartialEq>(
        &mut self,
        part: Part,
        (old, new): (&[T], &[T]),
        key: impl Fn(&T) -> K,
        whole: impl Fn(&T) -> String,
        altered: impl Fn(&T, &T) -> String,
    ) {
        for item in old.iter().filter(|item| new.iter().all(|other| key(other) != key(item))) {
            self.add(part, format!("- {}", whole(item)));
        }
        for item in new {
            match old.iter().find(|other| key(other) == key(item)) {
                None => self.add(part, format!("+ {}", whole(item))),
                Some(other) if other != item => self.add(part, format!("~ {}", altered(other, item))),
                Some(_) => {}
            }
        }
    }

    fn limits(&mut self, old: &Limits, new: &Limits) {
        let Limits { deposit_ms, ready_ms, contribute_ms, contribute_ms_per_mb, confirm_ms, reveal_ms } = new;
        for (what, old, new) in [
            ("deposit", old.deposit_ms, deposit_ms),
            ("ready", old.ready_ms, ready_ms),
            ("contribute", old.contribute_ms, contribute_ms),
            ("contribute, for each megabyte", old.contribute_ms_per_mb, contribute_ms_per_mb),
            ("confirm", old.confirm_ms, confirm_ms),
            ("reveal", old.reveal_ms, reveal_ms),
        ] {
            let (old, new) = (format!("{old} ms"), format!("{new} ms"));
            self.one(Part::Rule, &format!("longest time to {what}"), &old, &new);
        }
    }
}

/// Differences within one item, parted by semicolons.
struct Within(String);

impl Within {
    fn of(what: String) -> Within {
        Within(what)
    }
    fn say(mut self, differs: bool, words: impl FnOnce() -> String) -> Within {
        if differs {
            self.0.push_str("; ");
            self.0.push_str(&words());
        }
        self
    }
    fn turns<T: PartialEq + Display>(self, what: &str, old: &T, new: &T) -> Within {
        self.say(old != new, || format!("{what} {old} -> {new}"))
    }
}

fn status(status: Status) -> &'static str {
    match status {
        Status::Active => "takes part",
        Status::Suspended => "is suspended",
        Status::Left => "has left for good",
    }
}

fn member(member: &Member) -> String {
    let Member { id, institution, name, group, kind, key, status: state, floor_hospitals } = member;
    format!(
        "hospital {} {} ({}): {}; group {}, kind {}, own floor {floor_hospitals}; key: {}",
        id.0,
        &**institution,
        &**name,
        status(*state),
        &**group,
        &**kind,
        words(&key.0)
    )
}

fn member_altered(old: &Member, new: &Member) -> String {
    let Member { id, institution, name, group, kind, key, status: state, floor_hospitals } = new;
    Within::of(format!("hospital {} {} ({})", id.0, &*old.institution, &*old.name))
        .say(old.status != *state, || status(*state).to_string())
        .say(old.key != *key, || {
            format!("another key: {}, the old key counts no more: {}", words(&key.0), words(&old.key.0))
        })
        .turns("short name", &&*old.institution, &&**institution)
        .turns("name", &&*old.name, &&**name)
        .turns("group", &&*old.group, &&**group)
        .turns("kind", &&*old.kind, &&**kind)
        .turns("own floor", &old.floor_hospitals, floor_hospitals)
        .0
}

fn approver(approver: &Approver) -> String {
    let Approver { key, person, role, organisation } = approver;
    format!("approver {} ({}, {}); key: {}", &**person, &**role, &**organisation, words(&key.0))
}

fn approver_altered(old: &Approver, new: &Approver) -> String {
    // The key is the same: it is by that that they were found.
    let Approver { key: _, person, role, organisation } = new;
    Within::of(format!("approver {} ({}, {})", &*old.person, &*old.role, &*old.organisation))
        .turns("name", &&*old.person, &&**person)
        .turns("role", &&*old.role, &&**role)
        .turns("organisation", &&*old.organisation, &&**organisation)
        .0
}

fn signer(signer: &Signer) -> String {
    let Signer { key, person, organisation } = signer;
    format!("signer {} ({}); key: {}", &**person, &**organisation, words(&key.0))
}

fn signer_altered(old: &Signer, new: &Signer) -> String {
    let Signer { key: _, person, organisation } = new;
    Within::of(format!("signer {} ({})", &*old.person, &*old.organisation))
        .turns("name", &&*old.person, &&**person)
        .turns("organisation", &&*old.organisation, &&**organisation)
        .0
}

fn joined<const MAX: usize>(names: &[crate::codec::Text<MAX>]) -> String {
    names.iter().map(|name| &**name).collect::<Vec<_>>().join(", ")
}

fn rule(rule: &PurposeRule) -> String {
    let PurposeRule { purpose, roles, floor_hospitals, colluding_holders, floor_dominance, family_sessions } =
        rule;
    format!(
        "purpose {}: approved by {}; at least {floor_hospitals} hospitals behind a figure, of whom {} may collude, \
         each at most {} of it; sessions of one family of queries in 7 days: {}",
        &**purpose,
        joined(roles),
        colluding(*colluding_holders),
        share(*floor_dominance),
        most(*family_sessions)
    )
}

fn rule_altered(old: &PurposeRule, new: &PurposeRule) -> String {
    let PurposeRule { purpose, roles, floor_hospitals, colluding_holders, floor_dominance, family_sessions } =
        new;
    Within::of(format!("purpose {}", &**purpose))
        .turns("approved by", &joined(&old.roles), &joined(roles))
        .turns("fewest hospitals behind a figure", &old.floor_hospitals, floor_hospitals)
        .turns("of whom may collude", &colluding(old.colluding_holders), &colluding(*colluding_holders))
        .turns("largest share of one hospital", &share(old.floor_dominance), &share(*floor_dominance))
        .turns(
            "sessions of one family of queries in 7 days",
            &most(old.family_sessions),
            &most(*family_sessions),
        )
        .0
}

/// In percent of a figure; 0 stands for no rule.
fn share(percent: u8) -> String {
    if percent == 0 { "all".to_owned() } else { format!("{percent}%") }
}

fn colluding(holders: bool) -> &'static str {
    if holders { "X" } else { "none" }
}

fn most(sessions: u16) -> String {
    if sessions == 0 { "any number".to_string() } else { format!("{sessions} at most") }
}

fn lock(lock: &Lock) -> String {
    let Lock { name, datasets, spacing_s, floor_hospitals, floor_patients } = lock;
    format!(
        "lock {}: data sets {}; a slot lasts {spacing_s} s; at least {floor_hospitals} hospitals and {floor_patients} \
         patients behind any figure",
        &**name,
        joined(datasets)
    )
}

fn lock_altered(old: &Lock, new: &Lock) -> String {
    let Lock { name, datasets, spacing_s, floor_hospitals, floor_patients } = new;
    Within::of(format!("lock {}", &**name))
        .turns("data sets", &joined(&old.datasets), &joined(datasets))
        .turns("seconds of a slot", &old.spacing_s, spacing_s)
        .turns("fewest hospitals behind any figure", &old.floor_hospitals, floor_hospitals)
        .turns("fewest patients behind any figure", &old.floor_patients, floor_patients)
        .0
}

fn honest(honest_min: u16) -> String {
    if honest_min == 0 { "as many as usual".to_string() } else { honest_min.to_string() }
}

fn document(hash: &[u8; 32]) -> String {
    if *hash == [0; 32] { "none".to_string() } else { words(hash) }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{chain, founding_body, identity, member, text};
    use super::*;
    use crate::codec::{Bytes, List};
    use crate::ids::NodeId;

    /// The lines that an edit of a roster of five hospitals gives.
    fn lines(edit: impl FnOnce(&mut RosterBody)) -> Vec<(Part, String)> {
        let before = chain(5).1.body().clone();
        let mut after = before.clone();
        edit(&mut after);
        changes(&before, &after).into_iter().map(|change| (change.part, change.text)).collect()
    }

    fn alter<T, const MAX: usize>(list: &mut List<T, MAX>, edit: impl FnOnce(&mut Vec<T>)) {
        let mut items = core::mem::take(list).into_vec();
        edit(&mut items);
        *list = List::new(items).unwrap();
    }

    #[test]
    fn the_same_says_nothing() {
        assert!(lines(|_| ()).is_empty());
        assert!(lines(|b| b.epoch = 9).is_empty(), "its place in the chain aside");
    }

    fn rule(body: &mut RosterBody, edit: impl FnOnce(&mut PurposeRule)) {
        alter(&mut body.rules, |rules| edit(&mut rules[0]));
    }

    /// Every field that can differ, alone: one line, of its part, that says the old and the new.
    #[test]
    fn every_field_has_words() {
        type Edit<'a> = &'a dyn Fn(&mut RosterBody);
        let (six, other) = (words(&identity(6).public().0), words(&identity(99).public().0));
        let cases: [(Part, &str, Edit); 32] = [
            (Part::Member, "+ hospital 6 h6 (Hospital 6): takes part", &|b| {
                alter(&mut b.members, |m| m.push(member(6)));
            }),
            (Part::Member, &format!("key: {six}"), &|b| alter(&mut b.members, |m| m.push(member(6)))),
            (Part::Member, "- hospital 5 h5", &|b| alter(&mut b.members, |m| drop(m.pop()))),
            (Part::Member, "~ hospital 1 h1 (Hospital 1); is suspended", &|b| {
                alter(&mut b.members, |m| m[0].status = Status::Suspended);
            }),
            (Part::Member, "has left for good", &|b| alter(&mut b.members, |m| m[0].status = Status::Left)),
            (Part::Member, &format!("another key: {other}, the old key counts no more"), &|b| {
                alter(&mut b.members, |m| m[0].key = identity(99).public());
            }),
            (Part::Member, "short name h1 -> hx", &|b| {
                alter(&mut b.members, |m| m[0].institution = text("hx"))
            }),
            (Part::Member, "name Hospital 1 -> Other", &|b| {
                alter(&mut b.members, |m| m[0].name = text("Other"))
            }),
            (Part::Member, "group north -> south", &|b| {
                alter(&mut b.members, |m| m[0].group = text("south"))
            }),
            (Part::Member, "kind general -> umc", &|b| alter(&mut b.members, |m| m[0].kind = text("umc"))),
            (Part::Member, "own floor 0 -> 7", &|b| alter(&mut b.members, |m| m[0].floor_hospitals = 7)),
            (Part::Approver, "- approver The ", &|b| alter(&mut b.approvers, |a| drop(a.pop()))),
            (Part::Approver, "role ", &|b| alter(&mut b.approvers, |a| a[0].role = text("board"))),
            (Part::Approver, "name The duty -> z", &|b| alter(&mut b.approvers, |a| a[0].person = text("z"))),
            (Part::Approver, "-> nhg", &|b| alter(&mut b.approvers, |a| a[0].organisation = text("nhg"))),
            (Part::Signer, "- signer s (h); key: ", &|b| alter(&mut b.signers, |s| drop(s.pop()))),
            (Part::Signer, "name s -> z", &|b| alter(&mut b.signers, |s| s[0].person = text("z"))),
            (Part::Signer, "organisation h -> z", &|b| {
                alter(&mut b.signers, |s| s[0].organisation = text("z"))
            }),
            (Part::Threshold, "~ signers who must sign: 3 -> 4", &|b| b.threshold = 4),
            (Part::Rule, "- purpose stock", &|b| b.rules = List::default()),
            (Part::Rule, "approved by pharmacist, duty -> duty", &|b| {
                alter(&mut b.rules, |r| r[0].roles = List::new(vec![text("duty")]).unwrap());
            }),
            (Part::Rule, "behind a figure 0 -> 2", &|b| alter(&mut b.rules, |r| r[0].floor_hospitals = 2)),
            (Part::Rule, "may collude none -> X", &|b| rule(b, |r| r.colluding_holders = true)),
            (Part::Rule, "share of one hospital all -> 80%", &|b| rule(b, |r| r.floor_dominance = 80)),
            (Part::Rule, "one family of queries in 7 days any number -> 9 at most", &|b| {
                rule(b, |r| r.family_sessions = 9)
            }),
            (Part::Rule, "hospitals behind any figure 0 -> 5", &|b| {
                alter(&mut b.locks, |l| l[0].floor_hospitals = 5);
            }),
            (Part::Rule, "patients behind any figure 0 -> 10", &|b| {
                alter(&mut b.locks, |l| l[0].floor_patients = 10);
            }),
            (Part::Rule, "~ lock goods; seconds of a slot 72000 -> 60", &|b| {
                alter(&mut b.locks, |l| l[0].spacing_s = 60);
            }),
            (Part::Rule, "data sets stock, use -> stock", &|b| {
                alter(&mut b.locks, |l| l[0].datasets = List::new(vec![text("stock")]).unwrap());
            }),
            (Part::Rule, "longest time to confirm: 10000 ms -> 1 ms", &|b| b.limits.confirm_ms = 1),
            (Part::Rule, "fewest honest contributors: as many as usual -> 12", &|b| b.honest_min = 12),
            (Part::Rule, "policy document: none -> ", &|b| b.policy = Bytes([7; 32])),
        ];
        for (part, told, edit) in cases {
            let lines = lines(edit);
            assert_eq!(lines.len(), 1, "{told}: {lines:?}");
            assert!(lines[0].0 == part && lines[0].1.contains(told), "{told}: {lines:?}");
        }
    }

    #[test]
    fn each_limit_has_its_own_words() {
        let one = |edit: fn(&mut Limits)| lines(|b| edit(&mut b.limits));
        let all = [
            one(|l| l.deposit_ms = 1),
            one(|l| l.ready_ms = 1),
            one(|l| l.contribute_ms = 1),
            one(|l| l.contribute_ms_per_mb = 1),
            one(|l| l.confirm_ms = 1),
            one(|l| l.reveal_ms = 1),
        ];
        assert!(all.iter().all(|lines| lines.len() == 1), "{all:?}");
        let mut texts: Vec<&str> = all.iter().map(|lines| &*lines[0].1).collect();
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(texts.len(), 6, "{texts:?}");
    }

    #[test]
    fn the_first_roster_with_hospitals_names_each() {
        let second = chain(5).1;
        let told = changes(&founding_body(), second.body());
        assert_eq!(told.len(), 5);
        let ids = (1..=5).map(NodeId);
        assert!(
            told.iter().zip(ids).all(|(c, id)| c.text.contains(&format!("hospital {} ", id.0))),
            "{told:?}"
        );
    }
}
