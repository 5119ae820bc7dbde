//! What troubles of different scopes have in common.

use crate::model::text::shown;
use crate::model::{Scope, Trouble};

/// The longest cause.
const LONGEST: usize = 80;
/// Runs of digits as long as this are masked: ages, ports and account numbers differ between scopes, error codes hardly.
const DIGITS: usize = 3;

/// The cause of a trouble: AWS's error code, or what happened where no code says it. The text of an error of AWS is
/// `action in region: cause: details`.
#[must_use]
pub fn cause(trouble: &Trouble, scope: &Scope) -> String {
    let what = trouble.what.as_str();
    let of_call = what.split_once(": ").filter(|(call, _)| call.split(' ').next().is_some_and(is_action));
    let told = of_call.map_or(what, |(_, told)| told.split(": ").next().unwrap_or(told));
    shown(&masked(told, scope), LONGEST)
}

/// A text without what differs between scopes: their names, times and numbers.
#[must_use]
pub fn masked(text: &str, scope: &Scope) -> String {
    let text = text.replace(&scope.to_string(), "*").replace(scope.account.as_str(), "*");
    let text = text.replace(scope.region.as_str(), "*");
    let mut masked = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(start) = rest.find(|letter: char| letter.is_ascii_digit()) {
        let (before, digits) = rest.split_at(start);
        let end = digits.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(digits.len());
        let (digits, after) = digits.split_at(end);
        masked.push_str(before);
        masked.push_str(if digits.len() < DIGITS && !after.starts_with(" s") { digits } else { "*" });
        rest = after;
    }
    masked.push_str(rest);
    masked
}

/// Whether a word is the name of an action, such as `ec2:DescribeVpcs`.
fn is_action(word: &str) -> bool {
    let parts = word.split_once(':');
    parts.is_some_and(|(service, name)| {
        !service.is_empty() && name.starts_with(|first: char| first.is_ascii_uppercase())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AccountId, ErrorClass, Region, Timestamp};

    fn scope(account: &str, region: &str) -> Scope {
        Scope { account: AccountId::new(account), region: Region::new(region) }
    }

    fn of(what: &str, scope: &Scope) -> String {
        let (what, fix, since) = (what.to_owned(), String::new(), Timestamp::default());
        cause(&Trouble { class: ErrorClass::Denied.into(), what, fix, since, retry_at: None }, scope)
    }

    #[test]
    fn the_cause_is_the_code_whatever_the_account_and_the_action() {
        let denied = |action: &str, account: &str, region: &str| {
            let what = format!(
                "{action} in {region}: UnauthorizedOperation: You are not authorized; arn:aws:iam::{account}:role/r"
            );
            of(&what, &scope(account, region))
        };
        assert_eq!(denied("ec2:DescribeVpcs", "111111111111", "eu-west-1"), "UnauthorizedOperation");
        assert_eq!(denied("ec2:DescribeInstances", "222222222222", "us-east-1"), "UnauthorizedOperation");
        assert_eq!(of("sts:AssumeRole: AccessDenied: no", &scope("111111111111", "eu-west-1")), "AccessDenied");
        assert_eq!(
            of("ec2:DescribeVpcs in eu-west-1: AWS could not be reached", &scope("1", "eu-west-1")),
            "AWS could not be reached"
        );
        let of_bug =
            |account| of(&format!("sweeping VPCs of {account}/us-east-1 failed"), &scope(account, "us-east-1"));
        assert_eq!(of_bug("111111111111"), of_bug("222222222222"));
    }

    #[test]
    fn ages_and_numbers_are_masked() {
        let masked = |text: &str| masked(text, &scope("111111111111", "eu-west-1"));
        assert_eq!(masked("last complete sweep 7 s ago in eu-west-1"), "last complete sweep * s ago in *");
        assert_eq!(masked("last complete sweep 7123 s ago"), "last complete sweep * s ago");
        assert_eq!(masked("ec2:X answered 2 of 111111111111/eu-west-1"), "ec2:X answered 2 of *");
    }
}
