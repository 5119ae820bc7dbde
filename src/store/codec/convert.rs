//! Conversions between the model and the disk structs.

use std::borrow::Cow;
use std::sync::Arc;

use super::disk::{
    DiskAttempt, DiskCall, DiskCause, DiskChange, DiskConfirmation, DiskEvent, DiskEvidence, DiskGroup, DiskGroups,
    DiskHeld, DiskId, DiskKnown, DiskOutcome, DiskOverlay, DiskPrincipal, DiskProvisional, DiskRecord, DiskRepeats,
    DiskSource, DiskTagging, DiskWay,
};
use super::document::{DiskDocument, DiskValue, DiskWord};
use crate::model::event::Overlay;
use crate::model::evidence::Tagging;
use crate::model::known::LeftState;
use crate::model::{
    AccountId, ActionId, ActionOutcome, ActionRequest, ApiCall, Cause, Change, ConfirmationOutcome, ConfirmationWay,
    Current, Document, Event, Evidence, Group, GroupEvidence, Kind, Principal, Provisional, Recorded, Region, Repeats,
    ResourceId, Seq, Source, Timestamp, Value, WriteAttempt,
};
use crate::store::stored::{Stored, StoredDocument};

fn millis(at: Timestamp) -> i64 {
    at.as_millis()
}

fn texts(list: &[String]) -> Vec<&str> {
    list.iter().map(String::as_str).collect()
}

fn owned(list: Vec<&str>) -> Vec<String> {
    list.into_iter().map(str::to_owned).collect()
}

fn resources(list: Vec<DiskId<'_>>) -> Vec<ResourceId> {
    list.into_iter().map(ResourceId::from).collect()
}

impl<'a> From<&'a Recorded> for DiskRecord<'a> {
    fn from(record: &'a Recorded) -> Self {
        DiskRecord {
            recorded_at: millis(record.recorded_at),
            cause: (&record.cause).into(),
            event: (&record.event).into(),
        }
    }
}

impl<'a> From<&'a Cause> for DiskCause<'a> {
    fn from(cause: &'a Cause) -> Self {
        match cause {
            Cause::Baseline => DiskCause::Baseline,
            Cause::Sweep => DiskCause::Sweep,
            Cause::Refresh => DiskCause::Refresh,
            Cause::Attempt => DiskCause::Attempt,
            Cause::Notification { event_id } => DiskCause::Notification { event_id },
            Cause::Tool { action } => DiskCause::Tool { action: action.0 },
            Cause::Resumed { since } => DiskCause::Resumed { since: millis(*since) },
            Cause::Call { event_id, call } => DiskCause::Call {
                event_id,
                call: DiskCall {
                    name: &call.name,
                    actor: &call.actor,
                    address: call.address.as_deref(),
                    agent: call.agent.as_deref(),
                },
            },
        }
    }
}

impl From<DiskCause<'_>> for Cause {
    fn from(cause: DiskCause<'_>) -> Self {
        match cause {
            DiskCause::Baseline => Cause::Baseline,
            DiskCause::Sweep => Cause::Sweep,
            DiskCause::Refresh => Cause::Refresh,
            DiskCause::Attempt => Cause::Attempt,
            DiskCause::Notification { event_id } => Cause::Notification { event_id: event_id.to_owned() },
            DiskCause::Tool { action } => Cause::Tool { action: ActionId(action) },
            DiskCause::Resumed { since } => Cause::Resumed { since: Timestamp::from_millis(since) },
            DiskCause::Call { event_id, call } => Cause::Call {
                event_id: event_id.to_owned(),
                call: ApiCall {
                    name: call.name.to_owned(),
                    actor: call.actor.to_owned(),
                    address: call.address.map(str::to_owned),
                    agent: call.agent.map(str::to_owned),
                },
            },
        }
    }
}

