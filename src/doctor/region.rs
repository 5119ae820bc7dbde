//! Runs the checks of one region. Independent ones run at the same time.

use futures::future::{join, join_all};

use super::examined::Examined;
use super::finding::{Finding, asked};
use super::{endpoint, events, permission, quota};
use crate::aws::probe::InstanceChange;
use crate::kinds::KINDS;
use crate::model::{Principal, Timestamp};

/// An id that no instance has: doctor needs to know only whether it may look up calls.
const NOBODY: &str = "i-00000000000000000";

/// Runs all checks of one region.
pub(crate) async fn look(examined: &Examined<'_>) -> Vec<Finding> {
    let events = async {
        match &examined.config.events {
            Some(name) => events::named(examined, name).await,
            None => Vec::new(),
        }
    };
    let queues = examined.config.queues.iter().filter(|queue| examined.has(queue));
    let queues = join_all(queues.map(|queue| events::queue_alone(examined, queue)));
    let ((inventory, identity), (events, queues)) =
        join(join(inventory(examined), identity(examined)), join(events, queues)).await;
    let all = inventory.into_iter().chain([identity]).chain(events).chain(queues.into_iter().flatten());
    all.map(|finding| finding.within(&examined.scope.region)).collect()
}

/// Checks whether STS answers.
async fn identity(examined: &Examined<'_>) -> Finding {
    let (answer, took) = asked(examined.aws.confirm_by_sts(&examined.scope)).await;
    endpoint::judge("STS", &answer, took)
}

/// Checks what sweeps and tools need.
async fn inventory(examined: &Examined<'_>) -> Vec<Finding> {
    let (aws, scope) = (examined.aws, &examined.scope);
    let watched = KINDS.iter().filter(|spec| examined.config.kinds.watches(&spec.kind()));
    let answers = watched.map(|spec| async { (spec.action(), asked(aws.may_describe(scope, spec)).await) });
    let now = aws.clock().now();
    let minute_ago = Timestamp::from_millis(now.as_millis().saturating_sub(60_000));
    let history = asked(aws.calls_of(&examined.scope, NOBODY, minute_ago, now));
    let (answers, ((quotas, _), (history, _))) = join(join_all(answers), join(asked(aws.quotas(scope)), history)).await;
    let mut findings = Vec::new();
    // One answer is enough: a single call may fail for other reasons.
    let best = answers.iter().min_by_key(|(_, (outcome, _))| outcome.as_ref().is_err_and(|why| !why.reached));
    if let Some((_, (outcome, took))) = best {
        let reached = endpoint::judge("EC2", outcome, *took);
        let silent = !reached.holds();
        findings.push(reached);
        if silent {
            findings.push(permission::CHECK.skipped("ec2", "EC2 cannot be reached"));
            findings.push(quota::CHECK.skipped("EC2 requests", "EC2 cannot be reached"));
            return findings;
        }
    }
    findings.extend(answers.iter().map(|(action, (outcome, _))| permission::judge(action, outcome)));
    findings.push(permission::judge_history(&history));
    if examined.config.listen.ec2_api.address.is_some() {
        let answers = join(asked(aws.may_describe_regions(scope)), asked(aws.may_describe_zones(scope))).await;
        let ((regions, _), (zones, _)) = answers;
        findings.push(permission::judge_optional("ec2:DescribeRegions", &regions));
        findings.push(permission::judge_optional("ec2:DescribeAvailabilityZones", &zones));
    }
    if examined.config.writes.allow {
        findings.extend(changes(examined).await);
        if examined.config.source_identity {
            findings.push(Box::pin(source_identity(examined)).await);
        }
    }
    findings.push(quota::judge(&quotas));
    findings
}

/// What a role has to allow to be assumed with a source identity.
const SET: &str = "sts:SetSourceIdentity";

/// Checks whether the role can be assumed with a source identity.
async fn source_identity(examined: &Examined<'_>) -> Finding {
    if !examined.aws.has_source_identity() {
        let why =
            "no source identity is given: the credentials do not come from a profile with role_arn and source_profile";
        return permission::CHECK.failed(SET, why, "Use such a profile (--profile), or leave out --source-identity.");
    }
    let by = Principal::of_user("doctor").with_client(Some("muster-doctor"), None);
    let pinned = examined.aws.pinned_for(Some(&by)).await;
    let (answer, _) = asked(pinned.identify()).await;
    permission::judge(SET, &answer)
}

/// Checks what the tools need that change AWS.
async fn changes(examined: &Examined<'_>) -> Vec<Finding> {
    let (aws, scope) = (examined.aws, &examined.scope);
    let (instance, _) = asked(aws.an_instance(scope)).await;
    let Ok(Some(instance)) = instance else {
        let why = match instance {
            Ok(_) => "there is no instance to make a dry run with".to_owned(),
            Err(why) => why.fact,
        };
        let skipped = |change: InstanceChange| {
            permission::CHECK.skipped(change.action(), format!("could not be determined: {why}"))
        };
        return InstanceChange::ALL.map(skipped).into();
    };
    let answers = InstanceChange::ALL.map(|change| asked(aws.may_change(scope, change, &instance)));
    let answers = InstanceChange::ALL.into_iter().zip(join_all(answers).await);
    answers.map(|(change, (outcome, _))| permission::judge_change(change.action(), &instance, &outcome)).collect()
}
