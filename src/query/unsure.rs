//! Whether what is held can be relied on. Answers that follow from absence ("nothing uses it", "no rule lets it in") hold only
//! where everything is held; elsewhere they are unknown.

use crate::kinds::KindSpec;
use crate::model::Scope;

/// Says why what is held of a kind in a scope may not be all there is now: it is not watched, its first sweep is not complete,
/// it is stale, or something of it cannot be read. `None` where it can be relied on.
pub type Unsure<'a> = &'a dyn Fn(&Scope, &'static KindSpec) -> Option<String>;
