//! Real proxies in front of a shop, run from the example configurations with other addresses.

use crate::server::Server;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tempfile::TempDir;

/// Ports that somebody else took in between are tried again.
const STARTS_MAX: usize = 5;

/// Linux gives ports from 32,768 on to who asks for any.
const PORTS_FROM: usize = 20_000;
const PORTS: usize = 12_000;
static NEXT_PORT: AtomicUsize = AtomicUsize::new(0);

/// A shop that says what it was asked for.
pub(crate) struct Shop {
    pub(crate) addr: SocketAddr,
    asked: Arc<AtomicUsize>,
}

impl Shop {
    pub(crate) fn open() -> Shop {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let addr = listener.local_addr().expect("address");
        let asked: Arc<AtomicUsize> = Arc::default();
        let count = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                // Relaxed: read after the answer has come through two sockets.
                count.fetch_add(1, Ordering::Relaxed);
                answer(&stream);
            }
        });
        Shop { addr, asked }
    }

    /// Return how many requests came.
    pub(crate) fn asked(&self) -> usize {
        // Relaxed: as above.
        self.asked.load(Ordering::Relaxed)
    }
}

fn answer(stream: &TcpStream) {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    let (mut line, mut length) = (String::new(), 0);
    reader.read_line(&mut first).expect("a request line");
    while line != "\r\n" {
        line.clear();
        reader.read_line(&mut line).expect("a header");
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().expect("a number");
        }
    }
    reader.read_exact(&mut vec![0; length]).expect("a body");
    let mut words = first.split(' ');
    let said = format!("{} {}", words.next().unwrap_or(""), words.next().unwrap_or(""));
    let head =
        format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n", said.len());
    let _ = { stream }.write_all(format!("{head}set-cookie: shop=1\r\n\r\n{said}").as_bytes());
}

/// A proxy that runs until it is dropped.
pub(crate) struct Proxy {
    /// Where the shop is.
    pub(crate) shop: SocketAddr,
    /// Where people wait.
    pub(crate) wait: SocketAddr,
    child: Child,
    _dir: TempDir,
}

impl Proxy {
    pub(crate) fn nginx(server: &Server, shop: &Shop) -> Proxy {
        let example = example("nginx.conf", server, shop);
        started(|dir, shop, wait| {
            let sites = example
                .replace("127.0.0.1:8443", &shop.to_string())
                .replace("127.0.0.1:8444", &wait.to_string());
            let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
                .map(|kind| format!("{kind}_temp_path {kind};\n"))
                .concat();
            let config = format!(
                "daemon off; master_process off; pid pid; error_log stderr;\nevents {{}}\n\
                 http {{ access_log off;\n{temporary}{sites}}}\n"
            );
            let file = dir.join("test.conf");
            std::fs::write(&file, config).expect("write");
            let mut command = Command::new(program("nginx"));
            command.args(["-e", "stderr", "-p"]).arg(dir).arg("-c").arg(file);
            command
        })
    }

    pub(crate) fn caddy(server: &Server, shop: &Shop) -> Proxy {
        let example = example("Caddyfile", server, shop);
        started(|dir, shop, wait| {
            let sites = example
                .replace("shop.example:8443 {", &format!("shop.example:{} {{", shop.port()))
                .replace(
                    &format!("http://wait.shop.example:{}", shop.port()),
                    &format!("http://wait.shop.example:{}", wait.port()),
                );
            let file = dir.join("Caddyfile");
            let global = "{\n\tadmin off\n\tdefault_bind 127.0.0.1\n}\n";
            std::fs::write(&file, format!("{global}{sites}")).expect("write");
            let mut command = Command::new(program("caddy"));
            command.args(["run", "--adapter", "caddyfile", "--config"]).arg(file);
            command.env("HOME", dir).env("XDG_DATA_HOME", dir).env("XDG_CONFIG_HOME", dir);
            command
        })
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Read an example, with the addresses of this test in it.
fn example(name: &str, server: &Server, shop: &Shop) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/waiting-room");
    let text = std::fs::read_to_string(root.join(name)).expect("the example");
    text.replace("127.0.0.1:8080", &server.public.to_string())
        .replace("127.0.0.1:3000", &shop.addr.to_string())
}

/// Start a proxy on two free ports, and wait until it listens on both.
fn started(command: impl Fn(&Path, SocketAddr, SocketAddr) -> Command) -> Proxy {
    for _ in 0..STARTS_MAX {
        let dir = tempfile::tempdir().expect("folder");
        let [shop, wait] = free_ports();
        let mut command = command(dir.path(), shop, wait);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().expect("installed by `cargo xtask test setup`");
        loop {
            if TcpStream::connect(shop).is_ok() && TcpStream::connect(wait).is_ok() {
                return Proxy { shop, wait, child, _dir: dir };
            }
            if child.try_wait().expect("its state").is_some() {
                break;
            }
            std::thread::yield_now();
        }
    }
    panic!("the proxy did not start; run it by hand with the example to see why");
}

/// Find two ports that are free, and that nobody is given who asks the system for any port: another
/// test's server on one of them would be taken for the proxy.
fn free_ports() -> [SocketAddr; 2] {
    // Relaxed: the count alone tells two tests apart, and processes start at different ones.
    let tried = || NEXT_PORT.fetch_add(1, Ordering::Relaxed) + std::process::id() as usize * 7;
    let free = || {
        let at = SocketAddr::from(([127, 0, 0, 1], (PORTS_FROM + tried() % PORTS) as u16));
        TcpListener::bind(at).is_ok().then_some(at)
    };
    [0, 1].map(|_| (0..PORTS).find_map(|_| free()).expect("a free port below the system's range"))
}

/// Servers are not on everybody's path.
fn program(name: &str) -> PathBuf {
    let sbin = Path::new("/usr/sbin").join(name);
    if sbin.is_file() { sbin } else { name.into() }
}
