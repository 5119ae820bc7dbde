//! Who calls over HTTP: whoever has a token of the server's own file, or an access token of an OAuth issuer that it trusts.
//!
//! - [`bearer`] takes the token out of a request, and [`token_hash`] is all that is kept of one.
//! - [`token_book`] is what the file of the server's own tokens says, and [`token_file`] reads and replaces that file.
//! - [`issuer_plan`] says whom to believe, and what their claims mean. [`access_token`] checks the signature of a token,
//!   with ring ([`ring_provider`]), and [`claims`] judges what it says.
//! - [`key_set`] holds the keys of an issuer, [`key_age`] says when they may be fetched, and [`key_source`] fetches them.
//! - [`caller`] is somebody who was let in, for as long as that lasts.
//! - [`gate`] decides about each request. What it refuses is a [`refusal`].
//!
//! Tokens are never logged, stored or passed on: what AWS is asked with are the server's own credentials.

pub(super) mod access_token;
pub mod bearer;
pub mod caller;
pub(super) mod claims;
pub mod gate;
pub(super) mod held_tokens;
pub(super) mod issuer_desk;
pub mod issuer_plan;
pub(super) mod key_age;
pub(super) mod key_set;
pub mod key_source;
pub mod public_url;
pub mod refusal;
pub(super) mod ring_provider;
#[cfg(test)]
pub(super) mod tests;
pub mod token_book;
pub mod token_file;
pub mod token_hash;

pub use caller::KnownCaller;
pub use gate::{AccessGate, AccessRules};
pub use issuer_plan::IssuerPlan;
pub use key_source::DocumentFetch;
pub use public_url::PublicUrl;
pub use token_book::{TokenBook, TokenEntry};
pub use token_file::TokenFile;
