//! Reads a request of EC2's API: its action, and its parameters by what the action takes.
//!
//! A parameter that the action does not have, a value of the wrong type, and whatever else AWS refuses is refused here; nothing is
//! left out.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::action::Ec2Action;
use super::fault::Ec2Fault;
use super::form::pairs;
use super::parameter_use::{self, ParameterUse};
use super::sent_text::shown;
use super::wire::{WireField, WireForm, WireTable};

/// The version of the API.
pub const API_VERSION: &str = "2016-11-15";

/// The most filters of a request.
const FILTERS: usize = 50;

/// The most values that the filters of a request have in all.
const FILTER_VALUES: usize = 200;

/// The most characters of a value of a filter.
pub const FILTER_LENGTH: usize = 255;

/// The most values of a list.
const LISTED: usize = 1_000;

/// The most instances whose status one request asks for: the one list of the actions here for which AWS documents a maximum.
const STATUSES: usize = 100;

/// What carries the signature in a URL, and belongs to no action.
pub const SIGNATURE: [&str; 9] = [
    "X-Amz-Algorithm",
    "X-Amz-Content-Sha256",
    "X-Amz-Credential",
    "X-Amz-Date",
    "X-Amz-Expires",
    "X-Amz-Security-Token",
    "X-Amz-Signature",
    "X-Amz-SignedHeaders",
    "X-Amz-User-Agent",
];

/// What carries the version of a signature that is older than version 4.
const OLD_SIGNATURE: &str = "SignatureVersion";

/// A request that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ec2Request {
    /// What it asks for.
    pub action: Ec2Action,
    /// Its filters, in order.
    pub filters: Vec<AskedFilter>,
    /// What is given of the other parameters, by their names in boto3. Empty if the action is not one that is answered.
    given: BTreeMap<&'static str, AskedValue>,
}

/// A filter of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskedFilter {
    /// Its name.
    pub name: String,
    /// Its values, one of which must match; at least one.
    pub values: Vec<String>,
}

/// What is given for a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
enum AskedValue {
    Flag(bool),
    Number(i64),
    Text(String),
    /// Each once, in order.
    Texts(Vec<String>),
}

impl Ec2Request {
    /// The values of a list, each once; none if it is not given.
    #[must_use]
    pub fn texts(&self, name: &str) -> &[String] {
        match self.given.get(name) {
            Some(AskedValue::Texts(texts)) => texts,
            _ => &[],
        }
    }

    /// A text that is given.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        match self.given.get(name) {
            Some(AskedValue::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// Whether a flag is given as `true`.
    #[must_use]
    pub fn flag(&self, name: &str) -> bool {
        self.given.get(name) == Some(&AskedValue::Flag(true))
    }

    /// Whether it is only a test.
    #[must_use]
    pub fn is_dry_run(&self) -> bool {
        self.flag("DryRun")
    }

    /// The ids that it names, each once.
    #[must_use]
    pub fn ids(&self) -> &[String] {
        let name = self.given.keys().find(|name| self.use_of(name) == Some(ParameterUse::Ids));
        name.map_or(&[], |name| self.texts(name))
    }

    /// The size of a page; within the bounds of the action.
    #[must_use]
    pub fn page_size(&self) -> Option<usize> {
        match self.given.get("MaxResults") {
            Some(AskedValue::Number(number)) => usize::try_from(*number).ok(),
            _ => None,
        }
    }

    /// The token of the page that it asks for.
    #[must_use]
    pub fn token(&self) -> Option<&str> {
        self.text("NextToken")
    }

    /// The parameters that are given, by their names in boto3, without filters.
    pub fn given(&self) -> impl Iterator<Item = &'static str> {
        self.given.keys().copied()
    }

    fn use_of(&self, name: &str) -> Option<ParameterUse> {
        parameter_use::of(self.action.name(), name)
    }
}

