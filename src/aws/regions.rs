//! The watched regions.

use aws_sdk_ec2::types::Region as Listed;
use futures::FutureExt;

use super::error::AwsError;
use super::watched_regions::Regions;
use super::{Aws, Priority};
use crate::model::{Region, Scope};

/// Lists regions.
const LIST: &str = "ec2:DescribeRegions";

impl Aws {
    /// Whether all regions that AWS lists are watched.
    #[must_use]
    pub fn watches_all(&self) -> bool {
        matches!(self.home().settings.regions, Regions::All { .. })
    }

    /// Adds regions that an earlier process found, if all regions are watched.
    pub fn watch_also(&self, regions: impl IntoIterator<Item = Region>) {
        if self.watches_all() {
            self.add(regions);
        }
    }

    /// Asks AWS which regions are enabled for the account, and watches them too from then on.
    ///
    /// A watched region that is no longer listed stays watched: its sweeps then report why they fail.
    ///
    /// # Errors
    /// [`AwsError`]: the watched regions stay as they were.
    pub async fn enabled_regions(&self) -> Result<Vec<Region>, AwsError> {
        let listed = self.anywhere(LIST, |scope| async move { self.enabled_as_told_in(&scope).await }.boxed()).await?;
        Ok(self.add(listed))
    }

    async fn enabled_as_told_in(&self, scope: &Scope) -> Result<Vec<Region>, AwsError> {
        let client = self.clients(scope, LIST).await?.ec2();
        let send = || client.describe_regions().all_regions(false).send();
        let (answer, _) = self.repeatable(scope, LIST, Priority::Sweep, send).await?;
        Ok(answer.regions.unwrap_or_default().into_iter().filter_map(enabled).collect())
    }

    /// Adds to the watched regions. Their order stays: the first is the default.
    fn add(&self, regions: impl IntoIterator<Item = Region>) -> Vec<Region> {
        let mut watched = self.regions();
        let mut more: Vec<Region> = regions.into_iter().filter(|region| !watched.contains(region)).collect();
        more.sort();
        more.dedup();
        watched.append(&mut more);
        self.home().found.lock().regions = Some(watched.clone());
        watched
    }
}

/// The region, unless the account would have to opt in first: emulators list such regions too.
fn enabled(listed: Listed) -> Option<Region> {
    let is_off = listed.opt_in_status.as_deref() == Some("not-opted-in");
    listed.region_name.filter(|_| !is_off).map(|name| Region::new(name.as_str()))
}

#[cfg(test)]
mod tests {
    use crate::aws::AwsErrorKind;
    use crate::aws::scripted::{Reply, Scripted};
    use crate::model::{ErrorClass, Region};

    fn regions(names: &[&str]) -> Vec<Region> {
        names.iter().map(|name| Region::new(*name)).collect()
    }

    fn listed(regions: &[(&str, &str)]) -> Reply {
        let item = |(name, status): &(&str, &str)| {
            format!("<item><regionName>{name}</regionName><optInStatus>{status}</optInStatus></item>")
        };
        Reply::ok(&format!("<regionInfo>{}</regionInfo>", regions.iter().map(item).collect::<String>()))
    }

    #[tokio::test]
    async fn all_regions_are_those_that_aws_says_are_enabled_and_a_lost_one_stays() {
        let first = listed(&[
            ("eu-west-1", "opt-in-not-required"),
            ("us-east-1", "opt-in-not-required"),
            ("af-south-1", "opted-in"),
            ("ap-east-1", "not-opted-in"),
        ]);
        let later = listed(&[("us-east-1", "opt-in-not-required"), ("ap-east-1", "opted-in")]);
        let server = Scripted::new([first, later]).await;
        let aws = server.aws();
        assert_eq!(aws.regions(), regions(&["us-east-1"]));
        let found = aws.enabled_regions().await.unwrap();
        assert_eq!(found, regions(&["us-east-1", "af-south-1", "eu-west-1"]));
        assert_eq!(aws.regions(), found);
        let found = aws.enabled_regions().await.unwrap();
        assert_eq!(found, regions(&["us-east-1", "af-south-1", "eu-west-1", "ap-east-1"]));
        assert!(server.asked().iter().all(|body| body.contains("AllRegions=false")));
    }

    #[tokio::test]
    async fn while_aws_does_not_list_them_the_watched_regions_stay() {
        let server = Scripted::new([Reply::error(403, "UnauthorizedOperation", "no")]).await;
        let aws = server.aws();
        let error = aws.enabled_regions().await.unwrap_err();
        assert_eq!((error.class, error.kind.clone()), (ErrorClass::Denied, AwsErrorKind::Answered));
        assert_eq!(aws.regions(), regions(&["us-east-1"]));
    }
}
