//! The table for people.

use comfy_table::presets::UTF8_HORIZONTAL_ONLY;
use comfy_table::{CellAlignment, Table};

use super::{Latency, Report, Spread};

/// The report as text.
pub fn text(report: &Report) -> String {
    let mut table = Table::new();
    table.load_style(UTF8_HORIZONTAL_ONLY);
    table.set_header(["operation", "answers", "per second", "p50", "p90", "p99", "p99.9", "max", "failed"]);
    for operation in &report.operations {
        let Latency { p50, p90, p99, p999, max } = operation.latency;
        table.add_row([
            operation.name.clone(),
            operation.count.to_string(),
            format!("{:.0}", operation.per_second.median),
            duration(p50),
            duration(p90),
            duration(p99),
            duration(p999),
            duration(max),
            operation.failed().to_string(),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    let mut text = format!("{table}\n");
    for operation in &report.operations {
        for (failure, count) in &operation.failures {
            text += &format!("{}: {count} × {failure}\n", operation.name);
        }
    }
    if let Some(cpu) = report.gateway_cpu_us {
        text += &format!("gateway, on a core for an answer: {} µs (min / median / max of the rounds)\n", spread(cpu));
    }
    if let Some(resident) = report.gateway_resident {
        text += &format!("gateway, resident at the end: {:.1} MiB\n", super::float(resident) / f64::from(1 << 20));
    }
    for figure in &report.figures {
        text += &format!("{}: {} {} (min / median / max)\n", figure.name, spread(figure.values), figure.unit);
    }
    if let Some(lag) = report.lag {
        text += &format!("this side was late by {} (p50), {} (p99)\n", duration(lag.p50), duration(lag.p99));
    }
    for note in &report.notes {
        text += &format!("note: {note}\n");
    }
    text
}

/// Three figures with the digits that mean something.
pub fn spread(Spread { min, median, max }: Spread) -> String {
    let digits = if median.abs() >= 100.0 {
        0
    } else if median.abs() >= 10.0 {
        1
    } else {
        2
    };
    format!("{min:.digits$} / {median:.digits$} / {max:.digits$}")
}

/// Microseconds, shown in the unit that fits.
pub fn duration(microseconds: f64) -> String {
    if microseconds < 1_000.0 {
        format!("{microseconds:.0} µs")
    } else if microseconds < 1_000_000.0 {
        format!("{:.2} ms", microseconds / 1_000.0)
    } else {
        format!("{:.2} s", microseconds / 1_000_000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::report;
    use super::*;

    #[test]
    fn a_duration_has_the_unit_that_fits() {
        assert_eq!([99.6, 1_500.0, 2_500_000.0].map(duration), ["100 µs", "1.50 ms", "2.50 s"]);
    }

    #[test]
    fn the_table_names_what_failed() {
        let mut report = report([100.0; 3], [900.0; 3], Some([9.1, 9.2, 9.4]));
        report.operations[0].failures.insert("wrong answer 502".to_owned(), 3);
        report.notes.push("a note".to_owned());
        let text = text(&report);
        for wanted in ["userinfo-session: 3 × wrong answer 502", "9.10 / 9.20 / 9.40 µs", "100 µs", "note: a note"] {
            assert!(text.contains(wanted), "{wanted} in\n{text}");
        }
    }
}
