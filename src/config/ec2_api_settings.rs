//! Whether and how EC2's own read API is answered from the copy.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::error::ConfigError;

/// The least age that a copy has to be allowed: every copy is older than nothing.
const MIN_MAX_STALE: Duration = Duration::from_secs(1);

/// What is done about an id that the copy lacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ec2ApiMiss {
    /// AWS is asked.
    Live,
    /// It is said not to exist, or the request is refused where the copy may be out of date.
    Error,
}

/// A text is no such choice.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is neither live (ask AWS) nor error (answer with an error)")]
pub struct Ec2ApiMissError {
    given: String,
}

impl FromStr for Ec2ApiMiss {
    type Err = Ec2ApiMissError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let all = [Ec2ApiMiss::Live, Ec2ApiMiss::Error].into_iter();
        let mut meant = all.filter(|miss| miss.to_string() == text);
        meant.next().ok_or_else(|| Ec2ApiMissError { given: text.chars().take(200).collect() })
    }
}

impl fmt::Display for Ec2ApiMiss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Ec2ApiMiss::Live => "live",
            Ec2ApiMiss::Error => "error",
        })
    }
}

/// What AWS is asked in place of a client, where the copy cannot answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ec2ApiPass {
    /// Nothing.
    Off,
    /// What only reads, and shows no secrets.
    Reads,
}

/// A text is no such choice.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{given}` is neither reads (ask AWS what only reads, where the copy cannot answer) nor off (ask it nothing)")]
pub struct Ec2ApiPassError {
    given: String,
}

impl FromStr for Ec2ApiPass {
    type Err = Ec2ApiPassError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let all = [Ec2ApiPass::Off, Ec2ApiPass::Reads].into_iter();
        let mut meant = all.filter(|pass| pass.to_string() == text);
        meant.next().ok_or_else(|| Ec2ApiPassError { given: text.chars().take(200).collect() })
    }
}

impl fmt::Display for Ec2ApiPass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Ec2ApiPass::Off => "off",
            Ec2ApiPass::Reads => "reads",
        })
    }
}

/// Whether and how EC2's own read API is answered from the copy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ec2ApiSettings {
    /// The address to answer it at. `None`: it is not answered.
    pub address: Option<SocketAddr>,
    /// How old the copy may be; `None`: as old as it is, with its age in a header.
    pub max_stale: Option<Duration>,
    /// What is done about an id that the copy lacks; AWS is not asked unless it is said.
    pub miss: Option<Ec2ApiMiss>,
    /// What AWS is asked where the copy cannot answer; nothing unless it is said.
    pub pass: Option<Ec2ApiPass>,
    /// The file of the keys that requests have to be signed with. `None`: any signature is taken, and none.
    pub keys: Option<PathBuf>,
}

impl Ec2ApiSettings {
    /// These settings, and those of `file` where they say nothing.
    #[must_use]
    pub fn over(self, file: Ec2ApiSettings) -> Self {
        Ec2ApiSettings {
            address: self.address.or(file.address),
            max_stale: self.max_stale.or(file.max_stale),
            miss: self.miss.or(file.miss),
            pass: self.pass.or(file.pass),
            keys: self.keys.or(file.keys),
        }
    }

