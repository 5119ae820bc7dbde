//! An event as EventBridge writes it, with the fields that all types share.

use serde::Deserialize;
use serde_json::Value as Json;

use crate::kinds::{self, KindSpec};
use crate::model::{AccountId, Observation, Region, ResourceId, Scope, Seen, Source, Timestamp};

/// The most resources that are read from one event; sweeps find the rest.
pub(super) const MAX_RESOURCES: usize = 1000;

/// The name of a field that is missing or cannot be read.
pub(super) type Lacks = &'static str;

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Envelope {
    pub(super) id: String,
    pub(super) detail_type: String,
    pub(super) source: String,
    pub(super) account: Option<String>,
    pub(super) time: Option<String>,
    pub(super) region: Option<String>,
    #[serde(default)]
    pub(super) resources: Vec<String>,
    #[serde(default)]
    pub(super) detail: Json,
}

/// The scope and time of an event.
pub(super) struct Occurrence {
    pub(super) scope: Scope,
    pub(super) at: Timestamp,
}

impl Occurrence {
    /// An observation of a resource.
    pub(super) fn saw(&self, spec: &KindSpec, id: &str, seen: Seen) -> Observation {
        let id = ResourceId::new(&self.scope, &spec.kind(), id);
        Observation { source: Source::Notification, at: self.at, id, seen }
    }

    /// An observation that only mentions a resource.
    pub(super) fn mentioned(&self, (spec, id): (&KindSpec, &str)) -> Observation {
        self.saw(spec, id, Seen::Mentioned)
    }
}

impl Envelope {
    /// The scope and time of the event; `owner` is the account of an event that names none.
    pub(super) fn place(&self, owner: Option<&AccountId>) -> Result<Occurrence, Lacks> {
        let at = self.time.as_deref().and_then(Timestamp::parse).ok_or("time")?;
        Ok(Occurrence { scope: self.scope(owner)?, at })
    }

    /// The scope of the event.
    pub(super) fn scope(&self, owner: Option<&AccountId>) -> Result<Scope, Lacks> {
        let account = self.account.as_deref().filter(|text| AccountId::is_valid(text)).map(AccountId::new);
        let of_call = || self.text("recipientAccountId").filter(|text| AccountId::is_valid(text)).map(AccountId::new);
        let account = account
            .or_else(|| self.resources.iter().find_map(|arn| account_of(arn)))
            .or_else(of_call)
            .or_else(|| owner.cloned());
        let region = self.region.as_deref().filter(|region| !region.is_empty()).ok_or("region")?;
        Ok(Scope { account: account.ok_or("account")?, region: Region::new(region) })
    }

    /// A text of the detail.
    pub(super) fn text(&self, field: &str) -> Option<&str> {
        self.detail.get(field)?.as_str()
    }

    /// The first of `resources` that is of a kind Muster knows.
    pub(super) fn resource(&self) -> Option<(&'static KindSpec, &str)> {
        self.resources.iter().find_map(|arn| parsed(arn))
    }
}

/// The kind and id that an ARN names: `arn:aws:ec2:REGION:ACCOUNT:instance/i-1`. Region and account may be missing, or change places.
pub(super) fn parsed(arn: &str) -> Option<(&'static KindSpec, &str)> {
    let (kind, id) = arn.rsplit_once(':')?.1.split_once('/')?;
    Some((kinds::of_arn_type(kind)?, id)).filter(|(_, id)| !id.is_empty())
}

fn account_of(arn: &str) -> Option<AccountId> {
    arn.split(':').nth(4).filter(|text| AccountId::is_valid(text)).map(AccountId::new)
}

/// The first `limit` characters, so that text by others takes limited room in the log.
pub(super) fn cut(text: &str, limit: usize) -> String {
    text.chars().take(limit).collect()
}
