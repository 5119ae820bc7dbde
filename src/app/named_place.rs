//! What a request of EC2's read API says of its place, and which accounts it may mean where it names none.

use std::collections::BTreeSet;

use crate::ec2_api::key_owners::KeyOwner;
use crate::ec2_api::place::{AskedPlace, PlaceDoubt, several};
use crate::mcp::Core;
use crate::model::AccountId;

/// What a request says of its place.
#[derive(Clone, Debug)]
pub(super) struct NamedPlace {
    account: Option<String>,
    owner: KeyOwner,
    region: Option<String>,
    /// All accounts that are to be watched, where it names none and there are several.
    several: Option<String>,
}

impl NamedPlace {
    /// The place that a request names by its path, the owner of its key, and its region.
    pub(super) fn new(account: Option<String>, owner: KeyOwner, region: Option<String>, core: &Core) -> Self {
        let is_unnamed = account.is_none() && owner == KeyOwner::NoKey;
        let several = if is_unnamed { several_of(core) } else { None };
        NamedPlace { account, owner, region, several }
    }

    /// The same, as the copy is asked.
    pub(super) fn asked(&self) -> AskedPlace<'_> {
        let (key, doubt) = match &self.owner {
            KeyOwner::Told(account) => (Some(account), None),
            KeyOwner::NoKey => (None, self.several.as_deref().map(PlaceDoubt::Several)),
            KeyOwner::Untold => (None, Some(PlaceDoubt::Untold)),
        };
        AskedPlace { path: self.account.as_deref(), key, region: self.region.as_deref(), doubt }
    }
}

/// All accounts that are to be watched, whether or not they can be reached, where there are several.
fn several_of(core: &Core) -> Option<String> {
    let (freshness, known) = (core.ingest.freshness(), core.known_accounts());
    let mut accounts: BTreeSet<AccountId> = freshness.scopes().into_iter().map(|state| state.scope.account).collect();
    accounts.extend(known.each().filter(|(_, known)| known.retired.is_none()).map(|(account, _)| account.clone()));
    let mut unnamed = 0;
    for member in freshness.members() {
        match member.account {
            Some(account) => {
                accounts.insert(account);
            }
            None => unnamed += 1,
        }
    }
    several(&accounts, unnamed)
}
