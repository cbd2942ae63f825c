//! Shipped queries over small extracts of our own, every figure reckoned by hand.
//!
//! Two hospitals answer; what is compared is the national table that people see, without floors, which two
//! hospitals could not meet.

use samensom_node::extract::{ExtractConfig, evaluate, freeze};
use samensom_protocol::query::{Date, Query, Shown, table};
use samensom_protocol::time::Time;
use std::path::{Path, PathBuf};

/// 15 November 2026.
const TODAY: &str = "2026-11-15";
/// Codes of the shipped list: ceftriaxon, clonidine.
const CEF: &str = "90000013";
const CLO: &str = "90000021";

fn query(id: &str, set: &[(&str, &str)]) -> Query {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/queries");
    let text = std::fs::read_to_string(folder.join(format!("{id}.toml"))).unwrap();
    let mut codes = |list: &str| std::fs::read_to_string(folder.join(list)).map_err(|why| why.to_string());
    let set: Vec<(String, String)> =
        set.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let query = Query::from_toml(&text, &mut codes).unwrap_or_else(|why| panic!("{id}: {why}"));
    query.bound(&set, Date::parse(TODAY).unwrap()).unwrap()
}

/// An extract: its data set, its header of our own names, its rows.
type Extract<'a> = (&'a str, &'a str, &'a [&'a str]);

fn config(folder: &Path, (dataset, header, rows): &Extract<'_>) -> ExtractConfig {
    let file = format!("{dataset}.csv");
    std::fs::write(folder.join(&file), format!("{header}\n{}\n", rows.join("\n"))).unwrap();
    let columns: Vec<String> = header
        .split(',')
        .filter(|name| *name != "unit")
        .map(|name| format!("\"{name}\": \"{name}\""))
        .collect();
    let unit = if *dataset == "admission" {
        ""
    } else if header.contains("unit") {
        "\"unit_column\": \"unit\","
    } else {
        "\"unit\": \"piece\","
    };
    let text = format!(
        "{{ \"dataset\": \"{dataset}\", \"file\": \"{file}\", \"encoding\": \"utf-8\", \"separator\": \",\", \
         \"decimal\": \".\", \"date\": \"%Y-%m-%d\", {unit} \"columns\": {{ {} }} }}",
        columns.join(", ")
    );
    serde_json::from_str(&text).unwrap_or_else(|why| panic!("{why}\n{text}"))
}

/// The national table: cell, measure, part -> figure.
fn national(query: &Query, hospitals: &[&[Extract<'_>]]) -> Vec<(String, String)> {
    let mut sum = vec![0_i128; usize::try_from(query.layout().cells()).unwrap()];
    for extracts in hospitals {
        let folder = tempfile::tempdir().unwrap();
        let configs: Vec<ExtractConfig> = extracts.iter().map(|one| config(folder.path(), one)).collect();
        let db: PathBuf = folder.path().join("slot.db");
        let frozen = freeze(&configs, folder.path(), &db, Time(0)).unwrap_or_else(|why| panic!("{why}"));
        let figures = evaluate(query, &frozen).unwrap_or_else(|why| panic!("{why}"));
        sum.iter_mut().zip(figures).for_each(|(sum, figure)| *sum += i128::from(figure));
    }
    let named = table(query, &sum, &Shown::All).into_iter().map(|row| {
        let mut name: Vec<String> = row.labels.into_iter().map(|(_, value)| value).collect();
        name.extend([row.measure, row.part].into_iter().filter(|text| !text.is_empty()));
        (name.join(" "), row.value.to_string())
    });
    named.collect()
}

fn check(table: &[(String, String)], expected: &[(&str, &str)]) {
    for (name, figure) in expected {
        let found = table.iter().find(|(found, _)| found == name);
        let found = found.unwrap_or_else(|| panic!("no figure `{name}` in {table:#?}"));
        assert_eq!(found.1, *figure, "{name}");
    }
}

const STOCK: &str = "as_of,code,quantity,kind,expiry";
const USE: &str = "period,code,quantity";
const ORDERS: &str = "ordered,code,quantity,eta,delivered,delivered_quantity,supplier";

/// Hospital A: 100 regular and 50 CCV, 10 a month in the last 12 months; hospital B: 5 regular, 30 a month.
fn goods() -> (Vec<String>, Vec<String>) {
    let month = |back: i32| Date::parse(TODAY).unwrap().plus_months(-back).unwrap();
    let used = |amount: u32| (1..=12).map(|back| format!("{},{CEF},{amount}", month(back))).collect();
    (used(10), used(30))
}

fn with_goods(query: &Query) -> Vec<(String, String)> {
    let (a, b) = goods();
    let (a, b): (Vec<&str>, Vec<&str>) =
        (a.iter().map(String::as_str).collect(), b.iter().map(String::as_str).collect());
    let stock_a = format!("2026-11-15,{CEF},100,regular,2027-12-31");
    let ccv_a = format!("2026-11-15,{CEF},50,ccv,2026-12-10");
    let stock_b = format!("2026-11-15,{CEF},5,regular,");
    let other = format!("2026-11-15,{CLO},7,study,");
    let late = format!("2026-10-01,{CEF},40,2026-11-01,,,generic-a");
    let came = format!("2026-09-01,{CEF},20,2026-10-01,2026-10-10,18,generic-a");
    let soon = format!("2026-11-10,{CEF},25,2026-11-24,,,");
    national(
        query,
        &[
            &[
                ("stock", STOCK, &[&stock_a, &ccv_a, &other]),
                ("use", USE, &a),
                ("orders", ORDERS, &[&came, &soon]),
            ],
            &[("stock", STOCK, &[&stock_b]), ("use", USE, &b), ("orders", ORDERS, &[&late])],
        ],
    )
}

#[test]
fn stock_and_cover() {
    // 105 regular, 480 in a year, 120 in 3 months: 40 a month both ways.
    check(
        &with_goods(&query("stock-cover", &[])),
        &[
            ("90000013 stock_regular", "105"),
            ("90000013 stock_ccv", "50"),
            ("90000013 used_12m", "480"),
            ("90000013 used_3m", "120"),
            ("90000013 holders", "2"),
            ("90000013 cover_12m", "2.62"),
            ("90000013 cover_3m", "2.62"),
            ("90000021 holders", "0"),
            ("90000021 cover_12m", "no use"),
        ],
    );
    // A month from 15 November is 15 December: the CCV batch is no longer good then.
    let usable = with_goods(&query("stock-usable", &[]));
    check(
        &usable,
        &[
            ("90000013 regular stock", "105"),
            ("90000013 ccv stock", "0"),
            ("90000013 regular kind_share", "1"),
        ],
    );
    let earlier = with_goods(&query("stock-usable", &[("horizon", "2026-12-09")]));
    check(&earlier, &[("90000013 ccv stock", "50"), ("90000013 ccv holders", "1")]);
}

#[test]
fn cover_norm_and_signal() {
    // A: 100 / 10 = 10 months; with CCV 15. B: 5 / 30 = 1/6 of a month.
    check(
        &with_goods(&query("cover-distribution", &[])),
        &[
            ("90000013 cover >=8", "1"),
            ("90000013 cover 0.000001 to <0.25", "1"),
            ("90000013 cover_with_ccv >=8", "1"),
            ("90000013 cover none", "0"),
            ("90000013 median", "0.25"),
            ("90000021 cover none", "1"),
            ("90000021 hospitals_there", "1"),
        ],
    );
    // Norm: 5 + 3 x 1 = 8 months: A 80 (150 there), B 240 (5 there).
    check(
        &with_goods(&query("ccv-norm-2025", &[])),
        &[
            ("90000013 stock_all", "155"),
            ("90000013 norm", "320"),
            ("90000013 gap", "235"),
            ("90000013 surplus", "70"),
            ("90000013 below_norm", "1"),
            ("90000013 taking_part", "1"),
        ],
    );
    // Both use as much a month in the last 3 months as in the year.
    check(
        &with_goods(&query("demand-signal", &[])),
        &[
            ("90000013 ratio n", "2"),
            ("90000013 ratio sum", "2"),
            ("90000013 ratio squares", "2"),
            ("90000013 ratio_class 0.8 to <1.2", "2"),
            ("90000013 above_1_5", "0"),
            ("90000013 mean_ratio", "1"),
            ("90000013 variance_ratio", "0"),
            ("90000021 ratio none", "1"),
        ],
    );
}

#[test]
fn outlook_and_deliveries() {
    // Week 0: A 100 - 120/52, B 5 + 40 overdue - 360/52. Week 1 brings 25 to A.
    // Each rounds its own: 97.7 + 38.1; week 1: 120.4 + 31.2.
    check(
        &with_goods(&query("shortage-outlook", &[])),
        &[
            ("90000013 week_0", "135.8"),
            ("90000013 week_1", "151.6"),
            ("90000013 out_0", "0"),
            // B after 13 weeks: 45 - 360 / 4 = -45.
            ("90000013 out_12", "1"),
            ("90000013 due_without_date", "0"),
            // Weeks of stock: A 100 / (120/52) = 43.3, B 5 / (360/52) = 0.72.
            ("90000013 weeks_of_stock >=12", "1"),
            ("90000013 weeks_of_stock <2", "1"),
        ],
    );
    // Since 17 August 2026 one line came: 18 of 20, 9 days late.
    check(
        &with_goods(&query("delivery-reliability", &[])),
        &[
            ("90000013 generic-a lines", "1"),
            ("90000013 generic-a late", "1"),
            ("90000013 generic-a ordered_quantity", "20"),
            ("90000013 generic-a delivered_quantity_sum", "18"),
            ("90000013 generic-a days_late 8 to <15", "1"),
            ("90000013 generic-a fill_rate", "0.9"),
            ("90000013 missing lines", "0"),
        ],
    );
}

const GIVEN: &str = "person,code,at,quantity,unit,route,ward,stay,age";

#[test]
fn courses_of_patients() {
    let rows = [
        // 3 days, not given again; the last record is 2 February.
        "1,A02BC01,2026-01-01,40,mg,oral,IC,a,71",
        "1,A02BC01,2026-01-03,40,mg,oral,IC,a,71",
        "1,N02BE01,2026-02-02,1000,mg,iv,IC,a,71",
        // 1 day; the same drug again after 40 days.
        "2,A02BC02,2026-01-10,20,mg,oral,OK,b,30",
        "2,A02BC02,2026-02-19,20,mg,oral,OK,c,30",
    ];
    let durations = national(&query("ppi-duration", &[]), &[&[("administration", GIVEN, &rows)]]);
    check(
        &durations,
        &[
            (">=70 courses", "1"),
            (">=70 days_each sum", "3"),
            (">=70 days_class <4", "1"),
            // Two stays are two courses of one patient.
            ("<70 courses", "2"),
            ("<70 patients", "1"),
            ("<70 days_each n", "2"),
            ("<70 mean_days", "1"),
        ],
    );
    let antibiotic: Vec<String> =
        rows.iter().map(|row| row.replace("A02BC01", "J01MA02").replace("A02BC02", "J01MA02")).collect();
    let antibiotic: Vec<&str> = antibiotic.iter().map(String::as_str).collect();
    let restart = national(&query("time-to-restart", &[]), &[&[("administration", GIVEN, &antibiotic)]]);
    // Person 1: censored on day 32; person 2, stay b: event on day 40; stay c: censored on day 0.
    check(
        &restart,
        &[
            ("J01MA02 restart <30 at risk", "3"),
            ("J01MA02 restart <30 censored", "1"),
            ("J01MA02 restart 30 to <60 at risk", "2"),
            ("J01MA02 restart 30 to <60 event", "1"),
            ("J01MA02 restart 30 to <60 censored", "1"),
            ("J01MA02 restart 60 to <90 at risk", "0"),
            ("J01MA02 not_restarted until 30", "1"),
            // 1 - 1 / (2 - 1/2)
            ("J01MA02 not_restarted until 60", "0.3333"),
            ("J01MA02 not_restarted until 90", "no use"),
            ("J01MA02 patients", "2"),
        ],
    );
}

#[test]
fn what_patients_were_given() {
    let rows = [
        "1,N01AH03,2026-06-10,0.25,mg,iv,IC,a,50",
        "1,N01AH06,2026-06-11,5,mg,iv,IC,a,50",
        "2,N01AH06,2026-07-01,7.5,mg,iv,IC,b,60",
        "2,N01AH06,2026-07-02,2.5,mg,iv,OK,b,60",
        "3,B05AA01,2026-01-01,40,g,iv,IC,c,60",
        "3,N02BE01,2026-01-02,1000,mg,iv,OK,c,60",
        "3,N02BE01,2026-01-03,500,mg,oral,OK,c,60",
        "3,N02BE01,2026-01-04,500,mg,rectal,OK,c,60",
        "3,M03AC09,2026-01-05,50,mg,iv,OK,c,60",
    ];
    let given: &[Extract<'_>] = &[("administration", GIVEN, &rows)];
    let june = "2026-06-01 to <2026-07-01";
    check(
        &national(&query("opioid-shift", &[]), &[given]),
        &[
            (&format!("N01AH03 {june} milligrams"), "0.25"),
            (&format!("N01AH06 {june} administrations"), "1"),
            (&format!("N01AH06 {june} administration_share"), "0.5"),
            ("N01AH06 2026-07-01 to <2026-08-01 milligrams", "7.5"),
        ],
    );
    let winter = "2026-01-01 to <2026-04-01";
    check(
        &national(&query("albumin-use", &[]), &[given]),
        &[(&format!("IC {winter} grams"), "40"), (&format!("IC {winter} grams_class 40 to <80"), "1")],
    );
    check(
        &national(&query("iv-paracetamol", &[]), &[given]),
        &[(&format!("iv {winter} milligrams"), "1000"), (&format!("iv {winter} route_share"), "0.667")],
    );
    check(
        &national(&query("muscle-relaxants", &[]), &[given]),
        &[
            ("M03AC09 OK milligrams", "50"),
            ("M03AC09 OK mg_class 50 to <100", "1"),
            ("M03AC09 OK mg_per_patient", "50"),
        ],
    );
}

#[test]
fn lines_before_and_after_an_alert() {
    // 12 months before the alert flat at 10, 12 after it falling by 1 a month; every line has its own level.
    let month = |number: i32| Date::parse("2024-11-01").unwrap().plus_months(number).unwrap();
    let rows: Vec<String> = (0..24)
        .map(|number| format!("{},{CEF},{}", month(number), if number < 12 { 10 } else { 40 - number }))
        .collect();
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let table = national(&query("measure-effect", &[]), &[&[("use", USE, &rows)]]);
    check(
        &table,
        &[
            ("90000013 before n", "12"),
            ("90000013 before y", "120"),
            ("90000013 line_before intercept", "10"),
            ("90000013 line_before x1", "0"),
            ("90000013 line_before degrees of freedom", "10"),
            ("90000013 after y", "270"),
        ],
    );
    let slope = &table.iter().find(|(name, _)| name == "90000013 line_after x1").unwrap().1;
    assert!(slope.starts_with("-0.03"), "a piece a month is about 0.033 a day: {slope}");
}

#[test]
fn fluids_in_bags() {
    let rows =
        ["2026-11-15,90000153,30,regular,", "2026-11-15,90000161,10,own,", "2026-11-15,90000161,5,study,"];
    check(
        &national(&query("infusion-fluids", &[]), &[&[("stock", STOCK, &rows)]]),
        &[("90000153 bags", "30"), ("90000161 bags", "10"), ("90000153 share_of_all", "0.75")],
    );
}
