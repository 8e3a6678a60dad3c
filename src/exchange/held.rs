//! What Lua code of a request may hold no longer than the request is served.

use std::fmt;
use std::rc::Weak;

/// Something that ends with its request, as a cosocket does.
pub trait EndsWithRequest {
    /// The request is over.
    fn end(&self);
}

/// Ends something when it is dropped, unless that is gone by then.
pub struct Held(pub Weak<dyn EndsWithRequest>);

impl Held {
    /// Lets go of it without ending it.
    pub fn release(mut self) {
        self.0 = Weak::<Nothing>::new();
    }
}

/// Ends in nothing.
struct Nothing;

impl EndsWithRequest for Nothing {
    fn end(&self) {}
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(held) = self.0.upgrade() {
            held.end();
        }
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Held")
    }
}
