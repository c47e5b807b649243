//! The consumer behind the queues: archive first, then the record and the stream, then acknowledge. Each is done where it
//! is bound.

use super::databases::Databases;
use crate::document::Timestamp;
use crate::events::{Event, Message};
use crate::ledger;
use wasm_bindgen::prelude::*;
use worker::{Context, Env, MessageBatch, MessageExt, QueueRetryOptionsBuilder, RawMessage, Result, event};

/// Takes a batch. Never fails as a whole, since that would end the isolate: what could not be stored is retried, message
/// by message, and what cannot be read goes to the dead letters with its reason.
#[event(queue)]
async fn queue(batch: MessageBatch<JsValue>, env: Env, _context: Context) -> Result<()> {
    let mut readable = Vec::new();
    for delivery in batch.raw_iter() {
        match read(&delivery) {
            Ok(message) => readable.push((delivery, message)),
            Err(reason) => bury(&delivery, &reason, &env).await,
        }
    }
    let (deliveries, messages): (Vec<_>, Vec<_>) = readable.into_iter().unzip();
    if let Err(reason) = archive(&messages, &env).await {
        retry(&deliveries, &reason.to_string());
        return Ok(());
    }
    if let Err(reason) = stream(&messages, &env).await {
        retry(&deliveries, &format!("PIPELINE: {reason}"));
        return Ok(());
    }
    match record(&messages, &env).await {
        Ok(()) => deliveries.iter().for_each(RawMessage::ack),
        Err(_) if messages.len() > 1 => record_each(&deliveries, &messages, &env).await,
        Err(reason) => retry(&deliveries, &reason.to_string()),
    }
    Ok(())
}

// why: see `ingest.rs`
#[wasm_bindgen(raw_module = "sortition-ship")]
unsafe extern "C" {
    #[wasm_bindgen(js_name = toPipeline, catch)]
    async fn to_pipeline(rows: &str, env: &JsValue) -> core::result::Result<(), JsValue>;
}

/// Sends the events to the stream PIPELINE, where there is one: as rows of `schema/pipeline.json`, which are the events of
/// `schema/events.schema.json`. A batch that is delivered again is sent again; readers keep one row of an `id`.
async fn stream(messages: &[Message], env: &Env) -> Result<()> {
    let rows: Vec<&Event> = messages.iter().flat_map(Message::events).collect();
    if rows.is_empty() || js_sys::Reflect::get(env, &"PIPELINE".into()).map_or(true, |it| it.is_falsy()) {
        return Ok(());
    }
    Ok(to_pipeline(&serde_json::to_string(&rows)?, env).await?)
}

/// After so many failures in a row it is the database that fails, and not a message.
const DATABASE_IS_DOWN: usize = 3;

/// Records message by message, so that only those are retried that fail.
async fn record_each(deliveries: &[RawMessage], messages: &[Message], env: &Env) {
    let mut in_a_row = 0;
    for (index, (delivery, message)) in deliveries.iter().zip(messages).enumerate() {
        match record(std::slice::from_ref(message), env).await {
            Ok(()) => {
                in_a_row = 0;
                delivery.ack();
            }
            Err(reason) => {
                in_a_row += 1;
                if in_a_row >= DATABASE_IS_DOWN {
                    retry(deliveries.get(index..).unwrap_or(&[]), &reason.to_string());
                    return;
                }
                retry(std::slice::from_ref(delivery), &reason.to_string());
            }
        }
    }
}

/// How long a failed message waits before it is delivered again, in seconds. With the ten attempts that wrangler.toml
/// allows, a database may be away for two and a half minutes before messages go to the dead letters.
const RETRY_SECONDS: u32 = 15;

/// Has messages delivered again, later.
fn retry(deliveries: &[RawMessage], reason: &str) {
    if deliveries.is_empty() {
        return;
    }
    worker::console_error!("sortition: {} messages are delivered again: {reason}", deliveries.len());
    let options = QueueRetryOptionsBuilder::new().with_delay_seconds(RETRY_SECONDS).build();
    deliveries.iter().for_each(|delivery| delivery.retry_with_options(&options));
}

fn read(delivery: &RawMessage) -> core::result::Result<Message, String> {
    let body = delivery.body();
    let text = match body.as_string() {
        Some(text) => text,
        None => js_sys::JSON::stringify(&body).ok().and_then(|text| text.as_string()).ok_or("not JSON")?,
    };
    Message::parse(&text).map_err(|error| error.to_string())
}

/// Sends an unreadable message to the dead letters with its reason. Without that binding it is retried until the
/// platform moves it there.
async fn bury(delivery: &RawMessage, reason: &str, env: &Env) {
    worker::console_error!("sortition: an unreadable message goes to the dead letters: {reason}");
    let buried = async {
        let letter = js_sys::Object::new();
        js_sys::Reflect::set(&letter, &"reason".into(), &reason.into())?;
        js_sys::Reflect::set(&letter, &"body".into(), &delivery.body())?;
        keep(delivery, &letter, env).await;
        let letter =
            worker::RawMessageBuilder::new(letter.into()).build_with_content_type(worker::QueueContentType::Json);
        env.queue("DEAD_LETTERS")?.send_raw(letter).await
    };
    match buried.await {
        Ok(()) => delivery.ack(),
        Err(_) => delivery.retry(),
    }
}

/// Keeps a copy of a dead letter where `sortition events replay` finds it. The letter itself is what counts, so a failure
/// is only logged.
async fn keep(delivery: &RawMessage, letter: &js_sys::Object, env: &Env) {
    let Ok(bucket) = env.bucket("ARCHIVE") else { return };
    let Some(text) = js_sys::JSON::stringify(letter).ok().and_then(|text| text.as_string()) else { return };
    if let Err(error) = bucket.put(format!("dead/{}.json", delivery.id()), text).execute().await {
        worker::console_error!("sortition: failed in keeping a dead letter in ARCHIVE: {error}");
    }
}

fn now() -> Timestamp {
    Timestamp::from_millis(worker::Date::now().as_millis().try_into().unwrap_or(0))
}

/// Two R2 objects a batch; see [`ledger::archive`] and [`ledger::archive_visits`].
async fn archive(messages: &[Message], env: &Env) -> Result<()> {
    let Ok(bucket) = env.bucket("ARCHIVE") else { return Ok(()) };
    let now = now().to_string();
    for (key, lines) in [ledger::archive(messages, &now), ledger::archive_visits(messages, &now)].into_iter().flatten()
    {
        bucket.put(key, lines).execute().await?;
    }
    Ok(())
}

/// One transaction a database, a statement a table.
async fn record(messages: &[Message], env: &Env) -> Result<()> {
    match Databases::open(env)? {
        Some(databases) => databases.record(messages, now()).await,
        None => Ok(()),
    }
}
