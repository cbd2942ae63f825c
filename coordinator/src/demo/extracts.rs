//! The file of `--extracts`: a table of hospitals, and extracts that several hospitals share.
//!
//! Owns its keys and the split: every hospital gets the rows that are its own, all columns, texts as they
//! stand. What a column means is for the agent's `[[extract]]`, which is passed on unchanged.

use super::plan::Hospital;
use crate::error::Error;
use crate::ops::slug;
use crate::toml_file;
use csv::{ByteRecord, ReaderBuilder, Writer, WriterBuilder};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    hospitals: HospitalKeys,
    extract: Vec<toml::Table>,
}

/// Where the hospitals stand.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct HospitalKeys {
    file: PathBuf,
    id: String,
    name: String,
    group: String,
}

/// Extracts that several hospitals share.
#[derive(Debug)]
pub struct Shared {
    /// One for each file.
    pub tables: Vec<SharedTable>,
    ids: Vec<String>,
}

/// One file that several hospitals share.
#[derive(Debug)]
pub struct SharedTable {
    /// The `[[extract]]` as an agent reads it, but for its file.
    table: toml::Table,
    /// The shared file.
    file: PathBuf,
    /// The column that says whose a row is.
    column: String,
    /// Rows go by the remainder of that column.
    split: Option<u64>,
    separator: u8,
    /// The file's name in a hospital's folder.
    name: String,
}

impl Shared {
    /// Reads the file and the hospitals it names.
    ///
    /// # Errors
    /// When a file cannot be read or a key or column is missing.
    pub fn read(path: &Path) -> Result<(Vec<Hospital>, Shared), Error> {
        let shown = path.display().to_string();
        let document: Document = toml_file::parse(&shown, &toml_file::text(path)?)?;
        let folder = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let folder = folder.parent().unwrap_or(Path::new("")).to_owned();
        let (hospitals, ids) = hospitals(&folder, &document.hospitals)?;
        let tables = document.extract.into_iter().enumerate();
        let tables = tables.map(|(number, table)| {
            SharedTable::new(&folder, number, table)
                .map_err(|why| why.place(format!("{shown}, extract {}", number + 1)))
        });
        Ok((hospitals, Shared { tables: tables.collect::<Result<_, _>>()?, ids }))
    }

    /// Writes the rows of the first hospitals into their folders, the first id's into the first folder.
    ///
    /// # Errors
    /// When a file cannot be read or written, or has no such column.
    pub fn split(&self, homes: &[PathBuf]) -> Result<(), Error> {
        let ids: BTreeMap<&str, usize> =
            self.ids.iter().take(homes.len()).enumerate().map(|(at, id)| (id.as_str(), at)).collect();
        self.tables.iter().try_for_each(|table| table.split(&ids, homes))
    }
}

fn hospitals(folder: &Path, keys: &HospitalKeys) -> Result<(Vec<Hospital>, Vec<String>), Error> {
    let path = folder.join(&keys.file);
    let mut reader = csv::Reader::from_path(&path).map_err(|why| unreadable(&path, &why))?;
    let header = reader.byte_headers().map_err(|why| unreadable(&path, &why))?.clone();
    let places = [&keys.id, &keys.name, &keys.group].map(|name| column(&path, &header, name));
    let [id, name, group] = places;
    let (id, name, group) = (id?, name?, group?);
    let (mut hospitals, mut ids) = (Vec::new(), Vec::new());
    for record in reader.records() {
        let record = record.map_err(|why| unreadable(&path, &why))?;
        let cell = |place: usize| record.get(place).unwrap_or("").trim().to_owned();
        let group = Some(cell(group)).filter(|group| !group.is_empty()).unwrap_or_else(|| "none".to_owned());
        hospitals.push(Hospital {
            slug: slug(&cell(id)),
            name: cell(name),
            group,
            kind: "general".to_owned(),
        });
        ids.push(cell(id));
    }
    Ok((hospitals, ids))
}

