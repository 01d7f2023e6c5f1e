//! What goes up and down, for whoever asks the process itself.

use std::sync::OnceLock;

use metrics_exporter_prometheus::PrometheusHandle;

static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();

/// The one of this process.
pub(crate) fn keep(recorder: PrometheusHandle) {
    let _ = RECORDER.set(recorder);
}

/// A measurement that goes up and down.
#[derive(Debug, Clone, PartialEq)]
pub struct Gauge {
    pub name: String,
    pub help: String,
    /// Names and values, but for the service.
    pub labels: Vec<(String, String)>,
    pub value: f64,
}

/// All of this process, by name and labels; none where it keeps no metrics.
pub fn gauges() -> Option<Vec<Gauge>> {
    let mut found = read(&RECORDER.get()?.render());
    found.sort_by(|one, other| (&one.name, &one.labels).cmp(&(&other.name, &other.labels)));
    Some(found)
}

/// Of Prometheus' text format, as the exporter writes it.
fn read(text: &str) -> Vec<Gauge> {
    let (mut found, mut help, mut gauge) = (Vec::new(), ("", ""), "");
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            help = rest.split_once(' ').unwrap_or((rest, ""));
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            gauge = rest.strip_suffix(" gauge").unwrap_or_default();
        } else if !gauge.is_empty()
            && let Some(one) = sample(line, gauge)
        {
            let help = if help.0 == gauge { help.1 } else { "" };
            found.push(Gauge {
                help: help.to_owned(),
                ..one
            });
        }
    }
    found
}

/// `name{service="x",job="y"} 1.5`
fn sample(line: &str, name: &str) -> Option<Gauge> {
    let rest = line.strip_prefix(name)?;
    let (labels, value) = rest.rsplit_once(' ')?;
    let labels = labels.trim_start_matches('{').trim_end_matches('}');
    let pairs = labels
        .split("\",")
        .filter_map(|pair| pair.split_once("=\""));
    let pairs = pairs.filter(|(name, _)| *name != "service");
    Some(Gauge {
        name: name.to_owned(),
        help: String::new(),
        labels: pairs
            .map(|(name, value)| (name.to_owned(), value.trim_end_matches('"').to_owned()))
            .collect(),
        value: value.parse().ok().filter(|value: &f64| value.is_finite())?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gauges_are_found_among_what_only_grows() {
        let text = "# HELP calls_total Calls.\n# TYPE calls_total counter\n\
                    calls_total{service=\"weir-a\"} 7\n\n\
                    # HELP outbox_lag How long it waits.\n# TYPE outbox_lag gauge\n\
                    outbox_lag{service=\"weir-a\"} 1.5\n\n\
                    # TYPE jobs_here gauge\n\
                    jobs_here{service=\"weir-a\",job=\"sweep, all\"} 1\n\
                    jobs_here{service=\"weir-a\",job=\"b\"} NaN\n\n\
                    # TYPE took histogram\ntook_bucket{le=\"1\"} 3\n";
        let found = read(text);
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!((&*found[0].name, found[0].value), ("outbox_lag", 1.5));
        assert_eq!(found[0].help, "How long it waits.");
        assert_eq!(found[0].labels, []);
        assert_eq!((&*found[1].help, found[1].value), ("", 1.0));
        let label = ("job".to_owned(), "sweep, all".to_owned());
        assert_eq!(found[1].labels, [label]);
    }
}
