//! Every filter finds what AWS finds by it, for every form of value, but for a list of differences with AWS's documentation as
//! their judge.
//!
//! For each kind and each of its filters `tests/python/filters.py` asks boto3 with values of many forms (as they are, with
//! wildcards, escaped, in another case, empty, of another filter, times in AWS's form and in that of documents), against moto
//! and against the simulator, and `search_inventory` is asked the same over a server that has swept the same account. Where
//! a value can never match, Muster refuses and boto3 has to answer nothing. What differs must stand in
//! `filters/differences.toml`, and what stands there must differ.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use muster::kinds::{KINDS, KindSpec};
use muster::model::{Form, written};
use serde_json::{Map, Value, json};

use crate::fields::{Describe, boto3};
use crate::harness::account::Account;
use crate::harness::differences::{Difference, judge};
use crate::harness::moto::Moto;
use crate::harness::muster::{Endpoint, RARELY, Sandbox};
use crate::harness::process::Running;
use crate::harness::python::Environment;
use crate::harness::rpc::Client;
use crate::harness::simulator::Simulator;

const PATIENCE: Duration = Duration::from_mins(2);

/// A question to both.
#[derive(Clone, Debug)]
struct Question {
    kind: &'static str,
    filter: String,
    form: &'static str,
    values: Vec<String>,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Answer {
    Ids(BTreeSet<String>),
    Refused(String),
}

impl Answer {
    /// In words that do not depend on how many resources there are.
    fn said(&self, all: usize) -> String {
        match self {
            Answer::Refused(why) => format!("refuses: {why}"),
            Answer::Ids(ids) if ids.is_empty() => "none".to_owned(),
            Answer::Ids(ids) if ids.len() == all => "all".to_owned(),
            Answer::Ids(_) => "some".to_owned(),
        }
    }
}

/// boto3 at one endpoint.
struct Boto3(Running);

impl Boto3 {
    /// One that asks for images of these owners.
    fn at(endpoint: &Endpoint, owners: &BTreeSet<String>) -> Boto3 {
        let mut script = Environment::Moto.script("filters.py");
        let kinds: Map<String, Value> =
            KINDS.iter().map(|kind| (kind.slug.to_owned(), described(kind, owners))).collect();
        script.arg(json!({"endpoint": endpoint.url, "region": endpoint.region, "kinds": kinds}).to_string());
        Boto3(Running::start("filters", script))
    }

    fn ask(&mut self, question: &Value) -> Value {
        assert!(self.0.say(&question.to_string()), "boto3 has ended{}", self.0.tail());
        serde_json::from_str(&self.0.line(PATIENCE)).unwrap()
    }

