//! An extract's description as JSON: the keys of `[[extract]]` as they are declared.
//!
//! Owns this form alone. The reading child gets all of it; the part that gives the rows their meaning goes
//! into the snapshot and its id. Reading it back is `config.rs`: the form is that of node.toml.

use super::config::{ExtractConfig, LevelSource, UnitSource};
use serde_json::{Map, Value, json};

/// Every declared key, so that it reads back as the same description.
pub(super) fn declared(config: &ExtractConfig) -> Map<String, Value> {
    // Named one by one, so that a new key cannot be forgotten here.
    let ExtractConfig {
        dataset,
        file,
        encoding,
        separator,
        decimal,
        thousands,
        date,
        unit,
        code_kind,
        max_rejected,
        open_end,
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
    put("file", json!(file));
    put("encoding", json!(encoding.name()));
    put(
        "separator",
        json!(if *separator == b'\t' { "tab".to_owned() } else { char::from(*separator).into() }),
    );
    put("decimal", json!(decimal));
    if let Some(mark) = thousands {
        put("thousands", json!(mark));
    }
    put("date", json!(date.to_string()));
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
    put("open_end", json!(open_end));
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

/// What gives the rows their meaning: all but where files lie, and what is borne or refused as a whole. Keys
/// stand in the order of their names. What a unit table said is in the rows, which stand in its units.
pub(super) fn meaning(config: &ExtractConfig) -> String {
    let mut keys = declared(config);
    for key in ["file", "max_rejected", "open_end", "may_be_empty", "max_age"] {
        keys.remove(key);
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
