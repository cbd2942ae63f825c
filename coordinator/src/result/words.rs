//! A verified bundle in words: what was checked, and what that means for who reads it.
//!
//! Owns the sentences, in Dutch and English. Each names a check that [`samensom_protocol::bundle`] made before
//! this is called, and nothing that it did not make.

use crate::shown;
use samensom_protocol::bundle::Verified;
use samensom_protocol::query::Language;

/// What verified, and what it says; `words` are those of the founding roster, compared with others or not.
#[must_use]
pub(super) fn verified(verified: &Verified, words: &str, compared: bool, language: Language) -> String {
    let checked: String = checks(verified, language).iter().map(|line| format!("- {line}\n")).collect();
    let means = say(
        language,
        "Dit betekent: niemand, ook LCG niet, heeft dit totaal veranderd, een van deze ziekenhuizen weggelaten of dubbel \
         geteld. Het zegt niet dat elk ziekenhuis zijn eigen cijfers goed had.",
        "This means: nobody, LCG included, has changed this total, left one of these hospitals out or counted one twice. \
         It does not say that each hospital's own figures were right.",
    );
    let compare = match compared {
        true => say(
            language,
            "de eerste ledenlijst heeft de woorden die u opgaf",
            "the founding roster has the words that you gave",
        ),
        false => say(
            language,
            "vergelijk de woorden van de ledenlijst met die welke u van een ziekenhuis kreeg; zonder dat kan alles van \
             iemand anders zijn",
            "compare the words of the roster with those a hospital gave you; without that all of it may be somebody \
             else's",
        ),
    };
    let title = say(language, "klopt:", "verified:");
    let session = verified.facts.session;
    let result = verified.result;
    let names = say(
        language,
        format!("sessie      {session}\nresultaat   {result}\nledenlijst  {words}"),
        format!("session  {session}\nresult   {result}\nroster   {words}"),
    );
    format!("{title}\n{checked}{means}\n{names}\n{compare}")
}

/// What was checked, a line each.
fn checks(verified: &Verified, language: Language) -> Vec<String> {
    let (warrant, roster) = (&verified.facts.warrant, &verified.facts.roster);
    let (in_it, all) = (verified.survivors.len(), roster.size());
    let approvers: Vec<String> = warrant
        .approvers()
        .iter()
        .map(|one| format!("{} ({})", shown::text(&one.person), shown::text(&one.organisation)))
        .collect();
    let (approvers, id) = (approvers.join(", "), warrant.query().id());
    let mut checked = vec![
        say(
            language,
            format!(
                "elke lijst van leden is ondertekend onder de regels van de vorige; de laatste telt {all} ziekenhuizen"
            ),
            format!("every roster is signed under the rules of the one before; the last has {all} hospitals"),
        ),
        say(
            language,
            format!("de vraag {id} is goedgekeurd door {approvers}"),
            format!("the query {id} is approved by {approvers}"),
        ),
        say(
            language,
            format!(
                "{in_it} ziekenhuizen ondertekenden dat zij, en geen andere, in het totaal zitten, elk één keer"
            ),
            format!("{in_it} hospitals signed that they, and no others, are in the total, each once"),
        ),
        say(
            language,
            "het totaal is de som van wat elk van hen vastlegde voordat iets werd gemaskeerd",
            "the total is the sum of what each of them committed to before any figure was masked",
        ),
    ];
    let proven = proven(verified).join(", ");
    if !proven.is_empty() {
        checked.push(say(
            language,
            format!("van elk ziekenhuis is bewezen dat zijn cijfers van {proven} binnen hun grenzen liggen"),
            format!("it is proven of each hospital that its figures of {proven} lie within their bounds"),
        ));
    }
    if verified.count.is_some() {
        checked.push(say(
                language,
            "wat open ging volgt uit een eerste telling van hoeveel ziekenhuizen achter elk cijfer staan, even goed \
             nagerekend",
            "what opened follows from a first count of how many hospitals stand behind each figure, verified alike",
        ));
    }
    checked
}

/// The measures whose figures carry proofs of their ranges.
#[must_use]
pub(super) fn proven(verified: &Verified) -> Vec<&str> {
    let query = verified.facts.warrant.query();
    query.measures().iter().filter(|one| one.is_checked()).map(|one| one.name()).collect()
}

fn say(language: Language, dutch: impl Into<String>, english: impl Into<String>) -> String {
    match language {
        Language::Dutch => dutch.into(),
        Language::English => english.into(),
    }
}
