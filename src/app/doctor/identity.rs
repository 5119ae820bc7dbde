//! Whose credentials are in use.

use super::finding::{Check, Finding, Outcome};
use crate::aws::probe::Caller;

pub(super) static CHECK: Check =
    Check { name: "identity", title: "There are credentials, and AWS says whose they are (`sts:GetCallerIdentity`)" };

pub(super) fn judge(profile: &str, caller: &Outcome<Caller>) -> Finding {
    match caller {
        Ok(caller) => CHECK.ok(format!("profile {profile}"), format!("account {}, {}", caller.account, caller.arn)),
        Err(why) => CHECK.failed(format!("profile {profile}"), &*why.fact, &*why.fix),
    }
}
