//! Detects a walk over the pages of a listing that does not end.
//!
//! Each page names the next one by a token that AWS makes up. An endpoint may return a token a second time, or new ones for ever.
//! Then the walk would never end, and no resource would ever be found to be gone. Such a walk is given up when one of these shows
//! that it does not end:
//!
//! - a token that this walk has received before. Only tokens in answers count, so repeating a page after a failure does not. AWS
//!   itself may answer pages without a resource that name a next one, which is allowed.
//! - more pages than [`GROWTH`] times those of the last complete walk, or, where none was complete yet, than [`FIRST`].
//! - [`IDLE`] pages in a row that show nothing new: no resources, or those of an earlier page.
//!
//! An account may really have grown so much. So each walk that is given up for its length doubles the limit of the next one, up
//! to [`FIRST`] pages, until one is complete.

use std::collections::HashSet;
use std::fmt;

/// The limit of a walk, as a multiple of the pages of the last complete one.
const GROWTH: u32 = 20;

/// The limit of the first walk in pages: ten million resources if pages are full.
const FIRST: u32 = 10_000;

/// The most pages in a row that may show nothing new.
const IDLE: u32 = 200;

/// The limits of the next walk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Bounds {
    /// The pages of the last complete walk.
    last: Option<u32>,
    /// How many walks in a row were given up for their length.
    doublings: u32,
}

/// A walk under way, with hashes of its answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PageWalk {
    tokens: HashSet<u64>,
    contents: HashSet<u64>,
    pages: u32,
    /// How many pages in a row showed nothing new.
    idle: u32,
}

/// Why a walk does not end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Endless {
    /// A page named a next page that the walk has already read.
    Again {
        /// After how many pages.
        pages: u32,
    },
    /// There are too many pages.
    Long {
        /// How many there were.
        pages: u32,
        /// How many the last complete walk had.
        last: Option<u32>,
    },
    /// Many pages in a row show nothing new.
    Idle {
        /// After how many pages.
        pages: u32,
        /// How many of them, the last ones, showed nothing new.
        idle: u32,
    },
}

impl Bounds {
    /// Whether they say little: the last walk had one page at most.
    pub(super) fn are_plain(&self) -> bool {
        self.last.is_none_or(|pages| pages <= 1) && self.doublings == 0
    }

    fn pages(&self) -> u32 {
        let base = self.last.map_or(FIRST, |last| GROWTH.saturating_mul(last.max(1)));
        self.doubled(base).min(FIRST.max(base))
    }

    fn idle(&self) -> u32 {
        self.doubled(IDLE).min(FIRST)
    }

    fn doubled(&self, base: u32) -> u32 {
        base.saturating_mul(1_u32.checked_shl(self.doublings).unwrap_or(u32::MAX))
    }

    /// Records a complete walk.
    pub(super) fn completed(&mut self, walk: &PageWalk) {
        *self = Bounds { last: Some(walk.pages), doublings: 0 };
    }

    /// Records that pages are `times` smaller from now on, so that walks take more of them.
    pub(super) fn shrunk(&mut self, times: u32) {
        self.last = self.last.map(|last| last.max(1).saturating_mul(times));
    }

    /// Records a walk that was given up.
    pub(super) fn given_up(&mut self, why: Endless) {
        if matches!(why, Endless::Long { .. } | Endless::Idle { .. }) {
            self.doublings = (self.doublings + 1).min(u32::BITS);
        }
    }
}

impl PageWalk {
    /// Records an answered page: a hash of what it shows, `None` for nothing, and a hash of its next token.
    ///
    /// # Errors
    /// [`Endless`], when the walk is to be given up.
    pub(super) fn page(&mut self, content: Option<u64>, next: Option<u64>, bounds: &Bounds) -> Result<(), Endless> {
        self.pages = self.pages.saturating_add(1);
        let is_new = content.is_some_and(|content| self.contents.insert(content));
        self.idle = if is_new { 0 } else { self.idle + 1 };
        let (pages, idle) = (self.pages, self.idle);
        // The last page ends the walk, however long it was.
        let Some(next) = next else { return Ok(()) };
        if !self.tokens.insert(next) {
            return Err(Endless::Again { pages });
        }
        if pages >= bounds.pages() {
            return Err(Endless::Long { pages, last: bounds.last });
        }
        if idle >= bounds.idle() {
            return Err(Endless::Idle { pages, idle });
        }
        Ok(())
    }
}

