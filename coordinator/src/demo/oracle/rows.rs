//! An extract in its declared dialect -> rows of plain values.
//!
//! Owns a reading that is apart from the agent's. Rows it cannot read are left out up to the declared limit,
//! as the agent does; with more it gives up.

use crate::error::Error;
use samensom_protocol::query::{Column, ColumnType, Counts, Dataset};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A present value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Val {
    /// As it stands, without space at its ends.
    Text(String),
    /// A whole number of 10^-6.
    Micro(i128),
    /// A day as `YYYY-MM-DD`.
    Date(String),
}

/// The present values of a row.
pub type Row = BTreeMap<Column, Val>;

/// How a file is written.
#[derive(Debug)]
pub struct Dialect {
    dataset: Dataset,
    separator: u8,
    decimal: char,
    date: String,
    unit: Option<String>,
    thousands: Option<String>,
    unit_table: Option<PathBuf>,
    /// Of every row, or the column that holds it.
    level: Result<String, String>,
    columns: BTreeMap<Column, String>,
    /// Their words for ours, by our name of the column.
    words: BTreeMap<String, BTreeMap<String, String>>,
    max_rejected: usize,
}

impl Dialect {
    /// From an `[[extract]]` table.
    ///
    /// # Errors
    /// When a key is missing.
    pub fn of(dataset: Dataset, table: &toml::Table) -> Result<Dialect, Error> {
        let text = |key: &str| table.get(key).and_then(toml::Value::as_str);
        let need = |key: &str| text(key).ok_or_else(|| Error::config(format!("[[extract]] has no `{key}`")));
        let theirs = table.get("columns").and_then(toml::Value::as_table).cloned().unwrap_or_default();
        let mut columns = BTreeMap::new();
        for (name, column) in &theirs {
            let canonical = dataset.column(name).map_err(|why| Error::config(why.to_string()))?;
            columns.insert(canonical, column.as_str().unwrap_or("").to_owned());
        }
        if let Some(column) = text("unit_column") {
            columns.insert(Column::Unit, column.to_owned());
        }
        let separator = need("separator")?;
        let max_rejected = table.get("max_rejected").and_then(toml::Value::as_integer).unwrap_or(0);
        Ok(Dialect {
            dataset,
            words: words(table),
            separator: if separator == "tab" { b'\t' } else { separator.bytes().next().unwrap_or(b';') },
            decimal: need("decimal")?.chars().next().unwrap_or(','),
            date: text("date").unwrap_or("%Y-%m-%d").to_owned(),
            unit: text("unit").map(str::to_owned),
            thousands: text("thousands").map(str::to_owned),
            unit_table: text("unit_table").map(PathBuf::from),
            level: match text("level_column") {
                Some(column) => Err(column.to_owned()),
                None => Ok(text("level").unwrap_or("").to_owned()),
            },
            columns,
            max_rejected: usize::try_from(max_rejected).unwrap_or(0),
        })
    }

    /// Every row of the file.
    ///
    /// # Errors
    /// When the file or too many of its rows cannot be read.
    pub fn read(&self, path: &Path) -> Result<Vec<Row>, Error> {
        let fail = |why: String| Error::asked(format!("the oracle: {why}")).place(path.display().to_string());
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(self.separator)
            .flexible(true)
            .from_path(path)
            .map_err(|why| fail(why.to_string()))?;
        let header = reader.headers().map_err(|why| fail(why.to_string()))?.clone();
        let place =
            |theirs: &str| header.iter().position(|name| name.trim_start_matches('\u{feff}') == theirs);
        let mut places = Vec::new();
        for (column, theirs) in &self.columns {
            places.push((*column, place(theirs).ok_or_else(|| fail(format!("no column `{theirs}`")))?));
        }
        let products = self.products(path)?;
        let level = self
            .level
            .as_ref()
            .err()
            .map(|theirs| place(theirs).ok_or_else(|| fail(format!("no column `{theirs}`"))));
        let level = level.transpose()?;
        let (mut rows, mut left_out) = (Vec::new(), 0);
        for record in reader.records() {
            let row = record.ok().filter(|record| record.len() == header.len());
            let row = row.and_then(|record| {
                let row = self.row(&places, &record)?;
                let own = level.and_then(|place| record.get(place)).map(str::trim);
                let own = own.map(|word| self.word("level", word));
                match &products {
                    Some(products) => {
                        self.converted(row, own.or(self.level.as_deref().ok()).unwrap_or(""), products)
                    }
                    None => Some(row),
                }
            });
            match row {
                Some(row) => rows.push(row),
                None => left_out += 1,
            }
        }
        if left_out > self.max_rejected {
            return Err(fail(format!("{left_out} rows cannot be read")));
        }
        Ok(rows)
    }

    fn row(&self, places: &[(Column, usize)], record: &csv::StringRecord) -> Option<Row> {
        let mut row = Row::new();
        let known = self.dataset.columns();
        if let Some(unit) = self.unit.as_ref().filter(|_| known.contains(&Column::Unit)) {
            row.insert(Column::Unit, Val::Text(unit.clone()));
        }
        if known.contains(&Column::Kind) && !self.columns.contains_key(&Column::Kind) {
            row.insert(Column::Kind, Val::Text("regular".to_owned()));
        }
        for (column, place) in places {
            let theirs = record.get(*place)?.trim();
            let text = self.word(column.name(), theirs);
            // A day or month by which rows are counted is in every row, once it is declared.
            if text.is_empty() && self.dataset.may_be_absent(*column) && self.dataset.day() != Some(*column) {
                continue;
            }
            row.insert(*column, self.value(*column, text)?);
        }
        Some(row)
    }

