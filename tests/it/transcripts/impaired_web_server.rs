//! An impaired web server is found and explained in one call.

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
    let found = talk.call("get_instance_status", &json!({"filters": {"tag:Name": "web-server-*"}}));
    let instances = found.structured["instances"].as_array().unwrap();
    assert_eq!(instances.len(), 3, "{}", found.text);
    assert_eq!(instances[0]["instance_id"], json!(impaired), "the one that is not well comes first");
    assert_eq!(instances[0]["verdict"], "impaired");
    for said in ["impaired", "system-reboot"] {
        assert!(found.text.contains(said), "{}", found.text);
    }
    talk.end(1);
}
