//! An extract that is the result of one SELECT in the hospital's own database.
//!
//! Owns the way of its rows: the SELECT is looked at, run in a session that can only read, and its result kept
//! as a file in the draft's folder, from which the reading child reads it like any other. The network is used
//! by this process alone; the child has none. The file goes with the folder. Parsing is a hint, the rights of
//! the database's role are the wall. The rows of a large extract stay where they are: of them a survey is kept,
//! and queries go to them. It must not judge rows, and nothing of them stands in its texts.

#[cfg(any(feature = "postgres", feature = "mssql"))]
mod connection;
#[cfg(feature = "postgres")]
mod copy;
mod fault;
#[cfg(any(feature = "postgres", feature = "mssql"))]
mod keep;
#[cfg(feature = "postgres")]
mod push;
#[cfg(feature = "postgres")]
mod said;
mod select;
#[cfg(feature = "postgres")]
mod session;
#[cfg(feature = "mssql")]
mod sqlserver;
mod survey;

pub use fault::Fault;
pub(super) use survey::{Survey, found};

use super::Wish;
use super::child::Stop;
use super::config::ExtractConfig;
use super::error::ExtractError;
use select::Select;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Where the rows come from, in place of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Database {
    /// How the server is reached: a file, relative to the configuration's folder.
    pub connection: PathBuf,
    /// Most time that the SELECT may take.
    pub timeout: Duration,
    /// Most rows that its result may have.
    pub max_rows: u64,
    /// Whether they are too many for the store, and stay in the database.
    pub large: bool,
}

/// Where the result of an extract's SELECT is kept until it is read, or what is known of a result that stays
/// where it is; none for an extract that is a file.
pub(super) fn kept(config: &ExtractConfig, folder: &Path) -> Option<PathBuf> {
    let database = config.database.as_ref()?;
    let what = if database.large { "survey" } else { "rows" };
    Some(folder.join(format!("{}.{what}", config.dataset.name())))
}

/// Brings the result of every SELECT into the draft's folder.
pub(super) fn fetch_all(
    configs: &[ExtractConfig],
    base_dir: &Path,
    folder: &Path,
    stop: &Stop,
) -> Result<(), ExtractError> {
    configs.iter().try_for_each(|config| fetch(config, base_dir, folder, (stop, Rights::NotAsked)).map(drop))
}

/// Whether it is asked what the role may do beside reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rights {
    Asked,
    NotAsked,
}

/// Brings the result of an extract's SELECT into the folder, if it has one; what should be said of the role.
pub(super) fn fetch(
    config: &ExtractConfig,
    base_dir: &Path,
    folder: &Path,
    (stop, rights): (&Stop, Rights),
) -> Result<Option<String>, ExtractError> {
    let (Some(database), Some(kept)) = (&config.database, kept(config, folder)) else { return Ok(None) };
    let select = Select::read(&base_dir.join(&config.file))?;
    let wanted = Wanted { config, database, select: &select, base_dir };
    by_this_build(&wanted, &kept, (stop, rights))
}

/// What is asked of a large extract, made where its rows are; refused when they are no longer those that were
/// frozen.
pub(super) fn asked(
    config: &ExtractConfig,
    base_dir: &Path,
    stop: &Stop,
    wish: &Wish<'_>,
) -> Result<Vec<i64>, ExtractError> {
    let Some(database) = &config.database else {
        return Err(ExtractError::NoExtract { dataset: config.dataset.name() });
    };
    let select = Select::read(&base_dir.join(&config.file))?;
    let wanted = Wanted { config, database, select: &select, base_dir };
    asked_by_this_build(&wanted, stop, wish)
}

/// One SELECT and all that is known of it.
struct Wanted<'a> {
    #[cfg_attr(
        not(feature = "postgres"),
        expect(dead_code, reason = "only PostgreSQL is asked about its columns")
    )]
    config: &'a ExtractConfig,
    #[cfg_attr(
        not(any(feature = "postgres", feature = "mssql")),
        expect(dead_code, reason = "only a build with a database asks")
    )]
    database: &'a Database,
    select: &'a Select,
    #[cfg_attr(
        not(any(feature = "postgres", feature = "mssql")),
        expect(dead_code, reason = "only a build with a database asks")
    )]
    base_dir: &'a Path,
}

#[cfg(not(feature = "postgres"))]
fn without_postgresql(wanted: &Wanted<'_>) -> ExtractError {
    let todo =
        "use the program that was built with `--features postgres`, or export a file and declare `file`";
    Fault::new(wanted.select.path(), "this build has no PostgreSQL", todo).into()
}

#[cfg(not(any(feature = "postgres", feature = "mssql")))]
fn by_this_build(wanted: &Wanted<'_>, _: &Path, _: (&Stop, Rights)) -> Result<Option<String>, ExtractError> {
    Err(without_postgresql(wanted))
}

#[cfg(not(feature = "postgres"))]
fn asked_by_this_build(wanted: &Wanted<'_>, _: &Stop, _: &Wish<'_>) -> Result<Vec<i64>, ExtractError> {
    Err(without_postgresql(wanted))
}

