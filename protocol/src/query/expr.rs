//! Expressions: a closed tree in postfix order, checked once, then trusted.
//!
//! Owns the terms and the type check. It must not know text (`parse.rs`) nor values (`logic.rs`).

use super::dataset::{Column, ColumnType, Dataset};
use super::decimal::{Date, Decimal, FINEST};
use super::error::{Code, QueryError};
use crate::codec::{List, Text};
use serde::{Deserialize, Serialize};

/// Longest code or text literal in bytes.
pub const MAX_TEXT: usize = 64;
/// Most terms of one expression.
pub const MAX_TERMS: usize = 2048;
/// Deepest nesting of one expression; a chain of `and` counts one level per link.
pub const MAX_DEPTH: u32 = 200;
/// Largest number that may stand in an expression, in whole units.
const MAX_NUMBER: i128 = 1_000_000_000_000;

/// A comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Compare {
    /// `=`
    Equal,
    /// `<>`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

/// A figure over all rows of one cell at one hospital.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Aggregate {
    /// `count(*)`: the number of rows.
    Count,
    /// `sum(column)`; absent over no rows.
    Sum(Column),
    /// `min(column)`; absent over no rows.
    Min(Column),
    /// `max(column)`; absent over no rows.
    Max(Column),
}

/// One step of an expression in postfix order.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Term {
    /// The row's value.
    Column(Column),
    /// The cell's value.
    Aggregate(Aggregate),
    /// A text.
    Text(Text<MAX_TEXT>),
    /// An exact number.
    Number(Decimal),
    /// A day.
    Date(Date),
    /// Takes right, then left.
    Compare(Compare),
    /// Takes high, low, then the value; both ends are included.
    Between,
    /// Takes this many literals, then the value.
    In(u16),
    /// Takes one condition.
    Not,
    /// Takes two conditions.
    And,
    /// Takes two conditions.
    Or,
}

/// A checked condition. Without terms it is always true.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Expr {
    terms: List<Term, MAX_TERMS>,
}

/// What an expression may speak of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The columns of one row.
    Rows(Dataset),
    /// Aggregates over the rows of one cell.
    Cell(Dataset),
}

#[derive(Clone, Copy)]
enum Shape {
    Condition { depth: u32 },
    Value { holds: ColumnType, literal: bool },
}

impl Expr {
    /// The expression of these terms, checked.
    ///
    /// # Errors
    /// Too many terms, or terms that do not make one well-typed condition over `scope`.
    pub fn new(terms: Vec<Term>, scope: Scope) -> Result<Expr, QueryError> {
        let count = terms.len();
        let terms = List::new(terms).map_err(|_| too_long(count))?;
        let expr = Expr { terms };
        expr.check(scope)?;
        Ok(expr)
    }

    /// The condition that every row meets.
    #[must_use]
    pub fn always() -> Expr {
        Expr::default()
    }

    /// Whether this is the condition that every row meets.
    #[must_use]
    pub fn is_always(&self) -> bool {
        self.terms.is_empty()
    }

    /// The terms in postfix order.
    #[must_use]
    pub fn terms(&self) -> &[Term] {
        &self.terms
    }

    /// Whether a figure of the quantity column decides this condition.
    #[must_use]
    pub fn uses_quantity(&self) -> bool {
        let of_quantity = |column: &Column| *column == Column::Quantity;
        self.terms.iter().any(|term| match term {
            Term::Column(column) => of_quantity(column),
            Term::Aggregate(Aggregate::Sum(column) | Aggregate::Min(column) | Aggregate::Max(column)) => {
                of_quantity(column)
            }
            _ => false,
        })
    }

