//! The URIs under which resources are served.
//!
//! | URI | what |
//! |---|---|
//! | `ec2://instance/{id}`, and so on for every kind's slug | one resource, wherever it is |
//! | `ec2://instance/{id}/status` | the status checks of an instance |
//! | `ec2://instance/{id}/history`, `ec2://instance/{id}/status/history`, and so on for every kind | its newest changes |
//! | `ec2://inventory/{account}/{region}/{kind}` | the resources of one kind in one scope |
//! | `ec2://inventory/{account}/{region}/{kind}/{id}` | one resource as one scope sees it |
//! | `ec2://inventory/summary`, `ec2://inventory/freshness` | counts; how fresh they are |
//! | `ec2://inventory/changes` | the newest changes of everything |
//!
//! The case of scheme and host does not matter. Path segments are percent-decoded once. One trailing slash is ignored. Nothing
//! else is normalised: an answer echoes the client's own spelling, because clients compare URIs as text. The path alone
//! identifies a resource, because some clients compare nothing else.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use thiserror::Error;

use crate::kinds::{self, KINDS, KindSpec};
use crate::model::{AccountId, Region, ResourceId, Scope};
use crate::notify::ChangeTopic;
use crate::query::nearness::nearest;

/// The last segment of a resource's changes.
const HISTORY: &str = "history";
/// The longest URI that is accepted.
const MAX_LENGTH: usize = 2048;
/// The unreserved characters of RFC 3986 and `:`, which ids may hold and a path segment may too.
const KEPT: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b':');

/// What a URI names.
#[derive(Clone, Debug)]
pub enum Address {
    /// Counts of everything.
    Summary,
    /// How fresh everything is.
    Freshness,
    /// The newest changes of everything.
    Changes,
    /// The newest changes of one resource, in whatever scopes it is seen.
    History {
        /// Its kind.
        kind: &'static KindSpec,
        /// Its AWS id.
        id: String,
    },
    /// One resource, in whatever scope it is seen.
    Resource {
        /// Its kind.
        kind: &'static KindSpec,
        /// Its AWS id.
        id: String,
    },
    /// One resource as one scope sees it.
    Qualified {
        /// The scope.
        scope: Scope,
        /// Its kind.
        kind: &'static KindSpec,
        /// Its AWS id.
        id: String,
    },
    /// The resources of one kind in one scope.
    Collection {
        /// The scope.
        scope: Scope,
        /// The kind.
        kind: &'static KindSpec,
    },
}

/// Why a URI is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum UriError {
    /// Another scheme, or none.
    #[error("not an ec2:// URI. {SHAPES}")]
    Scheme,
    /// Longer than [`MAX_LENGTH`].
    #[error("the URI is longer than {MAX_LENGTH} characters. {SHAPES}")]
    Long,
    /// A query or fragment.
    #[error("the URI has a {0}, which ec2:// URIs do not take: leave it out, and use search_inventory to filter")]
    Extra(&'static str),
    /// An empty, `.` or `..` segment.
    #[error("the URI has an empty, `.` or `..` path segment. {SHAPES}")]
    Segment,
    /// `%` without two hex digits after it, or bytes that are no UTF-8, or a control character.
    #[error("the URI has a bad percent escape or a control character in its path: percent-encode each segment once")]
    Escape,
    /// No kind of that name.
    #[error("there is no kind `{found}`{}. Kinds: {}", near(*nearest), slugs())]
    Kind {
        /// What was written.
        found: String,
        /// The closest known slug.
        nearest: Option<&'static str>,
    },
    /// An account that is not twelve digits.
    #[error("`{0}` is not an AWS account: accounts are twelve digits. {SHAPES}")]
    Account(String),
    /// Path segments of no known form.
    #[error("no resource has a URI of this form. {SHAPES}")]
    Shape,
}

const SHAPES: &str = "URIs look like ec2://instance/i-0123456789abcdef0, ec2://instance/i-0123456789abcdef0/status, \
    ec2://instance/i-0123456789abcdef0/history, ec2://vpc/vpc-0123456789abcdef0, ec2://inventory/summary, \
    ec2://inventory/freshness, ec2://inventory/changes, \
    ec2://inventory/123456789012/eu-central-1/instance";

