//! Takes out of the answers to sweeps what is known already, before the SDK decodes them.
//!
//! Decoding is most of what a sweep costs, and between two sweeps nearly nothing changes. So one pass over the body of a page
//! ([`super::split`]) proves it complete, cuts its list into items and hashes them; items that the page's [`ItemMemory`] knows byte
//! by byte are taken out, and the SDK gets the rest. A body that is not complete passes as it is, to fail as any other answer does.
//!
//! This stands between the SDK and HTTP, because the SDK offers no place between reading a body and decoding it.
//!
//! [`ItemMemory`]: crate::model::ItemMemory

use std::sync::Arc;

use aws_sdk_ec2::config::{HttpClient, RuntimeComponents, SharedHttpClient};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::byte_stream::ByteStream;

use super::listing_call::ListingCall;
use super::split::Split;
use crate::model::{ItemHash, ItemMemory};

/// An HTTP client for calls of EC2.
#[derive(Debug)]
pub(super) struct NewsClient(pub(super) SharedHttpClient);

/// Its connections.
#[derive(Debug)]
struct NewsConnector(SharedHttpConnector);

impl HttpClient for NewsClient {
    fn http_connector(&self, settings: &HttpConnectorSettings, components: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(NewsConnector(self.0.http_connector(settings, components)))
    }
}

impl HttpConnector for NewsConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let answer = self.0.call(request);
        let Some(call) = ListingCall::current() else { return answer };
        let Some(memory) = call.memory.clone() else { return answer };
        HttpConnectorFuture::new(async move {
            let mut response = answer.await?;
            if response.status().is_success() {
                let body = std::mem::replace(response.body_mut(), SdkBody::taken());
                match ByteStream::new(body).collect().await {
                    Ok(body) => *response.body_mut() = call.news(&memory, body.into_bytes().into()),
                    // The SDK finds no body, and reports that the answer could not be read.
                    Err(error) => tracing::debug!(%error, "the body of an answer broke off"),
                }
            }
            Ok(response)
        })
    }
}

impl ListingCall {
    /// The body without the items that the memory knows.
    fn news(&self, memory: &Arc<dyn ItemMemory>, body: Vec<u8>) -> SdkBody {
        let mut learned = self.learned.lock();
        // An earlier attempt of the same call may have left something.
        (learned.whole, learned.unchanged, learned.decoded) = (false, Vec::new(), Vec::new());
        let ids: Vec<String> = self.spec.id_elements().collect();
        let Ok(split) = Split::with_ids(&body, self.spec.list, &ids) else { return body.into() };
        learned.whole = true;
        // No resource has the empty id.
        let hashed = |(place, hash)| (split.id(place).unwrap_or_default(), hash);
        let items: Vec<(&str, ItemHash)> = split.hashes().into_iter().enumerate().map(hashed).collect();
        let known = memory.unchanged(&items);
        let is_new = |place: usize| known.get(place).is_none_or(Option::is_none);
        let named = |(id, hash): &(&str, ItemHash)| (!id.is_empty()).then(|| ((*id).to_owned(), *hash));
        let new = items.iter().enumerate().filter(|(place, _)| is_new(*place));
        learned.decoded = new.map(|(_, item)| named(item)).collect();
        if learned.decoded.len() == items.len() {
            return body.into();
        }
        let news = split.reduced(is_new).into();
        learned.unchanged = known.into_iter().flatten().collect();
        news
    }
}
