//! The rows of a result, from PostgreSQL into the kept file, as they come.
//!
//! Owns the one statement that is run, in a session that can only read. It must not judge rows.

use super::connection::Connection;
use super::keep::Keeping;
use super::session::{self, Session};
use super::{Fault, Rights, Wanted, said};
use crate::extract::child::Stop;
use crate::extract::error::ExtractError;
use futures_util::StreamExt;
use std::path::Path;
use std::pin::pin;

/// Asks, and keeps the answer; what should be said of the role.
pub(super) async fn run(
    wanted: &Wanted<'_>,
    to: &Connection,
    kept: &Path,
    (stop, rights): (&Stop, Rights),
) -> Result<Option<String>, ExtractError> {
    session::during(wanted, to, stop, async |session| {
        let role = session.begin(wanted, to, rights).await?;
        ask(session, wanted, kept).await?;
        Ok(role)
    })
    .await
}

async fn ask(session: &Session, wanted: &Wanted<'_>, kept: &Path) -> Result<(), ExtractError> {
    let (select, timeout) = (wanted.select, wanted.database.timeout);
    drop(session.prepare(select, wanted.config).await?);
    // On a line of its own the bracket is in no comment.
    let copy = format!("COPY (\n{}\n) TO STDOUT (FORMAT csv, HEADER true)", select.text());
    let failed = |error: tokio_postgres::Error| said::of_running(&error, select, timeout);
    let mut rows = pin!(session.client.copy_out(&copy).await.map_err(failed)?);
    let mut keeping = Keeping::open(wanted, kept)?;
    while let Some(row) = rows.next().await {
        let row = row.map_err(failed)?;
        // The protocol has one row in a message; what stands between us and the server may not keep to it.
        if row.last() != Some(&b'\n') {
            let what = "rows come in pieces, so that they cannot be counted";
            let todo = "connect to the server itself, not to a pooler or proxy";
            return Err(Fault::new(select.path(), what, todo).into());
        }
        keeping.row(&row)?;
    }
    keeping.end()
}
