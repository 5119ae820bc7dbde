//! What `benches/ec2_api.rs` measures of a large account, with a small one: that the programs hold, and that walks are true while
//! everything changes.

use std::time::Duration;

use muster::kinds::KINDS;
use serde_json::{Value, json};

use crate::harness::muster::{MUSTER, RARELY, Sandbox, Serve};
use crate::harness::process::Running;
use crate::harness::python::Environment;
use crate::harness::simulator::Simulator;

/// How long the scripts may take to their next line, beside other tests.
const PATIENCE: Duration = Duration::from_mins(5);

/// A simulated account, and a server that has swept it, answers EC2's API and listens to events.
struct Served {
    simulator: Simulator,
    sandbox: Sandbox,
    server: Serve,
}

impl Served {
    fn of(instances: usize) -> Served {
        Served::by(instances, &RARELY)
    }

    fn by(instances: usize, how: &[&str]) -> Served {
        let simulator = Simulator::start(instances, &[]);
        let endpoint = simulator.endpoint();
        let queue = simulator.control("POST", "/listen", &json!({"name": "scale"}))["queue_url"].take();
        let queue = format!("{}={}", endpoint.region, queue.as_str().unwrap());
        let sandbox = Sandbox::new(&endpoint);
        let flags = ["--ec2-api", "127.0.0.1:0", "--queue-url", &queue];
        let server = sandbox.serve(&[how, &flags].concat());
        server.swept();
        Served { simulator, sandbox, server }
    }

    /// Starts a script with these settings and those that all have.
    fn script(&self, name: &str, more: &Value) -> Running {
        let endpoint = self.simulator.endpoint();
        let mut settings = json!({"aws": endpoint.url, "muster": self.server.ec2_api, "region": endpoint.region});
        settings.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let mut script = Environment::Moto.script(name);
        script.arg(settings.to_string());
        script.envs(self.sandbox.environment().iter().map(|(name, value)| (name, value)));
        Running::start(name, script)
    }
}

#[test]
fn boto3_and_many_clients_read_of_the_copy_what_boto3_reads_of_aws() {
    let instances = 120;
    let served = Served::of(instances);
    let actions: Vec<&str> = KINDS.iter().map(|kind| kind.action()).collect();
    let script = served.script(
        "ec2_figures.py",
        &json!({
            "aws_pid": served.simulator.pid(), "muster_pid": served.server.running.pid(), "instances": instances,
            "page": 50, "latencies": [0, 5], "clients": 8, "actions": actions,
        }),
    );
    let mut figures = 0;
    loop {
        let said: Value = serde_json::from_str(&script.line(PATIENCE)).unwrap();
        let Some(figure) = said["figure"].as_str() else { break };
        if figure.contains("calls made to AWS") {
            assert_eq!(said["value"], 0, "{said}");
        }
        figures += 1;
    }
    assert!(figures > 30, "{figures} figures");
}

#[test]
fn each_walk_shows_its_moment_while_two_hundred_changes_a_second_come() {
    // An answer without pages has two parts.
    let (instances, walks, unpaged) = (2_100, 2, 2);
    let served = Served::of(instances);
    let data = served.sandbox.data();
    let script = served.script(
        "ec2_walks.py",
        &json!({
            "page": 300, "walks": walks, "unpaged": unpaged, "changes": 200, "raw": false, "pause": 0.2, "sample": 10,
            "export": [MUSTER, "log", "export", "--data-dir", data],
        }),
    );
    let said: Value = serde_json::from_str(&script.line(PATIENCE)).unwrap();
    let walked = said["walks"].as_array().unwrap();
    let pages: Vec<bool> = walked.iter().map(|walk| walk["pages"].as_u64() > Some(5)).collect();
    assert_eq!(pages, [true, true, false, false], "{said}");
    assert!(walked.iter().all(|walk| walk["moves"] == 0), "{said}");
    assert!(said["records"].as_u64() > Some(200), "{said}");
}

#[test]
fn a_walk_that_is_too_old_goes_on_from_now_and_shows_no_instance_twice() {
    let flags = ["--interval", "all=1h,instance=5s", "--aws-share", "1", "--max-stale", "25s"];
    let served = Served::by(600, &flags);
    let script = served.script(
        "ec2_walks.py",
        &json!({
            "page": 75, "walks": 1, "unpaged": 0, "changes": 50, "raw": false, "pause": 6, "sample": 10,
            "export": [MUSTER, "log", "export", "--data-dir", served.sandbox.data()],
        }),
    );
    let said: Value = serde_json::from_str(&script.line(PATIENCE)).unwrap();
    assert!(said["walks"][0]["moves"].as_u64() > Some(0), "{said}");
    assert_eq!(
        (&said["walks"][0]["twice"], said["walks"][0]["instances"].as_u64() > Some(500)),
        (&json!(0), true),
        "{said}"
    );
}
