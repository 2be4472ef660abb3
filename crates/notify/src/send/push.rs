//! Web Push: a payload encrypted for one browser (RFC 8291, `aes128gcm` of RFC 8188), posted to its
//! push service (RFC 8030).
//!
//! A buyer chooses the endpoint, so it is checked twice: its host must be a known push service (or
//! one the operator lists) over https, and the address it resolves to must be public.

use super::Outcome;
use super::http::{Http, Post, Target, judged};
use super::vapid::Vapid;
use crate::address::Subscription;
use crate::entropy::{Entropy, NoEntropy};
use crate::notifier::Job;
use crate::text::rfc3339;
use aes_gcm::aead::Aead;
use aes_gcm::{Aes128Gcm, Nonce};
use hmac::{Hmac, KeyInit, Mac};
use http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Method};
use onrush_types::Timestamp;
use p256::{PublicKey, SecretKey};
use serde_json::json;
use sha2::Sha256;

/// One record holds everything (RFC 8188 §2.1).
const RECORD_BYTES: u32 = 4_096;

/// Payload of one record: what is left beside header, padding mark and tag.
const PAYLOAD_BYTES_MAX: usize = RECORD_BYTES as usize - 86 - 1 - 16;

/// Which hosts may be posted to: a host, or `*.` and a domain for everything below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PushHosts(pub Vec<String>);

impl Default for PushHosts {
    /// The push services of the browsers there are.
    fn default() -> PushHosts {
        let hosts = [
            "fcm.googleapis.com",
            "updates.push.services.mozilla.com",
            "*.push.apple.com",
            "*.notify.windows.com",
        ];
        PushHosts(hosts.map(str::to_owned).to_vec())
    }
}

impl PushHosts {
    /// Tell whether `host`, in lower case, may be posted to.
    pub fn allow(&self, host: &str) -> bool {
        self.0.iter().any(|listed| match listed.strip_prefix("*.") {
            Some(domain) => {
                host.strip_suffix(domain).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
            }
            None => host == listed,
        })
    }
}

/// Posts to push services.
#[derive(Debug)]
pub struct PushSender {
    http: Http,
    vapid: Vapid,
    hosts: PushHosts,
    /// Plain http and any port, for tests.
    is_lax: bool,
}

impl PushSender {
    /// Post as `vapid` to `hosts`. `is_lax` allows plain http and other ports.
    pub fn new(http: Http, vapid: Vapid, hosts: PushHosts, is_lax: bool) -> PushSender {
        PushSender { http, vapid, hosts, is_lax }
    }

    /// Return the public key that browsers subscribe to.
    pub fn public_key(&self) -> String {
        self.vapid.public_key()
    }

    /// Tell whether an endpoint may be posted to.
    ///
    /// # Errors
    /// Words for the buyer's client, without the endpoint's path.
    pub fn check(&self, endpoint: &str) -> Result<(), String> {
        let target = Target::parse(endpoint).map_err(|error| error.to_string())?;
        if !self.hosts.allow(target.host()) {
            return Err("endpoint: its host is not a push service that is allowed here".to_owned());
        }
        if !self.is_lax && (!target.is_tls() || target.port() != 443) {
            return Err("endpoint: push services are reached over https".to_owned());
        }
        Ok(())
    }

    pub(super) async fn send(
        &self,
        job: &Job,
        to: &Subscription,
        now: Timestamp,
        entropy: &mut (dyn Entropy + Send),
    ) -> Outcome {
        // What is allowed may have changed since the buyer subscribed.
        let Ok(target) = Target::parse(&to.endpoint) else {
            return Outcome::Refused("the endpoint is no address");
        };
        if self.check(&to.endpoint).is_err() {
            return Outcome::Refused("the push service is not allowed any more");
        }
        let Ok(body) = sealed(job, to, entropy) else {
            return Outcome::Later { after: None, why: "no randomness" };
        };
        let Some(body) = body else { return Outcome::Refused("the text is too long for a push") };
        let ttl = job.opens_at.since(now).0 / 1_000;
        let value = |text: &str| HeaderValue::from_str(text).expect("tokens and numbers");
        let authorization = self.vapid.authorization(&target.origin(), now);
        let headers = vec![
            (AUTHORIZATION, value(&authorization)),
            (CONTENT_ENCODING, HeaderValue::from_static("aes128gcm")),
            (CONTENT_TYPE, HeaderValue::from_static("application/octet-stream")),
            (HeaderName::from_static("ttl"), value(&ttl.to_string())),
            (HeaderName::from_static("urgency"), HeaderValue::from_static("high")),
            // A second attempt that meets the first at the service replaces it.
            (HeaderName::from_static("topic"), value(&job.id)),
        ];
        let post = Post { method: Method::POST, headers, body: body.into() };
        match self.http.send(&target, post).await {
            Ok(answered) if matches!(answered.status.as_u16(), 404 | 410) => {
                Outcome::Refused("the browser's subscription is gone")
            }
            Ok(answered) => judged(&answered),
            Err(outcome) => outcome,
        }
    }
}

