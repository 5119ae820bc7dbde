//! The rules that forward EventBridge's events to Muster: the pattern of each, and the canary that proves that it works.
//!
//! A rule's pattern matches any of its sources, any of its detail types, and any of the listed values of each detail field. Its
//! canary is a custom event whose source and detail type are in the same lists, with the detail fields that the pattern requires,
//! so the pattern that forwards AWS's events forwards the canary too. The canary's detail type names the rule, so a received
//! canary proves that rule and no other.
//!
//! Sources: EventBridge events reference, "Amazon EC2", "Tag Change Events on AWS Resources", "AWS Health" and "Amazon `CloudWatch`";
//! EventBridge user guide, "Creating event patterns" and "AWS service events delivered via CloudTrail".

use serde_json::{Map, Value, json};

/// The source of canaries. AWS refuses custom events whose source begins with `aws.`.
pub const CANARY_SOURCE: &str = "muster.canary";

/// What every canary's detail type begins with; the rule's name follows.
const CANARY_TYPE: &str = "Muster Canary ";

/// The default prefix of the names of rules and queues.
pub const DEFAULT_NAME: &str = "muster";

/// Every rule that Muster sets up, in the order shown.
pub static RULES: &[RuleSpec] = &[
    RuleSpec {
        slug: "instances",
        title: "State changes, spot interruptions and rebalance recommendations of instances",
        source: "aws.ec2",
        detail_types: &[
            "EC2 Instance State-change Notification",
            "EC2 Spot Instance Interruption Warning",
            "EC2 Instance Rebalance Recommendation",
            "EC2 Spot Instance Rebalance Recommended",
        ],
        fields: &[],
    },
    RuleSpec {
        slug: "volumes",
        title: "EBS volumes and snapshots",
        source: "aws.ec2",
        detail_types: &[
            "EBS Volume Notification",
            "EBS Snapshot Notification",
            "EBS Multi-Volume Snapshots Completion Status",
        ],
        fields: &[],
    },
    RuleSpec {
        slug: "tags",
        title: "Tag changes of EC2 resources",
        source: "aws.tag",
        detail_types: &["Tag Change on Resource"],
        fields: &[("service", &["ec2"])],
    },
    RuleSpec {
        slug: "calls",
        title: "Calls of the EC2 API that change something, as a trail records them",
        source: "aws.ec2",
        detail_types: &["AWS API Call via CloudTrail"],
        fields: &[("eventSource", &["ec2.amazonaws.com"])],
    },
    RuleSpec {
        slug: "health",
        title: "AWS Health notices about EC2 and EBS",
        source: "aws.health",
        detail_types: &["AWS Health Event"],
        fields: &[("service", &["EC2", "EBS"])],
    },
    RuleSpec {
        slug: "alarms",
        title: "CloudWatch alarms by contributor, for status checks",
        source: "aws.cloudwatch",
        detail_types: &["CloudWatch Alarm Contributor State Change"],
        fields: &[],
    },
];

/// The rule for recorded API calls. Its events also prove that a trail logs.
pub const CALLS: &str = "calls";

/// One rule.
#[derive(Debug, PartialEq, Eq)]
pub struct RuleSpec {
    /// Its name within Muster, which is the end of its name in EventBridge.
    pub slug: &'static str,
    /// The events that it forwards, in words.
    pub title: &'static str,
    /// The AWS service whose events it forwards.
    pub source: &'static str,
    /// The detail types of the events.
    pub detail_types: &'static [&'static str],
    /// Detail fields that must have one of these values.
    pub fields: &'static [(&'static str, &'static [&'static str])],
}

/// The rule of this slug.
#[must_use]
pub fn by_slug(slug: &str) -> Option<&'static RuleSpec> {
    RULES.iter().find(|rule| rule.slug == slug)
}

impl RuleSpec {
    /// The rule's name in EventBridge, where everything that was set up begins with `name`.
    #[must_use]
    pub fn name(&self, name: &str) -> String {
        format!("{name}-{}", self.slug)
    }

    /// The rule's event pattern. Equal patterns are equal as JSON values.
    #[must_use]
    pub fn pattern(&self, name: &str) -> Value {
        let canary = self.canary_type(name);
        let types: Vec<&str> = self.detail_types.iter().copied().chain([canary.as_str()]).collect();
        let mut pattern = json!({ "source": [self.source, CANARY_SOURCE], "detail-type": types });
        if !self.fields.is_empty()
            && let Some(pattern) = pattern.as_object_mut()
        {
            let fields = self.fields.iter().map(|(field, values)| ((*field).to_owned(), json!(values)));
            pattern.insert("detail".to_owned(), Value::Object(fields.collect()));
        }
        pattern
    }

    /// The detail type of the rule's canaries.
    #[must_use]
    pub fn canary_type(&self, name: &str) -> String {
        format!("{CANARY_TYPE}{}", self.name(name))
    }

    /// The detail of a canary that the pattern matches, with `said` in it.
    #[must_use]
    pub fn canary_detail(&self, said: Map<String, Value>) -> Value {
        let first = |values: &&'static [&'static str]| values.first().map(|value| json!(value));
        let asked = self.fields.iter().filter_map(|(field, values)| Some(((*field).to_owned(), first(values)?)));
        Value::Object(asked.chain(said).collect())
    }
}

/// The rule that a canary's detail type names, and the name that everything set up with it begins with.
#[must_use]
pub fn of_canary(detail_type: &str) -> Option<(&'static RuleSpec, &str)> {
    let named = detail_type.strip_prefix(CANARY_TYPE)?;
    RULES.iter().find_map(|rule| Some((rule, named.strip_suffix(rule.slug)?.strip_suffix('-')?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::KINDS;

    #[test]
    fn a_canary_names_its_rule_and_nothing_else_does() {
        for rule in RULES {
            let named = rule.canary_type("a-b");
            assert_eq!(of_canary(&named), Some((rule, "a-b")));
        }
        for other in ["Muster Canary a-unknown", "Muster Canary instances", "Tag Change on Resource", ""] {
            assert_eq!(of_canary(other), None, "{other}");
        }
    }

    #[test]
    fn a_pattern_lists_the_canary_beside_what_aws_sends() {
        let tags = by_slug("tags").unwrap();
        let expected = json!({
            "source": ["aws.tag", "muster.canary"],
            "detail-type": ["Tag Change on Resource", "Muster Canary muster-tags"],
            "detail": { "service": ["ec2"] }
        });
        assert_eq!(tags.pattern(DEFAULT_NAME), expected);
        let detail = tags.canary_detail(Map::from_iter([("sent_by".to_owned(), json!("x"))]));
        assert_eq!(detail, json!({ "service": "ec2", "sent_by": "x" }));
    }

    #[test]
    fn no_type_of_event_comes_through_two_rules_and_every_kind_names_rules_that_exist() {
        let mut types: Vec<(&str, &str)> =
            RULES.iter().flat_map(|rule| rule.detail_types.iter().map(|kind| (rule.source, *kind))).collect();
        let all = types.len();
        types.sort_unstable();
        types.dedup();
        assert_eq!(types.len(), all);
        for spec in KINDS {
            assert!(spec.event_rules.iter().all(|slug| by_slug(slug).is_some()), "{}", spec.slug);
            assert_eq!(spec.event_rules.is_empty(), spec.relaxed.is_none(), "{}", spec.slug);
        }
    }
}
