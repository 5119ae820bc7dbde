//! For which accounts a queue may speak. Whoever may write to a queue may claim anything, so that it is believed only about accounts
//! that are meant to use it.

use std::collections::BTreeSet;

use crate::aws::queue::Queue;
use crate::model::{AccountId, Scope, WatchSelection};

/// The accounts about which a queue is believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum QueueVoice {
    /// All.
    Any,
    /// These.
    Of {
        /// The accounts.
        accounts: BTreeSet<AccountId>,
        /// Whether these are all: if not, another account may still turn out to be one of them.
        is_whole: bool,
    },
}

impl QueueVoice {
    /// The voice of a queue of one account.
    pub(super) fn one(account: AccountId) -> Self {
        QueueVoice::Of { accounts: BTreeSet::from([account]), is_whole: true }
    }

    /// Whether the queue is believed about an account; `None` while that is not known.
    fn speaks_for(&self, account: &AccountId) -> Option<bool> {
        match self {
            QueueVoice::Any => Some(true),
            QueueVoice::Of { accounts, .. } if accounts.contains(account) => Some(true),
            QueueVoice::Of { is_whole, .. } => is_whole.then_some(false),
        }
    }

    /// The account of events that name none: the only one that the queue speaks for, unless the queue is another's.
    pub(super) fn owner(&self, queue: &Queue) -> Option<AccountId> {
        let QueueVoice::Of { accounts, is_whole: true } = self else { return None };
        let only = accounts.first().filter(|_| accounts.len() == 1)?;
        queue.account().is_none_or(|owner| owner == only).then(|| only.clone())
    }

