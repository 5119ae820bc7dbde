//! `TagSpecification.N`: the tags a call puts on what it makes.

use crate::simulator::refusal::Refusal;
use crate::simulator::request::Params;
use crate::simulator::tags::Tags;

/// The tags of what a call is to make, which is a `wanted` (`volume`, `snapshot`, ...).
pub(super) fn parse(params: &Params, wanted: &str) -> Result<Tags, Refusal> {
    let mut tags = Tags::default();
    for n in 1_u32.. {
        let Some(kind) = params.get(&format!("TagSpecification.{n}.ResourceType")) else { break };
        if kind != wanted {
            return Err(Refusal::invalid_value(format!(
                "'{kind}' is not a valid taggable resource type for this operation."
            )));
        }
        for m in 1_u32.. {
            let tag = format!("TagSpecification.{n}.Tag.{m}");
            let Some(key) = params.get(&format!("{tag}.Key")) else { break };
            if key.starts_with("aws:") {
                return Err(Refusal::invalid_value(format!("Tag keys starting with 'aws:' are reserved: {key}")));
            }
            tags.put(key.to_owned(), params.get(&format!("{tag}.Value")).unwrap_or_default().to_owned());
        }
    }
    Ok(tags)
}
