//! Which account an access key belongs to.

use super::Aws;
use super::error::AwsError;
use super::limiter::Priority;
use crate::model::{AccountId, Scope};

const KEY_OWNER: &str = "sts:GetAccessKeyInfo";

impl Aws {
    /// The account that an access key belongs to, as STS tells the account of `scope`. It tells it of the keys of every account.
    ///
    /// # Errors
    /// [`AwsError`]: it is no key, or STS may not or cannot be asked.
    pub async fn key_owner(&self, scope: &Scope, key: &str) -> Result<AccountId, AwsError> {
        let client = self.clients(scope, KEY_OWNER).await?.identity();
        let send = || client.get_access_key_info().access_key_id(key).send();
        let (answer, _) = self.repeatable(scope, KEY_OWNER, Priority::Tool, send).await?;
        Ok(AccountId::new(answer.account.unwrap_or_default()))
    }
}
