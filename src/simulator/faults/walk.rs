//! Counts calls: the number of a call among its kind and, for listings, its walk and page.

use std::collections::HashMap;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::simulator::request::Params;

/// The parts of a call by which faults distinguish calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct CallShape {
    /// Whether it names resources.
    pub(crate) by_id: bool,
    /// How many resources it names or launches.
    pub(crate) resources: u64,
    /// Whether it asks for pages or has filters.
    pub(crate) bounded: bool,
    /// A hash of its token.
    pub(crate) token: Option<u64>,
    /// A hash of everything else it asks for. All pages of a walk share it.
    pub(crate) question: u64,
}

impl CallShape {
    pub(crate) fn of(params: &Params) -> Self {
        let mut shape = Self::default();
        for (name, value) in params.pairs() {
            let first = name.split('.').next().unwrap_or_default();
            match first {
                "NextToken" => shape.token = Some(xxh3_64_with_seed(value.as_bytes(), 0)),
                "MaxResults" | "Filter" => shape.bounded = true,
                "MaxCount" => shape.resources = value.parse().unwrap_or(1),
                _ if Self::is_id(name) => {
                    shape.by_id = true;
                    shape.resources += 1;
                }
                _ => {}
            }
            if first != "NextToken" {
                shape.question = xxh3_64_with_seed(name.as_bytes(), shape.question);
                shape.question = xxh3_64_with_seed(value.as_bytes(), shape.question);
            }
        }
        shape.bounded |= shape.token.is_some();
        shape
    }

    /// Whether a parameter names a resource, such as `InstanceId.1`.
    pub(super) fn is_id(name: &str) -> bool {
        let first = name.split('.').next().unwrap_or_default();
        name.len() > first.len() && (first.ends_with("Id") || NAMES.contains(&first))
    }
}

/// Parameters that name resources and do not end in `Id`.
const NAMES: [&str; 3] = ["GroupName", "PublicIp", "RegionName"];

/// The place of a call among those of its account, region and action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WalkStep {
    /// The number of the call, from 1.
    pub(crate) call: u64,
    /// The page, if the call asks for a listing.
    pub(crate) page: Option<WalkPage>,
}

/// A page of a walk, which is one pass over the pages of a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WalkPage {
    /// The number of the walk among those of the same question, from 1.
    pub(crate) walk: u64,
    /// The number of the page, from 1.
    pub(crate) number: u32,
    /// How often the page was requested, including this time.
    pub(crate) attempt: u32,
}

/// The calls and walks so far.
#[derive(Debug, Default)]
pub(crate) struct Walks {
    calls: HashMap<u64, u64>,
    walks: HashMap<(u64, u64), Walk>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Walk {
    ordinal: u64,
    page: u32,
    attempt: u32,
    token: Option<u64>,
    /// Whether the first page failed, so that the next call without a token asks for it again.
    unbegun: bool,
}

impl Walks {
    /// Counts a call. `scope` is a hash of its account, region and action.
    pub(crate) fn enter(&mut self, scope: u64, shape: &CallShape, listing: bool) -> WalkStep {
        let call = self.calls.entry(scope).or_default();
        *call += 1;
        let page = listing.then(|| self.walks.entry((scope, shape.question)).or_default().turn(shape.token));
        WalkStep { call: *call, page }
    }

    /// Notes that the last requested page is not answered correctly.
    pub(crate) fn failed(&mut self, scope: u64, shape: &CallShape) {
        if let Some(walk) = self.walks.get_mut(&(scope, shape.question)) {
            walk.unbegun = shape.token.is_none();
        }
    }

    /// How many walks of each question have begun so far.
    pub(crate) fn begun(&self) -> HashMap<(u64, u64), u64> {
        self.walks.iter().map(|(question, walk)| (*question, walk.ordinal)).collect()
    }
}

impl Walk {
    fn turn(&mut self, token: Option<u64>) -> WalkPage {
        let again = if token.is_none() { self.unbegun } else { self.token == token };
        if again {
            self.attempt += 1;
        } else if token.is_none() {
            *self = Self { ordinal: self.ordinal + 1, page: 1, attempt: 1, token, unbegun: false };
        } else {
            (self.page, self.attempt, self.token) = (self.page + 1, 1, token);
        }
        self.unbegun = false;
        WalkPage { walk: self.ordinal, number: self.page, attempt: self.attempt }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(form: &str) -> CallShape {
        CallShape::of(&Params::parse("", form.as_bytes()))
    }

    #[test]
    fn a_shape_says_what_a_call_names() {
        let named = shape("Action=StopInstances&InstanceId.1=i-1&InstanceId.2=i-2&Force=true");
        assert_eq!((named.by_id, named.resources, named.bounded), (true, 2, false));
        let listing = shape("Action=DescribeInstances&Filter.1.Name=vpc-id&Filter.1.Value.1=vpc-1&MaxResults=5");
        assert_eq!((listing.by_id, listing.bounded, listing.token), (false, true, None));
        assert_eq!(shape("Action=RunInstances&ImageId=ami-1&MaxCount=7&MinCount=1").resources, 7);
    }

    #[test]
    fn the_pages_of_a_walk_are_counted_and_a_page_asked_for_again_is_the_same_page() {
        let mut walks = Walks::default();
        let first = shape("Action=DescribeVpcs&MaxResults=5");
        let second = shape("Action=DescribeVpcs&MaxResults=5&NextToken=a");
        let third = shape("Action=DescribeVpcs&MaxResults=5&NextToken=b");
        let mut at = |shape: &CallShape| {
            let page = walks.enter(1, shape, true).page.unwrap();
            (page.walk, page.number, page.attempt)
        };
        assert_eq!(at(&first), (1, 1, 1));
        assert_eq!(at(&second), (1, 2, 1));
        assert_eq!(at(&second), (1, 2, 2));
        assert_eq!(at(&third), (1, 3, 1));
        assert_eq!(at(&first), (2, 1, 1));
        walks.failed(1, &first);
        let page = walks.enter(1, &first, true).page.unwrap();
        assert_eq!((page.walk, page.number, page.attempt), (2, 1, 2));
        assert_eq!(
            walks.enter(1, &shape("Action=DescribeVpcs&VpcId.1=vpc-1"), false),
            WalkStep { call: 7, page: None }
        );
    }
}
