//! The rows of a result, from the server into a file, as they come.
//!
//! Owns the one statement that is run, the limits on it (rows, time, a program that stops) and the file: new,
//! readable by this account alone, in the draft's folder. Rows are never kept in memory, counted or looked at
//! otherwise. It must not judge them.

use super::connection::Connection;
use super::session::Session;
use super::{Fault, Rights, Wanted, said};
use crate::extract::child::Stop;
use crate::extract::draft::private_file;
use crate::extract::error::ExtractError;
use futures_util::StreamExt;
use std::io::{BufWriter, Write};
use std::pin::pin;
use std::time::Duration;
use tokio::time::{Instant, interval};

/// How often it is looked whether the rows are still wanted.
const LOOK: Duration = Duration::from_millis(50);
/// How much longer than its statement_timeout a server may be silent.
const GRACE: Duration = Duration::from_secs(15);
const BUFFER: usize = 1 << 20;

/// Asks, and keeps the answer; what should be said of the role.
pub(super) async fn run(
    wanted: &Wanted<'_>,
    stop: &Stop,
    rights: Rights,
) -> Result<Option<String>, ExtractError> {
    let to = Connection::read(&wanted.base_dir.join(&wanted.database.connection))?;
    let until = Instant::now() + wanted.database.timeout + GRACE;
    let session = guarded(stop, until, wanted, async { Ok(Session::open(&to).await?) }).await?;
    let asked = guarded(stop, until, wanted, ask(&session, wanted, rights)).await;
    match asked {
        Ok(role) => {
            session.close().await;
            Ok(role.map(|role| {
                let user = to.how.get_user().unwrap_or_default();
                format!("role `{user}` {role}")
            }))
        }
        Err(error) => {
            session.break_off().await;
            Err(error)
        }
    }
}

/// Ends with the work, with the program or with the time, whichever comes first.
async fn guarded<T>(
    stop: &Stop,
    until: Instant,
    wanted: &Wanted<'_>,
    work: impl Future<Output = Result<T, ExtractError>>,
) -> Result<T, ExtractError> {
    let mut work = pin!(work);
    let mut look = interval(LOOK);
    loop {
        tokio::select! {
            done = &mut work => return done,
            _ = look.tick() => {
                if stop.is_set() {
                    let what = "the SELECT was stopped, with the program";
                    return Err(Fault::new(wanted.select.path(), what, "nothing is to be done").into());
                }
                if Instant::now() >= until {
                    let seconds = wanted.database.timeout.as_secs();
                    let what = format!("the server gave no end within {seconds} s, and none by itself");
                    return Err(Fault::new(wanted.select.path(), what, "see whether the server hangs").into());
                }
            }
        }
    }
}

async fn ask(session: &Session, wanted: &Wanted<'_>, rights: Rights) -> Result<Option<String>, ExtractError> {
    let (select, timeout) = (wanted.select, wanted.database.timeout);
    session.only_read(select, timeout).await?;
    let role = match rights {
        Rights::Asked => session.rights(select).await?,
        Rights::NotAsked => None,
    };
    drop(session.prepare(select, wanted.config).await?);
    // On a line of its own the bracket is in no comment.
    let copy = format!("COPY (\n{}\n) TO STDOUT (FORMAT csv, HEADER true)", select.text());
    let failed = |error: tokio_postgres::Error| said::of_running(&error, select, timeout);
    let mut rows = pin!(session.client.copy_out(&copy).await.map_err(failed)?);
    let writing = |source| ExtractError::Io {
        path: wanted.kept.to_owned(),
        doing: "keeping the result of the SELECT",
        source,
    };
    let mut file = BufWriter::with_capacity(BUFFER, private_file(wanted.kept).map_err(writing)?);
    // The header is the first of them.
    let mut left = wanted.database.max_rows.saturating_add(1);
    while let Some(row) = rows.next().await {
        let row = row.map_err(failed)?;
        // The protocol has one row in a message; what stands between us and the server may not keep to it.
        if row.last() != Some(&b'\n') {
            let what = "rows come in pieces, so that they cannot be counted";
            let todo = "connect to the server itself, not to a pooler or proxy";
            return Err(Fault::new(select.path(), what, todo).into());
        }
        left = left.checked_sub(1).ok_or_else(|| too_many(wanted))?;
        file.write_all(&row).map_err(writing)?;
    }
    file.flush().map_err(writing)?;
    Ok(role)
}

fn too_many(wanted: &Wanted<'_>) -> Fault {
    let most = wanted.database.max_rows;
    let what = format!("more than {most} rows, the most that max_rows allows");
    Fault::new(wanted.select.path(), what, "see whether the SELECT is right, or declare a higher max_rows")
}
