//! Looking at single resources in AWS.

use std::sync::Arc;

use super::Core;
use crate::aws::Priority;
use crate::ingest::Lane;
use crate::kinds::KindSpec;
use crate::mcp::error::RequestError;
use crate::mcp::looks::Sight;
use crate::model::text::shown;
use crate::model::{Cause, Observation, Page, ResourceId, Scope, Seen, Seq, Source, Timestamp};

impl Core {
    /// What AWS shows of these resources of one kind in one scope, asked for at `since` or later, and recorded when this returns.
    ///
    /// # Errors
    /// When what was seen cannot be recorded.
    pub async fn look_live(
        &self,
        scope: &Scope,
        spec: &'static KindSpec,
        ids: &[Arc<str>],
        since: Timestamp,
    ) -> Result<Vec<(Arc<str>, Sight)>, RequestError> {
        let recent = self.looks.of(scope, &spec.kind());
        let mut recent = recent.lock().await;
        let asked: Vec<String> =
            ids.iter().filter(|id| recent.get(id, since).is_none()).map(ToString::to_string).collect();
        if !asked.is_empty() {
            let asked_at = self.now();
            recent.remember(asked_at, self.ask(scope, spec, &asked).await?);
        }
        let sight = |id: &Arc<str>| recent.get(id, since).map(|sight| (Arc::clone(id), sight.clone()));
        Ok(ids.iter().filter_map(sight).collect())
    }

    /// Records what answers show of the resources `ids`, and of no others. Gives those that they show, and the seq at which a read
    /// sees it; none when they show none of them.
    ///
    /// # Errors
    /// When it cannot be recorded.
    pub async fn take_in(
        &self,
        lane: Lane,
        scope: &Scope,
        spec: &'static KindSpec,
        ids: &[String],
        answers: Vec<Page>,
    ) -> Result<(Vec<Arc<str>>, Option<Seq>), RequestError> {
        let items = answers.into_iter().flat_map(Page::dated);
        let observations =
            items.filter(|(_, item)| ids.iter().any(|id| **id == *item.id)).map(|(at, item)| Observation {
                source: Source::Refresh,
                at,
                id: ResourceId::new(scope, &spec.kind(), item.id),
                seen: Seen::Described(item.document),
            });
        let observations: Vec<Observation> = observations.collect();
        if observations.is_empty() {
            return Ok((Vec::new(), None));
        }
        let ids = observations.iter().map(|seen| Arc::clone(&seen.id.id)).collect();
        let seq = self.ingest.observe(lane, observations, Cause::Refresh).await?.seq;
        Ok((ids, Some(seq)))
    }

    async fn ask(
        &self,
        scope: &Scope,
        spec: &'static KindSpec,
        ids: &[String],
    ) -> Result<Vec<(Arc<str>, Sight)>, RequestError> {
        let described = self.aws.describe(scope, spec, ids, Priority::Tool).await;
        let (shown_ids, _) = self.take_in(Lane::Refresh, scope, spec, ids, described.answers).await?;
        let mut sights: Vec<(Arc<str>, Sight)> = shown_ids.into_iter().map(|id| (id, Sight::Shown)).collect();
        let unsaid = |id, why: String| (id, Sight::Unsaid(why));
        sights.extend(described.not_found.into_iter().map(|id| (id, Sight::NotFound)));
        sights.extend(described.silent.into_iter().map(|id| unsaid(id, "AWS's answer leaves it out.".to_owned())));
        sights.extend(described.unreadable.into_iter().map(|(id, why)| {
            let why = format!("AWS's answer about it cannot be read ({}).", shown(&why, 240));
            unsaid(id, why)
        }));
        if let Some((left, error)) = described.failed {
            sights.extend(left.into_iter().map(|id| unsaid(id, error.explained())));
        }
        Ok(sights)
    }
}
