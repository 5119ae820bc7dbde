use rmcp::model::JsonObject;
use serde_json::{Value, json};

use super::*;
use crate::kinds::{INSTANCE, by_slug};
use crate::mcp::client::McpClient;
use crate::mcp::tests::{World, data, text};
use crate::mcp::tools::search_inventory;

/// The filters of a call of `search_inventory`.
fn given(call: JsonObject, kind: &'static KindSpec) -> Result<GivenFilters, RequestError> {
    let mut clean = search_inventory::SPEC.clean(call)?;
    GivenFilters::read(
        &FilterArgument(clean.remove("filters").unwrap_or_default()),
        kind,
        &crate::model::KnownAccounts::default(),
        Timestamp::default(),
    )
}

/// What a call with these filters asks for, as name and values.
fn read(filters: &Value) -> Result<Vec<(String, Vec<GivenValue>)>, String> {
    let Value::Object(call) = json!({"filters": filters}) else { panic!("an object") };
    let wanted = given(call, INSTANCE).map_err(|fault| fault.to_string())?;
    Ok(wanted.filters.into_iter().map(|filter| (filter.name, filter.values)).collect())
}

fn texts(values: &[&str]) -> Vec<GivenValue> {
    values.iter().map(|value| GivenValue::Text((*value).to_owned())).collect()
}

#[test]
fn every_spelling_of_a_filter_is_the_same_filter() {
    let expected = Ok(vec![("instance-state-name".to_owned(), texts(&["running", "stopped"]))]);
    let clean = json!([{"Name": "instance-state-name", "Values": ["running", "stopped"]}]);
    let object = json!({"instance-state-name": ["running", "stopped"]});
    let forms = [
        clean.clone(),
        object.clone(),
        clean[0].clone(),
        json!(clean.to_string()),
        json!(object.to_string()),
        json!(clean[0].to_string()),
        json!([clean[0].to_string()]),
        json!([{"name": "instance-state-name", "values": ["running", "stopped"]}]),
    ];
    for form in forms {
        assert_eq!(read(&form), expected, "{form}");
    }
    for nothing in [json!([]), json!({}), json!("[]"), json!(" {} "), json!(""), Value::Null] {
        assert_eq!(read(&nothing), Ok(Vec::new()), "{nothing}");
    }
}

#[test]
fn an_object_is_one_filter_only_if_it_has_a_name_and_values() {
    let one = |name: &str, value: &str| Ok(vec![(name.to_owned(), texts(&[value]))]);
    assert_eq!(read(&json!({"name": "web-*"})), one("tag:Name", "web-*"));
    assert_eq!(read(&json!({"Name": ["web-*"]})), one("tag:Name", "web-*"));
    assert_eq!(read(&json!({"name": "state", "value": "running"})), one("instance-state-name", "running"));
    let both = read(&json!({"name": "web-*", "State": "running"})).unwrap();
    assert_eq!(both.len(), 2, "{both:?}");
    for bare in [json!({"Name": "vpc-id"}), json!({"Name": "vpc-id", "Values": null}), json!([{"name": "vpc-id"}])] {
        assert!(read(&bare).unwrap_err().contains("`vpc-id` has no values"), "{bare}");
    }
}

#[test]
fn what_is_no_filter_is_refused_and_never_read_as_another_question() {
    for (wrong, says) in [
        (json!("running"), "`filters` must be"),
        (json!("{\"instance-state-name\": [\"running\"}"), "`filters` must be"),
        (json!(["instance-state-name"]), "`filters` must be"),
        (json!([{"Name": "vpc-id", "Values": ["v"], "Operator": "not"}]), "Operator"),
        (json!([{"Name": "vpc-id", "name": "subnet-id", "Values": ["v"]}]), "subnet-id"),
        (json!([{"Name": "vpc-id", "Values": ["v"], "values": ["w"]}]), "values"),
        (json!([{"Name": ["vpc-id"], "Values": ["v"]}]), "`filters` must be"),
        (json!({"vpc-id": []}), "`vpc-id` has no values"),
        (json!({"vpc-id": null}), "`vpc-id` has no values"),
        (json!({"vpc-id": {"Values": ["v"]}}), "`vpc-id`"),
        (json!({"vpc-id": [["v"]]}), "`vpc-id`"),
        (json!({"vpc-id": [null]}), "`vpc-id`"),
        (json!({"owner-id": 1.5}), "`owner-id`"),
        (json!({"owner-id": 1e300}), "`owner-id`"),
        // Which text a fraction came from cannot be told any more.
        (json!({"tag:Version": 1.10}), "`tag:Version`"),
        (json!({"tag:Version": [2.0]}), "`tag:Version`"),
        (json!({"stat": ["x"]}), "no filter `stat`"),
    ] {
        let said = read(&wrong).unwrap_err();
        assert!(said.contains(says), "{wrong}: {said}");
    }
}

