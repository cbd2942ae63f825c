//! Measures of several figures, dimensions, parameters and figures after opening, by hand.

use super::*;
use crate::query::{Language, table::Value};

/// A query over courses with these further tables.
fn course(body: &str) -> Result<Query, QueryError> {
    let text = format!(
        r#"
        query.id = "verloop"
        query.version = 1
        query.title = {{ nl = "Verloop", en = "Course" }}
        query.purpose = "research"
        query.dataset = "course"
        floors = {{ hospitals = 1, patients = 10 }}
        {body}
        [[measure]]
        name = "hospitals_there"
        hospitals = "count(*) > 0"
        [[measure]]
        name = "persons"
        patients = true
        "#
    );
    read(&text)
}

fn shown(query: &Query, opened: &[i128], measure: &str) -> Vec<(String, String)> {
    let rows = all_of(query, opened).into_iter().filter(|row| row.measure == measure);
    rows.map(|row| (row.part, row.value.to_string())).collect()
}

#[test]
fn figures_of_all_measures_lie_side_by_side() {
    let query = course(
        r#"
        [[dimension]]
        column = "age"
        bins = [18, 70]
        missing = true
        [[dimension]]
        column = "ward"
        codes = ["IC", "OK"]
        other = true
        [[measure]]
        name = "days_class"
        histogram = "days"
        per = "row"
        bins = [4, 8]
        [[measure]]
        name = "days_moments"
        moments = "days"
        per = "row"
        scale = 1
        range = [0, 400]
        max = 1000
        "#,
    )
    .unwrap();
    let layout = query.layout();
    assert_eq!(layout.figures(), 4 + 4 + 1 + 1);
    assert_eq!((layout.figures_of(0), layout.figures_of(1), layout.figures_of(3)), (0..4, 4..8, 9..10));
    assert_eq!(layout.cells(), 4 * 3 * 10);
    let names: Vec<String> =
        query.measures().iter().flat_map(|one| one.parts().unwrap()).map(|part| part.name).collect();
    assert_eq!(names, ["<4", "4 to <8", ">=8", "none", "n", "sum", "squares", "none", "", ""]);
    assert_eq!(layout.bounds(0), (0, 1_000_000));
    assert_eq!(layout.bounds(5), (0, 400 * 10 * 1_000));
    assert_eq!(layout.bounds(6), (0, 400 * 400 * 10 * 1_000));
    let labels = |index: usize| all_of(&query, &[99; 120])[index * 10].labels.clone();
    let named = |age: &str, ward: &str| {
        vec![("age".to_owned(), age.to_owned()), ("ward".to_owned(), ward.to_owned())]
    };
    assert_eq!(labels(0), named("<18", "IC"));
    assert_eq!(labels(5), named("18 to <70", "other"));
    assert_eq!(labels(11), named("missing", "other"));
}

