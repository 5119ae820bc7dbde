//! EC2's own read API is answered as AWS answers errors, whatever is sent: XML that any parser reads, and nothing of what was sent in it
//! but as text.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use crate::harness::muster::{RARELY, Sandbox};
use crate::harness::process::Running;
use crate::harness::python::Environment;
use crate::harness::simulator::Simulator;

/// How many random requests are sent.
const RANDOM: u32 = 400;
const PATIENCE: Duration = Duration::from_mins(2);

/// What some of the named requests are answered.
const EXPECTED: [(&str, u64, &str); 28] = [
    ("options", 405, "UnsupportedMethod"),
    ("put", 405, "UnsupportedMethod"),
    ("delete", 405, "UnsupportedMethod"),
    ("get and body say the same", 400, "MalformedQueryString"),
    ("many parameters", 400, "UnknownParameter"),
    ("many filters", 400, "FilterLimitExceeded"),
    ("deeper value", 400, "UnknownParameter"),
    ("huge index", 400, "UnknownParameter"),
    ("negative index", 400, "UnknownParameter"),
    ("nul in a name", 400, "UnknownParameter"),
    ("nul in a value", 400, "InvalidVpcID.Malformed"),
    ("controls in an action", 400, "InvalidAction"),
    ("not utf-8", 400, "MalformedQueryString"),
    ("raw bytes", 400, "MalformedQueryString"),
    ("surrogate", 400, "MalformedQueryString"),
    ("percent", 400, "MalformedQueryString"),
    ("twice", 400, "MalformedQueryString"),
    ("action twice", 400, "MalformedQueryString"),
    ("injected action", 400, "InvalidAction"),
    ("injected filter", 400, "InvalidParameterValue"),
    ("injected id", 400, "InvalidVpcID.Malformed"),
    ("injected parameter", 400, "UnknownParameter"),
    ("injected version", 400, "NoSuchVersion"),
    ("json", 400, "MissingParameter"),
    ("target alone", 400, "MissingParameter"),
    ("multipart", 400, "MissingParameter"),
    ("xml", 400, "MissingParameter"),
    ("too long", 413, "MalformedQueryString"),
];

#[test]
fn whatever_is_sent_is_answered_by_a_document_that_any_parser_reads() {
    let simulator = Simulator::start(3, &[]);
    let endpoint = simulator.endpoint();
    let sandbox = Sandbox::new(&endpoint);
    let mut server = sandbox.serve(&[&RARELY[..], &["--ec2-api", "127.0.0.1:0"]].concat());
    server.swept();
    let address = server.ec2_api.clone().unwrap().strip_prefix("http://").unwrap().to_owned();
    let (host, port) = address.rsplit_once(':').unwrap();
    let seed = fastrand::u32(..);
    let mut script = Environment::Moto.script("ec2_fuzz.py");
    script.args([host, port, &endpoint.region, &RANDOM.to_string(), &seed.to_string()]);
    let fuzz = Running::start("fuzz of EC2's API", script);
    let mut told: BTreeMap<String, Value> = BTreeMap::new();
    let random = loop {
        let line: Value = serde_json::from_str(&fuzz.line(PATIENCE)).unwrap();
        if line["random"].is_number() {
            break line;
        }
        assert!(line["problem"].is_null(), "{line}");
        told.insert(line["what"].as_str().unwrap().to_owned(), line);
    };
    assert_eq!(random["problems"].as_array().map(Vec::len), Some(0), "seed {seed}: {random}");
    for what in ["plain", "get", "get with a body", "deep value", "chunks"] {
        assert_eq!(told[what]["status"], 200, "{}", told[what]);
    }
    for (what, status, code) in EXPECTED {
        let answer = &told[what];
        assert_eq!((answer["status"].as_u64(), answer["code"].as_str()), (Some(status), Some(code)), "{answer}");
    }
    for what in ["injected action", "injected filter", "injected id", "injected parameter", "injected version"] {
        let message = told[what]["message"].as_str().unwrap();
        assert!(message.contains("</Message><Code>Injected</Code>]]><!--\"'&"), "it stands there as text: {message}");
    }
    for what in ["no chunks", "endless chunk"] {
        assert!(told[what]["status"].as_u64().is_none_or(|status| status == 400), "{}", told[what]);
    }
    assert!(server.terminate().0.success(), "it has come to no harm");
}
