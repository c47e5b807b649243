//! The objects of users, whose text `person.js` stores.

use wasm_bindgen::prelude::*;

/// What the object of a user keeps, after a device said what it has shown; see [`crate::person::merge`].
#[wasm_bindgen]
pub fn person_merge(kept: &str, shown: &str) -> String {
    crate::person::merge(kept, shown)
}
