//! The page view of an exposure that somebody reports.

use crate::condition::called;
use crate::events::PageView;
use crate::events::bounds::{MAX_HOST, MAX_METHOD, MAX_WORD};
use crate::events::personal::clean_path;
use crate::events::reader::Reader;
use serde_json::Value;

const KNOWN: [&str; 10] =
    ["host", "path", "method", "country", "region", "device", "browser", "referrer_host", "visitor_type", "logged_in"];

/// The longest path that is read, in bytes; what is kept of it is cut.
const MAX_READ: usize = 8192;

/// The field `request`: empty where there is none.
pub(super) fn view(reader: &mut Reader<'_>) -> PageView {
    let fields = match reader.get("request") {
        None => return PageView::default(),
        Some(Value::Object(fields)) => fields,
        Some(other) => {
            let message = format!("it is {}, and an object is needed", called(other));
            reader.complain("request", message);
            return PageView::default();
        }
    };
    let fields = fields.clone();
    let path = format!("{}.request", reader.path);
    let mut reader = Reader { path, fields: &fields, problems: &mut *reader.problems };
    reader.allow(&[&KNOWN]);
    // why: a query may hold anything
    let path = reader.text("path", MAX_READ).unwrap_or_default();
    let path = clean_path(path.split(['?', '#']).next().unwrap_or(""));
    let logged_in = reader.get("logged_in").map(Value::as_bool);
    if logged_in == Some(None) {
        reader.complain("logged_in", "true or false is needed");
    }
    let visitor_type = reader.text("visitor_type", MAX_WORD);
    if visitor_type.as_deref().is_some_and(|text| !matches!(text, "new" | "returning")) {
        reader.complain("visitor_type", "it is none of new and returning");
    }
    PageView {
        host: reader.opaque("host", MAX_HOST).unwrap_or_default(),
        path: path.into_owned(),
        method: reader.opaque("method", MAX_METHOD).unwrap_or_default(),
        country: reader.opaque("country", MAX_WORD),
        region: reader.opaque("region", MAX_WORD),
        device: reader.opaque("device", MAX_WORD),
        browser: reader.opaque("browser", MAX_WORD),
        referrer_host: reader.opaque("referrer_host", MAX_HOST),
        visitor_type,
        logged_in: logged_in.flatten(),
    }
    .bounded()
}

/// What is reported, and of what is not what is known otherwise.
pub(super) fn or_known(told: &PageView, known: &PageView) -> PageView {
    let text = |told: &String, known: &String| if told.is_empty() { known.clone() } else { told.clone() };
    let word = |told: &Option<String>, known: &Option<String>| told.clone().or_else(|| known.clone());
    PageView {
        host: text(&told.host, &known.host),
        path: text(&told.path, &known.path),
        method: text(&told.method, &known.method),
        country: word(&told.country, &known.country),
        region: word(&told.region, &known.region),
        device: word(&told.device, &known.device),
        browser: word(&told.browser, &known.browser),
        referrer_host: word(&told.referrer_host, &known.referrer_host),
        visitor_type: word(&told.visitor_type, &known.visitor_type),
        logged_in: told.logged_in.or(known.logged_in),
    }
}
