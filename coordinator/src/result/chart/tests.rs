//! The drawing as an XML reader sees it.

use super::super::sample::{every_sort, figures, hostile, number, row};
use super::*;
use crate::shown::hostile::{stays_text, texts};
use roxmltree::{Document, Node};

fn drawn(figures: &Figures) -> String {
    svg(figures).unwrap()
}

fn elements<'a>(document: &'a Document<'a>, name: &'a str) -> impl Iterator<Item = Node<'a, 'a>> {
    document.descendants().filter(move |node| node.is_element() && node.tag_name().name() == name)
}

fn at(node: &Node<'_, '_>, attribute: &str) -> i32 {
    node.attribute(attribute).unwrap().parse().unwrap()
}

fn is_bar(node: &Node<'_, '_>) -> bool {
    node.attribute("fill") == Some("#2F6DB5")
}

/// Every text with its place.
fn written(document: &Document<'_>) -> Vec<(i32, i32, String)> {
    let of = |node: Node<'_, '_>| {
        (at(&node, "x"), at(&node, "y"), node.text().unwrap_or("").trim_matches('\n').to_owned())
    };
    document
        .descendants()
        .filter(|node| node.has_tag_name(("http://www.w3.org/2000/svg", "text")))
        .map(of)
        .collect()
}

fn many(cells: usize) -> Figures {
    let line = |cell: usize| {
        row(
            &[("code", &format!("9{cell:07}"))],
            ("stock", ""),
            "piece",
            number(i128::try_from(cell).unwrap() * 5, 1),
        )
    };
    figures("Landelijke voorraad", (0..cells).map(line).collect())
}

#[test]
fn a_drawing_is_drawn_as_it_was() {
    let drawing = drawn(&every_sort());
    assert!(
        drawing == include_str!("every_sort.svg"),
        "another drawing; if it is meant, keep it:\n{drawing}"
    );
}

#[test]
fn a_bar_is_as_long_as_its_figure_and_to_its_side_of_zero() {
    let figure = |code: &str, mantissa| row(&[("code", code)], ("m", ""), "piece", number(mantissa, 1));
    let figures = figures(
        "t",
        vec![figure("a", 3_000), figure("b", -1_000), figure("c", 0), figure("d", 750), figure("e", -1)],
    );
    let drawing = drawn(&figures);
    let document = Document::parse(&drawing).unwrap();
    let bars: Vec<(i32, i32)> =
        elements(&document, "rect").filter(is_bar).map(|bar| (at(&bar, "x"), at(&bar, "width"))).collect();
    let zero = bars[0].0;
    assert_eq!(bars, [(zero, 360), (zero - 120, 120), (zero, 0), (zero, 90), (zero - 1, 1)]);
    let texts: Vec<String> = written(&document).into_iter().map(|(_, _, text)| text).collect();
    for figure in ["300", "-100", "0", "75", "-0.1"] {
        assert!(texts.iter().any(|text| text == figure), "{figure}: {texts:?}");
    }
}

#[test]
fn suppressed_and_no_use_are_never_a_bar() {
    let of = |value| figures("t", vec![row(&[("code", "a")], ("cover", ""), "1", value)]);
    for (value, word, strokes) in [(Value::Suppressed, "suppressed", 9), (Value::NoUse, "no use", 1)] {
        let drawing = drawn(&of(value));
        let document = Document::parse(&drawing).unwrap();
        assert_eq!(elements(&document, "rect").filter(is_bar).count(), 0, "{drawing}");
        let frames = elements(&document, "rect").filter(|frame| frame.attribute("fill") == Some("none"));
        assert_eq!(frames.map(|frame| at(&frame, "width")).collect::<Vec<_>>(), [STUMP]);
        assert_eq!(elements(&document, "polyline").count(), strokes, "{drawing}");
        assert!(written(&document).iter().any(|(_, _, text)| text == word), "{drawing}");
        assert!(!written(&document).iter().any(|(_, _, text)| text == "0"), "{drawing}");
    }
    // Where every bar goes to the left, they stay clear of the figures.
    let below =
        [number(-5, 0), Value::Suppressed, Value::NoUse].map(|value| row(&[], ("m", ""), "piece", value));
    let drawing = drawn(&figures("t", below.into()));
    let document = Document::parse(&drawing).unwrap();
    let ends: Vec<i32> =
        elements(&document, "rect").skip(1).map(|one| at(&one, "x") + at(&one, "width")).collect();
    assert!(ends.len() == 3 && ends.iter().all(|end| *end == ends[0]), "{ends:?}");
    let drawing = drawn(&of(number(0, 0)));
    let document = Document::parse(&drawing).unwrap();
    assert_eq!(elements(&document, "rect").filter(is_bar).count(), 1);
}

