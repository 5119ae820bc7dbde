//! Resources of other accounts that are watched because own resources refer to them: the images that instances run from.
//!
//! AWS's listing of the account's own resources does not show them, so they are described by id ([`KindSpec::also_by_id`]). A
//! sweep is then the listing and, as further pages of it, describes of the ids that stored resources refer to; it is complete
//! only when both are. The ids are read anew for each page, in order, after the last id of the previous page, so that a sweep
//! describes every id that is referred to throughout it.
//!
//! A resource to which nothing refers any more is on no page of a sweep. A describe by id would still show it, because it exists
//! in another account. Here it is answered as not found, so that the usual rules remove it.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;

use super::poll::ListPages;
use super::refresh::DescribeIds;
use crate::aws::{AwsError, AwsErrorKind, DescribeResult, Details, IdBatch, Origin};
use crate::kinds::KindSpec;
use crate::model::{ErrorClass, Item, Page, Scope};

/// The most ids on a page of ids.
const PER_PAGE: usize = 100;

/// The beginning of the token of a page of ids, which the last id of the previous page follows. AWS's tokens have no spaces.
const TOKEN: &str = "by id after ";

/// Reads the ids that stored resources of a scope refer to. Waits while the store cannot be read.
pub type ReferredIds = Arc<dyn Fn(&Scope) -> BoxFuture<'static, BTreeSet<Arc<str>>> + Send + Sync>;

/// Lists and describes the resources of one kind: the account's own, and those that other resources refer to.
#[derive(Clone)]
pub struct Referred<A> {
    aws: A,
    ids: Option<ReferredIds>,
}

/// The ids of resources to which nothing that is watched refers.
#[must_use]
pub fn by_nobody() -> ReferredIds {
    Arc::new(|_| std::future::ready(BTreeSet::new()).boxed())
}

impl<A> Referred<A> {
    /// Makes a source that calls `aws`. `ids` are given for a kind with [`KindSpec::also_by_id`].
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
    /// The resources of these ids, as one page, and the ids that AWS does not know.
    async fn named(&self, scope: &Scope, spec: &'static KindSpec, ids: &[Arc<str>]) -> Result<Page, AwsError> {
        let mut batch = IdBatch::new(ids);
        while let Some(ids) = batch.ask() {
            let texts: Vec<String> = ids.iter().map(ToString::to_string).collect();
            let answer = self.aws.describe(scope, spec, &texts).await;
            batch.answered(ids, answer);
        }
        let DescribeResult { answers, not_found, failed, .. } = batch.described();
        match failed {
            Some((_, error)) => Err(error),
            None => Ok(Page { absent: not_found, ..answers.into_iter().reduce(joined).unwrap_or_default() }),
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

/// Joins two answers into one, with the earlier time.
fn joined(one: Page, other: Page) -> Page {
    let mut joined = Page { sent_at: one.sent_at.min(other.sent_at), ..one };
    joined.items.extend(other.items);
    joined.unchanged.extend(other.unchanged);
    joined.unreadable.extend(other.unreadable);
    other.left_out.names().iter().for_each(|name| joined.left_out.add(name));
    joined
}

/// The not-found error for resources of other accounts to which nothing refers.
fn unreferred(spec: &'static KindSpec, scope: &Scope, ids: Vec<String>) -> AwsError {
    AwsError::from(Details {
        class: ErrorClass::NotFound,
        kind: AwsErrorKind::Answered,
        code: None,
        message: format!("no resource of the account refers to these {} of other accounts", spec.plural),
        action: spec.action(),
        region: Some(scope.region.clone()),
        ids,
        origin: Origin::Keys,
        perhaps_done: false,
        request_id: None,
        encoded: None,
    })
}

#[cfg(test)]
mod tests;
