//! What EC2 calls the parameters of its requests and the fields of its answers on the wire.
//!
//! The names come from the tables in `wire/`, one for an action, which `tests/python/wire_names.py` makes of botocore's model of
//! EC2 and describes. Fields have the names that they have in documents.

use std::collections::BTreeMap;
use std::sync::LazyLock;

/// The table of every action whose answers are known.
const TEXTS: [&str; 17] = [
    include_str!("wire/DescribeAddresses.txt"),
    include_str!("wire/DescribeAvailabilityZones.txt"),
    include_str!("wire/DescribeImages.txt"),
    include_str!("wire/DescribeInstanceStatus.txt"),
    include_str!("wire/DescribeInstances.txt"),
    include_str!("wire/DescribeInternetGateways.txt"),
    include_str!("wire/DescribeNatGateways.txt"),
    include_str!("wire/DescribeNetworkAcls.txt"),
    include_str!("wire/DescribeNetworkInterfaces.txt"),
    include_str!("wire/DescribeRegions.txt"),
    include_str!("wire/DescribeRouteTables.txt"),
    include_str!("wire/DescribeSecurityGroups.txt"),
    include_str!("wire/DescribeSnapshots.txt"),
    include_str!("wire/DescribeSubnets.txt"),
    include_str!("wire/DescribeTags.txt"),
    include_str!("wire/DescribeVolumes.txt"),
    include_str!("wire/DescribeVpcs.txt"),
];

static TABLES: LazyLock<BTreeMap<&'static str, WireTable>> =
    LazyLock::new(|| TEXTS.iter().filter_map(|text| read(text)).map(|table| (table.action, table)).collect());

/// The table of `action`; `None` if there is none, for an action that changes something or is about what is not held.
#[must_use]
pub fn table(action: &str) -> Option<&'static WireTable> {
    TABLES.get(action)
}

/// All tables.
pub fn tables() -> impl Iterator<Item = &'static WireTable> {
    TABLES.values()
}

/// The wire names of one action.
#[derive(Debug, PartialEq, Eq)]
pub struct WireTable {
    /// The action, such as `DescribeVolumes`.
    pub action: &'static str,
    /// The parameters of its requests, by field name.
    pub parameters: Vec<WireField>,
    /// The fields of its answers, by name.
    pub answer: Vec<WireField>,
    /// The structures in its answers.
    pub structures: Vec<WireStructure>,
    /// The filters that AWS documents, each with its other names, and `tag:` for those by the value of a tag.
    pub filters: Vec<Vec<&'static str>>,
}

/// A structure in answers.
#[derive(Debug, PartialEq, Eq)]
pub struct WireStructure {
    /// What AWS's model calls it.
    pub name: &'static str,
    /// Its fields, by name.
    pub fields: Vec<WireField>,
}

/// A field of an answer, or a parameter of a request.
#[derive(Debug, PartialEq, Eq)]
pub struct WireField {
    /// What it is called in boto3, in the AWS CLI and in documents.
    pub name: &'static str,
    /// What it is called on the wire.
    pub wire: &'static str,
    /// What its values are.
    pub form: WireForm,
    /// Whether it is a list of such values.
    pub is_list: bool,
    /// The least and the greatest number, where the model has bounds.
    pub bounds: Option<(i64, i64)>,
}

/// What the values of a field are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireForm {
    /// Text.
    Text,
    /// A time.
    Time,
    /// A whole number.
    Number,
    /// `true` or `false`.
    Flag,
    /// A filter: a name and values. Only requests have these.
    Filter,
    /// The structure with this number in [`WireTable::structures`].
    Structure(usize),
}

impl WireTable {
    /// The field of answers that lists what is described.
    #[must_use]
    pub fn listing(&self) -> Option<&WireField> {
        self.answer.iter().find(|field| field.is_list)
    }

    /// The fields of a structure.
    #[must_use]
    pub fn fields(&self, structure: usize) -> &[WireField] {
        self.structures.get(structure).map_or(&[], |structure| &structure.fields)
    }

    /// The filter that AWS documents for the action under `name` or has by this other name; `tag:` for one by the value of a tag.
    #[must_use]
    pub fn filter(&self, name: &str) -> Option<&'static str> {
        let known = if name.starts_with("tag:") { "tag:" } else { name };
        self.filters.iter().find(|names| names.contains(&known)).and_then(|names| names.first()).copied()
    }

    /// The parameter that is called `wire` in requests.
    #[must_use]
    pub fn parameter(&self, wire: &str) -> Option<&WireField> {
        self.parameters.iter().find(|parameter| parameter.wire == wire)
    }
}

