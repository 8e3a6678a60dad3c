//! Where log lines go: standard error, a file, syslog, or nowhere.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use arc_swap::ArcSwap;
use parking_lot::Mutex;

use super::syslog::Syslog;
use super::{Level, LogError};

/// The files that are open now, so that two listeners with the same path share one descriptor and
/// USR1 finds them all.
static FILES: Mutex<Vec<Weak<LogFile>>> = Mutex::new(Vec::new());

/// A place that takes whole log lines.
#[derive(Debug, Clone)]
pub enum Target {
    /// Nothing is written.
    Off,
    /// Standard output or standard error of the process.
    Standard(Standard),
    /// A file, appended to.
    File(Arc<LogFile>),
    /// A syslog server.
    Syslog(Arc<Syslog>),
}

/// One of the two standard streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standard {
    /// Descriptor 1.
    Output,
    /// Descriptor 2.
    Error,
}

impl Target {
    /// Opens what an `*_error_log` or `*_access_log` property names: `off`, `stderr`, a path that is
    /// relative to `prefix`, or `syslog:server=…`.
    ///
    /// `/dev/stdout` and `/dev/stderr` are the process's own streams rather than files to open: after
    /// privileges were dropped they often cannot be opened any more.
    ///
    /// *Errors*: the file cannot be opened, or the `syslog:` parameters are wrong.
    pub fn open(name: &str, prefix: &Path) -> Result<Target, LogError> {
        match name {
            "off" | "" => Ok(Target::Off),
            "stderr" | "/dev/stderr" | "/proc/self/fd/2" => Ok(Target::Standard(Standard::Error)),
            "/dev/stdout" | "/proc/self/fd/1" => Ok(Target::Standard(Standard::Output)),
            _ if name.starts_with("syslog:") => Syslog::open(name).map(|it| Target::Syslog(Arc::new(it))),
            _ => LogFile::open(prefix.join(name)).map(Target::File),
        }
    }

    /// Whether lines are thrown away.
    pub fn is_off(&self) -> bool {
        matches!(self, Target::Off)
    }

    /// Appends `lines`, one or several whole ones, with a single write.
    ///
    /// A failure is not reported: there is nowhere left to report it to, and serving goes on.
    pub fn append(&self, level: Level, lines: &[u8]) {
        match self {
            Target::Off => {}
            Target::Standard(stream) => stream.append(lines),
            Target::File(file) => file.append(lines),
            Target::Syslog(server) => server.send(level, lines),
        }
    }
}

impl Standard {
    fn append(self, lines: &[u8]) {
        let written = match self {
            Standard::Output => write_fd(io::stdout().as_fd(), lines),
            Standard::Error => write_fd(io::stderr().as_fd(), lines),
        };
        drop(written);
    }
}

/// A log file that can be opened anew while others write to it.
#[derive(Debug)]
pub struct LogFile {
    path: PathBuf,
    file: ArcSwap<File>,
}

impl LogFile {
    fn open(path: PathBuf) -> Result<Arc<LogFile>, LogError> {
        let mut files = FILES.lock();
        files.retain(|file| file.strong_count() > 0);
        if let Some(open) = files.iter().filter_map(Weak::upgrade).find(|file| file.path == path) {
            return Ok(open);
        }
        let file = ArcSwap::from_pointee(open_for_append(&path)?);
        let opened = Arc::new(LogFile { path, file });
        files.push(Arc::downgrade(&opened));
        Ok(opened)
    }

    fn append(&self, lines: &[u8]) {
        let file = self.file.load();
        drop((&**file).write_all(lines));
    }

    fn reopen(&self) -> Result<(), LogError> {
        self.file.store(Arc::new(open_for_append(&self.path)?));
        Ok(())
    }
}

/// Opens every log file anew under its old name (USR1, after `logrotate` moved the old ones away).
///
/// *Invariant*: the new file is open before the old one is let go, and a writer that already holds the
/// old one finishes its line there: no line is lost.
///
/// *Errors*: one per file that cannot be opened; that file goes on being written under its old
/// descriptor.
pub fn reopen() -> Vec<LogError> {
    let files: Vec<_> = FILES.lock().iter().filter_map(Weak::upgrade).collect();
    files.iter().filter_map(|file| file.reopen().err()).collect()
}

fn open_for_append(path: &Path) -> Result<File, LogError> {
    OpenOptions::new()
        .append(true)
        .create(true)
        .open(path)
        .map_err(|source| LogError::Open { path: path.to_owned(), source })
}

/// Writes past the buffer and the lock of `std::io`: a line of another thread may come between, never
/// inside, because each is one write.
fn write_fd(fd: BorrowedFd<'_>, mut lines: &[u8]) -> io::Result<()> {
    while !lines.is_empty() {
        match nix::unistd::write(fd, lines) {
            Ok(written) => lines = lines.get(written..).unwrap_or_default(),
            Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_shared_by_path_and_survives_rotation() {
        let prefix = tempfile::tempdir().unwrap();
        let first = Target::open("error.log", prefix.path()).unwrap();
        let second = Target::open("error.log", prefix.path()).unwrap();
        let (Target::File(a), Target::File(b)) = (&first, &second) else { panic!("not files") };
        assert!(Arc::ptr_eq(a, b));

        first.append(Level::Notice, b"one\n");
        std::fs::rename(prefix.path().join("error.log"), prefix.path().join("error.log.1")).unwrap();
        second.append(Level::Notice, b"two\n");
        assert!(reopen().is_empty());
        first.append(Level::Notice, b"three\n");

        let read = |name| std::fs::read_to_string(prefix.path().join(name)).unwrap();
        assert_eq!(read("error.log.1"), "one\ntwo\n");
        assert_eq!(read("error.log"), "three\n");
    }

    #[test]
    fn no_line_is_lost_while_logs_are_reopened_under_load() {
        let prefix = tempfile::tempdir().unwrap();
        let target = Target::open("access.log", prefix.path()).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| (0..500).for_each(|_| target.append(Level::Notice, b"line\n")));
            }
            for round in 0..20 {
                let rotated = prefix.path().join(format!("access.log.{round}"));
                drop(std::fs::rename(prefix.path().join("access.log"), rotated));
                assert!(reopen().is_empty());
            }
        });
        let lines: usize = std::fs::read_dir(prefix.path())
            .unwrap()
            .map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap().lines().count())
            .sum();
        assert_eq!(lines, 1000);
    }

    #[test]
    fn a_path_that_cannot_be_opened_is_named() {
        let prefix = tempfile::tempdir().unwrap();
        let error = Target::open("missing/error.log", prefix.path()).unwrap_err();
        assert!(
            error.to_string().ends_with("missing/error.log\" failed (2: No such file or directory)"),
            "{error}"
        );
    }

    #[test]
    fn standard_streams_are_never_opened_by_path() {
        let prefix = Path::new("/");
        assert!(matches!(Target::open("/dev/stdout", prefix), Ok(Target::Standard(Standard::Output))));
        assert!(matches!(Target::open("stderr", prefix), Ok(Target::Standard(Standard::Error))));
        assert!(Target::open("off", prefix).unwrap().is_off());
    }
}
