//! Describes: pages of a full listing, and resources by id.

use std::sync::Arc;

use super::Aws;
use super::batch::{DescribeResult, IdBatch};
use super::error::AwsError;
use super::limiter::Priority;
use super::listing_call::{Learned, ListingCall};
use super::sdk::Sdk;
use crate::kinds::{DescribeInput, KindSpec};
use crate::model::{BadField, Item, ItemMemory, Page, Scope, UnreadableItem};

impl Aws {
    /// One page of a full listing of a kind, at a sweep's priority.
    ///
    /// # Errors
    /// [`AwsError`]; with [`AwsErrorKind::OtherAccount`](super::Trouble::OtherAccount) if the page belongs to another account than
    /// `scope` names, so that credentials that change under a running Muster cannot mix two accounts.
    pub async fn page(&self, scope: &Scope, spec: &'static KindSpec, token: Option<String>) -> Result<Page, AwsError> {
        self.page_of(scope, spec, token, spec.max_results, None).await
    }

    /// Like [`Aws::page`], with at most `max_results` resources. Those whose bytes are as the `memory` knows them are not decoded.
    ///
    /// # Errors
    /// The same as for [`Aws::page`].
    pub async fn page_of(
        &self,
        scope: &Scope,
        spec: &'static KindSpec,
        token: Option<String>,
        max_results: i32,
        memory: Option<&Arc<dyn ItemMemory>>,
    ) -> Result<Page, AwsError> {
        self.ask(scope, spec, DescribeInput::Page { token, max_results }, Priority::Sweep, memory).await
    }

    /// The resources with these ids, in as many calls as needed; without ids, no call is made.
    ///
    /// AWS answers nothing to a call with an id that does not exist; [`IdBatch`] describes the rest again.
    pub async fn describe(
        &self,
        scope: &Scope,
        spec: &'static KindSpec,
        ids: &[String],
        priority: Priority,
    ) -> DescribeResult {
        let ids: Vec<Arc<str>> = ids.iter().map(|id| Arc::from(id.as_str())).collect();
        let mut batch = IdBatch::new(&ids);
        while let Some(ids) = batch.ask() {
            let texts: Vec<String> = ids.iter().map(ToString::to_string).collect();
            batch.answered(ids, self.describe_once(scope, spec, &texts, priority).await);
        }
        batch.described()
    }

    /// Like [`Aws::describe`], with why it is not proved that the account of `scope` was asked, if that matters: another account knows
    /// other resources, and has other tags on those that several see. Credentials can change under a running process.
    pub async fn describe_proved(
        &self,
        scope: &Scope,
        spec: &'static KindSpec,
        ids: &[String],
        priority: Priority,
    ) -> (DescribeResult, Option<AwsError>) {
        let mut is_again = false;
        loop {
            let sdk = self.account_of(scope).sdk().await;
            let before = sdk.loaded.key();
            let described = self.describe(scope, spec, ids, priority).await;
            // Nobody else sees an exclusive kind.
            let is_other_possible = !described.not_found.is_empty() || !spec.exclusive && !described.answers.is_empty();
            if !is_other_possible {
                return (described, None);
            }
            match self.is_proved_since(&sdk, before.as_deref(), scope, priority).await {
                Ok(true) => return (described, None),
                Ok(false) if !is_again => is_again = true,
                Ok(false) => return (described, Some(AwsError::exchanged(&self.call(scope, spec.action())))),
                Err(error) => return (described, Some(error)),
            }
        }
    }

    /// Checks that the credentials of all calls since the key of `sdk` was `before` belong to the account of `scope`; false if they were
    /// exchanged meanwhile.
    async fn is_proved_since(
        &self,
        sdk: &Arc<Sdk>,
        before: Option<&str>,
        scope: &Scope,
        priority: Priority,
    ) -> Result<bool, AwsError> {
        let asked_by = sdk.loaded.key_since(before);
        if asked_by.as_ref().is_some_and(|key| sdk.loaded.belongs(key, &scope.account)) {
            return Ok(true);
        }
        Box::pin(self.confirm_for(scope, priority)).await?;
        let now = self.account_of(scope).loaded();
        Ok(Arc::ptr_eq(&now, sdk) && asked_by == now.loaded.key())
    }

