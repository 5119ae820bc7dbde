//! Looking at single resources in AWS.

use std::collections::BTreeMap;
use std::sync::Arc;

use xxhash_rust::xxh3::xxh3_128;

use super::Core;
use crate::aws::Priority;
use crate::ingest::Lane;
use crate::kinds::KindSpec;
use crate::mcp::error::RequestError;
use crate::mcp::looks::{LiveSight, Sight};
use crate::mcp::places::{self, NAMED};
use crate::mcp::tools::arguments::ArgumentError;
use crate::model::text::shown;
use crate::model::{Cause, Kind, Observation, Page, ResourceId, Scope, ScopeFilter, Seen, Seq, Source, Timestamp};

/// The ids of one kind to look at in one call.
type LookTargets = (&'static KindSpec, Vec<Arc<str>>);

impl Core {
    /// The scopes in which AWS is asked for a resource: `scope`, those that hold it, else every watched one of its kind. Also
    /// whether it is or was in the inventory there: else its id may be mistyped.
    ///
    /// # Errors
    /// When the store cannot be read, or nothing is held and the scopes are too many to ask in each.
    pub fn scopes_to_look(
        &self,
        kind: &'static KindSpec,
        id: &str,
        scope: &ScopeFilter,
    ) -> Result<(Vec<Scope>, bool), RequestError> {
        self.watched_kind(kind)?;
        let mut watched: Vec<Scope> = self.scopes(&[kind]).into_iter().map(|state| state.scope).collect();
        watched.retain(|watched| scope.takes(watched));
        let snapshot = self.snapshot()?;
        let mut holding: Vec<Scope> = snapshot.copies(&kind.kind(), id)?.iter().map(|copy| copy.id.scope()).collect();
        holding.retain(|scope| watched.contains(scope));
        if !holding.is_empty() {
            return Ok((holding, true));
        }
        if watched.len() > NAMED {
            let said = format!(
                "no {} `{}` is held, and AWS is not asked in each of {}: give `account` and `region`",
                kind.title,
                shown(id, 80),
                places::said(&watched)
            );
            return Err(ArgumentError::said(&said).into());
        }
        let mut was_seen = false;
        for scope in &watched {
            was_seen |= snapshot.tombstone(&ResourceId::new(scope, &kind.kind(), id))?.is_some();
        }
        Ok((watched, was_seen))
    }

    /// Looks at resources in AWS, each kind of a scope in one call, unless somebody looked since `since`.
    ///
    /// # Errors
    /// When what was seen cannot be recorded.
    pub async fn look_at<'a>(
        &self,
        targets: impl IntoIterator<Item = (&'static KindSpec, &'a Arc<str>, &'a [Scope])>,
        since: Timestamp,
    ) -> Result<Vec<LiveSight>, RequestError> {
        let mut calls: BTreeMap<(Scope, Kind), LookTargets> = BTreeMap::new();
        for (kind, id, scopes) in targets {
            for scope in scopes {
                let call = calls.entry((scope.clone(), kind.kind())).or_insert((kind, Vec::new()));
                call.1.push(Arc::clone(id));
            }
        }
        let looks = calls.iter().map(|((scope, _), (kind, ids))| async move {
            let seen = self.look_live(scope, kind, ids, since, Priority::Tool).await?;
            let seen = seen.into_iter().map(|(id, sight)| LiveSight { scope: scope.clone(), kind, id, sight });
            Ok::<_, RequestError>(seen.collect::<Vec<_>>())
        });
        Ok(futures::future::try_join_all(looks).await?.concat())
    }

    /// What AWS shows of these resources of one kind in one scope, asked for at `since` or later, and recorded when this returns.
    /// A NotFound counts only from the scope's own account.
    ///
    /// # Errors
    /// When what was seen cannot be recorded.
    pub async fn look_live(
        &self,
        scope: &Scope,
        spec: &'static KindSpec,
        ids: &[Arc<str>],
        since: Timestamp,
        priority: Priority,
    ) -> Result<Vec<(Arc<str>, Sight)>, RequestError> {
        let recent = self.looks.of(scope, &spec.kind(), priority);
        let mut recent = recent.lock().await;
        let asked: Vec<String> =
            ids.iter().filter(|id| recent.get(id, since).is_none()).map(ToString::to_string).collect();
        if !asked.is_empty() {
            let asked_at = self.now();
            recent.remember(asked_at, self.ask(scope, spec, &asked, priority).await?);
        }
        let sight = |id: &Arc<str>| recent.get(id, since).map(|sight| (Arc::clone(id), sight.clone()));
        let seen: Vec<(Arc<str>, Sight)> = ids.iter().filter_map(sight).collect();
        drop(recent);
        if self.visibility().is_everything() {
            return Ok(seen);
        }
        // What AWS shows is in the inventory now, so that it is judged there: what is hidden is not found. A call that failed says
        // nothing of what there is.
        let (snapshot, visibility) = (self.snapshot()?, self.visibility());
        let judged = seen.into_iter().map(|(id, sight)| {
            let is_seen = snapshot.digest_of(&ResourceId::new(scope, &spec.kind(), Arc::clone(&id)))?.is_some();
            let told = match sight {
                Sight::Failed(why) => Sight::Failed(visibility.masked(&why)),
                sight if is_seen || sight == Sight::Malformed => sight,
                _ => Sight::NotFound,
            };
            Ok((id, told))
        });
        judged.collect()
    }

    /// What AWS shows of the resources of one kind in one scope that meet filters, asked for at `since` or later, and recorded when this
    /// returns: then all of them are in the inventory. The values are none with wildcards.
    ///
    /// # Errors
    /// When what was seen cannot be recorded.
    pub async fn look_by(
        &self,
        scope: &Scope,
        spec: &'static KindSpec,
        filters: &[(&'static str, Vec<String>)],
        since: Timestamp,
        priority: Priority,
    ) -> Result<Sight, RequestError> {
        // No id looks like this.
        let asked: Arc<str> = Arc::from(format!("? {:032x}", xxh3_128(format!("{filters:?}").as_bytes())));
        let recent = self.looks.of(scope, &spec.kind(), priority);
        let mut recent = recent.lock().await;
        let told = if let Some(sight) = recent.get(&asked, since) {
            sight.clone()
        } else {
            let asked_at = self.now();
            let sight = self.ask_by(scope, spec, filters, priority).await?;
            recent.remember(asked_at, vec![(asked, sight.clone())]);
            sight
        };
        drop(recent);
        Ok(match told {
            Sight::Failed(why) => Sight::Failed(self.visibility().masked(&why)),
            // It may be about what is hidden, which nobody is told: AWS was asked, and the inventory says the rest.
            Sight::Unsaid(_) if !self.visibility().is_everything() => Sight::Shown,
            told => told,
        })
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

    async fn ask_by(
        &self,
        scope: &Scope,
        spec: &'static KindSpec,
        filters: &[(&'static str, Vec<String>)],
        priority: Priority,
    ) -> Result<Sight, RequestError> {
        let page = match Box::pin(self.aws.describe_by(scope, spec, filters, priority)).await {
            Ok(page) => page,
            Err(error) => return Ok(Sight::Failed(error.explained())),
        };
        let is_whole = page.next.is_none();
        let unreadable = page.unreadable.first().map(|item| shown(&item.why(), 240));
        let ids: Vec<String> = page.items.iter().map(|item| item.id.to_string()).collect();
        self.take_in(Lane::Refresh, scope, spec, &ids, vec![page]).await?;
        Ok(match unreadable {
            Some(why) => Sight::Unsaid(format!("AWS's answer about it cannot be read ({why}).")),
            None if !is_whole => Sight::Unsaid("AWS's answer has more than one page.".to_owned()),
            None => Sight::Shown,
        })
    }

    async fn ask(
        &self,
        scope: &Scope,
        spec: &'static KindSpec,
        ids: &[String],
        priority: Priority,
    ) -> Result<Vec<(Arc<str>, Sight)>, RequestError> {
        let (described, unproved) = Box::pin(self.aws.describe_proved(scope, spec, ids, priority)).await;
        let (shown_ids, _) = self.take_in(Lane::Refresh, scope, spec, ids, described.answers).await?;
        let mut sights: Vec<(Arc<str>, Sight)> = shown_ids.into_iter().map(|id| (id, Sight::Shown)).collect();
        let unsaid = |id, why: String| (id, Sight::Unsaid(why));
        let absent = unproved.map_or(Sight::NotFound, |error| Sight::Failed(error.explained()));
        let malformed = described.malformed;
        sights.extend(described.not_found.into_iter().map(|id| {
            let sight = if malformed.contains(&id) { Sight::Malformed } else { absent.clone() };
            (id, sight)
        }));
        sights.extend(described.silent.into_iter().map(|id| unsaid(id, "AWS's answer leaves it out.".to_owned())));
        sights.extend(described.unreadable.into_iter().map(|(id, why)| {
            let why = format!("AWS's answer about it cannot be read ({}).", shown(&why, 240));
            unsaid(id, why)
        }));
        if let Some((left, error)) = described.failed {
            sights.extend(left.into_iter().map(|id| (id, Sight::Failed(error.explained()))));
        }
        Ok(sights)
    }
}
