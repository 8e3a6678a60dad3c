//! The functions of the PDK.
