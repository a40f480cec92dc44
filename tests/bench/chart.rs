//! The chart of the results: bars of wall time relative to the floor, as SVG.

use std::fmt::Write as _;

use crate::measure::Measured;
use crate::report::milliseconds;

/// The measured cases of one resource type.
pub(crate) struct Group {
    /// The name of the type.
    pub(crate) kind: &'static str,
    /// Its results.
    pub(crate) results: Vec<Measured>,
}

/// The width of the text on the left, of a bar of 1 × the floor, and of the text on the right, in pixels.
const LABELS: f64 = 330.0;
const UNIT: f64 = 200.0;
const TIMES: f64 = 120.0;

/// Longer bars are cut, in multiples of the floor.
const MAX_RATIO: f64 = 2.0;

/// The height of a bar, and of the gap below the bars of a case, in pixels.
const BAR: f64 = 13.0;
const GAP: f64 = 9.0;

const FLOOR: &str = "#b8bec6";
const OURS: &str = "#2563eb";
const ESTABLISHED: &str = "#e08a1e";

/// A bar chart of all cases with a floor. It returns nothing if there is no such case.
pub(crate) fn render(groups: &[Group]) -> Option<String> {
    let mut bars = String::new();
    let mut top = 40.0;
    for group in groups {
        let mut has_title = false;
        for result in group.results.iter().filter(|result| !result.is_established) {
            let Some(floor) = result.floor.and_then(|name| group.results.iter().find(|other| other.name == name))
            else {
                continue;
            };
            if !has_title {
                text(&mut bars, 10.0, top + BAR, "font-weight=\"bold\"", group.kind);
                top += BAR + GAP;
                has_title = true;
            }
            let established = group.results.iter().find(|other| {
                other.is_established && other.floor == result.floor && other.name.starts_with(result.name.as_str())
            });
            text(&mut bars, LABELS - 10.0, top + BAR * 1.5, "text-anchor=\"end\"", &result.name);
            for (colour, measured) in [(FLOOR, Some(floor)), (OURS, Some(result)), (ESTABLISHED, established)] {
                let Some(measured) = measured else { continue };
                let ratio = measured.wall.as_secs_f64() / floor.wall.as_secs_f64().max(f64::EPSILON);
                let width = ratio.min(MAX_RATIO) * UNIT;
                writeln!(bars, r#"<rect x="{LABELS}" y="{top}" width="{width:.1}" height="{BAR}" fill="{colour}"/>"#)
                    .expect("a string");
                let time = milliseconds(measured.wall);
                let time = if ratio > MAX_RATIO { format!("{time} ({ratio:.1} ×)") } else { time };
                text(&mut bars, LABELS + width + 6.0, top + BAR - 2.5, "font-size=\"10\"", &time);
                top += BAR;
            }
            top += GAP;
        }
    }
    if bars.is_empty() {
        return None;
    }
    let (width, height) = (LABELS + MAX_RATIO * UNIT + TIMES, top + GAP);
    let mut chart = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    let mut left = LABELS;
    for (colour, name) in
        [(FLOOR, "the plain tool"), (OURS, "Jetway"), (ESTABLISHED, "the established resource, if measured")]
    {
        writeln!(chart, r#"<rect x="{left}" y="12" width="12" height="12" fill="{colour}"/>"#).expect("a string");
        text(&mut chart, left + 17.0, 22.0, "", name);
        left += 115.0;
    }
    let line = LABELS + UNIT;
    writeln!(chart, r#"<line x1="{line}" y1="34" x2="{line}" y2="{top}" stroke="{FLOOR}" stroke-dasharray="3"/>"#)
        .expect("a string");
    Some(chart + &bars + "</svg>\n")
}

fn text(svg: &mut String, x: f64, y: f64, attributes: &str, content: &str) {
    let content = content.replace('&', "&amp;").replace('<', "&lt;");
    writeln!(svg, r#"<text x="{x:.1}" y="{y:.1}" {attributes}>{content}</text>"#).expect("a string");
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jetway_tests::process::Footprint;

    use super::*;
    use crate::measure::Limits;

    fn measured(name: &str, floor: Option<&'static str>, milliseconds: u64, is_established: bool) -> Measured {
        Measured {
            name: name.to_owned(),
            floor,
            limits: Limits::default(),
            is_established,
            wall: Duration::from_millis(milliseconds),
            cpu: Duration::ZERO,
            footprint: Footprint { started: 0, children: 0, peak_rss: 0 },
        }
    }

    #[test]
    fn draws_a_bar_for_each_program_of_a_case() {
        let results = vec![
            measured("git clone", None, 100, false),
            measured("get <1>", Some("git clone"), 50, false),
            measured("get <1>: the established resource", Some("git clone"), 500, true),
        ];
        let chart = render(&[Group { kind: "git", results }]).unwrap();
        for part in [
            ">git</text>",
            ">get &lt;1></text>",
            "width=\"200.0\" height=\"13\" fill=\"#b8bec6\"",
            "width=\"100.0\" height=\"13\" fill=\"#2563eb\"",
            "width=\"400.0\" height=\"13\" fill=\"#e08a1e\"",
            ">500.0 ms (5.0 ×)</text>",
        ] {
            assert!(chart.contains(part), "{part}\n{chart}");
        }
    }

    #[test]
    fn case_without_a_floor_has_no_bar() {
        assert_eq!(render(&[Group { kind: "start", results: vec![measured("git", None, 3, false)] }]), None);
    }
}
