//! Dimensions over properties of hospitals: which cells are a hospital's, and the rest of its query.
//!
//! Owns how a hospital's figures, computed as if there were no classes, come to stand in the cells of its own class;
//! every other cell is 0. What a hospital's properties are comes in through a closure: it must not know the roster.

use super::dimension::{Classes, Dimension};
use super::error::{Code, QueryError};
use super::{Column, Query, check, malformed};
use crate::codec::{List, Text};

/// The cells of a query that one hospital may fill: for each dimension its number of places, and the only one of them
/// where the dimension is over a property of hospitals. A value that has no place fills no cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Class {
    axes: Vec<(usize, Axis)>,
}

/// Along one dimension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Axis {
    /// Of the rows: all its places.
    Rows,
    /// Of the hospital: this place, or none.
    Hospital(Option<usize>),
}

impl Class {
    /// Its place along each dimension over a property of hospitals, in their order; none where some value has none.
    #[must_use]
    pub fn places(&self) -> Option<Vec<usize>> {
        let of_hospital = self.axes.iter().filter_map(|(_, axis)| match axis {
            Axis::Rows => None,
            Axis::Hospital(place) => Some(*place),
        });
        of_hospital.collect()
    }

    /// The box among those of [`Query::without_classes`] that stands in this box of the query; none in one of others.
    #[must_use]
    pub fn inner(&self, index: usize) -> Option<usize> {
        let (mut rest, mut inner, mut stride) = (index, 0usize, 1usize);
        for (size, axis) in self.axes.iter().rev() {
            let place = rest.checked_rem(*size)?;
            rest = rest.checked_div(*size)?;
            match axis {
                Axis::Hospital(own) if *own != Some(place) => return None,
                Axis::Hospital(_) => {}
                Axis::Rows => {
                    inner = inner.checked_add(place.checked_mul(stride)?)?;
                    stride = stride.checked_mul(*size)?;
                }
            }
        }
        (rest == 0).then_some(inner)
    }

    /// Numbers of the boxes of [`Query::without_classes`], `width` for each box, as numbers of the boxes of the
    /// query: 0 in those of other classes.
    #[must_use]
    pub fn spread(&self, width: usize, numbers: &[i64]) -> Vec<i64> {
        let boxes = self.axes.iter().fold(1usize, |boxes, (size, _)| boxes.saturating_mul(*size));
        let mut all = Vec::new();
        for index in 0..boxes {
            let start = self.inner(index).and_then(|inner| inner.checked_mul(width));
            let own = start.and_then(|start| numbers.get(start..start.checked_add(width)?));
            match own {
                Some(own) => all.extend_from_slice(own),
                None => all.resize(all.len().saturating_add(width), 0),
            }
        }
        all
    }
}

impl Class {
    /// The other way round: of numbers of the boxes of the query, `width` for each box, those that stand in the boxes
    /// of [`Query::without_classes`]; 0 where there is none.
    #[must_use]
    pub fn gather(&self, width: usize, numbers: &[u64]) -> Vec<u64> {
        let mut own = Vec::new();
        for (index, numbers) in numbers.chunks(width.max(1)).enumerate() {
            let Some(start) = self.inner(index).and_then(|inner| inner.checked_mul(width)) else { continue };
            own.resize(own.len().max(start.saturating_add(numbers.len())), 0);
            own.iter_mut().skip(start).zip(numbers).for_each(|(own, number)| *own = *number);
        }
        own
    }
}

impl Query {
    /// Whether some of its cells are of classes of hospitals.
    #[must_use]
    pub fn is_by_class(&self) -> bool {
        self.dimensions.iter().any(Dimension::is_of_hospitals)
    }

    /// Whether classes of hospitals are still to be filled in from the roster.
    #[must_use]
    pub fn awaits_roster(&self) -> bool {
        self.dimensions.iter().any(Dimension::awaits_roster)
    }

