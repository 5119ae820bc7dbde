//! What selects the account and regions of a process, as far as it is known before AWS is asked.

use std::path::PathBuf;

use xxhash_rust::xxh3::xxh3_64;

use super::environment::{Environment, OF_ENDPOINT, SELECTING};

/// The value of `--regions` for all regions that are enabled for the account.
pub(super) const ALL: &str = "all";
/// The variable of the key id, which distinguishes accounts and is not a secret.
const KEY_ID: &str = "AWS_ACCESS_KEY_ID";
/// The variables that name the region. The first takes precedence.
pub(super) const OF_REGION: [&str; 2] = ["AWS_REGION", "AWS_DEFAULT_REGION"];
/// The variables that `--profile` overrules.
pub(super) const OVERRULED: [&str; 3] = ["AWS_PROFILE", KEY_ID, "AWS_ROLE_ARN"];

/// What of a selection a configuration file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum FileChoice {
    /// Nothing.
    #[default]
    Nothing,
    /// The regions of the one account.
    Regions,
    /// Several accounts. The file, without symbolic links, is what selects them.
    Accounts(PathBuf),
}

/// What selects the account and region: two processes with equal selections may share a server and its store.
///
/// The account is known only after AWS was asked, and the store must be found before that. So everything that leads the
/// credential chain to an account counts, the id of an access key included. A client must never read or write with the
/// credentials of another process that happened to start first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// `--profile`. As for the AWS CLI, it takes precedence over keys in the environment, which take precedence over
    /// `AWS_PROFILE`.
    pub profile: Option<String>,
    /// The first of `--regions`, else `--region`, else `AWS_REGION`, else `AWS_DEFAULT_REGION`; `None` leaves it to the
    /// profile. Where all regions are watched, this one is asked for them.
    pub region: Option<String>,
    /// Several regions, or `all` alone; empty when `region` is the only one.
    regions: Vec<String>,
    /// The selecting variables that are set and not overruled, by name.
    variables: Vec<(&'static str, String)>,
    /// Whether the environment holds the secret of the key. A key without its secret is not used.
    has_secret: bool,
    /// What of it the configuration file says.
    file: FileChoice,
}

impl Selection {
    /// Merges flags with AWS's variables. `regions`, without repetition, take precedence over `region`. Blank is unset.
    #[must_use]
    pub fn new(profile: Option<String>, region: Option<String>, regions: &[String], environment: &Environment) -> Self {
        let given = |text: Option<String>| text.filter(|text| !text.is_empty());
        let first = regions.first().filter(|name| *name != ALL).cloned();
        let (profile, region) = (given(profile), first.or_else(|| given(region)));
        let regions = if regions.len() > 1 || regions.iter().any(|name| name == ALL) { regions } else { &[] };
        let region = region.or_else(|| Some(OF_REGION.iter().find_map(|name| environment.variable(name))?.to_owned()));
        let overruled =
            |name: &&'static str| OF_REGION.contains(name) || (profile.is_some() && OVERRULED.contains(name));
        let variables = SELECTING.iter().copied().filter(|name| !overruled(name));
        let variables = variables.filter_map(|name| Some((name, environment.variable(name)?.to_owned()))).collect();
        Selection {
            profile,
            region,
            regions: regions.to_vec(),
            variables,
            has_secret: environment.has_secret(),
            file: FileChoice::Nothing,
        }
    }

    /// This selection where a configuration file says a part of it.
    #[must_use]
    pub fn of_file(self, file: FileChoice) -> Self {
        Selection { file, ..self }
    }

    /// What of it the configuration file says.
    #[must_use]
    pub fn file(&self) -> &FileChoice {
        &self.file
    }

    /// Whether the configuration file lists several accounts.
    #[must_use]
    pub fn has_accounts(&self) -> bool {
        matches!(self.file, FileChoice::Accounts(_))
    }

    /// Returns the profile that is named: `--profile`, else `AWS_PROFILE`.
    #[must_use]
    pub fn profile(&self) -> Option<&str> {
        self.profile.as_deref().or_else(|| self.variable("AWS_PROFILE"))
    }

    /// Returns the variables that give another process the same selection, except for credentials and `--profile`, which only a
    /// flag can give.
    pub fn variables(&self) -> impl Iterator<Item = (&'static str, String)> {
        // What the file says it goes on to say.
        let is_own = self.file == FileChoice::Nothing;
        let region = self.region.clone().filter(|_| is_own && (self.regions.is_empty() || self.is_all()));
        let regions = Some(self.regions.join(",")).filter(|regions| is_own && !regions.is_empty());
        let profile = self.profile().filter(|_| self.profile.is_none()).map(str::to_owned);
        let named = [("AWS_PROFILE", profile), ("AWS_REGION", region), ("MUSTER_REGIONS", regions)];
        let named = named.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let others = self.variables.iter().filter(|(name, _)| !["AWS_PROFILE", KEY_ID].contains(name));
        named.chain(others.cloned())
    }

