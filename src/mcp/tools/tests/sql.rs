//! Statements are answered as searches are: with the same rows as text and as data, and with what lessens them.

use serde_json::{Value, json};

use super::past::{answered, refused};
use crate::kinds::INSTANCE;
use crate::mcp::ListMode;
use crate::mcp::tests::{World, fast};
use crate::mcp::tools::budget::BUDGET;
use crate::mcp::tools::query_inventory;
use crate::mcp::tools::tokens::tokens;
use crate::simulator;

#[tokio::test]
async fn a_statement_answers_the_same_rows_as_text_and_as_data() {
    let world = World::small().await;
    let client = world.client(false).await;
    let sql = "SELECT state, count(*) AS n, min(launch_time), NULL AS hole FROM instance GROUP BY state ORDER BY state";
    let (said, found) = answered(&client, &query_inventory::SPEC, json!({"sql": sql})).await;
    assert_eq!(found["columns"], json!(["state", "n", "min(launch_time)", "hole"]));
    assert_eq!((&found["total"], &found["kinds"], &found["stale"]), (&json!(2), &json!(["instance"]), &json!([])));
    assert!(said.starts_with("2 rows; as of "), "{said}");
    for row in found["rows"].as_array().unwrap() {
        let line = format!(
            "{} | {} | {} | -",
            row["state"].as_str().unwrap(),
            row["n"],
            row["min(launch_time)"].as_str().unwrap()
        );
        assert!(said.contains(&line), "{line}: {said}");
        assert!(row.get("hole").is_none(), "{row}");
    }
    let (said, found) =
        answered(&client, &query_inventory::SPEC, json!({"sql": "SELECT 1 AS a, 2 AS a, 0.5 AS b"})).await;
    assert_eq!(
        (&found["columns"], &found["rows"]),
        (&json!(["a", "a_2", "b"]), &json!([{"a": 1, "a_2": 2, "b": 0.5}]))
    );
    assert_eq!(said, "1 row\na | a_2 | b\n1 | 2 | 0.5");
}

#[tokio::test]
async fn values_of_redacted_tags_and_paths_without_a_beginning_are_told() {
    let world = World::small().await;
    let client = world.client(false).await;
    for (sql, hint) in [
        (
            "SELECT id FROM tag WHERE key = 'db-password' AND value = 'x'",
            "values of the tag `db-password` are redacted",
        ),
        ("SELECT count(*) FROM instance WHERE tags ->> 'token' LIKE 'x%'", "values of the tag `token` are redacted"),
        ("SELECT id, document ->> 'State.Name' AS s FROM instance", "write '$.State.Name'"),
    ] {
        let (said, found) = answered(&client, &query_inventory::SPEC, json!({"sql": sql})).await;
        assert!(found["hints"].to_string().contains(hint) && said.contains(hint), "{sql}: {said}");
    }
    for sql in
        ["SELECT value FROM tag WHERE key = 'db-password' LIMIT 1", "SELECT 1 FROM instance WHERE tags ->> 'a' = 'x'"]
    {
        let (said, _) = answered(&client, &query_inventory::SPEC, json!({"sql": sql})).await;
        assert!(!said.contains("redacted"), "{sql}: {said}");
    }
}

#[tokio::test]
async fn many_rows_are_cut_to_the_budget_and_counted() {
    let world = World::swept(simulator::Options { instances: 600, ..fast() }, ListMode::Auto).await;
    let client = world.client(false).await;
    let sql = "SELECT id, name, instance_type, private_ip_address, launch_time FROM instance ORDER BY id";
    let (said, found) = answered(&client, &query_inventory::SPEC, json!({"sql": sql})).await;
    assert!(tokens(&said) <= BUDGET && tokens(&found.to_string()) <= BUDGET);
    let shown = found["rows"].as_array().unwrap().len();
    assert!((50..600).contains(&shown), "{shown}");
    assert!(said.starts_with(&format!("600 rows; {shown} shown")) && said.contains("Hint: the other rows"), "{said}");
    assert_eq!(found["total"], 600);
    // Whole documents are read for as many rows as are shown, and a while longer to count the others.
    let (said, found) = answered(&client, &query_inventory::SPEC, json!({"sql": "SELECT * FROM instance"})).await;
    assert!(tokens(&said) <= BUDGET && tokens(&found.to_string()) <= BUDGET);
    assert!(
        said.starts_with("at least 40 rows; ") && said.contains("Hint: the rows were not counted to the end"),
        "{said}"
    );
    assert_eq!((&found["total"], &found["at_least"]), (&json!(40), &json!(true)));
}

