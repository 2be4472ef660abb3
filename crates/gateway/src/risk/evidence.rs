//! What a request shows of itself. No allocation; nothing but digests and numbers leaves this file.
//!
//! Header order and completeness tell a browser from a program that did not try; a program that tries
//! passes. See `docs/risk.md` for what each of them is worth.

use super::sale::Sale;
use crate::gateway::{Ask, Gateway};
use crate::identity::{Buyer, SESSION_CHARS, cookie_named};
use crate::wire::Details;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, ACCEPT_LANGUAGE, AUTHORIZATION, HOST, ORIGIN, REFERER, USER_AGENT,
};
use http::{HeaderMap, HeaderName};
use onrush::{BuyerDigest, Campaign, Timestamp};
use onrush_risk::challenge::{Holder, ProofToken, TokenError};
use onrush_risk::{EntityId, Evidence, Kind, RiskKey, Stage, Transport};
use std::net::IpAddr;

/// The header and cookie with a device's token, and the longest one that is looked at.
const DEVICE: &str = "onrush-device";
const DEVICE_COOKIE: &str = "onrush_device";
const DEVICE_CHARS_MAX: usize = 64;

/// The header in which a page sends the field that no person sees, and no person fills.
const HONEYPOT: &str = "onrush-field";

/// The header with the proof of an answered challenge.
const PROOF: &str = "onrush-proof";

/// As much of a user agent as is looked at.
const AGENT_BYTES_MAX: usize = 512;

/// Programs that say so.
const TOOLS: [&[u8]; 13] = [
    b"curl/",
    b"Wget/",
    b"python",
    b"Python",
    b"Go-http-client",
    b"Java/",
    b"libwww",
    b"node",
    b"axios/",
    b"undici",
    b"aiohttp",
    b"Ruby",
    b"Apache-HttpClient",
];

/// What a browser sends with every request of a page.
const EXPECTED: [&HeaderName; 4] = [&USER_AGENT, &ACCEPT, &ACCEPT_ENCODING, &ACCEPT_LANGUAGE];

impl Gateway {
    /// Collect what a request shows, and the proof that came with it.
    pub(super) fn evidence(
        &self,
        sale: &Sale,
        campaign: &Campaign,
        buyer: &Buyer,
        ask: &Ask<'_>,
        (stage, details): (Stage, Option<&Details<'_>>),
        now: Timestamp,
    ) -> (Evidence, Option<ProofToken>) {
        let (key, settings) = (&sale.key, self.risks.settings());
        let headers = ask.headers;
        let mut e = Evidence::of(key.digest(Kind::Account, &buyer.digest.0), stage);
        e.session_at = buyer.since;
        e.account_age_days = buyer.account_at.map(|at| days(at, now));
        let client = self.client_addr(ask);
        e.address = client.map(|addr| key.digest(Kind::Address, &prefix(addr)));
        e.device = device(headers).map(|token| key.digest(Kind::Device, token.as_bytes()));
        e.opens_at = campaign.terms().schedule.opens_at;
        e.honeypot = headers.get(HONEYPOT).is_some_and(|value| !value.is_empty());
        e.destination = details.and_then(|details| details.destination).map(|place| {
            // Four digits: some ten metres, a house.
            let near = |degrees: f64| ((degrees * 10_000.0).round() as i64).to_le_bytes();
            let mut bytes = [0; 16];
            bytes[..8].copy_from_slice(&near(place.lat));
            bytes[8..].copy_from_slice(&near(place.lon));
            key.digest(Kind::Destination, &bytes)
        });
        let ja4 = self.proxied(ask, settings.ja4_header.as_deref());
        let digest = |kind, name: Option<&str>| {
            self.proxied(ask, name).map(|text| key.digest(kind, text.as_bytes()))
        };
        e.payment = digest(Kind::Payment, settings.payment_header.as_deref());
        e.phone = digest(Kind::Phone, settings.phone_header.as_deref());
        e.tls = ja4.map(|text| key.digest(Kind::Tls, text.as_bytes()));
        e.transport = transport(ask, ja4);
        e.behaviour = behaviour(key, headers, ja4);
        let proof = self.proof(sale, buyer.digest, headers, &mut e, now);
        (e, proof)
    }

    /// Read the proof that came along. One that another buyer was given is proof of something else; one
    /// that cannot be read is none of ours, or from before a restart, and says nothing.
    fn proof(
        &self,
        sale: &Sale,
        buyer: BuyerDigest,
        headers: &HeaderMap,
        e: &mut Evidence,
        now: Timestamp,
    ) -> Option<ProofToken> {
        let text = headers.get(PROOF)?.to_str().ok()?;
        let challenges = sale.challenges.get()?;
        let holder = holder(&sale.key, buyer, headers);
        match challenges.open_proof(text, holder, now) {
            Ok(proof) if !challenges.is_used(&proof) => {
                e.challenge = Some(proof.passed());
                Some(proof)
            }
            Err(TokenError::Stolen) => {
                e.forged = true;
                None
            }
            _ => None,
        }
    }

    /// Return a header that only a listed proxy may set.
    fn proxied<'a>(&self, ask: &Ask<'a>, name: Option<&str>) -> Option<&'a str> {
        let value = ask.headers.get(name?)?;
        ask.peer.filter(|peer| self.is_trusted(*peer))?;
        value.to_str().ok().filter(|text| !text.is_empty() && text.len() <= AGENT_BYTES_MAX)
    }
}

