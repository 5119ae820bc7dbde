//! What is left of an answer of which the first part is written.

use std::fmt;
use std::sync::Arc;

use super::copy_fault::CopyFault;

/// Reads and writes the next part of an answer. Blocks while it reads.
type NextPart = Box<dyn FnOnce() -> Result<AnswerPart, CopyFault> + Send>;

/// Is told how an answer ends: with its last part, or with why a part cannot be had.
pub type AnswerEnd = Arc<dyn Fn(Option<&CopyFault>) + Send + Sync>;

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

    /// The same, whose end `end` is told of. Where nobody wants the rest, nothing is told.
    #[must_use]
    pub fn until(self, end: AnswerEnd) -> Self {
        AnswerRest::new(move || match self.next() {
            Ok(AnswerPart { body, rest: Some(rest) }) => Ok(AnswerPart { body, rest: Some(rest.until(end)) }),
            Ok(last) => {
                end(None);
                Ok(last)
            }
            Err(fault) => {
                end(Some(&fault));
                Err(fault)
            }
        })
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn the_end_of_an_answer_is_told_once_it_is_read_or_breaks_off() {
        for is_whole in [true, false] {
            let told = Arc::new(AtomicUsize::new(0));
            let last = AnswerRest::new(move || {
                if is_whole { Ok(AnswerPart { body: vec![2], rest: None }) } else { Err(CopyFault::Token) }
            });
            let rest = AnswerRest::new(move || Ok(AnswerPart { body: vec![1], rest: Some(last) }));
            let seen = Arc::clone(&told);
            let rest = rest.until(Arc::new(move |fault: Option<&CopyFault>| {
                assert_eq!(fault.is_none(), is_whole);
                seen.fetch_add(1, Ordering::SeqCst);
            }));
            let part = rest.next().unwrap();
            assert_eq!((part.body, told.load(Ordering::SeqCst)), (vec![1], 0));
            assert_eq!(part.rest.unwrap().next().is_ok(), is_whole);
            assert_eq!(told.load(Ordering::SeqCst), 1);
        }
    }
}
