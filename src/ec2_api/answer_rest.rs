//! What is left of an answer of which the first part is written.

use std::fmt;

use super::copy_fault::CopyFault;

/// Reads and writes the next part of an answer. Blocks while it reads.
type NextPart = Box<dyn FnOnce() -> Result<AnswerPart, CopyFault> + Send>;

/// What is left of an answer.
pub struct AnswerRest(NextPart);

/// A part of an answer.
#[derive(Debug)]
pub struct AnswerPart {
    /// What follows the part before.
    pub body: Vec<u8>,
    /// What follows it; `None` at the end.
    pub rest: Option<AnswerRest>,
}

impl AnswerRest {
    /// What `next` reads and writes.
    pub fn new(next: impl FnOnce() -> Result<AnswerPart, CopyFault> + Send + 'static) -> Self {
        AnswerRest(Box::new(next))
    }

    /// Reads and writes the next part. Blocks while it reads.
    ///
    /// # Errors
    /// When the rest cannot be had: the answer has no end then.
    pub fn next(self) -> Result<AnswerPart, CopyFault> {
        (self.0)()
    }
}

impl fmt::Debug for AnswerRest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AnswerRest")
    }
}
