//! Who is let in over HTTP: makes the gate of a server, and has it go by its files as they are now.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use crate::aws::AwsClock;
use crate::aws::web_documents::WebDocuments;
use crate::config::AccessOptions;
use crate::mcp::auth::token_file::TokenFileError;
use crate::mcp::auth::{AccessGate, AccessRules, DocumentFetch, TokenBook, TokenFile};
use crate::model::text::shown;

/// The longest issuer that is shown.
const SHOWN: usize = 200;

/// The gate of a server, and where its rules are from.
#[derive(Clone, Debug)]
pub struct AccessDesk {
    gate: AccessGate,
    tokens: Option<TokenFile>,
}

#[derive(Debug)]
struct IssuerDocuments(WebDocuments);

impl DocumentFetch for IssuerDocuments {
    fn fetch<'a>(&'a self, url: &'a str) -> BoxFuture<'a, Result<Vec<u8>, String>> {
        self.0.get(url).boxed()
    }
}

impl AccessDesk {
    /// The desk of a server with these settings; `None` where whoever can connect is let in.
    ///
    /// # Errors
    /// When the file of tokens cannot be used. One that is not there yet has no tokens.
    pub fn open(options: &AccessOptions, profile: Option<&str>) -> Result<Option<Self>, TokenFileError> {
        if !options.lets_in_known_only() {
            return Ok(None);
        }
        let tokens = options.token_file.clone().map(TokenFile::at);
        let rules = AccessRules {
            tokens: tokens.as_ref().map(read).transpose()?,
            // One without audiences, which is refused before, lets nobody in.
            issuers: options.plans(options.public_url.as_ref()).unwrap_or_else(|_| options.issuers.clone()),
            grants: options.grants.clone(),
        };
        let fetch = Arc::new(IssuerDocuments(WebDocuments::of_profile(profile)));
        let gate = AccessGate::new(rules, options.public_url.clone(), fetch, Arc::new(AwsClock::default()));
        if gate.tokens() == 0 && options.issuers.is_empty() {
            tracing::warn!("nobody is let in over HTTP yet: `muster token add` makes a token");
        }
        Ok(Some(AccessDesk { gate, tokens }))
    }

    /// The gate.
    #[must_use]
    pub fn gate(&self) -> &AccessGate {
        &self.gate
    }

    /// Whether there is a file of tokens.
    #[must_use]
    pub fn has_token_file(&self) -> bool {
        self.tokens.is_some()
    }

    /// Checks that the server can go by these settings while it runs.
    ///
    /// # Errors
    /// Which issuer has no audiences.
    pub fn check(&self, options: &AccessOptions) -> Result<(), String> {
        // The URL of the server is the one that it began with, and that its metadata names.
        options.plans(self.gate.public_url()).map(drop).map_err(|issuer| {
            format!(
                "the issuer {} has no audiences, and this server began without a public URL: give the issuer audiences, or start the \
                 server again with `muster restart`",
                shown(&issuer, SHOWN)
            )
        })
    }

    /// Reads the file of tokens again, and goes by `options`, which were [checked](Self::check), where they were read again too. The
    /// report names the file, so that whoever changed one knows whether it is that of this server.
    ///
    /// # Errors
    /// Why the file cannot be used. The tokens that were known before count then, with the grants of `options`.
    pub async fn reload(&self, options: Option<&AccessOptions>) -> Result<Value, String> {
        let file = self.tokens.clone();
        let read = spawn_blocking(move || file.as_ref().map(read).transpose()).await;
        let read = read.map_err(|error| error.to_string()).and_then(|read| read.map_err(|error| error.to_string()));
        let AccessRules { tokens, issuers, grants } = self.gate.rules();
        let (issuers, grants) = match options {
            Some(options) => (options.plans(self.gate.public_url()).unwrap_or(issuers), options.grants.clone()),
            None => (issuers, grants),
        };
        let (tokens, unread) = match read {
            Ok(tokens) => (tokens, None),
            Err(why) => (tokens, Some(why)),
        };
        self.gate.set(AccessRules { tokens, issuers, grants });
        if let Some(why) = unread {
            return Err(why);
        }
        let rules = self.gate.rules();
        let issuers: Vec<&str> = rules.issuers.iter().map(|plan| plan.issuer.as_str()).collect();
        let file = self.tokens.as_ref().map(|file| file.path().to_string_lossy());
        Ok(json!({"tokens": self.gate.tokens(), "issuers": issuers, "token_file": file}))
    }
}

