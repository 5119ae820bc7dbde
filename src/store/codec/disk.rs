//! The content of the records of each table. The structs borrow from the record where possible.

use bincode::de::BorrowDecoder;
use bincode::error::DecodeError;
use bincode::{BorrowDecode, Decode, Encode};

use super::document::{DiskDocument, DiskValue, DiskWord};
use crate::model::RowFields;

/// Counters that are kept with the data, in one `meta` record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub(in crate::store) struct DiskLedger {
    /// The newest record's seq.
    pub(in crate::store) seq: u64,
    /// Bytes of keys and values in use, by table.
    pub(in crate::store) live: Live,
    /// The newest record that is folded into `base` and no longer in the log; 0 while there is none.
    pub(in crate::store) horizon: u64,
    /// The commit time of that record, in milliseconds; 0 while there is none.
    pub(in crate::store) horizon_at: i64,
}

/// Bytes of keys and values in use, by table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Live {
    /// In `events`.
    pub events: u64,
    /// In `by_resource`.
    pub by_resource: u64,
    /// In `current`.
    pub current: u64,
    /// In `bodies`.
    pub bodies: u64,
    /// In `rows`.
    pub rows: u64,
    /// In `tombstones`.
    pub tombstones: u64,
    /// In `base`.
    pub base: u64,
    /// In `times`.
    pub times: u64,
    /// In `dedupe`.
    pub dedupe: u64,
}

/// The part of a row that lists and the comparison of sweeps read: everything except facets and tags.
#[derive(Encode, BorrowDecode)]
pub(in crate::store) struct DiskHead<'a> {
    pub(in crate::store) digest: [u8; 16],
    pub(in crate::store) provisional: bool,
    pub(in crate::store) seen: i64,
    pub(in crate::store) changed: u64,
    pub(in crate::store) name: Option<&'a str>,
    pub(in crate::store) owner: Option<&'a str>,
}

/// A row. The head is first, so that it can be decoded alone.
#[derive(Encode, BorrowDecode)]
pub(in crate::store) struct DiskRow<'a> {
    pub(in crate::store) head: DiskHead<'a>,
    /// The version of the projection that made it.
    pub(in crate::store) projection: u32,
    pub(in crate::store) facets: Vec<(u16, DiskWord<'a>)>,
    pub(in crate::store) tags: Vec<(DiskWord<'a>, DiskWord<'a>)>,
}

impl DiskRow<'_> {
    /// The fields that the kind extracted.
    pub(in crate::store) fn fields(&self) -> RowFields {
        RowFields {
            projection: self.projection,
            name: self.head.name.map(str::to_owned),
            owner: self.head.owner.map(str::to_owned),
            facets: self.facets.iter().map(|(number, value)| (*number, value.0.to_owned())).collect(),
            tags: self.tags.iter().map(|(key, value)| (key.0.to_owned(), value.0.to_owned())).collect(),
        }
    }
}

/// When a kind was listed in a scope; see [`crate::store::Watermark`].
#[derive(Encode, Decode)]
pub(in crate::store) struct DiskWatermark {
    pub(in crate::store) started: i64,
    pub(in crate::store) ended: i64,
    pub(in crate::store) complete: bool,
}

/// A recorded notification.
#[derive(Encode, BorrowDecode)]
pub(super) struct DiskNotified<'a> {
    pub(in crate::store) at: i64,
    pub(in crate::store) event_id: &'a str,
}

/// A queue message that could not be read; see [`crate::store::parked`].
#[derive(Encode, BorrowDecode)]
pub(in crate::store) struct DiskParked<'a> {
    pub(in crate::store) at: i64,
    pub(in crate::store) receives: u32,
    pub(in crate::store) bytes: u64,
    pub(in crate::store) queue: &'a str,
    pub(in crate::store) why: &'a str,
    pub(in crate::store) body: &'a str,
}

/// A call with an idempotency key; see [`crate::store::keyed`].
#[derive(Encode, BorrowDecode)]
pub(in crate::store) struct DiskKeyed<'a> {
    pub(in crate::store) at: i64,
    pub(in crate::store) tool: &'a str,
    pub(in crate::store) digest: [u8; 16],
    pub(in crate::store) call: &'a str,
    pub(in crate::store) answer: Option<&'a str>,
}

// The time comes first, because `decode_time` reads only that.
#[derive(Encode, BorrowDecode)]
pub(super) struct DiskRecord<'a> {
    pub(in crate::store) recorded_at: i64,
    pub(in crate::store) cause: DiskCause<'a>,
    pub(in crate::store) event: DiskEvent<'a>,
}

