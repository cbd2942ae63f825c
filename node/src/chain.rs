//! The chain of rosters as this hospital knows it: verified, and accepted up to some point.
//!
//! Owns what may be followed without asking: a change of at most five members and of approvers. A larger
//! one, of a signer or of any rule is held until the operator has read it and compared its words. It never
//! goes back, and never replaces a roster. It must not know the link.

use crate::error::Error;
use crate::ledger::{Pins, StoredRoster};
use samensom_protocol::admission::{RosterAt, words};
use samensom_protocol::ids::RosterHash;
use samensom_protocol::roster::changes::{Part, changes};
use samensom_protocol::roster::{Roster, RosterBody, RosterFault, SignedRoster};
use std::collections::BTreeSet;
use std::fmt;

/// Members that may change at once without the operator.
const FREE_CHANGES: usize = 5;
/// Names shown of those who come or go.
const SHOWN: usize = 10;

/// Every roster known, by epoch.
#[derive(Debug)]
pub struct Chain {
    founding: RosterHash,
    rosters: Vec<Roster>,
    accepted: usize,
}

impl Chain {
    /// The stored chain, verified from the pinned first roster on.
    ///
    /// # Errors
    /// When the store cannot be read or does not hold a valid chain.
    pub fn load(pins: &Pins, founding: RosterHash) -> Result<Chain, Error> {
        let mut chain = Chain { founding, rosters: Vec::new(), accepted: 0 };
        for stored in pins.rosters()? {
            let roster = chain.verify(&stored.signed)?;
            chain.rosters.push(roster);
            if stored.accepted {
                chain.accepted = chain.rosters.len();
            }
        }
        Ok(chain)
    }

    /// The newest roster that may be followed.
    #[must_use]
    pub fn current(&self) -> Option<&Roster> {
        self.accepted().last()
    }
    /// Every roster that may be followed, by epoch.
    #[must_use]
    pub fn accepted(&self) -> &[Roster] {
        self.rosters.get(..self.accepted).unwrap_or_default()
    }
    /// Those that wait for the operator, by epoch.
    #[must_use]
    pub fn held(&self) -> &[Roster] {
        self.rosters.get(self.accepted..).unwrap_or_default()
    }
    /// The newest, accepted or not.
    #[must_use]
    pub fn newest(&self) -> Option<&Roster> {
        self.rosters.last()
    }
    /// What waits for the operator, in words.
    #[must_use]
    pub fn why_held(&self) -> Option<Error> {
        let held = self.held().last()?;
        let change = Change::between(self.current().map(Roster::body), held.body());
        let words = words(&held.hash().0);
        Some(Error::Held { epoch: held.body().epoch, change: Box::new(change), words })
    }

    /// Whether the coordinator has rosters that are not here yet.
    ///
    /// # Errors
    /// `Fork` when it shows another roster than the one here of the same number.
    pub fn lacks(&self, head: &RosterAt) -> Result<bool, Error> {
        let epoch = usize::try_from(head.epoch).unwrap_or(usize::MAX);
        match self.rosters.get(epoch) {
            None => Ok(true),
            Some(ours) if ours.hash() == head.hash => Ok(false),
            Some(ours) => Err(Error::Fork {
                epoch: head.epoch,
                ours: words(&ours.hash().0),
                theirs: words(&head.hash.0),
            }),
        }
    }

    /// Verifies and stores the rosters that follow the newest, and accepts those that change little.
    ///
    /// # Errors
    /// When one is not valid or not stored; those before it stay.
    pub fn extend(&mut self, pins: &mut Pins, rosters: Vec<SignedRoster>) -> Result<(), Error> {
        // The operator may have accepted one meanwhile, in another process.
        let known = pins.accepted_epoch()?.and_then(|epoch| usize::try_from(epoch).ok());
        let told = known.map_or(0, |epoch| epoch.saturating_add(1)).min(self.rosters.len());
        self.accepted = self.accepted.max(told);
        // Measured from what was accepted before, so that many small steps do not make a large one.
        let base = self.current().map(|roster| roster.body().clone());
        for signed in rosters {
            let roster = self.verify(&signed)?;
            let small =
                base.as_ref().is_none_or(|base| !Change::between(Some(base), roster.body()).is_large());
            let accepted = self.held().is_empty() && (small || self.rosters.is_empty());
            pins.add_roster(roster.body().epoch, &StoredRoster { signed, accepted })?;
            self.rosters.push(roster);
            self.accepted = if accepted { self.rosters.len() } else { self.accepted };
        }
        Ok(())
    }

    /// Accepts the newest roster, whose words the operator compared.
    ///
    /// # Errors
    /// `Words` when they are not its words; nothing is accepted then.
    pub fn accept(&mut self, pins: &mut Pins, given: &str) -> Result<(), Error> {
        let newest = self.newest().ok_or(Error::NotListed)?;
        let (found, epoch) = (words(&newest.hash().0), newest.body().epoch);
        let given = plain(given);
        if given != found {
            return Err(Error::Words { given, found, epoch });
        }
        pins.accept(epoch)?;
        self.accepted = self.rosters.len();
        Ok(())
    }

