//! Whose snapshots or images a Describe call asks for.

use crate::simulator::plan::Plan;
use crate::simulator::refusal::Refusal;
use crate::simulator::request::Params;
use crate::simulator::snapshot::Owner;

/// The owners that a call names, and the accounts that must be allowed to use what it lists.
pub(super) struct Owners {
    owners: Vec<String>,
    users: Vec<String>,
}

impl Owners {
    /// Reads `Owner` and the parameter `users`, which names the accounts that may use the resources.
    pub(super) fn parse(params: &Params, plan: &Plan, users: &str) -> Result<Self, Refusal> {
        let all = |name: &str, known: &[&str]| -> Result<Vec<String>, Refusal> {
            let account = |text: &str| {
                let digits = text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit());
                match text {
                    "self" => Ok(plan.account.clone()),
                    _ if digits || known.contains(&text) => Ok(text.to_owned()),
                    _ => Err(Refusal::new(400, "InvalidUserID.Malformed", format!("Invalid user id: \"{text}\""))),
                }
            };
            params.list(name).into_iter().map(account).collect()
        };
        let aliases = ["amazon", "aws-backup-vault", "aws-marketplace"];
        Ok(Self { owners: all("Owner", &aliases)?, users: all(users, &["all"])? })
    }

    /// Whether the call asks for resources of the owner `of`.
    pub(super) fn hold(&self, of: &Owner, plan: &Plan) -> bool {
        let owner = of.account(plan);
        let named = |who: &String| who == owner || Some(who.as_str()) == of.alias();
        let usable = |who: &String| if who == "all" { *of != Owner::Own } else { who == owner };
        (self.owners.is_empty() || self.owners.iter().any(named))
            && (self.users.is_empty() || self.users.iter().any(usable))
    }
}
