//! STS, as far as Muster asks it: who am I.

use crate::simulator::refusal::Refusal;
use crate::simulator::request::Params;
use crate::simulator::xml::Xml;

const VERSION: &str = "2011-06-15";

/// Answers a `GetCallerIdentity` of `account`, the one action [`knows`] lets pass.
pub(crate) fn answer(params: &Params, account: &str, request: &str) -> Result<String, Refusal> {
    let version = params.get("Version").unwrap_or_default();
    if version != VERSION {
        return Err(Refusal::no_such_version(version, "AWSSecurityTokenService"));
    }
    Ok(caller_identity(account, request))
}

pub(crate) fn knows(action: &str) -> bool {
    names().any(|name| name == action)
}

/// The names of all actions.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    ["GetCallerIdentity"].into_iter()
}

fn caller_identity(account: &str, request: &str) -> String {
    let mut xml = Xml::default();
    xml.raw(r#"<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">"#);
    xml.within("GetCallerIdentityResult", |xml| {
        xml.text("Arn", &format!("arn:aws:iam::{account}:user/muster"));
        xml.text("UserId", "AIDASIMULATEDMUSTER00");
        xml.text("Account", account);
    });
    xml.within("ResponseMetadata", |xml| xml.text("RequestId", request));
    xml.close("GetCallerIdentityResponse");
    xml.finish()
}
