//! How what several events say of one thing becomes one.

use serde_json::{Map, Value};

/// Facets of the same name replace each other, and one that is taken back is gone.
pub(crate) fn replace(known: &mut Map<String, Value>, said: &Value) {
    for (name, facet) in said.as_object().into_iter().flatten() {
        if taken_back(facet) {
            known.remove(name);
        } else {
            known.insert(name.clone(), facet.clone());
        }
    }
}

/// Whether a facet says that what it said before counts no more.
pub(crate) fn taken_back(facet: &Value) -> bool {
    facet.is_null() || facet["_deleted"] == true
}