    /// The properties of hospitals that its cells are made of, in the order of its dimensions.
    pub fn properties(&self) -> impl Iterator<Item = Column> {
        self.dimensions.iter().filter(|one| one.is_of_hospitals()).map(Dimension::column)
    }

    /// The cells of a hospital with these values of its properties; an absent value is in no class.
    pub fn class_of<'a>(&self, value: impl Fn(Column) -> Option<&'a str>) -> Class {
        let axis = |dimension: &Dimension| {
            if !dimension.is_of_hospitals() {
                return Axis::Rows;
            }
            Axis::Hospital(match value(dimension.column()) {
                Some(value) => {
                    let listed = dimension.codes().iter().position(|code| **code == *value);
                    listed.or_else(|| dimension.place_of_other())
                }
                None => dimension.place_of_missing(),
            })
        };
        Class { axes: self.dimensions.iter().map(|one| (one.size(), axis(one))).collect() }
    }

    /// What one hospital computes: the same over its own rows, without dimensions over properties of hospitals and
    /// without figures that are made of opened sums.
    #[must_use]
    pub fn without_classes(&self) -> Query {
        if !self.is_by_class() {
            return self.clone();
        }
        let rows = self.dimensions.iter().filter(|one| !one.is_of_hospitals()).cloned().collect();
        // As many as before at most.
        let dimensions = List::new(rows).unwrap_or_default();
        Query { dimensions, derives: List::default(), ..self.clone() }
    }

    /// The query with the values that hospitals have, where it leaves open which classes there are; in the order of
    /// their names.
    ///
    /// # Errors
    /// When no hospital has a value, or one cannot be a class.
    pub fn with_classes(mut self, values: &dyn Fn(Column) -> Vec<String>) -> Result<Query, QueryError> {
        let mut dimensions = Vec::new();
        for dimension in self.dimensions.iter() {
            if !dimension.awaits_roster() {
                dimensions.push(dimension.clone());
                continue;
            }
            let name = dimension.column().name();
            let mut values = values(dimension.column());
            values.sort();
            values.dedup();
            if values.is_empty() {
                let problem = format!("no hospital of the roster has a `{name}`");
                return Err(QueryError::new(Code::Missing, problem, "hospitals with one, or a list `codes`"));
            }
            let codes = values.into_iter().map(Text::new).collect::<Result<Vec<_>, _>>();
            let codes = codes.and_then(List::new).map_err(|error| malformed(&error))?;
            dimensions.push(Dimension { classes: Classes::Codes(codes), ..dimension.clone() });
        }
        self.dimensions = List::new(dimensions).map_err(|error| malformed(&error))?;
        check::query(&self)?;
        Ok(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(dimensions: &str) -> Query {
        let text = format!(
            "[query]\nid = \"q\"\nversion = 1\ntitle = {{ nl = \"t\", en = \"t\" }}\npurpose = \"stock\"\n\
             dataset = \"stock\"\n{dimensions}[[measure]]\nname = \"m\"\nsum = \"quantity\"\nunit = \"piece\"\n\
             scale = 0\nrange = [0, 9]\n[[measure]]\nname = \"n\"\nrows = true\n[floors]\nhospitals = 3\n"
        );
        Query::from_toml(&text, &mut |_| Err("no files".into())).unwrap()
    }

    const GROUP: &str =
        "[[dimension]]\ngroup = \"purchasing_group\"\ncodes = [\"n\", \"s\"]\nmissing = true\n";
    const CODE: &str = "[[dimension]]\ncolumn = \"code\"\ncodes = [\"A\", \"B\"]\n";
    const KIND: &str = "[[dimension]]\ngroup = \"hospital_kind\"\ncodes = [\"umc\", \"general\"]\n";

    fn of<'a>(group: Option<&'a str>, kind: Option<&'a str>) -> impl Fn(Column) -> Option<&'a str> {
        move |column| if column == Column::PurchasingGroup { group } else { kind }
    }

    /// Every order of the dimensions: the cell of each place along them is the one that the layout gives.
    #[test]
    fn figures_stand_in_the_cells_of_the_own_class_alone() {
        for order in [[GROUP, CODE, KIND], [CODE, GROUP, KIND], [KIND, GROUP, CODE]] {
            let query = query(&order.concat());
            let (layout, inner) = (query.layout(), query.without_classes().layout());
            assert_eq!((layout.cells(), inner.cells()), (3 * 2 * 2 * 2, 2 * 2));
            let class = query.class_of(of(Some("s"), Some("umc")));
            let all = class.spread(2, &[11, 12, 21, 22]);
            let mut expected = vec![0; 24];
            for (code, figure, number) in [(0, 0, 11), (0, 1, 12), (1, 0, 21), (1, 1, 22)] {
                let places = order.map(|one| match one {
                    GROUP => 1,
                    KIND => 0,
                    _ => code,
                });
                expected[usize::try_from(layout.cell(&places, figure).unwrap()).unwrap()] = number;
            }
            assert_eq!(all, expected, "{order:?}");
            let all: Vec<u64> = all.iter().map(|number| number.unsigned_abs()).collect();
            assert_eq!(class.gather(2, &all), [11, 12, 21, 22], "{order:?}");
        }
    }

    #[test]
    fn no_class_is_a_place_where_it_is_asked_for() {
        let query = query(&[GROUP, KIND].concat());
        assert_eq!(query.class_of(of(None, Some("general"))).places(), Some(vec![2, 1]));
        assert_eq!(query.class_of(of(Some("w"), Some("general"))).places(), None, "not listed");
        assert_eq!(query.class_of(of(Some("n"), None)).places(), None, "not asked for");
        let nowhere = query.class_of(of(Some("n"), None));
        assert_eq!(nowhere.spread(2, &[7, 7]), vec![0; 12]);
    }

    #[test]
    fn a_query_without_classes_is_as_it_is() {
        let query = query(CODE);
        assert_eq!(query.without_classes(), query);
        assert_eq!(query.class_of(of(None, None)).spread(2, &[1, 2, 3, 4]), [1, 2, 3, 4]);
        assert!(!query.is_by_class());
    }

    /// Parameters have values before the roster is looked at.
    #[test]
    fn repro_parameters_are_bound_while_classes_are_open() {
        let parameter = "[[parameter]]\nname = \"horizon\"\ntype = \"date\"\nrange = [\"2020-01-01\", \"2099-12-31\"]\n\
             default = \"today\"\n[population]\nwhere = \"expiry > horizon\"\n";
        let open = query(&format!("{parameter}[[dimension]]\ngroup = \"purchasing_group\"\n"));
        let bound = open.bound(&[], super::super::Date::parse("2026-11-22").unwrap()).unwrap();
        assert!(bound.resolved().is_err(), "its classes are open");
        assert!(bound.with_classes(&|_| vec!["n".to_owned()]).unwrap().resolved().is_ok());
    }

    #[test]
    fn open_classes_are_those_of_the_roster() {
        let open = query("[[dimension]]\ngroup = \"purchasing_group\"\n");
        assert!(open.awaits_roster() && open.resolved().is_err());
        let values = |_: Column| vec!["south".to_owned(), "north".to_owned(), "south".to_owned()];
        let filled = open.clone().with_classes(&values).unwrap();
        let codes: Vec<&str> = filled.dimensions()[0].codes().iter().map(|code| &**code).collect();
        assert_eq!((codes, filled.awaits_roster()), (vec!["north", "south"], false));
        assert!(filled.resolved().is_ok());
        assert_eq!(filled.clone().with_classes(&|_| Vec::new()).unwrap(), filled, "filled once");
        let told = open.with_classes(&|_| Vec::new()).unwrap_err().to_string();
        assert!(told.contains("no hospital of the roster has a `purchasing_group`"), "{told}");
    }
}
