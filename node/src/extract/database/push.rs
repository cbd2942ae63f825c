//! A large extract, whose rows stay in the hospital's PostgreSQL: surveyed when it is frozen, asked when it is queried.
//!
//! Owns what is asked of the server and in which order, each time in one session of one moment: the survey, with a
//! digest that is another number when a row is; whether every row can be used, for none is left out; and the groups of
//! a query, of which `evaluate::push` makes figures. No row is kept, and no value stands in a text.

mod normal;
mod rules;

use self::normal::{Normal, is_text, literal, ours};
use super::connection::Connection;
use super::keep::{failed, too_many};
use super::session::{self, Session, wanted as wanted_columns};
use super::survey::Survey;
use super::{Fault, Rights, Wanted, said};
use crate::extract::accounting::{Accounting, DateSeen, UnitSeen};
use crate::extract::child::Stop;
use crate::extract::draft::private_file;
use crate::extract::error::ExtractError;
use crate::extract::evaluate::push::{Asked, Pushed};
use crate::extract::shape::is_total;
use crate::extract::source::refuse_nothing;
use crate::extract::sql::Bound;
use crate::extract::{Counts, Wish};
use futures_util::TryStreamExt;
use samensom_protocol::query::{Column, ColumnType, Dataset, Date, Query, Unit};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::pin::pin;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Error, SimpleQueryMessage, Statement};

/// Most different codes that are judged one by one.
const MOST_CODES: u64 = 1_000_000;
/// Longest start of a text that tells whether it is a total: the longest word and what follows it.
const START: usize = 12;
/// Most reasons that are told at once.
const MOST_REASONS: usize = 8;

/// How many sums of pieces of the rows' hashes make the digest.
const PIECES: usize = 4;

/// Why rows cannot be used, by column, with how many.
type Unusable = BTreeMap<(String, String), u64>;

/// Takes a row of an answer.
type Sink<'a> = &'a mut dyn FnMut(&[Option<&str>]) -> Result<(), ExtractError>;

/// Surveys the rows and keeps what was found; what should be said of the role.
pub(super) async fn survey(
    wanted: &Wanted<'_>,
    to: &Connection,
    kept: &Path,
    (stop, rights): (&Stop, Rights),
) -> Result<Option<String>, ExtractError> {
    session::during(wanted, to, stop, async |session| {
        let role = session.begin(wanted, to, rights).await?;
        let statement = prepared(session, wanted).await?;
        let look = Look { session, wanted, normal: Normal::new(wanted.config, wanted.select, &statement) };
        let (survey, mut unusable) = look.survey().await?;
        look.judge_texts(&mut unusable).await?;
        refuse(wanted, &unusable)?;
        refuse_nothing(wanted.config, wanted.select.path(), &survey.accounting)?;
        let text = serde_json::to_vec(&survey).map_err(|error| failed(kept, error.into()))?;
        let written = private_file(kept).and_then(|mut file| file.write_all(&text));
        written.map_err(|source| failed(kept, source))?;
        Ok(role)
    })
    .await
}

/// The figures of a query over the rows, which are still those that were frozen, or what is said in its count pass.
pub(super) async fn asked(
    wanted: &Wanted<'_>,
    to: &Connection,
    stop: &Stop,
    wish: &Wish<'_>,
) -> Result<Vec<i64>, ExtractError> {
    let (query, frozen) = (Pushed::resolved(wish.query)?, wish.frozen);
    session::during(wanted, to, stop, async |session| {
        session.begin(wanted, to, Rights::NotAsked).await?;
        let statement = prepared(session, wanted).await?;
        let look = Look { session, wanted, normal: Normal::new(wanted.config, wanted.select, &statement) };
        let (survey, _) = look.survey().await?;
        let used = frozen.accounting_of(query.dataset()).map(|accounting| accounting.used);
        if frozen.digest_of(query.dataset()) != Some(&survey.digest) || used != Some(survey.accounting.used) {
            return Err(ExtractError::Moved { path: wanted.select.path().to_owned() });
        }
        let figures = look.evaluate(&query, &survey.accounting).await?;
        match wish.count {
            None => Ok(figures),
            Some(count) => look.count(&query, &survey.accounting, count, &figures).await,
        }
    })
    .await
}

