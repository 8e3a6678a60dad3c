//! What a schema must know about the thread it validates on.
//!
//! Kong reads these from its global configuration; here the runtime states them once for each thread.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::field::Deprecation;

/// Receives the deprecation of a field that is used.
pub type DeprecationSink = Rc<dyn Fn(&Deprecation)>;

thread_local! {
    static DATA_PLANE: Cell<bool> = const { Cell::new(false) };
    static SINK: RefCell<Option<DeprecationSink>> = const { RefCell::new(None) };
}

/// Whether this node takes its configuration from a control plane. A data plane accepts unknown fields
/// that are null and does not warn about deprecated ones.
pub fn is_data_plane() -> bool {
    DATA_PLANE.get()
}

/// States the role of this node, for this thread.
pub fn set_data_plane(is_data_plane: bool) {
    DATA_PLANE.set(is_data_plane);
}

/// Says where warnings about deprecated fields go, for this thread. Without one they go nowhere.
pub fn set_deprecation_sink(sink: DeprecationSink) {
    SINK.set(Some(sink));
}

/// Passes on that a deprecated field is used.
pub(super) fn warn_deprecated(deprecation: &Deprecation) {
    if is_data_plane() {
        return;
    }
    let sink = SINK.with_borrow(Clone::clone);
    if let Some(sink) = sink {
        sink(deprecation);
    }
}
