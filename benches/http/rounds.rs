//! Ours and the baseline in turns, so that whatever else the machine does meets both alike.

use std::sync::Arc;
use std::time::Duration;

use crate::load::{self, CONNECTIONS, Load, Questions};

/// A server under load.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    /// Where it serves HTTP.
    pub(crate) authority: String,
    /// Its process.
    pub(crate) pid: u32,
}

/// One thing that is compared.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// What it is called in the report.
    pub(crate) name: &'static str,
    /// What is asked of ours.
    pub(crate) ours: Questions,
    /// What is asked of the baseline, which answers the same whatever is asked.
    pub(crate) bare: Questions,
    /// The least ratio of the two that is within the budget.
    pub(crate) budget: f64,
}

/// What a case came to: one load a round of each.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    pub(crate) case: Case,
    pub(crate) ours: Vec<Load>,
    pub(crate) bare: Vec<Load>,
}

/// How long and how often.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Rounds that count.
    pub(crate) rounds: usize,
    /// The length of one measurement.
    pub(crate) length: Duration,
}

/// Runs all cases for `pace.rounds` rounds, after a round that does not count.
pub(crate) async fn run(cases: Vec<Case>, ours: &Target, bare: &Target, pace: Pace) -> anyhow::Result<Vec<Outcome>> {
    let mut outcomes: Vec<Outcome> =
        cases.into_iter().map(|case| Outcome { case, ours: Vec::new(), bare: Vec::new() }).collect();
    for round in 0..=pace.rounds {
        for outcome in &mut outcomes {
            let length = if round == 0 { pace.length / 4 } else { pace.length };
            let (our, their);
            // Who goes first changes from round to round.
            if round % 2 == 0 {
                our = measure(ours, &outcome.case.ours, length).await?;
                their = measure(bare, &outcome.case.bare, length).await?;
            } else {
                their = measure(bare, &outcome.case.bare, length).await?;
                our = measure(ours, &outcome.case.ours, length).await?;
            }
            if round > 0 {
                outcome.ours.push(our);
                outcome.bare.push(their);
            }
        }
    }
    Ok(outcomes)
}

async fn measure(target: &Target, questions: &Questions, length: Duration) -> anyhow::Result<Load> {
    load::run(&target.authority, target.pid, questions, CONNECTIONS, length).await
}

impl Outcome {
    /// Ours over the baseline's answers a second, each round's, in ascending order.
    pub(crate) fn ratios(&self) -> Vec<f64> {
        let mut ratios: Vec<f64> = self.ours.iter().zip(&self.bare).map(|(our, their)| our.rate / their.rate).collect();
        ratios.sort_by(f64::total_cmp);
        ratios
    }

    /// The median round's ratio.
    pub(crate) fn ratio(&self) -> f64 {
        let ratios = self.ratios();
        ratios.get(ratios.len() / 2).copied().unwrap_or_default()
    }
}

/// The median of a figure over rounds.
pub(crate) fn median<T: Ord + Copy + Default>(loads: &[Load], figure: impl Fn(&Load) -> T) -> T {
    let mut figures: Vec<T> = loads.iter().map(figure).collect();
    figures.sort_unstable();
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}

/// Any of `questions` at random.
pub(crate) fn any(questions: impl IntoIterator<Item = crate::question::Question>) -> Questions {
    Questions::Any(questions.into_iter().collect::<Arc<[_]>>())
}
