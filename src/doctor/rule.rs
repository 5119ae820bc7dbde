//! Whether a rule is there, lets events through, and has the pattern that it was set up with.

use serde_json::Value;

use super::finding::{Check, Finding, Outcome};
use crate::aws::bus::RuleState;
use crate::kinds::rules::RuleSpec;
use crate::setup::drift::plain;

pub(crate) static CHECK: Check = Check {
    name: "rule",
    title: "Each EventBridge rule is there, enabled, and has the pattern that `muster setup` gives it",
};

/// The state in which CloudTrail's records of describes come through as well.
const WITH_READS: &str = "ENABLED_WITH_ALL_CLOUDTRAIL_MANAGEMENT_EVENTS";

/// `fix` is what mends it.
pub(crate) fn judge(rule: &RuleSpec, name: &str, fix: &str, outcome: &Outcome<Option<RuleState>>) -> Finding {
    let subject = rule.name(name);
    let found = match outcome {
        Err(why) => return CHECK.unanswered(subject, why),
        Ok(None) => return CHECK.failed(subject, "there is no such rule", fix),
        Ok(Some(found)) => found,
    };
    if !found.enabled {
        return CHECK.failed(subject, format!("it is off (state {}): no event comes through it", found.state), fix);
    }
    let wanted = rule.pattern(name);
    match serde_json::from_str::<Value>(&found.pattern) {
        Ok(pattern) if plain(&pattern) == plain(&wanted) => {}
        pattern => {
            let differs = pattern.map_or_else(|_| "it has no event pattern".to_owned(), |found| drift(&wanted, &found));
            return CHECK.failed(subject, format!("its pattern was changed: {differs}"), fix);
        }
    }
    if found.state == WITH_READS {
        let fact = format!("it is {WITH_READS}: records of Muster's own describes fill the queue");
        return CHECK.warning(subject, fact, fix);
    }
    CHECK.ok(subject, "enabled, with the right pattern")
}

/// Which fields of a pattern differ.
fn drift(wanted: &Value, found: &Value) -> String {
    let none = serde_json::Map::new();
    let fields = |of: &Value| of.as_object().unwrap_or(&none).clone();
    let (wanted, found) = (fields(wanted), fields(found));
    let told = wanted.keys().chain(found.keys().filter(|name| !wanted.contains_key(*name))).filter_map(|name| {
        match (wanted.get(name), found.get(name)) {
            (Some(wanted), Some(found)) if plain(wanted) == plain(found) => None,
            (Some(wanted), Some(found)) => Some(format!("{name} is {found} in place of {wanted}")),
            (Some(wanted), None) => Some(format!("{name} is missing, {wanted} should be there")),
            (None, found) => Some(format!("{name} should not be there: {}", found.unwrap_or(&Value::Null))),
        }
    });
    told.collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::super::finding::tests::denied;
    use super::*;
    use crate::kinds::rules::by_slug;

    fn state(pattern: &str, state: &str) -> RuleState {
        let enabled = state != "DISABLED";
        let (arn, description) = (String::new(), String::new());
        RuleState { arn, pattern: pattern.to_owned(), enabled, state: state.to_owned(), description }
    }

    #[test]
    fn a_rule_that_is_off_changed_or_gone_fails_with_what_differs() {
        let rule = by_slug("tags").unwrap();
        let right = rule.pattern("muster").to_string();
        let told = |outcome| judge(rule, "muster", "mend it", &outcome);
        let judged = |state| told(Ok(Some(state)));
        assert_eq!(judged(state(&right, "ENABLED")).verdict, Verdict::Ok);
        // The order of keys and blanks mean nothing.
        let (detail, rest) = (r#"{"detail": {"service": ["ec2"]}, "#, right.split_once('{').unwrap().1);
        let reordered = detail.to_owned() + &rest.replace(r#","detail":{"service":["ec2"]}"#, "");
        assert_eq!(judged(state(&reordered, "ENABLED")).verdict, Verdict::Ok, "{reordered}");
        assert!(judged(state(&right, "DISABLED")).fact.contains("it is off"));
        assert_eq!(judged(state(&right, WITH_READS)).verdict, Verdict::Warning);
        let changed = judged(state(r#"{"source":["aws.tag"],"x":[1]}"#, "ENABLED"));
        assert_eq!(changed.verdict, Verdict::Failed);
        for part in [r#"source is ["aws.tag"] in place of"#, "detail-type is missing", "x should not be there: [1]"] {
            assert!(changed.fact.contains(part), "{part}: {}", changed.fact);
        }
        assert_eq!(told(Ok(None)).fix.as_deref(), Some("mend it"));
        assert_eq!(told(Err(denied("events:DescribeRule"))).verdict, Verdict::Skipped);
    }
}
