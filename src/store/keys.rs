//! Keys of the tables, as bytes that sort like what they name.
//!
//! A text component is its bytes followed by a zero byte, with `00` written `01 01` and `01` written `01 02`. So no component is a
//! prefix of another, byte order is text order, and [`crate::model::ResourceId`]'s order (kind, id, account, region) is key order.
//! Every prefix of whole components ends with the zero byte, so all keys under it are between the prefix and the same bytes ending
//! in `01`.
//!
//! | table | key |
//! |---|---|
//! | `events` | the seq, as redb's own `u64` |
//! | `rows`, `tombstones`, `base` | kind, id, account, region |
//! | `current` | kind, account, region, id: so what one scope holds stands together |
//! | `by_resource` | kind, id, account, region, seq (8 bytes, big-endian) |
//! | `intervals` | account, region, kind, start (8 bytes, big-endian, sign bit flipped) |
//! | `times` | the time, as redb's own `u64`, sign bit flipped |
//! | `meta`, counts | `count`, kind, account, region |
//! | `meta`, scopes no longer watched | `retired`, account, region |
//! | `dedupe` | `event`, event id; and `order`, number (8 bytes, big-endian); and `parked`, message id; and `keyed`, user, client, idempotency key |

use std::sync::Arc;

use super::meta::RETIRED;
use crate::model::keyed_call::CallKey;
use crate::model::text::shown as clean;
use crate::model::{AccountId, Kind, Region, ResourceId, Scope, Seq, Timestamp};

const END: u8 = 0;
const ESCAPE: u8 = 1;

/// The key of a resource.
pub(super) fn resource(id: &ResourceId) -> Vec<u8> {
    components(&[id.kind.as_str(), &id.id, id.account.as_str(), id.region.as_str()])
}

/// The key of a resource in `current`.
pub(super) fn in_scope(id: &ResourceId) -> Vec<u8> {
    components(&[id.kind.as_str(), id.account.as_str(), id.region.as_str(), &id.id])
}

/// The prefix in `current` of every resource of `kind` in a scope.
pub(super) fn of_scope(kind: &Kind, scope: &Scope) -> Vec<u8> {
    components(&[kind.as_str(), scope.account.as_str(), scope.region.as_str()])
}

/// The prefix of every resource of `kind`.
pub(super) fn of_kind(kind: &Kind) -> Vec<u8> {
    components(&[kind.as_str()])
}

/// The prefix of every scope's copy of one resource.
pub(super) fn of_id(kind: &Kind, id: &str) -> Vec<u8> {
    components(&[kind.as_str(), id])
}

/// The key of record `seq` under the resource with key `resource`.
pub(super) fn place(resource: &[u8], seq: Seq) -> Vec<u8> {
    let mut key = Vec::with_capacity(resource.len() + 8);
    key.extend_from_slice(resource);
    key.extend_from_slice(&seq.0.to_be_bytes());
    key
}

/// The prefix of every count of a kind.
pub(super) fn counts_of(kind: &Kind) -> Vec<u8> {
    components(&[COUNT, kind.as_str()])
}

/// The prefix of every count.
pub(super) fn counts() -> Vec<u8> {
    components(&[COUNT])
}

/// The count of a kind in a scope.
pub(super) fn count(kind: &Kind, scope: &Scope) -> Vec<u8> {
    components(&[COUNT, kind.as_str(), scope.account.as_str(), scope.region.as_str()])
}

const COUNT: &str = "count";

/// The key of a scope that is no longer watched.
pub(super) fn retired(scope: &Scope) -> Vec<u8> {
    components(&[RETIRED, scope.account.as_str(), scope.region.as_str()])
}

/// The prefix of all scopes that are no longer watched.
pub(super) fn all_retired() -> Vec<u8> {
    components(&[RETIRED])
}

/// The prefix of every interval of a kind in a scope.
pub(super) fn intervals_of(scope: &Scope, kind: &Kind) -> Vec<u8> {
    components(&[scope.account.as_str(), scope.region.as_str(), kind.as_str()])
}

/// The interval of a kind in a scope that starts at `since`.
pub(super) fn interval(scope: &Scope, kind: &Kind, since: Timestamp) -> Vec<u8> {
    let mut key = intervals_of(scope, kind);
    key.extend_from_slice(&time(since).to_be_bytes());
    key
}

