//! The JSON that EventBridge delivers: a happening in AWS's envelope, with the details that AWS gives it.
//!
//! The shapes follow the EC2 and EBS user guides and recorded events (see the project's notes on AWS). Times have a
//! precision of one second, and ids are random and never repeat. EBS spells the ARNs of snapshots in two ways; so does
//! this module.

use serde_json::{Map, Value, json};

use crate::simulator::clock::Moment;
use crate::simulator::happening::{Happening, RoleSession, What};
use crate::simulator::ident;

const EC2: &str = "aws.ec2";

/// The event of a happening. `account_last` chooses one of the two forms of snapshot ARNs that AWS documents.
pub(crate) fn event(happening: &Happening, account_last: bool) -> Value {
    let Happening { at, account, region, what } = happening;
    let arn = |kind: &str, id: &str| format!("arn:aws:ec2:{region}:{account}:{kind}/{id}");
    // Both forms lack the account; one has the region in the account's place.
    let ebs = |kind: &str, id: &str| {
        if account_last {
            format!("arn:aws:ec2::{region}:{kind}/{id}")
        } else {
            format!("arn:aws:ec2:{region}::{kind}/{id}")
        }
    };
    let (source, detail_type, resources, detail) = match what {
        What::InstanceState { id, state } => (
            EC2,
            "EC2 Instance State-change Notification",
            vec![arn("instance", id)],
            json!({ "instance-id": id, "state": state }),
        ),
        What::Volume { id, event, result, cause, request } => (
            EC2,
            "EBS Volume Notification",
            vec![arn("volume", id)],
            json!({ "result": result, "cause": cause, "event": event, "request-id": request }),
        ),
        What::Snapshot { id, volume, event, result, cause, started, ended } => (
            EC2,
            "EBS Snapshot Notification",
            vec![ebs("snapshot", id)],
            json!({
                "event": event, "result": result, "cause": cause, "request-id": "",
                "snapshot_id": ebs("snapshot", id), "source": ebs("volume", volume),
                "startTime": started.iso_bare(), "endTime": ended.iso_bare(),
            }),
        ),
        What::Snapshots { instance: _, result, started, ended, snapshots } => {
            let entries: Vec<Value> = snapshots
                .iter()
                .map(|(id, volume, status)| {
                    json!({ "snapshot_id": ebs("snapshot", id), "source": ebs("volume", volume), "status": status })
                })
                .collect();
            (
                EC2,
                "EBS Multi-Volume Snapshots Completion Status",
                snapshots.iter().map(|(id, ..)| ebs("snapshot", id)).collect(),
                json!({
                    "event": "createSnapshots", "result": result, "cause": "", "request-id": "",
                    "startTime": started.iso_bare(), "endTime": ended.iso_bare(), "snapshots": entries,
                }),
            )
        }
        What::Tags { resource, resource_type, changed, version, tags } => {
            let tags: Map<String, Value> = tags.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
            (
                "aws.tag",
                "Tag Change on Resource",
                vec![arn(resource_type, resource)],
                json!({
                    "changed-tag-keys": changed, "service": "ec2", "resource-type": resource_type, "version": version,
                    "tags": tags,
                }),
            )
        }
        What::Announced { source, detail_type, resources, detail } => {
            (*source, *detail_type, resources.clone(), detail.clone())
        }
        // The events of CloudTrail name no resources.
        What::Call { .. } => (EC2, "AWS API Call via CloudTrail", Vec::new(), record(happening)),
    };
    envelope(account, region, *at, source, detail_type, &resources, &detail)
}

/// The fields that every event has around its `detail`.
pub(crate) fn envelope(
    account: &str,
    region: &str,
    at: Moment,
    source: &str,
    detail_type: &str,
    resources: &[String],
    detail: &Value,
) -> Value {
    json!({
        "version": "0", "id": ident::uuid(), "detail-type": detail_type, "source": source, "account": account,
        "time": at.iso_bare(), "region": region, "resources": resources, "detail": detail,
    })
}

/// CloudTrail's record of a call.
pub(crate) fn record(happening: &Happening) -> Value {
    let Happening { at, account, region, what } = happening;
    let What::Call { name, request, response, error, request_id, by } = what else { return Value::Null };
    let read_only = ["Describe", "Get", "List"].iter().any(|verb| name.starts_with(verb));
    let identity = match &by.session {
        None => json!({
            "type": "IAMUser", "principalId": "AIDASIMULATEDMUSTER00", "arn": format!("arn:aws:iam::{account}:user/muster"),
            "accountId": account, "accessKeyId": "AKIASIMULATEDMUSTER0", "userName": "muster",
        }),
        Some(RoleSession { arn, user, role, source }) => json!({
            "type": "AssumedRole", "principalId": user, "arn": arn, "accountId": account,
            "accessKeyId": "ASIASIMULATEDMUSTER0",
            "sessionContext": {"sessionIssuer": {
                "type": "Role", "principalId": user.split(':').next(), "arn": format!("arn:aws:iam::{account}:role/{role}"),
                "accountId": account, "userName": role,
            }, "sourceIdentity": source},
        }),
    };
    let agent = if by.agent.is_empty() { "muster" } else { by.agent.as_str() };
    let mut record = json!({
        "eventVersion": "1.10",
        "userIdentity": identity,
        "eventTime": at.iso_bare(),
        "eventSource": "ec2.amazonaws.com",
        "eventName": name,
        "awsRegion": region,
        "sourceIPAddress": "127.0.0.1",
        "userAgent": agent,
    });
    let Some(members) = record.as_object_mut() else { return record };
    if let Some((code, message)) = error {
        members.insert("errorCode".to_owned(), Value::String(blamed(code)));
        members.insert("errorMessage".to_owned(), json!(message));
    }
    let rest = json!({
        "requestParameters": request, "responseElements": response, "requestID": request_id, "eventID": ident::uuid(),
        "readOnly": read_only, "eventType": "AwsApiCall", "managementEvent": true, "recipientAccountId": account,
        "eventCategory": "Management",
    });
    if let Value::Object(rest) = rest {
        members.extend(rest);
    }
    record
}

/// An error code as EC2's records show it: prefixed with the side at fault.
fn blamed(code: &str) -> String {
    let whose = match code {
        _ if code.starts_with("Client.") || code.starts_with("Server.") => return code.to_owned(),
        "InternalError" | "InternalFailure" | "InsufficientInstanceCapacity" | "ServiceUnavailable" | "Unavailable" => {
            "Server"
        }
        _ => "Client",
    };
    format!("{whose}.{code}")
}
