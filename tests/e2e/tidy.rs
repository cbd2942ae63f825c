//! The rules of the house, kept by reading the sources: who may import whom, where SQL stands, sizes.
//!
//! Every rule is a function from sources to complaints; each is shown to complain of a planted bad sample,
//! so that none can pass by looking at nothing.

mod attacks;
mod pack;

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A file of the repository: path from its root, and text.
struct Source {
    path: String,
    text: String,
}

type Rule = fn(&[Source]) -> Vec<String>;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "target" && name != ".git" {
            walk(&path, found);
        } else if path.is_file() {
            found.push(path);
        }
    }
}

fn sources() -> Vec<Source> {
    let (root, mut paths) = (root(), Vec::new());
    walk(&root, &mut paths);
    let texts = paths.into_iter().filter_map(|path| {
        let text = std::fs::read_to_string(&path).ok()?;
        Some(Source { path: path.strip_prefix(&root).unwrap().to_string_lossy().into_owned(), text })
    });
    texts.collect()
}

fn is_rust(source: &Source) -> bool {
    source.path.ends_with(".rs")
}

/// True for files that are only ever compiled into tests.
fn is_test(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    path.starts_with("tests/")
        || path.split('/').any(|part| ["tests", "testing", "checks"].contains(&part))
        || ["tests.rs", "testing.rs", "checks.rs"].contains(&name)
        || name.ends_with("_test.rs")
        || name.ends_with("_tests.rs")
}

