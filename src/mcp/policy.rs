//! What a server permits and lists, what a connection may change, and how a person permits more.
//!
//! What a model reads of that names the flag and where it belongs, and never a command that lifts the protection: some clients run
//! commands for their models. The command is in the log of the front end.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::policy::verdict::RuleRefusal;
use crate::policy::{PolicyInForce, RuleCheck, RuleOrigin, Visibility, WritePolicy, WriteRule};

/// How a person enables write tools.
const ENABLE: &str = "a person adds --allow-writes to the arguments of the Muster server in the MCP client's \
    configuration (over HTTP, of the server there) and restarts it; `muster help writes` says more";

/// How somebody whom the server knows comes to change anything.
const UNGRANTED: &str = "a person who runs the Muster server gives whoever asks a grant with writes = true; `muster help grants` says \
    more";

/// What the server as a whole permits and lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerPolicy {
    /// What tools may change. A connection can have fewer rights, never more.
    pub writes: WritePolicy,
    /// What `resources/list` holds.
    pub list: ListMode,
}

/// What `resources/list` holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ListMode {
    /// All resources up to 500 of them; above that, collections.
    #[default]
    Auto,
    /// Every resource, whatever their number.
    All,
    /// Summaries, VPCs and collections.
    Collections,
}

/// What a connection may change in AWS, and who can change that. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Writes {
    in_force: Arc<PolicyInForce>,
    /// Whether the connection is of somebody whom the server knows, and who has no grant to change anything.
    ungranted: bool,
    /// What they see: rules are shown without what they name of the rest.
    visibility: Visibility,
}

impl ServerPolicy {
    /// The rights of a connection with these rules of its own.
    #[must_use]
    pub fn writes(&self, connection: &WritePolicy) -> Writes {
        let in_force = Arc::new(PolicyInForce::of(&self.writes, connection));
        Writes { in_force, ungranted: false, visibility: Visibility::everything() }
    }
}

impl Writes {
    /// The rights of who did not ask for any.
    #[must_use]
    pub fn not_asked() -> Self {
        let in_force = PolicyInForce::of(&WritePolicy::of(true), &WritePolicy::default());
        Writes { in_force: Arc::new(in_force), ungranted: false, visibility: Visibility::everything() }
    }

    /// The same, of somebody who may have no grant to change anything: then nothing else matters.
    #[must_use]
    pub fn of_somebody(self, ungranted: bool) -> Self {
        Writes { ungranted, ..self }
    }

    /// The same, of somebody with this visibility.
    #[must_use]
    pub fn seen_by(self, visibility: &Visibility) -> Self {
        Writes { visibility: visibility.clone(), ..self }
    }

    /// Whether somebody would have to be given a grant first.
    #[must_use]
    pub fn is_ungranted(&self) -> bool {
        self.ungranted
    }

    /// The rules.
    #[must_use]
    pub fn in_force(&self) -> &PolicyInForce {
        &self.in_force
    }

    /// Whether the connection may change anything.
    #[must_use]
    pub fn are_allowed(&self) -> bool {
        self.in_force.bar_of_all().is_none()
    }

    /// Whether there may be something that a tool, which only `adds` or not, may change.
    #[must_use]
    pub fn allow(&self, tool: &str, adds: bool) -> bool {
        self.in_force.bar(tool, adds).is_none()
    }

    /// The rule that keeps a tool off, and whose it is, as records hold it.
    #[must_use]
    pub fn bar(&self, tool: &str, adds: bool) -> Option<String> {
        self.in_force.bar(tool, adds).map(|(origin, rule)| rule.told(*origin))
    }

    /// How a person enables a tool that is off.
    #[must_use]
    pub fn enable(&self, tool: &str, adds: bool) -> String {
        if self.ungranted {
            return UNGRANTED.to_owned();
        }
        let (of_all, pid) = (self.in_force.bar_of_all(), std::process::id());
        match of_all.or_else(|| self.in_force.bar(tool, adds)) {
            None | Some((RuleOrigin::Connection, WriteRule::Writes(_))) => ENABLE.to_owned(),
            Some((RuleOrigin::Server, WriteRule::Writes(_))) => format!(
                "a person starts the server again with the flag --allow-writes, because the running Muster server (pid {pid}) \
                 permits no writes; `muster help writes` says more"
            ),
            Some((_, WriteRule::Unknown(name))) => format!(
                "a person starts the server again in the newest version, because the running Muster server (pid {pid}) does not \
                 know the rule `{}` of this connection's write policy",
                crate::model::text::shown(name, 60)
            ),
            Some((origin, rule)) => format!("a person changes {}, a rule of {}", self.rule_shown(rule), place(*origin)),
        }
    }