    /// Of the resources that a sweep shows.
    fn answer(&mut self, question: &Question, swept: &BTreeSet<String>) -> Answer {
        let kind = KINDS.iter().find(|kind| kind.slug == question.kind).unwrap();
        let answer = self.ask(&json!({"kind": question.kind, "filters": filters(question)}));
        if let Some(error) = answer["error"].as_str() {
            return Answer::Refused(error.to_owned());
        }
        let mut ids: BTreeSet<String> = serde_json::from_value(answer["ids"].clone()).unwrap();
        // The emulator ignores the owner, and of some kinds those are asked for that others own.
        ids.retain(|id| !kind.own_only || swept.contains(id));
        Answer::Ids(ids)
    }
}

fn filters(question: &Question) -> Value {
    json!([{"Name": question.filter, "Values": question.values}])
}

/// How boto3 is asked for the resources of a kind that are swept, whose `owners` are known.
fn described(kind: &KindSpec, owners: &BTreeSet<String>) -> Value {
    let Describe { operation, member, filters, mut arguments } = Describe::of(kind);
    if !kind.also_by_id.is_empty() && !owners.is_empty() {
        // What others own is swept by its id; beside ids the emulator would read no filters.
        arguments = json!({"Owners": owners});
    }
    json!({"operation": operation, "member": member, "id": kind.id_field, "filters": filters, "arguments": arguments})
}

/// What `search_inventory` answers.
fn searched(client: &mut Client, question: &Question) -> Answer {
    let arguments = json!({"kind": question.kind, "filters": filters(question), "limit": 500, "fields": []});
    let answer = client.call("search_inventory", &arguments).unwrap();
    if answer.is_error {
        let never = answer.text.contains("can never match") || answer.text.contains("has no tags");
        assert!(never, "{question:?} is refused for another reason: {}", answer.text);
        return Answer::Refused("can never match".to_owned());
    }
    let rows = answer.structured["rows"].as_array().unwrap();
    assert_eq!(answer.structured["total"].as_u64(), Some(rows.len() as u64), "{question:?} has more than a page");
    if rows.is_empty() {
        assert_ne!(answer.structured["hints"], json!([]), "{question:?} finds nothing and says nothing of it");
    }
    Answer::Ids(rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect())
}

/// The values that a document has at a path, as filters write them.
pub(crate) fn scalars(document: &Value, path: &str, found: &mut Vec<String>) {
    match document {
        Value::Array(list) => list.iter().for_each(|element| scalars(element, path, found)),
        Value::Object(map) => {
            let (first, rest) = path.split_once('.').unwrap_or((path, ""));
            if let Some(inner) = map.get(first) {
                scalars(inner, rest, found);
            }
        }
        Value::String(text) if path.is_empty() => found.push(text.clone()),
        Value::Bool(_) | Value::Number(_) if path.is_empty() => found.push(document.to_string()),
        _ => {}
    }
}

/// Values of many forms, made of those that resources have.
pub(crate) fn forms(form: Form, held: &[String]) -> Vec<(&'static str, Vec<String>)> {
    let one = |name, value: String| (name, vec![value]);
    let mut all = vec![
        one("any", "*".to_owned()),
        one("empty", String::new()),
        one("no such value", "no-such-value".to_owned()),
        one("another type", "i-0123456789abcdef0".to_owned()),
        one("a number", "4711".to_owned()),
        one("brackets", "[a-z0-9]*".to_owned()),
    ];
    let held: Vec<&String> = held.iter().filter(|value| !value.is_empty()).collect();
    if let (Some(first), Some(last)) = (held.first(), held.last()) {
        let letters: Vec<char> = first.chars().collect();
        let (start, rest) = letters.split_at(letters.len() / 2);
        let [start, rest, end] = [start, rest, rest.get(1..).unwrap_or_default()].map(String::from_iter);
        all.extend([
            one("exact", (*first).clone()),
            ("several", vec![(*first).clone(), (*last).clone()]),
            ("one that exists and one that does not", vec![(*first).clone(), "no-such-value".to_owned()]),
            one("begins with", format!("{start}*")),
            one("ends with", format!("*{rest}")),
            one("one character", format!("{start}?{end}")),
            one("a character too many", format!("{first}?")),
            one("an escaped wildcard", format!("{start}\\*")),
            one("an escaped character", format!("{start}\\{rest}")),
            one("brackets for a character", format!("{start}[a-z0-9]{end}")),
            one("upper case", first.to_uppercase()),
            one("lower case", first.to_lowercase()),
            one("padded", format!(" {first} ")),
        ]);
        if let (Form::Time, Some(filter)) = (form, written::as_filter(first)) {
            all.extend([
                one("AWS's form", filter.clone()),
                one("a day", format!("{}*", &filter[..10])),
                one("a day and no wildcard", filter[..10].to_owned()),
                one("a second", format!("{}*", &filter[..19])),
                one("milliseconds", format!("{}.???Z", &filter[..19])),
                one("without milliseconds", format!("{}Z", &filter[..19])),
            ]);
        }
    }
    let mut seen = BTreeSet::new();
    all.retain(|(_, values)| seen.insert(values.clone()));
    all
}

/// All questions about an account, the ids of each kind, and who owns its images.
fn questions(account: &Account) -> (Vec<Question>, BTreeMap<&'static str, BTreeSet<String>>, BTreeSet<String>) {
    let (mut questions, mut ids) = (Vec::new(), BTreeMap::new());
    let resources = boto3(account);
    let owners = resources["image"].iter().map(|(_, image)| image["OwnerId"].as_str().unwrap().to_owned()).collect();
    for (slug, resources) in resources {
        let kind = KINDS.iter().find(|kind| kind.slug == slug).unwrap();
        ids.insert(kind.slug, resources.iter().map(|(id, _)| id.clone()).collect());
        let held = |paths: &[&str]| {
            let mut found = Vec::new();
            for (_, document) in &resources {
                for path in paths {
                    scalars(document, path, &mut found);
                }
            }
            found
        };
        let mut ask = |filter: &str, form: Form, held: &[String]| {
            let of = forms(form, held).into_iter();
            questions.extend(of.map(|(form, values)| Question {
                kind: kind.slug,
                filter: filter.to_owned(),
                form,
                values,
            }));
        };
        for filter in kind.filters.iter().filter(|filter| !undocumented(kind).contains(&filter.name)) {
            ask(filter.name, filter.form, &held(filter.paths));
        }
        for filter in kind.in_documents.iter().filter(|filter| (kind.slug, filter.name) != RANDOM) {
            ask(filter.name, filter.form, &held(&[filter.path]));
        }
        if kind.tagged_kind().is_none() {
            let tags: Vec<(String, String)> = resources.iter().flat_map(|(_, document)| tags(document)).collect();
            ask("tag-key", Form::Text, &tags.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>());
            for key in ["Name", "empty", "no such key"] {
                let values: Vec<String> =
                    tags.iter().filter(|(of, _)| of == key).map(|(_, value)| value.clone()).collect();
                ask(&format!("tag:{key}"), Form::Text, &values);
            }
        }
    }
    (questions, ids, owners)
}

fn tags(document: &Value) -> Vec<(String, String)> {
    let tags = document["Tags"].as_array().map(Vec::as_slice).unwrap_or_default();
    let text = |tag: &Value, name: &str| tag[name].as_str().unwrap_or_default().to_owned();
    tags.iter().map(|tag| (text(tag, "Key"), text(tag, "Value"))).collect()
}

/// Asks everything at one endpoint, and answers how many pairs were compared and what differs.
fn compare(name: &str, account: &Account, endpoint: &Endpoint) -> (usize, BTreeSet<Difference>) {
    let sandbox = Sandbox::new(endpoint);
    let server = sandbox.serve(&RARELY);
    server.swept();
    let mut client = Client::http(&server.http);
    let (questions, ids, owners) = questions(account);
    let mut boto3 = Boto3::at(endpoint, &owners);
    let (mut compared, mut found) = (0, BTreeSet::new());
    for question in &questions {
        let (theirs, ours) = (boto3.answer(question, &ids[question.kind]), searched(&mut client, question));
        compared += usize::from(matches!(theirs, Answer::Ids(_)));
        let agree = match (&theirs, &ours) {
            (Answer::Ids(theirs), Answer::Ids(ours)) => theirs == ours,
            // That it can never match is what an answer of nothing means.
            (Answer::Ids(theirs), Answer::Refused(_)) => theirs.is_empty(),
            (Answer::Refused(_), _) => false,
        };
        if !agree {
            let all = ids[question.kind].len();
            let at = format!("{name} {} {}: {}", question.kind, question.filter, question.form);
            found.insert(Difference { at, theirs: theirs.said(all), ours: ours.said(all) });
        }
        if question.form == "exact" {
            let told = shell(&sandbox, question);
            assert_eq!(told, ours, "{question:?}: `muster search` says something else than search_inventory");
        }
    }
    eprintln!("{name}: {compared} (filter, value form) pairs compared of {}", questions.len());
    (compared, found)
}

/// What `muster search` prints.
fn shell(sandbox: &Sandbox, question: &Question) -> Answer {
    let escape = |text: &str| text.replace('\\', "\\\\").replace(',', "\\,");
    let values: Vec<String> = question.values.iter().map(|value| escape(value)).collect();
    let word = format!("{}={}", question.filter, values.join(","));
    let mut muster = sandbox.muster(&["search", "--json", "--all", "--kind", question.kind, "--data-dir"]);
    let output = muster.arg(sandbox.data()).arg(word).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        assert!(errors.contains("can never match"), "{question:?}: {errors}");
        return Answer::Refused("can never match".to_owned());
    }
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    let rows = answer["rows"].as_array().unwrap();
    Answer::Ids(rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect())
}

