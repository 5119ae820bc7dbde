//! Checks the names of regions.

use std::borrow::Cow;

use strsim::osa_distance;

/// The regions of all of AWS's partitions, as its SDKs of autumn 2026 know them. AWS opens new ones, so a name that is not
/// here is refused only when it looks like a typing error.
const KNOWN: &[&str] = &[
    "af-south-1",
    "ap-east-1",
    "ap-east-2",
    "ap-northeast-1",
    "ap-northeast-2",
    "ap-northeast-3",
    "ap-south-1",
    "ap-south-2",
    "ap-southeast-1",
    "ap-southeast-2",
    "ap-southeast-3",
    "ap-southeast-4",
    "ap-southeast-5",
    "ap-southeast-6",
    "ap-southeast-7",
    "ca-central-1",
    "ca-west-1",
    "cn-north-1",
    "cn-northwest-1",
    "eu-central-1",
    "eu-central-2",
    "eu-isoe-west-1",
    "eu-north-1",
    "eu-south-1",
    "eu-south-2",
    "eu-west-1",
    "eu-west-2",
    "eu-west-3",
    "eusc-de-east-1",
    "il-central-1",
    "me-central-1",
    "me-south-1",
    "me-west-1",
    "mx-central-1",
    "sa-east-1",
    "sa-west-1",
    "us-east-1",
    "us-east-2",
    "us-gov-east-1",
    "us-gov-west-1",
    "us-iso-east-1",
    "us-iso-west-1",
    "us-isob-east-1",
    "us-isob-west-1",
    "us-isof-east-1",
    "us-isof-south-1",
    "us-west-1",
    "us-west-2",
];

/// The error in a region's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Slip {
    /// It is nearly the name of this region.
    Near(&'static str),
    /// No region's name has this form.
    Form,
}

/// Whether `name` can be the name of a region: see [`check`].
#[must_use]
pub fn is_region(name: &str) -> bool {
    check(name).is_ok()
}

/// Checks whether `name` can be the name of a region.
///
/// A region that is not known yet passes when its name has the right form (`eu-east-1`), unless one letter makes it a known
/// region. A known name with another number passes: only AWS can tell.
pub(super) fn check(name: &str) -> Result<(), Slip> {
    let Some(stem) = stem(name) else {
        let lower = name.trim().to_ascii_lowercase();
        let scored = KNOWN.iter().map(|known| (osa_distance(&lower, known), *known));
        let nearest = scored.min().filter(|(distance, _)| *distance <= 3);
        return Err(nearest.map_or(Slip::Form, |(_, known)| Slip::Near(known)));
    };
    let stems = || KNOWN.iter().filter_map(|known| Some((self::stem(known)?, *known)));
    if stems().any(|(known, _)| known == stem) {
        return Ok(());
    }
    match stems().find(|(known, _)| osa_distance(known, stem) == 1) {
        Some((_, known)) => Err(Slip::Near(known)),
        None => Ok(()),
    }
}

/// A region's name as AWS writes it. What is no such name in small letters either stays as it is: another endpoint than AWS's may
/// have regions of any name.
pub(super) fn written(name: &str) -> Cow<'_, str> {
    let lower = name.trim().to_ascii_lowercase();
    if lower != name && check(&lower).is_ok() { Cow::Owned(lower) } else { Cow::Borrowed(name) }
}

/// Returns a region's name without its number. It has at least two words of letters.
fn stem(name: &str) -> Option<&str> {
    let (stem, number) = name.rsplit_once('-')?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let is_word = |word: &str| word.len() > 1 && word.bytes().all(|byte| byte.is_ascii_lowercase());
    (is_number && stem.contains('-') && stem.split('-').all(is_word)).then_some(stem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_regions_pass_and_new_ones_of_their_form() {
        for name in KNOWN.iter().chain(&["eu-west-9", "ap-southeast-8", "eu-east-1", "nz-north-1", "us-isog-mid-10"]) {
            assert_eq!(check(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn a_name_in_capital_letters_is_written_as_aws_writes_it() {
        for (name, expected) in [
            ("EU-West-1", "eu-west-1"),
            (" us-east-1", "us-east-1"),
            ("eu-west-1", "eu-west-1"),
            ("RegionOne", "RegionOne"),
            ("EU-CENTAL-1", "EU-CENTAL-1"),
            ("ALL", "ALL"),
        ] {
            assert_eq!(written(name), expected);
        }
    }

    #[test]
    fn a_slip_is_refused_with_what_was_meant() {
        for (name, meant) in [
            ("eu-cental-1", "eu-central-1"),
            ("us-eats-1", "us-east-1"),
            ("us-est-2", "us-east-1"),
            ("EU-West-1", "eu-west-1"),
            ("useast1", "us-east-1"),
            ("eu-central1", "eu-central-1"),
            ("eu-west-1a", "eu-west-1"),
            ("us_west_2", "us-west-2"),
            ("eu-west-", "eu-west-1"),
        ] {
            assert_eq!(check(name), Err(Slip::Near(meant)), "{name}");
        }
        for name in ["", "Frankfurt", "mars", "-", "1", "--1"] {
            assert_eq!(check(name), Err(Slip::Form), "{name}");
        }
    }
}
