//! Whether and how EC2's own read API is answered from the copy.

use std::net::SocketAddr;
use std::time::Duration;

use super::error::ConfigError;

/// Whether and how EC2's own read API is answered from the copy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ec2ApiSettings {
    /// The address to answer it at. `None`: it is not answered.
    pub address: Option<SocketAddr>,
    /// How old the copy may be; `None`: as old as it is, with its age in a header.
    pub max_stale: Option<Duration>,
}

impl Ec2ApiSettings {
    /// These settings, and those of `file` where they say nothing.
    #[must_use]
    pub fn over(self, file: Ec2ApiSettings) -> Self {
        Ec2ApiSettings { address: self.address.or(file.address), max_stale: self.max_stale.or(file.max_stale) }
    }

    /// Checks who can reach the address.
    ///
    /// # Errors
    /// [`ConfigError::Ec2ApiNotLoopback`] when other machines could.
    pub fn check(self) -> Result<(), ConfigError> {
        match self.address.filter(|address| !address.ip().is_loopback()) {
            Some(address) => Err(ConfigError::Ec2ApiNotLoopback { address }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_answered_and_what_is_given_goes_before_a_file() {
        let at = |text: &str| Ec2ApiSettings { address: text.parse().ok(), ..Ec2ApiSettings::default() };
        assert_eq!((at("127.0.0.1:8377").check(), at("[::1]:0").check(), at("").check()), (Ok(()), Ok(()), Ok(())));
        let error = at("0.0.0.0:8377").check().unwrap_err().to_string();
        assert!(error.contains("--ec2-api 0.0.0.0:8377") && error.contains("127.0.0.1"), "{error}");
        let file = Ec2ApiSettings { max_stale: Some(Duration::from_secs(1)), ..at("127.0.0.1:2") };
        assert_eq!(at("127.0.0.1:1").over(file), Ec2ApiSettings { max_stale: file.max_stale, ..at("127.0.0.1:1") });
    }
}
