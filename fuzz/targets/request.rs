//! Requests and their bodies, against hyper: what both take they frame alike, and how the bytes arrive
//! makes no difference.
#![no_main]

use kong_fuzz::hyper;
use kong_fuzz::wire::{self, End};

libfuzzer_sys::fuzz_target!(|input: &[u8]| {
    let Some((step, input)) = input.split_first() else { return };
    let (ours, end) = wire::requests(input, input.len().max(1));
    let (piecemeal, piecemeal_end) = wire::requests(input, usize::from(step % 32) + 1);
    let common = ours.len().min(piecemeal.len());
    assert_eq!(ours[..common], piecemeal[..common], "pieces read differently");
    if end == End::Clean {
        assert_eq!((ours.len(), end), (piecemeal.len(), piecemeal_end), "pieces end differently");
    }
    for (ours, theirs) in ours.iter().zip(hyper::requests(input)) {
        assert_eq!(ours.start, theirs.start, "method");
        assert_eq!(ours.body, theirs.body, "body of {ours:?} as hyper reads it: {theirs:?}");
        for (name, value) in &ours.fields {
            // The host of an absolute-form takes the place of the field.
            let same = |(their_name, their_value): &(Vec<u8>, Vec<u8>)| {
                their_name.eq_ignore_ascii_case(name) && their_value == value
            };
            assert!(name.eq_ignore_ascii_case(b"host") || theirs.fields.iter().any(same), "{name:?}");
        }
    }
});
