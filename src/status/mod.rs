//! The Status API.
