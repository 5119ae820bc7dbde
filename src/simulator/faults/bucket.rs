//! AWS's token buckets: one for each account, region and action, and a second one for the instances that some actions
//! start or stop.
//!
//! The figures are those of EC2's developer guide, "Request throttling for the Amazon EC2 API". The guide does not say
//! which bucket a Describe call by id uses; here it uses the smaller one, that of unfiltered and unpaginated calls,
//! because the simulator is never more lenient than AWS. STS and `EventBridge` have one limit for all actions except
//! `PutEvents`; SQS has none on standard queues. Organizations has no figures in any guide.

use std::collections::HashMap;

use crate::simulator::clock::Moment;
use crate::simulator::faults::walk::CallShape;
use crate::simulator::request::Service;

/// The capacity of a bucket, and its refill per second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Limit {
    burst: f64,
    refill: f64,
}

const fn limit(burst: f64, refill: f64) -> Limit {
    Limit { burst, refill }
}

const DESCRIBE: Limit = limit(100.0, 20.0);
const DESCRIBE_ALL: Limit = limit(50.0, 10.0);
const MUTATE: Limit = limit(50.0, 5.0);
const LAUNCH: Limit = limit(5.0, 2.0);
const STORAGE: Limit = limit(100.0, 5.0);
const TAG: Limit = limit(100.0, 10.0);
const LAUNCHED: Limit = limit(1_000.0, 2.0);
const STOPPED: Limit = limit(1_000.0, 20.0);
const STS: Limit = limit(600.0, 600.0);
const RULES: Limit = limit(50.0, 50.0);
/// Stricter than any limit that AWS is known to set.
const ORGANIZATIONS: Limit = limit(8.0, 4.0);
const ORGANIZATION_TAGS: Limit = limit(4.0, 2.0);
const LOOKUP: Limit = limit(2.0, 2.0);
const PUT_EVENTS: Limit = limit(10_000.0, 10_000.0);

/// The Describe actions whose unfiltered, unpaginated calls have a bucket of their own.
const COSTLY: [&str; 7] = [
    "DescribeInstances",
    "DescribeInstanceStatus",
    "DescribeNetworkInterfaces",
    "DescribeSecurityGroups",
    "DescribeSnapshots",
    "DescribeSpotInstanceRequests",
    "DescribeVolumes",
];

