//! What a describe call of a kind is asked, and what it answers.

use aws_sdk_ec2::Client;
use aws_sdk_ec2::error::{ErrorMetadata, ProvideErrorMetadata, SdkError};
use futures::future::BoxFuture;

use crate::model::Document;

/// Asks AWS for one page of a kind, or for named resources of it. The caller paces, times and classifies.
pub type Describe = fn(Client, DescribeInput, LeftOut) -> BoxFuture<'static, Result<DescribeOutput, DescribeError>>;

/// What to describe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DescribeInput {
    /// One page of everything there is.
    Page {
        /// The token of the page to continue with; `None` asks for the first page.
        token: Option<String>,
        /// The largest number of resources on the page.
        max_results: i32,
    },
    /// The resources with these ids. AWS answers none of them when one does not exist.
    Ids(Vec<String>),
}

/// What one describe call answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DescribeOutput {
    /// The resources.
    pub items: Vec<Item>,
    /// The token of the next page; `None` when this was the last one.
    pub next: Option<String>,
}

/// One resource of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// AWS's id of it; empty when AWS gave none.
    pub id: String,
    /// All that AWS said about it.
    pub document: Document,
}

impl Item {
    /// A resource. One without an id still says that there is something.
    pub(super) fn new(id: Option<String>, document: Document) -> Self {
        Item { id: id.unwrap_or_default(), document }
    }
}

/// Why a describe failed, in the SDK's terms, with the operation's own error type reduced to code and message.
pub type DescribeError = SdkError<ErrorMetadata>;

/// Reduces an operation's error to code and message, which is all that tells errors of EC2 apart.
pub(super) fn reduce<E: ProvideErrorMetadata>(error: SdkError<E>) -> DescribeError {
    error.map_service_error(|error| error.meta().clone())
}

/// The optional parameters that a describe is made without.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeftOut(Vec<&'static str>);

impl LeftOut {
    /// The parameters of these names.
    #[must_use]
    pub fn of(names: impl IntoIterator<Item = &'static str>) -> Self {
        LeftOut(names.into_iter().collect())
    }

    /// The names of the parameters.
    #[must_use]
    pub fn names(&self) -> &[&'static str] {
        &self.0
    }

    /// Whether a parameter is among them.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.contains(&name)
    }

    /// Leaves one more parameter out.
    pub fn add(&mut self, name: &'static str) {
        if !self.has(name) {
            self.0.push(name);
        }
    }

    /// The value of a parameter that switches something on: `None` when it is left out.
    pub(super) fn unless(&self, name: &str) -> Option<bool> {
        (!self.has(name)).then_some(true)
    }
}

/// A [`Describe`] for calls of AWS's usual shape: they page, take ids, and answer one list.
///
/// Takes a closure that begins the call, the call's setter of ids, the field of the answer that lists the resources, and the
/// field of a resource that holds its id.
macro_rules! describe {
    ($begin:expr, $set_ids:ident, $list:ident, $id:ident) => {
        |client, input, left_out| {
            Box::pin(async move {
                let begin: fn(
                    &aws_sdk_ec2::Client,
                    &$crate::kinds::describe::DescribeInput,
                    &$crate::kinds::describe::LeftOut,
                ) -> _ = $begin;
                let call = begin(&client, &input, &left_out);
                let call = match input {
                    $crate::kinds::describe::DescribeInput::Page { token, max_results } => {
                        call.max_results(max_results).set_next_token(token)
                    }
                    $crate::kinds::describe::DescribeInput::Ids(ids) => call.$set_ids(Some(ids)),
                };
                let output = call.send().await.map_err($crate::kinds::describe::reduce)?;
                let items = output.$list.unwrap_or_default().into_iter().map(|described| {
                    let id = described.$id.clone();
                    let fields = $crate::kinds::fields::Mapped::fields(described);
                    $crate::kinds::describe::Item::new(id, fields.document())
                });
                Ok($crate::kinds::describe::DescribeOutput { items: items.collect(), next: output.next_token })
            })
        }
    };
}
pub(super) use describe;
