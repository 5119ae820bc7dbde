//! Finds out whose the keys in the environment are, so that later keys of the same role find the same store.
//!
//! What is written about it, and where keys lead, is for [`by_key`] to say. A server whose key is new asks STS before it opens a
//! store, for as long as its client waits for it anyway; most answers take less than a second. Where STS is slower than that the
//! server begins in the place of its key alone, and goes on asking: the next server that is started with this key goes
//! to the store of its role. That STS was silent is remembered, and until it answers no later start with the key waits for it.

use std::convert::Infallible;
use std::path::PathBuf;
use std::time::Duration;

use tokio::time::{sleep, timeout};

use crate::aws::{Aws, Origin};
use crate::config::{Config, KeyPlace};
use crate::connection::data_dir::by_key;
use crate::model::AccountId;

/// How long STS is waited for before a store is opened: a client waits five seconds for the server that it starts.
const BEFORE_OPENING: Duration = Duration::from_millis(2500);
/// How soon it is asked again after that; each time twice as late, up to [`MAX_INTERVAL`].
const INTERVAL: Duration = Duration::from_secs(30);
/// The longest pause between two questions.
const MAX_INTERVAL: Duration = Duration::from_mins(10);

/// The result of asking STS whose the keys are.
enum Proof {
    /// The owner is noted, and the keys lead to this directory.
    Proved(PathBuf),
    /// STS gives an answer that must not be noted. Another attempt would give the same answer.
    Refused,
    /// STS does not answer, or the answer cannot be noted.
    Unknown,
}

/// The configuration of a server, in the directory of its keys' role if STS proves it in time.
pub(super) async fn placed(config: &Config) -> Config {
    let data_dir = match unproved(config) {
        Some(place) if config.data_dir == place.own && !by_key::was_silent(place) => {
            let asked = async { prove(&Aws::load(config.aws_settings()).await, config, place).await };
            match timeout(BEFORE_OPENING, asked).await {
                Ok(Proof::Proved(data_dir)) => Some(data_dir),
                Ok(Proof::Refused | Proof::Unknown) => None,
                Err(_) => {
                    if let Err(error) = by_key::note_silence(place) {
                        tracing::debug!(%error, "it cannot be noted that STS is silent");
                    }
                    None
                }
            }
        }
        _ => None,
    };
    Config { data_dir: data_dir.unwrap_or_else(|| config.data_dir.clone()), ..config.clone() }
}

/// Asks STS again and again whose the keys are, until it answers.
pub(super) async fn prove_in_time(config: &Config) -> Infallible {
    if let Some(place) = unproved(config) {
        let aws = Aws::load(config.aws_settings()).await;
        let mut interval = INTERVAL;
        while matches!(prove(&aws, config, place).await, Proof::Unknown) {
            sleep(interval).await;
            interval = (interval * 2).min(MAX_INTERVAL);
        }
    }
    std::future::pending().await
}

fn unproved(config: &Config) -> Option<&KeyPlace> {
    config.key_place.as_ref().filter(|place| !by_key::is_proved(place))
}

/// Notes what STS says of the keys.
async fn prove(aws: &Aws, config: &Config, place: &KeyPlace) -> Proof {
    let Ok(caller) = aws.caller().await else { return Proof::Unknown };
    let is_named = config.account.as_ref().is_none_or(|named| *named == caller.account);
    let is_whole = AccountId::is_valid(caller.account.as_str()) && !caller.arn.is_empty();
    // A key without its secret is none: the credentials are somebody else's then.
    if !is_named || !is_whole || aws.origin() != Origin::Keys {
        return Proof::Refused;
    }
    match by_key::prove(place, &caller.arn) {
        Ok(data_dir) => Proof::Proved(data_dir),
        Err(error) => {
            tracing::warn!(%error, "it cannot be noted whose the keys of the environment are: they keep a store of their own");
            Proof::Unknown
        }
    }
}
