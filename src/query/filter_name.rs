//! The one resolver of the names by which filters and columns may be called.
//!
//! A filter may be called by AWS's name, by the name of the column that shows it, or by the field of AWS's answer that holds its
//! values; `_` stands for `-`, and letter case does not matter.

use std::borrow::Cow;

use crate::kinds::{INSTANCE, KindSpec};
use crate::query::exposure;

/// The filters that every kind has and that no kind lists.
const OF_ALL: [&str; 3] = ["tag-key", "account", "region"];

/// The name of the filter of `kind` that `written` means; `None` if it means none, or could mean several. `id` is the kind's own id,
/// and `name` the name that AWS gives it, else its tag `Name`.
#[must_use]
pub fn meant<'a>(kind: &KindSpec, written: &'a str) -> Option<Cow<'a, str>> {
    if let Some((tag, key)) = written.split_once(':').filter(|(tag, _)| tag.eq_ignore_ascii_case("tag")) {
        return Some(if tag == "tag" { Cow::Borrowed(written) } else { Cow::Owned(format!("tag:{key}")) });
    }
    if names(kind).any(|name| name == written) {
        return Some(Cow::Borrowed(written));
    }
    let key = folded(written);
    let by_name = names(kind).filter(|name| folded(name) == key);
    let by_column = kind.columns.iter().filter(|(_, column)| folded(column) == key).map(|(filter, _)| *filter);
    if let Some(name) = only(by_name.chain(by_column)) {
        return Some(Cow::Borrowed(name));
    }
    if key == "id" {
        return kind.id_filter().map(|filter| filter.name).map(Cow::Borrowed);
    }
    if key == "name" {
        return Some(Cow::Borrowed(own_name(kind).unwrap_or("tag:Name")));
    }
    let of_rows = kind.filters.iter().filter(|filter| matches!(filter.paths, [path] if folded(path) == key));
    let of_documents = kind.in_documents.iter().filter(|filter| folded(filter.path) == key);
    let by_field = of_rows.map(|filter| filter.name).chain(of_documents.map(|filter| filter.name));
    only(by_field).map(Cow::Borrowed)
}

/// All names of filters of a kind, in AWS's spelling, but those of tags.
pub fn names(kind: &KindSpec) -> impl Iterator<Item = &'static str> {
    let own = (kind.slug == INSTANCE.slug).then_some(exposure::FILTER);
    let of_rows = kind.filters.iter().map(|filter| filter.name);
    of_rows.chain(kind.in_documents.iter().map(|filter| filter.name)).chain(OF_ALL).chain(own)
}

/// A name without what its spellings differ in.
#[must_use]
pub fn folded(name: &str) -> String {
    name.chars().filter(|letter| !matches!(letter, '-' | '_' | ' ')).flat_map(char::to_lowercase).collect()
}

/// The filter of a kind that holds the name that AWS gives it, such as a security group's.
fn own_name(kind: &KindSpec) -> Option<&'static str> {
    let field = kind.name_field.filter(|field| field.ends_with("Name"))?;
    kind.filter_at(field).map(|filter| filter.name)
}

/// The name, if all of them are the same.
fn only(mut names: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    let first = names.next()?;
    names.all(|name| name == first).then_some(first)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::{KINDS, SECURITY_GROUP, VOLUME, by_slug};

    #[test]
    fn a_filter_is_found_by_every_name_that_people_see() {
        for (kind, written, filter) in [
            (INSTANCE, "state", "instance-state-name"),
            (INSTANCE, "State", "instance-state-name"),
            (INSTANCE, "type", "instance-type"),
            (INSTANCE, "instance_type", "instance-type"),
            (INSTANCE, "InstanceType", "instance-type"),
            (INSTANCE, "INSTANCE-TYPE", "instance-type"),
            (INSTANCE, "private_ip", "private-ip-address"),
            (INSTANCE, "PrivateIpAddress", "private-ip-address"),
            (INSTANCE, "VpcId", "vpc-id"),
            (INSTANCE, "LaunchTime", "launch-time"),
            (INSTANCE, "State.Name", "instance-state-name"),
            (INSTANCE, "id", "instance-id"),
            (INSTANCE, "name", "tag:Name"),
            (INSTANCE, "Tag:Team", "tag:Team"),
            (INSTANCE, "Region", "region"),
            (VOLUME, "size_gib", "size"),
            (VOLUME, "ID", "volume-id"),
            (VOLUME, "Encrypted", "encrypted"),
            (SECURITY_GROUP, "name", "group-name"),
            (by_slug("image").unwrap(), "Name", "name"),
            (by_slug("vpc").unwrap(), "CidrBlock", "cidr"),
        ] {
            assert_eq!(meant(kind, written).as_deref(), Some(filter), "{} {written}", kind.slug);
        }
        for unknown in ["colour", "", "team", "-"] {
            assert_eq!(meant(INSTANCE, unknown), None, "{unknown}");
        }
    }

    #[test]
    fn a_name_of_aws_or_of_a_column_means_itself_in_every_kind() {
        for kind in KINDS {
            for name in names(kind) {
                assert_eq!(meant(kind, name).as_deref(), Some(name), "{}", kind.slug);
                assert_eq!(meant(kind, &name.replace('-', "_")).as_deref(), Some(name), "{}", kind.slug);
            }
            for (filter, column) in kind.columns {
                assert_eq!(meant(kind, column).as_deref(), Some(*filter), "{} {column}", kind.slug);
            }
            assert!(kind.slug == "address" || meant(kind, "id").is_some(), "{}", kind.slug);
        }
    }
}
