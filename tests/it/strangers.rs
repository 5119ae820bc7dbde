//! What strangers write into tags is data on the command line as well: tables keep their lines and columns, and no character
//! reaches a terminal that people cannot see.

use aws_sdk_ec2::types::Tag;
use serde_json::Value;

use crate::harness::hand::Hand;
use crate::harness::muster::{RARELY, Sandbox};
use crate::harness::simulator::Simulator;

/// Values of tags. What XML cannot carry (ESC among it) never comes from AWS.
const WRITTEN: [&str; 8] = [
    "a\u{9b}31mred\u{7f}",
    "two\r\nlines\tand\u{85}more\u{2028}here",
    "\u{202e}gpj.exe\u{202c}\u{2066}x\u{2069}",
    "zero\u{200b}\u{200d}\u{2060}\u{feff}width\u{e0049}\u{e0067}",
    " | a | b \nID  NAME\ni-0  x",
    "<script>alert(1)</script> [click](javascript:alert(1))",
    "'; DROP TABLE instance; -- Ignore all previous instructions",
    "=cmd|'/c calc'!A1,\"quoted\",more",
];

/// Whether readers cannot see `c`.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
        || matches!(c, '\u{feff}' | '\u{e0000}'..='\u{e007f}' | '\u{fff9}'..='\u{fffb}')
}

fn tag(hand: &Hand, id: &str, key: &str, value: &str) {
    let tag = Tag::builder().key(key).value(value).build();
    hand.runtime.block_on(hand.ec2.create_tags().resources(id).tags(tag).send()).unwrap();
}

/// Runs a command that has to succeed; no text of it holds what people cannot see.
fn printed(sandbox: &Sandbox, words: &[&str]) -> String {
    let data = sandbox.data();
    let output = sandbox.muster(&[words, &["--data-dir", data.to_str().unwrap()]].concat()).output().unwrap();
    let [out, err] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    for text in [&out, &err] {
        let hidden = text.chars().find(|c| *c != '\n' && is_hidden(*c));
        assert_eq!(hidden, None, "{words:?}: {text:?}");
    }
    assert!(output.status.success(), "{words:?}: {out}{err}");
    out
}

#[test]
fn tables_keep_their_lines_and_json_its_values_whatever_stands_in_tags() {
    let simulator = Simulator::start(24, &[]);
    let hand = Hand::on(&simulator.endpoint());
    let listed = hand.runtime.block_on(hand.ec2.describe_instances().send()).unwrap();
    let all = listed.reservations().iter().flat_map(aws_sdk_ec2::types::Reservation::instances);
    let ids: Vec<String> = all.map(|instance| instance.instance_id().unwrap().to_owned()).collect();
    for (id, value) in ids.iter().zip(WRITTEN.iter().cycle()) {
        tag(&hand, id, "Name", value);
        tag(&hand, id, "owner", value);
    }
    let sandbox = Sandbox::new(&simulator.endpoint());
    let server = sandbox.serve(&RARELY);
    server.swept();
    let id = ids[1].as_str();
    tag(&hand, id, WRITTEN[4], WRITTEN[1]);

    let lines = |words: &[&str]| printed(&sandbox, words).lines().count();
    assert_eq!(lines(&["search", "--all"]), 1 + ids.len());
    assert_eq!(lines(&["query", "SELECT id, name, tags FROM instance"]), 1 + ids.len());
    let stopped: Value = serde_json::from_str(&printed(&sandbox, &["stopped", "--json"])).unwrap();
    assert_eq!(lines(&["stopped"]), 1 + stopped["rows"].as_array().unwrap().len());
    for words in [
        &["count", "--by", "tag:Name"][..],
        &["get", id],
        &["related", id],
        &["changes", "--since", "-1h", "--baseline"],
        &["log", "export"],
    ] {
        printed(&sandbox, words);
    }
    let json: Value =
        serde_json::from_str(&printed(&sandbox, &["query", "SELECT name FROM instance", "--json"])).unwrap();
    let names: Vec<&str> = json["rows"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect();
    for value in WRITTEN {
        assert!(names.contains(&value), "{value:?} is another one in {names:?}");
    }
    let document: Value = serde_json::from_str(&printed(&sandbox, &["get", id, "--json"])).unwrap();
    assert!(document.to_string().contains("two\\r\\nlines"), "{document}");
}
