//! Why AWS could not use the KMS key of an encrypted volume, and what to do about it. Pure.

use crate::model::text::shown;

/// The longest name of a key in a sentence.
const MAX_KEY: usize = 120;

/// An encrypted volume of an instance, as the copy knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct EncryptedVolume {
    pub(super) id: String,
    /// Its KMS key; `None` where the copy does not know it.
    pub(super) key: Option<String>,
}

/// What an error of KMS means for these volumes; `None` for another error.
pub(super) fn explained(code: Option<&str>, message: &str, volumes: &[EncryptedVolume]) -> Option<String> {
    let said = format!("{} {message}", code.unwrap_or_default()).to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| said.contains(word));
    if !has(&["kms"]) {
        return None;
    }
    // The message may name the key; a volume's key is an ARN that ends with the key's id.
    let named: Vec<&EncryptedVolume> =
        volumes.iter().filter(|volume| volume.key.as_deref().is_some_and(|key| said.contains(&id_of(key)))).collect();
    let about = if named.is_empty() { volumes.iter().collect() } else { named };
    let listed = about.iter().map(|volume| {
        let key = volume.key.as_deref().map_or_else(|| "a key that is not known".to_owned(), |key| shown(key, MAX_KEY));
        format!("{} with {key}", volume.id)
    });
    let listed: Vec<String> = listed.collect();
    let which = match listed.as_slice() {
        [] => "The copy knows no encrypted volume of this instance.".to_owned(),
        listed => format!("Encrypted volumes: {}.", listed.join("; ")),
    };
    let what = if has(&["accessdenied", "not authorized", "unauthorized", "perform: kms:"]) {
        "AWS may not use the KMS key for these credentials. Its key policy, or a grant, has to allow them kms:DescribeKey, kms:Decrypt, \
         kms:CreateGrant and kms:GenerateDataKeyWithoutPlaintext"
    } else if has(&["disabled", "invalidstate", "incorrect state", "pending deletion", "pendingdeletion"]) {
        "The KMS key is disabled or about to be deleted. Enable it (`aws kms enable-key`), or cancel its deletion first (`aws kms \
         cancel-key-deletion`)"
    } else {
        "AWS could not use the KMS key. Check that it exists, is enabled, and that its key policy allows these credentials to use it"
    };
    Some(format!("{which} {what}; or leave the volume out with exclude_boot_volume or exclude_data_volume_ids."))
}

fn id_of(key: &str) -> String {
    key.rsplit('/').next().unwrap_or(key).to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn volumes() -> [EncryptedVolume; 2] {
        [("vol-1", "arn:aws:kms:us-east-1:1:key/Aa-1"), ("vol-2", "arn:aws:kms:us-east-1:1:key/bb-2")]
            .map(|(id, key)| EncryptedVolume { id: id.to_owned(), key: Some(key.to_owned()) })
    }

    #[test]
    fn an_error_of_kms_names_the_key_the_volume_and_what_to_do() {
        let disabled =
            explained(Some("InvalidKMSKey.InvalidState"), "Key arn:aws:kms:us-east-1:1:key/bb-2", &volumes());
        let disabled = disabled.unwrap();
        assert!(
            disabled
                .starts_with("Encrypted volumes: vol-2 with arn:aws:kms:us-east-1:1:key/bb-2. The KMS key is disabled")
        );
        let denied = explained(Some("UnauthorizedOperation"), "not authorized to perform: kms:CreateGrant", &volumes());
        let denied = denied.unwrap();
        assert!(
            denied.contains("vol-1 with") && denied.contains("vol-2 with") && denied.contains("key policy"),
            "{denied}"
        );
        let other = explained(Some("KMSKeyNotAccessibleFault"), "no", &[]).unwrap();
        assert!(other.contains("knows no encrypted volume") && other.contains("could not use the KMS key"), "{other}");
    }

    #[test]
    fn another_error_is_none_of_kms() {
        assert_eq!(explained(Some("SnapshotLimitExceeded"), "too many", &volumes()), None);
    }
}
