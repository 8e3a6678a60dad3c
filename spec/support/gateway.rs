//! A gateway process with a prefix of its own.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// What a gateway is started with.
#[derive(Clone, Default)]
pub struct Setup {
    properties: BTreeMap<String, String>,
    declarative: Option<String>,
    environment: Vec<(String, String)>,
    folder: Option<PathBuf>,
}

impl Setup {
    /// DB-less, with this kong.yml.
    pub fn declarative(text: impl Into<String>) -> Setup {
        Setup { declarative: Some(text.into()), ..Setup::default() }
    }

    /// Sets a kong.conf property.
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Setup {
        self.properties.insert(name.into(), value.into());
        self
    }

    /// Sets a variable of the environment.
    pub fn variable(mut self, name: &str, value: impl Into<String>) -> Setup {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Has the gateway run in a folder: what relative paths of plugins start from.
    pub fn in_folder(mut self, folder: &Path) -> Setup {
        self.folder = Some(folder.to_owned());
        self
    }

    /// Starts the gateway and waits until it answers.
    pub fn start(self) -> Gateway {
        let (gateway, output) = self.try_start();
        assert!(output.status.success(), "kong start: {}", text(&output));
        gateway
    }

    /// Runs `kong start` and returns what it said.
    pub fn try_start(self) -> (Gateway, Output) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let prefix = folder.path().join("prefix");
        let (proxy, tls, admin, status) = (free_port(), free_port(), free_port(), free_port());
        let mut properties = BTreeMap::from([
            ("prefix", prefix.display().to_string()),
            ("database", "off".to_string()),
            ("nginx_main_worker_processes", "2".to_string()),
            ("nginx_main_user", "root root".to_string()),
            ("proxy_listen", format!("127.0.0.1:{proxy}, 127.0.0.1:{tls} http2 ssl")),
            ("admin_listen", format!("127.0.0.1:{admin}")),
            ("admin_gui_listen", "off".to_string()),
            ("status_listen", format!("127.0.0.1:{status}")),
            ("anonymous_reports", "off".to_string()),
            ("log_level", "info".to_string()),
        ])
        .into_iter()
        .map(|(name, value)| (name.to_string(), value))
        .collect::<BTreeMap<_, _>>();
        if let Some(text) = &self.declarative {
            let file = folder.path().join("kong.yml");
            fs::write(&file, text).expect("kong.yml");
            properties.insert("declarative_config".into(), file.display().to_string());
        }
        properties.extend(self.properties.clone());
        let gateway = Gateway { folder, prefix, proxy, tls, admin, status, properties };
        gateway.write_conf();
        let environment: Vec<_> = self.environment.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let mut start = command(&environment, &["start", "-c", gateway.conf_file().to_str().expect("utf-8")]);
        if let Some(folder) = &self.folder {
            start.current_dir(folder);
        }
        let output = start.output().expect("kong runs");
        (gateway, output)
    }
}

/// A running gateway; stopped when dropped.
pub struct Gateway {
    folder: TempDir,
    /// Its prefix.
    pub prefix: PathBuf,
    /// Port of the plain proxy listener.
    pub proxy: u16,
    /// Port of the TLS proxy listener.
    pub tls: u16,
    /// Port of the Admin API.
    pub admin: u16,
    /// Port of the Status API.
    pub status: u16,
    /// kong.conf as it stands on disk.
    pub properties: BTreeMap<String, String>,
}

impl Gateway {
    /// The gateway's kong.conf.
    pub fn conf_file(&self) -> PathBuf {
        self.folder.path().join("kong.conf")
    }

    /// The gateway's kong.yml.
    pub fn declarative_file(&self) -> PathBuf {
        self.folder.path().join("kong.yml")
    }

    /// Its temporary folder, for files of the spec's own.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes kong.conf from `properties`.
    pub fn write_conf(&self) {
        let lines: String =
            self.properties.iter().map(|(n, v)| format!("{n} = {}\n", v.replace('#', "\\#"))).collect();
        fs::write(self.conf_file(), lines).expect("kong.conf");
    }

    /// Runs a `kong` command on this prefix.
    pub fn command(&self, name: &str, arguments: &[&str]) -> Output {
        let prefix = self.prefix.to_str().expect("utf-8");
        kong(&[&[name, "-p", prefix], arguments].concat())
    }

