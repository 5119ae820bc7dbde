//! Marks Muster's own calls of EC2, so that a server whose endpoint leads back to itself sees that it asks itself.
//!
//! An endpoint may come from a variable, a file of AWS's configuration, a name or a proxy, so that only the arrival of an own call
//! proves it. A call that is made for a marked one carries the marks of both: servers that ask each other in a circle see it as well.

use std::future::Future;
use std::sync::LazyLock;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextMut;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

/// The header of the marks.
pub const ASKERS: &str = "x-muster-asks";

/// How many marks of others are told on: those of the servers that asked last.
const MOST: usize = 30;
/// How many letters a mark has.
const LETTERS: usize = 32;

/// The mark of this process.
static OWN: LazyLock<String> = LazyLock::new(|| format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..)));

tokio::task_local! {
    static CURRENT: Askers;
}

/// The servers that make a call, by their marks, in the order in which they asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Askers(Vec<String>);

impl Askers {
    /// Those that the header's values name. What is no mark of a server is left out: clients may write anything there, and none of it
    /// goes on to AWS.
    #[must_use]
    pub fn of<'v>(values: impl Iterator<Item = &'v str>) -> Self {
        let marks = values.flat_map(|value| value.split(',')).map(str::trim);
        Askers(marks.filter(|mark| is_mark(mark)).map(str::to_owned).collect())
    }

    /// Those for whom the present work is done.
    #[must_use]
    pub fn current() -> Self {
        CURRENT.try_with(Clone::clone).unwrap_or_default()
    }

    /// Whether this process is one of them.
    #[must_use]
    pub fn has_this(&self) -> bool {
        self.0.iter().any(|mark| mark == OWN.as_str())
    }

    /// Does `work`, whose calls are made for them.
    pub fn during<F: Future>(self, work: F) -> impl Future<Output = F::Output> {
        CURRENT.scope(self, work)
    }

    /// The value of the header of a call that this process makes for them.
    fn told(&self) -> String {
        let before = self.0.iter().skip(self.0.len().saturating_sub(MOST));
        before.map(String::as_str).chain([OWN.as_str()]).collect::<Vec<&str>>().join(",")
    }
}

/// Whether text can be the mark of a process.
fn is_mark(text: &str) -> bool {
    text.len() == LETTERS && text.bytes().all(|letter| letter.is_ascii_hexdigit())
}

/// Puts the mark into each call. It is no part of what is signed: something on the way may take it out.
#[derive(Debug)]
pub(super) struct CallMark;

impl Intercept for CallMark {
    fn name(&self) -> &'static str {
        "CallMark"
    }

    fn modify_before_transmit(
        &self,
        context: &mut BeforeTransmitInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        context.request_mut().headers_mut().try_insert(ASKERS, Askers::current().told())?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::*;
    use crate::aws::PassTurns;
    use crate::aws::scripted::{Reply, Scripted};
    use crate::model::fixtures::scope;

    /// A mark of another process.
    const OTHER: &str = "0123456789abcdef0123456789abcdef";

    #[test]
    fn a_call_of_this_process_is_known_and_one_of_another_is_not() {
        let own = Askers::default().told();
        assert!(Askers::of([own.as_str()].into_iter()).has_this());
        for other in [vec![], vec![""], vec!["0123"], vec![OTHER], vec!["0123, 4567", OTHER]] {
            assert!(!Askers::of(other.into_iter()).has_this());
        }
        assert!(Askers::of([OTHER, &format!("4567, {own}")].into_iter()).has_this());
        let many = [own.as_str()].into_iter().chain([OTHER; 2 * MOST]);
        assert!(Askers::of(many).has_this(), "however many asked since");
    }

    #[test]
    fn a_call_for_another_carries_both_marks() {
        let own = Askers::default().told();
        assert_eq!(Askers::of([OTHER].into_iter()).told(), format!("{OTHER},{own}"));
        let marks: Vec<String> = (0..100).map(|number| format!("{number:032x}")).collect();
        let last = marks[100 - MOST..].join(",");
        assert_eq!(Askers::of([marks.join(", ").as_str()].into_iter()).told(), format!("{last},{own}"));
    }

    #[test]
    fn nothing_that_a_client_writes_is_told_on_but_marks() {
        let (own, long) = (Askers::default().told(), "x".repeat(2_000));
        for text in ["hello", "hush-hush", &long, &"g".repeat(LETTERS), &"0".repeat(LETTERS + 1), "a;b,c,,"] {
            assert_eq!(Askers::of([text].into_iter()).told(), own, "{text}");
            assert_eq!(Askers::of([text, OTHER].into_iter()).told(), format!("{OTHER},{own}"), "{text}");
        }
    }

    #[tokio::test]
    async fn calls_are_made_for_whom_they_are_said_to_be() {
        let other = Askers::of([OTHER].into_iter());
        let told = other.clone().during(async { CURRENT.with(Askers::told) }).await;
        assert_eq!(told, other.told());
    }

    #[tokio::test]
    async fn every_call_of_ec2_carries_the_mark() {
        let regions = "<regionInfo><item><regionName>eu-west-1</regionName></item></regionInfo>";
        let server = Scripted::confirmed([Reply::ok(regions)]).await;
        let (aws, other) = (server.aws(), Askers::of([OTHER].into_iter()));
        let (turns, until) = (PassTurns::new(1), Instant::now() + Duration::from_secs(20));
        aws.every_region(&scope()).await.unwrap();
        let form = "Action=DescribeKeyPairs&Version=2016-11-15".to_owned();
        drop(other.clone().during(aws.pass(&scope(), "ec2:DescribeKeyPairs", form, &turns, until)).await.unwrap());
        let of_ec2 = server.requests().into_iter().filter(|request| request.body.contains("Action=Describe"));
        let asks: Vec<String> = of_ec2.map(|request| request.asks).collect();
        assert_eq!(asks, [Askers::default().told(), other.told()]);
    }
}
