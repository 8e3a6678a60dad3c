//! Big numbers: what `resty.openssl.bn` is built on.
#![allow(unsafe_code)] // aws-lc is a C library.

use super::raw::{Handle, c_text, failed, taken_text};
use crate::lua::frame::{Answer, Flow, Frame, Kind};
use crate::lua::object::{self, Object};
use aws_lc_sys as sys;
use std::ffi::{CStr, c_int};
use std::ptr;

/// The most bytes that a number is written in.
const LONGEST: f64 = 65_536.0;

/// A big number in Lua's hands.
pub(super) struct Number(pub(super) Handle<sys::BIGNUM>);

impl Object for Number {
    const NAME: &'static CStr = c"bn";

    fn methods(_: &Frame, _: c_int) {}
}

type Big = Handle<sys::BIGNUM>;

pub(super) fn install(frame: &Frame, table: c_int) {
    frame.set_function(table, "bn_read", read);
    frame.set_function(table, "bn_write", write);
    frame.set_function(table, "bn_compute", compute);
    frame.set_function(table, "bn_ask", ask);
    frame.set_function(table, "bn_prime", |frame| {
        let (Some(number), bits) = (new(), frame.integer(1)?) else { return frame.fail(failed("bn")) };
        let bits = c_int::try_from(bits).unwrap_or(0);
        // SAFETY: the number is live; no callback.
        let made = unsafe {
            sys::BN_generate_prime_ex(
                number.get(),
                bits,
                c_int::from(frame.truth(2)),
                ptr::null(),
                ptr::null(),
                ptr::null_mut(),
            )
        };
        answer(frame, (made == 1).then_some(number), "bn:BN_generate_prime_ex")
    });
}

/// A number from its bytes, the highest first.
pub(super) fn from_bytes(bytes: &[u8]) -> Option<Big> {
    // SAFETY: reads the slice and makes a new object.
    unsafe { Handle::take(sys::BN_bin2bn(bytes.as_ptr(), bytes.len(), ptr::null_mut())) }
}

/// The bytes of a number, the highest first.
///
/// # Safety
/// `number` must be live.
pub(super) unsafe fn bytes_of(number: *const sys::BIGNUM) -> Vec<u8> {
    // SAFETY: the buffer has the length the number asks for.
    unsafe {
        let mut out = vec![0; sys::BN_num_bytes(number) as usize];
        sys::BN_bn2bin(number, out.as_mut_ptr());
        out
    }
}

fn new() -> Option<Big> {
    // SAFETY: makes a new object.
    unsafe { Handle::take(sys::BN_new()) }
}

fn answer(frame: &Frame, number: Option<Big>, context: &str) -> Answer {
    match number {
        Some(number) => {
            object::push(frame, Number(number));
            Ok(1)
        }
        None => frame.fail(failed(context)),
    }
}

/// `bn_read(text, form)`: of bytes ("bin"), or digits in hexadecimal ("hex") or decimal ("dec").
fn read(frame: &Frame) -> Answer {
    let text = frame.bytes(1)?;
    let number = match frame.bytes(2)? {
        b"bin" => from_bytes(text),
        form => c_text(text).and_then(|text| {
            let mut number = ptr::null_mut();
            // SAFETY: the text is ended by a zero; a new object is made.
            unsafe {
                let read = if form == b"hex" {
                    sys::BN_hex2bn(&mut number, text.as_ptr())
                } else {
                    sys::BN_dec2bn(&mut number, text.as_ptr())
                };
                let number = Handle::take(number);
                if read > 0 { number } else { None }
            }
        }),
    };
    answer(frame, number, "bn.new")
}

/// `bn_write(number, form, length?)`.
fn write(frame: &Frame) -> Answer {
    let number = object::at::<Number>(frame, 1)?.0.get();
    // SAFETY: the number is live; texts are copied and freed.
    let text = unsafe {
        match frame.bytes(2)? {
            b"hex" => taken_text(sys::BN_bn2hex(number)),
            b"dec" => taken_text(sys::BN_bn2dec(number)),
            _ => match frame.optional_number(3)? {
                None => Some(bytes_of(number)),
                Some(length) if length > LONGEST => return frame.fail("bn:to_binary: length out of range"),
                Some(length) => {
                    let mut out = vec![0; length.max(0.0) as usize];
                    let done = sys::BN_bn2bin_padded(out.as_mut_ptr(), out.len(), number);
                    (done == 1).then_some(out)
                }
            },
        }
    };
    match text {
        Some(text) => frame.push_bytes(&text),
        None => return frame.fail(failed("bn:to_binary")),
    }
    Ok(1)
}

