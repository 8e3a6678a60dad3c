//! One file for each family of endpoints.

mod certificates;
pub(super) mod config;
pub(super) mod entities;
pub(super) mod health;
pub(super) mod information;
mod keys;
mod pages;
pub(super) mod schema_json;
pub(super) mod schemas;
pub(super) mod tags;
pub(super) mod writes;
