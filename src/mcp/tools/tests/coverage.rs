//! Questions over several accounts, of which some are not seen yet or cannot be looked at.

use super::*;
use crate::freshness::{MemberTrouble, Signal};
use crate::kinds::KINDS;
use crate::model::fixtures::scope;
use crate::model::{AccountId, ErrorClass, Region, Scope, Trouble};

const DENIED: &str = "ec2:DescribeInstances in eu-west-1: UnauthorizedOperation: You are not authorized";

fn of(account: &str, region: &str) -> Scope {
    Scope { account: AccountId::new(account), region: Region::new(region) }
}

/// The own account and another one with 12 instances each, and a third that denies everything.
async fn three() -> World {
    let world = World::small().await;
    world.sweep_in(&of("222222222222", "eu-west-1"), INSTANCE).await;
    world.fail_in(&of("333333333333", "eu-west-1"), INSTANCE, DENIED).await;
    world
}

#[tokio::test]
async fn a_denied_account_spoils_no_answer_and_is_named() {
    let world = three().await;
    let client = world.client(false).await;
    let result = client.call("search_inventory", json!({"limit": 1})).await.unwrap();
    let told = text(&result).to_owned();
    let found = data(result);
    conforms(&search_inventory::SPEC, &found);
    assert_eq!((&found["total"], &found["at_least"]), (&json!(24), &json!(false)), "{found}");
    assert_eq!((&found["incomplete"], &found["stale"]), (&json!([]), &json!([])), "{found}");
    assert_eq!(found["coverage"], json!({"all": 3, "pending": 0, "failed": 1}));
    let failed = &found["failed"][0];
    assert_eq!((&failed["cause"], &failed["class"]), (&json!("UnauthorizedOperation"), &json!("denied")), "{failed}");
    assert_eq!((&failed["scopes"], &failed["kinds"]), (&json!(1), &json!(["instance"])), "{failed}");
    assert!(found["as_of"].is_string(), "that of the oldest that was looked at: {found}");
    assert!(told.contains("Not looked at: 333333333333/eu-west-1: ec2:DescribeInstances"), "{told}");

    let counted = data(client.call("count_inventory", json!({"group_by": ["account"]})).await.unwrap());
    conforms(&count_inventory::SPEC, &counted);
    assert_eq!(
        counted["groups"],
        json!([{"value": "123456789012", "count": 12}, {"value": "222222222222", "count": 12}])
    );
    let sql = json!({"sql": "SELECT account, regions, covered, failed, cause FROM account ORDER BY account"});
    let accounts = data(client.call("query_inventory", sql).await.unwrap());
    assert_eq!(
        accounts["rows"][2],
        json!({"account": "333333333333", "regions": 1, "covered": 0, "failed": 1,
        "cause": "UnauthorizedOperation"})
    );
    let sql = json!({"sql": "SELECT count(*) AS n FROM instance"});
    let rows = data(client.call("query_inventory", sql).await.unwrap());
    assert_eq!((&rows["rows"][0]["n"], &rows["failed"][0]["scopes"]), (&json!(24), &json!(1)), "{rows}");
}

#[tokio::test]
async fn a_question_whose_every_scope_failed_is_an_error_with_the_cause() {
    let world = three().await;
    let client = world.client(false).await;
    for (tool, arguments) in [
        ("search_inventory", json!({"account": "333333333333"})),
        ("count_inventory", json!({"account": "333333333333", "region": "eu-west-1"})),
        ("search_inventory", json!({"filters": {"account": ["333333333333"]}})),
        ("get_resource", json!({"id": "i-0000000000000bad0", "account": "333333333333"})),
    ] {
        let refused = client.call(tool, arguments.clone()).await.unwrap();
        assert_eq!(refused.is_error, Some(true), "{tool} {arguments}: {}", text(&refused));
        assert!(text(&refused).contains("UnauthorizedOperation"), "{tool} {arguments}: {}", text(&refused));
    }
}

