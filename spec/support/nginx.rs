//! A real nginx as a reverse proxy, configured as Kong configures the one inside it.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

const EXECUTABLE: &str = "/usr/sbin/nginx";

/// A running nginx; ended when dropped.
pub struct Nginx {
    process: Child,
    _folder: TempDir,
    /// Where it listens.
    pub port: u16,
}

impl Nginx {
    /// Starts one that passes requests for host `case-N` on to the N-th of `upstreams`; `None` where none is installed.
    pub fn start(upstreams: &[u16]) -> Option<Nginx> {
        Nginx::configured(|root, port| configuration(&root.display().to_string(), port, upstreams))
    }

    /// Starts a server over TLS with a certificate and its key, of whose block `lines` are the rest; `None` where none is
    /// installed.
    pub fn over_tls(cert: &Path, key: &Path, lines: &str) -> Option<Nginx> {
        let (cert, key) = (cert.display(), key.display());
        Nginx::configured(|root, port| {
            let root = root.display();
            format!(
                "daemon off; master_process off; pid {root}/nginx.pid; error_log {root}/error.log;
events {{}}
http {{
  access_log off; client_body_temp_path {root}; proxy_temp_path {root}; fastcgi_temp_path {root};
  uwsgi_temp_path {root}; scgi_temp_path {root};
  server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {cert}; ssl_certificate_key {key}; {lines} }}
}}
"
            )
        })
    }

    /// Starts one with the configuration made for a folder and the port to listen on; `None` where none is installed.
    pub fn configured(configuration: impl FnOnce(&Path, u16) -> String) -> Option<Nginx> {
        if !Path::new(EXECUTABLE).exists() {
            return None;
        }
        let folder = tempfile::tempdir().expect("a temporary folder");
        let port = super::free_port();
        let conf = folder.path().join("nginx.conf");
        fs::write(&conf, configuration(folder.path(), port)).expect("nginx.conf");
        let process = Command::new(EXECUTABLE)
            .arg("-p")
            .arg(folder.path())
            .arg("-c")
            .arg(&conf)
            .args(["-e", "error.log"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("nginx runs");
        let deadline = Instant::now() + Duration::from_secs(60);
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(Instant::now() < deadline, "nginx does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
        Some(Nginx { process, _folder: folder, port })
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn configuration(root: &str, port: u16, upstreams: &[u16]) -> String {
    let ports: String = upstreams.iter().enumerate().map(|(n, port)| format!("case-{n} {port}; ")).collect();
    format!(
        "daemon off; master_process off; pid {root}/nginx.pid; error_log {root}/error.log;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {root}/body; proxy_temp_path {root}/proxy; fastcgi_temp_path {root}/fastcgi;
  uwsgi_temp_path {root}/uwsgi; scgi_temp_path {root}/scgi;
  underscores_in_headers on; client_body_buffer_size 8k;
  map $http_te $te {{ default ''; ~*trailers trailers; }}
  map $http_host $upstream_port {{ {ports} }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_http_version 1.1;
      proxy_set_header TE $te;
      proxy_set_header Host $http_host;
      proxy_set_header Connection keep-alive;
      proxy_pass_header Server; proxy_pass_header Date;
      proxy_read_timeout 2s; proxy_send_timeout 2s; proxy_connect_timeout 2s;
      proxy_pass http://127.0.0.1:$upstream_port$uri$is_args$args;
    }}
  }}
}}
"
    )
}
