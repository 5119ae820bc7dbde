//! What a request asks of the copy, and whether the copy can have all of the answer.
//!
//! What AWS would answer otherwise than the copy can is refused by name, never ignored: owners other than the account, whose snapshots
//! and images are not held, and filters that documents do not tell or that nobody here knows.

use serde_json::{Value, json};
use xxhash_rust::xxh3::xxh3_64;

use super::action::Ec2Action;
use super::copy_fault::CopyFault;
use super::document_rule::DocumentRule;
use super::fault::Ec2Fault;
use super::former_filter::{TAG_VALUE, former_filter};
use super::id_codes::{self, IdCodes};
use super::request::{AskedFilter, Ec2Request};
use super::sent_text::shown;
use super::unknown_filter::UnknownFilter;
use super::walk_mark::WalkMark;
use crate::kinds::KindSpec;
use crate::model::{AccountId, Form, Scope, SecretTags, Timestamp, written};
use crate::query::filter::special_value::{ABSENT, PRESENT};
use crate::query::filter::{DocumentCondition, FilterError};
use crate::query::{Cursor, Filters};

/// What no time is written as.
const NEVER: &str = "never";

/// The names of owners that are no account.
const ALIASES: [&str; 3] = ["amazon", "aws-backup-vault", "aws-marketplace"];

/// What a request asks of the copy of a kind in a scope.
#[derive(Clone, Debug)]
pub struct DescribeQuestion {
    /// The action.
    pub action: &'static str,
    /// The kind.
    pub kind: &'static KindSpec,
    /// The resources that are named by id.
    pub ids: Vec<String>,
    /// The addresses that are named by IP address.
    pub public_ips: Vec<String>,
    /// The security groups of the default VPC that are named.
    pub group_names: Vec<String>,
    /// What rows decide.
    pub filters: Filters,
    /// What documents decide.
    pub conditions: Vec<DocumentCondition>,
    /// What else a document must be for the answer to have it.
    pub rules: Vec<DocumentRule>,
    /// The most resources of a page.
    pub limit: Option<usize>,
    /// Where the page before ended.
    pub cursor: Option<Cursor>,
    /// A hash of the question, which its cursors carry.
    pub hash: u64,
}

impl DescribeQuestion {
    /// What a request asks, about `scope`. The values of `secrets` are not held.
    ///
    /// # Errors
    /// When the copy cannot have all of the answer, or AWS refuses such a request.
    pub fn of(
        request: &Ec2Request,
        kind: &'static KindSpec,
        scope: &Scope,
        secrets: &SecretTags,
        now: Timestamp,
    ) -> Result<Self, CopyFault> {
        tells(&request.filters, secrets)?;
        let (filters, conditions) = filters(request, kind, now)?;
        let ids = ids(request, kind)?;
        let public_ips = formed(request.texts("PublicIps"), &id_codes::PUBLIC_IPS)?;
        let group_names = request.texts("GroupNames").to_vec();
        let is_named = !ids.is_empty() || !public_ips.is_empty() || !group_names.is_empty();
        if !group_names.is_empty() && (request.page_size().is_some() || request.token().is_some()) {
            return Err(Ec2Fault::Combination { one: "GroupNames".to_owned(), other: "maxResults" }.into());
        }
        let action = request.action.name();
        for beyond in ["RestorableByUserIds", "ExecutableUsers"] {
            if !request.texts(beyond).is_empty() {
                let (what, why) =
                    (format!("the parameter {beyond}"), "who else may use something stands in no description");
                return Err(CopyFault::Beyond { action, what, why });
            }
        }
        let mut rules = Vec::new();
        if kind.own_only {
            if owners(request, kind, &scope.account)? {
                rules.push(DocumentRule::OwnedBy(scope.account.clone()));
            } else if !is_named {
                let what = "what everybody owns".to_owned();
                return Err(CopyFault::Beyond { action, what, why: "name the owner self, or ids" });
            }
        }
        let is_left_out = |flag: &str| !request.flag(flag) && has_parameter(request, flag);
        if is_left_out("IncludeAllInstances") {
            rules.push(DocumentRule::Running);
        }
        if is_left_out("IncludeDisabled") {
            rules.push(DocumentRule::Enabled);
        }
        if is_left_out("IncludeManagedResources") && !is_named {
            rules.push(DocumentRule::Shown);
        }
        let asked = json!([
            action,
            scope.to_string(),
            request.filters.iter().map(|filter| (&filter.name, &filter.values)).collect::<Vec<_>>(),
            ids,
            public_ips,
            group_names,
            rules.iter().map(|rule| format!("{rule:?}")).collect::<Vec<_>>(),
        ]);
        let hash = xxh3_64(asked.to_string().as_bytes());
        let cursor = request.token().map(|token| cursor(token, kind, scope, hash)).transpose()?;
        let limit = request.page_size();
        let question = DescribeQuestion {
            action,
            kind,
            ids,
            public_ips,
            group_names,
            filters,
            conditions,
            rules,
            limit,
            cursor,
            hash,
        };
        Ok(question)
    }

    /// Whether it names resources.
    #[must_use]
    pub fn is_named(&self) -> bool {
        !self.ids.is_empty() || self.is_searched()
    }

    /// Whether it names resources by something else than their ids, so that all of the kind are read for it.
    #[must_use]
    pub fn is_searched(&self) -> bool {
        !self.public_ips.is_empty() || !self.group_names.is_empty()
    }
}

/// Whether the action of a request has a parameter.
fn has_parameter(request: &Ec2Request, name: &str) -> bool {
    match request.action {
        Ec2Action::Describe(table) => table.parameters.iter().any(|parameter| parameter.name == name),
        Ec2Action::Other(_) | Ec2Action::Change(_) => false,
    }
}

