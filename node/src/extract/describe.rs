//! An extract's description as JSON: the keys of `[[extract]]` as they are declared.
//!
//! Owns this form alone. The reading child gets all of it; the part that gives the rows their meaning goes
//! into the snapshot and its id. Reading it back is `config.rs`: the form is that of node.toml.

use super::config::{ExtractConfig, LevelSource, UnitSource};
use super::database::Database;
use serde_json::{Map, Value, json};

/// Every declared key, so that it reads back as the same description.
pub(super) fn declared(config: &ExtractConfig) -> Map<String, Value> {
    // Named one by one, so that a new key cannot be forgotten here; `_` are put with the source.
    let ExtractConfig {
        dataset,
        file: _,
        database: _,
        encoding: _,
        separator: _,
        decimal: _,
        thousands,
        date: _,
        unit,
        code_kind,
        max_rejected,
        open_end: _,
        may_be_empty,
        max_age,
        unique,
        objection,
        columns,
        values,
    } = config;
    let mut keys = Map::new();
    let mut put = |key: &str, value: Value| keys.insert(key.to_owned(), value);
    put("dataset", json!(dataset.name()));
    put_source(config, &mut put);
    if let Some(mark) = thousands {
        put("thousands", json!(mark));
    }
    match unit {
        UnitSource::Nothing => None,
        UnitSource::Every(unit) => put("unit", json!(unit.name())),
        UnitSource::Column(column) => put("unit_column", json!(column)),
        UnitSource::Table { file, level } => {
            put("unit_table", json!(file));
            match level {
                LevelSource::Every(level) => put("level", json!(level.name())),
                LevelSource::Column(column) => put("level_column", json!(column)),
            }
        }
    };
    put("code_kind", json!(code_kind.name()));
    put("may_be_empty", json!(may_be_empty));
    if let Some(age) = max_age {
        put("max_age", json!(format!("{}m", age.as_secs() / 60)));
    }
    if !unique.is_empty() {
        put("unique", json!(unique.iter().map(|column| column.name()).collect::<Vec<_>>()));
    }
    if let Some(objection) = objection {
        put("objection", json!(objection));
    }
    put("values", json!(values));
    put("max_rejected", json!(max_rejected));
    let columns: Map<String, Value> =
        columns.iter().map(|(column, theirs)| (column.name().to_owned(), json!(theirs))).collect();
    put("columns", Value::Object(columns));
    keys
}

/// Where the rows come from, and the dialect of a file.
fn put_source(config: &ExtractConfig, put: &mut dyn FnMut(&str, Value) -> Option<Value>) {
    match &config.database {
        // Its dialect is ours.
        Some(Database { connection, timeout, max_rows, large }) => {
            put("select", json!(config.file));
            put("database", json!(connection));
            put("timeout", json!(format!("{}s", timeout.as_secs())));
            put("max_rows", json!(max_rows));
            if *large {
                put("large", json!(true));
            }
        }
        None => {
            put("file", json!(config.file));
            put("encoding", json!(config.encoding.name()));
            let mark = if config.separator == b'\t' {
                "tab".to_owned()
            } else {
                char::from(config.separator).into()
            };
            put("separator", json!(mark));
            put("decimal", json!(config.decimal));
            put("date", json!(config.date.to_string()));
            put("open_end", json!(config.open_end));
        }
    }
}

