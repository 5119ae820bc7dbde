//! Prompts: tasks that people start from their client's menu.

use rmcp::model::{GetPromptResult, JsonObject, Prompt, PromptArgument, PromptMessage, Role};
use rmcp::schemars::{self, JsonSchema};
use serde::Deserialize;
use serde_json::Value;

use super::error::RequestError;
use super::tools::arguments::coerce::Care;
use super::tools::arguments::{self, ArgumentError};
use super::tools::schema::ToolSchema;
use crate::model::text::shown;

const NAME: &str = "fleet_health_check";
const DESCRIPTION: &str = "Checks the health of all running instances, or of those with a tag.";

/// Arguments that work, for error messages.
const EXAMPLE: &str = r#"{"tag": "Team=web", "region": "us-east-1"}"#;
/// The longest value: a tag has up to 128 characters in its key and 256 in its value.
const MAX_VALUE: usize = 400;

/// Which instances are checked.
#[derive(Debug, Deserialize, JsonSchema)]
struct Arguments {
    /// Only instances with this tag, as KEY=VALUE; the value may hold * and ?
    tag: Option<String>,
    /// Only instances in this region
    region: Option<String>,
}

static SCHEMA: ToolSchema = ToolSchema::of_arguments::<Arguments>();

/// Every prompt, in a fixed order.
#[must_use]
pub fn all() -> Vec<Prompt> {
    let properties = SCHEMA.json().get("properties").and_then(Value::as_object);
    let arguments = properties.into_iter().flatten().map(|(name, schema)| {
        let description = schema.get("description").and_then(Value::as_str).unwrap_or_default();
        PromptArgument::new(name).with_description(description).with_required(false)
    });
    vec![Prompt::new(NAME, Some(DESCRIPTION), Some(arguments.collect())).with_title("Fleet health check")]
}

/// The messages of a prompt.
///
/// # Errors
/// When there is no prompt of that name, or its arguments are invalid.
pub fn get(name: &str, arguments: Option<&JsonObject>) -> Result<GetPromptResult, RequestError> {
    if name != NAME {
        return Err(RequestError::UnknownPrompt(shown(name, 80)));
    }
    message(arguments.cloned().unwrap_or_default()).map_err(|fault| fault.with_example(EXAMPLE))
}

/// Refuses a value that would have to be cut or cleaned to fit into the message, because that would change its meaning.
fn whole(name: &str, value: Option<String>) -> Result<Option<String>, RequestError> {
    match value {
        Some(value) if shown(&value, MAX_VALUE) != value => {
            let expected = format!("at most {MAX_VALUE} visible characters");
            Err(ArgumentError::form(name, &expected, value).into())
        }
        value => Ok(value),
    }
}

fn message(given: JsonObject) -> Result<GetPromptResult, RequestError> {
    let Arguments { tag, region } = arguments::read(arguments::clean(NAME, SCHEMA.json(), Care::Read, given)?)?;
    let (tag, region) = (whole("tag", tag)?, whole("region", region)?);
    let mut filters = String::from(r#"{"Name": "instance-state-name", "Values": ["running"]}"#);
    if let Some(tag) = tag {
        let (key, value) = tag.split_once('=').unwrap_or((&tag, "*"));
        if key.trim().is_empty() {
            return Err(ArgumentError::form("tag", "KEY=VALUE", tag).into());
        }
        let tag = serde_json::json!({"Name": format!("tag:{key}"), "Values": [value]});
        filters = format!("{filters}, {tag}");
    }
    let region = region.map_or_else(String::new, |region| format!(" with region \"{region}\""));
    let text = format!(
        "Check the health of my EC2 fleet.\n\
         1. Call get_inventory_summary. If something is stale, incomplete or failing, tell me first, with the fix.\n\
         2. Call search_inventory{region} with filters [{filters}], and follow next_cursor to the end.\n\
         3. Call get_instance_status for these instances, up to 100 at a time.\n\
         4. Report a table of every instance whose system, instance or EBS check is not ok, whose state is provisional, or \
         which has a scheduled event, with what is wrong and since when; then the number of healthy ones; then what you \
         recommend. Say as of what time this is. Change nothing."
    );
    Ok(GetPromptResult::new(vec![PromptMessage::new_text(Role::User, text)]).with_description(DESCRIPTION))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tag_becomes_a_filter_and_cannot_break_out_of_it() {
        let arguments = serde_json::json!({"tag": "Team=a\"]}b", "region": "eu-west-1"});
        let result = get(NAME, arguments.as_object()).unwrap();
        let text = serde_json::to_value(&result.messages).unwrap()[0]["content"]["text"].as_str().unwrap().to_owned();
        assert!(text.contains(r#"{"Name":"tag:Team","Values":["a\"]}b"]}"#), "{text}");
        assert!(text.contains("with region \"eu-west-1\""), "{text}");
    }

    #[test]
    fn blank_arguments_are_absent_and_others_are_refused_by_name() {
        let text = |arguments: serde_json::Value| {
            let result = get(NAME, arguments.as_object()).map_err(|fault| fault.to_string())?;
            Ok::<_, String>(serde_json::to_value(&result.messages).unwrap()[0]["content"]["text"].to_string())
        };
        let plain = text(serde_json::json!({})).unwrap();
        for blank in ["", "  "] {
            assert_eq!(text(serde_json::json!({"tag": blank, "region": blank})).as_ref(), Ok(&plain));
        }
        assert_eq!(text(serde_json::json!({"tag": null})).as_ref(), Ok(&plain));
        assert!(text(serde_json::json!({"tag": "=web"})).unwrap_err().contains("`tag` must be KEY=VALUE"));
        assert!(text(serde_json::json!({"tag": ["Team=web"]})).unwrap_err().contains("`tag` must be text"));
        assert!(text(serde_json::json!({"tag": "x".repeat(500)})).unwrap_err().contains("`tag` must be at most"));
        assert!(text(serde_json::json!({"regio": "a"})).unwrap_err().contains("did you mean `region`?"));
    }

    #[test]
    fn an_unknown_prompt_names_the_known_one() {
        assert!(get("fleet", None).unwrap_err().to_string().contains(NAME));
    }
}
