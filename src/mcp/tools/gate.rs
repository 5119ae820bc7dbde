//! The gate that every change of AWS passes, after the live look and before anything is recorded or called.
//!
//! It judges each instance by itself, by what AWS has just shown of it and never by the copy. What the rules refuse gets a row of
//! its own, and the others go on.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::plan::{PlannedEffect, WritePlan};
use super::spec::ToolSpec;
use super::write_through::{LiveCheck, LiveInstance, check};
use crate::aws::{DescribeResult, Priority};
use crate::ingest::Lane;
use crate::kinds::INSTANCE;
use crate::mcp::call_origin::CallOrigin;
use crate::mcp::core::Core;
use crate::mcp::error::RequestError;
use crate::mcp::policy::Writes;
use crate::mcp::touched::{Admission, TouchedLately};
use crate::model::secret_tags::is_mark;
use crate::model::{Cause, Document, Event, Group, Named, Page, Recorded, ResourceId, Scope, Seq, Timestamp, Value};
use crate::policy::change_request::TagValue;
use crate::policy::{ChangeRequest, KnownTags, PolicyVerdict, TouchedInstances, WriteRule};
use crate::store::Snapshot;

/// How much later AWS is asked again about an instance that it shows without any tag.
const AGAIN: Duration = Duration::from_secs(2);
/// How long an instance that had tags is not believed to have none: the copy may have lost them as well.
const DOUBTED: Duration = Duration::from_mins(15);
/// How many of its newest records are looked at for that.
const LOOKED_AT: usize = 500;

/// What the gate lets through, and what it does not.
#[derive(Debug, Default)]
pub struct GatedInstances {
    /// The instances that may be changed.
    pub allowed: Vec<LiveInstance>,
    /// The instances that may not.
    pub refused: Vec<RefusedInstance>,
    /// Counts the instances for the rules that cap their number. To be kept until the changes are recorded.
    pub admission: Option<Admission>,
}

/// An instance that a rule refuses to have changed.
#[derive(Debug)]
pub struct RefusedInstance {
    /// The instance.
    pub target: LiveInstance,
    /// The rule, and whose it is.
    pub rule: String,
    /// Why it refuses, and who can change it.
    pub message: String,
}

/// Who changes what by which tool.
#[derive(Clone)]
pub struct WriteGate {
    /// Looks up what was changed lately.
    pub core: Arc<Core>,
    /// The rules.
    pub writes: Writes,
    /// Who calls the tool, and with what.
    pub origin: CallOrigin,
    /// The tool.
    pub spec: &'static ToolSpec,
    /// Whether nothing is to be changed, so that nothing counts.
    pub dry_run: bool,
}

impl WriteGate {
    /// Judges each of the targets. Those for which no call `will_be` made change nothing, so that they do not count.
    ///
    /// # Errors
    /// When the log or the copy cannot be read; then nothing may be called.
    pub async fn pass(
        &self,
        targets: Vec<LiveInstance>,
        will_be: impl Fn(&LiveInstance) -> bool,
    ) -> Result<GatedInstances, RequestError> {
        // On the heap: most calls need no second look.
        let (targets, untold) = Box::pin(self.looked_again(targets)).await?;
        // By what the last look shows.
        let judged = |target| {
            let is_called = will_be(&target);
            (target, is_called)
        };
        let targets: Vec<(LiveInstance, bool)> = targets.into_iter().map(judged).collect();
        let gate = self.clone();
        let gated = self.core.walk(move |core| gate.judge_all(core, targets, &untold)).await?;
        if !self.dry_run {
            self.record(&gated.refused).await;
        }
        Ok(gated)
    }

    /// Looks once more, a moment later, at those that AWS has just shown without any tag, where a rule looks at tags: AWS is known to
    /// leave out all tags under load. Returns also those of which the second look tells nothing.
    async fn looked_again(
        &self,
        mut targets: Vec<LiveInstance>,
    ) -> Result<(Vec<LiveInstance>, BTreeSet<ResourceId>), RequestError> {
        let mut untold = BTreeSet::new();
        if self.writes.in_force().tag_keys().is_empty() {
            return Ok((targets, untold));
        }
        let mut tagless: BTreeMap<Scope, Vec<String>> = BTreeMap::new();
        for target in targets.iter().filter(|target| target.document.tags().next().is_none()) {
            tagless.entry(target.id.scope()).or_default().push(target.id.id.to_string());
            untold.insert(target.id.clone());
        }
        if tagless.is_empty() {
            return Ok((targets, untold));
        }
        sleep(AGAIN).await;
        for (scope, ids) in tagless {
            let DescribeResult { answers, .. } = self.core.aws.describe(&scope, INSTANCE, &ids, Priority::Tool).await;
            for (_, item) in answers.iter().cloned().flat_map(Page::dated) {
                let id = ResourceId::new(&scope, &INSTANCE.kind(), item.id);
                if let Some(target) = targets.iter_mut().find(|target| target.id == id) {
                    target.document = item.document;
                    untold.remove(&id);
                }
            }
            self.core.take_in(Lane::Tools, &scope, INSTANCE, &ids, answers).await?;
        }
        Ok((targets, untold))
    }

