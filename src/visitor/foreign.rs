//! An id that another tool keeps in a cookie of its own: read as it is, and never written.

use super::VisitorId;
use crate::document::{CookieForm, CookieJson, CookieText};
use crate::json;
use crate::url::decode_path;

/// The longest cookie that is searched for a field: browsers keep about 4 KB.
const LONGEST: usize = 8_192;

/// The visitor id in a cookie's value, by the form that the document says.
#[must_use]
pub fn id(form: &CookieForm, value: &str) -> Option<VisitorId> {
    if value.len() > LONGEST {
        return None;
    }
    match form {
        CookieForm::Text(CookieText::Plain) => VisitorId::accept_foreign(value),
        CookieForm::Text(CookieText::Url) => VisitorId::accept_foreign(&decode_path(value)),
        CookieForm::Json(CookieJson { json: field }) => {
            let decoded = if value.starts_with('{') { value.to_owned() } else { decode_path(value) };
            VisitorId::accept_foreign(json::text(&json::object(decoded.as_bytes())?, field)?)
        }
    }
}
