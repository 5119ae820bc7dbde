//! `muster setup` and `muster teardown`: made, broken, mended and taken away again, on the simulator and on moto.

use std::process::Command;

use serde_json::{Value, json};

use crate::harness::account::Account;
use crate::harness::moto::Moto;
use crate::harness::muster::{Endpoint, Sandbox};
use crate::harness::python::Environment;
use crate::harness::simulator::Simulator;

/// How many things setup makes: two queues, and six rules with a target each.
const STEPS: usize = 2 + 2 * 6;

/// What a command printed and how it ended.
#[derive(Debug)]
struct Said {
    code: i32,
    out: String,
    err: String,
}

impl Said {
    /// How many lines of the output begin so, indented.
    fn count(&self, begins: &str) -> usize {
        self.out.lines().filter(|line| line.trim_start().starts_with(begins)).count()
    }
}

fn said(mut command: Command) -> Said {
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
}

/// An account, from outside and by command line.
struct Stage<'a> {
    sandbox: Sandbox,
    aws: &'a Account,
}

impl<'a> Stage<'a> {
    fn new(endpoint: &Endpoint, aws: &'a Account) -> Self {
        Stage { sandbox: Sandbox::new(endpoint), aws }
    }

    fn run(&self, words: &str) -> Said {
        said(self.sandbox.muster(&words.split_whitespace().collect::<Vec<_>>()))
    }

    /// Runs setup, which must succeed in `done` steps and afterwards find nothing to do.
    fn mended(&self, what: &str, done: usize) -> Said {
        let said = self.run("setup");
        assert_eq!((said.code, said.count("done: ")), (0, done), "{what}: {said:?}");
        let again = self.run("setup");
        assert_eq!((again.code, again.count("done: "), again.count("nothing to do")), (0, 0, 1), "{what}: {again:?}");
        said
    }

    #[expect(clippy::needless_pass_by_value, reason = "every argument is made for one call")]
    fn call(&self, operation: &str, arguments: Value) -> Value {
        self.aws.call(operation, &arguments)
    }

    fn queue_url(&self, name: &str) -> String {
        self.call("sqs.get_queue_url", json!({"QueueName": name}))["QueueUrl"].as_str().unwrap().to_owned()
    }

    /// The names of all rules and the URLs of all queues.
    fn everything(&self) -> (Vec<String>, Vec<String>) {
        let rules = self.call("events.list_rules", json!({}));
        let rules = rules["Rules"].as_array().unwrap().iter().map(|rule| rule["Name"].as_str().unwrap().to_owned());
        let queues = self.call("sqs.list_queues", json!({}));
        let queues = queues["QueueUrls"].as_array().cloned().unwrap_or_default();
        (rules.collect(), queues.iter().map(|url| url.as_str().unwrap().to_owned()).collect())
    }

    /// The next event in the queue that `meant` accepts; fails the test when none comes in time.
    fn event(&self, meant: impl Fn(&Value) -> bool) -> Value {
        let url = self.queue_url("muster-events");
        for _ in 0..10 {
            let asked = json!({"QueueUrl": url, "WaitTimeSeconds": 5, "MaxNumberOfMessages": 10});
            let got = self.call("sqs.receive_message", asked);
            for message in got["Messages"].as_array().into_iter().flatten() {
                let event: Value = serde_json::from_str(message["Body"].as_str().unwrap()).unwrap();
                if meant(&event) {
                    return event;
                }
            }
        }
        panic!("no such event reaches the queue");
    }

