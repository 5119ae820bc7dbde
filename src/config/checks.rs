//! Checks values that people and clients give. An error names the flag or variable that holds the value.

use std::path::{Path, PathBuf};

use super::environment::{self, Environment};
use super::error::ConfigError;
use super::given::Given;
use super::placeholder::placeholder;
use super::{path_expansion, regions as region_names, selection};
use crate::model::{AccountId, Partition, Region};
use crate::policy::{DeniedTarget, WritePolicy, WriteRule};

/// Returns the single region, with the flag or variable that names it.
pub(super) fn region(given: Option<&str>, environment: &Environment) -> Option<(String, String)> {
    let of_aws = || {
        let mut names = selection::OF_REGION.into_iter();
        names.find_map(|name| Some((name.to_owned(), environment.variable(name)?.to_owned())))
    };
    given.map(|name| (environment.source("--region", name), name.to_owned())).or_else(of_aws)
}

/// Checks that `name` can be a region. Another endpoint than AWS's may have regions of any name.
pub(super) fn check(source_name: String, name: &str, has_endpoint: bool) -> Result<(), ConfigError> {
    if let Some(found) = placeholder(name) {
        return Err(ConfigError::Unfilled { source_name, found: found.to_owned() });
    }
    let Err(slip) = region_names::check(name) else { return Ok(()) };
    let mut parts = name.split([',', ';', ' ']).filter(|part| !part.is_empty());
    if name.contains([',', ';', ' ']) && parts.all(|part| part.contains('-')) {
        return Err(ConfigError::SeveralRegions { source_name, given: name.to_owned() });
    }
    // A region is part of a host's name, so not every character is allowed.
    let may_be_any = has_endpoint && name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '-');
    if may_be_any || (name == selection::ALL && source_name.to_lowercase().ends_with("regions")) {
        return Ok(());
    }
    let nearest = match slip {
        region_names::Slip::Near(region) => Some(region),
        region_names::Slip::Form => None,
    };
    Err(ConfigError::UnknownRegion { source_name, given: name.to_owned(), nearest })
}

/// Checks that `name` can be a region, and returns its name as AWS writes it: in small letters, where only these make it one.
pub(super) fn named_region(source_name: &str, name: &str, has_endpoint: bool) -> Result<String, ConfigError> {
    let name = region_names::written(name);
    check(source_name.to_owned(), &name, has_endpoint)?;
    Ok(name.into_owned())
}

/// Checks the regions of `--regions`, and the single one, with the flag or variable that names it.
pub(super) fn regions(
    names: &[String],
    one: Option<(String, String)>,
    environment: &Environment,
    has_endpoint: bool,
) -> Result<(), ConfigError> {
    let several = names.iter().map(|name| (environment.source("--regions", name), name.clone()));
    several.chain(one).try_for_each(|(source, name)| check(source, &name, has_endpoint))?;
    let Some(first) = names.first() else { return Ok(()) };
    let regions: Vec<Region> = names.iter().map(|name| Region::new(name.as_str())).collect();
    one_partition(&environment.source("--regions", first), &regions, has_endpoint)
}

/// Refuses regions of several partitions: no account is in more than one. Another endpoint than AWS's may have regions of any name.
pub(super) fn one_partition(source_name: &str, regions: &[Region], has_endpoint: bool) -> Result<(), ConfigError> {
    let Some(first) = regions.first().filter(|_| !has_endpoint) else { return Ok(()) };
    let partition = Partition::of(first);
    match regions.iter().find(|region| Partition::of(region) != partition) {
        None => Ok(()),
        Some(other) => Err(ConfigError::TwoPartitions {
            source_name: source_name.to_owned(),
            first: (first.clone(), partition),
            other: (other.clone(), Partition::of(other)),
        }),
    }
}

/// Checks the regions in the rules for writes. A rule that denies a region that does not exist would deny nothing.
pub(super) fn rules(writes: &WritePolicy, environment: &Environment, has_endpoint: bool) -> Result<(), ConfigError> {
    let regions = writes.rules().into_iter().flat_map(|rule| match rule {
        WriteRule::Regions(names) => {
            names.into_iter().map(|name| (environment.source("--write-region", &name), name)).collect()
        }
        WriteRule::Deny(DeniedTarget::Region(name)) => {
            vec![(environment.source("--deny-write", &format!("region:{name}")), name)]
        }
        _ => Vec::new(),
    });
    regions.into_iter().try_for_each(|(source_name, name)| check(source_name, &name, has_endpoint))
}

