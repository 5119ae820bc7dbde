//! Groups what was found in many accounts and regions by its cause: what a thousand of them have in common is one finding.

use std::collections::{BTreeMap, BTreeSet};

use super::finding::{Finding, Verdict};

/// How many subjects are named, of those that have a fault in common.
const SUBJECTS: usize = 3;

/// The policies that AWS names in a denial, which somebody else than the account's own people may have made.
const POLICIES: [&str; 4] =
    ["service control policy", "resource control policy", "permissions boundary", "session policy"];

/// What was found in one account, or in one region of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PlacedFinding {
    /// The account: its number, and what people call it.
    pub(crate) account: String,
    /// What was found, with its region if it has one.
    pub(crate) finding: Finding,
}

/// The findings with one cause.
struct FindingGroup {
    /// One of them.
    first: PlacedFinding,
    accounts: BTreeSet<String>,
    /// How many regions of accounts are among them.
    regions: BTreeSet<(String, String)>,
    subjects: Vec<String>,
    has_one_fix: bool,
}

/// Groups findings by check, verdict and cause. What is well has one finding a check. The order is that of the first of each group.
pub(crate) fn grouped(found: Vec<PlacedFinding>) -> Vec<Finding> {
    let mut places: BTreeMap<(&'static str, Verdict, String), usize> = BTreeMap::new();
    let mut groups: Vec<FindingGroup> = Vec::new();
    for placed in found {
        let is_well = placed.finding.verdict == Verdict::Ok;
        let cause = if is_well { String::new() } else { cause(&placed) };
        let key = (placed.finding.check, placed.finding.verdict, cause);
        let place = *places.entry(key).or_insert(groups.len());
        match groups.get_mut(place) {
            Some(group) => group.add(&placed),
            None => groups.push(FindingGroup::of(&placed)),
        }
    }
    groups.into_iter().map(FindingGroup::finding).collect()
}

impl FindingGroup {
    fn of(first: &PlacedFinding) -> Self {
        let mut group = FindingGroup {
            accounts: BTreeSet::new(),
            regions: BTreeSet::new(),
            subjects: Vec::new(),
            has_one_fix: true,
            first: first.clone(),
        };
        group.add(first);
        group
    }

    fn add(&mut self, placed: &PlacedFinding) {
        self.accounts.insert(placed.account.clone());
        if let Some(region) = &placed.finding.region {
            self.regions.insert((placed.account.clone(), region.to_string()));
        }
        if !self.subjects.contains(&placed.finding.subject) {
            self.subjects.push(placed.finding.subject.clone());
        }
        self.has_one_fix &= placed.finding.fix == self.first.finding.fix;
    }

    /// The finding that stands for all of them. One that stands for itself alone says the same as before, and where.
    fn finding(self) -> Finding {
        let places = self.places();
        let PlacedFinding { account, finding } = self.first;
        let is_alone = self.accounts.len() == 1 && self.regions.len() <= 1;
        let example =
            finding.region.as_ref().map_or_else(|| account.clone(), |region| format!("{account} in {region}"));
        let fact = match finding.verdict {
            Verdict::Ok => format!("{places}: nothing is wrong"),
            _ if is_alone => format!("{places}: {}", finding.fact),
            _ => format!("{places}, such as {example}: {}", finding.fact),
        };
        let named = self.subjects.iter().take(SUBJECTS).cloned().collect::<Vec<_>>().join(", ");
        let subject = match self.subjects.len() {
            _ if finding.verdict == Verdict::Ok => "accounts".to_owned(),
            count if count > SUBJECTS => format!("{named} and {} more", count - SUBJECTS),
            _ => named,
        };
        let fix =
            finding.fix.map(|fix| if self.has_one_fix { fix } else { format!("{fix} Do the same for the others.") });
        let denied = finding.denied.filter(|_| self.subjects.len() == 1);
        Finding { subject, fact, fix, denied, region: None, ..finding }
    }

    /// Where it was found.
    fn places(&self) -> String {
        let accounts = match self.accounts.len() {
            1 => format!("account {}", self.first.account),
            count => format!("{count} accounts"),
        };
        match self.regions.len() {
            0 => accounts,
            1 => {
                format!("{accounts} in {}", self.regions.first().map(|(_, region)| region.as_str()).unwrap_or_default())
            }
            count => format!("{count} regions of {accounts}"),
        }
    }
}

/// What findings of different places have in common: the fact without what names the place, and of an error of AWS, whose text is
/// `action in region: code: details`, what comes before the details, without the action, and which policy denied it.
fn cause(placed: &PlacedFinding) -> String {
    let Finding { fact, region, .. } = &placed.finding;
    let parts: Vec<&str> = fact.split(": ").collect();
    let told = match parts.iter().position(|part| part.split(' ').next().is_some_and(is_action)) {
        Some(call) => {
            let before = parts.iter().take(call);
            let after: Vec<&&str> = parts.iter().skip(call + 1).collect();
            let code = after.iter().position(|part| is_code(part)).unwrap_or_default();
            let denied_by = POLICIES.iter().filter(|policy| fact.contains(**policy));
            before.chain(after.into_iter().take(code + 1)).chain(denied_by).copied().collect()
        }
        None => parts,
    };
    let number = placed.account.split(' ').next().unwrap_or_default();
    let masked = told.join(": ").replace(&placed.account, "*").replace(number, "*");
    region.as_ref().map_or(masked.clone(), |region| masked.replace(region.as_str(), "*"))
}

/// Whether a text is an error code, such as `UnauthorizedOperation`.
fn is_code(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.';
    text.starts_with(|first: char| first.is_ascii_uppercase()) && text.bytes().all(is_plain)
}

/// Whether a word is the name of an action, such as `ec2:DescribeVpcs`.
fn is_action(word: &str) -> bool {
    word.split_once(':').is_some_and(|(service, name)| {
        !service.is_empty() && name.starts_with(|first: char| first.is_ascii_uppercase())
    })
}

#[cfg(test)]
mod tests {
    use super::super::finding::Check;
    use super::*;
    use crate::model::Region;

    const CHECK: Check = Check { name: "permission", title: "" };

    fn of(account: &str, region: &str, finding: Finding) -> PlacedFinding {
        let finding = if region.is_empty() { finding } else { finding.within(&Region::new(region)) };
        PlacedFinding { account: account.to_owned(), finding }
    }

    fn denied(account: &str, region: &str, action: &str) -> PlacedFinding {
        let fact = format!("{action} in {region}: UnauthorizedOperation: arn:aws:sts::{account}:x may not");
        let finding = CHECK.failed(action, fact, format!("Allow {action}."));
        of(account, region, Finding { denied: Some(action.to_owned()), ..finding })
    }

    #[test]
    fn what_many_places_have_in_common_is_one_finding_that_counts_them() {
        let accounts: Vec<String> = (1..=12).map(|n| format!("{n:012}")).collect();
        let failed = |account: &String| {
            let role = format!("arn:aws:iam::{account}:role/reader may not be assumed");
            let fact = format!("sts:GetCallerIdentity in us-east-1: {role}: AccessDenied: no trust in {account}");
            of(account, "", CHECK.failed("role", fact, "Mend the trust."))
        };
        let found = grouped(accounts.iter().map(failed).collect());
        let expected = "12 accounts, such as 000000000001: sts:GetCallerIdentity in us-east-1: arn:aws:iam::000000000001:role/reader \
                        may not be assumed: AccessDenied: no trust in 000000000001";
        assert_eq!((found.len(), found[0].fact.as_str()), (1, expected));
        assert_eq!(found[0].fix.as_deref(), Some("Mend the trust."));
    }

    #[test]
    fn regions_and_subjects_with_one_cause_are_one_finding() {
        let actions = ["ec2:DescribeVpcs", "ec2:DescribeSubnets", "ec2:DescribeVolumes", "ec2:DescribeTags"];
        let found: Vec<PlacedFinding> = ["111111111111", "222222222222"]
            .into_iter()
            .flat_map(|account| ["eu-west-1", "us-east-1"].map(|region| (account, region)))
            .flat_map(|(account, region)| actions.map(|action| denied(account, region, action)))
            .collect();
        let [one] = &grouped(found)[..] else { panic!("one cause") };
        assert!(one.fact.starts_with("4 regions of 2 accounts, such as 111111111111 in eu-west-1: "), "{}", one.fact);
        assert_eq!(one.subject, "ec2:DescribeVpcs, ec2:DescribeSubnets, ec2:DescribeVolumes and 1 more");
        assert_eq!(one.fix.as_deref(), Some("Allow ec2:DescribeVpcs. Do the same for the others."));
        assert_eq!((one.region.as_ref(), one.denied.as_ref()), (None, None));
        let [one] = &grouped(vec![denied("111111111111", "eu-west-1", actions[0])])[..] else { panic!("one") };
        assert!(
            one.fact.starts_with("account 111111111111 in eu-west-1: ec2:DescribeVpcs in eu-west-1: "),
            "{}",
            one.fact
        );
        assert_eq!(one.denied.as_deref(), Some(actions[0]));
    }

    #[test]
    fn a_denial_by_the_organization_stays_apart_from_one_by_the_account() {
        let by_account = denied("111111111111", "eu-west-1", "ec2:DescribeVpcs");
        let mut by_organization = denied("222222222222", "eu-west-1", "ec2:DescribeVpcs");
        by_organization.finding.fact += " with an explicit deny in a service control policy";
        assert_eq!(grouped(vec![by_account.clone(), by_organization]).len(), 2);
        assert_eq!(grouped(vec![by_account.clone(), by_account]).len(), 1);
    }

    #[test]
    fn different_causes_stay_apart_and_what_is_well_is_one_finding() {
        let off = |account| of(account, "eu-west-1", CHECK.failed("muster-tags", "it is disabled", "Enable it."));
        let gone = |account| of(account, "eu-west-1", CHECK.failed("muster-tags", "it does not exist", "Make it."));
        let well = |account, subject| of(account, "eu-west-1", CHECK.ok(subject, "allowed"));
        let found = grouped(vec![off("1"), well("1", "a"), well("2", "b"), gone("2"), off("3")]);
        let told: Vec<(Verdict, &str)> = found.iter().map(|finding| (finding.verdict, finding.fact.as_str())).collect();
        assert_eq!(
            told,
            [
                (Verdict::Failed, "2 regions of 2 accounts, such as 1 in eu-west-1: it is disabled"),
                (Verdict::Ok, "2 regions of 2 accounts: nothing is wrong"),
                (Verdict::Failed, "account 2 in eu-west-1: it does not exist"),
            ]
        );
    }
}
