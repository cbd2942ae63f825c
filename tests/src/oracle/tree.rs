//! Random expressions as trees, so that they can be cut down.
//!
//! Owns which expressions are made: well typed ones, by what their numbers count. Small pools make values
//! meet each other.

use super::dice::Dice;
use super::rows::{DAYS, words};
use samensom_protocol::query::{Column, ColumnType, Counts, Dataset};
use std::fmt;

/// What an expression is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Yes, no or unknown.
    Condition,
    /// A number that counts this.
    Number(Counts),
}

/// An expression: texts with expressions between them.
#[derive(Debug, Clone)]
pub struct Tree {
    kind: Kind,
    texts: Vec<String>,
    kids: Vec<Tree>,
}

impl fmt::Display for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, text) in self.texts.iter().enumerate() {
            f.write_str(text)?;
            if let Some(kid) = self.kids.get(place) {
                if kid.kids.is_empty() { write!(f, "{kid}")? } else { write!(f, "({kid})")? }
            }
        }
        Ok(())
    }
}

impl Tree {
    fn leaf(kind: Kind, text: impl Into<String>) -> Tree {
        Tree { kind, texts: vec![text.into()], kids: Vec::new() }
    }

    /// Two expressions joined.
    fn join(kind: Kind, left: Tree, with: &str, right: Tree) -> Tree {
        Tree { kind, texts: vec![String::new(), format!(" {with} "), String::new()], kids: vec![left, right] }
    }

    /// This tree with less in it: each time one node is replaced by one below it of the same kind.
    #[must_use]
    pub fn smaller(&self) -> Vec<Tree> {
        let mut all: Vec<Tree> = self.below().into_iter().filter(|tree| tree.kind == self.kind).collect();
        for (place, kid) in self.kids.iter().enumerate() {
            for less in kid.smaller() {
                let mut tree = self.clone();
                tree.kids[place] = less;
                all.push(tree);
            }
        }
        all
    }

    fn below(&self) -> Vec<Tree> {
        self.kids.iter().flat_map(|kid| [vec![kid.clone()], kid.below()].concat()).collect()
    }
}

/// Makes expressions over a data set.
pub struct Maker<'a> {
    /// Choices.
    pub dice: &'a mut Dice,
    /// The data set.
    pub dataset: Dataset,
    /// Over a cell, not a row.
    pub cell: bool,
    /// Names of parameters for a day, a number and a text.
    pub parameters: bool,
}

const NUMBERS: [&str; 10] = ["0", "1", "2", "0.5", "1.5", "10", "3", "0.05", "-1", "0.000001"];

