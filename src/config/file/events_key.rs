//! Reads `events` of an entry of a configuration file: where the events of its accounts come from.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::de::{DeTable, DeValue};

use super::account_entry::{AccountList, EVENTS};
use super::reading::{Spot, entries, entry, plain};
use crate::aws::queue::Queue;
use crate::aws::{EventPlan, EventWay};
use crate::config::checks;
use crate::config::events_name::EventsName;
use crate::model::Region;

/// What says that no events are received.
const OFF: &str = "off";

impl AccountList<'_, '_> {
    /// Reads the key, if it is there: one way, or a table of ways by region. `path` is that of the table, with a dot at its end.
    pub(super) fn events(&mut self, table: &DeTable<'_>, path: &str) -> EventPlan {
        let Some(Spot { value, span, .. }) = entry(table, EVENTS) else { return EventPlan::default() };
        let path = format!("{path}{EVENTS}");
        let DeValue::Table(table) = value else {
            return EventPlan { usual: self.event_way(value, span, &path), by_region: BTreeMap::new() };
        };
        if entries(table).next().is_none() {
            self.reading.fault(Some(span), Some(&path), "it is empty: give a queue by region, or leave the key out");
        }
        let mut by_region = BTreeMap::new();
        for Spot { key, key_span, value, span } in entries(table) {
            let region = match checks::named_region(&path, key, self.has_endpoint) {
                Ok(region) => region,
                Err(error) => {
                    self.reading.fault(Some(key_span), None, &error.to_string());
                    continue;
                }
            };
            if let Some(way) = self.event_way(value, span, &format!("{path}.{key}")) {
                by_region.insert(Region::new(region), way);
            }
        }
        EventPlan { usual: None, by_region }
    }

    fn event_way(&mut self, value: &DeValue<'_>, span: Range<usize>, path: &str) -> Option<EventWay> {
        let text = plain(value).map(|text| text.trim().to_owned());
        match text.as_deref().map(way) {
            Some(Ok(way)) => return Some(way),
            Some(Err(what)) => self.reading.fault(Some(span), Some(path), &what),
            None => {
                let what = "it must be a text: the name that queues begin with, the URL or ARN of a queue, or off";
                self.reading.fault(Some(span), Some(path), what);
            }
        }
        None
    }
}

/// What a text names.
fn way(text: &str) -> Result<EventWay, String> {
    if text.eq_ignore_ascii_case(OFF) {
        return Ok(EventWay::Off);
    }
    if text.starts_with("arn:") {
        return Queue::of_arn(text).map(EventWay::Queue).map_err(|error| error.to_string());
    }
    if text.contains("://") {
        return text.parse().map(EventWay::Queue).map_err(|error: crate::aws::queue::QueueError| error.to_string());
    }
    let name: EventsName = text.parse().map_err(|error| format!("{error}; or the URL or ARN of a queue, or off"))?;
    Ok(EventWay::Named(name.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queue_is_named_by_the_beginning_of_its_name_by_its_url_or_by_its_arn() {
        assert_eq!(way("off"), Ok(EventWay::Off));
        assert_eq!(way("OFF"), Ok(EventWay::Off));
        assert_eq!(way("team"), Ok(EventWay::Named("team".to_owned())));
        let url = "https://sqs.eu-west-1.amazonaws.com/111122223333/muster-central-events";
        let arn = "arn:aws:sqs:eu-west-1:111122223333:muster-central-events";
        assert_eq!(way(arn), way(url), "it is received from once, however it is named");
        assert!(matches!(way(&format!("eu-west-1={url}")), Ok(EventWay::Queue(_))));
        let wrong = ["", "a b", "arn:aws:sns:eu-west-1:111122223333:t", "https://h", "arn:aws:sqs:eu-west-1:1:q"];
        for wrong in wrong {
            assert!(way(wrong).is_err(), "{wrong}");
        }
    }
}
