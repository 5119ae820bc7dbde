//! Words of a command line, as a person types them.

/// Quotes `word` for a POSIX shell, where that is needed.
#[must_use]
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-=:@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

/// Joins words to a command line for a POSIX shell.
pub fn command_line<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    words.into_iter().map(quoted).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_shell_would_read_as_something_else_is_quoted() {
        let words = ["muster", "--data-dir=/a b", "AWS_PROFILE=dev", "it's", ""];
        assert_eq!(command_line(words), r"muster '--data-dir=/a b' AWS_PROFILE=dev 'it'\''s' ''");
    }
}
