//! Responses and their bodies, against hyper: what both take they frame alike, and how the bytes arrive
//! makes no difference.
#![no_main]

use kong::http::Method;
use kong_fuzz::hyper;
use kong_fuzz::wire;

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((first, input)) = input.split_first() else { return };
    let (method, their_method) = match first & 1 {
        0 => (Method::GET, ::hyper::Method::GET),
        _ => (Method::HEAD, ::hyper::Method::HEAD),
    };
    let Ok(ours) = wire::answer(input, method, input.len().max(1)) else { return };
    let piecemeal = wire::answer(input, method, usize::from(first >> 1 & 31) + 1);
    assert_eq!(piecemeal.as_ref(), Ok(&ours), "pieces read differently");
    let Some(theirs) = hyper::answer(input, their_method) else { return };
    assert_eq!(ours.start, theirs.start, "status");
    assert_eq!(ours.body, theirs.body, "body of {ours:?} as hyper reads it: {theirs:?}");
});
