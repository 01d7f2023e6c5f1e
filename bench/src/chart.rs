//! Small charts over time, as SVG written by hand: one panel per figure, one under another.

use std::fmt::Write;

/// One figure over time.
#[derive(Debug, Clone)]
pub struct Panel {
    pub title: String,
    pub unit: &'static str,
    pub lines: Vec<Line>,
}

/// One line of a panel.
#[derive(Debug, Clone)]
pub struct Line {
    pub name: String,
    /// Seconds since the start, and the value.
    pub points: Vec<(f64, f64)>,
}

const WIDTH: f64 = 920.0;
const PANEL: f64 = 170.0;
/// Room for the axis, the lines' names, the title, and the seconds.
const LEFT: f64 = 76.0;
const RIGHT: f64 = 170.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 26.0;
/// Names at the ends of lines stay this far apart.
const LINE_OF_TEXT: f64 = 13.0;
/// Told apart also by those who see few colours.
const COLOURS: [&str; 8] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#7f7f7f",
];

/// The chart of all panels.
pub fn svg(title: &str, panels: &[Panel]) -> String {
    let height = TOP + panels.len() as f64 * PANEL + 10.0;
    let mut svg = format!(
        r##"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" font-family="system-ui, sans-serif" font-size="11" fill="#222">
<rect width="{WIDTH}" height="{height}" fill="#fff"/>
<text x="12" y="22" font-size="15" font-weight="600">{}</text>
"##,
        escape(title)
    );
    for (index, panel) in panels.iter().enumerate() {
        write_panel(panel, TOP + index as f64 * PANEL, &mut svg);
    }
    svg.push_str("</svg>\n");
    svg
}

fn write_panel(panel: &Panel, top: f64, svg: &mut String) {
    let (x0, x1) = (LEFT, WIDTH - RIGHT);
    let (y0, y1) = (top + PANEL - BOTTOM, top + 24.0);
    let points = panel.lines.iter().flat_map(|line| &line.points);
    let end = points.clone().map(|point| point.0).fold(1.0, f64::max);
    let most = ceiling(points.map(|point| point.1).fold(0.0, f64::max));
    let x = |seconds: f64| x0 + (x1 - x0) * seconds / end;
    let y = |value: f64| y0 - (y0 - y1) * value / most;

    let title = escape(&panel.title);
    let _ = writeln!(
        svg,
        r#"<text x="12" y="{}" font-weight="600">{title}</text>"#,
        top + 14.0
    );
    for step in 0..=2 {
        let value = most * f64::from(step) / 2.0;
        let at = y(value);
        let _ = writeln!(
            svg,
            r##"<line x1="{x0}" x2="{x1}" y1="{at:.1}" y2="{at:.1}" stroke="#ddd"/><text x="{}" y="{:.1}" text-anchor="end" fill="#666">{} {}</text>"##,
            x0 - 6.0,
            at + 4.0,
            number(value),
            panel.unit
        );
    }
    for step in 0..=4 {
        let seconds = end * f64::from(step) / 4.0;
        let _ = writeln!(
            svg,
            r##"<text x="{:.1}" y="{}" text-anchor="middle" fill="#666">{}</text>"##,
            x(seconds),
            y0 + 15.0,
            clock(seconds)
        );
    }
    for (line, colour) in panel.lines.iter().zip(COLOURS.iter().cycle()) {
        let path: Vec<String> = line
            .points
            .iter()
            .map(|(seconds, value)| format!("{:.1},{:.1}", x(*seconds), y(*value)))
            .collect();
        let _ = writeln!(
            svg,
            r#"<polyline points="{}" fill="none" stroke="{colour}" stroke-width="1.6"/>"#,
            path.join(" ")
        );
    }
    write_names(panel, x1 + 8.0, y, svg);
}

/// The name and last value of each line, beside its end, spread where they would overlap.
fn write_names(panel: &Panel, x: f64, y: impl Fn(f64) -> f64, svg: &mut String) {
    let mut names: Vec<(f64, usize, f64)> = panel
        .lines
        .iter()
        .enumerate()
        .filter_map(|(index, line)| line.points.last().map(|last| (y(last.1), index, last.1)))
        .collect();
    names.sort_by(|left, right| left.0.total_cmp(&right.0));
    // From the lowest upwards, so that none is pushed out of the panel's bottom.
    let mut limit = f64::INFINITY;
    for (at, index, value) in names.into_iter().rev() {
        let at = at.min(limit);
        limit = at - LINE_OF_TEXT;
        let _ = writeln!(
            svg,
            r#"<text x="{x}" y="{:.1}" fill="{}">{} {} {}</text>"#,
            at + 4.0,
            COLOURS[index % COLOURS.len()],
            escape(&panel.lines[index].name),
            number(value),
            panel.unit
        );
    }
}

/// The next of 1, 2, 5, 10, 20, … that is not below the value.
fn ceiling(value: f64) -> f64 {
    if value <= 0.0 {
        return 1.0;
    }
    let magnitude = 10_f64.powf(value.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .map(|factor| factor * magnitude)
        .into_iter()
        .find(|candidate| *candidate >= value)
        .unwrap_or(value)
}

fn number(value: f64) -> String {
    if value >= 100.0 || value.fract() == 0.0 {
        crate::screen::thousands(value.round() as u64)
    } else {
        format!("{value:.1}")
    }
}

fn clock(seconds: f64) -> String {
    let seconds = seconds.round() as u64;
    format!("{}:{:02}", seconds / 60, seconds % 60)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn panel(values: &[f64]) -> Panel {
        Panel {
            title: "memory <of all>".into(),
            unit: "MiB",
            lines: vec![Line {
                name: "edge".into(),
                points: (0..).map(f64::from).zip(values.iter().copied()).collect(),
            }],
        }
    }

    #[test]
    fn axes_end_at_round_numbers() {
        assert_eq!(ceiling(0.0), 1.0);
        assert_eq!(ceiling(1.0), 1.0);
        assert_eq!(ceiling(130.0), 200.0);
        assert_eq!(ceiling(0.3), 0.5);
        assert_eq!(ceiling(600.0), 1_000.0);
    }

    #[test]
    fn a_line_runs_from_the_start_to_the_end() {
        let svg = svg("Soak", &[panel(&[0.0, 10.0])]);
        assert!(svg.contains(r#"points="76.0,178.0 750.0,58.0""#), "{svg}");
        assert!(svg.contains("edge 10 MiB"));
        assert!(svg.contains("memory &lt;of all&gt;"));
    }

    #[test]
    fn a_panel_without_values_can_be_drawn() {
        let svg = svg("Soak", &[panel(&[])]);
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
    }

    #[test]
    fn names_do_not_overlap() {
        let mut panel = panel(&[5.0, 10.0]);
        panel.lines.push(panel.lines[0].clone());
        let svg = svg("Soak", &[panel]);
        assert!(
            svg.contains(r#"y="62.0""#) && svg.contains(r#"y="49.0""#),
            "{svg}"
        );
    }
}
