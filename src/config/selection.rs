//! Which account and region a process looks at, as far as that is known without asking anybody.

use xxhash_rust::xxh3::xxh3_64;

use super::environment::{Environment, SELECTING};

/// What selects the account and region: two processes with equal selections may share a server and its store.
///
/// The account itself is known only once AWS was asked, and the store must be found before that. So everything that
/// leads the credential chain to an account counts, the id of an access key included: a client with other credentials in
/// its environment must never be served, or write, with those of the process that happened to start first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// `--profile`, else `AWS_PROFILE`; `None` is the profile `default`.
    pub profile: Option<String>,
    /// `--region`, else `AWS_REGION`, else `AWS_DEFAULT_REGION`; `None` leaves it to the profile.
    pub region: Option<String>,
    /// The other selecting variables that are set, by name.
    others: Vec<(&'static str, String)>,
}

impl Selection {
    /// What was given, over AWS's variables. Blank is unset.
    #[must_use]
    pub fn new(profile: Option<String>, region: Option<String>, environment: &Environment) -> Self {
        let set = |given: Option<String>, names: &[&str]| {
            let variables = || names.iter().find_map(|name| environment.variable(name)).map(str::to_owned);
            given.filter(|text| !text.is_empty()).or_else(variables)
        };
        let others =
            SELECTING.iter().filter(|name| !matches!(**name, "AWS_PROFILE" | "AWS_REGION" | "AWS_DEFAULT_REGION"));
        Selection {
            profile: set(profile, &["AWS_PROFILE"]),
            region: set(region, &["AWS_REGION", "AWS_DEFAULT_REGION"]),
            others: others.filter_map(|name| Some((*name, environment.variable(name)?.to_owned()))).collect(),
        }
    }

    /// What a process started elsewhere has to have in its environment to arrive at the same selection, except for
    /// credentials.
    pub fn variables(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let given = [("AWS_PROFILE", &self.profile), ("AWS_REGION", &self.region)];
        let given = given.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?)));
        let others = self.others.iter().filter(|(name, _)| *name != "AWS_ACCESS_KEY_ID");
        given.chain(others.map(|(name, value)| (*name, value.as_str())))
    }

    /// Whether the credentials themselves are in the environment.
    #[must_use]
    pub fn has_keys(&self) -> bool {
        self.others.iter().any(|(name, _)| *name == "AWS_ACCESS_KEY_ID")
    }

    /// Names the selection in 16 hexadecimal digits, the same in every process and version.
    #[must_use]
    pub fn digest(&self) -> String {
        let profile = ("profile", self.profile.as_deref().unwrap_or("default"));
        let region = ("region", self.region.as_deref().unwrap_or(""));
        let others = self.others.iter().map(|(name, value)| (*name, value.as_str()));
        let mut bytes = Vec::new();
        for (name, value) in [profile, region].into_iter().chain(others) {
            for text in [name, value] {
                bytes.extend((text.len() as u64).to_le_bytes());
                bytes.extend(text.as_bytes());
            }
        }
        format!("{:016x}", xxh3_64(&bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(profile: Option<&str>, variables: &[(&'static str, &str)]) -> String {
        Selection::new(profile.map(str::to_owned), None, &Environment::of(variables, None)).digest()
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
    fn the_digest_never_changes_because_it_names_stores_on_disk() {
        assert_eq!(digest(Some("dev"), &[("AWS_REGION", "us-east-1")]), "87ada5ac36244e2d");
    }
}