    /// Returns several regions in the order given, or `all` alone; none when [`Selection::region`] is the only one.
    #[must_use]
    pub fn regions(&self) -> &[String] {
        &self.regions
    }

    /// Whether all regions that are enabled for the account are watched.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.regions.iter().any(|name| name == ALL)
    }

    /// Whether another endpoint than AWS's own is used.
    #[must_use]
    pub fn has_endpoint(&self) -> bool {
        self.endpoint_variable().is_some()
    }

    /// The variable that names another endpoint than AWS's own: that of EC2 alone, where both are set.
    #[must_use]
    pub fn endpoint_variable(&self) -> Option<&'static str> {
        OF_ENDPOINT.into_iter().rev().find(|name| self.variable(name).is_some())
    }

    /// Whether keys in the environment are the credentials in use. A key without its secret is ignored, and the credentials come
    /// from elsewhere.
    #[must_use]
    pub fn has_keys(&self) -> bool {
        self.variable(KEY_ID).is_some() && self.has_secret
    }

    /// Whether the environment holds a key id without its secret.
    fn has_half_a_key(&self) -> bool {
        self.variable(KEY_ID).is_some() && !self.has_secret
    }

    /// Hashes the selection to 16 hexadecimal digits, the same in every process and version. The order of regions does not count,
    /// and with `all` neither does the region that is asked first. Where a file lists accounts, only its place and the endpoint count:
    /// it stays the same selection when accounts are added.
    #[must_use]
    pub fn digest(&self) -> String {
        self.digest_of(|_| true)
    }

    /// Hashes the selection without the key of the environment: see [`Selection::digest`].
    #[must_use]
    pub fn digest_without_key(&self) -> String {
        self.digest_of(|name| name != KEY_ID)
    }

    fn digest_of(&self, counts: impl Fn(&str) -> bool) -> String {
        let profile = ("profile", self.profile().unwrap_or("default"));
        let mut regions: Vec<&str> = self.regions.iter().map(String::as_str).collect();
        regions.sort_unstable();
        let regions = regions.join(",");
        let one = self.region.as_deref().unwrap_or("");
        let region = ("region", if regions.is_empty() { one } else { regions.as_str() });
        let others = self.variables.iter().filter(|(name, _)| *name != "AWS_PROFILE" && counts(name));
        let others = others.map(|(name, value)| (*name, value.as_str()));
        // Half a key is not used, so its credentials are others than those of the whole key.
        let half = self.has_half_a_key().then_some(("half a key", ""));
        if let FileChoice::Accounts(file) = &self.file {
            let file = file.to_string_lossy();
            let endpoints = others.filter(|(name, _)| OF_ENDPOINT.contains(name));
            return hashed([("configuration file", file.as_ref())].into_iter().chain(endpoints));
        }
        hashed([profile, region].into_iter().chain(others).chain(half))
    }

    fn variable(&self, name: &str) -> Option<&str> {
        self.variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }
}

