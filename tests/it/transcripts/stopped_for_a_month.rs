//! What machines cost that are stopped for a month or longer, and whom to ask.

use serde_json::json;

use super::conversation::{Conversation, instances, tag};

#[test]
fn machines_stopped_for_a_month_are_reported_with_cost_and_owner_in_one_call() {
    let request = "Show me all stopped instances and estimate cost savings";
    let mut stopped = Vec::new();
    let mut talk = Conversation::begin("stopped_for_a_month", request, &[], |_, hand| {
        stopped = (1..=3)
            .flat_map(|volumes| ["prod", "staging", "dev"].map(|env| (volumes, env)))
            .flat_map(|(volumes, env)| instances(hand, env, "stopped", volumes))
            .collect();
        stopped.sort();
        let names = [("test-server-1", "qa"), ("staging-db", "data-team"), ("old-backup-server", "storage")];
        for (id, (name, owner)) in stopped.iter().zip(names) {
            tag(hand, id, &[("Name", name), ("owner", owner)]);
        }
    });
    assert!(stopped.len() >= 3, "{stopped:?}");
    talk.prompt("stopped_instance_savings", &json!({"older_than": "30d"}));
    let report = talk.call("report_stopped_instances", &json!({"older_than": "30d", "limit": 100}));
    assert_eq!(report.structured["rows"].as_array().unwrap().len(), stopped.len(), "{}", report.text);
    for said in ["old-backup-server", "storage", "US dollars a month", "compute"] {
        assert!(report.text.contains(said), "{said} is not said: {}", report.text);
    }
    talk.end(1);
}
