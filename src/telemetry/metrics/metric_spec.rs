//! What a metric is: its name, its unit, its labels, and what it says.

/// The unit of a metric, which its name ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricUnit {
    /// A number of things.
    None,
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
    /// A part of a whole, from 0 to 1.
    Ratio,
}

/// The form of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricForm {
    /// It only grows while the server runs.
    Counter,
    /// It goes up and down.
    Gauge,
    /// Durations by how long they are.
    Histogram,
    /// It is always 1, and its labels say something.
    Info,
}

/// A metric: everything about it but its values.
#[derive(Debug)]
pub struct MetricSpec {
    /// Its name without its unit, and without what its form adds.
    pub name: &'static str,
    /// Its unit.
    pub unit: MetricUnit,
    /// Its form.
    pub form: MetricForm,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// What it says, without a full stop.
    pub help: &'static str,
}

impl MetricUnit {
    /// Its name; `None` for a number of things.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        match self {
            MetricUnit::None => None,
            MetricUnit::Seconds => Some("seconds"),
            MetricUnit::Bytes => Some("bytes"),
            MetricUnit::Ratio => Some("ratio"),
        }
    }
}

impl MetricForm {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            MetricForm::Counter => "counter",
            MetricForm::Gauge => "gauge",
            MetricForm::Histogram => "histogram",
            MetricForm::Info => "info",
        }
    }

    /// What the name of a series ends with.
    fn suffix(self) -> &'static str {
        match self {
            MetricForm::Counter => "_total",
            MetricForm::Info => "_info",
            MetricForm::Gauge | MetricForm::Histogram => "",
        }
    }
}

impl MetricSpec {
    /// The name of its series, as alerts and dashboards write it. A histogram has several, which begin with it.
    #[must_use]
    pub fn series(&self) -> String {
        let unit = self.unit.name().map_or_else(String::new, |unit| format!("_{unit}"));
        format!("{}{unit}{}", self.name, self.form.suffix())
    }
}
