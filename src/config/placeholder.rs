//! Finds placeholders that a client's configuration did not fill in.

/// Finds the placeholder in `value`: `${input:region}` (VS Code), `{{region}}`, `%AWS_REGION%`, or a whole value such as
/// `<region>`, as examples have it.
#[must_use]
pub fn placeholder(value: &str) -> Option<&str> {
    let value = value.trim();
    let whole = |open: char, close: char| value.starts_with(open) && value.ends_with(close) && value.len() > 2;
    if whole('<', '>') || (whole('%', '%') && !value.contains(['/', ' '])) || is_variable(value) {
        return Some(value);
    }
    between(value, "${", "}").or_else(|| between(value, "{{", "}}"))
}

/// Whether the whole value is a variable of a shell.
fn is_variable(value: &str) -> bool {
    value.strip_prefix('$').is_some_and(|name| {
        name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    })
}

fn between<'a>(value: &'a str, open: &str, close: &str) -> Option<&'a str> {
    let start = value.find(open)?;
    let rest = value.get(start..)?;
    let end = rest.find(close)? + close.len();
    rest.get(..end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_did_not_fill_in_is_told_from_values() {
        for (value, found) in [
            ("${input:region}", "${input:region}"),
            ("${env:AWS_REGION}", "${env:AWS_REGION}"),
            ("arn:aws:iam::${ACCOUNT}:role/x", "${ACCOUNT}"),
            ("{{region}}", "{{region}}"),
            (" <region> ", "<region>"),
            ("<YOUR-PROFILE>", "<YOUR-PROFILE>"),
            ("%AWS_REGION%", "%AWS_REGION%"),
            ("$AWS_REGION", "$AWS_REGION"),
        ] {
            assert_eq!(placeholder(value), Some(found), "{value}");
        }
        for value in ["us-east-1", "a$b", "5%", "%", "<", "<>", "{x}", "$", "$5", "wJalrXUt/K7MD%+{}", "/a/$b"] {
            assert_eq!(placeholder(value), None, "{value}");
        }
    }
}
