//! A gateway under a prefix of its own.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use kong::runtime::pid_file::PidFile;
use kong::runtime::{Launch, RuntimeError, launch, request};
use nix::sys::signal::Signal;

use crate::clients::ask;
use crate::echo::{Answer, Configuration};

pub struct Node {
    prefix: tempfile::TempDir,
    pub configuration: Configuration,
}

impl Node {
    /// A node with free ports that is not started yet.
    pub fn new(ports: usize) -> Node {
        let prefix = tempfile::tempdir().unwrap();
        std::fs::create_dir(prefix.path().join("logs")).unwrap();
        let mut ports = free_ports(ports + 1);
        let control_port = ports.pop().unwrap();
        let configuration = Configuration {
            name: "first".to_owned(),
            workers: 2,
            ports,
            control_port,
            reuseport: true,
            counts_kib: 1024,
            ..Configuration::default()
        };
        Node { prefix, configuration }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.prefix.path().join(name)
    }

    pub fn port(&self) -> u16 {
        self.configuration.ports[0]
    }

    pub fn start(&self) -> Result<(), RuntimeError> {
        self.write(".kong_env");
        self.write("kong.json");
        launch(&Launch {
            prefix: self.prefix.path().to_owned(),
            conf: Some(self.path("kong.json")),
            daemon: true,
        })
    }

    pub fn write(&self, name: &str) {
        std::fs::write(self.path(name), serde_json::to_string(&self.configuration).unwrap()).unwrap();
    }

    /// `kong reload` with the present configuration.
    pub fn reload(&self) -> Result<(), String> {
        self.write("kong.json");
        request::reload(self.prefix.path(), &request::Reload::default()).unwrap()
    }

    pub fn signal(&self, signal: Signal) {
        PidFile::of(self.prefix.path()).signal(signal).unwrap();
    }

    pub fn master(&self) -> i32 {
        PidFile::of(self.prefix.path()).read().unwrap().as_raw()
    }

    pub fn answer(&self) -> Answer {
        ask(self.port()).unwrap()
    }

    /// The command that runs the gateway in the foreground, from `executable`.
    pub fn foreground(&self, executable: &Path) -> Command {
        self.write(".kong_env");
        self.write("kong.json");
        let role = serde_json::json!({"Master": {
            "launch": {"prefix": self.path(""), "conf": self.path("kong.json"), "daemon": false}, "starter": null
        }});
        let mut command = Command::new(executable);
        command.env("KONG_PROCESS", role.to_string());
        command
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path("logs/error.log")).unwrap_or_default()
    }

    pub fn is_running(&self) -> bool {
        PidFile::of(self.prefix.path()).is_running()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{}", self.log());
        }
        let _ = PidFile::of(self.prefix.path()).signal(Signal::SIGTERM);
        let gone = || !self.is_running();
        eventually_quiet(gone);
    }
}

/// Waits until `condition` holds.
pub fn eventually(what: &str, condition: impl FnMut() -> bool) {
    assert!(eventually_quiet(condition), "never happened: {what}");
}

fn eventually_quiet(mut condition: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + Duration::from_secs(60);
    while Instant::now() < deadline {
        if condition() {
            return true;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    false
}

pub fn free_ports(count: usize) -> Vec<u16> {
    let held: Vec<TcpListener> = (0..count).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    held.iter().map(|socket| socket.local_addr().unwrap().port()).collect()
}

/// Whether a process exists.
pub fn lives(process: u32) -> bool {
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(process.cast_signed()), None).is_ok()
}
