//! What an expression means: three-valued logic, exact arithmetic, what numbers count.

use super::*;

fn holds(source: &str, row: &[(Column, Scalar)]) -> Option<bool> {
    let expr = parse::condition(source, Scope::Rows(Dataset::Stock), &[]).unwrap();
    expr.holds(&mut |operand| {
        let found = row.iter().find(|(column, _)| operand == Operand::Column(*column));
        found.map(|(_, value)| value.clone())
    })
    .unwrap()
}

#[test]
fn logic_has_three_values() {
    let text = |text: &str| Scalar::Text(text.to_owned());
    let row = [
        (Column::Kind, text("ccv")),
        (Column::Quantity, Scalar::Number(Decimal::parse("12.50").unwrap())),
        (Column::AsOf, Scalar::Date(Date::parse("2026-03-01").unwrap())),
    ];
    let (yes, no, unknown) = (Some(true), Some(false), None);
    for (source, expected) in [
        ("quantity = 12.5", yes),
        ("quantity > 12.5", no),
        ("quantity >= -12.5 and kind <> 'own'", yes),
        ("as_of between '2026-03-01' and '2026-03-31'", yes),
        ("as_of not between '2026-03-02' and '2026-03-31'", yes),
        ("kind in ('own', 'ccv')", yes),
        ("kind not in ('own', 'ccv')", no),
        ("expiry > '2026-01-01'", unknown),
        ("not expiry > '2026-01-01'", unknown),
        ("expiry > as_of", unknown),
        ("expiry > '2026-01-01' or kind = 'ccv'", yes),
        ("expiry > '2026-01-01' and kind = 'own'", no),
        ("expiry > '2026-01-01' and kind = 'ccv'", unknown),
        ("owner in ('a', 'b')", unknown),
        ("owner not in ('a', 'b')", unknown),
        ("expiry between '2026-01-01' and '2026-12-31' or as_of < '2026-01-01'", unknown),
        ("as_of between '2026-04-01' and '2026-12-31' and owner = 'a'", no),
        // `and` binds tighter than `or`, `not` tighter than both
        ("kind = 'ccv' or kind = 'own' and quantity < 0", yes),
        ("(kind = 'ccv' or kind = 'own') and quantity < 0", no),
        ("not kind = 'own' and quantity > 0", yes),
        ("not (kind = 'own' or quantity > 0)", no),
        ("location = 'a''b'", unknown),
        ("kind like 'c%'", yes),
        ("kind not like 'c%'", no),
        ("kind like 'ccvx%' or kind like 'C%'", no),
        ("owner like 'c%'", unknown),
        ("owner is null and kind is not null", yes),
        ("not (expiry is null)", no),
        // exact arithmetic: 12.5 / 3 * 3 is 12.5 again
        ("quantity / 3 * 3 = quantity", yes),
        ("quantity / 3 = 4.166667", no),
        ("(quantity + 2.5) * 2 = 30", yes),
        ("quantity - 2.5 * 2 = 7.5", yes),
        ("quantity - 2 - 0.5 = 10", yes),
        ("quantity between 5 * 2 and 5 * 3", yes),
        ("quantity / (quantity - 12.5) > 0", unknown),
        ("quantity / (quantity - 12.5) is null", yes),
        ("as_of - '2026-02-01' = 28", yes),
        ("'2026-02-01' - as_of < 0", yes),
        ("expiry - as_of > 30", unknown),
        ("(as_of - '2025-03-01') / 365 = 1", yes),
        ("0 - quantity < -12", yes),
        ("((quantity)) > ((12))", yes),
        ("not (not (quantity > 12))", yes),
    ] {
        assert_eq!(holds(source, &row), expected, "{source}");
    }
    assert_eq!(Expr::always().holds(&mut |_| None), Ok(yes));
}

#[test]
fn arithmetic_that_does_not_fit_is_an_error_and_no_number() {
    let large = Scalar::Number(Decimal::new(10_i128.pow(24), 12).unwrap());
    let source = "quantity * quantity * quantity / 7 > 1";
    let expr = parse::condition(source, Scope::Rows(Dataset::Stock), &[]).unwrap();
    assert_eq!(expr.holds(&mut |_| Some(large.clone())), Ok(Some(true)));
    let fine = Scalar::Number(Decimal::new(10_i128.pow(24) + 1, 12).unwrap());
    assert_eq!(expr.holds(&mut |_| Some(fine.clone())), Err(Overflow));
}

#[test]
fn numbers_say_what_they_count() {
    let cell = Scope::Cell(Dataset::Stock);
    for (source, expected) in [
        ("sum(quantity)", Gauge::QUANTITY),
        ("sum(quantity) / (sum(quantity) / 12)", Gauge::PLAIN),
        ("count(*) * 2", Gauge::PLAIN),
        ("sum(quantity) / (max(expiry) - min(expiry))", Gauge { unit: 1, days: -1 }),
        ("max(expiry) - '2026-01-01'", Gauge::DAYS),
    ] {
        assert_eq!(parse::number(source, cell, &[]).unwrap().1, expected, "{source}");
    }
    for (source, wanted) in [
        ("12", "not one number"),
        ("max(expiry)", "not one number"),
        ("sum(quantity) > 0", "`>` at letter 15"),
        ("(sum(quantity) > 0)", "not one number"),
        ("sum(quantity) / count(*) + sum(quantity) * sum(quantity)", "quantity and quantity^2"),
    ] {
        let error = parse::number(source, cell, &[]).unwrap_err().to_string();
        assert!(error.contains(wanted), "{source}: {error}");
    }
}

#[test]
fn postfix_terms_that_are_no_condition_are_refused() {
    let column = Term::Column(Column::Code);
    let text = Term::Text(Text::new("a").unwrap());
    let equal = Term::Compare(Compare::Equal);
    let condition = vec![column.clone(), text.clone(), equal.clone()];
    let rows = Scope::Rows(Dataset::Stock);
    assert!(Expr::new(condition.clone(), rows).is_ok());
    for bad in [
        vec![column.clone()],
        vec![text.clone()],
        vec![equal.clone()],
        vec![Term::And],
        vec![Term::Not],
        vec![Term::In(0)],
        vec![Term::In(u16::MAX)],
        vec![Term::Between],
        [condition.clone(), condition.clone()].concat(),
        [condition.clone(), vec![Term::And]].concat(),
        [condition.clone(), condition.clone(), vec![equal.clone()]].concat(),
        vec![text.clone(), text.clone(), equal.clone()],
        vec![Term::Column(Column::Period), text.clone(), equal.clone()],
        vec![Term::Aggregate(Aggregate::Count), Term::Number(Decimal::new(1, 0).unwrap()), equal.clone()],
    ] {
        assert!(Expr::new(bad.clone(), rows).is_err(), "{bad:?}");
    }
    let mut deep = condition.clone();
    deep.extend(vec![Term::Not; 500]);
    assert!(Expr::new(deep, rows).unwrap_err().to_string().contains("nested too deep"));
}
