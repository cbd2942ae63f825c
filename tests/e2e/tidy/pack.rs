//! The data-protection pack: each line of its table of controls names tests, and each of them is one.

use super::Source;
use std::collections::BTreeSet;

const PAGE: &str = "deploy/privacy/controls.md";

/// Functions behind an attribute that makes them a test.
fn tests(sources: &[Source]) -> BTreeSet<&str> {
    let mut found = BTreeSet::new();
    for source in sources.iter().filter(|source| source.path.ends_with(".rs")) {
        let mut is_test = false;
        for line in source.text.lines().map(str::trim) {
            let name = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ");
            if let Some(name) = name.filter(|_| is_test).and_then(|rest| rest.split('(').next()) {
                found.insert(name);
            }
            is_test = line.ends_with("test]") || (is_test && line.starts_with("#["));
        }
    }
    found
}

/// Every control has its test.
pub(super) fn every_control_has_its_test(sources: &[Source]) -> Vec<String> {
    let tests = tests(sources);
    let Some(page) = sources.iter().find(|source| source.path == PAGE) else {
        return vec![format!("{PAGE} is not there")];
    };
    let rows = page.text.lines().filter(|line| line.starts_with('|')).skip(2);
    let mut complaints = Vec::new();
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split('|').collect();
        let named: Vec<&str> = cells.last().unwrap_or(&"").split('`').skip(1).step_by(2).collect();
        if cells.len() != 3 || named.is_empty() {
            complaints.push(format!("{PAGE}: no test in `{row}`"));
        }
        let strays = named.iter().filter(|name| !tests.contains(**name));
        complaints.extend(strays.map(|name| format!("{PAGE}: `{name}` is no test")));
    }
    complaints
}
