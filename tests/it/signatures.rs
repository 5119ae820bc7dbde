//! What boto3 signs is verified, and a request that was changed is not.

use muster::aws::signature::{SentRequest, SignatureFault, Signer, verify};
use muster::model::Timestamp;
use serde_json::Value;

use crate::harness::python::Environment;

const KEY: &str = "AKIAIOSFODNN7EXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";

/// What a request as boto3 sends it is verified to, with `body` in place of its own.
fn verified(sent: &Value, body: Option<&str>) -> Result<Signer, SignatureFault> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let url = text(&sent["url"]);
    let rest = url.strip_prefix("http://127.0.0.1:8377").unwrap();
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    let mut headers: Vec<(String, String)> = vec![("host".to_owned(), "127.0.0.1:8377".to_owned())];
    headers.extend(sent["headers"].as_array().unwrap().iter().map(|it| (text(&it[0]).to_lowercase(), text(&it[1]))));
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let own = text(&sent["body"]);
    let request = SentRequest {
        method: sent["method"].as_str().unwrap(),
        path,
        query,
        headers: &headers,
        body: body.unwrap_or(&own).as_bytes(),
    };
    let now = Timestamp::parse(sent["now"].as_str().unwrap()).unwrap();
    verify(&request, "ec2", |key| (key == KEY).then_some(SECRET), now)
}

#[test]
fn what_boto3_signs_is_verified() {
    let output = Environment::Moto.script("signed.py").args([KEY, SECRET]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let sent: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(sent.len(), 6);
    for request in &sent {
        let expected = match request["what"].as_str() {
            Some("token") => Err(SignatureFault::Temporary),
            _ => Ok(Signer { key: KEY.to_owned(), region: "eu-west-1".to_owned() }),
        };
        assert_eq!(verified(request, None), expected, "{request}");
        if expected.is_ok() {
            assert_eq!(verified(request, Some("Action=DescribeImages")), Err(SignatureFault::NotValid), "{request}");
        }
    }
}
