//! Seeds of what the two programs read: shipped files, tokens, key files, extracts, control lines.

use super::seeds::{Seeds, add};
use crate::adversary::town::{first, identity, second};
use samensom_coordinator::config::Config;
use samensom_coordinator::control::{Request, Response};
use samensom_coordinator::ops::Wanted;
use samensom_coordinator::roster_file::RosterFile;
use samensom_coordinator::rules::{DEFAULT, Rules};
use samensom_protocol::admission::{Token, TokenSecret};
use samensom_protocol::codec::{Blob, Bytes, List, Text, to_hex};
use samensom_protocol::ids::{NodeId, RosterHash};
use samensom_protocol::roster::Roster;
use samensom_protocol::time::Time;
use samensom_protocol::warrant::SignedWarrant;

const NODE_TOML: &str = include_str!("../../../deploy/config/node.toml");

/// Adds them.
pub(super) fn add_to(seeds: &mut Seeds) {
    add(seeds, "node_config", "shipped", NODE_TOML.as_bytes().to_vec());
    add(seeds, "coordinator_config", "default", Config::default().to_text().into_bytes());
    let public = Some("node.lcg.example:443".to_owned());
    let config = Config { public, ..Config::default() };
    add(seeds, "coordinator_config", "public", config.to_text().into_bytes());
    add(seeds, "rules", "shipped", DEFAULT.as_bytes().to_vec());
    let (key, hash) = (identity(700).public(), RosterHash([9; 32]));
    let token = Token {
        coordinator: Text::new("node.lcg.example:443").expect("short"),
        coordinator_key: key,
        founding_roster: hash,
        hospital: NodeId(12),
        institution: Text::new("erasmus-mc").expect("short"),
        expires: Time(1_800_000_000_000),
        secret: TokenSecret(Bytes([5; 32])),
    };
    let line = format!(
        "coordinator = \"{}\"\ncoordinator_key = \"{key}\"\nfounding_roster = \"{hash}\"\nhospital = 12\n\
         institution = \"{}\"\nexpires = {}\nsecret = \"{}\"\n",
        token.coordinator,
        token.institution,
        token.expires.0,
        to_hex(&token.secret.0.0)
    );
    add(seeds, "token", "token", line.into_bytes());
    let person = format!(
        "kind = \"approver\"\nperson = \"A. de Vries\"\nrole = \"pharmacist\"\norganisation = \"h1\"\nkey = \"{key}\"\n"
    );
    add(seeds, "person", "approver", person.into_bytes());
    of_control(seeds, &token);
    for (name, frames) in [("two", vec![vec![1; 40], vec![2; 3]]), ("long", vec![vec![7; 17_000]])] {
        let wire = |bytes: &Vec<u8>| {
            let length = u32::try_from(bytes.len()).expect("short");
            [&length.to_be_bytes()[..], bytes].concat()
        };
        add(seeds, "frame", name, frames.iter().flat_map(wire).collect());
    }
    let stock = "Artikel;Voorraad;Peildatum\na;1,5;01-02-2026\nb;12;28-02-2026\n";
    add(seeds, "extract", "stock", [&[0][..], stock.as_bytes()].concat());
    let quoted = "\u{feff}Artikel,Voorraad,Peildatum,Eenheid,Soort\r\n\"a\",-3.25,2026-02-01,piece,ccv\r\n\
                  b,x,2026-13-01,doos,\r\n\"c";
    add(seeds, "extract", "quoted", [&[0b0101_1111][..], quoted.as_bytes()].concat());
}

fn of_control(seeds: &mut Seeds, token: &Token) {
    let requests = [
        Request::Status,
        Request::HospitalToken { hospital: "erasmus-mc".to_owned(), valid_ms: 86_400_000 },
        Request::QuerySubmit {
            warrant: SignedWarrant {
                body: Blob::new(vec![1, 2, 3]).expect("short"),
                approvals: List::default(),
                request: Bytes([1; 64]),
            },
        },
        Request::QueryRun { warrant: "ab12".to_owned() },
        Request::RosterPropose(Wanted {
            remove_signers: vec!["ab12cd".to_owned()],
            threshold: Some(3),
            rules: Rules::parse("rules.toml", DEFAULT).ok(),
            ..Wanted::default()
        }),
    ];
    for (place, request) in requests.iter().enumerate() {
        let line = serde_json::to_vec(request).expect("a request is written");
        add(seeds, "control", format!("request-{place}"), line);
    }
    let answer = Response::Token(token.clone());
    add(seeds, "control", "token", serde_json::to_vec(&answer).expect("an answer is written"));
    let (head, next) = (first(), second(7));
    let proposal = RosterFile::Proposal { head: head.body.clone(), proposal: next.body.clone() };
    let signed = next.signatures.first().expect("it is signed").clone();
    let signature = RosterFile::Signature { roster: Roster::hash_of(&next.body), signature: signed };
    let chain = RosterFile::Chain { rosters: vec![head, next] };
    for (name, file) in [("proposal", proposal), ("signature", signature), ("chain", chain)] {
        add(seeds, "control", name, serde_json::to_vec(&file).expect("a file is written"));
    }
    let last = r#"{"attempt":"ab","state":"ended","reason":"A03: x","up_bytes":12}"#;
    add(seeds, "control", "last-session", last.as_bytes().to_vec());
}
