//! URLs as the WHATWG has them: what `resty.ada` is built on.

use crate::lua::frame::{Answer, Flow, Frame, Kind};
use crate::lua::object::{self, Object};
use std::cell::RefCell;
use std::cmp::Ordering;
use std::ffi::{CStr, c_int};
use url::{Position, Url, form_urlencoded, quirks};

/// A URL that Lua code holds.
struct Held(RefCell<Url>);

impl Object for Held {
    const NAME: &'static CStr = c"resty.ada URL";

    fn methods(_: &Frame, _: c_int) {}
}

/// Loader of `resty.ada.native`.
pub(super) fn load(frame: &Frame) -> Answer {
    frame.push_table(0, 12);
    let table = frame.top();
    frame.set_function(table, "parse", parse);
    frame.set_function(table, "get", |frame| {
        let part = frame.text(2)?;
        push_part(frame, &object::at::<Held>(frame, 1)?.0.borrow(), &part)
    });
    frame.set_function(table, "set", |frame| {
        let (part, value) = (frame.text(2)?, frame.text(3)?);
        let done = set(&mut object::at::<Held>(frame, 1)?.0.borrow_mut(), &part, &value)?;
        frame.push_boolean(done);
        Ok(1)
    });
    frame.set_function(table, "clear", |frame| {
        let part = frame.text(2)?;
        clear(&mut object::at::<Held>(frame, 1)?.0.borrow_mut(), &part)
    });
    frame.set_function(table, "components", |frame| {
        push_components(frame, &object::at::<Held>(frame, 1)?.0.borrow())
    });
    frame.set_function(table, "to_ascii", |frame| {
        frame.push_text(&quirks::domain_to_ascii(&frame.text(1)?));
        Ok(1)
    });
    frame.set_function(table, "to_unicode", |frame| {
        frame.push_text(&quirks::domain_to_unicode(&frame.text(1)?));
        Ok(1)
    });
    frame.set_function(table, "search_list", search_list);
    frame.set_function(table, "search_text", search_text);
    frame.set_function(table, "before", |frame| {
        let (one, other) = (frame.text(1)?, frame.text(2)?);
        frame.push_boolean(one.encode_utf16().cmp(other.encode_utf16()) == Ordering::Less);
        Ok(1)
    });
    Ok(1)
}

/// `parse(url, base?)`; nothing where it is none.
fn parse(frame: &Frame) -> Answer {
    let text = frame.text(1)?;
    let parsed = match frame.kind(2) {
        Kind::String => Url::parse(&frame.text(2)?).and_then(|base| base.join(&text)),
        _ => Url::parse(&text),
    };
    match parsed {
        Ok(url) => object::push(frame, Held(RefCell::new(url))),
        Err(_) => frame.push_nil(),
    }
    Ok(1)
}

fn push_part(frame: &Frame, url: &Url, part: &str) -> Answer {
    match part {
        "href" => frame.push_text(quirks::href(url)),
        "origin" => frame.push_text(&quirks::origin(url)),
        "protocol" => frame.push_text(quirks::protocol(url)),
        "username" => frame.push_text(quirks::username(url)),
        "password" => frame.push_text(quirks::password(url)),
        "host" => frame.push_text(quirks::host(url)),
        "hostname" => frame.push_text(quirks::hostname(url)),
        "port" => match url.port() {
            Some(port) => frame.push_integer(port.into()),
            None => frame.push_text(""),
        },
        "pathname" => frame.push_text(quirks::pathname(url)),
        "search" => frame.push_text(quirks::search(url)),
        "hash" => frame.push_text(quirks::hash(url)),
        "scheme_type" => frame.push_integer(scheme_type(url)),
        "host_type" => frame.push_integer(host_type(url)),
        "has_hostname" => frame.push_boolean(url.has_authority()),
        "has_port" => frame.push_boolean(url.port().is_some()),
        "has_search" => frame.push_boolean(url.query().is_some()),
        "has_hash" => frame.push_boolean(url.fragment().is_some()),
        _ => return Err(unknown(part)),
    }
    Ok(1)
}

fn unknown(part: &str) -> Flow {
    Flow::raise(format!("a URL has no part \"{part}\""))
}