    /// Breaks each thing in turn but the queue, and has it mended.
    fn breaks_are_mended(&self) {
        let first = self.run("setup --dry-run");
        assert_eq!((first.code, first.count("would "), self.everything()), (0, STEPS, (vec![], vec![])), "{first:?}");
        let made = self.mended("of nothing", STEPS);
        assert!(made.out.contains("muster serve --region ") && made.out.contains(" --events\n"), "{made:?}");
        let (rules, queues) = self.everything();
        assert_eq!((rules.len(), queues.len()), (6, 2), "{rules:?} {queues:?}");

        self.call("events.disable_rule", json!({"Name": "muster-instances"}));
        let planned = self.run("setup --dry-run");
        let line = "would enable the rule muster-instances (it is disabled, so it sends no events)";
        assert_eq!((planned.code, planned.count(line), planned.count("would ")), (0, 1, 1), "{planned:?}");
        assert_eq!(self.call("events.describe_rule", json!({"Name": "muster-instances"}))["State"], "DISABLED");
        self.mended("a rule disabled", 1);

        self.call("events.put_rule", json!({"Name": "muster-tags", "EventPattern": r#"{"source":["aws.s3"]}"#}));
        let said = self.mended("a pattern changed", 1);
        assert!(said.out.contains(r#"its pattern was changed: source is ["aws.s3"], not"#), "{said:?}");

        self.call("events.remove_targets", json!({"Rule": "muster-calls", "Ids": ["muster"]}));
        let said = self.mended("a target removed", 1);
        assert!(said.out.contains("it has no target, so its events go nowhere"), "{said:?}");

        let (events, dead) = (self.queue_url("muster-events"), self.queue_url("muster-events-dead"));
        self.call("sqs.set_queue_attributes", json!({"QueueUrl": events, "Attributes": {"Policy": ""}}));
        let said = self.mended("the policy removed", 1);
        assert!(said.out.contains("it has no policy, so EventBridge cannot send to it"), "{said:?}");

        let short = json!({"QueueUrl": dead, "Attributes": {"MessageRetentionPeriod": "60"}});
        self.call("sqs.set_queue_attributes", short);
        self.mended("a setting changed", 1);

        for url in [events, dead] {
            self.call("sqs.untag_queue", json!({"QueueUrl": url, "TagKeys": ["muster:created-by"]}));
        }
        let arn = self.call("events.describe_rule", json!({"Name": "muster-health"}))["Arn"].clone();
        self.call("events.untag_resource", json!({"ResourceARN": arn, "TagKeys": ["muster:created-by"]}));
        self.mended("tags removed", 3);

        self.call("events.delete_rule", self.without_targets("muster-alarms"));
        self.mended("a rule deleted", 2);
    }

    /// Takes the target off a rule; the arguments that delete it then.
    fn without_targets(&self, rule: &str) -> Value {
        self.call("events.remove_targets", json!({"Rule": rule, "Ids": ["muster"]}));
        json!({"Name": rule})
    }

    /// Takes all of it away.
    fn is_torn_down(&self) {
        let planned = self.run("teardown --dry-run");
        assert_eq!((planned.code, planned.count("would ")), (0, STEPS), "{planned:?}");
        assert_eq!(self.everything().0.len(), 6);
        let said = self.run("teardown");
        assert_eq!((said.code, said.count("done: ")), (0, STEPS), "{said:?}");
        assert_eq!(self.everything(), (vec![], vec![]));
        let again = self.run("teardown");
        assert_eq!((again.code, again.count("nothing to do")), (0, 1), "{again:?}");
    }
}

#[test]
fn on_the_simulator_what_breaks_is_mended_and_a_change_reaches_the_queue() {
    let simulator = Simulator::start(5, &["--stop-delay", "0s"]);
    let aws = Account::at(&simulator.endpoint());
    let stage = Stage::new(&simulator.endpoint(), &aws);
    stage.breaks_are_mended();
    let running = json!({"Filters": [{"Name": "instance-state-name", "Values": ["running"]}]});
    let found = stage.call("ec2.describe_instances", running);
    let id = found["Reservations"][0]["Instances"][0]["InstanceId"].clone();
    stage.call("ec2.stop_instances", json!({"InstanceIds": [id]}));
    let event = stage.event(|event| event["detail"]["instance-id"] == id);
    assert_eq!(event["source"], "aws.ec2");
    stage.is_torn_down();
}

#[test]
fn on_moto_what_breaks_is_mended_and_a_change_reaches_the_queue() {
    let moto = Moto::start();
    let stage = Stage::new(&moto.endpoint(), &moto);
    stage.breaks_are_mended();
    let detail = json!({"instance-id": "i-0123456789abcdef0", "state": "stopped"}).to_string();
    let entry = json!({"Source": "aws.ec2", "DetailType": "EC2 Instance State-change Notification", "Detail": detail});
    stage.call("events.put_events", json!({"Entries": [entry]}));
    stage.event(|event| event["detail"]["state"] == "stopped");
    stage.is_torn_down();
}

#[test]
fn a_deleted_queue_is_made_again_when_sqs_gives_its_name_back() {
    let simulator = Simulator::start(1, &[]);
    let aws = Account::at(&simulator.endpoint());
    let stage = Stage::new(&simulator.endpoint(), &aws);
    stage.mended("of nothing", STEPS);
    stage.call("sqs.delete_queue", json!({"QueueUrl": stage.queue_url("muster-events")}));
    let said = stage.mended("the queue deleted", 1);
    assert!(said.out.contains("done: create the queue muster-events"), "{said:?}");
    assert!(said.err.contains("blocks the name of a deleted queue"), "{said:?}");
    let again = stage.run("teardown");
    assert_eq!(again.code, 0, "{again:?}");
}

#[test]
fn what_may_not_be_done_is_named_with_the_step_and_what_was_done_before() {
    let simulator = Simulator::start(1, &["--denied", "PutTargets"]);
    let aws = Account::at(&simulator.endpoint());
    let stage = Stage::new(&simulator.endpoint(), &aws);
    let said = stage.run("setup");
    assert_eq!((said.code, said.count("done: "), said.count("not tried: ")), (1, 3, STEPS - 4), "{said:?}");
    assert_eq!(said.count("failed: let the rule muster-instances send to the queue muster-events"), 1, "{said:?}");
    assert!(said.err.contains("events:PutTargets in us-east-1: AccessDenied"), "{said:?}");
    assert!(said.err.contains("Allow events:PutTargets in the IAM policy"), "{said:?}");
    assert!(!said.out.contains("--events"), "{said:?}");
    simulator.control("PUT", "/faults", &json!({}));
    stage.mended("what was denied", STEPS - 3);
}

#[test]
fn a_region_that_fails_holds_no_other() {
    let simulator = Simulator::start(1, &["--dead-region", "eu-west-1"]);
    let aws = Account::at(&simulator.endpoint());
    let stage = Stage::new(&simulator.endpoint(), &aws);
    let said = stage.run("setup --regions eu-west-1,us-east-1 --format json");
    let told: Value = serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {said:?}"));
    assert_eq!(said.code, 1);
    let [dead, alive] = &told["regions"].as_array().unwrap()[..] else { panic!("{told}") };
    assert_eq!((&dead["region"], &alive["region"]), (&json!("eu-west-1"), &json!("us-east-1")));
    assert!(dead["error"].as_str().unwrap().contains("in eu-west-1"), "{told}");
    assert_eq!((alive["error"].is_null(), alive["done"].as_array().unwrap().len()), (true, STEPS), "{told}");
    assert!(alive["queue_url"].as_str().unwrap().ends_with("/123456789012/muster-events"), "{told}");
    assert!(said.err.contains("setup did not complete in eu-west-1"), "{said:?}");
}

#[test]
fn what_is_anothers_stays_as_it_is_unless_it_may_be_adopted() {
    let simulator = Simulator::start(1, &[]);
    let aws = Account::at(&simulator.endpoint());
    let stage = Stage::new(&simulator.endpoint(), &aws);
    stage.call("sqs.create_queue", json!({"QueueName": "muster-events", "Attributes": {"DelaySeconds": "7"}}));
    let refused = stage.run("setup");
    assert_eq!(refused.code, 1, "{refused:?}");
    assert!(refused.err.contains("the queue muster-events exists without the tag"), "{refused:?}");
    assert!(refused.err.contains("--adopt"), "{refused:?}");
    let (rules, queues) = stage.everything();
    assert_eq!((rules.len(), queues.len()), (0, 1));
    let left = stage.run("teardown");
    assert_eq!((left.code, left.count("left: the queue muster-events: ")), (0, 1), "{left:?}");
    let other = stage.run("setup --name other");
    assert_eq!((other.code, other.count("done: ")), (0, STEPS), "{other:?}");
    assert!(other.out.contains("--events other\n"), "{other:?}");
    let adopted = stage.run("setup --adopt");
    assert_eq!(adopted.code, 0, "{adopted:?}");
    stage.mended("adopted", 0);
    assert_eq!(stage.run("teardown").code, 0);
    assert_eq!(stage.everything().1.len(), 2, "the other set stays");
}

#[test]
fn dead_letters_are_named_before_they_go() {
    let simulator = Simulator::start(1, &[]);
    let aws = Account::at(&simulator.endpoint());
    let stage = Stage::new(&simulator.endpoint(), &aws);
    stage.mended("of nothing", STEPS);
    // Without its policy the queue takes nothing, so the canary is undeliverable.
    let (events, dead) = (stage.queue_url("muster-events"), stage.queue_url("muster-events-dead"));
    stage.call("sqs.set_queue_attributes", json!({"QueueUrl": events, "Attributes": {"Policy": ""}}));
    let canary = json!({"Source": "muster.canary", "DetailType": "Muster Canary muster-instances", "Detail": "{}"});
    stage.call("events.put_events", json!({"Entries": [canary]}));
    let asked = json!({"QueueUrl": dead, "WaitTimeSeconds": 10, "VisibilityTimeout": 0});
    let got = stage.call("sqs.receive_message", asked);
    assert_eq!(got["Messages"].as_array().map(Vec::len), Some(1), "{got}");
    let kept = stage.run("teardown");
    let line = "left: the queue muster-events-dead: it has 1 dead letter;";
    assert_eq!((kept.code, kept.count("done: "), kept.count(line)), (0, STEPS - 1, 1), "{kept:?}");
    let gone = stage.run("teardown --discard-dead-letters");
    assert_eq!(
        (gone.code, gone.count("note: deleting the queue muster-events-dead also deletes 1 dead letter")),
        (0, 1),
        "{gone:?}"
    );
    assert_eq!(stage.everything(), (vec![], vec![]));
}

#[test]
fn in_every_partition_that_moto_knows_all_is_made_and_then_nothing_is_to_do() {
    let moto = Moto::alone();
    for (region, partition) in [("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov"), ("us-iso-east-1", "aws-iso")]
    {
        let endpoint = Endpoint { region: region.to_owned(), ..moto.endpoint() };
        let aws = Account::at(&endpoint);
        let stage = Stage::new(&endpoint, &aws);
        stage.mended(region, STEPS);
        let rule = stage.call("events.describe_rule", json!({"Name": "muster-tags"}));
        let begin = format!("arn:{partition}:events:{region}:");
        assert!(rule["Arn"].as_str().unwrap().starts_with(&begin), "{rule}");
    }
}

#[test]
fn a_name_that_cannot_be_one_is_refused_before_anything_is_asked() {
    let sandbox = Sandbox::new(&Endpoint::dead());
    let refused = said(sandbox.muster(&["setup", "--name", "a.b"]));
    assert_eq!(refused.code, 2, "{refused:?}");
    assert!(refused.err.contains("`a.b` cannot begin the names"), "{refused:?}");
}

#[test]
fn the_cloudformation_template_passes_the_linter() {
    // No credentials, no region, no endpoint: nothing is asked.
    let sandbox = Sandbox::bare();
    let template = said(sandbox.muster(&["setup", "--format", "cloudformation", "--name", "team-a"]));
    assert_eq!(template.code, 0, "{template:?}");
    let path = sandbox.path().join("template.json");
    std::fs::write(&path, &template.out).unwrap();
    let mut lint = Environment::CfnLint.program("cfn-lint");
    lint.args(["--regions", "us-east-1,eu-central-1", "--"]).arg(&path);
    let linted = said(lint);
    assert_eq!((linted.code, linted.out.as_str()), (0, ""), "{linted:?}");
}

/// A region of each partition that the linter knows.
const PARTITIONS: [(&str, &str); 3] = [("aws", "eu-west-1"), ("aws-cn", "cn-north-1"), ("aws-us-gov", "us-gov-west-1")];

#[test]
fn every_template_of_an_organization_passes_the_linter_in_every_partition() {
    let sandbox = Sandbox::bare();
    let written = |name: &str, words: &[&str]| {
        let template = said(sandbox.muster(&[&["setup", "--organization"], words].concat()));
        assert_eq!((template.code, template.err.as_str()), (0, ""), "{words:?}: {template:?}");
        let path = sandbox.path().join(format!("{name}.json"));
        std::fs::write(&path, &template.out).unwrap();
        path
    };
    for (partition, region) in PARTITIONS {
        let bus = format!("arn:{partition}:events:{region}:111122223333:event-bus/team.bus");
        let queue = format!("arn:{partition}:sqs:{region}:111122223333:team-central-events");
        let role = format!("arn:{partition}:iam::111122223333:role/servers/muster");
        let organization = ["--central", "--organization-id", "o-a1b2c3d4e5"];
        let ways = [vec![], vec!["--central-bus", &bus], vec!["--central-queue", &queue]];
        let mut paths = Vec::new();
        for (number, way) in ways.iter().enumerate() {
            let account = ["--trust", "111122223333", "--external-id", "muster:7", "--partition", partition];
            let named = ["--trust", &role, "--role-name", "team-reader", "--name", "team", "--role-region", region];
            paths.push(written(&format!("account-{number}"), &[&account[..], way].concat()));
            paths.push(written(&format!("role-{number}"), &[&named[..], way].concat()));
            if !way.is_empty() {
                paths.push(written(&format!("central-{number}"), &[&organization[..], way].concat()));
            }
        }
        let mut lint = Environment::CfnLint.program("cfn-lint");
        lint.args(["--regions", region, "--"]).args(&paths);
        let linted = said(lint);
        assert_eq!((linted.code, linted.out.as_str()), (0, ""), "{partition}: {linted:?}");
    }
}

#[test]
fn a_template_of_an_organization_that_cannot_work_is_refused_before_anything_is_printed() {
    let bus = "arn:aws:events:eu-west-1:111122223333:event-bus/muster";
    for (words, named) in [
        (&["--organization"][..], "--trust is missing"),
        (&["--organization", "--trust", "111122223333", "--external-id="], "is not an external id"),
        (
            &["--organization", "--trust", "111122223333", "--partition", "aws-cn", "--central-bus", bus],
            "different partitions",
        ),
        (&["--trust", "111122223333"], "--organization"),
    ] {
        let refused = said(Sandbox::bare().muster(&[&["setup"], words].concat()));
        assert_eq!((refused.code, refused.out.as_str()), (2, ""), "{words:?}: {refused:?}");
        assert!(refused.err.contains(named), "{words:?}: {refused:?}");
    }
}
