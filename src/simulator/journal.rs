//! The oracle: what was true of each resource at any moment, without faults and without lag.
//!
//! A journal lists the moments at which anything that a Describe call shows of a resource changed. This includes
//! changes that no call makes: `pending` becomes `running`, status checks finish initializing, EC2 stops listing a
//! terminated instance. Between two such moments every Describe call shows the same. At the moment itself both the
//! state before and the state after are true, for a client that asks in the same millisecond.
//!
//! `/_simulator/at/{ms}/` is the other half of the oracle: a base URL at which all reading calls answer as of that
//! moment.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::simulator::account::{Account, Reading};
use crate::simulator::clock::Moment;
use crate::simulator::ec2;
use crate::simulator::happening::RecordedCaller;
use crate::simulator::ident::Kind;
use crate::simulator::instance::Life;
use crate::simulator::network::GROUPS;
use crate::simulator::refusal::Refusal;
use crate::simulator::request::{Caller, Params};
use crate::simulator::sts;
use crate::simulator::view::View;
use crate::simulator::world::World;

impl Account {
    /// All moments up to now at which anything that a Describe call shows of a resource changed, oldest first. Empty
    /// for ids that were never given out.
    #[must_use]
    pub fn moments(&self, id: &str) -> Vec<Timestamp> {
        let found = self.resource(id).map(|(kind, number)| self.reading().moments(self, kind, number));
        found.unwrap_or_default().into_iter().map(Moment::timestamp).collect()
    }

    /// Whether EC2 listed a resource at a moment.
    #[must_use]
    pub fn exists_at(&self, id: &str, moment: Timestamp) -> bool {
        let resource = self.resource(id);
        resource.is_ok_and(|(kind, number)| self.reading().holds(kind, number, Moment::of(moment)))
    }

    /// The state of an instance at a moment, even if EC2 no longer lists it; for a future moment, its state if nothing
    /// intervenes. `None` before its launch.
    #[must_use]
    pub fn state_then(&self, id: &str, moment: Timestamp) -> Option<&'static str> {
        self.state_at(id, Moment::of(moment))
    }

    /// Like [`Account::state_then`].
    pub(crate) fn state_at(&self, id: &str, at: Moment) -> Option<&'static str> {
        let reading = self.reading();
        let number = reading.number(id).ok()??;
        reading.instance(number, at).map(|instance| instance.state(at).name())
    }

    /// The ids of all resources that were ever changed or created, by kind.
    #[must_use]
    pub fn touched_ids(&self) -> Vec<String> {
        let touched = self.reading().touched();
        touched.into_iter().map(|(kind, number)| self.plan().idents.text(kind, number)).collect()
    }
}

impl Reading<'_> {
    /// The moments up to now at which a resource changed.
    fn moments(&self, account: &Account, kind: Kind, number: u64) -> Vec<Moment> {
        let mut moments = self.changes(kind, number);
        match kind {
            Kind::Instance => {
                let phases = self.phases(number);
                let ends = phases.iter().skip(1).map(|(from, _)| *from).chain([Moment::LAST]);
                for ((from, phase), end) in phases.iter().zip(ends) {
                    let (settled, _) = phase.settles();
                    let later = match phase.life {
                        Life::Up { .. } => settled.plus(account.pace().initializing),
                        Life::Down { .. } => settled,
                        Life::Gone { .. } => self.forgets(number, phase).unwrap_or(settled),
                    };
                    let inside = |moment: &Moment| *from < *moment && *moment < end;
                    moments.extend([settled, later].into_iter().filter(inside));
                }
            }
            Kind::Vpc | Kind::SecurityGroup => {
                let place = if kind == Kind::Vpc { number } else { number / GROUPS };
                moments.extend(self.shared_since(place));
            }
            _ => {}
        }
        moments.extend(self.scene().moments(kind, number));
        let now = self.now();
        let moments: BTreeSet<Moment> =
            moments.into_iter().filter(|moment| Moment::NEVER < *moment && *moment <= now).collect();
        moments.into_iter().collect()
    }
}

/// Answers with the journal of one resource by `id`, or, without an id, with the ids of all resources ever changed.
pub(crate) fn journal(account: &Account, id: Option<&str>) -> Value {
    let Some(id) = id else { return json!({ "ids": account.touched_ids() }) };
    let kind = account.resource(id).ok().and_then(|(kind, _)| kind.resource_type());
    let moments: Vec<i64> = account.moments(id).into_iter().map(Timestamp::as_millisecond).collect();
    json!({ "id": id, "kind": kind, "moments": moments })
}

/// Answers a call to the past. `path` is the part after `at/`.
///
/// # Errors
/// What AWS would have refused at that time, calls that change things, and a path without a moment.
pub(crate) fn at(
    world: &World,
    path: &str,
    caller: &Caller,
    params: &Params,
    request: &str,
) -> Result<String, Refusal> {
    let ms = path.split('/').next().unwrap_or_default();
    let moment =
        ms.parse().ok().filter(|ms| Timestamp::from_millisecond(*ms).is_ok()).map(Moment).ok_or_else(|| {
            Refusal::new(
                404,
                "NotFound",
                format!("{ms} is not a moment; give milliseconds since the epoch: /_simulator/at/{{ms}}/"),
            )
        })?;
    let action = params.get("Action").ok_or_else(|| Refusal::missing("Action"))?;
    let account = caller.account(&world.options().account);
    let is_sts = caller.service == "sts";
    let mutates = if is_sts { sts::mutates(action) } else { ec2::mutates(action) };
    if mutates {
        let message =
            format!("{action} changes things, and the past cannot be changed; send it to the simulator's own URL");
        return Err(Refusal::new(400, "UnsupportedOperation", message));
    }
    if is_sts {
        let (sessions, board) = (world.sessions(), world.faults());
        let roster = world.roster();
        return sts::answer(
            &sts::Call { params, sessions, board, roster, caller, account, now: moment, request },
            action,
        );
    }
    if !world.knows_region(&caller.region) {
        return Err(Refusal::wrong_region(&caller.region));
    }
    let account = world.account(account, &caller.region);
    let view = View::clear(moment);
    ec2::answer(
        &ec2::Call { params, account: &account, now: moment, view, request, by: &RecordedCaller::default() },
        action,
    )
}
