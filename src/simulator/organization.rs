//! The API of AWS Organizations, as far as it reads: accounts, units, tags and delegated administrators.
//!
//! It uses AWS JSON 1.1. As on AWS, only the management account and delegated administrators may call, apart from
//! `DescribeOrganization`, which every member may. A page may be empty though more follow: here the second page of every
//! longer listing is.

mod page;
mod question;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::simulator::clock::Moment;
use crate::simulator::json;
use crate::simulator::refusal::Refusal;
use crate::simulator::roster::{Member, MemberState, ROOT, Roster};

use page::page;
use question::{Answer, Question, refuse};

/// One call to the API.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) roster: &'a Roster,
    pub(crate) account: &'a str,
    pub(crate) body: &'a [u8],
}

struct Action {
    name: &'static str,
    answer: fn(&Call, &Question) -> Answer,
}

static ACTIONS: [Action; 10] = [
    Action { name: "DescribeAccount", answer: describe_account },
    Action { name: DESCRIBE, answer: describe },
    Action { name: "DescribeOrganizationalUnit", answer: describe_unit },
    Action { name: "ListAccounts", answer: accounts },
    Action { name: "ListAccountsForParent", answer: accounts_below },
    Action { name: "ListDelegatedAdministrators", answer: administrators },
    Action { name: "ListOrganizationalUnitsForParent", answer: units_below },
    Action { name: "ListParents", answer: parents },
    Action { name: "ListRoots", answer: roots },
    Action { name: "ListTagsForResource", answer: tags },
];

/// The action that every member may call.
const DESCRIBE: &str = "DescribeOrganization";

/// Whether the simulator has an action of this name.
pub(crate) fn knows(action: &str) -> bool {
    names().any(|name| name == action)
}

/// The names of all actions.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    ACTIONS.iter().map(|action| action.name)
}

/// Answers one call.
pub(crate) fn answer(call: &Call, action: &str) -> Answer {
    let found = ACTIONS.iter().find(|known| known.name == action);
    let known = found.ok_or_else(|| Refusal::invalid_action(action))?;
    let not_in_use = || refuse("AWSOrganizationsNotInUseException", "Your account is not a member of an organization.");
    let caller = call.roster.member(call.account).ok_or_else(not_in_use)?;
    let may_read = call.account == call.roster.management() || caller.administrator.is_some();
    if !may_read && action != DESCRIBE {
        return Err(refuse("AccessDeniedException", "You don't have permissions to access this resource."));
    }
    let question: Question = json::read(call.body)?;
    (known.answer)(call, &question)
}

#[expect(clippy::unnecessary_wraps, reason = "all actions of the table have one type")]
fn describe(call: &Call, _: &Question) -> Answer {
    let roster = call.roster;
    let (id, management) = (roster.id(), roster.management());
    Ok(json!({ "Organization": {
        "Id": id,
        "Arn": format!("arn:aws:organizations::{management}:organization/{id}"),
        "FeatureSet": "ALL",
        "MasterAccountArn": account_arn(roster, management),
        "MasterAccountId": management,
        "MasterAccountEmail": email(management),
        "AvailablePolicyTypes": [{ "Type": "SERVICE_CONTROL_POLICY", "Status": "ENABLED" }],
    } }))
}

fn accounts(call: &Call, question: &Question) -> Answer {
    list(call, question, "Accounts", |_| true)
}

fn accounts_below(call: &Call, question: &Question) -> Answer {
    let parent = parent(call, question)?;
    list(call, question, "Accounts", |member| member.unit == parent)
}

fn administrators(call: &Call, question: &Question) -> Answer {
    list(call, question, "DelegatedAdministrators", |member| member.administrator.is_some())
}

fn list(call: &Call, question: &Question, name: &str, is_meant: impl Fn(&Member) -> bool) -> Answer {
    let members = call.roster.members().into_iter().filter(|(_, member)| is_meant(member));
    let delegated = name == "DelegatedAdministrators";
    let shown = members.map(|(account, member)| {
        let mut shown = account_json(call.roster, &account, &member);
        if let Some(members) = shown.as_object_mut().filter(|_| delegated) {
            members.shift_remove("Paths");
            members.insert("DelegationEnabledDate".to_owned(), member.administrator.map(seconds).into());
        }
        (account, shown)
    });
    page(question, name, shown)
}

fn describe_account(call: &Call, question: &Question) -> Answer {
    let account = required(&question.account_id, "accountId")?;
    let member = call.roster.member(account);
    let unknown = || refuse("AccountNotFoundException", "You specified an account that doesn't exist.");
    Ok(json!({ "Account": account_json(call.roster, account, &member.ok_or_else(unknown)?) }))
}

