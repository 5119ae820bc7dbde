//! AWS Organizations: who may ask, what is answered, and what control calls change.

use serde_json::{Value, json};

use crate::simulator::Options;
use crate::simulator::organization::{Call, answer};
use crate::simulator::roster::MemberChange;
use crate::simulator::tests::options;
use crate::simulator::world::World;

const HOME: &str = "123456789012";

fn world(accounts: usize) -> World {
    World::new(Options { accounts, ..options(1) })
}

fn ask_as(world: &World, account: &str, action: &str, question: &Value) -> Result<Value, String> {
    let body = question.to_string();
    let call = Call { roster: world.roster(), account, body: body.as_bytes() };
    answer(&call, action).map_err(|refusal| refusal.code.into_owned())
}

fn ask(world: &World, action: &str, question: &Value) -> Value {
    ask_as(world, HOME, action, question).unwrap()
}

/// All items of a listing, and the sizes of its pages.
fn pages(world: &World, action: &str, name: &str, question: &Value) -> (Vec<Value>, Vec<usize>) {
    let (mut items, mut sizes, mut question) = (Vec::new(), Vec::new(), question.clone());
    loop {
        let mut page = ask(world, action, &question);
        let shown = page[name].as_array().unwrap();
        sizes.push(shown.len());
        items.extend(shown.clone());
        match page["NextToken"].take() {
            Value::Null => return (items, sizes),
            token => question["NextToken"] = token,
        }
    }
}

fn change(world: &World, change: &Value) -> Result<(), String> {
    let read: MemberChange = serde_json::from_value(change.clone()).unwrap();
    world.roster().change(read, world.clock().moment()).map_err(|error| error.to_string())
}

#[test]
fn accounts_are_listed_page_by_page_and_a_page_may_be_empty() {
    let world = world(50);
    let (accounts, sizes) = pages(&world, "ListAccounts", "Accounts", &json!({}));
    assert_eq!(sizes, [20, 0, 20, 11]);
    let ids: Vec<&str> = accounts.iter().map(|account| account["Id"].as_str().unwrap()).collect();
    assert!(ids.is_sorted() && ids[0] == HOME && ids[50] == "200000000050", "{ids:?}");
    let (_, sizes) = pages(&world, "ListAccounts", "Accounts", &json!({"MaxResults": 13}));
    assert_eq!(sizes, [13, 0, 13, 13, 12]);
    let refused = |question: Value| ask_as(&world, HOME, "ListAccounts", &question);
    for question in [json!({"MaxResults": 0}), json!({"MaxResults": 21}), json!({"NextToken": "x"})] {
        assert_eq!(refused(question), Err("InvalidInputException".to_owned()));
    }
    let token = ask(&world, "ListAccounts", &json!({}))["NextToken"].take();
    let root = world.roster().root();
    let below = ask_as(&world, HOME, "ListAccountsForParent", &json!({"ParentId": root, "NextToken": token}));
    assert_eq!(below, Err("InvalidInputException".to_owned()));
}

#[test]
fn every_account_stands_in_the_unit_that_its_path_ends_with() {
    let world = world(40);
    let root = ask(&world, "ListRoots", &json!({}))["Roots"][0]["Id"].take();
    let organization = ask(&world, "DescribeOrganization", &json!({}))["Organization"].take();
    assert_eq!(organization["MasterAccountId"], HOME);
    let top = format!("{}/{}/", organization["Id"].as_str().unwrap(), root.as_str().unwrap());
    let (mut waiting, mut units, mut found) = (vec![(root, top)], Vec::new(), Vec::new());
    while let Some((parent, path)) = waiting.pop() {
        let question = json!({"ParentId": parent});
        for unit in pages(&world, "ListOrganizationalUnitsForParent", "OrganizationalUnits", &question).0 {
            assert_eq!(unit["Path"], format!("{path}{}/", unit["Id"].as_str().unwrap()));
            let above = ask(&world, "ListParents", &json!({"ChildId": unit["Id"]}));
            assert_eq!(above["Parents"][0]["Id"], parent);
            let again = ask(&world, "DescribeOrganizationalUnit", &json!({"OrganizationalUnitId": unit["Id"]}));
            assert_eq!(again["OrganizationalUnit"], unit);
            units.push(unit["Name"].as_str().unwrap().to_owned());
            waiting.push((unit["Id"].clone(), unit["Path"].as_str().unwrap().to_owned()));
        }
        for account in pages(&world, "ListAccountsForParent", "Accounts", &question).0 {
            assert_eq!(account["Paths"], json!([format!("{path}{}/", account["Id"].as_str().unwrap())]));
            let above = ask(&world, "ListParents", &json!({"ChildId": account["Id"]}));
            assert_eq!(above["Parents"][0]["Id"], parent);
            assert_eq!(ask(&world, "DescribeAccount", &json!({"AccountId": account["Id"]}))["Account"], account);
            found.push(account);
        }
    }
    units.sort_unstable();
    assert_eq!(units, ["Development", "Infrastructure", "Production", "Sandbox", "Workloads"]);
    found.sort_by_key(|account| account["Id"].to_string());
    assert_eq!(found, pages(&world, "ListAccounts", "Accounts", &json!({})).0);
    let tags = ask(&world, "ListTagsForResource", &json!({"ResourceId": "200000000001"}));
    assert_eq!(tags["Tags"].as_array().unwrap().len(), 2, "{tags}");
    for (action, question, code) in [
        ("DescribeAccount", json!({"AccountId": "999999999999"}), "AccountNotFoundException"),
        ("ListParents", json!({"ChildId": "999999999999"}), "ChildNotFoundException"),
        ("ListAccountsForParent", json!({"ParentId": "r-none"}), "ParentNotFoundException"),
        ("ListTagsForResource", json!({"ResourceId": "ou-none-00000000"}), "TargetNotFoundException"),
        ("ListParents", json!({}), "InvalidInputException"),
    ] {
        assert_eq!(ask_as(&world, HOME, action, &question), Err(code.to_owned()), "{action} {question}");
    }
}

