//! Whatever a command prints with `--format json` is what `deploy/json.md` says: no key more, none less.

use samensom_tests::deployment::{Deployment, Outcome, Pace, Template};
use samensom_tests::harness::{demo, programs};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// Command -> the shape that the page gives for it.
fn documented() -> BTreeMap<String, Value> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/json.md");
    let text = std::fs::read_to_string(page).unwrap();
    let mut shapes = BTreeMap::new();
    for part in text.split("\n## `").skip(1) {
        let (name, rest) = part.split_once('`').unwrap();
        let block = rest.split("```json\n").nth(1).and_then(|rest| rest.split("\n```").next());
        let block = block.unwrap_or_else(|| panic!("`{name}` has no shape"));
        let shape = serde_json::from_str(block).unwrap_or_else(|why| panic!("`{name}`: {why}\n{block}"));
        assert!(shapes.insert(name.to_owned(), shape).is_none(), "`{name}` stands there twice");
    }
    shapes
}

/// Where a value is not of the shape; empty when it is.
fn differs(shape: &Value, found: &Value, place: &str) -> Vec<String> {
    match (shape, found) {
        (Value::Object(shape), Value::Object(found)) => object_differs(shape, found, place),
        (Value::Array(shape), Value::Array(found)) => {
            let each = shape.first().expect("a list shows one of its members");
            found.iter().flat_map(|found| differs(each, found, &format!("{place}[]"))).collect()
        }
        (Value::String(shape), Value::String(found)) if shape.contains(" | ") => {
            let known = shape.split(" | ").any(|word| word == found);
            if known { Vec::new() } else { vec![format!("{place}: `{found}` is none of {shape}")] }
        }
        (Value::String(_), Value::String(_))
        | (Value::Number(_), Value::Number(_))
        | (Value::Bool(_), Value::Bool(_)) => Vec::new(),
        _ => vec![format!("{place}: {found} where the page has {shape}")],
    }
}

/// A key that ends in `?` may be absent or null; `*` stands for any key.
fn object_differs(shape: &Map<String, Value>, found: &Map<String, Value>, place: &str) -> Vec<String> {
    let mut wrong = Vec::new();
    for (key, value) in found {
        let may_be_null = shape.get(&format!("{key}?"));
        match may_be_null.or_else(|| shape.get(key)).or_else(|| shape.get("*")) {
            Some(_) if may_be_null.is_some() && value.is_null() => {}
            Some(shape) => wrong.extend(differs(shape, value, &format!("{place}.{key}"))),
            None => wrong.push(format!("{place}.{key}: {value}, which the page has not")),
        }
    }
    let needed = shape.keys().filter(|key| !key.ends_with('?') && *key != "*");
    wrong.extend(needed.filter(|key| !found.contains_key(*key)).map(|key| format!("{place}.{key}: absent")));
    wrong
}

/// What `samensom-node` prints, one JSON value after the other.
fn agent(deployment: &Deployment, hospital: usize, args: &[&str]) -> Vec<Value> {
    let mut command = Command::new(programs().join("samensom-node"));
    command.arg("--config").arg(deployment.home(hospital).join("node.toml"));
    let ended = command.args(["--no-input", "--format", "json"]).args(args).output().unwrap();
    let values = serde_json::Deserializer::from_slice(&ended.stdout).into_iter::<Value>();
    let values: Result<Vec<Value>, _> = values.collect();
    let told = String::from_utf8_lossy(&ended.stderr);
    values.unwrap_or_else(|why| panic!("{args:?}: {why}: {}\n{told}", String::from_utf8_lossy(&ended.stdout)))
}

