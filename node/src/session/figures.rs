//! What this hospital computes for a pass: its figures, or what it says before them.
//!
//! Owns the step from the slot's frozen extract to a contribution: the own class, what stays closed, and what is
//! committed to. It must not know rounds, consent or the log.

use crate::commit;
use crate::config::Config;
use crate::extract::{self, ExtractError, Frozen, Home, Snapshots, Stop};
use samensom_protocol::ids::{AttemptId, NodeId};
use samensom_protocol::message::Pass;
use samensom_protocol::query::{Class, Counting, Dominance, Open};
use samensom_protocol::ring::Contribution;
use samensom_protocol::warrant::Warrant;
use std::sync::Arc;

/// What is to be computed of a warrant's query.
pub(super) struct What {
    /// The attempt that asks, and who is asked.
    pub sid: AttemptId,
    pub me: NodeId,
    pub pass: Pass,
    /// The figures that open; the others stay here.
    pub open: Option<Arc<Open>>,
    /// In a count pass: patients that are enough for one hospital.
    pub patients_each: u32,
    /// In a count pass: totals of before, with which the own figures are compared.
    pub dominance: Option<Arc<Dominance>>,
    /// The cells of this hospital's own class.
    pub class: Class,
}

/// Freezes the extracts for the slot, or opens what is frozen, and evaluates the query.
pub(super) fn figures(
    config: &Config,
    snapshots: &Snapshots,
    place: (&str, u64),
    (warrant, what): (&Warrant, &What),
    stop: &Stop,
) -> Result<(Contribution, Frozen), ExtractError> {
    let now = crate::clock::now();
    let frozen = snapshots.of_slot(&config.reader, &config.extracts, &config.base_dir, place, now, stop)?;
    let (query, content) = (warrant.query(), frozen.content);
    let own = query.without_classes();
    let outside =
        |_| ExtractError::Config { problem: "a figure is outside the query's range", dataset: "any" };
    // The rows alone: an extract that was only declared in another way is the one that the ledger knows (A03).
    let home = Home { configs: &config.extracts, base_dir: &config.base_dir, stop };
    if let (Pass::Count, Some(count)) = (what.pass, warrant.count()) {
        let whole = || ExtractError::Open { query: query.id().to_owned() };
        let (patients, judged) = (count.counting.counts_patients(), count.counting.judged().len());
        let counting =
            own.resolved().ok().and_then(|own| Counting::judging(&own, patients, what.dominance.is_some()));
        let counting = counting.filter(|own| own.judged().len() == judged).ok_or_else(whole)?;
        // Totals of the own class are compared with what this hospital adds to them.
        let own_totals = |before: &Arc<Dominance>| before.with(what.class.gather(judged, before.totals()));
        let dominance = what.dominance.as_ref().map(own_totals);
        let counts = (&counting, what.patients_each, dominance.as_ref());
        let said = extract::count(&own, &frozen, now, counts, &home)?;
        let said = what.class.spread(counting.lanes().len(), &said);
        let said = Contribution::new(count.params.cells, |_| (0, 1), &said, content).map_err(outside)?;
        return Ok((commit::spread(said, warrant.blocks(what.pass), (&what.sid, what.me)), frozen));
    }
    let layout = query.layout();
    let values = what.class.spread(layout.figures(), &extract::answer(&own, &frozen, now, &home)?);
    let all = Contribution::new(layout.cells(), |cell| layout.bounds(cell), &values, content);
    let opens = |cell| what.open.as_ref().is_none_or(|open| open.opens(&layout, cell));
    let all = all.map_err(outside)?.only(opens);
    Ok((commit::spread(all, warrant.blocks(what.pass), (&what.sid, what.me)), frozen))
}

#[cfg(test)]
mod tests {
    use super::*;
    use samensom_protocol::query::Query;

    /// A03: what a slot is bound to is the rows; another way to write and to declare them changes nothing.
    #[test]
    fn repro_an_extract_declared_in_another_way_is_the_same_extract() {
        let query = "[query]\nid = \"q\"\nversion = 1\ntitle = { nl = \"q\", en = \"q\" }\npurpose = \"stock\"\n\
                     dataset = \"stock\"\n[[measure]]\nname = \"lines\"\nrows = true\n";
        let query = Query::from_toml(query, &mut |_| Err(String::new())).unwrap();
        let warrant = crate::testing::warrant(&query);
        let class = query.class_of(|_| None);
        let what = What {
            sid: AttemptId([0; 32]),
            me: NodeId(1),
            pass: Pass::Value,
            open: None,
            patients_each: 0,
            dominance: None,
            class,
        };
        let contributed = |decimal: &str, rows: &str| {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join("s.csv"), format!("c;q\n{rows}\n")).unwrap();
            let text = format!(
                "[[extract]]\ndataset = \"stock\"\nfile = \"s.csv\"\nencoding = \"utf-8\"\nseparator = \";\"\n\
                 decimal = \"{decimal}\"\nunit = \"piece\"\n[extract.columns]\ncode = \"c\"\nquantity = \"q\"\n"
            );
            let config = Config::parse(&text, &folder.path().join("node.toml")).unwrap();
            let snapshots = Snapshots::of_state(&folder.path().join("state"));
            figures(&config, &snapshots, ("goods", 1), (&warrant, &what), &Stop::default())
                .unwrap()
                .0
                .extract()
        };
        let first = contributed(",", "a;1,5");
        assert_eq!(contributed(".", "a;1.5"), first);
        assert_ne!(contributed(".", "a;1.6"), first);
    }
}