impl Maker<'_> {
    fn columns(&self, kind: ColumnType) -> Vec<Column> {
        let named = |column: &&Column| column.column_type() == kind && !column.names_a_patient();
        self.dataset
            .columns()
            .iter()
            .filter(named)
            .copied()
            .filter(|column| *column != Column::Unit)
            .collect()
    }

    fn literal(&mut self) -> String {
        if self.parameters && self.dice.chance(25) {
            return "p_size".into();
        }
        (*self.dice.pick(&NUMBERS)).to_owned()
    }

    fn day(&mut self) -> String {
        if self.parameters && self.dice.chance(25) {
            "p_day".into()
        } else {
            format!("'{}'", self.dice.pick(&DAYS))
        }
    }

    fn word(&mut self, column: Column) -> String {
        if column == Column::Code && self.parameters && self.dice.chance(25) {
            return "p_word".into();
        }
        format!("'{}'", self.dice.pick(words(column)))
    }

    /// A date of the row or the cell.
    fn date(&mut self) -> Option<String> {
        let columns = self.columns(ColumnType::Date);
        let column = columns.get(self.dice.below(columns.len()))?.name();
        let how = *self.dice.pick(&["min", "max"]);
        Some(if self.cell { format!("{how}({column})") } else { column.to_owned() })
    }

    /// A number that counts this; none where the data set has none.
    pub fn number(&mut self, counts: Counts, depth: usize) -> Option<Tree> {
        let kind = Kind::Number(counts);
        if depth == 0 || self.dice.chance(40) {
            return self.plain_number(counts, depth);
        }
        let left = self.number(counts, depth - 1)?;
        Some(match self.dice.below(6) {
            0 => Tree::join(kind, left, "+", self.number(counts, depth - 1)?),
            1 => Tree::join(kind, left, "-", self.number(counts, depth - 1)?),
            2 => {
                let by = self.literal();
                Tree::join(kind, left, "*", Tree::leaf(Kind::Number(Counts::Plain), by))
            }
            3 => {
                let by = self.literal().replace("0.000001", "3");
                let by = if by == "0" { "7".to_owned() } else { by };
                Tree::join(kind, left, "/", Tree::leaf(Kind::Number(Counts::Plain), by))
            }
            4 => Tree::join(kind, left, "*", self.number(Counts::Plain, depth - 1)?),
            _ => Tree::join(kind, left, "/", self.number(Counts::Plain, depth - 1)?),
        })
    }

    fn plain_number(&mut self, counts: Counts, depth: usize) -> Option<Tree> {
        let kind = Kind::Number(counts);
        let mut columns = self.columns(ColumnType::Number);
        // Years are plain numbers too.
        let same = |own: Option<Counts>| match (own, counts) {
            (Some(Counts::Years | Counts::Plain), Counts::Plain | Counts::Years) => true,
            (own, counts) => own == Some(counts),
        };
        columns.retain(|column| same(column.counts()));
        if let Some(column) = columns.get(self.dice.below(columns.len())).filter(|_| self.dice.chance(75)) {
            let how = *self.dice.pick(&["sum", "min", "max"]);
            let name = column.name();
            return Some(Tree::leaf(
                kind,
                if self.cell { format!("{how}({name})") } else { name.to_owned() },
            ));
        }
        match counts {
            Counts::Days => {
                let (left, right) =
                    (self.date()?, if self.dice.chance(50) { self.day() } else { self.date()? });
                Some(Tree::leaf(kind, format!("({left} - {right})")))
            }
            Counts::Plain | Counts::Years if self.cell && self.dice.chance(60) => {
                Some(Tree::leaf(kind, "count(*)"))
            }
            Counts::Plain | Counts::Years => {
                let of = if self.dice.chance(60) { Counts::Unit } else { Counts::Days };
                let below = depth.saturating_sub(1);
                let (top, bottom) = (self.number(of, below)?, self.number(of, below)?);
                Some(Tree::join(kind, top, "/", bottom))
            }
            Counts::Unit => {
                let column = columns.first()?.name();
                Some(Tree::leaf(kind, if self.cell { format!("sum({column})") } else { column.to_owned() }))
            }
        }
    }

    /// A condition.
    pub fn condition(&mut self, depth: usize) -> Option<Tree> {
        let kind = Kind::Condition;
        if depth > 0 && self.dice.chance(45) {
            let left = self.condition(depth - 1)?;
            return Some(match self.dice.below(3) {
                0 => Tree::join(kind, left, "and", self.condition(depth - 1)?),
                1 => Tree::join(kind, left, "or", self.condition(depth - 1)?),
                _ => Tree { kind, texts: vec!["not ".into(), String::new()], kids: vec![left] },
            });
        }
        let texts = self.columns(ColumnType::Text);
        match self.dice.below(4) {
            0 | 1 if !self.cell => {
                let column = *texts.get(self.dice.below(texts.len()))?;
                Some(Tree::leaf(kind, self.of_text(column)))
            }
            2 => {
                let (one, other, end) = (self.date()?, self.day(), self.day());
                Some(Tree::leaf(kind, self.compared(&one, &other, &end)))
            }
            _ => {
                let counts = *self.dice.pick(&[Counts::Unit, Counts::Unit, Counts::Days, Counts::Plain]);
                let one = self.number(counts, depth)?;
                if self.dice.chance(20) {
                    let other = self.number(counts, depth)?;
                    let with = *self.dice.pick(&["=", "<>", "<", "<=", ">", ">="]);
                    return Some(Tree::join(kind, one, with, other));
                }
                let (other, end) = (self.literal(), self.literal());
                let text = self.compared("", &other, &end);
                Some(Tree { kind, texts: vec![String::new(), text], kids: vec![one] })
            }
        }
    }

    fn compared(&mut self, one: &str, other: &str, end: &str) -> String {
        match self.dice.below(9) {
            0 => format!("{one} is null"),
            1 => format!("{one} is not null"),
            2 => format!("{one} between {other} and {end}"),
            3 => format!("{one} in ({other}, {end})"),
            _ => format!("{one} {} {other}", self.dice.pick(&["=", "<>", "<", "<=", ">", ">="])),
        }
    }

    fn of_text(&mut self, column: Column) -> String {
        let (name, one, other) = (column.name(), self.word(column), self.word(column));
        match self.dice.below(7) {
            0 => format!("{name} is null"),
            1 => format!("{name} is not null"),
            2 => format!("{name} in ({one}, {other})"),
            3 => format!("{name} not in ({one}, {other})"),
            4 => format!("{name} like '{}%'", self.dice.pick(&["a", "A", "r", "x", "ab"])),
            5 => format!("{name} <> {one}"),
            _ => format!("{name} = {one}"),
        }
    }
}
