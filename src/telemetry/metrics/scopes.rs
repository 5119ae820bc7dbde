//! How fresh the copy is, by scope. The number of series does not grow with the number of accounts.

use super::metric_spec::{MetricForm, MetricSpec, MetricUnit};
use super::metrics_page::{LabelText, MetricValue, MetricsPage};
use crate::freshness::{CensusLimits, MemberTrouble, ScopeCensus, ScopeFigure, ScopeState};
use crate::kinds;
use crate::model::{ErrorClass, Kind, Timestamp, Trouble, TroubleClass};

/// How much is shown scope by scope: of 200 accounts and regions everything, of more the first 1,000 that are stale or fail.
pub(super) const LIMITS: CensusLimits = CensusLimits { all: 200, some: 1_000, regions: 400 };

static STALE: MetricSpec = MetricSpec {
    name: "muster_scope_stale",
    unit: MetricUnit::None,
    form: MetricForm::Gauge,
    labels: &["account", "region", "kind"],
    help: "1 where answers may be out of date or incomplete: the last complete sweep of a kind is older than it should be, failed, \
           or never ended; else 0. With more than 200 accounts and regions only the first 1,000 that are stale or fail are shown",
};

static SWEPT: MetricSpec = MetricSpec {
    name: "muster_scope_last_complete_sweep_timestamp",
    unit: MetricUnit::Seconds,
    form: MetricForm::Gauge,
    labels: &["account", "region", "kind"],
    help: "When the last complete sweep of a kind began, for the same scopes as muster_scope_stale, in Unix time",
};

static FAILING: MetricSpec = MetricSpec {
    name: "muster_scope_failing",
    unit: MetricUnit::None,
    form: MetricForm::Gauge,
    labels: &["account", "region", "kind", "cause"],
    help: "1 for each scope of muster_scope_stale whose sweeps fail, with why: throttled, denied, not_found, transient, fatal, \
           store or clock",
};

static NOT_SHOWN: MetricSpec = MetricSpec {
    name: "muster_scopes_not_shown",
    unit: MetricUnit::None,
    form: MetricForm::Gauge,
    labels: &[],
    help: "How many stale or failing scopes muster_scope_stale does not show, because there are more than 1,000",
};

static SCOPES: MetricSpec = MetricSpec {
    name: "muster_scopes",
    unit: MetricUnit::None,
    form: MetricForm::Gauge,
    labels: &["region", "state"],
    help: "How many scopes (a kind in an account and region) are fresh, pending (not swept yet), stale or failing",
};

static AGE: MetricSpec = MetricSpec {
    name: "muster_scope_greatest_age",
    unit: MetricUnit::Seconds,
    form: MetricForm::Gauge,
    labels: &["region", "state"],
    help: "How long ago the last complete sweep of the scope began that was swept longest ago",
};

static HELD: MetricSpec = MetricSpec {
    name: "muster_held_resources",
    unit: MetricUnit::None,
    form: MetricForm::Gauge,
    labels: &["kind"],
    help: "Resources that vanished from a listing all at once, and are kept until AWS says of some of them that they are gone",
};

static UNREADABLE: MetricSpec = MetricSpec {
    name: "muster_unreadable_resources",
    unit: MetricUnit::None,
    form: MetricForm::Gauge,
    labels: &["kind"],
    help: "Resources that AWS lists in a form that Muster cannot read",
};

static TROUBLE: MetricSpec = MetricSpec {
    name: "muster_trouble",
    unit: MetricUnit::None,
    form: MetricForm::Gauge,
    labels: &["cause"],
    help: "1 while nothing at all can be observed, with why: store (it cannot be read or written), or how AWS cannot be reached",
};

static ACCOUNTS_FAILING: MetricSpec = MetricSpec {
    name: "muster_accounts_failing",
    unit: MetricUnit::None,
    form: MetricForm::Gauge,
    labels: &["cause"],
    help: "How many of several accounts cannot be watched at all, by cause, such as denied where a role cannot be assumed",
};

