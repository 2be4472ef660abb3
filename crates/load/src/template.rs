//! Request texts with holes, compiled once and filled for each request without allocating.
//!
//! A hole is a known word in braces: `{buyer}`. Any other brace is text, so JSON needs no escapes; a
//! word in braces that is not known is an error, because it would be sent as it stands.

use crate::doubles::{self, Issuer, Provider};
use std::fmt;

/// What stands for a visitor in names and keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Who {
    /// The seed of the crowd.
    pub seed: u64,
    /// The visitor's number.
    pub n: u64,
    /// Which of the visitor's accounts; 0 is the first.
    pub account: u16,
}

impl Who {
    /// Write the buyer's name.
    pub fn write_buyer(self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"buyer-");
        push_number(out, self.seed);
        out.push(b'-');
        push_number(out, self.n);
        if self.account > 0 {
            out.push(b'.');
            push_number(out, self.account.into());
        }
    }

    /// Write the idempotency key of the buyer's wish number `wish`.
    pub fn write_key(self, wish: u16, out: &mut Vec<u8>) {
        push_number(out, self.seed);
        out.push(b'-');
        push_number(out, self.n);
        if self.account > 0 {
            out.push(b'.');
            push_number(out, self.account.into());
        }
        if wish > 0 {
            out.push(b'-');
            push_number(out, wish.into());
        }
    }

    /// Return the buyer's name.
    pub fn buyer(self) -> Box<str> {
        text_of(|out| self.write_buyer(out))
    }

    /// Return the idempotency key of the wish number `wish`.
    pub fn key(self, wish: u16) -> Box<str> {
        text_of(|out| self.write_key(wish, out))
    }
}

/// What holes are filled with.
#[derive(Clone, Copy, Debug)]
pub struct Fill<'a> {
    /// Who asks.
    pub who: Who,
    /// Which of the visitor's wishes: each has a key of its own.
    pub wish: u16,
    /// The SKU asked for.
    pub sku: &'a str,
    /// How many units.
    pub quantity: u32,
    /// The reservation, once it is known.
    pub id: &'a str,
    /// The ticket in a line.
    pub ticket: &'a str,
    /// The pass.
    pub pass: &'a str,
    /// The part of a payment: 1 is the first.
    pub part: u8,
    /// What is paid, in minor units.
    pub amount: i64,
    /// Its currency.
    pub currency: &'a str,
}

impl Fill<'_> {
    /// Nobody, who wants nothing.
    pub const NOTHING: Fill<'static> = Fill {
        who: Who { seed: 0, n: 0, account: 0 },
        wish: 0,
        sku: "",
        quantity: 0,
        id: "",
        ticket: "",
        pass: "",
        part: 0,
        amount: 0,
        currency: "",
    };
}

/// A hole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hole {
    Buyer,
    N,
    Seed,
    Key,
    Sku,
    Quantity,
    Id,
    Ticket,
    Pass,
    Part,
    Amount,
    Currency,
}

const HOLES: [(&str, Hole); 12] = [
    ("buyer", Hole::Buyer),
    ("n", Hole::N),
    ("seed", Hole::Seed),
    ("key", Hole::Key),
    ("sku", Hole::Sku),
    ("quantity", Hole::Quantity),
    ("id", Hole::Id),
    ("ticket", Hole::Ticket),
    ("pass", Hole::Pass),
    ("part", Hole::Part),
    ("amount", Hole::Amount),
    ("currency", Hole::Currency),
];

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(Box<[u8]>),
    Hole(Hole),
}

/// A text with holes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Template(Vec<Part>);

/// A word in braces that no hole is called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownHole(pub String);

impl fmt::Display for UnknownHole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known: Vec<String> = HOLES.iter().map(|(name, _)| format!("{{{name}}}")).collect();
        write!(f, "`{{{}}}` is no placeholder; there are {}", self.0, known.join(" "))
    }
}

impl std::error::Error for UnknownHole {}

