//! The demo: real processes, killed agents, real extracts; what it prints and what it leaves behind.

use samensom_tests::harness::{Ended, Running, demo, files, outside_data, processes};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The demo ended well, its figures are the true ones, and nothing is left but the bundle.
pub fn summed(ended: &Ended, hospitals: u64, survivors: u64) {
    let facts = &ended.facts;
    assert!(ended.status.success(), "{}", ended.told);
    assert_eq!(facts["equal"], true, "{}", ended.told);
    assert_eq!((&facts["hospitals"], &facts["survivors"]), (&json!(hospitals), &json!(survivors)));
    assert!(facts.get("failure").is_none());
    for total in facts["totals"].as_array().unwrap() {
        assert_eq!(total["coverage"], json!({ "hospitals": survivors, "of": hospitals }));
    }
    for key in ["session_ms", "node_up_bytes", "node_peak_rss_kb", "coordinator_peak_rss_kb"] {
        assert!(facts[key].as_u64().unwrap() > 0, "{key}");
    }
    let bundle = std::path::PathBuf::from(facts["bundle"].as_str().unwrap());
    assert_eq!(files(ended.folder.path()), [bundle]);
    assert_eq!(processes(ended.folder.path()), []);
}

/// The demo ended without a sum, says why, and left nothing.
pub fn failed(ended: &Ended, failure: &Value) {
    assert_eq!(ended.status.code(), Some(1), "{}", ended.told);
    assert!(ended.facts["equal"].is_null() && ended.facts.get("totals").is_none());
    assert_eq!(ended.facts["failure"], *failure);
    assert!(ended.told.contains("no sum: too-few"), "{}", ended.told);
    assert_eq!(files(ended.folder.path()), Vec::<std::path::PathBuf>::new());
    assert_eq!(processes(ended.folder.path()), []);
}

#[test]
fn nine_hospitals_add_up_the_same_for_a_seed() {
    let first = demo(&["--hospitals", "9", "--seed", "5"]);
    summed(&first, 9, 9);
    let facts = &first.facts;
    assert_eq!((&facts["cells"], &facts["attempts"], &facts["absent"]), (&json!(39), &json!(1), &json!(0)));
    // N = 9: X = 2, k = 2, q = 6, t = 5.
    let thresholds =
        ["colluders_tolerated", "honest_min", "quorum", "share_threshold"].map(|key| &facts[key]);
    assert_eq!(thresholds, [&json!(2), &json!(2), &json!(6), &json!(5)]);
    assert_eq!(facts["totals"].as_array().unwrap().len(), 13 * 4);
    // At most ceil(L w / 8) + 40 KB, and no lane is wider than 64 bits.
    assert!(facts["node_up_bytes"].as_u64().unwrap() <= 39 * 8 + 40_960);
    let again = demo(&["--hospitals", "9", "--seed", "5"]);
    assert_eq!(first.facts["totals"], again.facts["totals"]);
    let other = demo(&["--hospitals", "9", "--seed", "6"]);
    assert_ne!(first.facts["totals"], other.facts["totals"]);
}

#[test]
fn three_of_nine_may_be_killed_in_the_middle() {
    let ended = demo(&["--hospitals", "9", "--drop-out", "3"]);
    assert!(ended.told.contains("3 agents were killed"), "{}", ended.told);
    summed(&ended, 9, 6);
    assert_eq!((&ended.facts["dropped"], &ended.facts["attempts"]), (&json!(3), &json!(1)));
}

#[test]
fn three_of_nine_may_be_absent() {
    let ended = demo(&["--hospitals", "9", "--absent", "3"]);
    summed(&ended, 9, 6);
    assert_eq!((&ended.facts["dropped"], &ended.facts["absent"]), (&json!(0), &json!(3)));
}

#[test]
fn one_more_and_there_is_no_figure() {
    let ended = demo(&["--hospitals", "9", "--drop-out", "4"]);
    failed(&ended, &json!({ "code": "too-few", "round": "contribute", "needed": 6, "present": 5 }));
    let ended = demo(&["--hospitals", "9", "--absent", "4"]);
    failed(&ended, &json!({ "code": "too-few", "round": "channel", "needed": 6, "present": 5 }));
}

/// Five reports were lost with their attempt; once a quorum voids it, the same slot has its sum.
#[test]
fn a_lost_slot_is_voided_and_summed_by_all_nine() {
    let ended = demo(&["--hospitals", "9", "--drop-out", "4", "--come-back"]);
    summed(&ended, 9, 9);
    let first = json!({ "code": "too-few", "round": "contribute", "needed": 6, "present": 5 });
    assert_eq!(ended.facts["failed_first"], first);
    assert!(ended.told.contains("void        0/9"), "{}", ended.told);
}