#[tokio::test]
async fn an_account_that_cannot_be_reached_is_not_said_to_be_unwatched() {
    const WHY: &str = "its role cannot be assumed";
    let world = three().await;
    let client = world.client(false).await;
    let (class, what, fix) = (ErrorClass::Denied.into(), WHY.to_owned(), "Let the role trust Muster.".to_owned());
    let trouble = Trouble { class, what, fix, since: world.core.now(), retry_at: None };
    let account = Some(AccountId::new("444444444444"));
    let member = MemberTrouble { label: "lost".to_owned(), account, trouble };
    world.core.ingest.signal(Signal::Member { number: 1, trouble: Some(member) });
    for called in ["lost", "444444444444"] {
        for arguments in [
            json!({"account": called}),
            json!({"filters": {"account": [called]}}),
            json!({"filters": {"account": [called, "555555555555"]}}),
        ] {
            let refused = client.call("count_inventory", arguments.clone()).await.unwrap();
            assert_eq!(refused.is_error, Some(true), "{arguments}: {}", text(&refused));
            assert!(text(&refused).contains(WHY), "{arguments}: {}", text(&refused));
        }
        let filters = json!({"account": ["222222222222", called]});
        let counted = data(client.call("count_inventory", json!({"filters": filters})).await.unwrap());
        assert_eq!(counted["total"], 12, "{counted}");
        assert!(counted["readings"].to_string().contains(WHY), "{counted}");
    }
    let refused = client.read("ec2://inventory/444444444444/eu-west-1/instance").await.unwrap_err();
    assert!(format!("{refused:?}").contains(WHY), "{refused:?}");
    let stranger = client.read("ec2://inventory/555555555555/eu-west-1/instance").await.unwrap_err();
    assert!(format!("{stranger:?}").contains("is not watched"), "{stranger:?}");
}

#[tokio::test]
async fn an_absent_id_is_in_none_of_those_that_were_looked_at() {
    let world = three().await;
    let client = world.client(false).await;
    let absent = client.call("get_resource", json!({"id": "i-0000000000000bad0"})).await.unwrap();
    let said = text(&absent);
    assert!(said.contains("is known in 123456789012/us-east-1, 222222222222/eu-west-1;"), "{said}");
    assert!(
        said.contains("1 scope could not be looked at (UnauthorizedOperation, such as 333333333333/eu-west-1)"),
        "{said}"
    );
    let code = absent.meta.unwrap()[CODE].clone();
    assert_eq!(code, json!(FailureCode::NotFound));

    let (scope, kind) = (of("444444444444", "eu-west-1"), INSTANCE.kind());
    world.core.ingest.signal(Signal::Expected { scope, kind, interval: INSTANCE.interval });
    let pending = client.call("get_resource", json!({"id": "i-0000000000000bad0"})).await.unwrap();
    assert!(text(&pending).contains("not seen yet"), "{}", text(&pending));
    let found = data(client.call("search_inventory", json!({"limit": 1})).await.unwrap());
    assert_eq!((&found["total"], &found["at_least"]), (&json!(24), &json!(true)), "{found}");
    assert_eq!(found["incomplete"][0]["account"], "444444444444");
    let known = data(client.call("search_inventory", json!({"account": "222222222222"})).await.unwrap());
    assert_eq!(
        (&known["total"], &known["at_least"]),
        (&json!(12), &json!(false)),
        "what is pending elsewhere: {known}"
    );
    assert!(known["failed"].is_null() && known["coverage"].is_null(), "{known}");
}

