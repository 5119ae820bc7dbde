//! Which regions there are, and which availability zones a region has.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_ec2::error::{ProvideErrorMetadata, SdkError};
use parking_lot::Mutex;
use tokio::time::timeout;

use super::error::AwsError;
use super::sdk::Sdk;
use super::signed_by::SignedBy;
use super::{Aws, Priority};
use crate::kinds::geography;
use crate::model::{Document, ErrorClass, Scope, Timestamp};

const REGIONS: &str = "ec2:DescribeRegions";
const ZONES: &str = "ec2:DescribeAvailabilityZones";
/// How long a listing may take, with waiting for the share and with asking whose credentials they are. Clients wait for it.
const PATIENCE: Duration = Duration::from_secs(12);

impl Aws {
    /// Every region, with whether the account has opted in to it, as `scope` tells; and when it was asked.
    ///
    /// # Errors
    /// [`AwsError`]; also when AWS lists none, since there are always some, or not in time, or the credentials are another account's.
    pub async fn every_region(&self, scope: &Scope) -> Result<(Vec<Document>, Timestamp), AwsError> {
        let listed = timeout(PATIENCE, Box::pin(self.regions_of(scope))).await;
        listed.unwrap_or_else(|_| Err(self.unlisted(scope, false)))
    }

    /// That AWS did not list regions, or zones, in time.
    #[must_use]
    pub fn unlisted(&self, scope: &Scope, are_zones: bool) -> AwsError {
        AwsError::late(&self.call(scope, if are_zones { ZONES } else { REGIONS }))
    }

    async fn regions_of(&self, scope: &Scope) -> Result<(Vec<Document>, Timestamp), AwsError> {
        let (using, signed) = (self.using(scope, REGIONS).await?, SignedBy::default());
        let send = || {
            let client = self.sdk_to_use(scope, &using).clients(&scope.region).ec2();
            client.describe_regions().all_regions(true).customize().interceptor(signed.clone()).send()
        };
        let (answer, at) = self.repeatable(scope, REGIONS, Priority::Tool, send).await?;
        let regions: Vec<Document> = answer.regions.into_iter().flatten().map(geography::region).collect();
        if regions.is_empty() {
            return Err(AwsError::unreadable("it lists no regions", &self.call(scope, REGIONS)));
        }
        let used = using.into_inner();
        Box::pin(self.confirm_signed((scope, REGIONS), &used, &signed, Priority::Passed)).await?;
        Ok((regions, at))
    }

    /// Every zone of the region of `scope`, with whether the account has opted in to it; and when AWS was asked.
    ///
    /// # Errors
    /// [`AwsError`]; also when AWS lists none, since every region has some, or not in time, or the credentials are another account's.
    pub async fn every_zone(&self, scope: &Scope) -> Result<(Vec<Document>, Timestamp), AwsError> {
        let listed = timeout(PATIENCE, Box::pin(self.zones_of(scope))).await;
        listed.unwrap_or_else(|_| Err(self.unlisted(scope, true)))
    }

    async fn zones_of(&self, scope: &Scope) -> Result<(Vec<Document>, Timestamp), AwsError> {
        let (using, signed) = (self.using(scope, ZONES).await?, SignedBy::default());
        let send = || {
            let client = self.sdk_to_use(scope, &using).clients(&scope.region).ec2();
            let zones = client.describe_availability_zones().all_availability_zones(true);
            zones.customize().interceptor(signed.clone()).send()
        };
        let (answer, at) = self.repeatable(scope, ZONES, Priority::Tool, send).await?;
        let zones: Vec<Document> = answer.availability_zones.into_iter().flatten().map(geography::zone).collect();
        if zones.is_empty() {
            return Err(AwsError::unreadable("it lists no availability zones", &self.call(scope, ZONES)));
        }
        let used = using.into_inner();
        Box::pin(self.confirm_signed((scope, ZONES), &used, &signed, Priority::Passed)).await?;
        Ok((zones, at))
    }

    /// The configuration with which a call begins to wait.
    async fn using(&self, scope: &Scope, action: &'static str) -> Result<Mutex<Arc<Sdk>>, AwsError> {
        Ok(Mutex::new(self.account_of(scope).ready(&scope.region, action).await?))
    }

    /// The configuration as it is once a call may go, which is then the one in use.
    fn sdk_to_use(&self, scope: &Scope, using: &Mutex<Arc<Sdk>>) -> Arc<Sdk> {
        let sdk = self.account_of(scope).loaded();
        *using.lock() = Arc::clone(&sdk);
        sdk
    }

    /// Checks that listing regions is allowed.
    ///
    /// # Errors
    /// [`AwsError`] with [`ErrorClass::Denied`] if it is not; any other if AWS does not say.
    pub async fn may_describe_regions(&self, scope: &Scope) -> Result<(), AwsError> {
        let client = self.clients(scope, REGIONS).await?.ec2();
        self.may(scope, REGIONS, || client.describe_regions().dry_run(true).send()).await
    }

    /// Checks that listing availability zones is allowed.
    ///
    /// # Errors
    /// [`AwsError`] with [`ErrorClass::Denied`] if it is not; any other if AWS does not say.
    pub async fn may_describe_zones(&self, scope: &Scope) -> Result<(), AwsError> {
        let client = self.clients(scope, ZONES).await?.ec2();
        self.may(scope, ZONES, || client.describe_availability_zones().dry_run(true).send()).await
    }

