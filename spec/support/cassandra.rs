//! Apache Cassandra, started by the specs themselves: nodes on 127.0.0.1, 127.0.0.2 …, each a Java process with a
//! small heap and a folder of its own.
//!
//! `spec/support/cassandra-fetch` brings the server's libraries. Without Java there is none.

use super::free_port;
use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, Weak};
use std::time::{Duration, Instant};

/// How long a node may take until it serves clients.
const PATIENCE: Duration = Duration::from_secs(300);

/// What a variable is for a node, from 0.
pub type Variable = Box<dyn Fn(usize) -> String + Send + Sync>;

/// A running cluster; ended when dropped.
pub struct Cassandra {
    /// The port of all nodes.
    pub port: u16,
    storage_port: u16,
    folder: tempfile::TempDir,
    libraries: PathBuf,
    nodes: Mutex<Vec<Option<Child>>>,
    keyspaces: AtomicUsize,
    replicas: AtomicUsize,
    variables: Vec<(&'static str, Variable)>,
    /// Dropped last.
    _turn: Turn,
}

/// The right to run a cluster: one at a time, each takes a machine all it has.
struct Turn;

static IS_TAKEN: Mutex<bool> = Mutex::new(false);
static GIVEN_BACK: Condvar = Condvar::new();

impl Turn {
    fn take() -> Turn {
        let is_taken = IS_TAKEN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let waited = GIVEN_BACK.wait_while(is_taken, |is_taken| *is_taken);
        *waited.unwrap_or_else(|poisoned| poisoned.into_inner()) = true;
        Turn
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *IS_TAKEN.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = false;
        GIVEN_BACK.notify_one();
    }
}

/// The cluster of one node that all specs of a run share, as long as one of them uses it.
static SHARED: Mutex<Weak<Cassandra>> = Mutex::new(Weak::new());

impl Cassandra {
    /// The node that specs share; each takes a keyspace of its own.
    pub fn shared() -> Arc<Cassandra> {
        let mut shared = SHARED.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        shared.upgrade().unwrap_or_else(|| {
            let cluster = Arc::new(Cassandra::start(1));
            *shared = Arc::downgrade(&cluster);
            cluster
        })
    }

    /// Starts so many nodes, one after the other.
    pub fn start(count: usize) -> Cassandra {
        Cassandra::start_with(count, Vec::new())
    }

    /// The same with more variables for `cassandra-start`, each node's own.
    pub fn start_with(count: usize, variables: Vec<(&'static str, Variable)>) -> Cassandra {
        let turn = Turn::take();
        let cluster = Cassandra {
            port: free_port(),
            storage_port: free_port(),
            folder: tempfile::Builder::new().prefix("kong-cassandra-").tempdir().unwrap(),
            libraries: libraries(),
            nodes: Mutex::new((0..count).map(|_| None).collect()),
            keyspaces: AtomicUsize::new(0),
            replicas: AtomicUsize::new(1),
            variables,
            _turn: turn,
        };
        for node in 0..count {
            cluster.resume(node);
        }
        cluster
    }

    /// The address of a node, from 0.
    pub fn address(node: usize) -> String {
        format!("127.0.0.{}", node + 1)
    }

    /// Starts a node again after [`Cassandra::kill`].
    pub fn resume(&self, node: usize) {
        let folder = self.node_folder(node);
        fs::create_dir_all(&folder).unwrap();
        let log = fs::OpenOptions::new().create(true).append(true).open(folder.join("log")).unwrap();
        let count = self.nodes.lock().unwrap().len();
        // one token for each node, evenly
        let token = i128::from(i64::MIN) + (1_i128 << 64) * node as i128 / count as i128;
        let mut command = Command::new(script("cassandra-start"));
        command.arg(&folder).env("LIBRARIES", &self.libraries).env("ADDRESS", Cassandra::address(node));
        command.env("PORT", self.port.to_string()).env("STORAGE_PORT", self.storage_port.to_string());
        command.env("SEED", Cassandra::address(0)).env("TOKEN", token.to_string());
        if count > 1 {
            command.env("DURABLE", "yes");
        }
        for (name, value) in &self.variables {
            command.env(name, value(node));
        }
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("spec/support/cassandra-start");
        self.nodes.lock().unwrap()[node] = Some(child);
        self.wait_for(node);
    }

    /// Ends a node at once, as a crash does.
    pub fn kill(&self, node: usize) {
        let child = self.nodes.lock().unwrap_or_else(|poisoned| poisoned.into_inner())[node].take();
        if let Some(mut child) = child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Runs statements that semicolons end, on the first node; answers the rows of the last, of `SELECT JSON`.
    pub fn ask(&self, keyspace: &str, cql: &str) -> Vec<serde_json::Value> {
        use scylla::client::session_builder::SessionBuilder;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let node = format!("{}:{}", Cassandra::address(0), self.port);
            let session = SessionBuilder::new().known_node(node).build().await.unwrap();
            let mut found = Vec::new();
            if self.has_keyspace(&session, keyspace).await {
                session.use_keyspace(keyspace, true).await.unwrap();
            }
            for statement in cql.split(';').map(str::trim).filter(|statement| !statement.is_empty()) {
                let mut statement = scylla::statement::Statement::new(statement);
                statement.set_request_timeout(Some(PATIENCE));
                let words = statement.contents.clone();
                let answer = session.query_unpaged(statement, &[]).await;
                let answer = answer.unwrap_or_else(|error| panic!("{words}: {error}"));
                if words.starts_with("CREATE KEYSPACE") {
                    session.use_keyspace(keyspace, true).await.unwrap();
                }
                if answer.is_rows() {
                    let rows = answer.into_rows_result().unwrap();
                    let texts = rows.rows::<(String,)>().unwrap().map(|row| row.unwrap().0);
                    found = texts.map(|text| serde_json::from_str(&text).unwrap()).collect();
                }
            }
            found
        })
    }

