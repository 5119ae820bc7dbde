use std::collections::BTreeMap;

use futures::FutureExt;
use parking_lot::Mutex;
use proptest::prelude::*;

use super::*;
use crate::model::fixtures::{ACCOUNT, scope};
use crate::model::{Document, Map, Value};

const OTHER: &str = "999999999999";

static IMAGE: KindSpec =
    KindSpec { slug: "image", plural: "images", also_by_id: &[("instance", "ImageId")], ..KindSpec::DEFAULT };

/// An account's own images, and those that exist elsewhere. Ids are asked for as AWS answers them.
#[derive(Clone, Debug, Default)]
struct Images {
    owners: BTreeMap<String, &'static str>,
    asked: Arc<Mutex<Vec<Vec<String>>>>,
}

impl Images {
    fn item(&self, id: &str) -> Item {
        let owner = Value::from(self.owners[id]);
        Item::new(id, Document::new(Map::from([("OwnerId".to_owned(), owner)])))
    }
}

impl ListPages for Images {
    /// Two images a page.
    async fn page(&self, _: &Scope, _: &'static KindSpec, token: Option<String>, _: i32) -> Result<Page, AwsError> {
        let own: Vec<&String> = self.owners.iter().filter(|(_, owner)| **owner == ACCOUNT).map(|(id, _)| id).collect();
        let from: usize = token.map_or(0, |token| token.parse().unwrap());
        let items = own.iter().skip(from).take(2).map(|id| self.item(id)).collect();
        let next = (from + 2 < own.len()).then(|| (from + 2).to_string());
        Ok(Page { items, next, ..Page::default() })
    }
}

impl DescribeIds for Images {
    async fn describe(&self, _: &Scope, spec: &'static KindSpec, ids: &[String]) -> Result<Page, AwsError> {
        self.asked.lock().push(ids.to_vec());
        let unknown: Vec<String> = ids.iter().filter(|id| !self.owners.contains_key(*id)).cloned().collect();
        if !unknown.is_empty() {
            return Err(unreferred(spec, &scope(), unknown));
        }
        Ok(Page { items: ids.iter().map(|id| self.item(id)).collect(), ..Page::default() })
    }
}

fn id(number: usize) -> String {
    format!("ami-{number:04}")
}

fn referred(images: &Images, ids: &BTreeSet<usize>) -> Referred<Images> {
    let ids: BTreeSet<Arc<str>> = ids.iter().map(|number| Arc::from(id(*number))).collect();
    Referred::new(images.clone(), Some(Arc::new(move |_: &Scope| std::future::ready(ids.clone()).boxed())))
}

/// All that a sweep shows, how many pages it takes, and the ids that AWS did not know.
fn sweep(lister: &Referred<Images>) -> (BTreeSet<String>, usize, BTreeSet<String>) {
    let (mut shown, mut pages, mut absent, mut token) = (BTreeSet::new(), 0, BTreeSet::new(), None);
    loop {
        let page = lister.page(&scope(), &IMAGE, token, 1000).now_or_never().unwrap().unwrap();
        shown.extend(page.items.iter().map(|item| item.id.to_string()));
        absent.extend(page.absent.iter().map(ToString::to_string));
        pages += 1;
        match page.next {
            Some(next) => token = Some(next),
            None => return (shown, pages, absent),
        }
    }
}

fn account() -> impl Strategy<Value = (Images, BTreeSet<usize>)> {
    let owners = proptest::collection::btree_map(0..400_usize, prop_oneof![Just(ACCOUNT), Just(OTHER)], 0..40);
    let referred = proptest::collection::btree_set(0..400_usize, 0..300);
    (owners, referred).prop_map(|(owners, referred)| {
        let owners = owners.into_iter().map(|(number, owner)| (id(number), owner)).collect();
        (Images { owners, ..Images::default() }, referred)
    })
}

proptest! {
    /// Ids that no longer exist, which AWS answers a whole call with, keep no other from being shown.
    #[test]
    fn a_sweep_shows_what_is_the_accounts_own_and_what_is_referred_to_and_exists((images, ids) in account()) {
        let (shown, pages, absent) = sweep(&referred(&images, &ids));
        let is_shown = |name: &str, owner: &str| owner == ACCOUNT || ids.iter().any(|number| id(*number) == name);
        let expected = images.owners.iter().filter(|(id, owner)| is_shown(id, owner)).map(|(id, _)| id.clone());
        prop_assert_eq!(shown, expected.collect::<BTreeSet<_>>());
        let unknown = ids.iter().map(|number| id(*number)).filter(|id| !images.owners.contains_key(id));
        prop_assert_eq!(absent, unknown.collect::<BTreeSet<_>>());
        let own = images.owners.values().filter(|owner| **owner == ACCOUNT).count();
        prop_assert_eq!(pages, own.div_ceil(2).max(1) + ids.len().div_ceil(PER_PAGE));
        prop_assert!(images.asked.lock().iter().all(|asked| asked.len() <= PER_PAGE));
    }

    #[test]
    fn a_describe_by_id_knows_no_foreign_one_that_nothing_refers_to((images, ids) in account(), asked in 0..400_usize) {
        let answer = referred(&images, &ids).describe(&scope(), &IMAGE, &[id(asked)]).now_or_never().unwrap();
        let owner = images.owners.get(&id(asked)).copied();
        let is_known = owner == Some(ACCOUNT) || owner.is_some() && ids.contains(&asked);
        match answer {
            Ok(page) => prop_assert!(is_known && page.items.len() == 1),
            Err(error) => prop_assert!(!is_known && error.class == ErrorClass::NotFound && error.ids == [id(asked)]),
        }
    }
}

#[test]
fn a_kind_to_which_nothing_refers_is_listed_and_described_as_it_is() {
    let owners = BTreeMap::from([(id(1), ACCOUNT), (id(2), OTHER)]);
    let images = Images { owners, ..Images::default() };
    let plain = Referred::new(images, None);
    assert_eq!(sweep(&plain), (BTreeSet::from([id(1)]), 1, BTreeSet::new()));
    assert_eq!(plain.describe(&scope(), &IMAGE, &[id(2)]).now_or_never().unwrap().unwrap().items.len(), 1);
}