#[test]
fn only_the_management_account_and_delegated_administrators_may_ask() {
    let world = world(3);
    let member = "200000000002";
    let list = |account: &str| ask_as(&world, account, "ListAccounts", &json!({})).map(drop);
    assert_eq!(list(member), Err("AccessDeniedException".to_owned()));
    assert!(ask_as(&world, member, "DescribeOrganization", &json!({})).is_ok());
    assert_eq!(list("999999999999"), Err("AWSOrganizationsNotInUseException".to_owned()));
    change(&world, &json!({"account": member, "administrator": true})).unwrap();
    assert_eq!(list(member), Ok(()));
    let delegated = ask(&world, "ListDelegatedAdministrators", &json!({}));
    assert_eq!(delegated["DelegatedAdministrators"][0]["Id"], member);
    assert!(delegated["DelegatedAdministrators"][0]["DelegationEnabledDate"].is_number());
    let alone = self::world(0);
    let refused = ask_as(&alone, HOME, "ListAccounts", &json!({})).unwrap_err();
    assert_eq!(refused, "AWSOrganizationsNotInUseException");
}

#[test]
fn accounts_are_closed_added_and_removed_while_the_simulator_runs() {
    let world = world(3);
    let shown = |account: &str| ask(&world, "DescribeAccount", &json!({"AccountId": account}))["Account"].take();
    let state = |account: &str| (shown(account)["State"].take(), shown(account)["Status"].take());
    for (told, status) in [
        ("SUSPENDED", "SUSPENDED"),
        ("PENDING_CLOSURE", "PENDING_CLOSURE"),
        ("CLOSED", "SUSPENDED"),
        ("ACTIVE", "ACTIVE"),
    ] {
        change(&world, &json!({"account": "200000000001", "state": told})).unwrap();
        assert_eq!(state("200000000001"), (json!(told), json!(status)));
        assert_eq!(world.roster().is_open("200000000001"), told == "ACTIVE");
    }
    let new = json!({"account": "300000000001", "member": true, "name": "lab", "unit": "/Workloads/Production"});
    change(&world, &new).unwrap();
    assert_eq!(shown("300000000001")["Name"], "lab");
    change(&world, &json!({"account": "300000000001", "unit": "/", "tags": {"team": "x"}})).unwrap();
    assert_eq!(ask(&world, "ListParents", &json!({"ChildId": "300000000001"}))["Parents"][0]["Type"], "ROOT");
    change(&world, &json!({"account": "200000000002", "member": false})).unwrap();
    let (left, _) = pages(&world, "ListAccounts", "Accounts", &json!({}));
    let ids: Vec<&str> = left.iter().map(|account| account["Id"].as_str().unwrap()).collect();
    assert_eq!(ids, [HOME, "200000000001", "200000000003", "300000000001"]);
    for (wrong, said) in [
        (json!({"account": "200000000002", "state": "CLOSED"}), "\"member\": true"),
        (json!({"account": HOME, "state": "CLOSED"}), "management account"),
        (json!({"account": "200000000001", "unit": "/Nowhere"}), "/Workloads/Production, "),
        (json!({"account": "200000000001", "name": ""}), "1 to 50 characters"),
    ] {
        let refused = change(&world, &wrong).unwrap_err();
        assert!(refused.contains(said), "{refused}");
    }
}