#[test]
fn every_filter_finds_what_boto3_finds_by_it_but_for_the_listed_differences() {
    let moto = Moto::start();
    moto.populate();
    documented(&mut Boto3::at(&moto.endpoint(), &BTreeSet::new()));
    let simulator = Simulator::start(40, &[]);
    let simulated = Account::at(&simulator.endpoint());
    let endpoints = [moto.endpoint(), simulator.endpoint()];
    let ((theirs, mut found), (ours, more)) = std::thread::scope(|scope| {
        let theirs = scope.spawn(|| compare("moto", &moto, &endpoints[0]));
        let ours = scope.spawn(|| compare("simulator", &simulated, &endpoints[1]));
        (theirs.join().unwrap(), ours.join().unwrap())
    });
    let compared = theirs + ours;
    found.extend(more);
    let lacking = found.iter().filter(|it| it.theirs.starts_with("refuses")).count();
    let differing = found.len() - lacking;
    eprintln!(
        "{compared} (filter, value form) pairs compared in all; {differing} differ, and {lacking} more are of filters that the \
         endpoint lacks or cannot read: filters/differences.toml says of each what AWS documents"
    );
    assert!(compared > 4_000, "only {compared} pairs are compared");
    judge(&found, "filters/differences.toml", &["muster", "wider", "open"]);
}

