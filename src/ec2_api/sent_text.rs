//! What a client sent, as errors repeat it.

/// How many characters of it an error repeats.
const SHOWN: usize = 200;

/// What a client sent, as errors repeat it: its beginning.
#[must_use]
pub fn shown(text: &str) -> String {
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}...", text.split_at(end).0),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_sent_is_repeated_up_to_a_bound() {
        assert_eq!(shown("ok"), "ok");
        assert_eq!(shown(&"é".repeat(1_000)).chars().count(), SHOWN + 3);
    }
}
