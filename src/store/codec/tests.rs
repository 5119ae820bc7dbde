mod beginnings;
mod fuzz;

use bincode::{BorrowDecode, Encode};
use proptest::prelude::*;

use super::disk::*;
use super::document::*;
use super::frame::*;
use super::*;
use crate::model::fixtures::{at_millis, tags};
use crate::model::known::LeftState;
use crate::model::{Cause, Document, Event, Group, GroupEvidence, Map, Provisional, Source, Tagging, Value};
use crate::store::derived::row_bytes;
use crate::store::fixtures::{
    any_cause, any_document, any_event, any_value, document, evidence, instance, map, project,
};
use crate::store::stored::StoredDocument;
use crate::store::tables::CURRENT;

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

/// Checks the payload's bytes, which must never change, and that they decode to `content`.
#[track_caller]
fn golden<T: Encode + BorrowDecode<'static, ()>>(content: &T, expected: &str) {
    let record = seal("test", b"key", content).unwrap();
    assert_eq!(hex(&record[HEADER..]), expected);
    let again: T = read("test", b"key", Box::leak(record.clone().into_boxed_slice())).unwrap();
    assert_eq!(seal("test", b"key", &again).unwrap(), record);
}

fn id() -> DiskId<'static> {
    DiskId { kind: DiskWord("K"), id: "i-1", account: "1", region: DiskWord("r") }
}

fn body() -> DiskDocument<'static> {
    DiskDocument(Cow::Owned(Document::new(map(&[("A", Value::Null)]))))
}

#[test]
fn the_header_is_version_and_checksum_of_key_and_payload() {
    let record = seal("test", b"key", &7_u8).unwrap();
    let sum = crc32c::crc32c(b"key\x07").to_le_bytes();
    assert_eq!(record, [&[6], sum.as_slice(), &[7]].concat());
}

#[test]
fn the_bytes_of_every_token_stay_as_they_are() {
    golden(&DiskValue(Cow::Owned(Value::Null)), "00");
    golden(&DiskValue(Cow::Owned(Value::Bool(true))), "0101");
    golden(&DiskValue(Cow::Owned(Value::Int(-3))), "0205");
    golden(&DiskValue(Cow::Owned(Value::Int(i64::MAX))), "02fdfeffffffffffffff");
    golden(&DiskValue(Cow::Owned("ab".into())), "03026162");
    golden(&DiskValue(Cow::Owned("running".into())), "0691");
    golden(&DiskValue(Cow::Owned("subnet-0123456789abcdef0".into())), "0703123456789abcdef0");
    golden(&DiskValue(Cow::Owned(Value::List(vec![Value::Null, Value::Bool(false)]))), "0402000100");
    golden(
        &DiskValue(Cow::Owned(Value::Map(map(&[("A", Value::List(Vec::new())), ("B", Value::Map(Map::new()))])))),
        "050200014104000001420500",
    );
    golden(
        &DiskDocument(Cow::Owned(document("running", "n"))),
        "0360050210022043069165040205023a06426a03016e05023a06d16a06d26d03057670632d31",
    );
}

#[test]
fn the_bytes_of_every_cause_stay_as_they_are() {
    golden(&DiskCause::Baseline, "00");
    golden(&DiskCause::Sweep, "01");
    golden(&DiskCause::Refresh, "02");
    golden(&DiskCause::Notification { event_id: "e" }, "030165");
    golden(&DiskCause::Tool { action: 300 }, "04fb2c01");
    golden(&DiskCause::Resumed { since: 1000 }, "05fbd007");
    let call = DiskCall { name: "n", actor: "a", address: Some("1.2.3.4"), agent: None };
    golden(&DiskCause::Call { event_id: "e", call }, "060165016e01610107312e322e332e3400");
    golden(&DiskCause::Attempt, "07");
}

