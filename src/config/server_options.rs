//! The settings that only a server has: where to listen, and when to end.

use std::ffi::OsString;
use std::time::Duration;

use super::access_options::AccessOptions;
use super::error::ConfigError;
use super::listen_settings::ListenSettings;

/// Settings that only a server has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerOptions {
    /// Where it listens beside its socket.
    pub listen: ListenSettings,
    /// Further `Host` names to accept, for a proxy in front. Those of loopback are always accepted.
    pub allowed_hosts: Vec<String>,
    /// Further `Origin`s to accept. Those of loopback are always accepted.
    pub allowed_origins: Vec<String>,
    /// Whether it has left the terminal, as a front end starts it.
    pub detached: bool,
    /// Whether what a detached server permits its clients is permitted over HTTP as well. A front end permits it for those of the
    /// socket only.
    pub http_writes: bool,
    /// The arguments of a detached server with the same settings, without the data directory and `--http`.
    pub successor: Vec<String>,
    /// The flags that give its rules for writes to another server; none where it has no rules.
    pub rules: Vec<String>,
    /// How long after its last client the server ends. `None`: it does not.
    pub idle_exit: Option<Duration>,
    /// Who is let in over HTTP.
    pub access: AccessOptions,
}

impl ServerOptions {
    /// Checks the settings. A detached server has nobody to tell that one has no effect, and serves its clients without it.
    ///
    /// # Errors
    /// What [`ListenSettings::check`] and [`ListenSettings::check_effect`] find, or an issuer whose tokens may be for any server.
    pub fn check(self) -> Result<Self, ConfigError> {
        self.listen.check(self.access.lets_in_known_only())?;
        if !self.detached {
            self.listen.check_effect()?;
        }
        match self.access.plans(self.access.public_url.as_ref()) {
            Ok(_) => Ok(self),
            Err(issuer) => Err(ConfigError::NoAudience { issuer }),
        }
    }

    /// Adds arguments to those of the server that takes over from this one.
    pub fn add_to_successor(&mut self, words: &[OsString]) {
        if !self.successor.is_empty() {
            self.successor.extend(words.iter().filter_map(|word| word.to_str()).map(str::to_owned));
        }
    }

    /// Whether clients over HTTP may change nothing, whatever the server permits others.
    #[must_use]
    pub fn is_http_read_only(&self) -> bool {
        self.detached && !self.http_writes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::auth::IssuerPlan;

    #[test]
    fn what_a_front_end_permits_its_socket_is_not_permitted_over_http() {
        let read_only =
            |detached, http_writes| ServerOptions { detached, http_writes, ..of("[::1]:1") }.is_http_read_only();
        assert!(read_only(true, false));
        assert!(!read_only(true, true) && !read_only(false, false));
    }

    #[test]
    fn what_has_no_effect_is_said_where_somebody_is_told() {
        let idle = |detached| {
            let mut options = ServerOptions { detached, ..of("127.0.0.1:1") };
            options.listen.ec2_api.max_stale = Some(Duration::from_mins(1));
            options.check().map(drop)
        };
        assert_eq!(idle(false), Err(ConfigError::Ec2ApiAbsent { flag: "--max-stale" }));
        assert_eq!(idle(true), Ok(()), "clients of its socket need nothing of it");
    }

    #[test]
    fn an_issuer_needs_audiences_or_the_url_of_the_server_whoever_gives_it() {
        let (plan, url) = (IssuerPlan::of("https://id.test"), "https://m.test/mcp/");
        let with = |audiences: &[&str], flag: Option<&str>, file: Option<&str>| {
            let audiences = audiences.iter().map(|text| (*text).to_owned()).collect();
            let given = |url: Option<&str>| AccessOptions {
                public_url: url.map(|url| url.parse().unwrap()),
                ..AccessOptions::default()
            };
            let file = AccessOptions { issuers: vec![IssuerPlan { audiences, ..plan.clone() }], ..given(file) };
            let checked = ServerOptions { access: given(flag).over(file), ..of("127.0.0.1:1") }.check()?;
            let plans = checked.access.plans(checked.access.public_url.as_ref()).unwrap();
            Ok::<_, ConfigError>(plans.iter().flat_map(|plan| plan.audiences.clone()).collect::<Vec<String>>())
        };
        // As the metadata of the server names it: without a slash at its end.
        assert_eq!(with(&[], None, Some(url)).unwrap(), ["https://m.test/mcp"]);
        assert_eq!(with(&[], Some("https://flag.test/mcp"), Some(url)).unwrap(), ["https://flag.test/mcp"]);
        assert_eq!(with(&[], Some(url), None).unwrap(), ["https://m.test/mcp"]);
        assert_eq!(with(&["muster"], Some(url), None).unwrap(), ["muster"]);
        assert_eq!(with(&["muster"], None, None).unwrap(), ["muster"]);
        let error = with(&[], None, None).unwrap_err();
        assert_eq!(error, ConfigError::NoAudience { issuer: "https://id.test".to_owned() });
        assert!(error.to_string().contains("--public-url"), "{error}");
    }

    fn of(http: &str) -> ServerOptions {
        ServerOptions {
            listen: ListenSettings { http: Some(http.parse().unwrap()), ..ListenSettings::default() },
            allowed_hosts: vec![],
            allowed_origins: vec![],
            detached: false,
            http_writes: false,
            successor: vec![],
            rules: vec![],
            idle_exit: None,
            access: AccessOptions::default(),
        }
    }
}
