//! The values of metrics at one moment, and the page that shows them.

use std::borrow::Cow;
use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, prometheus_text, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use super::metric_spec::{MetricForm, MetricSpec, MetricUnit};
use crate::model::CountedDurations;

/// The value of a label.
pub(super) type LabelText = Cow<'static, str>;

/// A value of a metric.
#[derive(Clone, Debug, PartialEq)]
pub enum MetricValue {
    /// Of a counter, or of a gauge that counts things.
    Count(u64),
    /// Of a gauge.
    Amount(f64),
    /// Of a histogram.
    Durations(CountedDurations),
}

/// The values of one metric.
#[derive(Debug)]
struct MetricFamily {
    spec: &'static MetricSpec,
    samples: Vec<(Vec<LabelText>, MetricValue)>,
}

/// The values of all metrics at one moment.
#[derive(Debug, Default)]
pub struct MetricsPage {
    families: Vec<MetricFamily>,
}

/// How a page is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageFormat {
    /// `OpenMetrics` 1.0.
    OpenMetrics,
    /// Prometheus's own text, for whoever does not ask for `OpenMetrics`.
    Classic,
}

impl PageFormat {
    /// The format for a client that accepts this.
    #[must_use]
    pub fn accepted(accept: Option<&str>) -> Self {
        let is_named = accept.is_some_and(|accept| accept.contains("application/openmetrics-text"));
        if is_named { PageFormat::OpenMetrics } else { PageFormat::Classic }
    }

    /// Its media type.
    #[must_use]
    pub fn media_type(self) -> &'static str {
        match self {
            PageFormat::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            PageFormat::Classic => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

impl MetricsPage {
    /// Adds a value of a metric. Its labels are in the order of the metric's.
    pub fn add(
        &mut self,
        spec: &'static MetricSpec,
        labels: impl IntoIterator<Item = impl Into<LabelText>>,
        value: MetricValue,
    ) {
        let labels: Vec<LabelText> = labels.into_iter().map(Into::into).collect();
        debug_assert_eq!(labels.len(), spec.labels.len(), "the labels of {}", spec.name);
        let sample = (labels, value);
        match self.families.iter_mut().find(|family| std::ptr::eq(family.spec, spec)) {
            Some(family) => family.samples.push(sample),
            None => self.families.push(MetricFamily { spec, samples: vec![sample] }),
        }
    }

    /// Adds a count without labels.
    pub fn count(&mut self, spec: &'static MetricSpec, count: u64) {
        self.add(spec, NONE, MetricValue::Count(count));
    }

    /// Adds an amount without labels.
    pub fn amount(&mut self, spec: &'static MetricSpec, amount: f64) {
        self.add(spec, NONE, MetricValue::Amount(amount));
    }

    /// How many series there are: of a histogram each bucket is one, and so are the sum and the count.
    #[must_use]
    pub fn series(&self) -> usize {
        let samples = self.families.iter().flat_map(|family| &family.samples);
        let series = samples.map(|(_, value)| match value {
            MetricValue::Durations(counted) => counted.buckets.len() + 2,
            MetricValue::Count(_) | MetricValue::Amount(_) => 1,
        });
        series.sum()
    }

    /// The metrics that have values.
    pub fn specs(&self) -> impl Iterator<Item = &'static MetricSpec> {
        self.families.iter().map(|family| family.spec)
    }

    /// The page as text.
    ///
    /// # Errors
    /// When a value cannot be written, which is a fault of Muster.
    pub fn text(self, format: PageFormat) -> Result<String, fmt::Error> {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self));
        let mut page = String::new();
        match format {
            PageFormat::OpenMetrics => text::encode(&mut page, &registry)?,
            PageFormat::Classic => prometheus_text::encode(&mut page, &registry)?,
        }
        Ok(page)
    }
}

/// No labels.
const NONE: [&str; 0] = [];

impl Collector for MetricsPage {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        for MetricFamily { spec, samples } in &self.families {
            let unit = unit(spec.unit);
            let form = match spec.form {
                MetricForm::Counter => MetricType::Counter,
                MetricForm::Gauge => MetricType::Gauge,
                MetricForm::Histogram => MetricType::Histogram,
                MetricForm::Info => MetricType::Info,
            };
            // A full stop would make one sentence of each.
            let mut metric = encoder.encode_descriptor(spec.name, &format!("{}.", spec.help), unit.as_ref(), form)?;
            for (values, value) in samples {
                let labels: Vec<(&str, &str)> =
                    spec.labels.iter().copied().zip(values.iter().map(|value| &**value)).collect();
                match (spec.form, labels.is_empty()) {
                    (MetricForm::Info, _) => metric.encode_info(&labels)?,
                    (_, true) => put(&mut metric, spec.form, value)?,
                    (_, false) => put(&mut metric.encode_family(&labels)?, spec.form, value)?,
                }
            }
        }
        Ok(())
    }
}

fn unit(unit: MetricUnit) -> Option<Unit> {
    match unit {
        MetricUnit::None => None,
        MetricUnit::Seconds => Some(Unit::Seconds),
        MetricUnit::Bytes => Some(Unit::Bytes),
        MetricUnit::Ratio => Some(Unit::Other("ratio".to_owned())),
    }
}

/// Writes one value.
fn put(metric: &mut MetricEncoder<'_>, form: MetricForm, value: &MetricValue) -> Result<(), fmt::Error> {
    match (form, value) {
        (MetricForm::Counter, MetricValue::Count(count)) => metric.encode_counter::<NoLabelSet, _, f64>(count, None),
        (MetricForm::Counter, MetricValue::Amount(amount)) => metric.encode_counter::<NoLabelSet, _, f64>(amount, None),
        (_, MetricValue::Count(count)) => metric.encode_gauge(count),
        (_, MetricValue::Amount(amount)) => metric.encode_gauge(amount),
        (_, MetricValue::Durations(CountedDurations { count, seconds, buckets })) => {
            metric.encode_histogram::<NoLabelSet>(*seconds, *count, buckets, None)
        }
    }
}
