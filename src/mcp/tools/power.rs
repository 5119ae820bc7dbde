//! Starting and stopping instances: what `start_instance` and `stop_instance` share.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use serde_json::{Value, json};

use super::answer::Answer;
use super::table::{self, Text};
use super::write_through::{Checked, Target, Verdict, check, dry_run, explain, failed, record, to_the_end};
use super::{Call, schema};
use crate::aws::{Answer as AwsAnswer, AwsError, StateChange};
use crate::mcp::core::Core;
use crate::mcp::error::Fault;
use crate::model::known::state_name;
use crate::model::{ActionId, Observation, Outcome, Region, ResourceId, Seen, Seq, Source};

/// Instances in one call at most.
pub const MOST: usize = 50;

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Power {
    /// From stopped to running.
    Start,
    /// From running to stopped.
    Stop {
        /// Without giving the operating system a chance to flush its caches.
        force: bool,
    },
}

/// How it went for one instance.
#[derive(Debug, Serialize)]
struct Row {
    instance_id: String,
    verdict: Verdict,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_state: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    current_state: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

/// How it went for all.
#[derive(Debug, Default)]
struct Report {
    rows: Vec<Row>,
    actions: Vec<ActionId>,
    seq: Option<Seq>,
}

impl Power {
    fn tool(self) -> &'static str {
        match self {
            Power::Start => "start_instance",
            Power::Stop { .. } => "stop_instance",
        }
    }

    /// Whether an instance in `state` is as asked already, or on its way.
    fn is_already(self, state: &str) -> bool {
        match self {
            Power::Start => matches!(state, "running" | "pending"),
            // One that hangs while it stops is what force is for.
            Power::Stop { force } => state == "stopped" || (state == "stopping" && !force),
        }
    }

    /// Whether AWS takes the call for an instance in `state` for certain. Others are called one by one, because AWS takes
    /// all of a call or none.
    fn is_ready(self, state: &str) -> bool {
        match self {
            Power::Start => state == "stopped",
            Power::Stop { .. } => state == "running",
        }
    }

    async fn call(
        self,
        core: &Core,
        region: &Region,
        ids: &[String],
        dry_run: bool,
    ) -> Result<AwsAnswer<Vec<StateChange>>, AwsError> {
        match self {
            Power::Start => core.aws.start_instances(region, ids, dry_run).await,
            Power::Stop { force } => core.aws.stop_instances(region, ids, force, dry_run).await,
        }
    }

    /// What AWS's refusal means for an instance in `state`.
    fn hint(self, state: &str) -> &'static str {
        match (self, state) {
            (_, "terminated" | "shutting-down") => " It is terminated or about to be: that cannot be undone.",
            (Power::Start, "stopping") => " It is still stopping: start it once get_instance_status shows `stopped`.",
            (Power::Stop { .. }, "pending") => {
                " It is still starting: stop it once get_instance_status shows `running`."
            }
            _ => "",
        }
    }
}

/// The arguments of both tools, and what else one of them takes.
#[must_use]
pub fn input(more: Value) -> Value {
    let mut properties = json!({"dry_run": dry_run()});
    if let (Value::Object(properties), Value::Object(more)) = (&mut properties, more) {
        properties.extend(more);
    }
    schema::instances(MOST, properties)
}

/// The structured content of both tools.
#[must_use]
pub fn output() -> Value {
    let row = schema::object(
        &["instance_id", "verdict"],
        json!({
            "instance_id": schema::text("The EC2 instance ID."),
            "verdict": Verdict::schema(),
            "previous_state": schema::text("Its state before."),
            "current_state": schema::text("Its state as AWS answered."),
            "message": schema::text("Why not, or what to do next."),
        }),
    );
    schema::object(
        &["results", "dry_run"],
        json!({
            "results": schema::list(row, "One row for each instance."),
            "dry_run": {"type": "boolean", "description": "Whether this was only asked."},
            "actions": schema::list(json!({"type": "string"}), "The recorded calls."),
            "seq": schema::count("A read at this seq or a later one shows the change."),
        }),
    )
}

