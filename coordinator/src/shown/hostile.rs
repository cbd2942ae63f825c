//! Texts that would like to be more than text, for the tests of every output.
//!
//! Made from fragments by a fixed seed: the same 500 each time, all different.

use rand_chacha::ChaCha12Rng;
use rand_core::{Rng as _, SeedableRng as _};

/// Fragments by what they attack: databases, pages and drawings, templates, terminals, lines, order of
/// writing, spreadsheets, separators, JSON, and readers of XML.
const FRAGMENTS: &[&[&str]] = &[
    &[
        "'; drop table hospital; --",
        "\" or 1=1 --",
        "x' union select key from roster --",
        "%' escape '\\",
        "\\'; --",
    ],
    &[
        "<script>alert(1)</script>",
        "</text><image href=\"http://x\"/>",
        "<![CDATA[<x>]]>",
        "\" onload=\"x()",
        "<!--",
        "&lt;b&gt;",
        "&#x0;",
        "]]>",
        "<?xml version=\"1.0\"?>",
        "<!DOCTYPE x [<!ENTITY a SYSTEM \"file:///etc/passwd\">]>&a;",
    ],
    &["{{7*7}}", "${jndi:ldap://x}", "<%= x %>", "#{x}", "%s%n%x", "{0}", "$(id)", "`id`"],
    &[
        "\u{1b}[2J",
        "\u{1b}]0;title\u{7}",
        "\u{9b}31m",
        "\u{8}\u{8}\u{8}",
        "\u{1b}]8;;http://x\u{1b}\\y",
        "\u{7f}",
        "\0",
        "\u{e}",
    ],
    &["\r\napproved by nobody", "\n", "\r", "\u{b}", "\u{c}", "\u{85}", "\u{2028}x", "\u{2029}"],
    &[
        "\u{202e}000.1",
        "\u{2066}x\u{2069}",
        "\u{200f}",
        "\u{61c}1",
        "\u{202a}\u{202c}",
        "\u{200b}",
        "\u{feff}",
        "\u{ad}",
        "\u{2060}",
    ],
    &[
        "=cmd|' /C calc'!A0",
        "+1+1",
        "-2+3",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n@x",
        " =1",
        "\u{ff1d}1",
        "\u{ff0b}1",
        "\u{ff0d}1",
        "\u{ff20}x",
        "\u{fe66}1",
        "\u{2212}1",
        "=HYPERLINK(\"http://x\",\"y\")",
        "\u{feff}=1",
        "'=1",
        "''",
        "\"=1",
    ],
    &["a;=1", "a,=1", ";\"\"=1;", "\"", "\"\",\"\"", ",,,", ";;-1", "a\t@x", "x\n=1", "a;' =1"],
    &["\",\"value\":\"0", "\\u0000", "\\", "\\\"", "{\"a\":1}", "]}", "null", "NaN"],
    &[
        "\u{fffe}",
        "\u{ffff}",
        "\u{1fffe}",
        "\u{fdd0}",
        "\u{e0041}\u{e0042}",
        "\u{fffd}",
        "\u{10ffff}",
        "\u{fff9}a\u{fffb}",
    ],
    &["suppressed", "no use", "0", "-0", "1e309", "ﬁ", "İ", "ß", "e\u{301}\u{301}\u{301}", "日本語", "👩‍⚕️"],
];

/// The texts.
pub(crate) fn texts() -> Vec<String> {
    let mut texts: Vec<String> = FRAGMENTS.concat().into_iter().map(str::to_owned).collect();
    let mut rng = ChaCha12Rng::seed_from_u64(5);
    let mut below = |bound: usize| rng.next_u32() as usize % bound;
    while texts.len() < 500 {
        let mut text = String::new();
        for _ in 0..=below(3) {
            let kind = FRAGMENTS[below(FRAGMENTS.len())];
            text += kind[below(kind.len())];
        }
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    texts
}

/// Whether nothing in an output steers a terminal or turns its order; line ends are the output's own.
pub(crate) fn stays_text(output: &str) -> bool {
    let steers = |c: char| {
        let number = u32::from(c);
        let turns = [0x61c, 0x200e, 0x200f].contains(&number)
            || (0x202a..=0x202e).contains(&number)
            || (0x2066..=0x2069).contains(&number);
        number < 0x20 && c != '\n' || (0x7f..0xa0).contains(&number) || turns
    };
    !output.contains(steers)
}