/// Reads a request: its method, the query of its URL and its body.
///
/// # Errors
///
/// When it is no request of EC2's API, or not one that its action takes.
pub fn parse(method: &str, query: &str, body: &[u8]) -> Result<Ec2Request, Ec2Fault> {
    if !matches!(method, "GET" | "POST") {
        return Err(Ec2Fault::Method(shown(method)));
    }
    let mut given: BTreeMap<String, String> = BTreeMap::new();
    for (name, value) in pairs(query, body)? {
        if let Some(name) = given.get_key_value(&name).map(|(name, _)| shown(name)) {
            return Err(Ec2Fault::Twice(name));
        }
        given.insert(name, value);
    }
    let named = given.remove("Action").ok_or_else(|| Ec2Fault::Lacks("Action".to_owned()))?;
    let version = given.remove("Version").ok_or_else(|| Ec2Fault::Lacks("Version".to_owned()))?;
    if version != API_VERSION {
        return Err(Ec2Fault::Version(shown(&version)));
    }
    let action = Ec2Action::named(&named).ok_or_else(|| Ec2Fault::NoAction(shown(&named)))?;
    if let Some(version) = given.get(OLD_SIGNATURE) {
        return Err(Ec2Fault::OldSignature(shown(version)));
    }
    given.retain(|name, _| !SIGNATURE.contains(&name.as_str()));
    match action {
        Ec2Action::Describe(table) => read(action, table, given),
        Ec2Action::Other(_) | Ec2Action::Change(_) => {
            Ok(Ec2Request { action, filters: Vec::new(), given: BTreeMap::new() })
        }
    }
}

/// Reads the parameters that an action takes.
fn read(action: Ec2Action, table: &'static WireTable, pairs: BTreeMap<String, String>) -> Result<Ec2Request, Ec2Fault> {
    let mut given: BTreeMap<&'static str, AskedValue> = BTreeMap::new();
    let mut lists: BTreeMap<&'static str, BTreeMap<u32, String>> = BTreeMap::new();
    let mut filters: BTreeMap<u32, NumberedFilter> = BTreeMap::new();
    for (name, value) in pairs {
        let unknown = || Ec2Fault::UnknownParameter { action: table.action, name: shown(&name) };
        let mut steps = name.split('.');
        let parameter = steps.next().and_then(|first| table.parameter(first)).ok_or_else(unknown)?;
        let steps: Vec<&str> = steps.collect();
        match (parameter.form, parameter.is_list, steps.as_slice()) {
            (WireForm::Filter, true, [at, part @ ..]) => {
                let filter = filters.entry(number(at).ok_or_else(unknown)?).or_default();
                filter.take(part, value).ok_or_else(unknown)?.map_err(|()| Ec2Fault::Twice(shown(&name)))?;
            }
            (WireForm::Text, true, [at]) => {
                let list = lists.entry(parameter.name).or_default();
                if list.insert(number(at).ok_or_else(unknown)?, value).is_some() {
                    return Err(Ec2Fault::Twice(shown(&name)));
                }
            }
            (_, false, []) => {
                // A token that is empty is none, as in the last answer of a walk.
                if !(parameter.name == "NextToken" && value.is_empty()) {
                    given.insert(parameter.name, single(action, parameter, value)?);
                }
            }
            _ => return Err(unknown()),
        }
    }
    for (name, list) in lists {
        let count = list.len();
        if (table.action, name) == ("DescribeInstanceStatus", "InstanceIds") && count > STATUSES {
            return Err(Ec2Fault::TooManyInstances { count, most: STATUSES });
        }
        if count > LISTED {
            return Err(Ec2Fault::TooMany { name, count, most: LISTED });
        }
        let mut seen = BTreeSet::new();
        let texts = list.into_values().filter(|text| seen.insert(text.clone())).collect();
        given.insert(name, AskedValue::Texts(texts));
    }
    let filters = filters.into_iter().map(|(at, filter)| filter.named(at)).collect::<Result<Vec<_>, _>>()?;
    bounded(&filters)?;
    let request = Ec2Request { action, filters, given };
    let is_paged = request.page_size().is_some() || request.token().is_some();
    match request.given.keys().find(|name| request.use_of(name) == Some(ParameterUse::Ids)) {
        Some(ids) if is_paged => Err(Ec2Fault::Combination { one: set(ids), other: "maxResults" }),
        _ => Ok(request),
    }
}