/// The number at `at`: an object, or a Lua number without fraction.
fn operand(frame: &Frame, at: c_int) -> Result<Option<Big>, Flow> {
    match frame.kind(at) {
        Kind::None | Kind::Nil => Ok(None),
        Kind::Number => {
            let value = frame.integer(at)?;
            let number = from_bytes(&value.unsigned_abs().to_be_bytes());
            if let (Some(number), true) = (&number, value < 0) {
                // SAFETY: the number is live.
                unsafe { sys::BN_set_negative(number.get(), 1) };
            }
            Ok(number)
        }
        _ => {
            let number = object::at::<Number>(frame, at)?;
            // SAFETY: copies a live number.
            Ok(unsafe { Handle::take(sys::BN_dup(number.0.get())) })
        }
    }
}

/// `bn_compute(operation, a, b, m)`.
fn compute(frame: &Frame) -> Answer {
    let operation = frame.bytes(1)?;
    let (a, b, m) = (operand(frame, 2)?, operand(frame, 3)?, operand(frame, 4)?);
    let pointer = |number: &Option<Big>| number.as_ref().map_or(ptr::null_mut(), Handle::get);
    let (a, b, m) = (&pointer(&a), &pointer(&b), &pointer(&m));
    let needs = match operation {
        b"sqr" => 1,
        b"mod_add" | b"mod_sub" | b"mod_mul" | b"mod_exp" => 3,
        _ => 2,
    };
    if a.is_null() || (needs > 1 && b.is_null()) || (needs > 2 && m.is_null()) {
        return Err(Flow::raise("expect bn instances or numbers"));
    }
    let (a, b, m) = (*a, *b, *m);
    // SAFETY: all operands are live, the result is new.
    let done = unsafe {
        let (Some(result), Some(space)) = (new(), Handle::take(sys::BN_CTX_new())) else {
            return frame.fail(failed("bn"));
        };
        let (r, ctx) = (result.get(), space.get());
        let shift = || places(b);
        let ok = match operation {
            b"add" => sys::BN_add(r, a, b),
            b"sub" => sys::BN_sub(r, a, b),
            b"mul" => sys::BN_mul(r, a, b, ctx),
            b"div" => sys::BN_div(r, ptr::null_mut(), a, b, ctx),
            b"mod" => sys::BN_div(ptr::null_mut(), r, a, b, ctx),
            b"nnmod" => sys::BN_nnmod(r, a, b, ctx),
            b"sqr" => sys::BN_sqr(r, a, ctx),
            b"exp" => sys::BN_exp(r, a, b, ctx),
            b"gcd" => sys::BN_gcd(r, a, b, ctx),
            b"lshift" => sys::BN_lshift(r, a, shift()),
            b"rshift" => sys::BN_rshift(r, a, shift()),
            b"mod_add" => sys::BN_mod_add(r, a, b, m, ctx),
            b"mod_sub" => sys::BN_mod_sub(r, a, b, m, ctx),
            b"mod_mul" => sys::BN_mod_mul(r, a, b, m, ctx),
            b"mod_sqr" => sys::BN_mod_sqr(r, a, b, ctx),
            b"mod_exp" => sys::BN_mod_exp(r, a, b, m, ctx),
            b"mod_inverse" => c_int::from(!sys::BN_mod_inverse(r, a, b, ctx).is_null()),
            _ => return Err(Flow::raise("no such operation")),
        };
        (ok == 1).then_some(result)
    };
    answer(frame, done, &format!("bn:{}", String::from_utf8_lossy(operation)))
}

/// By how many places a number says to shift; beyond what aws-lc shifts by where it is that big.
///
/// # Safety
/// `number` must be live.
unsafe fn places(number: *const sys::BIGNUM) -> c_int {
    // SAFETY: as said above.
    let word = unsafe { sys::BN_get_word(number) };
    c_int::try_from(word).unwrap_or(c_int::MAX)
}

/// `bn_ask(question, number, other?)`.
fn ask(frame: &Frame) -> Answer {
    let Some(number) = operand(frame, 2)? else { return Err(Flow::raise("expect a bn instance")) };
    let other = operand(frame, 3)?;
    let n = number.get();
    // SAFETY: the numbers are live.
    unsafe {
        match frame.bytes(1)? {
            b"zero" => frame.push_boolean(sys::BN_is_zero(n) == 1),
            b"one" => frame.push_boolean(sys::BN_is_one(n) == 1),
            b"odd" => frame.push_boolean(sys::BN_is_odd(n) == 1),
            b"negative" => frame.push_boolean(sys::BN_is_negative(n) == 1),
            b"prime" => {
                let space = Handle::take(sys::BN_CTX_new());
                let ctx = space.as_ref().map_or(ptr::null_mut(), Handle::get);
                frame.push_boolean(sys::BN_is_prime_ex(n, 64, ctx, ptr::null_mut()) == 1);
            }
            _ => {
                let Some(other) = other else { return Err(Flow::raise("expect a bn instance")) };
                frame.push_integer(i64::from(sys::BN_cmp(n, other.get())));
            }
        }
    }
    Ok(1)
}
