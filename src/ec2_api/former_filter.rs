//! Filters that AWS documented once and still takes, that clients send, and that no filter of today is another name of. Documents tell
//! their values. Other names of today's filters stand in the tables of [`wire`](super::wire).

use super::wire::WireTable;
use crate::kinds::DocumentFilter;
use crate::model::Form;

/// The filter by the values of all tags, whatever their keys.
pub const TAG_VALUE: &str = "tag-value";

/// Those of one action: boto3 and Ansible ask for addresses by `domain`.
static OF_ACTIONS: [(&str, DocumentFilter); 3] = [
    ("DescribeAddresses", DocumentFilter::new("domain", "Domain", Form::Text)),
    (
        "DescribeNetworkInterfaces",
        DocumentFilter::new("addresses.private-dns-name", "PrivateIpAddresses.PrivateDnsName", Form::Text),
    ),
    ("DescribeNetworkInterfaces", DocumentFilter::new("group-name", "Groups.GroupName", Form::Text)),
];

/// That of everything that has tags: Cloud Custodian has it for instances. Values of tags may be empty, as prose may.
static BY_TAG_VALUE: DocumentFilter = DocumentFilter::new(TAG_VALUE, "Tags.Value", Form::Prose);

/// The filter that AWS once had for the action of `table` under this name.
#[must_use]
pub fn former_filter(table: &WireTable, name: &str) -> Option<&'static DocumentFilter> {
    if name == TAG_VALUE {
        return table.filter("tag-key").map(|_| &BY_TAG_VALUE);
    }
    let found = OF_ACTIONS.iter().find(|(action, filter)| *action == table.action && filter.name == name);
    found.map(|(_, filter)| filter)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ec2_api::wire::{WireField, WireForm, table, tables};

    /// Whether answers have the field at a path.
    fn has(table: &WireTable, fields: &[WireField], path: &str) -> bool {
        let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
        let Some(field) = fields.iter().find(|field| field.name == first) else { return false };
        match (field.form, rest) {
            (WireForm::Structure(structure), Some(rest)) => has(table, table.fields(structure), rest),
            (_, rest) => rest.is_none(),
        }
    }

    #[test]
    fn what_aws_once_had_is_in_its_answers_and_nothing_that_it_has_today() {
        for table in tables() {
            let names = OF_ACTIONS.iter().map(|(_, filter)| filter.name).chain([TAG_VALUE]);
            for filter in names.filter_map(|name| former_filter(table, name)) {
                assert_eq!(table.filter(filter.name), None, "{} {}", table.action, filter.name);
                let WireForm::Structure(listed) = table.listing().unwrap().form else { panic!("{}", table.action) };
                let of_reservations = format!("Instances.{}", filter.path);
                let paths = [filter.path, of_reservations.as_str()];
                let is_there = paths.iter().any(|path| has(table, table.fields(listed), path));
                assert!(is_there, "{} {}", table.action, filter.path);
            }
        }
        let of = |action: &str, name: &str| former_filter(table(action).unwrap(), name).map(|filter| filter.path);
        assert_eq!(of("DescribeAddresses", "domain"), Some("Domain"));
        assert_eq!(of("DescribeInstances", "tag-value"), Some("Tags.Value"));
        assert_eq!(of("DescribeVpcs", "domain"), None);
        assert_eq!((of("DescribeTags", "tag-value"), of("DescribeInstanceStatus", "tag-value")), (None, None));
    }
}
