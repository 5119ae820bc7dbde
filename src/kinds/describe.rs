//! The input of a kind's describe call, and how the call is made.

use aws_sdk_ec2::Client;
use aws_sdk_ec2::error::{ErrorMetadata, ProvideErrorMetadata, SdkError};
use aws_sdk_ec2::types;
use futures::future::BoxFuture;

use crate::model::{LeftOut, Page};

/// Requests one page of a kind from AWS, or named resources of it. The caller limits the rate, takes the time and classifies
/// errors.
pub type Describe = fn(Client, DescribeInput, LeftOut) -> BoxFuture<'static, Result<Page, DescribeError>>;

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
    /// The resources that meet all of these filters: their names, with values that are taken as they are.
    Filtered(Vec<(&'static str, Vec<String>)>),
    /// A dry run, which tests whether listing is allowed; AWS answers it with an error either way.
    DryRun,
}

/// The smallest page size that AWS accepts for every kind.
pub(super) const SMALLEST_PAGE: i32 = 5;

/// Why a describe failed, in the SDK's terms, with the operation's own error type reduced to code and message.
pub type DescribeError = SdkError<ErrorMetadata>;

/// Reduces an operation's error to code and message, which are all that distinguishes errors of EC2.
pub fn reduce<E: ProvideErrorMetadata>(error: SdkError<E>) -> DescribeError {
    error.map_service_error(|error| error.meta().clone())
}

/// Filters as AWS takes them, where `*`, `?` and the backslash stand for themselves only after a backslash.
pub(super) fn filters(asked: Vec<(&'static str, Vec<String>)>) -> Vec<types::Filter> {
    let literal = |value: String| value.replace('\\', "\\\\").replace('*', "\\*").replace('?', "\\?");
    let filter = |(name, values): (&'static str, Vec<String>)| {
        let values = values.into_iter().map(literal).collect();
        types::Filter::builder().name(name).set_values(Some(values)).build()
    };
    asked.into_iter().map(filter).collect()
}

/// A [`Describe`] for calls of AWS's usual shape: they page, take ids, and answer one list.
///
/// Takes a closure that begins the call, the call's setter of ids, where it is called otherwise than usual its setter of filters, the
/// field of the answer that lists the resources, and the field of a resource that holds its id.
macro_rules! describe {
    ($begin:expr, $set_ids:ident, $list:ident, $id:ident) => {
        $crate::kinds::describe::describe!($begin, $set_ids, set_filters, $list, $id)
    };
    ($begin:expr, $set_ids:ident, $set_filters:ident, $list:ident, $id:ident) => {
        |client, input, left_out| {
            Box::pin(async move {
                let begin: fn(
                    &aws_sdk_ec2::Client,
                    &$crate::kinds::describe::DescribeInput,
                    &$crate::model::LeftOut,
                ) -> _ = $begin;
                let call = begin(&client, &input, &left_out);
                let call = match input {
                    $crate::kinds::describe::DescribeInput::Page { token, max_results } => {
                        call.max_results(max_results).set_next_token(token)
                    }
                    $crate::kinds::describe::DescribeInput::Ids(ids) => call.$set_ids(Some(ids)),
                    $crate::kinds::describe::DescribeInput::Filtered(asked) => {
                        call.$set_filters(Some($crate::kinds::describe::filters(asked)))
                    }
                    $crate::kinds::describe::DescribeInput::DryRun => {
                        call.max_results($crate::kinds::describe::SMALLEST_PAGE).dry_run(true)
                    }
                };
                let output = call.send().await.map_err($crate::kinds::describe::reduce)?;
                let items = output.$list.unwrap_or_default().into_iter().map(|described| {
                    let id = described.$id.clone().unwrap_or_default();
                    let fields = $crate::kinds::fields::Mapped::fields(described);
                    $crate::model::Item::new(id, fields.document())
                });
                Ok($crate::model::Page { items: items.collect(), next: output.next_token, ..Default::default() })
            })
        }
    };
}
pub(super) use describe;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_taken_as_they_are() {
        let asked = vec![("group-name", vec!["web*".to_owned(), "a?b\\c".to_owned(), "plain".to_owned()])];
        let filters = filters(asked);
        assert_eq!((filters.len(), filters[0].name()), (1, Some("group-name")));
        assert_eq!(filters[0].values(), ["web\\*", "a\\?b\\\\c", "plain"]);
    }
}
