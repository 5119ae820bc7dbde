//! Which proxies clients of AWS with an environment send their requests through.

use super::tidy;

/// The variables of the proxies for `http://` and `https://`, as each is spelled; the first that is set counts.
const HTTP: [&str; 2] = ["http_proxy", "HTTP_PROXY"];
const HTTPS: [&str; 2] = ["https_proxy", "HTTPS_PROXY"];

/// The variable of the hosts that are asked without a proxy.
const NO_PROXY: [&str; 2] = ["no_proxy", "NO_PROXY"];

/// The proxies that clients of AWS ask. Their URLs may hold passwords, and are not kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientProxies {
    /// The variable that names the proxy for `http://`.
    http: Option<&'static str>,
    /// That for `https://`.
    https: Option<&'static str>,
    /// The hosts that are asked without a proxy.
    left_out: String,
}

impl ClientProxies {
    /// Reads the variables.
    pub(super) fn read(variable: &dyn Fn(&str) -> Option<String>) -> Self {
        let first = |names: [&'static str; 2]| {
            let mut set = names.into_iter().filter_map(|name| Some((name, tidy::bare(&variable(name)?).to_owned())));
            // A blank one turns the other off.
            set.next().filter(|(_, value)| !value.is_empty())
        };
        let name = |names| first(names).map(|(name, _)| name);
        let left_out = first(NO_PROXY).map(|(_, hosts)| hosts).unwrap_or_default();
        ClientProxies { http: name(HTTP), https: name(HTTPS), left_out }
    }

    /// The variable that has boto3 and the AWS CLI send what they ask of `authority` (a host and a port) through a proxy; `None` where
    /// they ask it directly. Source: `should_bypass_proxies` of botocore and `proxy_bypass_environment` of Python, which compare names
    /// and know no ranges of addresses.
    #[must_use]
    pub fn before(&self, by_tls: bool, authority: &str) -> Option<&'static str> {
        let variable = if by_tls { self.https } else { self.http }?;
        (!self.leaves_out(authority)).then_some(variable)
    }

    fn leaves_out(&self, authority: &str) -> bool {
        if self.left_out == "*" {
            return true;
        }
        let authority = authority.to_ascii_lowercase();
        let host = authority.rsplit_once(':').map_or(authority.as_str(), |(host, _)| host);
        let is_of = |asked: &str, name: &str| {
            asked.strip_suffix(name).is_some_and(|before| before.is_empty() || before.ends_with('.'))
        };
        let mut names = self.left_out.split(',').map(|name| name.trim().trim_start_matches('.').to_ascii_lowercase());
        names.any(|name| !name.is_empty() && (is_of(host, &name) || is_of(&authority, &name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn before(variables: &[(&str, &str)], by_tls: bool, authority: &str) -> Option<&'static str> {
        let held =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        ClientProxies::read(&held).before(by_tls, authority)
    }

    #[test]
    fn a_proxy_is_asked_unless_the_host_is_left_out_by_its_name() {
        let proxy = ("HTTP_PROXY", "http://somebody:secret@127.0.0.1:3128");
        let http = |left_out: &str| before(&[proxy, ("NO_PROXY", left_out)], false, "127.0.0.1:8378");
        for left_out in ["127.0.0.1", "example.com, 127.0.0.1", "*", "127.0.0.1:8378", "0.0.1"] {
            assert_eq!(http(left_out), None, "{left_out}");
        }
        for left_out in ["", " , ", "localhost", "127.0.0.0/8", "27.0.0.1", "127.0.0.1:8377", "10.127.0.0.1"] {
            assert_eq!(http(left_out), Some("HTTP_PROXY"), "{left_out}");
        }
        let named = [proxy, ("no_proxy", ".Example.com")];
        assert_eq!(before(&named, false, "ec2.example.com:8378"), None);
        assert_eq!(before(&named, false, "[::1]:8378"), Some("HTTP_PROXY"));
        assert_eq!(before(&[proxy, ("NO_PROXY", "[::1]")], false, "[::1]:8378"), None);
    }

    #[test]
    fn each_scheme_has_a_proxy_of_its_own_and_a_blank_one_is_none() {
        let (http, https) = (("http_proxy", "http://p"), ("HTTPS_PROXY", "http://p"));
        assert_eq!(before(&[], false, "127.0.0.1:1"), None);
        assert_eq!(before(&[https], false, "127.0.0.1:1"), None);
        assert_eq!(before(&[http, https], false, "127.0.0.1:1"), Some("http_proxy"));
        assert_eq!(before(&[http, https], true, "127.0.0.1:1"), Some("HTTPS_PROXY"));
        assert_eq!(before(&[("http_proxy", " "), ("HTTP_PROXY", "http://p")], false, "127.0.0.1:1"), None);
        let secret = |name: &str| (!NO_PROXY.contains(&name)).then(|| "http://u:secret@p".to_owned());
        assert!(!format!("{:?}", ClientProxies::read(&secret)).contains("secret"), "a password is not kept");
    }
}
