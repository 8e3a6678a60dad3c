//! `ngx.re`, case by case.

use crate::lua::testing::check;

#[test]
fn a_match_has_its_captures_by_number_and_name() {
    check(
        r##"
        local m = ngx.re.match("hello, 1234", "([0-9])(?<rest>[0-9]+)(x)?", "jo")
        assert(m[0] == "1234" and m[1] == "1" and m[2] == "234" and m.rest == "234" and m[3] == false)
        assert(ngx.re.match("abc", "x") == nil and select("#", ngx.re.match("abc", "x")) == 1)
        assert(ngx.re.match("ABC", "b", "i")[0] == "B" and not ngx.re.match("abc", "b", "a") and ngx.re.match("abc", "a # c", "ax"))
        local ctx = { pos = 2 }
        assert(ngx.re.match("1234, hello", "[0-9]+", "", ctx)[0] == "234" and ctx.pos == 5)
        assert(ngx.re.match("a\nb", "^b", "m") and ngx.re.match("a\nb", "a.b", "s") and not ngx.re.match("a\nb", "a.b"))
        local dup = ngx.re.match("hello, world", "(?<named>\\w+), (?<named>\\w+)", "D")
        assert(dup.named[1] == "hello" and dup.named[2] == "world")
        local reuse = {} assert(ngx.re.match("x", "(x)", nil, nil, reuse) == reuse and reuse[1] == "x")
        assert(ngx.re.match("\255\254", "\254") and ngx.re.match("你好", "^.好$", "u"))
        "##,
    );
}

#[test]
fn a_pattern_that_does_not_compile_is_answered() {
    check(
        r##"
        local m, err = ngx.re.match("a", "(abc")
        assert(m == nil and err == 'pcre2_compile() failed: missing closing parenthesis in "(abc"', err)
        local from, to, err = ngx.re.find("a", "a[")
        assert(from == nil and to == nil and err:find("pcre2_compile() failed", 1, true))
        local ok, err = pcall(ngx.re.match, "a", "a", "oy")
        assert(not ok and err:find('unknown flag "y" (flags "oy")', 1, true), err)
        local s, n, err = ngx.re.gsub("a", "(", "")
        assert(s == nil and n == nil and err)
        "##,
    );
}

#[test]
fn find_answers_positions() {
    check(
        r##"
        local from, to, err = ngx.re.find("hello, 1234", "([0-9])([0-9]+)", "jo")
        assert(from == 8 and to == 11 and err == nil)
        local from, to = ngx.re.find("hello, 1234", "([0-9])([0-9]+)", "jo", nil, 2)
        assert(from == 9 and to == 11)
        assert(ngx.re.find("abc", "x") == nil)
        assert(select(3, ngx.re.find("a", "a", nil, nil, 3)) == "nth out of bound")
        local ctx = { pos = 2 } assert(ngx.re.find("aa", "a", "", ctx) == 2 and ctx.pos == 3)
        "##,
    );
}

#[test]
fn iterating_ends_also_with_empty_matches() {
    check(
        r##"
        local words = {}
        for m in ngx.re.gmatch("one two  three", "[a-z]+", "jo") do words[#words + 1] = m[0] end
        assert(table.concat(words, "|") == "one|two|three")
        local count = 0
        for _ in ngx.re.gmatch("abc", "x*") do count = count + 1 end
        assert(count == 4)
        local it = ngx.re.gmatch("a", "a") it() assert(it() == nil and it() == nil)
        "##,
    );
}

#[test]
fn replacing_takes_templates_and_functions() {
    check(
        r##"
        local s, n = ngx.re.sub("hello, 1234", "([0-9])[0-9]", "[$0][$1] $$")
        assert(s == "hello, [12][1] $34" and n == 1)
        local s, n = ngx.re.gsub("hello, world", "([a-z])([a-z]+)", function(m) return m[1]:upper() .. m[2] end, "i")
        assert(s == "Hello, World" and n == 2)
        assert(ngx.re.gsub("a b", "\\s", "${0}1") == "a 1b")
        assert(ngx.re.gsub("abc", "", "-") == "-a-b-c-" and select(2, ngx.re.gsub("abc", "", "-")) == 4)
        local s, n = ngx.re.gsub("abc", "x", "y") assert(s == "abc" and n == 0)
        local s, n, err = ngx.re.sub("abc", "b", "$x") assert(s == nil and err == "failed to compile the replacement template")
        local ok, err = pcall(ngx.re.gsub, "abc", "b", function() error("inner", 0) end) assert(not ok and err == "inner")
        "##,
    );
}

#[test]
fn splitting_keeps_what_is_between() {
    check(
        r##"
        local re = require "ngx.re"
        local function joined(...) return table.concat((re.split(...)), "|") end
        assert(joined("a,b,c,d", ",") == "a|b|c|d" and joined("a,b", "(,)") == "a|,|b")
        assert(joined("a,b,c,d", ",", nil, { pos = 5 }) == "c|d" and joined("a,b,c,d", ",", nil, nil, 3) == "a|b|c,d")
        assert(joined("abc", "") == "a|b|c" and joined("abc", "x") == "abc")
        local none, err = re.split("a", "(") assert(none == nil and err)
        "##,
    );
}

#[test]
fn a_match_that_takes_more_stack_than_machine_code_has_goes_on_without_it() {
    check(
        r##"
        local long = ("ab"):rep(8000)
        for _ = 1, 2 do
          local m, err = ngx.re.match(long, "^(?:(a)|(b))*$", "jo") assert(m and #m[0] == 16000, err)
          local from, to = ngx.re.find(long .. "c", "(?:(a)|(b))*c", "o") assert(from == 1 and to == 16001)
        end
        assert(not pcall(require("ngx.re").opt, "other", 1))
        "##,
    );
}

#[test]
fn the_longest_match_is_found_with_the_option_d_and_captures_nothing() {
    check(
        r##"
        local m = ngx.re.match("hello, world", "(he|hell|hello)", "d")
        assert(m[0] == "hello" and m[1] == nil)
        assert(ngx.re.match("hello, world", "(he|hell|hello)")[0] == "he")
        m = ngx.re.match("hello, 1234", "(?<number>[0-9]+)", "djo")
        assert(m[0] == "1234" and m[1] == nil and m.number == nil)
        local from, to, err = ngx.re.find("hello, 1234", "([0-9]+)", "d", nil, 1)
        assert(from == nil and to == nil and err == "nth out of bound")
        assert(select(2, ngx.re.find("abcd", "ab|abc", "d")) == 3)
        assert(ngx.re.gsub("aab ab", "(a|aa|aab)", "<$0$1>", "d") == "<aab> <a>b")
        local seen = {}
        for m in ngx.re.gmatch("你好吗", "你|你好", "du") do seen[#seen + 1] = m[0] end
        assert(#seen == 1 and seen[1] == "你好")
        assert(ngx.re.match("ABC", "abc", "di") and not ngx.re.match("xABC", "abc", "dia"))
        local none, why = ngx.re.match("aa", [[(a)\1]], "d")
        assert(none == nil and why == "pcre_exec() failed: -42", why)
        "##,
    );
}