    fn value(&self, column: Column, text: &str) -> Option<Val> {
        Some(match column.column_type() {
            ColumnType::Date => Val::Date(self.day(text)?),
            ColumnType::Number => {
                let micro = self.quantity(text)?;
                let whole_years = micro % 1_000_000 == 0 && (0..=130_000_000).contains(&micro);
                (column != Column::Age || whole_years).then_some(Val::Micro(micro))?
            }
            ColumnType::Text => {
                let closed = column.closed_values().is_none_or(|words| words.contains(&text));
                (closed && !text.is_empty()).then(|| Val::Text(text.to_owned()))?
            }
        })
    }

    /// Our word for one of theirs, or theirs.
    fn word<'a>(&'a self, column: &str, theirs: &'a str) -> &'a str {
        let ours = self.words.get(column).and_then(|words| words.get(theirs));
        ours.map_or(theirs, String::as_str)
    }

    /// Digits, at most one decimal mark, a sign in front; nothing else.
    fn quantity(&self, text: &str) -> Option<i128> {
        let spaces = ['\u{a0}', '\u{202f}'];
        let text = &*match self.thousands.as_deref() {
            None => text.to_owned(),
            Some(" ") => text.replace(spaces, " ").replace(' ', ""),
            Some(mark) => text.replace(mark, ""),
        };
        let (sign, digits) = match text.as_bytes().first()? {
            b'-' => (-1, text.get(1..)?),
            b'+' => (1, text.get(1..)?),
            _ => (1, text),
        };
        let (whole, fraction) = digits.split_once(self.decimal).map_or((digits, "0"), |parts| parts);
        let plain = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !plain(whole) || !plain(fraction) {
            return None;
        }
        let fraction = fraction.trim_end_matches('0');
        let padded = format!("{fraction:0<6}");
        (padded.len() == 6).then_some(())?;
        Some(sign * (whole.parse::<i128>().ok()? * 1_000_000 + padded.parse::<i128>().ok()?))
    }

    /// The rows of the unit table, where one is declared.
    fn products(&self, extract: &Path) -> Result<Option<Vec<Product>>, Error> {
        let Some(table) = &self.unit_table else { return Ok(None) };
        let path = extract.parent().unwrap_or(Path::new("")).join(table);
        let fail = |why: &str| Error::asked(format!("the oracle: {why}")).place(path.display().to_string());
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(self.separator)
            .from_path(&path)
            .map_err(|why| fail(&why.to_string()))?;
        let header = reader.headers().map_err(|why| fail(&why.to_string()))?.clone();
        let mut products = Vec::new();
        for record in reader.records() {
            let record = record.map_err(|why| fail(&why.to_string()))?;
            let cell = |name: &str| {
                let place = header.iter().position(|found| found.trim_start_matches('\u{feff}') == name);
                place.and_then(|place| record.get(place)).unwrap_or("").trim().to_owned()
            };
            let day = |text: String| if text.is_empty() { Some(text) } else { self.day(&text) };
            let product = || {
                let (factor, from, until) =
                    (self.quantity(&cell("factor"))?, day(cell("from"))?, day(cell("until"))?);
                Some(Product {
                    code: cell("code"),
                    level: self.word("level", &cell("level")).to_owned(),
                    unit: self.word("unit", &cell("unit")).to_owned(),
                    factor,
                    from,
                    until,
                })
            };
            products.push(product().ok_or_else(|| fail("a row that cannot be read"))?);
        }
        Ok(Some(products))
    }

    /// The row in the unit of its product on its day.
    fn converted(&self, mut row: Row, level: &str, products: &[Product]) -> Option<Row> {
        let text = |column| match row.get(&column) {
            Some(Val::Text(text) | Val::Date(text)) => text.as_str(),
            _ => "",
        };
        let (code, day) = (text(Column::Code), self.dataset.day().map_or("", text));
        let holds = |product: &&Product| {
            let (from, until) = (product.from.as_str(), product.until.as_str());
            product.code == code
                && product.level == level
                && from <= day
                && (until.is_empty() || day <= until)
        };
        let product = products.iter().find(holds)?;
        for (column, value) in &mut row {
            if let Val::Micro(micro) = value
                && column.counts() == Some(Counts::Unit)
            {
                let size = micro.checked_mul(product.factor)?;
                (size % 1_000_000 == 0).then_some(())?;
                *micro = size / 1_000_000;
            }
        }
        row.insert(Column::Unit, Val::Text(product.unit.clone()));
        Some(row)
    }

    fn day(&self, text: &str) -> Option<String> {
        jiff::civil::Date::strptime(&self.date, text).ok().map(|day| day.to_string())
    }
}

/// A row of a unit table; days as `YYYY-MM-DD` or empty.
struct Product {
    code: String,
    level: String,
    unit: String,
    factor: i128,
    from: String,
    until: String,
}

/// `[extract.values]`, as it stands.
fn words(table: &toml::Table) -> BTreeMap<String, BTreeMap<String, String>> {
    let of = |words: &toml::Value| {
        let words = words.as_table().into_iter().flatten();
        words.filter_map(|(theirs, ours)| Some((theirs.clone(), ours.as_str()?.to_owned()))).collect()
    };
    let all = table.get("values").and_then(toml::Value::as_table).into_iter().flatten();
    all.map(|(column, words)| (column.clone(), of(words))).collect()
}

/// The unit of a row.
pub(super) fn unit_of(row: &Row) -> Option<&str> {
    if let Some(Val::Text(unit)) = row.get(&Column::Unit) { Some(unit) } else { None }
}
