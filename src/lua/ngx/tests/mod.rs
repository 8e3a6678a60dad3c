//! What `ngx.req`, `ngx.var`, `ngx.header` and their kin do to an exchange.

mod surface;

use crate::exchange::{
    Address, BodyError, BodySource, Client, Exchange, Phase, Request, RequestBody, Source,
};
use crate::http::{Method, Scheme};
use crate::lua::testing::{block_on, vm};
use crate::lua::vm::Settings;
use crate::lua::{Context, Outcome, Vm};
use crate::snapshot::Snapshot;
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};

fn exchange() -> Box<Exchange> {
    let client = Client {
        serial: 7,
        peer: Address::inet("10.1.2.3:4567".parse().unwrap()),
        local: Address::inet("127.0.0.1:8000".parse().unwrap()),
        public_port: 8000,
        scheme: Scheme::Http,
        tls: None,
        proxy_protocol: None,
        raw: Default::default(),
        requests: Cell::new(3),
    };
    let mut request = Request::default();
    request.head.method = Method::POST;
    request.head.target = b"/some%20path?a=1&b=x%20y&a=2&flag".to_vec();
    request.path = b"/some path".to_vec();
    request.host = b"example.com".to_vec();
    for (name, value) in [
        ("Host", "example.com"),
        ("X-One", "1"),
        ("X-Many", "a"),
        ("x-many", "b"),
        ("Cookie", "k=v; other=w"),
    ] {
        request.head.fields.append(name.as_bytes(), value.as_bytes());
    }
    request.body = RequestBody::Memory(b"p=1&q=2".to_vec());
    let mut exchange = Exchange::new(Rc::new(client), Arc::new(Snapshot::default()), request);
    exchange.phase = Phase::Access;
    Box::new(exchange)
}

fn run_on(vm: &Vm, exchange: &mut Exchange, source: &str) -> Outcome {
    let function = vm.load("=snippet", source.as_bytes()).unwrap();
    let context = Context::of(exchange);
    match block_on(vm.call(&function, context, |_| 0)) {
        Ok(outcome) => outcome,
        Err(error) => panic!("{}", error.report()),
    }
}

fn check(source: &str) -> Box<Exchange> {
    let mut exchange = exchange();
    assert_eq!(run_on(&vm(), &mut exchange, source), Outcome::Done);
    exchange
}

#[test]
fn the_request_is_read_as_received() {
    check(
        r#"
        assert(ngx.req.get_method() == "POST" and ngx.req.http_version() == 1.1)
        local h = ngx.req.get_headers()
        assert(h.host == "example.com" and h["X-One"] == "1" and h.x_one == "1")
        assert(h["x-many"][1] == "a" and h["x-many"][2] == "b" and h.none == nil)
        local raw = ngx.req.get_headers(0, true)
        assert(raw["X-One"] == "1" and raw["x-one"] == nil)
        local few, err = ngx.req.get_headers(2)
        assert(err == "truncated")
        local a = ngx.req.get_uri_args()
        assert(a.a[1] == "1" and a.a[2] == "2" and a.b == "x y" and a.flag == true)
        ngx.req.read_body()
        assert(ngx.req.get_body_data() == "p=1&q=2" and ngx.req.get_body_file() == nil)
        assert(ngx.req.get_post_args().q == "2")
        assert(math.abs(ngx.req.start_time() - ngx.now()) < 5)
        assert(ngx.get_phase() == "access")
        "#,
    );
}

