//! EC2's own read API with keys, as boto3 signs requests: by TLS, with what a key does not let see, and by account.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::harness::account::Account;
use crate::harness::authority::Authority;
use crate::harness::ec2_caller::Ec2Caller;
use crate::harness::eventually;
use crate::harness::muster::{RARELY, Sandbox};
use crate::harness::roles::{AccountsFile, role};
use crate::harness::simulator::Simulator;

const SECRET: &str = "made-up-for-this-very-test";
const KEY: &str = "AKIAMUSTEREXAMPLE1";

/// Writes a file of keys: the id of each, and what else it says.
fn keys(sandbox: &Sandbox, all: &[(&str, &str)]) -> PathBuf {
    let file = sandbox.path().join("keys.toml");
    let entries = all.iter().map(|(id, rest)| format!("[[keys]]\nid = {id:?}\nsecret = {SECRET:?}\n{rest}\n"));
    fs::write(&file, entries.collect::<String>()).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    file
}

/// Ids of what an answer lists.
fn ids(items: &[Value], field: &str) -> BTreeSet<String> {
    items.iter().map(|item| item[field].as_str().unwrap().to_owned()).collect()
}

/// The instances of the reservations that an answer lists.
fn instances(reservations: &[Value]) -> Vec<Value> {
    reservations.iter().flat_map(|one| one["Instances"].as_array().unwrap().clone()).collect()
}

#[test]
fn by_tls_only_what_a_known_key_signed_a_moment_ago_is_answered_and_everything_else_is_refused_once() {
    let simulator = Simulator::start(3, &[]);
    let endpoint = simulator.endpoint();
    let sandbox = Sandbox::new(&endpoint);
    let authority = Authority::new(sandbox.path());
    let (signed, file) = (authority.sign("server"), keys(&sandbox, &[(KEY, "")]));
    let flags = ["--ec2-api", "0.0.0.0:0", "--ec2-api-keys", file.to_str().unwrap()];
    let server = sandbox.serve(&[&RARELY[..], &flags, &signed.flags()].concat());
    let url = server.ec2_api.clone().unwrap();
    assert!(url.starts_with("https://0.0.0.0:"), "{url}");
    let url = url.replace("0.0.0.0", "127.0.0.1");
    let (ca, none) = (authority.file(), json!({}));
    let boto3 = Ec2Caller::with(&url, &endpoint.region, (KEY, SECRET), Some(&ca));
    let told = eventually("the first sweep is over", || {
        let told = boto3.call("describe_vpcs", &none);
        told["answer"]["Vpcs"].is_array().then_some(told)
    });
    assert!(told["headers"]["x-muster-as-of"].is_string(), "{told}");
    let by_url = boto3.call_so("describe_vpcs", &none, &json!({"url": true}));
    assert!(by_url["answer"].as_str().is_some_and(|text| text.contains("<vpcSet>")), "{by_url}");
    let body = |one: &str, other: &str| json!({"change": [one, other]});
    for (how, code, said) in [
        (json!({"secret": "another-secret-of-that-length"}), (401, "AuthFailure"), "check the id and the secret"),
        (json!({"key": "AKIAMUSTEREXAMPLE2"}), (401, "AuthFailure"), "check the id and the secret"),
        (json!({"token": "of-a-session"}), (401, "AuthFailure"), "temporary key"),
        (json!({"key": "ASIAMUSTEREXAMPLE1"}), (401, "AuthFailure"), "temporary key"),
        (json!({"skew": -360}), (400, "RequestExpired"), "Check the clock of the client"),
        (json!({"skew": 360}), (400, "RequestExpired"), "Check the clock of the client"),
        (body("Action=DescribeVpcs", "Action=DescribeTags"), (401, "AuthFailure"), "no proxy changes requests"),
    ] {
        let message = boto3.refused("describe_vpcs", &none, &how, code);
        assert!(message.contains(said), "{how}: {message}");
        assert!(!message.contains(SECRET), "{how}: {message}");
    }
    for (how, code, said) in [
        (json!({"url": true, "secret": "another-secret-of-that-length"}), "AuthFailure", "check the id"),
        (json!({"url": true, "skew": -360, "good_for": 60}), "RequestExpired", "sign it anew"),
        (json!({"url": true, "token": "of-a-session"}), "AuthFailure", "temporary key"),
    ] {
        let told = boto3.call_so("describe_vpcs", &none, &how);
        assert_eq!(told["code"], code, "{how}: {told}");
        assert!(told["message"].as_str().unwrap().contains(said), "{how}: {told}");
    }
    // A clock that is less wrong does no harm.
    let told = boto3.call_so("describe_vpcs", &none, &json!({"skew": 200}));
    assert!(told["answer"].is_object(), "{told}");
    let before = fs::read_to_string(&file).unwrap();
    keys(&sandbox, &[("AKIAMUSTEREXAMPLE3", "")]);
    let data = sandbox.data();
    let reload = || sandbox.muster(&["reload", "--data-dir", data.to_str().unwrap()]).output().unwrap();
    assert!(reload().status.success());
    boto3.refused("describe_vpcs", &none, &none, (401, "AuthFailure"));
    let told = boto3.call_so("describe_vpcs", &none, &json!({"key": "AKIAMUSTEREXAMPLE3"}));
    assert!(told["answer"].is_object(), "{told}");
    // A file with a fault changes nothing.
    fs::write(&file, before.replace("secret", "secrets")).unwrap();
    let failed = reload();
    assert!(!String::from_utf8_lossy(&failed.stdout).contains(SECRET), "{failed:?}");
    let told = boto3.call_so("describe_vpcs", &none, &json!({"key": "AKIAMUSTEREXAMPLE3"}));
    assert!(told["answer"].is_object(), "{told}");
}

