//! From which address a request comes, also where a proxy hands it on.

use std::net::IpAddr;

use axum::http::HeaderMap;

use crate::model::AddressRange;

/// The header in which a proxy says for whom it asks.
const FORWARDED: &str = "x-forwarded-for";

/// The address of the client that asks over a connection from `peer`; `None` for a connection without one. What a proxy says is
/// believed, and nothing that another one says: each proxy adds at the end who asked it, so that the last address that is not a
/// proxy's is the client's, and what stands before it is whatever the client sent.
pub(super) fn client_address(peer: Option<IpAddr>, headers: &HeaderMap, proxies: &[AddressRange]) -> Option<IpAddr> {
    let peer = peer?.to_canonical();
    let is_proxy = |address: IpAddr| proxies.iter().any(|range| range.holds(address));
    let mut last = peer;
    let lines: Vec<&str> = headers.get_all(FORWARDED).iter().filter_map(|line| line.to_str().ok()).collect();
    for told in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
        if !is_proxy(last) {
            break;
        }
        // With a port, as some write it.
        let told = told.trim();
        let bare = told.strip_prefix('[').and_then(|rest| rest.split(']').next()).unwrap_or(told);
        let read = bare.parse::<IpAddr>().ok().or_else(|| bare.rsplit_once(':')?.0.parse().ok());
        match read {
            Some(address) => last = address.to_canonical(),
            None => break,
        }
    }
    Some(last)
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn address(peer: &str, lines: &[&str]) -> String {
        let name = HeaderName::from_static(FORWARDED);
        let headers: HeaderMap =
            lines.iter().map(|line| (name.clone(), HeaderValue::from_str(line).unwrap())).collect();
        let proxies = ["10.0.0.0/8", "fd00::1"].map(|range| range.parse().unwrap());
        client_address(peer.parse().ok(), &headers, &proxies).map_or_else(String::new, |address| address.to_string())
    }

    #[test]
    fn only_what_a_proxy_says_is_believed() {
        for (peer, lines, expected) in [
            ("192.0.2.1", &[][..], "192.0.2.1"),
            ("192.0.2.1", &["203.0.113.9"], "192.0.2.1"),
            ("10.0.0.1", &["203.0.113.9"], "203.0.113.9"),
            ("10.0.0.1", &["1.1.1.1, 203.0.113.9"], "203.0.113.9"),
            ("10.0.0.1", &["1.1.1.1", "203.0.113.9, 10.0.0.2"], "203.0.113.9"),
            ("10.0.0.1", &["203.0.113.9:4711"], "203.0.113.9"),
            ("fd00::1", &["[2001:db8::7]:4711"], "2001:db8::7"),
            ("::ffff:10.0.0.1", &["2001:db8::7"], "2001:db8::7"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["203.0.113.9, unknown"], "10.0.0.1"),
            ("10.0.0.1", &["10.0.0.3"], "10.0.0.3"),
        ] {
            assert_eq!(address(peer, lines), expected, "{peer} {lines:?}");
        }
        assert_eq!(client_address(None, &HeaderMap::new(), &[]), None);
    }
}