    /// Whether a dry run says that a call is allowed. An endpoint that ignores the flag allows it as well.
    async fn may<T, E, F>(&self, scope: &Scope, action: &'static str, send: impl Fn() -> F) -> Result<(), AwsError>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        F: Future<Output = Result<T, SdkError<E>>>,
    {
        match self.repeatable(scope, action, Priority::Tool, send).await {
            Err(error) if error.class != ErrorClass::DryRun => Err(error),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;
    use tokio::time::Instant;

    use super::*;
    use crate::aws::AwsErrorKind;
    use crate::aws::scripted::{Reply, Rotating, Scripted, at, signed};
    use crate::model::fixtures::scope;

    #[tokio::test]
    async fn all_regions_and_zones_are_listed_with_every_field() {
        let regions = "<regionInfo><item><regionName>eu-west-1</regionName><regionEndpoint>e</regionEndpoint>\
                       <optInStatus>opted-in</optInStatus><geographySet><item><name>Ireland</name></item></geographySet>\
                       </item></regionInfo>";
        let zones = "<availabilityZoneInfo><item><zoneName>us-east-1a</zoneName><zoneState>available</zoneState>\
                     <messageSet><item><message>m</message></item></messageSet></item></availabilityZoneInfo>";
        let server = Scripted::confirmed([Reply::ok(regions), Reply::ok(zones)]).await;
        let aws = server.aws();
        let (listed, _) = aws.every_region(&scope()).await.unwrap();
        assert_eq!(
            format!("{listed:?}"),
            r#"[{"Endpoint": "e", "Geography": [{"Name": "Ireland"}], "OptInStatus": "opted-in", "RegionName": "eu-west-1"}]"#
        );
        let (listed, _) = aws.every_zone(&scope()).await.unwrap();
        assert_eq!(
            format!("{listed:?}"),
            r#"[{"Messages": [{"Message": "m"}], "State": "available", "ZoneName": "us-east-1a"}]"#
        );
        let asked = server.asked();
        assert!(asked[0].contains("AllRegions=true") && asked[1].contains("AllAvailabilityZones=true"), "{asked:?}");
    }

    #[tokio::test]
    async fn what_another_account_lists_is_none() {
        let regions = Reply::ok("<regionInfo><item><regionName>eu-west-1</regionName></item></regionInfo>");
        let zones =
            Reply::ok("<availabilityZoneInfo><item><zoneName>us-east-1a</zoneName></item></availabilityZoneInfo>");
        let other = Reply::identified("210987654321");
        let server = Scripted::new([regions, other.clone(), zones, other]).await;
        let aws = server.aws();
        let expected = AwsErrorKind::OtherAccount { expected: scope().account };
        assert_eq!(aws.every_region(&scope()).await.unwrap_err().kind, expected);
        assert_eq!(aws.every_zone(&scope()).await.unwrap_err().kind, expected);
    }

    #[tokio::test]
    async fn what_credentials_listed_that_were_exchanged_since_is_none() {
        let regions = Reply::ok("<regionInfo><item><regionName>eu-west-1</regionName></item></regionInfo>");
        let zones =
            Reply::ok("<availabilityZoneInfo><item><zoneName>us-east-1a</zoneName></item></availabilityZoneInfo>");
        let server = Scripted::confirmed([regions, zones]).await;
        let aws = signed(server.endpoint(), Rotating::new(&["A", "B", "C", "D"]));
        assert_eq!(aws.every_region(&scope()).await.unwrap_err().kind, AwsErrorKind::CredentialsExchanged);
        assert_eq!(aws.every_zone(&scope()).await.unwrap_err().kind, AwsErrorKind::CredentialsExchanged);
        assert!(aws.every_zone(&scope()).await.is_ok(), "by the same key");
    }

    #[tokio::test(start_paused = true)]
    async fn a_listing_that_aws_does_not_answer_ends_in_time() {
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let aws = at(&format!("http://{}", silent.local_addr().unwrap()));
        let begun = Instant::now();
        assert_eq!(aws.every_region(&scope()).await.unwrap_err().kind, AwsErrorKind::TimedOut);
        assert_eq!(aws.every_zone(&scope()).await.unwrap_err().kind, AwsErrorKind::TimedOut);
        assert!(begun.elapsed() <= 2 * (PATIENCE + Duration::from_millis(1)), "{:?}", begun.elapsed());
    }

    #[tokio::test]
    async fn an_empty_listing_is_none_and_a_refusal_is_one() {
        let empty = Scripted::new([Reply::ok("<regionInfo/>"), Reply::ok("<availabilityZoneInfo/>")]).await;
        assert_eq!(empty.aws().every_region(&scope()).await.unwrap_err().kind, AwsErrorKind::Unreadable);
        assert_eq!(empty.aws().every_zone(&scope()).await.unwrap_err().kind, AwsErrorKind::Unreadable);
        let denying = Scripted::new([Reply::error(403, "UnauthorizedOperation", "no")]).await;
        for answer in
            [denying.aws().may_describe_zones(&scope()).await, denying.aws().may_describe_regions(&scope()).await]
        {
            assert_eq!(answer.unwrap_err().class, ErrorClass::Denied);
        }
        let allowing = Scripted::new([Reply::error(412, "DryRunOperation", "would have")]).await;
        assert_eq!(allowing.aws().may_describe_zones(&scope()).await, Ok(()));
    }
}
