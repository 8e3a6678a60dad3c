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
        let turn = Turn::take();
        let cluster = Cassandra {
            port: free_port(),
            storage_port: free_port(),
            folder: tempfile::Builder::new().prefix("kong-cassandra-").tempdir().unwrap(),
            libraries: libraries(),
            nodes: Mutex::new((0..count).map(|_| None).collect()),
            keyspaces: AtomicUsize::new(0),
            replicas: AtomicUsize::new(1),
            _turn: turn,
        };
        for node in 0..count {
            cluster.prepare(node, count);
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
        let log = fs::OpenOptions::new().create(true).append(true).open(folder.join("log")).unwrap();
        let mut command = Command::new("java");
        command.current_dir(&folder).arg("-cp").arg(format!(
            "{}:{}/*",
            folder.join("conf").display(),
            self.libraries.display()
        ));
        command.args(["-Xms192m", "-Xmx448m", "-Xss512k", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]);
        command.args(OPENED.iter().flat_map(|(flag, name)| [*flag, *name]));
        let define = |name: &str, value: String| format!("-D{name}={value}");
        command.args([
            define("cassandra.storagedir", folder.display().to_string()),
            define("cassandra.config", format!("file://{}", folder.join("conf/cassandra.yaml").display())),
            define("logback.configurationFile", "logback.xml".to_owned()),
            define("java.io.tmpdir", folder.join("tmp").display().to_string()),
            define("cassandra.skip_wait_for_gossip_to_settle", "0".to_owned()),
            define("cassandra.ring_delay_ms", "2000".to_owned()),
            define("cassandra.consistent.rangemovement", "false".to_owned()),
            define("cassandra.superuser_setup_delay_ms", "0".to_owned()),
            // changes of tables are not flushed one by one where no node is killed
            define("cassandra.unsafesystem", (self.nodes.lock().unwrap().len() == 1).to_string()),
            define("jdk.attach.allowAttachSelf", "true".to_owned()),
            define("io.netty.tryReflectionSetAccessible", "true".to_owned()),
        ]);
        command.arg("org.apache.cassandra.service.CassandraDaemon");
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .expect("java: Debian's package openjdk-17-jre-headless");
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

    fn node_folder(&self, node: usize) -> PathBuf {
        self.folder.path().join(format!("node{node}"))
    }

    fn prepare(&self, node: usize, count: usize) {
        let folder = self.node_folder(node);
        let conf = folder.join("conf");
        fs::create_dir_all(&conf).unwrap();
        fs::create_dir_all(folder.join("tmp")).unwrap();
        fs::write(conf.join("cassandra.yaml"), self.yaml(node, count)).unwrap();
        fs::write(conf.join("cassandra-rackdc.properties"), "dc=datacenter1\nrack=rack1\n").unwrap();
        let pattern = "%d{HH:mm:ss.SSS} %-5level %logger{0} %msg%n";
        let logback = format!(
            "<configuration><appender name=\"out\" class=\"ch.qos.logback.core.ConsoleAppender\"><encoder>\
             <pattern>{pattern}</pattern></encoder></appender><root level=\"WARN\"><appender-ref ref=\"out\"/>\
             </root></configuration>"
        );
        fs::write(conf.join("logback.xml"), logback).unwrap();
    }

    fn yaml(&self, node: usize, count: usize) -> String {
        let folder = self.node_folder(node).display().to_string();
        let (address, seed) = (Cassandra::address(node), Cassandra::address(0));
        let (port, storage) = (self.port, self.storage_port);
        // one token for each node, evenly
        let token = i128::from(i64::MIN) + (1_i128 << 64) * node as i128 / count as i128;
        format!(
            "cluster_name: spec\n\
             num_tokens: 1\n\
             initial_token: {token}\n\
             partitioner: org.apache.cassandra.dht.Murmur3Partitioner\n\
             seed_provider:\n\
             \x20 - class_name: org.apache.cassandra.locator.SimpleSeedProvider\n\
             \x20   parameters:\n\
             \x20     - seeds: \"{seed}:{storage}\"\n\
             listen_address: {address}\n\
             rpc_address: {address}\n\
             storage_port: {storage}\n\
             native_transport_port: {port}\n\
             endpoint_snitch: GossipingPropertyFileSnitch\n\
             data_file_directories: [{folder}/data]\n\
             commitlog_directory: {folder}/commitlog\n\
             saved_caches_directory: {folder}/saved_caches\n\
             hints_directory: {folder}/hints\n\
             cdc_raw_directory: {folder}/cdc\n\
             commitlog_sync: periodic\n\
             commitlog_sync_period: 10000ms\n\
             periodic_commitlog_sync_lag_block: 600s\n\
             read_request_timeout: 30s\n\
             range_request_timeout: 30s\n\
             write_request_timeout: 30s\n\
             counter_write_request_timeout: 30s\n\
             cas_contention_timeout: 30s\n\
             truncate_request_timeout: 60s\n\
             request_timeout: 30s\n\
             native_transport_timeout: 60s\n\
             commitlog_segment_size: 4MiB\n\
             auto_bootstrap: false\n\
             auto_snapshot: false\n\
             concurrent_reads: 8\n\
             concurrent_writes: 8\n\
             concurrent_counter_writes: 4\n\
             disk_optimization_strategy: ssd\n\
             phi_convict_threshold: 8\n"
        )
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

    /// The last lines of a node's log.
    pub fn log(&self, node: usize) -> String {
        let log = fs::read_to_string(self.node_folder(node).join("log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
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
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("spec/support/cassandra-fetch");
    let output =
        Command::new(script).stderr(Stdio::inherit()).output().expect("spec/support/cassandra-fetch");
    assert!(output.status.success(), "spec/support/cassandra-fetch failed");
    PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())
}

/// What of Java's inside the server uses.
const OPENED: [(&str, &str); 25] = [
    ("--add-exports", "java.base/jdk.internal.misc=ALL-UNNAMED"),
    ("--add-exports", "java.base/jdk.internal.ref=ALL-UNNAMED"),
    ("--add-exports", "java.base/sun.nio.ch=ALL-UNNAMED"),
    ("--add-exports", "java.management.rmi/com.sun.jmx.remote.internal.rmi=ALL-UNNAMED"),
    ("--add-exports", "java.rmi/sun.rmi.registry=ALL-UNNAMED"),
    ("--add-exports", "java.rmi/sun.rmi.server=ALL-UNNAMED"),
    ("--add-exports", "java.sql/java.sql=ALL-UNNAMED"),
    ("--add-opens", "java.base/java.io=ALL-UNNAMED"),
    ("--add-opens", "java.base/java.lang=ALL-UNNAMED"),
    ("--add-opens", "java.base/java.lang.module=ALL-UNNAMED"),
    ("--add-opens", "java.base/java.lang.reflect=ALL-UNNAMED"),
    ("--add-opens", "java.base/java.math=ALL-UNNAMED"),
    ("--add-opens", "java.base/java.net=ALL-UNNAMED"),
    ("--add-opens", "java.base/java.nio=ALL-UNNAMED"),
    ("--add-opens", "java.base/java.util=ALL-UNNAMED"),
    ("--add-opens", "java.base/java.util.concurrent=ALL-UNNAMED"),
    ("--add-opens", "java.base/java.util.concurrent.atomic=ALL-UNNAMED"),
    ("--add-opens", "java.base/jdk.internal.loader=ALL-UNNAMED"),
    ("--add-opens", "java.base/jdk.internal.math=ALL-UNNAMED"),
    ("--add-opens", "java.base/jdk.internal.module=ALL-UNNAMED"),
    ("--add-opens", "java.base/jdk.internal.ref=ALL-UNNAMED"),
    ("--add-opens", "java.base/jdk.internal.reflect=ALL-UNNAMED"),
    ("--add-opens", "java.base/jdk.internal.util.jar=ALL-UNNAMED"),
    ("--add-opens", "java.base/sun.nio.ch=ALL-UNNAMED"),
    ("--add-opens", "jdk.management/com.sun.management.internal=ALL-UNNAMED"),
];
