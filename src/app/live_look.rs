//! Looks in AWS for ids that the copy lacks, once for all who ask for them.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::unready::unready;
use crate::aws::Priority;
use crate::ec2_api::copy_fault::CopyFault;
use crate::ec2_api::fault::Ec2Fault;
use crate::ec2_api::id_codes;
use crate::ec2_api::missed_ids::MissedIds;
use crate::kinds::{KindSpec, by_slug};
use crate::mcp::Core;
use crate::mcp::looks::Sight;

/// How many ids AWS is asked for in one request.
const MOST: usize = 100;

/// How long an answer of AWS counts for whoever asks the same.
const REMEMBERED: Duration = Duration::from_secs(5);

/// How long a client waits for its turn to ask and for the answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Asks AWS for ids that the copy lacks, of which `said` is what it says alone. What AWS shows is in the copy afterwards.
///
/// # Errors
/// Where AWS does not know them all, or did not say in time.
pub(super) async fn look(core: &Core, missed: MissedIds, said: CopyFault) -> Result<(), CopyFault> {
    let MissedIds { kind, scope, ids } = missed;
    if ids.len() > MOST {
        let why =
            format!("it is asked for at most {MOST} ids at once that the copy lacks, and these are {}.", ids.len());
        return Err(CopyFault::Untold { ids, why });
    }
    let (since, until) = (core.now() - REMEMBERED, Instant::now() + PATIENCE);
    let sights = |kind: &'static KindSpec, ids: Vec<String>| {
        let (scope, named) = (&scope, ids.iter().map(|id| Arc::from(id.as_str())).collect::<Vec<Arc<str>>>());
        async move {
            match timeout_at(until, core.look_live(scope, kind, &named, since, Priority::Passed)).await {
                Ok(seen) => seen.map_err(unready),
                Err(_) => Err(CopyFault::Untold { ids, why: late() }),
            }
        }
    };
    let seen = sights(kind, ids.clone()).await?;
    let is_whole_seen = core.visibility().is_everything();
    let unknown: Vec<String> =
        seen.iter().filter(|(_, sight)| *sight == Sight::NotFound).map(|(id, _)| id.to_string()).collect();
    for (_, sight) in &seen {
        match sight {
            // AWS describes what is another owner's, which is not held; or it is hidden, which nobody is told.
            Sight::Unsaid(_) if kind.own_only => return Err(said),
            Sight::NotFound if kind.own_only && !is_whole_seen => return Err(said),
            Sight::Unsaid(why) | Sight::Failed(why) => return Err(CopyFault::Untold { ids, why: why.clone() }),
            Sight::Shown | Sight::NotFound => {}
        }
    }
    let Some(codes) = id_codes::of(kind).filter(|_| !unknown.is_empty()) else { return Ok(()) };
    // The status of what AWS does show may just not be there yet.
    if let Some(whole) = kind.status_of.and_then(by_slug) {
        let seen = sights(whole, unknown.clone()).await?;
        if let Some((id, _)) = seen.iter().find(|(_, sight)| *sight == Sight::Shown) {
            let why = format!("it shows the {} {id}, and no {} of it.", whole.title, kind.title);
            return Err(CopyFault::Untold { ids, why });
        }
        if let Some(why) = seen.iter().find_map(|(_, sight)| sight.unsaid()) {
            return Err(CopyFault::Untold { ids, why: why.to_owned() });
        }
    }
    Err(Ec2Fault::UnknownIds { codes, ids: unknown }.into())
}

/// Why there is no answer.
fn late() -> String {
    let most = PATIENCE.as_secs();
    format!(
        "no answer came within {most} s, because AWS is slow, or because other calls have to keep to Muster's share of its limits as well \
         (--aws-share)."
    )
}
