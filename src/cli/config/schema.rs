//! `muster config schema`: the JSON schema of a configuration file, made of what its reader takes.

use serde_json::{Map, Value, json};

use super::super::file_settings::{SettingForm, SettingKey, keys};
use super::super::server_flags::FileFlags;
use crate::config::KindName;
use crate::config::file::{
    ACCOUNT_KEYS, ACCOUNTS, AccountKey, GRANT_KEYS, GRANTS, ISSUER_KEYS, ISSUERS, KeyForm, ORGANIZATION,
    ORGANIZATION_KEYS, ROLE_KEYS,
};
use crate::kinds::KINDS;

/// The key of the kinds that are watched.
const KINDS_WATCHED: &str = "kinds";

/// The name that stands for every kind.
const ALL: &str = "all";

/// Returns the schema.
pub(super) fn schema() -> Value {
    let mut properties: Map<String, Value> = keys::<FileFlags>().iter().map(property).collect();
    let accounts = json!({
        "description": "The accounts to watch. Without it the account of the credentials is watched.",
        "type": "array",
        "minItems": 1,
        "items": table(&ACCOUNT_KEYS, &json!([{"required": ["profile"]}, {"required": ["role_arn"]}])),
    });
    properties.insert(ACCOUNTS.to_owned(), accounts);
    let mut organization = table(&ORGANIZATION_KEYS, &json!([{"required": ["role_name"]}]));
    if let Value::Object(schema) = &mut organization {
        schema.insert("description".to_owned(), "How the accounts of an organization are found and reached.".into());
    }
    properties.insert(ORGANIZATION.to_owned(), organization);
    for (list, keys, required, about) in [
        (ISSUERS, &ISSUER_KEYS[..], "issuer", "The OAuth issuers whose access tokens are accepted over HTTP."),
        (GRANTS, &GRANT_KEYS[..], "name", "What tokens of clients over HTTP let see and change, by name."),
    ] {
        let items = table(keys, &json!([{"required": [required]}]));
        properties.insert(list.to_owned(), json!({"description": about, "type": "array", "items": items}));
    }
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Configuration of Muster",
        "type": "object",
        "additionalProperties": false,
        "properties": properties,
    })
}

fn property(key: &SettingKey) -> (String, Value) {
    let one = || {
        if key.key == KINDS_WATCHED {
            return json!({"enum": KindName::every().collect::<Vec<_>>()});
        }
        if key.values.is_empty() { json!({"type": ["string", "number"]}) } else { json!({"enum": key.values}) }
    };
    let several = || json!({"type": "array", "items": one(), "minItems": 1});
    let mut schema = match key.form {
        SettingForm::One => one(),
        SettingForm::Several => json!({"anyOf": [one(), several()]}),
        SettingForm::Switch => json!({"type": "boolean"}),
        SettingForm::SwitchOrOne => json!({"anyOf": [{"type": "boolean"}, one()]}),
        SettingForm::SwitchOrSeveral => json!({"anyOf": [{"type": "boolean"}, one(), several()]}),
        SettingForm::Intervals => {
            let kinds: Vec<&str> = KINDS.iter().map(|spec| spec.slug).chain([ALL]).collect();
            json!({"type": "object", "propertyNames": {"enum": kinds}, "additionalProperties": {"type": "string"}})
        }
    };
    if let Value::Object(schema) = &mut schema {
        schema.insert("description".to_owned(), key.about.as_str().into());
    }
    (key.key.clone(), schema)
}

/// The schema of a table that has some of these keys, and one of these combinations.
fn table(keys: &[AccountKey], combinations: &Value) -> Value {
    let properties = keys.iter().map(|AccountKey { name, form, about }| {
        let mut schema = match form {
            KeyForm::Text => json!({"type": ["string", "integer"]}),
            KeyForm::Switch => json!({"type": "boolean"}),
            KeyForm::Share => json!({"type": ["number", "string"]}),
            KeyForm::Regions | KeyForm::Texts => {
                let name = json!({"type": "string"});
                json!({"anyOf": [name, {"type": "array", "items": name, "minItems": 1}]})
            }
            KeyForm::Events => {
                let one = json!({"type": "string"});
                json!({"anyOf": [one, {"type": "object", "additionalProperties": one, "minProperties": 1}]})
            }
            KeyForm::TextsByName => {
                let name = json!({"type": "string"});
                let names = json!({"anyOf": [name, {"type": "array", "items": name, "minItems": 1}]});
                json!({"type": "object", "additionalProperties": names})
            }
            KeyForm::Roles => {
                json!({"type": "array", "items": table(&ROLE_KEYS, &json!([{"required": ["role_arn"]}]))})
            }
        };
        if let Value::Object(schema) = &mut schema {
            schema.insert("description".to_owned(), (*about).into());
        }
        ((*name).to_owned(), schema)
    });
    json!({
        "type": "object",
        "additionalProperties": false,
        "properties": properties.collect::<Map<String, Value>>(),
        "oneOf": combinations,
    })
}
