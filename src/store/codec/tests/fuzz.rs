//! Runs the decoders on nearly valid records, for `MUSTER_FUZZ_SECONDS` seconds (20 by default).
//!
//! Random bytes already fail at the checksum. So valid records are damaged and framed again, which takes the damage into every
//! decoder. What a decoder accepts must encode and decode to the same value.

use std::time::Duration;

use fastrand::Rng;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::*;
use crate::model::known::Tombstone;
use crate::store::fixtures::{any_cause, any_document, any_event};

const KEY: &[u8] = b"k";

fn seconds() -> u64 {
    std::env::var("MUSTER_FUZZ_SECONDS").map_or(20, |text| text.parse().expect("MUSTER_FUZZ_SECONDS is a number"))
}

/// Payloads of valid records of every table.
fn corpus(seed: u64) -> Vec<Vec<u8>> {
    let mut runner = TestRunner::deterministic();
    let rng = &mut Rng::with_seed(seed);
    let mut records = Vec::new();
    for round in 0..100 {
        let sample = (any_cause(), any_event(), any_document()).new_tree(&mut runner).unwrap().current();
        let (cause, event, document) = sample;
        let record = Recorded { seq: Seq(1), recorded_at: at_millis(rng.i64(..)), cause, event };
        let current = Current { document: document.clone(), ..current() };
        let fields = project(&instance("i-1"), &document);
        let tombstone =
            Tombstone { at: at_millis(1), removed_at: at_millis(2), seq: Seq(round), document: document.clone() };
        let live = Live { events: rng.u64(..), ..Live::default() };
        records.push(encode_event(&record).unwrap());
        records.push(encode_known(CURRENT, KEY, &current).unwrap());
        records.push(encode_body(Seq(1), &document).unwrap());
        records.push(row_bytes(KEY, &current, &fields).unwrap());
        records.push(encode_tombstone(KEY, &tombstone).unwrap());
        let watermark = DiskWatermark { started: rng.i64(..), ended: 2, complete: true };
        records.push(encode_watermark(KEY, &watermark).unwrap());
        records.push(encode_ledger(KEY, DiskLedger { seq: round, live, ..DiskLedger::default() }).unwrap());
        records.push(encode_number(KEY, rng.u64(..)).unwrap());
    }
    records.into_iter().map(|mut record| record.split_off(HEADER)).collect()
}

/// Damages a payload in one way.
fn damage(payload: &mut Vec<u8>, corpus: &[Vec<u8>], rng: &mut Rng) {
    // bincode's markers of numbers with 2, 4, 8 and 16 bytes, and the largest numbers.
    const LENGTHS: [&[u8]; 6] = [
        &[0],
        &[250],
        &[251, 255, 255],
        &[252, 255, 255, 255, 255],
        &[253, 255, 255, 255, 255, 255, 255, 255, 255],
        &[254],
    ];
    let place = rng.usize(0..=payload.len());
    let end = rng.usize(place..=payload.len()).min(place + 40);
    match rng.u8(0..7) {
        0 => payload.truncate(place),
        1 => drop(payload.splice(place..end, std::iter::empty())),
        2 => {
            let again = payload[place..end].to_vec();
            drop(payload.splice(place..place, again));
        }
        3 => drop(payload.splice(place..place, LENGTHS[rng.usize(..LENGTHS.len())].iter().copied())),
        4 => {
            let other = &corpus[rng.usize(..corpus.len())];
            let start = rng.usize(0..=other.len());
            let stop = rng.usize(start..=other.len()).min(start + 60);
            drop(payload.splice(place..end, other[start..stop].iter().copied()));
        }
        _ => {
            if let Some(byte) = payload.get_mut(place) {
                *byte = if rng.bool() { *byte ^ (1 << rng.u8(0..8)) } else { rng.u8(..) };
            }
        }
    }
}

/// Whether everything that the decoders accept encodes and decodes to the same value.
fn survives(record: &[u8]) -> bool {
    let mut taken = decode_all(KEY, record) > 0;
    if let Ok(known) = decode_known(CURRENT, KEY, record) {
        let current = known.with(Document::default());
        let again = encode_known(CURRENT, KEY, &current).expect("what was read can be written");
        let known = decode_known(CURRENT, KEY, &again).expect("what was written can be read");
        assert_eq!(known.with(Document::default()), current);
    }
    if let Ok(tombstone) = decode_tombstone(KEY, record) {
        let again = encode_tombstone(KEY, &tombstone).expect("what was read can be written");
        assert_eq!(decode_tombstone(KEY, &again).expect("what was written can be read"), tombstone);
    }
    // An event's key is its seq.
    let key = event_key(Seq(1));
    let framed = frame(&key, &record[HEADER..]);
    if let Ok(document) = decode_body(Seq(1), &framed) {
        taken = true;
        let again = encode_body(Seq(1), &document).expect("what was read can be written");
        assert_eq!(decode_body(Seq(1), &again).expect("what was written can be read"), document);
    }
    let discovered = decode_discovered(Seq(1), &framed);
    if let Ok(event) = decode_event(Seq(1), &framed) {
        let found = match &event.event {
            Event::Discovered { document, .. } => Some(document),
            _ => None,
        };
        assert_eq!(discovered.as_ref().ok(), found);
        taken = true;
        let again = encode_event(&event).expect("what was read can be written");
        assert_eq!(decode_event(Seq(1), &again).expect("what was written can be read"), event);
    }
    taken
}

#[test]
fn damaged_records_are_refused_or_read_as_what_they_say() {
    let seed = fastrand::u64(..);
    let mut rng = Rng::with_seed(seed);
    let corpus = corpus(seed);
    let begun = tokio::time::Instant::now();
    let (mut tried, mut taken) = (0_u64, 0_u64);
    while begun.elapsed() < Duration::from_secs(seconds()) {
        for _ in 0..1_000 {
            let mut payload = corpus[rng.usize(..corpus.len())].clone();
            for _ in 0..rng.u8(1..5) {
                damage(&mut payload, &corpus, &mut rng);
            }
            let outcome = std::panic::catch_unwind(|| survives(&frame(KEY, &payload)));
            let Ok(is_taken) = outcome else { panic!("seed {seed}, try {tried}: {payload:02x?}") };
            tried += 1;
            taken += u64::from(is_taken);
        }
    }
    eprintln!("{tried} damaged records, {taken} of them still readable; seed {seed}");
    assert!(taken > 0, "the damage is too heavy to get past the first byte");
}
