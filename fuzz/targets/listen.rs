//! The grammar of `*_listen`: what is printed reads as what was read.
#![no_main]

use kong::conf::{Address, Listen, Subsystem, parse_listen};

libfuzzer_sys::fuzz_target!(|text: &str| {
    let items: Vec<&str> = text.split(',').map(str::trim).collect();
    for subsystem in [Subsystem::Http, Subsystem::Stream] {
        let Ok(listens) = parse_listen(&items, subsystem) else { continue };
        for listen in listens {
            let _ = listen.to_value(subsystem);
            let printed = match listen.http2 {
                true => format!("{} http2", listen.listener),
                false => listen.listener.clone(),
            };
            let again = parse_listen(&[printed.as_str()], subsystem);
            assert_eq!(again.as_deref(), Ok(&[listen.clone()][..]), "{text:?} was printed as {printed:?}");
            check(&listen);
        }
    }
});

fn check(listen: &Listen) {
    match &listen.address {
        Address::Name(name, _) => assert!(!name.is_empty()),
        Address::Unix(path) => assert!(!path.as_os_str().is_empty()),
        Address::V4(..) | Address::V6(..) => {}
    }
}
