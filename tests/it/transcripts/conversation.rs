//! One conversation: it calls tools, writes down what was said, and holds that against what is committed.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use aws_sdk_ec2::types::Tag;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::harness::hand::Hand;
use crate::harness::muster::{RARELY, Sandbox, Serve};
use crate::harness::rpc::{Answer, Client};
use crate::harness::simulator::Simulator;

/// The variable that has transcripts written anew.
const UPDATE: &str = "UPDATE_TRANSCRIPTS";

/// An account, a server that watches it, and what is said.
pub(super) struct Conversation {
    name: &'static str,
    written: String,
    calls: usize,
    client: Client,
    began: Timestamp,
    // They end with the conversation.
    _server: Serve,
    _sandbox: Sandbox,
    _simulator: Simulator,
}

/// Puts a name and further tags on a resource.
pub(super) fn tag(hand: &Hand, id: &str, tags: &[(&str, &str)]) {
    let tags = tags.iter().map(|(key, value)| Tag::builder().key(*key).value(*value).build());
    let call = hand.ec2.create_tags().resources(id).set_tags(Some(tags.collect()));
    hand.runtime.block_on(call.send()).unwrap();
}

/// The ids of instances in a state with so many volumes, in order.
pub(super) fn instances(hand: &Hand, role: &str, state: &str, volumes: usize) -> Vec<String> {
    let listed = hand.runtime.block_on(hand.ec2.describe_instances().send()).unwrap();
    let all = listed.reservations().iter().flat_map(aws_sdk_ec2::types::Reservation::instances);
    let wanted = all.filter(|instance| {
        instance.state().and_then(|state| state.name()).is_some_and(|name| name.as_str() == state)
            && instance.block_device_mappings().len() == volumes
            && instance.tags().iter().any(|tag| tag.value().is_some_and(|value| value == role))
    });
    let mut ids: Vec<String> = wanted.map(|instance| instance.instance_id().unwrap().to_owned()).collect();
    ids.sort();
    ids
}

impl Conversation {
    /// A conversation of this name about an account that `prepare` sets up. `request` is what the person says.
    pub(super) fn begin(
        name: &'static str,
        request: &str,
        flags: &[&str],
        prepare: impl FnOnce(&Simulator, &Hand),
    ) -> Conversation {
        let began = Timestamp::UNIX_EPOCH
            + SignedDuration::try_from(std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap()).unwrap();
        let simulator = Simulator::start(60, flags);
        prepare(&simulator, &Hand::on(&simulator.endpoint()));
        let sandbox = Sandbox::new(&simulator.endpoint());
        let server = sandbox.serve(&[&RARELY[..], &["--allow-writes"]].concat());
        server.swept();
        let client = Client::http(&server.http);
        let written = format!("> {request}\n");
        Conversation {
            name,
            written,
            calls: 0,
            client,
            began,
            _server: server,
            _sandbox: sandbox,
            _simulator: simulator,
        }
    }

    /// Writes down the message of a prompt, which the client sends for the person.
    pub(super) fn prompt(&mut self, name: &str, arguments: &Value) {
        let got = self.client.must("prompts/get", &json!({"name": name, "arguments": arguments}));
        let text = got["messages"][0]["content"]["text"].as_str().unwrap().to_owned();
        writeln!(self.written, "\n## prompt {name} {arguments}\n\n{}", self.settled(&text)).unwrap();
    }

    /// Calls a tool, which must answer.
    pub(super) fn call(&mut self, tool: &str, arguments: &Value) -> Answer {
        let answer = self.answer(tool, arguments);
        self.note(tool, arguments, &answer);
        answer
    }

    /// Calls `wait_for` again and again until it is done, and writes down the last answer.
    pub(super) fn wait(&mut self, arguments: &Value) -> Answer {
        for _ in 0..5 {
            let answer = self.answer("wait_for", arguments);
            if answer.structured["done"] == true {
                self.note("wait_for", arguments, &answer);
                return answer;
            }
        }
        panic!("wait_for {arguments} is never done");
    }

    fn answer(&mut self, tool: &str, arguments: &Value) -> Answer {
        let answer = self.client.call(tool, arguments).unwrap();
        assert!(!answer.is_error, "{tool} {arguments}: {}", answer.text);
        answer
    }

    fn note(&mut self, tool: &str, arguments: &Value, answer: &Answer) {
        self.calls += 1;
        writeln!(
            self.written,
            "\n## {tool}\n\n```json\n{arguments:#}\n```\n\n```text\n{}\n```",
            self.settled(&answer.text)
        )
        .unwrap();
    }

    /// The text with what differs from run to run replaced: times since the conversation began, and counts of records and seconds.
    fn settled(&self, text: &str) -> String {
        let mut out = String::new();
        let mut previous = String::new();
        for piece in text.split_inclusive([' ', '\n', ',', ';', '(', ')', '|', '"']) {
            let (word, end) = piece.split_at(piece.trim_end_matches([' ', '\n', ',', ';', '(', ')', '|', '"']).len());
            let stop = if word.ends_with('.') { "." } else { "" };
            let bare = word.trim_end_matches('.');
            let is_now = |text: &str| {
                let time = text.parse::<Timestamp>();
                time.is_ok_and(|time| time >= self.began - SignedDuration::from_mins(1))
            };
            let is_number = !bare.is_empty() && bare.bytes().all(|byte| byte.is_ascii_digit());
            if is_now(bare) {
                out.push_str("TIME");
                out.push_str(stop);
            } else if is_number && ["seq", "after"].contains(&previous.as_str()) {
                out.push('N');
                out.push_str(stop);
            } else {
                out.push_str(word);
            }
            out.push_str(end);
            if !word.is_empty() {
                bare.clone_into(&mut previous);
            }
        }
        out
    }

    /// Ends the conversation: the transcript is the committed one, and took at most `most` calls.
    pub(super) fn end(self, most: usize) {
        assert!(self.calls <= most, "{} calls: {}", self.calls, self.written);
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/transcripts/{}.md", self.name));
        if std::env::var_os(UPDATE).is_some() {
            fs::write(&path, &self.written).unwrap();
        }
        let committed = fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(
            committed,
            self.written,
            "{} differs: see the difference with {UPDATE}=1, then commit it",
            path.display()
        );
    }
}
