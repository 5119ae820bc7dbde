//! Checks whether AWS's configuration files can be read.

use super::finding::{Check, Finding};
use crate::aws::profiles::{FileFault, Weight};
use crate::config::ConfigError;

pub(crate) static CHECK: Check = Check {
    name: "configuration",
    title: "AWS's configuration files, and the certificate authorities that they name, can be read",
};

/// `is_needed`: credentials or the region have to come from the files.
pub(crate) fn judge(faults: &[FileFault], is_needed: bool) -> Vec<Finding> {
    if faults.is_empty() {
        return vec![CHECK.ok("AWS's files", "nothing is wrong with them")];
    }
    let found = faults.iter().map(|fault| match fault.weight {
        Weight::Always => CHECK.failed(&*fault.place, &*fault.what, "Mend the file, or name another."),
        Weight::Broken if is_needed => {
            CHECK.failed(&*fault.place, &*fault.what, "Mend the file: AWS's own tools cannot read it either.")
        }
        Weight::Broken | Weight::Missing => {
            CHECK.warning(&*fault.place, &*fault.what, "Mend the file if something in it is needed.")
        }
    });
    found.collect()
}

/// That a server with these settings does not start.
pub(crate) fn unservable(error: &ConfigError) -> Finding {
    CHECK.failed("flags and file", error.to_string(), "Mend that: `muster serve` refuses to start with it.")
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn a_broken_file_fails_where_it_is_needed_and_else_is_worth_a_word() {
        let fault = |weight| FileFault { place: "/f line 3".into(), what: "no".into(), weight };
        let verdict = |weight, is_needed| judge(&[fault(weight)], is_needed)[0].verdict;
        assert_eq!(verdict(Weight::Broken, true), Verdict::Failed);
        assert_eq!(verdict(Weight::Broken, false), Verdict::Warning);
        assert_eq!(verdict(Weight::Missing, true), Verdict::Warning);
        assert_eq!(verdict(Weight::Always, false), Verdict::Failed);
        assert_eq!(judge(&[], true)[0].verdict, Verdict::Ok);
    }
}
