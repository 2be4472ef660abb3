//! Reads HTTP/1.1 answers from bytes. Pure; allocates only for chunked bodies.

use std::fmt;

/// Longest head of an answer.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// Longest body of an answer.
const BODY_BYTES_MAX: usize = 64 << 20;

/// The head of an answer, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) status: u16,
    /// Bytes before the body.
    pub(super) bytes: usize,
    pub(super) length: Length,
    /// The server closes the connection after it.
    pub(super) closes: bool,
    /// `Retry-After`, in milliseconds.
    pub(super) retry_after_ms: Option<u64>,
}

/// How long a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    Bytes(usize),
    Chunked,
    /// Until the connection ends.
    Open,
}

/// Bytes that are no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed(pub(super) &'static str);

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// Read a head; `None`: more bytes are needed. Interim answers (1xx) are passed over.
pub(super) fn head(bytes: &[u8]) -> Result<Option<Head>, Malformed> {
    let mut from = 0;
    loop {
        let Some(end) = memchr::memmem::find(&bytes[from..], b"\r\n\r\n") else {
            let long = bytes.len() - from > HEAD_BYTES_MAX;
            return if long { Err(Malformed("the head is too long")) } else { Ok(None) };
        };
        let end = from + end;
        let mut head = one_head(&bytes[from..end])?;
        if (100..200).contains(&head.status) {
            from = end + 4;
            continue;
        }
        head.bytes = end + 4;
        return Ok(Some(head));
    }
}

fn one_head(bytes: &[u8]) -> Result<Head, Malformed> {
    let line_end = memchr::memchr(b'\r', bytes).unwrap_or(bytes.len());
    let line = &bytes[..line_end];
    if line.len() < 12 || !line.starts_with(b"HTTP/1.") || line[8] != b' ' {
        return Err(Malformed("it does not start like HTTP/1"));
    }
    let status = number(&line[9..12]).ok_or(Malformed("the status is no number"))?;
    let status = u16::try_from(status).unwrap_or(0);
    let mut head = Head {
        status,
        bytes: 0,
        length: Length::Open,
        closes: line[7] == b'0',
        retry_after_ms: None,
    };
    let (mut length, mut chunked) = (None, false);
    let mut rest = &bytes[(line_end + 2).min(bytes.len())..];
    while !rest.is_empty() {
        let end = memchr::memchr(b'\r', rest).unwrap_or(rest.len());
        let (line, after) = (&rest[..end], &rest[(end + 2).min(rest.len())..]);
        rest = after;
        // Few names matter here, and their first letters differ from most others.
        match line.first().map(u8::to_ascii_lowercase) {
            Some(b'c') => {
                if let Some(value) = value_of(line, b"content-length") {
                    length = Some(number(value).ok_or(Malformed("the length is no number"))?);
                } else if let Some(value) = value_of(line, b"connection") {
                    head.closes = value.eq_ignore_ascii_case(b"close")
                        || (head.closes && !value.eq_ignore_ascii_case(b"keep-alive"));
                }
            }
            Some(b't') => {
                if let Some(value) = value_of(line, b"transfer-encoding") {
                    chunked = value.len() >= 7
                        && value[value.len() - 7..].eq_ignore_ascii_case(b"chunked");
                }
            }
            Some(b'r') => {
                if let Some(value) = value_of(line, b"retry-after") {
                    head.retry_after_ms = number(value).map(|seconds| seconds * 1_000);
                }
            }
            _ => {}
        }
    }
    head.length = match (status, chunked, length) {
        (204 | 304, ..) => Length::Bytes(0),
        (_, true, _) => Length::Chunked,
        (_, false, Some(bytes)) if bytes > BODY_BYTES_MAX as u64 => {
            return Err(Malformed("the body is too long"));
        }
        (_, false, Some(bytes)) => Length::Bytes(bytes as usize),
        (_, false, None) => Length::Open,
    };
    Ok(head)
}

fn value_of<'a>(line: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let colon = name.len();
    let named =
        line.len() > colon && line[colon] == b':' && line[..colon].eq_ignore_ascii_case(name);
    named.then(|| line[colon + 1..].trim_ascii())
}

fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 15 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(digits.iter().fold(0, |n, digit| n * 10 + u64::from(digit - b'0')))
}

/// Takes the frames of chunked bodies away, however they are cut.
#[derive(Clone, Debug, Default)]
pub(super) struct Dechunk {
    /// Bytes of the present chunk that are still to come.
    left: usize,
    /// The line break after a chunk comes next.
    at_break: bool,
    /// The last chunk was there; its trailers are read.
    trailers: bool,
    ended: bool,
}