#[test]
fn a_key_shows_only_what_its_grants_let_see() {
    const BY_TAG: &str = "AKIAMUSTEREXAMPLE2";
    const BY_KIND: &str = "AKIAMUSTEREXAMPLE3";
    const BY_REGION: &str = "AKIAMUSTEREXAMPLE4";
    const ELSEWHERE: &str = "AKIAMUSTEREXAMPLE5";
    let simulator = Simulator::start(40, &["--regions", "eu-west-1=8"]);
    let endpoint = simulator.endpoint();
    let all = instances(&Account::at(&endpoint).every("ec2.describe_instances", "Reservations", &json!({})));
    let team_of = |instance: &Value| {
        let tags = instance["Tags"].as_array().cloned().unwrap_or_default();
        let team = tags.iter().find(|tag| tag["Key"] == "team")?;
        Some(team["Value"].as_str().unwrap().to_owned())
    };
    let team = all.iter().find_map(team_of).expect("an instance has a team");
    let (seen, hidden): (Vec<Value>, Vec<Value>) =
        all.into_iter().partition(|instance| team_of(instance).as_deref() == Some(team.as_str()));
    assert!(!seen.is_empty() && !hidden.is_empty());
    let sandbox = Sandbox::new(&endpoint);
    let config = sandbox.path().join("muster.toml");
    let grants = [
        format!("name = \"tag\"\ntags = {{ team = [{team:?}] }}"),
        "name = \"kind\"\nkinds = [\"volume\"]".to_owned(),
        "name = \"region\"\nregions = [\"eu-west-1\"]".to_owned(),
        "name = \"elsewhere\"\naccounts = [\"999999999999\"]".to_owned(),
    ];
    fs::write(&config, grants.map(|grant| format!("[[grants]]\n{grant}\n\n")).concat()).unwrap();
    let granted = |name: &str| format!("grants = [{name:?}]");
    let each = [("tag", BY_TAG), ("kind", BY_KIND), ("region", BY_REGION), ("elsewhere", ELSEWHERE)];
    let each: Vec<(&str, String)> = each.iter().map(|(name, key)| (*key, granted(name))).collect();
    let listed: Vec<(&str, &str)> = each.iter().map(|(key, rest)| (*key, rest.as_str())).chain([(KEY, "")]).collect();
    let file = keys(&sandbox, &listed);
    let regions = format!("{},eu-west-1", endpoint.region);
    let flags = ["--ec2-api", "127.0.0.1:0", "--ec2-api-keys", file.to_str().unwrap(), "--regions", &regions];
    let server = sandbox.serve(&[&RARELY[..], &flags, &["--config", config.to_str().unwrap()]].concat());
    server.swept();
    let boto3 = Ec2Caller::with(&server.ec2_api.clone().unwrap(), &endpoint.region, (KEY, SECRET), None);
    let none = json!({});
    let as_key = |key: &str| json!({"key": key});
    let listed = |how: &Value| instances(&boto3.items("describe_instances", &none, how, "Reservations"));
    assert_eq!(listed(&none).len(), seen.len() + hidden.len());

    // By tags: lists, pages, ids, tags, statuses and filters.
    let (seen_ids, how) = (ids(&seen, "InstanceId"), as_key(BY_TAG));
    assert_eq!(ids(&listed(&how), "InstanceId"), seen_ids);
    let (paged, sizes) = boto3.pages("describe_instances", &none, &how, "Reservations", 5);
    assert_eq!(ids(&instances(&paged), "InstanceId"), seen_ids);
    assert!(sizes.iter().all(|size| *size > 0), "no page is empty for what is hidden: {sizes:?}");
    let (secret, open) = (hidden[0]["InstanceId"].as_str().unwrap(), seen[0]["InstanceId"].as_str().unwrap());
    let unknown = "i-0123456789abcdef0";
    for operation in ["describe_instances", "describe_instance_status"] {
        let said = |id: &str| {
            let message =
                boto3.refused(operation, &json!({"InstanceIds": [id]}), &how, (400, "InvalidInstanceID.NotFound"));
            message.replace(id, "ID")
        };
        assert_eq!(said(secret), said(unknown), "{operation}");
        let both = json!({"InstanceIds": [open, secret]});
        let message = boto3.refused(operation, &both, &how, (400, "InvalidInstanceID.NotFound"));
        assert!(message.contains(secret) && !message.contains(open), "{message}");
    }
    let tags = boto3.items(
        "describe_tags",
        &json!({"Filters": [{"Name": "resource-type", "Values": ["instance"]}]}),
        &how,
        "Tags",
    );
    assert!(ids(&tags, "ResourceId").is_subset(&seen_ids) && !tags.is_empty());
    let of_one = json!({"Filters": [{"Name": "resource-id", "Values": [secret]}]});
    assert_eq!(boto3.items("describe_tags", &of_one, &how, "Tags"), Vec::<Value>::new());
    let statuses =
        boto3.items("describe_instance_status", &json!({"IncludeAllInstances": true}), &how, "InstanceStatuses");
    assert!(ids(&statuses, "InstanceId").is_subset(&seen_ids) && !statuses.is_empty());
    for (name, field) in [
        ("instance-id", "InstanceId"),
        ("private-ip-address", "PrivateIpAddress"),
        ("image-id", "ImageId"),
        ("subnet-id", "SubnetId"),
    ] {
        let value = hidden[0][field].as_str().unwrap_or("none");
        let asked = json!({"Filters": [{"Name": name, "Values": [value]}]});
        let found = instances(&boto3.items("describe_instances", &asked, &how, "Reservations"));
        assert!(ids(&found, "InstanceId").is_subset(&seen_ids), "{name} probes what is hidden");
    }

    // By kind, region and account: what cannot be seen is as if nobody watched it.
    let how = as_key(BY_KIND);
    assert!(!boto3.items("describe_volumes", &none, &how, "Volumes").is_empty());
    let message = boto3.refused("describe_instances", &none, &how, (400, "MusterScopeUnavailable"));
    assert!(!message.contains(&team), "{message}");
    let of_volumes = json!({"Filters": [{"Name": "resource-type", "Values": ["volume"]}]});
    assert!(!boto3.items("describe_tags", &of_volumes, &how, "Tags").is_empty());
    let of_instances = json!({"Filters": [{"Name": "resource-type", "Values": ["instance"]}]});
    boto3.refused("describe_tags", &of_instances, &how, (400, "MusterScopeUnavailable"));

    let there = json!({"key": BY_REGION, "region": "eu-west-1"});
    assert_eq!(listed(&there).len(), 8);
    let message = boto3.refused("describe_instances", &none, &as_key(BY_REGION), (400, "MusterScopeUnavailable"));
    assert!(message.contains("Watched there: eu-west-1."), "{message}");

    let message = boto3.call_so("describe_instances", &none, &as_key(ELSEWHERE));
    assert!(message["status"].is_number() && !message.to_string().contains(&endpoint.region), "{message}");
}