/// The page that a token names.
fn cursor(token: &str, kind: &KindSpec, scope: &Scope, hash: u64) -> Result<Cursor, CopyFault> {
    let cursor = Cursor::read(token).map_err(|_| CopyFault::Token)?;
    let is_of_question = cursor.question == hash
        && cursor.after.kind.as_str() == kind.name
        && cursor.after.scope() == *scope
        && cursor.sorted.as_ref().is_none_or(|sorted| WalkMark::read(sorted).is_some());
    if is_of_question { Ok(cursor) } else { Err(CopyFault::Token) }
}

/// The ids that a request names.
fn ids(request: &Ec2Request, kind: &'static KindSpec) -> Result<Vec<String>, CopyFault> {
    id_codes::of(kind).map_or_else(|| Ok(request.ids().to_vec()), |codes| formed(request.ids(), codes))
}

/// What is named, if AWS looks for all of it.
fn formed(names: &[String], codes: &'static IdCodes) -> Result<Vec<String>, CopyFault> {
    match names.iter().find(|name| !codes.may_be(name)) {
        Some(name) => Err(Ec2Fault::MalformedId { codes, id: shown(name) }.into()),
        None => Ok(names.to_vec()),
    }
}

/// Whether the account itself is the only owner that is asked for, by parameter or by filter.
fn owners(request: &Ec2Request, kind: &KindSpec, account: &AccountId) -> Result<bool, CopyFault> {
    let parameter = if kind.slug == "image" { "Owners" } else { "OwnerIds" };
    let is_self = |owner: &String| owner == "self" || owner == account.as_str();
    let named = request.texts(parameter);
    if let Some(odd) = named.iter().find(|owner| !is_self(owner) && !is_owner(owner)) {
        return Err(CopyFault::Owner(shown(odd)));
    }
    if let Some(other) = named.iter().find(|owner| !is_self(owner)) {
        let what = format!("what {} owns", shown(other));
        return Err(CopyFault::Beyond {
            action: request.action.name(),
            what,
            why: "Muster holds what the account itself owns",
        });
    }
    let by_filter =
        |filter: &AskedFilter| filter.name == "owner-id" && filter.values.iter().all(|value| value == account.as_str());
    Ok(!named.is_empty() || request.filters.iter().any(by_filter))
}

fn is_owner(owner: &str) -> bool {
    AccountId::is_valid(owner) || ALIASES.contains(&owner)
}

/// Checks that no filter goes by the values of tags that are redacted.
///
/// # Errors
/// [`CopyFault::Redacted`] or [`CopyFault::RedactedSome`].
pub fn tells(filters: &[AskedFilter], secrets: &SecretTags) -> Result<(), CopyFault> {
    let by_value = |filter: &&AskedFilter| !filter.values.iter().any(|value| value == "*");
    if secrets.redacts_any() && filters.iter().filter(by_value).any(|filter| filter.name == TAG_VALUE) {
        return Err(CopyFault::RedactedSome);
    }
    let keys = filters.iter().filter(by_value).filter_map(|filter| filter.name.strip_prefix("tag:"));
    match keys.into_iter().find(|key| secrets.is_secret(key)) {
        Some(key) => Err(CopyFault::Redacted(shown(key))),
        None => Ok(()),
    }
}

/// The filters of a request: what rows decide, and what documents decide.
fn filters(
    request: &Ec2Request,
    kind: &'static KindSpec,
    now: Timestamp,
) -> Result<(Filters, Vec<DocumentCondition>), CopyFault> {
    let Ec2Action::Describe(table) = request.action else { return Ok((Filters::default(), Vec::new())) };
    let literals = |values: &[String], form| values.iter().map(|value| literal(value, form)).collect::<Vec<_>>();
    let refused = |error: FilterError| CopyFault::Filter(error.to_string());
    let (mut pairs, mut former) = (Vec::new(), Vec::new());
    for AskedFilter { name, values } in &request.filters {
        if let Some(filter) = former_filter(table, name) {
            former.push(DocumentCondition::read(filter, &literals(values, filter.form), now).map_err(refused)?);
            continue;
        }
        let known = table.filter(name).ok_or_else(|| UnknownFilter::new(table.action, name))?;
        let is_tag = known == "tag:" || known == "tag-key";
        if !is_tag && kind.filter(known).is_none() && kind.document_filter(known).is_none() {
            return Err(CopyFault::LackedFilter(shown(name)));
        }
        let of_document = || kind.document_filter(known).map(|filter| filter.form);
        let form = kind.filter(known).map(|filter| filter.form).or_else(of_document).unwrap_or(Form::Text);
        pairs.push(json!({"Name": if known == "tag:" { name } else { known }, "Values": literals(values, form)}));
    }
    let mut filters = Filters::parse(&Value::Array(pairs), kind, now).map_err(refused)?;
    let mut conditions = filters.take_conditions();
    conditions.append(&mut former);
    Ok((filters, conditions))
}

/// A value as AWS takes it, where Muster would take it for more.
fn literal(value: &str, form: Form) -> String {
    // Muster takes a time however it is written, and AWS in one form only.
    let is_other_time = |(_, written): (String, Option<String>)| written.as_deref() != Some(value);
    if form == Form::Time && written::both(value).is_some_and(is_other_time) {
        return NEVER.to_owned();
    }
    let is_more = [ABSENT, PRESENT].contains(&value) || value.trim_start().starts_with(['<', '>']);
    if is_more { format!("\\{value}") } else { value.to_owned() }
}

#[cfg(test)]
mod tests;