#[test]
fn changes_of_the_request_are_seen_by_who_reads_it_next() {
    let exchange = check(
        r#"
        ngx.req.set_header("X-One", "2") assert(ngx.req.get_headers()["x-one"] == "2")
        ngx.req.set_header("X-List", { "a", 1, true }) assert(#ngx.req.get_headers()["x-list"] == 3)
        ngx.req.set_header("X-Many", nil) assert(ngx.var.http_x_many == nil)
        ngx.req.set_header(nil, "v")
        ngx.req.set_header("X-Evil", "a\r\nInjected: 1")
        ngx.req.clear_header("x-ONE") assert(ngx.req.get_headers()["x-one"] == nil)
        ngx.req.set_header("Host", "Other.com:81") assert(ngx.var.host == "other.com")
        ngx.req.set_uri_args({ c = "d e" }) assert(ngx.var.args == "c=d%20e" and ngx.var.arg_c == "d%20e")
        ngx.req.set_method(ngx.HTTP_PUT) assert(ngx.var.request_method == "PUT")
        ngx.req.set_body_data("new") assert(ngx.req.get_body_data() == "new")
        "#,
    );
    assert_eq!(exchange.request.head.fields.value(b"content-length"), Some(&b"3"[..]));
    assert_eq!(exchange.request.head.fields.value(b"x-evil"), Some(&b"a%0D%0AInjected: 1"[..]));
}

#[test]
fn variables_have_nginx_values() {
    let exchange = check(
        r#"
        local v = ngx.var
        assert(v.remote_addr == "10.1.2.3" and v.remote_port == "4567" and v.server_port == "8000")
        assert(v.request_uri == "/some%20path?a=1&b=x%20y&a=2&flag" and v.uri == "/some path" and v.is_args == "?")
        assert(v.request == "POST /some%20path?a=1&b=x%20y&a=2&flag HTTP/1.1")
        assert(v.http_x_many == "a, b" and v.cookie_other == "w" and v.arg_A == "1" and v.http_none == nil)
        assert(v.connection == "7" and v.connection_requests == "3" and #v.binary_remote_addr == 4)
        assert(v.request_time * 1000 < 5000 and #v.kong_request_id == 32)
        assert(v.no_such_thing == nil and v[1] == nil)
        v.upstream_uri = "/v2" assert(v.upstream_uri == "/v2")
        v.upstream_host = "up.test" assert(v.upstream_host == "up.test")
        v.ctx_ref = 5 assert(v.ctx_ref == "5")
        local ok, err = pcall(function() v.unheard_of = "x" end)
        assert(not ok and err:find('variable "unheard_of" not found for writing', 1, true), err)
        "#,
    );
    assert_eq!(exchange.upstream.path, b"/v2");
}

#[test]
fn each_request_has_its_own_context_table() {
    let vm = vm();
    let (mut one, mut two) = (exchange(), exchange());
    run_on(&vm, &mut one, "ngx.ctx.a = 1 assert(ngx.ctx.a == 1)");
    run_on(&vm, &mut two, "assert(ngx.ctx.a == nil) ngx.ctx = { b = 2 }");
    run_on(
        &vm,
        &mut one,
        "assert(ngx.ctx.a == 1) ngx.ctx.c = setmetatable({}, {__gc = 1}) kept = setmetatable({ ngx.ctx }, { __mode = 'v' })",
    );
    run_on(&vm, &mut two, "assert(ngx.ctx.b == 2)");
    drop(one);
    run_on(&vm, &mut two, "collectgarbage() collectgarbage() assert(kept[1] == nil)");
    block_on(crate::lua::testing::run_in(&vm, "ngx.ctx.t = 1 assert(ngx.ctx.t == 1) ngx.timer.at(0, function() assert(ngx.ctx.t == nil) ngx.ctx.u = 1 seen = ngx.ctx.u end) ngx.sleep(0.01) assert(seen == 1)")).unwrap();
}

#[test]
fn the_response_is_what_the_code_makes_of_it() {
    let exchange = check(
        r#"
        ngx.status = 201
        assert(ngx.status == 201 and ngx.headers_sent == false)
        ngx.header.content_type = "text/plain"
        ngx.header["Set-Cookie"] = { "a=1", "b=2" }
        assert(ngx.header["content-type"] == "text/plain" and #ngx.header.set_cookie == 2)
        ngx.header["X-Gone"] = 1 ngx.header["X-Gone"] = nil assert(ngx.header.x_gone == nil)
        ngx.resp.add_header("X-Two", "1") ngx.resp.add_header("X-Two", "2")
        assert(#ngx.resp.get_headers()["x-two"] == 2 and ngx.resp.get_headers().x_two[2] == "2")
        ngx.say("a", 1, nil, { "b", { true } }, ngx.null)
        ngx.print("end")
        "#,
    );
    assert_eq!(exchange.response.body, b"a1nilbtruenull\nend");
    assert_eq!((exchange.response.head.status, exchange.response.source), (201, Source::Script));
    assert_eq!(exchange.response.head.fields.value(b"content-type"), Some(&b"text/plain"[..]));
}

#[test]
fn exit_and_redirect_end_the_phase_even_inside_pcall() {
    let vm = vm();
    let mut ended = exchange();
    let outcome = run_on(&vm, &mut ended, "pcall(function() ngx.exit(403) end) error('not reached')");
    assert_eq!((outcome, ended.response.head.status, ended.lua.exited), (Outcome::Exit, 403, true));
    let mut ended = exchange();
    let outcome = run_on(&vm, &mut ended, "ngx.exit(ngx.OK) error('not reached')");
    assert_eq!((outcome, ended.lua.exited), (Outcome::Exit, false));
    let mut ended = exchange();
    run_on(&vm, &mut ended, "ngx.redirect('/there', 301)");
    assert_eq!(ended.response.head.status, 301);
    assert_eq!(ended.response.head.fields.value(b"location"), Some(&b"/there"[..]));
}

#[test]
fn body_filters_see_and_replace_their_chunk() {
    let vm = vm();
    let mut exchange = exchange();
    exchange.phase = Phase::BodyFilter;
    exchange.response.chunk.data = b"piece".to_vec();
    let source = "assert(ngx.arg[1] == 'piece' and ngx.arg[2] == false) ngx.arg[1] = { 'x', 'y' } ngx.arg[2] = true assert(not pcall(ngx.say, 1))";
    run_on(&vm, &mut exchange, source);
    assert_eq!((exchange.response.chunk.data.as_slice(), exchange.response.chunk.eof), (&b"xy"[..], true));
    run_on(&vm, &mut exchange, "ngx.arg[1] = nil assert(ngx.arg[1] == '')");
}

/// A body that comes in pieces, and then ends or fails.
struct Pieces(Vec<&'static [u8]>, Option<BodyError>);

impl BodySource for Pieces {
    fn poll_fill(&mut self, cx: &mut TaskContext<'_>, into: &mut Vec<u8>) -> Poll<Result<bool, BodyError>> {
        if let Some(piece) = self.0.pop() {
            into.extend_from_slice(piece);
            // Half of the time there is nothing yet.
            if self.0.len().is_multiple_of(2) {
                return Poll::Ready(Ok(true));
            }
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(self.1.take().map_or(Ok(false), Err))
    }

    fn declared_len(&self) -> Option<u64> {
        None
    }
}

#[test]
fn bodies_are_read_when_asked_for_and_large_ones_go_to_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { prefix: folder.path().into(), body_memory: 8, ..Settings::default() };
    let vm = Vm::new(settings).unwrap();
    let mut small = exchange();
    small.request.body = RequestBody::Unread(Box::new(Pieces(vec![b"c", b"b", b"a"], None)));
    let source = "assert(ngx.req.get_body_data() == nil) ngx.req.read_body() assert(ngx.req.get_body_data() == 'abc' and ngx.req.get_body_data(2) == 'ab')";
    run_on(&vm, &mut small, source);
    let mut large = exchange();
    large.request.body = RequestBody::Unread(Box::new(Pieces(vec![b"8901", b"01234567"], None)));
    let source = "ngx.req.read_body() assert(ngx.req.get_body_data() == nil) local f = io.open(ngx.req.get_body_file()) assert(f:read('*a') == '012345678901')";
    run_on(&vm, &mut large, source);
    let mut refused = exchange();
    refused.request.body = RequestBody::Unread(Box::new(Pieces(vec![b"a"], Some(BodyError::TooLarge))));
    let outcome = run_on(&vm, &mut refused, "pcall(ngx.req.read_body) error('not reached')");
    assert_eq!((outcome, refused.response.head.status), (Outcome::Exit, 413));
}

#[test]
fn what_needs_a_request_says_so_without_one() {
    crate::lua::testing::check(
        r#"
        for _, f in ipairs { function() return ngx.var.uri end, ngx.req.get_headers, function() ngx.status = 1 end } do
          local ok, err = pcall(f)
          assert(not ok and err:find("API disabled in the current context", 1, true), err)
        end
        assert(not pcall(ngx.location.capture, "/x"))
        "#,
    );
}
