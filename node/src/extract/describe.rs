//! An extract's description as JSON: the keys of `[[extract]]` as they are declared.
//!
//! Owns this form alone. The reading child gets all of it; the part that gives the rows their meaning goes
//! into the snapshot and its id. Reading it back is `config.rs`: the form is that of node.toml.

use super::config::{ExtractConfig, UnitSource};
use serde_json::{Map, Value, json};

/// Every declared key, so that it reads back as the same description.
pub(super) fn declared(config: &ExtractConfig) -> Map<String, Value> {
    // Named one by one, so that a new key cannot be forgotten here.
    let ExtractConfig { dataset, file, separator, decimal, date, unit, unique, max_rejected, columns } =
        config;
    let mut keys = Map::new();
    let mut put = |key: &str, value: Value| keys.insert(key.to_owned(), value);
    put("dataset", json!(dataset.name()));
    put("file", json!(file));
    put("encoding", json!("utf-8"));
    put(
        "separator",
        json!(if *separator == b'\t' { "tab".to_owned() } else { char::from(*separator).into() }),
    );
    put("decimal", json!(decimal));
    put("date", json!(date));
    match unit {
        UnitSource::Every(unit) => put("unit", json!(unit.name())),
        UnitSource::Column(column) => put("unit_column", json!(column)),
    };
    if !unique.is_empty() {
        put("unique", json!(unique.iter().map(|column| column.name()).collect::<Vec<_>>()));
    }
    put("max_rejected", json!(max_rejected));
    let columns: Map<String, Value> =
        columns.iter().map(|(column, theirs)| (column.name().to_owned(), json!(theirs))).collect();
    put("columns", Value::Object(columns));
    keys
}

/// What gives the rows their meaning: all but where the file lies and how many bad rows are borne. Keys
/// stand in the order of their names.
pub(super) fn meaning(config: &ExtractConfig) -> String {
    let mut keys = declared(config);
    keys.remove("file");
    keys.remove("max_rejected");
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
            "separator = \"tab\"\ndecimal = \".\"\nunit_column = \"Eenheid\"\nmax_rejected = 7\n",
        ] {
            let text =
                format!("dataset = \"stock\"\nfile = \"a/b.csv\"\nencoding = \"utf-8\"\n{text}{columns}");
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
        for (was, is) in [
            ("\"ml\"", "\"mg\""),
            ("\"q\"", "\"other\""),
            ("\";\"", "\",\""),
            ("decimal = \",\"", "decimal = \".\""),
        ] {
            assert_ne!(of(&text.replace(was, is)), first, "{is}");
        }
    }
}
