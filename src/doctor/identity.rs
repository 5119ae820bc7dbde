//! Checks whose credentials are in use.

use super::finding::{AwsAnswer, Check, Finding};
use crate::aws::probe::CallerIdentity;
use crate::aws::{AccountPlan, Origin};
use crate::model::AccountId;

pub(crate) static CHECK: Check =
    Check { name: "identity", title: "There are credentials, and AWS says whose they are (`sts:GetCallerIdentity`)" };

/// Judges the credentials. `named` is the account of `--account`; `account` is the one that Muster uses.
pub(crate) fn judge(
    origin: &Origin,
    caller: &AwsAnswer<CallerIdentity>,
    named: Option<&AccountId>,
    account: &AwsAnswer<AccountId>,
) -> Finding {
    let subject = format!("credentials: {origin}");
    match (caller, account) {
        (Ok(caller), _) => match named.filter(|named| **named != caller.account) {
            None => CHECK.ok(subject, format!("account {}, {}", caller.account, caller.arn)),
            Some(named) => CHECK.failed(
                subject,
                format!("account {}, {}, but --account says {named}", caller.account, caller.arn),
                "Give credentials of that account, or correct --account.",
            ),
        },
        (Err(why), Ok(account)) => {
            CHECK.warning(subject, format!("account {account} is assumed, not proved: {}", why.fact), &*why.fix)
        }
        (Err(_), Err(why)) => CHECK.failed(subject, &*why.fact, &*why.fix),
    }
}

/// Judges the credentials of one of several accounts.
pub(crate) fn of_member(plan: &AccountPlan, caller: &AwsAnswer<CallerIdentity>) -> Finding {
    let named = plan.account.as_ref();
    match caller {
        Ok(caller) => match named.filter(|named| **named != caller.account) {
            None => CHECK.ok("credentials", format!("account {}, {}", caller.account, caller.arn)),
            Some(named) => CHECK.failed(
                "credentials",
                format!("the credentials are of account {}, not of {named}", caller.account),
                "Correct the entry of the configuration file, or its profile.",
            ),
        },
        Err(why) => CHECK.failed("credentials", &*why.fact, &*why.fix),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::super::finding::tests::denied;
    use super::*;

    #[test]
    fn an_account_that_stands_in_is_a_warning_and_another_than_the_named_one_a_failure() {
        let (ours, other) = (AccountId::new("123456789012"), AccountId::new("999999999999"));
        let caller = |account: &AccountId| Ok(CallerIdentity { account: account.clone(), arn: "arn".into() });
        let silent = || Err(denied("sts:GetCallerIdentity"));
        let verdict = |caller: AwsAnswer<CallerIdentity>, named: Option<&AccountId>, account: AwsAnswer<AccountId>| {
            judge(&Origin::Keys, &caller, named, &account).verdict
        };
        assert_eq!(verdict(caller(&ours), Some(&ours), Ok(ours.clone())), Verdict::Ok);
        assert_eq!(verdict(caller(&other), Some(&ours), Ok(other.clone())), Verdict::Failed);
        assert_eq!(verdict(silent(), Some(&ours), Ok(ours.clone())), Verdict::Warning);
        assert_eq!(verdict(silent(), None, Err(denied("ec2:DescribeInstances"))), Verdict::Failed);
    }
}
