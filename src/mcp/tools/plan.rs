//! What a change would do, before it is done: a dry run shows it, and so does whoever has to confirm the change.
//!
//! A plan is made from the document that AWS has just shown and from what the copy knows of the volumes. It says only what follows
//! from these, and names what it does not look at. Equal facts make equal plans, and [`WritePlan::digest`] names them.

mod effects;
mod volume;

use std::collections::{BTreeMap, BTreeSet};

use rmcp::schemars::{Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde_json::{Value, json};

use super::budget::{BUDGET, RowBudget};
use super::write_through::LiveInstance;
use crate::kinds::VOLUME;
use crate::mcp::claim_desk::sha256;
use crate::mcp::core::Core;
use crate::mcp::error::RequestError;
use crate::model::known::state_name;
use crate::model::text::shown;
use crate::model::{Document, ResourceId};
pub use effects::PlannedEffect;
pub use volume::{PlannedVolume, devices};

/// The longest value of a tag or name to show.
const MAX_TEXT: usize = 80;
/// The most bytes of a plan in a question that say of one instance after the other what happens to it.
const MAX_ASKED: usize = 12_000;

/// A tool, and what it would do to each instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WritePlan {
    /// The tool.
    pub tool: &'static str,
    /// What it does.
    #[serde(skip)]
    pub effect: PlannedEffect,
    /// The instances that would be changed, in the order in which they were named.
    pub instances: Vec<PlannedChange>,
}

/// A plan in an answer.
#[derive(Clone, Debug)]
pub struct ShownPlan {
    /// An instance a line, with what would happen to it.
    pub text: String,
    /// The same as data.
    pub data: Value,
}

/// An instance as it is, and what would happen to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlannedChange {
    /// The instance, with its account and region.
    #[serde(skip)]
    pub id: ResourceId,
    /// The instance.
    pub instance_id: String,
    /// Its account.
    pub account: String,
    /// Its region.
    pub region: String,
    /// Its tag `Name`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its state.
    pub state: String,
    /// Its type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance_type: Option<String>,
    /// The tags that rules look at.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// Its Auto Scaling group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_scaling_group: Option<String>,
    /// Its volumes.
    pub volumes: Vec<PlannedVolume>,
    /// What would happen, in sentences.
    pub effects: Vec<String>,
}

impl WritePlan {
    /// Plans what `tool` would do to instances as they are now. `keys` are the keys of tags that rules look at.
    ///
    /// # Errors
    /// When the copy cannot be read.
    pub fn make(
        core: &Core,
        tool: &'static str,
        effect: &PlannedEffect,
        targets: &[LiveInstance],
        keys: &BTreeSet<String>,
    ) -> Result<Self, RequestError> {
        let mut instances = Vec::with_capacity(targets.len());
        for target in targets {
            let users = users(core, target)?;
            instances.push(PlannedChange::of(&target.id, &target.document, effect, &users, keys));
        }
        Ok(WritePlan { tool, effect: effect.clone(), instances })
    }

    /// The instances that would be changed.
    #[must_use]
    pub fn ids(&self) -> Vec<ResourceId> {
        self.instances.iter().map(|change| change.id.clone()).collect()
    }

    /// Whether it changes the instance with this id.
    #[must_use]
    pub fn names(&self, id: &str) -> bool {
        self.instances.iter().any(|change| change.instance_id == id)
    }

    /// A name of everything that the plan shows, as 64 hexadecimal digits. Another plan has another one.
    #[must_use]
    pub fn digest(&self) -> String {
        let mut instances: Vec<&PlannedChange> = self.instances.iter().collect();
        instances.sort_by_key(|change| &change.id);
        // Every field is text, a list or an ordered map, which JSON can hold.
        let bytes = serde_json::to_vec(&(self.tool, instances)).unwrap_or_default();
        sha256(&bytes)
    }

    /// The plan as an answer shows it: as text and as data, of as many instances as fit into half of an answer.
    #[must_use]
    pub fn shown(&self) -> ShownPlan {
        let mut budget = RowBudget::beside(BUDGET / 2);
        let (mut lines, mut data) = (Vec::new(), Vec::new());
        for change in &self.instances {
            let (line, row) = (change.line(), json!(change));
            if !budget.takes(&line, &row.to_string()) {
                break;
            }
            lines.push(line);
            data.push(row);
        }
        let left = self.instances.len() - data.len();
        let mut plan = json!({"tool": self.tool, "instances": data});
        if let (Value::Object(plan), 1..) = (&mut plan, left) {
            plan.insert("not_shown".to_owned(), json!(left));
            lines.push(format!(
                "{left} more instances are not shown here: name fewer of them to see what would happen."
            ));
        }
        lines.push(self.effect.not_looked_at().to_owned());
        ShownPlan { text: lines.join("\n"), data: plan }
    }