    async fn has_keyspace(&self, session: &scylla::client::session::Session, keyspace: &str) -> bool {
        const NAMES: &str = "SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = ?";
        let found = session.query_unpaged(NAMES, (keyspace,)).await.unwrap();
        found.into_rows_result().unwrap().rows_num() > 0
    }

    /// The name of a keyspace that nobody else has.
    pub fn keyspace(&self) -> String {
        format!("kong{}", self.keyspaces.fetch_add(1, Ordering::Relaxed))
    }

    /// Has keyspaces that are made from now on replicated so many times, and majorities asked.
    pub fn with_replication(&self, replicas: usize) {
        self.replicas.store(replicas, Ordering::Relaxed);
    }

    /// The properties of kong.conf that lead to a keyspace.
    pub fn properties(&self, keyspace: &str) -> Vec<(&'static str, String)> {
        let count = self.nodes.lock().unwrap().len();
        let addresses: Vec<String> = (0..count).map(Cassandra::address).collect();
        let replicas = self.replicas.load(Ordering::Relaxed);
        let consistency = if replicas > 1 { "QUORUM" } else { "ONE" };
        vec![
            ("cassandra_repl_factor", replicas.to_string()),
            ("cassandra_write_consistency", consistency.to_owned()),
            ("cassandra_read_consistency", consistency.to_owned()),
            ("database", "cassandra".to_owned()),
            ("cassandra_contact_points", addresses.join(", ")),
            ("cassandra_port", self.port.to_string()),
            ("cassandra_keyspace", keyspace.to_owned()),
            ("cassandra_timeout", "30000".to_owned()),
            ("db_update_frequency", "0.2".to_owned()),
        ]
    }

    fn wait_for(&self, node: usize) {
        let address = format!("{}:{}", Cassandra::address(node), self.port);
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(&address).is_err() {
            let ended = self.nodes.lock().unwrap()[node]
                .as_mut()
                .is_some_and(|child| child.try_wait().is_ok_and(|status| status.is_some()));
            assert!(!ended && Instant::now() < deadline, "Cassandra does not answer: {}", self.log(node));
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// A node's files.
    pub fn node_folder(&self, node: usize) -> PathBuf {
        self.folder.path().join(format!("node{node}"))
    }

    /// The last lines of a node's log, without what Java lists of its stack.
    pub fn log(&self, node: usize) -> String {
        let log = fs::read_to_string(self.node_folder(node).join("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().filter(|line| !line.trim_start().starts_with("at ")).collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }
}

impl Drop for Cassandra {
    fn drop(&mut self) {
        let count = self.nodes.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).len();
        (0..count).for_each(|node| self.kill(node));
    }
}

/// The folder with the server's libraries, fetched where they are missing.
fn libraries() -> PathBuf {
    let output = Command::new(script("cassandra-fetch"))
        .stderr(Stdio::inherit())
        .output()
        .expect("spec/support/cassandra-fetch");
    assert!(output.status.success(), "spec/support/cassandra-fetch failed");
    PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("spec/support").join(name)
}
