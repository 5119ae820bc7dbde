//! `muster doctor`: all well after `muster setup`; whatever breaks is named with what to do, and setup mends it.

use serde_json::{Value, json};

use crate::harness::account::Account;
use crate::harness::eventually;
use crate::harness::moto::Moto;
use crate::harness::muster::{Endpoint, Sandbox};
use crate::harness::roles::{AccountsFile, role};
use crate::harness::rpc::Client;
use crate::harness::simulator::Simulator;

/// The findings of one run, and how it ended.
struct Seen {
    code: i32,
    findings: Vec<Value>,
    errors: String,
}

impl Seen {
    /// The findings of a check with this verdict.
    fn of(&self, check: &str, verdict: &str) -> Vec<&Value> {
        self.findings.iter().filter(|finding| finding["check"] == check && finding["verdict"] == verdict).collect()
    }

    /// The checks that failed, each once.
    fn failed(&self) -> Vec<&str> {
        let failed = self.findings.iter().filter(|finding| finding["verdict"] == "failed");
        let mut names: Vec<&str> = failed.map(|finding| finding["check"].as_str().unwrap()).collect();
        names.dedup();
        names
    }

    fn told(&self) -> String {
        let line = |finding: &Value| {
            let word = |name: &str| finding[name].as_str().unwrap_or("-").to_owned();
            format!("{} {} {}: {} -> {}\n", word("verdict"), word("check"), word("subject"), word("fact"), word("fix"))
        };
        format!("exit {}\n{}{}", self.code, self.findings.iter().map(line).collect::<String>(), self.errors)
    }
}

fn sandbox(endpoint: &Endpoint) -> Sandbox {
    let mut sandbox = Sandbox::new(endpoint);
    let data = sandbox.data().to_str().unwrap().to_owned();
    sandbox.set("MUSTER_DATA_DIR", &data);
    sandbox
}

fn doctor(sandbox: &Sandbox, flags: &[&str]) -> Seen {
    let output = sandbox.muster(&[&["doctor", "--json"], flags].concat()).output().unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    let said: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {errors}"));
    let findings = said["findings"].as_array().unwrap().clone();
    Seen { code: output.status.code().unwrap(), findings, errors }
}

