//! Looks in AWS for what is named and the copy lacks, once for all who ask for them.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::unready::unready;
use crate::aws::Priority;
use crate::ec2_api::copy_fault::CopyFault;
use crate::ec2_api::fault::Ec2Fault;
use crate::ec2_api::id_codes;
use crate::ec2_api::missed_ids::{AskedBy, MissedIds};
use crate::ec2_api::sent_text::shown;
use crate::kinds::{KindSpec, by_slug};
use crate::mcp::Core;
use crate::mcp::looks::Sight;
use crate::model::{Scope, Timestamp};

/// How many ids AWS is asked for in one call.
const AT_ONCE: usize = 100;

/// How long an answer of AWS counts for whoever asks the same.
const REMEMBERED: Duration = Duration::from_secs(5);

/// How long a client waits for its turn to ask and for the answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Asks AWS for what the copy lacks, of which `said` is what it says alone, until its client may wait no more. What AWS shows is in the
/// copy afterwards.
///
/// # Errors
/// Where AWS does not know all of the ids that are needed, or did not say in time.
pub(super) async fn look(
    core: &Core,
    missed: Vec<MissedIds>,
    said: CopyFault,
    until: Instant,
) -> Result<(), CopyFault> {
    let moment = LookMoment { core, begun: core.now(), until: until.min(Instant::now() + PATIENCE) };
    for MissedIds { kind, scope, names, by, are_needed } in missed {
        match by {
            AskedBy::Filters(filters) => moment.by_filters(&scope, kind, names, &filters).await?,
            AskedBy::Ids => {
                for ids in names.chunks(AT_ONCE).map(<[String]>::to_vec) {
                    if !are_needed {
                        moment.by_ids(&scope, kind, ids).await?;
                    } else if let Some(why) = moment.all(&scope, kind, ids.clone()).await? {
                        // AWS has just said more than that there is nothing.
                        return Err(match said {
                            CopyFault::Request(_) => CopyFault::Untold { ids, why },
                            said => said,
                        });
                    }
                }
            }
        }
    }
    Ok(())
}

/// A look for one request.
#[derive(Clone, Copy)]
struct LookMoment<'c> {
    core: &'c Core,
    /// When it began.
    begun: Timestamp,
    /// When nobody waits any more.
    until: Instant,
}

impl LookMoment<'_> {
    /// What AWS shows of these ids.
    async fn sights(
        &self,
        scope: &Scope,
        kind: &'static KindSpec,
        ids: Vec<String>,
    ) -> Result<Vec<(Arc<str>, Sight)>, CopyFault> {
        let named: Vec<Arc<str>> = ids.iter().map(|id| Arc::from(id.as_str())).collect();
        let since = self.begun - REMEMBERED;
        let looked = self.core.look_live(scope, kind, &named, since, Priority::Passed);
        match timeout_at(self.until, looked).await {
            Ok(seen) => seen.map_err(unready),
            Err(_) => Err(CopyFault::Untold { ids, why: late() }),
        }
    }

    /// Asks for what an answer has if there is any.
    async fn by_ids(&self, scope: &Scope, kind: &'static KindSpec, ids: Vec<String>) -> Result<(), CopyFault> {
        let seen = self.sights(scope, kind, ids.clone()).await?;
        // Of what may be another owner's the copy says the rest.
        let unsaid = seen.iter().find_map(|(_, sight)| match sight {
            Sight::Unsaid(_) if kind.own_only => None,
            sight => sight.unsaid(),
        });
        unsaid.map_or(Ok(()), |why| Err(CopyFault::Untold { ids, why: why.to_owned() }))
    }

    /// Asks for what is named by something else than ids. A client may know such a name before anything has it, and then make that: so
    /// only what AWS says from now on counts.
    async fn by_filters(
        &self,
        scope: &Scope,
        kind: &'static KindSpec,
        names: Vec<String>,
        filters: &[(&'static str, Vec<String>)],
    ) -> Result<(), CopyFault> {
        let looked = self.core.look_by(scope, kind, filters, self.begun, Priority::Passed);
        let Ok(seen) = timeout_at(self.until, looked).await else {
            return Err(CopyFault::Untold { ids: names, why: late() });
        };
        match seen.map_err(unready)?.unsaid() {
            Some(why) => Err(CopyFault::Untold { ids: names, why: why.to_owned() }),
            None => Ok(()),
        }
    }

    /// Asks for ids all of which must be known. What may be another owner's, only the copy says: then this is why AWS's word is none.
    async fn all(&self, scope: &Scope, kind: &'static KindSpec, ids: Vec<String>) -> Result<Option<String>, CopyFault> {
        let seen = self.sights(scope, kind, ids.clone()).await?;
        if let Some((id, _)) = seen.iter().find(|(_, sight)| *sight == Sight::Malformed)
            && let Some(codes) = id_codes::of(kind)
        {
            return Err(Ec2Fault::MalformedId { codes, id: shown(id) }.into());
        }
        let is_whole_seen = self.core.visibility().is_everything();
        let unknown: Vec<String> =
            seen.iter().filter(|(_, sight)| *sight == Sight::NotFound).map(|(id, _)| id.to_string()).collect();
        for (_, sight) in &seen {
            match sight {
                // AWS describes what is another owner's, which is not held; or it is hidden, which nobody is told.
                Sight::Unsaid(why) if kind.own_only => return Ok(Some(why.clone())),
                Sight::NotFound if kind.own_only && !is_whole_seen => {
                    return Ok(Some("it may be another owner's.".to_owned()));
                }
                Sight::Unsaid(why) | Sight::Failed(why) => return Err(CopyFault::Untold { ids, why: why.clone() }),
                Sight::Shown | Sight::NotFound | Sight::Malformed => {}
            }
        }
        let Some(codes) = id_codes::of(kind).filter(|_| !unknown.is_empty()) else { return Ok(None) };
        // The status of what AWS does show may just not be there yet.
        if let Some(whole) = kind.status_of.and_then(by_slug) {
            let seen = self.sights(scope, whole, unknown.clone()).await?;
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
}

/// Why there is no answer.
fn late() -> String {
    "no answer came in time, because AWS is slow, or because other calls have to keep to Muster's share of its limits as well \
     (--aws-share)."
        .to_owned()
}
