//! A queue message that cannot be read, as it is kept after it was removed from the queue.

use super::time::Timestamp;

/// How many bytes of a body are kept at most.
pub const MAX_BODY: usize = 4 << 10;

/// How many bytes of any other text are kept at most.
const MAX_TEXT: usize = 512;

/// A queue message that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parked {
    /// The id that SQS gave the message.
    pub message: String,
    /// The queue it came from.
    pub queue: String,
    /// When it was removed from the queue.
    pub at: Timestamp,
    /// How often it had been received by then.
    pub receives: u32,
    /// Why it cannot be read.
    pub why: String,
    /// Its body, cut to [`MAX_BODY`]. Anybody who can write to the queue can write this.
    pub body: String,
    /// How many bytes the whole body had.
    pub bytes: u64,
}

impl Parked {
    /// Cuts the texts to the kept length.
    #[must_use]
    pub fn cut(self) -> Self {
        let cut = |mut text: String, longest: usize| {
            text.truncate(text.floor_char_boundary(longest));
            text
        };
        Parked {
            message: cut(self.message, MAX_TEXT),
            queue: cut(self.queue, MAX_TEXT),
            why: cut(self.why, MAX_TEXT),
            body: cut(self.body, MAX_BODY),
            ..self
        }
    }
}