const EVENT: &str = "event";
const ORDER: &str = "order";
const PARKED: &str = "parked";
const KEYED: &str = "keyed";

/// The prefix of all parked messages.
pub(super) fn all_parked() -> Vec<u8> {
    components(&[PARKED])
}

/// The key of a parked message.
pub(super) fn parked(message: &str) -> Vec<u8> {
    components(&[PARKED, message])
}

/// The message that a key names; `None` for other keys.
pub(super) fn parked_message(key: &[u8]) -> Option<String> {
    let (message, rest) = component(key.strip_prefix(all_parked().as_slice())?)?;
    rest.is_empty().then(|| message.to_string())
}

/// The prefix of all calls with idempotency keys.
pub(super) fn all_keyed() -> Vec<u8> {
    components(&[KEYED])
}

/// The prefix of those of one user.
pub(super) fn keyed_of(user: &str) -> Vec<u8> {
    components(&[KEYED, user])
}

/// The key of a call with an idempotency key.
pub(super) fn keyed(CallKey { user, client, key }: &CallKey) -> Vec<u8> {
    components(&[KEYED, user, client, key])
}

/// Whether a key belongs to a call with an idempotency key.
pub(super) fn is_keyed(key: &[u8]) -> bool {
    let user = key.strip_prefix(all_keyed().as_slice()).and_then(component);
    let client = user.and_then(|(_, rest)| component(rest));
    client.and_then(|(_, rest)| component(rest)).is_some_and(|(_, rest)| rest.is_empty())
}

/// The key of a notification.
pub(super) fn notified(event_id: &str) -> Vec<u8> {
    components(&[EVENT, event_id])
}

/// Whether a key belongs to a notification.
pub(super) fn is_notified(key: &[u8]) -> bool {
    let id = key.strip_prefix(components(&[EVENT]).as_slice()).and_then(component);
    id.is_some_and(|(_, rest)| rest.is_empty())
}

/// The prefix of the order of notifications.
pub(super) fn notified_order() -> Vec<u8> {
    components(&[ORDER])
}

/// The key of a number in the order of notifications.
pub(super) fn notified_place(number: u64) -> Vec<u8> {
    let mut key = notified_order();
    key.extend_from_slice(&number.to_be_bytes());
    key
}

/// The number in a key of the order of notifications.
pub(super) fn notified_number(key: &[u8]) -> Option<u64> {
    let rest = key.strip_prefix(notified_order().as_slice())?;
    Some(u64::from_be_bytes(rest.try_into().ok()?))
}

/// A time as a number that sorts like times.
pub(super) fn time(at: Timestamp) -> u64 {
    at.as_millis().cast_unsigned() ^ (1 << 63)
}

/// The inverse of [`time`].
pub(super) fn time_of(ordered: u64) -> Timestamp {
    Timestamp::from_millis((ordered ^ (1 << 63)).cast_signed())
}

/// The first key after everything under `prefix`, which must end a component.
pub(super) fn past(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    if let Some(last) = end.last_mut() {
        *last = END + 1;
    }
    end
}

/// The first key after `key` itself.
pub(super) fn next(key: &[u8]) -> Vec<u8> {
    let mut next = Vec::with_capacity(key.len() + 1);
    next.extend_from_slice(key);
    next.push(0);
    next
}

/// A key in readable form, for messages.
pub(super) fn shown(key: &[u8]) -> String {
    let text: Vec<&[u8]> = key.split(|byte| *byte == END).filter(|part| !part.is_empty()).collect();
    clean(&String::from_utf8_lossy(&text.join(&b' ')), 200)
}

fn components(parts: &[&str]) -> Vec<u8> {
    let mut key = Vec::with_capacity(parts.iter().map(|part| part.len() + 1).sum::<usize>() + 8);
    for part in parts {
        for byte in part.bytes() {
            match byte {
                END | ESCAPE => key.extend_from_slice(&[ESCAPE, byte + 1]),
                _ => key.push(byte),
            }
        }
        key.push(END);
    }
    key
}

/// Reads keys, and shares the text of components that repeat between keys, as kind, account and region do in a scan.
#[derive(Default)]
pub(super) struct KeyReader {
    kind: Option<Kind>,
    account: Option<AccountId>,
    region: Option<Region>,
}

