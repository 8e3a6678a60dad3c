//! A mapped memfd, read and written at byte offsets with bounds checked.
//!
//! Words are accessed as relaxed atomics: every process may write, so no Rust reference to plain data may
//! point in here. On this hardware they compile to plain moves. An offset out of bounds reads as zero and is
//! not written: memory spoiled by a foreign hand cannot make a process read outside the mapping.
#![allow(unsafe_code)] // memory that other processes write has no safe type

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::mman::{MapFlags, ProtFlags, mmap, munmap};

/// Links are stored as 32 bits, in units of this many bytes.
const GRANULE: usize = 8;

/// One mapping of one memfd.
pub(super) struct Region {
    base: NonNull<u8>,
    len: usize,
    fd: OwnedFd,
}

// SAFETY: the mapping belongs to no thread; all access to it goes through atomics or under the lock in it.
unsafe impl Send for Region {}
// SAFETY: as above.
unsafe impl Sync for Region {}

impl Region {
    /// Makes new zeroed memory. `len` is a multiple of the page size.
    pub(super) fn create(name: &str, len: usize) -> io::Result<Region> {
        let fd = memfd_create(name, MFdFlags::MFD_CLOEXEC)?;
        nix::unistd::ftruncate(&fd, i64::try_from(len).map_err(io::Error::other)?)?;
        Region::map(fd, len)
    }

    /// Maps memory that another process made.
    pub(super) fn attach(fd: OwnedFd) -> io::Result<Region> {
        let len = usize::try_from(nix::sys::stat::fstat(&fd)?.st_size).map_err(io::Error::other)?;
        Region::map(fd, len)
    }

    fn map(fd: OwnedFd, len: usize) -> io::Result<Region> {
        let size = len.try_into().map_err(io::Error::other)?;
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new mapping at an address of the kernel's choice overlaps nothing of this process.
        let base = unsafe { mmap(None, size, access, MapFlags::MAP_SHARED, &fd, 0) }?;
        Ok(Region { base: base.cast(), len, fd })
    }

    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Address of `size` bytes at `at`, or `None` when they are not all inside.
    pub(super) fn address(&self, at: usize, size: usize) -> Option<NonNull<u8>> {
        if at.checked_add(size)? > self.len {
            return None;
        }
        // SAFETY: `at` was found to be inside the mapping.
        Some(unsafe { self.base.add(at) })
    }

    fn word(&self, at: usize) -> Option<&AtomicU32> {
        let address = self.address(at, 4).filter(|_| at.is_multiple_of(4))?;
        // SAFETY: in bounds and aligned (the mapping is page-aligned); an atomic may be written by others.
        Some(unsafe { address.cast::<AtomicU32>().as_ref() })
    }

    fn double_word(&self, at: usize) -> Option<&AtomicU64> {
        let address = self.address(at, 8).filter(|_| at.is_multiple_of(8))?;
        // SAFETY: as in `word`.
        Some(unsafe { address.cast::<AtomicU64>().as_ref() })
    }

    pub(super) fn read32(&self, at: usize) -> u32 {
        self.word(at).map_or(0, |word| word.load(Ordering::Relaxed))
    }

    pub(super) fn write32(&self, at: usize, value: u32) {
        if let Some(word) = self.word(at) {
            word.store(value, Ordering::Relaxed);
        }
    }

    pub(super) fn read64(&self, at: usize) -> u64 {
        self.double_word(at).map_or(0, |word| word.load(Ordering::Relaxed))
    }

    pub(super) fn write64(&self, at: usize, value: u64) {
        if let Some(word) = self.double_word(at) {
            word.store(value, Ordering::Relaxed);
        }
    }

    /// Reads an offset stored at `at`; 0 stands for none.
    pub(super) fn read_link(&self, at: usize) -> usize {
        self.read32(at) as usize * GRANULE
    }

    /// Stores the offset `target`, after everything written before it.
    ///
    /// The order matters to `salvage` only: whatever a link leads to was complete before the link was set.
    pub(super) fn write_link(&self, at: usize, target: usize) {
        if let Some(word) = self.word(at) {
            word.store((target / GRANULE) as u32, Ordering::Release);
        }
    }

    /// Whether the bytes at `at` are exactly `bytes`.
    pub(super) fn equals(&self, at: usize, bytes: &[u8]) -> bool {
        self.address(at, bytes.len()).is_some_and(|address| {
            // SAFETY: in bounds; bytes are only written under the lock, which the caller holds.
            unsafe { std::slice::from_raw_parts(address.as_ptr(), bytes.len()) == bytes }
        })
    }

    /// Replaces what `buffer` holds with `len` bytes from `at`.
    pub(super) fn copy_out(&self, at: usize, len: usize, buffer: &mut Vec<u8>) {
        buffer.clear();
        if let Some(address) = self.address(at, len) {
            // SAFETY: as in `equals`.
            buffer.extend_from_slice(unsafe { std::slice::from_raw_parts(address.as_ptr(), len) });
        }
    }

    /// Writes `bytes` at `at`.
    pub(super) fn copy_in(&self, at: usize, bytes: &[u8]) {
        if let Some(address) = self.address(at, bytes.len()) {
            // SAFETY: in bounds; `bytes` is memory of this process and cannot overlap the mapping.
            unsafe { address.as_ptr().copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) }
        }
    }

    /// Writes zeroes from `at` to `end`.
    pub(super) fn clear(&self, at: usize, end: usize) {
        let len = end.saturating_sub(at);
        if let Some(address) = self.address(at, len) {
            // SAFETY: in bounds; the caller holds the lock or is the only one who knows the region.
            unsafe { address.as_ptr().write_bytes(0, len) }
        }
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: base and len are those of the mapping, and no reference outlives `self`.
        let _ = unsafe { munmap(self.base.cast(), self.len) };
    }
}