fn setup(sandbox: &Sandbox, words: &[&str]) {
    let output = sandbox.muster(words).output().unwrap();
    assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// All is well, with a canary through each rule.
fn well(sandbox: &Sandbox) -> Seen {
    let seen = doctor(sandbox, &["--events"]);
    assert!(seen.code == 0 && seen.failed().is_empty(), "{}", seen.told());
    assert_eq!(seen.of("canary", "ok").len(), 6, "{}", seen.told());
    seen
}

/// A check fails and says what to do.
fn names(seen: &Seen, check: &str, subject: &str, fix: &str) {
    let found = seen.of(check, "failed");
    let ours = found.iter().find(|finding| finding["subject"].as_str().unwrap().contains(subject));
    let ours = ours.unwrap_or_else(|| panic!("{check} of {subject} is well?\n{}", seen.told()));
    assert!(ours["fix"].as_str().unwrap().contains(fix), "{}", seen.told());
    assert_eq!(seen.code, 1, "{}", seen.told());
}

/// Breaks everything that setup makes, one after the other.
fn broken_and_mended(sandbox: &Sandbox, account: &Account) {
    let url = |name: &str| account.call("sqs.get_queue_url", &json!({"QueueName": name}))["QueueUrl"].clone();
    let mended = |what: &str| {
        setup(sandbox, &["setup"]);
        let seen = doctor(sandbox, &["--events"]);
        assert!(seen.failed().is_empty(), "{what} is not mended:\n{}", seen.told());
    };

    account.call("events.disable_rule", &json!({"Name": "muster-tags"}));
    let seen = doctor(sandbox, &["--events"]);
    names(&seen, "rule", "muster-tags", "muster setup");
    assert_eq!((seen.failed(), seen.of("canary", "ok").len()), (vec!["rule"], 5), "{}", seen.told());
    mended("the rule that was off");

    let pattern = json!({"source": ["aws.ec2"]}).to_string();
    account.call("events.put_rule", &json!({"Name": "muster-volumes", "EventPattern": pattern}));
    let seen = doctor(sandbox, &["--events"]);
    names(&seen, "rule", "muster-volumes", "muster setup");
    assert!(seen.of("rule", "failed")[0]["fact"].as_str().unwrap().contains("detail-type"), "{}", seen.told());
    mended("the pattern");

    account.call("events.remove_targets", &json!({"Rule": "muster-calls", "Ids": ["muster"]}));
    names(&doctor(sandbox, &["--events"]), "target", "muster-calls", "muster setup");
    mended("the target");

    account.call("sqs.set_queue_attributes", &json!({"QueueUrl": url("muster-events"), "Attributes": {"Policy": ""}}));
    let seen = doctor(sandbox, &["--events"]);
    names(&seen, "queue-policy", "muster-events", "muster setup");
    assert_eq!(seen.of("canary", "skipped").len(), 6, "{}", seen.told());
    // What EventBridge could not deliver meanwhile is in the dead-letter queue.
    let dead = url("muster-events-dead");
    setup(sandbox, &["setup"]);
    loop {
        let taken = account.call("sqs.receive_message", &json!({"QueueUrl": dead, "MaxNumberOfMessages": 10}));
        let Some(messages) = taken["Messages"].as_array().filter(|messages| !messages.is_empty()) else { break };
        for message in messages {
            let receipt = &message["ReceiptHandle"];
            account.call("sqs.delete_message", &json!({"QueueUrl": dead, "ReceiptHandle": receipt}));
        }
    }
    mended("the policy");

    account.call("sqs.send_message", &json!({"QueueUrl": dead, "MessageBody": "unreadable"}));
    names(&doctor(sandbox, &["--events"]), "dead-letters", "muster-events-dead", "purge-queue");
    let taken = account.call("sqs.receive_message", &json!({"QueueUrl": dead}));
    let receipt = &taken["Messages"][0]["ReceiptHandle"];
    account.call("sqs.delete_message", &json!({"QueueUrl": dead, "ReceiptHandle": receipt}));
    well(sandbox);

    // Somebody else's message is handed back, and told.
    let queue = url("muster-events");
    account.call("sqs.send_message", &json!({"QueueUrl": queue, "MessageBody": "{\"source\":\"aws.ec2\"}"}));
    well(sandbox);
    let kept = account.call("sqs.receive_message", &json!({"QueueUrl": queue, "WaitTimeSeconds": 1}));
    assert_eq!(kept["Messages"][0]["Body"], "{\"source\":\"aws.ec2\"}", "{kept}");
    let receipt = &kept["Messages"][0]["ReceiptHandle"];
    account.call("sqs.delete_message", &json!({"QueueUrl": queue, "ReceiptHandle": receipt}));
}

#[test]
fn what_breaks_is_named_with_what_to_do_and_setup_mends_it() {
    let simulator = Simulator::start(10, &[]);
    let sandbox = sandbox(&simulator.endpoint());
    let account = Account::at(&simulator.endpoint());

    // Nothing is set up, and nothing was recorded: that is no failure of what is asked about.
    let seen = doctor(&sandbox, &[]);
    assert!(seen.code == 0 && seen.failed().is_empty(), "{}", seen.told());
    assert_eq!((seen.of("canary", "skipped").len(), seen.of("store", "skipped").len()), (1, 1), "{}", seen.told());
    assert!(!sandbox.data().exists(), "a look made a data directory");
    let seen = doctor(&sandbox, &["--events"]);
    names(&seen, "queue", "muster-events", "muster setup");
    names(&seen, "rule", "muster-instances", "muster setup");

    setup(&sandbox, &["setup"]);
    let seen = well(&sandbox);
    assert_eq!(seen.of("permission", "ok").len(), seen.findings.iter().filter(|f| f["check"] == "permission").count());
    let writes = doctor(&sandbox, &["--allow-writes"]);
    assert_eq!(
        writes.of("permission", "ok").iter().filter(|finding| finding["fact"].as_str().unwrap().contains("i-")).count(),
        4
    );

    broken_and_mended(&sandbox, &account);

    for (action, check) in [
        ("DescribeVpcs", "ec2:DescribeVpcs"),
        ("PutEvents", "events:PutEvents"),
        ("ListTargetsByRule", "events:ListTargetsByRule"),
        ("DeleteMessageBatch", "sqs:DeleteMessage"),
        ("ChangeMessageVisibilityBatch", "sqs:ChangeMessageVisibility"),
    ] {
        simulator.control("PATCH", "/faults", &json!({"denied": [action]}));
        names(&doctor(&sandbox, &["--events"]), "permission", check, &format!("Allow {check}"));
    }
    simulator.control("PATCH", "/faults", &json!({"denied": null, "clock": {"skew": "-40s"}}));
    let seen = doctor(&sandbox, &[]);
    assert!(seen.code == 0 && seen.of("clock", "warning").len() == 1, "{}", seen.told());
    simulator.control("PATCH", "/faults", &json!({"clock": null}));

    let url = account.call("sqs.get_queue_url", &json!({"QueueName": "muster-events"}))["QueueUrl"].clone();
    account.call("sqs.delete_queue", &json!({"QueueUrl": url}));
    names(&doctor(&sandbox, &["--events"]), "queue", "muster-events", "muster setup");

    setup(&sandbox, &["teardown"]);
    let rules = account.call("events.list_rules", &json!({}));
    assert_eq!(rules["Rules"], json!([]), "teardown leaves rules");
}

#[test]
fn a_running_server_tells_of_the_canaries() {
    let simulator = Simulator::start(10, &[]);
    let sandbox = sandbox(&simulator.endpoint());
    setup(&sandbox, &["setup"]);
    let server = sandbox.serve(&["--events", "--canary-interval", "2s", "--aws-share", "1"]);
    server.swept();
    let seen = eventually("the server listens", || {
        let seen = doctor(&sandbox, &["--events"]);
        (seen.of("listener", "ok").len() == 1).then_some(seen)
    });
    assert!(seen.code == 0 && seen.of("canary", "ok").len() == 6, "{}", seen.told());
    let by_server = |finding: &&Value| finding["fact"].as_str().unwrap().contains("the server received it");
    assert!(seen.of("canary", "ok").iter().all(by_server), "{}", seen.told());
    assert!(!seen.of("store", "ok").is_empty() && !seen.of("freshness", "ok").is_empty(), "{}", seen.told());

    Account::at(&simulator.endpoint()).call("events.disable_rule", &json!({"Name": "muster-instances"}));
    names(&doctor(&sandbox, &["--events"]), "rule", "muster-instances", "muster setup");
    setup(&sandbox, &["setup"]);
    well(&sandbox);
}

#[test]
fn a_region_that_hangs_and_missing_credentials_fail_alone() {
    let simulator = Simulator::start(10, &[]);
    let mut sandbox = sandbox(&simulator.endpoint());
    simulator.control("PATCH", "/faults", &json!({"dead_regions": {"regions": ["eu-west-1"], "hang": true}}));
    let seen = doctor(&sandbox, &["--regions", &format!("{},eu-west-1", simulator.endpoint().region)]);
    let hung = seen.of("endpoint", "failed");
    assert!(hung.len() == 2 && hung.iter().all(|finding| finding["region"] == "eu-west-1"), "{}", seen.told());
    assert_eq!((seen.of("endpoint", "ok").len(), seen.failed()), (2, vec!["endpoint"]), "{}", seen.told());

    sandbox.unset("AWS_ACCESS_KEY_ID");
    sandbox.unset("AWS_SECRET_ACCESS_KEY");
    let seen = doctor(&sandbox, &["--events"]);
    assert_eq!((seen.failed(), seen.code), (vec!["identity"], 1), "{}", seen.told());
    assert!(!seen.of("data-directory", "ok").is_empty() && !seen.of("permission", "skipped").is_empty());

    // For people: a line a finding, and what to do below.
    let table = sandbox.muster(&["doctor"]).output().unwrap();
    let text = String::from_utf8(table.stdout).unwrap();
    assert!(table.status.code() == Some(1) && text.starts_with("REGION") && text.contains("\n  -> "), "{text}");
    assert_eq!(sandbox.muster(&["doctor", "--nonsense"]).output().unwrap().status.code(), Some(2));
}

#[test]
fn on_moto_too_what_breaks_is_named_and_mended() {
    let moto = Moto::start();
    moto.launch(1);
    let sandbox = sandbox(&moto.endpoint());
    setup(&sandbox, &["setup"]);
    well(&sandbox);
    broken_and_mended(&sandbox, &moto);
    setup(&sandbox, &["teardown"]);
}

#[test]
fn doctor_has_the_server_try_at_once_what_was_denied_and_until_then_it_says_when_it_tries_itself() {
    let simulator = Simulator::start(10, &["--denied", "DescribeVpcs", "--denied", "DescribeVolumes"]);
    let sandbox = sandbox(&simulator.endpoint());
    let server = sandbox.serve(&["--aws-share", "1"]);
    let mut client = Client::http(&server.http);
    let failing = |client: &mut Client| -> Vec<Value> {
        let freshness = client.read("ec2://inventory/freshness");
        let scopes = freshness["scopes"].as_array().cloned().unwrap_or_default();
        scopes.into_iter().filter(|scope| scope["failure"].is_object()).collect()
    };
    let denied = eventually("both denials show", || Some(failing(&mut client)).filter(|denied| denied.len() == 2));
    for scope in &denied {
        let (since, retry) =
            (scope["failure"]["since"].as_str().unwrap(), scope["failure"]["retry_at"].as_str().unwrap());
        assert!(retry > since, "{scope}");
        let said = scope["stale"]["why"].as_str().unwrap();
        assert!(said.contains("UnauthorizedOperation") && said.contains(&format!("Next try at {retry}")), "{said}");
    }
    let searched = client.call("search_inventory", &json!({"kind": "vpc"})).unwrap();
    assert!(searched.is_error && searched.text.contains("Next try at"), "{}", searched.text);

    simulator.control("PATCH", "/faults", &json!({"denied": null}));
    doctor(&sandbox, &[]);
    eventually("what was denied is swept", || failing(&mut client).is_empty().then_some(()));
    let retry = denied[0]["failure"]["retry_at"].as_str().unwrap();
    let swept = client.read("ec2://inventory/freshness")["now"].as_str().unwrap().to_owned();
    assert!(swept.as_str() < retry, "not before its own time, {retry}, but at {swept}");
}

const ACCOUNTS: [(&str, &str); 3] = [("one", "200000000001"), ("two", "200000000002"), ("three", "200000000003")];
const REGIONS: [&str; 2] = ["us-east-1", "eu-west-1"];

/// A simulator with three more accounts.
fn three_accounts() -> Simulator {
    Simulator::start(5, &["--accounts", "3", "--account-regions", "us-east-1,eu-west-1", "--account-instances", "10"])
}

/// The only finding of a check with this verdict.
fn only<'a>(seen: &'a Seen, check: &str, verdict: &str) -> &'a Value {
    let [one] = seen.of(check, verdict)[..] else { panic!("not one finding of {check}:\n{}", seen.told()) };
    one
}