    /// The plan as somebody is asked to agree to it: every instance by its name, and everything that happens to it. Where that is long,
    /// what happens to several is said once for all of them.
    #[must_use]
    pub fn asked(&self) -> String {
        let mut lines: Vec<String> = self.instances.iter().map(PlannedChange::line).collect();
        if lines.iter().map(String::len).sum::<usize>() > MAX_ASKED {
            lines = self.instances.iter().map(PlannedChange::head).collect();
            lines.extend(self.grouped());
        }
        lines.push(self.effect.not_looked_at().to_owned());
        lines.join("\n")
    }

    /// What happens, each sentence once with the instances that it is about.
    fn grouped(&self) -> Vec<String> {
        let mut said: Vec<(&str, Vec<&str>)> = Vec::new();
        for (change, effect) in
            self.instances.iter().flat_map(|change| change.effects.iter().map(move |effect| (change, effect)))
        {
            match said.iter_mut().find(|(sentence, _)| sentence == effect) {
                Some((_, ids)) => ids.push(&change.instance_id),
                None => said.push((effect, vec![&change.instance_id])),
            }
        }
        let all = self.instances.len();
        let whom = |ids: &[&str]| if ids.len() == all { "Each of them".to_owned() } else { ids.join(", ") };
        said.into_iter().map(|(sentence, ids)| format!("{}: {sentence}", whom(&ids))).collect()
    }

    /// The same as the log records it, in one line.
    #[must_use]
    pub fn recorded(&self) -> String {
        self.asked().replace('\n', " ")
    }

    /// The schema of a plan in an answer. The fields explain themselves, and each further word costs every model.
    #[must_use]
    pub fn schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "object", "description": "For a dry run: each instance as it is now, and what would happen to it."})
    }
}

impl PlannedChange {
    fn line(&self) -> String {
        format!("{}: {}", self.head(), self.effects.join(" "))
    }

    fn head(&self) -> String {
        let PlannedChange { instance_id, name, state, instance_type, account, region, .. } = self;
        let named = name.as_ref().map_or_else(String::new, |name| format!(" \"{}\"", name.replace('"', "'")));
        let kind = instance_type.as_ref().map_or_else(String::new, |kind| format!("{kind}, "));
        format!("{instance_id}{named} ({kind}{state}, {account}/{region})")
    }

    fn of(
        id: &ResourceId,
        document: &Document,
        effect: &PlannedEffect,
        users: &BTreeMap<String, Vec<String>>,
        keys: &BTreeSet<String>,
    ) -> Self {
        let text = |path: &str| document.text(path).map(|text| shown(text, MAX_TEXT));
        let tags = document.tags().filter(|(key, _)| keys.contains(*key));
        let volumes = devices(document).into_iter().map(|(volume_id, device)| PlannedVolume {
            also_used_by: users.get(&volume_id).cloned().unwrap_or_default(),
            volume_id,
            device: shown(&device, MAX_TEXT),
        });
        let volumes: Vec<PlannedVolume> = volumes.collect();
        PlannedChange {
            id: id.clone(),
            instance_id: id.id.to_string(),
            account: id.account.to_string(),
            region: id.region.to_string(),
            name: document.tag("Name").map(|name| shown(name, MAX_TEXT)),
            state: document.get("State").and_then(state_name).unwrap_or("unknown").to_owned(),
            instance_type: text("InstanceType"),
            tags: tags.map(|(key, value)| (shown(key, MAX_TEXT), shown(value, MAX_TEXT))).collect(),
            auto_scaling_group: document.tag(effects::AUTO_SCALING_GROUP).map(|group| shown(group, MAX_TEXT)),
            effects: effects::effects(document, effect, &volumes),
            volumes,
        }
    }
}

/// The other instances that use each volume of an instance, as far as the copy knows.
fn users(core: &Core, target: &LiveInstance) -> Result<BTreeMap<String, Vec<String>>, RequestError> {
    let snapshot = core.snapshot()?;
    let mut users = BTreeMap::new();
    for volume in devices(&target.document).into_keys() {
        let id = ResourceId::new(&target.id.scope(), &VOLUME.kind(), volume.as_str());
        let Some(current) = snapshot.current(&id)? else { continue };
        let mut others = current.document.scalars("Attachments.InstanceId");
        others.retain(|other| *other != *target.id.id);
        others.sort();
        others.dedup();
        if !others.is_empty() {
            users.insert(volume, others);
        }
    }
    Ok(users)
}

#[cfg(test)]
mod tests;
