//! The log as the program uses it: what is told, once or again, and what the coordinator's answer finds.

use super::*;
use crate::identity;
use crate::tls::tests::identity as coordinator;
use samensom_protocol::ids::AttemptId;
use tempfile::TempDir;

struct Place {
    _dir: TempDir,
    config: Config,
    key: Arc<Identity>,
}

fn place() -> Place {
    let dir = tempfile::tempdir().unwrap();
    let config = Config::bare(dir.path());
    let key = Arc::new(identity::load_or_make(&config.state).unwrap());
    Place { _dir: dir, config, key }
}

impl Place {
    fn open(&self) -> Audit {
        Audit::open(&self.config.state, &self.key).unwrap()
    }
    fn words(&self) -> Vec<String> {
        show(&self.config, None, None).unwrap().into_iter().map(|one| one.words).collect()
    }
}

fn released(sid: u8) -> Event {
    Event::Released { attempt: AttemptId([sid; 32]) }
}

#[test]
fn what_is_told_is_read_again_in_words_and_reading_is_told_too() {
    let place = place();
    let audit = place.open();
    audit.tell(released(1)).unwrap();
    audit.tell_all([released(2), Event::Paused {}]).unwrap();
    assert_eq!(place.words().len(), 4, "the reading is a record, written first");
    let shown = show(&place.config, None, None).unwrap();
    assert!(shown[3].words.contains("shown") && shown[1].attempt == Some("02".repeat(32)), "{shown:?}");
    assert!(shown[0].to_string().contains("released"), "{}", shown[0]);
    let late: Since = "2100-01-01".parse().unwrap();
    assert_eq!(show(&place.config, Some(&late), None).unwrap(), []);
    assert!("yesterday".parse::<Since>().is_err());
    let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(folder(&place.config.state)).unwrap());
    assert_eq!(mode & 0o777, 0o700);
}

/// A coordinator that sends bad messages without end does not fill the disk.
#[test]
fn the_same_refusal_is_told_once_a_minute() {
    let place = place();
    let audit = place.open();
    let refused = |rule: &str| Event::FrameRefused { rule: rule.to_owned() };
    for _ in 0..1000 {
        audit.tell(refused("A01: bytes are not a message")).unwrap();
    }
    audit.tell(refused("A03: another attempt is open")).unwrap();
    assert_eq!(audit.records(), 2);
}

#[test]
fn what_the_coordinator_kept_is_compared_and_its_head_kept() {
    let place = place();
    let (audit, lcg) = (place.open(), coordinator(9));
    audit.tell_all((1..=3).map(released)).unwrap();
    let first = audit.keeper().unwrap().log.head();
    audit.tell(released(4)).unwrap();
    let own = |number| {
        SignedHead::new(&lcg, Head { number, hash: samensom_protocol::ids::LogHash([5; 32]) }).unwrap()
    };
    let hear = |audit: &Audit, before: Option<Head>, own: SignedHead| {
        let frame = Admission::LogNoted { before, own: Box::new(own) }.to_frame().unwrap();
        assert!(audit.heard(&lcg.public(), &frame).unwrap());
    };
    hear(&audit, None, own(1));
    hear(&audit, Some(first), own(1));
    assert_eq!(audit.records(), 5, "one head of the coordinator, once");
    hear(&audit, Some(first), own(2));
    let told = |words: &str| place.words().iter().filter(|one| one.contains(words)).count();
    assert_eq!((told("the coordinator's log has"), told("kept another record")), (2, 0));
    // What it kept is not what is here: this log was put back, or it lies.
    let last = audit.keeper().unwrap().log.head();
    for wrong in [Head { number: 2, ..first }, Head { number: last.number + 50, ..last }] {
        hear(&audit, Some(wrong), own(2));
    }
    assert_eq!(told("kept another record"), 2);
    // A head that the coordinator's key did not sign is none.
    hear(&audit, None, SignedHead::new(&place.key, last).unwrap());
    assert_eq!((told("the coordinator's log has"), told("not signed by its key")), (2, 1));
    assert!(!audit.heard(&lcg.public(), &[1, 2]).unwrap(), "another frame");
}

#[test]
fn the_heads_that_the_other_side_kept_find_a_log_written_anew() {
    let place = place();
    let audit = place.open();
    audit.tell_all((1..=3).map(released)).unwrap();
    let head = SignedHead::new(&place.key, audit.keeper().unwrap().log.head()).unwrap();
    let line =
        |key: PublicKey, head: SignedHead| format!("{}\n", serde_json::json!({ "key": key, "head": head }));
    let file = place.config.state.join("heads.jsonl");
    let against = |text: String| {
        std::fs::write(&file, text).unwrap();
        verify(&place.config, Some(&file))
    };
    let key = place.key.public();
    assert_eq!(against(line(key, head)).unwrap().compared, 1);
    let others = line(coordinator(3).public(), head);
    assert!(against(others.clone()).unwrap_err().to_string().contains("no head of this log's key"));
    assert_eq!(against([others, line(key, head)].concat()).unwrap().compared, 1);
    let forged = SignedHead { head: Head { number: 2, ..head.head }, ..head };
    assert!(against(line(key, forged)).unwrap_err().to_string().contains("made it up"));
    // Written anew by whoever has the key: by itself it holds.
    std::fs::remove_dir_all(folder(&place.config.state)).unwrap();
    place.open().tell_all((4..=9).map(released)).unwrap();
    assert!(verify(&place.config, None).is_ok());
    let error = against(line(key, head)).unwrap_err();
    assert!(error.to_string().contains("record 3: the other side kept another record"), "{error}");
    assert_eq!(error.exit_code(), 8);
}

#[test]
fn every_form_of_export_has_a_line_a_record() {
    let place = place();
    place.open().tell_all([released(1), Event::FrameRefused { rule: "A01: x=y".to_owned() }]).unwrap();
    for (form, begins) in [
        (ExportFormat::Jsonl, "{\"number\":1,"),
        (ExportFormat::Cef, "CEF:0|Samensom|samensom-node|"),
        (ExportFormat::Syslog, "<109>1 20"),
    ] {
        let mut out = Vec::new();
        export(&place.config, form, (None, None), &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with(begins), "{text}");
        assert!(text.lines().count() >= 3 && text.contains("frame-refused"), "{text}");
    }
    let mut out = Vec::new();
    export(&place.config, ExportFormat::Jsonl, (None, None), &mut out).unwrap();
    let log = std::fs::read(folder(&place.config.state).join(file::LOG)).unwrap();
    assert_eq!(out, log, "the log itself");
}

/// A disk that is full: what could not be told is not done.
#[test]
fn a_query_that_cannot_be_kept_stops_what_follows() {
    let place = place();
    let audit = place.open();
    std::fs::write(folder(&place.config.state).join("queries"), "in the way").unwrap();
    let text = "[query]\nid = \"q\"\nversion = 1\ntitle = { nl = \"q\", en = \"q\" }\npurpose = \"stock\"\n\
                dataset = \"stock\"\n[[measure]]\nname = \"lines\"\nrows = true\n";
    let query = Query::from_toml(text, &mut |_| Err(String::new())).unwrap();
    assert!(audit.whole().is_ok());
    assert!(audit.keep_query(&QueryHash([1; 32]), &query).is_err());
    assert!(audit.whole().is_err() && audit.tell(released(1)).is_err());
}
