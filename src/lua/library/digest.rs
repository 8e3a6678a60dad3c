//! `resty.md5`, `resty.sha1`, `resty.sha224` … `resty.sha512`: digests made piece by piece.

use crate::lua::frame::{Answer, Frame};
use crate::lua::object::{self, Object};
use aws_lc_rs::digest;
use md5::{Digest as _, Md5};
use std::cell::RefCell;
use std::ffi::{CStr, c_int};

/// A digest in the making.
struct Digest {
    algorithm: Algorithm,
    state: RefCell<State>,
}

#[derive(Clone, Copy)]
enum Algorithm {
    Md5,
    Sha(&'static digest::Algorithm),
}

enum State {
    Md5(Md5),
    Sha(digest::Context),
}

impl Algorithm {
    fn named(module: &str) -> Self {
        match module {
            "resty.md5" => Self::Md5,
            "resty.sha224" => Self::Sha(&digest::SHA224),
            "resty.sha256" => Self::Sha(&digest::SHA256),
            "resty.sha384" => Self::Sha(&digest::SHA384),
            "resty.sha512" => Self::Sha(&digest::SHA512),
            _ => Self::Sha(&digest::SHA1_FOR_LEGACY_USE_ONLY),
        }
    }

    fn start(self) -> State {
        match self {
            Self::Md5 => State::Md5(Md5::new()),
            Self::Sha(algorithm) => State::Sha(digest::Context::new(algorithm)),
        }
    }
}

impl Object for Digest {
    const NAME: &'static CStr = c"digest";

    fn methods(frame: &Frame, table: c_int) {
        frame.set_function(table, "update", |frame| {
            let data = frame.bytes(2)?;
            // `update(text, length)` takes the beginning of a text.
            let length = frame.optional_number(3)?.map_or(data.len(), |length| length as usize);
            let data = data.get(..length).unwrap_or(data);
            match &mut *object::at::<Digest>(frame, 1)?.state.borrow_mut() {
                State::Md5(state) => state.update(data),
                State::Sha(state) => state.update(data),
            }
            frame.push_boolean(true);
            Ok(1)
        });
        frame.set_function(table, "final", |frame| {
            match &*object::at::<Digest>(frame, 1)?.state.borrow() {
                State::Md5(state) => frame.push_bytes(&state.clone().finalize()),
                State::Sha(state) => frame.push_bytes(state.clone().finish().as_ref()),
            }
            Ok(1)
        });
        frame.set_function(table, "reset", |frame| {
            let digest = object::at::<Digest>(frame, 1)?;
            digest.state.replace(digest.algorithm.start());
            frame.push_boolean(true);
            Ok(1)
        });
    }
}

/// Loader of one of the modules; its name is the argument.
pub(super) fn load(frame: &Frame) -> Answer {
    frame.push_table(0, 2);
    frame.push_value(1);
    frame.push_closure(
        |frame| {
            let module = frame.text(Frame::upvalue(1))?;
            let algorithm = Algorithm::named(&module);
            let state = RefCell::new(algorithm.start());
            object::push_wrapped(frame, Digest { algorithm, state });
            Ok(1)
        },
        1,
    );
    frame.set_field(-2, "new");
    frame.push_text("0.15");
    frame.set_field(-2, "_VERSION");
    Ok(1)
}

#[cfg(test)]
mod tests {
    use crate::lua::testing::check;

    #[test]
    fn digests_grow_piece_by_piece_and_begin_again() {
        check(
            r#"
            local to_hex = require("resty.string").to_hex
            local function hex(module, ...)
              local d = require(module):new()
              for _, piece in ipairs { ... } do assert(d:update(piece) == true) end
              return to_hex(d:final())
            end
            assert(hex("resty.md5", "hel", "lo") == "5d41402abc4b2a76b9719d911017c592")
            assert(hex("resty.sha1", "hello") == "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d")
            assert(hex("resty.sha256", "hello") == "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824")
            assert(#hex("resty.sha224", "") == 56 and #hex("resty.sha384", "") == 96 and #hex("resty.sha512", "") == 128)
            local d = require("resty.md5"):new() d:update("x") d:reset()
            assert(d:final() == ngx.md5_bin(""))
            assert(require("resty.string").atoi("12") == 12)
            local random = require "resty.random"
            assert(#random.bytes(16) == 16 and #random.bytes(8, true) == 8 and random.bytes(16) ~= random.bytes(16))
            "#,
        );
    }
}