/// Reads a table; `None` if the text is no table.
fn read(text: &'static str) -> Option<WireTable> {
    let mut sections: Vec<(&str, &'static str, Vec<&'static str>)> = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (mark, rest) = line.split_once(' ').unwrap_or((line, ""));
        match mark {
            "?" | "!" | "=" | "~" => sections.push((mark, rest, Vec::new())),
            _ => sections.last_mut()?.2.push(line),
        }
    }
    let numbers: BTreeMap<&str, usize> =
        sections.iter().filter(|(mark, ..)| *mark == "=").enumerate().map(|(at, (_, name, _))| (*name, at)).collect();
    let mut table = WireTable {
        action: "",
        parameters: Vec::new(),
        answer: Vec::new(),
        structures: Vec::new(),
        filters: Vec::new(),
    };
    for (mark, name, lines) in sections {
        if mark == "~" {
            table.filters = lines.into_iter().map(|line| line.split(' ').collect()).collect();
            continue;
        }
        let fields = lines.into_iter().map(|line| field(line, &numbers)).collect::<Option<Vec<_>>>()?;
        match mark {
            "?" => (table.action, table.parameters) = (name, fields),
            "!" => table.answer = fields,
            _ => table.structures.push(WireStructure { name, fields }),
        }
    }
    Some(table)
}

/// Reads the line of a field.
fn field(line: &'static str, structures: &BTreeMap<&str, usize>) -> Option<WireField> {
    let mut words = line.split(' ');
    let (name, wire, form) = (words.next()?, words.next()?, words.next()?);
    let bounds = match words.next() {
        None => None,
        Some(bounds) => {
            let (least, greatest) = bounds.split_once("..")?;
            Some((least.parse().ok()?, greatest.parse().ok()?))
        }
    };
    let element = form.strip_prefix('[').and_then(|form| form.strip_suffix(']'));
    let form = match element.unwrap_or(form) {
        "string" => WireForm::Text,
        "timestamp" => WireForm::Time,
        "integer" | "long" => WireForm::Number,
        "boolean" => WireForm::Flag,
        "Filter" => WireForm::Filter,
        structure => WireForm::Structure(*structures.get(structure)?),
    };
    Some(WireField { name, wire, form, is_list: element.is_some(), bounds })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::KINDS;

    #[test]
    fn every_line_of_every_table_is_read_and_fields_stand_by_name() {
        assert_eq!(TABLES.len(), TEXTS.len());
        for text in TEXTS {
            let table = read(text).unwrap();
            let fields = table.parameters.iter().chain(&table.answer);
            let fields = fields.count() + table.structures.iter().map(|it| it.fields.len()).sum::<usize>();
            let (heads, lines) =
                (3 + table.structures.len(), text.lines().filter(|line| !line.starts_with('#')).count());
            assert_eq!(lines, fields + heads + table.filters.len(), "{}", table.action);
            assert!(table.filters.len() >= 3, "{}", table.action);
            assert!(table.listing().is_some_and(|field| matches!(field.form, WireForm::Structure(_))));
            for fields in table.structures.iter().map(|it| &it.fields).chain([&table.parameters, &table.answer]) {
                assert!(fields.is_sorted_by(|a, b| a.name < b.name), "{}", table.action);
            }
        }
    }

    #[test]
    fn every_kind_has_the_table_of_its_describe() {
        for spec in KINDS {
            let action = spec.actions[0].strip_prefix("ec2:").unwrap();
            let table = table(action).unwrap_or_else(|| panic!("no table of {action}"));
            // The elements that the kind names lead to the resource.
            assert_eq!(table.listing().unwrap().wire, spec.list[0]);
        }
    }

    #[test]
    fn filters_are_those_that_aws_documents() {
        let has = |action, name| table(action).unwrap().filter(name).is_some();
        assert!(has("DescribeVolumes", "attachment.instance-id") && has("DescribeVolumes", "tag:a:b"));
        assert!(
            has("DescribeImages", "tag:") && has("DescribeImages", "tag-key") && !has("DescribeImages", "critical")
        );
        let subnets = table("DescribeSubnets").unwrap();
        assert_eq!((subnets.filter("cidrBlock"), subnets.filter("cidr")), (Some("cidr-block"), Some("cidr-block")));
        assert_eq!(subnets.filter("tag:Name"), Some("tag:"));
        let vpcs = table("DescribeVpcs").unwrap();
        for (former, name) in [("cidr-block", "cidr"), ("cidrBlock", "cidr"), ("isDefault", "is-default")] {
            assert_eq!(vpcs.filter(former), Some(name));
        }
        for (action, name) in [
            ("DescribeInstanceStatus", "tag:Name"),
            ("DescribeInstanceStatus", "health"),
            ("DescribeInstances", "state-transition-time"),
            ("DescribeVolumes", "tag"),
            ("DescribeVolumes", "x:y"),
            ("DescribeVolumes", ""),
        ] {
            assert!(!has(action, name), "{action} {name}");
        }
        // What is held of a kind is among them, but for what Muster has and AWS has not.
        let own = [("instance", "state-transition-time")];
        for spec in KINDS.iter().filter(|spec| spec.slug != "instance-status") {
            let table = table(spec.actions[0].strip_prefix("ec2:").unwrap()).unwrap();
            for filter in spec.filters.iter().map(|it| it.name).chain(spec.in_documents.iter().map(|it| it.name)) {
                assert!(
                    table.filter(filter) == Some(filter) || own.contains(&(spec.slug, filter)),
                    "{} {filter}",
                    spec.slug
                );
            }
        }
    }

    #[test]
    fn text_that_is_no_table_is_none() {
        for text in ["x", "? A\nB b", "? A\nB", "? A\nB b nowhere", "B b string", "? A\nB b integer 5", "= A\nB b [C]"]
        {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
