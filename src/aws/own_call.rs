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

/// How much of another's marks is told on.
const LONGEST: usize = 1_000;

/// The mark of this process.
static OWN: LazyLock<String> = LazyLock::new(|| format!("{:016x}{:016x}", fastrand::u64(..), fastrand::u64(..)));

tokio::task_local! {
    static CURRENT: Askers;
}

/// The servers that make a call, by their marks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Askers(String);

impl Askers {
    /// Those that the header's values name.
    #[must_use]
    pub fn of<'v>(values: impl Iterator<Item = &'v str>) -> Self {
        Askers(values.collect::<Vec<&str>>().join(","))
    }

    /// Whether this process is one of them.
    #[must_use]
    pub fn has_this(&self) -> bool {
        self.0.split(',').any(|mark| mark.trim() == OWN.as_str())
    }

    /// Does `work`, whose calls are made for them.
    pub fn during<F: Future>(self, work: F) -> impl Future<Output = F::Output> {
        CURRENT.scope(self, work)
    }

    /// The value of the header of a call that this process makes for them.
    fn told(&self) -> String {
        let before = self.0.trim();
        if before.is_empty() || before.len() > LONGEST { OWN.clone() } else { format!("{before},{}", OWN.as_str()) }
    }
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
        let told = CURRENT.try_with(Askers::told).unwrap_or_else(|_| Askers::default().told());
        context.request_mut().headers_mut().try_insert(ASKERS, told)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::scripted::{Reply, Scripted};
    use crate::model::fixtures::scope;

    #[test]
    fn a_call_of_this_process_is_known_and_one_of_another_is_not() {
        let own = Askers::default().told();
        assert!(Askers::of([own.as_str()].into_iter()).has_this());
        for other in [vec![], vec![""], vec!["0123"], vec!["0123, 4567", "89ab"]] {
            assert!(!Askers::of(other.into_iter()).has_this());
        }
        assert!(Askers::of(["0123", &format!("4567, {own}")].into_iter()).has_this());
    }

    #[test]
    fn a_call_for_another_carries_both_marks() {
        let own = Askers::default().told();
        let (other, long) = (Askers::of(["0123"].into_iter()), "x".repeat(LONGEST + 1));
        assert_eq!(other.told(), format!("0123,{own}"));
        assert_eq!(Askers::of([long.as_str()].into_iter()).told(), own);
    }

    #[tokio::test]
    async fn calls_are_made_for_whom_they_are_said_to_be() {
        let other = Askers::of(["0123"].into_iter());
        let told = other.clone().during(async { CURRENT.with(Askers::told) }).await;
        assert_eq!(told, other.told());
    }

    #[tokio::test]
    async fn every_call_of_ec2_carries_the_mark() {
        let regions = "<regionInfo><item><regionName>eu-west-1</regionName></item></regionInfo>";
        let server = Scripted::confirmed([Reply::ok(regions)]).await;
        let (aws, other) = (server.aws(), Askers::of(["0123"].into_iter()));
        aws.every_region(&scope()).await.unwrap();
        let form = "Action=DescribeKeyPairs&Version=2016-11-15".to_owned();
        other.clone().during(aws.pass(&scope(), "ec2:DescribeKeyPairs", form)).await.unwrap();
        let of_ec2 = server.requests().into_iter().filter(|request| request.body.contains("Action=Describe"));
        let asks: Vec<String> = of_ec2.map(|request| request.asks).collect();
        assert_eq!(asks, [Askers::default().told(), other.told()]);
    }
}