/// All that can be asked of three hospitals, one of them with a faulty extract.
fn asked() -> Vec<(String, Value)> {
    let template = Template::make(3, 2, Pace::of_two_passes());
    let mut facts: Vec<(String, Value)> = Vec::new();
    let mut tell = |name: &str, values: Vec<Value>| {
        assert!(!values.is_empty(), "{name} printed nothing");
        facts.extend(values.into_iter().map(|value| (name.to_owned(), value)));
    };
    for (verb, value) in template.told() {
        tell(&format!("samensom {}", two_words(&verb)), vec![value]);
    }
    let mut deployment = template.deploy();
    let analyst = deployment.folder.path().join("analyst");
    let who = ["keygen", "analyst", "--unsealed", "--name", "B. Smit", "--organisation", "lcg", "--out"];
    let made = deployment.asked(&[&who[..], &[analyst.to_str().unwrap()]].concat());
    tell("samensom keygen analyst", vec![made.unwrap()]);
    tell("samensom-node check", agent(&deployment, 0, &["check"]));
    deployment.start_all();
    deployment.next_slot();
    assert!(matches!(deployment.run(0), Outcome::Sum(_)), "{}", deployment.tails());
    let query = deployment.folder.path().join("query-0.toml");
    let run = deployment.asked(&["query", "run", &deployment.warrants[1], "--wait"]).unwrap();
    let session = run["session"].as_str().unwrap().to_owned();
    for (verb, more) in [
        ("status", ""),
        ("hospital list", ""),
        ("roster show", ""),
        ("query check", query.to_str().unwrap()),
        ("query show", &*deployment.warrants[0]),
        ("result show", &*session),
    ] {
        let words: Vec<&str> = verb.split(' ').chain(Some(more).filter(|more| !more.is_empty())).collect();
        tell(&format!("samensom {verb}"), vec![deployment.asked(&words).unwrap()]);
    }
    tell("samensom query run", vec![run]);
    for verb in ["check", "check --adversary", "status", "data check", "enroll --accept-roster x"] {
        let words: Vec<&str> = verb.split(' ').collect();
        let name = verb.strip_suffix(" --accept-roster x").unwrap_or(verb);
        tell(&format!("samensom-node {name}"), agent(&deployment, 0, &words));
    }
    for verb in ["queries show", "queries preview"] {
        let words: Vec<&str> = verb.split(' ').chain(query.to_str()).collect();
        tell(&format!("samensom-node {verb}"), agent(&deployment, 0, &words));
    }
    tell("samensom-node queries list", agent(&deployment, 0, &["queries", "list"]));
    for verb in ["refuse", "approve"] {
        let words = ["queries", verb, &deployment.warrants[1], "--name", "A. Bos"];
        tell(&format!("samensom-node queries {verb}"), agent(&deployment, 0, &words));
    }
    let asked = agent(&deployment, 0, &["queries", "show", &deployment.warrants[1]]);
    assert!(
        asked.iter().all(|shown| shown["asked"]["decisions"].as_array().is_some_and(|all| all.len() == 2))
    );
    tell("samensom-node queries show", asked);
    let patient = format!("audit patient --person x --session {}", &session[..16]);
    for verb in ["audit show", "audit verify", &patient, "pause", "resume", "leave"] {
        let words: Vec<&str> = verb.split(' ').collect();
        let name: Vec<&str> = words.iter().take(2).copied().collect();
        tell(&format!("samensom-node {}", name.join(" ")), agent(&deployment, 0, &words));
    }
    for verb in ["show", "verify"] {
        tell(&format!("samensom audit {verb}"), vec![deployment.asked(&["audit", verb]).unwrap()]);
    }
    for (name, value) in membership(&deployment).into_iter().chain([transparency(&deployment)]) {
        tell(&name, vec![value]);
    }
    std::fs::write(deployment.home(1).join("stock.csv"), "code;quantity\nc0;twaalf\n").unwrap();
    tell("samensom-node data check", agent(&deployment, 1, &["data", "check"]));
    for (name, value) in of_a_demo(&deployment) {
        tell(&name, vec![value]);
    }
    facts
}

/// The server's transparency log, exported and held to its head.
fn transparency(deployment: &Deployment) -> (String, Value) {
    let log = deployment.folder.path().join("log.jsonl");
    let mut export = Command::new(programs().join("samensom"));
    let export =
        export.arg("--data").arg(deployment.lcg()).args(["transparency", "export"]).output().unwrap();
    std::fs::write(&log, export.stdout).unwrap();
    let verified = deployment.asked(&["transparency", "verify", log.to_str().unwrap()]).unwrap();
    ("samensom transparency verify".to_owned(), verified)
}

