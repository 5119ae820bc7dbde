//! Sweeps do not decode what is known, and lose nothing by that.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::*;
use crate::model::{Item, ItemHash, ItemMemory, KnownBytes, Page, UnchangedItem};

/// Remembers whatever it is told, as a writer that stores everything would.
#[derive(Default)]
struct Memory(Mutex<BTreeMap<String, (KnownBytes, bool)>>);

impl ItemMemory for Memory {
    fn unchanged(&self, items: &[(&str, ItemHash)]) -> Vec<Option<UnchangedItem>> {
        let memory = self.0.lock();
        let known = |(id, hash): &(&str, ItemHash)| {
            let (known, gone) = *memory.get(*id).filter(|(known, _)| known.hash == *hash)?;
            Some(UnchangedItem { id: (*id).into(), known, gone })
        };
        items.iter().map(known).collect()
    }
}

impl Memory {
    fn remember(&self, items: &[Item]) {
        let known =
            |item: &Item| Some((item.id.to_string(), (KnownBytes::new(item.hash?, item.document.digest()), false)));
        self.0.lock().extend(items.iter().filter_map(known));
    }
}

/// Two sweeps of one page each: the second remembers the first.
async fn swept_twice(spec: &'static KindSpec, first: &str, second: &str) -> (Page, Result<Page, AwsError>) {
    let server = Scripted::new([Reply::ok(first), Reply::ok(second)]).await;
    let (aws, memory) = (server.aws(), Arc::new(Memory::default()));
    let shared: Arc<dyn ItemMemory> = memory.clone();
    let before = aws.page_of(&scope(), spec, None, 1000, Some(&shared)).await.unwrap();
    memory.remember(&before.items);
    (before, aws.page_of(&scope(), spec, None, 1000, Some(&shared)).await)
}

fn ids(page: &Page) -> (Vec<&str>, Vec<&str>) {
    (page.items.iter().map(|item| &*item.id).collect(), page.unchanged.iter().map(|item| &*item.id).collect())
}

#[tokio::test]
async fn what_is_as_it_was_is_not_decoded_and_what_is_not_is() {
    let all = reservation("123456789012", &["i-1", "i-2", "i-3"]) + "<nextToken>more</nextToken>";
    let changed = all.replace("i-2</instanceId>", "i-2</instanceId><imageId>ami-2</imageId>");
    let (before, after) = swept_twice(instances(), &all, &changed).await;
    let after = after.unwrap();
    assert_eq!(ids(&before), (vec!["i-1", "i-2", "i-3"], vec![]));
    assert_eq!(ids(&after), (vec!["i-2"], vec!["i-1", "i-3"]));
    assert_eq!((after.next.as_deref(), after.items[0].document.text("ImageId")), (Some("more"), Some("ami-2")));
    for unchanged in &after.unchanged {
        let known = before.items.iter().find(|item| item.id == unchanged.id).unwrap();
        assert_eq!(unchanged.known.digest(), known.document.digest());
    }
}

#[tokio::test]
async fn a_page_of_which_everything_is_known_still_names_the_next_one() {
    for (slug, list) in [
        ("volume", "<volumeSet><item><volumeId>vol-1</volumeId></item></volumeSet><nextToken>more</nextToken>"),
        ("subnet", "<subnetSet><item><subnetId>subnet-1</subnetId></item></subnetSet><nextToken>more</nextToken>"),
    ] {
        let (_, after) = swept_twice(kinds::by_slug(slug).unwrap(), list, list).await;
        let after = after.unwrap();
        assert_eq!((after.items.len(), after.unchanged.len(), after.next.as_deref()), (0, 1, Some("more")));
    }
    let addresses = "<addressesSet><item><publicIp>203.0.113.9</publicIp></item><item><publicIp>203.0.113.8</publicIp>\
        <allocationId>eipalloc-1</allocationId></item></addressesSet>";
    let (_, after) = swept_twice(kinds::by_slug("address").unwrap(), addresses, addresses).await;
    assert_eq!(ids(&after.unwrap()), (vec![], vec!["203.0.113.9", "eipalloc-1"]));
}