/// The SELECT as the server has read it, if all its columns are of types that can be pushed down to.
async fn prepared(session: &Session, wanted: &Wanted<'_>) -> Result<Statement, ExtractError> {
    let statement = session.prepare(wanted.select, wanted.config).await?;
    for (theirs, kind) in wanted_columns(wanted.config) {
        let found = statement.columns().iter().find(|column| column.name() == theirs);
        let Some(found) = found.map(tokio_postgres::Column::type_) else { continue };
        let (good, cast) = match kind {
            ColumnType::Text => (is_text(found), "text"),
            ColumnType::Number => {
                ([Type::INT2, Type::INT4, Type::INT8, Type::NUMERIC].contains(found), "numeric")
            }
            ColumnType::Date => (*found == Type::DATE, "date"),
        };
        if !good {
            let what = format!("column `{theirs}` is {found}, of which a large extract is not made");
            let todo = format!("cast it in the SELECT, such as `x::{cast} AS \"{theirs}\"`");
            return Err(Fault::new(wanted.select.path(), what, todo).into());
        }
    }
    let asked = session.client.simple_query("SHOW server_encoding").await;
    let asked = asked.map_err(|error| said::of_running(&error, wanted.select, wanted.database.timeout))?;
    let is_utf8 = |message: &SimpleQueryMessage| matches!(message, SimpleQueryMessage::Row(row) if row.get(0) == Some("UTF8"));
    if !asked.iter().any(is_utf8) {
        let what = "the database's encoding is not UTF8, so that texts cannot be judged there";
        let todo = "leave `large` out, or move the rows to a database in UTF8";
        return Err(Fault::new(wanted.select.path(), what, todo).into());
    }
    Ok(statement)
}

/// What is asked in one session.
struct Look<'a> {
    session: &'a Session,
    wanted: &'a Wanted<'a>,
    normal: Normal<'a>,
}