/// Serves a call of either tool.
///
/// # Errors
/// Bad arguments, or an inventory that cannot be read or written. What AWS refuses is in the answer.
pub async fn serve(call: Call, power: Power) -> Result<Answer, Fault> {
    let Call { core, arguments, .. } = call;
    let ids = arguments.instance_ids(MOST)?;
    let dry_run = arguments.flag("dry_run", false)?;
    let work = {
        let core = Arc::clone(&core);
        async move { run(&core, power, &ids, dry_run).await.map(|report| (report, ids)) }
    };
    let (mut report, ids) = to_the_end(&core, work).await?;
    report.rows.sort_by_key(|row| ids.iter().position(|id| *id == row.instance_id));
    Ok(report.answer(power, dry_run))
}

async fn run(core: &Core, power: Power, ids: &[String], dry_run: bool) -> Result<Report, Fault> {
    let Checked { targets, problems, .. } = check(core, ids).await?;
    let mut report = Report::default();
    for (instance_id, verdict, message) in problems {
        let message = Some(message);
        report.rows.push(Row { instance_id, verdict, previous_state: None, current_state: None, message });
    }
    let (already, rest): (Vec<Target>, Vec<Target>) =
        targets.into_iter().partition(|target| power.is_already(target.state()));
    for target in already {
        let state = Some(target.state().to_owned());
        let message = Some(format!("already {}: nothing was called", target.state()));
        report.rows.push(Row {
            instance_id: target.id.id.to_string(),
            verdict: Verdict::Already,
            previous_state: state.clone(),
            current_state: state,
            message,
        });
    }
    let (ready, odd): (Vec<Target>, Vec<Target>) = rest.into_iter().partition(|target| power.is_ready(target.state()));
    let mut batches: BTreeMap<Region, Vec<Target>> = BTreeMap::new();
    for target in ready {
        batches.entry(target.id.region.clone()).or_default().push(target);
    }
    for batch in batches.into_values().chain(odd.into_iter().map(|target| vec![target])) {
        change(core, power, batch, dry_run, &mut report).await?;
    }
    Ok(report)
}

/// One AWS call for instances of one region. When AWS refuses it for one of several, each is called alone.
async fn change(
    core: &Core,
    power: Power,
    targets: Vec<Target>,
    dry_run: bool,
    report: &mut Report,
) -> Result<(), Fault> {
    let Some(region) = targets.first().map(|target| target.id.region.clone()) else { return Ok(()) };
    let ids: Vec<String> = targets.iter().map(|target| target.id.id.to_string()).collect();
    let action = if dry_run {
        None
    } else {
        let resources: Vec<ResourceId> = targets.iter().map(|target| target.id.clone()).collect();
        Some(core.ingest.begin(power.tool(), resources).await?)
    };
    let answer = power.call(core, &region, &ids, dry_run).await;
    match answer {
        Ok(AwsAnswer::WouldBeAllowed) => {
            report.rows.extend(targets.iter().map(|target| Row::of(target, Verdict::WouldBeAllowed, None)));
        }
        Ok(AwsAnswer::Done { result, answered_at }) => {
            let observations = targets.iter().filter_map(|target| {
                let change = result.iter().find(|change| *change.id == *target.id.id)?;
                let seen = Seen::StateAsserted(change.current.clone()?);
                Some(Observation { source: Source::Tool, at: answered_at, id: target.id.clone(), seen })
            });
            let remark = match action {
                Some(action) => {
                    let outcome = Outcome::Succeeded { created: Vec::new() };
                    report.finish(core, action, outcome, observations.collect()).await
                }
                None => None,
            };
            for target in &targets {
                let change = result.iter().find(|change| *change.id == *target.id.id);
                report.rows.push(Row::changed(target, change, remark.clone()));
            }
        }
        Err(error) => {
            let (outcome, verdict) = failed(&error);
            if let Some(action) = action {
                report.finish(core, action, outcome, Vec::new()).await;
            }
            if targets.len() > 1 && verdict == Verdict::Refused && error.code.is_some() {
                for target in targets {
                    Box::pin(change(core, power, vec![target], dry_run, report)).await?;
                }
                return Ok(());
            }
            for target in &targets {
                let message = match verdict {
                    Verdict::Unknown => format!(
                        "{} It may have happened: get_instance_status shows the state within two minutes.",
                        explain(&error)
                    ),
                    _ => format!("{}{}", explain(&error), power.hint(target.state())),
                };
                report.rows.push(Row::of(target, verdict, Some(message)));
            }
        }
    }
    Ok(())
}

