//! What works and what breaks under the policy, by an emulator that checks permissions.
//!
//! Moto compares the names of actions alone: it asks every statement about the resource `*`, and takes a condition for a refusal.
//! So resources and conditions are left out of what it is given, and `known` judges them by AWS's own table. It lets
//! `sts:GetCallerIdentity` pass whatever a policy says, as AWS does. It does not ask for `ec2:CreateTags` when snapshots are made
//! with tags, nor for keys, so nothing here shows what these actions are for. `cloudtrail:LookupEvents` and `servicequotas:ListServiceQuotas` it
//! denies, and where they are allowed it does not know them.

use std::collections::BTreeSet;
use std::sync::Mutex;

use muster::aws::permissions::{Breakage, IMPLIED, Permission, all};
use serde_json::{Value, json};

use super::{printed, tools};
use crate::harness::eventually;
use crate::harness::moto::Moto;
use crate::harness::muster::{RARELY, Sandbox};
use crate::harness::rpc::Client;

/// How many users work at a time.
const AT_ONCE: usize = 3;

/// How it shows that an action is denied.
enum Shown {
    /// A server's sweeps of this kind fail, and of no other.
    Sweeps(&'static str),
    /// Doctor finds it with these flags: this check has this verdict and names the action, and no other permission fails.
    Doctor { flags: &'static [&'static str], check: &'static str, verdict: &'static str },
    /// Nothing here can show it, for this reason.
    Nothing,
}

fn shown(permission: &Permission) -> Shown {
    const EVENTS: &[&str] = &["--events"];
    let doctor = |flags, check, verdict| Shown::Doctor { flags, check, verdict };
    match (permission.breaks, permission.action) {
        (Breakage::Kind(spec), _) => Shown::Sweeps(spec.slug),
        // AWS, like moto, allows the first to everybody; moto encodes no reason, and knows no keys of others; it does not ask for what
        // is implied.
        (_, "sts:GetCallerIdentity" | "sts:DecodeAuthorizationMessage" | "sts:GetAccessKeyInfo") => Shown::Nothing,
        (_, action) if IMPLIED.contains(&action) => Shown::Nothing,
        // Doctor looks for it only where a configuration file has EC2's read API answered.
        (_, "ec2:DescribeAvailabilityZones") => Shown::Nothing,
        (_, "ec2:DescribeRegions") => doctor(&["--regions", "all"], "permission", "failed"),
        (_, "cloudtrail:LookupEvents") => doctor(&[], "permission", "warning"),
        (_, "servicequotas:ListServiceQuotas") => doctor(&[], "quota", "skipped"),
        (_, action) if action.starts_with("ec2:") => doctor(&["--allow-writes"], "permission", "failed"),
        _ => doctor(EVENTS, "permission", "failed"),
    }
}

/// The policy as moto can judge it, without one action if that is given.
fn judged(policy: &Value, without: Option<&str>) -> Value {
    let mut policy = policy.clone();
    for statement in policy["Statement"].as_array_mut().unwrap() {
        let statement = statement.as_object_mut().unwrap();
        statement.insert("Resource".to_owned(), json!("*"));
        statement.remove("Condition");
        let actions = statement["Action"].as_array_mut().unwrap();
        actions.retain(|action| Some(action.as_str().unwrap()) != without);
    }
    policy["Statement"].as_array_mut().unwrap().retain(|statement| statement["Action"] != json!([]));
    policy
}

/// A sandbox with a user's keys, and a data directory of its own.
fn of_user(moto: &Moto, (key, secret): &(String, String)) -> Sandbox {
    let mut sandbox = Sandbox::new(&moto.endpoint());
    let data = sandbox.data().to_str().unwrap().to_owned();
    sandbox.set("MUSTER_DATA_DIR", &data);
    sandbox.set("AWS_ACCESS_KEY_ID", key);
    sandbox.set("AWS_SECRET_ACCESS_KEY", secret);
    sandbox
}