impl Look<'_> {
    /// Has the server go over all rows once: counts, digest, and how many rows no reading would take.
    async fn survey(&self) -> Result<(Survey, Unusable), ExtractError> {
        let (config, dataset) = (self.wanted.config, self.wanted.config.dataset);
        let rules = rules::all(config, &self.normal);
        let day = dataset.day().filter(|day| self.normal.theirs(*day).is_some());
        let units = if dataset.quantity().is_some() { &Unit::ALL[..] } else { &[] };
        let mut items = vec!["COUNT(*)".to_owned(), "COUNT(*) FILTER (WHERE t.\"objected\")".to_owned()];
        items.extend((0..PIECES).map(piece));
        items.extend(["MIN", "MAX"].map(|end| match day {
            Some(day) => format!("{end}(t.{}) FILTER (WHERE NOT t.\"objected\")", ours(day)),
            None => "NULL".to_owned(),
        }));
        items.extend(rules.iter().map(|rule| format!("COUNT(*) FILTER (WHERE {})", rule.holds)));
        items.extend(units.iter().map(|unit| {
            let is = format!("t.\"unit\" = {}", literal(unit.name()));
            format!("COUNT(*) FILTER (WHERE NOT t.\"objected\" AND {is})")
        }));
        let items: Vec<String> = items.iter().map(|item| format!("({item})::text")).collect();
        let text = format!("SELECT {} FROM (\n{}\n) AS t", items.join(", "), self.hashed());
        let mut answer: Vec<Option<String>> = Vec::new();
        self.ask(&text, &[], &mut |row| {
            answer = row.iter().map(|cell| cell.map(str::to_owned)).collect();
            Ok(())
        })
        .await?;
        let answer = Answer { cells: answer.into_iter(), wanted: self.wanted };
        answer.read(&rules, units)
    }

    /// Every row with the hash of what it becomes; made once, for the planner would make it per use.
    fn hashed(&self) -> String {
        let columns: Vec<String> = self
            .wanted
            .config
            .dataset
            .columns()
            .iter()
            .map(|column| format!("t.{}", ours(*column)))
            .collect();
        format!(
            "SELECT t.*, CASE WHEN NOT t.\"objected\" THEN sha256(convert_to(ROW({})::text, 'UTF8')) END \
             AS \"hash\" FROM (\n{}\n) AS t OFFSET 0",
            columns.join(", "),
            self.normal.all()
        )
    }

    /// Judges every different code, and looks for rows of totals, as a reading does.
    async fn judge_texts(&self, unusable: &mut Unusable) -> Result<(), ExtractError> {
        let config = self.wanted.config;
        let total = "a total row: the SELECT gives rows without totals, or it counts twice";
        if let Some(theirs) = self.normal.first() {
            let may_be = rules::may_be_total("t.\"raw_first\"");
            let start = format!("left(t.\"raw_first\", {START})");
            self.each_text(&start, &may_be, &mut |text, rows| {
                if is_total(text) {
                    *unusable.entry((theirs.to_owned(), total.to_owned())).or_default() += rows;
                }
            })
            .await?;
        }
        let Some(theirs) = self.normal.theirs(Column::Code) else { return Ok(()) };
        let mut bad = |reason: &str, rows: u64| {
            *unusable.entry((theirs.to_owned(), reason.to_owned())).or_default() += rows;
        };
        self.each_text("t.\"code\"", "TRUE", &mut |code, rows| {
            if is_total(code) && self.normal.first() != Some(theirs) {
                bad(total, rows);
            }
            if let Err(why) = config.code_kind.accept(code) {
                bad(&why.reason, rows);
            }
        })
        .await
    }

    /// Every different text of rows that count and meet a condition, with how many they are.
    async fn each_text(
        &self,
        text: &str,
        meets: &str,
        each: &mut dyn FnMut(&str, u64),
    ) -> Result<(), ExtractError> {
        let all = self.normal.all();
        let most = MOST_CODES + 1;
        let asked = format!(
            "SELECT {text}, COUNT(*)::text FROM (\n{all}\n) AS t WHERE NOT t.\"objected\" AND {text} IS NOT NULL AND {meets} \
             GROUP BY 1 LIMIT {most}"
        );
        let mut found = 0;
        self.ask(&asked, &[], &mut |row| {
            found += 1;
            if found > MOST_CODES {
                let what =
                    format!("more than {MOST_CODES} different codes, or texts that begin as totals do");
                let todo = "see whether this is the right column, or leave `large` out";
                return Err(Fault::new(self.wanted.select.path(), what, todo).into());
            }
            if let [Some(text), Some(rows)] = row {
                each(text, rows.parse().unwrap_or(u64::MAX));
            }
            Ok(())
        })
        .await
    }

    /// Foreign units first, then the figures, as over a snapshot.
    async fn evaluate(&self, query: &Query, accounting: &Accounting) -> Result<Vec<i64>, ExtractError> {
        let pushed = Pushed::new(query, accounting, self.normal.rows());
        let mut figures = pushed.nothing();
        for measure in query.measures() {
            if let Some((asked, mut foreign)) = pushed.foreign(measure)? {
                self.ask(&asked.text, &asked.values, &mut |row| foreign.take(row)).await?;
            }
        }
        for measures in pushed.over_the_same_rows() {
            let (Asked { text, values }, mut groups) = pushed.groups(&measures, &mut figures)?;
            self.ask(&text, &values, &mut |row| groups.take(row, &mut figures)).await?;
            groups.end(&mut figures)?;
        }
        Ok(figures)
    }

    /// What is said of the rows behind these figures.
    async fn count(
        &self,
        query: &Query,
        accounting: &Accounting,
        (counting, enough, dominance): Counts<'_>,
        figures: &[i64],
    ) -> Result<Vec<i64>, ExtractError> {
        let pushed = Pushed::new(query, accounting, self.normal.rows());
        let (Asked { text, values }, mut boxes) = pushed.boxes(counting, enough)?;
        self.ask(&text, &values, &mut |row| boxes.take(row)).await?;
        boxes.said(figures, dominance)
    }

    /// Gives every row of an answer, as texts, as they come.
    async fn ask(&self, text: &str, values: &[Bound], each: Sink<'_>) -> Result<(), ExtractError> {
        let failed =
            |error: Error| said::of_running(&error, self.wanted.select, self.wanted.database.timeout);
        let statement = self.session.client.prepare(text).await.map_err(failed)?;
        let values = values.iter().map(|value| -> &(dyn ToSql + Sync) {
            match value {
                Bound::Text(text) => text,
                Bound::List(texts) => texts,
                _ => &None::<String>,
            }
        });
        let values: Vec<&(dyn ToSql + Sync)> = values.collect();
        let mut rows = pin!(self.session.client.query_raw(&statement, values).await.map_err(failed)?);
        while let Some(row) = rows.try_next().await.map_err(failed)? {
            let cells: Result<Vec<Option<&str>>, Error> =
                (0..row.len()).map(|place| row.try_get(place)).collect();
            each(&cells.map_err(failed)?)?;
        }
        Ok(())
    }
}

