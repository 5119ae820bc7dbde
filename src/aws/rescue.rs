//! Decodes the readable part of a page that the SDK cannot decode.
//!
//! The SDK decodes a page as a whole: one time in an unknown form, in one of a thousand instances, loses all of them. So if it
//! cannot decode a complete answer ([`super::whole`]), each item of the list is decoded alone, from a copy of the body with only
//! that item ([`super::split`]). The result is what the SDK decodes from a body with only the readable items; the others are named,
//! with the field that cannot be read.

use std::collections::BTreeSet;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextMut, Output,
};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::client::ser_de::{DeserializeResponse, SharedResponseDeserializer};
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;

use super::listing_call::ListingCall;
use super::split::{Split, XmlElement};
use crate::kinds::KindSpec;
use crate::model::text::shown;
use crate::model::{AccountId, BadField, UnreadableItem};

/// How many unreadable fields are looked for per item at most: each needs about ten more attempts to decode it.
const FIELDS: usize = 3;

/// How many items per page are examined for unreadable fields; the fields of further items are not named.
const EXAMINED: usize = 50;

/// The maximum length of an id, in characters.
const MAX_ID_CHARS: usize = 200;

/// Records the called host, and decodes the readable part of an answer that the SDK cannot decode.
#[derive(Debug)]
pub(super) struct Rescue;

impl Intercept for Rescue {
    fn name(&self) -> &'static str {
        "Rescue"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        // Not every call lists resources.
        if let Some(asked) = ListingCall::current() {
            asked.learned.lock().host = host_of(context.request().uri());
        }
        Ok(())
    }

    fn modify_before_attempt_completion(
        &self,
        context: &mut FinalizerInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let Some(asked) = ListingCall::current() else { return Ok(()) };
        let Some(decoder) = config.load::<SharedResponseDeserializer>() else { return Ok(()) };
        let failed = matches!(context.output_or_error(), Some(Err(_)));
        let rescued = match context.response() {
            Some(response) if failed && response.status().is_success() => {
                let page = RawAnswer { response, decoder, config, own: asked.own.as_ref(), spec: asked.spec };
                response.body().bytes().and_then(|body| page.rescued(body))
            }
            _ => None,
        };
        if let (Some(Readable { output, bad, unreadable }), Some(place)) = (rescued, context.output_or_error_mut()) {
            let mut learned = asked.learned.lock();
            // A kind may need several calls for one page: addresses are listed by two sorts of ids.
            learned.unreadable.extend(unreadable);
            let mut at = 0..;
            learned.decoded.retain(|_| at.next().is_none_or(|place| !bad.contains(&place)));
            *place = Ok(output);
        }
        Ok(())
    }
}

/// The host of a URI such as `https://ec2.us-east-1.amazonaws.com/`.
fn host_of(uri: &str) -> Option<String> {
    let authority = uri.split_once("://")?.1.split(['/', '?']).next()?;
    let host = authority.rsplit('@').next()?;
    let host = if host.starts_with('[') { host } else { host.split(':').next()? };
    Some(host.to_ascii_lowercase())
}

/// The readable part of an answer, and the rest.
struct Readable {
    output: Output,
    /// The places of the unreadable items.
    bad: BTreeSet<usize>,
    /// The unreadable items, without those of other accounts.
    unreadable: Vec<UnreadableItem>,
}

/// An answer and its decoder.
struct RawAnswer<'a> {
    response: &'a HttpResponse,
    decoder: &'a SharedResponseDeserializer,
    config: &'a ConfigBag,
    own: Option<&'a AccountId>,
    spec: &'static KindSpec,
}

impl RawAnswer<'_> {
    /// The readable part of `body`; `None` if the body is incomplete or unreadable even without its items.
    fn rescued(&self, body: &[u8]) -> Option<Readable> {
        let split = Split::read(body, self.spec.list).ok()?;
        let alone = |place: usize| split.reduced(|other| other == place);
        let bad: BTreeSet<usize> = (0..split.len()).filter(|place| self.decode(&alone(*place)).is_none()).collect();
        let output = self.decode(&split.reduced(|place| !bad.contains(&place)))?;
        let named = bad.iter().enumerate().map(|(number, place)| self.name(&alone(*place), number < EXAMINED));
        let unreadable = named.flatten().collect();
        Some(Readable { output, bad, unreadable })
    }

    fn decode(&self, body: &str) -> Option<Output> {
        let mut answer = HttpResponse::new(self.response.status(), SdkBody::from(body));
        for (name, value) in self.response.headers() {
            answer.headers_mut().append(name.to_owned(), value.to_owned());
        }
        self.decoder.deserialize_nonstreaming_with_config(&answer, self.config).ok()
    }

    /// Names the only item of `body`, with its unreadable fields if `look` is set; `None` if it belongs to another account than
    /// `own`.
    fn name(&self, body: &str, look: bool) -> Option<UnreadableItem> {
        let split = Split::read(body.as_bytes(), self.spec.list).ok()?;
        let elements = split.elements();
        let direct = |name: &str| {
            let found = elements.iter().rfind(|element| element.depth == 0 && element.name == name)?;
            let text = found.text.trim();
            // An id with a reference is not an id from AWS.
            (!text.is_empty() && !text.contains(['&', '<'])).then_some(text)
        };
        if let Some(own) = self.own
            && direct("ownerId").is_some_and(|owner| owner != own.as_str())
        {
            return None;
        }
        let id = self.spec.id_elements().find_map(|name| direct(&name)).map(|id| shown(id, MAX_ID_CHARS).into());
        let fields = if look { self.fields(body.to_owned()) } else { Vec::new() };
        Some(UnreadableItem { id, fields })
    }

    /// The unreadable fields of the only item of `body`, the first [`FIELDS`] of them.
    fn fields(&self, mut body: String) -> Vec<BadField> {
        let mut fields = Vec::new();
        while fields.len() < FIELDS && self.decode(&body).is_none() {
            let Ok(split) = Split::read(body.as_bytes(), self.spec.list) else { break };
            let elements = split.elements();
            // Decoding runs from start to end: a body cut after some element fails if an unreadable one is before the cut.
            let first = elements.partition_point(|element| self.decode(&split.up_to(element)).is_some());
            let Some(bad) = elements.get(first) else { break };
            fields.push(field(bad));
            body = split.without(bad);
        }
        fields
    }
}

fn field(element: &XmlElement<'_>) -> BadField {
    BadField::holding(&element.name, element.text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_a_request_is_between_scheme_and_path() {
        for (uri, host) in [
            ("https://ec2.us-east-1.amazonaws.com/", "ec2.us-east-1.amazonaws.com"),
            ("http://127.0.0.1:5000/?a=b", "127.0.0.1"),
            ("http://[::1]:5000/x", "[::1]:5000"),
            ("https://user@EC2.example:443", "ec2.example"),
        ] {
            assert_eq!(host_of(uri).as_deref(), Some(host), "{uri}");
        }
    }
}