/// Tell whose challenge or proof this is: the buyer's, in the session that was shown, if any.
pub(super) fn holder(key: &RiskKey, buyer: BuyerDigest, headers: &HeaderMap) -> Holder {
    let text = |name: &str| headers.get(name)?.to_str().ok();
    let bearer = headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
    let bearer = bearer.and_then(|value| value.split_once(' ')).map(|(_, token)| token.trim());
    let session = bearer
        .filter(|token| token.len() == SESSION_CHARS && !token.contains('.'))
        .or_else(|| text("onrush-session"))
        .or_else(|| cookie_named(headers, crate::identity::COOKIE_NAME));
    let session = session.map_or(0, |token| key.digest(Kind::Device, token.as_bytes()).0);
    Holder { buyer, session }
}

fn days(from: Timestamp, now: Timestamp) -> f32 {
    now.0.saturating_sub(from.0) as f32 / 86_400_000.0
}

/// Return the first 24 bits of an IPv4 address, the first 48 of an IPv6 one.
fn prefix(addr: IpAddr) -> [u8; 7] {
    let mut bytes = [0; 7];
    match addr.to_canonical() {
        IpAddr::V4(v4) => {
            bytes[0] = 4;
            bytes[1..4].copy_from_slice(&v4.octets()[..3]);
        }
        IpAddr::V6(v6) => {
            bytes[0] = 6;
            bytes[1..7].copy_from_slice(&v6.octets()[..6]);
        }
    }
    bytes
}

fn device(headers: &HeaderMap) -> Option<&str> {
    let shown = headers.get(DEVICE).and_then(|value| value.to_str().ok());
    shown
        .or_else(|| cookie_named(headers, DEVICE_COOKIE))
        .filter(|token| (8..=DEVICE_CHARS_MAX).contains(&token.len()))
}

fn transport(ask: &Ask<'_>, ja4: Option<&str>) -> Transport {
    let headers = ask.headers;
    let agent = headers.get(USER_AGENT).map_or(&b""[..], |value| value.as_bytes());
    let agent = &agent[..agent.len().min(AGENT_BYTES_MAX)];
    let has = |name: &str| headers.contains_key(name);
    let says = |word: &[u8]| memchr::memmem::find(agent, word).is_some();
    let expected = EXPECTED.iter().filter(|name| !headers.contains_key(**name)).count();
    let no_page = !headers.contains_key(ORIGIN) && !headers.contains_key(REFERER);
    let missing = expected + usize::from(no_page) + usize::from(!has("sec-fetch-site"));
    let is_tool = agent.is_empty()
        || TOOLS.iter().any(|tool| agent.starts_with(tool))
        || says(b"HeadlessChrome");
    let says_chrome = says(b" Chrome/") && !says(b"MicroMessenger");
    let has_hints = has("sec-ch-ua");
    let contradicts =
        (says(b"Firefox/") && has_hints) || (says_chrome && !has_hints && !has("sec-fetch-mode"));
    Transport {
        // Safari says how to compress first, in what its scripts send.
        header_order_odd: if says(b" Version/") { 0.0 } else { header_order_odd(headers) },
        headers_missing: missing as f32 / (EXPECTED.len() + 2) as f32,
        // The public listener speaks HTTP/1.1; what a proxy spoke outside it does not say.
        http_version: 11.0,
        agent_mismatch: contradicts,
        agent_tool: is_tool,
        ja4_mismatch: agent.starts_with(b"Mozilla/5.0") && ja4.is_some_and(is_no_browser),
    }
}

