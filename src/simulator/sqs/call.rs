//! One call to SQS's API.

use std::sync::Arc;

use serde_json::Value;

use crate::simulator::clock::Moment;
use crate::simulator::json;
use crate::simulator::refusal::Refusal;
use crate::simulator::sqs::queue::{self, Queue};
use crate::simulator::sqs::service::url;
use crate::simulator::world::World;

/// One call, with everything that its answer may depend on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) world: &'a World,
    pub(crate) account: &'a str,
    pub(crate) region: &'a str,
    pub(crate) body: &'a [u8],
    /// The caller's access key, which becomes the `SenderId` of its messages.
    pub(crate) sender: &'a str,
    /// `http://host:port` as the caller addressed it; queue URLs begin with it.
    pub(crate) base: &'a str,
    pub(crate) now: Moment,
}

/// What a call is answered with.
pub(super) type Answer = Result<Value, Refusal>;

impl Call<'_> {
    pub(super) fn read<T: serde::de::DeserializeOwned>(&self) -> Result<T, Refusal> {
        json::read(self.body)
    }

    /// The queue that a URL names.
    pub(super) fn queue(&self, url: Option<&str>) -> Result<Arc<Queue>, Refusal> {
        let url = url.filter(|url| !url.is_empty()).ok_or_else(|| Refusal::missing("QueueUrl"))?;
        let mut segments = url.rsplit('/');
        let (name, account) = (segments.next().unwrap_or_default(), segments.next().unwrap_or_default());
        if name.is_empty() || account.len() != 12 || !account.bytes().all(|b| b.is_ascii_digit()) {
            let message = format!("The address {url} is not valid for this endpoint.");
            return Err(Refusal::new(404, "InvalidAddress", message));
        }
        let own = (account == self.account).then(|| self.world.sqs().find(account, self.region, name));
        own.flatten().ok_or_else(queue::gone)
    }

    pub(super) fn url(&self, queue: &str) -> String {
        url(self.base, self.account, queue)
    }
}