/// All buckets that were used. A bucket that was never used is full.
#[derive(Debug, Default)]
pub(crate) struct Shelf(HashMap<(u64, BucketClass), Bucket>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum BucketClass {
    Requests,
    Unbounded,
    Resources,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Moment,
}

impl Shelf {
    /// Takes the call's tokens from its buckets and says whether the call may pass. A bucket that lacks tokens for the
    /// call gives none. `scope` is a hash of the account, region and action; `scale` multiplies every limit.
    pub(crate) fn admit(
        &mut self,
        service: Service,
        action: &str,
        scope: u64,
        shape: &CallShape,
        scale: f64,
        now: Moment,
    ) -> bool {
        let Some((class, requests)) = requests(service, action, shape) else { return true };
        let passed = self.take((scope, class), requests, scale, 1.0, now);
        let Some(resources) = resources(action) else { return passed };
        let many = u32::try_from(shape.resources).map_or(f64::MAX, f64::from);
        passed && self.take((scope, BucketClass::Resources), resources, scale, many, now)
    }

    fn take(&mut self, key: (u64, BucketClass), limit: Limit, scale: f64, many: f64, now: Moment) -> bool {
        // A bucket without room for one token would refuse every call.
        let burst = (limit.burst * scale).max(1.0);
        let bucket = self.0.entry(key).or_insert(Bucket { tokens: burst, at: now });
        // A bucket gains nothing when the clock goes back.
        let millis =
            u32::try_from(now.0.saturating_sub(bucket.at.0)).unwrap_or(if now > bucket.at { u32::MAX } else { 0 });
        let gained = f64::from(millis) / 1_000.0 * limit.refill * scale;
        *bucket = Bucket { tokens: (bucket.tokens + gained).min(burst), at: now };
        let enough = bucket.tokens >= many;
        if enough {
            bucket.tokens -= many;
        }
        enough
    }
}

fn requests(service: Service, action: &str, shape: &CallShape) -> Option<(BucketClass, Limit)> {
    match service {
        Service::Sts => Some((BucketClass::Requests, STS)),
        Service::Sqs => None,
        Service::Trail => Some((BucketClass::Requests, LOOKUP)),
        Service::Organizations if action == "ListTagsForResource" => Some((BucketClass::Requests, ORGANIZATION_TAGS)),
        Service::Organizations => Some((BucketClass::Requests, ORGANIZATIONS)),
        Service::Events if action == "PutEvents" => Some((BucketClass::Requests, PUT_EVENTS)),
        Service::Events => Some((BucketClass::Requests, RULES)),
        Service::Ec2 => Some(match action {
            "StartInstances" | "RunInstances" => (BucketClass::Requests, LAUNCH),
            "CreateSnapshot" | "CreateSnapshots" | "CreateVolume" => (BucketClass::Requests, STORAGE),
            "CreateTags" | "DeleteTags" => (BucketClass::Requests, TAG),
            _ if COSTLY.contains(&action) && !shape.bounded => (BucketClass::Unbounded, DESCRIBE_ALL),
            _ if action.starts_with("Describe") => (BucketClass::Requests, DESCRIBE),
            _ => (BucketClass::Requests, MUTATE),
        }),
    }
}

fn resources(action: &str) -> Option<Limit> {
    match action {
        "StartInstances" | "RunInstances" => Some(LAUNCHED),
        "StopInstances" | "TerminateInstances" => Some(STOPPED),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Moment = Moment(1_795_348_800_000);

    /// How many of 2,000 calls at one moment pass.
    fn passed(shelf: &mut Shelf, action: &str, shape: &CallShape, scale: f64, now: Moment) -> usize {
        (0..2_000).filter(|_| shelf.admit(Service::Ec2, action, 1, shape, scale, now)).count()
    }

    #[test]
    fn bursts_and_refills_are_aws_s() {
        let paged = CallShape { bounded: true, ..CallShape::default() };
        let all = CallShape::default();
        let one = CallShape { by_id: true, resources: 1, ..CallShape::default() };
        for (action, shape, burst, refill) in [
            ("DescribeInstances", paged, 100, 20),
            ("DescribeInstances", all, 50, 10),
            ("DescribeVpcs", all, 100, 20),
            ("StopInstances", one, 50, 5),
            ("StartInstances", one, 5, 2),
            ("CreateSnapshots", one, 100, 5),
            ("CreateTags", one, 100, 10),
            ("AuthorizeSecurityGroupIngress", one, 50, 5),
        ] {
            let mut shelf = Shelf::default();
            assert_eq!(passed(&mut shelf, action, &shape, 1.0, NOW), burst, "{action}");
            assert_eq!(passed(&mut shelf, action, &shape, 1.0, Moment(NOW.0 + 1_000)), refill, "{action}");
            assert_eq!(passed(&mut shelf, action, &shape, 1.0, NOW), 0, "{action} after the clock went back");
            assert_eq!(passed(&mut shelf, action, &shape, 1.0, Moment(NOW.0 + 3_600_000)), burst, "{action}");
            assert_eq!(passed(&mut Shelf::default(), action, &shape, 0.2, NOW), burst / 5, "{action} scaled");
        }
    }

    #[test]
    fn instances_have_a_bucket_beside_requests() {
        let many = CallShape { by_id: true, resources: 600, ..CallShape::default() };
        assert_eq!(passed(&mut Shelf::default(), "StopInstances", &many, 1.0, NOW), 1);
        assert_eq!(passed(&mut Shelf::default(), "DescribeInstances", &many, 1.0, NOW), 50);
    }
}
