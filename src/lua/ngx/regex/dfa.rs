//! Option `d`: all matches at a position at once, of which the longest is the answer; nothing is captured.
#![allow(unsafe_code)] // PCRE2 is a C library.

use pcre2_sys as sys;
use std::cell::RefCell;
use std::ptr::{self, NonNull};

/// Cells that a match may use.
const WORKSPACE: usize = 1024;

thread_local! {
    static CELLS: RefCell<Vec<i32>> = RefCell::new(vec![0; WORKSPACE]);
}

/// A pattern compiled for this way of matching.
pub(super) struct Dfa {
    code: NonNull<sys::pcre2_code_8>,
    data: NonNull<sys::pcre2_match_data_8>,
}

impl Dfa {
    /// Compiles a pattern that is known to be one, with the bits of PCRE2's options.
    pub(super) fn compile(pattern: &str, bits: u32) -> Option<Self> {
        let (mut error, mut at) = (0, 0);
        // SAFETY: the pattern is read during the call; both results are this object's.
        unsafe {
            let code = sys::pcre2_compile_8(
                pattern.as_ptr(),
                pattern.len(),
                bits,
                &mut error,
                &mut at,
                ptr::null_mut(),
            );
            let code = NonNull::new(code)?;
            // The longest match alone is of interest.
            match NonNull::new(sys::pcre2_match_data_create_8(1, ptr::null_mut())) {
                Some(data) => Some(Self { code, data }),
                None => {
                    sys::pcre2_code_free_8(code.as_ptr());
                    None
                }
            }
        }
    }

    /// The longest match from a position on.
    ///
    /// *Errors*: PCRE2's number, such as that of an expression with references back.
    pub(super) fn find(&self, subject: &[u8], from: usize) -> Result<Option<(usize, usize)>, i32> {
        CELLS.with_borrow_mut(|cells| {
            // SAFETY: the subject and the cells live through the call, with the lengths that are told; subjects of
            // UTF-8 patterns were checked.
            let count = unsafe {
                sys::pcre2_dfa_match_8(
                    self.code.as_ptr(),
                    subject.as_ptr(),
                    subject.len(),
                    from,
                    0,
                    self.data.as_ptr(),
                    ptr::null_mut(),
                    cells.as_mut_ptr(),
                    cells.len(),
                )
            };
            match count {
                sys::PCRE2_ERROR_NOMATCH => Ok(None),
                count if count < 0 => Err(count),
                // SAFETY: after a match there is one pair of positions.
                _ => Ok(Some(unsafe {
                    let pair = sys::pcre2_get_ovector_pointer_8(self.data.as_ptr());
                    (*pair, *pair.add(1))
                })),
            }
        })
    }
}

impl Drop for Dfa {
    fn drop(&mut self) {
        // SAFETY: both are this object's.
        unsafe {
            sys::pcre2_match_data_free_8(self.data.as_ptr());
            sys::pcre2_code_free_8(self.code.as_ptr());
        }
    }
}
