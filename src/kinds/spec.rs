//! The specification of a kind of resource.

use std::fmt;
use std::time::Duration;

use super::describe::{Describe, DescribeInput};
use super::facet_reading::FacetReading;
use crate::model::{Document, Form, Kind, KindRules, Page, PassingState, RowFields};

/// Everything that is particular to one kind of resource. A kind's file names what differs from [`KindSpec::DEFAULT`].
pub struct KindSpec {
    /// The CloudFormation type name, such as `AWS::EC2::Instance`. Instance status has no such type, and its name follows the
    /// same pattern.
    pub name: &'static str,
    /// The name in URIs and arguments, such as `security-group`.
    pub slug: &'static str,
    /// The name of one resource, in words.
    pub title: &'static str,
    /// The name of several resources, in words.
    pub plural: &'static str,
    /// What it is and what its document holds, in a sentence or two.
    pub description: &'static str,
    /// The prefix of its ids, such as `sg-`; `None` for a kind that has the ids of another.
    pub prefix: Option<&'static str>,
    /// Its type in ARNs, if that is not the slug: `elastic-ip` in `arn:aws:ec2:us-east-1:123456789012:elastic-ip/eipalloc-1`.
    pub arn_type: Option<&'static str>,
    /// The version of the mapping from SDK struct to document. Raised whenever a document gains fields.
    pub mapping: u16,
    /// The field that holds the id.
    pub id_field: &'static str,
    /// The field that identifies a resource without an id.
    pub other_id: Option<&'static str>,
    /// The XML element names that lead from below the root of AWS's answer to one resource.
    pub list: &'static [&'static str],
    /// The field that names a resource without a `Name` tag.
    pub name_field: Option<&'static str>,
    /// The field that holds the owning account, if AWS shows it.
    pub owner_field: Option<&'static str>,
    /// Whether AWS lists only resources of the calling account. Resources of such a kind are never shared, so one of another
    /// account means changed credentials.
    pub exclusive: bool,
    /// Whether only the account's own resources are requested, apart from those of [`KindSpec::also_by_id`]. A resource of
    /// another account can then come only from an emulator that ignores the parameter, and is left out.
    pub own_only: bool,
    /// The references in documents of other kinds to resources that AWS's listing does not show: the slug of a kind, and a path
    /// that one of its filters holds. A sweep is the listing plus describes of these ids.
    pub also_by_id: &'static [(&'static str, &'static str)],
    /// The path of the lifecycle state's name, for kinds that have one.
    pub state_path: Option<&'static str>,
    /// Lifecycle states after which AWS removes a resource by itself, so that many may vanish at once.
    pub gone_states: &'static [&'static str],
    /// The time from the start of one sweep to the start of the next, unless configured.
    pub interval: Duration,
    /// The largest page size that AWS accepts for a listing.
    pub max_results: i32,
    /// The slugs of the [`rules`](super::rules) whose events together report every change of the kind. Empty when some changes
    /// cause no event, such as a subnet's free addresses or a snapshot's progress.
    pub event_rules: &'static [&'static str],
    /// The time from the start of one sweep to the start of the next while all of [`KindSpec::event_rules`] are proved to work;
    /// `None` if events never slow its sweeps.
    pub relaxed: Option<Duration>,
    /// The state that a resource is in at first, if it is looked at until it leaves it.
    pub passing: Option<PassingState>,
    /// When a resource that an event or a tool changed is described, counted from that change: again while answers do not agree with
    /// it. Many events in a row are described together, some seconds later ([`crate::source::refresh`]). The first is also the time
    /// required between two describes that confirm that all tags are gone.
    pub refreshes: &'static [Duration],
    /// Which CloudTrail calls concern the kind.
    pub calls: CallWords,
    /// Whether tools and events change it at any moment, so that clients must not cache it.
    pub moves: bool,
    /// Paths that differ in every answer without meaning; they are not compared.
    pub masked: &'static [&'static str],
    /// The slug of the kind whose status this is. Both have the same ids, and the status is served below that kind.
    pub status_of: Option<&'static str>,
    /// The filters, under AWS's filter names. Rows hold the values of all of them, so each costs space.
    pub filters: &'static [Filter],
    /// Further filters of AWS, whose values only documents hold. They cost no space, and time where they are used.
    pub in_documents: &'static [DocumentFilter],
    /// The columns of its rows, in order: the name of the filter that holds the value, and the column's name. Each row begins
    /// with the id, so a column of the id only gives that filter another name.
    pub columns: &'static [(&'static str, &'static str)],
    /// How many resources of the kind `resources/list` names one by one beside the collections of a large account.
    pub listed_beside_collections: usize,
    /// The IAM actions that describing it requires.
    pub actions: &'static [&'static str],
    /// The parameters of its describe that may be left out for an endpoint that does not know them; never one that limits or
    /// completes a listing.
    pub optional: &'static [&'static str],
    /// Asks AWS for one page or for named resources.
    pub describe: Describe,
}