/// A demo that gives its sum, what is made of its bundle, and one that gives none.
fn of_a_demo(deployment: &Deployment) -> Vec<(String, Value)> {
    let summed = demo(&["--hospitals", "5"]);
    let bundle = summed.facts["bundle"].as_str().unwrap();
    let verified = deployment.asked(&["result", "verify", bundle]).unwrap();
    let file = deployment.folder.path().join("exported.json");
    let mut export = Command::new(programs().join("samensom"));
    let export = export.args(["result", "export", bundle, "--out"]).arg(&file).output().unwrap();
    assert!(export.status.success(), "{}", String::from_utf8_lossy(&export.stderr));
    let exported = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let failed = demo(&["--hospitals", "5", "--absent", "4"]);
    let facts = [("result verify", verified), ("result export", exported), ("demo", summed.facts)];
    let facts = facts.into_iter().chain([("demo", failed.facts)]);
    facts.map(|(verb, value)| (format!("samensom {verb}"), value)).collect()
}

/// A proposal that waits, read and signed elsewhere; marks that are taken back.
fn membership(deployment: &Deployment) -> Vec<(String, Value)> {
    let path = |name: &str| deployment.folder.path().join(name).to_str().unwrap().to_owned();
    let (proposal, signature, key) = (path("proposal"), path("signature"), path("persons/signer-0.key"));
    let commands: [(&str, &[&str]); 9] = [
        ("hospital suspend", &["hospital", "suspend", "h2"]),
        ("hospital remove", &["hospital", "remove", "h2"]),
        ("hospital resume", &["hospital", "resume", "h2"]),
        ("roster propose", &["roster", "propose", "--threshold", "4"]),
        ("roster export", &["roster", "export", "--proposal", "--out", &proposal]),
        (
            "roster sign --proposal",
            &["roster", "sign", "--key", &key, "--proposal", &proposal, "--out", &signature],
        ),
        ("roster sign", &["roster", "sign", "--signature", &signature]),
        ("roster diff", &["roster", "diff"]),
        ("roster show", &["roster", "show"]),
    ];
    commands.map(|(name, args)| (format!("samensom {name}"), deployment.asked(args).unwrap())).to_vec()
}

fn two_words(verb: &str) -> String {
    verb.split(' ').take(if verb.starts_with("init") { 1 } else { 2 }).collect::<Vec<_>>().join(" ")
}

#[test]
fn every_command_prints_what_the_page_says() {
    let shapes = documented();
    let facts = asked();
    let mut wrong: Vec<String> = Vec::new();
    for (name, value) in &facts {
        match shapes.get(name) {
            Some(shape) => wrong.extend(differs(shape, value, name)),
            None => wrong.push(format!("`{name}` has no place in the page: {value}")),
        }
    }
    let unseen = shapes.keys().filter(|name| !facts.iter().any(|(found, _)| found == *name));
    wrong.extend(unseen.map(|name| format!("`{name}` is in the page, but was not asked")));
    assert!(wrong.is_empty(), "deploy/json.md:\n{}", wrong.join("\n"));
}

#[test]
fn the_comparison_finds_what_differs() {
    let shape = serde_json::json!({ "a": 1, "b?": "x | y", "c": [{ "*": true }] });
    let differs = |found: Value| differs(&shape, &found, "p").len();
    assert_eq!(differs(serde_json::json!({ "a": 7, "b": "y", "c": [{ "k": false }] })), 0);
    assert_eq!(differs(serde_json::json!({ "a": 7, "b": null, "c": [] })), 0);
    for found in [
        serde_json::json!({ "a": "7", "c": [] }),
        serde_json::json!({ "a": null, "c": [] }),
        serde_json::json!({ "a": 7, "b": "z", "c": [] }),
        serde_json::json!({ "a": 7, "c": [], "d": 1 }),
        serde_json::json!({ "c": [] }),
        serde_json::json!({ "a": 7, "c": [{ "k": 1 }] }),
    ] {
        assert_eq!(differs(found.clone()), 1, "{found}");
    }
}