fn sealed(
    job: &Job,
    to: &Subscription,
    entropy: &mut (dyn Entropy + Send),
) -> Result<Option<Vec<u8>>, NoEntropy> {
    let message = &job.message;
    let payload = json!({
        "title": message.subject,
        "body": message.text,
        "url": message.link,
        "campaign": message.campaign,
        "opens_at": rfc3339(message.opens_at),
        "unsubscribe": message.unsubscribe,
        "lang": message.locale.as_str(),
    })
    .to_string();
    let mut salt = [0; 16];
    entropy.fill(&mut salt)?;
    // A random text is a valid key but once in 2³² times; then the next one is taken.
    loop {
        let mut key = [0; 32];
        entropy.fill(&mut key)?;
        if let Ok(key) = SecretKey::from_slice(&key) {
            return Ok(encrypt(to, payload.as_bytes(), &key, &salt));
        }
    }
}

/// Encrypt `payload` for one browser with a one-time `key` and `salt`; `None` when it is too long
/// or the browser's key is none.
pub fn encrypt(
    to: &Subscription,
    payload: &[u8],
    key: &SecretKey,
    salt: &[u8; 16],
) -> Option<Vec<u8>> {
    if payload.len() > PAYLOAD_BYTES_MAX {
        return None;
    }
    let theirs = PublicKey::from_sec1_bytes(&to.p256dh).ok()?;
    let ours = key.public_key().to_sec1_bytes();
    let shared = key.diffie_hellman(&theirs);
    // RFC 8291 §3.4: HKDF (RFC 5869) of one block each, which is one HMAC each way.
    let extracted = mac(&to.auth, &[shared.raw_secret_bytes()]);
    let info = [b"WebPush: info\0".as_slice(), &to.p256dh, &ours, &[1]];
    let input = mac(&extracted, &info);
    let pseudorandom = mac(salt, &[&input]);
    let content_key = mac(&pseudorandom, &[b"Content-Encoding: aes128gcm\0", &[1]]);
    let nonce = mac(&pseudorandom, &[b"Content-Encoding: nonce\0", &[1]]);
    let content_key: [u8; 16] = *content_key.first_chunk()?;
    let nonce: [u8; 12] = *nonce.first_chunk()?;
    // The last record ends with the mark 2.
    let padded = [payload, &[2]].concat();
    let cipher = Aes128Gcm::new(&content_key.into());
    let text = cipher.encrypt(&Nonce::from(nonce), padded.as_slice()).ok()?;
    let id_length = u8::try_from(ours.len()).ok()?;
    let head = [salt.as_slice(), &RECORD_BYTES.to_be_bytes(), &[id_length], &ours];
    Some([head.concat(), text].concat())
}

fn mac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any key length");
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    fn bytes<const N: usize>(text: &str) -> [u8; N] {
        let decoded = URL_SAFE_NO_PAD.decode(text).expect("base64url");
        decoded.try_into().expect("the right length")
    }

    #[test]
    fn the_example_of_the_rfc() {
        // RFC 8291 §5 and appendix A.
        let to = Subscription {
            endpoint: "https://push.example.net/push/JzLQ3raZJfFBR0aqvOMsLrt54w4rJUsV".to_owned(),
            p256dh: bytes(
                "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
            ),
            auth: bytes("BTBZMqHH6r4Tts7J_aSIgg"),
        };
        let key: [u8; 32] = bytes("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw");
        let key = SecretKey::from_slice(&key).expect("a key");
        let salt = bytes("DGv6ra1nlYgDCS1FRnbzlw");
        let text = b"When I grow up, I want to be a watermelon";
        let sealed = encrypt(&to, text, &key, &salt).expect("short enough");
        let expected = "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIg\
                        Dll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVB\
                        St2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN";
        assert_eq!(URL_SAFE_NO_PAD.encode(sealed), expected);
        assert!(
            encrypt(&to, &[0; PAYLOAD_BYTES_MAX], &key, &salt).is_some_and(|s| s.len() == 4_096)
        );
        assert!(encrypt(&to, &[0; PAYLOAD_BYTES_MAX + 1], &key, &salt).is_none());
    }

    #[test]
    fn only_listed_hosts_are_posted_to() {
        let hosts = PushHosts::default();
        for good in ["fcm.googleapis.com", "web.push.apple.com", "db5p.notify.windows.com"] {
            assert!(hosts.allow(good), "{good}");
        }
        for bad in [
            "googleapis.com",
            "fcm.googleapis.com.evil.example",
            "evilpush.apple.com",
            "push.apple.com",
            ".push.apple.com",
            "127.0.0.1",
            "localhost",
            "",
        ] {
            assert!(!hosts.allow(bad), "{bad}");
        }
    }
}