/// What gives the rows their meaning: all but where files lie, and what is borne or refused as a whole. Keys
/// stand in the order of their names. What a unit table said is in the rows, which stand in its units.
pub(super) fn meaning(config: &ExtractConfig) -> String {
    let mut keys = declared(config);
    for key in
        ["file", "max_rejected", "open_end", "may_be_empty", "max_age", "database", "timeout", "max_rows"]
    {
        keys.remove(key);
    }
    if let Some(select) = keys.get_mut("select") {
        *select = Value::Bool(true);
    }
    if let Some(table) = keys.get_mut("unit_table") {
        *table = Value::Bool(true);
    }
    Value::Object(keys).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_reads_back_as_it_was_declared() {
        let columns = "columns = { code = \"Artikel\", quantity = \"Aantal\", location = \"Plek\" }\n";
        for text in [
            "separator = \";\"\ndecimal = \",\"\ndate = \"%d-%m-%Y\"\nunit = \"piece\"\nunique = [\"code\", \"location\"]\n",
            "separator = \"tab\"\ndecimal = \".\"\nunit_column = \"Eenheid\"\nmax_rejected = 7\n\
             values = { unit = { stuks = \"piece\" } }\nthousands = \" \"\ndate = \"excel-1904\"\n",
            "separator = \",\"\ndecimal = \",\"\nunit_table = \"u.csv\"\nlevel = \"sub-pack\"\ncode_kind = \"gtin\"\n\
             open_end = true\nmay_be_empty = true\nobjection = { column = \"Bezwaar\", yes = [\"J\"], no = [\"\"] }\n",
            "separator = \",\"\ndecimal = \",\"\nunit_table = \"u.csv\"\nlevel_column = \"Niveau\"\n\
             values = { level = { doos = \"pack\" } }\n",
        ] {
            let text = format!(
                "dataset = \"stock\"\nfile = \"a/b.csv\"\nencoding = \"windows-1252\"\n{text}{columns}"
            );
            let config: ExtractConfig = toml::from_str(&text).unwrap();
            let json = Value::Object(declared(&config)).to_string();
            assert_eq!(serde_json::from_str::<ExtractConfig>(&json).unwrap(), config, "{json}");
        }
    }

    #[test]
    fn a_description_of_a_database_reads_back_and_where_it_lies_has_no_meaning() {
        let text = "dataset = \"stock\"\nselect = \"a/v.sql\"\ndatabase = \"d.toml\"\ntimeout = \"90s\"\nmax_rows = 7\n\
                    unit = \"piece\"\ncolumns = { code = \"c\", quantity = \"q\" }\n";
        let config: ExtractConfig = toml::from_str(text).unwrap();
        let json = Value::Object(declared(&config)).to_string();
        assert_eq!(serde_json::from_str::<ExtractConfig>(&json).unwrap(), config, "{json}");
        for (was, is) in [("a/v.sql", "b.sql"), ("d.toml", "e.toml"), ("90s", "2h"), ("= 7", "= 8")] {
            let other: ExtractConfig = toml::from_str(&text.replace(was, is)).unwrap();
            assert_ne!(other, config);
            assert_eq!(meaning(&other), meaning(&config), "{is}");
        }
        // Of what stays where it is another hash is made.
        for (was, is) in [("\"q\"", "\"r\""), ("unit =", "large = true\nunit =")] {
            let other: ExtractConfig = toml::from_str(&text.replace(was, is)).unwrap();
            assert_ne!(meaning(&other), meaning(&config), "{is}");
            let json = Value::Object(declared(&other)).to_string();
            assert_eq!(serde_json::from_str::<ExtractConfig>(&json).unwrap(), other, "{json}");
        }
    }

    #[test]
    fn a_path_has_no_meaning_and_a_mapping_has() {
        let text = "dataset = \"use\"\nfile = \"a.csv\"\nencoding = \"utf-8\"\nseparator = \";\"\ndecimal = \",\"\n\
                    unit = \"ml\"\ncolumns = { code = \"c\", quantity = \"q\", period = \"p\" }\n";
        let of = |text: &str| meaning(&toml::from_str(text).unwrap());
        let first = of(text);
        assert_eq!(
            of(&text.replace("a.csv", "b.csv").replace("columns", "max_rejected = 3\ncolumns")),
            first
        );
        let aged =
            text.replace("columns", "max_age = \"36h\"\nopen_end = true\nmay_be_empty = true\ncolumns");
        assert_eq!(of(&aged), first);
        let aged: ExtractConfig = toml::from_str(&aged).unwrap();
        let json = Value::Object(declared(&aged)).to_string();
        assert_eq!(serde_json::from_str::<ExtractConfig>(&json).unwrap(), aged);
        for (was, is) in [
            ("utf-8", "utf-16"),
            ("columns", "code_kind = \"zi\"\ncolumns"),
            ("\"ml\"", "\"mg\""),
            ("\"q\"", "\"other\""),
            ("\";\"", "\",\""),
            ("decimal = \",\"", "decimal = \".\""),
        ] {
            assert_ne!(of(&text.replace(was, is)), first, "{is}");
        }
    }
}