#[tokio::test]
async fn a_question_covers_all_regions_of_an_account_and_all_accounts_of_a_region() {
    let world = three().await;
    world.sweep_in(&of("222222222222", "us-east-1"), INSTANCE).await;
    let client = world.client(false).await;
    for (arguments, total) in [
        (json!({"account": "222222222222"}), 24),
        (json!({"region": "us-east-1"}), 24),
        (json!({"account": "222222222222", "region": "us-east-1"}), 12),
        (json!({"filters": {"region": ["us-*"], "account": ["2*"]}}), 12),
        (json!({"filters": {"region": ["us-*"]}, "account": "222222222222"}), 12),
        (json!({}), 36),
    ] {
        let found = data(client.call("count_inventory", arguments.clone()).await.unwrap());
        assert_eq!(found["total"], total, "{arguments}: {found}");
    }
    let id = world.instance(&client, "running").await;
    let found = data(client.call("get_resource", json!({"id": id, "account": "222222222222"})).await.unwrap());
    assert_eq!(found["account"], "222222222222", "{found}");
    let changes = json!({"account": "222222222222", "include_baseline": true, "limit": 1});
    let changes = data(client.call("list_changes", changes).await.unwrap());
    assert_eq!(changes["changes"][0]["account"], "222222222222", "{changes}");
    let unknown = client.call("count_inventory", json!({"account": "222222222229"})).await.unwrap();
    assert!(text(&unknown).contains("did you mean `222222222222`"), "{}", text(&unknown));
    let unknown = client.call("count_inventory", json!({"ou": "/Workloads"})).await.unwrap();
    assert!(text(&unknown).contains("Organizational unit /Workloads is not watched"), "{}", text(&unknown));
}

#[tokio::test]
async fn many_accounts_are_summed_up_and_none_is_left_out_of_the_count() {
    let world = World::small().await;
    for n in 0..60_u64 {
        let scope = of(&format!("{}", 300_000_000_000 + n), "eu-west-1");
        let what = format!("{DENIED} as {n}");
        world.fail_in(&scope, INSTANCE, &what).await;
    }
    let client = world.client(false).await;
    let result = client.call("get_inventory_summary", json!({})).await.unwrap();
    let told = text(&result).to_owned();
    let summary = data(result);
    conforms(&get_inventory_summary::SPEC, &summary);
    assert_eq!(summary["coverage"], json!({"all": 61, "pending": 0, "failed": 60}), "{summary}");
    assert_eq!((&summary["scopes"], &summary["accounts_not_shown"]), (&json!([]), &json!(31)), "{summary}");
    assert_eq!(summary["totals"]["instance"], 12);
    assert_eq!(summary["kinds"].as_array().unwrap().len(), KINDS.len());
    assert_eq!((&summary["failed"][0]["scopes"], summary["failed"].as_array().unwrap().len()), (&json!(60), 1));
    assert!(tokens(&summary.to_string()) <= BUDGET && tokens(&told) <= BUDGET, "{told}");
    assert!(told.contains("61 accounts and regions, 0 of them not swept yet, 60 could not be looked at"), "{told}");
    let body = client.read("ec2://inventory/freshness").await.unwrap();
    assert_eq!((&body["coverage"]["failed"], &body["scopes"]), (&json!(60), &json!([])), "{body}");

    let result = client.call("search_inventory", json!({"limit": 1})).await.unwrap();
    let told = text(&result).to_owned();
    let found = data(result);
    assert_eq!((&found["total"], &found["failed"][0]["scopes"]), (&json!(12), &json!(60)), "{found}");
    assert_eq!(found["watched"], json!(["61 scopes (61 accounts, 2 regions)"]));
    assert!(told.contains("Not looked at: 60 scopes, such as 300000000000/eu-west-1"), "{told}");
    let sql = "SELECT count(*) AS n FROM freshness WHERE standing = 'failed' AND cause = 'UnauthorizedOperation'";
    let rows = data(client.call("query_inventory", json!({"sql": sql})).await.unwrap());
    assert_eq!(rows["rows"][0]["n"], 60, "each can be listed");
    assert!(world.core.ingest.freshness().of(&scope(), &INSTANCE.kind()).is_some());
}