/// The kinds whose sweeps fail, with why, once each is swept or fails; and how many resources each kind has.
fn sweeps(sandbox: &Sandbox) -> (Vec<(String, String)>, Value) {
    let server = sandbox.serve(&RARELY);
    let mut client = Client::http(&server.http);
    eventually("every kind is swept, or fails", || {
        let scopes = client.try_read("ec2://inventory/freshness").ok()?["scopes"].as_array()?.clone();
        let is_settled = |scope: &&Value| scope["sweep"] == "complete" || scope["failure"].is_object();
        let is_all = scopes.len() == muster::kinds::KINDS.len() && scopes.iter().all(|scope| is_settled(&scope));
        let failing = scopes.iter().filter(|scope| scope["failure"].is_object());
        let told = |scope: &Value| (scope["kind"].as_str().unwrap().to_owned(), scope["failure"].to_string());
        is_all.then(|| failing.map(told).collect::<Vec<_>>())
    });
    // Once more, so that a failure after the first look counts as well.
    let scopes = client.read("ec2://inventory/freshness")["scopes"].as_array().unwrap().clone();
    let failing = scopes.iter().filter(|scope| scope["failure"].is_object());
    let told = failing.map(|scope| (scope["kind"].as_str().unwrap().to_owned(), scope["failure"].to_string()));
    (told.collect(), client.read("ec2://inventory/summary")["totals"].clone())
}

/// What doctor finds.
fn findings(sandbox: &Sandbox, flags: &[&str]) -> Vec<Value> {
    let output = sandbox.muster(&[&["doctor", "--json"], flags].concat()).output().unwrap();
    let said: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let findings = said["findings"].as_array().cloned();
    findings.unwrap_or_else(|| panic!("{flags:?}: {}", String::from_utf8_lossy(&output.stderr)))
}

/// The permissions that fail.
fn denied(findings: &[Value]) -> BTreeSet<&str> {
    let failed = findings.iter().filter(|finding| finding["check"] == "permission" && finding["verdict"] == "failed");
    failed.map(|finding| finding["subject"].as_str().unwrap()).collect()
}

/// Judges what a user sees who may do everything but one action. `running` and `stopped` are instances.
fn judge(moto: &Moto, keys: &(String, String), permission: &Permission, whole: &Value, [running, stopped]: [&str; 2]) {
    let action = permission.action;
    let said = format!("not authorized to perform: {action}");
    let sandbox = of_user(moto, keys);
    match shown(permission) {
        Shown::Nothing => {}
        Shown::Sweeps(kind) => {
            let (failing, totals) = sweeps(&sandbox);
            let [(only, failure)] = &failing[..] else { panic!("without {action}: {failing:?}") };
            assert_eq!(only, kind, "{action}: {failure}");
            assert!(failure.contains(&said), "{action}: {failure}");
            for (other, total) in whole.as_object().unwrap() {
                // Images of others are listed for the instances that use them.
                if (kind, other.as_str()) == ("instance", "image") {
                    assert!(
                        totals[other].as_u64() < total.as_u64() && permission.without().contains("images"),
                        "{totals}"
                    );
                    continue;
                }
                let expected = if other == kind { &json!(0) } else { total };
                assert_eq!(totals.get(other).unwrap_or(&json!(0)), expected, "{other} without {action}: {totals}");
            }
        }
        Shown::Doctor { flags, check, verdict } => {
            let found = findings(&sandbox, flags);
            let names = |finding: &&Value| {
                finding["check"] == check && finding["verdict"] == verdict && finding.to_string().contains(&said)
            };
            let finding = found.iter().find(names).unwrap_or_else(|| panic!("{action}: {found:#?}"));
            if check == "permission" {
                assert!(finding["fact"].as_str().unwrap().contains(&*permission.without()), "{finding}");
                let allowed = finding["statements"].as_array().unwrap().iter().map(|statement| &statement["Action"]);
                assert!(finding["denied"] == action && allowed.clone().count() > 0, "{finding}");
                assert!(allowed.into_iter().all(|actions| *actions == json!([action])), "{finding}");
            }
            let expected = if (check, verdict) == ("permission", "failed") { vec![action] } else { vec![] };
            assert_eq!(denied(&found).into_iter().collect::<Vec<_>>(), expected, "{action}: {found:#?}");
            if let Some(tool) = tools::of(action) {
                tools::is_denied(&sandbox, tool, action, [running, stopped]);
            }
        }
    }
}

