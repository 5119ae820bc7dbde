//! Parses the number of an AWS account.

use crate::model::AccountId;

/// The text is not the number of an account.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{given}` is not an AWS account: give its number of 12 digits, for example 123456789012")]
pub struct AccountError {
    given: String,
}

/// Parses the number of an account, which people also write as `1234-5678-9012`.
///
/// # Errors
/// [`AccountError`] when the text does not have twelve digits.
pub fn account(text: &str) -> Result<AccountId, AccountError> {
    let number: String = text.trim().chars().filter(|c| *c != '-').collect();
    if number.len() == 12 && number.bytes().all(|byte| byte.is_ascii_digit()) {
        Ok(AccountId::new(number))
    } else {
        Err(AccountError { given: text.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_is_twelve_digits() {
        for text in ["123456789012", "1234-5678-9012", " 000000000001 "] {
            assert!(account(text).is_ok(), "{text}");
        }
        for wrong in ["", "12345678901", "1234567890123", "12345678901x", "corp"] {
            assert!(account(wrong).is_err(), "{wrong}");
        }
    }
}
