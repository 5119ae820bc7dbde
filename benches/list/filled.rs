//! Stores filled with instances: described by the simulator, through AWS's SDK and the kind's mapping.

use std::sync::Arc;

use anyhow::Context as _;
use muster::kinds::{self, DescribeInput};
use muster::model::Evidence;
use muster::model::{AccountId, Cause, Event, Item, Kind, LeftOut, Region, ResourceId, Scope, Source, Timestamp};
use muster::simulator::{self, Simulator};
use muster::store::{self, CommitBatch, Store, Writer};
use tempfile::TempDir;

use crate::ec2;

/// The most instances that EC2 puts on one page; each page is one commit.
const DESCRIBED: i32 = 1_000;

/// When everything was seen. Any moment does.
const SEEN: Timestamp = Timestamp::from_millis(1_795_353_310_000);

/// A store that holds instances and nothing else.
pub(crate) struct Filled {
    /// The store.
    pub(crate) store: Store,
    /// What it holds.
    pub(crate) ids: Vec<ResourceId>,
    pub(crate) writer: Writer,
    size: usize,
    _directory: TempDir,
}

/// Makes a store of each size. Smaller ones hold the first instances of larger ones.
pub(crate) fn fill(sizes: &[usize]) -> anyhow::Result<Vec<Filled>> {
    let mut stores = sizes.iter().map(|size| Filled::empty(*size)).collect::<anyhow::Result<Vec<_>>>()?;
    let instances = sizes.iter().copied().max().context("there are no sizes")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let options = simulator::Options { instances, ..simulator::Options::default() };
        let scope =
            Scope { account: AccountId::new(options.account.as_str()), region: Region::new(options.region.as_str()) };
        let simulator = Simulator::start(options).await?;
        let client = ec2::client(&simulator.endpoint(), simulator.region()).await;
        let spec = kinds::by_slug("instance").context("there is no kind `instance`")?;
        let mut token = None;
        loop {
            let page = (spec.describe)(
                client.clone(),
                DescribeInput::Page { token, max_results: DESCRIBED },
                LeftOut::default(),
            )
            .await?;
            let discovered: Vec<(ResourceId, Event)> =
                page.items.into_iter().map(|item| discovered(&scope, &spec.kind(), spec.mapping, item)).collect();
            for store in &mut stores {
                store.add(&discovered)?;
            }
            token = page.next;
            if token.is_none() {
                break;
            }
        }
        simulator.stop().await;
        Ok(stores)
    })
}

fn discovered(scope: &Scope, kind: &Kind, mapping: u16, item: Item) -> (ResourceId, Event) {
    let id = ResourceId::new(scope, kind, item.id);
    let evidence = Evidence { source: Source::Sweep, at: SEEN };
    (id.clone(), Event::Discovered { id, document: Arc::unwrap_or_clone(item.document), evidence, mapping })
}

impl Filled {
    fn empty(size: usize) -> anyhow::Result<Self> {
        let directory = tempfile::tempdir()?;
        let (writer, store) = store::open(store::StoreOptions::new(directory.path(), kinds::project))?;
        Ok(Filled { store, ids: Vec::new(), writer, size, _directory: directory })
    }

    /// Adds of `discovered` what there is still room for.
    fn add(&mut self, discovered: &[(ResourceId, Event)]) -> anyhow::Result<()> {
        let room = self.size - self.ids.len();
        let added = discovered.get(..room.min(discovered.len())).unwrap_or_default();
        if added.is_empty() {
            return Ok(());
        }
        let entries = added.iter().map(|(_, event)| (Cause::Baseline, event.clone())).collect();
        self.writer.commit(CommitBatch { recorded_at: SEEN, entries, ..CommitBatch::default() })?;
        self.ids.extend(added.iter().map(|(id, _)| id.clone()));
        Ok(())
    }
}
