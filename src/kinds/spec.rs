//! What Muster has to know about a kind of resource: all of it stands in one [`KindSpec`].

use std::fmt;
use std::time::Duration;

use super::describe::{Describe, DescribeInput};
use crate::model::{Document, Form, Kind, KindRules, Page, RowFields};

/// Everything that is particular to one kind of resource. A kind's file names what differs from [`KindSpec::DEFAULT`].
pub struct KindSpec {
    /// The CloudFormation type name, such as `AWS::EC2::Instance`. Instance status has none; its name only follows suit.
    pub name: &'static str,
    /// The name in URIs and arguments, such as `security-group`.
    pub slug: &'static str,
    /// What one of them is called.
    pub title: &'static str,
    /// What several of them are called.
    pub plural: &'static str,
    /// What it is and what its document holds, in a sentence or two.
    pub description: &'static str,
    /// What its ids begin with, such as `sg-`. `None` for a kind that has the ids of another.
    pub prefix: Option<&'static str>,
    /// Its type in ARNs, where that is not the slug: `elastic-ip` in `arn:aws:ec2:us-east-1:123456789012:elastic-ip/eipalloc-1`.
    pub arn_type: Option<&'static str>,
    /// The version of the mapping from SDK struct to document. Raised whenever a document gains fields.
    pub mapping: u16,
    /// The field that holds the id.
    pub id_field: &'static str,
    /// The field by which a resource is known that has no id.
    pub other_id: Option<&'static str>,
    /// Where AWS's answer lists them: the names of the elements that lead to one, from below the root.
    pub list: &'static [&'static str],
    /// The field that names a resource without a `Name` tag.
    pub name_field: Option<&'static str>,
    /// The field that holds the owning account, where AWS says it.
    pub owner_field: Option<&'static str>,
    /// Whether AWS lists only resources of the asking account: no resource of this kind is shared between accounts, so
    /// that one of another account means changed credentials.
    pub exclusive: bool,
    /// Whether only the account's own resources are asked for, but for those of [`KindSpec::also_by_id`]. One of another account
    /// can then come only from an emulator that ignores the question, and is left out.
    pub own_only: bool,
    /// Where documents of other kinds refer to resources of this one that AWS's listing does not show: the slug of a kind, and
    /// the path, which one of its filters holds. These resources are asked for by id, so that a sweep is the listing and these.
    pub also_by_id: &'static [(&'static str, &'static str)],
    /// The path of the lifecycle state's name, for kinds that have one.
    pub state_path: Option<&'static str>,
    /// Lifecycle states after which AWS forgets a resource by itself, so that many may vanish at once.
    pub gone_states: &'static [&'static str],
    /// The time from the start of one sweep to the start of the next, unless configured.
    pub interval: Duration,
    /// The largest page that AWS takes for a listing.
    pub max_results: i32,
    /// The slugs of the [`rules`](super::rules) whose events together report every change of the kind. Empty when some of its
    /// changes cause no event: a subnet's free addresses, a snapshot's progress, what the end of an instance detaches.
    pub event_rules: &'static [&'static str],
    /// The time from the start of one sweep to the start of the next while all of [`KindSpec::event_rules`] are proved alive.
    /// `None`: events never slow its sweeps.
    pub relaxed: Option<Duration>,
    /// Which CloudTrail calls concern the kind.
    pub calls: CallWords,
    /// Whether tools and events change it at any moment, so that clients must not cache it.
    pub moves: bool,
    /// Paths that differ in every answer and say nothing; left out of comparison.
    pub masked: &'static [&'static str],
    /// The slug of the kind whose status this is: it has the same ids and is served below that kind.
    pub status_of: Option<&'static str>,
    /// What can be filtered, under AWS's own filter names. Rows hold the values of all of them, so each costs space.
    pub filters: &'static [Filter],
    /// The columns that its rows show, in order: the name of the filter that holds the value, and the column's name. A column
    /// of the id itself is only another name for that filter, as each row begins with the id.
    pub columns: &'static [(&'static str, &'static str)],
    /// The IAM actions that describing it takes.
    pub actions: &'static [&'static str],
    /// The parameters of its describe that may be left out for an endpoint that does not know them. Never one that bounds a
    /// listing or completes it.
    pub optional: &'static [&'static str],
    /// Asks AWS for one page or for named resources.
    pub describe: Describe,
}

