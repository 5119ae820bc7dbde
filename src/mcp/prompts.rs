//! Prompts: tasks that people start from their client's menu.

use rmcp::model::{GetPromptResult, JsonObject, Prompt, PromptArgument, PromptMessage, Role};

use super::error::Fault;
use super::tools::arguments::Arguments;
use crate::model::text::shown;

const NAME: &str = "fleet_health_check";
const DESCRIPTION: &str = "Checks the health of all running instances, or of those with a tag.";

/// What its arguments are called, and what they mean.
const ARGUMENTS: [(&str, &str); 2] = [
    ("tag", "Only instances with this tag, as KEY=VALUE; the value may hold * and ?"),
    ("region", "Only instances in this region"),
];
/// Arguments that work, for error messages.
const EXAMPLE: &str = r#"{"tag": "Team=web", "region": "us-east-1"}"#;
/// The longest value: a tag has up to 128 characters in its key and 256 in its value.
const LONGEST: usize = 400;

/// Every prompt, in a fixed order.
#[must_use]
pub fn all() -> Vec<Prompt> {
    let arguments = ARGUMENTS
        .map(|(name, description)| PromptArgument::new(name).with_description(description).with_required(false));
    vec![Prompt::new(NAME, Some(DESCRIPTION), Some(arguments.to_vec())).with_title("Fleet health check")]
}

/// The messages of a prompt.
///
/// # Errors
/// When there is no prompt of that name, or its arguments are others.
pub fn get(name: &str, arguments: Option<&JsonObject>) -> Result<GetPromptResult, Fault> {
    if name != NAME {
        return Err(Fault::UnknownPrompt(shown(name, 80)));
    }
    let known = ARGUMENTS.map(|(name, _)| name);
    let arguments = Arguments::of_prompt(NAME, &known, EXAMPLE, arguments.cloned().unwrap_or_default())?;
    let argument = |name: &str| -> Result<Option<String>, Fault> {
        let Some(value) = arguments.text(name)? else { return Ok(None) };
        // A value that is cut, or from which something is left out, asks for something else.
        if shown(value, LONGEST) != value {
            let expected = format!("at most {LONGEST} visible characters");
            return Err(arguments.form(name, &expected, &value.into()).into());
        }
        Ok(Some(value.to_owned()))
    };
    let mut filters = String::from(r#"{"Name": "instance-state-name", "Values": ["running"]}"#);
    if let Some(tag) = argument("tag")? {
        let (key, value) = tag.split_once('=').unwrap_or((&tag, "*"));
        if key.trim().is_empty() {
            return Err(arguments.form("tag", "KEY=VALUE", &tag.as_str().into()).into());
        }
        let tag = serde_json::json!({"Name": format!("tag:{key}"), "Values": [value]});
        filters = format!("{filters}, {tag}");
    }
    let region = argument("region")?.map_or_else(String::new, |region| format!(" with region \"{region}\""));
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
