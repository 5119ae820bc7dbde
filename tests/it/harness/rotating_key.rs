//! Credentials that change under a running Muster.

use std::fs;
use std::path::PathBuf;

use super::muster::Sandbox;

/// The access key of a profile, which a command prints and which is loaded anew for each call, as short sessions are near their end. The
/// simulator takes twelve digits for the account.
pub(crate) struct RotatingKey(PathBuf);

impl RotatingKey {
    /// The key of a profile that this sandbox uses from now on. It belongs to the account that a simulator has.
    pub(crate) fn of(sandbox: &mut Sandbox) -> Self {
        let directory = sandbox.path().join("home/.aws");
        fs::create_dir(&directory).unwrap();
        let (script, key) = (directory.join("credentials.sh"), RotatingKey(directory.join("key")));
        let json = r#"{"Version":1,"AccessKeyId":"%s","SecretAccessKey":"secret","Expiration":"2020-01-01T00:00:00Z"}"#;
        fs::write(&script, format!("printf '{json}' \"$(cat '{}')\"\n", key.0.display())).unwrap();
        let config = format!("[profile rotating]\ncredential_process = sh {}\n", script.display());
        fs::write(directory.join("config"), config).unwrap();
        sandbox.unset("AWS_ACCESS_KEY_ID");
        sandbox.unset("AWS_SECRET_ACCESS_KEY");
        sandbox.set("AWS_PROFILE", "rotating");
        key.belongs_to("123456789012");
        key
    }

    /// From now on calls are signed with a key of this account.
    pub(crate) fn belongs_to(&self, account: &str) {
        fs::write(&self.0, account).unwrap();
    }
}