#[tokio::test]
async fn a_reservation_of_another_account_is_noticed_though_its_instances_are_as_they_were() {
    let (own, foreign) = (reservation("123456789012", &["i-1"]), reservation("999999999999", &["i-1"]));
    let (_, after) = swept_twice(instances(), &own, &foreign).await;
    assert_eq!(after.unwrap_err().kind, AwsErrorKind::OtherAccount { expected: scope().account });
}

/// Whatever byte of an item changes: its document is what AWS said, or the page fails.
#[tokio::test]
async fn a_byte_that_flips_inside_an_item_is_never_taken_for_what_was() {
    let volumes = "<volumeSet><item><volumeId>vol-1</volumeId><size>8</size><status>in-use</status></item>\
        <item><volumeId>vol-2</volumeId><size>8</size></item></volumeSet>";
    let spec = kinds::by_slug("volume").unwrap();
    let body = Arc::new(Mutex::new(volumes.to_owned()));
    let server = Scripted::answering({
        let body = Arc::clone(&body);
        move |_| Reply::ok(&body.lock())
    })
    .await;
    let (aws, memory) = (server.aws(), Arc::new(Memory::default()));
    let shared: Arc<dyn ItemMemory> = memory.clone();
    let before = aws.page_of(&scope(), spec, None, 1000, Some(&shared)).await.unwrap();
    memory.remember(&before.items);
    let mut read = 0;
    for at in volumes.find("<item>").unwrap()..volumes.find("</item>").unwrap() + "</item>".len() {
        let mut bytes = volumes.as_bytes().to_vec();
        bytes[at] ^= 1;
        *body.lock() = String::from_utf8(bytes).unwrap();
        let Ok(page) = aws.page_of(&scope(), spec, None, 1000, Some(&shared)).await else { continue };
        assert_eq!(ids(&page).1, ["vol-2"], "byte {at}");
        read += page.items.len() + page.unreadable.len();
    }
    assert!(read >= "vol-1".len() + "8".len() + "in-use".len(), "{read}");
}

#[tokio::test]
async fn an_unreadable_item_hides_none_of_the_others_and_is_not_remembered() {
    let spec = kinds::by_slug("volume").unwrap();
    let list = |odd: &str| format!("<volumeSet>{}{odd}{}</volumeSet>", volume("vol-1", "8"), volume("vol-3", "8"));
    let (odd, read) = (list(&volume("vol-2", "eight")), list(&volume("vol-2", "8")));
    let (before, after) = swept_twice(spec, &odd, &odd).await;
    let after = after.unwrap();
    assert_eq!(ids(&before), (vec!["vol-1", "vol-3"], vec![]));
    assert!(before.items.iter().all(|item| item.hash.is_some()));
    assert_eq!(ids(&after), (vec![], vec!["vol-1", "vol-3"]));
    assert_eq!(bad(&after.unreadable), bad(&before.unreadable));
    let (_, after) = swept_twice(spec, &odd, &read).await;
    assert_eq!(ids(&after.unwrap()), (vec!["vol-2"], vec!["vol-1", "vol-3"]));
}

#[tokio::test]
async fn an_incomplete_page_is_refused_even_if_all_of_its_items_are_known() {
    let whole = "<volumeSet><item><volumeId>vol-1</volumeId></item></volumeSet>";
    let (_, after) = swept_twice(kinds::by_slug("volume").unwrap(), whole, &format!("{whole}<next>")).await;
    assert_eq!(after.unwrap_err().kind, AwsErrorKind::Unreadable);
}

#[tokio::test]
async fn items_without_an_id_are_neither_known_nor_marked() {
    let list = "<volumeSet><item><size>8</size></item><item><volumeId>vol-1</volumeId></item></volumeSet>";
    let (before, after) = swept_twice(kinds::by_slug("volume").unwrap(), list, list).await;
    assert_eq!((before.unreadable.len(), before.items.len()), (1, 1));
    let after = after.unwrap();
    assert_eq!((after.unreadable.len(), ids(&after)), (1, (vec![], vec!["vol-1"])));
}
