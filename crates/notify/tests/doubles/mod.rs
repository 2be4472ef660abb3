//! Stand-ins for the other side: real sockets, real protocols, answers that a test scripts.

#[allow(dead_code)] // Each test binary takes the doubles it needs.
pub(crate) mod http;
#[allow(dead_code)] // As above.
pub(crate) mod smtp;

use std::io::{Read, Write};

/// A byte stream, plain or secured.
pub(crate) trait Stream: Read + Write + Send {}

impl<T: Read + Write + Send> Stream for T {}

/// Secures a socket, or leaves it as it is.
pub(crate) type Secure =
    std::sync::Arc<dyn Fn(std::net::TcpStream) -> Box<dyn Stream> + Send + Sync>;

#[allow(dead_code)] // As above.
pub(crate) fn plain() -> Secure {
    std::sync::Arc::new(|socket| Box::new(socket))
}
