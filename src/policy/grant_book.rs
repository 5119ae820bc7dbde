//! The grants of a server, by the names under which tokens and claims refer to them.

use super::grant::Grant;
use super::visibility::Visibility;

/// All grants of a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GrantBook(Vec<Grant>);

impl GrantBook {
    /// These grants. Several of one name add up.
    #[must_use]
    pub fn new(grants: Vec<Grant>) -> Self {
        GrantBook(grants)
    }

    /// Whether there is a grant of this name.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|grant| &*grant.name == name)
    }

    /// The names, in their order, each once.
    #[must_use]
    pub fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.0.iter().map(|grant| &*grant.name).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// What whoever has all grants of these names may see. A name that no grant has adds nothing, so that a grant which was taken out
    /// of the configuration takes its rights with it.
    #[must_use]
    pub fn visibility<'n>(&self, names: impl IntoIterator<Item = &'n str>) -> Visibility {
        let names: Vec<&str> = names.into_iter().collect();
        Visibility::of(self.0.iter().filter(|grant| names.contains(&&*grant.name)).cloned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_of_several_names_add_up_and_unknown_names_add_nothing() {
        let book = GrantBook::new(vec![
            Grant::of_accounts("payments", ["111111111111"]),
            Grant::of_accounts("search", ["222222222222"]),
            Grant::of_accounts("payments", ["333333333333"]),
        ]);
        assert_eq!(book.names(), ["payments", "search"]);
        assert!(book.has("search") && !book.has("gone"));
        let seen = |names: &[&str]| {
            let visibility = book.visibility(names.iter().copied());
            ["111111111111", "222222222222", "333333333333"].map(|account| visibility.sees_account(account))
        };
        assert_eq!(seen(&["payments"]), [true, false, true]);
        assert_eq!(seen(&["search", "gone"]), [false, true, false]);
        assert_eq!(seen(&["gone"]), [false; 3]);
        assert_eq!(book.visibility(["gone"]), Visibility::nothing());
    }
}
