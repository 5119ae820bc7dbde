//! The version of this program, and which of two versions is the newer one.

use std::path::Path;
use std::sync::OnceLock;

use semver::Version;

/// The version of this program.
#[must_use]
pub fn current() -> &'static str {
    static CURRENT: OnceLock<String> = OnceLock::new();
    CURRENT.get_or_init(|| {
        let program = std::env::current_exe().ok();
        program.as_deref().and_then(pretended).unwrap_or_else(|| env!("CARGO_PKG_VERSION").to_owned())
    })
}

/// Whether the version `this` is newer than the version `that`. A text that is no version is newer than nothing.
#[must_use]
pub fn is_newer(this: &str, that: &str) -> bool {
    match (Version::parse(this), Version::parse(that)) {
        (Ok(this), Ok(that)) => this.cmp_precedence(&that).is_gt(),
        _ => false,
    }
}

/// The version that a program of a debug build pretends to be, so that tests can upgrade: it lies in a directory whose name says it.
/// A released program pretends nothing.
fn pretended(program: &Path) -> Option<String> {
    if !cfg!(debug_assertions) {
        return None;
    }
    Some(program.parent()?.file_name()?.to_str()?.strip_prefix("muster-pretends-")?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_versions_one_is_newer_by_number_and_not_by_letter() {
        for (newer, older) in [("0.10.0", "0.9.1"), ("1.0.0", "1.0.0-rc.1"), ("1.0.0-rc.2", "1.0.0-rc.1")] {
            assert!(is_newer(newer, older) && !is_newer(older, newer), "{newer} {older}");
        }
        for (one, other) in [("0.1.0", "0.1.0"), ("0.1.0+a", "0.1.0+b"), ("x", "0.1.0"), ("0.1.0", "")] {
            assert!(!is_newer(one, other) && !is_newer(other, one), "{one} {other}");
        }
    }

    #[test]
    fn only_a_directory_made_for_it_changes_the_version() {
        assert_eq!(pretended(Path::new("/t/muster-pretends-9.0.0/muster")).as_deref(), Some("9.0.0"));
        assert_eq!(pretended(Path::new("/usr/bin/muster")), None);
    }
}