/// Every filter that a kind knows is one that AWS documents for it, and every other one that AWS documents has a reason.
fn documented(boto3: &mut Boto3) {
    let documented = boto3.ask(&json!({"documented": true}));
    for kind in KINDS {
        let known: BTreeSet<&str> =
            documented[kind.slug].as_array().unwrap().iter().map(|name| name.as_str().unwrap()).collect();
        assert!(known.len() > 5, "{} documents {known:?}", kind.slug);
        let own = kind.filters.iter().map(|filter| filter.name);
        let own: BTreeSet<&str> = own.chain(kind.in_documents.iter().map(|filter| filter.name)).collect();
        let lacking: BTreeSet<&str> =
            known.iter().copied().filter(|name| !own.contains(name) && !name.starts_with("tag")).collect();
        let left_out = LEFT_OUT.iter().filter(|(slug, ..)| *slug == kind.slug).flat_map(|(_, names, _)| *names);
        assert_eq!(lacking, left_out.copied().collect(), "{}: filters that AWS documents and Muster lacks", kind.slug);
        eprintln!("{}: {} of {} documented filters", kind.slug, known.len() - lacking.len(), known.len());
        let others: Vec<&str> =
            kind.filters.iter().map(|filter| filter.name).filter(|name| !known.contains(name)).collect();
        assert_eq!(others, undocumented(kind), "{}: filters that AWS does not document", kind.slug);
    }
}

/// Of this filter moto compares the name of the instance, which it makes of another random address than that of its interface.
const RANDOM: (&str, &str) = ("instance", "network-interface.private-dns-name");

/// Filters that AWS documents and that nothing can answer, by kind, and why.
const LEFT_OUT: &[(&str, &[&str], &str)] = &[
    (
        "instance",
        &["metadata-options.http-protocol-ipv4", "network-interface.tag-key", "network-interface.tag-value"],
        "DescribeInstances answers no such field",
    ),
    (
        "instance",
        &[
            "network-interface.addresses.association.allocation-id",
            "network-interface.addresses.association.association-id",
            "network-interface.association.allocation-id",
            "network-interface.association.association-id",
            "network-interface.attachment.instance-owner-id",
            "network-interface.availability-zone",
            "network-interface.deny-all-igw-traffic",
            "network-interface.ipv6-native",
            "network-interface.outpost-arn",
            "network-interface.public-dns-name",
            "network-interface.requester-id",
            "network-interface.requester-managed",
        ],
        "only the description of the interface itself shows it: search kind network-interface",
    ),
    ("instance", &["network-interface.attachment.instance-id"], "it is the id of the instance: instance-id"),
    ("image", &["informational", "low", "medium", "high", "critical"], "a value of another filter, by AWS's text"),
];

/// Filters that botocore's text does not name, by kind: one that AWS takes as a parameter of its own, and those that match what
/// Muster makes of a document, which nothing can be compared with.
const UNDOCUMENTED: &[(&str, &[&str])] = &[
    ("instance", &["state-transition-time"]),
    ("instance-status", &["instance-id", "health", "impaired-since", "next-event", "next-event-at"]),
];

pub(crate) fn undocumented(kind: &KindSpec) -> &'static [&'static str] {
    UNDOCUMENTED.iter().find(|(slug, _)| *slug == kind.slug).map_or(&[], |(_, names)| names)
}
