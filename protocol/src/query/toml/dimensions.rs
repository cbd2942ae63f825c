//! `[[dimension]]` -> an axis of the cells.

use super::keys::{Item, Keys, Lines};
use super::{Codes, parameters};
use crate::codec::{List, Text};
use crate::query::codes;
use crate::query::dataset::{Column, ColumnType, Dataset};
use crate::query::dimension::{Classes, Dimension, MAX_BINS, MAX_CODES};
use crate::query::error::{Code, QueryError};
use crate::query::expr::MAX_TEXT;

pub(super) fn read(
    table: &Keys<'_>,
    dataset: Dataset,
    codes: Codes<'_>,
    lines: &mut Lines,
) -> Result<Dimension, QueryError> {
    table.only(&["column", "codes", "bins", "other", "missing", "group"], &[], lines)?;
    let (group, column) = (table.get("group", lines), table.get("column", lines));
    let (column, of_hospitals) = match (group, column) {
        (Some(item), None) => (item.read(|item| property(item.text()?))?, true),
        (Some(_), Some(_)) => {
            let problem = "`column` of the rows and `group` of the hospitals in one dimension";
            let error = QueryError::new(Code::Conflict, problem, "exactly one; two dimensions for both");
            return Err(error.at(&table.place).on(Some(table.line)));
        }
        _ => (table.need("column", lines)?.read(|item| dataset.column(item.text()?))?, false),
    };
    let classes = match (table.get("codes", lines), table.get("bins", lines)) {
        (Some(item), None) => Classes::Codes(listed(&item, codes)?),
        (None, Some(item)) if column.column_type() == ColumnType::Date => {
            Classes::Days(ends(&item, &parameters::day)?)
        }
        (None, Some(item)) => Classes::Numbers(ends(&item, &parameters::number)?),
        // Which there are, the roster says when the warrant is made.
        (None, None) if of_hospitals => Classes::Codes(List::default()),
        _ => {
            let error = QueryError::new(Code::Conflict, "`codes` and `bins` both or neither", "exactly one");
            return Err(error.at(&table.place).on(Some(table.line)));
        }
    };
    let mut flag = |key: &str| table.get(key, lines).map(|item| item.flag()).transpose();
    let (other, missing) = (flag("other")?.unwrap_or(false), flag("missing")?.unwrap_or(false));
    Ok(Dimension { column, classes, other, missing })
}

/// A property of hospitals by its name.
fn property(name: &str) -> Result<Column, QueryError> {
    let all = Column::OF_HOSPITALS;
    let unknown = || QueryError::unknown("property of hospitals", name, all.map(Column::name));
    all.into_iter().find(|column| column.name() == name).ok_or_else(unknown)
}

fn listed(item: &Item<'_>, codes: Codes<'_>) -> Result<List<Text<MAX_TEXT>, MAX_CODES>, QueryError> {
    let read: Vec<String> = if item.is_text() {
        item.read(|item| {
            let path = item.text()?;
            let text = codes(path).map_err(|reason| {
                QueryError::new(
                    Code::Missing,
                    format!("the code list `{path}` cannot be read: {reason}"),
                    "a CSV file, by its path relative to the query's file",
                )
            })?;
            codes::read(&text)
        })?
    } else {
        let items = item.list()?;
        items.iter().map(|item| item.read(|item| Ok(item.text()?.to_owned()))).collect::<Result<_, _>>()?
    };
    item.read(|_| {
        let count = read.len();
        let short = read.iter().map(|code| {
            Text::<MAX_TEXT>::new(code.as_str()).map_err(|_| {
                QueryError::new(
                    Code::Limit,
                    format!("code `{code}` is too long"),
                    format!("at most {MAX_TEXT} bytes"),
                )
            })
        });
        let short = short.collect::<Result<Vec<_>, _>>()?;
        List::new(short).map_err(|_| {
            QueryError::new(Code::Limit, format!("{count} codes"), format!("at most {MAX_CODES}"))
        })
    })
}

/// Where classes end.
pub(super) fn ends<T>(
    item: &Item<'_>,
    read: &dyn Fn(&Item<'_>) -> Result<T, QueryError>,
) -> Result<List<T, MAX_BINS>, QueryError> {
    let ends: Result<Vec<T>, QueryError> = item.list()?.iter().map(|item| item.read(read)).collect();
    let ends = ends?;
    let count = ends.len();
    item.read(|_| {
        List::new(ends)
            .map_err(|_| QueryError::new(Code::Limit, format!("{count} ends"), format!("at most {MAX_BINS}")))
    })
}