impl Row {
    fn of(target: &Target, verdict: Verdict, message: Option<String>) -> Self {
        let previous_state = Some(target.state().to_owned());
        Row { instance_id: target.id.id.to_string(), verdict, previous_state, current_state: None, message }
    }

    fn changed(target: &Target, change: Option<&StateChange>, message: Option<String>) -> Self {
        let name = |state: Option<&crate::model::Value>| state.and_then(state_name).map(str::to_owned);
        let previous = name(change.and_then(|change| change.previous.as_ref()));
        Row {
            instance_id: target.id.id.to_string(),
            verdict: Verdict::Done,
            previous_state: previous.or_else(|| Some(target.state().to_owned())),
            current_state: name(change.and_then(|change| change.current.as_ref())),
            message,
        }
    }
}

impl Report {
    async fn finish(
        &mut self,
        core: &Core,
        action: ActionId,
        outcome: Outcome,
        observations: Vec<Observation>,
    ) -> Option<String> {
        self.actions.push(action);
        let (seq, remark) = record(core, action, outcome, observations).await;
        self.seq = self.seq.max(seq);
        remark
    }

    fn answer(self, power: Power, dry_run: bool) -> Answer {
        let (verb, way) = match power {
            Power::Start => ("start", "starting; running usually takes under a minute"),
            Power::Stop { .. } => ("stop", "stopping; it usually takes under a minute, longer for large memory"),
        };
        let good = self.rows.iter().filter(|row| row.verdict.is_good()).count();
        let mut text = Text::new(match (dry_run, good, self.rows.len()) {
            (true, good, all) => format!("Dry run of {verb}: {good} of {all} would be allowed or are so already."),
            (false, good, all) => format!("{verb}: {good} of {all} accepted or so already."),
        });
        text.add("\ninstance | verdict | before | now | message");
        for row in &self.rows {
            let verdict = serde_json::to_value(row.verdict).ok().and_then(|v| v.as_str().map(str::to_owned));
            let state = |state: &Option<String>| state.clone().unwrap_or_default();
            let cells = [
                row.instance_id.clone(),
                verdict.unwrap_or_default(),
                state(&row.previous_state),
                state(&row.current_state),
            ];
            text.add(format_args!("\n{}", table::line(cells.iter().map(String::as_str))));
            text.add(format_args!(" | {}", row.message.as_deref().unwrap_or("-")));
        }
        if self.rows.iter().any(|row| row.verdict == Verdict::Done) {
            text.add(format_args!("\nNow {way}. get_instance_status tells how far it is."));
        }
        let mut structured = json!({"results": self.rows, "dry_run": dry_run, "actions": self.actions});
        if let (Some(seq), Value::Object(fields)) = (self.seq, &mut structured) {
            fields.insert("seq".to_owned(), json!(seq));
            text.add(format_args!("\nRecorded at seq {seq}."));
        }
        if self.actions.is_empty() {
            text.add("\nLooked at live; nothing was changed.");
        }
        Answer { text: text.into(), structured, failed: good == 0 }
    }
}