#[tokio::test]
async fn what_is_stale_or_incomplete_of_what_was_read_is_said() {
    let world = World::unswept(simulator::Options { instances: 12, ..fast() }, ListMode::Auto).await;
    let client = world.client(false).await;
    world.sweep_kind(INSTANCE, usize::MAX).await;
    let status = crate::kinds::by_slug("volume").unwrap();
    world.sweep_kind(status, 0).await;
    let sql = "SELECT count(*) AS n FROM instance LEFT JOIN instance_volume USING (instance_id)";
    let (said, found) = answered(&client, &query_inventory::SPEC, json!({"sql": sql})).await;
    assert_eq!(found["kinds"], json!(["instance", "volume"]));
    assert_eq!(found["at_least"], true, "{said}");
    assert!(said.contains("Incomplete: first sweep of"), "{said}");
    let (said, found) =
        answered(&client, &query_inventory::SPEC, json!({"sql": "SELECT count(*) FROM instance"})).await;
    assert_eq!((&found["at_least"], &found["incomplete"]), (&json!(false), &json!([])), "{said}");
    let sql = "SELECT kind, is_complete, is_stale FROM freshness ORDER BY kind";
    let (said, found) = answered(&client, &query_inventory::SPEC, json!({"sql": sql})).await;
    assert_eq!(found["rows"][0], json!({"kind": "instance", "is_complete": 1, "is_stale": 0}), "{said}");
}

#[tokio::test]
async fn the_past_is_asked_with_as_of() {
    let world = World::small().await;
    let client = world.client(true).await;
    let id = world.instance(&client, "running").await;
    let before = world.core.snapshot().unwrap().seq();
    client.agree("stop_instance", json!({"instance_id": id})).await.unwrap();
    let sql = format!("SELECT state FROM instance WHERE id = '{id}'");
    let (said, found) = answered(&client, &query_inventory::SPEC, json!({"sql": sql})).await;
    assert_eq!(found["rows"], json!([{"state": "stopping"}]), "{said}");
    let arguments = json!({"sql": sql, "as_of": format!("seq:{before}")});
    let (said, found) = answered(&client, &query_inventory::SPEC, arguments).await;
    assert_eq!((&found["rows"], &found["seq"]), (&json!([{"state": "running"}]), &json!(before)), "{said}");
    assert!(said.contains("as Muster knew it at"), "{said}");
    let sql = format!(
        "SELECT path, before, after, cause FROM change WHERE id = '{id}' AND path LIKE 'State.Name' AND seq > {before}"
    );
    let (said, found) = answered(&client, &query_inventory::SPEC, json!({"sql": sql})).await;
    let expected = json!([{"path": "State.Name", "before": "running", "after": "stopping", "cause": "tool"}]);
    assert_eq!(found["rows"], expected, "{said}");
}

#[tokio::test]
async fn what_has_no_answer_says_what_to_write() {
    let world = World::small().await;
    let client = world.client(false).await;
    for (sql, words) in [
        ("SELECT * FROM instances", "did you mean `instance`?"),
        ("SELECT type FROM instance", "did you mean `instance_type`?"),
        ("SELECT * FROM change", "ago('7d')"),
        ("DROP TABLE instance", "one SELECT over its own tables"),
        ("SELECT 1; SELECT 2", "one at a time"),
        ("SELECT * FROM volume WHERE encrypted = 'true'", "encrypted = 1"),
    ] {
        let said = refused(&client, "query_inventory", json!({"sql": sql})).await;
        assert!(said.contains(words), "{sql}: {said}");
    }
}

#[tokio::test]
async fn several_statements_at_once_are_answered_one_after_the_other() {
    let world = World::small().await;
    let client = world.client(false).await;
    let ask = |n: u64| {
        let client = &client;
        async move {
            let result =
                client.call("query_inventory", json!({"sql": format!("SELECT {n} AS n, count(*) AS c FROM instance")}));
            crate::mcp::tests::data(result.await.unwrap())["rows"].clone()
        }
    };
    let answers: Vec<Value> = futures::future::join_all((0..8).map(ask)).await;
    let expected: Vec<Value> = (0..8).map(|n| json!([{"n": n, "c": 12}])).collect();
    assert_eq!(answers, expected);
}
