//! One instance as EC2 holds it: what it was born as, and where it is in its life.
//!
//! The state at a moment is a pure function of [`Life`] and that moment; no timer moves it. So `pending` becomes
//! `running` by being looked at later, and what was true at an earlier moment can be asked as well.

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

/// Where an instance is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    /// Pending until `running`, running from then on.
    Up { running: Moment },
    /// Asked to stop at `asked`: stopping until `stopped`, stopped from then on.
    Down { asked: Moment, stopped: Moment },
    /// Asked to terminate at `asked`: shutting down until `terminated`, terminated from then on.
    Gone { asked: Moment, terminated: Moment },
}

/// A status check `DescribeInstanceStatus` reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Check {
    /// `InstanceStatus`: the operating system answers.
    Instance,
    /// `SystemStatus`: the host is well.
    System,
    /// `AttachedEbsStatus`: the volumes answer.
    AttachedEbs,
}

/// A scheduled event of an instance, as `DescribeInstanceStatus` lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduledEvent {
    /// `instance-event-...`.
    pub id: String,
    /// `instance-reboot`, `system-reboot`, `system-maintenance`, `instance-retirement` or `instance-stop`.
    pub code: String,
    /// What AWS says will happen.
    pub description: String,
    /// The earliest start.
    pub not_before: jiff::Timestamp,
    /// The latest end, where AWS names one.
    pub not_after: Option<jiff::Timestamp>,
}

/// Scripted status checks: everything is well unless said otherwise.
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
    /// Set for instances in a public subnet; shown only while the instance is up.
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

    /// When it reaches the state it moves to, and that state.
    pub(crate) const fn settles(&self) -> (Moment, State) {
        match self.life {
            Life::Up { running } => (running, State::Running),
            Life::Down { stopped, .. } => (stopped, State::Stopped),
            Life::Gone { terminated, .. } => (terminated, State::Terminated),
        }
    }

    /// A start asked for at `now`.
    pub(crate) fn started(now: Moment, delay: Duration, public_ip: Option<Ipv4Addr>) -> Self {
        Self { launched: now, life: Life::Up { running: now.plus(delay) }, public_ip }
    }

    /// The same after a stop asked for at `now`.
    pub(crate) fn stopped(self, now: Moment, delay: Duration) -> Self {
        Self { life: Life::Down { asked: now, stopped: now.plus(delay) }, ..self }
    }

    /// The same after a termination asked for at `now`.
    pub(crate) fn terminated(self, now: Moment, delay: Duration) -> Self {
        Self { life: Life::Gone { asked: now, terminated: now.plus(delay) }, ..self }
    }

    /// The same long after its termination.
    pub(crate) fn forgotten(self) -> Self {
        Self { life: Life::Gone { asked: Moment::NEVER, terminated: Moment::NEVER }, ..self }
    }

    /// The same under a clock that was put back to `now`: a move that would last until the clock catches up is over in
    /// `delay`.
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
    /// Its place in the listing order, and what its ids are formulas of.
    pub(crate) number: u64,
    /// The number of the first instance of its reservation.
    pub(crate) lead: u64,
    pub(crate) role: &'static Role,
    pub(crate) machine: &'static Machine,
    pub(crate) image: &'static Image,
    /// What the id of its machine image stands for.
    pub(crate) ami: u64,
    /// The place of its VPC among those the account sees; its security groups are counted by it.
    pub(crate) network: u64,
    /// The number that its VPC's id encodes. For a VPC of the account itself that is `network`.
    pub(crate) vpc: u64,
    /// The number that its subnet's id encodes.
    pub(crate) subnet: u64,
    pub(crate) zone: u64,
    /// Which of its VPC's groups it is in.
    pub(crate) groups: &'static [u64],
    pub(crate) profile: Option<&'static str>,
    pub(crate) private_ip: Ipv4Addr,
    pub(crate) ipv6: Option<Ipv6Addr>,
    /// Whether it gets a public address at each start.
    pub(crate) public: bool,
    /// Its Elastic IP, which it keeps until it has terminated.
    pub(crate) elastic: Option<Ipv4Addr>,
    /// Its disks, where they are not those of the formula.
    pub(crate) disks: Option<Box<[EbsVolume]>>,
    pub(crate) key_name: Option<&'static str>,
    pub(crate) spot: bool,
    pub(crate) managed: bool,
    pub(crate) monitored: bool,
    /// The `ClientToken` of its launch; the formula's instances have one of their own.
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

    /// When the user's stop or termination was asked for; EC2 prints it as the transition reason.
    pub(crate) const fn asked(&self) -> Option<Moment> {
        match self.phase.life {
            Life::Up { .. } => None,
            Life::Down { asked, .. } | Life::Gone { asked, .. } => Some(asked),
        }
    }

    /// The public address: an Elastic IP, or one of Amazon's, which an instance has only while it is up.
    pub(crate) fn address(&self, at: Moment) -> Option<Ipv4Addr> {
        let up = matches!(self.state(at), State::Pending | State::Running | State::Stopping);
        let elastic = self.elastic.filter(|_| self.state(at) != State::Terminated);
        elastic.or(self.phase.public_ip.filter(|_| up))
    }
}
