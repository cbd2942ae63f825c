//! What this hospital has answered over an extract, and whether a query over patients is too close to it.
//!
//! Owns the way from the ledger (which warrants were contributed to, over which rows) to their queries, which the desk
//! keeps as they were offered; nothing else is kept, and no patient ever. What cannot be told is not passed over: the
//! query is refused. The comparing is the extract's, the rule the protocol's.

use super::Driver;
use crate::desk::Desk;
use crate::extract::{ExtractError, Frozen, refuse_overlap};
use samensom_protocol::ids::{ExtractHash, WarrantHash};
use samensom_protocol::node::Node;
use samensom_protocol::query::{Answered, Query};
use std::collections::BTreeSet;
use std::path::Path;

/// What was answered over the rows of one lock.
pub(super) struct Before {
    desk: Desk,
    warrants: BTreeSet<(ExtractHash, WarrantHash)>,
}

impl Driver {
    /// What was answered over the rows of a lock, by the ledger as it is now.
    pub(super) fn answered(&self, lock: &str) -> Before {
        let ledger = self.node.as_ref().map(Node::ledger);
        let warrants = ledger.map(|ledger| ledger.answered(lock)).unwrap_or_default();
        Before { warrants, ..Before::of(&self.config.state) }
    }
}

impl Before {
    /// Nothing yet, of this state folder.
    fn of(state: &Path) -> Before {
        Before { desk: Desk::of_state(state), warrants: BTreeSet::new() }
    }

    /// That a query with its floor of patients, as this hospital computes it, is not too close to one that was answered.
    ///
    /// # Errors
    /// When it is, or when that cannot be told.
    pub(super) fn refuse_overlap(
        &self,
        (own, patients): (&Query, u32),
        frozen: &Frozen,
    ) -> Result<(), ExtractError> {
        if !own.dataset().has_patients() {
            return Ok(());
        }
        let open = || ExtractError::Open { query: own.id().to_owned() };
        let query = own.resolved().map_err(|_| open())?;
        let own = Answered { query, patients };
        let of_extract = self.warrants.iter().filter(|(extract, _)| *extract == frozen.content);
        let answered: Option<Vec<Answered>> = of_extract.map(|(_, hash)| self.query(hash)).collect();
        refuse_overlap(&own, &answered.ok_or(ExtractError::Forgotten)?, frozen)
    }

    /// The query of a warrant as this hospital computed it.
    fn query(&self, hash: &WarrantHash) -> Option<Answered> {
        let offered = self.desk.of(hash)?;
        let query = offered.query.without_classes().resolved().ok()?;
        Some(Answered { query, patients: offered.body.floor_patients })
    }
}

#[cfg(test)]
impl Default for Before {
    fn default() -> Before {
        Before::of(Path::new("nowhere"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::extract::{ExtractConfig, freeze};
    use samensom_protocol::time::Time;

    /// What the ledger names and the desk no longer has might be anything.
    #[test]
    fn what_was_answered_and_cannot_be_told_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let text = "dataset = \"administration\"\nfile = \"x.csv\"\nencoding = \"utf-8\"\nseparator = \";\"\n\
                    decimal = \",\"\ndate = \"%Y-%m-%d\"\nunit = \"mg\"\n\
                    columns = { person = \"p\", code = \"c\", at = \"d\", quantity = \"q\" }\n";
        let config: ExtractConfig = toml::from_str(text).unwrap();
        std::fs::write(folder.path().join("x.csv"), "p;c;d;q\np1;x;2026-11-01;1\n").unwrap();
        let db = folder.path().join("slot.db");
        let frozen = freeze(&[config], folder.path(), &db, Time(1_793_620_800_000)).unwrap();
        let query = "[query]\nid = \"q\"\nversion = 1\ntitle = { nl = \"q\", en = \"q\" }\npurpose = \"quality\"\n\
                     dataset = \"administration\"\n[[measure]]\nname = \"n\"\npatients = true\n\
                     [floors]\nhospitals = 3\npatients = 10\n";
        let query = Query::from_toml(query, &mut |_| Err(String::new())).unwrap();
        let over = |extract| Before {
            warrants: [(extract, WarrantHash([7; 32]))].into(),
            ..Before::of(folder.path())
        };
        over(ExtractHash([0; 32])).refuse_overlap((&query, 10), &frozen).unwrap();
        let refused = over(frozen.content).refuse_overlap((&query, 10), &frozen).unwrap_err();
        assert!(refused.is_of_the_ledger() && refused.to_string().contains("cannot be told"), "{refused}");
    }
}
