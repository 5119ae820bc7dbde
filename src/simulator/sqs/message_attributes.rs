//! The attributes that a sender adds to a message: their digest, and the selection for a receiver.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};

use crate::simulator::md5;
use crate::simulator::refusal::Refusal;

/// `MD5OfMessageAttributes`: a digest of names, types and values, sorted by name; `None` when there are no attributes.
///
/// The layout is in the SQS developer guide, "Calculating the MD5 message digest for message attributes".
///
/// # Errors
/// When an attribute has no type, or no value of its type.
pub(super) fn digest(attributes: &Map<String, Value>) -> Result<Option<String>, Refusal> {
    if attributes.is_empty() {
        return Ok(None);
    }
    if attributes.len() > 10 {
        return Err(Refusal::invalid_value(format!(
            "Number of message attributes [{}] exceeds the allowed maximum [10].",
            attributes.len()
        )));
    }
    let mut sorted: Vec<(&String, &Value)> = attributes.iter().collect();
    sorted.sort_unstable_by_key(|(name, _)| *name);
    let mut bytes = Vec::new();
    for (name, value) in sorted {
        let wrong = |what: &str| Refusal::invalid_value(format!("The message attribute '{name}' {what}."));
        let member = |key: &str| value.get(key).and_then(Value::as_str);
        let data_type = member("DataType").ok_or_else(|| wrong("must contain a non-empty message attribute type"))?;
        let (transport, value) = match data_type.split('.').next() {
            Some("String" | "Number") => (1, member("StringValue").map(|text| text.as_bytes().to_vec())),
            Some("Binary") => (2, member("BinaryValue").and_then(|text| STANDARD.decode(text).ok())),
            _ => return Err(wrong("has an invalid message attribute type")),
        };
        let value = value.filter(|value| !value.is_empty());
        let value = value.ok_or_else(|| wrong("must contain a non-empty message attribute value"))?;
        framed(&mut bytes, name.as_bytes());
        framed(&mut bytes, data_type.as_bytes());
        bytes.push(transport);
        framed(&mut bytes, &value);
    }
    Ok(Some(md5::hex(&bytes)))
}

/// The attributes that a receiver asked for: `All`, names, or prefixes of names such as `begin.*`.
pub(super) fn pick(attributes: &Map<String, Value>, names: &[String]) -> Map<String, Value> {
    let wanted = |name: &str| {
        names.iter().any(|asked| match asked.strip_suffix(".*") {
            Some(begin) => name.starts_with(begin),
            None => asked == "All" || asked == name,
        })
    };
    attributes.iter().filter(|(name, _)| wanted(name)).map(|(name, value)| (name.clone(), value.clone())).collect()
}

fn framed(out: &mut Vec<u8>, part: &[u8]) {
    let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(part);
}
