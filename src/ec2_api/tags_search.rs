//! Searches the copy for tags, of several kinds one after the other.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::time::Duration;

use super::copy_fault::CopyFault;
use super::document_rule::DocumentRule;
use super::fault::shown;
use super::found_page::{FoundPage, PART};
use super::tags_page::{DESCRIBE_TAGS, TagsPage};
use super::walk_mark::WalkMark;
use crate::kinds::{self, KindSpec};
use crate::model::{Document, LogId, ResourceId, Scope, ScopeFilter, Timestamp};
use crate::query::document_walk::WalkedDocument;
use crate::query::walk::{MOST_READ, WalkGround, WalkQuery, WalkStep};
use crate::query::{Cursor, Filters, Point};
use crate::store::Store;

/// About how many tags are found before they are written, where an answer is not asked for in pages.
const TAGS: usize = 5 * PART;

/// The parts of documents that tell of tags, and whose they are.
const TAGGED: [&str; 2] = ["OwnerId", "Tags"];

/// A page of tags: those of one kind after the other, and those of one resource together. A walk that began longer than `longest` ago
/// goes on from now. `as_of` is how fresh the copy is now. Blocks while it reads.
///
/// # Errors
/// When it names what may be tagged and is not held, a redacted value decides, or the store cannot be read.
pub fn found_tags(
    store: &Store,
    page: &TagsPage,
    scope: &Scope,
    now: Timestamp,
    longest: Option<Duration>,
    as_of: Timestamp,
) -> Result<FoundPage, CopyFault> {
    let ground = WalkGround::of(store, now)?;
    let step = ground.step(page.cursor.as_ref(), longest);
    let mark = WalkMark::of(&step, page.cursor.as_ref(), as_of);
    if page.cursor.is_none() {
        owned(store, page, scope, &step)?;
    }
    found_from(store, page, scope, ground.log, &step, &mark)
}

/// What follows the part of an answer without pages that ended with `cursor`, as of the same moment, however long ago it was. Blocks
/// while it reads.
///
/// # Errors
/// As [`found_tags`], or when the log does not reach back to the moment any more.
pub fn tags_after(store: &Store, page: &TagsPage, scope: &Scope, cursor: &Cursor) -> Result<FoundPage, CopyFault> {
    let (step, mark) = WalkMark::going_on(cursor).ok_or(CopyFault::Token)?;
    found_from(store, page, scope, cursor.log, &step, &mark)
}

/// Refuses a question that names images or snapshots which the account does not own, as far as the copy knows: it may have tagged those of
/// others.
fn owned(store: &Store, page: &TagsPage, scope: &Scope, step: &WalkStep) -> Result<(), CopyFault> {
    let (filter, none) = (ScopeFilter::from(scope), Filters::default());
    let own = DocumentRule::OwnedBy(scope.account.clone());
    let mut others = BTreeSet::new();
    for kind in page.question.kinds.iter().filter(|kind| kind.own_only) {
        let of = kind.kind();
        let query = WalkQuery { kind: &of, scope: &filter, filters: &none, conditions: &[], limit: None };
        for id in named(page, kind, scope) {
            let document = query.one(store, &id, step.point)?;
            if document.is_none_or(|document| !own.admits(&document)) {
                others.insert(shown(&id.id));
            }
        }
    }
    if others.is_empty() {
        return Ok(());
    }
    let what = others.into_iter().collect::<Vec<_>>().join(", ");
    let why = "it has the tags of images and snapshots that the account itself owns, and an account may tag those of others as \
               well";
    Err(CopyFault::Beyond { action: DESCRIBE_TAGS, what, why })
}

/// The resources of a kind that a question names.
fn named(page: &TagsPage, kind: &KindSpec, scope: &Scope) -> BTreeSet<ResourceId> {
    let ids = page.question.ids.iter().flatten();
    let of_kind = ids.filter(|id| kinds::of_id(id).is_some_and(|named| named.slug == kind.slug));
    of_kind.map(|id| ResourceId::new(scope, &kind.kind(), id.as_str())).collect()
}

