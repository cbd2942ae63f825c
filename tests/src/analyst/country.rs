//! Twelve hospitals in three groups, the rosters of some years, and a warrant for every query under each.

use super::FLOOR;
use super::queries::Asked;
use crate::adversary::floors;
use crate::adversary::town::{Town, roster_after, town_of_classes};
use samensom_protocol::codec::Text;
use samensom_protocol::ids::NodeId;
use samensom_protocol::roster::{Roster, Status};
use samensom_protocol::warrant::{Series, Warrant};
use std::sync::Arc;

/// Hospitals in the first roster: q = 8.
pub const HOSPITALS: u16 = 12;
const GROUPS: [&str; 3] = ["north", "south", "east"];

/// What a new roster does to a hospital.
#[derive(Clone, Copy)]
enum Change {
    Suspends(u16),
    Resumes(u16),
    Moves(u16, usize),
}

/// Years of rosters; nobody goes back in one.
const YEARS: [[Change; 2]; 3] = [
    [Change::Suspends(12), Change::Moves(9, 0)],
    [Change::Moves(5, 1), Change::Suspends(1)],
    [Change::Suspends(9), Change::Resumes(9)],
];

fn group(node: u16) -> usize {
    [0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2][usize::from(node - 1)]
}

/// One roster and its warrants, in the order of the queries.
pub struct Epoch {
    pub roster: Arc<Roster>,
    pub warrants: Vec<Arc<Warrant>>,
}

impl Epoch {
    fn new(town: &Town, roster: Arc<Roster>, pool: &[Asked]) -> Epoch {
        let warrant = |asked: &Asked| {
            let signed = floors::asked(town, &asked.text, |terms| {
                terms.roster = roster.hash();
                terms.floor_hospitals = u16::try_from(FLOOR).unwrap();
                terms.may_miss = u8::from(asked.may_miss);
                terms.series = if asked.over { Series::Equal } else { Series::Free };
            });
            Arc::new(signed.read(&roster).unwrap_or_else(|fault| panic!("{fault}: {}", asked.text)))
        };
        let warrants = pool.iter().map(warrant).collect();
        Epoch { roster, warrants }
    }
    /// The place of a hospital's group.
    pub fn group_of(&self, node: NodeId) -> Option<usize> {
        let member = self.roster.member(node)?;
        GROUPS.iter().position(|group| *group == &*member.group)
    }
    /// Hospitals that take part.
    pub fn active(&self) -> Vec<NodeId> {
        self.roster.active().map(|member| member.id).collect()
    }
}

/// What is the same in every sequence.
pub struct Country {
    pub town: Arc<Town>,
    pub years: Vec<Vec<Epoch>>,
}

impl Country {
    pub fn new(pool: &[Asked]) -> Country {
        let town = town_of_classes(HOSPITALS, &|node| (GROUPS[group(node)], "general"), "");
        let year = |changes: &[Change; 2]| {
            let mut rosters = vec![Arc::clone(&town.roster)];
            for change in changes {
                let next = roster_after(&rosters[rosters.len() - 1], |member| match *change {
                    Change::Suspends(node) if member.id.0 == node => member.status = Status::Suspended,
                    Change::Resumes(node) if member.id.0 == node => member.status = Status::Active,
                    Change::Moves(node, to) if member.id.0 == node => {
                        member.group = Text::new(GROUPS[to]).unwrap()
                    }
                    _ => {}
                });
                rosters.push(next);
            }
            rosters.into_iter().map(|roster| Epoch::new(&town, roster, pool)).collect()
        };
        let years = YEARS.iter().map(year).collect();
        Country { town, years }
    }
}
