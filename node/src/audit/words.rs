//! Each event of the audit log in words, for people who look after a hospital's part.

use super::event::{Asked, Event, Rows};
use std::fmt;

fn short(text: &str) -> String {
    text.chars().take(12).collect()
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self, self.attempt(), self.session()) {
            (Event::Offered { .. }, _, Some(session)) | (_, None, Some(session)) => {
                write!(f, "session {}: ", short(&session.to_hex()))?;
                of_session(self, f)
            }
            (_, Some(attempt), _) => {
                write!(f, "attempt {}: ", short(&attempt))?;
                of_session(self, f)
            }
            _ => of_agent(self, f),
        }
    }
}

fn of_session(event: &Event, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match event {
        Event::Offered { query, slot, lock, .. } => {
            let Asked { id, version, purpose, dataset, cells, requested_by: [who, of], approved_by, .. } =
                query;
            write!(
                f,
                "asked {id} version {version} ({purpose}) over {dataset}, {cells} numbers, {lock} slot {slot}"
            )?;
            let approved: Vec<String> =
                approved_by.iter().map(|[who, role, of]| format!("{who} ({role}, {of})")).collect();
            write!(f, "; asked by {who} ({of}), approved by {}", approved.join(", "))
        }
        Event::Waiting { rule, until, .. } => {
            write!(f, "waits for the hospital's consent until {until}: {rule}")
        }
        Event::Answered { extract, rows, .. } => {
            write!(f, "takes part with extract {}", short(&extract.to_hex()))?;
            rows.iter().try_for_each(|Rows { dataset, used, rejected, objected, .. }| {
                write!(f, "; {dataset}: {used} rows used, {rejected} rejected, {objected} objected")
            })
        }
        Event::Refused { rule, .. } => write!(f, "ends its part: {rule}"),
        Event::Spent { .. } => f.write_str("the masked report leaves"),
        Event::Confirmed { hospitals, .. } => write!(f, "confirms a sum over {hospitals} hospitals"),
        Event::Released { .. } => f.write_str("the shares that open the sum leave"),
        Event::Voided { .. } => f.write_str("will never be confirmed"),
        Event::Returned { .. } => f.write_str("is undone"),
        Event::RolledBack { .. } => {
            f.write_str("peers know more of this ledger than it holds; takes part in nothing")
        }
        Event::Echoed { hospitals, .. } => {
            let hospitals: Vec<String> = hospitals.iter().map(u16::to_string).collect();
            write!(
                f,
                "hospitals {} remember a ledger that was never here; too few to be believed",
                hospitals.join(", ")
            )
        }
        Event::Verified { result, .. } => write!(f, "the result {} is verified", short(&result.to_hex())),
        Event::GivenUp { reason, .. } => write!(f, "the coordinator gave it up ({reason})"),
        Event::PersonAsked { .. } => f.write_str("it is asked whether it read a person's rows"),
        _ => Ok(()),
    }
}

fn of_agent(event: &Event, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match event {
        Event::Decided { warrant, id, version, decision, person, os_user, reason } => {
            let of = short(&warrant.to_hex());
            write!(f, "{person} ({os_user}) {decision}s {id} version {version}, warrant {of}")?;
            if reason.is_empty() { Ok(()) } else { write!(f, ": {reason}") }
        }
        Event::Started { hospital, node, policy, changed, .. } => {
            write!(f, "the agent of {hospital} (node {node}) started; {policy}")?;
            if changed.is_empty() { Ok(()) } else { write!(f, "; changed since: {}", changed.join(", ")) }
        }
        Event::Stopped { why } => write!(f, "the agent stopped: {why}"),
        Event::Cut { bytes } => {
            write!(f, "a record that was not finished when a program was killed is cut, {bytes} bytes")
        }
        Event::Enrolling { hospital, .. } => {
            write!(f, "the token of {hospital} is presented to the coordinator")
        }
        Event::Enrolled { hospital, node } => write!(f, "enrolled as {hospital} (node {node})"),
        Event::Roster { epoch, accepted: true, .. } => write!(f, "roster {epoch} is followed"),
        Event::Roster { epoch, .. } => write!(f, "roster {epoch} waits for the operator"),
        Event::RosterAccepted { epoch } => write!(f, "the operator accepts every roster up to {epoch}"),
        Event::RosterRefused { why } => write!(f, "a roster is refused: {why}"),
        Event::FrameRefused { rule } => write!(f, "a message is refused: {rule}"),
        Event::Head { head, .. } => write!(f, "the coordinator's log has {} records", head.head.number),
        Event::HeadDiffers { kept } => {
            write!(f, "the coordinator kept another record {} of this log than it holds", kept.number)
        }
        Event::TreeHead { head } => {
            write!(f, "the coordinator's transparency log goes on to {} entries", head.head.size)
        }
        Event::TwoStories { why, .. } => write!(f, "two stories: {why}; takes part in nothing"),
        Event::TreeHeadForgotten {} => f.write_str("the operator begins anew with the transparency log"),
        Event::Read { what, .. } => write!(f, "this log: {what}"),
        Event::DataChecked { dataset } => write!(f, "the extracts are checked: {dataset}"),
        Event::Previewed { id, version } => write!(f, "{id} version {version} is previewed with own figures"),
        Event::Paused {} => f.write_str("paused: refuses every session"),
        Event::Resumed {} => f.write_str("resumed"),
        Event::Left {} => f.write_str("left: refuses every session for good"),
        _ => Ok(()),
    }
}