/// Checks that filters are not more, or longer, than AWS takes.
fn bounded(filters: &[AskedFilter]) -> Result<(), Ec2Fault> {
    let values = || filters.iter().flat_map(|filter| &filter.values);
    if filters.len() > FILTERS {
        return Err(Ec2Fault::Filters(FILTERS));
    }
    if values().count() > FILTER_VALUES {
        return Err(Ec2Fault::FilterValues(FILTER_VALUES));
    }
    if values().any(|value| value.chars().nth(FILTER_LENGTH).is_some()) {
        return Err(Ec2Fault::FilterLength(FILTER_LENGTH));
    }
    Ok(())
}

/// What AWS calls a list of ids in this error.
fn set(ids: &str) -> String {
    match ids {
        "InstanceIds" => "instancesSet".to_owned(),
        ids => ids.to_owned(),
    }
}

/// Reads a parameter that has one value.
fn single(action: Ec2Action, parameter: &'static WireField, value: String) -> Result<AskedValue, Ec2Fault> {
    let refused = |expected: Cow<'static, str>| {
        // AWS's own words have another name for it than its requests.
        let name = if parameter.name == "MaxResults" { "maxResults" } else { parameter.wire };
        Err(Ec2Fault::Value { name: name.to_owned(), value: shown(&value), expected })
    };
    match parameter.form {
        WireForm::Flag if value.eq_ignore_ascii_case("true") => Ok(AskedValue::Flag(true)),
        WireForm::Flag if value.eq_ignore_ascii_case("false") => Ok(AskedValue::Flag(false)),
        WireForm::Flag => refused("true or false".into()),
        WireForm::Number => {
            // AWS documents these for every action, and its model has them for some.
            let least = if action.name() == "DescribeImages" { 1 } else { 5 };
            let (least, most) = parameter.bounds.unwrap_or((least, 1_000));
            match value.parse::<i64>() {
                // AWS says so, and takes the least itself as well.
                Ok(number) if number < least => refused(format!("a value greater than {least}").into()),
                Ok(number) if number > most => refused(format!("a value less than or equal to {most}").into()),
                Ok(number) => Ok(AskedValue::Number(number)),
                Err(_) => refused("an integer".into()),
            }
        }
        WireForm::Text | WireForm::Time | WireForm::Filter | WireForm::Structure(_) => Ok(AskedValue::Text(value)),
    }
}

/// The number of an element of a list.
fn number(written: &str) -> Option<u32> {
    let is_number = (1..=9).contains(&written.len()) && written.bytes().all(|digit| digit.is_ascii_digit());
    written.parse().ok().filter(|_| is_number)
}

/// A filter as its parts come.
#[derive(Default)]
struct NumberedFilter {
    name: Option<String>,
    values: BTreeMap<u32, String>,
}

impl NumberedFilter {
    /// Takes one part of it: the inner result tells whether it was there before. `None` if it is no part of a filter.
    fn take(&mut self, part: &[&str], value: String) -> Option<Result<(), ()>> {
        let before = match part {
            ["Name"] => self.name.replace(value),
            ["Value", at] => self.values.insert(number(at)?, value),
            _ => return None,
        };
        Some(if before.is_none() { Ok(()) } else { Err(()) })
    }

    fn named(self, at: u32) -> Result<AskedFilter, Ec2Fault> {
        let name = self.name.ok_or_else(|| Ec2Fault::Lacks(format!("Filter.{at}.Name")))?;
        if self.values.is_empty() {
            return Err(Ec2Fault::NoValues(shown(&name)));
        }
        Ok(AskedFilter { name, values: self.values.into_values().collect() })
    }
}

#[cfg(test)]
mod tests;
