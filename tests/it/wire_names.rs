//! EC2's wire format as Muster writes it: its tables are botocore's, they have every field of every document, and botocore reads
//! what is written of a document as it was.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use muster::ec2_api::wire::{WireField, WireForm, WireTable, table, tables};
use muster::ec2_api::{request, response};
use muster::kinds::{KINDS, KindSpec};
use muster::model::{self, Document};
use muster::query::document_walk::WalkedDocument;
use serde_json::{Value, json};

use crate::fields;
use crate::harness::PATIENCE;
use crate::harness::account::Account;
use crate::harness::moto::Moto;
use crate::harness::node;
use crate::harness::process::Running;
use crate::harness::python::{Environment, directory, run};
use crate::harness::simulator::Simulator;
use crate::modules::gather;

/// What AWS calls a read and is not passed on all the same: it shows secrets, writes a file, or has another verb than reads have.
const LEFT_OUT: [&str; 23] = [
    "DescribeBundleTasks",
    "DescribeConversionTasks",
    "DescribeImportImageTasks",
    "DescribeImportSnapshotTasks",
    "DescribeIpamExternalResourceVerificationTokens",
    "DescribeLaunchTemplateVersions",
    "DescribeSpotFleetRequests",
    "DescribeSpotInstanceRequests",
    "DescribeVerifiedAccessTrustProviders",
    "DescribeVpnConnections",
    "ExportClientVpnClientCertificateRevocationList",
    "ExportClientVpnClientConfiguration",
    "ExportVerifiedAccessInstanceClientConfiguration",
    "GetConsoleOutput",
    "GetConsoleScreenshot",
    "GetFlowLogsIntegrationTemplate",
    "GetInstanceTpmEkPub",
    "GetInstanceUefiData",
    "GetLaunchTemplateData",
    "GetPasswordData",
    "GetVpnConnectionDeviceSampleConfiguration",
    "StartDeclarativePoliciesReport",
    "ValidateSecurityGroupQuotasForInterface",
];

#[test]
fn the_committed_tables_are_what_the_generator_makes_of_the_pinned_botocore() {
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ec2_api/wire");
    let made = if std::env::var_os("UPDATE_WIRE").is_some() { committed.clone() } else { directory().join("wire") };
    fs::create_dir_all(&made).unwrap();
    run(Environment::Moto.script("wire_names.py").arg(&made), "the generator must run with the botocore of the tests");
    let names = |of: &Path| {
        let entries = fs::read_dir(of).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        entries.filter(|name| name.contains(".txt")).collect::<BTreeSet<String>>()
    };
    assert_eq!(names(&committed), names(&made));
    for name in names(&committed) {
        let text = |of: &Path| fs::read_to_string(of.join(&name)).unwrap();
        assert!(
            text(&committed) == text(&made),
            "{name} is another: UPDATE_WIRE=1 cargo test --test it -- wire_names::"
        );
    }
}

#[test]
fn what_only_reads_is_what_aws_says_only_reads() {
    let output = node::script("reads.mjs").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let reads: BTreeSet<String> = serde_json::from_slice(&output.stdout).unwrap();
    let lines = |name: &str| {
        let text =
            fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ec2_api/wire").join(name)).unwrap();
        let names = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split(' ').next());
        names.map(str::to_owned).collect::<BTreeSet<String>>()
    };
    let (harmless, all) = (lines("reads.txt"), lines("actions.txt"));
    assert!(
        harmless.is_subset(&reads),
        "AWS does not call these reads: {:?}",
        harmless.difference(&reads).collect::<Vec<_>>()
    );
    let left_out: Vec<&String> = reads.intersection(&all).filter(|name| !harmless.contains(*name)).collect();
    assert_eq!(left_out, LEFT_OUT);
}

/// The fields that the mappings in `text` give documents, each with the method that makes its value, by the SDK's names of
/// structures.
fn mapped(text: &str, found: &mut BTreeMap<String, BTreeSet<(String, String)>>) {
    for block in text.split("mapped!(|").skip(1) {
        let (head, body) = block.split_once('|').unwrap();
        let body = &body[..body.find("\n\n").unwrap_or(body.len())];
        let fields = body.split('.').filter_map(|call| {
            let (method, rest) = call.split_once('(')?;
            let is_method = method.bytes().all(|letter| letter.is_ascii_lowercase() || letter == b'_');
            let name = rest.trim_start().strip_prefix('"')?.split('"').next()?;
            is_method.then(|| (name.to_owned(), method.to_owned()))
        });
        let fields: BTreeSet<_> = fields.collect();
        assert!(!fields.is_empty(), "{block}");
        for structure in head.split_once(':').unwrap().1.split(',') {
            found.entry(structure.trim().to_owned()).or_default().extend(fields.clone());
        }
    }
}

/// Whether the values that a method makes are those of a field on the wire.
fn makes(method: &str, field: &WireField) -> bool {
    match (field.form, field.is_list) {
        (WireForm::Text, false) => matches!(method, "text" | "code"),
        (WireForm::Time, false) => method == "time",
        (WireForm::Number, false) => method == "int",
        (WireForm::Flag, false) => method == "flag",
        (WireForm::Structure(_), false) => method == "map",
        (WireForm::Text, true) => method == "texts",
        (WireForm::Structure(_), true) => matches!(method, "list" | "list_unless_empty"),
        _ => false,
    }
}