    /// Checks shape, types, closed values and depth.
    ///
    /// # Errors
    /// What is wrong; the expression came from elsewhere and must not be used.
    pub fn check(&self, scope: Scope) -> Result<(), QueryError> {
        let mut stack: Vec<(Shape, usize)> = Vec::new();
        for (index, term) in self.terms.iter().enumerate() {
            let shape = self.shape_of(term, index, scope, &mut stack)?;
            stack.push((shape, index));
        }
        match stack.as_slice() {
            [] | [(Shape::Condition { .. }, _)] => Ok(()),
            _ => Err(not_a_condition()),
        }
    }

    fn shape_of(
        &self,
        term: &Term,
        index: usize,
        scope: Scope,
        stack: &mut Vec<(Shape, usize)>,
    ) -> Result<Shape, QueryError> {
        let literal = |holds| Ok(Shape::Value { holds, literal: true });
        match term {
            Term::Column(column) => column_shape(*column, scope),
            Term::Aggregate(aggregate) => aggregate_shape(*aggregate, scope),
            Term::Text(_) => literal(ColumnType::Text),
            Term::Date(_) => literal(ColumnType::Date),
            Term::Number(number) => number_limits(*number).and_then(|()| literal(ColumnType::Number)),
            Term::Compare(compare) => {
                let ordered = !matches!(compare, Compare::Equal | Compare::NotEqual);
                self.take_values(stack, 2, ordered)
            }
            Term::Between => {
                let shape = self.take_values(stack, 3, true)?;
                self.check_ends(index)?;
                Ok(shape)
            }
            Term::In(0) => Err(QueryError::new(Code::Limit, "an empty list after `in`", "one value or more")),
            Term::In(count) => self.take_values(stack, usize::from(*count).saturating_add(1), false),
            Term::Not => Ok(Shape::Condition { depth: deeper(take_condition(stack)?)? }),
            Term::And | Term::Or => {
                let right = take_condition(stack)?;
                let left = take_condition(stack)?;
                Ok(Shape::Condition { depth: deeper(left.max(right))? })
            }
        }
    }

    /// Takes `count` values of one type off the stack, the first of which is not a literal.
    fn take_values(
        &self,
        stack: &mut Vec<(Shape, usize)>,
        count: usize,
        ordered: bool,
    ) -> Result<Shape, QueryError> {
        let from = stack.len().checked_sub(count).ok_or_else(not_a_condition)?;
        let mut taken = Vec::new();
        for (shape, index) in stack.drain(from..) {
            let Shape::Value { holds, literal } = shape else { return Err(not_a_condition()) };
            taken.push((holds, literal, self.terms.get(index)));
        }
        let Some((first, _, _)) = taken.first().copied() else { return Err(not_a_condition()) };
        if let Some((other, _, _)) = taken.iter().find(|(holds, _, _)| *holds != first) {
            let problem = format!("{} is compared with {}", first.name(), other.name());
            return Err(QueryError::new(Code::Type, problem, "both sides of one type")
                .advice("write a number bare, a text or a date in single quotes"));
        }
        if taken.iter().all(|(_, literal, _)| *literal) {
            return Err(QueryError::new(
                Code::Type,
                "two literals are compared",
                "a column on at least one side",
            ));
        }
        if ordered && first == ColumnType::Text {
            return Err(QueryError::new(Code::Type, "texts have no order here", "=, <> or in (...)"));
        }
        accept_texts(&taken)?;
        Ok(Shape::Condition { depth: 1 })
    }

    /// Refuses `between` with literal ends the wrong way round: it could never be true.
    fn check_ends(&self, index: usize) -> Result<(), QueryError> {
        let end = |back: usize| self.terms.get(index.checked_sub(back)?);
        let reversed = match (end(2), end(1)) {
            (Some(Term::Number(low)), Some(Term::Number(high))) => low > high,
            (Some(Term::Date(low)), Some(Term::Date(high))) => low > high,
            _ => false,
        };
        if reversed {
            return Err(QueryError::new(
                Code::Conflict,
                "`between` has its higher end first",
                "between LOW and HIGH",
            ));
        }
        Ok(())
    }
}

