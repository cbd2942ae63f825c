//! No stage prints a secret: every stage of a session is formatted and searched for every secret that any
//! node held in it.

use super::stages::Secrets;
use crate::ids::NodeId;
use crate::message::Message;
use crate::testing::{Silence, World};
use std::collections::{BTreeMap, BTreeSet};

/// Bytes of a secret that must not show together.
const WINDOW: usize = 6;

/// A text in which byte lists and hexadecimal texts are found again whatever stands between the bytes.
struct Haystack {
    hex: String,
    lists: String,
}

impl Haystack {
    fn of(text: &str) -> Haystack {
        // `{:#?}` puts each item of a list on a line of its own.
        let lists = text.split_whitespace().collect::<Vec<_>>().join(" ").replace(",]", "]");
        Haystack { hex: text.to_lowercase(), lists }
    }

    fn shows(&self, secret: &[u8]) -> bool {
        secret.windows(WINDOW).any(|window| {
            // Runs of one byte, such as the zeros of a small figure, stand everywhere.
            if window.iter().collect::<BTreeSet<_>>().len() < 4 {
                return false;
            }
            let hex: String = window.iter().map(|byte| format!("{byte:02x}")).collect();
            let list = window.iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
            let spaced: String = window.iter().map(|byte| format!("{byte:02x} ")).collect();
            self.hex.contains(&hex) || self.lists.contains(&list) || self.hex.contains(spaced.trim_end())
        })
    }
}

/// Names of the secrets that a text shows.
fn shown(text: &str, secrets: &Secrets) -> Vec<String> {
    let haystack = Haystack::of(text);
    secrets.iter().filter(|(_, secret)| haystack.shows(secret)).map(|(name, _)| name.clone()).collect()
}

/// A world whose figures are wide enough to be told from chance.
fn world() -> World {
    let mut world = World::new(9, 1);
    world.values.values_mut().enumerate().for_each(|(i, values)| values[0] = 731 - i64::try_from(i).unwrap());
    world
}

#[test]
fn no_stage_prints_a_secret() {
    let mut world = world();
    let mut secrets: BTreeMap<NodeId, Secrets> = BTreeMap::new();
    let mut texts: Vec<(NodeId, &'static str, String)> = Vec::new();
    let mut look = |world: &World| {
        for (id, node) in &world.nodes {
            let Some(node) = node else { continue };
            secrets.entry(*id).or_default().extend(node.secrets());
            if id.0 <= 2 || id.0 == 9 {
                texts.push((*id, node.stage_name(), format!("{node:?}\n{node:#?}")));
            }
        }
    };
    let mut last = String::new();
    world
        .run_with(&Silence::from([(8, 2), (9, 2)]), &mut |world, _, bytes| {
            let message = format!("{:?}", Message::from_frame(&bytes).unwrap());
            let kind = message.split('(').next().unwrap_or_default().to_owned();
            // Once for each kind of message, before it is given to anyone, and once for each in RESULT.
            if kind != last || kind == "OutcomeBlock" {
                look(world);
            }
            last = kind;
            vec![bytes]
        })
        .unwrap();
    look(&world);
    let stages: BTreeSet<&str> = texts.iter().map(|(_, stage, _)| *stage).collect();
    assert_eq!(stages.len(), 8 - 1, "every stage but the momentary one was seen: {stages:?}");
    for secrets in secrets.values_mut() {
        secrets.sort();
        secrets.dedup();
        assert!(secrets.len() > 20);
    }
    for (id, stage, text) in &texts {
        let found = shown(text, &secrets[id]);
        assert!(found.is_empty(), "{id}, {stage}: {found:?}");
    }
}

/// The red control: the search finds a leak in each form that a derived `Debug` gives it.
#[test]
fn a_leaky_twin_is_found() {
    #[derive(Debug)]
    struct Leaky {
        _b: [u8; 32],
    }
    #[derive(Debug)]
    struct Hidden {
        _b: crate::secret::Secret<[u8; 32]>,
    }
    let mut node = None;
    world()
        .run_with(&Silence::new(), &mut |world, _, bytes| {
            if matches!(Message::from_frame(&bytes), Ok(Message::Start(_))) && node.is_none() {
                node = world.nodes[&NodeId(1)].as_ref().map(super::Node::secrets);
            }
            vec![bytes]
        })
        .unwrap();
    let secrets = node.unwrap();
    let (_, b) = secrets.iter().find(|(name, _)| name == "own b").unwrap();
    let bytes: [u8; 32] = b.clone().try_into().unwrap();
    let leaky = Leaky { _b: bytes };
    let vector = bytes.to_vec();
    let hex = crate::codec::to_hex(&bytes);
    for text in [
        format!("{leaky:?}"),
        format!("{leaky:#?}"),
        format!("{:?}", vector),
        format!("{:#?}", &vector[9..17]),
        format!("<{hex}>"),
        hex.to_uppercase(),
        hex[10..24].to_owned(),
        format!("{:02x?}", vector).replace(',', ""),
        format!("{:?}", crate::codec::Bytes(bytes)),
    ] {
        assert_eq!(shown(&text, &secrets), ["own b"], "{text}");
    }
    let hidden = Hidden { _b: crate::secret::Secret::new(bytes) };
    assert!(shown(&format!("{hidden:?} {hidden:#?}"), &secrets).is_empty());
}