#[test]
fn every_field_of_every_document_has_a_name_and_a_form_on_the_wire() {
    let mut files = Vec::new();
    gather(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/kinds"), &mut files);
    let mut structures = BTreeMap::new();
    for file in files.iter().filter(|file| !file.ends_with("fields.rs") && !file.ends_with("tests.rs")) {
        mapped(&fs::read_to_string(file).unwrap(), &mut structures);
    }
    assert!(structures.len() > 80 && structures["Instance"].len() > 50, "the mappings are not where this test looks");
    for (structure, fields) in structures {
        let of = |table: &'static WireTable| table.structures.iter().find(|it| it.name == structure);
        let known: Vec<_> = tables().filter_map(of).collect();
        assert!(!known.is_empty(), "no answer has a {structure}");
        for known in known {
            for (name, method) in &fields {
                let field = known.fields.iter().find(|field| field.name == name);
                assert!(field.is_some_and(|field| makes(method, field)), "{structure}.{name} by {method} is {field:?}");
            }
        }
    }
}

/// A value of a document as boto3 prints it.
fn value(printed: &Value) -> model::Value {
    match printed {
        Value::Null => model::Value::Null,
        Value::Bool(flag) => (*flag).into(),
        Value::Number(number) => number.as_i64().unwrap().into(),
        Value::String(text) => text.as_str().into(),
        Value::Array(list) => list.iter().map(value).collect::<Vec<_>>().into(),
        Value::Object(map) => map.iter().map(|(name, of)| (name.clone(), value(of))).collect::<model::Map>().into(),
    }
}

fn document(printed: &Value) -> Document {
    match value(printed) {
        model::Value::Map(map) => Document::new(map),
        other => panic!("{other:?} is no document"),
    }
}

/// botocore as a reader of answers.
struct Reader(Running);

impl Reader {
    fn start() -> Reader {
        Reader(Running::start("botocore", Environment::Moto.script("wire.py")))
    }

    /// What it reads in a body.
    fn read(&mut self, action: &str, status: u16, body: &[u8]) -> Value {
        let body = std::str::from_utf8(body).unwrap();
        assert!(self.0.say(&json!({"action": action, "status": status, "body": body}).to_string()));
        let mut answer: Value = serde_json::from_str(&self.0.line(PATIENCE)).unwrap();
        assert!(answer.get("error").is_none(), "botocore cannot read it: {}\n{body}", answer["error"]);
        answer["ok"].take()
    }

    /// What it reads in the answer that has these documents, each as a document is.
    fn listed(&mut self, spec: &KindSpec, documents: &[Document]) -> Vec<Value> {
        let table = table(spec.actions[0].strip_prefix("ec2:").unwrap()).unwrap();
        let documents: Vec<WalkedDocument> = documents.iter().cloned().map(WalkedDocument::from).collect();
        let body = response::write(table, &documents, Some("the next"), "0-1");
        let mut answer = self.read(table.action, 200, &body);
        assert_eq!(answer["ResponseMetadata"]["RequestId"], "0-1");
        let has_token = table.answer.iter().any(|field| field.name == "NextToken");
        assert_eq!(answer.get("NextToken"), has_token.then(|| json!("the next")).as_ref());
        let Value::Array(mut listed) = answer[table.listing().unwrap().name].take() else { panic!("{answer}") };
        if spec.slug == "instance" {
            listed = listed.into_iter().flat_map(fields::launched).collect();
        }
        for resource in listed.iter_mut().filter_map(Value::as_object_mut) {
            if let Some(tags) = resource.remove("TagSet") {
                resource.insert("Tags".to_owned(), tags);
            }
        }
        listed
    }
}

/// Every document of the account, written and read again, is what boto3 was answered by the account itself.
fn read_again(account: &Account) {
    let mut reader = Reader::start();
    let found = fields::boto3(account);
    let mut differences = Vec::new();
    for spec in KINDS {
        let resources = &found[spec.slug];
        assert!(!resources.is_empty(), "no {} to compare", spec.slug);
        let documents: Vec<Document> = resources.iter().map(|(_, resource)| document(resource)).collect();
        let listed = reader.listed(spec, &documents);
        assert_eq!(listed.len(), resources.len(), "{}", spec.slug);
        let listed: BTreeMap<String, Value> =
            listed.into_iter().map(|resource| (fields::id(spec, &resource), resource)).collect();
        for (id, expected) in resources {
            fields::compare(spec.slug, id, "", expected, &listed[id], &mut differences);
        }
    }
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
}

#[test]
fn botocore_reads_what_is_written_of_the_simulators_resources_as_they_were() {
    let simulator = Simulator::start(200, &[]);
    read_again(&Account::at(&simulator.endpoint()));
}

#[test]
fn botocore_reads_what_is_written_of_the_emulators_resources_as_they_were() {
    let moto = Moto::start();
    moto.populate();
    read_again(&moto);
}

#[test]
fn botocore_reads_empty_answers_and_errors() {
    let mut reader = Reader::start();
    for spec in KINDS {
        assert_eq!(reader.listed(spec, &[]), Vec::<Value>::new());
    }
    let fault = request::parse("POST", "", b"Action=StopInstances&Version=2016-11-15&x=%zz").unwrap_err();
    let read = reader.read("StopInstances", fault.status(), &fault.xml("0-2"));
    assert_eq!(read["Error"], json!({"Code": fault.code(), "Message": fault.to_string()}));
    assert_eq!(read["ResponseMetadata"]["RequestId"], "0-2");
    let odd = document(&json!({"VolumeId": "a\u{0}<b>&\r\n\t\"é\u{1f}", "Tags": [{"Key": "]]>", "Value": " "}]}));
    let [volume] = reader.listed(muster::kinds::VOLUME, &[odd]).try_into().unwrap();
    let expected = json!({"VolumeId": "a\u{fffd}<b>&\r\n\t\"é\u{fffd}", "Tags": [{"Key": "]]>", "Value": " "}]});
    assert_eq!(volume, expected);
}
