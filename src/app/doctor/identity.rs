//! Whose credentials are in use.

use super::finding::{Check, Finding, Outcome};
use crate::aws::Origin;
use crate::aws::probe::Caller;

pub(super) static CHECK: Check =
    Check { name: "identity", title: "There are credentials, and AWS says whose they are (`sts:GetCallerIdentity`)" };

pub(super) fn judge(origin: &Origin, caller: &Outcome<Caller>) -> Finding {
    let subject = format!("credentials: {origin}");
    match caller {
        Ok(caller) => CHECK.ok(subject, format!("account {}, {}", caller.account, caller.arn)),
        Err(why) => CHECK.failed(subject, &*why.fact, &*why.fix),
    }
}
