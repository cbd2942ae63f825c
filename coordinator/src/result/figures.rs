//! What a verified result says, as one plain value: what table, CSV, JSON and chart are all made of.
//!
//! Owns the order of lines and columns. It must not escape (`shown.rs`) nor judge: floors are applied where
//! the figures come from.

use crate::clock;
use samensom_protocol::bundle::Verified;
use samensom_protocol::ids::{NodeId, ResultHash, SessionId};
use samensom_protocol::params::Thresholds;
use samensom_protocol::query::{Row, Value};
use samensom_protocol::warrant::Series;
use std::collections::BTreeMap;

/// Who approved.
#[derive(Debug, Clone)]
pub struct Approved {
    pub person: String,
    pub role: String,
    pub organisation: String,
}

/// The result of the same query in the slot before: whose figures are in one of both alone. What lies between the
/// two may be theirs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Before {
    pub session: SessionId,
    /// In that one, not in this.
    pub gone: Vec<NodeId>,
    /// In this one, not in that.
    pub new: Vec<NodeId>,
}

impl Before {
    /// Of two results.
    pub fn of(earlier: &Verified, now: &Verified) -> Before {
        let alone = |one: &Verified, other: &Verified| {
            let own = one.survivors.iter().filter(|node| !other.survivors.contains(node));
            own.copied().collect()
        };
        Before { session: earlier.facts.session, gone: alone(earlier, now), new: alone(now, earlier) }
    }
}

/// Facts of a result.
#[derive(Debug, Clone)]
pub struct Figures {
    pub session: SessionId,
    pub result: ResultHash,
    pub query: String,
    pub title: String,
    pub at: String,
    pub attempt: u16,
    /// Hospitals of the roster.
    pub of: u16,
    pub survivors: Vec<NodeId>,
    pub dropped: Vec<NodeId>,
    pub thresholds: Thresholds,
    pub cells: u32,
    pub width: u8,
    pub floor: u16,
    /// How many hospitals must stand behind a figure; none where nothing was counted.
    pub least: Option<u64>,
    /// The share of a total, in percent, above which no hospital may be; 0 where none is judged.
    pub dominance: u8,
    pub approvers: Vec<Approved>,
    pub rows: Vec<Row>,
    /// Who takes part from session to session, by the warrant.
    pub series: Series,
    /// Where this computer has one.
    pub before: Option<Before>,
}

impl Figures {
    /// Those of a verified bundle.
    pub fn of(session: &SessionId, verified: &Verified) -> Figures {
        let facts = &verified.facts;
        let approved = facts.warrant.approvers().iter().map(|one| Approved {
            person: one.person.to_string(),
            role: one.role.to_string(),
            organisation: one.organisation.to_string(),
        });
        Figures {
            session: *session,
            result: verified.result,
            query: facts.warrant.query().id().to_owned(),
            title: facts.warrant.query().title_nl().to_owned(),
            at: clock::text(verified.at),
            attempt: facts.header.attempt,
            of: facts.roster.size(),
            survivors: verified.survivors.clone(),
            dropped: dropped(verified),
            thresholds: facts.params().thresholds,
            cells: facts.params().cells,
            width: facts.params().width,
            floor: facts.warrant.floor(&facts.roster, &verified.survivors),
            least: verified.count.as_ref().map(|count| {
                let counted: Vec<NodeId> = count.facts.header.invited.iter().map(|one| one.node).collect();
                facts.warrant.least(&facts.roster, &counted)
            }),
            dominance: facts.warrant.body().floor_dominance,
            approvers: approved.collect(),
            rows: verified.table(),
            series: facts.warrant.body().series,
            before: None,
        }
    }

    /// A line for each set of labels, a column for each measure.
    pub fn sheet(&self) -> Sheet {
        Sheet::of(&self.rows)
    }
}

/// Those of both passes that had begun and are not in the sum.
fn dropped(verified: &Verified) -> Vec<NodeId> {
    let of_count = verified.count.iter().flat_map(|count| {
        let gone = count.survivors.iter().filter(|node| !verified.survivors.contains(node));
        count.dropped.iter().chain(gone)
    });
    let mut all: Vec<NodeId> = verified.dropped.iter().chain(of_count).copied().collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// The figures in lines and columns. Each part of a measure, such as a class of a histogram, is a column; a
/// place is empty where there is no figure of those labels.
#[derive(Debug)]
pub struct Sheet {
    /// Names of the labels.
    pub labels: Vec<String>,
    /// Names of the measures, with their units.
    pub measures: Vec<String>,
    /// In the order of the cells.
    pub lines: Vec<Line>,
}

/// One line, a place for each column.
#[derive(Debug)]
pub struct Line {
    pub labels: Vec<Option<String>>,
    pub values: Vec<Option<Value>>,
    /// Hospitals behind the figure that has the fewest.
    pub hospitals: Option<u64>,
}

impl Sheet {
    fn of(rows: &[Row]) -> Sheet {
        let mut sheet = Sheet { labels: Vec::new(), measures: Vec::new(), lines: Vec::new() };
        for row in rows {
            for (column, _) in &row.labels {
                if !sheet.labels.contains(column) {
                    sheet.labels.push(column.clone());
                }
            }
            let head = head(row);
            if !sheet.measures.contains(&head) {
                sheet.measures.push(head);
            }
        }
        let mut places: BTreeMap<&[(String, String)], usize> = BTreeMap::new();
        for row in rows {
            let place = *places.entry(&row.labels).or_insert_with(|| {
                let code =
                    |column| row.labels.iter().find(|(own, _)| own == column).map(|(_, code)| code.clone());
                sheet.lines.push(Line {
                    labels: sheet.labels.iter().map(code).collect(),
                    values: vec![None; sheet.measures.len()],
                    hospitals: None,
                });
                sheet.lines.len().saturating_sub(1)
            });
            let head = head(row);
            let column = sheet.measures.iter().position(|measure| *measure == head).unwrap_or_default();
            let Some(line) = sheet.lines.get_mut(place) else { continue };
            line.hospitals = [line.hospitals, row.hospitals].into_iter().flatten().min();
            if let Some(figure) = line.values.get_mut(column) {
                *figure = Some(row.value);
            }
        }
        sheet
    }
}

fn head(row: &Row) -> String {
    let Row { measure, part, unit, .. } = row;
    if part.is_empty() { format!("{measure} ({unit})") } else { format!("{measure} {part} ({unit})") }
}