impl Address {
    /// Reads a URI.
    ///
    /// # Errors
    /// [`UriError`], whose text shows the forms there are.
    pub fn parse(text: &str) -> Result<Self, UriError> {
        let rest = match text.split_at_checked(6) {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("ec2://") => rest,
            _ => return Err(UriError::Scheme),
        };
        if text.len() > MAX_LENGTH {
            return Err(UriError::Long);
        }
        for (mark, name) in [('?', "query"), ('#', "fragment")] {
            if rest.contains(mark) {
                return Err(UriError::Extra(name));
            }
        }
        // Some clients add a slash after the last segment.
        let rest = rest.strip_suffix('/').filter(|rest| rest.contains('/')).unwrap_or(rest);
        let mut segments = rest.split('/');
        let host = segments.next().unwrap_or_default().to_ascii_lowercase();
        let path = segments.map(decode).collect::<Result<Vec<String>, _>>()?;
        let path: Vec<&str> = path.iter().map(String::as_str).collect();
        if host == "inventory" {
            return Self::inventory(&path);
        }
        let kind = kind(&host)?;
        match path.as_slice() {
            [id] => Ok(Address::Resource { kind, id: (*id).to_owned() }),
            [id, HISTORY] => Ok(Address::History { kind, id: (*id).to_owned() }),
            [id, part] => Ok(Address::Resource { kind: part_of(kind, part)?, id: (*id).to_owned() }),
            [id, part, HISTORY] => Ok(Address::History { kind: part_of(kind, part)?, id: (*id).to_owned() }),
            _ => Err(UriError::Shape),
        }
    }

    fn inventory(path: &[&str]) -> Result<Self, UriError> {
        let scope = |account: &str, region: &str| {
            let scope = Scope { account: AccountId::new(account), region: Region::new(region) };
            if AccountId::is_valid(account) { Ok(scope) } else { Err(UriError::Account(account.to_owned())) }
        };
        match path {
            ["summary"] => Ok(Address::Summary),
            ["freshness"] => Ok(Address::Freshness),
            ["changes"] => Ok(Address::Changes),
            [account, region, slug] => Ok(Address::Collection { scope: scope(account, region)?, kind: kind(slug)? }),
            [account, region, slug, id] => {
                Ok(Address::Qualified { scope: scope(account, region)?, kind: kind(slug)?, id: (*id).to_owned() })
            }
            _ => Err(UriError::Shape),
        }
    }

    /// The topic of a subscription to this address.
    #[must_use]
    pub fn topic(&self) -> ChangeTopic {
        match self {
            Address::Summary => ChangeTopic::Summary,
            Address::Freshness => ChangeTopic::Freshness,
            Address::Changes => ChangeTopic::Changes,
            Address::Resource { kind, id } | Address::History { kind, id } => {
                ChangeTopic::Resource { kind: kind.kind(), id: id.as_str().into(), scope: None }
            }
            Address::Qualified { scope, kind, id } => {
                ChangeTopic::Resource { kind: kind.kind(), id: id.as_str().into(), scope: Some(scope.clone()) }
            }
            Address::Collection { scope, kind } => ChangeTopic::Collection { scope: scope.clone(), kind: kind.kind() },
        }
    }

    /// The short URI of a resource: the form that lists offer.
    #[must_use]
    pub fn of(kind: &'static KindSpec, id: &str) -> Address {
        Address::Resource { kind, id: id.to_owned() }
    }

