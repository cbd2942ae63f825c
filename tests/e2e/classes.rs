//! Cells per class of hospitals, from the roster to the table: each hospital in its own, small cells closed.

use crate::demo::summed;
use samensom_tests::harness::demo;
use std::collections::BTreeSet;

/// Eight purchasing groups of five or six, and a floor of 5.
#[test]
fn surplus_and_gap_of_each_purchasing_group() {
    let query = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/queries/redistribution.toml");
    let ended = demo(&["--hospitals", "45", "--query", query]);
    summed(&ended, 45, 45);
    let totals = ended.facts["totals"].as_array().unwrap();
    assert_eq!(totals.len(), 8 * 13 * 4);
    let groups: BTreeSet<&str> =
        totals.iter().map(|total| total["labels"]["purchasing_group"].as_str().unwrap()).collect();
    assert_eq!(groups.len(), 8);
    let shut = totals.iter().filter(|total| total["value"] == "suppressed").count();
    assert!(shut > 0 && shut < totals.len(), "{shut} of {} stay closed", totals.len());
    for total in totals.iter().filter(|total| total["value"] != "suppressed") {
        assert!(
            total["hospitals"].as_u64().is_some_and(|holders| holders == 0 || (5..=6).contains(&holders))
        );
    }
}
