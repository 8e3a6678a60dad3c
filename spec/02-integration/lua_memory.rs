//! `lua_memory_limit`: Lua code that keeps more and more.

use crate::support::{Setup, get};

#[test]
fn a_worker_that_outgrows_its_limit_is_replaced_and_no_request_is_lost() {
    let gateway = Setup::declarative(
        "_format_version: '3.0'\n\
         routes:\n\
         - paths: [/leak]\n  plugins:\n  - name: pre-function\n    config:\n      access:\n      - |\n\
         \x20       leak = leak or {}\n\
         \x20       for i = 1, 200 do leak[#leak + 1] = (\"x\"):rep(10000) .. #leak end\n\
         \x20       kong.response.exit(200)\n",
    )
    .with("untrusted_lua", "on")
    .with("lua_memory_limit", "64")
    .with("nginx_main_worker_processes", "1")
    .start();
    let first = gateway.worker();
    let mut asked = 0;
    while gateway.worker() == first {
        assert!(asked < 20_000, "still the first worker; error log:\n{}", gateway.error_log());
        if asked % 10 == 9 {
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        // What is kept in the first VM stops growing past the limit by more than needs be.
        let path = if asked < 100 { "/leak" } else { "/nowhere" };
        let status = get(gateway.proxy, path, &[]).status;
        assert!(matches!(status, 200 | 404), "{status}");
        asked += 1;
    }
    let log = gateway.error_log();
    assert!(log.contains("[alert]") && log.contains("of lua_memory_limit"), "{log}");
    assert_eq!(get(gateway.proxy, "/leak", &[]).status, 200);
}
