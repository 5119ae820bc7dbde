//! Canaries: custom events that prove that a rule works by coming back through the queue. `muster serve` and `muster doctor` send
//! them.

use serde_json::{Map, json};

use super::bus::CustomEvent;
use crate::kinds::rules::{CANARY_SOURCE, RULES};
use crate::model::Timestamp;

/// One canary for each rule, from `sent_by`, dated `at`; `name` is the prefix of the rules' names.
pub fn canaries(name: &str, sent_by: &str, at: Timestamp) -> impl Iterator<Item = CustomEvent> {
    RULES.iter().map(move |rule| {
        let said = [("sent_by".to_owned(), json!(sent_by)), ("sent_at".to_owned(), json!(at))];
        CustomEvent {
            source: CANARY_SOURCE.to_owned(),
            detail_type: rule.canary_type(name),
            detail: rule.canary_detail(Map::from_iter(said)).to_string(),
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::model::Clock as _;

    #[test]
    fn there_is_a_canary_for_each_rule_with_its_sender_and_date() {
        let at = super::super::clock::AwsClock::default().now();
        let canaries: Vec<CustomEvent> = canaries("a", "serve-1", at).collect();
        assert_eq!(canaries.len(), RULES.len());
        for (rule, canary) in RULES.iter().zip(canaries) {
            assert_eq!(canary.detail_type, rule.canary_type("a"));
            let detail: Value = serde_json::from_str(&canary.detail).unwrap();
            assert_eq!(detail["sent_by"], "serve-1");
            assert_eq!(Timestamp::parse(detail["sent_at"].as_str().unwrap()), Some(at), "it comes back as it went");
        }
    }
}