    /// The resources that meet all of these filters, each by one of its values, which are none with wildcards, in one call. What the
    /// answer has no room for stands behind its token. The credentials that it was made with belong to the account of `scope`: another
    /// account has other resources of the same names.
    ///
    /// # Errors
    /// [`AwsError`]; also if they do not, or were exchanged twice while AWS was asked.
    pub async fn describe_by(
        &self,
        scope: &Scope,
        spec: &'static KindSpec,
        filters: &[(&'static str, Vec<String>)],
        priority: Priority,
    ) -> Result<Page, AwsError> {
        for _ in 0..2 {
            let sdk = self.account_of(scope).ready(&scope.region, spec.action()).await?;
            let (client, before) = (sdk.clients(&scope.region).ec2(), sdk.loaded.key());
            let input = DescribeInput::Filtered(filters.to_vec());
            let page = self.ask_by(client, scope, spec, input, priority, None).await?;
            if self.is_proved_since(&sdk, before.as_deref(), scope, priority).await? {
                return Ok(page);
            }
        }
        Err(AwsError::exchanged(&self.call(scope, spec.action())))
    }

    /// The resources with these ids, at most a hundred, in one call.
    ///
    /// # Errors
    /// [`AwsError`], with [`ErrorClass::NotFound`](crate::model::ErrorClass::NotFound) if an id does not exist: AWS then answers
    /// none of the ids.
    pub async fn describe_once(
        &self,
        scope: &Scope,
        spec: &'static KindSpec,
        ids: &[String],
        priority: Priority,
    ) -> Result<Page, AwsError> {
        self.ask(scope, spec, DescribeInput::Ids(ids.to_vec()), priority, None).await
    }

    async fn ask(
        &self,
        scope: &Scope,
        spec: &'static KindSpec,
        input: DescribeInput,
        priority: Priority,
        memory: Option<&Arc<dyn ItemMemory>>,
    ) -> Result<Page, AwsError> {
        let client = self.clients(scope, spec.action()).await?.ec2();
        self.ask_by(client, scope, spec, input, priority, memory).await
    }

    /// Like [`Aws::ask`], through a client that may have another configuration.
    pub(super) async fn ask_by(
        &self,
        client: aws_sdk_ec2::Client,
        scope: &Scope,
        spec: &'static KindSpec,
        input: DescribeInput,
        priority: Priority,
        memory: Option<&Arc<dyn ItemMemory>>,
    ) -> Result<Page, AwsError> {
        let action = spec.action();
        let own = spec.leaves_out_foreign(&input).then_some(&scope.account);
        let account = self.account_of(scope);
        let unknown = &account.unknown;
        let mut left_out = unknown.lock().left_out(&scope.region, action);
        let (Page { mut items, next, .. }, sent_at, Learned { unchanged, mut unreadable, .. }) = loop {
            let send = || (spec.describe)(client.clone(), input.clone(), left_out.clone());
            let call = self.repeatable(scope, action, priority, send);
            let (answer, learned) = ListingCall::during(own, spec, memory, call).await;
            let (mut unknown, host) = (unknown.lock(), learned.host.as_deref());
            match answer {
                Ok((mut page, sent_at)) => {
                    unknown.answered(&scope.region, action, spec.optional, &left_out, host);
                    learned.mark(&mut page.items);
                    break (page, sent_at, learned);
                }
                Err(error) => {
                    let refused = unknown.refused(action, spec.optional, &left_out, host, &error);
                    left_out.add(refused.ok_or(error)?);
                }
            }
        };
        let foreign = |item: &Item| spec.owner(&item.document).is_some_and(|owner| owner != scope.account.as_str());
        if own.is_some() {
            items.retain(|item| !foreign(item));
        }
        if spec.exclusive
            && let Some(found) = items.iter().find(|item| foreign(item)).and_then(|item| spec.owner(&item.document))
        {
            return Err(AwsError::other_account(&scope.account, found, &self.call(scope, action)));
        }
        let nameless = items.extract_if(.., |item| item.id.is_empty());
        unreadable.extend(nameless.map(|_| UnreadableItem {
            id: None,
            fields: spec.id_elements().map(|name| BadField::missing(&name)).collect(),
        }));
        if matches!(priority, Priority::Tool | Priority::Passed)
            && let Some(nameless) = unreadable.iter().find(|item| item.id.is_none())
        {
            // Somebody acts on what is told: this may be any of the ids that were asked for.
            let detail = format!("{} one without an id: {}", spec.title, nameless.why());
            return Err(AwsError::unreadable(&detail, &self.call(scope, action)));
        }
        // Before anybody sees them.
        for item in &mut items {
            item.document = self.secrets().redacted(&item.id, Arc::clone(&item.document));
        }
        // An empty token would request the first page again; AWS's own paginators also take it for the end.
        let next = next.filter(|token| !token.is_empty());
        Ok(Page { sent_at, items, unchanged, unreadable, left_out, absent: Vec::new(), next })
    }
}
