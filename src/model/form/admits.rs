//! Whether a filter value could match anything.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{Form, masked, shape};
use crate::model::glob::{self, Piece};
use crate::model::written;

impl Form {
    /// Whether a filter value, with its wildcards, could match any value of this form.
    #[must_use]
    pub fn admits(self, value: &str) -> bool {
        let pieces = glob::pieces(value);
        let Some(exact) = glob::exact(&pieces) else {
            return self.is_open() || (shape::could_match(self, &pieces) && octets(self, &pieces));
        };
        match self {
            Form::Text | Form::Prose => true,
            Form::Time => written::both(&exact).is_some(),
            Form::Ipv4 => exact.parse::<Ipv4Addr>().is_ok(),
            Form::Ipv6 => exact.parse::<Ipv6Addr>().is_ok() && !exact.bytes().any(|byte| byte.is_ascii_uppercase()),
            Form::Cidr | Form::Cidr6 => masked(&exact).is_some_and(|masked| masked == exact),
            _ => shape::could_match(self, &pieces),
        }
    }
}

/// Whether the numbers before the first wildcard can be in an IPv4 address.
fn octets(form: Form, pieces: &[Piece]) -> bool {
    if !matches!(form, Form::Ipv4 | Form::Cidr) {
        return true;
    }
    let literal = pieces.iter().map_while(|piece| match piece {
        Piece::One(c) => Some(*c),
        Piece::AnyOne | Piece::AnyMany => None,
    });
    let literal: String = literal.collect();
    let Some((whole, _)) = literal.rsplit_once('.') else { return true };
    whole.split('.').all(|number| number.parse::<u8>().is_ok_and(|octet| octet.to_string() == number))
}
