//! Values of JSON, packed.

use super::{Pack, Packer, Unpacker};
use serde_json::{Map, Number, Value};

/// Each kind of value with a number of its own, so that no text need be read.
impl Pack for Value {
    fn pack(&self, out: &mut Packer) {
        match self {
            Self::Null => out.bytes.push(0),
            Self::Bool(truth) => (1_u8, *truth).pack(out),
            Self::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
                (Some(whole), ..) => (2_u8, whole).pack(out),
                (None, Some(whole), _) => (3_u8, whole.cast_signed()).pack(out),
                (None, None, number) => (4_u8, number.unwrap_or_default()).pack(out),
            },
            Self::String(text) => {
                out.bytes.push(5);
                text.pack(out);
            }
            Self::Array(elements) => {
                out.bytes.push(6);
                elements.pack(out);
            }
            Self::Object(members) => {
                out.bytes.push(7);
                members.len().pack(out);
                for (name, member) in members {
                    name.pack(out);
                    member.pack(out);
                }
            }
        }
    }

    fn unpack(from: &mut Unpacker<'_>) -> Option<Self> {
        Some(match from.byte()? {
            0 => Self::Null,
            1 => Self::Bool(bool::unpack(from)?),
            2 => Self::Number(i64::unpack(from)?.into()),
            3 => Self::Number(i64::unpack(from)?.cast_unsigned().into()),
            4 => Self::Number(Number::from_f64(f64::unpack(from)?)?),
            5 => Self::String(String::unpack(from)?),
            6 => Self::Array(Vec::unpack(from)?),
            7 => from.nested(|from| {
                let count = from.count()?;
                let mut members = Map::new();
                for _ in 0..count {
                    members.insert(String::unpack(from)?, Self::unpack(from)?);
                }
                Some(Self::Object(members))
            })?,
            _ => return None,
        })
    }
}
