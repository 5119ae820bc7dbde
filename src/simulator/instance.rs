//! One instance as EC2 holds it: what it was born as, and where it is in its life.
//!
//! The state at a moment is a pure function of [`Life`] and that moment; no timer moves it. So `pending` becomes
//! `running` by being looked at later, and what was true at an earlier moment can be asked as well.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use crate::simulator::catalog::{Image, Machine, Role};
use crate::simulator::clock::Moment;
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
pub(crate) struct Health {
    pub(crate) impaired: Vec<(Check, Moment)>,
    pub(crate) events: Vec<ScheduledEvent>,
}

impl Health {
    pub(crate) fn impaired_since(&self, check: Check) -> Option<Moment> {
        self.impaired.iter().find(|(c, _)| *c == check).map(|(_, since)| *since)
    }
}

/// One instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Instance {
    /// Its place in the listing order, and what its ids are formulas of.
    pub(crate) number: u64,
    /// The number of the first instance of its reservation.
    pub(crate) lead: u64,
    pub(crate) role: &'static Role,
    pub(crate) machine: &'static Machine,
    pub(crate) image: &'static Image,
    pub(crate) vpc: u64,
    pub(crate) zone: u64,
    pub(crate) private_ip: Ipv4Addr,
    pub(crate) ipv6: Option<Ipv6Addr>,
    /// Set for instances in a public subnet; shown only while the instance is up.
    pub(crate) public_ip: Option<Ipv4Addr>,
    /// Its Elastic IP, which it keeps until it has terminated.
    pub(crate) elastic: Option<Ipv4Addr>,
    pub(crate) key_name: Option<&'static str>,
    pub(crate) spot: bool,
    pub(crate) managed: bool,
    pub(crate) monitored: bool,
    pub(crate) created: Moment,
    pub(crate) launched: Moment,
    pub(crate) life: Life,
    pub(crate) tags: Tags,
    pub(crate) health: Option<Box<Health>>,
}

impl Instance {
    pub(crate) fn state(&self, now: Moment) -> State {
        match self.life {
            Life::Up { running } if now < running => State::Pending,
            Life::Up { .. } => State::Running,
            Life::Down { stopped, .. } if now < stopped => State::Stopping,
            Life::Down { .. } => State::Stopped,
            Life::Gone { terminated, .. } if now < terminated => State::ShuttingDown,
            Life::Gone { .. } => State::Terminated,
        }
    }

    /// Whether EC2 still lists it: a terminated instance is forgotten after `retention`.
    pub(crate) fn visible(&self, now: Moment, retention: Duration) -> bool {
        match self.life {
            Life::Gone { terminated, .. } => now < terminated.plus(retention),
            _ => true,
        }
    }

    /// When the user's stop or termination was asked for; EC2 prints it as the transition reason.
    pub(crate) fn asked(&self) -> Option<Moment> {
        match self.life {
            Life::Up { .. } => None,
            Life::Down { asked, .. } | Life::Gone { asked, .. } => Some(asked),
        }
    }

    /// The public address: an Elastic IP, or one of Amazon's, which an instance has only while it is up.
    pub(crate) fn address(&self, now: Moment) -> Option<Ipv4Addr> {
        let up = matches!(self.state(now), State::Pending | State::Running | State::Stopping);
        let elastic = self.elastic.filter(|_| self.state(now) != State::Terminated);
        elastic.or(self.public_ip.filter(|_| up))
    }

    /// Begins a start at `now`.
    pub(crate) fn start(&mut self, now: Moment, delay: Duration) {
        self.life = Life::Up { running: now.plus(delay) };
        self.launched = now;
    }

    /// Begins a stop at `now`.
    pub(crate) fn stop(&mut self, now: Moment, delay: Duration) {
        self.life = Life::Down { asked: now, stopped: now.plus(delay) };
    }

    /// Begins a termination at `now`.
    pub(crate) fn terminate(&mut self, now: Moment, delay: Duration) {
        self.life = Life::Gone { asked: now, terminated: now.plus(delay) };
    }

    pub(crate) fn health_mut(&mut self) -> &mut Health {
        self.health.get_or_insert_with(Box::default)
    }
}
