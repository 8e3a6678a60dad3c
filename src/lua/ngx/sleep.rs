//! `ngx.sleep`.

use crate::lua::frame::{Answer, Flow, Frame, Kind};
use crate::lua::task::Resume;
use std::ffi::c_int;
use std::time::Duration;

pub(super) fn install(frame: &Frame, ngx: c_int) {
    frame.set_function(ngx, "sleep", sleep);
}

fn sleep(frame: &Frame) -> Answer {
    if frame.kind(1) == Kind::None {
        frame.push_nil();
    }
    let milliseconds = (frame.number(1)? * 1000.0).trunc();
    let pause = Duration::try_from_secs_f64(milliseconds / 1000.0)
        .map_err(|_| Flow::raise(format!("invalid sleep duration \"{milliseconds}\"")))?;
    frame.wait(async move {
        if pause < Duration::from_millis(1) {
            tokio::task::yield_now().await;
        } else {
            tokio::time::sleep(pause).await;
        }
        Box::new(|_: &Frame| Ok(0)) as Resume
    })
}