/// What is compiled into the programs: without comments, and without the tests at a file's end.
fn production(source: &Source) -> String {
    if is_test(&source.path) {
        return String::new();
    }
    let text = source.text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn complain_of(sources: &[Source], within: impl Fn(&str) -> bool, words: &[&str], why: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    for source in sources.iter().filter(|source| is_rust(source) && within(&source.path)) {
        let text = production(source);
        for word in words.iter().filter(|word| text.contains(**word)) {
            complaints.push(format!("{}: `{word}`: {why}", source.path));
        }
    }
    complaints
}

/// The core has no files, network, environment, threads, clock or randomness of its own.
fn the_core_is_pure(sources: &[Source]) -> Vec<String> {
    let words = [
        "std::fs",
        "std::net",
        "std::env",
        "std::thread",
        "std::process",
        "std::io",
        "Instant::now",
        "SystemTime",
        "tokio",
        "quinn",
        "rusqlite",
        "SysRng",
        "getrandom",
    ];
    complain_of(sources, |path| path.starts_with("protocol/src/"), &words, "the core is pure")
}

/// Primitives know no rounds; rounds know no machines; the encoding is named in one file.
fn the_core_is_layered(sources: &[Source]) -> Vec<String> {
    let within = |folder: &'static str| move |path: &str| path.starts_with(folder);
    let mut all = complain_of(
        sources,
        within("protocol/src/crypto/"),
        &["crate::rounds", "crate::message", "crate::node", "crate::coordinator"],
        "a primitive knows no round",
    );
    all.extend(complain_of(
        sources,
        within("protocol/src/rounds/"),
        &["crate::node", "crate::coordinator"],
        "the machines import the rounds, not the other way",
    ));
    let not_codec = |path: &str| path.ends_with(".rs") && path != "protocol/src/codec.rs";
    all.extend(complain_of(sources, not_codec, &["bincode::"], "bincode is named in codec.rs only"));
    let not_query = |path: &str| path.starts_with("protocol/src/") && !path.starts_with("protocol/src/query");
    all.extend(complain_of(sources, not_query, &["toml::", "strsim::"], "only query/ reads text"));
    all
}

/// Drivers, data and the command line keep apart.
fn the_programs_are_layered(sources: &[Source]) -> Vec<String> {
    let mut all = Vec::new();
    let rules: [(&'static str, &[&str], &str); 5] = [
        ("node/src/extract", &["crate::link", "crate::session", "crate::tls"], "extracts know no network"),
        (
            "coordinator/src/store",
            &["crate::session", "crate::ops", "crate::cli"],
            "the store knows no caller",
        ),
        (
            "coordinator/src/cli",
            &["crate::session::outputs", "protocol::coordinator"],
            "the command line asks ops",
        ),
        ("node/src", &["samensom_coordinator"], "node and coordinator do not import each other"),
        ("coordinator/src", &["samensom_node::"], "node and coordinator do not import each other"),
    ];
    for (folder, words, why) in rules {
        all.extend(complain_of(sources, |path: &str| path.starts_with(folder), words, why));
    }
    all
}

/// SQL stands in the store, the ledger and the extracts.
fn sql_has_its_place(sources: &[Source]) -> Vec<String> {
    let allowed = ["coordinator/src/store/", "node/src/ledger", "node/src/extract/"];
    let words = ["SELECT ", "INSERT INTO", "DELETE FROM", "CREATE TABLE", "UPDATE OR", "PRAGMA "];
    complain_of(
        sources,
        |path| !path.starts_with("tests/") && !allowed.iter().any(|folder| path.starts_with(folder)),
        &words,
        "SQL text stands elsewhere",
    )
}

/// No `Vec`, `String` or map in a type that travels: only types that carry their cap.
fn wire_types_carry_their_caps(sources: &[Source]) -> Vec<String> {
    let wire = ["message.rs", "roster.rs", "warrant.rs", "admission.rs", "query/"];
    let is_wire = |path: &str| wire.iter().any(|name| path.starts_with(&format!("protocol/src/{name}")));
    let mut complaints = Vec::new();
    for source in sources.iter().filter(|source| is_rust(source) && is_wire(&source.path)) {
        let text = production(source);
        let mut travels = false;
        let mut inside = false;
        for line in text.lines() {
            travels |= line.contains("#[derive(") && line.contains("Deserialize");
            if line.starts_with("pub struct") || line.starts_with("pub enum") || line.starts_with("struct") {
                inside = travels;
                travels = false;
            }
            let open = ["Vec<", "String", "BTreeMap<", "HashMap<", "HashSet<", "BTreeSet<", "usize", "f64"];
            let fields = line.replace("const MAX: usize", "");
            if inside && let Some(word) = open.iter().find(|word| fields.contains(**word)) {
                complaints.push(format!("{}: `{}` holds `{word}`", source.path, line.trim()));
            }
            if line.starts_with('}') || (inside && line.ends_with(");")) {
                inside = false;
            }
        }
    }
    complaints
}

/// Files stay short, and say what they own.
fn files_are_short_and_say_what_they_own(sources: &[Source]) -> Vec<String> {
    let mut complaints = Vec::new();
    for source in sources.iter().filter(|source| is_rust(source)) {
        let lines = source.text.lines().count();
        if lines > 600 {
            complaints.push(format!("{}: {lines} lines, at most 600", source.path));
        }
        let head = source.text.lines().find(|line| !line.is_empty()).unwrap_or_default();
        if !head.starts_with("//!") && !head.starts_with("#![doc") {
            complaints.push(format!("{}: does not say what it owns (//!)", source.path));
        }
    }
    complaints
}

/// The top level is fixed; tool settings hide as dot-files.
fn the_top_level_is_fixed(sources: &[Source]) -> Vec<String> {
    let fixed = [
        "Cargo.toml",
        "Cargo.lock",
        "LICENSE",
        "README.md",
        "node",
        "coordinator",
        "protocol",
        "tests",
        "deploy",
    ];
    let first = |source: &Source| source.path.split('/').next().unwrap_or_default().to_owned();
    let mut names: Vec<String> = sources.iter().map(first).collect();
    names.sort();
    names.dedup();
    names.retain(|name| !name.starts_with('.') && !fixed.contains(&name.as_str()));
    names.into_iter().map(|name| format!("{name}: not one of {fixed:?}")).collect()
}

/// Red controls compile by a cfg, never by a feature that cargo would unify into the programs.
fn the_core_has_no_features(sources: &[Source]) -> Vec<String> {
    let manifest = sources.iter().filter(|source| source.path == "protocol/Cargo.toml");
    manifest
        .filter(|source| source.text.lines().any(|line| line.trim() == "[features]"))
        .map(|source| format!("{}: has features", source.path))
        .collect()
}

/// Red controls and dealt channel keys are for tests: no program names them.
fn programs_know_no_red_controls(sources: &[Source]) -> Vec<String> {
    let program = |path: &str| path.starts_with("node/") || path.starts_with("coordinator/");
    let words = ["samensom_ablation", "ablat", "deal_channel"];
    complain_of(sources, program, &words, "no program knows red controls or deals keys")
}

/// Every switched-off check is listed with what it does, and every listed one stands in the core.
fn red_controls_are_listed(sources: &[Source]) -> Vec<String> {
    let list = sources.iter().find(|source| source.path == "protocol/src/ablation.rs");
    let all = list.map_or("", |source| source.text.split("pub const CHECKS").nth(1).unwrap_or_default());
    let all = all.split("thread_local!").next().unwrap_or_default();
    // A name is one word; what it does is more.
    let quoted = all.split('"').skip(1).step_by(2);
    let listed: Vec<&str> = quoted.filter(|text| text.contains('-') && !text.contains(' ')).collect();
    let core = |source: &&Source| source.path.starts_with("protocol/src/") && is_rust(source);
    let mut used: Vec<(&str, &str)> = Vec::new();
    for source in sources.iter().filter(core).filter(|source| source.path != "protocol/src/ablation.rs") {
        for inside in source.text.split("ablated!(").skip(1).filter_map(|rest| rest.split(')').next()) {
            used.extend(inside.split('"').skip(1).step_by(2).map(|name| (source.path.as_str(), name)));
        }
    }
    let unlisted = used.iter().filter(|(_, name)| !listed.contains(name));
    let mut complaints: Vec<String> =
        unlisted.map(|(path, name)| format!("{path}: `{name}` is not listed in ablation.rs")).collect();
    let unused = listed.iter().filter(|name| used.iter().all(|(_, used)| used != *name));
    complaints.extend(unused.map(|name| format!("ablation.rs: `{name}` stands nowhere")));
    complaints
}

/// The second implementation shares no code with the core: it does not even name it, in code or comment.
fn the_second_implementation_is_its_own(sources: &[Source]) -> Vec<String> {
    let within = |path: &str| path.starts_with("tests/src/second") || path.starts_with("tests/vectors/");
    let names =
        ["samensom_protocol", "samensom_node", "samensom_coordinator", "crate::sim", "crate::adversary"];
    let mut complaints = Vec::new();
    for source in sources.iter().filter(|source| is_rust(source) && within(&source.path)) {
        for name in names.iter().filter(|name| source.text.contains(**name)) {
            complaints.push(format!("{}: names `{name}`", source.path));
        }
    }
    complaints
}

fn bad(path: &str, text: &str) -> Source {
    Source { path: path.to_owned(), text: text.to_owned() }
}

/// Holds on the repository, and complains of the sample.
fn hold(rule: Rule, samples: &[Source]) {
    assert_eq!(rule(&sources()), Vec::<String>::new());
    for sample in samples {
        let planted = Source { path: sample.path.clone(), text: sample.text.clone() };
        assert!(!rule(&[planted]).is_empty(), "the rule sees nothing in {}", sample.path);
    }
}

#[test]
fn core() {
    hold(
        the_core_is_pure,
        &[bad("protocol/src/a.rs", "use std::fs;"), bad("protocol/src/b/c.rs", "Instant::now()")],
    );
    hold(
        the_core_is_layered,
        &[
            bad("protocol/src/crypto/a.rs", "use crate::rounds::x;"),
            bad("protocol/src/rounds/a.rs", "use crate::node::Node;"),
            bad("node/src/a.rs", "bincode::encode"),
            bad("protocol/src/roster.rs", "toml::from_str"),
        ],
    );
    hold(the_core_has_no_features, &[bad("protocol/Cargo.toml", "[features]\nx = []")]);
}

#[test]
fn red_controls() {
    hold(
        programs_know_no_red_controls,
        &[
            bad("node/src/a.rs", "cfg(samensom_ablation)"),
            bad("coordinator/src/a.rs", "node.deal_channel(x)"),
        ],
    );
    hold(
        red_controls_are_listed,
        &[
            bad("protocol/src/rounds/a.rs", "if ablated!(\"a99-no-such\") {"),
            bad(
                "protocol/src/ablation.rs",
                "pub const CHECKS: &[(&str, &str)] = &[(\"a99-no-such\", \"x\")];",
            ),
        ],
    );
}

#[test]
fn programs() {
    hold(
        the_programs_are_layered,
        &[
            bad("node/src/extract/a.rs", "use crate::link::Link;"),
            bad("coordinator/src/store/a.rs", "use crate::ops::Ops;"),
            bad("coordinator/src/a.rs", "samensom_node::run()"),
        ],
    );
    hold(
        sql_has_its_place,
        &[bad("coordinator/src/ops.rs", "\"SELECT 1\""), bad("node/src/a.rs", "\"CREATE TABLE x\"")],
    );
}

#[test]
fn second_implementation() {
    hold(
        the_second_implementation_is_its_own,
        &[
            bad("tests/src/second/a.rs", "use samensom_protocol::codec;"),
            bad("tests/vectors/main.rs", "samensom_protocol::message::Message"),
        ],
    );
}

#[test]
fn wire() {
    let travelling = "#[derive(Serialize, Deserialize)]\npub struct A {\n    pub all: Vec<u8>,\n}";
    let staying = "#[derive(Debug)]\npub struct A {\n    pub all: Vec<u8>,\n}";
    hold(wire_types_carry_their_caps, &[bad("protocol/src/message.rs", travelling)]);
    assert!(wire_types_carry_their_caps(&[bad("protocol/src/message.rs", staying)]).is_empty());
}

#[test]
fn form() {
    let long = format!("//! x\n{}", "\n".repeat(600));
    hold(
        files_are_short_and_say_what_they_own,
        &[bad("node/src/a.rs", "fn main() {}"), bad("node/src/b.rs", &long)],
    );
    hold(the_top_level_is_fixed, &[bad("docs/x.md", ""), bad("util.rs", "")]);
}

#[test]
fn attacks() {
    attacks::write_if_asked();
    let test = "#[test]\nfn attack_99_a_new_one_a07() {}";
    let control = "#[test]\nfn control_99_a_new_one() {}";
    hold(attacks::the_catalogue_is_whole, &[bad("tests/attacks/a.rs", test)]);
    hold(
        attacks::every_attack_has_its_control,
        &[
            bad("tests/attacks/a.rs", test),
            bad("tests/attacks/a.rs", control),
            bad("tests/attacks/a.rs", "#[test]\nfn attack_99_() {}"),
            bad("tests/attacks/a.rs", "fn attack_99_no_test_a07() {}\n#[test]\nfn control_99_x() {}"),
        ],
    );
    hold(attacks::the_table_is_the_tests, &[bad("protocol/src/manual/attacks.md", "an old table")]);
}

#[test]
fn pack() {
    let head = "| requirement | what | test |\n|---|---|---|\n";
    let (stray, none) = (format!("{head}| a | b | `no_such_test` |"), format!("{head}| a | b | - |"));
    hold(
        pack::every_control_has_its_test,
        &[bad("deploy/privacy/controls.md", &stray), bad("deploy/privacy/controls.md", &none)],
    );
}

/// The table of house.md on crates: what each member may depend on.
#[test]
fn members_depend_only_on_what_they_may() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--locked", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let dependencies = |package: &str| -> Vec<String> {
        let packages = metadata["packages"].as_array().unwrap();
        let found = packages.iter().find(|one| one["name"] == package).unwrap();
        let normal = found["dependencies"].as_array().unwrap().iter().filter(|one| one["kind"].is_null());
        normal.map(|one| one["name"].as_str().unwrap().to_owned()).collect()
    };
    let primitives = [
        "curve25519-dalek",
        "ed25519-dalek",
        "tari_bulletproofs_plus",
        "x-wing",
        "sha2",
        "hkdf",
        "hmac",
        "aes",
        "ctr",
        "chacha20poly1305",
        "rand_core",
        "subtle",
        "zeroize",
        "thiserror",
        "serde",
        "bincode",
        "toml",
        "strsim",
        // Exact fractions of opened sums, after the session.
        "num-bigint",
        "num-rational",
        "num-traits",
    ];
    let core = dependencies("samensom-protocol");
    assert!(!core.is_empty());
    for name in &core {
        assert!(primitives.contains(&name.as_str()), "protocol depends on {name}");
    }
    for (member, other) in
        [("samensom-node", "samensom-coordinator"), ("samensom-coordinator", "samensom-node")]
    {
        let all = dependencies(member);
        assert!(all.contains(&"samensom-protocol".to_owned()));
        assert!(!all.contains(&other.to_owned()), "{member} depends on {other}");
        assert!(!all.contains(&"bincode".to_owned()), "{member} names bincode");
    }
}
