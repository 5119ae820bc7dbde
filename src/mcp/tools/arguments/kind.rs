//! The argument `kind`.

use std::borrow::Cow;

use rmcp::schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, Error};

use super::ArgumentError;
use crate::kinds::{self, INSTANCE, KINDS, KindSpec};

/// A kind of resource, by slug or another of its names; instances when it is absent.
#[derive(Clone, Copy, Debug)]
pub struct KindArgument(pub &'static KindSpec);

impl Default for KindArgument {
    fn default() -> Self {
        KindArgument(INSTANCE)
    }
}

fn slugs() -> Vec<&'static str> {
    KINDS.iter().map(|kind| kind.slug).collect()
}

impl<'de> Deserialize<'de> for KindArgument {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let slug = String::deserialize(deserializer)?;
        let found = kinds::meant(&slug);
        found.map(KindArgument).ok_or_else(|| D::Error::custom(ArgumentError::one_of("kind", &slugs(), &slug)))
    }
}

impl JsonSchema for KindArgument {
    fn schema_name() -> Cow<'static, str> {
        "Kind".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "enum": slugs()})
    }
}