/// The metrics that are described here.
pub(super) static SPECS: &[&MetricSpec] =
    &[&STALE, &SWEPT, &FAILING, &NOT_SHOWN, &SCOPES, &AGE, &HELD, &UNREADABLE, &TROUBLE, &ACCOUNTS_FAILING];

/// Adds a census.
pub(super) fn add(page: &mut MetricsPage, census: &ScopeCensus) {
    for ScopeFigure { scope, kind, state, trouble, swept } in &census.shown {
        let labels = || -> Vec<LabelText> {
            vec![scope.account.as_str().to_owned().into(), scope.region.as_str().to_owned().into(), slug(kind)]
        };
        let is_stale = *state != ScopeState::Fresh;
        page.add(&STALE, labels(), MetricValue::Count(u64::from(is_stale)));
        if let Some(swept) = swept {
            page.add(&SWEPT, labels(), MetricValue::Amount(seconds(*swept)));
        }
        if let Some(trouble) = trouble {
            let labels = labels().into_iter().chain([cause(*trouble).into()]);
            page.add(&FAILING, labels, MetricValue::Count(1));
        }
    }
    page.count(&NOT_SHOWN, census.not_shown);
    for ((region, state), figures) in &census.states {
        let labels = || [LabelText::from(region.as_str().to_owned()), named(*state).into()];
        page.add(&SCOPES, labels(), MetricValue::Count(figures.count));
        if let Some(age) = figures.greatest_age {
            page.add(&AGE, labels(), MetricValue::Amount(age.as_secs_f64()));
        }
    }
    for (spec, counts) in [(&HELD, &census.held), (&UNREADABLE, &census.unreadable)] {
        for (kind, count) in counts {
            page.add(spec, [slug(kind)], MetricValue::Count(*count));
        }
    }
}

/// Adds what prevents everything, or whole accounts, from being observed.
pub(super) fn add_troubles(page: &mut MetricsPage, whole: Option<&Trouble>, members: &[MemberTrouble]) {
    if let Some(trouble) = whole {
        page.add(&TROUBLE, [cause(trouble.class)], MetricValue::Count(1));
    }
    let mut causes: Vec<(&'static str, u64)> = Vec::new();
    for member in members {
        let cause = cause(member.trouble.class);
        match causes.iter_mut().find(|(known, _)| *known == cause) {
            Some((_, count)) => *count += 1,
            None => causes.push((cause, 1)),
        }
    }
    for (cause, count) in causes {
        page.add(&ACCOUNTS_FAILING, [cause], MetricValue::Count(count));
    }
}

/// A time as Prometheus has it.
pub(super) fn seconds(at: Timestamp) -> f64 {
    let since = at.since(Timestamp::EPOCH);
    since.as_secs_f64()
}

/// The name of a kind, as URIs have it.
pub(super) fn slug(kind: &Kind) -> LabelText {
    kinds::of(kind).map_or_else(|| kind.as_str().to_owned().into(), |spec| spec.slug.into())
}

fn named(state: ScopeState) -> &'static str {
    match state {
        ScopeState::Fresh => "fresh",
        ScopeState::Pending => "pending",
        ScopeState::Stale => "stale",
        ScopeState::Failing => "failing",
    }
}

/// The cause of a trouble, as answers name it.
fn cause(class: TroubleClass) -> &'static str {
    match class {
        TroubleClass::Store => "store",
        TroubleClass::Clock => "clock",
        TroubleClass::Offline => "offline",
        TroubleClass::Call(ErrorClass::Throttled) => "throttled",
        TroubleClass::Call(ErrorClass::Denied) => "denied",
        TroubleClass::Call(ErrorClass::NotFound) => "not_found",
        TroubleClass::Call(ErrorClass::Transient) => "transient",
        TroubleClass::Call(ErrorClass::Fatal | ErrorClass::DryRun) => "fatal",
    }
}
