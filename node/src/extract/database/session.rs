//! A session that can only read: dialled, told so, and asked what it will give.
//!
//! Owns the settings of the session, under which every value has one text, and the look at the result's
//! columns before a row is read. It must not read rows.

use super::connection::{Connection, How};
use super::keep::{guarded, until};
use super::select::Select;
use super::{Fault, Rights, Wanted, said};
use crate::extract::child::Stop;
use crate::extract::config::{ExtractConfig, LevelSource, UnitSource};
use crate::extract::error::ExtractError;
use samensom_protocol::query::{ColumnType, nearest};
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_postgres::types::Type;
use tokio_postgres::{CancelToken, Client, NoTls, SimpleQueryMessage, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

/// How long a farewell may take.
const FAREWELL: Duration = Duration::from_secs(2);

/// Does this work in a session, and ends it: in good order, or by telling the server to stop. What takes too
/// long ends, and what is no longer wanted.
pub(super) async fn during<T>(
    wanted: &Wanted<'_>,
    to: &Connection,
    stop: &Stop,
    work: impl AsyncFnOnce(&Session) -> Result<T, ExtractError>,
) -> Result<T, ExtractError> {
    let until = until(wanted);
    let session = guarded(stop, until, wanted, async { Ok(Session::open(to).await?) }).await?;
    let done = guarded(stop, until, wanted, work(&session)).await;
    match done {
        Ok(_) => session.close().await,
        Err(_) => session.break_off().await,
    }
    done
}

/// A connection that is open.
pub(super) struct Session {
    pub(super) client: Client,
    cancel: CancelToken,
    tls: Option<MakeRustlsConnect>,
    carrying: JoinHandle<()>,
}

impl Session {
    async fn open(to: &Connection) -> Result<Session, Fault> {
        let (how, tls) = match &to.how {
            How::PostgreSql(both) => (&both.0, both.1.clone().map(MakeRustlsConnect::new)),
            #[cfg(feature = "mssql")]
            How::SqlServer(_) => return Err(Fault::new(&to.path, "another engine", "report this")),
        };
        let refused = |error| said::of_connecting(&error, to);
        type Carrying = Pin<Box<dyn Future<Output = ()> + Send>>;
        let (client, carrying): (Client, Carrying) = match &tls {
            Some(tls) => {
                let (client, carrying) = how.connect(tls.clone()).await.map_err(refused)?;
                (client, Box::pin(async { drop(carrying.await) }))
            }
            None => {
                let (client, carrying) = how.connect(NoTls).await.map_err(refused)?;
                (client, Box::pin(async { drop(carrying.await) }))
            }
        };
        let cancel = client.cancel_token();
        Ok(Session { client, cancel, tls, carrying: tokio::spawn(carrying) })
    }

    /// No statement behind this writes, as far as the server is concerned, or lasts longer. Dates, numbers
    /// and texts come as the reader expects them, whatever the role's own settings are.
    async fn only_read(&self, select: &Select, timeout: Duration) -> Result<(), Fault> {
        let settings = format!(
            "SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY; SET statement_timeout = {}; \
             SET DateStyle = 'ISO, YMD'; SET extra_float_digits = 1; SET bytea_output = 'hex'; \
             SET standard_conforming_strings = on; SET client_encoding = 'UTF8'; \
             BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY",
            timeout.as_millis()
        );
        let set = self.client.batch_execute(&settings).await;
        set.map_err(|error| said::of_running(&error, select, timeout))
    }

    /// From here on one moment is read; what should be said of the role, where that is asked.
    pub(super) async fn begin(
        &self,
        wanted: &Wanted<'_>,
        to: &Connection,
        rights: Rights,
    ) -> Result<Option<String>, Fault> {
        self.only_read(wanted.select, wanted.database.timeout).await?;
        let role = match rights {
            Rights::Asked => self.rights(wanted.select).await?,
            Rights::NotAsked => None,
        };
        Ok(role.map(|role| format!("role `{}` {role}", to.user)))
    }

    /// What the role may do beside reading, or what can be done with it.
    async fn rights(&self, select: &Select) -> Result<Option<String>, Fault> {
        let asked = self.client.simple_query(RIGHTS).await;
        let rows = asked.map_err(|error| said::of_running(&error, select, Duration::ZERO))?;
        let found: Vec<&str> = rows
            .iter()
            .filter_map(|row| match row {
                SimpleQueryMessage::Row(row) => row.get(0),
                _ => None,
            })
            .collect();
        Ok((!found.is_empty()).then(|| found.join(", ")))
    }

    /// Has the server read the SELECT, and looks at what its rows will be.
    pub(super) async fn prepare(&self, select: &Select, config: &ExtractConfig) -> Result<Statement, Fault> {
        let prepared = self.client.prepare(select.text()).await;
        let statement = prepared.map_err(|error| said::of_preparing(&error, select))?;
        let columns: Vec<(&str, &Type)> =
            statement.columns().iter().map(|column| (column.name(), column.type_())).collect();
        judge_columns(select.path(), config, &columns)?;
        Ok(statement)
    }

    /// Ends it in good order.
    async fn close(self) {
        let Session { client, carrying, .. } = self;
        let _ = client.batch_execute("ROLLBACK").await;
        drop(client);
        let _ = tokio::time::timeout(FAREWELL, carrying).await;
    }

    /// Ends it while something runs there, which is told to stop.
    async fn break_off(self) {
        let Session { cancel, tls, carrying, .. } = self;
        let told = async {
            match tls {
                Some(tls) => cancel.cancel_query(tls).await,
                None => cancel.cancel_query(NoTls).await,
            }
        };
        // A server that does not hear it ends with the connection, or by its own statement_timeout.
        let _ = tokio::time::timeout(FAREWELL, told).await;
        carrying.abort();
    }
}

/// Every column that is read is there once, and has a text that can be read.
fn judge_columns(path: &Path, config: &ExtractConfig, found: &[(&str, &Type)]) -> Result<(), Fault> {
    if found.len() < 2 {
        let what = format!("a result of {} columns; at least a code and a quantity expected", found.len());
        return Err(Fault::new(
            path,
            what.replace("; ", ", "),
            "select the columns that [extract.columns] names",
        ));
    }
    for (theirs, kind) in wanted(config) {
        let mut same = found.iter().filter(|(name, _)| *name == theirs);
        let (first, more) = (same.next(), same.count());
        let Some((_, of_type)) = first.filter(|_| more == 0) else {
            return Err(not_once(path, theirs, more + usize::from(first.is_some()), found));
        };
        let of_day = [Type::TIMESTAMP, Type::TIMESTAMPTZ].contains(*of_type);
        if **of_type == Type::MONEY {
            let what = format!("column `{theirs}` is money, and a price never enters an extract");
            return Err(Fault::new(path, what, "select the quantity"));
        }
        if of_day && kind == ColumnType::Date {
            let what = format!("column `{theirs}` is {of_type}, where a day is expected");
            let todo = format!(
                "say which day it is, such as `(x AT TIME ZONE 'Europe/Amsterdam')::date AS \"{theirs}\"`, or `x::date` \
                 where it has no time zone"
            );
            return Err(Fault::new(path, what, todo));
        }
    }
    Ok(())
}

/// Their names of the columns that are read.
pub(super) fn wanted(config: &ExtractConfig) -> impl Iterator<Item = (&str, ColumnType)> {
    let mapped = config.columns.iter().map(|(ours, theirs)| (theirs.as_str(), ours.column_type()));
    let unit = match &config.unit {
        UnitSource::Column(theirs) | UnitSource::Table { level: LevelSource::Column(theirs), .. } => {
            Some(theirs.as_str())
        }
        UnitSource::Every(_) | UnitSource::Table { .. } | UnitSource::Nothing => None,
    };
    let objection = config.objection.as_ref().map(|objection| objection.column.as_str());
    mapped.chain(unit.into_iter().chain(objection).map(|theirs| (theirs, ColumnType::Text)))
}

fn not_once(path: &Path, theirs: &str, times: usize, found: &[(&str, &Type)]) -> Fault {
    if times > 1 {
        let what = format!("column `{theirs}` is in the result {times} times, expected once");
        return Fault::new(path, what, "give the others another name with AS");
    }
    let near = nearest(theirs, found.iter().map(|(name, _)| *name));
    let near = near.map(|near| format!(" (nearest is `{near}`)")).unwrap_or_default();
    let names: Vec<String> = found.iter().map(|(name, _)| format!("`{name}`")).collect();
    let what = format!("its result has no column `{theirs}`{near}, found {}", names.join(", "));
    let todo = format!(
        "correct [extract.columns], or select it as \"{theirs}\" (without quotes a name is lower case)"
    );
    Fault::new(path, what, todo)
}

/// Rights that an extract does not need, three at most. Temporary tables are everybody's in a usual database.
const RIGHTS: &str = "
SELECT what FROM (
    SELECT 1 AS place, 'is superuser' AS what FROM pg_catalog.pg_roles WHERE rolname = current_user AND rolsuper
    UNION ALL
    SELECT 2, 'may make roles or databases, or replicate' FROM pg_catalog.pg_roles
    WHERE rolname = current_user AND NOT rolsuper AND (rolcreaterole OR rolcreatedb OR rolreplication)
    UNION ALL
    SELECT 3, 'is a member of ' || r.rolname FROM pg_catalog.pg_roles r, pg_catalog.pg_roles me
    WHERE me.rolname = current_user AND NOT me.rolsuper AND pg_catalog.pg_has_role(r.oid, 'MEMBER')
      AND r.rolname IN ('pg_write_all_data', 'pg_write_server_files', 'pg_execute_server_program')
    UNION ALL
    SELECT 4, 'may write ' || c.oid::pg_catalog.regclass FROM pg_catalog.pg_class c, pg_catalog.pg_roles me
    WHERE me.rolname = current_user AND NOT me.rolsuper AND c.relnamespace::pg_catalog.regnamespace::text
          !~ '^(pg_|information_schema$)'
      AND CASE c.relkind
          WHEN 'S' THEN pg_catalog.has_sequence_privilege(c.oid, 'USAGE, UPDATE')
          WHEN 'i' THEN false WHEN 'I' THEN false WHEN 'c' THEN false WHEN 't' THEN false
          ELSE pg_catalog.has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE')
            OR pg_catalog.has_any_column_privilege(c.oid, 'INSERT, UPDATE') END
    UNION ALL
    SELECT 5, 'may make tables in schema ' || n.nspname FROM pg_catalog.pg_namespace n, pg_catalog.pg_roles me
    WHERE me.rolname = current_user AND NOT me.rolsuper AND n.nspname !~ '^pg_'
      AND pg_catalog.has_schema_privilege(n.oid, 'CREATE')
) AS rights ORDER BY place, what LIMIT 3";