#[test]
fn under_exactly_the_policy_everything_works_and_each_action_breaks_what_the_table_says() {
    let moto = Moto::alone();
    moto.populate();
    let [running, stopped] = &moto.launch(2)[..] else { panic!("two are launched") };
    moto.call("ec2.stop_instances", &json!({"InstanceIds": [stopped]}));
    let instances = [running.as_str(), stopped.as_str()];
    let set_up = Sandbox::new(&moto.endpoint()).muster(&["setup"]).output().unwrap();
    assert!(set_up.status.success(), "{}", String::from_utf8_lossy(&set_up.stderr));

    let policy = printed(&["--events", "--writes"]);
    let elsewhere = ["MusterSetup", "MusterReadOrganization"];
    let is_setup = |permission: &Permission| {
        permission.sids.iter().all(|sid| elsewhere.iter().any(|elsewhere| sid.starts_with(elsewhere)))
    };
    let permissions: Vec<Permission> = all().into_iter().filter(|permission| !is_setup(permission)).collect();
    let reading = judged(&printed(&["--events"]), None);
    let mut policies = vec![reading, judged(&policy, None)];
    policies.extend(permissions.iter().map(|permission| judged(&policy, Some(permission.action))));
    let keys = moto.enforce_each(&policies);
    let [reader, writer, others @ ..] = &keys[..] else { panic!("{keys:?}") };

    // What reading needs is enough for every sweep, and for doctor.
    let sandbox = of_user(&moto, reader);
    let (failing, totals) = sweeps(&sandbox);
    assert_eq!(failing, [], "{totals}");
    let held = totals.as_object().unwrap().values().filter(|total| **total != json!(0)).count();
    assert!(held >= muster::kinds::KINDS.len() - 1, "{totals}");
    let found = findings(&sandbox, &["--events"]);
    let failed: Vec<&Value> = found.iter().filter(|finding| finding["verdict"] == "failed").collect();
    assert!(failed.is_empty(), "{failed:#?}");
    let found = findings(&sandbox, &["--regions", "all"]);
    assert!(!denied(&found).contains("ec2:DescribeRegions"), "{found:#?}");
    // And not for the tools; with the statements for writes they are allowed.
    let found = findings(&sandbox, &["--allow-writes"]);
    let changes = ["ec2:CreateSnapshots", "ec2:RebootInstances", "ec2:StartInstances", "ec2:StopInstances"];
    assert_eq!(denied(&found), changes.into(), "{found:#?}");
    let found = findings(&of_user(&moto, writer), &["--allow-writes"]);
    assert_eq!(denied(&found), BTreeSet::new(), "{found:#?}");

    // One queue for all: those who receive from it come one after the other.
    let (receiving, parallel): (Vec<_>, Vec<_>) = permissions.iter().zip(others).partition(
        |(permission, _)| matches!(shown(permission), Shown::Doctor { flags, .. } if flags.contains(&"--events")),
    );
    assert!(receiving.len() > 6 && parallel.len() > 15, "{} and {}", receiving.len(), parallel.len());
    for (permission, keys) in receiving {
        judge(&moto, keys, permission, &totals, instances);
    }
    let work = Mutex::new(parallel.into_iter());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let next = work.lock().unwrap().next();
                    let Some((permission, keys)) = next else { break };
                    judge(&moto, keys, permission, &totals, instances);
                }
            });
        }
    });
    // Last, since they change what the others count.
    tools::are_allowed(&of_user(&moto, writer), instances);
}
