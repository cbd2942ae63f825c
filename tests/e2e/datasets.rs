//! Every data set through real agents: the demo's invented ones, and an EHR set that nobody here made. The oracle
//! reads the same files without SQL and makes the derived data sets by plain loops.

use crate::demo::summed;
use samensom_tests::harness::{demo, outside_data};
use serde_json::Value;
use std::path::Path;

/// A query over a data set: its dimensions and the conditions of its rows, one measure of rows for each.
fn query(dataset: &str, dimensions: &[(&str, &str)], conditions: &[(&str, &str)]) -> String {
    let mut text = format!(
        "[query]\nid = \"q\"\nversion = 1\ntitle = {{ nl = \"t\", en = \"t\" }}\npurpose = \"quality\"\ndataset = \"{dataset}\"\n"
    );
    for (column, codes) in dimensions {
        text.push_str(&format!("[[dimension]]\ncolumn = \"{column}\"\ncodes = {codes}\n"));
    }
    for (name, condition) in conditions {
        let condition =
            if condition.is_empty() { String::new() } else { format!("where = \"{condition}\"\n") };
        text.push_str(&format!("[[measure]]\nname = \"{name}\"\nrows = true\n{condition}"));
    }
    text.push_str("[[measure]]\nname = \"holders\"\nhospitals = \"count(*) > 0\"\n");
    let patients = ["administration", "admission", "result", "course"].contains(&dataset);
    if patients {
        text.push_str("[[measure]]\nname = \"patients\"\npatients = true\n");
    }
    text + "[floors]\nhospitals = 3\n" + if patients { "patients = 10\n" } else { "" }
}

fn run(folder: &Path, name: &str, query: &str, more: &[&str]) -> Value {
    let path = folder.join(format!("{name}.toml"));
    std::fs::write(&path, query).unwrap();
    let mut args = vec!["--query", path.to_str().unwrap()];
    args.extend(more);
    let ended = demo(&args);
    let hospitals = if more.contains(&"5") { 5 } else { 69 };
    summed(&ended, hospitals, hospitals);
    ended.facts["totals"].clone()
}

/// What the shown lines of a measure add up to.
fn all(totals: &Value, measure: &str) -> u64 {
    let lines = totals.as_array().unwrap().iter().filter(|line| line["measure"] == measure);
    let shown = lines.map(|line| line["value"].as_str().unwrap()).filter(|value| *value != "suppressed");
    shown.map(|value| value.parse::<u64>().unwrap()).sum()
}

