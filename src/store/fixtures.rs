//! Documents, events and stores for the tests of the store, and stores for those of others.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use proptest::prelude::*;
use redb::ReadableTable;
use tempfile::TempDir;

use super::{CommitBatch, Store, StoreOptions, Writer};
use crate::model::event::Overlay;
use crate::model::fixtures::{at_millis, kind, scope_in, tags};
use crate::model::known::fold;
use crate::model::{
    ActionId, ActionOutcome, ActionRequest, ApiCall, Cause, Change, ConfirmationOutcome, ConfirmationWay, Current,
    Document, Event, Evidence, Group, Kind, Map, Principal, Provisional, Recorded, Repeats, ResourceId, RowFields, Seq,
    Source, Tagging, Value, WriteAttempt,
};

/// Flips a bit in the middle of a record of the log of a closed store.
pub(crate) fn flip_record(dir: &Path, seq: Seq) {
    let database = redb::Database::open(dir.join(super::FILE_NAME)).unwrap();
    let txn = database.begin_write().unwrap();
    {
        let mut events = txn.open_table(super::tables::EVENTS_TABLE).unwrap();
        let mut record = events.get(seq.0).unwrap().unwrap().value().to_vec();
        let middle = record.len() / 2;
        record[middle] ^= 4;
        events.insert(seq.0, record.as_slice()).unwrap();
    }
    txn.commit().unwrap();
}

/// Flips a bit in the middle of the row of a resource of a closed store.
pub(crate) fn flip_row(dir: &Path, id: &ResourceId) {
    let database = redb::Database::open(dir.join(super::FILE_NAME)).unwrap();
    let txn = database.begin_write().unwrap();
    {
        let (key, mut rows) = (super::keys::resource(id), txn.open_table(super::tables::ROWS_TABLE).unwrap());
        let mut row = rows.get(key.as_slice()).unwrap().unwrap().value().to_vec();
        let middle = row.len() / 2;
        row[middle] ^= 4;
        rows.insert(key.as_slice(), row.as_slice()).unwrap();
    }
    txn.commit().unwrap();
}

pub(super) fn instance(id: &str) -> ResourceId {
    ResourceId::new(&scope_in("eu-central-1"), &kind(), id)
}

/// Facet 1 is the state, 2 the VPC, 3 the size.
pub(super) fn project(_: &ResourceId, document: &Document) -> RowFields {
    let facets = [(1, "State.Name"), (2, "VpcId"), (3, "Size")];
    RowFields {
        projection: 0,
        name: document.tag("Name").map(str::to_owned),
        owner: document.text("OwnerId").map(str::to_owned),
        facets: facets
            .iter()
            .flat_map(|(number, path)| document.scalars(path).into_iter().map(|value| (*number, value)))
            .collect(),
        tags: document.tags().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
    }
}

pub(super) fn map(fields: &[(&str, Value)]) -> Map {
    fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

pub(super) fn document(state: &str, name: &str) -> Document {
    Document::new(map(&[
        ("State", Value::Map(map(&[("Code", Value::Int(16)), ("Name", state.into())]))),
        ("VpcId", "vpc-1".into()),
        ("Tags", tags([("Name", name), ("env", "prod")])),
    ]))
}

pub(super) fn evidence(moment: i64) -> Evidence {
    Evidence { source: Source::Sweep, at: at_millis(moment) }
}

pub(super) fn discovered(id: &ResourceId, document: Document) -> (Cause, Event) {
    (Cause::Sweep, Event::Discovered { id: id.clone(), document, evidence: evidence(1), mapping: 1 })
}

pub(super) fn removed(id: &ResourceId) -> (Cause, Event) {
    (Cause::Sweep, Event::Removed { id: id.clone(), at: at_millis(9) })
}

pub(super) fn changed(id: &ResourceId, before: &Document, after: &Document) -> (Cause, Event) {
    let event = Event::Changed {
        id: id.clone(),
        changes: before.changes_to(after),
        evidence: vec![(Group::State, evidence(5))],
        overlay: Overlay::Keep,
    };
    (Cause::Refresh, event)
}

pub(super) fn batch(entries: Vec<(Cause, Event)>) -> CommitBatch {
    CommitBatch { recorded_at: at_millis(1000), entries, ..CommitBatch::default() }
}

pub(super) fn options(dir: &TempDir) -> StoreOptions {
    StoreOptions { cache_bytes: 4 << 20, ..StoreOptions::new(dir.path(), project) }
}

/// A row holds the name of its resource, and nothing else.
pub(crate) fn named(_: &ResourceId, document: &Document) -> RowFields {
    RowFields { name: document.tag("Name").map(str::to_owned), ..RowFields::default() }
}

/// A store in `dir` whose rows are [`named`].
pub(crate) fn open_in(dir: &TempDir) -> (Writer, Store) {
    super::open(StoreOptions::new(dir.path(), named)).unwrap()
}

pub(super) fn fresh() -> (TempDir, Writer, Store) {
    let dir = tempfile::tempdir().unwrap();
    let (writer, store) = super::open(options(&dir)).unwrap();
    (dir, writer, store)
}

/// The expected content of the store, kept in plain maps.
#[derive(Clone, Default)]
pub(crate) struct PlainStore {
    pub(crate) seq: Seq,
    pub(crate) log: Vec<Recorded>,
    pub(crate) current: BTreeMap<ResourceId, Current>,
}

impl PlainStore {
    pub(crate) fn commit(&mut self, batch: &CommitBatch) {
        for (cause, event) in &batch.entries {
            self.seq = self.seq.next();
            let record =
                Recorded { seq: self.seq, recorded_at: batch.recorded_at, cause: cause.clone(), event: event.clone() };
            if let Some(id) = record.event.resource()
                && let Some(after) = fold(self.current.remove(id), &record)
            {
                self.current.insert(id.clone(), after);
            }
            self.log.push(record);
        }
    }
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{0,6}", any::<String>()]
}

pub(super) fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        any_text().prop_map(Value::Text),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::List),
            proptest::collection::btree_map(any_text(), inner, 0..4)
                .prop_map(|fields| Value::Map(fields.into_iter().collect())),
        ]
    })
}