/// The sum of a piece of seven bytes of every row's hash: whatever their order, and each as often as it is there.
fn piece(number: usize) -> String {
    let byte = |at: usize| format!("(get_byte(t.\"hash\", {})::bigint << {})", number * 7 + at, at * 8);
    let bytes: Vec<String> = (0..7).map(byte).collect();
    format!("COALESCE(SUM({}), 0)", bytes.join(" | "))
}

/// The one row of a survey.
struct Answer<'a> {
    cells: std::vec::IntoIter<Option<String>>,
    wanted: &'a Wanted<'a>,
}

impl Answer<'_> {
    fn read(mut self, rules: &[rules::Rule], units: &[Unit]) -> Result<(Survey, Unusable), ExtractError> {
        let (dataset, path) = (self.wanted.config.dataset, self.wanted.select.path());
        let (total, objected) = (self.count()?, self.count()?);
        if total > self.wanted.database.max_rows {
            return Err(too_many(self.wanted).into());
        }
        let pieces: Vec<String> = self.cells.by_ref().take(PIECES).flatten().collect();
        let digest = pieces.join("-");
        let ends = [self.cells.next(), self.cells.next()].map(|end| Date::parse(&end.flatten()?));
        let mut unusable = Unusable::new();
        for rule in rules {
            let rows = self.count()?;
            if rows > 0 {
                *unusable.entry((rule.column.clone(), rule.reason.clone())).or_default() += rows;
            }
        }
        let mut accounting = Accounting::new(dataset, path.display().to_string());
        (accounting.used, accounting.objected) = (total.saturating_sub(objected), objected);
        accounting.newest = ends[1];
        if dataset == Dataset::Stock {
            accounting.dates =
                ends.into_iter().flatten().map(|date| DateSeen { date, first_row: 0 }).collect();
            accounting.dates.dedup();
        }
        for unit in units {
            let rows = self.count()?;
            if rows > 0 {
                accounting.units.push(UnitSeen { unit: *unit, rows, first_row: 0 });
            }
        }
        Ok((Survey { digest, accounting }, unusable))
    }

    fn count(&mut self) -> Result<u64, ExtractError> {
        let count = self.cells.next().flatten().and_then(|count| count.parse().ok());
        count.ok_or_else(|| {
            let what = "the server answered with no count where one was asked for";
            let todo = "report this with `samensom-node --version` and the server's version";
            Fault::new(self.wanted.select.path(), what, todo).into()
        })
    }
}

/// No row is left out in silence: they are seen by nobody, so that none may be bad.
fn refuse(wanted: &Wanted<'_>, unusable: &Unusable) -> Result<(), ExtractError> {
    if unusable.is_empty() {
        return Ok(());
    }
    let told = unusable.iter().take(MOST_REASONS).map(|((column, reason), rows)| {
        format!("column `{column}`: {reason} ({rows} {})", if *rows == 1 { "row" } else { "rows" })
    });
    let more = unusable.len().saturating_sub(MOST_REASONS);
    let more = if more > 0 { format!(", and {more} other reasons") } else { String::new() };
    Err(ExtractError::Unfit {
        file: wanted.select.path().to_owned(),
        row: None,
        reason: format!(
            "rows that cannot be used, and of a large extract none is left out: {}{more}",
            told.collect::<Vec<_>>().join(", ")
        ),
        remedy: "correct these rows in the database, or let the SELECT leave them out or mend them"
            .to_owned(),
    })
}
