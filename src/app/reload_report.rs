//! What came of reading the files of a server again: each counts by itself, so one that cannot be used keeps none of the others back.

use serde_json::{Map, Value};

/// Which of the files of a server could not be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RereadFile {
    /// The configuration file.
    Config,
    /// The tokens of HTTP.
    Tokens,
    /// The certificate of HTTP, or its key.
    Certificate,
    /// The keys of EC2's read API.
    Ec2Keys,
}

/// What came of reading the files of a server again.
#[derive(Debug, Default)]
pub(super) struct ReloadReport {
    taken: Map<String, Value>,
    refused: Vec<(RereadFile, String)>,
}

/// The field of a report with the files that could not be used, and why.
pub const REFUSED: &str = "refused";

/// The name of the file of tokens among those that could not be used.
pub const TOKENS: &str = "tokens";

impl RereadFile {
    /// Its name among the files that could not be used.
    pub(super) const fn name(self) -> &'static str {
        match self {
            RereadFile::Config => "config",
            RereadFile::Tokens => TOKENS,
            RereadFile::Certificate => "certificate",
            RereadFile::Ec2Keys => "ec2_api_keys",
        }
    }
}

impl ReloadReport {
    /// Notes what counts now.
    pub(super) fn take(&mut self, facts: Value) {
        if let Value::Object(facts) = facts {
            self.taken.extend(facts);
        }
    }

    /// Notes that a file could not be used, and why.
    pub(super) fn refuse(&mut self, file: RereadFile, why: String) {
        self.refused.push((file, why));
    }

    /// Why files could not be used.
    pub(super) fn refused(&self) -> impl Iterator<Item = &str> {
        self.refused.iter().map(|(_, why)| why.as_str())
    }

    /// What is answered to whoever asked: what counts now, and which files could not be used.
    ///
    /// # Errors
    /// Why nothing counts that did not count before.
    pub(super) fn answer(self) -> Result<Value, String> {
        if self.taken.is_empty() && !self.refused.is_empty() {
            return Err(self.refused().collect::<Vec<_>>().join("\n"));
        }
        let mut facts = self.taken;
        if !self.refused.is_empty() {
            let refused: Map<String, Value> =
                self.refused.into_iter().map(|(file, why)| (file.name().to_owned(), why.into())).collect();
            facts.insert(REFUSED.to_owned(), refused.into());
        }
        Ok(Value::Object(facts))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_counts_is_told_beside_what_could_not_be_used_and_nothing_at_all_is_an_error() {
        assert_eq!(ReloadReport::default().answer(), Ok(json!({})));
        let mut report = ReloadReport::default();
        report.refuse(RereadFile::Config, "a".to_owned());
        report.refuse(RereadFile::Certificate, "b".to_owned());
        assert_eq!(report.answer(), Err("a\nb".to_owned()));
        let mut report = ReloadReport::default();
        report.refuse(RereadFile::Config, "a".to_owned());
        report.take(json!({"tokens": 2}));
        assert_eq!(report.answer(), Ok(json!({"tokens": 2, "refused": {"config": "a"}})));
    }
}
