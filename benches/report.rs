//! Draws what the other benches measured, for the README: how long a list page and a read take, and how much memory a server has.
//!
//! `cargo bench --bench report` reads `target/bench/http.json` and writes `benches/report.svg`. It measures nothing itself:
//! `MUSTER_BENCH_SIZES=1000,10000,100000 cargo bench --bench http` goes before it. Of each figure it draws the sizes that are there.
//!
//! | file | figures |
//! |---|---|
//! | `http` | `one list page, X` and `one read, X` in us, where X is `ours`, `SDK` or `bare rmcp` |
//! | `http` | `memory, ours` and `memory, bare rmcp` in MB |

mod record;

use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, ensure};
use kuva::backend::svg::SvgBackend;
use kuva::plot::{LinePlot, ScatterPlot};
use kuva::render::figure::Figure as Picture;
use kuva::render::layout::{Layout, TickFormat};
use kuva::render::plots::Plot;

use record::Figure;

/// Where the picture is.
const PICTURE: &str = "benches/report.svg";

/// What is compared: the last part of a figure's name, what the legend says, and the colour.
const LINES: [(&str, &str, &str); 3] = [
    ("SDK", "AWS SDK, asking the simulator each time", "#9a6324"),
    ("ours", "Muster, from its copy", "#0072b2"),
    ("bare rmcp", "rmcp alone, returning a constant", "#888888"),
];

/// A part of the picture: the first part of its figures' names, its title, and what stands at the axis of values.
const PARTS: [(&str, &str, &str); 3] = [
    ("one list page", "Listing one page", "median, in microseconds"),
    ("one read", "Reading one instance", "median, in microseconds"),
    ("memory", "Memory of the server", "resident, in MB"),
];

fn main() -> anyhow::Result<()> {
    // `cargo test --all-targets` runs benchmarks too, without this flag, to see that they build.
    if !std::env::args().any(|argument| argument == "--bench") {
        return Ok(writeln!(std::io::stdout(), "nothing drawn: use cargo bench --bench report")?);
    }
    let figures = record::read("http").context("run `cargo bench --bench http` first")?;
    let (mut plots, mut layouts) = (Vec::new(), Vec::new());
    for (what, title, axis) in PARTS {
        let lines = lines(&figures, what);
        ensure!(!lines.is_empty(), "target/bench/http.json has no figure `{what}, ...`");
        let layout = Layout::auto_from_plots(&lines)
            .with_title(title)
            .with_x_label("instances in the account")
            .with_y_label(axis)
            .with_log_scale()
            .with_tick_format(TickFormat::Custom(std::sync::Arc::new(short)));
        layouts.push(layout);
        plots.push(lines);
    }
    let picture = Picture::new(1, PARTS.len())
        .with_plots(plots)
        .with_layouts(layouts)
        .with_shared_legend_bottom()
        .with_title("Muster beside the AWS SDK and beside an rmcp server that does nothing else");
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PICTURE);
    std::fs::write(&path, SvgBackend.render_scene(&picture.render()))?;
    Ok(writeln!(std::io::stdout(), "drawn: {}", path.display())?)
}

/// A line and its points for each of what is compared, as far as there are figures.
fn lines(figures: &[Figure], what: &str) -> Vec<Plot> {
    let mut plots = Vec::new();
    for (who, legend, color) in LINES {
        let name = format!("{what}, {who}");
        let mut points: Vec<(f64, f64)> = figures
            .iter()
            .filter(|figure| figure.name == name)
            .filter_map(|figure| Some((size(figure)?, figure.value)))
            .collect();
        points.sort_by(|one, other| one.0.total_cmp(&other.0));
        if points.is_empty() {
            continue;
        }
        plots.push(Plot::Scatter(ScatterPlot::new().with_data(points.clone()).with_color(color).with_size(4.0)));
        plots.push(Plot::Line(
            LinePlot::new().with_data(points).with_color(color).with_stroke_width(2.0).with_legend(legend),
        ));
    }
    plots
}

fn size(figure: &Figure) -> Option<f64> {
    u32::try_from(figure.size).ok().map(f64::from)
}

/// A number in thousands or millions.
fn short(value: f64) -> String {
    match value {
        value if value >= 1e6 => format!("{} M", value / 1e6),
        value if value >= 1e3 => format!("{} k", value / 1e3),
        value => format!("{value}"),
    }
}
