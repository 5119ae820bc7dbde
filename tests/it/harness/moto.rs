//! The AWS emulator moto, and one account in it through boto3.
//!
//! One emulator serves all tests that run at a moment (it takes seconds to start and 200 MB): each test has a region of its
//! own, and regions share nothing of EC2. It ends with its last user.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};

use serde_json::{Value, json};

use super::PATIENCE;
use super::muster::Endpoint;
use super::process::Running;
use super::python::Environment;

/// Regions the emulator knows. A test takes one and never gives it back.
const REGIONS: [&str; 33] = [
    "us-east-1",
    "us-east-2",
    "us-west-1",
    "us-west-2",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "eu-central-1",
    "eu-central-2",
    "eu-north-1",
    "eu-south-1",
    "eu-south-2",
    "ap-south-1",
    "ap-south-2",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-7",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-east-1",
    "ca-central-1",
    "ca-west-1",
    "sa-east-1",
    "me-south-1",
    "me-central-1",
    "il-central-1",
    "af-south-1",
    "mx-central-1",
    "ap-east-2",
];

/// The account number of the emulator's only account.
pub(crate) const ACCOUNT: &str = "123456789012";

/// The emulator's process.
struct Emulator {
    url: String,
    // Held for its end: dropping it stops the emulator. (The lock makes it shareable; nobody takes it.)
    _running: Mutex<Running>,
}

/// One account and region of the emulator, for one test.
pub(crate) struct Moto {
    emulator: Arc<Emulator>,
    region: &'static str,
    boto3: Mutex<Running>,
}

impl Moto {
    /// An empty region of the shared emulator.
    pub(crate) fn start() -> Moto {
        static SHARED: Mutex<Weak<Emulator>> = Mutex::new(Weak::new());
        static TAKEN: AtomicUsize = AtomicUsize::new(0);
        let emulator = {
            let mut shared = SHARED.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            shared.upgrade().unwrap_or_else(|| {
                let emulator = Arc::new(Emulator::start());
                *shared = Arc::downgrade(&emulator);
                emulator
            })
        };
        let taken = TAKEN.fetch_add(1, Ordering::Relaxed);
        let region = REGIONS.get(taken).expect("more tests use moto than there are regions: add regions to REGIONS");
        let mut boto3 = Environment::Moto.script("account.py");
        boto3.arg(json!({"endpoint": emulator.url, "region": region}).to_string());
        let boto3 = Mutex::new(Running::start("boto3", boto3));
        Moto { emulator, region, boto3 }
    }

    /// Where AWS is, for Muster.
    pub(crate) fn endpoint(&self) -> Endpoint {
        Endpoint { url: self.emulator.url.clone(), region: self.region.to_owned() }
    }

    /// Fills the account with resources of many shapes; the answer names them.
    pub(crate) fn populate(&self) -> Value {
        self.ask(&json!({"do": "populate"}))
    }

    /// Launches `count` running instances and names them.
    pub(crate) fn launch(&self, count: usize) -> Vec<String> {
        let images = self.call("ec2.describe_images", json!({"Owners": ["amazon"]}));
        let image = images["Images"][0]["ImageId"].clone();
        let launched = self.call(
            "ec2.run_instances",
            json!({"ImageId": image, "MinCount": count, "MaxCount": count, "InstanceType": "t3.micro"}),
        );
        let instances = launched["Instances"].as_array().unwrap();
        instances.iter().map(|instance| instance["InstanceId"].as_str().unwrap().to_owned()).collect()
    }

    /// The state that AWS itself has for an instance.
    pub(crate) fn state_of(&self, instance: &str) -> String {
        let found = self.call("ec2.describe_instances", json!({"InstanceIds": [instance]}));
        found["Reservations"][0]["Instances"][0]["State"]["Name"].as_str().unwrap().to_owned()
    }

    /// Calls `service.operation` of boto3.
    pub(crate) fn call(&self, operation: &str, arguments: Value) -> Value {
        self.ask(&json!({"call": operation, "arguments": arguments}))
    }

    /// Calls `service.operation` of boto3 page by page and joins the `member` of all pages.
    pub(crate) fn every(&self, operation: &str, member: &str, arguments: Value) -> Vec<Value> {
        match self.ask(&json!({"call": operation, "every": member, "arguments": arguments})) {
            Value::Array(members) => members,
            other => panic!("{operation} answers {other}"),
        }
    }

    fn ask(&self, command: &Value) -> Value {
        let mut boto3 = self.boto3.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        assert!(boto3.say(&command.to_string()), "boto3 has ended{}", boto3.tail());
        let mut answer: Value = serde_json::from_str(&boto3.line(PATIENCE)).unwrap();
        assert!(answer.get("error").is_none(), "boto3 refuses {command}: {}", answer["error"]);
        answer["ok"].take()
    }
}

impl Emulator {
    fn start() -> Emulator {
        let running = Running::start("moto", Environment::Moto.script("emulator.py"));
        let said: Value = serde_json::from_str(&running.line(PATIENCE)).unwrap();
        Emulator { url: said["endpoint"].as_str().unwrap().to_owned(), _running: Mutex::new(running) }
    }
}