/// The tags from a place on.
fn found_from(
    store: &Store,
    page: &TagsPage,
    scope: &Scope,
    log: LogId,
    step: &WalkStep,
    mark: &WalkMark,
) -> Result<FoundPage, CopyFault> {
    let (filter, none) = (ScopeFilter::from(scope), Filters::default());
    let limit = page.limit.unwrap_or(TAGS);
    // How many resources are looked at, of which few may have such tags: a page ends with what it has then.
    let (mut read, most_read) = (0, page.limit.map_or(usize::MAX, |_| MOST_READ));
    let own = DocumentRule::OwnedBy(scope.account.clone());
    let (mut documents, mut last, mut is_full, mut failed) = (Vec::new(), step.after.clone(), false, None);
    let begins = step.after.as_ref().map(|after| after.kind.clone());
    let is_before = |kind: &&&'static KindSpec| begins.as_ref().is_some_and(|begins| begins.as_str() != kind.name);
    for kind in page.question.kinds.iter().skip_while(is_before) {
        let of = kind.kind();
        let after = step.after.clone().filter(|after| after.kind == of);
        let query = WalkQuery { kind: &of, scope: &filter, filters: &none, conditions: &[], limit: None };
        let mut visit = |_: Point, id: ResourceId, document: Document| {
            let is_others = kind.own_only && !own.admits(&document);
            let tags = if is_others { Ok(Vec::new()) } else { page.tags(kind, &id.id, &document) };
            let tags = match tags {
                Ok(tags) => tags,
                Err(error) => {
                    failed = Some(error);
                    return ControlFlow::Break(());
                }
            };
            let is_too_much = !documents.is_empty() && documents.len() + tags.len() > limit;
            is_full = read >= most_read || documents.len() >= limit || is_too_much;
            if is_full {
                return ControlFlow::Break(());
            }
            read += 1;
            documents.extend(tags.into_iter().map(WalkedDocument::from));
            last = Some(id);
            ControlFlow::Continue(0)
        };
        if page.question.ids.is_some() {
            for id in named(page, kind, scope).into_iter().filter(|id| after.as_ref().is_none_or(|after| id > after)) {
                let document = query.one(store, &id, step.point)?;
                if document.is_some_and(|document| visit(step.point, id, document).is_break()) {
                    break;
                }
            }
        } else {
            let parts = Some(&TAGGED[..]);
            let step = WalkStep { after, ..step.clone() };
            query.page_of(store, &step, parts, |point, id, document| visit(point, id, document.parts))?;
        }
        if is_full || failed.is_some() {
            break;
        }
    }
    if let Some(error) = failed {
        return Err(error);
    }
    let point = Some(step.point);
    let next = last.filter(|_| is_full);
    let sorted = Some(mark.sorted());
    let next = next.map(|after| Cursor { log, question: page.hash, point, after, sorted });
    Ok(FoundPage { documents, next, as_of: mark.as_of, seq: step.point.seq, is_moved: step.is_moved })
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::ec2_api::request::parse;
    use crate::kinds::{SNAPSHOT, VOLUME};
    use crate::model::fixtures::{at_millis, scope, tags};
    use crate::model::secret_tags::MarkKey;
    use crate::model::{Cause, Event, Evidence, Map, SecretTags, Source, Value};
    use crate::store::{CommitBatch, StoreOptions};

    /// A store with nine volumes, each with three tags.
    fn volumes() -> (TempDir, Store) {
        let dir = tempfile::tempdir().unwrap();
        let (mut writer, store) = crate::store::open(StoreOptions::new(dir.path(), crate::kinds::project)).unwrap();
        let discovered = |n: usize| {
            let document = Document::new(Map::from([("Tags", tags([("a", "1"), ("b", "2"), ("c", "3")]))]));
            let evidence = Evidence { source: Source::Sweep, at: at_millis(1) };
            let id = ResourceId::new(&scope(), &VOLUME.kind(), format!("vol-{n}"));
            (Cause::Sweep, Event::Discovered { id, document, evidence, mapping: VOLUME.mapping })
        };
        let entries = (0..9).map(discovered).collect();
        writer.commit(CommitBatch { recorded_at: at_millis(1), entries, ..CommitBatch::default() }).unwrap();
        (dir, store)
    }

    /// The pages of a walk of tags: whose each has, and how many.
    fn walked(store: &Store, filters: &str) -> Vec<(Vec<String>, usize)> {
        let (mut token, mut pages) = (String::new(), Vec::new());
        loop {
            let body = format!("Action=DescribeTags&Version=2016-11-15&MaxResults=5{filters}{token}");
            let secrets = SecretTags::new::<&str>(&[], &MarkKey::default());
            let page = TagsPage::of(&parse("POST", "", body.as_bytes()).unwrap(), &scope(), &secrets).unwrap();
            let found = found_tags(store, &page, &scope(), at_millis(2), None, at_millis(1)).unwrap();
            assert_eq!((found.as_of, found.is_moved), (at_millis(1), false));
            let of_page: BTreeSet<String> =
                found.documents.iter().map(|tag| tag.parts.text("ResourceId").unwrap().to_owned()).collect();
            pages.push((of_page.into_iter().collect::<Vec<_>>(), found.documents.len()));
            let Some(next) = found.next else { return pages };
            token = format!("&NextToken={}", next.encode());
        }
    }

    #[test]
    fn tags_by_ids_are_those_of_these_resources_page_by_page() {
        let (_dir, store) = volumes();
        let ids = "&Filter.1.Name=resource-id&Filter.1.Value.1=vol-7&Filter.1.Value.2=vol-2&Filter.1.Value.3=vol-9";
        assert_eq!(walked(&store, ids), [(vec!["vol-2".to_owned()], 3), (vec!["vol-7".to_owned()], 3)]);
    }

    #[test]
    fn a_page_that_finds_nothing_ends_where_it_has_read_much() {
        let (_dir, store) = volumes();
        let of_volumes = "&Filter.1.Name=resource-type&Filter.1.Value.1=volume&Filter.2.Name=key&Filter.2.Value.1=";
        assert_eq!(walked(&store, &format!("{of_volumes}none")), vec![(Vec::<String>::new(), 0); 3]);
        let of_page = |from: usize| ((from..from + 3).map(|n| format!("vol-{n}")).collect::<Vec<_>>(), 3);
        assert_eq!(walked(&store, &format!("{of_volumes}b")), [of_page(0), of_page(3), of_page(6)]);
    }

    #[test]
    fn images_and_snapshots_that_are_not_owned_are_refused_since_they_may_be_tagged() {
        let dir = tempfile::tempdir().unwrap();
        let (mut writer, store) = crate::store::open(StoreOptions::new(dir.path(), crate::kinds::project)).unwrap();
        let discovered = |(id, owner): (&str, &str)| {
            let fields = [("OwnerId", Value::from(owner)), ("Tags", tags([("a", "1")]))];
            let evidence = Evidence { source: Source::Sweep, at: at_millis(1) };
            let id = ResourceId::new(&scope(), &SNAPSHOT.kind(), id);
            let document = Document::new(Map::from(fields));
            (Cause::Sweep, Event::Discovered { id, document, evidence, mapping: SNAPSHOT.mapping })
        };
        let account = scope().account;
        let entries = [("snap-1", account.as_str()), ("snap-2", "999999999999")].map(discovered).into();
        writer.commit(CommitBatch { recorded_at: at_millis(1), entries, ..CommitBatch::default() }).unwrap();
        let found = |ids: &[&str]| {
            let values = ids.iter().enumerate().map(|(at, id)| format!("&Filter.1.Value.{}={id}", at + 1));
            let ids = values.collect::<Vec<_>>().concat();
            let body = format!("Action=DescribeTags&Version=2016-11-15&Filter.1.Name=resource-id{ids}");
            let secrets = SecretTags::new::<&str>(&[], &MarkKey::default());
            let page = TagsPage::of(&parse("POST", "", body.as_bytes()).unwrap(), &scope(), &secrets).unwrap();
            found_tags(&store, &page, &scope(), at_millis(2), None, at_millis(1)).map(|found| found.documents.len())
        };
        assert_eq!(found(&["snap-1"]).unwrap(), 1);
        assert_eq!(found(&["vol-1"]).unwrap(), 0, "what is held whole has no tags that the copy lacks");
        for (ids, lacked) in [
            (&["snap-2"][..], "snap-2"),
            (&["snap-1", "snap-3"][..], "snap-3"),
            (&["ami-0123456789abcdef0", "snap-1"][..], "ami-0123456789abcdef0"),
        ] {
            let error = found(ids).unwrap_err();
            assert!(matches!(&error, CopyFault::Beyond { what, .. } if what == lacked), "{error}");
        }
    }
}