/// A profile for each account, which assumes its role with the keys of the environment.
fn profiles(sandbox: &mut Sandbox) {
    let entry = |(name, account): (&str, &str)| {
        format!("[profile {name}]\nrole_arn = {}\ncredential_source = Environment\nregion = us-east-1\n", role(account))
    };
    let path = sandbox.path().join("profiles");
    std::fs::write(&path, ACCOUNTS.map(entry).concat()).unwrap();
    sandbox.set("AWS_CONFIG_FILE", path.to_str().unwrap());
}

#[test]
fn what_many_accounts_have_in_common_is_one_finding_that_counts_them() {
    let simulator = three_accounts();
    let mut sandbox = sandbox(&simulator.endpoint());
    let file = AccountsFile::new(&sandbox, &REGIONS);
    file.write(&ACCOUNTS);
    let path = file.path().to_owned();
    let seen = doctor(&sandbox, &["--config", &path]);
    assert!(seen.code == 0 && seen.failed().is_empty(), "{}", seen.told());
    assert_eq!(only(&seen, "identity", "ok")["fact"], "3 accounts: nothing is wrong");
    assert_eq!(only(&seen, "permission", "ok")["fact"], "6 regions of 3 accounts: nothing is wrong");

    simulator.control("PATCH", "/faults", &json!({"roles": {"denied": [ACCOUNTS[1].1, ACCOUNTS[2].1]}}));
    let seen = doctor(&sandbox, &["--config", &path]);
    let refused = only(&seen, "identity", "failed");
    let fact = refused["fact"].as_str().unwrap();
    assert!(fact.starts_with("2 accounts, such as 200000000002 (two): "), "{}", seen.told());
    assert!(fact.contains("AccessDenied"), "{}", seen.told());
    assert!(refused["fix"].as_str().unwrap().contains("trust policy"), "{}", seen.told());
    assert_eq!(only(&seen, "permission", "ok")["fact"], "2 regions of account 200000000001 (one): nothing is wrong");
    simulator.control("PATCH", "/faults", &json!({"roles": null, "denied": ["DescribeVpcs", "DescribeSubnets"]}));
    let seen = doctor(&sandbox, &["--config", &path]);
    let denied = only(&seen, "permission", "failed");
    assert!(denied["subject"].as_str().unwrap().contains("ec2:DescribeSubnets"), "{}", seen.told());
    let fact = denied["fact"].as_str().unwrap();
    assert!(fact.starts_with("3 regions of 3 accounts, such as 200000000001 (one) in "), "{}", seen.told());
    simulator.control("PATCH", "/faults", &json!({"denied": null}));

    let seen = doctor(&sandbox, &["--config", &path, "--events"]);
    let absent = only(&seen, "rule", "failed");
    let expected = "6 regions of 3 accounts, such as 200000000001 (one) in us-east-1: it does not exist";
    assert_eq!(absent["fact"], expected, "{}", seen.told());
    assert!(absent["fix"].as_str().unwrap().contains("muster help organization"), "{}", seen.told());
    profiles(&mut sandbox);
    for (name, _) in ACCOUNTS {
        setup(&sandbox, &["setup", "--profile", name, "--regions", "us-east-1,eu-west-1"]);
    }
    let seen = doctor(&sandbox, &["--config", &path, "--events"]);
    assert!(seen.code == 0 && seen.failed().is_empty(), "{}", seen.told());
    for check in ["rule", "target", "queue", "queue-policy"] {
        assert_eq!(only(&seen, check, "ok")["fact"], "6 regions of 3 accounts: nothing is wrong", "{check}");
    }
    let endpoint = Endpoint { region: REGIONS[1].to_owned(), ..simulator.endpoint() };
    let two = Account::by_role(&endpoint, &role(ACCOUNTS[1].1));
    two.call("events.disable_rule", &json!({"Name": "muster-tags"}));
    let seen = doctor(&sandbox, &["--config", &path, "--events"]);
    let off = only(&seen, "rule", "failed");
    assert_eq!(off["subject"], "muster-tags", "{}", seen.told());
    assert_eq!(off["fact"], "account 200000000002 (two) in eu-west-1: it is disabled, so it sends no events");
}