impl SharedTable {
    fn new(folder: &Path, number: usize, mut table: toml::Table) -> Result<SharedTable, Error> {
        let mut text = |key: &str, take: bool| {
            let value = if take { table.remove(key) } else { table.get(key).cloned() };
            value.as_ref().and_then(toml::Value::as_str).map(str::to_owned).ok_or_else(|| {
                Error::config(format!("no `{key}`")).expected(format!("{key} = \"...\" in every [[extract]]"))
            })
        };
        let (file, column) = (text("file", true)?, text("hospital", true)?);
        let (dataset, separator) = (text("dataset", false)?, text("separator", false)?);
        let split = match table.remove("split") {
            None => None,
            Some(value) => Some(
                value
                    .as_integer()
                    .and_then(|split| u64::try_from(split).ok())
                    .filter(|split| *split > 0)
                    .ok_or_else(|| {
                        Error::config("`split` is no number of hospitals").expected("a whole number from 1")
                    })?,
            ),
        };
        let separator =
            match separator.as_str() {
                "tab" => b'\t',
                one => one.bytes().next().filter(|_| one.len() == 1).ok_or_else(|| {
                    Error::config(format!("separator `{one}`")).expected("`,`, `;` or `tab`")
                })?,
            };
        passed_on(folder, &mut table)?;
        let plain: String = dataset.chars().filter(char::is_ascii_alphanumeric).collect();
        let name = format!("{plain}-{}.csv", number + 1);
        table.insert("file".to_owned(), toml::Value::String(name.clone()));
        Ok(SharedTable { table, file: folder.join(file), column, split, separator, name })
    }

    /// The `[[extract]]` of one hospital, whose folder holds its own rows.
    #[must_use]
    pub fn of_one_hospital(&self) -> toml::Table {
        self.table.clone()
    }

    fn split(&self, ids: &BTreeMap<&str, usize>, homes: &[PathBuf]) -> Result<(), Error> {
        let fail = |why: csv::Error| unreadable(&self.file, &why);
        let mut reader = ReaderBuilder::new()
            .delimiter(self.separator)
            .flexible(true)
            .from_path(&self.file)
            .map_err(fail)?;
        let header = reader.byte_headers().map_err(fail)?.clone();
        let place = column(&self.file, &header, &self.column)?;
        let mut writers =
            homes.iter().map(|home| self.writer(home, &header)).collect::<Result<Vec<_>, _>>()?;
        let mut record = ByteRecord::new();
        while reader.read_byte_record(&mut record).map_err(fail)? {
            let whose = std::str::from_utf8(record.get(place).unwrap_or(b"")).unwrap_or("").trim();
            let hospital = match self.split {
                None => ids.get(whose).copied(),
                Some(split) => {
                    whose.parse::<u64>().ok().and_then(|number| usize::try_from(number % split).ok())
                }
            };
            // Rows of hospitals that do not take part are nobody's here.
            if let Some((writer, path)) = hospital.and_then(|hospital| writers.get_mut(hospital)) {
                writer.write_byte_record(&record).map_err(|why| unreadable(path, &why))?;
            }
        }
        for (mut writer, path) in writers {
            writer.flush().map_err(|why| Error::file(&path, "write the extract", &why))?;
        }
        Ok(())
    }

    fn writer(&self, home: &Path, header: &ByteRecord) -> Result<(Writer<File>, PathBuf), Error> {
        let path = home.join(&self.name);
        let build = || {
            let mut builder = WriterBuilder::new();
            let mut writer = builder.delimiter(self.separator).flexible(true).from_path(&path)?;
            writer.write_byte_record(header)?;
            Ok(writer)
        };
        let writer = build().map_err(|why: csv::Error| unreadable(&path, &why))?;
        Ok((writer, path))
    }
}

/// What an agent needs to be told in another way than the shared file says it, and what the demo cannot split
/// or check.
fn passed_on(folder: &Path, table: &mut toml::Table) -> Result<(), Error> {
    let refuse =
        |what: String| Error::config(what).expected("an [[extract]] of which the demo can check the sum");
    match table.get("encoding").and_then(toml::Value::as_str) {
        Some("utf-8") | None => {}
        Some(other) => return Err(refuse(format!("encoding `{other}`: the demo splits utf-8 files alone"))),
    }
    // The reading that checks the sum is apart from the agents' and knows less.
    if table.contains_key("objection") {
        return Err(refuse("`objection`: the demo's own check of the sum does not read it".to_owned()));
    }
    if table.get("date").and_then(toml::Value::as_str).is_some_and(|date| date.starts_with("excel-")) {
        return Err(refuse(
            "dates as day numbers: the demo's own check of the sum does not read them".to_owned(),
        ));
    }
    if let Some(units) = table.get("unit_table").and_then(toml::Value::as_str) {
        let path = folder.join(units).to_string_lossy().into_owned();
        table.insert("unit_table".to_owned(), toml::Value::String(path));
    }
    // A hospital without a row in the shared file has none: its own file was not cut off.
    table.entry("may_be_empty").or_insert(toml::Value::Boolean(true));
    Ok(())
}