/// As Ada numbers schemes.
fn scheme_type(url: &Url) -> i64 {
    match url.scheme() {
        "http" => 0,
        "https" => 2,
        "ws" => 3,
        "ftp" => 4,
        "wss" => 5,
        "file" => 6,
        _ => 1,
    }
}

/// As Ada numbers kinds of hosts.
fn host_type(url: &Url) -> i64 {
    match url.host() {
        Some(url::Host::Ipv4(_)) => 1,
        Some(url::Host::Ipv6(_)) => 2,
        _ => 0,
    }
}

/// Whether a part could be set.
///
/// *Errors*: there is no such part.
fn set(url: &mut Url, part: &str, value: &str) -> Result<bool, Flow> {
    Ok(match part {
        "href" => quirks::set_href(url, value).is_ok(),
        "protocol" => quirks::set_protocol(url, value).is_ok(),
        "username" => quirks::set_username(url, value).is_ok(),
        "password" => quirks::set_password(url, value).is_ok(),
        "host" => quirks::set_host(url, value).is_ok(),
        "hostname" => quirks::set_hostname(url, value).is_ok(),
        "port" => quirks::set_port(url, value).is_ok(),
        "pathname" => {
            let may = !url.cannot_be_a_base();
            quirks::set_pathname(url, value);
            may
        }
        "search" => {
            quirks::set_search(url, value);
            true
        }
        "hash" => {
            quirks::set_hash(url, value);
            true
        }
        _ => return Err(unknown(part)),
    })
}

fn clear(url: &mut Url, part: &str) -> Answer {
    match part {
        // A URL without a host has no port either.
        "port" => drop(url.set_port(None)),
        "search" => url.set_query(None),
        "hash" => url.set_fragment(None),
        _ => return Err(unknown(part)),
    }
    Ok(0)
}

/// A table of where parts begin and end, counted from 1.
fn push_components(frame: &Frame, url: &Url) -> Answer {
    let before = |position: Position| url[..position].len() as i64;
    let scheme = before(Position::AfterScheme) + 1;
    let authority = url.has_authority();
    let (user, host, host_end) = if authority {
        let host = before(Position::BeforeHost);
        let user = before(Position::AfterUsername);
        let named = host > before(Position::BeforeUsername);
        (user, host - i64::from(named), before(Position::AfterHost))
    } else {
        (scheme, scheme, scheme)
    };
    frame.push_table(0, 8);
    let table = frame.top();
    let field = |name: &str, value: i64| {
        frame.push_integer(value);
        frame.set_field(table, name);
    };
    field("protocol_end", scheme + 1);
    field("username_end", user + 1);
    field("host_start", host + 1);
    field("host_end", host_end);
    if let Some(port) = url.port() {
        field("port", port.into());
    }
    field("pathname_start", before(Position::BeforePath) + 1);
    if url.query().is_some() {
        field("search_start", before(Position::BeforeQuery));
    }
    if url.fragment().is_some() {
        field("hash_start", before(Position::BeforeFragment));
    }
    Ok(1)
}

/// `search_list(text)`: names and values in turn.
fn search_list(frame: &Frame) -> Answer {
    let text = frame.bytes(1)?;
    let text = text.strip_prefix(b"?").unwrap_or(text);
    frame.push_table(8, 0);
    let table = frame.top();
    let mut count = 0;
    for (name, value) in form_urlencoded::parse(text) {
        for part in [name, value] {
            count += 1;
            frame.push_text(&part);
            frame.set_index(table, count);
        }
    }
    Ok(1)
}

/// `search_text(list)`: the text of names and values in turn.
fn search_text(frame: &Frame) -> Answer {
    frame.expect(1, Kind::Table, c"table")?;
    let mut out = form_urlencoded::Serializer::new(String::new());
    for index in (1..=frame.length(1)).step_by(2) {
        frame.push_index(1, index);
        frame.push_index(1, index + 1);
        out.append_pair(&frame.text(-2)?, &frame.text(-1)?);
        frame.pop(2);
    }
    frame.push_text(&out.finish());
    Ok(1)
}
