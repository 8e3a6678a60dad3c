//! `ngx.base64`: base64 with the URL alphabet.

use crate::lua::frame::{Answer, Frame};
use crate::lua::ngx::encode;

/// Pushes the module.
pub(super) fn load(frame: &Frame) -> Answer {
    encode::push_base64(frame);
    Ok(1)
}
