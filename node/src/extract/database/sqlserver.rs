//! A SELECT in the hospital's own SQL Server. NOT TESTED against a server: it compiles, and its texts of values
//! are tested.
//!
//! Owns the way of its rows into the kept file, in which they look as PostgreSQL's do. A batch there has no
//! read-only transaction and needs no semicolon between statements, so that the rights of the login are the
//! whole wall. The SELECT sees one moment (SNAPSHOT), or does not run.

use super::connection::Connection;
use super::keep::{Keeping, guarded, until};
use super::{Fault, Wanted};
use crate::extract::child::Stop;
use crate::extract::error::ExtractError;
use futures_util::StreamExt;
use jiff::ToSpan;
use jiff::civil;
use std::path::Path;
use tiberius::error::Error;
use tiberius::{Client, Column, ColumnData, ColumnType, Config, QueryItem};
use tokio::net::TcpStream;
use tokio_util::compat::{Compat, TokioAsyncWriteCompatExt};

type Session = Client<Compat<TcpStream>>;

/// Asks, and keeps the answer. A connection that is dropped ends what runs on it.
pub(super) async fn run(
    wanted: &Wanted<'_>,
    to: &Connection,
    how: &Config,
    (kept, stop): (&Path, &Stop),
) -> Result<(), ExtractError> {
    let until = until(wanted);
    let mut session = guarded(stop, until, wanted, async { Ok(open(to, how).await?) }).await?;
    guarded(stop, until, wanted, ask(&mut session, wanted, kept)).await?;
    let ended = async { Ok(session.close().await.map_err(|error| of_running(&error, wanted))?) };
    guarded(stop, until, wanted, ended).await
}

async fn open(to: &Connection, how: &Config) -> Result<Session, Fault> {
    let failed = |what: String| {
        let todo = "see whether the server runs and listens there, and check user, password_file and ca";
        Fault::new(&to.path, format!("{}: no connection: {what}", to.server), todo).by_server()
    };
    let stream = TcpStream::connect(how.get_addr()).await.map_err(|error| failed(error.to_string()))?;
    stream.set_nodelay(true).map_err(|error| failed(error.to_string()))?;
    Client::connect(how.clone(), stream.compat_write()).await.map_err(|error| failed(error.to_string()))
}

async fn ask(session: &mut Session, wanted: &Wanted<'_>, kept: &Path) -> Result<(), ExtractError> {
    let failed = |error: Error| of_running(&error, wanted);
    let settings = format!(
        "SET XACT_ABORT ON; SET QUOTED_IDENTIFIER ON; SET LOCK_TIMEOUT {}; \
         SET TRANSACTION ISOLATION LEVEL SNAPSHOT; BEGIN TRANSACTION",
        wanted.database.timeout.as_millis()
    );
    session.simple_query(settings).await.map_err(failed)?.into_results().await.map_err(failed)?;
    let mut items = session.simple_query(wanted.select.text()).await.map_err(failed)?;
    let mut keeping = Keeping::open(wanted, kept)?;
    let (mut line, mut results) = (String::new(), 0);
    while let Some(item) = items.next().await {
        line.clear();
        match item.map_err(failed)? {
            QueryItem::Metadata(meta) => {
                results += 1;
                if results > 1 {
                    let what = "a second result";
                    return Err(
                        Fault::new(wanted.select.path(), what, "write one SELECT and nothing else").into()
                    );
                }
                header(meta.columns(), wanted, &mut line)?;
            }
            QueryItem::Row(row) => {
                for (place, (column, value)) in row.cells().enumerate() {
                    let text = text(value).ok_or_else(|| unread(column, wanted))?;
                    put(&mut line, place, text.as_deref());
                }
            }
        }
        line.push('\n');
        keeping.row(line.as_bytes())?;
    }
    drop(items);
    session.simple_query("ROLLBACK").await.map_err(failed)?.into_results().await.map_err(failed)?;
    keeping.end()
}

fn header(columns: &[Column], wanted: &Wanted<'_>, line: &mut String) -> Result<(), Fault> {
    for (place, column) in columns.iter().enumerate() {
        if matches!(column.column_type(), ColumnType::Money | ColumnType::Money4) {
            let what = format!("column `{}` is money, and a price never enters an extract", column.name());
            return Err(Fault::new(wanted.select.path(), what, "select the quantity"));
        }
        put(line, place, Some(column.name()));
    }
    if columns.len() < 2 {
        let what = "a result of less than two columns, at least a code and a quantity expected";
        return Err(Fault::new(
            wanted.select.path(),
            what,
            "select the columns that [extract.columns] names",
        ));
    }
    Ok(())
}

fn unread(column: &Column, wanted: &Wanted<'_>) -> Fault {
    let what = format!("column `{}` has a type that is not read ({:?})", column.name(), column.column_type());
    Fault::new(wanted.select.path(), what, "CAST it: to date, decimal, float, integer, bit or nvarchar")
}