#[test]
fn twenty_three_of_sixty_nine_may_be_killed_in_the_middle() {
    let ended = demo(&["--drop-out", "23"]);
    summed(&ended, 69, 46);
    assert_eq!(ended.facts["dropped"], 23);
    let thresholds = ["colluders_tolerated", "honest_min", "quorum", "share_threshold"];
    assert_eq!(thresholds.map(|key| &ended.facts[key]), [&json!(22), &json!(10), &json!(46), &json!(35)]);
}

#[test]
fn a_wrong_extract_is_found_by_the_oracle() {
    // A deposit comes from an extract that is frozen; the oracle reads the file after the session.
    let mut running = Running::start(&["--hospitals", "5"]);
    running.until("5/5");
    let extract = files(running.folder.path()).into_iter().find(|path| path.ends_with("stock.csv")).unwrap();
    let text = std::fs::read_to_string(&extract).unwrap();
    let row = "01-11-2026;90000013;ceftriaxon;7,0;regular;01-01-2029;IC\n";
    std::fs::write(&extract, format!("{text}{row}")).unwrap();
    running.until("the oracle differs: ");
    running.until("not the clear sum");
}

#[test]
fn ctrl_c_leaves_nothing_but_the_bundle() {
    let mut running = Running::start(&["--hospitals", "5", "--keep-running"]);
    running.until("running in ");
    assert_eq!(running.processes("samensom-node").len(), 5);
    assert_eq!(running.processes(" serve").len(), 1);
    let (status, out, folder) = running.interrupt();
    assert!(status.success(), "it was to stay until then");
    let facts: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(facts["equal"], true);
    assert_eq!(processes(folder.path()), []);
    assert_eq!(files(folder.path()), [std::path::PathBuf::from(facts["bundle"].as_str().unwrap())]);
}

#[test]
fn ctrl_c_before_there_is_a_sum_leaves_nothing() {
    let mut running = Running::start(&["--hospitals", "5", "--keep-running"]);
    running.until("ready after ");
    assert_eq!(running.processes("samensom-node").len(), 5);
    let (status, out, folder) = running.interrupt();
    assert_eq!((status.code(), &*out), (Some(1), ""));
    assert_eq!(processes(folder.path()), []);
    assert_eq!(files(folder.path()), Vec::<std::path::PathBuf>::new());
}

/// Real issues of methotrexate tablets at 69 hospitals: known totals, added by others.
#[test]
fn methotrexate_of_69_hospitals() {
    let Some(data) = outside_data("the demo over real extracts") else { return };
    let file = |name: &str| data.join(name).to_str().unwrap().to_owned();
    let (extracts, query) = (file("nhs_scmd.demo.toml"), file("methotrexate.query.toml"));
    let ended = demo(&["--extracts", &extracts, "--query", &query]);
    summed(&ended, 69, 69);
    assert_eq!(issued(&ended.facts), [("326874007", 6_009_133), ("326875008", 29_535)].map(named).into());
}

const ALL_TOCILIZUMAB: &str = r#"
population.where = "code = '16101911000001101' or code = '16102011000001108' or code = '16102111000001109' or code = '24856911000001102' or code = '35431611000001103'"
query = { id = "tocilizumab", version = 1, title = { nl = "t", en = "t" }, purpose = "stock", dataset = "use" }
[[measure]]
name = "issued"
sum = "quantity"
unit = "mg"
scale = 2
range = [-100000000, 100000000]
[[measure]]
name = "issuers"
hospitals = "sum(quantity) > 0"
unit = "mg"
[floors]
hospitals = 5
"#;

/// Product and strength in mg a ml; the others of the file in their own units.
const STRENGTHS: &str = "code,level,unit,factor\n16101911000001101,base,mg,20\n16102011000001108,base,mg,20\n\
    16102111000001109,base,mg,20\n24856911000001102,base,mg,180\n35431611000001103,base,mg,180\n\
    34742511000001107,base,ml,1\n34742611000001106,base,ml,1\n34742711000001102,base,ml,1\n\
    34742811000001105,base,ml,1\n38377311000001100,base,ml,1\n38377211000001108,base,vial,1\n\
    38377411000001107,base,vial,1\n";

