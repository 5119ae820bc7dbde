//! The views of those who do not see everything, kept from one request to the next: what was read of the log for one request need not be
//! read again for another.

use std::sync::Arc;

use parking_lot::Mutex;

use super::core::View;
use crate::policy::Visibility;

/// How many are kept. The one that was not used for longest goes first.
const MOST: usize = 16;

/// The views that were used last, the newest at the end. All who may see the same share one.
#[derive(Default)]
pub struct ViewBook(Mutex<Vec<Arc<View>>>);

impl ViewBook {
    /// The view of somebody with this visibility.
    #[must_use]
    pub fn view(&self, visibility: &Visibility) -> Arc<View> {
        if visibility.is_everything() {
            return Arc::new(View::of(visibility));
        }
        let mut views = self.0.lock();
        let known = views.iter().rposition(|view| view.is_of(visibility));
        let view = known.map_or_else(|| Arc::new(View::of(visibility)), |place| views.remove(place));
        let oldest = (views.len() >= MOST).then(|| views.remove(0));
        views.push(Arc::clone(&view));
        drop(views);
        // Much may be remembered in it.
        drop(oldest);
        view
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Grant;

    #[test]
    fn those_who_may_see_the_same_share_a_view_while_it_is_used() {
        let book = ViewBook::default();
        let of = |n: usize| Visibility::of([Grant::of_accounts(&format!("g{n}"), ["111111111111"])]);
        let first = book.view(&of(0));
        assert!(Arc::ptr_eq(&first, &book.view(&of(0))) && !Arc::ptr_eq(&first, &book.view(&of(1))));
        for n in 2..40 {
            drop(book.view(&of(n)));
            assert!(Arc::ptr_eq(&first, &book.view(&of(0))), "it is used all the time");
        }
        assert_eq!(book.0.lock().len(), MOST);
        let is_kept = |n| book.0.lock().iter().any(|view| view.is_of(&of(n)));
        assert!(is_kept(39) && !is_kept(1));
        assert!(book.view(&Visibility::everything()).is_whole());
        assert_eq!(book.0.lock().len(), MOST, "the view of everything is not kept");
    }
}