impl KeyReader {
    /// The resource a key names; `None` when it is malformed.
    pub(super) fn resource(&mut self, key: &[u8]) -> Option<ResourceId> {
        let (id, rest) = self.resource_and_rest(key)?;
        rest.is_empty().then_some(id)
    }

    /// The resource that a key of `current` names; `None` when it is malformed.
    pub(super) fn in_scope(&mut self, key: &[u8]) -> Option<ResourceId> {
        let (kind, rest) = component(key)?;
        let (account, rest) = component(rest)?;
        let (region, rest) = component(rest)?;
        let (id, rest) = component(rest)?;
        rest.is_empty().then(|| self.named(&kind, &id, &account, &region))
    }

    /// The resource and seq that a key of `by_resource` names.
    pub(super) fn place(&mut self, key: &[u8]) -> Option<(ResourceId, Seq)> {
        let (id, rest) = self.resource_and_rest(key)?;
        Some((id, Seq(u64::from_be_bytes(rest.try_into().ok()?))))
    }

    /// The kind and scope that a count's key names.
    pub(super) fn count(&mut self, key: &[u8]) -> Option<(Kind, Scope)> {
        let (_, rest) = component(key)?;
        let (kind, rest) = component(rest)?;
        let (account, rest) = component(rest)?;
        let (region, rest) = component(rest)?;
        let scope = Scope { account: self.account(&account), region: self.region(&region) };
        rest.is_empty().then(|| (self.kind(&kind), scope))
    }

    /// The scope in the key of a scope that is no longer watched.
    pub(super) fn retired(&mut self, key: &[u8]) -> Option<Scope> {
        let (_, rest) = component(key)?;
        let (account, rest) = component(rest)?;
        let (region, rest) = component(rest)?;
        rest.is_empty().then(|| Scope { account: self.account(&account), region: self.region(&region) })
    }

    /// The scope, kind and start that an interval's key names.
    pub(super) fn interval(&mut self, key: &[u8]) -> Option<(Scope, Kind, Timestamp)> {
        let (account, rest) = component(key)?;
        let (region, rest) = component(rest)?;
        let (kind, rest) = component(rest)?;
        let scope = Scope { account: self.account(&account), region: self.region(&region) };
        let ordered = u64::from_be_bytes(rest.try_into().ok()?);
        Some((scope, self.kind(&kind), time_of(ordered)))
    }

    fn resource_and_rest<'k>(&mut self, key: &'k [u8]) -> Option<(ResourceId, &'k [u8])> {
        let (kind, rest) = component(key)?;
        let (id, rest) = component(rest)?;
        let (account, rest) = component(rest)?;
        let (region, rest) = component(rest)?;
        Some((self.named(&kind, &id, &account, &region), rest))
    }

    fn named(&mut self, kind: &str, id: &str, account: &str, region: &str) -> ResourceId {
        ResourceId {
            kind: self.kind(kind),
            id: Arc::from(id),
            account: self.account(account),
            region: self.region(region),
        }
    }

    fn kind(&mut self, text: &str) -> Kind {
        recall(&mut self.kind, text, Kind::as_str, Kind::new)
    }

    fn account(&mut self, text: &str) -> AccountId {
        recall(&mut self.account, text, AccountId::as_str, AccountId::new)
    }

    fn region(&mut self, text: &str) -> Region {
        recall(&mut self.region, text, Region::as_str, Region::new)
    }
}

/// The id in the key of a resource of the kind whose prefix is `prefix`.
pub(super) fn id_under<'k>(prefix: &[u8], key: &'k [u8]) -> Option<std::borrow::Cow<'k, str>> {
    component(key.strip_prefix(prefix)?).map(|(id, _)| id)
}

/// The last value if it has the same text; otherwise a new one, which is remembered.
fn recall<'t, T: Clone>(last: &mut Option<T>, text: &'t str, get: fn(&T) -> &str, make: fn(&'t str) -> T) -> T {
    match last {
        Some(known) if get(known) == text => known.clone(),
        _ => last.insert(make(text)).clone(),
    }
}