impl<'a> From<&'a Event> for DiskEvent<'a> {
    fn from(event: &'a Event) -> Self {
        let changes = |changes: &'a [Change]| changes.iter().map(DiskChange::from).collect();
        match event {
            Event::Discovered { id, document, evidence, mapping } => DiskEvent::Discovered {
                id: id.into(),
                document: DiskDocument(Cow::Borrowed(document)),
                evidence: (*evidence).into(),
                mapping: *mapping,
            },
            Event::Changed { id, changes: list, evidence, overlay } => DiskEvent::Changed {
                id: id.into(),
                changes: changes(list),
                evidence: evidence.iter().map(|(group, evidence)| ((*group).into(), (*evidence).into())).collect(),
                overlay: match overlay {
                    Overlay::Keep => DiskOverlay::Keep,
                    Overlay::Lay(provisional) => DiskOverlay::Lay(provisional.into()),
                    Overlay::Settle => DiskOverlay::Settle,
                    Overlay::Tag(tagging) => DiskOverlay::Tag(tagging.into()),
                },
            },
            Event::Removed { id, at } => DiskEvent::Removed { id: id.into(), at: millis(*at) },
            Event::Remapped { id, changes: list, mapping } => {
                DiskEvent::Remapped { id: id.into(), changes: changes(list), mapping: *mapping }
            }
            Event::ActionRequested {
                action,
                tool,
                targets,
                call,
                by,
                arguments,
                plan,
                key,
                confirmed_by,
                confirmation,
            } => {
                let is_plain = by.is_none() && arguments.is_none() && plan.is_none() && key.is_none();
                let is_plain = is_plain && confirmed_by.is_none() && confirmation.is_none();
                let (action, targets) = (action.0, targets.iter().map(DiskId::from).collect());
                let (by, arguments) = (by.as_ref().map(DiskPrincipal::from), arguments.as_deref());
                let (plan, key) = (plan.as_deref(), key.as_deref());
                let confirmed_by = confirmed_by.map(DiskWay::from);
                match (call, confirmation) {
                    (None, _) if is_plain => DiskEvent::ActionRequested { action, tool, targets },
                    (Some(call), _) if is_plain => DiskEvent::NamedActionRequested { action, tool, targets, call },
                    (call, None) => DiskEvent::KnownActionRequested {
                        action,
                        attempt: DiskAttempt { tool, targets, by, arguments },
                        call: call.as_deref(),
                        plan,
                        key,
                        confirmed_by,
                    },
                    (call, Some(confirmation)) => DiskEvent::ConfirmedActionRequested {
                        action,
                        attempt: DiskAttempt { tool, targets, by, arguments },
                        call: call.as_deref(),
                        plan,
                        key,
                        confirmed_by,
                        confirmation: confirmation.0,
                    },
                }
            }
            Event::ActionFinished { action, outcome, request_id } => {
                let (action, outcome) = (action.0, outcome.into());
                match request_id {
                    None => DiskEvent::ActionFinished { action, outcome },
                    Some(request_id) => DiskEvent::TracedActionFinished { action, outcome, request_id },
                }
            }
            Event::ActionRefused { attempt, rule, repeats } => {
                DiskEvent::ActionRefused { attempt: attempt.into(), rule, repeats: (*repeats).into() }
            }
            Event::ActionConfirmed { attempt, plan, way, outcome, repeats } => DiskEvent::ActionConfirmed {
                attempt: attempt.into(),
                plan: plan.as_deref(),
                way: (*way).into(),
                outcome: (*outcome).into(),
                repeats: (*repeats).into(),
            },
            Event::Called { at, targets } => {
                DiskEvent::Called { at: millis(*at), targets: targets.iter().map(DiskId::from).collect() }
            }
        }
    }
}

