//! The arguments `instance_ids` and `instance_id`.

use std::borrow::Cow;

use rmcp::schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use super::ArgumentError;
use crate::model::Named;

/// Up to `MAX` instances: a list of ids, or a lone one.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct InstanceArguments<const MAX: usize> {
    #[serde(default)]
    instance_ids: Vec<String>,
    instance_id: Option<String>,
}

impl<const MAX: usize> JsonSchema for InstanceArguments<MAX> {
    fn schema_name() -> Cow<'static, str> {
        "Instances".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "properties": {
                "instance_ids": {
                    "type": "array",
                    "items": {"type": "string", "pattern": "^i-[0-9a-zA-Z]+$"},
                    "minItems": 1,
                    "maxItems": MAX,
                    "description": "The EC2 instance IDs. search_inventory finds them by name, tag or state.",
                },
                "instance_id": {
                    "type": "string",
                    "description": "A single EC2 instance ID, instead of instance_ids.",
                },
            },
        })
    }
}

impl<const MAX: usize> InstanceArguments<MAX> {
    /// Whether none is named.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.instance_ids.is_empty() && self.instance_id.is_none()
    }

    /// The instances, each once, in the order in which they were given.
    ///
    /// # Errors
    /// When there are none, more than `MAX`, or one does not look like an instance id.
    pub fn ids(&self) -> Result<Vec<String>, ArgumentError> {
        let mut ids: Vec<String> = Vec::new();
        let listed = self.instance_ids.iter().map(|id| ("instance_ids", id));
        for (name, id) in listed.chain(self.instance_id.iter().map(|id| ("instance_id", id))) {
            let id = id.trim();
            if !is_instance_id(id) {
                let expected = "instance ids such as i-0123456789abcdef0 (search_inventory finds ids by name or tag)";
                return Err(ArgumentError::form(name, expected, id));
            }
            if !ids.iter().any(|known| known == id) {
                ids.push(id.to_owned());
            }
        }
        match ids.len() {
            0 => Err(ArgumentError::missing("instance_ids")),
            count if count > MAX => {
                let expected = format!("at most {MAX} ids: use several calls");
                Err(ArgumentError::form("instance_ids", &expected, format!("{count} ids")))
            }
            _ => Ok(ids),
        }
    }

    /// The instances that a call which changes AWS may reach: those named here, and no others.
    ///
    /// # Errors
    /// As for [`InstanceArguments::ids`].
    pub fn named(&self) -> Result<Named, ArgumentError> {
        self.ids().map(Named::parsed_from_arguments)
    }
}

fn is_instance_id(text: &str) -> bool {
    let rest = text.strip_prefix("i-").unwrap_or_default();
    (1..=40).contains(&rest.len()) && rest.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::mcp::tools::arguments::read;
    use crate::mcp::tools::get_instance_status::SPEC;

    fn ids(given: Value) -> Result<Vec<String>, ArgumentError> {
        let Value::Object(given) = given else { panic!("an object") };
        read::<InstanceArguments<5>>(SPEC.clean(given)?)?.ids()
    }

    #[test]
    fn instance_ids_are_taken_alone_or_together_and_each_once() {
        let given = json!({"instance_ids": ["i-1", " i-2", "i-1"], "instance_id": "i-3"});
        assert_eq!(ids(given).unwrap(), ["i-1", "i-2", "i-3"]);
    }

    #[test]
    fn what_is_no_instance_id_is_refused_with_a_way_to_find_one() {
        for given in [json!({"instance_id": "web-1"}), json!({"instance_ids": [7]}), json!({"instance_ids": ["i-"]})] {
            let error = ids(given).unwrap_err();
            assert!(error.to_string().contains("argument `instance_id"), "{error}");
        }
        let none = ids(json!({})).unwrap_err();
        assert!(none.to_string().contains("needs the argument `instance_ids`"), "{none}");
        let many: Vec<String> = (0..6).map(|n| format!("i-{n}")).collect();
        let many = ids(json!({"instance_ids": many})).unwrap_err();
        assert!(many.to_string().contains("at most 5 ids"));
    }
}
