use proptest::prelude::*;

use super::*;
use crate::model::fixtures::at_millis;
use crate::model::{Cause, Seq};
use crate::store::fixtures::{any_cause, any_event, changed, discovered, document, instance, removed};

fn record((cause, event): (Cause, Event)) -> Recorded {
    Recorded { seq: Seq(7), recorded_at: at_millis(1_795_353_310_123), cause, event }
}

#[test]
fn a_record_is_one_line_with_every_field() {
    let id = instance("i-1");
    let (a, b) = (document("running", "a"), document("stopped", "a"));
    assert_eq!(
        line(&record(removed(&id))),
        "{\"seq\":7,\"recorded_at\":\"2026-11-22T13:15:10.123Z\",\"cause\":{\"cause\":\"sweep\"},\"event\":{\"event\":\
         \"removed\",\"kind\":\"AWS::EC2::Instance\",\"id\":\"i-1\",\"account\":\"123456789012\",\"region\":\
         \"eu-central-1\",\"at\":\"1970-01-01T00:00:00.009Z\"}}"
    );
    let found = value(&record(discovered(&id, a.clone())));
    assert_eq!(found["event"]["document"], json!(a));
    assert_eq!(found["event"]["evidence"]["source"], "sweep");
    let change = value(&record(changed(&id, &a, &b)));
    assert_eq!(change["event"]["changes"][0], json!({"path": "State.Name", "before": "running", "after": "stopped"}));
    assert_eq!(change["event"]["evidence"]["state"]["at"], "1970-01-01T00:00:00.005Z");
    assert_eq!(change["event"]["overlay"], "keep");
}

#[test]
fn terminal_control_characters_are_escaped_and_read_back_exactly() {
    let hostile = "web\u{202E}\u{7f}\u{9b}31m\u{E0041}";
    let written = line(&record(discovered(&instance("i-1"), document("running", hostile))));
    assert!(!written.chars().any(text::hostile), "{written}");
    let read: Value = serde_json::from_str(&written).unwrap();
    assert_eq!(read["event"]["document"]["Tags"][0]["Value"], hostile);
}

proptest! {
    #[test]
    fn any_record_is_one_line_of_json_that_reads_back(entry in (any_cause(), any_event())) {
        let record = record(entry);
        let written = line(&record);
        prop_assert!(!written.contains('\n'));
        prop_assert_eq!(serde_json::from_str::<Value>(&written).unwrap(), value(&record));
    }
}
