//! Which resources the asker may see.

use std::fmt;
use std::sync::Arc;

use crate::model::ResourceId;

/// Which resources the asker may see: no table holds anything of the others.
#[derive(Clone, Default)]
pub struct Visible(Option<RowSight>);

/// Whether a resource may be seen.
type RowSight = Arc<dyn Fn(&ResourceId) -> bool + Send + Sync>;

impl Visible {
    /// All of them.
    #[must_use]
    pub fn all() -> Self {
        Visible(None)
    }

    /// Those that `sees` says.
    #[must_use]
    pub fn only(sees: impl Fn(&ResourceId) -> bool + Send + Sync + 'static) -> Self {
        Visible(Some(Arc::new(sees)))
    }

    /// Whether it is all of them.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.0.is_none()
    }

    /// Whether a resource is one of them.
    #[must_use]
    pub fn sees(&self, id: &ResourceId) -> bool {
        self.0.as_ref().is_none_or(|sees| sees(id))
    }
}

impl fmt::Debug for Visible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Visible(some)" } else { "Visible(all)" })
    }
}
