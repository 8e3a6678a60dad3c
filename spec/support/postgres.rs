//! A PostgreSQL server of the specs' own.

use super::free_port;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, User, geteuid};

/// A running server; ended when dropped.
pub struct Postgres {
    /// Its port on the loopback interface. Anybody may log in as `postgres`.
    pub port: u16,
    folder: tempfile::TempDir,
    process: Mutex<Option<Child>>,
    databases: AtomicUsize,
}

/// The server that all specs of a run share, as long as one of them uses it.
static SHARED: Mutex<Weak<Postgres>> = Mutex::new(Weak::new());

impl Postgres {
    /// The server that specs share; each takes a database of its own.
    pub fn shared() -> Arc<Postgres> {
        let mut shared = SHARED.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        shared.upgrade().unwrap_or_else(|| {
            let server = Arc::new(Postgres::start());
            *shared = Arc::downgrade(&server);
            server
        })
    }

    /// Starts a server without any database of its own yet.
    pub fn start() -> Postgres {
        let folder = tempfile::Builder::new().prefix("kong-postgres-").tempdir().unwrap();
        if let Some(user) = server_user() {
            nix::unistd::chown(folder.path(), Some(user.uid), Some(user.gid)).unwrap();
        }
        let data = folder.path().join("data");
        let made = as_server_user(&program("initdb"))
            .args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync", "-D"])
            .arg(&data)
            .output()
            .unwrap();
        assert!(made.status.success(), "initdb: {}", String::from_utf8_lossy(&made.stderr));
        let server =
            Postgres { port: free_port(), folder, process: Mutex::default(), databases: AtomicUsize::new(0) };
        server.resume();
        server
    }

    /// Starts the server again after [`Postgres::stop`], on the same port.
    pub fn resume(&self) {
        self.resume_with(&[]);
    }

    /// The same with settings, such as `ssl=on`.
    pub fn resume_with(&self, settings: &[&str]) {
        let log =
            fs::OpenOptions::new().create(true).append(true).open(self.folder.path().join("log")).unwrap();
        let mut command = as_server_user(&program("postgres"));
        command.arg("-D").arg(self.data()).args(["-p", &self.port.to_string()]);
        let sockets = format!("unix_socket_directories={}", self.folder.path().display());
        for setting in ["listen_addresses=127.0.0.1", "fsync=off", "max_connections=300", &sockets] {
            command.args(["-c", setting]);
        }
        for setting in settings {
            command.args(["-c", setting]);
        }
        let child =
            command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
        *self.process.lock().unwrap() = Some(child);
        let deadline = Instant::now() + Duration::from_secs(30);
        while !self.psql("postgres", "SELECT 1").status.success() {
            assert!(Instant::now() < deadline, "PostgreSQL does not answer: {}", self.log());
            std::thread::sleep(Duration::from_millis(30));
        }
    }

    /// Stops the server as `pg_ctl stop -m fast` does: clients are cut off.
    pub fn stop(&self) {
        self.end(Signal::SIGINT);
    }

    fn end(&self, signal: Signal) {
        if let Some(mut child) = self.process.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).take() {
            let _ = kill(Pid::from_raw(i32::try_from(child.id()).unwrap_or_default()), signal);
            let _ = child.wait();
        }
    }

    /// Where the server keeps everything.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Makes an empty database, and gives its name.
    pub fn database(&self) -> String {
        let name = format!("kong{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let made = self.psql("postgres", &format!("CREATE DATABASE {name}"));
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        name
    }

    /// What statements answer: a line for each row, `|` between its columns.
    pub fn ask(&self, database: &str, sql: &str) -> String {
        let output = self.psql(database, sql);
        assert!(output.status.success(), "{sql}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim_end().to_owned()
    }

    /// The properties of kong.conf that lead to a database.
    pub fn properties(&self, database: &str) -> [(&'static str, String); 4] {
        [
            ("database", "postgres".to_owned()),
            ("pg_port", self.port.to_string()),
            ("pg_user", "postgres".to_owned()),
            ("pg_database", database.to_owned()),
        ]
    }

    fn psql(&self, database: &str, sql: &str) -> Output {
        Command::new(program("psql"))
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-U", "postgres"])
            .args(["-p", &self.port.to_string(), "-d", database, "-c", sql])
            .output()
            .unwrap()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // at once: nobody reads what it keeps again
        self.end(Signal::SIGQUIT);
    }
}

/// A program of the newest server that is installed.
fn program(name: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions.filter_map(|entry| {
        let version: u32 = entry.file_name().to_str()?.parse().ok()?;
        Some((version, entry.path().join("bin").join(name)))
    });
    let newest = newest.filter(|(_, path)| path.exists()).max();
    newest.map_or_else(|| PathBuf::from(name), |(_, path)| path)
}

/// The server refuses to run as root.
fn server_user() -> Option<User> {
    geteuid().is_root().then(|| User::from_name("postgres").unwrap().expect("Debian's package postgresql"))
}

fn as_server_user(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir("/");
    if let Some(user) = server_user() {
        command.uid(user.uid.as_raw()).gid(user.gid.as_raw()).env("HOME", &user.dir);
    }
    command
}