#[test]
fn the_bytes_of_every_event_stay_as_they_are() {
    let evidence = || DiskEvidence { source: DiskSource::Refresh, at: 1000 };
    let changes = || vec![DiskChange { path: "A.B", before: None, after: Some(DiskValue(Cow::Owned(Value::Int(1)))) }];
    golden(
        &DiskEvent::Discovered { id: id(), evidence: evidence(), mapping: 3, document: body() },
        "0000014b03692d31013100017201fbd007030100014100",
    );
    golden(
        &DiskEvent::Changed {
            id: id(),
            changes: changes(),
            evidence: vec![(DiskGroup::Tags, evidence())],
            overlay: DiskOverlay::Keep,
        },
        "0100014b03692d3101310001720103412e4200010202010101fbd00700",
    );
    golden(&DiskEvent::Removed { id: id(), at: -1 }, "0200014b03692d31013100017201");
    golden(
        &DiskEvent::Remapped { id: id(), changes: changes(), mapping: 2 },
        "0300014b03692d3101310001720103412e420001020202",
    );
    golden(
        &DiskEvent::ActionRequested { action: 1, tool: "t", targets: vec![id()] },
        "040101740100014b03692d310131000172",
    );
    let outcome = DiskOutcome::Succeeded { created: vec!["s"] };
    golden(&DiskEvent::ActionFinished { action: 1, outcome }, "050100010173");
    golden(&DiskEvent::Called { at: 5, targets: vec![id()] }, "060a0100014b03692d310131000172");
    let named = DiskEvent::NamedActionRequested { action: 1, tool: "t", targets: vec![id()], call: "c" };
    golden(&named, "070101740100014b03692d3101310001720163");
    let attempt = || DiskAttempt {
        tool: "t",
        targets: vec![id()],
        by: Some(DiskPrincipal { user: "u", client: Some("c"), version: None, session: Some("s") }),
        arguments: Some("{}"),
    };
    let known = DiskEvent::KnownActionRequested {
        action: 1,
        attempt: attempt(),
        call: None,
        plan: Some("p"),
        key: Some("k"),
        confirmed_by: Some(DiskWay::Input),
    };
    golden(&known, "080101740100014b03692d3101310001720101750101630001017301027b7d0001017001016b0101");
    let confirmed = DiskEvent::ConfirmedActionRequested {
        action: 1,
        attempt: attempt(),
        call: None,
        plan: Some("p"),
        key: Some("k"),
        confirmed_by: Some(DiskWay::Input),
        confirmation: 7,
    };
    golden(&confirmed, "0c0101740100014b03692d3101310001720101750101630001017301027b7d0001017001016b010107");
    let outcome = DiskOutcome::Succeeded { created: Vec::new() };
    golden(&DiskEvent::TracedActionFinished { action: 1, outcome, request_id: "r" }, "090100000172");
    let repeats = || DiskRepeats { count: 2, first_at: 5, last_at: 6 };
    golden(
        &DiskEvent::ActionRefused { attempt: attempt(), rule: "r", repeats: repeats() },
        "0a01740100014b03692d3101310001720101750101630001017301027b7d0172020a0c",
    );
    let confirmed = DiskEvent::ActionConfirmed {
        attempt: attempt(),
        plan: None,
        way: DiskWay::Elicitation,
        outcome: DiskConfirmation::Declined,
        repeats: repeats(),
    };
    golden(&confirmed, "0b01740100014b03692d3101310001720101750101630001017301027b7d000001020a0c");
}

#[test]
fn the_bytes_of_every_way_and_end_of_a_confirmation_stay_as_they_are() {
    golden(&[DiskWay::Elicitation, DiskWay::Input, DiskWay::Token], "000102");
    let ends = [
        DiskConfirmation::Accepted,
        DiskConfirmation::Declined,
        DiskConfirmation::Expired,
        DiskConfirmation::Replayed,
        DiskConfirmation::Altered,
        DiskConfirmation::Changed,
        DiskConfirmation::Cancelled,
        DiskConfirmation::Restarted,
    ];
    golden(&ends, "0001020304050607");
}

#[test]
fn the_bytes_of_a_keyed_call_stay_as_they_are() {
    let mut digest = [0; 16];
    digest[0] = 7;
    let keyed = DiskKeyed { at: 5, tool: "t", digest, call: "c", answer: Some("{}") };
    golden(&keyed, "0a017407000000000000000000000000000000016301027b7d");
}

#[test]
fn the_bytes_of_every_outcome_stay_as_they_are() {
    golden(&DiskOutcome::Succeeded { created: vec!["a", "b"] }, "000201610162");
    golden(&DiskOutcome::Refused { code: "c", message: "m" }, "010163016d");
    golden(&DiskOutcome::Unknown { message: "m" }, "02016d");
}

