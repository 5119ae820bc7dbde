//! Somebody who was let in.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::token_hash::TokenHash;
use crate::model::text::shown;
use crate::model::{Clock, Timestamp};
use crate::policy::Grantee;

/// How long to sleep at most before the clock is looked at again: it may have been set, and the machine may have been asleep.
const LOOK: Duration = Duration::from_mins(1);

/// How much of a name and of its issuer's host is shown. With the digest behind them they fit into what records keep of a user.
const SHOWN_NAME: usize = 44;
const SHOWN_HOST: usize = 36;

tokio::task_local! {
    static CALLER: Arc<KnownCaller>;
}

/// Somebody who was let in, for as long as their token counts.
#[derive(Debug)]
pub struct KnownCaller {
    grantee: Grantee,
    user: Arc<str>,
    rights: Arc<str>,
    revoked: CancellationToken,
}

impl KnownCaller {
    /// Somebody, until `revoked` is cancelled or their time is over.
    #[must_use]
    pub fn new(grantee: Grantee, revoked: CancellationToken) -> Arc<Self> {
        let rights = rights(&grantee, None);
        Self::with(grantee, rights, revoked)
    }

    /// Whoever has this token of the server, until `revoked` is cancelled or their time is over. Whoever has another one is not the same:
    /// what was opened with a token that is revoked is over, however much the next one of the same name may do.
    pub(super) fn of_token(grantee: Grantee, token: &TokenHash, revoked: CancellationToken) -> Arc<Self> {
        let rights = rights(&grantee, Some(token));
        Self::with(grantee, rights, revoked)
    }

    fn with(grantee: Grantee, rights: Arc<str>, revoked: CancellationToken) -> Arc<Self> {
        let user = user(&grantee);
        Arc::new(KnownCaller { grantee, user, rights, revoked })
    }

    /// Who makes the request that this task serves; `None` where nobody has to say who they are.
    #[must_use]
    pub fn current() -> Option<Arc<Self>> {
        CALLER.try_with(Arc::clone).ok()
    }

    /// Whether the request that this task serves must not be answered with what is there for everybody.
    #[must_use]
    pub fn is_limited_now() -> bool {
        CALLER.try_with(|caller| caller.grantee.is_limited()).unwrap_or(false)
    }

    /// Serves a request of theirs: meanwhile they are the one of [`KnownCaller::current`].
    pub async fn during<F: Future>(self: &Arc<Self>, serving: F) -> F::Output {
        CALLER.scope(Arc::clone(self), serving).await
    }

    /// With what they may see and change.
    #[must_use]
    pub fn grantee(&self) -> &Grantee {
        &self.grantee
    }

    /// How records of their calls name them. Nobody else has the same.
    #[must_use]
    pub fn user(&self) -> &Arc<str> {
        &self.user
    }

    /// Stands for who they are and what they may do. Whoever has the same has the same sessions.
    #[must_use]
    pub fn rights(&self) -> &Arc<str> {
        &self.rights
    }

    /// Whether both are the same somebody, who may do the same.
    #[must_use]
    pub fn is_same(&self, other: &KnownCaller) -> bool {
        self.rights == other.rights
    }

    /// Takes their rights away.
    pub(super) fn revoke(&self) {
        self.revoked.cancel();
    }

    /// Whether their rights were taken away.
    #[must_use]
    pub fn is_revoked(&self) -> bool {
        self.revoked.is_cancelled()
    }

    /// Whether they count no more at `now`.
    #[must_use]
    pub fn is_over(&self, now: Timestamp) -> bool {
        self.is_revoked() || !self.grantee.is_current(now)
    }

    /// Waits until their rights are taken away.
    pub async fn revoked(&self) {
        self.revoked.cancelled().await;
    }

    /// Waits until they count no more.
    pub async fn over(&self, clock: &dyn Clock) {
        let expired = async {
            let Some(ends) = self.grantee.ends else { return std::future::pending().await };
            loop {
                let left = ends.since(clock.now());
                if left.is_zero() {
                    return;
                }
                sleep(left.min(LOOK)).await;
            }
        };
        tokio::select! {
            () = self.revoked() => {}
            () = expired => {}
        }
    }
}