impl fmt::Display for Endless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endless::Again { pages } => {
                write!(f, "page {pages} names a next page that this listing has already read")
            }
            Endless::Long { pages, last: Some(last) } => {
                write!(f, "page {pages} is not the last, though the last complete listing had {last}")
            }
            Endless::Long { pages, last: None } => write!(f, "page {pages} is not the last"),
            Endless::Idle { pages, idle } => {
                write!(f, "page {pages} is not the last, though the last {idle} pages showed nothing new")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Walks until a walk ends or is given up; `page` gives what a page shows and the next token.
    fn walk(bounds: &Bounds, page: impl Fn(u64) -> (Option<u64>, Option<u64>)) -> (PageWalk, Option<Endless>) {
        let mut walk = PageWalk::default();
        for number in 1.. {
            let (content, next) = page(number);
            match walk.page(content, next, bounds) {
                Ok(()) if next.is_none() => return (walk, None),
                Ok(()) => {}
                Err(why) => return (walk, Some(why)),
            }
        }
        unreachable!("the numbers do not end")
    }

    fn after(pages: u64) -> Bounds {
        let (complete, why) = walk(&Bounds::default(), |number| (Some(number), (number < pages).then_some(number)));
        assert_eq!(why, None);
        let mut bounds = Bounds::default();
        bounds.completed(&complete);
        bounds
    }

    #[test]
    fn a_token_that_comes_again_gives_a_walk_up_at_once_whatever_the_length_of_the_cycle() {
        for cycle in 1..50 {
            let (_, why) = walk(&Bounds::default(), |number| (Some(number), Some(number % cycle)));
            assert_eq!(why, Some(Endless::Again { pages: u32::try_from(cycle).unwrap() + 1 }));
        }
    }

    #[test]
    fn tokens_that_are_always_new_end_at_twenty_times_the_last_walk_and_at_a_bound_of_the_first() {
        let endless = |number| (Some(number), Some(number));
        assert_eq!(walk(&after(3), endless).1, Some(Endless::Long { pages: 60, last: Some(3) }));
        assert_eq!(walk(&Bounds::default(), endless).1, Some(Endless::Long { pages: FIRST, last: None }));
    }

    #[test]
    fn pages_that_show_nothing_new_end_a_walk_that_has_nothing_to_compare_with() {
        let (_, why) = walk(&Bounds::default(), |number| (None, Some(number)));
        assert_eq!(why, Some(Endless::Idle { pages: IDLE, idle: IDLE }));
        let (_, why) = walk(&Bounds::default(), |number| (Some(number % 3), Some(number)));
        assert_eq!(why, Some(Endless::Idle { pages: IDLE + 3, idle: IDLE }));
    }

    #[test]
    fn empty_pages_with_a_token_are_as_good_as_others() {
        let (_, why) = walk(&Bounds::default(), |number| {
            let is_full = number % 100 == 0;
            (is_full.then_some(number), (number < 1_000).then_some(number))
        });
        assert_eq!(why, None);
    }

    #[test]
    fn an_account_that_really_grew_so_much_is_listed_to_its_end_after_some_walks() {
        let mut smaller = after(1);
        smaller.shrunk(4);
        assert_eq!(smaller.pages(), 4 * after(1).pages(), "smaller pages make longer walks");
        let mut bounds = after(1);
        let mut given_up = 0;
        while let (_, Some(why)) = walk(&bounds, |number| (Some(number), (number < 300).then_some(number))) {
            bounds.given_up(why);
            given_up += 1;
            assert!(given_up < 10, "it never heals");
        }
        assert_eq!(given_up, 4);
    }

    proptest! {
        /// Whatever tokens come, a walk ends; and one of fewer pages than are allowed, with tokens that differ, is never given up.
        #[test]
        fn every_walk_ends_and_an_honest_one_is_never_given_up(
            last in proptest::option::of(1_u64..20),
            tokens in proptest::collection::vec(0_u64..40, 1..40),
            doublings in 0_u32..40,
        ) {
            let mut bounds = last.map_or_else(Bounds::default, after);
            bounds.doublings = doublings;
            let at = |number: u64| tokens[usize::try_from(number).unwrap() % tokens.len()];
            prop_assert!(walk(&bounds, |number| (Some(number), Some(at(number)))).1.is_some());
            let honest = 20 * last.unwrap_or(1);
            prop_assert_eq!(walk(&bounds, |number| (Some(number), (number < honest).then_some(number))).1, None);
        }
    }
}
