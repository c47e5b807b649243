//! The consumer behind the queue: archive first, then the record, then acknowledge.

use crate::document::Timestamp;
use crate::events::Message;
use crate::ledger;
use wasm_bindgen::JsValue;
use worker::{Context, Env, MessageBatch, MessageExt, RawMessage, Result, event};

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
    match store(&messages, &env).await {
        Ok(()) => deliveries.iter().for_each(RawMessage::ack),
        Err(reason) => {
            worker::console_error!("sortition: {} messages are retried: {reason}", deliveries.len());
            deliveries.iter().for_each(RawMessage::retry);
        }
    }
    Ok(())
}

fn read(delivery: &RawMessage) -> core::result::Result<Message, String> {
    let body = delivery.body();
    let text = match body.as_string() {
        Some(text) => text,
        None => js_sys::JSON::stringify(&body).ok().and_then(|text| text.as_string()).ok_or("not JSON")?,
    };
    Message::parse(&text)
}

/// Sends an unreadable message to the dead letters with its reason. Without that binding it is retried until the
/// platform moves it there.
async fn bury(delivery: &RawMessage, reason: &str, env: &Env) {
    worker::console_error!("sortition: an unreadable message goes to the dead letters: {reason}");
    let buried = async {
        let letter = js_sys::Object::new();
        js_sys::Reflect::set(&letter, &"reason".into(), &reason.into())?;
        js_sys::Reflect::set(&letter, &"body".into(), &delivery.body())?;
        let letter =
            worker::RawMessageBuilder::new(letter.into()).build_with_content_type(worker::QueueContentType::Json);
        env.queue("DEAD_LETTERS")?.send_raw(letter).await
    };
    match buried.await {
        Ok(()) => delivery.ack(),
        Err(_) => delivery.retry(),
    }
}

async fn store(messages: &[Message], env: &Env) -> Result<()> {
    let now = Timestamp::from_millis(worker::Date::now().as_millis().try_into().unwrap_or(0));
    if let (Ok(bucket), Some((key, lines))) = (env.bucket("ARCHIVE"), ledger::archive(messages, &now.to_string())) {
        bucket.put(key, lines).execute().await?;
    }
    if let Ok(database) = env.d1("LEDGER") {
        let statements = ledger::statements(messages)
            .into_iter()
            .map(|statement| database.prepare(statement.sql).bind(&[statement.rows.into()]))
            .collect::<Result<Vec<_>>>()?;
        if !statements.is_empty() {
            database.batch(statements).await?;
        }
    }
    Ok(())
}
