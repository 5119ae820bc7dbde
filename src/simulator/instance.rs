//! One instance as EC2 knows it: its properties and its phase.
//!
//! The state at a moment is a pure function of [`Life`] and that moment; there are no timers. So `pending` becomes
//! `running` when it is read later, and the state at an earlier moment can be read as well.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

use crate::simulator::catalog::{Image, Machine, Role};
use crate::simulator::clock::Moment;
use crate::simulator::ebs_volume::EbsVolume;
use crate::simulator::tags::Tags;

/// EC2's instance states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Pending,
    Running,
    ShuttingDown,
    Terminated,
    Stopping,
    Stopped,
}

impl State {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::ShuttingDown => "shutting-down",
            Self::Terminated => "terminated",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
        }
    }

    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Pending => 0,
            Self::Running => 16,
            Self::ShuttingDown => 32,
            Self::Terminated => 48,
            Self::Stopping => 64,
            Self::Stopped => 80,
        }
    }
}

/// The part of its life that an instance is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    /// Pending until `running`, running afterwards.
    Up { running: Moment },
    /// A stop was requested at `asked`; stopping until `stopped`, stopped afterwards.
    Down { asked: Moment, stopped: Moment },
    /// A termination was requested at `asked`; shutting down until `terminated`, terminated afterwards.
    Gone { asked: Moment, terminated: Moment },
}

/// A status check that `DescribeInstanceStatus` reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Check {
    /// `InstanceStatus`: whether the operating system responds.
    Instance,
    /// `SystemStatus`: whether the host works.
    System,
    /// `AttachedEbsStatus`: whether the volumes respond.
    AttachedEbs,
}

/// A scheduled event of an instance, as `DescribeInstanceStatus` lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduledEvent {
    /// `instance-event-...`.
    pub id: String,
    /// `instance-reboot`, `system-reboot`, `system-maintenance`, `instance-retirement` or `instance-stop`.
    pub code: String,
    /// AWS's description of the event.
    pub description: String,
    /// The earliest start.
    pub not_before: jiff::Timestamp,
    /// The latest end, if AWS gives one.
    pub not_after: Option<jiff::Timestamp>,
}

/// Scripted status checks: every check passes unless the script says otherwise.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ScriptedChecks {
    pub(crate) impaired: Vec<(Check, Moment)>,
    pub(crate) events: Vec<ScheduledEvent>,
}

impl ScriptedChecks {
    pub(crate) fn impaired_since(&self, check: Check) -> Option<Moment> {
        self.impaired.iter().find(|(c, _)| *c == check).map(|(_, since)| *since)
    }
}

/// The part of an instance that starts, stops and terminations change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Phase {
    pub(crate) launched: Moment,
    pub(crate) life: Life,
    /// Set for instances in a public subnet. It is shown only while the instance is up.
    pub(crate) public_ip: Option<Ipv4Addr>,
}

impl Phase {
    pub(crate) fn state(&self, at: Moment) -> State {
        match self.life {
            Life::Up { running } if at < running => State::Pending,
            Life::Up { .. } => State::Running,
            Life::Down { stopped, .. } if at < stopped => State::Stopping,
            Life::Down { .. } => State::Stopped,
            Life::Gone { terminated, .. } if at < terminated => State::ShuttingDown,
            Life::Gone { .. } => State::Terminated,
        }
    }

    /// The state that the instance is moving to, and when it reaches it.
    pub(crate) const fn settles(&self) -> (Moment, State) {
        match self.life {
            Life::Up { running } => (running, State::Running),
            Life::Down { stopped, .. } => (stopped, State::Stopped),
            Life::Gone { terminated, .. } => (terminated, State::Terminated),
        }
    }

    /// The phase after a start at `now`.
    pub(crate) fn started(now: Moment, delay: Duration, public_ip: Option<Ipv4Addr>) -> Self {
        Self { launched: now, life: Life::Up { running: now.plus(delay) }, public_ip }
    }

