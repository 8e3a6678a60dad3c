//! A gateway that answers each line with the process, the configuration's name, and a shared count.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use kong::runtime::{
    Accepted, Acceptor, Address, ControlSetup, Gateway, Inherited, Listen, Loaded, Needs, Order, Origin,
    Source, Watch, WorkerSetup,
};
use kong::shm::Dicts;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::watch;

/// The configuration, in JSON.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Configuration {
    pub name: String,
    pub workers: usize,
    pub ports: Vec<u16>,
    pub control_port: u16,
    pub socket: Option<PathBuf>,
    pub reuseport: bool,
    /// `load`, `worker` or `panic`: where the start fails.
    pub fails: Option<String>,
    pub drain_timeout_ms: Option<u64>,
    pub watch: Option<Watch>,
    pub user: Option<String>,
    /// Size of the dictionary of counts, in KiB.
    pub counts_kib: usize,
}

pub struct Echo;

impl Gateway for Echo {
    type Configuration = Configuration;

    fn load(&self, origin: &Origin) -> Result<Loaded<Configuration>, String> {
        let file = match origin.source {
            Source::Running => origin.running(),
            Source::Files => origin.conf.clone().unwrap_or_else(|| origin.running()),
        };
        let text = std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        let configuration: Configuration = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        if configuration.fails.as_deref() == Some("load") {
            return Err("this configuration is wrong".to_owned());
        }
        if origin.source == Source::Files {
            std::fs::write(origin.candidate(), &text).map_err(|error| error.to_string())?;
        }
        Ok(Loaded { needs: needs(&configuration), configuration: Arc::new(configuration) })
    }

    async fn run_worker(&self, setup: WorkerSetup<Configuration>) -> Result<(), String> {
        match setup.configuration.fails.as_deref() {
            Some("worker") if setup.id == 1 => return Err("worker 1 cannot start".to_owned()),
            Some("panic") => panic!("a worker panics"),
            _ => {}
        }
        if !setup.ready.announce().await {
            return Ok(());
        }
        serve(&setup.configuration, &setup.dicts, setup.sockets, setup.orders).await
    }

    async fn run_control(&self, setup: ControlSetup<Configuration>) -> Result<(), String> {
        let mut changes = setup.declarative_changes;
        let dicts = setup.dicts.clone();
        tokio::task::spawn_local(async move {
            while changes.recv().await.is_some() {
                let _ =
                    dicts.find("counts").map(|dict| dict.incr(b"declarative changes", 1.0, Some((0.0, 0))));
            }
        });
        if !setup.ready.announce().await {
            return Ok(());
        }
        serve(&setup.configuration, &setup.dicts, setup.sockets, setup.orders).await
    }
}

fn needs(configuration: &Configuration) -> Needs {
    let listen = |port: u16| Listen {
        reuseport: configuration.reuseport,
        ..Listen::new(Address::Tcp(([127, 0, 0, 1], port).into()))
    };
    let socket = configuration.socket.iter().map(|path| Listen::new(Address::Unix(path.clone())));
    Needs {
        workers: configuration.workers,
        proxy: configuration.ports.iter().copied().map(listen).chain(socket).collect(),
        control: vec![Listen::new(Address::Tcp(([127, 0, 0, 1], configuration.control_port).into()))],
        dicts: vec![("counts".to_owned(), configuration.counts_kib << 10)],
        error_log: "logs/error.log".to_owned(),
        log_level: "info".to_owned(),
        drain_timeout: configuration.drain_timeout_ms.map(Duration::from_millis),
        watch: configuration.watch.clone(),
        user: configuration.user.clone(),
        open_files: Some(4096),
        ..Needs::default()
    }
}

/// Accepts until the order to drain, then ends with the last connection.
async fn serve(
    configuration: &Arc<Configuration>,
    dicts: &Dicts,
    sockets: Vec<Inherited>,
    orders: watch::Receiver<Order>,
) -> Result<(), String> {
    let mut accepting = tokio::task::JoinSet::new();
    for socket in sockets {
        let mut acceptor = Acceptor::new(socket, orders.clone()).map_err(|error| error.to_string())?;
        let (configuration, dicts, orders) = (Arc::clone(configuration), dicts.clone(), orders.clone());
        accepting.spawn_local(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Some(accepted) = acceptor.accept().await {
                let (configuration, dicts, orders) =
                    (Arc::clone(&configuration), dicts.clone(), orders.clone());
                connections.spawn_local(async move {
                    match accepted {
                        Accepted::Tcp(stream, _) => echo(stream, &configuration, &dicts, orders).await,
                        Accepted::Unix(stream) => echo(stream, &configuration, &dicts, orders).await,
                    }
                });
            }
            connections.join_all().await;
        });
    }
    let (mut ending, mut stop) = (orders.clone(), orders);
    tokio::select! {
        _ = accepting.join_all() => {
            // a thread without sockets has nothing to wait for but its orders
            let _ = ending.wait_for(|order| *order != Order::Serve).await;
        }
        _ = stop.wait_for(|order| *order == Order::Stop) => {}
    }
    Ok(())
}

/// Answers line by line; when draining, the answer says so, and the connection ends with it.
async fn echo(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    configuration: &Configuration,
    dicts: &Dicts,
    orders: watch::Receiver<Order>,
) {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    while matches!(stream.read_line(&mut line).await, Ok(1..)) {
        if line == "crash\n" {
            std::process::abort();
        }
        if line == "orphan\n" {
            // the shell ends at once, and its child is nobody's
            let _ = std::process::Command::new("sh").args(["-c", "sleep 0.5 &"]).status();
        }
        let count =
            dicts.find("counts").and_then(|dict| dict.incr(b"requests", 1.0, Some((0.0, 0))).result.ok());
        let changes =
            dicts.find("counts").and_then(|dict| dict.incr(b"declarative changes", 0.0, None).result.ok());
        let last = *orders.borrow() != Order::Serve && line != "stay\n";
        let answer = Answer {
            process: std::process::id(),
            uid: nix::unistd::getuid().as_raw(),
            name: configuration.name.clone(),
            count: count.unwrap_or(-1.0) as i64,
            declarative_changes: changes.unwrap_or(0.0) as i64,
            last,
        };
        let mut text = serde_json::to_string(&answer).unwrap();
        text.push('\n');
        if stream.write_all(text.as_bytes()).await.is_err() || last {
            return;
        }
        line.clear();
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Answer {
    pub process: u32,
    pub uid: u32,
    pub name: String,
    pub count: i64,
    pub declarative_changes: i64,
    pub last: bool,
}