    /// Records what was refused, by rule.
    async fn record(&self, refused: &[RefusedInstance]) {
        let mut by_rule: BTreeMap<&str, Vec<ResourceId>> = BTreeMap::new();
        for RefusedInstance { target, rule, .. } in refused {
            by_rule.entry(rule).or_default().push(target.id.clone());
        }
        for (rule, targets) in by_rule {
            let attempt = self.origin.attempt(self.spec.name, targets);
            self.core.record_refusal(attempt, rule.to_owned()).await;
        }
    }

    /// Judges each of the targets. The tags of those that are `untold` are not known.
    fn judge_all(
        &self,
        core: &Core,
        targets: Vec<(LiveInstance, bool)>,
        untold: &BTreeSet<ResourceId>,
    ) -> Result<GatedInstances, RequestError> {
        let mut tags = Vec::with_capacity(targets.len());
        for (target, _) in &targets {
            let is_untold = untold.contains(&target.id);
            tags.push(if is_untold { KnownTags::Lost } else { self.known_tags(core, &target.id, &target.document)? });
        }
        let span = self.span();
        let now = core.now();
        let audit = if self.dry_run { None } else { self.audit_obstacle(core) };
        let decide = |touched: &mut TouchedLately| {
            let (mut gated, mut counted) = (GatedInstances::default(), Vec::new());
            for ((target, is_called), tags) in targets.into_iter().zip(&tags) {
                let change = ChangeRequest { audit: audit.as_deref(), ..self.request(&target.id, tags, touched, now) };
                let change = if is_called { change } else { uncounted(&change) };
                let verdict = self.writes.in_force().judge(&change);
                if let Some(check) = verdict.refusal() {
                    let (rule, message) = (check.told(), self.writes.refused(check));
                    gated.refused.push(RefusedInstance { target, rule, message });
                    continue;
                }
                if is_called {
                    touched.note(&target.id.id, now);
                    counted.push(target.id.id.to_string());
                }
                gated.allowed.push(target);
            }
            (if self.dry_run { Vec::new() } else { counted }, gated)
        };
        match span {
            None => Ok(decide(&mut TouchedLately::default()).1),
            Some(span) => {
                let (admission, gated) = core.touched.admit(&core.store, span, now, self.origin.by.as_ref(), decide)?;
                Ok(GatedInstances { admission, ..gated })
            }
        }
    }

    /// What the tool does to instances as they are now.
    ///
    /// # Errors
    /// When the copy cannot be read.
    pub fn plan(&self, effect: &PlannedEffect, targets: &[LiveInstance]) -> Result<WritePlan, RequestError> {
        WritePlan::make(&self.core, self.spec.name, effect, targets, &self.writes.in_force().tag_keys())
    }

    /// What the tool would do to the named instances for which a call `will_be` made, as AWS shows them now. Nothing is changed yet, so
    /// nothing counts and no refusal is recorded.
    ///
    /// # Errors
    /// When the log or the copy cannot be read.
    pub async fn preview(
        &self,
        named: &Named,
        effect: &PlannedEffect,
        will_be: impl Fn(&LiveInstance) -> bool,
    ) -> Result<WritePlan, RequestError> {
        let LiveCheck { targets, .. } =
            check(&self.core, &self.core.aws.pinned_for(self.origin.by.as_ref()).await, named).await?;
        let look = WriteGate { dry_run: true, ..self.clone() };
        let GatedInstances { mut allowed, .. } = look.pass(targets, &will_be).await?;
        allowed.retain(will_be);
        self.plan(effect, &allowed)
    }

