//! Outcomes → one text each, which `edge/decode.js` turns into a tagged object.
//!
//! Text is the fastest thing to hand to JavaScript; an object would be made member by member, each with a call across the
//! boundary. The first field is the outcome's tag, the others stand in a fixed order, and changes of headers come last, two
//! fields each. `fixtures/boundary/outcomes.json` holds examples of every one; both sides are tested with it.
//!
//! What separates fields are control characters. No text of ours has one (JSON escapes them, URLs and ids have none), but
//! values of headers come from outside. So one that holds a control character is refused here: what was to be set is
//! removed, what was to be added is not.

use super::{Finish, Outcome, OwnAnswer, Question, SharedCopy, VariantOriginRequest, Watched};
use crate::ascii;
use crate::document::TokenAlgorithm;
use crate::execution::rewriting::{Argument, Call};
use crate::execution::{Charset, HeaderChange};
use crate::plan::Position;
use crate::plan::{ExperimentAt, VariantAt};

/// Between fields: ASCII "unit separator".
const FIELD: &str = "\u{1f}";
/// Between the items of a field that is a list: ASCII "record separator".
const ITEM: &str = "\u{1e}";

/// What stands before the name of a header in a change, with the separator before it.
const SET: &str = "\u{1f}=";
const APPEND: &str = "\u{1f}+";
const REMOVE: &str = "\u{1f}-";

/// The longest request body that is kept so that it can be sent twice: to a variant origin, then to the control origin.
const KEPT_BODY_BYTES: u32 = 1 << 20;

/// Whether a text may stand in a header: without control characters, except for the tab (RFC 9110, section 5.5).
#[must_use]
pub fn is_header_value(text: &str) -> bool {
    !ascii::has_control(text) || text.bytes().all(|byte| (byte >= b' ' && byte != 0x7f) || byte == b'\t')
}

/// An outcome as text. `told` is what the queue is told with an answer of our own: visits, one a line; `generation` the
/// number of the plan that positions are of.
///
/// ```text
/// answer         status, visits, changes of the answer
/// forward        changes of the request
/// variant_origin base URL or nothing, path prefix, milliseconds or nothing, longest body to keep, `trusted` or `foreign`, changes
/// shared_copy    variants, what tells its finished body from others or nothing, the experiments that wait for an element
///                (`3,0`), `gzip` where the client reads that, `conditional` where a copy that it has may be answered with
///                a 304, changes of the request where there is no copy
/// ask            see [`encode_question`]
/// ```
#[must_use]
pub fn encode_outcome(outcome: &Outcome<'_>, generation: u32, told: &str) -> String {
    match outcome {
        Outcome::Forward(forward) => Text::new("forward", 512).changes(forward.changes),
        Outcome::Answer(answer) => encode_answer(answer, told),
        Outcome::VariantOrigin(variant) => encode_variant_origin(variant),
        Outcome::SharedCopy(copy) => encode_shared_copy(copy, generation),
        Outcome::Ask(question) => encode_question(question),
    }
}

#[inline(never)]
fn encode_answer(answer: &OwnAnswer<'_>, told: &str) -> String {
    let mut text = Text::new("answer", 1024);
    text.field(&answer.status.to_string());
    text.field(told);
    text.changes(answer.changes)
}

#[inline(never)]
fn encode_variant_origin(variant: &VariantOriginRequest) -> String {
    let origin = &variant.origin;
    let mut text = Text::new("variant_origin", 512);
    text.field(origin.base.as_deref().unwrap_or_default());
    text.field(&origin.path_prefix);
    text.field(&origin.timeout_ms.map(|most| most.to_string()).unwrap_or_default());
    text.field(&KEPT_BODY_BYTES.to_string());
    text.field(if origin.trusted { "trusted" } else { "foreign" });
    text.changes(&variant.changes)
}

#[inline(never)]
fn encode_shared_copy(copy: &SharedCopy<'_>, generation: u32) -> String {
    let mut text = Text::new("shared_copy", 512);
    text.field(copy.variants);
    match &copy.body {
        Some(body) => {
            let watchable: Vec<String> = body.watchable.iter().map(|it| it.number().to_string()).collect();
            let watchable = watchable.join(",");
            let steps = positions(&body.steps);
            text.field(&[&generation.to_string(), &steps, &watchable, &body.told].map(String::as_str).join(" "));
            text.field(&watchable);
            text.field(if body.gzip { "gzip" } else { "" });
            text.field(if copy.is_conditional() { "conditional" } else { "" });
        }
        None => (0..4).for_each(|_| text.field("")),
    }
    text.changes(copy.otherwise.changes)
}

/// A question as text: `ask`, then `verify`, the algorithm, the key or nothing, what is signed, and the signature; or
/// `join`, the object's name, and what was shown.
#[must_use]
pub fn encode_question(question: &Question) -> String {
    let mut text = Text::new("ask", 1024);
    match question {
        Question::Verify { alg, key, signed, signature, .. } => {
            let alg = match alg {
                TokenAlgorithm::HS256 => "HS256",
                TokenAlgorithm::RS256 => "RS256",
                TokenAlgorithm::ES256 => "ES256",
            };
            ["verify", alg, key, signed, signature].iter().for_each(|field| text.field(field));
        }
        Question::Join { object, shown } => ["join", object, shown].iter().for_each(|field| text.field(field)),
    }
    text.0
}