#[test]
fn what_cannot_be_computed_is_refused_with_its_place() {
    let number = "[[measure]]\nname = \"m\"\n";
    for (body, wanted) in [
        ("[[dimension]]\ncolumn = \"person\"\ncodes = [\"1\"]\n", "names one patient"),
        ("[[dimension]]\ncolumn = \"age\"\ncodes = [\"1\"]\n", "`codes` for a text or a date"),
        ("[[dimension]]\ncolumn = \"age\"\nbins = [70, 18]\n", "18 behind 70"),
        ("[[dimension]]\ncolumn = \"start\"\nbins = [\"2026-01-01\", \"2026-01-01\"]\n", "each once"),
        ("[[dimension]]\ncolumn = \"age\"\nbins = [1]\nother = true\n", "hold all values"),
        ("[[dimension]]\ncolumn = \"ward\"\n", "`codes` and `bins` both or neither"),
        ("[[dimension]]\ngroup = \"soort\"\n", "unknown property of hospitals `soort`"),
        (&format!("{number}histogram = \"days\"\nbins = [1]\n"), "column `days` stands alone"),
        (&format!("{number}histogram = \"sum(days)\"\nbins = [1]\nmax = 2\n"), "a hospital has one value"),
        (&format!("{number}histogram = \"sum(days)\"\nbins = [1e3]\n"), "1e3 is no plain number"),
        (&format!("{number}moments = \"sum(days)\"\nscale = 6\nrange = [0, 9000000]\n"), "fit 64 bits"),
        (&format!("{number}survival = \"age\"\nbins = [1]\n"), "`event` is missing"),
        (&format!("{number}survival = \"event_day\"\nevent = \"event = 1\"\nbins = [0]\n"), "ends at 0"),
        (
            &format!("{number}regression = \"days\"\nper = \"row\"\non = []\nscale = 0\nrange = [0, 9]\n"),
            "measure 1.on: no predictors",
        ),
        (
            &format!("{number}sum = \"days\"\nunit = \"ml\"\nscale = 0\nrange = [0, 9]\n"),
            "does not speak of a quantity",
        ),
        ("[[derive]]\nname = \"d\"\nscale = 1\nmean = \"persons\"\n", "`persons` is no moments"),
        ("[[derive]]\nname = \"d\"\nscale = 1\nquantile = \"persons\"\nat = 0.5\n", "is no histogram"),
        ("[[derive]]\nname = \"d\"\nscale = 1\nmean = \"persons\"\nat = 1\n", "`at` does not belong"),
        ("[[derive]]\nname = \"d\"\nscale = 1\n", "no kind of figure"),
        ("population.where = \"person like '12%'\"\n", "`person` names one patient"),
        ("population.where = \"stay in ('1', '2')\"\n", "`stay` names one patient"),
        (
            "population.where = \"person = p\"\n[[parameter]]\nname = \"p\"\ntype = \"text\"\none_of = [\"1\"]\n",
            "`person` names one patient",
        ),
    ] {
        let error = course(body).expect_err(body).to_string();
        assert!(error.contains(wanted), "{body}\n says   {error}\n wanted {wanted}");
    }
    let few = CCV.replace("dataset = \"stock\"", "dataset = \"course\"");
    assert!(read(&few).is_err());
    let floor = |patients: u32| {
        let text = format!("floors = {{ hospitals = 1, patients = {patients} }}");
        let body = "query.id = \"a\"\nquery.version = 1\nquery.purpose = \"quality\"\nquery.dataset = \"result\"\n\
             query.title = { nl = \"a\", en = \"b\" }\n";
        let measures = "[[measure]]\nname = \"h\"\nhospitals = \"count(*) > 0\"\n";
        read(&format!("{body}{text}\n{measures}")).map_err(|error| error.to_string())
    };
    let low = floor(9).unwrap_err();
    assert!(low.contains("a floor of 9 patients over data set result; expected 10 to"), "{low}");
    assert!(floor(10).is_ok());
}

#[test]
fn parameters_are_bound_within_their_bounds() {
    let text = CCV.replace("[population]", "[[parameter]]\nname = \"horizon\"\ntype = \"date\"\nrange = [\"2026-01-01\", \"2027-12-31\"]\ndefault = \"today + 30d\"\n\n[population]")
        .replacen("expiry > '2026-01-01'", "expiry > horizon", 1);
    let query = read(&text).unwrap();
    let today = Date::parse("2026-11-22").unwrap();
    assert!(query.resolved().is_err(), "no value yet");
    let bound = query.clone().bound(&[], today).unwrap();
    assert_eq!(bound.parameters()[0].value().unwrap().to_string(), "2026-12-22");
    assert_eq!(Query::from_canonical(&bound.canonical().unwrap()).unwrap(), bound);
    assert_ne!(bound.canonical().unwrap(), query.canonical().unwrap());
    let given = |value: &str| query.clone().bound(&[("horizon".to_owned(), value.to_owned())], today);
    let resolved = given("2026-12-31").unwrap().resolved().unwrap();
    assert_eq!(
        resolved.population().terms().iter().filter(|term| matches!(term, Term::Parameter(..))).count(),
        0
    );
    assert!(resolved.population().terms().contains(&Term::Date(Date::parse("2026-12-31").unwrap())));
    for (value, wanted) in
        [("2028-01-01", "a day from 2026-01-01 to 2027-12-31"), ("30", "a day as YYYY-MM-DD")]
    {
        let error = given(value).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
    }
    let unknown = query.clone().bound(&[("horizen".to_owned(), String::new())], today).unwrap_err();
    assert!(unknown.to_string().contains("did you mean `horizon`?"), "{unknown}");
    let without = read(&text.replace("default = \"today + 30d\"\n", "")).unwrap();
    assert!(without.bound(&[], today).unwrap_err().to_string().contains("`horizon` has no value"));
    for (from, to, wanted) in [
        ("expiry > horizon", "expiry > '2026-01-01'", "a parameter that nothing uses"),
        ("expiry > horizon", "quantity > horizon", "quantity is compared with a date"),
        ("today + 30d", "tomorrow", "`tomorrow` for `horizon`"),
        ("today + 30d", "today + 30", "the rule `today + 30`"),
        ("\"2027-12-31\"]", "\"2025-12-31\"]", "bounds without a value between"),
        ("expiry > horizon", "expiry > horzion", "did you mean the parameter `horizon`?"),
    ] {
        let error = read(&text.replacen(from, to, 1)).expect_err(to).to_string();
        assert!(error.contains(wanted), "{to}\n says   {error}\n wanted {wanted}");
    }
    let error = read(&text.replace("horizon", "owner")).unwrap_err().to_string();
    assert!(error.contains("parameter 1.name: `owner` is a column too"), "{error}");
    let dutch = bound.describe(Language::Dutch);
    assert!(dutch.contains("horizon = 2026-12-22; een dag van 2026-01-01 tot en met 2027-12-31; gewoonlijk de dag waarop de machtiging wordt gemaakt +30 dagen."), "{dutch}");
}

