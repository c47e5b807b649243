//! A plan as bytes: what `push` keeps beside a document, so that an isolate need not read and check it again.

use super::{Experiment, Fixed, Gate, Kill, LayerPart, MeasuredHoldout, Plan, Scope, Variant};
use crate::pack::{Pack, Packer, Unpacker, packed};

/// Stands for the source that packs and unpacks: another build's plans are not read.
pub const FORMAT: [u8; 16] = *include_bytes!(concat!(env!("OUT_DIR"), "/plan_format.bin"));

impl Plan {
    /// The plan as bytes; `content`: the [`crate::hash::content`] of its document's text.
    #[must_use]
    pub fn to_bytes(&self, content: &str) -> Vec<u8> {
        let mut out = Packer::default();
        FORMAT.pack(&mut out);
        content.to_owned().pack(&mut out);
        let plan = out.beside(self);
        checksum(&plan).pack(&mut out);
        out.bytes.extend(plan);
        out.bytes
    }

    /// The plan of such bytes; `None` where they are another build's, of another document, or damaged. Its experiments are
    /// read when they are asked for.
    #[must_use]
    #[inline(never)]
    pub fn from_bytes(bytes: &[u8], content: &str) -> Option<Self> {
        let mut from = Unpacker::new(bytes);
        if <[u8; 16]>::unpack(&mut from)? != FORMAT || from.text()? != content {
            return None;
        }
        if i64::unpack(&mut from)? != checksum(from.left()) {
            return None;
        }
        let mut plan = Self::unpack(&mut from)?;
        plan.apply(&Kill::default());
        from.is_done().then_some(plan)
    }
}

// why: a loop that runs once is not worth optimising, and V8 would with it all that it stands in
/// Stands for bytes, so that damage shows before an experiment is read, which may be much later. By words of eight bytes in
/// the way of rustc's `FxHasher`: every step can be turned back, so that damage within one word never goes unseen.
#[inline(never)]
fn checksum(bytes: &[u8]) -> i64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut last = [0; 8];
    last.iter_mut().zip(rest).for_each(|(to, byte)| *to = *byte);
    let step = |sum: i64, word: &[u8; 8]| (sum.rotate_left(5) ^ i64::from_le_bytes(*word)).wrapping_mul(MULTIPLIER);
    step(words.iter().fold(i64::try_from(bytes.len()).unwrap_or(0), step), &last)
}

const MULTIPLIER: i64 = 0x517c_c1b7_2722_0a95;

// why: experiments name groups, which are read before them
packed!(struct Plan { fixed, experiments });
packed!(struct Fixed { project, revision, groups, visitor, cookies, loopback_cookies, has_sessions, assigns_sessions, api, consent, crawler_policy, crawler_also, crawler_except, headers, bridge, preview, cached, redirect_hosts, holdout, measured_holdout, layers, has_users, has_shadows, index, keyed, originals, killed_by_document });
packed!(struct Gate { salt, below });
packed!(struct LayerPart { salt, slots, layer, holdout });
packed!(struct MeasuredHoldout { assignment_key, codes, compared_below });
packed!(struct Experiment { id, key, tags, kind, status, killed, starts_at, ends_at, unit, else_unit, iteration, assignment_key, held_out_code, traffic_salt, variant_salt, takeover, assigned_elsewhere, shadow, traffic, ramp, hold, layer, priority, conflicts, scope, audience, requires, overrides, sticky, essential, display, expose, winner, baseline, redirects, rewrites, by_origin, variants });
packed!(struct Scope { pages, except, hosts, methods });
packed!(struct Variant { id, key, below, written_below, code, header_member, rewrite, redirect, origin, response_headers, payload });
