//! Percent-encoding, path normalisation and query arguments.