pub(super) fn any_document() -> impl Strategy<Value = Document> {
    let states = prop_oneof![Just("running"), Just("stopped"), Just("terminated")];
    (states, "[a-c]{1,2}", proptest::collection::btree_map("[A-Z][a-z]{1,3}", any_value(), 0..4)).prop_map(
        |(state, name, extra)| {
            let mut fields = document(state, &name).fields().clone();
            fields.extend(extra);
            Document::new(fields)
        },
    )
}

/// Few resources, so that events meet: three ids in two regions, of two kinds.
pub(super) fn any_id() -> impl Strategy<Value = ResourceId> {
    (0..2_u8, 0..3_u8, 0..2_u8).prop_map(|(kind, id, region)| {
        let scope = scope_in(if region == 0 { "eu-central-1" } else { "us-east-1" });
        ResourceId::new(&scope, &Kind::new(if kind == 0 { "A" } else { "B" }), format!("i-{id}"))
    })
}

fn any_source() -> impl Strategy<Value = Source> {
    prop_oneof![Just(Source::Sweep), Just(Source::Refresh), Just(Source::Notification), Just(Source::Tool)]
}

fn any_group() -> impl Strategy<Value = Group> {
    prop_oneof![Just(Group::State), Just(Group::Tags), Just(Group::Rest)]
}

fn any_evidence() -> impl Strategy<Value = Evidence> {
    (any_source(), any::<i64>()).prop_map(|(source, millis)| Evidence { source, at: at_millis(millis) })
}

fn any_overlay() -> impl Strategy<Value = Overlay> {
    let provisional = (any_group(), any_source(), any::<i64>(), proptest::collection::vec(any_text(), 0..3)).prop_map(
        |(group, source, millis, before)| Overlay::Lay(Provisional { group, source, at: at_millis(millis), before }),
    );
    let tagging = (any::<u64>(), any::<i64>(), proptest::collection::vec(any_value(), 0..3))
        .prop_map(|(version, millis, superseded)| Overlay::Tag(Tagging { version, at: at_millis(millis), superseded }));
    prop_oneof![Just(Overlay::Keep), provisional, Just(Overlay::Settle), tagging]
}

fn any_changes() -> impl Strategy<Value = Vec<Change>> {
    (any_document(), any_document()).prop_map(|(before, after)| before.changes_to(&after))
}

pub(super) fn any_cause() -> impl Strategy<Value = Cause> {
    prop_oneof![
        Just(Cause::Baseline),
        Just(Cause::Sweep),
        Just(Cause::Refresh),
        any_text().prop_map(|event_id| Cause::Notification { event_id }),
        any::<u64>().prop_map(|action| Cause::Tool { action: ActionId(action) }),
        any::<i64>().prop_map(at_millis).prop_map(|since| Cause::Resumed { since }),
        (any_text(), any_text(), proptest::option::of(any_text())).prop_map(|(event_id, actor, address)| Cause::Call {
            event_id,
            call: ApiCall { name: "StopInstances".to_owned(), actor, address, agent: None },
        }),
    ]
}

fn any_outcome() -> impl Strategy<Value = ActionOutcome> {
    prop_oneof![
        proptest::collection::vec(any_text(), 0..3).prop_map(|created| ActionOutcome::Succeeded { created }),
        (any_text(), any_text()).prop_map(|(code, message)| ActionOutcome::Refused { code, message }),
        any_text().prop_map(|message| ActionOutcome::Unknown { message }),
    ]
}

