//! Which instances the internet can reach.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::core::Core;
use super::error::RequestError;
use crate::kinds::{INSTANCE, NETWORK_INTERFACE};
use crate::model::{Document, ResourceId, Scope, ScopeFilter};
use crate::query::exposure::gather::{Interface, Open, Reaches, each_public};
use crate::query::exposure::{AskedPorts, Does, LEAVES_OUT, ReachVerdict};
use crate::store::{Comparison, On, ValuePattern};

/// How many stretches of ports are shown of one instance.
const SHOWN: usize = 6;

/// The instances that the internet can reach.
pub struct ExposedInstances {
    /// That an instance is one of them.
    pub tests: Vec<Comparison>,
    /// Why instances are left out of which it is not known, a sentence each.
    pub left_out: Vec<String>,
}

impl Core {
    /// The instances of which the internet can reach any of these ports, in one scope or everywhere.
    ///
    /// # Errors
    /// [`RequestError::Unsure`] where nothing can be told, since network interfaces cannot be relied on anywhere.
    pub fn exposed(&self, scope: &ScopeFilter, asked: &[AskedPorts]) -> Result<ExposedInstances, RequestError> {
        let scopes = self.scopes_asked_for(&[INSTANCE], scope);
        let doubts: BTreeMap<Scope, String> = scopes
            .iter()
            .filter_map(|state| Some((state.scope.clone(), self.unsure(&state.scope, NETWORK_INTERFACE)?)))
            .collect();
        let said = doubts.iter().map(|(scope, why)| format!("{} in {scope}: {why}", NETWORK_INTERFACE.plural));
        let mut left_out: Vec<String> = said.collect();
        if doubts.len() == scopes.len() {
            let what = "which instances the internet can reach".to_owned();
            return Err(RequestError::Unsure { what, why: left_out.join("; ") });
        }
        let unsure = |scope: &Scope, kind| self.unsure(scope, kind);
        let mut reaches = Reaches::new(&self.store, &unsure);
        let id = INSTANCE.filter("instance-id").map_or(u16::MAX, |filter| filter.number);
        let mut tests = Vec::new();
        // How many are left out for each reason.
        let mut unknown: BTreeMap<String, usize> = BTreeMap::new();
        for ((scope, instance), interfaces) in each_public(&self.store, scope)? {
            if doubts.contains_key(&scope) {
                continue;
            }
            let mut reason = None;
            let mut is_reachable = false;
            for AskedPorts { protocol, ports } in asked {
                match reaches.verdict(&scope, &interfaces, *protocol, *ports)? {
                    ReachVerdict::Reachable => is_reachable = true,
                    ReachVerdict::Unknown => {
                        let hops = reaches.ask(&scope, &interfaces, *protocol, *ports)?.hops;
                        reason = hops.into_iter().find(|hop| hop.does == Does::Unknown).map(|hop| hop.why);
                    }
                    ReachVerdict::NotReachable => {}
                }
            }
            if is_reachable {
                tests.push(Comparison { on: On::Facet(id), pattern: ValuePattern::exactly(&instance) });
            } else if let Some(reason) = reason {
                *unknown.entry(reason).or_default() += 1;
            }
        }
        let mut reasons: Vec<(String, usize)> = unknown.into_iter().collect();
        reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        left_out.extend(reasons.into_iter().take(SHOWN).map(|(why, count)| {
            format!("left out: {count} of which it is not known whether the internet can reach them: {why}")
        }));
        Ok(ExposedInstances { tests, left_out })
    }

    /// What of an instance the internet can reach, as data and as lines of text.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn exposure(&self, id: &ResourceId, instance: &Document) -> Result<(Value, Vec<String>), RequestError> {
        let interfaces = Interface::of_instance(instance);
        if let Some(why) = self.unsure(&id.scope(), INSTANCE) {
            let said = format!("Open to the internet: not known ({why})");
            return Ok((json!({"open": [], "unknown": [why], "leaves_out": LEAVES_OUT}), vec![said]));
        }
        if interfaces.iter().all(|interface| interface.addresses.is_empty()) {
            let said = "Open to the internet: nothing, because the instance has no public address".to_owned();
            return Ok((json!({"open": [], "why": "no public address", "leaves_out": LEAVES_OUT}), vec![said]));
        }
        let unsure = |scope: &Scope, kind| self.unsure(scope, kind);
        let found = Reaches::new(&self.store, &unsure).open(&id.scope(), &interfaces)?;
        let (open, unknown): (Vec<&Open>, Vec<&Open>) =
            found.iter().partition(|open| open.verdict == ReachVerdict::Reachable);
        let mut lines = Vec::new();
        for Open { protocol, ports, from, hops, .. } in open.iter().take(SHOWN) {
            let by = hops.last().map_or("", |hop| hop.why.as_str());
            lines.push(format!("Open to the internet: {protocol} {ports} from {from} ({by})"));
        }
        let each = open.iter().take(SHOWN).map(|Open { protocol, ports, from, hops, .. }| {
            let path: Vec<&str> = hops.iter().map(|hop| hop.why.as_str()).collect();
            json!({"protocol": protocol, "ports": ports.to_string(), "from": from, "path": path})
        });
        let mut data =
            Map::from_iter([("open".to_owned(), each.collect()), ("leaves_out".to_owned(), json!(LEAVES_OUT))]);
        if let Some(more) = open.len().checked_sub(SHOWN).filter(|more| *more > 0) {
            data.insert("more".to_owned(), json!(more));
            lines.push(format!("Open to the internet: {more} more ranges of ports, which are not shown"));
        }
        let whys: Vec<String> = unknown
            .iter()
            .take(SHOWN)
            .map(|Open { protocol, ports, from, hops, .. }| {
                let why = hops.iter().find(|hop| hop.does == Does::Unknown).map_or("", |hop| hop.why.as_str());
                format!("{protocol} {ports} from {from}: {why}")
            })
            .collect();
        lines.extend(whys.iter().map(|why| format!("Not known whether open to the internet: {why}")));
        if !whys.is_empty() {
            data.insert("unknown".to_owned(), json!(whys));
        }
        if lines.is_empty() {
            lines.push("Open to the internet: nothing".to_owned());
        }
        Ok((Value::Object(data), lines))
    }
}