fn roots(call: &Call, question: &Question) -> Answer {
    let (id, root, management) = (call.roster.id(), call.roster.root(), call.roster.management());
    let shown = json!({
        "Id": root,
        "Arn": format!("arn:aws:organizations::{management}:root/{id}/{root}"),
        "Name": "Root",
        "PolicyTypes": [{ "Type": "SERVICE_CONTROL_POLICY", "Status": "ENABLED" }],
    });
    page(question, "Roots", [(root, shown)])
}

fn units_below(call: &Call, question: &Question) -> Answer {
    let parent = parent(call, question)?;
    let below = Roster::units().filter(|unit| Roster::parent(*unit) == Some(parent));
    let shown = below.map(|unit| (call.roster.unit(unit), unit_json(call.roster, unit)));
    page(question, "OrganizationalUnits", shown)
}

fn describe_unit(call: &Call, question: &Question) -> Answer {
    let id = required(&question.organizational_unit_id, "organizationalUnitId")?;
    let unknown = || {
        let message = "You specified an organizational unit that doesn't exist.";
        refuse("OrganizationalUnitNotFoundException", message)
    };
    let unit = call.roster.unit_with(id).filter(|unit| *unit != ROOT).ok_or_else(unknown)?;
    Ok(json!({ "OrganizationalUnit": unit_json(call.roster, unit) }))
}

fn parents(call: &Call, question: &Question) -> Answer {
    let child = required(&question.child_id, "childId")?;
    let of_unit = || call.roster.unit_with(child).and_then(Roster::parent);
    let parent = call.roster.member(child).map(|member| member.unit).or_else(of_unit);
    let unknown = || refuse("ChildNotFoundException", "You specified a child that doesn't exist.");
    let parent = parent.ok_or_else(unknown)?;
    let id = call.roster.unit(parent);
    let shown = json!({ "Id": id, "Type": if parent == ROOT { "ROOT" } else { "ORGANIZATIONAL_UNIT" } });
    page(question, "Parents", [(id, shown)])
}

fn tags(call: &Call, question: &Question) -> Answer {
    let id = required(&question.resource_id, "resourceId")?;
    let of_member = call.roster.member(id).map(|member| member.tags);
    let found = of_member.or_else(|| call.roster.unit_with(id).map(|_| BTreeMap::new()));
    let unknown = || refuse("TargetNotFoundException", "You specified a target that doesn't exist.");
    let tags = found.ok_or_else(unknown)?.into_iter();
    page(question, "Tags", tags.map(|(key, value)| (key.clone(), json!({ "Key": key, "Value": value }))))
}

fn parent(call: &Call, question: &Question) -> Result<usize, Refusal> {
    let id = required(&question.parent_id, "parentId")?;
    let unknown = || refuse("ParentNotFoundException", "You specified parent that doesn't exist.");
    call.roster.unit_with(id).ok_or_else(unknown)
}

fn required<'a>(member: &'a str, name: &str) -> Result<&'a str, Refusal> {
    if member.is_empty() {
        let reason = "failed to satisfy constraint: Member must not be null";
        let message = format!("1 validation error detected: Value null at '{name}' {reason}");
        return Err(refuse("InvalidInputException", &message));
    }
    Ok(member)
}

fn account_json(roster: &Roster, account: &str, member: &Member) -> Value {
    // The older of the two fields has no value for closed accounts, which it calls suspended.
    let status = match member.state {
        MemberState::Active | MemberState::PendingActivation => "ACTIVE",
        MemberState::Suspended | MemberState::Closed => "SUSPENDED",
        MemberState::PendingClosure => "PENDING_CLOSURE",
    };
    json!({
        "Id": account,
        "Arn": account_arn(roster, account),
        "Email": email(account),
        "Name": member.name,
        "Status": status,
        "State": member.state,
        "Paths": [format!("{}{account}/", roster.path(member.unit))],
        "JoinedMethod": if member.invited { "INVITED" } else { "CREATED" },
        "JoinedTimestamp": seconds(member.joined),
    })
}

fn unit_json(roster: &Roster, unit: usize) -> Value {
    let (id, organization, management) = (roster.unit(unit), roster.id(), roster.management());
    json!({
        "Id": id,
        "Arn": format!("arn:aws:organizations::{management}:ou/{organization}/{id}"),
        "Name": Roster::unit_name(unit),
        "Path": roster.path(unit),
    })
}

fn account_arn(roster: &Roster, account: &str) -> String {
    format!("arn:aws:organizations::{}:account/{}/{account}", roster.management(), roster.id())
}

fn email(account: &str) -> String {
    format!("aws+{account}@example.com")
}

/// The protocol gives times as seconds since the epoch.
fn seconds(at: Moment) -> i64 {
    at.0.div_euclid(1_000)
}
