//! The declarative configuration: text → entities and back.

mod scalar;
pub mod yaml;

#[cfg(test)]
mod lyaml_oracle;
