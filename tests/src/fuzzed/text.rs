//! Targets of what the two programs read: configuration, tokens, key files, extracts, bundles, the control
//! socket, the framing of a link.
//!
//! What was refused must be told in words; what was accepted must say the same when it is written again.

use super::taking;
use core::fmt::Debug;
use samensom_coordinator::config::Config as CoordinatorConfig;
use samensom_coordinator::control::{Request, Response};
use samensom_coordinator::frame::{FrameFault, MAX_FRAME, read, write};
use samensom_coordinator::person::Person;
use samensom_coordinator::result::{read_bundle, summary};
use samensom_coordinator::roster_file::{Proposed, RosterFile};
use samensom_coordinator::rules::Rules;
use samensom_coordinator::toml_file;
use samensom_node::config::Config as NodeConfig;
use samensom_node::extract::{ExtractConfig, data_check, evaluate, freeze};
use samensom_node::session::LastSession;
use samensom_protocol::admission::Token;
use samensom_protocol::query::Query;
use samensom_protocol::roster::Roster;
use samensom_protocol::time::Time;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};
use tokio::io::AsyncReadExt as _;

fn text(data: &[u8]) -> Option<&str> {
    core::str::from_utf8(data).ok()
}

/// A TOML file of the coordinator's kind.
fn toml<T: DeserializeOwned>(data: &[u8]) -> Option<T> {
    let read = taking(data.len(), || toml_file::parse("file.toml", text(data)?).ok());
    if read.is_none() {
        let _ =
            text(data).map(|text| toml_file::parse::<T>("file.toml", text).map_err(|why| why.to_string()));
    }
    read
}

/// A value that was read comes back as itself from JSON.
fn comes_back<T: Serialize + DeserializeOwned + PartialEq + Debug>(value: &T) {
    let again = serde_json::to_string(value).expect("what was read is written");
    assert_eq!(serde_json::from_str::<T>(&again).as_ref().ok(), Some(value), "comes back as another");
}

/// The result bundle.
pub fn bundle(data: &[u8]) {
    match taking(data.len(), || read_bundle(data)) {
        Ok(verified) => drop(summary(&verified.facts.session, &verified).to_string()),
        Err(error) => drop(error.to_string()),
    }
}

/// A hospital's token.
pub fn token(data: &[u8]) {
    let Some(token) = toml::<Token>(data) else { return };
    comes_back(&token);
    assert!(format!("{token:?}").contains("<redacted>"), "a token prints its secret");
}

/// The agent's configuration.
pub fn node_config(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let path = Path::new("/etc/samensom/node.toml");
    match taking(data.len(), || NodeConfig::parse(text, path)) {
        Ok(config) => {
            assert!(config.timing.keep_alive < config.timing.idle, "a link given up between signs of life");
            let _ = format!("{config:?}");
        }
        Err(error) => assert!(error.to_string().contains("node.toml"), "an error that names no file"),
    }
}

/// The coordinator's configuration.
pub fn coordinator_config(data: &[u8]) {
    let Some(config) = toml::<CoordinatorConfig>(data) else { return };
    if config.check().is_ok() {
        let again = toml_file::parse::<CoordinatorConfig>("file.toml", &config.to_text());
        assert_eq!(again.as_ref().ok(), Some(&config), "what init writes is not what is read");
    }
}

/// The rules of the first roster.
pub fn rules(data: &[u8]) {
    let Some(text) = text(data) else { return };
    match taking(data.len(), || Rules::parse("rules.toml", text)) {
        Ok(rules) => {
            let first = crate::adversary::town::first();
            let body: samensom_protocol::roster::RosterBody =
                samensom_protocol::codec::decode(&first.body).expect("the town's first roster");
            let made =
                rules.founding(body.signers.to_vec(), body.threshold).map(|body| body.to_signed(vec![]));
            if let Ok(Ok(signed)) = made {
                assert!(Roster::founding(&signed).is_ok(), "what rules make is no first roster");
            }
        }
        Err(error) => assert!(error.to_string().contains("rules.toml"), "an error that names no file"),
    }
}

/// The public half of a person's key.
pub fn person(data: &[u8]) {
    if let Some(person) = toml::<Person>(data) {
        comes_back(&person);
    }
}

/// A line on the control socket, either way, a signer's files, and the agent's word on its last session.
pub fn control(data: &[u8]) {
    if let Ok(request) = taking(data.len(), || serde_json::from_slice::<Request>(data)) {
        comes_back(&request);
    }
    if let Ok(file) = taking(data.len(), || serde_json::from_slice::<RosterFile>(data)) {
        comes_back(&file);
        if let RosterFile::Proposal { head, proposal } = &file {
            let _ = Proposed::new(head, proposal).map(|proposed| proposed.changes());
        }
    }
    if let Ok(response) = taking(data.len(), || serde_json::from_slice::<Response>(data)) {
        let _ = format!("{response:?}");
    }
    if let Ok(last) = taking(data.len(), || serde_json::from_slice::<LastSession>(data)) {
        comes_back(&last);
    }
}

