//! Exports the Lua C API from the executables, so that C modules of the system find it.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-link-arg=-rdynamic");
}