#[test]
fn the_bytes_of_every_overlay_stay_as_they_are() {
    let lay = DiskProvisional { group: DiskGroup::State, source: DiskSource::Tool, at: 5, before: vec!["running"] };
    golden(&DiskOverlay::Keep, "00");
    golden(&DiskOverlay::Lay(lay), "0100030a010772756e6e696e67");
    golden(&DiskOverlay::Settle, "02");
    let superseded = vec![DiskValue(Cow::Owned(Value::List(Vec::new())))];
    golden(&DiskOverlay::Tag(DiskTagging { version: 3, at: 5, superseded }), "03030a010400");
}

#[test]
fn the_bytes_of_every_group_and_source_stay_as_they_are() {
    golden(&[DiskGroup::State, DiskGroup::Tags, DiskGroup::Rest], "000102");
    golden(&[DiskSource::Sweep, DiskSource::Refresh, DiskSource::Notification, DiskSource::Tool], "00010203");
}

#[test]
fn the_bytes_of_every_table_stay_as_they_are() {
    let evidence = |at| DiskEvidence { source: DiskSource::Sweep, at };
    golden(
        &DiskRecord { recorded_at: 5, cause: DiskCause::Sweep, event: DiskEvent::Removed { id: id(), at: 4 } },
        "0a010200014b03692d31013100017208",
    );
    golden(
        &DiskKnown {
            evidence: DiskGroups::Each([evidence(1), evidence(2), evidence(3)]),
            provisional: None,
            held: vec![DiskHeld { state: "running", until: 4 }],
            mapping: 1,
            changed: 6,
            age: 1,
            changed_at: 7,
            tagging: Some(DiskTagging { version: 5, at: 8, superseded: vec![DiskValue(Cow::Owned(Value::Null))] }),
        },
        "0100020004000600010772756e6e696e67080106010e0105100100",
    );
    golden(&DiskGroups::One(evidence(1)), "000002");
    golden(&body(), "0100014100");
    let head = || DiskHead { digest: [9; 16], provisional: true, seen: 1, changed: 2, name: Some("n"), owner: None };
    golden(&head(), "0909090909090909090909090909090901020201016e00");
    golden(
        &DiskRow {
            head: head(),
            projection: 6,
            facets: vec![(3, DiskWord("f"))],
            tags: vec![(DiskWord("k"), DiskWord("v"))],
        },
        "0909090909090909090909090909090901020201016e000601030001660100016b000176",
    );
    golden(&DiskTombstone { at: 1, removed_at: 2, seq: 3, document: body() }, "0204030100014100");
    golden(&DiskWatermark { started: 1, ended: 2, complete: true }, "020401");
    let live = Live {
        events: 2,
        by_resource: 3,
        current: 4,
        bodies: 10,
        rows: 5,
        tombstones: 6,
        base: 7,
        times: 8,
        dedupe: 9,
    };
    golden(&DiskLedger { seq: 1, live, horizon: 9, horizon_at: 1000 }, "010203040a050607080909fbd007");
    golden(&DiskNotified { at: 5, event_id: "e" }, "0a0165");
}

fn fault<T: std::fmt::Debug>(read: Result<T, DecodeError>) -> RecordFault {
    read.unwrap_err().fault
}

#[test]
fn a_record_under_another_key_is_detected() {
    let current = current();
    let record = encode_known(CURRENT, b"one", &current).unwrap();
    let document = current.document.clone();
    assert_eq!(decode_known(CURRENT, b"one", &record).unwrap().with(document.clone()), current);
    assert!(matches!(decode_known(CURRENT, b"two", &record).err().unwrap().fault, RecordFault::Checksum));
    let record = encode_body(Seq(1), &document).unwrap();
    assert_eq!(decode_body(Seq(1), &record).unwrap(), document);
    assert!(matches!(fault(decode_body(Seq(2), &record)), RecordFault::Checksum));
}

#[test]
fn each_fault_is_distinguished() {
    let record = encode_number(b"k", 7).unwrap();
    let with = |at: usize, byte: u8| {
        let mut copy = record.clone();
        copy[at] = byte;
        fault(decode_number(b"k", &copy))
    };
    assert!(matches!(with(0, VERSION + 1), RecordFault::Version { found, known: VERSION } if found == VERSION + 1));
    assert!(matches!(with(1, !record[1]), RecordFault::Checksum));
    assert!(matches!(with(5, 8), RecordFault::Checksum));
    assert!(matches!(fault(decode_number(b"k", &record[..4])), RecordFault::Short { bytes: 4 }));
    assert!(matches!(fault(decode_number(b"k", &record[..5])), RecordFault::Checksum));
    let longer = seal(META, b"k", &(7_u64, 1_u8)).unwrap();
    assert!(matches!(fault(decode_number(b"k", &longer)), RecordFault::Trailing { count: 1 }));
    let shorter = seal(META, b"k", &()).unwrap();
    assert!(matches!(fault(decode_number(b"k", &shorter)), RecordFault::Malformed(_)));
    let error = decode_number(b"count\0a\0", &shorter).unwrap_err();
    assert!(error.to_string().contains("`count a` of table `meta`"), "{error}");
}