/// A text must be one of its choices, and where it stands a word of that column.
#[test]
fn repro_a_text_parameter_cannot_smuggle_an_unknown_word() {
    let text = |choices: &str| {
        CCV.replace(
            "[population]",
            &format!("[[parameter]]\nname = \"soort\"\ntype = \"text\"\none_of = {choices}\n\n[population]"),
        )
        .replacen("kind in ('regular', 'ccv')", "kind in ('regular', soort)", 1)
    };
    let bind = |text: &str, value: &str| {
        let today = Date::parse("2026-11-22").unwrap();
        read(text).unwrap().bound(&[("soort".to_owned(), value.to_owned())], today)
    };
    assert!(bind(&text("[\"ccv\", \"import\"]"), "ccv").is_ok());
    assert!(
        bind(&text("[\"ccv\", \"import\"]"), "own").unwrap_err().to_string().contains("one of ccv, import")
    );
    let error = bind(&text("[\"ccv\", \"cvv\"]"), "cvv").unwrap_err().to_string();
    assert!(error.contains("unknown kind `cvv`"), "{error}");
}

#[test]
fn moments_give_mean_and_variance() {
    let query = course(
        "[[measure]]\nname = \"m\"\nmoments = \"days\"\nper = \"row\"\nscale = 1\nrange = [0, 400]\n\
         [[derive]]\nname = \"mean\"\nmean = \"m\"\nscale = 3\n[[derive]]\nname = \"var\"\nvariance = \"m\"\nscale = 3\n",
    )
    .unwrap();
    // 1, 2, 2, 4 days: mean 9/4, variance (25 - 81/4) / 3 = 19/12.
    let opened = [4, 90, 250, 1, 5, 10];
    assert_eq!(shown(&query, &opened, "mean"), [(String::new(), "2.25".to_owned())]);
    assert_eq!(shown(&query, &opened, "var"), [(String::new(), "1.583".to_owned())]);
    assert_eq!(shown(&query, &[1, 90, 250, 1, 5, 10], "var")[0].1, "no use");
    assert_eq!(shown(&query, &[0, 0, 0, 1, 5, 10], "mean")[0].1, "no use");
    let units: Vec<String> = all_of(&query, &opened).into_iter().map(|row| row.unit).collect();
    assert_eq!(units, ["rows", "days", "days^2", "rows", "hospitals", "patients", "days", "days^2"]);
}