    /// Whether what a queue says about all these scopes is believed, and they are watched; `None` while that is not known. Without a
    /// selection everything is watched.
    pub(super) fn is_heard(&self, scopes: &[Scope], selection: Option<&WatchSelection>) -> Option<bool> {
        let mut heard = Some(true);
        for scope in scopes {
            let watched = selection.map_or(Some(true), |selection| selection.watches_soon(scope));
            for said in [self.speaks_for(&scope.account), watched] {
                match said {
                    Some(true) => {}
                    Some(false) => return Some(false),
                    None => heard = None,
                }
            }
        }
        heard
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::kinds::rules::{CANARY_SOURCE, RULES};
    use crate::model::Region;
    use crate::source::events::envelope::DecodedEvent;

    const OURS: &str = "111122223333";
    const THEIRS: &str = "444455556666";

    fn account(number: u8) -> AccountId {
        AccountId::new(format!("{number:012}"))
    }

    fn scope(number: u8, region: u8) -> Scope {
        Scope { account: account(number), region: Region::new(format!("eu-west-{region}")) }
    }

    fn accounts() -> impl Strategy<Value = BTreeSet<u8>> {
        proptest::collection::btree_set(0..4_u8, 0..4)
    }

    proptest! {
        /// Every scope must be one that the queue speaks for and that is watched. One that certainly is not decides; else one that may
        /// be not.
        #[test]
        fn what_is_heard_is_believed_and_watched(
            said in proptest::collection::vec((0..4_u8, 1..3_u8), 0..4),
            believed in accounts(),
            any in any::<bool>(),
            whole in any::<bool>(),
            watched in proptest::option::of((accounts(), accounts(), any::<bool>())),
        ) {
            let scopes: Vec<Scope> = said.iter().map(|(number, region)| scope(*number, *region)).collect();
            let voice = if any {
                QueueVoice::Any
            } else {
                QueueVoice::Of { accounts: believed.iter().map(|number| account(*number)).collect(), is_whole: whole }
            };
            // Accounts are watched in the first region only.
            let first = || Some(BTreeSet::from([Region::new("eu-west-1")]));
            let selection = watched.clone().map(|(watched, given_up, is_whole)| WatchSelection::Accounts {
                watched: watched.iter().map(|number| (account(*number), first())).collect::<BTreeMap<_, _>>(),
                given_up: given_up.iter().map(|number| account(*number)).collect(),
                is_whole,
            });
            let known = |number: u8| any || whole || believed.contains(&number);
            let is_believed = |number: u8| any || believed.contains(&number);
            let certain = |number: u8| watched.as_ref().is_none_or(|(watched, given_up, is_whole)| {
                *is_whole || watched.contains(&number) || given_up.contains(&number)
            });
            let is_watched = |number: u8, region: u8| watched.as_ref().is_none_or(|(watched, _, _)| {
                watched.contains(&number) && region == 1
            });
            let refused = said.iter().any(|(number, region)| {
                (known(*number) && !is_believed(*number)) || (certain(*number) && !is_watched(*number, *region))
            });
            let unsure = said.iter().any(|(number, _)| !known(*number) || !certain(*number));
            let expected = if refused { Some(false) } else if unsure { None } else { Some(true) };
            prop_assert_eq!(voice.is_heard(&scopes, selection.as_ref()), expected);
        }
    }

    #[test]
    fn an_event_without_an_account_is_that_of_the_only_account_unless_the_queue_is_anothers() {
        let queue = |owner: &str| format!("https://sqs.eu-west-1.amazonaws.com/{owner}/q").parse::<Queue>().unwrap();
        let ours = QueueVoice::one(AccountId::new(OURS));
        assert_eq!(ours.owner(&queue(OURS)), Some(AccountId::new(OURS)));
        assert_eq!(ours.owner(&"http://localhost:1/queues/q".parse().unwrap()), Some(AccountId::new(OURS)));
        assert_eq!(ours.owner(&queue(THEIRS)), None, "a queue that another account shares");
        assert_eq!(QueueVoice::Any.owner(&queue(OURS)), None);
        let accounts = BTreeSet::from([AccountId::new(OURS), AccountId::new(THEIRS)]);
        assert_eq!(QueueVoice::Of { accounts, is_whole: true }.owner(&queue(OURS)), None);
        let accounts = BTreeSet::from([AccountId::new(OURS)]);
        assert_eq!(QueueVoice::Of { accounts, is_whole: false }.owner(&queue(OURS)), None);
    }

    /// A state event with these members in place of its own.
    fn event(changes: &Value) -> Value {
        let mut event = json!({
            "id": "e-1", "detail-type": "EC2 Instance State-change Notification", "source": "aws.ec2", "account": OURS,
            "time": "2026-11-11T21:29:54Z", "region": "eu-west-1", "resources": [],
            "detail": {"instance-id": "i-0abcd1234ef015678", "state": "stopped"},
        });
        for (name, value) in changes.as_object().unwrap() {
            event[name] = value.clone();
        }
        event
    }

    /// Bodies by which somebody who can write to a queue of one account claims something about another.
    fn hostile() -> Vec<String> {
        let arn = format!("arn:aws:ec2:eu-west-1:{THEIRS}:instance/i-0abcd1234ef015678");
        let call = json!({
            "eventTime": "2026-11-11T21:29:54Z", "eventSource": "ec2.amazonaws.com", "eventName": "StopInstances",
            "recipientAccountId": THEIRS, "requestParameters": {"instancesSet": {"items": [{"instanceId": "i-0abcd1234ef015678"}]}},
        });
        let health = json!({
            "affectedAccount": THEIRS, "eventArn": "arn:aws:health:eu-west-1::event/EC2/X/1", "eventTypeCode": "X",
            "affectedEntities": [{"entityValue": "i-0abcd1234ef015678"}],
        });
        let canary = json!({"sent_by": "x", "sent_at": "2026-11-11T21:29:54Z"});
        let claims = [
            json!({"account": THEIRS}),
            json!({"account": null, "resources": [arn]}),
            json!({"account": "not an account", "resources": [arn]}),
            json!({"account": null, "detail-type": "AWS API Call via CloudTrail", "detail": call}),
            json!({"account": THEIRS, "detail-type": "AWS API Call via CloudTrail", "detail": call}),
            json!({"source": "aws.health", "detail-type": "AWS Health Event", "detail": health}),
            json!({"account": THEIRS, "source": CANARY_SOURCE, "detail-type": RULES[0].canary_type("muster"), "detail": canary}),
        ];
        let mut bodies: Vec<String> = claims.iter().map(|claim| event(claim).to_string()).collect();
        let wrapped = json!({"Type": "Notification", "TopicArn": "t", "Message": bodies[0]});
        bodies.push(wrapped.to_string());
        bodies
    }

    #[test]
    fn a_queue_of_one_account_is_not_believed_about_another() {
        let queue: Queue = format!("https://sqs.eu-west-1.amazonaws.com/{OURS}/muster-events").parse().unwrap();
        let (ours, both) = (QueueVoice::one(AccountId::new(OURS)), QueueVoice::Any);
        let owner = ours.owner(&queue);
        let read = |body: &str| DecodedEvent::read(body, owner.as_ref()).unwrap().scopes();
        for body in hostile() {
            let scopes = read(&body);
            assert!(scopes.iter().any(|scope| scope.account.as_str() == THEIRS), "{body} claims nothing");
            assert_eq!(ours.is_heard(&scopes, None), Some(false), "{body}");
            assert_eq!(both.is_heard(&scopes, None), Some(true), "{body}");
        }
        for own in [json!({}), json!({"account": null})] {
            assert_eq!(ours.is_heard(&read(&event(&own).to_string()), None), Some(true), "{own}");
        }
    }
}
