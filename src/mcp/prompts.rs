//! Prompts: tasks that people start from their client's menu.

use rmcp::model::{GetPromptResult, JsonObject, Prompt, PromptArgument, PromptMessage, Role};
use serde_json::Value;

use super::error::Fault;
use crate::model::text::shown;

const NAME: &str = "fleet_health_check";
const DESCRIPTION: &str = "Checks the health of all running instances, or of those with a tag.";

/// Every prompt, in a fixed order.
#[must_use]
pub fn all() -> Vec<Prompt> {
    let arguments = [
        ("tag", "Only instances with this tag, as KEY=VALUE; the value may hold * and ?"),
        ("region", "Only instances in this region"),
    ];
    let arguments = arguments
        .map(|(name, description)| PromptArgument::new(name).with_description(description).with_required(false));
    vec![Prompt::new(NAME, Some(DESCRIPTION), Some(arguments.to_vec())).with_title("Fleet health check")]
}

/// The messages of a prompt.
///
/// # Errors
/// When there is no prompt of that name.
pub fn get(name: &str, arguments: Option<&JsonObject>) -> Result<GetPromptResult, Fault> {
    if name != NAME {
        return Err(Fault::UnknownPrompt(shown(name, 80)));
    }
    let argument = |name: &str| {
        let value = arguments.and_then(|arguments| arguments.get(name)).and_then(Value::as_str);
        value.map(|value| shown(value, 200)).filter(|value| !value.is_empty())
    };
    let mut filters = String::from(r#"{"Name": "instance-state-name", "Values": ["running"]}"#);
    if let Some(tag) = argument("tag") {
        let (key, value) = tag.split_once('=').unwrap_or((&tag, "*"));
        let tag = serde_json::json!({"Name": format!("tag:{key}"), "Values": [value]});
        filters = format!("{filters}, {tag}");
    }
    let region = argument("region").map_or_else(String::new, |region| format!(" with region \"{region}\""));
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
    fn an_unknown_prompt_names_the_known_one() {
        assert!(get("fleet", None).unwrap_err().to_string().contains(NAME));
    }
}
