//! What the objects of users say and hear of decisions by call.

use crate::decisions::{Call, assignments_of, depends_on_people};
use crate::edge::isolate;
use crate::person::object_name;
use crate::plan::Plan;
use crate::visit::{PEOPLE, Question, encode_question};
use crate::visitor::assignments::Assignments;
use js_sys::Array;
use wasm_bindgen::prelude::*;
use worker::{Context, Env};

// why: by its name and not by its path, for what it imported would be bundled a second time
#[wasm_bindgen(raw_module = "sortition-people")]
unsafe extern "C" {
    #[wasm_bindgen(js_name = joinAll, catch)]
    async fn join_all(objects: Array, shown: Array, env: &JsValue) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(js_name = tellAll, catch)]
    async fn tell_all(objects: Array, shown: Array, env: &JsValue) -> Result<JsValue, JsValue>;
    #[wasm_bindgen(catch)]
    async fn verified(question: &str, env: &JsValue) -> Result<JsValue, JsValue>;
}

/// An object's name, and what it is to hear.
pub(super) type News = (String, String);

/// What the objects answer; `None` where none is asked, or none answered in time.
pub(super) async fn join(asked: &[Option<News>], env: &Env, now: i64) -> Vec<Option<String>> {
    let nothing = vec![None; asked.len()];
    #[allow(clippy::cast_precision_loss)]
    let at = now as f64;
    // why: objects that do not answer are not waited for by everybody
    let admits = || isolate::with(|isolate| isolate.has_people && isolate.breakers.admits(PEOPLE, at));
    if asked.iter().all(Option::is_none) || admits() != Some(true) {
        return nothing;
    }
    let column = |of: fn(&News) -> &str| {
        asked.iter().map(|one| one.as_ref().map_or(JsValue::NULL, |news| of(news).into())).collect::<Array>()
    };
    let answer = join_all(column(|(object, _)| object), column(|(_, shown)| shown), env.as_ref()).await;
    let Some(answers) = answer.ok().and_then(|answer| answer.dyn_into::<Array>().ok()) else { return nothing };
    let answers: Vec<Option<String>> = answers.iter().map(|answer| answer.as_string()).collect();
    let in_time = answers.iter().zip(asked).all(|(answer, asked)| answer.is_some() == asked.is_some());
    isolate::with(|isolate| isolate.breakers.settle(PEOPLE, in_time, at));
    answers
}

/// Tells objects what was shown, behind the answer.
pub(super) fn tell(news: Vec<News>, env: &Env, context: &Context) {
    if news.is_empty() || isolate::with(|isolate| isolate.has_people) != Some(true) {
        return;
    }
    let env = env.clone();
    let (objects, shown): (Array, Array) =
        news.into_iter().map(|(object, shown)| (JsValue::from(object), JsValue::from(shown))).unzip();
    context.wait_until(async move {
        // why: it reports its own failures
        let _ = tell_all(objects, shown, env.as_ref()).await;
    });
}

/// Whether the signature of a user's token holds.
pub(super) async fn is_signed(question: &Question, env: &Env) -> bool {
    let answer = verified(&encode_question(question), env.as_ref()).await;
    answer.ok().and_then(|holds| holds.as_bool()).unwrap_or(false)
}

/// What a server's users were assigned on any device, for each unit of its call.
pub(super) async fn known_of(plan: &Plan, call: &Call, env: &Env, now: i64) -> Vec<Assignments> {
    let is_asked = depends_on_people(plan, call.asked());
    let users: Vec<Option<&str>> = call.units().map(|(units, _)| units.user.as_deref().filter(|_| is_asked)).collect();
    let asked: Vec<Option<News>> =
        users.iter().map(|user| user.map(|user| (object_name(&plan.project, user), String::new()))).collect();
    let answers = join(&asked, env, now).await;
    let known = |(user, answer): (&Option<&str>, Option<String>)| match (user, answer) {
        (Some(user), Some(answer)) => assignments_of(plan, user, &answer, now),
        _ => Assignments::default(),
    };
    users.iter().zip(answers).map(known).collect()
}
