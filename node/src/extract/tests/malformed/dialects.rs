//! Bytes: encodings, byte order marks, separators and line ends.

use super::{BASE, Fixture, HEAD, changed, refused, rejected, taken};

const ROWS: &str = "Artikel;Voorraad;Peildatum\nmorfïne€;1,5;01-11-2026\nb;2;01-11-2026\n";
const READ: [&str; 2] = ["2: 2026-11-01 morfïne€ 1.5 piece regular", "3: 2026-11-01 b 2 piece regular"];

fn utf16(text: &str, order: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(order).collect()
}

/// The text in Windows-1252, as far as it is used here.
fn windows(text: &str) -> Vec<u8> {
    let byte = |c: char| match c {
        '€' => 0x80,
        _ => u8::try_from(u32::from(c)).unwrap(),
    };
    text.chars().map(byte).collect()
}

fn marked(mark: &[u8], text: Vec<u8>) -> Vec<u8> {
    [mark, &text].concat()
}

fn encoded(name: &str) -> String {
    changed(&[("utf-8", name)])
}

const LOST_REMEDY: &str = "declare the encoding in which the file is written, or correct the cell";

fn lost(encoding: &str) -> String {
    format!("a character that {encoding} does not have, or that was lost before")
}

fn encodings() -> Vec<Fixture> {
    let (le, be) = (u16::to_le_bytes as fn(u16) -> [u8; 2], u16::to_be_bytes as fn(u16) -> [u8; 2]);
    let utf8 = || ROWS.as_bytes().to_vec();
    let mut all = vec![
        taken("utf-8", BASE.to_owned(), utf8(), &READ),
        taken("utf-8 marked", BASE.to_owned(), marked(b"\xef\xbb\xbf", utf8()), &READ),
        taken("utf-8 marked twice", BASE.to_owned(), marked(b"\xef\xbb\xbf\xef\xbb\xbf", utf8()), &READ),
        taken("utf-16 le", encoded("utf-16"), marked(b"\xff\xfe", utf16(ROWS, le)), &READ),
        taken("utf-16 be", encoded("utf-16"), marked(b"\xfe\xff", utf16(ROWS, be)), &READ),
        taken("utf-16le", encoded("utf-16le"), utf16(ROWS, le), &READ),
        taken("utf-16le marked", encoded("utf-16le"), marked(b"\xff\xfe", utf16(ROWS, le)), &READ),
        taken("utf-16be", encoded("utf-16be"), utf16(ROWS, be), &READ),
        taken("utf-16be marked", encoded("utf-16be"), marked(b"\xfe\xff", utf16(ROWS, be)), &READ),
        taken("windows-1252", encoded("windows-1252"), windows(ROWS), &READ),
    ];
    for (name, declared, found, bytes) in [
        ("utf-8 is 16le", "utf-8", "utf-16le", marked(b"\xff\xfe", utf16(ROWS, le))),
        ("utf-8 is 16be", "utf-8", "utf-16be", marked(b"\xfe\xff", utf16(ROWS, be))),
        ("1252 is utf-8", "windows-1252", "utf-8", marked(b"\xef\xbb\xbf", utf8())),
        ("1252 is 16le", "windows-1252", "utf-16le", marked(b"\xff\xfe", utf16(ROWS, le))),
        ("16 is utf-8", "utf-16", "utf-8", marked(b"\xef\xbb\xbf", utf8())),
        ("16le is 16be", "utf-16le", "utf-16be", marked(b"\xfe\xff", utf16(ROWS, be))),
        ("16be is 16le", "utf-16be", "utf-16le", marked(b"\xff\xfe", utf16(ROWS, le))),
        ("16le is utf-8", "utf-16le", "utf-8", marked(b"\xef\xbb\xbf", utf8())),
    ] {
        let text = format!(
            "FILE, row 1: a byte order mark of {found} where {declared} is declared; declare encoding = \"{found}\""
        );
        all.push(refused(name, encoded(declared), bytes, &text));
    }
    let wide: Vec<u8> = ROWS.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect();
    let text =
        "FILE, row 1: a byte order mark of UTF-32; export the file as UTF-8 and declare encoding = \"utf-8\"";
    all.push(refused("utf-32", encoded("utf-16"), marked(b"\xff\xfe\0\0", wide), text));
    let text = "FILE, row 1: no byte order mark, by which `utf-16` knows its order; declare encoding = \"utf-16le\" or \
                \"utf-16be\", or \"utf-8\" or \"windows-1252\" if it is no UTF-16 at all";
    all.push(refused("utf-16 unmarked", encoded("utf-16"), utf16(ROWS, le), text));
    all.push(refused("utf-16 is plain", encoded("utf-16"), utf8(), text));
    let nul = "FILE, row 1: a NUL byte, which no text holds; declare encoding = \"utf-16le\" or \"utf-16be\" if the \
               file is UTF-16; else export it again, it is damaged";
    all.push(refused("16le as utf-8", BASE.to_owned(), utf16(ROWS, le), nul));
    all.push(refused("16be as utf-8", BASE.to_owned(), utf16(ROWS, be), nul));
    let two =
        |cell: &[u8]| [format!("{HEAD}\na;1;01-11-2026\n").as_bytes(), cell, b";1;01-11-2026\n"].concat();
    for (name, encoding, cell, shown) in [
        ("1252 as utf-8", "utf-8", &b"morf\xefne"[..], "morf\u{fffd}ne"),
        ("half a character", "utf-8", b"morf\xc3", "morf\u{fffd}"),
        ("an overlong form", "utf-8", b"a\xc0\xaf", "a\u{fffd}\u{fffd}"),
        ("a surrogate in utf-8", "utf-8", b"a\xed\xa0\x80", "a\u{fffd}\u{fffd}\u{fffd}"),
        ("lost before", "utf-8", "morf\u{fffd}ne".as_bytes(), "morf\u{fffd}ne"),
        ("a gap of 1252", "windows-1252", b"a\x81b", "a\\u{81}b"),
        ("another gap of 1252", "windows-1252", b"a\x9d", "a\\u{9d}"),
    ] {
        let reject = (3, 1, "Artikel", shown, &*lost(encoding), LOST_REMEDY);
        all.push(rejected(name, encoded(encoding), two(cell), 1, &[reject]));
    }
    let mut odd = utf16("Artikel;Voorraad;Peildatum\na;1;01-11-2026\n", le);
    odd.extend([0x00, 0xd8, b';', 0, b'1', 0, b';', 0]);
    odd.extend(utf16("01-11-2026\n", le));
    let reject = (3, 1, "Artikel", "\u{fffd}", &*lost("utf-16le"), LOST_REMEDY);
    all.push(rejected("half a pair of utf-16", encoded("utf-16le"), odd, 1, &[reject]));
    let mojibake = "Artikel;Voorraad;Peildatum\nmorfÃ¯ne;1;01-11-2026\n";
    let row = ["2: 2026-11-01 morfÃ¯ne 1 piece regular"];
    // Valid in both encodings: what is declared is what is read.
    all.push(taken("utf-8 as 1252", encoded("windows-1252"), mojibake.replace("Ã¯", "ï").into_bytes(), &row));
    all
}