impl Compare {
    /// The text form, which is also SQL's.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Compare::Equal => "=",
            Compare::NotEqual => "<>",
            Compare::Less => "<",
            Compare::LessOrEqual => "<=",
            Compare::Greater => ">",
            Compare::GreaterOrEqual => ">=",
        }
    }
}

fn column_shape(column: Column, scope: Scope) -> Result<Shape, QueryError> {
    match scope {
        Scope::Rows(dataset) => {
            dataset.column(column.name())?;
            Ok(Shape::Value { holds: column.column_type(), literal: false })
        }
        Scope::Cell(_) => Err(QueryError::new(
            Code::Type,
            format!("column `{}` stands alone where a whole cell is judged", column.name()),
            "sum(..), min(..), max(..) or count(*)",
        )),
    }
}

fn aggregate_shape(aggregate: Aggregate, scope: Scope) -> Result<Shape, QueryError> {
    let Scope::Cell(dataset) = scope else {
        return Err(QueryError::new(
            Code::Type,
            "an aggregate where one row is judged",
            "columns and literals; aggregates stand in `hospitals = ...` alone",
        ));
    };
    let (column, holds) = match aggregate {
        Aggregate::Count => return Ok(Shape::Value { holds: ColumnType::Number, literal: false }),
        Aggregate::Sum(column) if column.column_type() != ColumnType::Number => {
            return Err(QueryError::new(
                Code::Type,
                format!("sum({}) adds {}", column.name(), column.column_type().name()),
                "sum(quantity)",
            ));
        }
        Aggregate::Sum(column) | Aggregate::Min(column) | Aggregate::Max(column) => {
            (column, column.column_type())
        }
    };
    dataset.column(column.name())?;
    if holds == ColumnType::Text {
        let problem = format!("column `{}` is text and has no smallest or largest", column.name());
        return Err(QueryError::new(Code::Type, problem, "a number or a date column"));
    }
    Ok(Shape::Value { holds, literal: false })
}

fn number_limits(number: Decimal) -> Result<(), QueryError> {
    let fits = number.at_scale(FINEST).is_some_and(|fine| {
        let most = MAX_NUMBER.saturating_mul(1_000_000);
        (most.saturating_neg()..=most).contains(&fine)
    });
    if fits {
        return Ok(());
    }
    Err(QueryError::new(
        Code::Limit,
        format!("the number {number} is too large or too fine"),
        "at most 1000000000000 with at most 6 decimals",
    ))
}

fn accept_texts(taken: &[(ColumnType, bool, Option<&Term>)]) -> Result<(), QueryError> {
    for (_, _, term) in taken {
        let Some(Term::Column(column)) = term else { continue };
        for (_, _, other) in taken {
            if let Some(Term::Text(text)) = other {
                column.accept_text(text)?;
            }
        }
    }
    Ok(())
}

fn take_condition(stack: &mut Vec<(Shape, usize)>) -> Result<u32, QueryError> {
    match stack.pop() {
        Some((Shape::Condition { depth }, _)) => Ok(depth),
        _ => Err(not_a_condition()),
    }
}

fn deeper(depth: u32) -> Result<u32, QueryError> {
    let depth = depth.saturating_add(1);
    if depth > MAX_DEPTH {
        return Err(QueryError::new(
            Code::Limit,
            "the expression is nested too deep",
            format!("at most {MAX_DEPTH} levels"),
        )
        .advice("use `in (...)` for a long list of values"));
    }
    Ok(depth)
}

fn not_a_condition() -> QueryError {
    QueryError::new(
        Code::Type,
        "this is not one condition",
        "a comparison, or comparisons joined by and, or, not",
    )
}

pub(super) fn too_long(count: usize) -> QueryError {
    QueryError::new(
        Code::Limit,
        format!("the expression has {count} parts"),
        format!("at most {MAX_TERMS} parts"),
    )
}