impl From<DiskEvent<'_>> for Event {
    fn from(event: DiskEvent<'_>) -> Self {
        let changes = |changes: Vec<DiskChange<'_>>| changes.into_iter().map(Change::from).collect();
        match event {
            DiskEvent::Discovered { id, document, evidence, mapping } => Event::Discovered {
                id: id.into(),
                document: document.0.into_owned(),
                evidence: evidence.into(),
                mapping,
            },
            DiskEvent::Changed { id, changes: list, evidence, overlay } => Event::Changed {
                id: id.into(),
                changes: changes(list),
                evidence: evidence.into_iter().map(|(group, evidence)| (group.into(), evidence.into())).collect(),
                overlay: match overlay {
                    DiskOverlay::Keep => Overlay::Keep,
                    DiskOverlay::Lay(provisional) => Overlay::Lay(provisional.into()),
                    DiskOverlay::Settle => Overlay::Settle,
                    DiskOverlay::Tag(tagging) => Overlay::Tag(tagging.into()),
                },
            },
            DiskEvent::Removed { id, at } => Event::Removed { id: id.into(), at: Timestamp::from_millis(at) },
            DiskEvent::Remapped { id, changes: list, mapping } => {
                Event::Remapped { id: id.into(), changes: changes(list), mapping }
            }
            DiskEvent::ActionRequested { action, tool, targets } => {
                ActionRequest::of(tool, resources(targets)).requested(ActionId(action))
            }
            DiskEvent::NamedActionRequested { action, tool, targets, call } => {
                let request = ActionRequest::of(tool, resources(targets));
                ActionRequest { call: Some(call.to_owned()), ..request }.requested(ActionId(action))
            }
            DiskEvent::KnownActionRequested { action, attempt, call, plan, key, confirmed_by } => {
                requested(attempt, (call, plan, key), confirmed_by, None).requested(ActionId(action))
            }
            DiskEvent::ConfirmedActionRequested { action, attempt, call, plan, key, confirmed_by, confirmation } => {
                requested(attempt, (call, plan, key), confirmed_by, Some(confirmation)).requested(ActionId(action))
            }
            DiskEvent::ActionFinished { action, outcome } => {
                Event::ActionFinished { action: ActionId(action), outcome: outcome.into(), request_id: None }
            }
            DiskEvent::TracedActionFinished { action, outcome, request_id } => Event::ActionFinished {
                action: ActionId(action),
                outcome: outcome.into(),
                request_id: Some(request_id.to_owned()),
            },
            DiskEvent::ActionRefused { attempt, rule, repeats } => {
                Event::ActionRefused { attempt: attempt.into(), rule: rule.to_owned(), repeats: repeats.into() }
            }
            DiskEvent::ActionConfirmed { attempt, plan, way, outcome, repeats } => Event::ActionConfirmed {
                attempt: attempt.into(),
                plan: plan.map(str::to_owned),
                way: way.into(),
                outcome: outcome.into(),
                repeats: repeats.into(),
            },
            DiskEvent::Called { at, targets } => {
                Event::Called { at: Timestamp::from_millis(at), targets: resources(targets) }
            }
        }
    }
}

/// What a tool asked for, of which everything is known.
fn requested(
    attempt: DiskAttempt<'_>,
    (call, plan, key): (Option<&str>, Option<&str>, Option<&str>),
    confirmed_by: Option<DiskWay>,
    confirmation: Option<u64>,
) -> ActionRequest {
    let WriteAttempt { tool, targets, by, arguments } = attempt.into();
    let (call, plan, key) = (call.map(str::to_owned), plan.map(str::to_owned), key.map(str::to_owned));
    let confirmed_by = confirmed_by.map(ConfirmationWay::from);
    ActionRequest { tool, targets, call, by, arguments, plan, key, confirmed_by, confirmation: confirmation.map(Seq) }
}

impl<'a> From<&'a ActionOutcome> for DiskOutcome<'a> {
    fn from(outcome: &'a ActionOutcome) -> Self {
        match outcome {
            ActionOutcome::Succeeded { created } => DiskOutcome::Succeeded { created: texts(created) },
            ActionOutcome::Refused { code, message } => DiskOutcome::Refused { code, message },
            ActionOutcome::Unknown { message } => DiskOutcome::Unknown { message },
        }
    }
}

impl From<DiskOutcome<'_>> for ActionOutcome {
    fn from(outcome: DiskOutcome<'_>) -> Self {
        match outcome {
            DiskOutcome::Succeeded { created } => ActionOutcome::Succeeded { created: owned(created) },
            DiskOutcome::Refused { code, message } => {
                ActionOutcome::Refused { code: code.to_owned(), message: message.to_owned() }
            }
            DiskOutcome::Unknown { message } => ActionOutcome::Unknown { message: message.to_owned() },
        }
    }
}

