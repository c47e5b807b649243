//! Results as HTML and JSON: which variant won, and whether the data can be trusted.
//!
//! [`Known::questions`] and [`questions`] say what to ask the record, [`results`] makes the answers and the document into
//! [`Results`], and [`list_page`] and [`detail_page`] show them. Nothing here asks anybody anything: the same
//! aggregates give the same page, natively and in the worker.

mod act;
mod answers;
mod bandit;
mod board;
mod breach;
mod built_in;
mod change;
mod compare;
mod compute;
mod course;
pub mod csv;
mod date;
mod detail;
mod door;
mod gate;
mod gate_level;
mod health;
mod holdout;
mod matrix;
mod measured;
mod number;
mod overlap;
mod page;
mod plot;
mod programme;
mod progress;
mod published;
mod route;
mod sample;
mod segment;
mod shown;
mod summary;
mod types;
mod verdict;
mod watch;

pub use act::{confirm_page, done_page, forms, refused_page};
pub use answers::{
    Depth, Known, iteration, metrics, others, question_names, questions, shared_questions, unreadable, variants,
};
pub use board::{View, list_page};
pub use breach::{Breach, Cause, breaches, causes};
pub use compute::results;
pub use detail::{detail_page, detail_page_with, shared_page};
pub use door::{Door, Entry};
pub use gate_level::{Gate, GateLevel};
pub use holdout::holdout;
pub use matrix::interactions_page;
pub use number::{counted, lift, lifts};
pub use page::{STYLE, absent_page};
pub use programme::{Decided, Sources, courses, programme_page};
pub use published::{Published, Source, has_outlived, published_key, published_place};
pub use route::{Form, ROOT, Route, Subject, Tokens};
pub use shown::{difference, lift_text, value};
pub use summary::summary;
pub use types::{
    Arm, AuditEntry, Bandit, Change, ComparisonResult, Day, Delay, Ending, Health, Held, MetricResult, MetricRole,
    Overlap, OverlapTest, Part, Phase, Point, Posterior, Progress, Results, Segment, Series, State, Variant, Verdict,
    noun,
};
pub use watch::{Acts, Told, body, is_watched, tidy, watch};
