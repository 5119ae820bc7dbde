//! boto3 as a client of Muster's EC2 API: each call says how often it was sent and how it was answered.

use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::process::Running;
use super::python::Environment;

/// How long a call may take, with all that boto3 repeats.
const PATIENCE: Duration = Duration::from_mins(2);

/// A boto3 process for one endpoint.
pub(crate) struct Ec2Caller {
    boto3: Mutex<Running>,
}

impl Ec2Caller {
    /// Connects to `endpoint`, with any key.
    pub(crate) fn at(endpoint: &str, region: &str) -> Ec2Caller {
        Ec2Caller::with(endpoint, region, ("testing", "testing"), None)
    }

    /// Connects with a key and its secret, and trusts the authority in this file.
    pub(crate) fn with(endpoint: &str, region: &str, key: (&str, &str), authority: Option<&Path>) -> Ec2Caller {
        let mut boto3 = Environment::Moto.script("ec2_calls.py");
        boto3.arg(json!({"endpoint": endpoint, "region": region, "key": key.0, "secret": key.1}).to_string());
        if let Some(authority) = authority {
            boto3.env("AWS_CA_BUNDLE", authority);
        }
        Ec2Caller { boto3: Mutex::new(Running::start("boto3 at EC2's API", boto3)) }
    }

    /// What a call is answered.
    pub(crate) fn call(&self, operation: &str, arguments: &Value) -> Value {
        self.call_so(operation, arguments, &json!({}))
    }

    /// The same, made in another way than the settings say: see `ec2_calls.py`.
    pub(crate) fn call_so(&self, operation: &str, arguments: &Value, how: &Value) -> Value {
        self.ask(&command(operation, arguments, how))
    }

    /// The items of an answer.
    pub(crate) fn items(&self, operation: &str, arguments: &Value, how: &Value, member: &str) -> Vec<Value> {
        let told = self.call_so(operation, arguments, how);
        let items = told["answer"][member].as_array();
        items.unwrap_or_else(|| panic!("{operation} {arguments} {how}: {told}")).clone()
    }

    /// The items of all pages of `size`, and how many each page has.
    pub(crate) fn pages(
        &self,
        operation: &str,
        arguments: &Value,
        how: &Value,
        member: &str,
        size: usize,
    ) -> (Vec<Value>, Vec<usize>) {
        let (mut all, mut sizes, mut token) = (Vec::new(), Vec::new(), None::<String>);
        loop {
            let mut paged = arguments.as_object().unwrap().clone();
            paged.insert("MaxResults".to_owned(), json!(size));
            if let Some(token) = token.take() {
                paged.insert("NextToken".to_owned(), json!(token));
            }
            let told = self.call_so(operation, &Value::Object(paged), how);
            let items = told["answer"][member].as_array().unwrap_or_else(|| panic!("{operation} {how}: {told}"));
            all.extend(items.iter().cloned());
            sizes.push(items.len());
            match told["answer"]["NextToken"].as_str() {
                Some(next) => token = Some(next.to_owned()),
                None => return (all, sizes),
            }
        }
    }

    /// What so many clients are answered that ask the same at once.
    pub(crate) fn crowd(&self, clients: usize, operation: &str, arguments: &Value) -> Vec<Value> {
        let told = self.ask(&json!({"crowd": clients, "of": command(operation, arguments, &json!({}))}));
        told.as_array().unwrap().clone()
    }

    /// Checks that a call is refused at once, whatever boto3 repeats, and answers the message.
    pub(crate) fn refused(&self, operation: &str, arguments: &Value, how: &Value, expected: (u16, &str)) -> String {
        let mut said = String::new();
        for mode in ["legacy", "standard", "adaptive"] {
            let mut how: Map<String, Value> = how.as_object().unwrap().clone();
            how.insert("mode".to_owned(), json!(mode));
            let told = self.call_so(operation, arguments, &Value::Object(how.clone()));
            assert_eq!((&told["status"], &told["code"]), (&json!(expected.0), &json!(expected.1)), "{how:?}: {told}");
            assert_eq!(told["attempts"], json!(1), "{how:?}: {told}");
            told["message"].as_str().unwrap().clone_into(&mut said);
        }
        said
    }

    fn ask(&self, command: &Value) -> Value {
        let mut boto3 = self.boto3.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(boto3.say(&command.to_string()), "boto3 has ended{}", boto3.tail());
        let line = boto3.line(PATIENCE);
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("{command}: {line}{}", boto3.tail()))
    }
}

fn command(operation: &str, arguments: &Value, how: &Value) -> Value {
    let mut command = how.as_object().unwrap().clone();
    command.extend([("call".to_owned(), json!(operation)), ("arguments".to_owned(), arguments.clone())]);
    Value::Object(command)
}