    /// Says which rule refuses a change, why, and who can change the rule.
    #[must_use]
    pub fn refused(&self, check: &RuleCheck) -> String {
        let RuleCheck { origin, rule, refusal } = check;
        let why = refusal.as_ref().map_or_else(String::new, |refusal| format!(": {}", self.why(refusal)));
        let rule = self.rule_shown(rule);
        let mend = if matches!(refusal, Some(RuleRefusal::NotAudited { .. })) { "mend that or " } else { "" };
        format!(
            "Muster's own rule {rule} refuses it{why}. AWS was not called. Only a person can {mend}change the rule, {}.",
            match origin {
                RuleOrigin::Server => {
                    format!("where they start the running Muster server (pid {})", std::process::id())
                }
                RuleOrigin::Connection =>
                    "in the arguments of `muster mcp` in the MCP client's configuration".to_owned(),
            }
        )
    }

    /// A rule as answers show it.
    fn rule_shown(&self, rule: &WriteRule) -> String {
        self.visibility.masked_rule(&rule.to_string())
    }

    /// Why a rule refuses, as answers show it.
    fn why(&self, refusal: &RuleRefusal) -> String {
        match refusal {
            // How many others were changed is for those who see them all.
            RuleRefusal::CapReached { .. } if !self.visibility.is_everything() => "the cap is reached".to_owned(),
            // Nor is the file on the server's disk.
            RuleRefusal::NotAudited { .. } if !self.visibility.is_everything() => {
                "the audit file is not current".to_owned()
            }
            refusal => refusal.to_string(),
        }
    }

    /// The rights as answers show them.
    #[must_use]
    pub fn shown(&self) -> Value {
        let rules = self.in_force.rules().iter().filter(|(_, rule)| !matches!(rule, WriteRule::Writes(_)));
        let rules: Vec<Value> =
            rules.map(|(origin, rule)| json!({"rule": self.rule_shown(rule), "of": origin})).collect();
        let mut shown = if self.are_allowed() {
            json!({"allowed": true})
        } else {
            json!({"allowed": false, "enable": self.enable("", false)})
        };
        if let (Value::Object(shown), false) = (&mut shown, rules.is_empty()) {
            shown.insert("rules".to_owned(), Value::Array(rules));
        }
        shown
    }

    /// The rights of a connection that asked for all, on a server that permits all.
    #[cfg(test)]
    pub(crate) fn allowed() -> Self {
        ServerPolicy::permitting(true).writes(&WritePolicy::of(true))
    }

    /// The rights of a connection that asked for all, on a server that permits none.
    #[cfg(test)]
    pub(crate) fn not_permitted() -> Self {
        ServerPolicy::permitting(false).writes(&WritePolicy::of(true))
    }
}

/// Where the rules of an origin stand.
fn place(origin: RuleOrigin) -> String {
    match origin {
        RuleOrigin::Server => {
            let pid = std::process::id();
            format!("the running Muster server (pid {pid}), which was started with it; `muster help writes` says more")
        }
        RuleOrigin::Connection => {
            "this connection (the arguments and variables of `muster mcp` in the MCP client's configuration)".to_owned()
        }
    }
}

