//! Expands `~` and variables in paths, as a shell does. No shell expands a client's configuration.

use std::path::{Path, PathBuf};

/// The variables and home directories that a path may name.
#[derive(Clone, Copy)]
pub struct PathContext<'a> {
    /// The value of a variable of the environment.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    /// The home directory of a user of this machine; `None` is the user of this process.
    pub home: &'a dyn Fn(Option<&str>) -> Option<PathBuf>,
}

/// Replaces `~`, `~user`, `$NAME` and `${NAME}` in `path`, as a shell and the AWS CLI do. Unknown ones stay, and [`unexpanded`]
/// names them.
#[must_use]
pub fn expanded(path: &str, context: PathContext<'_>) -> String {
    let path = variables(path, context.variable);
    let Some(rest) = path.strip_prefix('~') else { return path };
    let (user, below) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let home = (context.home)(Some(user).filter(|user| !user.is_empty())).filter(|home| home.is_absolute());
    match home.as_deref().and_then(Path::to_str) {
        Some(home) => format!("{}{below}", home.trim_end_matches('/')),
        None => path,
    }
}

/// Returns the beginning of `path` if it could not be replaced, such as `~nobody` or `$UNSET`. Nobody wants a directory of such a
/// name below the working directory.
#[must_use]
pub fn unexpanded(path: &Path) -> Option<&str> {
    let first = path.to_str()?.split('/').next()?;
    first.starts_with(['~', '$', '%']).then_some(first)
}

/// Finds the home directory of a user in the text of `/etc/passwd`.
#[must_use]
pub fn home_in(passwd: &str, user: &str) -> Option<PathBuf> {
    let of = |line: &str| {
        let mut fields = line.split(':');
        (fields.next() == Some(user)).then(|| fields.nth(4).map(PathBuf::from)).flatten()
    };
    passwd.lines().find_map(of).filter(|home| home.is_absolute())
}

fn variables(path: &str, variable: &dyn Fn(&str) -> Option<String>) -> String {
    let mut out = String::new();
    let mut rest = path;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let (name, length) = name(after);
        let value = Some(name).filter(|name| !name.is_empty()).and_then(variable).filter(|value| !value.contains('$'));
        let (spoken, left) = after.split_at(length);
        if let Some(value) = value {
            out.push_str(&value);
        } else {
            out.push('$');
            out.push_str(spoken);
        }
        rest = left;
    }
    out + rest
}

/// Reads the name of a variable at the beginning of `text`, which follows a `$`. Returns it with its length in bytes, braces
/// included.
fn name(text: &str) -> (&str, usize) {
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if let Some(inner) = text.strip_prefix('{') {
        return match inner.split_once('}') {
            Some((name, _)) if name.chars().all(is_name) => (name, name.len() + 2),
            _ => ("", 0),
        };
    }
    let length = text.find(|c| !is_name(c)).unwrap_or(text.len());
    (text.get(..length).unwrap_or_default(), length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expand(path: &str) -> String {
        let variable = |name: &str| match name {
            "HOME" => Some("/home/me".to_owned()),
            "TEAM" => Some("blue".to_owned()),
            "LOOP" => Some("$LOOP".to_owned()),
            _ => None,
        };
        let home = |user: Option<&str>| match user {
            None => Some(PathBuf::from("/home/me/")),
            Some(user) => {
                home_in("root:x:0:0:root:/root:/bin/sh\nann:x:7:7::/srv/ann:/bin/sh\nodd:x:8:8::odd:\n", user)
            }
        };
        expanded(path, PathContext { variable: &variable, home: &home })
    }

    #[test]
    fn a_tilde_and_variables_become_what_a_shell_makes_of_them() {
        for (written, meant) in [
            ("~/muster", "/home/me/muster"),
            ("~", "/home/me"),
            ("$HOME/muster", "/home/me/muster"),
            ("${HOME}/muster", "/home/me/muster"),
            ("/srv/${TEAM}/$TEAM-x", "/srv/blue/blue-x"),
            ("~ann/muster", "/srv/ann/muster"),
            ("~root", "/root"),
            ("/plain/~/path", "/plain/~/path"),
            ("relative/path", "relative/path"),
            ("/price$/x", "/price$/x"),
        ] {
            assert_eq!(expand(written), meant, "{written}");
        }
    }

    #[test]
    fn what_nothing_replaces_is_named() {
        for (written, named) in [
            ("~nobody/muster", "~nobody"),
            ("$UNSET/muster", "$UNSET"),
            ("${UNSET}/muster", "${UNSET}"),
            ("$LOOP/muster", "$LOOP"),
            ("~odd/muster", "~odd"),
            ("%APPDATA%/muster", "%APPDATA%"),
            ("${input:dir}", "${input:dir}"),
        ] {
            assert_eq!(unexpanded(Path::new(&expand(written))), Some(named), "{written}");
        }
        assert_eq!(unexpanded(Path::new("/a/$b/~c")), None);
    }
}
