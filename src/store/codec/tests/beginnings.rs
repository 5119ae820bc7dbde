//! What is read of records and documents without the rest of them.

use proptest::prelude::*;

use super::*;
use crate::model::{Event, Recorded};

fn recorded(cause: Cause, event: Event) -> (Recorded, Vec<u8>) {
    let record = Recorded { seq: Seq(7), recorded_at: at_millis(-9), cause, event };
    let bytes = encode_event(&record).unwrap();
    (record, bytes)
}

proptest! {
    #[test]
    fn the_beginning_of_a_record_says_what_a_first_sweep_discovered_and_nothing_of_any_other(
        cause in any_cause(),
        event in any_event(),
    ) {
        let (record, bytes) = recorded(cause, event);
        let found = decode_baseline(Seq(7), &bytes);
        match (&record.cause, &record.event) {
            (Cause::Baseline, Event::Discovered { id, .. }) => {
                let found = found.unwrap();
                prop_assert_eq!(found.recorded_at, record.recorded_at);
                prop_assert_eq!(
                    (found.kind, found.id, found.account, found.region),
                    (id.kind.as_str(), &*id.id, id.account.as_str(), id.region.as_str())
                );
                prop_assert!(decode_baseline(Seq(8), &bytes).is_none(), "a record in the place of another");
            }
            _ => prop_assert!(found.is_none()),
        }
    }

    #[test]
    fn parts_of_a_document_are_as_in_the_whole(
        document in any_document(),
        chosen in proptest::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<bool>()), 0..4),
    ) {
        let mut tokens = Vec::new();
        bincode::encode_into_std_write(DiskDocument(Cow::Borrowed(&document)), &mut tokens, CONFIG).unwrap();
        let names: Vec<String> = document.fields().keys().map(ToString::to_string).collect();
        let mut wanted = vec!["Absent".to_owned()];
        for (first, second, deep) in chosen {
            let Some(name) = (!names.is_empty()).then(|| first.get(&names)) else { break };
            match document.fields().get(name) {
                Some(Value::Map(map)) if deep && !map.is_empty() => {
                    let below: Vec<_> = map.keys().collect();
                    wanted.push(format!("{name}.{}", second.get(&below)));
                }
                _ => wanted.push(name.clone()),
            }
        }
        // A dot is a step of a path.
        wanted.retain(|path| path.matches('.').count() <= 1);
        let paths: Vec<&str> = wanted.iter().map(String::as_str).collect();
        let parts = parts(&tokens, &paths).unwrap();
        for path in &paths {
            prop_assert_eq!(parts.get(path), document.get(path), "{}", path);
        }
        let is_asked = |name: &str| paths.iter().any(|path| *path == name || path.starts_with(&format!("{name}.")));
        prop_assert!(parts.fields().keys().all(|name| is_asked(name)), "{:?}", parts);
    }
}

#[test]
fn parts_are_found_through_lists() {
    let item = |name: &str, size| {
        let volume = map(&[("VolumeId", name.into()), ("Size", Value::Int(size))]);
        Value::Map(map(&[("Ebs", Value::Map(volume)), ("DeviceName", name.into())]))
    };
    let document = Document::new(map(&[
        ("Devices", Value::List(vec![item("a", 1), item("b", 2)])),
        ("Other", Value::List(vec![item("c", 3)])),
    ]));
    let mut tokens = Vec::new();
    bincode::encode_into_std_write(DiskDocument(Cow::Borrowed(&document)), &mut tokens, CONFIG).unwrap();
    let found = parts(&tokens, &["Devices.Ebs.VolumeId"]).unwrap();
    assert_eq!(found.scalars("Devices.Ebs.VolumeId"), ["a", "b"]);
    assert!(found.scalars("Devices.Ebs.Size").is_empty() && found.get("Other").is_none());
}

#[test]
fn of_hostile_bytes_there_are_no_parts() {
    let bomb: Vec<u8> = [[1, 0, 1, b'A'].as_slice(), &[4, 1].repeat(1_000_000)].concat();
    for bytes in [bomb.as_slice(), &[], &[1], &[1, 0, 1, b'A'], &[1, 0, 1, b'A', 9], &[1, 250], &[0, 0]] {
        for wanted in [&["A"] as &[&str], &["B"], &["A.B"]] {
            assert!(parts(bytes, wanted).is_none(), "{bytes:?}");
        }
    }
}
