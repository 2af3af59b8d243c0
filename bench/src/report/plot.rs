//! The latency distribution as an SVG: percentiles to the right, each nine as wide as the one before it.

use anyhow::anyhow;
use plotters::prelude::*;

use super::{Report, microseconds};
use crate::report::table::duration;

const SIZE: (u32, u32) = (960, 540);
/// 99.999 %: five nines, as far right as a run of minutes can tell.
const NINES: f64 = 5.0;

/// The picture.
///
/// # Errors
/// Where a histogram of the report cannot be read.
pub fn svg(report: &Report) -> anyhow::Result<String> {
    let mut picture = String::new();
    draw(report, &mut picture).map_err(|error| anyhow!("the plot: {error}"))?;
    Ok(picture)
}

/// `log10(1 / (1 - quantile))`: 90 % is 1, 99 % is 2.
fn nines(quantile: f64) -> f64 {
    -(1.0 - quantile).max(10f64.powf(-NINES)).log10()
}

fn draw(report: &Report, picture: &mut String) -> anyhow::Result<()> {
    let mut lines = Vec::new();
    for operation in &report.operations {
        let histogram = operation.distribution()?;
        let points: Vec<(f64, f64)> = histogram
            .iter_quantiles(10)
            .map(|step| (nines(step.quantile_iterated_to()), microseconds(step.value_iterated_to()).max(1.0)))
            .collect();
        lines.push((operation.name.clone(), points));
    }
    let all = || lines.iter().flat_map(|(_, points)| points.iter().map(|(_, latency)| *latency));
    let (least, greatest) = (all().fold(f64::INFINITY, f64::min), all().fold(1.0, f64::max));
    let least = if least.is_finite() { least } else { 1.0 };
    let area = SVGBackend::with_string(picture, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(caption(report), ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(42)
        .y_label_area_size(72)
        .build_cartesian_2d(0f64..NINES, (least * 0.8..greatest * 1.25).log_scale())?;
    chart
        .configure_mesh()
        .x_desc("percentile")
        .y_desc("latency")
        .x_labels(6)
        .x_label_formatter(&|nines| percentile(*nines))
        .y_label_formatter(&|latency| duration(*latency))
        .draw()?;
    for (place, (name, points)) in lines.into_iter().enumerate() {
        let colour = Palette99::pick(place).to_rgba();
        chart
            .draw_series(LineSeries::new(points, colour.stroke_width(2)))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    area.present()?;
    Ok(())
}

fn caption(report: &Report) -> String {
    let of = |name: &str| report.options.get(name).map_or("?", String::as_str);
    format!("{}: {}, {} connections, {}", report.scenario, of("pace"), of("connections"), of("tenants"))
}

fn percentile(nines: f64) -> String {
    let percent = 100.0 * (1.0 - 10f64.powf(-nines));
    let digits = if nines > 1.5 { 3 } else { 0 };
    let text = format!("{percent:.digits$}");
    let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    format!("{text} %")
}

#[cfg(test)]
mod tests {
    use super::super::tests::report;
    use super::*;

    #[test]
    fn nines_are_labelled_as_percentiles() {
        assert_eq!([0.0, 1.0, 2.0, 3.0].map(percentile), ["0 %", "90 %", "99 %", "99.9 %"]);
    }

    #[test]
    fn the_picture_names_its_operations() {
        let picture = svg(&report([100.0; 3], [900.0; 3], None)).expect("is drawn");
        assert!(picture.starts_with("<svg") && picture.contains("userinfo-session") && picture.contains("polyline"));
    }

    #[test]
    fn nothing_measured_is_a_picture_too() {
        let mut nothing = report([1.0; 3], [1.0; 3], None);
        nothing.operations.clear();
        assert!(svg(&nothing).is_ok());
    }
}
