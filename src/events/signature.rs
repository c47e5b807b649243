//! The signature of a server's request: `Sortition-Signature: t=<unix seconds>,v1=<hex HMAC-SHA256 of "t.body">`.

use crate::hash::signature;

/// How far the time of a signature may be from ours, in seconds.
pub const WINDOW_SECONDS: i64 = 300;

/// Checks a signature and returns its tag, which identifies the request.
///
/// Several `v1` are allowed, so that a key can be changed without a gap. The comparison takes constant time.
///
/// # Errors
///
/// What is wrong with it, without a hint at what would be right.
pub fn verify(header: &str, body: &[u8], key: &[u8], now_seconds: i64) -> Result<[u8; 32], &'static str> {
    let mut time = None;
    let mut tags = Vec::new();
    for pair in header.split(',') {
        match pair.trim().split_once('=') {
            Some(("t", value)) if time.is_none() => time = Some(value),
            Some(("v1", value)) if tags.len() < 4 => tags.extend(from_hex(value)),
            _ => {}
        }
    }
    let time = time.ok_or("Sortition-Signature has no t=<unix seconds>")?;
    let seconds: i64 = time.parse().map_err(|_| "the signature's t is no number of seconds")?;
    if now_seconds.saturating_sub(seconds).saturating_abs() > WINDOW_SECONDS {
        return Err("the signature is older than five minutes, or from the future: check the server's clock");
    }
    let signed = [time.as_bytes(), b".", body];
    let right = tags.into_iter().find(|tag| signature::verify(key, &signed, tag));
    right.ok_or("no v1 of the signature is the body's")
}

/// 32 bytes of 64 hexadecimal digits.
pub(super) fn from_hex(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok().filter(|it| !it.starts_with('+'))?, 16).ok()?;
    }
    Some(bytes)
}

/// The signatures that were used within the window, so that none is used twice.
///
/// Bounded: of more than [`Used::MOST`] in five minutes the oldest is forgotten. Each isolate remembers its own; a
/// replay that reaches another isolate changes nothing all the same, since the ids of a signed request's events follow
/// from its signature.
#[derive(Clone, Debug, Default)]
pub struct Used {
    tags: std::collections::VecDeque<(i64, [u8; 32])>,
}

impl Used {
    /// The most signatures that are remembered.
    pub const MOST: usize = 4096;

    /// Whether this one is used for the first time; remembers it.
    pub fn first(&mut self, tag: [u8; 32], now_seconds: i64) -> bool {
        // why: a signature may be dated five minutes ahead, and is then good for ten
        let over = |at: i64| now_seconds.saturating_sub(at) > 2 * WINDOW_SECONDS;
        while self.tags.front().is_some_and(|(at, _)| over(*at)) {
            self.tags.pop_front();
        }
        if self.tags.iter().any(|(_, used)| *used == tag) {
            return false;
        }
        if self.tags.len() >= Self::MOST {
            self.tags.pop_front();
        }
        self.tags.push_back((now_seconds, tag));
        true
    }

    /// Takes back that one was used.
    pub fn forget(&mut self, tag: &[u8; 32]) {
        self.tags.retain(|(_, used)| used != tag);
    }
}
