//! The profiles that AWS's configuration files define, to write a configuration from them.

use std::collections::BTreeSet;

use super::ini::Section;
use super::{Profiles, ROLE};

/// A profile, with what is known without credentials.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownProfile {
    /// Its name.
    pub name: String,
    /// Its region.
    pub region: Option<String>,
    /// The account that it leads to, where its settings name one.
    pub account: Option<String>,
    /// The role that it assumes.
    pub role: Option<String>,
    /// The profile that assumes the role.
    pub source: Option<String>,
}

/// The profiles of the files that the environment of this process names, by name. A file that cannot be read has none.
#[must_use]
pub fn known_profiles() -> Vec<KnownProfile> {
    let mut profiles = Profiles::read("");
    let sections = profiles.read.iter().flat_map(|read| read.ini.sections.keys());
    let names = sections.filter_map(|section| match section {
        Section::Profile(name) => Some(name.clone()),
        Section::Other(..) | Section::Ignored(_) => None,
    });
    let names: BTreeSet<String> = names.collect();
    let known = names.into_iter().map(|name| {
        profiles.selected.clone_from(&name);
        let setting = |key: &str| profiles.setting(key).map(str::to_owned);
        let role = setting(ROLE);
        let of_role = role.as_deref().and_then(|arn| arn.split(':').nth(4)).map(str::to_owned);
        KnownProfile {
            region: setting("region"),
            account: of_role.or_else(|| setting("sso_account_id")),
            source: setting("source_profile"),
            role,
            name,
        }
    });
    known.collect()
}
