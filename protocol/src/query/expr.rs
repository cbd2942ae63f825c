//! Expressions: a closed tree in postfix order, checked once, then trusted.
//!
//! Owns the terms and the shape of an expression. What a value counts is in `gauge.rs`; it must not know
//! text (`parse.rs`) nor values (`logic.rs`).

use super::dataset::{Column, ColumnType, Dataset};
use super::decimal::{Date, Decimal, FINEST};
use super::error::{Code, QueryError};
use super::gauge::{Gauge, Holds};
use super::parameter::{Parameter, ParameterType};
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
    /// Takes right, then left: numbers of one gauge.
    Add,
    /// Takes right, then left: numbers of one gauge, or two days, whose difference is in days.
    Subtract,
    /// Takes right, then left.
    Multiply,
    /// Takes right, then left; absent where the right is zero.
    Divide,
    /// Takes one value: whether it is absent.
    IsNull,
    /// Takes one text: whether it begins with this one.
    Like(Text<MAX_TEXT>),
    /// The value of the parameter at this position, which has this type.
    Parameter(u8, ParameterType),
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
    Condition {
        depth: u32,
    },
    /// A constant one is made of literals alone.
    Value {
        holds: Holds,
        constant: bool,
    },
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

    /// The number that these terms compute, checked, and what it counts.
    ///
    /// # Errors
    /// Too many terms, or terms that do not make one number over `scope`.
    pub fn number(terms: Vec<Term>, scope: Scope) -> Result<(Expr, Gauge), QueryError> {
        let count = terms.len();
        let expr = Expr { terms: List::new(terms).map_err(|_| too_long(count))? };
        let gauge = expr.check_number(scope)?;
        Ok((expr, gauge))
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
        self.columns().into_iter().any(|column| Holds::of(column) == Holds::Number(Gauge::QUANTITY))
    }

    /// The columns that it speaks of, each once.
    #[must_use]
    pub fn columns(&self) -> Vec<Column> {
        let mut columns = Vec::new();
        for term in self.terms.iter() {
            let (Term::Column(column)
            | Term::Aggregate(Aggregate::Sum(column) | Aggregate::Min(column) | Aggregate::Max(column))) =
                term
            else {
                continue;
            };
            if !columns.contains(column) {
                columns.push(*column);
            }
        }
        columns
    }

    /// The figures of a cell that it speaks of, each once.
    #[must_use]
    pub fn aggregates(&self) -> Vec<Aggregate> {
        let mut aggregates = Vec::new();
        for term in self.terms.iter() {
            if let Term::Aggregate(aggregate) = term
                && !aggregates.contains(aggregate)
            {
                aggregates.push(*aggregate);
            }
        }
        aggregates
    }

    /// Whether it computes, beyond comparing what is there.
    #[must_use]
    pub fn has_arithmetic(&self) -> bool {
        let computes =
            |term: &Term| matches!(term, Term::Add | Term::Subtract | Term::Multiply | Term::Divide);
        self.terms.iter().any(computes)
    }

    /// With the values of parameters in their place; `None` when one has no value.
    pub(super) fn resolved(&self, parameters: &[Parameter]) -> Option<Expr> {
        let resolved = |term: &Term| match term {
            Term::Parameter(place, _) => {
                parameters.get(usize::from(*place))?.value.as_ref().map(|value| value.term())
            }
            term => Some(term.clone()),
        };
        let terms: Option<Vec<Term>> = self.terms.iter().map(resolved).collect();
        Some(Expr { terms: List::new(terms?).ok()? })
    }

    /// Checks shape, types, gauges, closed values and depth of a condition.
    ///
    /// # Errors
    /// What is wrong; the expression came from elsewhere and must not be used.
    pub fn check(&self, scope: Scope) -> Result<(), QueryError> {
        match self.shape(scope)? {
            None | Some(Shape::Condition { .. }) => Ok(()),
            Some(Shape::Value { .. }) => Err(not_a_condition()),
        }
    }

    /// As [`Expr::check`], of an expression that computes a number; what that counts.
    ///
    /// # Errors
    /// What is wrong; the expression came from elsewhere and must not be used.
    pub fn check_number(&self, scope: Scope) -> Result<Gauge, QueryError> {
        match self.shape(scope)? {
            Some(Shape::Value { holds: Holds::Number(gauge), constant: false }) => Ok(gauge),
            _ => Err(QueryError::new(
                Code::Type,
                "this is not one number",
                "a number column, or arithmetic with one",
            )),
        }
    }

    fn shape(&self, scope: Scope) -> Result<Option<Shape>, QueryError> {
        let mut stack: Vec<(Shape, usize)> = Vec::new();
        for (index, term) in self.terms.iter().enumerate() {
            let shape = self.shape_of(term, index, scope, &mut stack)?;
            stack.push((shape, index));
        }
        match stack.as_slice() {
            [] => Ok(None),
            [(shape, _)] => Ok(Some(*shape)),
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
        let literal = |holds| Ok(Shape::Value { holds, constant: true });
        match term {
            Term::Column(column) => column_shape(*column, scope),
            Term::Aggregate(aggregate) => aggregate_shape(*aggregate, scope),
            Term::Text(_) => literal(Holds::Text),
            Term::Date(_) => literal(Holds::Date),
            Term::Number(number) => number_limits(*number).and_then(|()| literal(Holds::Literal)),
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
            Term::Add | Term::Subtract | Term::Multiply | Term::Divide => self.arithmetic(term, stack),
            Term::IsNull | Term::Like(_) => self.one_value(term, stack),
            Term::Parameter(_, kind) => literal(Holds::of_parameter(*kind)),
        }
    }

    fn arithmetic(&self, term: &Term, stack: &mut Vec<(Shape, usize)>) -> Result<Shape, QueryError> {
        let (right, right_constant, at) = take_value(stack)?;
        let (left, left_constant, _) = take_value(stack)?;
        let zero =
            |at| matches!(self.terms.get(at), Some(Term::Number(number)) if number.at_scale(0) == Some(0));
        if *term == Term::Divide && zero(at) {
            return Err(QueryError::new(Code::Conflict, "a division by 0", "another number below the line"));
        }
        let holds = match term {
            Term::Subtract if (left, right) == (Holds::Date, Holds::Date) => Holds::Number(Gauge::DAYS),
            Term::Add | Term::Subtract => left.plus(right)?,
            Term::Multiply => left.times(right, 1)?,
            _ => left.times(right, -1)?,
        };
        Ok(Shape::Value { holds, constant: left_constant && right_constant })
    }

    fn one_value(&self, term: &Term, stack: &mut Vec<(Shape, usize)>) -> Result<Shape, QueryError> {
        let (holds, constant, at) = take_value(stack)?;
        if constant {
            return Err(QueryError::new(Code::Type, "a literal is judged", "a column before it"));
        }
        if let Term::Like(text) = term {
            if holds != Holds::Text {
                let problem = format!("{} before `like`", holds.name());
                return Err(QueryError::new(Code::Type, problem, "a text column"));
            }
            // The first letters of a patient's number ask for that patient as the whole of it does.
            if let Some(Term::Column(column)) = self.terms.get(at)
                && column.names_a_patient()
            {
                column.accept_text(text)?;
            }
            if text.is_empty() {
                return Err(QueryError::new(
                    Code::Limit,
                    "`like` without letters",
                    "the first letters, then %",
                ));
            }
        }
        Ok(Shape::Condition { depth: 1 })
    }

    /// Takes `count` values of one type off the stack, not all of them constant.
    fn take_values(
        &self,
        stack: &mut Vec<(Shape, usize)>,
        count: usize,
        ordered: bool,
    ) -> Result<Shape, QueryError> {
        let from = stack.len().checked_sub(count).ok_or_else(not_a_condition)?;
        let mut taken = Vec::new();
        for (shape, index) in stack.drain(from..) {
            let Shape::Value { holds, constant } = shape else { return Err(not_a_condition()) };
            taken.push((holds, constant, self.terms.get(index)));
        }
        let Some((first, _, _)) = taken.first().copied() else { return Err(not_a_condition()) };
        if taken.iter().all(|(_, constant, _)| *constant) {
            return Err(QueryError::new(
                Code::Type,
                "two literals are compared",
                "a column on at least one side",
            ));
        }
        taken.iter().try_fold(first, |so_far, (holds, _, _)| so_far.beside(*holds))?;
        if ordered && first == Holds::Text {
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
            Ok(Shape::Value { holds: Holds::of(column), constant: false })
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
    let column = match aggregate {
        Aggregate::Count => {
            return Ok(Shape::Value { holds: Holds::Number(Gauge::PLAIN), constant: false });
        }
        Aggregate::Sum(column) if column.column_type() != ColumnType::Number => {
            return Err(QueryError::new(
                Code::Type,
                format!("sum({}) adds {}", column.name(), column.column_type().name()),
                "sum(quantity)",
            ));
        }
        Aggregate::Sum(column) | Aggregate::Min(column) | Aggregate::Max(column) => column,
    };
    dataset.column(column.name())?;
    if column.column_type() == ColumnType::Text {
        let problem = format!("column `{}` is text and has no smallest or largest", column.name());
        return Err(QueryError::new(Code::Type, problem, "a number or a date column"));
    }
    Ok(Shape::Value { holds: Holds::of(column), constant: false })
}

/// The topmost value, whether it is constant, and where it ends.
fn take_value(stack: &mut Vec<(Shape, usize)>) -> Result<(Holds, bool, usize), QueryError> {
    match stack.pop() {
        Some((Shape::Value { holds, constant }, index)) => Ok((holds, constant, index)),
        _ => Err(not_a_condition()),
    }
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

fn accept_texts(taken: &[(Holds, bool, Option<&Term>)]) -> Result<(), QueryError> {
    for (_, _, term) in taken {
        let Some(Term::Column(column)) = term else { continue };
        for (_, _, other) in taken {
            match other {
                Some(Term::Text(text)) => column.accept_text(text)?,
                // Its value is looked at when it is bound, but of a patient there is no good one.
                Some(Term::Parameter(..)) if column.names_a_patient() => column.accept_text("")?,
                _ => {}
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
