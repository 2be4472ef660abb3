//! A small SMTP server (RFC 5321) that keeps every mail and refuses what it is told to.

use super::{Secure, Stream, plain};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

const HANG: Duration = Duration::from_secs(60);

/// A mail as it came.
#[derive(Clone, Debug)]
pub(crate) struct Got {
    pub(crate) from: String,
    pub(crate) to: String,
    /// With line breaks as LF, dots undoubled.
    pub(crate) text: String,
}

impl Got {
    /// Return a header, unfolded.
    pub(crate) fn header(&self, name: &str) -> String {
        let head = self.text.split("\n\n").next().unwrap_or_default().replace("\n ", " ");
        let found = head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        });
        found.unwrap_or_default()
    }

    /// Return the body, decoded.
    pub(crate) fn body(&self) -> String {
        let body = self.text.split_once("\n\n").map_or("", |(_, body)| body);
        match self.header("Content-Transfer-Encoding").as_str() {
            "base64" => {
                use base64::Engine as _;
                let joined: String = body.split_whitespace().collect();
                let bytes = base64::engine::general_purpose::STANDARD.decode(joined);
                String::from_utf8(bytes.expect("base64")).expect("UTF-8").replace("\r\n", "\n")
            }
            "quoted-printable" => quoted_printable(body),
            _ => body.to_owned(),
        }
    }
}

fn quoted_printable(text: &str) -> String {
    let joined = text.replace("=\n", "");
    let mut out = Vec::new();
    let mut bytes = joined.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'=' {
            let pair = [bytes.next().expect("a digit"), bytes.next().expect("a digit")];
            let pair = std::str::from_utf8(&pair).expect("ASCII").to_owned();
            out.push(u8::from_str_radix(&pair, 16).expect("hexadecimal"));
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).expect("UTF-8")
}

/// What to answer a command or (for `.`) a mail instead of yes; an empty answer closes.
pub(crate) type Script = Box<dyn FnMut(&str) -> Option<&'static str> + Send>;

pub(crate) struct Double {
    pub(crate) port: u16,
    got: Receiver<Got>,
}

impl Double {
    pub(crate) fn open() -> Double {
        Double::scripted(Box::new(|_| None))
    }

    pub(crate) fn scripted(script: Script) -> Double {
        Double::secured(script, plain())
    }

    pub(crate) fn secured(mut script: Script, secure: Secure) -> Double {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let port = listener.local_addr().expect("address").port();
        let (tell, got) = channel();
        // Ends with the process, as the HTTP double does.
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let _ = socket.set_read_timeout(Some(HANG));
                let _ = talk(secure(socket), &mut script, &tell);
            }
        });
        Double { port, got }
    }

    /// Wait for the next mail.
    pub(crate) fn next(&self) -> Got {
        self.got.recv_timeout(HANG).expect("a mail")
    }

    /// Return what has come and was not looked at.
    pub(crate) fn rest(&self) -> Vec<Got> {
        self.got.try_iter().collect()
    }
}

fn talk(mut stream: Box<dyn Stream>, script: &mut Script, tell: &Sender<Got>) -> Option<()> {
    let mut read = Vec::new();
    let mut got = Got { from: String::new(), to: String::new(), text: String::new() };
    say(&mut *stream, "220 double ESMTP")?;
    loop {
        let line = line(&mut *stream, &mut read)?;
        let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        if let Some(instead) = script(&line) {
            if instead.is_empty() {
                return None;
            }
            say(&mut *stream, instead)?;
            continue;
        }
        let inside = |line: &str| {
            line.split_once('<')
                .and_then(|(_, rest)| rest.split_once('>'))
                .map(|(a, _)| a.to_owned())
        };
        match verb.as_str() {
            "EHLO" => say(&mut *stream, "250-double\r\n250-AUTH PLAIN LOGIN\r\n250 8BITMIME")?,
            "AUTH" => say(&mut *stream, "235 welcome")?,
            "MAIL" => {
                got.from = inside(&line)?;
                say(&mut *stream, "250 ok")?;
            }
            "RCPT" => {
                got.to = inside(&line)?;
                say(&mut *stream, "250 ok")?;
            }
            "DATA" => {
                say(&mut *stream, "354 go on")?;
                got.text.clear();
                loop {
                    let line = self::line(&mut *stream, &mut read)?;
                    if line == "." {
                        break;
                    }
                    got.text += line.strip_prefix('.').unwrap_or(&line);
                    got.text.push('\n');
                }
                match script(".") {
                    Some("") => return None,
                    Some(instead) => say(&mut *stream, instead)?,
                    None => {
                        let _ = tell.send(got.clone());
                        say(&mut *stream, "250 queued")?;
                    }
                }
            }
            "QUIT" => return say(&mut *stream, "221 bye"),
            _ => say(&mut *stream, "502 no")?,
        }
    }
}

fn say(stream: &mut dyn Stream, text: &str) -> Option<()> {
    stream.write_all(format!("{text}\r\n").as_bytes()).ok()?;
    stream.flush().ok()
}

fn line(stream: &mut dyn Stream, read: &mut Vec<u8>) -> Option<String> {
    loop {
        if let Some(at) = read.windows(2).position(|two| two == b"\r\n") {
            let line = String::from_utf8_lossy(&read[..at]).into_owned();
            read.drain(..at + 2);
            return Some(line);
        }
        let mut buffer = [0; 4_096];
        match stream.read(&mut buffer) {
            Ok(n) if n > 0 => read.extend_from_slice(&buffer[..n]),
            _ => return None,
        }
    }
}