#[test]
fn quantiles_lie_on_a_line_within_their_class() {
    let query = |at: &str| {
        course(&format!(
            "[[measure]]\nname = \"h\"\nhistogram = \"days\"\nper = \"row\"\nbins = [2, 4, 8]\n\
             [[derive]]\nname = \"q\"\nquantile = \"h\"\nat = {at}\nscale = 2\n"
        ))
        .unwrap()
    };
    let opened = [2, 4, 3, 1, 100, 9, 50];
    for (at, expected) in [
        ("0.1", "<2"),
        ("0.2", "<2"),
        ("0.5", "3.5"),
        ("0.6", "4"),
        ("0.75", "6"),
        ("0.9", "8"),
        ("0.91", ">=8"),
    ] {
        assert_eq!(shown(&query(at), &opened, "q")[0].1, expected, "at {at}");
    }
    assert_eq!(shown(&query("0.5"), &[0, 0, 0, 0, 7, 9, 50], "q")[0].1, "no use");
}

#[test]
fn cover_and_shares() {
    let text = |over: &str| {
        format!(
            "query.id = \"a\"\nquery.version = 1\nquery.purpose = \"stock\"\nquery.dataset = \"position\"\n\
             query.title = {{ nl = \"a\", en = \"b\" }}\nfloors.hospitals = 3\n\
             [[dimension]]\ncolumn = \"code\"\ncodes = [\"a\", \"b\"]\n\
             [[measure]]\nname = \"s\"\nsum = \"stock\"\nunit = \"mg\"\nscale = 1\nrange = [0, 100]\n\
             [[measure]]\nname = \"u\"\nsum = \"use_12m\"\nunit = \"mg\"\nscale = 0\nrange = [0, 100]\n\
             [[measure]]\nname = \"n\"\nhospitals = \"sum(stock) > 0\"\n\
             [[derive]]\nname = \"months\"\ncover = [\"s\", \"u\"]\nmonths = 12\nscale = 2\n\
             [[derive]]\nname = \"part\"\nshare = \"s\"\nscale = 3\n{over}"
        )
    };
    assert!(read(&text("")).unwrap_err().to_string().contains("a word of the output"), "`part` is taken");
    let query = read(&text("").replace("\"part\"", "\"fraction\"")).unwrap();
    // 20 mg of stock and 60 mg in a year: 4 months. 20 of 80 mg.
    let opened = [200, 60, 3, 600, 0, 3];
    let all: Vec<(String, Value)> =
        all_of(&query, &opened).into_iter().map(|row| (row.measure, row.value)).collect();
    let texts: Vec<String> = all.iter().map(|(_, value)| value.to_string()).collect();
    assert_eq!(texts, ["20", "60", "3", "4", "0.25", "60", "0", "3", "no use", "0.75"]);
    // The first cell's figures stay closed.
    let hidden = opened_of(&query, &opened, &[0b11_1000]);
    let hidden: Vec<String> = hidden.into_iter().map(|row| row.value.to_string()).collect();
    assert_eq!(hidden[..5], ["suppressed"; 5]);
    assert_eq!(hidden[9], "suppressed", "the share would tell the hidden figure");
}

/// y = 1 + 2 x exactly but for two values that are 1 off; by hand: n = 12, Sx = 66, Sxx = 506.
#[test]
fn coefficients_are_those_of_least_squares() {
    let query = course(
        "[[measure]]\nname = \"r\"\nregression = \"days\"\non = [\"age\"]\nper = \"row\"\nscale = 0\nrange = [0, 400]\n\
         [[derive]]\nname = \"b\"\ncoefficients = \"r\"\nscale = 4\n",
    )
    .unwrap();
    let points: Vec<(i128, i128)> =
        (0..12).map(|x| (x, 1 + 2 * x + if x == 0 { 1 } else { -i128::from(x == 11) })).collect();
    let sum = |f: &dyn Fn(i128, i128) -> i128| points.iter().map(|(x, y)| f(*x, *y)).sum::<i128>();
    let opened = [
        12,
        sum(&|x, _| x),
        sum(&|x, _| x * x),
        sum(&|_, y| y),
        sum(&|x, y| x * y),
        sum(&|_, y| y * y),
        0,
        5,
        10,
    ];
    assert_eq!(opened[..3], [12, 66, 506]);
    // Slope (12 * 1067 - 66 * 144) / (12 * 506 - 66^2) = 3300 / 1716 = 25/13; the residual sum of squares
    // is 15/13, so the standard errors are the roots of 3/26 * 506/1716 and 3/26 * 12/1716.
    let expected = [
        ("intercept", "1.4231"),
        ("standard error intercept", "0.1845"),
        ("x1", "1.9231"),
        ("standard error x1", "0.0284"),
        ("degrees of freedom", "10"),
    ];
    let shown_now = shown(&query, &opened, "b");
    assert_eq!(shown_now, expected.map(|(part, value)| (part.to_owned(), value.to_owned())));
    let few = [11, 66, 506, opened[3], opened[4], opened[5], 0, 5, 10];
    assert!(shown(&query, &few, "b").iter().all(|(_, value)| value == "suppressed"), "9 degrees of freedom");
    let flat = [12, 12, 12, 40, 40, 200, 0, 5, 10];
    assert!(shown(&query, &flat, "b").iter().all(|(_, value)| value == "no use"), "x never varies");
}

