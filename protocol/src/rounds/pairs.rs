//! Bad pairs: two nodes whose commitments differ, or of whom one cannot use the other's shares.
//!
//! Only the two know who lied, so nobody is named. One end goes, chosen over all pairs at once
//! ([`part`]): as few as possible go, and whoever was left out in half of the last slots stays, however many
//! say otherwise. What came of it is kept by slot ([`History`]). Owns no message.

use crate::ablation::{ablated, unchecked};
use crate::crypto::transcript::{Label, Transcript};
use crate::error::Check;
use crate::ids::{AttemptId, NodeId};
use crate::message::Deposit;
use crate::params::Thresholds;
use std::collections::{BTreeMap, BTreeSet};

/// Slots of a lock that the rule is about.
pub const SLOTS: usize = 30;
/// Slots that it looks back on: with the one at hand they are [`SLOTS`]. Were they as many, both ends of a
/// pair could have been out in half of them.
pub const BEFORE: usize = SLOTS - 1;
/// Left out in so many of those before, a node stays: so it takes part in half of any 30 at least.
const HALF: u16 = 15;
/// Choices looked at before the search gives up; 69 hospitals need fewer than 20,000.
const STEPS: u32 = 100_000;

/// A pair, the lower id first.
pub type Pair = (NodeId, NodeId);

/// The pair of two nodes.
#[must_use]
pub fn pair(a: NodeId, b: NodeId) -> Pair {
    (a.min(b), a.max(b))
}

/// One node in the slots before.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Past {
    /// Slots in which it was left out because of a bad pair.
    out: u16,
    /// Nodes that it made a bad pair with.
    partners: BTreeSet<NodeId>,
}

/// The bad pairs of the last [`BEFORE`] slots, by node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct History(BTreeMap<NodeId, Past>);

impl History {
    /// Adds one slot: its bad pairs, and who was left out because of them.
    pub fn slot(&mut self, pairs: &BTreeSet<Pair>, left_out: &BTreeSet<NodeId>) {
        for (a, b) in pairs {
            self.0.entry(*a).or_default().partners.insert(*b);
            self.0.entry(*b).or_default().partners.insert(*a);
        }
        for node in left_out {
            let past = self.0.entry(*node).or_default();
            past.out = past.out.saturating_add(1);
        }
    }
}

/// Pairs among these deposits whose commitments differ or are zero.
#[must_use]
pub fn bad(deposits: &BTreeMap<NodeId, Deposit>) -> BTreeSet<Pair> {
    let mut commitments: BTreeMap<Pair, Vec<[u8; 32]>> = BTreeMap::new();
    for (node, deposit) in deposits {
        let others = deposit.sections.iter().filter(|section| section.holder != *node);
        for section in others.filter(|section| deposits.contains_key(&section.holder)) {
            commitments.entry(pair(*node, section.holder)).or_default().push(section.pair.0);
        }
    }
    let good =
        |both: &[[u8; 32]]| matches!(both, [a, b] if a == b && *a != [0; 32]) || unchecked!(Check::A09);
    commitments.into_iter().filter(|(_, both)| !good(both)).map(|(pair, _)| pair).collect()
}

/// What leaving nodes out costs; what stands first outweighs all after it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Cost {
    /// Nodes that were out in half of the slots already; one more slot outweighs all who were out in fewer.
    had_enough: u128,
    /// How many go.
    count: u64,
    /// Fewer partners of bad pairs than others have.
    trust: u64,
    /// Slots that they were left out in.
    out: u64,
    /// By H(sid, id).
    tie: u64,
}

impl Cost {
    fn plus(self, other: Cost) -> Cost {
        Cost {
            had_enough: self.had_enough.saturating_add(other.had_enough),
            count: self.count.saturating_add(other.count),
            trust: self.trust.saturating_add(other.trust),
            out: self.out.saturating_add(other.out),
            tie: self.tie.saturating_add(other.tie),
        }
    }
}

/// Partners of bad pairs, by node; none without.
type Graph = BTreeMap<NodeId, BTreeSet<NodeId>>;

fn graph(pairs: &BTreeSet<Pair>) -> Graph {
    let mut graph = Graph::new();
    for (a, b) in pairs {
        graph.entry(*a).or_default().insert(*b);
        graph.entry(*b).or_default().insert(*a);
    }
    graph
}

fn without(graph: &Graph, gone: &BTreeSet<NodeId>) -> Graph {
    let left = graph.iter().filter(|(node, _)| !gone.contains(node));
    let left = left.map(|(node, partners)| (*node, partners.difference(gone).copied().collect()));
    left.filter(|(_, partners): &(_, BTreeSet<_>)| !partners.is_empty()).collect()
}

/// The node with most bad pairs.
fn busiest(graph: &Graph) -> Option<(NodeId, &BTreeSet<NodeId>)> {
    let most = graph.iter().max_by_key(|(node, partners)| (partners.len(), core::cmp::Reverse(**node)));
    most.map(|(node, partners)| (*node, partners))
}