/// Browsers but Safari say whom they want first, and who they are and what they accept before how it may be
/// compressed.
fn header_order_odd(headers: &HeaderMap) -> f32 {
    let at = |wanted: &HeaderName| headers.keys().position(|name| name == wanted);
    let Some(encoding) = at(&ACCEPT_ENCODING) else { return 0.0 };
    let behind = |name: &HeaderName| at(name).is_some_and(|at| at > encoding);
    let wrong = [behind(&ACCEPT), behind(&USER_AGENT), behind(&HOST)];
    wrong.into_iter().filter(|wrong| *wrong).count().min(2) as f32 / 2.0
}

/// Tell whether a JA4 digest is none of a browser's: `t13d1516h2_…` has protocol, TLS version, whether a
/// name was sent, ciphers, extensions and ALPN. Browsers send a name, offer TLS 1.2 or later, at least
/// ten extensions, and name a protocol.
fn is_no_browser(ja4: &str) -> bool {
    let head = ja4.as_bytes();
    let Some(head) = head.get(..10) else { return true };
    let number = |at: usize| match (head[at], head[at + 1]) {
        (a @ b'0'..=b'9', b @ b'0'..=b'9') => u32::from(a - b'0') * 10 + u32::from(b - b'0'),
        _ => 0,
    };
    let (tls, extensions) = (number(1), number(6));
    tls < 12 || head[3] != b'd' || extensions < 10 || &head[8..10] == b"00"
}

/// Digest how a request looks: who it says it is, and which headers it sends in which order.
fn behaviour(key: &RiskKey, headers: &HeaderMap, ja4: Option<&str>) -> EntityId {
    let agent = headers.get(USER_AGENT).map_or(&b""[..], |value| value.as_bytes());
    let names = headers.keys().map(|name| name.as_str().as_bytes());
    let parts = names.chain([&agent[..agent.len().min(AGENT_BYTES_MAX)]]);
    key.digest_all(Kind::Behaviour, parts.chain(ja4.map(str::as_bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(all: &[(&'static str, &'static str)]) -> HeaderMap {
        all.iter()
            .map(|(name, value)| {
                (HeaderName::from_static(name), http::HeaderValue::from_static(value))
            })
            .collect()
    }

    fn seen(headers: &HeaderMap) -> Transport {
        let ask = Ask {
            side: crate::gateway::Side::Public,
            method: &http::Method::POST,
            path: "/",
            query: None,
            headers,
            body: b"",
            peer: None,
            memo: None,
        };
        transport(&ask, None)
    }

    const CHROME: &str = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) \
                          Chrome/142.0.0.0 Safari/537.36";

    #[test]
    fn a_browser_shows_nothing_and_a_loop_shows_itself() {
        let browser = headers(&[
            ("host", "shop.example"),
            ("sec-ch-ua", "\"Chromium\";v=\"142\""),
            ("user-agent", CHROME),
            ("accept", "*/*"),
            ("origin", "https://shop.example"),
            ("sec-fetch-site", "same-origin"),
            ("sec-fetch-mode", "cors"),
            ("accept-encoding", "gzip, br"),
            ("accept-language", "en"),
        ]);
        let told = seen(&browser);
        assert_eq!((told.headers_missing, told.header_order_odd), (0.0, 0.0));
        assert!(!told.agent_tool && !told.agent_mismatch);
        let requests = headers(&[
            ("host", "shop.example"),
            ("user-agent", "python-requests/2.32"),
            ("accept-encoding", "gzip, deflate"),
            ("accept", "*/*"),
        ]);
        let told = seen(&requests);
        assert!(told.agent_tool && told.headers_missing >= 0.5 && told.header_order_odd > 0.0);
        let pretends = headers(&[("host", "shop.example"), ("user-agent", CHROME)]);
        assert!(seen(&pretends).agent_mismatch);
        assert!(seen(&HeaderMap::new()).agent_tool);
    }

    #[test]
    fn a_tls_digest_tells_libraries_from_browsers() {
        assert!(!is_no_browser("t13d1516h2_8daaf6152771_b186095e22b6"));
        for library in
            ["t13d190900_9dc949149365_97f8aa674fd9", "t10d1516h2_a", "t13i1516h2_a", "", "é"]
        {
            assert!(is_no_browser(library), "{library}");
        }
    }

    #[test]
    fn a_prefix_is_what_is_left_of_an_address() {
        let of = |text: &str| prefix(text.parse().expect("an address"));
        assert_eq!(of("203.0.113.7"), of("203.0.113.250"));
        assert_eq!(of("203.0.113.7"), of("::ffff:203.0.113.9"), "the same, written as IPv6");
        assert_ne!(of("203.0.113.7"), of("203.0.114.7"));
        assert_eq!(of("2001:db8:1:2::3"), of("2001:db8:1:ffff::9"));
        assert_ne!(of("2001:db8:1::"), of("2001:db8:2::"));
    }
}
