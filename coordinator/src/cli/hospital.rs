//! `samensom hospital`: add, give a token, confirm the fingerprint, suspend, resume, remove, list.

use super::{Context, hint, print_text, unexpected};
use crate::clock::{span_ms, text};
use crate::control::{Request, Response, ask};
use crate::error::Error;
use crate::shown;
use crate::store::{Hospital, Mark, State};
use comfy_table::{Table, TableStyle, presets};
use samensom_protocol::admission::words;
use samensom_protocol::roster::{Roster, Status};
use serde_json::json;
use std::io::IsTerminal as _;

/// What to do.
#[derive(Debug, clap::Subcommand)]
pub enum Args {
    /// Add a hospital; it gets a number and a short name.
    #[command(after_help = "Example:\n  samensom hospital add \"Erasmus MC\" --group west --kind umc")]
    Add {
        /// Name for people.
        name: String,
        /// Purchasing group.
        #[arg(long)]
        group: String,
        /// Kind of hospital: general, umc, ...
        #[arg(long)]
        kind: String,
        /// Its own floor: fewest hospitals behind a figure it helps to release.
        #[arg(long, default_value_t = 0)]
        floor: u16,
        /// Short name; without it, made from the name.
        #[arg(long, value_name = "SLUG")]
        id: Option<String>,
    },
    /// Make a one-use token; earlier unused tokens of the hospital are void.
    #[command(after_help = "Example:\n  samensom hospital token erasmus-mc --valid 72h > erasmus.token")]
    Token {
        /// Short name.
        #[arg(value_name = "SLUG")]
        hospital: String,
        /// How long it may be used; 72h at most.
        #[arg(long, default_value = "72h")]
        valid: String,
    },
    /// Confirm, over the telephone, that the key which enrolled is the hospital's.
    #[command(after_help = "Example:\n  samensom hospital confirm erasmus-mc --fingerprint \
\"bihun dafok lusab tivon gohar pizut\"")]
    Confirm {
        /// Short name.
        #[arg(value_name = "SLUG")]
        hospital: String,
        /// The six words that the hospital reads from its own screen.
        #[arg(long, value_name = "WORDS")]
        fingerprint: String,
    },
    /// Bar a hospital in the next roster; it keeps its number and may be resumed.
    #[command(after_help = "Example:\n  samensom hospital suspend erasmus-mc")]
    Suspend {
        /// Short name.
        #[arg(value_name = "SLUG")]
        hospital: String,
    },
    /// Let a suspended hospital take part again in the next roster, or take back a mark.
    #[command(after_help = "Example:\n  samensom hospital resume erasmus-mc")]
    Resume {
        /// Short name.
        #[arg(value_name = "SLUG")]
        hospital: String,
    },
    /// Let a hospital leave for good with the next roster; its number is never given again.
    #[command(after_help = "Example:\n  samensom hospital remove erasmus-mc")]
    Remove {
        /// Short name.
        #[arg(value_name = "SLUG")]
        hospital: String,
    },
    /// List the hospitals and how far their admission is.
    #[command(after_help = "Example:\n  samensom hospital list --format json")]
    List,
}

/// Does it.
///
/// # Errors
/// What the server answers as an error.
pub fn run(context: &Context, args: &Args) -> Result<(), Error> {
    match args {
        Args::Add { name, group, kind, floor, id } => {
            let (name, group, kind) = (name.clone(), group.clone(), kind.clone());
            let request = Request::HospitalAdd { name, group, kind, floor: *floor, id: id.clone() };
            let hospital = changed(context, &request)?;
            let slug = &hospital.institution;
            context.print(&facts(&hospital), || slug.clone())?;
            hint(&format!("Next: samensom hospital token {slug} --valid 72h > {slug}.token"));
            Ok(())
        }
        Args::Token { hospital, valid } => token(context, hospital, span_ms(valid)?),
        Args::Confirm { hospital, fingerprint } => {
            let fingerprint = fingerprint.clone();
            let request = Request::HospitalConfirm { hospital: hospital.clone(), fingerprint };
            let hospital = changed(context, &request)?;
            context.print(&facts(&hospital), || format!("{} is confirmed", hospital.institution))?;
            hint("Next, when all are confirmed: samensom roster propose");
            Ok(())
        }
        Args::Suspend { hospital } => mark(context, hospital, Mark::Suspended),
        Args::Resume { hospital } => mark(context, hospital, Mark::Active),
        Args::Remove { hospital } => mark(context, hospital, Mark::Left),
        Args::List => list(context),
    }
}

fn mark(context: &Context, hospital: &str, mark: Mark) -> Result<(), Error> {
    let hospital = changed(context, &Request::HospitalMark { hospital: hospital.to_owned(), mark })?;
    let slug = &hospital.institution;
    context.print(&facts(&hospital), || match hospital.marked {
        Some(mark) => format!("{slug} is marked for the next roster: {}", mark.name()),
        None => format!("{slug} is not marked: the next roster says of it what the newest says"),
    })?;
    if hospital.marked.is_some() {
        hint("Nothing changes before the signers have signed. Next: samensom roster propose");
    }
    Ok(())
}