fn maybe_text() -> impl Strategy<Value = Option<String>> {
    proptest::option::of(any_text())
}

fn any_principal() -> BoxedStrategy<Principal> {
    (any_text(), maybe_text(), maybe_text(), maybe_text())
        .prop_map(|(user, client, version, session)| {
            let [client, version, session] = [client, version, session].map(|text| text.map(Arc::from));
            Principal { user: user.into(), client, version, session }
        })
        .boxed()
}

fn any_attempt() -> BoxedStrategy<WriteAttempt> {
    let targets = proptest::collection::vec(any_id(), 0..3);
    (any_text(), targets, proptest::option::of(any_principal()), maybe_text())
        .prop_map(|(tool, targets, by, arguments)| WriteAttempt { tool, targets, by, arguments })
        .boxed()
}

fn any_request() -> BoxedStrategy<ActionRequest> {
    let confirmed = (proptest::option::of(any_way()), proptest::option::of(any::<u64>().prop_map(Seq)));
    let asked = (maybe_text(), maybe_text(), maybe_text(), confirmed);
    let known = (any_attempt(), asked).prop_map(|(attempt, (call, plan, key, (confirmed_by, confirmation)))| {
        let WriteAttempt { tool, targets, by, arguments } = attempt;
        ActionRequest { tool, targets, call, by, arguments, plan, key, confirmed_by, confirmation }
    });
    let plain = (any_attempt(), maybe_text())
        .prop_map(|(attempt, call)| ActionRequest { call, ..ActionRequest::of(&attempt.tool, attempt.targets) });
    prop_oneof![known, plain].boxed()
}

fn any_repeats() -> impl Strategy<Value = Repeats> {
    (any::<u64>(), any::<i64>(), any::<i64>()).prop_map(|(count, first, last)| Repeats {
        count,
        first_at: at_millis(first),
        last_at: at_millis(last),
    })
}

fn any_way() -> impl Strategy<Value = ConfirmationWay> {
    prop_oneof![Just(ConfirmationWay::Elicitation), Just(ConfirmationWay::Input), Just(ConfirmationWay::Token)]
}

fn any_confirmation() -> impl Strategy<Value = ConfirmationOutcome> {
    prop_oneof![
        Just(ConfirmationOutcome::Accepted),
        Just(ConfirmationOutcome::Declined),
        Just(ConfirmationOutcome::Cancelled),
        Just(ConfirmationOutcome::Restarted)
    ]
}

/// On the heap: values of all strategies together do not fit on the stack of a test.
fn any_action_event() -> BoxedStrategy<Event> {
    prop_oneof![
        1 => (any::<u64>(), any_request()).prop_map(|(action, request)| request.requested(ActionId(action))),
        1 => (any::<u64>(), any_outcome(), maybe_text()).prop_map(
            |(action, outcome, request_id)| Event::ActionFinished { action: ActionId(action), outcome, request_id }),
        1 => (any_attempt(), any_text(), any_repeats())
            .prop_map(|(attempt, rule, repeats)| Event::ActionRefused { attempt, rule, repeats }),
        1 => (any_attempt(), maybe_text(), any_way(), any_confirmation(), any_repeats()).prop_map(
            |(attempt, plan, way, outcome, repeats)| Event::ActionConfirmed { attempt, plan, way, outcome, repeats }),
    ]
    .boxed()
}

pub(super) fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => (any_id(), any_document(), any_evidence(), any::<u16>()).prop_map(
            |(id, document, evidence, mapping)| Event::Discovered { id, document, evidence, mapping }),
        4 => (any_id(), any_changes(), proptest::collection::vec((any_group(), any_evidence()), 0..3), any_overlay())
            .prop_map(|(id, changes, evidence, overlay)| Event::Changed { id, changes, evidence, overlay }),
        2 => (any_id(), any::<i64>()).prop_map(|(id, millis)| Event::Removed { id, at: at_millis(millis) }),
        1 => (any_id(), any_changes(), any::<u16>())
            .prop_map(|(id, changes, mapping)| Event::Remapped { id, changes, mapping }),
        4 => any_action_event(),
        1 => (any::<i64>(), proptest::collection::vec(any_id(), 0..3))
            .prop_map(|(millis, targets)| Event::Called { at: at_millis(millis), targets }),
    ]
}

pub(super) fn any_batch() -> impl Strategy<Value = CommitBatch> {
    (any::<i64>(), proptest::collection::vec((any_cause(), any_event()), 0..6))
        .prop_map(|(millis, entries)| CommitBatch { recorded_at: at_millis(millis), entries, ..CommitBatch::default() })
}