fn read(file: &TokenFile) -> Result<TokenBook, TokenFileError> {
    let book = file.read()?;
    if book.is_none() {
        tracing::warn!(path = %file.path().display(), "there is no file of tokens");
    }
    Ok(book.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::mcp::auth::token_hash::TokenHash;
    use crate::mcp::auth::{IssuerPlan, TokenEntry};

    #[tokio::test]
    async fn a_server_without_settings_lets_everybody_in_and_one_with_a_file_reads_it_again() {
        assert!(AccessDesk::open(&AccessOptions::default(), None).unwrap().is_none());
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tokens.toml");
        let options = AccessOptions { token_file: Some(path.clone()), ..AccessOptions::default() };
        let desk = AccessDesk::open(&options, None).unwrap().unwrap();
        assert_eq!(desk.gate().tokens(), 0);
        let file = TokenFile::at(path.clone());
        let entry = |name: &str| {
            let hash = TokenHash::of(name);
            TokenEntry { name: name.to_owned(), hash, created: None, expires: None, grants: None, read_only: false }
        };
        file.edit(|book| book.add(entry("a"))).unwrap();
        let report = json!({"tokens": 1, "issuers": [], "token_file": path.to_str()});
        assert_eq!(desk.reload(None).await.unwrap(), report);
        std::fs::write(&path, "tokens = 1").unwrap();
        assert!(desk.reload(None).await.unwrap_err().contains("line 1"));
        assert_eq!(desk.gate().tokens(), 1, "what cannot be read changes nothing");
        assert!(AccessDesk::open(&options, None).is_err());
    }

    #[tokio::test]
    async fn the_audience_is_the_url_that_the_metadata_names_also_when_the_file_is_read_again() {
        let plan = IssuerPlan::of("https://id.test");
        let file = AccessOptions { issuers: vec![plan.clone()], ..AccessOptions::default() };
        let url = "https://flag.test/mcp/".parse().unwrap();
        let options = AccessOptions { public_url: Some(url), ..file.clone() };
        let desk = AccessDesk::open(&options, None).unwrap().unwrap();
        let audiences = |desk: &AccessDesk| desk.gate().rules().issuers[0].audiences.clone();
        let named: BTreeSet<String> = ["https://flag.test/mcp".to_owned()].into();
        assert_eq!(audiences(&desk), named);
        // The flag is not among what the file says.
        desk.reload(Some(&file)).await.unwrap();
        assert_eq!(audiences(&desk), named);

        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("tokens.toml");
        let with_tokens = AccessOptions { token_file: Some(path.clone()), ..AccessOptions::default() };
        let desk = AccessDesk::open(&with_tokens, None).unwrap().unwrap();
        TokenFile::at(path)
            .edit(|book| {
                let hash = TokenHash::of("a");
                let name = "a".to_owned();
                book.add(TokenEntry { name, hash, created: None, expires: None, grants: None, read_only: false })
            })
            .unwrap();
        assert!(desk.check(&options).unwrap_err().contains("has no audiences"));
        assert!(desk.check(&with_tokens).is_ok());
        desk.reload(Some(&options)).await.unwrap();
        assert!(desk.gate().rules().issuers.is_empty());
        assert_eq!(desk.gate().tokens(), 1, "tokens do not wait for the issuers");
    }
}
