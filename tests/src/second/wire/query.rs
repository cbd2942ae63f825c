//! Section 3 of the manual: a query in canonical form.

use super::super::codec::Shape::{self, Choice, Struct, Text, Tuple, U};
use super::{list, names, opt};

fn column() -> Shape {
    names(&[
        "AsOf",
        "Period",
        "Code",
        "Quantity",
        "Unit",
        "Kind",
        "Expiry",
        "Location",
        "Owner",
        "Ordered",
        "Eta",
        "Delivered",
        "DeliveredQuantity",
        "Supplier",
        "Person",
        "At",
        "Route",
        "Ward",
        "Stay",
        "Age",
        "From",
        "To",
        "Specialty",
        "Value",
        "Stock",
        "CcvStock",
        "Use3m",
        "Use12m",
        "Due0",
        "Due1",
        "Due2",
        "Due3",
        "Due4",
        "Due5",
        "Due6",
        "Due7",
        "Due8",
        "Due9",
        "Due10",
        "Due11",
        "Due12",
        "DueLater",
        "DueUnknown",
        "Start",
        "Days",
        "SwitchedOnDay",
        "Indication",
        "BedDays",
        "Event",
        "EventDay",
        "PurchasingGroup",
        "HospitalKind",
    ])
}

fn unit() -> Shape {
    names(&["Piece", "Tablet", "Vial", "Ml", "Mg", "G", "Iu", "Mmol", "Ddd"])
}

fn decimal() -> Shape {
    Tuple(vec![Shape::I(16), U(1)])
}

fn date() -> Shape {
    Tuple(vec![U(2), U(1), U(1)])
}

fn expression() -> Shape {
    let aggregate = Choice(vec![
        ("Count", None),
        ("Sum", Some(column())),
        ("Min", Some(column())),
        ("Max", Some(column())),
    ]);
    let compare = names(&["Equal", "NotEqual", "Less", "LessOrEqual", "Greater", "GreaterOrEqual"]);
    let term = Choice(vec![
        ("Column", Some(column())),
        ("Aggregate", Some(aggregate)),
        ("Text", Some(Text(64))),
        ("Number", Some(decimal())),
        ("Date", Some(date())),
        ("Compare", Some(compare)),
        ("Between", None),
        ("In", Some(U(2))),
        ("Not", None),
        ("And", None),
        ("Or", None),
        ("Add", None),
        ("Subtract", None),
        ("Multiply", None),
        ("Divide", None),
        ("IsNull", None),
        ("Like", Some(Text(64))),
        ("Parameter", Some(Tuple(vec![U(1), names(&["Date", "Number", "Text"])]))),
    ]);
    Struct(vec![("terms", list(term, 2048))])
}

fn measure() -> Shape {
    let (expr, bins) = (expression, || list(decimal(), 128));
    let per = || names(&["Hospital", "Row"]);
    let limits =
        || Struct(vec![("scale", U(1)), ("low", Shape::I(8)), ("high", Shape::I(8)), ("max", Shape::I(8))]);
    let max = || ("max", Shape::I(8));
    let kind = Choice(vec![
        ("Sum", Some(Struct(vec![("of", expr()), ("limits", limits())]))),
        ("Rows", Some(Struct(vec![max()]))),
        ("Hospitals", Some(Struct(vec![("condition", expr())]))),
        ("Patients", Some(Struct(vec![max()]))),
        ("Histogram", Some(Struct(vec![("of", expr()), ("per", per()), ("bins", bins()), max()]))),
        ("Moments", Some(Struct(vec![("of", expr()), ("per", per()), ("limits", limits())]))),
        (
            "Regression",
            Some(Struct(vec![
                ("outcome", expr()),
                ("predictors", list(expr(), 8)),
                ("per", per()),
                ("limits", limits()),
            ])),
        ),
        ("Survival", Some(Struct(vec![("time", expr()), ("event", expr()), ("bins", bins()), max()]))),
    ]);
    let gauge = Struct(vec![("unit", Shape::I(1)), ("days", Shape::I(1))]);
    Struct(vec![
        ("name", Text(64)),
        ("kind", kind),
        ("filter", expr()),
        ("unit", opt(unit())),
        ("gauge", gauge),
        ("checked", Shape::Bool),
    ])
}

fn parameter() -> Shape {
    let literal =
        || Choice(vec![("Date", Some(date())), ("Number", Some(decimal())), ("Text", Some(Text(64)))]);
    let bounds = Choice(vec![
        ("Date", Some(Tuple(vec![date(), date()]))),
        ("Number", Some(Tuple(vec![decimal(), decimal()]))),
        ("Text", Some(list(Text(64), 64))),
    ]);
    let rule =
        Choice(vec![("Fixed", Some(literal())), ("Today", Some(Shape::I(4))), ("Month", Some(Shape::I(4)))]);
    Struct(vec![("name", Text(64)), ("bounds", bounds), ("usual", opt(rule)), ("value", opt(literal()))])
}

fn derive() -> Shape {
    let side = || list(U(1), 32);
    let kind = Choice(vec![
        ("Ratio", Some(Struct(vec![("numerator", side()), ("denominator", side())]))),
        ("Cover", Some(Struct(vec![("stock", U(1)), ("used", U(1)), ("months", U(2))]))),
        ("Share", Some(Struct(vec![("of", U(1)), ("over", opt(U(1)))]))),
        ("Mean", Some(U(1))),
        ("Variance", Some(U(1))),
        ("Quantile", Some(Struct(vec![("of", U(1)), ("share", decimal())]))),
        ("Coefficients", Some(U(1))),
        ("Curve", Some(U(1))),
    ]);
    Struct(vec![("name", Text(64)), ("kind", kind), ("scale", U(1))])
}

pub fn query() -> Shape {
    let classes = Choice(vec![
        ("Codes", Some(list(Text(64), 20_000))),
        ("Numbers", Some(list(decimal(), 128))),
        ("Days", Some(list(date(), 128))),
    ]);
    let dimension = Struct(vec![
        ("column", column()),
        ("classes", classes),
        ("other", Shape::Bool),
        ("missing", Shape::Bool),
    ]);
    let datasets = ["Stock", "Use", "Orders", "Administration", "Admission", "Result", "Position", "Course"];
    Struct(vec![
        ("language", U(2)),
        ("id", Text(64)),
        ("version", U(4)),
        ("title_nl", Text(200)),
        ("title_en", Text(200)),
        ("purpose", names(&["Stock", "Quality", "Research", "Crisis"])),
        ("dataset", names(&datasets)),
        ("max_age", U(4)),
        ("parameters", list(parameter(), 16)),
        ("population", expression()),
        ("dimensions", list(dimension, 4)),
        ("measures", list(measure(), 32)),
        ("derives", list(derive(), 32)),
        ("floor_hospitals", U(2)),
        ("floor_patients", U(4)),
        ("floor_dominance", U(1)),
    ])
}