/// They were `no use`: that the few values had no solution was told of them.
#[test]
fn repro_too_few_values_without_a_solution_are_suppressed() {
    let query = course(
        "[[measure]]\nname = \"r\"\nregression = \"days\"\non = [\"age\"]\nper = \"row\"\nscale = 0\nrange = [0, 400]\n\
         [[derive]]\nname = \"b\"\ncoefficients = \"r\"\nscale = 4\n",
    )
    .unwrap();
    for few in
        [[3, 3, 3, 10, 10, 50, 0, 5, 10], [2, 3, 5, 10, 20, 68, 0, 5, 10], [0, 0, 0, 0, 0, 0, 0, 5, 10]]
    {
        let shown = shown(&query, &few, "b");
        assert!(shown.iter().all(|(_, value)| value == "suppressed"), "{few:?}: {shown:?}");
    }
}

/// The life table: those censored count for half an interval.
#[test]
fn the_curve_is_a_life_table() {
    let query = course(
        "[[measure]]\nname = \"s\"\nsurvival = \"event_day\"\nevent = \"event = 1\"\nbins = [30, 60]\n\
         [[derive]]\nname = \"left\"\ncurve = \"s\"\nscale = 4\n",
    )
    .unwrap();
    // 100 at risk, 10 events, 20 censored: 1 - 10/90; then 70, 7, 0: 0.9 of it.
    let opened = [100, 10, 20, 70, 7, 0, 63, 0, 63, 2, 5, 99];
    let expected = [("until 30", "0.8889"), ("until 60", "0.8")];
    assert_eq!(
        shown(&query, &opened, "left"),
        expected.map(|(part, value)| (part.to_owned(), value.to_owned()))
    );
    let names: Vec<String> = query.measures()[0].parts().unwrap().into_iter().map(|part| part.name).collect();
    assert_eq!(names[..4], ["<30 at risk", "<30 event", "<30 censored", "30 to <60 at risk"]);
    assert_eq!((names.len(), names[9].as_str()), (10, "none"));
    let nobody = [0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 5, 99];
    assert_eq!(shown(&query, &nobody, "left")[0].1, "no use");
}

/// A derived figure is hidden where one of those it is made of is; the others are shown.
#[test]
fn a_figure_of_a_closed_one_is_hidden() {
    let text = "query.id = \"a\"\nquery.version = 1\nquery.purpose = \"stock\"\nquery.dataset = \"stock\"\n\
                query.title = { nl = \"a\", en = \"b\" }\nfloors.hospitals = 5\n\
                [[measure]]\nname = \"all\"\nsum = \"quantity\"\nunit = \"piece\"\nscale = 0\nrange = [0, 100]\n\
                [[measure]]\nname = \"ccv\"\nsum = \"quantity\"\nunit = \"piece\"\nscale = 0\nrange = [0, 100]\nwhere = \"kind = 'ccv'\"\n\
                [[measure]]\nname = \"low\"\nhospitals = \"sum(quantity) < 3\"\n\
                [[derive]]\nname = \"ccv_share\"\nratio = [\"ccv\", \"all\"]\nscale = 2\n";
    let query = read(text).unwrap();
    let values = |bits: u8| -> Vec<String> {
        let rows = opened_of(&query, &[100, 40, 1], &[bits]);
        rows.into_iter().map(|row| row.value.to_string()).collect()
    };
    assert_eq!(values(0b111), ["100", "40", "1", "0.4"]);
    assert_eq!(values(0b101), ["100", "suppressed", "1", "suppressed"]);
    assert_eq!(values(0), ["suppressed"; 4]);
}
