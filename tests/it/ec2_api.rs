//! EC2's own read API, answered from the copy: boto3 sees what it sees of AWS, field by field, types too.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;

use muster::kinds::{KINDS, KindSpec};
use muster::model::Form;
use serde_json::{Map, Value, json};

use crate::fields::{Describe, boto3};
use crate::filters::{forms, scalars};
use crate::harness::account::Account;
use crate::harness::muster::{Endpoint, OFTEN, RARELY, Sandbox, Serve};
use crate::harness::process::Running;
use crate::harness::python::Environment;
use crate::harness::roles::AccountsFile;
use crate::harness::rpc::Client;
use crate::harness::simulator::Simulator;

const PATIENCE: Duration = Duration::from_mins(2);

/// A simulated account, and a server that has swept it and answers EC2's API.
struct Copied {
    simulator: Simulator,
    _sandbox: Sandbox,
    server: Serve,
    boto3: Running,
}

impl Copied {
    fn of(simulator: Simulator, flags: &[&str]) -> Copied {
        let endpoint = simulator.endpoint();
        let sandbox = Sandbox::new(&endpoint);
        let server = sandbox.serve(&[flags, &["--ec2-api", "127.0.0.1:0"]].concat());
        server.swept();
        let muster = server.ec2_api.clone().unwrap();
        let boto3 = script(&json!({"aws": endpoint.url, "muster": muster, "region": endpoint.region}));
        Copied { simulator, _sandbox: sandbox, server, boto3 }
    }

    fn ask(&mut self, what: &str, how: &Value) -> Value {
        assert!(self.boto3.say(&json!({what: how}).to_string()), "boto3 has ended{}", self.boto3.tail());
        self.line(how)
    }

    fn line(&mut self, how: &Value) -> Value {
        told(&mut self.boto3, how)
    }

    /// Compares both answers, and says how many items there are.
    fn same(&mut self, operation: &str, member: &str, arguments: &Value, page: Option<usize>) -> usize {
        let how = json!({"operation": operation, "member": member, "arguments": arguments, "page": page});
        let told = self.ask("compare", &how);
        assert_eq!(told["same"], json!(true), "{how}: {told}");
        assert_eq!(told["split"], json!(false), "{how}: a reservation comes in parts");
        usize::try_from(told["ours"].as_u64().unwrap()).unwrap()
    }

    fn calls(&self) -> Value {
        self.simulator.control("GET", "/calls", &Value::Null)
    }
}

/// boto3 at both endpoints.
pub(crate) fn script(settings: &Value) -> Running {
    let mut script = Environment::Moto.script("ec2_api.py");
    script.arg(settings.to_string());
    Running::start("boto3 at EC2's API", script)
}

/// The next line of the script.
pub(crate) fn told(boto3: &mut Running, how: &Value) -> Value {
    let line = boto3.line(PATIENCE);
    serde_json::from_str(&line).unwrap_or_else(|_| panic!("{how}: {line}{}", boto3.tail()))
}

