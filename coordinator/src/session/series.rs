//! Who must take part again, so that nobody is asked what every agent would refuse.
//!
//! Owns the look into the store for a warrant that keeps its hospitals; the rule is the protocol's
//! ([`samensom_protocol::rounds::series`]), and each agent holds to its own ledger. It must not begin anything.

use super::beside;
use super::start::rosters;
use crate::error::Error;
use crate::store::Store;
use samensom_protocol::codec::decode;
use samensom_protocol::ids::{NodeId, WarrantHash};
use samensom_protocol::message::Invited;
use samensom_protocol::roster::Roster;
use samensom_protocol::rounds::series::Question;
use samensom_protocol::time::Time;
use samensom_protocol::warrant::{Series, Warrant, WarrantBody};
use std::sync::Arc;

/// The survivors of a session that binds this one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Before {
    pub survivors: Vec<NodeId>,
    /// The query and its warrant, where that is another one.
    of: Option<(String, WarrantHash)>,
}

/// The survivors of a warrant's sessions before, where it keeps its hospitals; else those of whom the same was asked,
/// under another warrant, of a time that is over; as it would be asked of these hospitals now.
///
/// # Errors
/// When the store fails, or one of them came to another class since.
pub(super) async fn before(
    store: &Arc<Store>,
    warrant: &Warrant,
    roster: &Roster,
    (invited, now): (&[NodeId], Time),
) -> Result<Option<Before>, Error> {
    if warrant.body().series == Series::Free {
        return Ok(None);
    }
    let hash = warrant.hash();
    if let Some((_, survivors)) = store.run(move |store| store.series(&hash)).await? {
        return Ok(Some(Before { survivors, of: None }));
    }
    let shape = warrant.shape(roster, invited);
    let (Some(shape), Some(lock)) = (shape, roster.lock_of(warrant.query().dataset().name())) else {
        return Ok(None);
    };
    let lock = lock.name.to_string();
    let rosters = rosters(store).await?;
    let found = move |store: &Store| {
        let own = Question { shape: &shape, at: now };
        for other in store.contributed_under(&lock)?.into_iter().filter(|other| *other != hash) {
            if let Some(before) = binding(store, &own, &other, &rosters)? {
                return Ok(Some(before));
            }
        }
        Ok(None)
    };
    store.run(found).await
}

/// The survivors of another warrant's sessions, where they bind who is asked this.
fn binding(
    store: &Store,
    own: &Question<'_>,
    other: &WarrantHash,
    rosters: &[Arc<Roster>],
) -> Result<Option<Before>, Error> {
    let signed = store.warrant(&other.to_hex())?;
    if !decode::<WarrantBody>(&signed.body).is_ok_and(|body| body.series == Series::Equal) {
        return Ok(None);
    }
    let Some((attempt, survivors)) = store.series(other)? else { return Ok(None) };
    let roster = rosters.iter().find(|roster| roster.hash() == attempt.roster);
    let facts = roster.map(|roster| beside::facts(store, &attempt, roster)).transpose()?.flatten();
    let Some(facts) = facts else { return Ok(None) };
    let query = facts.warrant.query();
    let invited: Vec<NodeId> = facts.header.invited.iter().map(|one| one.node).collect();
    let Some(shape) = facts.warrant.shape(&facts.roster, &invited) else { return Ok(None) };
    let asked = Question { shape: &shape, at: attempt.opened_at };
    if !own.binds(&asked) {
        return Ok(None);
    }
    if !own.shape.has_the_same_classes(&shape) {
        return Err(Error::session(format!(
            "a hospital came to another class since `{}` asked for the same figures of a time that is over",
            query.id()
        ))
        .place(format!("warrant {other}"))
        .expected(
            "the same hospitals in each class: between two sums of a class lies the figure of who came to it",
        )
        .remedy("ask for another time, for the nation, or for one that is not over yet"));
    }
    Ok(Some(Before { survivors, of: Some((query.id().to_owned(), *other)) }))
}

/// Exactly those who took part before are invited, each of them.
///
/// # Errors
/// When some are away, with their numbers and what binds them.
pub(super) fn keep(invited: &mut Vec<Invited>, before: &Before) -> Result<(), Error> {
    invited.retain(|one| before.survivors.contains(&one.node));
    let away = before.survivors.iter().filter(|node| invited.iter().all(|one| one.node != **node));
    let away: Vec<String> = away.map(|node| node.0.to_string()).collect();
    if away.is_empty() {
        return Ok(());
    }
    let (when, expected) = match &before.of {
        None => (String::new(), "this warrant is for the same hospitals each time"),
        Some((query, hash)) => (
            format!(" in `{query}` (warrant {hash})"),
            "it asked for the same figures of a time that is over, and those must be of the same hospitals each time",
        ),
    };
    Err(Error::session(format!(
        "these {} hospitals took part before{when}; {} of them {} away: the session cannot run",
        before.survivors.len(),
        away.len(),
        if away.len() == 1 { "is" } else { "are" }
    ))
    .place(format!("node {}", away.join(", ")))
    .expected(format!("all of them: {expected}, so that no two sums differ by one of them"))
    .remedy(
        "wait until they are linked again; where one has left, submit the query again, as a new warrant, for a time \
         that is not over",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use samensom_protocol::ids::AnnounceHash;

    #[test]
    fn those_who_took_part_are_invited_and_who_is_away_is_named() {
        let one = |i| Invited { node: NodeId(i), announce: AnnounceHash([0; 32]) };
        let mut before = Before { survivors: vec![NodeId(1), NodeId(2), NodeId(4)], of: None };
        let mut four: Vec<Invited> = (1..5).map(one).collect();
        keep(&mut four, &before).unwrap();
        assert!(four.iter().map(|one| &one.node).eq(&before.survivors));
        let told = |before: &Before| keep(&mut vec![one(1), one(3), one(4)], before).unwrap_err().to_string();
        let own = told(&before);
        assert!(own.contains("these 3 hospitals took part before; 1 of them is away"), "{own}");
        assert!(own.contains("node 2") && own.contains("this warrant"), "{own}");
        before.of = Some(("march".to_owned(), WarrantHash([7; 32])));
        let other = told(&before);
        assert!(
            other.contains("before in `march` (warrant 0707") && other.contains("a time that is over"),
            "{other}"
        );
    }
}