#[test]
fn numbers_and_flags_are_the_texts_that_aws_has_for_them() {
    let values = |given: Value| read(&json!({"owner-id": given})).unwrap().remove(0).1;
    assert_eq!(values(json!(123_456_789_012_u64)), texts(&["123456789012"]));
    assert_eq!(values(json!([10.0, 1e3, true, "x"])), texts(&["10", "1000", "true", "x"]));
    assert_eq!(read(&json!({"tag:Count": 7})).unwrap().remove(0).1, texts(&["7"]));
    // An empty value is a value.
    assert_eq!(read(&json!({"tag:Team": ""})).unwrap().remove(0).1, texts(&[""]));
}

#[test]
fn a_value_has_two_readings_only_where_it_is_json_of_a_list_or_of_an_object() {
    let list = |text: &str, list: &[&str]| {
        GivenValue::TextOrList(text.to_owned(), list.iter().map(|text| (*text).to_owned()).collect())
    };
    assert_eq!(GivenValue::of(r#"["a", "b"]"#), list(r#"["a", "b"]"#, &["a", "b"]));
    assert_eq!(GivenValue::of(r#" ["a"]"#), list(r#" ["a"]"#, &["a"]));
    assert_eq!(GivenValue::of("[1, 2]"), GivenValue::TextOrJson("[1, 2]".to_owned()));
    assert_eq!(GivenValue::of(r#"{"a": 1}"#), GivenValue::TextOrJson(r#"{"a": 1}"#.to_owned()));
    for plain in ["running", "[a]", "['a']", "[1-8]", "7", "true", "null", "\"a\"", "[\"a\"", "", "{a}"] {
        assert_eq!(GivenValue::of(plain), GivenValue::Text(plain.to_owned()), "{plain}");
    }
}

/// An account in which one instance is tagged `Name=["a"]` and another `Name=a`.
async fn tagged() -> (World, McpClient, String, String) {
    let world = World::small().await;
    let client = world.client(false).await;
    let ids = world.simulator.world().home().instance_ids();
    let (literal, plain) = (ids[0].clone(), ids[1].clone());
    for (id, key, value) in
        [(&literal, "Quoted", "[\"a\"]"), (&plain, "Quoted", "a"), (&plain, "Plain", "web"), (&plain, "Json", "[1]")]
    {
        world.simulator.world().home().set_tag(id, key, value).expect("an instance");
    }
    let mut seen = json!(0);
    for _ in 0..100 {
        world.sweep().await;
        seen = found(&client, json!({"tag-key": ["Json", "Quoted"]})).await.0;
        if seen == json!(2) {
            break;
        }
    }
    assert_eq!(seen, 2);
    (world, client, literal, plain)
}

/// How many match, which is first, and how the values were read; by search, with which a count agrees.
async fn found(client: &McpClient, filters: Value) -> (Value, Value, String) {
    let call = json!({"filters": filters});
    let answer = client.call("search_inventory", call.clone()).await.unwrap();
    let said = text(&answer).to_owned();
    let answer = data(answer);
    let readings = answer.get("readings").cloned().unwrap_or_else(|| json!([]));
    for reading in readings.as_array().unwrap() {
        assert!(said.contains(reading.as_str().unwrap()), "{said}");
    }
    let counted = client.call("count_inventory", call).await.unwrap();
    for reading in readings.as_array().unwrap() {
        assert!(text(&counted).contains(reading.as_str().unwrap()), "{}", text(&counted));
    }
    let counted = data(counted);
    assert_eq!((&counted["total"], counted.get("readings")), (&answer["total"], answer.get("readings")));
    (answer["total"].clone(), answer["rows"][0]["id"].clone(), readings.to_string())
}

#[tokio::test]
async fn the_json_text_of_a_list_is_that_text_where_something_has_it_and_else_the_list_and_the_answer_says_which() {
    let (_world, client, literal, plain) = tagged().await;
    let (total, id, readings) = found(&client, json!({"tag:Quoted": "[\"a\"]"})).await;
    assert_eq!((total, id), (json!(1), json!(literal)), "the text as it stands counts first");
    assert!(readings.contains("`tag:Quoted`") && readings.contains("taken literally"), "{readings}");

    let (total, id, readings) = found(&client, json!({"tag:Plain": "[\"web\", \"db\"]"})).await;
    assert_eq!((total, id), (json!(1), json!(plain)));
    assert!(readings.contains("`tag:Plain`") && readings.contains("read as a list"), "{readings}");

    // Each value for itself, also beside clean ones and at the depth of a list.
    let both = json!([{"Name": "tag:Quoted", "Values": ["[\"a\"]", "a"]}]);
    assert_eq!(found(&client, both).await.0, 2);

    let running = found(&client, json!({"instance-state-name": ["running"]})).await.0;
    for sloppy in [json!("[\"running\"]"), json!(["[\"running\"]"]), json!("[\"running\",\"nothing\"]")] {
        let call = json!({"instance-state-name": sloppy});
        let (total, _, readings) = found(&client, call.clone()).await;
        assert_eq!(total, running, "{call}");
        assert!(readings.contains("read as a list"), "{call}: {readings}");
    }
    let text = json!({"instance-state-name": ["running"]}).to_string();
    assert_eq!(found(&client, json!(text)).await, found(&client, json!({"instance-state-name": ["running"]})).await);
}

#[tokio::test]
async fn json_that_is_no_list_of_texts_is_a_tags_value_and_refused_elsewhere() {
    let (_world, client, _, plain) = tagged().await;
    let (total, id, _) = found(&client, json!({"tag:Json": "[1]"})).await;
    assert_eq!((total, id), (json!(1), json!(plain)));
    let (total, _, readings) = found(&client, json!({"tag:Json": "{\"a\": 2}"})).await;
    assert_eq!(total, 0);
    assert!(readings.contains("taken literally"), "nothing is that, and it is said how it was read: {readings}");
    for wrong in ["[1]", "{\"a\": 1}", "[]"] {
        let call = json!({"filters": {"instance-state-name": wrong}});
        let refused = client.call("search_inventory", call).await.unwrap();
        assert_eq!(refused.is_error, Some(true), "{wrong}");
        assert!(text(&refused).contains("instance-state-name"), "{}", text(&refused));
    }
}

#[tokio::test]
async fn pages_of_a_filter_that_was_read_as_a_list_go_on_to_the_end() {
    let world = World::small().await;
    let client = world.client(false).await;
    let (mut ids, mut cursor) = (std::collections::BTreeSet::new(), Value::Null);
    loop {
        let call = json!({"filters": {"tag:Name": "[\"*\"]"}, "limit": "5.0", "cursor": cursor});
        let page = data(client.call("search_inventory", call).await.unwrap());
        assert!(page["readings"][0].is_string(), "{page}");
        ids.extend(page["rows"].as_array().unwrap().iter().map(|row| row["id"].to_string()));
        match page.get("next_cursor") {
            Some(next) => cursor = next.clone(),
            None => break,
        }
    }
    let all = data(client.call("count_inventory", json!({"filters": {"tag:Name": ["*"]}})).await.unwrap());
    assert_eq!(all["total"], ids.len());
    assert!(ids.len() > 5, "{ids:?}");
}

#[test]
fn a_kind_without_a_filter_says_so_in_either_spelling() {
    let vpc = by_slug("vpc").unwrap();
    let Value::Object(call) = json!({"filters": "{\"instance-type\": \"t3.micro\"}"}) else { panic!("an object") };
    let said = given(call, vpc).unwrap_err().to_string();
    assert!(said.contains("vpc has no filter `instance-type`"), "{said}");
}