impl<'a> From<&'a WriteAttempt> for DiskAttempt<'a> {
    fn from(WriteAttempt { tool, targets, by, arguments }: &'a WriteAttempt) -> Self {
        DiskAttempt {
            tool,
            targets: targets.iter().map(DiskId::from).collect(),
            by: by.as_ref().map(DiskPrincipal::from),
            arguments: arguments.as_deref(),
        }
    }
}

impl From<DiskAttempt<'_>> for WriteAttempt {
    fn from(DiskAttempt { tool, targets, by, arguments }: DiskAttempt<'_>) -> Self {
        WriteAttempt {
            tool: tool.to_owned(),
            targets: resources(targets),
            by: by.map(Principal::from),
            arguments: arguments.map(str::to_owned),
        }
    }
}

impl<'a> From<&'a Principal> for DiskPrincipal<'a> {
    fn from(Principal { user, client, version, session }: &'a Principal) -> Self {
        DiskPrincipal { user, client: client.as_deref(), version: version.as_deref(), session: session.as_deref() }
    }
}

impl From<DiskPrincipal<'_>> for Principal {
    fn from(DiskPrincipal { user, client, version, session }: DiskPrincipal<'_>) -> Self {
        let [client, version, session] = [client, version, session].map(|text| text.map(Arc::from));
        Principal { user: user.into(), client, version, session }
    }
}

impl From<Repeats> for DiskRepeats {
    fn from(Repeats { count, first_at, last_at }: Repeats) -> Self {
        DiskRepeats { count, first_at: millis(first_at), last_at: millis(last_at) }
    }
}

impl From<DiskRepeats> for Repeats {
    fn from(DiskRepeats { count, first_at, last_at }: DiskRepeats) -> Self {
        let [first_at, last_at] = [first_at, last_at].map(Timestamp::from_millis);
        Repeats { count, first_at, last_at }
    }
}

impl<'a> From<&'a Change> for DiskChange<'a> {
    fn from(change: &'a Change) -> Self {
        let tree = |value: &'a Option<Value>| value.as_ref().map(|value| DiskValue(Cow::Borrowed(value)));
        DiskChange { path: &change.path, before: tree(&change.before), after: tree(&change.after) }
    }
}

impl From<DiskChange<'_>> for Change {
    fn from(change: DiskChange<'_>) -> Self {
        let value = |tree: Option<DiskValue<'_>>| tree.map(|tree| tree.0.into_owned());
        Change { path: change.path.to_owned(), before: value(change.before), after: value(change.after) }
    }
}

impl<'a> From<&'a ResourceId> for DiskId<'a> {
    fn from(id: &'a ResourceId) -> Self {
        let (kind, region) = (DiskWord(id.kind.as_str()), DiskWord(id.region.as_str()));
        DiskId { kind, id: &id.id, account: id.account.as_str(), region }
    }
}

impl From<DiskId<'_>> for ResourceId {
    fn from(id: DiskId<'_>) -> Self {
        ResourceId {
            kind: Kind::new(id.kind.0),
            id: id.id.into(),
            account: AccountId::new(id.account),
            region: Region::new(id.region.0),
        }
    }
}

impl<'a> From<&'a Current> for DiskKnown<'a> {
    fn from(current: &'a Current) -> Self {
        DiskKnown {
            evidence: current.evidence.into(),
            provisional: current.provisional.as_ref().map(DiskProvisional::from),
            held: current.held.iter().map(|held| DiskHeld { state: &held.state, until: millis(held.until) }).collect(),
            mapping: current.mapping,
            changed: current.changed.0,
            age: current.changed.0.wrapping_sub(current.discovered.0),
            changed_at: millis(current.changed_at),
            tagging: current.tagging.as_ref().map(DiskTagging::from),
        }
    }
}