/// What becomes of an answer, as text: `finish`, visits for the queue, then, where the body is rewritten, the number of
/// the plan that positions are of, else nothing; steps (`3.1,5.0`: experiment and variant); `utf-8`, or `ascii` where text
/// beyond ASCII goes in as references; the `Content-Type` for the rewriter, or nothing; further calls (selector, method,
/// first argument, second argument, `html` or `text` where the first is content in place of a second, selector, …); what is
/// watched (experiment, key and exposure, experiment, …); `tagged` where the origin's tag stands for the page's very
/// bytes; changes of the answer.
#[must_use]
pub fn encode_finish(finish: &Finish, generation: u32, told: &str) -> String {
    let mut text = Text::new("finish", 2048);
    text.field(told);
    match &finish.rewriting {
        Some(rewriting) => {
            text.field(&generation.to_string());
            text.field(&positions(&rewriting.steps));
            text.field(if rewriting.charset == Charset::Utf8 { "utf-8" } else { "ascii" });
            text.field(rewriting.relabelled.unwrap_or_default());
            match &rewriting.additions[..] {
                [] => text.field(""),
                additions => text.calls(additions),
            }
            match &rewriting.watched[..] {
                [] => text.field(""),
                watched => text.watched(watched),
            }
            text.field(if rewriting.is_tagged { "tagged" } else { "" });
        }
        None => (0..7).for_each(|_| text.field("")),
    }
    text.changes(&finish.changes)
}

/// The answer to a call, as text: `reply`, the status, the body or nothing, and its headers, each to be added.
#[must_use]
pub fn encode_reply(status: u16, body: &str, headers: &[(&str, String)]) -> String {
    let mut text = Text::new("reply", body.len().saturating_add(256));
    text.field(&status.to_string());
    text.field(body);
    for (name, value) in headers.iter().filter(|(_, value)| is_header_value(value)) {
        text.change(FIELD, name, value);
    }
    text.0
}

/// Treatments by their positions: `3.1,5.0`.
fn positions(steps: &[(ExperimentAt, VariantAt)]) -> String {
    let mut text = String::new();
    for (experiment, variant) in steps {
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str(&experiment.number().to_string());
        text.push('.');
        text.push_str(&variant.number().to_string());
    }
    text
}

/// A text in the making.
struct Text(String);

impl Text {
    fn new(tag: &str, capacity: usize) -> Self {
        let mut text = String::with_capacity(capacity);
        text.push_str(tag);
        Self(text)
    }

    fn field(&mut self, text: &str) {
        self.0.push_str(FIELD);
        self.piece(text);
    }

    /// What is watched, as a list: experiment, key and exposure, experiment, and so on.
    #[inline(never)]
    fn watched(&mut self, watched: &[Watched]) {
        for (position, one) in watched.iter().enumerate() {
            self.0.push_str(if position == 0 { FIELD } else { ITEM });
            self.piece(&one.experiment.number().to_string());
            self.0.push_str(ITEM);
            self.piece(&format!("{:016x}", one.key));
            self.0.push_str(ITEM);
            self.piece(one.exposure.text());
        }
    }

    /// Calls of the rewriter, as a list: selector, method, first argument, second argument, what the first is, selector, …
    #[inline(never)]
    fn calls(&mut self, calls: &[Call<'_>]) {
        for (position, call) in calls.iter().enumerate() {
            self.0.push_str(if position == 0 { FIELD } else { ITEM });
            let text = |at: usize| match call.arguments.get(at) {
                Some(Argument::Text(text)) => text.as_ref(),
                _ => "",
            };
            let kind = match call.arguments.get(1) {
                Some(Argument::Content { html: true }) => "html",
                Some(Argument::Content { html: false }) => "text",
                _ => "",
            };
            self.piece(&call.select);
            for item in [call.method, text(0), text(1), kind] {
                self.0.push_str(ITEM);
                self.piece(item);
            }
        }
    }

    /// A text of ours, which has no separator; if one ever had, it would lose it.
    fn piece(&mut self, text: &str) {
        if ascii::has_control(text) {
            self.0.extend(text.chars().filter(|character| !matches!(character, '\u{1e}' | '\u{1f}')));
        } else {
            self.0.push_str(text);
        }
    }

    /// Changes of headers, two fields each: the name after `=` (set), `+` (add) or `-` (remove), and the value; of what is
    /// removed in one go the names with commas between them, and no value.
    fn changes(mut self, changes: &[HeaderChange]) -> String {
        let mut removes = false;
        for change in changes {
            let removed_before = core::mem::replace(&mut removes, matches!(change, HeaderChange::Remove(_)));
            match change {
                HeaderChange::Remove(name) if removed_before => {
                    // why: behind the field of the value, which is empty
                    self.0.pop();
                    self.0.push(',');
                    self.0.push_str(name);
                    self.0.push_str(FIELD);
                }
                HeaderChange::Set(name, value) => self.set(name, value),
                HeaderChange::SetNamed(name, value) => self.set(name, value),
                HeaderChange::Append(name, value) if is_header_value(value) => self.change(APPEND, name, value),
                HeaderChange::Append(..) => {}
                HeaderChange::Remove(name) => self.change(REMOVE, name, ""),
            }
        }
        self.0
    }

    fn set(&mut self, name: &str, value: &str) {
        if is_header_value(value) {
            self.change(SET, name, value);
        } else {
            self.change(REMOVE, name, "");
        }
    }

    fn change(&mut self, sign: &str, name: &str, value: &str) {
        self.0.push_str(sign);
        self.0.push_str(name);
        self.0.push_str(FIELD);
        self.0.push_str(value);
    }
}