impl Dechunk {
    /// Append what `bytes` carry to `out`. Returns how many bytes were used; those that are left
    /// over must be shown again, with more.
    pub(super) fn feed(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<usize, Malformed> {
        let mut at = 0;
        while !self.ended {
            let rest = &bytes[at..];
            if self.left > 0 {
                let take = self.left.min(rest.len());
                out.extend_from_slice(&rest[..take]);
                self.left -= take;
                at += take;
                self.at_break = self.left == 0;
                if self.left > 0 {
                    break;
                }
                continue;
            }
            let Some(end) = memchr::memmem::find(rest, b"\r\n") else {
                if rest.len() > HEAD_BYTES_MAX {
                    return Err(Malformed("a chunk has no length"));
                }
                break;
            };
            at += end + 2;
            let line = &rest[..end];
            if self.at_break {
                self.at_break = false;
                if end != 0 {
                    return Err(Malformed("a chunk is longer than it says"));
                }
            } else if self.trailers {
                self.ended = end == 0;
            } else {
                self.left = chunk_length(line)?;
                self.trailers = self.left == 0;
                if out.len() + self.left > BODY_BYTES_MAX {
                    return Err(Malformed("the body is too long"));
                }
            }
        }
        Ok(at)
    }

    /// Tell whether the body is complete.
    pub(super) fn ended(&self) -> bool {
        self.ended
    }
}

fn chunk_length(line: &[u8]) -> Result<usize, Malformed> {
    let digits = line.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
    let text = std::str::from_utf8(digits).unwrap_or_default();
    if text.is_empty() || text.len() > 8 || text.starts_with('+') {
        return Err(Malformed("a chunk has no length"));
    }
    usize::from_str_radix(text, 16).map_err(|_| Malformed("a chunk has no length"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &[u8] =
        b"HTTP/1.1 409 Conflict\r\nContent-Length: 2\r\nretry-after: 3\r\nx: y\r\n\r\n{}";

    #[test]
    fn a_head_is_read_wherever_it_is_cut() {
        let expected = Head {
            status: 409,
            bytes: PLAIN.len() - 2,
            length: Length::Bytes(2),
            closes: false,
            retry_after_ms: Some(3_000),
        };
        for cut in 0..=PLAIN.len() {
            let read = head(&PLAIN[..cut]).expect("well formed");
            assert_eq!(read, (cut >= expected.bytes).then_some(expected), "{cut}");
        }
    }

    #[test]
    fn what_ends_an_answer_is_told_apart() {
        for (text, length, closes) in [
            ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", Length::Chunked, false),
            ("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n", Length::Open, true),
            ("HTTP/1.0 200 OK\r\ncontent-length: 1\r\n\r\n", Length::Bytes(1), true),
            (
                "HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 1\r\n\r\n",
                Length::Bytes(1),
                false,
            ),
            ("HTTP/1.1 304 x\r\ncontent-length: 9\r\n\r\n", Length::Bytes(0), false),
            ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 x\r\n\r\n", Length::Bytes(0), false),
        ] {
            let read = head(text.as_bytes()).expect("well formed").expect("whole");
            assert_eq!((read.length, read.closes), (length, closes), "{text}");
            assert_eq!(read.bytes, text.len());
        }
        for bad in ["SSH-2.0 x\r\n\r\n", "HTTP/1.1 2x0 OK\r\n\r\n", "HTTP/2 200\r\n\r\n"] {
            assert!(head(bad.as_bytes()).is_err(), "{bad}");
        }
        let long = "HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n";
        assert_eq!(head(long.as_bytes()), Err(Malformed("the body is too long")));
        assert!(head(&vec![b'x'; HEAD_BYTES_MAX + 1]).is_err());
    }

    #[test]
    fn chunks_are_joined_wherever_they_are_cut() {
        let text = b"4\r\nonru\r\n2;x=y\r\nsh\r\n0\r\na: b\r\n\r\n";
        for cut in 0..=text.len() {
            let (mut chunks, mut out) = (Dechunk::default(), Vec::new());
            let used = chunks.feed(&text[..cut], &mut out).expect("well formed");
            assert!(used <= cut);
            let rest = chunks.feed(&text[used..], &mut out).expect("well formed");
            assert_eq!((used + rest, chunks.ended()), (text.len(), true), "{cut}");
            assert_eq!(out, b"onrush", "{cut}");
        }
        for bad in [&b"x\r\n"[..], b"\r\n", b"1\r\nab\r\n", b"ffffffffff\r\n"] {
            let read = Dechunk::default().feed(bad, &mut Vec::new());
            assert!(read.is_err(), "{}", String::from_utf8_lossy(bad));
        }
    }
}