/// The bytes of a link's stream.
pub fn frame(data: &[u8]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    runtime.block_on(async {
        let mut stream = data;
        loop {
            let (before, rest) = (stream, stream.len());
            // Two links end on one thread in the same way: by hand, since the meter knows no futures.
            let taken = taking(rest, || {
                let mut reading = std::pin::pin!(read(&mut stream, || MAX_FRAME));
                let waker = std::task::Waker::noop();
                match reading.as_mut().poll(&mut std::task::Context::from_waker(waker)) {
                    std::task::Poll::Ready(taken) => taken,
                    std::task::Poll::Pending => unreachable!("bytes in memory are there"),
                }
            });
            match taken {
                Ok(Some(bytes)) => {
                    let used = before.len() - stream.len();
                    assert_eq!(used, bytes.len() + 4, "a frame is its length and its bytes");
                    let mut again = Vec::new();
                    write(&mut again, &bytes).await.expect("what was read is written");
                    assert_eq!(Some(&*again), before.get(..used), "another frame is written");
                }
                Ok(None) => return assert!(before.is_empty(), "a stream that ends in the middle"),
                Err(FrameFault::Length { claimed, most }) => {
                    return assert!(claimed == 0 || claimed > most, "a good length refused");
                }
                Err(_) => {
                    let mut left = Vec::new();
                    let _ = stream.read_to_end(&mut left).await;
                    return;
                }
            }
        }
    });
}

/// How the extracts of this target are declared: by the bits of the first byte.
fn declared(how: u8) -> ExtractConfig {
    let bit = |place: u8, on: &'static str, off: &'static str| if how >> place & 1 == 1 { on } else { off };
    let separator = [";", ",", "tab", ";"][usize::from(how >> 4 & 3)];
    let text = format!(
        "dataset = \"stock\"\nfile = \"stock.csv\"\nencoding = \"{}\"\nseparator = \"{separator}\"\n\
         decimal = \"{}\"\ndate = \"{}\"\n{}\nmax_rejected = {}\n[columns]\ncode = \"Artikel\"\n\
         quantity = \"Voorraad\"\n{}as_of = \"Peildatum\"\n",
        bit(7, "utf-16", "utf-8"),
        if separator == "," { "." } else { bit(0, ".", ",") },
        bit(1, "%Y-%m-%d", "%d-%m-%Y"),
        bit(2, "unit_column = \"Eenheid\"", "unit = \"piece\""),
        bit(3, "1000000", "0"),
        bit(6, "kind = \"Soort\"\n", ""),
    );
    toml_file::parse("node.toml", &text).expect("the declaration above")
}

/// A query over every piece of the extract that has one of two codes.
fn query() -> Query {
    let text = "query = { id = \"q\", version = 1, title = { nl = \"t\", en = \"t\" }, purpose = \"stock\", \
                dataset = \"stock\" }\n[[dimension]]\ncolumn = \"code\"\ncodes = [\"a\", \"b\"]\n\
                [[measure]]\nname = \"rows\"\nrows = true\n";
    Query::from_toml(text, &mut |_| Err("no files here".to_owned())).expect("the query above")
}

/// A folder in memory where there is one.
fn folder() -> tempfile::TempDir {
    let memory = PathBuf::from("/dev/shm");
    let made = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    made.expect("a folder")
}

/// A hospital's CSV extract: read, frozen, asked; the first byte says how it is declared.
pub fn extract(data: &[u8]) {
    let Some((how, csv)) = data.split_first() else { return };
    let (configs, folder) = (vec![declared(*how)], folder());
    std::fs::write(folder.path().join("stock.csv"), csv).expect("the extract is written");
    let mut reports = taking(csv.len(), || data_check(&configs, folder.path(), None, Time(0)));
    let report = reports.remove(0);
    let _ = format!("{report:?} {}", serde_json::to_string(&report).expect("a report is written"));
    if let Some(seen) = &report.accounting {
        let table = serde_json::to_value(seen).expect("an accounting is written");
        let again = serde_json::from_value(table).expect("an accounting that is written balances");
        assert_eq!(*seen, again, "an accounting is read back as another");
    }
    let frozen = freeze(&configs, folder.path(), &folder.path().join("slot.sqlite"), Time(0));
    assert_eq!(frozen.is_ok(), report.complete, "check and freeze differ: {:?}", report.problem);
    match frozen {
        Ok(frozen) => {
            assert_eq!(frozen.accounting.first(), report.accounting.as_ref(), "check and freeze differ");
            let cells = evaluate(&query(), &frozen);
            let rows: Option<i64> = cells.ok().map(|cells| cells.iter().sum());
            let used = report.accounting.map_or(0, |seen| seen.used);
            assert!(rows.is_none_or(|rows| u64::try_from(rows).is_ok_and(|rows| rows <= used)));
        }
        Err(error) => drop(error.to_string()),
    }
}
