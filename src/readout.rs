//! Results as HTML and JSON: which variant won, and whether the data can be trusted.
//!
//! [`Known::questions`] and [`questions`] say what to ask the record, [`results`] makes the answers and the document into
//! [`Results`], and [`list_page`] and [`detail_page`] show them. Nothing here asks anybody anything: the same
//! aggregates give the same page, natively and in the worker.

mod answers;
mod breach;
mod compute;
mod detail;
mod gate;
mod health;
mod list;
mod metric;
mod number;
mod page;
mod plot;
mod segment;
mod types;
mod verdict;

pub use answers::{Known, Scope, questions};
pub use breach::{Breach, Cause, breaches, causes};
pub use compute::results;
pub use detail::detail_page;
pub use gate::{Gate, Level};
pub use list::list_page;
pub use page::STYLE;
pub use types::{
    AuditEntry, Comparison, Day, Ending, Health, Metric, MetricRole, Part, Point, Posterior, Progress, Results,
    Segment, Series, State, Variant, Verdict,
};
