//! For tests alone: the secrets of a stage, so that a test can look for them where they must not be.

use super::{Cohort, Kept, PairKeys, Stage};
use crate::node::Node;
use crate::ring::Contribution;
use crate::rounds::offer::Facts;
use crate::rounds::ready::Held;

/// A secret's name and its bytes.
pub(crate) type Secrets = Vec<(String, Vec<u8>)>;

fn of_contribution(contribution: &Contribution, all: &mut Secrets) {
    let bytes = contribution.lanes().expose().iter().flat_map(|lane| lane.to_le_bytes()).collect();
    all.push(("contribution".into(), bytes));
}

fn of_kept(kept: &Kept, all: &mut Secrets) {
    all.push(("own b".into(), kept.b.expose().to_bytes().to_vec()));
    for (peer, seed) in &kept.pairs {
        all.push((format!("seed with {peer}"), seed.expose().to_vec()));
    }
    for (block, blinding) in kept.blindings.expose().iter().enumerate() {
        all.push((format!("blinding of block {block}"), blinding.to_bytes().to_vec()));
    }
    let own = kept.own.expose();
    for (what, share) in [("r", own.r), ("b", own.b)] {
        all.push((format!("own share of own {what}"), share.to_bytes().to_vec()));
    }
}

fn of_cohort(cohort: &Cohort, all: &mut Secrets) {
    let shares = |held: &Held| held.shares.as_ref().map(|shares| *shares.expose());
    for (dealer, held) in &cohort.held {
        if let Some(given) = shares(held) {
            for (what, share) in [("r", given.r), ("b", given.b)] {
                all.push((format!("share of {what} of {dealer}"), share.to_bytes().to_vec()));
            }
        }
    }
}

fn of_channels(channels: &PairKeys, all: &mut Secrets) {
    for (peer, key) in channels {
        all.push((format!("channel key with {peer}"), key.expose().to_vec()));
    }
}

impl Node {
    /// Every secret in the open stage, and the identity's seed.
    pub(crate) fn secrets(&self) -> Secrets {
        let mut all = vec![("identity".to_owned(), self.context.identity.seed().expose().to_vec())];
        match &self.stage {
            Stage::Idle | Stage::Measuring(_) => {}
            Stage::Deposited(stage) => {
                of_contribution(&stage.contribution, &mut all);
                of_kept(&stage.kept, &mut all);
                of_channels(&stage.channels, &mut all);
            }
            Stage::Following(stage) => {
                of_contribution(&stage.contribution, &mut all);
                of_kept(&stage.kept, &mut all);
                of_cohort(&stage.cohort, &mut all);
            }
            Stage::Gone(stage) => of_cohort(&stage.cohort, &mut all),
            Stage::Confirmed(stage) => of_cohort(&stage.cohort, &mut all),
            Stage::Revealing(stage) => of_cohort(&stage.confirmed.cohort, &mut all),
            Stage::Released(stage) => of_cohort(&stage.confirmed.cohort, &mut all),
        }
        all
    }

    /// The channel keys with those invited, as this node would deal with them.
    pub(crate) fn pair_keys(&self, facts: &Facts) -> PairKeys {
        let key = |one: &crate::message::Invited| {
            Some((one.node, self.context.channels.as_ref()?.key(one.node, &one.announce)?))
        };
        facts.header.invited.iter().filter_map(key).collect()
    }

    /// The name of the open stage.
    pub(crate) fn stage_name(&self) -> &'static str {
        match &self.stage {
            Stage::Idle => "idle",
            Stage::Measuring(_) => "measuring",
            Stage::Deposited(_) => "deposited",
            Stage::Following(_) => "following",
            Stage::Gone(_) => "gone",
            Stage::Confirmed(_) => "confirmed",
            Stage::Revealing(_) => "revealing",
            Stage::Released(_) => "released",
        }
    }
}
