//! Judges the keys that clients offer, and gives the server those that are better than its own.
//!
//! Keys of a session end after some hours, and a server may run for months. So a client says its own in the handshake. They take the
//! place of the server's only where STS names the same user or role for them, and where AWS refuses the server's, or the server's end
//! earlier. Each key that is wanted is tried once. Nothing of it is logged or stored.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::Mutex;

use crate::aws::{Aws, AwsError, AwsSettings, HeldKeys, Origin};
use crate::config::Config;
use crate::connection::data_dir::by_key;
use crate::connection::key_offer::KeyOffer;
use crate::freshness::Signal;
use crate::mcp::Core;

/// How many keys are remembered as judged.
const JUDGED: usize = 64;

/// Judges offers, one at a time.
#[derive(Debug)]
pub(super) struct KeyJudge {
    config: Config,
    state: Mutex<KeyState>,
}

#[derive(Debug, Default)]
struct KeyState {
    /// The ids of keys that need no other look.
    judged: VecDeque<String>,
    /// When the keys in use end, where that is known.
    expires: Option<SystemTime>,
}

/// What becomes of an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum KeyVerdict {
    /// The server's own are as good.
    NotNeeded,
    /// They are to be used, if they are the same user's or role's.
    Wanted,
    /// AWS does not say what the server's own are worth.
    Unclear,
}

impl KeyJudge {
    /// A judge for the server of `config`.
    pub(super) fn new(config: &Config) -> Self {
        let own = KeyOffer::of(&|name| std::env::var(name).ok());
        let expires = own.as_ref().and_then(|own| instant(own.expires.as_deref()));
        let judged = own.into_iter().map(|own| own.id).collect();
        KeyJudge { config: config.clone(), state: Mutex::new(KeyState { judged, expires }) }
    }

    /// Judges `offer`, and uses it where it is better than what the server has.
    pub(super) async fn judge(&self, offer: KeyOffer, core: &Arc<Core>) {
        // A server whose credentials come from elsewhere renews them by itself.
        let Some(place) = self.config.key_place.as_ref().filter(|_| core.aws.origin() == Origin::Keys) else { return };
        let mut state = self.state.lock().await;
        if state.judged.contains(&offer.id) {
            return;
        }
        let expires = instant(offer.expires.as_deref());
        let verdict = verdict(core.aws.caller().await.map(drop).as_ref().err(), state.expires, expires);
        // Keys that are not needed now may be once AWS refuses the server's own.
        if verdict != KeyVerdict::Wanted {
            return;
        }
        state.judged.push_back(offer.id.clone());
        if state.judged.len() > JUDGED {
            state.judged.pop_front();
        }
        let held = HeldKeys::of(&offer.id, &offer.secret, offer.token.as_deref(), expires);
        let settings = AwsSettings { held: held.clone(), ..self.config.aws_settings() };
        match Aws::load(settings).await.caller().await {
            Ok(caller) if by_key::belongs(&self.config.data_dir, place, &caller.arn) => {
                core.aws.hold(&held).await;
                state.expires = expires;
                core.ingest.signal(Signal::TryNow);
                tracing::info!(
                    "the keys of a client take the place of this server's: they are the same user's or role's"
                );
            }
            Ok(_) => tracing::warn!("a client offers keys of another user or role: they are not used"),
            Err(error) => {
                // Another attempt may find AWS in a better mood.
                state.judged.pop_back();
                tracing::info!(%error, "the keys that a client offers cannot be used");
            }
        }
    }
}

/// What becomes of an offer, by how AWS answers to the server's own keys and by when both end.
fn verdict(own: Option<&AwsError>, own_expires: Option<SystemTime>, expires: Option<SystemTime>) -> KeyVerdict {
    match own {
        None if own_expires.zip(expires).is_some_and(|(own, offered)| own < offered) => KeyVerdict::Wanted,
        None => KeyVerdict::NotNeeded,
        Some(error) if error.is_about_credentials() => KeyVerdict::Wanted,
        Some(_) => KeyVerdict::Unclear,
    }
}

/// Reads a time such as 2026-11-29T13:00:00Z.
fn instant(text: Option<&str>) -> Option<SystemTime> {
    let at: jiff::Timestamp = text?.trim().parse().ok()?;
    Some(SystemTime::UNIX_EPOCH + Duration::from_millis(u64::try_from(at.as_millisecond()).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::scripted;
    use crate::model::ErrorClass;

    #[test]
    fn keys_are_taken_only_where_the_own_ones_are_refused_or_end_earlier() {
        let (early, late) = (instant(Some("2026-11-29T13:00:00Z")), instant(Some("2026-11-29T14:00:00+00:00")));
        assert!(early < late && instant(Some("soon")).is_none());
        let denied = scripted::failure(ErrorClass::Denied, "ExpiredToken");
        let passing = scripted::failure(ErrorClass::Transient, "InternalError");
        for (own, own_expires, expires, expected) in [
            (None, None, None, KeyVerdict::NotNeeded),
            (None, None, late, KeyVerdict::NotNeeded),
            (None, early, late, KeyVerdict::Wanted),
            (None, late, early, KeyVerdict::NotNeeded),
            (Some(&denied), late, early, KeyVerdict::Wanted),
            (Some(&passing), early, late, KeyVerdict::Unclear),
        ] {
            assert_eq!(verdict(own, own_expires, expires), expected, "{own:?}");
        }
    }
}
