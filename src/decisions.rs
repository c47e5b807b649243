//! Decisions for what is not a page: the same units, variants and exposures, asked for by a call.
//!
//! Two forms of question have one answer. OFREP is OpenFeature's protocol for remote evaluation (version 0.3.0), which
//! many clients speak; `choose` is ours, and says more. Everything here is pure: text in, decisions and text out.

mod answer;
mod ask;
mod body;
mod call;
mod caller;
mod choose;
mod context;
mod ofrep;
mod people;
mod unchanged;

pub use ask::{Ask, Asked, Unknown, decide_call, decide_for_server};
pub use body::{Field, MAX_DEPTH};
pub use call::{Call, CallAnswer, Route, WrongTokens, must_wait, preflight, refused, text_of, too_long, unconfigured};
pub use caller::{Caller, Credentials, Refusal, who_asks};
pub use choose::{Choice, Choose, MAX_BATCH, answered};
pub use context::{BrowserContext, CallContext, Units};
pub use ofrep::{ErrorCode, Failure, Flag, Ofrep, Reading, bulk};
pub use people::{assignments_of, depends_on_people, reported, shown};
pub use unchanged::{CallKey, Unchanged, holds_until};