    /// The phase after a stop at `now`.
    pub(crate) fn stopped(self, now: Moment, delay: Duration) -> Self {
        Self { life: Life::Down { asked: now, stopped: now.plus(delay) }, ..self }
    }

    /// The phase after a termination at `now`.
    pub(crate) fn terminated(self, now: Moment, delay: Duration) -> Self {
        Self { life: Life::Gone { asked: now, terminated: now.plus(delay) }, ..self }
    }

    /// The phase long after a termination.
    pub(crate) fn forgotten(self) -> Self {
        Self { life: Life::Gone { asked: Moment::NEVER, terminated: Moment::NEVER }, ..self }
    }

    /// The phase after the clock was set back to `now`: a transition still in progress ends after `delay` at the
    /// latest.
    pub(crate) fn rewound(self, now: Moment, delay: Duration) -> Self {
        let limit = now.plus(delay);
        let life = match self.life {
            Life::Up { running } => Life::Up { running: running.min(limit) },
            Life::Down { asked, stopped } => Life::Down { asked: asked.min(now), stopped: stopped.min(limit) },
            Life::Gone { asked, terminated } => Life::Gone { asked: asked.min(now), terminated: terminated.min(limit) },
        };
        Self { life, ..self }
    }
}

/// One instance, as it is at one moment.
#[expect(clippy::struct_excessive_bools, reason = "independent facts, as EC2 has them")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Instance {
    /// Its position in listings. Its ids are formulas of this number.
    pub(crate) number: u64,
    /// The number of the first instance of its reservation.
    pub(crate) lead: u64,
    pub(crate) role: &'static Role,
    pub(crate) machine: &'static Machine,
    pub(crate) image: &'static Image,
    /// The number that its image's id encodes.
    pub(crate) ami: u64,
    /// The position of its VPC among those the account sees. The numbers of its security groups follow from it.
    pub(crate) network: u64,
    /// The number that its VPC's id encodes. For the account's own VPCs this equals `network`.
    pub(crate) vpc: u64,
    /// The number that its subnet's id encodes.
    pub(crate) subnet: u64,
    pub(crate) zone: u64,
    /// The ordinals of its security groups within its VPC.
    pub(crate) groups: &'static [u64],
    pub(crate) profile: Option<&'static str>,
    pub(crate) private_ip: Ipv4Addr,
    pub(crate) ipv6: Option<Ipv6Addr>,
    /// Whether it gets a new public address at each start.
    pub(crate) public: bool,
    /// Its Elastic IP address, until it has terminated.
    pub(crate) elastic: Option<Ipv4Addr>,
    /// Its volumes, if they differ from those of the formula.
    pub(crate) disks: Option<Box<[EbsVolume]>>,
    pub(crate) key_name: Option<&'static str>,
    pub(crate) spot: bool,
    pub(crate) managed: bool,
    pub(crate) monitored: bool,
    /// The `ClientToken` of its launch; `None` for the formula's instances, which derive one.
    pub(crate) token: Option<Arc<str>>,
    pub(crate) created: Moment,
    pub(crate) phase: Phase,
    pub(crate) tags: Tags,
    pub(crate) health: Option<Box<ScriptedChecks>>,
}

impl Instance {
    pub(crate) fn state(&self, at: Moment) -> State {
        self.phase.state(at)
    }

    /// When it was last started.
    pub(crate) const fn launched(&self) -> Moment {
        self.phase.launched
    }

    /// When the user asked for the stop or termination. EC2 prints this as the transition reason.
    pub(crate) const fn asked(&self) -> Option<Moment> {
        match self.phase.life {
            Life::Up { .. } => None,
            Life::Down { asked, .. } | Life::Gone { asked, .. } => Some(asked),
        }
    }

    /// The public address: an Elastic IP address, or one that Amazon assigns while the instance is up.
    pub(crate) fn address(&self, at: Moment) -> Option<Ipv4Addr> {
        let up = matches!(self.state(at), State::Pending | State::Running | State::Stopping);
        let elastic = self.elastic.filter(|_| self.state(at) != State::Terminated);
        elastic.or(self.phase.public_ip.filter(|_| up))
    }
}