/// Real issues of five products in ml, added in mg by a unit table that all hospitals share. Ten of the 69 have
/// no row in the file.
#[test]
fn tocilizumab_of_69_hospitals_by_a_unit_table() {
    let Some(data) = outside_data("the demo over a unit table") else { return };
    let folder = tempfile::tempdir().unwrap();
    let shipped = std::fs::read_to_string(data.join("nhs_scmd.demo.toml")).unwrap();
    let extracts = shipped
        .replace("nhs_scmd/", &format!("{}/", data.join("nhs_scmd").display()))
        .replace("scmd_methotrexate_tablets_2019-01_2020-07", "scmd_covid_meds_2019-01_2020-11")
        .replace("unit = \"tablet\"", "unit_table = \"units.csv\"\nlevel = \"base\"\ncode_kind = \"snomed\"");
    assert!(extracts.contains("unit_table") && extracts.contains("covid"), "{extracts}");
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    for (name, text) in [("demo.toml", &*extracts), ("query.toml", ALL_TOCILIZUMAB), ("units.csv", STRENGTHS)]
    {
        std::fs::write(path(name), text).unwrap();
    }
    let ended = demo(&["--extracts", &path("demo.toml"), "--query", &path("query.toml")]);
    summed(&ended, 69, 69);
    let totals = ended.facts["totals"].as_array().unwrap();
    let value = |measure: &str| &totals.iter().find(|total| total["measure"] == measure).unwrap()["value"];
    assert_eq!((value("issued"), value("issuers")), (&json!("43776130"), &json!("58")));
}

fn named((code, sum): (&str, i64)) -> (String, i64) {
    (code.to_owned(), sum)
}

/// Tablets by product over all months; every month of these has enough hospitals, and whole tablets.
fn issued(facts: &Value) -> BTreeMap<String, i64> {
    let mut sums = BTreeMap::new();
    for total in facts["totals"].as_array().unwrap().iter().filter(|total| total["measure"] == "issued") {
        let value: i64 = total["value"].as_str().unwrap().parse().unwrap();
        *sums.entry(total["code"].as_str().unwrap().to_owned()).or_default() += value;
    }
    sums
}

/// Every agent proves its figures (V3), in the count and in the sum; anyone sees that in the bundle.
#[test]
fn nine_hospitals_prove_that_their_figures_lie_in_their_ranges() {
    let folder = tempfile::TempDir::new().unwrap();
    let queries = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/queries");
    std::fs::create_dir(folder.path().join("codelists")).unwrap();
    std::fs::copy(queries.join("codelists/ccv.csv"), folder.path().join("codelists/ccv.csv")).unwrap();
    let text = std::fs::read_to_string(queries.join("stock-usable.toml")).unwrap();
    let range = "range = [-1000000, 10000000]\n";
    assert_eq!(text.matches(range).count(), 1);
    let query = folder.path().join("checked.toml");
    std::fs::write(&query, text.replace(range, &format!("{range}checked = true\n"))).unwrap();
    let ended = demo(&["--hospitals", "9", "--drop-out", "2", "--query", query.to_str().unwrap()]);
    summed(&ended, 9, 7);
    let mut verify = std::process::Command::new(samensom_tests::harness::programs().join("samensom"));
    let bundle = ended.facts["bundle"].as_str().unwrap();
    let verified = verify.args(["--format", "json", "result", "verify", bundle]).output().unwrap();
    let facts: Value = serde_json::from_slice(&verified.stdout).unwrap();
    assert_eq!((&facts["verified"], &facts["proven"]), (&json!(true), &json!(["stock"])));
    // Who wrote the manual's second implementation reads the same in it.
    let text = std::fs::read_to_string(bundle).unwrap();
    let (survivors, figures) = samensom_tests::second::read_bundle(&text).unwrap();
    let shown = ended.facts["totals"].as_array().unwrap().iter().filter(|one| one["measure"] != "kind_share");
    // Stock in tenths of a piece; a whole one is shown without.
    let base = |one: &Value| -> Option<i64> {
        let text = one["value"].as_str()?;
        let whole = one["measure"] == "stock" && !text.contains('.');
        Some(text.replace('.', "").parse::<i64>().ok()? * if whole { 10 } else { 1 })
    };
    let shown: Vec<Option<i64>> = shown.map(base).collect();
    assert_eq!((survivors.len(), &figures), (7, &shown));
    assert!(figures.iter().any(Option::is_none) && figures.iter().flatten().any(|figure| *figure > 1000));
    // One digit of a proof, and it is no bundle.
    let whole: Value = serde_json::from_str(&text).unwrap();
    let proof = whole["value"]["reports"][0]["ranges"][0].as_str().unwrap();
    let last = if proof.ends_with('0') { '1' } else { '0' };
    let changed = format!("{}{last}", &proof[..proof.len() - 1]);
    std::fs::write(bundle, text.replacen(proof, &changed, 1)).unwrap();
    let mut verify = std::process::Command::new(samensom_tests::harness::programs().join("samensom"));
    assert!(samensom_tests::second::read_bundle(&std::fs::read_to_string(bundle).unwrap()).is_err());
    let refused = verify.args(["result", "verify", bundle]).output().unwrap();
    assert_eq!(refused.status.code(), Some(8), "{}", String::from_utf8_lossy(&refused.stderr));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("A27"), "{refused:?}");
}
