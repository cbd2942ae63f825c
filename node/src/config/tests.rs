//! The configuration: the sample, the defaults, and what is said of a wrong line.

use super::*;

const PATH: &str = "/etc/samensom-node/node.toml";

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(text, Path::new(PATH))
}

fn extract() -> &'static str {
    "[[extract]]\ndataset = \"stock\"\nfile = \"stock.csv\"\nencoding = \"utf-8\"\nseparator = \";\"\n\
     decimal = \",\"\nunit = \"piece\"\n[extract.columns]\nas_of = \"Peildatum\"\ncode = \"ZI\"\n\
     quantity = \"Voorraad\"\n"
}

#[test]
fn an_empty_file_has_the_documented_defaults() {
    let config = parse("").unwrap();
    assert_eq!(config.state, Path::new(DEFAULT_STATE));
    assert_eq!(config.base_dir, Path::new("/etc/samensom-node"));
    assert_eq!(config.timing, Timing::default());
    assert_eq!((config.name, config.coordinator, config.extracts.len()), (None, None, 0));
    assert_eq!(config.policy, Policy::default());
    assert_eq!(config.policy.purposes.stock, Consent::Refuse);
}

#[test]
fn every_key_is_read() {
    let text = format!(
        "[node]\nname = \"h1\"\nstate = \"state\"\n[network]\ncoordinator = \"[::1]:4433\"\nidle = \"3s\"\n\
         keep_alive = \"500ms\"\n[policy]\npurposes = {{ stock = \"auto\" }}\nfloor_hospitals = 10\n{}",
        extract()
    );
    let config = parse(&text).unwrap();
    assert_eq!(config.name.as_deref(), Some("h1"));
    assert_eq!(config.state, Path::new("/etc/samensom-node/state"));
    assert_eq!(config.coordinator.as_deref(), Some("[::1]:4433"));
    let expected = Timing { idle: Duration::from_secs(3), keep_alive: Duration::from_millis(500) };
    assert_eq!(config.timing, expected);
    assert_eq!(config.extracts.len(), 1);
    assert_eq!(config.policy.floor_hospitals, 10);
    for (purpose, consent) in [(Purpose::Stock, Consent::Auto), (Purpose::Crisis, Consent::Refuse)] {
        assert_eq!(config.policy.purposes.of(purpose), consent);
    }
}

#[test]
fn rules_for_single_queries_are_read() {
    let hash = "07".repeat(32);
    let text = format!(
        "[policy]\npurposes = {{ stock = \"ask\" }}\npersons = 2\n[[policy.query]]\nid = \"a\"\nversion = 3\n\
         rule = \"refuse\"\n[[policy.query]]\nid = \"b\"\nhash = \"{hash}\"\nrule = \"auto\"\npersons = 1\n"
    );
    let policy = parse(&text).unwrap().policy;
    assert_eq!((policy.purposes.stock, policy.persons.map(u8::from)), (Consent::Ask, Some(2)));
    let [a, b] = policy.query.as_slice() else { panic!() };
    assert_eq!((&*a.id, a.version, a.rule, a.persons), ("a", Some(3), Consent::Refuse, None));
    assert_eq!((&*b.id, b.hash.map(|hash| hash.0), b.rule), ("b", Some([7; 32]), Consent::Auto));
    for (text, told) in [
        ("[[policy.query]]\nid = \"b\"\nrule = \"auto\"\n", "needs its `hash`"),
        ("[policy]\npersons = 3\n", "one person or two"),
        ("[policy]\npersons = 0\n", "one person or two"),
        ("[[policy.query]]\nid = \"b\"\nrule = \"ask\"\nperson = 2\n", "persons"),
        ("[[policy.query]]\nrule = \"ask\"\n", "id"),
    ] {
        let error = parse(text).unwrap_err().to_string();
        assert!(error.contains(told), "{told}: {error}");
    }
}

#[test]
fn the_shipped_sample_is_the_defaults_and_one_extract() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/config/node.toml");
    let config = Config::load(&path).unwrap();
    assert_eq!(config.state, Path::new(DEFAULT_STATE));
    assert_eq!(config.timing, Timing::default());
    assert!(!config.extracts.is_empty());
    let text = std::fs::read_to_string(path).unwrap();
    for key in ["name", "state", "coordinator", "idle", "keep_alive", "purposes", "floor_hospitals"] {
        assert!(text.contains(&format!("{key} = ")), "the sample does not show `{key}`");
    }
}

#[test]
fn a_wrong_key_names_its_line_and_the_nearest() {
    for (text, line, near) in [
        ("[node]\nname = \"a\"\nstat = \"x\"\n", 3, "state"),
        ("[nodes]\n", 1, "node"),
        ("\n[network]\n# here\nkeepalive = \"1s\"\n", 4, "keep_alive"),
        ("[policy]\npurposes = { stok = \"auto\" }\n", 2, "stock"),
        ("[policy.purposes]\nstock = \"autoo\"\n", 2, "auto"),
        ("[policy]\nfloor_hospital = 1\n", 2, "floor_hospitals"),
    ] {
        let error = parse(text).unwrap_err();
        assert_eq!(error.line, Some(line), "{text}: {error}");
        let shown = error.to_string();
        assert!(shown.starts_with(&format!("{PATH}:{line}: ")), "{shown}");
        assert!(shown.contains(&format!("did you mean `{near}`?")), "{text}: {shown}");
    }
}

#[test]
fn a_wrong_value_names_its_line_and_what_was_expected() {
    for (text, line, expected) in [
        ("[network]\nidle = \"10\"\n", 2, "such as \"10s\""),
        ("[network]\nidle = \"99h\"\n", 2, "to 1h"),
        ("[network]\nidle = \"18446744073709551615h\"\n", 2, "length of time"),
        ("[network]\ncoordinator = \"lcg.example\"\n", 2, "HOST:PORT"),
        ("[network]\ncoordinator = \":443\"\n", 2, "HOST:PORT"),
        ("[network]\nidle = \"1s\"\nkeep_alive = \"1s\"\n", 3, "a third"),
        ("[policy]\nfloor_hospitals = -1\n", 2, "u16"),
        ("[node]\nname = \"a\"\nname = \"b\"\n", 3, "duplicate"),
        ("[node\n", 1, "do:"),
    ] {
        let error = parse(text).unwrap_err();
        assert_eq!(error.line, Some(line), "{text}: {error}");
        assert!(error.to_string().contains(expected), "{text}: {error}");
    }
}

#[test]
fn a_wrong_extract_names_its_line() {
    let text = format!("[node]\nname = \"a\"\n{}", extract().replace("separator", "seperator"));
    let error = parse(&text).unwrap_err().to_string();
    assert!(error.contains(&format!("{PATH}:7: ")) && error.contains("`separator`"), "{error}");
}

#[test]
fn an_absent_file_is_told() {
    let error = Config::load(Path::new("/no/such/node.toml")).unwrap_err();
    assert!(error.to_string().starts_with("/no/such/node.toml: cannot be read"), "{error}");
}