impl DiskKnown<'_> {
    /// When the last change was committed.
    pub(in crate::store) fn changed_at(&self) -> Timestamp {
        Timestamp::from_millis(self.changed_at)
    }

    /// The resource with its document.
    pub(in crate::store) fn with(self, document: Document) -> Current {
        let held =
            |held: DiskHeld<'_>| LeftState { state: held.state.to_owned(), until: Timestamp::from_millis(held.until) };
        let (discovered, changed_at) = (Seq(self.discovered()), self.changed_at());
        Current {
            document,
            evidence: self.evidence.into(),
            provisional: self.provisional.map(Provisional::from),
            tagging: self.tagging.map(Tagging::from),
            held: self.held.into_iter().map(held).collect(),
            mapping: self.mapping,
            discovered,
            changed: Seq(self.changed),
            changed_at,
        }
    }

    /// The resource with its document in stored form.
    pub(in crate::store) fn with_stored(self, document: StoredDocument) -> Stored {
        let (discovered, changed_at) = (Seq(self.discovered()), self.changed_at());
        Stored {
            document,
            evidence: self.evidence.into(),
            provisional: self.provisional.map(Provisional::from),
            mapping: self.mapping,
            discovered,
            changed: Seq(self.changed),
            changed_at,
        }
    }
}

impl From<GroupEvidence> for DiskGroups {
    fn from(GroupEvidence { state, tags, rest }: GroupEvidence) -> Self {
        if state == tags && tags == rest {
            DiskGroups::One(state.into())
        } else {
            DiskGroups::Each([state.into(), tags.into(), rest.into()])
        }
    }
}

impl From<DiskGroups> for GroupEvidence {
    fn from(disk: DiskGroups) -> Self {
        match disk {
            DiskGroups::One(evidence) => GroupEvidence::all(evidence.into()),
            DiskGroups::Each(each) => {
                let [state, tags, rest] = each.map(Evidence::from);
                GroupEvidence { state, tags, rest }
            }
        }
    }
}

impl<'a> From<&'a Provisional> for DiskProvisional<'a> {
    fn from(provisional: &'a Provisional) -> Self {
        DiskProvisional {
            group: provisional.group.into(),
            source: provisional.source.into(),
            at: millis(provisional.at),
            before: texts(&provisional.before),
        }
    }
}

impl From<DiskProvisional<'_>> for Provisional {
    fn from(disk: DiskProvisional<'_>) -> Self {
        Provisional {
            group: disk.group.into(),
            source: disk.source.into(),
            at: Timestamp::from_millis(disk.at),
            before: owned(disk.before),
        }
    }
}

impl<'a> From<&'a Tagging> for DiskTagging<'a> {
    fn from(tagging: &'a Tagging) -> Self {
        let superseded = tagging.superseded.iter().map(|tags| DiskValue(Cow::Borrowed(tags))).collect();
        DiskTagging { version: tagging.version, at: millis(tagging.at), superseded }
    }
}

impl From<DiskTagging<'_>> for Tagging {
    fn from(disk: DiskTagging<'_>) -> Self {
        let superseded = disk.superseded.into_iter().map(|tags| tags.0.into_owned()).collect();
        Tagging { version: disk.version, at: Timestamp::from_millis(disk.at), superseded }
    }
}

impl From<Evidence> for DiskEvidence {
    fn from(evidence: Evidence) -> Self {
        DiskEvidence { source: evidence.source.into(), at: millis(evidence.at) }
    }
}

impl From<DiskEvidence> for Evidence {
    fn from(disk: DiskEvidence) -> Self {
        Evidence { source: disk.source.into(), at: Timestamp::from_millis(disk.at) }
    }
}

macro_rules! plain_enum {
    ($model:ident <=> $disk:ident { $($variant:ident),+ }) => {
        impl From<$model> for $disk {
            fn from(value: $model) -> Self {
                match value { $($model::$variant => $disk::$variant),+ }
            }
        }
        impl From<$disk> for $model {
            fn from(value: $disk) -> Self {
                match value { $($disk::$variant => $model::$variant),+ }
            }
        }
    };
}

plain_enum!(Group <=> DiskGroup { State, Tags, Rest });
plain_enum!(Source <=> DiskSource { Sweep, Refresh, Notification, Tool });
plain_enum!(ConfirmationWay <=> DiskWay { Elicitation, Input, Token });
plain_enum!(ConfirmationOutcome <=> DiskConfirmation {
    Accepted, Declined, Expired, Replayed, Altered, Changed, Cancelled, Restarted
});
