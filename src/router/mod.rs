//! Routes → index → match.