/// Hashes names with their values.
fn hashed<'a>(parts: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut bytes = Vec::new();
    for text in parts.flat_map(|(name, value)| [name, value]) {
        bytes.extend((text.len() as u64).to_le_bytes());
        bytes.extend(text.as_bytes());
    }
    format!("{:016x}", xxh3_64(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(profile: Option<&str>, variables: &[(&'static str, &str)]) -> String {
        Selection::new(profile.map(str::to_owned), None, &[], &Environment::of(variables, None)).digest()
    }

    fn of_regions(regions: &[&str], variables: &[(&'static str, &str)]) -> Selection {
        let regions: Vec<String> = regions.iter().map(|name| (*name).to_owned()).collect();
        Selection::new(None, None, &regions, &Environment::of(variables, None))
    }

    #[test]
    fn regions_are_a_selection_whatever_their_order() {
        let digest = |regions, variables| of_regions(regions, variables).digest();
        let home = &[("AWS_REGION", "eu-west-1")][..];
        assert_eq!(digest(&["us-east-1", "eu-west-1"], &[]), digest(&["eu-west-1", "us-east-1"], home));
        assert_eq!(digest(&["eu-west-1"], &[]), digest(&[], home));
        assert_eq!(digest(&["all"], &[]), digest(&["all"], home));
        let different = [digest(&[], home), digest(&["eu-west-1", "us-east-1"], home), digest(&["all"], home)];
        assert_eq!(different.iter().collect::<std::collections::BTreeSet<_>>().len(), 3);
    }

    #[test]
    fn the_first_of_several_regions_is_the_default_one() {
        let several = of_regions(&["us-east-1", "eu-west-1"], &[("AWS_REGION", "sa-east-1")]);
        assert_eq!(several.region.as_deref(), Some("us-east-1"));
        let all = of_regions(&["all"], &[("AWS_REGION", "sa-east-1")]);
        assert_eq!((all.region.as_deref(), all.is_all()), (Some("sa-east-1"), true));
        let variables = |selection: &Selection| selection.variables().collect::<Vec<_>>();
        assert_eq!(variables(&several), [("MUSTER_REGIONS", "us-east-1,eu-west-1".to_owned())]);
        let named = [("AWS_REGION", "sa-east-1".to_owned()), ("MUSTER_REGIONS", "all".to_owned())];
        assert_eq!(variables(&all), named);
    }

    #[test]
    fn a_profile_is_the_same_by_flag_by_variable_and_by_default() {
        assert_eq!(digest(Some("dev"), &[]), digest(None, &[("AWS_PROFILE", "dev")]));
        assert_eq!(digest(Some("default"), &[]), digest(None, &[("AWS_PROFILE", "")]));
    }

    #[test]
    fn everything_that_leads_to_another_account_or_region_is_another_selection() {
        let cases: [&[(&'static str, &str)]; 6] = [
            &[],
            &[("AWS_PROFILE", "dev")],
            &[("AWS_REGION", "us-east-1")],
            &[("AWS_ENDPOINT_URL", "http://127.0.0.1:5000")],
            &[("AWS_ENDPOINT_URL_EC2", "http://127.0.0.1:5000")],
            &[("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE")],
        ];
        let digests: std::collections::BTreeSet<String> = cases.iter().map(|case| digest(None, case)).collect();
        assert_eq!(digests.len(), cases.len());
    }

    #[test]
    fn a_named_profile_overrules_keys_in_the_environment_and_a_variable_does_not() {
        let keys = ("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE");
        assert_eq!(digest(Some("dev"), &[keys]), digest(Some("dev"), &[]));
        assert_ne!(digest(None, &[("AWS_PROFILE", "dev"), keys]), digest(None, &[("AWS_PROFILE", "dev")]));
    }

    #[test]
    fn without_its_key_a_selection_is_the_same_for_every_key_and_no_other() {
        let digest = |key: &str, region: &str| {
            let variables = [("AWS_ACCESS_KEY_ID", key), ("AWS_REGION", region)];
            Selection::new(None, None, &[], &Environment::of(&variables, None)).digest_without_key()
        };
        assert_eq!(digest("ASIAONE", "us-east-1"), digest("ASIATWO", "us-east-1"));
        assert_ne!(digest("ASIAONE", "us-east-1"), digest("ASIAONE", "eu-west-1"));
    }

    #[test]
    fn the_id_of_a_key_without_its_secret_is_no_key_and_has_another_place() {
        let (id, secret) = (("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"), ("AWS_SECRET_ACCESS_KEY", "secret"));
        let of = |variables: &[(&'static str, &str)]| of_regions(&[], variables);
        let whole = of(&[id, secret]);
        assert!(whole.has_keys() && !of(&[secret]).has_keys());
        for half in [of(&[id]), of(&[id, ("AWS_SECRET_ACCESS_KEY", " ")])] {
            assert!(!half.has_keys());
            assert_ne!(half.digest(), whole.digest());
            assert_ne!(half.digest(), digest(None, &[]));
        }
        assert!(!of(&[("AWS_ACCESS_KEY_ID", " "), secret]).has_keys());
        let named = Selection::new(Some("dev".to_owned()), None, &[], &Environment::of(&[id, secret], None));
        assert!(!named.has_keys(), "the profile goes before it");
        assert_eq!(digest(Some("dev"), &[id]), digest(Some("dev"), &[]));
        assert!(!format!("{whole:?}").contains("\"secret\""), "{whole:?}");
    }

    #[test]
    fn accounts_of_a_file_are_selected_by_its_place_and_the_endpoint_alone() {
        let digest = |file: &str, profile: Option<&str>, variables: &[(&'static str, &str)]| {
            let selection = Selection::new(profile.map(str::to_owned), None, &[], &Environment::of(variables, None));
            selection.of_file(FileChoice::Accounts(file.into())).digest()
        };
        let (keys, region) = (("AWS_ACCESS_KEY_ID", "AKIAIOSFODNN7EXAMPLE"), ("AWS_REGION", "us-east-1"));
        assert_eq!(digest("/m.toml", None, &[]), digest("/m.toml", Some("hub"), &[keys, region]));
        assert_ne!(digest("/m.toml", None, &[]), digest("/n.toml", None, &[]));
        assert_ne!(digest("/m.toml", None, &[]), digest("/m.toml", None, &[("AWS_ENDPOINT_URL", "http://[::1]:1")]));
        assert_eq!(digest("/m.toml", None, &[]), "4bd10aee9894c166", "it names stores on disk");
    }

    #[test]
    fn the_digest_never_changes_because_it_names_stores_on_disk() {
        assert_eq!(digest(Some("dev"), &[("AWS_REGION", "us-east-1")]), "87ada5ac36244e2d");
    }
}