    /// The URI of one resource as one scope sees it.
    #[must_use]
    pub fn qualified(kind: &'static KindSpec, id: &ResourceId) -> Address {
        Address::Qualified { scope: id.scope(), kind, id: id.id.to_string() }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let encoded = |text| utf8_percent_encode(text, &KEPT);
        match self {
            Address::Summary => f.write_str("ec2://inventory/summary"),
            Address::Freshness => f.write_str("ec2://inventory/freshness"),
            Address::Changes => f.write_str("ec2://inventory/changes"),
            Address::History { kind, id } => write!(f, "{}/{HISTORY}", Address::of(kind, id)),
            Address::Resource { kind, id } => match kind.status_of {
                Some(whole) => write!(f, "ec2://{whole}/{}/{}", encoded(id), status_segment(kind)),
                None => write!(f, "ec2://{}/{}", kind.slug, encoded(id)),
            },
            Address::Qualified { scope, kind, id } => write!(
                f,
                "ec2://inventory/{}/{}/{}/{}",
                scope.account,
                encoded(scope.region.as_str()),
                kind.slug,
                encoded(id)
            ),
            Address::Collection { scope, kind } => {
                write!(f, "ec2://inventory/{}/{}/{}", scope.account, encoded(scope.region.as_str()), kind.slug)
            }
        }
    }
}

impl PartialEq for Address {
    fn eq(&self, other: &Self) -> bool {
        // A resource and its history share a topic.
        std::mem::discriminant(self) == std::mem::discriminant(other) && self.topic() == other.topic()
    }
}

/// The kind that is served below `whole` as `segment`.
fn part_of(whole: &KindSpec, segment: &str) -> Result<&'static KindSpec, UriError> {
    let part = KINDS.iter().find(|of| of.status_of == Some(whole.slug) && status_segment(of) == segment);
    part.copied().ok_or(UriError::Shape)
}

/// The last segment under which a kind is served below another: `status` of `instance-status`.
#[must_use]
pub fn status_segment(kind: &KindSpec) -> &'static str {
    let below = kind.status_of.and_then(|whole| kind.slug.strip_prefix(whole)?.strip_prefix('-'));
    below.unwrap_or(kind.slug)
}

fn decode(segment: &str) -> Result<String, UriError> {
    let bytes = segment.as_bytes();
    let escapes = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'%');
    for (at, _) in escapes {
        let digits = bytes.get(at + 1..at + 3).ok_or(UriError::Escape)?;
        if !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(UriError::Escape);
        }
    }
    let decoded = percent_decode_str(segment).decode_utf8().map_err(|_| UriError::Escape)?;
    if decoded.chars().any(char::is_control) {
        return Err(UriError::Escape);
    }
    if matches!(&*decoded, "" | "." | "..") {
        return Err(UriError::Segment);
    }
    Ok(decoded.into_owned())
}

fn kind(slug: &str) -> Result<&'static KindSpec, UriError> {
    kinds::by_slug(slug).ok_or_else(|| UriError::Kind {
        found: crate::model::text::shown(slug, 60),
        nearest: nearest(slug, KINDS.iter().map(|spec| spec.slug)),
    })
}

fn slugs() -> String {
    KINDS.iter().map(|spec| spec.slug).collect::<Vec<_>>().join(", ")
}

