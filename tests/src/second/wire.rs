//! Sections 3 to 5, 8 and 9 of the manual: the shape of every message and document.

mod query;

use super::codec::Shape::{self, Blob, Choice, Fixed, Struct, Text, U};
pub use query::query;

fn list(item: Shape, max: usize) -> Shape {
    Shape::List(Box::new(item), max)
}

fn opt(inner: Shape) -> Shape {
    Shape::Opt(Box::new(inner))
}

/// A choice of names alone.
fn names(names: &[&'static str]) -> Shape {
    Choice(names.iter().map(|name| (*name, None)).collect())
}

fn hash() -> Shape {
    Fixed(32)
}

/// `{ body: blob, signature }`.
pub fn sealed(max: usize) -> Shape {
    Struct(vec![("body", Blob(max)), ("signature", Fixed(64))])
}

fn signed_by() -> Shape {
    Struct(vec![("key", hash()), ("signature", Fixed(64))])
}

pub fn signed_roster() -> Shape {
    Struct(vec![("body", Blob(1 << 19)), ("signatures", list(signed_by(), 32))])
}

pub fn roster() -> Shape {
    let member = Struct(vec![
        ("id", U(2)),
        ("institution", Text(64)),
        ("name", Text(160)),
        ("group", Text(64)),
        ("kind", Text(32)),
        ("key", hash()),
        ("status", names(&["Active", "Suspended", "Left"])),
        ("floor_hospitals", U(2)),
    ]);
    let approver =
        Struct(vec![("key", hash()), ("person", Text(160)), ("role", Text(64)), ("organisation", Text(64))]);
    let signer = Struct(vec![("key", hash()), ("person", Text(160)), ("organisation", Text(64))]);
    let rule = Struct(vec![
        ("purpose", Text(16)),
        ("roles", list(Text(64), 8)),
        ("floor_hospitals", U(2)),
        ("colluding_holders", Shape::Bool),
        ("floor_dominance", U(1)),
        ("family_sessions", U(2)),
    ]);
    let lock = Struct(vec![
        ("name", Text(32)),
        ("datasets", list(Text(32), 16)),
        ("spacing_s", U(4)),
        ("floor_hospitals", U(2)),
        ("floor_patients", U(4)),
    ]);
    let limits = Struct(vec![
        ("deposit_ms", U(4)),
        ("ready_ms", U(4)),
        ("contribute_ms", U(4)),
        ("contribute_ms_per_mb", U(4)),
        ("confirm_ms", U(4)),
        ("reveal_ms", U(4)),
    ]);
    Struct(vec![
        ("epoch", U(4)),
        ("previous", hash()),
        ("members", list(member, 1024)),
        ("approvers", list(approver, 256)),
        ("signers", list(signer, 32)),
        ("threshold", U(2)),
        ("rules", list(rule, 8)),
        ("locks", list(lock, 8)),
        ("limits", limits),
        ("honest_min", U(2)),
        ("policy", Fixed(32)),
    ])
}

pub fn signed_warrant() -> Shape {
    Struct(vec![
        ("body", Blob((1 << 18) + 512)),
        ("approvals", list(signed_by(), 16)),
        ("request", Fixed(64)),
    ])
}

pub fn warrant() -> Shape {
    Struct(vec![
        ("query", Blob(1 << 18)),
        ("roster", hash()),
        ("profile", U(1)),
        ("floor_hospitals", U(2)),
        ("floor_patients", U(4)),
        ("floor_dominance", U(1)),
        ("may_miss", U(1)),
        ("valid_from", U(8)),
        ("valid_until", U(8)),
        ("sessions", U(2)),
        ("every_s", U(4)),
        ("wait_s", U(4)),
        ("series", names(&["free", "equal"])),
        ("requester", Struct(vec![("key", hash()), ("person", Text(160)), ("organisation", Text(64))])),
    ])
}

/// What is signed as an approval besides a warrant's body.
pub fn word() -> Shape {
    let answer = names(&["Waiting", "Refused", "Undecided"]);
    let answered = Struct(vec![("sid", hash()), ("answer", answer)]);
    Choice(vec![("Asked", Some(hash())), ("Answered", Some(answered))])
}

pub fn announce() -> Shape {
    Struct(vec![
        ("node", U(2)),
        ("roster", hash()),
        ("nonce", Fixed(32)),
        ("public", Fixed(1216)),
        ("not_after", U(8)),
    ])
}

pub fn encapsulation() -> Shape {
    Struct(vec![("from", hash()), ("to", hash()), ("ciphertext", Fixed(1120))])
}

fn confirmation() -> Shape {
    Struct(vec![("node", U(2)), ("signature", Fixed(64))])
}

pub fn header() -> Shape {
    let names_of = ["deposit_ms", "ready_ms", "contribute_ms", "confirm_ms", "reveal_ms"];
    let deadlines = Struct(names_of.map(|name| (name, U(4))).to_vec());
    let bound = Struct(vec![
        ("roster", hash()),
        ("sid", hash()),
        ("freeze", hash()),
        ("survivors", list(U(2), 1024)),
        ("certificate", list(confirmation(), 1024)),
    ]);
    let opening = Struct(vec![("freeze", hash()), ("result", hash()), ("open", Blob(1 << 18))]);
    Struct(vec![
        ("wire", U(1)),
        ("suite", U(1)),
        ("coordinator", Fixed(32)),
        ("warrant", hash()),
        ("roster", hash()),
        ("lock", Text(32)),
        ("slot", U(8)),
        ("pass", names(&["Value", "Count"])),
        ("attempt", U(2)),
        ("nonce", Fixed(32)),
        ("deadlines", deadlines),
        ("invited", list(Struct(vec![("node", U(2)), ("announce", hash())]), 1024)),
        ("bound", opt(bound)),
        ("opening", opt(opening)),
    ])
}

pub fn head() -> Shape {
    Struct(vec![
        ("sid", hash()),
        ("node", U(2)),
        ("nonce", Fixed(32)),
        ("leaves", Fixed(32)),
        ("z", Fixed(32)),
        ("contribution", Fixed(32)),
        ("ranges", Fixed(32)),
        ("ledger_seq", U(8)),
    ])
}

pub fn leaf() -> Shape {
    Struct(["r", "b", "g_r", "g_b", "key"].map(|name| (name, Fixed(32))).to_vec())
}

pub fn public_z() -> Shape {
    Struct(vec![("r", list(Fixed(32), 1024)), ("b", list(Fixed(32), 1024))])
}

pub fn section() -> Shape {
    Struct(vec![
        ("holder", U(2)),
        ("sealed", Blob(184)),
        ("leaf", leaf()),
        ("z", Struct(vec![("r", Fixed(32)), ("b", Fixed(32))])),
        ("pair", Fixed(32)),
        ("seen_seq", U(8)),
    ])
}

pub fn recovery() -> Shape {
    Blob(32_784)
}

fn per_block() -> Shape {
    list(Fixed(32), 1954 + 16_384)
}

pub fn proofs() -> Shape {
    list(Blob(833), 1024)
}

fn deposit() -> Shape {
    Struct(vec![
        ("head", head()),
        ("z", public_z()),
        ("sections", list(section(), 1024)),
        ("recovery", recovery()),
        ("commitments", per_block()),
        ("ranges", proofs()),
        ("signature", Fixed(64)),
    ])
}

fn path() -> Shape {
    list(Fixed(32), 12)
}

pub fn start() -> Shape {
    let dealt = Struct(vec![("node", U(2)), ("deposit", hash())]);
    Struct(vec![("sid", hash()), ("cohort", list(dealt, 1024))])
}

fn dealer() -> Shape {
    Struct(vec![
        ("head", head()),
        ("head_path", path()),
        ("section", section()),
        ("section_path", path()),
        ("leaf_path", path()),
        ("signature", Fixed(64)),
    ])
}

pub fn ready() -> Shape {
    Struct(vec![("sid", hash()), ("start", hash()), ("unusable", list(U(2), 1024))])
}

pub fn go() -> Shape {
    Struct(vec![("sid", hash()), ("go", hash())])
}

pub fn report() -> Shape {
    Struct(vec![("sid", hash()), ("go", hash()), ("report", hash()), ("ledger_seq", U(8))])
}

pub fn freeze() -> Shape {
    Struct(vec![("sid", hash()), ("freeze", hash())])
}

pub fn opened() -> Shape {
    Struct(vec![
        ("dealer", U(2)),
        ("polynomial", list(Fixed(32), 1024)),
        ("recovery", recovery()),
        ("recovery_path", path()),
    ])
}

pub fn result() -> Shape {
    Struct(vec![("sid", hash()), ("freeze", hash()), ("total", hash()), ("result", hash()), ("at", U(8))])
}

pub fn alarm() -> Shape {
    Struct(vec![("sid", hash()), ("result", hash())])
}

pub fn end() -> Shape {
    Struct(vec![
        ("sid", hash()),
        (
            "reason",
            Choice(vec![("TooFew", None), ("Fault", None), ("LeftOut", None), ("Uncommitted", Some(U(4)))]),
        ),
    ])
}

pub fn void_ask() -> Shape {
    Struct(vec![("sid", hash())])
}

pub fn void() -> Shape {
    Struct(vec![("sid", hash()), ("ledger_seq", U(8))])
}

fn log_head() -> Shape {
    Struct(vec![("number", U(8)), ("hash", hash())])
}

fn tree_head() -> Shape {
    Struct(vec![("size", U(8)), ("root", hash())])
}

fn signed_tree_head() -> Shape {
    Struct(vec![("head", tree_head()), ("signature", Fixed(64))])
}

/// An entry of the transparency log.
pub fn entry() -> Shape {
    let one = |fields| Some(Struct(fields));
    Choice(vec![
        ("Roster", one(vec![("epoch", U(4)), ("roster", hash())])),
        ("Warrant", one(vec![("warrant", hash())])),
        (
            "Ended",
            one(vec![("session", hash()), ("attempt", opt(hash())), ("ending", names(&["Sum", "NoSum"]))]),
        ),
        ("Refusals", one(vec![("attempt", hash()), ("hospitals", U(2))])),
        ("Bundle", one(vec![("attempt", hash()), ("result", hash()), ("bundle", hash())])),
    ])
}

/// The body that a signature of this type covers, where it is a struct of its own.
pub fn signed_body(what: &str) -> Option<Shape> {
    Some(match what {
        "announce" => announce(),
        "encapsulation" => encapsulation(),
        "header" => header(),
        "start" => start(),
        "ready" => ready(),
        "go" => go(),
        "contribute" => report(),
        "freeze" | "confirm" | "cert" | "ask-b" => freeze(),
        "result" => result(),
        "alarm" => alarm(),
        "end" => end(),
        "void-ask" => void_ask(),
        "void" => void(),
        "log-head" => log_head(),
        "tree-head" => tree_head(),
        "approval" => word(),
        _ => return None,
    })
}

fn ready_of() -> Shape {
    Struct(vec![("node", U(2)), ("ready", sealed(4096))])
}

/// What everyone may see of a report.
fn committed() -> Shape {
    Struct(vec![("root", Fixed(32)), ("blindings", Fixed(32)), ("commitments", per_block())])
}

/// A bundle (section 10).
pub fn bundle() -> Shape {
    let deposit = Struct(vec![("head", head()), ("path", path()), ("signature", Fixed(64))]);
    let report =
        Struct(vec![("node", U(2)), ("body", sealed(128)), ("committed", committed()), ("ranges", proofs())]);
    let certificate = Struct(vec![("body", sealed(128)), ("confirmations", list(confirmation(), 1024))]);
    let session = Struct(vec![
        ("header", sealed(1 << 19)),
        ("deposits", list(deposit, 1024)),
        ("start", sealed(65_536)),
        ("readies", list(ready_of(), 1024)),
        ("go", sealed(128)),
        ("reports", list(report, 1024)),
        ("freeze", sealed(128)),
        ("certificate", certificate),
        ("result", sealed(256)),
        ("opened", hash()),
        ("blindings", per_block()),
        ("total", list(Blob(65_536), 256)),
    ]);
    Struct(vec![
        ("format", Text(32)),
        ("rosters", list(signed_roster(), 4096)),
        ("warrant", signed_warrant()),
        ("count", opt(session.clone())),
        ("value", session),
    ])
}

/// The choice of all messages.
pub fn message() -> Shape {
    let channel_confirm = Struct(vec![("from", hash()), ("to", hash()), ("tag", Fixed(32))]);
    let counted =
        Struct(vec![("node", U(2)), ("report", hash()), ("ledger_seq", U(8)), ("signature", Fixed(64))]);
    let share = Struct(vec![("dealer", U(2)), ("share", Fixed(32))]);
    let reveal = Struct(vec![("sid", hash()), ("freeze", hash()), ("shares", list(share, 1024))]);
    let with = |body: usize, name: &'static str, item: Shape| {
        Struct(vec![("body", sealed(body)), (name, list(item, 1024))])
    };
    let block = Struct(vec![("sid", hash()), ("index", U(4)), ("bytes", Blob(65_536))]);

    let report = Struct(vec![
        ("body", sealed(128)),
        ("root", Fixed(32)),
        ("blindings", per_block()),
        ("commitments", per_block()),
    ]);
    let outcome =
        Struct(vec![("body", sealed(256)), ("blindings", per_block()), ("opened", list(opened(), 1024))]);
    let outcome_report =
        Struct(vec![("sid", hash()), ("of", U(2)), ("committed", committed()), ("ranges", proofs())]);
    let void_of = Struct(vec![("node", U(2)), ("ledger_seq", U(8)), ("signature", Fixed(64))]);
    let all = vec![
        ("Announce", sealed(2048)),
        ("Encapsulation", sealed(2048)),
        ("ChannelConfirm", channel_confirm),
        ("Offer", Struct(vec![("header", sealed(1 << 19)), ("warrant", signed_warrant())])),
        ("Refusal", hash()),
        ("Deposit", deposit()),
        ("Start", with(65_536, "dealers", dealer())),
        ("Ready", sealed(4096)),
        ("Go", with(128, "readies", ready_of())),
        ("Report", report),
        ("ReportBlock", block.clone()),
        ("Freeze", with(128, "survivors", counted)),
        ("Confirm", sealed(128)),
        ("Certificate", with(128, "confirmations", confirmation())),
        ("RevealR", reveal.clone()),
        ("AskB", sealed(128)),
        ("RevealB", reveal),
        ("Outcome", outcome),
        ("OutcomeReport", outcome_report),
        ("OutcomeBlock", block),
        ("Alarm", sealed(128)),
        ("End", sealed(128)),
        ("VoidAsk", sealed(128)),
        ("Void", sealed(128)),
        ("Voids", Struct(vec![("sid", hash()), ("voids", list(void_of, 1024))])),
        ("Answer", sealed(128)),
    ];
    Choice(all.into_iter().map(|(name, shape)| (name, Some(shape))).collect())
}

/// The choice of all admission frames.
pub fn admission() -> Shape {
    let at = Struct(vec![("epoch", U(4)), ("hash", hash())]);
    let welcome =
        Struct(vec![("software", Text(64)), ("node", opt(U(2))), ("head", at.clone()), ("at", U(8))]);
    let signed = Struct(vec![("head", log_head()), ("signature", Fixed(64))]);
    Choice(vec![
        ("Hello", Some(Struct(vec![("software", Text(64)), ("roster", opt(at))]))),
        ("Welcome", Some(welcome)),
        ("Enrol", Some(Struct(vec![("hospital", U(2)), ("secret", Fixed(32))]))),
        ("Enrolled", None),
        ("EnrolRefused", Some(names(&["UnknownToken", "UsedToken", "ExpiredToken"]))),
        ("RostersAfter", Some(opt(U(4)))),
        ("Rosters", Some(list(signed_roster(), 4))),
        ("Log", Some(signed.clone())),
        ("LogNoted", Some(Struct(vec![("before", opt(log_head())), ("own", signed)]))),
        ("TreeSince", Some(list(U(8), 64))),
        ("Tree", Some(Struct(vec![("head", signed_tree_head()), ("proofs", list(list(Fixed(32), 64), 64))]))),
    ])
}
