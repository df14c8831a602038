//! Methods of Python's int and float.

use crate::value::Value;

use super::args::{Args, Call};
use super::fail::{Fail, R};
use super::val::Val;

/// A method of a float.
pub fn float_method(float: f64, name: &str) -> R<Val> {
    Ok(match name {
        "is_integer" => Val::from(float.fract() == 0.0),
        "conjugate" => Val::from(float),
        _ => {
            let fail = || Fail::said("the number has no ratio", "cannot convert float to integer ratio");
            if !float.is_finite() {
                return Err(fail());
            }
            // Halves, quarters ... until the number is whole.
            let (mut top, mut bottom) = (float, 1_i128);
            while top.fract() != 0.0 {
                top *= 2.0;
                bottom = bottom.checked_mul(2).ok_or_else(fail)?;
            }
            if top.abs() >= 1e38 {
                return Err(fail());
            }
            #[expect(clippy::cast_possible_truncation, reason = "a whole number below 2^127")]
            Val::tuple(vec![Val::from(top as i128), Val::from(bottom)])
        }
    })
}

/// A method of an integer.
pub fn int_method(call: &Call, int: i128, name: &str, mut args: Args) -> R<Val> {
    Ok(match name {
        "bit_count" => Val::from(i128::from(int.unsigned_abs().count_ones())),
        "bit_length" => Val::from(i128::from(128 - int.unsigned_abs().leading_zeros())),
        "is_integer" => Val::from(true),
        "conjugate" => Val::from(int),
        "as_integer_ratio" => Val::tuple(vec![Val::from(int), Val::from(1_i64)]),
        _ => {
            let length = usize::try_from(args.int(0, "length")?.unwrap_or(1)).unwrap_or(usize::MAX);
            let order = args.text(call, 1, "byteorder")?.unwrap_or_else(|| "big".into());
            if int < 0 {
                return Err(Fail::said("the number is negative", "can't convert negative int to unsigned"));
            }
            call.cx().room_for_text(length)?;
            let mut bytes = int.to_le_bytes().to_vec();
            if bytes.iter().skip(length).any(|byte| *byte != 0) {
                return Err(Fail::said("the number is too large", "int too big to convert"));
            }
            bytes.resize(length, 0);
            if &*order == "big" {
                bytes.reverse();
            }
            Val::V(Value::Bytes(bytes.into()))
        }
    })
}