fn near(nearest: Option<&'static str>) -> String {
    nearest.map_or_else(String::new, |nearest| format!(" (did you mean `{nearest}`?)"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn addresses() -> impl Strategy<Value = Address> {
        let kind = (0..KINDS.len()).prop_map(|at| KINDS[at]);
        let id = "[^\\p{Cc}]{1,20}".prop_filter("not a dot segment", |id| id != "." && id != "..");
        let scope = ("[0-9]{12}", "[a-z]{2}-[a-z]{4,9}-[1-9]")
            .prop_map(|(account, region)| Scope { account: AccountId::new(account), region: Region::new(region) });
        prop_oneof![
            Just(Address::Summary),
            Just(Address::Freshness),
            Just(Address::Changes),
            (kind.clone(), id.clone()).prop_map(|(kind, id)| Address::Resource { kind, id }),
            (kind.clone(), id.clone()).prop_map(|(kind, id)| Address::History { kind, id }),
            (scope.clone(), kind.clone(), id).prop_map(|(scope, kind, id)| Address::Qualified { scope, kind, id }),
            (scope, kind).prop_map(|(scope, kind)| Address::Collection { scope, kind }),
        ]
    }

    proptest! {
        #[test]
        fn parsing_gives_back_what_was_formatted(address in addresses()) {
            prop_assert_eq!(Address::parse(&address.to_string()), Ok(address));
        }

        #[test]
        fn no_text_makes_it_panic(text in "\\PC{0,60}", tail in "[a-z0-9%./?#:-]{0,40}") {
            drop(Address::parse(&text));
            drop(Address::parse(&format!("ec2://{tail}")));
            drop(Address::parse(&format!("ec2://inventory/{tail}")));
        }
    }

    #[test]
    fn an_instance_and_its_status_are_apart() {
        let status = Address::parse("ec2://instance/i-1/status").unwrap();
        assert!(matches!(&status, Address::Resource { kind, id } if kind.slug == "instance-status" && id == "i-1"));
        assert_ne!(status, Address::parse("ec2://instance/i-1").unwrap());
        assert_eq!(status.to_string(), "ec2://instance/i-1/status");
    }

    #[test]
    fn scheme_and_host_fold_case_but_ids_do_not() {
        assert_eq!(Address::parse("EC2://Instance/i-1"), Address::parse("ec2://instance/i-1"));
        assert_ne!(Address::parse("ec2://instance/I-1"), Address::parse("ec2://instance/i-1"));
    }

    #[test]
    fn one_slash_at_the_end_says_nothing() {
        for text in [
            "ec2://instance/i-0a",
            "ec2://instance/i-0a/status",
            "ec2://instance/i-0a/history",
            "ec2://inventory/summary",
            "ec2://inventory/123456789012/eu-central-1/instance",
            "EC2://VPC/vpc-1%2F",
        ] {
            assert_eq!(Address::parse(&format!("{text}/")), Address::parse(text), "{text}");
            assert!(Address::parse(text).is_ok(), "{text}");
            assert_eq!(Address::parse(&format!("{text}//")), Err(UriError::Segment), "{text}");
        }
        assert_eq!(Address::parse("ec2://instance//"), Err(UriError::Segment));
        assert_eq!(Address::parse("ec2://instance/i-0a/?x=1"), Err(UriError::Extra("query")));
    }

    #[test]
    fn segments_are_decoded_once() {
        let Ok(Address::Resource { id, .. }) = Address::parse("ec2://instance/i%2D1%2541") else { panic!("parses") };
        assert_eq!(id, "i-1%41");
    }

    #[test]
    fn odd_text_is_refused_with_a_reason() {
        let refused = |text: &str| Address::parse(text).unwrap_err();
        assert_eq!(refused("https://instance/i-1"), UriError::Scheme);
        assert_eq!(refused("ec2:/instance/i-1"), UriError::Scheme);
        assert_eq!(refused("ec2://instance/i-1?x=1"), UriError::Extra("query"));
        assert_eq!(refused("ec2://instance/i-1#x"), UriError::Extra("fragment"));
        assert_eq!(refused("ec2://instance/"), UriError::Segment);
        assert_eq!(refused("ec2://instance//status"), UriError::Segment);
        assert_eq!(refused("ec2://instance/%2e%2E"), UriError::Segment);
        assert_eq!(refused("ec2://instance/i-%zz"), UriError::Escape);
        assert_eq!(refused("ec2://instance/i-%f"), UriError::Escape);
        assert_eq!(refused("ec2://instance/%ff"), UriError::Escape);
        assert_eq!(refused("ec2://instance/a%00"), UriError::Escape);
        assert_eq!(refused("ec2://instance"), UriError::Shape);
        assert_eq!(refused("ec2://instance/i-1/history/x"), UriError::Shape);
        assert_eq!(refused("ec2://inventory/12/eu-west-1/vpc"), UriError::Account("12".into()));
        let error = refused("ec2://instances/i-1");
        assert!(error.to_string().contains("did you mean `instance`?"), "{error}");
    }

    #[test]
    fn no_kind_is_called_inventory() {
        assert!(kinds::by_slug("inventory").is_none());
    }
}