fn column(path: &Path, header: &ByteRecord, name: &str) -> Result<usize, Error> {
    let bare = |cell: &[u8]| cell.strip_prefix(b"\xef\xbb\xbf").unwrap_or(cell) == name.as_bytes();
    header.iter().position(bare).ok_or_else(|| {
        let found = header.iter().map(String::from_utf8_lossy).collect::<Vec<_>>().join(", ");
        Error::asked(format!("no column `{name}`")).place(path.display().to_string()).expected(found)
    })
}

fn unreadable(path: &Path, why: &csv::Error) -> Error {
    Error::asked(format!("cannot read or write rows: {why}")).place(path.display().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEMO: &str = r#"
[hospitals]
file = "h.csv"
id = "no"
name = "naam"
group = "groep"
[[extract]]
dataset = "stock"
file = "s.csv"
hospital = "wie"
encoding = "utf-8"
separator = ";"
decimal = ","
unit = "piece"
[extract.columns]
code = "c"
quantity = "q"
"#;

    fn folder(demo: &str, rows: &str) -> tempfile::TempDir {
        let folder = tempfile::TempDir::new().unwrap();
        std::fs::write(folder.path().join("d.toml"), demo).unwrap();
        std::fs::write(folder.path().join("h.csv"), "no,naam,groep\nR1H,Eén,\nR1K,\"Twee, drie\",oost\n")
            .unwrap();
        std::fs::write(folder.path().join("s.csv"), rows).unwrap();
        folder
    }

    #[test]
    fn every_hospital_gets_its_own_rows_as_they_stand() {
        let folder = folder(DEMO, "wie;c;q;\"\"\nR1K;a;1,50;x\nR1H;b;\"2;3\";\nelders;a;9;\nR1H;b;-1;y\n");
        let (hospitals, shared) = Shared::read(&folder.path().join("d.toml")).unwrap();
        assert_eq!((&*hospitals[0].slug, &*hospitals[0].name, &*hospitals[0].group), ("r1h", "Eén", "none"));
        assert_eq!((&*hospitals[1].name, &*hospitals[1].group), ("Twee, drie", "oost"));
        let homes = ["r1h", "r1k"].map(|slug| folder.path().join(slug));
        homes.iter().for_each(|home| std::fs::create_dir(home).unwrap());
        shared.split(&homes).unwrap();
        let read = |home: usize| std::fs::read_to_string(homes[home].join("stock-1.csv")).unwrap();
        assert_eq!(read(0), "wie;c;q;\nR1H;b;\"2;3\";\nR1H;b;-1;y\n");
        assert_eq!(read(1), "wie;c;q;\nR1K;a;1,50;x\n");
        let table = shared.tables[0].of_one_hospital();
        assert!(!table.contains_key("hospital") && table["file"].as_str() == Some("stock-1.csv"));
        assert_eq!(table["may_be_empty"].as_bool(), Some(true), "a hospital may have no row");
        // With the first hospital alone the other's rows are nobody's.
        shared.split(&homes[..1]).unwrap();
        assert_eq!(read(0).lines().count(), 3);
    }

    #[test]
    fn rows_go_by_remainder_where_the_file_says_so() {
        let demo = DEMO.replace("hospital = \"wie\"", "hospital = \"wie\"\nsplit = 2");
        let folder = folder(&demo, "wie;c;q\n7;a;1\n8;a;2\nx;a;3\n");
        let (_, shared) = Shared::read(&folder.path().join("d.toml")).unwrap();
        let homes = ["0", "1"].map(|slug| folder.path().join(slug));
        homes.iter().for_each(|home| std::fs::create_dir(home).unwrap());
        shared.split(&homes).unwrap();
        assert_eq!(std::fs::read_to_string(homes[0].join("stock-1.csv")).unwrap(), "wie;c;q\n8;a;2\n");
        assert_eq!(std::fs::read_to_string(homes[1].join("stock-1.csv")).unwrap(), "wie;c;q\n7;a;1\n");
    }

    #[test]
    fn a_unit_table_is_found_from_every_hospital() {
        let demo = DEMO.replace("unit = \"piece\"", "unit_table = \"units.csv\"\nlevel = \"pack\"");
        let folder = folder(&demo, "wie;c;q\n");
        let (_, shared) = Shared::read(&folder.path().join("d.toml")).unwrap();
        let table = shared.tables[0].of_one_hospital();
        let path = PathBuf::from(table["unit_table"].as_str().unwrap());
        assert!(path.is_absolute() && path == folder.path().join("units.csv"), "{}", path.display());
    }

    #[test]
    fn what_the_demo_cannot_check_is_refused_by_name() {
        for (from, to, wanted) in [
            ("\"utf-8\"", "\"windows-1252\"", "encoding `windows-1252`"),
            ("unit = ", "objection = { column = \"b\", yes = [\"J\"], no = [] }\nunit = ", "`objection`"),
            ("unit = ", "date = \"excel-1900\"\nunit = ", "day numbers"),
        ] {
            let folder = folder(&DEMO.replace(from, to), "wie;c;q\n");
            let error = Shared::read(&folder.path().join("d.toml")).unwrap_err().to_string();
            assert!(error.contains(wanted) && error.contains("extract 1"), "{error}");
        }
    }

    /// Every row of a set that nobody here made goes to the hospital of its person's remainder, by the shipped
    /// mapping with two keys more.
    #[test]
    fn gibleed_is_split_over_69_hospitals_by_the_shipped_mapping() {
        let Some(data) = std::env::var_os("SAMENSOM_TEST_DATA").map(PathBuf::from) else {
            use std::io::Write as _;
            let _ = writeln!(std::io::stderr(), "NOT RUN: the split of GiBleed; set SAMENSOM_TEST_DATA");
            return;
        };
        let mut shipped: toml::Table = include_str!("../../../deploy/config/omop-5.3.toml").parse().unwrap();
        let extracts = shipped.get_mut("extract").unwrap().as_array_mut().unwrap();
        extracts.retain(|extract| extract["dataset"].as_str() != Some("result"));
        for extract in extracts {
            let extract = extract.as_table_mut().unwrap();
            let file = data.join("omop53_eunomia").join(extract["file"].as_str().unwrap());
            extract.insert("file".to_owned(), toml::Value::String(file.display().to_string()));
            extract.insert("hospital".to_owned(), toml::Value::String("PERSON_ID".to_owned()));
            extract.insert("split".to_owned(), toml::Value::Integer(69));
        }
        let hospitals: String = (0..69).map(|number| format!("h{number},H {number},g\n")).collect();
        let folder = folder("", "");
        std::fs::write(folder.path().join("h.csv"), format!("no,naam,groep\n{hospitals}")).unwrap();
        let keys = "[hospitals]\nfile = \"h.csv\"\nid = \"no\"\nname = \"naam\"\ngroup = \"groep\"\n";
        let text = format!("{keys}{}", toml::to_string(&shipped).unwrap());
        std::fs::write(folder.path().join("d.toml"), text).unwrap();
        let (hospitals, shared) = Shared::read(&folder.path().join("d.toml")).unwrap();
        assert_eq!(hospitals.len(), 69);
        let homes: Vec<PathBuf> = (0..69).map(|number| folder.path().join(format!("h{number}"))).collect();
        homes.iter().for_each(|home| std::fs::create_dir(home).unwrap());
        shared.split(&homes).unwrap();
        for (file, rows) in [("administration-1.csv", 67_707), ("admission-2.csv", 1_037)] {
            let mut found = 0;
            for (number, home) in homes.iter().enumerate() {
                let mut reader = csv::Reader::from_path(home.join(file)).unwrap();
                let header = reader.headers().unwrap().clone();
                let person = header.iter().position(|name| name == "PERSON_ID").unwrap();
                for row in reader.records() {
                    assert_eq!(row.unwrap()[person].parse::<usize>().unwrap() % 69, number);
                    found += 1;
                }
            }
            assert_eq!(found, rows, "{file}");
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let none = folder(&DEMO.replace("id = \"no\"", "id = \"nummer\""), "wie;c;q\n");
        let error = Shared::read(&none.path().join("d.toml")).unwrap_err().to_string();
        assert!(error.contains("no column `nummer`") && error.contains("h.csv"), "{error}");
        let none = folder(&DEMO.replace("hospital = \"wie\"\n", ""), "wie;c;q\n");
        let error = Shared::read(&none.path().join("d.toml")).unwrap_err().to_string();
        assert!(error.contains("no `hospital`") && error.contains("extract 1"), "{error}");
        let none = folder(&DEMO.replace("group =", "grup ="), "wie;c;q\n");
        let error = Shared::read(&none.path().join("d.toml")).unwrap_err().to_string();
        assert!(error.contains("did you mean `group`?"), "{error}");
    }
}