/// A name that no two of them share, for records: by it their calls, keys and limits are told apart.
///
/// Names of tokens are short and without spaces, so they stand as they are. What an issuer says is shown as far as there is room, and a
/// digest of the whole of it and of the issuer is behind it: several issuers have one host, and long names begin alike.
fn user(Grantee { name, issuer, .. }: &Grantee) -> Arc<str> {
    let Some(issuer) = issuer else { return format!("token:{name}").into() };
    let place = issuer.split_once("://").map_or(&**issuer, |(_, place)| place);
    let host = place.split('/').next().unwrap_or(place);
    let mut bytes = Vec::new();
    for part in ["issuer", &**issuer, &**name] {
        bytes.extend_from_slice(&part.len().to_le_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    let hash = digest(&SHA256, &bytes);
    let mark = hash.as_ref().first_chunk::<8>().map_or(0, |first| u64::from_be_bytes(*first));
    format!("{}@{} #{mark:016x}", shown(name, SHOWN_NAME), shown(host, SHOWN_HOST)).into()
}

/// A digest of all that makes them who they are here. Each part has its length before it.
fn rights(Grantee { name, issuer, visibility, writes, ends: _ }: &Grantee, token: Option<&TokenHash>) -> Arc<str> {
    let mut bytes = Vec::new();
    let token = token.map(ToString::to_string).unwrap_or_default();
    for part in [&**name, issuer.as_deref().unwrap_or_default(), token.as_str()] {
        bytes.extend_from_slice(&part.len().to_le_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    bytes.extend_from_slice(&visibility.digest().to_le_bytes());
    bytes.push(u8::from(*writes));
    let hash = digest(&SHA256, &bytes);
    URL_SAFE_NO_PAD.encode(hash).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Grant, Visibility};

    fn grantee(name: &str, issuer: Option<&str>) -> Grantee {
        Grantee { issuer: issuer.map(Arc::from), ..Grantee::unlimited(name) }
    }

    #[test]
    fn callers_are_the_same_by_name_issuer_and_rights_and_not_by_when_they_end() {
        let of = |grantee: Grantee| KnownCaller::new(grantee, CancellationToken::new());
        let alice = grantee("alice", Some("https://id.example.com/realms/a"));
        let one = of(alice.clone());
        let later = Grantee { ends: Some(Timestamp::from_millis(1)), ..alice.clone() };
        assert!(one.is_same(&of(later)));
        let limited = Arc::new(Visibility::of([Grant::default()]));
        for other in [
            grantee("alic", Some("ehttps://id.example.com/realms/a")),
            grantee("alice", None),
            Grantee { writes: false, ..alice.clone() },
            Grantee { visibility: limited, ..alice },
        ] {
            assert!(!one.is_same(&of(other)));
        }
        assert!(one.user().starts_with("alice@id.example.com #"), "{}", one.user());
        assert_eq!(&**of(grantee("ci", None)).user(), "token:ci");
    }

    #[test]
    fn no_two_callers_are_one_user_in_records_whatever_they_are_called() {
        let long = "a".repeat(150);
        let (tenant, other) = (
            "https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/v2.0",
            "https://login.microsoftonline.com/99/v2.0",
        );
        let token = grantee(&"t".repeat(64), None);
        let callers = [
            grantee("alice", Some(tenant)),
            grantee("alice", Some(other)),
            grantee("alic", Some(tenant)),
            grantee("alice", None),
            grantee("alice@id.example.com", None),
            grantee("alice", Some("https://id.example.com")),
            grantee("token:alice", Some("https://id.example.com")),
            grantee("alice@id.example.com", Some("https://id.example.com")),
            grantee(&format!("{long}x"), Some(tenant)),
            grantee(&format!("{long}y"), Some(tenant)),
            grantee("al\u{200b}ice", Some(tenant)),
            token,
        ];
        let recorded: Vec<Arc<str>> = callers
            .iter()
            .map(|caller| {
                let known = KnownCaller::new(caller.clone(), CancellationToken::new());
                let record = crate::model::Principal::of_user(known.user()).user;
                assert_eq!(&record, known.user(), "the whole of it is recorded");
                record
            })
            .collect();
        let different: std::collections::BTreeSet<&Arc<str>> = recorded.iter().collect();
        assert_eq!(different.len(), callers.len(), "{recorded:?}");
    }

    #[tokio::test]
    async fn the_caller_is_known_during_a_request_and_in_it_only() {
        let caller = KnownCaller::new(grantee("a", None), CancellationToken::new());
        assert!(KnownCaller::current().is_none());
        let inside = caller.during(async { KnownCaller::current().map(|caller| caller.user().to_string()) }).await;
        assert_eq!(inside.as_deref(), Some("token:a"));
        assert!(KnownCaller::current().is_none() && !KnownCaller::is_limited_now());
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_is_over_when_revoked_or_when_the_time_has_come() {
        struct Began(tokio::time::Instant);
        impl Clock for Began {
            fn now(&self) -> Timestamp {
                Timestamp::EPOCH + self.0.elapsed()
            }
        }
        let clock = Began(tokio::time::Instant::now());
        let ends = Some(Timestamp::EPOCH + Duration::from_mins(10));
        let caller = KnownCaller::new(Grantee { ends, ..grantee("a", None) }, CancellationToken::new());
        assert!(!caller.is_over(clock.now()));
        caller.over(&clock).await;
        assert!(caller.is_over(clock.now()) && !caller.is_revoked());
        assert_eq!(clock.0.elapsed(), Duration::from_mins(10));
        let endless = KnownCaller::new(grantee("b", None), CancellationToken::new());
        tokio::join!(endless.over(&clock), async { endless.revoke() });
        assert!(endless.is_over(clock.now()));
    }
}
