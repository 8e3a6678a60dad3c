//! One request and its response, as all phases see it.
