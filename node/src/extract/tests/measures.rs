//! Figures of measures that are more than a sum or a count, by hand.

use super::*;

/// Code, quantity, kind, expiry, place; peildatum 1 November 2026.
fn folder() -> Folder {
    Folder::stock(&[
        "midazolam;10;regular;01-12-2026;apotheek;01-11-2026;1",
        "midazolam;4;ccv;11-11-2026;ok;01-11-2026;1",
        "midazolam;2;ccv;;ok;01-11-2026;1",
        "propofol;0,5;ccv;01-11-2026;;01-11-2026;1",
    ])
}

fn figures(body: &str) -> Vec<i64> {
    folder().evaluate(&query(body)).unwrap_or_else(|error| panic!("{body}\n{error}"))
}

const ALL: &str = "[[dimension]]\ncolumn = \"code\"\ncodes = [\"midazolam\", \"propofol\", \"morfine\"]\n";

#[test]
fn a_sum_may_be_of_what_is_computed() {
    let sum = |of: &str, unit: &str| {
        format!("[[measure]]\nname = \"s\"\nsum = \"{of}\"\n{unit}scale = 2\nrange = [0, 9000]\n")
    };
    // 10 x 30 days + 4 x 10 days; a row without an expiry date adds nothing.
    assert_eq!(figures(&sum("quantity * (expiry - as_of)", "unit = \"piece\"\n")), [34_000]);
    // Thirds are added exactly and rounded once: 16.5 / 3 = 5.5.
    assert_eq!(figures(&sum("quantity / 3", "unit = \"piece\"\n")), [550]);
    // Division by zero is absent: 10/30 + 4/10 = 0.7333.
    assert_eq!(figures(&sum("quantity / (expiry - as_of)", "unit = \"piece\"\n")), [73]);
    assert_eq!(figures(&sum("expiry - as_of", "")), [4_000]);
}

#[test]
fn a_histogram_counts_hospitals_with_rows_or_rows() {
    let histogram = |of: &str, per: &str| {
        format!(
            "{ALL}[[measure]]\nname = \"h\"\nhistogram = \"{of}\"\nper = \"{per}\"\nunit = \"piece\"\nbins = [0.5, 10]\n"
        )
    };
    #[rustfmt::skip]
    assert_eq!(figures(&histogram("sum(quantity)", "hospital")), [
        0, 0, 1, 0,
        0, 1, 0, 0, // 0.5 lies in the class that it begins
        0, 0, 0, 0, // no rows, no value
    ]);
    #[rustfmt::skip]
    assert_eq!(figures(&histogram("quantity", "row")), [
        0, 2, 1, 0,
        0, 1, 0, 0,
        0, 0, 0, 0,
    ]);
    let absent = "quantity / (expiry - as_of)";
    #[rustfmt::skip]
    assert_eq!(figures(&histogram(absent, "row")), [
        2, 0, 0, 1,
        0, 0, 0, 1,
        0, 0, 0, 0,
    ]);
    let of_cell = "sum(quantity) / (max(expiry) - min(expiry))";
    assert_eq!(figures(&histogram(of_cell, "hospital"))[..8], [0, 1, 0, 0, 0, 0, 0, 1]);
}

#[test]
fn moments_and_products_are_exact() {
    let moments = |per: &str, of: &str| {
        format!(
            "{ALL}[[measure]]\nname = \"m\"\nmoments = \"{of}\"\nper = \"{per}\"\nunit = \"piece\"\nscale = 1\nrange = [0, 20]\n"
        )
    };
    #[rustfmt::skip]
    assert_eq!(figures(&moments("row", "quantity")), [
        3, 160, 1_200, 0,
        1, 5, 2, 0, // 0.25 is rounded half to even
        0, 0, 0, 0,
    ]);
    assert_eq!(figures(&moments("hospital", "sum(quantity) / 2"))[..8], [1, 80, 640, 0, 1, 2, 1, 0]);
    // y = quantity on x = days to expiry: (10, 30), (4, 10); the row without a date is counted apart.
    let regression = "[[measure]]\nname = \"r\"\nregression = \"quantity\"\non = [\"expiry - as_of\"]\nper = \"row\"\n\
         unit = \"piece\"\nscale = 0\nrange = [0, 40]\nwhere = \"code = 'midazolam'\"\n";
    assert_eq!(figures(regression), [2, 40, 1_000, 14, 340, 116, 1]);
    let error = folder().evaluate(&query(&regression.replace("[0, 40]", "[0, 29]"))).unwrap_err();
    assert_eq!(error.code(), "refused");
    let text = error.to_string();
    assert!(text.contains("measure `r`: a value of 30 is outside the query's range 0 to 29"), "{text}");
}

#[test]
fn rows_at_risk_have_an_event_or_are_censored() {
    let survival = "[[measure]]\nname = \"s\"\nsurvival = \"expiry - as_of\"\nevent = \"kind = 'ccv'\"\nbins = [10, 30]\n";
    // Times 30 (regular), 10 (ccv), absent, 0 (ccv).
    #[rustfmt::skip]
    assert_eq!(figures(survival), [
        3, 1, 0,
        2, 1, 0,
        1, 0, 1,
        1,
    ]);
}

#[test]
fn dimensions_have_classes_others_and_missing_values() {
    let rows = "[[measure]]\nname = \"n\"\nrows = true\n";
    let days =
        "[[dimension]]\ncolumn = \"expiry\"\nbins = [\"2026-11-11\", \"2026-12-01\"]\nmissing = true\n";
    assert_eq!(figures(&format!("{days}{rows}")), [1, 1, 1, 1]);
    let place = "[[dimension]]\ncolumn = \"location\"\ncodes = [\"ok\"]\n";
    assert_eq!(figures(&format!("{place}{rows}")), [2]);
    assert_eq!(figures(&format!("{place}other = true\n{rows}")), [2, 1]);
    assert_eq!(figures(&format!("{place}missing = true\n{rows}")), [2, 1]);
    assert_eq!(figures(&format!("{place}other = true\nmissing = true\n{rows}")), [2, 1, 1]);
    let code = "[[dimension]]\ncolumn = \"code\"\ncodes = [\"propofol\"]\nother = true\n";
    assert_eq!(figures(&format!("{code}{rows}")), [1, 3], "a code that the list lacks is counted as such");
    #[rustfmt::skip]
    assert_eq!(figures(&format!("{code}{days}{rows}")), [
        1, 0, 0, 0,
        0, 1, 1, 1,
    ]);
}

/// The age counts from the end of the reference date, 1 November 2026.
#[test]
fn a_query_refuses_an_extract_that_is_older_than_it_allows() {
    let folder = folder();
    let frozen = folder.freeze().unwrap();
    let text = "query = { id = \"q\", version = 1, title = { nl = \"t\", en = \"t\" }, purpose = \"stock\", dataset = \"stock\", \
                max_age = \"36h\" }\n[[measure]]\nname = \"n\"\nrows = true\n";
    let query = Query::from_toml(text, &mut |_| Err(String::new())).unwrap();
    let end_of_day = 1_793_577_600_000;
    let home = Home { configs: &folder.configs, base_dir: folder.dir.path(), stop: &Stop::default() };
    let at = |hours: u64| answer(&query, &frozen, Time(end_of_day + hours * 3_600_000), &home);
    assert_eq!(at(36).unwrap(), [4]);
    let error = at(37).unwrap_err();
    assert_eq!(error.code(), "refused");
    assert!(error.to_string().contains("2026-11-01"), "{error}");
}
