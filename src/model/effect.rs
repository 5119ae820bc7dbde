//! The effect that a record describes, and the calls that can have caused it. Pure.

use super::document::Value;
use super::event::Event;
use super::notice;

/// Verbs of calls that create something.
const MAKES: [&str; 8] = ["Run", "Create", "Allocate", "Copy", "Import", "Register", "Restore", "Request"];
/// Verbs of calls that remove something.
const ENDS: [&str; 5] = ["Terminate", "Delete", "Deregister", "Release", "Disassociate"];

/// What a record describes, in as much detail as is needed to tell calls apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The resource appeared.
    Appeared,
    /// The resource is gone.
    Removed,
    /// Fields of the resource changed.
    Fields {
        /// Whether tags changed.
        tags: bool,
        /// The new lifecycle state, if it changed.
        state: Option<String>,
        /// Whether other fields changed that a call can change.
        rest: bool,
    },
}

impl Effect {
    /// The effect of an event; `None` when it has none.
    #[must_use]
    pub fn of(event: &Event) -> Option<Self> {
        match event {
            Event::Discovered { .. } => Some(Effect::Appeared),
            Event::Removed { .. } => Some(Effect::Removed),
            Event::Changed { changes, .. } => {
                let (mut tags, mut state, mut rest) = (false, None, false);
                for change in changes {
                    match change.path.split('.').next().unwrap_or_default() {
                        "Tags" => tags = true,
                        "State" | "InstanceState" => {
                            // The code changes together with the name.
                            if let (false, Some(Value::Text(name))) = (change.path.ends_with("Code"), &change.after) {
                                state = Some(name.clone());
                            }
                        }
                        // These fields change with the state, or only AWS changes them.
                        "StateReason"
                        | "StateTransitionReason"
                        | "InstanceStatus"
                        | "SystemStatus"
                        | "AttachedEbsStatus"
                        | "ApplicationStatus"
                        | "PerformanceStatus"
                        | "Events"
                        | "Progress"
                        | notice::FIELD => {}
                        _ => rest = true,
                    }
                }
                Some(Effect::Fields { tags, state, rest })
            }
            _ => None,
        }
    }

    /// Whether this ends a transition that an earlier call started.
    #[must_use]
    pub fn ends_transition(&self) -> bool {
        let ends = ["running", "stopped", "terminated", "available", "in-use", "completed"];
        matches!(self, Effect::Fields { state: Some(state), .. } if ends.contains(&state.as_str()))
    }

    /// Whether no call can cause this: a status check or a notice from AWS.
    #[must_use]
    pub fn is_nobodys(&self) -> bool {
        matches!(self, Effect::Fields { tags: false, state: None, rest: false })
    }

    /// Whether a call of this name can have caused this. `made_by` holds words in the names of the calls that create a resource of
    /// its kind, as opposed to calls that only name one (`CreateSnapshot` names the volume). If it is empty, any creating call
    /// fits.
    #[must_use]
    pub fn fits(&self, call: &str, made_by: &[&str]) -> bool {
        let is_tags = call.ends_with("Tags");
        let begins = |verbs: &[&str]| !is_tags && verbs.iter().any(|verb| call.starts_with(verb));
        match self {
            Effect::Appeared => {
                begins(&MAKES) && (made_by.is_empty() || made_by.iter().any(|word| call.contains(word)))
            }
            Effect::Removed => begins(&ENDS),
            Effect::Fields { tags, state, rest } => {
                let of_state = |state: &String| match state.as_str() {
                    "pending" | "running" => begins(&["Start", "Run"]),
                    "stopping" | "stopped" => begins(&["Stop"]),
                    "shutting-down" | "terminated" => begins(&["Terminate"]),
                    "in-use" => begins(&["Attach", "Run", "Start", "Associate"]),
                    "available" => begins(&["Detach", "Terminate", "Disassociate"]) || begins(&MAKES),
                    "deleting" | "deleted" => begins(&ENDS),
                    _ => !is_tags,
                };
                // Other changed fields follow from the state.
                let by_state = state.as_ref().map_or(*rest && !is_tags, of_state);
                by_state || (*tags && is_tags)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model;
    use crate::model::event::Overlay;
    use crate::model::fixtures::id;

    fn changed(fields: &[(&str, &str)]) -> Effect {
        let id = id("i-1");
        let change = |(path, after): &(&str, &str)| model::Change {
            path: (*path).to_owned(),
            before: None,
            after: Some(Value::from(*after)),
        };
        let changes = fields.iter().map(change).collect();
        Effect::of(&Event::Changed { id, changes, evidence: Vec::new(), overlay: Overlay::Keep }).unwrap()
    }

    #[test]
    fn a_call_fits_only_the_changes_that_it_can_cause() {
        let stopped = changed(&[("State.Code", "80"), ("State.Name", "stopped"), ("PublicIpAddress", "")]);
        let status = changed(&[("InstanceState.Name", "running")]);
        let (tags, size) = (changed(&[("Tags", "")]), changed(&[("InstanceType", "t3.large")]));
        let disk = changed(&[("State", "in-use"), ("Attachments", "")]);
        for (change, made_by, fits, does_not) in [
            (&stopped, &[][..], "StopInstances", "StartInstances"),
            (&stopped, &[], "StopInstances", "ModifyInstanceAttribute"),
            (&status, &[], "RunInstances", "StopInstances"),
            (&tags, &[], "DeleteTags", "StopInstances"),
            (&size, &[], "ModifyInstanceAttribute", "CreateTags"),
            (&disk, &[], "AttachVolume", "DetachVolume"),
            (&Effect::Appeared, &["Instance", "Fleet"], "RunInstances", "CreateTags"),
            (&Effect::Appeared, &["Instance", "Fleet"], "CreateFleet", "CreateImage"),
            (&Effect::Appeared, &["Volume"], "CreateVolume", "CreateSnapshot"),
            (&Effect::Appeared, &["Snapshot"], "CreateSnapshots", "RunInstances"),
            (&Effect::Appeared, &[], "RunInstances", "StopInstances"),
            (&Effect::Appeared, &["Image"], "RegisterImage", "DeregisterImage"),
            (&Effect::Removed, &[], "TerminateInstances", "StopInstances"),
            (&Effect::Removed, &[], "DeregisterImage", "RegisterImage"),
        ] {
            let does = change.fits(fits, made_by) && !change.fits(does_not, made_by);
            assert!(does, "{change:?} {fits} {does_not}");
        }
    }

    #[test]
    fn no_call_causes_status_checks_and_notices() {
        assert!(changed(&[("SystemStatus.Status", "impaired"), ("Notices", "")]).is_nobodys());
        assert!(!changed(&[("SystemStatus.Status", "impaired"), ("Tags", "")]).is_nobodys());
    }

    #[test]
    fn the_end_of_a_transition_belongs_to_an_earlier_call() {
        assert!(changed(&[("State.Name", "stopped")]).ends_transition());
        assert!(!changed(&[("State.Name", "stopping")]).ends_transition());
        assert!(!changed(&[("Tags", "")]).ends_transition());
    }
}
