//! Each action of `muster setup` and `muster teardown` denied in turn, by the simulator: the command fails and names it, and with
//! the action it succeeds.

use std::collections::BTreeSet;

use muster::aws::permissions::all;
use serde_json::{Value, json};

use crate::harness::account::Account;
use crate::harness::muster::Sandbox;
use crate::harness::simulator::Simulator;

/// What there is before the command runs.
#[derive(Clone, Copy)]
enum Before {
    Nothing,
    /// What setup makes.
    Made,
    /// The same, with a rule that somebody disabled and a queue policy that somebody removed.
    Broken,
    /// A rule and a queue of these names that Muster did not make.
    Foreign,
}

const SETUP: &[&str] = &["setup"];
const ADOPT: &[&str] = &["setup", "--adopt"];
const EVERYWHERE: &[&str] = &["setup", "--regions", "all"];
const TEARDOWN: &[&str] = &["teardown"];

/// The denied action, what there is, and the command that needs the action.
const CASES: [(&str, Before, &[&str]); 18] = [
    ("ec2:DescribeRegions", Before::Nothing, EVERYWHERE),
    ("events:TestEventPattern", Before::Nothing, SETUP),
    ("events:DescribeRule", Before::Nothing, SETUP),
    ("events:PutRule", Before::Nothing, SETUP),
    ("events:PutTargets", Before::Nothing, SETUP),
    ("events:ListTagsForResource", Before::Made, SETUP),
    ("events:ListTargetsByRule", Before::Made, SETUP),
    ("events:EnableRule", Before::Broken, SETUP),
    // The simulator asks for it where a rule or queue is tagged by itself, and not where it is made with a tag.
    ("events:TagResource", Before::Foreign, ADOPT),
    ("events:RemoveTargets", Before::Made, TEARDOWN),
    ("events:DeleteRule", Before::Made, TEARDOWN),
    ("sqs:GetQueueUrl", Before::Nothing, SETUP),
    ("sqs:CreateQueue", Before::Nothing, SETUP),
    ("sqs:GetQueueAttributes", Before::Made, SETUP),
    ("sqs:ListQueueTags", Before::Made, SETUP),
    ("sqs:SetQueueAttributes", Before::Broken, SETUP),
    ("sqs:TagQueue", Before::Foreign, ADOPT),
    ("sqs:DeleteQueue", Before::Made, TEARDOWN),
];

/// Runs a command for one name; what it said on standard error where it failed.
fn run(sandbox: &Sandbox, command: &[&str], name: &str) -> Result<(), String> {
    let output = sandbox.muster(&[command, &["--name", name]].concat()).output().unwrap();
    if output.status.success() { Ok(()) } else { Err(String::from_utf8(output.stderr).unwrap()) }
}

fn prepare(before: Before, sandbox: &Sandbox, account: &Account, name: &str) {
    if matches!(before, Before::Made | Before::Broken) {
        run(sandbox, SETUP, name).unwrap();
    }
    match before {
        Before::Nothing | Before::Made => {}
        Before::Broken => {
            account.call("events.disable_rule", &json!({"Name": format!("{name}-tags")}));
            let queue = account.call("sqs.get_queue_url", &json!({"QueueName": format!("{name}-events")}));
            let none = json!({"QueueUrl": queue["QueueUrl"], "Attributes": {"Policy": ""}});
            account.call("sqs.set_queue_attributes", &none);
        }
        Before::Foreign => {
            let pattern = json!({"source": ["aws.ec2"]}).to_string();
            account.call("events.put_rule", &json!({"Name": format!("{name}-tags"), "EventPattern": pattern}));
            account.call("sqs.create_queue", &json!({"QueueName": format!("{name}-events")}));
        }
    }
}

#[test]
fn each_action_of_setup_and_teardown_is_needed_and_named_where_it_is_denied() {
    let needed = |sid: &&str| sid.starts_with("MusterSetup");
    let mut table: BTreeSet<&str> = all()
        .iter()
        .filter(|permission| permission.sids.iter().any(&needed))
        .map(|permission| permission.action)
        .collect();
    // AWS allows it to everybody.
    assert!(table.remove("sts:GetCallerIdentity"));
    assert_eq!(CASES.map(|(action, ..)| action).into_iter().collect::<BTreeSet<_>>(), table);

    let simulator = Simulator::start(2, &[]);
    let sandbox = Sandbox::new(&simulator.endpoint());
    let account = Account::at(&simulator.endpoint());
    for (number, (action, before, command)) in CASES.into_iter().enumerate() {
        let name = format!("case{number}");
        prepare(before, &sandbox, &account, &name);
        let call = action.split(':').nth(1).unwrap();
        simulator.control("PATCH", "/faults", &json!({"denied": [call]}));
        let said = run(&sandbox, command, &name).expect_err(action);
        assert!(said.contains(&format!("Allow {action} in the IAM policy")), "{action}: {said}");
        simulator.control("PATCH", "/faults", &json!({"denied": Value::Null}));
        run(&sandbox, command, &name).unwrap_or_else(|said| panic!("with {action}: {said}"));
    }
}
