//! Which rows a query looks at.

use super::*;
use crate::extract::tests::{Folder, PER_CODE, query, sum};
use samensom_protocol::query::{Counting, Dominance};

/// What SQLite says of every statement of a query, one step a line.
fn plan(query: &Query, frozen: &Frozen) -> String {
    let failing = store_error(frozen.path(), "evaluating the query");
    let evaluation = Evaluation::new(query, frozen, &failing).unwrap_or_else(|error| panic!("{error}"));
    let mut plan = String::new();
    for measures in over_the_same_rows(query) {
        let (text, _) =
            evaluation.statement_of(&measures, measures[0].1).unwrap_or_else(|error| panic!("{error}"));
        let mut explain = evaluation.connection.prepare(&format!("EXPLAIN QUERY PLAN {text}")).unwrap();
        let mut steps = explain.raw_query();
        while let Some(step) = steps.next().unwrap() {
            plan.push_str(&step.get::<_, String>(3).unwrap());
            plan.push('\n');
        }
    }
    plan
}

#[test]
fn a_list_of_codes_reads_the_ranges_of_its_codes_alone() {
    let folder = Folder::stock(&["midazolam;1;ccv;;ok;01-11-2026;1", "propofol;2;ccv;;ok;01-11-2026;1"]);
    let frozen = folder.freeze().unwrap();
    let range = "SEARCH t USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)";
    let measure = sum(0, "[0, 9]");
    let kinds = "[[dimension]]\ncolumn = \"kind\"\ncodes = [\"ccv\", \"import\"]\n";
    for (body, codes) in [
        (format!("{PER_CODE}{measure}"), None),
        (format!("{PER_CODE}{kinds}{measure}"), None),
        (
            format!("population.where = \"code in ('propofol', 'x')\"\n{measure}"),
            Some("SEARCH c USING PRIMARY KEY (code=?)"),
        ),
        (
            format!("population.where = \"code = 'propofol' and kind = 'ccv'\"\n{kinds}{measure}"),
            Some("SEARCH c USING PRIMARY KEY (code=?)"),
        ),
        (measure.clone(), Some("SCAN c")),
    ] {
        let plan = plan(&query(&body), &frozen);
        assert!(plan.contains(range) && !plan.contains("SCAN t"), "{body}\n{plan}");
        assert!(codes.is_none_or(|codes| plan.contains(codes)), "{body}\n{plan}");
    }
}

/// Three measures over the same rows are one statement; one with its own condition is another.
#[test]
fn measures_over_the_same_rows_are_counted_together() {
    let body = format!(
        "{PER_CODE}{}[[measure]]\nname = \"lines\"\nrows = true\n[[measure]]\nname = \"ccv\"\nrows = true\nwhere = \"kind = 'ccv'\"\n",
        sum(0, "[0, 9]")
    );
    let query = query(&body);
    let together: Vec<usize> = over_the_same_rows(&query).iter().map(Vec::len).collect();
    assert_eq!(together, [2, 1]);
}

#[test]
fn a_sum_that_is_too_large_is_named_among_others() {
    let folder = Folder::stock(&["midazolam;999999999999;ccv;;;01-11-2026;1"; 10]);
    let body = format!(
        "{PER_CODE}[[measure]]\nname = \"lines\"\nrows = true\n{}",
        sum(0, "[0, 9000000000000000000]")
    );
    let error = folder.evaluate(&query(&body)).unwrap_err().to_string();
    assert!(error.contains("measure `stock`: the sum is too large"), "{error}");
}

/// A query without filters has one atom: counted with groups and without, with something added up and without.
#[test]
fn repro_rows_alone_without_groups_are_counted() {
    let folder = Folder::stock(&["midazolam;1;ccv;;;01-11-2026;1", "propofol;2;ccv;;;01-11-2026;1"]);
    let frozen = folder.freeze().unwrap();
    let rows = "[[measure]]\nname = \"lines\"\nrows = true\n";
    let kinds = "[[dimension]]\ncolumn = \"kind\"\ncodes = [\"ccv\", \"import\"]\n";
    let only = |code: &str| format!("[[dimension]]\ncolumn = \"code\"\ncodes = [\"{code}\"]\n");
    for (body, expected) in [
        (rows.to_owned(), vec![1]),
        (sum(0, "[0, 9]"), vec![1, 1]),
        (format!("{}{rows}", only("propofol")), vec![1]),
        (format!("{}{rows}", only("ketamine")), vec![0]),
        (format!("{kinds}{rows}"), vec![1, 0]),
        (format!("{}{kinds}{}", only("propofol"), sum(0, "[0, 9]")), vec![1, 1, 0, 0]),
        (format!("population.where = \"kind = 'import'\"\n{rows}"), vec![0]),
    ] {
        let query = query(&body);
        let counting = Counting::of(&query, false).unwrap();
        let said = holders(&query, &frozen, (&counting, 1, None))
            .unwrap_or_else(|error| panic!("{error:?}: {body}"));
        assert_eq!(said, expected, "{body}");
    }
}

/// Figures are compared with the totals of before; what is not known is neither compared nor dominant.
#[test]
fn a_figure_that_is_most_of_a_total_is_said_to_be() {
    let folder = Folder::stock(&["midazolam;81;ccv;;;01-11-2026;1", "propofol;80;ccv;;;01-11-2026;1"]);
    let frozen = folder.freeze().unwrap();
    let codes = "[[dimension]]\ncolumn = \"code\"\ncodes = [\"midazolam\", \"propofol\", \"ketamine\"]\n";
    let query = query(&format!("{codes}{}", sum(0, "[0, 99]")));
    let counting = Counting::judging(&query, false, true).unwrap();
    let said = |dominance: Option<Dominance>| {
        let said = holders(&query, &frozen, (&counting, 1, dominance.as_ref())).unwrap();
        said.chunks(4).map(<[i64]>::to_vec).collect::<Vec<_>>()
    };
    // Of each code: rows, not 0, compared, dominant.
    let nothing = [vec![1, 1, 0, 0], vec![1, 1, 0, 0], vec![0, 0, 0, 0]];
    assert_eq!(said(None), nothing);
    assert_eq!(said(Some(Dominance::new(80, vec![]))), nothing);
    let before = Some(Dominance::new(80, vec![100, 100, 100]));
    assert_eq!(said(before), [vec![1, 1, 1, 1], vec![1, 1, 1, 0], vec![0, 0, 1, 0]]);
    let before = Some(Dominance::new(80, vec![0, 99, 0]));
    assert_eq!(said(before), [vec![1, 1, 0, 0], vec![1, 1, 1, 1], vec![0, 0, 0, 0]]);
}