/// A cell between quotes; nothing for NULL.
fn put(line: &mut String, place: usize, text: Option<&str>) {
    if place > 0 {
        line.push(',');
    }
    if let Some(text) = text {
        line.push('"');
        line.push_str(&text.replace('"', "\"\""));
        line.push('"');
    }
}

/// The exact text of a value, none inside for NULL; none outside for a type that is not read.
fn text(value: &ColumnData<'_>) -> Option<Option<String>> {
    Some(match value {
        ColumnData::U8(value) => value.map(|value| value.to_string()),
        ColumnData::I16(value) => value.map(|value| value.to_string()),
        ColumnData::I32(value) => value.map(|value| value.to_string()),
        ColumnData::I64(value) => value.map(|value| value.to_string()),
        // The shortest text that is this number, without an exponent.
        ColumnData::F32(value) => value.map(|value| value.to_string()),
        ColumnData::F64(value) => value.map(|value| value.to_string()),
        ColumnData::Bit(value) => value.map(|value| if value { "t" } else { "f" }.to_owned()),
        ColumnData::String(value) => value.as_ref().map(ToString::to_string),
        ColumnData::Guid(value) => value.map(|value| value.to_string()),
        ColumnData::Numeric(value) => value.map(|value| decimal(value.value(), value.scale())),
        ColumnData::Date(None) => None,
        ColumnData::Date(Some(date)) => Some(day(date.days())?),
        _ => return None,
    })
}

fn decimal(value: i128, scale: u8) -> String {
    let scale = usize::from(scale);
    let digits = format!("{:0>width$}", value.unsigned_abs(), width = scale + 1);
    let (whole, parts) = digits.split_at(digits.len() - scale);
    let (sign, mark) = (if value < 0 { "-" } else { "" }, if scale > 0 { "." } else { "" });
    format!("{sign}{whole}{mark}{parts}")
}

/// Days behind the first of January of the year 1.
fn day(days: u32) -> Option<String> {
    let date = civil::date(1, 1, 1).checked_add(i64::from(days).days()).ok()?;
    Some(date.strftime("%Y-%m-%d").to_string())
}

/// Of the server's words none: they may hold a row.
fn of_running(error: &Error, wanted: &Wanted<'_>) -> Fault {
    let path = wanted.select.path();
    match error {
        Error::Server(said) => {
            let todo = match said.code() {
                3952 => {
                    "let the database give a SELECT one moment: ALTER DATABASE ... SET ALLOW_SNAPSHOT_ISOLATION ON"
                }
                229 | 230 => "let the login read it: GRANT SELECT",
                207 | 208 => "correct the names of its tables and columns",
                _ => "run it in the server's own tools, which say more",
            };
            Fault::new(
                path,
                format!("the server ended it (error {}, line {})", said.code(), said.line()),
                todo,
            )
        }
        Error::Io { kind, .. } => Fault::new(
            path,
            format!("the server went away in the middle: {kind}"),
            "see whether the server runs",
        ),
        _ => Fault::new(path, "the server's answer cannot be read", "report this with the server's version"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::borrow::Cow;
    use tiberius::numeric::Numeric;
    use tiberius::time::Date;

    #[test]
    fn values_have_one_exact_text() {
        for (value, wanted) in [
            (ColumnData::I64(Some(-7)), "\"-7\""),
            (ColumnData::F64(Some(0.1)), "\"0.1\""),
            (ColumnData::F64(Some(f64::NAN)), "\"NaN\""),
            (ColumnData::F64(Some(1e21)), "\"1000000000000000000000\""),
            (ColumnData::Numeric(Some(Numeric::new_with_scale(-5, 3))), "\"-0.005\""),
            (ColumnData::Numeric(Some(Numeric::new_with_scale(12_345, 2))), "\"123.45\""),
            (ColumnData::Numeric(Some(Numeric::new_with_scale(70, 0))), "\"70\""),
            (ColumnData::Bit(Some(true)), "\"t\""),
            (ColumnData::String(Some(Cow::Borrowed("a,\"b\"\n"))), "\"a,\"\"b\"\"\n\""),
            (ColumnData::String(None), ""),
            (ColumnData::Date(Some(Date::new(0))), "\"0001-01-01\""),
            (ColumnData::Date(Some(Date::new(739_940))), "\"2026-11-21\""),
        ] {
            let mut line = String::new();
            put(&mut line, 0, text(&value).unwrap().as_deref());
            assert_eq!(line, wanted, "{value:?}");
        }
        assert_eq!(text(&ColumnData::Binary(None)), None);
        let mut line = String::new();
        [None, Some("x"), None].into_iter().enumerate().for_each(|(place, text)| put(&mut line, place, text));
        assert_eq!(line, ",\"x\",");
    }
}
