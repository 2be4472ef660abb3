//! A server as a child process, to be killed and started again.

use serde::Deserialize;
use std::fs::OpenOptions;
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The end of a server's log shown with an error.
const LOG_TAIL_BYTES: usize = 2_000;

/// How to start `onrush serve --dev`.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The `onrush` binary.
    pub program: PathBuf,
    /// The folder it runs in: the data folder `data` and `server.log` are made there.
    pub home: PathBuf,
    /// Units of the campaign `demo`.
    pub supply: u32,
    /// Units one buyer may have.
    pub limit: u32,
    /// How long a hold lives, in milliseconds.
    pub hold_ms: u64,
}

/// A running server. Dropping it kills it.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// Where it listens for buyers.
    pub public: SocketAddr,
    /// Where it listens for operators.
    pub admin: SocketAddr,
    /// The admin token.
    pub token: String,
}

#[derive(Deserialize)]
struct Ready {
    public: SocketAddr,
    admin: SocketAddr,
    admin_token: String,
}

impl Launch {
    /// Return the data folder.
    pub fn data(&self) -> PathBuf {
        self.home.join("data")
    }

    /// Start the server and wait until it is ready: on free ports, or where an earlier one was.
    ///
    /// # Errors
    /// When it does not start; with the end of its log.
    pub fn start(&self, at: Option<(SocketAddr, SocketAddr)>) -> io::Result<Server> {
        let free: SocketAddr = ([127, 0, 0, 1], 0).into();
        let (public, admin) = at.unwrap_or((free, free));
        let mut command = Command::new(&self.program);
        command
            .args(["serve", "--dev", "--until-stdin-closes", "--data", "data"])
            .args(["--supply", &self.supply.to_string(), "--limit", &self.limit.to_string()])
            .args(["--hold", &format!("{}ms", self.hold_ms)])
            .env("ONRUSH_PUBLIC", public.to_string())
            .env("ONRUSH_ADMIN", admin.to_string());
        Server::start(command, &self.home)
    }
}

impl Server {
    /// Start `serve --dev --until-stdin-closes` as `command` says, in the folder `home`, and wait until it
    /// is ready. Its log goes to `home/server.log`.
    ///
    /// # Errors
    /// When it does not start; with the end of its log.
    pub fn start(mut command: Command, home: &Path) -> io::Result<Server> {
        let log_path = home.join("server.log");
        let log = OpenOptions::new().create(true).append(true).open(&log_path)?;
        command.current_dir(home).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        let mut child = command.spawn()?;
        let mut line = String::new();
        let stdout = child.stdout.take().expect("it is piped");
        let read = BufReader::new(stdout).read_line(&mut line);
        let ready =
            read.and_then(|_| serde_json::from_str::<Ready>(&line).map_err(io::Error::other));
        match ready {
            Ok(Ready { public, admin, admin_token }) => {
                Ok(Server { child, public, admin, token: admin_token })
            }
            Err(error) => {
                let _ = child.kill();
                let _ = child.wait();
                let log = std::fs::read(&log_path).unwrap_or_default();
                let tail = &log[log.len().saturating_sub(LOG_TAIL_BYTES)..];
                let tail = String::from_utf8_lossy(tail);
                Err(io::Error::other(format!("the server did not start ({error}): {tail}")))
            }
        }
    }

    /// Return both addresses, for [`Launch::start`].
    pub fn addresses(&self) -> (SocketAddr, SocketAddr) {
        (self.public, self.admin)
    }

    /// Return the number of its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Tell whether it ended by itself.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn has_ended(&mut self) -> io::Result<bool> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// Kill it with SIGKILL, so that it can finish nothing, and wait until it is gone.
    ///
    /// # Errors
    /// When the system does not do it, or it was gone already.
    pub fn kill(mut self) -> io::Result<()> {
        if let Some(status) = self.child.try_wait()? {
            return Err(io::Error::other(format!("the server ended by itself: {status}")));
        }
        self.child.kill()?;
        self.child.wait().map(drop)
    }

    /// Ask it to stop and wait until it did.
    ///
    /// # Errors
    /// When it did not end with exit code 0.
    pub fn stop(mut self) -> io::Result<()> {
        drop(self.child.stdin.take());
        let status = self.child.wait()?;
        if status.success() {
            Ok(())
        } else {
            Err(io::Error::other(format!("the server did not stop cleanly: {status}")))
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // After `kill` and `stop` it is gone already, and both calls do nothing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