/// A filter of a kind: an AWS filter name and where its values are found in a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filter {
    /// Its number, which rows store: never reused, never changed.
    pub number: u16,
    /// AWS's name of it.
    pub name: &'static str,
    /// The dotted paths whose scalars it matches.
    pub paths: &'static [&'static str],
    /// What its values look like: a value of another form can never match.
    pub form: Form,
    /// Whether its paths go through a list, so that a resource can have several values.
    pub is_many: bool,
}

/// Words in the names of EC2 API calls that tell which calls concern a kind: `SecurityGroup` in `CreateSecurityGroup`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallWords {
    /// Words of the calls that make a resource of the kind. Empty: any call that makes something can have made one.
    pub makes: &'static [&'static str],
    /// Words of the calls that may change a resource of the kind without naming it: by an attachment, an association, an
    /// interface, or a group's name. Only a sweep can find out what became of it.
    pub reaches: &'static [&'static str],
    /// Words of the calls that are about a resource of the kind that they name, for kinds whose ids often only say where
    /// something else is. Empty: a call is about every resource of the kind that it names.
    pub about: &'static [&'static str],
}

impl CallWords {
    /// No words: any call may make one, and each call is about those that it names.
    pub const NONE: CallWords = CallWords { makes: &[], reaches: &[], about: &[] };

    /// Whether a call that makes something, of this name, can have made a resource of the kind.
    #[must_use]
    pub fn may_make(&self, call: &str) -> bool {
        self.makes.is_empty() || self.makes.iter().any(|word| call.contains(word))
    }

    /// Whether a call of this name may change a resource of the kind without naming it.
    #[must_use]
    pub fn may_reach(&self, call: &str) -> bool {
        self.reaches.iter().any(|word| call.contains(word))
    }

    /// Whether a call of this name is about the resources of the kind that it names, and not only done within them.
    #[must_use]
    pub fn is_about(&self, call: &str) -> bool {
        self.about.is_empty() || self.about.iter().any(|word| call.contains(word)) || call.ends_with("Tags")
    }
}

impl Filter {
    /// A filter.
    #[must_use]
    pub const fn new(number: u16, name: &'static str, paths: &'static [&'static str], form: Form) -> Self {
        Filter { number, name, paths, form, is_many: false }
    }

    /// The same filter on paths that go through a list.
    #[must_use]
    pub const fn many(self) -> Self {
        Filter { is_many: true, ..self }
    }
}

impl KindSpec {
    /// What most kinds have in common. A kind has to name the rest itself: everything that is empty here.
    pub const DEFAULT: KindSpec = KindSpec {
        name: "",
        slug: "",
        title: "",
        plural: "",
        description: "",
        prefix: None,
        arn_type: None,
        mapping: 1,
        id_field: "",
        other_id: None,
        list: &[],
        name_field: None,
        owner_field: Some("OwnerId"),
        exclusive: false,
        own_only: false,
        also_by_id: &[],
        state_path: None,
        gone_states: &[],
        interval: Duration::from_mins(5),
        max_results: 1000,
        event_rules: &[],
        relaxed: None,
        calls: CallWords::NONE,
        moves: false,
        masked: &[],
        status_of: None,
        filters: &[],
        columns: &[],
        actions: &[],
        optional: &[],
        describe: |_, _, _| Box::pin(async { Ok(Page::default()) }),
    };

    /// The kind's identity.
    #[must_use]
    pub fn kind(&self) -> Kind {
        Kind::new(self.name)
    }

    /// The filter of this name.
    #[must_use]
    pub fn filter(&self, name: &str) -> Option<&'static Filter> {
        self.filters.iter().find(|filter| filter.name == name)
    }

