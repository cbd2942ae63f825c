//! A nation beside its purchasing groups, over one extract: what comes second closes what would give too few away.

use samensom_tests::deployment::{Deployment, Pace, Template};
use serde_json::Value;
use std::collections::BTreeMap;

const HOSPITALS: usize = 9;
const SUM: &str =
    "[[measure]]\nname = \"stock\"\nsum = \"quantity\"\nunit = \"piece\"\nscale = 0\nrange = [0, 1000]\n";

fn query(id: &str, classes: &str) -> String {
    format!(
        "[query]\nid = \"{id}\"\nversion = 1\ntitle = {{ nl = \"t\", en = \"t\" }}\npurpose = \"stock\"\n\
         dataset = \"stock\"\n[floors]\nhospitals = 3\n{classes}[[dimension]]\ncolumn = \"code\"\n\
         codes = [\"c0\", \"c1\"]\n{SUM}"
    )
}

/// All have c0; of the third group, the last alone has c1. `more` of each.
fn stock(deployment: &Deployment, more: usize) {
    for hospital in 0..HOSPITALS {
        let first = format!("code;quantity\nc0;{}\n", hospital + 1 + more);
        let second = if matches!(hospital, 6 | 7) {
            String::new()
        } else {
            format!("c1;{}\n", 10 * (hospital + 1) + more)
        };
        std::fs::write(deployment.home(hospital).join("stock.csv"), first + &second).unwrap();
    }
}

/// Figures by product and group, of which a nation has none.
fn figures(deployment: &Deployment, warrant: &str) -> BTreeMap<(String, String), String> {
    let facts = deployment.asked(&["query", "run", warrant, "--wait"]).unwrap();
    let word = |value: &Value| value.as_str().map(str::to_owned).unwrap_or_default();
    let totals = facts["summary"]["totals"].as_array().unwrap().iter();
    totals
        .map(|total| {
            let labels = &total["labels"];
            let value = total["value"].as_str().map_or_else(|| total["value"].to_string(), str::to_owned);
            ((word(&labels["code"]), word(&labels["purchasing_group"])), value)
        })
        .collect()
}

#[track_caller]
fn told(figures: &BTreeMap<(String, String), String>, expected: &[(&str, &str, &str)]) {
    let figures: Vec<(&str, &str, &str)> = figures
        .iter()
        .map(|((code, group), value)| (code.as_str(), group.as_str(), value.as_str()))
        .collect();
    assert_eq!(figures, expected);
}

#[test]
fn a_nation_and_its_groups_over_one_extract() {
    let pace = Pace { spacing_s: 45, ..Pace::of_two_passes() };
    let mut deployment = Template::make(HOSPITALS, 0, pace).deploy();
    deployment.start_all();
    let groups = "[[dimension]]\ngroup = \"purchasing_group\"\ncodes = [\"west\", \"east\", \"south\"]\n";
    let nation = deployment.approved(&query("nation", ""));
    let groups = deployment.approved(&query("groups", groups));
    deployment.next_slot();
    stock(&deployment, 0);
    told(&figures(&deployment, &nation), &[("c0", "", "45"), ("c1", "", "300")]);
    // The south is one hospital; beside the nation it stands with the east.
    let all = [("c0", "east", "15"), ("c0", "south", "24"), ("c0", "west", "6")];
    let closed = [("c1", "east", "suppressed"), ("c1", "south", "suppressed"), ("c1", "west", "60")];
    told(&figures(&deployment, &groups), &[all, closed].concat());
    // The other way round, over other extracts.
    deployment.next_slot();
    stock(&deployment, 1);
    let all = [("c0", "east", "18"), ("c0", "south", "27"), ("c0", "west", "9")];
    let closed = [("c1", "east", "153"), ("c1", "south", "suppressed"), ("c1", "west", "63")];
    told(&figures(&deployment, &groups), &[all, closed].concat());
    told(&figures(&deployment, &nation), &[("c0", "", "54"), ("c1", "", "suppressed")]);
    // In the next slot all but one have the extracts of before: what opened of them still counts.
    deployment.next_slot();
    stock(&deployment, 1);
    std::fs::write(deployment.home(0).join("stock.csv"), "code;quantity\nc0;3\nc1;11\n").unwrap();
    told(&figures(&deployment, &nation), &[("c0", "", "55"), ("c1", "", "suppressed")]);
}
