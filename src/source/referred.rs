//! Resources that belong to a kind because others refer to them: the foreign images that an account's instances run from.
//!
//! AWS's listing of the account's own resources does not show them, so they are asked for by id
//! ([`KindSpec::also_by_id`]). A sweep is then the listing and, as further pages of it, describes of the ids that stored
//! resources refer to; it is complete only when both are. The ids are read for each page anew, in order, after the last id
//! of the page before, so that what is referred to throughout a sweep is asked for in it.
//!
//! What nothing refers to any more is on no page of a sweep. A describe by id would still show it, as it exists in another
//! account; here it is answered as not found, so that it is removed by the rules for everything else.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

use futures::future::BoxFuture;

use super::poll::ListPages;
use super::refresh::DescribeIds;
use crate::aws::{AwsError, Batch, Described, Details, Origin, Trouble};
use crate::kinds::KindSpec;
use crate::model::{ErrorClass, Item, Page, Scope};

/// The most ids on a page of ids.
const PER_PAGE: usize = 100;

/// What the token of a page of ids begins with. The last id of the page before follows. AWS's tokens have no spaces.
const TOKEN: &str = "by id after ";

/// Answers the ids that stored resources of a scope refer to. Waits while the store cannot be read.
pub type ReferredIds = Arc<dyn Fn(&Scope) -> BoxFuture<'static, BTreeSet<Arc<str>>> + Send + Sync>;

/// Asks for the resources of one kind, and beside the account's own for those that others refer to.
#[derive(Clone)]
pub struct Referred<A> {
    aws: A,
    ids: Option<ReferredIds>,
}

impl<A> Referred<A> {
    /// Asks `aws`. `ids` are given for a kind with [`KindSpec::also_by_id`].
    pub fn new(aws: A, ids: Option<ReferredIds>) -> Self {
        Referred { aws, ids }
    }
}

impl<A: ListPages + DescribeIds> ListPages for Referred<A> {
    async fn page(
        &self,
        scope: &Scope,
        spec: &'static KindSpec,
        token: Option<String>,
        size: i32,
    ) -> Result<Page, AwsError> {
        let Some(referred) = &self.ids else { return self.aws.page(scope, spec, token, size).await };
        let Some(after) = token.as_deref().and_then(|token| token.strip_prefix(TOKEN)) else {
            let page = self.aws.page(scope, spec, token, size).await?;
            let next = match page.next {
                None if !referred(scope).await.is_empty() => Some(TOKEN.to_owned()),
                next => next,
            };
            return Ok(Page { next, ..page });
        };
        let (ids, next) = following(&referred(scope).await, after);
        let page = self.named(scope, spec, &ids).await?;
        Ok(Page { next, ..page })
    }
}

impl<A: ListPages + DescribeIds> Referred<A> {
    /// The resources of these ids, as one page. Those that AWS does not know are not on it.
    async fn named(&self, scope: &Scope, spec: &'static KindSpec, ids: &[Arc<str>]) -> Result<Page, AwsError> {
        let mut batch = Batch::new(ids);
        while let Some(ids) = batch.ask() {
            let texts: Vec<String> = ids.iter().map(ToString::to_string).collect();
            let answer = self.aws.describe(scope, spec, &texts).await;
            batch.answered(ids, answer);
        }
        let Described { answers, failed, .. } = batch.described();
        match failed {
            Some((_, error)) => Err(error),
            None => Ok(answers.into_iter().reduce(joined).unwrap_or_default()),
        }
    }
}

impl<A: ListPages + DescribeIds> DescribeIds for Referred<A> {
    async fn describe(&self, scope: &Scope, spec: &'static KindSpec, ids: &[String]) -> Result<Page, AwsError> {
        let page = self.aws.describe(scope, spec, ids).await?;
        let Some(referred) = &self.ids else { return Ok(page) };
        let is_foreign = |item: &&Item| spec.owner(&item.document).is_some_and(|owner| owner != scope.account.as_str());
        let mut foreign = page.items.iter().filter(is_foreign).peekable();
        if foreign.peek().is_none() {
            return Ok(page);
        }
        let referred = referred(scope).await;
        let stray: Vec<String> =
            foreign.filter(|item| !referred.contains(&item.id)).map(|item| item.id.to_string()).collect();
        if stray.is_empty() { Ok(page) } else { Err(unreferred(spec, scope, stray)) }
    }
}

/// The first ids after `after`, and the token of the page that follows when there are more.
fn following(ids: &BTreeSet<Arc<str>>, after: &str) -> (Vec<Arc<str>>, Option<String>) {
    let mut rest = ids.range::<str, _>((Bound::Excluded(after), Bound::Unbounded)).cloned();
    let page: Vec<Arc<str>> = rest.by_ref().take(PER_PAGE).collect();
    let next = rest.next().and(page.last()).map(|last| format!("{TOKEN}{last}"));
    (page, next)
}

/// Two answers as one, as old as the older of them.
fn joined(one: Page, other: Page) -> Page {
    let mut joined = Page { sent_at: one.sent_at.min(other.sent_at), ..one };
    joined.items.extend(other.items);
    joined.unreadable.extend(other.unreadable);
    other.left_out.names().iter().for_each(|name| joined.left_out.add(name));
    joined
}

/// Says of resources of other accounts to which nothing refers that they are not found.
fn unreferred(spec: &'static KindSpec, scope: &Scope, ids: Vec<String>) -> AwsError {
    AwsError::from(Details {
        class: ErrorClass::NotFound,
        trouble: Trouble::Answered,
        code: None,
        message: format!("no resource of the account refers to these {} of other accounts", spec.plural),
        action: spec.action(),
        region: Some(scope.region.clone()),
        ids,
        origin: Origin::Keys,
        perhaps_done: false,
    })
}

#[cfg(test)]
mod tests;