impl Template {
    /// Compile a text.
    ///
    /// # Errors
    /// [`UnknownHole`].
    pub fn new(text: &str) -> Result<Template, UnknownHole> {
        let mut parts = Vec::new();
        let (mut from, mut at) = (0, 0);
        while let Some(open) = text[at..].find('{').map(|found| at + found) {
            at = open + 1;
            let Some(close) = text[at..].find('}').map(|found| at + found) else { break };
            let word = &text[at..close];
            if word.is_empty() || !word.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') {
                continue;
            }
            let Some(&(_, hole)) = HOLES.iter().find(|(name, _)| *name == word) else {
                return Err(UnknownHole(word.to_owned()));
            };
            push_text(&mut parts, &text[from..open]);
            parts.push(Part::Hole(hole));
            (from, at) = (close + 1, close + 1);
        }
        push_text(&mut parts, &text[from..]);
        Ok(Template(parts))
    }

    /// Append the text with its holes filled. Cost: a copy.
    pub fn write(&self, fill: &Fill<'_>, out: &mut Vec<u8>) {
        for part in &self.0 {
            match part {
                Part::Text(text) => out.extend_from_slice(text),
                Part::Hole(hole) => hole.write(fill, out),
            }
        }
    }

    /// Tell whether nothing would be written.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Append another template.
    pub fn extend(&mut self, other: Template) {
        self.0.extend(other.0);
    }
}

impl Hole {
    fn write(self, fill: &Fill<'_>, out: &mut Vec<u8>) {
        match self {
            Hole::Buyer => fill.who.write_buyer(out),
            Hole::N => push_number(out, fill.who.n),
            Hole::Seed => push_number(out, fill.who.seed),
            Hole::Key => fill.who.write_key(fill.wish, out),
            Hole::Sku => out.extend_from_slice(fill.sku.as_bytes()),
            Hole::Quantity => push_number(out, fill.quantity.into()),
            Hole::Id => out.extend_from_slice(fill.id.as_bytes()),
            Hole::Ticket => out.extend_from_slice(fill.ticket.as_bytes()),
            Hole::Pass => out.extend_from_slice(fill.pass.as_bytes()),
            Hole::Part => push_number(out, fill.part.into()),
            Hole::Amount => {
                if fill.amount < 0 {
                    out.push(b'-');
                }
                push_number(out, fill.amount.unsigned_abs());
            }
            Hole::Currency => out.extend_from_slice(fill.currency.as_bytes()),
        }
    }
}

/// A whole request, compiled: what comes before the length of the body, and the body.
#[derive(Clone, Debug, Default)]
pub struct Request {
    head: Template,
    body: Template,
    /// Without a body some methods still state its length.
    states_length: bool,
    /// Who signs it.
    signer: Option<Signer>,
}

/// What is signed of a request.
#[derive(Clone, Debug)]
pub(crate) enum Signer {
    /// A buyer's token is shown with it.
    Token(Issuer),
    /// Its body is a notice.
    Notice(Provider),
}