/// Refuses flags and variables about the one account of the credentials, where a configuration file lists accounts.
pub(super) fn beside_accounts(
    account: Option<&AccountId>,
    region: Option<&str>,
    regions: &[String],
    file: &Path,
    environment: &Environment,
) -> Result<(), ConfigError> {
    let account = account.map(|account| ("--account", account.as_str()));
    let region = region.map(|region| ("--region", region));
    let regions = regions.first().map(|region| ("--regions", region.as_str()));
    match account.or(region).or(regions) {
        Some((flag, value)) => {
            let source_name = environment.source(flag, value);
            Err(ConfigError::BesideAccounts { source_name, file: file.to_owned() })
        }
        None => Ok(()),
    }
}

/// Refuses placeholders that a client did not fill in.
pub(super) fn filled(given: &Given, environment: &Environment) -> Result<(), ConfigError> {
    let flags = [("--profile", given.profile.as_deref()), ("--events", given.events.as_deref())];
    let flags = flags.into_iter().filter_map(|(flag, value)| Some((environment.source(flag, value?), value?)));
    let variables = environment::SELECTING.iter().filter_map(|name| {
        // A variable that a flag overrules is not read. Regions are checked separately.
        let overruled = given.profile.is_some() && selection::OVERRULED.contains(name);
        let is_read = !overruled && !selection::OF_REGION.contains(name);
        Some(((*name).to_owned(), environment.variable(name).filter(|_| is_read)?))
    });
    let unfilled = flags.chain(variables).find_map(|(source_name, value)| {
        let found = placeholder(value)?.to_owned();
        Some(ConfigError::Unfilled { source_name, found })
    });
    unfilled.map_or(Ok(()), Err)
}

/// Returns the given data directory as an absolute path.
pub(super) fn located(dir: &Path, environment: &Environment) -> Result<PathBuf, ConfigError> {
    let path = environment.absolute(dir);
    let unknown = |dir: &Path| path_expansion::unexpanded(dir).map(str::to_owned);
    // A part that was replaced is no longer in the path.
    match unknown(dir).filter(|_| path.ends_with(dir)) {
        None => Ok(path),
        Some(part) => {
            let source_name = environment.source("--data-dir", &dir.to_string_lossy());
            Err(ConfigError::NoSuchHome { source_name, path: dir.to_owned(), part })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn refused(given: Given, variables: &[(&'static str, &str)]) -> String {
        let environment = Environment::of(variables, Some("/state"));
        Config::merge(given, &environment, &[]).unwrap_err().to_string()
    }

    fn region(variables: &[(&'static str, &str)]) -> Option<String> {
        let environment = Environment::of(variables, Some("/state"));
        Config::merge(Given::default(), &environment, &[]).unwrap().selection.region
    }

    #[test]
    fn a_region_of_the_environment_is_trimmed_or_named_with_its_variable() {
        assert_eq!(region(&[("AWS_REGION", "us-east-1 ")]).as_deref(), Some("us-east-1"));
        assert_eq!(region(&[("AWS_REGION", " "), ("AWS_DEFAULT_REGION", "eu-west-1\n")]).as_deref(), Some("eu-west-1"));
        for (value, part) in [
            ("${input:region}", "AWS_REGION holds the placeholder `${input:region}`"),
            ("<region>", "AWS_REGION holds the placeholder `<region>`"),
            ("us-east-1,eu-west-1", "AWS_REGION holds several regions"),
            ("eu-cental-1", "AWS_REGION names the region `eu-cental-1`: did you mean `eu-central-1`?"),
        ] {
            let said = refused(Given::default(), &[("AWS_REGION", value)]);
            assert!(said.contains(part), "{said}");
        }
    }

    #[test]
    fn behind_another_endpoint_a_placeholder_is_still_none_of_its_regions() {
        let endpoint = ("AWS_ENDPOINT_URL", "http://127.0.0.1:5000");
        assert_eq!(region(&[endpoint, ("AWS_REGION", "RegionOne")]).as_deref(), Some("RegionOne"));
        for value in ["{{region}}", "a-1,b-2"] {
            assert!(refused(Given::default(), &[endpoint, ("AWS_REGION", value)]).contains(value));
        }
    }

    #[test]
    fn what_a_flag_overrules_is_not_looked_at() {
        let given = Given { profile: Some("corp".into()), region: Some("us-east-1".into()), ..Given::default() };
        let variables = [("AWS_PROFILE", "<profile>"), ("AWS_REGION", "${region}"), ("AWS_ACCESS_KEY_ID", "${key}")];
        assert!(Config::merge(given, &Environment::of(&variables, Some("/state")), &[]).is_ok());
        assert!(refused(Given::default(), &variables[2..]).contains("AWS_ACCESS_KEY_ID"));
    }

    #[test]
    fn a_data_directory_below_an_unknown_home_is_named() {
        for dir in ["~nobody-here/muster", "$UNSET_HERE/muster"] {
            let said = refused(Given { data_dir: Some(dir.into()), ..Given::default() }, &[]);
            assert!(said.contains("--data-dir is ") && said.contains(dir), "{said}");
        }
    }
}