#[test]
fn every_invented_data_set_adds_up() {
    let folder = tempfile::tempdir().unwrap();
    let medicines = r#"["90000013", "90000064", "90000099"]"#;
    for (dataset, dimensions, conditions) in [
        ("use", vec![("code", medicines)], vec![("months", ""), ("returns", "quantity < 0")]),
        (
            "orders",
            vec![("supplier", r#"["originator", "generic-a", "generic-b", "import", "compounding"]"#)],
            vec![("lines", ""), ("partly", "delivered_quantity < 50")],
        ),
        (
            "administration",
            vec![("route", r#"["iv", "oral"]"#)],
            vec![("given", ""), ("old", "age >= 70"), ("in_ic", "ward = 'IC'")],
        ),
        (
            "admission",
            vec![("specialty", r#"["internal", "surgery", "cardiology", "gastroenterology", "nephrology"]"#)],
            vec![("stays", ""), ("young", "age < 40")],
        ),
        (
            "result",
            vec![("code", r#"["vancomycine", "kreatinine"]"#)],
            vec![("results", ""), ("high", "value > 15")],
        ),
        (
            "position",
            vec![("code", medicines)],
            vec![
                ("products", ""),
                ("in_stock", "stock > 0"),
                ("due_soon", "due_0 > 0 or due_1 > 0 or due_2 > 0"),
                ("due_late", "due_later > 0 or due_unknown > 0 or due_12 > 0"),
                ("much_used", "use_3m > 100 and use_12m > 400"),
            ],
        ),
        (
            "course",
            vec![("route", r#"["iv", "oral"]"#)],
            vec![
                ("courses", ""),
                ("switched", "switched_on_day <= 3"),
                ("again", "event = 1"),
                ("seen", "event_day > 30"),
                ("indicated", "indication = 'M01A' or indication = 'B01' or indication = 'H02AB'"),
                ("beds", "bed_days > 5"),
            ],
        ),
    ] {
        let totals =
            run(folder.path(), dataset, &query(dataset, &dimensions, &conditions), &["--hospitals", "5"]);
        // Of few hospitals a figure stays closed; how many there are is said all the same.
        for (name, _) in conditions {
            let held = |line: &Value| line["measure"] == name && line["hospitals"].as_u64() > Some(0);
            assert!(totals.as_array().unwrap().iter().any(held), "{dataset}: {name} of nothing");
        }
        assert!(totals.as_array().unwrap().iter().any(|line| line["value"] != "suppressed"), "{dataset}");
    }
}

#[test]
fn gibleed_over_69_hospitals_by_its_shipped_mapping() {
    let Some(data) = outside_data("the demo over GiBleed") else { return };
    let folder = tempfile::tempdir().unwrap();
    let shipped = include_str!("../../deploy/config/omop-5.3.toml");
    let (shipped, _) = shipped.split_once("[[extract]]\ndataset = \"result\"").unwrap();
    let set = data.join("omop53_eunomia");
    let hospitals = data.join("nhs_scmd/derived_69_trusts.csv");
    let keys = format!(
        "[hospitals]\nfile = \"{}\"\nid = \"ods_code\"\nname = \"ods_name\"\ngroup = \"region_code_as_purchasing_group\"\n",
        hospitals.display()
    );
    let extracts = shipped
        .replace("file = \"", &format!("file = \"{}/", set.display()))
        .replace("encoding = ", "hospital = \"PERSON_ID\"\nsplit = 69\nencoding = ");
    let path = folder.path().join("gibleed.toml");
    let demo_file = path.to_str().unwrap();
    std::fs::write(&path, format!("{keys}{extracts}")).unwrap();
    let drugs = r#"["1127433", "40213160", "40213227", "19059056", "1713671"]"#;
    let given = query("administration", &[("code", drugs)], &[("given", ""), ("with_stay", "quantity = 0")]);
    let totals = run(folder.path(), "given", &given, &["--extracts", demo_file]);
    assert_eq!(all(&totals, "given"), 9_365 + 7_977 + 7_430 + 4_380 + 3_851);
    assert_eq!(all(&totals, "with_stay"), all(&totals, "given"), "0 in every row of the set");
    // First to next exposure of the same drug, whatever the visit: without stays there is a course per drug.
    std::fs::write(&path, format!("{keys}{extracts}").replacen("stay = \"VISIT_OCCURRENCE_ID\"\n", "", 1))
        .unwrap();
    let conditions = [
        ("courses", ""),
        ("again", "event = 1"),
        ("again_in_a_year", "event = 1 and event_day <= 365"),
        ("censored_in_a_year", "event = 0 and event_day <= 365"),
    ];
    let text = query("course", &[("code", drugs)], &conditions).replace(
        "[floors]",
        "[[measure]]\nname = \"next\"\nsurvival = \"event_day\"\nevent = \"event = 1\"\nbins = [365, 730, 3650]\n\
         [[measure]]\nname = \"length\"\nmoments = \"days\"\nper = \"row\"\nscale = 0\nrange = [0, 40000]\n\
         [[derive]]\nname = \"left\"\ncurve = \"next\"\nscale = 4\n\
         [[derive]]\nname = \"mean_days\"\nmean = \"length\"\nscale = 2\n[floors]",
    );
    let totals = run(folder.path(), "course", &text, &["--extracts", demo_file]);
    let of = |name| all(&totals, name);
    assert!(of("courses") > of("again") && of("again") > of("again_in_a_year"), "{totals}");
    assert!(of("again_in_a_year") > 0, "{totals}");
    let few = |line: &&Value| line["measure"] == "censored_in_a_year" && line["value"] == "suppressed";
    assert!(totals.as_array().unwrap().iter().any(|line| few(&line)), "few hospitals have one: {totals}");
}