#[test]
fn an_account_is_meant_by_path_or_by_key_and_one_whose_role_fails_is_refused_alone() {
    const ONE: &str = "200000000001";
    const TWO: &str = "200000000002";
    const OF_TWO: &str = "AKIAMUSTEREXAMPLE2";
    let simulator =
        Simulator::start(2, &["--accounts", "2", "--account-regions", "eu-west-1", "--account-instances", "8"]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let file = AccountsFile::new(&sandbox, &["eu-west-1"]);
    file.write(&[("one", ONE), ("two", TWO)]);
    let listed = keys(&sandbox, &[(KEY, ""), (OF_TWO, &format!("account = {TWO:?}"))]);
    let flags = ["--config", file.path(), "--ec2-api", "127.0.0.1:0", "--ec2-api-keys", listed.to_str().unwrap()];
    let server = sandbox.serve(&[&RARELY[..], &flags].concat());
    server.swept();
    let boto3 = Ec2Caller::with(&server.ec2_api.clone().unwrap(), "eu-west-1", (KEY, SECRET), None);
    let none = json!({});
    let at = |account: &str| json!({"path": format!("/{account}/")});
    for account in [ONE, TWO] {
        let vpcs = boto3.items("describe_vpcs", &none, &at(account), "Vpcs");
        assert!(!vpcs.is_empty() && vpcs.iter().all(|vpc| vpc["OwnerId"] == account), "{account}: {vpcs:?}");
    }
    let by_key = boto3.items("describe_vpcs", &none, &json!({"key": OF_TWO}), "Vpcs");
    assert!(!by_key.is_empty() && by_key.iter().all(|vpc| vpc["OwnerId"] == TWO), "{by_key:?}");
    let neither = boto3.refused("describe_vpcs", &none, &none, (400, "MusterScopeUnavailable"));
    assert!([ONE, TWO, "path of the endpoint"].iter().all(|it| neither.contains(it)), "{neither}");
    let both = json!({"key": OF_TWO, "path": format!("/{ONE}/")});
    let contradiction = boto3.refused("describe_vpcs", &none, &both, (400, "MusterScopeUnavailable"));
    assert!(contradiction.contains(ONE) && contradiction.contains(TWO), "{contradiction}");
    drop(server);

    simulator.control("PATCH", "/faults", &json!({"roles": {"denied": [TWO]}}));
    let second = Sandbox::new(&simulator.endpoint());
    let server = second.serve(&[&RARELY[..], &["--config", file.path(), "--ec2-api", "127.0.0.1:0"]].concat());
    let boto3 = Ec2Caller::at(&server.ec2_api.clone().unwrap(), "eu-west-1");
    eventually("the first account is answered beside one that fails", || {
        boto3.call_so("describe_vpcs", &none, &at(ONE))["answer"]["Vpcs"].is_array().then_some(())
    });
    let message = eventually("the cause of the other is known", || {
        let told = boto3.call_so("describe_vpcs", &none, &at(TWO));
        told["message"].as_str().filter(|said| said.contains("sts:AssumeRole")).map(str::to_owned)
    });
    let said = boto3.refused("describe_vpcs", &none, &at(TWO), (400, "MusterScopeUnavailable"));
    assert!(said.contains(TWO) && said.contains(&role(TWO)) && said.ends_with('.'), "{said}");
    assert!(message.contains(TWO), "{message}");
    assert!(!boto3.items("describe_vpcs", &none, &at(ONE), "Vpcs").is_empty());
}
