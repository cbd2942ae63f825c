//! A verified result as one SVG drawing: a chart for each measure, a bar for each cell.
//!
//! Owns places, sizes and colours in pixels. Beside each bar stands its exact figure; only the length of a
//! bar is a float. A suppressed cell is hatched and a cell without use is an empty frame: neither is ever
//! drawn as 0. Texts of others pass through `shown.rs`; no script and no reference comes of anything.

use super::figures::Figures;
use super::render::{SUPPRESSED, approvers, coverage};
use crate::error::Error;
use crate::shown;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use samensom_protocol::query::{Row, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Most bars of one chart: more cannot be read.
pub const MAX_BARS: usize = 200;

const MARGIN: i32 = 16;
const LINE: i32 = 20;
const BARS: i32 = 480;
const STUMP: i32 = 60;
const BLUE: RGBColor = RGBColor(0x2f, 0x6d, 0xb5);
const GREY: RGBColor = RGBColor(0x80, 0x80, 0x80);
/// The backend divides a font's size by 1.24; these are 13 and 18 pixels.
const SMALL: f64 = 16.12;
const LARGE: f64 = 22.32;
const WRAP: usize = 100;

type Canvas<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), String>;

/// The drawing.
///
/// # Errors
/// When a measure has more cells than a chart can show.
pub fn svg(figures: &Figures) -> Result<String, Error> {
    let charts = Chart::all(&figures.rows);
    if let Some(chart) = charts.iter().find(|chart| chart.bars.len() > MAX_BARS) {
        let what =
            format!("`{}` has {} cells, too many for a chart", shown::text(chart.measure), chart.bars.len());
        return Err(Error::asked(what).expected(format!("at most {MAX_BARS} cells of one measure")).remedy(
            "write this result to a name that ends in .csv or .json, or ask for fewer codes in one query",
        ));
    }
    let page = Page::of(figures, charts);
    let mut text = String::new();
    let drawn = {
        let area = SVGBackend::with_string(&mut text, page.size()).into_drawing_area();
        page.draw(&area).and_then(|()| area.present().map_err(|why| why.to_string()))
    };
    drawn.map_err(|why| Error::machine(format!("the chart cannot be drawn: {why}")))?;
    Ok(text)
}

/// One measure.
struct Chart<'a> {
    measure: &'a str,
    /// Empty where the parts are the axis.
    part: &'a str,
    heading: String,
    bars: Vec<Bar>,
}

/// One cell.
struct Bar {
    /// What stands before its name, where that differs from the bar before.
    above: Option<String>,
    /// The part, or the last label.
    label: String,
    value: Value,
    figure: String,
}