#[test]
fn rules_of_an_account_have_to_reach_the_central_queue_by_a_role() {
    // The simulator refuses targets in other accounts.
    let moto = Moto::alone();
    let mut sandbox = sandbox(&moto.endpoint());
    let file = AccountsFile::new(&sandbox, &REGIONS[..1]);
    file.write(&ACCOUNTS[..1]);
    let path = file.path().to_owned();
    profiles(&mut sandbox);
    setup(&sandbox, &["setup", "--profile", "one", "--name", "team"]);
    let center = Account::at(&moto.endpoint());
    let made = center.call("sqs.create_queue", &json!({"QueueName": "team-central-events"}));
    let url = made["QueueUrl"].as_str().unwrap().to_owned();
    let given = format!("us-east-1={url}");
    let flags = ["--config", &path, "--queue-url", &given];
    let seen = doctor(&sandbox, &flags);
    assert_eq!(only(&seen, "rule", "ok")["fact"], "account 200000000001 (one) in us-east-1: nothing is wrong");
    let fact = only(&seen, "target", "failed")["fact"].as_str().unwrap();
    assert!(fact.ends_with("none of its targets is a queue of --queue-url or a central bus"), "{}", seen.told());
    assert!(only(&seen, "queue-policy", "failed")["fact"].as_str().unwrap().contains("it has no policy"));

    let arn = format!("arn:aws:sqs:us-east-1:{}:team-central-events", url.rsplit('/').nth(1).unwrap());
    let one = Account::by_role(&moto.endpoint(), &role(ACCOUNTS[0].1));
    for rule in ["instances", "volumes", "tags", "calls", "health", "alarms"] {
        let by = "arn:aws:iam::200000000001:role/team-events-us-east-1";
        let targets = json!([{"Id": "muster", "Arn": arn, "RoleArn": by}]);
        one.call("events.put_targets", &json!({"Rule": format!("team-{rule}"), "Targets": targets}));
    }
    let policy = json!({"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sqs:SendMessage", "Resource": arn,
        "Condition": {"StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}},
    }]});
    center.call("sqs.set_queue_attributes", &json!({"QueueUrl": url, "Attributes": {"Policy": policy.to_string()}}));
    let seen = doctor(&sandbox, &flags);
    assert!(seen.code == 0 && seen.of("target", "ok").len() == 1, "{}", seen.told());
    assert_eq!(seen.of("queue-policy", "ok").len(), 1, "{}", seen.told());
}
