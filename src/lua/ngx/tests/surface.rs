//! Every name that plugins find in `ngx` and under the names of libraries, with a check of what it
//! does: spec/01-unit/ngx_surface.lua. docs/ngx.md lists the same names.

use super::{exchange, run_on};
use crate::exchange::Phase;
use crate::lua::Vm;
use crate::lua::vm::Settings;
use crate::shm::Dicts;
use std::sync::Arc;

const CHECKS: &str = include_str!("../../../../spec/01-unit/ngx_surface.lua");
const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/ngx.md");

fn vm() -> Vm {
    let dicts = Arc::new(Dicts::create(&[("kong", 1 << 20)]).unwrap());
    Vm::new(Settings { dicts: Some(dicts), ..Settings::default() }).unwrap()
}

#[test]
fn each_name_does_what_it_is_for() {
    let vm = vm();
    vm.lua().globals().set("surface", CHECKS).unwrap();
    // Checks of the body filter run in a phase of their own.
    for (phase, wanted) in [(Phase::Access, false), (Phase::BodyFilter, true)] {
        let mut exchange = exchange();
        exchange.phase = phase;
        vm.lua().globals().set("wanted", wanted).unwrap();
        run_on(
            &vm,
            &mut exchange,
            r#"
            local failed = {}
            for _, row in ipairs(assert(loadstring(surface, "=surface.lua"))()) do
              if (row.phases == "body_filter") == wanted then
                local ok, err = xpcall(row.check, debug.traceback)
                if not ok then
                  failed[#failed + 1] = row.name .. ": " .. tostring(err)
                end
              end
            end
            assert(#failed == 0, table.concat(failed, "\n"))
            "#,
        );
    }
}

#[test]
fn the_document_lists_the_names_that_are_checked() {
    let vm = vm();
    let rows: mlua::Table = vm.lua().load(CHECKS).eval().unwrap();
    let mut lines: Vec<String> = rows
        .sequence_values::<mlua::Table>()
        .map(|row| {
            let row = row.unwrap();
            let text = |name: &str| row.get::<String>(name).unwrap();
            format!("| {} | `{}` | {} | {} |", text("kind"), text("name"), text("phases"), text("served"))
        })
        .collect();
    lines.sort();
    let document = format!(
        "# What plugins find in `ngx`\n\n\
         Written by a test from spec/01-unit/ngx_surface.lua, where each row has a check \
         (`KONG_WRITE_DOCS=1 cargo test --lib ngx::tests::surface`).\n\n\
         | kind | name | where | served |\n|---|---|---|---|\n{}\n",
        lines.join("\n")
    );
    if std::env::var_os("KONG_WRITE_DOCS").is_some() {
        std::fs::write(DOCUMENT, &document).unwrap();
    }
    assert_eq!(std::fs::read_to_string(DOCUMENT).unwrap(), document);
}