    /// The name of the filter that `column` shows.
    #[must_use]
    pub fn filter_of_column(&self, column: &str) -> Option<&'static str> {
        self.columns.iter().find(|(_, name)| *name == column).map(|(filter, _)| *filter)
    }

    /// What an ARN calls the kind; `None` for a status, which has no ARN.
    #[must_use]
    pub fn arn_type(&self) -> Option<&'static str> {
        self.arn_type.or_else(|| self.status_of.is_none().then_some(self.slug))
    }

    /// What the writer has to know of the kind.
    #[must_use]
    pub fn rules(&self) -> KindRules {
        KindRules {
            mapping: self.mapping,
            masked: self.masked,
            state_path: self.state_path,
            gone_states: self.gone_states,
            made_by: self.calls.makes,
        }
    }

    /// Whether resources of other accounts are left out of the answer to `input`.
    #[must_use]
    pub fn leaves_out_foreign(&self, input: &DescribeInput) -> bool {
        self.own_only && (self.also_by_id.is_empty() || matches!(input, DescribeInput::Page { .. }))
    }

    /// The kind whose tags are to be asked for in place of this one's, where AWS shows none on it.
    #[must_use]
    pub fn tagged_kind(&self) -> Option<&'static str> {
        self.status_of
    }

    /// The name of the lifecycle state that `document` shows.
    #[must_use]
    pub fn state<'a>(&self, document: &'a Document) -> Option<&'a str> {
        document.text(self.state_path?)
    }

    /// The account that owns the resource, where AWS says it. An empty owner says nothing.
    #[must_use]
    pub fn owner<'a>(&self, document: &'a Document) -> Option<&'a str> {
        document.text(self.owner_field?).filter(|owner| !owner.is_empty())
    }

    /// The IAM action that describes the kind, which is also the call whose limits apply.
    #[must_use]
    pub fn action(&self) -> &'static str {
        self.actions.first().copied().unwrap_or(self.name)
    }

    /// The names that AWS's answer has for the fields that a resource is known by, the first that it has being its id.
    pub fn id_elements(&self) -> impl Iterator<Item = String> {
        [Some(self.id_field), self.other_id].into_iter().flatten().map(element)
    }

    /// The version of what rows are made of: it changes by itself with the kind's filters and fields, and with
    /// [`PROJECTION`].
    fn projection(&self) -> u32 {
        let mut hash = Fnv::new(PROJECTION);
        for filter in self.filters {
            hash.add(&filter.number.to_le_bytes());
            hash.add(filter.name.as_bytes());
            filter.paths.iter().for_each(|path| hash.add(path.as_bytes()));
        }
        for field in [self.name_field, self.owner_field] {
            hash.add(field.unwrap_or_default().as_bytes());
        }
        hash.0
    }

    /// The row fields that lists and searches have of a document.
    pub(super) fn row(&self, document: &Document) -> RowFields {
        let mut facets: Vec<(u16, String)> = Vec::with_capacity(self.filters.len());
        for filter in self.filters {
            let first = facets.len();
            let values = filter.paths.iter().flat_map(|path| document.scalars(path));
            for value in values.filter(|value| !value.is_empty() || filter.form.may_be_empty()) {
                if !facets.iter().skip(first).any(|(_, known)| *known == value) {
                    facets.push((filter.number, value));
                }
            }
        }
        RowFields {
            projection: self.projection(),
            name: document
                .tag("Name")
                .filter(|name| !name.is_empty())
                .or_else(|| document.text(self.name_field?))
                .map(str::to_owned),
            owner: self.owner(document).map(str::to_owned),
            facets,
            tags: document.tags().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
        }
    }
}

impl fmt::Debug for KindSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KindSpec({})", self.name)
    }
}

/// What a field of a document is called in AWS's answer: `instanceId` for `InstanceId`.
fn element(field: &str) -> String {
    let mut letters = field.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// To be raised when the same filters and fields make other rows of the same document.
const PROJECTION: u32 = 1;

/// FNV-1a of 32 bits: the same in every build, which hashes of the standard library need not be.
struct Fnv(u32);

impl Fnv {
    fn new(seed: u32) -> Self {
        Fnv(0x811c_9dc5 ^ seed)
    }

    /// Adds a part. Its length counts, so that two parts never pass for one.
    fn add(&mut self, part: &[u8]) {
        let length = (part.len() as u64).to_le_bytes();
        for byte in length.iter().chain(part) {
            self.0 = (self.0 ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
        }
    }
}