    fn verify(&self, signed: &SignedRoster) -> Result<Roster, RosterFault> {
        match self.rosters.last() {
            Some(last) => last.next(signed),
            None => {
                let roster = Roster::founding(signed)?;
                let pinned = roster.hash() == self.founding;
                pinned
                    .then_some(roster)
                    .ok_or(RosterFault::Chain("not the first roster that the token pinned"))
            }
        }
    }
}

/// Words as people write them: any case, parted by spaces or hyphens.
fn plain(given: &str) -> String {
    let words = given.split(|c: char| c.is_whitespace() || c == '-').filter(|word| !word.is_empty());
    words.map(str::to_lowercase).collect::<Vec<_>>().join(" ")
}

/// What differs between two rosters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    joined: Vec<String>,
    left: Vec<String>,
    altered: Vec<String>,
    signers: (usize, usize),
    approvers: (usize, usize),
    threshold: Option<(u16, u16)>,
    /// A line each: every rule, signer and approver that differs, and hospitals that do not merely come.
    lines: Vec<String>,
    rules: usize,
    first: bool,
}

impl Change {
    /// From the one before (`None`: nothing was followed yet) to the one after.
    #[must_use]
    pub fn between(before: Option<&RosterBody>, after: &RosterBody) -> Change {
        let mut change = Change {
            joined: Vec::new(),
            left: Vec::new(),
            altered: Vec::new(),
            signers: came_and_went(before.map(|b| b.signers.iter()), after.signers.iter()),
            approvers: came_and_went(before.map(|b| b.approvers.iter()), after.approvers.iter()),
            threshold: before.map(|b| (b.threshold, after.threshold)).filter(|(old, new)| old != new),
            lines: Vec::new(),
            rules: 0,
            first: before.is_none_or(|b| b.members.is_empty()),
        };
        for new in after.members.iter() {
            let old = before.and_then(|b| b.members.iter().find(|old| old.id == new.id));
            let was = old.is_some_and(is_active);
            match (was, is_active(new)) {
                (false, true) => change.joined.push(new.institution.to_string()),
                (true, false) => change.left.push(new.institution.to_string()),
                _ if old != Some(new) => change.altered.push(new.institution.to_string()),
                _ => {}
            }
        }
        for told in before.map(|before| changes(before, after)).into_iter().flatten() {
            change.rules += usize::from(told.part == Part::Rule);
            if told.part != Part::Member || !told.text.starts_with('+') {
                change.lines.push(told.text);
            }
        }
        change
    }

    /// True if the operator must confirm it: more than five members, a signer, how many of them must sign,
    /// any rule, or the first roster with hospitals at all.
    #[must_use]
    pub fn is_large(&self) -> bool {
        let members = self.joined.len() + self.left.len() + self.altered.len();
        members > FREE_CHANGES
            || self.signers != (0, 0)
            || self.threshold.is_some()
            || self.rules > 0
            || self.first && members > 0
    }

    /// Every rule, signer and approver that differs, and each hospital that does not merely come, in words.
    #[must_use]
    pub fn lines(&self) -> &[String] {
        &self.lines
    }
}

fn is_active(member: &samensom_protocol::roster::Member) -> bool {
    member.status == samensom_protocol::roster::Status::Active
}

fn came_and_went<'a, T: PartialEq + 'a>(
    before: Option<impl Iterator<Item = &'a T>>,
    after: impl Iterator<Item = &'a T>,
) -> (usize, usize) {
    let before: Vec<&T> = before.into_iter().flatten().collect();
    let after: Vec<&T> = after.collect();
    let came = after.iter().filter(|item| !before.contains(item)).count();
    let went = before.iter().filter(|item| !after.contains(item)).count();
    (came, went)
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hospitals: ")?;
        for (names, what) in [(&self.joined, "come"), (&self.left, "go"), (&self.altered, "change")] {
            write!(f, "{} {what}", names.len())?;
            let unique: BTreeSet<&str> = names.iter().map(String::as_str).collect();
            let shown: Vec<String> = unique.iter().take(SHOWN).map(|name| plain_text(name)).collect();
            match unique.len().saturating_sub(shown.len()) {
                _ if shown.is_empty() => {}
                0 => write!(f, " ({})", shown.join(", "))?,
                more => write!(f, " ({} and {more} more)", shown.join(", "))?,
            }
            f.write_str(if what == "change" { "; " } else { ", " })?;
        }
        write!(f, "signers: {} come, {} go; ", self.signers.0, self.signers.1)?;
        if let Some((old, new)) = self.threshold {
            write!(f, "of whom {new} must sign, {old} before; ")?;
        }
        write!(
            f,
            "approvers: {} come, {} go; rules: {} change",
            self.approvers.0, self.approvers.1, self.rules
        )?;
        for line in &self.lines {
            write!(f, "\n    {}", plain_text(line))?;
        }
        Ok(())
    }
}

/// A text of others: it may not end our line, steer the terminal or turn the order of what is read.
pub(crate) fn plain_text(text: &str) -> String {
    let acts = |c: char| {
        let turns = matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
        c.is_control() || turns
    };
    let shown = |c: char| if acts(c) { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests;