impl<'a> Chart<'a> {
    /// The parts of a measure, such as the classes of a histogram, are the axis of its chart; where they
    /// have several units, each part is a chart.
    fn all(rows: &'a [Row]) -> Vec<Chart<'a>> {
        let mut units: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for row in rows {
            units.entry(&row.measure).or_default().insert(&row.unit);
        }
        let mut charts: Vec<Chart<'a>> = Vec::new();
        let mut blocks: Vec<String> = Vec::new();
        for row in rows {
            let alike = units.get(&*row.measure).is_some_and(|units| units.len() == 1);
            let (own, class) = if alike { ("", &*row.part) } else { (&*row.part, "") };
            let name = (&*row.measure, own);
            let at =
                charts.iter().position(|chart| (chart.measure, chart.part) == name).unwrap_or_else(|| {
                    let heading = heading(row, own, class);
                    charts.push(Chart { measure: &row.measure, part: own, heading, bars: Vec::new() });
                    blocks.push(String::new());
                    charts.len().saturating_sub(1)
                });
            let (Some(chart), Some(last)) = (charts.get_mut(at), blocks.get_mut(at)) else { continue };
            let (label, before) = match row.labels.split_last() {
                _ if !class.is_empty() => (shown::text(class), &row.labels[..]),
                Some(((_, code), before)) => (shown::text(code), before),
                None => ("all".to_owned(), &row.labels[..]),
            };
            let above: Vec<String> = before.iter().map(|(column, code)| format!("{column} {code}")).collect();
            let above = shown::text(&above.join(", "));
            let begins = *last != above;
            last.clone_from(&above);
            let figure = row.value.to_string();
            chart.bars.push(Bar { above: begins.then_some(above), label, value: row.value, figure });
        }
        charts
    }

    fn height(&self) -> i32 {
        let headings = self.bars.iter().filter(|bar| bar.above.is_some()).count();
        pixels(self.bars.len() + headings + 2) * LINE
    }

    /// The shortest and the longest bar; 0 is always among them.
    fn range(&self) -> (f64, f64) {
        let lengths = self.bars.iter().filter_map(Bar::length);
        lengths.fold((0.0, 0.0), |(least, most), length| (length.min(least), length.max(most)))
    }
}

fn heading(row: &Row, part: &str, class: &str) -> String {
    let axis = row.labels.last().filter(|_| class.is_empty());
    let by = axis.map(|(column, _)| format!(" by {column}")).unwrap_or_default();
    let gap = if part.is_empty() { "" } else { " " };
    shown::text(&format!("{}{gap}{part} ({}){by}", row.measure, row.unit))
}

impl Bar {
    /// The one place where a figure becomes a float.
    fn length(&self) -> Option<f64> {
        match self.value {
            Value::Number { .. } => self.figure.parse().ok(),
            Value::Suppressed | Value::NoUse | Value::Below(_) | Value::AtLeast(_) => None,
        }
    }
}

/// Everything with its place.
struct Page<'a> {
    title: Vec<String>,
    charts: Vec<Chart<'a>>,
    notes: Vec<String>,
    /// Where the bars begin.
    left: i32,
    /// Where the figures end.
    figures: i32,
    /// Where the longest line ends.
    right: i32,
}

