//! Shows the account's own request limits, where Service Quotas has them.
//!
//! AWS documents the default limits, and Muster takes its share of these. An account's raised limits are in Service Quotas, under
//! names that AWS does not document. Those that name a call of Muster are shown as they are.

use super::finding::{AwsAnswer, Check, Finding};
use crate::aws::probe::Quota;
use crate::kinds::KINDS;

pub(crate) static CHECK: Check =
    Check { name: "quota", title: "The account's own limits of EC2 requests, where Service Quotas lets them be read" };

/// How many limits are shown.
const MOST: usize = 12;

pub(crate) fn judge(outcome: &AwsAnswer<Vec<Quota>>) -> Finding {
    let quotas = match outcome {
        Ok(quotas) => quotas,
        Err(why) => {
            return CHECK
                .skipped("EC2 requests", format!("not readable, so AWS's documented limits are used: {}", why.fact));
        }
    };
    let ours: Vec<String> = quotas.iter().filter(|quota| is_ours(&quota.name)).map(shown).collect();
    if ours.is_empty() {
        let fact = format!(
            "none of {} quotas of EC2 is about a call of Muster, so AWS's documented limits are used",
            quotas.len()
        );
        return CHECK.skipped("EC2 requests", fact);
    }
    let left = ours.len().saturating_sub(MOST);
    let more = if left > 0 { format!("; and {left} more") } else { String::new() };
    let first: Vec<&str> = ours.iter().take(MOST).map(String::as_str).collect();
    CHECK.ok("EC2 requests", first.join("; ") + &more)
}

fn shown(quota: &Quota) -> String {
    format!("{}: {}", quota.name, quota.value)
}

fn is_ours(name: &str) -> bool {
    let words: Vec<&str> = name.split(|letter: char| !letter.is_alphanumeric()).collect();
    let calls = KINDS.iter().flat_map(|spec| spec.actions).copied().chain(["ec2:StartInstances", "ec2:StopInstances"]);
    calls.filter_map(|action| action.strip_prefix("ec2:")).any(|call| words.contains(&call))
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::super::finding::tests::denied;
    use super::*;

    #[test]
    fn quotas_of_our_calls_are_shown_and_what_cannot_be_read_is_skipped() {
        let quota = |name: &str| Quota { name: name.to_owned(), value: 20.0 };
        let all = vec![quota("Rate of DescribeInstances requests"), quota("Running On-Demand instances")];
        let finding = judge(&Ok(all.clone()));
        assert_eq!((finding.verdict, &*finding.fact), (Verdict::Ok, "Rate of DescribeInstances requests: 20"));
        assert_eq!(judge(&Ok(all[1..].to_vec())).verdict, Verdict::Skipped);
        assert_eq!(judge(&Err(denied("servicequotas:ListServiceQuotas"))).verdict, Verdict::Skipped);
    }
}
