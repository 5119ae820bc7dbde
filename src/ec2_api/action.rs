//! The actions of EC2: which are answered, which only read, and which change something.

use std::sync::LazyLock;

use super::wire::{WireTable, table};
use crate::kinds::{KINDS, KindSpec};

/// The names of all actions, sorted.
static NAMES: LazyLock<Vec<&'static str>> = LazyLock::new(|| names(include_str!("wire/actions.txt")));

/// How the names of actions begin that change nothing.
const READS: [&str; 4] = ["Describe", "Get", "List", "Search"];

/// An action of EC2, as far as it is known here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ec2Action {
    /// It describes what may be held: its requests are read, and its answers can be written.
    Describe(&'static WireTable),
    /// It reads something that is not held.
    Other(&'static str),
    /// It changes something.
    Change(&'static str),
}

impl Ec2Action {
    /// The action that AWS calls `name`; `None` if AWS has none of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let known = *NAMES.get(NAMES.binary_search(&name).ok()?)?;
        let is_read = READS.iter().any(|verb| known.starts_with(verb));
        Some(match table(known) {
            Some(table) => Ec2Action::Describe(table),
            None if is_read => Ec2Action::Other(known),
            None => Ec2Action::Change(known),
        })
    }

    /// What AWS calls it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Ec2Action::Describe(table) => table.action,
            Ec2Action::Other(name) | Ec2Action::Change(name) => name,
        }
    }

    /// The kind that it lists; `None` for what is no kind of its own, such as tags.
    #[must_use]
    pub fn kind(&self) -> Option<&'static KindSpec> {
        let action = format!("ec2:{}", self.name());
        KINDS.iter().find(|spec| spec.actions.contains(&action.as_str())).copied()
    }
}

/// The names in a list.
fn names(text: &'static str) -> Vec<&'static str> {
    text.lines().filter(|line| !line.starts_with('#')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_describes_what_is_held_or_reads_or_changes() {
        assert!(NAMES.len() > 800 && NAMES.is_sorted());
        let of = |name| Ec2Action::named(name).unwrap();
        assert!(matches!(of("DescribeVolumes"), Ec2Action::Describe(_)));
        assert_eq!(of("DescribeVolumes").kind().unwrap().slug, "volume");
        assert!(matches!(of("DescribeTags"), Ec2Action::Describe(_)));
        assert!(of("DescribeTags").kind().is_none());
        for read in ["DescribeVpcPeeringConnections", "GetConsoleOutput", "SearchTransitGatewayRoutes"] {
            assert_eq!(of(read), Ec2Action::Other(read));
        }
        for change in ["TerminateInstances", "RunInstances", "ModifyVpcAttribute", "DeleteVpc", "ImportKeyPair"] {
            assert_eq!(of(change), Ec2Action::Change(change));
        }
        for none in ["", "describeVolumes", "DescribeVolume", "# Made of botocore"] {
            assert_eq!(Ec2Action::named(none), None, "{none}");
        }
        for spec in KINDS {
            let name = spec.actions[0].strip_prefix("ec2:").unwrap();
            assert_eq!(of(name).kind().map(|kind| kind.slug), Some(spec.slug));
        }
    }
}