    /// Runs `kong reload` with the kong.conf on disk.
    pub fn reload(&self) -> Output {
        let conf = self.conf_file();
        self.command("reload", &["-c", conf.to_str().expect("utf-8")])
    }

    /// The error log so far.
    pub fn error_log(&self) -> String {
        fs::read_to_string(self.prefix.join("logs/error.log")).unwrap_or_default()
    }

    /// Waits until the error log has `text`.
    pub fn wait_for_log(&self, text: &str) {
        self.eventually(&format!("{text:?} in the error log"), |gateway| gateway.error_log().contains(text));
    }

    /// Waits up to ten seconds until `condition` holds.
    pub fn eventually(&self, what: &str, mut condition: impl FnMut(&Gateway) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !condition(self) {
            assert!(Instant::now() < deadline, "waited in vain for {what}; error log:\n{}", self.error_log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Sends a signal to the master.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.master().cast_signed()), signal).expect("the master runs");
    }

    /// Whether the master runs.
    pub fn is_running(&self) -> bool {
        let pid = fs::read_to_string(self.prefix.join("pids/nginx.pid")).unwrap_or_default();
        pid.trim().parse().is_ok_and(|pid| kill(Pid::from_raw(pid), None).is_ok())
    }

    /// The master's process id.
    pub fn master(&self) -> u32 {
        let text = fs::read_to_string(self.prefix.join("pids/nginx.pid")).expect("pid file");
        text.trim().parse().expect("a process id")
    }

    /// The worker process that serves, once those before it have ended.
    pub fn worker(&self) -> u32 {
        self.eventually("one worker process", |gateway| gateway.workers().len() == 1);
        self.workers()[0]
    }

    /// KiB of memory that a process has in use.
    pub fn resident(&self, process: u32) -> u64 {
        let status = fs::read_to_string(format!("/proc/{process}/status")).expect("the process lives");
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("its memory");
        line.split_whitespace().nth(1).and_then(|number| number.parse().ok()).expect("a number")
    }

    /// Process ids of the master's children.
    pub fn workers(&self) -> Vec<u32> {
        let master = self.master();
        let children =
            fs::read_to_string(format!("/proc/{master}/task/{master}/children")).unwrap_or_default();
        children.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- error log\n{}", self.error_log());
        }
        let file = fs::read_to_string(self.prefix.join("pids/nginx.pid"));
        let master = file.ok().and_then(|text| text.trim().parse().ok()).map(Pid::from_raw);
        let output = self.command("stop", &[]);
        let Some(master) = master else { return };
        let deadline = Instant::now() + Duration::from_secs(60);
        while kill(master, None).is_ok() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
        let ended = kill(master, None).is_err();
        if !ended {
            let _ = kill(master, Signal::SIGKILL);
        }
        if !std::thread::panicking() {
            assert!(output.status.success(), "kong stop: {}", text(&output));
            assert!(ended, "the master outlived kong stop; error log\n{}", self.error_log());
        }
    }
}

/// Runs the built `kong` with these arguments.
pub fn kong(arguments: &[&str]) -> Output {
    kong_with(&[], arguments)
}

/// Runs the built `kong` with these variables in its environment.
pub fn kong_with(environment: &[(&str, &str)], arguments: &[&str]) -> Output {
    command(environment, arguments).output().expect("kong runs")
}

/// The built `kong`, with no `KONG_*` variables but these.
pub fn command(environment: &[(&str, &str)], arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kong"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("KONG_")) {
        command.env_remove(name);
    }
    command.envs(environment.iter().copied()).args(arguments);
    command
}

/// A TCP port of the loopback address that nobody listens on, and that nobody is given but the caller: it lies below
/// those that the system gives to servers and connections that ask for any.
pub fn free_port() -> u16 {
    const FIRST: u32 = 10_000;
    const COUNT: u32 = 22_000;
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    // Processes that test at once begin at places of their own.
    let begin = std::process::id().wrapping_mul(997);
    let next = || FIRST + begin.wrapping_add(GIVEN.fetch_add(1, Ordering::Relaxed)) % COUNT;
    std::iter::repeat_with(next)
        .take(COUNT as usize)
        .filter_map(|port| u16::try_from(port).ok())
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("a free port")
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