/// A filter of a kind: an AWS filter name and where its values are found in a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filter {
    /// Its number, which rows store; it is never reused or changed.
    pub number: u16,
    /// AWS's name of the filter.
    pub name: &'static str,
    /// The dotted paths whose values it matches.
    pub paths: &'static [&'static str],
    /// How its values are made of what stands there.
    pub reading: FacetReading,
    /// The form of its values; a value of another form can never match.
    pub form: Form,
    /// Whether its paths go through a list, so that a resource can have several values.
    pub is_many: bool,
}

/// A filter of AWS whose values rows do not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DocumentFilter {
    /// AWS's name of the filter.
    pub name: &'static str,
    /// The dotted path whose scalars it matches.
    pub path: &'static str,
    /// The form of its values; a value of another form can never match.
    pub form: Form,
}

impl DocumentFilter {
    /// Makes a filter.
    #[must_use]
    pub const fn new(name: &'static str, path: &'static str, form: Form) -> Self {
        DocumentFilter { name, path, form }
    }
}

/// Words in the names of EC2 API calls that concern a kind, such as `SecurityGroup` in `CreateSecurityGroup`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallWords {
    /// Words of the calls that create a resource of the kind. If empty, any call that creates something may have created one.
    pub makes: &'static [&'static str],
    /// Words of the calls that may change a resource of the kind without naming it: by an attachment, an association, an
    /// interface, or a group's name. Only a sweep can find such a change.
    pub reaches: &'static [&'static str],
    /// Words of the calls that act on the resources of the kind that they name, for kinds whose ids often only locate something
    /// else. If empty, a call acts on every resource of the kind that it names.
    pub about: &'static [&'static str],
}

impl CallWords {
    /// No words: any call may create a resource, and each call acts on the resources that it names.
    pub const NONE: CallWords = CallWords { makes: &[], reaches: &[], about: &[] };

    /// Whether a creating call of this name may have created a resource of the kind.
    #[must_use]
    pub fn may_make(&self, call: &str) -> bool {
        self.makes.is_empty() || self.makes.iter().any(|word| call.contains(word))
    }

    /// Whether a call of this name may change a resource of the kind without naming it.
    #[must_use]
    pub fn may_reach(&self, call: &str) -> bool {
        self.reaches.iter().any(|word| call.contains(word))
    }

    /// Whether a call of this name acts on the resources of the kind that it names, and not only within them.
    #[must_use]
    pub fn is_about(&self, call: &str) -> bool {
        self.about.is_empty() || self.about.iter().any(|word| call.contains(word)) || call.ends_with("Tags")
    }
}

impl Filter {
    /// Makes a filter.
    #[must_use]
    pub const fn new(number: u16, name: &'static str, paths: &'static [&'static str], form: Form) -> Self {
        Filter { number, name, paths, reading: FacetReading::Scalars, form, is_many: false }
    }

    /// The same filter on values that are made otherwise of what stands at its paths.
    #[must_use]
    pub const fn read_as(self, reading: FacetReading) -> Self {
        Filter { reading, ..self }
    }

    /// The same filter on paths that go through a list.
    #[must_use]
    pub const fn many(self) -> Self {
        Filter { is_many: true, ..self }
    }
}

impl KindSpec {
    /// The values that most kinds share. Each kind has to fill in the fields that are empty here.
    pub const DEFAULT: KindSpec = KindSpec {
        listed_beside_collections: 0,
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
        passing: None,
        refreshes: &[Duration::from_secs(2), Duration::from_secs(15), Duration::from_mins(1)],
        calls: CallWords::NONE,
        moves: false,
        masked: &[],
        status_of: None,
        filters: &[],
        in_documents: &[],
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

    /// What so many resources are called, within a sentence: `instance` or `instances`, but `VPC` and `VPCs`.
    #[must_use]
    pub fn counted(&self, total: u64) -> &'static str {
        match total {
            1 => self
                .plural
                .strip_suffix("es")
                .filter(|one| one.ends_with("ss") || one.ends_with("us"))
                .or_else(|| self.plural.strip_suffix('s'))
                .unwrap_or(self.plural),
            _ => self.plural,
        }
    }

