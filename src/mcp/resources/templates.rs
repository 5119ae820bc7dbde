//! The URI templates that clients fill in.

use rmcp::model::ResourceTemplate;

use super::JSON;
use crate::kinds::{KINDS, KindSpec};
use crate::mcp::uri::status_segment;

/// The template of one scope's collections.
pub const COLLECTION: &str = "ec2://inventory/{account}/{region}/{kind}";
/// The template of one resource in one scope.
pub const QUALIFIED: &str = "ec2://inventory/{account}/{region}/{kind}/{id}";

/// Every template, in a fixed order.
#[must_use]
pub fn all() -> Vec<ResourceTemplate> {
    let kinds = KINDS.iter().map(|kind| {
        ResourceTemplate::new(template(kind), kind.slug)
            .with_title(kind.title)
            .with_description(kind.description)
            .with_mime_type(JSON)
    });
    let histories = KINDS.iter().map(|kind| {
        ResourceTemplate::new(history(kind), format!("{}-history", kind.slug))
            .with_title(format!("Changes: {}", kind.title))
            .with_description(
                "The newest changes of one resource, field by field, with their causes; also after its removal.",
            )
            .with_mime_type(JSON)
    });
    let scoped = [
        ResourceTemplate::new(COLLECTION, "collection").with_title("Resources of one kind").with_description(
            "The resources of one kind in one account and region: how many there are, their states, the first of them, \
             and how to read the rest.",
        ),
        ResourceTemplate::new(QUALIFIED, "qualified")
            .with_title("Resource in one scope")
            .with_description("One resource as one account and region sees it."),
    ];
    kinds.chain(histories).chain(scoped.map(|template| template.with_mime_type(JSON))).collect()
}

/// The kind whose short, status or history template is `wanted`; `None` for the inventory templates and unknown ones.
#[must_use]
pub fn kind_of(wanted: &str) -> Option<&'static KindSpec> {
    KINDS.iter().find(|kind| template(kind) == wanted || history(kind) == wanted).copied()
}

fn template(kind: &KindSpec) -> String {
    match kind.status_of {
        Some(whole) => format!("ec2://{whole}/{{id}}/{}", status_segment(kind)),
        None => format!("ec2://{}/{{id}}", kind.slug),
    }
}

fn history(kind: &KindSpec) -> String {
    format!("{}/history", template(kind))
}