impl Request {
    /// Compile a request. `host` is what the server is called, `headers` may have holes.
    ///
    /// # Errors
    /// [`UnknownHole`], wherever it stands.
    pub fn new(
        method: &str,
        path: &str,
        host: &str,
        headers: &[(String, String)],
        body: &str,
    ) -> Result<Request, UnknownHole> {
        let mut head = Template::new(&format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\n"))?;
        for (name, value) in headers {
            head.extend(Template::new(&format!("{name}: {value}\r\n"))?);
        }
        let body = Template::new(body)?;
        let states_length = !body.is_empty() || matches!(method, "POST" | "PUT" | "PATCH");
        Ok(Request { head, body, states_length, signer: None })
    }

    /// Have it signed.
    pub(crate) fn signed(self, signer: Signer) -> Request {
        Request { signer: Some(signer), ..self }
    }

    /// Write the request. `scratch` is used for the body and keeps its memory.
    pub fn write(&self, fill: &Fill<'_>, scratch: &mut Vec<u8>, out: &mut Vec<u8>) {
        self.head.write(fill, out);
        scratch.clear();
        self.body.write(fill, scratch);
        match &self.signer {
            None => {}
            Some(Signer::Token(issuer)) => {
                out.extend_from_slice(b"authorization: Bearer ");
                issuer.push_token(&fill.who.buyer(), doubles::now(), out);
                out.extend_from_slice(b"\r\n");
            }
            Some(Signer::Notice(provider)) => {
                provider.push_headers(scratch, doubles::now(), out);
            }
        }
        if self.states_length {
            out.extend_from_slice(b"content-length: ");
            push_number(out, scratch.len() as u64);
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(scratch);
    }
}

fn push_text(parts: &mut Vec<Part>, text: &str) {
    if !text.is_empty() {
        parts.push(Part::Text(text.as_bytes().into()));
    }
}

fn text_of(write: impl FnOnce(&mut Vec<u8>)) -> Box<str> {
    let mut out = Vec::with_capacity(32);
    write(&mut out);
    String::from_utf8(out).expect("names and keys are ASCII").into()
}

/// Append a number in decimal.
fn push_number(out: &mut Vec<u8>, mut number: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILL: Fill<'_> = Fill {
        who: Who { seed: 7, n: 1_042, account: 0 },
        wish: 0,
        sku: "unit",
        quantity: 2,
        id: "r9",
        ticket: "t1",
        pass: "p1",
        part: 1,
        amount: -250,
        currency: "CNY",
    };

    fn filled(text: &str) -> String {
        let mut out = Vec::new();
        Template::new(text).expect("compiles").write(&FILL, &mut out);
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn known_words_are_filled_and_other_braces_stay() {
        let json = r#"{"buyer":"{buyer}","n":{n},"x":{"sku":"{sku}"},"e":{},"k":"{key}"}"#;
        let expected =
            r#"{"buyer":"buyer-7-1042","n":1042,"x":{"sku":"unit"},"e":{},"k":"7-1042"}"#;
        assert_eq!(filled(json), expected);
        assert_eq!(filled("{id}{ticket}{pass} {amount} {currency}{part}"), "r9t1p1 -250 CNY1");
        assert_eq!(filled("{quantity}{seed}{{n}}"), "27{1042}");
        assert_eq!(filled("{"), "{");
        assert_eq!(filled(""), "");
    }

    #[test]
    fn a_word_that_is_not_known_is_an_error_that_names_the_others() {
        let error = Template::new("a {byer}").expect_err("a typo");
        assert_eq!(error, UnknownHole("byer".to_owned()));
        assert!(error.to_string().contains("{buyer} {n}"), "{error}");
    }

    #[test]
    fn accounts_and_wishes_have_names_and_keys_of_their_own() {
        let who = Who { seed: 1, n: 5, account: 0 };
        let other = Who { account: 3, ..who };
        assert_eq!((&*who.buyer(), &*other.buyer()), ("buyer-1-5", "buyer-1-5.3"));
        assert_eq!((&*who.key(0), &*who.key(2), &*other.key(2)), ("1-5", "1-5-2", "1-5.3-2"));
    }

    #[test]
    fn a_request_states_the_length_of_its_body() {
        let headers = [("x-buyer".to_owned(), "{buyer}".to_owned())];
        let request = Request::new("POST", "/buy/{sku}", "shop:1", &headers, r#"{"n":{n}}"#);
        let mut out = Vec::new();
        request.expect("compiles").write(&FILL, &mut vec![1, 2], &mut out);
        let expected = "POST /buy/unit HTTP/1.1\r\nhost: shop:1\r\nx-buyer: buyer-7-1042\r\n\
                        content-length: 10\r\n\r\n{\"n\":1042}";
        assert_eq!(String::from_utf8(out).expect("text"), expected);
        let mut out = Vec::new();
        let get = Request::new("GET", "/", "h", &[], "").expect("compiles");
        get.write(&FILL, &mut Vec::new(), &mut out);
        assert_eq!(out, b"GET / HTTP/1.1\r\nhost: h\r\n\r\n");
        let mut out = Vec::new();
        let post = Request::new("POST", "/", "h", &[], "").expect("compiles");
        post.write(&FILL, &mut Vec::new(), &mut out);
        assert!(out.ends_with(b"content-length: 0\r\n\r\n"));
    }
}
