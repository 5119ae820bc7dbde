//! What Muster knows about each kind of resource: one file a kind, one line here.
//!
//! A kind turns the SDK's structs into [`Document`]s with the field names of the AWS CLI's JSON, and says which of the
//! document's values filters can match. Everything else in Muster treats all kinds alike, through [`KindSpec`].

mod address;
mod fields;
mod group;
mod instance;
mod instance_status;
mod network_interface;
mod operator;
pub mod rules;
mod security_group;
mod snapshot;
mod subnet;
mod tag;
mod volume;
mod vpc;

use std::fmt;
use std::time::Duration;

use aws_sdk_ec2::Client;
use aws_sdk_ec2::error::{ErrorMetadata, ProvideErrorMetadata, SdkError};
use futures::future::BoxFuture;

use crate::model::{Document, Form, Item, Kind, LeftOut, Page, ResourceId, RowFields, Value};

/// Every kind, in the order in which they are shown and swept.
pub static KINDS: &[&KindSpec] = &[
    &instance::SPEC,
    &instance_status::SPEC,
    &vpc::SPEC,
    &subnet::SPEC,
    &security_group::SPEC,
    &network_interface::SPEC,
    &address::SPEC,
    &volume::SPEC,
    &snapshot::SPEC,
];

/// How the ids of each kind begin, with its slug. Instance status has the ids of instances.
pub const PREFIXES: [(&str, &str); 8] = [
    ("i-", "instance"),
    ("vpc-", "vpc"),
    ("subnet-", "subnet"),
    ("sg-", "security-group"),
    ("eni-", "network-interface"),
    ("eipalloc-", "address"),
    ("vol-", "volume"),
    ("snap-", "snapshot"),
];

/// The kind that holds an instance's status checks, scheduled events and notices.
pub static INSTANCE_STATUS: &KindSpec = &instance_status::SPEC;

/// The kind that tools act on.
pub static INSTANCE: &KindSpec = &instance::SPEC;

/// The kind that a tool makes.
pub static SNAPSHOT: &KindSpec = &snapshot::SPEC;

/// Everything that is particular to one kind of resource.
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
    /// The version of the mapping from SDK struct to document. Raised whenever a document gains fields.
    pub mapping: u16,
    /// The field that holds the id.
    pub id_field: &'static str,
    /// The field by which one is known that has no id.
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
    /// Whether only the account's own resources are asked for. One of another account can then come only from an emulator
    /// that ignores the question, and is left out.
    pub own_only: bool,
    /// The path of the lifecycle state's name, for kinds that have one.
    pub state_path: Option<&'static str>,
    /// The time from the start of one sweep to the start of the next, unless configured.
    pub interval: Duration,
    /// The slugs of the [`rules`] whose events together tell of every change of it; empty when there are changes that no event tells
    /// of: a subnet's free addresses, a snapshot's progress, what the end of an instance detaches.
    pub told_by: &'static [&'static str],
    /// The time from the start of one sweep to the start of the next while all of [`KindSpec::told_by`] is proved alive. `None`: events
    /// never slow its sweeps.
    pub relaxed: Option<Duration>,
    /// Whether tools and events change it at any moment, so that clients must not cache it.
    pub moves: bool,
    /// Lifecycle states after which AWS forgets a resource by itself, so that many may vanish at once.
    pub gone_states: &'static [&'static str],
    /// Paths that differ in every answer and say nothing; left out of comparison.
    pub masked: &'static [&'static str],
    /// The slug of the kind whose status this is: it has the same ids and is served below that kind.
    pub status_of: Option<&'static str>,
    /// What can be filtered, under AWS's own filter names. Rows hold the values of all of them, so each costs space.
    pub filters: &'static [Filter],
    /// The IAM actions that describing it takes.
    pub actions: &'static [&'static str],
    /// The parameters of its describe that may be left out for an endpoint that does not know them. Never one that bounds a listing
    /// or completes it.
    pub optional: &'static [&'static str],
    /// Asks AWS for one page or for named resources. The caller paces, times and classifies.
    pub describe: fn(Client, Listing, LeftOut) -> BoxFuture<'static, Result<Page, Failure>>,
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
}

/// What to describe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listing {
    /// One page of everything there is.
    Page {
        /// Where to go on; `None` starts.
        token: Option<String>,
        /// How many at most; AWS takes 5 to 1000.
        max_results: i32,
    },
    /// These ids. AWS answers none of them when one does not exist.
    Ids(Vec<String>),
}

/// Why a describe failed, in the SDK's terms, with the operation's own error type reduced to code and message.
pub type Failure = SdkError<ErrorMetadata>;

impl Filter {
    const fn new(number: u16, name: &'static str, paths: &'static [&'static str], form: Form) -> Self {
        Filter { number, name, paths, form }
    }
}

impl KindSpec {
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

    /// Whether `document` shows a resource that AWS will forget by itself.
    #[must_use]
    pub fn is_gone(&self, document: &Document) -> bool {
        self.state(document).is_some_and(|state| self.gone_states.contains(&state))
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

    fn row(&self, document: &Document) -> RowFields {
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

/// The kind that URIs and arguments call `slug`.
#[must_use]
pub fn by_slug(slug: &str) -> Option<&'static KindSpec> {
    KINDS.iter().find(|spec| spec.slug == slug).copied()
}

/// The kind with this CloudFormation type name.
#[must_use]
pub fn by_name(name: &str) -> Option<&'static KindSpec> {
    KINDS.iter().find(|spec| spec.name == name).copied()
}

/// The kind whose ids begin as `id` does.
#[must_use]
pub fn of_id(id: &str) -> Option<&'static KindSpec> {
    PREFIXES.iter().find(|(prefix, _)| id.starts_with(prefix)).and_then(|(_, slug)| by_slug(slug))
}

/// What is known about `kind`; `None` when a store holds a kind that this version does not know.
#[must_use]
pub fn of(kind: &Kind) -> Option<&'static KindSpec> {
    by_name(kind.as_str())
}

/// The row fields of a document, as its kind extracts them. A kind that this version does not know has its tags only.
#[must_use]
pub fn project(id: &ResourceId, document: &Document) -> RowFields {
    of(&id.kind).map_or_else(
        || RowFields {
            tags: document.tags().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
            ..RowFields::default()
        },
        |spec| spec.row(document),
    )
}

/// An instance's state as its document shows it: `{Code, Name}`.
#[must_use]
pub(crate) fn instance_state(state: aws_sdk_ec2::types::InstanceState) -> Value {
    instance::state(state).value()
}

/// One item. Without an id it still says that there is something.
fn item(id: Option<String>, fields: fields::Fields) -> Item {
    Item::new(id.unwrap_or_default(), fields.document())
}

/// Reduces an operation's error to code and message, which is all that tells errors of EC2 apart.
fn reduce<E: ProvideErrorMetadata>(error: SdkError<E>) -> Failure {
    error.map_service_error(|error| error.meta().clone())
}

#[cfg(test)]
mod tests;
