//! From a failing seed to a short story: acts are left out as long as the same claim fails.

use super::bugs::Bug;
use super::plan::Plan;
use super::run::{Outcome, Run};
use std::collections::BTreeSet;

fn again(plan: &Plan, masked: &BTreeSet<usize>, bug: Option<Bug>, tell: bool) -> Outcome {
    Run::new(plan.clone(), masked, bug, tell).run()
}

/// What is left of the plan of a failing seed, told; `None` when the seed does not fail.
#[must_use]
pub fn shrink(plan: &Plan, bug: Option<Bug>) -> Option<(BTreeSet<usize>, Outcome)> {
    let claim = again(plan, &BTreeSet::new(), bug, false).violation?.claim;
    let fails = |masked: &BTreeSet<usize>| {
        again(plan, masked, bug, false).violation.is_some_and(|violation| violation.claim == claim)
    };
    let mut masked = BTreeSet::new();
    let mut piece = plan.acts.len().div_ceil(2);
    while piece > 0 {
        let mut from = 0;
        while from < plan.acts.len() {
            let without: BTreeSet<usize> = (from..(from + piece).min(plan.acts.len())).collect();
            let more: BTreeSet<usize> = masked.union(&without).copied().collect();
            if more.len() > masked.len() && fails(&more) {
                masked = more;
            }
            from += piece;
        }
        piece /= 2;
    }
    let told = again(plan, &masked, bug, true);
    Some((masked, told))
}

/// The story of a failing seed: what was left in, and what happened.
#[must_use]
pub fn story(plan: &Plan, bug: Option<Bug>) -> String {
    let Some((masked, told)) = shrink(plan, bug) else { return "it does not fail".to_owned() };
    let mut lines = vec![format!(
        "seed {}: {} hospitals, channels {}, coordinator {}; {} of {} acts are needed:",
        plan.seed,
        plan.n,
        if plan.real_channels { "real" } else { "dealt" },
        if plan.liar { "lies" } else { "honest" },
        plan.acts.len() - masked.len(),
        plan.acts.len()
    )];
    for (index, act) in plan.acts.iter().enumerate().filter(|(index, _)| !masked.contains(index)) {
        lines.push(format!("  {index}: {act:?}"));
    }
    lines.extend(told.story);
    lines.join("\n")
}
