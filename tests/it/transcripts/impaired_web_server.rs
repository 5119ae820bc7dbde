//! An impaired web server is found and explained in two calls.

use serde_json::json;

use super::conversation::{Conversation, instances, tag};

#[test]
fn an_impaired_web_server_is_found_and_explained() {
    let request = "Check the status of all our web servers";
    let mut impaired = String::new();
    let mut talk = Conversation::begin("impaired_web_server", request, &[], |simulator, hand| {
        let ids = instances(hand, "web", "running", 1);
        for (id, name) in ids.iter().zip(["web-server-1", "web-server-2", "web-server-3"]) {
            tag(hand, id, &[("Name", name)]);
        }
        impaired.clone_from(&ids[2]);
        simulator.control("POST", "/status", &json!({"id": impaired, "check": "instance", "impaired": true}));
        let event = json!({
            "Code": "system-reboot", "Description": "scheduled reboot", "NotBefore": "2099-01-02T03:04:05Z",
            "InstanceEventId": "instance-event-0123456789abcdef0",
        });
        simulator.control("POST", "/status", &json!({"id": impaired, "events": [event]}));
    });
    let sql = "SELECT h.verdict, i.id, i.name, i.state, h.failed_checks, h.next_event, h.next_event_at FROM instance i JOIN \
               instance_health h ON h.instance_id = i.id WHERE i.name GLOB 'web-server-*' ORDER BY h.verdict = 'ok', i.name";
    let found = talk.call("query_inventory", &json!({"sql": sql}));
    assert_eq!(found.structured["rows"].as_array().unwrap().len(), 3, "{}", found.text);
    assert_eq!(found.structured["rows"][0]["id"], json!(impaired), "the one that is not well comes first");
    assert_eq!(found.structured["rows"][0]["verdict"], "impaired");
    let explained = talk.call("get_instance_status", &json!({"instance_ids": [impaired]}));
    for said in ["impaired", "system-reboot"] {
        assert!(explained.text.contains(said), "{}", explained.text);
    }
    talk.end(2);
}