fn ends() -> Vec<Fixture> {
    let mut all = Vec::new();
    for (name, end) in [("lf", "\n"), ("crlf", "\r\n"), ("cr", "\r")] {
        for (mark, separator) in [(";", ";"), (",", ","), ("tab", "\t")] {
            let text = ROWS.replace("1,5", "\"1,5\"").replace(';', separator).replace('\n', end);
            let config = changed(&[("separator = \";\"", &format!("separator = \"{mark}\""))]);
            all.push(taken(&format!("{name} {mark}"), config, text.clone(), &READ));
            if mark == ";" {
                let wide = utf16(&text, u16::to_le_bytes);
                all.push(taken(&format!("{name} utf-16le"), encoded("utf-16le"), wide, &READ));
            }
        }
    }
    let rows = |lines: [u64; 2]| {
        let [first, second] = lines;
        [format!("{first}: 2026-11-01 a 1 piece regular"), format!("{second}: 2026-11-01 b 2 piece regular")]
    };
    for (name, text, lines) in [
        ("blank lines", "H\n\n\na;1;D\n\nb;2;D\n\n", [4, 6]),
        ("blank lines crlf", "H\r\n\r\na;1;D\r\n\r\nb;2;D\r\n", [3, 5]),
        ("blank lines first", "\n\nH\na;1;D\nb;2;D\n", [4, 5]),
        ("mixed ends", "H\r\na;1;D\rb;2;D\n", [2, 3]),
        ("cr cr lf", "H\r\r\na;1;D\r\r\nb;2;D\r\r\n", [3, 5]),
        ("quoted cells", "H\n\"a\";\"1\";\"D\"\n\"b\";2;D\n", [2, 3]),
    ] {
        let text = text.replace('H', HEAD).replace('D', "01-11-2026");
        let rows = rows(lines);
        all.push(taken(name, BASE.to_owned(), text, &[&rows[0], &rows[1]]));
    }
    for (name, declared, written) in [("tab for ;", "tab", ";"), (", for ;", ",", ";"), ("; for ,", ";", ",")]
    {
        let config = changed(&[("separator = \";\"", &format!("separator = \"{declared}\""))]);
        let head = HEAD.replace(';', written);
        let text = format!(
            "FILE, row 1: no column `Peildatum`; found `{head}`; correct [extract.columns], or the separator if all \
             stand in one name"
        );
        all.push(refused(name, config, ROWS.replace(';', written), &text));
    }
    let line = "sep=;\nArtikel;Voorraad;Peildatum\na;1;01-11-2026\n";
    let text = "FILE, row 1: no column `Peildatum`; found `sep=`, ``; correct [extract.columns], or the separator if \
                all stand in one name";
    all.push(refused("sep= of Excel", BASE.to_owned(), line, text));
    all
}

pub(super) fn fixtures() -> Vec<Fixture> {
    let mut all = encodings();
    all.extend(ends());
    all
}