impl<'a> Page<'a> {
    fn of(result: &Figures, charts: Vec<Chart<'a>>) -> Page<'a> {
        let title = wrapped(&shown::text(&result.title), WRAP);
        let mut notes = wrapped(&format!("floor {} hospitals. {SUPPRESSED}", result.floor), WRAP);
        notes.extend(wrapped(&shown::text(&format!("approved by {}", approvers(result))), WRAP));
        notes.push(format!("session {}", result.session));
        notes.push(format!("result {}", result.result));
        let bars = || charts.iter().flat_map(|chart| &chart.bars);
        let left = MARGIN + bars().map(|bar| width(&bar.label)).max().unwrap_or_default() + 8;
        let figure = bars().map(|bar| width(&bar.figure)).max().unwrap_or_default();
        let headings =
            bars().filter_map(|bar| bar.above.as_ref()).chain(charts.iter().map(|chart| &chart.heading));
        let lines = headings.chain(&notes).chain(&title).map(|line| MARGIN + width(line)).max();
        let figures = left + BARS + 16 + figure;
        let right = figures.max(lines.unwrap_or_default());
        let coverage = coverage(result);
        Page { title: [title, vec![coverage]].concat(), charts, notes, left, figures, right }
    }

    fn size(&self) -> (u32, u32) {
        let charts: i32 = self.charts.iter().map(Chart::height).sum();
        let height = 2 * MARGIN + pixels(self.title.len() + self.notes.len() + 2) * LINE + charts;
        ((self.right + MARGIN).unsigned_abs(), height.unsigned_abs())
    }

    fn draw(&self, area: &Canvas<'_>) -> Drawn {
        area.fill(&WHITE).map_err(|why| why.to_string())?;
        let mut y = MARGIN + LINE / 2;
        for (place, line) in self.title.iter().enumerate() {
            let size = if place + 1 < self.title.len() { LARGE } else { SMALL };
            write(area, line, (MARGIN, y), size, HPos::Left)?;
            y += LINE;
        }
        for chart in &self.charts {
            y += LINE;
            self.chart(area, chart, y)?;
            y += chart.height() - LINE;
        }
        y += LINE;
        for line in &self.notes {
            write(area, line, (MARGIN, y), SMALL, HPos::Left)?;
            y += LINE;
        }
        Ok(())
    }

    fn chart(&self, area: &Canvas<'_>, chart: &Chart<'_>, top: i32) -> Drawn {
        let (least, most) = chart.range();
        let span = if most > least { most - least } else { 1.0 };
        let x = |length: f64| self.left + whole((length - least) / span * f64::from(BARS));
        write(area, &chart.heading, (MARGIN, top), LARGE, HPos::Left)?;
        let (zero, mut y) = (x(0.0), top);
        let stump = zero.min(self.left + BARS - STUMP);
        for bar in &chart.bars {
            y += LINE;
            if let Some(above) = &bar.above {
                write(area, above, (MARGIN, y), SMALL, HPos::Left)?;
                y += LINE;
            }
            write(area, &bar.label, (self.left - 8, y), SMALL, HPos::Right)?;
            let (upper, lower) = (y - 7, y + 7);
            match (bar.value, bar.length()) {
                (Value::Suppressed, _) => hatch(area, (stump, upper), (stump + STUMP, lower))?,
                (Value::NoUse, _) => frame(area, (stump, upper), (stump + STUMP, lower))?,
                // Somewhere beyond an end: no length would be true.
                (Value::Below(_) | Value::AtLeast(_), _) => {}
                (Value::Number { .. }, length) => {
                    let length = length.unwrap_or_default();
                    // A figure that is not 0 never looks like one.
                    let end = match x(length) {
                        end if end == zero && length > 0.0 => zero + 1,
                        end if end == zero && length < 0.0 => zero - 1,
                        end => end,
                    };
                    let bar = Rectangle::new([(zero.min(end), upper), (zero.max(end), lower)], BLUE.filled());
                    area.draw(&bar).map_err(|why| why.to_string())?;
                }
            }
            stroke(area, (zero, y - LINE / 2), (zero, y + LINE / 2))?;
            write(area, &bar.figure, (self.figures, y), SMALL, HPos::Right)?;
        }
        Ok(())
    }
}

fn frame(area: &Canvas<'_>, from: (i32, i32), to: (i32, i32)) -> Drawn {
    area.draw(&Rectangle::new([from, to], GREY)).map_err(|why| why.to_string())
}

fn hatch(area: &Canvas<'_>, from: (i32, i32), to: (i32, i32)) -> Drawn {
    frame(area, from, to)?;
    let high = to.1 - from.1;
    for x in (from.0..=to.0 - high).step_by(6) {
        stroke(area, (x, to.1), (x + high, from.1))?;
    }
    Ok(())
}

fn stroke(area: &Canvas<'_>, from: (i32, i32), to: (i32, i32)) -> Drawn {
    area.draw(&PathElement::new([from, to], GREY)).map_err(|why| why.to_string())
}

fn write(area: &Canvas<'_>, text: &str, at: (i32, i32), size: f64, side: HPos) -> Drawn {
    let style = TextStyle::from(("sans-serif", size).into_font()).pos(Pos::new(side, VPos::Center));
    area.draw_text(text, &style, at).map_err(|why| why.to_string())
}

/// Generous: how wide a text is, is known only where it is drawn.
fn width(text: &str) -> i32 {
    text.chars().map(|c| if c.is_ascii() { 8 } else { 14 }).sum()
}

fn whole(length: f64) -> i32 {
    // Within 0 and BARS.
    length.round() as i32
}

fn pixels(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX / LINE)
}

/// Lines of at most so many characters, broken between words where there are any.
fn wrapped(text: &str, most: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        for (place, piece) in word.chars().collect::<Vec<_>>().chunks(most).enumerate() {
            let used = lines.last().map_or(0, |line| line.chars().count());
            if used > 0 && (place > 0 || used + 1 + piece.len() > most) {
                lines.push(String::new());
            }
            if let Some(line) = lines.last_mut() {
                if !line.is_empty() {
                    line.push(' ');
                }
                line.extend(piece);
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests;