#[cfg(any(feature = "postgres", feature = "mssql"))]
fn by_this_build(
    wanted: &Wanted<'_>,
    kept: &Path,
    asking: (&Stop, Rights),
) -> Result<Option<String>, ExtractError> {
    in_a_thread(wanted, async || {
        let to = connection::Connection::read(&wanted.base_dir.join(&wanted.database.connection))?;
        match &to.how {
            #[cfg(feature = "postgres")]
            connection::How::PostgreSql(..) if wanted.database.large => {
                push::survey(wanted, &to, kept, asking).await
            }
            #[cfg(feature = "postgres")]
            connection::How::PostgreSql(..) => copy::run(wanted, &to, kept, asking).await,
            #[cfg(feature = "mssql")]
            connection::How::SqlServer(_) if wanted.database.large => Err(of_postgresql_alone(wanted)),
            // Of a login there it is not asked what else it may do.
            #[cfg(feature = "mssql")]
            connection::How::SqlServer(how) => {
                sqlserver::run(wanted, &to, how, (kept, asking.0)).await.map(|()| None)
            }
        }
    })
}

#[cfg(feature = "postgres")]
fn asked_by_this_build(wanted: &Wanted<'_>, stop: &Stop, wish: &Wish<'_>) -> Result<Vec<i64>, ExtractError> {
    in_a_thread(wanted, async || {
        let to = connection::Connection::read(&wanted.base_dir.join(&wanted.database.connection))?;
        match &to.how {
            connection::How::PostgreSql(..) => push::asked(wanted, &to, stop, wish).await,
            #[cfg(feature = "mssql")]
            connection::How::SqlServer(_) => Err(of_postgresql_alone(wanted)),
        }
    })
}

#[cfg(feature = "mssql")]
fn of_postgresql_alone(wanted: &Wanted<'_>) -> ExtractError {
    let todo = "leave `large` out, or export a file and declare `file`";
    Fault::new(wanted.select.path(), "large = true is for PostgreSQL alone, and this is SQL Server", todo)
        .into()
}

/// In a thread of its own: some callers are inside a runtime, which must not be blocked or entered again.
#[cfg(any(feature = "postgres", feature = "mssql"))]
fn in_a_thread<T: Send>(
    wanted: &Wanted<'_>,
    work: impl AsyncFnOnce() -> Result<T, ExtractError> + Send,
) -> Result<T, ExtractError> {
    let failed = |source| ExtractError::Io {
        path: wanted.select.path().to_owned(),
        doing: "starting to ask the database",
        source,
    };
    std::thread::scope(|scope| {
        let asking = std::thread::Builder::new().name("database".to_owned()).spawn_scoped(scope, || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
            runtime.block_on(work())
        });
        let ended = asking.map_err(failed)?.join();
        ended.unwrap_or_else(|_| Err(failed(std::io::Error::other("the thread ended"))))
    })
}

#[cfg(all(test, not(any(feature = "postgres", feature = "mssql"))))]
mod tests {
    use super::*;

    #[test]
    fn without_postgres_such_an_extract_is_refused_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let text = "dataset = \"stock\"\nselect = \"v.sql\"\ndatabase = \"c.toml\"\nunit = \"piece\"\n\
                    columns = { code = \"c\", quantity = \"q\" }\n";
        let config: ExtractConfig = toml::from_str(text).unwrap();
        let told = |sql: &str| {
            std::fs::write(folder.path().join("v.sql"), sql).unwrap();
            let fetched =
                fetch_all(std::slice::from_ref(&config), folder.path(), folder.path(), &Stop::default());
            fetched.unwrap_err().to_string()
        };
        let refused = told("SELECT c, q FROM v");
        assert!(refused.contains("v.sql: this build has no PostgreSQL; use the program that"), "{refused}");
        // Of one whose rows stay there no less.
        let large: ExtractConfig = toml::from_str(&text.replace("unit", "large = true\nunit")).unwrap();
        let fetched = fetch_all(&[large], folder.path(), folder.path(), &Stop::default());
        let refused = fetched.unwrap_err().to_string();
        assert!(refused.contains("v.sql: this build has no PostgreSQL"), "{refused}");
        // The SELECT is looked at in every build.
        let refused = told("DELETE FROM v");
        assert!(refused.contains("v.sql:1:1: `DELETE`"), "{refused}");
    }
}

#[cfg(all(test, feature = "mssql"))]
mod tests_of_sqlserver {
    use super::*;

    /// Told before anything is dialled.
    #[test]
    fn a_large_extract_is_of_postgresql_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
        };
        write("v.sql", "SELECT c, q FROM v");
        write("p", "geheim\n");
        let way = "engine = \"sqlserver\"\nhost = \"127.0.0.1\"\nport = 1\ndbname = \"d\"\nuser = \"u\"\n\
                   password_file = \"p\"\ntls = \"off\"\n";
        write("c.toml", way);
        let text = "dataset = \"stock\"\nselect = \"v.sql\"\ndatabase = \"c.toml\"\nlarge = true\nunit = \"piece\"\n\
                    columns = { code = \"c\", quantity = \"q\" }\n";
        let config: ExtractConfig = toml::from_str(text).unwrap();
        let told =
            fetch_all(&[config], folder.path(), folder.path(), &Stop::default()).unwrap_err().to_string();
        assert!(told.contains("v.sql: large = true is for PostgreSQL alone"), "{told}");
    }
}