    /// Whether other machines reach the address.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.address.is_some_and(|address| !address.ip().is_loopback())
    }

    /// Checks who can reach the address. `by_tls` says that there is a certificate.
    ///
    /// # Errors
    /// [`ConfigError::Ec2ApiNotLoopback`] when other machines could, and nobody verifies who they are or answers could be read on the
    /// way.
    pub fn check(&self, by_tls: bool) -> Result<(), ConfigError> {
        let is_guarded = self.keys.is_some() && by_tls;
        match self.address.filter(|_| self.is_open() && !is_guarded) {
            Some(address) => Err(ConfigError::Ec2ApiNotLoopback { address }),
            None => Ok(()),
        }
    }

    /// Checks that what they say can come true.
    ///
    /// # Errors
    /// [`ConfigError::Ec2ApiAbsent`] when one asks for something of an API that is not answered, and [`ConfigError::MaxStale`].
    pub fn check_effect(&self) -> Result<(), ConfigError> {
        let asked = [
            ("--max-stale", self.max_stale.is_some()),
            ("--ec2-api-miss", self.miss == Some(Ec2ApiMiss::Live)),
            ("--ec2-api-pass", self.pass == Some(Ec2ApiPass::Reads)),
            ("--ec2-api-keys", self.keys.is_some()),
        ];
        let idle = asked.into_iter().find(|(_, is_asked)| *is_asked && self.address.is_none());
        if let Some((flag, _)) = idle {
            return Err(ConfigError::Ec2ApiAbsent { flag });
        }
        match self.max_stale.filter(|most| *most < MIN_MAX_STALE) {
            Some(given) => Err(ConfigError::MaxStale { given }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_effect_is_refused_and_what_says_the_usual_is_not() {
        let none = Ec2ApiSettings::default();
        let (most, keys) = (Some(Duration::from_secs(1)), Some(PathBuf::from("k")));
        let (live, reads) = (Some(Ec2ApiMiss::Live), Some(Ec2ApiPass::Reads));
        for (flag, settings) in [
            ("--max-stale", Ec2ApiSettings { max_stale: most, ..none.clone() }),
            ("--ec2-api-miss", Ec2ApiSettings { miss: live, ..none.clone() }),
            ("--ec2-api-pass", Ec2ApiSettings { pass: reads, ..none.clone() }),
            ("--ec2-api-keys", Ec2ApiSettings { keys, ..none.clone() }),
        ] {
            assert_eq!(settings.check_effect(), Err(ConfigError::Ec2ApiAbsent { flag }));
            let answered = Ec2ApiSettings { address: "127.0.0.1:1".parse().ok(), ..settings };
            assert_eq!(answered.check_effect(), Ok(()));
        }
        let usual = Ec2ApiSettings { miss: Some(Ec2ApiMiss::Error), pass: Some(Ec2ApiPass::Off), ..none.clone() };
        assert_eq!((usual.check_effect(), none.check_effect()), (Ok(()), Ok(())));
        for short in [Duration::ZERO, Duration::from_millis(999)] {
            let address = "127.0.0.1:1".parse().ok();
            let error = Ec2ApiSettings { address, max_stale: Some(short), ..none.clone() }.check_effect().unwrap_err();
            assert!(error.to_string().contains("give at least 1s"), "{error}");
        }
    }

    #[test]
    fn only_this_machine_is_answered_and_what_is_given_goes_before_a_file() {
        let at = |text: &str| Ec2ApiSettings { address: text.parse().ok(), ..Ec2ApiSettings::default() };
        for local in ["127.0.0.1:8377", "[::1]:0", ""] {
            assert_eq!(at(local).check(false), Ok(()), "{local}");
        }
        let error = at("0.0.0.0:8377").check(true).unwrap_err().to_string();
        assert!(error.contains("--ec2-api 0.0.0.0:8377") && error.contains("--ec2-api-keys"), "{error}");
        let signed = Ec2ApiSettings { keys: Some("k".into()), ..at("0.0.0.0:8377") };
        assert!(signed.check(false).is_err(), "answers could be read on the way");
        assert_eq!(signed.check(true), Ok(()));
        let (max_stale, miss) = (Some(Duration::from_secs(1)), Some(Ec2ApiMiss::Live));
        let pass = Some(Ec2ApiPass::Reads);
        let file = Ec2ApiSettings { max_stale, miss, pass, ..at("127.0.0.1:2") };
        assert_eq!(at("127.0.0.1:1").over(file.clone()), Ec2ApiSettings { max_stale, miss, pass, ..at("127.0.0.1:1") });
        let off = Ec2ApiSettings { pass: Some(Ec2ApiPass::Off), ..at("127.0.0.1:1") };
        assert_eq!(off.over(file).pass, Some(Ec2ApiPass::Off));
        assert_eq!(("reads".parse(), "off".parse()), (Ok(Ec2ApiPass::Reads), Ok(Ec2ApiPass::Off)));
        let error = "all".parse::<Ec2ApiPass>().unwrap_err().to_string();
        assert!(error.contains("reads") && error.contains("off"), "{error}");
        assert_eq!("live".parse(), Ok(Ec2ApiMiss::Live));
        let error = "x".parse::<Ec2ApiMiss>().unwrap_err().to_string();
        assert!(error.contains("live") && error.contains("error"), "{error}");
    }
}