#[cfg(test)]
impl ServerPolicy {
    /// A server that permits everything, or nothing.
    pub(crate) fn permitting(allow: bool) -> Self {
        ServerPolicy { writes: WritePolicy::of(allow), list: ListMode::Auto }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writes(server: &[WriteRule], connection: &[WriteRule]) -> Writes {
        let with = |rules: &[WriteRule]| WritePolicy::with(rules.iter().cloned());
        ServerPolicy { writes: with(server), ..ServerPolicy::permitting(true) }.writes(&with(connection))
    }

    #[test]
    fn a_tool_that_a_list_leaves_out_is_off_and_the_list_is_named_with_its_place() {
        let adds = WriteRule::Tools(["snapshot".to_owned()].into());
        let of_server = writes(std::slice::from_ref(&adds), &[]);
        assert!(of_server.allow("create_snapshot", true) && !of_server.allow("stop_instance", false));
        let said = of_server.enable("stop_instance", false);
        assert!(said.contains("--allow-writes=snapshot") && said.contains("the running Muster server (pid"), "{said}");
        let said = writes(&[], &[adds]).enable("stop_instance", false);
        assert!(said.contains("muster mcp") && !said.contains("pid"), "{said}");
    }

    #[test]
    fn who_asked_for_nothing_is_told_of_their_own_flag_first() {
        let neither = ServerPolicy::permitting(false).writes(&WritePolicy::default());
        assert_eq!(neither.enable("stop_instance", false), ENABLE);
        let said = Writes::not_permitted().enable("", false);
        assert!(said.starts_with("a person starts the server again with the flag --allow-writes"), "{said}");
        assert!(!Writes::not_asked().are_allowed() && Writes::allowed().are_allowed());
    }

    #[test]
    fn a_model_is_given_no_command_that_lifts_the_protection() {
        let adds = WriteRule::Tools(["snapshot".to_owned()].into());
        let unknown = WriteRule::Unknown("quantum".to_owned());
        let of_rules = [writes(std::slice::from_ref(&adds), &[]), writes(&[], &[adds]), writes(&[], &[unknown])];
        for writes in of_rules.iter().chain([&Writes::not_permitted(), &Writes::not_asked()]) {
            let said = writes.enable("stop_instance", false);
            assert!(said.starts_with("a person "), "{said}");
            for command in ["muster restart", "muster mcp --", "muster serve --", "-- --"] {
                assert!(!said.contains(command), "{said}");
            }
        }
    }

    #[test]
    fn who_does_not_see_everything_reads_no_account_instance_or_number_of_changes_in_rules() {
        let cap = crate::policy::WriteCap { instances: 7, window: std::time::Duration::from_hours(1) };
        let accounts = WriteRule::Accounts(["111111111111".to_owned()].into());
        let instance = WriteRule::Deny(crate::policy::DeniedTarget::Instance("i-1".to_owned()));
        let all = writes(&[accounts.clone(), instance.clone(), WriteRule::Cap(cap)], &[]);
        let limited = all.clone().seen_by(&Visibility::nothing());
        let refused = |writes: &Writes, rule: &WriteRule, refusal: RuleRefusal| {
            let check = RuleCheck { origin: RuleOrigin::Server, rule: rule.clone(), refusal: Some(refusal) };
            writes.refused(&check)
        };
        for (rule, name) in [(&accounts, "111111111111"), (&instance, "i-1")] {
            assert!(refused(&all, rule, RuleRefusal::Denied).contains(name));
            let said = refused(&limited, rule, RuleRefusal::Denied);
            assert!(!said.contains(name) && said.contains("Muster's own rule --"), "{said}");
            assert!(all.shown().to_string().contains(name) && !limited.shown().to_string().contains(name));
        }
        let reached = || RuleRefusal::CapReached { others: 41 };
        assert!(refused(&all, &WriteRule::Cap(cap), reached()).contains("41 other instances"));
        let said = refused(&limited, &WriteRule::Cap(cap), reached());
        assert!(said.contains("--write-cap 7/1h refuses it: the cap is reached."), "{said}");
        let behind =
            || RuleRefusal::NotAudited { why: "the audit file /var/log/audit.jsonl is behind the log".to_owned() };
        assert!(refused(&all, &WriteRule::Audit, behind()).contains("/var/log/audit.jsonl"));
        let said = refused(&limited, &WriteRule::Audit, behind());
        assert!(said.contains("--audit-required refuses it: the audit file is not current."), "{said}");
    }

    #[test]
    fn the_rules_in_force_are_shown_with_their_origin() {
        let region = WriteRule::Regions(["eu-west-1".to_owned()].into());
        assert_eq!(
            writes(std::slice::from_ref(&region), &[WriteRule::Tag { key: "Env".to_owned(), value: "dev".to_owned() }])
                .shown(),
            json!({"allowed": true, "rules": [
                {"rule": "--write-region eu-west-1", "of": "server"},
                {"rule": "--write-tag Env=dev", "of": "connection"},
            ]})
        );
        let unknown = writes(&[], &[WriteRule::Unknown("quantum".to_owned())]);
        assert!(!unknown.are_allowed() && unknown.shown()["enable"].as_str().unwrap().contains("`quantum`"));
    }
}
