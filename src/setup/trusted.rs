//! Whom the role of an account trusts.

use std::fmt;
use std::str::FromStr;

use serde_json::{Value, json};

use crate::model::{AccountId, Partition};

/// Who may assume a role: a role or user, or whoever the policies of an account let.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TrustedPrincipal {
    /// An account, which decides itself who may.
    Account(AccountId),
    /// A role or user.
    Arn {
        /// Its partition.
        partition: Partition,
        /// Its ARN.
        arn: String,
    },
}

/// The text names nobody who could assume a role.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "`{given}` is neither an account nor the ARN of a role or user: give for example 111122223333 or \
     arn:aws:iam::111122223333:role/muster-server"
)]
pub struct TrustedPrincipalError {
    given: String,
}

impl TrustedPrincipal {
    /// The principal of a trust policy in a template.
    pub(super) fn principal(&self) -> Value {
        match self {
            TrustedPrincipal::Account(account) => {
                json!({ "Fn::Sub": format!("arn:${{AWS::Partition}}:iam::{account}:root") })
            }
            TrustedPrincipal::Arn { arn, .. } => json!(arn),
        }
    }
}

impl FromStr for TrustedPrincipal {
    type Err = TrustedPrincipalError;

    fn from_str(text: &str) -> Result<Self, TrustedPrincipalError> {
        let text = text.trim();
        if AccountId::is_valid(text) {
            return Ok(TrustedPrincipal::Account(AccountId::new(text)));
        }
        let parts: Vec<&str> = text.splitn(6, ':').collect();
        let is_name = |name: &&str| {
            let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_+=,.@-/".contains(&byte);
            !name.is_empty() && name.bytes().all(is_plain) && !name.starts_with('/') && !name.ends_with('/')
        };
        match parts.as_slice() {
            ["arn", partition, "iam", "", account, who]
                if AccountId::is_valid(account)
                    && ["role/", "user/"].iter().any(|sort| who.strip_prefix(sort).as_ref().is_some_and(is_name)) =>
            {
                let wrong = |_| TrustedPrincipalError { given: text.to_owned() };
                let partition = partition.parse().map_err(wrong)?;
                Ok(TrustedPrincipal::Arn { partition, arn: text.to_owned() })
            }
            _ => Err(TrustedPrincipalError { given: text.to_owned() }),
        }
    }
}

impl fmt::Display for TrustedPrincipal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TrustedPrincipal::Account(account) => account.fmt(f),
            TrustedPrincipal::Arn { arn, .. } => f.write_str(arn),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_a_role_and_a_user_can_be_trusted_and_nothing_else() {
        for good in [
            "111122223333",
            "arn:aws-cn:iam::111122223333:role/path/muster",
            "arn:aws:iam::111122223333:user/me@example.com",
        ] {
            assert_eq!(good.parse::<TrustedPrincipal>().unwrap().to_string(), good);
        }
        for wrong in [
            "*",
            "1111",
            "arn:aws:iam::111122223333:root",
            "arn:aws:iam::111122223333:role/",
            "arn:aws:iam::111122223333:role/*",
            "arn:mars:iam::111122223333:role/muster",
            "arn:aws:sts::111122223333:assumed-role/muster/session",
        ] {
            assert!(wrong.parse::<TrustedPrincipal>().is_err(), "{wrong}");
        }
    }
}
