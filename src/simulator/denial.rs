//! The encoded text with which EC2 denies a call, and what STS decodes it to.

use std::fmt::Write as _;

use serde_json::json;

use crate::simulator::faults::Case;

/// The encoded text of a denial. On AWS it says nothing to anybody but AWS; here its hexadecimal digits name the call.
pub(crate) fn encoded(Case { action, account, region, .. }: &Case) -> String {
    let mut digits = String::new();
    for byte in format!("{account}/{region}/{action}").bytes() {
        _ = write!(digits, "{byte:02x}");
    }
    digits
}

/// What an encoded text says; `None` if it is none of the simulator's.
pub(crate) fn decoded(encoded: &str) -> Option<String> {
    let digits = encoded.as_bytes().chunks(2).map(|pair| {
        let pair = std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?;
        u8::from_str_radix(pair, 16).ok()
    });
    let text = String::from_utf8(digits.collect::<Option<Vec<u8>>>()?).ok()?;
    let mut parts = text.splitn(3, '/');
    let (account, region, action) = (parts.next()?, parts.next()?, parts.next()?);
    let condition = json!({"key": "ec2:Region", "values": {"items": [{"value": region}]}});
    let said = json!({
        "allowed": false,
        "explicitDeny": false,
        "matchedStatements": {"items": []},
        "failures": {"items": []},
        "context": {
            "principal": {"id": "AIDASIMULATEDMUSTER00", "arn": format!("arn:aws:iam::{account}:user/muster")},
            "action": format!("ec2:{action}"),
            "resource": format!("arn:aws:ec2:{region}:{account}:instance/*"),
            "conditions": {"items": [condition]},
        },
    });
    Some(said.to_string())
}
