//! The shop's own system: a CloudEvent with a Standard Webhooks signature.
//!
//! `webhook-id` is the same for every attempt, so a receiver that remembers ids gets each reminder
//! once even where its answer was lost. Source: standardwebhooks.com (symmetric signatures),
//! CloudEvents 1.0 (JSON format).

use super::Outcome;
use super::http::{Http, Post, Target, judged};
use crate::notifier::Job;
use crate::text::rfc3339;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use http::header::CONTENT_TYPE;
use http::{HeaderName, HeaderValue, Method};
use onrush_types::Timestamp;
use serde_json::json;
use sha2::Sha256;
use std::fmt;
use zeroize::Zeroizing;

/// Sends to one address that the operator configured; a buyer has no say in it.
pub struct WebhookSender {
    http: Http,
    target: Target,
    secrets: Vec<Zeroizing<Vec<u8>>>,
}

impl fmt::Debug for WebhookSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WebhookSender({:?})", self.target)
    }
}

impl WebhookSender {
    /// Send to `target`, signed with each of `secrets` (several while one is being replaced).
    pub fn new(http: Http, target: Target, secrets: Vec<Vec<u8>>) -> WebhookSender {
        let secrets = secrets.into_iter().map(Zeroizing::new).collect();
        WebhookSender { http, target, secrets }
    }

    pub(super) async fn send(&self, job: &Job, reference: &str, now: Timestamp) -> Outcome {
        let message = &job.message;
        let body = json!({
            "specversion": "1.0",
            "id": job.id,
            "source": "/onrush/reminders",
            "type": "onrush.reminder.due",
            "time": rfc3339(now),
            "datacontenttype": "application/json",
            "data": {
                "recipient": reference,
                "campaign": message.campaign,
                "title": message.title,
                "opens_at": rfc3339(message.opens_at),
                "locale": message.locale.as_str(),
                "link": message.link,
                "unsubscribe": message.unsubscribe,
                "text": message.text,
            },
        })
        .to_string();
        let seconds = now.0 / 1_000;
        let signed: Vec<String> = self
            .secrets
            .iter()
            .map(|secret| signature(secret, &job.id, seconds, body.as_bytes()))
            .collect();
        let value = |text: &str| HeaderValue::from_str(text).expect("hexadecimal and base64");
        let headers = vec![
            (CONTENT_TYPE, HeaderValue::from_static("application/cloudevents+json")),
            (HeaderName::from_static("webhook-id"), value(&job.id)),
            (HeaderName::from_static("webhook-timestamp"), value(&seconds.to_string())),
            (HeaderName::from_static("webhook-signature"), value(&signed.join(" "))),
        ];
        let post = Post { method: Method::POST, headers, body: body.into() };
        match self.http.send(&self.target, post).await {
            Ok(answered) => judged(&answered),
            Err(outcome) => outcome,
        }
    }
}

/// Sign a body as Standard Webhooks says.
pub fn signature(secret: &[u8], id: &str, seconds: u64, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes any key length");
    mac.update(format!("{id}.{seconds}.").as_bytes());
    mac.update(body);
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_the_published_example() {
        // The example of the Standard Webhooks reference implementations.
        let secret = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("base64");
        let signed = signature(
            &secret,
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            b"{\"test\": 2432232314}",
        );
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}
