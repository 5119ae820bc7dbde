//! One AWS account as boto3 sees it: the other opinion on what AWS holds.

use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use super::PATIENCE;
use super::muster::Endpoint;
use super::process::Running;
use super::python::Environment;

/// A boto3 process for one endpoint and region.
pub(crate) struct Account {
    boto3: Mutex<Running>,
}

impl Account {
    /// Connects to an endpoint.
    pub(crate) fn at(endpoint: &Endpoint) -> Account {
        Account::with(&json!({"endpoint": endpoint.url, "region": endpoint.region}))
    }

    /// Connects to an endpoint as a role, in the role's account.
    pub(crate) fn by_role(endpoint: &Endpoint, role: &str) -> Account {
        Account::with(&json!({"endpoint": endpoint.url, "region": endpoint.region, "role": role}))
    }

    fn with(settings: &Value) -> Account {
        let mut boto3 = Environment::Moto.script("account.py");
        boto3.arg(settings.to_string());
        Account { boto3: Mutex::new(Running::start("boto3", boto3)) }
    }

    /// Fills the account with resources of many shapes; the answer names them.
    pub(crate) fn populate(&self) -> Value {
        self.ask(&json!({"do": "populate"}))
    }

    /// Makes a user who may do only `allow`, has the emulator enforce it from now on, and answers the user's key and secret.
    ///
    /// Afterwards this account's own calls are refused too.
    pub(crate) fn enforce(&self, allow: &[&str]) -> (String, String) {
        let statement = json!({"Effect": "Allow", "Action": allow, "Resource": "*"});
        self.enforce_each(&[json!({"Version": "2012-10-17", "Statement": [statement]})]).remove(0)
    }

    /// The same with a user for each IAM policy.
    pub(crate) fn enforce_each(&self, policies: &[Value]) -> Vec<(String, String)> {
        let keys = self.ask(&json!({"do": "enforce", "policies": policies}));
        let text = |keys: &Value, name: &str| keys[name].as_str().unwrap().to_owned();
        keys.as_array().unwrap().iter().map(|keys| (text(keys, "key"), text(keys, "secret"))).collect()
    }

    /// Launches `count` running instances and names them.
    pub(crate) fn launch(&self, count: usize) -> Vec<String> {
        let images = self.call("ec2.describe_images", &json!({"Owners": ["amazon"]}));
        let image = images["Images"][0]["ImageId"].clone();
        let launched = self.call(
            "ec2.run_instances",
            &json!({"ImageId": image, "MinCount": count, "MaxCount": count, "InstanceType": "t3.micro"}),
        );
        let instances = launched["Instances"].as_array().unwrap();
        instances.iter().map(|instance| instance["InstanceId"].as_str().unwrap().to_owned()).collect()
    }

    /// The state that AWS itself has for an instance.
    pub(crate) fn state_of(&self, instance: &str) -> String {
        let found = self.call("ec2.describe_instances", &json!({"InstanceIds": [instance]}));
        found["Reservations"][0]["Instances"][0]["State"]["Name"].as_str().unwrap().to_owned()
    }

    /// Calls `service.operation` of boto3.
    pub(crate) fn call(&self, operation: &str, arguments: &Value) -> Value {
        self.ask(&json!({"call": operation, "arguments": arguments}))
    }

    /// Calls `service.operation` of boto3 page by page and joins the `member` of all pages.
    pub(crate) fn every(&self, operation: &str, member: &str, arguments: &Value) -> Vec<Value> {
        match self.ask(&json!({"call": operation, "every": member, "arguments": arguments})) {
            Value::Array(members) => members,
            other => panic!("{operation} answers {other}"),
        }
    }

    fn ask(&self, command: &Value) -> Value {
        let mut boto3 = self.boto3.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(boto3.say(&command.to_string()), "boto3 has ended{}", boto3.tail());
        let mut answer: Value = serde_json::from_str(&boto3.line(PATIENCE)).unwrap();
        assert!(answer.get("error").is_none(), "boto3 refuses {command}: {}", answer["error"]);
        answer["ok"].take()
    }
}
