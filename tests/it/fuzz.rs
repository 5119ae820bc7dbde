//! Cursors and URIs that are nearly right, for as long as `MUSTER_FUZZ_SECONDS` says (20 unless given, each).
//!
//! Both come from clients. Whatever they hold, parsing answers; what it takes is what the text says, and written again it reads
//! as the same.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use fastrand::Rng;
use muster::mcp::uri::Address;
use muster::model::{AccountId, Kind, LogId, Region, ResourceId, Scope, Seq, Timestamp};
use muster::query::{Cursor, Point, SortedAfter};
use tokio::time::Instant;

fn seconds() -> Duration {
    let seconds = std::env::var("MUSTER_FUZZ_SECONDS");
    Duration::from_secs(seconds.map_or(20, |text| text.parse().expect("MUSTER_FUZZ_SECONDS is a number")))
}

/// Calls `attempt` again and again until the time is up; says how often, and how often it answered true.
fn many(mut attempt: impl FnMut(&mut Rng) -> bool) -> (u64, u64) {
    let seed = fastrand::u64(..);
    eprintln!("seed {seed}");
    let mut rng = Rng::with_seed(seed);
    let begun = Instant::now();
    let (mut tried, mut taken) = (0, 0);
    while begun.elapsed() < seconds() {
        for _ in 0..1_000 {
            tried += 1;
            taken += u64::from(attempt(&mut rng));
        }
    }
    (tried, taken)
}

fn damage<T: Clone>(list: &mut Vec<T>, piece: impl Fn(&mut Rng) -> Vec<T>, rng: &mut Rng) {
    let place = rng.usize(0..=list.len());
    let end = rng.usize(place..=list.len()).min(place + 20);
    match rng.u8(0..5) {
        0 => list.truncate(place),
        1 => drop(list.splice(place..end, std::iter::empty())),
        2 => {
            let again = list[place..end].to_vec();
            drop(list.splice(place..place, again));
        }
        _ => drop(list.splice(place..end.min(place + 1), piece(rng))),
    }
}

fn uris(rng: &mut Rng) -> String {
    const URIS: [&str; 9] = [
        "ec2://instance/i-0123456789abcdef0",
        "EC2://Instance/i-0/status",
        "ec2://instance/i-0/history",
        "ec2://inventory/summary",
        "ec2://inventory/changes",
        "ec2://inventory/freshness",
        "ec2://inventory/123456789012/eu-central-1/security-group",
        "ec2://inventory/123456789012/us-gov-east-1/vpc/vpc-1%2F%c3%a4",
        "ec2://network-interface/eni-%41",
    ];
    const PIECES: [&str; 22] = [
        "/",
        "//",
        "%",
        "%2f",
        "%00",
        "%ff",
        "%C3%A4",
        "..",
        ".",
        "?",
        "#",
        ":",
        "@",
        "é",
        "\u{202e}",
        "\n",
        " ",
        "inventory",
        "status",
        "history",
        "instance",
        "\\",
    ];
    let mut text: Vec<char> = URIS[rng.usize(..URIS.len())].chars().collect();
    for _ in 0..rng.u8(0..4) {
        damage(&mut text, |rng| PIECES[rng.usize(..PIECES.len())].chars().collect(), rng);
    }
    text.into_iter().collect()
}

#[test]
fn uris_of_any_kind_are_read_as_what_they_say_or_refused() {
    let (tried, taken) = many(|rng| {
        let text = uris(rng);
        let Ok(address) = Address::parse(&text) else { return false };
        let written = address.to_string();
        assert_eq!(Address::parse(&written).as_ref(), Ok(&address), "{text:?} became {written:?}");
        assert!(!written.chars().any(char::is_control), "{written:?}");
        true
    });
    eprintln!("{tried} URIs, {taken} of them taken");
    assert!(taken > 0 && taken < tried, "neither all nor none are URIs: {taken} of {tried}");
}

fn cursor(rng: &mut Rng) -> Cursor {
    let scope = Scope { account: AccountId::new("123456789012"), region: Region::new("eu-central-1") };
    let id = text(rng);
    let point = rng.bool().then(|| Point { at: Timestamp::from_millis(rng.i64(..)), seq: Seq(rng.u64(..)) });
    let sorted = rng.bool().then(|| SortedAfter { value: rng.bool().then(|| text(rng)) });
    Cursor {
        log: LogId(rng.u64(..3)),
        question: rng.u64(..3),
        point,
        after: ResourceId::new(&scope, &Kind::new("K"), id.as_str()),
        sorted,
    }
}

fn text(rng: &mut Rng) -> String {
    let length = rng.usize(..20);
    std::iter::repeat_with(|| rng.char('\0'..'\u{3000}')).take(length).collect()
}

/// A cursor's bytes with the checksum that belongs to them, as somebody would make it who knows how.
fn sealed(body: &[u8]) -> String {
    let sum = xxhash_rust::xxh3::xxh3_64(body).to_le_bytes();
    URL_SAFE_NO_PAD.encode([body, &sum[..4]].concat())
}

#[test]
fn cursors_of_any_kind_are_read_as_what_they_say_or_refused() {
    let (tried, taken) = many(|rng| {
        let (log, question) = (LogId(rng.u64(..3)), rng.u64(..3));
        let mut bytes = URL_SAFE_NO_PAD.decode(cursor(rng).encode()).expect("a cursor is base64");
        bytes.truncate(bytes.len() - 4);
        for _ in 0..rng.u8(0..3) {
            damage(&mut bytes, |rng| vec![rng.u8(..); rng.usize(1..4)], rng);
        }
        let text = if rng.u8(..10) == 0 { String::from_utf8_lossy(&bytes).into_owned() } else { sealed(&bytes) };
        match Cursor::decode(&text, log, question) {
            Ok(cursor) => {
                assert_eq!((cursor.log, cursor.question), (log, question));
                assert_eq!(cursor.encode(), text, "one text for one place");
                true
            }
            Err(_) => false,
        }
    });
    eprintln!("{tried} cursors, {taken} of them taken");
    assert!(taken > 0 && taken < tried, "neither all nor none are cursors: {taken} of {tried}");
}