/// Splits off the first component; `None` if it does not end, is badly escaped or is not UTF-8.
fn component(key: &[u8]) -> Option<(std::borrow::Cow<'_, str>, &[u8])> {
    let end = key.iter().position(|byte| *byte == END)?;
    let (raw, rest) = key.split_at_checked(end)?;
    let (_, rest) = rest.split_first()?;
    if !raw.contains(&ESCAPE) {
        return Some((std::str::from_utf8(raw).ok()?.into(), rest));
    }
    let mut text = Vec::with_capacity(raw.len());
    let mut bytes = raw.iter();
    while let Some(byte) = bytes.next() {
        match *byte {
            ESCAPE => text.push(bytes.next().filter(|code| matches!(code, 1 | 2))? - 1),
            other => text.push(other),
        }
    }
    Some((String::from_utf8(text).ok()?.into(), rest))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text() -> impl Strategy<Value = String> {
        prop_oneof![
            proptest::collection::vec(
                prop_oneof![Just('\0'), Just('\u{1}'), Just('\u{2}'), Just('a'), Just('\u{10FFFF}')],
                0..4
            )
            .prop_map(|chars| chars.into_iter().collect()),
            "[a-c-]{0,5}",
        ]
    }

    fn id() -> impl Strategy<Value = ResourceId> {
        (text(), text(), text(), text()).prop_map(|(kind, id, account, region)| {
            ResourceId::new(
                &Scope { account: AccountId::new(account), region: Region::new(region) },
                &Kind::new(kind),
                id,
            )
        })
    }

    proptest! {
        #[test]
        fn keys_sort_as_the_resources_they_name(a in id(), b in id()) {
            prop_assert_eq!(resource(&a).cmp(&resource(&b)), a.cmp(&b));
        }

        #[test]
        fn a_key_reads_back_as_its_resource(a in id(), seq: u64) {
            let mut reader = KeyReader::default();
            let key = resource(&a);
            prop_assert_eq!(reader.resource(&key), Some(a.clone()));
            prop_assert_eq!(reader.place(&place(&key, Seq(seq))), Some((a.clone(), Seq(seq))));
            prop_assert_eq!(reader.in_scope(&in_scope(&a)), Some(a.clone()));
            prop_assert!(in_scope(&a).starts_with(&of_scope(&a.kind, &a.scope())));
            prop_assert_eq!(reader.count(&count(&a.kind, &a.scope())), Some((a.kind.clone(), a.scope())));
            prop_assert_eq!(reader.retired(&retired(&a.scope())), Some(a.scope()));
        }

        #[test]
        fn a_prefix_holds_exactly_what_is_under_it(a in id(), b in id()) {
            let prefix = of_id(&a.kind, &a.id);
            let key = resource(&b);
            let inside = key >= prefix && key < past(&prefix);
            prop_assert_eq!(inside, a.kind == b.kind && a.id == b.id);
            let prefix = of_kind(&a.kind);
            prop_assert_eq!(key >= prefix && key < past(&prefix), a.kind == b.kind);
        }

        #[test]
        fn intervals_sort_by_time(a: i64, b: i64) {
            let scope = Scope { account: AccountId::new("1"), region: Region::new("r") };
            let key = |at| interval(&scope, &Kind::new("k"), Timestamp::from_millis(at));
            prop_assert_eq!(key(a).cmp(&key(b)), a.cmp(&b));
            let read = KeyReader::default().interval(&key(a));
            prop_assert_eq!(read, Some((scope.clone(), Kind::new("k"), Timestamp::from_millis(a))));
        }

        #[test]
        fn notifications_sort_by_number_and_their_keys_read_back(event_id in text(), a: u64, b: u64) {
            prop_assert!(is_notified(&notified(&event_id)) && notified_number(&notified(&event_id)).is_none());
            prop_assert!(!is_notified(&notified_place(a)));
            prop_assert_eq!(notified_place(a).cmp(&notified_place(b)), a.cmp(&b));
            prop_assert_eq!(notified_number(&notified_place(a)), Some(a));
            let order = notified_order();
            prop_assert!(notified_place(a) >= order && notified_place(a) < past(&order));
        }

        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>) {
            let mut reader = KeyReader::default();
            let _ = (reader.resource(&bytes), reader.place(&bytes), reader.count(&bytes), reader.interval(&bytes));
            let _ = (is_notified(&bytes), notified_number(&bytes), is_keyed(&bytes));
            let _ = shown(&bytes);
        }
    }
}
