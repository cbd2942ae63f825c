//! What the database server said -> what the hospital is told.
//!
//! Owns what of the server's words may be repeated. A message of the server can hold values of rows, so its
//! words are repeated only where no row was read yet, or where it names rights and read-only transactions by
//! itself and no function speaks; class 22 (bad values) never. Everything else is told by its SQLSTATE in our
//! own words. Details, hints and contexts are never repeated.

use super::Fault;
use super::connection::Connection;
use super::select::Select;
use std::error::Error as _;
use std::time::Duration;
use tokio_postgres::Error;
use tokio_postgres::error::{DbError, ErrorPosition, SqlState};

/// Not connected, or not let in.
pub(super) fn of_connecting(error: &Error, to: &Connection) -> Fault {
    let server = &to.server;
    if let Some(said) = error.as_db_error() {
        let code = said.code().code();
        let todo = match code.get(..2) {
            Some("28") => "check user and password_file, and pg_hba.conf on the server",
            Some("3D") => "check dbname",
            Some("53" | "57") => "ask the database's administrator, and try again",
            _ => "ask the database's administrator",
        };
        let what = format!("{server} lets nobody in: {} (SQLSTATE {code})", said.message());
        return Fault::new(&to.path, what, todo).by_server();
    }
    let why = cause(error);
    let todo = if why.contains("certificate") || why.contains("TLS") {
        "check that `ca` has signed the server's certificate for this very name, and that the server speaks TLS 1.3"
    } else if to.server.starts_with('/') {
        "see whether the server runs, whether its socket is there, and whether the agent's user may use it"
    } else {
        "see whether the server runs and listens there, and whether a firewall is between"
    };
    Fault::new(&to.path, format!("{server}: no connection: {why}"), todo)
}

/// The innermost word for it; the outer ones say only that something failed.
fn cause(error: &Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text = source.to_string();
        next = source.source();
    }
    text
}

/// Not understood: nothing was run, so that no row can stand in it.
pub(super) fn of_preparing(error: &Error, select: &Select) -> Fault {
    let Some(said) = error.as_db_error() else { return lost(error, select) };
    let code = said.code().code();
    if code.starts_with("22") {
        return of_running(error, select, Duration::ZERO);
    }
    let place = match said.position() {
        Some(ErrorPosition::Original(character)) => select.place(*character),
        _ => None,
    };
    let todo = match code {
        "42501" => "let the role read it: GRANT SELECT and GRANT USAGE on its schema",
        "42P01" | "42703" | "3F000" => "correct the name, and see whether the role may use its schema",
        _ => "correct the SELECT; psql says the same of it",
    };
    let what = format!("the server refuses it: {} (SQLSTATE {code})", said.message());
    Fault::new(select.path(), what, todo).at(place).by_server()
}

/// Ended while it ran.
pub(super) fn of_running(error: &Error, select: &Select, timeout: Duration) -> Fault {
    let Some(said) = error.as_db_error() else { return lost(error, select) };
    let code = said.code();
    // What no function made up.
    let alone = said.where_().is_none();
    let path = select.path();
    let told = |what: &str, todo: &str| Fault::new(path, format!("{what} (SQLSTATE {})", code.code()), todo);
    let repeated = |what: &str, todo: &str| {
        let words = if alone { format!(": {}", said.message()) } else { String::new() };
        let fault = Fault::new(path, format!("{what}{words} (SQLSTATE {})", code.code()), todo);
        if alone { fault.by_server() } else { fault }
    };
    match code {
        code if *code == SqlState::QUERY_CANCELED => told(
            &format!("not done within {} s, or cancelled on the server", timeout.as_secs()),
            "make it faster (an index, fewer rows), or declare a longer timeout",
        ),
        code if *code == SqlState::READ_ONLY_SQL_TRANSACTION => {
            repeated("it writes, which this session may not", "leave out what writes; an extract only reads")
        }
        code if *code == SqlState::INSUFFICIENT_PRIVILEGE => repeated(
            "the role may not read it",
            "let the role read it: GRANT SELECT on it, and GRANT USAGE on its schema",
        ),
        _ => by_class(said, told),
    }
}

fn by_class(said: &DbError, told: impl Fn(&str, &str) -> Fault) -> Fault {
    match said.code().code().get(..2) {
        Some("22") => told(
            "a value that the SELECT cannot use, such as a text that is no number or a division by zero",
            "run it in psql, which shows the value; mend the row or the SELECT",
        ),
        Some("57" | "08") => told("the server ended the session", "see the server's log, and try again"),
        Some("53") => {
            told("the server is short of memory, disk or connections", "ask the database's administrator")
        }
        Some("40") => told("the server gave the transaction up", "try again"),
        _ => told("the server ended it", "run it in psql, which says more; this text must not hold a row"),
    }
}

/// The connection ended without a word of the server's.
fn lost(error: &Error, select: &Select) -> Fault {
    let what = format!("the server went away in the middle: {}", cause(error));
    Fault::new(
        select.path(),
        what,
        "see whether the server runs, and its log, for nothing of the result is used",
    )
}