fn nested(depth: usize) -> Value {
    (0..depth).fold(Value::Null, |inner, _| Value::List(vec![inner]))
}

#[test]
fn nesting_is_bounded_when_written_and_when_read() {
    let seal_list = |depth| seal("test", b"", &DiskValue(Cow::Owned(nested(depth))));
    let record = seal_list(64).unwrap();
    assert_eq!(*read::<DiskValue<'_>>("test", b"", &record).unwrap().0, nested(64));
    assert!(matches!(seal_list(65).unwrap_err().fault, EncodeFault::Unencodable(_)));
    // What hostile bytes may claim: a million nested lists.
    let bomb: Vec<u8> = [4, 1].repeat(1_000_000);
    let framed = frame(b"", &bomb);
    assert!(matches!(fault(read::<DiskValue<'_>>("test", b"", &framed).map(|_| ())), RecordFault::Malformed(_)));
}

#[test]
fn a_stored_document_of_hostile_bytes_is_an_error_when_it_is_written() {
    let bomb: Vec<u8> = [[1, 0, 1, b'A'].as_slice(), &[4, 1].repeat(1_000_000)].concat();
    for bytes in [bomb.as_slice(), &[], &[1], &[1, 0, 1, b'A'], &[1, 0, 1, b'A', 9], &[1, 250], &[0, 0]] {
        assert!(serde_json::to_string(&StoredDocument::new(bytes)).is_err(), "{bytes:?}");
    }
}

#[test]
fn a_length_beyond_the_bytes_allocates_little() {
    let huge: Vec<u8> = [&[4, 252], u32::MAX.to_le_bytes().as_slice()].concat();
    let framed = frame(b"", &huge);
    assert!(matches!(fault(read::<DiskValue<'_>>("test", b"", &framed).map(|_| ())), RecordFault::Malformed(_)));
    let list: Vec<u8> = [&[253], u64::MAX.to_le_bytes().as_slice()].concat();
    let framed = frame(b"", &list);
    assert!(matches!(fault(read::<Vec<&str>>("test", b"", &framed)), RecordFault::Malformed(_)));
}

#[test]
fn a_document_whose_names_are_out_of_order_is_malformed() {
    let swapped: Vec<u8> = [2, 0, 1, b'B', 0, 0, 1, b'A', 0].to_vec();
    let framed = frame(b"", &swapped);
    assert!(matches!(fault(read::<DiskDocument<'_>>("test", b"", &framed).map(|_| ())), RecordFault::Malformed(_)));
}

/// A well-framed record of any payload.
fn frame(key: &[u8], payload: &[u8]) -> Vec<u8> {
    let sum = crc32c::crc32c_append(crc32c::crc32c(key), payload).to_le_bytes();
    [&[VERSION], sum.as_slice(), payload].concat()
}

fn current() -> Current {
    Current {
        document: Document::new(map(&[("Tags", tags([("Name", "web")])), ("CoreCount", Value::Int(2))])),
        evidence: GroupEvidence::all(evidence(1)),
        provisional: Some(Provisional {
            group: Group::State,
            source: Source::Tool,
            at: at_millis(2),
            before: vec!["running".into()],
        }),
        tagging: Some(Tagging { version: 4, at: at_millis(2), superseded: vec![tags([("Name", "web")])] }),
        held: vec![LeftState { state: "running".into(), until: at_millis(2) }],
        mapping: 1,
        discovered: Seq(1),
        changed: Seq(2),
        changed_at: at_millis(3),
    }
}

/// The number of decoders that accept a record.
fn decode_all(key: &[u8], record: &[u8]) -> usize {
    [
        decode_event(Seq(1), record).is_ok(),
        decode_known(CURRENT, key, record).is_ok(),
        decode_body(Seq(1), record).is_ok(),
        decode_discovered(Seq(1), record).is_ok(),
        body_tokens(Seq(1), record).is_ok_and(|tokens| serde_json::to_string(&StoredDocument::new(tokens)).is_ok()),
        decode_row(key, record).is_ok(),
        decode_head(key, record).is_ok(),
        decode_tombstone(key, record).is_ok(),
        decode_watermark(key, record).is_ok(),
        decode_ledger(key, record).is_ok(),
        decode_number(key, record).is_ok(),
        decode_notified(key, record).is_ok(),
        decode_notified_number(key, record).is_ok(),
    ]
    .into_iter()
    .filter(|taken| *taken)
    .count()
}

proptest! {
    #[test]
    fn every_event_reads_back(seq: u64, millis: i64, cause in any_cause(), event in any_event()) {
        let record = Recorded { seq: Seq(seq), recorded_at: at_millis(millis), cause, event };
        prop_assert_eq!(decode_event(Seq(seq), &encode_event(&record).unwrap()).unwrap(), record);
    }

    #[test]
    fn every_value_reads_back(value in any_value()) {
        let record = seal("test", b"k", &DiskValue(Cow::Borrowed(&value))).unwrap();
        let again: DiskValue<'_> = read("test", b"k", &record).unwrap();
        prop_assert_eq!(&*again.0, &value);
    }

    #[test]
    fn a_row_and_its_head_alone_read_back(document in any_document()) {
        let current = Current { document, ..current() };
        let fields = project(&instance("i-1"), &current.document);
        let record = row_bytes(b"k", &current, &fields).unwrap();
        let row = decode_row(b"k", &record).unwrap();
        prop_assert_eq!(row.head.digest, current.document.fingerprint(current.mapping).to_le_bytes());
        prop_assert_eq!(row.facets.len(), fields.facets.len());
        prop_assert_eq!(decode_head(b"k", &record).unwrap().name, fields.name.as_deref());
    }

    #[test]
    fn a_stored_document_serialises_like_its_document(document in any_document()) {
        let current = Current { document, ..current() };
        let record = encode_body(Seq(7), &current.document).unwrap();
        let tokens = StoredDocument::new(body_tokens(Seq(7), &record).unwrap());
        let known = encode_known(CURRENT, b"k", &current).unwrap();
        let stored = decode_known(CURRENT, b"k", &known).unwrap().with_stored(tokens);
        let json = serde_json::to_string(&current.document).unwrap();
        prop_assert_eq!(serde_json::to_string(&stored.document).unwrap(), json.clone());
        prop_assert_eq!((stored.evidence, stored.provisional), (current.evidence, current.provisional));
        let (id, evidence) = (instance("i-1"), evidence(1));
        let event = Event::Discovered { id, document: current.document, evidence, mapping: 3 };
        let discovery = Recorded { seq: Seq(7), recorded_at: at_millis(1), cause: Cause::Sweep, event };
        let record = encode_event(&discovery).unwrap();
        let stored = StoredDocument::new(discovered_tokens(Seq(7), &record).unwrap());
        prop_assert_eq!(serde_json::to_string(&stored).unwrap(), json);
        let document = decode_discovered(Seq(7), &record).unwrap();
        let Event::Discovered { document: found, .. } = discovery.event else { unreachable!() };
        prop_assert_eq!(found, document);
    }

    #[test]
    fn any_bytes_are_refused_without_panic(bytes: Vec<u8>, framed: bool) {
        let taken = decode_all(b"k", &if framed { frame(b"k", &bytes) } else { bytes });
        prop_assert!(framed || taken == 0);
    }

    /// Well-framed payloads that are nearly valid get further into the decoders.
    #[test]
    fn a_changed_byte_in_a_good_payload_never_panics(event in any_event(), place: prop::sample::Index, byte: u8) {
        let record = Recorded { seq: Seq(1), recorded_at: at_millis(1), cause: Cause::Sweep, event };
        let mut payload = encode_event(&record).unwrap().split_off(HEADER);
        let place = place.index(payload.len());
        payload[place] = byte;
        let key = event_key(Seq(1));
        let framed = frame(&key, &payload);
        if let Ok(other) = decode_event(Seq(1), &framed) {
            prop_assert!(encode_event(&other).is_ok());
        }
        prop_assert!(decode_all(&key, &framed) <= 13);
    }
}