fn changed(context: &Context, request: &Request) -> Result<Hospital, Error> {
    match ask(&context.folder, request)? {
        Response::Hospital(hospital) => Ok(hospital),
        _ => Err(unexpected()),
    }
}

fn token(context: &Context, hospital: &str, valid_ms: u64) -> Result<(), Error> {
    let request = Request::HospitalToken { hospital: hospital.to_owned(), valid_ms };
    let Response::Token(token) = ask(&context.folder, &request)? else { return Err(unexpected()) };
    let toml = toml::to_string(&token)
        .map_err(|why| Error::machine(format!("the token cannot be written: {why}")))?;
    print_text(toml.trim_end())?;
    if std::io::stdout().is_terminal() {
        hint("This is a secret: send it as a file, by a way only the hospital reads.");
    }
    hint(&format!(
        "Valid once, until {}. Next, at the hospital: samensom-node enroll --token-file FILE",
        text(token.expires)
    ));
    Ok(())
}

fn facts(hospital: &Hospital) -> serde_json::Value {
    json!({
        "id": hospital.id, "institution": hospital.institution, "name": hospital.name, "group": hospital.group,
        "kind": hospital.kind, "floor": hospital.floor, "state": hospital.state, "key": hospital.key,
        "words": hospital.key.map(|key| words(&key.0)), "marked": hospital.marked,
    })
}

fn list(context: &Context) -> Result<(), Error> {
    let store = context.folder.read_store()?;
    let (head, hospitals) = (store.head_roster(), store.hospitals()?);
    let in_roster =
        |hospital: &Hospital| head.member(hospital.id).is_some_and(|m| Some(m.key) == hospital.key);
    let status = |hospital: &Hospital| standing(&head, hospital);
    let facts: Vec<_> = hospitals
        .iter()
        .map(|hospital| {
            let mut facts = facts(hospital);
            if let Some(facts) = facts.as_object_mut() {
                facts.insert("in_roster".to_owned(), in_roster(hospital).into());
                facts.insert("standing".to_owned(), status(hospital).into());
            }
            facts
        })
        .collect();
    context.print(&facts, || {
        let bare = !std::io::stdout().is_terminal();
        let style = if bare { presets::NOTHING } else { presets::UTF8_HORIZONTAL_ONLY };
        let waiting = hospitals.iter().filter(|hospital| hospital.state == State::Keyed).count();
        let note = if waiting == 0 { String::new() } else { format!("\n{waiting} wait for confirmation") };
        format!("{}{note}", table(&hospitals, status, style))
    })
}

/// What the newest roster says of a hospital, in a word or two.
fn standing(head: &Roster, hospital: &Hospital) -> &'static str {
    match head.body().members.iter().find(|member| member.id == hospital.id) {
        None => "no",
        Some(member) if member.status == Status::Suspended => "suspended",
        Some(member) if member.status == Status::Left => "left",
        Some(member) if Some(member.key) != hospital.key => "with another key",
        Some(_) => "yes",
    }
}

fn table(hospitals: &[Hospital], standing: impl Fn(&Hospital) -> &'static str, style: TableStyle) -> Table {
    let mut table = Table::new();
    table.load_style(style);
    table.set_header(["no", "id", "name", "group", "kind", "state", "in roster", "marked"]);
    for hospital in hospitals {
        table.add_row([
            hospital.id.0.to_string(),
            shown::text(&hospital.institution),
            shown::text(&hospital.name),
            shown::text(&hospital.group),
            shown::text(&hospital.kind),
            hospital.state.name().to_owned(),
            standing(hospital).to_owned(),
            hospital.marked.map_or("", Mark::name).to_owned(),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use samensom_protocol::ids::NodeId;

    fn listed(name: &str) -> String {
        let of = |name: &str| name.to_owned();
        let hospital = Hospital {
            id: NodeId(1),
            institution: of(name),
            name: of(name),
            group: of(name),
            kind: of(name),
            floor: 0,
            state: State::Keyed,
            key: None,
            marked: None,
        };
        table(&[hospital], |_| "no", presets::NOTHING).to_string()
    }

    #[test]
    fn a_hostile_name_of_a_hospital_stays_text_in_the_list() {
        for name in crate::shown::hostile::texts() {
            let list = listed(&name);
            assert_eq!(list.lines().count(), listed("Erasmus MC").lines().count(), "{name:?}");
            assert!(crate::shown::hostile::stays_text(&list), "{name:?}: {list:?}");
            assert_eq!(list.matches(shown::text(&name).trim()).count(), 4, "{name:?}: {list}");
        }
    }
}