// Variants are numbered by position: append only.
#[derive(Encode, BorrowDecode)]
pub(super) enum DiskCause<'a> {
    Baseline,
    Sweep,
    Refresh,
    Notification { event_id: &'a str },
    Tool { action: u64 },
    Resumed { since: i64 },
    Call { event_id: &'a str, call: DiskCall<'a> },
    Attempt,
}

/// The beginning of a [`DiskRecord`] with [`DiskCause::Baseline`] and [`DiskEvent::Discovered`]; no other one decodes.
pub(super) struct DiskBaseline<'a> {
    pub(in crate::store) recorded_at: i64,
    pub(in crate::store) id: DiskId<'a>,
}

impl<'de, C> BorrowDecode<'de, C> for DiskBaseline<'de> {
    fn borrow_decode<D: BorrowDecoder<'de, Context = C>>(decoder: &mut D) -> Result<Self, DecodeError> {
        let recorded_at = i64::borrow_decode(decoder)?;
        // The numbers of the two variants: both are the first ones.
        let (cause, event) = (u32::borrow_decode(decoder)?, u32::borrow_decode(decoder)?);
        if (cause, event) != (0, 0) {
            return Err(DecodeError::Other("not what a first sweep found"));
        }
        Ok(DiskBaseline { recorded_at, id: DiskId::borrow_decode(decoder)? })
    }
}

#[derive(Encode, BorrowDecode)]
pub(super) struct DiskCall<'a> {
    pub(in crate::store) name: &'a str,
    pub(in crate::store) actor: &'a str,
    pub(in crate::store) address: Option<&'a str>,
    pub(in crate::store) agent: Option<&'a str>,
}

// Variants are numbered by position: append only.
#[derive(Encode, BorrowDecode)]
pub(super) enum DiskEvent<'a> {
    /// The document is last, so that it can be passed on undecoded.
    Discovered {
        id: DiskId<'a>,
        evidence: DiskEvidence,
        mapping: u16,
        document: DiskDocument<'a>,
    },
    Changed {
        id: DiskId<'a>,
        changes: Vec<DiskChange<'a>>,
        evidence: Vec<(DiskGroup, DiskEvidence)>,
        overlay: DiskOverlay<'a>,
    },
    Removed {
        id: DiskId<'a>,
        at: i64,
    },
    Remapped {
        id: DiskId<'a>,
        changes: Vec<DiskChange<'a>>,
        mapping: u16,
    },
    ActionRequested {
        action: u64,
        tool: &'a str,
        targets: Vec<DiskId<'a>>,
    },
    ActionFinished {
        action: u64,
        outcome: DiskOutcome<'a>,
    },
    Called {
        at: i64,
        targets: Vec<DiskId<'a>>,
    },
    /// An `ActionRequested` whose call has a name.
    NamedActionRequested {
        action: u64,
        tool: &'a str,
        targets: Vec<DiskId<'a>>,
        call: &'a str,
    },
    /// An `ActionRequested` of which more is known than its call's name.
    KnownActionRequested {
        action: u64,
        attempt: DiskAttempt<'a>,
        call: Option<&'a str>,
        plan: Option<&'a str>,
        key: Option<&'a str>,
        confirmed_by: Option<DiskWay>,
    },
    /// An `ActionFinished` with AWS's id of the request.
    TracedActionFinished {
        action: u64,
        outcome: DiskOutcome<'a>,
        request_id: &'a str,
    },
    ActionRefused {
        attempt: DiskAttempt<'a>,
        rule: &'a str,
        repeats: DiskRepeats,
    },
    ActionConfirmed {
        attempt: DiskAttempt<'a>,
        plan: Option<&'a str>,
        way: DiskWay,
        outcome: DiskConfirmation,
        repeats: DiskRepeats,
    },
    /// A `KnownActionRequested` whose confirmation has a record.
    ConfirmedActionRequested {
        action: u64,
        attempt: DiskAttempt<'a>,
        call: Option<&'a str>,
        plan: Option<&'a str>,
        key: Option<&'a str>,
        confirmed_by: Option<DiskWay>,
        confirmation: u64,
    },
}

#[derive(Encode, BorrowDecode)]
pub(super) struct DiskAttempt<'a> {
    pub(in crate::store) tool: &'a str,
    pub(in crate::store) targets: Vec<DiskId<'a>>,
    pub(in crate::store) by: Option<DiskPrincipal<'a>>,
    pub(in crate::store) arguments: Option<&'a str>,
}

