//! Parses the names of kinds that are watched.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use super::selection::ALL;
use crate::kinds::{self, KINDS};
use crate::model::KindSelection;
use crate::query::nearness::{near, nearest};

/// The name of a kind that is watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KindName {
    /// `all` of them.
    All,
    /// The kind of this slug.
    One(&'static str),
}

/// No kind has this name.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{given}` is no kind{}: give `{ALL}`, or some of {}", near(*nearest), kinds::slugs().collect::<Vec<_>>().join(", "))]
pub struct KindNameError {
    given: String,
    nearest: Option<&'static str>,
}

impl FromStr for KindName {
    type Err = KindNameError;

    fn from_str(text: &str) -> Result<Self, KindNameError> {
        let given = text.trim();
        if given.eq_ignore_ascii_case(ALL) {
            return Ok(KindName::All);
        }
        if let Some(spec) = kinds::by_slug(given).or_else(|| kinds::by_name(given)) {
            return Ok(KindName::One(spec.slug));
        }
        let meant = kinds::meant(given).map(|spec| spec.slug);
        let nearest = meant.or_else(|| nearest(given, kinds::slugs().chain([ALL])));
        Err(KindNameError { given: given.to_owned(), nearest })
    }
}

impl fmt::Display for KindName {
    /// Writes it as [`FromStr`] reads it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            KindName::All => ALL,
            KindName::One(slug) => slug,
        })
    }
}

impl KindName {
    /// The names that stand for a selection.
    #[must_use]
    pub fn of(selection: &KindSelection) -> Vec<KindName> {
        match selection {
            KindSelection::All => vec![KindName::All],
            KindSelection::Only(_) => {
                let chosen = KINDS.iter().filter(|spec| selection.watches(&spec.kind()));
                chosen.map(|spec| KindName::One(spec.slug)).collect()
            }
        }
    }

    /// Every name that is taken.
    pub fn every() -> impl Iterator<Item = &'static str> {
        kinds::slugs().chain(KINDS.iter().map(|spec| spec.name)).chain([ALL])
    }

    /// The selection that names stand for; all where there are none. An instance and its status checks come together, whichever is
    /// named.
    #[must_use]
    pub fn selection(names: &[KindName]) -> KindSelection {
        let mut slugs: BTreeSet<&str> = BTreeSet::new();
        for name in names {
            match name {
                KindName::All => return KindSelection::All,
                KindName::One(slug) => drop(slugs.insert(slug)),
            }
        }
        if slugs.is_empty() {
            return KindSelection::All;
        }
        for (part, whole) in KINDS.iter().filter_map(|spec| Some((spec.slug, spec.status_of?))) {
            if slugs.contains(part) || slugs.contains(whole) {
                slugs.extend([part, whole]);
            }
        }
        KindSelection::Only(slugs.into_iter().filter_map(kinds::by_slug).map(kinds::KindSpec::kind).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn selected(names: &str) -> Vec<String> {
        let names: Vec<KindName> = names.split(',').map(|name| name.parse().unwrap()).collect();
        KindName::of(&KindName::selection(&names)).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn kinds_are_chosen_by_slug_or_type_and_status_checks_come_with_their_instance() {
        assert_eq!(selected("vpc"), ["vpc"]);
        assert_eq!(selected("AWS::EC2::VPC, volume"), ["vpc", "volume"]);
        assert_eq!(selected("vpc,instance"), ["instance", "instance-status", "vpc"]);
        assert_eq!(selected("instance-status"), ["instance", "instance-status"]);
        assert_eq!(selected("volume,ALL"), ["all"]);
        assert_eq!(KindName::selection(&[]), KindSelection::All);
    }

    #[test]
    fn an_unknown_kind_is_refused_with_what_was_meant() {
        for (given, meant) in [("volumes", "volume"), ("sg", "security-group"), ("snapshit", "snapshot"), ("al", "all")]
        {
            let said = given.parse::<KindName>().unwrap_err().to_string();
            assert!(
                said.contains(&format!("`{given}`")) && said.contains(&format!("did you mean `{meant}`")),
                "{said}"
            );
        }
        let said = "lambda-function".parse::<KindName>().unwrap_err().to_string();
        assert!(said.contains("instance, instance-status, vpc"), "{said}");
    }
}
