//! Where a queue of events is.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::model::{AccountId, Partition, Region};

/// A queue of events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queue {
    pub(super) url: Arc<str>,
    pub(super) region: Option<Region>,
    account: Option<AccountId>,
}

/// Text that is not a queue's URL.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "`{given}` is not a queue URL: give one such as https://sqs.eu-west-1.amazonaws.com/123456789012/muster-events, or \
     REGION=URL where the URL does not name the region"
)]
pub struct QueueError {
    given: String,
}

/// Text that is not a queue's ARN.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{given}` is not the ARN of a queue: give one such as arn:aws:sqs:eu-west-1:123456789012:muster-events")]
pub struct QueueArnError {
    given: String,
}

impl Queue {
    /// The queue that an ARN names.
    ///
    /// # Errors
    /// [`QueueArnError`].
    pub fn of_arn(arn: &str) -> Result<Self, QueueArnError> {
        let wrong = || QueueArnError { given: arn.to_owned() };
        let parts: Vec<&str> = arn.split(':').collect();
        let ["arn", partition, "sqs", region, account, name] = parts.as_slice() else { return Err(wrong()) };
        let partition: Partition = partition.parse().map_err(|_| wrong())?;
        let is_name = (1..=80).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
        let is_place = region.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') && !region.is_empty();
        let host = partition.hosts().first().filter(|_| is_name && is_place && AccountId::is_valid(account));
        let host = host.ok_or_else(wrong)?;
        format!("https://sqs.{region}{host}/{account}/{name}").parse().map_err(|_| wrong())
    }

    /// The URL.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The queue's name: the end of the URL.
    #[must_use]
    pub fn name(&self) -> &str {
        self.url.rsplit('/').next().unwrap_or_default()
    }

    /// The account that the URL names.
    #[must_use]
    pub fn account(&self) -> Option<&AccountId> {
        self.account.as_ref()
    }

    /// The queue's region; `None` stands for the default region.
    #[must_use]
    pub fn region(&self) -> Option<&Region> {
        self.region.as_ref()
    }
}

impl FromStr for Queue {
    type Err = QueueError;

    fn from_str(text: &str) -> Result<Self, QueueError> {
        let wrong = || QueueError { given: text.to_owned() };
        let text = text.trim();
        let (named, url) = match text.split_once('=') {
            Some((region, url)) if !region.contains('/') => (Some(region), url),
            _ => (None, text),
        };
        let (_, rest) =
            url.split_once("://").filter(|(scheme, _)| matches!(*scheme, "http" | "https")).ok_or_else(wrong)?;
        let (host, path) = rest.split_once('/').ok_or_else(wrong)?;
        let (account, name) = path.split_once('/').ok_or_else(wrong)?;
        if host.is_empty() || name.is_empty() || named.is_some_and(str::is_empty) {
            return Err(wrong());
        }
        // Only a host of the form `sqs.REGION.amazonaws.com` names the region.
        let hosted = host.strip_prefix("sqs.").and_then(|rest| rest.split_once('.')).map(|(region, _)| region);
        Ok(Queue {
            url: url.into(),
            region: named.or(hosted).map(Region::new),
            account: Some(account).filter(|text| AccountId::is_valid(text)).map(AccountId::new),
        })
    }
}

impl fmt::Display for Queue {
    /// The form that [`FromStr`] reads.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.region {
            Some(region) => write!(f, "{region}={}", self.url),
            None => f.write_str(&self.url),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (Option<String>, Option<String>) {
        let queue: Queue = text.parse().unwrap();
        assert_eq!(queue.to_string().parse(), Ok(queue.clone()));
        (queue.region.map(|region| region.to_string()), queue.account.map(|account| account.to_string()))
    }

    #[test]
    fn a_queue_url_names_region_and_account_where_it_can() {
        let both = |region: &str| (Some(region.to_owned()), Some("123456789012".to_owned()));
        assert_eq!(parsed("https://sqs.eu-west-1.amazonaws.com/123456789012/q"), both("eu-west-1"));
        assert_eq!(parsed("us-east-2=http://127.0.0.1:4566/123456789012/q"), both("us-east-2"));
        assert_eq!(parsed("http://localhost:1/queues/q"), (None, None));
        let of_arn = |arn: &str| Queue::of_arn(arn).map(|queue| queue.url().to_owned());
        assert_eq!(
            of_arn("arn:aws-cn:sqs:cn-north-1:123456789012:q").as_deref(),
            Ok("https://sqs.cn-north-1.amazonaws.com.cn/123456789012/q")
        );
        for wrong in ["arn:aws:sqs:eu-west-1:1:q", "arn:aws:sqs::123456789012:q", "arn:aws:sqs:a:123456789012:q/r", "q"]
        {
            assert!(of_arn(wrong).is_err(), "{wrong}");
        }
        for wrong in ["", "q", "https://sqs.eu-west-1.amazonaws.com", "https://h/123456789012", "=http://h/1/q"] {
            assert!(wrong.parse::<Queue>().is_err(), "{wrong}");
        }
    }
}
