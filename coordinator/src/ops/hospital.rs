//! Hospitals: add, give a token, confirm the fingerprint.

use super::Ops;
use crate::clock::now;
use crate::control::Response;
use crate::error::Error;
use crate::person::text;
use crate::store::Mark;
use samensom_protocol::admission::{Token, TokenSecret, words};
use samensom_protocol::codec::{Bytes, Text};
use samensom_protocol::ids::{NodeId, RosterHash};
use samensom_protocol::roster::Status;

/// The longest that a token may be used: it is a secret that lies about.
const TOKEN_MS: u64 = 72 * 3_600_000;

impl Ops {
    pub(super) fn hospital_add(
        &self,
        name: &str,
        group: &str,
        kind: &str,
        floor: u16,
        id: Option<&str>,
    ) -> Result<Response, Error> {
        let name: Text<160> = text("NAME", name)?;
        let group: Text<64> = text("--group", group)?;
        let kind: Text<32> = text("--kind", kind)?;
        let institution = match id {
            Some(id) if slug(id) == id && !id.is_empty() => id.to_owned(),
            Some(id) => {
                return Err(Error::asked(format!("`{id}` is not a short name"))
                    .place("--id")
                    .expected("small letters, digits and single dashes, such as erasmus-mc"));
            }
            None => slug(&name),
        };
        let institution: Text<64> = text("--id", &institution).map_err(|_| {
            Error::asked("no short name of at most 64 letters follows from the name")
                .remedy("give one with --id")
        })?;
        self.store.add_hospital(&institution, &name, &group, &kind, floor).map(Response::Hospital)
    }

    pub(super) fn hospital_token(&self, institution: &str, valid_ms: u64) -> Result<Response, Error> {
        let hospital = self.store.hospital(institution)?;
        if valid_ms == 0 || valid_ms > TOKEN_MS {
            return Err(Error::asked("a token may not be used for so long, or so shortly")
                .place("--valid")
                .expected("1s to 72h")
                .remedy("make another one when the hospital is ready"));
        }
        if hospital.marked == Some(Mark::Left) || self.status_of(hospital.id) == Some(Status::Left) {
            return Err(left(institution));
        }
        let mut secret = [0u8; 32];
        getrandom::fill(&mut secret).map_err(|why| Error::machine(format!("no randomness: {why}")))?;
        let secret = TokenSecret(Bytes(secret));
        let expires = now().plus_ms(valid_ms);
        let public = self.config.public.clone().unwrap_or_else(|| self.address.to_string());
        let token = Token {
            coordinator: text("public", &public)?,
            coordinator_key: self.key,
            founding_roster: self.founding()?,
            hospital: hospital.id,
            institution: text("hospital", &hospital.institution)?,
            expires,
            secret,
        };
        self.store.put_token(hospital.id, &secret, expires)?;
        Ok(Response::Token(token))
    }

    /// What the newest roster says of it.
    fn status_of(&self, id: NodeId) -> Option<Status> {
        let head = self.store.head_roster();
        head.body().members.iter().find(|member| member.id == id).map(|member| member.status)
    }

    pub(super) fn hospital_mark(&self, institution: &str, mark: Mark) -> Result<Response, Error> {
        let hospital = self.store.hospital(institution)?;
        let now = self.status_of(hospital.id);
        if now == Some(Status::Left) {
            return Err(left(institution));
        }
        if now.is_none() && mark == Mark::Suspended {
            return Err(Error::asked(format!(
                "no roster lists `{institution}` yet: there is nothing to suspend"
            ))
            .remedy("to keep it out of the next roster: samensom hospital remove"));
        }
        // A mark that says what is so already is none.
        let as_it_is = now.unwrap_or(Status::Active) == Status::from(mark);
        self.store.mark_hospital(hospital.id, (!as_it_is).then_some(mark))?;
        tracing::info!(%institution, mark = mark.name(), "hospital marked for the next roster");
        self.store.hospital(institution).map(Response::Hospital)
    }

    fn founding(&self) -> Result<RosterHash, Error> {
        let chain = self.store.roster_chain()?;
        let founding = chain.first().ok_or_else(|| Error::machine("there is no founding roster"))?;
        Ok(samensom_protocol::roster::Roster::hash_of(&founding.body))
    }

    pub(super) fn hospital_confirm(&self, institution: &str, told: &str) -> Result<Response, Error> {
        let hospital = self.store.hospital(institution)?;
        let key = hospital.key.ok_or_else(|| {
            Error::asked(format!("`{institution}` has not enrolled yet"))
                .remedy("the hospital runs `samensom-node enroll` with its token first")
        })?;
        let parts = told.split(|letter: char| letter.is_whitespace() || letter == '-');
        let told: Vec<String> = parts.filter(|word| !word.is_empty()).map(str::to_lowercase).collect();
        if told.join(" ") != words(&key.0) {
            return Err(Error::mismatch("the words are not those of the key that enrolled")
                .place(format!("hospital {institution}"))
                .expected("the six words that the hospital reads from its own screen")
                .remedy("ask again; if they still differ, somebody else took the token: make a new one, and enrol again"));
        }
        if !self.store.confirm_hospital(hospital.id, &key)? {
            return Err(Error::asked("the hospital enrolled again meanwhile").remedy("compare the new words"));
        }
        self.store.hospital(institution).map(Response::Hospital)
    }
}

fn left(institution: &str) -> Error {
    Error::refused(format!("`{institution}` leaves, or has left, for good"))
        .expected("a hospital that takes part, or is to")
        .remedy("one that comes back is added anew, under another short name: samensom hospital add")
}

/// The short name that follows from a name: small ASCII letters and digits, the rest single dashes.
#[must_use]
pub fn slug(name: &str) -> String {
    let mut slug = String::new();
    for letter in name.chars().flat_map(char::to_lowercase) {
        let plain = match letter {
            'a'..='z' | '0'..='9' => letter,
            'à'..='å' => 'a',
            'ç' => 'c',
            'è'..='ë' => 'e',
            'ì'..='ï' => 'i',
            'ñ' => 'n',
            'ò'..='ö' => 'o',
            'ù'..='ü' => 'u',
            'ý' | 'ÿ' => 'y',
            '\'' | '’' | '.' => continue,
            _ => '-',
        };
        if plain != '-' || !(slug.is_empty() || slug.ends_with('-')) {
            slug.push(plain);
        }
    }
    slug.trim_end_matches('-').to_owned()
}