fn with(arguments: &Value, more: &[(&str, Value)]) -> Value {
    let mut all: Map<String, Value> = arguments.as_object().unwrap().clone();
    all.extend(more.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    Value::Object(all)
}

/// The parameter that names resources of a kind by id.
fn ids_of(kind: &KindSpec) -> String {
    match kind.slug {
        "security-group" => "GroupIds".to_owned(),
        _ => format!("{}s", kind.id_field),
    }
}

#[test]
fn boto3_reads_of_every_kind_what_it_reads_of_aws() {
    let mut copied = Copied::of(Simulator::start(60, &[]), &RARELY);
    let resources = boto3(&Account::at(&copied.simulator.endpoint()));
    let mut asked = 0;
    for kind in KINDS {
        let Describe { operation, member, filters, arguments } = Describe::of(kind);
        let held = &resources[kind.slug];
        let all = copied.same(&operation, &member, &arguments, None);
        assert!(all > 0, "{} has nothing to compare", kind.slug);
        let is_paged = kind.slug != "address";
        if is_paged {
            copied.same(&operation, &member, &arguments, Some(5));
            copied.same(&operation, &member, &arguments, Some(7));
        }
        if kind.slug == "instance-status" {
            copied.same(&operation, &member, &json!({}), None);
        }
        let ids: Vec<&String> = held.iter().map(|(id, _)| id).take(3).collect();
        copied.same(&operation, &member, &json!({ids_of(kind): ids}), None);
        asked += 3;
        for (name, form, paths) in filters_of(kind) {
            let mut values = Vec::new();
            for path in &paths {
                for (_, document) in held {
                    scalars(document, path, &mut values);
                }
            }
            for (_, values) in forms(form, &values).into_iter().filter(|(name, _)| compared(form, name)) {
                let filter = json!([{"Name": name, "Values": values}]);
                let filtered = with(&arguments, &[(filters, filter)]);
                let how = json!({"operation": operation, "arguments": filtered});
                let told = copied.ask("fail", &how);
                if told["theirs"]["code"] == "InvalidParameterValue" {
                    // A filter that the simulator lacks.
                    break;
                }
                copied.same(&operation, &member, &filtered, None);
                asked += 1;
            }
        }
    }
    assert!(asked > 300, "only {asked} questions are compared");
    eprintln!("{asked} questions are answered as the simulator answers them");
}

/// The forms of values that both take alike: `filters.rs` judges the others.
fn compared(of: Form, form: &str) -> bool {
    let is_same = ["exact", "several", "begins with", "one character", "no such value"].contains(&form);
    // Wildcards match times as documents have them as well.
    is_same && (of != Form::Time || form != "one character")
}

/// Filters by which the simulator answers otherwise than AWS documents: see `filters/differences.toml`.
const DIFFER: [(&str, &str); 2] = [("instance", "network-interface.owner-id"), ("volume", "fast-restored")];

/// The filters of a kind that AWS has, with where their values stand.
fn filters_of(kind: &KindSpec) -> Vec<(&'static str, Form, Vec<&'static str>)> {
    let of_rows = kind.filters.iter().map(|filter| (filter.name, filter.form, filter.paths.to_vec()));
    let of_documents = kind.in_documents.iter().map(|filter| (filter.name, filter.form, vec![filter.path]));
    let own = crate::filters::undocumented(kind);
    let differs = |name: &&str| DIFFER.contains(&(kind.slug, name));
    of_rows.chain(of_documents).filter(|(name, ..)| !own.contains(name) && !differs(name)).collect()
}

#[test]
fn filters_that_aws_does_not_document_any_more_find_what_aws_finds_by_them() {
    let mut copied = Copied::of(Simulator::start(20, &[]), &RARELY);
    let resources = boto3(&Account::at(&copied.simulator.endpoint()));
    for (slug, name, path) in [
        ("address", "domain", "Domain"),
        ("network-interface", "group-name", "Groups.GroupName"),
        ("network-interface", "addresses.private-dns-name", "PrivateIpAddresses.PrivateDnsName"),
        ("vpc", "cidr-block", "CidrBlock"),
        ("vpc", "cidrBlock", "CidrBlock"),
        ("vpc", "isDefault", "IsDefault"),
    ] {
        let kind = KINDS.iter().find(|kind| kind.slug == slug).unwrap();
        let Describe { operation, member, filters, .. } = Describe::of(kind);
        let mut values = Vec::new();
        for (_, document) in &resources[slug] {
            scalars(document, path, &mut values);
        }
        let value = values.first().unwrap();
        let found = copied.same(&operation, &member, &json!({filters: [{"Name": name, "Values": [value]}]}), None);
        assert!(found > 0, "{slug} {name} {value}");
        let none = json!({filters: [{"Name": name, "Values": ["no-such-value"]}]});
        assert_eq!(copied.same(&operation, &member, &none, None), 0, "{slug} {name}");
    }
}

#[test]
fn tags_are_those_that_resources_have() {
    let mut copied = Copied::of(Simulator::start(40, &[]), &RARELY);
    let by_key = json!([{"Name": "key", "Values": ["Name", "team"]}]);
    for (filters, page) in [(json!([]), 1000), (json!([]), 5), (by_key, 7)] {
        let how = json!({"filters": filters, "page": page});
        let told = copied.ask("tags", &how);
        assert_eq!(told["same"], json!(true), "{how}: {told}");
        assert!(told["ours"].as_u64().unwrap() > 40, "{how}: {told}");
    }
}

#[test]
fn errors_have_the_codes_and_statuses_of_aws_and_are_told_once() {
    let mut copied = Copied::of(Simulator::start(5, &[]), &RARELY);
    let unknown = "0123456789abcdef0";
    let mut asked: Vec<(String, Value)> = Vec::new();
    for kind in KINDS.iter().filter(|kind| !kind.own_only) {
        let Describe { operation, filters, .. } = Describe::of(kind);
        let prefix = kind.prefix.unwrap_or("i-");
        let ids = ids_of(kind);
        asked.push((operation.clone(), json!({&ids: [format!("{prefix}{unknown}")]})));
        asked.push((
            operation.clone(),
            json!({&ids: [format!("{prefix}{unknown}"), format!("{prefix}{}1", &unknown[..16])]}),
        ));
        asked.push((operation.clone(), json!({&ids: ["nonsense"]})));
        asked.push((operation.clone(), json!({filters: [{"Name": "no-such-filter", "Values": ["x"]}]})));
        asked.push((operation.clone(), json!({"DryRun": true})));
        if kind.slug != "address" {
            asked.push((operation.clone(), json!({"MaxResults": 1001})));
            asked.push((operation.clone(), json!({"MaxResults": 10, "NextToken": "nonsense"})));
            asked.push((operation.clone(), json!({"MaxResults": 10, &ids: [format!("{prefix}{unknown}")]})));
        }
    }
    let values: Vec<String> = (0..201).map(|n| n.to_string()).collect();
    asked.push(("describe_volumes".to_owned(), json!({"Filters": [{"Name": "size", "Values": values}]})));
    for (operation, arguments) in asked {
        let told = copied.ask("fail", &json!({"operation": operation, "arguments": arguments}));
        let [theirs, ours] = ["theirs", "ours"].map(|whose| &told[whose]);
        assert_eq!(
            (&theirs["code"], &theirs["status"]),
            (&ours["code"], &ours["status"]),
            "{operation} {arguments}: {told}"
        );
        assert_eq!(ours["attempts"], json!(1), "{operation} {arguments}: {told}");
    }
    let tagged = |name: &str, value: String| json!({"Filters": [{"Name": name, "Values": [value]}]});
    let refused = [
        ("terminate_instances", json!({"InstanceIds": [format!("i-{unknown}")]}), 403, "UnauthorizedOperation"),
        ("describe_key_pairs", json!({}), 400, "InvalidAction"),
        ("describe_tags", json!({}), 400, "UnsupportedOperation"),
        ("describe_tags", tagged("resource-type", "image".to_owned()), 400, "UnsupportedOperation"),
        ("describe_tags", tagged("resource-id", format!("ami-{unknown}")), 400, "UnsupportedOperation"),
        ("describe_snapshots", json!({}), 400, "UnsupportedOperation"),
        ("describe_images", json!({"Owners": ["amazon"]}), 400, "UnsupportedOperation"),
        ("describe_images", json!({"ImageIds": [format!("ami-{unknown}")]}), 400, "UnsupportedOperation"),
        ("describe_images", json!({"ExecutableUsers": ["self"]}), 400, "UnsupportedOperation"),
        ("describe_security_groups", json!({"GroupNames": ["no-such-group"]}), 400, "InvalidGroup.NotFound"),
        (
            "describe_instances",
            json!({"Filters": [{"Name": "network-interface.ipv6-native", "Values": ["true"]}]}),
            400,
            "InvalidParameterValue",
        ),
    ];
    for (operation, arguments, status, code) in refused {
        for mode in ["legacy", "standard", "adaptive"] {
            let how = json!({"operation": operation, "arguments": arguments, "mode": mode});
            let ours = copied.ask("fail", &how)["ours"].take();
            assert_eq!((&ours["status"], &ours["code"]), (&json!(status), &json!(code)), "{how}: {ours}");
            assert_eq!(ours["attempts"], json!(1), "{how}: {ours}");
        }
    }
}

#[test]
fn fifty_clients_at_once_cost_no_call_to_aws() {
    let mut copied = Copied::of(Simulator::start(100, &[]), &RARELY);
    let before = copied.calls();
    let how = json!({"clients": 50, "operation": "describe_instances", "member": "Reservations", "arguments": {}});
    let told = copied.ask("crowd", &how);
    let counts: BTreeSet<u64> =
        serde_json::from_value::<Vec<u64>>(told["counts"].clone()).unwrap().into_iter().collect();
    assert_eq!(counts, BTreeSet::from([100]));
    assert_eq!(copied.calls(), before);
    let headers = copied.ask("head", &json!({"operation": "describe_vpcs", "arguments": {}}));
    assert!(headers["x-muster-as-of"].is_string() && headers["x-muster-seq"].is_string(), "{headers}");
    assert!(headers["x-muster-stale"].is_null(), "{headers}");
    assert!(copied.server.terminate().0.success());
}

#[test]
fn a_walk_is_of_one_moment_while_everything_changes() {
    let mut copied = Copied::of(Simulator::start(200, &["--churn", "40"]), &OFTEN);
    let mut client = Client::http(&copied.server.http);
    let how = json!({"operation": "describe_instances", "member": "Reservations", "arguments": {}, "page": 20});
    assert!(copied.boto3.say(&json!({"walk": how}).to_string()));
    let (mut seen, mut seqs, mut reservations) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
    loop {
        let page = copied.line(&how);
        seqs.insert(page["headers"]["x-muster-seq"].as_str().unwrap().to_owned());
        assert!(page["headers"]["x-muster-walk"].is_null(), "{}", page["headers"]);
        for reservation in page["items"].as_array().unwrap() {
            assert!(reservations.insert(reservation["ReservationId"].to_string()), "a reservation comes twice");
            for instance in reservation["Instances"].as_array().unwrap() {
                let text = |value: &Value| value.as_str().unwrap().strip_prefix("str ").unwrap().to_owned();
                let id = text(&instance["InstanceId"]);
                assert!(seen.insert(id, text(&instance["State"]["Name"])).is_none(), "an instance comes twice");
            }
        }
        if page["more"] != json!(true) {
            break;
        }
        std::thread::sleep(Duration::from_millis(300));
        assert!(copied.boto3.say(&json!({"more": true}).to_string()));
    }
    assert_eq!(seqs.len(), 1, "{seqs:?}");
    let moment = format!("seq:{}", seqs.first().unwrap());
    let (mut then, mut cursor) = (BTreeMap::new(), Value::Null);
    loop {
        let asked = json!({"kind": "instance", "as_of": moment, "fields": ["instance-state-name"], "limit": 500, "cursor": cursor});
        let answer = client.call("search_inventory", &asked).unwrap();
        assert!(!answer.is_error, "{}", answer.text);
        for row in answer.structured["rows"].as_array().unwrap() {
            let state = row["state"].as_str().or(row["instance-state-name"].as_str()).unwrap();
            then.insert(row["id"].as_str().unwrap().to_owned(), state.to_owned());
        }
        cursor = answer.structured["next_cursor"].clone();
        if cursor.is_null() {
            break;
        }
    }
    assert_eq!(seen, then);
    let now = client.call("search_inventory", &json!({"kind": "instance", "limit": 1})).unwrap();
    let behind = now.structured["seq"].as_u64().unwrap() - seqs.first().unwrap().parse::<u64>().unwrap();
    assert!(behind > 20, "only {behind} changes came meanwhile");
}

#[test]
fn with_a_file_of_keys_only_what_is_signed_with_one_of_them_is_answered() {
    let simulator = Simulator::start(3, &[]);
    let endpoint = simulator.endpoint();
    let sandbox = Sandbox::new(&endpoint);
    let (id, secret) = ("AKIAMUSTEREXAMPLE1", "made-up-for-this-very-test");
    let file = sandbox.path().join("keys.toml");
    fs::write(&file, format!("[[keys]]\nid = {id:?}\nsecret = {secret:?}\n")).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    let flags = ["--ec2-api", "127.0.0.1:0", "--ec2-api-keys", file.to_str().unwrap()];
    let server = sandbox.serve(&[&RARELY[..], &flags].concat());
    server.swept();
    let muster = server.ec2_api.clone().unwrap();
    let how = json!({"operation": "describe_vpcs", "arguments": {}});
    let ask = |settings: Value, what: &str| {
        let base = json!({"aws": endpoint.url, "muster": muster, "region": endpoint.region});
        let keys: Vec<(&str, Value)> =
            settings.as_object().unwrap().iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
        let mut boto3 = script(&with(&base, &keys));
        assert!(boto3.say(&json!({what: how}).to_string()));
        told(&mut boto3, &how)
    };
    let headers = ask(json!({"key": id, "secret": secret}), "head");
    assert!(headers["x-muster-seq"].is_string(), "{headers}");
    for (settings, said) in [
        (json!({"key": id, "secret": "another-secret-of-that-length"}), "not one of a key that this server knows"),
        (json!({"key": "AKIAMUSTEREXAMPLE2", "secret": secret}), "not one of a key that this server knows"),
        (json!({"key": id, "secret": secret, "token": "of-a-session"}), "temporary key"),
    ] {
        let ours = ask(settings, "fail")["ours"].take();
        assert_eq!(
            (&ours["status"], &ours["code"], &ours["attempts"]),
            (&json!(401), &json!("AuthFailure"), &json!(1)),
            "{ours}"
        );
        assert!(ours["message"].as_str().unwrap().contains(said), "{ours}");
    }
    // Refused from the head: the body never comes.
    let unsigned = "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 1000\r\n\r\n";
    let answer = raw(muster.strip_prefix("http://").unwrap(), unsigned.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 403 ") && answer.contains("MissingAuthenticationToken"), "{answer}");
    // A key that was taken out of the file is refused once the server has read it again.
    let other = "AKIAMUSTEREXAMPLE3";
    fs::write(&file, format!("[[keys]]\nid = {other:?}\nsecret = {secret:?}\n")).unwrap();
    let data = sandbox.data();
    let reload = sandbox.muster(&["reload", "--data-dir", data.to_str().unwrap()]).output().unwrap();
    let said = String::from_utf8(reload.stdout).unwrap();
    assert!(said.contains("keys of EC2's read API: 1"), "{said}");
    let headers = ask(json!({"key": other, "secret": secret}), "head");
    assert!(headers["x-muster-seq"].is_string(), "{headers}");
    let ours = ask(json!({"key": id, "secret": secret}), "fail")["ours"].take();
    assert_eq!((&ours["status"], &ours["code"]), (&json!(401), &json!("AuthFailure")), "{ours}");
    let refused = sandbox.muster(&["serve", "--ec2-api", "0.0.0.0:0", "--ec2-api-keys", file.to_str().unwrap()]);
    let said = String::from_utf8({ refused }.output().unwrap().stderr).unwrap();
    assert!(said.contains("--tls-cert") && said.contains("--ec2-api-keys"), "{said}");
}

/// Sends bytes as they are, and answers what comes back.
fn raw(address: &str, sent: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // The server may have refused it before all is sent.
    drop(stream.write_all(sent));
    let mut answer = Vec::new();
    drop(stream.read_to_end(&mut answer));
    String::from_utf8_lossy(&answer).into_owned()
}

/// The header of a request that was signed with a key for a region.
pub(crate) fn key_of(key: &str, region: &str) -> String {
    format!("AWS4-HMAC-SHA256 Credential={key}/20261130/{region}/ec2/aws4_request, SignedHeaders=host, Signature=0")
}

/// Posts a form, and answers what comes back.
pub(crate) fn post(address: &str, path: &str, host: &str, authorization: &str, body: &str) -> String {
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nAuthorization: {authorization}\r\nContent-Type: \
         application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    raw(address, format!("{head}{body}").as_bytes())
}

#[test]
fn an_account_is_named_by_the_path_or_by_the_key() {
    const ONE: &str = "200000000001";
    const TWO: &str = "200000000002";
    let simulator =
        Simulator::start(2, &["--accounts", "2", "--account-regions", "eu-west-1", "--account-instances", "4"]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let file = AccountsFile::new(&sandbox, &["eu-west-1"]);
    file.write(&[("one", ONE), ("two", TWO)]);
    let server = sandbox.serve(&[&RARELY[..], &["--config", file.path(), "--ec2-api", "127.0.0.1:0"]].concat());
    server.swept();
    let address = server.ec2_api.clone().unwrap().strip_prefix("http://").unwrap().to_owned();
    let ask = |path: &str, key: &str| {
        let body = "Action=DescribeVpcs&Version=2016-11-15";
        post(&address, path, &address, &key_of(key, "eu-west-1"), body)
    };
    let key = |account: &str| format!("ASIA{account}WXYZ");
    let is_of = |answer: &str, account: &str| answer.contains(&format!("<ownerId>{account}</ownerId>"));
    for account in [ONE, TWO] {
        let path = format!("/{account}/");
        for answer in [ask(&path, "testing"), ask("/", &key(account)), ask(&path, &key(account))] {
            assert!(answer.starts_with("HTTP/1.1 200") && is_of(&answer, account), "{account}: {answer}");
        }
    }
    let refused = |path: &str, key: &str| {
        let answer = ask(path, key);
        assert!(answer.starts_with("HTTP/1.1 400"), "{path} {key}: {answer}");
        answer
    };
    let unnamed = refused("/", "testing");
    assert!(
        [ONE, TWO, "path of the endpoint", "a key of that account"].iter().all(|it| unnamed.contains(it)),
        "{unnamed}"
    );
    let contradiction = refused(&format!("/{ONE}/"), &key(TWO));
    assert!(contradiction.contains(ONE) && contradiction.contains(TWO), "{contradiction}");
    assert!(refused("/", &key("200000000009")).contains("does not watch the account 200000000009"));
}

/// A client at the wrong port of a server was not told which port is right.
#[test]
fn what_comes_to_the_wrong_port_is_told_the_right_one() {
    let sandbox = Sandbox::new(&Endpoint::dead());
    let flags = ["--metrics", "127.0.0.1:0", "--ec2-api", "127.0.0.1:0"];
    let server = sandbox.serve(&[&RARELY[..], &flags].concat());
    let host = |url: &str| url.split('/').nth(2).unwrap().to_owned();
    let [mcp, metrics, ec2_api] =
        [&server.http, server.metrics.as_ref().unwrap(), server.ec2_api.as_ref().unwrap()].map(|url| host(url));
    let ask = |address: &str, path: &str| {
        let body = "Action=DescribeVpcs&Version=2016-11-15";
        post(address, path, address, &key_of("testing", "eu-central-1"), body)
    };
    for (address, path, status, named) in [
        (&mcp, "/", 404, ["/mcp", "--ec2-api"]),
        (&metrics, "/", 404, ["/metrics", "--ec2-api"]),
        (&ec2_api, "/mcp", 400, ["EC2&apos;s read API of Muster", "--http"]),
        (&ec2_api, "/metrics", 400, ["EC2&apos;s read API of Muster", "--metrics"]),
        (&ec2_api, "/second/", 400, ["EC2&apos;s read API of Muster", "not its name"]),
    ] {
        let answer = ask(address, path);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {answer}");
        let answer = answer.replace("EC2's read API of", "EC2&apos;s read API of");
        assert!(named.iter().all(|name| answer.contains(name)), "{path}: {answer}");
    }
}

#[test]
fn whatever_is_sent_is_answered_as_aws_answers_errors() {
    let copied = Copied::of(Simulator::start(3, &[]), &RARELY);
    let address = copied.server.ec2_api.clone().unwrap().strip_prefix("http://").unwrap().to_owned();
    let region = copied.simulator.endpoint().region;
    let post = |path: &str, host: &str, body: &str| post(&address, path, host, &key_of("testing", &region), body);
    let good = "Action=DescribeVpcs&Version=2016-11-15";
    let answer = post("/", &address, good);
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("<vpcSet>"), "{answer}");
    assert!(post("/123456789012/", &address, good).starts_with("HTTP/1.1 200"));
    for (path, host, body, status, code) in [
        ("/999999999999/", address.as_str(), good, 400, "MusterScopeUnavailable"),
        ("/nonsense", address.as_str(), good, 400, "InvalidRequest"),
        ("/", "evil.test", good, 403, "InvalidRequest"),
        ("/", address.as_str(), "", 400, "MissingParameter"),
        ("/", address.as_str(), "Action=DescribeVpcs", 400, "MissingParameter"),
        ("/", address.as_str(), "Action=DescribeVpcs&Version=2010-01-01", 400, "NoSuchVersion"),
        ("/", address.as_str(), "Action=%3Cb%3E&Version=2016-11-15", 400, "InvalidAction"),
        ("/", address.as_str(), "Action=DescribeVpcs&Version=2016-11-15&Colour=red", 400, "UnknownParameter"),
    ] {
        let answer = post(path, host, body);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{path} {host} {body}: {answer}");
        assert!(answer.contains(&format!("<Code>{code}</Code>")), "{path} {host} {body}: {answer}");
        assert!(answer.contains("content-type: text/xml") && answer.contains("<RequestID>"), "{answer}");
    }
    let unsigned = format!("GET /?{good} HTTP/1.1\r\nHost: HOST\r\nConnection: close\r\n\r\n");
    let at = |host: &str| raw(&address, unsigned.replace("HOST", host).as_bytes());
    assert!(at(&address).contains("<Code>MusterScopeUnavailable</Code>"), "it names no region");
    assert!(at(&format!("ec2.{region}.localhost")).contains("<vpcSet>"));
    for header in ["Origin: http://evil.test", "Sec-Fetch-Site: cross-site"] {
        let sent = unsigned.replace("HOST\r\n", &format!("ec2.{region}.localhost\r\n{header}\r\n"));
        let answer = raw(&address, sent.as_bytes());
        assert!(answer.starts_with("HTTP/1.1 403 ") && answer.contains("page of the web"), "{header}: {answer}");
    }
    let long = format!("{good}&Filter.1.Name={}", "x".repeat(1 << 20));
    assert!(post("/", &address, &long).starts_with("HTTP/1.1 413"), "too long");
    let mut rng = fastrand::Rng::with_seed(fastrand::u64(..));
    eprintln!("seed {}", rng.get_seed());
    let pieces = [
        "Action=",
        "DescribeInstances",
        "&",
        "Version=2016-11-15",
        "Filter.1.Name=",
        "Filter.1.Value.1=",
        "%",
        "%00",
        "\u{e9}",
        "InstanceId.1=i-0123",
        "MaxResults=5",
        "NextToken=",
        "<!--",
        "]]>",
        "=",
        "DryRun=true",
        "\0",
        "Owner.1=self",
        ".",
    ];
    for _ in 0..400 {
        let body: String = (0..rng.usize(0..14)).map(|_| pieces[rng.usize(0..pieces.len())]).collect();
        let body = if rng.bool() { format!("Action=DescribeVolumes&Version=2016-11-15&{body}") } else { body };
        let answer = post("/", &address, &body);
        let is_answer = answer.starts_with("HTTP/1.1 200") && answer.contains("Response xmlns=");
        let is_error = ["HTTP/1.1 400", "HTTP/1.1 403", "HTTP/1.1 412"].iter().any(|it| answer.starts_with(it))
            && answer.contains("<Errors>");
        assert!(is_answer || is_error, "{body:?}: {answer}");
    }
}

#[test]
fn boto3_reads_the_regions_and_zones_that_it_reads_of_aws_and_aws_is_asked_once() {
    let mut copied = Copied::of(Simulator::start(5, &[]), &RARELY);
    let region = copied.simulator.endpoint().region;
    let zone = format!("{region}a");
    let local = format!("{region}-lax-1a");
    let mut compared = 0;
    let regions = [
        json!({}),
        json!({"AllRegions": true}),
        json!({"AllRegions": false}),
        json!({"RegionNames": ["eu-west-1", "il-central-1"]}),
        json!({"AllRegions": true, "RegionNames": ["us-east-1"]}),
        json!({"AllRegions": true, "Filters": [{"Name": "opt-in-status", "Values": ["not-*", "x"]}]}),
        json!({"Filters": [{"Name": "region-name", "Values": ["eu-????-1"]}, {"Name": "endpoint", "Values": ["*.amazonaws.com"]}]}),
        json!({"Filters": [{"Name": "region-name", "Values": ["none"]}]}),
    ];
    let zones = [
        json!({}),
        json!({"AllAvailabilityZones": true}),
        json!({"ZoneNames": [zone]}),
        json!({"AllAvailabilityZones": true, "ZoneNames": [local, zone]}),
    ];
    for (operation, member, asked) in [
        ("describe_regions", "Regions", &regions[..]),
        ("describe_availability_zones", "AvailabilityZones", &zones[..]),
    ] {
        for arguments in asked {
            copied.same(operation, member, arguments, None);
            compared += 1;
        }
    }
    for (name, value) in [
        ("group-long-name", "*Los*"),
        ("group-name", "*-zg-1"),
        ("message", "*subnets*"),
        ("opt-in-status", "opt-in-not-required"),
        ("parent-zone-id", "*-az1"),
        ("parent-zone-name", zone.as_str()),
        ("region-name", region.as_str()),
        ("state", "available"),
        ("zone-id", "*-az?"),
        ("zone-name", "*b"),
        ("zone-type", "local-zone"),
    ] {
        let arguments = json!({"AllAvailabilityZones": true, "Filters": [{"Name": name, "Values": [value]}]});
        assert!(copied.same("describe_availability_zones", "AvailabilityZones", &arguments, None) > 0, "{arguments}");
        compared += 1;
    }
    for (operation, arguments) in [
        ("describe_regions", json!({"RegionNames": ["mars-north-1"]})),
        ("describe_regions", json!({"DryRun": true})),
        ("describe_regions", json!({"Filters": [{"Name": "colour", "Values": ["red"]}]})),
        ("describe_availability_zones", json!({"ZoneNames": ["mars-1a"]})),
        ("describe_availability_zones", json!({"ZoneIds": ["use9-az9"]})),
        ("describe_availability_zones", json!({"DryRun": true})),
        ("describe_availability_zones", json!({"Filters": [{"Name": "endpoint", "Values": ["x"]}]})),
    ] {
        let told = copied.ask("fail", &json!({"operation": operation, "arguments": arguments}));
        let [theirs, ours] = ["theirs", "ours"].map(|whose| (&told[whose]["code"], &told[whose]["status"]));
        assert_eq!(theirs, ours, "{operation} {arguments}: {told}");
        compared += 1;
    }
    eprintln!("{compared} questions are answered as the simulator answers them");
    // Of all these questions, AWS got one for each action that Muster asked, and those that boto3 asked it itself.
    let listed = |copied: &Copied, action: &str| {
        let requests = copied.simulator.control("GET", "/requests", &Value::Null);
        let of_action = requests["requests"].as_array().unwrap().iter().filter(|call| call["action"] == action);
        of_action.map(|call| call["total"].as_u64().unwrap()).sum::<u64>()
    };
    let before = ["DescribeRegions", "DescribeAvailabilityZones"].map(|action| listed(&copied, action));
    let head = copied.ask("head", &json!({"operation": "describe_regions", "arguments": {}}));
    assert!(head["x-muster-as-of"].is_string() && head["x-muster-seq"].is_null(), "{head}");
    copied.ask("head", &json!({"operation": "describe_availability_zones", "arguments": {}}));
    assert_eq!(before, ["DescribeRegions", "DescribeAvailabilityZones"].map(|action| listed(&copied, action)));
}

#[test]
fn regions_that_aws_does_not_tell_are_an_error_and_never_an_empty_list() {
    let simulator = Simulator::start(3, &[]);
    let denied = json!({"denied": ["DescribeRegions", "DescribeAvailabilityZones"]});
    simulator.control("PATCH", "/faults", &denied);
    let mut copied = Copied::of(simulator, &RARELY);
    for operation in ["describe_regions", "describe_availability_zones"] {
        let ours = copied.ask("fail", &json!({"operation": operation, "arguments": {}}))["ours"].take();
        assert_eq!((&ours["status"], &ours["code"]), (&json!(400), &json!("MusterScopeUnavailable")), "{ours}");
        let message = ours["message"].as_str().unwrap();
        assert!(message.contains("could not list") && message.contains("ec2:Describe"), "{message}");
        assert_eq!(ours["attempts"], json!(1), "{ours}");
    }
}