    /// What the rules say of one instance. Nothing is counted. Where no client is named, the caps of a connection count those of all
    /// clients.
    ///
    /// # Errors
    /// When the log or the copy cannot be read.
    pub fn explain(&self, core: &Core, id: &ResourceId, document: &Document) -> Result<PolicyVerdict, RequestError> {
        let (tags, now) = (self.known_tags(core, id, document)?, core.now());
        let audit = self.audit_obstacle(core);
        let judge = |touched: &TouchedLately| {
            let has_client = self.origin.by.as_ref().is_some_and(|by| by.client.is_some());
            let by_connection = if has_client { &touched.by_connection } else { &touched.by_server };
            let change = self.request(id, &tags, touched, now);
            self.writes.in_force().judge(&ChangeRequest { by_connection, audit: audit.as_deref(), ..change })
        };
        match self.span() {
            None => Ok(judge(&TouchedLately::default())),
            Some(span) => {
                let by = self.origin.by.as_ref();
                let explain = |touched: &mut TouchedLately| (Vec::new(), judge(touched));
                let (_, verdict) = core.touched.admit(&core.store, span, now, by, explain)?;
                Ok(verdict)
            }
        }
    }

    /// The tags of an instance. AWS is known to leave out all tags at times, which the copy and the log tell.
    fn known_tags(&self, core: &Core, id: &ResourceId, document: &Document) -> Result<KnownTags, RequestError> {
        let tags = shown_tags(document);
        // Without a rule that reads tags it makes no difference.
        let is_doubted = tags.is_empty() && !self.writes.in_force().tag_keys().is_empty();
        let is_lost = is_doubted && may_have_tags(&core.snapshot()?, id, core.now())?;
        Ok(if is_lost { KnownTags::Lost } else { KnownTags::All(tags) })
    }

    fn request<'a>(
        &self,
        id: &'a ResourceId,
        tags: &'a KnownTags,
        touched: &'a TouchedLately,
        now: Timestamp,
    ) -> ChangeRequest<'a> {
        ChangeRequest {
            tool: self.spec.name,
            adds: self.spec.only_adds(),
            account: id.account.as_str(),
            region: id.region.as_str(),
            instance: &id.id,
            tags,
            by_server: &touched.by_server,
            by_connection: &touched.by_connection,
            audit: None,
            now,
        }
    }

    /// Why what is changed now might not come into the audit file, if a rule asks for that.
    fn audit_obstacle(&self, core: &Core) -> Option<String> {
        self.writes.in_force().origin_of(&WriteRule::Audit).and_then(|_| core.audit.obstacle())
    }

    /// The longest time that a cap looks back; `None` without caps.
    fn span(&self) -> Option<Duration> {
        let rules = self.writes.in_force().rules().iter();
        let windows = rules.filter_map(|(_, rule)| match rule {
            WriteRule::Cap(cap) => Some(cap.window),
            _ => None,
        });
        windows.max()
    }
}

/// The same change, where nothing was changed before. Of an instance that is not called no cap has anything to say.
fn uncounted<'a>(change: &ChangeRequest<'a>) -> ChangeRequest<'a> {
    static NOTHING: TouchedInstances = TouchedInstances { last: BTreeMap::new(), known_since: None };
    ChangeRequest { by_server: &NOTHING, by_connection: &NOTHING, ..change.clone() }
}

/// The tags of a document, by key.
fn shown_tags(document: &Document) -> BTreeMap<String, TagValue> {
    let tags = document.tags().map(|(key, value)| {
        let value = if is_mark(value) { TagValue::Hidden } else { TagValue::Plain(value.to_owned()) };
        (key.to_owned(), value)
    });
    tags.collect()
}

/// Whether an instance that AWS has just shown without tags may have some all the same: the copy has some, or had some lately, or knows
/// the instance from nothing but a look like this one, which it has recorded already.
fn may_have_tags(snapshot: &Snapshot, id: &ResourceId, now: Timestamp) -> Result<bool, RequestError> {
    let Some(current) = snapshot.current(id)? else { return Ok(true) };
    if current.document.tags().next().is_some() {
        return Ok(true);
    }
    let records = snapshot.timeline_before(id, Seq(u64::MAX), LOOKED_AT)?;
    Ok(records.iter().any(|record| record.recorded_at >= now - DOUBTED && casts_doubt(record)))
}

/// Whether a record shows that a resource had tags then or right before, or that no full listing had shown it before.
fn casts_doubt(record: &Recorded) -> bool {
    match &record.event {
        Event::Discovered { document, .. } => {
            let is_listed = matches!(record.cause, Cause::Baseline | Cause::Sweep | Cause::Resumed { .. });
            !is_listed || document.tags().next().is_some()
        }
        Event::Changed { changes, .. } => changes.iter().any(|change| {
            let had = |value: &Value| !matches!(value, Value::List(list) if list.is_empty());
            change.group() == Group::Tags && change.before.as_ref().is_some_and(had)
        }),
        _ => false,
    }
}