#[test]
fn parts_are_the_axis_unless_their_units_differ() {
    let line = |code: &str, measure, unit| row(&[("code", code)], measure, unit, number(5, 0));
    let mut rows = Vec::new();
    for code in ["a", "b"] {
        rows.push(line(code, ("size", "n"), "rows"));
        rows.push(line(code, ("size", "sum"), "piece"));
        rows.push(line(code, ("classes", "<10"), "rows"));
        rows.push(line(code, ("classes", ">=10"), "rows"));
    }
    let charts = Chart::all(&rows);
    let told: Vec<String> = charts
        .iter()
        .map(|chart| {
            let bars = chart.bars.iter().map(|bar| match &bar.above {
                Some(above) => format!("{above}: {}", bar.label),
                None => bar.label.clone(),
            });
            format!("{}: {}", chart.heading, bars.collect::<Vec<_>>().join(", "))
        })
        .collect();
    let expected = [
        "size n (rows) by code: a, b",
        "size sum (piece) by code: a, b",
        "classes (rows): code a: <10, >=10, code b: <10, >=10",
    ];
    assert_eq!(told, expected);
}

#[test]
fn a_figure_beyond_an_end_is_written_and_has_no_bar() {
    let end = samensom_protocol::query::Decimal::parse("12.5").unwrap();
    for (value, word) in [(Value::Below(end), "<12.5"), (Value::AtLeast(end), ">=12.5")] {
        let drawing = drawn(&figures("t", vec![row(&[("code", "a")], ("median", ""), "piece", value)]));
        let document = Document::parse(&drawing).unwrap();
        assert_eq!(elements(&document, "rect").count(), 1, "the background alone: {drawing}");
        assert!(written(&document).iter().any(|(_, _, text)| text == word), "{drawing}");
    }
}

#[test]
fn one_cell_and_two_hundred_can_be_read_and_more_are_refused() {
    for cells in [1, MAX_BARS] {
        let drawing = drawn(&many(cells));
        let document = Document::parse(&drawing).unwrap();
        let (width, height) = (at(&document.root_element(), "width"), at(&document.root_element(), "height"));
        let labels: Vec<(i32, i32, String)> = written(&document)
            .into_iter()
            .filter(|(_, _, text)| text.len() == 8 && text.starts_with('9'))
            .collect();
        assert_eq!(labels.len(), cells);
        assert!(labels.windows(2).all(|two| two[1].1 - two[0].1 >= LINE), "{labels:?}");
        assert!(
            written(&document).iter().all(|(x, y, _)| (0..=width).contains(x) && (0..=height).contains(y))
        );
        let bars: Vec<i32> =
            elements(&document, "rect").filter(is_bar).map(|bar| at(&bar, "x") + at(&bar, "width")).collect();
        assert!(bars.len() == cells && bars.iter().all(|end| *end < width), "{bars:?}");
    }
    let error = svg(&many(MAX_BARS + 1)).unwrap_err().to_string();
    assert!(
        error.contains("201 cells") && error.contains("at most 200") && error.contains(".csv"),
        "{error}"
    );
}

#[test]
fn five_hundred_hostile_texts_stay_text_in_the_drawing() {
    let words = ["none", "sans-serif", "start", "end", "0.5ex", "1", "http://www.w3.org/2000/svg"];
    for hostile_text in texts() {
        let drawing = drawn(&hostile(&hostile_text));
        assert!(stays_text(&drawing), "{drawing:?}");
        let document =
            Document::parse(&drawing).unwrap_or_else(|why| panic!("{hostile_text:?}: {why}\n{drawing}"));
        assert!(document.descendants().all(|node| node.is_root() || node.is_element() || node.is_text()));
        for node in document.descendants().filter(Node::is_element) {
            let name = node.tag_name().name();
            assert!(["svg", "rect", "polyline", "text"].contains(&name), "{hostile_text:?}: <{name}>");
            assert!(name == "svg" || !node.children().any(|child| child.is_element()), "{hostile_text:?}");
            for attribute in node.attributes() {
                let value = attribute.value();
                let drawn = value.chars().all(|c| c.is_ascii_hexdigit() || "#.,- ".contains(c));
                assert!(drawn || words.contains(&value), "{hostile_text:?}: {}={value:?}", attribute.name());
            }
        }
        let all: String = written(&document).into_iter().map(|(_, _, text)| text + " ").collect();
        let seen = shown::text(&hostile_text);
        assert!(all.matches(seen.trim()).count() >= 7, "{hostile_text:?}: {all}");
    }
}
