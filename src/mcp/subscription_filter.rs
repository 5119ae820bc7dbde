//! What of a requested subscription is honoured.

use std::collections::HashSet;

use rmcp::model::SubscriptionFilter;

use super::uri::Address;

/// How many URIs one subscription takes. rmcp searches them one by one for each notification.
pub const MAX_URIS: usize = 1024;

/// The URIs that are honoured: each valid one once, as spelled, at most [`MAX_URIS`]. The acknowledgement lists them, so a client
/// sees what was left out.
#[must_use]
pub fn honoured(requested: &[String]) -> Vec<String> {
    let mut known = HashSet::new();
    let new = requested.iter().filter(|uri| known.insert(uri.as_str()) && Address::parse(uri).is_ok());
    new.take(MAX_URIS).cloned().collect()
}

/// The part of a requested filter that is honoured: its [`honoured`] URIs, the list of resources, and that of tools where those
/// `may_change`. Prompts never change, so they cause no notifications.
#[must_use]
pub fn accepted(requested: &SubscriptionFilter, may_change: bool) -> SubscriptionFilter {
    let mut accepted = SubscriptionFilter::default();
    accepted.resources_list_changed = requested.resources_list_changed.filter(|wanted| *wanted);
    accepted.tools_list_changed = requested.tools_list_changed.filter(|wanted| *wanted && may_change);
    let uris = requested.resource_subscriptions.as_deref().map(honoured);
    accepted.resource_subscriptions = uris.filter(|uris| !uris.is_empty());
    accepted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_valid_uri_is_honoured_once_up_to_the_limit() {
        let uris = |uris: &[&str]| uris.iter().map(|uri| (*uri).to_owned()).collect::<Vec<_>>();
        let requested = uris(&["ec2://vpc/vpc-1", "ec2://bad", "ec2://vpc/vpc-1", "EC2://vpc/vpc-1"]);
        assert_eq!(honoured(&requested), uris(&["ec2://vpc/vpc-1", "EC2://vpc/vpc-1"]));
        let many: Vec<String> = (0..3000).map(|n| format!("ec2://vpc/vpc-{n}")).collect();
        assert_eq!(honoured(&many), many.get(..MAX_URIS).unwrap());
    }

    #[test]
    fn of_lists_that_of_resources_is_honoured_and_that_of_tools_where_it_may_change() {
        let everything = SubscriptionFilter::builder()
            .tools_list_changed()
            .prompts_list_changed()
            .resources_list_changed()
            .resource_subscription("ec2://bad")
            .build();
        let resources = || SubscriptionFilter::builder().resources_list_changed();
        assert_eq!(accepted(&everything, false), resources().build());
        assert_eq!(accepted(&everything, true), resources().tools_list_changed().build());
    }
}