/// Parts of a graph that share no pair.
fn components(mut graph: Graph) -> Vec<Graph> {
    let mut parts = Vec::new();
    while let Some(first) = graph.keys().next().copied() {
        let (mut part, mut open) = (Graph::new(), vec![first]);
        while let Some(node) = open.pop() {
            if let Some(partners) = graph.remove(&node) {
                open.extend(partners.iter().copied());
                part.insert(node, partners);
            }
        }
        parts.push(part);
    }
    parts
}

#[derive(Debug, Clone, Default)]
struct Cover {
    cost: Cost,
    nodes: BTreeSet<NodeId>,
}

/// The search for the cheapest nodes that are an end of every bad pair.
struct Search<'a> {
    costs: &'a BTreeMap<NodeId, Cost>,
    steps: u32,
}

impl Search<'_> {
    /// At most `room` nodes; none if that is too few, or the search takes too long.
    fn cover(&mut self, graph: Graph, room: usize) -> Option<Cover> {
        let mut all = Cover::default();
        for part in components(graph) {
            let cover = self.connected(&part, room.checked_sub(all.nodes.len())?)?;
            all.cost = all.cost.plus(cover.cost);
            all.nodes.extend(cover.nodes);
        }
        Some(all)
    }

    /// Either the busiest node goes, or all its partners.
    fn connected(&mut self, graph: &Graph, room: usize) -> Option<Cover> {
        self.steps = self.steps.checked_sub(1)?;
        let (node, partners) = busiest(graph)?;
        let either = self.leaving(graph, &BTreeSet::from([node]), room);
        let or = self.leaving(graph, partners, room);
        [either, or].into_iter().flatten().min_by_key(|cover| cover.cost)
    }

    fn leaving(&mut self, graph: &Graph, gone: &BTreeSet<NodeId>, room: usize) -> Option<Cover> {
        let room = room.checked_sub(gone.len())?;
        let mut cover = self.cover(without(graph, gone), room)?;
        for node in gone {
            cover.cost = cover.cost.plus(self.costs.get(node).copied().unwrap_or_default());
        }
        cover.nodes.extend(gone);
        Some(cover)
    }
}

/// What leaving each node out costs; without `fair`, however often it was left out before.
fn costs(
    bad: &Graph,
    sid: &AttemptId,
    history: &History,
    thresholds: &Thresholds,
    fair: bool,
) -> BTreeMap<NodeId, Cost> {
    let nobody = Past::default();
    let cost = |(node, now): (&NodeId, &BTreeSet<NodeId>)| {
        let past = history.0.get(node).unwrap_or(&nobody);
        let partners = past.partners.union(now).count();
        // An honest node's bad pairs are with X others at most, in all slots together.
        let had_enough = match past.out.checked_sub(HALF) {
            Some(_) if ablated!("history-off") => 0,
            Some(more) if fair && partners <= usize::from(thresholds.x) => {
                1024u128.saturating_pow(u32::from(more.min(11)))
            }
            _ => 0,
        };
        let [a, b, c, d, ..] = Transcript::new(Label::Tie).fixed(&sid.0).u16(node.0).finish();
        let trust = u64::from(u16::MAX).saturating_sub(u64::try_from(partners).unwrap_or(u64::MAX));
        let (out, tie) = (u64::from(past.out), u64::from(u32::from_be_bytes([a, b, c, d])));
        (*node, Cost { had_enough, count: 1, trust, out, tie })
    };
    bad.iter().map(cost).collect()
}

/// Leaves an end of every bad pair out; `least` is how many must stay.
///
/// One with more than X bad pairs goes first: it lies, or has no link. Of the rest, nobody who was left out
/// in half of the last slots, as far as that leaves enough; then as few as possible, because those who lie
/// are one choice, so that X liars never leave more than X out; then those with most partners of bad pairs,
/// then those left out least often, then by H(sid, id).
#[must_use]
pub fn part(
    mut cohort: BTreeSet<NodeId>,
    bad: &BTreeSet<Pair>,
    sid: &AttemptId,
    history: &History,
    (thresholds, least): (&Thresholds, u16),
) -> BTreeSet<NodeId> {
    let mut graph = graph(bad);
    while let Some((node, _)) = busiest(&graph).filter(|(_, of)| of.len() > usize::from(thresholds.x)) {
        cohort.remove(&node);
        graph = without(&graph, &BTreeSet::from([node]));
    }
    let room = cohort.len().saturating_sub(usize::from(least));
    for fair in [true, false] {
        let costs = costs(&graph, sid, history, thresholds, fair);
        if let Some(cover) = (Search { costs: &costs, steps: STEPS }).cover(graph.clone(), room) {
            cohort.retain(|node| !cover.nodes.contains(node));
            return cohort;
        }
    }
    // Too many pairs for a sum, or too many to search: one after the other, the busiest first.
    while let Some((node, _)) = busiest(&graph) {
        cohort.remove(&node);
        graph = without(&graph, &BTreeSet::from([node]));
    }
    cohort
}

#[cfg(test)]
mod tests;
