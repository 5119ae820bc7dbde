//! SQS queues themselves: finding, creating, configuring, tagging and deleting them. For their messages see [`super::queue`].
//!
//! Every call here can be made twice without harm, so each is repeated once after a passing failure.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_sqs as sqs;
use sqs::error::{ProvideErrorMetadata, SdkError};
use sqs::types::QueueAttributeName;

use super::bus::found;
use super::queue::Queue;
use super::{Aws, AwsError, Priority};
use crate::model::Scope;

const QUEUE_URL: &str = "sqs:GetQueueUrl";
const CREATE: &str = "sqs:CreateQueue";
const ATTRIBUTES: &str = "sqs:GetQueueAttributes";
const SET_ATTRIBUTES: &str = "sqs:SetQueueAttributes";
const TAGS: &str = "sqs:ListQueueTags";
const TAG: &str = "sqs:TagQueue";
const DELETE_QUEUE: &str = "sqs:DeleteQueue";

impl Aws {
    /// The queue with this name in the account in use; `None` if there is none.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn queue_url(&self, scope: &Scope, name: &str) -> Result<Option<Queue>, AwsError> {
        let answer = self.on_queues(scope, QUEUE_URL, |sqs| sqs.get_queue_url().queue_name(name).send()).await;
        found(answer)?.map(|answer| self.queue_of(scope, QUEUE_URL, answer.queue_url)).transpose()
    }

    /// Creates a queue, or returns the existing one if its attributes are the same.
    ///
    /// # Errors
    /// [`AwsError`]; also if a queue of that name has other attributes, and for [`AwsError::is_deleted_recently`].
    pub async fn create_queue(
        &self,
        scope: &Scope,
        name: &str,
        attributes: BTreeMap<String, String>,
        tags: BTreeMap<String, String>,
    ) -> Result<Queue, AwsError> {
        let (attributes, tags) = (Some(named(attributes)), Some(tags.into_iter().collect::<HashMap<_, _>>()));
        let answer = self.on_queues(scope, CREATE, |sqs| {
            sqs.create_queue().queue_name(name).set_attributes(attributes.clone()).set_tags(tags.clone()).send()
        });
        self.queue_of(scope, CREATE, answer.await?.queue_url)
    }

    /// All attributes of a queue by AWS's names, including its depth; `None` if the queue is gone.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn queue_attributes(&self, queue: &Queue) -> Result<Option<BTreeMap<String, String>>, AwsError> {
        let scope = self.scope_of(queue, ATTRIBUTES)?;
        let answer = self.on_queues(&scope, ATTRIBUTES, |sqs| {
            sqs.get_queue_attributes().queue_url(queue.url()).attribute_names(QueueAttributeName::All).send()
        });
        let attributes = found(answer.await)?.map(|answer| answer.attributes.unwrap_or_default());
        Ok(attributes.map(|all| all.into_iter().map(|(name, value)| (name.as_str().to_owned(), value)).collect()))
    }

    /// Sets attributes of a queue; an empty document removes one. AWS may take a minute to apply them.
    ///
    /// # Errors
    /// [`AwsError`], with [`super::ErrorClass::NotFound`] if the queue is gone.
    pub async fn set_queue_attributes(
        &self,
        queue: &Queue,
        attributes: BTreeMap<String, String>,
    ) -> Result<(), AwsError> {
        let scope = self.scope_of(queue, SET_ATTRIBUTES)?;
        let attributes = Some(named(attributes));
        let answer = self.on_queues(&scope, SET_ATTRIBUTES, |sqs| {
            sqs.set_queue_attributes().queue_url(queue.url()).set_attributes(attributes.clone()).send()
        });
        answer.await.map(drop)
    }

    /// The tags of a queue.
    ///
    /// # Errors
    /// [`AwsError`], with [`super::ErrorClass::NotFound`] if the queue is gone.
    pub async fn queue_tags(&self, queue: &Queue) -> Result<BTreeMap<String, String>, AwsError> {
        let scope = self.scope_of(queue, TAGS)?;
        let answer = self.on_queues(&scope, TAGS, |sqs| sqs.list_queue_tags().queue_url(queue.url()).send());
        Ok(answer.await?.tags.unwrap_or_default().into_iter().collect())
    }

    /// Adds tags to a queue.
    ///
    /// # Errors
    /// [`AwsError`], with [`super::ErrorClass::NotFound`] if the queue is gone.
    pub async fn tag_queue(&self, queue: &Queue, tags: BTreeMap<String, String>) -> Result<(), AwsError> {
        let scope = self.scope_of(queue, TAG)?;
        let tags: HashMap<String, String> = tags.into_iter().collect();
        let answer = self
            .on_queues(&scope, TAG, |sqs| sqs.tag_queue().queue_url(queue.url()).set_tags(Some(tags.clone())).send());
        answer.await.map(drop)
    }

    /// Deletes a queue and its messages. A missing queue is not an error.
    ///
    /// # Errors
    /// [`AwsError`].
    pub async fn delete_queue(&self, queue: &Queue) -> Result<(), AwsError> {
        let scope = self.scope_of(queue, DELETE_QUEUE)?;
        let answer = self.on_queues(&scope, DELETE_QUEUE, |sqs| sqs.delete_queue().queue_url(queue.url()).send());
        found(answer.await).map(drop)
    }

    async fn on_queues<T, E, F>(
        &self,
        scope: &Scope,
        action: &'static str,
        send: impl Fn(&sqs::Client) -> F,
    ) -> Result<T, AwsError>
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
        F: Future<Output = Result<T, SdkError<E>>>,
    {
        let client = self.events(scope).await;
        let (answer, _) = self.repeatable(scope, action, Priority::Tool, || send(&client)).await?;
        Ok(answer)
    }

    /// The queue with a URL from AWS's answer.
    fn queue_of(&self, scope: &Scope, action: &'static str, url: Option<String>) -> Result<Queue, AwsError> {
        let named = format!("{}={}", scope.region, url.unwrap_or_default());
        named.parse().map_err(|_| AwsError::unreadable("it names no queue URL", &self.call(scope, action)))
    }
}

fn named(attributes: BTreeMap<String, String>) -> HashMap<QueueAttributeName, String> {
    attributes.into_iter().map(|(name, value)| (QueueAttributeName::from(name.as_str()), value)).collect()
}
