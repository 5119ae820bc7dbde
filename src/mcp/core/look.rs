//! Looking at single resources in AWS.

use std::sync::Arc;

use super::Core;
use crate::aws::Priority;
use crate::ingest::Lane;
use crate::kinds::KindSpec;
use crate::mcp::error::RequestError;
use crate::mcp::looks::Sight;
use crate::model::text::shown;
use crate::model::{Cause, Observation, Page, ResourceId, Scope, Seen, Source, Timestamp};

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

    async fn ask(
        &self,
        scope: &Scope,
        spec: &'static KindSpec,
        ids: &[String],
    ) -> Result<Vec<(Arc<str>, Sight)>, RequestError> {
        let described = self.aws.describe(scope, spec, ids, Priority::Tool).await;
        let mut sights = Vec::new();
        let mut observations = Vec::new();
        for (at, item) in described.answers.into_iter().flat_map(Page::dated) {
            if ids.iter().any(|id| **id == *item.id) {
                sights.push((Arc::clone(&item.id), Sight::Shown));
                let id = ResourceId::new(scope, &spec.kind(), item.id);
                observations.push(Observation {
                    source: Source::Refresh,
                    at,
                    id,
                    seen: Seen::Described(item.document),
                });
            }
        }
        if !observations.is_empty() {
            self.ingest.observe(Lane::Refresh, observations, Cause::Refresh).await?;
        }
        let unsaid = |id, why: String| (id, Sight::Unsaid(why));
        sights.extend(described.not_found.into_iter().map(|id| (id, Sight::NotFound)));
        sights.extend(described.silent.into_iter().map(|id| unsaid(id, "AWS's answer leaves it out.".to_owned())));
        sights.extend(described.unreadable.into_iter().map(|(id, why)| {
            let why = format!("AWS's answer about it cannot be read ({}).", shown(&why, 240));
            unsaid(id, why)
        }));
        if let Some((left, error)) = described.failed {
            let why = format!("{}. {}", shown(&error.to_string(), 240), shown(&error.fix(), 240));
            sights.extend(left.into_iter().map(|id| unsaid(id, why.clone())));
        }
        Ok(sights)
    }
}
