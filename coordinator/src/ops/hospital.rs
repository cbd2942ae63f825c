//! Hospitals: add, give a token, confirm the fingerprint.

use super::Ops;
use crate::clock::now;
use crate::control::Response;
use crate::error::Error;
use crate::person::text;
use samensom_protocol::admission::{Token, TokenSecret, words};
use samensom_protocol::codec::{Bytes, Text};
use samensom_protocol::ids::RosterHash;

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