    /// The filter of this name.
    #[must_use]
    pub fn filter(&self, name: &str) -> Option<&'static Filter> {
        self.filters.iter().find(|filter| filter.name == name)
    }

    /// The filter of which `path` is the only path.
    #[must_use]
    pub fn filter_at(&self, path: &str) -> Option<&'static Filter> {
        self.filters.iter().find(|filter| filter.paths == [path])
    }

    /// The filter that holds the id.
    #[must_use]
    pub fn id_filter(&self) -> Option<&'static Filter> {
        self.filter_at(self.id_field)
    }

    /// The filter of this name, if only documents hold its values.
    #[must_use]
    pub fn document_filter(&self, name: &str) -> Option<&'static DocumentFilter> {
        self.in_documents.iter().find(|filter| filter.name == name)
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

    /// The rules of the kind that the writer needs.
    #[must_use]
    pub fn rules(&self) -> KindRules {
        KindRules {
            mapping: self.mapping,
            masked: self.masked,
            state_path: self.state_path,
            gone_states: self.gone_states,
            made_by: self.calls.makes,
            passing: self.passing,
            ..KindRules::default()
        }
    }

    /// Whether resources of other accounts are left out of the answer to `input`.
    #[must_use]
    pub fn leaves_out_foreign(&self, input: &DescribeInput) -> bool {
        self.own_only && (self.also_by_id.is_empty() || matches!(input, DescribeInput::Page { .. }))
    }

    /// The kind to search for tags, if AWS shows no tags on this one.
    #[must_use]
    pub fn tagged_kind(&self) -> Option<&'static str> {
        self.status_of
    }

    /// The name of the lifecycle state that `document` shows.
    #[must_use]
    pub fn state<'a>(&self, document: &'a Document) -> Option<&'a str> {
        document.text(self.state_path?)
    }

    /// The account that owns the resource, if AWS shows it. An empty owner counts as none.
    #[must_use]
    pub fn owner<'a>(&self, document: &'a Document) -> Option<&'a str> {
        document.text(self.owner_field?).filter(|owner| !owner.is_empty())
    }

    /// The IAM action that describes the kind, which is also the call whose limits apply.
    #[must_use]
    pub fn action(&self) -> &'static str {
        self.actions.first().copied().unwrap_or(self.name)
    }

    /// The names in AWS's answer of the fields that identify a resource; the first one present is its id.
    pub fn id_elements(&self) -> impl Iterator<Item = String> {
        [Some(self.id_field), self.other_id].into_iter().flatten().map(element)
    }

    /// The version of the projection that makes rows. It changes with the kind's filters and fields, and with [`PROJECTION`].
    fn projection(&self) -> u32 {
        let mut hash = Fnv::new(PROJECTION);
        for filter in self.filters {
            hash.add(&filter.number.to_le_bytes());
            hash.add(filter.name.as_bytes());
            filter.paths.iter().for_each(|path| hash.add(path.as_bytes()));
            if filter.reading != FacetReading::Scalars {
                hash.add(format!("{:?}", filter.reading).as_bytes());
            }
        }
        for field in [self.name_field, self.owner_field] {
            hash.add(field.unwrap_or_default().as_bytes());
        }
        hash.0
    }

    /// The number of the filter whose value is the name of a resource without a `Name` tag, if it has one.
    #[must_use]
    pub fn named_by(&self) -> Option<u16> {
        let field = self.name_field?;
        self.filters.iter().find(|filter| filter.paths == [field]).map(|filter| filter.number)
    }

    /// The row fields that lists and searches have of a document.
    pub(super) fn row(&self, document: &Document) -> RowFields {
        let mut facets: Vec<(u16, String)> = Vec::with_capacity(self.filters.len());
        for filter in self.filters {
            let first = facets.len();
            let values = filter.reading.values(filter.paths, document);
            for value in values.into_iter().filter(|value| !value.is_empty() || filter.form.may_be_empty()) {
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

/// The name of a document's field in AWS's answer: `instanceId` for `InstanceId`.
fn element(field: &str) -> String {
    let mut letters = field.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// Raise it when the same filters and fields make different rows of the same document.
const PROJECTION: u32 = 1;

/// A 32-bit FNV-1a hash, which is the same in every build, unlike hashes of the standard library.
struct Fnv(u32);

impl Fnv {
    fn new(seed: u32) -> Self {
        Fnv(0x811c_9dc5 ^ seed)
    }

    /// Adds a part with its length, so that two parts never hash like one.
    fn add(&mut self, part: &[u8]) {
        let length = (part.len() as u64).to_le_bytes();
        for byte in length.iter().chain(part) {
            self.0 = (self.0 ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
        }
    }
}