#[derive(Encode, BorrowDecode)]
pub(super) struct DiskPrincipal<'a> {
    pub(in crate::store) user: &'a str,
    pub(in crate::store) client: Option<&'a str>,
    pub(in crate::store) version: Option<&'a str>,
    pub(in crate::store) session: Option<&'a str>,
}

#[derive(Encode, Decode)]
pub(super) struct DiskRepeats {
    pub(in crate::store) count: u64,
    pub(in crate::store) first_at: i64,
    pub(in crate::store) last_at: i64,
}

// Variants are numbered by position: append only.
#[derive(Clone, Copy, Encode, Decode)]
pub(super) enum DiskWay {
    Elicitation,
    Input,
    Token,
}

// Variants are numbered by position: append only.
#[derive(Clone, Copy, Encode, Decode)]
pub(super) enum DiskConfirmation {
    Accepted,
    Declined,
    Expired,
    Replayed,
    Altered,
    Changed,
    Cancelled,
    Restarted,
}

// Variants are numbered by position: append only.
#[derive(Encode, BorrowDecode)]
pub(super) enum DiskOutcome<'a> {
    Succeeded { created: Vec<&'a str> },
    Refused { code: &'a str, message: &'a str },
    Unknown { message: &'a str },
}

// Variants are numbered by position: append only.
#[derive(Encode, BorrowDecode)]
pub(super) enum DiskOverlay<'a> {
    Keep,
    Lay(DiskProvisional<'a>),
    Settle,
    Tag(DiskTagging<'a>),
}

#[derive(Encode, BorrowDecode)]
pub(super) struct DiskTagging<'a> {
    pub(in crate::store) version: u64,
    pub(in crate::store) at: i64,
    pub(in crate::store) superseded: Vec<DiskValue<'a>>,
}

#[derive(Encode, BorrowDecode)]
pub(super) struct DiskProvisional<'a> {
    pub(in crate::store) group: DiskGroup,
    pub(in crate::store) source: DiskSource,
    pub(in crate::store) at: i64,
    pub(in crate::store) before: Vec<&'a str>,
}

// Variants are numbered by position: append only.
#[derive(Clone, Copy, Encode, Decode)]
pub(super) enum DiskGroup {
    State,
    Tags,
    Rest,
}

// Variants are numbered by position: append only.
#[derive(Clone, Copy, Encode, Decode)]
pub(super) enum DiskSource {
    Sweep,
    Refresh,
    Notification,
    Tool,
}

#[derive(Encode, Decode)]
pub(super) struct DiskEvidence {
    pub(in crate::store) source: DiskSource,
    pub(in crate::store) at: i64,
}

#[derive(Encode, BorrowDecode)]
pub(super) struct DiskId<'a> {
    pub(in crate::store) kind: DiskWord<'a>,
    pub(in crate::store) id: &'a str,
    pub(in crate::store) account: &'a str,
    pub(in crate::store) region: DiskWord<'a>,
}

#[derive(Encode, BorrowDecode)]
pub(super) struct DiskChange<'a> {
    pub(in crate::store) path: &'a str,
    pub(in crate::store) before: Option<DiskValue<'a>>,
    pub(in crate::store) after: Option<DiskValue<'a>>,
}

/// A resource without its document, which stands once: see [`crate::store::body_place`].
#[derive(Encode, BorrowDecode)]
pub(in crate::store) struct DiskKnown<'a> {
    pub(super) evidence: DiskGroups,
    pub(super) provisional: Option<DiskProvisional<'a>>,
    pub(super) held: Vec<DiskHeld<'a>>,
    pub(super) mapping: u16,
    pub(in crate::store) changed: u64,
    /// How many records it was discovered before that.
    pub(super) age: u64,
    pub(super) changed_at: i64,
    pub(super) tagging: Option<DiskTagging<'a>>,
}

impl DiskKnown<'_> {
    /// The record that discovered it.
    pub(in crate::store) fn discovered(&self) -> u64 {
        self.changed.wrapping_sub(self.age)
    }
}

// Variants are numbered by position: append only.
/// The evidence of the three groups. It mostly comes from one describe.
#[derive(Encode, Decode)]
pub(super) enum DiskGroups {
    One(DiskEvidence),
    Each([DiskEvidence; 3]),
}

#[derive(Encode, BorrowDecode)]
pub(super) struct DiskHeld<'a> {
    pub(in crate::store) state: &'a str,
    pub(in crate::store) until: i64,
}

#[derive(Encode, BorrowDecode)]
pub(super) struct DiskTombstone<'a> {
    pub(in crate::store) at: i64,
    pub(in crate::store) removed_at: i64,
    pub(in crate::store) seq: u64,
    pub(in crate::store) document: DiskDocument<'a>,
}
